//! What happened in the histories: facts and pairs of state and event enter, a table leaves.
//!
//! A simulation that never reaches a place proves nothing about it, so that what must occur is named here.

use callmeter_aggregator::recovery::{Action, Answer, Event};

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($case:ident: $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $name { $($case,)* }
        impl $name {
            pub(super) const ALL: &[(Self, &str)] = &[$((Self::$case, $text),)*];
        }
    };
}

named!(
    /// States of a partition, as its actions let them be told apart from outside.
    State {
        Unassigned: "unassigned",
        Attaching: "attaching",
        WritingGenesis: "genesis",
        Ready: "ready",
        Verifying: "verifying",
        Inserting: "inserting",
        Doubting: "doubting",
        Yielding: "yielding",
        Killing: "killing",
        Stopped: "stopped",
    }
);

impl State {
    /// The state as it can be told from outside.
    pub(super) fn after(self, event: Event, action: Action, marker: Option<i64>) -> Self {
        match action {
            Action::Idle if self == Self::Verifying => Self::Ready,
            Action::Idle => self,
            Action::ReadMarker if event == Event::Idle => Self::Verifying,
            Action::ReadMarker if marker.is_some() => Self::Doubting,
            Action::ReadMarker => Self::Attaching,
            Action::WriteGenesis(_) => Self::WritingGenesis,
            Action::Consume { .. } | Action::Advance(_) => Self::Ready,
            Action::Insert(_) if self == Self::Yielding => Self::Yielding,
            Action::Insert(_) => Self::Inserting,
            Action::Wait(_) if marker.is_none() => Self::Attaching,
            Action::Wait(_) if event == Event::Answered(Answer::AlreadyRunning) => Self::Yielding,
            Action::Wait(_) => Self::Doubting,
            Action::KillInsert => Self::Killing,
            Action::Stop(_) => Self::Stopped,
            Action::Release => Self::Unassigned,
        }
    }
}

named!(
    /// Events by kind.
    Kind {
        Assigned: "assigned",
        Marker: "marker",
        NoMarker: "no marker",
        Replaced: "replaced",
        Unreadable: "unreadable",
        Sealed: "sealed",
        Inserted: "inserted",
        Fenced: "fenced",
        Running: "running",
        Unknown: "unknown",
        Killed: "killed",
        Waited: "waited",
        Idle: "idle",
        LogLost: "log lost",
        Flood: "flood",
        Revoked: "revoked",
    }
);

impl Kind {
    pub(super) fn of(event: Event) -> Self {
        match event {
            Event::Assigned => Self::Assigned,
            Event::MarkerRead { marker: Some(_), .. } => Self::Marker,
            Event::MarkerRead { replaced: true, .. } => Self::Replaced,
            Event::MarkerRead { .. } => Self::NoMarker,
            Event::Unreadable => Self::Unreadable,
            Event::Sealed(_) => Self::Sealed,
            Event::Answered(Answer::Inserted) => Self::Inserted,
            Event::Answered(Answer::Fenced) => Self::Fenced,
            Event::Answered(Answer::AlreadyRunning) => Self::Running,
            Event::Answered(Answer::Unknown) => Self::Unknown,
            Event::Killed => Self::Killed,
            Event::Waited => Self::Waited,
            Event::Idle => Self::Idle,
            Event::LogLost => Self::LogLost,
            Event::PoisonFlood { .. } => Self::Flood,
            Event::Revoked => Self::Revoked,
        }
    }
}

named!(
    /// What else happened.
    Fact {
        Appended: "records appended",
        Repeated: "records sent again",
        Poisoned: "poison appended",
        Retained: "retention deleted counted records",
        RetentionLoss: "retention passed the marker",
        Truncated: "logs truncated",
        TruncatedBelow: "logs truncated below the marker",
        Recreated: "topics re-created",
        Arrived: "requests that started",
        Refused: "requests refused",
        LostOnWire: "requests lost before arrival",
        TimedOut: "answers lost while the request lived",
        Landed: "batches landed",
        LandedLate: "batches landed that nobody waited for",
        NotLanded: "running inserts that did not land",
        Restarted: "server restarts with inserts running",
        QueryKilled: "running inserts killed",
        KilledLanded: "inserts that landed while being killed",
        ProcessKilled: "owners killed",
        Paused: "owners paused",
        TwoOwners: "assigned to two owners at once",
        ThreeOwners: "assigned to three owners at once",
        ZombieLanded: "batches landed of a paused owner",
        MovedSource: "owners that found a successor source",
        LogLostSeen: "fetches that found their offset gone",
        WrongLog: "fetches that found another log",
        ShortMemory: "memories cut short by retention",
        StopBelow: "stops: records deleted uncounted",
        StopAbove: "stops: log truncated",
        StopReplaced: "stops: log replaced",
        StopFlood: "stops: flood of poison",
        StopStale: "stops by a marker that had moved on",
        OperatorRefused: "operators refused: nothing is wrong",
        OperatorFenced: "operators fenced or shut out",
        TwoOperators: "two operators at once",
        Gap: "gaps landed: records deleted",
        GapChosen: "gaps landed: records passed over",
        Genesis: "genesis rows landed",
        Successor: "successor sources landed",
        ReplacedResumed: "replaced logs resumed",
        AcceptedInPart: "replaced logs accepted in another partition first",
        IdleBehind: "idle owners that found the marker moved by somebody else",
        WrittenBetween: "records between truncation and resume, not counted",
    }
);

const STATES: usize = State::ALL.len();
const KINDS: usize = Kind::ALL.len();

/// How often everything happened.
#[derive(Clone, Debug)]
pub(super) struct Coverage {
    facts: [u64; Fact::ALL.len()],
    pairs: [[u64; KINDS]; STATES],
}

impl Coverage {
    pub(super) fn new() -> Self {
        Self { facts: [0; Fact::ALL.len()], pairs: [[0; KINDS]; STATES] }
    }

    pub(super) fn fact(&mut self, fact: Fact) {
        self.facts[fact as usize] += 1;
    }

    pub(super) fn pair(&mut self, state: State, kind: Kind) {
        self.pairs[state as usize][kind as usize] += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.facts.iter_mut().zip(&other.facts) {
            *mine += theirs;
        }
        for (mine, theirs) in self.pairs.iter_mut().flatten().zip(other.pairs.iter().flatten()) {
            *mine += theirs;
        }
    }

    /// What should have happened and did not.
    pub(super) fn missing(&self) -> Vec<String> {
        let facts = Fact::ALL.iter().filter(|(fact, _)| self.facts[*fact as usize] == 0);
        let mut missing: Vec<String> = facts.map(|(_, name)| (*name).to_owned()).collect();
        for (state, state_name) in State::ALL {
            for (kind, kind_name) in Kind::ALL {
                if can_meet(*state, *kind) && self.pairs[*state as usize][*kind as usize] == 0 {
                    missing.push(format!("{state_name} meets {kind_name}"));
                }
            }
        }
        missing
    }

    /// Everything as text.
    pub(super) fn table(&self) -> String {
        let mut text = String::from("state × event");
        for (_, name) in Kind::ALL {
            text += &format!(" {name:>10}");
        }
        for (state, name) in State::ALL {
            text += &format!("\n{name:<13}");
            for (kind, _) in Kind::ALL {
                match self.pairs[*state as usize][*kind as usize] {
                    0 if can_meet(*state, *kind) => text += "    MISSING",
                    0 => text += "          ·",
                    count => text += &format!(" {count:>10}"),
                }
            }
        }
        text += "\n";
        for (fact, name) in Fact::ALL {
            text += &format!("{:>12} {name}\n", self.facts[*fact as usize]);
        }
        text
    }
}

/// Whether a worker can bring this event to this state: answers come to who waits for them; reading goes on beside.
fn can_meet(state: State, kind: Kind) -> bool {
    use Kind as K;
    match state {
        State::Unassigned => kind == K::Assigned,
        State::Attaching => matches!(
            kind,
            K::Marker
                | K::NoMarker
                | K::Replaced
                | K::Unreadable
                | K::Waited
                | K::LogLost
                | K::Flood
                | K::Revoked
        ),
        State::WritingGenesis => {
            matches!(kind, K::Inserted | K::Fenced | K::Running | K::Unknown | K::Revoked)
        }
        State::Ready => matches!(kind, K::Sealed | K::Idle | K::LogLost | K::Flood | K::Revoked),
        State::Verifying => {
            matches!(kind, K::Marker | K::Unreadable | K::Sealed | K::LogLost | K::Flood | K::Revoked)
        }
        State::Inserting => matches!(
            kind,
            K::Inserted | K::Fenced | K::Running | K::Unknown | K::LogLost | K::Flood | K::Revoked
        ),
        State::Doubting => {
            matches!(kind, K::Marker | K::Unreadable | K::Waited | K::LogLost | K::Flood | K::Revoked)
        }
        State::Yielding => matches!(
            kind,
            K::Inserted
                | K::Fenced
                | K::Running
                | K::Unknown
                | K::Waited
                | K::LogLost
                | K::Flood
                | K::Revoked
        ),
        State::Killing => matches!(kind, K::Killed | K::LogLost | K::Flood | K::Revoked),
        State::Stopped => matches!(kind, K::Waited | K::Revoked),
    }
}
