//! Where the counting of one partition stands: the identity of its log enters, source, marker and genesis leave.
//!
//! A marker never goes back. When a log was truncated, an operator begins a new source at its end: `…#2`, then `…#3`;
//! the newest one that has a marker counts. A log that took another's place is accepted partition by partition, and the
//! note of each genesis tells how many partitions it had then: those wait for their own, later ones begin by themselves.
//! Promise: one question, answered from rows of kind genesis and mark alone,
//! which stand first in the primary key and are few.

use super::{QUESTION_TIMEOUT, Store};
use clickhouse::{Row, error::Error};
use serde::Deserialize;

/// -1 stands for no row: `max` and `min` over none would be 0 and pass for an offset.
const STANDING: &str = "SELECT \
    if(count() = 0, {log:String}, argMax(source, number)) AS source, \
    if(count() = 0, toInt64(-1), argMax(marker, number)) AS marker, \
    if(count() = 0, toInt64(-1), argMax(genesis, number)) AS genesis, \
    toUInt8(assumeNotNull((SELECT countIf(mine AND part = {part:Int32}) = 0 \
            AND (countIf(mine) = 0 AND count() > 0 OR maxIf(replaced, mine) > {part:Int32}) \
        FROM (SELECT part, src = {log:String} OR startsWith(src, {next:String}) AS mine, toInt32OrZero(note) AS replaced \
            FROM deltas WHERE kind = 'genesis')))) AS replaced \
    FROM (SELECT toString(src) AS source, toUInt32OrZero(substring(source, length({next:String}) + 1)) AS number, \
            maxIf(next_offset, kind = 'mark') AS marker, \
            if(countIf(kind = 'genesis') = 0, toInt64(-1), minIf(batch_first, kind = 'genesis')) AS genesis \
        FROM deltas WHERE kind IN ('genesis', 'mark') AND part = {part:Int32} \
            AND (src = {log:String} OR startsWith(src, {next:String})) \
        GROUP BY source HAVING countIf(kind = 'mark') > 0)";

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
    source: String,
    marker: i64,
    genesis: i64,
    replaced: u8,
}

impl Store {
    /// Where the counting of a log's partition stands.
    pub async fn standing(&self, log: &str, part: i32) -> Result<Standing, Error> {
        let question = self.client.query(STANDING).param("log", log).param("next", successors(log));
        let found = question.param("part", part).fetch_one::<Found>();
        let found = tokio::time::timeout(QUESTION_TIMEOUT, found).await.unwrap_or(Err(Error::TimedOut))?;
        let offset = |value: i64| (value >= 0).then_some(value);
        Ok(Standing {
            source: found.source,
            marker: offset(found.marker),
            genesis: offset(found.genesis),
            replaced: found.replaced != 0,
        })
    }
}

/// How the names of a log's later sources begin.
pub(crate) fn successors(log: &str) -> String {
    format!("{log}#")
}
