//! Incidents of every kind, made from seeds, and what the judge says of them.

use super::{
    alerts::{self, Docket},
    judge::Place,
    *,
};
use crate::{
    evaluate::Evaluator,
    health::GROUP,
    rules::{RuleSet, Texts},
    transition::{State, Transition},
};
use callmeter_schemas::ErrorClass;
use jiff::Timestamp;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::{BTreeMap, BTreeSet};

/// Incidents of each kind.
const SEEDS: u64 = 60;

/// A platform on an ordinary day: vendors, each with customers, endpoints and environments.
struct World {
    cells: Vec<Cell>,
}

/// Errors by class, with their weights.
type Mix = &'static [(ErrorClass, u32)];

const OUTAGE: [Mix; 3] = [
    &[(ErrorClass::Upstream5xx, 8), (ErrorClass::Timeout, 2)],
    &[(ErrorClass::Timeout, 1)],
    &[(ErrorClass::Connect, 3), (ErrorClass::Upstream5xx, 1), (ErrorClass::Unknown, 1)],
];
const REFUSED: [Mix; 2] =
    [&[(ErrorClass::AuthExpired, 1)], &[(ErrorClass::Forbidden, 3), (ErrorClass::AuthExpired, 1)]];
const NETWORK: [Mix; 3] =
    [&[(ErrorClass::Dns, 1)], &[(ErrorClass::Connect, 2), (ErrorClass::Timeout, 1)], &[(ErrorClass::Tls, 1)]];
/// What goes wrong on any day.
const BACKGROUND: Mix = &[
    (ErrorClass::Validation, 6),
    (ErrorClass::NotFound, 4),
    (ErrorClass::RateLimited, 2),
    (ErrorClass::Upstream5xx, 1),
    (ErrorClass::Timeout, 1),
    (ErrorClass::AuthExpired, 1),
];

fn drawn(rng: &mut StdRng, mix: Mix) -> ErrorClass {
    let all: u32 = mix.iter().map(|(_, weight)| weight).sum();
    let mut at = rng.random_range(0..all);
    for (class, weight) in mix {
        match at.checked_sub(*weight) {
            Some(rest) => at = rest,
            None => return *class,
        }
    }
    ErrorClass::Unknown
}

/// Lets each call that did not fail yet fail with a chance; draws how many succeed until the next that fails.
fn fail(rng: &mut StdRng, counts: &mut Counts, chance: f64, mix: Mix) {
    let mut left = counts.calls - counts.errors.values().sum::<u64>();
    loop {
        let succeed = (rng.random_range(f64::MIN_POSITIVE..1.0).ln() / (1.0 - chance).ln()) as u64;
        let Some(rest) = left.checked_sub(succeed.saturating_add(1)) else { return };
        left = rest;
        *counts.errors.entry(drawn(rng, mix)).or_default() += 1;
    }
}

impl World {
    fn new(rng: &mut StdRng) -> Self {
        let mut cells = Vec::new();
        for integration in 0..rng.random_range(4..9) {
            // Every third vendor has one or two customers.
            let customers =
                if integration % 3 == 0 { rng.random_range(1..3) } else { rng.random_range(3..30) };
            let endpoints = rng.random_range(2..6);
            let background = rng.random_range(0.001..0.05);
            for customer in 0..customers {
                for endpoint in 0..endpoints {
                    // Customers need not call every endpoint.
                    if endpoint > 0 && rng.random_bool(0.2) {
                        continue;
                    }
                    for environment in ["eu", "us"] {
                        let a_minute = rng.random_range(1..20_u64);
                        let mut cell = Cell {
                            workspace: "w".into(),
                            integration: format!("i{integration}"),
                            endpoint: format!("GET /{endpoint}"),
                            environment: environment.into(),
                            customer: format!("c{customer}"),
                            now: Counts { calls: a_minute * 5, errors: BTreeMap::new() },
                            before: Counts { calls: a_minute * 60, errors: BTreeMap::new() },
                        };
                        fail(rng, &mut cell.now, background, BACKGROUND);
                        fail(rng, &mut cell.before, background, BACKGROUND);
                        cells.push(cell);
                    }
                }
            }
        }
        Self { cells }
    }

    fn strike(&mut self, rng: &mut StdRng, mixes: &[Mix], hit: impl Fn(&Cell) -> bool) {
        let (chance, mix) = (rng.random_range(0.5..1.0), mixes[rng.random_range(0..mixes.len())]);
        for cell in self.cells.iter_mut().filter(|cell| hit(cell)) {
            fail(rng, &mut cell.now, chance, mix);
        }
    }

    /// One value of a dimension among the cells of a kind.
    fn pick(&self, rng: &mut StdRng, of: impl Fn(&Cell) -> bool, dimension: fn(&Cell) -> &String) -> String {
        let values: BTreeSet<&String> = self.cells.iter().filter(|cell| of(cell)).map(dimension).collect();
        values
            .into_iter()
            .nth(rng.random_range(0..1_000) % values_len(&self.cells, &of, dimension))
            .expect("one")
            .clone()
    }
}

fn values_len(cells: &[Cell], of: &impl Fn(&Cell) -> bool, dimension: fn(&Cell) -> &String) -> usize {
    cells.iter().filter(|cell| of(cell)).map(dimension).collect::<BTreeSet<_>>().len()
}

const KINDS: [&str; 8] =
    ["quiet", "us", "vendor", "shared_credential", "region", "endpoint", "credential", "two at once"];

/// A day with an incident of a kind, and where it is.
fn incident(kind: &str, seed: u64) -> (World, BTreeSet<Place>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut world = World::new(&mut rng);
    let places = strike(kind, &mut world, &mut rng);
    (world, places)
}

fn strike(kind: &str, world: &mut World, rng: &mut StdRng) -> BTreeSet<Place> {
    let place = |integration: &str, scope| {
        BTreeSet::from([Place { workspace: "w".into(), integration: integration.into(), scope }])
    };
    let vendor = world.pick(rng, |_| true, |cell| &cell.integration);
    match kind {
        "quiet" => BTreeSet::new(),
        "us" => {
            world.strike(rng, &NETWORK, |_| true);
            place("", Scope::Us)
        }
        "vendor" => {
            world.strike(rng, &OUTAGE, |cell| cell.integration == vendor);
            place(&vendor, Scope::Vendor)
        }
        "shared_credential" => {
            // Of a single customer nothing is shared.
            let vendor = world.pick(rng, |cell| cell.customer == "c1", |cell| &cell.integration);
            world.strike(rng, &REFUSED, |cell| cell.integration == vendor);
            place(&vendor, Scope::SharedCredential)
        }
        "region" => {
            world.strike(rng, &OUTAGE, |cell| cell.integration == vendor && cell.environment == "eu");
            place(&vendor, Scope::Region("eu".into()))
        }
        "endpoint" => {
            let endpoint = world.pick(rng, |cell| cell.integration == vendor, |cell| &cell.endpoint);
            world.strike(rng, &OUTAGE, |cell| cell.integration == vendor && cell.endpoint == endpoint);
            place(&vendor, Scope::Endpoint(endpoint))
        }
        "credential" => {
            let customer = world.pick(rng, |cell| cell.integration == vendor, |cell| &cell.customer);
            world.strike(rng, &REFUSED, |cell| cell.integration == vendor && cell.customer == customer);
            place(&vendor, Scope::Credential(customer))
        }
        _ => {
            let kinds = ["vendor", "shared_credential", "region", "endpoint", "credential"];
            let mut places = strike(kinds[rng.random_range(0..kinds.len())], world, rng);
            // At another vendor: at the same one the wider of both is all that can be told.
            let taken = places.first().expect("one").integration.clone();
            let cells = std::mem::take(&mut world.cells);
            let (struck, others): (Vec<_>, Vec<_>) =
                cells.into_iter().partition(|cell| cell.integration == taken);
            world.cells = others;
            places.extend(strike(kinds[rng.random_range(0..kinds.len())], world, rng));
            world.cells.extend(struck);
            places
        }
    }
}

/// What was said, in a word; `right` when it is what happened.
fn said(verdicts: &[Verdict], truth: &BTreeSet<Place>) -> String {
    let places: BTreeSet<Place> = verdicts.iter().map(|verdict| verdict.place.clone()).collect();
    if places == *truth {
        return "right".into();
    }
    let words: BTreeSet<&str> = places.difference(truth).map(|place| place.scope.word()).collect();
    match words.len() {
        0 => "missed".into(),
        1 => words.into_iter().collect(),
        _ => "several".into(),
    }
}

#[test]
fn incidents_are_put_down_to_what_caused_them() {
    let mut table: BTreeMap<&str, BTreeMap<String, u64>> = BTreeMap::new();
    for kind in KINDS {
        for seed in 0..SEEDS {
            let (world, truth) = incident(kind, seed);
            let said = said(&judge(&world.cells, &BTreeSet::new()), &truth);
            *table.entry(kind).or_default().entry(said).or_default() += 1;
        }
    }
    println!("of {SEEDS} incidents of each kind:");
    for (kind, said) in &table {
        println!("{kind:18} {said:?}");
    }
    for (kind, said) in &table {
        let right = said.get("right").copied().unwrap_or(0);
        let bound = if *kind == "two at once" { 90 } else { 95 };
        assert!(right * 100 >= SEEDS * bound, "{kind}: {right} of {SEEDS} right: {said:?}");
    }
    // Nobody is woken on a quiet day.
    assert_eq!(table["quiet"].get("right"), Some(&SEEDS));
}

/// Cells of one vendor: two endpoints for each customer, with so many of ten calls failing now and of a hundred before.
fn vendor(customers: &[(&str, u64, u64)]) -> Vec<Cell> {
    let cell = |(customer, now, before): &(&str, u64, u64), endpoint: &str| {
        let counts = |calls, errors| Counts { calls, errors: [(ErrorClass::Upstream5xx, errors)].into() };
        Cell {
            workspace: "w".into(),
            integration: "crm".into(),
            endpoint: endpoint.into(),
            environment: String::new(),
            customer: (*customer).into(),
            now: counts(10, *now),
            before: counts(100, *before),
        }
    };
    customers.iter().flat_map(|customer| ["/a", "/b"].map(|endpoint| cell(customer, endpoint))).collect()
}

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(minute * 60).expect("in range")
}

#[test]
fn a_verdict_is_one_alert_that_goes_on_until_calls_succeed_again() {
    let mut evaluator = Evaluator::default();
    let mut docket = Docket::restore(&[], minute(0));
    let mut hear = |at, cells: &[Cell]| {
        assert!(docket.begin(minute(at)));
        assert!(!docket.begin(minute(at)));
        docket.hear(&mut evaluator, cells, minute(at))
    };
    assert_eq!(hear(0, &vendor(&[("a", 0, 0), ("b", 0, 0), ("c", 0, 0)])), []);
    let changes = hear(1, &vendor(&[("a", 9, 0), ("b", 8, 0), ("c", 0, 0)]));
    let [fired] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(
        (fired.state, fired.rule.as_str(), fired.value),
        (State::Firing, alerts::INTEGRATION_FAULT, 2.0)
    );
    assert_eq!(fired.annotations["summary"], "crm fails: 2 customers affected");
    assert_eq!((fired.labels["scope"].as_str(), fired.labels["severity"].as_str()), ("vendor", "page"));
    // It has become usual, and a restart comes between; then calls succeed again.
    assert_eq!(hear(2, &vendor(&[("a", 9, 90), ("b", 2, 90), ("c", 0, 90)])), []);
    let own = alerts::keys().map(|key| (key, alerts::DIMENSIONS));
    let (mut evaluator, orphans) = Evaluator::restore(&RuleSet::default(), &own, &changes, minute(3));
    assert_eq!(orphans, []);
    let mut docket = Docket::restore(&changes, minute(3));
    let usual = vendor(&[("a", 9, 90), ("b", 2, 90), ("c", 0, 90)]);
    assert_eq!(docket.hear(&mut evaluator, &usual, minute(3)), []);
    let well = docket.hear(&mut evaluator, &vendor(&[("a", 1, 90), ("b", 0, 90), ("c", 0, 90)]), minute(4));
    assert_eq!(well.len(), 1, "{well:?}");
    assert_eq!((well[0].state, &well[0].fingerprint), (State::Resolved, &fired.fingerprint));
}

#[test]
fn one_customers_alert_names_the_customer_and_pages_nobody() {
    let cells = vendor(&[("a", 10, 0), ("b", 0, 0)]);
    let changes = Docket::restore(&[], minute(0)).hear(&mut Evaluator::default(), &cells, minute(0));
    let [fired] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!((fired.rule.as_str(), fired.labels["customer"].as_str()), (alerts::CREDENTIAL_FAULT, "a"));
    assert_eq!(fired.labels["severity"], "warning");
    assert_eq!(fired.annotations["summary"], "crm fails for a only");
}

const RULES: &str = "
groups:
- name: g
  rules:
  - {alert: Fails, metric: error_rate, window: 5m, op: '>', threshold: 0.1, group_by: [customer, integration]}
  - {alert: Payments, metric: error_rate, window: 5m, op: '>', threshold: 0.1, group_by: [integration], filter: {endpoint: /pay}}
  - {alert: Crm, metric: error_rate, window: 5m, op: '>', threshold: 0.1, group_by: [customer], filter: {integration: crm}}
  - {alert: Invalid, metric: errors, window: 5m, op: '>', threshold: 1, group_by: [integration], filter: {error_class: validation}}
  - {alert: Slow, metric: latency_p95, window: 5m, op: '>', threshold: 1, group_by: [integration]}
  - {alert: Costs, metric: cost, window: 5m, op: '>', threshold: 1, group_by: [customer, integration]}
";

/// An alert with these labels, such as `integration=crm customer=a`.
fn alert(group: &str, rule: &str, labels: &str) -> Transition {
    let labels: Texts = labels
        .split(' ')
        .filter_map(|label| label.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Transition {
        id: String::new(),
        workspace: "w".into(),
        rule_group: group.into(),
        rule: rule.into(),
        fingerprint: String::new(),
        labels,
        annotations: Texts::new(),
        state: State::Firing,
        value: 1.0,
        threshold: 0.0,
        at: minute(0),
        starts_at: minute(0),
        ends_at: None,
    }
}

#[test]
fn verdicts_make_those_alerts_needless_that_they_explain() {
    let inhibition = Inhibition::new(&RuleSet::parse([("f", RULES)]).expect("valid"));
    let verdict = |scope: &str| alert(GROUP, alerts::INTEGRATION_FAULT, scope);
    for (source, rule, target, wanted) in [
        ("scope=vendor integration=crm", "Fails", "integration=crm customer=a", true),
        ("scope=vendor integration=crm", "Fails", "integration=mail customer=a", false),
        ("scope=vendor integration=crm", "Fails", "customer=a", false),
        ("scope=vendor integration=crm", "Costs", "integration=crm customer=a", false),
        ("scope=us", "Fails", "integration=mail customer=a", true),
        ("scope=us", "Costs", "integration=mail customer=a", false),
        ("scope=endpoint integration=crm endpoint=/a", "Fails", "integration=crm customer=a", true),
        ("scope=endpoint integration=crm endpoint=/a", "Fails", "integration=crm endpoint=/b", false),
        ("scope=region integration=crm environment=eu", "Fails", "integration=crm environment=us", false),
        ("scope=credential integration=crm customer=a", "Fails", "integration=crm customer=a", true),
        ("scope=credential integration=crm customer=a", "Fails", "integration=crm customer=b", false),
        ("scope=endpoint integration=crm endpoint=/pay", "Payments", "integration=crm", true),
        ("scope=endpoint integration=crm endpoint=/search", "Payments", "integration=crm", false),
        ("scope=vendor integration=crm", "Crm", "customer=a", true),
        ("scope=vendor integration=mail", "Crm", "customer=a", false),
        ("scope=vendor integration=crm", "Invalid", "integration=crm", false),
        ("scope=us", "Invalid", "integration=crm", false),
        ("scope=vendor integration=crm", "Slow", "integration=crm", true),
        ("scope=shared_credential integration=crm", "Slow", "integration=crm", false),
    ] {
        let target = alert("g", rule, target);
        assert_eq!(inhibition.inhibits(&verdict(source), &target), wanted, "{source}: {rule} {target:?}");
        assert!(!inhibition.inhibits(&target, &verdict(source)));
        let resolved = Transition { state: State::Resolved, ..verdict(source) };
        assert!(!inhibition.inhibits(&resolved, &target));
        let elsewhere = Transition { workspace: "other".into(), ..target };
        assert!(!inhibition.inhibits(&verdict(source), &elsewhere));
    }
    let (whole, part) =
        (verdict("scope=vendor integration=crm"), verdict("scope=endpoint integration=crm endpoint=/a"));
    assert!(inhibition.inhibits(&whole, &part) && !inhibition.inhibits(&part, &whole));
    assert!(!inhibition.inhibits(&whole, &whole) && !inhibition.inhibits(&verdict("scope=us"), &whole));
}
