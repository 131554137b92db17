//! Who talks within a tunnel.
//!
//! Only what is needed to keep the packets of a tunnel and those of the same flow outside of it, or in another tunnel,
//! with one worker: headers that are broken, or lie in fragments, tell nothing.

use crate::bytes::{be16, tail, u8_at};
use crate::dispatch;
use crate::ip::proto;
use crate::link::{self, Layer, LayerStack, Link, LinkInfo};
use crate::tunnel;
use crate::types::{Ip, Weirds};

/// Tunnels within tunnels that are followed.
const DEPTH: usize = 4;
/// Bytes before what a UDP datagram carries.
const UDP_HEAD: usize = 8;

/// Pairs of addresses within a tunnel, from the outside to the inside, and what else tells which tunnels belong together.
pub type Pairs = [Option<(Ip, Ip)>; DEPTH + 2];

/// Whether an IP packet may be one of a tunnel, by its protocol and by what follows its header.
#[inline]
pub fn may_be_tunnel(protocol: u8, payload: &[u8]) -> bool {
    match protocol {
        proto::TCP | proto::ICMP | proto::ICMPV6 => false,
        proto::UDP => layer_in_udp(payload).is_some(),
        IP4 | IP6 | GRE => true,
        _ => false,
    }
}

const IP4: u8 = 4;
const IP6: u8 = 41;
const GRE: u8 = 47;
/// Extension headers that are passed.
const EXTENSIONS: usize = 8;

/// The tunnel that a UDP datagram belongs to by its ports.
#[inline]
fn layer_in_udp(datagram: &[u8]) -> Option<Layer> {
    let (from, to) = (be16(datagram, 0)?, be16(datagram, 2)?);
    // All of their ports are among these.
    let near = |p: u16| (2123..=6081).contains(&p);
    if !near(from) && !near(to) {
        // Clients of Teredo talk to each other on any.
        return is_teredo(tail(datagram, UDP_HEAD)).then_some(Layer::Teredo);
    }
    let table = dispatch::standard();
    let layer = |p: u16| table.by_id(Layer::Udp, p.into());
    let known = |l: &Layer| tunnel::UdpTunnel::of_layer(*l).is_some();
    let teredo = || is_teredo(tail(datagram, UDP_HEAD)).then_some(Layer::Teredo);
    layer(to)
        .filter(known)
        .or_else(|| layer(from).filter(known))
        .or_else(teredo)
}

/// No next header, as in packets that only keep a way open. What stands behind it nonetheless means nothing.
const NO_NEXT_HEADER: u8 = 59;

/// Whether a datagram carries IPv6 whose length fits.
#[inline]
fn is_teredo(data: &[u8]) -> bool {
    let plausible = data.first().is_some_and(|b| *b == 0 || b >> 4 == 6);
    plausible
        && tunnel::detect_teredo(data)
        && tunnel::teredo(data).is_ok_and(|t| {
            let fits = be16(t.inner, 4).is_some_and(|n| usize::from(n) + 40 == t.inner.len());
            fits || u8_at(t.inner, 6) == Some(NO_NEXT_HEADER)
        })
}

/// The pairs of addresses within an IP packet.
pub fn pairs(packet: &[u8], stack: &mut LayerStack, weirds: &mut Weirds) -> Pairs {
    let mut found = Pairs::default();
    let mut packet = packet;
    for i in 0..=DEPTH {
        let Some((protocol, payload, pair)) = header(packet) else {
            break;
        };
        if i > 0 {
            found[i - 1] = Some(pair);
        }
        match carried(protocol, payload, stack, weirds) {
            Some((inner, layer)) => {
                if layer == Layer::Teredo {
                    // A flow of a client begins in the tunnel to its server, and goes on in others to relays: all tunnels
                    // of a host belong together, here as pairs of the host with itself.
                    let (a, b) = pair;
                    found[DEPTH..].copy_from_slice(&[Some((a, a)), Some((b, b))]);
                }
                packet = inner;
            }
            None => break,
        }
    }
    weirds.drain();
    found
}

/// The protocol of an IP packet, what follows its header, and its addresses. Nothing for fragments but first ones.
fn header(packet: &[u8]) -> Option<(u8, &[u8], (Ip, Ip))> {
    match u8_at(packet, 0)? >> 4 {
        4 => {
            let pair = (Ip::from_slice(packet.get(12..16)?), Ip::from_slice(packet.get(16..20)?));
            let len = usize::from(u8_at(packet, 0)? & 0xf) * 4;
            let first = be16(packet, 6)? & 0x1fff == 0;
            first.then_some((u8_at(packet, 9)?, packet.get(len.max(20)..)?, pair))
        }
        6 => {
            let pair = (Ip::from_slice(packet.get(8..24)?), Ip::from_slice(packet.get(24..40)?));
            let (protocol, payload) = behind_extensions(u8_at(packet, 6)?, packet.get(40..)?)?;
            Some((protocol, payload, pair))
        }
        _ => None,
    }
}

/// The protocol behind the extension headers of IPv6 (RFC 8200), and what follows them.
fn behind_extensions(mut protocol: u8, mut rest: &[u8]) -> Option<(u8, &[u8])> {
    for _ in 0..EXTENSIONS {
        let len = match protocol {
            proto::HOPOPTS | proto::ROUTING | proto::DSTOPTS => (usize::from(u8_at(rest, 1)?) + 1) * 8,
            proto::FRAGMENT if be16(rest, 2)? & 0xfff8 == 0 => 8,
            proto::FRAGMENT => return None,
            _ => break,
        };
        (protocol, rest) = (u8_at(rest, 0)?, rest.get(len..)?);
    }
    Some((protocol, rest))
}

/// The IP packet that another one carries, and in what.
fn carried<'a>(
    protocol: u8,
    payload: &'a [u8],
    stack: &mut LayerStack,
    weirds: &mut Weirds,
) -> Option<(&'a [u8], Layer)> {
    let mut tunnel = Layer::Ip;
    let (layer, data) = match protocol {
        IP4 | IP6 => (Layer::Ip, payload),
        GRE => in_gre(payload)?,
        proto::UDP => {
            let data = tail(payload, UDP_HEAD);
            tunnel = layer_in_udp(payload)?;
            match tunnel {
                Layer::Vxlan => (Layer::Ethernet, tunnel::vxlan(data).ok()?.inner),
                Layer::Geneve => {
                    let g = tunnel::geneve(data).ok()?;
                    (dispatch::standard().child(Layer::Geneve, g.proto.into())?, g.inner)
                }
                Layer::Ayiya => (Layer::Ip, tunnel::ayiya(data).ok()??.1),
                Layer::Teredo => (Layer::Ip, tunnel::teredo(data).ok()?.inner),
                Layer::Gtpv1 => (Layer::Ip, tunnel::gtp(data).ok()?.body),
                Layer::Gre => in_gre(data)?,
                _ => return None,
            }
        }
        _ => return None,
    };
    if layer == Layer::Ip {
        return Some((data, tunnel));
    }
    let mut info = LinkInfo::default();
    stack.clear();
    match link::decode(layer, data, data.len(), &mut info, stack, weirds) {
        Link::Ip { data, .. } => Some((data, tunnel)),
        _ => None,
    }
}

fn in_gre(data: &[u8]) -> Option<(Layer, &[u8])> {
    let gre = tunnel::gre(data).ok()?;
    Some((gre.inner, gre.data))
}
