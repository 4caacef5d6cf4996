//! Price books in ClickHouse: a book enters, and what was published of earlier ones leaves.
//!
//! Promise: publishing is safe to repeat.

use super::{Store, in_time};
use callmeter_prices::{Book, MeteredEntry};
use callmeter_schemas::Amount;
use clickhouse::{Row, error::Error};
use serde::Deserialize;

/// A line that was published, by what its past was told in.
#[derive(Clone, Debug, PartialEq, Eq, Row, Deserialize)]
#[allow(missing_docs, reason = "each is the column of its name")]
pub struct PublishedLine {
    pub line: String,
    pub integration: String,
    pub currency: String,
    pub pool: String,
}

impl Store {
    /// Ids of the price books that were published, the newest first.
    pub async fn published_books(&self) -> Result<Vec<String>, Error> {
        let query = "SELECT book FROM price_books GROUP BY book ORDER BY max(published_at) DESC";
        in_time(self.client.query(query).fetch_all()).await
    }

    /// Lines of all price books that were published.
    pub async fn published_lines(&self) -> Result<Vec<PublishedLine>, Error> {
        let query = "SELECT DISTINCT toString(line) AS line, toString(integration) AS integration, \
            toString(currency) AS currency, toString(pool) AS pool FROM price_lines";
        in_time(self.client.query(query).fetch_all()).await
    }

    /// Publishes a book, now the newest: its prices that depend on the month's use, for the view that prices usage,
    /// then its text, by which the ledger's batches can be understood. Safe to repeat.
    pub async fn publish_prices(&self, book: &Book, text: &str) -> Result<(), Error> {
        let settings = [("async_insert", "0".to_owned())];
        let rows: String = book.metered().map(|entry| price_line(book, entry).to_string() + "\n").collect();
        if !rows.is_empty() {
            let sql = "INSERT INTO price_lines (* EXCEPT published_at) FORMAT JSONEachRow";
            self.send(sql, &settings, rows.into()).await?;
        }
        let row = serde_json::json!({"book": book.id(), "text": text}).to_string();
        let sql = "INSERT INTO price_books (* EXCEPT published_at) FORMAT JSONEachRow";
        self.send(sql, &settings, row.into()).await
    }
}

/// One row of `price_lines`.
fn price_line(book: &Book, entry: &MeteredEntry) -> serde_json::Value {
    let price = |units| Amount::from_units(units).unwrap_or_default().to_string();
    serde_json::json!({
        "book": book.id(),
        "line": entry.line,
        "integration": entry.integration,
        "effective_from": entry.effective_from_us / 1_000_000,
        "pool": entry.pool.as_str(),
        "currency": entry.currency,
        "form": entry.kind.as_str(),
        "free": entry.free,
        "up_to": entry.tiers.iter().map(|tier| tier.up_to).collect::<Vec<_>>(),
        "price": entry.tiers.iter().map(|tier| price(tier.price_units)).collect::<Vec<_>>(),
        "package": entry.package,
    })
}
