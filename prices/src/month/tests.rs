//! Months of usage enter; what their cells cost is held against the price of the whole and against a walk unit by unit.

use super::*;
use crate::{Book, Kind, Pool, Tier};
use proptest::prelude::*;

/// An entry with bounds that small months reach.
fn entries() -> impl Strategy<Value = MeteredEntry> {
    let kind = prop_oneof![Just(Kind::Flat), Just(Kind::Tiered), Just(Kind::Volume), Just(Kind::Package)];
    let steps = prop::collection::vec((1..40_u64, 0..1_000_i128), 1..5);
    (kind, steps, 0..30_u64, 1..20_u64).prop_map(|(kind, steps, free, package)| {
        let mut tiers = Vec::new();
        let mut up_to = 0;
        for (step, price_units) in steps {
            up_to += step;
            tiers.push(Tier { up_to, price_units });
        }
        if matches!(kind, Kind::Flat | Kind::Package) {
            tiers.truncate(1);
        }
        tiers.last_mut().expect("at least one").up_to = u64::MAX;
        MeteredEntry {
            line: "l".into(),
            line_index: 0,
            integration: "i".into(),
            currency: "USD".into(),
            pool: Pool::Workspace,
            effective_from_us: 0,
            effective_until_us: i64::MAX,
            free,
            kind,
            tiers,
            package: if kind == Kind::Package { package } else { 1 },
        }
    })
}

fn cells() -> impl Strategy<Value = Vec<UsageCell>> {
    let cell = (0..4_u32, "[ab]", "[xy]", "[st]", 0..30_u64);
    let cell = cell.prop_map(|(hour, customer, endpoint, tier, quantity)| UsageCell {
        hour: hour * 3600,
        customer,
        endpoint,
        tier,
        quantity,
        ..UsageCell::default()
    });
    prop::collection::vec(cell, 0..20)
}

/// What a month costs when its units come one after the other, each priced by where it falls.
fn walk(entry: &MeteredEntry, quantity: u64) -> i128 {
    let tier_of =
        |unit: u64| entry.tiers.iter().find(|tier| unit <= tier.up_to).expect("the last has no bound");
    let mut sum = 0;
    let mut charged = 0;
    for unit in 1..=quantity {
        if unit <= entry.free {
            continue;
        }
        charged += 1;
        match entry.kind {
            Kind::Flat | Kind::Tiered => sum += tier_of(charged).price_units,
            // A unit that reaches another tier changes the price of all.
            Kind::Volume => sum = (0..charged).map(|_| tier_of(charged).price_units).sum(),
            Kind::Package if charged % entry.package == 1 || entry.package == 1 => {
                sum += entry.tiers[0].price_units;
            }
            Kind::Package => {}
        }
    }
    sum
}

proptest! {
    #[test]
    fn the_parts_sum_up_to_the_price_of_the_whole_in_any_order(
        entry in entries(), (cells, shuffled) in cells().prop_flat_map(|cells| (Just(cells.clone()), Just(cells).prop_shuffle()))
    ) {
        let (mut cells, mut shuffled) = (cells, shuffled);
        let total: u64 = cells.iter().map(|cell| cell.quantity).sum();
        let whole = entry.price_of(total).expect("small");
        prop_assert_eq!(price_cells(&entry, &mut cells), Ok(whole));
        prop_assert_eq!(cells.iter().map(|cell| cell.cost_units).sum::<i128>(), whole);
        prop_assert_eq!(price_cells(&entry, &mut shuffled), Ok(whole));
        prop_assert_eq!(cells, shuffled);
    }

    #[test]
    fn a_month_costs_what_a_walk_unit_by_unit_says(entry in entries(), quantity in 0..200_u64) {
        prop_assert_eq!(entry.price_of(quantity), Ok(walk(&entry, quantity)));
    }

    #[test]
    fn no_quantity_panics(entry in entries(), quantity in any::<u64>(), price_units in any::<i64>()) {
        let mut entry = entry;
        entry.tiers[0].price_units = i128::from(price_units.unsigned_abs()) << 40;
        let _ = entry.price_of(quantity);
    }
}

#[test]
fn beyond_the_bound_there_is_no_price_and_every_cell_costs_nothing() {
    let text = "currency: USD\nprices: [{line: a, integration: x, meter: item, model: flat, price: \"999999999\", free: 1}]";
    let book = Book::parse("prices.yaml", text).expect("a book");
    let entry = book.metered().next().expect("metered");
    let cell = |hour, quantity| UsageCell { hour, quantity, ..UsageCell::default() };
    assert_eq!(entry.price_of(1_001), Ok(999_999_999_000 * 10_i128.pow(12)));
    assert_eq!(entry.price_of(1_002), Err(TooLarge));
    let mut cells = [cell(0, 500), cell(3600, 502)];
    assert_eq!(price_cells(entry, &mut cells), Err(TooLarge));
    assert!(cells.iter().all(|cell| cell.cost_units == 0));
    assert_eq!(price_cells(entry, &mut [cell(0, u64::MAX), cell(0, 1)]), Err(TooLarge));
}

#[test]
fn months_and_instants_are_read_strictly() {
    let month = Month::parse("2026-12").expect("a month");
    assert_eq!((month.start_us(), month.end_us()), (1_796_083_200_000_000, 1_798_761_600_000_000));
    assert_eq!(month.to_string(), "2026-12");
    for text in
        ["2026-13", "2026-1", "26-01", "2026", "2026-00", "1999-12", "2100-01", "+026-01", "2026-01-01"]
    {
        assert_eq!(Month::parse(text), None, "{text}");
    }
    assert_eq!(instant("2026-12-01"), Some(month.start_us()));
    assert_eq!(instant("2026-12-01T01:00:00+01:00"), Some(month.start_us()));
    for text in ["2026-12-01T00:00", "2026-12", "2026-02-30", "", "tomorrow", "2026-12-01T00:00:00.0000001Z"]
    {
        assert_eq!(instant(text), None, "{text}");
    }
    assert!(begins_at(month.start_us()) && !begins_at(month.start_us() + 1) && !begins_at(i64::MAX));
}
