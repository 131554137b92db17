//! The file of a store: an SQLite table of keys and values in Broker's binary form, written in hexadecimal.

use tapir_data::broker::{Data, binary};

use crate::storage::{Backend, Failure, Sqlite, SqliteOptions};

/// Key, value and when it is over.
pub(super) type Entries = Vec<(Data, Data, Option<f64>)>;

/// What a script says about the file.
pub(crate) struct PersistentOptions {
    pub path: String,
    pub pragmas: Vec<(String, String)>,
    /// Begin anew where the file cannot be used, instead of failing.
    pub replace_broken: bool,
}

/// An open file.
pub(crate) struct Persistent {
    db: Box<Sqlite>,
}

fn hex(d: &Data) -> String {
    use std::fmt::Write;
    let bytes = binary::to_bytes(d);
    let mut out = String::with_capacity(bytes.len() * 2);
    for b in bytes {
        // Writing to a string does not fail.
        let _ = write!(out, "{b:02x}");
    }
    out
}

fn unhex(text: &str) -> Option<Data> {
    if !text.is_ascii() {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(text.get(i..i + 2)?, 16).ok())
        .collect();
    binary::decode(&bytes?).ok()
}

fn said(f: Failure) -> String {
    match f {
        Failure::Lost(e) | Failure::Timeout(e) | Failure::Other(e) => e,
        Failure::KeyExists => "the key exists".into(),
        Failure::KeyNotFound => "there is no such key".into(),
    }
}

impl Persistent {
    /// Opens or makes the file, and gives what it holds.
    ///
    /// # Errors
    /// What SQLite says, or that the file holds something else.
    pub(crate) fn open(o: PersistentOptions) -> Result<(Self, Entries), String> {
        let sqlite = SqliteOptions {
            path: o.path,
            table: "store".into(),
            busy_secs: 5.0,
            pragmas: o.pragmas,
            pragma_secs: 5.0,
            pragma_pause_secs: 0.005,
        };
        match Self::try_open(&sqlite) {
            Err(_) if o.replace_broken => {
                std::fs::remove_file(&sqlite.path).map_err(|e| format!("{}: {e}", sqlite.path))?;
                Self::try_open(&sqlite)
            }
            other => other,
        }
    }

    fn try_open(o: &SqliteOptions) -> Result<(Self, Entries), String> {
        let db = Box::new(Sqlite::open(o)?);
        let mut entries = Vec::new();
        for (key, value, at) in db.all().map_err(|f| format!("{}: {}", o.path, said(f)))? {
            let (Some(key), Some(value)) = (unhex(&key), unhex(&value)) else {
                return Err(format!("{} is not the file of a data store", o.path));
            };
            entries.push((key, value, at.filter(|t| *t > 0.0)));
        }
        Ok((Persistent { db }, entries))
    }

    pub(super) fn put(&mut self, key: &Data, value: &Data, expires: Option<f64>) -> Result<(), String> {
        // From time 0 on, a duration is a moment.
        let at = expires.unwrap_or(0.0);
        self.db.put(&hex(key), &hex(value), true, at, 0.0).map_err(said)
    }

    pub(super) fn erase(&mut self, key: &Data) -> Result<(), String> {
        self.db.erase(&hex(key)).map_err(said)
    }

    pub(super) fn clear(&mut self) -> Result<(), String> {
        self.db.clear().map_err(said)
    }

    pub(super) fn close(self) -> Result<(), String> {
        self.db.close()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Change, Store};
    use super::*;

    fn options(path: &std::path::Path, replace_broken: bool) -> PersistentOptions {
        PersistentOptions {
            path: path.to_string_lossy().into_owned(),
            pragmas: vec![("journal_mode".into(), "wal".into())],
            replace_broken,
        }
    }

    #[test]
    fn a_store_comes_back() {
        let dir = std::env::temp_dir().join(format!("tapir-store-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("a.sqlite");
        let open = || Persistent::open(options(&path, false)).unwrap();
        let mut s = Store::default();
        s.put(Data::str("early"), Data::Count(1), None, 0.0).unwrap();
        s.take_master(Some(open())).unwrap();
        let text = Data::str(b"\x00\xff");
        s.put(text.clone(), Data::Real(0.5), Some(50.0), 1.0).unwrap();
        s.change(Data::str("v"), Change::Push(text.clone()), None, 1.0).unwrap();
        s.put(Data::str("x"), Data::None, None, 1.0).unwrap();
        s.erase(&Data::str("x")).unwrap();
        s.close().unwrap();
        let mut s = Store::default();
        s.take_master(Some(open())).unwrap();
        assert_eq!(s.keys(2.0).unwrap(), [text.clone(), Data::str("early"), Data::str("v")]);
        assert_eq!(s.get(&text, 49.0).unwrap(), Some(&Data::Real(0.5)));
        assert_eq!(s.get(&text, 50.0).unwrap(), None);
        assert_eq!(s.get(&Data::str("v"), 50.0).unwrap(), Some(&Data::Vector(vec![text])));
        s.clear().unwrap();
        s.close().unwrap();
        assert!(open().1.is_empty());
        std::fs::write(&path, "no database at all, but a text of some length").unwrap();
        let _ = std::fs::remove_file(dir.join("a.sqlite-wal"));
        assert!(Persistent::open(options(&path, false)).is_err());
        assert!(Persistent::open(options(&path, true)).unwrap().1.is_empty());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
