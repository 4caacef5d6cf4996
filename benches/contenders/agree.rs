//! Whether contenders answer the same: a contender's tables enter, nothing or the first rows that differ leave.
//!
//! Compared are calls, errors, cost and measured latencies of every customer, integration and window. The sums must be
//! those of the log's writer, and the rows those of the first contender that answered. One that counts repetitions must
//! answer those rows with the repetitions added, which the log's writer knows.

use crate::{contender::Contender, log::Totals, site::Site};
use anyhow::{Context, bail, ensure};
use serde_json::Value;

const COLUMNS: &str = "customer, integration, window, calls, errors, cost, latencies";
/// Rows that are shown of a disagreement.
const SHOWN: usize = 10;

/// What the first contender answered.
#[derive(Debug, Default)]
pub(crate) struct Agreement {
    /// The table of its answer.
    reference: Option<String>,
}

impl Agreement {
    /// Compares what a contender counted, if it counts.
    pub(crate) async fn check(
        &mut self,
        site: &Site,
        contender: Contender,
        database: &str,
    ) -> anyhow::Result<()> {
        let Some(answer) = contender.answer(database) else { return Ok(()) };
        let table = format!("answers.{database}");
        keep(site, &table, &answer).await;
        totals(site, contender, &table).await?;
        match &self.reference {
            Some(reference) => {
                rows(site, contender, &table, reference).await?;
                site.stack.execute(&format!("DROP TABLE {table} SYNC")).await;
            }
            None if contender.counts_repetitions() => {}
            None => self.reference = Some(table),
        }
        Ok(())
    }
}

async fn keep(site: &Site, table: &str, answer: &str) {
    let kept = format!(
        "CREATE TABLE {table} ENGINE = MergeTree ORDER BY (customer, integration, window) AS \
         SELECT customer::String AS customer, integration::String AS integration, window, calls::UInt64 AS calls, \
         errors::UInt64 AS errors, cost::Decimal(38, 12) AS cost, latencies::UInt64 AS latencies FROM ({answer})"
    );
    site.stack.execute(&kept).await;
}

async fn totals(site: &Site, contender: Contender, table: &str) -> anyhow::Result<()> {
    let query = format!(
        "SELECT sum(calls) AS calls, sum(errors) AS errors, sum(latencies) AS latencies, \
         toString(toInt128(sum(cost) * 1000000000000)) AS cost_units FROM {table}"
    );
    let answered = site.stack.try_rows(&query).await.map_err(anyhow::Error::msg)?;
    let row = answered.first().context("no totals")?;
    let number = |name: &str| row[name].as_u64().with_context(|| format!("{name} of {row}"));
    let found = Totals {
        calls: number("calls")?,
        errors: number("errors")?,
        latencies: number("latencies")?,
        cost_units: row["cost_units"].as_str().context("no cost")?.parse()?,
    };
    let log = &site.log;
    let wanted = if contender.counts_repetitions() { log.counted.with(log.repeated) } else { log.counted };
    ensure!(found == wanted, "{} counted {found:?}, and the log holds {wanted:?}", contender.name());
    Ok(())
}

async fn rows(site: &Site, contender: Contender, table: &str, reference: &str) -> anyhow::Result<()> {
    let wanted = match contender.counts_repetitions() {
        false => format!("SELECT {COLUMNS} FROM {reference}"),
        true => format!(
            "SELECT customer, integration, window, sum(calls) AS calls, sum(errors) AS errors, sum(cost) AS cost, \
             sum(latencies) AS latencies FROM (SELECT {COLUMNS} FROM {reference} \
             UNION ALL SELECT {COLUMNS} FROM answers.repeated) GROUP BY customer, integration, window"
        ),
    };
    let found = format!("SELECT {COLUMNS} FROM {table}");
    let query = format!(
        "SELECT * FROM (SELECT 'wanted' AS side, * FROM ({wanted} EXCEPT {found}) \
         UNION ALL SELECT 'found' AS side, * FROM ({found} EXCEPT {wanted})) \
         ORDER BY customer, integration, window, side DESC LIMIT {SHOWN}"
    );
    let differing = site.stack.try_rows(&query).await.map_err(anyhow::Error::msg)?;
    if differing.is_empty() {
        return Ok(());
    }
    let shown: Vec<String> = differing.iter().map(Value::to_string).collect();
    bail!("{} differs from {reference}; the first rows:\n{}", contender.name(), shown.join("\n"))
}
