//! One month: hourly usage and the cost that needs no month enter, each pool with its arithmetic leaves.
//!
//! With a customer asked for, its part of each pool leaves beside the arithmetic of the whole pool.

mod text;

use super::attempt::rfc3339;
use crate::{
    book::Book,
    document::Pool,
    metered::{Bracket, Kind, MeteredEntry},
    month::{Month, UsageCell, price_cells},
    number::{counted, grouped, money},
};
use serde::Serialize;
use std::collections::BTreeMap;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The month.
    pub month: Month,
    /// Only this customer's part.
    pub customer: Option<&'a str>,
    /// Only this integration.
    pub integration: Option<&'a str>,
}

/// The usage of one hour under one key.
#[derive(Clone, Debug, Default)]
pub struct UsageRow {
    /// The workspace.
    pub workspace: String,
    /// The key, without quantity.
    pub cell: UsageCell,
    /// Units by line.
    pub usage: Vec<(String, u64)>,
}

/// The cost of a month that was priced or told with the attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the rollup column of its name")]
pub struct CostRow {
    pub workspace: String,
    pub customer: String,
    pub integration: String,
    pub currency: String,
    /// Units of 10^-12.
    pub cost_units: i128,
    /// Attempts that have no exact price.
    pub unpriced: u64,
}

/// What a month costs and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Such as `2026-11`.
    pub month: String,
    /// The customer that was asked for.
    pub customer: Option<String>,
    /// Id of the price book.
    pub book: String,
    /// Usage that counts together, by workspace, line and customer.
    pub pools: Vec<PoolPrice>,
    /// Cost that was priced or told with the attempts.
    pub attempts: Vec<AttemptsCost>,
    /// Sums by currency, of what was asked for.
    pub totals: BTreeMap<String, String>,
}

/// Cost that was priced or told with the attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs, reason = "each is the rollup column of its name")]
pub struct AttemptsCost {
    pub workspace: String,
    pub customer: String,
    pub integration: String,
    pub currency: String,
    pub cost: String,
    /// Attempts that have no exact price.
    pub unpriced: u64,
}

/// One pool of one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolPrice {
    /// The workspace.
    pub workspace: String,
    /// The line.
    pub line: String,
    /// Its integration, when the book prices the line.
    pub integration: Option<String>,
    /// The customer, for a pool of its own.
    pub pool_of: Option<String>,
    /// Units of the whole pool.
    pub usage: u64,
    /// How they are priced; `None` when the book has no price for the month.
    pub price: Option<Price>,
    /// Why there is no price.
    pub unpriced: Option<String>,
    /// Customers and their parts, all or the one that was asked for.
    pub parts: Vec<Part>,
}

/// The price of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Price {
    /// Word of the model.
    pub model: &'static str,
    /// From when the prices hold, RFC 3339.
    pub effective_from: String,
    /// Free units, as many as were used.
    pub free: u64,
    /// Products, such as `1,000,000 × 0.0079 = 7,900`.
    pub arithmetic: Vec<String>,
    /// Their sum.
    pub cost: String,
    /// ISO 4217.
    pub currency: String,
}

/// One customer's part of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The customer.
    pub customer: String,
    /// Its units.
    pub usage: u64,
    /// What they cost; `None` when the pool has no price.
    pub cost: Option<String>,
    #[serde(skip)]
    cost_units: i128,
}

/// Workspace, line, and the customer where it has a pool of its own.
type PoolKey = (String, String, Option<String>);

/// Explains a month. `usage` is all of its usage, of every customer; `costs` may be of the customer alone.
pub fn explain(book: &Book, question: &Question<'_>, usage: Vec<UsageRow>, costs: &[CostRow]) -> Explanation {
    let mut totals: BTreeMap<String, i128> = BTreeMap::new();
    let asked = |customer: &str| question.customer.is_none_or(|asked| asked == customer);
    let mut pools = Vec::new();
    for (key, cells) in by_pool(book, question.month, usage) {
        let entry = book.metered_in(&key.1, question.month.start_us());
        let elsewhere =
            |asked: &str| entry.map_or(cells[0].integration.as_str(), |entry| &entry.integration) != asked;
        if question.integration.is_some_and(elsewhere) {
            continue;
        }
        let mut pool = pool(key, entry, cells);
        pool.parts.retain(|part| asked(&part.customer));
        if pool.parts.is_empty() {
            continue;
        }
        if let Some(price) = &pool.price {
            let sum: i128 = pool.parts.iter().map(|part| part.cost_units).sum();
            *totals.entry(price.currency.clone()).or_default() += sum;
        }
        pools.push(pool);
    }
    let wanted = |row: &&CostRow| {
        asked(&row.customer) && question.integration.is_none_or(|asked| asked == row.integration)
    };
    let mut attempts = Vec::new();
    for row in costs.iter().filter(wanted) {
        if row.cost_units != 0 {
            *totals.entry(row.currency.clone()).or_default() += row.cost_units;
        }
        attempts.push(AttemptsCost {
            workspace: row.workspace.clone(),
            customer: row.customer.clone(),
            integration: row.integration.clone(),
            currency: row.currency.clone(),
            cost: money(row.cost_units),
            unpriced: row.unpriced,
        });
    }
    Explanation {
        month: question.month.to_string(),
        customer: question.customer.map(str::to_owned),
        book: book.id().to_owned(),
        pools,
        attempts,
        totals: totals.into_iter().map(|(currency, units)| (currency, money(units))).collect(),
    }
}

/// The cells of each pool; what the book does not price counts by workspace.
fn by_pool(book: &Book, month: Month, usage: Vec<UsageRow>) -> BTreeMap<PoolKey, Vec<UsageCell>> {
    let mut pools: BTreeMap<PoolKey, Vec<UsageCell>> = BTreeMap::new();
    let mut own: BTreeMap<String, bool> = BTreeMap::new();
    for row in usage {
        for (line, quantity) in row.usage {
            let own = *own.entry(line.clone()).or_insert_with(|| {
                book.metered_in(&line, month.start_us()).is_some_and(|entry| entry.pool == Pool::Customer)
            });
            let customer = own.then(|| row.cell.customer.clone());
            let cell = UsageCell { quantity, ..row.cell.clone() };
            pools.entry((row.workspace.clone(), line, customer)).or_default().push(cell);
        }
    }
    pools
}

fn pool(key: PoolKey, entry: Option<&MeteredEntry>, mut cells: Vec<UsageCell>) -> PoolPrice {
    let (workspace, line, pool_of) = key;
    // Saturates only where there is no price anyhow.
    let usage = cells.iter().fold(0_u64, |sum, cell| sum.saturating_add(cell.quantity));
    let sum = entry.map(|entry| price_cells(entry, &mut cells));
    let unpriced = match sum {
        None => Some("the price book has no entry of this line for the month".to_owned()),
        Some(Err(error)) => Some(error.to_string()),
        Some(Ok(_)) => None,
    };
    let price = entry.zip(sum.and_then(Result::ok)).map(|(entry, cost_units)| Price {
        model: entry.kind.as_str(),
        effective_from: rfc3339(entry.effective_from_us),
        free: entry.free.min(usage),
        arithmetic: entry.brackets(usage).map(|bracket| product(entry, bracket)).collect(),
        cost: money(cost_units),
        currency: entry.currency.clone(),
    });
    let mut parts: BTreeMap<&str, (u64, i128)> = BTreeMap::new();
    for cell in &cells {
        let part = parts.entry(&cell.customer).or_default();
        *part = (part.0.saturating_add(cell.quantity), part.1 + cell.cost_units);
    }
    let parts = parts.into_iter().map(|(customer, (usage, cost_units))| Part {
        customer: customer.to_owned(),
        usage,
        cost: price.is_some().then(|| money(cost_units)),
        cost_units,
    });
    let parts = parts.collect();
    PoolPrice {
        workspace,
        line,
        integration: entry.map(|entry| entry.integration.clone()),
        pool_of,
        usage,
        price,
        unpriced,
        parts,
    }
}

fn product(entry: &MeteredEntry, bracket: Bracket) -> String {
    let packages = match entry.kind {
        Kind::Package => format!(" begun packages of {}", counted(entry.package)),
        Kind::Flat | Kind::Tiered | Kind::Volume => String::new(),
    };
    let cost = bracket.cost_units().map_or_else(String::new, money);
    let price = grouped(&money(bracket.price_units));
    format!("{}{packages} × {price} = {}", counted(bracket.count), grouped(&cost))
}

#[cfg(test)]
mod tests;
