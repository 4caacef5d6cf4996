//! One round of evaluation: what is due enters, changes of state that are stored leave.
//!
//! Promise: an error of the store concludes nothing; the questions that were answered before it stand.

use super::Pipeline;
use crate::{
    clickhouse::{Store, StoreError},
    evaluate::{Evaluator, Freshness},
    health,
    metrics::AlerterMetrics,
    progress::{self, Completeness},
    query::{self, Answer, Group, Query},
    rules::Rule,
    transition::Transition,
    vocabulary::Source,
};
use jiff::Timestamp;
use tracing::{debug, warn};

/// What asks for verdicts, in words.
const VERDICTS: &str = "the judge of faults";

fn name_of(rule: &Rule) -> String {
    format!("rule {} of group {}", rule.name, rule.group)
}

impl Pipeline {
    /// Asks what is due, concludes and stores the changes.
    #[tracing::instrument(level = "debug", skip_all)]
    pub(super) async fn round(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.hush(now).await?;
        self.store_changes().await?;
        let completeness = self.completeness(now).await?;
        let freshness = completeness.freshness(now, self.max_lag);
        if freshness != Freshness::Current {
            self.metrics.evaluations_held.inc();
            debug!(?completeness, "counting is behind, evaluation holds");
        }
        let due: Vec<&Rule> =
            self.schedule.due(now).flat_map(|place| &self.rules.groups[place].rules).collect();
        let mut failure = None;
        for query in query::plan(&due, self.rollup_window) {
            match answer(&self.store, &query, completeness, now).await {
                Ok(answer) => {
                    let rules = query.rules.iter().map(|place| due[*place]);
                    if !self.refused.is_empty() {
                        rules.clone().for_each(|rule| self.refused.retain(|who, _| *who != name_of(rule)));
                    }
                    self.unstored.extend(conclude(
                        &mut self.evaluator,
                        &self.metrics,
                        rules,
                        &answer,
                        freshness,
                        now,
                    ));
                }
                Err(error) => {
                    self.metrics.evaluations_missed.inc_by(query.rules.len() as u64);
                    let is_away = matches!(error, StoreError::Unavailable(_));
                    failure = Some(error);
                    if is_away {
                        break;
                    }
                    for place in &query.rules {
                        *self.refused.entry(name_of(due[*place])).or_default() += 1;
                    }
                }
            }
        }
        let is_away = matches!(failure, Some(StoreError::Unavailable(_)));
        if freshness == Freshness::Current && !is_away {
            failure = self.find_fault(now).await.err().or(failure);
        }
        let stored = self.store_changes().await;
        failure.map_or(stored, Err)
    }

    /// Lets the dispatcher know which silences there are; while they cannot be read, the last ones hold.
    async fn hush(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(dispatcher) = &mut self.dispatcher else { return Ok(()) };
        let silences = self.store.silences(now).await?;
        self.metrics.silences.set(silences.len() as i64);
        dispatcher.hush(silences);
        Ok(())
    }

    /// Says whose fault it is that calls fail, when that is due.
    async fn find_fault(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let Some(docket) = &mut self.docket else { return Ok(()) };
        if !docket.begin(now) {
            return Ok(());
        }
        let cells = match self.store.cells(now).await {
            Ok(cells) => cells,
            Err(error) => {
                if matches!(error, StoreError::Refused(_) | StoreError::TooManyGroups) {
                    *self.refused.entry(VERDICTS.to_owned()).or_default() += 1;
                }
                return Err(error);
            }
        };
        self.refused.remove(VERDICTS);
        self.unstored.extend(docket.hear(&mut self.evaluator, &cells, now));
        Ok(())
    }

    /// How far counting has come; while it is behind or waits, that is an alert of its own.
    async fn completeness(&mut self, now: Timestamp) -> Result<Completeness, StoreError> {
        let partitions = self.store.progress().await?;
        let completeness = progress::completeness(&partitions);
        let lag = |until: Option<Timestamp>| until.map(|until| health::lag(until, now));
        self.metrics.pipeline_lag.set(lag(completeness.all).unwrap_or(-1.0));
        let trusted = lag(completeness.trusted());
        self.unstored.extend(health::pipeline(&mut self.evaluator, trusted, self.max_lag, now));
        self.unstored.extend(health::stopped(&mut self.evaluator, &progress::stopped(&partitions), now));
        Ok(completeness)
    }
}

/// Asks one question; how far counting is behind is known already.
async fn answer(
    store: &Store,
    query: &Query,
    completeness: Completeness,
    now: Timestamp,
) -> Result<Answer, StoreError> {
    if query.source() == Source::Pipeline {
        let lag = completeness.all.map(|until| health::lag(until, now));
        return Ok(query.answer(vec![Group { lag, ..Group::default() }]));
    }
    store.ask(query, now, completeness.trusted().unwrap_or(now)).await
}

/// Lets every rule of one query draw its conclusions.
fn conclude<'a>(
    evaluator: &mut Evaluator,
    metrics: &AlerterMetrics,
    rules: impl Iterator<Item = &'a Rule>,
    answer: &Answer,
    freshness: Freshness,
    now: Timestamp,
) -> Vec<Transition> {
    let mut changes = Vec::new();
    for rule in rules {
        let evaluation = evaluator.evaluate(rule, answer, freshness, now);
        if evaluation.over_limit > 0 {
            warn!(
                rule = rule.name,
                groups = evaluation.over_limit,
                "too many alerts of one rule, further groups start none"
            );
            metrics.groups_over_limit.inc_by(evaluation.over_limit);
        }
        changes.extend(evaluation.transitions);
    }
    changes
}
