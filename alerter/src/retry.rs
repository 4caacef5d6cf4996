//! What an answer means and when to try again: a status or a failure enters, a verdict leaves.
//!
//! Promise: pure. The time over which attempts are made and the wait before each are bounded; jitter
//! is passed in.

use jiff::{Timestamp, fmt::rfc2822};
use std::time::Duration;

/// Waits before the second and further attempts; the last one repeats.
///
/// They never grow beyond minutes, as those of webhooks for data often do: somebody waits for a page,
/// and a receiver that is back after an hour should not be silent for five more.
const WAITS: [Duration; 9] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(600),
];
/// No attempt begins this long after the first one. What still matters then is planned anew.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);
/// Longest wait that a Retry-After may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);
/// Waits vary by this share around their length, so that many senders do not return at once.
const JITTER: f64 = 0.2;

/// What an answer's status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Taken.
    Delivered,
    /// Another attempt may succeed.
    Retry,
    /// Another attempt would be answered the same; a redirect is one of these.
    GiveUp,
    /// 410: nothing is to be sent there any more.
    Gone,
}

/// Judges a status.
pub fn judge(status: u16) -> Verdict {
    match status {
        200..=299 => Verdict::Delivered,
        410 => Verdict::Gone,
        408 | 425 | 429 | 500..=599 => Verdict::Retry,
        _ => Verdict::GiveUp,
    }
}

/// How long to wait after attempt number `attempt` (from 1), which ended `tried` after the first one
/// began; `None` when it was the last.
///
/// `luck` lies in 0..1. An answer that asks for a longer wait gets it, within a bound.
pub fn wait_after(attempt: u32, tried: Duration, asked: Option<Duration>, luck: f64) -> Option<Duration> {
    let place = (attempt as usize).saturating_sub(1).min(WAITS.len() - 1);
    let jittered = WAITS.get(place)?.mul_f64(1.0 - JITTER + 2.0 * JITTER * luck.clamp(0.0, 1.0));
    let wait = jittered.max(asked.unwrap_or_default().min(LONGEST_ASKED));
    (tried + wait < LONGEST).then_some(wait)
}

/// Reads Retry-After: seconds or an HTTP date.
pub fn retry_after(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let date = rfc2822::DateTimeParser::new().parse_timestamp(header).ok()?;
    Some(date.duration_since(now).max(jiff::SignedDuration::ZERO).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_judged_as_standard_webhooks_asks() {
        for (status, wanted) in [
            (200, Verdict::Delivered),
            (204, Verdict::Delivered),
            (301, Verdict::GiveUp),
            (307, Verdict::GiveUp),
            (400, Verdict::GiveUp),
            (404, Verdict::GiveUp),
            (408, Verdict::Retry),
            (410, Verdict::Gone),
            (429, Verdict::Retry),
            (500, Verdict::Retry),
            (503, Verdict::Retry),
        ] {
            assert_eq!(judge(status), wanted, "{status}");
        }
    }

    #[test]
    fn attempts_go_on_for_a_day_with_waits_of_minutes_and_then_end() {
        let (mut tried, mut waits) = (Duration::ZERO, Vec::new());
        while let Some(wait) = wait_after(waits.len() as u32 + 1, tried, None, 0.5) {
            tried += wait;
            waits.push(wait);
        }
        assert_eq!(waits[..WAITS.len()], WAITS);
        assert!(waits[WAITS.len()..].iter().all(|wait| *wait == WAITS[WAITS.len() - 1]));
        assert!((LONGEST - WAITS[WAITS.len() - 1]..LONGEST).contains(&tried), "{tried:?}");
    }

    #[test]
    fn waits_vary_and_a_longer_wait_that_is_asked_for_is_granted_within_a_bound() {
        let wait = |attempt, asked: Option<u64>, luck| {
            wait_after(attempt, Duration::ZERO, asked.map(Duration::from_secs), luck)
                .map(|wait| wait.as_secs())
        };
        assert_eq!(wait(6, None, 0.0), Some(48));
        assert_eq!(wait(6, None, 1.0), Some(72));
        assert_eq!(wait(1, Some(20), 0.5), Some(20));
        assert_eq!(wait(6, Some(1), 0.0), Some(48));
        assert_eq!(wait(1, Some(99_999), 0.5), Some(LONGEST_ASKED.as_secs()));
        assert_eq!(wait_after(1, LONGEST, None, 0.5), None);
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now: Timestamp = "2015-10-21T07:27:50Z".parse().expect("a time");
        assert_eq!(retry_after(" 17 ", now), Some(Duration::from_secs(17)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(Duration::from_secs(10)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:27:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
        assert_eq!(retry_after("-1", now), None);
    }
}
