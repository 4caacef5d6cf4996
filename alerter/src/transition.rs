//! Changes of state of alerts: labels and times enter, rows with stable names leave.
//!
//! Promise: pure. The fingerprint follows from the labels alone and the transition's id from
//! fingerprint, start and state, so that whoever writes or sends it twice uses the same name.

use crate::rules::Texts;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Where an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Exceeding, but not yet for long enough.
    Pending,
    /// Exceeding for long enough.
    Firing,
    /// Over.
    Resolved,
}

impl State {
    /// The word as stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// One change of state of one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// Name of this change; see [`transition_id`].
    pub id: String,
    /// Tenant; empty for Callmeter's own alerts.
    pub workspace: String,
    /// Name of the rule group.
    pub rule_group: String,
    /// Name of the rule.
    pub rule: String,
    /// Identity of the alert; see [`fingerprint`].
    pub fingerprint: String,
    /// Every label.
    pub labels: Texts,
    /// Texts for people, rendered.
    pub annotations: Texts,
    /// The new state.
    pub state: State,
    /// What was measured; the last known value when the group has gone.
    pub value: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// When the state changed.
    pub at: Timestamp,
    /// Since when the alert has been firing, or pending if it never fired.
    pub starts_at: Timestamp,
    /// When it ended.
    pub ends_at: Option<Timestamp>,
}

/// Identity of an alert: 64 bits of SHA-256 over its sorted labels, as 16 hex digits.
pub fn fingerprint(labels: &Texts) -> String {
    let parts = labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    digest(parts, 8)
}

/// Name of a transition: 128 bits of SHA-256 over what makes it one of a kind, as 32 hex digits.
pub fn transition_id(fingerprint: &str, starts_at: Timestamp, state: State) -> String {
    digest([fingerprint, &starts_at.as_millisecond().to_string(), state.word()], 16)
}

/// The first `bytes` bytes of SHA-256 over parts, each ended by a byte that no UTF-8 text holds.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a str>, bytes: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0xff]);
    }
    hash.finalize().iter().take(bytes).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_depends_on_every_label_and_nothing_else() {
        let labels = |pairs: &[(&str, &str)]| {
            fingerprint(
                &pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            )
        };
        assert_eq!(labels(&[("a", "1"), ("b", "2")]), labels(&[("b", "2"), ("a", "1")]));
        assert_ne!(labels(&[("a", "1"), ("b", "2")]), labels(&[("a", "1b"), ("", "2")]));
        assert_eq!(labels(&[("alertname", "A"), ("workspace", "demo")]).len(), 16);
    }
}
