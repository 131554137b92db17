##! Finds IMAP, so that the TLS session behind STARTTLS is followed.

module IMAP;

export {
	const ports: set[port] = { 143/tcp } &redef;
}

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Analyzer::register_for_ports(Analyzer::ANALYZER_IMAP, ports);
	}
