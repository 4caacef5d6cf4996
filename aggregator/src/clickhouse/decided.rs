//! What operators decided, and what they must know to decide: decisions enter, answers leave.
//!
//! Promise: a decision lands under the guards of every insert of the aggregator, as one block or not at all.

use super::{Store, Target, in_time, standing::successors};
use crate::{
    decision::{self, Decision, Guard},
    recovery::Answer,
    rows::Owner,
};
use clickhouse::error::Error;
use std::collections::BTreeMap;

impl Store {
    /// Records a decision.
    pub(crate) async fn decide(&self, decision: &Decision) -> Answer {
        let target = Target { columns: decision::COLUMNS, structure: decision::STRUCTURE };
        let block = decision.block().into();
        match &decision.guard {
            Guard::Marker { source, partition, marker } => {
                let owner = Owner { src: source, part: *partition };
                self.guarded(owner, target, &self.at_marker(*marker), block).await
            }
            Guard::Nothing { source, partition } => {
                let owner = Owner { src: source, part: *partition };
                self.guarded(owner, target, &self.at_nothing(), block).await
            }
        }
    }

    /// Whether a decision whose insert got no clear answer landed.
    pub(crate) async fn has_landed(&self, decision: &Decision) -> Result<bool, Error> {
        let Some(gap) = decision.gaps.first() else { return Ok(false) };
        let question = "SELECT toInt64(count()) FROM deltas WHERE kind = 'gap' AND src = {src:String} \
            AND part = {part:Int32} AND batch_first = {first:Int64} AND next_offset = {next:Int64} AND note = {note:String}";
        let question = self.client.query(question).param("first", gap.first_offset);
        let question = question.param("next", gap.next_offset).param("note", &gap.note);
        Ok(self.ask(question, Owner { src: &gap.source, part: gap.partition }).await? > 0)
    }

    /// The log that was counted last before this one; empty when none was.
    pub(crate) async fn log_before(&self, log: &str) -> Result<String, Error> {
        let question = "SELECT toString(src) AS source FROM deltas AS d \
            LEFT JOIN (SELECT source, max(observed_at) AS seen FROM partition_progress GROUP BY source) AS p \
            ON p.source = d.src WHERE kind = 'genesis' AND src != {log:String} AND NOT startsWith(src, {next:String}) \
            GROUP BY source ORDER BY max(p.seen) DESC, source LIMIT 1";
        let question = self.client.query(question).param("log", log).param("next", successors(log));
        Ok(in_time(question.fetch_optional()).await?.unwrap_or_default())
    }

    /// Why aggregators said last that partitions of a log wait for an operator.
    pub(crate) async fn told(&self, log: &str) -> Result<BTreeMap<i32, String>, Error> {
        let question = "SELECT partition, stopped FROM partition_progress FINAL \
            WHERE source = {log:String} AND stopped != ''";
        let question = self.client.query(question).param("log", log);
        Ok(in_time(question.fetch_all::<(i32, String)>()).await?.into_iter().collect())
    }

    /// Takes back that a partition waits for an operator, also while no aggregator runs that would.
    pub(crate) async fn take_back(&self, log: &str, partition: i32) -> Result<(), Error> {
        let statement = "INSERT INTO partition_progress (source, partition, counted_up_to, lag_records, observed_at, stopped) \
            SETTINGS async_insert = 0 SELECT source, partition, counted_up_to, lag_records, now64(3), '' \
            FROM partition_progress FINAL WHERE source = {log:String} AND partition = {part:Int32} AND stopped != ''";
        let statement = self.client.query(statement).param("log", log).param("part", partition);
        in_time(statement.execute()).await
    }
}
