//! What all families of built-ins use: reading arguments, making results, rendering.

use std::rc::Rc;

use tapir_data::text::{RenderHost, Style, TEXT_MAX, render};
use tapir_data::types::{Kind, TypeId, Types};
use tapir_data::value::{Addr, Func, Port, Record, Str, Subnet, Table, Value, Vector};
use tapir_vm::{CallCtx, RtError, Severity, Vm};

/// What every built-in gives back.
pub type Res = Result<Value, RtError>;

/// A table of built-ins: script name and function.
pub type Family = &'static [(&'static str, tapir_vm::BuiltinFn)];

/// What a C library function would have been given instead of a string that holds a NUL.
pub const NUL_TEXT: &[u8] = b"<string-with-NUL>";

#[cold]
fn wrong(what: &str) -> RtError {
    RtError::new(format!("built-in called with wrong argument: {what} expected"))
}

/// Reads arguments by position and type.
pub trait Args {
    fn str(&self, i: usize) -> Result<&Str, RtError>;
    fn count(&self, i: usize) -> Result<u64, RtError>;
    fn int(&self, i: usize) -> Result<i64, RtError>;
    fn bool(&self, i: usize) -> Result<bool, RtError>;
    /// A double, time or interval.
    fn double(&self, i: usize) -> Result<f64, RtError>;
    fn addr(&self, i: usize) -> Result<Addr, RtError>;
    fn subnet(&self, i: usize) -> Result<Subnet, RtError>;
    fn port(&self, i: usize) -> Result<Port, RtError>;
    fn table(&self, i: usize) -> Result<&Rc<Table>, RtError>;
    fn vector(&self, i: usize) -> Result<&Rc<Vector>, RtError>;
    fn record(&self, i: usize) -> Result<&Rc<Record>, RtError>;
    fn any(&self, i: usize) -> Result<&Value, RtError>;
}

impl Args for [Value] {
    fn str(&self, i: usize) -> Result<&Str, RtError> {
        match self.get(i) {
            Some(Value::Str(s)) => Ok(s),
            _ => Err(wrong("string")),
        }
    }
    fn count(&self, i: usize) -> Result<u64, RtError> {
        match self.get(i) {
            Some(Value::Count(n)) => Ok(*n),
            Some(Value::Int(n)) if *n >= 0 => Ok(*n as u64),
            _ => Err(wrong("count")),
        }
    }
    fn int(&self, i: usize) -> Result<i64, RtError> {
        match self.get(i) {
            Some(Value::Int(n)) => Ok(*n),
            Some(Value::Count(n)) => Ok(*n as i64),
            _ => Err(wrong("int")),
        }
    }
    fn bool(&self, i: usize) -> Result<bool, RtError> {
        match self.get(i) {
            Some(Value::Bool(b)) => Ok(*b),
            _ => Err(wrong("bool")),
        }
    }
    fn double(&self, i: usize) -> Result<f64, RtError> {
        match self.get(i) {
            Some(Value::Double(d) | Value::Time(d) | Value::Interval(d)) => Ok(*d),
            Some(Value::Count(n)) => Ok(*n as f64),
            Some(Value::Int(n)) => Ok(*n as f64),
            _ => Err(wrong("double")),
        }
    }
    fn addr(&self, i: usize) -> Result<Addr, RtError> {
        match self.get(i) {
            Some(Value::Addr(a)) => Ok(*a),
            _ => Err(wrong("addr")),
        }
    }
    fn subnet(&self, i: usize) -> Result<Subnet, RtError> {
        match self.get(i) {
            Some(Value::Subnet(s)) => Ok(*s),
            _ => Err(wrong("subnet")),
        }
    }
    fn port(&self, i: usize) -> Result<Port, RtError> {
        match self.get(i) {
            Some(Value::Port(p)) => Ok(*p),
            _ => Err(wrong("port")),
        }
    }
    fn table(&self, i: usize) -> Result<&Rc<Table>, RtError> {
        match self.get(i) {
            Some(Value::Table(t)) => Ok(t),
            _ => Err(wrong("table")),
        }
    }
    fn vector(&self, i: usize) -> Result<&Rc<Vector>, RtError> {
        match self.get(i) {
            Some(Value::Vector(v)) => Ok(v),
            _ => Err(wrong("vector")),
        }
    }
    fn record(&self, i: usize) -> Result<&Rc<Record>, RtError> {
        match self.get(i) {
            Some(Value::Record(r)) => Ok(r),
            _ => Err(wrong("record")),
        }
    }
    fn any(&self, i: usize) -> Result<&Value, RtError> {
        self.get(i).ok_or_else(|| wrong("another argument"))
    }
}

/// A string value.
pub fn string(s: impl AsRef<[u8]>) -> Value {
    Value::Str(s.as_ref().into())
}

/// A vector of the built-in's declared result type.
pub fn vector(ctx: &CallCtx<'_>, items: Vec<Value>) -> Value {
    Value::Vector(Vector::new(ctx.result_type, items))
}

/// A vector of strings.
pub fn strings<T: AsRef<[u8]>>(ctx: &CallCtx<'_>, items: impl IntoIterator<Item = T>) -> Value {
    vector(ctx, items.into_iter().map(string).collect())
}

/// A set of the declared result type.
pub fn set(ctx: &CallCtx<'_>, items: impl IntoIterator<Item = Value>) -> Value {
    let t = Table::new(ctx.result_type);
    for item in items {
        t.insert(std::slice::from_ref(&item), Value::Unset, 0.0);
    }
    Value::Table(t)
}

/// The type of a record's field; the record's own type when there is no such field.
pub fn field_type(types: &Types, record: TypeId, field: &str) -> TypeId {
    types
        .record(record)
        .and_then(|r| r.slot(field).map(|s| r.fields[s as usize].ty))
        .unwrap_or(record)
}

/// A record with the named fields set. Aggregate fields without a value stay unset for the VM to fill.
pub fn record(types: &Types, ty: TypeId, fields: &[(&str, Value)]) -> Value {
    let mut slots = Vec::new();
    if let Some(layout) = types.record(ty) {
        slots = vec![Value::Unset; layout.fields.len()];
        for (name, v) in fields {
            if let Some(slot) = layout.slot(name) {
                slots[slot as usize] = v.clone();
            }
        }
    }
    Value::Record(Record::new(ty, slots))
}

/// The value of a record's field by name, defaults included.
pub fn field(ctx: &mut CallCtx<'_>, r: &Value, name: &str) -> Res {
    let slot = match r {
        Value::Record(rec) => ctx.types().record(rec.ty).and_then(|l| l.slot(name)),
        _ => None,
    };
    match slot {
        Some(s) => ctx.field(r, s as usize),
        None => Ok(Value::Unset),
    }
}

/// The element type of a vector type, `any` otherwise.
pub fn element_type(types: &Types, ty: TypeId) -> TypeId {
    match types.kind(ty) {
        Kind::Vector(t) => *t,
        _ => tapir_data::types::builtin::ANY,
    }
}

/// A type declared under a name.
pub fn named_type(ctx: &CallCtx<'_>, name: &str) -> Option<TypeId> {
    match ctx.program().names.get(name) {
        Some(tapir_script::hir::Ident::Type(t)) => Some(*t),
        _ => None,
    }
}

/// An enumerator by its qualified name.
pub fn enumerator(ctx: &CallCtx<'_>, name: &str) -> Value {
    match ctx.program().names.get(name) {
        Some(tapir_script::hir::Ident::Enumerator(t, n)) => Value::Enum(*t, *n),
        _ => Value::Unset,
    }
}

/// Reports an error without a location.
pub fn plain_error(ctx: &mut CallCtx<'_>, text: impl Into<String>) {
    ctx.report_plain(Severity::Error, text);
}

/// The bytes for a function of the C library: a string with a NUL is reported and replaced.
pub fn c_string(ctx: &mut CallCtx<'_>, s: &[u8]) -> Vec<u8> {
    if s.contains(&0) {
        let mut shown = Vec::new();
        tapir_data::text::escape_bytes(s, &mut shown);
        ctx.error(format!(
            "string with embedded NUL: \"{}\"",
            String::from_utf8_lossy(&shown)
        ));
        return NUL_TEXT.to_vec();
    }
    s.to_vec()
}

/// A path or name for the operating system; NUL is reported and replaced.
pub fn os_string(ctx: &mut CallCtx<'_>, s: &[u8]) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(c_string(ctx, s))
}

/// Rendering over a machine whose values have their defaults filled in.
pub struct VmText<'a>(pub &'a Vm);

impl RenderHost for VmText<'_> {
    fn types(&self) -> &Types {
        self.0.types()
    }
    fn func_text(&self, f: &Func) -> Vec<u8> {
        self.0.func_text(f)
    }
    fn field_default(&self, _: &Rc<Record>, _: usize) -> Value {
        Value::Unset
    }
}

fn is_aggregate(v: &Value) -> bool {
    matches!(
        v,
        Value::Record(_) | Value::Table(_) | Value::Vector(_) | Value::List(_)
    )
}

/// The text of a value in a style, defaults of records filled in first.
pub fn text_as(ctx: &mut CallCtx<'_>, v: &Value, style: Style) -> Result<Vec<u8>, RtError> {
    if let (Value::Str(s), Style::String) = (v, style) {
        return Ok(s.to_vec());
    }
    if is_aggregate(v) {
        ctx.materialize(v)?;
    }
    let text = render(&VmText(ctx.vm), v, style);
    room(text.len())?;
    Ok(text)
}

/// Whether a text may become so long.
///
/// # Errors
/// When it may not.
pub fn room(len: usize) -> Result<(), RtError> {
    if len <= TEXT_MAX {
        return Ok(());
    }
    Err(RtError::new(format!(
        "a text of {len} bytes is longer than the limit of {TEXT_MAX}"
    )))
}

/// The text of a value as `cat` shows it.
pub fn text(ctx: &mut CallCtx<'_>, v: &Value) -> Result<Vec<u8>, RtError> {
    text_as(ctx, v, Style::String)
}

/// Lossy text for messages.
pub fn lossy(s: &[u8]) -> String {
    String::from_utf8_lossy(s).into_owned()
}
