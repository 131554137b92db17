//! NetControl and OpenFlow as people use them: what the manual's examples write, and plugins that talk to a program
//! elsewhere, which is a second process here.

mod background;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;

use background::{Background, folder, ports, rows};

/// What a script prints on a capture, and the folder with the logs.
fn on_capture(name: &str, capture: &str, script: &str) -> (PathBuf, String) {
    let dir = folder(format!("netcontrol/{name}"));
    let printed = background::on_capture(&dir, capture, script);
    (dir, printed)
}

fn process(test: &str, name: &str, script: &str) -> Background {
    let dir = folder(format!("netcontrol/{test}/{name}"));
    std::fs::write(dir.join("run.zeek"), script).expect("a script");
    Background::tapir(dir, |c| c.arg("run.zeek"))
}

const DEBUG: &str = "event NetControl::init() { NetControl::activate(NetControl::create_debug(T), 0); }\n";

#[test]
fn a_connection_is_dropped_until_the_capture_ends() {
    let script = format!(
        "{DEBUG}
global n = 0;
event connection_established(c: connection)
	{{
	if ( ++n == 1 )
		NetControl::drop_connection(c$id, 20secs);
	}}"
    );
    let (dir, printed) = on_capture("drop", "http.pcap", &script);
    assert_eq!(printed.lines().count(), 2, "the rule's time is not over: {printed}");
    let what = rows(
        &dir,
        "netcontrol",
        &["category", "cmd", "state", "entity_type", "msg", "plugin"],
    );
    assert_eq!(
        what,
        [
            "NetControl::MESSAGE - - - activating plugin with priority 0 Debug-All",
            "NetControl::MESSAGE - - - activation finished Debug-All",
            "NetControl::MESSAGE - - - plugin initialization done -",
            "NetControl::RULE ADD NetControl::REQUESTED NetControl::CONNECTION - Debug-All",
            "NetControl::RULE ADD NetControl::SUCCEEDED NetControl::CONNECTION - Debug-All",
        ]
    );
}

#[test]
fn caught_hosts_are_watched_from_their_block_on() {
    let script = format!(
        "@load policy/frameworks/netcontrol/catch-and-release
{DEBUG}
event zeek_init() {{ NetControl::drop_address_catch_release(127.0.0.9, \"why\"); }}"
    );
    let (dir, _) = on_capture("catch", "http.pcap", &script);
    let log = "netcontrol_catch_release";
    let what = rows(
        &dir,
        log,
        &[
            "action",
            "block_interval",
            "watch_interval",
            "num_blocked",
            "location",
            "plugin",
        ],
    );
    assert_eq!(what[0], "NetControl::DROP_REQUESTED 600.000000 3600.000000 1 why -");
}

#[test]
fn switches_get_what_other_plugins_do_not_take() {
    let script = format!(
        "{DEBUG}
function here(p: NetControl::PluginState, r: NetControl::Rule): bool
	{{ return subnet_to_addr(r$entity$ip) !in 192.168.17.0/24; }}
event NetControl::init()
	{{
	local switch_ = OpenFlow::log_new(42);
	NetControl::activate(NetControl::create_openflow(switch_, NetControl::OfConfig($check_pred=here)), 10);
	}}
event NetControl::init_done()
	{{
	NetControl::drop_address(10.0.0.1, 1min);
	NetControl::drop_address(192.168.17.2, 1min);
	}}"
    );
    let (dir, printed) = on_capture("switch", "empty.pcap", &script);
    assert!(
        printed.contains("ip=192.168.17.2/32") && !printed.contains("10.0.0.1"),
        "{printed}"
    );
    let what = rows(
        &dir,
        "openflow",
        &[
            "dpid",
            "match.nw_src",
            "match.nw_dst",
            "flow_mod.cookie",
            "flow_mod.command",
            "flow_mod.hard_timeout",
        ],
    );
    assert_eq!(
        what,
        [
            "42 10.0.0.1/32 - 4398046511108 OpenFlow::OFPFC_ADD 60",
            "42 - 10.0.0.1/32 4398046511109 OpenFlow::OFPFC_ADD 60",
        ]
    );
    // Plugins are all there before the first rule.
    let messages = rows(&dir, "netcontrol", &["msg", "plugin"]);
    assert_eq!(messages[4], "plugin initialization done -", "{messages:?}");
    let cookies = "
event zeek_init()
	{
	local c = OpenFlow::generate_cookie(77);
	print c, OpenFlow::get_cookie_uid(c), OpenFlow::get_cookie_gid(c);
	}";
    assert_eq!(on_capture("cookie", "empty.pcap", cookies).1, "4398046511181, 77, 0\n");
}

/// What all who talk to a program do: say what becomes of rules, and end when all is done.
const REPORT: &str = r#"
event NetControl::rule_added(r: NetControl::Rule, p: NetControl::PluginState, msg: string)
	{
	print "added", r$id, msg;

	if ( r$id == "2" )
		NetControl::remove_rule(r$id, "because");
	}

event NetControl::rule_removed(r: NetControl::Rule, p: NetControl::PluginState, msg: string)
	{ print "removed", r$id, msg; }

event NetControl::rule_timeout(r: NetControl::Rule, i: NetControl::FlowInfo, p: NetControl::PluginState)
	{ print "timeout", r$id, i$packet_count, i$byte_count; }

event NetControl::rule_error(r: NetControl::Rule, p: NetControl::PluginState, msg: string)
	{ print "error", r$id, msg; }

global gone = 0;

event NetControl::rule_destroyed(r: NetControl::Rule)
	{
	if ( ++gone == 2 )
		terminate();
	}
"#;

/// The program's side of all plugins: it ends with its peer.
fn program(port: u16, handlers: &str) -> String {
    format!(
        r#"
event zeek_init()
	{{
	Broker::subscribe("t/rules");
	Broker::listen("127.0.0.1", {port}/tcp);
	}}

event Broker::peer_lost(endpoint: Broker::EndpointInfo, msg: string)
	{{ terminate(); }}
{handlers}"#
    )
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn an_access_list_daemon_gets_commands() {
    let [port] = ports();
    let client = format!(
        r#"{REPORT}
event NetControl::init()
	{{
	local config = NetControl::AcldConfig($acld_host=127.0.0.1, $acld_port={port}/tcp, $acld_topic="t/rules");
	NetControl::activate(NetControl::create_acld(config), 0);
	}}

hook NetControl::acld_rule_policy(p: NetControl::PluginState, r: NetControl::Rule, ar: NetControl::AclRule)
	{{
	if ( r$entity$ty == NetControl::ADDRESS && r$entity$ip == 192.0.2.9/32 )
		break;

	ar$comment = ar?$comment ? ar$comment + "!" : "!";
	}}

event NetControl::init_done()
	{{
	NetControl::drop_address(192.0.2.1, 1min, "why");
	local f = NetControl::Flow($src_h=192.0.2.1/32, $dst_h=192.0.2.2/32);
	NetControl::add_rule(NetControl::Rule($ty=NetControl::DROP, $target=NetControl::FORWARD,
	    $entity=NetControl::Entity($ty=NetControl::FLOW, $flow=f)));
	print "refused", NetControl::drop_address(192.0.2.9, 1min) == "";
	# The daemon has nothing to do with what is monitored.
	print "refused", NetControl::shunt_flow(flow_id($src_h=192.0.2.1, $src_p=1/tcp, $dst_h=192.0.2.2, $dst_p=2/tcp), 1min) == "";
	}}
"#
    );
    let daemon = program(
        port,
        r#"
event NetControl::acld_add_rule(id: count, r: NetControl::Rule, ar: NetControl::AclRule)
	{
	print ar$command, ar$arg, ar$cookie, ar$comment;

	if ( ar$command == "drop" )
		Broker::publish("t/rules", NetControl::acld_rule_added, id, r, "done");
	else
		Broker::publish("t/rules", NetControl::acld_rule_error, id, r, "full");
	}

event NetControl::acld_remove_rule(id: count, r: NetControl::Rule, ar: NetControl::AclRule)
	{
	print ar$command, ar$arg, ar$cookie, ar$comment;
	Broker::publish("t/rules", NetControl::acld_rule_removed, id, r, "undone");
	}
"#,
    );
    let mut client = process("acld", "client", &client);
    let mut daemon = process("acld", "daemon", &daemon);
    assert_eq!(
        sorted(&client.ends()),
        [
            "added, 2, done",
            "error, 3, full",
            "refused, T",
            "refused, T",
            "removed, 2, undone"
        ]
    );
    assert_eq!(
        sorted(&daemon.ends()),
        [
            "blockhosthost, 192.0.2.1 192.0.2.2, 3, !",
            "drop, 192.0.2.1/32, 2, why!",
            "restore, 192.0.2.1/32, 2, because"
        ]
    );
}

#[test]
fn a_program_gets_rules() {
    let [port] = ports();
    let client = format!(
        r#"{REPORT}
event NetControl::init()
	{{
	local config = NetControl::BrokerConfig($host=127.0.0.1, $bport={port}/tcp, $topic="t/rules");
	NetControl::activate(NetControl::create_broker(config, T), 0);
	}}

event NetControl::init_done()
	{{
	NetControl::drop_address(192.0.2.1, 1min);
	NetControl::shunt_flow(flow_id($src_h=192.0.2.1, $src_p=1/tcp, $dst_h=192.0.2.2, $dst_p=2/tcp), 1min);
	}}
"#
    );
    let other = program(
        port,
        r#"
event NetControl::broker_add_rule(id: count, r: NetControl::Rule)
	{
	print "add", r$id, r$entity$ty, r$expire;

	if ( r$target == NetControl::FORWARD )
		{
		Broker::publish("t/rules", NetControl::broker_rule_added, id, r, "done");
		return;
		}

	Broker::publish("t/rules", NetControl::broker_rule_exists, id, r, "");
	Broker::publish("t/rules", NetControl::broker_rule_timeout, id, r, NetControl::FlowInfo($packet_count=5, $byte_count=7));
	}

event NetControl::broker_remove_rule(id: count, r: NetControl::Rule, reason: string)
	{
	print "remove", r$id, reason;
	Broker::publish("t/rules", NetControl::broker_rule_removed, id, r, "undone");
	}
"#,
    );
    let mut client = process("broker", "client", &client);
    let mut other = process("broker", "program", &other);
    assert_eq!(
        sorted(&client.ends()),
        ["added, 2, done", "removed, 2, undone", "timeout, 3, 5, 7"]
    );
    assert_eq!(
        sorted(&other.ends()),
        [
            "add, 2, NetControl::ADDRESS, 1.0 min",
            "add, 3, NetControl::FLOW, 1.0 min",
            "remove, 2, because"
        ]
    );
    let what = rows(&client.dir, "netcontrol", &["rule_id", "cmd", "state", "msg"]);
    assert!(
        what.contains(&"3 ADD NetControl::EXISTS -".to_string())
            && what.contains(&"3 EXPIRE NetControl::TIMEOUT Packets: 5 Bytes: 7".to_string()),
        "{what:?}"
    );
}

#[test]
fn a_controller_elsewhere_gets_entries() {
    let [port] = ports();
    let client = format!(
        r#"{REPORT}
event NetControl::init()
	{{
	local c = OpenFlow::broker_new("switch", 127.0.0.1, {port}/tcp, "t/rules", 42);
	NetControl::activate(NetControl::create_openflow(c), 0);
	}}

event NetControl::init_done()
	{{
	NetControl::drop_address(192.0.2.1, 1min);
	NetControl::shunt_flow(flow_id($src_h=192.0.2.1, $src_p=1/tcp, $dst_h=192.0.2.2, $dst_p=2/tcp), 1min);
	}}
"#
    );
    let controller = program(
        port,
        r#"
event OpenFlow::broker_flow_mod(name: string, dpid: count, match: OpenFlow::ofp_match, flow_mod: OpenFlow::ofp_flow_mod)
	{
	print dpid, flow_mod$command, OpenFlow::get_cookie_uid(flow_mod$cookie);
	Broker::publish("t/rules", OpenFlow::flow_mod_success, name, match, flow_mod, "done");

	if ( match?$nw_proto )
		Broker::publish("t/rules", OpenFlow::flow_removed, name, match, flow_mod$cookie, 0, 1, 20, 0, 5, 7);
	}
"#,
    );
    let mut client = process("openflow", "client", &client);
    let mut controller = process("openflow", "controller", &controller);
    assert_eq!(
        sorted(&client.ends()),
        [
            "added, 2, done",
            "added, 3, done",
            "removed, 2, done",
            "timeout, 3, 5, 7"
        ]
    );
    // Addresses have an entry for each direction, and both go.
    assert_eq!(
        sorted(&controller.ends()),
        [
            "42, OpenFlow::OFPFC_ADD, 4",
            "42, OpenFlow::OFPFC_ADD, 5",
            "42, OpenFlow::OFPFC_ADD, 6",
            "42, OpenFlow::OFPFC_DELETE, 4",
            "42, OpenFlow::OFPFC_DELETE, 5"
        ]
    );
}

/// One request, up to its body's end, and the answer.
fn answer(stream: &mut TcpStream, status: &str) -> std::io::Result<String> {
    let mut got = Vec::new();
    let mut part = [0; 4096];
    loop {
        let n = stream.read(&mut part)?;
        got.extend_from_slice(&part[..n]);
        let text = String::from_utf8_lossy(&got).into_owned();
        let body = text.split_once("\r\n\r\n");
        let length = text.lines().find_map(|l| {
            l.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .trim()
                .parse::<usize>()
                .ok()
        });
        if n == 0 || body.is_some_and(|(_, b)| b.len() >= length.unwrap_or(0)) {
            let said = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(said.as_bytes())?;
            return Ok(text);
        }
    }
}

#[test]
fn ryu_gets_requests() {
    if Command::new("curl").arg("--version").output().is_err() {
        println!("curl is not here: the test of Ryu was not run");
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let asked = std::thread::spawn(move || {
        let answers = ["200 OK", "404 Not Found"];
        answers.map(|status| answer(&mut listener.accept().expect("a client").0, status).expect("a request"))
    });
    let mut client = process(
        "ryu",
        "client",
        &format!(
            r#"
redef exit_only_after_terminate = T;

global controller: OpenFlow::Controller;
global entry = OpenFlow::ofp_flow_mod($cookie=OpenFlow::generate_cookie(1), $command=OpenFlow::OFPFC_ADD,
    $actions=OpenFlow::ofp_flow_action($out_ports=vector(3, 7)));
global match_ = OpenFlow::ofp_match($dl_type=OpenFlow::ETH_IPv4, $nw_src=192.0.2.1/32);

event zeek_init()
	{{
	controller = OpenFlow::ryu_new(127.0.0.1, {port}, 42);
	OpenFlow::flow_mod(controller, match_, entry);
	}}

event OpenFlow::flow_mod_success(name: string, match: OpenFlow::ofp_match, flow_mod: OpenFlow::ofp_flow_mod, msg: string)
	{{
	print "success", flow_mod$command;
	local e = copy(entry);
	e$command = OpenFlow::OFPFC_DELETE;
	OpenFlow::flow_mod(controller, match_, e);
	}}

event OpenFlow::flow_mod_failure(name: string, match: OpenFlow::ofp_match, flow_mod: OpenFlow::ofp_flow_mod, msg: string)
	{{
	print "failure", flow_mod$command;
	terminate();
	}}
"#
        ),
    );
    assert_eq!(
        client.ends(),
        "success, OpenFlow::OFPFC_ADD\nfailure, OpenFlow::OFPFC_DELETE\n"
    );
    let [add, delete] = asked.join().expect("two requests");
    assert!(add.starts_with("POST /stats/flowentry/add HTTP"), "{add}");
    for part in [
        "\"dpid\":42",
        "\"nw_src\":\"192.0.2.1/32\"",
        "\"actions\":[{\"type\":\"OUTPUT\",\"port\":3},{\"type\":\"OUTPUT\",\"port\":7}]",
    ] {
        assert!(
            add.replace(": ", ":").replace(", ", ",").contains(part),
            "{part} in {add}"
        );
    }
    assert!(delete.starts_with("POST /stats/flowentry/delete HTTP"), "{delete}");
    assert!(delete.contains("cookie_mask"), "{delete}");
}
