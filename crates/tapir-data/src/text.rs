//! The text forms of values and types: what `print`, `cat`, `fmt("%s")` and error messages show.
//!
//! Knows nothing of programs: function bodies and default field values come from a [`RenderHost`].

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use crate::number::{double_text, interval_text};
use crate::table::as_parts;
use crate::types::{Flavor, FuncType, Kind, TypeId, Types};
use crate::value::{Addr, Func, Port, Proto, Record, Subnet, Value};

/// What rendering needs from the program.
pub trait RenderHost {
    /// The types of the program.
    fn types(&self) -> &Types;
    /// The text of a function value: its name, or name, type and body.
    fn func_text(&self, f: &Func) -> Vec<u8>;
    /// The value of an unset field that has a default; `Value::Unset` when there is none.
    fn field_default(&self, record: &Rc<Record>, slot: usize) -> Value;
    /// Whether data made of sets and tables is sorted. Between nodes of one process it may stay in the order of the
    /// script's value.
    fn sorts_data(&self) -> bool {
        true
    }
}

/// A host for programs without functions and defaults, such as tests.
pub struct PlainHost<'a>(pub &'a Types);

impl RenderHost for PlainHost<'_> {
    fn types(&self) -> &Types {
        self.0
    }
    fn func_text(&self, f: &Func) -> Vec<u8> {
        format!("function {}", f.id.0).into_bytes()
    }
    fn field_default(&self, _: &Rc<Record>, _: usize) -> Value {
        Value::Unset
    }
}

/// Where the text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `print` to standard output or a file: bytes of strings escaped, no indentation.
    Print,
    /// Into a string (`cat`, `fmt`, logs, raw files): nothing escaped, tabs by nesting.
    String,
    /// Into an error message: on one line.
    Message,
    /// As a string, but every element of a container has its tabs (prints that become log records).
    Indented,
}

/// Texts of values end when they are about so long: a value that holds itself many times over could have one that no
/// memory can keep.
pub const TEXT_MAX: usize = 1 << 30;

/// The text of a value as a new byte string.
pub fn render(host: &dyn RenderHost, v: &Value, style: Style) -> Vec<u8> {
    let mut out = Vec::new();
    render_into(host, v, style, &mut out);
    out
}

/// Appends the text of a value.
pub fn render_into(host: &dyn RenderHost, v: &Value, style: Style, out: &mut Vec<u8>) {
    Renderer {
        host,
        style,
        out,
        depth: 0,
        path: Vec::new(),
    }
    .value(v);
}

/// The field's value, or its default where it is unset.
pub fn field_or_default(host: &dyn RenderHost, r: &Rc<Record>, slot: usize) -> Value {
    match r.get(slot) {
        Value::Unset => host.field_default(r, slot),
        v => v,
    }
}

/// Appends bytes, those outside of printable ASCII as `\xHH`.
pub fn escape_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    for &b in bytes {
        if (32..=126).contains(&b) {
            out.push(b);
        } else {
            push_hex(b, out);
        }
    }
}

/// Appends `\xHH`.
pub fn push_hex(b: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.extend_from_slice(&[b'\\', b'x', DIGITS[(b >> 4) as usize], DIGITS[(b & 15) as usize]]);
}

/// The protocol's name as in `80/tcp`.
pub fn proto_name(p: Proto) -> &'static str {
    match p {
        Proto::Unknown => "unknown",
        Proto::Tcp => "tcp",
        Proto::Udp => "udp",
        Proto::Icmp => "icmp",
    }
}

/// A port as `80/tcp`.
pub fn port_text(p: Port) -> String {
    format!("{}/{}", p.num, proto_name(p.proto))
}

/// A subnet as `10.0.0.0/8`.
pub fn subnet_text(s: &Subnet) -> String {
    format!("{}/{}", s.addr, s.shown_width())
}

/// The qualified name of an enumerator, `<undefined>` when the value has none.
pub fn enum_text(types: &Types, ty: TypeId, value: i64) -> &str {
    match types.kind(ty) {
        Kind::Enum(id) => {
            let e = &types.enums[id.0 as usize];
            let item = e.by_value.get(&value).and_then(|&i| e.items.get(i as usize));
            item.map_or("<undefined>", |i| &i.0)
        }
        _ => "<undefined>",
    }
}

/// The text of a pattern with its slashes.
pub fn pattern_text(text: &[u8]) -> Vec<u8> {
    [b"/", text, b"/"].concat()
}

struct Renderer<'a> {
    host: &'a dyn RenderHost,
    style: Style,
    out: &'a mut Vec<u8>,
    depth: usize,
    /// The containers around the current one, to notice cycles.
    path: Vec<*const u8>,
}

impl Renderer<'_> {
    fn text(&mut self, s: &str) {
        self.out.extend_from_slice(s.as_bytes());
    }

    fn value(&mut self, v: &Value) {
        if self.out.len() > TEXT_MAX {
            return;
        }
        match v {
            Value::Unset => self.text("<uninitialized>"),
            Value::Bool(b) => self.text(if *b { "T" } else { "F" }),
            Value::Int(n) => self.text(itoa::Buffer::new().format(*n)),
            Value::Count(n) => self.text(itoa::Buffer::new().format(*n)),
            Value::Double(d) | Value::Time(d) => self.text(&double_text(*d)),
            Value::Interval(d) => self.text(&interval_text(*d)),
            Value::Enum(ty, n) => {
                let host = self.host;
                self.text(enum_text(host.types(), *ty, *n));
            }
            Value::Port(p) => self.text(&port_text(*p)),
            Value::Addr(a) => self.addr(a),
            Value::Subnet(s) => self.text(&subnet_text(s)),
            Value::Str(s) => self.bytes(s),
            Value::Pattern(p) => self.bytes(&pattern_text(&p.text())),
            Value::Record(r) => self.nested(Rc::as_ptr(r) as *const u8, |me| me.record(r)),
            Value::Vector(items) => self.nested(Rc::as_ptr(items) as *const u8, |me| {
                me.text("[");
                for i in 0..items.len() {
                    if i > 0 {
                        me.text(", ");
                    }
                    match items.get(i) {
                        Value::Unset => {}
                        v => me.value(&v),
                    }
                }
                me.text("]");
            }),
            Value::Table(t) => self.nested(Rc::as_ptr(t) as *const u8, |me| me.table(t)),
            Value::Func(f) => {
                let text = self.host.func_text(f);
                self.out.extend_from_slice(&text);
            }
            Value::File(f) => {
                self.text("file \"");
                self.bytes(&f.name);
                self.text("\" of string");
            }
            Value::Opaque(o) => self.out.extend(o.render_bytes()),
            Value::Type(t) => {
                let text = type_text(self.host.types(), *t);
                self.text(&text);
            }
            Value::List(l) => self.list(l),
        }
    }

    fn addr(&mut self, a: &Addr) {
        let IpAddr::V4(v4) = a.to_ip() else {
            return self.text(&a.to_string());
        };
        let mut digits = itoa::Buffer::new();
        for (i, b) in v4.octets().into_iter().enumerate() {
            if i > 0 {
                self.text(".");
            }
            self.text(digits.format(b));
        }
    }

    fn bytes(&mut self, s: &[u8]) {
        if self.style == Style::Print {
            escape_bytes(s, self.out);
        } else {
            self.out.extend_from_slice(s);
        }
    }

    fn nested(&mut self, at: *const u8, f: impl FnOnce(&mut Self)) {
        if self.path.contains(&at) || self.path.len() > 500 {
            self.text("<cycle>");
            return;
        }
        self.path.push(at);
        f(self);
        self.path.pop();
    }

    fn list(&mut self, parts: &[Value]) {
        self.text("[");
        for (i, v) in parts.iter().enumerate() {
            if i > 0 {
                self.text(", ");
            }
            self.value(v);
        }
        self.text("]");
    }

    fn record(&mut self, r: &Rc<Record>) {
        let host = self.host;
        self.text("[");
        if let Some(layout) = host.types().record(r.ty) {
            for (slot, field) in layout.fields.iter().enumerate() {
                if slot > 0 {
                    self.text(", ");
                }
                self.text(&field.name);
                self.text("=");
                let v = field_or_default(host, r, slot);
                self.value(&v);
            }
        }
        self.text("]");
    }

    fn newline(&mut self) {
        if self.style != Style::Message {
            self.out.push(b'\n');
        }
    }

    fn indent(&mut self) {
        if matches!(self.style, Style::String | Style::Indented) {
            self.out.resize(self.out.len() + self.depth, b'\t');
        }
    }

    fn table(&mut self, t: &Rc<crate::value::Table>) {
        let is_set = matches!(self.host.types().kind(t.ty), Kind::Table { yields: None, .. });
        self.text("{");
        self.newline();
        self.depth += 1;
        for (i, (key, value)) in t.entries().into_iter().enumerate() {
            if self.out.len() > TEXT_MAX {
                break;
            }
            if i > 0 {
                self.text(",");
                self.newline();
            }
            if !is_set || self.style == Style::Indented || takes_indent(&key) {
                self.indent();
            }
            if is_set {
                self.value(&key);
            } else {
                self.list(as_parts(&key));
                self.text(" = ");
                self.value(&value);
            }
        }
        self.depth -= 1;
        self.newline();
        if self.depth > 0 {
            self.indent();
        }
        self.text("}");
    }
}

/// Whether a bare set element is preceded by tabs.
fn takes_indent(key: &Value) -> bool {
    match key {
        Value::Interval(d) => *d == 0.0,
        Value::Str(_) | Value::Double(_) | Value::Time(_) => false,
        Value::Func(_) | Value::File(_) | Value::Opaque(_) | Value::Type(_) => false,
        _ => true,
    }
}

/// The text of a type: the name it was declared under, or its structure.
pub fn type_text(types: &Types, ty: TypeId) -> String {
    if let Some(name) = types.name(ty) {
        return name.to_string();
    }
    structure_text(types, ty)
}

/// The text of a type's structure, its own name not used except for enums and named records.
pub fn structure_text(types: &Types, ty: TypeId) -> String {
    kind_text(types, types.kind(ty))
}

/// The text of a type that may not be in the table.
pub fn kind_text(types: &Types, kind: &Kind) -> String {
    let join = |parts: &[TypeId]| {
        let parts: Vec<String> = parts.iter().map(|&t| type_text(types, t)).collect();
        parts.join(",")
    };
    match kind {
        Kind::Error => "error".into(),
        Kind::Void => "void".into(),
        Kind::Any => "any".into(),
        Kind::Bool => "bool".into(),
        Kind::Int => "int".into(),
        Kind::Count => "count".into(),
        Kind::Double => "double".into(),
        Kind::Time => "time".into(),
        Kind::Interval => "interval".into(),
        Kind::String => "string".into(),
        Kind::Pattern => "pattern".into(),
        Kind::Port => "port".into(),
        Kind::Addr => "addr".into(),
        Kind::Subnet => "subnet".into(),
        Kind::Enum(id) => types.enums[id.0 as usize].name.to_string(),
        Kind::Record(id) => {
            let layout = types.layout(*id);
            if let Some(name) = &layout.name {
                return name.to_string();
            }
            let mut s = String::from("record { ");
            for f in &layout.fields {
                s += &format!("{}:{}{}; ", f.name, type_text(types, f.ty), attributes(&f.shown));
            }
            s + "}"
        }
        Kind::Table { index, yields: None } => format!("set[{}]", join(index)),
        Kind::Table { index, yields: Some(y) } => format!("table[{}] of {}", join(index), type_text(types, *y)),
        Kind::Vector(of) => format!("vector of {}", type_text(types, *of)),
        Kind::Func(f) => func_type_text(types, f),
        Kind::File => "file of string".into(),
        Kind::Opaque(name) => format!("opaque of {name}"),
        Kind::Type => "type".into(),
        Kind::List(parts) => format!("list of {}", join(parts)),
        Kind::Empty => "table".into(),
    }
}

fn attributes(shown: &Option<Arc<str>>) -> String {
    shown.as_ref().map_or(String::new(), |a| format!(" {a}"))
}

/// A function type as `function(a:count) : string`.
pub fn func_type_text(types: &Types, f: &FuncType) -> String {
    let word = match f.flavor {
        Flavor::Function => "function",
        Flavor::Event => "event",
        Flavor::Hook => "hook",
    };
    let params: Vec<String> = f
        .params
        .iter()
        .map(|p| format!("{}:{}{}", p.name, type_text(types, p.ty), attributes(&p.shown)))
        .collect();
    let mut s = format!("{word}({})", params.join(", "));
    if f.flavor != Flavor::Event {
        s += &format!(" : {}", type_text(types, f.yields));
    }
    s
}

/// The dynamic type of a value, as far as the value knows it; `None` for lists and unset values.
pub fn type_of(v: &Value) -> Option<TypeId> {
    use crate::types::builtin::*;
    Some(match v {
        Value::Unset | Value::List(_) => return None,
        Value::Bool(_) => BOOL,
        Value::Int(_) => INT,
        Value::Count(_) => COUNT,
        Value::Double(_) => DOUBLE,
        Value::Time(_) => TIME,
        Value::Interval(_) => INTERVAL,
        Value::Enum(t, _) => *t,
        Value::Port(_) => PORT,
        Value::Addr(_) => ADDR,
        Value::Subnet(_) => SUBNET,
        Value::Str(_) => STRING,
        Value::Pattern(_) => PATTERN,
        Value::Record(r) => r.ty,
        Value::Table(t) => t.ty,
        Value::Vector(v) => v.ty,
        Value::Func(f) => f.ty,
        Value::File(_) => FILE,
        Value::Opaque(_) => return None,
        Value::Type(_) => TYPE,
    })
}

/// The text of a value's dynamic type (`type_name`).
pub fn value_type_text(types: &Types, v: &Value) -> String {
    match v {
        Value::Unset => "void".into(),
        Value::Opaque(o) => format!("opaque of {}", o.shown_type_name()),
        Value::List(l) => {
            let parts: Vec<String> = l.iter().map(|v| value_type_text(types, v)).collect();
            format!("list of {}", parts.join(","))
        }
        v => type_of(v).map_or_else(String::new, |t| match (types.kind(t), v) {
            // Made by an empty constructor without a target.
            (Kind::Empty, Value::Vector(_)) => "vector of void".into(),
            (Kind::Empty, _) => "set[]".into(),
            _ => type_text(types, t),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Table;
    use crate::types::builtin;

    fn cat(types: &Types, v: &Value) -> String {
        String::from_utf8(render(&PlainHost(types), v, Style::String)).unwrap()
    }

    #[test]
    fn tabs_depend_on_the_kind_of_element() {
        let mut types = Types::new();
        let set = types.intern(Kind::Table {
            index: vec![builtin::COUNT],
            yields: None,
        });
        let strings = types.intern(Kind::Table {
            index: vec![builtin::STRING],
            yields: None,
        });
        let inner = types.intern(Kind::Table {
            index: vec![builtin::COUNT],
            yields: Some(strings),
        });
        let s = Table::new(set);
        s.insert(&[Value::Count(1)], Value::Unset, 0.0);
        assert_eq!(cat(&types, &Value::Table(s.clone())), "{\n\t1\n}");
        let e = Table::new(strings);
        e.insert(&[Value::Str((*b"e").into())], Value::Unset, 0.0);
        assert_eq!(cat(&types, &Value::Table(e.clone())), "{\ne\n}");
        let t = Table::new(inner);
        t.insert(&[Value::Count(2)], Value::Table(e), 0.0);
        let t = Value::Table(t);
        assert_eq!(cat(&types, &t), "{\n\t[2] = {\ne\n\t}\n}");
        let short = render(&PlainHost(&types), &t, Style::Message);
        assert_eq!(short, b"{[2] = {e}}");
        assert_eq!(type_text(&types, inner), "table[count] of set[string]");
    }
}
