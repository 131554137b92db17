//! The type table: every type of a loaded program, interned, addressed by a small id.
//!
//! Structural types (tables, vectors, functions) are interned, so two spellings of the same type share one id,
//! except where a name was given (`type Names: vector of string`), which makes an entry of its own that compares
//! equal by [`Types::same`]. Records and enums grow by `redef` while scripts load; slots and values only append.
//! When the program is complete, its table can still take further types ([`Types::intern_late`] and its siblings), while
//! others read it; [`Types::settle`] makes them ordinary ones where loading goes on.

mod late;

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::HashMap;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use late::{Index, Late};

/// A type, as an index into [`Types`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TypeId(pub u32);

/// A record's layout, as an index into [`Types::records`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(pub u32);

/// An enumeration, as an index into [`Types::enums`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnumId(pub u32);

/// The ids of the types that need no declaration; [`Types::new`] creates them in this order.
pub mod builtin {
    use super::TypeId;
    pub const ERROR: TypeId = TypeId(0);
    pub const VOID: TypeId = TypeId(1);
    pub const ANY: TypeId = TypeId(2);
    pub const BOOL: TypeId = TypeId(3);
    pub const INT: TypeId = TypeId(4);
    pub const COUNT: TypeId = TypeId(5);
    pub const DOUBLE: TypeId = TypeId(6);
    pub const TIME: TypeId = TypeId(7);
    pub const INTERVAL: TypeId = TypeId(8);
    pub const STRING: TypeId = TypeId(9);
    pub const PATTERN: TypeId = TypeId(10);
    pub const PORT: TypeId = TypeId(11);
    pub const ADDR: TypeId = TypeId(12);
    pub const SUBNET: TypeId = TypeId(13);
    /// The type of a type name used as a value.
    pub const TYPE: TypeId = TypeId(14);
    /// The type of an empty, not yet typed `table()`, `set()`, `vector()` or `[]`.
    pub const EMPTY: TypeId = TypeId(15);
    pub const FILE: TypeId = TypeId(16);
}

/// What a type is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The type of an expression that already had an error; compatible with everything, so one mistake is told once.
    Error,
    Void,
    Any,
    Bool,
    Int,
    Count,
    Double,
    Time,
    Interval,
    String,
    Pattern,
    Port,
    Addr,
    Subnet,
    Enum(EnumId),
    Record(RecordId),
    /// A table; a set when `yields` is `None`.
    Table {
        index: Vec<TypeId>,
        yields: Option<TypeId>,
    },
    Vector(TypeId),
    Func(FuncType),
    File,
    Opaque(Arc<str>),
    /// The type of a type value.
    Type,
    /// An index list such as `[a, b]`.
    List(Vec<TypeId>),
    /// An empty constructor without a target.
    Empty,
}

impl Kind {
    /// The number of the kind in the encodings of other programs: of hashed values, and of types that travel. 0 for kinds
    /// that have none.
    pub fn number(&self) -> i32 {
        match self {
            Kind::Bool => 1,
            Kind::Int => 2,
            Kind::Count => 3,
            Kind::Double => 4,
            Kind::Time => 5,
            Kind::Interval => 6,
            Kind::String => 7,
            Kind::Pattern => 8,
            Kind::Enum(_) => 9,
            Kind::Port => 10,
            Kind::Addr => 11,
            Kind::Subnet => 12,
            Kind::Any => 13,
            Kind::Table { .. } => 14,
            Kind::Record(_) => 15,
            Kind::List(_) => 16,
            Kind::Func(_) => 17,
            Kind::File => 18,
            Kind::Vector(_) => 19,
            Kind::Opaque(_) => 20,
            Kind::Type => 21,
            _ => 0,
        }
    }
}

/// Function, event or hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flavor {
    Function,
    Event,
    Hook,
}

/// The signature of a function, event or hook. Parameter names and defaults belong to the type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FuncType {
    pub flavor: Flavor,
    /// Shared by the type, the functions of that type and their entries.
    pub params: Arc<[Param]>,
    /// `builtin::VOID` where nothing is yielded; hooks yield bool.
    pub yields: TypeId,
    /// True for built-ins declared with `...`: any argument list is accepted.
    pub variadic: bool,
}

/// One parameter of a function type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Param {
    pub name: Arc<str>,
    pub ty: TypeId,
    /// `&default`, as an id into the program's default expressions.
    pub default: Option<DefaultId>,
    /// The attributes as the text of the type shows them.
    pub shown: Option<Arc<str>>,
}

/// A default expression, as an index into the program's list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DefaultId(pub u32);

/// One field of a record.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: Arc<str>,
    pub ty: TypeId,
    pub optional: bool,
    pub log: bool,
    pub default: Option<DefaultId>,
    /// The text of `&deprecated`, empty when none was given.
    pub deprecated: Option<Arc<str>>,
    /// The column of an input file that names the transport of a port (`&type_column`).
    pub type_column: Option<Arc<str>>,
    /// The attributes as the text of the type shows them; only types without a name show their fields.
    pub shown: Option<Arc<str>>,
}

/// A record's layout. A field's slot is its position; `redef record` appends.
#[derive(Clone, Debug)]
pub struct RecordType {
    /// The qualified name, `None` for an anonymous record type.
    pub name: Option<Arc<str>>,
    pub fields: Vec<Field>,
    pub by_name: HashMap<Arc<str>, u32>,
}

impl RecordType {
    /// The slot of a field.
    pub fn slot(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }
}

/// An enumeration's names and values.
#[derive(Clone, Debug)]
pub struct EnumType {
    pub name: Arc<str>,
    /// Qualified enumerator names in order of definition, with their values.
    pub items: Vec<(Arc<str>, i64)>,
    pub by_value: HashMap<i64, u32>,
    pub by_name: HashMap<Arc<str>, i64>,
}

/// One entry of the table: what the type is and the name it was declared under.
#[derive(Clone, Debug)]
pub struct Entry {
    pub kind: Kind,
    pub name: Option<Arc<str>>,
    /// The unnamed entry of the same structure; itself when it has no name.
    pub canonical: TypeId,
    /// Every name the type is known under, in order of declaration.
    pub aliases: Vec<Arc<str>>,
}

/// All types of a program.
#[derive(Debug)]
pub struct Types {
    entries: Vec<Entry>,
    records: Vec<RecordType>,
    pub enums: Vec<EnumType>,
    /// The structural types by what they are; the entries hold the keys.
    interned: HashTable<TypeId>,
    spellings: HashMap<(TypeId, Arc<str>), TypeId>,
    late: Box<Late>,
}

/// Where a structural type stands in the table; what scripts declare is chosen by no attacker.
fn hash(kind: &Kind) -> u64 {
    FixedState::default().hash_one(kind)
}

impl Types {
    /// A table that holds the built-in types only.
    pub fn new() -> Self {
        let mut types = Types {
            entries: Vec::new(),
            records: Vec::new(),
            enums: Vec::new(),
            interned: HashTable::new(),
            spellings: HashMap::default(),
            late: Late::new(),
        };
        use Kind::*;
        for kind in [
            Error, Void, Any, Bool, Int, Count, Double, Time, Interval, String, Pattern, Port, Addr, Subnet, Type,
            Empty, File,
        ] {
            types.intern(kind);
        }
        types
    }

    /// The id of a structural type, made on first use.
    pub fn intern(&mut self, kind: Kind) -> TypeId {
        let hash = hash(&kind);
        if let Some(id) = self.find_hashed(&kind, hash) {
            return id;
        }
        let id = TypeId(self.entries.len() as u32);
        self.entries.push(Entry {
            kind,
            name: None,
            canonical: id,
            aliases: Vec::new(),
        });
        let entries = &self.entries;
        self.interned
            .insert_unique(hash, id, |id| self::hash(&entries[id.0 as usize].kind));
        // `table_keys` needs the set over a table's index at run time, when no type can be made any more.
        let keys = match self.kind(id) {
            Kind::Table { index, yields: Some(_) } => Some(Kind::Table {
                index: index.clone(),
                yields: None,
            }),
            _ => None,
        };
        if let Some(keys) = keys {
            self.intern(keys);
        }
        id
    }

    /// The id of a structural type that exists already.
    pub fn find(&self, kind: &Kind) -> Option<TypeId> {
        self.find_hashed(kind, hash(kind))
    }

    fn find_hashed(&self, kind: &Kind, hash: u64) -> Option<TypeId> {
        self.interned.find(hash, |id| self.kind(*id) == kind).copied()
    }

    /// Makes room for so many types.
    pub fn reserve(&mut self, n: usize) {
        self.entries.reserve(n);
    }

    /// How many types there are that were not made late.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry of a type.
    #[inline]
    pub fn entry(&self, id: TypeId) -> &Entry {
        match self.entries.get(id.0 as usize) {
            Some(entry) => entry,
            None => self.late_entry(id),
        }
    }

    #[cold]
    fn late_entry(&self, id: TypeId) -> &Entry {
        let at = (id.0 as usize).wrapping_sub(self.entries.len());
        self.late.entries.get(at).expect("the type is of this table")
    }

    /// What a type is.
    #[inline]
    pub fn kind(&self, id: TypeId) -> &Kind {
        &self.entry(id).kind
    }

    /// The name that a type was declared under, if any.
    pub fn name(&self, id: TypeId) -> Option<&Arc<str>> {
        self.entry(id).name.as_ref()
    }

    /// The type without the names that were given to it.
    pub fn canonical(&self, id: TypeId) -> TypeId {
        self.entry(id).canonical
    }

    /// A record's layout.
    #[inline]
    pub fn layout(&self, id: RecordId) -> &RecordType {
        match self.records.get(id.0 as usize) {
            Some(record) => record,
            None => self.late_layout(id),
        }
    }

    #[cold]
    fn late_layout(&self, id: RecordId) -> &RecordType {
        let at = (id.0 as usize).wrapping_sub(self.records.len());
        self.late.records.get(at).expect("the record is of this table")
    }

    /// The layout of a record that is being declared or extended.
    pub fn layout_mut(&mut self, id: RecordId) -> &mut RecordType {
        &mut self.records[id.0 as usize]
    }

    /// A further name of an enumeration.
    pub fn add_alias(&mut self, of: TypeId, name: Arc<str>) {
        self.entries[of.0 as usize].aliases.push(name);
    }

    /// An alias of `target` under a name: an entry of its own that is the same type. Aliases of a named type know
    /// each other's names.
    pub fn alias(&mut self, target: TypeId, name: Arc<str>) -> TypeId {
        let id = TypeId(self.entries.len() as u32);
        let canonical = self.canonical(target);
        let mut aliases = self.entry(target).aliases.clone();
        if let Some(known) = aliases.first().cloned() {
            for e in &mut self.entries {
                if e.canonical == canonical && e.aliases.contains(&known) {
                    e.aliases.push(name.clone());
                }
            }
        }
        aliases.push(name.clone());
        let entry = Entry {
            kind: self.kind(target).clone(),
            name: Some(name),
            canonical,
            aliases,
        };
        self.entries.push(entry);
        id
    }

    /// A container or function over types some of which go by another name: the entry of `structure`, the same over the
    /// unnamed types, which shows itself as `text`.
    pub fn spelled(&mut self, structure: TypeId, text: String) -> TypeId {
        let key = (structure, Arc::from(text));
        if let Some(&id) = self.spellings.get(&key) {
            return id;
        }
        let id = TypeId(self.entries.len() as u32);
        self.entries.push(Entry {
            kind: self.kind(structure).clone(),
            name: Some(key.1.clone()),
            canonical: structure,
            aliases: Vec::new(),
        });
        self.spellings.insert(key, id);
        id
    }

    fn appended(&self, index: &mut Index, kind: Kind, name: Option<Arc<str>>, canonical: Option<TypeId>) -> TypeId {
        let id = TypeId((self.entries.len() + index.n_entries()) as u32);
        let entry = Entry {
            kind,
            name,
            canonical: canonical.unwrap_or(id),
            aliases: Vec::new(),
        };
        self.late.push(index, entry);
        id
    }

    fn intern_in(&self, index: &mut Index, kind: Kind) -> TypeId {
        if let Some(id) = self.find(&kind).or_else(|| index.find(&kind)) {
            return id;
        }
        let id = self.appended(index, kind.clone(), None, None);
        if let Kind::Table {
            index: keys,
            yields: Some(_),
        } = &kind
        {
            let keys = Kind::Table {
                index: keys.clone(),
                yields: None,
            };
            self.intern_in(index, keys);
        }
        index.remember(kind, id);
        id
    }

    /// As [`Types::intern`], when the table may be in use elsewhere.
    pub fn intern_late(&self, kind: Kind) -> TypeId {
        self.late.with(|_, index| self.intern_in(index, kind))
    }

    /// As [`Types::spelled`], when the table may be in use elsewhere.
    pub fn spelled_late(&self, structure: TypeId, text: String) -> TypeId {
        let key = (structure, Arc::from(text));
        if let Some(&id) = self.spellings.get(&key) {
            return id;
        }
        self.late.with(|_, index| {
            if let Some(&id) = index.spellings.as_ref().and_then(|s| s.get(&key)) {
                return id;
            }
            let kind = self.kind(structure).clone();
            let id = self.appended(index, kind, Some(key.1.clone()), Some(structure));
            index.spellings.get_or_insert_default().insert(key, id);
            id
        })
    }

    /// A record type without a name with all of its fields, when the table may be in use elsewhere.
    pub fn record_late(&self, fields: Vec<Field>) -> TypeId {
        let slots = fields.iter().enumerate();
        let by_name = slots.map(|(i, f)| (f.name.clone(), i as u32)).collect();
        self.late.with(|late, index| {
            let id = RecordId((self.records.len() + index.n_records()) as u32);
            let record = RecordType {
                name: None,
                fields,
                by_name,
            };
            late.push_record(index, record);
            self.appended(index, Kind::Record(id), None, None)
        })
    }

    /// Makes types that were made late ordinary ones, after which others can follow. Ids stay as they are.
    pub fn settle(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let mut late = std::mem::replace(&mut self.late, Late::new());
        let spellings = late.with_mut().spellings.take();
        self.spellings.extend(spellings.into_iter().flatten());
        let (entries, records) = late.take();
        self.records.extend(records);
        let first = self.entries.len();
        self.entries.extend(entries);
        for (i, entry) in self.entries.iter().enumerate().skip(first) {
            let id = TypeId(i as u32);
            if entry.canonical == id {
                let entries = &self.entries;
                self.interned.insert_unique(self::hash(&entry.kind), id, |id| {
                    self::hash(&entries[id.0 as usize].kind)
                });
            }
        }
    }

    /// A new, empty record type.
    pub fn new_record(&mut self, name: Option<Arc<str>>) -> (RecordId, TypeId) {
        let record = RecordId(self.records.len() as u32);
        self.records.push(RecordType {
            name: name.clone(),
            fields: Vec::new(),
            by_name: HashMap::default(),
        });
        let id = self.intern(Kind::Record(record));
        if let Some(name) = name {
            let entry = &mut self.entries[id.0 as usize];
            entry.aliases.push(name.clone());
            entry.name = Some(name);
        }
        (record, id)
    }

    /// Appends a field and gives back its slot.
    pub fn add_field(&mut self, record: RecordId, field: Field) -> u32 {
        let record = &mut self.records[record.0 as usize];
        let slot = record.fields.len() as u32;
        record.by_name.insert(field.name.clone(), slot);
        record.fields.push(field);
        slot
    }

    /// A new, empty enumeration.
    pub fn new_enum(&mut self, name: Arc<str>) -> (EnumId, TypeId) {
        let id = EnumId(self.enums.len() as u32);
        self.enums.push(EnumType {
            name: name.clone(),
            items: Vec::new(),
            by_value: HashMap::default(),
            by_name: HashMap::default(),
        });
        let ty = self.intern(Kind::Enum(id));
        let entry = &mut self.entries[ty.0 as usize];
        entry.aliases.push(name.clone());
        entry.name = Some(name);
        (id, ty)
    }

    /// Adds an enumerator; `None` takes the value after the largest so far.
    pub fn add_enumerator(&mut self, id: EnumId, name: Arc<str>, value: Option<i64>) -> i64 {
        let e = &mut self.enums[id.0 as usize];
        let value = value.unwrap_or_else(|| e.items.iter().map(|i| i.1 + 1).max().unwrap_or(0));
        e.by_value.entry(value).or_insert(e.items.len() as u32);
        e.by_name.insert(name.clone(), value);
        e.items.push((name, value));
        value
    }

    /// The layout of a record type, `None` when `id` is no record.
    pub fn record(&self, id: TypeId) -> Option<&RecordType> {
        match self.kind(id) {
            Kind::Record(r) => Some(self.layout(*r)),
            _ => None,
        }
    }

    /// As [`Types::same`], with `any` inside of a container standing for every type.
    pub fn same_or_any(&self, a: TypeId, b: TypeId) -> bool {
        let any = |t: TypeId| matches!(self.kind(t), Kind::Any);
        let inner = |x: TypeId, y: TypeId| any(x) || any(y) || self.same_or_any(x, y);
        if self.same(a, b) {
            return true;
        }
        match (self.kind(a), self.kind(b)) {
            (Kind::Vector(x), Kind::Vector(y)) => inner(*x, *y),
            (Kind::Table { index: i, yields: y }, Kind::Table { index: j, yields: z }) => {
                i.len() == j.len()
                    && i.iter().zip(j).all(|(x, y)| inner(*x, *y))
                    && match (y, z) {
                        (None, None) => true,
                        (Some(y), Some(z)) => inner(*y, *z),
                        _ => false,
                    }
            }
            _ => false,
        }
    }

    /// Whether two ids denote the same type. Named records and enums are nominal here except that records with
    /// identical fields are interchangeable.
    pub fn same(&self, a: TypeId, b: TypeId) -> bool {
        let (ea, eb) = (self.entry(a), self.entry(b));
        if ea.canonical == eb.canonical {
            return true;
        }
        match (&ea.kind, &eb.kind) {
            (Kind::Record(x), Kind::Record(y)) => {
                let (x, y) = (self.layout(*x), self.layout(*y));
                x.fields.len() == y.fields.len()
                    && x.fields.iter().zip(&y.fields).all(|(f, g)| {
                        f.name == g.name
                            && f.optional == g.optional
                            && (f.ty == g.ty || self.canonical(f.ty) == self.canonical(g.ty))
                    })
            }
            (Kind::Table { index: i, yields: y }, Kind::Table { index: j, yields: z }) => {
                i.len() == j.len()
                    && i.iter().zip(j).all(|(a, b)| self.same(*a, *b))
                    && match (y, z) {
                        (None, None) => true,
                        (Some(a), Some(b)) => self.same(*a, *b),
                        _ => false,
                    }
            }
            (Kind::Vector(x), Kind::Vector(y)) => self.same(*x, *y),
            (Kind::List(x), Kind::List(y)) => x.len() == y.len() && x.iter().zip(y).all(|(a, b)| self.same(*a, *b)),
            (Kind::Func(f), Kind::Func(g)) => {
                f.flavor == g.flavor
                    && f.params.len() == g.params.len()
                    && f.params.iter().zip(g.params.iter()).all(|(p, q)| self.same(p.ty, q.ty))
                    && self.same(f.yields, g.yields)
            }
            _ => false,
        }
    }
}
