//! A month's usage: a price book and a month enter, ClickHouse is read, the explanation leaves.
//!
//! Promise: what is told is computed from the same cells as the view `usage_costs`, in Rust. All customers are read also
//! when one is asked for: its part depends on when the others used what they share.

use super::args::ExplainArgs;
use crate::commands;
use anyhow::{Context, bail};
use callmeter_aggregator::clickhouse::client;
use callmeter_prices::{
    Book,
    explain::month::{self, CostRow, Explanation, Question, UsageRow},
    month::{Month, UsageCell},
};
use callmeter_schemas::{Amount, config::ClickHouseConfig};
use clickhouse::{Client, Row};
use serde::Deserialize;
use std::time::Duration;

/// Most hourly cells of one month that are held in memory.
const MAX_CELLS: usize = 10_000_000;
/// Longest time for one question.
const ASK_TIMEOUT: Duration = Duration::from_secs(120);

const USAGE: &str = "SELECT workspace, toUnixTimestamp(toStartOfHour(window_start)) AS hour, customer, integration, \
     endpoint, tier, environment, sumMap(d.usage) AS used FROM deltas AS d WHERE kind = 'data' AND notEmpty(d.usage) \
     AND window_start >= toDateTime({from:UInt32}, 'UTC') AND window_start < toDateTime({until:UInt32}, 'UTC') \
     AND ({workspace:String} = '' OR workspace = {workspace:String}) \
     GROUP BY workspace, hour, customer, integration, endpoint, tier, environment";

const COSTS: &str = "SELECT workspace, customer, integration, currency, toString(sum(r.cost)) AS told, \
     sum(r.unpriced) AS no_price FROM rollups AS r \
     WHERE window_start >= toDateTime({from:UInt32}, 'UTC') AND window_start < toDateTime({until:UInt32}, 'UTC') \
     AND ({workspace:String} = '' OR workspace = {workspace:String}) \
     GROUP BY workspace, customer, integration, currency HAVING sum(r.cost) != 0 OR no_price > 0 \
     ORDER BY workspace, customer, integration, currency";

#[derive(Row, Deserialize)]
struct Cell {
    workspace: String,
    hour: u32,
    customer: String,
    integration: String,
    endpoint: String,
    tier: String,
    environment: String,
    used: Vec<(String, u64)>,
}

#[derive(Row, Deserialize)]
struct Told {
    workspace: String,
    customer: String,
    integration: String,
    currency: String,
    told: String,
    no_price: u64,
}

/// Explains a month.
pub(super) fn explain(
    book: &Book,
    month: Month,
    args: &ExplainArgs,
    clickhouse: &ClickHouseConfig,
) -> anyhow::Result<Explanation> {
    let client = client(clickhouse);
    let workspace = args.workspace.as_deref().unwrap_or_default();
    let (usage, costs) = commands::runtime()?.block_on(async {
        let both =
            async { Ok((usage(&client, month, workspace).await?, costs(&client, month, workspace).await?)) };
        let limit = tokio::time::timeout(ASK_TIMEOUT, both).await;
        limit.unwrap_or_else(|_| bail!("no answer within {} s", ASK_TIMEOUT.as_secs())).with_context(|| {
            format!("clickhouse at {} (settings clickhouse.url, .user, .password)", clickhouse.url)
        })
    })?;
    let question =
        Question { month, customer: args.customer.as_deref(), integration: args.integration.as_deref() };
    Ok(month::explain(book, &question, usage, &costs))
}

/// A question about a month, in one workspace or (empty) in all.
fn ask(client: &Client, text: &str, month: Month, workspace: &str) -> clickhouse::query::Query {
    let seconds = |time_us: i64| (time_us / 1_000_000) as u32;
    client
        .query(text)
        .param("from", seconds(month.start_us()))
        .param("until", seconds(month.end_us()))
        .param("workspace", workspace)
}

async fn usage(client: &Client, month: Month, workspace: &str) -> anyhow::Result<Vec<UsageRow>> {
    let mut cells = ask(client, USAGE, month, workspace).fetch::<Cell>()?;
    let mut rows = Vec::new();
    while let Some(cell) = cells.next().await? {
        if rows.len() >= MAX_CELLS {
            bail!("more than {MAX_CELLS} hourly cells: ask for one workspace, or the view usage_costs");
        }
        let Cell { workspace, hour, customer, integration, endpoint, tier, environment, used } = cell;
        let cell =
            UsageCell { hour, customer, endpoint, tier, environment, integration, ..UsageCell::default() };
        rows.push(UsageRow { workspace, cell, usage: used });
    }
    Ok(rows)
}

async fn costs(client: &Client, month: Month, workspace: &str) -> anyhow::Result<Vec<CostRow>> {
    let told: Vec<Told> = ask(client, COSTS, month, workspace).fetch_all().await?;
    let row = |told: Told| {
        let Told { workspace, customer, integration, currency, told, no_price } = told;
        let cost =
            Amount::parse(&told).with_context(|| format!("the cost of {customer} at {integration}"))?;
        Ok(CostRow {
            workspace,
            customer,
            integration,
            currency,
            cost_units: cost.units(),
            unpriced: no_price,
        })
    };
    told.into_iter().map(row).collect()
}
