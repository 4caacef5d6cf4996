//! The price book in force: a file enters, a checked book leaves, read again when the file changes.
//!
//! A book is published to ClickHouse once, when it first comes into force: a process that starts with an older file
//! than the one published last changes no price, and says so. A changed file is published before it is used.
//! Promise: a file with mistakes, or one that gives a published line another currency, integration or pool, never replaces
//! the book in force; metrics and the log say so.

use crate::{
    clickhouse::{PublishedLine, Store, brief},
    metrics::AggregatorMetrics,
};
use callmeter_documents::{Problem, files};
use callmeter_prices::Book;
use clickhouse::error::Error;
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// How often the file is looked at, and how long a question to ClickHouse that failed waits.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The book in force.
#[derive(Debug)]
pub(crate) struct Books {
    /// The file and its text at the start; `None` without prices.
    file: Option<(String, String)>,
    current: RwLock<Arc<Book>>,
}

impl Books {
    /// Reads the book for the first time, or says everything that is wrong with it.
    pub(crate) fn load(path: Option<&str>) -> Result<Self, Vec<Problem>> {
        let Some(path) = path else { return Ok(Self { file: None, current: RwLock::default() }) };
        let text = files::read(path).map_err(|problem| vec![problem])?;
        let book = Book::parse(path, &text)?;
        Ok(Self { file: Some((path.to_owned(), text)), current: RwLock::new(Arc::new(book)) })
    }

    /// The book in force.
    pub(crate) fn current(&self) -> Arc<Book> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes the book if nobody did, then follows its file until the task is ended.
    pub(crate) async fn follow(&self, store: &Store, metrics: &AggregatorMetrics) {
        let Some((path, text)) = &self.file else { return };
        metrics.price_book_stale.set(i64::from(!settle(store, &self.current(), text, Occasion::Start).await));
        let mut seen = Ok(text.clone());
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (file, before) = (path.clone(), seen.clone());
            // A large book takes a while to check: only a changed text is, and not on a thread of the runtime.
            let looked = tokio::task::spawn_blocking(move || {
                let text = files::read(&file);
                let book = text.clone().map_err(|problem| vec![problem]);
                ((text != before).then(|| book.and_then(|text| Book::parse(&file, &text))), text)
            });
            let Ok((found, text)) = looked.await else { return };
            seen = text;
            match (found, &seen) {
                (None, _) => {}
                (Some(Ok(book)), Ok(text)) => {
                    let settled = settle(store, &book, text, Occasion::Change).await;
                    metrics.price_book_stale.set(i64::from(!settled));
                    metrics.price_book_failures.inc_by(u64::from(!settled));
                    if settled {
                        tracing::info!(path, book = book.id(), "new price book in force");
                        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(book);
                    }
                }
                (Some(read), _) => {
                    metrics.price_book_failures.inc();
                    metrics.price_book_stale.set(1);
                    for problem in read.err().unwrap_or_default() {
                        tracing::error!(%problem, "price book refused; the last good one stays in force");
                    }
                }
            }
        }
    }
}

/// Why a book is to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// The process starts: the file may be older than what is published.
    Start,
    /// Somebody changed the file: now it is the newest.
    Change,
}

/// Publishes a book where that is right; false when it is not the one that holds.
async fn settle(store: &Store, book: &Book, text: &str, occasion: Occasion) -> bool {
    loop {
        match try_settle(store, book, text, occasion).await {
            Ok(settled) => return settled,
            Err(error) => tracing::warn!(error = %brief(&error), "prices not published yet"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn try_settle(store: &Store, book: &Book, text: &str, occasion: Occasion) -> Result<bool, Error> {
    let published = store.published_books().await?;
    if occasion == Occasion::Start && published.iter().any(|id| id == book.id()) {
        let newest = published.first().is_none_or(|newest| newest == book.id());
        if !newest {
            tracing::error!(
                book = book.id(),
                newest = published.first(),
                "another price book was published after this one: the month is priced by that one; give this process its file"
            );
        }
        return Ok(newest);
    }
    let changed = changed_lines(&store.published_lines().await?, book);
    if !changed.is_empty() {
        tracing::error!(
            lines = changed.join(", "),
            "price book refused: a published line keeps its currency, integration and pool; give the new one another name"
        );
        return Ok(false);
    }
    store.publish_prices(book, text).await.map(|()| true)
}

/// Lines of a book that were published as something else: the past of theirs would be told in another currency.
fn changed_lines(published: &[PublishedLine], book: &Book) -> Vec<String> {
    let differs = |entry: &callmeter_prices::MeteredEntry| {
        published.iter().any(|line| {
            line.line == entry.line
                && (line.currency != entry.currency
                    || line.integration != entry.integration
                    || line.pool != entry.pool.as_str())
        })
    };
    let mut lines: Vec<String> =
        book.metered().filter(|entry| differs(entry)).map(|entry| entry.line.clone()).collect();
    lines.dedup();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_line_keeps_what_its_past_was_told_in() {
        let book = |line: &str| {
            let text = format!(
                "prices:\n- {{line: a, meter: item, model: package, package: 10, price: \"1\", {line}}}\n"
            );
            Book::parse("prices.yaml", &text).expect("a good book")
        };
        let published = [PublishedLine {
            line: "a".into(),
            integration: "x".into(),
            currency: "EUR".into(),
            pool: "workspace".into(),
        }];
        let check = |line: &str, wanted: &[&str]| assert_eq!(changed_lines(&published, &book(line)), wanted);
        check("integration: x, currency: EUR", &[]);
        check("integration: x, currency: USD", &["a"]);
        check("integration: other, currency: EUR", &["a"]);
        check("integration: x, currency: EUR, pool: customer", &["a"]);
    }
}
