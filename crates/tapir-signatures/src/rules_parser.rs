//! The parser of signature files.
//!
//! A file is a list of `signature NAME { attributes }`. All errors of a file are collected, each with its place; a bad
//! attribute is skipped up to the end of its line.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::ast::{self, Node};
use crate::rules::{
    Action, Cmp, Condition, HeaderTest, Kind, LoadError, Names, Proto, Rule, RulePattern, ScriptValue, States,
};

/// Parses one file. Warnings go to the third list.
pub fn parse_file(
    file: &str,
    text: &[u8],
    names: &mut dyn Names,
    errors: &mut Vec<LoadError>,
    warnings: &mut Vec<LoadError>,
) -> Vec<Rule> {
    let mut p = Parser {
        file,
        text,
        pos: 0,
        line: 1,
        token_end: (0, 1),
        blanks_end: 0,
        names,
        errors,
        warnings,
    };
    let mut rules = Vec::new();
    loop {
        p.skip_blanks();
        if p.pos >= p.text.len() {
            return rules;
        }
        match p.signature() {
            Ok(rule) => rules.push(rule),
            Err(reason) => {
                p.fail(reason);
                p.skip_to_next_signature();
            }
        }
    }
}

struct Parser<'a> {
    file: &'a str,
    text: &'a [u8],
    pos: usize,
    line: u32,
    /// Where the last word before blanks ended, and the line of that place.
    token_end: (usize, u32),
    /// Where the last blanks ended.
    blanks_end: usize,
    names: &'a mut dyn Names,
    errors: &'a mut Vec<LoadError>,
    warnings: &'a mut Vec<LoadError>,
}

type Res<T> = Result<T, String>;

impl Parser<'_> {
    fn fail(&mut self, reason: String) {
        self.errors.push(LoadError {
            file: self.file.to_string(),
            line: self.line,
            reason,
        });
    }

    /// Goes back over blanks behind which nothing was read: what is missing or wrong is before them.
    fn unskip_blanks(&mut self) {
        if self.pos == self.blanks_end {
            (self.pos, self.line) = self.token_end;
        }
    }

    fn warn(&mut self, reason: &str) {
        self.warnings.push(LoadError {
            file: self.file.to_string(),
            line: self.line,
            reason: reason.to_string(),
        });
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.pos).copied()
    }

    fn skip_line(&mut self) {
        while self.peek().is_some_and(|c| c != b'\n') {
            self.pos += 1;
        }
    }

    /// Skips blanks and comments: `#`, or a word that begins with a dot and is followed by blanks.
    fn skip_blanks(&mut self) {
        if self.pos != self.blanks_end {
            self.token_end = (self.pos, self.line);
        }
        self.skip_all_blanks();
        self.blanks_end = self.pos;
    }

    fn skip_all_blanks(&mut self) {
        while let Some(c) = self.peek() {
            match c {
                b'\n' => {
                    self.line += 1;
                    self.pos += 1;
                }
                b' ' | b'\t' | b'\r' => self.pos += 1,
                b'#' => self.skip_line(),
                b'.' => self.skip_line(),
                _ => return,
            }
        }
    }

    fn skip_to_next_signature(&mut self) {
        loop {
            self.skip_line();
            if self.peek().is_none() {
                return;
            }
            self.pos += 1;
            self.line += 1;
            let rest = &self.text[self.pos..];
            if rest.starts_with(b"signature") && rest.get(9).is_none_or(|c| c.is_ascii_whitespace()) {
                return;
            }
        }
    }

    fn eat(&mut self, what: u8) -> bool {
        self.skip_blanks();
        let hit = self.peek() == Some(what);
        if hit {
            self.pos += 1;
        }
        hit
    }

    fn expect(&mut self, what: u8) -> Res<()> {
        if self.eat(what) {
            Ok(())
        } else {
            Err(format!("syntax error, expected '{}'", what as char))
        }
    }

    /// A name: letter or underscore, then letters, digits, `_`, `-`, parts joined by `::`.
    fn ident(&mut self) -> Option<String> {
        self.skip_blanks();
        let start = self.pos;
        if !self.peek().is_some_and(|c| c.is_ascii_alphabetic() || c == b'_') {
            return None;
        }
        loop {
            match self.peek() {
                Some(c) if c.is_ascii_alphanumeric() || c == b'_' || c == b'-' => self.pos += 1,
                Some(b':')
                    if self.text.get(self.pos + 1) == Some(&b':')
                        && self
                            .text
                            .get(self.pos + 2)
                            .is_some_and(|c| c.is_ascii_alphabetic() || *c == b'_') =>
                {
                    self.pos += 2;
                }
                _ => break,
            }
        }
        Some(String::from_utf8_lossy(&self.text[start..self.pos]).into_owned())
    }

    /// A name that is no keyword.
    fn expect_name(&mut self, what: &str) -> Res<String> {
        match self.ident() {
            Some(name) if !is_keyword(&name) => Ok(name),
            _ => {
                self.pos = self.blanks_end;
                Err(format!("syntax error, expected {what}"))
            }
        }
    }

    fn expect_ident(&mut self, what: &str) -> Res<String> {
        self.ident().ok_or_else(|| format!("syntax error, expected {what}"))
    }

    fn integer(&mut self) -> Option<u64> {
        self.skip_blanks();
        let rest = &self.text[self.pos..];
        let (radix, skip) = if rest.starts_with(b"0x") || rest.starts_with(b"0X") {
            (16, 2)
        } else {
            (10, 0)
        };
        let n = rest[skip..]
            .iter()
            .take_while(|c| (**c as char).is_digit(radix))
            .count();
        if n == 0 {
            return None;
        }
        let digits = std::str::from_utf8(&rest[skip..skip + n]).ok()?;
        let value = u64::from_str_radix(digits, radix).ok()?;
        self.pos += skip + n;
        Some(value)
    }

    fn expect_integer(&mut self) -> Res<u64> {
        self.integer()
            .ok_or_else(|| "syntax error, expected a number".to_string())
    }

    fn string(&mut self) -> Res<Option<String>> {
        self.skip_blanks();
        if self.peek() != Some(b'"') {
            return Ok(None);
        }
        self.pos += 1;
        let mut out = Vec::new();
        loop {
            match self.peek() {
                None | Some(b'\n') => return Err("unterminated string".to_string()),
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(Some(String::from_utf8_lossy(&out).into_owned()));
                }
                Some(b'\\') => {
                    self.pos += 1;
                    let c = self.peek().ok_or("unterminated string")?;
                    self.pos += 1;
                    match c {
                        b'n' => out.push(b'\n'),
                        b't' => out.push(b'\t'),
                        b'r' => out.push(b'\r'),
                        other => out.push(other),
                    }
                }
                Some(c) => {
                    out.push(c);
                    self.pos += 1;
                }
            }
        }
    }

    fn cmp(&mut self) -> Res<Cmp> {
        self.skip_blanks();
        let rest = &self.text[self.pos..];
        let two = [
            (&b"=="[..], Cmp::Eq),
            (b"!=", Cmp::Ne),
            (b"<=", Cmp::Le),
            (b">=", Cmp::Ge),
            (b"=", Cmp::Eq),
            (b"<", Cmp::Lt),
            (b">", Cmp::Gt),
        ];
        for (text, cmp) in two {
            if rest.starts_with(text) {
                self.pos += text.len();
                return Ok(cmp);
            }
        }
        Err("syntax error, expected a comparison".to_string())
    }

    fn signature(&mut self) -> Res<Rule> {
        let line = self.line;
        match self.ident().as_deref() {
            Some("signature") => {}
            _ => return Err("syntax error, expected 'signature'".to_string()),
        }
        let id = self.expect_ident("the name of a signature")?;
        if is_keyword(&id) {
            return Err(format!("syntax error, {id} is a keyword"));
        }
        self.expect(b'{')?;
        let mut rule = Rule {
            id,
            file: self.file.to_string(),
            line,
            header: Vec::new(),
            patterns: Vec::new(),
            conditions: Vec::new(),
            actions: Vec::new(),
            active: true,
        };
        loop {
            if self.eat(b'}') {
                return Ok(rule);
            }
            if self.pos >= self.text.len() {
                let (id, line) = (&rule.id, rule.line);
                return Err(format!(
                    "syntax error, unexpected end of file: signature {id} of line {line} has no '}}'"
                ));
            }
            let start = (self.pos, self.line);
            if let Err(reason) = self.attribute(&mut rule) {
                self.unskip_blanks();
                if self.pos < start.0 {
                    (self.pos, self.line) = start;
                }
                self.fail(reason);
                self.skip_line();
            }
        }
    }

    fn attribute(&mut self, rule: &mut Rule) -> Res<()> {
        let word = self.expect_ident("an attribute")?;
        if let Some(kind) = Kind::from_keyword(&word) {
            let pattern = self.pattern_attribute(kind)?;
            rule.patterns.push(pattern);
            return Ok(());
        }
        match word.as_str() {
            "src-ip" | "dst-ip" => {
                let negated = match self.cmp()? {
                    Cmp::Eq => false,
                    Cmp::Ne => true,
                    _ => return Err("addresses can only be compared with == and !=".to_string()),
                };
                let nets = self.address_list()?;
                rule.header.push(HeaderTest::Address {
                    source: word == "src-ip",
                    negated,
                    nets,
                });
            }
            "src-port" | "dst-port" => {
                let cmp = self.cmp()?;
                let values = self.value_list()?;
                rule.header.push(HeaderTest::Port {
                    source: word == "src-port",
                    cmp,
                    values,
                });
            }
            "ip-proto" => self.ip_proto(rule)?,
            "header" => {
                let test = self.header_field()?;
                rule.header.push(test);
            }
            "requires-signature" | "requires-reverse-signature" => {
                let negated = self.eat(b'!');
                let name = self.expect_name("the name of a signature")?;
                let reverse = word == "requires-reverse-signature";
                rule.conditions.push(Condition::Requires {
                    rule: name,
                    reverse,
                    negated,
                    index: u32::MAX,
                });
            }
            "eval" => {
                let name = self.expect_name("the name of a function")?;
                let number = self.names.eval(&name).map_err(|e| self.with_near(e, &name))?;
                rule.conditions.push(Condition::Eval(number));
            }
            "payload-size" => {
                let cmp = self.cmp()?;
                rule.conditions
                    .push(Condition::PayloadSize(cmp, self.expect_integer()?));
            }
            "same-ip" => rule.conditions.push(Condition::SameIp),
            "tcp-state" => rule.conditions.push(Condition::TcpState(self.states(true)?)),
            "udp-state" => rule.conditions.push(Condition::UdpState(self.states(false)?)),
            "ip-options" => {
                loop {
                    let opt = self.expect_ident("an IP option")?;
                    if !["lsrr", "lsrre", "rr", "ssrr"].contains(&opt.as_str()) {
                        return Err(format!("syntax error, unknown IP option {opt}"));
                    }
                    if !self.eat(b',') {
                        break;
                    }
                }
                rule.conditions.push(Condition::IpOptions);
            }
            "active" => match self.ident().as_deref() {
                Some("true") => rule.active = true,
                Some("false") => rule.active = false,
                _ => return Err("syntax error, expected true or false".to_string()),
            },
            "event" => {
                let action = match self.string()? {
                    Some(message) => Action::Match { message },
                    None => {
                        let event = self.expect_name("a message or the name of an event")?;
                        Action::Custom {
                            event,
                            message: self.string()?,
                        }
                    }
                };
                rule.actions.push(action);
            }
            "enable" => {
                let name = self
                    .string()?
                    .ok_or("syntax error, expected the name of an analyzer in quotes")?;
                let (parent, analyzer) = match name.split_once(':') {
                    Some((p, a)) => (Some(p.to_string()), a.to_string()),
                    None => (None, name),
                };
                rule.actions.push(Action::Enable { parent, analyzer });
            }
            "disable" => return Err("signatures cannot disable analyzers".to_string()),
            "file-mime" => {
                let mime = match self.string()? {
                    Some(s) => s,
                    None => self.expect_ident("a MIME type")?,
                };
                let mut strength = 0;
                if self.eat(b',') {
                    let negative = self.eat(b'-');
                    strength = self.expect_integer()? as i64;
                    if negative {
                        strength = -strength;
                    }
                }
                rule.actions.push(Action::Mime { mime, strength });
            }
            other => {
                let near = nearest(other, ATTRIBUTES).map_or(String::new(), |n| format!("; did you mean {n}?"));
                return Err(format!("syntax error, unknown attribute {other}{near}"));
            }
        }
        Ok(())
    }

    fn states(&mut self, tcp: bool) -> Res<States> {
        let mut s = States::default();
        loop {
            match self.ident().as_deref() {
                Some("established") if tcp => s.established = true,
                Some("established") => return Err("'established' is not a valid 'udp-state'".to_string()),
                Some("originator") => s.originator = true,
                Some("responder") => s.responder = true,
                Some("stateless") => s.stateless = true,
                _ => return Err("syntax error, expected a connection state".to_string()),
            }
            if !self.eat(b',') {
                return Ok(s);
            }
        }
    }

    fn proto(word: &str) -> Option<Proto> {
        Some(match word {
            "ip" => Proto::Ip,
            "ip6" => Proto::Ip6,
            "icmp" => Proto::Icmp,
            "icmp6" => Proto::Icmp6,
            "tcp" => Proto::Tcp,
            "udp" => Proto::Udp,
            _ => return None,
        })
    }

    fn ip_proto(&mut self, rule: &mut Rule) -> Res<()> {
        let cmp = self.cmp()?;
        let save = self.pos;
        if let Some(word) = self.ident()
            && let Some(proto) = Self::proto(&word)
        {
            let n = match proto {
                Proto::Ip | Proto::Ip6 => return Ok(()),
                Proto::Icmp => 1,
                Proto::Icmp6 => 58,
                Proto::Tcp => 6,
                Proto::Udp => 17,
            };
            rule.header.push(HeaderTest::IpProto {
                cmp,
                values: vec![(n, n)],
            });
            return Ok(());
        }
        self.pos = save;
        let values = self.value_list()?;
        rule.header.push(HeaderTest::IpProto { cmp, values });
        Ok(())
    }

    fn header_field(&mut self) -> Res<HeaderTest> {
        let word = self.expect_ident("a protocol")?;
        let proto = Self::proto(&word).ok_or_else(|| format!("syntax error, unknown protocol {word}"))?;
        self.expect(b'[')?;
        let offset = self.expect_integer()?.min(65535) as u32;
        let size = if self.eat(b':') { self.expect_integer()? } else { 1 };
        self.expect(b']')?;
        if ![1, 2, 4].contains(&size) {
            return Err("header tests read 1, 2 or 4 bytes".to_string());
        }
        let mask = if self.eat(b'&') {
            Some(self.expect_integer()?)
        } else {
            None
        };
        let cmp = self.cmp()?;
        let values = self.value_list()?;
        if mask.is_some() && values.len() != 1 {
            return Err("a masked header test takes one value".to_string());
        }
        Ok(HeaderTest::Field {
            proto,
            offset,
            size: size as u8,
            mask,
            cmp,
            values,
        })
    }

    /// The values of a script constant.
    fn script_values(&self, name: &str) -> Res<Vec<ScriptValue>> {
        self.names.values(name).ok_or_else(|| {
            if self.names.is_known(name) {
                format!("{name} cannot be used here: its type does not fit")
            } else {
                self.with_near(format!("unknown script-level identifier {name}"), name)
            }
        })
    }

    fn with_near(&self, mut error: String, name: &str) -> String {
        if !self.names.is_known(name)
            && let Some(near) = self.names.near(name)
        {
            error.push_str(&format!("; did you mean {near}?"));
        }
        error
    }

    /// Numbers, ranges, IPv4 networks and script constants, as inclusive ranges.
    fn value_list(&mut self) -> Res<Vec<(u64, u64)>> {
        let mut out = Vec::new();
        loop {
            self.skip_blanks();
            if let Some((IpAddr::V4(a), len)) = self.address_literal() {
                out.push(v4_range(a, len));
            } else if let Some(n) = self.integer() {
                self.skip_blanks();
                if self.peek() == Some(b'-') {
                    self.pos += 1;
                    out.push((n, self.expect_integer()?));
                } else {
                    out.push((n, n));
                }
            } else {
                let name = self.expect_name("a value")?;
                let values = self.script_values(&name)?;
                for v in values {
                    match v {
                        ScriptValue::Number(n) => out.push((n, n)),
                        ScriptValue::Net(IpAddr::V4(a), len) => out.push(v4_range(a, len)),
                        _ => return Err(format!("{name} cannot be used here: its type does not fit")),
                    }
                }
            }
            if !self.eat(b',') {
                return Ok(out);
            }
        }
    }

    fn address_list(&mut self) -> Res<Vec<(IpAddr, u8)>> {
        let mut out = Vec::new();
        loop {
            self.skip_blanks();
            if let Some(net) = self.address_literal() {
                out.push(net);
            } else {
                let name = self.expect_name("an address")?;
                let values = self.script_values(&name)?;
                for v in values {
                    match v {
                        ScriptValue::Net(a, len) => out.push((a, len)),
                        _ => return Err(format!("{name} is no address, subnet or set of them")),
                    }
                }
            }
            if !self.eat(b',') {
                return Ok(out);
            }
        }
    }

    /// `1.2.3.4`, `1.2.3.0/24`, `[::1]`, `[2001:db8::]/32`.
    fn address_literal(&mut self) -> Option<(IpAddr, u8)> {
        let rest = &self.text[self.pos..];
        let (addr, mut used): (IpAddr, usize) = if rest.first() == Some(&b'[') {
            let end = rest.iter().position(|c| *c == b']')?;
            let a: Ipv6Addr = std::str::from_utf8(&rest[1..end]).ok()?.trim().parse().ok()?;
            (a.into(), end + 1)
        } else {
            let n = rest.iter().take_while(|c| c.is_ascii_digit() || **c == b'.').count();
            let a: Ipv4Addr = std::str::from_utf8(&rest[..n]).ok()?.parse().ok()?;
            (a.into(), n)
        };
        let width = if addr.is_ipv4() { 32 } else { 128 };
        let mut len = width;
        if rest.get(used) == Some(&b'/') {
            let n = rest[used + 1..].iter().take_while(|c| c.is_ascii_digit()).count();
            let bits: u8 = std::str::from_utf8(&rest[used + 1..used + 1 + n]).ok()?.parse().ok()?;
            len = bits.min(width);
            used += 1 + n;
        }
        self.pos += used;
        Some((addr, len))
    }

    fn pattern_attribute(&mut self, kind: Kind) -> Res<RulePattern> {
        let mut depth = None;
        if self.eat(b'[') {
            let from = self.integer();
            if self.eat(b':') {
                depth = self.integer();
            }
            if from.is_some() {
                self.warn("the start of a pattern's range is ignored");
            }
            self.expect(b']')?;
        }
        self.skip_blanks();
        let node = if self.peek() == Some(b'/') {
            self.pos += 1;
            let start = self.pos;
            loop {
                match self.peek() {
                    None | Some(b'\n') => return Err("unterminated pattern".to_string()),
                    Some(b'\\') => self.pos += 2,
                    Some(b'/') => break,
                    Some(_) => self.pos += 1,
                }
            }
            let text = &self.text[start..self.pos];
            self.pos += 1;
            let fold = self.peek() == Some(b'i');
            if fold {
                self.pos += 1;
            }
            compile(text, fold)?
        } else if let Some(s) = self.string()? {
            compile(s.as_bytes(), false)?
        } else {
            let name = self.expect_name("a pattern")?;
            match self.script_values(&name)?.as_slice() {
                [ScriptValue::Text(t)] => compile(t, false)?,
                _ => return Err(format!("{name} is no string")),
            }
        };
        Ok(RulePattern { kind, node, depth })
    }
}

fn compile(text: &[u8], fold: bool) -> Res<Node> {
    let parsed = if fold {
        ast::parse(&[b"(?i:", text, b")"].concat(), true)
    } else {
        ast::parse(text, true)
    };
    parsed.map_err(|e| format!("error compiling pattern /{}/: {e}", String::from_utf8_lossy(text)))
}

fn v4_range(a: Ipv4Addr, len: u8) -> (u64, u64) {
    let host = if len >= 32 { 0 } else { u32::MAX >> len };
    let lo = u32::from(a) & !host;
    (u64::from(lo), u64::from(lo | host))
}

const ATTRIBUTES: &[&str] = &[
    "active",
    "dst-ip",
    "dst-port",
    "enable",
    "eval",
    "event",
    "file-magic",
    "file-mime",
    "finger",
    "ftp",
    "header",
    "http",
    "http-body",
    "http-reply-body",
    "http-reply-header",
    "http-request",
    "http-request-body",
    "http-request-header",
    "ip-options",
    "ip-proto",
    "payload",
    "payload-size",
    "requires-reverse-signature",
    "requires-signature",
    "same-ip",
    "src-ip",
    "src-port",
    "tcp-state",
    "udp-state",
];

/// The word that `s` was probably meant to be: one or two letters off, or with `_` for `-`.
pub fn nearest<'a>(s: &str, words: &[&'a str]) -> Option<&'a str> {
    let s = s.to_ascii_lowercase().replace('_', "-");
    let best = words.iter().map(|w| (distance(s.as_bytes(), w.as_bytes()), *w)).min()?;
    (best.0 <= 2 && best.0 * 3 <= s.len()).then_some(best.1)
}

/// How many letters to insert, delete or replace.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replace = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn is_keyword(s: &str) -> bool {
    const WORDS: &[&str] = &[
        "active",
        "disable",
        "dst-ip",
        "dst-port",
        "enable",
        "established",
        "eval",
        "event",
        "false",
        "file-mime",
        "header",
        "icmp",
        "icmp6",
        "ip",
        "ip-options",
        "ip-proto",
        "ip6",
        "lsrr",
        "lsrre",
        "originator",
        "payload-size",
        "requires-reverse-signature",
        "requires-signature",
        "responder",
        "rr",
        "same-ip",
        "signature",
        "src-ip",
        "src-port",
        "ssrr",
        "stateless",
        "tcp",
        "tcp-state",
        "true",
        "udp",
        "udp-state",
    ];
    WORDS.contains(&s) || Kind::from_keyword(s).is_some()
}
