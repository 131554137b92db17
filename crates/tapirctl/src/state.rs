//! What is remembered between commands: processes, what is expected of them, and which configuration is installed.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

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
