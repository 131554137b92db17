//! Heap values: what a script variable, a record slot, a table entry or an event argument holds.
//!
//! A [`Value`] takes 24 bytes. Scalars, addresses and subnets are immediate; the rest is reference-counted without
//! atomics, so a value never leaves its engine's thread. Records, tables and vectors are references with interior
//! mutability: no borrow of their content outlives a call, which is what makes the cells in this file sound.

use std::any::Any;
use std::cell::{Cell, RefCell, UnsafeCell};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use crate::types::TypeId;

pub use crate::table::Table;

/// A value of the script language.
///
/// The layout is fixed (tag in the first byte, numbers in the second word), because the script machine writes
/// and copies scalars word by word.
#[derive(Clone, Default)]
#[repr(u8)]
pub enum Value {
    /// No value: an unset variable or field, a hole in a vector, the result of a failed built-in.
    #[default]
    Unset,
    Bool(bool),
    Int(i64),
    Count(u64),
    Double(f64),
    /// Seconds since the Unix epoch.
    Time(f64),
    /// Seconds.
    Interval(f64),
    Enum(TypeId, i64),
    Port(Port),
    Addr(Addr),
    Subnet(Subnet),
    Str(Str),
    Pattern(Rc<dyn PatternObject>),
    Record(Rc<Record>),
    Table(Rc<Table>),
    Vector(Rc<Vector>),
    Func(Rc<Func>),
    File(Rc<File>),
    Opaque(Rc<dyn Opaque>),
    /// A type used as a value.
    Type(TypeId),
    /// A composite table index, or an index list handed over as one `any`.
    List(Rc<[Value]>),
}

impl Value {
    /// Whether the value owns nothing: it may be copied and forgotten bit by bit.
    #[inline(always)]
    pub fn is_immediate(&self) -> bool {
        matches!(
            self,
            Value::Unset
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Count(_)
                | Value::Double(_)
                | Value::Time(_)
                | Value::Interval(_)
                | Value::Enum(..)
                | Value::Port(_)
                | Value::Addr(_)
                | Value::Subnet(_)
        )
    }

    /// A clone of a value that is likely on the heap: one count for all the frequent kinds, without a table of cases.
    #[inline(always)]
    pub fn share(&self) -> Value {
        // SAFETY: the pointers come from living handles; what is read bit by bit is the handle that was counted.
        unsafe {
            match self {
                Value::Str(x) => Rc::increment_strong_count(Rc::as_ptr(x)),
                Value::Record(x) => Rc::increment_strong_count(Rc::as_ptr(x)),
                Value::Table(x) => Rc::increment_strong_count(Rc::as_ptr(x)),
                Value::Vector(x) => Rc::increment_strong_count(Rc::as_ptr(x)),
                Value::Func(x) => Rc::increment_strong_count(Rc::as_ptr(x)),
                v => {
                    std::hint::cold_path();
                    return v.clone();
                }
            }
            std::ptr::read(self)
        }
    }

    /// Drops a value that is likely on the heap and has further owners.
    #[inline(always)]
    pub fn give_up(self) {
        // SAFETY: the handle is forgotten in exchange for the count; there are others, so nothing is freed.
        unsafe {
            match &self {
                Value::Str(x) if Rc::strong_count(x) > 1 => Rc::decrement_strong_count(Rc::as_ptr(x)),
                Value::Record(x) if Rc::strong_count(x) > 1 => Rc::decrement_strong_count(Rc::as_ptr(x)),
                Value::Table(x) if Rc::strong_count(x) > 1 => Rc::decrement_strong_count(Rc::as_ptr(x)),
                Value::Vector(x) if Rc::strong_count(x) > 1 => Rc::decrement_strong_count(Rc::as_ptr(x)),
                Value::Func(x) if Rc::strong_count(x) > 1 => Rc::decrement_strong_count(Rc::as_ptr(x)),
                _ => {
                    std::hint::cold_path();
                    return drop_last(self);
                }
            }
        }
        std::mem::forget(self);
    }
}

#[inline(never)]
fn drop_last(v: Value) {
    drop(v);
}

/// A byte string: immutable, shared, may hold NUL and any byte.
pub type Str = Rc<[u8]>;

/// The transport of a [`Port`], in the order in which ports compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Proto {
    #[default]
    Unknown = 0,
    Tcp = 1,
    Udp = 2,
    Icmp = 3,
}

/// A port number with its transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Port {
    pub proto: Proto,
    pub num: u16,
}

/// An IP address as 16 bytes in network order; IPv4 is kept v4-mapped (RFC 4291, section 2.5.5.2).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Addr(pub [u8; 16]);

const V4_MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

impl Addr {
    /// An IPv4 address from its four bytes.
    #[inline]
    pub fn v4(b: [u8; 4]) -> Self {
        let mut a = [0; 16];
        a[..12].copy_from_slice(&V4_MAPPED);
        a[12..].copy_from_slice(&b);
        Addr(a)
    }

    /// An IPv6 address from its sixteen bytes.
    #[inline]
    pub fn v6(b: [u8; 16]) -> Self {
        Addr(b)
    }

    /// Whether this is an IPv4 address.
    #[inline]
    pub fn is_v4(&self) -> bool {
        self.0[..12] == V4_MAPPED
    }

    /// The four bytes of an IPv4 address.
    #[inline]
    pub fn as_v4(&self) -> Option<[u8; 4]> {
        self.is_v4().then(|| [self.0[12], self.0[13], self.0[14], self.0[15]])
    }

    /// The standard library's form; IPv4 comes back as `IpAddr::V4`.
    pub fn to_ip(&self) -> IpAddr {
        match self.as_v4() {
            Some(b) => IpAddr::V4(Ipv4Addr::from(b)),
            None => IpAddr::V6(Ipv6Addr::from(self.0)),
        }
    }

    /// The address with all but the first `width` of 128 bits cleared.
    pub fn mask(&self, width: u8) -> Addr {
        let v = u128::from_be_bytes(self.0);
        let keep = match width {
            0 => 0,
            w if w >= 128 => u128::MAX,
            w => u128::MAX << (128 - w),
        };
        Addr((v & keep).to_be_bytes())
    }
}

impl From<IpAddr> for Addr {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(a) => Addr::v4(a.octets()),
            IpAddr::V6(a) => Addr(a.octets()),
        }
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // IPv4-compatible addresses (RFC 4291, section 2.5.5.1) end in dotted form, as the C library writes them.
        if self.0[..12] == [0; 12] && self.0[12..14] != [0, 0] {
            let [.., a, b, c, d] = self.0;
            return write!(f, "::{a}.{b}.{c}.{d}");
        }
        self.to_ip().fmt(f)
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_ip().fmt(f)
    }
}

/// A subnet: a masked address and a width counted on 128 bits (an IPv4 /24 is kept as 120).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Subnet {
    pub addr: Addr,
    pub width: u8,
}

impl Subnet {
    /// A subnet whose width is counted on 128 bits; host bits are masked off.
    pub fn new128(addr: Addr, width: u8) -> Self {
        Subnet {
            addr: addr.mask(width),
            width: width.min(128),
        }
    }

    /// Whether the address lies within.
    #[inline]
    pub fn contains(&self, a: &Addr) -> bool {
        a.mask(self.width) == self.addr
    }

    /// The width as written: on 32 bits for IPv4.
    pub fn shown_width(&self) -> u8 {
        if self.addr.is_v4() && self.width >= 96 {
            self.width - 96
        } else {
            self.width
        }
    }
}

/// So many unset slots. Quicker than `vec![Value::Unset; n]`, which clones each of them.
#[inline]
pub fn unset_slots(n: usize) -> Vec<Value> {
    (0..n).map(|_| Value::Unset).collect()
}

/// Fills up with unset slots to so many. Nothing happens if there are more.
#[inline]
pub fn fill_unset(slots: &mut Vec<Value>, n: usize) {
    slots.extend((slots.len()..n).map(|_| Value::Unset));
}

/// A record: its type and one slot per field, in the order of the type.
///
/// The vector may be shorter than the type (fields added by `redef` after the value was made natively, or unset
/// trailing fields): slots beyond its end are unset. An unset slot whose field has a `&default` is filled by the
/// VM when it is first read.
pub struct Record {
    pub ty: TypeId,
    slots: UnsafeCell<Vec<Value>>,
}

impl Drop for Record {
    fn drop(&mut self) {
        crate::release::release(self.slots.get_mut());
    }
}

impl Record {
    /// A record with the given slots.
    pub fn new(ty: TypeId, slots: Vec<Value>) -> Rc<Self> {
        Rc::new(Record {
            ty,
            slots: UnsafeCell::new(slots),
        })
    }

    /// The value of a slot; `Unset` where there is none.
    #[inline]
    pub fn get(&self, slot: usize) -> Value {
        // SAFETY: the value is single-threaded, and cloning a `Value` runs no code that could reach this record.
        unsafe { &*self.slots.get() }.get(slot).cloned().unwrap_or_default()
    }

    /// Whether a slot holds a value.
    #[inline]
    pub fn has(&self, slot: usize) -> bool {
        // SAFETY: as for `get`; the borrow ends within this expression.
        !matches!(unsafe { &*self.slots.get() }.get(slot), None | Some(Value::Unset))
    }

    /// A look at a slot without cloning it; `None` beyond the end.
    ///
    /// # Safety
    /// No slot of this record may be written while the reference lives.
    #[inline]
    pub unsafe fn slot_ref(&self, slot: usize) -> Option<&Value> {
        // SAFETY: the caller keeps writers away.
        unsafe { &*self.slots.get() }.get(slot)
    }

    /// A slot to be changed in place; `None` beyond the end.
    ///
    /// # Safety
    /// Nothing else may look at this record while the reference lives.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slot_mut(&self, slot: usize) -> Option<&mut Value> {
        // SAFETY: the caller keeps others away.
        unsafe { &mut *self.slots.get() }.get_mut(slot)
    }

    /// Runs `f` on a slot without cloning it. `f` must not touch this record.
    #[inline]
    pub fn with<R>(&self, slot: usize, f: impl FnOnce(&Value) -> R) -> R {
        // A clone keeps this sound whatever `f` does; scalars clone for free.
        let v = self.get(slot);
        f(&v)
    }

    /// Stores a value; the old one is dropped after the slot was written.
    #[inline]
    pub fn set(&self, slot: usize, value: Value) {
        // SAFETY: the borrow ends before the old value is dropped, so no drop code sees a half-written record.
        let slots = unsafe { &mut *self.slots.get() };
        if slot >= slots.len() {
            // Records are many and seldom grow: room for a few more fields, not for twice as many.
            slots.reserve_exact((slot + 1).next_multiple_of(2) - slots.len());
            fill_unset(slots, slot + 1);
        }
        let old = std::mem::replace(&mut slots[slot], value);
        drop(old);
    }

    /// The number of slots that are present, at most the number of fields of the type.
    pub fn len(&self) -> usize {
        // SAFETY: reads a length only.
        unsafe { &*self.slots.get() }.len()
    }
}

/// A vector with holes.
pub struct Vector {
    /// The vector's own type (`vector of T`).
    pub ty: TypeId,
    items: UnsafeCell<Vec<Value>>,
}

impl Drop for Vector {
    fn drop(&mut self) {
        crate::release::release(self.items.get_mut());
    }
}

impl Vector {
    /// A vector of the given elements; `Value::Unset` marks a hole.
    pub fn new(ty: TypeId, items: Vec<Value>) -> Rc<Self> {
        Rc::new(Vector {
            ty,
            items: UnsafeCell::new(items),
        })
    }

    /// The length including holes.
    #[inline]
    pub fn len(&self) -> usize {
        // SAFETY: reads a length only.
        unsafe { &*self.items.get() }.len()
    }

    /// The element at an index; `Unset` for holes and beyond the end.
    #[inline]
    pub fn get(&self, idx: usize) -> Value {
        // SAFETY: single-threaded, and cloning a `Value` runs no foreign code.
        unsafe { &*self.items.get() }.get(idx).cloned().unwrap_or_default()
    }

    /// A look at an element without cloning it; `None` beyond the end.
    ///
    /// # Safety
    /// The vector may not be changed while the reference lives.
    #[inline]
    pub unsafe fn item_ref(&self, idx: usize) -> Option<&Value> {
        // SAFETY: the caller keeps writers away.
        unsafe { &*self.items.get() }.get(idx)
    }

    /// An element to be changed in place; `None` beyond the end.
    ///
    /// # Safety
    /// Nothing else may look at this vector while the reference lives.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn item_mut(&self, idx: usize) -> Option<&mut Value> {
        // SAFETY: the caller keeps others away.
        unsafe { &mut *self.items.get() }.get_mut(idx)
    }

    /// Stores an element, growing the vector with holes.
    pub fn set(&self, idx: usize, value: Value) {
        // SAFETY: the borrow ends before the old element is dropped.
        let items = unsafe { &mut *self.items.get() };
        if idx >= items.len() {
            items.resize(idx + 1, Value::Unset);
        }
        let old = std::mem::replace(&mut items[idx], value);
        drop(old);
    }

    /// Appends an element.
    #[inline]
    pub fn push(&self, value: Value) {
        // SAFETY: pushing drops nothing.
        unsafe { &mut *self.items.get() }.push(value);
    }

    /// A copy of all elements; cheap for scalars, counts references for the rest.
    pub fn to_vec(&self) -> Vec<Value> {
        // SAFETY: as for `get`.
        unsafe { &*self.items.get() }.clone()
    }

    /// Replaces the content.
    pub fn replace(&self, items: Vec<Value>) -> Vec<Value> {
        // SAFETY: the old content is handed out, not dropped here.
        std::mem::replace(unsafe { &mut *self.items.get() }, items)
    }

    /// Changes the length; new elements are holes.
    pub fn resize(&self, len: usize) {
        let mut items = self.replace(Vec::new());
        items.resize(len, Value::Unset);
        let left = self.replace(items);
        debug_assert!(left.is_empty());
    }
}

/// A function, event or hook as an index into the program's functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FuncId(pub u32);

/// What a lambda captured: a few values, kept with the function itself.
pub type Captures = smallvec::SmallVec<[Value; 2]>;

/// A function value; identity is that of the allocation.
pub struct Func {
    pub id: FuncId,
    pub ty: TypeId,
    /// What a lambda captured; empty for named functions.
    pub captures: RefCell<Captures>,
    /// True for each evaluation of a lambda and each `copy()`: such a value equals only itself, while two values
    /// made from the same function name are equal.
    pub fresh: bool,
}

/// A compiled pattern, implemented over the automata of `tapir-signatures` by the VM's host.
pub trait PatternObject {
    /// The printed text between the slashes, e.g. `^?(ab+)$?`; any bytes.
    fn text(&self) -> Rc<[u8]>;
    /// Whether the whole string matches (`p == s`).
    fn matches_exactly(&self, s: &[u8]) -> bool;
    /// Whether the pattern matches anywhere (`p in s`), with the oddities of the reference.
    fn matches_within(&self, s: &[u8]) -> bool;
    /// The length of the longest match that begins at the start of `s`, `None` when there is none.
    fn longest_prefix(&self, s: &[u8], at_start: bool) -> Option<usize>;
    /// A copy that a later `+=` on this object does not change; `None` shares the object.
    fn deep_copy(&self) -> Option<Rc<dyn PatternObject>> {
        None
    }
    /// The leftmost-longest non-empty match in `s` at or after `from`, as start and end. `^` holds at `from`, and with
    /// `begin_anywhere` at every position tried.
    fn find(&self, s: &[u8], from: usize, begin_anywhere: bool) -> Option<(usize, usize)> {
        (from..s.len()).find_map(|i| {
            self.longest_prefix(&s[i..], begin_anywhere || i == from)
                .filter(|&n| n > 0)
                .map(|n| (i, i + n))
        })
    }
    /// For downcasts.
    fn as_any(&self) -> &dyn Any;
}

/// Internal state behind `opaque of NAME`.
pub trait Opaque: Any {
    /// NAME as in `opaque of NAME`.
    fn type_name(&self) -> &str;
    /// NAME as `type_name` shows it, where that is another.
    fn shown_type_name(&self) -> &str {
        self.type_name()
    }
    /// A deep copy; `None` when the type cannot be copied.
    fn deep_copy(&self) -> Option<Rc<dyn Opaque>>;
    /// What `print` shows.
    fn render(&self) -> String {
        format!("<opaque of {}>", self.shown_type_name())
    }
    /// The same as bytes, for state that is not text.
    fn render_bytes(&self) -> Vec<u8> {
        self.render().into_bytes()
    }
    /// What another node needs to make the same value, after the name that nodes know its kind by; `None` for what
    /// cannot leave the node. `host` knows the types of what it holds.
    fn wire(&self, _host: &dyn crate::text::RenderHost) -> Option<(&'static str, crate::broker::Data)> {
        None
    }
    /// For downcasts.
    fn as_any(&self) -> &dyn Any;
}

/// An open or closed file handle. The sink behind it belongs to the host.
pub struct File {
    pub name: Str,
    pub raw: Cell<bool>,
    pub sink: RefCell<Option<Box<dyn std::io::Write>>>,
}
