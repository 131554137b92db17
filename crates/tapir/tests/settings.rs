//! Settings of scripts that steer native code: each is honoured, also when it is changed while the program runs.

mod background;

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
