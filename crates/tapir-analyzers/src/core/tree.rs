//! The analyzers of one connection: who is attached to whom, and how data reaches them.
//!
//! A node's analyzer is taken out while it runs, so that it may change the tree (add children, remove itself, forward
//! data) through its context. Nodes are never reused while the connection lives; their number is bounded.

use super::conn::ConnInfo;
use super::cx::Cx;
use super::{Analyzer, Command, Shared, Tag};
use crate::registry;
use tapir_interface::queue::EventQueue;

/// A number that is unique in an engine, as scripts see it.
pub type AnalyzerId = u64;

/// The position of a node.
pub type NodeIx = u32;

/// The parent of the connection-level analyzers.
pub const ROOT: NodeIx = u32::MAX;

/// Protocols in lines.
const LINES: &[&str] = &["FTP", "HTTP", "IRC", "POP3", "SMTP"];

/// More attachments than this on one connection are refused.
const MAX_NODES: usize = 4096;

pub(crate) struct Node {
    pub id: AnalyzerId,
    pub tag: Tag,
    pub parent: NodeIx,
    pub an: Option<Box<dyn Analyzer>>,
    pub confirmed: bool,
    pub violations: u64,
    pub removed: bool,
    pub done: bool,
    /// Scripts forbade this protocol on the connection.
    pub children: Vec<NodeIx>,
}

/// One call to an analyzer.
#[derive(Clone, Copy)]
pub(crate) enum Call<'a> {
    Stream(bool, &'a [u8]),
    Packet(bool, &'a [u8]),
    Gap(bool, u64, u64),
    Eof(bool),
    Attached,
    Reset,
    Flip,
    Cmd(&'a Command),
    /// The last word, which removed nodes have too; said once.
    Done,
}

/// All analyzers of a connection.
#[derive(Default)]
pub struct Tree {
    pub(crate) nodes: Vec<Node>,
    pub(crate) roots: Vec<NodeIx>,
    /// The detector, to be attached with the first data: most connections of a scan never have any.
    pub(crate) detector: Option<Tag>,
    rare: Option<Box<Rare>>,
}

/// What few connections need.
#[derive(Default)]
struct Rare {
    prevented: Vec<Tag>,
    /// Removed since data last came.
    just_removed: Vec<AnalyzerId>,
    weird_seen: Vec<(&'static str, u64, f64)>,
}

impl Tree {
    /// Whether nothing is attached.
    pub fn is_empty(&self) -> bool {
        self.nodes.iter().all(|n| n.removed)
    }

    /// Whether anything but the detector is attached.
    pub fn has_analyzers(&self, sh: &Shared) -> bool {
        self.nodes.iter().any(|n| !n.removed && Some(n.tag) != sh.detectors.0)
    }

    /// Attaches an analyzer by tag; `None` when it is disabled, prevented, already there or there are too many.
    pub(crate) fn add(&mut self, sh: &mut Shared, parent: NodeIx, tag: Tag) -> Option<NodeIx> {
        if !sh.is_enabled(tag) || self.is_prevented(tag) {
            return None;
        }
        let make = registry::get(tag)?.make;
        if registry::name(tag) != "PIA_TCP" && self.child_with(parent, tag).is_some() {
            return None;
        }
        self.add_boxed(sh, parent, tag, make(tag))
    }

    /// Attaches an analyzer at connection level; says whether it is there now.
    pub fn attach_root(&mut self, sh: &mut Shared, tag: Tag) -> bool {
        self.add(sh, ROOT, tag).is_some()
    }

    /// The script id of a node.
    pub fn id_of(&self, ix: NodeIx) -> Option<AnalyzerId> {
        self.nodes.get(ix as usize).map(|n| n.id)
    }

    /// Attaches a given analyzer.
    pub(crate) fn add_boxed(
        &mut self,
        sh: &mut Shared,
        parent: NodeIx,
        tag: Tag,
        an: Box<dyn Analyzer>,
    ) -> Option<NodeIx> {
        if self.nodes.len() >= MAX_NODES {
            self.compact();
            if self.nodes.len() >= MAX_NODES {
                return None;
            }
        }
        let id = sh.new_id();
        if LINES.contains(&registry::name(tag)) {
            // Numbers of the splitters of lines, one for each direction, which are analyzers to scripts.
            sh.new_id();
            sh.new_id();
        }
        Some(self.add_known(id, parent, tag, an))
    }

    /// The same for an analyzer that has its number.
    pub(crate) fn add_known(&mut self, id: AnalyzerId, parent: NodeIx, tag: Tag, an: Box<dyn Analyzer>) -> NodeIx {
        if self.nodes.is_empty() {
            self.nodes.reserve_exact(1);
        }
        let ix = self.nodes.len() as NodeIx;
        self.nodes.push(Node {
            id,
            tag,
            parent,
            an: Some(an),
            confirmed: false,
            violations: 0,
            removed: false,
            done: false,
            children: Vec::new(),
        });
        if parent == ROOT {
            if self.roots.is_empty() {
                self.roots.reserve_exact(1);
            }
            self.roots.push(ix);
        } else if let Some(p) = self.nodes.get_mut(parent as usize) {
            p.children.push(ix);
        }
        ix
    }

    /// The only analyzer that there is and was, if nothing has happened to it.
    pub(crate) fn only_node(&mut self) -> Option<&mut Node> {
        let [node] = &mut self.nodes[..] else {
            return None;
        };
        let changed = node.confirmed || node.violations > 0 || node.removed || node.done || !node.children.is_empty();
        (!changed && node.parent == ROOT && self.rare.is_none() && self.detector.is_none()).then_some(node)
    }

    /// Removed nodes at the end of the list make room again.
    fn compact(&mut self) {
        while self
            .nodes
            .last()
            .is_some_and(|n| n.removed && n.an.is_none() && n.children.is_empty())
        {
            let ix = (self.nodes.len() - 1) as NodeIx;
            if let Some(n) = self.nodes.pop() {
                match self.nodes.get_mut(n.parent as usize) {
                    Some(p) => p.children.retain(|c| *c != ix),
                    None => self.roots.retain(|c| *c != ix),
                }
            }
        }
    }

    pub(crate) fn children(&self, of: NodeIx) -> &[NodeIx] {
        if of == ROOT {
            &self.roots
        } else {
            self.nodes.get(of as usize).map_or(&[], |n| &n.children)
        }
    }

    /// The live child with a tag.
    pub(crate) fn child_with(&self, parent: NodeIx, tag: Tag) -> Option<NodeIx> {
        self.children(parent)
            .iter()
            .copied()
            .find(|&c| self.nodes[c as usize].tag == tag && !self.nodes[c as usize].removed)
    }

    /// The live node with an id.
    pub fn find_id(&self, id: AnalyzerId) -> Option<NodeIx> {
        self.nodes
            .iter()
            .position(|n| n.id == id && !n.removed)
            .map(|i| i as NodeIx)
    }

    /// The node with an id that is live, or was when data last came: to scripts it is there until the next data.
    pub fn find_known(&self, id: AnalyzerId) -> Option<NodeIx> {
        let known = |n: &Node| n.id == id && (!n.removed || self.was_just_removed(id));
        self.nodes.iter().position(known).map(|i| i as NodeIx)
    }

    /// The first live node with a tag.
    pub fn find_tag(&self, tag: Tag) -> Option<NodeIx> {
        self.nodes
            .iter()
            .position(|n| n.tag == tag && !n.removed)
            .map(|i| i as NodeIx)
    }

    /// The tag of a node.
    pub fn tag_of(&self, ix: NodeIx) -> Option<Tag> {
        self.nodes.get(ix as usize).map(|n| n.tag)
    }

    fn is_prevented(&self, tag: Tag) -> bool {
        self.rare.as_ref().is_some_and(|r| r.prevented.contains(&tag))
    }

    fn was_just_removed(&self, id: AnalyzerId) -> bool {
        self.rare.as_ref().is_some_and(|r| r.just_removed.contains(&id))
    }

    /// A script has removed a node: it knows that it is gone.
    pub fn forget_removed(&mut self, id: AnalyzerId) {
        if let Some(r) = &mut self.rare {
            r.just_removed.retain(|n| *n != id);
        }
    }

    /// New data has come.
    fn begin(&mut self, sh: &mut Shared) {
        if let Some(r) = &mut self.rare {
            r.just_removed.clear();
        }
        self.detect(sh);
    }

    /// Attaches the detector, now that there is data for it.
    fn detect(&mut self, sh: &mut Shared) {
        if let Some(tag) = self.detector.take() {
            self.add(sh, ROOT, tag);
        }
    }

    /// Never attach this protocol again.
    pub fn prevent(&mut self, tag: Tag) {
        if !self.is_prevented(tag) {
            self.rare.get_or_insert_default().prevented.push(tag);
        }
    }

    /// Marks a node and everything below as removed; data no longer reaches it. Its `done` runs at the next delivery.
    pub fn remove(&mut self, ix: NodeIx) -> bool {
        let Some(n) = self.nodes.get_mut(ix as usize) else {
            return false;
        };
        let was = !n.removed;
        n.removed = true;
        if was {
            let id = n.id;
            self.rare.get_or_insert_default().just_removed.push(id);
        }
        let Some(n) = self.nodes.get(ix as usize) else {
            return was;
        };
        for c in n.children.clone() {
            self.remove(c);
        }
        was
    }

    /// Counts a weird and says whether it passes the sampling.
    pub(crate) fn weird_passes(&mut self, name: &'static str, sh: &mut Shared) -> bool {
        let now = sh.now;
        if let Some(verdict) = sh.weird_scope.as_mut().and_then(|f| f(name, now)) {
            return verdict;
        }
        let o = &sh.opts;
        let seen = &mut self.rare.get_or_insert_default().weird_seen;
        let Some(e) = seen.iter_mut().find(|e| e.0 == name) else {
            seen.push((name, 1, 0.0));
            return o.weird_sampling_threshold > 0;
        };
        if e.2 > 0.0 && now > e.2 + o.weird_sampling_duration {
            e.1 = 0;
            e.2 = 0.0;
        }
        e.1 += 1;
        if e.1 <= o.weird_sampling_threshold {
            return true;
        }
        if e.2 == 0.0 {
            e.2 = now;
        }
        o.weird_sampling_rate > 0 && (e.1 - o.weird_sampling_threshold).is_multiple_of(o.weird_sampling_rate)
    }

    /// Calls one node's analyzer.
    pub(crate) fn call(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared, ix: NodeIx, call: Call) {
        let Some(n) = self.nodes.get_mut(ix as usize) else {
            return;
        };
        let last = matches!(call, Call::Done);
        if n.removed && !last {
            return;
        }
        let Some(mut an) = n.an.take() else {
            return;
        };
        n.done |= last;
        let tag = n.tag;
        let mut cx = Cx {
            q,
            conn,
            sh,
            tree: self,
            node: ix,
            tag,
        };
        match call {
            Call::Stream(o, d) => an.deliver(&mut cx, o, d),
            Call::Packet(o, d) => an.packet(&mut cx, o, d),
            Call::Gap(o, s, l) => an.gap(&mut cx, o, s, l),
            Call::Eof(o) => an.eof(&mut cx, o),
            Call::Attached => an.attached(&mut cx),
            Call::Reset => an.reset(&mut cx),
            Call::Flip => an.flip(),
            Call::Cmd(c) => an.command(&mut cx, c),
            Call::Done => return an.done(&mut cx),
        }
        self.nodes[ix as usize].an = Some(an);
    }

    /// Calls every child of a node that is there at the start.
    pub(crate) fn call_children(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        sh: &mut Shared,
        of: NodeIx,
        call: Call,
    ) {
        let n = self.children(of).len();
        for i in 0..n {
            let Some(&c) = self.children(of).get(i) else {
                break;
            };
            let node = &self.nodes[c as usize];
            if node.removed && !matches!(call, Call::Eof(_)) {
                // What was removed says its last word at the next delivery.
                if !node.done {
                    self.last_word(q, conn, sh, c);
                }
                continue;
            }
            self.call(q, conn, sh, c, call);
        }
    }

    /// Bytes of a stream for the connection-level analyzers.
    pub fn deliver(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared, is_orig: bool, data: &[u8]) {
        self.begin(sh);
        self.call_children(q, conn, sh, ROOT, Call::Stream(is_orig, data));
    }

    /// A datagram for the connection-level analyzers.
    pub fn packet(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared, is_orig: bool, data: &[u8]) {
        self.begin(sh);
        self.call_children(q, conn, sh, ROOT, Call::Packet(is_orig, data));
    }

    /// A gap for the connection-level analyzers.
    pub fn gap(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared, is_orig: bool, seq: u64, len: u64) {
        self.detect(sh);
        self.call_children(q, conn, sh, ROOT, Call::Gap(is_orig, seq, len));
    }

    /// The end of one direction.
    pub fn eof(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared, is_orig: bool) {
        self.call_children(q, conn, sh, ROOT, Call::Eof(is_orig));
    }

    /// The connection was reset.
    pub fn reset(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared) {
        for ix in 0..self.nodes.len() {
            self.call(q, conn, sh, ix as NodeIx, Call::Reset);
        }
    }

    /// Originator and responder were exchanged.
    pub fn flip(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared) {
        for ix in 0..self.nodes.len() {
            self.call(q, conn, sh, ix as NodeIx, Call::Flip);
        }
    }

    /// A built-in's request to the analyzers of one protocol; `id` narrows it to one.
    pub fn command(
        &mut self,
        q: &mut EventQueue,
        conn: &mut ConnInfo,
        sh: &mut Shared,
        tag: Tag,
        id: Option<AnalyzerId>,
        cmd: &Command,
    ) -> bool {
        let mut any = false;
        for ix in 0..self.nodes.len() {
            let n = &self.nodes[ix];
            if n.tag == tag && !n.removed && id.is_none_or(|i| i == n.id) {
                any = true;
                self.call(q, conn, sh, ix as NodeIx, Call::Cmd(cmd));
            }
        }
        any
    }

    fn last_word(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared, ix: NodeIx) {
        self.call(q, conn, sh, ix, Call::Done);
        let mut i = 0;
        while let Some(&c) = self.children(ix).get(i) {
            self.last_word(q, conn, sh, c);
            i += 1;
        }
    }

    /// The connection is removed: every analyzer says its last word, parents first.
    pub fn done(&mut self, q: &mut EventQueue, conn: &mut ConnInfo, sh: &mut Shared) {
        let mut i = 0;
        while i < self.nodes.len() {
            self.call(q, conn, sh, i as NodeIx, Call::Done);
            i += 1;
        }
    }
}
