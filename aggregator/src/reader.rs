//! The reader of one partition: offsets to begin at enter, judged records leave in log order.
//!
//! It fills the judge's memories from the records before `count_from` and then hands every verdict over. Both the
//! rollups and the raw calls read through it, each with a judge of its own, which is why their verdicts agree. Promise:
//! the verdict on a record is a pure function of the log and the known schemas.

use crate::{
    fetch::{FetchError, Fetcher, Tap},
    judge::{Judge, Judged},
    schema::Schemas,
};
use std::{sync::Arc, time::Duration};

/// A running read of one partition.
pub(crate) struct Reader {
    tap: Tap,
    judge: Judge,
    count_from: i64,
}

impl Reader {
    /// Begins to read: ids from `remember_from` on, verdicts from `count_from` on.
    pub(crate) fn start(
        fetcher: &Arc<Fetcher>,
        schemas: &Arc<Schemas>,
        partition: i32,
        remember_from: i64,
        count_from: i64,
        horizon: u32,
    ) -> Result<Self, FetchError> {
        Ok(Self {
            tap: fetcher.tap(partition, remember_from)?,
            judge: Judge::new(Arc::clone(schemas), horizon),
            count_from,
        })
    }

    /// Offset after the last record that was read.
    pub(crate) fn position(&self) -> i64 {
        self.tap.position()
    }

    /// Whether the log has more than was last read.
    pub(crate) fn is_behind(&self) -> bool {
        self.tap.is_behind()
    }

    /// Judges what arrives; `timeout` and `until` as in [`Tap::take`].
    pub(crate) fn read(
        &mut self,
        timeout: Duration,
        until: i64,
        mut each: impl FnMut(&[Judged<'_>]),
    ) -> Result<(), FetchError> {
        let Self { tap, judge, count_from } = self;
        tap.take(timeout, until, |records| {
            judge.judge(records, |judged| {
                let first = judged.partition_point(|judged| judged.record.offset < *count_from);
                if first < judged.len() {
                    each(&judged[first..]);
                }
            });
        })
    }
}
