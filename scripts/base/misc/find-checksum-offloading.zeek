##! Warns when so many checksums are wrong that the capturing host probably leaves them to its network card.

module ChecksumOffloading;

export {
	## How often to look.
	const check_interval: interval = 10sec &redef;
}

global bad_ip = 0;
global bad_tcp = 0;
global bad_udp = 0;
global done = F;

global check: event();

function look(final: bool)
	{
	if ( done )
		return;

	local packets = get_net_stats()$pkts_recvd;

	if ( packets == 0 )
		return;

	local total: double = packets;
	local kinds: string_vec = vector();

	if ( bad_ip / total > 0.05 )
		kinds += "IP";

	if ( bad_tcp / total > 0.05 )
		kinds += "TCP";

	if ( bad_udp / total > 0.05 )
		kinds += "UDP";

	if ( |kinds| > 0 )
		{
		local source = reading_traces() ? "trace file likely has" : "interface is likely receiving";
		Reporter::warning(fmt("The %s packets with wrong %s checksums, probably because the network card computes them. Packets with wrong checksums are ignored by default; use the option -C or turn checksum offloading off.",
		                      source, join_string_vec(kinds, " and ")));
		done = T;
		}
	else if ( packets < 20 && ! final )
		schedule check_interval { ChecksumOffloading::check() };
	}

event ChecksumOffloading::check()
	{
	look(F);
	}

event zeek_init()
	{
	schedule check_interval { ChecksumOffloading::check() };
	}

event net_weird(name: string, addl: string, source: string)
	{
	if ( name == "bad_IP_checksum" )
		++bad_ip;
	}

event conn_weird(name: string, c: connection, addl: string, source: string)
	{
	if ( name == "bad_TCP_checksum" )
		++bad_tcp;
	else if ( name == "bad_UDP_checksum" )
		++bad_udp;
	}

event zeek_done()
	{
	look(T);
	}
