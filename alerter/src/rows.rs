//! Rows as ClickHouse holds them: typed facts enter and leave, column by column.
//!
//! Promise: field order is column order of the statements in [`crate::clickhouse`]; times are ms.

use crate::{
    dispatch::{Integration, Notification},
    notify::{Outcome, Report},
    progress::Progress,
    query::Group,
    rules::Texts,
    transition::{State, Transition},
};
use callmeter_schemas::ErrorClass;
use clickhouse::Row;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

type Pairs = Vec<(String, String)>;

#[derive(Debug, Row, Deserialize)]
pub(crate) struct ProgressRow {
    source: String,
    partition: i32,
    counted_up_to: i64,
    observed_at: i64,
    stopped: String,
}

#[derive(Debug, Row, Deserialize)]
pub(crate) struct GroupRow {
    past: u8,
    values: Vec<String>,
    calls: u64,
    errors: u64,
    errors_by_class: Vec<(String, u64)>,
    retried: u64,
    latency_us_sum: u64,
    measured: u64,
    quantiles: Vec<f64>,
    bytes_in: u64,
    bytes_out: u64,
    cost: i128,
    first_seen: u32,
    last_seen: u32,
    remaining_ratio: Option<f64>,
    exhausts_in: Option<f64>,
}

#[derive(Debug, Row, Serialize, Deserialize)]
pub(crate) struct TransitionRow {
    transition_id: String,
    workspace: String,
    rule_group: String,
    rule: String,
    fingerprint: String,
    labels: Pairs,
    annotations: Pairs,
    state: i8,
    value: f64,
    threshold: f64,
    at: i64,
    starts_at: i64,
    ends_at: Option<i64>,
}

/// What a target was last told.
#[derive(Debug, Row, Deserialize)]
pub(crate) struct ToldRow {
    pub(crate) group_key: String,
    pub(crate) receiver: String,
    integration: String,
    target: u16,
    at: i64,
    pub(crate) transition_ids: Vec<String>,
    pub(crate) withheld_ids: Vec<String>,
}

/// A notification that was planned and not finished.
#[derive(Debug, Row, Deserialize)]
pub(crate) struct OpenRow {
    pub(crate) notification_id: String,
    pub(crate) group_key: String,
    pub(crate) receiver: String,
    integration: String,
    target: u16,
    pub(crate) reason: String,
    pub(crate) transition_ids: Vec<String>,
    pub(crate) withheld_ids: Vec<String>,
}

/// A message that was delivered and may be edited later.
#[derive(Debug, Row, Deserialize)]
pub(crate) struct PostedRow {
    pub(crate) group_key: String,
    pub(crate) detail: String,
}

/// One step of one notification.
#[derive(Clone, Debug, PartialEq, Row, Serialize, Deserialize)]
pub(crate) struct DeliveryRow {
    notification_id: String,
    group_key: String,
    receiver: String,
    integration: String,
    target: u16,
    reason: String,
    transition_ids: Vec<String>,
    withheld_ids: Vec<String>,
    attempt: u32,
    at: i64,
    outcome: i8,
    status: u16,
    detail: String,
}

impl From<ProgressRow> for Progress {
    fn from(row: ProgressRow) -> Self {
        Self {
            source: row.source,
            partition: row.partition,
            // A partition that stops before this aggregator counted anything of it says 0, which is no time of 1970.
            counted_up_to: time(match row.counted_up_to {
                0 if !row.stopped.is_empty() => row.observed_at,
                counted => counted,
            }),
            observed_at: time(row.observed_at),
            stopped: row.stopped,
        }
    }
}

impl From<GroupRow> for Group {
    fn from(row: GroupRow) -> Self {
        let classes = row.errors_by_class.iter().map(|(word, count)| (ErrorClass::or_unknown(word), *count));
        Self {
            past: row.past != 0,
            values: row.values,
            calls: row.calls,
            errors: row.errors,
            errors_by_class: classes.collect(),
            retried: row.retried,
            latency_us_sum: row.latency_us_sum,
            measured: row.measured,
            quantiles: row.quantiles,
            bytes_in: row.bytes_in,
            bytes_out: row.bytes_out,
            cost: row.cost,
            first_seen: row.first_seen,
            last_seen: row.last_seen,
            remaining_ratio: row.remaining_ratio,
            exhausts_in: row.exhausts_in,
            lag: None,
        }
    }
}

impl From<&Transition> for TransitionRow {
    fn from(transition: &Transition) -> Self {
        Self {
            transition_id: transition.id.clone(),
            workspace: transition.workspace.clone(),
            rule_group: transition.rule_group.clone(),
            rule: transition.rule.clone(),
            fingerprint: transition.fingerprint.clone(),
            labels: pairs(&transition.labels),
            annotations: pairs(&transition.annotations),
            state: match transition.state {
                State::Pending => 1,
                State::Firing => 2,
                State::Resolved => 3,
            },
            value: transition.value,
            threshold: transition.threshold,
            at: transition.at.as_millisecond(),
            starts_at: transition.starts_at.as_millisecond(),
            ends_at: transition.ends_at.map(Timestamp::as_millisecond),
        }
    }
}

impl From<TransitionRow> for Transition {
    fn from(row: TransitionRow) -> Self {
        Self {
            id: row.transition_id,
            workspace: row.workspace,
            rule_group: row.rule_group,
            rule: row.rule,
            fingerprint: row.fingerprint,
            labels: row.labels.into_iter().collect(),
            annotations: row.annotations.into_iter().collect(),
            state: match row.state {
                1 => State::Pending,
                2 => State::Firing,
                _ => State::Resolved,
            },
            value: row.value,
            threshold: row.threshold,
            at: time(row.at),
            starts_at: time(row.starts_at),
            ends_at: row.ends_at.map(time),
        }
    }
}

impl ToldRow {
    pub(crate) fn at(&self) -> Timestamp {
        time(self.at)
    }

    pub(crate) fn integration(&self) -> Integration {
        Integration { kind: self.integration.clone(), place: self.target }
    }
}

impl OpenRow {
    pub(crate) fn integration(&self) -> Integration {
        Integration { kind: self.integration.clone(), place: self.target }
    }
}

impl DeliveryRow {
    pub(crate) fn planned(notification: &Notification, now: Timestamp) -> Self {
        Self {
            notification_id: notification.id.clone(),
            group_key: notification.group_key.clone(),
            receiver: notification.receiver.clone(),
            integration: notification.integration.kind.clone(),
            target: notification.integration.place,
            reason: notification.reason.word().to_owned(),
            transition_ids: notification.alerts.iter().map(|alert| alert.id.clone()).collect(),
            withheld_ids: notification.withheld.values().cloned().collect(),
            attempt: 0,
            at: now.as_millisecond(),
            outcome: 1,
            status: 0,
            detail: String::new(),
        }
    }
}

impl From<&Report> for DeliveryRow {
    fn from(report: &Report) -> Self {
        Self {
            attempt: report.attempt,
            outcome: match report.outcome {
                Outcome::Delivered => 2,
                Outcome::Failed => 3,
                Outcome::GaveUp | Outcome::Gone => 4,
            },
            status: report.status,
            detail: report.detail.clone(),
            ..Self::planned(&report.notification, report.at)
        }
    }
}

fn pairs(texts: &Texts) -> Pairs {
    texts.iter().map(|(name, text)| (name.clone(), text.clone())).collect()
}

pub(crate) fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_stopped_before_anything_was_counted_says_nothing_of_1970() {
        let progress = |stopped: &str| {
            let source = "topic".to_owned();
            let stopped = stopped.to_owned();
            let row = ProgressRow { source, partition: 0, counted_up_to: 0, observed_at: 5_000, stopped };
            Progress::from(row).counted_up_to.as_second()
        };
        assert_eq!((progress("truncated"), progress("")), (5, 0));
    }
}
