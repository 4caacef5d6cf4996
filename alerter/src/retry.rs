//! What an answer means and when to try again: a status or a failure enters, a verdict leaves.
//!
//! Promise: pure. The number of attempts and the wait before each are bounded; jitter is passed in.

use jiff::{Timestamp, fmt::rfc2822};
use std::time::Duration;

/// Waits before the second and further attempts: seven attempts within about two minutes.
const WAITS: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
    Duration::from_secs(60),
];
/// Longest wait that a Retry-After may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
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

/// How long to wait after attempt number `attempt` (from 1); `None` when it was the last.
///
/// `luck` lies in 0..1. An answer that asks for a longer wait gets it, within a bound.
pub fn wait_after(attempt: u32, asked: Option<Duration>, luck: f64) -> Option<Duration> {
    let wait = WAITS.get(attempt.checked_sub(1)? as usize)?;
    let jittered = wait.mul_f64(1.0 - JITTER + 2.0 * JITTER * luck.clamp(0.0, 1.0));
    Some(jittered.max(asked.unwrap_or_default().min(LONGEST_ASKED)))
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
    fn attempts_are_bounded_and_a_longer_wait_that_is_asked_for_is_granted() {
        let waits: Vec<Duration> = (1..10).map_while(|attempt| wait_after(attempt, None, 0.5)).collect();
        assert_eq!(waits, WAITS);
        assert_eq!(wait_after(1, Some(Duration::from_secs(20)), 0.5), Some(Duration::from_secs(20)));
        assert_eq!(wait_after(1, Some(Duration::from_secs(9_999)), 0.5), Some(LONGEST_ASKED));
        assert_eq!(wait_after(6, Some(Duration::from_secs(1)), 0.0), Some(Duration::from_secs(48)));
        assert_eq!(wait_after(7, Some(Duration::from_secs(1)), 0.5), None);
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
