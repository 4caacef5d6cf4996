//! Whether ledgers tell of every record below their markers: partitions of a source enter, the records they do not tell of leave;
//! and when ClickHouse was started, since it loses what it lost by then.
//!
//! Marker and rows of a batch land together, and a server that keeps what it acknowledged keeps both. One that lost parts
//! of older batches still shows the newest marker, so that counting would go on over the hole and nobody would say so.

use super::{Store, in_time};
use clickhouse::error::Error;
use std::collections::BTreeMap;

/// Lengths of batches and gaps against the way from genesis to marker, without what the longest rebuild counted anew: it
/// leaves the ledger as it was. All but the rebuild is read in one scan, of which the parts are those of one moment.
const MISSING: &str = "WITH \
    (low, high, rebuilt) -> high - low - greatest(0, least(high, rebuilt[2]) - greatest(low, rebuilt[1])) AS outside \
    SELECT part, toInt64(if(countIf(kind = 'mark') = 0, 0, \
        outside(minIf(batch_first, kind = 'genesis'), maxIf(next_offset, kind = 'mark'), any(rebuilt)) \
            - sumIf(outside(batch_first, next_offset, rebuilt), kind IN ('batch', 'gap')))) AS missing \
    FROM deltas LEFT JOIN (SELECT part, argMax([batch_first, next_offset], next_offset - batch_first) AS rebuilt \
        FROM deltas WHERE kind = 'rebuild' AND src = {src:String} GROUP BY part) AS rebuilds USING (part) \
    WHERE kind IN ('genesis', 'mark', 'batch', 'gap') AND src = {src:String} AND part IN {parts:Array(Int32)} \
    GROUP BY part";

impl Store {
    /// Records between genesis and marker of which no batch, gap or rebuild tells, of each partition that is asked for;
    /// below 0: so many are told of twice.
    pub(crate) async fn missing(&self, src: &str, parts: &[i32]) -> Result<BTreeMap<i32, i64>, Error> {
        let question = self.client.query(MISSING).param("src", src).param("parts", parts);
        let found = in_time(question.fetch_all::<(i32, i64)>()).await?;
        // What has no row has nothing that could be missing.
        Ok(parts.iter().map(|part| (*part, 0)).chain(found).collect())
    }

    /// When the server was started, in whole seconds since 1970 UTC by its own clock; two answers of one server may be a
    /// second apart, since both of what it is told from are cut to seconds.
    pub(crate) async fn started(&self) -> Result<i64, Error> {
        in_time(self.client.query("SELECT toInt64(toUnixTimestamp(now())) - toInt64(uptime())").fetch_one())
            .await
    }
}
