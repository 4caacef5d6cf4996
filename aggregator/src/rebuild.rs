//! The rebuild: rollups are counted anew from the log beside the live ones, compared, and put in their place on request.
//!
//! survey → plan → recount up to the marker → again, until little is left → hold live's inserts → recount the rest, so that
//! both tables end at the same offsets → keep or replace live → let inserts go on → compare. What enters is the log, the
//! configured price book and live's ledger; what leaves is a report and, with `swap`, another table under the name
//! `deltas`. Promise: live is read only, but for the moment in which it is held and the one exchange; whatever fails, inserts
//! go on; who is killed in between leaves them held, which [`release`] ends.

mod compare;
mod order;
pub mod plan;
mod recount;
mod report;
mod state;
mod survey;
mod tables;

pub use compare::{Cells, Differing, Sums, Totals};
pub use order::{Access, Order, RebuildError, Swap, Tell, Teller};
pub use recount::RecountError;
pub use report::{LedgerPart, Report};

use crate::{
    AggregatorConfig, AggregatorMetrics,
    clickhouse::{brief, client},
    config::std_duration,
    lane::{Assignment, Lane},
    pipeline,
    recovery::Range,
};
use callmeter_schemas::config::ClickHouseConfig;
use plan::Plan;
use prometheus_client::registry::Registry;
use recount::Recount;
use state::Live;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};
use tables::Tables;
use tokio::task::JoinSet;

/// Records that are left to be counted while live is held, at best.
const FEW: i64 = 20_000;
/// Rounds after which live is held although more are left: it is counted as fast as it is recounted.
const ROUNDS: u32 = 8;
/// Longest wait for the inserts that were running when live was held, beyond their own bound.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Lets inserts go on that a killed rebuild left held, and drops what it left; the tables that were held.
pub async fn release(clickhouse: &ClickHouseConfig, into: &str) -> Result<Vec<String>, RebuildError> {
    let tables = Tables::new(client(clickhouse), into)?;
    let held = tables.release().await?;
    tables.put_away(false).await?;
    Ok(held)
}

/// Recounts, compares and, when asked to, replaces live.
pub async fn run(order: Order, access: Access, tell: Teller) -> Result<Report, RebuildError> {
    let tables = Tables::new(client(&access.clickhouse), &order.into)?;
    if !tables.held().await?.is_empty() {
        return Err(RebuildError::Held);
    }
    let lane = lane(&access, &order.into)?;
    let base = survey::source(&lane).await?;
    tables.put_away(false).await?;
    let plan = plan_of(&order, &tables, &lane, &base, &tell).await?;
    let identity = tables.identity().await?;
    tell(Tell::Planned(plan.clone()));
    let mut rebuild = Rebuild { order, tables, identity, lane, base, plan, tell, recounts: Vec::new() };
    rebuild.catch_up().await?;
    let held = rebuild.while_held().await?;
    rebuild.report(held).await
}

async fn plan_of(
    order: &Order,
    tables: &Tables,
    lane: &Lane,
    base: &str,
    tell: &Teller,
) -> Result<Plan, RebuildError> {
    let book = lane.books.current().id().to_owned();
    if let Some(newest) = tables.newest_book().await?.filter(|newest| *newest != book) {
        if book.is_empty() {
            return Err(RebuildError::NoBook(newest));
        }
        tell(Tell::Line(format!(
            "note: price book {book:?} is not the one published last ({newest}): tiers, packages and free units are priced by that one"
        )));
    }
    let Some(from) = &order.from else {
        let plan = tables.plan().await?;
        return match plan.price_book == book {
            true => Ok(plan),
            false => Err(RebuildError::OtherBook(order.into.clone(), plan.price_book, book)),
        };
    };
    let standing = tables.live(base).await?;
    let plan = survey::plan(lane, from, order.ahead, &standing, tell).await?;
    tables.create(&plan).await?;
    Ok(plan)
}

/// The lane of the recount: that of live, with another table and without the bound on poison, which live passed.
fn lane(access: &Access, into: &str) -> Result<Lane, RebuildError> {
    let (commits, _) = mpsc::channel();
    let metrics = AggregatorMetrics::register(&mut Registry::default());
    let config = AggregatorConfig { poison_flood: i64::MAX as u64, ..access.aggregator.clone() };
    let lane = pipeline::lane(&config, &access.kafka, &access.clickhouse, metrics, commits)?;
    Ok(Lane { store: lane.store.of_table(into), ..lane })
}

/// Returns when the rebuild is to end.
async fn told(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What is left of live once it was held.
struct Held {
    /// How it stood.
    standing: Live,
    /// The table that is compared.
    live: String,
    held_for: Duration,
    /// What live is called now, when it was replaced.
    before: Option<String>,
}

struct Rebuild {
    order: Order,
    tables: Tables,
    /// Of the table of what is recounted, as it was when this began.
    identity: String,
    lane: Lane,
    base: String,
    plan: Plan,
    tell: Teller,
    recounts: Vec<Recount>,
}

impl Rebuild {
    /// Recounts up to the marker, again and again until little is left.
    async fn catch_up(&mut self) -> Result<(), RebuildError> {
        for _ in 0..ROUNDS {
            let before = self.tables.live(&self.base).await?;
            self.recount(&before).await?;
            let after = self.tables.live(&self.base).await?;
            let left = |(partition, (_, marker, _)): (&i32, &(String, i64, i64))| {
                marker - before.marker(*partition).unwrap_or(0)
            };
            if after.partitions.iter().map(left).sum::<i64>() <= FEW {
                break;
            }
        }
        Ok(())
    }

    /// Recounts all partitions up to their markers, side by side.
    async fn recount(&mut self, standing: &Live) -> Result<(), RebuildError> {
        for (partition, (source, _, genesis)) in &standing.partitions {
            match self.recounts.iter().find(|recount| recount.partition() == *partition) {
                Some(recount) if recount.source() != source => {
                    return Err(RebuildError::Replaced(*partition));
                }
                Some(_) => {}
                None => self.begin(*partition, source, *genesis, standing.gaps(*partition))?,
            }
        }
        let mut running = JoinSet::new();
        for mut recount in std::mem::take(&mut self.recounts) {
            let Some(marker) = standing.marker(recount.partition()) else { continue };
            let gaps = standing.gaps(recount.partition()).to_vec();
            running.spawn_blocking(move || recount.count_to(marker, &gaps).map(|()| recount));
        }
        let mut result = Ok(());
        while let Some(ended) = running.join_next().await {
            match ended.map_err(|_| RebuildError::Task)? {
                Ok(recount) => self.recounts.push(recount),
                Err(error) => {
                    // The others need not go on; what failed first is told.
                    result = result.and(Err(error.into()));
                    self.order.stop.store(true, Ordering::Relaxed);
                }
            }
        }
        result
    }

    /// Adds a partition: a planned one, or one that came into being meanwhile and is recounted whole.
    fn begin(
        &mut self,
        partition: i32,
        source: &str,
        genesis: i64,
        gaps: &[Range],
    ) -> Result<(), RebuildError> {
        let planned = self.plan.starts.iter().find(|start| start.partition == partition);
        let first = match planned {
            Some(start) if start.source != source => return Err(RebuildError::Replaced(partition)),
            Some(start) => start.first,
            None => {
                let first = plan::earliest(genesis, gaps);
                let source = source.to_owned();
                self.plan.starts.push(plan::Start { source, partition, first, whole: true });
                first
            }
        };
        let assignment = Assignment {
            lane: self.lane.clone(),
            log: self.base.clone(),
            source: source.to_owned(),
            partition,
            stop: Arc::clone(&self.order.stop),
        };
        self.recounts.push(Recount::new(assignment, first, Arc::clone(&self.tell)));
        Ok(())
    }

    /// Holds live, and lets it go on whatever comes of it.
    async fn while_held(&mut self) -> Result<Held, RebuildError> {
        self.say("counting is held: aggregators keep their batches and try again");
        let began = Instant::now();
        let patience = std_duration(self.lane.config.insert_timeout) + PATIENCE;
        let held = match self.tables.hold(patience, &self.order.stop).await {
            Err(RebuildError::Held) => return Err(RebuildError::Held),
            Err(error) => Err(error),
            Ok(()) => self.end_together().await,
        };
        let released = self.tables.release_at_last().await;
        match (held, released) {
            (Ok(held), Ok(_)) => {
                let held_for = began.elapsed();
                self.say(&format!("counting goes on; it was held for {:.1} s", held_for.as_secs_f64()));
                Ok(Held { held_for, ..held })
            }
            (Err(error), Ok(_)) => Err(error),
            (held, Err(error)) => {
                let first = held.err().map(|first| format!("{first}; and ")).unwrap_or_default();
                Err(RebuildError::StillHeld(first, brief(&error)))
            }
        }
    }

    /// Brings both tables to the same offsets, and keeps or replaces live.
    async fn end_together(&mut self) -> Result<Held, RebuildError> {
        let standing = self.tables.live(&self.base).await?;
        self.recount(&standing).await?;
        let held_for = Duration::ZERO;
        let Some(swap) = self.order.swap.clone() else {
            self.tables.verify(&self.identity, &self.plan, &standing).await?;
            let live = self.tables.keep_held(&standing).await?;
            return Ok(Held { standing, live, held_for, before: None });
        };
        self.say("rows are put together: what was recounted, older windows as they are, the whole ledger");
        let note = report::note(&swap, &self.plan);
        let made = self.tables.make_replacement(&self.plan, &standing, &note);
        // The rows may be many, and counting is held.
        tokio::select! {
            made = made => made?,
            () = told(&self.order.stop) => return Err(RebuildError::Stopped),
        }
        // After the copy: what was copied from was whole, and is still the same table.
        self.tables.verify(&self.identity, &self.plan, &standing).await?;
        let before = format!("deltas_before_{}", swap.stamp);
        self.tables.exchange(&before).await?;
        self.say(&format!("what was recounted is now in deltas; what was there is in {before}"));
        Ok(Held { standing, live: before.clone(), held_for, before: Some(before) })
    }

    async fn report(&self, held: Held) -> Result<Report, RebuildError> {
        self.say("comparing");
        let report = report::compare(&self.tables, &self.plan, &held).await?;
        if self.tables.identity().await? != self.identity {
            return Err(RebuildError::Disturbed(self.order.into.clone()));
        }
        // Once it is live, the table of what was recounted says nothing that live does not say.
        self.tables.put_away(held.before.is_some()).await?;
        Ok(report)
    }

    fn say(&self, line: &str) {
        (self.tell)(Tell::Line(line.to_owned()));
    }
}
