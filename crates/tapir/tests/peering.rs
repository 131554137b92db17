//! Nodes that connect to each other with `Broker::listen` and `Broker::peer`: pairs of processes, and a cluster that uses
//! nothing else.

mod background;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use background::{Background, PATIENCE, folder, ports, signal};

/// A process that runs a script.
fn process(test: &str, name: &str, script: &str) -> Background {
    let dir = folder(format!("peering/{test}/{name}"));
    std::fs::write(dir.join("run.zeek"), script).expect("a script");
    Background::tapir(dir, |c| c.arg("run.zeek"))
}

/// The event that both know.
const PING: &str = "
global ping: event(who: string, n: count);
";

#[test]
fn two_processes_talk() {
    let [port] = ports();
    let server = format!(
        r#"{PING}
event zeek_init()
	{{
	Broker::subscribe("t/server");
	print "listening", Broker::listen("127.0.0.1", {port}/tcp) == {port}/tcp;
	}}

event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{{
	print "added", endpoint$network$address, msg, |Broker::peers()|, Broker::peers()[0]$is_outbound;
	}}

event ping(who: string, n: count)
	{{
	print "ping", who, n, is_remote_event();
	Broker::publish("t/client", ping, "server", n + 1);
	}}

event Broker::peer_lost(endpoint: Broker::EndpointInfo, msg: string)
	{{
	print "lost", endpoint$network$address, |Broker::peers()|;
	terminate();
	}}
"#
    );
    let client = format!(
        r#"{PING}
event zeek_init()
	{{
	Broker::subscribe("t/client");
	print "peering", Broker::peer("127.0.0.1", {port}/tcp, 100msec), Broker::is_outbound_peering("127.0.0.1", {port}/tcp);
	}}

event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{{
	print "added", endpoint$network;
	local e = Cluster::make_event(ping, "client", 1);
	Cluster::publish("t/server/x", e);
	}}

event ping(who: string, n: count)
	{{
	print "ping", who, n;
	Broker::unpeer("127.0.0.1", {port}/tcp);
	}}

event Broker::peer_removed(endpoint: Broker::EndpointInfo, msg: string)
	{{
	print "removed", endpoint$network$bound_port == {port}/tcp;
	terminate();
	}}
"#
    );
    // Who connects comes first: it tries until somebody is there.
    let mut client = process("talk", "client", &client);
    let mut server = process("talk", "server", &server);
    let told = client.ends();
    let place = format!("[address=127.0.0.1, bound_port={port}/tcp]");
    assert_eq!(
        told,
        format!("peering, T, T\nadded, {place}\nping, server, 2\nremoved, T\n")
    );
    assert_eq!(
        server.ends(),
        "listening, T\nadded, 127.0.0.1, handshake successful, 1, F\nping, client, 1, T\nlost, 127.0.0.1, 0\n"
    );
}

#[test]
fn what_cannot_be_is_said() {
    let [port] = ports();
    let mut p = process(
        "errors",
        "alone",
        &format!(
            r#"
event Broker::error(code: Broker::ErrorCode, msg: string)
	{{
	print code, "cannot connect to 127.0.0.1:{port}" in msg;
	terminate();
	}}

event zeek_init()
	{{
	local p = Broker::listen("127.0.0.1", 0/tcp, 0sec);
	print p != 0/tcp, Broker::listen("127.0.0.1", p, 0sec);
	Broker::peer("127.0.0.1", {port}/tcp, 0sec);
	}}
"#
        ),
    );
    assert_eq!(p.ends(), "T, 0/tcp\nBroker::PEER_UNAVAILABLE, T\n");
    assert!(
        p.read("err").contains("cannot listen for peers on 127.0.0.1:"),
        "{}",
        p.read("err")
    );
    let code = "event zeek_init() { print Broker::peer(\"127.0.0.1\", 1/tcp); }";
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-e", code, "Broker::ssl_keyfile=k"])
        .current_dir(&p.dir)
        .stdin(Stdio::null())
        .output()
        .expect("tapir runs");
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(
        !out.status.success() && errors.contains("Broker::ssl_keyfile"),
        "{errors}"
    );
}

#[test]
fn a_cluster_of_peers() {
    let [a, b, c] = ports();
    let script = format!(
        r#"
@load frameworks/cluster/backend/broker

redef Cluster::manager_is_logger = F;
redef Cluster::nodes = {{
	["manager"] = Cluster::Node($node_type=Cluster::MANAGER, $ip=127.0.0.1, $p={a}/tcp),
	["logger"] = Cluster::Node($node_type=Cluster::LOGGER, $ip=127.0.0.1, $p={b}/tcp),
	["proxy"] = Cluster::Node($node_type=Cluster::PROXY, $ip=127.0.0.1, $p={c}/tcp, $manager="manager"),
	["worker"] = Cluster::Node($node_type=Cluster::WORKER, $ip=127.0.0.1, $manager="manager"),
}};
"#
    );
    let run = r#"
@load ./cluster-layout

module Test;

export {
	redef enum Log::ID += { LOG, STRAY };
	type Info: record { who: string; what: string; } &log;
	global done: event();
	global over: event();
}

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $path="test"));
	Log::create_stream(STRAY, Log::Stream($columns=Info, $path=Cluster::node == "worker" ? "../stray" : "stray"));
	}

event zeek_init()
	{
	Log::write(LOG, Info($who=Cluster::node, $what="begins"));
	Log::write(STRAY, Info($who=Cluster::node, $what="begins"));
	}

event Cluster::node_up(name: string, id: string)
	{
	Log::write(LOG, Info($who=Cluster::node, $what=fmt("sees %s", name)));

	if ( Cluster::node == "worker" && Cluster::get_active_node_count(Cluster::MANAGER) == 1 &&
	     Cluster::get_active_node_count(Cluster::LOGGER) == 1 && Cluster::get_active_node_count(Cluster::PROXY) == 1 )
		Cluster::publish_hrw(Cluster::proxy_pool, "key", done);
	}

# At the proxy, which tells the manager as soon as that is there.
event done()
	{
	if ( Cluster::node == "proxy" )
		{
		if ( Cluster::get_active_node_count(Cluster::MANAGER) == 0 )
			{
			schedule 100msec { done() };
			return;
			}

		Cluster::publish(Cluster::manager_topic, done);
		}

	Log::write(LOG, Info($who=Cluster::node, $what="hears of the worker"));
	}
"#;
    let nodes = ["manager", "logger", "proxy", "worker"];
    let mut all: Vec<_> = nodes
        .iter()
        .map(|name| {
            let dir = folder(format!("peering/cluster/{name}"));
            std::fs::write(dir.join("cluster-layout.zeek"), &script).expect("a script");
            std::fs::write(dir.join("run.zeek"), run).expect("a script");
            Background::tapir(dir, |c| {
                c.args(["run.zeek", "Log::default_rotation_interval=0sec"])
                    .env("CLUSTER_NODE", name)
            })
        })
        .collect();
    let wanted = [
        "worker\tbegins",
        "manager\tbegins",
        "proxy\tbegins",
        "logger\tbegins",
        "worker\tsees manager",
        "worker\tsees logger",
        "worker\tsees proxy",
        "proxy\tsees manager",
        "logger\tsees worker",
        "proxy\thears of the worker",
        "manager\thears of the worker",
    ];
    let end = Instant::now() + PATIENCE;
    loop {
        let log = all[1].read("test.log");
        if wanted.iter().all(|w| log.contains(w)) {
            break;
        }
        let errors: Vec<_> = all.iter().map(|p| p.read("err")).collect();
        assert!(Instant::now() < end, "{log}\n{errors:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
    // Nobody else says where files are outside of the logger's folder.
    while !(all[1].read("err").contains("path ../stray leads out")
        && all[1].read("stray.log").contains("proxy\tbegins"))
    {
        assert!(Instant::now() < end, "{}", all[1].read("err"));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!all[1].dir.join("../stray.log").exists());
    // Workers first, loggers last.
    for i in [3, 2, 0, 1] {
        signal("-TERM", all[i].child.id());
        all[i].ends();
    }
}

#[test]
fn rows_go_to_peers_that_subscribe_to_their_topic() {
    let [port] = ports();
    let stream = "
module Rows;
export {
	redef enum Log::ID += { LOG };
	type Info: record { msg: string &log; num: count &log; };
}
event zeek_init() &priority=5 { Log::create_stream(Rows::LOG, [$columns=Info, $path=\"test\"]); }
event Broker::peer_lost(endpoint: Broker::EndpointInfo, msg: string) { terminate(); }
";
    let writer = format!(
        r#"{stream}
redef Log::enable_local_logging = F;
event zeek_init() {{ Broker::peer("127.0.0.1", {port}/tcp, 100msec); }}
event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{{
	Log::write(Rows::LOG, [$msg="a", $num=1]);
	Log::write(Rows::LOG, [$msg="b", $num=2]);
	}}
"#
    );
    let reader = format!(
        r#"{stream}
redef Log::enable_remote_logging = F;
event zeek_init() {{ Broker::subscribe("zeek/logs"); Broker::listen("127.0.0.1", {port}/tcp); }}
"#
    );
    let mut reader = process("rows", "reader", &reader);
    let writer = process("rows", "writer", &writer);
    reader.until("test.log", "b\t2");
    assert!(reader.read("test.log").contains("a\t1\n"));
    assert!(!writer.dir.join("test.log").exists());
    signal("-TERM", writer.child.id());
    reader.ends();
}

#[test]
fn clones_follow_the_master_of_their_store() {
    let [port] = ports();
    let master = format!(
        r#"
redef exit_only_after_terminate = T;
global h: opaque of Broker::Store;
global look: event();

event zeek_init()
	{{
	h = Broker::create_master("s");
	Broker::put(h, "early", 1);
	Broker::listen("127.0.0.1", {port}/tcp);
	schedule 50msec {{ look() }};
	}}

# The clone's changes come here, and what is changed here goes to the clone.
event look()
	{{
	when ( local r = Broker::get(h, "set") )
		{{
		if ( r$status == Broker::SUCCESS )
			{{
			print "set", r$result as set[count];
			Broker::increment(h, "early", 4);
			Broker::erase(h, "taken");
			Broker::put(h, "last", "word");
			}}
		else
			schedule 50msec {{ look() }};
		}}
	timeout 10sec {{ print "timeout"; }}
	}}

event Broker::peer_lost(endpoint: Broker::EndpointInfo, msg: string) {{ terminate(); }}
"#
    );
    let clone = format!(
        r#"
global h: opaque of Broker::Store;
global look: event();

# Before there is a connection: all of it waits for the master.
event zeek_init()
	{{
	h = Broker::create_clone("s");
	Broker::insert_into_set(h, "taken", 7);
	Broker::insert_into_set(h, "set", 7);
	Broker::peer("127.0.0.1", {port}/tcp, 100msec);

	when ( local r = Broker::get(h, "early") )
		{{ print "early", r$result as count; event look(); }}
	timeout 60sec {{ print "timeout"; }}

	when ( local u = Broker::put_unique(h, "early", 9) )
		{{ print "unique", u$result as bool; }}
	timeout 60sec {{ print "timeout"; }}

	when ( local v = Broker::put_unique(h, "mine", 9) )
		{{ print "unique", v$result as bool; }}
	timeout 60sec {{ print "timeout"; }}
	}}

event look()
	{{
	when ( local last = Broker::exists(h, "last") )
		{{
		if ( ! (last$result as bool) )
			{{
			schedule 50msec {{ look() }};
			return;
			}}

		when ( local early = Broker::get(h, "early") )
			{{
			print "early", early$result as count;

			when ( local keys = Broker::keys(h) )
				{{
				print keys$result as set[string];
				terminate();
				}}
			timeout 10sec {{ print "timeout"; }}
			}}
		timeout 10sec {{ print "timeout"; }}
		}}
	timeout 10sec {{ print "timeout"; }}
	}}
"#
    );
    let mut clone = process("stores", "clone", &clone);
    let mut master = process("stores", "master", &master);
    let told = clone.ends();
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(lines[0], "early, 1", "{told}");
    assert!(lines.contains(&"unique, F") && lines.contains(&"unique, T"), "{told}");
    assert!(told.ends_with("early, 5\n{\nearly,\nlast,\nmine,\nset\n}\n"), "{told}");
    assert_eq!(master.ends(), "set, {\n7\n}\n");
    assert_eq!(clone.read("err"), "");
}

#[test]
fn a_store_is_not_taken_for_one_whose_name_begins_alike() {
    let [first, second] = ports();
    // Each of these hears what is for the master of `st`, and one of them is it.
    let master = format!(
        r#"
global h: opaque of Broker::Store;

event zeek_init()
	{{
	h = Broker::create_master("st");
	Broker::listen("127.0.0.1", {first}/tcp);
	}}
"#
    );
    let other = format!(
        r#"
global h: opaque of Broker::Store;
global look: event();

event zeek_init()
	{{
	Broker::create_master("s");
	Broker::listen("127.0.0.1", {second}/tcp);
	Broker::peer("127.0.0.1", {first}/tcp, 100msec);
	h = Broker::create_clone("st");

	# There are entries, if none yet.
	when ( local r = Broker::exists(h, "n") )
		{{ Broker::put(h, "ready", T); event look(); }}
	timeout 60sec {{ print "timeout"; }}
	}}

event look()
	{{
	when ( local done = Broker::exists(h, "done") )
		{{
		if ( ! (done$result as bool) )
			{{
			schedule 50msec {{ look() }};
			return;
			}}

		when ( local n = Broker::get(h, "n") )
			{{ print n$result as count; terminate(); }}
		timeout 10sec {{ print "timeout"; }}
		}}
	timeout 10sec {{ print "timeout"; }}
	}}
"#
    );
    let changes = format!(
        r#"
global h: opaque of Broker::Store;
global n_peers = 0;
global look: event();

event zeek_init()
	{{
	Broker::peer("127.0.0.1", {first}/tcp, 100msec);
	Broker::peer("127.0.0.1", {second}/tcp, 100msec);
	h = Broker::create_clone("st");
	}}

event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{{
	if ( ++n_peers == 2 )
		event look();
	}}

event look()
	{{
	when ( local r = Broker::exists(h, "ready") )
		{{
		if ( r$result as bool )
			{{
			Broker::increment(h, "n", 3);
			Broker::put(h, "done", T);
			}}
		else
			schedule 50msec {{ look() }};
		}}
	timeout 60sec {{ print "timeout"; }}
	}}
"#
    );
    let master = process("alike", "master", &master);
    let mut other = process("alike", "other", &other);
    let changes = process("alike", "changes", &changes);
    assert_eq!(other.ends(), "3\n");
    for mut p in [master, changes] {
        signal("-TERM", p.child.id());
        assert_eq!(p.ends(), "");
    }
}

/// A master with 30,000 entries of which some change all the time, a clone that has been there for long, and one that joins.
#[test]
fn entries_go_to_the_clone_that_joins_and_to_no_other() {
    let [port] = ports();
    let master = format!(
        r#"
global h: opaque of Broker::Store;
global n: int = 0;
global work: event();

event zeek_init()
	{{
	h = Broker::create_master("s");
	local i: int = 0;

	while ( ++i <= 30000 )
		Broker::put(h, i, "some text that makes the entry longer, so that several parts are needed for all of them");

	Broker::listen("127.0.0.1", {port}/tcp);
	event work();
	}}

# Keys in front and at the end, so that changes come to what was loaded already, and to what will be.
event work()
	{{
	if ( ++n > 500 )
		{{
		Broker::put(h, -2, n);
		return;
		}}

	Broker::increment(h, -1);
	Broker::put(h, 1 + n, "new");
	Broker::erase(h, 30001 - n);
	Broker::put(h, 40000 + n, "more");
	schedule 1msec {{ work() }};
	}}
"#
    );
    let clone = |more: &str| {
        format!(
            r#"
global h: opaque of Broker::Store;
global look: event();
global over: event();

event zeek_init()
	{{
	Broker::peer("127.0.0.1", {port}/tcp, 100msec);
	h = Broker::create_clone("s");
	event look();
	}}

event look()
	{{
	when ( local r = Broker::exists(h, -2) )
		{{
		if ( ! (r$result as bool) )
			schedule 50msec {{ look() }};
		else
			when ( local k = Broker::keys(h) )
				{{
				when [k] ( local n = Broker::get(h, -1) )
					{{ print |k$result as set[int]|, n$result as count; event over(); }}
				timeout 10sec {{ print "timeout"; }}
				}}
			timeout 10sec {{ print "timeout"; }}
		}}
	timeout 60sec {{ print "timeout"; }}
	}}
{more}"#
        )
    };
    let all = "30002, 500\n";
    let mut master = process("join", "master", &master);
    let mut first = process(
        "join",
        "first",
        &clone(
            "event over() { print \"events\", get_broker_stats()$num_events_incoming; schedule 100msec { over() }; flush_all(); }",
        ),
    );
    first.until("out", "events");
    let heard = |p: &Background| -> u64 {
        let out = p.read("out");
        let n = out.lines().rev().find_map(|l| l.strip_prefix("events, "));
        n.and_then(|n| n.parse().ok()).expect("a number of events")
    };
    let before = heard(&first);
    let mut second = process("join", "second", &clone("event over() { terminate(); }"));
    assert_eq!(second.ends(), all);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(heard(&first), before, "{}", first.read("out"));
    assert!(first.read("out").starts_with(all), "{}", first.read("out"));
    for p in [&mut first, &mut master] {
        signal("-TERM", p.child.id());
        p.ends();
        assert_eq!(p.read("err"), "");
    }
}

#[test]
fn a_clone_without_a_master_says_so_after_a_while() {
    let code = r#"
redef exit_only_after_terminate = T;
global h: opaque of Broker::Store;

event stop() { terminate(); }

event zeek_init()
	{
	h = Broker::create_clone("lonely", 1sec, -1sec, 500msec);
	Broker::put(h, "k", 1);
	Broker::put(h, "l", 1);
	schedule 2500msec { stop() };

	when ( local r = Broker::get(h, "k") )
		{ print "answer", r; }
	timeout 1sec { print "no answer"; }
	}

event zeek_done() { Broker::put(h, "m", 1); }
"#;
    let mut p = process("lonely", "clone", code);
    assert_eq!(p.ends(), "no answer\n");
    let err = p.read("err");
    let wanted = [
        "warning: the clone of Broker store 'lonely' has been without a master for 1.0 sec: this node has no peers",
        "warning: 2 changes of Broker store 'lonely' are lost: its master is away",
        "warning: 1 changes of Broker store 'lonely' are lost: its master was not there until the end",
    ];
    for w in wanted {
        assert_eq!(err.matches(w).count(), 1, "{err}");
    }
    assert_eq!(err.lines().count(), 3, "{err}");
}

#[test]
fn scripts_choose_the_topics_of_rows() {
    let [port] = ports();
    let stream = "
module Rows;
export {
	redef enum Log::ID += { LOG };
	type Info: record { num: count &log; };
}
event zeek_init() &priority=5 { Log::create_stream(Rows::LOG, [$columns=Info, $path=\"test\"]); }
event Broker::peer_lost(endpoint: Broker::EndpointInfo, msg: string) { terminate(); }
";
    let writer = format!(
        r#"{stream}
redef Log::enable_local_logging = F;
redef Broker::log_batch_size = 2;
redef Broker::log_batch_interval = 0sec;
redef Broker::log_topic = function(id: Log::ID, path: string): string
	{{ print id, path; return "own/" + path; }};
event zeek_init() {{ Broker::peer("127.0.0.1", {port}/tcp, 100msec); }}
event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{{
	for ( _, n in vector(1, 2, 3) )
		Log::write(Rows::LOG, [$num=n]);
	}}
"#
    );
    let reader = format!(
        r#"{stream}
redef Log::enable_remote_logging = F;
event zeek_init() {{ Broker::subscribe("own/"); Broker::listen("127.0.0.1", {port}/tcp); }}
"#
    );
    let mut reader = process("topics", "reader", &reader);
    let mut writer = process("topics", "writer", &writer);
    // Two make a batch; the third waits for another, or the end.
    reader.until("test.log", "\n2\n");
    assert!(!reader.read("test.log").contains("\n3\n"));
    signal("-TERM", writer.child.id());
    reader.ends();
    assert!(reader.read("test.log").contains("\n3\n"));
    assert_eq!(writer.ends().matches("Rows::LOG, test\n").count(), 2);
}

#[test]
fn peers_that_are_behind_are_dealt_with_as_the_policy_says() {
    let [port] = ports();
    // It takes nothing after the greeting.
    let reader = |name: &str| {
        let script = format!(
            r#"
global flood: event(n: count, text: string);
event flood(n: count, text: string) {{ print "got", n; }}
event zeek_init() {{ Broker::subscribe("t"); Broker::listen("127.0.0.1", {port}/tcp); }}
"#
        );
        process("behind", &format!("{name}-reader"), &script)
    };
    let writer = |name: &str, policy: &str| {
        let script = format!(
            r#"
redef Broker::peer_overflow_policy = "{policy}";
redef Broker::peer_buffer_size = 10;
global flood: event(n: count, text: string);
global text = "";
global go: event();

event zeek_init()
	{{
	text = "xy";
	while ( |text| < 100000 )
		text += text;

	Broker::peer("127.0.0.1", {port}/tcp, 100msec);
	}}

event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{{ print "added"; }}

event Broker::peer_removed(endpoint: Broker::EndpointInfo, msg: string)
	{{ print "removed", "backpressure_overflow" in msg; terminate(); }}

event Input::end_of_data(name: string, source: string)
	{{
	local i = 0;
	while ( i < 1000 )
		{{
		Broker::publish("t", flood, i, text);
		++i;
		}}

	for ( _, s in Broker::peering_stats() )
		print s$num_queued <= 10, s$max_queued_recently, s$num_overflows > 0;
	}}

event zeek_init()
	{{
	Input::add_event([$source="go", $name="go", $fields=Go, $ev=went, $want_record=F, $mode=Input::REREAD]);
	}}
"#
        );
        let head =
            "type Go: record { s: string; };\nevent went(d: Input::EventDescription, t: Input::Event, s: string) { }\n";
        let dir = folder(format!("peering/behind/{name}"));
        std::fs::write(dir.join("run.zeek"), format!("{head}{script}")).expect("a script");
        Background::tapir(dir, |c| c.args(["run.zeek", "Threading::heartbeat_interval=50msec"]))
    };
    for (name, policy, last) in [
        ("oldest", "drop_oldest", "T, 10, T\n"),
        ("disconnect", "disconnect", "removed, T\n"),
    ] {
        let mut r = reader(name);
        let mut w = writer(name, policy);
        w.until("out", "added\n");
        // The reader stands still, so that all that the system holds on the way is full soon.
        signal("-STOP", r.child.id());
        std::fs::write(w.dir.join("go"), "#fields\ts\n").expect("a file");
        w.until("out", last);
        signal("-CONT", r.child.id());
        signal("-TERM", r.child.id());
        r.ends();
        if policy != "disconnect" {
            signal("-TERM", w.child.id());
        }
        w.ends();
    }
}

#[test]
fn peers_and_what_they_say_is_counted() {
    let [port] = ports();
    let stream = "
module Rows;
export {
	redef enum Log::ID += { LOG };
	type Info: record { msg: string &log; };
	global ping: event(n: count);
}
event zeek_init() &priority=5 { Log::create_stream(Rows::LOG, [$columns=Info, $path=\"test\"]); }
event zeek_init() { Log::disable_stream(Broker::LOG); }
function tell()
	{
	for ( _, m in Telemetry::collect_metrics(\"zeek\", \"broker*\") )
		print fmt(\"%s%s %s\", m$opts$name, |m$label_values| > 0 ? \" of a peer\" : \"\", m$value);
	print \"told\";
	}
";
    let server = format!(
        r#"@load base/frameworks/telemetry
{stream}
redef Log::enable_remote_logging = F;
event zeek_init()
	{{
	Broker::subscribe("t/server");
	Broker::subscribe("zeek/logs");
	Broker::listen("127.0.0.1", {port}/tcp);
	}}
event ping(n: count)
	{{
	if ( n < 3 )
		return;
	Broker::publish("t/client", ping, n);
	tell();
	}}
event Broker::peer_lost(endpoint: Broker::EndpointInfo, msg: string) {{ terminate(); }}
"#
    );
    let client = format!(
        r#"@load base/frameworks/telemetry
{stream}
redef Log::enable_local_logging = F;
event zeek_init()
	{{
	Broker::subscribe("t/client");
	Broker::peer("127.0.0.1", {port}/tcp, 100msec);
	}}
event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{{
	Log::write(Rows::LOG, [$msg="a"]);
	Log::write(Rows::LOG, [$msg="b"]);
	Broker::flush_logs();
	for ( n in vector(1, 2, 3) )
		Broker::publish("t/server", ping, n + 1);
	}}
event ping(n: count) {{ tell(); }}
"#
    );
    let mut server = process("counted", "server", &server);
    let mut client = process("counted", "client", &client);
    let (server_said, client_said) = (server.until("out", "told\n"), client.until("out", "told\n"));
    signal("-TERM", client.child.id());
    client.ends();
    server.ends();
    for line in [
        "zeek_broker_peers 1.0\n",
        "zeek_broker_incoming_events_total 3.0\n",
        "zeek_broker_incoming_logs_total 2.0\n",
        "zeek_broker_outgoing_logs_total 0.0\n",
        "zeek_broker_peer_buffer_messages of a peer ",
    ] {
        assert!(server_said.contains(line), "{line} is missing in\n{server_said}");
    }
    for line in [
        "zeek_broker_peers 1.0\n",
        "zeek_broker_incoming_events_total 1.0\n",
        "zeek_broker_outgoing_events_total 3.0\n",
        "zeek_broker_outgoing_logs_total 2.0\n",
        "zeek_broker_peer_buffer_overflows_total of a peer 0.0\n",
    ] {
        assert!(client_said.contains(line), "{line} is missing in\n{client_said}");
    }
}

/// An address of this host with the zone that it needs, as numbers: a link-local one, or else the loopback, for which any will do.
fn address_with_zone() -> (String, String) {
    let text = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let found = text.lines().find_map(|l| {
        let words: Vec<&str> = l.split_whitespace().collect();
        let (address, link, scope) = (words.first()?, words.get(1)?, words.get(3)?);
        let bits = u128::from_str_radix(address, 16).ok().filter(|_| *scope == "20")?;
        let link = u32::from_str_radix(link, 16).ok()?;
        Some((std::net::Ipv6Addr::from_bits(bits).to_string(), link.to_string()))
    });
    found.unwrap_or(("::1".into(), "1".into()))
}

#[test]
fn controllers_reach_addresses_that_need_a_zone() {
    let (address, zone) = address_with_zone();
    if std::net::TcpListener::bind("[::]:0").is_err() {
        eprintln!("skipped: there is no IPv6");
        return;
    }
    let [port] = ports();
    let controllee = format!(
        "@load frameworks/control/controllee
redef Broker::default_port = {port}/tcp;
redef Broker::default_listen_address = \"::\";
const my_number = 4711;
event zeek_init() &priority=-20 {{ print \"listens\"; }}
"
    );
    let mut controllee = process("zone", "controllee", &controllee);
    controllee.until("out", "listens");
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .current_dir(folder("peering/zone/controller"))
        .args([
            "frameworks/control/controller",
            "Control::cmd=id_value",
            "Control::arg=my_number",
        ])
        .arg(format!("Control::host=[{address}]"))
        .arg(format!("Control::host_port={port}/tcp"))
        .arg(format!("Control::zone_id={zone}"))
        .args([
            "-e",
            "global over: event(); event over() { terminate(); } event zeek_init() { schedule 20sec { over() }; }",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("tapir runs");
    let (said, errors) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    assert_eq!(said, "4711\n", "{errors}");
    signal("-TERM", controllee.child.id());
    controllee.ends();
}

#[test]
fn a_controller_that_finds_nobody_says_so() {
    let [port] = ports();
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .current_dir(folder("peering/nobody"))
        .args(["frameworks/control/controller", "Control::cmd=shutdown"])
        .args(["Control::host=127.0.0.1", &format!("Control::host_port={port}/tcp")])
        .args([
            "-e",
            "global over: event(); event over() { terminate(); } event zeek_init() { schedule 7sec { over() }; }",
        ])
        .stdin(Stdio::null())
        .output()
        .expect("tapir runs");
    let said = String::from_utf8_lossy(&out.stderr);
    let expected = format!("there is no connection to 127.0.0.1, port {port}/tcp, so far; trying on");
    assert_eq!(said.matches(&expected).count(), 1, "{said}");
}

#[test]
fn without_turns_every_logger_writes_all_rows() {
    for (turns, each) in [(true, false), (false, true)] {
        let [a, b, c] = ports();
        let turn = if turns { "T" } else { "F" };
        let layout = format!(
            r#"
@load frameworks/cluster/backend/broker
redef Cluster::manager_is_logger = F;
redef Cluster::enable_round_robin_logging = {turn};
redef Cluster::nodes = {{
	["manager"] = Cluster::Node($node_type=Cluster::MANAGER, $ip=127.0.0.1, $p={a}/tcp),
	["logger-1"] = Cluster::Node($node_type=Cluster::LOGGER, $ip=127.0.0.1, $p={b}/tcp, $manager="manager"),
	["logger-2"] = Cluster::Node($node_type=Cluster::LOGGER, $ip=127.0.0.1, $p={c}/tcp, $manager="manager"),
	["worker"] = Cluster::Node($node_type=Cluster::WORKER, $ip=127.0.0.1, $manager="manager"),
}};
"#
        );
        let run = r#"
@load ./cluster-layout
module Test;
export {
	redef enum Log::ID += { LOG };
	type Info: record { n: count; } &log;
}
event zeek_init() &priority=5 { Log::create_stream(LOG, Log::Stream($columns=Info, $path="test")); }
event write(n: count)
	{
	if ( n > 40 )
		{
		print "written";
		return;
		}
	Log::write(LOG, Info($n=n));
	Broker::flush_logs();
	schedule 5msec { write(n + 1) };
	}
global begun = F;
event Cluster::node_up(name: string, id: string)
	{
	if ( begun || Cluster::node != "worker" || Cluster::get_active_node_count(Cluster::LOGGER) < 2 )
		return;
	begun = T;
	schedule 300msec { write(1) };
	}
"#;
        let mut all: Vec<_> = ["manager", "logger-1", "logger-2", "worker"]
            .iter()
            .map(|name| {
                let dir = folder(format!("peering/turns-{turn}/{name}"));
                std::fs::write(dir.join("cluster-layout.zeek"), &layout).expect("a script");
                std::fs::write(dir.join("run.zeek"), run).expect("a script");
                Background::tapir(dir, |c| {
                    c.args(["run.zeek", "Log::default_rotation_interval=0sec"])
                        .env("CLUSTER_NODE", name)
                })
            })
            .collect();
        all[3].until("out", "written");
        for i in [3, 0, 1, 2] {
            signal("-TERM", all[i].child.id());
            all[i].ends();
        }
        let rows = |i: usize| -> Vec<u32> {
            let log = all[i].read("test.log");
            log.lines().filter_map(|l| l.parse().ok()).collect()
        };
        let (one, two) = (rows(1), rows(2));
        let mut both = [&one[..], &two].concat();
        both.sort_unstable();
        match each {
            true => {
                assert_eq!(one, (1..=40).collect::<Vec<_>>());
                assert_eq!(two, one);
            }
            false => {
                assert_eq!(both, (1..=40).collect::<Vec<_>>());
                assert!(!one.is_empty() && !two.is_empty(), "{one:?} {two:?}");
            }
        }
        assert!(!all[0].dir.join("test.log").exists() && !all[3].dir.join("test.log").exists());
    }
}
