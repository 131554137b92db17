//! Probabilistic structures: Bloom filters, cardinality estimates, most frequent elements.
//!
//! The first element fixes a structure's element type. Hash functions of Bloom filters depend on the name given at
//! creation, so that filters of one name can be merged. How they travel between nodes: [`wire`].

pub mod wire;

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::rc::Rc;

use tapir_data::broker::Data;
use tapir_data::copy::deep_copy;
use tapir_data::key::{hash_value, values_equal};
use tapir_data::text::RenderHost;
use tapir_data::types::TypeId;
use tapir_data::value::{Opaque, Value};
use tapir_vm::{CallCtx, RtError};

use crate::util::*;

pub const FAMILY: Family = &[
    ("bloomfilter_basic_init", bloom_basic_init),
    ("bloomfilter_basic_init2", bloom_basic_init2),
    ("bloomfilter_counting_init", bloom_counting_init),
    ("bloomfilter_add", bloom_add),
    ("bloomfilter_decrement", bloom_decrement),
    ("bloomfilter_lookup", bloom_lookup),
    ("bloomfilter_clear", bloom_clear),
    ("bloomfilter_merge", |ctx, a| bloom_combine(ctx, a, true)),
    ("bloomfilter_intersect", |ctx, a| bloom_combine(ctx, a, false)),
    ("bloomfilter_internal_state", bloom_internal_state),
    ("hll_cardinality_init", hll_init),
    ("hll_cardinality_add", hll_add),
    ("hll_cardinality_merge_into", hll_merge_into),
    ("hll_cardinality_estimate", hll_estimate),
    ("hll_cardinality_copy", hll_copy),
    ("topk_init", topk_init),
    ("topk_add", topk_add),
    ("topk_get_top", topk_get_top),
    ("topk_count", |ctx, a| topk_figure(ctx, a, "topk_count", |e| e.count)),
    ("topk_epsilon", |ctx, a| {
        topk_figure(ctx, a, "topk_epsilon", |e| e.epsilon)
    }),
    ("topk_size", |_, a| {
        Ok(Value::Count(opaque::<TopK>(a, 0)?.0.borrow().size))
    }),
    ("topk_sum", |_, a| {
        Ok(Value::Count(opaque::<TopK>(a, 0)?.0.borrow().sum))
    }),
    ("topk_merge", |ctx, a| topk_merge(ctx, a, false)),
    ("topk_merge_prune", |ctx, a| topk_merge(ctx, a, true)),
];

/// No structure takes more cells than this.
const CELLS_MAX: u64 = 1 << 30;

fn opaque<T: 'static>(a: &[Value], i: usize) -> Result<&T, RtError> {
    match a.get(i) {
        Some(Value::Opaque(o)) => o.as_any().downcast_ref::<T>(),
        _ => None,
    }
    .ok_or_else(|| RtError::new("built-in called with wrong argument: another opaque type expected"))
}

fn is_nil(a: &[Value]) -> bool {
    a.iter().any(|v| matches!(v, Value::Unset))
}

fn hash(v: &Value, seed: u64) -> u64 {
    let state = foldhash::quality::SeedableRandomState::with_seed(seed, foldhash::SharedSeed::global_fixed());
    let mut h = state.build_hasher();
    hash_value(v, &mut h);
    h.finish()
}

/// Checks an element against the type fixed by the first one, which it may be.
fn fits(ctx: &CallCtx<'_>, fixed: &mut Option<TypeId>, v: &Value) -> bool {
    let ty = ctx.type_of(v);
    match *fixed {
        None => {
            *fixed = Some(ty);
            true
        }
        Some(t) => ctx.types().same(t, ty),
    }
}

fn same_type(ctx: &CallCtx<'_>, a: Option<TypeId>, b: Option<TypeId>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => ctx.types().same(a, b),
        _ => true,
    }
}

// ---- Bloom filters ----

#[derive(Clone)]
struct Bloom {
    ty: Option<TypeId>,
    seed: u64,
    k: u64,
    cells: Cells,
}

#[derive(Clone, PartialEq)]
enum Cells {
    Bits { n: u64, words: Vec<u64> },
    Counters { max: u32, counts: Vec<u32> },
}

impl Cells {
    fn len(&self) -> u64 {
        match self {
            Cells::Bits { n, .. } => *n,
            Cells::Counters { counts, .. } => counts.len() as u64,
        }
    }

    fn get(&self, i: u64) -> u64 {
        match self {
            Cells::Bits { words, .. } => words[(i / 64) as usize] >> (i % 64) & 1,
            Cells::Counters { counts, .. } => counts[i as usize] as u64,
        }
    }

    fn add(&mut self, i: u64) {
        match self {
            Cells::Bits { words, .. } => words[(i / 64) as usize] |= 1 << (i % 64),
            Cells::Counters { max, counts } => {
                let c = &mut counts[i as usize];
                *c = (*c + 1).min(*max);
            }
        }
    }
}

impl Bloom {
    /// The cells of an element, from two hashes (Kirsch and Mitzenmacher 2006).
    fn positions(&self, v: &Value) -> impl Iterator<Item = u64> + use<> {
        let (a, b) = (hash(v, self.seed), hash(v, self.seed ^ 0x9e37_79b9_7f4a_7c15) | 1);
        let n = self.cells.len();
        (0..self.k).map(move |i| a.wrapping_add(b.wrapping_mul(i)) % n)
    }

    fn count(&self, v: &Value) -> u64 {
        self.positions(v).map(|i| self.cells.get(i)).min().unwrap_or(0)
    }
}

struct BloomFilter(RefCell<Bloom>);

impl Opaque for BloomFilter {
    fn type_name(&self) -> &str {
        "bloomfilter"
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(BloomFilter(self.0.clone())))
    }
    fn wire(&self, host: &dyn RenderHost) -> Option<(&'static str, Data)> {
        Some((wire::BLOOM, wire::bloom(host, &self.0.borrow())?))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn bloom(ty: Option<TypeId>, seed: u64, k: u64, cells: Cells) -> Value {
    let b = Bloom { ty, seed, k, cells };
    Value::Opaque(Rc::new(BloomFilter(RefCell::new(b))))
}

fn bits(n: u64) -> Cells {
    Cells::Bits {
        n,
        words: vec![0; n.div_ceil(64) as usize],
    }
}

fn seed_of(name: &[u8]) -> u64 {
    crate::hash::fnv1a64(name)
}

fn bloom_basic_init(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (fp, capacity, name) = (a.double(0)?, a.count(1)?, a.str(2)?);
    if !(0.0..=1.0).contains(&fp) {
        plain_error(ctx, "false-positive rate must take value between 0 and 1");
        return Ok(Value::Unset);
    }
    let n = capacity.max(1) as f64;
    let ln2 = std::f64::consts::LN_2;
    let cells = (-n * fp.max(1e-15).ln() / (ln2 * ln2)).ceil().max(1.0) as u64;
    let k = (cells as f64 / n * ln2).round().max(1.0) as u64;
    Ok(bloom(None, seed_of(name), k, bits(cells.min(CELLS_MAX))))
}

fn check_sizes(ctx: &mut CallCtx<'_>, k: u64, cells: u64) -> bool {
    let problem = if k == 0 {
        "number of hash functions must be non-negative"
    } else if cells == 0 {
        "number of cells must be non-negative"
    } else if k > 10_000 || cells > CELLS_MAX {
        "number of hash functions or cells is too large"
    } else {
        return true;
    };
    plain_error(ctx, problem);
    false
}

fn bloom_basic_init2(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (k, cells, name) = (a.count(0)?, a.count(1)?, a.str(2)?);
    if !check_sizes(ctx, k, cells) {
        return Ok(Value::Unset);
    }
    Ok(bloom(None, seed_of(name), k, bits(cells)))
}

fn bloom_counting_init(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (k, cells, max, name) = (a.count(0)?, a.count(1)?, a.count(2)?, a.str(3)?);
    if max == 0 {
        plain_error(ctx, "max counter value must be greater than 0");
        return Ok(Value::Unset);
    }
    if !check_sizes(ctx, k, cells) {
        return Ok(Value::Unset);
    }
    // A cell holds as many bits as the maximum needs.
    let max = (max.min(u32::MAX as u64) + 1).next_power_of_two() - 1;
    let counters = Cells::Counters {
        max: max.min(u32::MAX as u64) as u32,
        counts: vec![0; cells as usize],
    };
    Ok(bloom(None, seed_of(name), k, counters))
}

fn bloom_add(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    if is_nil(a) {
        return Ok(Value::Unset);
    }
    ctx.materialize(a.any(1)?)?;
    let mut b = opaque::<BloomFilter>(a, 0)?.0.borrow_mut();
    let mut ty = b.ty;
    if !fits(ctx, &mut ty, a.any(1)?) {
        plain_error(ctx, "incompatible Bloom filter types");
        return Ok(Value::Unset);
    }
    b.ty = ty;
    for i in b.positions(a.any(1)?) {
        b.cells.add(i);
    }
    Ok(Value::Unset)
}

fn bloom_lookup(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    if is_nil(a) {
        return Ok(Value::Unset);
    }
    ctx.materialize(a.any(1)?)?;
    let b = opaque::<BloomFilter>(a, 0)?.0.borrow();
    if b.ty.is_none() {
        return Ok(Value::Count(0));
    }
    if !fits(ctx, &mut b.ty.clone(), a.any(1)?) {
        plain_error(ctx, "incompatible Bloom filter types");
        return Ok(Value::Count(0));
    }
    Ok(Value::Count(b.count(a.any(1)?)))
}

fn bloom_decrement(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    if is_nil(a) {
        return Ok(Value::Unset);
    }
    ctx.materialize(a.any(1)?)?;
    let mut b = opaque::<BloomFilter>(a, 0)?.0.borrow_mut();
    if !fits(ctx, &mut b.ty.clone(), a.any(1)?) {
        plain_error(ctx, "incompatible Bloom filter types");
        return Ok(Value::Bool(false));
    }
    if b.count(a.any(1)?) == 0 {
        return Ok(Value::Bool(false));
    }
    let cells: Vec<u64> = b.positions(a.any(1)?).collect();
    let Cells::Counters { counts, .. } = &mut b.cells else {
        return Ok(Value::Bool(false));
    };
    for i in cells {
        let c = &mut counts[i as usize];
        *c = c.saturating_sub(1);
    }
    Ok(Value::Bool(true))
}

fn bloom_clear(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    if is_nil(a) {
        return Ok(Value::Unset);
    }
    match &mut opaque::<BloomFilter>(a, 0)?.0.borrow_mut().cells {
        Cells::Bits { words, .. } => words.fill(0),
        Cells::Counters { counts, .. } => counts.fill(0),
    }
    Ok(Value::Unset)
}

fn bloom_combine(ctx: &mut CallCtx<'_>, a: &[Value], merge: bool) -> Res {
    if is_nil(a) {
        return Ok(Value::Unset);
    }
    let x = opaque::<BloomFilter>(a, 0)?.0.borrow();
    let y = opaque::<BloomFilter>(a, 1)?.0.borrow();
    if !same_type(ctx, x.ty, y.ty) {
        plain_error(ctx, "incompatible Bloom filter types");
        return Ok(Value::Unset);
    }
    if x.seed != y.seed || x.k != y.k || x.cells.len() != y.cells.len() {
        plain_error(ctx, "incompatible Bloom filters");
        return Ok(Value::Unset);
    }
    let cells = match (&x.cells, &y.cells) {
        (Cells::Bits { n, words: p }, Cells::Bits { words: q, .. }) => Cells::Bits {
            n: *n,
            words: p
                .iter()
                .zip(q)
                .map(|(p, q)| if merge { p | q } else { p & q })
                .collect(),
        },
        (Cells::Counters { max, counts: p }, Cells::Counters { max: m, counts: q }) if max == m => {
            Cells::Counters {
                max: *max,
                // There is no intersection of counters: the result is empty.
                counts: if merge {
                    p.iter().zip(q).map(|(p, q)| p.saturating_add(*q).min(*max)).collect()
                } else {
                    vec![0; p.len()]
                },
            }
        }
        _ => {
            plain_error(ctx, "incompatible Bloom filters");
            return Ok(Value::Unset);
        }
    };
    Ok(bloom(x.ty.or(y.ty), x.seed, x.k, cells))
}

fn bloom_internal_state(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    if is_nil(a) {
        return Ok(Value::Unset);
    }
    let b = opaque::<BloomFilter>(a, 0)?.0.borrow();
    let bytes: Vec<u8> = match &b.cells {
        Cells::Bits { words, .. } => words.iter().flat_map(|w| w.to_le_bytes()).collect(),
        Cells::Counters { counts, .. } => counts.iter().flat_map(|w| w.to_le_bytes()).collect(),
    };
    Ok(string(format!("{:x}", crate::hash::fnv1a64(&bytes))))
}

// ---- HyperLogLog (Flajolet, Fusy, Gandouet, Meunier 2007) ----

#[derive(Clone)]
struct Hll {
    ty: Option<TypeId>,
    error: f64,
    confidence: f64,
    registers: Vec<u8>,
}

struct Cardinality(RefCell<Hll>);

impl Opaque for Cardinality {
    fn type_name(&self) -> &str {
        "cardinality"
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(Cardinality(self.0.clone())))
    }
    fn wire(&self, host: &dyn RenderHost) -> Option<(&'static str, Data)> {
        Some((wire::CARDINALITY, wire::cardinality(host, &self.0.borrow())?))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Hll {
    fn add(&mut self, h: u64) {
        let bits = self.registers.len().trailing_zeros();
        let i = (h >> (64 - bits)) as usize;
        let rank = ((h << bits) | (1 << (bits - 1))).leading_zeros() as u8 + 1;
        self.registers[i] = self.registers[i].max(rank);
    }

    fn alpha(&self) -> f64 {
        match self.registers.len() {
            16 => 0.673,
            32 => 0.697,
            64 => 0.709,
            n => 0.7213 / (1.0 + 1.079 / n as f64),
        }
    }

    fn estimate(&self) -> f64 {
        let m = self.registers.len() as f64;
        let sum: f64 = self.registers.iter().map(|&r| 2f64.powi(-(r as i32))).sum();
        let raw = self.alpha() * m * m / sum;
        let empty = self.registers.iter().filter(|&&r| r == 0).count();
        if raw <= 2.5 * m && empty > 0 {
            m * (m / empty as f64).ln()
        } else {
            raw
        }
    }
}

/// How many standard deviations the confidence spans (inverse of the error function, Winitzki's approximation).
fn deviations(confidence: f64) -> f64 {
    let c = confidence.clamp(0.0, 0.999_999);
    let l = (1.0 - c * c).ln();
    let t = 2.0 / (std::f64::consts::PI * 0.147) + l / 2.0;
    std::f64::consts::SQRT_2 * ((t * t - l / 0.147).sqrt() - t).sqrt()
}

fn hll_init(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (error, confidence) = (a.double(0)?, a.double(1)?);
    let n = (1.04 * deviations(confidence) / error.clamp(1e-4, 1.0)).powi(2);
    let bits = n.log2().ceil().clamp(4.0, 24.0) as u32;
    Ok(Value::Opaque(Rc::new(Cardinality(RefCell::new(Hll {
        ty: None,
        error,
        confidence,
        registers: vec![0; 1 << bits],
    })))))
}

fn hll_add(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    ctx.materialize(a.any(1)?)?;
    let mut h = opaque::<Cardinality>(a, 0)?.0.borrow_mut();
    let mut ty = h.ty;
    if !fits(ctx, &mut ty, a.any(1)?) {
        plain_error(ctx, "incompatible HLL data type");
        return Ok(Value::Bool(false));
    }
    h.ty = ty;
    h.add(hash(a.any(1)?, 0x5851_f42d_4c95_7f2d));
    Ok(Value::Bool(true))
}

fn hll_merge_into(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (x, y) = (opaque::<Cardinality>(a, 0)?, opaque::<Cardinality>(a, 1)?);
    let y = y.0.borrow().clone();
    let mut x = x.0.borrow_mut();
    if !same_type(ctx, x.ty, y.ty) {
        plain_error(ctx, "incompatible HLL types");
        return Ok(Value::Bool(false));
    }
    let differ = |a: f64, b: f64| a != b && !a.is_nan() && !b.is_nan();
    if x.registers.len() != y.registers.len() || differ(x.error, y.error) || differ(x.confidence, y.confidence) {
        plain_error(ctx, "Cardinality counters with different parameters cannot be merged.");
        return Ok(Value::Bool(false));
    }
    x.ty = x.ty.or(y.ty);
    for (p, q) in x.registers.iter_mut().zip(&y.registers) {
        *p = (*p).max(*q);
    }
    Ok(Value::Bool(true))
}

fn hll_estimate(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    Ok(Value::Double(opaque::<Cardinality>(a, 0)?.0.borrow().estimate()))
}

fn hll_copy(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let mut copy = opaque::<Cardinality>(a, 0)?.0.borrow().clone();
    copy.ty = None;
    Ok(Value::Opaque(Rc::new(Cardinality(RefCell::new(copy)))))
}

// ---- most frequent elements: space saving (Metwally, Agrawal, Abbadi 2005) ----

#[derive(Clone)]
struct Counted {
    value: Value,
    count: u64,
    epsilon: u64,
    /// When it got its present count; elements of equal count stay in this order.
    since: u64,
}

#[derive(Clone, Default)]
struct Top {
    ty: Option<TypeId>,
    size: u64,
    sum: u64,
    clock: u64,
    pruned: bool,
    /// By hash; a chain per hash.
    elements: HashMap<u64, Vec<Counted>>,
    /// Hash and count of every element, ordered by count and age.
    by_count: std::collections::BTreeMap<(u64, u64), u64>,
}

impl Top {
    fn find(&self, h: u64, v: &Value) -> Option<&Counted> {
        self.elements.get(&h)?.iter().find(|e| values_equal(&e.value, v))
    }

    /// Sets an element's figures, adding it if it is new.
    fn set(&mut self, h: u64, v: &Value, count: u64, epsilon: u64) {
        self.clock += 1;
        let since = self.clock;
        let chain = self.elements.entry(h).or_default();
        match chain.iter_mut().find(|e| values_equal(&e.value, v)) {
            Some(e) => {
                self.by_count.remove(&(e.count, e.since));
                (e.count, e.epsilon, e.since) = (count, epsilon, since);
            }
            None => chain.push(Counted {
                value: v.clone(),
                count,
                epsilon,
                since,
            }),
        }
        self.by_count.insert((count, since), h);
    }

    /// Removes the element with the lowest count and gives the count.
    fn evict(&mut self) -> u64 {
        let Some(((count, since), h)) = self.by_count.pop_first() else {
            return 0;
        };
        if let Some(chain) = self.elements.get_mut(&h) {
            chain.retain(|e| e.since != since);
            if chain.is_empty() {
                self.elements.remove(&h);
            }
        }
        count
    }

    fn add(&mut self, h: u64, v: &Value) {
        self.sum += 1;
        if let Some(e) = self.find(h, v) {
            let (count, epsilon) = (e.count + 1, e.epsilon);
            self.set(h, v, count, epsilon);
        } else if (self.by_count.len() as u64) < self.size {
            self.set(h, v, 1, 0);
        } else {
            let least = self.evict();
            self.set(h, v, least + 1, least);
        }
    }
}

struct TopK(RefCell<Top>);

impl Opaque for TopK {
    fn type_name(&self) -> &str {
        "topk"
    }
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>> {
        Some(Rc::new(TopK(self.0.clone())))
    }
    fn wire(&self, host: &dyn RenderHost) -> Option<(&'static str, Data)> {
        Some((wire::TOPK, wire::top(host, &self.0.borrow())?))
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

const TOPK_SEED: u64 = 0x2545_f491_4f6c_dd1d;

fn topk_init(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let size = a.count(0)?;
    if size == 0 {
        plain_error(ctx, "topk_init() requires a size of at least one");
        return Ok(Value::Unset);
    }
    Ok(Value::Opaque(Rc::new(TopK(RefCell::new(Top {
        size,
        ..Top::default()
    })))))
}

fn topk_add(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    if is_nil(a) {
        return Ok(Value::Unset);
    }
    ctx.materialize(a.any(1)?)?;
    let mut t = opaque::<TopK>(a, 0)?.0.borrow_mut();
    let mut ty = t.ty;
    if !fits(ctx, &mut ty, a.any(1)?) {
        plain_error(ctx, "Trying to add element to TopK with differing type.");
        return Ok(Value::Unset);
    }
    t.ty = ty;
    let v = deep_copy(a.any(1)?);
    t.add(hash(&v, TOPK_SEED), &v);
    Ok(Value::Unset)
}

fn topk_get_top(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    if is_nil(a) {
        return Ok(Value::Unset);
    }
    let k = a.count(1)?;
    let t = opaque::<TopK>(a, 0)?.0.borrow();
    let mut found: Vec<Value> = Vec::new();
    // From the highest count down, elements of one count together and in order of age.
    let counts: Vec<u64> = {
        let mut c: Vec<u64> = t.by_count.keys().map(|k| k.0).collect();
        c.dedup();
        c
    };
    for &count in counts.iter().rev() {
        if found.len() as u64 >= k {
            break;
        }
        for ((_, since), h) in t.by_count.range((count, 0)..=(count, u64::MAX)) {
            let element = t.elements.get(h).and_then(|c| c.iter().find(|e| e.since == *since));
            found.extend(element.map(|e| e.value.clone()));
        }
    }
    Ok(vector(ctx, found))
}

fn topk_figure(ctx: &mut CallCtx<'_>, a: &[Value], name: &str, figure: fn(&Counted) -> u64) -> Res {
    if is_nil(a) {
        return Ok(Value::Unset);
    }
    ctx.materialize(a.any(1)?)?;
    let t = opaque::<TopK>(a, 0)?.0.borrow();
    let v = a.any(1)?;
    Ok(Value::Count(match t.find(hash(v, TOPK_SEED), v) {
        Some(e) => figure(e),
        None => {
            plain_error(ctx, format!("{name}: element is not tracked"));
            0
        }
    }))
}

fn topk_merge(ctx: &mut CallCtx<'_>, a: &[Value], prune: bool) -> Res {
    if is_nil(a) {
        return Ok(Value::Unset);
    }
    let other = opaque::<TopK>(a, 1)?.0.borrow().clone();
    let mut t = opaque::<TopK>(a, 0)?.0.borrow_mut();
    if !same_type(ctx, t.ty, other.ty) {
        plain_error(ctx, "Trying to merge TopK of differing types.");
        return Ok(Value::Unset);
    }
    t.ty = t.ty.or(other.ty);
    for (key, h) in &other.by_count {
        let Some(e) = other.elements.get(h).and_then(|c| c.iter().find(|e| e.since == key.1)) else {
            continue;
        };
        let (count, epsilon) = t.find(*h, &e.value).map_or((0, 0), |e| (e.count, e.epsilon));
        t.set(*h, &e.value, count + e.count, epsilon + e.epsilon);
    }
    t.sum += other.sum;
    t.pruned |= prune;
    while prune && t.by_count.len() as u64 > t.size {
        t.evict();
    }
    if t.pruned {
        // What was cut off is no longer part of the sum.
        t.sum = t.by_count.keys().map(|k| k.0).sum();
    }
    Ok(Value::Unset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_near() {
        let mut h = Hll {
            ty: None,
            error: 0.01,
            confidence: 0.95,
            registers: vec![0; 1 << 14],
        };
        assert_eq!(h.estimate(), 0.0);
        for i in 0..20_000 {
            h.add(hash(&Value::Count(i), 1));
        }
        let e = h.estimate();
        assert!((e - 20_000.0).abs() < 600.0, "{e}");
        assert!((deviations(0.95) - 1.96).abs() < 0.02);
    }

    #[test]
    fn space_saving() {
        let mut t = Top {
            size: 1,
            ..Top::default()
        };
        for i in 1..=3 {
            t.add(i, &Value::Count(i));
        }
        let e = t.find(3, &Value::Count(3)).unwrap();
        assert_eq!((e.count, e.epsilon, t.sum), (3, 2, 3));
    }
}
