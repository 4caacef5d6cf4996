//! Raw calls in ClickHouse: blocks of rows and how far they reach enter, the position to go on from leaves.
//!
//! Promise: both are safe to repeat; rows written twice are one row in the view `calls`.

use super::{Store, in_time};
use crate::rows::Owner;
use bytes::Bytes;
use clickhouse::error::Error;

impl Store {
    /// Up to where raw calls have been written; `None` when nothing has.
    pub async fn calls_position(&self, owner: Owner<'_>) -> Result<Option<i64>, Error> {
        let query = "SELECT if(count() = 0, toInt64(-1), max(next_offset)) FROM calls_positions \
            WHERE source = {src:String} AND partition = {part:Int32}";
        let position = self.ask(self.client.query(query), owner).await?;
        Ok((position >= 0).then_some(position))
    }

    /// Writes raw calls. Safe to repeat.
    pub async fn insert_calls(&self, columns: &str, block: Bytes) -> Result<(), Error> {
        // A batch may hold any months: direct producers choose their own times.
        let settings =
            [("async_insert", "0".to_owned()), ("max_partitions_per_insert_block", "0".to_owned())];
        self.send(&format!("INSERT INTO raw_calls ({columns}) FORMAT Native"), &settings, block).await
    }

    /// Remembers up to where raw calls have been written.
    pub async fn save_calls_position(&self, owner: Owner<'_>, next: i64) -> Result<(), Error> {
        let position = self.client.query(
            "INSERT INTO calls_positions SETTINGS async_insert = 0 VALUES ({src:String}, {part:Int32}, {next:Int64})",
        );
        let position = position.param("src", owner.src).param("part", owner.part).param("next", next);
        in_time(position.execute()).await
    }
}
