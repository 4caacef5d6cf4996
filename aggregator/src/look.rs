//! A look at one partition: the identity of its log enters, marker and bounds leave.
//!
//! Promise: they are told together, and only while the topic is the one that the marker belongs to.

use crate::{
    clickhouse::{Standing, Store},
    fetch::FetchError,
    gather::Gather,
    identity,
    lane::Lane,
    recovery::Event,
};
use callmeter_schemas::topics;
use std::sync::Arc;

/// What an action that ran beside the thread found out.
pub(crate) struct Report {
    pub(crate) event: Event,
    /// The source that counts, when it was looked up.
    pub(crate) source: Option<String>,
}

impl From<Event> for Report {
    fn from(event: Event) -> Self {
        Self { event, source: None }
    }
}

/// Asks where the partitions of a log stand.
pub(crate) fn standings(store: Store) -> Gather<Standing> {
    Gather::new("markers", move |log: String, partitions: Vec<i32>| {
        let store = store.clone();
        async move { store.standings(&log, &partitions).await }
    })
}

/// Where the partition stands, and what its log holds; `None` when something does not answer, or when the topic was made
/// anew since: its offsets are not those of the marker, and the pipeline begins with it soon.
pub(crate) async fn look(lane: &Lane, log: String, partition: i32) -> Option<Report> {
    let standing = lane.standings.of(&log, partition).await?;
    let fetcher = Arc::clone(&lane.fetcher);
    let asked = tokio::task::spawn_blocking(move || {
        let bounds = fetcher.bounds(partition)?;
        // After the bounds: they are those of this log if it is still there.
        Ok::<_, FetchError>((bounds, identity::source(&fetcher, topics::CALLS)))
    });
    let ((low, high), now) = match asked.await.ok()? {
        Ok(answer) => answer,
        Err(error) => {
            tracing::warn!(partition, %error, "bounds of the log not readable");
            return None;
        }
    };
    if now.as_ref() != Some(&log) {
        tracing::warn!(partition, log, now, "kafka does not say that this is still the log");
        return None;
    }
    let Standing { source, marker, replaced, .. } = standing;
    Some(Report { event: Event::MarkerRead { marker, low, high, replaced }, source: Some(source) })
}
