//! Files under analysis by id: creation, data, gaps, identification, analyzers, timeouts, removal.
//!
//! The manager raises `file_new`, `file_over_new_connection`, `file_sniff`, `file_timeout` and `file_state_remove` and
//! keeps the script's `fa_file` record current. Scripts answer some of these events by calling back (adding analyzers,
//! stopping a file), so no internal borrow is held while the host runs handlers.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;

use foldhash::{HashMap, HashSet};
use tapir_data::value::{Record, Str, Value};
use tapir_interface::queue::EventQueue;
use tapir_interface::{events, records, slots::fa_file, types};

use crate::analyzer::{Cx, FileAnalyzer, Kind};
use crate::reassembly::Reassembler;

mod script;
#[cfg(test)]
mod tests;

/// What file analysis needs from above.
pub trait FileHost {
    /// Runs the handlers of all queued events now.
    fn drain(&mut self, q: &mut EventQueue);
    /// MIME types that the beginning of a file suggests, strongest first.
    fn identify(&mut self, data: &[u8]) -> Vec<(i64, String)>;
    /// Queues a call of a script event given as a value.
    fn raise(&mut self, q: &mut EventQueue, event: &Value, args: Vec<Value>);
    /// Something odd about a file.
    fn weird(&mut self, q: &mut EventQueue, name: &str, file: Value, addl: &str);
    /// A file analyzer is sure of its data.
    fn confirmation(&mut self, q: &mut EventQueue, kind: Kind, file: Value);
    /// A file analyzer cannot make sense of its data.
    fn violation(&mut self, q: &mut EventQueue, kind: Kind, file: Value, reason: &str);
    /// An error of the operator's concern.
    fn error(&mut self, message: &str);
    /// Bytes of the `index`th file found inside another; `end` says that there are no more. Gives the inner file's id.
    fn nested(&mut self, q: &mut EventQueue, parent: &Rc<str>, index: u64, data: Option<&[u8]>, end: bool) -> Rc<str>;
    /// Whether scripts gave a table of known certificates.
    fn caches_certificates(&self) -> bool {
        false
    }
    /// Looks a certificate up among the known ones and hands it to the script's hook; false when it is not known.
    fn cached_certificate(&mut self, _q: &mut EventQueue, _file: Value, _sha256: &str) -> bool {
        false
    }
}

/// Who transports a file: a connection, or something without one.
pub trait Carrier {
    /// The value of `f$source`.
    fn source(&self) -> &str;
    /// Whether the originator sends; `None` without a connection.
    fn is_orig(&self) -> Option<bool>;
    /// A number that tells connections apart; `None` without a connection.
    fn key(&self) -> Option<u64>;
    /// The connection's record and its `conn_id`.
    fn conn(&mut self, q: &mut EventQueue) -> Option<(Value, Value)>;
}

/// A file that is not on a connection.
#[derive(Debug)]
pub struct NoConnection<'a>(pub &'a str);

impl Carrier for NoConnection<'_> {
    fn source(&self) -> &str {
        self.0
    }
    fn is_orig(&self) -> Option<bool> {
        None
    }
    fn key(&self) -> Option<u64> {
        None
    }
    fn conn(&mut self, _: &mut EventQueue) -> Option<(Value, Value)> {
        None
    }
}

/// A piece of a file.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// `None` continues the stream.
    pub offset: Option<u64>,
    pub data: &'a [u8],
    /// The type, if the protocol says it for sure.
    pub mime: Option<&'a [u8]>,
}

/// Options of file analysis.
#[derive(Clone, Debug)]
pub struct Options {
    pub timeout_interval: f64,
    pub bof_buffer_size: u64,
    pub extract_prefix: String,
    /// Bytes after which an extracted file is cut, where the analyzer's arguments say nothing; 0 for no limit.
    pub extract_limit: u64,
    /// Whether missing bytes count.
    pub extract_limit_includes_missing: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            timeout_interval: 120.0,
            bof_buffer_size: 4096,
            extract_prefix: String::new(),
            extract_limit: 100 << 20,
            extract_limit_includes_missing: true,
        }
    }
}

struct Slot {
    kind: Kind,
    args: Value,
    analyzer: RefCell<Box<dyn FileAnalyzer>>,
    got_stream: Cell<bool>,
    removed: Cell<bool>,
    /// Whether it takes part: an analyzer added by a handler does so from the next step on.
    applied: Cell<bool>,
    limit: Rc<Cell<u64>>,
}

struct State {
    id: Rc<str>,
    rec: Rc<Record>,
    slots: RefCell<Vec<Rc<Slot>>>,
    carriers: RefCell<HashSet<u64>>,
    position: Cell<u64>,
    seen: Cell<u64>,
    missing: Cell<u64>,
    overflow: Cell<u64>,
    overflow_told: Cell<bool>,
    total: Cell<Option<u64>>,
    bof: RefCell<Vec<Vec<u8>>>,
    bof_full: Cell<bool>,
    identified: Cell<bool>,
    reassembler: RefCell<Option<Reassembler>>,
    reassembly: Cell<bool>,
    reassembly_max: Cell<u64>,
    last_active: Cell<f64>,
    timeout: Cell<f64>,
    postpone: Cell<bool>,
    ignored: Cell<bool>,
    done: Cell<bool>,
    /// Position in the order of creation.
    serial: u64,
}

#[derive(Default)]
struct Inner {
    files: HashMap<Rc<str>, Rc<State>>,
    deadlines: BinaryHeap<Reverse<(u64, u64, Rc<str>)>>,
    disabled: HashSet<Kind>,
    serial: u64,
    /// The most files there were at a time.
    most: usize,
    now: f64,
    options: Options,
}

/// All files of one engine.
#[derive(Default)]
pub struct FileManager {
    inner: RefCell<Inner>,
}

/// A piece of a file that would end beyond what 64 bits can count is left out, and said once.
fn overflowing(q: &mut EventQueue, f: &State) {
    if !f.overflow_told.replace(true) {
        let source = match f.rec.get(fa_file::SOURCE) {
            Value::Str(s) => s,
            _ => Str::from(&b""[..]),
        };
        events::file_weird(q, &b"file_offset_overflow"[..], f.value(), &b""[..], source);
    }
}

impl FileManager {
    /// A manager with the given options.
    pub fn new(options: Options) -> FileManager {
        let m = FileManager::default();
        m.inner.borrow_mut().options = options;
        m
    }

    /// Changes the options for files that are new from now on.
    pub fn set_options(&self, options: Options) {
        self.inner.borrow_mut().options = options;
    }

    /// How many files there are.
    pub fn len(&self) -> usize {
        self.inner.borrow().files.len()
    }

    /// The most files at a time, and how many there were in all.
    pub fn totals(&self) -> (u64, u64) {
        let inner = self.inner.borrow();
        (inner.most as u64, inner.serial)
    }

    /// Whether a file is still open under an id.
    pub fn contains(&self, id: &str) -> bool {
        self.inner.borrow().files.contains_key(id)
    }

    /// Bytes of a file; creates it when the id is new.
    pub fn data(
        &self,
        q: &mut EventQueue,
        host: &mut dyn FileHost,
        id: &Rc<str>,
        carrier: &mut dyn Carrier,
        chunk: Chunk,
    ) {
        let Some(file) = self.file(q, host, id, carrier, true) else {
            return;
        };
        if let Some(mime) = chunk.mime {
            self.set_mime(q, host, &file, mime);
        }
        let end = |offset: u64| offset.checked_add(chunk.data.len() as u64);
        match chunk.offset {
            Some(offset) if end(offset).is_none() => overflowing(q, &file),
            None => self.deliver_stream(q, host, &file, chunk.data),
            Some(offset) => self.deliver_chunk(q, host, &file, chunk.data, offset),
        }
        if file.is_complete() {
            self.remove(q, host, id);
        }
    }

    /// Missing bytes.
    pub fn gap(
        &self,
        q: &mut EventQueue,
        host: &mut dyn FileHost,
        id: &Rc<str>,
        carrier: &mut dyn Carrier,
        offset: u64,
        len: u64,
    ) {
        let Some(file) = self.file(q, host, id, carrier, true) else {
            return;
        };
        if offset.checked_add(len).is_none() {
            overflowing(q, &file);
        } else if len > 0 {
            let position = file.position.get();
            if offset <= position {
                let n = (offset + len).saturating_sub(position);
                if n > 0 {
                    self.deliver_gap(q, host, &file, n);
                    self.deliver_buffered(q, host, &file);
                }
            } else if file.reassembler.borrow().is_none() {
                // Nothing is kept between the stream's position and the gap: it is all missing.
                self.deliver_gap(q, host, &file, offset + len - position);
            }
        }
        // What is missing does not complete a file: whoever knows of the gap tells of the end as well.
    }

    /// The size that the protocol announces.
    pub fn set_size(
        &self,
        q: &mut EventQueue,
        host: &mut dyn FileHost,
        id: &Rc<str>,
        carrier: &mut dyn Carrier,
        size: u64,
    ) {
        let Some(file) = self.file(q, host, id, carrier, true) else {
            return;
        };
        file.total.set(Some(size));
        file.rec.set(fa_file::TOTAL_BYTES, Value::Count(size));
        if file.is_complete() {
            self.remove(q, host, id);
        }
    }

    /// The end of a file: analyzers finish, the file is forgotten.
    pub fn end(&self, q: &mut EventQueue, host: &mut dyn FileHost, id: &Rc<str>) {
        self.remove(q, host, id);
    }

    /// A whole file in one call.
    pub fn whole(
        &self,
        q: &mut EventQueue,
        host: &mut dyn FileHost,
        id: &Rc<str>,
        carrier: &mut dyn Carrier,
        chunk: Chunk,
    ) {
        self.data(q, host, id, carrier, chunk);
        self.remove(q, host, id);
    }

    /// Says which file a file was found in.
    pub fn set_parent(&self, id: &str, parent: &str) {
        if let Some(f) = self.find(id) {
            f.rec.set(fa_file::PARENT_ID, Value::Str(parent.as_bytes().into()));
        }
    }

    /// Sets the network time and times files out.
    pub fn advance(&self, q: &mut EventQueue, host: &mut dyn FileHost, now: f64) {
        self.inner.borrow_mut().now = now;
        while let Some(id) = self.due(now) {
            self.time_out(q, host, &id, false);
        }
    }

    /// The time at which [`advance`](FileManager::advance) next has something to do.
    pub fn next_deadline(&self) -> Option<f64> {
        self.inner.borrow().deadlines.peek().map(|d| f64::from_bits(d.0.0))
    }

    /// Ends all files, oldest first.
    pub fn finish(&self, q: &mut EventQueue, host: &mut dyn FileHost) {
        let mut all: Vec<(u64, Rc<str>)> = self
            .inner
            .borrow()
            .files
            .values()
            .map(|f| (f.serial, f.id.clone()))
            .collect();
        all.sort();
        for (_, id) in all {
            self.time_out(q, host, &id, true);
        }
    }

    fn find(&self, id: &str) -> Option<Rc<State>> {
        self.inner.borrow().files.get(id).cloned()
    }

    fn file(
        &self,
        q: &mut EventQueue,
        host: &mut dyn FileHost,
        id: &Rc<str>,
        carrier: &mut dyn Carrier,
        create: bool,
    ) -> Option<Rc<State>> {
        let now = q.now();
        let (file, is_new) = match self.find(id) {
            Some(f) => {
                f.last_active.set(now);
                f.rec.set(fa_file::LAST_ACTIVE, Value::Time(now));
                (f, false)
            }
            None if create => (self.create(q, id, carrier, now), true),
            None => return None,
        };
        if is_new {
            events::file_new(q, file.value());
            host.drain(q);
        }
        if file.ignored.get() {
            return None;
        }
        if let Some(key) = carrier.key()
            && file.carriers.borrow_mut().insert(key)
            && let Some((conn, conn_id)) = carrier.conn(q)
        {
            let conns = match file.rec.get(fa_file::CONNS) {
                Value::Table(t) => t,
                _ => {
                    let t = q.bindings().table(types::TABLE_CONN_ID_OF_CONNECTION);
                    file.rec.set(fa_file::CONNS, Value::Table(t.clone()));
                    t
                }
            };
            conns.insert(&[conn_id], conn.clone(), now);
            events::file_over_new_connection(q, file.value(), conn, carrier.is_orig().unwrap_or(false));
            host.drain(q);
        }
        (!file.ignored.get()).then_some(file)
    }

    fn create(&self, q: &mut EventQueue, id: &Rc<str>, carrier: &dyn Carrier, now: f64) -> Rc<State> {
        let mut inner = self.inner.borrow_mut();
        let record = records::FaFile {
            id: id.as_bytes().into(),
            source: carrier.source().as_bytes().into(),
            is_orig: carrier.is_orig(),
            last_active: now,
            seen_bytes: Some(0),
            missing_bytes: Some(0),
            overflow_bytes: Some(0),
            timeout_interval: Some(inner.options.timeout_interval),
            bof_buffer_size: Some(inner.options.bof_buffer_size),
            ..Default::default()
        };
        let Value::Record(rec) = record.build(q.bindings()) else {
            unreachable!("a record builder gives a record");
        };
        inner.serial += 1;
        let file = Rc::new(State {
            id: id.clone(),
            rec,
            slots: RefCell::default(),
            carriers: RefCell::default(),
            position: Cell::new(0),
            seen: Cell::new(0),
            missing: Cell::new(0),
            overflow: Cell::new(0),
            overflow_told: Cell::new(false),
            total: Cell::new(None),
            bof: RefCell::default(),
            bof_full: Cell::new(false),
            identified: Cell::new(false),
            reassembler: RefCell::default(),
            reassembly: Cell::new(false),
            reassembly_max: Cell::new(0),
            last_active: Cell::new(now),
            timeout: Cell::new(inner.options.timeout_interval),
            postpone: Cell::new(false),
            ignored: Cell::new(false),
            done: Cell::new(false),
            serial: inner.serial,
        });
        inner.files.insert(id.clone(), file.clone());
        inner.most = inner.most.max(inner.files.len());
        inner.deadlines.push(Reverse((
            (now + file.timeout.get()).max(0.0).to_bits(),
            file.serial,
            id.clone(),
        )));
        file
    }

    /// The id of a file whose deadline has passed and that really was idle that long.
    fn due(&self, now: f64) -> Option<Rc<str>> {
        let mut inner = self.inner.borrow_mut();
        loop {
            let Reverse((at, serial, id)) = inner.deadlines.peek()?.clone();
            if f64::from_bits(at) > now {
                return None;
            }
            inner.deadlines.pop();
            let Some(f) = inner.files.get(&id).filter(|f| f.serial == serial) else {
                continue;
            };
            let real = f.last_active.get() + f.timeout.get();
            if f.timeout.get() <= 0.0 {
                continue;
            }
            if real > now {
                inner.deadlines.push(Reverse((real.max(0.0).to_bits(), serial, id)));
                continue;
            }
            return Some(id);
        }
    }

    fn time_out(&self, q: &mut EventQueue, host: &mut dyn FileHost, id: &Rc<str>, terminating: bool) {
        let Some(f) = self.find(id) else { return };
        f.postpone.set(false);
        events::file_timeout(q, f.value());
        host.drain(q);
        if f.postpone.get() && !terminating {
            let now = self.inner.borrow().now;
            f.last_active.set(now);
            let at = (now + f.timeout.get()).max(0.0).to_bits();
            self.inner
                .borrow_mut()
                .deadlines
                .push(Reverse((at, f.serial, id.clone())));
            return;
        }
        self.remove(q, host, id);
    }

    fn remove(&self, q: &mut EventQueue, host: &mut dyn FileHost, id: &Rc<str>) {
        let Some(f) = self.find(id) else { return };
        if f.done.get() {
            return;
        }
        self.finish_file(q, host, &f);
        self.inner.borrow_mut().files.remove(id);
    }

    fn finish_file(&self, q: &mut EventQueue, host: &mut dyn FileHost, f: &Rc<State>) {
        let stopped = f.ignored.get();
        if !stopped {
            self.flush(q, host, f);
        }
        if !f.bof_full.get() {
            f.bof_full.set(true);
            if !stopped {
                self.identify(q, host, f);
            }
            self.deliver_stream(q, host, f, b"");
        }
        f.done.set(true);
        // A file that scripts stopped vanishes without a word.
        if !stopped {
            f.each_slot(|slot| {
                with_cx(f, slot, q, host, |a, cx| a.end(cx));
                true
            });
            events::file_state_remove(q, f.value());
        }
        f.slots.borrow_mut().clear();
    }

    fn set_mime(&self, q: &mut EventQueue, host: &mut dyn FileHost, f: &Rc<State>, mime: &[u8]) {
        if f.identified.replace(true) {
            return;
        }
        f.bof_full.set(true);
        let meta = records::FaMetadata {
            mime_type: Some(mime.into()),
            inferred: Some(false),
            ..Default::default()
        };
        let meta = meta.build(q.bindings());
        events::file_sniff(q, f.value(), meta);
        host.drain(q);
    }

    /// Matches the buffered beginning and raises `file_sniff`; once, and not for an empty file.
    fn identify(&self, q: &mut EventQueue, host: &mut dyn FileHost, f: &Rc<State>) {
        if f.identified.get() {
            return;
        }
        let limit = f.bof_limit() as usize;
        let head: Vec<u8> = f.bof.borrow().concat();
        if head.is_empty() {
            return;
        }
        f.identified.set(true);
        let matches = host.identify(&head[..head.len().min(limit.max(1))]);
        f.rec.set(fa_file::BOF_BUFFER, Value::Str(head.into()));
        let b = q.shared_bindings();
        let mime_type = matches.first().map(|m| Str::from(m.1.as_bytes()));
        let mime_types = if matches.is_empty() {
            Value::Unset
        } else {
            let item = |m: &(i64, String)| {
                records::MimeMatch {
                    strength: m.0,
                    mime: m.1.as_bytes().into(),
                }
                .build(&b)
            };
            b.vector(types::MIME_MATCHES, matches.iter().map(item).collect())
        };
        let meta = records::FaMetadata {
            mime_type,
            mime_types,
            inferred: Some(true),
        }
        .build(&b);
        events::file_sniff(q, f.value(), meta);
        host.drain(q);
    }

    fn deliver_chunk(&self, q: &mut EventQueue, host: &mut dyn FileHost, f: &Rc<State>, data: &[u8], offset: u64) {
        let position = f.position.get();
        if offset == position && f.reassembler.borrow().is_none() {
            self.deliver_stream(q, host, f, data);
        } else if f.reassembly.get() {
            {
                let mut r = f.reassembler.borrow_mut();
                r.get_or_insert_with(Reassembler::default).add(position, offset, data);
            }
            self.deliver_buffered(q, host, f);
            self.shed(q, host, f);
        } else {
            f.overflow.set(f.overflow.get() + data.len() as u64);
            f.rec.set(fa_file::OVERFLOW_BYTES, Value::Count(f.overflow.get()));
        }
        f.each_slot(|slot| with_cx(f, slot, q, host, |a, cx| a.chunk(cx, data, offset)));
    }

    /// Delivers buffered pieces that now continue the stream.
    fn deliver_buffered(&self, q: &mut EventQueue, host: &mut dyn FileHost, f: &Rc<State>) {
        loop {
            let next = f
                .reassembler
                .borrow_mut()
                .as_mut()
                .and_then(|r| r.take(f.position.get()));
            match next {
                Some(data) => self.deliver_stream(q, host, f, &data),
                None => break,
            }
        }
    }

    /// Gives up on missing data when too much waits for it.
    fn shed(&self, q: &mut EventQueue, host: &mut dyn FileHost, f: &Rc<State>) {
        let max = f.reassembly_max.get();
        loop {
            let over = f
                .reassembler
                .borrow()
                .as_ref()
                .and_then(|r| (r.size() > max).then(|| r.first()).flatten());
            let Some(first) = over else { return };
            let skipped = first.saturating_sub(f.position.get());
            events::file_reassembly_overflow(q, f.value(), f.position.get(), skipped);
            if skipped > 0 {
                self.deliver_gap(q, host, f, skipped);
            }
            self.deliver_buffered(q, host, f);
        }
    }

    /// Delivers everything that is buffered, with gaps for what is not there.
    fn flush(&self, q: &mut EventQueue, host: &mut dyn FileHost, f: &Rc<State>) {
        loop {
            self.deliver_buffered(q, host, f);
            let first = f.reassembler.borrow().as_ref().and_then(Reassembler::first);
            match first {
                Some(at) if at > f.position.get() => self.deliver_gap(q, host, f, at - f.position.get()),
                _ => return,
            }
        }
    }

    fn deliver_stream(&self, q: &mut EventQueue, host: &mut dyn FileHost, f: &Rc<State>, data: &[u8]) {
        let mut buffered_now = false;
        if !f.bof_full.get() && !data.is_empty() {
            f.bof.borrow_mut().push(data.to_vec());
            buffered_now = true;
            let size: usize = f.bof.borrow().iter().map(Vec::len).sum();
            if size as u64 >= f.bof_limit() {
                f.bof_full.set(true);
                self.identify(q, host, f);
            }
        }
        // While the beginning is still being collected, analyzers that are there already see it as it comes.
        f.each_slot(|slot| {
            if !slot.got_stream.replace(true) && !self.catch_up(q, host, f, slot, buffered_now) {
                return false;
            }
            with_cx(f, slot, q, host, |a, cx| a.stream(cx, data))
        });
        if buffered_now && f.bof_full.get() {
            // What analyzers found in the beginning is told as of the beginning.
            host.drain(q);
        }
        f.position.set(f.position.get() + data.len() as u64);
        f.seen.set(f.seen.get() + data.len() as u64);
        f.rec.set(fa_file::SEEN_BYTES, Value::Count(f.seen.get()));
    }

    /// Shows a late analyzer what came before: the buffered beginning, then a gap for the rest.
    fn catch_up(
        &self,
        q: &mut EventQueue,
        host: &mut dyn FileHost,
        f: &Rc<State>,
        slot: &Slot,
        without_last: bool,
    ) -> bool {
        let n = f.bof.borrow().len() - usize::from(without_last);
        let mut delivered = 0;
        for i in 0..n {
            let piece = f.bof.borrow()[i].clone();
            delivered += piece.len() as u64;
            if !with_cx(f, slot, q, host, |a, cx| a.stream(cx, &piece)) {
                return false;
            }
        }
        let position = f.position.get();
        position <= delivered || with_cx(f, slot, q, host, |a, cx| a.gap(cx, delivered, position - delivered))
    }

    fn deliver_gap(&self, q: &mut EventQueue, host: &mut dyn FileHost, f: &Rc<State>, len: u64) {
        let offset = f.position.get();
        if !f.bof_full.get() {
            f.bof_full.set(true);
            self.identify(q, host, f);
            self.deliver_stream(q, host, f, b"");
        }
        f.each_slot(|slot| {
            if !slot.got_stream.replace(true) && !self.catch_up(q, host, f, slot, false) {
                return false;
            }
            with_cx(f, slot, q, host, |a, cx| a.gap(cx, offset, len))
        });
        events::file_gap(q, f.value(), offset, len);
        f.position.set(offset + len);
        f.missing.set(f.missing.get() + len);
        f.rec.set(fa_file::MISSING_BYTES, Value::Count(f.missing.get()));
    }

    /// How many files there are per source, for statistics.
    pub fn sources(&self) -> BTreeMap<String, usize> {
        let mut out = BTreeMap::new();
        for f in self.inner.borrow().files.values() {
            if let Value::Str(s) = f.rec.get(fa_file::SOURCE) {
                *out.entry(String::from_utf8_lossy(&s).into_owned()).or_default() += 1;
            }
        }
        out
    }
}

impl State {
    fn value(&self) -> Value {
        Value::Record(self.rec.clone())
    }

    fn is_complete(&self) -> bool {
        self.total
            .get()
            .is_some_and(|t| self.seen.get() + self.missing.get() >= t)
    }

    fn bof_limit(&self) -> u64 {
        match self.rec.get(fa_file::BOF_BUFFER_SIZE) {
            Value::Count(n) => n,
            _ => 4096,
        }
    }

    /// Runs `step` on every analyzer, also on those added meanwhile; removes those for which it answers false.
    fn each_slot(&self, mut step: impl FnMut(&Rc<Slot>) -> bool) {
        self.slots.borrow().iter().for_each(|s| s.applied.set(true));
        let mut i = 0;
        let mut any_removed = false;
        loop {
            let Some(slot) = self.slots.borrow().get(i).cloned() else {
                break;
            };
            if !slot.removed.get() && !step(&slot) {
                slot.removed.set(true);
            }
            any_removed |= slot.removed.get();
            i += 1;
        }
        if any_removed {
            self.slots.borrow_mut().retain(|s| !s.removed.get());
        }
    }
}

fn with_cx(
    f: &State,
    slot: &Slot,
    q: &mut EventQueue,
    host: &mut dyn FileHost,
    run: impl FnOnce(&mut dyn FileAnalyzer, &mut Cx) -> bool,
) -> bool {
    // An analyzer that feeds itself through a handler is busy; it misses that piece.
    let Ok(mut a) = slot.analyzer.try_borrow_mut() else {
        return true;
    };
    let mut cx = Cx {
        q,
        host,
        file: &f.rec,
        id: &f.id,
        kind: slot.kind,
    };
    run(a.as_mut(), &mut cx)
}
