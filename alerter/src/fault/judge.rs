//! The judge: cells and the verdicts that stand enter, verdicts leave.
//!
//! Promise: pure, and independent of the order of cells; the rule and its reasons stand in [`crate::fault`].

use crate::fault::evidence::{Cell, Family, Side};
use callmeter_schemas::ErrorClass;
use std::collections::{BTreeMap, BTreeSet};

/// Integrations that must fail at once before it is us.
const MIN_INTEGRATIONS: usize = 3;
/// Share of the integrations with calls.
const SHARE_OF_INTEGRATIONS: f64 = 0.6;
/// Share of the errors beyond the usual that an explanation explains.
const COVERAGE: f64 = 0.8;
/// Share of the customers, or endpoints, that are affected where all should be.
const PURITY: f64 = 0.5;
/// Customers that must be affected before it is the vendor, if there are so many.
const MIN_CUSTOMERS: usize = 2;
/// Share of the customers with calls, for errors of a service.
const SHARE_OF_CUSTOMERS: f64 = 0.25;

/// What fails.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// The way from us to most vendors.
    Us,
    /// The vendor, for many customers.
    Vendor,
    /// The credential that customers of a vendor share, such as the app's own.
    SharedCredential,
    /// The vendor in one environment.
    Region(String),
    /// One endpoint of the vendor.
    Endpoint(String),
    /// One customer's credential or account.
    Credential(String),
}

/// Where it fails: what tells verdicts apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The tenant.
    pub workspace: String,
    /// The vendor API; empty when it is us.
    pub integration: String,
    /// What of it.
    pub scope: Scope,
}

/// What is held against whom, and on which numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Where it fails.
    pub place: Place,
    /// Calls and errors there.
    pub side: Side,
    /// Customers affected.
    pub customers: usize,
    /// Customers with enough calls there.
    pub active_customers: usize,
    /// Whether it stood before and would no longer begin.
    pub lasting: bool,
}

/// Judges all cells; `standing` are the places of verdicts that led to alerts which are still open.
pub fn judge(cells: &[Cell], standing: &BTreeSet<Place>) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (workspace, cells) in by(cells, |cell| &cell.workspace) {
        verdicts.extend(judge_workspace(workspace, &cells));
    }
    let known: BTreeSet<Place> = verdicts.iter().map(|verdict: &Verdict| verdict.place.clone()).collect();
    for place in standing.difference(&known) {
        let ours: Vec<&Cell> = cells.iter().filter(|cell| place.holds(cell)).collect();
        let family = place
            .scope
            .families()
            .into_iter()
            .max_by_key(|family| Side::of(ours.iter().copied(), *family).errors);
        let lasting = family.map(|family| Verdict { lasting: true, ..verdict(place.clone(), &ours, family) });
        verdicts.extend(lasting.filter(|verdict| verdict.side.still_fails()));
    }
    verdicts.sort_by(|one, other| one.place.cmp(&other.place));
    verdicts
}

fn judge_workspace(workspace: &str, cells: &[&Cell]) -> Vec<Verdict> {
    let place = |integration: &str, scope| Place {
        workspace: workspace.to_owned(),
        integration: integration.to_owned(),
        scope,
    };
    let integrations = by(cells.iter().copied(), |cell| &cell.integration);
    let ours = ours(&integrations);
    let mut verdicts = Vec::new();
    if !ours.is_empty() {
        let cells: Vec<&Cell> =
            cells.iter().copied().filter(|cell| ours.contains(cell.integration.as_str())).collect();
        verdicts.push(verdict(place("", Scope::Us), &cells, Family::Network));
    }
    for (integration, cells) in &integrations {
        let service =
            if ours.contains(integration) { Family::ServiceWithoutNetwork } else { Family::Service };
        for family in [service, Family::Credential] {
            let mut scopes = locate(cells, family);
            scopes.sort();
            for scope in scopes {
                let place = place(integration, scope);
                let within: Vec<&Cell> = cells.iter().copied().filter(|cell| place.holds(cell)).collect();
                verdicts.push(verdict(place, &within, family));
            }
        }
    }
    // Of two families that blame the same, the one with more errors tells.
    verdicts.sort_by(|one, other| (&one.place, other.side.errors).cmp(&(&other.place, one.side.errors)));
    verdicts.dedup_by(|one, other| one.place == other.place);
    verdicts
}

/// The integrations whose way there fails together; none when that is not ours.
fn ours<'c>(integrations: &BTreeMap<&'c str, Vec<&'c Cell>>) -> BTreeSet<&'c str> {
    let sides =
        integrations.iter().map(|(name, cells)| (*name, Side::of(cells.iter().copied(), Family::Network)));
    let active: Vec<_> = sides.filter(|(_, side)| side.is_active()).collect();
    let failing: BTreeSet<&str> =
        active.iter().filter(|(_, side)| side.fails()).map(|(name, _)| *name).collect();
    let enough = failing.len() >= MIN_INTEGRATIONS
        && failing.len() as f64 >= SHARE_OF_INTEGRATIONS * active.len() as f64;
    if enough { failing } else { BTreeSet::new() }
}

/// What explains the errors of one integration; nothing when none are unusual.
fn locate(cells: &[&Cell], family: Family) -> Vec<Scope> {
    let customers = Split::of(cells, family, |cell| &cell.customer);
    if let [customer] = customers.failing.as_slice()
        && customers.active > 1
        && fails_throughout(customers.cells(customer), family)
    {
        return vec![Scope::Credential((*customer).to_owned())];
    }
    let endpoints = Split::of(cells, family, |cell| &cell.endpoint);
    if endpoints.explains(cells, family) {
        return endpoints.failing.iter().map(|name| Scope::Endpoint((*name).to_owned())).collect();
    }
    let regions = Split::of(cells, family, |cell| &cell.environment);
    if regions.explains(cells, family) {
        return regions.failing.iter().map(|name| Scope::Region((*name).to_owned())).collect();
    }
    let affected = customers.failing.len();
    let many = |share: f64| affected >= MIN_CUSTOMERS && affected as f64 >= share * customers.active as f64;
    match family {
        Family::Credential if many(PURITY) => vec![Scope::SharedCredential],
        Family::Credential => customers.credentials(),
        _ if many(SHARE_OF_CUSTOMERS)
            || customers.active <= 1 && Side::of(cells.iter().copied(), family).fails() =>
        {
            vec![Scope::Vendor]
        }
        _ => customers.credentials(),
    }
}

/// Whether most of the endpoints that a customer calls fail for it.
fn fails_throughout(cells: &[&Cell], family: Family) -> bool {
    let endpoints = Split::of(cells, family, |cell| &cell.endpoint);
    // Too few calls to any endpoint: then the customer's calls as a whole are all that is known.
    endpoints.active == 0
        || endpoints.failing.len() as f64 > PURITY * endpoints.active as f64
        || endpoints.active == 1
}

/// Cells told apart by one dimension.
struct Split<'c> {
    dimension: fn(&Cell) -> &str,
    parts: BTreeMap<&'c str, Vec<&'c Cell>>,
    /// Values that fail.
    failing: Vec<&'c str>,
    /// How many values have enough calls.
    active: usize,
}

impl<'c> Split<'c> {
    fn of(cells: &[&'c Cell], family: Family, dimension: fn(&Cell) -> &str) -> Self {
        let parts = by(cells.iter().copied(), dimension);
        let sides = parts.iter().map(|(name, cells)| (*name, Side::of(cells.iter().copied(), family)));
        let active: Vec<_> = sides.filter(|(_, side)| side.is_active()).collect();
        let failing = active.iter().filter(|(_, side)| side.fails()).map(|(name, _)| *name).collect();
        Self { dimension, failing, active: active.len(), parts }
    }

    fn cells(&self, name: &str) -> &[&'c Cell] {
        self.parts.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the values that fail are few, hold nearly all errors, and fail for most of their customers.
    fn explains(&self, cells: &[&Cell], family: Family) -> bool {
        if self.failing.is_empty() || self.failing.len() * 2 > self.active {
            return false;
        }
        let within = |name: &&str| Side::of(self.cells(name).iter().copied(), family).excess();
        let excess: f64 = self.parts.keys().map(within).sum();
        let explained: f64 = self.failing.iter().map(within).sum();
        let rest = cells.iter().filter(|cell| !self.failing.contains(&(self.dimension)(cell)));
        let rest = Side::of(rest.copied(), family);
        explained >= COVERAGE * excess
            && !rest.fails()
            && self.failing.iter().all(|name| affects_most(self.cells(name), family))
    }

    fn credentials(&self) -> Vec<Scope> {
        self.failing.iter().map(|name| Scope::Credential((*name).to_owned())).collect()
    }
}

/// Whether most customers of some cells are affected.
fn affects_most(cells: &[&Cell], family: Family) -> bool {
    let customers = Split::of(cells, family, |cell| &cell.customer);
    // Many customers with a few calls each: then their calls as a whole are all that is known.
    customers.active == 0 || customers.failing.len() as f64 >= PURITY * customers.active as f64
}

fn verdict(place: Place, cells: &[&Cell], family: Family) -> Verdict {
    let customers = Split::of(cells, family, |cell| &cell.customer);
    // With a few calls each, whoever saw an error is affected.
    let touched = || {
        by(cells.iter().copied(), |cell| &cell.customer)
            .into_values()
            .filter(|cells| Side::of(cells.iter().copied(), family).errors > 0)
            .count()
    };
    let affected = if customers.failing.is_empty() { touched() } else { customers.failing.len() };
    Verdict {
        place,
        side: Side::of(cells.iter().copied(), family),
        customers: affected,
        active_customers: customers.active.max(affected),
        lasting: false,
    }
}

impl Place {
    fn holds(&self, cell: &Cell) -> bool {
        let within = match &self.scope {
            Scope::Us => true,
            Scope::Vendor | Scope::SharedCredential => cell.integration == self.integration,
            Scope::Region(name) => cell.integration == self.integration && cell.environment == *name,
            Scope::Endpoint(name) => cell.integration == self.integration && cell.endpoint == *name,
            Scope::Credential(name) => cell.integration == self.integration && cell.customer == *name,
        };
        within && cell.workspace == self.workspace
    }
}

impl Scope {
    /// Whether errors of a class can be of such a fault.
    pub(crate) fn tells_of(&self, class: ErrorClass) -> bool {
        self.families().into_iter().any(|family| family.holds(class))
    }

    /// Errors that may have led to it.
    fn families(&self) -> Vec<Family> {
        match self {
            Self::Us => vec![Family::Network],
            Self::SharedCredential => vec![Family::Credential],
            Self::Vendor => vec![Family::Service],
            Self::Region(_) | Self::Endpoint(_) | Self::Credential(_) => {
                vec![Family::Service, Family::Credential]
            }
        }
    }
}

/// Cells by a dimension.
fn by<'c>(
    cells: impl IntoIterator<Item = &'c Cell>,
    dimension: fn(&Cell) -> &str,
) -> BTreeMap<&'c str, Vec<&'c Cell>> {
    let mut parts: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
    cells.into_iter().for_each(|cell| parts.entry(dimension(cell)).or_default().push(cell));
    parts
}
