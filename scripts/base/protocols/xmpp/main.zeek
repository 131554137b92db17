##! Finds XMPP, so that the TLS session behind STARTTLS is followed.

module XMPP;

export {
	const ports: set[port] = { 5222/tcp, 5269/tcp } &redef;
}

redef likely_server_ports += { ports };

event zeek_init() &priority=5
	{
	Analyzer::register_for_ports(Analyzer::ANALYZER_XMPP, ports);
	}
