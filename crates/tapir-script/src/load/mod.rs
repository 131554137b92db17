//! The loader: which text comes when. It finds files on the search path, splices in what `@load` names, decides
//! conditionals and hands declaration after declaration to the checker.
//! Spec: the language reference, sections 1.3 and 1.4.

pub mod outline;
mod source;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use outline::{Place, Script};
pub use source::{Embedded, Files, Found, ScriptSource, Text};

use crate::ast;
use crate::check::Checker;
use crate::diag::{Diagnostic, Severity};
use crate::hir::{Const, Program, SourceFile, Span, Thunk};
use crate::parse::{Host, Input, Parser};
use crate::symbol::{Interner, Symbol};

/// Evaluates the conditions of `@if` that are no constants.
pub trait ConstEvaluator {
    /// Runs the initialisations of `program` that have not run yet, then `cond`, which yields a bool.
    fn eval_bool(&mut self, program: &mut Program, cond: Thunk) -> Result<bool, String>;
}

/// An evaluator for programs whose conditions are constants.
pub struct NoEvaluator;

impl ConstEvaluator for NoEvaluator {
    fn eval_bool(&mut self, _: &mut Program, _: Thunk) -> Result<bool, String> {
        Err("this condition is not a constant".into())
    }
}

/// Reads scripts and checks them.
pub struct Loader<'e> {
    parser: Parser<Front<'e>>,
    unused_warnings: bool,
    prefixed: bool,
}

struct Front<'e> {
    checker: Checker<'static>,
    source: Box<dyn ScriptSource>,
    evaluator: &'e mut dyn ConstEvaluator,
    path: Arc<[String]>,
    /// Canonical names of what was loaded or unloaded.
    loaded: HashSet<String>,
    prefixes: Vec<String>,
    /// For each loaded file, in order: the name relative to the directory of the search path it was found in.
    relative: Vec<String>,
    /// Where a file was loaded from, for messages about deprecated files.
    loaded_from: HashMap<u32, Span>,
    /// By file: the script that it is, if it comes with the program.
    scripts: Vec<Option<&'static Script>>,
    /// Whether bodies of those are put off. Not any more when a user has declared something, which may have a meaning in them.
    puts_off: bool,
    /// Whether the tokens of those are taken as the build has found them.
    takes_tokens: bool,
}

/// A file that was found.
struct Hit {
    path: String,
    relative: String,
    text: Text,
    canonical: String,
}

impl<'e> Loader<'e> {
    /// A loader that reads from `source`; conditions that are no constants go to `evaluator`.
    pub fn new(source: Box<dyn ScriptSource>, evaluator: &'e mut dyn ConstEvaluator) -> Self {
        let path = source.search_path().into();
        Loader {
            parser: Parser::new(Front {
                checker: Checker::new(),
                source,
                evaluator,
                path,
                loaded: HashSet::new(),
                prefixes: Vec::new(),
                relative: Vec::new(),
                loaded_from: HashMap::new(),
                scripts: Vec::new(),
                puts_off: true,
                takes_tokens: true,
            }),
            unused_warnings: true,
            prefixed: false,
        }
    }

    /// Whether functions without callers and handlers of unknown events are warned about.
    pub fn unused_warnings(&mut self, on: bool) {
        self.unused_warnings = on;
    }

    /// Whether locals that are unused or read before they are set are warned about (`-u`).
    pub fn usage_issues(&mut self, on: bool) {
        self.parser.host.checker.usage_issues = on;
        self.puts_off(!on);
    }

    /// Whether bodies of scripts that come with the program are checked when they are first needed, as far as that makes no
    /// difference.
    pub fn puts_off(&mut self, on: bool) {
        self.parser.host.puts_off = on;
    }

    /// Whether the tokens of such scripts are those that the build has found; else their texts are read as all others are.
    pub fn takes_tokens(&mut self, on: bool) {
        self.parser.host.takes_tokens = on;
    }

    /// Adds a prefix (`-p`).
    pub fn add_prefix(&mut self, prefix: &str) {
        self.parser.host.prefixes.push(prefix.to_string());
    }

    /// Loads a file or package, as named on a command line. Does nothing when it was loaded before.
    pub fn load_file(&mut self, name: &str) {
        self.parser.module = Symbol::EMPTY;
        if self.parser.host.checker.is_fatal() {
            return;
        }
        match self.parser.host.find(name, None) {
            Ok(Some(hit)) => {
                if let Some(input) = self.parser.host.open(hit, 0, None) {
                    self.parser.push(input);
                    self.run();
                }
            }
            Ok(None) => {
                let d = self.parser.host.not_found(name, None, None);
                self.parser.host.checker.report(d);
            }
            Err(text) => {
                let d = Diagnostic::fatal("not-found", None, text);
                self.parser.host.checker.report(d);
            }
        }
    }

    /// Loads a text that is in no file, such as standard input.
    pub fn load_text(&mut self, shown: &str, text: &[u8]) {
        self.parser.module = Symbol::EMPTY;
        let hit = Hit {
            path: shown.to_string(),
            relative: String::new(),
            text: text.into(),
            canonical: shown.to_string(),
        };
        if let Some(input) = self.parser.host.open(hit, 0, None) {
            self.parser.push(input);
            self.run();
        }
    }

    /// Loads what prefixes add to the files loaded so far. Happens by itself before redefinitions and code given on
    /// the command line.
    pub fn load_prefixed(&mut self) {
        if std::mem::replace(&mut self.prefixed, true) {
            return;
        }
        let prefixes: Vec<String> = self.parser.host.prefixes.iter().rev().cloned().collect();
        let files = self.parser.host.relative.clone();
        for relative in files {
            let flat = relative
                .trim_end_matches(".zeek")
                .trim_end_matches("/__load__")
                .replace('/', ".");
            if flat.is_empty() {
                continue;
            }
            for prefix in prefixes.iter().filter(|p| !p.is_empty()) {
                if let Ok(Some(hit)) = self.parser.host.find(&format!("{prefix}.{flat}.zeek"), None) {
                    self.parser.module = Symbol::EMPTY;
                    if let Some(input) = self.parser.host.open(hit, 0, None) {
                        self.parser.push(input);
                        self.run();
                    }
                }
            }
        }
    }

    /// An argument `X=Y`, `X+=Y` or `X-=Y`: `redef X = Y;`, where strings may stand without quotes.
    pub fn redef_arg(&mut self, arg: &str) {
        self.load_prefixed();
        let (name, value) = arg.split_once('=').unwrap_or((arg, ""));
        let name = name.trim_end();
        let (name, operator) = match name.strip_suffix(['+', '-']) {
            Some(bare) => (bare.trim_end(), &name[bare.len()..]),
            None => (name, ""),
        };
        let value = if operator.is_empty() { value } else { value.trim_start() };
        let kind = self.parser.host.checker.argument_kind(name);
        let front = &mut self.parser.host;
        let Some(is_string) = kind else {
            let d = Diagnostic::fatal(
                "argument",
                None,
                format!("unknown identifier '{name}' in command-line options"),
            );
            let d = match front.checker.near_variable(name) {
                Some(near) => d.suggest(format!("did you mean {near}?")),
                None => d,
            };
            front.checker.report(d);
            return;
        };
        let text = if is_string && !value.starts_with('"') {
            let mut quoted = String::from("\"");
            for c in value.chars() {
                if matches!(c, '"' | '\\') {
                    quoted.push('\\');
                }
                quoted.push(c);
            }
            quoted + "\""
        } else if value.is_empty() {
            front.checker.report(Diagnostic::fatal(
                "argument",
                None,
                format!("must assign non-empty value to '{name}' in command-line options"),
            ));
            return;
        } else {
            value.to_string()
        };
        self.text("<params>", &format!("redef {name} {operator}= {text};"));
    }

    /// Code given by `-e`.
    pub fn exec_text(&mut self, code: &str) {
        self.load_prefixed();
        self.text("<command line>", code);
    }

    fn text(&mut self, shown: &str, code: &str) {
        if self.parser.host.checker.is_fatal() {
            return;
        }
        self.parser.module = Symbol::EMPTY;
        let n = self.parser.host.checker.program.files.len();
        let hit = Hit {
            path: shown.to_string(),
            relative: String::new(),
            text: code.as_bytes().into(),
            canonical: format!("{shown} {n}"),
        };
        if let Some(input) = self.parser.host.open(hit, 0, None) {
            self.parser.push(input);
            self.run();
        }
    }

    fn run(&mut self) {
        while let Some(decl) = self.parser.next_decl() {
            let front = &mut self.parser.host;
            if front.puts_off && !front.is_harmless(&decl) {
                front.puts_off = false;
            }
            front.checker.declare(decl);
        }
    }

    /// Whether an error was reported so far.
    pub fn has_errors(&self) -> bool {
        self.parser.host.checker.has_errors()
    }

    /// The program so far.
    pub fn program(&self) -> &Program {
        &self.parser.host.checker.program
    }

    /// The program and everything there is to say about it. It may run if no diagnostic is an error.
    pub fn finish(mut self) -> (Program, Vec<Diagnostic>) {
        self.load_prefixed();
        self.parser.host.checker.finish(self.unused_warnings)
    }
}

/// What belongs to no protocol, by the names under which other programs keep it below `base/bif`.
const CORE_DECLARATIONS: [&str; 26] = [
    "analyzer",
    "bloom-filter",
    "cardinality-counter",
    "cluster",
    "comm",
    "communityid",
    "const",
    "data",
    "event",
    "file_analysis",
    "input",
    "logging",
    "messaging",
    "mmdb",
    "option",
    "packet_analysis",
    "pcap",
    "reporter",
    "stats",
    "store",
    "strings",
    "supervisor",
    "telemetry",
    "top-k",
    "types",
    "zeek",
];

/// Whether any of the diagnostics forbids to run the program.
pub fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|d| d.severity != Severity::Warning)
}

impl Front<'_> {
    /// Looks a name up: `Ok(None)` when there is no such file.
    fn find(&mut self, name: &str, from: Option<&str>) -> Result<Option<Hit>, String> {
        if name == "-" {
            let found = self.source.look(name);
            return Ok(match found {
                Some(Found::File { text, canonical }) => Some(Hit {
                    path: "<stdin>".into(),
                    relative: String::new(),
                    text,
                    canonical,
                }),
                _ => None,
            });
        }
        let relative = name.starts_with("./") || name.starts_with("../") || name == "." || name == "..";
        let bases: Arc<[String]> = if name.starts_with('/') {
            [String::new()].into()
        } else if let (true, Some(dir)) = (relative, from) {
            [dir.to_string()].into()
        } else {
            self.path.clone()
        };
        let mut no_package = None;
        for base in bases.iter() {
            let full = join(base, name);
            for candidate in [format!("{full}.zeek"), full] {
                match self.source.look(&candidate) {
                    Some(Found::File { text, canonical }) => {
                        return Ok(Some(Hit {
                            relative: self.relative_name(&candidate),
                            path: candidate,
                            text,
                            canonical,
                        }));
                    }
                    Some(Found::Directory) => {
                        let inner = join(&candidate, "__load__.zeek");
                        match self.source.look(&inner) {
                            Some(Found::File { text, canonical }) => {
                                return Ok(Some(Hit {
                                    relative: self.relative_name(&inner),
                                    path: inner,
                                    text,
                                    canonical,
                                }));
                            }
                            // A directory that is no package does not hide a package of that name further on.
                            _ => {
                                no_package.get_or_insert(candidate);
                            }
                        }
                    }
                    None => {}
                }
            }
        }
        match (self.declarations(name), no_package) {
            (Some(file), _) => self.find(&file, None),
            (None, Some(dir)) => Err(format!("Failed to open package '{dir}': missing '__load__.zeek' file")),
            (None, None) => Ok(None),
        }
    }

    /// The script with the declarations of native events and functions that others know as `base/bif/NAME.bif` or
    /// `base/bif/plugins/Zeek_PLUGIN.KIND.bif`, each with or without `.zeek`.
    fn declarations(&mut self, name: &str) -> Option<String> {
        let name = name.strip_prefix("base/bif/")?;
        let name = name.strip_suffix(".zeek").unwrap_or(name).strip_suffix(".bif")?;
        let Some(plugin) = name.strip_prefix("plugins/Zeek_") else {
            return CORE_DECLARATIONS
                .contains(&name)
                .then(|| "base/init-frameworks-and-bifs".to_string());
        };
        let squeezed = |n: &str| n.replace(['-', '_'], "").to_ascii_lowercase();
        let plugin = squeezed(plugin.split_once('.')?.0);
        let file_analyzer = plugin.strip_prefix("file").unwrap_or(&plugin);
        for base in self.path.clone().iter() {
            for entry in self.source.entries(&join(base, "base/bif")) {
                let of = entry
                    .strip_prefix("events-")
                    .and_then(|e| e.strip_suffix(".zeek"))
                    .map(squeezed);
                if of.is_some_and(|of| of == plugin || of == file_analyzer) {
                    return Some(format!("base/bif/{entry}"));
                }
            }
        }
        None
    }

    /// A path without the directory of the search path that it lies in.
    fn relative_name(&self, path: &str) -> String {
        self.path
            .iter()
            .filter(|d| !d.is_empty())
            .filter_map(|d| path.strip_prefix(d.as_str())?.strip_prefix('/'))
            .min_by_key(|r| r.len())
            .unwrap_or(path)
            .trim_start_matches("./")
            .to_string()
    }

    /// Says that there is no such script, with the name of one that is nearly called so.
    fn not_found(&mut self, name: &str, span: Option<Span>, dir: Option<&str>) -> Diagnostic {
        let d = Diagnostic::fatal("not-found", span, format!("can't find {name}"));
        match self.near_script(name, dir) {
            Some(near) => d.suggest(format!("did you mean {near}?")),
            None if name.starts_with(['.', '/']) => d,
            None => d.note(format!("looked in {}", self.path.join(", "))),
        }
    }

    /// A script whose path differs from a name a little in some of its parts.
    fn near_script(&mut self, name: &str, dir: Option<&str>) -> Option<String> {
        let lead = ["./", "../", "/"]
            .into_iter()
            .find(|l| name.starts_with(l))
            .unwrap_or("");
        let bases = match (lead, dir) {
            ("/", _) => [String::new()].into(),
            ("", _) => self.path.clone(),
            (_, Some(dir)) => [dir.to_string()].into(),
            (_, None) => [".".to_string()].into(),
        };
        for base in bases.iter() {
            let mut at = match lead {
                "" | "./" => base.clone(),
                _ => join(base, lead),
            };
            let mut found = lead.to_string();
            let parts: Vec<&str> = name[lead.len()..].split('/').collect();
            let good = parts.iter().enumerate().all(|(i, part)| {
                let entries = self.source.entries(if at.is_empty() { "/" } else { &at });
                let last = i + 1 == parts.len();
                let names = entries.iter().filter_map(|e| {
                    let script = e.strip_suffix(".zeek");
                    if last {
                        script.or(Some(e.as_str()))
                    } else {
                        Some(e.as_str())
                    }
                });
                let part = if last { part.trim_end_matches(".zeek") } else { *part };
                let near = match entries
                    .iter()
                    .any(|e| e == part || e.strip_suffix(".zeek") == Some(part))
                {
                    true => part,
                    false => match crate::diag::nearest(part, names) {
                        Some(near) => near,
                        None => return false,
                    },
                };
                if i > 0 {
                    found.push('/');
                }
                found.push_str(near);
                at = format!("{at}/{near}");
                true
            });
            if good && matches!(self.find(&found, dir), Ok(Some(_))) {
                return Some(found);
            }
        }
        None
    }

    /// Makes a found file the next to read, unless it was read before.
    fn open(&mut self, hit: Hit, level: u32, from: Option<Span>) -> Option<Input> {
        if !self.loaded.insert(hit.canonical) {
            return None;
        }
        let file = self.checker.program.files.len() as u32;
        let mut script = None;
        let (text, shown) = match hit.text {
            Text::Embedded(of) => {
                script = Some(of);
                (Bytes::from_static(of.text.as_bytes()), Cow::Borrowed(of.text))
            }
            Text::Read(text) => {
                let shown = Cow::Owned(same_length_text(&text));
                (text, shown)
            }
        };
        self.checker
            .program
            .files
            .push(SourceFile::new(&hit.path, shown, level));
        self.scripts.push(script);
        if text.len() > 1 << 30 {
            let d = Diagnostic::fatal("too-large", from, format!("{} is too large", hit.path));
            self.checker.report(d);
            return None;
        }
        if !hit.relative.is_empty() {
            self.relative.push(hit.relative);
        }
        if let Some(span) = from {
            self.loaded_from.insert(file, span);
        }
        let (dir, base) = match hit.path.rsplit_once('/') {
            Some((d, b)) => (if d.is_empty() { "/" } else { d }, b),
            None => (".", hit.path.as_str()),
        };
        Some(Input {
            file,
            text,
            dir: dir.into(),
            base: base.into(),
            script: script.filter(|_| self.takes_tokens),
        })
    }

    /// Whether a declaration cannot have a meaning in bodies that come with the program.
    fn is_harmless(&self, decl: &ast::Decl) -> bool {
        // Redefinitions change neither names nor types.
        matches!(
            decl.kind,
            ast::DeclKind::Var {
                kind: ast::VarKind::Redef,
                ..
            }
        ) || matches!(self.scripts.get(decl.span.file as usize), Some(Some(_)))
    }

    fn dir_of(&self, span: Span) -> Option<String> {
        let path = &self.checker.program.files.get(span.file as usize)?.path;
        Some(match path.rsplit_once('/') {
            Some(("", _)) => "/".to_string(),
            Some((d, _)) => d.to_string(),
            None => ".".to_string(),
        })
    }
}

/// The text of a file for messages: what is no UTF-8 is replaced byte by byte, so that offsets stay.
fn same_length_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(s) => s.into(),
        Err(_) => bytes
            .iter()
            .map(|&b| if b.is_ascii() { b as char } else { '?' })
            .collect(),
    }
}

/// Joins a directory and a name; `./` and `../` at the name's beginning are resolved.
fn join(base: &str, name: &str) -> String {
    let mut dir = base.to_string();
    let mut rest = name;
    loop {
        if let Some(r) = rest.strip_prefix("./") {
            rest = r;
        } else if let Some(r) = rest.strip_prefix("../") {
            rest = r;
            dir = match dir.rsplit_once('/') {
                Some((_, "..")) => format!("{dir}/.."),
                Some((d, _)) => d.to_string(),
                None if dir == "." || dir.is_empty() => "..".to_string(),
                None if dir == ".." => "../..".to_string(),
                None => ".".to_string(),
            };
        } else {
            break;
        }
    }
    match rest {
        "." | "" => dir,
        ".." => join(&dir, "../."),
        _ if dir.is_empty() => rest.to_string(),
        _ => format!("{dir}/{rest}"),
    }
}

impl Host for Front<'_> {
    fn names(&mut self) -> &mut Interner {
        &mut self.checker.names
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.checker.report(diagnostic);
    }

    fn load(&mut self, name: &str, span: Span) -> Option<Input> {
        let dir = self.dir_of(span);
        match self.find(name, dir.as_deref()) {
            Ok(Some(hit)) => {
                let level = self.checker.program.files[span.file as usize].level + 1;
                self.open(hit, level, Some(span))
            }
            Ok(None) => {
                let d = self.not_found(name, Some(span), dir.as_deref());
                self.report(d);
                None
            }
            Err(text) => {
                self.report(Diagnostic::fatal("not-found", Some(span), text));
                None
            }
        }
    }

    fn load_signatures(&mut self, name: &str, span: Span) {
        let dir = self.dir_of(span);
        let relative = name.starts_with('.');
        let bases = match (relative, dir) {
            _ if name.starts_with('/') => [String::new()].into(),
            (true, Some(dir)) => [dir].into(),
            _ => self.path.clone(),
        };
        for base in bases.iter() {
            let full = join(base, name);
            for candidate in [format!("{full}.sig"), full] {
                if let Some(Found::File { .. }) = self.source.look(&candidate) {
                    self.checker.program.signature_files.push(PathBuf::from(candidate));
                    return;
                }
            }
        }
        let text = format!("failed to find file associated with @load-sigs {name}");
        self.report(Diagnostic::error("not-found", span, text));
    }

    fn unload(&mut self, name: &str, span: Span) {
        let dir = self.dir_of(span);
        if let Ok(Some(hit)) = self.find(name, dir.as_deref()) {
            self.loaded.insert(hit.canonical);
        }
    }

    fn load_plugin(&mut self, name: &str, span: Span) {
        let text = format!("plugin {name} is not available: native plugins of other programs cannot be loaded");
        self.report(Diagnostic::error("plugin", span, text));
    }

    fn prefixes(&mut self, list: &str, add: bool, _: Span) {
        if !add {
            self.prefixes.clear();
        }
        let list = list.trim_end_matches(';').trim();
        self.prefixes.extend(list.split(':').map(|p| p.trim().to_string()));
    }

    fn condition(&mut self, cond: ast::Expr, module: Symbol) -> bool {
        let span = cond.span;
        let shown = self.checker.source(span);
        let Some(thunk) = self.checker.condition(&cond, module) else {
            let text = format!("invalid expression in @if ({shown})");
            self.report(Diagnostic::error("condition", span, text));
            return false;
        };
        if let Some(Const::Bool(b)) = self.checker.fold(&thunk.expr) {
            return b;
        }
        if self.checker.has_errors() {
            return false;
        }
        let evaluator = &mut *self.evaluator;
        match self.checker.running(|program| evaluator.eval_bool(program, thunk)) {
            Ok(b) => b,
            Err(why) => {
                let text = format!("invalid expression in @if ({shown})");
                self.report(Diagnostic::error("condition", span, text).note(why));
                false
            }
        }
    }

    fn later(&mut self, at: Span) -> Option<&'static Place> {
        if !self.puts_off {
            return None;
        }
        (*self.scripts.get(at.file as usize)?)?.body_at(at.start)
    }

    fn is_defined(&mut self, name: Symbol, module: Symbol) -> bool {
        self.checker.is_defined(name, module)
    }

    fn deprecated_file(&mut self, text: &str, span: Span) {
        let text = text.trim().trim_matches('"');
        let from = match self.loaded_from.get(&span.file) {
            Some(from) => self.checker.place_of(*from),
            None => "command line arguments".to_string(),
        };
        let mut message = format!("deprecated script loaded from {from}");
        if !text.is_empty() {
            message.push(' ');
            message.push_str(text);
        }
        self.report(Diagnostic::warning("deprecated-script", span, message));
    }

    fn ignore_deprecations(&mut self, on: bool) {
        self.checker.ignore_deprecations(on);
    }

    fn end_of_file(&mut self, _: u32) {}

    fn stopped(&self) -> bool {
        self.checker.is_fatal()
    }
}
