//! Small types that every module of this crate shares: addresses and pending weirds.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// An IP address as 16 bytes in network order; IPv4 is kept v4-mapped (RFC 4291, section 2.5.5.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Ip(pub [u8; 16]);

const V4_MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl Ip {
    /// An IPv4 address from its four bytes.
    #[inline]
    pub fn v4(b: [u8; 4]) -> Self {
        let mut a = [0; 16];
        a[..12].copy_from_slice(&V4_MAPPED);
        a[12..].copy_from_slice(&b);
        Ip(a)
    }

    /// An address from a slice of 4 or 16 bytes; anything else is the unspecified IPv6 address.
    pub fn from_slice(b: &[u8]) -> Self {
        if let Ok(v) = <[u8; 4]>::try_from(b) {
            Ip::v4(v)
        } else if let Ok(v) = <[u8; 16]>::try_from(b) {
            Ip(v)
        } else {
            Ip::default()
        }
    }

    /// Whether this is an IPv4 address.
    #[inline]
    pub fn is_v4(&self) -> bool {
        self.0[..12] == V4_MAPPED
    }

    /// The bytes as they stand on the wire: 4 or 16.
    pub fn wire(&self) -> &[u8] {
        if self.is_v4() { &self.0[12..] } else { &self.0 }
    }

    /// Whether the address is in the prefix `net/len`, where `len` counts from the start of the 16 bytes.
    pub fn in_prefix(&self, net: &Ip, len: u8) -> bool {
        let len = usize::from(len.min(128));
        let (whole, bits) = (len / 8, len % 8);
        if self.0[..whole] != net.0[..whole] {
            return false;
        }
        bits == 0 || (self.0[whole] ^ net.0[whole]) >> (8 - bits) == 0
    }

    /// Whether this is a multicast address of either version.
    pub fn is_multicast(&self) -> bool {
        if self.is_v4() {
            self.0[12] & 0xf0 == 0xe0
        } else {
            self.0[0] == 0xff
        }
    }
}

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_v4() {
            Ipv4Addr::new(self.0[12], self.0[13], self.0[14], self.0[15]).fmt(f)
        } else {
            Ipv6Addr::from(self.0).fmt(f)
        }
    }
}

impl fmt::Debug for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Something odd about a packet, before anybody has decided whether to report it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weird {
    pub name: &'static str,
    /// Further details, empty if there are none.
    pub addl: Cow<'static, str>,
    /// The layer that noticed, empty if none is named.
    pub source: &'static str,
    /// Source and destination if an IP header was understood: the weird then belongs to that pair.
    pub flow: Option<(Ip, Ip)>,
}

/// The weirds of a packet in the order in which they were noticed.
#[derive(Clone, Debug, Default)]
pub struct Weirds {
    list: Vec<Weird>,
    /// Set while an IP header is known; copied into what is pushed.
    pub flow: Option<(Ip, Ip)>,
}

impl Weirds {
    /// Notes a weird without further details.
    pub fn push(&mut self, name: &'static str, source: &'static str) {
        self.push_addl(name, Cow::Borrowed(""), source);
    }

    /// Notes a weird.
    pub fn push_addl(&mut self, name: &'static str, addl: impl Into<Cow<'static, str>>, source: &'static str) {
        self.list.push(Weird {
            name,
            addl: addl.into(),
            source,
            flow: self.flow,
        });
    }

    /// Notes what somebody else has noticed.
    pub fn add(&mut self, weird: Weird) {
        self.list.push(weird);
    }

    /// Whether nothing odd was seen.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Hands out all weirds and forgets them.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Weird> {
        self.list.drain(..)
    }
}
