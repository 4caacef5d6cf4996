//! Values of an input series in promtool's expanding notation: a text enters, one sample per step leaves.
//!
//! `a+bxn` is `a`, `a+b` … `a+b*n`; `a-bxn` falls; `axn` is `a` and n times `a` again; `_` is no sample, `_xn` is none for n
//! steps; `stale` is no sample either, because calls that were not made leave nothing behind.
//! Promise: pure, exact to 12 decimal places, and bounded.

use callmeter_schemas::Amount;

/// Most samples of one series: ten days of minutes, several times over.
pub(crate) const MAX_SAMPLES: usize = 100_000;

/// The samples of a text, in the order of their steps; `None` where there is none.
pub(crate) fn parse(text: &str) -> Result<Vec<Option<Amount>>, String> {
    let mut samples = Vec::new();
    for word in text.split_whitespace() {
        let term = Term::parse(word).ok_or_else(|| {
            format!("`{word}` is not a sample: a number, a+bxn, a-bxn, axn, _, _xn and stale are known")
        })?;
        if samples.len().saturating_add(term.count) > MAX_SAMPLES {
            return Err(format!("more than {MAX_SAMPLES} samples"));
        }
        for step in 0..term.count {
            samples.push(term.sample(step).ok_or_else(|| format!("`{word}` leads beyond 1000000000000"))?);
        }
    }
    Ok(samples)
}

/// One word of the notation.
struct Term {
    first: Option<Amount>,
    by: Amount,
    count: usize,
}

impl Term {
    fn parse(word: &str) -> Option<Self> {
        let none = |count| Self { first: None, by: Amount::ZERO, count };
        match word {
            "_" | "stale" => return Some(none(1)),
            _ => {}
        }
        let Some((body, times)) = word.split_once('x') else {
            return Some(Self { first: Some(number(word)?), by: Amount::ZERO, count: 1 });
        };
        let times: usize = plain(times).then(|| times.parse().ok())??;
        if body == "_" {
            return Some(none(times));
        }
        let (first, by) = match sign(body) {
            Some(at) => {
                let (first, by) = body.split_at(at);
                // `a+-b` is known to promtool as well.
                (first, number(by.strip_prefix('+').unwrap_or(by))?)
            }
            None => (body, Amount::ZERO),
        };
        Some(Self { first: Some(number(first)?), by, count: times.saturating_add(1) })
    }

    /// The sample of a step; the outer `None` is one that cannot be held.
    fn sample(&self, step: usize) -> Option<Option<Amount>> {
        let Some(first) = self.first else { return Some(None) };
        let units = first.units().checked_add(self.by.units().checked_mul(step as i128)?)?;
        Amount::from_units(units).map(Some)
    }
}

fn plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number(text: &str) -> Option<Amount> {
    Amount::parse(text.strip_prefix('+').unwrap_or(text)).ok()
}

/// Where the sign between two numbers stands: neither in front nor behind an exponent's letter.
fn sign(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let between = |at: &usize| bytes.get(at.wrapping_sub(1)).is_some_and(|before| !b"eE".contains(before));
    (1..bytes.len()).find(|at| matches!(bytes.get(*at), Some(b'+' | b'-')) && between(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, wanted: &str) {
        let shown = match parse(text) {
            Ok(samples) => samples
                .iter()
                .map(|sample| match sample {
                    Some(amount) => (amount.units() as f64 / 1e12).to_string(),
                    None => "_".to_owned(),
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(message) => message,
        };
        assert_eq!(shown, wanted, "{text}");
    }

    #[test]
    fn the_notation_expands_as_promtool_does() {
        check("", "");
        check("1 2.5 -3", "1 2.5 -3");
        check("-2+4x3", "-2 2 6 10");
        check(" 1-2x4", "1 -1 -3 -5 -7");
        check("1x4", "1 1 1 1 1");
        check("5x0", "5");
        check("1 _x3 stale 2", "1 _ _ _ _ 2");
        check("_x0", "");
        check("0+0.1x3", "0 0.1 0.2 0.3");
        check("1e2+1e-1x1 +1", "100 100.1 1");
        check("1+-2x2", "1 -1 -3");
    }

    #[test]
    fn what_is_not_of_the_notation_is_refused() {
        let form = "a number, a+bxn, a-bxn, axn, _, _xn and stale are known";
        for word in ["x5", "1x", "1+x5", "1x-1", "1+2", "nan", "__", "_+1x2", "1xé", "0x1f", "1x5x5"] {
            check(word, &format!("`{word}` is not a sample: {form}"));
        }
        check("0x99999", "0 ".repeat(MAX_SAMPLES).trim_end());
        check("0x100000", "more than 100000 samples");
        check("1x18446744073709551615", "more than 100000 samples");
        check("9e11+9e11x5", "`9e11+9e11x5` leads beyond 1000000000000");
    }
}
