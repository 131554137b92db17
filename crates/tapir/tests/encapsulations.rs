//! One datagram in every wrapping that a capture may hold it in, each put together by hand: who is seen to talk to whom, in
//! which tunnel, and what is found odd.

mod background;

use std::path::{Path, PathBuf};
use std::process::Command;

use background::{folder, rows};

/// A capture with these frames of one link type.
fn capture(link_type: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut f: Vec<u8> = [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, link_type]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .collect();
    for (i, frame) in frames.iter().enumerate() {
        let len = frame.len() as u32;
        f.extend(
            [1_700_000_000, i as u32 * 1000, len, len]
                .iter()
                .flat_map(|n| n.to_le_bytes()),
        );
        f.extend(frame);
    }
    f
}

/// Analyses frames; gives the folder with the logs.
fn logs(name: &str, link_type: u32, frames: &[Vec<u8>]) -> PathBuf {
    let dir = folder(Path::new("encapsulations").join(name));
    std::fs::write(dir.join("frames.pcap"), capture(link_type, frames)).expect("the capture can be written");
    let out = Command::new(env!("CARGO_BIN_EXE_tapir"))
        .args(["-C", "-r", "frames.pcap"])
        .current_dir(&dir)
        .env_remove("ZEEKPATH")
        .output()
        .expect("tapir runs");
    assert!(out.status.success(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
    dir
}

fn ip4(protocol: u8, from: [u8; 4], to: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut p = vec![0x45, 0];
    p.extend((20 + body.len() as u16).to_be_bytes());
    p.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    p.extend(from);
    p.extend(to);
    p.extend(body);
    p
}

fn ip6(next: u8, from: u8, to: u8, body: &[u8]) -> Vec<u8> {
    let mut p = vec![0x60, 0, 0, 0];
    p.extend((body.len() as u16).to_be_bytes());
    p.extend([next, 64]);
    for last in [from, to] {
        p.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    p.extend(body);
    p
}

/// The datagram that is wrapped: four bytes from port 40000 to port 9999.
fn udp() -> Vec<u8> {
    [&[0x9c, 0x40, 0x27, 0x0f, 0, 12, 0, 0][..], b"data"].concat()
}

fn inner4() -> Vec<u8> {
    ip4(17, [10, 0, 0, 1], [10, 0, 0, 2], &udp())
}

fn inner6() -> Vec<u8> {
    ip6(17, 1, 2, &udp())
}

const CONN4: &str = "10.0.0.1 40000 10.0.0.2 9999 udp";
const CONN6: &str = "2001:db8::1 40000 2001:db8::2 9999 udp";
const WHO: &[&str] = &["id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto"];

/// Two addresses and a type in front.
fn ether(kind: u16, body: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1][..], &kind.to_be_bytes(), body].concat()
}

/// What is behind an Ethernet header with a length.
fn counted(body: &[u8]) -> Vec<u8> {
    ether(body.len() as u16, body)
}

fn tag(id: u16, kind: u16, body: &[u8]) -> Vec<u8> {
    [&id.to_be_bytes()[..], &kind.to_be_bytes(), body].concat()
}

/// PPP over Ethernet: a session's packet that says how long it is.
fn pppoe(protocol: u16, len: usize, body: &[u8]) -> Vec<u8> {
    let head = [
        &[0x11, 0, 0, 9][..],
        &(len as u16).to_be_bytes(),
        &protocol.to_be_bytes(),
    ]
    .concat();
    ether(0x8864, &[&head, body].concat())
}

/// One wrapping and what is seen of it.
struct Case {
    name: &'static str,
    link_type: u32,
    frame: Vec<u8>,
    /// What conn.log says.
    conns: &'static [&'static str],
    /// Names and sources in weird.log.
    weirds: &'static [&'static str],
}

fn check(cases: Vec<Case>) {
    for c in cases {
        let dir = logs(c.name, c.link_type, &[c.frame]);
        assert_eq!(rows(&dir, "conn", WHO), c.conns, "{}", c.name);
        assert_eq!(rows(&dir, "weird", &["name", "addl", "source"]), c.weirds, "{}", c.name);
    }
}

fn fine(name: &'static str, link_type: u32, frame: Vec<u8>) -> Case {
    Case {
        name,
        link_type,
        frame,
        conns: &[CONN4],
        weirds: &[],
    }
}

fn fine6(name: &'static str, link_type: u32, frame: Vec<u8>) -> Case {
    Case {
        name,
        link_type,
        frame,
        conns: &[CONN6],
        weirds: &[],
    }
}

fn odd(name: &'static str, link_type: u32, frame: Vec<u8>, weirds: &'static [&'static str]) -> Case {
    Case {
        name,
        link_type,
        frame,
        conns: &[],
        weirds,
    }
}

#[test]
fn frames_of_ethernet() {
    let ip = inner4();
    let snap = |oui: [u8; 3], kind: u16, body: &[u8]| {
        counted(&[&[0xaa, 0xaa, 3][..], &oui, &kind.to_be_bytes(), body].concat())
    };
    check(vec![
        fine("plain", 1, ether(0x0800, &ip)),
        fine6("plain-6", 1, ether(0x86dd, &inner6())),
        fine("vlan", 1, ether(0x8100, &tag(5, 0x0800, &ip))),
        fine("vlan-old", 1, ether(0x9100, &tag(5, 0x0800, &ip))),
        fine("qinq", 1, ether(0x88a8, &tag(5, 0x8100, &tag(6, 0x0800, &ip)))),
        Case {
            weirds: &["triple_tagged_vlan_unsupported inner VLAN tag overwritten VLAN"],
            ..fine(
                "three-tags",
                1,
                ether(0x88a8, &tag(5, 0x8100, &tag(6, 0x8100, &tag(7, 0x0800, &ip)))),
            )
        },
        fine(
            "mpls",
            1,
            ether(0x8847, &[&[0, 1, 0, 64, 0, 2, 1, 64][..], &ip].concat()),
        ),
        fine6("mpls-6", 1, ether(0x8847, &[&[0, 2, 1, 64][..], &inner6()].concat())),
        odd(
            "mpls-cut",
            1,
            ether(0x8847, &[0, 1, 0, 64, 0, 2]),
            &["truncated_link_header - MPLS"],
        ),
        fine(
            "backbone",
            1,
            ether(0x88e7, &[&[0, 0, 0, 9][..], &ether(0x0800, &ip)].concat()),
        ),
        fine(
            "vntag",
            1,
            ether(
                0x8926,
                &[&[0, 1, 0, 2][..], &0x8100u16.to_be_bytes(), &tag(5, 0x0800, &ip)].concat(),
            ),
        ),
        odd(
            "vntag-cut",
            1,
            ether(0x8926, &[0, 1, 0, 2, 0x81, 0]),
            &["truncated_vntag_header - VNTAG"],
        ),
        fine(
            "fabric-path",
            1,
            [&ether(0x8903, &[0, 0])[..], &ether(0x0800, &ip)].concat(),
        ),
        fine("snap", 1, snap([0; 3], 0x0800, &ip)),
        fine(
            "snap-vlan",
            1,
            ether(0x8100, &tag(5, 8 + ip.len() as u16, &snap([0; 3], 0x0800, &ip)[14..])),
        ),
        odd("snap-other", 1, snap([0, 0, 0x0c], 0x2000, &ip), &[]),
        odd(
            "snap-cut",
            1,
            counted(&[0xaa, 0xaa, 3, 0, 0]),
            &["truncated_snap_header - SNAP"],
        ),
        odd("spanning-tree", 1, counted(&[0x42, 0x42, 3, 0, 0, 0, 0, 0]), &[]),
        odd(
            "novell",
            1,
            counted(&[0xff, 0xff, 0, 34, 0, 17]),
            &["no_suitable_analyzer_found - NOVELL_802_3"],
        ),
        odd("neither", 1, ether(0x05e0, &ip), &["undefined_ether_type - ETHERNET"]),
        odd(
            "neither-vlan",
            1,
            ether(0x8100, &tag(5, 0x05e0, &ip)),
            &["undefined_vlan_protocol - VLAN"],
        ),
        odd(
            "short",
            1,
            ether(0x0800, &[0x45, 0]),
            &["truncated_ethernet_frame - ETHERNET"],
        ),
        odd(
            "vlan-cut",
            1,
            ether(0x8100, &[0, 5, 8, 0]),
            &["truncated_VLAN_header - VLAN"],
        ),
        odd("other-type", 1, ether(0x88b5, &ip), &[]),
    ]);
}

#[test]
fn sessions_of_ppp() {
    let (ip, ip6) = (inner4(), inner6());
    check(vec![
        fine("pppoe", 1, pppoe(0x0021, 2 + ip.len(), &ip)),
        fine6("pppoe-6", 1, pppoe(0x0057, 2 + ip6.len(), &ip6)),
        // Ethernet pads short frames.
        Case {
            weirds: &["pppoe_extra_data_after_payload - PPPOE"],
            ..fine(
                "pppoe-padded",
                1,
                pppoe(0x0021, 2 + ip.len(), &[&ip[..], &[0; 6]].concat()),
            )
        },
        Case {
            weirds: &["pppoe_truncated_payload - PPPOE"],
            ..fine("pppoe-long", 1, pppoe(0x0021, 12 + ip.len(), &ip))
        },
        odd("pppoe-link-control", 1, pppoe(0xc021, 6, &[9, 1, 0, 4]), &[]),
        odd(
            "pppoe-cut",
            1,
            ether(0x8864, &[0x11, 0, 0, 9, 0, 2, 0, 0x21]),
            &["truncated_pppoe_header - PPPOE"],
        ),
        fine("ppp", 9, [&[0xff, 3, 0, 0x21][..], &ip].concat()),
        fine("ppp-short", 9, [&[0, 0x21][..], &ip].concat()),
        fine6("ppp-6", 9, [&[0xff, 3, 0, 0x57][..], &ip6].concat()),
        fine("ppp-mpls", 9, [&[0xff, 3, 2, 0x81, 0, 2, 1, 64][..], &ip].concat()),
        odd("ppp-cut", 9, vec![0xff], &["truncated_ppp_header - PPP"]),
        odd("ppp-cut-2", 9, vec![0xff, 3, 0], &["truncated_ppp_hdlc_header - PPP"]),
        fine("serial", 50, [&[0xff, 3, 0, 0x21][..], &ip].concat()),
        fine("serial-mpls", 50, [&[0xff, 3, 2, 0x81, 0, 2, 1, 64][..], &ip].concat()),
        odd(
            "serial-cut",
            50,
            vec![0xff, 3, 0, 0x21],
            &["truncated_ppp_serial_header - PPPSERIAL"],
        ),
    ]);
}

#[test]
fn link_types_without_ethernet() {
    let (ip, ip6) = (inner4(), inner6());
    let sll = |kind: u16, body: &[u8]| {
        [
            &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0][..],
            &kind.to_be_bytes(),
            body,
        ]
        .concat()
    };
    let sll2 = |kind: u16, body: &[u8]| {
        [
            &kind.to_be_bytes()[..],
            &[0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0],
            body,
        ]
        .concat()
    };
    let nflog = |family: u8, version: u8, len: u16, body: &[u8]| {
        let prefix = [
            &[family, version, 0, 0][..],
            &len.to_le_bytes(),
            &10u16.to_le_bytes(),
            b"ab\0\0",
        ]
        .concat();
        let payload = [&(4 + body.len() as u16).to_le_bytes()[..], &9u16.to_le_bytes(), body].concat();
        [prefix, payload].concat()
    };
    check(vec![
        fine("cooked", 113, sll(0x0800, &ip)),
        fine6("cooked-6", 113, sll(0x86dd, &ip6)),
        odd("cooked-other", 113, sll(0x88cc, &ip), &[]),
        odd(
            "cooked-cut",
            113,
            sll(0x0800, &[])[..15].to_vec(),
            &["truncated_Linux_SLL_header - LINUXSLL"],
        ),
        fine("cooked-2", 276, sll2(0x0800, &ip)),
        fine6("cooked-2-6", 276, sll2(0x86dd, &ip6)),
        odd(
            "cooked-2-cut",
            276,
            sll2(0x0800, &[])[..19].to_vec(),
            &["truncated_Linux_SLL2_header - LINUXSLL2"],
        ),
        fine("loopback", 0, [&[2, 0, 0, 0][..], &ip].concat()),
        fine6("loopback-24", 0, [&[24, 0, 0, 0][..], &ip6].concat()),
        fine6("loopback-28", 0, [&[28, 0, 0, 0][..], &ip6].concat()),
        fine6("loopback-30", 0, [&[30, 0, 0, 0][..], &ip6].concat()),
        odd("loopback-cut", 0, vec![2, 0, 0], &["null_analyzer_failed - NULL"]),
        fine("raw", 101, ip.clone()),
        fine6("raw-6", 229, ip6.clone()),
        odd("unknown-link", 147, vec![0; 60], &["unknown_ip_version - IP"]),
        fine("netfilter", 239, nflog(2, 0, 7, &ip)),
        fine6("netfilter-6", 239, nflog(10, 0, 7, &ip6)),
        odd(
            "netfilter-version",
            239,
            nflog(2, 1, 7, &ip),
            &["unknown_nflog_version - NFLOG"],
        ),
        odd(
            "netfilter-short",
            239,
            nflog(2, 0, 3, &ip),
            &["nflog_bad_tlv_len (4 > 44) NFLOG"],
        ),
        odd(
            "netfilter-none",
            239,
            vec![2, 0, 0, 0, 4, 0, 1, 0],
            &["nflog_no_pcap_payload - NFLOG"],
        ),
        odd("netfilter-cut", 239, vec![2, 0, 0], &["truncated_nflog_header - NFLOG"]),
        fine("fibre", 10, [&[0x50; 21][..], &ip].concat()),
        odd("fibre-cut", 10, vec![0x50; 21], &["FDDI_analyzer_failed - FDDI"]),
    ]);
}

/// Frame control, duration, three addresses and a sequence number.
fn wifi(control: [u8; 2], rest: &[u8]) -> Vec<u8> {
    let mut f = control.to_vec();
    f.extend([0, 0]);
    for last in [1, 2, 3] {
        f.extend([2, 0, 0, 0, 0, last]);
    }
    f.extend([0, 0]);
    f.extend(rest);
    f
}

#[test]
fn frames_in_the_air() {
    let ip = inner4();
    let llc = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &ip].concat();
    let part = |body: &[u8]| {
        let mut p = [
            &[2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8][..],
            &(body.len() as u16).to_be_bytes(),
            body,
        ]
        .concat();
        p.resize(p.len().next_multiple_of(4), 0);
        p
    };
    let second = [&[0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd][..], &inner6()].concat();
    check(vec![
        fine("station", 105, wifi([0x08, 1], &llc)),
        fine("access-point", 105, wifi([0x08, 2], &llc)),
        fine(
            "bridge",
            105,
            wifi([0x08, 3], &[&[2, 0, 0, 0, 0, 4][..], &llc].concat()),
        ),
        fine("quality", 105, wifi([0x88, 1], &[&[0, 0][..], &llc].concat())),
        fine(
            "quality-bridge",
            105,
            wifi([0x88, 3], &[&[2, 0, 0, 0, 0, 4, 0, 0][..], &llc].concat()),
        ),
        odd("protected", 105, wifi([0x88, 0x41], &[&[0, 0][..], &llc].concat()), &[]),
        odd("no-data", 105, wifi([0x48, 1], &[]), &[]),
        odd("beacon", 105, wifi([0x80, 0], &[0; 40]), &[]),
        odd(
            "direct-link",
            105,
            wifi([0x08, 0], &[&[0xaa, 0xaa, 3, 0, 0x17, 0xf2, 8, 0][..], &ip].concat()),
            &[],
        ),
        odd(
            "air-cut",
            105,
            wifi([0x08, 1], &[])[..20].to_vec(),
            &["truncated_802_11_header - IEEE802_11"],
        ),
        odd(
            "air-cut-llc",
            105,
            wifi([0x08, 1], &llc[..6]),
            &["truncated_802_11_llc_header - IEEE802_11"],
        ),
        Case {
            conns: &[CONN6, CONN4],
            ..fine(
                "aggregate",
                105,
                wifi([0x88, 2], &[&[0x80, 0][..], &part(&llc), &part(&second)].concat()),
            )
        },
        Case {
            weirds: &["truncated_802_11_amsdu_packet - IEEE802_11"],
            ..fine(
                "aggregate-cut",
                105,
                wifi([0x88, 2], &[&[0x80, 0][..], &part(&llc), &part(&second)[..30]].concat()),
            )
        },
        Case {
            weirds: &["truncated_802_11_amsdu_header - IEEE802_11"],
            ..fine(
                "aggregate-head",
                105,
                wifi([0x88, 2], &[&[0x80, 0][..], &part(&llc), &[2, 0, 0]].concat()),
            )
        },
        Case {
            weirds: &["invalid_802_11_amsdu_inner_packet - IEEE802_11"],
            ..fine(
                "aggregate-odd",
                105,
                wifi([0x88, 2], &[&[0x80, 0][..], &part(&[9; 20]), &part(&llc)].concat()),
            )
        },
        fine(
            "radiotap",
            127,
            [&[0, 0, 12, 0, 0, 0, 0, 0, 1, 2, 3, 4][..], &wifi([0x08, 1], &llc)].concat(),
        ),
        odd(
            "radiotap-cut",
            127,
            vec![0, 0, 200, 0, 0, 0, 0, 0],
            &["truncated_radiotap_header - IEEE802_11_RADIO"],
        ),
    ]);
}

/// A packet of a protocol between the ends of a tunnel.
fn outer(protocol: u8, body: &[u8]) -> Vec<u8> {
    ip4(protocol, [192, 0, 2, 1], [192, 0, 2, 2], body)
}

#[test]
fn tunnels_without_ports() {
    let (ip, ip6, frame) = (inner4(), inner6(), ether(0x0800, &inner4()));
    let wifi_frame = wifi([0x08, 1], &[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0][..], &ip].concat());
    let gre = |head: &[u8], body: &[u8]| outer(47, &[head, body].concat());
    let ethernet_of = |head: &[u8], more: &[u8]| gre(head, &[more, &frame].concat());
    // The packet, the connection inside and the type that tunnel.log names.
    let cases: Vec<(&str, Vec<u8>, &str, &str)> = vec![
        ("ip-in-ip", outer(4, &ip), CONN4, "Tunnel::IP"),
        ("6-in-4", outer(41, &ip6), CONN6, "Tunnel::IP"),
        ("4-in-6", super_6(4, &ip), CONN4, "Tunnel::IP"),
        ("gre", gre(&[0, 0, 8, 0], &ip), CONN4, "Tunnel::GRE"),
        ("gre-6", gre(&[0, 0, 0x86, 0xdd], &ip6), CONN6, "Tunnel::GRE"),
        (
            "gre-full",
            gre(&[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1], &ip),
            CONN4,
            "Tunnel::GRE",
        ),
        (
            "gre-ethernet",
            ethernet_of(&[0, 0, 0x65, 0x58], &[]),
            CONN4,
            "Tunnel::GRE",
        ),
        (
            "nvgre",
            ethernet_of(&[0x20, 0, 0x65, 0x58, 0, 0x12, 0x34, 7], &[]),
            CONN4,
            "Tunnel::GRE",
        ),
        ("erspan-1", ethernet_of(&[0, 0, 0x88, 0xbe], &[]), CONN4, "Tunnel::GRE"),
        (
            "erspan-2",
            ethernet_of(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1], &[0x10, 5, 0, 1, 0, 0, 0, 2]),
            CONN4,
            "Tunnel::GRE",
        ),
        (
            "erspan-3",
            ethernet_of(
                &[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1],
                &[0x20, 5, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0],
            ),
            CONN4,
            "Tunnel::GRE",
        ),
        (
            "erspan-3-platform",
            ethernet_of(
                &[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1],
                &[0x20, 5, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8],
            ),
            CONN4,
            "Tunnel::GRE",
        ),
        ("gre-air", gre(&[0, 0, 0x82, 0x10], &wifi_frame), CONN4, "Tunnel::GRE"),
        (
            "pptp",
            gre(&[0x30, 1, 0x88, 0x0b, 0, 36, 0, 9, 0, 0, 0, 1, 0xff, 3, 0, 0x21], &ip),
            CONN4,
            "Tunnel::GRE",
        ),
        (
            "pptp-ack",
            gre(
                &[0x30, 0x81, 0x88, 0x0b, 0, 33, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0x21],
                &ip,
            ),
            CONN4,
            "Tunnel::GRE",
        ),
    ];
    for (name, packet, conn, kind) in cases {
        let dir = logs(name, 101, &[packet]);
        let conns = rows(&dir, "conn", WHO);
        assert_eq!(conns, [conn], "{name}: {:?}", rows(&dir, "weird", &["name", "source"]));
        let tunnels = rows(
            &dir,
            "tunnel",
            &["uid", "id.orig_p", "id.resp_p", "tunnel_type", "action"],
        );
        let parent = rows(&dir, "conn", &["tunnel_parents"]).remove(0);
        // Nobody closes a tunnel of two hosts.
        assert_eq!(tunnels, [format!("{parent} 0 0 {kind} Tunnel::DISCOVER")], "{name}");
        assert!(rows(&dir, "weird", &["name"]).is_empty(), "{name}");
    }
}

/// As [`outer`], over IPv6.
fn super_6(next: u8, body: &[u8]) -> Vec<u8> {
    ip6(next, 9, 10, body)
}

#[test]
fn tunnels_that_are_not_followed() {
    let ip = inner4();
    let gre = |head: &[u8]| outer(47, &[head, &ip].concat());
    check(vec![
        odd(
            "gre-version",
            101,
            gre(&[0, 2, 8, 0]),
            &["unknown_gre_version version=2 GRE"],
        ),
        odd("gre-routing", 101, gre(&[0x40, 0, 8, 0]), &["gre_routing - GRE"]),
        odd("gre-flags", 101, gre(&[0, 8, 8, 0]), &["unknown_gre_flags - GRE"]),
        odd("gre-cut", 101, outer(47, &[0, 0, 8]), &["truncated_GRE - GRE"]),
        odd(
            "gre-erspan-cut",
            101,
            outer(47, &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0, 0]),
            &["truncated_GRE - GRE"],
        ),
        odd("egre", 101, gre(&[0, 1, 8, 0]), &["egre_protocol_type proto=2048 GRE"]),
        odd(
            "pptp-control",
            101,
            outer(
                47,
                &[
                    0x30, 1, 0x88, 0x0b, 0, 8, 0, 9, 0, 0, 0, 1, 0xff, 3, 0xc0, 0x21, 1, 1, 0, 4,
                ],
            ),
            &["non_ip_packet_in_encap - GRE"],
        ),
        odd(
            "other-version-inside",
            101,
            outer(4, &inner6()),
            &["invalid_inner_IP_version - IPTUNNEL"],
        ),
        odd(
            "cut-inside",
            101,
            outer(4, &ip[..10]),
            &["truncated_inner_IP - IPTUNNEL"],
        ),
        odd(
            "more-inside",
            101,
            outer(4, &[&ip[..], b"more"].concat()),
            &["inner_IP_payload_length_mismatch - IPTUNNEL"],
        ),
    ]);
}

#[test]
fn five_tunnels_are_too_many() {
    let mut packet = inner4();
    for n in 0..5 {
        packet = ip4(4, [192, 0, 2, n], [192, 0, 2, 100 + n], &packet);
    }
    check(vec![odd(
        "five",
        101,
        packet,
        &["exceeded_tunnel_max_depth_in_tunnel - IPTUNNEL"],
    )]);
}
