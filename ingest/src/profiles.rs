//! The vendor profiles in use: a folder enters, the catalogue of the moment leaves.
//!
//! Promise: changes in the folder are taken over within seconds; a set with mistakes, or one that cannot be read, is told
//! in the log once, shows in metrics and changes nothing: the last good one stays. What cannot be read is tried again.

use crate::metrics::IngestMetrics;
use callmeter_documents::Problem;
use callmeter_vendors::{
    Catalogue,
    folder::{self, Fingerprint},
};
use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

/// How often the folder is looked at.
const POLL: Duration = Duration::from_secs(2);

/// The profiles in use.
pub(crate) struct Profiles {
    folder: Option<PathBuf>,
    current: RwLock<Arc<Catalogue>>,
    seen: Mutex<Seen>,
    metrics: IngestMetrics,
}

/// What is known of the folder.
struct Seen {
    /// What it looked like when all its files could be read last, be they right or wrong; `None` when they could not.
    folder: Option<Fingerprint>,
    /// What was wrong with it, as it was told.
    problems: Vec<Problem>,
}

impl Profiles {
    /// Reads the folder, if one is named; or says everything that is wrong with it.
    pub(crate) fn load(folder: &str, metrics: IngestMetrics) -> Result<Self, Vec<String>> {
        let folder = Some(folder).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let (catalogue, seen) = match &folder {
            None => (Catalogue::built_in(), None),
            Some(folder) => {
                // Before reading: a file that is written meanwhile looks new later.
                let seen = folder::fingerprint(folder);
                let read = folder::load(folder).map_err(|problems| {
                    problems.iter().map(|problem| format!("ingest.profiles: {problem}")).collect::<Vec<_>>()
                });
                (read?, Some(seen))
            }
        };
        metrics.profiles.set(catalogue.profiles().len() as i64);
        let seen = Mutex::new(Seen { folder: seen, problems: Vec::new() });
        Ok(Self { folder, current: RwLock::new(Arc::new(catalogue)), seen, metrics })
    }

    /// The catalogue of the moment.
    pub(crate) fn current(&self) -> Arc<Catalogue> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the folder for ever.
    pub(crate) async fn watch(self: Arc<Self>) {
        if self.folder.is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(POLL).await;
            let profiles = self.clone();
            // A disk that does not answer must not hold up requests.
            if tokio::task::spawn_blocking(move || profiles.look()).await.is_err() {
                return;
            }
        }
    }

    /// Looks at the folder once.
    fn look(&self) {
        let Some(folder) = &self.folder else { return };
        let now = folder::fingerprint(folder);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.folder.as_ref() == Some(&now) {
            return;
        }
        let files = folder::read(folder);
        seen.folder = files.is_ok().then_some(now);
        match files.and_then(|files| Catalogue::with(&Catalogue::built_in(), &files)) {
            Ok(catalogue) => {
                let profiles = catalogue.profiles().len();
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(catalogue);
                self.metrics.profiles.set(profiles as i64);
                self.metrics.profiles_stale.set(0);
                seen.problems = Vec::new();
                tracing::info!(profiles, "vendor profiles were read again");
            }
            Err(problems) if problems == seen.problems => {}
            Err(problems) => {
                for problem in &problems {
                    tracing::error!(%problem, "vendor profiles were not taken over; the last good ones stay");
                }
                self.metrics.reload_failures.inc();
                self.metrics.profiles_stale.set(1);
                seen.problems = problems;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;

    #[test]
    fn a_set_with_mistakes_keeps_the_last_good_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("shop.yaml");
        let write = |text: &str| std::fs::write(&file, text).expect("it is written");
        let good = "integration: shop\nname: Shop\ncategory: commerce\nhosts: [api.shop.com]\n";
        write(good);
        let metrics = IngestMetrics::register(&mut Registry::default());
        let profiles =
            Profiles::load(&folder.path().display().to_string(), metrics.clone()).expect("it is right");
        let loaded = Catalogue::built_in().profiles().len() as i64 + 1;
        let check = |hosts: &str, stale: i64, failures: u64| {
            profiles.look();
            let current = profiles.current();
            let shop = current.profiles().into_iter().find(|profile| profile.integration == "shop");
            assert_eq!(shop.map(|shop| shop.hosts.join(" ")).as_deref(), Some(hosts));
            let seen = (metrics.profiles.get(), metrics.profiles_stale.get(), metrics.reload_failures.get());
            assert_eq!(seen, (loaded, stale, failures));
        };
        check("api.shop.com", 0, 0);
        write(&good.replace("category", "categry"));
        check("api.shop.com", 1, 1);
        check("api.shop.com", 1, 1);
        write(&good.replace("api.shop", "api2.shop"));
        check("api2.shop.com", 0, 1);
        // A folder of such a name cannot be read: it is tried again, told once, and gone when it is gone.
        let unreadable = folder.path().join("z.yaml");
        std::fs::create_dir(&unreadable).expect("it is made");
        check("api2.shop.com", 1, 2);
        check("api2.shop.com", 1, 2);
        std::fs::remove_dir(&unreadable).expect("it is there");
        check("api2.shop.com", 0, 2);
        write("hosts: [");
        let told =
            Profiles::load(&folder.path().display().to_string(), metrics.clone()).err().expect("it is wrong");
        assert!(told.len() == 1 && told[0].contains("shop.yaml:1:8: unclosed"), "{told:?}");
    }
}
