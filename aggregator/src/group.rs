//! Group membership: a consumer group's rebalances enter, partitions given and taken leave.
//!
//! The member never fetches: it assigns itself nothing, so that fetching can begin at the marker and
//! at no other offset. Rebalances are cooperative: partitions that stay are not interrupted. Committed
//! offsets are for lag displays only and are never read back. Promise: a revoke is acknowledged at once.

use callmeter_schemas::config::KafkaConfig;
use rdkafka::{
    ClientConfig, ClientContext, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext},
    error::{KafkaError, KafkaResult},
    types::RDKafkaRespErr,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::sync::mpsc::UnboundedSender;

/// How the group changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Partitions are ours from now on.
    Assigned(Vec<i32>),
    /// Partitions are no longer ours.
    Revoked(Vec<i32>),
}

/// Who joins which group.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Consumer group.
    pub group: String,
    /// Static member name; empty for a dynamic member.
    pub instance: String,
    /// Time without a heartbeat after which a member is taken for dead.
    pub session_timeout: Duration,
}

/// A member of the group; dropping it leaves the group.
pub struct Member {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    /// Markers to commit, by partition.
    pub commits: mpsc::Sender<(i32, i64)>,
}

struct Context {
    changes: UnboundedSender<Change>,
}

impl ClientContext for Context {}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        member: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let list = partitions.elements().iter().map(|element| element.partition()).collect();
        let nothing = TopicPartitionList::new();
        // The receiver is gone only at shutdown, when nobody wants to know.
        let answer = if kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let _ = self.changes.send(Change::Assigned(list));
            member.incremental_assign(&nothing)
        } else {
            let _ = self.changes.send(Change::Revoked(list));
            member.incremental_unassign(&nothing)
        };
        if let Err(error) = answer {
            tracing::warn!(%error, "rebalance could not be acknowledged");
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "offset for the lag display not committed");
        }
    }
}

impl Member {
    /// Joins the group; changes arrive on the channel.
    pub fn join(
        kafka: &KafkaConfig,
        topic: &str,
        membership: &Membership,
        changes: UnboundedSender<Change>,
    ) -> Result<Self, KafkaError> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &kafka.brokers)
            .set("client.id", "callmeter-aggregator")
            .set("session.timeout.ms", membership.session_timeout.as_millis().to_string())
            .set(
                "heartbeat.interval.ms",
                (membership.session_timeout.as_millis() / 6).clamp(50, 3_000).to_string(),
            )
            .set("reconnect.backoff.max.ms", "1000")
            .set("topic.metadata.refresh.interval.ms", "10000");
        if !membership.instance.is_empty() {
            config.set("group.instance.id", &membership.instance);
        }
        for (name, value) in &kafka.client {
            config.set(name, value.reveal());
        }
        // Last, because the answers to rebalances are only right with these.
        config
            .set("group.id", &membership.group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error");
        let member: BaseConsumer<Context> = config.create_with_context(Context { changes })?;
        member.subscribe(&[topic])?;
        let stop = Arc::new(AtomicBool::new(false));
        let (commits, to_commit) = mpsc::channel();
        let topic = topic.to_owned();
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("group".into())
            .spawn(move || attend(&member, &topic, &stopped, &to_commit))
            .map_err(|error| {
                KafkaError::ClientCreation(format!("no thread for the group member: {error}"))
            })?;
        Ok(Self { stop, thread: Some(thread), commits })
    }
}

/// Serves the group until stopped, and commits once a second.
fn attend(
    member: &BaseConsumer<Context>,
    topic: &str,
    stop: &AtomicBool,
    commits: &mpsc::Receiver<(i32, i64)>,
) {
    let mut markers: BTreeMap<i32, i64> = BTreeMap::new();
    let mut committed = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        match member.poll(Duration::from_millis(100)) {
            None | Some(Ok(_)) => {}
            Some(Err(error)) => {
                if let Some((code, reason)) = member.client().fatal_error() {
                    // Such as another process under the same instance name. Ending closes the channel of changes.
                    tracing::error!(%code, reason, "the group does not have this process any more");
                    return;
                }
                tracing::debug!(%error, "group member");
            }
        }
        markers.extend(commits.try_iter());
        if committed.elapsed() >= Duration::from_secs(1) && !markers.is_empty() {
            commit(member, topic, &std::mem::take(&mut markers), CommitMode::Async);
            committed = Instant::now();
        }
    }
    markers.extend(commits.try_iter());
    commit(member, topic, &markers, CommitMode::Sync);
}

fn commit(member: &BaseConsumer<Context>, topic: &str, markers: &BTreeMap<i32, i64>, mode: CommitMode) {
    let mut list = TopicPartitionList::new();
    for (partition, marker) in markers {
        if list.add_partition_offset(topic, *partition, Offset::Offset(*marker)).is_err() {
            return;
        }
    }
    if let Err(error) = member.commit(&list, mode) {
        tracing::debug!(%error, "offsets for the lag display not committed");
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
