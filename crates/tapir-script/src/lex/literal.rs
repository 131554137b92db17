//! Literals: numbers with units and protocols, addresses, and the decoding of strings and patterns.

use tapir_data::value::{Addr, Port, Proto, Subnet};

use super::{Lexer, Tok, is_ident, is_ident_start};

impl Lexer {
    /// A literal that begins with a digit, or with a dot before a digit.
    pub(super) fn number(&mut self, start: usize) -> Tok {
        if self.at(start) == b'0' && self.at(start + 1) == b'x' && self.at(start + 2).is_ascii_hexdigit() {
            return self.hex(start + 2);
        }
        let mut i = start;
        let mut dots = 0;
        while self.at(i).is_ascii_digit() || (self.at(i) == b'.' && self.at(i + 1).is_ascii_digit()) {
            dots += usize::from(self.at(i) == b'.');
            i += 1;
        }
        if dots == 3 && !is_ident(self.at(i)) {
            return self.v4(start, i);
        }
        if dots > 1 {
            while is_ident(self.at(i)) || matches!(self.at(i), b'.') {
                i += 1;
            }
            self.pos = i;
            return Tok::Bad("bad number");
        }
        let mut double = dots == 1;
        if !double
            && self.at(i) == b'.'
            && self.at(i + 1) != b'.'
            && (!is_ident_start(self.at(i + 1)) || self.exponent(i + 1))
        {
            double = true;
            i += 1;
        }
        if matches!(self.at(i), b'e' | b'E') {
            let sign = usize::from(matches!(self.at(i + 1), b'+' | b'-'));
            if self.at(i + 1 + sign).is_ascii_digit() {
                double = true;
                i += 1 + sign;
                while self.at(i).is_ascii_digit() {
                    i += 1;
                }
            }
        }
        let text = std::str::from_utf8(&self.src[start..i]).unwrap_or("0");
        if let Some((unit, end)) = self.unit(i) {
            self.pos = end;
            return Tok::Interval(text.parse::<f64>().unwrap_or(0.0) * unit);
        }
        if double {
            self.pos = i;
            return self.end_of_number(Tok::Double(text.parse().unwrap_or(0.0)));
        }
        let value = text.parse::<u64>().unwrap_or(u64::MAX);
        if self.at(i) == b'/' {
            for (name, proto) in [
                ("tcp", Proto::Tcp),
                ("udp", Proto::Udp),
                ("icmp", Proto::Icmp),
                ("unknown", Proto::Unknown),
            ] {
                let end = i + 1 + name.len();
                if self.src.get(i + 1..end) == Some(name.as_bytes()) && !is_ident(self.at(end)) {
                    self.pos = end;
                    let limit = if matches!(proto, Proto::Tcp | Proto::Udp) {
                        65535
                    } else {
                        255
                    };
                    return match u16::try_from(value) {
                        Ok(num) if value <= limit => Tok::Port(Port { proto, num }),
                        _ => Tok::Bad("port"),
                    };
                }
            }
        }
        self.pos = i;
        self.end_of_number(Tok::Count(value))
    }

    fn exponent(&self, i: usize) -> bool {
        let sign = usize::from(matches!(self.at(i + 1), b'+' | b'-'));
        matches!(self.at(i), b'e' | b'E') && self.at(i + 1 + sign).is_ascii_digit()
    }

    /// A number that runs into letters is no number.
    fn end_of_number(&mut self, tok: Tok) -> Tok {
        if !is_ident(self.at(self.pos)) {
            return tok;
        }
        while is_ident(self.at(self.pos)) {
            self.pos += 1;
        }
        Tok::Bad("bad number")
    }

    fn hex(&mut self, start: usize) -> Tok {
        let mut i = start;
        let mut value: u64 = 0;
        while let Some(digit) = (self.at(i) as char).to_digit(16) {
            value = match value.checked_mul(16) {
                Some(v) => v | u64::from(digit),
                None => u64::MAX,
            };
            i += 1;
        }
        self.pos = i;
        self.end_of_number(Tok::Count(value))
    }

    fn unit(&self, mut i: usize) -> Option<(f64, usize)> {
        while matches!(self.at(i), b' ' | b'\t') {
            i += 1;
        }
        let start = i;
        while is_ident(self.at(i)) {
            i += 1;
        }
        let word = &self.src.get(start..i)?;
        let word = word.strip_suffix(b"s").unwrap_or(word);
        let unit = match word {
            b"day" => 86400.0,
            b"hr" => 3600.0,
            b"min" => 60.0,
            b"sec" => 1.0,
            b"msec" => 1e-3,
            b"usec" => 1e-6,
            _ => return None,
        };
        Some((unit, i))
    }

    fn v4(&mut self, start: usize, end: usize) -> Tok {
        self.pos = end;
        let text = std::str::from_utf8(&self.src[start..end]).unwrap_or("");
        let mut bytes = [0; 4];
        for (i, part) in text.split('.').enumerate() {
            match part.parse::<u8>() {
                Ok(v) if i < 4 => bytes[i] = v,
                _ => return Tok::Bad("bad address"),
            }
        }
        self.subnet_of(Addr::v4(bytes), 32)
    }

    /// An address, or a subnet when a width follows.
    fn subnet_of(&mut self, addr: Addr, bits: u64) -> Tok {
        let mut i = self.pos;
        while matches!(self.at(i), b' ' | b'\t') {
            i += 1;
        }
        if self.at(i) != b'/' {
            return Tok::Addr(addr);
        }
        i += 1;
        while matches!(self.at(i), b' ' | b'\t') {
            i += 1;
        }
        let start = i;
        while self.at(i).is_ascii_digit() {
            i += 1;
        }
        if start == i || is_ident(self.at(i)) || self.at(i) == b'.' {
            return Tok::Addr(addr);
        }
        let width = std::str::from_utf8(&self.src[start..i])
            .unwrap_or("")
            .parse()
            .unwrap_or(u64::MAX);
        self.pos = i;
        if width > bits {
            return Tok::Bad(if bits == 32 { "v4 width" } else { "v6 width" });
        }
        Tok::Subnet(Subnet::new128(addr, (width + 128 - bits) as u8))
    }

    /// `[2001:db8::1]`, where the bracket is not an index or a list.
    pub(super) fn bracket_address(&mut self, start: usize) -> Option<Tok> {
        let mut i = start + 1;
        if self.at(i) == b'0' && self.at(i + 1) == b'x' {
            i += 2;
        }
        let first = i;
        let mut colons = 0;
        loop {
            match self.at(i) {
                b':' => colons += 1,
                b'.' => {}
                b if b.is_ascii_hexdigit() => {}
                b']' if colons >= 2 => break,
                _ => return None,
            }
            i += 1;
        }
        let text = std::str::from_utf8(&self.src[first..i]).ok()?;
        let addr: std::net::Ipv6Addr = text.parse().ok()?;
        self.pos = i + 1;
        Some(self.subnet_of(Addr::v6(addr.octets()), 128))
    }
}

/// The bytes of a string literal, given with its quotes.
pub fn decode_string(text: &[u8]) -> Vec<u8> {
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or(&[]);
    let mut out = Vec::with_capacity(inner.len());
    let mut i = 0;
    while i < inner.len() {
        if inner[i] != b'\\' || i + 1 == inner.len() {
            out.push(inner[i]);
            i += 1;
            continue;
        }
        i += 1;
        let b = inner[i];
        i += 1;
        out.push(match b {
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'a' => 7,
            b'v' => 11,
            b'0'..=b'7' => {
                let mut value = u32::from(b - b'0');
                let limit = (i + 2).min(inner.len());
                while i < limit && (b'0'..=b'7').contains(&inner[i]) {
                    value = value * 8 + u32::from(inner[i] - b'0');
                    i += 1;
                }
                value as u8
            }
            b'x' if inner.get(i).is_some_and(u8::is_ascii_hexdigit) => {
                let mut value = 0;
                let limit = (i + 2).min(inner.len());
                while i < limit {
                    let Some(digit) = (inner[i] as char).to_digit(16) else {
                        break;
                    };
                    value = value * 16 + digit;
                    i += 1;
                }
                value as u8
            }
            other => other,
        });
    }
    out
}

/// The text between the slashes of a pattern literal, and its flags `i` and `s`.
pub fn split_pattern(text: &[u8]) -> (&[u8], bool, bool) {
    let end = text.iter().rposition(|&b| b == b'/').unwrap_or(0).max(1);
    let flags = text.get(end + 1..).unwrap_or(&[]);
    (
        text.get(1..end).unwrap_or(&[]),
        flags.contains(&b'i'),
        flags.contains(&b's'),
    )
}
