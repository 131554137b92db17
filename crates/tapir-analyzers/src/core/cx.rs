//! The context of an analyzer while it runs: events, connection, children, files, weirds, confirmation.

use std::rc::Rc;

use tapir_data::value::Value;

use super::conn::{ConnInfo, Transport};
use super::hosts::FileChunk;
use super::tree::{Call, NodeIx, ROOT, Tree};
use super::{Analyzer, Command, Shared, Tag};
use crate::registry;
use tapir_interface::queue::EventQueue;
use tapir_interface::{events, records, types};

/// Protocols that are only ever handed whole messages.
const WHOLE_MESSAGES: &[&str] = &["KRB", "NTLM"];

/// What an analyzer works with during a call.
pub struct Cx<'a> {
    pub q: &'a mut EventQueue,
    pub conn: &'a mut ConnInfo,
    pub sh: &'a mut Shared,
    pub(crate) tree: &'a mut Tree,
    pub(crate) node: NodeIx,
    /// The protocol that runs.
    pub tag: Tag,
}

impl Cx<'_> {
    /// The `connection` record, refreshed.
    pub fn conn_value(&mut self) -> Value {
        self.conn.value_now(self.q, self.sh)
    }

    /// The network time.
    #[inline]
    pub fn now(&self) -> f64 {
        self.q.now()
    }

    /// The id of the running analyzer.
    pub fn id(&self) -> u64 {
        self.tree.nodes[self.node as usize].id
    }

    /// The name of the running analyzer, as in weirds.
    pub fn name(&self) -> &'static str {
        registry::name(self.tag)
    }

    /// The script value of the running analyzer's tag.
    pub fn tag_value(&self) -> Value {
        self.sh.tag_values[self.tag.0 as usize].clone()
    }

    /// Whether the running analyzer has confirmed its protocol.
    pub fn confirmed(&self) -> bool {
        self.tree.nodes[self.node as usize].confirmed
    }

    /// Whether the running analyzer was removed while it ran.
    pub fn removed(&self) -> bool {
        self.tree.nodes[self.node as usize].removed
    }

    /// The protocol was recognised; told once.
    pub fn confirm(&mut self) {
        let ix = self.node;
        self.confirm_node(ix);
    }

    /// A child's protocol was recognised by its carrier.
    pub fn confirm_child(&mut self, ix: NodeIx) {
        self.confirm_node(ix);
    }

    fn confirm_node(&mut self, ix: NodeIx) {
        let n = &mut self.tree.nodes[ix as usize];
        if n.confirmed || n.removed {
            return;
        }
        n.confirmed = true;
        let (id, tag) = (n.id, n.tag);
        if self.q.wants(events::ANALYZER_CONFIRMATION_INFO) {
            let c = self.conn_value();
            let info = records::AnalyzerConfirmationInfo {
                c,
                f: Value::Unset,
                aid: Some(id),
            }
            .build(self.q.bindings());
            let tag = self.sh.tag_values[tag.0 as usize].clone();
            self.q.push(events::ANALYZER_CONFIRMATION_INFO, vec![tag, info]);
        }
    }

    /// The data is not of the protocol.
    pub fn violation(&mut self, reason: &str) {
        self.violation_data(reason, &[]);
    }

    /// As [`violation`](Self::violation), with the offending bytes.
    pub fn violation_data(&mut self, reason: &str, data: &[u8]) {
        // Where bytes are missing what is wrong with the rest proves nothing; but messages that a carrier hands over
        // are whole.
        let is_stream = self.conn.transport == Transport::Tcp && !WHOLE_MESSAGES.contains(&self.name());
        if is_stream && (self.conn.partial || self.conn.gaps[0] || self.conn.gaps[1]) {
            return;
        }
        let max = self.sh.opts.max_analyzer_violations;
        let n = &mut self.tree.nodes[self.node as usize];
        n.violations += 1;
        let (id, count) = (n.id, n.violations);
        if count > max {
            if count == max + 1 {
                self.weird("too_many_analyzer_violations", "");
            }
            return;
        }
        if self.q.wants(events::ANALYZER_VIOLATION_INFO) {
            let c = self.conn_value();
            let info = records::AnalyzerViolationInfo {
                reason: Rc::from(reason.as_bytes()),
                c,
                f: Value::Unset,
                aid: Some(id),
                data: (!data.is_empty()).then(|| Rc::from(data)),
            }
            .build(self.q.bindings());
            let tag = self.tag_value();
            self.q.push(events::ANALYZER_VIOLATION_INFO, vec![tag, info]);
        }
    }

    /// An anomaly of the running analyzer.
    pub fn weird(&mut self, name: &'static str, addl: &str) {
        let source = self.name();
        self.weird_from(name, addl, source);
    }

    /// An anomaly with another source; an empty one for none.
    pub fn weird_from(&mut self, name: &'static str, addl: &str, source: &str) {
        if !self.tree.weird_passes(name, self.sh) || !self.q.wants(events::CONN_WEIRD) {
            return;
        }
        let c = self.conn_value();
        events::conn_weird(self.q, name, c, addl, source);
    }

    /// What a line splitter says; about the form of line ends only once in a connection.
    pub fn line_weird(&mut self, name: &'static str) {
        if name != "contentline_size_exceeded" && name != "line_terminated_without_CRLF" {
            if self.conn.line_weirds.as_ref().is_some_and(|w| w.contains(&name)) {
                return;
            }
            self.conn.line_weirds.get_or_insert_default().push(name);
        }
        self.weird_from(name, "", "CONTENTLINE");
    }

    /// A limit was reached: a weird and an `X` in the history.
    pub fn limit_weird(&mut self, name: &'static str, addl: &str) {
        self.conn.asks.history_x = true;
        self.weird(name, addl);
    }

    /// Attaches a child by protocol name; gives back whether it is there now.
    pub fn add_child(&mut self, name: &str) -> Option<NodeIx> {
        let tag = registry::tag(name)?;
        self.add_child_tag(tag)
    }

    /// Attaches a child by tag.
    pub fn add_child_tag(&mut self, tag: Tag) -> Option<NodeIx> {
        let ix = self.tree.add(self.sh, self.node, tag)?;
        self.tree.call(self.q, self.conn, self.sh, ix, Call::Attached);
        Some(ix)
    }

    /// Attaches a given analyzer as child.
    pub fn add_child_boxed(&mut self, name: &str, an: Box<dyn Analyzer>) -> Option<NodeIx> {
        let tag = registry::tag(name)?;
        if !self.sh.is_enabled(tag) {
            return None;
        }
        self.tree.add_boxed(self.sh, self.node, tag, an)
    }

    /// Attaches an analyzer beside the running one, by tag.
    pub fn add_sibling_tag(&mut self, tag: Tag) -> Option<NodeIx> {
        let parent = self.tree.nodes[self.node as usize].parent;
        self.tree.add(self.sh, parent, tag)
    }

    /// The live child with a protocol name.
    pub fn child(&self, name: &str) -> Option<NodeIx> {
        self.tree.child_with(self.node, registry::tag(name)?)
    }

    /// Whether the running analyzer has live children.
    pub fn has_children(&self) -> bool {
        self.tree
            .children(self.node)
            .iter()
            .any(|&c| !self.tree.nodes[c as usize].removed)
    }

    /// The script id of a node.
    pub fn node_id(&self, ix: NodeIx) -> u64 {
        self.tree.nodes[ix as usize].id
    }

    /// The parent's tag; `None` at connection level.
    pub fn parent_tag(&self) -> Option<Tag> {
        let p = self.tree.nodes[self.node as usize].parent;
        self.tree.nodes.get(p as usize).map(|n| n.tag)
    }

    /// Removes a node.
    pub fn remove(&mut self, ix: NodeIx) {
        self.tree.remove(ix);
    }

    /// Removes the running analyzer; it sees nothing more.
    pub fn remove_self(&mut self) {
        self.tree.remove(self.node);
    }

    /// Never attach this protocol to the connection again.
    pub fn prevent(&mut self, tag: Tag) {
        self.tree.prevent(tag);
    }

    /// Removes all connection-level analyzers but the one at the top of the running one.
    pub fn remove_other_roots(&mut self) {
        let mut top = self.node;
        while self.tree.nodes[top as usize].parent != ROOT {
            top = self.tree.nodes[top as usize].parent;
        }
        for r in self.tree.roots.clone() {
            if r != top {
                self.tree.remove(r);
            }
        }
    }

    /// Stream data for all children.
    pub fn forward(&mut self, is_orig: bool, data: &[u8]) {
        if !data.is_empty() {
            self.tree
                .call_children(self.q, self.conn, self.sh, self.node, Call::Stream(is_orig, data));
        }
    }

    /// Stream data for one child.
    pub fn forward_to(&mut self, ix: NodeIx, is_orig: bool, data: &[u8]) {
        self.tree
            .call(self.q, self.conn, self.sh, ix, Call::Stream(is_orig, data));
    }

    /// A datagram for one child.
    pub fn packet_to(&mut self, ix: NodeIx, is_orig: bool, data: &[u8]) {
        self.tree
            .call(self.q, self.conn, self.sh, ix, Call::Packet(is_orig, data));
    }

    /// A gap for one node.
    pub fn gap_to(&mut self, ix: NodeIx, is_orig: bool, seq: u64, len: u64) {
        self.tree
            .call(self.q, self.conn, self.sh, ix, Call::Gap(is_orig, seq, len));
    }

    /// A datagram for all children.
    pub fn forward_packet(&mut self, is_orig: bool, data: &[u8]) {
        self.tree
            .call_children(self.q, self.conn, self.sh, self.node, Call::Packet(is_orig, data));
    }

    /// A gap for all children.
    pub fn forward_gap(&mut self, is_orig: bool, seq: u64, len: u64) {
        self.tree
            .call_children(self.q, self.conn, self.sh, self.node, Call::Gap(is_orig, seq, len));
    }

    /// The end of a direction for all children.
    pub fn forward_eof(&mut self, is_orig: bool) {
        self.tree
            .call_children(self.q, self.conn, self.sh, self.node, Call::Eof(is_orig));
    }

    /// A request to one node.
    pub fn command_to(&mut self, ix: NodeIx, cmd: &Command) {
        self.tree.call(self.q, self.conn, self.sh, ix, Call::Cmd(cmd));
    }

    /// Hands bytes of a file over; gives the file's id.
    pub fn file_data(
        &mut self,
        is_orig: bool,
        data: &[u8],
        offset: Option<u64>,
        id: Option<&Rc<str>>,
        mime: Option<&[u8]>,
    ) -> Option<Rc<str>> {
        self.show_nodes();
        let mut h = self.sh.files.take()?;
        let r = h.data(
            self.q,
            self.conn,
            FileChunk {
                tag: self.tag,
                is_orig,
                offset,
                data,
                id,
                mime,
            },
        );
        self.sh.files = Some(h);
        r
    }

    /// Shows built-ins, which may run during file analysis, what is attached to the connection.
    fn show_nodes(&mut self) {
        if self.conn.value.is_none() {
            // Handlers in the middle of the packet know the connection by its record.
            self.conn_value();
        }
        let mut shown = self.sh.nodes.borrow_mut();
        shown.running = self.id();
        shown.attached.clear();
        shown.ended.clear();
        shown
            .attached
            .extend(self.tree.nodes.iter().filter(|n| !n.removed).map(|n| (n.tag, n.id)));
    }

    /// What a script asked of this analyzer in the middle of the packet, while files were handed over.
    pub fn take_command(&mut self) -> Option<Command> {
        let mut shown = self.sh.nodes.borrow_mut();
        let at = shown.commands.iter().position(|c| c.0 == self.tag)?;
        Some(shown.commands.remove(at).1)
    }

    /// Tells of missing bytes of a file.
    pub fn file_gap(&mut self, is_orig: bool, offset: u64, len: u64, id: Option<&Rc<str>>) -> Option<Rc<str>> {
        self.show_nodes();
        let mut h = self.sh.files.take()?;
        let r = h.gap(self.q, self.conn, self.tag, is_orig, offset, len, id);
        self.sh.files = Some(h);
        r
    }

    /// Tells the size of a file.
    pub fn file_size(&mut self, is_orig: bool, size: u64, id: Option<&Rc<str>>) -> Option<Rc<str>> {
        self.show_nodes();
        let mut h = self.sh.files.take()?;
        let r = h.set_size(self.q, self.conn, self.tag, is_orig, size, id);
        self.sh.files = Some(h);
        r
    }

    /// What the file magic says of the first bytes of something.
    pub fn mime_of(&mut self, data: &[u8]) -> Option<Vec<u8>> {
        let mut h = self.sh.files.take()?;
        let r = h.mime_of(data);
        self.sh.files = Some(h);
        r
    }

    /// Ends a file.
    pub fn file_end(&mut self, is_orig: bool, id: Option<&Rc<str>>) {
        self.show_nodes();
        if let Some(mut h) = self.sh.files.take() {
            h.end(self.q, self.conn, self.tag, is_orig, id);
            self.sh.files = Some(h);
        }
    }

    /// Hands a whole file over under a known handle.
    pub fn file_whole(&mut self, is_orig: bool, handle: &[u8], mime: &[u8], data: &[u8]) -> Option<Rc<str>> {
        self.show_nodes();
        let mut h = self.sh.files.take()?;
        let r = h.whole(self.q, self.conn, self.tag, is_orig, handle, mime, data);
        self.sh.files = Some(h);
        r
    }

    /// Whether signatures look at texts of a kind.
    pub fn text_is_matched(&self, kind: super::PatKind) -> bool {
        self.conn.matcher.as_ref().is_some_and(|m| m.wants(kind))
    }

    /// Matches text of the running analyzer against signatures.
    pub fn match_text(&mut self, kind: super::PatKind, is_orig: bool, data: &[u8], bol: bool, eol: bool) {
        if !self.text_is_matched(kind) {
            return;
        }
        let Some(mut m) = self.conn.matcher.take() else {
            return;
        };
        // A text that begins has nothing to do with the one before.
        if bol {
            m.reset(kind, is_orig);
        }
        let mut enables = Vec::new();
        m.feed(self.q, self.conn, self.sh, kind, is_orig, data, bol, eol, &mut enables);
        self.conn.matcher = Some(m);
    }
}

impl Cx<'_> {
    /// A vector value.
    pub fn vector(&self, ty: tapir_interface::bindings::TypeIdx, items: Vec<Value>) -> Value {
        self.q.bindings().vector(ty, items)
    }

    /// A `string_vec`.
    pub fn strings<S: AsRef<[u8]>>(&self, items: &[S]) -> Value {
        let v = items.iter().map(|s| Value::Str(Rc::from(s.as_ref()))).collect();
        self.vector(types::STRING_VEC, v)
    }

    /// An `index_vec`.
    pub fn counts(&self, items: impl IntoIterator<Item = u64>) -> Value {
        self.vector(types::INDEX_VEC, items.into_iter().map(Value::Count).collect())
    }

    /// A `string_set`.
    pub fn string_set<S: AsRef<[u8]>>(&self, items: &[S]) -> Value {
        let t = self.q.bindings().table(types::STRING_SET);
        for s in items {
            t.insert(&[Value::Str(Rc::from(s.as_ref()))], Value::Unset, self.sh.now);
        }
        Value::Table(t)
    }
}
