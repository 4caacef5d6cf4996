//! The views on money: usage and price lines enter as rows, costs are compared with arithmetic of the test's own, which
//! pays for each unit singly.

use super::lines;
use callmeter_harness::stack::{Stack, with_stack};
use callmeter_schemas::Amount;
use std::collections::BTreeMap;

/// 2024-02-01 00:00 UTC.
const MONTH: i64 = 1_706_745_600;

/// Last unit and price in units of 10^-12 of each tier.
type Tiers = &'static [(i64, i128)];

const LAST: i64 = i64::MAX;
const SINGLE: Tiers = &[(LAST, 1_234_567_891)];
const THREE: Tiers = &[(500, 70_000_000_000), (2_000, 13_000_000_001), (LAST, 700_000_000)];

/// form, tiers, package, free units.
type Form = (&'static str, Tiers, i64, i64);

const FORMS: [Form; 4] = [
    ("flat", SINGLE, 1, 100),
    ("tiered", THREE, 1, 30),
    ("volume", THREE, 1, 0),
    ("package", SINGLE, 250, 7),
];

/// hour, customer, endpoint.
type Place = (i64, String, String);

/// Usage of every line alike: cells and their units.
type Usage = BTreeMap<Place, i64>;

/// What the month's unit of this number adds to the price of the month.
fn unit_price((form, tiers, package, free): Form, unit: i64) -> i128 {
    let charged = unit - free;
    if charged <= 0 {
        return 0;
    }
    let at = |unit: i64| tiers.iter().find(|(up_to, _)| unit <= *up_to).map_or(0, |(_, price)| *price);
    match form {
        "volume" => at(charged) * i128::from(charged) - at(charged - 1) * i128::from(charged - 1),
        "package" if charged % package != 1 => 0,
        _ => at(charged),
    }
}

/// line and place → units of 10^-12, walking cells in order and paying for each unit.
fn by_hand(usage: &Usage) -> BTreeMap<(String, Place), i128> {
    let mut costs = BTreeMap::new();
    for form in FORMS {
        for pool in ["workspace", "customer"] {
            let mut used: BTreeMap<&str, i64> = BTreeMap::new();
            for (place, quantity) in usage {
                let used = used.entry(if pool == "customer" { &place.1 } else { "" }).or_default();
                let cost = (*used + 1..=*used + quantity).map(|unit| unit_price(form, unit)).sum();
                *used += quantity;
                costs.insert((format!("{}-{pool}", form.0), place.clone()), cost);
            }
        }
    }
    costs
}

async fn insert_prices(stack: &Stack) {
    let mut rows = Vec::new();
    let mut add = |book: &str, line: &str, from: i64, pool: &str, (form, tiers, package, free): Form| {
        let published = if book == "first" { 1 } else { 2 };
        let bound = |up_to: i64| if up_to == LAST { u64::MAX } else { up_to.unsigned_abs() };
        let bounds: Vec<u64> = tiers.iter().map(|(up_to, _)| bound(*up_to)).collect();
        let price = |units: i128| format!("'{}'", Amount::from_units(units).expect("small"));
        let prices: Vec<String> = tiers.iter().map(|(_, units)| price(*units)).collect();
        let prices = prices.join(", ");
        rows.push(format!(
            "('{book}', '{line}', 'vendor', {from}, '{pool}', 'EUR', '{form}', {free}, {bounds:?}, [{prices}], {package}, {published})"
        ));
    };
    let dear: Form = ("flat", &[(LAST, 9_000_000_000_000)], 1, 0);
    for form in FORMS {
        for pool in ["workspace", "customer"] {
            let line = format!("{}-{pool}", form.0);
            // An older book, an older and a younger version; and the one that holds.
            add("first", &line, MONTH - 86_400, pool, dear);
            add("second", &line, 0, pool, dear);
            add("second", &line, MONTH, pool, form);
            add("second", &line, MONTH + 29 * 86_400, pool, dear);
        }
    }
    // Gone from the newest book, and not yet in force.
    add("first", "gone", 0, "workspace", ("package", &[(LAST, 1_000_000_000_000)], 4, 0));
    add("second", "later", MONTH + 1, "workspace", dear);
    let sql = format!("INSERT INTO price_lines VALUES {}", rows.join(", "));
    stack.execute(&sql).await;
    // A book is published again and again.
    stack.execute(&sql).await;
}

/// Inserts usage of every line, each cell in two minutes of its hour.
async fn insert_usage(stack: &Stack, usage: &Usage) {
    let names: Vec<String> = FORMS
        .iter()
        .flat_map(|form| ["workspace", "customer"].map(|pool| format!("{}-{pool}", form.0)))
        .collect();
    let mut values = Vec::new();
    for ((hour, customer, endpoint), quantity) in usage {
        for (minute, units) in [(0, quantity - quantity / 3), (59, quantity / 3)] {
            let start = hour + minute * 60;
            let used: Vec<String> = names.iter().map(|name| format!("'{name}': {units}")).collect();
            let used = used.join(", ");
            values
                .push(format!("('data', {start}, 'm', '{customer}', 'vendor', '{endpoint}', 1, {{{used}}})"));
        }
    }
    let columns = "kind, window_start, workspace, customer, integration, endpoint, calls, usage";
    stack.execute(&format!("INSERT INTO deltas ({columns}) VALUES {}", values.join(", "))).await;
}

async fn by_view(stack: &Stack, filter: &str) -> BTreeMap<(String, Place), i128> {
    let sql = format!(
        "SELECT line, toInt64(toUnixTimestamp(hour)) AS at, customer, endpoint, toString(cost) AS money \
         FROM usage_costs WHERE workspace = 'm' AND {filter}"
    );
    let rows = stack.rows(&sql).await;
    let cell = |row: &serde_json::Value| {
        let text = |name: &str| row[name].as_str().expect("a text").to_owned();
        let cost = Amount::parse(&text("money")).expect("an amount").units();
        ((text("line"), (row["at"].as_i64().expect("a second"), text("customer"), text("endpoint"))), cost)
    };
    rows.iter().map(cell).collect()
}

/// Cells of a month, a few of them in each of its days; `seed` makes others.
fn generated(seed: i64, number: i64) -> Usage {
    let mut usage = Usage::new();
    for at in 0..number {
        let mixed = (at + 1) * 7_919 * (seed + 2);
        let place = (
            MONTH + mixed % (29 * 24) * 3600,
            ["a", "a b", "b"][(mixed / 7 % 3) as usize].to_owned(),
            ["/x", "/y"][(mixed / 11 % 2) as usize].to_owned(),
        );
        *usage.entry(place).or_default() += mixed % 23 + 1;
    }
    usage
}

#[test]
fn a_month_of_usage_costs_what_each_unit_costs_to_the_last_digit() {
    with_stack(async |stack| {
        insert_prices(stack).await;
        let mut usage = generated(0, 300);
        insert_usage(stack, &usage).await;
        let month = "month = '2024-02-01'";
        assert_eq!(by_view(stack, month).await, by_hand(&usage));

        // Late cells make those after them dearer or cheaper.
        let late = generated(1, 60);
        insert_usage(stack, &late).await;
        for (place, quantity) in late {
            *usage.entry(place).or_default() += quantity;
        }
        let wanted = by_hand(&usage);
        assert_eq!(by_view(stack, month).await, wanted);
        assert_eq!(by_view(stack, "1").await, wanted);
        assert!(wanted.values().any(|cost| *cost < 0), "volume corrects");

        // A look at a part shows the part of the whole.
        let middle = MONTH + 14 * 86_400;
        let mut part = wanted.clone();
        part.retain(|(_, (hour, customer, _)), _| customer == "b" && *hour >= middle);
        let filter = format!("customer = 'b' AND hour >= toDateTime({middle}, 'UTC')");
        assert_eq!(by_view(stack, &filter).await, part);

        // Cells sum up to the price of the month's quantity.
        let quantity: i64 = usage.values().sum();
        let at = |tier: i64, price: i128| i128::from(tier) * price;
        let totals = [
            ("flat-workspace", at(quantity - 100, 1_234_567_891)),
            ("package-workspace", at((quantity - 7 + 249) / 250, 1_234_567_891)),
            (
                "tiered-workspace",
                at(500, 70_000_000_000) + at(1_500, 13_000_000_001) + at(quantity - 2_030, 700_000_000),
            ),
            ("volume-workspace", at(quantity, 700_000_000)),
        ];
        let total =
            |(line, units): &(&str, i128)| format!("{line} {}", Amount::from_units(*units).expect("small"));
        let rest =
            format!("usage_costs WHERE {month} AND line LIKE '%-workspace' GROUP BY line ORDER BY line");
        assert_eq!(lines(stack, "line, sum(cost)", &rest).await, totals.each_ref().map(total));

        // A later book that leaves out the past of its lines takes no price from it.
        let rows = wanted.keys().map(|(line, _)| line.clone()).collect::<std::collections::BTreeSet<_>>();
        let rows: Vec<String> = rows
            .iter()
            .map(|line| {
                let pool = line.rsplit('-').next().unwrap_or_default();
                let from = MONTH + 40 * 86_400;
                format!(
                    "('third', '{line}', 'vendor', {from}, '{pool}', 'EUR', 'flat', 0, [{}], ['9'], 1, 3)",
                    u64::MAX
                )
            })
            .collect();
        stack.execute(&format!("INSERT INTO price_lines VALUES {}", rows.join(", "))).await;
        assert_eq!(by_view(stack, month).await, wanted);

        costs_and_waste(stack).await;
    });
}

/// Linear and metered costs of one hour, found by hand.
async fn costs_and_waste(stack: &Stack) {
    stack
        .execute(&format!(
            "INSERT INTO deltas (kind, window_start, workspace, customer, integration, endpoint, tier, environment, currency, \
             calls, attempts_retried, cost, cost_failed, cost_retried, unpriced, usage, usage_failed, usage_retried, \
             batchable_calls, batch_size, retry_after_asked, retry_after_ignored) VALUES \
             ('data', {MONTH}, 'h', 'a', 'vendor', '/x', 'gold', 'prod', 'EUR', 6, 2, 2, 1, 0.5, 1, {{'gone': 4}}, {{'gone': 3}}, {{}}, 4, 3, 2, 1), \
             ('data', {MONTH}, 'h', 'a', 'vendor', '/x', 'gold', 'prod', 'EUR', 4, 1, 3, 0, 0, 0, {{'gone': 6}}, {{}}, {{'gone': 2}}, 3, 3, 0, 0), \
             ('data', {MONTH} + 60, 'h', 'a', 'vendor', '/x', 'gold', 'prod', 'EUR', 1, 0, 1, 0, 0, 0, {{'later': 5}}, {{'later': 5}}, {{}}, 1, 3, 0, 0)"
        ))
        .await;
    let usage = "line, currency, quantity, cost, unpriced_quantity, failed_quantity, retried_quantity";
    let cells = "usage_costs WHERE workspace = 'h' ORDER BY line";
    // gone: 10 units are 3 packages of 4 at 1.
    assert_eq!(lines(stack, usage, cells).await, ["gone EUR 10 3 0 3 2", "later EUR 5 0 5 5 0"]);
    let columns = "day, tier, environment, currency, calls, cost, linear_cost, metered_cost, unpriced_calls, unpriced_quantity";
    let costs = lines(stack, columns, "costs WHERE workspace = 'h'").await;
    assert_eq!(costs, ["2024-02-01 gold prod EUR 11 9 6 3 1 5"]);
    // Failed: 1 + 3 × 3/10. Retried: 0.5 + 3 × 2/10. Saved: 7 - ceil(7/3) in the first minute, 1 - 1 in the second.
    // Batchable: 5 × 4/10 of the first minute and 3 × 4/11 of the hour's usage, rounded down.
    let columns = "month, cost, failed_cost, retried_cost, batchable_calls, saved_calls, batchable_cost";
    let waste = lines(stack, columns, "waste WHERE workspace = 'h' AND day = '2024-02-01'").await;
    assert_eq!(waste, ["2024-02-01 9 1.9 1.1 8 4 3.090909090909"]);
    let columns =
        "calls, first_attempts, round(retry_amplification, 3), retry_after_asked, retry_after_ignored";
    let retries = lines(stack, columns, "retries WHERE workspace = 'h' ORDER BY window_start").await;
    assert_eq!(retries, ["10 7 1.429 2 1", "1 1 1 0 0"]);
}
