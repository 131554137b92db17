//! Broker data: what crosses threads and nodes, with its binary and JSON encodings.
//!
//! [`Data`] owns its content and is `Send`. Sets and tables are kept sorted by kind and value, so that equal data has
//! equal encodings. [`binary`] is the `broker-bin-v1` form, [`json`] that of the WebSocket API, [`convert`] goes to
//! and from script values, [`event`] is the envelope of events. Decoders trust nothing: depth, counts and lengths are
//! bounded by the input.

pub mod binary;
pub mod convert;
pub mod event;
pub mod json;

use std::any::Any;
use std::cell::RefCell;
use std::cmp::Ordering;
use std::rc::Rc;

use crate::text::proto_name;
use crate::value::{Addr, Opaque, Port, Subnet};

/// Data of one of the kinds that all nodes know.
#[derive(Clone, Debug, Default)]
pub enum Data {
    #[default]
    None,
    Bool(bool),
    Count(u64),
    Int(i64),
    Real(f64),
    String(Vec<u8>),
    Addr(Addr),
    Subnet(Subnet),
    Port(Port),
    /// Nanoseconds since the epoch.
    Timestamp(i64),
    /// Nanoseconds.
    Timespan(i64),
    /// The qualified name of an enumerator.
    Enum(String),
    /// Sorted, without duplicates.
    Set(Vec<Data>),
    /// Sorted by key, without duplicate keys.
    Table(Vec<(Data, Data)>),
    Vector(Vec<Data>),
}

impl Data {
    /// The number of the kind, which is its tag in the binary encoding.
    pub fn tag(&self) -> u8 {
        match self {
            Data::None => 0,
            Data::Bool(_) => 1,
            Data::Count(_) => 2,
            Data::Int(_) => 3,
            Data::Real(_) => 4,
            Data::String(_) => 5,
            Data::Addr(_) => 6,
            Data::Subnet(_) => 7,
            Data::Port(_) => 8,
            Data::Timestamp(_) => 9,
            Data::Timespan(_) => 10,
            Data::Enum(_) => 11,
            Data::Set(_) => 12,
            Data::Table(_) => 13,
            Data::Vector(_) => 14,
        }
    }

    /// A set of the given elements.
    pub fn set(mut items: Vec<Data>) -> Data {
        items.sort();
        items.dedup();
        Data::Set(items)
    }

    /// A table of the given entries; of equal keys the first stays.
    pub fn table(mut entries: Vec<(Data, Data)>) -> Data {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|b, a| a.0 == b.0);
        Data::Table(entries)
    }

    /// A string.
    pub fn str(s: impl AsRef<[u8]>) -> Data {
        Data::String(s.as_ref().to_vec())
    }

    /// Text for people, as `print` shows it.
    pub fn text(&self, out: &mut Vec<u8>) {
        use std::io::Write;
        // Writing to a vector does not fail.
        let _ = match self {
            Data::None => write!(out, "nil"),
            Data::Bool(b) => write!(out, "{}", if *b { "T" } else { "F" }),
            Data::Count(n) => write!(out, "{n}"),
            Data::Int(n) => write!(out, "{n}"),
            Data::Real(d) => write!(out, "{}", crate::number::format_f(*d, 6)),
            Data::String(s) => out.write_all(s),
            Data::Addr(a) => write!(out, "{a}"),
            Data::Subnet(s) => write!(out, "{}", crate::text::subnet_text(s)),
            Data::Port(p) => write!(out, "{}/{}", p.num, proto_name(p.proto)),
            Data::Timestamp(n) | Data::Timespan(n) => write!(out, "{n}ns"),
            Data::Enum(name) => write!(out, "{name}"),
            Data::Set(items) => {
                out.push(b'{');
                list(items, out);
                out.write_all(b"}")
            }
            Data::Vector(items) => {
                out.push(b'(');
                list(items, out);
                out.write_all(b")")
            }
            Data::Table(entries) => {
                out.push(b'{');
                for (i, (k, v)) in entries.iter().enumerate() {
                    if i > 0 {
                        out.extend_from_slice(b", ");
                    }
                    k.text(out);
                    out.extend_from_slice(b" -> ");
                    v.text(out);
                }
                out.write_all(b"}")
            }
        };
    }
}

fn list(items: &[Data], out: &mut Vec<u8>) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.extend_from_slice(b", ");
        }
        item.text(out);
    }
}

impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Data {}

impl PartialOrd for Data {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Data {
    /// By kind, then by value; reals by their total order.
    fn cmp(&self, other: &Self) -> Ordering {
        use Data::*;
        match (self, other) {
            (None, None) => Ordering::Equal,
            (Bool(a), Bool(b)) => a.cmp(b),
            (Count(a), Count(b)) => a.cmp(b),
            (Int(a), Int(b)) => a.cmp(b),
            (Real(a), Real(b)) => a.total_cmp(b),
            (String(a), String(b)) => a.cmp(b),
            (Addr(a), Addr(b)) => a.cmp(b),
            (Subnet(a), Subnet(b)) => (a.addr, a.width).cmp(&(b.addr, b.width)),
            (Port(a), Port(b)) => (a.num, a.proto).cmp(&(b.num, b.proto)),
            (Timestamp(a), Timestamp(b)) | (Timespan(a), Timespan(b)) => a.cmp(b),
            (Enum(a), Enum(b)) => a.cmp(b),
            (Set(a), Set(b)) | (Vector(a), Vector(b)) => a.cmp(b),
            (Table(a), Table(b)) => a.cmp(b),
            _ => self.tag().cmp(&other.tag()),
        }
    }
}

/// The state behind a script's `opaque of Broker::Data`.
pub struct DataHolder(pub RefCell<Data>);

impl Opaque for DataHolder {
    fn type_name(&self) -> &str {
        "Broker::Data"
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(DataHolder(self.0.clone())))
    }
    fn render_bytes(&self) -> Vec<u8> {
        let mut out = b"broker::data{".to_vec();
        self.0.borrow().text(&mut out);
        out.push(b'}');
        out
    }
    fn render(&self) -> String {
        String::from_utf8_lossy(&self.render_bytes()).into_owned()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Why an encoding was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The input ends within a value.
    Short,
    /// Bytes follow the value.
    Trailing,
    /// A tag, or a type name, that no kind has.
    UnknownKind,
    /// A value outside of its kind's range or form.
    BadValue,
    /// A set element or table key that was there already.
    Duplicate,
    /// Nested deeper than any sensible data.
    TooDeep,
    /// The text is no JSON.
    BadJson,
}

impl std::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DecodeError::Short => "the data ends within a value",
            DecodeError::Trailing => "bytes follow the value",
            DecodeError::UnknownKind => "unknown kind of data",
            DecodeError::BadValue => "value out of range",
            DecodeError::Duplicate => "duplicate set element or table key",
            DecodeError::TooDeep => "data is nested too deeply",
            DecodeError::BadJson => "not a JSON text",
        })
    }
}

/// Containers are not nested deeper than this.
const DEPTH_MAX: usize = 100;

/// Sorts decoded set elements and refuses duplicates.
fn checked_set(mut items: Vec<Data>) -> Result<Data, DecodeError> {
    items.sort();
    if items.windows(2).any(|w| w[0] == w[1]) {
        return Err(DecodeError::Duplicate);
    }
    Ok(Data::Set(items))
}

/// Sorts decoded table entries and refuses duplicate keys.
fn checked_table(mut entries: Vec<(Data, Data)>) -> Result<Data, DecodeError> {
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    if entries.windows(2).any(|w| w[0].0 == w[1].0) {
        return Err(DecodeError::Duplicate);
    }
    Ok(Data::Table(entries))
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::Proto;

    /// Any data, a few levels deep.
    pub fn any_data() -> impl Strategy<Value = Data> {
        let leaf = prop_oneof![
            Just(Data::None),
            any::<bool>().prop_map(Data::Bool),
            any::<u64>().prop_map(Data::Count),
            any::<i64>().prop_map(Data::Int),
            any::<f64>().prop_map(Data::Real),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(Data::String),
            any::<[u8; 16]>().prop_map(|b| Data::Addr(Addr(b))),
            (any::<[u8; 16]>(), 0..=128u8).prop_map(|(b, w)| Data::Subnet(Subnet::new128(Addr(b), w))),
            (any::<u16>(), 0..4u8).prop_map(|(num, p)| Data::Port(Port {
                num,
                proto: [Proto::Unknown, Proto::Tcp, Proto::Udp, Proto::Icmp][p as usize],
            })),
            any::<i64>().prop_map(Data::Timestamp),
            any::<i64>().prop_map(Data::Timespan),
            "[A-Za-z:]{0,12}".prop_map(Data::Enum),
        ];
        leaf.prop_recursive(3, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Data::set),
                prop::collection::vec((inner.clone(), inner.clone()), 0..6).prop_map(Data::table),
                prop::collection::vec(inner, 0..6).prop_map(Data::Vector),
            ]
        })
    }

    #[test]
    fn text_of_containers() {
        let mut out = Vec::new();
        Data::Vector(vec![
            Data::set(vec![Data::str("b"), Data::Count(5), Data::str("b")]),
            Data::table(vec![(Data::str("k"), Data::Real(1.5))]),
            Data::None,
        ])
        .text(&mut out);
        assert_eq!(out, b"({5, b}, {k -> 1.500000}, nil)");
    }
}
