//! Options of the command line that print something or write a file beside the logs.

use std::path::{Path, PathBuf};
use std::process::Command;

fn work_dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("options").join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    dir
}

/// What a run prints.
fn tapir(dir: &Path, args: &[&str]) -> String {
    let mut c = Command::new(env!("CARGO_BIN_EXE_tapir"));
    c.current_dir(dir).env("TZ", "UTC").env_remove("ZEEKPATH").args(args);
    let out = c.output().expect("tapir runs");
    assert!(out.status.success(), "{c:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

fn capture(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures");
    root.join(name).display().to_string()
}

#[test]
fn what_the_program_is_made_of_is_listed() {
    let dir = work_dir("plugins");
    let brief = tapir(&dir, &["-N"]);
    assert!(
        brief.contains("Zeek::HTTP - ") && !brief.contains("[Analyzer]"),
        "{brief}"
    );
    let detailed = tapir(&dir, &["-NN"]);
    for part in [
        "    [Analyzer] HTTP (ANALYZER_HTTP, enabled)",
        "    [Writer] Ascii (WRITER_ASCII)",
        "    [Reader] Raw (READER_RAW)",
        "    [Packet Analyzer] IP (ANALYZER_IP)",
    ] {
        assert!(detailed.lines().any(|l| l == part), "{part} in {detailed}");
    }
    assert_eq!(
        tapir(&dir, &["-I", "Log::separator"]),
        "Log::separator : string = \\x09 &redef\n"
    );
    assert!(tapir(&dir, &["-V"]).starts_with("{\"build\":"));
}

#[test]
fn options_that_there_are_not_are_named_before_anything_runs() {
    let dir = work_dir("unknown");
    for (args, says) in [
        (
            &["--raed", "x.pcap"][..],
            "ERROR: Unrecognized option --raed; did you mean --readfile?\nTry 'tapir --help' for more information.\n",
        ),
        (
            &["cluster", "--bogus"],
            "ERROR: Unrecognized option --bogus\nTry 'tapir cluster --help' for more information.\n",
        ),
        (
            &["cluster", "--wrokers", "3"],
            "ERROR: Unrecognized option --wrokers; did you mean --workers?\nTry 'tapir cluster --help' for more information.\n",
        ),
    ] {
        let mut c = Command::new(env!("CARGO_BIN_EXE_tapir"));
        let out = c.current_dir(&dir).args(args).output().expect("tapir runs");
        assert_eq!(out.status.code(), Some(1));
        assert_eq!(String::from_utf8_lossy(&out.stderr), says);
        assert_eq!(std::fs::read_dir(&dir).expect("the folder").count(), 0);
    }
}

#[test]
fn scripts_are_traced_and_profiled() {
    let dir = work_dir("watch");
    let code = "event zeek_init() { }\nevent zeek_done() { }";
    let out = tapir(&dir, &["-b", "-t", "trace", "--profile-scripts=profile", "-e", code]);
    assert_eq!(out, "");
    let trace = std::fs::read_to_string(dir.join("trace")).expect("a trace");
    assert!(
        trace.lines().any(|l| l.ends_with("zeek_init <command line>:1")),
        "{trace}"
    );
    let profile = std::fs::read_to_string(dir.join("profile")).expect("a profile");
    let row = profile.lines().find(|l| l.starts_with("zeek_done\t<command line>:2\t"));
    assert_eq!(row.and_then(|r| r.split('\t').nth(2)), Some("1"), "{profile}");
}

#[test]
fn packets_that_nothing_takes_are_kept() {
    let dir = work_dir("unprocessed");
    // An Ethernet frame of a type that nobody knows.
    let mut pcap = Vec::new();
    pcap.extend_from_slice(&0xa1b2_c3d4u32.to_le_bytes());
    pcap.extend_from_slice(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    for _ in 0..2 {
        pcap.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0, 18, 0, 0, 0, 18, 0, 0, 0]);
        pcap.extend_from_slice(&[0; 12]);
        pcap.extend_from_slice(&[0x43, 0x21, 1, 2, 3, 4]);
    }
    std::fs::write(dir.join("in.pcap"), &pcap).expect("a capture");
    tapir(&dir, &["-b", "-c", "out.pcap", "-r", "in.pcap"]);
    let kept = std::fs::read(dir.join("out.pcap")).expect("packets were kept");
    assert_eq!(kept.len(), pcap.len());
    tapir(&dir, &["-b", "-c", "none.pcap", "-r", &capture("http.pcap")]);
    assert!(!dir.join("none.pcap").exists());
}
