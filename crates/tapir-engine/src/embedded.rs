//! The scripts that come with the program, embedded at build time.

use std::io;
use std::path::Path;

use tapir_script::load::outline::{self, Names, Place, Script};

static TOKENS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tokens"));
static NAMES: Names = Names {
    text: include_str!(concat!(env!("OUT_DIR"), "/names")),
    ends: include_bytes!(concat!(env!("OUT_DIR"), "/ends")),
};

include!(concat!(env!("OUT_DIR"), "/scripts.rs"));

/// The text of an embedded file by its path below `scripts/`, e.g. `base/init-bare.zeek`.
pub fn get(path: &str) -> Option<&'static str> {
    FILES.binary_search_by(|f| f.path.cmp(path)).ok().map(|i| FILES[i].text)
}

/// Whether there are embedded files below a directory.
pub fn is_dir(path: &str) -> bool {
    let at = FILES.partition_point(|f| f.path < path);
    FILES[at..]
        .iter()
        .take(64)
        .any(|f| f.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
}

/// Writes all embedded files below a directory, which is created, and gives back how many there were.
///
/// # Errors
/// The first file or directory that cannot be written, with the reason.
pub fn export(dir: &Path) -> io::Result<usize> {
    for Script { path: name, text, .. } in FILES {
        let path = dir.join(name);
        let at = |e: io::Error| io::Error::new(e.kind(), format!("cannot write {}: {e}", path.display()));
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(at)?;
        }
        std::fs::write(&path, text).map_err(at)?;
    }
    Ok(FILES.len())
}
