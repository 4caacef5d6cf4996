//! How many names a customer may have: the names of one call enter, what of them becomes `other` leaves.
//!
//! Per workspace and customer, UTC day and process: a bound on integrations, one on combinations of integration,
//! endpoint, tier and environment, and one on limits, which vendors and senders name. Names are kept as 64-bit hashes under a secret of the process.
//! Promise: no clock; no more than [`MOST_NAMES`] hashes in memory (about 50 MB): beyond that the customers that
//! came first in the day are forgotten, and their counts begin anew; few requests ever wait for each other. Not
//! promised: bounds over several processes together, bounds on names that were admitted before their customer was
//! forgotten or the clock went back by a day, and bounds on a sender who finds names with one hash: it is a fast one, not a
//! cryptographic one.

use callmeter_schemas::QuotaObservation;
use foldhash::quality::RandomState;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// What stands for names beyond a bound.
pub const OTHER: &str = "other";

/// Most hashes over all customers, up to 24 bytes each.
pub const MOST_NAMES: usize = 2_000_000;
/// What a customer takes beside its hashes, counted as hashes.
const CUSTOMER: usize = 12;

/// Parts that are locked on their own.
const SHARDS: usize = 64;
/// Calls whose names, or whose limits, were all admitted lately; 512 KiB, of which one line is looked at instead of a dozen.
const RECENT: usize = 1 << 16;
const DAY_US: i64 = 24 * 60 * 60 * 1_000_000;

/// The bounds of one customer and day.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most integrations.
    pub integrations: usize,
    /// Most combinations of integration, endpoint, tier and environment.
    pub endpoints: usize,
    /// Most combinations of integration, quota policy and scope.
    pub quotas: usize,
}

/// The names of one call that are counted.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Names<'n> {
    /// The workspace.
    pub workspace: &'n str,
    /// The customer.
    pub customer: &'n str,
    /// The integration.
    pub integration: &'n str,
    /// The endpoint.
    pub endpoint: &'n str,
    /// The tier.
    pub tier: &'n str,
    /// The environment.
    pub environment: &'n str,
}

/// Whose limits are counted.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Whose<'n> {
    /// The workspace.
    pub workspace: &'n str,
    /// The customer.
    pub customer: &'n str,
    /// The integration.
    pub integration: &'n str,
}

/// Which names of a call become [`OTHER`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capped {
    /// The integration, and the endpoint with it.
    pub integration: bool,
    /// Endpoint, tier and environment.
    pub endpoint: bool,
}

/// What was seen today.
#[derive(Debug)]
pub struct Cardinality {
    bounds: Bounds,
    /// Most hashes in one shard.
    most: usize,
    secret: RandomState,
    /// Hashes of the names, or limits, of such calls and their day, each at its end.
    recent: Vec<AtomicU64>,
    shards: Vec<Mutex<Shard>>,
}

type Hashes = HashSet<u64, BuildHasherDefault<AsItIs>>;

#[derive(Debug, Default)]
struct Shard {
    day: i64,
    hashes: usize,
    customers: HashMap<u64, Customer, BuildHasherDefault<AsItIs>>,
    /// Customers in the order in which they came.
    order: VecDeque<u64>,
}

#[derive(Debug, Default)]
struct Customer {
    integrations: Hashes,
    combinations: Hashes,
    quotas: Hashes,
}

/// Hashes are spread already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Cardinality {
    /// Nothing seen yet.
    pub fn new(bounds: Bounds) -> Self {
        Self::with_most(bounds, MOST_NAMES / SHARDS)
    }

    fn with_most(bounds: Bounds, most: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        let recent = (0..RECENT).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, most, secret: RandomState::default(), recent, shards }
    }

    /// Counts the names of a call that is received now; says which of them are beyond the bounds.
    pub fn check(&self, names: &Names<'_>, now_us: i64) -> Capped {
        let call = self.hash((names, now_us.div_euclid(DAY_US)));
        self.unless_recent(call, || self.count(names, now_us))
    }

    /// Counts what has this hash, unless it was all admitted lately; says what became of it, by default nothing.
    fn unless_recent<T: Default + PartialEq>(&self, hash: u64, count: impl FnOnce() -> T) -> T {
        let recent = &self.recent[hash as usize % RECENT];
        if recent.load(Relaxed) == hash {
            return T::default();
        }
        let changed = count();
        if changed == T::default() {
            recent.store(hash, Relaxed);
        }
        changed
    }

    fn count(&self, names: &Names<'_>, now_us: i64) -> Capped {
        let customer = self.hash((names.workspace, names.customer));
        let mut shard = self.shard(customer, now_us);
        let seen = shard.customer(customer);
        let before = seen.hashes();
        let mut capped = Capped::default();
        let (mut integration, mut endpoint) = (names.integration, names.endpoint);
        if integration != OTHER
            && !admitted(&mut seen.integrations, self.hash(integration), self.bounds.integrations)
        {
            capped.integration = true;
            (integration, endpoint) = (OTHER, OTHER);
        }
        let others = [endpoint, names.tier, names.environment].iter().all(|name| *name == OTHER);
        let combination = self.hash((integration, endpoint, names.tier, names.environment));
        capped.endpoint = !others && !admitted(&mut seen.combinations, combination, self.bounds.endpoints);
        let added = seen.hashes() - before;
        shard.grow(added, customer, self.most);
        capped
    }

    /// Counts the limits of a call that is received now; those beyond the bound become one, called [`OTHER`], and the
    /// first of them stays. Says whether there were any.
    pub fn cap_quotas(&self, whose: &Whose<'_>, quotas: &mut Vec<QuotaObservation>, now_us: i64) -> bool {
        let (mut hasher, told) = (self.secret.build_hasher(), quotas.len());
        (whose, now_us.div_euclid(DAY_US)).hash(&mut hasher);
        quotas.iter().for_each(|one| (&one.policy, &one.scope).hash(&mut hasher));
        let (capped, _joined) = self.unless_recent(hasher.finish(), || {
            let capped = self.count_quotas(whose, quotas, now_us);
            (capped, quotas.len() < told)
        });
        capped
    }

    fn count_quotas(&self, whose: &Whose<'_>, quotas: &mut Vec<QuotaObservation>, now_us: i64) -> bool {
        let customer = self.hash((whose.workspace, whose.customer));
        let mut shard = self.shard(customer, now_us);
        let seen = shard.customer(customer);
        let before = seen.hashes();
        let (mut capped, mut others) = (false, 0);
        quotas.retain_mut(|one| {
            let other = one.policy == OTHER && one.scope == OTHER;
            let hash = self.hash((whose.integration, &one.policy, &one.scope));
            if !other && !admitted(&mut seen.quotas, hash, self.bounds.quotas) {
                capped = true;
                [&mut one.policy, &mut one.scope].into_iter().for_each(|name| OTHER.clone_into(name));
            } else if !other {
                return true;
            }
            others += 1;
            others == 1
        });
        let added = seen.hashes() - before;
        shard.grow(added, customer, self.most);
        capped
    }

    /// The part that knows a customer, on the day of now.
    fn shard(&self, customer: u64, now_us: i64) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[(customer >> 32) as usize % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.begin(now_us.div_euclid(DAY_US));
        shard
    }

    fn hash(&self, names: impl Hash) -> u64 {
        self.secret.hash_one(names)
    }
}

/// Whether a name is known or there is room for it.
fn admitted(names: &mut Hashes, hash: u64, most: usize) -> bool {
    if names.len() >= most {
        return names.contains(&hash);
    }
    names.insert(hash);
    true
}

impl Shard {
    /// A new day forgets the one before. A clock that goes back does not.
    fn begin(&mut self, day: i64) {
        if day > self.day {
            *self = Self { day, ..Self::default() };
        }
    }

    fn customer(&mut self, hash: u64) -> &mut Customer {
        if !self.customers.contains_key(&hash) {
            self.order.push_back(hash);
            self.hashes += CUSTOMER;
        }
        self.customers.entry(hash).or_default()
    }

    /// Counts new hashes and forgets the oldest customers, but not the one at hand, until all fit.
    fn grow(&mut self, added: usize, current: u64, most: usize) {
        self.hashes += added;
        while self.hashes > most && self.order.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { return };
            if oldest == current {
                self.order.push_back(oldest);
            } else if let Some(gone) = self.customers.remove(&oldest) {
                self.hashes -= gone.hashes() + CUSTOMER;
            }
        }
    }
}

impl Customer {
    fn hashes(&self) -> usize {
        self.integrations.len() + self.combinations.len() + self.quotas.len()
    }
}

#[cfg(test)]
mod tests;
