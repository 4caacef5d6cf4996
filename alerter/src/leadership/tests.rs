//! Several alerters on one store, with pauses, slow calls and kills; everything follows from a seed.

use super::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn term(number: u64, holder: &str, beat: u64) -> Term {
    Term { number, holder: holder.into(), beat, released: false }
}

#[test]
fn the_first_takes_the_first_term_and_its_lease_counts_from_when_the_beat_was_sent() {
    let mut one = Leadership::new("a");
    assert_eq!((one.step(seconds(0)), one.role(seconds(0))), (Step::Watch, Role::Standby));
    one.observe(None, seconds(1));
    assert_eq!(one.step(seconds(2)), Step::Take(1, 0));
    one.observe(Some(term(1, "a", 0)), seconds(3));
    assert_eq!(one.role(seconds(7)), Role::Active);
    assert_eq!(one.role(seconds(8)), Role::Lapsed);
    assert_eq!(one.step(seconds(8)), Step::Beat(1, 1));
    one.observe(Some(term(1, "a", 0)), seconds(9));
    assert_eq!(one.role(seconds(9)), Role::Lapsed, "the beat did not land");
    assert_eq!(one.step(seconds(10)), Step::Beat(1, 1));
    one.observe(Some(term(1, "a", 1)), seconds(11));
    assert_eq!(one.role(seconds(13)), Role::Active, "it may be the one of second 8 that landed");
    assert_eq!(one.role(seconds(14)), Role::Lapsed);
}

#[test]
fn another_takes_over_when_it_has_seen_the_same_beat_for_long_enough_and_at_once_when_it_was_released() {
    let mut other = Leadership::new("b");
    other.observe(Some(term(7, "a", 3)), seconds(1));
    other.observe(Some(term(7, "a", 4)), seconds(5));
    assert_eq!(other.step(seconds(13)), Step::Watch);
    assert_eq!(other.step(seconds(14)), Step::Take(8, 4));
    other.lose_sight();
    other.observe(Some(term(7, "a", 4)), seconds(15));
    assert_eq!(other.step(seconds(17)), Step::Watch, "the store was away, for the holder too");
    other.observe(Some(Term { released: true, ..term(7, "a", 5) }), seconds(17));
    assert_eq!(other.step(seconds(17)), Step::Take(8, 5));
}

#[test]
fn one_that_sees_a_later_term_stops_at_once() {
    let mut one = Leadership::new("a");
    one.observe(None, seconds(0));
    one.step(seconds(0));
    one.observe(Some(term(1, "a", 0)), seconds(0));
    one.observe(Some(term(2, "b", 0)), seconds(1));
    assert_eq!((one.role(seconds(1)), one.resign()), (Role::Standby, None));
}

#[test]
fn one_that_resigns_stops_at_once_and_ends_its_term_by_its_next_beat() {
    let mut one = Leadership::new("a");
    one.observe(None, seconds(0));
    one.step(seconds(0));
    one.observe(Some(term(1, "a", 0)), seconds(0));
    assert_eq!(one.resign(), Some(Term { released: true, ..term(1, "a", 1) }));
    assert_eq!((one.role(seconds(0)), one.step(seconds(0))), (Role::Standby, Step::Watch));
}

/// An alerter whose calls take their time: what it does next, and when.
struct Alerter {
    name: String,
    leadership: Leadership,
    next: Doing,
    at: u64,
}

enum Doing {
    Begin,
    Write(Step),
    Read,
    Learn(Option<Term>),
}

impl Alerter {
    fn new(name: String, at: u64) -> Self {
        Self { leadership: Leadership::new(name.as_str()), name, next: Doing::Begin, at }
    }

    /// One part of a round: the time passes between what it decides, what lands and what it hears.
    fn go_on(&mut self, store: &mut Option<Term>, now: u64) {
        let time = Duration::from_millis(now);
        self.next = match std::mem::replace(&mut self.next, Doing::Begin) {
            Doing::Begin => Doing::Write(self.leadership.step(time)),
            Doing::Write(step) => {
                write(store, step, &self.name);
                Doing::Read
            }
            Doing::Read => Doing::Learn(store.clone()),
            Doing::Learn(seen) => {
                self.leadership.observe(seen, time);
                self.at += 1_000;
                Doing::Begin
            }
        };
    }
}

/// The store's compare-and-set, and plain beats.
fn write(store: &mut Option<Term>, step: Step, name: &str) {
    let (number, beat) = store.as_ref().map_or((0, 0), |last| (last.number, last.beat));
    match (step, store) {
        (Step::Take(next, seen), store) if (next, seen) == (number + 1, beat) => {
            *store = Some(term(next, name, 0))
        }
        (Step::Beat(same, next), Some(last)) if (same, next) == (number, beat + 1) => last.beat = next,
        _ => {}
    }
}

/// Runs one history in ms; returns how often the one that acts changed.
fn history(seed: u64) -> usize {
    let mut random = StdRng::seed_from_u64(seed);
    let mut store = None;
    let mut alerters: Vec<Alerter> = (0..3).map(|name| Alerter::new(name.to_string(), 0)).collect();
    let (mut acted, mut changes, mut idle_since) = (String::new(), 0, 0);
    for now in (0..120_000).step_by(50) {
        for alerter in alerters.iter_mut().filter(|alerter| alerter.at <= now) {
            // Most calls are fast, some take seconds: a pause of the process or of the network.
            let slow = random.random_bool(0.02);
            alerter.at = now + random.random_range(if slow { 1_000..15_000 } else { 5..60 });
            alerter.go_on(&mut store, now);
            if random.random_bool(0.002) {
                *alerter = Alerter::new(format!("{} of {now}", alerter.name), now);
            }
        }
        let time = Duration::from_millis(now);
        let acts = |alerter: &&Alerter| alerter.leadership.role(time) == Role::Active;
        let active: Vec<&str> = alerters.iter().filter(acts).map(|alerter| alerter.name.as_str()).collect();
        assert!(active.len() <= 1, "seed {seed}: {active:?} act at {now} ms");
        if let [name] = active[..] {
            changes += usize::from(acted != name);
            (acted, idle_since) = (name.to_owned(), now);
        }
        assert!(now - idle_since < 60_000, "seed {seed}: nobody acts at {now} ms");
    }
    changes
}

#[test]
fn never_do_two_act_and_never_does_nobody_for_long() {
    let changes: usize = (0..200).map(history).sum();
    assert!(changes > 400, "only {changes} changes: too calm to show anything");
}
