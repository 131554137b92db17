//! The packet filter language (pcap-filter(7)): text in, a [`Filter`] that says yes or no to packets out.
//!
//! [`parse`](self::parse) makes a tree whose leaves know at which depth of VLAN, MPLS and PPPoE headers they look;
//! [`eval`](self::eval) walks it over a packet. Names of hosts are not looked up.

mod eval;
mod names;
mod parse;

use std::fmt;

use crate::source::RawPacket;
use crate::types::Ip;

/// A compiled filter.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    root: Option<Node>,
}

impl Filter {
    /// Compiles a filter; an empty text lets everything pass.
    ///
    /// # Errors
    ///
    /// What is wrong with the text and where.
    pub fn compile(text: &str) -> Result<Self, FilterError> {
        Ok(Filter {
            text: text.to_owned(),
            root: parse::parse(text)?,
        })
    }

    /// Whether a packet passes.
    pub fn matches(&self, packet: &RawPacket<'_>) -> bool {
        match &self.root {
            None => true,
            Some(node) => eval::node(node, packet),
        }
    }

    /// Whether network protocols can be told from each other in the packets of a link type, which all filters need that
    /// have a text. Others, such as USB, Bluetooth, CAN or IEEE 802.15.4, only have layers of their own, and no filter can be
    /// installed for them.
    pub fn fits(&self, link_type: u32) -> bool {
        self.root.is_none()
            || matches!(
                link_type,
                0 | 1
                    | 6..=10
                    | 50
                    | 51
                    | 99..=101
                    | 104
                    | 105
                    | 107..=109
                    | 113
                    | 114
                    | 117
                    | 119
                    | 122
                    | 123
                    | 127
                    | 129..=138
                    | 163
                    | 165
                    | 166
                    | 178..=181
                    | 183
                    | 192
                    | 194
                    | 204..=206
                    | 226
                    | 228
                    | 229
                    | 239..=241
                    | 246
                    | 276
            )
    }

    /// The text that was compiled.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Why a filter does not compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    pub message: String,
    /// Where in the text, in bytes.
    pub at: usize,
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at position {} of the packet filter", self.message, self.at + 1)
    }
}

impl std::error::Error for FilterError {}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Leaf(Leaf),
}

/// A test together with how many headers of which kind lie before the network layer.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    pub shifts: Vec<Shift>,
    pub test: Test,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shift {
    Vlan,
    Mpls,
    Pppoe,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dir {
    Src,
    Dst,
    Either,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proto {
    Ether,
    Ip,
    Ip6,
    Arp,
    Rarp,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Icmp6,
    Igmp,
    Ah,
    Esp,
}

impl Proto {
    /// The number in an IP header, for protocols above IP.
    pub fn ip_number(self) -> Option<u8> {
        Some(match self {
            Proto::Tcp => 6,
            Proto::Udp => 17,
            Proto::Sctp => 132,
            Proto::Icmp => 1,
            Proto::Icmp6 => 58,
            Proto::Igmp => 2,
            Proto::Ah => 51,
            Proto::Esp => 50,
            _ => return None,
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Test {
    Proto(Proto),
    /// Ethernet type.
    EtherType(u16),
    /// IP protocol number, over one version or both.
    IpProto {
        version: Option<u8>,
        number: u8,
    },
    Net {
        proto: Option<Proto>,
        dir: Dir,
        net: Ip,
        len: u8,
    },
    /// IPv4 address under a mask that need not be a prefix.
    Mask {
        dir: Dir,
        net: u32,
        mask: u32,
    },
    Mac {
        dir: Dir,
        mac: [u8; 6],
    },
    Port {
        proto: Option<Proto>,
        dir: Dir,
        low: u16,
        high: u16,
    },
    EtherBroadcast,
    EtherMulticast,
    IpBroadcast,
    IpMulticast,
    Ip6Multicast,
    Vlan(Option<u16>),
    Mpls(Option<u32>),
    Pppoe(Option<u16>),
    Less(u32),
    Greater(u32),
    Compare(Box<Expr>, Relation, Box<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    Lt,
    Le,
    Gt,
    Ge,
    Eq,
    Ne,
}

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Number(u32),
    Len,
    /// Bytes of a header: protocol, offset, size.
    Load(Proto, Box<Expr>, u8),
    Binary(Op, Box<Expr>, Box<Expr>),
    Negate(Box<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    And,
    Or,
    Xor,
    Shl,
    Shr,
}

#[cfg(test)]
mod tests;
