//! Questions to the machine: processor, programs, disk. Enters: names and paths. Leaves: what was found, or the problem.
//! Both the start path and the doctor ask here; nothing is started but `--version` questions.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{EngineError, Problem};

/// The oldest Java that Kafka 4 runs on.
const JAVA_OLDEST: u32 = 17;

/// A usable Java.
#[derive(Debug, Clone)]
pub(crate) struct Java {
    /// The program.
    pub(crate) path: PathBuf,
    /// Its major version.
    pub(crate) major: u32,
    /// The line it printed, which also names the vendor's build.
    pub(crate) version: String,
}

/// Java of `JAVA_HOME`, else of the path; 17 or newer.
pub(crate) fn java() -> Result<Java, EngineError> {
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    let (path, looked) = match home {
        Some(home) => {
            let path = PathBuf::from(home).join("bin/java");
            let looked = format!("JAVA_HOME names {}", path.display());
            (path.is_file().then_some(path), looked)
        }
        None => (on_path("java"), "JAVA_HOME is not set and the path has none".to_owned()),
    };
    let path = path.ok_or(Problem::ProgramMissing { program: "java", looked })?;
    let text = ask(&path, "java", &["-version"])?;
    let looked = format!("{} printed no version", path.display());
    let major = java_major(&text).ok_or(Problem::ProgramMissing { program: "java", looked })?;
    if major < JAVA_OLDEST {
        return Err(Problem::JavaTooOld { path, found: major }.into());
    }
    let version = text.lines().find(|line| line.contains("version")).unwrap_or_default().to_owned();
    Ok(Java { path, major, version })
}

/// The major version in what `java -version` prints: `"1.8.0_292"` is 8, `"17.0.15"` is 17, `"25-ea"` is 25.
fn java_major(text: &str) -> Option<u32> {
    let quoted = text.lines().find_map(|line| line.split_once("version \"")).map(|(_, rest)| rest)?;
    let mut numbers = quoted.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        major => Some(major),
    }
}

/// A program on the path that answers `--version`; returns the program and the first line of its answer.
pub(crate) fn program(name: &'static str) -> Result<(PathBuf, String), EngineError> {
    let missing = || Problem::ProgramMissing { program: name, looked: "not on the path".to_owned() };
    let path = on_path(name).ok_or_else(missing)?;
    let text = ask(&path, name, &["--version"])?;
    let line = strip_colours(text.lines().next().unwrap_or_default());
    Ok((path, line))
}

/// The first executable file of that name on the path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| executable(file))
}

fn executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn ask(path: &Path, program: &'static str, args: &[&str]) -> Result<String, EngineError> {
    let output = Command::new(path).args(args).stdin(Stdio::null()).output().map_err(|error| {
        Problem::ProgramMissing { program, looked: format!("{} cannot be run: {error}", path.display()) }
    })?;
    // Java answers on stderr, everything else on stdout.
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Ok(text)
}

fn strip_colours(line: &str) -> String {
    let mut plain = String::new();
    let mut parts = line.split('\u{1b}');
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, text)| text));
    }
    plain
}

/// Whether the fetched ClickHouse library can run here: Linux on x86-64 with the instructions of 2013 and later.
pub(crate) fn processor() -> Result<String, EngineError> {
    let system = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    if system != "linux x86_64" {
        return Err(Problem::UnsupportedPlatform { engine: "clickhouse", system }.into());
    }
    let missing = missing_instructions();
    if missing.is_empty() {
        Ok(format!("{system} with AVX2, BMI2 and FMA"))
    } else {
        Err(Problem::ProcessorTooOld { missing }.into())
    }
}

#[cfg(target_arch = "x86_64")]
fn missing_instructions() -> Vec<&'static str> {
    let has = [
        ("AVX2", std::is_x86_feature_detected!("avx2")),
        ("BMI2", std::is_x86_feature_detected!("bmi2")),
        ("FMA", std::is_x86_feature_detected!("fma")),
    ];
    has.into_iter().filter(|(_, present)| !present).map(|(name, _)| name).collect()
}

#[cfg(not(target_arch = "x86_64"))]
fn missing_instructions() -> Vec<&'static str> {
    Vec::new()
}

/// Whether the disk of `path`, or of its nearest existing parent, has `needed` bytes free; returns what it has in MiB.
pub(crate) fn room(path: &Path, what: &'static str, needed: u64) -> Result<u64, EngineError> {
    let existing = path.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("/"));
    let stat = nix::sys::statvfs::statvfs(existing)
        .map_err(|error| EngineError::io("cannot ask for the free room of", existing, error.into()))?;
    let available = stat.blocks_available() * stat.fragment_size();
    let available_mib = available >> 20;
    if available >= needed {
        return Ok(available_mib);
    }
    Err(Problem::DiskFull {
        path: existing.to_path_buf(),
        what,
        available_mib,
        needed_mib: needed.div_ceil(1 << 20),
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_versions_of_all_times_are_read() {
        let check = |text: &str, expected| assert_eq!(java_major(text), expected, "{text}");
        check("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime", Some(17));
        check("java version \"1.8.0_292\"", Some(8));
        check("openjdk version \"25-ea\" 2025-09-16", Some(25));
        check("Picked up JAVA_TOOL_OPTIONS: -Dx=y\nopenjdk version \"21\" 2023-09-19 LTS", Some(21));
        check("command not found", None);
    }

    #[test]
    fn too_little_room_says_how_much_is_missing() {
        let error = room(Path::new("/"), "a test", u64::MAX).expect_err("no disk is that large");
        assert!(matches!(error.problem(), Problem::DiskFull { what: "a test", .. }), "{error}");
    }

    #[test]
    fn colours_are_stripped() {
        assert_eq!(strip_colours("\u{1b}[1mApache Maven 3.8.7\u{1b}[m"), "Apache Maven 3.8.7");
    }
}
