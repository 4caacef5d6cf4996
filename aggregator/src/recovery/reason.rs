//! Why a partition stops: what marker and log say enters, a sentence for operators leaves.

/// Why a partition needs an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The log no longer holds the records after the marker: retention was shorter than the outage.
    MarkerBelowLog {
        /// Next offset to count.
        marker: i64,
        /// First offset that the log still holds.
        low: i64,
    },
    /// The log ends before the marker: it was truncated.
    MarkerAboveLog {
        /// Next offset to count.
        marker: i64,
        /// Offset after the log's last record.
        high: i64,
    },
    /// A long run of records that cannot be counted.
    PoisonFlood {
        /// First offset of the flood.
        from: i64,
    },
    /// Another log was counted before, and nothing of this one: the topic was made anew, or these are other brokers.
    LogReplaced,
}

impl StopReason {
    /// Where the marker stands, when that is known.
    pub fn marker(&self) -> Option<i64> {
        match self {
            Self::MarkerBelowLog { marker, .. } | Self::MarkerAboveLog { marker, .. } => Some(*marker),
            Self::PoisonFlood { .. } | Self::LogReplaced => None,
        }
    }
}

impl std::fmt::Display for StopReason {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::MarkerBelowLog { marker, low } => {
                write!(out, "records {marker}..{low} were deleted by retention before they were counted")
            }
            Self::PoisonFlood { from } => {
                write!(out, "every record from {from} on is poison: a producer writes what is no event")
            }
            Self::MarkerAboveLog { marker, high } => {
                write!(out, "the log ends at {high}, before the marker {marker}: it was truncated")
            }
            Self::LogReplaced => out.write_str(
                "another log was counted before and nothing of this one: the topic was made anew, or these are other brokers",
            ),
        }
    }
}
