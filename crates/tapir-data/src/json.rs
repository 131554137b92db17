//! `to_json`: values as JSON text by the reference's rules.

use std::rc::Rc;

use crate::number::{double_json, interval_text};
use crate::table::as_parts;
use crate::text::{
    RenderHost, Style, enum_text, field_or_default, pattern_text, port_text, proto_name, push_hex, render, subnet_text,
    type_text,
};
use crate::types::Kind;
use crate::value::{PatternObject, Record, Value};

/// The options of `to_json`.
#[derive(Clone, Default)]
pub struct JsonOptions {
    /// Only fields with `&log`.
    pub only_loggable: bool,
    /// What is cut out of field names once.
    pub field_escape: Option<Rc<dyn PatternObject>>,
    pub interval_as_double: bool,
}

/// A value as JSON text without blanks.
pub fn to_json(host: &dyn RenderHost, v: &Value, options: &JsonOptions) -> Vec<u8> {
    let mut out = Vec::new();
    Writer {
        host,
        options,
        depth: 0,
        path: Vec::new(),
    }
    .value(v, &mut out);
    out
}

struct Writer<'a> {
    host: &'a dyn RenderHost,
    options: &'a JsonOptions,
    depth: usize,
    /// The containers that hold what is being written; one of them within is a cycle, and becomes `null`.
    path: Vec<*const u8>,
}

impl Writer<'_> {
    fn value(&mut self, v: &Value, out: &mut Vec<u8>) {
        if self.depth > 500 || out.len() > crate::text::TEXT_MAX {
            out.extend_from_slice(b"null");
            return;
        }
        let at: Option<*const u8> = match v {
            Value::Vector(x) => Some(Rc::as_ptr(x).cast()),
            Value::Record(x) => Some(Rc::as_ptr(x).cast()),
            Value::Table(x) => Some(Rc::as_ptr(x).cast()),
            _ => None,
        };
        if at.is_some_and(|at| self.path.contains(&at)) {
            out.extend_from_slice(b"null");
            return;
        }
        self.path.extend(at);
        self.depth += 1;
        self.inner(v, out);
        self.depth -= 1;
        if at.is_some() {
            self.path.pop();
        }
    }

    fn inner(&mut self, v: &Value, out: &mut Vec<u8>) {
        let host = self.host;
        match v {
            Value::Unset => out.extend_from_slice(b"null"),
            Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
            Value::Int(n) => out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
            Value::Count(n) => out.extend_from_slice(itoa::Buffer::new().format(*n).as_bytes()),
            Value::Double(d) | Value::Time(d) => out.extend_from_slice(double_json(*d).as_bytes()),
            Value::Interval(d) if self.options.interval_as_double => out.extend_from_slice(double_json(*d).as_bytes()),
            Value::Interval(d) => json_string(interval_text(*d).as_bytes(), out),
            Value::Enum(ty, n) => json_string(enum_text(host.types(), *ty, *n).as_bytes(), out),
            Value::Port(p) => {
                let text = format!(r#"{{"port":{},"proto":"{}"}}"#, p.num, proto_name(p.proto));
                out.extend_from_slice(text.as_bytes());
            }
            Value::Addr(a) => json_string(a.to_string().as_bytes(), out),
            Value::Subnet(s) => json_string(subnet_text(s).as_bytes(), out),
            Value::Str(s) => json_string(s, out),
            Value::Pattern(p) => json_string(&pattern_text(&p.text()), out),
            Value::Func(_) | Value::File(_) => json_string(&render(host, v, Style::Print), out),
            Value::Type(t) => json_string(type_text(host.types(), *t).as_bytes(), out),
            Value::Opaque(o) => {
                let class = opaque_class(o.type_name());
                out.extend_from_slice(b"{\"opaque_type\":");
                json_string(class.as_bytes(), out);
                out.push(b'}');
            }
            Value::Vector(items) => {
                out.push(b'[');
                for i in 0..items.len() {
                    if i > 0 {
                        out.push(b',');
                    }
                    self.value(&items.get(i), out);
                }
                out.push(b']');
            }
            Value::List(parts) => self.list(parts, out),
            Value::Table(t) => {
                // A table without a type yields nothing, so it is written as a set.
                let is_set = matches!(host.types().kind(t.ty), Kind::Table { yields: None, .. } | Kind::Empty);
                out.push(if is_set { b'[' } else { b'{' });
                for (i, (key, value)) in t.entries().into_iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    if is_set {
                        self.value(&key, out);
                    } else {
                        let text = self.key_text(&key);
                        json_quote(&text, out);
                        out.push(b':');
                        self.value(&value, out);
                    }
                }
                out.push(if is_set { b']' } else { b'}' });
            }
            Value::Record(r) => self.record(r, out),
        }
    }

    fn list(&mut self, parts: &[Value], out: &mut Vec<u8>) {
        out.push(b'[');
        for (i, v) in parts.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            self.value(v, out);
        }
        out.push(b']');
    }

    /// The member name for a table key: its JSON text, without the quotes if it is a string.
    fn key_text(&mut self, key: &Value) -> Vec<u8> {
        let mut text = Vec::new();
        match as_parts(key) {
            [one] => self.value(one, &mut text),
            parts => self.list(parts, &mut text),
        }
        if text.len() >= 2 && text[0] == b'"' {
            text.pop();
            text.remove(0);
        }
        text
    }

    fn record(&mut self, r: &Rc<Record>, out: &mut Vec<u8>) {
        let host = self.host;
        out.push(b'{');
        let mut first = true;
        if let Some(layout) = host.types().record(r.ty) {
            for (slot, field) in layout.fields.iter().enumerate() {
                if self.options.only_loggable && !field.log {
                    continue;
                }
                let v = field_or_default(host, r, slot);
                if matches!(v, Value::Unset) {
                    continue;
                }
                if !first {
                    out.push(b',');
                }
                first = false;
                let mut name = field.name.as_bytes().to_vec();
                if let Some(p) = &self.options.field_escape
                    && let Some((start, end)) = p.find(&name, 0, false)
                {
                    name.drain(start..end);
                }
                // A name that was eaten whole leaves the bare value, as in the reference.
                if !name.is_empty() {
                    json_string(&name, out);
                    out.push(b':');
                }
                self.value(&v, out);
            }
        }
        out.push(b'}');
    }
}

/// The name that the reference gives to the class behind an opaque type.
fn opaque_class(name: &str) -> String {
    match name {
        "md5" | "sha1" | "sha224" | "sha256" | "sha384" | "sha512" => {
            format!("{}Val", name.to_uppercase())
        }
        "bloomfilter" => "BloomFilterVal".into(),
        "topk" => "TopkVal".into(),
        "cardinality" => "CardinalityVal".into(),
        "entropy" => "EntropyVal".into(),
        "paraglob" => "ParaglobVal".into(),
        "x509" => "X509Val".into(),
        "ocsp_resp" => "OCSP_RESPVal".into(),
        other => format!("{other}Val"),
    }
}

fn allowed(c: char) -> bool {
    let n = c as u32;
    match n {
        8 | 9 | 10 | 12 | 13 => true,
        0..=0x1f | 0x7f..=0x9f => false,
        0xe000..=0xf8ff | 0xfff0..=0xffff | 0xf0000.. => false,
        _ => true,
    }
}

/// Replaces control bytes by `\xHH`, and all bytes beyond ASCII too unless the whole text is clean UTF-8.
pub fn readable(s: &[u8], out: &mut Vec<u8>) {
    let utf8 = std::str::from_utf8(s).is_ok_and(|t| t.chars().all(allowed));
    for &b in s {
        match b {
            8 | 9 | 10 | 12 | 13 => out.push(b),
            0..=0x1f | 0x7f => push_hex(b, out),
            0x80.. if !utf8 => push_hex(b, out),
            b => out.push(b),
        }
    }
}

/// Appends a script string as a JSON string.
pub fn json_string(s: &[u8], out: &mut Vec<u8>) {
    if s.iter().all(|b| (0x20..0x7f).contains(b)) {
        return json_quote(s, out);
    }
    let mut text = Vec::with_capacity(s.len() + 8);
    readable(s, &mut text);
    json_quote(&text, out);
}

/// Appends text in JSON quotes, escaping what JSON needs escaped.
pub fn json_quote(s: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &b in s {
        let short = match b {
            b'"' | b'\\' => b,
            8 => b'b',
            9 => b't',
            10 => b'n',
            12 => b'f',
            13 => b'r',
            0..=0x1f => {
                out.extend_from_slice(format!("\\u{b:04x}").as_bytes());
                continue;
            }
            _ => {
                out.push(b);
                continue;
            }
        };
        out.push(b'\\');
        out.push(short);
    }
    out.push(b'"');
}

/// A port as the text `80/tcp` in JSON quotes, as logs and broker data write it.
pub fn json_port_text(p: crate::value::Port, out: &mut Vec<u8>) {
    json_quote(port_text(p).as_bytes(), out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn j(s: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        json_string(s, &mut out);
        out
    }

    #[test]
    fn strings() {
        assert_eq!(j(b"\x08\x0c\n\r\t"), br#""\b\f\n\r\t""#);
        assert_eq!(j(b"\x00\x7f"), br#""\\x00\\x7f""#);
        assert_eq!(j(b"\xc3\xa9"), b"\"\xc3\xa9\"");
        assert_eq!(j(b"\xc3\xa9\x01"), br#""\\xc3\\xa9\\x01""#);
        assert_eq!(j(b"\xc2\x85"), br#""\\xc2\\x85""#);
        assert_eq!(j(b"q\"\\"), br#""q\"\\""#);
    }
}
