//! Whole histories of one Kafka partition: a list of choices enters, the ranges that ClickHouse holds
//! are checked to tile.
//!
//! Two owners drive a [`Partition`] each and may both believe that it is theirs; requests are late, their
//! answers lost, owners die and come back. The simulated ClickHouse does what the real one was seen to
//! do: one running insert per partition, the marker compared when an insert starts, rows visible when
//! it ends. With the comparison or the mutex taken away the same histories must fail, or they prove nothing.

use super::{Action, Answer, Event, Partition, Policy, Range};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

/// What protects the rows.
#[derive(Clone, Copy, Debug)]
struct Guards {
    compares: bool,
    excludes: bool,
}

const BOTH: Guards = Guards { compares: true, excludes: true };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rows {
    Genesis(i64),
    Batch(Range),
}

#[derive(Clone, Copy, Debug)]
struct Request {
    id: u64,
    rows: Rows,
}

/// What an owner waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    Nothing,
    Marker,
    Answer(u64),
    Wait,
    Kill,
    Records,
}

struct Owner {
    partition: Partition,
    pending: Pending,
    /// First offset of the batch that it fills.
    fills_from: i64,
}

impl Owner {
    fn new() -> Self {
        let policy = Policy { waits_before_kill: 2, ..Policy::default() };
        Self { partition: Partition::new(policy), pending: Pending::Nothing, fills_from: 0 }
    }
}

struct World {
    guards: Guards,
    owners: [Owner; 2],
    /// Requests on their way to ClickHouse, and those that run there.
    wire: Vec<Request>,
    running: Vec<Request>,
    marker: Option<i64>,
    ledger: Vec<Range>,
    high: i64,
    ids: u64,
}

const LOW: i64 = 5;

impl World {
    fn new(guards: Guards) -> Self {
        Self {
            guards,
            owners: [Owner::new(), Owner::new()],
            wire: Vec::new(),
            running: Vec::new(),
            marker: None,
            ledger: Vec::new(),
            high: LOW,
            ids: 0,
        }
    }

    /// One choice; an error when rows no longer tile.
    fn happens(&mut self, kind: u8, detail: u8) -> Result<(), String> {
        let (who, at) = (usize::from(detail % 2), usize::from(detail));
        match kind % 16 {
            0..=3 => self.proceed(0, detail),
            4..=7 => self.proceed(1, detail),
            8 | 9 if !self.wire.is_empty() => {
                let request = self.wire.remove(at % self.wire.len());
                self.arrives(request);
                Ok(())
            }
            10 | 11 if !self.running.is_empty() => self.lands(at % self.running.len()),
            12 if !self.running.is_empty() => {
                let request = self.running.remove(at % self.running.len());
                self.answer(request.id, Answer::Unknown);
                Ok(())
            }
            // The answer is lost; the request goes on.
            13 => {
                if let Pending::Answer(id) = self.owners[who].pending {
                    self.answer(id, Answer::Unknown);
                }
                Ok(())
            }
            14 => {
                let event = match self.owners[who].pending {
                    Pending::Nothing => Event::Assigned,
                    _ => Event::Revoked,
                };
                self.event(who, event);
                Ok(())
            }
            15 => {
                self.owners[who] = Owner::new();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The owner's own next step, if it has one.
    fn proceed(&mut self, who: usize, detail: u8) -> Result<(), String> {
        match self.owners[who].pending {
            Pending::Nothing | Pending::Answer(_) => {}
            Pending::Wait => self.event(who, Event::Waited),
            Pending::Marker if detail.is_multiple_of(5) => self.event(who, Event::Unreadable),
            Pending::Marker => {
                self.event(
                    who,
                    Event::MarkerRead { marker: self.marker, low: LOW, high: self.high, replaced: false },
                );
            }
            Pending::Kill => {
                // What is killed may have landed just before.
                while let Some(request) = self.running.last().copied() {
                    if detail.is_multiple_of(2) {
                        self.lands(self.running.len() - 1)?;
                    } else {
                        self.running.pop();
                        self.answer(request.id, Answer::Unknown);
                    }
                }
                self.event(who, Event::Killed);
            }
            Pending::Records => {
                self.high += i64::from(detail % 3);
                let first = self.owners[who].fills_from;
                let next = (first + 1 + i64::from(detail / 3 % 3)).min(self.high);
                if next > first {
                    self.owners[who].fills_from = next;
                    self.event(who, Event::Sealed(Range { first, next }));
                }
            }
        }
        Ok(())
    }

    fn event(&mut self, who: usize, event: Event) {
        let action = self.owners[who].partition.step(event);
        let pending = match action {
            Action::ReadMarker => Pending::Marker,
            Action::WriteGenesis(offset) => self.send(Rows::Genesis(offset)),
            Action::Insert(range) => self.send(Rows::Batch(range)),
            Action::Consume { count_from, .. } => {
                self.owners[who].fills_from = count_from;
                Pending::Records
            }
            Action::Advance(range) => {
                assert_eq!(
                    self.owners[who].fills_from, range.next,
                    "the next batch begins where this one ended"
                );
                Pending::Records
            }
            Action::Wait(_) => Pending::Wait,
            Action::KillInsert => Pending::Kill,
            Action::Release => Pending::Nothing,
            Action::Stop(reason) => panic!("nothing was lost, and yet: {reason}"),
            Action::Idle => self.owners[who].pending,
        };
        self.owners[who].pending = pending;
    }

    fn send(&mut self, rows: Rows) -> Pending {
        self.ids += 1;
        self.wire.push(Request { id: self.ids, rows });
        Pending::Answer(self.ids)
    }

    fn arrives(&mut self, request: Request) {
        let expected = match request.rows {
            Rows::Genesis(_) => None,
            Rows::Batch(range) => Some(range.first),
        };
        if self.guards.excludes && !self.running.is_empty() {
            self.answer(request.id, Answer::AlreadyRunning);
        } else if self.guards.compares && self.marker != expected {
            self.answer(request.id, Answer::Fenced);
        } else {
            self.running.push(request);
        }
    }

    fn lands(&mut self, at: usize) -> Result<(), String> {
        let request = self.running.remove(at);
        match request.rows {
            Rows::Genesis(offset) if self.marker.is_some() => {
                return Err(format!("a second genesis at {offset}"));
            }
            Rows::Genesis(offset) => self.marker = Some(offset),
            Rows::Batch(range) => {
                let counted = self.ledger.last().map_or(LOW, |range| range.next);
                self.ledger.push(range);
                if range.first != counted {
                    return Err(format!("gap or overlap: {:?}", self.ledger));
                }
                self.marker = self.marker.max(Some(range.next));
            }
        }
        self.answer(request.id, Answer::Inserted);
        Ok(())
    }

    /// The answer reaches whoever still waits for it.
    fn answer(&mut self, id: u64, answer: Answer) {
        if let Some(who) = self.owners.iter().position(|owner| owner.pending == Pending::Answer(id)) {
            self.event(who, Event::Answered(answer));
        }
    }

    /// After the last fault one owner counts to the end of the log.
    fn calms_down(&mut self) -> Result<(), String> {
        self.event(1, Event::Revoked);
        self.high += 7;
        for round in 0..300_u16 {
            if self.owners[0].pending == Pending::Nothing {
                self.event(0, Event::Assigned);
            }
            while let Some(request) = self.wire.pop() {
                self.arrives(request);
            }
            while !self.running.is_empty() {
                self.lands(0)?;
            }
            // No detail that adds records or fails: 6 is even, divides by 3 and not by 5.
            self.proceed(0, 6)?;
            if self.marker == Some(self.high) && self.owners[0].pending == Pending::Records {
                return Ok(());
            }
            assert!(round < 299, "counting came to rest at {:?} of {}", self.marker, self.high);
        }
        Ok(())
    }
}

fn history(guards: Guards, choices: &[(u8, u8)]) -> Result<(), String> {
    let mut world = World::new(guards);
    for (kind, detail) in choices {
        world.happens(*kind, *detail)?;
    }
    world.calms_down()
}

fn choices() -> impl Strategy<Value = Vec<(u8, u8)>> {
    prop::collection::vec(any::<(u8, u8)>(), 20..160)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn committed_ranges_tile_whatever_happens_to_two_owners(choices in choices()) {
        prop_assert_eq!(history(BOTH, &choices), Ok(()));
    }
}

/// How many of 1,000 histories break the tiling.
fn broken(guards: Guards) -> usize {
    let mut runner = TestRunner::deterministic();
    let mut violated = || {
        let choices = choices().new_tree(&mut runner).expect("choices can be drawn").current();
        history(guards, &choices).is_err()
    };
    (0..1_000).filter(|_| violated()).count()
}

#[test]
fn histories_without_the_comparison_break() {
    assert!(broken(Guards { compares: false, ..BOTH }) > 20);
}

#[test]
fn histories_without_the_mutex_break() {
    assert!(broken(Guards { excludes: false, ..BOTH }) > 20);
}
