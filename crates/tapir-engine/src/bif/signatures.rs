//! Signatures: matching text by hand, and what rules have done.

use tapir_analyzers::core::PatKind;
use tapir_data::value::Value;
use tapir_signatures::Kind;
use tapir_vm::{CallCtx, Registry, RtError};

use super::connections::change_with_queue;
use super::{bytes, number, truth};
use crate::host::of;
use crate::net::attach;

type Out = Result<Value, RtError>;

fn pat_kind(n: u64) -> Option<PatKind> {
    Some(match Kind::from_number(n as i64)? {
        Kind::FileMagic => return None,
        Kind::Payload => PatKind::Payload,
        Kind::HttpRequest => PatKind::HttpRequest,
        Kind::HttpReplyBody => PatKind::HttpReplyBody,
        Kind::HttpRequestBody => PatKind::HttpRequestBody,
        Kind::HttpRequestHeader => PatKind::HttpRequestHeader,
        Kind::HttpReplyHeader => PatKind::HttpReplyHeader,
        Kind::Ftp => PatKind::Ftp,
        Kind::Finger => PatKind::Finger,
    })
}

/// `match_signatures`: feeds text to the rules of a connection as if traffic had brought it.
fn match_signatures(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let id = match args.first() {
        Some(Value::Record(c)) => c.get(tapir_interface::slots::connection::ID),
        _ => return Ok(Value::Bool(false)),
    };
    if of(cx)?.files.rules.is_none() {
        return Ok(Value::Bool(false));
    }
    let Some(kind) = pat_kind(number(args.get(1))) else {
        return Ok(Value::Bool(true));
    };
    let data = bytes(args.get(2));
    let (bol, eol, is_orig, clear) = (
        truth(args.get(3)),
        truth(args.get(4)),
        truth(args.get(5)),
        truth(args.get(6)),
    );
    change_with_queue(cx, Some(&id), move |net, conn, q| {
        let shared = &mut net.shared;
        net.flow.with_conn(conn, |_, c| {
            let app = attach(c, shared);
            if let Some(mut m) = app.info.matcher.take() {
                if clear {
                    m.reset(kind, is_orig);
                }
                // Analyzers cannot be attached from here.
                m.feed(
                    q,
                    &mut app.info,
                    shared,
                    kind,
                    is_orig,
                    &data,
                    bol,
                    eol,
                    &mut Vec::new(),
                );
                app.info.matcher = Some(m);
            }
        });
    })?;
    Ok(Value::Bool(true))
}

/// `dump_rule_stats`: the matchers' figures as text.
fn dump_rule_stats(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let Some(Value::File(f)) = args.first() else {
        return Ok(Value::Bool(false));
    };
    let mut text = String::new();
    if let Some(rules) = &of(cx)?.files.rules {
        let s = rules.rules.stats();
        text = format!(
            "{} rules, {} matchers, {} nondeterministic states, {} states made, {} bytes\n",
            rules.rules.rules().len(),
            s.matchers,
            s.nfa_states,
            s.dfa_states,
            s.memory
        );
    }
    let written = match f.sink.borrow_mut().as_mut() {
        Some(out) => out.write_all(text.as_bytes()).is_ok(),
        None => false,
    };
    Ok(Value::Bool(written))
}

/// Adds these built-ins.
pub fn register(r: &mut Registry) {
    r.add("match_signatures", match_signatures);
    r.add("dump_rule_stats", dump_rule_stats);
}
