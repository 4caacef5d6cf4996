//! What one evaluation may conclude, and how one group stands: an answer and its freshness enter, observations leave.
//!
//! Promise: pure. What missing data would falsify is not concluded.

use crate::{
    alert::{Observation, Standing},
    measure::{measure, samples},
    query::{Answer, Group},
    rules::Rule,
    vocabulary::{NoData, Source},
};
use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;

/// Whether everything that was sent has been counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// All but the last moments.
    Current,
    /// All but what partitions hold that have waited for an operator since this time or longer.
    PartlyStopped(Timestamp),
    /// Calls are missing: absence means nothing.
    Behind,
}

/// What may be concluded from an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Everything.
    All,
    /// What follows from the calls of a group itself; a group without calls says nothing.
    Seen,
    /// That a sum is at least as large.
    AtLeast,
}

/// What a rule may conclude from an answer; `None`: nothing.
pub(super) fn trust(rule: &Rule, answer: &Answer, freshness: Freshness, now: Timestamp) -> Option<Trust> {
    let window = SignedDuration::try_from(answer.window).unwrap_or(SignedDuration::MAX);
    let since = now.saturating_sub(window).unwrap_or(Timestamp::MIN);
    match freshness {
        _ if rule.source() == Source::Pipeline => Some(Trust::All),
        Freshness::Current => Some(Trust::All),
        Freshness::PartlyStopped(stopped)
            if stopped <= since
                && rule.source() == Source::Calls
                && !rule.wants_full_windows()
                && rule.groups_have_one_partition() =>
        {
            Some(Trust::Seen)
        }
        Freshness::PartlyStopped(_) | Freshness::Behind => {
            let grows = rule.metric.is_growing_sum() && rule.op.grows() && rule.compare.is_none();
            grows.then_some(Trust::AtLeast)
        }
    }
}

/// How one group stands; `None` when that cannot be trusted.
pub(super) fn observe<'a>(
    rule: &'a Rule,
    answer: &Answer,
    group: &'a Group,
    trust: Trust,
    now: Timestamp,
) -> Option<Observation<'a>> {
    let values = values(rule, answer, group);
    let terms = rule.terms_for(&values);
    let (value, standing) = match measure(rule, answer, group, now) {
        Some(_) if samples(rule, answer, group) < terms.min_samples => (f64::NAN, Standing::Clear),
        Some(value) => (value.as_f64(), terms.standing(rule.op, value)),
        None if trust == Trust::AtLeast => return None,
        None => (f64::NAN, unmeasured(rule.no_data)),
    };
    let age = now.as_second().saturating_sub(i64::from(group.first_seen));
    let is_new = !rule.new_group_delay.is_zero() && age < rule.new_group_delay.as_secs() as i64;
    Some(Observation { values, value, standing, is_new })
}

fn unmeasured(no_data: NoData) -> Standing {
    match no_data {
        NoData::Ok => Standing::Clear,
        NoData::Keep => Standing::Unknown,
        NoData::Alert => Standing::Exceeds,
    }
}

/// A group's values of the rule's own dimensions; those that it pins are left out.
fn values<'a>(rule: &Rule, answer: &Answer, group: &'a Group) -> Cow<'a, [String]> {
    if rule.group_by.len() == answer.dimensions.len() {
        return Cow::Borrowed(&group.values);
    }
    let named = answer.dimensions.iter().zip(&group.values);
    let ours = named.filter(|(dimension, _)| rule.group_by.contains(dimension));
    Cow::Owned(ours.map(|(_, value)| value.clone()).collect())
}
