//! Settings of scripts that steer native code: each is honoured, also when it is changed while the program runs.

mod background;

use std::path::{Path, PathBuf};
use std::process::Command;

use background::{folder, on_capture};

/// What a script prints on one of our captures.
fn prints(name: &str, capture: &str, script: &str) -> String {
    on_capture(&folder(format!("settings/{name}")), capture, script)
}

const EXTRACT: &str = "
event file_new(f: fa_file) { Files::add_analyzer(f, Files::ANALYZER_EXTRACT); }
event file_extraction_limit(f: fa_file, args: Files::AnalyzerArgs, limit: count, len: count) { print \"cut\", limit; }
";

#[test]
fn extracted_files_are_cut_where_the_option_says() {
    assert!(!prints("extract-default", "http.pcap", EXTRACT).contains("cut"));
    let low = format!("redef FileExtract::default_limit = 20; {EXTRACT}");
    assert!(prints("extract-low", "http.pcap", &low).contains("cut, 20\n"));
    let later = format!("event zeek_init() {{ Option::set(\"FileExtract::default_limit\", 21); }} {EXTRACT}");
    assert!(prints("extract-later", "http.pcap", &later).contains("cut, 21\n"));
}

#[test]
fn new_files_have_the_interval_and_the_buffer_of_the_options() {
    let script = "
redef default_file_timeout_interval = 7sec;
redef default_file_bof_buffer_size = 99;
event file_new(f: fa_file) { print f$timeout_interval, f$bof_buffer_size; }
";
    assert!(prints("file-defaults", "http.pcap", script).starts_with("7.0 secs, 99\n"));
}

#[test]
fn lists_of_algorithms_are_cut_one_by_one() {
    let script = "
redef SSH::max_kexinit_kex_algorithms = 2;
redef SSH::max_kexinit_mac_algorithms = 3;
event ssh_capabilities(c: connection, cookie: string, capabilities: SSH::Capabilities)
	{
	print |capabilities$kex_algorithms|, |capabilities$mac_algorithms$client_to_server|,
	    |capabilities$mac_algorithms$server_to_client|;
	}
";
    assert_eq!(prints("kexinit", "ssh.pcap", script), "2, 3, 3\n2, 3, 3\n");
}

#[test]
fn names_on_the_white_list_pass_the_sampling_of_analyzers() {
    let script = |more: &str| {
        format!(
            "redef Weird::sampling_threshold = 0; redef Weird::sampling_rate = 0; {more}
            event conn_weird(name: string, c: connection, addl: string, source: string) {{ print name; }}"
        )
    };
    assert_eq!(prints("weirds-none", "socks.pcap", &script("")), "");
    let white = script("redef Weird::sampling_whitelist += { \"bad_HTTP_request\" };");
    let one = "bad_HTTP_request\n";
    assert_eq!(prints("weirds-white", "socks.pcap", &white), one.repeat(3));
    let global = "redef Weird::sampling_global_list += { \"bad_HTTP_request\" }; redef Weird::sampling_threshold = 1;";
    assert_eq!(prints("weirds-global", "socks.pcap", &script(global)), one);
}

#[test]
fn mails_are_excerpted_as_long_as_the_option_says() {
    let script = "
@load protocols/smtp/entities-excerpt
redef SMTP::default_entity_excerpt_len = 11;
event mime_end_entity(c: connection) &priority=10
	{
	if ( c$smtp?$entity && c$smtp$entity$excerpt != \"\" )
		print c$smtp$entity$excerpt;
	}
";
    assert_eq!(prints("excerpts", "smtp.pcap", script), "#!/usr/bin/\n");
}

#[test]
fn packets_are_dropped_as_filters_and_the_default_say() {
    let count = |name: &str, more: &str| {
        let script = format!(
            "global n = 0;
            event new_packet(c: connection, p: pkt_hdr) {{ ++n; }}
            event zeek_done() {{ print n; }}
            {more}"
        );
        prints(name, "http.pcap", &script)
            .trim()
            .parse::<u64>()
            .expect("a number")
    };
    let all = count("drop-none", "");
    assert!(all > 10);
    let nobody = "redef packet_filter_default = T;";
    assert_eq!(count("drop-default", nobody), 0);
    let pass =
        "event zeek_init() { install_src_net_filter(0.0.0.0/0, 0, 0.0); install_src_net_filter([::]/0, 0, 0.0); }";
    assert_eq!(count("drop-but", &format!("{nobody} {pass}")), all);
    let certain =
        "event zeek_init() { install_src_net_filter(0.0.0.0/0, 0, 1.0); install_dst_net_filter([::]/0, 0, 1.0); }";
    assert_eq!(count("drop-all", certain), 0);
    let plugin = "
event NetControl::init() { NetControl::activate(NetControl::create_packetfilter(), 0); }
event NetControl::init_done()
	{
	for ( _, net in vector(0.0.0.0/0, [::]/0) )
		{
		local e = NetControl::Entity($ty=NetControl::ADDRESS, $ip=net);
		NetControl::add_rule(NetControl::Rule($ty=NetControl::DROP, $target=NetControl::MONITOR, $entity=e));
		}
	}
";
    assert_eq!(count("drop-plugin", plugin), 0);
}

#[test]
fn connections_tell_no_sizes_if_the_option_says_so() {
    let script = "
redef use_conn_size_analyzer = F;
event Conn::log_conn(rec: Conn::Info) { print rec?$orig_pkts, rec?$resp_ip_bytes, rec?$orig_bytes; }
event connection_state_remove(c: connection) { print c$orig?$num_pkts; }
";
    let said = prints("no-sizes", "http.pcap", script);
    assert!(said.lines().all(|l| l == "F" || l.starts_with("F, F, ")), "{said}");
    assert!(said.contains("F, F, T\n"), "{said}");
    // Rows that no script sees are made in another way.
    let quiet = "
redef use_conn_size_analyzer = F;
redef LogAscii::output_to_stdout = T;
redef LogAscii::include_meta = F;
event zeek_init()
	{
	local f = Log::get_filter(Conn::LOG, \"default\");
	f$include = set(\"orig_pkts\", \"resp_ip_bytes\");
	Log::add_filter(Conn::LOG, f);
	}
";
    let said = prints("no-sizes-quiet", "http.pcap", quiet);
    let rows: Vec<_> = said.lines().filter(|l| l.split('\t').count() == 2).collect();
    assert!(!rows.is_empty() && rows.iter().all(|l| *l == "-\t-"), "{said}");
}

#[test]
fn secondary_filters_raise_their_events() {
    let script = "
event opened(filter: string, pkt: pkt_hdr) { print filter, pkt$tcp$dport; }
redef secondary_filters += { [\"tcp dst port 80 and tcp[13] & 2 != 0\"] = opened };
";
    let said = prints("secondary", "http.pcap", script);
    let one = "tcp dst port 80 and tcp[13] & 2 != 0, 80/tcp\n";
    assert!(!said.is_empty() && said.replace(one, "").is_empty(), "{said}");
}

#[test]
fn packet_processing_is_profiled_as_often_as_the_options_say() {
    let lines = |mode: &str, every: &str| {
        let script = format!(
            "redef pkt_profile_file = open(\"profile\");
            redef pkt_profile_mode = PKT_PROFILE_MODE_{mode};
            redef pkt_profile_freq = {every};
            event zeek_done() {{ print get_net_stats()$pkts_recvd; }}"
        );
        let dir = folder(format!("settings/profile-{mode}"));
        let packets = on_capture(&dir, "http.pcap", &script);
        let text = std::fs::read_to_string(dir.join("profile")).expect("a profile");
        let rows: Vec<Vec<String>> = text
            .lines()
            .filter(|l| !l.starts_with('#'))
            .map(|l| l.split('\t').map(str::to_string).collect())
            .collect();
        assert!(rows.iter().all(|r| r.len() == 7), "{text}");
        (packets.trim().parse::<usize>().expect("a number"), rows)
    };
    let (packets, rows) = lines("PKTS", "10.0");
    assert_eq!(rows.len(), packets / 10);
    assert_eq!(rows[1][5], "20");
    let (_, rows) = lines("BYTES", "1000.0");
    assert!(rows.len() > 2 && rows.iter().all(|r| r[6].parse::<u64>().is_ok_and(|n| n >= 1000)));
    let (_, rows) = lines("SECS", "0.01");
    assert!(!rows.is_empty());
}

#[test]
fn connections_of_unknown_applications_live_as_long_as_the_option_says() {
    // Without ports and signatures nothing is known.
    let script = |seconds: &str| {
        format!(
            "@load base/protocols/conn
            redef signature_files = \"\";
            redef non_analyzed_lifetime = {seconds};
            event zeek_init() &priority=-100 {{ for ( t in Analyzer::all_registered_ports() ) Analyzer::disable_analyzer(t); }}
            event connection_timeout(c: connection) {{ print c$id$resp_p; }}"
        )
    };
    assert_eq!(prints("lifetime-never", "ssh.pcap", &script("0sec")), "");
    assert!(prints("lifetime-short", "ssh.pcap", &script("1msec")).contains("22/tcp\n"));
    let known = "redef non_analyzed_lifetime = 1msec; event connection_timeout(c: connection) { print c$id$resp_p; }";
    assert!(!prints("lifetime-known", "ssh.pcap", known).contains("22/tcp\n"));
}

#[test]
fn connections_are_recorded_unless_scripts_say_no() {
    let size = |name: &str, script: &str| {
        let dir = folder(format!("settings/record-{name}"));
        let code = format!("redef Log::default_writer = Log::WRITER_NONE; {script}");
        std::fs::write(dir.join("test.zeek"), code).expect("a script");
        let capture = format!("{}/../../tests/captures/http.pcap", env!("CARGO_MANIFEST_DIR"));
        let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
            .current_dir(&dir)
            .args(["-C", "-r", &capture, "-w", "kept.pcap", "test.zeek"])
            .output()
            .expect("tapir runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        std::fs::metadata(dir.join("kept.pcap")).expect("a file").len()
    };
    let no = "event new_connection(c: connection) { set_record_packets(c$id, F); }";
    let yes = "event connection_established(c: connection) { set_record_packets(c$id, T); }";
    let all = size("all", "");
    let few = size("few", no);
    assert!(few < all / 2, "{few} of {all}");
    let again = size("again", &format!("{no} {yes}"));
    assert!(few < again && again < all, "{few}, {again}, {all}");
    assert_eq!(size("whatever", &format!("{no} redef record_all_packets = T;")), all);
}

/// A capture of Ethernet frames with IPv4 and TCP between 10.0.0.1:1025 and 10.0.0.2:9: who sends, flags, sequence number,
/// acknowledgement, data; each a second after the one before.
fn of_tcp(dir: &Path, segments: &[(bool, u8, u32, u32, &[u8])]) -> PathBuf {
    let mut out = Vec::new();
    for n in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65535, 1] {
        out.extend(n.to_le_bytes());
    }
    for (i, (is_orig, flags, seq, ack, data)) in segments.iter().enumerate() {
        let mut f = vec![0; 12];
        f.extend([8, 0, 0x45, 0]);
        f.extend((40 + data.len() as u16).to_be_bytes());
        f.extend([
            0,
            0,
            0,
            0,
            64,
            6,
            0,
            0,
            10,
            0,
            0,
            2 - u8::from(*is_orig),
            10,
            0,
            0,
            1 + u8::from(*is_orig),
        ]);
        let ports = if *is_orig { [1025u16, 9] } else { [9, 1025] };
        f.extend(ports.iter().flat_map(|p| p.to_be_bytes()));
        f.extend(seq.to_be_bytes());
        f.extend(ack.to_be_bytes());
        f.extend([0x50, *flags, 0xff, 0xff, 0, 0, 0, 0]);
        f.extend_from_slice(data);
        for n in [1_700_000_000 + i as u32, 0, f.len() as u32, f.len() as u32] {
            out.extend(n.to_le_bytes());
        }
        out.extend(f);
    }
    let path = dir.join("made.pcap");
    std::fs::write(&path, out).expect("a capture");
    path
}

#[test]
fn segments_are_counted_with_or_without_keep_alives() {
    let dir = folder("settings/segments");
    let (syn, ack) = (2, 16);
    let capture = of_tcp(
        &dir,
        &[
            (true, syn, 99, 0, b""),
            (false, syn | ack, 199, 100, b""),
            (true, ack, 100, 200, b"hello"),
            (false, ack, 200, 105, b""),
            // Data that comes again, twice in a row; then out of order.
            (true, ack, 100, 200, b"hello"),
            (true, ack, 100, 200, b"hello"),
            (true, ack, 110, 200, b"world"),
            (false, ack, 200, 115, b""),
            (true, ack, 114, 200, b"d"),
        ],
    );
    let count = |more: &str| {
        let script = format!(
            "event conn_stats(c: connection, os: endpoint_stats, rs: endpoint_stats)
            {{ print os$num_pkts, os$num_rxmit, os$num_rxmit_bytes, os$num_in_order, os$num_OO, os$num_repl, rs$num_in_order; }}
            {more}"
        );
        on_capture(&dir, &capture.display().to_string(), &script)
    };
    assert_eq!(count(""), "6, 3, 11, 2, 1, 2, 1\n");
    assert_eq!(count("redef ignore_keep_alive_rexmit = T;"), "6, 2, 10, 2, 1, 2, 1\n");
}

#[test]
fn records_of_the_benchmark_are_spread_as_the_options_say() {
    let seconds = |name: &str, options: &str| {
        let script = format!(
            "redef exit_only_after_terminate = T; {options}
            type Row: record {{ s: string; }};
            global first = double_to_time(0.0);
            event row(d: Input::EventDescription, t: Input::Event, s: string)
                {{ if ( first == double_to_time(0.0) ) first = current_time(); }}
            event zeek_init() {{ Input::add_event([$source=\"5\", $name=\"b\", $fields=Row, $ev=row, $want_record=F,
                $reader=Input::READER_BENCHMARK, $mode=Input::MANUAL]); }}
            event Input::end_of_data(name: string, source: string)
                {{ print interval_to_double(current_time() - first); terminate(); }}"
        );
        let dir = folder(format!("settings/benchmark-{name}"));
        std::fs::write(dir.join("test.zeek"), script).expect("a script");
        let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
            .current_dir(&dir)
            .arg("test.zeek")
            .output()
            .expect("tapir runs");
        let text = String::from_utf8_lossy(&out.stdout).trim().to_string();
        text.parse::<f64>()
            .unwrap_or_else(|_| panic!("{text}: {}", String::from_utf8_lossy(&out.stderr)))
    };
    // The first of five rows is not waited for.
    assert!(seconds("spread", "redef InputBenchmark::spread = 200000;") > 0.7);
    assert!(seconds("auto", "redef InputBenchmark::autospread = 1.0;") > 0.7);
    assert!(seconds("timed", "redef InputBenchmark::timedspread = 1.0;") > 0.7);
    let stops = "redef InputBenchmark::spread = 60000000; redef InputBenchmark::stopspreadat = 5;";
    assert!(seconds("stops", stops) < 50.0);
}

#[test]
fn options_without_a_meaning_here_say_so() {
    let warns = |name: &str, args: &[&str]| {
        let dir = folder(format!("settings/idle-{name}"));
        let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
            .current_dir(&dir)
            .args(args)
            .output()
            .expect("tapir runs");
        String::from_utf8_lossy(&out.stderr).into_owned()
    };
    assert_eq!(warns("defaults", &["-e", "event zeek_init() { }"]), "");
    let said = warns(
        "set",
        &[
            "-b",
            "-e",
            "redef sig_max_group_size = 7; redef Spicy::enable_print = T;",
        ],
    );
    for text in [
        "warning in <command line>, line 1: sig_max_group_size has no effect: patterns of signatures are matched all at once\n",
        "warning in <command line>, line 1: Spicy::enable_print has no effect: Spicy analyzers are not built in\n",
    ] {
        assert!(said.contains(text), "{said}");
    }
    // The same for several nodes of a process is said once.
    let capture = format!("{}/../../tests/captures/http.pcap", env!("CARGO_MANIFEST_DIR"));
    let said = warns(
        "workers",
        &["-C", "-r", &capture, "--workers", "2", "sig_max_group_size=7"],
    );
    assert_eq!(said.matches("sig_max_group_size has no effect").count(), 1, "{said}");
}

/// A capture of Ethernet frames with IPv4 and UDP from 10.0.0.1 to 10.0.0.2: seconds, port, data.
fn of_udp(dir: &Path, datagrams: &[(u32, u16, &[u8])]) -> PathBuf {
    let mut out = Vec::new();
    for n in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65535, 1] {
        out.extend(n.to_le_bytes());
    }
    for (seconds, port, data) in datagrams {
        let mut f = vec![0; 12];
        f.extend([8, 0, 0x45, 0]);
        f.extend((28 + data.len() as u16).to_be_bytes());
        f.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        f.extend(port.to_be_bytes().repeat(2));
        f.extend((8 + data.len() as u16).to_be_bytes());
        f.extend([0, 0]);
        f.extend_from_slice(data);
        for n in [1_700_000_000 + seconds, 0, f.len() as u32, f.len() as u32] {
            out.extend(n.to_le_bytes());
        }
        out.extend(f);
    }
    let path = dir.join("in.pcap");
    std::fs::write(&path, out).expect("a capture");
    path
}

#[test]
fn netbios_over_udp_ends_after_the_time_of_the_option() {
    // A datagram to a group (RFC 1002, section 4.4.2), without names and data.
    let datagram = [0x11, 2, 0, 1, 10, 0, 0, 1, 0, 138, 0, 0, 0, 0, 0, 0];
    let ends = |name: &str, options: &str| {
        let dir = folder(format!("settings/netbios-{name}"));
        let capture = of_udp(&dir, &[(0, 138, &datagram), (10, 9, b"x"), (40, 9, b"x")]);
        let script = format!(
            "{options}
            redef udp_inactivity_timeout = 1hr;
            event zeek_init() {{ Analyzer::register_for_port(Analyzer::ANALYZER_NETBIOSSSN, 138/udp); }}
            event new_connection(c: connection) {{ print \"begins\", c$id$resp_p; }}
            event netbios_session_message(c: connection, is_orig: bool, msg_type: count, data_len: count) {{ print msg_type; }}
            event udp_request(u: connection) {{ if ( u$id$resp_p == 9/udp ) print network_time() - u$start_time; }}
            event connection_state_remove(c: connection) {{ print \"ends\", c$id$resp_p; }}"
        );
        on_capture(&dir, capture.to_str().expect("a path of text"), &script)
    };
    let short = ends("short", "redef netbios_ssn_session_timeout = 3sec;");
    assert!(short.starts_with("begins, 138/udp\n17\n"), "{short}");
    assert!(short.contains("ends, 138/udp\nbegins, 9/udp\n"), "{short}");
    // Fifteen seconds end between the other two datagrams.
    let usual = ends("usual", "");
    assert!(
        usual.contains("begins, 9/udp\n0 secs\nends, 138/udp\n30.0 secs\n"),
        "{usual}"
    );
    let long = ends("long", "redef netbios_ssn_session_timeout = 2min;");
    assert!(long.contains("30.0 secs\nends, "), "{long}");
}

/// A capture of ours three times, twenty seconds apart.
fn thrice(dir: &Path, capture: &str) -> PathBuf {
    let file = format!("{}/../../tests/captures/{capture}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(file).expect("a capture");
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
    let mut out = bytes[..24].to_vec();
    for seconds in [0, 20, 40] {
        let mut at = 24;
        while at < bytes.len() {
            let next = at + 16 + number(at + 8) as usize;
            out.extend((number(at) + seconds).to_le_bytes());
            out.extend(&bytes[at + 4..next]);
            at = next;
        }
    }
    let path = dir.join("in.pcap");
    std::fs::write(&path, out).expect("a capture");
    path
}

#[test]
fn certificates_that_are_met_again_come_from_the_cache() {
    let met = |name: &str, script: &str| {
        let dir = folder(format!("settings/cache-{name}"));
        let capture = thrice(&dir, "tls.pcap");
        let script = format!(
            "event x509_certificate(f: fa_file, cert_ref: opaque of x509, cert: X509::Certificate) {{ print \"parsed\"; }}
            hook X509::x509_certificate_cache_replay(f: fa_file, e: X509::Info, sha256: string) &priority=-10
                {{ print \"replayed\", |sha256|, f$info$x509$certificate$subject == e$certificate$subject; }}
            {script}"
        );
        on_capture(&dir, capture.to_str().expect("a path of text"), &script)
    };
    assert_eq!(met("usual", ""), "parsed\nparsed\nparsed\n");
    let at_once = "redef X509::caching_required_encounters = 1;";
    assert_eq!(met("at-once", at_once), "parsed\nreplayed, 64, T\nreplayed, 64, T\n");
    let second = "redef X509::caching_required_encounters = 2;";
    assert_eq!(met("second", second), "parsed\nparsed\nreplayed, 64, T\n");
    // Servers that have sent a certificate before have none of its events, unless a connection wants them.
    let known = format!("@load files/x509/disable-certificate-events-known-certs\n{at_once}");
    assert_eq!(met("known", &known), "parsed\nreplayed, 64, T\n");
    let wanted = format!(
        "{known} event ssl_client_hello(c: connection, version: count, record_version: count,
        possible_ts: time, client_random: string, session_id: string, ciphers: index_vec, comp_methods: index_vec)
        {{ c$ssl$always_raise_x509_events = T; }}"
    );
    assert_eq!(met("wanted", &wanted), "parsed\nreplayed, 64, T\nreplayed, 64, T\n");
}
