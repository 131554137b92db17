//! Loading: scripts to a program, native names to its ids, signature files to texts.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use tapir_data::types::FuncType;
use tapir_data::value::Value;
use tapir_interface::Bindings;
use tapir_script::diag::Diagnostic;
use tapir_script::hir::{Ident, Program, Thunk};
use tapir_script::load::{ConstEvaluator, Files, Loader, has_errors};
use tapir_vm::{Registry, Vm};

use crate::config::{Config, Input, interface};
use crate::core::Core;
use crate::embedded;
use crate::host::EngineHost;
use crate::seeds::Seeds;
use crate::supervisor::Supervision;

/// The name under which embedded scripts appear in messages.
pub const ROOT: &str = "tapir:";

/// The directory under which scripts of the configuration appear.
const RUN: &str = "tapir-run:";

/// What loading gives.
pub struct Loaded {
    pub core: Core,
    pub seeds: Seeds,
    /// Signature files: names and texts.
    pub signature_files: Vec<(String, Vec<u8>)>,
}

/// An `@if` that was decided by running it.
struct Condition {
    /// How many initialisations stand above it.
    n_inits: usize,
    cond: Thunk,
    holds: bool,
}

/// A program without errors, and the conditions that made it what it is.
struct Checked {
    program: Arc<Program>,
    conditions: Vec<Condition>,
}

/// The program of nodes of one process with the same scripts and settings: who comes first reads it. The others run its
/// conditions, and if they decide them as the first did, what they would read is the same, and they take that.
#[derive(Clone, Default)]
pub struct SharedProgram(Arc<OnceLock<Option<Checked>>>);

impl std::fmt::Debug for SharedProgram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedProgram(read: {})", self.0.get().is_some())
    }
}

impl SharedProgram {
    /// The program, with a machine that has decided its conditions: nothing if they come out differently, or if who read it
    /// was told of errors.
    fn take(&self, config: &Config, machine: impl Fn() -> Evaluator) -> Option<Result<(Arc<Program>, Evaluator), u8>> {
        let mut first = None;
        let shared = self.0.get_or_init(|| match read(config, machine()) {
            Ok((checked, evaluator)) => {
                first = Some(Ok((checked.program.clone(), evaluator)));
                Some(checked)
            }
            Err(status) => {
                first = Some(Err(status));
                None
            }
        });
        if first.is_some() {
            return first;
        }
        let shared = shared.as_ref()?;
        let mut evaluator = machine();
        evaluator
            .agrees(shared)
            .then(|| Ok((shared.program.clone(), evaluator)))
    }
}

/// Runs `@if` conditions on the machine that will run the program.
struct Evaluator {
    vm: Vm,
    host: EngineHost,
    decided: Vec<Condition>,
}

impl Evaluator {
    fn decide(&mut self, program: &Program, n_inits: usize, cond: &Thunk) -> Result<bool, String> {
        match self.vm.evaluate_behind(&mut self.host, program, n_inits, cond) {
            Ok(Value::Bool(b)) => Ok(b),
            Ok(_) => Err("the condition has no value".into()),
            Err(e) => Err(e.to_string()),
        }
    }

    /// Whether all conditions of a program that another node has read come out here as they did there.
    fn agrees(&mut self, with: &Checked) -> bool {
        let conditions = &with.conditions;
        conditions
            .iter()
            .all(|c| self.decide(&with.program, c.n_inits, &c.cond) == Ok(c.holds))
    }
}

impl ConstEvaluator for Evaluator {
    fn eval_bool(&mut self, program: &mut Program, cond: Thunk) -> Result<bool, String> {
        let n_inits = program.inits.len();
        let holds = self.decide(program, n_inits, &cond)?;
        self.decided.push(Condition { n_inits, cond, holds });
        Ok(holds)
    }
}

/// The directories in which scripts are looked up.
pub fn search_path() -> Vec<String> {
    let mut path: Vec<String> = ["TAPIRPATH", "ZEEKPATH"]
        .iter()
        .filter_map(|v| std::env::var(v).ok())
        .flat_map(|v| {
            v.split(':')
                .filter(|p| !p.is_empty())
                .map(str::to_string)
                .collect::<Vec<_>>()
        })
        .collect();
    if path.is_empty() {
        path.push(".".into());
    }
    for dir in ["", "/policy", "/site"] {
        path.push(format!("{ROOT}{dir}"));
    }
    path
}

/// All built-ins. Nodes of one process share them.
fn registry() -> Registry {
    static ALL: OnceLock<Registry> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        let mut r = Registry::new();
        tapir_builtins::register(&mut r);
        crate::bif::register(&mut r);
        r
    });
    all.clone()
}

/// The seeds that a configuration asks for. They are saved if it says so.
pub fn seeds(config: &Config) -> Result<Seeds, String> {
    let env = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let seeds = if let Some(path) = &config.load_seeds {
        Seeds::load(path)?
    } else if let Some(path) = env("ZEEK_SEED_FILE") {
        Seeds::load(Path::new(&path))?
    } else if let Some(values) = env("ZEEK_SEED_VALUES") {
        Seeds::parse(&values).map_err(|e| format!("Could not use the seeds of ZEEK_SEED_VALUES: {e}."))?
    } else if config.deterministic {
        Seeds::zero()
    } else {
        Seeds::fresh()
    };
    if let Some(path) = &config.save_seeds {
        seeds.save(path)?;
    }
    Ok(seeds)
}

/// Loads everything that the configuration names.
///
/// # Errors
/// The exit status, when the run ends here: 1 after errors, which were printed, 0 after `--parse-only` and the like.
pub fn load(config: &Config) -> Result<Loaded, u8> {
    let fail = |text: String| {
        eprintln!("fatal error: {text}");
        1
    };
    let seeds = seeds(config).map_err(fail)?.of_node(config.node_index);
    let machine = || machine(config, &seeds);
    let shared = config.programs.iter().find_map(|shared| shared.take(config, machine));
    let (program, evaluator) = match shared {
        Some(taken) => taken?,
        None => {
            let (checked, evaluator) = read(config, machine())?;
            (checked.program, evaluator)
        }
    };
    let Evaluator { mut vm, mut host, .. } = evaluator;
    vm.set_program(program);
    let bindings = bind(&vm).map_err(|missing| {
        fail(format!(
            "the scripts do not declare what native code needs: {}",
            missing.join(", ")
        ))
    })?;
    vm.queue().set_bindings(bindings);
    if config.parse_only {
        // The process ends here: taking the program apart would only take time.
        std::mem::forget(vm);
        return Err(0);
    }
    if let Err(e) = vm.run_inits(&mut host) {
        if let tapir_vm::RtError::Exit(code) = e {
            return Err(code as u8);
        }
        let _ = vm.report_error(&mut host, e);
        return Err(fail("errors occurred while initializing".into()));
    }
    if let Some(Value::Vector(list)) = vm.global_value("zeek_script_args") {
        for arg in &config.script_args {
            list.push(Value::Str(arg.as_bytes().into()));
        }
    }
    set_limits(&mut vm);
    vm.freeze();
    vm.set_watcher(crate::watch::watcher(config).map_err(fail)?);
    if let Some(name) = &config.disassemble {
        return Err(disassemble(&mut vm, &mut host, name));
    }
    if let Some(name) = &config.print_id {
        return Err(print_id(&vm, name));
    }
    if config.list_plugins > 0 {
        return Err(say(&crate::bif::misc::plugins(&vm, config.list_plugins > 1)));
    }
    describe(&mut host, config, vm.program());
    let signature_files = signature_files(config, &vm).map_err(fail)?;
    Ok(Loaded {
        core: Core { vm, host, exit: None },
        seeds,
        signature_files,
    })
}

/// A machine on which nothing has run yet.
fn machine(config: &Config, seeds: &Seeds) -> Evaluator {
    let mut vm = Vm::incremental();
    vm.set_registry(registry());
    tapir_builtins::random::seed(&mut vm, u64::from(seeds.random));
    for (name, value) in &config.environment {
        tapir_builtins::os::set_environment(&mut vm, name, value);
    }
    let mut host = EngineHost::new();
    host.supervision = match &config.supervised {
        Some(node) => Supervision::Node(Box::new(node.clone())),
        None if config.supervisor => Supervision::Supervisor(Box::default()),
        None => Supervision::None,
    };
    Evaluator {
        vm,
        host,
        decided: Vec::new(),
    }
}

/// Reads and checks all scripts. With `prepared`, what the build has found out about those that come with the program is
/// used: their tokens, and where bodies are that wait until they are needed.
fn check(config: &Config, evaluator: &mut Evaluator, prepared: bool) -> Result<(Program, Vec<Diagnostic>), u8> {
    let fail = |text: String| {
        eprintln!("fatal error: {text}");
        1
    };
    let mut source = Files::new(search_path()).with_embedded(ROOT, embedded::FILES);
    for (name, text) in &config.texts {
        source = source.with_text(RUN, name, text);
    }
    let mut loader = Loader::new(Box::new(source), evaluator);
    loader.puts_off(prepared);
    loader.takes_tokens(prepared);
    loader.unused_warnings(config.unused_warnings);
    loader.usage_issues(config.usage_issues);
    for prefix in config.prefixes.iter().cloned().chain(env_prefixes()) {
        loader.add_prefix(&prefix);
    }
    loader.load_file("base/init-bare.zeek");
    loader.load_file("base/init-frameworks-and-bifs.zeek");
    if !config.bare {
        loader.load_file("base/init-default.zeek");
    }
    if config.filter.is_some() {
        loader.load_file("base/frameworks/packet-filter/main.zeek");
    }
    if let Some(filter) = &config.filter {
        if let Err(e) = tapir_packet::Filter::compile(filter) {
            return Err(fail(format!("capture filter '{filter}': {e}")));
        }
    }
    let has_action = config.input.is_some()
        || !config.code.is_empty()
        || config.print_id.is_some()
        || config.list_plugins > 0
        || config.parse_only;
    if config.scripts.is_empty() && !has_action && config.assignments.is_empty() {
        loader.load_file("-");
    }
    for script in &config.scripts {
        loader.load_file(script);
    }
    for assignment in &config.assignments {
        loader.redef_arg(assignment);
    }
    if let Some(filter) = &config.filter {
        loader.redef_arg(&format!("cmd_line_bpf_filter={filter}"));
    }
    for code in &config.code {
        loader.exec_text(code);
    }
    Ok(loader.finish())
}

/// Reads and checks all scripts, and says what is to be said about them.
fn read(config: &Config, mut evaluator: Evaluator) -> Result<(Checked, Evaluator), u8> {
    let (program, diagnostics) = check(config, &mut evaluator, true)?;
    let mut shown = String::new();
    for d in &diagnostics {
        shown.push_str(&d.render(&program.files));
        if !shown.ends_with('\n') {
            shown.push('\n');
        }
    }
    if crate::config::is_first(config.said.as_ref(), &shown) {
        eprint!("{shown}");
    }
    if has_errors(&diagnostics) {
        return Err(1);
    }
    let checked = Checked {
        program: Arc::new(program),
        conditions: std::mem::take(&mut evaluator.decided),
    };
    Ok((checked, evaluator))
}

/// Takes the machine's bounds from the scripts.
fn set_limits(vm: &mut Vm) {
    let mut limits = vm.limits().clone();
    let seconds = |name: &str, field: &mut f64| {
        if let Some(s) = crate::globals::seconds(vm, name) {
            *field = s;
        }
    };
    seconds("table_expire_interval", &mut limits.table_expire_interval);
    seconds("table_expire_delay", &mut limits.table_expire_delay);
    if let Some(n) = crate::globals::count(vm, "table_incremental_step") {
        limits.table_incremental_step = n as usize;
    }
    if let Some(n) = crate::globals::count(vm, "max_timer_expires") {
        limits.timers_per_step_max = n as usize;
    }
    vm.set_limits(limits);
}

/// Tells the node about its command line and what its scripts ask for.
fn describe(host: &mut EngineHost, config: &Config, program: &Program) {
    let node = &mut host.node;
    node.bare = config.bare;
    node.args = std::env::args().collect();
    match &config.input {
        Some(Input::Capture(p)) => node.trace = Some(p.display().to_string()),
        Some(Input::Interface(i)) => node.interface = Some(interface(i).map_or(&**i, |(name, _)| name).to_string()),
        None => {}
    }
    // Keeping a copy of each packet costs; only scripts that name these functions need it. The first two declare and wrap them.
    let is_declared = |path: &str| path.contains("/base/bif/") || path.ends_with("/base/utils/time.zeek");
    node.keeps_packets = program.files.iter().filter(|f| !is_declared(&f.path)).any(|f| {
        let mentions = |name: &str| memchr::memmem::find(f.text.as_bytes(), name.as_bytes()).is_some();
        mentions("_current_packet") || mentions("get_packet_lag")
    });
}

fn env_prefixes() -> Vec<String> {
    let text = std::env::var("ZEEK_PREFIXES").unwrap_or_default();
    text.split(':').filter(|p| !p.is_empty()).map(str::to_string).collect()
}

fn bind(vm: &Vm) -> Result<Bindings, Vec<String>> {
    let program = vm.program();
    let ty = |name: &str| match program.names.get(name) {
        Some(Ident::Type(t)) => Some(*t),
        _ => None,
    };
    let event = |name: &str| -> Option<FuncType> {
        match program.names.get(name) {
            Some(Ident::Func(f)) => Some(program.functions[f.0 as usize].sig.clone()),
            _ => None,
        }
    };
    Bindings::resolve(&program.types, ty, event)
}

fn signature_files(config: &Config, vm: &Vm) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut names: Vec<String> = config.signatures.clone();
    if let Some(tapir_data::value::Value::Str(s)) = vm.global_value("signature_files") {
        names.extend(String::from_utf8_lossy(&s).split_whitespace().map(str::to_string));
    }
    names.extend(vm.program().signature_files.iter().map(|p| p.display().to_string()));
    let mut out = Vec::new();
    for name in names {
        let (path, text) = read_signatures(&name)?;
        if !out.iter().any(|(n, _)| *n == path) {
            out.push((path, text));
        }
    }
    Ok(out)
}

/// A signature file's path as it is shown, and its text.
fn read_signatures(name: &str) -> Result<(String, Vec<u8>), String> {
    if let Some(inner) = name.strip_prefix(ROOT) {
        if let Some(text) = embedded::get(inner.trim_start_matches('/')) {
            return Ok((name.to_string(), text.as_bytes().to_vec()));
        }
    }
    for candidate in [format!("{name}.sig"), name.to_string()] {
        for dir in search_path() {
            if let Some(inner) = dir.strip_prefix(ROOT) {
                let path = format!("{inner}/{candidate}");
                if let Some(text) = embedded::get(path.trim_start_matches('/')) {
                    return Ok((format!("{ROOT}{path}"), text.as_bytes().to_vec()));
                }
            } else {
                let path = Path::new(&dir).join(&candidate);
                if let Ok(text) = std::fs::read(&path) {
                    let shown = path.display().to_string();
                    let shown = shown
                        .strip_prefix("./")
                        .filter(|s| s.starts_with("./"))
                        .unwrap_or(&shown);
                    return Ok((shown.to_string(), text));
                }
            }
        }
    }
    Err(format!(
        "can't find signature file {name} in {}",
        search_path().join(":")
    ))
}

fn disassemble(vm: &mut Vm, host: &mut EngineHost, name: &str) -> u8 {
    let functions: Vec<_> = (0..vm.program().functions.len())
        .filter(|i| name.is_empty() || *vm.program().functions[*i].name == *name)
        .collect();
    if functions.is_empty() {
        eprintln!("fatal error: no function is called '{name}'");
        return 1;
    }
    for i in functions {
        match vm.disassemble(host, tapir_data::value::FuncId(i as u32)) {
            Ok(text) => print!("{text}"),
            Err(e) if !name.is_empty() => {
                eprintln!("fatal error: {name}: {e}");
                return 1;
            }
            Err(_) => {}
        }
    }
    0
}

/// Writes a text to standard output; that nobody reads it is no error.
fn say(text: &str) -> u8 {
    use std::io::Write;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    0
}

fn print_id(vm: &Vm, name: &str) -> u8 {
    use tapir_data::text::{Style, render, type_text};
    let program = vm.program();
    match program.names.get(name) {
        Some(Ident::Global(g)) => {
            let global = &program.globals[g.0 as usize];
            let ty = type_text(&program.types, global.ty);
            let attrs = if global.redefinable { " &redef" } else { "" };
            let value = String::from_utf8_lossy(&render(vm, vm.global(*g), Style::Print)).into_owned();
            say(&format!("{name} : {ty} = {value}{attrs}\n"))
        }
        Some(Ident::Func(f)) => say(&format!(
            "{name} : {}\n",
            type_text(&program.types, program.functions[f.0 as usize].ty)
        )),
        Some(Ident::Type(t)) => say(&format!(
            "{name} : {}\n",
            tapir_data::text::structure_text(&program.types, *t)
        )),
        Some(Ident::Enumerator(t, n)) => say(&format!("{name} : {} = {n}\n", type_text(&program.types, *t))),
        None => {
            eprintln!("No such ID: {name}");
            1
        }
    }
}

#[cfg(test)]
mod tests;
