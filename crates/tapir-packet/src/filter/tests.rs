//! Filters over a few hand-made packets.

use super::Filter;
use crate::source::RawPacket;

/// An Ethernet frame with a TCP segment 10.0.0.1:1234 > 192.168.1.2:80, flags SYN and ACK.
fn tcp_frame(tagged: bool) -> Vec<u8> {
    let mut f = vec![1, 2, 3, 4, 5, 6, 0xa, 0xb, 0xc, 0xd, 0xe, 0xf];
    if tagged {
        f.extend([0x81, 0, 0, 42]);
    }
    f.extend([
        8, 0, 0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 192, 168, 1, 2,
    ]);
    f.extend([0x04, 0xd2, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x12, 1, 0, 0, 0, 0, 0]);
    f
}

fn passes(text: &str, data: &[u8]) -> bool {
    let f = Filter::compile(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    f.matches(&RawPacket {
        ts_sec: 0,
        ts_usec: 0,
        len: data.len() as u32,
        data,
        link_type: 1,
    })
}

#[test]
fn common_filters() {
    let f = tcp_frame(false);
    for yes in [
        "",
        "ip",
        "tcp",
        "ip or not ip",
        "host 10.0.0.1",
        "src host 10.0.0.1 and dst port 80",
        "tcp port http",
        "port 80 or 443",
        "net 192.168.1.0/24",
        "net 10",
        "dst net 192.168",
        "net 10.0.0.0 mask 255.0.0.0",
        "portrange 70-90",
        "tcp portrange 1-100",
        "tcp[tcpflags] & (tcp-syn|tcp-ack) == (tcp-syn|tcp-ack)",
        "tcp[13] & 2 != 0",
        "ip[2:2] = 40",
        "ip[8] < 65 and len <= 54",
        "less 60",
        "greater 54",
        "ether host 0a:0b:0c:0d:0e:0f",
        "ether dst 01:02:03:04:05:06",
        "ether[0] & 1 = 1",
        "not udp && !icmp",
        "(tcp or udp) and (host 10.0.0.1 or host 10.0.0.9)",
        "ip proto 6",
        "ip proto \\tcp",
        "proto 6",
        "ether proto 0x0800",
        "src or dst port 1234",
        "host 10.0.0.9 or 10.0.0.1",
        "tcp[0:2] - 1234 = 0",
        "(ip[0] & 0xf) * 4 = 20",
        "ether multicast",
    ] {
        assert!(passes(yes, &f), "{yes}");
    }
    for no in [
        "udp",
        "ip6",
        "host 10.0.0.2",
        "src port 80",
        "vlan",
        "icmp",
        "udp port 80",
        "tcp[13] & 4 != 0",
        "src and dst host 10.0.0.1",
        "ip[6:2] & 0x2000 != 0",
        "tcp[100] = 0",
        "host ::1",
        "ip broadcast",
    ] {
        assert!(!passes(no, &f), "{no}");
    }
}

#[test]
fn tags_shift_what_follows() {
    let f = tcp_frame(true);
    assert!(passes("vlan and tcp port 80", &f));
    assert!(passes("vlan 42 and host 10.0.0.1", &f));
    assert!(!passes("vlan 41", &f));
    assert!(!passes("tcp", &f));
    assert!(passes("tcp or (vlan and tcp)", &f));
}

#[test]
fn cut_packets_do_not_match() {
    let f = tcp_frame(false);
    for n in 0..f.len() {
        passes("tcp port 80 and tcp[13] & 2 != 0 and ip6[40] = 1", &f[..n]);
        passes("vlan and mpls and host 1.2.3.4", &f[..n]);
    }
}

#[test]
fn errors_say_what_and_where() {
    for (text, want) in [
        ("host", "an address is expected"),
        ("host www.example.org", "names of hosts are not looked up"),
        ("port 70000", "larger than 65535"),
        ("tcp and", "the filter ends where a test is expected"),
        ("tcp udp", "`udp`"),
        ("(tcp", "a `)` is missing"),
        ("tcp[0:3] = 1", "1, 2 or 4"),
        ("net 10.0.0.1/8", "beyond its prefix"),
        ("foo", "`foo`"),
        ("ip port 80", "`tcp`, `udp` or `sctp`"),
        ("tcp[0] + 1", "a comparison"),
        ("gateway 10.0.0.1", "not supported"),
        ("tcp $", "unexpected character `$`"),
    ] {
        let e = Filter::compile(text).expect_err(text).to_string();
        assert!(e.contains(want), "{text}: {e}");
    }
}
