//! Interned names: a name is a small number, so scopes are arrays and comparisons are free.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

/// An interned name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(pub u32);

impl Symbol {
    /// The empty name; as a module it is the global namespace.
    pub const EMPTY: Symbol = Symbol(0);
    /// `_`.
    pub const BLANK: Symbol = Symbol(1);
}

/// A quick hash for short keys that the program's author chooses, not an attacker.
#[derive(Default, Clone)]
pub struct FastHasher(u64);

impl Hasher for FastHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
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

/// All names of a program.
pub struct Interner {
    map: FastMap<Rc<str>, Symbol>,
    names: Vec<Rc<str>>,
    joined: FastMap<(Symbol, Symbol), Symbol>,
}

impl Interner {
    /// An interner that knows the fixed symbols.
    pub fn new() -> Self {
        let mut interner = Interner {
            map: FastMap::default(),
            names: Vec::new(),
            joined: FastMap::default(),
        };
        interner.intern("");
        interner.intern("_");
        interner
    }

    /// The symbol of a name, made on first use.
    pub fn intern(&mut self, name: &str) -> Symbol {
        if let Some(&symbol) = self.map.get(name) {
            return symbol;
        }
        let symbol = Symbol(self.names.len() as u32);
        let name: Rc<str> = name.into();
        self.names.push(name.clone());
        self.map.insert(name, symbol);
        symbol
    }

    /// The symbol of a name that was interned before.
    pub fn get(&self, name: &str) -> Option<Symbol> {
        self.map.get(name).copied()
    }

    /// The text of a name.
    pub fn text(&self, symbol: Symbol) -> &Rc<str> {
        &self.names[symbol.0 as usize]
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// All names.
    pub fn all(&self) -> &[Rc<str>] {
        &self.names
    }

    /// `module::name`, or `name` itself when it is qualified or the module is the global namespace.
    pub fn qualify(&mut self, module: Symbol, name: Symbol) -> Symbol {
        if module == Symbol::EMPTY {
            return name;
        }
        if let Some(&symbol) = self.joined.get(&(module, name)) {
            return symbol;
        }
        let symbol = if self.text(name).contains("::") {
            name
        } else {
            let joined = format!("{}::{}", self.text(module), self.text(name));
            self.intern(&joined)
        };
        self.joined.insert((module, name), symbol);
        symbol
    }
}
