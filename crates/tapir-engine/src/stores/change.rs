//! What can be done to a stored value without reading it first.

use tapir_data::broker::Data;

/// A change of one value.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Adds to a number, time or interval; where there is no value, it becomes the first.
    Add(Data),
    Subtract(Data),
    /// Adds to the end of a string.
    Append(Data),
    /// A new element of a set.
    Insert(Data),
    /// A new entry of a table.
    InsertEntry(Data, Data),
    /// Removes an element of a set or an entry of a table.
    Remove(Data),
    /// A new last element of a vector.
    Push(Data),
    /// Removes the last element of a vector.
    Pop,
}

/// Why a value stays as it was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// There is no such key.
    NoKey,
    /// The value is of a kind to which this cannot be done.
    OtherKind,
    /// The store's file could not be written.
    File(String),
}

impl std::fmt::Display for Why {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Why::NoKey => "there is no such key",
            Why::OtherKind => "the value has another type",
            Why::File(why) => why,
        })
    }
}

impl Change {
    /// Makes the change.
    pub(super) fn apply(self, to: &mut Data) -> Result<(), Why> {
        match (self, to) {
            (Change::Add(Data::Count(by)), Data::Count(n)) => *n = n.wrapping_add(by),
            (Change::Add(Data::Int(by)), Data::Int(n)) => *n = n.wrapping_add(by),
            (Change::Add(Data::Real(by)), Data::Real(n)) => *n += by,
            (Change::Add(Data::Timespan(by)), Data::Timestamp(n) | Data::Timespan(n)) => *n = n.wrapping_add(by),
            (Change::Subtract(Data::Count(by)), Data::Count(n)) => *n = n.wrapping_sub(by),
            (Change::Subtract(Data::Int(by)), Data::Int(n)) => *n = n.wrapping_sub(by),
            (Change::Subtract(Data::Real(by)), Data::Real(n)) => *n -= by,
            (Change::Subtract(Data::Timespan(by)), Data::Timestamp(n) | Data::Timespan(n)) => *n = n.wrapping_sub(by),
            (Change::Append(Data::String(more)), Data::String(s)) => s.extend_from_slice(&more),
            (Change::Insert(item), Data::Set(items)) => {
                if let Err(at) = items.binary_search(&item) {
                    items.insert(at, item);
                }
            }
            (Change::InsertEntry(key, value), Data::Table(entries)) => {
                match entries.binary_search_by(|e| e.0.cmp(&key)) {
                    Ok(at) => entries[at].1 = value,
                    Err(at) => entries.insert(at, (key, value)),
                }
            }
            (Change::Remove(item), Data::Set(items)) => {
                if let Ok(at) = items.binary_search(&item) {
                    items.remove(at);
                }
            }
            (Change::Remove(key), Data::Table(entries)) => {
                if let Ok(at) = entries.binary_search_by(|e| e.0.cmp(&key)) {
                    entries.remove(at);
                }
            }
            (Change::Push(item), Data::Vector(items)) => items.push(item),
            (Change::Pop, Data::Vector(items)) => {
                items.pop();
            }
            _ => return Err(Why::OtherKind),
        }
        Ok(())
    }

    /// The value that the change makes of nothing.
    pub(super) fn first(self) -> Result<Data, Why> {
        Ok(match self {
            Change::Add(d @ (Data::Count(_) | Data::Int(_) | Data::Real(_) | Data::Timespan(_))) => d,
            Change::Append(d @ Data::String(_)) => d,
            Change::Insert(item) => Data::Set(vec![item]),
            Change::InsertEntry(key, value) => Data::Table(vec![(key, value)]),
            Change::Push(item) => Data::Vector(vec![item]),
            Change::Add(_) | Change::Append(_) => return Err(Why::OtherKind),
            Change::Subtract(_) | Change::Remove(_) | Change::Pop => return Err(Why::NoKey),
        })
    }
}

/// What a value gives for an index: whether it is in a set, or what a table or a vector has there. `None` where there
/// is nothing, or where the value has no indexes.
pub(crate) fn at_index(value: &Data, index: &Data) -> Option<Data> {
    match (value, index) {
        (Data::Set(items), _) => Some(Data::Bool(items.binary_search(index).is_ok())),
        (Data::Table(entries), _) => {
            let at = entries.binary_search_by(|e| e.0.cmp(index)).ok()?;
            Some(entries[at].1.clone())
        }
        (Data::Vector(items), Data::Count(n)) => items.get(usize::try_from(*n).ok()?).cloned(),
        (Data::Vector(items), Data::Int(n)) => items.get(usize::try_from(*n).ok()?).cloned(),
        _ => None,
    }
}
