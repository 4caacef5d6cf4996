//! ClickHouse: questions and rows enter, answers leave. Beside the files below it and those named `store`,
//! the only one that speaks to the database.
//!
//! Promise: a write that returned `Ok` is stored; one that did not may or may not be, so it is written
//! again as it was, which changes nothing. Every call ends within a bound.

mod silences;
mod terms;

use crate::{
    notify::Posted,
    progress::Progress,
    query::{Answer, Group, MAX_GROUPS, Param, Query},
    rows::{DeliveryRow, GroupRow, OpenRow, PostedRow, ProgressRow, ToldRow, TransitionRow},
    silence::Silence,
    transition::Transition,
};
use callmeter_schemas::config::ClickHouseConfig;
use clickhouse::{Client, RowOwned, RowWrite};
use jiff::{SignedDuration, Timestamp};
use std::{collections::HashMap, future::Future, time::Duration};

/// Longest time that one call may take, but for questions of rules.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time that one question of rules may take; notifications wait meanwhile.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest error text that is kept, in bytes: the server may send megabytes.
const MAX_ERROR_BYTES: usize = 1_000;
/// Notifications older than this are not taken up after a restart.
const NOTIFICATIONS_KEPT: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Transitions asked for in one query.
const IDS_PER_QUERY: usize = 1_000;

const PROGRESS: &str =
    "SELECT source, partition, counted_up_to, observed_at, stopped FROM partition_progress FINAL";
/// The last transition of every alert that is open or was resolved since, oldest first; and the end of
/// the life before it, which somebody may still have to be told of while the alert is pending again.
const LAST: &str = "SELECT * EXCEPT place FROM (SELECT transition_id, workspace, rule_group, rule, fingerprint, labels, \
     annotations, state, value, threshold, at, starts_at, ends_at, row_number() OVER (PARTITION BY rule_group, rule, \
     fingerprint ORDER BY at DESC, state DESC) AS place FROM alert_transitions FINAL) \
     WHERE place = 1 AND state != 'resolved' \
     OR place <= 2 AND state = 'resolved' AND at > fromUnixTimestamp64Milli({since:Int64}) ORDER BY at, place DESC";
const NAMED: &str = "SELECT transition_id, workspace, rule_group, rule, fingerprint, labels, annotations, state, \
     value, threshold, at, starts_at, ends_at FROM alert_transitions FINAL WHERE transition_id IN {ids:Array(String)}";
/// What every target was last told of every group.
const TOLD: &str = "SELECT group_key, receiver, integration, target, max(n.at) AS at, \
     argMax(n.transition_ids, n.at) AS transition_ids, argMax(n.withheld_ids, n.at) AS withheld_ids \
     FROM notifications AS n WHERE outcome = 'delivered' AND n.at > fromUnixTimestamp64Milli({since:Int64}) \
     GROUP BY group_key, receiver, integration, target";
/// Notifications whose last step is neither a delivery nor giving up.
const OPEN: &str = "SELECT notification_id, any(group_key) AS group_key, any(receiver) AS receiver, \
     any(integration) AS integration, any(target) AS target, any(reason) AS reason, \
     any(transition_ids) AS transition_ids, any(withheld_ids) AS withheld_ids \
     FROM notifications WHERE at > fromUnixTimestamp64Milli({since:Int64}) GROUP BY notification_id \
     HAVING countIf(outcome = 'delivered') = 0 AND argMax(outcome, (at, attempt, outcome)) != 'gave_up'";
/// Where the last messages stand that can be edited, of every target of every receiver.
const POSTED: &str = "SELECT group_key, argMax(n.detail, n.at) AS detail FROM notifications AS n \
     WHERE outcome = 'delivered' AND startsWith(n.detail, {prefix:String}) \
     AND n.at > fromUnixTimestamp64Milli({since:Int64}) GROUP BY receiver, integration, target, group_key";

/// Why the database did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not answer; another call would wait in vain.
    #[error("clickhouse does not answer: {0}")]
    Unavailable(String),
    /// It answers, but not to this question.
    #[error("clickhouse refused a query: {0}")]
    Refused(String),
    /// The answer is larger than can be held.
    #[error("a rule has more than {MAX_GROUPS} groups: narrow its filter or its group_by")]
    TooManyGroups,
}

/// What a restart takes up.
#[derive(Debug, Default)]
pub(crate) struct Remembered {
    /// Silences that have not ended.
    pub(crate) silences: Vec<Silence>,
    /// What [`LAST`] finds.
    pub(crate) last: Vec<Transition>,
    /// What targets were last told, per group key and target.
    pub(crate) told: Vec<ToldRow>,
    /// Notifications that were planned and not finished.
    pub(crate) open: Vec<OpenRow>,
    /// Messages that can be edited, in the words of their delivery.
    pub(crate) posted: Vec<PostedRow>,
    /// Every transition that those name.
    pub(crate) transitions: HashMap<String, Transition>,
}

/// A connection.
#[derive(Clone)]
pub(crate) struct Store(Client);

impl Store {
    pub(crate) fn new(config: &ClickHouseConfig) -> Self {
        let client = Client::default()
            .with_url(&config.url)
            .with_database(&config.database)
            .with_user(&config.user)
            .with_password(config.password.reveal());
        Self(client)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0
    }

    /// How far every partition has been counted.
    pub(crate) async fn progress(&self) -> Result<Vec<Progress>, StoreError> {
        let rows: Vec<ProgressRow> = self.all(self.0.query_raw(PROGRESS)).await?;
        Ok(rows.into_iter().map(Progress::from).collect())
    }

    /// Asks one question for an evaluation at `now`, when everything was counted up to `complete_until`.
    pub(crate) async fn ask(
        &self,
        query: &Query,
        now: Timestamp,
        complete_until: Timestamp,
    ) -> Result<Answer, StoreError> {
        let mut question = self.0.query_raw(&query.text());
        for (name, param) in query.params(now, complete_until) {
            question = match param {
                Param::Seconds(seconds) => question.param(name, seconds),
                Param::Text(text) => question.param(name, text),
                Param::Texts(texts) => question.param(name, texts),
            };
        }
        let rows: Vec<GroupRow> = bounded(ASK_TIMEOUT, question.fetch_all()).await?;
        if rows.len() > MAX_GROUPS {
            return Err(StoreError::TooManyGroups);
        }
        Ok(query.answer(rows.into_iter().map(Group::from).collect()))
    }

    /// Stores transitions; the same ones again replace themselves.
    pub(crate) async fn write_transitions(&self, transitions: &[Transition]) -> Result<(), StoreError> {
        self.insert("alert_transitions", transitions.iter().map(TransitionRow::from).collect()).await
    }

    /// Stores steps of notifications.
    pub(crate) async fn write_deliveries(&self, rows: Vec<DeliveryRow>) -> Result<(), StoreError> {
        self.insert("notifications", rows).await
    }

    /// Reads what a restart takes up.
    pub(crate) async fn remember(
        &self,
        resolved_since: Timestamp,
        now: Timestamp,
    ) -> Result<Remembered, StoreError> {
        let last = self.0.query_raw(LAST).param("since", resolved_since.as_millisecond());
        let last: Vec<TransitionRow> = self.all(last).await?;
        let silences = self.silences(now).await?;
        let since = now.saturating_sub(NOTIFICATIONS_KEPT).unwrap_or(Timestamp::MIN).as_millisecond();
        let told: Vec<ToldRow> = self.all(self.0.query_raw(TOLD).param("since", since)).await?;
        let open: Vec<OpenRow> = self.all(self.0.query_raw(OPEN).param("since", since)).await?;
        let posted = self.0.query_raw(POSTED).param("prefix", Posted::DETAIL_PREFIX).param("since", since);
        let posted: Vec<PostedRow> = self.all(posted).await?;
        let of_told = told.iter().flat_map(|row| row.transition_ids.iter().chain(&row.withheld_ids));
        let of_open = open.iter().flat_map(|row| row.transition_ids.iter().chain(&row.withheld_ids));
        let named = of_told.chain(of_open);
        let transitions = self.transitions(named.cloned().collect()).await?;
        let last = last.into_iter().map(Transition::from).collect();
        Ok(Remembered { silences, last, told, open, posted, transitions })
    }

    async fn transitions(&self, mut ids: Vec<String>) -> Result<HashMap<String, Transition>, StoreError> {
        ids.sort_unstable();
        ids.dedup();
        let mut found = HashMap::new();
        for ids in ids.chunks(IDS_PER_QUERY) {
            let rows: Vec<TransitionRow> = self.all(self.0.query_raw(NAMED).param("ids", ids)).await?;
            found.extend(
                rows.into_iter().map(Transition::from).map(|transition| (transition.id.clone(), transition)),
            );
        }
        Ok(found)
    }

    async fn all<T: RowOwned + clickhouse::RowRead>(
        &self,
        query: clickhouse::query::Query,
    ) -> Result<Vec<T>, StoreError> {
        bounded(CALL_TIMEOUT, query.fetch_all::<T>()).await
    }

    async fn insert<T: RowOwned + RowWrite>(&self, table: &str, rows: Vec<T>) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        bounded(CALL_TIMEOUT, async {
            let client = self.0.clone().with_setting("async_insert", "0");
            let mut insert = client.insert::<T>(table).await?;
            for row in &rows {
                insert.write(row).await?;
            }
            insert.end().await
        })
        .await
    }
}

pub(crate) async fn bounded<T>(
    bound: Duration,
    call: impl Future<Output = Result<T, clickhouse::error::Error>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(bound, call).await {
        Ok(result) => result.map_err(StoreError::from),
        Err(_) => Err(StoreError::Unavailable(format!("no answer within {} s", bound.as_secs()))),
    }
}

impl From<clickhouse::error::Error> for StoreError {
    fn from(error: clickhouse::error::Error) -> Self {
        use clickhouse::error::Error;
        let mut text = error.to_string();
        text.truncate(text.floor_char_boundary(MAX_ERROR_BYTES));
        match error {
            Error::Network(_) | Error::TimedOut => Self::Unavailable(text),
            _ => Self::Refused(text),
        }
    }
}

impl Remembered {
    /// Messages that can be edited, each with its group.
    pub(crate) fn posted(&self) -> Vec<(String, Posted)> {
        let posted = |row: &PostedRow| Some((row.group_key.clone(), Posted::from_detail(&row.detail)?));
        self.posted.iter().filter_map(posted).collect()
    }

    /// Rebuilds transitions by name; one that is gone is left out.
    pub(crate) fn named(&self, ids: &[String]) -> Vec<Transition> {
        ids.iter().filter_map(|id| self.transitions.get(id)).cloned().collect()
    }
}
