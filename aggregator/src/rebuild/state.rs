//! How live stands: rows of its ledger enter, the markers and gaps of the log in force leave.
//!
//! A log that went on under a new name is `source#2`, `source#3`: the newest is in force. Promise: pure.

use super::plan;
use crate::recovery::Range;
use std::collections::BTreeMap;

/// Source, partition, marker, genesis.
pub(crate) type MarkerRow = (String, i32, i64, i64);
/// Source, partition, first and next offset.
pub(crate) type GapRow = (String, i32, i64, i64);
/// Source, partition, until when its records were counted, ms since 1970 UTC.
pub(crate) type ProgressRow = (String, i32, i64);

/// The log in force, and what else was ever counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    /// Source, marker and genesis by partition.
    pub(crate) partitions: BTreeMap<i32, (String, i64, i64)>,
    gaps: BTreeMap<i32, Vec<Range>>,
    /// Until when other logs were counted, ms since 1970 UTC; `None` within where nobody wrote it down.
    pub(crate) others: Vec<Option<i64>>,
    /// Partitions that went on under a new name, and where: what was counted under an earlier name was appended before
    /// the record that stands there.
    pub(crate) successions: Vec<(i32, i64)>,
}

impl Live {
    /// The questions whose rows [`Live::of`] reads.
    pub(crate) fn questions(table: &str) -> (String, String, String) {
        (
            format!(
                "SELECT toString(src), part, maxIf(next_offset, kind = 'mark'), minIf(batch_first, kind = 'genesis') \
                 FROM {table} WHERE kind IN ('genesis', 'mark') GROUP BY src, part \
                 HAVING countIf(kind = 'mark') > 0 ORDER BY src, part"
            ),
            format!(
                "SELECT toString(src), part, batch_first, max(next_offset) FROM {table} WHERE kind = 'gap' \
                 GROUP BY src, part, batch_first ORDER BY src, part, batch_first"
            ),
            "SELECT toString(source), partition, max(toUnixTimestamp64Milli(counted_up_to)) FROM partition_progress \
             GROUP BY source, partition"
                .to_owned(),
        )
    }

    /// The standing of the log that is called `base`.
    pub(crate) fn of(
        base: &str,
        markers: Vec<MarkerRow>,
        gaps: Vec<GapRow>,
        progress: Vec<ProgressRow>,
    ) -> Self {
        let mut newest: BTreeMap<i32, (u32, MarkerRow)> = BTreeMap::new();
        for row in &markers {
            let Some(number) = number(base, &row.0) else { continue };
            let known = newest.get(&row.1).map_or(0, |(known, _)| *known);
            if number > known {
                newest.insert(row.1, (number, row.clone()));
            }
        }
        let partitions: BTreeMap<i32, (String, i64, i64)> = newest
            .into_iter()
            .map(|(partition, (_, (source, _, marker, genesis)))| (partition, (source, marker, genesis)))
            .collect();
        let in_force = |source: &str, partition: i32| {
            partitions.get(&partition).is_some_and(|(known, ..)| known == source)
        };
        let counted_until = |source: &str, partition: i32| {
            let row = progress.iter().find(|row| row.0 == source && row.1 == partition);
            row.map(|row| row.2)
        };
        let others = markers.iter().filter(|row| number(base, &row.0).is_none());
        let others = others.map(|row| counted_until(&row.0, row.1)).collect();
        let succeeded = partitions.iter().filter(|(_, (source, ..))| source != base);
        let successions = succeeded.map(|(partition, (_, _, genesis))| (*partition, *genesis)).collect();
        let mut ranges: BTreeMap<i32, Vec<Range>> = BTreeMap::new();
        for (_, partition, first, next) in gaps.into_iter().filter(|row| in_force(&row.0, row.1)) {
            ranges.entry(partition).or_default().push(Range { first, next });
        }
        Self { partitions, gaps: ranges, others, successions }
    }

    /// A partition's marker.
    pub(crate) fn marker(&self, partition: i32) -> Option<i64> {
        self.partitions.get(&partition).map(|(_, marker, _)| *marker)
    }

    /// The last offset up to which a partition's records were counted: gaps below its marker were not.
    pub(crate) fn counted_end(&self, partition: i32) -> Option<i64> {
        self.marker(partition).map(|marker| plan::counted_end(marker, self.gaps(partition)))
    }

    /// What was never counted of a partition.
    pub(crate) fn gaps(&self, partition: i32) -> &[Range] {
        self.gaps.get(&partition).map_or(&[], Vec::as_slice)
    }

    /// Whether another table has the same markers.
    pub(crate) fn has_markers(&self, rows: &[MarkerRow]) -> bool {
        self.partitions.iter().all(|(partition, (source, marker, _))| {
            rows.iter().any(|row| (&row.0, row.1, row.2) == (source, *partition, *marker))
        })
    }
}

/// Which of the names of a log this is: 1 for its own, `n` for its successor `base#n`.
fn number(base: &str, source: &str) -> Option<u32> {
    match source.strip_prefix(base)? {
        "" => Some(1),
        rest => rest.strip_prefix('#')?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_name_of_a_log_is_in_force_partition_by_partition() {
        let marker = |source: &str, partition, next| (source.to_owned(), partition, next, 0);
        let gap = |source: &str, partition| (source.to_owned(), partition, 3, 5);
        let standing = Live::of(
            "log",
            vec![
                marker("log", 0, 50),
                marker("log", 1, 60),
                ("log#2".to_owned(), 0, 7, 4),
                marker("old", 1, 9),
                marker("older", 0, 9),
            ],
            vec![gap("log", 0), gap("log#2", 0), gap("old", 1)],
            vec![("log".into(), 0, 900), ("older".into(), 0, 300)],
        );
        assert_eq!((standing.marker(0), standing.marker(1), standing.marker(2)), (Some(7), Some(60), None));
        assert_eq!((standing.gaps(0), standing.gaps(1)), (&[Range { first: 3, next: 5 }][..], &[][..]));
        // Other logs were counted until a moment, or until nobody knows when.
        assert_eq!(standing.others, [None, Some(300)]);
        // Progress is told by log, and goes on with its new name: it does not say until when the earlier one was counted.
        assert_eq!(standing.successions, [(0, 4)]);
        assert!(standing.has_markers(&[marker("log#2", 0, 7), marker("log", 1, 60)]));
        assert!(!standing.has_markers(&[marker("log", 0, 7), marker("log", 1, 60)]));
    }
}
