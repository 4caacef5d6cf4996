//! Quotas: what answers said of them enters with the events, the newest word of each leaves.
//!
//! Observations are kept by workspace, customer, integration, policy, scope and window. Promise: the newest observation
//! is that with the larger (moment of the answer, offset), so that order does not matter and a replay changes
//! nothing; how many answers told of a quota is counted as exactly as the calls are.

use crate::{
    cells::{self, Cells},
    facts::Facts,
    intern::Interner,
    plan::{self, Malformed},
};
use callmeter_schemas::{ErrorClass, limits};

/// A number that an answer did not tell.
pub const UNKNOWN: i64 = -1;

/// Workspace, customer, integration, policy and scope.
pub type QuotaNames = Interner<5>;

/// What one answer said; ordered by when it was said. Unknown numbers are [`UNKNOWN`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the member of `quota_latest` of its name")]
pub struct Observation {
    pub observed_us: i64,
    pub offset: i64,
    pub limit: i64,
    pub remaining: i64,
    pub reset_us: i64,
}

/// What one batch saw of one quota in one window through one customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaCell {
    /// Its number among the [`QuotaNames`].
    pub series: u32,
    /// Seconds since 1970 UTC.
    pub window_start: u32,
    /// Answers that told of it.
    pub calls: u64,
    /// Of these, refusals because of a limit.
    pub refused: u64,
    /// The newest of them.
    pub latest: Observation,
}

impl cells::Cell for QuotaCell {
    fn new(series: u32, window_start: u32) -> Self {
        Self { series, window_start, ..Self::default() }
    }
}

/// The quotas of one batch.
#[derive(Debug, Default)]
pub struct Quotas {
    /// In order of first appearance.
    pub cells: Cells<QuotaCell>,
}

impl Quotas {
    /// Takes what one event said. Observations without a policy or with names out of bounds, which only
    /// services that write to Kafka themselves can send, are left out.
    pub fn add(&mut self, offset: i64, facts: &Facts<'_>, window_start: u32, names: &mut QuotaNames) {
        // An empty array is one zero byte.
        if facts.quota.len() <= 1 {
            return;
        }
        let refused = matches!(facts.error_class, ErrorClass::RateLimited | ErrorClass::QuotaExhausted);
        let mut left = limits::QUOTA_ENTRIES;
        // The plan walked these bytes already, so that reading cannot fail here.
        let _ = each(facts.quota, |policy, scope, [limit, remaining, reset_us]| {
            let fits = !policy.is_empty() && policy.len().max(scope.len()) <= limits::DIMENSION_BYTES;
            if !fits || left == 0 {
                return;
            }
            left -= 1;
            let series = names.number([facts.workspace, facts.customer, facts.integration, policy, scope]);
            let known = |number: Option<i64>| number.filter(|number| *number >= 0).unwrap_or(UNKNOWN);
            let reset = reset_us.filter(|at| (limits::TIME_MIN_US..limits::TIME_END_US).contains(at));
            let observed = Observation {
                observed_us: facts.answered_us(),
                offset,
                limit: known(limit),
                remaining: known(remaining),
                reset_us: known(reset),
            };
            let cell = self.cells.of(series, window_start);
            cell.calls += 1;
            cell.refused += u64::from(refused);
            cell.latest = cell.latest.max(observed);
        });
    }
}

/// Reads the observations of an Avro block: policy, scope, and limit, remaining and reset.
pub fn each<'a>(
    avro: &'a [u8],
    mut take: impl FnMut(&'a str, &'a str, [Option<i64>; 3]),
) -> Result<(), Malformed> {
    plan::items(avro, |input| {
        let (policy, scope) = (input.text()?, input.text()?);
        let mut number = || if input.long()? == 0 { Ok(None) } else { input.long().map(Some) };
        take(policy, scope, [number()?, number()?, number()?]);
        Ok(())
    })
}

#[cfg(test)]
mod tests;
