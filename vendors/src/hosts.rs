//! Hosts: which vendor a host name and a path belong to.
//!
//! A claim is an exact host or `*.suffix`, each with an optional path prefix. Promise: pure; a lookup costs one hash
//! per label of the host, however many profiles there are. An exact host wins over a suffix, a longer suffix over a
//! shorter, and on one host the longest path prefix.

use foldhash::fast::RandomState;
use std::collections::HashMap;

/// A claim in parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Claim<'c> {
    /// `api.x.com`, or `.x.com` for every subdomain.
    pub(crate) host: &'c str,
    /// Empty, or `/calendar`.
    pub(crate) prefix: &'c str,
}

impl<'c> Claim<'c> {
    pub(crate) fn of(text: &'c str) -> Self {
        let (host, prefix) = text.find('/').map_or((text, ""), |at| text.split_at(at));
        Self { host: host.strip_prefix('*').unwrap_or(host), prefix }
    }
}

/// Vendors by their claims.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosts {
    /// By host or `.suffix`: prefixes, longest first, with the vendor and the claim as it is written.
    claims: HashMap<Box<str>, Vec<Owned>, RandomState>,
}

#[derive(Clone, Debug)]
struct Owned {
    prefix: Box<str>,
    vendor: usize,
    text: Box<str>,
}

impl Hosts {
    /// Adds a claim unless somebody has it already; says who.
    pub(crate) fn add(&mut self, text: &str, vendor: usize) -> Result<(), usize> {
        let claim = Claim::of(text);
        let claims = self.claims.entry(claim.host.into()).or_default();
        if let Some(other) = claims.iter().find(|other| *other.prefix == *claim.prefix) {
            return if other.vendor == vendor { Ok(()) } else { Err(other.vendor) };
        }
        claims.push(Owned { prefix: claim.prefix.into(), vendor, text: text.into() });
        claims.sort_by_key(|claim| std::cmp::Reverse(claim.prefix.len()));
        Ok(())
    }

    /// The vendor of a host in lower case, and its claim.
    pub(crate) fn find(&self, host: &str, path: &str) -> Option<(usize, &str)> {
        let of = |key: &str| {
            let claims = self.claims.get(key)?.iter();
            claims
                .filter(|claim| begins_with(path, &claim.prefix))
                .map(|claim| (claim.vendor, &*claim.text))
                .next()
        };
        let suffixes = host.match_indices('.').map(|(at, _)| &host[at..]);
        of(host).or_else(|| suffixes.filter(|suffix| suffix.len() < host.len()).find_map(of))
    }
}

/// Whether a path begins with a prefix of whole segments; empty segments, as in `//calendar`, are none.
fn begins_with(path: &str, prefix: &str) -> bool {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    prefix.split('/').filter(|segment| !segment.is_empty()).all(|wanted| segments.next() == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_match_wins() {
        let mut hosts = Hosts::default();
        for (vendor, claim) in [
            "api.x.com",
            "*.x.com",
            "*.eu.x.com",
            "www.g.com/calendar",
            "www.g.com/drive",
            "www.g.com",
            "*.g.com/calendar",
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(hosts.add(claim, vendor), Ok(()));
        }
        assert_eq!(hosts.add("*.x.com", 9), Err(1));
        for (host, path, wanted) in [
            ("api.x.com", "/", Some(0)),
            ("a.b.x.com", "/", Some(1)),
            ("a.b.eu.x.com", "/", Some(2)),
            ("x.com", "/", None),
            ("www.g.com", "/calendar/v3/events", Some(3)),
            ("www.g.com", "//calendar//v3", Some(3)),
            ("www.g.com", "/calendars", Some(5)),
            ("www.g.com", "", Some(5)),
            ("eu.g.com", "/calendar", Some(6)),
            ("eu.g.com", "/drive", None),
            ("", "", None),
        ] {
            assert_eq!(hosts.find(host, path).map(|(vendor, _)| vendor), wanted, "{host}{path}");
        }
    }
}
