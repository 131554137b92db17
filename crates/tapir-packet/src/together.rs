//! One capture read by several side by side, each of whom analyses its share.
//!
//! Who is ahead reads the capture, finds out whose each packet is, and leaves it in a batch until the last one has it. So the
//! capture is cut into packets and looked at once, and a reader goes from one packet of its own to the next without
//! touching those in between. How far ahead one may be is bounded, and so is the memory.
//!
//! Bytes of a plain file are not left to others, who read them once more, each into memory of its own: the system has them
//! still, and copies them faster than one processor gets them from another. Nor does anybody keep them then.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::batch::{Entry, FETCH, fetch};
use crate::share::Claims;
use crate::source::{Buffered, Kept, RawPacket, SourceError, open_file, open_input, read_buffered};
use crate::types::{Weird, Weirds};

/// Batches that may wait for somebody. In one is what was read at once, 256 KB unless a packet is larger.
const BATCHES: usize = 256;
/// Bytes that may wait, together with one batch more, where they wait.
const BYTES: usize = 32 << 20;
/// Who is more batches behind gets nothing that is new.
const BEHIND: u64 = 8;
/// Spare batches to keep, unless they are larger than this.
const SPARE: usize = 16;
const SPARE_BYTES: usize = 1 << 20;
/// How long to wait for others before looking whether the run is to stop.
const WAIT: Duration = Duration::from_millis(100);

/// A packet of somebody.
#[derive(Clone, Copy)]
struct Own {
    packet: Entry,
    /// Its place in the portion.
    place: u32,
    /// The latest time in the capture before it.
    before: f64,
}

/// Packets, whose they are, and what was odd before each.
#[derive(Default)]
struct Portion {
    /// The time of each packet, and the latest time so far in the capture.
    times: Vec<(f64, f64)>,
    /// Each reader's packets, in order.
    shares: Vec<Vec<Own>>,
    /// The bytes of all packets, if they are not read again from a file.
    buffers: Vec<Vec<u8>>,
    /// Oddities of the capture, each with the place of the packet that came next.
    weirds: Vec<(usize, Weird)>,
    /// Where in the file the bytes of each buffer stand, and how many, if they are.
    places: Vec<(u64, usize)>,
    /// Memory of the packets.
    n_bytes: usize,
}

impl Portion {
    fn clear(&mut self) {
        self.times.clear();
        self.shares.iter_mut().for_each(Vec::clear);
        self.weirds.clear();
        self.places.clear();
    }

    /// The packets of a reader.
    #[inline]
    fn share(&self, reader: u16) -> &[Own] {
        self.shares.get(usize::from(reader)).map_or(&[], Vec::as_slice)
    }
}

/// The capture, and what is needed to look at it.
struct Origin {
    source: Box<dyn Buffered + Send>,
    claims: Claims,
    n_readers: usize,
    /// The latest time so far.
    latest: f64,
    weirds: Weirds,
}

impl Origin {
    /// Reads on, once; what is new is for those who are able to take it. Gives how the capture ended, if it did. The bytes
    /// come into the buffers of a reader, if it has ones of its own, or else into those of the portion.
    fn fill(
        &mut self,
        portion: &mut Portion,
        able: &[u16],
        own: Option<&mut Vec<Vec<u8>>>,
    ) -> Option<Result<(), SourceError>> {
        portion.shares.resize_with(self.n_readers, Vec::new);
        let is_shared = own.is_none();
        let mut of_all = std::mem::take(&mut portion.buffers);
        let buffers = own.unwrap_or(&mut of_all);
        self.source.buffer().borrow(buffers.pop());
        let ended = self.source.cut(&mut Cut {
            portion,
            claims: &mut self.claims,
            able,
            latest: &mut self.latest,
            weirds: &mut self.weirds,
        });
        let kept = self.source.buffer().give_away();
        buffers.clear();
        if !is_shared {
            portion.places.extend(kept.iter().map(|k| (k.base, k.n)));
        }
        buffers.extend(kept.into_iter().map(|Kept { bytes, .. }| bytes));
        portion.buffers = of_all;
        portion.n_bytes = portion.buffers.iter().map(Vec::len).sum();
        ended
    }
}

/// What packets are found to be as they are cut out of a capture.
pub(crate) struct Cut<'a> {
    portion: &'a mut Portion,
    claims: &'a mut Claims,
    /// Who is able to take what is new.
    able: &'a [u16],
    /// The latest time so far.
    latest: &'a mut f64,
    weirds: &'a mut Weirds,
}

impl Cut<'_> {
    /// Finds the packets of a portion.
    pub(crate) fn packets_of<S: Buffered + ?Sized>(&mut self, source: &mut S) -> Option<Result<(), SourceError>> {
        let Portion {
            times, shares, weirds, ..
        } = &mut *self.portion;
        loop {
            if !times.is_empty() && source.would_wait() {
                return None;
            }
            let here = times.len();
            let found = match source.next_packet(self.weirds) {
                Ok(Some(raw)) => {
                    let owner = self.claims.owner(&raw, self.able);
                    Ok((RawPacket { data: &[], ..raw }, owner, raw.data.len(), raw.data.as_ptr()))
                }
                Ok(None) => Err(Ok(())),
                Err(e) => Err(Err(e)),
            };
            if !self.weirds.is_empty() {
                weirds.extend(self.weirds.drain().map(|w| (here, w)));
            }
            let (raw, owner, n, first) = match found {
                Ok(found) => found,
                Err(end) => return Some(end),
            };
            if let Some(share) = shares.get_mut(usize::from(owner)) {
                share.push(Own {
                    packet: Entry::new(&raw, n, source.buffer().place_of(first)),
                    place: here as u32,
                    before: *self.latest,
                });
            }
            let ts = raw.ts();
            *self.latest = self.latest.max(ts);
            times.push((ts, *self.latest));
        }
    }
}

struct State {
    /// The capture; absent while somebody reads it.
    origin: Option<Origin>,
    waiting: VecDeque<Arc<Portion>>,
    /// Bytes of those that wait.
    n_bytes: usize,
    /// The number of the first portion that waits.
    first: u64,
    /// The number of the portion that each reader takes next; `None` when it takes no more.
    next: Vec<Option<u64>>,
    /// Portions that all are done with, to be filled again.
    spare: Vec<Portion>,
    /// How the capture has ended.
    ended: Option<Result<(), SourceError>>,
}

impl State {
    /// Whether more may be read before somebody has caught up.
    fn has_room(&self) -> bool {
        self.waiting.len() < BATCHES && self.n_bytes < BYTES
    }

    /// Who is not far behind a portion.
    fn able(&self, portion: u64) -> Vec<u16> {
        let is_near = |next: &Option<u64>| next.is_some_and(|next| next + BEHIND >= portion);
        (0..)
            .zip(&self.next)
            .filter(|(_, next)| is_near(next))
            .map(|(i, _)| i)
            .collect()
    }

    /// Forgets what all have taken.
    fn forget(&mut self) {
        let all_have = self.next.iter().flatten().min().copied().unwrap_or(u64::MAX);
        while self.first < all_have {
            let Some(portion) = self.waiting.pop_front() else {
                break;
            };
            self.first += 1;
            self.n_bytes -= portion.n_bytes;
            self.recycle(portion);
        }
    }

    /// Keeps the memory of a portion that nobody else has any more.
    fn recycle(&mut self, portion: Arc<Portion>) {
        if self.spare.len() < SPARE
            && portion.n_bytes <= SPARE_BYTES
            && let Some(mut portion) = Arc::into_inner(portion)
        {
            portion.clear();
            self.spare.push(portion);
        }
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A packet of a shared capture.
#[derive(Clone, Copy, Debug)]
pub enum SharedPacket<'a> {
    /// It is for this reader, and for nobody else.
    Mine(RawPacket<'a>),
    /// The time of one for somebody else.
    Other(f64),
}

/// Packets that were passed at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Passed {
    /// How many they are.
    pub n: usize,
    /// The latest time so far in the capture, at the last one of them.
    pub latest: f64,
}

/// A packet of a reader, and what came before it.
#[derive(Clone, Copy, Debug)]
pub struct OwnPacket<'a> {
    pub raw: RawPacket<'a>,
    /// The packets of others before it, and this one itself.
    pub passed: Passed,
}

/// One reader's view of a capture.
pub struct Reader {
    shared: Arc<Shared>,
    me: u16,
    portion: Arc<Portion>,
    /// This reader's packets in the portion. Another processor may have written them: copying all of them at once takes hardly
    /// longer than waiting for a few, one by one.
    share: Vec<Own>,
    /// The next packet's place in the portion.
    at: usize,
    /// The place of the first that was not yet among those [passed](Self::passed).
    untold: usize,
    /// The next packet of this reader, counted among its own in the portion.
    own: usize,
    /// The file, if it is one.
    file: Option<Arc<File>>,
    name: Arc<str>,
    link_type: Option<u32>,
    /// The bytes of this reader's packets in the portion, and perhaps of others', if they come from a file.
    bytes: Vec<Vec<u8>>,
}

/// Lets `n` readers each see all packets of a capture by its path, as [`read_together`] does.
///
/// # Errors
/// When there is no such file, it may not be read, or it is no capture.
pub fn open_together(path: &Path, n: u16) -> Result<Vec<Reader>, SourceError> {
    let name = path.display().to_string();
    if path.as_os_str() == "-" {
        return read_together(open_input(path)?, name, n);
    }
    let file = open_file(path)?;
    if !file.metadata().is_ok_and(|m| m.is_file()) {
        // Of a pipe there is only one reading.
        return read_together(Box::new(file), name, n);
    }
    let file = Arc::new(file);
    readers(Box::new(file.clone()), Some(file), name, n)
}

/// Lets `n` readers each see all packets of a capture; `name` stands in messages. One that goes too far ahead waits for the
/// others, so all of them must be read or dropped. What is odd about the capture the first one hears.
///
/// # Errors
/// When it is no capture.
pub fn read_together(input: Box<dyn Read + Send>, name: String, n: u16) -> Result<Vec<Reader>, SourceError> {
    readers(input, None, name, n)
}

/// The readers of an input, which may be a file from its beginning.
fn readers(
    input: Box<dyn Read + Send>,
    file: Option<Arc<File>>,
    name: String,
    n: u16,
) -> Result<Vec<Reader>, SourceError> {
    let mut source = read_buffered(input, name.clone())?;
    let (name, link_type): (Arc<str>, _) = (name.into(), source.link_type());
    source.buffer().keep();
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            origin: Some(Origin {
                source,
                claims: Claims::new(),
                n_readers: usize::from(n),
                latest: 0.0,
                weirds: Weirds::default(),
            }),
            waiting: VecDeque::new(),
            n_bytes: 0,
            first: 0,
            next: vec![Some(0); usize::from(n)],
            spare: Vec::new(),
            ended: None,
        }),
        changed: Condvar::new(),
    });
    let reader = |me| Reader {
        shared: shared.clone(),
        me,
        portion: Arc::default(),
        share: Vec::new(),
        at: 0,
        untold: 0,
        own: 0,
        file: file.clone(),
        name: name.clone(),
        link_type,
        bytes: Vec::new(),
    };
    Ok((0..n).map(reader).collect())
}

impl Reader {
    /// The link type of all packets, if the capture has one.
    pub fn link_type(&self) -> Option<u32> {
        self.link_type
    }

    /// The next packet; `None` at the end.
    ///
    /// # Errors
    /// Where the capture breaks; what came before was given. All readers get the same, unless a file becomes shorter
    /// while it is read: that ends it for those who are behind.
    #[inline]
    pub fn next_packet(&mut self, weirds: &mut Weirds) -> Result<Option<SharedPacket<'_>>, SourceError> {
        loop {
            if self.me == 0 && !self.portion.weirds.is_empty() {
                self.tell(weirds);
            }
            if self.at < self.portion.times.len() {
                break;
            }
            if !self.advance()? {
                return Ok(None);
            }
        }
        let here = self.at;
        self.at += 1;
        let n = self.own;
        if self.share.get(n).is_none_or(|own| own.place as usize != here) {
            return Ok(self.portion.times.get(here).map(|(ts, _)| SharedPacket::Other(*ts)));
        }
        self.own += 1;
        Ok(self.own_packet(n).map(SharedPacket::Mine))
    }

    /// A packet of this reader by its number among its own in the portion.
    #[inline]
    fn own_packet(&self, n: usize) -> Option<RawPacket<'_>> {
        let buffers = match &self.file {
            Some(_) => &self.bytes,
            None => &self.portion.buffers,
        };
        if n.is_multiple_of(FETCH) {
            fetch(self.share.iter().skip(n).map(|own| &own.packet), buffers);
        }
        Some(self.share.get(n)?.packet.of(buffers))
    }

    /// The next packet of this reader at once, with those of others before it. `None` when it has to be come to step by
    /// step: when nothing of this reader is at hand, something is to be told of the capture, or it does not `suit` to come
    /// there over so many of others, the latest time before it and its own being these.
    #[inline]
    pub fn next_own(&mut self, suits: impl FnOnce(usize, [f64; 2]) -> bool) -> Option<OwnPacket<'_>> {
        let own = self.share.get(self.own)?;
        let (place, before) = (own.place as usize, own.before);
        let n_others = place.checked_sub(self.at)?;
        let ts = own.packet.ts();
        if !self.portion.weirds.is_empty() || !suits(n_others, [before, ts]) {
            return None;
        }
        self.at = place + 1;
        self.own += 1;
        Some(OwnPacket {
            raw: self.own_packet(self.own - 1)?,
            passed: Passed {
                n: n_others + 1,
                latest: before.max(ts),
            },
        })
    }

    /// Passes over packets of others, as long as none of this reader comes and nothing is to be told of them but their time,
    /// at most `most` of them, and while the latest time so far is still such that they may be.
    #[inline]
    pub fn pass_over(&mut self, most: usize, mut may_pass: impl FnMut(f64) -> bool) -> Option<Passed> {
        let own = self.share.get(self.own);
        let next_own = own.map_or(self.portion.times.len(), |own| own.place as usize);
        if self.at >= next_own || !self.portion.weirds.is_empty() {
            return None;
        }
        let from = self.at;
        let passed = self.portion.times.get(from..next_own.min(from.saturating_add(most)))?;
        // Times of all at once, as a rule.
        let n = match passed.last() {
            Some((_, latest)) if may_pass(*latest) => passed.len(),
            _ => passed.partition_point(|(_, latest)| may_pass(*latest)),
        };
        let latest = passed.get(n.checked_sub(1)?)?.1;
        self.at += n;
        Some(Passed { n, latest })
    }

    /// The time of each packet, and the latest so far in the capture, of those that were passed or taken since this was asked
    /// last. Of those whose portion is done with nothing is known any more, which is so at the earliest when
    /// [`next_packet`](Self::next_packet) is called.
    #[inline]
    pub fn passed(&mut self) -> &[(f64, f64)] {
        let from = std::mem::replace(&mut self.untold, self.at);
        self.portion.times.get(from..self.at).unwrap_or_default()
    }

    /// Tells what was odd before the next packet.
    #[cold]
    fn tell(&self, weirds: &mut Weirds) {
        let here = self.portion.weirds.iter().filter(|(place, _)| *place == self.at);
        here.for_each(|(_, weird)| weirds.add(weird.clone()));
    }

    /// Takes the next portion, reading it if nobody has; false at the end of the capture.
    #[cold]
    fn advance(&mut self) -> Result<bool, SourceError> {
        let shared = self.shared.clone();
        let done = std::mem::take(&mut self.portion);
        (self.at, self.own, self.untold) = (0, 0, 0);
        self.share.clear();
        // What a large packet left behind is not kept.
        self.bytes.truncate(1);
        self.bytes.retain(|b| b.len() <= SPARE_BYTES);
        let mut has_read = false;
        let mut state = shared.lock();
        state.recycle(done);
        loop {
            let number = state.next[usize::from(self.me)].unwrap_or(u64::MAX);
            let there = usize::try_from(number - state.first).ok();
            if let Some(portion) = there.and_then(|i| state.waiting.get(i)) {
                let portion = portion.clone();
                state.next[usize::from(self.me)] = Some(number + 1);
                let was_full = !state.has_room();
                state.forget();
                drop(state);
                if was_full {
                    shared.changed.notify_all();
                }
                self.share.extend_from_slice(portion.share(self.me));
                self.portion = portion;
                if !has_read {
                    self.read_again()?;
                }
                return Ok(true);
            }
            match &state.ended {
                Some(Ok(())) => return Ok(false),
                Some(Err(e)) => return Err(e.clone()),
                None => {}
            }
            if crate::signals::stop_requested() {
                return Ok(false);
            }
            match if state.has_room() { state.origin.take() } else { None } {
                Some(mut origin) => {
                    let mut portion = state.spare.pop().unwrap_or_default();
                    let able = state.able(number);
                    drop(state);
                    let own = self.file.is_some().then_some(&mut self.bytes);
                    let ended = origin.fill(&mut portion, &able, own);
                    has_read = true;
                    state = shared.lock();
                    state.origin = Some(origin);
                    state.ended = ended;
                    state.n_bytes += portion.n_bytes;
                    state.waiting.push_back(Arc::new(portion));
                    shared.changed.notify_all();
                }
                None => {
                    let waited = shared.changed.wait_timeout(state, WAIT);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
    }

    /// Reads the bytes of a portion that somebody else has cut into packets, if any of them is this reader's.
    fn read_again(&mut self) -> Result<(), SourceError> {
        let Some(file) = self.file.as_ref().filter(|_| !self.share.is_empty()) else {
            return Ok(());
        };
        let places = &self.portion.places;
        self.bytes.resize_with(places.len(), Vec::new);
        for (bytes, (base, n)) in self.bytes.iter_mut().zip(places) {
            if bytes.len() < *n {
                bytes.resize(*n, 0);
            }
            file.read_exact_at(&mut bytes[..*n], *base)
                .map_err(|error| match error.kind() {
                    io::ErrorKind::UnexpectedEof => SourceError::Truncated {
                        what: self.name.to_string(),
                        detail: "it became shorter while it was read".into(),
                    },
                    _ => SourceError::Io {
                        what: self.name.to_string(),
                        error,
                    },
                })?;
        }
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.next[usize::from(self.me)] = None;
        state.forget();
        drop(state);
        self.shared.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// A capture of numbered frames, now and then an empty one.
    fn capture(n: u32) -> Vec<u8> {
        let mut file = Vec::new();
        for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65535, 1] {
            file.extend(word.to_le_bytes());
        }
        for i in 0..n {
            let len = if i % 1000 == 999 { 0 } else { 34 + i % 1400 };
            let mut frame = vec![0; len as usize];
            if len > 0 {
                (frame[12], frame[14], frame[29]) = (8, 0x45, (i % 200) as u8);
            }
            for word in [i, 0, len, len] {
                file.extend(word.to_le_bytes());
            }
            file.extend(frame);
        }
        file
    }

    /// Gives some bytes at a time, and then fails or ends.
    struct Torn {
        bytes: io::Cursor<Vec<u8>>,
        fails: bool,
    }

    impl Read for Torn {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let most = out.len().min(100_001);
            match self.bytes.read(&mut out[..most])? {
                0 if self.fails => Err(io::Error::other("torn")),
                n => Ok(n),
            }
        }
    }

    fn streamed(packets: u32, fails: bool, n: u16) -> Vec<Reader> {
        let bytes = io::Cursor::new(capture(packets));
        read_together(Box::new(Torn { bytes, fails }), "numbers".into(), n).unwrap()
    }

    /// A file that is gone when nobody has it open any more.
    fn filed(bytes: &[u8], n: u16) -> (Vec<Reader>, File) {
        static FILES: AtomicUsize = AtomicUsize::new(0);
        let n_files = FILES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tapir-together-{}-{n_files}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        let readers = open_together(&path, n).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        (readers, file)
    }

    #[derive(Debug, Default)]
    struct Seen {
        packets: Vec<i64>,
        mine: Vec<i64>,
        weirds: Vec<(i64, String)>,
        error: Option<String>,
    }

    fn number(p: &SharedPacket<'_>) -> i64 {
        match p {
            SharedPacket::Mine(raw) => raw.ts_sec,
            SharedPacket::Other(ts) => *ts as i64,
        }
    }

    fn read(mut r: Reader) -> Seen {
        let mut seen = Seen::default();
        let mut weirds = Weirds::default();
        loop {
            match r.next_packet(&mut weirds) {
                Ok(Some(p)) => {
                    let number = number(&p);
                    seen.packets.push(number);
                    if let SharedPacket::Mine(raw) = p {
                        seen.mine.push(number);
                        assert_eq!(raw.data.len() as i64, 34 + number % 1400);
                        assert_eq!((i64::from(raw.data[29]), raw.data[14]), (number % 200, 0x45));
                    }
                    seen.weirds.extend(weirds.drain().map(|w| (number, w.name.to_string())));
                }
                Ok(None) => break,
                Err(e) => break seen.error = Some(e.to_string()),
            }
        }
        seen
    }

    /// Far more than may wait.
    const ALL: u32 = 3 * (BYTES / 734) as u32;

    #[test]
    fn all_see_everything_and_each_packet_is_somebodys() {
        for (fails, is_file) in [(false, false), (true, false), (false, true)] {
            let readers = match is_file {
                true => filed(&capture(ALL), 3).0,
                false => streamed(ALL, fails, 3),
            };
            let shared = readers[0].shared.clone();
            let threads: Vec<_> = readers
                .into_iter()
                .map(|r| std::thread::spawn(move || read(r)))
                .collect();
            let seen: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
            assert_eq!(seen[0].packets.len(), (ALL - ALL / 1000) as usize);
            for s in &seen {
                assert_eq!(s.packets, seen[0].packets);
                assert_eq!(s.error.is_some(), fails);
                assert_eq!(s.error, seen[0].error);
            }
            let mut mine: Vec<_> = seen.iter().flat_map(|s| s.mine.clone()).collect();
            mine.sort_unstable();
            assert_eq!(mine, seen[0].packets);
            // Before the packet that comes next, once.
            assert_eq!(seen[0].weirds.len(), (ALL / 1000) as usize);
            assert!(
                seen[0]
                    .weirds
                    .iter()
                    .all(|(t, w)| t % 1000 == 0 && w == "empty_pcap_header")
            );
            assert!(seen[1].weirds.is_empty() && seen[2].weirds.is_empty());
            let state = shared.lock();
            assert!(state.waiting.is_empty() && state.spare.len() <= SPARE);
        }
    }

    #[test]
    fn passing_over_leaves_out_nothing_but_what_is_of_others() {
        let readers = streamed(ALL, false, 3);
        let skips = |mut reader: Reader| {
            let (mut mine, mut n, mut latest) = (Vec::new(), 0, 0.0);
            for round in 0.. {
                let until = latest + f64::from(round % 50);
                let over = reader.pass_over(round as usize % 9, |t| t < until);
                let times = reader.passed();
                if let Some(Passed { n: n_over, latest }) = over {
                    assert!(latest < until);
                    assert_eq!(n_over + usize::from(n > 0), times.len());
                    assert_eq!(times.last(), Some(&(latest, latest)));
                    n += n_over;
                }
                assert!(times.len() < 10 && times.is_sorted());
                assert!(times.iter().all(|(t, so_far)| t == so_far && *t >= latest));
                let Some(p) = reader.next_packet(&mut Weirds::default()).unwrap() else {
                    break;
                };
                (n, latest) = (n + 1, number(&p) as f64);
                if let SharedPacket::Mine(_) = p {
                    mine.push(number(&p));
                }
            }
            (mine, n)
        };
        let threads: Vec<_> = readers
            .into_iter()
            .map(|r| std::thread::spawn(move || skips(r)))
            .collect();
        let seen: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
        let mut mine: Vec<_> = seen.iter().flat_map(|(mine, _)| mine.clone()).collect();
        mine.sort_unstable();
        assert!(
            mine.iter().eq((0..i64::from(ALL))
                .filter(|t| t % 1000 != 999)
                .collect::<Vec<_>>()
                .iter())
        );
        assert!(seen.iter().all(|(_, n)| *n == mine.len()));
    }

    #[test]
    fn nobody_waits_for_one_that_is_gone() {
        let mut readers = streamed(ALL, false, 2);
        let mut gone = readers.remove(1);
        assert!(gone.next_packet(&mut Weirds::default()).unwrap().is_some());
        let reader = readers.remove(0);
        let other = std::thread::spawn(move || read(reader));
        while gone.shared.lock().has_room() {
            std::thread::yield_now();
        }
        drop(gone);
        assert_eq!(other.join().unwrap().packets.len(), (ALL - ALL / 1000) as usize);
    }

    #[test]
    fn a_file_that_becomes_shorter_ends_for_those_who_are_behind() {
        let (mut readers, file) = filed(&capture(10_000), 2);
        let mut weirds = Weirds::default();
        for _ in 0..5000 {
            assert!(readers[0].next_packet(&mut weirds).unwrap().is_some());
        }
        file.set_len(400_000).unwrap();
        let behind = read(readers.remove(1));
        let error = behind.error.unwrap();
        assert!(
            error.ends_with("is truncated: it became shorter while it was read"),
            "{error}"
        );
        assert!(behind.packets.len() > 300 && behind.packets.len() < 5000);
    }

    #[test]
    fn what_comes_slowly_is_not_held_back() {
        // Gives one packet, and the next only when somebody has seen the first.
        struct Slow(Vec<Vec<u8>>, Arc<Mutex<usize>>);
        impl Read for Slow {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let Some(piece) = self.0.pop() else { return Ok(0) };
                let wanted = 3 - self.0.len();
                while *self.1.lock().unwrap() + 1 < wanted {
                    std::thread::yield_now();
                }
                out[..piece.len()].copy_from_slice(&piece);
                Ok(piece.len())
            }
        }
        let all = capture(3);
        let (first, rest) = all.split_at(24 + 16 + 34);
        let (second, third) = rest.split_at(16 + 35);
        let n_seen = Arc::new(Mutex::new(0));
        let slow = Slow(vec![third.to_vec(), second.to_vec(), first.to_vec()], n_seen.clone());
        let mut readers = read_together(Box::new(slow), "slow".into(), 1).unwrap();
        while readers[0].next_packet(&mut Weirds::default()).unwrap().is_some() {
            *n_seen.lock().unwrap() += 1;
        }
        assert_eq!(*n_seen.lock().unwrap(), 3);
    }
}
