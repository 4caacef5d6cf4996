//! Names of calls enter, which of them become `other` is compared.

use super::*;

const NOW: i64 = 1_795_176_000_000_000;

fn names<'n>(customer: &'n str, integration: &'n str, endpoint: &'n str) -> Names<'n> {
    Names { workspace: "w", customer, integration, endpoint, tier: "gold", environment: "production" }
}

fn small(most: usize) -> Cardinality {
    Cardinality::with_most(Bounds { integrations: 2, endpoints: 3, quotas: 2 }, most)
}

#[test]
fn names_beyond_the_bounds_become_other_and_known_ones_stay() {
    let seen = small(1_000);
    let check = |integration, endpoint| {
        let Capped { integration, endpoint } = seen.check(&names("acme", integration, endpoint), NOW);
        (integration, endpoint)
    };
    assert_eq!(check("a", "1"), (false, false));
    assert_eq!(check("b", "1"), (false, false));
    assert_eq!(check("c", "1"), (true, false), "the third integration");
    assert_eq!(check("d", "2"), (true, false), "both are other, other");
    assert_eq!(check("a", "2"), (false, true), "the fourth combination");
    assert_eq!(check("a", "1"), (false, false));
    assert_eq!(check(OTHER, "1"), (false, true));
    assert_eq!(seen.check(&names("globex", "z", "1"), NOW), Capped::default(), "another customer");
    let all_other = Names { tier: OTHER, environment: OTHER, ..names("acme", "a", OTHER) };
    assert_eq!(seen.check(&all_other, NOW), Capped::default());
}

#[test]
fn limits_beyond_the_bound_are_one_that_is_called_other() {
    let seen = small(1_000);
    let check = |customer, integration, policies: &[&str], wanted: &[&str]| {
        let quota = |policy: &&str| QuotaObservation {
            policy: (*policy).to_owned(),
            scope: if *policy == OTHER { OTHER } else { "s" }.to_owned(),
            ..QuotaObservation::default()
        };
        let mut quotas: Vec<_> = policies.iter().map(quota).collect();
        let capped = seen.cap_quotas(&Whose { workspace: "w", customer, integration }, &mut quotas, NOW);
        let kept: Vec<_> = quotas.iter().map(|one| format!("{} {}", one.policy, one.scope)).collect();
        assert_eq!(kept, wanted, "{policies:?}");
        capped
    };
    for _ in ["first", "known"] {
        assert!(!check("acme", "a", &["1", "2"], &["1 s", "2 s"]));
        assert!(check("acme", "a", &["3", "1", "4"], &["other other", "1 s"]));
        assert!(!check("initech", "a", &[OTHER, "1", OTHER], &["other other", "1 s"]), "its own words");
    }
    assert!(check("acme", "b", &["1"], &["other other"]), "another integration has limits of its own");
    assert!(!check("globex", "a", &["9"], &["9 s"]));
}

#[test]
fn a_new_day_counts_anew_and_a_clock_that_goes_back_does_not() {
    let seen = small(1_000);
    for integration in ["a", "b", "c"] {
        seen.check(&names("acme", integration, ""), NOW);
    }
    assert!(seen.check(&names("acme", "c", ""), NOW - DAY_US).integration);
    assert!(!seen.check(&names("acme", "c", ""), NOW + DAY_US).integration);
}

#[test]
fn the_oldest_customers_are_forgotten_when_memory_is_full() {
    let seen = small(64 * 40 / SHARDS);
    for number in 0..10_000 {
        seen.check(&names(&number.to_string(), "a", "1"), NOW);
    }
    let held = |shard: &Mutex<Shard>| {
        let shard = shard.lock().expect("no panic");
        assert_eq!(shard.order.len(), shard.customers.len());
        assert_eq!(
            shard.hashes,
            shard.customers.values().map(|customer| customer.hashes() + CUSTOMER).sum::<usize>()
        );
        shard.hashes
    };
    assert!(seen.shards.iter().map(held).all(|hashes| hashes <= 40));
    for integration in ["a", "b"] {
        seen.check(&names("9999", integration, "1"), NOW);
    }
    assert!(seen.check(&names("9999", "c", "1"), NOW).integration, "the latest is still known");
}
