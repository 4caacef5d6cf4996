//! What one history is made of: a seed enters, the policy of its owners and how likely each move is leave.
//!
//! Swarm testing: every history draws which faults it knows, and how fast each party is. Faults that are always all
//! possible hide each other: what follows a truncation is rarely seen when every second step kills somebody.

use super::dice::Dice;
use callmeter_aggregator::recovery::Policy;

/// One thing that can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Turn(u8),
    Operate,
    Arrive,
    Land,
    Fail,
    Lose,
    Refuse,
    TimeOut,
    Restart,
    Append,
    Repeat,
    Poison,
    Flood,
    Retain,
    RetainAll,
    Truncate,
    Recreate,
    Rebalance,
    Assign,
    Revoke,
    KillProcess,
    Pause,
    Watch,
}

/// Largest number of owners.
pub(super) const OWNERS: usize = 3;
/// Poison in a row that stops a partition.
pub(super) const FLOOD: u8 = 4;

const TABLE: usize = 256;

/// What can happen, and how often: weight at most, and the chance of 256 that a history knows it.
const FAULTS: [(Move, usize, u64); 18] = [
    (Move::Fail, 6, 128),
    (Move::Lose, 5, 128),
    (Move::Refuse, 5, 128),
    (Move::TimeOut, 10, 160),
    (Move::Restart, 3, 96),
    (Move::Repeat, 8, 192),
    (Move::Poison, 4, 128),
    (Move::Flood, 2, 48),
    (Move::Retain, 6, 128),
    (Move::RetainAll, 2, 64),
    (Move::Truncate, 2, 64),
    (Move::Recreate, 2, 48),
    (Move::Rebalance, 5, 128),
    (Move::Assign, 6, 160),
    (Move::Revoke, 4, 128),
    (Move::KillProcess, 4, 128),
    (Move::Pause, 4, 128),
    (Move::Operate, 12, 224),
];

/// The same for histories about truncation: what follows one takes many steps that nothing may disturb.
const TRUNCATION: [(Move, usize, u64); 6] = [
    (Move::TimeOut, 20, 256),
    (Move::Lose, 4, 128),
    (Move::Truncate, 5, 256),
    (Move::Assign, 6, 256),
    (Move::Pause, 4, 256),
    (Move::Operate, 60, 256),
];

/// And for histories about topics that are made anew, often before anything of them was counted.
const RECREATION: [(Move, usize, u64); 6] = [
    (Move::Fail, 4, 128),
    (Move::TimeOut, 8, 128),
    (Move::Recreate, 6, 256),
    (Move::Assign, 12, 256),
    (Move::KillProcess, 8, 128),
    (Move::Operate, 60, 256),
];

/// The make of one history.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) owners: usize,
    pub(super) moves: usize,
    pub(super) policy: Policy,
    /// Of 256 looks at the marker or the log, so many fail.
    pub(super) unreadable: u64,
    /// Longest pause of an owner, in turns.
    pub(super) pause: usize,
    /// Whether operators also pass over records of partitions that are not stopped.
    pub(super) chooses: bool,
    table: [Move; TABLE],
}

impl Plan {
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let policy = Policy {
            horizon: [0, 3, 8, 20][dice.below(4)],
            waits_before_kill: 1 + dice.below(3) as u32,
            ..Policy::default()
        };
        let owners = 2 + dice.below(OWNERS - 1);
        Self {
            owners,
            moves: 150 + dice.below(450),
            policy,
            unreadable: [0, 0, 16, 64][dice.below(4)],
            pause: [8, 30, 80][dice.below(3)],
            chooses: dice.chance(40),
            table: table(dice, owners),
        }
    }

    pub(super) fn pick(&self, dice: &mut Dice) -> Move {
        self.table[(dice.next() >> 56) as usize]
    }
}

/// The moves by weight; what is left belongs to the owners.
fn table(dice: &mut Dice, owners: usize) -> [Move; TABLE] {
    let mut moves = [Move::Turn(0); TABLE];
    let mut at = 0;
    let mut put = |wanted: Move, weight: usize| {
        for slot in moves.iter_mut().skip(at).take(weight) {
            *slot = wanted;
        }
        at += weight;
    };
    let theme = dice.below(16);
    let truncates = theme < 4;
    let faults: &[_] = match theme {
        0..4 => &TRUNCATION,
        4 => &RECREATION,
        _ => &FAULTS,
    };
    for &(fault, weight, of_256) in faults {
        if dice.chance(of_256) {
            put(fault, 1 + dice.below(weight));
        }
    }
    put(Move::Arrive, 14 + dice.below(20));
    put(Move::Land, 8 + dice.below(20));
    put(Move::Append, if truncates { 4 } else { 8 } + dice.below(12));
    put(Move::Watch, 1);
    // The last owner is often slow: what it believes is old.
    let slow = dice.below(40);
    put(Move::Turn(owners as u8 - 1), slow);
    let each = (TABLE - at) / owners;
    for who in 1..owners {
        let share = moves.iter_mut().skip(at + each * (who - 1)).take(each);
        share.for_each(|slot| *slot = Move::Turn(who as u8));
    }
    moves
}
