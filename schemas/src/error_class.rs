//! The one vocabulary of errors: words or an HTTP status enter, an [`ErrorClass`] leaves.
//!
//! Promise: the set is closed and its words never change meaning; anything else is `unknown`.

use serde::{Deserialize, Serialize};

macro_rules! classes {
    ($($variant:ident = $word:literal : $doc:literal,)*) => {
        /// What became of a call, the same words for every vendor.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum ErrorClass { $(#[doc = $doc] #[serde(rename = $word)] $variant,)* }

        impl ErrorClass {
            /// Every class; a class's place here is its discriminant.
            pub const ALL: &[ErrorClass] = &[$(ErrorClass::$variant,)*];

            /// The word as it stands in events, tables and rules.
            pub fn as_str(self) -> &'static str {
                match self { $(ErrorClass::$variant => $word,)* }
            }

            /// The class of a word; `None` when the word is not in the vocabulary.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(ErrorClass::$variant),)* _ => None }
            }

            /// The class of a word; unknown when the word is not in the vocabulary, as a newer sender's may be.
            pub fn or_unknown(word: &str) -> Self {
                Self::parse(word).unwrap_or(ErrorClass::Unknown)
            }
        }
    };
}

classes! {
    Ok = "ok": "The vendor did what was asked.",
    AuthExpired = "auth_expired": "The credential is missing, wrong or expired.",
    Forbidden = "forbidden": "The credential is valid and may not do this.",
    NotFound = "not_found": "The object does not exist.",
    Validation = "validation": "The vendor refused the request's content.",
    Conflict = "conflict": "The object changed or exists already.",
    RateLimited = "rate_limited": "Too many calls in a short time.",
    QuotaExhausted = "quota_exhausted": "The allowance of a longer period is used up.",
    ThrottledSoft = "throttled_soft": "The vendor slows answers down without saying so.",
    Upstream5xx = "upstream_5xx": "The vendor failed.",
    Timeout = "timeout": "No complete answer in time.",
    Connect = "connect": "The connection was refused, reset or lost.",
    Dns = "dns": "The host name did not resolve.",
    Tls = "tls": "The TLS handshake failed.",
    SchemaMismatch = "schema_mismatch": "The answer had an unexpected shape.",
    Killed = "killed": "A kill switch stopped the call.",
    Cancelled = "cancelled": "The caller gave up.",
    Unknown = "unknown": "An error of no known kind.",
}

impl ErrorClass {
    /// The class that an HTTP status alone suggests, for vendors of which nothing more is known.
    pub fn from_status(status: u16) -> Self {
        match status {
            100..=399 => Self::Ok,
            401 | 407 => Self::AuthExpired,
            403 => Self::Forbidden,
            404 | 410 => Self::NotFound,
            408 => Self::Timeout,
            409 | 412 | 423 => Self::Conflict,
            429 => Self::RateLimited,
            499 => Self::Cancelled,
            400..=498 => Self::Validation,
            500..=599 => Self::Upstream5xx,
            _ => Self::Unknown,
        }
    }

    /// The class of an event: its own word wins, then its status, then whether it names an error.
    ///
    /// A word outside the vocabulary is `unknown`. No status and no error is `ok`: the caller
    /// reported an attempt and nothing wrong with it.
    pub fn resolve(word: Option<&str>, status: Option<u16>, has_error: bool) -> Self {
        match (word, status) {
            (Some(word), _) => Self::parse(word).unwrap_or(Self::Unknown),
            (None, Some(status)) => match Self::from_status(status) {
                Self::Ok if has_error => Self::Unknown,
                class => class,
            },
            (None, None) if has_error => Self::Unknown,
            (None, None) => Self::Ok,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_parses_to_its_class() {
        for class in ErrorClass::ALL {
            assert_eq!(ErrorClass::parse(class.as_str()), Some(*class));
        }
    }

    #[test]
    fn an_explicit_word_wins_over_the_status() {
        let class = ErrorClass::resolve(Some("quota_exhausted"), Some(200), false);
        assert_eq!(class, ErrorClass::QuotaExhausted);
        assert_eq!(ErrorClass::resolve(None, Some(503), true), ErrorClass::Upstream5xx);
        assert_eq!(ErrorClass::resolve(None, Some(200), true), ErrorClass::Unknown);
        assert_eq!(ErrorClass::resolve(Some("nonsense"), Some(200), false), ErrorClass::Unknown);
    }
}
