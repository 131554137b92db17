//! A cluster of processes on this host: the same lines as one process writes, and going on when nodes are killed.
//! Skipped, with a message, where libzmq is missing.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn work_dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    dir
}

fn tapir() -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_tapir"));
    c.env("TZ", "UTC").env_remove("ZEEKPATH").stdin(Stdio::null());
    c
}

fn has_zeromq() -> bool {
    let code = "event zeek_init() { print |Cluster::Backend::ZeroMQ::generate_keypair()|; }";
    let out = tapir().args(["-b", "-e", code]).output().expect("tapir runs");
    let found = out.stdout == b"2\n";
    if !found {
        eprintln!("skipped: libzmq is not installed");
    }
    found
}

/// A capture made of copies of the project's own: each copy has hosts of its own and begins a little later.
fn mixed_capture(to: &Path, copies: u8) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures");
    let names = [
        "dns", "http", "smtp", "ssh", "tls", "ftp", "mqtt", "redis", "refused", "ping",
    ];
    let mut packets: Vec<(u64, Vec<u8>)> = Vec::new();
    for (n, name) in names.iter().enumerate() {
        let file = std::fs::read(dir.join(format!("{name}.pcap"))).expect("a capture");
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let begin = u64::from(word(24)) * 1_000_000 + u64::from(word(28));
        // What FTP says about addresses holds for the first copy only.
        for copy in 0..if *name == "ftp" { 1 } else { copies } {
            let mut at = 24;
            while at + 16 <= file.len() {
                let time = u64::from(word(at)) * 1_000_000 + u64::from(word(at + 4));
                let len = word(at + 8) as usize;
                let mut data = file[at + 16..at + 16 + len].to_vec();
                at += 16 + len;
                if data.len() >= 34 && data[12..14] == [8, 0] {
                    data[28] = copy;
                    data[32] = copy;
                }
                let start = 1_700_000_000_000_000 + 10_000 * u64::from(copy) + 1_000 * n as u64;
                packets.push((start + (time - begin), data));
            }
        }
    }
    packets.sort_by_key(|p| p.0);
    let mut out = Vec::new();
    for v in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 1] {
        out.extend_from_slice(&v.to_le_bytes());
    }
    for (time, data) in packets {
        let len = data.len() as u32;
        for v in [(time / 1_000_000) as u32, (time % 1_000_000) as u32, len, len] {
            out.extend_from_slice(&v.to_le_bytes());
        }
        out.extend_from_slice(&data);
    }
    std::fs::write(to, out).expect("a capture is written");
}

/// Logs about the run rather than the traffic.
const ABOUT_THE_RUN: &[&str] = &[
    "capture_loss",
    "cluster",
    "loaded_scripts",
    "packet_filter",
    "reporter",
    "stats",
    "telemetry",
    "telemetry_histogram",
];
/// Columns that tell by which node, or under which random identifier.
const BY_CHANCE: &[&str] = &[
    "uid",
    "fuid",
    "conn_uids",
    "orig_fuids",
    "resp_fuids",
    "cert_chain_fuids",
    "client_cert_chain_fuids",
    "parent_fuid",
    "peer",
    "peer_descr",
    "uids",
    "tunnel_parents",
];

/// Lines of all logs of a folder, by log; where nodes tell each other what is known the time depends on who was first.
fn lines(dir: &Path) -> BTreeMap<String, Vec<String>> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("a folder of logs").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(log) = name.strip_suffix(".log").and_then(|n| n.split('.').next()) else {
            continue;
        };
        if ABOUT_THE_RUN.contains(&log) {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).expect("a log");
        let mut keep = Vec::new();
        for line in text.lines() {
            if let Some(names) = line.strip_prefix("#fields\t") {
                let shared = log.starts_with("known_") || log == "software" || log == "x509";
                keep = names
                    .split('\t')
                    .map(|n| !(BY_CHANCE.contains(&n) || shared && n == "ts"))
                    .collect();
            } else if !line.starts_with('#') {
                let cells = line.split('\t').zip(&keep).filter(|(_, k)| **k);
                let cells: Vec<_> = cells.map(|(c, _)| c).collect();
                all.entry(log.to_string()).or_default().push(cells.join("\t"));
            }
        }
    }
    all.values_mut().for_each(|v| v.sort());
    // Two workers may meet a certificate before either hears that the other has logged it.
    all.entry("x509".into()).or_default().dedup();
    all
}

/// The cluster of these tests.
const CLUSTER: &[&str] = &["cluster", "--workers", "3", "--loggers", "2", "--proxies", "2"];

#[test]
fn a_cluster_writes_the_lines_of_a_single_process() {
    if !has_zeromq() {
        return;
    }
    let dir = work_dir("cluster-split");
    let capture = dir.join("mix.pcap");
    mixed_capture(&capture, 24);
    let single = dir.join("single");
    std::fs::create_dir(&single).unwrap();
    let capture = capture.to_string_lossy().into_owned();
    let script = ["local", "policy/protocols/conn/known-services"];
    let ended = tapir()
        .args(["-C", "-r", &capture])
        .args(script)
        .current_dir(&single)
        .status();
    assert!(ended.expect("tapir runs").success());
    let joined = dir.join("joined");
    let out = tapir()
        .args(CLUSTER)
        .args(["--port", "31760", "--log-dir"])
        .arg(&joined)
        .args(["-C", "-r", &capture])
        .args(script)
        .output()
        .expect("tapir runs");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{said}");
    let (want, got) = (lines(&single), lines(&joined));
    assert!(want["conn"].len() > 200, "the capture is too small: {:?}", want.keys());
    let mut wrong = String::new();
    for log in want.keys().chain(got.keys()).collect::<std::collections::BTreeSet<_>>() {
        let empty = Vec::new();
        let (w, g) = (want.get(log).unwrap_or(&empty), got.get(log).unwrap_or(&empty));
        if w != g {
            wrong += &format!("{log}: {} lines instead of {}\n", g.len(), w.len());
            let missing = w.iter().filter(|l| !g.contains(l)).take(3);
            let more = g.iter().filter(|l| !w.contains(l)).take(3);
            missing.for_each(|l| wrong += &format!("  - {l}\n"));
            more.for_each(|l| wrong += &format!("  + {l}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n{said}");
    let story = cluster_log(&joined);
    assert!(story.contains("cluster connected"), "{story}");
    for node in [
        "manager", "logger-1", "logger-2", "proxy-1", "proxy-2", "worker-1", "worker-2", "worker-3",
    ] {
        assert!(story.contains(&format!("got hello from {node} (")), "{node}: {story}");
    }
}

fn cluster_log(dir: &Path) -> String {
    let mut all = String::new();
    for entry in std::fs::read_dir(dir).expect("a folder of logs").flatten() {
        if entry.file_name().to_string_lossy().starts_with("cluster.") {
            all += &std::fs::read_to_string(entry.path()).unwrap_or_default();
        }
    }
    all
}

/// Each worker writes a numbered line every 20 ms, to a stream that is not buffered, and asks the manager for an answer.
const LOAD: &str = r#"
module Load;
export {
	redef enum Log::ID += { LOG };
	type Info: record { ts: time &log; who: string &log; n: count &log; };
	global ping: event(who: string, n: count);
	global tick: event();
}
redef Log::flush_interval = 100msec;
global n = 0;
event zeek_init()
	{
	Log::create_stream(LOG, Log::Stream($columns=Info, $path="load"));
	@if ( Cluster::local_node_type() == Cluster::WORKER )
	schedule 20msec { Load::tick() };
	@endif
	}
event Load::tick()
	{
	++n;
	Log::write(LOG, Info($ts=current_time(), $who=Cluster::node, $n=n));
	Cluster::publish(Cluster::manager_topic, Load::ping, Cluster::node, n);
	Cluster::publish_hrw(Cluster::proxy_pool, cat(n), Load::ping, Cluster::node, n);
	schedule 20msec { Load::tick() };
	}
event Load::ping(who: string, m: count)
	{
	Log::write(LOG, Info($ts=current_time(), $who=fmt("%s-at-%s", who, Cluster::node), $n=m));
	}
"#;

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lines of the load by who wrote them.
fn load(dir: &Path) -> BTreeMap<String, Vec<u64>> {
    let mut all: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("a folder of logs").flatten() {
        if !entry.file_name().to_string_lossy().starts_with("load.") {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines().filter(|l| !l.starts_with('#')) {
            let cells: Vec<_> = line.split('\t').collect();
            if let [_, who, n] = cells[..] {
                all.entry(who.to_string()).or_default().push(n.parse().unwrap_or(0));
            }
        }
    }
    all
}

fn wait_for(what: &str, at_most: Duration, mut test: impl FnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !test() {
        assert!(begun.elapsed() < at_most, "{what}: not within {at_most:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
    begun.elapsed()
}

#[test]
fn a_cluster_goes_on_when_nodes_are_killed() {
    if !has_zeromq() {
        return;
    }
    let dir = work_dir("cluster-kill");
    let script = dir.join("load.zeek");
    std::fs::write(&script, LOAD).unwrap();
    let logs = dir.join("logs");
    let said = std::fs::File::create(dir.join("said")).unwrap();
    let child = tapir()
        .args(CLUSTER)
        .args(["--port", "32760", "-b", "--log-dir"])
        .arg(&logs)
        .args(["base/frameworks/cluster"])
        .arg(&script)
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .expect("tapir runs");
    let mut running = Running(child);
    let workers = ["worker-1", "worker-2", "worker-3"];
    let pid = |node: &str| -> Option<i32> {
        let text = std::fs::read_to_string(logs.join("nodes").join(node).join(".pid")).ok()?;
        text.trim().parse().ok()
    };
    // Everybody's lines arrive, and everybody's events at the manager and at proxies.
    let flows = |since: &BTreeMap<String, Vec<u64>>| {
        let now = load(&logs);
        let more = |who: &str| now.get(who).map_or(0, Vec::len) > since.get(who).map_or(0, Vec::len) + 5;
        workers.iter().all(|w| {
            more(w)
                && more(&format!("{w}-at-manager"))
                && (more(&format!("{w}-at-proxy-1")) || more(&format!("{w}-at-proxy-2")))
        })
    };
    let start_up = wait_for("the cluster runs", Duration::from_secs(90), || {
        logs.is_dir() && flows(&BTreeMap::new())
    });
    // Ten seconds are promised; on a machine that is busy with other things all takes longer, the start as well.
    let promised = Duration::from_secs(10).max(start_up * 2);
    for victim in ["logger-1", "proxy-1", "worker-1", "manager"] {
        let before = load(&logs);
        let old = pid(victim).expect("a process id");
        let killed = Command::new("kill").args(["-9", &old.to_string()]).status();
        assert!(killed.expect("kill runs").success());
        let begun = Instant::now();
        wait_for(&format!("{victim} is started again"), Duration::from_secs(60), || {
            pid(victim).is_some_and(|p| p != old)
        });
        // What counts begins after the new process is there, so that what was under way before does not.
        let since = load(&logs);
        let took = wait_for(
            &format!("all goes on without the old {victim}"),
            Duration::from_secs(60),
            || flows(&since),
        );
        let _ = writeln!(
            std::io::stderr(),
            "{victim}: recovered after {:?} ({took:?})",
            begun.elapsed()
        );
        assert!(begun.elapsed() < promised, "{victim} took {:?}", begun.elapsed());
        // Lines that were in a file stay there.
        let after = load(&logs);
        for (who, lines) in &before {
            let kept = &after[who];
            assert!(
                lines.iter().all(|n| kept.contains(n)),
                "lines of {who} are gone with {victim}"
            );
        }
    }
    // In order: workers first, loggers last.
    let id = running.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &id])
            .status()
            .expect("kill runs")
            .success()
    );
    let ended = running.0.wait().expect("the supervisor ends");
    assert!(ended.success());
    let story = cluster_log(&logs);
    for node in ["logger-1", "proxy-1", "worker-1", "manager"] {
        assert!(story.contains(&format!("node down: {node}")), "{node}: {story}");
        let greetings = story.matches(&format!("got hello from {node} (")).count();
        assert!(greetings >= 8, "{node} greeted {greetings} times: {story}");
    }
}

/// Frameworks over all nodes: shared tables, statistics, options, indicators, suppressed notices, typed arguments.
const FRAMEWORKS: &str = r#"
@load base/frameworks/sumstats
@load base/frameworks/notice
@load base/frameworks/intel
@load base/frameworks/config
module Together;
export {
	redef enum Notice::Type += { Thing };
	option speed = 1;
	global shared: table[string] of count &publish_on_change=[
		$changes=set(TABLE_ELEMENT_NEW, TABLE_ELEMENT_CHANGED, TABLE_ELEMENT_REMOVED)];
	global members: set[addr, port] &publish_on_change=[$changes=set(TABLE_ELEMENT_NEW), $topic="zeek/table/m"];
	global go: event();
	global later: event();
	global direct: event(p: pattern, v: vector of string, x: any);
}
event zeek_init()
	{
	local r = SumStats::Reducer($stream="x", $apply=set(SumStats::SUM));
	SumStats::create(SumStats::SumStat($name="s", $epoch=2sec, $reducers=set(r), $threshold=10.0,
		$threshold_val(key: SumStats::Key, result: SumStats::Result) = { return result["x"]$sum; },
		$threshold_crossed(key: SumStats::Key, result: SumStats::Result) = { print "crossed", result["x"]$sum; },
		$epoch_result(ts: time, key: SumStats::Key, result: SumStats::Result) = { print "result", result["x"]$sum; }));
	}
event Cluster::Experimental::cluster_started() { schedule 500msec { Together::go() }; }
event Together::go()
	{
	if ( Cluster::local_node_type() == Cluster::WORKER )
		SumStats::observe("x", SumStats::Key($str="k"), SumStats::Observation($num=7));
	if ( Cluster::node == "worker-1" )
		{
		shared["a"] = 1; shared["b"] = 2; shared["a"] = 3; delete shared["b"];
		add members[1.2.3.4, 5/tcp];
		Cluster::publish(Cluster::node_topic("worker-2"), Together::direct, /a|b/, vector("x", "y"), 42);
		NOTICE([$note=Thing, $msg="one", $identifier="i"]);
		}
	if ( Cluster::node == "manager" )
		{
		Config::set_value("Together::speed", 7);
		Intel::insert(Intel::Item($indicator="1.2.3.4", $indicator_type=Intel::ADDR,
		                          $meta=Intel::MetaData($source="src")));
		}
	schedule 1500msec { Together::later() };
	}
event Together::direct(p: pattern, v: vector of string, x: any)
	{
	print "direct", p == "b", v, x as count, is_remote_event();
	}
event Together::later()
	{
	print "state", |shared|, shared["a"], |members|, speed;
	if ( Cluster::node == "worker-2" )
		{
		Intel::seen(Intel::Seen($host=1.2.3.4, $where=Intel::IN_ANYWHERE));
		NOTICE([$note=Thing, $msg="two", $identifier="i"]);
		}
	}
hook Intel::indicator_inserted(value: string, t: Intel::Type) { print "inserted", value, t; }
hook Intel::indicator_removed(value: string, t: Intel::Type) { print "removed", value, t; }
event Intel::match(s: Intel::Seen, items: set[Intel::Item])
	{
	print "match", s$host, |items|;
	Intel::remove(Intel::Item($indicator="1.2.3.4", $indicator_type=Intel::ADDR, $meta=Intel::MetaData($source="src")));
	}
event Notice::suppressed(n: Notice::Info) { print "suppressed", n$msg; }
"#;

#[test]
fn frameworks_work_over_all_nodes() {
    if !has_zeromq() {
        return;
    }
    let dir = work_dir("cluster-frameworks");
    let script = dir.join("together.zeek");
    std::fs::write(&script, FRAMEWORKS).unwrap();
    let said = dir.join("said");
    let child = tapir()
        .args(["cluster", "--workers", "2", "--port", "33760", "--log-dir"])
        .arg(dir.join("logs"))
        .arg(&script)
        .stdout(std::fs::File::create(&said).unwrap())
        .stderr(std::fs::File::create(dir.join("errors")).unwrap())
        .spawn()
        .expect("tapir runs");
    let mut running = Running(child);
    let text = || std::fs::read_to_string(&said).unwrap_or_default();
    let wanted = [
        "worker-1: state, 1, 3, 1, 7",
        "worker-2: state, 1, 3, 1, 7",
        "manager: state, 1, 3, 1, 7",
        "proxy-1: state, 1, 3, 1, 7",
        "worker-2: direct, T, [x, y], 42, T",
        "worker-2: suppressed, two",
        "manager: match, 1.2.3.4, 1",
        "manager: inserted, 1.2.3.4, Intel::ADDR",
        "worker-1: inserted, 1.2.3.4, Intel::ADDR",
        "worker-2: inserted, 1.2.3.4, Intel::ADDR",
        "manager: removed, 1.2.3.4, Intel::ADDR",
        "worker-1: removed, 1.2.3.4, Intel::ADDR",
        "manager: crossed, 14.0",
        "manager: result, 14.0",
    ];
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(40) && !wanted.iter().all(|w| text().contains(w)) {
        std::thread::sleep(Duration::from_millis(200));
    }
    let id = running.0.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .expect("kill runs")
            .success()
    );
    assert!(running.0.wait().expect("the supervisor ends").success());
    let errors = std::fs::read_to_string(dir.join("errors")).unwrap_or_default();
    for w in wanted {
        assert!(text().contains(w), "{w} is missing\n{}\n{errors}", text());
    }
    assert_eq!(text().matches("crossed").count(), 1, "{}", text());
}

#[test]
fn options_that_cannot_work_are_named_where_they_are_set() {
    let dir = work_dir("cluster-options");
    std::fs::write(
        dir.join("cluster-layout.zeek"),
        "redef Cluster::nodes += { [\"worker-1\"] = [$node_type=Cluster::WORKER, $ip=127.0.0.1] };\n",
    )
    .unwrap();
    for (option, value) in [
        ("xpub_sndhwm", "-5"),
        ("log_rcvbuf", "-7"),
        ("linger_ms", "99999999999"),
        ("poll_max_messages", "0"),
        ("connect_xpub_endpoint", "\"127.0.0.1:5\""),
        ("connect_xsub_endpoint", "\"tcp://127.0.0.1\""),
        ("connect_log_endpoints", "vector(\"nowhere\")"),
        ("curve_client_publickey", "\"abc\""),
    ] {
        let script = format!("\nredef Cluster::Backend::ZeroMQ::{option} = {value};\n");
        std::fs::write(dir.join("wrong.zeek"), script).unwrap();
        let out = tapir()
            .args(["frameworks/cluster/backend/zeromq", "./wrong.zeek"])
            .env("CLUSTER_NODE", "worker-1")
            .env("ZEEKPATH", &dir)
            .current_dir(&dir)
            .output()
            .expect("tapir runs");
        let text = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(1), "{text}");
        // Keys are looked at by the library, which may be missing.
        if option.starts_with("curve") && !has_zeromq() {
            continue;
        }
        let wanted = format!("cannot join the cluster: Cluster::Backend::ZeroMQ::{option} ");
        assert!(text.contains(&wanted) && text.contains("wrong.zeek, line 2"), "{text}");
    }
}
