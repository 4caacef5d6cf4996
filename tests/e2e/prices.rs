//! A month of generated usage, priced three ways: by the program, by the view and by the oracle's own arithmetic.

use crate::intake::same_as_oracle;
use callmeter_harness::{
    oracle::{self, Oracle},
    producer::{Direct, event},
    stack::{PRICES, Stack, eventually, with_stack},
    tariff,
};
use callmeter_schemas::CallEvent;
use jiff::{ToSpan, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// An event of the month, without a cost of its own.
fn usage(number: u64, month: Date) -> CallEvent {
    let minutes = number.wrapping_mul(2_654_435_761) % (28 * 24 * 60);
    let base = event(number);
    CallEvent {
        id: format!("month-{number}"),
        time_us: tariff::start_us(month) + minutes as i64 * 60_000_000,
        customer: format!("customer-{}", number % 7),
        cost: None,
        retry_at_us: None,
        ..base
    }
}

/// hour, customer, endpoint, tier, environment of one cell of a line's usage, in the order of pricing.
type Place = (i64, String, String, String, String);

/// What each cell of each pool costs, by the oracle: line, pool and place → quantity and units of 10^-12.
fn by_oracle(
    truth: &oracle::Truth,
    month: Date,
    package: i128,
) -> BTreeMap<(String, String, Place), (i64, i128)> {
    let (begin, end) =
        (tariff::start_us(month) / 1_000_000, tariff::start_us(month.saturating_add(1.month())) / 1_000_000);
    let mut pools: BTreeMap<(String, String), BTreeMap<Place, i64>> = BTreeMap::new();
    for (key, cell) in &truth.cells {
        let [window, customer, _, endpoint, tier, environment, ..] = key.clone();
        let window: i64 = window.parse().expect("a second");
        if !(begin..end).contains(&window) {
            continue;
        }
        for (line, quantity) in &cell.usage {
            let pool = if tariff::per_customer(line) { customer.clone() } else { String::new() };
            let place =
                (window / 3600 * 3600, customer.clone(), endpoint.clone(), tier.clone(), environment.clone());
            *pools.entry((line.clone(), pool)).or_default().entry(place).or_default() += quantity;
        }
    }
    let mut costs = BTreeMap::new();
    for ((line, pool), cells) in pools {
        let mut before = 0;
        for (place, quantity) in cells {
            let cost =
                tariff::month(&line, before + quantity, package) - tariff::month(&line, before, package);
            before += quantity;
            costs.insert((line.clone(), pool.clone(), place), (quantity, cost));
        }
    }
    costs
}

async fn by_view(stack: &Stack, month: Date) -> BTreeMap<(String, String, Place), (i64, i128)> {
    let sql = format!(
        "SELECT line, customer, toInt64(toUnixTimestamp(hour)) AS hour, endpoint, tier, environment, \
         toInt64(quantity) AS quantity, toString(toInt128(cost * 1000000000000)) AS units, currency, unpriced_quantity \
         FROM usage_costs WHERE month = '{month}'"
    );
    let mut costs = BTreeMap::new();
    for row in stack.rows(&sql).await {
        let text = |name: &str| row[name].as_str().expect("a text").to_owned();
        assert_eq!((text("currency").as_str(), &row["unpriced_quantity"]), ("EUR", &json!(0)), "{row}");
        let (line, customer) = (text("line"), text("customer"));
        let pool = if tariff::per_customer(&line) { customer.clone() } else { String::new() };
        let hour = row["hour"].as_i64().expect("a second");
        let place = (hour, customer, text("endpoint"), text("tier"), text("environment"));
        let cost = text("units").parse().expect("an integer");
        let twice = costs.insert((line, pool, place), (row["quantity"].as_i64().expect("a quantity"), cost));
        assert!(twice.is_none(), "one row for each cell: {row}");
    }
    costs
}

/// Line and customer → units of 10^-12, as `prices explain --month` says.
fn by_program(stack: &Stack, month: Date) -> BTreeMap<(String, String), i128> {
    let month = month.strftime("%Y-%m").to_string();
    let output = stack
        .command(&format!("prices explain --month {month} --workspace test --json"))
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value, name: &str| value[name].as_str().expect("a text").to_owned();
    let units =
        |value: &Value| callmeter_schemas::Amount::parse(&text(value, "cost")).expect("an amount").units();
    let mut parts = BTreeMap::new();
    for pool in list(&told, "pools") {
        let sum: i128 = list(&pool, "parts").iter().map(units).sum();
        assert_eq!(sum, units(&pool["price"]), "the parts are the whole: {pool}");
        for part in list(&pool, "parts") {
            *parts.entry((text(&pool, "line"), text(&part, "customer"))).or_default() += units(&part);
        }
    }
    parts
}

#[track_caller]
fn same(
    truth: &oracle::Truth,
    view: &BTreeMap<(String, String, Place), (i64, i128)>,
    month: Date,
    package: i128,
) {
    let wanted = by_oracle(truth, month, package);
    assert_eq!(view.len(), wanted.len(), "cells");
    for (key, cell) in &wanted {
        assert_eq!(view.get(key), Some(cell), "{key:?}");
    }
}

/// The same by line and customer.
fn sums(cells: &BTreeMap<(String, String, Place), (i64, i128)>) -> BTreeMap<(String, String), i128> {
    let mut sums = BTreeMap::new();
    for ((line, _, place), (_, cost)) in cells {
        *sums.entry((line.clone(), place.1.clone())).or_default() += cost;
    }
    sums
}

#[test]
fn a_month_costs_the_same_by_program_view_and_oracle_whatever_comes_late() {
    with_stack(async |stack| {
        stack.role("aggregate", &[]).await;
        let (month, direct) = (tariff::last_month(), Direct::new(&stack.kafka));
        let mut oracle = Oracle::new(&stack.kafka, stack.horizon);
        (0..4_000).for_each(|number| direct.event(&usage(number, month)));
        // Some are sent again, and some belong to this month.
        (0..400).for_each(|number| direct.event(&usage(number * 7, month)));
        (0..500).for_each(|number| direct.event(&event(number)));
        direct.flush();
        same_as_oracle(stack).await;
        let truth = oracle.catch_up();
        let first = by_view(stack, month).await;
        same(truth, &first, month, tariff::PACKAGE);
        assert_eq!(by_program(stack, month), sums(&first));
        assert!(first.values().any(|(_, cost)| *cost > 0), "something costs something");

        // A corrected book comes into force without a restart, and late events of the month arrive under it.
        let before = stack.rows("SELECT DISTINCT price_book FROM ledger").await;
        std::fs::write(stack.folder.path().join(PRICES), tariff::corrected_book()).expect("written");
        let number = Cell::new(10_000);
        eventually("batches are priced by the corrected book", Duration::from_secs(30), async || {
            direct.event(&usage(number.replace(number.get() + 1), month));
            direct.flush();
            match stack.rows("SELECT DISTINCT price_book FROM ledger").await.len() {
                2.. => Ok(()),
                _ => Err(format!("{before:?}")),
            }
        })
        .await;
        (4_000..5_000).for_each(|number| direct.event(&usage(number, month)));
        direct.flush();
        same_as_oracle(stack).await;
        let truth = oracle.catch_up();
        let second = by_view(stack, month).await;
        same(truth, &second, month, tariff::CORRECTED_PACKAGE);
        assert_eq!(by_program(stack, month), sums(&second));
        assert_ne!(sums(&first), sums(&second), "late events cost, and the package is cheaper");

        // A process that comes back with the old file changes no price, and says that it is behind.
        std::fs::write(stack.folder.path().join(PRICES), tariff::book()).expect("written");
        stack.kill(0);
        stack.restart(0);
        stale(stack).await;
        assert_eq!(by_view(stack, month).await, second);
        std::fs::write(stack.folder.path().join(PRICES), tariff::corrected_book()).expect("written");

        // All money stands in `costs`, once.
        let all = "SELECT toString(toInt128(sum(cost) * 1000000000000)) AS cost, toInt64(sum(calls)) AS calls FROM costs \
            WHERE currency = 'EUR'";
        let linear =
            truth.cells.iter().filter(|(key, _)| key[6] == "EUR").map(|(_, cell)| cell.cost).sum::<i128>();
        let metered: i128 = oracle_months(truth).values().sum();
        let calls: i64 =
            truth.cells.iter().filter(|(key, _)| key[6] == "EUR").map(|(_, cell)| cell.calls).sum();
        assert_eq!(stack.rows(all).await, [json!({"cost": (linear + metered).to_string(), "calls": calls})]);

        // A book with a mistake changes nothing and says so.
        std::fs::write(stack.folder.path().join(PRICES), "currency: euro\n").expect("written");
        stale(stack).await;
        (5_000..5_100).for_each(|number| direct.event(&usage(number, month)));
        direct.flush();
        same_as_oracle(stack).await;
    });
}

async fn stale(stack: &Stack) {
    eventually(
        "the metric tells that the file is not in force",
        Duration::from_secs(30),
        async || match stack.metric(0, "callmeter_aggregator_price_book_stale").await? {
            1.0 => Ok(()),
            other => Err(other.to_string()),
        },
    )
    .await;
}

/// The metered cost of every month in the log.
fn oracle_months(truth: &oracle::Truth) -> BTreeMap<Date, i128> {
    let month = |key: &oracle::Key| {
        let second = key[0].parse().expect("a second");
        let at = jiff::Timestamp::from_second(second).expect("in range");
        at.to_zoned(TimeZone::UTC).date().first_of_month()
    };
    let months: BTreeSet<Date> = truth.cells.keys().map(month).collect();
    months
        .into_iter()
        .map(|month| {
            (month, by_oracle(truth, month, tariff::CORRECTED_PACKAGE).values().map(|(_, cost)| cost).sum())
        })
        .collect()
}
