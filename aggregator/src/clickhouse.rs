//! ClickHouse: blocks and questions enter, answers leave.
//!
//! Promise: an insert of deltas is one block under the compare-and-set and the mutex of its
//! partition; whatever is not a clear answer is [`Answer::Unknown`]. Not promised: that an unknown
//! insert did not land.

mod books;
mod calls;
mod decided;
mod ledger;
mod progress;
mod standing;

use crate::{
    recovery::{Answer, Range},
    rows::{COLUMNS, Owner, STRUCTURE},
    seeded::{self, Bug},
};
use bytes::Bytes;
use callmeter_schemas::config::ClickHouseConfig;
use clickhouse::{Client, error::Error};
use std::{sync::Arc, time::Duration};

pub use books::PublishedLine;
pub use standing::Standing;

/// Bytes of a block that are compressed and sent at once.
const PIECE_BYTES: usize = 256 << 10;
/// Longest time for a question; markers are read by a primary-key prefix.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);

/// The table of what is counted.
const LIVE: &str = "deltas";

/// Columns that an insert fills, and their types as sent.
#[derive(Clone, Copy)]
struct Target {
    columns: &'static str,
    structure: &'static str,
}

const DELTAS: Target = Target { columns: COLUMNS, structure: STRUCTURE };

/// Compiling expressions to machine code: it costs ClickHouse 40 to 160 ms of CPU for each question that it has met
/// three times, and the questions asked here read a few rows.
const COMPILATION: [&str; 3] =
    ["compile_expressions", "compile_aggregate_expressions", "compile_sort_description"];

/// A client of the configured database; nothing is contacted yet.
pub fn client(config: &ClickHouseConfig) -> Client {
    let client = Client::default()
        .with_url(&config.url)
        .with_database(&config.database)
        .with_user(&config.user)
        .with_password(config.password.reveal());
    COMPILATION.iter().fold(client, |client, setting| client.with_setting(*setting, "0"))
}

/// Access to the tables.
#[derive(Clone)]
pub struct Store {
    client: Client,
    insert_timeout: Duration,
    /// Where deltas and markers stand.
    table: Arc<str>,
}

impl Store {
    /// Access with the settings of the configuration; nothing is contacted yet.
    pub fn new(config: &ClickHouseConfig, insert_timeout: Duration) -> Self {
        Self { client: client(config), insert_timeout, table: LIVE.into() }
    }

    /// Access to another table of the same form, whose inserts shut out no insert into this one.
    pub fn of_table(&self, table: &str) -> Self {
        Self { table: table.into(), ..self.clone() }
    }

    /// The next offset to count of one source; -1 stands for none: `max` over no rows would be 0 and pass for genesis.
    pub async fn marker(&self, owner: Owner<'_>) -> Result<Option<i64>, Error> {
        let marker: i64 = self.ask(self.client.query(&self.marker_sql()), owner).await?;
        Ok((marker >= 0).then_some(marker))
    }

    fn marker_sql(&self) -> String {
        format!(
            "SELECT if(count() = 0, toInt64(-1), max(next_offset)) FROM {} \
             WHERE kind = 'mark' AND src = {{src:String}} AND part = {{part:Int32}}",
            self.table
        )
    }

    /// What an insert checks: that the marker stands at its first offset.
    fn at_marker(&self, first: i64) -> String {
        format!("throwIf(({}) != {first}, 'FENCED') = 0", self.marker_sql())
    }

    /// The condition of a block that begins a source: the partition has no row of its own.
    fn at_nothing(&self) -> String {
        format!(
            "throwIf((SELECT count() FROM {} WHERE kind IN ('genesis', 'mark', 'batch', 'gap') \
             AND src = {{src:String}} AND part = {{part:Int32}}) != 0, 'FENCED') = 0",
            self.table
        )
    }

    async fn ask(&self, query: clickhouse::query::Query, owner: Owner<'_>) -> Result<i64, Error> {
        in_time(query.param("src", owner.src).param("part", owner.part).fetch_one()).await
    }

    /// Inserts the block of a batch of this range.
    #[tracing::instrument(level = "debug", skip_all, fields(partition = owner.part, ?range, bytes = block.len()))]
    pub async fn insert(&self, owner: Owner<'_>, range: Range, block: Bytes) -> Answer {
        if seeded::is(Bug::CommitFirst) {
            self.mark(owner, range.next).await;
        }
        let answer = self.guarded(owner, DELTAS, &self.at_marker(range.first), block).await;
        if seeded::is(Bug::MarkerApart) && answer == Answer::Inserted {
            self.mark(owner, range.next).await;
        }
        answer
    }

    /// The marker in an insert of its own: only a seeded bug does that.
    async fn mark(&self, owner: Owner<'_>, next: i64) {
        let sql = format!(
            "INSERT INTO {} (kind, src, part, next_offset) SETTINGS async_insert = 0 \
             VALUES ('mark', {{src:String}}, {{part:Int32}}, {{next:Int64}})",
            self.table
        );
        let mark =
            self.client.query(&sql).param("src", owner.src).param("part", owner.part).param("next", next);
        let _ = mark.execute().await;
    }

    /// Inserts the block of a genesis, unless the partition has a row of its own: one whose marker was
    /// removed must not be counted again from the start.
    pub async fn genesis(&self, owner: Owner<'_>, block: Bytes) -> Answer {
        self.guarded(owner, DELTAS, &self.at_nothing(), block).await
    }

    async fn guarded(&self, owner: Owner<'_>, target: Target, check: &str, block: Bytes) -> Answer {
        let Target { columns, structure } = target;
        let mut sql = format!(
            "INSERT INTO {} ({columns}) SELECT {columns} FROM input('{structure}') WHERE {check} FORMAT Native",
            self.table
        );
        let seconds = self.insert_timeout.as_secs().max(1).to_string();
        let mut settings = vec![
            ("query_id", self.mutex(owner)),
            ("replace_running_query", "0".into()),
            ("param_src", owner.src.to_owned()),
            ("param_part", owner.part.to_string()),
            ("async_insert", "0".into()),
            ("insert_deduplicate", "0".into()),
            ("max_insert_threads", "1".into()),
            ("max_threads", "1".into()),
            ("max_partitions_per_insert_block", "1".into()),
            ("min_insert_block_size_rows", "1048449".into()),
            ("min_insert_block_size_bytes", "0".into()),
            ("max_execution_time", seconds),
        ];
        seeded::spoil(&mut sql, &mut settings, columns, check);
        match self.send(&sql, &settings, block).await {
            Ok(()) => Answer::Inserted,
            Err(error) => {
                let answer = answer_of(&error);
                if answer == Answer::Unknown {
                    tracing::warn!(partition = owner.part, error = %brief(&error), "insert without a clear answer");
                }
                answer
            }
        }
    }

    async fn send(&self, sql: &str, settings: &[(&str, String)], block: Bytes) -> Result<(), Error> {
        // No two rows of a block have one key: to merge them in the insert would cost more than the rest of it.
        let client = self.client.clone().with_setting("optimize_on_insert", "0");
        let client = settings.iter().fold(client, |client, (name, value)| client.with_setting(*name, value));
        let bound = Some(self.insert_timeout + Duration::from_secs(5));
        let mut insert = client.insert_formatted_with(sql).with_timeouts(bound, bound);
        for piece in pieces(block) {
            insert.send(piece).await?;
        }
        insert.end().await
    }

    /// The id under which at most one insert of a partition can run, in this database and table.
    fn mutex(&self, owner: Owner<'_>) -> String {
        let database = self.client.database().unwrap_or_default();
        match &*self.table {
            LIVE => format!("{database}/{}/{}", owner.src, owner.part),
            table => format!("{database}.{table}/{}/{}", owner.src, owner.part),
        }
    }

    /// Kills the partition's running insert and waits until it is gone.
    pub async fn kill(&self, owner: Owner<'_>) -> Result<(), Error> {
        let query =
            self.client.query("KILL QUERY WHERE query_id = {id:String} SYNC").param("id", self.mutex(owner));
        let bound = self.insert_timeout + QUESTION_TIMEOUT;
        tokio::time::timeout(bound, query.execute()).await.unwrap_or(Err(Error::TimedOut))
    }
}

/// The answer to a question, or that it took too long.
async fn in_time<T>(question: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(QUESTION_TIMEOUT, question).await.unwrap_or(Err(Error::TimedOut))
}

/// The parts in which a block is compressed and sent: a buffer for all of it would be new memory each time.
fn pieces(block: Bytes) -> impl Iterator<Item = Bytes> {
    let starts = (0..block.len()).step_by(PIECE_BYTES);
    starts.map(move |start| block.slice(start..block.len().min(start + PIECE_BYTES)))
}

/// The meaning of an error: the codes are ClickHouse's.
fn answer_of(error: &Error) -> Answer {
    let Error::BadResponse(text) = error else { return Answer::Unknown };
    match text.trim_start().strip_prefix("Code: ").and_then(|rest| rest.split('.').next()) {
        Some("395") if text.contains("FENCED") => Answer::Fenced,
        Some("216") => Answer::AlreadyRunning,
        _ => Answer::Unknown,
    }
}

/// An error's text without the megabytes that a server may append.
pub(crate) fn brief(error: &Error) -> String {
    error.to_string().chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clear_answers_are_believed() {
        let answer = |text: &str| answer_of(&Error::BadResponse(text.into()));
        assert_eq!(answer("Code: 395. DB::Exception: FENCED: while executing …"), Answer::Fenced);
        assert_eq!(
            answer("Code: 216. DB::Exception: Query with id = x/0 is already running."),
            Answer::AlreadyRunning
        );
        assert_eq!(answer("Code: 252. DB::Exception: Too many parts"), Answer::Unknown);
        assert_eq!(answer("<html>502 Bad Gateway</html>"), Answer::Unknown);
        assert_eq!(answer_of(&Error::TimedOut), Answer::Unknown);
    }
}
