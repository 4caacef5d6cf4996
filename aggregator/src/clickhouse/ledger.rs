//! Whether the ledger tells of every record below the marker: one partition enters, the records it does not tell of leave.
//!
//! Marker and rows of a batch land together, and a server that keeps what it acknowledged keeps both. One that lost parts
//! of older batches still shows the newest marker, so that counting would go on over the hole and nobody would say so.

use super::Store;
use crate::rows::Owner;
use clickhouse::error::Error;

/// Lengths of batches and gaps against the way from genesis to marker, without what the longest rebuild counted anew: it
/// leaves the ledger as it was. All but the rebuild is read in one scan, of which the parts are those of one moment.
const MISSING: &str = "WITH \
    (SELECT argMax([batch_first, next_offset], next_offset - batch_first) FROM deltas \
        WHERE kind = 'rebuild' AND src = {src:String} AND part = {part:Int32}) AS rebuilt, \
    (low, high) -> high - low - greatest(0, least(high, rebuilt[2]) - greatest(low, rebuilt[1])) AS outside \
    SELECT toInt64(if(countIf(kind = 'mark') = 0, 0, \
        outside(minIf(batch_first, kind = 'genesis'), maxIf(next_offset, kind = 'mark')) \
            - sumIf(outside(batch_first, next_offset), kind IN ('batch', 'gap')))) \
    FROM deltas WHERE kind IN ('genesis', 'mark', 'batch', 'gap') AND src = {src:String} AND part = {part:Int32}";

impl Store {
    /// Records between genesis and marker of which no batch, gap or rebuild tells; below 0: so many are told of twice.
    pub(crate) async fn missing(&self, owner: Owner<'_>) -> Result<i64, Error> {
        self.ask(self.client.query(MISSING), owner).await
    }
}
