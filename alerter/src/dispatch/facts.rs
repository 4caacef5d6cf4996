//! What the dispatcher is told and says: targets, notifications and the reasons for them.
//!
//! Promise: pure, and whatever outlives a process is named by words of the file and never by a place in it alone.

use crate::{
    rules::Texts,
    transition::{State, Transition},
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Which of the integrations of a receiver.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Integration {
    /// Such as `webhook`.
    pub kind: String,
    /// Its place among those of its kind in the receiver, from 0.
    pub place: u16,
}

/// One integration of one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name of the receiver.
    pub receiver: String,
    /// Which of its integrations.
    pub integration: Integration,
    /// Whether it wants resolved alerts.
    pub send_resolved: bool,
}

/// Fingerprints of alerts that a target was told are firing and that are not mentioned now, each with the
/// transition that it was told.
pub type Withheld = BTreeMap<String, String>;

/// Something to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The webhook-id.
    pub id: String,
    /// Which group.
    pub group_key: String,
    /// Labels that make the group.
    pub group_labels: Texts,
    /// Name of the receiver.
    pub receiver: String,
    /// Which of its integrations.
    pub integration: Integration,
    /// Place of both among all targets of this process.
    pub target: usize,
    /// Why.
    pub reason: NotifyReason,
    /// What it says of each alert, in the order of their fingerprints.
    pub alerts: Vec<Transition>,
    /// What the target knows already and is not told again, because it is silenced or inhibited.
    pub withheld: Withheld,
}

/// Why a target is notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyReason {
    /// It was never told of this group.
    FirstNotification,
    /// An alert fires that it was not told of.
    NewAlerts,
    /// An alert it was told of has resolved.
    Resolved,
    /// It was told long enough ago.
    RepeatElapsed,
}

/// Why a target is not notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuietReason {
    /// It knows everything there is to know.
    Unchanged,
    /// Everything resolved before it was ever told.
    ResolvedBeforeFirst,
    /// Its last notification is still on the way.
    InFlight,
    /// It said that it wants nothing any more.
    Disabled,
    /// What is new to it is silenced.
    Silenced,
    /// What is new to it is inhibited.
    Inhibited,
    /// The route is muted at this time.
    Muted,
    /// The route is active at other times only.
    Inactive,
}

/// What a flush decided for one target of one group.
pub type Decision = Result<Notification, QuietReason>;

/// What a target was last told of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// Which group.
    pub group_key: String,
    /// Name of the receiver.
    pub receiver: String,
    /// Which of its integrations.
    pub integration: Integration,
    /// When.
    pub at: Timestamp,
    /// What.
    pub alerts: Vec<Transition>,
    /// What it knew already and was not told again.
    pub withheld: Vec<Transition>,
}

/// A notification as it was written down before it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The webhook-id.
    pub id: String,
    /// Which group.
    pub group_key: String,
    /// Name of the receiver.
    pub receiver: String,
    /// Which of its integrations.
    pub integration: Integration,
    /// Why.
    pub reason: NotifyReason,
    /// What it says.
    pub alerts: Vec<Transition>,
    /// What the target knew already.
    pub withheld: Vec<Transition>,
}

/// How a notification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The target took it.
    Delivered,
    /// It did not, and nothing more is tried until the next flush.
    GaveUp,
    /// It did not, and nothing more is sent there until a restart.
    Disabled,
}

impl NotifyReason {
    const ALL: [Self; 4] = [Self::FirstNotification, Self::NewAlerts, Self::Resolved, Self::RepeatElapsed];

    /// The word as stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::FirstNotification => "first_notification",
            Self::NewAlerts => "new_alerts",
            Self::Resolved => "resolved",
            Self::RepeatElapsed => "repeat_elapsed",
        }
    }

    /// What a stored word means.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

impl QuietReason {
    /// The word for metrics.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::ResolvedBeforeFirst => "resolved_before_first",
            Self::InFlight => "in_flight",
            Self::Disabled => "disabled",
            Self::Silenced => "silenced",
            Self::Inhibited => "inhibited",
            Self::Muted => "muted",
            Self::Inactive => "inactive",
        }
    }
}

/// Transitions by the alerts that they made fire.
pub(super) fn withheld(transitions: &[Transition]) -> Withheld {
    let firing = transitions.iter().filter(|transition| transition.state == State::Firing);
    firing.map(|transition| (transition.fingerprint.clone(), transition.id.clone())).collect()
}
