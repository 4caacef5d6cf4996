//! The closed words of rules: metrics, operators and dimensions enter as text and leave as enums.
//!
//! Promise: pure. Whatever reaches SQL as an identifier is one of the words in this file.

use std::cmp::Ordering;

macro_rules! words {
    ($(#[doc = $about:literal])* $name:ident { $($variant:ident = $word:literal : $doc:literal,)* }) => {
        $(#[doc = $about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $(#[doc = $doc] $variant,)* }

        impl $name {
            /// Every word.
            pub const WORDS: &[&str] = &[$($word,)*];

            /// The word as it stands in rules.
            pub fn word(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }

            /// What a word means; `None` when it is not one of them.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// What a rule looks at, over one window and one group.
    Metric {
        Calls = "calls": "Attempts.",
        Errors = "errors": "Attempts that were not `ok`, or only those of the filter's error classes.",
        ErrorRate = "error_rate": "Errors over calls, 0 to 1.",
        LatencyP50 = "latency_p50": "Median latency, ms.",
        LatencyP90 = "latency_p90": "90th percentile of latency, ms.",
        LatencyP95 = "latency_p95": "95th percentile of latency, ms.",
        LatencyP99 = "latency_p99": "99th percentile of latency, ms.",
        LatencyMean = "latency_mean": "Mean latency of the calls that carried one, ms.",
        ThrottledShare = "throttled_share": "rate_limited, quota_exhausted and throttled_soft over calls, 0 to 1.",
        RetriedShare = "retried_share": "Attempts after the first over calls, 0 to 1.",
        Cost = "cost": "Money told by events or by flat prices, per currency, exact; not what depends on the month's use.",
        BytesIn = "bytes_in": "Bytes received.",
        BytesOut = "bytes_out": "Bytes sent.",
    }
}

words! {
    /// What calls may be filtered and grouped by: columns of the view `rollups`.
    Dimension {
        Workspace = "workspace": "The tenant.",
        Customer = "customer": "On whose behalf the call was made.",
        Integration = "integration": "The vendor API.",
        Endpoint = "endpoint": "The templated endpoint.",
        Tier = "tier": "The customer's tier.",
        Environment = "environment": "Such as production.",
        Currency = "currency": "ISO 4217, empty for calls without cost.",
    }
}

words! {
    /// How a measured value is compared with a threshold.
    Op {
        Above = ">": "Strictly above.",
        AtLeast = ">=": "At or above.",
        Below = "<": "Strictly below.",
        AtMost = "<=": "At or below.",
        Equal = "==": "Equal.",
        Unequal = "!=": "Different.",
    }
}

/// A measured value or a threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Quantity {
    /// A count, a share or milliseconds.
    Real(f64),
    /// Money in units of 10^-12, exact.
    Money(i128),
}

impl Quantity {
    /// The nearest float, for display and storage.
    pub fn as_f64(self) -> f64 {
        match self {
            Self::Real(value) => value,
            Self::Money(units) => units as f64 / 1e12,
        }
    }

    /// The order of two quantities; money is compared with money exactly.
    pub fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Money(left), Self::Money(right)) => Some(left.cmp(&right)),
            (left, right) => left.as_f64().partial_cmp(&right.as_f64()),
        }
    }
}

impl Op {
    /// Whether `value op threshold` holds; never for NaN.
    pub fn holds(self, value: Quantity, threshold: Quantity) -> bool {
        value.compare(threshold).is_some_and(|order| match self {
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
        })
    }

    /// Whether more of a growing sum can only make the comparison truer.
    pub fn grows(self) -> bool {
        matches!(self, Self::Above | Self::AtLeast)
    }
}

impl Metric {
    /// Whether the metric is a sum that calls which are not counted yet can only raise.
    ///
    /// Cost counts as one: a credit note that is still under way can make this wrong.
    pub fn is_growing_sum(self) -> bool {
        matches!(self, Self::Calls | Self::Errors | Self::Cost | Self::BytesIn | Self::BytesOut)
    }

    /// The quantile a latency metric needs.
    pub fn quantile(self) -> Option<Quantile> {
        match self {
            Self::LatencyP50 => Some(Quantile::P50),
            Self::LatencyP90 => Some(Quantile::P90),
            Self::LatencyP95 => Some(Quantile::P95),
            Self::LatencyP99 => Some(Quantile::P99),
            _ => None,
        }
    }
}

/// A quantile of latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Quantile {
    /// The median.
    P50,
    /// 90 %.
    P90,
    /// 95 %.
    P95,
    /// 99 %.
    P99,
}

impl Quantile {
    /// The share, 0 to 1.
    pub fn share(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P90 => 0.9,
            Self::P95 => 0.95,
            Self::P99 => 0.99,
        }
    }

    /// The share as a literal of SQL.
    pub fn literal(self) -> &'static str {
        match self {
            Self::P50 => "0.5",
            Self::P90 => "0.9",
            Self::P95 => "0.95",
            Self::P99 => "0.99",
        }
    }
}
