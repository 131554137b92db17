//! Rules as they come out of signature files, and what they need from the scripts.
//!
//! Script identifiers are resolved through [`Names`], which the engine implements over the loaded scripts.

use std::fmt;
use std::net::IpAddr;

use crate::ast::Node;

pub(crate) use crate::rules_parser::nearest;
pub use crate::rules_parser::parse_file;

/// What a pattern is matched against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    FileMagic,
    Payload,
    HttpRequest,
    HttpReplyBody,
    HttpRequestBody,
    HttpRequestHeader,
    HttpReplyHeader,
    Ftp,
    Finger,
}

/// Number of [`Kind`]s.
pub const N_KINDS: usize = 9;

impl Kind {
    /// The kind with a number, in the order of the script enumeration.
    pub fn from_number(n: i64) -> Option<Kind> {
        use Kind::*;
        let all = [
            FileMagic,
            Payload,
            HttpRequest,
            HttpReplyBody,
            HttpRequestBody,
            HttpRequestHeader,
            HttpReplyHeader,
            Ftp,
            Finger,
        ];
        usize::try_from(n).ok().and_then(|n| all.get(n).copied())
    }

    /// The kind that an attribute names.
    pub fn from_keyword(word: &str) -> Option<Kind> {
        Some(match word {
            "payload" => Kind::Payload,
            "http-request" | "http" => Kind::HttpRequest,
            "http-request-header" => Kind::HttpRequestHeader,
            "http-request-body" => Kind::HttpRequestBody,
            "http-reply-header" => Kind::HttpReplyHeader,
            "http-reply-body" | "http-body" => Kind::HttpReplyBody,
            "ftp" => Kind::Ftp,
            "finger" => Kind::Finger,
            "file-magic" => Kind::FileMagic,
            _ => return None,
        })
    }
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cmp {
    Eq,
    Ne,
    Lt,
    Gt,
    Le,
    Ge,
}

impl Cmp {
    /// Compares two numbers.
    pub fn test(self, a: u64, b: u64) -> bool {
        match self {
            Cmp::Eq => a == b,
            Cmp::Ne => a != b,
            Cmp::Lt => a < b,
            Cmp::Gt => a > b,
            Cmp::Le => a <= b,
            Cmp::Ge => a >= b,
        }
    }
}

/// Protocols that a header test may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Proto {
    Ip,
    Ip6,
    Icmp,
    Icmp6,
    Tcp,
    Udp,
}

/// A test on the headers of the first packet of a direction. Several values: any may match, or with `!=` all must
/// differ.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HeaderTest {
    /// Source (true) or destination address in one of the networks.
    Address {
        source: bool,
        negated: bool,
        nets: Vec<(IpAddr, u8)>,
    },
    /// The IP protocol number.
    IpProto { cmp: Cmp, values: Vec<(u64, u64)> },
    /// Big-endian value of `size` bytes at an offset of a protocol's header.
    Field {
        proto: Proto,
        offset: u32,
        size: u8,
        mask: Option<u64>,
        cmp: Cmp,
        values: Vec<(u64, u64)>,
    },
    /// Ports: bytes 0–1 or 2–3 behind the IP header.
    Port {
        source: bool,
        cmp: Cmp,
        values: Vec<(u64, u64)>,
    },
}

/// States of `tcp-state` and `udp-state`; all that are set must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct States {
    pub established: bool,
    pub originator: bool,
    pub responder: bool,
    pub stateless: bool,
}

/// A condition that is neither header test nor pattern.
#[derive(Clone, Debug)]
pub enum Condition {
    Requires {
        rule: String,
        reverse: bool,
        negated: bool,
        index: u32,
    },
    /// A script function or variable, by the number that [`Names::eval`] gave.
    Eval(u32),
    PayloadSize(Cmp, u64),
    SameIp,
    TcpState(States),
    UdpState(States),
    /// Tests on IP options are not implemented by the language and never hold.
    IpOptions,
}

/// What a rule does when it fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The event `signature_match`.
    Match { message: String },
    /// Another event of the script, with the message if one was given.
    Custom { event: String, message: Option<String> },
    /// Attach an analyzer, under an existing parent if one is named.
    Enable { parent: Option<String>, analyzer: String },
    /// Report a MIME type (file magic only).
    Mime { mime: String, strength: i64 },
}

/// One pattern of a rule.
#[derive(Clone, Debug)]
pub struct RulePattern {
    pub kind: Kind,
    pub node: Node,
    /// The match must end within so many bytes.
    pub depth: Option<u64>,
}

/// One signature.
#[derive(Clone, Debug)]
pub struct Rule {
    pub id: String,
    pub file: String,
    pub line: u32,
    pub header: Vec<HeaderTest>,
    pub patterns: Vec<RulePattern>,
    pub conditions: Vec<Condition>,
    pub actions: Vec<Action>,
    pub active: bool,
}

/// What a script identifier in a signature stands for.
#[derive(Clone, Debug)]
pub enum ScriptValue {
    Number(u64),
    Net(IpAddr, u8),
    Text(Vec<u8>),
}

/// The scripts' names, as signatures see them.
pub trait Names {
    /// The values of a constant: one, or the members of a set.
    fn values(&self, ident: &str) -> Option<Vec<ScriptValue>>;
    /// Whether scripts know the name at all.
    fn is_known(&self, ident: &str) -> bool {
        self.values(ident).is_some()
    }
    /// A known name that looks much like this one.
    fn near(&self, _ident: &str) -> Option<String> {
        None
    }
    /// A number for a function or boolean variable used by `eval`, or why it cannot be one.
    fn eval(&mut self, ident: &str) -> Result<u32, String>;
}

/// No script names at all.
#[derive(Debug, Default, Clone, Copy)]
pub struct NoNames;

impl Names for NoNames {
    fn values(&self, _: &str) -> Option<Vec<ScriptValue>> {
        None
    }

    fn eval(&mut self, ident: &str) -> Result<u32, String> {
        Err(format!("unknown script-level identifier {ident}"))
    }
}

/// A mistake in a signature file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    pub file: String,
    pub line: u32,
    pub reason: String,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error in signature ({}:{}): {}", self.file, self.line, self.reason)
    }
}

impl std::error::Error for LoadError {}
