//! One rule: its map enters, a rule that cannot be wrong leaves, or everything that is wrong with it.
//!
//! Promise: pure.

use super::{
    filter::filter,
    keys,
    quantity::{Kind, quantity, terms},
    reader::Reader,
};
use crate::{
    filter::{Classes, Filter},
    quantity::Quantity,
    rules::{Budget, Compare, Override, Rule, Terms, Texts},
    template,
    vocabulary::{Comparison, Dimension, Metric, NoData, Op, Period, Source},
};
use callmeter_documents::{Problems, yaml::Node};
use std::time::Duration;

/// How far back the limits lie that a rule on quotas looks at, when it does not say: as far as the view does.
const QUOTA_WINDOW: Duration = Duration::from_secs(31 * 24 * 3_600);
/// Longest window of a rule on money: months before are priced again for every question.
const MAX_SPEND_WINDOW: Duration = Duration::from_secs(31 * 24 * 3_600);
/// How long groups are known, when a rule needs that and does not say.
const LOOK_BACK: Duration = Duration::from_secs(24 * 3_600);

/// Reads one rule, without the name and the interval of its group.
pub(super) fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Rule> {
    let before = problems.count();
    let mut reader = Reader::open(node, path, keys::RULE, problems)?;
    for key in ["alert", "metric", "op", "threshold"] {
        reader.require(key);
    }
    let name = reader.text("alert");
    let metric = reader.word("metric", Metric::WORDS, Metric::parse);
    let op = reader.word("op", Op::WORDS, Op::parse);
    let budget = budget(&mut reader, metric);
    let source = metric.map(|metric| metric.source(budget.map(|budget| budget.period)));
    let window = window(&mut reader, metric, source);
    let compare = compare(&mut reader, metric, source, window);
    let kind = Kind::of(metric, compare.is_some_and(|compare| compare.comparison == Comparison::Ratio));
    let (filter, error_classes) = filtered(&mut reader, metric, source);
    let group_by = group_by(&mut reader, metric, source);
    if !metric.is_none_or(Metric::has_samples) {
        unless_given(&mut reader, "min_samples", "there are no calls to count beside this metric");
    }
    let terms = terms(&mut reader, (op, kind), None);
    if silences_itself(metric, op, compare, terms.as_ref()) {
        reader.refuse(
            "min_samples",
            "a group with too few calls would never count as too few: set min_samples: 0",
        );
    }
    let overrides = overrides(&mut reader, (op, kind), terms.as_ref(), &group_by);
    let no_data = reader.word("no_data", NoData::WORDS, NoData::parse).unwrap_or(NoData::Ok);
    let (look_back, new_group_delay) = known_groups(&mut reader, metric, source, (no_data, window));
    let labels = labels(&mut reader, &group_by);
    let annotations = annotations(&mut reader);
    reader.close();
    if problems.count() > before {
        return None;
    }
    Some(Rule {
        group: String::new(),
        interval: None,
        place: (node.line, node.column),
        name: name?,
        metric: metric?,
        window: window?,
        filter,
        error_classes,
        group_by,
        op: op?,
        terms: terms?,
        overrides,
        compare,
        budget,
        no_data,
        look_back,
        new_group_delay,
        labels,
        annotations,
    })
}

/// Whether a rule on too little traffic leaves out the groups with little traffic.
fn silences_itself(
    metric: Option<Metric>,
    op: Option<Op>,
    compare: Option<Compare>,
    terms: Option<&Terms>,
) -> bool {
    let too_few = metric == Some(Metric::Calls) && matches!(op, Some(Op::Below | Op::AtMost));
    too_few && compare.is_none() && terms.is_some_and(|terms| terms.min_samples > 0)
}

/// Refuses a key that says nothing to the rule's metric.
fn unless_given(reader: &mut Reader<'_, '_>, key: &'static str, message: &str) {
    if let Some(node) = reader.take(key) {
        reader.refuse_at(node, key, message);
    }
}

fn budget(reader: &mut Reader<'_, '_>, metric: Option<Metric>) -> Option<Budget> {
    if metric.is_some_and(|metric| metric != Metric::BudgetSpent) {
        unless_given(reader, "budget", "goes with the metric budget_spent only");
        return None;
    }
    if metric.is_some() {
        reader.require("budget");
    }
    let node = reader.take("budget")?;
    let path = reader.fields.path("budget");
    let mut budget = Reader::open(node, &path, keys::BUDGET, reader.problems)?;
    for key in keys::BUDGET {
        budget.require(key);
    }
    let amount = quantity(&mut budget, "amount", Kind::Money);
    let period = budget.word("period", Period::WORDS, Period::parse);
    if amount.is_some_and(|amount| !Op::Above.holds(amount, Quantity::Money(0))) {
        budget.refuse("amount", "must be more than nothing");
    }
    budget.close();
    Some(Budget { amount: amount?, period: period? })
}

fn window(reader: &mut Reader<'_, '_>, metric: Option<Metric>, source: Option<Source>) -> Option<Duration> {
    match source {
        Some(Source::Budget(_)) => unless_given(reader, "window", "the window is the period of the budget"),
        Some(Source::Pipeline) => unless_given(reader, "window", "the lag is that of the moment"),
        Some(Source::Quota) => return Some(reader.span("window").unwrap_or(QUOTA_WINDOW)),
        _ => {
            reader.require("window");
            let window = reader.span("window")?;
            if metric.is_some_and(Metric::adds_money) && window > MAX_SPEND_WINDOW {
                reader.refuse("window", "windows of metrics of money are 31d at most");
            }
            return Some(window);
        }
    }
    Some(Duration::ZERO)
}

fn compare(
    reader: &mut Reader<'_, '_>,
    metric: Option<Metric>,
    source: Option<Source>,
    window: Option<Duration>,
) -> Option<Compare> {
    if source.is_some_and(|source| !source.slides()) || metric == Some(Metric::NoTrafficFor) {
        unless_given(reader, "compare", "this metric has no window before to be compared with");
        return None;
    }
    let node = reader.take("compare")?;
    let path = reader.fields.path("compare");
    let mut compare = Reader::open(node, &path, keys::COMPARE, reader.problems)?;
    for key in keys::COMPARE {
        compare.require(key);
    }
    let with = compare.span("with");
    let comparison = compare.word("as", Comparison::WORDS, Comparison::parse);
    if with.zip(window).is_some_and(|(with, window)| with < window) {
        compare.refuse("with", "must not be shorter than the window: the two would share calls");
    }
    compare.close();
    Some(Compare { with: with?, comparison: comparison? })
}

fn filtered(
    reader: &mut Reader<'_, '_>,
    metric: Option<Metric>,
    source: Option<Source>,
) -> (Filter, Option<Classes>) {
    let Some(node) = reader.take("filter") else { return (Filter::new(), None) };
    let path = reader.fields.path("filter");
    let (filter, classes) = filter(node, &path, true, reader.problems);
    if classes.is_some() && !matches!(metric, None | Some(Metric::Errors | Metric::ErrorRate)) {
        let message = "restricts which errors count, so it goes with the metrics errors and error_rate only";
        reader.refuse_at(node, "filter.error_class", message);
    }
    for dimension in filter.keys() {
        judge_dimension(reader, &format!("filter.{}", dimension.word()), *dimension, source);
    }
    (filter, classes)
}

/// The dimensions named, with the workspace wherever there is one and the currency wherever money is added up.
fn group_by(reader: &mut Reader<'_, '_>, metric: Option<Metric>, source: Option<Source>) -> Vec<Dimension> {
    let mut dimensions = reader.words("group_by", Dimension::WORDS, Dimension::parse);
    for (place, dimension) in dimensions.iter().enumerate() {
        judge_dimension(reader, &format!("group_by[{place}]"), *dimension, source);
    }
    dimensions.extend((source != Some(Source::Pipeline)).then_some(Dimension::Workspace));
    dimensions.extend(metric.is_some_and(Metric::adds_money).then_some(Dimension::Currency));
    dimensions.sort_unstable();
    dimensions.dedup();
    dimensions
}

fn judge_dimension(reader: &mut Reader<'_, '_>, key: &str, dimension: Dimension, source: Option<Source>) {
    let Some(source) = source.filter(|source| !source.has(dimension)) else { return };
    let known =
        Dimension::WORDS.iter().filter(|word| Dimension::parse(word).is_some_and(|one| source.has(one)));
    let known: Vec<&str> = known.copied().collect();
    let message = match known.as_slice() {
        [] => "this metric has no dimensions".to_owned(),
        known => format!("this metric has the dimensions {} only", known.join(", ")),
    };
    reader.refuse(key, message);
}

fn overrides(
    reader: &mut Reader<'_, '_>,
    written: (Option<Op>, Kind),
    base: Option<&Terms>,
    group_by: &[Dimension],
) -> Vec<Override> {
    let items = reader.fields.list("overrides", reader.problems);
    let read = |(path, node): (String, &Node)| {
        let mut reader = Reader::open(node, &path, keys::OVERRIDE, reader.problems)?;
        reader.require("filter");
        let filter = reader.take("filter").map(|node| {
            let path = reader.fields.path("filter");
            filter(node, &path, false, reader.problems).0
        });
        for dimension in filter.iter().flat_map(Filter::keys).filter(|one| !group_by.contains(one)) {
            let key = format!("filter.{}", dimension.word());
            reader.refuse(&key, "groups are told apart by dimensions of group_by only");
        }
        let terms = terms(&mut reader, written, base);
        reader.close();
        Some(Override { filter: filter?, terms: terms? })
    };
    items.into_iter().filter_map(read).collect()
}

/// How long groups are known, and how old they must be.
fn known_groups(
    reader: &mut Reader<'_, '_>,
    metric: Option<Metric>,
    source: Option<Source>,
    (no_data, window): (NoData, Option<Duration>),
) -> (Duration, Duration) {
    if source.is_some_and(|source| !source.slides()) {
        unless_given(reader, "look_back", "groups of this metric are those that it has now");
        unless_given(reader, "new_group_delay", "groups of this metric have no first call");
        return (Duration::ZERO, Duration::ZERO);
    }
    if metric == Some(Metric::NoTrafficFor) {
        unless_given(reader, "look_back", "the window says how far back is looked");
        let delay = reader.duration("new_group_delay").unwrap_or_default();
        judge_delay(reader, delay, window);
        return (Duration::ZERO, delay);
    }
    let look_back = reader.span("look_back");
    let delay = reader.duration("new_group_delay").unwrap_or_default();
    let needs = no_data != NoData::Ok || !delay.is_zero();
    let least = window.unwrap_or_default().saturating_mul(2).max(LOOK_BACK).max(delay.saturating_mul(2));
    if look_back.zip(window).is_some_and(|(back, window)| back <= window) {
        reader.refuse("look_back", "must be longer than the window");
    }
    judge_delay(reader, delay, look_back);
    (look_back.unwrap_or(if needs { least } else { Duration::ZERO }), delay)
}

/// Whatever is looked at must reach farther back than what is too new.
fn judge_delay(reader: &mut Reader<'_, '_>, delay: Duration, reach: Option<Duration>) {
    if reach.is_some_and(|reach| !delay.is_zero() && delay >= reach) {
        reader
            .refuse("new_group_delay", "must be shorter than what is looked back at, or all groups are new");
    }
}

/// A rule's own labels must leave the identity of its alerts alone.
fn labels(reader: &mut Reader<'_, '_>, group_by: &[Dimension]) -> Texts {
    let labels = reader.texts("labels");
    for (name, text) in &labels {
        let key = format!("labels.{name}");
        if name == "alertname" || group_by.iter().any(|dimension| dimension.word() == name) {
            reader.refuse(&key, "is set by Callmeter");
        }
        if text.contains("{{") {
            reader.refuse(&key, "labels are plain texts; templates go into annotations");
        }
    }
    labels
}

fn annotations(reader: &mut Reader<'_, '_>) -> Texts {
    let annotations = reader.texts("annotations");
    for (name, template) in &annotations {
        if let Some(mistake) = template::mistake(template) {
            reader.refuse(&format!("annotations.{name}"), mistake);
        }
    }
    annotations
}
