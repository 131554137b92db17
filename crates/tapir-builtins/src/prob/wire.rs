//! Probabilistic structures between nodes: Bloom filters, cardinality estimates, most frequent elements as broker data.
//!
//! Spec: cluster protocol, "Zeek type ↔ encoding", opaque data. Filters and estimates are of use only to nodes that hash as
//! this program does: where the form says by which seeds, those of another program are refused.

use std::cell::RefCell;
use std::rc::Rc;

use tapir_data::broker::Data;
use tapir_data::broker::convert::to_data;
use tapir_data::text::RenderHost;
use tapir_data::types::{Kind, TypeId, builtin};
use tapir_data::value::Value;
use tapir_vm::{Host, Vm};

use super::{Bloom, BloomFilter, CELLS_MAX, Cardinality, Cells, Counted, Hll, TOPK_SEED, Top, TopK, hash};

/// Names of the kinds.
pub const BLOOM: &str = "BloomFilterVal";
pub const CARDINALITY: &str = "CardinalityVal";
pub const TOPK: &str = "TopkVal";

/// The second seed of this program's filters: how its elements are hashed.
const OWN_HASHES: u64 = 0x7461_7069_7220_3031;
/// What a hasher is that makes all its functions from two.
const DOUBLE_HASHER: u64 = 1;
const BASIC: u64 = 0;
const COUNTING: u64 = 1;

/// Types of elements by their numbers.
const TYPES: [(u64, TypeId); 12] = [
    (1, builtin::BOOL),
    (2, builtin::INT),
    (3, builtin::COUNT),
    (4, builtin::DOUBLE),
    (5, builtin::TIME),
    (6, builtin::INTERVAL),
    (7, builtin::STRING),
    (8, builtin::PATTERN),
    (10, builtin::PORT),
    (11, builtin::ADDR),
    (12, builtin::SUBNET),
    (0, builtin::VOID),
];

/// The type of elements: by number, or by name. `None` for types without either.
fn type_data(host: &dyn RenderHost, ty: Option<TypeId>) -> Option<Data> {
    let Some(ty) = ty else {
        return Some(Data::None);
    };
    if let Some((n, _)) = TYPES.iter().find(|t| t.1 == ty) {
        return Some(Data::Vector(vec![Data::Bool(false), Data::Count(*n)]));
    }
    let types = host.types();
    let name = match types.kind(ty) {
        Kind::Enum(id) => Some(&*types.enums[id.0 as usize].name),
        _ => types.name(ty).map(|n| &**n),
    };
    Some(Data::Vector(vec![Data::Bool(true), Data::str(name?)]))
}

/// The type of elements; `None` when this program has no such type.
fn type_of(vm: &Vm, d: &Data) -> Option<Option<TypeId>> {
    let Data::Vector(parts) = d else {
        return matches!(d, Data::None).then_some(None);
    };
    match &parts[..] {
        [Data::Bool(false), Data::Count(n)] => TYPES.iter().find(|t| t.0 == *n).map(|t| Some(t.1)),
        [Data::Bool(true), Data::String(name)] => vm.type_id(std::str::from_utf8(name).ok()?).map(Some),
        _ => None,
    }
}

fn count(d: &Data) -> Option<u64> {
    match d {
        Data::Count(n) => Some(*n),
        _ => None,
    }
}

fn vector(d: &Data) -> Option<&[Data]> {
    match d {
        Data::Vector(parts) => Some(parts),
        _ => None,
    }
}

/// A structure that another node has sent; `None` when it is none, or of no use here.
pub fn from_data(vm: &mut Vm, host: &mut dyn Host, name: &str, d: &Data) -> Option<Value> {
    let parts = vector(d)?;
    Some(Value::Opaque(match name {
        BLOOM => Rc::new(BloomFilter(RefCell::new(read_bloom(vm, parts)?))),
        CARDINALITY => Rc::new(Cardinality(RefCell::new(read_cardinality(vm, parts)?))),
        TOPK => Rc::new(TopK(RefCell::new(read_top(vm, host, parts)?))),
        _ => return None,
    }))
}

pub(super) fn cardinality(host: &dyn RenderHost, h: &Hll) -> Option<Data> {
    let empty = h.registers.iter().filter(|r| **r == 0).count() as u64;
    let mut parts = vec![
        Data::Count(h.registers.len() as u64),
        Data::Count(empty),
        Data::Real(h.alpha()),
    ];
    parts.extend(h.registers.iter().map(|r| Data::Count(u64::from(*r))));
    Some(Data::Vector(vec![type_data(host, h.ty)?, Data::Vector(parts)]))
}

fn read_cardinality(vm: &Vm, parts: &[Data]) -> Option<Hll> {
    let [ty, figures] = parts else { return None };
    let figures = vector(figures)?;
    let (m, registers) = (count(figures.first()?)?, figures.get(3..)?);
    if registers.len() as u64 != m || !m.is_power_of_two() || !(16..=1 << 24).contains(&m) {
        return None;
    }
    let register = |d: &Data| u8::try_from(count(d)?).ok();
    Some(Hll {
        ty: type_of(vm, ty)?,
        // What it was made with does not travel.
        error: f64::NAN,
        confidence: f64::NAN,
        registers: registers.iter().map(register).collect::<Option<_>>()?,
    })
}

/// Bits in blocks of 64, the first one lowest.
fn bits(n: u64, words: &[u64]) -> Data {
    let mut parts = vec![Data::Count(n), Data::Count(words.len() as u64)];
    parts.extend(words.iter().map(|w| Data::Count(*w)));
    Data::Vector(parts)
}

fn read_bits(d: &Data) -> Option<(u64, Vec<u64>)> {
    let [n, blocks, words @ ..] = vector(d)? else {
        return None;
    };
    let (n, blocks) = (count(n)?, count(blocks)?);
    if n == 0 || n > CELLS_MAX.saturating_mul(32) || blocks != n.div_ceil(64) || blocks != words.len() as u64 {
        return None;
    }
    Some((n, words.iter().map(count).collect::<Option<_>>()?))
}

/// How many bits a counter takes.
fn width(max: u32) -> u64 {
    u64::from(32 - max.leading_zeros())
}

/// Counters of a width as bits, one after the other.
fn pack(counts: &[u32], width: u64) -> (u64, Vec<u64>) {
    let n = counts.len() as u64 * width;
    let mut words = vec![0u64; n.div_ceil(64) as usize];
    for (i, c) in counts.iter().enumerate() {
        for b in (0..width).filter(|b| c >> b & 1 == 1) {
            let at = i as u64 * width + b;
            words[(at / 64) as usize] |= 1 << (at % 64);
        }
    }
    (n, words)
}

fn unpack(n: u64, words: &[u64], width: u64) -> Vec<u32> {
    let bit = |at: u64| (words[(at / 64) as usize] >> (at % 64) & 1) as u32;
    let cell = |i: u64| (0..width).map(|b| bit(i * width + b) << b).sum();
    (0..n / width).map(cell).collect()
}

pub(super) fn bloom(host: &dyn RenderHost, b: &Bloom) -> Option<Data> {
    let hasher = [DOUBLE_HASHER, b.k, b.seed, OWN_HASHES].map(Data::Count);
    let (kind, cells) = match &b.cells {
        Cells::Bits { n, words } => (BASIC, bits(*n, words)),
        Cells::Counters { max, counts } => {
            let width = width(*max);
            let (n, words) = pack(counts, width);
            (COUNTING, Data::Vector(vec![Data::Count(width), bits(n, &words)]))
        }
    };
    let filter = vec![Data::Count(kind), Data::Vector(hasher.to_vec()), cells];
    Some(Data::Vector(vec![type_data(host, b.ty)?, Data::Vector(filter)]))
}

fn read_bloom(vm: &Vm, parts: &[Data]) -> Option<Bloom> {
    let [ty, filter] = parts else { return None };
    let [kind, hasher, cells] = vector(filter)? else {
        return None;
    };
    let hasher: Vec<u64> = vector(hasher)?.iter().map(count).collect::<Option<_>>()?;
    let [DOUBLE_HASHER, k @ 1..=10_000, seed, OWN_HASHES] = hasher[..] else {
        return None;
    };
    let cells = match count(kind)? {
        BASIC => {
            let (n, words) = read_bits(cells)?;
            Cells::Bits { n, words }
        }
        COUNTING => {
            let [width, packed] = vector(cells)? else {
                return None;
            };
            let (width @ 1..=32, (n, words)) = (count(width)?, read_bits(packed)?) else {
                return None;
            };
            let counts = unpack(n, &words, width);
            let max = u32::MAX >> (32 - width);
            (!counts.is_empty()).then_some(Cells::Counters { max, counts })?
        }
        _ => return None,
    };
    let ty = type_of(vm, ty)?;
    Some(Bloom { ty, seed, k, cells })
}

pub(super) fn top(host: &dyn RenderHost, t: &Top) -> Option<Data> {
    let mut parts = vec![
        Data::Count(t.size),
        Data::Count(t.by_count.len() as u64),
        Data::Bool(t.pruned),
        type_data(host, t.ty)?,
    ];
    let all: Vec<&Counted> = t
        .by_count
        .iter()
        .filter_map(|((_, since), h)| t.elements.get(h)?.iter().find(|e| e.since == *since))
        .collect();
    // One bucket for each count.
    for bucket in all.chunk_by(|a, b| a.count == b.count) {
        parts.extend([Data::Count(bucket.len() as u64), Data::Count(bucket[0].count)]);
        for e in bucket {
            parts.extend([Data::Count(e.epsilon), to_data(host, &e.value).ok()?]);
        }
    }
    Some(Data::Vector(parts))
}

fn read_top(vm: &mut Vm, host: &mut dyn Host, parts: &[Data]) -> Option<Top> {
    let [size, elements, Data::Bool(pruned), ty, rest @ ..] = parts else {
        return None;
    };
    let mut t = Top {
        ty: type_of(vm, ty)?,
        size: count(size).filter(|n| *n > 0)?,
        pruned: *pruned,
        ..Top::default()
    };
    let mut rest = rest;
    while let [n, total, after @ ..] = rest {
        let (n, total) = (count(n)?, count(total)?);
        let (bucket, after) = after.split_at_checked(usize::try_from(n).ok()?.checked_mul(2)?)?;
        for pair in bucket.chunks_exact(2) {
            let v = vm.value_from_data(host, &pair[1], t.ty?)?;
            t.set(hash(&v, TOPK_SEED), &v, total, count(&pair[0])?);
            t.sum = t.sum.saturating_add(total);
        }
        rest = after;
    }
    (rest.is_empty() && t.by_count.len() as u64 == count(elements)?).then_some(t)
}

#[cfg(test)]
mod tests {
    use tapir_data::text::PlainHost;
    use tapir_data::types::Types;

    use super::*;

    fn counts(all: &[u64]) -> Vec<Data> {
        all.iter().map(|n| Data::Count(*n)).collect()
    }

    #[test]
    fn known_forms() {
        let types = Types::new();
        let host = PlainHost(&types);
        let h = Hll {
            ty: Some(builtin::ADDR),
            error: 0.01,
            confidence: 0.95,
            registers: vec![3; 16],
        };
        let ty = Data::Vector(vec![Data::Bool(false), Data::Count(11)]);
        let mut figures = vec![Data::Count(16), Data::Count(0), Data::Real(0.673)];
        figures.extend(counts(&[3; 16]));
        let want = Data::Vector(vec![ty, Data::Vector(figures)]);
        assert_eq!(cardinality(&host, &h), Some(want));

        let mut t = Top {
            ty: Some(builtin::COUNT),
            size: 5,
            ..Top::default()
        };
        for n in [7, 8, 7, 9] {
            t.add(n, &Value::Count(n));
        }
        let ty = Data::Vector(vec![Data::Bool(false), Data::Count(3)]);
        let mut want = vec![Data::Count(5), Data::Count(3), Data::Bool(false), ty];
        want.extend(counts(&[2, 1, 0, 8, 0, 9, 1, 2, 0, 7]));
        assert_eq!(top(&host, &t), Some(Data::Vector(want)));

        let b = Bloom {
            ty: None,
            seed: 6,
            k: 2,
            cells: Cells::Bits {
                n: 70,
                words: vec![1, 2],
            },
        };
        let filter = vec![
            Data::Count(0),
            Data::Vector(counts(&[1, 2, 6, OWN_HASHES])),
            Data::Vector(counts(&[70, 2, 1, 2])),
        ];
        let want = Data::Vector(vec![Data::None, Data::Vector(filter)]);
        assert_eq!(bloom(&host, &b), Some(want));
    }

    #[test]
    fn counters_are_packed_bit_by_bit() {
        let all = [5, 0, 7, 2, 1].repeat(9);
        let (n, words) = pack(&all, 3);
        assert_eq!((n, words.len(), words[0] & 0o77777), (135, 3, 0o12705));
        assert_eq!(unpack(n, &words, 3), all);
        assert_eq!((width(7), width(1), width(u32::MAX)), (3, 1, 32));
    }
}
