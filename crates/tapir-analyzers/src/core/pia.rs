//! Dynamic protocol detection: the first bytes of a connection are kept and matched against signatures, and replayed
//! to each analyzer that a signature enables.
//!
//! One instance is the last child of every TCP and UDP connection; further ones stand within proxies and upgrades.

use super::hosts::{ConnMatcher, Enable, PatKind};
use super::tree::{AnalyzerId, Call, ROOT};
use super::{Analyzer, Cx, Transport};
use crate::registry;
use tapir_interface::events;

enum Chunk {
    Data(Vec<u8>),
    Gap(u64, u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Buffering,
    MatchOnly,
    Done,
}

/// A detector that has seen one datagram, in short.
pub struct Idle {
    /// Its number.
    pub id: AnalyzerId,
    pub is_orig: bool,
    pub data: Box<[u8]>,
}

impl super::Tree {
    /// Takes out what there is to keep, if that is a detector in its first state.
    pub fn doze(&mut self, sh: &super::Shared) -> Option<Idle> {
        let node = self.only_node()?;
        if Some(node.tag) != sh.detectors.1 {
            return None;
        }
        let id = node.id;
        node.an.as_mut()?.take_idle(id)
    }

    /// Puts the detector back.
    pub fn wake(&mut self, idle: Idle, sh: &super::Shared) {
        if let Some(tag) = sh.detectors.1 {
            let pia = Pia::resumed(idle.is_orig, idle.data);
            self.add_known(idle.id, ROOT, tag, Box::new(pia));
        }
    }
}

/// The detector.
pub struct Pia {
    udp: bool,
    /// Within another analyzer: the matcher is our own.
    own: Option<Box<dyn ConnMatcher>>,
    inner: bool,
    made: bool,
    buf: Vec<(bool, Chunk)>,
    total: u64,
    state: State,
    begun: [bool; 2],
}

impl Pia {
    /// The detector of a whole connection.
    pub fn new(udp: bool) -> Self {
        Pia {
            udp,
            own: None,
            inner: false,
            made: false,
            buf: Vec::new(),
            total: 0,
            state: State::Buffering,
            begun: [false; 2],
        }
    }

    /// A detector for the stream that another analyzer carries.
    pub fn inner() -> Self {
        Pia {
            inner: true,
            ..Pia::new(false)
        }
    }

    fn matching(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8], enables: &mut Vec<Enable>) {
        if self.inner && !self.made {
            self.made = true;
            if let Some(mut s) = cx.sh.sigs.take() {
                let mut m = s.matcher();
                cx.sh.sigs = Some(s);
                for side in [is_orig, !is_orig] {
                    m.begin(cx.q, cx.conn, cx.sh, side, &[]);
                }
                self.own = Some(m);
            }
        }
        let first = !self.begun[is_orig as usize];
        self.begun[is_orig as usize] = true;
        let m = if self.inner {
            self.own.take()
        } else {
            cx.conn.matcher.take()
        };
        let Some(mut m) = m else { return };
        let bol = first || self.udp;
        if self.udp {
            m.reset(PatKind::Payload, is_orig);
        }
        m.feed(
            cx.q,
            cx.conn,
            cx.sh,
            PatKind::Payload,
            is_orig,
            data,
            bol,
            self.udp,
            enables,
        );
        if self.inner {
            self.own = Some(m);
        } else {
            cx.conn.matcher = Some(m);
        }
    }

    fn keep(&mut self, cx: &Cx, is_orig: bool, chunk: Chunk, len: usize) -> State {
        if self.state != State::Buffering {
            return self.state;
        }
        if self.buf.is_empty() {
            // Floods are connections of one packet.
            self.buf.reserve_exact(1);
        }
        self.buf.push((is_orig, chunk));
        self.total += len as u64;
        let o = &cx.sh.opts;
        if self.total > o.dpd_buffer_size || self.buf.len() as u64 > o.dpd_max_packets {
            if o.dpd_match_only_beginning {
                State::Done
            } else {
                State::MatchOnly
            }
        } else {
            State::Buffering
        }
    }

    fn enable(&mut self, cx: &mut Cx, e: &Enable) {
        let Some(tag) = registry::tag_ignore_case(&e.name) else {
            return;
        };
        let me = cx.tree.nodes[cx.node as usize].parent;
        let parent = match &e.parent {
            None => me,
            Some(p) => match registry::tag_ignore_case(p).and_then(|t| cx.tree.find_tag(t)) {
                Some(ix) => ix,
                None => return,
            },
        };
        let fits =
            registry::get(tag).is_some_and(|p| p.transports.is_empty() || p.transports.contains(&cx.conn.transport));
        if !fits || cx.tree.child_with(parent, tag).is_some() {
            return;
        }
        if self.state != State::Buffering {
            if cx.q.wants(events::PROTOCOL_LATE_MATCH) {
                let c = cx.conn_value();
                let t = cx.sh.tag_values[tag.0 as usize].clone();
                cx.q.push(events::PROTOCOL_LATE_MATCH, vec![c, t]);
            }
            if cx.sh.opts.dpd_late_match_stop {
                self.state = State::Done;
            }
            return;
        }
        let Some(ix) = cx.tree.add(cx.sh, parent, tag) else {
            return;
        };
        for (is_orig, chunk) in &self.buf {
            let call = match chunk {
                Chunk::Data(d) if self.udp => Call::Packet(*is_orig, d),
                Chunk::Data(d) => Call::Stream(*is_orig, d),
                Chunk::Gap(seq, len) => Call::Gap(*is_orig, *seq, *len),
            };
            cx.tree.call(cx.q, cx.conn, cx.sh, ix, call);
        }
    }

    fn feed(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.state == State::Done || data.is_empty() {
            return;
        }
        let next = self.keep(cx, is_orig, Chunk::Data(data.to_vec()), data.len());
        let mut enables = Vec::new();
        self.matching(cx, is_orig, data, &mut enables);
        for e in &enables {
            self.enable(cx, e);
        }
        if self.state != State::Done {
            self.state = next;
        }
        if self.state != State::Buffering {
            self.buf = Vec::new();
        }
    }

    /// The detector as it was.
    fn resumed(is_orig: bool, data: Box<[u8]>) -> Self {
        let mut pia = Pia::new(true);
        pia.begun[usize::from(is_orig)] = true;
        pia.total = data.len() as u64;
        pia.buf = vec![(is_orig, Chunk::Data(data.into()))];
        pia
    }

    /// Whether the first bytes are still kept, so that an analyzer attached now would see all.
    pub fn is_buffering(&self) -> bool {
        self.state == State::Buffering
    }
}

impl Analyzer for Pia {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        self.feed(cx, is_orig, data);
    }

    fn packet(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        self.feed(cx, is_orig, data);
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, seq: u64, len: u64) {
        if self.state == State::Buffering {
            let next = self.keep(cx, is_orig, Chunk::Gap(seq, len), 0);
            self.state = next;
        }
    }

    fn take_idle(&mut self, id: AnalyzerId) -> Option<Idle> {
        let fresh = self.udp && !self.inner && !self.made && self.own.is_none() && self.state == State::Buffering;
        let &[(is_orig, Chunk::Data(_))] = &self.buf[..] else {
            return None;
        };
        if !fresh || self.begun[usize::from(!is_orig)] {
            return None;
        }
        match self.buf.pop() {
            Some((is_orig, Chunk::Data(data))) => Some(Idle {
                id,
                is_orig,
                data: data.into(),
            }),
            _ => None,
        }
    }

    fn flip(&mut self) {
        self.begun.swap(0, 1);
        for c in &mut self.buf {
            c.0 = !c.0;
        }
    }

    fn done(&mut self, cx: &mut Cx) {
        self.buf = Vec::new();
        if let Some(mut m) = self.own.take() {
            m.end(cx.q, cx.conn, cx.sh);
        }
    }
}

/// Attaches the analyzers of a new connection: expected ones, else those of the responder's port, and the detector.
/// Gives back the expected tags, for `scheduled_analyzer_applied`.
pub fn attach(tree: &mut super::Tree, conn: &super::ConnInfo, sh: &mut super::Shared) -> Vec<super::Tag> {
    // Numbers of what follows the transport protocol and counts bytes, which are analyzers to scripts.
    sh.skip_id();
    let expected = attach_all(tree, conn, sh);
    sh.skip_id();
    expected
}

fn attach_all(tree: &mut super::Tree, conn: &super::ConnInfo, sh: &mut super::Shared) -> Vec<super::Tag> {
    let expected = sh.expected(conn.orig_h, conn.resp_h, conn.resp_p, conn.transport);
    for &t in &expected {
        tree.add(sh, ROOT, t);
    }
    if expected.is_empty() && !sh.opts.dpd_ignore_ports {
        let tcp = conn.transport == Transport::Tcp;
        for t in sh.port_analyzers(conn.resp_p, tcp).to_vec() {
            let fits =
                registry::get(t).is_some_and(|p| p.transports.is_empty() || p.transports.contains(&conn.transport));
            if fits {
                tree.add(sh, ROOT, t);
            }
        }
    }
    expect_data(tree, conn, sh);
    expected
}

/// Has the detector attached with the first data.
pub fn expect_data(tree: &mut super::Tree, conn: &super::ConnInfo, sh: &super::Shared) {
    if sh.detects {
        tree.detector = match conn.transport {
            Transport::Tcp => sh.detectors.0,
            Transport::Udp => sh.detectors.1,
            _ => None,
        };
    }
}
