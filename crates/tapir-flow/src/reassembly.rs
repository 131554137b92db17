//! TCP streams: segments in any order go in, contiguous data and gaps come out.
//!
//! Data in order passes through without a copy. What comes early is kept until what is missing arrives or is
//! acknowledged unseen; with `Wants::rexmit_inconsistency` delivered data is kept until acknowledged, to be compared
//! with what comes again.

use std::collections::VecDeque;

use crate::conn::{Conn, TcpState};
use crate::sink::{FlowSink, MultipleKind};
use crate::table::FlowTable;

/// The state of one direction, made when its first data or gap shows up.
#[derive(Debug)]
pub(crate) struct Reassembler {
    /// Up to where data was delivered or declared missing.
    pub delivered: u64,
    /// Up to where data was acknowledged, or given up remembering.
    trim: u64,
    /// Sorted by position, not overlapping: kept delivered data first, then early data.
    blocks: VecDeque<Block>,
    /// Bytes of early data.
    early: usize,
    acked: bool,
    /// No more deliveries.
    pub gave_up: bool,
}

/// A piece of a stream.
#[derive(Debug)]
pub(crate) struct Block {
    seq: u64,
    data: Vec<u8>,
}

impl Block {
    fn end(&self) -> u64 {
        self.seq + self.data.len() as u64
    }
}

impl Reassembler {
    fn new() -> Self {
        Reassembler {
            delivered: 1,
            trim: 1,
            blocks: VecDeque::new(),
            early: 0,
            acked: false,
            gave_up: false,
        }
    }

    /// Whether data waits for what comes before it, or for being acknowledged.
    pub(crate) fn holds_data(&self) -> bool {
        self.early > 0 || self.trim < self.delivered
    }

    fn early_end(&self) -> u64 {
        self.blocks
            .back()
            .map_or(self.delivered, Block::end)
            .max(self.delivered)
    }
}

/// Buffers kept for reuse, and how large they may be.
const SPARE_MAX: usize = 256;
const SPARE_LEN_MAX: usize = 16_384;
const SPARE_QUEUE_MAX: usize = 256;

impl<X: Default> FlowTable<X> {
    /// A queue is only held while something is in it: most connections have nothing to keep.
    fn ensure_queue(&mut self, c: &mut Conn<X>, is_orig: bool) {
        if let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() {
            if r.blocks.capacity() == 0 {
                r.blocks = self.spare_queues.pop().unwrap_or_default();
            }
        }
    }

    fn release_queue(&mut self, c: &mut Conn<X>, is_orig: bool) {
        if let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() {
            if r.blocks.is_empty() && r.blocks.capacity() > 0 {
                let queue = std::mem::take(&mut r.blocks);
                if self.spare_queues.len() < SPARE_MAX && queue.capacity() <= SPARE_QUEUE_MAX {
                    self.spare_queues.push(queue);
                }
            }
        }
    }

    fn spare_buffer(&mut self, data: &[u8]) -> Vec<u8> {
        let mut v = self.spare.pop().unwrap_or_default();
        v.extend_from_slice(data);
        v
    }

    fn give_back(&mut self, mut v: Vec<u8>) {
        if self.spare.len() < SPARE_MAX && v.capacity() <= SPARE_LEN_MAX && v.capacity() > 0 {
            v.clear();
            self.spare.push(v);
        }
    }

    /// Saves the buffers of a connection that goes.
    pub(crate) fn recycle(&mut self, c: &mut Conn<X>) {
        for is_orig in [true, false] {
            if let Some(r) = c.end_mut(is_orig).reassembler.take() {
                for b in r.blocks {
                    self.give_back(b.data);
                }
            }
        }
    }

    /// Has a connection reassembled from a segment on; what came before was passed on as it came.
    pub(crate) fn begin_reassembly(&mut self, c: &mut Conn<X>, is_orig: bool, seq: u64) {
        c.reassembling = true;
        for side in [true, false] {
            let from = if side == is_orig { seq } else { c.end(side).last_rel() };
            if from > 1 {
                let mut r = Reassembler::new();
                (r.delivered, r.trim) = (from, from);
                c.end_mut(side).reassembler = Some(Box::new(r));
            }
        }
    }

    /// Takes the payload of a segment at relative position `seq`.
    pub(crate) fn segment<S: FlowSink<X>>(
        &mut self,
        c: &mut Conn<X>,
        is_orig: bool,
        seq: u64,
        data: &[u8],
        flags: u8,
        sink: &mut S,
    ) {
        let (mut seq, mut data) = (seq, data);
        let end = seq + data.len() as u64;
        let peer_sent = c.end(!is_orig).last_rel() > 1 && c.end(!is_orig).state != TcpState::Inactive;
        let r = c
            .end_mut(is_orig)
            .reassembler
            .get_or_insert_with(|| Box::new(Reassembler::new()));
        if r.gave_up {
            return;
        }
        if !r.blocks.is_empty()
            && seq < r.early_end()
            && self.wants.rexmit_inconsistency
            && (data.len() > 1 || peer_sent)
        {
            self.compare(c, is_orig, seq, data, flags, sink);
        }
        let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() else {
            return;
        };
        if end <= r.trim || end <= r.delivered {
            return;
        }
        if seq < r.delivered {
            data = &data[(r.delivered - seq) as usize..];
            seq = r.delivered;
        }
        if seq == r.delivered && r.early == 0 {
            self.deliver(c, is_orig, seq, data, sink);
        } else {
            self.insert_early(c, is_orig, seq, data);
            self.deliver_early(c, is_orig, sink);
        }
        self.check_limits(c, is_orig, sink);
    }

    /// Compares a segment with what is kept.
    fn compare<S: FlowSink<X>>(
        &mut self,
        c: &mut Conn<X>,
        is_orig: bool,
        seq: u64,
        data: &[u8],
        flags: u8,
        sink: &mut S,
    ) {
        let end = seq + data.len() as u64;
        let mut different: Vec<(Vec<u8>, u64)> = Vec::new();
        if let Some(r) = c.end(is_orig).reassembler.as_deref() {
            let first = r.blocks.partition_point(|b| b.end() <= seq);
            for b in r.blocks.iter().skip(first).take_while(|b| b.seq < end) {
                let (from, to) = (b.seq.max(seq), b.end().min(end));
                let old = &b.data[(from - b.seq) as usize..(to - b.seq) as usize];
                if old != &data[(from - seq) as usize..(to - seq) as usize] {
                    different.push((old.to_vec(), from));
                }
            }
        }
        for (old, from) in different {
            let at = (from - seq) as usize;
            sink.on_rexmit_inconsistency(self, c, &old, &data[at..at + old.len()], flags);
        }
    }

    /// Delivers data that is next in order, straight from the packet.
    fn deliver<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, is_orig: bool, seq: u64, data: &[u8], sink: &mut S) {
        let keep = self.wants.rexmit_inconsistency;
        let kept = keep.then(|| self.spare_buffer(data));
        if keep {
            self.ensure_queue(c, is_orig);
        }
        if let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() {
            r.delivered = seq + data.len() as u64;
            if let Some(data) = kept {
                r.blocks.push_back(Block { seq, data });
            }
        }
        sink.on_stream_data(self, c, is_orig, seq, data);
    }

    /// Keeps the parts of early data that are not there yet.
    fn insert_early(&mut self, c: &mut Conn<X>, is_orig: bool, seq: u64, data: &[u8]) {
        let end = seq + data.len() as u64;
        let mut at = seq;
        self.ensure_queue(c, is_orig);
        while at < end {
            let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() else {
                return;
            };
            let i = r.blocks.partition_point(|b| b.end() <= at);
            match r.blocks.get(i) {
                Some(b) if b.seq <= at => at = b.end(),
                next => {
                    let stop = next.map_or(end, |b| b.seq.min(end));
                    let piece = self.spare_buffer(&data[(at - seq) as usize..(stop - seq) as usize]);
                    if let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() {
                        r.early += piece.len();
                        r.blocks.insert(i, Block { seq: at, data: piece });
                    }
                    at = stop;
                }
            }
        }
    }

    /// Delivers kept data as far as it is contiguous.
    fn deliver_early<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, is_orig: bool, sink: &mut S) {
        loop {
            let keep = self.wants.rexmit_inconsistency;
            let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() else {
                return;
            };
            if r.early == 0 || r.gave_up {
                return self.release_queue(c, is_orig);
            }
            let i = r.blocks.partition_point(|b| b.seq < r.delivered);
            let Some(b) = r.blocks.get_mut(i).filter(|b| b.seq == r.delivered) else {
                return;
            };
            let data = std::mem::take(&mut b.data);
            let seq = b.seq;
            r.delivered = seq + data.len() as u64;
            r.early -= data.len();
            if !keep {
                r.blocks.remove(i);
            }
            sink.on_stream_data(self, c, is_orig, seq, &data);
            match c.end_mut(is_orig).reassembler.as_deref_mut() {
                Some(r) if keep => {
                    if let Some(b) = r.blocks.get_mut(i).filter(|b| b.seq == seq) {
                        b.data = data;
                    }
                }
                _ => self.give_back(data),
            }
        }
    }

    fn check_limits<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, is_orig: bool, sink: &mut S) {
        let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() else {
            return;
        };
        if !r.acked && r.delivered - r.trim.min(r.delivered) > self.options.tcp_max_initial_window {
            // Nobody acknowledges: what was delivered is not worth remembering.
            r.trim = r.delivered;
            self.forget_acked(c, is_orig);
        }
        let Some(r) = c.end(is_orig).reassembler.as_deref() else {
            return;
        };
        let span = r.early_end() - r.delivered;
        let held = r.early as u64 + r.delivered.saturating_sub(r.trim);
        let weird = if !r.acked && r.early > 0 && span > self.options.tcp_max_above_hole_without_any_acks {
            "above_hole_data_without_any_acks"
        } else if held > self.options.tcp_excessive_data_without_further_acks {
            "excessive_data_without_further_acks"
        } else {
            return;
        };
        self.conn_weird(c, weird, "", "TCP", sink);
        self.give_up(c, is_orig);
    }

    /// Drops what is kept; nothing is delivered any more.
    pub(crate) fn give_up(&mut self, c: &mut Conn<X>, is_orig: bool) {
        let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() else {
            return;
        };
        r.gave_up = true;
        r.early = 0;
        for b in std::mem::take(&mut r.blocks) {
            self.give_back(b.data);
        }
    }

    /// Drops kept data that was acknowledged.
    fn forget_acked(&mut self, c: &mut Conn<X>, is_orig: bool) {
        let old_max = self.options.tcp_max_old_segments as usize;
        let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() else {
            return;
        };
        let mut acked = r
            .blocks
            .partition_point(|b| b.end() <= r.trim && b.end() <= r.delivered);
        while acked > old_max {
            let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() else {
                return;
            };
            if let Some(b) = r.blocks.pop_front() {
                self.give_back(b.data);
            }
            acked -= 1;
        }
        self.release_queue(c, is_orig);
    }

    /// The peer has acknowledged everything below relative position `ack` of this side's data.
    pub(crate) fn acked<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, is_orig: bool, ack: u64, sink: &mut S) {
        let partial = c.is_partial();
        let e = c.end_mut(is_orig);
        let mut ack = ack;
        if e.fin_seen {
            ack = ack.min(e.rare().fin_seq);
        }
        if e.reassembler.is_none() {
            if ack <= 1 {
                return;
            }
            e.reassembler = Some(Box::new(Reassembler::new()));
        }
        let Some(r) = e.reassembler.as_deref_mut() else {
            return;
        };
        if r.gave_up {
            return;
        }
        if ack > 1 {
            r.acked = true;
        }
        let mut missing = 0;
        if ack > r.delivered && !(partial && ack <= 2) {
            missing = self.fill_holes(c, is_orig, ack, sink);
        }
        let counts = self.options.report_gaps_for_partial
            || (c.orig.state == TcpState::Established && c.resp.state == TcpState::Established);
        if let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() {
            if ack > r.trim {
                if counts {
                    self.stats.acks += 1;
                    self.stats.ack_bytes += ack - r.trim;
                    self.stats.gaps += u64::from(missing > 0);
                    self.stats.gap_bytes += missing;
                }
                r.trim = ack;
                if !r.blocks.is_empty() {
                    self.forget_acked(c, is_orig);
                }
            }
        }
    }

    /// Declares missing what is missing below `ack`, and says how much that was.
    fn fill_holes<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, is_orig: bool, ack: u64, sink: &mut S) -> u64 {
        let mut missing = 0;
        loop {
            let closing = c.orig.fin_seen || c.resp.fin_seen || (c.orig.rare().rst_count | c.resp.rare().rst_count) > 0;
            let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() else {
                return missing;
            };
            if r.gave_up || r.delivered >= ack {
                return missing;
            }
            if self.options.detect_filtered_trace && r.delivered == 1 && closing {
                self.give_up(c, is_orig);
                return missing;
            }
            let at = r.delivered;
            let i = r.blocks.partition_point(|b| b.seq < at);
            let stop = r.blocks.get(i).map_or(ack, |b| b.seq.min(ack));
            if stop > at {
                r.delivered = stop;
                missing += stop - at;
                self.gap(c, is_orig, at, stop - at, sink);
            }
            self.deliver_early(c, is_orig, sink);
        }
    }

    fn gap<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, is_orig: bool, seq: u64, len: u64, sink: &mut S) {
        fn sound<X>(c: &Conn<X>, is_orig: bool) -> bool {
            let e = c.end(is_orig);
            e.state == TcpState::Established || (e.state == TcpState::Closed && e.prev_state == TcpState::Established)
        }
        c.end_mut(is_orig).had_gap = true;
        let content = self.options.report_gaps_for_partial || (sound(c, true) && sound(c, false));
        if content {
            let e = c.end_mut(is_orig).rare_mut();
            e.gaps += 1;
            let n = e.gaps;
            sink.on_content_gap(self, c, is_orig, seq, len);
            self.scaled(c, is_orig, n, b'G', MultipleKind::Gaps, sink);
        }
        sink.on_gap(self, c, is_orig, seq, len);
    }

    /// Offers to signatures what was never delivered.
    pub(crate) fn undelivered<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, sink: &mut S) {
        for is_orig in [true, false] {
            let Some(r) = c.end_mut(is_orig).reassembler.as_deref_mut() else {
                continue;
            };
            if r.early == 0 {
                continue;
            }
            let from = r.delivered;
            let blocks = std::mem::take(&mut r.blocks);
            r.early = 0;
            for b in blocks {
                if b.seq >= from {
                    sink.on_undelivered(self, c, is_orig, b.seq, &b.data);
                }
                self.give_back(b.data);
            }
        }
    }
}
