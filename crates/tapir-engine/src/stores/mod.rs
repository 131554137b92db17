//! Broker data stores: named tables of keys and values that scripts read and change through handles.
//!
//! A store belongs to the process. Its master keeps the data, in memory or in an SQLite file as well; clones are further
//! handles to the same data, on any node that lives in this process. A clone that comes before its master holds the data
//! until the master takes it over. Clones in other processes have a store of their own, which `cluster/stores` keeps like
//! that of the master. Must not know: scripts and their values; those are in `bif/cluster/stores.rs`.

mod change;
mod messages;
mod persistent;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tapir_data::broker::{Data, binary};

pub(crate) use change::{Change, Why};

use change::at_index;
pub(crate) use messages::{Deed, EVENT, Heard, Item, Message, clone_topic, master_topic, node_of, own_topic, store_of};
pub(crate) use persistent::{Persistent, PersistentOptions};

/// All stores of a process by name.
pub type Shelf = Arc<Mutex<HashMap<String, SharedStore>>>;

/// A store as several handles hold it.
pub type SharedStore = Arc<Mutex<Store>>;

/// Locks what no panic can leave half changed: every change is made by one call that cannot fail midway.
pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Entry {
    value: Data,
    /// When it is over.
    expires: Option<f64>,
}

/// What can be asked of a store.
#[derive(Clone, Debug)]
pub(crate) enum Query {
    Exists(Data),
    Get(Data),
    /// What a value has at an index.
    At(Data, Data),
    Keys,
}

/// One store.
#[derive(Default)]
pub struct Store {
    entries: BTreeMap<Data, Entry>,
    /// The earliest time at which an entry may be over.
    next_expiry: Option<f64>,
    file: Option<Persistent>,
    has_master: bool,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a store of {} entries", self.entries.len())
    }
}

impl Store {
    /// Gives the store its master; the entries of a file are added to what clones have left here.
    pub(crate) fn take_master(&mut self, file: Option<(Persistent, persistent::Entries)>) -> Result<(), String> {
        self.has_master = true;
        let Some((file, found)) = file else {
            return Ok(());
        };
        self.file = Some(file);
        let early: Vec<Data> = self.entries.keys().cloned().collect();
        for (key, value, expires) in found {
            self.note_expiry(expires);
            self.entries.entry(key).or_insert(Entry { value, expires });
        }
        early.iter().try_for_each(|key| self.write(key))
    }

    pub(crate) fn has_master(&self) -> bool {
        self.has_master
    }

    /// Ends the store's file; who still holds the store sees an empty one.
    pub(crate) fn close(&mut self) -> Result<(), String> {
        self.has_master = false;
        self.entries.clear();
        self.next_expiry = None;
        match self.file.take() {
            Some(file) => file.close(),
            None => Ok(()),
        }
    }

    fn note_expiry(&mut self, at: Option<f64>) {
        if let Some(at) = at {
            self.next_expiry = Some(self.next_expiry.map_or(at, |n| n.min(at)));
        }
    }

    /// Removes what is over.
    fn sweep(&mut self, now: f64) -> Result<(), String> {
        if self.next_expiry.is_none_or(|at| at > now) {
            return Ok(());
        }
        let mut next: Option<f64> = None;
        let mut gone = Vec::new();
        self.entries.retain(|key, e| {
            let Some(at) = e.expires else { return true };
            if at <= now {
                gone.push(key.clone());
                return false;
            }
            next = Some(next.map_or(at, |n| n.min(at)));
            true
        });
        self.next_expiry = next;
        gone.iter().try_for_each(|key| self.write(key))
    }

    /// Brings the file up to date with one entry.
    fn write(&mut self, key: &Data) -> Result<(), String> {
        match (&mut self.file, self.entries.get(key)) {
            (None, _) => Ok(()),
            (Some(file), Some(e)) => file.put(key, &e.value, e.expires),
            (Some(file), None) => file.erase(key),
        }
    }

    /// The value of a key.
    pub(crate) fn get(&mut self, key: &Data, now: f64) -> Result<Option<&Data>, String> {
        self.sweep(now)?;
        Ok(self.entries.get(key).map(|e| &e.value))
    }

    /// The answer to a query, if there is one.
    pub(crate) fn ask(&mut self, query: &Query, now: f64) -> Result<Option<Data>, String> {
        Ok(match query {
            Query::Exists(key) => Some(Data::Bool(self.get(key, now)?.is_some())),
            Query::Get(key) => self.get(key, now)?.cloned(),
            Query::At(key, index) => self.get(key, now)?.and_then(|v| at_index(v, index)),
            Query::Keys => Some(Data::Set(self.keys(now)?)),
        })
    }

    /// Entries behind a key, or from the first one, in order, and whether they are the last: at most so many, and no more once
    /// they take so many bytes in a message.
    pub(crate) fn part(
        &mut self,
        after: Option<&Data>,
        (entries_max, bytes_max): (usize, usize),
        now: f64,
    ) -> Result<(Vec<Item>, bool), String> {
        self.sweep(now)?;
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self.entries.range((start, Bound::Unbounded));
        let (mut items, mut bytes) = (Vec::new(), Vec::new());
        while items.len() < entries_max && bytes.len() < bytes_max {
            let Some((key, e)) = rest.next() else {
                return Ok((items, true));
            };
            binary::encode(key, &mut bytes);
            binary::encode(&e.value, &mut bytes);
            items.push((key.clone(), e.value.clone(), e.expires.map(|at| at - now)));
        }
        Ok((items, rest.next().is_none()))
    }

    /// Takes over the entries of another store, which has no file, as this one has none.
    pub(crate) fn replace(&mut self, other: Store) {
        self.entries = other.entries;
        self.next_expiry = other.next_expiry;
    }

    /// Makes a change; what it sets lasts until a time, or for ever.
    ///
    /// # Errors
    /// Why all is as it was.
    pub(crate) fn carry_out(&mut self, deed: Deed, expires: Option<f64>, now: f64) -> Result<(), Why> {
        match deed {
            Deed::Put(key, value) => self.put(key, value, expires, now).map_err(Why::File),
            Deed::Erase(key) => self.erase(&key).map_err(Why::File),
            Deed::Clear => self.clear().map_err(Why::File),
            Deed::Change(key, how) => self.change(key, how, expires, now),
        }
    }

    /// All keys, in order.
    pub(crate) fn keys(&mut self, now: f64) -> Result<Vec<Data>, String> {
        self.sweep(now)?;
        Ok(self.entries.keys().cloned().collect())
    }

    /// Sets a value until a time, or for ever.
    pub(crate) fn put(&mut self, key: Data, value: Data, expires: Option<f64>, now: f64) -> Result<(), String> {
        self.sweep(now)?;
        self.note_expiry(expires);
        self.entries.insert(key.clone(), Entry { value, expires });
        self.write(&key)
    }

    /// Sets a value where there is none; gives whether it did.
    pub(crate) fn put_unique(
        &mut self,
        key: Data,
        value: Data,
        expires: Option<f64>,
        now: f64,
    ) -> Result<bool, String> {
        self.sweep(now)?;
        if self.entries.contains_key(&key) {
            return Ok(false);
        }
        self.put(key, value, expires, now).map(|()| true)
    }

    /// Removes a key.
    pub(crate) fn erase(&mut self, key: &Data) -> Result<(), String> {
        self.entries.remove(key);
        self.write(key)
    }

    /// Removes everything.
    pub(crate) fn clear(&mut self) -> Result<(), String> {
        self.entries.clear();
        self.next_expiry = None;
        match &mut self.file {
            Some(file) => file.clear(),
            None => Ok(()),
        }
    }

    /// Changes the value of a key in its place.
    ///
    /// # Errors
    /// Why it stays as it was.
    pub(crate) fn change(&mut self, key: Data, how: Change, expires: Option<f64>, now: f64) -> Result<(), Why> {
        self.sweep(now).map_err(Why::File)?;
        match self.entries.get_mut(&key) {
            Some(e) => {
                how.apply(&mut e.value)?;
                e.expires = expires;
            }
            None => {
                let value = how.first()?;
                self.entries.insert(key.clone(), Entry { value, expires });
            }
        }
        self.note_expiry(expires);
        self.write(&key).map_err(Why::File)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(s: &str) -> Data {
        Data::str(s)
    }

    #[test]
    fn values_change_in_their_place() {
        let mut s = Store::default();
        let count = |n| Change::Add(Data::Count(n));
        s.change(key("n"), count(3), None, 0.0).unwrap();
        s.change(key("n"), count(4), None, 0.0).unwrap();
        s.change(key("n"), Change::Subtract(Data::Count(2)), None, 0.0).unwrap();
        assert_eq!(s.get(&key("n"), 0.0).unwrap(), Some(&Data::Count(5)));
        assert_eq!(
            s.change(key("n"), Change::Add(Data::Int(1)), None, 0.0),
            Err(Why::OtherKind)
        );
        assert_eq!(s.change(key("x"), Change::Pop, None, 0.0), Err(Why::NoKey));
        s.change(key("s"), Change::Insert(Data::Count(2)), None, 0.0).unwrap();
        s.change(key("s"), Change::Insert(Data::Count(1)), None, 0.0).unwrap();
        s.change(key("s"), Change::Remove(Data::Count(2)), None, 0.0).unwrap();
        assert_eq!(s.get(&key("s"), 0.0).unwrap(), Some(&Data::Set(vec![Data::Count(1)])));
        assert!(!s.put_unique(key("s"), Data::None, None, 0.0).unwrap());
        assert_eq!(s.keys(0.0).unwrap(), [key("n"), key("s")]);
    }

    #[test]
    fn entries_are_given_in_parts() {
        let mut s = Store::default();
        for i in 0..10 {
            s.put(Data::Count(i), Data::str(vec![b'x'; 100]), Some(5.0), 0.0)
                .unwrap();
        }
        let keys = |s: &mut Store, after: Option<u64>, limits| {
            let (items, last) = s.part(after.map(Data::Count).as_ref(), limits, 1.0).unwrap();
            assert!(items.iter().all(|i| i.2 == Some(4.0)));
            let key = |(k, ..): &Item| match k {
                Data::Count(n) => *n,
                _ => 99,
            };
            (items.iter().map(key).collect::<Vec<_>>(), last)
        };
        assert_eq!(keys(&mut s, None, (4, 9999)), (vec![0, 1, 2, 3], false));
        // One that is too large by itself is given all the same.
        assert_eq!(keys(&mut s, Some(3), (4, 1)), (vec![4], false));
        assert_eq!(keys(&mut s, Some(5), (4, 9999)), (vec![6, 7, 8, 9], true));
        assert_eq!(keys(&mut s, Some(9), (4, 9999)), (vec![], true));
    }

    #[test]
    fn entries_end() {
        let mut s = Store::default();
        s.put(key("a"), Data::Count(1), Some(10.0), 0.0).unwrap();
        s.put(key("b"), Data::Count(1), Some(20.0), 0.0).unwrap();
        s.put(key("c"), Data::Count(1), None, 0.0).unwrap();
        assert!(s.get(&key("a"), 9.0).unwrap().is_some());
        assert_eq!(s.keys(10.0).unwrap(), [key("b"), key("c")]);
        // Every change sets the time anew.
        s.change(key("b"), Change::Add(Data::Count(1)), None, 11.0).unwrap();
        assert_eq!(s.get(&key("b"), 99.0).unwrap(), Some(&Data::Count(2)));
        assert!(s.put_unique(key("a"), Data::Count(7), None, 99.0).unwrap());
    }
}
