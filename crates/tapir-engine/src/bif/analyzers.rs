//! `Analyzer::*` and what scripts ask of a connection's analyzers.

use tapir_analyzers::core::{Command, Tag, Transport};
use tapir_analyzers::registry;
use tapir_analyzers::ssl::{MASTER_LEN, Secret};
use tapir_data::text::enum_text;
use tapir_data::value::{Proto, Value};
use tapir_interface::queue::EventQueue;
use tapir_interface::slots;
use tapir_vm::{CallCtx, Registry, RtError};

use super::connections::{change, change_with_queue, read, tuple};
use super::{number, seconds, text, truth};
use crate::host::of;
use crate::net::Net;

type Out = Result<Value, RtError>;

/// The canonical name behind an enumerator such as `Analyzer::ANALYZER_HTTP`.
pub(super) fn name_of(cx: &CallCtx<'_>, v: Option<&Value>) -> String {
    match v {
        Some(Value::Enum(ty, n)) => {
            let full = enum_text(cx.types(), *ty, *n);
            let short = full.rsplit("::").next().unwrap_or(full);
            let short = short.strip_prefix("ANALYZER_").unwrap_or(short);
            // The enum of all kinds repeats the kind in the name.
            match full.strip_prefix("AllAnalyzers::") {
                Some(_) => short
                    .strip_prefix("ANALYZER_")
                    .or_else(|| short.strip_prefix("PACKETANALYZER_ANALYZER_"))
                    .or_else(|| short.strip_prefix("FILES_ANALYZER_"))
                    .unwrap_or(short)
                    .to_string(),
                None => short.to_string(),
            }
        }
        _ => String::new(),
    }
}

fn tag_of(cx: &CallCtx<'_>, v: Option<&Value>) -> Option<Tag> {
    registry::tag(&name_of(cx, v))
}

fn set_enabled(cx: &mut CallCtx<'_>, args: &[Value], on: bool) -> Out {
    let Some(tag) = tag_of(cx, args.first()) else {
        return Ok(Value::Bool(false));
    };
    let host = of(cx)?;
    host.with_net_now(move |net| net.shared.set_enabled(tag, on));
    Ok(Value::Bool(true))
}

fn enable(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    set_enabled(cx, args, true)
}

fn disable(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    set_enabled(cx, args, false)
}

fn disable_all(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    of(cx)?.with_net_now(|net| {
        for i in 0..registry::PROTOCOLS.len() {
            net.shared.set_enabled(Tag(i as u16), false);
        }
    });
    Ok(Value::Unset)
}

fn register_for_port(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let Some(Value::Port(p)) = args.get(1).cloned() else {
        return Ok(Value::Bool(false));
    };
    // Protocols that are not built in are known to scripts all the same; their ports have no effect.
    if let Some(tag) = tag_of(cx, args.first()) {
        of(cx)?.with_net_now(move |net| net.shared.register_port(tag, p.num, p.proto == Proto::Tcp));
    }
    Ok(Value::Bool(true))
}

fn schedule(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (Some(Value::Addr(orig)), Some(Value::Addr(resp)), Some(Value::Port(p))) =
        (args.first().cloned(), args.get(1).cloned(), args.get(2).cloned())
    else {
        return Ok(Value::Bool(false));
    };
    if cx.network_time() == 0.0 {
        cx.warning("cannot schedule analyzers before processing begins; ignored");
        return Ok(Value::Bool(true));
    }
    let timeout = seconds(args.get(4));
    if let Some(tag) = tag_of(cx, args.get(3)) {
        let unspecified = orig.0 == [0; 16] || orig.as_v4() == Some([0; 4]);
        let transport = match p.proto {
            Proto::Tcp => Transport::Tcp,
            Proto::Udp => Transport::Udp,
            Proto::Icmp => Transport::Icmp,
            Proto::Unknown => Transport::Other,
        };
        let from = (!unspecified).then_some(orig);
        of(cx)?.with_net_now(move |net| {
            net.shared.expect(from, resp, p.num, transport, tag, timeout);
        });
    }
    Ok(Value::Bool(true))
}

fn name(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    Ok(Value::Str(name_of(cx, args.first()).into_bytes().into()))
}

/// The enumerator of an analyzer with a name, whatever its case: protocols first, then packet and file analyzers.
fn find_tag(cx: &CallCtx<'_>, wanted: &str) -> Option<Value> {
    let types = cx.types();
    ["Analyzer", "PacketAnalyzer", "Files"].iter().find_map(|module| {
        let Some(tapir_script::hir::Ident::Type(ty)) = cx.program().names.get(&*format!("{module}::Tag")) else {
            return None;
        };
        let tapir_data::types::Kind::Enum(e) = types.kind(*ty) else {
            return None;
        };
        let full = format!("{module}::ANALYZER_{wanted}");
        let items = &types.enums[e.0 as usize].items;
        let found = items.iter().find(|(name, _)| name.eq_ignore_ascii_case(&full));
        found.map(|(_, n)| Value::Enum(*ty, *n))
    })
}

fn tag(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    Ok(find_tag(cx, &text(args.first())).unwrap_or_default())
}

fn has_tag(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    Ok(Value::Bool(find_tag(cx, &text(args.first())).is_some()))
}

fn is_protocol_analyzer(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    kind(cx, args, &["Analyzer::", "AllAnalyzers::ANALYZER_ANALYZER_"])
}

fn is_packet_analyzer(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    kind(cx, args, &["PacketAnalyzer::", "AllAnalyzers::PACKETANALYZER_"])
}

fn is_file_analyzer(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    kind(cx, args, &["Files::", "AllAnalyzers::FILES_"])
}

fn kind(cx: &mut CallCtx<'_>, args: &[Value], prefixes: &[&str]) -> Out {
    let Some(Value::Enum(ty, n)) = args.first() else {
        return Ok(Value::Bool(false));
    };
    let full = enum_text(cx.types(), *ty, *n);
    Ok(Value::Bool(prefixes.iter().any(|p| full.starts_with(p))))
}

fn disable_analyzer(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let id = number(args.get(1));
    let complain = !matches!(args.get(2), Some(Value::Bool(false)));
    let prevent = truth(args.get(3));
    let looked = read(cx, args.first(), |c| {
        let found = c.ext.app.as_ref().and_then(|app| {
            let ix = app.tree.find_known(id)?;
            Some((app.tree.tag_of(ix)?, app.info.value.clone()))
        });
        found.map(|(t, v)| (Some(t), v)).unwrap_or((None, None))
    })?;
    let busy = of(cx)?.net.is_none();
    let (tag, conn) = match looked {
        Some(found) => found,
        None if busy => {
            let host = of(cx)?;
            let shown = host.nodes.borrow();
            let found = shown.attached.iter().find(|n| n.1 == id).map(|n| n.0);
            if found.is_none() && shown.ended.contains(&id) {
                // Nothing is left to do, which is no mistake either.
                return Ok(Value::Bool(false));
            }
            (found, host.current.clone())
        }
        None => {
            cx.error("connection not found");
            return Ok(Value::Bool(false));
        }
    };
    let Some(tag) = tag else {
        if complain {
            cx.error("connection does not have analyzer specified to disable");
        }
        return Ok(Value::Bool(false));
    };
    if let Some(conn) = conn {
        let veto = of(cx)?.disabling_hook.clone();
        if let Some(hook) = veto.filter(|h| crate::script::has_bodies(cx.vm, h)) {
            let tag_value = of(cx)?.tag_value(tag);
            let verdict = cx.call(&hook, &[conn, tag_value, Value::Count(id)])?;
            if matches!(verdict, Value::Bool(false)) {
                return Ok(Value::Bool(false));
            }
        }
    }
    let mut shown = of(cx)?.nodes.borrow_mut();
    shown.attached.retain(|n| n.1 != id);
    if busy {
        shown.ended.push(id);
    }
    drop(shown);
    let done = change(cx, args.first(), move |net, cid| {
        let Some(app) = net.flow.conn_mut(cid).and_then(|c| c.ext.app.as_mut()) else {
            return;
        };
        if let Some(ix) = app.tree.find_id(id) {
            if prevent {
                if let Some(t) = app.tree.tag_of(ix) {
                    app.tree.prevent(t);
                }
            }
            app.tree.remove(ix);
            app.tree.forget_removed(id);
        }
    })?;
    Ok(Value::Bool(done))
}

fn lookup_id(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let tag = tag_of(cx, args.get(1));
    let found = read(cx, args.first(), |c| {
        let app = c.ext.app.as_ref()?;
        let ix = app.tree.find_tag(tag?)?;
        app.tree.id_of(ix)
    })?;
    match found {
        Some(id) => Ok(Value::Count(id.unwrap_or(0))),
        None if of(cx)?.net.is_none() => {
            let id = of(cx)?
                .nodes
                .borrow()
                .attached
                .iter()
                .find(|n| Some(n.0) == tag)
                .map(|n| n.1);
            Ok(Value::Count(id.unwrap_or(0)))
        }
        None => {
            cx.error("connection ID not a known connection");
            Ok(Value::Count(0))
        }
    }
}

/// Sends a request to the analyzers of a protocol on the connection of a record. False if it has none.
fn command(cx: &mut CallCtx<'_>, conn: Option<&Value>, protocols: &'static [&'static str], cmd: Command) -> Out {
    let Some(Value::Record(c)) = conn else {
        return Ok(Value::Bool(false));
    };
    let id = c.get(slots::connection::ID);
    let tags = || protocols.iter().filter_map(|p| registry::tag(p));
    if of(cx)?.net.is_none() {
        // In the middle of a packet: the analyzer looks for requests as soon as it runs again.
        let nodes = of(cx)?.nodes.clone();
        let mut nodes = nodes.borrow_mut();
        let Some(tag) = tags().find(|t| nodes.attached.iter().any(|n| n.0 == *t)) else {
            return Ok(Value::Bool(false));
        };
        nodes.commands.push((tag, cmd));
        of(cx)?
            .deferred
            .push(Box::new(move |net, q| late_commands(net, q, &id)));
        return Ok(Value::Bool(true));
    }
    let known = read(cx, Some(&id), |c| {
        c.ext
            .app
            .as_ref()
            .is_some_and(|app| tags().any(|t| app.tree.find_tag(t).is_some()))
    })?;
    change_with_queue(cx, Some(&id), move |net, conn, q| {
        let Net { flow, shared } = net;
        flow.with_conn(conn, |_, c| {
            let Some(app) = &mut c.ext.app else { return };
            for tag in tags() {
                app.tree.command(q, &mut app.info, shared, tag, None, &cmd);
            }
        });
    })?;
    Ok(Value::Bool(known == Some(true)))
}

/// Requests that no analyzer took up while the packet was processed.
fn late_commands(net: &mut Net, q: &mut EventQueue, id: &Value) {
    let Net { flow, shared } = net;
    let commands = std::mem::take(&mut shared.nodes.borrow_mut().commands);
    let Some(conn) = tuple(Some(id)).and_then(|t| flow.find(&t)) else {
        return;
    };
    flow.with_conn(conn, |_, c| {
        let Some(app) = &mut c.ext.app else { return };
        for (tag, cmd) in commands {
            app.tree.command(q, &mut app.info, shared, tag, None, &cmd);
        }
    });
}

fn skip_http_entity_data(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let is_orig = truth(args.get(1));
    command(cx, args.first(), &["HTTP"], Command::SkipEntityData { is_orig })?;
    Ok(Value::Unset)
}

fn skip_smtp_data(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    command(cx, args.first(), &["SMTP"], Command::SkipSmtpData)?;
    Ok(Value::Unset)
}

fn set_ssl_established(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    command(cx, args.first(), &["SSL", "DTLS"], Command::SslEstablished)
}

/// Gives the decryption of a connection what it needs; true when there is an analyzer that takes it.
fn set_secret(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let secret = super::bytes(args.get(1)).to_vec();
    if secret.len() != MASTER_LEN {
        cx.warning(format!(
            "a master secret of TLS has {MASTER_LEN} bytes, and this one {}: nothing will be decrypted",
            secret.len()
        ));
    }
    command(cx, args.first(), &["SSL"], Command::TlsSecret(Secret::Master(secret)))
}

fn set_keys(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let keys = super::bytes(args.get(1)).to_vec();
    command(cx, args.first(), &["SSL"], Command::TlsSecret(Secret::Keys(keys)))
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Analyzer::__enable_analyzer", enable),
        ("Analyzer::__disable_analyzer", disable),
        ("Analyzer::__disable_all_analyzers", disable_all),
        ("Analyzer::__register_for_port", register_for_port),
        ("Analyzer::__schedule_analyzer", schedule),
        ("Analyzer::__name", name),
        ("Analyzer::__tag", tag),
        ("Analyzer::__has_tag", has_tag),
        ("is_protocol_analyzer", is_protocol_analyzer),
        ("is_packet_analyzer", is_packet_analyzer),
        ("is_file_analyzer", is_file_analyzer),
        ("disable_analyzer", disable_analyzer),
        ("lookup_connection_analyzer_id", lookup_id),
        ("skip_http_entity_data", skip_http_entity_data),
        ("skip_smtp_data", skip_smtp_data),
        ("set_ssl_established", set_ssl_established),
        ("set_secret", set_secret),
        ("set_keys", set_keys),
    ]);
}
