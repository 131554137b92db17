//! Runs one script without an engine: no packets, no logs, only what the pure built-ins can do.
//!
//! `run [--bare-min] [--force] [--time] [--seconds N] [--dis NAME] FILE…`: `--bare-min` loads nothing of `scripts/base` first,
//! `--force` goes on after errors in what was loaded, `--seconds` lets the clock run that far before the end.

mod plain;

use plain::{Evaluator, Plain, stand_in_for};
use tapir_data::value::Value;
use tapir_script::load::{Files, Loader, has_errors};
use tapir_vm::{CallCtx, Registry, RtError, Vm};

fn terminate(ctx: &mut CallCtx<'_>, _: &[Value]) -> Result<Value, RtError> {
    Ok(Value::Bool(!ctx.vm.is_terminating()))
}

fn zeek_is_terminating(ctx: &mut CallCtx<'_>, _: &[Value]) -> Result<Value, RtError> {
    Ok(Value::Bool(ctx.vm.is_terminating()))
}

fn exit(_: &mut CallCtx<'_>, args: &[Value]) -> Result<Value, RtError> {
    match args {
        [Value::Int(n)] => Err(RtError::Exit(*n as i32)),
        _ => Err(RtError::Exit(0)),
    }
}

fn network_time(ctx: &mut CallCtx<'_>, _: &[Value]) -> Result<Value, RtError> {
    Ok(Value::Time(ctx.network_time()))
}

fn cpu_seconds(_: &mut CallCtx<'_>, _: &[Value]) -> Result<Value, RtError> {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: f64 = text
        .rsplit(')')
        .next()
        .and_then(|t| t.split_whitespace().nth(11))
        .and_then(|t| t.parse().ok())
        .unwrap_or(0.0);
    Ok(Value::Double(ticks / 100.0))
}

fn advance(ctx: &mut CallCtx<'_>, args: &[Value]) -> Result<Value, RtError> {
    if let [Value::Time(t)] = args {
        while ctx.vm.advance_time(ctx.host, *t)? > 0 {}
    }
    Ok(Value::Unset)
}

fn run(args: Vec<String>) -> i32 {
    let mut registry = Registry::new();
    tapir_builtins::register(&mut registry);
    registry.add_all(&[
        ("terminate", terminate),
        ("zeek_is_terminating", zeek_is_terminating),
        ("exit", exit),
        ("network_time", network_time),
        ("advance", advance),
        ("cpu_seconds", cpu_seconds),
    ]);
    let mut vm = Vm::incremental();
    vm.set_registry(registry.clone());
    let mut evaluator = Evaluator {
        vm,
        host: Plain { quiet: false },
        registry: registry.clone(),
        force: args.iter().any(|a| a == "--force"),
    };
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts");
    let path = vec![
        ".".to_string(),
        scripts.to_string(),
        format!("{scripts}/policy"),
        format!("{scripts}/site"),
    ];
    let mut loader = Loader::new(Box::new(Files::new(path)), &mut evaluator);
    let mut dis = None;
    let mut files = Vec::new();
    let mut minimal = false;
    let mut timing = false;
    let mut force = false;
    let mut seconds = 0;
    let mut it = args.into_iter();
    while let Some(a) = it.next() {
        match a.as_str() {
            "--bare-min" => minimal = true,
            "-b" => {}
            "--seconds" => seconds = it.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            "--force" => force = true,
            "--time" => timing = true,
            "--dis" => dis = it.next(),
            _ => files.push(a),
        }
    }
    let t0 = std::time::Instant::now();
    if !minimal {
        loader.load_file("base/init-bare.zeek");
        loader.load_file("base/init-frameworks-and-bifs.zeek");
    }
    for f in &files {
        loader.load_file(f);
    }
    let (program, diagnostics) = loader.finish();
    for d in &diagnostics {
        let text = d.render(&program.files);
        if !force || !text.contains("/scripts/base/") {
            eprintln!("{text}");
        }
    }
    let ours = diagnostics
        .iter()
        .any(|d| has_errors(std::slice::from_ref(d)) && !d.render(&program.files).contains("/scripts/base/"));
    if ours || (!force && has_errors(&diagnostics)) {
        return 1;
    }
    let Evaluator {
        mut vm,
        mut host,
        mut registry,
        ..
    } = evaluator;
    vm.set_program(std::sync::Arc::new(program));
    if force {
        // What only an engine has does nothing here.
        stand_in_for(&vm.missing_builtins(), &mut registry);
        vm.set_registry(registry);
    }
    let t1 = std::time::Instant::now();
    let r = start(&mut vm, &mut host, dis, seconds);
    if timing {
        eprintln!("load {:?}, run {:?}", t1 - t0, t1.elapsed());
    }
    match r {
        Ok(code) => code,
        Err(RtError::Exit(code)) => code,
        Err(_) => 1,
    }
}

fn start(vm: &mut Vm, host: &mut Plain, dis: Option<String>, seconds: u32) -> Result<i32, RtError> {
    if let Err(e) = vm.run_inits(host) {
        eprintln!("fatal error: errors occurred while initializing");
        return Err(e);
    }
    vm.freeze();
    if let Some(name) = dis {
        let Some(f) = vm.func_id(&name) else {
            eprintln!("no such function");
            return Ok(1);
        };
        println!("{}", vm.disassemble(host, f)?);
        return Ok(0);
    }
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64());
    vm.set_network_time(now);
    vm.raise_named("zeek_init", Vec::new());
    vm.raise_named("network_time_init", Vec::new());
    if let Err(e) = vm.run_top_level(host) {
        eprintln!("fatal error: failed to execute script statements at top-level scope");
        return Err(e);
    }
    vm.drain_all(host)?;
    if vm.n_errors() > 0 {
        eprintln!("fatal error: errors occurred while initializing");
        return Ok(1);
    }
    for s in 0..seconds {
        while vm.advance_time(host, now + f64::from(s))? > 0 {
            vm.drain(host)?;
        }
    }
    vm.set_terminating();
    vm.drain(host)?;
    vm.raise_named("net_done", vec![Value::Time(now)]);
    vm.drain_all(host)?;
    vm.expire_all_timers(host)?;
    vm.drain_all(host)?;
    vm.raise_named("zeek_done", Vec::new());
    vm.drain_all(host)?;
    Ok(0)
}

fn main() {
    // Scripts may nest hooks and built-ins deeply; the native stack is sized for the script's own limit.
    let args = std::env::args().skip(1).collect();
    let code = std::thread::Builder::new()
        .stack_size(1 << 30)
        .spawn(|| run(args))
        .and_then(|t| t.join().map_err(|_| std::io::Error::other("the interpreter panicked")));
    std::process::exit(code.unwrap_or(101));
}
