//! What operators see of alerts and decide by silences: settings and wishes enter, what is open and what was
//! written down leaves.
//!
//! Promise: nothing is hushed that was not written down with an author, a reason and an end.

use crate::{
    clickhouse::{Store, StoreError},
    clock::now,
    config::{check_routing, check_rules},
    fault::Inhibition,
    matchers::MatcherError,
    routing::Routing,
    silence::{MAX_SILENCES, Silence, conditions},
    status::{AlertStatus, Wanted, statuses},
};
use callmeter_schemas::config::ClickHouseConfig;
use jiff::{SignedDuration, Timestamp};
use std::sync::{Arc, Mutex, PoisonError};

/// Silences that ended within this time are listed on request.
const ENDED_SHOWN: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Longest silence: one that nobody remembers hides outages.
const MAX_LENGTH: SignedDuration = SignedDuration::from_hours(24 * 366);
/// Longest author or reason, in characters.
const MAX_TEXT: usize = 1_000;

/// Why an operator was not served.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A condition.
    #[error(transparent)]
    Matcher(#[from] MatcherError),
    /// Something else in a wish.
    #[error("{0}")]
    Wish(&'static str),
    /// There is no such silence.
    #[error("there is no silence {0}; `callmeter silences list --expired` shows them")]
    Unknown(String),
}

/// A silence that is asked for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Conditions on labels, such as `customer="acme"`.
    pub matchers: Vec<String>,
    /// Who asks.
    pub author: String,
    /// Why.
    pub reason: String,
    /// From when on; `None` is now.
    pub starts_at: Option<Timestamp>,
    /// Until when.
    pub until: Until,
}

/// When a silence ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// At a moment.
    Moment(Timestamp),
    /// So long after its start.
    After(SignedDuration),
}

/// What operators see with and decide by.
pub struct Operators {
    store: Store,
    routing: Option<String>,
    /// What the routing file said when it last had no mistake.
    last_good: Mutex<Option<Arc<Routing>>>,
    rules: Vec<String>,
}

impl Operators {
    /// Nothing is contacted and no file is read yet. Without a routing file, inhibition and receivers of alerts are not
    /// known; without rule files, what verdicts make needless is not.
    pub fn new(clickhouse: &ClickHouseConfig, routing: Option<&str>, rules: &[String]) -> Self {
        Self {
            store: Store::new(clickhouse),
            routing: routing.map(str::to_owned),
            last_good: Mutex::default(),
            rules: rules.to_vec(),
        }
    }

    /// Open alerts, the newest first.
    pub async fn alerts(&self, wanted: &Wanted) -> Result<Vec<AlertStatus>, OperatorError> {
        let now = now();
        let (open, silences) = (self.store.open_alerts().await?, self.store.silences(now).await?);
        let (routing, needless) = (self.routing().await, self.needless().await);
        let mut alerts = statuses(&open, &silences, routing.as_deref(), &needless, now);
        alerts.retain(|alert| wanted.keeps(alert));
        Ok(alerts)
    }

    /// The routing file as it is now; with mistakes in it, as it last was without, which is what the alerter goes on with.
    async fn routing(&self) -> Option<Arc<Routing>> {
        let path = self.routing.clone()?;
        let read = tokio::task::spawn_blocking(move || check_routing(&path)).await;
        let mut last_good = self.last_good.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(Ok(routing)) = read {
            *last_good = Some(Arc::new(routing));
        }
        last_good.clone()
    }

    /// What verdicts make needless, by the rule files as they are now; with mistakes in them, nothing.
    async fn needless(&self) -> Inhibition {
        let paths = self.rules.clone();
        let read = tokio::task::spawn_blocking(move || check_rules(&paths)).await;
        read.ok().and_then(Result::ok).map(|rules| Inhibition::new(&rules)).unwrap_or_default()
    }

    /// Silences that have not ended, or also those that ended lately; the ones that end last first.
    pub async fn silences(&self, expired: bool) -> Result<Vec<Silence>, OperatorError> {
        let now = now();
        let since = if expired { now.saturating_sub(ENDED_SHOWN).unwrap_or(Timestamp::MIN) } else { now };
        Ok(self.store.silences(since).await?)
    }

    /// Writes a silence down under a new id.
    pub async fn silence(&self, wish: Wish) -> Result<Silence, OperatorError> {
        let now = now();
        let silence = wish.read(format!("{:016x}", rand::random::<u64>()), now)?;
        if self.store.silences(now).await?.len() >= MAX_SILENCES {
            return Err(OperatorError::Wish("there are 2,000 silences already; expire some first"));
        }
        self.store.write_silence(&silence, now).await?;
        Ok(silence)
    }

    /// Ends a silence now; one that is over stays as it was.
    pub async fn expire(&self, id: &str) -> Result<Silence, OperatorError> {
        let now = now();
        let silence = self.store.silence(id).await?;
        let silence = silence.ok_or_else(|| OperatorError::Unknown(id.to_owned()))?;
        let expired = silence.expired(now);
        if expired != silence {
            self.store.write_silence(&expired, now).await?;
        }
        Ok(expired)
    }
}

impl Wish {
    fn read(self, id: String, now: Timestamp) -> Result<Silence, OperatorError> {
        for (text, missing) in [(&self.author, "an author is needed"), (&self.reason, "a reason is needed")] {
            if text.trim().is_empty() {
                return Err(OperatorError::Wish(missing));
            }
            if text.chars().count() > MAX_TEXT {
                return Err(OperatorError::Wish("author and reason may have 1,000 characters each"));
            }
        }
        let starts_at = self.starts_at.unwrap_or(now);
        let ends_at = match self.until {
            Until::Moment(moment) => moment,
            Until::After(length) => starts_at.saturating_add(length).unwrap_or(Timestamp::MAX),
        };
        if ends_at <= starts_at.max(now) {
            return Err(OperatorError::Wish("a silence must end after its start, and after now"));
        }
        if ends_at.duration_since(starts_at) > MAX_LENGTH {
            return Err(OperatorError::Wish("a silence may last 366 days"));
        }
        Ok(Silence {
            id,
            matchers: conditions(&self.matchers)?,
            author: self.author,
            reason: self.reason,
            starts_at,
            ends_at,
            created_at: now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn receivers_are_those_of_the_routing_file_as_it_is_now_or_was_without_mistakes() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let path = file.path().to_str().expect("a path");
        let operators = Operators::new(&ClickHouseConfig::default(), Some(path), &[]);
        let named = |name: &str| format!("route: {{receiver: {name}}}\nreceivers: [{{name: {name}}}]\n");
        for (text, wanted) in
            [("route: [".to_owned(), None), (named("ann"), Some("ann")), (named("bob"), Some("bob"))]
        {
            std::fs::write(path, &text).expect("written");
            let routing = operators.routing().await;
            let receivers = routing.iter().flat_map(|routing| &routing.receivers);
            assert_eq!(receivers.map(|receiver| receiver.name.as_str()).next(), wanted, "{text}");
        }
        std::fs::write(path, "route: [").expect("written");
        assert!(operators.routing().await.is_some_and(|routing| routing.receivers[0].name == "bob"));
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    fn wish(until: Until) -> Wish {
        Wish {
            matchers: vec!["customer=acme".into()],
            author: "ann".into(),
            reason: "migration".into(),
            starts_at: None,
            until,
        }
    }

    #[track_caller]
    fn check(wish: Wish, wanted: Result<(i64, i64), &str>) {
        let silence = wish.read("1".into(), at(1_000)).map_err(|error| error.to_string());
        let told = silence.map(|silence| (silence.starts_at.as_second(), silence.ends_at.as_second()));
        assert_eq!(told, wanted.map_err(str::to_owned));
    }

    #[test]
    fn a_silence_runs_from_its_start_or_from_now_and_for_no_longer_than_a_year() {
        let hour = Until::After(SignedDuration::from_hours(1));
        check(wish(hour), Ok((1_000, 4_600)));
        check(Wish { starts_at: Some(at(2_000)), ..wish(hour) }, Ok((2_000, 5_600)));
        check(wish(Until::Moment(at(1_500))), Ok((1_000, 1_500)));
        let over = "a silence must end after its start, and after now";
        check(wish(Until::Moment(at(1_000))), Err(over));
        check(Wish { starts_at: Some(at(10)), ..wish(Until::Moment(at(500))) }, Err(over));
        check(wish(Until::After(SignedDuration::from_hours(24 * 400))), Err("a silence may last 366 days"));
    }

    #[test]
    fn a_silence_without_author_reason_or_a_matcher_that_asks_for_a_label_is_refused() {
        let hour = Until::After(SignedDuration::from_hours(1));
        check(Wish { author: " ".into(), ..wish(hour) }, Err("an author is needed"));
        check(Wish { reason: String::new(), ..wish(hour) }, Err("a reason is needed"));
        check(
            Wish { matchers: vec!["customer=~.*".into()], ..wish(hour) },
            Err("a silence needs a matcher that asks for a label"),
        );
    }
}
