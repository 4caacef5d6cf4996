//! The tree of routes: labels of an alert enter, the routes that it takes leave.
//!
//! Alertmanager's walk: an alert goes down into the first child that it matches, and into further ones while
//! those say `continue`; where no child matches, the route itself takes it. Promise: pure, and every alert
//! takes at least one route.

use crate::{matchers::Matchers, rules::Texts};
use std::time::Duration;

/// How alerts are grouped and when groups are notified.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its name in keys of groups: the matchers on the way to it.
    pub key: String,
    /// Whom to notify.
    pub receiver: String,
    /// One group per combination of these labels.
    pub group_by: GroupBy,
    /// How long a new group waits for more alerts.
    pub group_wait: Duration,
    /// How long a group waits before it speaks of changes.
    pub group_interval: Duration,
    /// How long a group waits before it says the same again.
    pub repeat_interval: Duration,
    /// Which alerts take it, of those that take its parent.
    pub matchers: Matchers,
    /// Whether alerts that take it are offered to its later siblings too.
    pub goes_on: bool,
    /// Names of time intervals in which it is mute.
    pub mute_time_intervals: Vec<String>,
    /// Names of time intervals outside of which it is mute, if there are any.
    pub active_time_intervals: Vec<String>,
    /// Places of its children in [`Routes`].
    pub children: Vec<usize>,
}

/// Which labels make a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    /// Every label, written `'...'`: each alert is a group.
    All,
    /// The ones named; none makes one group of all alerts.
    Labels(Vec<String>),
}

/// Every route; the first is the root.
#[derive(Clone, Debug, PartialEq)]
pub struct Routes(pub(super) Vec<Route>);

impl GroupBy {
    /// The labels of an alert that make its group.
    pub fn labels_of(&self, labels: &Texts) -> Texts {
        let chosen = |name: &String| match self {
            Self::All => true,
            Self::Labels(names) => names.contains(name),
        };
        labels
            .iter()
            .filter(|(name, _)| chosen(name))
            .map(|(name, text)| (name.clone(), text.clone()))
            .collect()
    }
}

impl Routes {
    /// The route at a place.
    pub fn get(&self, place: usize) -> Option<&Route> {
        self.0.get(place)
    }

    /// Every route, parents before their children.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.0.iter()
    }

    /// Places of the routes that an alert takes.
    pub fn taken(&self, labels: &Texts) -> Vec<usize> {
        let mut taken = Vec::new();
        self.descend(0, labels, &mut taken);
        taken
    }

    /// The routes that an alert takes.
    pub fn taken_routes(&self, labels: &Texts) -> impl Iterator<Item = &Route> {
        self.taken(labels).into_iter().filter_map(|place| self.get(place))
    }

    fn descend(&self, place: usize, labels: &Texts, taken: &mut Vec<usize>) {
        let before = taken.len();
        for child in self.get(place).into_iter().flat_map(|route| &route.children) {
            let Some(route) = self.get(*child).filter(|route| route.matchers.matches(labels)) else {
                continue;
            };
            self.descend(*child, labels, taken);
            if !route.goes_on {
                break;
            }
        }
        if taken.len() == before {
            taken.push(place);
        }
    }
}
