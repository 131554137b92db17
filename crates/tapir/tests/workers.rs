//! Several workers in one process write what one writes: the same lines, in any order.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Identifiers are drawn by each node; everything else must agree.
fn is_identifier(column: &str) -> bool {
    column.ends_with("uid")
        || column.ends_with("uids")
        || ["peer_descr", "peer", "seen.node", "tunnel_parents"].contains(&column)
}

/// Lines of a log without identifiers, sorted.
fn lines(text: &str) -> Vec<String> {
    let mut keep: Vec<bool> = Vec::new();
    let mut rows = Vec::new();
    for line in text.lines() {
        if let Some(names) = line.strip_prefix("#fields\t") {
            keep = names.split('\t').map(|n| !is_identifier(n)).collect();
        } else if !line.starts_with('#') {
            let cells = line.split('\t').zip(&keep).filter(|(_, k)| **k).map(|c| c.0);
            rows.push(cells.collect::<Vec<_>>().join("\t"));
        }
    }
    rows.sort();
    rows
}

fn logs(capture: &str, workers: usize) -> BTreeMap<String, Vec<String>> {
    let name = format!("workers-{}-{workers}", capture.rsplit('/').next().unwrap_or(capture));
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-C", "-r"])
        .arg(root().join("tests/captures").join(capture))
        .args(["--workers", &workers.to_string(), "local"])
        .current_dir(&dir)
        .output()
        .expect("tapir runs");
    let err = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{capture}: {err}");
    // What tells of nodes rather than of traffic, and what was loaded into them.
    let of_nodes = ["cluster", "loaded_scripts", "packet_filter", "stats", "telemetry"];
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(&dir).expect("the folder is there").flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let Some(log) = file.strip_suffix(".log") else { continue };
        if !of_nodes.contains(&log) {
            let text = std::fs::read_to_string(entry.path()).expect("a log is text");
            all.insert(log.to_string(), lines(&text));
        }
    }
    all
}

#[test]
fn logs_of_several_workers_are_those_of_one() {
    for capture in [
        "http.pcap",
        "dns.pcap",
        "ftp.pcap",
        "tls.pcap",
        "smtp.pcap",
        "udp-scan.pcap",
        // What several workers see together: transactions, thresholds, losses, hosts, control packets only.
        "capture-loss.pcap",
        "dhcp.pcap",
        "dns-anomalies.pcap",
        "ftp-bruteforce.pcap",
        "scan.pcap",
        "signatures.pcap",
        "sql-injection.pcap",
    ] {
        let one = logs(capture, 1);
        assert!(one.contains_key("conn"));
        assert_eq!(one, logs(capture, 3), "{capture}");
    }
}

#[test]
fn a_script_error_is_told_once() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workers-error");
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-r"])
        .arg(root().join("tests/captures/dns.pcap"))
        .args(["--workers", "2", "-e", "global x: count = \"no\";"])
        .current_dir(&dir)
        .output()
        .expect("tapir runs");
    assert_eq!(out.status.code(), Some(1));
    let err = String::from_utf8_lossy(&out.stderr);
    assert_eq!(err.matches("global x").count(), 1, "{err}");
}

#[test]
fn workers_need_packets() {
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["--workers", "2", "-e", "print 1;"])
        .output()
        .expect("tapir runs");
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("-r"));
}

/// Runs `workers` workers on a capture of ours, in a folder of its own.
fn run(name: &str, capture: &str, workers: usize, args: &[&str]) -> (PathBuf, std::process::Output) {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("workers-{name}-{workers}"));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-C", "-r"])
        .arg(root().join("tests/captures").join(capture))
        .args(["--workers", &workers.to_string()])
        .args(args)
        .current_dir(&dir)
        .output()
        .expect("tapir runs");
    (dir, out)
}

#[test]
fn filters_that_do_not_fit_a_capture_are_told_of_as_by_one_worker() {
    // USB, which has no network protocols.
    let capture = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workers-usb.pcap");
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65535, 189, 1, 0, 16, 16, 0, 0, 0, 0] {
        bytes.extend(word.to_le_bytes());
    }
    std::fs::write(&capture, bytes).expect("a capture");
    for workers in [1, 2] {
        let (dir, out) = run("filters", &capture.display().to_string(), workers, &[]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let read = |log: &str| std::fs::read_to_string(dir.join(log)).expect("a log");
        let said = "T\tF\tlink-layer type filtering not implemented";
        assert_eq!(read("packet_filter.log").matches(said).count(), 1, "{workers}");
        assert_eq!(
            read("notice.log").matches("PacketFilter::Install_Failure").count(),
            1,
            "{workers}"
        );
    }
}

#[test]
fn packets_are_written_as_by_one_worker() {
    // Nothing takes ARP where its analyzer is off.
    let args = [
        "-w",
        "all.pcap",
        "-c",
        "left.pcap",
        "-e",
        "event zeek_init() { PacketAnalyzer::__disable_analyzer(PacketAnalyzer::ANALYZER_IP); }",
    ];
    let mut files = Vec::new();
    for workers in [1, 3] {
        let (dir, out) = run("written", "http.pcap", workers, &args);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let read = |name: &str| std::fs::read(dir.join(name)).unwrap_or_default();
        files.push((read("all.pcap"), read("left.pcap")));
        let left: Vec<_> = std::fs::read_dir(&dir)
            .expect("the folder is there")
            .flatten()
            .collect();
        assert!(left.iter().all(|f| f.path().extension().is_none_or(|e| e != "part")));
    }
    assert!(files[0].0.len() > 1000 && files[0].1.len() > 1000);
    assert!(
        files[0] == files[1],
        "the packets of several workers are others, or in another order"
    );
}

#[test]
fn nodes_have_traces_of_their_own_and_one_profile() {
    let args = [
        "-t",
        "trace",
        "--profile-scripts=profile",
        "-e",
        "event zeek_init() { }\n",
    ];
    let (dir, out) = run("watched", "dns.pcap", 2, &args);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    for node in ["manager", "proxy-1", "worker-1", "worker-2"] {
        let trace = std::fs::read_to_string(dir.join(format!("trace.{node}"))).expect("a trace per node");
        assert!(trace.contains(" zeek_init <command line>:1"), "{node}");
    }
    let profile = std::fs::read_to_string(dir.join("profile")).expect("a profile");
    let row = profile.lines().find(|l| l.starts_with("zeek_init\t<command line>:1\t"));
    assert_eq!(row.and_then(|r| r.split('\t').nth(2)), Some("4"), "{profile}");
}

#[test]
fn scripts_hear_of_the_end_of_the_capture_and_end_the_run() {
    let done = "event Pcap::file_done(path: string) { print Cluster::node; }";
    let (_, out) = run("done", "dns.pcap", 2, &["-e", done]);
    let mut said: Vec<_> = String::from_utf8_lossy(&out.stdout)
        .lines()
        .map(str::to_string)
        .collect();
    said.sort();
    assert_eq!(said, ["worker-1", "worker-2"]);
    // One node is enough to end all, even where they would stay for ever.
    for (code, status) in [("terminate()", 0), ("exit(7)", 7)] {
        let end = format!(
            "redef exit_only_after_terminate = T;\n\
             event Pcap::file_done(path: string) {{ if ( Cluster::node == \"worker-2\" ) {code}; }}"
        );
        let (_, out) = run("end", "dns.pcap", 2, &["-e", &end]);
        assert_eq!(
            out.status.code(),
            Some(status),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

#[test]
fn names_of_scripts_are_free_for_users() {
    let names = "global n: table[string] of count; global id = 1; global host = 2; global writes = 3; global up = 4;";
    let (_, out) = run("names", "dns.pcap", 2, &["-e", names]);
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
    assert!(out.status.success());
}

#[test]
fn a_capture_may_come_through_a_pipe() {
    let (dir, _) = run("filed", "http.pcap", 3, &[]);
    let whole = std::fs::read(root().join("tests/captures/http.pcap")).expect("the capture is there");
    for (name, bytes, status) in [
        ("piped", &whole[..], 0),
        ("torn", &whole[..whole.len() - 5], 1),
        ("no-capture", b"something else", 1),
        ("empty", b"", 1),
    ] {
        let piped = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("workers-{name}"));
        let _ = std::fs::remove_dir_all(&piped);
        std::fs::create_dir_all(&piped).expect("a folder for the test");
        let mut child = Command::new(env!("CARGO_BIN_EXE_tapir"))
            .args(["-C", "-r", "-", "--workers", "3"])
            .current_dir(&piped)
            .stdin(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .expect("tapir runs");
        // Who finds no capture does not read on.
        let _ = child.stdin.take().expect("a pipe").write_all(bytes);
        let out = child.wait_with_output().expect("tapir ends");
        let err = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(status), "{name}: {err}");
        assert_eq!(
            err.matches("fatal error").count(),
            usize::from(status == 1),
            "{name}: {err}"
        );
        if status == 0 {
            let log = |dir: &Path| lines(&std::fs::read_to_string(dir.join("http.log")).expect("a log"));
            assert_eq!(log(&dir), log(&piped));
        }
    }
}

/// A capture of frames, each with its time in microseconds.
fn write_capture(name: &str, packets: &[(u32, Vec<u8>)]) -> PathBuf {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65535, 1] {
        file.extend(word.to_le_bytes());
    }
    for (micros, frame) in packets {
        let len = frame.len() as u32;
        for word in [1_700_000_000 + micros / 1_000_000, micros % 1_000_000, len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, file).expect("a capture");
    path
}

/// What a script prints at all nodes together, sorted.
fn said(name: &str, capture: &Path, workers: usize, script: &str) -> Vec<String> {
    let (_, out) = run(name, capture.to_str().expect("a name"), workers, &["-e", script]);
    let text = String::from_utf8_lossy(&out.stdout);
    let mut said: Vec<_> = text.lines().map(str::to_string).collect();
    said.sort();
    said
}

/// An IPv4 packet; checksums are of no interest here.
fn ip(protocol: u8, from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut p = vec![0x45, 0];
    p.extend((20 + payload.len() as u16).to_be_bytes());
    p.extend([0, 1, 0, 0, 64, protocol, 0, 0]);
    p.extend(from);
    p.extend(to);
    p.extend(payload);
    p
}

/// A datagram that claims to have more or fewer bytes than it has.
fn udp(from: u16, to: u16, payload: &[u8], more: i16) -> Vec<u8> {
    let mut p = from.to_be_bytes().to_vec();
    p.extend(to.to_be_bytes());
    p.extend((8 + payload.len() as i16 + more).to_be_bytes());
    p.extend([0, 0]);
    p.extend(payload);
    p
}

fn frame(packet: &[u8]) -> Vec<u8> {
    let mut f = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    f.extend(packet);
    f
}

#[test]
fn flows_in_tunnels_and_the_order_of_one_moment() {
    let mut packets = Vec::new();
    for i in 0..120u8 {
        // All of one quarter of a second, and many at the same moment.
        let at = u32::from(i / 8) * 100;
        let (a, b) = ([10, 0, 0, i], [10, 1, 0, i % 9]);
        let plain = ip(17, a, b, &udp(5000, 6000, b"outside", 0));
        let inside = |n: u8| {
            ip(
                4,
                [192, 0, 2, i + n],
                [198, 51, 100, i + n],
                &ip(17, a, b, &udp(5000, 6000, b"in", 0)),
            )
        };
        match i % 3 {
            0 => packets.extend([(at, frame(&plain)), (at, frame(&inside(1)))]),
            1 => packets.extend([(at, frame(&inside(120))), (at, frame(&inside(121)))]),
            // Only the first of these is told for each sender.
            _ => packets.push((
                at,
                frame(&ip(17, [10, 2, 0, i % 2], [10, 3, 0, i], &udp(1, 2, b"odd", 3))),
            )),
        }
    }
    let capture = write_capture("workers-tunnels.pcap", &packets);
    let capture = capture.to_str().expect("a name");
    let one = logs(capture, 1);
    assert_eq!((one["weird"].len(), one["conn"].len()), (2, 120));
    for workers in [2, 3, 5] {
        assert_eq!(one, logs(capture, workers), "{workers} workers");
    }
}

#[test]
fn what_is_odd_about_a_capture_has_the_time_that_came_before() {
    let mut packets = Vec::new();
    // No more than are told of one kind.
    for i in 0..20u8 {
        let p = ip(17, [10, 0, 0, i], [10, 1, 0, i % 7], &udp(5000, 6000, b"x", 0));
        // The next packet goes back in time.
        packets.push((u32::from(i) * 3000 + 2000, frame(&p)));
        packets.push((u32::from(i) * 3000, Vec::new()));
        packets.push((u32::from(i) * 3000 + 1000, frame(&p)));
    }
    let capture = write_capture("workers-odd.pcap", &packets);
    let script = "event net_weird(name: string, addl: string, source: string) { print name, network_time(); }";
    let said = |workers| said("odd", &capture, workers, script);
    let one = said(1);
    assert_eq!(one.len(), 20);
    assert_eq!(one, said(3));
}

#[test]
fn what_is_overdue_waits_for_the_next_packet() {
    // All but the first are so old that their flows have ended when they come, but nothing ends before the next packet.
    let mut packets = vec![(
        200_000_000,
        frame(&ip(17, [10, 2, 0, 1], [10, 2, 0, 2], &udp(1, 2, b"x", 0))),
    )];
    for i in 0..30u8 {
        let p = ip(17, [10, 0, 0, i], [10, 1, 0, i % 7], &udp(5000, 6000, b"x", 0));
        packets.push((u32::from(i) * 1000, frame(&p)));
    }
    let capture = write_capture("workers-overdue.pcap", &packets);
    let script = "event connection_state_remove(c: connection)
        { print c$id$orig_h, network_time(), zeek_is_terminating(); }";
    let said = |workers| said("overdue", &capture, workers, script);
    let one = said(1);
    assert_eq!(one.iter().filter(|line| line.ends_with('T')).count(), 2, "{one:?}");
    assert_eq!(one, said(3));
}

#[test]
fn what_is_due_at_one_packet_or_after_the_last_is_heard_in_its_order() {
    const N: usize = 120;
    let mut packets: Vec<_> = (0..N as u8)
        .map(|i| {
            let p = ip(17, [10, 0, 0, i], [10, 1, 0, i % 7], &udp(5000, 6000, b"x", 0));
            (u32::from(i) * 5000, frame(&p))
        })
        .collect();
    let last = ip(17, [10, 9, 0, 1], [10, 9, 0, 2], &udp(1, 2, b"x", 0));
    packets.push((3_000_000, frame(&last)));
    let capture = write_capture("workers-due.pcap", &packets);
    let script = r#"
global due: event(kind: string, t: time);
global seen: event(kind: string, t: time);
event seen(kind: string, t: time) { print kind, fmt("%.6f", t); }
event due(kind: string, t: time) { Cluster::publish(Cluster::manager_topic, seen, kind, t); }
event new_connection(c: connection)
	{
	if ( c$id$resp_p != 6000/udp )
		return;
	schedule 1sec { due("packet", network_time()) };
	schedule 5min { due("end", network_time()) };
	}
"#;
    let mut expected = Vec::new();
    for kind in ["packet", "end"] {
        let times = (0..N).map(|i| format!("{kind}, 1700000000.{:06}", i * 5000));
        expected.extend(times);
    }
    for workers in [2, 5] {
        let (_, out) = run("due", capture.to_str().expect("a name"), workers, &["-b", "-e", script]);
        let said = String::from_utf8_lossy(&out.stdout);
        let errors = String::from_utf8_lossy(&out.stderr);
        assert_eq!(
            said.lines().collect::<Vec<_>>(),
            expected,
            "{workers} workers: {errors}"
        );
    }
}

#[test]
fn what_scripts_read_is_there_before_the_first_packet() {
    let mut all = Vec::new();
    for workers in [1, 3] {
        let list = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workers-indicators.dat");
        let rows = "#fields\tindicator\tindicator_type\tmeta.source\n10.99.0.2\tIntel::ADDR\tlist\n";
        std::fs::write(&list, rows).expect("a file of indicators");
        let read = format!("redef Intel::read_files += {{ \"{}\" }};", list.display());
        let (dir, out) = run("intel", "http.pcap", workers, &["frameworks/intel/seen", "-e", &read]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        all.push(lines(
            &std::fs::read_to_string(dir.join("intel.log")).expect("indicators were seen"),
        ));
    }
    assert!(all[0].len() > 1);
    assert_eq!(all[0], all[1]);
}

#[test]
fn what_is_wrong_is_told_once_and_logged() {
    let whole = std::fs::read(root().join("tests/captures/http.pcap")).expect("the capture is there");
    let torn = Path::new(env!("CARGO_TARGET_TMPDIR")).join("workers-torn.pcap");
    std::fs::write(&torn, &whole[..whole.len() - 5]).expect("a capture");
    // Nobody has such databases.
    let look_up = "redef mmdb_dir = \"/nowhere\"; redef mmdb_dir_fallbacks = vector();
        event new_connection(c: connection) { lookup_location(c$id$orig_h); }";
    let mut all = Vec::new();
    for workers in [1, 3] {
        let (dir, out) = run("torn", torn.to_str().expect("a name"), workers, &["-e", look_up]);
        assert_eq!(out.status.code(), Some(1));
        let err = String::from_utf8_lossy(&out.stderr);
        assert_eq!(err.matches("fatal error").count(), 1, "{err}");
        assert_eq!(err.matches("Failed to open location database").count(), 1, "{err}");
        let log = std::fs::read_to_string(dir.join("reporter.log")).expect("errors are logged");
        // When a database was missed first is chance.
        let of_capture = |l: &String| l.contains("truncated");
        let found: Vec<_> = lines(&log).into_iter().filter(of_capture).collect();
        assert_eq!((found.len(), log.matches("Failed to open").count()), (1, 1), "{log}");
        all.push(found);
    }
    assert_eq!(all[0], all[1]);
}

#[test]
fn rotation_is_what_scripts_say() {
    // As long as nobody says anything, files stay as they are; who does gets no commands of clusters.
    let (dir, out) = run("rotated", "dns.pcap", 2, &["Log::default_rotation_interval=50msec"]);
    assert!(out.status.success());
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
    let files = std::fs::read_dir(&dir).expect("the folder is there").flatten();
    let rotated = files.filter(|f| f.file_name().to_string_lossy().starts_with("dns.2"));
    assert!(rotated.count() > 0);
}

#[test]
#[cfg(target_os = "linux")]
fn an_interface_that_is_not_there_ends_all_nodes() {
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-i", "no-such-if0", "--workers", "2"])
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .output()
        .expect("tapir runs");
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains("no-such-if0"));
}

/// How long anything may take on a busy machine.
#[cfg(target_os = "linux")]
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A node that watches the loopback interface and says on its output what it has seen of one UDP port.
#[cfg(target_os = "linux")]
struct Watcher {
    child: std::process::Child,
    lines: std::sync::mpsc::Receiver<String>,
    dir: PathBuf,
}

#[cfg(target_os = "linux")]
impl Watcher {
    /// Starts it; `None` without the right to watch interfaces.
    fn start(name: &str, port: u16, args: &[&str]) -> Option<Self> {
        Self::start_at("lo", name, port, args)
    }

    /// The same at an interface by the name of a packet source.
    fn start_at(interface: &str, name: &str, port: u16, args: &[&str]) -> Option<Self> {
        use std::io::BufRead;

        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("a folder for the test");
        let script = format!(
            "event new_connection(c: connection)\n{{\nif ( c$id$resp_p == {port}/udp )\n\
             print fmt(\"seen %s %s\", c$id$resp_h, Cluster::node);\n}}\n"
        );
        let mut child = Command::new(env!("CARGO_BIN_EXE_tapir"))
            .args(["-C", "-i", interface, "-U", "status"])
            .args(args)
            .args(["-e", &script])
            .current_dir(&dir)
            .stdout(std::process::Stdio::piped())
            .stderr(std::fs::File::create(dir.join("stderr")).expect("a file for messages"))
            .spawn()
            .expect("tapir starts");
        let (to, lines) = std::sync::mpsc::channel();
        let out = std::io::BufReader::new(child.stdout.take().expect("its output"));
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|l| to.send(l)));
        let mut watcher = Watcher { child, lines, dir };
        let begun = std::time::Instant::now();
        loop {
            if std::fs::read_to_string(watcher.dir.join("status")).is_ok_and(|s| s.starts_with("RUNNING")) {
                return Some(watcher);
            }
            if watcher.child.try_wait().expect("it can be waited for").is_some() {
                let err = watcher.errors();
                assert!(err.contains("CAP_NET_RAW"), "{err}");
                eprintln!("skipped: interfaces may not be watched here");
                return None;
            }
            assert!(begun.elapsed() < PATIENCE, "{}", watcher.errors());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.dir.join("stderr")).unwrap_or_default()
    }

    /// Asks it to end, and waits until it has.
    fn stop(&mut self) -> std::process::ExitStatus {
        let pid = self.child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(killed.expect("kill runs").success());
        let begun = std::time::Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {}", self.errors());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a packet to each of 16 hosts of the loopback network.
#[cfg(target_os = "linux")]
fn send(to: &std::net::UdpSocket, port: u16) {
    for host in 2..18 {
        // Nobody listens there, and who sends may hear of it later.
        let _ = to.send_to(b"seen by a worker", (format!("127.0.0.{host}"), port));
    }
}

/// A port that nobody else sends to.
#[cfg(target_os = "linux")]
fn port() -> (std::net::UdpSocket, u16) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    // Its own, and hosts of the test are others.
    let port = socket.local_addr().expect("it has an address").port();
    (socket, port)
}

#[test]
#[cfg(target_os = "linux")]
fn workers_share_an_interface_and_end_in_order() {
    let (socket, port) = port();
    let Some(mut watcher) = Watcher::start("workers-live", port, &["--workers", "2"]) else {
        return;
    };
    let begun = std::time::Instant::now();
    let mut seen = std::collections::BTreeMap::new();
    while seen.len() < 16 {
        assert!(begun.elapsed() < PATIENCE, "{seen:?} {}", watcher.errors());
        send(&socket, port);
        while let Ok(line) = watcher.lines.recv_timeout(std::time::Duration::from_millis(200)) {
            let mut words = line.split(' ').skip(1).map(str::to_string);
            if let (Some(host), Some(node)) = (words.next(), words.next()) {
                // One pair of hosts is one worker's.
                assert_eq!(seen.entry(host).or_insert(node.clone()), &node);
            }
        }
    }
    // Other traffic of this host may keep one of them busy, so these hosts need not be spread.
    assert!(seen.values().all(|node| node.starts_with("worker-")), "{seen:?}");
    assert!(watcher.stop().success(), "{}", watcher.errors());
    // What workers say when they end is written by the manager, which ends after them.
    let log = std::fs::read_to_string(watcher.dir.join("conn.log")).expect("conn.log is there");
    for host in seen.keys() {
        assert!(
            log.lines().any(|l| l.contains(&format!("\t{host}\t{port}\tudp"))),
            "{host}: {log}"
        );
    }
}

#[test]
#[cfg(target_os = "linux")]
fn processes_share_an_interface_by_flow() {
    let (_keep, port) = port();
    let group = (std::process::id() as u16).max(1).to_string();
    // Scripts name the group where the interface is named as one of such a source.
    let Some(one) = Watcher::start("fanout-1", port, &["--fanout", &group]) else {
        return;
    };
    let by_script = format!("AF_Packet::fanout_id={group}");
    let Some(two) = Watcher::start_at("af_packet::lo", "fanout-2", port, &[&by_script]) else {
        return;
    };
    let begun = std::time::Instant::now();
    let (mut n_one, mut n_two) = (0, 0);
    // New flows until both have got some.
    while n_one == 0 || n_two == 0 {
        assert!(
            begun.elapsed() < PATIENCE,
            "{n_one} and {n_two}: {} {}",
            one.errors(),
            two.errors()
        );
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        send(&socket, port);
        std::thread::sleep(std::time::Duration::from_millis(100));
        n_one += one.lines.try_iter().count();
        n_two += two.lines.try_iter().count();
    }
}
