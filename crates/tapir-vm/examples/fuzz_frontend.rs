//! Feeds mutated scripts to loader, lexer, parser, checker, compiler and machine, and tells of panics, of mutants that take
//! too long, and of memory that grows without bound.
//!
//! `fuzz_frontend [--seed N] [--seconds N] [--count N] [--out DIR] [--slow MILLIS] [DIR…]`: scripts below the given directories
//! are mutated beside those of the source tree. The mutant at hand is kept in `DIR/current.zeek`; what panicked or was slow
//! stays as `DIR/panic-N.zeek` and `DIR/slow-N.zeek`. `--replay FILE` runs one text as it is.

mod fuzz;
mod plain;

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fuzz::{Bench, Corpus, Outcome, Random};

/// Longer than this no mutant may take, however the machine is loaded.
const HANG: Duration = Duration::from_secs(60);
/// More memory than this no mutant may need.
const MEMORY_MAX: u64 = 6 << 30;

/// The number of the mutant at hand, and when it was begun, in milliseconds since the start.
static CURRENT: AtomicU64 = AtomicU64::new(0);
static BEGUN: AtomicU64 = AtomicU64::new(0);

struct Options {
    seed: u64,
    seconds: u64,
    count: u64,
    out: PathBuf,
    slow: u128,
    dirs: Vec<PathBuf>,
    replay: Option<PathBuf>,
}

fn options() -> Option<Options> {
    let mut o = Options {
        seed: 1,
        seconds: 60,
        count: u64::MAX,
        out: std::env::temp_dir().join("fuzz-frontend"),
        slow: 2000,
        dirs: Vec::new(),
        replay: None,
    };
    let mut args = std::env::args().skip(1);
    while let Some(a) = args.next() {
        match a.as_str() {
            "--seed" => o.seed = args.next()?.parse().ok()?,
            "--seconds" => o.seconds = args.next()?.parse().ok()?,
            "--count" => o.count = args.next()?.parse().ok()?,
            "--slow" => o.slow = args.next()?.parse().ok()?,
            "--out" => o.out = args.next()?.into(),
            "--replay" => o.replay = Some(args.next()?.into()),
            _ if a.starts_with('-') => return None,
            _ => o.dirs.push(a.into()),
        }
    }
    Some(o)
}

/// Ends the process when a mutant does not end, or eats the machine's memory.
fn watch(begun: Instant) {
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let since =
            begun.elapsed().as_millis() as u64 - BEGUN.load(Ordering::Relaxed).min(begun.elapsed().as_millis() as u64);
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let pages: u64 = statm
            .split_whitespace()
            .nth(1)
            .and_then(|n| n.parse().ok())
            .unwrap_or(0);
        let n = CURRENT.load(Ordering::Relaxed);
        if since > HANG.as_millis() as u64 {
            eprintln!("mutant {n} hangs");
            std::process::exit(2);
        }
        if pages * 4096 > MEMORY_MAX {
            eprintln!("mutant {n} needs {} MiB", pages >> 8);
            std::process::exit(3);
        }
    }
}

fn work(o: &Options) -> i32 {
    let begun = Instant::now();
    std::thread::spawn(move || watch(begun));
    let mut bench = Bench::new();
    if let Some(path) = &o.replay {
        let text = std::fs::read(path).unwrap_or_default();
        // The first line of a kept mutant names its origin.
        let name = text.split(|c| *c == b'\n').next().unwrap_or_default();
        let name = String::from_utf8_lossy(name.strip_prefix(b"#! ").unwrap_or_default()).into_owned();
        let outcome = bench.run(&name, &text);
        println!("{outcome:?} in {} ms", begun.elapsed().as_millis());
        return 0;
    }
    let mut corpus = Corpus::new();
    let scripts = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts"));
    corpus.add_dir(scripts, Some(scripts));
    corpus.add_dir(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tapir-script/tests")),
        None,
    );
    for d in &o.dirs {
        // Twice, as these say more about the language than the base scripts do.
        corpus.add_dir(d, None);
        corpus.add_dir(d, None);
    }
    println!("{} scripts, seed {}", corpus.seeds.len(), o.seed);
    let _ = std::fs::create_dir_all(&o.out);
    let (mut n, mut panics, mut slow) = (0u64, 0u64, 0u64);
    let mut outcomes = [0u64; 3];
    let mut longest = 0;
    std::panic::set_hook(Box::new(|info| eprintln!("{info}")));
    while n < o.count && begun.elapsed().as_secs() < o.seconds {
        let mut r = Random(o.seed.wrapping_mul(0x1_0000_0001).wrapping_add(n));
        let (name, mutant) = corpus.mutant(&mut r);
        let mut text = format!("#! {name}\n").into_bytes();
        text.extend_from_slice(&mutant);
        let _ = std::fs::write(o.out.join("current.zeek"), &text);
        CURRENT.store(n, Ordering::Relaxed);
        let before = Instant::now();
        BEGUN.store(begun.elapsed().as_millis() as u64, Ordering::Relaxed);
        match std::panic::catch_unwind(AssertUnwindSafe(|| bench.run(name, &text))) {
            Ok(o) => {
                outcomes[match o {
                    Outcome::Rejected => 0,
                    Outcome::Compiled => 1,
                    Outcome::Ran => 2,
                }] += 1
            }
            Err(_) => {
                panics += 1;
                eprintln!("mutant {n} of {name} panics");
                let _ = std::fs::write(o.out.join(format!("panic-{n}.zeek")), &text);
            }
        }
        let took = before.elapsed().as_millis();
        longest = longest.max(took);
        if took > o.slow {
            slow += 1;
            eprintln!("mutant {n} of {name} takes {took} ms");
            let _ = std::fs::write(o.out.join(format!("slow-{n}.zeek")), &text);
        }
        n += 1;
    }
    println!(
        "{n} mutants in {} s: {} rejected, {} ended while initializing, {} ran; {panics} panics, {slow} slow, longest {longest} ms",
        begun.elapsed().as_secs(),
        outcomes[0],
        outcomes[1],
        outcomes[2]
    );
    i32::from(panics + slow > 0)
}

fn main() {
    let Some(o) = options() else {
        eprintln!(
            "usage: fuzz_frontend [--seed N] [--seconds N] [--count N] [--out DIR] [--slow MILLIS] [--replay FILE] [DIR…]"
        );
        std::process::exit(1);
    };
    // The stack of a main thread as systems give it.
    let code = std::thread::Builder::new()
        .stack_size(8 << 20)
        .spawn(move || work(&o))
        .and_then(|t| t.join().map_err(|_| std::io::Error::other("the fuzzer panicked")));
    std::process::exit(code.unwrap_or(101));
}
