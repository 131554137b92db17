//! Writing files to disk, up to a limit that scripts can raise when it is reached.

use std::cell::Cell;
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::rc::Rc;

use tapir_data::value::Value;
use tapir_interface::events;

use crate::analyzer::{Cx, FileAnalyzer};

/// An extraction under way.
pub struct Extract {
    out: Option<BufWriter<File>>,
    path: String,
    args: Value,
    limit: Rc<Cell<u64>>,
    count_missing: bool,
    /// Bytes that count against the limit.
    written: u64,
}

impl Extract {
    /// Opens the file to write.
    ///
    /// # Errors
    /// Why the file cannot be created.
    pub fn open(path: &str, args: Value, limit: Rc<Cell<u64>>, count_missing: bool) -> Result<Extract, String> {
        let file = File::create(path).map_err(|e| format!("cannot open {path} for writing: {e}"))?;
        Ok(Extract {
            out: Some(BufWriter::new(file)),
            path: path.to_string(),
            args,
            limit,
            count_missing,
            written: 0,
        })
    }

    /// How many of `len` bytes may still be written; asks the scripts once when the limit is reached.
    fn allowance(&mut self, cx: &mut Cx, len: u64) -> u64 {
        let fits = |e: &Self| e.limit.get() == 0 || e.written + len <= e.limit.get();
        if fits(self) {
            return len;
        }
        let f = cx.file_value();
        events::file_extraction_limit(cx.q, f, self.args.clone(), self.limit.get(), len);
        cx.host.drain(cx.q);
        if fits(self) {
            len
        } else {
            self.limit.get().saturating_sub(self.written).min(len)
        }
    }

    fn fail(&mut self, cx: &mut Cx, e: &std::io::Error) -> bool {
        self.out = None;
        cx.host.error(&format!("cannot write {}: {e}", self.path));
        false
    }
}

impl FileAnalyzer for Extract {
    fn stream(&mut self, cx: &mut Cx, data: &[u8]) -> bool {
        let n = self.allowance(cx, data.len() as u64);
        self.written += n;
        let Some(out) = &mut self.out else { return false };
        if let Err(e) = out.write_all(&data[..n as usize]) {
            return self.fail(cx, &e);
        }
        n == data.len() as u64
    }

    fn gap(&mut self, cx: &mut Cx, _: u64, len: u64) -> bool {
        let mut n = len;
        if self.count_missing {
            n = self.allowance(cx, len);
            self.written += n;
        }
        let Some(out) = &mut self.out else { return false };
        let extended = out.flush().and_then(|()| {
            let at = out.stream_position()?;
            let end = at.saturating_add(n);
            out.get_ref().set_len(end)?;
            out.seek(SeekFrom::Start(end)).map(drop)
        });
        if let Err(e) = extended {
            return self.fail(cx, &e);
        }
        n == len
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        if let Some(mut out) = self.out.take()
            && let Err(e) = out.flush()
        {
            return self.fail(cx, &e);
        }
        true
    }
}
