//! The commands on installations made for the test: what users type wrong, one node from `deploy` to the archive, and a cluster.
//! Nodes listen on the loopback interface; without the right to do so, or without `tapir` beside `tapirctl`, those tests say that
//! they are skipped.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Long enough for a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// An installation; what runs in it ends with it.
struct Base(PathBuf);

impl Base {
    fn new(name: &str, node_cfg: &str, options: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("etc")).expect("a folder for the test");
        let base = Base(dir);
        base.write("node.cfg", node_cfg);
        base.write("zeekctl.cfg", options);
        base.write("networks.cfg", "127.0.0.0/8  Loopback\n");
        base
    }

    fn write(&self, file: &str, text: &str) {
        std::fs::write(self.0.join("etc").join(file), text).expect("a file is written");
    }

    fn ctl(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_tapirctl"))
            .arg("--base")
            .arg(&self.0)
            .args(args)
            .env_remove("ZEEKPATH")
            .stdin(Stdio::null())
            .output()
            .expect("tapirctl runs")
    }

    /// What a command prints, which must succeed.
    fn good(&self, args: &[&str]) -> String {
        let out = self.ctl(args);
        assert!(out.status.success(), "{args:?}: {}", told(&out));
        told(&out)
    }

    /// What a command prints, which must fail.
    fn bad(&self, args: &[&str]) -> String {
        let out = self.ctl(args);
        assert_eq!(out.status.code(), Some(1), "{args:?}: {}", told(&out));
        told(&out)
    }

    /// Repeats a command until it prints the text.
    fn until(&self, args: &[&str], wanted: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let text = told(&self.ctl(args));
            if text.contains(wanted) {
                return text;
            }
            assert!(
                Instant::now() < end,
                "{args:?} does not say '{wanted}':\n{text}\n{}",
                told(&self.ctl(&["diag"]))
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits for a connection to this port in the log that a node writes.
    fn until_logged(&self, node: &str, port: u16) {
        let (conn, port) = (self.0.join("spool").join(node).join("conn.log"), format!("\t{port}\t"));
        let end = Instant::now() + PATIENCE;
        while !std::fs::read_to_string(&conn).unwrap_or_default().contains(&port) {
            assert!(
                Instant::now() < end,
                "no connection to {port}:\n{}",
                told(&self.ctl(&["diag"]))
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn pid(&self, node: &str) -> String {
        let status = told(&self.ctl(&["status", node]));
        let line = status
            .lines()
            .find(|l| l.starts_with(node))
            .expect("a line for the node");
        line.split_whitespace().nth(4).expect("a process id").to_string()
    }

    /// The text of all archived logs whose name begins so.
    fn archived(&self, name: &str) -> String {
        let mut text = String::new();
        for day in std::fs::read_dir(self.0.join("logs")).into_iter().flatten().flatten() {
            for file in std::fs::read_dir(day.path()).into_iter().flatten().flatten() {
                if file.file_name().to_string_lossy().starts_with(name) {
                    let out = Command::new("zcat").arg(file.path()).output().expect("zcat runs");
                    text.push_str(&String::from_utf8_lossy(&out.stdout));
                }
            }
        }
        text
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        self.ctl(&["stop"]);
    }
}

fn told(out: &Output) -> String {
    let (a, b) = (
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr),
    );
    format!("{a}{b}")
}

/// Whether nodes can be run here at all.
fn can_run(base: &Base) -> bool {
    let tapir = Path::new(env!("CARGO_BIN_EXE_tapirctl")).with_file_name("tapir");
    if !tapir.is_file() {
        eprintln!("skipped: build tapir too ('cargo build -p tapir' with the same profile)");
        return false;
    }
    let out = Command::new(tapir)
        .args(["-b", "-i", "lo", "-e", "event zeek_init() { terminate(); }"])
        .current_dir(&base.0)
        .output()
        .expect("tapir runs");
    if !out.status.success() {
        eprintln!("skipped: {}", told(&out).trim_end());
    }
    out.status.success()
}

fn has_zeromq(base: &Base) -> bool {
    let code = "event zeek_init() { print |Cluster::Backend::ZeroMQ::generate_keypair()|; }";
    let out = Command::new(Path::new(env!("CARGO_BIN_EXE_tapirctl")).with_file_name("tapir"))
        .args(["-b", "-e", code])
        .current_dir(&base.0)
        .output()
        .expect("tapir runs");
    if out.stdout != b"2\n" {
        eprintln!("skipped: libzmq is not installed");
    }
    out.stdout == b"2\n"
}

/// Options with ports that nobody listens on; `test` keeps those of tests that run at the same time apart.
fn ports(test: u16) -> String {
    let own = (std::process::id() % 200) as u16 * 100 + 50 * test;
    let first = (0..200)
        .map(|i| 21_000 + (own + 100 * i) % 20_000)
        .find(|first| (0..30).all(|i| TcpListener::bind(("127.0.0.1", first + i)).is_ok()))
        .expect("free ports");
    format!("ZeekPort = {}\nWebSocketPort = {first}\nMetricsPort = 0\n", first + 1)
}

/// A connection over the loopback interface, from first to last packet. Gives its server's port.
fn talk() -> u16 {
    let server = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = server.local_addr().expect("its address").port();
    let client = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    drop(server.accept().expect("its other end"));
    drop(client);
    port
}

#[test]
fn what_users_get_wrong_is_named() {
    let base = Base::new("wrong", "[one]\ntype=standalone\nhost=localhost\ninterface=lo\n", "");
    assert!(base.bad(&["strat"]).contains("no command 'strat'"));
    assert!(base.bad(&["status", "two"]).contains("two"));
    assert!(base.bad(&["start"]).contains("deploy"));
    assert!(base.bad(&["print"]).contains("name of a variable"));
    assert!(base.bad(&["netstats"]).contains("no node runs"));
    assert!(base.bad(&["cron", "sometimes"]).contains("'sometimes'"));
    let status = base.bad(&["status"]);
    assert!(
        status.contains("nothing is installed") && status.contains("stopped"),
        "{status}"
    );
    assert!(
        base.good(&["nodes"])
            .contains("one          type=standalone host=localhost interface=lo")
    );
    assert!(base.good(&["config"]).contains("LogRotationInterval = 3600"));
    base.good(&["df"]);

    base.write("node.cfg", "[one]\ntype=standalon\nhost=localhost\n");
    assert!(base.bad(&["nodes"]).contains("standalon"));
    base.write("node.cfg", "[one]\ntype=standalone\nhost=192.0.2.7\ninterface=lo\n");
    assert!(base.bad(&["deploy"]).contains("one must run on this host"));
    std::fs::remove_file(base.0.join("etc/node.cfg")).expect("the file goes");
    assert!(base.bad(&["status"]).contains("node.cfg"));
}

#[test]
fn a_node_from_deploy_to_the_archive() {
    let base = Base::new(
        "standalone",
        "[one]\ntype=standalone\nhost=localhost\ninterface=lo\n",
        &(ports(0) + "SitePolicyPath = ${ZeekBase}/site\n"),
    );
    if !can_run(&base) {
        return;
    }
    let site = base.0.join("site");
    std::fs::create_dir_all(&site).expect("a folder for the site");
    let local = site.join("local.zeek");

    // A broken script keeps what runs from being touched.
    std::fs::write(&local, "event zeek_init() { print 1 +; }\n").expect("a script");
    let text = base.bad(&["deploy"]);
    assert!(
        text.contains("one scripts failed") && text.contains("local.zeek"),
        "{text}"
    );
    assert!(base.bad(&["check"]).contains("one scripts failed"));

    std::fs::write(&local, "const our_answer = 42;\nredef ignore_checksums = T;\n").expect("a script");
    assert!(base.good(&["check"]).contains("one scripts are ok"));
    assert!(base.good(&["deploy"]).contains("starting one"));
    base.until(&["status"], "running");
    base.good(&["status"]);
    assert!(base.good(&["start"]).contains("one still running"));
    assert!(base.until(&["print", "our_answer"], "= 42").contains("one"));
    let port = talk();
    base.until(&["netstats"], "recvd=");
    assert!(base.good(&["top"]).contains("tapir"));
    assert!(base.good(&["diag"]).contains("==== stderr.log"));
    assert!(base.good(&["cleanup"]).contains("one is running"));

    // What dies is seen, kept, and started again by cron.
    base.until_logged("one", port);
    let old = base.pid("one");
    let killed = Command::new("kill").args(["-9", &old]).status();
    assert!(killed.expect("kill runs").success());
    base.until(&["status"], "crashed");
    let text = base.good(&["cron"]);
    assert!(text.contains("crash report") && text.contains("starting one"), "{text}");
    base.until(&["status"], "running");
    assert_ne!(base.pid("one"), old);

    let text = base.good(&["restart", "--clean"]);
    assert!(
        text.contains("stopping one") && text.contains("cleaning up one"),
        "{text}"
    );
    base.until(&["status"], "running");
    let port = talk();
    base.until_logged("one", port);
    assert!(base.good(&["stop"]).contains("stopping one"));
    assert!(base.bad(&["status"]).contains("stopped"));
    assert!(base.archived("conn.").contains(&format!("\t{port}\t")));
    assert!(base.good(&["stop"]).contains("one not running"));
    assert!(base.good(&["cron"]).is_empty());

    base.write("zeekctl.cfg", "Zeekport = 12\nNoSuchOption = 1\n");
    let text = base.bad(&["status"]);
    assert!(
        text.contains("configuration has changed") && text.contains("NoSuchOption"),
        "{text}"
    );
}

#[test]
fn a_cluster_on_one_host() {
    let nodes = "[logger]\ntype=logger\nhost=localhost\n[manager]\ntype=manager\nhost=localhost\n[proxy-1]\ntype=proxy\nhost=localhost\n\
        [worker-1]\ntype=worker\nhost=localhost\ninterface=lo\n[worker-2]\ntype=worker\nhost=localhost\ninterface=lo\n";
    let options = ports(1) + "SitePolicyPath = ${ZeekBase}/site\n";
    let base = Base::new("cluster", nodes, &options);
    if !can_run(&base) || !has_zeromq(&base) {
        return;
    }
    std::fs::create_dir_all(base.0.join("site")).expect("a folder for the site");
    std::fs::write(base.0.join("site/local.zeek"), "redef ignore_checksums = T;\n").expect("a script");
    base.good(&["deploy"]);
    let end = Instant::now() + PATIENCE;
    while !base.ctl(&["status"]).status.success() {
        assert!(Instant::now() < end, "{}", told(&base.ctl(&["diag"])));
        std::thread::sleep(Duration::from_millis(200));
    }
    // Everybody has met everybody it is to meet.
    for (node, peers) in [
        ("worker-1", &["manager", "logger", "proxy-1"][..]),
        ("worker-2", &["manager", "logger", "proxy-1"]),
        ("manager", &["logger", "proxy-1", "worker-1", "worker-2"]),
    ] {
        for peer in peers {
            base.until(&["peerstatus", node], peer);
        }
    }
    let both = base.until(&["print", "Cluster::node", "workers"], "worker-2");
    assert!(both.contains("worker-1") && !both.contains("manager"), "{both}");
    let port = talk();
    base.until_logged("logger", port);
    // Workers go first, so that what they have seen is written by those that end later.
    let text = base.good(&["stop"]);
    let place = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
    assert!(
        place("stopping worker-2") < place("stopping proxy-1") && place("stopping proxy-1") < place("stopping manager")
    );
    assert!(place("stopping manager") < place("stopping logger"));
    let conn = base.archived("conn.");
    assert!(conn.contains(&format!("\t{port}\t")), "{conn}");
    assert!(base.archived("cluster.").contains("worker-1"));
}
