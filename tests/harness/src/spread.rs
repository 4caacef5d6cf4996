//! Figures of several rounds or turns enter, their middle, their ends and their quantiles leave.

use serde::Serialize;
use std::fmt;

/// The middle and the range of some values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one; of an even number the mean of both.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Spread {
    /// `None` of no values.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let (lower, upper) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self { median: (lower + upper) / 2.0, min, max })
    }
}

/// Median and range, with as many digits as asked for.
impl fmt::Display for Spread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = out.precision().unwrap_or(2);
        let Self { median, min, max } = self;
        let text = format!("{median:.digits$} ({min:.digits$}..{max:.digits$})");
        match out.width() {
            Some(width) => write!(out, "{text:>width$}"),
            None => out.write_str(&text),
        }
    }
}

/// The value at or below which a share of all lies, by nearest rank; `None` of nothing.
pub fn quantile<T: Copy + Ord>(values: &[T], share: f64) -> Option<T> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_both_ends_are_told_and_nothing_of_nothing() {
        let spread = |values: &[f64]| Spread::of(values.iter().copied());
        assert_eq!(spread(&[]), None);
        assert_eq!(spread(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, min: 1.0, max: 3.0 }));
        assert_eq!(format!("{:.1}", spread(&[4.0, 1.0]).expect("two values")), "2.5 (1.0..4.0)");
    }

    #[test]
    fn a_quantile_is_the_value_of_the_nearest_rank() {
        let values: Vec<u32> = (1..=50).rev().collect();
        let at = |share| quantile(&values, share);
        assert_eq!((at(0.0), at(0.5), at(0.99), at(1.0)), (Some(1), Some(25), Some(50), Some(50)));
        assert_eq!(quantile::<u32>(&[], 0.5), None);
    }
}
