//! What one target knows of one group: deliveries enter, a reason to speak or to be quiet leaves.
//!
//! Promise: pure. Knowledge is kept by transition, so that an alert that fires again is news, and one that was
//! only left unmentioned is not.

use crate::{
    dispatch::{Notification, NotifyReason, QuietReason, Target, Withheld},
    transition::{State, Transition},
};
use jiff::Timestamp;
use std::{collections::BTreeSet, time::Duration};

/// What one target knows of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    pub(crate) told: Option<Said>,
    /// The notification on the way.
    pub(crate) in_flight: Option<Notification>,
    /// Whether a flush found it on the way.
    pub(crate) waited: bool,
}

/// When a target was last told, which transitions it knows, and which alerts are firing as far as it knows.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) at: Timestamp,
    ids: BTreeSet<String>,
    firing: Withheld,
}

impl Log {
    pub(crate) fn reason<'a>(
        &self,
        alerts: impl Iterator<Item = &'a Transition> + Clone,
        repeat_interval: Duration,
        target: &Target,
        now: Timestamp,
    ) -> Result<NotifyReason, QuietReason> {
        let mut firing = alerts.clone().filter(|alert| alert.state == State::Firing).peekable();
        let fires = firing.peek().is_some();
        let Some(said) = &self.told else {
            return if fires {
                Ok(NotifyReason::FirstNotification)
            } else {
                Err(QuietReason::ResolvedBeforeFirst)
            };
        };
        if firing.any(|alert| !said.ids.contains(&alert.id)) {
            return Ok(NotifyReason::NewAlerts);
        }
        if alerts.clone().any(|alert| self.owes(target, alert)) {
            return Ok(NotifyReason::Resolved);
        }
        if fires && now >= after(said.at, repeat_interval) {
            return Ok(NotifyReason::RepeatElapsed);
        }
        Err(QuietReason::Unchanged)
    }

    /// Whether the target was told that this resolved alert fires, and still has to hear of its end.
    pub(crate) fn owes(&self, target: &Target, alert: &Transition) -> bool {
        let told =
            |said: &Said| said.firing.contains_key(&alert.fingerprint) && !said.ids.contains(&alert.id);
        target.send_resolved && alert.state == State::Resolved && self.told.as_ref().is_some_and(told)
    }

    /// Whether the target does not know what it should of an alert.
    pub(crate) fn is_news(&self, target: &Target, alert: &Transition) -> bool {
        let known = self.told.as_ref().is_some_and(|said| said.ids.contains(&alert.id));
        self.owes(target, alert) || alert.state == State::Firing && !known
    }

    /// Whether a resolved alert must be kept for the target: a notification may be telling it just now.
    pub(crate) fn waits_for(&self, target: &Target, alert: &Transition) -> bool {
        self.in_flight.is_some() || self.owes(target, alert)
    }

    /// What the target believes to be firing, of the alerts that are hushed.
    pub(crate) fn withheld(&self, hushed: impl Fn(&str) -> bool) -> Withheld {
        let firing = self.told.iter().flat_map(|said| &said.firing).filter(|(print, _)| hushed(print));
        firing.map(|(print, id)| (print.clone(), id.clone())).collect()
    }

    /// Takes note of what was said, beside what was known and not said again.
    pub(crate) fn learn(&mut self, at: Timestamp, alerts: &[Transition], withheld: &Withheld) {
        let ids = alerts.iter().map(|alert| &alert.id).chain(withheld.values()).cloned().collect();
        let fires = alerts.iter().filter(|alert| alert.state == State::Firing);
        let fires = fires.map(|alert| (alert.fingerprint.clone(), alert.id.clone()));
        let firing = fires.chain(withheld.clone()).collect();
        self.told = Some(Said { at, ids, firing });
    }
}

/// A time and a wait; never beyond the end of time.
pub(crate) fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.saturating_add(wait).unwrap_or(Timestamp::MAX)
}
