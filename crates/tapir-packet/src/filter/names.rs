//! Names that stand for numbers in filters: protocols, ports, flags, message types.

use super::Proto;

pub(super) fn proto_of(word: &str) -> Option<Proto> {
    Some(match word {
        "ether" | "fddi" | "tr" | "wlan" | "link" => Proto::Ether,
        "ip" => Proto::Ip,
        "ip6" => Proto::Ip6,
        "arp" => Proto::Arp,
        "rarp" => Proto::Rarp,
        "tcp" => Proto::Tcp,
        "udp" => Proto::Udp,
        "sctp" => Proto::Sctp,
        "icmp" => Proto::Icmp,
        "icmp6" => Proto::Icmp6,
        "igmp" => Proto::Igmp,
        "ah" => Proto::Ah,
        "esp" => Proto::Esp,
        _ => return None,
    })
}

pub(super) fn named_number(word: &str) -> Option<u32> {
    Some(match word {
        "tcpflags" => 13,
        "tcp-fin" => 1,
        "tcp-syn" => 2,
        "tcp-rst" => 4,
        "tcp-push" => 8,
        "tcp-ack" => 16,
        "tcp-urg" => 32,
        "tcp-ece" => 64,
        "tcp-cwr" => 128,
        "icmptype" | "icmp6type" => 0,
        "icmpcode" | "icmp6code" => 1,
        "icmp-echoreply" => 0,
        "icmp-unreach" => 3,
        "icmp-sourcequench" => 4,
        "icmp-redirect" => 5,
        "icmp-echo" => 8,
        "icmp-routeradvert" => 9,
        "icmp-routersolicit" => 10,
        "icmp-timxceed" => 11,
        "icmp-paramprob" => 12,
        "icmp-tstamp" => 13,
        "icmp-tstampreply" => 14,
        "icmp-ireq" => 15,
        "icmp-ireqreply" => 16,
        "icmp-maskreq" => 17,
        "icmp-maskreply" => 18,
        "icmp6-destinationunreach" => 1,
        "icmp6-packettoobig" => 2,
        "icmp6-timeexceeded" => 3,
        "icmp6-parameterproblem" => 4,
        "icmp6-echo" => 128,
        "icmp6-echoreply" => 129,
        "icmp6-routersolicit" => 133,
        "icmp6-routeradvert" => 134,
        "icmp6-neighborsolicit" => 135,
        "icmp6-neighboradvert" => 136,
        "icmp6-redirect" => 137,
        _ => return None,
    })
}

pub(super) fn named_port(word: &str) -> Option<u16> {
    Some(match word {
        "ftp-data" => 20,
        "ftp" => 21,
        "ssh" => 22,
        "telnet" => 23,
        "smtp" => 25,
        "domain" => 53,
        "bootps" => 67,
        "bootpc" => 68,
        "tftp" => 69,
        "http" | "www" => 80,
        "kerberos" => 88,
        "pop3" => 110,
        "sunrpc" => 111,
        "ntp" => 123,
        "netbios-ns" => 137,
        "netbios-ssn" => 139,
        "imap" | "imap2" => 143,
        "snmp" => 161,
        "snmp-trap" => 162,
        "bgp" => 179,
        "irc" => 194,
        "ldap" => 389,
        "https" => 443,
        "microsoft-ds" => 445,
        "syslog" => 514,
        "submission" => 587,
        "ldaps" => 636,
        "imaps" => 993,
        "pop3s" => 995,
        "ms-sql-s" => 1433,
        "mysql" => 3306,
        "ms-wbt-server" | "rdp" => 3389,
        "postgresql" => 5432,
        "sip" => 5060,
        "xmpp-client" => 5222,
        _ => return None,
    })
}

pub(super) fn named_ip_proto(word: &str) -> Option<u32> {
    proto_of(word).and_then(Proto::ip_number).map(u32::from).or(match word {
        "gre" => Some(47),
        "ipip" => Some(4),
        "ipv6" => Some(41),
        "ospf" => Some(89),
        "pim" => Some(103),
        "vrrp" => Some(112),
        _ => None,
    })
}

pub(super) fn named_ether_type(word: &str) -> Option<u32> {
    Some(match word {
        "ip" => 0x0800,
        "ip6" => 0x86dd,
        "arp" => 0x0806,
        "rarp" => 0x8035,
        "aarp" => 0x80f3,
        "decnet" => 0x6003,
        "lat" => 0x6004,
        "loopback" => 0x9000,
        _ => return None,
    })
}
