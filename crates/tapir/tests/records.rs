//! Records of connections are made late, or not at all: nobody may tell from what scripts and logs show. Every capture
//! is read twice, once with handlers that have all records made at once, and both runs must give the same.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Handlers that do nothing, but may want the record.
const EAGER: &str = "
event new_connection(c: connection) &priority=-1000 { if ( c$uid == \"none\" ) print c; }
event connection_state_remove(c: connection) &priority=-1000 { if ( c$uid == \"none\" ) print c; }
";

/// How often each event was handled.
const COUNTS: &str = "
event zeek_done()
	{
	for ( _, s in get_event_handler_stats() )
		if ( s$name == \"new_connection\" || /^connection_/ in s$name || /^udp_re/ in s$name )
			print s;
	}
";

/// Scripts that meet connections in the middle of their lives, keep them, mark them and look them up.
const PROBES: [(&str, &str); 6] = [
    ("nothing", ""),
    (
        "middle",
        "
event connection_established(c: connection) { print \"established\", c; }
event connection_finished(c: connection) { print \"finished\", c; }
event connection_rejected(c: connection) { print \"rejected\", c; }
event udp_reply(u: connection) { print \"reply\", u; }
event conn_weird(name: string, c: connection, addl: string) { print name, c; }
event connection_timeout(c: connection) { print \"timeout\", c; }
event connection_flipped(c: connection) { print \"flipped\", c; }
event dns_request(c: connection, msg: dns_msg, query: string, qtype: count, qclass: count) { print query, c$conn; }
event file_over_new_connection(f: fa_file, c: connection, is_orig: bool) { print f$id, c$uid, c$conn$ts; }
",
    ),
    (
        "kept",
        "
redef record connection += { mark: count &default=7; seen: set[string] &optional; };
redef record Conn::Info += { mark: count &log &optional; };
global kept: table[string] of connection;
event connection_established(c: connection)
	{
	kept[c$uid] = c;
	c$seen = set(\"established\");
	++c$mark;
	}
event Conn::log_conn(rec: Conn::Info) { print rec; }
event connection_state_remove(c: connection)
	{
	if ( c$uid in kept )
		{
		add kept[c$uid]$seen[\"end\"];
		c$conn$mark = c$mark;
		print c$uid, c$seen, c$mark;
		}
	}
",
    ),
    (
        "looked up",
        "
hook gone(c: connection) { print \"gone\", c$uid, c$history; }
event later(id: conn_id)
	{
	if ( ! connection_exists(id) )
		return;
	local c = lookup_connection(id);
	print c$uid, c$conn$uid, c$conn$ts, c$start_time;
	Conn::register_removal_hook(c, gone);
	}
global n = 0;
event raw_packet(p: raw_pkt_hdr)
	{
	# At any packet, that of the connection itself among them.
	if ( ++n % 7 > 2 || ! p?$ip )
		return;
	if ( p?$tcp )
		event later(conn_id($orig_h=p$ip$src, $orig_p=p$tcp$sport, $resp_h=p$ip$dst, $resp_p=p$tcp$dport, $proto=6));
	if ( p?$udp )
		event later(conn_id($orig_h=p$ip$src, $orig_p=p$udp$sport, $resp_h=p$ip$dst, $resp_p=p$udp$dport, $proto=17));
	}
",
    ),
    (
        "looks",
        "
redef record connection += { wanted: bool &default=F; other: count &optional; };
global ports: set[port] = { 80/tcp, 53/udp, 443/tcp };
global pairs: set[addr, port] = { [10.99.0.2, 22/tcp], [10.99.0.2, 8080/tcp] };
option big = 2;
event connection_established(c: connection) &priority=3
	{
	local p = c$id$resp_p;
	if ( c$orig$state == TCP_INACTIVE )
		p = c$id$orig_p;
	if ( p in ports || [c$id$resp_h, p] in pairs )
		print \"of interest\", c;
	else if ( c$wanted || c?$other || c$id$resp_h == c$id$orig_h )
		print \"wanted\", c;
	if ( ! (c$orig$num_pkts < big) )
		return;
	if ( c$resp$size > 0 && c$id$proto == 6 )
		print \"few\", c;
	}
event udp_request(u: connection) { if ( u$id$resp_p != 53/udp && u$orig$size >= big ) print u; }
event udp_reply(u: connection) { if ( u$id$resp_p == 123/udp || u$duration > 1msec ) print u; }
event connection_timeout(c: connection) { if ( c$id$resp_p in ports ) print c; }
event connection_finished(c: connection) { if ( c$id$resp_p == 25/tcp ) delete ports[80/tcp]; }
event connection_rejected(c: connection) { if ( c$id$orig_p > 1024/tcp ) print c; }
",
    ),
    (
        "switched",
        "
global n = 0;
event connection_state_remove(c: connection) &group=\"switched\" { print \"removed\", c; }
event new_connection(c: connection) &group=\"switched\" { print \"new\", c; }
event zeek_init() { disable_event_group(\"switched\"); }
event raw_packet(p: raw_pkt_hdr)
	{
	++n;
	if ( n % 20 == 10 )
		enable_event_group(\"switched\");
	if ( n % 20 == 15 )
		disable_event_group(\"switched\");
	}
",
    ),
];

/// Everything that a run shows: standard output, errors and logs, without the times of the wall clock.
fn run(dir: &Path, capture: &Path, scripts: &[&str]) -> BTreeMap<String, String> {
    let _ = std::fs::remove_dir_all(dir);
    std::fs::create_dir_all(dir).expect("a folder for the run");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapir"));
    command.args(["-C", "-D", "-r"]).arg(capture);
    for (i, text) in scripts.iter().enumerate() {
        let name = format!("part{i}.zeek");
        std::fs::write(dir.join(&name), text).expect("the script can be written");
        command.arg(name);
    }
    let out = command
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .expect("tapir runs");
    let mut shown = BTreeMap::new();
    shown.insert("stdout".into(), String::from_utf8_lossy(&out.stdout).into_owned());
    shown.insert("stderr".into(), String::from_utf8_lossy(&out.stderr).into_owned());
    for entry in std::fs::read_dir(dir).expect("the folder can be read").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|e| e == "log") && !path.ends_with("packet_filter.log") {
            let text = std::fs::read(&path).expect("a log can be read");
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines: Vec<&str> = text
                .lines()
                .filter(|l| !l.starts_with("#open") && !l.starts_with("#close"))
                .collect();
            shown.insert(
                path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                lines.join("\n"),
            );
        }
    }
    assert!(out.status.success(), "{}: {}", capture.display(), shown["stderr"]);
    shown
}

fn captures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures");
    let mut list: Vec<_> = std::fs::read_dir(folder)
        .expect("our captures")
        .flatten()
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "pcap"))
        .collect();
    list.sort();
    assert!(list.len() > 20);
    list
}

fn same_with(probe: usize) {
    let (name, script) = PROBES[probe];
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("records-{probe}"));
    let mut n_shown = 0;
    for capture in captures() {
        let lazy = run(&root.join("lazy"), &capture, &[script, COUNTS, ""]);
        let eager = run(&root.join("eager"), &capture, &[script, COUNTS, EAGER]);
        n_shown += lazy["stdout"].len();
        for (what, text) in &eager {
            let other = lazy.get(what).map_or("", |t| t.as_str());
            if other != text {
                let at = other.lines().zip(text.lines()).find(|(a, b)| a != b);
                panic!("{name}: {what} of {} differs at {at:?}", capture.display());
            }
        }
        assert!(
            lazy.keys().eq(eager.keys()),
            "{name}: other logs for {}",
            capture.display()
        );
    }
    assert!(n_shown > 1000, "{name} sees too little");
}

#[test]
fn logs_do_not_depend_on_records() {
    same_with(0);
}

#[test]
fn records_made_in_the_middle_are_complete() {
    same_with(1);
}

#[test]
fn records_are_the_same_to_all_events() {
    same_with(2);
}

#[test]
fn records_can_be_looked_up() {
    same_with(3);
}

#[test]
fn handlers_that_only_look_see_the_same() {
    same_with(4);
}

#[test]
fn handlers_can_be_switched() {
    same_with(5);
}
