//! Interned names: a name is a small number, so scopes are arrays and comparisons are free.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::lex::Kw;
use crate::lex::ready::Names;

/// An interned name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(pub u32);

impl Symbol {
    /// The empty name; as a module it is the global namespace.
    pub const EMPTY: Symbol = Symbol(0);
    /// `_`.
    pub const BLANK: Symbol = Symbol(1);
    /// The first of the reserved words.
    const RESERVED: u32 = 2;

    /// The reserved word that this is, if it is one.
    #[inline]
    pub fn reserved(self) -> Option<Kw> {
        Kw::WORDS.get(self.0.wrapping_sub(Self::RESERVED) as usize).copied()
    }
}

/// A quick hash for short keys that the program's author chooses, not an attacker.
#[derive(Default, Clone)]
pub struct FastHasher(u64);

impl Hasher for FastHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
    fn write(&mut self, bytes: &[u8]) {
        let word = |at: usize| bytes[at..].first_chunk().map_or(0, |w| u64::from_le_bytes(*w));
        let half = |at: usize| {
            bytes[at..]
                .first_chunk()
                .map_or(0, |w| u64::from(u32::from_le_bytes(*w)))
        };
        // The last word overlaps the one before, so that nothing is copied piece by piece.
        match bytes.len() {
            0 => {}
            n @ 1..4 => {
                let ends = u64::from(bytes[0]) | u64::from(bytes[n / 2]) << 8 | u64::from(bytes[n - 1]) << 16;
                self.write_u64(ends | (n as u64) << 24);
            }
            n @ 4..8 => self.write_u64(half(0) | half(n - 4) << 32),
            n => {
                let mut at = 0;
                while at + 8 < n {
                    self.write_u64(word(at));
                    at += 8;
                }
                self.write_u64(word(n - 8));
            }
        }
    }
    fn write_u8(&mut self, v: u8) {
        self.write_u64(u64::from(v));
    }
    fn write_u32(&mut self, v: u32) {
        self.write_u64(u64::from(v));
    }
    fn write_u64(&mut self, v: u64) {
        self.0 = (self.0.rotate_left(5) ^ v).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
    fn write_usize(&mut self, v: usize) {
        self.write_u64(v as u64);
    }
}

/// A map with [`FastHasher`].
pub type FastMap<K, V> = HashMap<K, V, BuildHasherDefault<FastHasher>>;

/// So many names have room at first; the scripts that come with the program have about as many.
const NAMES: usize = 12_000;

/// All names of a program.
pub struct Interner {
    table: HashTable<Symbol>,
    names: Vec<Arc<str>>,
    joined: FastMap<(Symbol, Symbol), Symbol>,
    /// Where qualified names are put together.
    buffer: String,
    /// The names whose symbols are in `ready`.
    ready_names: &'static Names,
    /// The symbols of those that were met, by number; what others have is `EMPTY`.
    ready: Vec<Symbol>,
}

fn hash(name: &[u8]) -> u64 {
    let mut hasher = FastHasher::default();
    hasher.write(name);
    hasher.finish()
}

impl Interner {
    /// An interner that knows the fixed symbols and the reserved words.
    pub fn new() -> Self {
        let mut interner = Interner {
            table: HashTable::with_capacity(NAMES),
            names: Vec::with_capacity(NAMES),
            joined: FastMap::with_capacity_and_hasher(NAMES / 2, Default::default()),
            buffer: String::new(),
            ready_names: Names::NONE,
            ready: Vec::new(),
        };
        interner.intern("");
        interner.intern("_");
        for word in Kw::ALL {
            interner.intern(word);
        }
        interner
    }

    /// One that knows nothing, to stand for another.
    pub(crate) fn blank() -> Self {
        Interner {
            table: HashTable::new(),
            names: Vec::new(),
            joined: FastMap::default(),
            buffer: String::new(),
            ready_names: Names::NONE,
            ready: Vec::new(),
        }
    }

    fn find(&self, name: &[u8], hash: u64) -> Option<Symbol> {
        let is = |s: &Symbol| self.names[s.0 as usize].as_bytes() == name;
        self.table.find(hash, is).copied()
    }

    fn add(&mut self, name: &str, of: u64) -> Symbol {
        let symbol = Symbol(self.names.len() as u32);
        self.names.push(name.into());
        let names = &self.names;
        self.table
            .insert_unique(of, symbol, |s| hash(names[s.0 as usize].as_bytes()));
        symbol
    }

    /// The symbol of a name, made on first use.
    pub fn intern(&mut self, name: &str) -> Symbol {
        let hash = hash(name.as_bytes());
        match self.find(name.as_bytes(), hash) {
            Some(symbol) => symbol,
            None => self.add(name, hash),
        }
    }

    /// The same for a name in a text that may be no UTF-8 elsewhere.
    pub fn intern_ascii(&mut self, name: &[u8]) -> Symbol {
        let hash = hash(name);
        match self.find(name, hash) {
            Some(symbol) => symbol,
            None => self.add(&String::from_utf8_lossy(name), hash),
        }
    }

    /// The symbol of a name of scripts that come with the program, by its number, if it was met before.
    #[inline]
    pub(crate) fn known_ready(&self, names: &'static Names, i: usize) -> Option<Symbol> {
        let symbol = *self.ready.get(i)?;
        (symbol != Symbol::EMPTY && std::ptr::eq(names, self.ready_names)).then_some(symbol)
    }

    /// Remembers it.
    pub(crate) fn note_ready(&mut self, names: &'static Names, i: usize, symbol: Symbol) {
        if self.ready.is_empty() {
            self.ready_names = names;
            self.ready.resize(names.len(), Symbol::EMPTY);
        }
        if let Some(place) = self.ready.get_mut(i).filter(|_| std::ptr::eq(names, self.ready_names)) {
            *place = symbol;
        }
    }

    /// The symbol of a name that was interned before.
    pub fn get(&self, name: &str) -> Option<Symbol> {
        self.find(name.as_bytes(), hash(name.as_bytes()))
    }

    /// The text of a name.
    pub fn text(&self, symbol: Symbol) -> &Arc<str> {
        &self.names[symbol.0 as usize]
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// All names.
    pub fn all(&self) -> &[Arc<str>] {
        &self.names
    }

    /// Whether a name is written with a module, or as one of the global namespace.
    pub fn is_qualified(&self, name: Symbol) -> bool {
        // Single colons are in no name.
        memchr::memchr(b':', self.text(name).as_bytes()).is_some()
    }

    /// `module::name`, or `name` itself when it is qualified or the module is the global namespace.
    pub fn qualify(&mut self, module: Symbol, name: Symbol) -> Symbol {
        if module == Symbol::EMPTY {
            return name;
        }
        if let Some(&symbol) = self.joined.get(&(module, name)) {
            return symbol;
        }
        let symbol = if self.is_qualified(name) {
            name
        } else {
            let mut joined = std::mem::take(&mut self.buffer);
            joined.clear();
            joined.push_str(self.text(module));
            joined.push_str("::");
            joined.push_str(self.text(name));
            let symbol = self.intern(&joined);
            self.buffer = joined;
            symbol
        };
        self.joined.insert((module, name), symbol);
        symbol
    }
}
