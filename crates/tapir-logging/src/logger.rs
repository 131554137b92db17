//! The engine's handle on all writers, and the thread that they run on.
//!
//! Rows collect per writer and go to the thread in batches through a bounded queue. A full queue makes the engine wait when
//! captures are read; a live engine asks for [`Overload::Drop`], which counts and drops instead.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::ascii::{AsciiWriter, wall_clock};
use crate::row::RowEncoder;
use crate::sqlite::SqliteWriter;
use crate::{WriterKind, WriterSpec};

/// A writer, as handed out by [`Logger::open`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WriterId(u32);

impl WriterId {
    /// The writer's place in the order of creation.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What to do when the writer thread cannot keep up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overload {
    /// Wait: nothing is lost.
    Wait,
    /// Drop the batch and count its rows.
    Drop,
}

/// What the writer thread has to tell.
#[derive(Clone, Debug)]
pub enum Report {
    /// Something went wrong: a writer could not write. It is tried again later where that makes sense, and how that went is
    /// reported too.
    Error { writer: WriterId, message: String },
    /// A file was closed and renamed.
    Rotated {
        writer: WriterId,
        from: PathBuf,
        to: PathBuf,
        opened: f64,
        closed: f64,
        terminating: bool,
    },
    /// There was no open file to rotate.
    NothingToRotate { writer: WriterId },
}

enum Command {
    /// The next writer.
    Open(Box<WriterSpec>),
    /// Rows, and how many they are.
    Write(WriterId, Vec<u8>, u64),
    Flush(WriterId),
    Rotate {
        writer: WriterId,
        to: PathBuf,
        terminating: bool,
    },
    Close(WriterId),
    /// Answers when everything before it is done.
    Barrier(Sender<()>),
}

struct Pending {
    batch: Vec<u8>,
    n_rows: u64,
}

/// Owns the writer thread; dropping it writes everything out and closes all files.
pub struct Logger {
    commands: Option<SyncSender<Command>>,
    reports: Receiver<Report>,
    thread: Option<JoinHandle<()>>,
    pending: Vec<Pending>,
    overload: Overload,
    n_dropped: u64,
}

const BATCH_BYTES: usize = 64 * 1024;
/// Room for the row that makes a batch complete, so that full batches need not grow.
const ROOM: usize = 4 * 1024;
/// Rows from elsewhere that are not copied to a batch.
const LARGE: usize = 16 * 1024;
const QUEUE_BATCHES: usize = 64;

impl Logger {
    /// Starts the writer thread.
    ///
    /// # Errors
    /// When the operating system refuses another thread.
    pub fn new(overload: Overload) -> std::io::Result<Self> {
        let (commands, inbox) = sync_channel(QUEUE_BATCHES);
        let (outbox, reports) = channel();
        let thread = std::thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || serve(inbox, outbox))?;
        Ok(Logger {
            commands: Some(commands),
            reports,
            thread: Some(thread),
            pending: Vec::new(),
            overload,
            n_dropped: 0,
        })
    }

    fn send(&mut self, command: Command) {
        if let Some(commands) = &self.commands {
            // A thread that is gone has reported why; rows for it have nowhere to go.
            let _ = commands.send(command);
        }
    }

    /// Creates a writer. It touches the file system at its first row.
    pub fn open(&mut self, spec: WriterSpec) -> WriterId {
        let id = WriterId(self.pending.len() as u32);
        self.pending.push(Pending {
            batch: Vec::new(),
            n_rows: 0,
        });
        self.send(Command::Open(Box::new(spec)));
        id
    }

    /// Adds one row: `fill` appends exactly as many cells as the writer has columns.
    pub fn row(&mut self, id: WriterId, fill: impl FnOnce(&mut RowEncoder<'_>)) {
        let pending = &mut self.pending[id.0 as usize];
        fill(&mut RowEncoder::new(&mut pending.batch));
        pending.n_rows += 1;
        if pending.batch.len() >= BATCH_BYTES {
            self.send_batch(id);
        }
    }

    /// Adds rows that were encoded elsewhere: `n` times as many cells as the writer has columns.
    pub fn rows(&mut self, id: WriterId, n: u64, rows: Vec<u8>) {
        if rows.len() >= LARGE {
            // Many rows are a batch by themselves and need no copy.
            self.send_batch(id);
            self.pending[id.0 as usize].batch = rows;
            self.pending[id.0 as usize].n_rows = n;
            return self.send_batch(id);
        }
        let pending = &mut self.pending[id.0 as usize];
        pending.batch.extend_from_slice(&rows);
        pending.n_rows += n;
        if pending.batch.len() >= BATCH_BYTES {
            self.send_batch(id);
        }
    }

    fn send_batch(&mut self, id: WriterId) {
        let pending = &mut self.pending[id.0 as usize];
        if pending.batch.is_empty() {
            return;
        }
        // Who has filled one batch will fill the next.
        let next = if pending.batch.len() >= BATCH_BYTES {
            BATCH_BYTES + ROOM
        } else {
            0
        };
        let batch = std::mem::replace(&mut pending.batch, Vec::with_capacity(next));
        let n_rows = std::mem::take(&mut pending.n_rows);
        match (self.overload, &self.commands) {
            (Overload::Drop, Some(commands)) => {
                if let Err(TrySendError::Full(_)) = commands.try_send(Command::Write(id, batch, n_rows)) {
                    self.n_dropped += n_rows;
                }
            }
            _ => self.send(Command::Write(id, batch, n_rows)),
        }
    }

    /// Rows dropped since the last call because the writers could not keep up.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.n_dropped)
    }

    /// Pushes the rows of one writer to its file.
    pub fn flush(&mut self, id: WriterId) {
        self.send_batch(id);
        self.send(Command::Flush(id));
    }

    /// Pushes all rows to the files.
    pub fn flush_all(&mut self) {
        for i in 0..self.pending.len() {
            self.flush(WriterId(i as u32));
        }
    }

    /// Waits until the thread has done everything asked for so far.
    pub fn barrier(&mut self) {
        let (tx, rx) = channel();
        self.send(Command::Barrier(tx));
        let _ = rx.recv();
    }

    /// Closes a writer's file and renames it to `to` with the file's own extension; a [`Report`] follows.
    pub fn rotate(&mut self, id: WriterId, to: PathBuf, terminating: bool) {
        self.send_batch(id);
        self.send(Command::Rotate {
            writer: id,
            to,
            terminating,
        });
    }

    /// Closes a writer; later rows for it are ignored.
    pub fn close(&mut self, id: WriterId) {
        self.send_batch(id);
        self.send(Command::Close(id));
    }

    /// What was reported since the last call.
    pub fn reports(&mut self) -> Vec<Report> {
        self.reports.try_iter().collect()
    }

    /// Writes everything out, closes all files and gives back the last reports.
    pub fn finish(&mut self) -> Vec<Report> {
        for i in 0..self.pending.len() {
            self.send_batch(WriterId(i as u32));
        }
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            if thread.join().is_err() {
                eprintln!("error: the log writer thread stopped unexpectedly; the newest log lines may be missing");
            }
        }
        self.reports()
    }
}

impl Drop for Logger {
    fn drop(&mut self) {
        self.finish();
    }
}

enum Writer {
    Ascii(Box<AsciiWriter>),
    Sqlite(Box<SqliteWriter>),
    /// Discards, and knows since when.
    None {
        since: f64,
    },
    Failed,
}

/// How long a writer that could not write is left alone: disks do not get room every moment.
const PAUSE: Duration = Duration::from_secs(5);

/// What is known of a writer that could not write.
struct Trouble {
    again: Instant,
    lost: u64,
}

struct Slot {
    name: String,
    writer: Writer,
    trouble: Option<Trouble>,
}

impl Writer {
    fn take_lost(&mut self) -> u64 {
        match self {
            Writer::Ascii(w) => w.take_lost(),
            Writer::Sqlite(w) => w.take_lost(),
            _ => 0,
        }
    }

    fn can_go_on(&self) -> bool {
        match self {
            Writer::Ascii(w) => w.can_go_on(),
            Writer::Sqlite(w) => w.can_go_on(),
            _ => false,
        }
    }

    /// What happens to rows until it can be written again.
    fn meanwhile(&self) -> &'static str {
        match self {
            Writer::Sqlite(_) => "lines wait, up to 8 MB of them,",
            _ => "lines are lost",
        }
    }
}

impl Slot {
    /// Writes rows, unless the writer is to be left alone. `Ok` with what is to be reported, if anything.
    fn write(&mut self, batch: &[u8], n_rows: u64) -> Result<Option<String>, String> {
        if let Some(t) = self.trouble.as_mut().filter(|t| Instant::now() < t.again) {
            match &mut self.writer {
                Writer::Sqlite(w) => w.hold(batch, n_rows),
                _ => t.lost += n_rows,
            }
            return Ok(None);
        }
        let written = self.write_now(batch, n_rows).and_then(|()| match self.trouble {
            // What was taken into a buffer is not written yet.
            Some(_) => self.flush(),
            None => Ok(()),
        });
        self.judge(written)
    }

    /// What becomes of the writer: an error is one to report, and the end of the writer if it is not told otherwise.
    fn judge(&mut self, outcome: Result<(), String>) -> Result<Option<String>, String> {
        let lost = self.writer.take_lost();
        match (outcome, &mut self.trouble) {
            (Ok(()), trouble) => {
                let before = trouble.take();
                let text = |t: Trouble| match t.lost + lost {
                    0 => "writing again; no line is lost".to_string(),
                    lost => format!("writing again; {lost} lines are lost"),
                };
                Ok(before.map(text))
            }
            (Err(why), None) if self.writer.can_go_on() => {
                let again = Instant::now() + PAUSE;
                self.trouble = Some(Trouble { again, lost });
                let (every, meanwhile) = (PAUSE.as_secs(), self.writer.meanwhile());
                Ok(Some(format!(
                    "{why}; {meanwhile} until it can be written, which is tried every {every} seconds"
                )))
            }
            (Err(_), Some(t)) if self.writer.can_go_on() => {
                t.again = Instant::now() + PAUSE;
                t.lost += lost;
                Ok(None)
            }
            (Err(why), trouble) => match lost + trouble.take().map_or(0, |t| t.lost) {
                0 => Err(why),
                lost => Err(format!("{why}; {lost} lines are lost, and all that follow")),
            },
        }
    }

    /// How many lines are lost, said at the end.
    fn losses(&mut self) -> Option<String> {
        let lost = self.trouble.take().map_or(0, |t| t.lost) + self.writer.take_lost();
        (lost > 0).then(|| format!("{lost} lines are lost"))
    }

    fn write_now(&mut self, batch: &[u8], n_rows: u64) -> Result<(), String> {
        match &mut self.writer {
            Writer::Ascii(w) => w.write(batch, n_rows).map_err(|e| e.to_string()),
            Writer::Sqlite(w) => w.write(batch, n_rows),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<(), String> {
        match &mut self.writer {
            Writer::Ascii(w) => w.sync().map_err(|e| e.to_string()),
            _ => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), String> {
        match &mut self.writer {
            Writer::Ascii(w) => w.close().map_err(|e| e.to_string()),
            Writer::Sqlite(w) => w.close(),
            _ => Ok(()),
        }
    }
}

fn serve(inbox: Receiver<Command>, outbox: Sender<Report>) {
    let mut slots: Vec<Slot> = Vec::new();
    for command in inbox {
        let (writer, outcome) = match command {
            Command::Open(spec) => {
                let name = format!("{}/{}", spec.path, spec.writer_name);
                let made = match &spec.kind {
                    WriterKind::Ascii(o) => Writer::Ascii(Box::new(AsciiWriter::new(&spec, o.clone()))),
                    WriterKind::Sqlite(o) => Writer::Sqlite(Box::new(SqliteWriter::new(&spec, o.clone()))),
                    WriterKind::None => Writer::None { since: wall_clock() },
                };
                slots.push(Slot {
                    name,
                    writer: made,
                    trouble: None,
                });
                continue;
            }
            Command::Write(writer, batch, n_rows) => (writer, slots[writer.0 as usize].write(&batch, n_rows)),
            Command::Flush(writer) => {
                let slot = &mut slots[writer.0 as usize];
                match (&slot.trouble, &slot.writer) {
                    // What waits is tried when it is time, whether more comes or not.
                    (Some(_), Writer::Sqlite(w)) if w.has_waiting() => (writer, slot.write(&[], 0)),
                    // It is tried with the next rows.
                    (Some(_), _) => continue,
                    (None, _) => {
                        let flushed = slot.flush();
                        (writer, slot.judge(flushed))
                    }
                }
            }
            Command::Close(writer) => {
                let slot = &mut slots[writer.0 as usize];
                let closed = slot.close();
                let lost = slot.losses();
                if closed.is_ok() {
                    slot.writer = Writer::Failed;
                }
                let closed = match (closed, lost) {
                    (Ok(()), lost) => Ok(lost),
                    (Err(why), None) => Err(why),
                    (Err(why), Some(lost)) => Err(format!("{why}; {lost}")),
                };
                (writer, closed)
            }
            Command::Rotate {
                writer,
                to,
                terminating,
            } => {
                rotate(&mut slots[writer.0 as usize], writer, to, terminating, &outbox);
                continue;
            }
            Command::Barrier(done) => {
                let _ = done.send(());
                continue;
            }
        };
        let slot = &mut slots[writer.0 as usize];
        match outcome {
            Ok(None) => {}
            Ok(Some(message)) => tell(slot, writer, &message, &outbox),
            Err(message) => {
                slot.writer = Writer::Failed;
                tell(slot, writer, &message, &outbox);
            }
        }
    }
    for (i, slot) in slots.iter_mut().enumerate() {
        let writer = WriterId(i as u32);
        // Once more: there may be room by now.
        if let Err(message) = slot.close() {
            tell(slot, writer, &message, &outbox);
        }
        if let Some(message) = slot.losses() {
            tell(slot, writer, &message, &outbox);
        }
    }
    let _ = std::io::stdout().flush();
}

fn tell(slot: &Slot, writer: WriterId, message: &str, outbox: &Sender<Report>) {
    // The engine may be gone already; then nobody is left to tell.
    let _ = outbox.send(Report::Error {
        writer,
        message: format!("{}: {message}", slot.name),
    });
}

fn rotate(slot: &mut Slot, writer: WriterId, to: PathBuf, terminating: bool, outbox: &Sender<Report>) {
    let w = match &mut slot.writer {
        Writer::Ascii(w) => w,
        // Nothing is kept, but who has a post-processor there wants to know that an interval is over.
        Writer::None { since } => {
            let closed = wall_clock();
            let opened = std::mem::replace(since, closed);
            let nowhere = PathBuf::from("/dev/null");
            let _ = outbox.send(Report::Rotated {
                writer,
                from: nowhere.clone(),
                to: nowhere,
                opened,
                closed,
                terminating,
            });
            return;
        }
        _ => {
            let _ = outbox.send(Report::NothingToRotate { writer });
            return;
        }
    };
    let from = w.file_path().to_path_buf();
    let Some(opened) = w.opened_at().filter(|_| !from.starts_with("/dev/")) else {
        let _ = outbox.send(Report::NothingToRotate { writer });
        return;
    };
    let mut faults = Vec::new();
    // What the file has taken is rotated, whether it takes more or not.
    if let Err(e) = w.close() {
        faults.extend(slot.trouble.is_none().then(|| e.to_string()));
    }
    // The name came without what follows a log's path in the name of its file, such as `.log.gz`.
    let mut to = tapir_operate::files::free_name(&to, &w.suffix());
    if let Some(dir) = to.parent().filter(|d| !d.as_os_str().is_empty()) {
        if let Err(e) = std::fs::create_dir_all(dir) {
            faults.push(format!("cannot create {}: {e}", dir.display()));
            to = PathBuf::from(to.file_name().unwrap_or_default());
        }
    }
    match std::fs::rename(&from, &to) {
        Ok(()) => {
            w.forget_file();
            w.remove_shadow();
            let _ = outbox.send(Report::Rotated {
                writer,
                from,
                to,
                opened,
                closed: wall_clock(),
                terminating,
            });
        }
        Err(e) => {
            w.keep_file();
            let (from, to) = (from.display(), to.display());
            faults.push(format!("cannot rename {from} to {to}: {e}; {from} is gone on with"));
            let _ = outbox.send(Report::NothingToRotate { writer });
        }
    }
    for message in faults {
        tell(slot, writer, &message, outbox);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{AsciiOptions, CellRef, Column};

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("tapir-logger-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        dir
    }

    fn spec(dir: PathBuf) -> WriterSpec {
        WriterSpec {
            path: "t".into(),
            writer_name: "Log::WRITER_ASCII".into(),
            kind: WriterKind::Ascii(AsciiOptions {
                include_meta: false,
                ..AsciiOptions::default()
            }),
            columns: Arc::from([Column {
                name: "n".into(),
                type_name: "count".into(),
                optional: false,
            }]),
            dir,
            extension: "log".into(),
            buffered: false,
        }
    }

    fn rows(numbers: std::ops::Range<u64>) -> (Vec<u8>, u64) {
        let (mut batch, n) = (Vec::new(), numbers.end - numbers.start);
        numbers.for_each(|n| RowEncoder::new(&mut batch).cell(CellRef::Count(n)));
        (batch, n)
    }

    fn messages(reports: Vec<Report>) -> Vec<String> {
        let message = |r| match r {
            Report::Error { message, .. } => message,
            other => format!("{other:?}"),
        };
        reports.into_iter().map(message).collect()
    }

    #[test]
    fn a_writer_goes_on_when_it_can() {
        let dir = folder("goes-on");
        let writer = AsciiWriter::new(&spec(dir.clone()), AsciiOptions::default());
        let mut slot = Slot {
            name: "t".into(),
            writer: Writer::Ascii(Box::new(writer)),
            trouble: None,
        };
        let write = |slot: &mut Slot, from: u64| {
            let (batch, n) = rows(from..from + 10);
            slot.write(&batch, n)
        };
        // There is no such folder.
        let said = write(&mut slot, 0).unwrap().expect("a report");
        assert!(
            said.contains("cannot open") && said.contains("every 5 seconds"),
            "{said}"
        );
        assert_eq!(write(&mut slot, 10), Ok(None));
        let again = |slot: &mut Slot| slot.trouble.as_mut().expect("trouble").again = Instant::now();
        again(&mut slot);
        assert_eq!(write(&mut slot, 20), Ok(None));
        std::fs::create_dir_all(&dir).unwrap();
        assert_eq!(write(&mut slot, 30), Ok(None));
        again(&mut slot);
        assert_eq!(
            write(&mut slot, 40),
            Ok(Some("writing again; 40 lines are lost".into()))
        );
        assert_eq!(write(&mut slot, 50), Ok(None));
        slot.close().unwrap();
        let text = std::fs::read_to_string(dir.join("t.log")).unwrap();
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
        assert_eq!(lines, (40..60).map(|n| n.to_string()).collect::<Vec<_>>());
        assert!(text.starts_with("#separator"));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn a_log_that_cannot_be_rotated_is_gone_on_with() {
        let dir = folder("rotate");
        std::fs::create_dir_all(&dir).unwrap();
        let mut logger = Logger::new(Overload::Wait).unwrap();
        let id = logger.open(spec(dir.clone()));
        let write = |logger: &mut Logger, numbers| {
            let (batch, n) = rows(numbers);
            logger.rows(id, n, batch);
            logger.flush(id);
        };
        write(&mut logger, 0..3);
        // A folder with something in it cannot be written over.
        let to = dir.join("away");
        let long = dir.join("x".repeat(300));
        logger.rotate(id, long, false);
        write(&mut logger, 3..5);
        logger.rotate(id, to.clone(), false);
        write(&mut logger, 5..6);
        let said = messages(logger.finish());
        assert!(
            said[1].contains("cannot rename") && said[1].contains("is gone on with"),
            "{said:?}"
        );
        assert!(said[2].starts_with("Rotated"), "{said:?}");
        let text = |name: &str| std::fs::read_to_string(dir.join(name)).unwrap();
        assert_eq!(
            (text("away.log"), text("t.log")),
            ("0\n1\n2\n3\n4\n".into(), "5\n".into())
        );
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
