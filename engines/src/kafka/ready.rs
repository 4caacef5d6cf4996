//! Asks a broker whether it is ready. Enters: its port, and the one that it tells clients. Leaves: yes, or why not.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::config::NODE_ID;
use crate::child::ReadyCheck;

/// How long one question may take; longer than a local answer ever needs.
const PATIENCE: Duration = Duration::from_secs(1);

/// A question to the broker on that port, which must answer with the advertised one.
pub(super) fn check(port: u16, advertised: u16) -> ReadyCheck {
    Box::new(move || {
        Box::pin(async move {
            // A port that is not open would make the client wait and log; asking it is cheap.
            let address = (std::net::Ipv4Addr::LOCALHOST, port);
            drop(tokio::net::TcpStream::connect(address).await.map_err(|error| error.to_string())?);
            let asked = tokio::task::spawn_blocking(move || ask(port, advertised)).await;
            asked.unwrap_or_else(|error| Err(error.to_string()))
        })
    })
}

fn ask(port: u16, advertised: u16) -> Result<(), String> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", format!("127.0.0.1:{port}"))
        .set_log_level(rdkafka::config::RDKafkaLogLevel::Emerg)
        .create()
        .map_err(|error| error.to_string())?;
    let metadata = consumer.fetch_metadata(None, PATIENCE).map_err(|error| error.to_string())?;
    if !metadata
        .brokers()
        .iter()
        .any(|broker| broker.id() == NODE_ID && i32::from(advertised) == broker.port())
    {
        return Err("the broker is not registered yet".to_owned());
    }
    let leaderless =
        metadata.topics().iter().find(|topic| topic.partitions().iter().any(|part| part.leader() < 0));
    leaderless.map_or(Ok(()), |topic| Err(format!("a partition of {} has no leader yet", topic.name())))
}
