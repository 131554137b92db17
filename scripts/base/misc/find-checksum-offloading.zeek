##! Warns when so many checksums are wrong that the capturing host probably leaves them to its network card.

@load base/frameworks/cluster

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

# Gives whether to look again later.
function judge(packets: count, final: bool): bool
	{
	if ( done || packets == 0 )
		return F;

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

	return ! done && packets < 20 && ! final;
	}

@if ( Cluster::is_enabled() && Cluster::acts_as_one )

# All packets that workers have told of, at one moment after the other; nobody judges by a part of them.
global told: table[time] of count &default=0;
global all_packets = 0;
global looks = T;
global my_packets = 0;

event ChecksumOffloading::counted(now: time, packets: count, ip: count, tcp: count, udp: count)
	{
	all_packets += packets;
	bad_ip += ip;
	bad_tcp += tcp;
	bad_udp += udp;

	if ( ++told[now] < Cluster::get_node_count(Cluster::WORKER) )
		return;

	delete told[now];

	if ( looks && all_packets > 0 )
		looks = judge(all_packets, F);
	}

function look(final: bool)
	{
	if ( Cluster::local_node_type() == Cluster::WORKER )
		{
		local n = get_net_stats()$pkts_recvd;
		Cluster::publish(Cluster::manager_topic, ChecksumOffloading::counted, network_time(), n - my_packets,
		                 bad_ip, bad_tcp, bad_udp);
		my_packets = n;
		bad_ip = bad_tcp = bad_udp = 0;

		if ( ! final )
			schedule check_interval { ChecksumOffloading::check() };
		}
	else if ( final && Cluster::local_node_type() == Cluster::MANAGER )
		judge(all_packets, T);
	}

@else

function look(final: bool)
	{
	if ( judge(get_net_stats()$pkts_recvd, final) )
		schedule check_interval { ChecksumOffloading::check() };
	}

@endif

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
