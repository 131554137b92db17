//! Files of the operating system: opening, writing, rotating, directories.

use std::cell::Cell;
use std::cell::RefCell;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::rc::{Rc, Weak};

use tapir_data::value::{File, Value};
use tapir_vm::{CallCtx, RtError, Vm};

use crate::util::*;

pub const FAMILY: Family = &[
    ("open", |ctx, a| open_builtin(ctx, a, false)),
    ("open_for_append", |ctx, a| open_builtin(ctx, a, true)),
    ("close", close),
    ("write_file", write_file),
    ("set_buf", set_buf),
    ("flush_all", |ctx, _| {
        flush_all(ctx.vm);
        Ok(Value::Bool(true))
    }),
    ("mkdir", mkdir),
    ("rmdir", |ctx, a| path_op(ctx, a, "rmdir", |p| fs::remove_dir(p))),
    ("unlink", |ctx, a| path_op(ctx, a, "unlink", |p| fs::remove_file(p))),
    ("rename", rename),
    ("active_file", |_, a| Ok(Value::Bool(file(a)?.sink.borrow().is_some()))),
    ("get_file_name", |_, a| Ok(Value::Str(file(a)?.name.clone()))),
    ("enable_raw_output", |_, a| {
        file(a)?.raw.set(true);
        Ok(Value::Unset)
    }),
    ("file_size", file_size),
    ("rotate_file", rotate_file),
    ("rotate_file_by_name", rotate_file_by_name),
];

/// What is open, for flushing, buffering and rotation.
#[derive(Default)]
struct OpenFiles(Vec<OpenFile>);

struct OpenFile {
    file: Weak<File>,
    by_line: Rc<Cell<bool>>,
    opened: f64,
}

/// A buffered file that is flushed at line ends when asked to be.
struct Sink {
    out: BufWriter<Box<dyn Write>>,
    by_line: Rc<Cell<bool>>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        if self.by_line.get() && bytes[..n].contains(&b'\n') {
            self.out.flush()?;
        }
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes out what is buffered for files that scripts opened; also called when a run ends.
pub fn flush_all(vm: &mut Vm) {
    let open = &mut vm.state::<OpenFiles>().0;
    open.retain(|o| o.file.strong_count() > 0);
    for o in open {
        if let Some(f) = o.file.upgrade()
            && let Some(sink) = f.sink.borrow_mut().as_mut()
        {
            // A full disk shows at the next write, which reports it.
            let _ = sink.flush();
        }
    }
}

fn file(a: &[Value]) -> Result<&Rc<File>, RtError> {
    match a.first() {
        Some(Value::File(f)) => Ok(f),
        _ => Err(RtError::new("built-in called with wrong argument: file expected")),
    }
}

/// Opens by path; `-` and the `/dev/std…` names are the process's streams.
fn open_sink(path: &Path, append: bool) -> io::Result<Box<dyn Write>> {
    match path.as_os_str().to_str() {
        Some("-" | "/dev/stdout") => return Ok(Box::new(io::stdout())),
        Some("/dev/stderr") => return Ok(Box::new(io::stderr())),
        _ => {}
    }
    let mut how = fs::OpenOptions::new();
    how.write(true).create(true);
    if append {
        how.append(true);
    } else {
        how.truncate(true);
    }
    Ok(Box::new(how.open(path)?))
}

fn is_stream(name: &[u8]) -> bool {
    matches!(name, b"-" | b"/dev/stdout" | b"/dev/stderr")
}

/// Makes a file value and remembers it. Streams are not buffered here, so that they keep step with `print`.
fn open_file(vm: &mut Vm, name: &[u8], append: bool) -> (Rc<File>, io::Result<()>) {
    use std::os::unix::ffi::OsStrExt;
    let f = Rc::new(File {
        name: name.into(),
        raw: Cell::new(false),
        sink: RefCell::new(None),
    });
    let path = Path::new(std::ffi::OsStr::from_bytes(name));
    let done = open_sink(path, append).map(|out| attach(vm, &f, out));
    (f, done)
}

/// The standard error stream as an open file.
pub fn standard_error(vm: &mut Vm) -> Rc<File> {
    open_file(vm, b"/dev/stderr", false).0
}

fn attach(vm: &mut Vm, f: &Rc<File>, out: Box<dyn Write>) {
    let by_line = Rc::new(Cell::new(false));
    let sink: Box<dyn Write> = if is_stream(&f.name) {
        out
    } else {
        Box::new(Sink {
            out: BufWriter::new(out),
            by_line: by_line.clone(),
        })
    };
    *f.sink.borrow_mut() = Some(sink);
    let opened = vm.network_time();
    let open = &mut vm.state::<OpenFiles>().0;
    open.retain(|o| o.file.strong_count() > 0 && !std::ptr::eq(o.file.as_ptr(), Rc::as_ptr(f)));
    open.push(OpenFile {
        file: Rc::downgrade(f),
        by_line,
        opened,
    });
}

/// The text of an operating-system error without Rust's addition of the number.
pub fn reason(e: &io::Error) -> String {
    let text = e.to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].into(),
        None => text,
    }
}

fn open_builtin(ctx: &mut CallCtx<'_>, a: &[Value], append: bool) -> Res {
    let name = a.str(0)?.clone();
    let name = c_string(ctx, &name);
    let (f, done) = open_file(ctx.vm, &name, append);
    match done {
        Ok(()) => tapir_interface::events::file_opened(ctx.queue(), Value::File(f.clone())),
        Err(e) => plain_error(ctx, format!("cannot open {}: {}", lossy(&name), reason(&e))),
    }
    Ok(Value::File(f))
}

fn close(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let sink = file(a)?.sink.take();
    let flushed = sink.map_or(Ok(()), |mut s| s.flush());
    Ok(Value::Bool(flushed.is_ok()))
}

fn write_file(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let data = a.str(1)?;
    let mut sink = file(a)?.sink.borrow_mut();
    Ok(Value::Bool(match sink.as_mut() {
        Some(s) if !data.is_empty() => s.write_all(data).is_ok(),
        _ => false,
    }))
}

fn set_buf(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (f, buffered) = (file(a)?.clone(), a.bool(1)?);
    for o in &ctx.vm.state::<OpenFiles>().0 {
        if std::ptr::eq(o.file.as_ptr(), Rc::as_ptr(&f)) {
            o.by_line.set(!buffered);
        }
    }
    Ok(Value::Unset)
}

fn mkdir(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let name = a.str(0)?.clone();
    let path = os_string(ctx, &name);
    match fs::create_dir(&path) {
        Ok(()) => Ok(Value::Bool(true)),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && Path::new(&path).is_dir() => Ok(Value::Bool(true)),
        Err(e) => {
            ctx.warning(format!("cannot create directory '{}': {}", lossy(&name), reason(&e)));
            Ok(Value::Bool(false))
        }
    }
}

fn path_op(ctx: &mut CallCtx<'_>, a: &[Value], what: &str, op: fn(&Path) -> io::Result<()>) -> Res {
    let name = a.str(0)?.clone();
    let path = os_string(ctx, &name);
    match op(Path::new(&path)) {
        Ok(()) => Ok(Value::Bool(true)),
        Err(e) => {
            ctx.warning(format!("cannot {what} '{}': {}", lossy(&name), reason(&e)));
            Ok(Value::Bool(false))
        }
    }
}

fn rename(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (from, to) = (a.str(0)?.clone(), a.str(1)?.clone());
    let (p, q) = (os_string(ctx, &from), os_string(ctx, &to));
    match fs::rename(p, q) {
        Ok(()) => Ok(Value::Bool(true)),
        Err(e) => {
            let text = format!("cannot rename '{}' to '{}': {}", lossy(&from), lossy(&to), reason(&e));
            ctx.warning(text);
            Ok(Value::Bool(false))
        }
    }
}

fn file_size(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let name = a.str(0)?.clone();
    let path = os_string(ctx, &name);
    Ok(Value::Double(fs::metadata(path).map_or(-1.0, |m| m.len() as f64)))
}

fn rotate_info(ctx: &CallCtx<'_>, old: &str, new: &str, open: f64, close: f64) -> Value {
    let fields = [
        ("old_name", string(old)),
        ("new_name", string(new)),
        ("open", Value::Time(open)),
        ("close", Value::Time(close)),
    ];
    record(ctx.types(), ctx.result_type, &fields)
}

/// Renames a file out of the way.
fn move_away(now: f64, name: &str) -> io::Result<String> {
    let new = format!("{name}.{}.{now:.6}.tmp", std::process::id());
    fs::rename(name, &new)?;
    Ok(new)
}

fn rotate_file(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let f = file(a)?.clone();
    let now = ctx.network_time();
    let open = &ctx.vm.state::<OpenFiles>().0;
    let known = open.iter().find(|o| std::ptr::eq(o.file.as_ptr(), Rc::as_ptr(&f)));
    let opened = known.map_or(now, |o| o.opened);
    if let Some(sink) = f.sink.borrow_mut().as_mut() {
        let _ = sink.flush();
    }
    let name = lossy(&f.name);
    match move_away(now, &name).and_then(|new| Ok((new, open_sink(Path::new(&name), false)?))) {
        Ok((new, out)) => {
            attach(ctx.vm, &f, out);
            Ok(rotate_info(ctx, &name, &new, opened, now))
        }
        Err(e) => {
            ctx.error(format!("rotate_file: cannot rotate {name}: {}", reason(&e)));
            Ok(rotate_info(ctx, "", "", 0.0, 0.0))
        }
    }
}

fn rotate_file_by_name(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let name = a.str(0)?.clone();
    let name = lossy(&c_string(ctx, &name));
    let now = ctx.network_time();
    let done = move_away(now, &name).and_then(|new| {
        fs::File::create(&name)?;
        Ok(new)
    });
    match done {
        Ok(new) => Ok(rotate_info(ctx, &name, &new, now, now)),
        Err(e) => {
            plain_error(
                ctx,
                format!("rotate_file_by_name: cannot rotate {name}: {}", reason(&e)),
            );
            Ok(rotate_info(ctx, "", "", 0.0, 0.0))
        }
    }
}
