//! The profile of scripts (`--profile-scripts`) and the trace of their execution (`--tracefile`).
//!
//! Owns: both files. Must not know: how scripts run.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use tapir_vm::watch::{Entered, Watcher};

use crate::config::Config;

/// How often a body ran, and how long altogether, with what it called.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    calls: u64,
    time: Duration,
}

/// Writes both files.
struct Files {
    profile: Option<Box<dyn Write>>,
    figures: HashMap<(String, String, u32), Figures>,
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
        let Some(out) = &mut self.profile else { return };
        let mut rows: Vec<_> = self.figures.iter().collect();
        rows.sort_by(|a, b| b.1.time.cmp(&a.1.time).then(a.0.cmp(b.0)));
        let mut text =
            String::from("#fields\tfunction\tlocation\tcalls\ttime\n#types\tstring\tstring\tcount\tinterval\n");
        for ((name, file, line), f) in rows {
            text += &format!("{name}\t{file}:{line}\t{}\t{:.6}\n", f.calls, f.time.as_secs_f64());
        }
        if let Err(e) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            eprintln!("warning: cannot write the profile of scripts: {e}");
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
    let create = |path: &Path| File::create(path).map_err(|e| format!("cannot create {}: {e}", path.display()));
    let profile: Option<Box<dyn Write>> = match &config.profile {
        None => None,
        Some(p) if p.as_os_str() == "-" => Some(Box::new(std::io::stdout())),
        Some(p) => Some(Box::new(create(p)?)),
    };
    let trace = config.trace_file.as_deref().map(create).transpose()?;
    Ok(Some(Box::new(Files {
        profile,
        figures: HashMap::new(),
        trace: trace.map(BufWriter::new),
    })))
}
