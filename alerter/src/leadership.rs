//! Which of several alerters acts: what the store says and the time enter, what to write and whether to act leave.
//!
//! Terms are numbered, and only one alerter can begin the next one, and only while the last beat is the one that it
//! saw: the store compares and sets. The holder of the last term proves that it lives with a beat about once a second. Others take over when they have seen the same
//! beat for [`TAKEOVER`], by their own clocks; the holder acts for [`LEASE`] from when it sent the last beat that
//! landed, by its own. As the lease is shorter, the holder has stopped before anybody else begins, whatever
//! delayed either of them; no clock is compared with another.
//!
//! Promise: pure. Not promised: one that acts while the store is away. Nobody can take over then either, and what
//! a lapsed holder does in that time is its caller's decision.

use std::time::Duration;

/// How often the holder proves that it lives, and others look.
pub const BEAT: Duration = Duration::from_secs(1);
/// How long a beat lets its sender act.
pub const LEASE: Duration = Duration::from_secs(6);
/// How long others wait for the next beat.
pub const TAKEOVER: Duration = Duration::from_secs(9);

/// The last term, as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// Its number, from 1.
    pub number: u64,
    /// Whose it is.
    pub holder: String,
    /// How often the holder has shown that it lives.
    pub beat: u64,
    /// Whether the holder has ended it.
    pub released: bool,
}

/// What to write next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Begin the term of this number, if the one before is the last and its last beat is still this one.
    Take(u64, u64),
    /// Write this beat of the term of this number.
    Beat(u64, u64),
    /// Nothing.
    Watch,
}

/// Where an alerter stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It acts.
    Active,
    /// The last term that it saw is its own, but too long ago: it must see that again before it acts.
    Lapsed,
    /// Another one acts, or none yet.
    Standby,
}

/// One alerter's view. Times are those of a clock of its own that never goes back.
#[derive(Clone, Debug)]
pub struct Leadership {
    me: String,
    view: View,
    /// The last thing written: term, beat, and when it was sent for the first time.
    sent: Option<(u64, u64, Duration)>,
    /// When the last beat that landed was sent.
    confirmed: Option<Duration>,
}

/// What the store said, and since when it has been saying so without a gap.
#[derive(Clone, Debug)]
enum View {
    Unknown,
    Known(Option<Term>, Duration),
}

impl Leadership {
    /// Starts without knowing anything; `me` is a name that nobody else has.
    pub fn new(me: impl Into<String>) -> Self {
        Self { me: me.into(), view: View::Unknown, sent: None, confirmed: None }
    }

    /// What to write at `now`, before looking again.
    pub fn step(&mut self, now: Duration) -> Step {
        let step = match &self.view {
            View::Unknown => Step::Watch,
            View::Known(None, _) => Step::Take(1, 0),
            View::Known(Some(term), _) if self.holds(term) => Step::Beat(term.number, term.beat + 1),
            View::Known(Some(term), since) if term.released || now.saturating_sub(*since) >= TAKEOVER => {
                Step::Take(term.number + 1, term.beat)
            }
            View::Known(Some(_), _) => Step::Watch,
        };
        let (number, beat) = match step {
            Step::Take(number, _) => (number, 0),
            Step::Beat(number, beat) => (number, beat),
            Step::Watch => return step,
        };
        // Sent again, it may still be the first that lands: the lease counts from that one.
        if self.sent.is_none_or(|(sent, at, _)| (sent, at) != (number, beat)) {
            self.sent = Some((number, beat, now));
        }
        step
    }

    /// Takes note of what the store says; `now` is after it said so.
    pub fn observe(&mut self, last: Option<Term>, now: Duration) {
        let since = match &self.view {
            View::Known(before, since) if *before == last => *since,
            _ => now,
        };
        let mine = last.as_ref().filter(|term| self.holds(term));
        let landed = mine
            .zip(self.sent)
            .filter(|(term, (number, beat, _))| (term.number, term.beat) == (*number, *beat));
        if let Some((_, (_, _, at))) = landed {
            self.confirmed = Some(at);
        }
        if mine.is_none() {
            self.confirmed = None;
        }
        self.view = View::Known(last, since);
    }

    /// Takes note that the store does not answer. The holder could not be seen to beat either, so that waiting
    /// for it begins anew.
    pub fn lose_sight(&mut self) {
        if !matches!(&self.view, View::Known(Some(term), _) if self.holds(term)) {
            self.view = View::Unknown;
        }
    }

    /// Where it stands at `now`.
    pub fn role(&self, now: Duration) -> Role {
        match &self.view {
            View::Known(Some(term), _) if self.holds(term) => {
                let fresh = self.confirmed.is_some_and(|sent| now < sent + LEASE);
                if fresh { Role::Active } else { Role::Lapsed }
            }
            _ => Role::Standby,
        }
    }

    /// Acts no more; returns the term that it held, to be written as ended.
    pub fn resign(&mut self) -> Option<Term> {
        match std::mem::replace(&mut self.view, View::Unknown) {
            View::Known(Some(term), _) if self.holds(&term) => {
                Some(Term { beat: term.beat + 1, released: true, ..term })
            }
            _ => None,
        }
    }

    fn holds(&self, term: &Term) -> bool {
        term.holder == self.me && !term.released
    }
}

#[cfg(test)]
mod tests;
