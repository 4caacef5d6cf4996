//! The term of this alerter in the store: time passes, and whether this alerter acts leaves.
//!
//! The thin shell of [`crate::leadership`]. Promise: who was deposed learns of it before it plans another
//! notification, unless the store is away; then the holder goes on, because that the store is away is news, and
//! nobody can take over either.

use crate::{
    clickhouse::{Store, StoreError},
    leadership::{BEAT, Leadership, Role, Step, Term},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use tracing::{info, warn};

/// Longest time that ending a term may take when the process stops.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether another alerter wrote first, or is writing.
fn is_lost_race(error: &StoreError) -> bool {
    let text = error.to_string();
    text.contains("FENCED") || text.contains("is already running") || text.contains("QUERY_WITH_SAME_ID")
}

/// This alerter's part in who acts.
pub(crate) struct Lease {
    store: Store,
    name: String,
    /// Locked for moments only.
    leadership: Mutex<Leadership>,
    /// One beat at a time.
    beating: tokio::sync::Mutex<()>,
    began: Instant,
}

impl Lease {
    /// `name` is one that no other alerter has.
    pub(crate) fn new(store: Store, name: String) -> Self {
        let leadership = Mutex::new(Leadership::new(name.as_str()));
        Self { store, name, leadership, beating: tokio::sync::Mutex::new(()), began: Instant::now() }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn with<T>(&self, act: impl FnOnce(&mut Leadership, Duration) -> T) -> T {
        // What a panic left behind is whole: each call changes it in one step.
        let mut leadership = self.leadership.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut leadership, self.now())
    }

    /// Writes what is due and looks; where this alerter stands then.
    async fn beat(&self) -> Result<Role, StoreError> {
        let _one_at_a_time = self.beating.lock().await;
        let term = |number, beat| Term { number, holder: self.name.clone(), beat, released: false };
        let written = match self.with(Leadership::step) {
            Step::Take(number, after) => {
                self.store.advance_term((number.saturating_sub(1), after), &term(number, 0)).await
            }
            Step::Beat(number, beat) => {
                self.store.advance_term((number, beat.saturating_sub(1)), &term(number, beat)).await
            }
            Step::Watch => Ok(()),
        };
        // Whether the write landed is what the look tells; only a store that is away need not be asked.
        let (seen, refused) = match written {
            Err(error @ StoreError::Unavailable(_)) => (Err(error), None),
            written => (self.store.last_term().await, written.err().filter(|error| !is_lost_race(error))),
        };
        let role = match seen {
            Ok(last) => self.with(|leadership, now| {
                leadership.observe(last, now);
                leadership.role(now)
            }),
            Err(error) => {
                self.with(|leadership, _| leadership.lose_sight());
                return Err(error);
            }
        };
        match refused {
            // A store that takes no rows is as good as away: nobody can take over.
            Some(error) if role != Role::Standby => Err(error),
            Some(error) => {
                warn!(%error, "a term cannot be written");
                Ok(role)
            }
            None => Ok(role),
        }
    }

    /// Returns when this alerter is the one that acts.
    pub(crate) async fn until_active(&self) {
        for look in 0_u64.. {
            match self.beat().await {
                Ok(Role::Active) => return info!(name = self.name, "this alerter acts"),
                // Only the second look can be for a term of its own.
                Ok(_) if look == 0 => continue,
                Ok(_) if look == 1 => info!(name = self.name, "another alerter may act; this one stands by"),
                Ok(_) => {}
                Err(error) => warn!(%error, "who acts cannot be read yet"),
            }
            sleep(BEAT).await;
        }
    }

    /// Goes on beating until another alerter acts, which is told by the receiver; ends when that is dropped.
    pub(crate) fn keep(self: &Arc<Self>, tasks: &mut JoinSet<()>) -> watch::Receiver<bool> {
        let (deposed, told) = watch::channel(false);
        let lease = Arc::clone(self);
        tasks.spawn(async move {
            while !deposed.is_closed() {
                sleep(BEAT).await;
                match lease.beat().await {
                    Ok(Role::Standby) => {
                        warn!("another alerter acts now; this one stands by");
                        let _ = deposed.send(true);
                        return;
                    }
                    Ok(Role::Active | Role::Lapsed) => {}
                    Err(error) => warn!(%error, "this alerter could not show that it lives"),
                }
            }
        });
        told
    }

    /// Where this alerter stands now: only an active one may plan and send. A lease that lapsed is renewed first;
    /// while the store is away, the holder counts as active.
    pub(crate) async fn role(&self) -> Role {
        match self.with(|leadership, now| leadership.role(now)) {
            Role::Lapsed => self.beat().await.unwrap_or(Role::Active),
            role => role,
        }
    }

    /// Ends the term, so that another alerter can begin the next one at once.
    pub(crate) async fn release(&self) {
        let Some(term) = self.with(|leadership, _| leadership.resign()) else { return };
        let last = (term.number, term.beat.saturating_sub(1));
        let released = tokio::time::timeout(RELEASE_TIMEOUT, self.store.advance_term(last, &term)).await;
        if !matches!(released, Ok(Ok(()))) {
            info!("another alerter takes over when it has missed this one for a while");
        }
    }
}
