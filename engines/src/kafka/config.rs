//! Kafka's configuration as text. Enters: options and ports. Leaves: files' contents; nothing is read or written.

use std::path::Path;

use super::KafkaPorts;
use crate::options::KafkaOptions;

/// Everything goes to standard output, whose file the supervisor bounds.
pub(super) const LOG4J: &str = "\
status = error
shutdownHook = disable
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
logger.broker.name = kafka.server.BrokerServer
logger.broker.level = info
# Tells on every start that the configuration is valid, at level warn.
logger.config.name = org.apache.kafka.common.config
logger.config.level = error
";

/// The broker's settings for one node on one machine.
pub(super) fn server_properties(options: &KafkaOptions, ports: KafkaPorts, data: &Path) -> String {
    let KafkaPorts { broker, controller } = ports;
    let advertised = options.advertised_port.unwrap_or(broker);
    let data = escaped(data);
    let retention_bytes = options.retention_bytes;
    let retention_ms = options.retention.as_millis();
    let segment_bytes = (retention_bytes / 4).clamp(1 << 20, 128 << 20);
    format!(
        "\
process.roles=broker,controller
node.id={NODE_ID}
controller.quorum.bootstrap.servers=127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs={data}

# One node: every internal topic has one replica.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# A restarted node waits until its own old registration expires, so that is short.
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
# Consumers may choose short sessions, and a lone group need not wait for more members.
group.min.session.timeout.ms=300
group.initial.rebalance.delay.ms=0
# Topics are made on purpose, with the right number of partitions.
auto.create.topics.enable=false

# Bounded by size and by age, whichever comes first.
log.retention.bytes={retention_bytes}
log.retention.ms={retention_ms}
log.segment.bytes={segment_bytes}
# The cleaner of compacted topics takes half the heap by default; this holds 600,000 keys a pass.
log.cleaner.dedupe.buffer.size=16777216
"
    )
}

/// The only node's id.
pub(super) const NODE_ID: i32 = 1;

/// A bounded heap and the collector that is smallest on a small heap.
pub(super) fn memory_and_speed(options: &KafkaOptions) -> impl Iterator<Item = String> {
    let fast = options.fast_start.then(|| "-XX:TieredStopAtLevel=1".to_owned());
    [
        "-Xms64m".to_owned(),
        format!("-Xmx{}m", options.max_heap_mib.max(64)),
        "-XX:+UseSerialGC".to_owned(),
        // A broker that cannot allocate must die and be restarted rather than limp.
        "-XX:+ExitOnOutOfMemoryError".to_owned(),
    ]
    .into_iter()
    .chain(fast)
}

/// A path in Java's property syntax, where a backslash escapes.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace('\\', "\\\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_name_ports_folder_and_bounds() {
        let ports = KafkaPorts { broker: 9092, controller: 15001 };
        let text = server_properties(&KafkaOptions::default(), ports, Path::new("/d/kafka/data"));
        for line in [
            "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:15001",
            "log.dirs=/d/kafka/data",
            "log.retention.bytes=2147483648",
            "log.retention.ms=604800000",
            "log.segment.bytes=134217728",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(!text.contains("0.0.0.0"));
    }

    #[test]
    fn fast_start_stops_at_the_first_compiler() {
        let check = |fast_start, expected| {
            let args: Vec<String> =
                memory_and_speed(&KafkaOptions { fast_start, ..KafkaOptions::default() }).collect();
            assert_eq!(args.iter().any(|arg| arg == "-XX:TieredStopAtLevel=1"), expected);
        };
        check(true, true);
        check(false, false);
    }
}
