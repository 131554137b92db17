//! The frameworks beside the programs that people use with them: logs in databases, mail, metrics, full disks, sudden ends.
//! A test whose program is not installed says so and passes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn work_dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a folder for the test");
    dir
}

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_tapir"));
    c.args(args).current_dir(dir).env("TZ", "UTC");
    c
}

fn run(dir: &Path, script: &str, args: &[&str]) -> Output {
    std::fs::write(dir.join("test.zeek"), script).expect("the script");
    let mut all = vec!["test.zeek"];
    all.extend(args);
    command(dir, &all).output().expect("tapir runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn installed(program: &str) -> bool {
    let found = std::env::var_os("PATH").is_some_and(|p| std::env::split_paths(&p).any(|d| d.join(program).is_file()));
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(30), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A stream `L::LOG` with a number and a text.
const STREAM: &str = r#"
module L;
export {
	redef enum Log::ID += { LOG };
	type Info: record { n: count &log; s: string &log; v: vector of string &log &optional; };
}
event zeek_init() &priority=10 { Log::create_stream(LOG, [$columns=Info, $path="l"]); }
"#;

#[test]
fn sqlite_logs_open_with_sqlite3() {
    let dir = work_dir("sqlite");
    let script = STREAM.to_string()
        + r#"
event zeek_init()
	{
	Log::add_filter(LOG, [$name="db", $path="db", $writer=Log::WRITER_SQLITE, $config=table(["tablename"]="rows")]);
	Log::write(LOG, [$n=1, $s="it's", $v=vector("a", "b")]);
	Log::write(LOG, [$n=5000000000, $s=""]);
	}
"#;
    let out = run(&dir, &script, &["-b"]);
    assert_eq!(text(&out.stderr), "");
    if installed("sqlite3") {
        let out = Command::new("sqlite3")
            .current_dir(&dir)
            .args([
                "db.sqlite",
                "select n, s, v is null, v from rows order by n; pragma integrity_check",
            ])
            .output()
            .expect("sqlite3 runs");
        assert_eq!(text(&out.stdout), "1|it's|0|a,b\n5000000000||1|\nok\n");
    }
}

#[test]
fn writers_that_fail_are_told_and_harm_nobody() {
    let dir = work_dir("failing-writers");
    let script = STREAM.to_string()
        + r#"
event reporter_error(t: time, msg: string, location: string) { print "told", msg; }
event zeek_init()
	{
	Log::add_filter(LOG, [$name="full", $path="/dev/full"]);
	Log::add_filter(LOG, [$name="nowhere", $path="no/such/folder"]);
	Log::add_filter(LOG, [$name="wrong", $path="wrong", $config=table(["tsv"]="yes")]);
	Log::add_filter(LOG, [$name="db", $path="no/such/db", $writer=Log::WRITER_SQLITE]);
	local i = 0;
	while ( ++i <= 1000 )
		Log::write(LOG, [$n=i, $s="x"]);
	}
"#;
    let out = run(&dir, &script, &["-b", "base/frameworks/reporter"]);
    let (said, told) = (text(&out.stderr), text(&out.stdout));
    assert!(out.status.success(), "{said}");
    for part in [
        "/dev/full/Log::WRITER_ASCII: error writing to /dev/full",
        "no/such/folder/Log::WRITER_ASCII: cannot open no/such/folder.log",
        "wrong/Log::WRITER_ASCII: invalid value for 'tsv'",
        "no/such/db/Log::WRITER_SQLITE: ",
    ] {
        assert!(said.contains(part), "{part} is missing in\n{said}");
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    let log = std::fs::read_to_string(dir.join("l.log")).expect("the log");
    assert_eq!(log.lines().filter(|l| !l.starts_with('#')).count(), 1000);
}

#[test]
fn a_full_disk_loses_no_earlier_line() {
    let dir = work_dir("full-disk");
    let script = STREAM.to_string()
        + r#"
event zeek_init()
	{
	local i = 0;
	while ( ++i <= 20000 )
		Log::write(LOG, [$n=i, $s="some text in every line"]);
	}
"#;
    std::fs::write(dir.join("test.zeek"), script).expect("the script");
    // The limit of a file's size stands for the end of the disk: 64 KiB.
    let out = Command::new("bash")
        .args([
            "-c",
            "ulimit -f 64; exec \"$0\" -b test.zeek",
            env!("CARGO_BIN_EXE_tapir"),
        ])
        .current_dir(&dir)
        .output()
        .expect("bash runs");
    assert!(out.status.success(), "{:?}", out.status);
    assert!(
        text(&out.stderr).contains("l/Log::WRITER_ASCII: error writing to l.log"),
        "{}",
        text(&out.stderr)
    );
    let log = std::fs::read_to_string(dir.join("l.log")).expect("the log");
    // A closing line may have had room.
    assert!(log.ends_with('\n'), "the last line is cut");
    let lines: Vec<_> = log.lines().filter(|l| !l.starts_with('#')).collect();
    assert!(lines.len() > 1000);
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(*line, format!("{}\tsome text in every line\t-", i + 1));
    }
    let lost = format!("{} lines are lost", 20000 - lines.len());
    assert!(text(&out.stderr).contains(&lost), "{}", text(&out.stderr));
}

#[test]
fn a_full_disk_leaves_a_compressed_log_that_can_be_read() {
    let dir = work_dir("full-disk-gzip");
    let script = STREAM.to_string()
        + r#"
redef LogAscii::gzip_level = 6;
event zeek_init()
	{
	local i = 0;
	while ( ++i <= 20000 )
		Log::write(LOG, [$n=i, $s=sha256_hash(cat(i))]);
	}
"#;
    std::fs::write(dir.join("test.zeek"), script).expect("the script");
    let out = Command::new("bash")
        .args([
            "-c",
            "ulimit -f 200; exec \"$0\" -b test.zeek",
            env!("CARGO_BIN_EXE_tapir"),
        ])
        .current_dir(&dir)
        .output()
        .expect("bash runs");
    let said = text(&out.stderr);
    assert!(out.status.success(), "{said}");
    assert!(
        said.contains("l/Log::WRITER_ASCII: error writing to l.log.gz"),
        "{said}"
    );
    let unpacked = Command::new("gzip")
        .args(["-dc", "l.log.gz"])
        .current_dir(&dir)
        .output()
        .expect("gzip runs");
    // No complaint: the file has an end.
    assert_eq!(
        (unpacked.status.code(), text(&unpacked.stderr)),
        (Some(0), String::new())
    );
    let log = text(&unpacked.stdout);
    let lines: Vec<_> = log.lines().filter(|l| !l.starts_with('#')).collect();
    assert!(lines.len() > 1000 && log.ends_with('\n'), "{}", lines.len());
    for (i, line) in lines.iter().enumerate() {
        assert!(line.starts_with(&format!("{}\t", i + 1)), "{line}");
    }
    let lost = format!("{} lines are lost", 20000 - lines.len());
    assert!(said.contains(&lost), "{said}");
}

#[test]
fn rows_wait_for_a_database_that_another_program_has_locked() {
    if !installed("sqlite3") {
        return;
    }
    let dir = work_dir("locked-database");
    let script = STREAM.to_string()
        + r#"
redef exit_only_after_terminate = T;
event tick(n: count)
	{
	Log::write(LOG, [$n=n, $s="x"]);
	Log::flush(LOG);
	schedule 20msec { tick(n + 1) };
	}
event zeek_init()
	{
	Log::remove_default_filter(LOG);
	Log::add_filter(LOG, [$name="db", $path="db", $writer=Log::WRITER_SQLITE, $config=table(["tablename"] = "rows")]);
	event tick(1);
	}
event reporter_error(t: time, msg: string, location: string)
	{
	print msg;
	if ( /writing again/ in msg )
		terminate();
	}
"#;
    let child = start(&dir, &script);
    let db = dir.join("db.sqlite");
    wait_for("the database", || db.metadata().is_ok_and(|m| m.len() > 0));
    let locked = Command::new("sqlite3")
        .current_dir(&dir)
        .args([
            "-cmd",
            ".timeout 5000",
            "db.sqlite",
            "begin exclusive",
            ".shell sleep 2",
            "commit",
        ])
        .status()
        .expect("sqlite3 runs");
    assert!(locked.success());
    let out = child.wait_with_output().expect("its end");
    let said = text(&out.stderr);
    assert!(
        said.contains("database is locked; lines wait, up to 8 MB of them, until it can be written, which is tried every 5 seconds"),
        "{said}"
    );
    assert!(said.contains("writing again; no line is lost"), "{said}");
    let count = Command::new("sqlite3")
        .current_dir(&dir)
        .args([
            "db.sqlite",
            "select count(*) = max(n), min(n), count(*) > 200 from rows",
        ])
        .output()
        .expect("sqlite3 runs");
    assert_eq!(text(&count.stdout), "1|1|1\n");
}

const TICKING: &str = r#"
redef exit_only_after_terminate = T;
event tick(n: count)
	{
	Log::write(LOG, [$n=n, $s="x"]);
	schedule 50msec { tick(n + 1) };
	}
event zeek_init() { event tick(1); }
"#;

fn lines(dir: &Path) -> usize {
    let log = std::fs::read_to_string(dir.join("l.log")).unwrap_or_default();
    log.lines().filter(|l| l.ends_with("\tx\t-")).count()
}

fn start(dir: &Path, script: &str) -> Child {
    std::fs::write(dir.join("test.zeek"), script).expect("the script");
    command(dir, &["-b", "base/frameworks/telemetry", "test.zeek"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("tapir runs")
}

#[test]
fn what_was_logged_a_second_ago_is_there_after_a_kill() {
    let dir = work_dir("kill");
    let mut child = start(&dir, &(STREAM.to_string() + TICKING));
    wait_for("the first flush", || lines(&dir) > 10);
    child.kill().expect("a process to kill");
    child.wait().expect("its end");
    let log = std::fs::read_to_string(dir.join("l.log")).expect("the log");
    assert!(log.ends_with('\n') && !log.contains("#close"));
}

#[test]
fn sigterm_closes_the_logs() {
    let dir = work_dir("term");
    let mut child = start(&dir, &(STREAM.to_string() + TICKING));
    wait_for("the first flush", || lines(&dir) > 0);
    let before = lines(&dir);
    let sent = Command::new("kill")
        .arg(child.id().to_string())
        .status()
        .expect("kill runs");
    assert!(sent.success());
    child.wait().expect("its end");
    let log = std::fs::read_to_string(dir.join("l.log")).expect("the log");
    assert!(log.lines().last().is_some_and(|l| l.starts_with("#close")), "{log}");
    assert!(lines(&dir) >= before);
}

#[test]
fn rotated_logs_reach_their_command() {
    let dir = work_dir("rotation");
    let script = STREAM.to_string()
        + r#"
redef Log::default_rotation_interval = 1hr;
redef Log::default_rotation_postprocessor_cmd = "sh -c 'echo \"$@\" $ZEEK_ARG_KEY >>said' --";
redef Log::default_rotation_postprocessor_cmd_env += { ["KEY"] = "value" };
event zeek_init() { Log::write(LOG, [$n=1, $s="x"]); }
"#;
    let out = run(&dir, &script, &["-b"]);
    assert_eq!(text(&out.stderr), "");
    let said = || std::fs::read_to_string(dir.join("said")).unwrap_or_default();
    wait_for("the command", || said().ends_with('\n'));
    let said = said();
    let words: Vec<_> = said.split_whitespace().collect();
    assert_eq!(words.len(), 7, "{said}");
    assert!(words[0].starts_with("l.") && words[0].ends_with(".log"), "{said}");
    assert!(dir.join(words[0]).is_file());
    assert_eq!((words[1], words[4], words[5], words[6]), ("l", "1", "ascii", "value"));
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut s = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(s, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
    let mut answer = String::new();
    s.read_to_string(&mut answer).ok()?;
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_string())
}

#[test]
fn metrics_are_what_prometheus_reads() {
    let dir = work_dir("metrics");
    let port = free_port();
    let script = format!(
        r#"
redef exit_only_after_terminate = T;
redef Telemetry::metrics_port = {port}/tcp;
redef Telemetry::metrics_address = "127.0.0.1";
redef Telemetry::metrics_endpoint_name = "here";
global things = Telemetry::register_counter_family([$prefix="my", $name="things", $unit="1", $help_text="a \\ b",
                                                    $label_names=vector("a-b")]);
global sizes = Telemetry::register_histogram_family([$prefix="my", $name="sizes", $unit="bytes", $help_text="sizes",
                                                     $bounds=vector(1.0, 10.0)]);
hook Telemetry::sync() {{ Telemetry::counter_family_inc(things, vector("x\"y")); }}
event zeek_init() {{ Telemetry::histogram_family_observe(sizes, vector(), 3.0); }}
"#
    );
    let mut child = start(&dir, &script);
    let mut body = String::new();
    // The text is renewed once per second; the first one is from before scripts were initialised.
    wait_for("an answer with all metrics", || {
        body = get(port, "/metrics").unwrap_or_default();
        body.contains("my_sizes_bytes_sum")
    });
    let services = get(port, "/services.json");
    let other = get(port, "/");
    child.kill().expect("a process to kill");
    child.wait().expect("its end");
    assert_eq!(
        services.as_deref(),
        Some(&*format!("[{{\"targets\":[\"127.0.0.1:{port}\"],\"labels\":{{}}}}]"))
    );
    assert_eq!(other.as_deref(), Some("metrics are at /metrics\n"));
    for part in [
        "my_things_total{a_b=\"x\\\"y\",node=\"here\"} ",
        "my_sizes_bytes_bucket{node=\"here\",le=\"10\"} 1\n",
        "my_sizes_bytes_sum{node=\"here\"} 3\n",
        "zeek_version_info{beta=\"",
        "process_resident_memory_bytes{node=\"here\"} ",
        "zeek_event_handler_invocations_total{name=\"zeek_init\",node=\"here\"} 1\n",
    ] {
        assert!(body.contains(part), "{part} is missing in\n{body}");
    }
    if installed("promtool") {
        let mut check = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("promtool runs");
        let mut input = check.stdin.take().expect("its input");
        input.write_all(body.as_bytes()).expect("promtool reads");
        drop(input);
        let out = check.wait_with_output().expect("its end");
        // 3 stands for remarks on style.
        let code = out.status.code();
        assert!(
            code == Some(0) || code == Some(3),
            "{}{}",
            text(&out.stdout),
            text(&out.stderr)
        );
    }
}

/// Takes one mail from a mailer and gives its text.
fn take_mail(listener: &TcpListener) -> std::io::Result<String> {
    let (mut s, _) = listener.accept()?;
    s.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut from = BufReader::new(s.try_clone()?);
    s.write_all(b"220 sink\r\n")?;
    let (mut mail, mut line, mut in_data) = (String::new(), String::new(), false);
    loop {
        line.clear();
        if from.read_line(&mut line)? == 0 {
            return Ok(mail);
        }
        if in_data {
            if line == ".\r\n" {
                in_data = false;
                s.write_all(b"250 ok\r\n")?;
            } else {
                mail.push_str(line.trim_end_matches(['\r', '\n']));
                mail.push('\n');
            }
            continue;
        }
        let word = line.get(..4).unwrap_or("").to_ascii_uppercase();
        match word.as_str() {
            "DATA" => {
                in_data = true;
                s.write_all(b"354 go\r\n")?;
            }
            "QUIT" => {
                s.write_all(b"221 bye\r\n")?;
                return Ok(mail);
            }
            _ => s.write_all(b"250 ok\r\n")?,
        }
    }
}

#[test]
fn a_notice_is_mailed() {
    if !installed("msmtp") {
        return;
    }
    let dir = work_dir("mail");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    let config = format!("account default\nhost 127.0.0.1\nport {port}\nfrom sensor@example.org\ntls off\nauth off\n");
    std::fs::write(dir.join("msmtprc"), config).expect("the mailer's settings");
    let script = format!(
        r#"
@load base/frameworks/notice
redef exit_only_after_terminate = T;
redef Notice::mail_dest = "ops@example.org";
redef Notice::reply_to = "nobody@example.org";
redef Notice::sendmail = "msmtp -C {}/msmtprc";
redef enum Notice::Type += {{ Test_Notice }};
redef Notice::emailed_types += {{ Test_Notice }};
hook Notice::notice(n: Notice::Info)
	{{
	n$email_body_sections = vector("more to read");
	add n$email_delay_tokens["slow"];
	when [n] ( local r = lookup_addr(127.0.0.1) ) {{ delete n$email_delay_tokens["slow"]; }}
	timeout 1sec {{ delete n$email_delay_tokens["slow"]; }}
	}}
event stop() {{ terminate(); }}
event zeek_init()
	{{
	NOTICE([$note=Test_Notice, $msg="something happened", $sub="twice", $src=192.0.2.1, $email_delay_tokens=set(),
	        $identifier="x"]);
	NOTICE([$note=Test_Notice, $msg="not again", $identifier="x"]);
	schedule 4sec {{ stop() }};
	}}
"#,
        dir.display()
    );
    let server = std::thread::spawn(move || take_mail(&listener));
    let out = run(&dir, &script, &[]);
    let mail = server.join().expect("the server ends").expect("a mail");
    let said = text(&out.stderr);
    for part in [
        "Subject: [Zeek] Test_Notice\n",
        "To: ops@example.org\n",
        "Reply-To: nobody@example.org\n",
        "Message: something happened\nSub-message: twice\n",
        "Address: 192.0.2.1\n",
        "Email Extensions\n----------------\nmore to read\n",
        "--\n[Automatically generated]\n",
    ] {
        assert!(mail.contains(part), "{part} is missing in\n{mail}\n{said}");
    }
    let log = std::fs::read_to_string(dir.join("notice.log")).expect("the log");
    assert_eq!(log.lines().filter(|l| !l.starts_with('#')).count(), 1);
    assert!(log.contains("Notice::ACTION_EMAIL"), "{log}");
}

#[test]
fn scripts_with_signatures_start() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let capture = root.join("tests/captures/empty.pcap").display().to_string();
    let dir = work_dir("signatures");
    let scripts = [
        "frameworks/signatures/iso-9660",
        "frameworks/software/windows-version-detection",
        "protocols/http/detect-webapps",
        "frameworks/dpd/detect-protocols",
        "misc/detect-traceroute",
    ];
    for script in scripts
        .iter()
        .filter(|s| root.join("scripts/policy").join(format!("{s}.zeek")).exists())
    {
        let out = command(&dir, &["-r", &capture, script]).output().expect("tapir runs");
        assert!(
            out.status.success() && out.stderr.is_empty(),
            "{script}: {}",
            text(&out.stderr)
        );
    }
}

#[test]
fn an_argument_adds_to_a_set() {
    let dir = work_dir("argument");
    let script = "event zeek_init() { print 192.0.2.1 in Site::local_nets, 10.0.0.1 in Site::local_nets; }";
    let out = run(&dir, script, &["Site::local_nets += { 192.0.2.0/24 }"]);
    assert_eq!(text(&out.stdout), "T, T\n", "{}", text(&out.stderr));
}

#[test]
fn a_program_that_must_not_talk_says_nothing() {
    let dir = work_dir("quiet");
    let script = r#"
redef Reporter::info_to_stderr = F;
redef Reporter::warnings_to_stderr = F;
redef Reporter::errors_to_stderr = F;
redef exit_only_after_terminate = T;
event go()
	{
	Reporter::info("one");
	Reporter::warning("two");
	Reporter::error("three");
	terminate();
	}
event zeek_init() { schedule 1msec { go() }; }
"#;
    let out = run(&dir, script, &[]);
    assert_eq!(text(&out.stderr), "");
    let log = std::fs::read_to_string(dir.join("reporter.log")).expect("the log");
    for word in ["one", "two", "three"] {
        assert!(log.contains(word), "{log}");
    }
}

/// What notices say of versions is what people write, and a blocked address is logged as blocked.
#[test]
fn notices_name_versions_and_what_was_done() {
    let dir = work_dir("notice-texts");
    let script = r#"
@load base/frameworks/netcontrol
@load frameworks/software/vulnerable
@load frameworks/software/version-changes
@load frameworks/notice/actions/drop
redef exit_only_after_terminate = T;
redef Software::asset_tracking = ALL_HOSTS;
redef Software::interesting_version_changes += { "Foo" };
redef Software::vulnerable_versions += { ["Foo"] = set([$max=[$major=2]]) };
redef enum Software::Type += { SOME };
redef enum Notice::Type += { Blocked };
hook Notice::policy(n: Notice::Info)
	{
	if ( n$note == Blocked )
		add n$actions[Notice::ACTION_DROP];
	}
event NetControl::init() { NetControl::activate(NetControl::create_debug(T), 0); }
event stop() { terminate(); }
event zeek_init()
	{
	local id = conn_id($orig_h=192.0.2.1, $orig_p=1/tcp, $resp_h=192.0.2.2, $resp_p=80/tcp);
	Software::found(id, [$unparsed_version="Foo/1.2", $host=192.0.2.1, $software_type=SOME]);
	Software::found(id, [$name="Foo", $version=[$major=3, $minor=0, $minor2=1, $addl="b"], $host=192.0.2.1, $software_type=SOME]);
	NOTICE([$note=Blocked, $msg="out", $src=192.0.2.9]);
	schedule 500msec { stop() };
	}
"#;
    let out = run(&dir, script, &[]);
    let said = text(&out.stderr);
    let log = std::fs::read_to_string(dir.join("notice.log")).expect("the log");
    for part in [
        "192.0.2.1 is running Foo 1.2 which is vulnerable.\tFoo 1.2\t",
        "'Foo' changed from 1.2 to 3.0.1-b (previously Foo 1.2)\tFoo 3.0.1-b\t",
    ] {
        assert!(log.contains(part), "{part} is missing in\n{log}{said}");
    }
    let column = |line: &str, at: usize| line.split('\t').nth(at).map(str::to_string);
    let header = log.lines().find(|l| l.starts_with("#fields")).expect("a header");
    let at = header.split('\t').position(|c| c == "dropped").expect("the column") - 1;
    let blocked = log.lines().find(|l| l.contains("Blocked")).expect("the notice");
    assert_eq!(column(blocked, at).as_deref(), Some("T"), "{log}{said}");
}

/// The alarms of an interval are mailed when it is over, although the log that tells of it keeps nothing.
#[test]
fn alarms_are_mailed_together() {
    let dir = work_dir("alarms");
    let mailer = dir.join("mailer.sh");
    std::fs::write(&mailer, format!("#!/bin/sh\ncat >>{}/mails\n", dir.display())).expect("a mailer");
    let script = format!(
        r#"
redef exit_only_after_terminate = T;
redef Notice::mail_dest = "ops@example.org";
redef Notice::mail_dest_pretty_printed = "alarms@example.org";
redef Notice::sendmail = "sh {}";
redef Log::default_mail_alarms_interval = 1day;
redef enum Notice::Type += {{ First, Second }};
redef Notice::alarmed_types += {{ First, Second }};
event zeek_init()
	{{
	NOTICE([$note=First, $msg="one thing", $src=192.0.2.1]);
	NOTICE([$note=Second, $msg="another"]);
	terminate();
	}}
"#,
        mailer.display()
    );
    let out = run(&dir, &script, &[]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    wait_for("a mail", || {
        std::fs::read_to_string(dir.join("mails")).is_ok_and(|m| m.contains("another"))
    });
    let mail = std::fs::read_to_string(dir.join("mails")).expect("the mail");
    for part in [
        "Alarm summary from",
        "To: alarms@example.org\n",
        "First 192.0.2.1",
        "one thing",
    ] {
        assert!(mail.contains(part), "{part} is missing in\n{mail}");
    }
    assert_eq!(mail.matches("Subject:").count(), 1, "{mail}");
}

#[test]
fn a_store_that_is_closed_says_so() {
    let dir = work_dir("store-closed");
    let script = r#"
@load base/frameworks/storage/sync
@load policy/frameworks/storage/backend/sqlite
event Storage::backend_opened(tag: Storage::Backend, options: any) { print "opened", tag; }
event Storage::backend_lost(tag: Storage::Backend, options: any, reason: string) { print "lost", tag; }
event zeek_init()
	{
	local options = Storage::BackendOptions($sqlite=[$database_path="store.sqlite", $table_name="t"]);
	local r = Storage::Sync::open_backend(Storage::STORAGE_BACKEND_SQLITE, options, string, string);
	print r$code, Storage::Sync::close_backend(r$value)$code;
	}
"#;
    let out = run(&dir, script, &["-b"]);
    let tag = "Storage::STORAGE_BACKEND_SQLITE";
    assert_eq!(
        text(&out.stdout),
        format!("Storage::SUCCESS, Storage::SUCCESS\nopened, {tag}\nlost, {tag}\n"),
        "{}",
        text(&out.stderr)
    );
}

/// One path function may serve streams whose records have nothing in common but a field.
#[test]
fn a_path_function_serves_several_streams() {
    let dir = work_dir("path-function");
    let script = r#"
module P;
export {
	redef enum Log::ID += { A, B };
	type InfoA: record { ts: time &log; n: count &log; name: string &log; };
	type InfoB: record { name: string &log; x: addr &log &optional; };
}
function by_name(id: Log::ID, path: string, rec: record { name: string; }): string
	{
	return fmt("%s-%s", path, rec$name);
	}
event zeek_init()
	{
	Log::create_stream(A, [$columns=InfoA, $path="a"]);
	Log::create_stream(B, [$columns=InfoB, $path="b"]);
	Log::add_filter(A, [$name="split", $path_func=by_name]);
	Log::add_filter(B, [$name="split", $path_func=by_name]);
	print Log::write(A, [$ts=network_time(), $n=1, $name="x"]), Log::write(B, [$name="y"]);
	}
"#;
    let out = run(&dir, script, &["-b"]);
    assert_eq!(text(&out.stdout), "T, T\n", "{}", text(&out.stderr));
    assert!(dir.join("a-x.log").exists() && dir.join("b-y.log").exists());
}

/// A post-processor that refuses a log ends it; other logs go on.
#[test]
fn a_log_whose_rotation_fails_is_over() {
    let dir = work_dir("refused-rotation");
    let script = STREAM.to_string()
        + r#"
redef exit_only_after_terminate = T;
global refused = 0;
global n_after = 0;
function refuse(info: Log::RotationInfo): bool
	{
	++refused;
	return F;
	}
event write(n: count)
	{
	Log::write(L::LOG, [$n=n, $s="x"]);
	if ( refused > 0 && ++n_after > 15 )
		terminate();
	else
		schedule 100msec { write(n + 1) };
	}
event zeek_init()
	{
	Log::add_filter(L::LOG, [$name="refused", $path="refused", $interv=1sec, $postprocessor=refuse]);
	event write(1);
	}
event zeek_done() { print refused; }
"#;
    let out = run(&dir, &script, &["-b"]);
    let said = text(&out.stderr);
    // An interval may end before it is known that the one before was refused.
    assert!(matches!(&*text(&out.stdout), "1\n" | "2\n"), "{said}");
    assert!(said.contains("rotation post-processor failed for refused-"), "{said}");
    // What was on its way when it was refused may have come through.
    let rows = |path: PathBuf| {
        let log = std::fs::read_to_string(path).unwrap_or_default();
        log.lines().filter(|l| l.ends_with("\tx\t-")).count()
    };
    let of_refused: usize = std::fs::read_dir(&dir)
        .expect("the folder")
        .map(|e| e.expect("a file").path())
        .filter(|p| {
            p.file_name()
                .is_some_and(|n| n.to_string_lossy().starts_with("refused"))
        })
        .map(rows)
        .sum();
    assert!(
        of_refused + 10 <= lines(&dir),
        "{of_refused} of {} rows\n{said}",
        lines(&dir)
    );
}

#[test]
fn leftover_logs_are_rotated_by_the_next_run() {
    let dir = work_dir("leftover");
    let options = r#"
redef LogAscii::enable_leftover_log_rotation = T;
redef LogAscii::gzip_level = 1;
redef Log::default_rotation_interval = 1day;
"#;
    let mut child = start(&dir, &(STREAM.to_string() + options + TICKING));
    wait_for("a flushed log", || {
        std::fs::metadata(dir.join("l.log.gz")).is_ok_and(|m| m.len() > 50)
    });
    child.kill().expect("a process to kill");
    child.wait().expect("its end");
    assert_eq!(
        std::fs::read_to_string(dir.join(".shadow.l.log.gz")).expect("a shadow"),
        ".log.gz\n\n"
    );
    let script = STREAM.to_string() + options + "event zeek_init() { Log::write(LOG, [$n=1, $s=\"x\"]); }";
    let out = run(&dir, &script, &["-b"]);
    assert!(out.status.success(), "{}", text(&out.stderr));
    let mut names: Vec<_> = std::fs::read_dir(&dir)
        .expect("the folder")
        .map(|e| e.expect("a file").file_name().to_string_lossy().into_owned())
        .filter(|n| n != "test.zeek")
        .collect();
    names.sort();
    // Both runs' logs, under names that tell their times.
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(
        names.iter().all(|n| n.starts_with("l.2") && n.ends_with(".log.gz")),
        "{names:?}"
    );
}

#[test]
fn scripts_of_others_reach_into_the_base() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let capture = root.join("tests/captures/http.pcap").display().to_string();
    let dir = work_dir("reach");
    let script = r#"
module Conn;
event connection_established(c: connection)
	{
	Conn::set_conn(c, F);
	print c$conn?$conn_state;
	Conn::set_conn(c, T);
	print c$conn$conn_state;
	local samr = "\x78\x57\x34\x12\x34\x12\xcd\xab\xef\x00\x01\x23\x45\x67\x89\xac";
	event dce_rpc_bind(c, 7, 0, samr, 1, 0);
	event dce_rpc_request(c, 7, 0, 0, 4);
	event dce_rpc_response(c, 7, 0, 0, 4);
	event dce_rpc_response_stub(c, 7, 0, 0, "data");
	}
event dce_rpc_response_stub(c: connection, fid: count, ctx_id: count, opnum: count, stub: string)
	{
	local info = c$dce_rpc_backing[fid]$info;
	print info$endpoint, info$operation, stub;
	terminate();
	}
"#;
    let out = run(&dir, script, &["-r", &capture]);
    let said = text(&out.stdout);
    assert!(said.starts_with("F\nS1\n"), "{said}{}", text(&out.stderr));
    assert!(
        said.contains("samr, SamrConnect, data\n"),
        "{said}{}",
        text(&out.stderr)
    );
    let log = std::fs::read_to_string(dir.join("dce_rpc.log")).expect("the log");
    let lines = log.lines().filter(|l| !l.starts_with('#')).count();
    assert_eq!(lines, said.lines().filter(|l| l.ends_with("data")).count(), "{log}");
}

#[test]
fn intelligence_is_known_as_soon_as_it_is_inserted() {
    let dir = work_dir("intel-at-once");
    let script = r#"
event Intel::match(s: Intel::Seen, items: set[Intel::Item]) { print "match", s$host, |items|; }
hook Intel::indicator_inserted(indicator: string, t: Intel::Type) { print "inserted", indicator; }
hook Intel::indicator_removed(indicator: string, t: Intel::Type) { print "removed", indicator; }

function item(source: string): Intel::Item
	{
	return Intel::Item($indicator="192.0.2.1", $indicator_type=Intel::ADDR, $meta=Intel::MetaData($source=source));
	}

event zeek_init()
	{
	local seen = Intel::Seen($host=192.0.2.1, $where=Intel::IN_ANYWHERE);
	Intel::insert(item("one"));
	Intel::insert(item("two"));
	Intel::seen(copy(seen));
	Intel::remove(item("one"));
	Intel::seen(copy(seen));
	Intel::remove(item("two"));
	Intel::seen(copy(seen));
	}
"#;
    let out = run(&dir, script, &[]);
    assert_eq!(
        text(&out.stdout),
        "inserted, 192.0.2.1\nremoved, 192.0.2.1\nmatch, 192.0.2.1, 2\nmatch, 192.0.2.1, 1\n",
        "{}",
        text(&out.stderr)
    );
}

/// What `sqlite3` prints.
fn sql(dir: &Path, commands: &str) -> String {
    let out = Command::new("sqlite3")
        .current_dir(dir)
        .args(["s.sqlite", commands])
        .output()
        .expect("sqlite3 runs");
    assert!(out.status.success(), "{}", text(&out.stderr));
    text(&out.stdout)
}

/// Options of the backend for `s.sqlite`, with more of them.
fn sqlite_options(more: &str) -> String {
    format!(
        "Storage::BackendOptions($sqlite=Storage::Backend::SQLite::Options($database_path=\"s.sqlite\", $table_name=\"t\"{more}))"
    )
}

#[test]
fn databases_of_storage_are_set_up_as_their_options_say() {
    if !installed("sqlite3") {
        return;
    }
    let set_up = |name: &str, more: &str| {
        let dir = work_dir(name);
        let options = sqlite_options(more);
        let script = format!(
            r#"
@load base/frameworks/telemetry
@load policy/frameworks/storage/backend/sqlite
event zeek_init()
	{{
	local r = Storage::Sync::open_backend(Storage::STORAGE_BACKEND_SQLITE, {options}, string, string);
	print r$code, r?$error_str ? r$error_str : "";
	if ( r$code != Storage::SUCCESS )
		return;
	print Storage::Sync::put(r$value, [$key="k", $value="v"])$code;
	print Storage::Sync::get(r$value, "k")$value as string;
	print Storage::Sync::get(r$value, "none")$code;
	print Storage::Sync::close_backend(r$value)$code;
	for ( _, m in Telemetry::collect_metrics("zeek", "storage_operations*") )
		print "counted", m$label_values, m$value;
	for ( _, h in Telemetry::collect_histogram_metrics("zeek", "storage_operation_latency*") )
		print "took", h$label_values, h$observations;
	}}
"#
        );
        let out = run(&dir, &script, &["-b"]);
        assert!(out.status.success(), "{}", text(&out.stderr));
        (dir, text(&out.stdout))
    };
    let asked = "pragma journal_mode; pragma user_version";
    let (dir, said) = set_up("pragmas-default", "");
    assert!(
        said.starts_with("Storage::SUCCESS, \nStorage::SUCCESS\nv\nStorage::KEY_NOT_FOUND\nStorage::SUCCESS\n"),
        "{said}"
    );
    assert_eq!(sql(&dir, asked), "wal\n0\n");
    // The metrics of what was done.
    for line in [
        "counted, [Storage::STORAGE_BACKEND_SQLITE, put, success], 1.0",
        "counted, [Storage::STORAGE_BACKEND_SQLITE, get, success], 1.0",
        "counted, [Storage::STORAGE_BACKEND_SQLITE, get, key], 1.0",
        "took, [Storage::STORAGE_BACKEND_SQLITE, get], 2.0",
    ] {
        assert!(said.contains(line), "{line} is missing in\n{said}");
    }
    let own = ", $pragma_commands=table([\"journal_mode\"] = \"persist\", [\"user_version\"] = \"7\") &ordered";
    let (dir, said) = set_up("pragmas-own", own);
    assert!(said.starts_with("Storage::SUCCESS"), "{said}");
    assert_eq!(sql(&dir, "pragma user_version; select count(*) from t"), "7\n1\n");
    assert!(dir.join("s.sqlite-journal").exists(), "the journal does not persist");
    let (_, said) = set_up(
        "pragmas-wrong",
        ", $pragma_commands=table([\"no name\"] = \"1\") &ordered",
    );
    assert!(said.starts_with("Storage::INITIALIZATION_FAILED, "), "{said}");
}

#[test]
fn databases_that_are_busy_are_waited_for_as_the_options_say() {
    if !installed("sqlite3") {
        return;
    }
    let dir = work_dir("pragmas-busy");
    sql(&dir, "create table other (x)");
    let mut holder = Command::new("sqlite3")
        .current_dir(&dir)
        .args(["s.sqlite", "begin exclusive", ".shell touch held; sleep 2", "commit"])
        .spawn()
        .expect("sqlite3 runs");
    wait_for("the lock", || dir.join("held").exists());
    let open = |more: &str| {
        let options = sqlite_options(&format!(
            ", $pragma_commands=table([\"journal_mode\"] = \"wal\") &ordered{more}"
        ));
        format!(
            "begun = current_time();
            r = Storage::Sync::open_backend(Storage::STORAGE_BACKEND_SQLITE, {options}, string, string);
            print r$code, r?$error_str ? r$error_str : \"\", current_time() - begun < 1.5sec;\n"
        )
    };
    let script = format!(
        "@load policy/frameworks/storage/backend/sqlite
        global begun: time;
        global r: Storage::OperationResult;
        event zeek_init()\n{{\n{}{}}}",
        open(", $pragma_timeout=200msec"),
        open(", $pragma_timeout=20sec, $pragma_wait_on_busy=10msec"),
    );
    let out = run(&dir, &script, &["-b"]);
    let said = text(&out.stdout);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}{}", text(&out.stderr));
    assert!(
        lines[0].starts_with("Storage::INITIALIZATION_FAILED, ") && lines[0].ends_with("database is locked, T"),
        "{said}"
    );
    assert!(lines[1].starts_with("Storage::SUCCESS, , "), "{said}");
    assert!(holder.wait().expect("its end").success());
}

#[test]
fn what_is_known_is_kept_in_the_tables_of_the_prefixes() {
    if !installed("sqlite3") {
        return;
    }
    let script = r#"
@load protocols/conn/known-hosts
@load protocols/conn/known-services
@load protocols/ssl/known-certs
redef Known::host_tracking = ALL_HOSTS;
redef Known::service_tracking = ALL_HOSTS;
redef Known::cert_tracking = ALL_HOSTS;
redef Known::enable_hosts_persistence = T;
redef Known::enable_services_persistence = T;
redef Known::enable_certs_persistence = T;
redef Known::host_store_backend_options = [$sqlite=[$database_path="s.sqlite", $table_name="zeekknownhosts"]];
redef Known::service_store_backend_options = [$sqlite=[$database_path="s.sqlite", $table_name="zeekknownservices"]];
redef Known::cert_store_backend_options = [$sqlite=[$database_path="s.sqlite", $table_name="zeekknowncerts"]];
"#;
    let prefixes = r#"
redef Known::host_store_prefix = "own_hosts";
redef Known::service_store_prefix = "own_services";
redef Known::cert_store_prefix = "own_certs";
"#;
    let capture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/captures/tls.pcap");
    let capture = capture.to_str().expect("a path of text");
    let counts =
        |dir: &Path, tables: [&str; 3]| sql(dir, &tables.map(|t| format!("select count(*) from {t};")).concat());
    let dir = work_dir("known-prefixes");
    let out = run(&dir, &format!("{script}{prefixes}"), &["-C", "-r", capture]);
    assert!(out.status.success() && out.stderr.is_empty(), "{}", text(&out.stderr));
    let own = counts(&dir, ["own_hosts", "own_services", "own_certs"]);
    assert_eq!(
        sql(&dir, "select count(*) from sqlite_master where name like 'zeekknown%'"),
        "0\n"
    );
    let usual_dir = work_dir("known-usual");
    run(&usual_dir, script, &["-C", "-r", capture]);
    let usual = counts(&usual_dir, ["zeekknownhosts", "zeekknownservices", "zeekknowncerts"]);
    assert_eq!(own, usual);
    assert!(own.lines().count() == 3 && own.lines().all(|n| n != "0"), "{own}");
    // What is in the tables is known the next time.
    let logged = || std::fs::read_to_string(dir.join("known_hosts.log")).is_ok();
    assert!(logged());
    std::fs::remove_file(dir.join("known_hosts.log")).expect("a log");
    run(&dir, &format!("{script}{prefixes}"), &["-C", "-r", capture]);
    assert!(!logged());
}

#[test]
fn threads_are_counted() {
    let dir = work_dir("threads");
    let script = format!(
        "{STREAM}
redef Telemetry::metrics_port = {}/tcp;
redef Telemetry::metrics_address = \"127.0.0.1\";
event zeek_init() {{ Log::write(LOG, [$n=1, $s=\"x\"]); }}
event zeek_done() {{ print get_thread_stats()$num_threads; }}",
        free_port()
    );
    let threads = |args: &[&str]| -> u32 {
        let out = run(&dir, &script, args);
        text(&out.stdout)
            .trim()
            .parse()
            .unwrap_or_else(|_| panic!("{}", text(&out.stderr)))
    };
    // That which writes logs, and that which tells metrics.
    assert_eq!(threads(&["-b", "base/frameworks/telemetry"]), 2);
}
