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
        Server::answering(move |q| (!is_silent).then(|| reply(q)))
    }

    /// One that gives these answers to questions.
    fn answering(mut answer: impl FnMut(&[u8]) -> Option<Vec<u8>> + Send + 'static) -> Server {
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
                if let Some(s) = answer(q) {
                    // Who asked may have gone.
                    let _ = socket.send_to(&s, from);
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

/// A reply that holds for no longer than it must, with a record of the type that is asked for, or none.
fn brief_reply(q: &[u8], data: Option<&[u8]>) -> Vec<u8> {
    let mut s = q.to_vec();
    s[2] |= 0x80;
    match data {
        None => s[3] |= 3,
        Some(data) => {
            s[7] = 1;
            s.extend([0xc0, 12, 0, q[q.len() - 3], 0, 1, 0, 0, 0, 0, 0, data.len() as u8]);
            s.extend(data);
        }
    }
    s
}

#[test]
fn what_has_changed_since_the_last_look_up_is_told() {
    // Each question's first and second answer.
    let mut asked: std::collections::HashMap<Vec<u8>, (Vec<u8>, usize)> = Default::default();
    let server = Server::answering(move |q| {
        let (id, question) = (q[..2].to_vec(), q[12..].to_vec());
        let times = asked.entry(question.clone()).or_insert((id.clone(), 0));
        // The same question again, as datagrams get lost, has the same answer.
        if times.0 != id {
            *times = (id, 1);
        }
        let (name, kind) = question.split_at(question.len() - 4);
        let is = |label: &str| name.windows(label.len()).any(|w| w == label.as_bytes());
        let first = times.1 == 0;
        let data: Option<&[u8]> = match kind[1] {
            1 if is("same") => Some(&[192, 0, 2, 1]),
            1 if is("moved") && first => Some(&[192, 0, 2, 2]),
            1 if is("moved") => Some(&[192, 0, 2, 3]),
            1 if is("gone") && first => Some(&[192, 0, 2, 4]),
            1 if is("new") && !first => Some(&[192, 0, 2, 5]),
            PTR if first => Some(b"\x03old\x07example\0"),
            PTR => Some(b"\x05young\x07example\0"),
            _ => None,
        };
        Some(brief_reply(q, data))
    });
    let script = r#"
redef exit_only_after_terminate = T;
function ask(n: count)
	{
	for ( host in set("same.example", "moved.example", "gone.example", "new.example", "text.example") )
		when [host] ( local hosts = lookup_hostname(host) ) { print "asked"; }
	when ( local name = lookup_addr(192.0.2.1) ) { print "asked", name; }
	when ( local text = lookup_hostname_txt("text.example") ) { print "asked"; }
	}
event again() { ask(2); }
event over() { terminate(); }
event zeek_init()
	{
	ask(1);
	# The least time for which answers are remembered are ten seconds.
	schedule 10500msec { again() };
	schedule 12sec { over() };
	}
function tell(what: string, dm: dns_mapping): string
	{
	local addrs = "";
	for ( a in dm$addrs )
		addrs += cat(a);
	local age = current_time() - dm$creation_time;
	return fmt("%s '%s' %s %s '%s' [%s] %s", what, dm$req_host, dm$req_addr, dm$valid, dm$hostname, addrs,
	           age > 9sec ? "old" : "now");
	}
event dns_mapping_valid(dm: dns_mapping) { print tell("valid", dm); }
event dns_mapping_unverified(dm: dns_mapping) { print tell("unverified", dm); }
event dns_mapping_new_name(dm: dns_mapping) { print tell("new", dm); }
event dns_mapping_lost_name(dm: dns_mapping) { print tell("lost", dm); }
event dns_mapping_name_changed(prev: dns_mapping, latest: dns_mapping)
	{ print tell("changed", prev); print tell("changed to", latest); }
event dns_mapping_altered(dm: dns_mapping, old_addrs: addr_set, new_addrs: addr_set)
	{
	print tell("altered", dm);
	for ( a in old_addrs ) print "altered from", a;
	for ( a in new_addrs ) print "altered to", a;
	}
"#;
    let out = run("news", &["-b"], &server.address, script);
    let all = lines(&out);
    let told: Vec<_> = all.iter().filter(|l| !l.starts_with("asked")).collect();
    assert_eq!(
        told,
        [
            "altered 'moved.example' 0.0.0.0 T '' [192.0.2.3] now",
            "altered from, 192.0.2.2",
            "altered to, 192.0.2.3",
            "changed '' 192.0.2.1 T 'old.example' [] old",
            "changed to '' 192.0.2.1 T 'young.example' [] now",
            "lost 'gone.example' 0.0.0.0 T '' [192.0.2.4] old",
            "new 'new.example' 0.0.0.0 T '' [192.0.2.5] now",
            "valid 'same.example' 0.0.0.0 T '' [192.0.2.1] now",
            "valid 'text.example' 0.0.0.0 T '<none>' [] now",
        ]
    );
}
