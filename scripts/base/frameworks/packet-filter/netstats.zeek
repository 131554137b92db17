##! Looks for packets that the capture lost, and raises notices.

@load base/frameworks/notice
@load ./main

module PacketFilter;

export {
	## How often to look.
	const stats_collection_interval: interval = 5min;
}

event net_stats_update(last_stat: NetStats)
	{
	local ns = get_net_stats();
	local new_dropped = ns$pkts_dropped > last_stat$pkts_dropped ? ns$pkts_dropped - last_stat$pkts_dropped : 0;

	if ( new_dropped > 0 )
		{
		local new_recvd = ns$pkts_recvd - last_stat$pkts_recvd;
		local new_link = ns$pkts_link - last_stat$pkts_link;
		NOTICE(Notice::Info($note=Dropped_Packets,
		                    $msg=fmt("%d packets dropped after filtering, %d received%s", new_dropped,
		                             new_recvd + new_dropped,
		                             new_link != 0 ? fmt(", %d on link", new_link) : "")));
		}

	schedule stats_collection_interval { net_stats_update(ns) };
	}

event zeek_init()
	{
	# Only live traffic can be lost here.
	if ( reading_live_traffic() )
		schedule stats_collection_interval { net_stats_update(get_net_stats()) };
	}
