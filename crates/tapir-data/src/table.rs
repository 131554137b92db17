//! Tables and sets: insertion-ordered hash containers with the bookkeeping that attributes need.
//!
//! Keys are snapshots. A single index is its own key, a composite index is a [`Value::List`]. Entries are dense and
//! stay in insertion order; a hash index maps keys to positions; removed entries leave tombstones that are squeezed
//! out once they outnumber the live ones and no [`TableIter`] is alive. The three columns (keys, values, times) are
//! separate vectors, and a set has no values, a table without expiry no times.
//! Nothing here evaluates an attribute: the VM does, and asks for what is due.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::hash::BuildHasher;
use std::rc::Rc;

use hashbrown::HashTable;

use crate::key::{hash_key, keys_equal, snapshot, values_equal};
use crate::types::TypeId;
use crate::value::{Addr, Subnet, Value};

/// An attribute's value: evaluated, or a thunk that the VM numbers and evaluates when it is needed.
#[derive(Clone)]
pub enum AttrValue {
    Value(Value),
    Thunk(u32),
}

/// The attributes that bind to a table value.
#[derive(Clone, Default)]
pub struct TableAttrs {
    pub default: Option<AttrValue>,
    pub default_insert: Option<AttrValue>,
    pub read_expire: Option<AttrValue>,
    pub write_expire: Option<AttrValue>,
    pub create_expire: Option<AttrValue>,
    pub expire_func: Option<AttrValue>,
    pub on_change: Option<AttrValue>,
    pub publish_on_change: Option<AttrValue>,
    pub ordered: bool,
}

impl TableAttrs {
    /// Whether one of the expiry intervals is set, so that entries need a time.
    pub fn expires(&self) -> bool {
        self.read_expire.is_some() || self.write_expire.is_some() || self.create_expire.is_some()
    }
}

/// A table or set value.
pub struct Table {
    /// The container's own type.
    pub ty: TypeId,
    inner: UnsafeCell<Inner>,
    attrs: RefCell<Option<Rc<TableAttrs>>>,
    /// Live iterators; squeezing out tombstones waits for them.
    iterators: Cell<u32>,
    /// Set while an `&on_change` function of this table runs: it is not re-entered.
    pub changing: Cell<bool>,
    /// Set once the VM has put the table on its list of tables to expire.
    pub expiry_registered: Cell<bool>,
    /// The position that a look-up in the index found last.
    last: Cell<u32>,
    /// Look-ups by pattern that found something, and those that did not.
    pattern_lookups: Cell<(u64, u64)>,
}

impl Drop for Table {
    fn drop(&mut self) {
        crate::release::release(&mut self.inner.get_mut().values);
    }
}

/// The widths of the subnets that are keys of a table.
struct Widths {
    /// How many there are of each width: those that an IPv4 address can lie in first, the others second, so that
    /// neither family looks for the widths of the other.
    counts: [[u32; 129]; 2],
    /// The widths below 128 of which there are any, by bit.
    used: [u128; 2],
}

impl Default for Widths {
    fn default() -> Self {
        Widths {
            counts: [[0; 129]; 2],
            used: [0; 2],
        }
    }
}

impl Widths {
    fn note(&mut self, family: usize, width: u8, added: bool) {
        let n = &mut self.counts[family][width as usize];
        *n = if added { *n + 1 } else { n.saturating_sub(1) };
        if let Some(bit) = 1u128.checked_shl(width.into()) {
            self.used[family] = if *n > 0 {
                self.used[family] | bit
            } else {
                self.used[family] & !bit
            };
        }
    }

    /// The widths that keys covering this net may have, greatest first.
    fn of(&self, net: &Subnet) -> impl Iterator<Item = u8> + use<> {
        // What is wider than all of IPv4 may hold both.
        let v4 = net.width >= 96 && net.addr.is_v4();
        let only_v6 = net.width >= 96 && !v4;
        let mut used = match () {
            () if v4 => self.used[0],
            () if only_v6 => self.used[1] | self.used[0] & (u128::MAX >> 32),
            () => self.used[0] | self.used[1],
        };
        used &= u128::MAX >> 127u8.saturating_sub(net.width);
        let whole = net.width >= 128 && self.counts[usize::from(!v4)][128] > 0;
        let below = std::iter::from_fn(move || {
            let w = 127u32.checked_sub(used.leading_zeros())?;
            used &= !(1 << w);
            Some(w as u8)
        });
        whole.then_some(128).into_iter().chain(below)
    }
}

#[derive(Default)]
struct Inner {
    /// For `count` keys below its length: the position plus one, 0 where there is no entry. All other keys are in
    /// `index`. Made when the keys are dense enough, see [`Inner::direct_len`].
    direct: Vec<u32>,
    index: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    /// `Value::Unset` marks a tombstone.
    keys: Vec<Value>,
    /// Empty as long as every value is unset (a set).
    values: Vec<Value>,
    /// Empty unless entry times are kept.
    times: Vec<f64>,
    live: u32,
    keep_times: bool,
    /// Where the next expiry step goes on.
    cursor: usize,
    /// Which widths subnet keys have; only for subnet-indexed tables.
    widths: Option<Box<Widths>>,
    n_patterns: u32,
    has_attrs: bool,
    /// There are attributes, or keys that match others.
    special: bool,
}

impl Inner {
    fn hash(&self, key: &[Value]) -> u64 {
        let mut h = self.hasher.build_hasher();
        hash_key(key, &mut h);
        std::hash::Hasher::finish(&h)
    }

    /// The place of a key in `direct`, if that is where it belongs.
    #[inline(always)]
    fn direct_at(&self, key: &Value) -> Option<usize> {
        match key {
            Value::Count(n) if *n < self.direct.len() as u64 => Some(*n as usize),
            _ => None,
        }
    }

    /// How long `direct` may be for the keys that are there and one more: the greatest power of two of which a
    /// quarter is in use.
    fn direct_len(&self, new: Option<u64>) -> usize {
        const BITS: usize = 30;
        let mut by_bits = [0u32; BITS + 1];
        let mut note = |n: u64| {
            let bits = (64 - n.leading_zeros()) as usize;
            if bits <= BITS {
                by_bits[bits] += 1;
            }
        };
        new.into_iter().for_each(&mut note);
        for k in &self.keys {
            if let Value::Count(n) = k {
                note(*n);
            }
        }
        let (mut len, mut below) = (0, 0usize);
        for (bits, n) in by_bits.iter().enumerate() {
            below += *n as usize;
            if below > 0 && below * 4 >= 1 << bits {
                len = (1usize << bits).max(4);
            }
        }
        len
    }

    /// Puts every entry into `direct` of the given length or into `index`.
    fn reindex(&mut self, direct_len: usize) {
        if direct_len != self.direct.len() {
            self.direct = vec![0; direct_len];
        } else {
            self.direct.fill(0);
        }
        self.index.clear();
        for pos in 0..self.keys.len() {
            if !matches!(self.keys[pos], Value::Unset) {
                self.enter(pos);
            }
        }
    }

    /// Enters the key at a position, which must not be there yet.
    fn enter(&mut self, pos: usize) {
        if let Some(at) = self.direct_at(&self.keys[pos]) {
            self.direct[at] = pos as u32 + 1;
            return;
        }
        let (keys, hasher) = (&self.keys, &self.hasher);
        let hash_of = |i: usize| {
            let mut h = hasher.build_hasher();
            hash_key(as_parts(&keys[i]), &mut h);
            std::hash::Hasher::finish(&h)
        };
        self.index
            .insert_unique(hash_of(pos), pos as u32, |&i| hash_of(i as usize));
    }

    fn update_special(&mut self) {
        self.special = self.has_attrs || self.widths.is_some() || self.n_patterns > 0;
    }

    fn value(&self, pos: usize) -> Value {
        self.values.get(pos).cloned().unwrap_or_default()
    }

    fn note_key(&mut self, key: &Value, added: bool) {
        match key {
            Value::Subnet(s) => {
                let widths = self.widths.get_or_insert_default();
                let v4 = if s.width >= 96 {
                    s.addr.is_v4()
                } else {
                    s.contains(&Addr::v4([0; 4]))
                };
                widths.note(usize::from(!v4), s.width, added);
            }
            Value::Pattern(_) => {
                self.n_patterns = if added {
                    self.n_patterns + 1
                } else {
                    self.n_patterns.saturating_sub(1)
                };
            }
            _ => return,
        }
        self.update_special();
    }

    fn set_value(&mut self, pos: usize, value: Value) -> Value {
        if self.values.is_empty() {
            if matches!(value, Value::Unset) {
                return Value::Unset;
            }
            self.values.resize(self.keys.len(), Value::Unset);
        }
        std::mem::replace(&mut self.values[pos], value)
    }

    fn append(&mut self, key: Value, value: Value, now: f64) -> usize {
        let pos = self.keys.len();
        self.note_key(&key, true);
        self.keys.push(key);
        if !self.values.is_empty() {
            self.values.push(value);
        } else if !matches!(value, Value::Unset) {
            self.values.resize(pos, Value::Unset);
            self.values.push(value);
        }
        if self.keep_times {
            self.times.push(now);
        }
        if let Value::Count(n) = self.keys[pos]
            && n >= self.direct.len() as u64
            && self.index.len() == self.index.capacity()
        {
            // The index would grow now: perhaps a plain array does.
            let len = self.direct_len(None);
            if len > self.direct.len() {
                self.live += 1;
                self.reindex(len);
                return pos;
            }
        }
        self.enter(pos);
        self.live += 1;
        pos
    }

    /// Takes an entry out; the caller drops what comes back after its borrow has ended.
    fn take(&mut self, pos: usize) -> (Value, Value) {
        if let Some(at) = self.direct_at(&self.keys[pos]) {
            self.direct[at] = 0;
        } else {
            let hash = self.hash(as_parts(&self.keys[pos]));
            if let Ok(e) = self.index.find_entry(hash, |&i| i as usize == pos) {
                e.remove();
            }
        }
        let key = std::mem::take(&mut self.keys[pos]);
        self.note_key(&key, false);
        self.live -= 1;
        let value = self.values.get_mut(pos).map(std::mem::take);
        (key, value.unwrap_or_default())
    }

    /// Squeezes out tombstones and moves the expiry cursor along.
    fn compact(&mut self) {
        let mut to = 0;
        let mut cursor = self.cursor;
        for from in 0..self.keys.len() {
            if matches!(self.keys[from], Value::Unset) {
                if from < self.cursor {
                    cursor -= 1;
                }
                continue;
            }
            if to != from {
                self.keys.swap(to, from);
                if !self.values.is_empty() {
                    self.values.swap(to, from);
                }
                if self.keep_times {
                    self.times[to] = self.times[from];
                }
            }
            to += 1;
        }
        // What lies beyond `to` is unset, so truncating runs no drop code of other values.
        self.keys.truncate(to);
        self.values.truncate(to);
        self.times.truncate(to);
        self.cursor = cursor.min(to);
        if self.keys.capacity() > 64 && self.keys.capacity() > self.keys.len() * 4 {
            let n = self.keys.len() * 2;
            self.keys.shrink_to(n);
            self.values.shrink_to(n);
            self.times.shrink_to(n);
            self.index = HashTable::new();
        }
        let len = self.direct_len(None);
        self.reindex(len);
    }
}

/// The index values behind a stored key.
pub fn as_parts(key: &Value) -> &[Value] {
    match key {
        Value::List(parts) => parts,
        v => std::slice::from_ref(v),
    }
}

/// A stored key from index values.
fn make_key(parts: &[Value]) -> Value {
    match parts {
        [one] => snapshot(one),
        _ => Value::List(parts.iter().map(snapshot).collect()),
    }
}

impl Table {
    /// An empty table or set without attributes.
    pub fn new(ty: TypeId) -> Rc<Self> {
        Rc::new(Table {
            ty,
            inner: UnsafeCell::new(Inner::default()),
            attrs: RefCell::new(None),
            iterators: Cell::new(0),
            changing: Cell::new(false),
            expiry_registered: Cell::new(false),
            last: Cell::new(0),
            pattern_lookups: Cell::new((0, 0)),
        })
    }

    /// An empty table or set with attributes.
    pub fn with_attrs(ty: TypeId, attrs: Option<Rc<TableAttrs>>) -> Rc<Self> {
        let t = Table::new(ty);
        t.set_attrs(attrs);
        t
    }

    #[inline]
    fn inner(&self) -> &Inner {
        // SAFETY: the value is single-threaded. Shared borrows from here live within one method, during which only
        // key hashing and comparison and `Value::clone` run; none of them changes a table.
        unsafe { &*self.inner.get() }
    }

    #[inline]
    #[allow(clippy::mut_from_ref)]
    fn inner_mut(&self) -> &mut Inner {
        // SAFETY: as for `inner`; each method that calls this takes no second borrow while the first lives, hashes
        // foreign keys before, and drops removed values only after.
        unsafe { &mut *self.inner.get() }
    }

    /// The attributes, if any.
    pub fn attrs(&self) -> Option<Rc<TableAttrs>> {
        self.attrs.borrow().clone()
    }

    /// Whether the table has no attributes and no keys that match others, so that an access needs no further care.
    #[inline(always)]
    pub fn is_plain(&self) -> bool {
        !self.inner().special
    }

    /// A look at the value at a position that [`Table::find`] gave; `None` for a set.
    ///
    /// # Safety
    /// The table may not be changed while the reference lives.
    #[inline]
    pub unsafe fn value_ref(&self, pos: usize) -> Option<&Value> {
        self.inner().values.get(pos)
    }

    /// The value at a position that [`Table::find`] gave, to be changed in place; `None` for a set.
    ///
    /// # Safety
    /// Nothing else may look at this table while the reference lives.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn value_mut(&self, pos: usize) -> Option<&mut Value> {
        self.inner_mut().values.get_mut(pos)
    }

    /// Stores a value under a single index value in a table without attributes.
    #[inline(never)]
    pub fn put1(&self, key: &Value, value: Value) {
        match self.find1(key) {
            Some(pos) => {
                let old = self.inner_mut().set_value(pos, value);
                if !old.is_immediate() {
                    old.give_up();
                }
            }
            None => self.add(std::slice::from_ref(key), value, 0.0),
        }
    }

    /// Replaces the value at a position that [`Table::find`] gave, leaving its time alone.
    #[inline]
    pub fn set_value_at(&self, pos: usize, value: Value) -> Value {
        self.inner_mut().set_value(pos, value)
    }

    /// Replaces the attributes. Entry times begin to be kept when an expiry is set.
    pub fn set_attrs(&self, attrs: Option<Rc<TableAttrs>>) {
        let keep = attrs.as_ref().is_some_and(|a| a.expires());
        let inner = self.inner_mut();
        if keep && !inner.keep_times {
            inner.times = vec![0.0; inner.keys.len()];
        } else if !keep {
            inner.times = Vec::new();
        }
        inner.keep_times = keep;
        inner.has_attrs = attrs.is_some();
        inner.update_special();
        *self.attrs.borrow_mut() = attrs;
    }

    /// The number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.inner().live as usize
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position of a key given by its index values, valid until the table changes.
    #[inline]
    pub fn find(&self, key: &[Value]) -> Option<usize> {
        if let [one] = key
            && !matches!(one, Value::List(_))
        {
            return self.find1(one);
        }
        let inner = self.inner();
        if inner.live == 0 {
            return None;
        }
        inner
            .index
            .find(inner.hash(key), |&i| keys_equal(&inner.keys[i as usize], key))
            .map(|&i| i as usize)
    }

    /// As [`Table::find`] for a single index value.
    #[inline(always)]
    pub fn find1(&self, key: &Value) -> Option<usize> {
        let inner = self.inner();
        if let Some(at) = inner.direct_at(key) {
            return (inner.direct[at] as usize).checked_sub(1);
        }
        std::hint::cold_path();
        self.find_hashed(key)
    }

    fn find_hashed(&self, key: &Value) -> Option<usize> {
        use std::hash::Hasher;
        let inner = self.inner();
        // What was found last is often asked for again: first whether it is there, then for its value.
        let last = self.last.get() as usize;
        let again = match (inner.keys.get(last), key) {
            (Some(Value::Count(a)), Value::Count(b)) => a == b,
            (Some(Value::Addr(a)), Value::Addr(b)) => a == b,
            (Some(Value::Str(a)), Value::Str(b)) => Rc::ptr_eq(a, b),
            (Some(a @ Value::Record(_)), b @ Value::Record(_)) => values_equal(a, b),
            _ => false,
        };
        if again {
            return Some(last);
        }
        if inner.live == 0 {
            return None;
        }
        let mut h = inner.hasher.build_hasher();
        let found = match key {
            Value::Count(n) => {
                h.write_u64(*n);
                let same = |i: &u32| matches!(inner.keys.get(*i as usize), Some(Value::Count(m)) if m == n);
                inner.index.find(h.finish(), same)
            }
            Value::Addr(a) => {
                h.write_u128(u128::from_ne_bytes(a.0));
                let same = |i: &u32| matches!(inner.keys.get(*i as usize), Some(Value::Addr(b)) if a == b);
                inner.index.find(h.finish(), same)
            }
            Value::Str(s) => {
                std::hash::Hash::hash(s, &mut h);
                let same =
                    |i: &u32| matches!(inner.keys.get(*i as usize), Some(Value::Str(t)) if Rc::ptr_eq(s, t) || s == t);
                inner.index.find(h.finish(), same)
            }
            key => {
                let hash = inner.hash(std::slice::from_ref(key));
                let same = |i: &u32| keys_equal(&inner.keys[*i as usize], std::slice::from_ref(key));
                inner.index.find(hash, same)
            }
        };
        let &pos = found?;
        self.last.set(pos);
        Some(pos as usize)
    }

    /// The value under a key; `Unset` for a member of a set.
    #[inline]
    pub fn get(&self, key: &[Value]) -> Option<Value> {
        self.find(key).map(|pos| self.inner().value(pos))
    }

    /// As [`Table::get`] for a stored key (single value or [`Value::List`]).
    pub fn get_key(&self, key: &Value) -> Option<Value> {
        self.get(as_parts(key))
    }

    /// As [`Table::get`], noting a read at `now` for `&read_expire`.
    pub fn get_read(&self, key: &[Value], now: f64) -> Option<Value> {
        let pos = self.find(key)?;
        self.touch(pos, now);
        Some(self.inner().value(pos))
    }

    /// Whether the key is present.
    #[inline]
    pub fn contains(&self, key: &[Value]) -> bool {
        self.find(key).is_some()
    }

    /// Stores a value under a key and gives back the old one. A new key is copied deeply. For an overwritten entry
    /// the time is renewed too; callers with `&create_expire` use [`Table::insert_keep_time`].
    pub fn insert(&self, key: &[Value], value: Value, now: f64) -> Option<Value> {
        self.store(key, value, now, true)
    }

    /// As [`Table::insert`], keeping the time of an entry that is there.
    pub fn insert_keep_time(&self, key: &[Value], value: Value, now: f64) -> Option<Value> {
        self.store(key, value, now, false)
    }

    fn store(&self, key: &[Value], value: Value, now: f64, renew: bool) -> Option<Value> {
        if let Some(pos) = self.find(key) {
            let inner = self.inner_mut();
            let old = inner.set_value(pos, value);
            if renew && inner.keep_times {
                inner.times[pos] = now;
            }
            return Some(old);
        }
        self.add(key, value, now);
        None
    }

    /// Stores a value under a key that is not there.
    fn add(&self, key: &[Value], value: Value, now: f64) {
        let stored = make_key(key);
        if self.inner().keys.len() >= u32::MAX as usize {
            // 2^32 tombstones while an iterator lives: the entry is refused rather than the index corrupted.
            return;
        }
        self.squeeze();
        self.inner_mut().append(stored, value, now);
    }

    /// As [`Table::insert`] for a stored key.
    pub fn insert_key(&self, key: &Value, value: Value, now: f64) -> Option<Value> {
        self.insert(as_parts(key), value, now)
    }

    /// Removes an entry and gives back its value.
    pub fn remove(&self, key: &[Value]) -> Option<Value> {
        let pos = self.find(key)?;
        let (key, value) = self.inner_mut().take(pos);
        drop(key);
        self.squeeze();
        Some(value)
    }

    /// As [`Table::remove`] for a stored key.
    pub fn remove_key(&self, key: &Value) -> Option<Value> {
        self.remove(as_parts(key))
    }

    fn squeeze(&self) {
        let inner = self.inner_mut();
        let dead = inner.keys.len() - inner.live as usize;
        if dead > 8 && dead > inner.live as usize && self.iterators.get() == 0 {
            inner.compact();
        }
    }

    /// Removes all entries; attributes stay.
    pub fn clear(&self) {
        let old = {
            let inner = self.inner_mut();
            let fresh = Inner {
                keep_times: inner.keep_times,
                has_attrs: inner.has_attrs,
                special: inner.has_attrs,
                ..Inner::default()
            };
            std::mem::replace(inner, fresh)
        };
        drop(old);
    }

    /// The first position at or after `from` that holds an entry.
    pub fn position_from(&self, from: usize) -> Option<usize> {
        let keys = &self.inner().keys;
        (from..keys.len()).find(|&i| !matches!(keys[i], Value::Unset))
    }

    /// The stored key at a position.
    pub fn key_at(&self, pos: usize) -> Option<Value> {
        match self.inner().keys.get(pos) {
            None | Some(Value::Unset) => None,
            Some(k) => Some(k.clone()),
        }
    }

    /// The value at a position.
    pub fn value_at(&self, pos: usize) -> Value {
        self.inner().value(pos)
    }

    /// All entries in order, as clones of key and value.
    pub fn entries(&self) -> Vec<(Value, Value)> {
        let inner = self.inner();
        let mut all = Vec::with_capacity(inner.live as usize);
        for (i, k) in inner.keys.iter().enumerate() {
            if !matches!(k, Value::Unset) {
                all.push((k.clone(), inner.value(i)));
            }
        }
        all
    }

    /// All stored keys in order.
    pub fn keys(&self) -> Vec<Value> {
        let keys = self.inner().keys.iter();
        keys.filter(|k| !matches!(k, Value::Unset)).cloned().collect()
    }

    /// An iterator over the entries that are there now, in insertion order; see [`TableIter`].
    pub fn iter(self: &Rc<Self>) -> TableIter {
        self.iterators.set(self.iterators.get() + 1);
        TableIter {
            end: self.inner().keys.len(),
            table: self.clone(),
            pos: 0,
        }
    }

    /// Whether an iteration is under way (for the warning about invalidation).
    pub fn iterating(&self) -> bool {
        self.iterators.get() > 0
    }

    // ---- expiry ----

    /// Sets an entry's time.
    #[inline]
    pub fn touch(&self, pos: usize, now: f64) {
        if let Some(t) = self.inner_mut().times.get_mut(pos) {
            *t = now;
        }
    }

    /// An entry's time; 0 where none is kept.
    pub fn time_at(&self, pos: usize) -> f64 {
        self.inner().times.get(pos).copied().unwrap_or(0.0)
    }

    /// One step of a sweep: looks at up to `max` positions from the cursor and gives back the keys whose time lies
    /// more than `timeout` before `now`, and whether the end was reached (the next step then begins anew).
    /// Entries made at network time 0 get `now` as their time, because the clock had not started.
    pub fn expire_step(&self, now: f64, timeout: f64, max: usize) -> (Vec<Value>, bool) {
        let inner = self.inner_mut();
        let mut due = Vec::new();
        if !inner.keep_times {
            return (due, true);
        }
        let end = inner.keys.len().min(inner.cursor.saturating_add(max));
        for pos in inner.cursor..end {
            if matches!(inner.keys[pos], Value::Unset) {
                continue;
            }
            if inner.times[pos] == 0.0 {
                inner.times[pos] = now;
            } else if timeout >= 0.0 && inner.times[pos] + timeout < now {
                due.push(inner.keys[pos].clone());
            }
        }
        let done = end >= inner.keys.len();
        inner.cursor = if done { 0 } else { end };
        (due, done)
    }

    /// Starts the next sweep at the first entry.
    pub fn expire_restart(&self) {
        self.inner_mut().cursor = 0;
    }

    // ---- subnet and pattern keys ----

    /// The position of the most specific subnet key that covers `net` (an address is a subnet of width 128).
    pub fn longest_match(&self, net: &Subnet) -> Option<usize> {
        self.covering_positions(net, true).first().copied()
    }

    /// As [`Table::longest_match`] for an address.
    pub fn longest_match_addr(&self, addr: &Addr) -> Option<usize> {
        self.longest_match(&Subnet {
            addr: *addr,
            width: 128,
        })
    }

    /// The positions of all subnet keys that cover `net`, most specific first.
    pub fn all_covering(&self, net: &Subnet) -> Vec<usize> {
        self.covering_positions(net, false)
    }

    fn covering_positions(&self, net: &Subnet, first_only: bool) -> Vec<usize> {
        let inner = self.inner();
        let mut found = Vec::new();
        let Some(widths) = &inner.widths else {
            return found;
        };
        for w in widths.of(net) {
            let key = Value::Subnet(Subnet::new128(net.addr, w));
            if let Some(pos) = self.find(std::slice::from_ref(&key)) {
                found.push(pos);
                if first_only {
                    break;
                }
            }
        }
        found
    }

    /// The positions of the pattern keys that match the whole of `s`, in insertion order.
    pub fn matching_patterns(&self, s: &[u8]) -> Vec<usize> {
        let inner = self.inner();
        if inner.n_patterns == 0 {
            return Vec::new();
        }
        let matches = |k: &Value| matches!(k, Value::Pattern(p) if p.matches_exactly(s));
        let keys = inner.keys.iter().enumerate();
        let found: Vec<usize> = keys.filter(|(_, k)| matches(k)).map(|(i, _)| i).collect();
        let (hits, misses) = self.pattern_lookups.get();
        self.pattern_lookups.set(if found.is_empty() {
            (hits, misses + 1)
        } else {
            (hits + 1, misses)
        });
        found
    }

    /// How many look-ups by pattern found something, and how many did not.
    pub fn pattern_lookups(&self) -> (u64, u64) {
        self.pattern_lookups.get()
    }

    /// An estimate of the bytes behind this table, its keys and values not followed.
    pub fn footprint(&self) -> usize {
        let inner = self.inner();
        std::mem::size_of::<Table>()
            + inner.keys.capacity() * 24
            + inner.values.capacity() * 24
            + inner.times.capacity() * 8
            + inner.index.capacity() * 5
            + inner.direct.capacity() * 4
    }
}

/// Walks over a table while scripts may change it: entries present at the start are visited in insertion order,
/// removed ones are left out, added ones are not seen.
pub struct TableIter {
    table: Rc<Table>,
    pos: usize,
    end: usize,
}

impl TableIter {
    /// The table walked over.
    pub fn table(&self) -> &Rc<Table> {
        &self.table
    }

    /// The next stored key and its value.
    pub fn next_entry(&mut self) -> Option<(Value, Value)> {
        // SAFETY: cloning changes no table.
        unsafe { self.next_ref() }.map(|(k, v)| (k.clone(), v.clone()))
    }

    /// A look at the next stored key and its value.
    ///
    /// # Safety
    /// The table may not be changed while the references live.
    pub unsafe fn next_ref(&mut self) -> Option<(&Value, &Value)> {
        let inner = self.table.inner();
        let end = self.end.min(inner.keys.len());
        while self.pos < end {
            let pos = self.pos;
            self.pos += 1;
            if !matches!(inner.keys[pos], Value::Unset) {
                return Some((&inner.keys[pos], inner.values.get(pos).unwrap_or(&Value::Unset)));
            }
        }
        None
    }
}

impl Iterator for TableIter {
    type Item = (Value, Value);

    fn next(&mut self) -> Option<(Value, Value)> {
        self.next_entry()
    }
}

impl Drop for TableIter {
    fn drop(&mut self) {
        self.table.iterators.set(self.table.iterators.get() - 1);
        if self.table.iterators.get() == 0 {
            self.table.squeeze();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Record;

    fn c(n: u64) -> Value {
        Value::Count(n)
    }

    fn s(t: &str) -> Value {
        Value::Str(t.as_bytes().into())
    }

    #[test]
    fn keeps_insertion_order_over_removals_and_compaction() {
        let t = Table::new(TypeId(0));
        for i in 0..1000 {
            t.insert(&[c(i)], c(i * 2), 0.0);
        }
        for i in 0..1000 {
            if i % 10 != 0 {
                assert!(t.remove(&[c(i)]).is_some());
            }
        }
        t.insert(&[c(5)], c(1), 0.0);
        let keys: Vec<u64> = t
            .keys()
            .iter()
            .map(|k| match k {
                Value::Count(n) => *n,
                _ => panic!(),
            })
            .collect();
        let mut want: Vec<u64> = (0..1000).step_by(10).collect();
        want.push(5);
        assert_eq!(keys, want);
        assert!(t.inner().keys.len() < 300);
        assert!(matches!(t.get(&[c(990)]), Some(Value::Count(1980))));
        assert!(t.get(&[c(991)]).is_none());
    }

    #[test]
    fn iterators_survive_changes() {
        let t = Table::new(TypeId(0));
        for i in 0..100 {
            t.insert(&[c(i)], Value::Unset, 0.0);
        }
        let mut seen = 0;
        for (k, _) in t.iter() {
            seen += 1;
            t.remove(as_parts(&k));
            t.insert(&[c(1000 + seen)], Value::Unset, 0.0);
        }
        assert_eq!(seen, 100);
        assert_eq!(t.len(), 100);
        assert!(!t.iterating());
    }

    #[test]
    fn composite_double_and_record_keys() {
        let t = Table::new(TypeId(0));
        t.insert(&[s("a"), c(1)], c(1), 0.0);
        assert!(t.contains(&[s("a"), c(1)]));
        assert!(!t.contains(&[s("a"), c(2)]));
        let d = Table::new(TypeId(0));
        d.insert(&[Value::Double(0.0)], Value::Unset, 0.0);
        assert!(!d.contains(&[Value::Double(-0.0)]));
        d.insert(&[Value::Double(f64::NAN)], Value::Unset, 0.0);
        assert!(d.contains(&[Value::Double(f64::NAN)]));
        let r = Table::new(TypeId(0));
        let rec = Record::new(TypeId(1), vec![c(1), Value::Unset]);
        r.insert(&[Value::Record(rec.clone())], c(7), 0.0);
        rec.set(0, c(2));
        assert!(!r.contains(&[Value::Record(rec.clone())]));
        let same = Record::new(TypeId(1), vec![c(1)]);
        assert!(r.contains(&[Value::Record(same)]));
    }

    #[test]
    fn longest_prefix_and_all_covering() {
        let t = Table::new(TypeId(0));
        let net = |a: [u8; 4], w: u8| Subnet::new128(Addr::v4(a), 96 + w);
        for (a, w) in [([10, 0, 0, 0], 8), ([10, 1, 0, 0], 16), ([10, 1, 2, 0], 24)] {
            t.insert(&[Value::Subnet(net(a, w))], c(w as u64), 0.0);
        }
        let at = |a| {
            t.longest_match_addr(&Addr::v4(a)).map(|p| {
                let Value::Count(n) = t.value_at(p) else { panic!() };
                n
            })
        };
        assert_eq!(at([10, 1, 2, 3]), Some(24));
        assert_eq!(at([10, 9, 2, 3]), Some(8));
        assert_eq!(at([11, 9, 2, 3]), None);
        assert_eq!(t.all_covering(&net([10, 1, 2, 0], 24)).len(), 3);
        t.remove(&[Value::Subnet(net([10, 1, 2, 0], 24))]);
        assert_eq!(at([10, 1, 2, 3]), Some(16));
    }

    #[test]
    fn expiry_goes_on_where_it_stopped() {
        let attrs = TableAttrs {
            create_expire: Some(AttrValue::Value(Value::Interval(5.0))),
            ..TableAttrs::default()
        };
        let t = Table::with_attrs(TypeId(0), Some(Rc::new(attrs)));
        for i in 0..10 {
            t.insert(&[c(i)], Value::Unset, 1.0 + i as f64);
        }
        let (due, done) = t.expire_step(10.0, 5.0, 3);
        assert_eq!((due.len(), done), (3, false));
        for k in due {
            t.remove_key(&k);
        }
        let (due, done) = t.expire_step(10.0, 5.0, 100);
        assert_eq!((due.len(), done), (1, true));
    }
}
