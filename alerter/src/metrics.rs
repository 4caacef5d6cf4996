//! Metrics of the alerter: facts enter as calls, Prometheus text leaves through the registry.
//!
//! Promise: names are `callmeter_alerter_…`; no label ever names a customer.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::sync::atomic::AtomicU64;

/// Label `outcome`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabel {
    /// delivered, failed or gave_up.
    pub outcome: &'static str,
}

/// Label `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabel {
    /// Such as unchanged, silenced or inhibited.
    pub reason: &'static str,
}

/// Label `state`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabel {
    /// pending, firing or resolved.
    pub state: &'static str,
}

/// The alerter's metrics.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "each is described where it is registered")]
pub struct AlerterMetrics {
    pub evaluations: Counter,
    pub evaluation_failures: Counter,
    pub evaluations_held: Counter,
    pub evaluations_missed: Counter,
    pub evaluation_seconds: Histogram,
    pub evaluation_delay: Histogram,
    pub last_evaluation: Gauge<f64, AtomicU64>,
    pub pipeline_lag: Gauge<f64, AtomicU64>,
    pub rules: Gauge,
    pub rules_stale: Gauge,
    pub rules_loaded: Gauge<f64, AtomicU64>,
    pub rule_reload_failures: Counter,
    pub routing_stale: Gauge,
    pub alerts_pending: Gauge,
    pub alerts_firing: Gauge,
    pub groups_over_limit: Counter,
    pub transitions: Family<StateLabel, Counter>,
    pub notifications: Family<OutcomeLabel, Counter>,
    pub notifications_dropped: Counter,
    pub notifications_withheld: Family<ReasonLabel, Counter>,
    pub active: Gauge,
    pub silences: Gauge,
    pub receivers_disabled: Gauge,
}

impl AlerterMetrics {
    /// Registers every metric.
    pub fn register(registry: &mut Registry) -> Self {
        let buckets = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];
        let metrics = Self {
            evaluations: Counter::default(),
            evaluation_failures: Counter::default(),
            evaluations_held: Counter::default(),
            evaluations_missed: Counter::default(),
            evaluation_seconds: Histogram::new(buckets),
            evaluation_delay: Histogram::new(buckets),
            last_evaluation: Gauge::default(),
            pipeline_lag: Gauge::default(),
            rules: Gauge::default(),
            rules_stale: Gauge::default(),
            rules_loaded: Gauge::default(),
            rule_reload_failures: Counter::default(),
            routing_stale: Gauge::default(),
            alerts_pending: Gauge::default(),
            alerts_firing: Gauge::default(),
            groups_over_limit: Counter::default(),
            transitions: Family::default(),
            notifications: Family::default(),
            notifications_dropped: Counter::default(),
            notifications_withheld: Family::default(),
            active: Gauge::default(),
            silences: Gauge::default(),
            receivers_disabled: Gauge::default(),
        };
        metrics.describe(registry.sub_registry_with_prefix("callmeter_alerter"));
        metrics
    }

    fn describe(&self, registry: &mut Registry) {
        registry.register("evaluations", "Rounds in which rules were evaluated", self.evaluations.clone());
        registry.register(
            "evaluation_failures",
            "Rounds in which a rule could not be evaluated",
            self.evaluation_failures.clone(),
        );
        registry.register(
            "evaluations_held",
            "Rounds that drew no conclusion from absence because counting was behind",
            self.evaluations_held.clone(),
        );
        registry.register(
            "evaluations_missed",
            "Evaluations that were due and did not take place: of groups when the alerter was late, of rules when a question failed",
            self.evaluations_missed.clone(),
        );
        registry.register(
            "evaluation_delay_seconds",
            "How much later than due a round began",
            self.evaluation_delay.clone(),
        );
        registry.register("evaluation_seconds", "Time of one round", self.evaluation_seconds.clone());
        registry.register(
            "last_evaluation_timestamp_seconds",
            "When a round last succeeded, since 1970 UTC",
            self.last_evaluation.clone(),
        );
        registry.register(
            "pipeline_lag_seconds",
            "How far counting is behind; -1 when unknown",
            self.pipeline_lag.clone(),
        );
        registry.register("rules", "Rules loaded", self.rules.clone());
        registry.register(
            "rules_stale",
            "1 while the rule files have mistakes or cannot be read, and the last good rules are in use",
            self.rules_stale.clone(),
        );
        registry.register(
            "rules_last_load_timestamp_seconds",
            "When rules were last taken over, since 1970 UTC",
            self.rules_loaded.clone(),
        );
        registry.register(
            "rule_reload_failures",
            "Sets of rules that were not taken over",
            self.rule_reload_failures.clone(),
        );
        registry.register(
            "routing_stale",
            "1 while the routing file has mistakes or cannot be read, and the last good one is in use",
            self.routing_stale.clone(),
        );
        registry.register("alerts_pending", "Alerts pending now", self.alerts_pending.clone());
        registry.register("alerts_firing", "Alerts firing now", self.alerts_firing.clone());
        registry.register(
            "groups_over_limit",
            "Groups that started no alert because their rule has too many",
            self.groups_over_limit.clone(),
        );
        registry.register("transitions", "Changes of state, by new state", self.transitions.clone());
        registry.register("notifications", "Attempts to notify, by outcome", self.notifications.clone());
        registry.register(
            "notifications_dropped",
            "Notifications put off because their receiver's queue was full",
            self.notifications_dropped.clone(),
        );
        registry.register(
            "notifications_withheld",
            "Flushes that told a receiver nothing, by reason",
            self.notifications_withheld.clone(),
        );
        registry.register("active", "1 while this alerter acts, 0 while it stands by", self.active.clone());
        registry.register("silences", "Silences that have not ended", self.silences.clone());
        registry.register(
            "receivers_disabled",
            "Webhooks that answered 410 and are off until a restart",
            self.receivers_disabled.clone(),
        );
    }
}
