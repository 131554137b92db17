//! Which layer takes what another layer carries: by an identifier in the header, by looking at the content, or by
//! default. Scripts register children and switch layers off and on while packets flow (`PacketAnalyzer::*`).

use std::sync::OnceLock;

use crate::link::Layer;

/// The identifiers under which Ethernet and VLAN pass on frames that have a length instead of a type.
pub mod key {
    pub const SNAP: u32 = 1;
    pub const NOVELL: u32 = 2;
    pub const LLC: u32 = 3;
}

/// What a layer passes on to whom.
#[derive(Clone, Debug, Default)]
struct Children {
    /// Sorted by identifier.
    by_id: Vec<(u32, Layer)>,
    /// Asked in this order whether content is theirs.
    detect: Vec<Layer>,
    default: Option<Layer>,
}

/// The table of all layers.
#[derive(Clone, Debug)]
pub struct Dispatch {
    of: Vec<Children>,
    /// A bit per layer that is switched off.
    off: u64,
    /// What [`Layer::Skip`] passes over.
    pub skip_bytes: usize,
}

/// The table without changes by scripts.
pub fn standard() -> &'static Dispatch {
    static TABLE: OnceLock<Dispatch> = OnceLock::new();
    TABLE.get_or_init(Dispatch::default)
}

impl Default for Dispatch {
    fn default() -> Self {
        let mut d = Dispatch {
            of: vec![Children::default(); Layer::ALL.len()],
            off: 0,
            skip_bytes: 0,
        };
        let mut add = |parent: Layer, ids: &[u32], child: Layer| {
            for id in ids {
                d.register(parent, *id, child);
            }
        };
        use Layer as L;
        for (id, child) in [
            (0, L::Null),
            (1, L::Ethernet),
            (9, L::Ppp),
            (10, L::Fddi),
            (50, L::PppSerial),
            (105, L::Ieee80211),
            (113, L::LinuxSll),
            (127, L::Radiotap),
            (239, L::Nflog),
            (276, L::LinuxSll2),
        ] {
            add(L::Root, &[id], child);
        }
        const IP: [u32; 2] = [0x0800, 0x86dd];
        const ARP: [u32; 2] = [0x0806, 0x8035];
        for parent in [L::Ethernet, L::Vlan, L::Snap, L::LinuxSll, L::LinuxSll2, L::Ieee80211] {
            add(parent, &IP, L::Ip);
            add(parent, &ARP, L::Arp);
        }
        for parent in [L::Ethernet, L::Vlan] {
            add(parent, &[0x8100], L::Vlan);
            add(parent, &[0x8847], L::Mpls);
            add(parent, &[0x8864], L::Pppoe);
            add(parent, &[0x88e7], L::Pbb);
            add(parent, &[0x8926], L::Vntag);
            add(parent, &[key::SNAP], L::Snap);
            add(parent, &[key::NOVELL], L::Novell8023);
            add(parent, &[key::LLC], L::Llc);
        }
        add(L::Ethernet, &[0x88a8, 0x9100], L::Vlan);
        add(L::Vntag, &[0x8100, 0x88a8, 0x9100], L::Vlan);
        add(L::Pppoe, &[0x0021, 0x0057], L::Ip);
        for parent in [L::Ppp, L::PppSerial] {
            add(parent, &[0x0021, 0x0057], L::Ip);
            add(parent, &[0x0281], L::Mpls);
        }
        add(L::Null, &[2, 24, 28, 30], L::Ip);
        add(L::Nflog, &[2, 10], L::Ip);
        add(L::Radiotap, &[105], L::Ieee80211);
        add(L::Ip, &[1, 58], L::Icmp);
        add(L::Ip, &[2], L::Igmp);
        add(L::Ip, &[4, 41], L::IpTunnel);
        add(L::Ip, &[6], L::Tcp);
        add(L::Ip, &[17], L::Udp);
        add(L::Ip, &[47], L::Gre);
        add(L::Udp, &[2123, 2152], L::Gtpv1);
        add(L::Udp, &[3544], L::Teredo);
        add(L::Udp, &[4754], L::Gre);
        add(L::Udp, &[4789], L::Vxlan);
        add(L::Udp, &[5072], L::Ayiya);
        add(L::Udp, &[6081], L::Geneve);
        add(L::Geneve, &[0x6558], L::Ethernet);
        add(L::Geneve, &IP, L::Ip);
        add(L::Geneve, &[0x0806], L::Arp);
        for (parent, child) in [
            (L::Root, L::Ip),
            (L::Mpls, L::Ip),
            (L::Pbb, L::Ethernet),
            (L::Fddi, L::Ip),
            (L::Skip, L::Ip),
            (L::Vxlan, L::Ethernet),
            (L::Teredo, L::Ip),
            (L::Ayiya, L::Ip),
            (L::Gtpv1, L::Ip),
            (L::Ip, L::UnknownIpTransport),
        ] {
            d.set_default(parent, Some(child));
        }
        d.register_detection(L::Udp, L::Ayiya);
        d.register_detection(L::Udp, L::Teredo);
        d
    }
}

impl Dispatch {
    /// Makes `child` take what `parent` carries under an identifier.
    pub fn register(&mut self, parent: Layer, id: u32, child: Layer) {
        let list = &mut self.of[parent as usize].by_id;
        match list.binary_search_by_key(&id, |e| e.0) {
            Ok(at) => list[at].1 = child,
            Err(at) => list.insert(at, (id, child)),
        }
    }

    /// Lets `child` look whether content of `parent` is its own.
    pub fn register_detection(&mut self, parent: Layer, child: Layer) {
        let list = &mut self.of[parent as usize].detect;
        if !list.contains(&child) {
            list.push(child);
        }
    }

    /// Sets who takes what no identifier leads to.
    pub fn set_default(&mut self, parent: Layer, child: Option<Layer>) {
        self.of[parent as usize].default = child;
    }

    /// Switches a layer off or on.
    pub fn set_enabled(&mut self, layer: Layer, on: bool) {
        let bit = 1 << layer as u64;
        if on {
            self.off &= !bit;
        } else {
            self.off |= bit;
        }
    }

    /// Whether a layer takes packets.
    #[inline]
    pub fn is_enabled(&self, layer: Layer) -> bool {
        self.off == 0 || self.off & 1 << layer as u64 == 0
    }

    /// The child under an identifier.
    #[inline]
    pub fn by_id(&self, parent: Layer, id: u32) -> Option<Layer> {
        let list = &self.of[parent as usize].by_id;
        list.binary_search_by_key(&id, |e| e.0).ok().map(|at| list[at].1)
    }

    /// Those who recognise content of a layer, in the order of asking.
    #[inline]
    pub fn detecting(&self, parent: Layer) -> &[Layer] {
        &self.of[parent as usize].detect
    }

    /// The default child.
    #[inline]
    pub fn default_of(&self, parent: Layer) -> Option<Layer> {
        self.of[parent as usize].default
    }

    /// The child under an identifier, or else the default one.
    #[inline]
    pub fn child(&self, parent: Layer, id: u32) -> Option<Layer> {
        self.by_id(parent, id).or_else(|| self.default_of(parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{LayerStack, Link, LinkInfo, decode_with};
    use crate::types::Weirds;

    #[test]
    fn later_registrations_win_and_layers_can_be_switched_off() {
        let mut d = Dispatch::default();
        assert_eq!(d.child(Layer::Ip, 47), Some(Layer::Gre));
        assert_eq!(d.child(Layer::Ip, 200), Some(Layer::UnknownIpTransport));
        d.register(Layer::Ip, 200, Layer::Ethernet);
        assert_eq!(d.child(Layer::Ip, 200), Some(Layer::Ethernet));
        assert!(d.is_enabled(Layer::Gre));
        d.set_enabled(Layer::Gre, false);
        assert!(!d.is_enabled(Layer::Gre) && d.is_enabled(Layer::Udp));
        d.set_enabled(Layer::Gre, true);
        assert!(d.is_enabled(Layer::Gre));
        assert_eq!(standard().child(Layer::Ip, 200), Some(Layer::UnknownIpTransport));
    }

    /// Tunnels whose state is that of a connection are of no use where there is none.
    #[test]
    fn tunnels_without_a_connection_are_weird() {
        let mut d = Dispatch::default();
        d.register(Layer::Ethernet, 0x9999, Layer::Vxlan);
        let mut frame = [0; 64];
        frame[12..14].copy_from_slice(&[0x99, 0x99]);
        let (mut info, mut weirds) = (LinkInfo::default(), Weirds::default());
        let mut stack = LayerStack::new(25);
        let len = frame.len();
        let got = decode_with(&d, Layer::Ethernet, &frame, len, &mut info, &mut stack, &mut weirds);
        assert!(matches!(got, Link::Nothing));
        let names: Vec<_> = weirds.drain().map(|w| (w.name, w.source)).collect();
        assert_eq!(names, [("vxlan_missing_connection", "VXLAN")]);
    }
}
