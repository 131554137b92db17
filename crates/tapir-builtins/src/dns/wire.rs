//! The wire format of name look-ups: questions, replies, names (RFC 1035, RFC 2308 for what does not exist).
//!
//! Replies come from whoever answers: every read is checked, names end, and only records along the chain of aliases
//! from the question count. Must not know: sockets, time, scripts.

use std::sync::Arc;

use tapir_data::value::Addr;

/// Bytes of a name on the wire, the last zero included.
const NAME_MAX: usize = 255;
const LABEL_MAX: usize = 63;
const HEADER: usize = 12;
/// Addresses that are taken from one reply.
pub const ADDRS_MAX: usize = 64;
/// Aliases that are followed inside one reply.
const ALIASES_MAX: usize = 16;

const CLASS_IN: u16 = 1;
const CNAME: u16 = 5;
const SOA: u16 = 6;

/// The types of records that are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u16)]
pub enum Kind {
    A = 1,
    Ptr = 12,
    Txt = 16,
    Aaaa = 28,
}

/// What a look-up gave.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    Text(Arc<[u8]>),
    Addrs(Arc<[Addr]>),
    /// There is no such record, or nobody says so.
    Failed,
}

/// A name as on the wire, uncompressed. Lengths of labels are below all letters, so case is folded on the whole.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Name(Box<[u8]>);

impl Name {
    /// Takes a name in its usual form, with or without a dot at its end.
    pub fn parse(text: &[u8]) -> Option<Name> {
        let text = text.strip_suffix(b".").unwrap_or(text);
        let mut out = Vec::with_capacity(text.len() + 2);
        for label in text.split(|b| *b == b'.') {
            if label.is_empty() || label.len() > LABEL_MAX {
                return None;
            }
            out.push(label.len() as u8);
            out.extend(label);
        }
        out.push(0);
        (out.len() <= NAME_MAX).then(|| Name(out.into()))
    }

    /// The name below which the names of an address are found.
    pub fn of_addr(a: Addr) -> Name {
        let text = match a.as_v4() {
            Some([p, q, r, s]) => format!("{s}.{r}.{q}.{p}.in-addr.arpa"),
            None => {
                let nibbles = a.0.iter().rev().flat_map(|b| [b & 15, b >> 4]);
                nibbles.map(|n| format!("{n:x}.")).collect::<String>() + "ip6.arpa"
            }
        };
        Name::parse(text.as_bytes()).expect("short labels of digits are a name")
    }

    /// The same name in lower case.
    pub fn folded(mut self) -> Name {
        self.0.make_ascii_lowercase();
        self
    }

    fn is(&self, other: &Name) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }

    /// The usual form. Bytes that would be taken for something else are escaped as in master files (RFC 1035 5.1).
    pub fn text(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.len());
        let mut rest = &self.0[..];
        while let Some((n, after)) = rest.split_first()
            && *n > 0
        {
            let (label, after) = after.split_at(usize::from(*n).min(after.len()));
            if !out.is_empty() {
                out.push(b'.');
            }
            for b in label {
                match b {
                    b'.' | b'\\' => out.extend([b'\\', *b]),
                    0x21..=0x7e => out.push(*b),
                    _ => out.extend(format!("\\{b:03}").bytes()),
                }
            }
            rest = after;
        }
        out
    }
}

/// A question to a name server.
pub fn encode(id: u16, name: &Name, kind: Kind) -> Vec<u8> {
    let mut q = id.to_be_bytes().to_vec();
    // Recursion desired; one question.
    q.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    q.extend(&name.0);
    q.extend((kind as u16).to_be_bytes());
    q.extend(CLASS_IN.to_be_bytes());
    q
}

/// What a server said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reply {
    /// For how many seconds it holds.
    Found(Answer, u32),
    /// Only an alias came with it: the other name has to be asked for.
    Elsewhere(Name, u32),
    /// There is no such name or record; for how long, if that was said.
    Nothing(Option<u32>),
    /// The server could or would not answer, or what it sent makes no sense.
    Refused,
}

fn u16_at(s: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(s.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(s: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(s.get(at..at + 4)?.try_into().ok()?))
}

/// The id of a reply; `None` for what is no reply.
pub fn reply_id(s: &[u8]) -> Option<u16> {
    let is_reply = s.len() >= HEADER && s[2] & 0x80 != 0;
    is_reply.then(|| u16::from_be_bytes([s[0], s[1]]))
}

/// Reads a name and gives it with the position behind it. Pointers lead back only, so there is an end.
fn read_name(s: &[u8], mut at: usize) -> Option<(Name, usize)> {
    let mut out = Vec::new();
    let mut end = None;
    let mut limit = at;
    loop {
        let n = *s.get(at)?;
        match n {
            0 => {
                out.push(0);
                return (out.len() <= NAME_MAX).then(|| (Name(out.into()), end.unwrap_or(at + 1)));
            }
            1..=63 => {
                let next = at + 1 + usize::from(n);
                out.extend(s.get(at..next)?);
                if out.len() >= NAME_MAX {
                    return None;
                }
                at = next;
            }
            0xc0.. => {
                let to = usize::from(n & 0x3f) << 8 | usize::from(*s.get(at + 1)?);
                end.get_or_insert(at + 2);
                if to >= limit {
                    return None;
                }
                limit = to;
                at = to;
            }
            _ => return None,
        }
    }
}

struct Record<'a> {
    owner: Name,
    kind: u16,
    ttl: u32,
    data: &'a [u8],
    /// Where the data begin: names in them may point back.
    at: usize,
}

fn read_record(s: &[u8], at: usize) -> Option<(Record<'_>, usize)> {
    let (owner, at) = read_name(s, at)?;
    let (kind, class) = (u16_at(s, at)?, u16_at(s, at + 2)?);
    let ttl = u32_at(s, at + 4)?;
    let len = usize::from(u16_at(s, at + 8)?);
    let at = at + 10;
    let data = s.get(at..at + len)?;
    let record = Record {
        owner,
        // Records of other classes are none of those that are looked for.
        kind: if class == CLASS_IN { kind } else { 0 },
        // RFC 2181 8: what does not fit 31 bits is nothing.
        ttl: if ttl > i32::MAX as u32 { 0 } else { ttl },
        data,
        at,
    };
    Some((record, at + len))
}

/// Reads a reply to a question. `None` when it replies to something else.
pub fn decode(s: &[u8], name: &Name, kind: Kind) -> Option<Reply> {
    reply_id(s)?;
    let code = s[3] & 15;
    let questions = u16_at(s, 4)?;
    if questions == 0 && code != 0 && code != 3 {
        // Servers that did not get so far as to read the question do not repeat it.
        return Some(Reply::Refused);
    }
    if questions != 1 {
        return None;
    }
    let (asked, at) = read_name(s, HEADER)?;
    if !asked.is(name) || u16_at(s, at)? != kind as u16 || u16_at(s, at + 2)? != CLASS_IN {
        return None;
    }
    Some(match code {
        0 | 3 => read_answer(s, at + 4, name, kind).unwrap_or(Reply::Refused),
        _ => Reply::Refused,
    })
}

fn read_answer(s: &[u8], mut at: usize, name: &Name, kind: Kind) -> Option<Reply> {
    let cut_short = s[2] & 2 != 0;
    let mut records = Vec::new();
    for _ in 0..u16_at(s, 6)? {
        match read_record(s, at) {
            Some((r, next)) => {
                records.push(r);
                at = next;
            }
            // A reply that was cut short is taken as far as it goes.
            None if cut_short => break,
            None => return None,
        }
    }
    let (mut owner, mut ttl) = (name.clone(), u32::MAX);
    for _ in 0..ALIASES_MAX {
        let Some(r) = records.iter().find(|r| r.kind == CNAME && r.owner.is(&owner)) else {
            break;
        };
        let (target, end) = read_name(s, r.at)?;
        if end != r.at + r.data.len() {
            return None;
        }
        ttl = ttl.min(r.ttl);
        owner = target;
    }
    let mut wanted = records
        .iter()
        .filter(|r| r.kind == kind as u16 && r.owner.is(&owner))
        .peekable();
    if wanted.peek().is_some() {
        let mut addrs = Vec::new();
        for r in wanted {
            ttl = ttl.min(r.ttl);
            match kind {
                Kind::Ptr => {
                    let (target, _) = read_name(s, r.at).filter(|n| n.1 == r.at + r.data.len())?;
                    return Some(Reply::Found(Answer::Text(target.text().into()), ttl));
                }
                Kind::Txt => {
                    // The first of its strings.
                    let n = usize::from(*r.data.first()?);
                    return Some(Reply::Found(Answer::Text(r.data.get(1..=n)?.into()), ttl));
                }
                Kind::A => addrs.push(Addr::v4(r.data.try_into().ok()?)),
                Kind::Aaaa => addrs.push(Addr(r.data.try_into().ok()?)),
            }
            if addrs.len() == ADDRS_MAX {
                break;
            }
        }
        return Some(Reply::Found(Answer::Addrs(addrs.into()), ttl));
    }
    if cut_short {
        return Some(Reply::Refused);
    }
    if !owner.is(name) && s[3] & 15 == 0 && !has_soa(s, at) {
        return Some(Reply::Elsewhere(owner, ttl));
    }
    Some(Reply::Nothing(negative_ttl(s, at).map(|n| n.min(ttl))))
}

fn authority(s: &[u8], at: usize) -> impl Iterator<Item = Record<'_>> {
    let n = u16_at(s, 8).unwrap_or(0);
    (0..n).scan(at, |at, _| {
        let (r, next) = read_record(s, *at)?;
        *at = next;
        Some(r)
    })
}

/// Whether the server speaks for the zone at the end of the aliases: then there is no more to ask.
fn has_soa(s: &[u8], at: usize) -> bool {
    authority(s, at).any(|r| r.kind == SOA)
}

/// RFC 2308 5: the lesser of the record's own time and its last number.
fn negative_ttl(s: &[u8], at: usize) -> Option<u32> {
    let soa = authority(s, at).find(|r| r.kind == SOA)?;
    let minimum = u32_at(soa.data, soa.data.len().checked_sub(4)?)?;
    Some(soa.ttl.min(minimum))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(s: &str) -> Name {
        Name::parse(s.as_bytes()).unwrap()
    }

    /// A reply to `name`/`kind` with these answers (owner, type, ttl, data).
    fn reply(
        asked: &str,
        kind: Kind,
        answers: &[(&str, u16, u32, Vec<u8>)],
        authority: &[(&str, u16, u32, Vec<u8>)],
    ) -> Vec<u8> {
        let mut s = encode(7, &name(asked), kind);
        s[2] |= 0x80;
        s[7] = answers.len() as u8;
        s[9] = authority.len() as u8;
        for (owner, kind, ttl, data) in answers.iter().chain(authority) {
            s.extend(&name(owner).0);
            s.extend(kind.to_be_bytes());
            s.extend([0, 1]);
            s.extend(ttl.to_be_bytes());
            s.extend((data.len() as u16).to_be_bytes());
            s.extend(data);
        }
        s
    }

    fn wire(s: &str) -> Vec<u8> {
        name(s).0.to_vec()
    }

    fn soa(minimum: u32) -> Vec<u8> {
        let mut d = [wire("ns.example"), wire("root.example"), vec![0; 16]].concat();
        d.extend(minimum.to_be_bytes());
        d
    }

    fn text(s: &str) -> Answer {
        Answer::Text(s.as_bytes().into())
    }

    #[test]
    fn names() {
        assert_eq!(name("a.Example.").text(), b"a.Example");
        assert_eq!(name("a.Example").folded(), name("a.example"));
        for bad in ["", ".", "a..b", &"a".repeat(64), &"abc.".repeat(64)] {
            assert_eq!(Name::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Name::of_addr(Addr::v4([192, 0, 2, 9])), name("9.2.0.192.in-addr.arpa"));
        assert_eq!(Name::of_addr(Addr([0x20; 16])).0.len(), 74);
        // Neither an end of line nor a dot inside a label gets through as such.
        assert_eq!(Name([3, b'a', b'.', b'\n', 1, b'\\', 0].into()).text(), br"a\.\010.\\");
        // Pointers to themselves, forward, and to each other end.
        assert_eq!(read_name(&[0xc0, 0], 0), None);
        assert_eq!(read_name(&[0xc0, 2, 0], 0), None);
        assert_eq!(read_name(&[0xc0, 2, 0xc0, 0], 2), None);
    }

    #[test]
    fn answers() {
        let q = name("9.2.0.192.in-addr.arpa");
        let mut s = encode(7, &q, Kind::Ptr);
        s[2] |= 0x80;
        s[7] = 1;
        s.extend([0xc0, 12, 0, 12, 0, 1, 0, 0, 0, 9, 0, 4, 1, b'b', 0xc0, 22]);
        assert_eq!(decode(&s, &q, Kind::Ptr), Some(Reply::Found(text("b.in-addr.arpa"), 9)));
        for cut in 0..s.len() {
            assert!(!matches!(decode(&s[..cut], &q, Kind::Ptr), Some(Reply::Found(..))));
        }
        // To another question, or no reply at all.
        assert_eq!(decode(&s, &q, Kind::Txt), None);
        assert_eq!(decode(&s, &name("x.example"), Kind::Ptr), None);
        s[2] &= 0x7f;
        assert_eq!(decode(&s, &q, Kind::Ptr), None);
    }

    #[test]
    fn aliases_lead_to_answers() {
        let (q, cname) = (name("q.example"), 5);
        let answers = [
            ("other.example", 16, 1, vec![1, b'x']),
            ("B.example", 16, 50, vec![2, b'o', b'k', 1, b'z']),
            ("a.example", cname, 40, wire("b.example")),
            ("Q.example", cname, 60, wire("a.example")),
        ];
        let s = reply("q.EXAMPLE", Kind::Txt, &answers, &[]);
        assert_eq!(decode(&s, &q, Kind::Txt), Some(Reply::Found(text("ok"), 40)));
        let s = reply("q.example", Kind::Txt, &answers[2..], &[]);
        assert_eq!(decode(&s, &q, Kind::Txt), Some(Reply::Elsewhere(name("b.example"), 40)));
        // In a circle.
        let round = [("q.example", cname, 1, wire("q.example"))];
        let s = reply("q.example", Kind::Txt, &round, &[]);
        assert_eq!(decode(&s, &q, Kind::Txt), Some(Reply::Nothing(None)));
        let two = [
            ("q.example", 1, 5, vec![192, 0, 2, 1]),
            ("q.example", 1, 4, vec![192, 0, 2, 2]),
        ];
        let addrs = Answer::Addrs([Addr::v4([192, 0, 2, 1]), Addr::v4([192, 0, 2, 2])].into());
        assert_eq!(
            decode(&reply("q.example", Kind::A, &two, &[]), &q, Kind::A),
            Some(Reply::Found(addrs, 4))
        );
    }

    #[test]
    fn what_is_not_there() {
        let q = name("q.example");
        let mut s = reply("q.example", Kind::Txt, &[], &[("example", 6, 300, soa(60))]);
        assert_eq!(decode(&s, &q, Kind::Txt), Some(Reply::Nothing(Some(60))));
        s[3] |= 3;
        assert_eq!(decode(&s, &q, Kind::Txt), Some(Reply::Nothing(Some(60))));
        s[3] ^= 1;
        assert_eq!(decode(&s, &q, Kind::Txt), Some(Reply::Refused));
        let s = reply("q.example", Kind::Txt, &[], &[("example", 6, u32::MAX, soa(60))]);
        assert_eq!(decode(&s, &q, Kind::Txt), Some(Reply::Nothing(Some(0))));
        // The zone of an alias knows that there is no more.
        let alias = [("q.example", 5, 20, wire("b.example"))];
        let s = reply("q.example", Kind::Txt, &alias, &[("example", 6, 300, soa(60))]);
        assert_eq!(decode(&s, &q, Kind::Txt), Some(Reply::Nothing(Some(20))));
        // Cut short before there was something.
        let mut s = reply("q.example", Kind::Txt, &[], &[]);
        s[2] |= 2;
        assert_eq!(decode(&s, &q, Kind::Txt), Some(Reply::Refused));
        // Cut short behind the first.
        let two = [
            ("q.example", 16, 5, vec![2, b'o', b'k']),
            ("q.example", 16, 5, vec![1, b'x']),
        ];
        let mut s = reply("q.example", Kind::Txt, &two, &[]);
        s[2] |= 2;
        s.truncate(s.len() - 3);
        assert_eq!(decode(&s, &q, Kind::Txt), Some(Reply::Found(text("ok"), 5)));
    }

    const KINDS: [Kind; 4] = [Kind::A, Kind::Ptr, Kind::Txt, Kind::Aaaa];

    proptest! {
        #[test]
        fn anything_is_read(s in proptest::collection::vec(any::<u8>(), 0..600), at in 0usize..600) {
            let q = name("q.example");
            for kind in KINDS {
                decode(&s, &q, kind);
            }
            if let Some((n, end)) = read_name(&s, at) {
                prop_assert!(n.0.len() <= NAME_MAX && end <= s.len());
                prop_assert!(n.text().len() <= 4 * NAME_MAX);
            }
        }

        /// Damage behind the question: what comes out is bounded, whatever the records say.
        #[test]
        fn damaged_replies_are_read(
            kind in 0usize..4,
            counts in any::<[u8; 2]>(),
            tail in proptest::collection::vec(prop_oneof![Just(0xc0u8), Just(0), Just(1), Just(12), 0u8..40, any::<u8>()], 0..300),
        ) {
            let (q, kind) = (name("q.example"), KINDS[kind]);
            let mut s = encode(1, &q, kind);
            s[2] |= 0x80;
            (s[7], s[9]) = (counts[0], counts[1]);
            s.extend(tail);
            match decode(&s, &q, kind) {
                Some(Reply::Found(Answer::Text(t), _)) => prop_assert!(t.len() <= 4 * NAME_MAX),
                Some(Reply::Found(Answer::Addrs(a), _)) => prop_assert!((1..=ADDRS_MAX).contains(&a.len())),
                Some(Reply::Found(Answer::Failed, _)) => prop_assert!(false),
                Some(Reply::Elsewhere(n, _)) => prop_assert!(n.0.len() <= NAME_MAX),
                Some(Reply::Nothing(_) | Reply::Refused) => {}
                None => prop_assert!(false, "the question is the one that was asked"),
            }
        }

        /// What is written is read.
        #[test]
        fn replies_are_read(labels in proptest::collection::vec("[a-z0-9-]{1,20}", 1..5), ttl in 0u32..1 << 31, cut in 0usize..200) {
            let target = labels.join(".");
            let q = name("q.example");
            let s = reply("q.example", Kind::Ptr, &[("q.example", 12, ttl, wire(&target))], &[]);
            prop_assert_eq!(decode(&s, &q, Kind::Ptr), Some(Reply::Found(text(&target), ttl)));
            let cut = cut.min(s.len() - 1);
            let is_found = matches!(decode(&s[..cut], &q, Kind::Ptr), Some(Reply::Found(..)));
            prop_assert!(!is_found);
        }
    }
}
