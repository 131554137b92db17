//! All policy scripts at once and each alone, on captures: nothing fails, nothing is complained about, nothing hangs.

mod background;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use background::folder;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(dir: &Path, args: &[&str], capture: &Path) -> Output {
    let mut c = Command::new(env!("CARGO_BIN_EXE_tapir"));
    c.current_dir(dir).env_remove("ZEEKPATH").env("ZEEK_DNS_FAKE", "1");
    let out = c.args(["-C", "-r"]).arg(capture).args(args).output();
    out.expect("tapir runs")
}

const EXPECTED: [&str; 2] = [
    "only TCP control packets",
    "handler missing for Analyzer::ANALYZER_POP3",
];

/// What went wrong, if anything did. That a capture has no data is nothing that scripts could help, and mails of POP3 are
/// files that no script names, which is told.
fn complaints(out: &Output) -> Option<String> {
    let said = String::from_utf8_lossy(&out.stderr);
    let wrong: Vec<_> = said
        .lines()
        .filter(|l| !l.is_empty() && !EXPECTED.iter().any(|e| l.contains(e)))
        .collect();
    (!out.status.success() || !wrong.is_empty()).then(|| format!("{}: {}", out.status, wrong.join("\n")))
}

fn scripts(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            scripts(&path, found);
        } else if path.extension().is_some_and(|e| e == "zeek") {
            found.push(path);
        }
    }
}

#[test]
fn together_on_all_captures() {
    let dir = folder("policies/together");
    for entry in std::fs::read_dir(root().join("tests/captures"))
        .expect("captures")
        .flatten()
    {
        let capture = entry.path();
        if capture.extension().is_none_or(|e| e != "pcap") {
            continue;
        }
        if let Some(why) = complaints(&run(&dir, &["test-all-policy"], &capture)) {
            panic!("{}: {why}", capture.display());
        }
    }
}

#[test]
fn each_alone() {
    let dir = folder("policies/alone");
    let policy = root().join("scripts/policy");
    let mut all = Vec::new();
    scripts(&policy, &mut all);
    all.sort();
    assert!(all.len() > 150, "{}", all.len());
    let capture = root().join("tests/captures/tls.pcap");
    for path in all {
        let name = path
            .strip_prefix(&policy)
            .expect("a policy script")
            .display()
            .to_string();
        // Who controls others has to say what they shall do.
        let command = (name == "frameworks/control/controller.zeek").then_some("Control::cmd=net_stats");
        let mut args = vec![name.as_str()];
        args.extend(command);
        if let Some(why) = complaints(&run(&dir, &args, &capture)) {
            panic!("{name}: {why}");
        }
    }
}
