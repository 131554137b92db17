//! End to end on the project's own captures: the program runs on a capture, chosen columns of its logs are compared with
//! a recorded expectation under `tests/expected`. `UPDATE_EXPECT=1` writes what is got, for review.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn work_dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    dir
}

fn tapir(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(args)
        .current_dir(dir)
        .env("TZ", "UTC")
        .output()
        .expect("tapir runs")
}

fn capture(name: &str) -> String {
    root().join("tests/captures").join(name).display().to_string()
}

/// A log without the lines and columns that change from run to run.
fn stable(text: &str) -> String {
    let unstable = [
        "uid",
        "uids",
        "fuid",
        "conn_uids",
        "orig_fuids",
        "resp_fuids",
        "cert_chain_fuids",
        "parent_fuid",
    ];
    let mut keep: Vec<bool> = Vec::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(names) = line.strip_prefix("#fields\t") {
            keep = names.split('\t').map(|n| !unstable.contains(&n)).collect();
            rows.push(pick(names, &keep));
        } else if !line.starts_with('#') {
            rows.push(pick(line, &keep));
        }
    }
    if rows.len() > 1 {
        rows[1..].sort();
    }
    rows.join("\n") + "\n"
}

fn pick(line: &str, keep: &[bool]) -> String {
    let cells: Vec<_> = line
        .split('\t')
        .enumerate()
        .filter(|(i, _)| keep.get(*i) != Some(&false))
        .map(|c| c.1)
        .collect();
    cells.join("\t")
}

fn check(name: &str, logs: &[&str]) {
    let dir = work_dir(name);
    let out = tapir(&dir, &["-C", "-r", &capture(&format!("{name}.pcap")), "local"]);
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{name}: {err}");
    for log in logs {
        let got = std::fs::read_to_string(dir.join(format!("{log}.log")))
            .unwrap_or_else(|e| panic!("{name}: {log}.log: {e}"));
        let got = stable(&got);
        let path = root().join("tests/expected").join(name).join(format!("{log}.log"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::create_dir_all(path.parent().expect("below expected")).expect("the folder can be made");
            std::fs::write(&path, &got).expect("the expectation can be written");
        }
        let want = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert_eq!(got, want, "{name}: {log}.log differs from {}", path.display());
    }
}

#[test]
fn http() {
    check("http", &["conn", "http", "files"]);
}

#[test]
fn dns() {
    check("dns", &["conn", "dns"]);
}

#[test]
fn irc() {
    check("irc", &["conn", "irc"]);
}

#[test]
fn socks() {
    check("socks", &["conn", "socks", "http"]);
}

#[test]
fn syslog() {
    check("syslog", &["conn", "syslog"]);
}

#[test]
fn snmp() {
    check("snmp", &["conn", "snmp"]);
    check("snmp-notes", &["conn", "snmp"]);
}

#[test]
fn ntp() {
    check("ntp", &["conn", "ntp", "ntp_control"]);
}

#[test]
fn mqtt() {
    check("mqtt", &["conn", "mqtt_connect", "mqtt_subscribe"]);
}

#[test]
fn ftp() {
    check("ftp", &["conn", "ftp", "files"]);
}

#[test]
fn redis() {
    check("redis", &["conn", "redis"]);
}

#[test]
fn pop3() {
    check("pop3", &["conn", "files", "ssl"]);
}

#[test]
fn imap() {
    check("imap", &["conn", "ssl"]);
}

#[test]
fn quic() {
    check("quic", &["conn", "quic", "ssl"]);
    check("quic-turns", &["conn", "quic", "ssl"]);
}

#[test]
fn websocket() {
    check("websocket", &["conn", "http", "websocket"]);
}

#[test]
fn tls_and_dtls() {
    check("tls", &["conn", "ssl", "x509"]);
    check("dtls", &["conn", "ssl", "x509"]);
}

#[test]
fn tls_with_known_secrets() {
    let dir = work_dir("decryption");
    let run = |keys: &str| {
        let _ = std::fs::remove_file(dir.join("http.log"));
        let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
            .args([
                "-C",
                "-r",
                &capture("tls-secret.pcap"),
                "policy/protocols/ssl/decryption",
            ])
            .current_dir(&dir)
            .env("ZEEK_TLS_KEYLOG_FILE", keys)
            .output()
            .expect("tapir runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        std::fs::read_to_string(dir.join("http.log")).unwrap_or_default()
    };
    assert!(run(&capture("tls-secret.keys")).contains("secret.example\t/hidden"));
    std::fs::write(dir.join("empty.keys"), "").expect("a key log");
    assert_eq!(run("empty.keys"), "");
    assert_eq!(run("missing.keys"), "");
    // The secret of another session.
    let keys = std::fs::read_to_string(capture("tls-secret.keys")).expect("the key log");
    let wrong: String = keys.trim_end().chars().rev().skip(1).collect();
    let wrong: String = wrong.chars().rev().chain(['0']).collect();
    std::fs::write(dir.join("wrong.keys"), wrong).expect("a key log");
    assert_eq!(run("wrong.keys"), "");
    let weird = std::fs::read_to_string(dir.join("weird.log")).unwrap_or_default();
    assert!(weird.contains("SSL_decryption_failed"), "{weird}");
}

#[test]
fn kerberos() {
    check("kerberos", &["conn", "kerberos"]);
}

#[test]
fn ldap() {
    check("ldap", &["conn", "ldap", "ldap_search"]);
}

#[test]
fn radius() {
    check("radius", &["conn", "radius"]);
}

#[test]
fn sip() {
    check("sip", &["conn", "sip"]);
}

#[test]
fn smb() {
    check("smb", &["conn", "smb_files", "smb_mapping", "dce_rpc", "ntlm", "files"]);
}

#[test]
fn mysql() {
    check("mysql", &["conn", "mysql"]);
}

#[test]
fn postgresql() {
    check("postgresql", &["conn", "postgresql"]);
}

#[test]
fn vnc_and_rdp() {
    check("vnc", &["conn", "rfb"]);
    check("vnc-guesses", &["conn", "rfb"]);
    check("rdp", &["conn", "rdp", "ssl"]);
}

#[test]
fn modbus() {
    check("modbus", &["conn", "modbus"]);
}

#[test]
fn calls_of_the_port_mapper() {
    let dir = work_dir("rpc");
    let script = dir.join("rpc.zeek");
    let text = r#"
event zeek_init()
	{
	Analyzer::register_for_port(Analyzer::ANALYZER_PORTMAPPER, 111/tcp);
	Analyzer::register_for_port(Analyzer::ANALYZER_PORTMAPPER, 111/udp);
	}
event rpc_dialogue(c: connection, prog: count, ver: count, proc: count, status: rpc_status, start_time: time, call_len: count, reply_len: count)
	{
	print prog, ver, proc, status;
	}
event pm_request_null(r: connection)
	{
	print "null";
	}
event pm_request_dump(r: connection, m: pm_mappings)
	{
	print m[1];
	}
event conn_weird(name: string, c: connection, addl: string)
	{
	print name;
	}
"#;
    std::fs::write(&script, text).expect("the script can be written");
    let out = tapir(&dir, &["-C", "-r", &capture("rpc.pcap"), "rpc.zeek"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let got = String::from_utf8_lossy(&out.stdout).into_owned();
    // Addresses are asked for with version 4, whose answers are texts.
    let asked = "100000, 4, 3, RPC_SUCCESS";
    let want = [
        asked,
        "100000, 2, 4, RPC_SUCCESS",
        "[program=100000, version=4, p=111/tcp]",
        asked,
        "100000, 2, 0, RPC_SUCCESS",
        "null",
        asked,
    ];
    assert_eq!(got.lines().collect::<Vec<_>>(), want);
}

#[test]
fn dhcp() {
    check("dhcp", &["conn", "dhcp"]);
}

#[test]
fn ssh() {
    check("ssh", &["conn", "ssh"]);
}

#[test]
fn smtp() {
    check("smtp", &["conn", "smtp", "files"]);
}

#[test]
fn refused_and_ping() {
    check("refused", &["conn"]);
    check("ping", &["conn"]);
}

#[test]
fn a_broken_capture_is_reported_and_what_came_before_is_logged() {
    let dir = work_dir("broken");
    let whole = std::fs::read(capture("http.pcap")).expect("the capture is there");
    let cut = dir.join("cut.pcap");
    std::fs::write(&cut, &whole[..whole.len() - 7]).expect("the copy can be written");
    let out = tapir(&dir, &["-C", "-r", "cut.pcap", "local"]);
    assert_eq!(out.status.code(), Some(1));
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(err.contains("cut.pcap") && err.contains("truncated"), "{err}");
    assert!(std::fs::read_to_string(dir.join("conn.log")).is_ok_and(|t| t.contains("10.99.0.2")));
}

#[test]
fn mistakes_are_named() {
    let dir = work_dir("mistakes");
    for (args, word) in [
        (&["-r", "nowhere.pcap"][..], "nowhere.pcap"),
        (&["-C", "-r"], "requires an argument"),
        (&["--parse-onyl"], "--parse-only"),
        (&["no-such-script"], "no-such-script"),
        (&["-b", "-e", "print nothing_here;"], "nothing_here"),
    ] {
        let out = tapir(&dir, args);
        let err = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{args:?}: {err}");
        assert!(err.contains(word), "{args:?}: {err}");
    }
}

/// What a program prints over a capture.
fn printed(name: &str, program: &str, capture_name: &str) -> String {
    let dir = work_dir(name);
    std::fs::write(dir.join("test.zeek"), program).expect("the program is written");
    let out = tapir(&dir, &["-C", "-r", &capture(capture_name), "test.zeek"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).into_owned()
}

#[test]
fn a_contents_file_on_a_full_disk_is_told_of() {
    let program = r#"
event new_connection(c: connection)
    {
    local f = open("/dev/full");
    set_buf(f, F);
    set_contents_file(c$id, CONTENTS_BOTH, f);
    }
event contents_file_write_failure(c: connection, is_orig: bool, msg: string)
    { print "failed", is_orig, msg != ""; }
"#;
    let out = printed("contents", program, "http.pcap");
    assert!(
        out.contains("failed, T, T\n") && out.contains("failed, F, T\n"),
        "{out}"
    );
}

#[test]
fn weirds_of_connections_that_are_gone_have_an_event_of_their_own() {
    let program = r#"
global late: event(c: connection);
event late(c: connection)
    { Reporter::conn_weird("too_late", c, "why"); }
event connection_state_remove(c: connection)
    { event late(c); }
event expired_conn_weird(name: string, id: conn_id, uid: string, addl: string, source: string)
    { print name, uid != "", addl; }
event conn_weird(name: string, c: connection, addl: string, source: string)
    { print "still there", name; }
"#;
    let out = printed("expired", program, "dns.pcap");
    assert!(out.contains("too_late, T, why\n"), "{out}");
}

/// The lines of a log that are no header.
fn rows(dir: &Path, log: &str) -> Vec<String> {
    let text = std::fs::read_to_string(dir.join(log)).unwrap_or_else(|e| panic!("{log}: {e}"));
    text.lines()
        .filter(|l| !l.starts_with('#'))
        .map(str::to_string)
        .collect()
}

fn example(name: &str, capture_name: &str, more: &[&str]) -> PathBuf {
    let dir = work_dir(name);
    let script = root()
        .join("examples/detections")
        .join(format!("{name}.zeek"))
        .display()
        .to_string();
    let pcap = capture(capture_name);
    let mut args = vec!["-C", "-r", &pcap, &script];
    args.extend(more);
    let out = tapir(&dir, &args);
    assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
    dir
}

#[test]
fn example_of_a_malicious_string() {
    let dir = example("malicious-string", "marker.pcap", &[]);
    assert!(
        rows(&dir, "notice.log")
            .iter()
            .any(|l| l.contains("MaliciousString::Found") && l.contains("4711"))
    );
    assert_eq!(rows(&dir, "signatures.log").len(), 1);
}

#[test]
fn example_of_a_udp_scan() {
    let dir = example("udp-scan", "udp-scan.pcap", &[]);
    let log = rows(&dir, "udp_scan.log");
    assert_eq!(log.len(), 1);
    assert!(log[0].ends_with("10.99.0.1\t10.99.0.2\t25"), "{}", log[0]);
    assert!(rows(&dir, "notice.log").iter().any(|l| l.contains("UDPScan::Scan")));
}

#[test]
fn example_of_a_long_connection() {
    let dir = example("long-connection", "long.pcap", &["LongConnection::duration=3sec"]);
    assert!(
        rows(&dir, "notice.log")
            .iter()
            .any(|l| l.contains("LongConnection::Found"))
    );
}

#[test]
fn host_baselines_of_one_capture_judge_another() {
    let dir = work_dir("host-baselines");
    let options = [
        "policy/misc/host-baselines",
        "HostBaselines::database_path=baselines.sqlite",
        "HostBaselines::period=5sec",
        "HostBaselines::learning_period=20sec",
        "HostBaselines::min_periods=4",
        "HostBaselines::min_bytes_out=10000",
        "HostBaselines::min_bytes_in=10000",
        "HostBaselines::min_peers=8",
    ];
    let run = |name: &str| {
        let pcap = capture(name);
        let mut args = vec!["-C", "-r", &pcap];
        args.extend(options);
        let out = tapir(&dir, &args);
        assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
    };
    run("baseline.pcap");
    assert!(!dir.join("notice.log").exists(), "nothing is noticed while learning");
    assert_eq!(rows(&dir, "host_baselines.log").len(), 10);
    run("deviation.pcap");
    let notices = rows(&dir, "notice.log");
    assert_eq!(notices.len(), 5, "{notices:?}");
    for (kind, text) in [
        ("New_Service\t", "10.99.0.2 offers 4444/tcp"),
        ("New_Service_Used\t", "10.99.0.1 uses 4444/tcp"),
        ("Unusual_Peers\t", "10.99.0.1 has unusually many peers: 13"),
        ("Unusual_Bytes_Out\t", "10.99.0.1 sends unusually much"),
        ("Unusual_Bytes_In\t", "10.99.0.2 receives unusually much"),
    ] {
        assert!(
            notices.iter().any(|l| l.contains(kind) && l.contains(text)),
            "{kind}: {notices:?}"
        );
    }
}
