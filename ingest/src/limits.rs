//! Token buckets, one per API key: a key, an amount and the time enter, leave to go on or a wait leaves.
//!
//! A bucket may fall below zero by one batch per open request, because how many events a body holds is
//! known only after it was read; requests are then refused, before their body is read, until it is above
//! zero again.
//! Promise: no clock; as many buckets as there are keys.

use dashmap::DashMap;
use std::time::Duration;

/// Rate and burst of every bucket, in events.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// Events per second; 0 sets no limit.
    pub per_second: u32,
    /// Events that may come at once after a quiet time.
    pub burst: u32,
}

#[derive(Clone, Copy)]
struct Bucket {
    level: f64,
    at: Duration,
}

/// The buckets.
pub struct Buckets {
    rate: Rate,
    by_key: DashMap<String, Bucket>,
}

impl Buckets {
    /// Full buckets of a rate.
    pub fn new(rate: Rate) -> Self {
        Self { rate, by_key: DashMap::new() }
    }

    /// Whether a key may go on at `now`; else how many whole seconds it should wait.
    pub fn check(&self, key: &str, now: Duration) -> Result<(), u64> {
        let level = self.change(key, now, 0);
        if level > 0.0 {
            return Ok(());
        }
        Err(((1.0 - level) / f64::from(self.rate.per_second)).ceil().max(1.0) as u64)
    }

    /// Takes events out of a key's bucket.
    pub fn charge(&self, key: &str, now: Duration, events: usize) {
        self.change(key, now, events);
    }

    fn change(&self, key: &str, now: Duration, events: usize) -> f64 {
        let (rate, burst) = (f64::from(self.rate.per_second), f64::from(self.rate.burst));
        if self.rate.per_second == 0 {
            return burst.max(1.0);
        }
        let turn = |bucket: &mut Bucket| {
            let passed = now.saturating_sub(bucket.at).as_secs_f64();
            bucket.level = (bucket.level + passed * rate).min(burst) - events as f64;
            bucket.at = bucket.at.max(now);
            bucket.level
        };
        if let Some(mut bucket) = self.by_key.get_mut(key) {
            return turn(&mut bucket);
        }
        turn(&mut self.by_key.entry(key.to_owned()).or_insert(Bucket { level: burst, at: now }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_beyond_its_rate_waits_and_another_does_not() {
        let buckets = Buckets::new(Rate { per_second: 10, burst: 20 });
        let at = Duration::from_secs;
        assert_eq!(buckets.check("a", at(0)), Ok(()));
        buckets.charge("a", at(0), 50);
        assert_eq!(buckets.check("a", at(0)), Err(4));
        assert_eq!(buckets.check("b", at(0)), Ok(()));
        assert_eq!(buckets.check("a", at(3)), Err(1));
        assert_eq!(buckets.check("a", at(4)), Ok(()));
        buckets.charge("a", at(1_000), 20);
        assert_eq!(buckets.check("a", at(1_000)), Err(1));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let buckets = Buckets::new(Rate { per_second: 0, burst: 0 });
        buckets.charge("a", Duration::ZERO, 1_000_000);
        assert_eq!(buckets.check("a", Duration::ZERO), Ok(()));
    }
}
