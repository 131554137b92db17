//! Several workers in one process write what one writes: the same lines, in any order.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Identifiers are drawn by each node; everything else must agree.
fn is_identifier(column: &str) -> bool {
    column.ends_with("uid") || column.ends_with("uids") || column == "peer_descr"
}

/// Lines of a log without identifiers, sorted.
fn lines(text: &str) -> Vec<String> {
    let mut keep: Vec<bool> = Vec::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(names) = line.strip_prefix("#fields\t") {
            keep = names.split('\t').map(|n| !is_identifier(n)).collect();
        } else if !line.starts_with('#') {
            let cells = line.split('\t').zip(&keep).filter(|(_, k)| **k).map(|c| c.0);
            rows.push(cells.collect::<Vec<_>>().join("\t"));
        }
    }
    rows.sort();
    rows
}

fn logs(capture: &str, workers: usize) -> BTreeMap<String, Vec<String>> {
    let name = format!("workers-{capture}-{workers}");
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-C", "-r"])
        .arg(root().join("tests/captures").join(capture))
        .args(["--workers", &workers.to_string(), "local"])
        .current_dir(&dir)
        .output()
        .expect("tapir runs");
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{capture}: {err}");
    // What tells of nodes rather than of traffic.
    let of_nodes = [
        "capture_loss",
        "cluster",
        "loaded_scripts",
        "notice",
        "packet_filter",
        "reporter",
        "stats",
        "telemetry",
    ];
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(&dir).expect("the folder is there").flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(log) = file.strip_suffix(".log") else { continue };
        if !of_nodes.contains(&log) {
            let text = std::fs::read_to_string(entry.path()).expect("a log is text");
            all.insert(log.to_string(), lines(&text));
        }
    }
    all
}

#[test]
fn logs_of_several_workers_are_those_of_one() {
    for capture in [
        "http.pcap",
        "dns.pcap",
        "ftp.pcap",
        "tls.pcap",
        "smtp.pcap",
        "udp-scan.pcap",
    ] {
        let one = logs(capture, 1);
        assert!(one.contains_key("conn"));
        assert_eq!(one, logs(capture, 3), "{capture}");
    }
}

#[test]
fn a_script_error_is_told_once() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workers-error");
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-r"])
        .arg(root().join("tests/captures/dns.pcap"))
        .args(["--workers", "2", "-e", "global x: count = \"no\";"])
        .current_dir(&dir)
        .output()
        .expect("tapir runs");
    assert_eq!(out.status.code(), Some(1));
    let err = String::from_utf8_lossy(&out.stderr);
    assert_eq!(err.matches("global x").count(), 1, "{err}");
}

#[test]
fn workers_need_a_capture() {
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-i", "lo", "--workers", "2"])
        .output()
        .expect("tapir runs");
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("tapir cluster"));
}
