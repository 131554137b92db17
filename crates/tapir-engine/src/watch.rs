//! The profile of scripts (`--profile-scripts`) and the trace of their execution (`--tracefile`).
//!
//! Of several nodes in one process each has a trace of its own, and there is one profile of all.
//!
//! Owns: both files. Must not know: how scripts run.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tapir_vm::watch::{Entered, Watcher};

use crate::config::Config;

/// How often a body ran, and how long altogether, with what it called.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    calls: u64,
    time: Duration,
}

/// Figures by function, file and line.
type Table = HashMap<(String, String, u32), Figures>;

/// A profile, to which the nodes of a process add what they have counted.
#[derive(Default)]
pub struct Profile(Mutex<Table>);

impl std::fmt::Debug for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Profile")
    }
}

impl Profile {
    fn add(&self, more: &Table) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, f) in more {
            let sum = all.entry(key.clone()).or_default();
            sum.calls += f.calls;
            sum.time += f.time;
        }
    }

    /// Writes what all nodes have added.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), String> {
        let mut out = output(path)?;
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = out.write_all(table(&all).as_bytes()).and_then(|()| out.flush());
        written.map_err(|e| format!("cannot write the profile of scripts: {e}"))
    }
}

fn table(figures: &Table) -> String {
    let mut rows: Vec<_> = figures.iter().collect();
    rows.sort_by(|a, b| b.1.time.cmp(&a.1.time).then(a.0.cmp(b.0)));
    let mut text = String::from("#fields\tfunction\tlocation\tcalls\ttime\n#types\tstring\tstring\tcount\tinterval\n");
    for ((name, file, line), f) in rows {
        text += &format!("{name}\t{file}:{line}\t{}\t{:.6}\n", f.calls, f.time.as_secs_f64());
    }
    text
}

fn create(path: &Path) -> Result<File, String> {
    File::create(path).map_err(|e| format!("cannot create {}: {e}", path.display()))
}

fn output(path: &Path) -> Result<Box<dyn Write>, String> {
    Ok(match path.as_os_str() == "-" {
        true => Box::new(std::io::stdout()),
        false => Box::new(create(path)?),
    })
}

/// Where figures go at the end.
enum Sum {
    File(Box<dyn Write>),
    Shared(std::sync::Arc<Profile>),
}

/// Writes both files.
struct Files {
    profile: Option<Sum>,
    figures: Table,
    trace: Option<BufWriter<File>>,
}

impl Watcher for Files {
    fn enter(&mut self, body: Entered<'_>) {
        if let Some(trace) = &mut self.trace {
            // A full disk ends the trace, not the analysis.
            let line = format!(
                "{:.6} {:indent$}{} {}:{}",
                body.now,
                "",
                body.name,
                body.file,
                body.line,
                indent = body.depth.saturating_sub(1) * 2
            );
            if writeln!(trace, "{line}").is_err() {
                self.trace = None;
            }
        }
    }

    fn leave(&mut self, body: Entered<'_>, took: Duration) {
        if self.profile.is_some() {
            let key = (body.name.to_string(), body.file.to_string(), body.line);
            let figures = self.figures.entry(key).or_default();
            figures.calls += 1;
            figures.time += took;
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        match &mut self.profile {
            None => {}
            Some(Sum::Shared(all)) => all.add(&self.figures),
            Some(Sum::File(out)) => {
                if let Err(e) = out
                    .write_all(table(&self.figures).as_bytes())
                    .and_then(|()| out.flush())
                {
                    eprintln!("warning: cannot write the profile of scripts: {e}");
                }
            }
        }
    }
}

/// Who writes the files that were asked for; `None` when there are none.
///
/// # Errors
/// When a file cannot be created.
pub fn watcher(config: &Config) -> Result<Option<Box<dyn Watcher>>, String> {
    if config.profile.is_none() && config.trace_file.is_none() {
        return Ok(None);
    }
    let profile = match (&config.shared_profile, &config.profile) {
        (Some(all), _) => Some(Sum::Shared(all.clone())),
        (None, Some(path)) => Some(Sum::File(output(path)?)),
        (None, None) => None,
    };
    let trace = config.trace_file.as_deref().map(create).transpose()?;
    Ok(Some(Box::new(Files {
        profile,
        figures: HashMap::new(),
        trace: trace.map(BufWriter::new),
    })))
}
