//! Which ports the engines listen on. Enters: a wished port, 0 for any. Leaves: a port that was free a moment ago.
//! Promise: a port once chosen for a data folder is chosen again while it is free, so that clients reconnect.
//!
//! Free ports are taken from below the system's ephemeral range: one from inside it could be in use by an outgoing
//! connection at the very moment at which a killed child wants its port back.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{EngineError, Problem};

/// The settings of the binary that choose ports, as messages name them and as the folder remembers them.
pub(crate) const KAFKA_PORT: &str = "engines.kafka_port";
pub(crate) const KAFKA_CONTROLLER_PORT: &str = "engines.kafka_controller_port";
pub(crate) const CLICKHOUSE_PORT: &str = "engines.clickhouse_port";
pub(crate) const CLICKHOUSE_TCP_PORT: &str = "engines.clickhouse_tcp_port";

const LOWEST: u16 = 15_000;
const HIGHEST_UNLESS_KNOWN: u16 = 32_000;
/// Together a second and a half: a killed process with a large heap needs some tenths of that.
const DYING_LOOKS: u32 = 16;
const DYING_PAUSE: Duration = Duration::from_millis(100);

/// The ports of one data folder.
#[derive(Debug)]
pub(crate) struct Ports {
    file: PathBuf,
    chosen: BTreeMap<String, u16>,
}

impl Ports {
    /// Reads what an earlier run chose; an unreadable file is as good as none.
    pub(crate) fn open(data_dir: &Path) -> Self {
        let file = data_dir.join("ports.json");
        let chosen = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self { file, chosen: chosen.unwrap_or_default() }
    }

    /// Claims `wanted`, or for 0 the remembered port, or a free one. `option` is the setting a user would change.
    ///
    /// Blocks for a moment when this folder's own port of last time is in use.
    pub(crate) fn claim(&mut self, option: &'static str, wanted: u16) -> Result<u16, EngineError> {
        let last = self.chosen.get(option).copied();
        let port = if wanted != 0 {
            let claimed = free(wanted) || (last == Some(wanted) && free_soon(wanted));
            claimed.then_some(wanted).ok_or(Problem::PortTaken { port: wanted, option })?
        } else {
            let remembered = last.filter(|port| free_soon(*port));
            remembered.or_else(|| self.pick(option)).ok_or(Problem::NoFreePort { option })?
        };
        if self.chosen.insert(option.to_owned(), port) != Some(port) {
            self.save()?;
        }
        Ok(port)
    }

    /// What [`Self::claim`] would check, without claiming: the port, 0 when any would do.
    pub(crate) fn look(&self, option: &'static str, wanted: u16) -> Result<u16, EngineError> {
        let known = if wanted == 0 { self.chosen.get(option).copied().unwrap_or(0) } else { wanted };
        if known == 0 || free(known) {
            Ok(known)
        } else {
            Err(Problem::PortTaken { port: known, option }.into())
        }
    }

    /// Starts at a place that depends on the folder, so that two folders rarely race for the same port.
    fn pick(&self, option: &str) -> Option<u16> {
        let highest = ephemeral_start().unwrap_or(HIGHEST_UNLESS_KNOWN);
        let room = highest.checked_sub(LOWEST).filter(|room| *room > 0)?;
        let mut hasher = DefaultHasher::new();
        (&self.file, option, std::process::id()).hash(&mut hasher);
        let start = u16::try_from(hasher.finish() % u64::from(room)).unwrap_or(0);
        (0..room)
            .map(|step| LOWEST + (u32::from(start) + u32::from(step)).rem_euclid(u32::from(room)) as u16)
            .find(|port| !self.chosen.values().any(|other| other == port) && free(*port))
    }

    fn save(&self) -> Result<(), EngineError> {
        let text = serde_json::to_vec_pretty(&self.chosen).unwrap_or_default();
        std::fs::write(&self.file, text).map_err(|error| EngineError::io("cannot write", &self.file, error))
    }
}

/// Whether a server could listen on that port of 127.0.0.1 now.
pub(crate) fn free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Whether it becomes free while the killed engines of a killed parent are still on their way out.
fn free_soon(port: u16) -> bool {
    (0..DYING_LOOKS).any(|look| {
        if look > 0 {
            std::thread::sleep(DYING_PAUSE);
        }
        free(port)
    })
}

fn ephemeral_start() -> Option<u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    range.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_port_names_its_option() {
        let dir = tempfile::tempdir().expect("a folder");
        let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = holder.local_addr().expect("an address").port();
        let error = Ports::open(dir.path()).claim(KAFKA_PORT, port).expect_err("the port is taken");
        assert_eq!(
            error.to_string(),
            format!(
                "port {port} on 127.0.0.1 is in use, engines.kafka_port wants it (cure: stop the program that holds it, \
                 or set engines.kafka_port to another port, 0 for any free one)"
            )
        );
    }

    #[test]
    fn chosen_port_is_remembered_while_free() {
        let dir = tempfile::tempdir().expect("a folder");
        let first = Ports::open(dir.path()).claim(KAFKA_PORT, 0).expect("a port");
        assert_eq!(Ports::open(dir.path()).claim(KAFKA_PORT, 0).expect("the same"), first);
        let _holder = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).expect("still free");
        assert_ne!(Ports::open(dir.path()).claim(KAFKA_PORT, 0).expect("another"), first);
    }

    #[test]
    fn two_options_never_share_a_port() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut ports = Ports::open(dir.path());
        assert_ne!(ports.claim("a", 0).expect("a port"), ports.claim("b", 0).expect("a port"));
    }
}
