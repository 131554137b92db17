//! Generates the Rust side of the declarations under `scripts/base/bif` and of `scripts/base/init-bare.zeek`.

mod decls;
mod emit;

use std::path::{Path, PathBuf};

fn main() {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../../scripts/base");
    let mut files = vec![root.join("init-bare.zeek")];
    let mut bif: Vec<PathBuf> = std::fs::read_dir(root.join("bif"))
        .map(|dir| dir.filter_map(|e| Some(e.ok()?.path())).collect())
        .unwrap_or_default();
    bif.sort();
    files.extend(bif);
    println!("cargo:rerun-if-changed={}", root.join("bif").display());
    let mut all = decls::Declarations::default();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "zeek")) {
        println!("cargo:rerun-if-changed={}", file.display());
        match std::fs::read_to_string(file) {
            Ok(text) => all.read(&text),
            Err(e) if file.ends_with("init-bare.zeek") => println!("cargo:warning={}: {e}", file.display()),
            Err(e) => panic!("{}: {e}", file.display()),
        }
    }
    let out = PathBuf::from(std::env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("generated.rs");
    let code = emit::emit(&all);
    if std::fs::read_to_string(&out).ok().as_deref() != Some(&code) {
        write(&out, &code);
    }
}

fn write(path: &Path, code: &str) {
    if let Err(e) = std::fs::write(path, code) {
        panic!("{}: {e}", path.display());
    }
}
