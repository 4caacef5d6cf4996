//! A whole Kafka broker out of Maven packages. Enters: an empty folder. Leaves: its jars in it, as pinned.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use super::client::Client;
use super::progress::Progress;
use crate::cache::Package;
use crate::error::EngineError;
use crate::machine;

/// Apache Kafka 4.3.1 with the logging library it is configured with.
pub(crate) const KAFKA: Package = Package {
    name: "kafka-4.3.1",
    hashes: include_str!("../../kafka-jars.sha256"),
    download_bytes: 45_000_000,
    // Maven keeps a copy of each jar and fetches its own plug-ins.
    peak_bytes: 150_000_000,
};

const POM: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>callmeter</groupId>
  <artifactId>kafka-engine</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>4.3.1</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
"#;

pub(super) fn fill(dir: &Path, package: &Package, cancelled: &AtomicBool) -> Result<(), EngineError> {
    let (mvn, _) = machine::program("mvn")?;
    let pom = dir.join("pom.xml");
    let client = Client { output: dir.join("mvn.log"), cancelled };
    std::fs::write(&pom, POM).map_err(|error| EngineError::io("cannot write", &pom, error))?;
    let mut command = Command::new(mvn);
    command.args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
    command.arg(format!("-DoutputDirectory={}", dir.display())).current_dir(dir);
    {
        let progress = Progress::start("Kafka", package.download_bytes);
        client.run(command, "mvn dependency:copy-dependencies", &progress)?;
    }
    keep_only_pinned(dir, package)
}

/// The class path is every jar of the folder, so a jar that nobody pinned must not stay.
fn keep_only_pinned(dir: &Path, package: &Package) -> Result<(), EngineError> {
    let entries = std::fs::read_dir(dir).map_err(|error| EngineError::io("cannot list", dir, error))?;
    for entry in entries.flatten() {
        let pinned = package.files().any(|(file, _)| entry.file_name() == file);
        if !pinned {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(|error| EngineError::io("cannot remove", &path, error))?;
        }
    }
    Ok(())
}
