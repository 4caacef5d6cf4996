//! Verdicts as alerts of Callmeter's own: cells and the time enter, changes of state leave; and which other alerts they
//! make needless.
//!
//! One alert per place. Labels: `scope` (us, vendor, shared_credential, region, endpoint, credential), `workspace`, and
//! `integration`, `endpoint`, `environment`, `customer`, empty where they do not apply; the value is the number of
//! customers affected. Promise: pure.

use crate::{
    alert::{Observation, RuleKey, Standing, Subject},
    evaluate::{Evaluator, Trust},
    fault::{
        evidence::Cell,
        judge::{Place, Scope, Verdict, judge},
    },
    filter::{Classes, Condition, Filter},
    health::GROUP,
    quantity::Quantity,
    rules::{Rule, RuleSet, Terms, Texts},
    transition::{State, Transition},
    vocabulary::{Dimension, Metric},
};
use callmeter_schemas::ErrorClass;
use jiff::{SignedDuration, Timestamp};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// A vendor, a part of it, a shared credential or our own network fails.
pub const INTEGRATION_FAULT: &str = "IntegrationFault";
/// One customer's credential or account fails.
pub const CREDENTIAL_FAULT: &str = "CredentialFault";
/// How often verdicts are given.
pub const INTERVAL: Duration = Duration::from_secs(15);
/// Age at which a verdict explains nothing any more.
const STALE: SignedDuration = SignedDuration::from_secs(60);

/// What the values of verdicts' alerts stand for, in order; those that do not apply to a scope are empty.
pub const DIMENSIONS: &[Dimension] = &[
    Dimension::Workspace,
    Dimension::Customer,
    Dimension::Integration,
    Dimension::Endpoint,
    Dimension::Environment,
    Dimension::Scope,
];
const TERMS: Terms = Terms::beyond(Quantity::Real(0.0), Duration::ZERO);

/// Rules by name, with the severity of their alerts.
const RULES: [(&str, &str); 2] = [(INTEGRATION_FAULT, "page"), (CREDENTIAL_FAULT, "warning")];
const SUMMARY: &str = "{% if labels.scope == 'us' %}calls to most vendors fail on the way\
    {% elif labels.scope == 'vendor' %}{{ $labels.integration }} fails\
    {% elif labels.scope == 'shared_credential' %}{{ $labels.integration }} refuses the credential that customers share\
    {% elif labels.scope == 'region' %}{{ $labels.integration }} fails in {{ $labels.environment }}\
    {% elif labels.scope == 'endpoint' %}{{ $labels.integration }} fails at {{ $labels.endpoint }}\
    {% else %}{{ $labels.integration }} fails for {{ $labels.customer }} only{% endif %}\
    {% if labels.scope != 'credential' %}: {{ $value }} customer{% if value != 1 %}s{% endif %} affected{% endif %}";
const DESCRIPTION: &str = "{% if labels.scope == 'us' %}dns, connect, tls or timeout errors at most integrations at once: look at our own network first.\
    {% elif labels.scope == 'shared_credential' %}auth_expired or forbidden for most customers at once: look at the app's own credential first.\
    {% elif labels.scope == 'credential' %}other customers of this vendor are served: look at this customer's credential or account.\
    {% else %}errors of the service itself, for customers who have nothing else in common.{% endif %}";

/// What tells these rules apart from all others.
pub fn keys() -> [RuleKey; 2] {
    RULES.map(|(rule, severity)| (GROUP.to_owned(), rule.to_owned(), labels_of(severity)))
}

fn labels_of(severity: &str) -> Texts {
    Texts::from([("severity".to_owned(), severity.to_owned())])
}

/// The verdicts that stand, and when the next ones are due.
#[derive(Debug)]
pub struct Docket {
    standing: BTreeSet<Place>,
    due: Timestamp,
    /// When verdicts were last given.
    heard: Option<Timestamp>,
}

impl Docket {
    /// Takes up the alerts that were open.
    pub fn restore(last: &[Transition], now: Timestamp) -> Self {
        let open = last.iter().filter(|alert| is_verdict(alert) && alert.state == State::Firing);
        Self {
            standing: open.filter_map(|alert| Place::of_labels(&alert.labels)).collect(),
            due: now,
            heard: None,
        }
    }

    /// Whether verdicts are due now; the next ones are an interval later, whatever comes of these.
    pub fn begin(&mut self, now: Timestamp) -> bool {
        let is_due = now >= self.due;
        if is_due {
            self.due = now.saturating_add(INTERVAL).unwrap_or(Timestamp::MAX);
        }
        is_due
    }

    /// Whether the verdicts that stand were given lately: older ones keep nobody from hearing of anything.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.heard.is_some_and(|heard| now.duration_since(heard) <= STALE)
    }

    /// Judges the cells; everything that was sent must have been counted.
    pub fn hear(&mut self, evaluator: &mut Evaluator, cells: &[Cell], now: Timestamp) -> Vec<Transition> {
        let verdicts = judge(cells, &self.standing);
        self.heard = Some(now);
        self.standing = verdicts.iter().map(|verdict| verdict.place.clone()).collect();
        let annotations = [("summary", SUMMARY), ("description", DESCRIPTION)];
        let annotations: Texts = annotations.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let mut changes = Vec::new();
        for (rule, severity) in RULES {
            let labels = labels_of(severity);
            let subject = Subject {
                group: GROUP,
                rule,
                labels: &labels,
                dimensions: DIMENSIONS,
                terms: &TERMS,
                overrides: &[],
                covers: Duration::MAX,
                annotations: &annotations,
            };
            let ours = verdicts.iter().filter(|verdict| verdict.place.scope.rule() == rule);
            changes.extend(evaluator.step(subject, ours.map(observation), Trust::All, now).transitions);
        }
        changes
    }
}

fn observation(verdict: &Verdict) -> Observation<'static> {
    let standing = if verdict.lasting { Standing::Lingers } else { Standing::Exceeds };
    let values = Cow::Owned(verdict.place.values());
    Observation { values, value: verdict.customers as f64, standing, is_new: false }
}

impl Scope {
    fn rule(&self) -> &'static str {
        if matches!(self, Self::Credential(_)) { CREDENTIAL_FAULT } else { INTEGRATION_FAULT }
    }

    /// The word of the label `scope`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Vendor => "vendor",
            Self::SharedCredential => "shared_credential",
            Self::Region(_) => "region",
            Self::Endpoint(_) => "endpoint",
            Self::Credential(_) => "credential",
        }
    }
}

impl Place {
    /// Its values of [`DIMENSIONS`].
    fn values(&self) -> Vec<String> {
        let value = |dimension: &Dimension| match (dimension, &self.scope) {
            (Dimension::Workspace, _) => self.workspace.clone(),
            (Dimension::Integration, _) => self.integration.clone(),
            (Dimension::Scope, scope) => scope.word().to_owned(),
            (Dimension::Environment, Scope::Region(name))
            | (Dimension::Endpoint, Scope::Endpoint(name))
            | (Dimension::Customer, Scope::Credential(name)) => name.clone(),
            _ => String::new(),
        };
        DIMENSIONS.iter().map(value).collect()
    }

    fn of_labels(labels: &Texts) -> Option<Self> {
        let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
        let scope = match labels.get("scope")?.as_str() {
            "us" => Scope::Us,
            "vendor" => Scope::Vendor,
            "shared_credential" => Scope::SharedCredential,
            "region" => Scope::Region(label("environment")),
            "endpoint" => Scope::Endpoint(label("endpoint")),
            "credential" => Scope::Credential(label("customer")),
            _ => return None,
        };
        Some(Self { workspace: label("workspace"), integration: label("integration"), scope })
    }
}

fn is_verdict(alert: &Transition) -> bool {
    alert.rule_group == GROUP && RULES.iter().any(|(rule, _)| *rule == alert.rule)
}

/// Which alerts a verdict makes needless: built in, because only here is known what a rule measures.
///
/// As inhibition rules of a routing file they would be, for rules that carry a label of their own such as
/// `about: calls`: `source_matchers: [alertname=IntegrationFault, scope=vendor]`, `target_matchers: [about=calls]`,
/// `equal: [workspace, integration]`; with `endpoint`, `environment` or `customer` in `equal` for the narrower scopes.
#[derive(Clone, Debug, Default)]
pub struct Inhibition {
    /// Rules that look at failing or slow calls, by group and name.
    about_calls: BTreeMap<(String, String), Vec<About>>,
}

/// What one rule looks at.
#[derive(Clone, Debug)]
struct About {
    labels: Texts,
    filter: Filter,
    /// Its errors; `None` is all.
    classes: Option<Classes>,
    /// Whether it looks at how long calls take.
    slowness: bool,
}

impl Inhibition {
    /// Learns which rules look at failing or slow calls; alerts of others, such as on cost, are never made needless.
    pub fn new(rules: &RuleSet) -> Self {
        let mut about_calls: BTreeMap<_, Vec<About>> = BTreeMap::new();
        for rule in rules.iter().filter(|rule| is_about_calls(rule)) {
            let about = About {
                labels: rule.labels.clone(),
                filter: rule.filter.clone(),
                classes: rule.error_classes.clone(),
                slowness: is_about_time(rule),
            };
            about_calls.entry((rule.group.clone(), rule.name.clone())).or_default().push(about);
        }
        Self { about_calls }
    }

    /// Whether an alert is one that makes others needless.
    pub fn is_source(&self, alert: &Transition) -> bool {
        is_verdict(alert) && alert.state == State::Firing
    }

    /// Whether nobody needs to hear of `target` while `source` fires.
    pub fn inhibits(&self, source: &Transition, target: &Transition) -> bool {
        if !self.is_source(source) || source.workspace != target.workspace {
            return false;
        }
        let Some(place) = Place::of_labels(&source.labels) else { return false };
        if !is_verdict(target) {
            return self.about(target).is_some_and(|about| place.explains(about, &target.labels));
        }
        // Beside the whole vendor its parts are no news. What fails beside our own network is.
        let told = Place::of_labels(&target.labels);
        told.is_some_and(|told| {
            place.integration == told.integration && place.scope.is_whole() && !told.scope.is_whole()
        })
    }

    /// What the rule of an alert looks at: of rules with one name, the one whose labels the alert carries.
    fn about(&self, alert: &Transition) -> Option<&About> {
        let rules = self.about_calls.get(&(alert.rule_group.clone(), alert.rule.clone()))?;
        let carries =
            |about: &&About| about.labels.iter().all(|(name, value)| alert.labels.get(name) == Some(value));
        rules.iter().filter(carries).max_by_key(|about| about.labels.len())
    }
}

impl Scope {
    fn is_whole(&self) -> bool {
        matches!(self, Self::Vendor | Self::SharedCredential)
    }
}

impl Place {
    /// Whether an alert of such a rule, with these labels, is about calls that failed here, and in this way.
    fn explains(&self, about: &About, labels: &Texts) -> bool {
        let only = |dimension: Dimension| {
            let label = labels.get(dimension.word()).map(String::as_str);
            label.or_else(|| about.filter.get(&dimension).and_then(Condition::single))
        };
        // Without a label the alert is about all values that its rule looks at.
        let among = |dimension: Dimension, name: &str| match labels.get(dimension.word()) {
            Some(value) => value == name,
            None => about.filter.get(&dimension).is_none_or(|condition| condition.matches(name)),
        };
        let vendor = only(Dimension::Integration) == Some(&self.integration);
        let here = match &self.scope {
            Scope::Us => true,
            Scope::Vendor | Scope::SharedCredential => vendor,
            Scope::Region(name) => vendor && among(Dimension::Environment, name),
            Scope::Endpoint(name) => vendor && among(Dimension::Endpoint, name),
            Scope::Credential(name) => vendor && only(Dimension::Customer) == Some(name),
        };
        if about.slowness {
            return here && self.scope.tells_of(ErrorClass::Timeout);
        }
        let looked_at =
            |class: ErrorClass| about.classes.as_ref().is_none_or(|classes| classes.contains(&class));
        here && ErrorClass::ALL.iter().any(|class| self.scope.tells_of(*class) && looked_at(*class))
    }
}

fn is_about_calls(rule: &Rule) -> bool {
    is_about_time(rule)
        || matches!(
            rule.metric,
            Metric::Errors | Metric::ErrorRate | Metric::RetriedShare | Metric::RetryAmplification
        )
}

fn is_about_time(rule: &Rule) -> bool {
    rule.metric.quantile().is_some() || rule.metric == Metric::LatencyMean
}
