//! The catalogue: profiles enter, lookups by host and by name leave.
//!
//! An own profile replaces the built-in one of the same integration, and a host that it claims as well as a built-in
//! one is its own; otherwise the longest match wins. Promise: pure; a lookup scans nothing.

use crate::{
    built_in,
    check::{self, Checked},
    hosts::Hosts,
    profile::Profile,
    vendor::Vendor,
};
use callmeter_documents::{Problem, Problems};
use foldhash::fast::RandomState;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, LazyLock},
};

/// Every profile, ready for calls. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Catalogue {
    vendors: Vec<Arc<Vendor>>,
    hosts: Hosts,
    names: HashMap<Box<str>, usize, RandomState>,
    unknown: Arc<Vendor>,
    headers: HashSet<Box<str>, RandomState>,
}

/// The built-in profiles are read once in a process; they never change.
static BUILT_IN: LazyLock<Catalogue> = LazyLock::new(|| {
    let profiles = built_in::BUILT_IN.iter().filter_map(|(file, text)| check::read(file, text).ok());
    Catalogue::of(profiles.map(|checked| checked.profile))
});

impl Catalogue {
    /// The profiles that come with the product.
    pub fn built_in() -> Self {
        BUILT_IN.clone()
    }

    /// No profile at all.
    pub fn empty() -> Self {
        Self::of(std::iter::empty())
    }

    /// Profiles of one origin; of two that claim the same, the first has it.
    pub(crate) fn of(profiles: impl Iterator<Item = Profile>) -> Self {
        Self::join(profiles.map(|profile| Arc::new(Vendor::new(profile))).collect())
    }

    /// Adds own profiles, named by their files, to others; or says everything that is wrong with them.
    pub fn with(built_in: &Self, own: &[(String, String)]) -> Result<Self, Vec<Problem>> {
        let (mut read, mut problems) = (Vec::new(), Vec::new());
        for (file, text) in own {
            match check::check(file, text) {
                Ok(checked) => read.push((file.as_str(), checked)),
                Err(found) => problems.extend(found),
            }
        }
        problems.extend(conflicts(&read));
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut vendors: Vec<Arc<Vendor>> =
            read.into_iter().map(|(_, checked)| Arc::new(Vendor::new(checked.profile))).collect();
        let replaced = |vendor: &&Arc<Vendor>| {
            !vendors.iter().any(|own| own.profile.integration == vendor.profile.integration)
        };
        let kept: Vec<Arc<Vendor>> = built_in.vendors.iter().filter(replaced).cloned().collect();
        vendors.extend(kept);
        Ok(Self::join(vendors))
    }

    /// Earlier vendors have what later ones claim as well.
    fn join(vendors: Vec<Arc<Vendor>>) -> Self {
        let (mut hosts, mut names) = (Hosts::default(), HashMap::default());
        for (place, vendor) in vendors.iter().enumerate() {
            names.entry(vendor.profile.integration.as_str().into()).or_insert(place);
            for host in &vendor.profile.hosts {
                // A claim that is taken stays where it is.
                let _ = hosts.add(host, place);
            }
        }
        let unknown = Arc::new(Vendor::unknown());
        let read = vendors.iter().chain([&unknown]).flat_map(|vendor| vendor.names.iter());
        let headers = read.map(Box::from).collect();
        Self { vendors, hosts, names, unknown, headers }
    }

    /// The profiles, by integration.
    pub fn profiles(&self) -> Vec<&Profile> {
        let mut profiles: Vec<&Profile> = self.vendors.iter().map(|vendor| &vendor.profile).collect();
        profiles.sort_by(|one, other| one.integration.cmp(&other.integration));
        profiles
    }

    /// Whether any profile reads a response header, whose name is in lower case with dashes.
    pub fn reads_header(&self, name: &str) -> bool {
        self.headers.contains(name)
    }

    /// Every response header that some profile reads, in lower case with dashes, in no order.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|name| &**name)
    }

    pub(crate) fn by_host(&self, host: &str, path: &str) -> Option<(&Vendor, &str)> {
        let (place, claim) = self.hosts.find(host, path)?;
        Some((self.vendors.get(place)?, claim))
    }

    pub(crate) fn by_name(&self, name: &str) -> Option<&Vendor> {
        self.vendors.get(*self.names.get(name)?).map(|vendor| &**vendor)
    }

    pub(crate) fn unknown(&self) -> &Vendor {
        &self.unknown
    }
}

/// What two profiles of one origin both claim.
pub(crate) fn conflicts(read: &[(&str, Checked)]) -> Vec<Problem> {
    let (mut names, mut hosts) = (BTreeMap::new(), BTreeMap::new());
    let mut found = Vec::new();
    for (file, checked) in read {
        let mut problems = Problems::new(file);
        let profile = &checked.profile;
        if let Some(other) = names.insert(profile.integration.as_str(), *file) {
            let what = format!("{other} is a profile of {} as well", profile.integration);
            problems.add(checked.integration_line, "integration", what, None);
        }
        for (place, host) in profile.hosts.iter().enumerate() {
            if let Some(other) = hosts.insert(host.as_str(), *file) {
                let line = checked.host_lines.get(place).copied().unwrap_or_default();
                problems.add(
                    line,
                    &format!("hosts[{place}]"),
                    format!("{other} claims {host} as well"),
                    None,
                );
            }
        }
        found.extend(problems.into_vec());
    }
    found
}

#[cfg(test)]
mod tests;
