//! Questions about partitions: each enters by itself, one question for all that wait leaves.
//!
//! Sixty partitions that begin at once, or have nothing to store, would put the same question sixty times, and its answer costs
//! ClickHouse about as much for one as for all. Promise: an answer is that of a question put after it was asked for; at
//! most one question is under way.

use crate::clickhouse::brief;
use clickhouse::error::Error;
use std::collections::BTreeMap;
use tokio::sync::{mpsc, oneshot};

/// Most partitions of one question.
const MOST: usize = 1_000;

/// Where questions about partitions wait; few, since every worker waits for its answers.
pub(crate) struct Gather<V> {
    waiting: mpsc::UnboundedSender<Wanted<V>>,
}

/// A partition of a log, and who waits for the answer.
struct Wanted<V> {
    log: String,
    partition: i32,
    answer: oneshot::Sender<V>,
}

impl<V> Clone for Gather<V> {
    fn clone(&self) -> Self {
        Self { waiting: self.waiting.clone() }
    }
}

impl<V: Clone + Send + 'static> Gather<V> {
    /// Puts questions by `ask`, on a task of its own: who no longer waits for an answer holds up nobody. `what` names in the log
    /// what could not be read.
    pub(crate) fn new<A>(
        what: &'static str,
        mut ask: impl FnMut(String, Vec<i32>) -> A + Send + 'static,
    ) -> Self
    where
        A: Future<Output = Result<BTreeMap<i32, V>, Error>> + Send,
    {
        let (waiting, mut asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let mut wanted = Vec::new();
            while asked.recv_many(&mut wanted, MOST).await > 0 {
                for (log, waiting) in by_log(wanted.drain(..)) {
                    let partitions: Vec<_> = waiting.iter().map(|wanted| wanted.partition).collect();
                    match ask(log, partitions).await {
                        Ok(answers) => hand_out(&answers, waiting),
                        Err(error) => {
                            tracing::warn!(partitions = waiting.len(), error = %brief(&error), "{what} not readable");
                        }
                    }
                }
            }
        });
        Self { waiting }
    }

    /// The answer about one partition of a log, or of a source; `None` when there was none.
    pub(crate) async fn of(&self, log: &str, partition: i32) -> Option<V> {
        let (answer, answered) = oneshot::channel();
        self.waiting.send(Wanted { log: log.to_owned(), partition, answer }).ok()?;
        answered.await.ok()
    }
}

fn by_log<V>(wanted: impl Iterator<Item = Wanted<V>>) -> BTreeMap<String, Vec<Wanted<V>>> {
    let mut by_log = BTreeMap::<_, Vec<_>>::new();
    for wanted in wanted {
        by_log.entry(wanted.log.clone()).or_default().push(wanted);
    }
    by_log
}

fn hand_out<V: Clone>(answers: &BTreeMap<i32, V>, waiting: Vec<Wanted<V>>) {
    for Wanted { partition, answer, .. } in waiting {
        if let Some(found) = answers.get(&partition) {
            // Who asked may have lost the partition meanwhile.
            let _ = answer.send(found.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tokio::sync::Semaphore;

    type Asked = Arc<Mutex<Vec<(String, Vec<i32>)>>>;

    /// Answers with ten times the partition, but not of partition 13, once it is let.
    fn gather() -> (Gather<i32>, Asked, Arc<Semaphore>) {
        let (asked, lets) = (Asked::default(), Arc::new(Semaphore::new(0)));
        let (noted, waits) = (Arc::clone(&asked), Arc::clone(&lets));
        let gather = Gather::new("answers", move |log, partitions: Vec<i32>| {
            noted.lock().expect("not poisoned").push((log, partitions.clone()));
            let waits = Arc::clone(&waits);
            async move {
                waits.acquire().await.expect("open").forget();
                Ok(partitions.into_iter().filter(|at| *at != 13).map(|at| (at, 10 * at)).collect())
            }
        });
        (gather, asked, lets)
    }

    #[tokio::test]
    async fn what_is_asked_while_a_question_is_under_way_is_one_question_after_it() {
        let (gather, asked, lets) = gather();
        let of = |log: &'static str, partition| {
            let gather = gather.clone();
            tokio::spawn(async move { gather.of(log, partition).await })
        };
        let first = of("a", 0);
        while asked.lock().expect("not poisoned").is_empty() {
            tokio::task::yield_now().await;
        }
        let later = [of("a", 0), of("a", 1), of("a", 13), of("b", 2)];
        let gone = of("a", 3);
        tokio::task::yield_now().await;
        gone.abort();
        lets.add_permits(3);
        assert_eq!(first.await.expect("ends"), Some(0));
        for (later, wanted) in later.into_iter().zip([Some(0), Some(10), None, Some(20)]) {
            assert_eq!(later.await.expect("ends"), wanted);
        }
        let asked = asked.lock().expect("not poisoned");
        let wanted = [("a", vec![0]), ("a", vec![0, 1, 13, 3]), ("b", vec![2])];
        assert_eq!(*asked, wanted.map(|(log, partitions)| (log.to_owned(), partitions)));
    }
}
