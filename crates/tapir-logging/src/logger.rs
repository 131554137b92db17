//! The engine's handle on all writers, and the thread that they run on.
//!
//! Rows collect per writer and go to the thread in batches through a bounded queue. A full queue makes the engine wait when
//! captures are read; a live engine asks for [`Overload::Drop`], which counts and drops instead.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;

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
    /// Something went wrong; a writer that could not write is disabled from now on.
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
    Open(WriterId, Box<WriterSpec>),
    Write(WriterId, Vec<u8>),
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
        self.send(Command::Open(id, Box::new(spec)));
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
                if let Err(TrySendError::Full(_)) = commands.try_send(Command::Write(id, batch)) {
                    self.n_dropped += n_rows;
                }
            }
            _ => self.send(Command::Write(id, batch)),
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
    /// Opened at the first batch, so that a log without rows leaves no database.
    SqlitePending(Box<WriterSpec>),
    /// Discards, and knows since when.
    None {
        since: f64,
    },
    Failed,
}

struct Slot {
    name: String,
    writer: Writer,
}

impl Slot {
    fn write(&mut self, batch: &[u8]) -> Result<(), String> {
        if let Writer::SqlitePending(spec) = &self.writer {
            if let WriterKind::Sqlite(options) = &spec.kind {
                self.writer = Writer::Sqlite(Box::new(SqliteWriter::open(spec, options.clone())?));
            }
        }
        match &mut self.writer {
            Writer::Ascii(w) => w.write(batch).map_err(|e| e.to_string()),
            Writer::Sqlite(w) => w.write(batch),
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
            _ => Ok(()),
        }
    }
}

fn serve(inbox: Receiver<Command>, outbox: Sender<Report>) {
    let mut slots: Vec<Slot> = Vec::new();
    for command in inbox {
        let (writer, outcome) = match command {
            Command::Open(writer, spec) => {
                let name = format!("{}/{}", spec.path, spec.writer_name);
                let made = match &spec.kind {
                    WriterKind::Ascii(o) => Writer::Ascii(Box::new(AsciiWriter::new(&spec, o.clone()))),
                    WriterKind::Sqlite(_) => Writer::SqlitePending(spec),
                    WriterKind::None => Writer::None { since: wall_clock() },
                };
                slots.push(Slot { name, writer: made });
                (writer, Ok(()))
            }
            Command::Write(writer, batch) => (writer, slots[writer.0 as usize].write(&batch)),
            Command::Flush(writer) => (writer, slots[writer.0 as usize].flush()),
            Command::Close(writer) => {
                let closed = slots[writer.0 as usize].close();
                if closed.is_ok() {
                    slots[writer.0 as usize].writer = Writer::Failed;
                }
                (writer, closed)
            }
            Command::Rotate {
                writer,
                to,
                terminating,
            } => (
                writer,
                rotate(&mut slots[writer.0 as usize], writer, to, terminating, &outbox),
            ),
            Command::Barrier(done) => {
                let _ = done.send(());
                continue;
            }
        };
        if let Err(message) = outcome {
            fail(&mut slots[writer.0 as usize], writer, message, &outbox);
        }
    }
    for (i, slot) in slots.iter_mut().enumerate() {
        if let Err(message) = slot.close() {
            fail(slot, WriterId(i as u32), message, &outbox);
        }
    }
    let _ = std::io::stdout().flush();
}

/// A path with a suffix that no file has yet: rotation must not write over an earlier log of the same second.
pub fn free_name(base: &std::path::Path, suffix: &str) -> PathBuf {
    let with = |more: &str| {
        let mut name = base.as_os_str().to_owned();
        name.push(more);
        name.push(suffix);
        PathBuf::from(name)
    };
    let mut name = with("");
    let mut n = 2u32;
    while name.exists() {
        name = with(&format!("-{n}"));
        n += 1;
    }
    name
}

fn fail(slot: &mut Slot, writer: WriterId, message: String, outbox: &Sender<Report>) {
    slot.writer = Writer::Failed;
    // The engine may be gone already; then nobody is left to tell.
    let _ = outbox.send(Report::Error {
        writer,
        message: format!("{}: {message}", slot.name),
    });
}

fn rotate(
    slot: &mut Slot,
    writer: WriterId,
    to: PathBuf,
    terminating: bool,
    outbox: &Sender<Report>,
) -> Result<(), String> {
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
            return Ok(());
        }
        _ => {
            let _ = outbox.send(Report::NothingToRotate { writer });
            return Ok(());
        }
    };
    let from = w.file_path().to_path_buf();
    let Some(opened) = w.opened_at().filter(|_| !from.starts_with("/dev/")) else {
        let _ = outbox.send(Report::NothingToRotate { writer });
        return Ok(());
    };
    w.close().map_err(|e| e.to_string())?;
    // The name came without what follows a log's path in the name of its file, such as `.log.gz`.
    let mut to = free_name(&to, &w.suffix());
    if let Some(dir) = to.parent().filter(|d| !d.as_os_str().is_empty()) {
        if let Err(e) = std::fs::create_dir_all(dir) {
            let message = format!("{}: cannot create {}: {e}", slot.name, dir.display());
            let _ = outbox.send(Report::Error { writer, message });
            to = PathBuf::from(to.file_name().unwrap_or_default());
        }
    }
    std::fs::rename(&from, &to).map_err(|e| format!("cannot rename {} to {}: {e}", from.display(), to.display()))?;
    w.remove_shadow();
    let _ = outbox.send(Report::Rotated {
        writer,
        from,
        to,
        opened,
        closed: wall_clock(),
        terminating,
    });
    Ok(())
}
