//! Where the counting of partitions stands: the identity of their log enters, source, marker and genesis of each leave.
//!
//! A marker never goes back. When a log was truncated, an operator begins a new source at its end: `…#2`, then `…#3`;
//! the newest one that has a marker counts. A log that took another's place is accepted partition by partition, and the
//! note of each genesis tells how many partitions it had then: those wait for their own, later ones begin by themselves.
//! Promise: one question for all partitions, answered from rows of kind genesis and mark alone,
//! which stand first in the primary key and are few.

use super::{Store, in_time};
use clickhouse::{Row, error::Error};
use serde::Deserialize;
use std::collections::BTreeMap;

/// -1 stands for no genesis: `min` over none would be 0 and pass for an offset.
const STANDINGS: &str = "SELECT groupArray((part, newest, marker, genesis)) AS marked, \
    assumeNotNull((SELECT (toUInt8(countIf(mine) = 0 AND count() > 0), maxIf(replaced, mine), groupUniqArrayIf(part, mine)) \
        FROM (SELECT part, src = {log:String} OR startsWith(src, {next:String}) AS mine, toInt32OrZero(note) AS replaced \
            FROM deltas WHERE kind = 'genesis'))) AS begun \
    FROM (SELECT part, argMax(source, number) AS newest, argMax(stands_at, number) AS marker, argMax(began_at, number) AS genesis \
        FROM (SELECT part, toString(src) AS source, toUInt32OrZero(substring(source, length({next:String}) + 1)) AS number, \
                maxIf(next_offset, kind = 'mark') AS stands_at, \
                if(countIf(kind = 'genesis') = 0, toInt64(-1), minIf(batch_first, kind = 'genesis')) AS began_at \
            FROM deltas WHERE kind IN ('genesis', 'mark') AND part IN {parts:Array(Int32)} \
                AND (src = {log:String} OR startsWith(src, {next:String})) \
            GROUP BY part, source HAVING countIf(kind = 'mark') > 0) \
        GROUP BY part)";

/// Where the counting of one partition stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The source that counts: the log itself, or the newest that an operator began for it.
    pub source: String,
    /// Next offset to count.
    pub marker: Option<i64>,
    /// Where counting began.
    pub genesis: Option<i64>,
    /// Nothing of the partition was ever counted, and its log took the place of another that was.
    pub replaced: bool,
}

#[derive(Row, Deserialize)]
struct Found {
    /// Partition, newest source, marker and genesis.
    marked: Vec<(i32, String, i64, i64)>,
    /// What the rows of kind genesis tell of the log as a whole: whether another was begun and this one was not; the partitions
    /// that this one had when it was accepted in another's place, or 0; and its partitions that have a genesis.
    begun: (u8, i32, Vec<i32>),
}

impl Found {
    /// Where each partition stands. Those that are not among the marked have no marker.
    fn standings(self, log: &str, parts: &[i32]) -> BTreeMap<i32, Standing> {
        let (another, accepted, begun) = self.begun;
        let standing = |part: i32, source: &str, marker, genesis| {
            let replaced = !begun.contains(&part) && (another != 0 || accepted > part);
            (part, Standing { source: source.to_owned(), marker, genesis, replaced })
        };
        let known = self.marked.iter().map(|(part, source, marker, genesis)| {
            standing(*part, source, Some(*marker), Some(*genesis).filter(|genesis| *genesis >= 0))
        });
        parts.iter().map(|part| standing(*part, log, None, None)).chain(known).collect()
    }
}

impl Store {
    /// Where the counting of a log's partitions stands, of each that is asked for.
    pub async fn standings(&self, log: &str, parts: &[i32]) -> Result<BTreeMap<i32, Standing>, Error> {
        let question = self.client.query(STANDINGS).param("log", log).param("next", successors(log));
        let found = in_time(question.param("parts", parts).fetch_one::<Found>()).await?;
        Ok(found.standings(log, parts))
    }
}

/// How the names of a log's later sources begin.
pub(crate) fn successors(log: &str) -> String {
    format!("{log}#")
}
