//! The price book in force: a file enters, a checked book leaves, read again when the file changes.
//!
//! A new book is published to ClickHouse before it is used, so that no usage is metered for a line whose prices
//! nobody can read. Promise: a file with mistakes never replaces the book in force; metrics and the log say so.

use crate::{
    clickhouse::{Store, brief},
    metrics::AggregatorMetrics,
};
use callmeter_documents::{Problem, files};
use callmeter_prices::Book;
use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

/// How often the file is looked at, and how long a publication that failed waits.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The book in force.
#[derive(Debug)]
pub(crate) struct Books {
    /// The file; `None` without prices.
    path: Option<String>,
    current: RwLock<Arc<Book>>,
}

impl Books {
    /// Reads the book for the first time, or says everything that is wrong with it.
    pub(crate) fn load(path: Option<&str>) -> Result<Self, Vec<Problem>> {
        let book = match path {
            Some(path) => Book::parse(path, &files::read(path).map_err(|problem| vec![problem])?)?,
            None => Book::empty(),
        };
        Ok(Self { path: path.map(str::to_owned), current: RwLock::new(Arc::new(book)) })
    }

    /// The book in force.
    pub(crate) fn current(&self) -> Arc<Book> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Publishes the book, then follows its file until the task is ended.
    pub(crate) async fn follow(&self, store: &Store, metrics: &AggregatorMetrics) {
        let Some(path) = &self.path else { return };
        publish(store, &self.current()).await;
        let mut seen = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (file, before) = (path.clone(), seen.clone());
            // A large book takes a while to check: only a changed text is, and not on a thread of the runtime.
            let looked = tokio::task::spawn_blocking(move || {
                let text = files::read(&file);
                let changed = before.as_ref() != Some(&text);
                let book = text.clone().map_err(|problem| vec![problem]);
                (changed.then(|| book.and_then(|text| Book::parse(&file, &text))), text)
            });
            let Ok((found, text)) = looked.await else { return };
            seen = Some(text);
            match found {
                None => {}
                Some(Ok(book)) => {
                    metrics.price_book_stale.set(0);
                    if book.id() != self.current().id() {
                        publish(store, &book).await;
                        tracing::info!(path, book = book.id(), "new price book in force");
                        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(book);
                    }
                }
                Some(Err(problems)) => {
                    metrics.price_book_failures.inc();
                    metrics.price_book_stale.set(1);
                    for problem in &problems {
                        tracing::error!(%problem, "price book refused; the last good one stays in force");
                    }
                }
            }
        }
    }
}

async fn publish(store: &Store, book: &Book) {
    while let Err(error) = store.publish_prices(book).await {
        tracing::warn!(error = %brief(&error), "prices not published yet");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
