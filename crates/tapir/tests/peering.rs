//! Nodes that connect to each other with `Broker::listen` and `Broker::peer`: pairs of processes, and a cluster that uses
//! nothing else.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(90);

/// A process with a folder for all that it writes.
struct Process {
    dir: PathBuf,
    child: Child,
}

impl Process {
    fn new(test: &str, name: &str, script: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("peering")
            .join(test)
            .join(name);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a folder for the test");
        std::fs::write(dir.join("run.zeek"), script).expect("a script");
        let file = |name: &str| std::fs::File::create(dir.join(name)).expect("a file");
        let child = Command::new(env!("CARGO_BIN_EXE_tapir"))
            .args(["run.zeek"])
            .current_dir(&dir)
            .env_remove("ZEEKPATH")
            .stdin(Stdio::null())
            .stdout(file("out"))
            .stderr(file("err"))
            .spawn()
            .expect("tapir runs");
        Process { dir, child }
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.join(file)).unwrap_or_default()
    }

    /// Waits for a good end, and gives what was printed.
    fn ends(&mut self) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a process") {
                assert!(status.success(), "{status}\n{}\n{}", self.read("out"), self.read("err"));
                return self.read("out");
            }
            assert!(
                Instant::now() < end,
                "it does not end:\n{}\n{}",
                self.read("out"),
                self.read("err")
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("its number").port()
}

/// The event that both know.
const PING: &str = "
global ping: event(who: string, n: count);
";

#[test]
fn two_processes_talk() {
    let port = free_port();
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
    let mut client = Process::new("talk", "client", &client);
    let mut server = Process::new("talk", "server", &server);
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
    let port = free_port();
    let mut p = Process::new(
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
    let [a, b, c] = [free_port(), free_port(), free_port()];
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
	redef enum Log::ID += { LOG };
	type Info: record { who: string; what: string; } &log;
	global done: event();
	global over: event();
}

event zeek_init() &priority=5
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $path="test"));
	}

event zeek_init()
	{
	Log::write(LOG, Info($who=Cluster::node, $what="begins"));
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
            let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
                .join("peering/cluster")
                .join(name);
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).expect("a folder for the test");
            std::fs::write(dir.join("cluster-layout.zeek"), &script).expect("a script");
            std::fs::write(dir.join("run.zeek"), run).expect("a script");
            let file = |name: &str| std::fs::File::create(dir.join(name)).expect("a file");
            let child = Command::new(env!("CARGO_BIN_EXE_tapir"))
                .args(["run.zeek", "Log::default_rotation_interval=0sec"])
                .current_dir(&dir)
                .env_remove("ZEEKPATH")
                .env("CLUSTER_NODE", name)
                .stdin(Stdio::null())
                .stdout(file("out"))
                .stderr(file("err"))
                .spawn()
                .expect("tapir runs");
            Process { dir, child }
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
    // Workers first, loggers last.
    for i in [3, 2, 0, 1] {
        let pid = all[i].child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &pid])
                .status()
                .expect("kill runs")
                .success()
        );
        all[i].ends();
    }
}
