//! Nodes of ours in one cluster with a node of another program: see `foreign_node.py`, which is that node. Skipped, with a
//! message, where Python with the module zmq or libzmq is missing.

use std::path::Path;
use std::process::{Command, Stdio};

fn can_run() -> bool {
    let has = |c: &mut Command| {
        c.stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .is_ok_and(|o| o.status.success())
    };
    if !has(Command::new("python3").args(["-c", "import zmq"])) {
        eprintln!("skipped: no Python with the module zmq");
        return false;
    }
    let code = "event zeek_init() { exit(|Cluster::Backend::ZeroMQ::generate_keypair()| == 2 ? 0 : 1); }";
    let found = has(Command::new(env!("CARGO_BIN_EXE_tapir")).args(["-b", "-e", code]));
    if !found {
        eprintln!("skipped: libzmq is not installed");
    }
    found
}

fn play(scenario: &str) {
    if !can_run() {
        return;
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("foreign-{scenario}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign_node.py");
    let out = Command::new("python3")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .arg(script)
        .arg(env!("CARGO_BIN_EXE_tapir"))
        .arg(&dir)
        .arg(scenario)
        .stdin(Stdio::null())
        .output()
        .expect("python3 runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_worker_of_another_program_joins_our_manager() {
    play("worker");
}

#[test]
fn our_worker_joins_a_manager_of_another_program() {
    play("manager");
}

#[test]
fn logger_and_proxies_of_another_program_join_our_manager_and_worker() {
    play("cluster");
}

#[test]
fn a_worker_of_another_program_speaks_json_with_our_manager() {
    play("json");
}
