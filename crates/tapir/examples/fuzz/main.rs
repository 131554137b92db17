//! The whole program on damaged captures: `fuzz SECONDS SEED FOLDER [KEEP]`.
//!
//! Mixes and damages captures found below FOLDER, and runs this program on each with the site's scripts, as a child with
//! a bounded address space and bounded time. Reports panics, hangs, exits that should not be and the highest memory
//! use; captures that did harm are left in KEEP (default `fuzz-findings`). Exit status 1 when there were any.

mod mutate;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use mutate::{Packet, Random};
use tapir_engine::config::{Config, Input};

/// Address space of a child, in KiB.
const MEMORY_KIB: u64 = 1 << 20;
/// CPU seconds of a child, and seconds on the clock when the machine is busy.
const CPU_SECONDS: u64 = 20;
const CLOCK_SECONDS: u64 = 120;
/// Packets of one capture that are taken.
const PACKETS: usize = 4000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["--one", capture, scripts] => one(capture, scripts),
        [seconds, seed, folder] => parent(seconds, seed, folder, "fuzz-findings"),
        [seconds, seed, folder, keep] => parent(seconds, seed, folder, keep),
        _ => {
            eprintln!("usage: fuzz SECONDS SEED FOLDER [KEEP]");
            ExitCode::from(2)
        }
    }
}

/// The child: the engine on one capture, then the peak of its memory.
fn one(capture: &str, scripts: &str) -> ExitCode {
    let status = tapir_engine::run(&Config {
        input: Some(Input::Capture(PathBuf::from(capture))),
        scripts: scripts.split(',').map(str::to_string).collect(),
        ignore_checksums: true,
        ..Config::default()
    });
    let peak = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = peak.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or("0");
    eprintln!("peak: {}", peak.trim().trim_end_matches(" kB"));
    ExitCode::from(status)
}

struct Outcome {
    problem: Option<String>,
    peak_kib: u64,
}

/// Runs one child.
fn run(capture: &Path, scripts: &str, dir: &Path) -> std::io::Result<Outcome> {
    let err = dir.join("stderr");
    let mut child = Command::new("/bin/sh")
        .arg("-c")
        .arg(format!(
            "ulimit -v {MEMORY_KIB}; ulimit -t {CPU_SECONDS}; ulimit -c 0; exec \"$0\" --one \"$1\" \"$2\""
        ))
        .arg(std::env::current_exe()?)
        .arg(capture)
        .arg(scripts)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&err)?)
        .spawn()?;
    let begun = Instant::now();
    let status = loop {
        if let Some(s) = child.try_wait()? {
            break Some(s);
        }
        if begun.elapsed() > Duration::from_secs(CLOCK_SECONDS) {
            child.kill()?;
            child.wait()?;
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let text = String::from_utf8_lossy(&std::fs::read(&err)?).into_owned();
    let peak_kib = text
        .lines()
        .find_map(|l| l.strip_prefix("peak: "))
        .and_then(|n| n.parse().ok())
        .unwrap_or(0);
    let panic = text.lines().find(|l| l.contains("panicked at"));
    let problem = match status {
        None => Some("hang".into()),
        _ if panic.is_some() => panic.map(str::to_string),
        Some(s) if s.success() => text.lines().find(|l| l.contains("internal error")).map(str::to_string),
        // A damaged capture is still a whole file, so the program has no reason to complain of it.
        Some(s) => Some(format!("{s}: {}", text.lines().next().unwrap_or_default())),
    };
    Ok(Outcome { problem, peak_kib })
}

fn parent(seconds: &str, seed: &str, folder: &str, keep: &str) -> ExitCode {
    let (Ok(seconds), Ok(seed)) = (seconds.parse::<u64>(), seed.parse::<u64>()) else {
        eprintln!("fuzz: SECONDS and SEED are numbers");
        return ExitCode::from(2);
    };
    let mut corpus: Vec<Vec<Packet>> = mutate::captures(Path::new(folder))
        .iter()
        .map(|p| mutate::read(p, PACKETS))
        .filter(|p| !p.is_empty())
        .collect();
    corpus.sort_by_key(|c| c[0].link);
    if corpus.is_empty() {
        eprintln!("fuzz: there are no captures in {folder}");
        return ExitCode::from(2);
    }
    match work(seconds, seed, &corpus, Path::new(keep)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("fuzz: {e}");
            ExitCode::from(2)
        }
    }
}

fn work(seconds: u64, seed: u64, corpus: &[Vec<Packet>], keep: &Path) -> std::io::Result<bool> {
    let keep = std::path::absolute(keep)?;
    let dir = std::env::temp_dir().join(format!("tapir-fuzz-{}", std::process::id()));
    let mut r = Random(seed);
    let begun = Instant::now();
    let (mut runs, mut packets, mut peak) = (0u64, 0usize, 0u64);
    let mut findings: Vec<(String, u64)> = Vec::new();
    while begun.elapsed().as_secs() < seconds {
        let first = &corpus[r.below(corpus.len())];
        let alike: Vec<_> = corpus.iter().filter(|c| c[0].link == first[0].link).collect();
        let mut parts = vec![first.clone()];
        let mut size = first.len();
        for _ in 0..r.below(12) {
            let more = alike[r.below(alike.len())];
            if size + more.len() < 3000 {
                size += more.len();
                parts.push(more.clone());
            }
        }
        let mutated = mutate::mutate(&mut r, &parts);
        let scripts = if r.one_in(4) {
            "local,policy/misc/dump-events"
        } else {
            "local"
        };
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir)?;
        let capture = dir.join("mutated.pcap");
        std::fs::write(&capture, mutate::to_pcap(&mutated))?;
        let out = run(&capture, scripts, &dir)?;
        runs += 1;
        packets += mutated.len();
        peak = peak.max(out.peak_kib);
        if let Some(what) = out.problem {
            match findings.iter_mut().find(|f| f.0 == what) {
                Some(f) => f.1 += 1,
                None => {
                    std::fs::create_dir_all(&keep)?;
                    let at = keep.join(format!("{seed}-{runs}.pcap"));
                    std::fs::copy(&capture, &at)?;
                    println!("{}: {what} ({scripts})", at.display());
                    findings.push((what, 1));
                }
            }
        }
    }
    let _ = std::fs::remove_dir_all(&dir);
    println!(
        "{runs} runs, {packets} packets in {} s; peak memory {} MiB; {} kinds of findings in {} runs",
        begun.elapsed().as_secs(),
        peak / 1024,
        findings.len(),
        findings.iter().map(|f| f.1).sum::<u64>()
    );
    Ok(findings.is_empty())
}
