//! Which addresses a receiver may have: an address enters, yes or the reason why not leaves.
//!
//! Promise: pure. Everything that is not plainly a public address of the internet is refused, unless
//! the operator allowed its network; addresses that carry an IPv4 address inside are judged by it too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A range of addresses, such as `127.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix: u32,
}

impl Network {
    /// Parses `address/prefix`; an address alone is itself.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) =
            text.trim().split_once('/').map_or((text.trim(), None), |(a, p)| (a, Some(p)));
        let base: IpAddr = address.parse().ok()?;
        let bits = if base.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Some(bits), |prefix| prefix.parse().ok())?;
        (prefix <= bits).then_some(Self { base, prefix })
    }

    /// Whether an address lies in it; an IPv4 address inside an IPv6 one counts as itself.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                let shift = 32 - self.prefix;
                u32::from(base).checked_shr(shift) == u32::from(address).checked_shr(shift)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                let shift = 128 - self.prefix;
                u128::from(base).checked_shr(shift) == u128::from(address).checked_shr(shift)
            }
            _ => false,
        }
    }
}

/// Where one receiver may be reached.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Networks that are allowed although private.
    pub private: Vec<Network>,
    /// Without TLS only the allowed networks may be reached.
    pub encrypted: bool,
}

/// An address that a receiver may not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not public.
    #[error("{0} is not a public address and not in alerter.private_receivers")]
    Private(IpAddr),
    /// Public, but without TLS.
    #[error("http reaches addresses in alerter.private_receivers only, and {0} is not one: use https")]
    Unencrypted(IpAddr),
}

impl Policy {
    /// Judges one address.
    pub fn judge(&self, address: IpAddr) -> Result<(), Refused> {
        if self.private.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        match (is_public(address), self.encrypted) {
            (false, _) => Err(Refused::Private(address)),
            (true, false) => Err(Refused::Unencrypted(address)),
            (true, true) => Ok(()),
        }
    }
}

/// IPv4 ranges of the IANA registry of special addresses that are not globally reachable, and multicast.
const SPECIAL_V4: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |(base, prefix): &(Ipv4Addr, u32)| {
        Network { base: IpAddr::V4(*base), prefix: *prefix }.contains(IpAddr::V4(address))
    };
    !SPECIAL_V4.iter().any(within)
}

/// Only 2000::/3 is handed out; in it, documentation, protocol and tunnel ranges are refused, and so
/// are 6to4 addresses of IPv4 addresses that are not public. NAT64 lies outside and is judged by its
/// IPv4 address; mapped addresses likewise.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let embedded = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match parts {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(embedded(high, low))
        }
        [0x2002, high, low, ..] => is_public_v4(embedded(high, low)),
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [0x3fff, second, ..] => second > 0xfff,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(private: &[&str], encrypted: bool, addresses: &[&str], wanted: bool) {
        let private = private.iter().map(|text| Network::parse(text).expect("a network")).collect();
        let policy = Policy { private, encrypted };
        for address in addresses {
            let judged = policy.judge(address.parse().expect("an address"));
            assert_eq!(judged.is_ok(), wanted, "{address}: {judged:?}");
        }
    }

    const PRIVATE: &[&str] = &[
        "127.0.0.1",
        "127.255.255.255",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.255",
        "168.63.129.16",
        "192.0.0.192",
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "100::1",
        "3fff::1",
        "5f00::1",
    ];
    const PUBLIC: &[&str] = &[
        "1.1.1.1",
        "8.8.8.8",
        "172.32.0.1",
        "100.128.0.1",
        "192.0.1.1",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
    ];

    #[test]
    fn only_public_addresses_are_reached_with_tls() {
        check(&[], true, PRIVATE, false);
        check(&[], true, PUBLIC, true);
    }

    #[test]
    fn without_tls_only_allowed_networks_are_reached() {
        check(&[], false, PUBLIC, false);
        check(&["127.0.0.0/8", "::1/128"], false, &["127.0.0.1", "::ffff:127.9.9.9", "::1"], true);
        check(&["127.0.0.0/8"], true, &["10.0.0.1", "::1"], false);
        check(&["0.0.0.0/0", "::/0"], false, PRIVATE, true);
        check(&["10.1.2.3"], true, &["10.1.2.3"], true);
        check(&["10.1.2.3"], true, &["10.1.2.4"], false);
    }

    #[test]
    fn only_well_formed_networks_parse() {
        for text in ["", "x", "1.2.3.4/33", "::/129", "1.2.3.4/", "/8", "1.2.3/8", "1.2.3.4/-1"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
    }
}
