//! From filter text to a tree. `and` and `or` bind equally and to the left; an identifier without qualifiers takes
//! those of the one before.

use std::net::Ipv6Addr;

use super::names::{named_ether_type, named_ip_proto, named_number, named_port, proto_of};
use super::{Dir, Expr, FilterError, Leaf, Node, Op, Proto, Relation, Shift, Test};
use crate::types::Ip;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Number(u32),
    Symbol(&'static str),
}

const SYMBOLS: &[&str] = &[
    "&&", "||", "<<", ">>", "<=", ">=", "==", "!=", "(", ")", "[", "]", "<", ">", "=", "!", "+", "-", "*", "/", "%",
    "&", "|", "^", ":",
];

/// Deeper nesting is refused: evaluation recurses.
const DEPTH_MAX: usize = 200;

fn error<T>(at: usize, message: impl Into<String>) -> Result<T, FilterError> {
    Err(FilterError {
        message: message.into(),
        at,
    })
}

fn lex(text: &str) -> Result<Vec<(Token, usize)>, FilterError> {
    let bytes = text.as_bytes();
    let mut out: Vec<(Token, usize)> = Vec::new();
    let mut i = 0;
    while i < bytes.len() {
        let c = bytes[i];
        if c.is_ascii_whitespace() {
            i += 1;
            continue;
        }
        // Within brackets a colon separates offset and size; elsewhere it belongs to an address.
        let in_brackets = out.iter().rev().find_map(|(t, _)| match t {
            Token::Symbol("[") => Some(true),
            Token::Symbol("]") => Some(false),
            _ => None,
        }) == Some(true);
        let word_byte = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'_' || (b == b':' && !in_brackets);
        if word_byte(c) || c == b'\\' {
            let start = i;
            i += usize::from(c == b'\\');
            while i < bytes.len() && word_byte(bytes[i]) {
                i += 1;
            }
            // Hyphens join words such as tcp-syn and ranges of ports, not numbers in arithmetic.
            while i + 1 < bytes.len() && bytes[i] == b'-' && word_byte(bytes[i + 1]) {
                let first_digit = bytes[start].is_ascii_digit();
                let after_range = matches!(out.last(), Some((Token::Word(w), _)) if w == "portrange");
                if first_digit && !after_range {
                    break;
                }
                i += 1;
                while i < bytes.len() && word_byte(bytes[i]) {
                    i += 1;
                }
            }
            let word = text[start..i].trim_start_matches('\\');
            let token = match number(word) {
                Some(n) => Token::Number(n),
                None => Token::Word(word.to_owned()),
            };
            out.push((token, start));
            continue;
        }
        match SYMBOLS.iter().find(|s| text[i..].starts_with(**s)) {
            Some(s) => {
                out.push((Token::Symbol(s), i));
                i += s.len();
            }
            None => {
                let c = text[i..].chars().next().unwrap_or('?');
                return error(i, format!("unexpected character `{c}`"));
            }
        }
    }
    Ok(out)
}

fn number(word: &str) -> Option<u32> {
    if let Some(hex) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        return u32::from_str_radix(hex, 16).ok();
    }
    if word.len() > 1 && word.starts_with('0') && word.bytes().all(|b| b.is_ascii_digit()) {
        return u32::from_str_radix(word, 8).ok();
    }
    word.parse().ok()
}

#[derive(Clone, Copy, Default)]
struct Qualifiers {
    proto: Option<Proto>,
    dir: Option<Dir>,
    kind: Option<Kind>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Host,
    Net,
    Port,
    PortRange,
    Proto,
}

struct Parser<'a> {
    tokens: Vec<(Token, usize)>,
    at: usize,
    end: usize,
    shifts: Vec<Shift>,
    last: Option<Qualifiers>,
    depth: usize,
    text: &'a str,
}

pub(super) fn parse(text: &str) -> Result<Option<Node>, FilterError> {
    let tokens = lex(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut p = Parser {
        tokens,
        at: 0,
        end: text.len(),
        shifts: Vec::new(),
        last: None,
        depth: 0,
        text,
    };
    let node = p.expression()?;
    match p.peek() {
        None => Ok(Some(node)),
        Some(_) => error(
            p.position(),
            format!(
                "`{}` is not expected here; join tests with `and` or `or`",
                p.current_text()
            ),
        ),
    }
}

fn kind_of(word: &str) -> Option<Kind> {
    Some(match word {
        "host" => Kind::Host,
        "net" => Kind::Net,
        "port" => Kind::Port,
        "portrange" => Kind::PortRange,
        "proto" => Kind::Proto,
        _ => return None,
    })
}

fn mac_of(word: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut n = 0;
    for part in word.split(':') {
        if part.is_empty() || part.len() > 2 {
            return None;
        }
        *mac.get_mut(n)? = u8::from_str_radix(part, 16).ok()?;
        n += 1;
    }
    (n == 6).then_some(mac)
}

/// An IPv4 address of one to four parts: the value of the parts given, and how many there were.
fn partial_v4(word: &str) -> Option<(u32, u8)> {
    let (mut value, mut n) = (0u32, 0u8);
    for part in word.split('.') {
        if n == 4 {
            return None;
        }
        value = value << 8 | u32::from(part.parse::<u8>().ok()?);
        n += 1;
    }
    (n > 0).then(|| (value << (8 * (4 - u32::from(n))), n))
}

fn address(word: &str) -> Option<Ip> {
    if let Ok(v6) = word.parse::<Ipv6Addr>() {
        return Some(Ip(v6.octets()));
    }
    match partial_v4(word) {
        Some((v, 4)) => Some(Ip::v4(v.to_be_bytes())),
        _ => None,
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(t, _)| t)
    }

    fn peek_word(&self) -> Option<&str> {
        match self.peek() {
            Some(Token::Word(w)) => Some(w),
            _ => None,
        }
    }

    fn position(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(_, p)| *p)
    }

    fn current_text(&self) -> &str {
        let start = self.position();
        let stop = self.tokens.get(self.at + 1).map_or(self.end, |(_, p)| *p);
        self.text[start..stop].trim_end()
    }

    fn symbol(&mut self, s: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(x)) if *x == s);
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, w: &str) -> bool {
        let found = self.peek_word() == Some(w);
        self.at += usize::from(found);
        found
    }

    fn expression(&mut self) -> Result<Node, FilterError> {
        let mut left = self.unary()?;
        loop {
            let is_and = if self.word("and") || self.symbol("&&") {
                true
            } else if self.word("or") || self.symbol("||") {
                false
            } else {
                return Ok(left);
            };
            let right = self.unary()?;
            left = if is_and {
                Node::And(Box::new(left), Box::new(right))
            } else {
                Node::Or(Box::new(left), Box::new(right))
            };
        }
    }

    fn unary(&mut self) -> Result<Node, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return error(self.position(), "the filter is nested too deeply");
        }
        let node = if self.word("not") || self.symbol("!") {
            Node::Not(Box::new(self.unary()?))
        } else if matches!(self.peek(), Some(Token::Symbol("("))) && !self.starts_comparison() {
            self.at += 1;
            let inner = self.expression()?;
            if !self.symbol(")") {
                return error(self.position(), "a `)` is missing");
            }
            inner
        } else {
            self.primitive()?
        };
        self.depth -= 1;
        Ok(node)
    }

    /// Whether a parenthesis opens arithmetic: then a relation follows its end or an operator stands inside.
    fn starts_comparison(&self) -> bool {
        let mut depth = 0usize;
        for (i, (t, _)) in self.tokens.iter().enumerate().skip(self.at) {
            match t {
                Token::Symbol("(") => depth += 1,
                Token::Symbol(")") => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return matches!(
                            self.tokens.get(i + 1).map(|(t, _)| t),
                            Some(Token::Symbol(
                                "<" | ">"
                                    | "<="
                                    | ">="
                                    | "="
                                    | "=="
                                    | "!="
                                    | "+"
                                    | "-"
                                    | "*"
                                    | "/"
                                    | "%"
                                    | "&"
                                    | "|"
                                    | "^"
                                    | "<<"
                                    | ">>"
                            ))
                        );
                    }
                }
                _ => {}
            }
        }
        false
    }

    fn leaf(&self, test: Test) -> Node {
        Node::Leaf(Leaf {
            shifts: self.shifts.clone(),
            test,
        })
    }

    fn primitive(&mut self) -> Result<Node, FilterError> {
        let start = self.position();
        match self.peek() {
            None => return error(start, "the filter ends where a test is expected"),
            Some(Token::Number(_)) if self.number_is_arithmetic() => return self.comparison(),
            Some(Token::Symbol("(" | "-")) => return self.comparison(),
            Some(Token::Symbol(s)) => {
                let s = *s;
                return error(start, format!("`{s}` is not expected here"));
            }
            _ => {}
        }
        let word = match self.peek() {
            Some(Token::Word(w)) => w.clone(),
            _ => String::new(),
        };
        match word.as_str() {
            "len" => return self.comparison(),
            "less" | "greater" => {
                self.at += 1;
                let n = self.plain_number("a length")?;
                let test = if word == "less" {
                    Test::Less(n)
                } else {
                    Test::Greater(n)
                };
                return Ok(self.leaf(test));
            }
            "vlan" => {
                self.at += 1;
                let id = self.optional_number().map(|n| n as u16);
                let node = self.leaf(Test::Vlan(id));
                self.shifts.push(Shift::Vlan);
                return Ok(node);
            }
            "mpls" => {
                self.at += 1;
                let label = self.optional_number();
                let node = self.leaf(Test::Mpls(label));
                self.shifts.push(Shift::Mpls);
                return Ok(node);
            }
            "pppoes" => {
                self.at += 1;
                let id = self.optional_number().map(|n| n as u16);
                let node = self.leaf(Test::Pppoe(id));
                self.shifts.push(Shift::Pppoe);
                return Ok(node);
            }
            "broadcast" | "multicast" => {
                self.at += 1;
                let test = if word == "broadcast" {
                    Test::EtherBroadcast
                } else {
                    Test::EtherMulticast
                };
                return Ok(self.leaf(test));
            }
            "gateway" | "inbound" | "outbound" | "ifname" | "on" | "protochain" | "iso" | "atalk" => {
                return error(start, format!("`{word}` is not supported"));
            }
            _ => {}
        }
        if proto_of(&word).is_some() && matches!(self.tokens.get(self.at + 1), Some((Token::Symbol("["), _))) {
            return self.comparison();
        }
        if named_number(&word).is_some() {
            return self.comparison();
        }
        self.qualified()
    }

    fn number_is_arithmetic(&self) -> bool {
        matches!(
            self.tokens.get(self.at + 1).map(|(t, _)| t),
            Some(Token::Symbol(
                "<" | ">" | "<=" | ">=" | "=" | "==" | "!=" | "+" | "*" | "%" | "&" | "|" | "^" | "<<" | ">>"
            ))
        )
    }

    fn plain_number(&mut self, what: &str) -> Result<u32, FilterError> {
        match self.peek() {
            Some(Token::Number(n)) => {
                let n = *n;
                self.at += 1;
                Ok(n)
            }
            _ => error(self.position(), format!("{what} is expected")),
        }
    }

    fn optional_number(&mut self) -> Option<u32> {
        match self.peek() {
            Some(Token::Number(n)) if !self.number_is_arithmetic() => {
                let n = *n;
                self.at += 1;
                Some(n)
            }
            _ => None,
        }
    }

    /// A test of the form protocol, direction, kind, identifier, of which some may be missing.
    fn qualified(&mut self) -> Result<Node, FilterError> {
        let start = self.position();
        let mut q = Qualifiers::default();
        if let Some(p) = self.peek_word().and_then(proto_of) {
            q.proto = Some(p);
            self.at += 1;
        }
        q.dir = self.direction();
        if let Some(k) = self.peek_word().and_then(kind_of) {
            q.kind = Some(k);
            self.at += 1;
        }
        if q.dir.is_none() && q.kind.is_none() {
            if let Some(p) = q.proto {
                if self.word("broadcast") {
                    return match p {
                        Proto::Ether => Ok(self.leaf(Test::EtherBroadcast)),
                        Proto::Ip => Ok(self.leaf(Test::IpBroadcast)),
                        _ => error(start, "only `ether broadcast` and `ip broadcast` make sense"),
                    };
                }
                if self.word("multicast") {
                    return match p {
                        Proto::Ether => Ok(self.leaf(Test::EtherMulticast)),
                        Proto::Ip => Ok(self.leaf(Test::IpMulticast)),
                        Proto::Ip6 => Ok(self.leaf(Test::Ip6Multicast)),
                        _ => error(start, "only `ether`, `ip` and `ip6` have a `multicast`"),
                    };
                }
                // Nothing that could be an identifier: the protocol itself is the test.
                let alone = match self.peek() {
                    None | Some(Token::Symbol(_)) => true,
                    Some(Token::Word(w)) => matches!(w.as_str(), "and" | "or" | "not"),
                    Some(Token::Number(_)) => false,
                };
                if alone {
                    if p == Proto::Ether {
                        return error(
                            start,
                            "`ether` needs something to test, such as `ether host` or `ether proto`",
                        );
                    }
                    return Ok(self.leaf(Test::Proto(p)));
                }
            }
        }
        if q.proto.is_none() && q.dir.is_none() && q.kind.is_none() {
            match self.last {
                Some(last) => q = last,
                None if self.peek_word().is_some_and(|w| address(w).is_some()) => q.kind = Some(Kind::Host),
                None => {
                    return error(
                        start,
                        format!("`{}` is no known protocol, qualifier or address", self.current_text()),
                    );
                }
            }
        }
        let kind = q.kind.unwrap_or(Kind::Host);
        q.kind = Some(kind);
        self.last = Some(q);
        let dir = q.dir.unwrap_or(Dir::Either);
        match kind {
            Kind::Host => self.host(q.proto, dir),
            Kind::Net => self.net(q.proto, dir),
            Kind::Port => {
                let port = self.port()?;
                self.port_leaf(start, q.proto, dir, port, port)
            }
            Kind::PortRange => self.port_range(start, q.proto, dir),
            Kind::Proto => self.proto_number(q.proto),
        }
    }

    fn direction(&mut self) -> Option<Dir> {
        let first = if self.word("src") {
            Dir::Src
        } else if self.word("dst") {
            Dir::Dst
        } else {
            return None;
        };
        let other = if first == Dir::Src { "dst" } else { "src" };
        let joined = |p: &Self, w: &str| {
            p.peek_word() == Some(w) && matches!(p.tokens.get(p.at + 1), Some((Token::Word(x), _)) if x == other)
        };
        if joined(self, "or") {
            self.at += 2;
            return Some(Dir::Either);
        }
        if joined(self, "and") {
            self.at += 2;
            return Some(Dir::Both);
        }
        Some(first)
    }

    fn take_word(&mut self, what: &str) -> Result<(String, usize), FilterError> {
        let at = self.position();
        let word = match self.peek() {
            Some(Token::Word(w)) => w.clone(),
            Some(Token::Number(n)) => n.to_string(),
            _ => return error(at, format!("{what} is expected")),
        };
        self.at += 1;
        Ok((word, at))
    }

    fn host(&mut self, proto: Option<Proto>, dir: Dir) -> Result<Node, FilterError> {
        let (word, at) = self.take_word("an address")?;
        if proto == Some(Proto::Ether) {
            return match mac_of(&word) {
                Some(mac) => Ok(self.leaf(Test::Mac { dir, mac })),
                None => error(at, format!("`{word}` is no Ethernet address")),
            };
        }
        match address(&word) {
            Some(_) if proto.and_then(Proto::ip_number).is_some() => error(
                at,
                "hosts can be qualified by `ip`, `ip6`, `arp`, `rarp` or `ether` only",
            ),
            Some(net) => {
                // A prefix length after a host is a common slip; it is taken for a network.
                if matches!(self.peek(), Some(Token::Symbol("/"))) {
                    self.at -= 1;
                    return self.net(proto, dir);
                }
                Ok(self.leaf(Test::Net {
                    proto,
                    dir,
                    net,
                    len: 128,
                }))
            }
            None if mac_of(&word).is_some() => error(at, "Ethernet addresses need `ether host`"),
            None => error(
                at,
                format!("`{word}` is no IP address; names of hosts are not looked up"),
            ),
        }
    }

    fn net(&mut self, proto: Option<Proto>, dir: Dir) -> Result<Node, FilterError> {
        let (word, at) = self.take_word("a network")?;
        if let Ok(v6) = word.parse::<Ipv6Addr>() {
            let len = if self.symbol("/") {
                self.plain_number("a prefix length")?
            } else {
                128
            };
            if len > 128 {
                return error(at, "a prefix of IPv6 is at most 128 bits long");
            }
            return Ok(self.leaf(Test::Net {
                proto,
                dir,
                net: Ip(v6.octets()),
                len: len as u8,
            }));
        }
        let Some((net, parts)) = partial_v4(&word) else {
            return error(
                at,
                format!("`{word}` is no network; names of networks are not looked up"),
            );
        };
        if self.symbol("/") {
            let len = self.plain_number("a prefix length")?;
            if len > 32 {
                return error(at, "a prefix of IPv4 is at most 32 bits long");
            }
            let mask = if len == 0 { 0 } else { u32::MAX << (32 - len) };
            if net & !mask != 0 {
                return error(at, format!("`{word}/{len}` has bits set beyond its prefix"));
            }
            return Ok(self.leaf(Test::Net {
                proto,
                dir,
                net: Ip::v4(net.to_be_bytes()),
                len: 96 + len as u8,
            }));
        }
        if self.word("mask") {
            let (mask_word, mask_at) = self.take_word("a mask")?;
            let Some((mask, 4)) = partial_v4(&mask_word) else {
                return error(mask_at, format!("`{mask_word}` is no mask"));
            };
            if net & !mask != 0 {
                return error(at, format!("`{word}` has bits set beyond its mask"));
            }
            return Ok(self.leaf(Test::Mask { dir, net, mask }));
        }
        let len = 96 + 8 * parts;
        Ok(self.leaf(Test::Net {
            proto,
            dir,
            net: Ip::v4(net.to_be_bytes()),
            len,
        }))
    }

    fn port(&mut self) -> Result<u16, FilterError> {
        let (word, at) = self.take_word("a port")?;
        self.port_of(&word, at)
    }

    fn port_of(&self, word: &str, at: usize) -> Result<u16, FilterError> {
        match word.parse::<u32>() {
            Ok(n) => u16::try_from(n).or_else(|_| error(at, format!("port {n} is larger than 65535"))),
            Err(_) => match named_port(word) {
                Some(p) => Ok(p),
                None => error(at, format!("`{word}` is no port number and no known service")),
            },
        }
    }

    fn port_range(&mut self, start: usize, proto: Option<Proto>, dir: Dir) -> Result<Node, FilterError> {
        let (word, at) = self.take_word("a range of ports")?;
        let (low, high) = match word.split_once('-') {
            Some((a, b)) => (self.port_of(a, at)?, self.port_of(b, at)?),
            None if self.symbol("-") => (self.port_of(&word, at)?, self.port()?),
            None => {
                let p = self.port_of(&word, at)?;
                (p, p)
            }
        };
        self.port_leaf(start, proto, dir, low.min(high), low.max(high))
    }

    fn port_leaf(&self, at: usize, proto: Option<Proto>, dir: Dir, low: u16, high: u16) -> Result<Node, FilterError> {
        match proto {
            None | Some(Proto::Tcp | Proto::Udp | Proto::Sctp) => Ok(self.leaf(Test::Port { proto, dir, low, high })),
            Some(_) => error(at, "ports can be qualified by `tcp`, `udp` or `sctp` only"),
        }
    }

    fn proto_number(&mut self, proto: Option<Proto>) -> Result<Node, FilterError> {
        let (word, at) = self.take_word("a protocol")?;
        let value = |named: fn(&str) -> Option<u32>| number(&word).or_else(|| named(&word));
        match proto {
            Some(Proto::Ether) => match value(named_ether_type) {
                Some(n) => Ok(self.leaf(Test::EtherType(n as u16))),
                None => error(at, format!("`{word}` is no known Ethernet type")),
            },
            None | Some(Proto::Ip | Proto::Ip6) => match value(named_ip_proto) {
                Some(n) if n < 256 => {
                    let version = match proto {
                        Some(Proto::Ip) => Some(4),
                        Some(Proto::Ip6) => Some(6),
                        _ => None,
                    };
                    Ok(self.leaf(Test::IpProto {
                        version,
                        number: n as u8,
                    }))
                }
                _ => error(at, format!("`{word}` is no known IP protocol")),
            },
            Some(_) => error(at, "`proto` can be qualified by `ether`, `ip` or `ip6` only"),
        }
    }

    fn comparison(&mut self) -> Result<Node, FilterError> {
        let left = self.arithmetic(0)?;
        let at = self.position();
        let relation = match self.peek() {
            Some(Token::Symbol("<")) => Relation::Lt,
            Some(Token::Symbol("<=")) => Relation::Le,
            Some(Token::Symbol(">")) => Relation::Gt,
            Some(Token::Symbol(">=")) => Relation::Ge,
            Some(Token::Symbol("=" | "==")) => Relation::Eq,
            Some(Token::Symbol("!=")) => Relation::Ne,
            _ => return error(at, "a comparison such as `=` or `>` is expected"),
        };
        self.at += 1;
        let right = self.arithmetic(0)?;
        Ok(self.leaf(Test::Compare(Box::new(left), relation, Box::new(right))))
    }

    fn arithmetic(&mut self, min_level: u8) -> Result<Expr, FilterError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return error(self.position(), "the filter is nested too deeply");
        }
        let mut left = self.factor()?;
        loop {
            let (op, level) = match self.peek() {
                Some(Token::Symbol("|")) => (Op::Or, 1),
                Some(Token::Symbol("^")) => (Op::Xor, 2),
                Some(Token::Symbol("&")) => (Op::And, 3),
                Some(Token::Symbol("<<")) => (Op::Shl, 4),
                Some(Token::Symbol(">>")) => (Op::Shr, 4),
                Some(Token::Symbol("+")) => (Op::Add, 5),
                Some(Token::Symbol("-")) => (Op::Sub, 5),
                Some(Token::Symbol("*")) => (Op::Mul, 6),
                Some(Token::Symbol("/")) => (Op::Div, 6),
                Some(Token::Symbol("%")) => (Op::Mod, 6),
                _ => break,
            };
            if level <= min_level {
                break;
            }
            let at = self.position();
            self.at += 1;
            let right = self.arithmetic(level)?;
            if matches!(op, Op::Div | Op::Mod) && matches!(right, Expr::Number(0)) {
                return error(at, "division by zero");
            }
            left = Expr::Binary(op, Box::new(left), Box::new(right));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn factor(&mut self) -> Result<Expr, FilterError> {
        let at = self.position();
        if self.symbol("(") {
            let e = self.arithmetic(0)?;
            if !self.symbol(")") {
                return error(self.position(), "a `)` is missing");
            }
            return Ok(e);
        }
        if self.symbol("-") {
            return Ok(Expr::Negate(Box::new(self.factor()?)));
        }
        match self.peek().cloned() {
            Some(Token::Number(n)) => {
                self.at += 1;
                Ok(Expr::Number(n))
            }
            Some(Token::Word(w)) if w == "len" => {
                self.at += 1;
                Ok(Expr::Len)
            }
            Some(Token::Word(w)) => {
                if let Some(n) = named_number(&w) {
                    self.at += 1;
                    return Ok(Expr::Number(n));
                }
                let Some(proto) = proto_of(&w) else {
                    return error(at, format!("`{w}` is no number and no protocol"));
                };
                self.at += 1;
                if !self.symbol("[") {
                    return error(self.position(), format!("`{w}` needs an offset in brackets here"));
                }
                let offset = self.arithmetic(0)?;
                let size = if self.symbol(":") {
                    self.plain_number("a size")?
                } else {
                    1
                };
                if !matches!(size, 1 | 2 | 4) {
                    return error(at, "the size must be 1, 2 or 4");
                }
                if !self.symbol("]") {
                    return error(self.position(), "a `]` is missing");
                }
                Ok(Expr::Load(proto, Box::new(offset), size as u8))
            }
            _ => error(at, "a number, `len` or a protocol with an offset is expected"),
        }
    }
}
