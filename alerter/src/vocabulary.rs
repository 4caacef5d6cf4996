//! The closed words of rules: metrics, operators and dimensions enter as text and leave as enums.
//!
//! Promise: pure. Whatever reaches SQL as an identifier is one of the words in this file.

use crate::quantity::Quantity;

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
        LatencyP75 = "latency_p75": "75th percentile of latency, ms.",
        LatencyP90 = "latency_p90": "90th percentile of latency, ms.",
        LatencyP95 = "latency_p95": "95th percentile of latency, ms.",
        LatencyP99 = "latency_p99": "99th percentile of latency, ms.",
        LatencyP999 = "latency_p999": "99.9th percentile of latency, ms.",
        LatencyMean = "latency_mean": "Mean latency of the calls that carried one, ms.",
        ThrottledShare = "throttled_share": "rate_limited, quota_exhausted and throttled_soft over calls, 0 to 1.",
        RetriedShare = "retried_share": "Attempts after the first over calls, 0 to 1.",
        RetryAmplification = "retry_amplification": "Attempts per first attempt, from 1.",
        BytesIn = "bytes_in": "Bytes received.",
        BytesOut = "bytes_out": "Bytes sent.",
        NoTrafficFor = "no_traffic_for": "Seconds since the end of the last stored window with calls; the rule's window is how far back is looked.",
        Cost = "cost": "Money per currency: told by events, by flat prices, and by the month's use; see `query`.",
        SpendRate = "spend_rate": "Cost per hour, over the window.",
        BudgetSpent = "budget_spent": "Cost of the budget's period so far over the budget: 1 is all of it.",
        QuotaRemainingRatio = "quota_remaining_ratio": "What is left of a limit over the limit, 0 to 1; of several limits the least.",
        QuotaExhaustsIn = "quota_exhausts_in": "Seconds until a limit is used up at the present pace; infinite when it is not; of several limits the first.",
        PipelineLag = "pipeline_lag": "Seconds that counting is behind, over all partitions.",
    }
}

words! {
    /// What calls may be filtered and grouped by: columns of the views `rollups` and `quota`.
    Dimension {
        Workspace = "workspace": "The tenant.",
        Customer = "customer": "On whose behalf the call was made.",
        Integration = "integration": "The vendor API.",
        Endpoint = "endpoint": "The templated endpoint.",
        Tier = "tier": "The customer's tier.",
        Environment = "environment": "Such as production.",
        Currency = "currency": "ISO 4217, empty for calls without cost.",
        Policy = "policy": "The vendor's limit, such as daily; of quotas only.",
        Scope = "scope": "Whose limit it is, such as an app or a credential; of quotas only.",
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

words! {
    /// What becomes of an alert whose group has nothing to measure.
    NoData {
        Ok = "ok": "It ends, as if the value were fine.",
        Alert = "alert": "That exceeds, too; groups are known for the rule's `look_back`.",
        Keep = "keep": "It stays as it is while the group is known.",
    }
}

words! {
    /// The period of a budget, in UTC.
    Period {
        Day = "day": "From midnight.",
        Month = "month": "From the first of the month.",
    }
}

words! {
    /// How a value is held against the one before it.
    Comparison {
        Ratio = "ratio": "Now over before; no value where there was nothing before.",
        Difference = "difference": "Now less before.",
    }
}

/// Where the numbers of a metric come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Counted calls.
    Calls,
    /// Counted calls and what the month's price book makes of their usage.
    Spend,
    /// The days of the view `costs`.
    Budget(Period),
    /// The view `quota`: as it is now, whatever the time of the evaluation.
    Quota,
    /// The progress of counting itself; no question to ClickHouse.
    Pipeline,
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

impl Source {
    /// What may be filtered and grouped by.
    pub fn has(self, dimension: Dimension) -> bool {
        use Dimension::{Integration, Policy, Scope, Workspace};
        match self {
            Self::Calls | Self::Spend | Self::Budget(_) => !matches!(dimension, Policy | Scope),
            Self::Quota => matches!(dimension, Workspace | Integration | Policy | Scope),
            Self::Pipeline => false,
        }
    }

    /// Whether it counts calls within a sliding window.
    pub fn slides(self) -> bool {
        matches!(self, Self::Calls | Self::Spend)
    }

    /// Whether its numbers are sums over rollups: what a vendor says of its limits, and how far counting is behind,
    /// are not.
    pub fn is_in_rollups(self) -> bool {
        matches!(self, Self::Calls | Self::Spend | Self::Budget(_))
    }
}

impl Metric {
    /// Where its numbers come from; a budget's period decides for `budget_spent`.
    pub fn source(self, period: Option<Period>) -> Source {
        match self {
            Self::Cost | Self::SpendRate => Source::Spend,
            Self::BudgetSpent => Source::Budget(period.unwrap_or(Period::Month)),
            Self::QuotaRemainingRatio | Self::QuotaExhaustsIn => Source::Quota,
            Self::PipelineLag => Source::Pipeline,
            _ => Source::Calls,
        }
    }

    /// Whether the metric is a sum that calls which are not counted yet can only raise.
    ///
    /// Cost counts as one: a credit note, or a volume price that is reached, can make this wrong.
    pub fn is_growing_sum(self) -> bool {
        matches!(
            self,
            Self::Calls | Self::Errors | Self::Cost | Self::BudgetSpent | Self::BytesIn | Self::BytesOut
        )
    }

    /// Whether 0 calls measure 0 rather than nothing.
    pub fn is_zero_without_calls(self) -> bool {
        matches!(self, Self::Calls | Self::Errors | Self::BytesIn | Self::BytesOut)
    }

    /// Whether it adds up money, which only makes sense within one currency.
    pub fn adds_money(self) -> bool {
        matches!(self, Self::Cost | Self::SpendRate | Self::BudgetSpent)
    }

    /// Whether calls are counted beside it, so that `min_samples` has something to judge.
    pub fn has_samples(self) -> bool {
        !matches!(
            self,
            Self::NoTrafficFor | Self::QuotaRemainingRatio | Self::QuotaExhaustsIn | Self::PipelineLag
        )
    }

    /// Whether a value is a time, so that thresholds may be written as durations.
    pub fn is_time(self) -> bool {
        matches!(self, Self::NoTrafficFor | Self::QuotaExhaustsIn | Self::PipelineLag)
    }

    /// The quantile a latency metric needs.
    pub fn quantile(self) -> Option<Quantile> {
        match self {
            Self::LatencyP50 => Some(Quantile::P50),
            Self::LatencyP75 => Some(Quantile::P75),
            Self::LatencyP90 => Some(Quantile::P90),
            Self::LatencyP95 => Some(Quantile::P95),
            Self::LatencyP99 => Some(Quantile::P99),
            Self::LatencyP999 => Some(Quantile::P999),
            _ => None,
        }
    }
}

words! {
    /// A quantile of latency, as a literal of SQL.
    Quantile {
        P50 = "0.5": "The median.",
        P75 = "0.75": "75 %.",
        P90 = "0.9": "90 %.",
        P95 = "0.95": "95 %.",
        P99 = "0.99": "99 %.",
        P999 = "0.999": "99.9 %.",
    }
}

impl Quantile {
    /// The share, 0 to 1.
    pub fn share(self) -> f64 {
        match self {
            Self::P50 => 0.5,
            Self::P75 => 0.75,
            Self::P90 => 0.9,
            Self::P95 => 0.95,
            Self::P99 => 0.99,
            Self::P999 => 0.999,
        }
    }
}
