//! The connection table: slots, index, timers, and the life of a connection from creation to removal.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

use foldhash::quality::FixedState;
use hashbrown::HashTable;
use tapir_packet::Ip;
use tapir_packet::frag::FragTable;
use tapir_packet::link::{Layer, LayerStack};
use tapir_packet::types::Weirds;

use crate::conn::{Conn, ConnId, Transport};
use crate::key::{ConnTuple, Key};
use crate::options::{Options, Wants};
use crate::reassembly::Block;
use crate::sink::{AppTimer, FlowSink};
use crate::timers::{Timer, TimerKind, Timers};
use crate::tunnels::IpTunnel;
use crate::uid::{Uid, UidGenerator};

/// Counters of a table.
#[derive(Clone, Copy, Debug, Default)]
pub struct FlowStats {
    pub packets: u64,
    pub tcp_conns: u64,
    pub udp_conns: u64,
    pub icmp_conns: u64,
    pub other_conns: u64,
    /// The most connections at a time.
    pub conns_max: usize,
    /// Connections there are, and the most there were, by transport in the order of [`Transport`].
    pub current: [u32; 4],
    pub most: [u32; 4],
    pub removed: u64,
    /// A TCP connection that was removed had data.
    pub tcp_had_data: bool,
    /// Connections removed because the table was full.
    pub shed: u64,
    pub fragments: u64,
    /// Bytes that were acknowledged but not seen, and how many gaps they make.
    pub gap_bytes: u64,
    pub gaps: u64,
    pub acks: u64,
    pub ack_bytes: u64,
}

/// What scripts may ask about the packet at hand.
#[derive(Clone, Debug, Default)]
pub struct PacketNotes {
    /// The session of the innermost PPPoE header.
    pub pppoe_session: Option<u16>,
    /// The options of each GENEVE header, as they were sent.
    pub geneve_options: Vec<Vec<u8>>,
    /// The options of the innermost TCP header, as they were sent.
    pub tcp_options: Vec<u8>,
    /// It belongs to a connection whose packets are not to be written (`set_record_packets`).
    pub unrecorded: bool,
}

pub(crate) struct Slot<X> {
    generation: u32,
    /// Of the connection's key.
    hash: u32,
    /// Empty while free, or while the connection is being worked on.
    conn: Option<Box<Conn<X>>>,
}

/// A hash as the index wants it, which takes its bits from both ends.
fn spread(hash: u32) -> u64 {
    let hash = u64::from(hash);
    hash << 32 | hash
}

/// Boxes of connections that are gone and wait for new ones, at most.
const BOXES_MAX: usize = 1024;

/// The sizes at which a chained table grows: it tells in which order scripts meet what is left at the end.
const SIZES: [usize; 16] = [
    1, 13, 29, 59, 127, 257, 541, 1109, 2357, 5087, 10_273, 20_753, 42_043, 85_229, 172_933, 351_061,
];

/// All connections of an engine.
pub struct FlowTable<X> {
    pub options: Options,
    pub wants: Wants,
    pub stats: FlowStats,
    slots: Vec<Slot<X>>,
    free: Vec<u32>,
    /// Numbers of slots by the hashes of their keys. The keys are those of the connections in the slots.
    index: HashTable<u32>,
    /// Slots whose connections are being worked on, with their keys.
    out: Vec<(u32, Key)>,
    pub(crate) hasher: FixedState,
    pub(crate) timers: Timers,
    pub(crate) now: f64,
    pub(crate) uids: UidGenerator,
    pub(crate) frags: FragTable<FixedState>,
    pub(crate) ip_tunnels: HashMap<(Ip, Ip), IpTunnel, FixedState>,
    pub(crate) weirds: Weirds,
    pub(crate) stack: LayerStack,
    /// Buffers to keep delivered data in, and queues of them.
    pub(crate) spare: Vec<Vec<u8>>,
    pub(crate) spare_queues: Vec<VecDeque<Block>>,
    terminating: bool,
    /// More timers were due than may run at once; they do after the packet.
    pub(crate) timers_left: bool,
    /// What connections that are gone lived in.
    boxes: Vec<Box<Conn<X>>>,
    pub(crate) lengths: (u32, u32),
    pub(crate) notes: PacketNotes,
    /// Identifiers without a child: how often they came, and since when that is counted.
    pub(crate) unknown_seen: HashMap<(Layer, u32), (u64, f64), FixedState>,
    shed_hand: usize,
    /// Of the next connection.
    serial: u32,
    /// Those that made the table exceed each of [`SIZES`].
    growths: Vec<u32>,
}

impl<X: Default> FlowTable<X> {
    /// An empty table.
    pub fn new(options: Options, uids: UidGenerator) -> Self {
        let hasher = FixedState::with_seed(options.hash_seed);
        FlowTable {
            wants: Wants::default(),
            stats: FlowStats::default(),
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            out: Vec::new(),
            hasher: hasher.clone(),
            timers: Timers::default(),
            now: 0.0,
            uids,
            frags: FragTable::new(options.frag, hasher.clone()),
            ip_tunnels: HashMap::with_hasher(hasher.clone()),
            weirds: Weirds::default(),
            stack: LayerStack::new(options.max_analyzer_depth),
            spare: Vec::new(),
            spare_queues: Vec::new(),
            terminating: false,
            timers_left: false,
            boxes: Vec::new(),
            lengths: (0, 0),
            notes: PacketNotes::default(),
            unknown_seen: HashMap::with_hasher(hasher),
            shed_hand: 0,
            serial: 0,
            growths: Vec::new(),
            options,
        }
    }

    /// The network time: that of the newest packet.
    pub fn now(&self) -> f64 {
        self.now
    }

    /// Length on the wire and captured length of the packet at hand, link layer included.
    pub fn packet_lengths(&self) -> (u32, u32) {
        self.lengths
    }

    /// What scripts may ask about the packet at hand.
    pub fn packet_notes(&self) -> &PacketNotes {
        &self.notes
    }

    /// Connections in the table.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Timers waiting, stale ones included.
    pub fn timer_count(&self) -> usize {
        self.timers.len()
    }

    /// Datagrams being put together, and bytes held for them.
    pub fn fragments(&self) -> (usize, usize) {
        (self.frags.len(), self.frags.bytes())
    }

    /// When the next timer is due: a live engine wakes up for it.
    pub fn next_timer(&self) -> Option<f64> {
        self.timers.next_time()
    }

    /// Whether the input has ended.
    pub fn is_terminating(&self) -> bool {
        self.terminating
    }

    /// The connection, unless it is gone or being worked on.
    pub fn conn(&self, id: ConnId) -> Option<&Conn<X>> {
        let s = self.slots.get(id.slot as usize)?;
        s.conn.as_deref().filter(|_| s.generation == id.generation)
    }

    /// The connection, unless it is gone or being worked on.
    pub fn conn_mut(&mut self, id: ConnId) -> Option<&mut Conn<X>> {
        let s = self.slots.get_mut(id.slot as usize)?;
        s.conn.as_deref_mut().filter(|_| s.generation == id.generation)
    }

    /// Whether the connection exists, be it worked on at the moment or not.
    pub fn exists(&self, id: ConnId) -> bool {
        // A slot is given a new generation as soon as its connection is gone.
        self.slots
            .get(id.slot as usize)
            .is_some_and(|s| s.generation == id.generation)
    }

    /// Finds a connection by the tuple of either direction.
    pub fn find(&self, tuple: &ConnTuple) -> Option<ConnId> {
        self.find_key(&tuple.key())
    }

    pub(crate) fn find_key(&self, key: &Key) -> Option<ConnId> {
        let hash = self.hasher.hash_one(key) as u32;
        let &slot = self.index.find(spread(hash), |slot| self.holds(*slot, hash, key))?;
        Some(ConnId {
            slot,
            generation: self.slots[slot as usize].generation,
        })
    }

    /// Whether a slot is that of a key.
    fn holds(&self, slot: u32, hash: u32, key: &Key) -> bool {
        let s = &self.slots[slot as usize];
        s.hash == hash
            && match &s.conn {
                Some(c) => c.tuple().key() == *key,
                None => self.out.iter().any(|(n, k)| *n == slot && k == key),
            }
    }

    /// All connections that are not being worked on.
    pub fn iter(&self) -> impl Iterator<Item = &Conn<X>> {
        self.slots.iter().filter_map(|s| s.conn.as_deref())
    }

    /// Takes the connection out of the table for the time of `f`, so that `f` can use both.
    pub fn with_conn<R>(&mut self, id: ConnId, f: impl FnOnce(&mut Self, &mut Conn<X>) -> R) -> Option<R> {
        let mut c = self.take(id)?;
        let r = f(self, &mut c);
        self.put(c);
        Some(r)
    }

    pub(crate) fn take(&mut self, id: ConnId) -> Option<Box<Conn<X>>> {
        let s = self.slots.get_mut(id.slot as usize)?;
        if s.generation != id.generation {
            return None;
        }
        let c = s.conn.take()?;
        self.out.push((id.slot, c.tuple().key()));
        Some(c)
    }

    fn is_back(&mut self, slot: u32) {
        // What went out last comes back first, nearly always.
        if let Some(i) = self.out.iter().rposition(|(n, _)| *n == slot) {
            self.out.swap_remove(i);
        }
    }

    #[inline]
    pub(crate) fn put(&mut self, c: Box<Conn<X>>) {
        let slot = c.id.slot;
        self.is_back(slot);
        self.slots[slot as usize].conn = Some(c);
    }

    /// The identifier of a connection, made when it is first asked for.
    pub fn uid(&mut self, c: &mut Conn<X>) -> Uid {
        *c.uid.get_or_insert_with(|| self.uids.next_uid(b'C'))
    }

    /// A fresh identifier from the same sequence, for things other than connections.
    pub fn next_uid(&mut self, prefix: u8) -> Uid {
        self.uids.next_uid(prefix)
    }

    /// Sets the inactivity timeout (0: never) and gives back the old one.
    pub fn set_inactivity_timeout(&mut self, c: &mut Conn<X>, seconds: f64) -> f64 {
        let old = std::mem::replace(&mut c.inactivity_timeout, seconds);
        if seconds > 0.0 {
            self.arm_inactivity(c, c.last_time + seconds);
        }
        old
    }

    /// Makes the inactivity timer fire at `due`, unless it does so earlier anyway and can then re-arm itself.
    pub(crate) fn arm_inactivity(&mut self, c: &mut Conn<X>, due: f64) {
        if c.inactivity_due == 0.0 || due < c.inactivity_due {
            c.inactivity_due = due;
            self.timers.add(due, c.id, c.timer_generation, TimerKind::Inactivity);
        }
    }

    /// Calls [`FlowSink::on_app_timer`] with `tag` at `time`. False if the connection has too many timers already.
    pub fn schedule_app_timer(&mut self, c: &mut Conn<X>, time: f64, tag: u8) -> bool {
        if c.app_timers >= self.options.max_app_timers {
            return false;
        }
        c.app_timers += 1;
        self.timers.add(time, c.id, c.timer_generation, TimerKind::App(tag));
        true
    }

    /// Exchanges originator and responder and tells the sink.
    pub fn flip<S: FlowSink<X>>(&mut self, c: &mut Conn<X>, sink: &mut S) {
        c.swap_roles();
        c.flipped_once = true;
        sink.on_flipped(self, c);
    }

    /// Raises a weird of a connection.
    pub(crate) fn conn_weird<S: FlowSink<X>>(
        &mut self,
        c: &mut Conn<X>,
        name: &str,
        addl: &str,
        source: &str,
        sink: &mut S,
    ) {
        c.weird_seen = true;
        sink.on_conn_weird(self, c, name, addl, source);
    }

    /// Puts a connection into a slot and the index.
    pub(crate) fn insert<S: FlowSink<X>>(
        &mut self,
        make: impl FnOnce(ConnId) -> Conn<X>,
        sink: &mut S,
    ) -> Box<Conn<X>> {
        if self.options.max_connections > 0 && self.index.len() >= self.options.max_connections {
            self.shed(sink);
        }
        let slot = match self.free.pop() {
            Some(s) => s,
            None => {
                self.slots.push(Slot {
                    generation: 0,
                    hash: 0,
                    conn: None,
                });
                (self.slots.len() - 1) as u32
            }
        };
        let id = ConnId {
            slot,
            generation: self.slots[slot as usize].generation,
        };
        let mut c = match self.boxes.pop() {
            Some(mut c) => {
                *c = make(id);
                c
            }
            None => Box::new(make(id)),
        };
        let key = c.tuple().key();
        let hash = self.hasher.hash_one(key) as u32;
        let slots = &mut self.slots;
        slots[slot as usize].hash = hash;
        self.index
            .insert_unique(spread(hash), slot, |s| spread(slots[*s as usize].hash));
        self.out.push((slot, key));
        match c.transport {
            Transport::Tcp => self.stats.tcp_conns += 1,
            Transport::Udp => self.stats.udp_conns += 1,
            Transport::Icmp => self.stats.icmp_conns += 1,
            Transport::Unknown => self.stats.other_conns += 1,
        }
        self.stats.conns_max = self.stats.conns_max.max(self.index.len());
        c.serial = self.serial;
        if SIZES.get(self.growths.len()).is_some_and(|n| self.index.len() > *n) {
            self.growths.push(self.serial);
        }
        self.serial = self.serial.wrapping_add(1);
        let t = c.transport as usize;
        self.stats.current[t] += 1;
        self.stats.most[t] = self.stats.most[t].max(self.stats.current[t]);
        c
    }

    /// Makes room: of the next few slots, the connection that is idle for longest goes.
    fn shed<S: FlowSink<X>>(&mut self, sink: &mut S) {
        let mut oldest: Option<(f64, ConnId)> = None;
        for _ in 0..16 {
            self.shed_hand = (self.shed_hand + 1) % self.slots.len().max(1);
            if let Some(c) = self.slots.get(self.shed_hand).and_then(|s| s.conn.as_deref()) {
                if oldest.is_none_or(|(t, _)| c.last_time < t) {
                    oldest = Some((c.last_time, c.id));
                }
            }
        }
        if let Some((_, id)) = oldest {
            if self.stats.shed == 0 {
                let addl = self.options.max_connections.to_string();
                sink.on_net_weird(self, "max_connections_exceeded", &addl, "");
            }
            self.stats.shed += 1;
            if let Some(c) = self.take(id) {
                self.remove(c, sink);
            }
        }
    }

    /// Ends a connection that was taken out: the sink is told, then its slot and key are free.
    pub(crate) fn remove<S: FlowSink<X>>(&mut self, mut c: Box<Conn<X>>, sink: &mut S) {
        self.end_of_tcp(&mut c, sink);
        sink.on_remove(self, &mut c);
        self.note_data(&c);
        self.free_slot(&c);
        self.recycle(&mut c);
        self.stats.removed += 1;
        let t = c.transport as usize;
        self.stats.current[t] = self.stats.current[t].saturating_sub(1);
        if self.boxes.len() < BOXES_MAX {
            c.ext = X::default();
            self.boxes.push(c);
        }
    }

    fn note_data(&mut self, c: &Conn<X>) {
        if !self.stats.tcp_had_data && c.transport == Transport::Tcp {
            self.stats.tcp_had_data = c.history.iter().any(|l| matches!(l, b'D' | b'd'));
        }
    }

    fn free_slot(&mut self, c: &Conn<X>) {
        let slot = c.id.slot;
        self.is_back(slot);
        let hash = spread(self.slots[slot as usize].hash);
        if let Ok(entry) = self.index.find_entry(hash, |s| *s == slot) {
            entry.remove();
        }
        let s = &mut self.slots[slot as usize];
        s.generation = s.generation.wrapping_add(1);
        s.conn = None;
        self.free.push(slot);
        // Timers of removed connections would otherwise pile up until they are due.
        if self.timers.is_bloated() {
            let slots = &self.slots;
            self.timers
                .retain(|t| slots[t.conn.slot as usize].generation == t.conn.generation);
        }
    }

    /// Removes a connection from outside; false if there is none.
    pub fn remove_conn<S: FlowSink<X>>(&mut self, id: ConnId, sink: &mut S) -> bool {
        match self.take(id) {
            Some(c) => {
                self.remove(c, sink);
                true
            }
            None => false,
        }
    }

    /// Sets the network time, which never goes back, and runs the timers that are due.
    ///
    /// At most `max_timer_expires` run at once; true if more are due.
    pub fn advance<S: FlowSink<X>>(&mut self, time: f64, sink: &mut S) -> bool {
        // Time does not start before its first second.
        self.now = self.now.max(time).max(1.0);
        self.frags.expire(self.now);
        self.timers_left = self.run_timers(sink);
        self.timers_left
    }

    /// Runs timers that are due at the network time; true if more are.
    pub fn run_timers<S: FlowSink<X>>(&mut self, sink: &mut S) -> bool {
        let mut left = if self.options.max_timer_expires == 0 {
            usize::MAX
        } else {
            self.options.max_timer_expires
        };
        while left > 0 {
            let slots = &self.slots;
            let due = self.timers.pop_due(self.now, |t| {
                slots[t.conn.slot as usize].generation == t.conn.generation
            });
            let Some(timer) = due else {
                return false;
            };
            // Stale timers are not worth counting.
            if let Some(c) = self.live(&timer) {
                left -= 1;
                self.fire(timer, c, false, sink);
            }
        }
        self.timers.next_time().is_some_and(|t| t <= self.now)
    }

    fn live(&mut self, timer: &Timer) -> Option<Box<Conn<X>>> {
        let c = self.conn(timer.conn)?;
        if timer.kind.is_engine_timer() && timer.generation != c.timer_generation {
            return None;
        }
        self.take(timer.conn)
    }

    fn fire<S: FlowSink<X>>(&mut self, timer: Timer, mut c: Box<Conn<X>>, at_end: bool, sink: &mut S) {
        let keep = match timer.kind {
            TimerKind::Attempt => self.attempt_timer(&mut c, sink),
            TimerKind::Expire => at_end || self.expire_timer(&mut c, sink),
            TimerKind::Close => {
                if at_end {
                    true
                } else {
                    sink.on_timeout(self, &mut c);
                    false
                }
            }
            TimerKind::Reset => self.reset_timer(&mut c, sink),
            TimerKind::PartialClose => at_end || self.partial_close_timer(&mut c, sink),
            TimerKind::Inactivity => at_end || self.inactivity_timer(&timer, &mut c, sink),
            TimerKind::Status => {
                if !at_end {
                    sink.on_status_update(self, &mut c);
                    let interval = self.options.connection_status_update_interval;
                    if interval > 0.0 {
                        self.timers
                            .add(self.now + interval, c.id, c.timer_generation, TimerKind::Status);
                    }
                }
                true
            }
            TimerKind::App(tag) => {
                c.app_timers = c.app_timers.saturating_sub(1);
                match sink.on_app_timer(self, &mut c, tag, at_end) {
                    AppTimer::Keep => true,
                    AppTimer::TimeOut => {
                        sink.on_timeout(self, &mut c);
                        false
                    }
                    AppTimer::Again(time) => {
                        if !at_end {
                            self.schedule_app_timer(&mut c, time, tag);
                        }
                        true
                    }
                }
            }
        };
        if keep { self.put(c) } else { self.remove(c, sink) }
    }

    fn inactivity_timer<S: FlowSink<X>>(&mut self, timer: &Timer, c: &mut Conn<X>, sink: &mut S) -> bool {
        if timer.time != c.inactivity_due {
            return true;
        }
        c.inactivity_due = 0.0;
        let timeout = c.inactivity_timeout;
        if timeout == 0.0 {
            return true;
        }
        let due = c.last_time + timeout;
        if due <= self.now {
            if !self.wants.timing_out || sink.connection_timing_out(self, c) {
                sink.on_timeout(self, c);
                return false;
            }
            self.arm_inactivity(c, self.now + timeout);
        } else {
            self.arm_inactivity(c, due);
        }
        true
    }

    /// Ends the run: the timers that matter fire in order, then all connections are removed.
    ///
    /// The caller drains its events between [`FlowTable::finish_timers`] and [`FlowTable::finish_conns`].
    pub fn finish_timers<S: FlowSink<X>>(&mut self, sink: &mut S) {
        while self.finish_some_timers(usize::MAX, sink) {}
    }

    /// Fires at most `max` of the timers that are left; false when there are no more.
    pub fn finish_some_timers<S: FlowSink<X>>(&mut self, max: usize, sink: &mut S) -> bool {
        self.terminating = true;
        for _ in 0..max {
            let Some(timer) = self.timers.pop() else {
                return false;
            };
            if let Some(c) = self.live(&timer) {
                self.fire(timer, c, true, sink);
            }
        }
        true
    }

    /// Forgets the connections that [`FlowTable::finish_conns`] has ended; until then they can be looked up.
    pub fn forget_conns(&mut self) {
        self.index.clear();
        for s in &mut self.slots {
            s.generation = s.generation.wrapping_add(1);
            s.conn = None;
        }
    }

    /// The same for some of them, so that a flood's remains do not pile up.
    pub fn forget(&mut self, ids: &[ConnId]) {
        for id in ids {
            if let Some(s) = self.slots.get_mut(id.slot as usize)
                && s.generation == id.generation
            {
                s.generation = s.generation.wrapping_add(1);
                s.conn = None;
            }
        }
    }

    /// Removes all connections, in the order of [`FlowTable::finish_order`].
    pub fn finish_conns<S: FlowSink<X>>(&mut self, sink: &mut S) {
        for id in self.finish_order() {
            self.finish_conn(id, sink);
        }
    }

    /// The connections that are left when the input ends: sorted by their keys if `sorted_removal` is set. Otherwise
    /// they come as from the chained table that scripts have always met here: the newest first, save that those which were
    /// there when it grew have changed their order.
    pub fn finish_order(&self) -> Vec<ConnId> {
        if self.options.sorted_removal {
            let mut ids: Vec<(Key, ConnId)> = self.iter().map(|c| (c.tuple().key(), c.id)).collect();
            ids.sort_unstable();
            return ids.into_iter().map(|(_, id)| id).collect();
        }
        let mut ids: Vec<(u32, ConnId)> = self.iter().map(|c| (c.serial, c.id)).collect();
        ids.sort_unstable_by_key(|(n, _)| *n);
        let mut growths = self.growths.iter().peekable();
        let mut order = VecDeque::with_capacity(ids.len());
        for (n, id) in ids {
            while growths.next_if(|g| **g <= n).is_some() {
                order.make_contiguous().reverse();
            }
            order.push_front(id);
        }
        for _ in growths {
            order.make_contiguous().reverse();
        }
        order.into()
    }

    /// Ends a connection at the end of the input.
    pub fn finish_conn<S: FlowSink<X>>(&mut self, id: ConnId, sink: &mut S) {
        self.terminating = true;
        if let Some(mut c) = self.take(id) {
            self.end_of_tcp(&mut c, sink);
            sink.on_remove(self, &mut c);
            self.note_data(&c);
            self.stats.removed += 1;
            self.put(c);
        }
    }
}
