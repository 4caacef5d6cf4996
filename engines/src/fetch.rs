//! Brings the engines onto the machine. Enters: options. Leaves: complete packages in the cache folder.
//!
//! Promises: nothing runs when nothing is missing; what is installed already is preferred; one fetch at a time, under a
//! lock; nothing unhashed ever stands under its final name; no registry's address stands here, because the ordinary
//! clients know theirs.

mod client;
mod maven;
mod npm;
mod progress;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use crate::cache::Package;
use crate::engines::blocking;
use crate::error::EngineError;
use crate::lock::DirLock;
use crate::options::EnginesOptions;
use crate::{clickhouse, kafka, machine};

/// Fetches what the wanted engines lack; shows a bar on a terminal and plain lines elsewhere, on standard error.
///
/// # Errors
/// When the machine cannot run an engine, a client is missing or fails, the disk is full, or a hash differs.
pub async fn fetch(options: &EnginesOptions) -> Result<(), EngineError> {
    if options.start_kafka {
        kafka::locate(options).await?;
    }
    if options.start_clickhouse {
        clickhouse::locate(options).await?;
    }
    Ok(())
}

/// Makes sure that a package is in the cache; `fill` puts its files into an empty folder.
pub(crate) async fn ensure(cache_dir: &Path, package: Package) -> Result<(), EngineError> {
    if package.complete(cache_dir) {
        return Ok(());
    }
    let lock =
        DirLock::wait(cache_dir, || progress::line("waiting for another process that fetches")).await?;
    // The other process may have done the work.
    if package.complete(cache_dir) {
        return Ok(());
    }
    let cache_dir = cache_dir.to_path_buf();
    let cancel = CancelOnDrop::default();
    let cancelled = Arc::clone(&cancel.0);
    blocking(move || {
        let _held_to_the_end = lock;
        fill_cache(&cache_dir, package, &cancelled)
    })
    .await
}

/// Ends the running client when whoever waits for it goes away: work that blocks cannot be dropped.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn fill_cache(cache_dir: &Path, package: Package, cancelled: &AtomicBool) -> Result<(), EngineError> {
    machine::room(cache_dir, "fetching an engine", package.peak_bytes)?;
    let part = temporary(cache_dir)?;
    if package.name == npm::CLICKHOUSE.name {
        npm::fill(part.path(), &package, cancelled)?
    } else {
        maven::fill(part.path(), &package, cancelled)?
    }
    progress::line(&format!("checking {}", package.name));
    package.seal(part.path())?;
    let dir = package.dir(cache_dir);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).map_err(|error| EngineError::io("cannot remove", &dir, error))?;
    }
    std::fs::rename(part.keep(), &dir).map_err(|error| EngineError::io("cannot rename into", &dir, error))?;
    progress::line(&format!("{} is ready in {}", package.name, dir.display()));
    Ok(())
}

/// A folder in the cache for unfinished work; the caller holds the cache's lock.
pub(crate) fn temporary(cache_dir: &Path) -> Result<TempDir, EngineError> {
    clear_leftovers(cache_dir);
    tempfile::Builder::new()
        .prefix(PART)
        .tempdir_in(cache_dir)
        .map_err(|error| EngineError::io("cannot create a folder in", cache_dir, error))
}

const PART: &str = "part-";

/// Removes what a killed fetch left behind; the lock says that nobody works on it.
fn clear_leftovers(cache_dir: &Path) {
    let entries = std::fs::read_dir(cache_dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(PART)) {
        // What cannot be removed costs room, which was checked.
        let _ = std::fs::remove_dir_all(entry.path());
    }
}

pub(crate) use maven::KAFKA;
pub(crate) use npm::CLICKHOUSE;
pub(crate) use progress::line as announce;
