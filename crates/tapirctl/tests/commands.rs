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
        // Programs of the test come before those of the system.
        let path = format!(
            "{}:{}",
            self.0.join("path").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        Command::new(env!("CARGO_BIN_EXE_tapirctl"))
            .arg("--base")
            .arg(&self.0)
            .args(args)
            .env_remove("ZEEKPATH")
            .env("PATH", path)
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
    assert!(base.bad(&["strat"]).contains("did you mean start?"));
    assert!(
        base.bad(&["--version=2"])
            .contains("no option '--version=2'; did you mean --version?")
    );
    assert!(!base.bad(&["bogus"]).contains("did you mean"));
    assert!(base.bad(&["status", "two"]).contains("two"));
    assert!(
        base.bad(&["restart", "--claen"])
            .contains("restart does not know --claen; did you mean --clean?")
    );
    assert!(base.bad(&["status", "--json"]).contains("status does not know --json"));
    // Whoever reads may go at any time.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let out = Command::new(env!("CARGO_BIN_EXE_tapirctl"))
        .arg("--base")
        .arg(&base.0)
        .arg("config")
        .stdin(Stdio::null())
        .stdout(writer)
        .output()
        .expect("tapirctl runs");
    assert_eq!((out.status.code(), told(&out).as_str()), (Some(141), ""));
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

    // A process that happens to have a node's number is none: it is not running, and not to be ended.
    let mut other = Command::new("sleep").arg("600").spawn().expect("sleep runs");
    std::fs::write(
        base.0.join("spool/state.json"),
        format!("{{\"one-pid\": {}}}", other.id()),
    )
    .expect("a state");
    assert!(base.bad(&["status"]).contains("crashed"));
    base.good(&["stop"]);
    assert!(other.try_wait().expect("a process").is_none());
    let _ = other.kill();
    let _ = other.wait();
    // One at a time.
    let lock = std::fs::File::create(base.0.join("spool/lock")).expect("a file");
    lock.lock().expect("nobody else holds it");
    assert!(base.bad(&["stop"]).contains("another tapirctl"));
    drop(lock);
    base.good(&["stop"]);

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
        &(ports(0) + "SitePolicyPath = ${ZeekBase}/site\nSendMail = ${ZeekBase}/sendmail\n"),
    );
    let mailer = base.0.join("sendmail");
    let script = format!(
        "#!/bin/sh\necho \"called with $@\" >> {0}\ncat >> {0}\n",
        base.0.join("mails").display()
    );
    std::fs::write(&mailer, script).expect("a program that takes mail");
    std::fs::set_permissions(&mailer, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("it is a program");
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
    // What cron says is mailed, and so is what the node left.
    assert_eq!(base.good(&["cron"]), "");
    let text = std::fs::read_to_string(base.0.join("mails")).expect("mails");
    for part in [
        "called with -t -oi\n",
        "Subject: [Zeek] Crash report from one\n",
        "==== stderr.log",
        "Subject: [Zeek] cron: creating crash report for previously crashed nodes: one\n",
        "\nstarting one ...\n",
    ] {
        assert!(text.contains(part), "no {part}:\n{text}");
    }
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

    base.write("zeekctl.cfg", "Zeekport = 12\nNoSuchOption = 1\nMailTwo = x\n");
    let text = base.bad(&["status"]);
    assert!(
        text.contains("configuration has changed") && text.contains("unknown option NoSuchOption\n"),
        "{text}"
    );
    assert!(
        text.contains("line 3: unknown option MailTwo; did you mean MailTo?"),
        "{text}"
    );
    base.write("zeekctl.cfg", "LogRotationInterval = 1h\n");
    assert!(
        base.bad(&["status"])
            .contains("LogRotationInterval = 1h: it must be a number")
    );
    base.write("zeekctl.cfg", "");
}

#[test]
fn a_cluster_on_one_host() {
    let nodes = "[logger]\ntype=logger\nhost=localhost\n[manager]\ntype=manager\nhost=localhost\n[proxy-1]\ntype=proxy\nhost=localhost\n\
        [worker-1]\ntype=worker\nhost=localhost\ninterface=lo\n[worker-2]\ntype=worker\nhost=localhost\ninterface=lo\n";
    let options = ports(1)
        + "SitePolicyPath = ${ZeekBase}/site\nSendMail =\ncluster_backend_zeromq.use_curve_encryption = 1\n\
           MemLimit = 64000000\n";
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
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", base.pid("worker-1"))).expect("limits");
    assert!(limits.contains("65536000000"), "{limits}");
    // Links are encrypted with keys that only the operator can read.
    let keys = base.0.join("spool/zeromq/curve");
    for name in ["server.public", "server.secret", "client.public", "client.secret"] {
        let mode = std::fs::metadata(keys.join(name)).expect("a key").permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
    }
    let key = std::fs::read_to_string(keys.join("server.public")).expect("a key");
    base.until(
        &["print", "Cluster::Backend::ZeroMQ::curve_server_publickey", "worker-1"],
        key.trim(),
    );
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

/// An `ssh` that runs commands on this host, and writes down what it was asked.
const SSH: &str = r#"#!/bin/sh
while [ "$1" = -o ]; do shift 2; done
host=$1; shift
echo "$host: $*" >> "$(dirname "$0")/asked"
[ "$host" = 192.0.2.9 ] || { echo "ssh: no route to host $host" >&2; exit 255; }
exec sh -c "$*"
"#;

#[test]
fn nodes_on_another_host() {
    use std::os::unix::fs::PermissionsExt;
    let options = ports(2) + "SitePolicyPath = ${ZeekBase}/site\nStatusCmdShowAll = 1\nSendMail =\n";
    let base = Base::new("remote", "", &options);
    let other = base.0.join("other");
    let nodes = format!(
        "[manager]\ntype=manager\nhost=127.0.0.1\n[proxy-1]\ntype=proxy\nhost=127.0.0.1\n\
         [worker-1]\ntype=worker\nhost=192.0.2.9\ninterface=lo\nzeekbase={}\n",
        other.display()
    );
    base.write("node.cfg", &nodes);
    let path = base.0.join("path");
    std::fs::create_dir_all(&path).expect("a folder for programs");
    std::fs::write(path.join("ssh"), SSH).expect("a program");
    std::fs::set_permissions(path.join("ssh"), std::fs::Permissions::from_mode(0o755)).expect("it may be run");
    std::fs::create_dir_all(base.0.join("site")).expect("a folder for the site");
    std::fs::write(
        base.0.join("site/local.zeek"),
        "redef ignore_checksums = T;\n@load ./own\n",
    )
    .expect("a script");
    std::fs::write(base.0.join("site/own.zeek"), "const our_answer = 42;\n").expect("a script");

    assert!(base.bad(&["exec", "true"]).contains("nothing is installed in"));
    assert!(base.bad(&["exec"]).contains("needs a command"));
    assert!(base.bad(&["deploy", "all"]).contains("no arguments"));
    if !can_run(&base) || !has_zeromq(&base) {
        return;
    }
    let text = base.good(&["deploy"]);
    assert!(text.contains("installing on 192.0.2.9"), "{text}");
    let end = Instant::now() + PATIENCE;
    while !base.ctl(&["status"]).status.success() {
        assert!(Instant::now() < end, "{}", told(&base.ctl(&["diag"])));
        std::thread::sleep(Duration::from_millis(200));
    }
    let text = base.good(&["exec", "echo here; echo there >&2"]);
    assert!(
        text.contains("[192.0.2.9] ok\n  here\n  there\n") && text.contains("[localhost] ok"),
        "{text}"
    );
    assert!(base.bad(&["exec", "exit 3"]).contains("failed"));
    // It runs in the folders of its own installation, with the site's scripts.
    assert!(other.join("spool/worker-1/.status").is_file() && !base.0.join("spool/worker-1").exists());
    assert!(other.join("etc/node.cfg").is_file());
    assert!(
        base.until(&["print", "our_answer", "workers"], "= 42")
            .contains("worker-1")
    );
    base.until(&["peerstatus", "worker-1"], "manager");
    base.until(&["status"], " 2 ");
    assert!(base.good(&["top"]).matches("tapir").count() >= 3);
    assert!(
        base.good(&["diag", "worker-1"])
            .contains("other/spool/installed-scripts")
    );
    let text = base.good(&["df"]);
    assert!(text.contains("192.0.2.9") && text.contains("localhost"), "{text}");
    let text = base.good(&["capstats", "workers", "1"]);
    assert!(text.contains("192.0.2.9/lo") && text.contains("1s average"), "{text}");
    let text = base.good(&["ps.zeek", "workers"]);
    assert!(text.contains(&format!("(+) {}", base.pid("worker-1"))), "{text}");
    let text = base.good(&["scripts", "worker-1"]);
    assert!(
        text.contains("worker-1 scripts are ok.\n  #") && text.contains("own.zeek"),
        "{text}"
    );
    assert!(
        base.good(&["cron"]).lines().all(|l| l.contains("packets")),
        "nothing else to tell"
    );
    let stats = std::fs::read_to_string(base.0.join("logs/stats/stats.log")).expect("statistics");
    assert!(
        stats.contains(" worker-1 parent rss ") && stats.contains(" worker-1 interface pkts "),
        "{stats}"
    );

    let port = talk();
    base.until_logged("manager", port);
    let killed = Command::new("kill").args(["-9", &base.pid("worker-1")]).status();
    assert!(killed.expect("kill runs").success());
    base.until(&["status"], "crashed");
    assert!(base.good(&["restart", "worker-1"]).contains("crash report"));
    base.until(&["status"], "running");
    assert!(base.good(&["stop"]).contains("stopping worker-1"));
    let left: Vec<_> = std::fs::read_dir(other.join("spool/tmp"))
        .expect("a folder")
        .flatten()
        .collect();
    assert!(left.iter().any(|e| e.file_name().to_string_lossy().ends_with("-crash")));

    // A host that cannot be reached is no reason not to look after the others.
    base.write("node.cfg", &nodes.replace("192.0.2.9", "192.0.2.10"));
    let text = base.bad(&["start"]);
    assert!(
        text.contains("no route to host") && text.contains("starting manager"),
        "{text}"
    );
    let text = base.bad(&["status"]);
    assert!(text.contains("unknown"), "{text}");
    base.ctl(&["stop"]);
}

#[test]
fn a_capture_through_the_scripts_of_the_site() {
    let options = ports(3) + "SitePolicyPath = ${ZeekBase}/site\n";
    let nodes = "[manager]\ntype=manager\nhost=localhost\n[proxy-1]\ntype=proxy\nhost=localhost\n\
        [worker-1]\ntype=worker\nhost=localhost\ninterface=lo\n";
    let base = Base::new("process", nodes, &options);
    std::fs::create_dir_all(base.0.join("site")).expect("a folder for the site");
    let local = "redef ignore_checksums = T;\nevent zeek_init() { print \"local scripts\"; }\n";
    std::fs::write(base.0.join("site/local.zeek"), local).expect("a script");
    let more = base.0.join("more.zeek");
    std::fs::write(&more, "event zeek_init() { print \"more scripts\"; }\n").expect("a script");
    if !Path::new(env!("CARGO_BIN_EXE_tapirctl"))
        .with_file_name("tapir")
        .is_file()
    {
        eprintln!("skipped: build tapir too ('cargo build -p tapir' with the same profile)");
        return;
    }
    assert!(base.bad(&["process"]).contains("capture"));
    assert!(base.bad(&["process", "nowhere.pcap"]).contains("nowhere.pcap"));
    let trace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures/http.pcap");
    let (trace, more) = (
        trace.to_string_lossy().into_owned(),
        more.to_string_lossy().into_owned(),
    );
    let text = base.good(&[
        "process",
        &trace,
        "-e",
        "event zeek_init() { print \"options\"; }",
        "--",
        &more,
    ]);
    for said in ["local scripts", "more scripts", "options"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let dir = text
        .lines()
        .find_map(|l| l.strip_prefix("### Zeek output in "))
        .expect("a folder");
    let http = std::fs::read_to_string(Path::new(dir).join("http.log")).expect("a log");
    assert!(http.contains("#path\thttp"));
    // Before anything is installed there is only what would be.
    assert!(base.bad(&["scripts"]).contains("nothing is installed"));
    let text = base.good(&["scripts", "-c", "proxy-1"]);
    assert!(
        text.contains("proxy-1 scripts are ok.") && text.contains("local.zeek"),
        "{text}"
    );
}
