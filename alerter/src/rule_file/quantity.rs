//! Thresholds, budgets and terms: what a rule says of them enters, quantities leave.
//!
//! Promise: pure. Money is read exactly, times as durations or seconds.

use super::reader::Reader;
use crate::{
    quantity::Quantity,
    rules::Terms,
    vocabulary::{Metric, Op},
};
use callmeter_documents::{duration, scalar};
use callmeter_schemas::Amount;

/// How the numbers of a rule are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number.
    Number,
    /// A duration, or seconds.
    Time,
    /// An exact amount.
    Money,
}

impl Kind {
    /// What values of a metric are compared with; a ratio is a number whatever it is a ratio of.
    pub(super) fn of(metric: Option<Metric>, is_ratio: bool) -> Self {
        match metric {
            _ if is_ratio => Self::Number,
            Some(Metric::Cost) => Self::Money,
            Some(metric) if metric.is_time() => Self::Time,
            _ => Self::Number,
        }
    }

    fn parse(self, text: &str) -> Result<Quantity, String> {
        let number =
            |text: &str| text.parse().ok().filter(|value: &f64| value.is_finite()).map(Quantity::Real);
        match self {
            Self::Money => Amount::parse(text)
                .map(|amount| Quantity::Money(amount.units()))
                .map_err(|error| error.to_string()),
            Self::Number => number(text).ok_or_else(|| "not a number".to_owned()),
            Self::Time => number(text)
                .or_else(|| duration::parse(text).ok().map(|time| Quantity::Real(time.as_secs_f64())))
                .ok_or_else(|| "neither a duration such as 15m nor a number of seconds".to_owned()),
        }
    }
}

/// Takes a quantity.
pub(super) fn quantity(reader: &mut Reader<'_, '_>, key: &'static str, kind: Kind) -> Option<Quantity> {
    let node = reader.take(key)?;
    let parsed = kind.parse(&scalar(node).unwrap_or_default());
    parsed.map_err(|message| reader.refuse_at(node, key, message)).ok()
}

/// Takes thresholds and times; what is not said is as in `base`. `None` without any threshold.
pub(super) fn terms(
    reader: &mut Reader<'_, '_>,
    (op, kind): (Option<Op>, Kind),
    base: Option<&Terms>,
) -> Option<Terms> {
    let threshold = quantity(reader, "threshold", kind).or(base.map(|base| base.threshold));
    let clear = quantity(reader, "clear_threshold", kind).or(base.and_then(|base| base.clear_threshold));
    let min_samples = reader.count("min_samples").or(base.map(|base| base.min_samples));
    let pending_for = reader.duration("for").or(base.map(|base| base.pending_for));
    let keep = reader.duration("keep_firing_for").or(base.map(|base| base.keep_firing_for));
    judge_hysteresis(reader, op, threshold, clear);
    Some(Terms {
        threshold: threshold?,
        clear_threshold: clear,
        min_samples: min_samples.unwrap_or(0),
        pending_for: pending_for.unwrap_or_default(),
        keep_firing_for: keep.unwrap_or_default(),
    })
}

fn judge_hysteresis(
    reader: &mut Reader<'_, '_>,
    op: Option<Op>,
    threshold: Option<Quantity>,
    clear: Option<Quantity>,
) {
    let (Some(op), Some(threshold), Some(clear)) = (op, threshold, clear) else { return };
    let sensible = match op {
        Op::Above | Op::AtLeast => Op::AtMost.holds(clear, threshold),
        Op::Below | Op::AtMost => Op::AtLeast.holds(clear, threshold),
        Op::Equal | Op::Unequal => false,
    };
    if !sensible {
        let message = "must lie on the clear side of threshold, and goes with >, >=, < and <= only";
        reader.refuse("clear_threshold", message);
    }
}
