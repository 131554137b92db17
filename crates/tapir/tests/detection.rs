//! Detection end to end: the conditions of signatures, packages as users install them, and the scripts that notice
//! anomalies, each on a capture in which there is something to find.

mod background;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use background::{columns, folder};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn work_dir(name: &str) -> PathBuf {
    folder(Path::new("detection").join(name))
}

fn tapir(dir: &Path) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_tapir"));
    c.current_dir(dir).env("TZ", "UTC").env_remove("ZEEKPATH");
    c
}

fn capture(name: &str) -> String {
    root().join("tests/captures").join(name).display().to_string()
}

fn finish(mut c: Command) -> Output {
    let out = c.output().expect("tapir runs");
    assert!(out.status.success(), "{c:?}: {}", String::from_utf8_lossy(&out.stderr));
    out
}

/// Runs scripts on a capture and gives kind, message and number of notices.
fn notices(name: &str, pcap: &str, args: &[&str]) -> Vec<String> {
    let dir = work_dir(name);
    let mut c = tapir(&dir);
    c.args(["-r", &capture(pcap)]).args(args);
    finish(c);
    let rows = columns(&dir, "notice.log", &["note", "msg"]);
    rows.into_iter().map(|r| r.join(" ")).collect()
}

fn has(list: &[String], text: &str) -> bool {
    list.iter().any(|l| l.contains(text))
}

const SCRIPT: &str = r#"
const nets: set[subnet] = { 10.99.0.0/24, [fd00::]/8 };
const ports: set[port] = { 9000/tcp, 9001/tcp };
const text = "first [n]ee";
global is_so = T;
global is_not_so = F;

function good(state: signature_state, data: string): bool
	{
	return state$is_orig && state$conn$id$resp_p == 9000/tcp && data == "first nee";
	}

global with_message: event(state: signature_state, msg: string, data: string);
global with_end: event(state: signature_state, data: string, end_of_match: count);

event with_message(state: signature_state, msg: string, data: string)
	{
	print state$sig_id, msg, data;
	}

event with_end(state: signature_state, data: string, end_of_match: count)
	{
	print state$sig_id, data, end_of_match;
	}

event signature_match(state: signature_state, msg: string, data: string)
	{
	print state$sig_id;
	}

event http_header(c: connection, is_orig: bool, name: string, value: string)
	{
	}

event finger_request(c: connection, full: bool, username: string, hostname: string)
	{
	if ( c$id$resp_p == 9001/tcp )
		print "enabled";
	}
"#;

/// Attributes of signatures that must match in `signatures.pcap`.
const MATCHING: &[&str] = &[
    "ip-proto == tcp\n dst-port == 9005\n header ip[8] < 10",
    "header ip[6:2] & 0x4000 == 0\n dst-port == 9000",
    "header tcp[2:2] == 9000",
    "header ip[16:4] == 192.168.0.0/16",
    "header icmp[0] == 8",
    "header ip6[7] == 64\n dst-port = 9002",
    "ip-proto == 6, 17\n dst-port == 9000, 9004-9004",
    "ip-proto != 6, 1\n dst-port == 9004",
    "ip-proto == icmp",
    "ip-proto == ip\n payload /alone/",
    "src-ip != 10.0.0.0/8\n ip-proto == tcp",
    "dst-ip == [fd00:99::]/64\n payload /six/",
    "src-ip == 192.0.2.1, 10.99.0.1/32\n dst-port == 9000",
    "src-ip == nets\n dst-port == ports\n payload text",
    "dst-port >= 9003\n dst-port <= 9003\n src-port > 40006\n ip-proto == udp",
    "dst-port != 1-9003, 9005-65535",
    "ip-proto == tcp\n dst-port == 9000\n payload /.*needle/",
    "payload /first nee/",
    "payload /^first/",
    "payload /.*second$/",
    "payload[:9] /first/",
    "payload /.*second/\n payload /.*first/",
    "payload /FIRST/i",
    "payload /FIR(?i:st)/i",
    "http-request /.*\\/abc\\/needle$/",
    "http /\\/abc/",
    "http-request-header /X-[Mm]arker: needle$/",
    "http-request-header /x-marker: /i",
    "http-reply-header /.*needle\\/1\\.0/",
    "http-reply-header /Content-Type: text\\/html$/",
    "http-request-body /body-needle$/",
    "http-reply-body /.*the needle/",
    "http-body /.*the needle.*$/",
    "ftp /USER needle/",
    "ftp /PASS x$/\n ftp /USER/",
    "finger /needle/",
    "payload-size == 9\n dst-port == 9000",
    "payload-size == 6\n ip-proto == udp\n dst-port == 9003",
    "requires-signature also",
    "requires-signature ! never\n dst-port == 9000",
    "requires-reverse-signature also\n payload /answer/",
    "requires-reverse-signature ! never\n payload /answer/",
    "tcp-state established,responder\n payload /answer/",
    "tcp-state stateless\n dst-port == 9005",
    "udp-state responder\n payload /needle/",
    "udp-state originator\n payload /needle/",
    "same-ip",
    "eval good\n payload /first/",
    "eval is_so\n payload /first/",
    "ip-proto == icmp\n payload /.*ping needle/",
    "ip-proto == udp\n payload /^needle$/",
];

/// Attributes of signatures that must not.
const OTHERS: &[&str] = &[
    "header ip[16:4] != 10.0.0.0/8, 192.168.0.0/16, 0-4294967295",
    "header ip6[7] == 64\n dst-port = 9000",
    "ip-proto == icmp6",
    "dst-port == 9000\n payload /nee/",
    "dst-port == 9000\n payload /.*nee$/",
    "payload[:4] /first/",
    "payload-size > 100\n dst-port == 9000",
    "requires-signature !also\n dst-port == 9000",
    "tcp-state originator\n payload /answer/",
    "udp-state originator\n payload /first/",
    "eval is_not_so\n payload /first/",
    "payload /first/\n active false",
    "ip-options lsrr, rr",
    // The beginning of a message is no beginning of data.
    "ip-proto == icmp\n payload /^ping/",
    "http-request /abc/",
    "ftp /needle/",
    "http-request-header /needle/",
];

#[test]
fn every_condition_of_signatures_holds_where_it_should() {
    let dir = work_dir("conditions");
    let mut text = String::from("# All conditions.\n. and a comment of the other kind\n");
    for (kind, list) in [("yes", MATCHING), ("no", OTHERS)] {
        for (i, attributes) in list.iter().enumerate() {
            text += &format!("signature {kind}-{i} {{\n {attributes}\n event \"match\"\n}}\n");
        }
    }
    text += "signature also { payload /first nee/\n event with_message \"told\" }\n\
             signature never { payload /never/\n event with_end }\n\
             signature ends { payload /.*nee/\n dst-port == 9000\n event with_end }\n\
             signature on { ip-proto == tcp\n payload /to myself/\n enable \"finger\" }\n";
    std::fs::write(dir.join("all.sig"), text).expect("written");
    std::fs::write(dir.join("all.zeek"), SCRIPT).expect("written");
    let mut c = tapir(&dir);
    c.args(["-r", &capture("signatures.pcap"), "-s", "./all.sig", "all.zeek"]);
    let out = String::from_utf8(finish(c).stdout).expect("text");
    let lines: Vec<&str> = out.lines().collect();
    for (i, attributes) in MATCHING.iter().enumerate() {
        assert!(lines.contains(&format!("yes-{i}").as_str()), "no match: {attributes}");
    }
    for (i, attributes) in OTHERS.iter().enumerate() {
        assert!(!lines.contains(&format!("no-{i}").as_str()), "a match: {attributes}");
    }
    assert!(lines.contains(&"also, told, first nee"));
    assert!(lines.contains(&"ends, first nee, 9"));
    assert!(lines.contains(&"enabled"), "{out}");
}

#[test]
fn mistakes_in_signature_files_are_named() {
    let dir = work_dir("mistakes");
    let text = "signature the-first {\n pay-load /x/\n src-ip == no_such_nets\n eval a_function_to_cal\n payload /(/\n}\n\
                signature two {\n requires-signature the-frist\n event no_such_event\n}\n\
                signature the-first {\n udp-state established\n}\n";
    std::fs::write(dir.join("bad.sig"), text).expect("written");
    std::fs::write(
        dir.join("bad.zeek"),
        "function a_function_to_call(state: signature_state, data: string): bool { return T; }\n",
    )
    .expect("written");
    let out = tapir(&dir)
        .args(["-r", &capture("signatures.pcap"), "-s", "./bad.sig", "bad.zeek"])
        .output()
        .expect("tapir runs");
    assert!(!out.status.success());
    let err = String::from_utf8_lossy(&out.stderr);
    for text in [
        "(./bad.sig:2): syntax error, unknown attribute pay-load; did you mean payload?",
        "(./bad.sig:3): unknown script-level identifier no_such_nets",
        "(./bad.sig:4): unknown script-level identifier a_function_to_cal; did you mean a_function_to_call?",
        "(./bad.sig:5): error compiling pattern /(/: `(` without `)`",
        "(./bad.sig:7): unknown rule referenced (the-frist); did you mean the-first?",
        "(./bad.sig:11): rule defined twice (the-first)",
        "(./bad.sig:12): 'established' is not a valid 'udp-state'",
    ] {
        assert!(err.contains(text), "{text}\n{err}");
    }
}

#[test]
fn a_package_that_finds_scans() {
    let dir = work_dir("scan-detect");
    let package = root().join("examples/packages/scan-detect");
    let mut c = tapir(&dir);
    c.arg("-r")
        .arg(package.join("tests/scan.pcap"))
        .arg(package.join("scripts"));
    finish(c);
    let found = columns(&dir, "notice.log", &["note", "src"]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.contains(&vec!["Scan::Address_Scan".into(), "10.99.1.1".into()]));
    assert!(found.contains(&vec!["Scan::Port_Scan".into(), "10.99.1.2".into()]));
}

#[test]
fn a_package_that_fingerprints_tls_by_name_in_the_search_path() {
    let dir = work_dir("tls-fingerprint");
    let package = root().join("examples/packages/tls-fingerprint");
    // As a package manager does: a link under the package's name in a folder of the search path.
    std::os::unix::fs::symlink(package.join("scripts"), dir.join("tls-fingerprint")).expect("a link");
    let mut c = tapir(&dir);
    c.env("ZEEKPATH", &dir).arg("-r").arg(package.join("tests/tls.pcap"));
    c.args(["tls-fingerprint", "JA3::log_text=T"]);
    finish(c);
    // As other programs compute them for this capture.
    let expected = [
        ["87b9bfc7da97115ed2276737b09f8d74", "263c859c5391203d774bc0599793d915"],
        ["89dfc51e72bdcb94e4ba4622588002b1", "15af977ce25de452b96affa2addb1036"],
    ];
    assert_eq!(columns(&dir, "ssl.log", &["ja3", "ja3s"]), expected);
    let texts = columns(&dir, "ssl.log", &["ja3_text"]);
    assert!(
        texts[1][0].starts_with("771,4866-4867-4865-255,0-11-10-16"),
        "{texts:?}"
    );
}

#[test]
fn scans_are_noticed() {
    let found = notices("scan", "scan.pcap", &["misc/scan"]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(has(
        &found,
        "Scan::Address_Scan 10.99.1.1 scanned at least 25 unique hosts on port 445/tcp"
    ));
    assert!(has(
        &found,
        "Scan::Port_Scan 10.99.1.2 scanned at least 15 unique ports of host 10.99.0.2"
    ));
}

#[test]
fn guessing_of_passwords_is_noticed() {
    let ftp = notices("ftp", "ftp-bruteforce.pcap", &["protocols/ftp/detect-bruteforcing"]);
    assert_eq!(ftp.len(), 1, "{ftp:?}");
    assert!(has(
        &ftp,
        "FTP::Bruteforcing 10.99.1.1 had 20 failed logins on 1 FTP server"
    ));
    let args = ["protocols/ssh/detect-bruteforcing", "SSH::password_guesses_limit=5.0"];
    let ssh = notices("ssh", "ssh-guesses.pcap", &args);
    assert_eq!(ssh.len(), 1, "{ssh:?}");
    assert!(has(&ssh, "SSH::Password_Guessing 10.99.0.1"));
}

#[test]
fn injected_sql_is_noticed() {
    let found = notices("sql", "sql-injection.pcap", &["protocols/http/detect-sql-injection"]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(has(&found, "HTTP::SQL_Injection_Attacker") && has(&found, "HTTP::SQL_Injection_Victim"));
}

#[test]
fn a_traceroute_is_noticed_and_nothing_else() {
    let found = notices("traceroute", "traceroute.pcap", &["misc/detect-traceroute"]);
    assert_eq!(
        found,
        ["Traceroute::Detected 10.99.0.1 seems to be running traceroute using udp"]
    );
    let dir = work_dir("traceroute-log");
    let mut c = tapir(&dir);
    c.args(["-r", &capture("traceroute.pcap"), "misc/detect-traceroute"]);
    finish(c);
    assert_eq!(
        columns(&dir, "traceroute.log", &["src", "dst", "proto"]),
        [["10.99.0.1", "10.99.9.9", "udp"]]
    );
    assert!(!dir.join("signatures.log").exists());
}

#[test]
fn odd_names_are_noticed() {
    let args = [
        "protocols/dns/detect-anomalies",
        "protocols/dns/detect-external-names",
        "-e",
        "redef Site::local_zones += { \"site.example\" }; redef Site::local_nets += { 93.184.216.0/24 };",
    ];
    let found = notices("dns", "dns-anomalies.pcap", &args);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(has(
        &found,
        "DNS::External_Name www.tapir.test is pointing to a local host - 93.184.216.34."
    ));
    assert!(has(
        &found,
        "DNS::Many_Unknown_Names 10.99.0.1 asked for 50 names that do not exist"
    ));
    assert!(has(
        &found,
        "DNS::Possible_Tunnel 10.99.0.1 asked for 50 long names below tunnel.example"
    ));
}

#[test]
fn long_connections_are_logged_while_they_last() {
    let args = [
        "protocols/conn/long-connections",
        "LongConnections::limits=vector(1sec,3sec)",
    ];
    let found = notices("long", "long.pcap", &args);
    assert_eq!(found.len(), 1, "{found:?}");
    let dir = work_dir("long-log");
    let mut c = tapir(&dir);
    c.args(["-r", &capture("long.pcap")]).args(args);
    finish(c);
    let rows = columns(&dir, "conn_long.log", &["id.orig_h", "duration"]);
    assert_eq!(rows.len(), 2, "{rows:?}");
}

#[test]
fn lost_packets_are_measured() {
    let found = notices("loss", "capture-loss.pcap", &["misc/capture-loss"]);
    assert!(has(&found, "CaptureLoss::Too_Much_Loss"), "{found:?}");
    assert!(has(&found, "33.333%"), "{found:?}");
}
