//! What a rebuild reads: the operator's words and what stands in log and ledger enter, first offsets and the cut leave.
//!
//! Windows that begin at or after the cut are recomputed. An event's own time may lie ahead of the moment at which its
//! record was appended, by up to `ahead`: the cut is so late that no record below a first offset belongs to it.
//! Promise: pure; what is not possible is refused with what is.

use crate::recovery::Range;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A cut is a whole hour: windows of any length end there, also those of an earlier `aggregator.window`.
const CUT_MS: i64 = 3_600_000;

/// Where a rebuild begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// With the first record that was ever counted.
    Earliest,
    /// With windows from this time on, ms since 1970 UTC.
    Time(i64),
    /// With this record of each partition.
    Offset(i64),
    /// With these records, by partition.
    Offsets(BTreeMap<i32, i64>),
}

impl From {
    /// Reads the operator's word.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "earliest" {
            return Ok(Self::Earliest);
        }
        if let Some(offset) = text.parse().ok().filter(|offset| *offset >= 0) {
            return Ok(Self::Offset(offset));
        }
        if let Ok(time) = text.parse::<Timestamp>() {
            return Ok(Self::Time(time.as_millisecond()));
        }
        let mut offsets = BTreeMap::new();
        for part in text.split(',') {
            let pair = part.split_once(':').and_then(|(partition, offset)| {
                Some((partition.parse::<i32>().ok()?, offset.parse::<i64>().ok()?))
            });
            let (partition, offset) = pair.filter(|(partition, offset)| *partition >= 0 && *offset >= 0).ok_or(
                "neither earliest, nor a time such as 2026-11-21T12:00:00Z, nor an offset such as 1200, nor \
                 partitions and offsets such as 0:1200,1:1180",
            )?;
            if offsets.insert(partition, offset).is_some() {
                return Err(format!("partition {partition} is named twice"));
            }
        }
        Ok(Self::Offsets(offsets))
    }
}

/// One partition of the log, as ledger and broker have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Identity of the log.
    pub source: String,
    /// Kafka partition.
    pub partition: i32,
    /// First offset that was ever counted.
    pub earliest: i64,
    /// Next offset to count.
    pub marker: i64,
    /// First offset that the log still holds.
    pub low: i64,
}

/// Where one partition's rebuild begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Identity of the log.
    pub source: String,
    /// Kafka partition.
    pub partition: i32,
    /// First offset to count.
    pub first: i64,
    /// Whether every record that was ever counted is at `first` or after it.
    pub whole: bool,
}

/// What is recomputed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// By partition.
    pub starts: Vec<Start>,
    /// First window that is recomputed, s since 1970 UTC; 0: all.
    pub cut_s: i64,
    /// Id of the price book; empty: none.
    pub price_book: String,
}

/// Why a rebuild is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum PlanError {
    #[error(
        "partition {partition}: the log begins at offset {low}; records {first}..{low} were deleted by retention. \
         A rebuild is possible with --from {possible} or later"
    )]
    Lost { partition: i32, first: i64, low: i64, possible: String },
    #[error(
        "windows from {wanted} on may hold events of records that retention deleted, since an event may lie \
         {ahead:#} ahead of its record (--ahead). A rebuild is possible with --from {possible} or later"
    )]
    TooEarly { wanted: String, ahead: SignedDuration, possible: String },
    #[error(
        "partition {0} is missing in --from: all {1} partitions are needed, since each may add to any window"
    )]
    Missing(i32, usize),
    #[error("partition {0}, named in --from, has never been counted")]
    Unknown(i32),
    #[error("partition {partition}: offset {first} is not counted yet; the next one to count is {marker}")]
    Ahead { partition: i32, first: i64, marker: i64 },
    #[error("nothing has been counted yet")]
    Empty,
}

/// The first offset that was counted: the genesis, or the end of the gap that stands there.
pub(crate) fn earliest(genesis: i64, gaps: &[Range]) -> i64 {
    let mut first = genesis;
    while let Some(gap) = gaps.iter().find(|gap| gap.first <= first && gap.next > first) {
        first = gap.next;
    }
    first
}

/// The last offset up to which records were counted below `until`: gaps that end there were not.
pub(crate) fn counted_end(until: i64, gaps: &[Range]) -> i64 {
    let mut end = until;
    while let Some(gap) = gaps.iter().find(|gap| gap.first < end && gap.next >= end) {
        end = gap.first;
    }
    end
}

/// The time at which the records that a rebuild from a time needs begin to be appended, ms since 1970 UTC.
pub(crate) fn needed_from_ms(time_ms: i64, ahead: SignedDuration) -> i64 {
    (hour_after(time_ms) - ahead.as_millis() as i64).max(0)
}

/// The first offsets. `located` answers, for a time, with the first record at or after [`needed_from_ms`].
pub(crate) fn starts(
    from: &From,
    known: &[Known],
    located: &BTreeMap<i32, i64>,
) -> Result<Vec<Start>, PlanError> {
    if known.is_empty() {
        return Err(PlanError::Empty);
    }
    if let From::Offsets(offsets) = from {
        let named = |partition: i32| known.iter().any(|known| known.partition == partition);
        if let Some(partition) = offsets.keys().find(|partition| !named(**partition)) {
            return Err(PlanError::Unknown(*partition));
        }
    }
    known.iter().map(|partition| start(from, partition, known.len(), located)).collect()
}

fn start(
    from: &From,
    known: &Known,
    partitions: usize,
    located: &BTreeMap<i32, i64>,
) -> Result<Start, PlanError> {
    let Known { partition, earliest, marker, .. } = *known;
    let told = match from {
        From::Earliest => earliest,
        From::Time(_) => located.get(&partition).map_or(marker, |offset| (*offset).min(marker)),
        From::Offset(offset) => *offset,
        From::Offsets(offsets) => {
            *offsets.get(&partition).ok_or(PlanError::Missing(partition, partitions))?
        }
    };
    let first = told.max(earliest);
    if first > marker {
        return Err(PlanError::Ahead { partition, first, marker });
    }
    Ok(Start { source: known.source.clone(), partition, first, whole: first == earliest })
}

/// The cut. `below_ms` holds, by partition that is not whole, a time before which all records below its first
/// offset were appended, and for each other log until when it was counted.
pub(crate) fn cut_s(from: &From, below_ms: &[i64], ahead: SignedDuration) -> Result<i64, PlanError> {
    let needed = below_ms.iter().max().map_or(0, |below| possible_from(*below, ahead));
    match from {
        From::Time(time) => {
            let wanted = hour_after(*time);
            if needed > wanted {
                let (wanted, possible) = (moment(wanted), moment(needed));
                return Err(PlanError::TooEarly { wanted, ahead, possible });
            }
            Ok(wanted / 1000)
        }
        _ => Ok(needed / 1000),
    }
}

/// The first windows that can be rebuilt when all records appended before this time are gone, ms since 1970 UTC.
pub(crate) fn possible_from(appended_ms: i64, ahead: SignedDuration) -> i64 {
    hour_after(appended_ms + ahead.as_millis() as i64)
}

fn hour_after(time_ms: i64) -> i64 {
    (time_ms + CUT_MS - 1).div_euclid(CUT_MS) * CUT_MS
}

/// A time as RFC 3339.
pub(crate) fn moment(time_ms: i64) -> String {
    Timestamp::from_millisecond(time_ms).map_or_else(|_| time_ms.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests;
