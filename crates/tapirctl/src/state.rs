//! What is remembered between commands: processes, what is expected of them, and which configuration is installed.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;

use serde_json::{Map, Value, json};

/// How long another command may keep this one waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// Keeps other commands from changing the same installation, until it is dropped.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits a while for others to be done.
    ///
    /// # Errors
    /// Who is at work, when it takes too long.
    pub fn take(spool: &Path) -> Result<Self, String> {
        let path = spool.join("lock");
        let fail = |e: std::io::Error| format!("cannot write {}: {e}", path.display());
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(fail)?;
        let begun = Instant::now();
        let mut told = false;
        while rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let owner = std::fs::read_to_string(&path).unwrap_or_default();
            if begun.elapsed() >= PATIENCE {
                return Err(format!("another tapirctl (process {}) is at work", owner.trim()));
            }
            if !std::mem::replace(&mut told, true) {
                eprintln!("waiting for another tapirctl (process {}) ...", owner.trim());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        file.set_len(0).map_err(fail)?;
        writeln!(file, "{}", std::process::id()).map_err(fail)?;
        Ok(Lock { _file: file })
    }
}

/// The state file of an installation.
pub struct State {
    file: PathBuf,
    values: Map<String, Value>,
}

impl State {
    /// Reads the state; a new installation has none.
    pub fn open(spool: &Path) -> Self {
        let file = spool.join("state.json");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let values = match serde_json::from_str(&text) {
            Ok(Value::Object(m)) => m,
            _ => Map::new(),
        };
        State { file, values }
    }

    /// Writes the state.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self) -> Result<(), String> {
        let text = format!("{:#}\n", Value::Object(self.values.clone()));
        let fresh = self.file.with_extension("new");
        std::fs::write(&fresh, text)
            .and_then(|()| std::fs::rename(&fresh, &self.file))
            .map_err(|e| format!("cannot write {}: {e}", self.file.display()))
    }

    /// A value as text.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key)?.as_str()
    }

    /// Sets a value.
    pub fn set(&mut self, key: &str, v: impl Into<Value>) {
        self.values.insert(key.into(), v.into());
    }

    /// The process id of a node.
    pub fn pid(&self, node: &str) -> Option<i32> {
        let pid = self.values.get(&format!("{node}-pid"))?.as_i64()?;
        i32::try_from(pid).ok().filter(|p| *p > 0)
    }

    /// Remembers a node's process, or that there is none.
    pub fn set_pid(&mut self, node: &str, pid: Option<u32>) {
        self.set(&format!("{node}-pid"), json!(pid));
    }

    /// Whether a node is meant to run.
    pub fn expected(&self, node: &str) -> bool {
        self.flag(&format!("{node}-expect-running"), false)
    }

    /// Remembers whether a node is meant to run.
    pub fn expect(&mut self, node: &str, running: bool) {
        self.set(&format!("{node}-expect-running"), running);
    }

    /// A truth value.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        self.values.get(key).and_then(Value::as_bool).unwrap_or(default)
    }
}
