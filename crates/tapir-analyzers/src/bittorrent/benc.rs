//! Bencoding (BEP 3): integers, strings, lists and dictionaries.

/// A value; of lists and dictionaries the bytes, which are known to be well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Benc<'a> {
    Int(i64),
    Str(&'a [u8]),
    List(&'a [u8]),
    Dict(&'a [u8]),
}

/// Lists and dictionaries stand within each other this deep.
const MAX_DEPTH: usize = 32;

/// Reads one value at the start of `b`; gives it with what follows.
pub(super) fn read(b: &[u8]) -> Option<(Benc<'_>, &[u8])> {
    within(b, 0)
}

fn within(b: &[u8], depth: usize) -> Option<(Benc<'_>, &[u8])> {
    let (&first, mut rest) = b.split_first()?;
    match first {
        b'i' => {
            let n = rest.iter().position(|&b| b == b'e')?;
            let v = std::str::from_utf8(&rest[..n]).ok()?.parse().ok()?;
            Some((Benc::Int(v), &rest[n + 1..]))
        }
        b'0'..=b'9' => {
            let n = b.iter().position(|&b| b == b':')?;
            let len: usize = std::str::from_utf8(&b[..n]).ok()?.parse().ok()?;
            let s = b[n + 1..].get(..len)?;
            Some((Benc::Str(s), &b[n + 1 + len..]))
        }
        b'l' | b'd' if depth < MAX_DEPTH => {
            while *rest.first()? != b'e' {
                if first == b'd' {
                    let (Benc::Str(_), value) = within(rest, depth + 1)? else {
                        return None;
                    };
                    rest = value;
                }
                rest = within(rest, depth + 1)?.1;
            }
            rest = &rest[1..];
            let whole = &b[..b.len() - rest.len()];
            let v = if first == b'l' {
                Benc::List(whole)
            } else {
                Benc::Dict(whole)
            };
            Some((v, rest))
        }
        _ => None,
    }
}

/// The elements of a list, or the keys and values of a dictionary in turn.
pub(super) fn elements(whole: &[u8]) -> impl Iterator<Item = Benc<'_>> {
    let mut rest = whole.get(1..).unwrap_or(&[]);
    std::iter::from_fn(move || {
        let (v, after) = read(rest)?;
        rest = after;
        Some(v)
    })
}

/// The pairs of a dictionary.
pub(super) fn pairs(whole: &[u8]) -> impl Iterator<Item = (&[u8], Benc<'_>)> {
    let mut all = elements(whole);
    std::iter::from_fn(move || match (all.next()?, all.next()?) {
        (Benc::Str(k), v) => Some((k, v)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_what_is_none() {
        let b = b"d8:intervali-7e5:peersl1:ai2eeexx";
        let (Benc::Dict(d), rest) = read(b).unwrap() else {
            panic!("a dictionary");
        };
        assert_eq!(rest, b"xx");
        let got: Vec<_> = pairs(d).collect();
        assert_eq!(got[0], (&b"interval"[..], Benc::Int(-7)));
        assert_eq!(got[1], (&b"peers"[..], Benc::List(b"l1:ai2ee")));
        assert_eq!(elements(b"l1:ai2ee").count(), 2);
        for bad in [
            &b"i1"[..],
            b"3:ab",
            b"l1:a",
            b"di1ei2ee",
            b"99999999999999999999:a",
            b"x",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(read(&[b'l'; 100]), None);
    }
}
