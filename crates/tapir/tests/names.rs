//! Names that scripts look up: answers of a small name server, the end of a run over a capture, a cluster in one process.

mod background;

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use background::folder;

const PTR: u8 = 12;
const TXT: u8 = 16;

/// A name server on the loopback. It knows one of each: 192.0.2.1, `text.example`, `host.example`.
struct Server {
    address: String,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start(is_silent: bool) -> Server {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        socket
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a socket");
        let address = socket.local_addr().expect("its address").to_string();
        let (asked, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, stopped) = (asked.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((n, from)) = socket.recv_from(&mut buffer) else {
                    continue;
                };
                let q = &buffer[..n];
                seen.lock().expect("no panics").push(q.to_vec());
                if !is_silent {
                    // Who asked may have gone.
                    let _ = socket.send_to(&reply(q), from);
                }
            }
        });
        Server {
            address,
            asked,
            stop,
            thread: Some(thread),
        }
    }

    /// What was asked for, each question once, however often it was sent.
    fn questions(&self) -> Vec<Vec<u8>> {
        let mut all = self.asked.lock().expect("no panics").clone();
        all.sort();
        all.dedup();
        let mut questions: Vec<Vec<u8>> = all.iter().map(|q| q[12..].to_vec()).collect();
        questions.sort();
        questions
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(std::thread::JoinHandle::join);
    }
}

fn reply(q: &[u8]) -> Vec<u8> {
    let mut s = q.to_vec();
    s[2] |= 0x80;
    let data: &[u8] = match (&q[12..q.len() - 4], q[q.len() - 3]) {
        (b"\x011\x012\x010\x03192\x07in-addr\x04arpa\0", PTR) => b"\x04host\x07example\0",
        (b"\x04text\x07example\0", TXT) => b"\x05words",
        (b"\x04host\x07example\0", 1) => &[192, 0, 2, 1],
        _ => {
            s[3] |= 3;
            return s;
        }
    };
    s[7] = 1;
    s.extend([0xc0, 12, 0, q[q.len() - 3], 0, 1, 0, 0, 1, 0, 0, data.len() as u8]);
    s.extend(data);
    s
}

fn run(name: &str, args: &[&str], server: &str, script: &str) -> Output {
    let dir = folder(format!("names-{name}"));
    std::fs::write(dir.join("test.zeek"), script).expect("a script");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tapir"));
    command.args(args).arg("test.zeek").current_dir(&dir);
    command.env_remove("ZEEKPATH").env_remove("ZEEK_DNS_FAKE");
    command.env("ZEEK_DNS_RESOLVER", server).output().expect("tapir runs")
}

fn capture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/captures")
        .join(name);
    path.to_str().expect("a path of text").to_string()
}

/// The lines that were printed, in order.
fn lines(out: &Output) -> Vec<String> {
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut lines: Vec<String> = String::from_utf8_lossy(&out.stdout).lines().map(String::from).collect();
    lines.sort();
    lines
}

const ALL: &str = r#"
event zeek_init()
	{
	when ( local name = lookup_addr(192.0.2.1) ) { print "name", name; }
	when ( local again = lookup_addr(192.0.2.1) ) { print "name", again; }
	when ( local none = lookup_addr(192.0.2.2) ) { print "none", none; }
	when ( local text = lookup_hostname_txt("Text.example") ) { print "text", text; }
	when ( local hosts = lookup_hostname("host.example") ) { print "hosts", hosts; }
	when ( local no_hosts = lookup_hostname("nothing.example") ) { print "no hosts", no_hosts; }
	when ( local number = lookup_hostname("192.0.2.77") ) { print "number", number; }
	}
print "blocking", blocking_lookup_hostname("host.example");
"#;

#[test]
fn a_name_server_is_asked() {
    let server = Server::start(false);
    let out = run("all", &["-b"], &server.address, ALL);
    let text = lines(&out).join("\n");
    for wanted in ["name, host.example\nname, host.example", "none, <???>", "text, words"] {
        assert!(text.contains(wanted), "{text}");
    }
    let printed = String::from_utf8_lossy(&out.stdout);
    for (what, address) in [
        ("blocking", "192.0.2.1"),
        ("hosts", "192.0.2.1"),
        ("no hosts", "0.0.0.0"),
        ("number", "192.0.2.77"),
    ] {
        assert!(printed.contains(&format!("{what}, {{\n{address}\n}}\n")), "{printed}");
    }
    // Two names, one text, two records of each of two hosts.
    assert_eq!(server.questions().len(), 7);
}

const AT_PACKETS: &str = r#"
event connection_state_remove(c: connection)
	{
	when ( local name = lookup_addr(192.0.2.1) ) { print "at the end", name; }
	}
event new_connection(c: connection)
	{
	when ( local name = lookup_addr(192.0.2.1) ) { print "name", name; }
	when ( |lookup_hostname_txt("text.example")| == 99 ) { print "wrong"; } timeout 1day { print "timeout"; }
	}
"#;

/// Packets come only when there is an answer.
const FIRST: &str = r#"
event zeek_init() &priority=-10
	{
	suspend_processing();
	when ( local name = lookup_addr(192.0.2.1) ) { continue_processing(); }
	}
"#;

#[test]
fn what_is_not_answered_at_the_end_of_a_capture_has_timed_out() {
    let check = |name: &str, address: &str, script: &str, expected: &str| {
        let out = run(name, &["-b", "-C", "-r", &capture("ping.pcap")], address, script);
        let lines = lines(&out);
        for wanted in [
            "timeout",
            &format!("name, {expected}"),
            &format!("at the end, {expected}"),
        ] {
            let n = lines.iter().filter(|l| *l == wanted).count();
            assert!(n > 0 && n * 3 == lines.len(), "{wanted}: {lines:?}");
        }
    };
    let (silent, server) = (Server::start(true), Server::start(false));
    check("silent", &silent.address, AT_PACKETS, "<???>");
    check(
        "answered",
        &server.address,
        &format!("{FIRST}{AT_PACKETS}"),
        "host.example",
    );
    // Nobody listens there.
    let free = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|s| s.local_addr())
        .expect("a port");
    check("refused", &free.to_string(), AT_PACKETS, "<???>");
}

#[test]
fn workers_of_one_process_ask_once() {
    let server = Server::start(false);
    let script = "
event zeek_init()
	{
	when ( local name = lookup_addr(192.0.2.1) ) { print Cluster::node, name; }
	}
";
    let out = run(
        "workers",
        &["-C", "--workers", "2", "-r", &capture("http.pcap")],
        &server.address,
        script,
    );
    let expected = ["manager", "proxy-1", "worker-1", "worker-2"].map(|n| format!("{n}, host.example"));
    assert_eq!(lines(&out), expected);
    assert_eq!(server.questions().len(), 1);
}

#[test]
fn a_resolver_that_is_none_is_named() {
    let out = run("no-resolver", &["-b"], "resolver.example", ALL);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(
        said.matches("ZEEK_DNS_RESOLVER is 'resolver.example'").count(),
        1,
        "{said}"
    );
}

#[test]
fn look_ups_are_counted() {
    let server = Server::start(false);
    let script = r#"
@load base/frameworks/telemetry
event zeek_init()
	{
	when ( local name = lookup_addr(192.0.2.1) ) { print "name", name; }
	when ( local none = lookup_addr(192.0.2.2) ) { print "none", none; }
	when ( local text = lookup_hostname_txt("text.example") ) { print "text", text; }
	when ( local hosts = lookup_hostname("host.example") ) { print "hosts", |hosts|; }
	when ( local no_hosts = lookup_hostname("nothing.example") ) { print "no hosts", |no_hosts|; }
	when ( local number = lookup_hostname("192.0.2.77") ) { print "number", |number|; }
	}
event zeek_done()
	{
	for ( _, m in Telemetry::collect_metrics("zeek", "dnsmgr*") )
		print "counted", m$opts$name, m$label_values, m$value;
	}
"#;
    let out = run("counted", &["-b"], &server.address, script);
    let all = lines(&out);
    let counted: Vec<_> = all.iter().filter_map(|l| l.strip_prefix("counted, ")).collect();
    // An address needs no look-up, a host is two records.
    assert_eq!(
        counted,
        [
            "zeek_dnsmgr_cache_entries, [address], 2.0",
            "zeek_dnsmgr_cache_entries, [host], 4.0",
            "zeek_dnsmgr_cache_entries, [text], 1.0",
            "zeek_dnsmgr_failed_requests_total, [], 2.0",
            "zeek_dnsmgr_pending_requests, [], 0.0",
            "zeek_dnsmgr_requests_total, [], 5.0",
            "zeek_dnsmgr_successful_requests_total, [], 3.0",
        ]
    );
}
