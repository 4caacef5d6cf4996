//! Classes of failures: what is known of one answer enters, its [`ErrorClass`] and the reason leave.
//!
//! The order: the sender's own word, the rules of the vendor's profile, what is known of limits everywhere, the
//! status, the client library's type of error. Promise: pure; the same answer always has the same class.

use crate::{
    client_errors,
    headers::{Names, Slot, Values},
    profile::ErrorRule,
    words::Words,
};
use callmeter_documents::Pattern;
use callmeter_schemas::ErrorClass;

/// Words of a longer allowance that is used up.
const ALLOWANCE: &[&str] = &[
    "daily limit",
    "monthly limit",
    "yearly limit",
    "usage limit",
    "quota",
    "quotas",
    "over quota",
    "quotaexceeded",
];
/// Words of a limit of the pace; they win over those of an allowance.
const PACE: &[&str] = &[
    "rate limit",
    "rate limits",
    "rate limited",
    "rate limiting",
    "ratelimit",
    "ratelimited",
    "ratelimitexceeded",
    "throttle",
    "throttled",
    "throttling",
    "too many request",
    "too many requests",
    "toomanyrequests",
    "slow down",
    "slowdown",
    "request limit exceeded",
];
/// Statuses beside the usual ones with which vendors refuse calls beyond a limit.
const UNUSUAL_REFUSALS: [u16; 4] = [402, 420, 509, 529];

/// One compiled rule.
#[derive(Debug)]
pub(crate) struct Rule {
    status: Vec<u16>,
    code: Vec<Pattern>,
    headers: Vec<(Slot, Pattern)>,
    class: ErrorClass,
}

impl Rule {
    pub(crate) fn new(rule: &ErrorRule, names: &Names) -> Self {
        let headers = rule.headers.iter();
        Self {
            status: rule.status.clone(),
            code: rule.code.iter().map(|code| Pattern::new(code)).collect(),
            headers: headers
                .filter_map(|(name, value)| Some((names.slot(name)?, Pattern::new(value))))
                .collect(),
            class: rule.class,
        }
    }

    fn matches(&self, seen: &Seen<'_, '_>) -> bool {
        let status =
            self.status.is_empty() || seen.status.is_some_and(|status| self.status.contains(&status));
        let code = || {
            let fits = |error| self.code.iter().any(|code| code.matches_any_case(error));
            self.code.is_empty() || seen.error.is_some_and(fits)
        };
        let headers = || {
            let mut headers = self.headers.iter();
            headers
                .all(|(slot, form)| seen.values.get(*slot).is_some_and(|value| form.matches_any_case(value)))
        };
        status && code() && headers()
    }

    /// What made the rule match, for people.
    fn told(&self, seen: &Seen<'_, '_>, names: &Names) -> String {
        let mut parts = Vec::new();
        if let (false, Some(status)) = (self.status.is_empty(), seen.status) {
            parts.push(format!("status {status}"));
        }
        if let (false, Some(error)) = (self.code.is_empty(), seen.error) {
            let form = self.code.iter().find(|code| code.matches_any_case(error)).map_or("", Pattern::as_str);
            parts.push(if form.eq_ignore_ascii_case(error) {
                format!("error {error}")
            } else {
                format!("error {error} like {form}")
            });
        }
        for (slot, _) in &self.headers {
            parts.push(format!("{} = {}", names.name(*slot), seen.values.get(*slot).unwrap_or_default()));
        }
        parts.join(", ")
    }
}

/// What is known of one answer.
pub(crate) struct Seen<'s, 'h> {
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<&'s str>,
    /// Whether something went wrong, also where no error is named.
    pub(crate) failed: bool,
    pub(crate) values: &'s Values<'h>,
    /// Whether the answer says that nothing is left of some limit.
    pub(crate) used_up: bool,
    /// Whether nothing is known of the vendor, so that the usual headers must do.
    pub(crate) unknown_vendor: bool,
}

/// What decided on a class.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// The rule of this place.
    Rule(usize),
    /// Words of limits in the error.
    Words,
    /// Nothing is left of a limit.
    UsedUp,
    Status,
    /// The client library's type of error.
    ErrorType,
    /// Neither status nor error.
    Nothing,
}

/// The class of an answer, by rules and then by what holds everywhere.
pub(crate) fn classify(rules: &[Rule], seen: &Seen<'_, '_>) -> (ErrorClass, Why) {
    if let Some(place) = rules.iter().position(|rule| rule.matches(seen)) {
        return (rules[place].class, Why::Rule(place));
    }
    if let Some(class) = by_words(seen) {
        return (class, Why::Words);
    }
    if seen.unknown_vendor && seen.used_up && matches!(seen.status, Some(400 | 403 | 503)) {
        return (ErrorClass::RateLimited, Why::UsedUp);
    }
    let failed = seen.failed || seen.error.is_some();
    match (ErrorClass::resolve(None, seen.status, failed), seen.error) {
        (ErrorClass::Unknown, Some(error)) => {
            (client_errors::by_type(error, seen.status.is_some()), Why::ErrorType)
        }
        (class, _) if seen.status.is_some() => (class, Why::Status),
        (class, _) => (class, Why::Nothing),
    }
}

/// Limits that announce themselves by a word. A 429 of a known vendor is one of the pace unless a rule says otherwise.
fn by_words(seen: &Seen<'_, '_>) -> Option<ErrorClass> {
    let error = seen.error?;
    let may = match seen.status {
        Some(429) => seen.unknown_vendor,
        Some(status) if UNUSUAL_REFUSALS.contains(&status) => seen.unknown_vendor,
        Some(status) => status < 400 || matches!(status, 400 | 403 | 503),
        None => true,
    };
    if !may {
        return None;
    }
    let words = Words::of(error);
    if words.say(PACE) {
        Some(ErrorClass::RateLimited)
    } else {
        words.say(ALLOWANCE).then_some(ErrorClass::QuotaExhausted)
    }
}

/// The reason in words.
pub(crate) fn told(why: &Why, rules: &[Rule], vendor: &str, seen: &Seen<'_, '_>, names: &Names) -> String {
    let status = seen.status.map_or_else(|| "no status".to_owned(), |status| format!("status {status}"));
    let error = seen.error.unwrap_or_default();
    match why {
        Why::Rule(place) => {
            let what = rules.get(*place).map(|rule| rule.told(seen, names)).unwrap_or_default();
            format!("rule {} of {vendor} ({what})", place + 1)
        }
        Why::Words => format!("the error `{error}` speaks of a limit ({status})"),
        Why::UsedUp => format!("{status}, and nothing is left of a limit"),
        Why::Status => format!("general meaning of {status}"),
        Why::ErrorType => format!("error type `{error}` of a client library ({status})"),
        Why::Nothing if seen.failed => "it failed, and neither a status nor an error is named".to_owned(),
        Why::Nothing => "neither a status nor an error is named".to_owned(),
    }
}

#[cfg(test)]
mod tests;
