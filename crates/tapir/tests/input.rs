//! Input streams of every reader: what they read, what they refuse, and the files of options that rest on them.

mod background;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use background::folder;

fn work_dir(name: &str) -> PathBuf {
    folder(Path::new("input").join(name))
}

fn run(dir: &Path, script: &str, args: &[&str]) -> Output {
    std::fs::write(dir.join("test.zeek"), script).expect("the script");
    Command::new(env!("CARGO_BIN_EXE_tapir"))
        .arg("test.zeek")
        .args(args)
        .current_dir(dir)
        .env("TZ", "UTC")
        .output()
        .expect("tapir runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn files_that_grow_are_followed() {
    let dir = work_dir("tail");
    std::fs::write(dir.join("in.tsv"), "#fields\tk\tp\tproto\na\t53\tudp\nb\t80\tTCP\n").expect("the input");
    let script = r#"
redef exit_only_after_terminate = T;
type Row: record { k: string; p: port &type_column="proto"; };
event row(d: Input::EventDescription, t: Input::Event, r: Row)
	{
	print r$k, r$p;
	if ( r$k == "b" )
		system("printf 'c\t1\tudp\nd' >>in.tsv; sleep 1.5; printf '\t2\ttcp\n' >>in.tsv");
	if ( r$k == "d" )
		terminate();
	}
event zeek_init() { Input::add_event([$source="in.tsv", $name="in", $fields=Row, $ev=row, $mode=Input::STREAM]); }
"#;
    let out = run(&dir, script, &["-b"]);
    assert_eq!(
        text(&out.stdout),
        "a, 53/udp\nb, 80/tcp\nc, 1/udp\nd, 2/tcp\n",
        "{}",
        text(&out.stderr)
    );
}

/// What does not fit in the description of an input stream is told when the stream is made.
#[test]
fn input_streams_that_cannot_work_are_refused() {
    let dir = work_dir("input-misfits");
    let script = r#"
type I: record { i: int; };
type V: record { s: string; };
type W: record { s: string; n: count; };
global texts: table[int] of string;
global values: table[int] of V;
global numbers: set[int];
event three(d: Input::EventDescription, t: Input::Event, r: I) { }
event wrong(n: count) { }
function pred(t: Input::Event, left: I, right: I): bool { return T; }
event go()
	{
	local table_of = function(n: string): Input::TableDescription { return [$source="x", $name=n, $idx=I, $destination=values]; };
	local d = table_of("a");
	d$val = V; d$destination = texts;
	print Input::add_table(d);
	d = table_of("b"); d$val = W; d$want_record = F; d$destination = texts;
	print Input::add_table(d);
	d = table_of("c"); d$val = V; d$destination = numbers;
	print Input::add_table(d);
	d = table_of("d");
	print Input::add_table(d);
	d = table_of("e"); d$idx = V; d$destination = numbers;
	print Input::add_table(d);
	d = table_of("f"); d$val = V; d$ev = three;
	print Input::add_table(d);
	d = table_of("g"); d$val = V; d$pred = pred;
	print Input::add_table(d);
	print Input::add_event([$source="x", $name="h", $fields=I, $ev=wrong]);
	print Input::add_event([$source="x", $name="i", $fields=I, $ev=three, $error_ev=wrong]);
	print Input::add_event([$source="x", $name="j", $fields=I, $ev=three, $reader=Input::READER_RAW]);
	print Input::add_event([$source="x", $name="k", $fields=I, $ev=three, $reader=Input::READER_SQLITE, $mode=Input::STREAM]);
	print Input::add_event([$source="x", $name="l", $fields=I, $ev=three, $reader=Input::READER_BINARY]);
	print Input::add_analysis([$source="x", $name="m", $reader=Input::READER_ASCII]);
	print Input::add_analysis([$source="true|", $name="n", $reader=Input::READER_RAW, $mode=Input::REREAD]);
	terminate();
	}
event zeek_init() { schedule 1msec { go() }; }
redef exit_only_after_terminate = T;
"#;
    let out = run(&dir, script, &["-b"]);
    let said = text(&out.stderr);
    assert_eq!(text(&out.stdout), "F\n".repeat(14), "{said}");
    for name in 'a'..='n' {
        assert!(said.contains(&format!("Input stream {name}: ")), "{name} in\n{said}");
    }
}

#[test]
fn files_are_given_to_analysis_as_their_mode_says() {
    let dir = work_dir("input-analysis");
    std::fs::write(dir.join("f"), "first\nline\n").expect("the input");
    let script = r#"
redef exit_only_after_terminate = T;
global n_done = 0;
event piece(f: fa_file, data: string)
	{
	# All of it was read when its last line is there.
	if ( f$source == "follow" && "more" in data )
		Input::remove("follow");
	}
event file_new(f: fa_file)
	{
	Files::add_analyzer(f, Files::ANALYZER_MD5);
	Files::add_analyzer(f, Files::ANALYZER_DATA_EVENT, [$stream_event=piece]);
	}
event file_hash(f: fa_file, kind: string, hash: string) { print f$source, hash; }
global n_ended = 0;
event Input::end_of_data(name: string, source: string)
	{
	if ( ++n_done == 3 )
		system("echo more >>f");
	}
event file_state_remove(f: fa_file)
	{
	print f$source, f$seen_bytes;
	if ( ++n_ended == 5 )
		terminate();
	}
event zeek_init()
	{
	Input::add_analysis([$source="f", $name="once"]);
	Input::add_analysis([$source="f", $name="follow", $mode=Input::STREAM]);
	Input::add_analysis([$source="f", $name="again", $mode=Input::REREAD]);
	Input::add_analysis([$source="echo text|", $name="command", $reader=Input::READER_RAW]);
	}
"#;
    let out = run(&dir, script, &["-b", "base/frameworks/files"]);
    let mut said: Vec<String> = text(&out.stdout).lines().map(str::to_string).collect();
    said.sort();
    let (short, long) = ("91bd4ca5c23ef021d9b1bfa85dae1be4", "2ebfafa818848496836de91fcc19def3");
    let mut wanted = [
        "again, 11".to_string(),
        "again, 16".to_string(),
        format!("again, {short}"),
        format!("again, {long}"),
        "command, 1cb251ec0d568de6a929b520c4aed8d1".to_string(),
        "command, 4".to_string(),
        "follow, 16".to_string(),
        format!("follow, {long}"),
        "once, 11".to_string(),
        format!("once, {short}"),
    ];
    wanted.sort();
    assert_eq!(said, wanted, "{}", text(&out.stderr));
}

/// As manuals show it: a stream that is removed in the next line still reads what it was made for, and its predicate may
/// change what goes into the table.
#[test]
fn a_stream_that_is_removed_at_once_reads_all_the_same() {
    let dir = work_dir("input-once");
    std::fs::write(dir.join("list"), "#fields\tip\twhy\n192.0.2.1\tone\n192.0.2.2\ttwo\n").expect("the input");
    let script = r#"
type Idx: record { ip: addr; };
type Val: record { why: string; };
global list: table[addr] of Val = table();
event Input::end_of_data(name: string, source: string)
	{
	print |list|, list[192.0.2.1]$why, list[198.51.100.2]$why;
	print Input::force_update("list");
	}
event zeek_init()
	{
	Input::add_table([$source="list", $name="list", $idx=Idx, $val=Val, $destination=list,
	                  $pred(typ: Input::Event, left: Idx, right: Val) =
		{
		if ( left$ip == 192.0.2.2 )
			{
			left$ip = 198.51.100.2;
			right$why = "changed";
			}
		return T;
		}]);
	Input::remove("list");
	}
"#;
    let out = run(&dir, script, &["-b"]);
    let said = text(&out.stderr);
    assert_eq!(text(&out.stdout), "2, one, changed\nF\n", "{said}");
}

#[test]
fn only_changed_lines_of_option_files_are_news() {
    let dir = work_dir("option-files");
    std::fs::write(dir.join("options"), "O::a 1\nO::b one\n").expect("the options");
    let script = r#"
@load base/frameworks/config
module O;
export {
	option a = 0;
	option b = "";
}
redef exit_only_after_terminate = T;
redef Config::config_files += { "options" };
function on_a(id: string, v: count): count
	{
	print id, v;
	if ( v == 2 )
		terminate();
	return v;
	}
function on_b(id: string, v: string): string
	{
	print id, v;
	system("echo 'O::b one' >options; echo 'O::a 2' >>options");
	return v;
	}
event zeek_init()
	{
	Option::set_change_handler("O::a", on_a);
	Option::set_change_handler("O::b", on_b);
	}
"#;
    let out = run(&dir, script, &["-b"]);
    assert_eq!(
        text(&out.stdout),
        "O::a, 1\nO::b, one\nO::a, 2\n",
        "{}",
        text(&out.stderr)
    );
}

#[test]
fn tables_come_from_databases() {
    let dir = work_dir("input-sqlite");
    let logged = r#"
module D;
export {
	redef enum Log::ID += { LOG };
	type Row: record { k: string &log; p: port &log; pp: transport_proto &log; x: double &log; s: set[string] &log;
	                   none: string &log &optional; b: bool &log; };
}
event zeek_init()
	{
	Log::create_stream(LOG, [$columns=Row]);
	Log::remove_default_filter(LOG);
	Log::add_filter(LOG, [$name="db", $path="rows", $writer=Log::WRITER_SQLITE]);
	Log::write(LOG, Row($k="a", $p=80/tcp, $pp=tcp, $x=1.5, $s=set("m", "n"), $b=T));
	Log::write(LOG, Row($k="b", $p=53/udp, $pp=udp, $x=2.0, $s=set(), $none="y", $b=F));
	}
"#;
    let out = run(
        &dir,
        &("redef LogSQLite::set_separator = \";\";".to_string() + logged),
        &["-b"],
    );
    assert!(out.status.success(), "{}", text(&out.stderr));
    let read = r#"
redef InputSQLite::set_separator = ";";
type Key: record { k: string; };
type Val: record { p: port &type_column="pp"; x: double; s: set[string]; none: string &optional; b: bool; };
global rows: table[string] of Val;
event Input::end_of_data(name: string, source: string)
	{
	for ( k in set("a", "b") )
		{
		local v = rows[k];
		print k, v$p, v$x, |v$s|, v?$none, v$b;
		}
	}
event zeek_init()
	{
	Input::add_table([$source="rows", $name="rows", $idx=Key, $val=Val, $destination=rows, $reader=Input::READER_SQLITE,
	                  $config=table(["query"] = "select * from rows")]);
	}
"#;
    let out = run(&dir, read, &["-b"]);
    assert_eq!(
        text(&out.stdout),
        "a, 80/tcp, 1.5, 2, F, T\nb, 53/udp, 2.0, 0, T, F\n",
        "{}",
        text(&out.stderr)
    );
}
