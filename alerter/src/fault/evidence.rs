//! Evidence: calls and errors now and before enter, whether they fail beyond the usual leaves.
//!
//! Promise: pure; the rule and its reasons stand in [`crate::fault`].

use callmeter_schemas::ErrorClass;
use std::collections::BTreeMap;

/// Fewer calls say nothing of whoever made them.
pub const MIN_CALLS: u64 = 5;
/// Fewer errors are no incident.
const MIN_ERRORS: u64 = 3;
/// A smaller share of errors is no outage.
const MIN_SHARE: f64 = 0.2;
/// How far beyond the usual share an outage is.
const MIN_RATIO: f64 = 3.0;
/// How surprising it is, nats: chance below 1 in 8,000.
const MIN_SURPRISE: f64 = 9.0;
/// A verdict that stands goes on while this share fails.
const LASTING_SHARE: f64 = 0.1;
/// What is taken as usual before anything is known: 0.2 errors of 20 calls.
const PRIOR: (f64, f64) = (0.2, 20.0);

/// Calls of one customer to one endpoint of one integration in one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// The tenant.
    pub workspace: String,
    /// The vendor API.
    pub integration: String,
    /// The templated endpoint.
    pub endpoint: String,
    /// Such as production, or a region.
    pub environment: String,
    /// On whose behalf.
    pub customer: String,
    /// In the last minutes.
    pub now: Counts,
    /// In the hour before.
    pub before: Counts,
}

/// Calls and what became of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Attempts.
    pub calls: u64,
    /// Those that were not `ok`, by class.
    pub errors: BTreeMap<ErrorClass, u64>,
}

/// Errors that speak of the same kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Of whoever serves.
    Service,
    /// Of the way there: part of the above.
    Network,
    /// Of the service, but for what was the network's.
    ServiceWithoutNetwork,
    /// Of a credential.
    Credential,
}

/// Calls and errors of one family, added up over cells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Side {
    /// Attempts in the last minutes.
    pub calls: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Attempts in the hour before.
    pub calls_before: u64,
    /// Those of them that failed.
    pub errors_before: u64,
}

impl Family {
    pub(crate) fn holds(self, class: ErrorClass) -> bool {
        use ErrorClass::{
            AuthExpired, Connect, Dns, Forbidden, SchemaMismatch, Timeout, Tls, Unknown, Upstream5xx,
        };
        let network = matches!(class, Timeout | Connect | Dns | Tls);
        let other = matches!(class, Upstream5xx | SchemaMismatch | Unknown);
        match self {
            Self::Service => network || other,
            Self::Network => network,
            Self::ServiceWithoutNetwork => other,
            Self::Credential => matches!(class, AuthExpired | Forbidden),
        }
    }
}

impl Counts {
    fn of(&self, family: Family) -> u64 {
        let ours = self.errors.iter().filter(|(class, _)| family.holds(**class));
        ours.fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }
}

impl Side {
    /// The cells' calls, and their errors of one family.
    pub(crate) fn of<'c>(cells: impl IntoIterator<Item = &'c Cell>, family: Family) -> Self {
        let mut side = Self::default();
        cells.into_iter().for_each(|cell| side.add(cell, family));
        side
    }

    pub(crate) fn add(&mut self, cell: &Cell, family: Family) {
        self.calls = self.calls.saturating_add(cell.now.calls);
        self.errors = self.errors.saturating_add(cell.now.of(family));
        self.calls_before = self.calls_before.saturating_add(cell.before.calls);
        self.errors_before = self.errors_before.saturating_add(cell.before.of(family));
    }

    /// Whether there are enough calls to say anything.
    pub fn is_active(&self) -> bool {
        self.calls >= MIN_CALLS
    }

    /// Share of calls that fail, 0 to 1.
    pub fn share(&self) -> f64 {
        self.errors as f64 / self.calls.max(1) as f64
    }

    /// Share that failed in the hour before, smoothed.
    pub fn usual(&self) -> f64 {
        let (errors, calls) = PRIOR;
        (self.errors_before as f64 + errors) / (self.calls_before as f64 + calls)
    }

    /// Whether the calls fail.
    pub fn fails(&self) -> bool {
        let (share, usual) = (self.share(), self.usual());
        self.is_active()
            && self.errors >= MIN_ERRORS
            && share >= MIN_SHARE
            && share >= MIN_RATIO * usual
            && self.calls as f64 * divergence(share, usual) >= MIN_SURPRISE
    }

    /// Whether calls that did fail are not well again.
    pub fn still_fails(&self) -> bool {
        self.errors > 0 && self.share() >= LASTING_SHARE
    }

    /// Errors beyond the usual.
    pub fn excess(&self) -> f64 {
        (self.errors as f64 - self.calls as f64 * self.usual()).max(0.0)
    }
}

/// Kullback-Leibler divergence of two chances, nats.
fn divergence(seen: f64, usual: f64) -> f64 {
    let part = |seen: f64, usual: f64| {
        if seen > 0.0 { seen * (seen / usual.max(f64::MIN_POSITIVE)).ln() } else { 0.0 }
    };
    part(seen, usual) + part(1.0 - seen, 1.0 - usual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(calls: u64, errors: u64, calls_before: u64, errors_before: u64, wanted: bool) {
        let side = Side { calls, errors, calls_before, errors_before };
        assert_eq!(
            side.fails(),
            wanted,
            "{side:?}: surprise {}",
            calls as f64 * divergence(side.share(), side.usual())
        );
    }

    #[test]
    fn calls_fail_when_errors_are_many_unusual_and_no_chance() {
        check(100, 100, 1_000, 5, true);
        check(100, 20, 1_000, 5, true);
        check(100, 19, 1_000, 5, false);
        check(5, 4, 0, 0, true);
        check(4, 4, 1_000, 0, false);
        check(5, 2, 1_000, 0, false);
        // It has been like this for an hour, or a third of it.
        check(100, 100, 1_000, 900, false);
        check(100, 60, 1_000, 300, false);
        check(10, 3, 200, 12, false);
    }
}
