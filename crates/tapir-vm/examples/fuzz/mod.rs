//! Mutations of scripts that know a little of the grammar, and what is done with each mutant: load, check, compile, and
//! run with small limits. Everything follows from a seed, so that failures repeat.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;

use tapir_script::hir::{FunctionKind, Program};
use tapir_script::load::{Files, Found, Loader, ScriptSource, Text, has_errors};
use tapir_vm::{Limits, Registry, RtError, Vm};

use crate::plain::{Evaluator, Plain, does_nothing, stand_in_for};

/// A small generator of numbers.
pub struct Random(pub u64);

impl Random {
    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        // The splitmix64 generator.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z % bound.max(1) as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        list.get(self.below(list.len()))
    }
}

/// A script that mutants are made of.
pub struct Seed {
    /// The name under which it is loaded.
    pub name: String,
    tokens: Vec<Vec<u8>>,
}

/// Splits a text into words, literals, operators and blanks; joined again they are the text.
pub fn tokens(text: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    let mut i = 0;
    let word = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c >= 0x80;
    while i < text.len() {
        let start = i;
        let c = text[i];
        i += 1;
        if c.is_ascii_whitespace() {
            while i < text.len() && text[i].is_ascii_whitespace() {
                i += 1;
            }
        } else if word(c) {
            while i < text.len() && (word(text[i]) || (text[i] == b':' && text.get(i + 1) == Some(&b':'))) {
                i += if text[i] == b':' { 2 } else { 1 };
            }
        } else if c == b'"' {
            while i < text.len() && text[i] != b'"' && text[i] != b'\n' {
                i += if text[i] == b'\\' { 2 } else { 1 };
            }
            i = (i + 1).min(text.len());
        } else if c == b'#' {
            while i < text.len() && text[i] != b'\n' {
                i += 1;
            }
        } else if matches!(c, b'&' | b'@') {
            while i < text.len() && word(text[i]) {
                i += 1;
            }
        } else if i < text.len()
            && [
                b"==", b"!=", b"<=", b">=", b"&&", b"||", b"+=", b"-=", b"?$", b"++", b"--",
            ]
            .contains(&&[c, text[i]])
        {
            i += 1;
        }
        out.push(text[start..i.min(text.len())].to_vec());
    }
    out
}

const EXTRA: &[&str] = &[
    "0",
    "1",
    "-1",
    "18446744073709551615",
    "9223372036854775808",
    "1e308",
    "0.5",
    "\"\"",
    "\"\\x00\"",
    "T",
    "F",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    ";",
    ",",
    "$",
    "?$",
    "in",
    "!in",
    "is",
    "as",
    "?as",
    "any",
    "table[count] of string",
    "set[addr]",
    "vector of any",
    "record { a: count; }",
    "record { }",
    "enum { A1, B1 }",
    "opaque of md5",
    "function(x: any): any",
    "/a|b*/",
    "/(((/",
    "/[[:x:]]{1,99999}/",
    "1.2.3.4",
    "[::1]",
    "10.0.0.0/8",
    "80/tcp",
    "99999/tcp",
    "3 days",
    "-1usec",
    "&default=1",
    "&default=[]",
    "&optional",
    "&redef",
    "&log",
    "&create_expire=1sec",
    "&priority=5",
    "&on_change=f",
    "&expire_func=f",
    "&ordered",
    "&group=\"g\"",
    "&deprecated",
    "redef",
    "global",
    "const",
    "option",
    "local",
    "type",
    "event",
    "hook",
    "function",
    "return",
    "break",
    "next",
    "fallthrough",
    "switch",
    "case",
    "default:",
    "when",
    "timeout",
    "schedule 1sec { zeek_done() }",
    "for ( i in",
    "while ( T )",
    "if ( T )",
    "else",
    "copy(",
    "add",
    "delete",
    "print",
    "assert",
    "@if ( T )",
    "@else",
    "@endif",
    "@ifdef ( x )",
    "@load base/utils/site",
    "@DIR",
    "@FILENAME",
    "module M;",
    "export {",
    "|",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "&",
    "<<",
    ">>",
    "~",
    "!",
    "?",
    ":",
    "::",
    "=",
    "+=",
    "_",
    "redef record",
    "redef enum",
    "+= {",
    "\\",
    "\u{0}",
    "\u{ff}",
    "'",
    "`",
    "%s",
    "##<",
    "#",
];

const OPENERS: &[(&str, &str)] = &[
    ("(", ")"),
    ("[", "]"),
    ("{", "}"),
    ("!", ""),
    ("-", ""),
    ("|", "|"),
    ("vector(", ")"),
    ("set(", ")"),
    ("[$a=", "]"),
    ("copy(", ")"),
    ("vector of ", ""),
    ("table[count] of ", ""),
    ("record { a: ", "; }"),
    ("if ( T ) ", ""),
    ("{ ", " }"),
    ("T ? ", " : 1"),
    ("1 + ", ""),
    ("function(): any { return ", "; }"),
    ("while ( F ) ", ""),
    ("switch 1 { case 1: ", " break; }"),
    ("when ( T ) ", ""),
];

/// All scripts from which mutants are made.
pub struct Corpus {
    pub seeds: Vec<Seed>,
}

impl Corpus {
    /// An empty one.
    pub fn new() -> Self {
        Corpus { seeds: Vec::new() }
    }

    /// Adds a text.
    pub fn add(&mut self, name: &str, text: &[u8]) {
        self.seeds.push(Seed {
            name: name.to_string(),
            tokens: tokens(text),
        });
    }

    /// Adds all scripts below a directory; names are relative to `root` if that is given, else absolute.
    pub fn add_dir(&mut self, dir: &Path, root: Option<&Path>) {
        let Ok(list) = std::fs::read_dir(dir) else { return };
        let mut paths: Vec<_> = list.flatten().map(|e| e.path()).collect();
        paths.sort();
        for p in paths {
            if p.is_dir() {
                self.add_dir(&p, root);
            } else if p.extension().is_some_and(|e| e == "zeek") {
                let name = root.and_then(|r| p.strip_prefix(r).ok()).unwrap_or(&p);
                if let Ok(text) = std::fs::read(&p) {
                    self.add(&name.to_string_lossy(), &text);
                }
            }
        }
    }

    /// A mutant: the name of its origin, and its text.
    pub fn mutant(&self, r: &mut Random) -> (&str, Vec<u8>) {
        let Some(seed) = r.pick(&self.seeds) else {
            return ("", Vec::new());
        };
        let mut t = seed.tokens.clone();
        for _ in 0..1 + r.below(4) {
            self.change(r, &mut t);
        }
        let mut text = t.concat();
        if r.one_in(20) {
            text.truncate(r.below(text.len() + 1));
        }
        if r.one_in(25) {
            for _ in 0..1 + r.below(4) {
                let at = r.below(text.len() + 1);
                text.insert(at, r.below(256) as u8);
            }
        }
        (&seed.name, text)
    }

    fn change(&self, r: &mut Random, t: &mut Vec<Vec<u8>>) {
        if t.is_empty() {
            return;
        }
        let (i, j) = (r.below(t.len()), r.below(t.len()));
        match r.below(16) {
            0 => {
                t.remove(i);
            }
            1 => t.insert(i, t[i].clone()),
            2 => t.swap(i, j),
            3 => t[i] = t[j].clone(),
            4 | 5 => {
                let extra = r.pick(EXTRA).map_or(Vec::new(), |e| format!(" {e} ").into_bytes());
                if r.one_in(2) {
                    t[i] = extra;
                } else {
                    t.insert(i, extra);
                }
            }
            // A name for another one of the same text: what results is often well typed.
            6..=8 => {
                let name = |w: &[u8]| w.first().is_some_and(|c| c.is_ascii_alphabetic() || *c == b'_');
                let names: Vec<usize> = (0..t.len()).filter(|k| name(&t[*k])).collect();
                if let (Some(&a), Some(&b)) = (r.pick(&names), r.pick(&names)) {
                    t[a] = t[b].clone();
                }
            }
            9 => {
                let (a, b) = span(r, t);
                t.drain(a..b);
            }
            10 => {
                let (a, b) = span(r, t);
                let copied: Vec<_> = t[a..b].to_vec();
                let (at, _) = span(r, t);
                t.splice(at..at, copied);
            }
            11 | 12 => {
                let Some(other) = r.pick(&self.seeds) else { return };
                if other.tokens.is_empty() {
                    return;
                }
                let (a, b) = span(r, &other.tokens);
                let (c, d) = span(r, t);
                let end = if r.one_in(2) { c } else { d };
                t.splice(c..end, other.tokens[a..b].iter().cloned());
            }
            13 => {
                let depth = match r.below(12) {
                    0 => 20_000,
                    1 | 2 => 500,
                    _ => 1 + r.below(40),
                };
                if let Some((open, close)) = r.pick(OPENERS) {
                    let mut w = open.as_bytes().repeat(depth);
                    w.extend_from_slice(&t[i]);
                    // Sometimes what was opened stays open.
                    if !r.one_in(4) {
                        w.extend(close.as_bytes().repeat(depth));
                    }
                    t[i] = w;
                }
            }
            14 => {
                let n = 1 + r.below(30);
                let end = (i + n).min(t.len());
                t.drain(i..end);
            }
            _ => {
                let n = [2, 20, 300][r.below(3)];
                let (a, b) = span(r, t);
                let b = b.min(a + 200);
                let many: Vec<_> = (0..n).flat_map(|_| t[a..b].to_vec()).collect();
                if many.len() < 60_000 {
                    t.splice(a..b, many);
                }
            }
        }
    }
}

/// A statement, a block or a line of a text, as a range of its tokens.
fn span(r: &mut Random, t: &[Vec<u8>]) -> (usize, usize) {
    let at = r.below(t.len());
    let ends = |w: &[u8]| matches!(w, b";" | b"{" | b"}");
    let a = (0..at).rev().find(|k| ends(&t[*k])).map_or(0, |k| k + 1);
    let mut depth = 0usize;
    for (k, w) in t.iter().enumerate().skip(a) {
        match w.as_slice() {
            b"{" => depth += 1,
            b"}" if depth <= 1 => return (a, k + 1),
            b"}" => depth -= 1,
            b";" if depth == 0 => return (a, k + 1),
            _ => {}
        }
    }
    (a, t.len())
}

/// Scripts with one of them replaced by a mutant; texts are read once.
struct Overlay {
    files: Files,
    cache: Rc<std::cell::RefCell<Cache>>,
    /// The ends of paths that mean the mutant.
    mutant: (String, Text),
}

/// Texts by path; `None` in it is a directory.
type Cache = HashMap<String, Option<Option<(Text, String)>>>;

impl ScriptSource for Overlay {
    fn search_path(&self) -> Vec<String> {
        self.files.search_path()
    }

    fn look(&mut self, path: &str) -> Option<Found> {
        if path.ends_with(&self.mutant.0) {
            return Some(Found::File {
                text: self.mutant.1.clone(),
                canonical: path.to_string(),
            });
        }
        let mut cache = self.cache.borrow_mut();
        let found = cache
            .entry(path.to_string())
            .or_insert_with(|| match self.files.look(path) {
                Some(Found::File { text, canonical }) => Some(Some((text, canonical))),
                Some(Found::Directory) => Some(None),
                None => None,
            });
        match found {
            Some(Some((text, canonical))) => Some(Found::File {
                text: text.clone(),
                canonical: canonical.clone(),
            }),
            Some(None) => Some(Found::Directory),
            None => None,
        }
    }
}

/// Built-ins that a mutant must not reach: files, processes, waiting.
const UNSAFE: &[&str] = &[
    "system",
    "system_env",
    "piped_exec",
    "exit",
    "sleep",
    "open",
    "open_for_append",
    "unlink",
    "rmdir",
    "mkdir",
    "rename",
    "rotate_file",
    "rotate_file_by_name",
    "setenv",
    "syslog",
    "write_file",
    "print_raw",
    "lookup_addr",
    "lookup_hostname",
    "lookup_hostname_txt",
    "blocking_lookup_hostname",
    "hexdump_file",
    "set_buf",
];

/// What became of a mutant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Rejected,
    Compiled,
    /// It ran to its end, perhaps with errors.
    Ran,
}

/// Runs mutants.
pub struct Bench {
    path: Vec<String>,
    cache: Rc<std::cell::RefCell<Cache>>,
    registry: Registry,
}

impl Bench {
    /// With the scripts of the source tree.
    pub fn new() -> Self {
        Self::with_scripts(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts"))
    }

    /// With the scripts of a folder.
    pub fn with_scripts(scripts: &str) -> Self {
        let mut registry = Registry::new();
        tapir_builtins::register(&mut registry);
        for name in UNSAFE {
            registry.add(name, does_nothing);
        }
        Bench {
            path: vec![
                scripts.to_string(),
                format!("{scripts}/policy"),
                format!("{scripts}/site"),
            ],
            cache: Rc::default(),
            registry,
        }
    }

    /// Loads, checks, compiles and runs one mutant.
    pub fn run(&mut self, name: &str, text: &[u8]) -> Outcome {
        let base = name.starts_with("base/") || name.starts_with("policy/") || name.starts_with("site/");
        let shown = if base {
            name.to_string()
        } else {
            "mutant.zeek".to_string()
        };
        let mut vm = Vm::incremental();
        vm.set_registry(self.registry.clone());
        let mut evaluator = Evaluator {
            vm,
            host: Plain { quiet: true },
            registry: self.registry.clone(),
            force: true,
        };
        let source = Overlay {
            files: Files::new(self.path.clone()),
            cache: self.cache.clone(),
            mutant: (format!("/{shown}"), text.into()),
        };
        let mut loader = Loader::new(Box::new(source), &mut evaluator);
        loader.load_file("base/init-bare.zeek");
        loader.load_file("base/init-frameworks-and-bifs.zeek");
        loader.load_file(&shown);
        let (program, diagnostics) = loader.finish();
        for d in diagnostics.iter().take(50) {
            std::hint::black_box(d.render(&program.files));
        }
        if has_errors(&diagnostics) {
            return Outcome::Rejected;
        }
        let Evaluator { vm, host, registry, .. } = evaluator;
        compile_and_run(vm, host, registry, program, &shown)
    }
}

fn compile_and_run(mut vm: Vm, mut host: Plain, mut registry: Registry, program: Program, name: &str) -> Outcome {
    let program = std::sync::Arc::new(program);
    vm.set_program(program.clone());
    stand_in_for(&vm.missing_builtins(), &mut registry);
    vm.set_registry(registry);
    vm.set_limits(Limits {
        steps_max: 1 << 21,
        memory_max: 3 << 30,
        events_max: 20_000,
        ..Limits::default()
    });
    if vm.run_inits(&mut host).is_err() {
        return Outcome::Compiled;
    }
    vm.freeze();
    for (i, f) in program.functions.iter().enumerate() {
        let FunctionKind::Script(bodies) = &f.kind else {
            continue;
        };
        let own = bodies.iter().any(|b| {
            program
                .files
                .get(b.span.file as usize)
                .is_some_and(|f| f.path.ends_with(name))
        });
        if own {
            // A body that cannot be compiled is an error of the compiler's that the message tells.
            let _ = vm.disassemble(&mut host, tapir_data::value::FuncId(i as u32));
            for b in bodies {
                std::hint::black_box(tapir_script::render::body(&program, b));
            }
        }
    }
    let mut go = || -> Result<(), RtError> {
        vm.set_network_time(1_000_000.0);
        vm.raise_named("zeek_init", Vec::new());
        vm.run_top_level(&mut host)?;
        for s in 0..4 {
            vm.drain(&mut host)?;
            vm.advance_time(&mut host, 1_000_000.0 + f64::from(s) * 5.0)?;
        }
        vm.set_terminating();
        vm.raise_named("zeek_done", Vec::new());
        vm.drain(&mut host)?;
        vm.drain(&mut host)
    };
    let _ = go();
    Outcome::Ran
}
