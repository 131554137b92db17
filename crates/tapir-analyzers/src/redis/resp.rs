//! The Redis serialization protocol, versions 2 and 3, and inline commands.

use crate::util::text::find;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Resp {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Int(Vec<u8>),
    Bulk(Vec<u8>),
    Null,
    Array(Vec<Resp>),
    Bool(bool),
    Double(Vec<u8>),
    Map(Vec<Resp>),
    Set(Vec<Resp>),
    Push(Vec<Resp>),
}

/// How reading went.
#[derive(Debug, PartialEq)]
pub enum Parsed {
    /// A value, its attributes, and the number of bytes it took.
    Done(Resp, Option<Resp>, usize),
    More,
    /// An unknown type byte.
    Bad(u8),
    Limit,
}

/// What is known of a value, or a line, that is not all here: the next look at it does not begin anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pending {
    /// Fewer bytes cannot be all of it.
    need: usize,
    /// Where the unfinished line begins, and up to where it has no end.
    line: usize,
    clean: usize,
}

impl Pending {
    /// A line from the start on, without its end; `None` if that is not here.
    pub fn line<'a>(&mut self, b: &'a [u8]) -> Option<&'a [u8]> {
        let from = self.clean.min(b.len());
        let end = b[from..].iter().position(|x| *x == b'\n');
        self.clean = if end.is_some() { 0 } else { b.len() };
        end.map(|n| &b[..from + n])
    }
}

struct Reader<'a> {
    b: &'a [u8],
    at: usize,
    elements: u64,
    max: u64,
    pending: Pending,
    /// Whether strings are copied: not while it is only looked whether all is there.
    copies: bool,
}

enum Stop {
    More,
    Bad(u8),
    Limit,
}

const MAX_DEPTH: usize = 64;
/// The shortest value, such as `_\r\n`.
const SHORTEST: usize = 3;
/// Beyond so many bytes what cannot be whole yet is not looked at again with each piece, nor is an error in it found at once.
const LONG: usize = 64 << 10;

impl<'a> Reader<'a> {
    fn line(&mut self) -> Result<&'a [u8], Stop> {
        let begin = self.at;
        let from = match self.pending.line == begin {
            true => self.pending.clean.clamp(begin, self.b.len()),
            false => begin,
        };
        let Some(n) = find(&self.b[from..], b"\r\n") else {
            self.pending = Pending {
                need: self.b.len() + 1,
                line: begin,
                // The first half of an end may be there.
                clean: self.b.len().saturating_sub(1),
            };
            return Err(Stop::More);
        };
        self.at = from + n + 2;
        Ok(&self.b[begin..from + n])
    }

    /// There is more to come, after which there are so many bytes at least.
    fn wait(&mut self, need: usize) -> Stop {
        self.pending = Pending {
            need,
            ..Pending::default()
        };
        Stop::More
    }

    fn copy(&self, d: &[u8]) -> Vec<u8> {
        if self.copies { d.to_vec() } else { Vec::new() }
    }

    fn text(&mut self) -> Result<Vec<u8>, Stop> {
        let line = self.line()?;
        Ok(self.copy(line))
    }

    fn number(&mut self) -> Result<i64, Stop> {
        let l = self.line()?;
        std::str::from_utf8(l)
            .ok()
            .and_then(|s| s.parse().ok())
            .ok_or(Stop::Limit)
    }

    fn list(&mut self, depth: usize, factor: i64) -> Result<Option<Vec<Resp>>, Stop> {
        let n = self.number()?;
        if n < 0 {
            return Ok(None);
        }
        let n = n.checked_mul(factor).ok_or(Stop::Limit)?;
        if n as u64 > self.max {
            return Err(Stop::Limit);
        }
        let mut v = Vec::new();
        for left in (0..n).rev() {
            let value = self.value(depth + 1);
            if matches!(value, Err(Stop::More)) && self.at > LONG {
                self.pending.need += left as usize * SHORTEST;
            }
            v.push(value?);
        }
        Ok(Some(v))
    }

    fn bulk(&mut self) -> Result<Option<Vec<u8>>, Stop> {
        let n = self.number()?;
        if n < 0 {
            return Ok(None);
        }
        if n > 512 << 20 {
            return Err(Stop::Limit);
        }
        let n = n as usize;
        let Some(d) = self.b.get(self.at..self.at + n + 2) else {
            return Err(self.wait(self.at + n + 2));
        };
        self.at += n + 2;
        Ok(Some(self.copy(&d[..n])))
    }

    /// A value with what is said about it in front.
    fn whole(&mut self) -> Result<(Resp, Option<Resp>), Stop> {
        let mut attrs = None;
        if self.b.first() == Some(&b'|') {
            self.at = 1;
            attrs = self.list(0, 2)?.map(Resp::Map);
        }
        Ok((self.value(0)?, attrs))
    }

    fn value(&mut self, depth: usize) -> Result<Resp, Stop> {
        self.elements += 1;
        if depth > MAX_DEPTH || self.elements > self.max {
            return Err(Stop::Limit);
        }
        let Some(&t) = self.b.get(self.at) else {
            return Err(self.wait(self.at + 1));
        };
        self.at += 1;
        if t == b'|' {
            // Attributes within a value are passed over; those of a whole value are told with it.
            self.list(depth, 2)?;
            return self.value(depth + 1);
        }
        Ok(match t {
            b'+' => Resp::Simple(self.text()?),
            b'-' => Resp::Error(self.text()?),
            b':' => Resp::Int(self.text()?),
            b'(' => Resp::Simple(self.text()?),
            b',' => Resp::Double(self.text()?),
            b'_' => {
                self.line()?;
                Resp::Null
            }
            b'#' => Resp::Bool(self.line()? == b"t"),
            // No string at all is told as an empty one.
            b'$' => Resp::Bulk(self.bulk()?.unwrap_or_default()),
            b'!' => self.bulk()?.map_or(Resp::Null, Resp::Error),
            b'=' => self
                .bulk()?
                .map_or(Resp::Null, |b| Resp::Bulk(b.get(4..).unwrap_or(&[]).to_vec())),
            b'*' => self.list(depth, 1)?.map_or(Resp::Null, Resp::Array),
            b'~' => self.list(depth, 1)?.map_or(Resp::Null, Resp::Set),
            b'>' => self.list(depth, 1)?.map_or(Resp::Null, Resp::Push),
            b'%' => self.list(depth, 2)?.map_or(Resp::Null, Resp::Map),
            t => return Err(Stop::Bad(t)),
        })
    }
}

/// Reads one value at the start of `b`.
pub fn parse(b: &[u8], max_elements: u64, pending: &mut Pending) -> Parsed {
    if b.len() < pending.need {
        return Parsed::More;
    }
    let mut r = Reader {
        b,
        at: 0,
        elements: 0,
        max: max_elements,
        pending: *pending,
        copies: true,
    };
    if pending.need > 0 {
        // What comes in many pieces is copied once, when the last is here.
        r.copies = false;
        if matches!(r.whole(), Err(Stop::More)) {
            *pending = r.pending;
            return Parsed::More;
        }
        (r.at, r.elements, r.copies) = (0, 0, true);
    }
    let whole = r.whole();
    *pending = if matches!(whole, Err(Stop::More)) {
        r.pending
    } else {
        Pending::default()
    };
    match whole {
        Ok((v, a)) => Parsed::Done(v, a, r.at),
        Err(Stop::More) => Parsed::More,
        Err(Stop::Bad(t)) => Parsed::Bad(t),
        Err(Stop::Limit) => Parsed::Limit,
    }
}

impl Resp {
    /// The text form that scripts see.
    pub fn text(&self) -> Vec<u8> {
        match self {
            Resp::Simple(s) | Resp::Error(s) | Resp::Int(s) | Resp::Bulk(s) | Resp::Double(s) => s.clone(),
            Resp::Null => b"null".to_vec(),
            Resp::Bool(b) => if *b { "T" } else { "F" }.into(),
            Resp::Array(v) | Resp::Push(v) => join(b"[", v, b"]"),
            Resp::Set(v) => join(b"{", v, b"}"),
            Resp::Map(v) => {
                let mut out = b"{".to_vec();
                for (i, kv) in v.chunks(2).enumerate() {
                    if i > 0 {
                        out.extend_from_slice(b", ");
                    }
                    out.extend(kv[0].text());
                    out.extend_from_slice(b": ");
                    if let Some(v) = kv.get(1) {
                        out.extend(v.text());
                    }
                }
                out.push(b'}');
                out
            }
        }
    }

    /// Whether the value needs version 3.
    pub fn is_v3(&self) -> bool {
        match self {
            Resp::Null | Resp::Bool(_) | Resp::Double(_) | Resp::Map(_) | Resp::Set(_) | Resp::Push(_) => {
                !matches!(self, Resp::Null)
            }
            Resp::Array(v) => v.iter().any(Resp::is_v3),
            _ => false,
        }
    }
}

fn join(open: &[u8], v: &[Resp], close: &[u8]) -> Vec<u8> {
    let mut out = open.to_vec();
    for (i, x) in v.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend(x.text());
    }
    out.extend_from_slice(close);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_values() {
        let b = b"*2\r\n$3\r\nfoo\r\n%1\r\n+a\r\n:1\r\nrest";
        let Parsed::Done(v, None, n) = parse(b, 100, &mut Pending::default()) else {
            panic!()
        };
        assert_eq!((v.text(), n, v.is_v3()), (b"[foo, {a: 1}]".to_vec(), b.len() - 4, true));
        for cut in 0..n {
            assert_eq!(parse(&b[..cut], 100, &mut Pending::default()), Parsed::More);
        }
        // In pieces of any size, with what was known before.
        for step in 1..n {
            let mut p = Pending::default();
            for cut in (0..n).step_by(step) {
                assert_eq!(parse(&b[..cut], 100, &mut p), Parsed::More, "{step} {cut}");
            }
            assert_eq!(parse(b, 100, &mut p), Parsed::Done(v.clone(), None, n), "{step}");
        }
        // A long one is looked at now and then, and found as soon as it is whole.
        let long = b"*200000\r\n"
            .iter()
            .chain(b":7654321\r\n".repeat(200_000).iter())
            .copied()
            .collect::<Vec<_>>();
        let (mut p, mut needs) = (Pending::default(), std::collections::BTreeSet::new());
        for cut in (0..long.len()).step_by(1000) {
            assert_eq!(parse(&long[..cut], 300_000, &mut p), Parsed::More);
            needs.insert(p.need);
        }
        assert_eq!(parse(&long[..long.len() - 1], 300_000, &mut p), Parsed::More);
        assert!(matches!(parse(&long, 300_000, &mut p), Parsed::Done(_, None, n) if n == long.len()));
        assert!(needs.len() < 200, "{}", needs.len());
        let (mut p, line) = (Pending::default(), b"GET key\nGET");
        assert!((0..8).all(|cut| p.line(&line[..cut]).is_none()));
        assert_eq!(p.line(line), Some(&b"GET key"[..]));
        assert_eq!(parse(b"N", 100, &mut Pending::default()), Parsed::Bad(b'N'));
        let Parsed::Done(v, None, _) = parse(
            b"*2\r\n:1\r\n|1\r\n+ttl\r\n:3600\r\n$-1\r\n",
            100,
            &mut Pending::default(),
        ) else {
            panic!()
        };
        assert_eq!(v.text(), b"[1, ]");
    }
}
