//! Embeds everything under `scripts/`, sorted by path, and notes where the bodies of functions and the tokens outside of them stand in it.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use tapir_script::load::outline;

fn collect(dir: &Path, out: &mut Vec<PathBuf>) {
    println!("cargo:rerun-if-changed={}", dir.display());
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, out);
        } else if path.extension().is_some_and(|e| e == "zeek" || e == "sig") {
            println!("cargo:rerun-if-changed={}", path.display());
            out.push(path);
        }
    }
}

fn main() {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../scripts");
    let root = root.canonicalize().unwrap_or(root);
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let texts: HashMap<&PathBuf, &'static str> = files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "zeek"))
        .filter_map(|f| Some((f, &*std::fs::read_to_string(f).ok()?.leak())))
        .collect();
    let callables: HashSet<String> = texts.values().flat_map(|text| outline::callables(text)).collect();
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    let write = |name: &str, bytes: &[u8]| {
        let path = out.join(name);
        if let Err(e) = std::fs::write(&path, bytes) {
            panic!("{}: {e}", path.display());
        }
    };
    let mut code = String::from("pub static FILES: &[Script] = &[\n");
    let mut writer = outline::Writer::default();
    let mut tokens = Vec::new();
    for file in &files {
        let Ok(rel) = file.strip_prefix(&root) else { continue };
        let _ = writeln!(
            code,
            "    Script {{ path: {:?}, text: include_str!({:?}), bodies: &[",
            rel.display().to_string(),
            file.display().to_string()
        );
        let text = texts.get(file);
        let mut bodies = text.map(|text| outline::bodies(text)).unwrap_or_default();
        bodies.retain(|body| !body.assigned.iter().any(|name| callables.contains(name)));
        for body in &bodies {
            let mut names = String::from(" ");
            for name in body.names.iter().filter(|n| callables.contains(*n)) {
                let _ = write!(names, "{name} ");
            }
            let _ = writeln!(
                code,
                "        Place {{ start: {}, end: {}, names: {names:?} }},",
                body.start, body.end
            );
        }
        if let Some(text) = text {
            outline::tokens(text, bodies.iter(), &mut writer);
        }
        let of_file = writer.take();
        let _ = writeln!(
            code,
            "    ], tokens: outline::part(TOKENS, {}, {}), names: &NAMES }},",
            tokens.len(),
            of_file.len()
        );
        tokens.extend(of_file);
    }
    code.push_str("];\n");
    let (names, ends) = writer.names();
    for (name, bytes) in [("tokens", &*tokens), ("names", names.as_bytes()), ("ends", &*ends)] {
        write(name, bytes);
    }
    write("scripts.rs", code.as_bytes());
}
