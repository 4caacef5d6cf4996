//! Silences: what operators wrote down enters, which of them an alert falls under leaves.
//!
//! Promise: pure. A silence that could hush every alert is refused; one that is over hushes nothing.

use crate::{
    matchers::{self, MatcherError, Matchers},
    rules::Texts,
};
use jiff::Timestamp;
use serde::Serialize;

/// Most silences at a time: each alert of a flush is compared with each of them. Of more, those that end last hold.
pub const MAX_SILENCES: usize = 2_000;

/// Alerts that nobody is told of for some time.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// Its name.
    pub id: String,
    /// Which alerts.
    pub matchers: Matchers,
    /// Who asked for it.
    pub author: String,
    /// Why.
    pub reason: String,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// When it was written down.
    pub created_at: Timestamp,
}

/// How a silence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// It has begun and not ended.
    Active,
    /// It begins later.
    Pending,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

impl Silence {
    /// How it stands.
    pub fn state(&self, now: Timestamp) -> SilenceState {
        if self.ends_at <= now {
            SilenceState::Expired
        } else if self.starts_at <= now {
            SilenceState::Active
        } else {
            SilenceState::Pending
        }
    }

    /// Whether it hushes an alert with these labels.
    pub fn hushes(&self, labels: &Texts, now: Timestamp) -> bool {
        self.state(now) == SilenceState::Active && self.matchers.matches(labels)
    }

    /// The same, over at `now`: one that has not begun never will.
    pub fn expired(&self, now: Timestamp) -> Self {
        let ends_at = self.ends_at.min(now);
        Self { ends_at, starts_at: self.starts_at.min(ends_at), ..self.clone() }
    }
}

/// Reads the conditions of a silence; at least one of them must ask for a label.
pub fn conditions<T: AsRef<str>>(texts: &[T]) -> Result<Matchers, MatcherError> {
    let mut matchers = Matchers::default();
    for text in texts {
        let text = text.as_ref();
        let read = matchers::parse(text).map_err(|error| MatcherError(format!("{text}: {error}")))?;
        matchers.extend(read);
    }
    if matchers.accept_nothing_in_particular() {
        return Err(MatcherError("a silence needs a matcher that asks for a label".to_owned()));
    }
    Ok(matchers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn silence(matchers: &[&str]) -> Silence {
        Silence {
            id: "1".into(),
            matchers: conditions(matchers).expect("conditions"),
            author: "a".into(),
            reason: "b".into(),
            starts_at: at(10),
            ends_at: at(20),
            created_at: at(5),
        }
    }

    #[test]
    fn it_hushes_what_matches_from_its_start_up_to_its_end() {
        let labels = Texts::from([("a".to_owned(), "b".to_owned())]);
        for (second, wanted) in [(9, false), (10, true), (19, true), (20, false)] {
            assert_eq!(silence(&["a=b"]).hushes(&labels, at(second)), wanted, "{second}");
        }
        assert!(!silence(&["a=b", "c=d"]).hushes(&labels, at(10)));
    }

    #[test]
    fn expiring_ends_it_at_once_and_what_is_over_stays_as_it_was() {
        let silence = silence(&["a=b"]);
        for (second, starts, ends) in [(5, 5, 5), (15, 10, 15), (25, 10, 20)] {
            let expired = silence.expired(at(second));
            assert_eq!((expired.starts_at, expired.ends_at), (at(starts), at(ends)), "{second}");
            assert_eq!(expired.state(at(second)), SilenceState::Expired);
        }
    }

    #[test]
    fn a_silence_of_everything_is_refused() {
        for texts in [&[][..], &["a=~.*"], &["{}"], &["a!=b"], &["a="]] {
            assert!(conditions(texts).is_err(), "{texts:?}");
        }
        assert!(conditions(&["a=~.*", "b=~.+"]).is_ok());
    }
}
