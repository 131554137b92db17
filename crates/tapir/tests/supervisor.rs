//! Supervisors that scripts run with `-j`: nodes come, print, die and come back, are restarted and destroyed; whole clusters;
//! requests over the WebSocket API.

mod background;

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use background::{Background, PATIENCE, folder, ports, signal};
use tungstenite::{Message, WebSocket};

fn supervisor(name: &str, script: &str) -> Background {
    let dir = folder(name);
    std::fs::write(dir.join("nodes.zeek"), script).expect("a script");
    Background::tapir(dir, |c| c.args(["-j", "nodes.zeek"]).env("TZ", "UTC"))
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    state.is_some_and(|s| s != "Z" && s != "X")
}

/// The number behind the last place where a text stands and the number is written to its end.
fn number_after(text: &str, mark: &str) -> u32 {
    let number = |(at, _): (usize, &str)| {
        let rest = &text[at + mark.len()..];
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        rest[..end].parse().ok()
    };
    let found = text.rmatch_indices(mark).find_map(number);
    found.unwrap_or_else(|| panic!("{mark}: {text}"))
}

const NODES: &str = r#"
event zeek_init()
	{
	if ( Supervisor::is_supervised() )
		{
		local n = Supervisor::node();
		print fmt("node %s begins, %s %s %s", n$name, getenv("GREETING"), bare_mode(), Supervisor::is_supervisor());
		Reporter::warning(fmt("a word of %s", n$name));
		return;
		}

	print "created", Supervisor::create(Supervisor::NodeConfig($name="one", $env=table(["GREETING"] = "hello")));
	print "again", Supervisor::create(Supervisor::NodeConfig($name="one"));
	print "nameless", Supervisor::create(Supervisor::NodeConfig($name=""));
	print "two", Supervisor::create(Supervisor::NodeConfig($name="two", $directory="deep/two", $stdout_file="o.log",
		$stderr_file="e.log", $bare_mode=T, $addl_user_scripts=vector("more.zeek"), $cpu_affinity=+0));
	print "nobody", Supervisor::destroy("nobody"), Supervisor::restart("nobody");
	}

event Supervisor::node_status(node: string, pid: count)
	{
	local s = Supervisor::status(node)$nodes;
	print fmt("status of %s: %d, %s, %d known", node, pid, s[node]$pid == pid, |Supervisor::status()$nodes|);
	}

hook Supervisor::stdout_hook(node: string, msg: string)
	{
	if ( /begins/ in msg )
		print fmt("%s says: %s", node, msg);
	if ( /secret/ in msg )
		break;
	}

event zeek_done()
	{
	print Supervisor::is_supervised() ? "node ends" : "supervisor ends";
	}
"#;

#[test]
fn nodes_live_and_die() {
    let mut s = supervisor("supervisor-nodes", NODES);
    std::fs::create_dir_all(s.dir.join("deep/two")).expect("a folder");
    let more = "event zeek_init() &priority=-5 { print \"more\"; }\n";
    std::fs::write(s.dir.join("deep/two/more.zeek"), more).expect("a script");
    let text = s.until("out", "one says: node one begins, hello F F");
    for line in [
        "created, \n",
        "again, there is a node 'one' already\n",
        "nameless, a node needs a name\n",
        "two, \n",
        "nobody, F, F\n",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    s.until("out", "[one] node one begins");
    assert!(s.until("err", "a word of one").contains("[one] warning"));
    let o = s.until("deep/two/o.log", "more");
    assert!(o.contains("node two begins,  T F"), "{o}");
    s.until("deep/two/e.log", "a word of two");
    assert!(!s.read("out").contains("[two]"));
    s.until("out", "status of two: ");
    s.until("out", "status of one: ");
    s.until("out", ", T, 2 known");

    // What dies comes back.
    let both = |t: &str| t.matches(" known\n").count() >= 2;
    let end = Instant::now() + PATIENCE;
    while !both(&s.read("out")) {
        assert!(Instant::now() < end, "{}", s.read("out"));
        std::thread::sleep(Duration::from_millis(50));
    }
    let first = number_after(&s.read("out"), "status of two: ");
    signal("-9", first);
    s.until("err", "supervised node 'two' ended with signal: 9");
    let end = Instant::now() + PATIENCE;
    while number_after(&s.read("out"), "status of two: ") == first {
        assert!(Instant::now() < end, "{}", s.read("err"));
        std::thread::sleep(Duration::from_millis(50));
    }
    // Its output goes on where it was.
    let end = Instant::now() + PATIENCE;
    while s.read("deep/two/o.log").matches("more").count() < 2 {
        assert!(Instant::now() < end, "{}", s.read("deep/two/o.log"));
        std::thread::sleep(Duration::from_millis(50));
    }

    // The end of the supervisor is that of its nodes, and theirs comes first.
    let pids = [
        number_after(&s.read("out"), "status of one: "),
        number_after(&s.read("out"), "status of two: "),
    ];
    signal("-TERM", s.child.id());
    s.ends();
    let text = s.read("out");
    let place = |t: &str| text.find(t).unwrap_or_else(|| panic!("{t}: {text}"));
    assert!(place("[one] node ends") < place("supervisor ends"), "{text}");
    assert!(s.read("deep/two/o.log").contains("node ends"));
    assert!(pids.iter().all(|p| !is_alive(*p)));
}

#[test]
fn nodes_end_with_a_supervisor_that_is_killed() {
    let script = r#"
event zeek_init()
	{
	if ( Supervisor::is_supervisor() )
		Supervisor::create(Supervisor::NodeConfig($name="one"));
	}
event Supervisor::node_status(node: string, pid: count) { print fmt("pid %d.", pid); }
"#;
    let mut s = supervisor("supervisor-killed", script);
    s.until("out", ".");
    let pid = number_after(&s.read("out"), "pid ");
    let _ = s.child.kill();
    let _ = s.child.wait();
    let end = Instant::now() + PATIENCE;
    while is_alive(pid) {
        assert!(Instant::now() < end, "the node is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn has_zeromq() -> bool {
    let code = "event zeek_init() { print |Cluster::Backend::ZeroMQ::generate_keypair()|; }";
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-b", "-e", code])
        .stdin(Stdio::null())
        .output()
        .expect("tapir runs");
    let found = out.stdout == b"2\n";
    if !found {
        eprintln!("skipped: libzmq is not installed");
    }
    found
}

const CLUSTER: &str = r#"
@load frameworks/cluster/backend/zeromq
@load frameworks/cluster/experimental

redef Cluster::Backend::ZeroMQ::listen_xpub_endpoint = "tcp://127.0.0.1:PORT0";
redef Cluster::Backend::ZeroMQ::connect_xsub_endpoint = "tcp://127.0.0.1:PORT0";
redef Cluster::Backend::ZeroMQ::listen_xsub_endpoint = "tcp://127.0.0.1:PORT1";
redef Cluster::Backend::ZeroMQ::connect_xpub_endpoint = "tcp://127.0.0.1:PORT1";
redef ignore_checksums = T;

event zeek_init()
	{
	if ( ! Supervisor::is_supervisor() )
		{
		if ( Cluster::local_node_type() == Cluster::WORKER )
			suspend_processing();
		return;
		}

	local cluster: table[string] of Supervisor::ClusterEndpoint = {
		["manager"] = Supervisor::ClusterEndpoint($role=Supervisor::MANAGER, $host=127.0.0.1, $p=0/unknown),
		["logger"] = Supervisor::ClusterEndpoint($role=Supervisor::LOGGER, $host=127.0.0.1, $p=PORT2/tcp),
		["worker"] = Supervisor::ClusterEndpoint($role=Supervisor::WORKER, $host=127.0.0.1, $p=0/unknown),
	};
	for ( n, ep in cluster )
		{
		local sn = Supervisor::NodeConfig($name=n, $directory=n, $cluster=cluster);
		if ( ep$role == Supervisor::WORKER )
			sn$pcap_file = "CAPTURE";
		local why = Supervisor::create(sn);
		if ( why != "" )
			print why;
		}
	}

event Cluster::Experimental::cluster_started()
	{
	if ( Cluster::local_node_type() == Cluster::WORKER )
		continue_processing();
	}
"#;

#[test]
fn a_supervised_cluster() {
    if !has_zeromq() {
        return;
    }
    let p = ports::<3>();
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures/http.pcap");
    let capture = capture.canonicalize().expect("a capture");
    let mut script = CLUSTER.replace("CAPTURE", &capture.to_string_lossy());
    for (i, port) in p.iter().enumerate() {
        script = script.replace(&format!("PORT{i}"), &port.to_string());
    }
    let mut s = supervisor("supervisor-cluster", &script);
    let conn = s.until("logger/conn.log", "\thttp\t");
    assert!(conn.contains("#path\tconn"), "{conn}");
    let story = s.until("logger/cluster.log", "cluster connected");
    for node in ["manager", "logger", "worker"] {
        assert!(story.contains(&format!("got hello from {node} (")), "{node}: {story}");
    }
    // The worker is done; the others stay until the supervisor ends, and write what they have as supervised nodes do.
    s.until("logger/cluster.log", "node down: worker");
    signal("-TERM", s.child.id());
    s.ends();
    let queue: Vec<_> = std::fs::read_dir(s.dir.join("logger/log-queue"))
        .expect("the queue of rotated logs")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    assert!(
        queue.iter().any(|n| n.starts_with("conn__") && n.ends_with("__.log")),
        "{queue:?}"
    );
}

/// A client of the WebSocket API.
struct Client(WebSocket<TcpStream>);

impl Client {
    fn connect(port: u16) -> Self {
        let end = Instant::now() + PATIENCE;
        let stream = loop {
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(s) => break s,
                Err(e) => assert!(Instant::now() < end, "nobody listens: {e}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let url = format!("ws://127.0.0.1:{port}/v1/messages/json");
        let (socket, _) = tungstenite::client(url, stream).expect("a handshake");
        let mut c = Client(socket);
        c.0.send(Message::text(r#"["zeek/supervisor"]"#)).expect("it is sent");
        assert!(c.next().contains("\"ack\""));
        c
    }

    fn next(&mut self) -> String {
        loop {
            if let Message::Text(t) = self.0.read().expect("a message") {
                return t.to_string();
            }
        }
    }

    fn send(&mut self, request: &str, args: &str) {
        let event = format!(
            r#"{{"type":"data-message","topic":"zeek/supervisor/{request}","@data-type":"vector","data":[
            {{"@data-type":"count","data":1}},{{"@data-type":"count","data":1}},{{"@data-type":"vector","data":[
            {{"@data-type":"string","data":"SupervisorControl::{request}"}},{{"@data-type":"vector","data":[{args}]}}]}}]}}"#
        );
        self.0.send(Message::text(event)).expect("it is sent");
    }

    /// Sends a request, and waits for an answer with a text in it.
    fn ask(&mut self, request: &str, args: &str, answer: &str) -> String {
        self.send(request, args);
        loop {
            let text = self.next();
            assert!(!text.contains("\"error\""), "{text}");
            if text.contains(answer) {
                return text;
            }
        }
    }
}

fn string(s: &str) -> String {
    format!(r#"{{"@data-type":"string","data":"{s}"}}"#)
}

#[test]
fn requests_over_the_network() {
    let [port, peers] = ports();
    let script = format!(
        r#"
redef SupervisorControl::enable_listen = T;
redef Broker::default_port = {peers}/tcp;

event zeek_init()
	{{
	if ( Supervisor::is_supervisor() )
		Cluster::listen_websocket(Cluster::WebSocketServerOptions($listen_addr=127.0.0.1, $listen_port={port}/tcp));
	}}
"#
    );
    let mut s = supervisor("supervisor-control", &script);
    let mut c = Client::connect(port);
    let none = r#"{"@data-type":"none","data":{}}"#;
    let empty = |t: &str| format!(r#"{{"@data-type":"{t}","data":[]}}"#);
    let node = [
        string("remote"),
        [none; 6].join(","),
        empty("vector"),
        empty("vector"),
        empty("table"),
        none.into(),
        empty("table"),
    ];
    let node = format!(r#"{{"@data-type":"vector","data":[{}]}}"#, node.join(","));
    let create = [string("r1"), node].join(",");
    let answer = c.ask("create_request", &create, "create_response");
    assert!(answer.contains("zeek/supervisor/create_response/r1"), "{answer}");
    c.ask("status_request", &[string("r2"), string("")].join(","), "node_status");
    let status = c.ask(
        "status_request",
        &[string("r3"), string("remote")].join(","),
        "status_response/r3",
    );
    assert!(status.contains(r#""data":"remote""#), "{status}");
    let no = r#"{"@data-type":"boolean","data":false}"#;
    let answer = c.ask(
        "restart_request",
        &[string("r4"), string("other")].join(","),
        "restart_response/r4",
    );
    assert!(answer.contains(no), "{answer}");
    let answer = c.ask(
        "destroy_request",
        &[string("r5"), string("remote")].join(","),
        "destroy_response/r5",
    );
    assert!(!answer.contains(no), "{answer}");
    // A peer ends it.
    let code = format!(
        r#"
event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{{ Broker::publish(SupervisorControl::topic_prefix, SupervisorControl::stop_request); }}

event Broker::peer_lost(endpoint: Broker::EndpointInfo, msg: string)
	{{ terminate(); }}

event zeek_init()
	{{ Broker::peer("127.0.0.1", {peers}/tcp); }}
"#
    );
    let peer = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-e", &code])
        .current_dir(&s.dir)
        .stdin(Stdio::null())
        .status();
    assert!(peer.expect("tapir runs").success());
    s.ends();
}

#[test]
fn mistakes_are_named() {
    let run = |args: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("tapir runs");
        assert_eq!(out.status.code(), Some(1), "{args:?}");
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    assert!(run(&["-j"]).contains("name a script"));
    assert!(run(&["-j", "-r", "x.pcap", "local"]).contains("pcap_file"));
}

/// Scripts may listen themselves: peers' requests are heard all the same.
#[test]
fn requests_of_peers() {
    let [port] = ports();
    let mut s = supervisor(
        "supervisor/peers",
        &format!(
            r#"
event zeek_init()
	{{
	if ( Supervisor::is_supervisor() )
		Broker::listen("127.0.0.1", {port}/tcp);
	}}
"#
        ),
    );
    let dir = folder("supervisor/peers-client");
    let script = format!(
        r#"
event zeek_init()
	{{
	Broker::subscribe(SupervisorControl::topic_prefix);
	Broker::peer("127.0.0.1", {port}/tcp, 100msec);
	}}

event Broker::peer_added(endpoint: Broker::EndpointInfo, msg: string)
	{{
	local node = Supervisor::NodeConfig($name="one");
	Broker::publish(SupervisorControl::topic_prefix, SupervisorControl::create_request, "1", node);
	}}

event SupervisorControl::create_response(reqid: string, result: string)
	{{
	print "created", reqid, result;
	Broker::publish(SupervisorControl::topic_prefix, SupervisorControl::restart_request, "2", "");
	}}

event SupervisorControl::restart_response(reqid: string, result: bool)
	{{
	print "restarted", reqid, result;
	Broker::publish(SupervisorControl::topic_prefix, SupervisorControl::stop_request);
	}}

event Broker::peer_lost(endpoint: Broker::EndpointInfo, msg: string)
	{{ terminate(); }}
"#
    );
    std::fs::write(dir.join("run.zeek"), script).expect("a script");
    let mut client = Background::tapir(dir, |c| c.arg("run.zeek"));
    assert_eq!(client.ends(), "created, 1, \nrestarted, 2, T\n");
    s.ends();
}
