##! Numbers of the OpenFlow protocol and of what it matches.

module OpenFlow;

export {
	const ETH_APPLETALK: count = 32923;
	const ETH_APPLETALK_ARP: count = 33011;
	const ETH_ARP: count = 2054;
	const ETH_EAP_OVER_LAN: count = 34958;
	const ETH_ETHER_FLOW_CONTROL: count = 34824;
	const ETH_IPX: count = 33080;
	const ETH_IPX_OLD: count = 33079;
	const ETH_IPv4: count = 2048;
	const ETH_IPv6: count = 34525;
	const ETH_JUMBO_FRAMES: count = 34928;
	const ETH_MAC_SECURITY: count = 35045;
	const ETH_MPLS_MULTICAST: count = 34888;
	const ETH_MPLS_UNICAST: count = 34887;
	const ETH_PPPOE_DISCOVERY: count = 34915;
	const ETH_PPPOE_SESSION: count = 34916;
	const ETH_PROVIDER_BRIDING: count = 34984;
	const ETH_QINQ: count = 37120;
	const ETH_RARP: count = 32821;
	const ETH_VLAN: count = 33024;
	const ETH_WOL: count = 2114;
	const INVALID_COOKIE: count = 9223372036854775807;
	const IP_CBT: count = 7;
	const IP_EGP: count = 8;
	const IP_ETHERIP: count = 97;
	const IP_FC: count = 133;
	const IP_GGP: count = 3;
	const IP_GRE: count = 47;
	const IP_HOPOPT: count = 0;
	const IP_ICMP: count = 1;
	const IP_IGMP: count = 2;
	const IP_IGP: count = 9;
	const IP_IPIP: count = 4;
	const IP_IPv6: count = 41;
	const IP_ISIS: count = 124;
	const IP_L2TP: count = 115;
	const IP_MPLS: count = 137;
	const IP_MTP: count = 92;
	const IP_OSPF: count = 89;
	const IP_RDP: count = 27;
	const IP_RSVP: count = 46;
	const IP_ST: count = 5;
	const IP_TCP: count = 6;
	const IP_UDP: count = 17;
	const OFPFF_CHECK_OVERLAP: count = 2;
	const OFPFF_EMERG: count = 4;
	const OFPFF_SEND_FLOW_REM: count = 1;
	const OFPP_ALL: count = 4294967292;
	const OFPP_ANY: count = 4294967295;
	const OFPP_CONTROLLER: count = 4294967293;
	const OFPP_FLOOD: count = 4294967291;
	const OFPP_IN_PORT: count = 4294967288;
	const OFPP_LOCAL: count = 4294967294;
	const OFPP_NORMAL: count = 4294967290;
	const OFPP_TABLE: count = 4294967289;
	const OFPTT_ALL: count = 255;
	const OFP_NO_BUFFER: count = 4294967295;

	type ofp_config_flags: enum {
		OFPC_FRAG_NORMAL = 0,
		OFPC_FRAG_DROP = 1,
		OFPC_FRAG_REASM = 2,
		OFPC_FRAG_MASK = 3,
	};

	type ofp_action_type: enum {
		OFPAT_OUTPUT = 0,
		OFPAT_SET_VLAN_VID = 1,
		OFPAT_SET_VLAN_PCP = 2,
		OFPAT_STRIP_VLAN = 3,
		OFPAT_SET_DL_SRC = 4,
		OFPAT_SET_DL_DST = 5,
		OFPAT_SET_NW_SRC = 6,
		OFPAT_SET_NW_DST = 7,
		OFPAT_SET_NW_TOS = 8,
		OFPAT_SET_TP_SRC = 9,
		OFPAT_SET_TP_DST = 10,
		OFPAT_ENQUEUE = 11,
		OFPAT_VENDOR = 0xffff,
	};

	type ofp_flow_mod_command: enum {
		OFPFC_ADD = 0,
		OFPFC_MODIFY = 1,
		OFPFC_MODIFY_STRICT = 2,
		OFPFC_DELETE = 3,
		OFPFC_DELETE_STRICT = 4,
	};
}
