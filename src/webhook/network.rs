//! Which addresses may be called: those of the public internet (the registries of special-purpose addresses of IANA, RFC 6890), and
//! those of networks that the configuration names.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The networks of IPv4 that are not public, with what each is.
const SPECIAL_V4: &[(Ipv4Addr, u8, &str)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, "this host"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    // Also has the metadata service of the vendor, 100.100.100.200.
    (Ipv4Addr::new(100, 64, 0, 0), 10, "shared, as metadata services are"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local, as metadata services are"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "for documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "reserved"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "for benchmarks"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "for documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "for documentation"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

/// Of IPv6 only 2000::/3 is public, but for these.
const SPECIAL_V6: &[(Ipv6Addr, u8, &str)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved, or a tunnel"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "for documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "a tunnel"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "for documentation"),
];

/// A network that the configuration names, such as `10.1.0.0/16`, or an address alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a network such as \"10.1.0.0/16\" or \"fd00::/8\", nor an address");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).ok().filter(|bits| *bits <= most).ok_or_else(wrong)?;
        let network = Self { address, bits };
        if network.is_whole() { Ok(network) } else { Err(format!("{text:?} has bits set beyond its /{bits}")) }
    }

    /// Whether nothing is set beyond its bits.
    fn is_whole(self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.to_bits().checked_shl(self.bits.into()).unwrap_or(0) == 0,
            IpAddr::V6(address) => address.to_bits().checked_shl(self.bits.into()).unwrap_or(0) == 0,
        }
    }

    fn has(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => in_v4(address, network, self.bits),
            (IpAddr::V6(network), IpAddr::V6(address)) => in_v6(address, network, self.bits),
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

fn in_v4(address: Ipv4Addr, network: Ipv4Addr, bits: u8) -> bool {
    (address.to_bits() ^ network.to_bits()).checked_shr(32 - u32::from(bits)).unwrap_or(0) == 0
}

fn in_v6(address: Ipv6Addr, network: Ipv6Addr, bits: u8) -> bool {
    (address.to_bits() ^ network.to_bits()).checked_shr(128 - u32::from(bits)).unwrap_or(0) == 0
}

/// Why an address may not be called; `None` if it may.
pub(super) fn refusal(address: IpAddr, allowed: &[Network]) -> Option<&'static str> {
    // `::ffff:10.0.0.1` reaches 10.0.0.1.
    let address = address.to_canonical();
    if allowed.iter().any(|network| network.has(address)) {
        return None;
    }
    match address {
        IpAddr::V4(address) => {
            SPECIAL_V4.iter().find(|(network, bits, _)| in_v4(address, *network, *bits)).map(|(_, _, what)| *what)
        }
        IpAddr::V6(address) if address.segments()[0] >> 13 != 1 => Some(match address {
            _ if address.is_loopback() => "loopback",
            _ if address.is_unique_local() => "private",
            _ if address.is_unicast_link_local() => "link-local",
            _ if address.is_multicast() => "multicast",
            _ => "reserved",
        }),
        IpAddr::V6(address) => {
            SPECIAL_V6.iter().find(|(network, bits, _)| in_v6(address, *network, *bits)).map(|(_, _, what)| *what)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, allowed: &[&str]) -> bool {
        let allowed: Vec<Network> = allowed.iter().map(|network| Network::parse(network).unwrap()).collect();
        refusal(address.parse().unwrap(), &allowed).is_some()
    }

    #[test]
    fn only_public_addresses_may_be_called() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.100.100.200",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(refused(address, &[]), "{address}");
        }
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2001:200::1",
            "2400:3200::1",
            "2606:4700::1111",
            "3ffe::1",
        ] {
            assert!(!refused(address, &[]), "{address}");
        }
    }

    #[test]
    fn a_network_that_is_named_may_be_called_and_no_other() {
        for (network, inside, outside) in [
            ("10.1.0.0/16", "10.1.255.255", "10.2.0.0"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("0.0.0.0/0", "169.254.169.254", "::1"),
            ("fd00::/8", "fd00::1", "fc00::1"),
            ("::/0", "::1", "127.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.9.9.9", "::ffff:192.168.0.1"),
        ] {
            assert!(!refused(inside, &[network]) && refused(outside, &[network]), "{network}");
        }
        for bad in ["", "10.0.0.0/33", "10.0.0.1/8", "fd00::1/8", "::/129", "10.0.0.0/", "host", "10.0.0.0/8/8", "1/8"]
        {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(Network::parse("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
    }
}
