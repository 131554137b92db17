//! The conformance ratchet: what the reference cases once reproduced must stay reproduced.
//!
//! `tests/conformance/passing.txt` lists the cases that pass: programs, logs of captures, event traces. The test runs
//! `conform.py` of the reference folder and fails when a listed case is lost. With `UPDATE_RATCHET=1` it adds what is new.
//! Without the reference folder (beside the checkout, or named by `TAPIR_CONFORMANCE`) it says so and passes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn reference() -> Option<PathBuf> {
    let dir = std::env::var_os("TAPIR_CONFORMANCE").map_or_else(|| root().join("../shared/conformance"), PathBuf::from);
    dir.join("conform.py").is_file().then_some(dir)
}

/// The comparing program, made to run from our folder. A revision of it misspells the name of one pattern; that is mended.
fn comparer(dir: &Path) -> PathBuf {
    let text = std::fs::read_to_string(dir.join("conform.py")).expect("conform.py can be read");
    let here = dir.canonicalize().expect("the reference folder exists");
    let text = text.replace(
        "pathlib.Path(__file__).resolve().parent",
        &format!("pathlib.Path({:?})", here.display().to_string()),
    );
    let text = text.replace("\nUID = re.compile(r\"^F", "\nFUID = re.compile(r\"^F");
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conform.py");
    std::fs::write(&copy, text).expect("the copy can be written");
    copy
}

fn run(dir: &Path, what: &str, only: Option<&str>) -> Value {
    let json = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{what}.json"));
    let done = Command::new("python3")
        .arg(comparer(dir))
        .args([what, "--jobs", "2", "--tapir", env!("CARGO_BIN_EXE_tapir"), "--json"])
        .arg(&json)
        .args(only.map(|o| ["--only", o]).into_iter().flatten())
        .output()
        .expect("python3 runs conform.py");
    println!(
        "{}",
        String::from_utf8_lossy(&done.stdout).lines().last().unwrap_or_default()
    );
    let text = std::fs::read_to_string(&json)
        .unwrap_or_else(|e| panic!("{what}: {e}\n{}", String::from_utf8_lossy(&done.stderr)));
    serde_json::from_str(&text).expect("conform.py writes JSON")
}

fn numbers(v: &Value) -> Vec<u64> {
    v.as_array()
        .map(|a| a.iter().filter_map(Value::as_u64).collect())
        .unwrap_or_default()
}

/// The cases that pass now; `only` narrows the run to one program or capture.
fn passing(dir: &Path, kinds: &[&str], only: Option<&str>) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    let result = |kind: &str| {
        if kinds.contains(&kind) {
            run(dir, kind, only)
        } else {
            Value::Null
        }
    };
    for (name, why) in result("scripts")["by_case"].as_object().into_iter().flatten() {
        if why.as_array().is_some_and(Vec::is_empty) {
            out.insert(format!("script {name}"));
        }
    }
    for (name, case) in result("traces")["by_case"].as_object().into_iter().flatten() {
        if case["rc"] == 0 {
            out.insert(format!("exit {name}"));
        }
        for (log, counts) in case["logs"].as_object().into_iter().flatten() {
            if let [expected, got, same] = numbers(counts)[..] {
                if expected == got && got == same {
                    out.insert(format!("log {log} {name}"));
                }
            }
        }
    }
    for (name, case) in result("events")["by_case"].as_object().into_iter().flatten() {
        if let [0, expected, got, same] = numbers(case)[..] {
            if expected == got && got == same {
                out.insert(format!("events {name}"));
            }
        }
    }
    out
}

/// More losses than this are no accident.
const RETRIES_MAX: usize = 40;

#[test]
fn no_case_is_lost() {
    let Some(dir) = reference() else {
        println!("the reference cases are not here: the conformance ratchet was not run");
        return;
    };
    let list = root().join("tests/conformance/passing.txt");
    let before: BTreeSet<String> = std::fs::read_to_string(&list)
        .unwrap_or_default()
        .lines()
        .map(str::to_string)
        .collect();
    let mut now = passing(&dir, &["scripts", "traces", "events"], None);
    // A few programs wait for processes and clocks: what fails gets a second chance on its own.
    for case in before.difference(&now.clone()).take(RETRIES_MAX) {
        let kind = match case.split(' ').next() {
            Some("script") => "scripts",
            Some("events") => "events",
            _ => "traces",
        };
        let name = case.rsplit(' ').next().unwrap_or_default();
        if passing(&dir, &[kind], Some(name)).contains(case) {
            now.insert(case.clone());
        }
    }
    let lost: Vec<_> = before.difference(&now).cloned().collect();
    let gained = now.difference(&before).count();
    println!(
        "conformance: {} cases pass, {gained} of them new, {} lost",
        now.len(),
        lost.len()
    );
    if std::env::var_os("UPDATE_RATCHET").is_some() {
        let all: Vec<_> = before.union(&now).cloned().collect();
        std::fs::write(&list, all.join("\n") + "\n").expect("the list can be written");
    }
    assert!(
        lost.is_empty(),
        "cases that passed before and do not now:\n{}",
        lost.join("\n")
    );
}
