//! Silences and open alerts, for the dispatcher and for operators: questions enter, silences and alerts leave.
//!
//! Promise: a silence that cannot be read hushes nothing and is named in the log.

use super::{Store, StoreError};
use crate::{
    rows::{TransitionRow, time},
    silence::{MAX_SILENCES, Silence, conditions},
    transition::Transition,
};
use clickhouse::Row;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::warn;

/// Most open alerts that are listed, the newest first.
const MAX_LISTED: usize = 10_000;

const SILENCES: &str = "SELECT silence_id, matchers, author, reason, starts_at, ends_at, created_at, updated_at \
     FROM silences FINAL WHERE ends_at > fromUnixTimestamp64Milli({since:Int64}) \
     ORDER BY ends_at DESC, silence_id LIMIT {limit:UInt64}";
const SILENCE: &str = "SELECT silence_id, matchers, author, reason, starts_at, ends_at, created_at, updated_at \
     FROM silences FINAL WHERE silence_id = {id:String}";
const OPEN_ALERTS: &str = "SELECT * EXCEPT place FROM (SELECT transition_id, workspace, rule_group, rule, \
     fingerprint, labels, annotations, state, value, threshold, at, starts_at, ends_at, row_number() OVER \
     (PARTITION BY rule_group, rule, fingerprint ORDER BY at DESC, state DESC) AS place \
     FROM alert_transitions FINAL) \
     WHERE place = 1 AND state != 'resolved' ORDER BY starts_at DESC, fingerprint LIMIT {limit:UInt64}";

#[derive(Debug, Row, Serialize, Deserialize)]
struct SilenceRow {
    silence_id: String,
    matchers: Vec<String>,
    author: String,
    reason: String,
    starts_at: i64,
    ends_at: i64,
    created_at: i64,
    updated_at: i64,
}

impl Store {
    /// Silences that end after a moment.
    pub(crate) async fn silences(&self, since: Timestamp) -> Result<Vec<Silence>, StoreError> {
        let question = self.0.query_raw(SILENCES).param("since", since.as_millisecond());
        let rows: Vec<SilenceRow> = self.all(question.param("limit", MAX_SILENCES)).await?;
        Ok(rows.into_iter().filter_map(SilenceRow::read).collect())
    }

    /// The silence of an id.
    pub(crate) async fn silence(&self, id: &str) -> Result<Option<Silence>, StoreError> {
        let rows: Vec<SilenceRow> = self.all(self.0.query_raw(SILENCE).param("id", id)).await?;
        Ok(rows.into_iter().find_map(SilenceRow::read))
    }

    /// Writes a silence; the one of the same id is replaced.
    pub(crate) async fn write_silence(&self, silence: &Silence, now: Timestamp) -> Result<(), StoreError> {
        let row = SilenceRow {
            silence_id: silence.id.clone(),
            matchers: silence.matchers.texts(),
            author: silence.author.clone(),
            reason: silence.reason.clone(),
            starts_at: silence.starts_at.as_millisecond(),
            ends_at: silence.ends_at.as_millisecond(),
            created_at: silence.created_at.as_millisecond(),
            updated_at: now.as_millisecond(),
        };
        self.insert("silences", vec![row]).await
    }

    /// The last transition of every alert that is pending or firing.
    pub(crate) async fn open_alerts(&self) -> Result<Vec<Transition>, StoreError> {
        let rows: Vec<TransitionRow> =
            self.all(self.0.query_raw(OPEN_ALERTS).param("limit", MAX_LISTED)).await?;
        Ok(rows.into_iter().map(Transition::from).collect())
    }
}

impl SilenceRow {
    fn read(self) -> Option<Silence> {
        let matchers = conditions(&self.matchers);
        let matchers = matchers.map_err(|error| warn!(silence = self.silence_id, %error, "not a silence"));
        Some(Silence {
            id: self.silence_id,
            matchers: matchers.ok()?,
            author: self.author,
            reason: self.reason,
            starts_at: time(self.starts_at),
            ends_at: time(self.ends_at),
            created_at: time(self.created_at),
        })
    }
}
