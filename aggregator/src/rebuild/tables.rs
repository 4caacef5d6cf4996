//! The tables of a rebuild in ClickHouse: names enter, tables are made, held, exchanged and put away.
//!
//! Live counting is held by a constraint that no row meets: inserts fail, reads go on, and aggregators try again from
//! their marker. Promise: only tables that a rebuild made, as their comments say, are ever dropped; `deltas` is replaced
//! by one atomic exchange.

use super::{
    RebuildError,
    plan::{Plan, Start},
    state::{Live, MarkerRow},
};
use crate::clickhouse::brief;
use clickhouse::{Client, RowOwned, RowRead, error::Error};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// What is counted.
const DELTAS: &str = "deltas";
/// End of the names of live as it stood when it was compared, and of what takes its place.
const HELD: &str = "_held";
const REPLACEMENT: &str = "_replacement";
/// Begins the comment of every table that may be dropped.
const OURS: &str = "callmeter rebuild ";
/// No row meets it.
const CONSTRAINT: &str = "callmeter_rebuild";
/// ClickHouse: a constraint of this name exists already.
const ALREADY_HELD: &str = "Code: 44.";
/// Longest time for a question about tables.
const QUESTION: Duration = Duration::from_secs(30);
/// Longest time for what reads all rows.
const WALK: Duration = Duration::from_secs(6 * 3600);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long ClickHouse may be away while live is held: a restart must not leave it held.
const AWAY: Duration = Duration::from_secs(300);
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Sums that merges do not change.
const SUMS: &str = "sum(calls), sum(errors), sum(attempts_retried), sum(latency_us_sum), sum(queue_us_sum), sum(bytes_in), \
    sum(bytes_out), sum(items), sum(records), sum(cost), sum(billable_calls), sum(unpriced), sum(cost_failed), \
    sum(cost_retried), sum(batchable_calls), sum(retry_after_asked), sum(retry_after_ignored), sum(commits), \
    sum(consumed), sum(duplicates), sum(dead_lettered), sum(lost), max(next_offset), max(window_start)";
const COUNTED: &str = "kind IN ('data', 'quota')";

/// Access to the tables of one rebuild.
pub(crate) struct Tables {
    client: Client,
    /// What is recomputed.
    pub(crate) into: String,
    held: String,
    replacement: String,
}

impl Tables {
    /// Access; `into` must be a plain name.
    pub(crate) fn new(client: Client, into: &str) -> Result<Self, RebuildError> {
        let mut letters = into.chars();
        let plain = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !plain || [HELD, REPLACEMENT].iter().any(|end| into.ends_with(end)) {
            return Err(RebuildError::Name(into.to_owned()));
        }
        let [held, replacement] = [HELD, REPLACEMENT].map(|end| format!("{into}{end}"));
        Ok(Self { client, into: into.to_owned(), held, replacement })
    }

    /// Runs a statement without an answer.
    async fn run(&self, bound: Duration, sql: &str) -> Result<(), Error> {
        let seconds = bound.as_secs().to_string();
        let query = self.client.query_raw(sql).with_setting("max_execution_time", seconds);
        tokio::time::timeout(bound, query.execute()).await.unwrap_or(Err(Error::TimedOut))
    }

    /// The rows of a question that may walk over all rows.
    pub(crate) async fn rows<T: RowOwned + RowRead>(&self, sql: &str) -> Result<Vec<T>, Error> {
        self.rows_within(WALK, sql).await
    }

    async fn rows_within<T: RowOwned + RowRead>(&self, bound: Duration, sql: &str) -> Result<Vec<T>, Error> {
        let query = self
            .client
            .query_raw(sql)
            .with_setting("max_execution_time", bound.as_secs().to_string())
            .with_setting("max_bytes_before_external_group_by", "1000000000");
        tokio::time::timeout(bound, query.fetch_all::<T>()).await.unwrap_or(Err(Error::TimedOut))
    }

    /// How live stands.
    pub(crate) async fn live(&self, base: &str) -> Result<Live, Error> {
        let (markers, gaps, others) = Live::questions(DELTAS);
        Ok(Live::of(base, self.rows(&markers).await?, self.rows(&gaps).await?, self.rows(&others).await?))
    }

    /// Makes the table for what is recomputed, with the plan as its comment.
    pub(crate) async fn create(&self, plan: &Plan) -> Result<(), RebuildError> {
        self.drop_ours(&self.into).await?;
        let plan = serde_json::to_string(plan).unwrap_or_default();
        self.make(&self.into, DELTAS, &plan).await
    }

    async fn make(&self, name: &str, like: &str, comment: &str) -> Result<(), RebuildError> {
        let comment = format!("{OURS}{comment}").replace('\\', "\\\\").replace('\'', "\\'");
        Ok(self.run(QUESTION, &format!("CREATE TABLE {name} AS {like} COMMENT '{comment}'")).await?)
    }

    /// The plan of a table that an earlier rebuild made.
    pub(crate) async fn plan(&self) -> Result<Plan, RebuildError> {
        let plan = self.comment(&self.into).await?;
        let plan = plan.as_deref().and_then(|comment| comment.strip_prefix(OURS));
        plan.and_then(|plan| serde_json::from_str(plan).ok())
            .ok_or_else(|| RebuildError::NoTable(self.into.clone()))
    }

    async fn comment(&self, table: &str) -> Result<Option<String>, Error> {
        let sql = format!(
            "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = '{table}'"
        );
        Ok(self.rows::<String>(&sql).await?.pop())
    }

    /// Drops a table that a rebuild made; another of that name is refused.
    async fn drop_ours(&self, table: &str) -> Result<(), RebuildError> {
        match self.comment(table).await? {
            None => Ok(()),
            Some(comment) if comment.starts_with(OURS) => {
                // A table above the server's max_table_size_to_drop is still ours to drop.
                let sql = format!("DROP TABLE {table} SYNC SETTINGS max_table_size_to_drop = 0");
                Ok(self.run(WALK, &sql).await?)
            }
            Some(_) => Err(RebuildError::Occupied(table.to_owned())),
        }
    }

    /// Drops what a finished rebuild needs no more.
    pub(crate) async fn put_away(&self, into: bool) -> Result<(), RebuildError> {
        self.drop_ours(&self.held).await?;
        self.drop_ours(&self.replacement).await?;
        if into { self.drop_ours(&self.into).await } else { Ok(()) }
    }

    /// Tables whose inserts a rebuild holds.
    pub(crate) async fn held(&self) -> Result<Vec<String>, Error> {
        let sql = format!(
            "SELECT name FROM system.tables WHERE database = currentDatabase() \
             AND position(create_table_query, 'CONSTRAINT {CONSTRAINT} CHECK') > 0 ORDER BY name"
        );
        self.rows_within(QUESTION, &sql).await
    }

    /// Holds live's inserts, and returns when none is running any more.
    pub(crate) async fn hold(&self, patience: Duration, stop: &AtomicBool) -> Result<(), RebuildError> {
        let sql = format!("ALTER TABLE {DELTAS} ADD CONSTRAINT {CONSTRAINT} CHECK 0");
        self.run(QUESTION, &sql).await.map_err(|error| match error {
            Error::BadResponse(text) if text.starts_with(ALREADY_HELD) => RebuildError::Held,
            error @ Error::BadResponse(_) => error.into(),
            error => RebuildError::MaybeHeld(brief(&error)),
        })?;
        let running =
            "SELECT count() FROM system.processes WHERE startsWith(query_id, concat(currentDatabase(), '/'))";
        let began = Instant::now();
        while self.rows_within::<u64>(QUESTION, running).await?.first().is_none_or(|running| *running > 0) {
            if began.elapsed() > patience {
                return Err(RebuildError::Busy);
            }
            if stop.load(Ordering::Relaxed) {
                return Err(RebuildError::Stopped);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Lets inserts go on, wherever they are held; the names of those tables.
    pub(crate) async fn release(&self) -> Result<Vec<String>, Error> {
        let held = self.held().await?;
        for table in &held {
            let sql = format!("ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {CONSTRAINT}");
            self.run(QUESTION, &sql).await?;
        }
        Ok(held)
    }

    /// The same, again and again while ClickHouse is away.
    pub(crate) async fn release_at_last(&self) -> Result<Vec<String>, Error> {
        let began = Instant::now();
        loop {
            match self.release().await {
                Err(error) if began.elapsed() < AWAY => {
                    tracing::warn!(error = %brief(&error), "counting is still held; asking again");
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                answer => return answer,
            }
        }
    }

    /// Keeps live as it stands, without copying a row; the name of what is kept.
    pub(crate) async fn keep_held(&self, live: &Live) -> Result<String, RebuildError> {
        let held = &self.held;
        self.make(held, &self.into, "").await?;
        self.run(QUESTION, &format!("ALTER TABLE {held} ATTACH PARTITION tuple() FROM {DELTAS}")).await?;
        let (markers, ..) = Live::questions(held);
        match live.has_markers(&self.rows(&markers).await?) {
            true => Ok(held.clone()),
            false => Err(RebuildError::Disturbed(DELTAS.to_owned())),
        }
    }

    /// What tells the table of what is recomputed from another that is given its name later.
    pub(crate) async fn identity(&self) -> Result<String, RebuildError> {
        let sql = format!(
            "SELECT toString(uuid) FROM system.tables WHERE database = currentDatabase() AND name = '{}'",
            self.into
        );
        let found = self.rows_within::<String>(QUESTION, &sql).await?.pop();
        found.ok_or_else(|| RebuildError::Disturbed(self.into.clone()))
    }

    /// Refuses a table that is not, or no longer, what was recounted up to live's markers.
    pub(crate) async fn verify(&self, identity: &str, plan: &Plan, live: &Live) -> Result<(), RebuildError> {
        let (markers, ..) = Live::questions(&self.into);
        let markers = self.rows::<MarkerRow>(&markers).await?;
        let counted = |start: &Start| {
            let until = live.counted_end(start.partition).unwrap_or(start.first).max(start.first);
            markers.contains(&(start.source.clone(), start.partition, until, start.first))
        };
        let sums = format!(
            "SELECT toUInt8(sumIf(calls, kind = 'data') = sumIf(calls, kind = 'batch')) FROM {}",
            self.into
        );
        let adds_up = self.rows::<u8>(&sums).await? == [1];
        match adds_up && plan.starts.iter().all(counted) && self.identity().await? == identity {
            true => Ok(()),
            false => Err(RebuildError::Disturbed(self.into.clone())),
        }
    }

    /// Makes and checks what takes live's place: recomputed rows of windows from the cut on, live's rows of windows before
    /// it, the whole ledger of live, and one row of this rebuild for each partition.
    pub(crate) async fn make_replacement(
        &self,
        plan: &Plan,
        live: &Live,
        note: &str,
    ) -> Result<(), RebuildError> {
        let (into, replacement, cut) = (&self.into, &self.replacement, plan.cut_s);
        self.make(replacement, into, "").await?;
        let parts = [
            format!("SELECT * FROM {into} WHERE {COUNTED} AND toUnixTimestamp(window_start) >= {cut}"),
            format!("SELECT * FROM {DELTAS} WHERE {COUNTED} AND toUnixTimestamp(window_start) < {cut}"),
            format!("SELECT * FROM {DELTAS} WHERE NOT ({COUNTED})"),
        ];
        for part in &parts {
            let sql = format!("INSERT INTO {replacement} {part} SETTINGS async_insert = 0");
            self.run(WALK, &sql).await?;
        }
        let wanted = self.sums(&parts.join(" UNION ALL ")).await?;
        let made = self.sums(&format!("SELECT * FROM {replacement}")).await?;
        let (markers, ..) = Live::questions(replacement);
        if wanted != made || !live.has_markers(&self.rows(&markers).await?) {
            return Err(RebuildError::Unequal);
        }
        for start in &plan.starts {
            let next = live.marker(start.partition).unwrap_or(start.first);
            let sql = format!(
                "INSERT INTO {replacement} (kind, src, part, batch_first, next_offset, note) SETTINGS async_insert = 0 \
                 VALUES ('rebuild', {{src:String}}, {}, {}, {next}, {{note:String}})",
                start.partition, start.first
            );
            let row = self.client.query(&sql).param("src", &start.source).param("note", note).execute();
            tokio::time::timeout(QUESTION, row).await.unwrap_or(Err(Error::TimedOut))?;
        }
        Ok(())
    }

    async fn sums(&self, rows: &str) -> Result<Vec<(String, String)>, Error> {
        let sql =
            format!("SELECT toString(kind), toString(({SUMS})) FROM ({rows}) GROUP BY kind ORDER BY kind");
        self.rows(&sql).await
    }

    /// Exchanges live and its replacement; live is called `before` from then on.
    pub(crate) async fn exchange(&self, before: &str) -> Result<(), RebuildError> {
        self.run(QUESTION, &format!("RENAME TABLE {} TO {before}", self.replacement)).await?;
        // The comment would go to live with the table, and say that it may be dropped.
        self.run(QUESTION, &format!("ALTER TABLE {before} MODIFY COMMENT ''")).await?;
        let exchanged = self.run(QUESTION, &format!("EXCHANGE TABLES {DELTAS} AND {before}")).await;
        exchanged.map_err(|error| match error {
            error @ Error::BadResponse(_) => error.into(),
            error => RebuildError::MaybeExchanged(before.to_owned(), brief(&error)),
        })
    }

    /// Whether a price book is the one that was published last; `None` when none was.
    pub(crate) async fn newest_book(&self) -> Result<Option<String>, Error> {
        let sql = "SELECT book FROM price_books GROUP BY book ORDER BY max(published_at) DESC LIMIT 1";
        Ok(self.rows::<String>(sql).await?.pop())
    }
}
