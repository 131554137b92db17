//! `broker-bin-v1`: a tag byte and a body; integers big-endian, lengths as LEB128 of 32 bits.

use super::event::EventMessage;
use super::{DEPTH_MAX, Data, DecodeError, checked_set, checked_table};
use crate::value::{Addr, Port, Proto, Subnet};

/// Tags, as [`Data::tag`] gives them.
const STRING: u8 = 5;
const VECTOR: u8 = 14;

/// Appends the encoding of one piece of data.
pub fn encode(d: &Data, out: &mut Vec<u8>) {
    out.push(d.tag());
    match d {
        Data::None => {}
        Data::Bool(b) => out.push(*b as u8),
        Data::Count(n) => out.extend(n.to_be_bytes()),
        Data::Int(n) | Data::Timestamp(n) | Data::Timespan(n) => out.extend(n.to_be_bytes()),
        Data::Real(d) => out.extend(d.to_be_bytes()),
        Data::String(s) => bytes(s, out),
        Data::Addr(a) => out.extend(a.0),
        Data::Subnet(s) => {
            out.extend(s.addr.0);
            out.push(s.width);
        }
        Data::Port(p) => {
            out.extend(p.num.to_be_bytes());
            out.push(p.proto as u8);
        }
        Data::Enum(name) => bytes(name.as_bytes(), out),
        Data::Set(items) | Data::Vector(items) => {
            length(items.len(), out);
            for item in items {
                encode(item, out);
            }
        }
        Data::Table(entries) => {
            length(entries.len(), out);
            for (k, v) in entries {
                encode(k, out);
                encode(v, out);
            }
        }
    }
}

/// As `encode(&event.to_data(), out)`, without a copy of the arguments.
pub fn encode_event(event: &EventMessage, out: &mut Vec<u8>) {
    list(3, out);
    // The version of the form, and what kind of message it is.
    encode(&Data::Count(1), out);
    encode(&Data::Count(1), out);
    list(if event.metadata.is_empty() { 2 } else { 3 }, out);
    out.push(STRING);
    bytes(event.name.as_bytes(), out);
    list(event.args.len(), out);
    for arg in event.args.iter() {
        encode(arg, out);
    }
    if !event.metadata.is_empty() {
        list(event.metadata.len(), out);
        for (id, value) in &event.metadata {
            list(2, out);
            encode(&Data::Count(*id), out);
            encode(value, out);
        }
    }
}

/// The head of a vector.
fn list(n: usize, out: &mut Vec<u8>) {
    out.push(VECTOR);
    length(n, out);
}

/// The encoding of one piece of data.
pub fn to_bytes(d: &Data) -> Vec<u8> {
    let mut out = Vec::new();
    encode(d, &mut out);
    out
}

fn bytes(s: &[u8], out: &mut Vec<u8>) {
    length(s.len(), out);
    out.extend_from_slice(s);
}

fn length(n: usize, out: &mut Vec<u8>) {
    let mut n = n as u32;
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Decodes one piece of data that takes the whole input.
///
/// # Errors
/// What is wrong with the input.
pub fn decode(s: &[u8]) -> Result<Data, DecodeError> {
    let mut r = Reader { s };
    let d = r.data(0)?;
    if r.s.is_empty() {
        Ok(d)
    } else {
        Err(DecodeError::Trailing)
    }
}

struct Reader<'a> {
    s: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.s.split_at_checked(n).ok_or(DecodeError::Short)?;
        self.s = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self.s.split_first_chunk::<N>().ok_or(DecodeError::Short)?;
        self.s = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        let mut n = 0u64;
        for shift in [0, 7, 14, 21, 28] {
            let b = self.byte()?;
            n |= ((b & 0x7f) as u64) << shift;
            if b & 0x80 == 0 {
                return u32::try_from(n).map(|n| n as usize).map_err(|_| DecodeError::BadValue);
            }
        }
        Err(DecodeError::BadValue)
    }

    /// The number of elements, each of which takes at least `least` bytes of what is left.
    fn count(&mut self, least: usize) -> Result<usize, DecodeError> {
        let n = self.length()?;
        if n > self.s.len() / least {
            Err(DecodeError::Short)
        } else {
            Ok(n)
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let n = self.length()?;
        self.take(n)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Data>, DecodeError> {
        // Grown as elements arrive: a count alone reserves no memory.
        let n = self.count(1)?;
        let mut items = Vec::with_capacity(n.min(256));
        for _ in 0..n {
            items.push(self.data(depth)?);
        }
        Ok(items)
    }

    fn data(&mut self, depth: usize) -> Result<Data, DecodeError> {
        if depth > DEPTH_MAX {
            return Err(DecodeError::TooDeep);
        }
        Ok(match self.byte()? {
            0 => Data::None,
            1 => Data::Bool(self.byte()? != 0),
            2 => Data::Count(u64::from_be_bytes(self.array()?)),
            3 => Data::Int(i64::from_be_bytes(self.array()?)),
            4 => Data::Real(f64::from_be_bytes(self.array()?)),
            5 => Data::String(self.bytes()?.to_vec()),
            6 => Data::Addr(Addr(self.array()?)),
            7 => {
                let addr = Addr(self.array()?);
                let width = self.byte()?;
                if width > 128 {
                    return Err(DecodeError::BadValue);
                }
                Data::Subnet(Subnet::new128(addr, width))
            }
            8 => {
                let num = u16::from_be_bytes(self.array()?);
                let proto = match self.byte()? {
                    0 => Proto::Unknown,
                    1 => Proto::Tcp,
                    2 => Proto::Udp,
                    3 => Proto::Icmp,
                    _ => return Err(DecodeError::BadValue),
                };
                Data::Port(Port { proto, num })
            }
            9 => Data::Timestamp(i64::from_be_bytes(self.array()?)),
            10 => Data::Timespan(i64::from_be_bytes(self.array()?)),
            11 => {
                let name = std::str::from_utf8(self.bytes()?).map_err(|_| DecodeError::BadValue)?;
                Data::Enum(name.into())
            }
            12 => checked_set(self.items(depth + 1)?)?,
            13 => {
                let n = self.count(2)?;
                let mut entries = Vec::with_capacity(n.min(256));
                for _ in 0..n {
                    let key = self.data(depth + 1)?;
                    entries.push((key, self.data(depth + 1)?));
                }
                checked_table(entries)?
            }
            14 => Data::Vector(self.items(depth + 1)?),
            _ => return Err(DecodeError::UnknownKind),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(s: &str) -> Vec<u8> {
        let s: Vec<u8> = s.bytes().filter(|b| *b != b' ').collect();
        let text = |p: &[u8]| u8::from_str_radix(std::str::from_utf8(p).unwrap(), 16).unwrap();
        s.chunks(2).map(text).collect()
    }

    #[test]
    fn known_encodings() {
        let port = Data::Port(Port {
            proto: Proto::Tcp,
            num: 443,
        });
        let net = Data::Subnet(Subnet::new128(Addr::v4([10, 1, 0, 0]), 112));
        for (d, want) in [
            (Data::Bool(true), "01 01"),
            (Data::Count(300), "02 000000000000012c"),
            (Data::Int(-2), "03 fffffffffffffffe"),
            (Data::Real(1.5), "04 3ff8000000000000"),
            (Data::str("ab"), "05 02 6162"),
            (port, "08 01bb 01"),
            (net, "07 00000000000000000000 ffff 0a010000 70"),
            (Data::Timestamp(1_500_000_000), "09 0000000059682f00"),
            (
                Data::set(vec![Data::Count(2), Data::Count(1)]),
                "0c 02 02 0000000000000001 02 0000000000000002",
            ),
            (
                Data::table(vec![(Data::str("k"), Data::Count(9))]),
                "0d 01 05 01 6b 02 0000000000000009",
            ),
        ] {
            assert_eq!(to_bytes(&d), hex(want));
            assert_eq!(decode(&hex(want)), Ok(d));
        }
        let mut n = Vec::new();
        length(300, &mut n);
        assert_eq!(n, [0xac, 2]);
    }

    #[test]
    fn hostile_input() {
        assert_eq!(decode(&[]), Err(DecodeError::Short));
        assert_eq!(decode(&[0, 0]), Err(DecodeError::Trailing));
        assert_eq!(decode(&[15]), Err(DecodeError::UnknownKind));
        assert_eq!(decode(&[14, 0xff, 0xff, 0xff, 0xff, 0x0f]), Err(DecodeError::Short));
        assert_eq!(
            decode(&[14, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
            Err(DecodeError::BadValue)
        );
        assert_eq!(decode(&[12, 2, 1, 1, 1, 1]), Err(DecodeError::Duplicate));
        assert_eq!(decode(&[8, 0, 0, 4]), Err(DecodeError::BadValue));
        assert_eq!(decode(&[14, 1].repeat(100_000)), Err(DecodeError::TooDeep));
    }

    proptest! {
        #[test]
        fn round_trip(d in super::super::tests::any_data()) {
            prop_assert_eq!(decode(&to_bytes(&d)), Ok(d));
        }

        #[test]
        fn arbitrary_bytes_never_panic(s in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&s);
        }

        #[test]
        fn cut_encodings_are_refused(d in super::super::tests::any_data(), cut in 1usize..20) {
            let b = to_bytes(&d);
            prop_assert!(decode(&b[..b.len() - cut.min(b.len())]).is_err());
        }
    }
}
