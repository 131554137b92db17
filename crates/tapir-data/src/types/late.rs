//! Types that are made when a program is complete and shared: bodies of functions that are checked at their first use may
//! need types that nothing mentioned before. They are appended behind the others; nothing that is there ever moves.

use std::array;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use foldhash::{HashMap, HashMapExt};

use super::{Entry, Kind, RecordType, TypeId};

/// So many entries has the first block; each further one has twice as many as the one before.
const FIRST: usize = 64;
/// With this many blocks there is room for all ids.
const BLOCKS: usize = 26;

/// A list that is read while it grows.
#[derive(Debug)]
pub(super) struct Shelf<T> {
    blocks: [OnceLock<Box<[OnceLock<T>]>>; BLOCKS],
}

impl<T> Shelf<T> {
    fn new() -> Self {
        Shelf {
            blocks: array::from_fn(|_| OnceLock::new()),
        }
    }

    /// In which block an entry is, and where.
    fn place(i: usize) -> (usize, usize) {
        let block = (i / FIRST + 1).ilog2() as usize;
        (block, i - FIRST * ((1 << block) - 1))
    }

    pub(super) fn get(&self, i: usize) -> Option<&T> {
        let (block, at) = Self::place(i);
        self.blocks.get(block)?.get()?.get(at)?.get()
    }

    /// Stores what is to be the entry `i`, once.
    fn put(&self, i: usize, value: T) {
        let (block, at) = Self::place(i);
        let empty = || (0..FIRST << block).map(|_| OnceLock::new()).collect();
        // A second value for a place would be a mistake of the one caller, who counts; the first stays.
        let _ = self.blocks[block].get_or_init(empty)[at].set(value);
    }

    fn into_list(self) -> impl Iterator<Item = T> {
        let blocks = self.blocks.into_iter().filter_map(OnceLock::into_inner);
        blocks.flat_map(|b| b.into_vec().into_iter().filter_map(OnceLock::into_inner))
    }
}

/// How many there are, and where structural types and spellings stand.
#[derive(Debug, Default)]
pub(super) struct Index {
    n_entries: usize,
    n_records: usize,
    interned: Option<HashMap<Kind, TypeId>>,
    pub(super) spellings: Option<HashMap<(TypeId, Arc<str>), TypeId>>,
}

/// The types behind those of a complete program.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) entries: Shelf<Entry>,
    pub(super) records: Shelf<RecordType>,
    index: Mutex<Index>,
}

impl Late {
    pub(super) fn new() -> Box<Self> {
        Box::new(Late {
            entries: Shelf::new(),
            records: Shelf::new(),
            index: Mutex::default(),
        })
    }

    /// Runs something that may append.
    pub(super) fn with<R>(&self, f: impl FnOnce(&Self, &mut Index) -> R) -> R {
        f(self, &mut self.index.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The index, for who has the types for himself.
    pub(super) fn with_mut(&mut self) -> &mut Index {
        self.index.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing was appended.
    pub(super) fn is_empty(&mut self) -> bool {
        self.with_mut().n_entries == 0
    }

    /// Appends an entry.
    pub(super) fn push(&self, index: &mut Index, entry: Entry) {
        self.entries.put(index.n_entries, entry);
        index.n_entries += 1;
    }

    pub(super) fn push_record(&self, index: &mut Index, record: RecordType) {
        self.records.put(index.n_records, record);
        index.n_records += 1;
    }

    /// The entries and records, in order.
    pub(super) fn take(self) -> (impl Iterator<Item = Entry>, impl Iterator<Item = RecordType>) {
        (self.entries.into_list(), self.records.into_list())
    }
}

impl Index {
    pub(super) fn n_entries(&self) -> usize {
        self.n_entries
    }

    pub(super) fn n_records(&self) -> usize {
        self.n_records
    }

    pub(super) fn find(&self, kind: &Kind) -> Option<TypeId> {
        self.interned.as_ref()?.get(kind).copied()
    }

    pub(super) fn remember(&mut self, kind: Kind, id: TypeId) {
        self.interned.get_or_insert_with(HashMap::new).insert(kind, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shelf_keeps_what_was_put_in_its_place() {
        let shelf = Shelf::new();
        assert!(shelf.get(0).is_none());
        for i in 0..1000 {
            shelf.put(i, i);
        }
        assert!((0..1000).all(|i| shelf.get(i) == Some(&i)));
        assert!(shelf.get(1000).is_none());
        assert_eq!(shelf.get(usize::MAX / 2), None);
        assert!(shelf.into_list().eq(0..1000));
    }
}
