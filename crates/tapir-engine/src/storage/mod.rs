//! Key-value backends of the storage framework, below the level of script values: keys and values are serialized texts.
//! Must not know: scripts.

mod redis;
mod sqlite;

pub(crate) use redis::{Redis, RedisOptions};
pub(crate) use sqlite::{Sqlite, SqliteOptions};

/// Why an operation did not work.
#[derive(Debug)]
pub(crate) enum Failure {
    KeyExists,
    KeyNotFound,
    /// The connection is gone, and so is the backend.
    Lost(String),
    Timeout(String),
    Other(String),
}

/// An open store.
pub(crate) trait Backend {
    /// Stores a value until `expires` seconds after `now`, 0 for ever.
    fn put(&mut self, key: &str, value: &str, overwrite: bool, expires: f64, now: f64) -> Result<(), Failure>;

    /// The value of a key that is not over.
    fn get(&mut self, key: &str, now: f64) -> Result<String, Failure>;

    /// Removes a key; one that is not there is as good as removed.
    fn erase(&mut self, key: &str) -> Result<(), Failure>;

    /// Removes what is over.
    fn sweep(&mut self, now: f64) -> Result<(), Failure>;

    /// Ends the connection.
    fn close(self: Box<Self>) -> Result<(), String>;
}
