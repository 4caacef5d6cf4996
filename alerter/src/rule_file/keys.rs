//! The keys of rule files, map by map: what the readers take and the published schema lists.

/// Of a file.
pub(crate) const FILE: &[&str] = &["groups"];

/// Of a group.
pub(crate) const GROUP: &[&str] = &["name", "interval", "defaults", "rules"];

/// Of a rule.
pub(crate) const RULE: &[&str] = &[
    "alert",
    "metric",
    "window",
    "filter",
    "group_by",
    "op",
    "threshold",
    "clear_threshold",
    "min_samples",
    "for",
    "keep_firing_for",
    "no_data",
    "look_back",
    "new_group_delay",
    "compare",
    "budget",
    "overrides",
    "labels",
    "annotations",
];

/// Of `defaults` of a group: what rules of one group often have in common.
pub(crate) const DEFAULTS: &[&str] = &[
    "window",
    "filter",
    "group_by",
    "op",
    "min_samples",
    "for",
    "keep_firing_for",
    "no_data",
    "look_back",
    "new_group_delay",
    "labels",
    "annotations",
];

/// Of one of `overrides`.
pub(crate) const OVERRIDE: &[&str] =
    &["filter", "threshold", "clear_threshold", "min_samples", "for", "keep_firing_for"];

/// Of `compare`.
pub(crate) const COMPARE: &[&str] = &["with", "as"];

/// Of `budget`.
pub(crate) const BUDGET: &[&str] = &["amount", "period"];

/// Of a condition that is written out.
pub(crate) const CONDITION: &[&str] = &["is", "in", "not", "regex"];

/// Of a condition on error classes.
pub(crate) const CLASS_CONDITION: &[&str] = &["is", "in", "not"];

/// Below `not`.
pub(crate) const NOT: &[&str] = &["regex"];
