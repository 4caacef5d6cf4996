//! The data folder: secrets and chosen ports enter once and stay; `run.json` is there while everything runs.
//!
//! Promise: the folder and every file with a secret are readable by their owner alone; a file is written whole or
//! not at all.

use super::crew::Crew;
use crate::config::Config;
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{Rng, RngCore, distr::Alphanumeric};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::Write,
    net::{TcpListener, ToSocketAddrs},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// What `up` made up at its first start.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Secrets {
    pub(crate) clickhouse_password: String,
    pub(crate) clickhouse_read_password: String,
    /// Key of the workspace `default` and the entry that admits it.
    pub(crate) api_key: String,
    pub(crate) api_entry: String,
    /// The same of the workspace `demo`.
    pub(crate) demo_key: String,
    pub(crate) demo_entry: String,
    /// Signs webhooks to the built-in receiver.
    pub(crate) signing_secret: String,
}

impl Secrets {
    /// The folder's secrets, made up and stored when there are none yet.
    fn load(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join("secrets.json");
        match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
                format!("{} is damaged; without it the stored data cannot be opened", file.display())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secrets = Self::make_up();
                create_folder(folder)?;
                write_private(&file, &serde_json::to_vec_pretty(&secrets)?)?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    fn make_up() -> Self {
        let password = || rand::rng().sample_iter(Alphanumeric).take(32).map(char::from).collect::<String>();
        let key = |workspace| {
            let mut random = [0; callmeter_ingest::keys::RANDOM_BYTES];
            rand::rng().fill_bytes(&mut random);
            let made = callmeter_ingest::keys::generate(workspace, &random);
            (made.key, made.entry)
        };
        let (api_key, api_entry) = key("default");
        let (demo_key, demo_entry) = key("demo");
        let mut random = [0; 32];
        rand::rng().fill_bytes(&mut random);
        let signing_secret = format!("whsec_{}", STANDARD.encode(random));
        let (clickhouse_password, clickhouse_read_password) = (password(), password());
        Self {
            clickhouse_password,
            clickhouse_read_password,
            api_key,
            api_entry,
            demo_key,
            demo_entry,
            signing_secret,
        }
    }
}

/// What scripts need to talk to a running `up`; the names are fixed.
#[derive(Clone, Default, Serialize)]
pub(crate) struct Run {
    pub(crate) pid: u32,
    pub(crate) ingest_url: String,
    pub(crate) board_url: String,
    pub(crate) workspace: String,
    pub(crate) api_key: String,
    pub(crate) clickhouse_url: String,
    pub(crate) clickhouse_database: String,
    pub(crate) clickhouse_user: String,
    pub(crate) clickhouse_password: String,
    pub(crate) kafka_brokers: String,
}

impl Run {
    /// What the engines alone offer.
    pub(crate) fn of_engines(config: &Config) -> Self {
        Self {
            pid: std::process::id(),
            clickhouse_url: config.clickhouse.url.clone(),
            clickhouse_database: config.clickhouse.database.clone(),
            clickhouse_user: config.clickhouse.user.clone(),
            clickhouse_password: config.clickhouse.password.reveal().to_owned(),
            kafka_brokers: config.kafka.brokers.clone(),
            ..Self::default()
        }
    }

    /// What everything together offers.
    pub(crate) fn of(config: &Config, folder: &DataFolder, crew: &Crew) -> Self {
        Self {
            ingest_url: crew.ingest_url.clone(),
            workspace: "default".into(),
            api_key: folder.secrets.api_key.clone(),
            ..Self::of_engines(config)
        }
    }
}

/// The folder of one `up`.
pub(crate) struct DataFolder {
    path: PathBuf,
    secrets: Secrets,
}

impl DataFolder {
    /// Opens or creates it.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        let path = std::path::absolute(path)?;
        create_folder(&path)?;
        let secrets = Secrets::load(&path)?;
        let folder = Self { path, secrets };
        // Whatever is left of a run that was killed says nothing about this one.
        folder.remove_run();
        Ok(folder)
    }

    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.path.join("logs")
    }

    pub(crate) fn log_file(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    pub(crate) fn run_file(&self) -> PathBuf {
        self.path.join("run.json")
    }

    pub(crate) fn write_run(&self, run: &Run) -> anyhow::Result<()> {
        write_private(&self.run_file(), &serde_json::to_vec_pretty(run)?)
    }

    pub(crate) fn remove_run(&self) {
        // Absent is what is wanted.
        let _ = fs::remove_file(self.run_file());
    }

    /// Writes a file that only its owner may read, and says where it is.
    pub(crate) fn write(&self, name: &str, text: &str) -> anyhow::Result<String> {
        let file = self.path.join(name);
        write_private(&file, text.as_bytes())?;
        Ok(file.display().to_string())
    }

    /// The address to listen on: port 0 becomes a free port that is the same at the next start, if it is still free.
    pub(crate) fn address(&self, setting: &str, wanted: &str) -> anyhow::Result<String> {
        let problem = || format!("{setting}: {wanted:?} is not an address such as 127.0.0.1:8080");
        let address = wanted.to_socket_addrs().with_context(problem)?.next().with_context(problem)?;
        if address.port() != 0 {
            TcpListener::bind(address).with_context(|| {
                format!("{address} is taken; choose another address with {setting} (port 0 picks a free one)")
            })?;
            return Ok(address.to_string());
        }
        let memory = self.path.join("ports").join(setting);
        let known =
            fs::read_to_string(&memory).ok().filter(|known| TcpListener::bind(known.as_str()).is_ok());
        if let Some(known) = known {
            return Ok(known);
        }
        let chosen = TcpListener::bind(address)?.local_addr()?.to_string();
        create_folder(&self.path.join("ports"))?;
        fs::write(&memory, &chosen)?;
        Ok(chosen)
    }
}

fn create_folder(path: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot create {}", path.display()))
}

/// Writes a file with mode 0600, whole or not at all.
fn write_private(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let fresh = file.with_extension("new");
    let write = || {
        let _ = fs::remove_file(&fresh);
        let mut out = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
        out.write_all(bytes)?;
        out.sync_all()?;
        fs::rename(&fresh, file)
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}
