//! What a rebuild finds: Kafka is asked where its log begins and when records were appended, and a plan leaves.

use super::{
    RebuildError, Tell, Teller,
    plan::{self, From, Known, Plan, PlanError, Start},
    state::Live,
};
use crate::{
    fetch::{FetchError, Fetcher},
    identity,
    lane::Lane,
};
use callmeter_schemas::topics;
use jiff::SignedDuration;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Longest wait for one record of the log.
const RECORD: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(100);

/// The identity of the log.
pub(crate) async fn source(lane: &Lane) -> Result<String, RebuildError> {
    let fetcher = Arc::clone(&lane.fetcher);
    let asked = tokio::task::spawn_blocking(move || identity::source(&fetcher, topics::CALLS)).await;
    asked.ok().flatten().ok_or(RebuildError::NoIdentity)
}

/// What is to be recounted.
pub(crate) async fn plan(
    lane: &Lane,
    from: &From,
    ahead: SignedDuration,
    standing: &Live,
    tell: &Teller,
) -> Result<Plan, RebuildError> {
    let others: Vec<i64> = standing.others.iter().map(|until| until.unwrap_or_else(now_ms)).collect();
    let successions = standing.successions.clone();
    let counted: Vec<(i32, String, i64, i64)> = standing
        .partitions
        .iter()
        .map(|(partition, (source, marker, genesis))| {
            let earliest = plan::earliest(*genesis, standing.gaps(*partition));
            (*partition, source.clone(), *marker, earliest)
        })
        .collect();
    let (fetcher, from, tell) = (Arc::clone(&lane.fetcher), from.clone(), Arc::clone(tell));
    let (horizon, price_book) = (lane.config.duplicate_horizon, lane.books.current().id().to_owned());
    let survey = Survey { fetcher, from, ahead, horizon };
    let asked = tokio::task::spawn_blocking(move || {
        let (starts, cut_s) = survey.plan(counted, successions, others, &tell)?;
        Ok(Plan { starts, cut_s, price_book })
    });
    asked.await.map_err(|_| RebuildError::Task)?
}

struct Survey {
    fetcher: Arc<Fetcher>,
    from: From,
    ahead: SignedDuration,
    horizon: u32,
}

impl Survey {
    fn plan(
        &self,
        counted: Vec<(i32, String, i64, i64)>,
        successions: Vec<(i32, i64)>,
        others: Vec<i64>,
        tell: &Teller,
    ) -> Result<(Vec<Start>, i64), RebuildError> {
        let mut known = Vec::new();
        for (partition, source, marker, earliest) in counted {
            let (low, _) = self.fetcher.bounds(partition)?;
            known.push(Known { source, partition, earliest, marker, low });
        }
        let starts = plan::starts(&self.from, &known, &self.locate(&known)?)?;
        self.all_there(&starts, &known, tell)?;
        let mut below = others;
        for (start, known) in starts.iter().zip(&known).filter(|(start, _)| !start.whole) {
            below.push(self.appended_ms(known.partition, known.low.max(start.first - 1))?);
        }
        for (partition, genesis) in successions {
            let low = self.fetcher.bounds(partition)?.0;
            below.push(self.appended_ms(partition, low.max(genesis))?);
        }
        let cut_s = plan::cut_s(&self.from, &below, self.ahead)?;
        Ok((starts, cut_s))
    }

    /// For a time: the first record that its windows may need.
    fn locate(&self, known: &[Known]) -> Result<BTreeMap<i32, i64>, FetchError> {
        let From::Time(time_ms) = self.from else { return Ok(BTreeMap::new()) };
        let needed = plan::needed_from_ms(time_ms, self.ahead);
        let mut located = BTreeMap::new();
        for known in known {
            if let Some(offset) = self.fetcher.offset_at(known.partition, needed)? {
                located.insert(known.partition, offset);
            }
        }
        Ok(located)
    }

    /// Refuses what retention deleted; says where only duplicates cannot be known.
    fn all_there(&self, starts: &[Start], known: &[Known], tell: &Teller) -> Result<(), RebuildError> {
        for (start, known) in starts.iter().zip(known) {
            let (partition, first, low) = (start.partition, start.first, known.low);
            if first < low {
                let possible = self.possible(starts, known)?;
                return Err(PlanError::Lost { partition, first, low, possible }.into());
            }
            if !start.whole && low > known.earliest && first - i64::from(self.horizon) < low {
                tell(Tell::Line(format!(
                    "note: partition {partition}: duplicates of records below {low} cannot be told, since retention deleted them"
                )));
            }
        }
        Ok(())
    }

    fn possible(&self, starts: &[Start], known: &Known) -> Result<String, FetchError> {
        let mut latest = self.appended_ms(known.partition, known.low)?;
        for start in starts {
            let (low, _) = self.fetcher.bounds(start.partition)?;
            if low > start.first {
                latest = latest.max(self.appended_ms(start.partition, low)?);
            }
        }
        Ok(plan::moment(plan::possible_from(latest, self.ahead)))
    }

    /// When the record at an offset was appended; now, when there is none yet.
    fn appended_ms(&self, partition: i32, offset: i64) -> Result<i64, FetchError> {
        let now = now_ms();
        let (_, high) = self.fetcher.bounds(partition)?;
        if offset >= high {
            return Ok(now);
        }
        let (mut tap, began) = (self.fetcher.tap(partition, offset)?, Instant::now());
        let mut appended = None;
        while appended.is_none() && began.elapsed() < RECORD {
            tap.take(TICK, i64::MAX, |records| {
                appended = appended.or(records.first().map(|record| record.appended_ms));
            })?;
        }
        Ok(appended.unwrap_or(now))
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "where nothing is known of a time, now is the latest that it can be"
)]
fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}
