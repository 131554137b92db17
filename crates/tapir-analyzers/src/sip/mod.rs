//! SIP over UDP (RFC 3261).

use tapir_data::value::Value;
use tapir_interface::{records, types};

use crate::core::{Analyzer, Cx};
use crate::util::grammar;
use crate::util::mime::split_header;
use crate::util::text::{istarts, trim};
use crate::{raise, wants};

/// The analyzer.
#[derive(Default)]
pub struct Sip {
    /// Noughts that came before a message, in datagrams of their own.
    junk: Vec<u8>,
}

/// So many are kept.
const MAX_JUNK: usize = 64;

fn lines(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    data.split(|&b| b == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l))
}

/// Methods are letters only, whatever else the specification allows in tokens.
fn is_method(w: &[u8]) -> bool {
    !w.is_empty() && w.iter().all(u8::is_ascii_alphabetic)
}

impl Sip {
    fn message(cx: &mut Cx, is_orig: bool, data: &[u8]) -> Option<()> {
        // Whatever stands before the first token of a request is reported and skipped.
        let junk = data
            .iter()
            .position(|b| b.is_ascii_alphanumeric())
            .unwrap_or(data.len());
        let data = if junk > 0 && junk < data.len() {
            let shown: String = data[..junk]
                .iter()
                .map(|b| {
                    if b.is_ascii_graphic() || *b == b' ' {
                        (*b as char).to_string()
                    } else {
                        format!("\\x{b:02x}")
                    }
                })
                .collect();
            if data[..junk].iter().all(|b| matches!(b, b'\r' | b'\n')) && junk == data.len() {
                return Some(());
            }
            cx.weird("sip_junk_before_request", &shown);
            &data[junk..]
        } else {
            data
        };
        let mut it = lines(data);
        let first = it.next()?;
        if istarts(first, b"SIP/") {
            let mut w = first.splitn(3, |&b| b == b' ');
            let version = w.next()?.get(4..)?;
            let code = std::str::from_utf8(w.next()?).ok()?.parse::<u64>().ok()?;
            let reason = w.next().unwrap_or(b"");
            cx.confirm();
            raise!(cx, sip_reply, version, code, reason);
        } else {
            let mut w = first.splitn(3, |&b| b == b' ');
            let method = w.next().filter(|m| is_method(m))?;
            let uri = w.next()?;
            let version = trim(w.next()?);
            if !istarts(version, b"SIP/") {
                return None;
            }
            raise!(cx, sip_request, method, uri, &version[4..]);
        }
        let mut all = Vec::new();
        let mut body = false;
        let mut pending: Vec<u8> = Vec::new();
        let mut rest = it.peekable();
        loop {
            let line = rest.next();
            if let Some(l) = line {
                if l.first().is_some_and(|b| matches!(b, b' ' | b'\t')) && !pending.is_empty() {
                    pending.push(b' ');
                    pending.extend_from_slice(trim(l));
                    continue;
                }
            }
            if !pending.is_empty() {
                if let Some((n, v)) = split_header(&pending) {
                    let name = n.to_ascii_uppercase();
                    if wants!(cx, sip_all_headers) {
                        all.push((n.to_vec(), v.to_vec()));
                    }
                    raise!(cx, sip_header, is_orig, name, v);
                }
                pending.clear();
            }
            match line {
                None => break,
                Some(b"") => {
                    body = true;
                    break;
                }
                Some(l) => pending.extend_from_slice(l),
            }
        }
        if wants!(cx, sip_all_headers) {
            let t = cx.q.bindings().table(types::MIME_HEADER_LIST);
            for (i, (n, v)) in all.into_iter().enumerate() {
                let rec = records::MimeHeaderRec {
                    original_name: n[..].into(),
                    name: n.to_ascii_uppercase().into(),
                    value: v.into(),
                }
                .build(cx.q.bindings());
                t.insert(&[Value::Count(i as u64 + 1)], rec, cx.sh.now);
            }
            raise!(cx, sip_all_headers, is_orig, Value::Table(t));
        }
        if body {
            raise!(cx, sip_begin_entity, is_orig);
        }
        raise!(cx, sip_end_entity, is_orig);
        Some(())
    }
}

impl Analyzer for Sip {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        // Keep-alives of blank lines or NULs are no messages.
        if data.len() <= 4 || data.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) {
            if self.junk.len() + data.len() <= MAX_JUNK && data.iter().all(|b| *b == 0) {
                self.junk.extend_from_slice(data);
            }
            return;
        }
        let mut whole = std::mem::take(&mut self.junk);
        let data = if whole.is_empty() {
            data
        } else {
            whole.extend_from_slice(data);
            &whole
        };
        if Self::message(cx, is_orig, data).is_none() {
            cx.violation(&grammar::exception("string mismatch: SIP message"));
        }
    }
}
