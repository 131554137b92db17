//! `Reporter::*` and run control.

use std::collections::HashSet;

use tapir_data::value::{Addr, Table, Value};
use tapir_interface::{events, slots};
use tapir_vm::{CallCtx, Registry, RtError, Severity};

use super::connections::{Found, change, find, read};
use super::{bytes, number, seconds, text};
use crate::host::of;

type Out = Result<Value, RtError>;

fn say(cx: &mut CallCtx<'_>, args: &[Value], severity: Severity) -> Out {
    let location = cx.location();
    let message = text(args.first());
    cx.vm.report(cx.host, severity, message, location);
    Ok(Value::Bool(true))
}

fn info(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    say(cx, args, Severity::Info)
}

fn warning(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    say(cx, args, Severity::Warning)
}

fn error(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    say(cx, args, Severity::Error)
}

fn fatal(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    say(cx, args, Severity::Fatal)?;
    Err(RtError::Exit(1))
}

fn net_weird(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    crate::weirds::net_weird(cx, &text(args.first()), &text(args.get(1)), &text(args.get(2)))?;
    Ok(Value::Bool(true))
}

fn flow_weird(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let addr = |i: usize| match args.get(i) {
        Some(Value::Addr(a)) => *a,
        _ => Addr::default(),
    };
    let (name, pair, now) = (bytes(args.first()), (addr(1), addr(2)), cx.network_time());
    if of(cx)?.sampler.borrow_mut().flow(&name, pair, now) {
        let rest = [bytes(args.get(3)), bytes(args.get(4))].map(Value::Str);
        let [addl, source] = rest;
        cx.raise(
            events::FLOW_WEIRD,
            vec![Value::Str(name), Value::Addr(pair.0), Value::Addr(pair.1), addl, source],
        );
    }
    Ok(Value::Bool(true))
}

/// Raises a weird of the connection in the second argument, subject to sampling.
pub(super) fn raise_conn_weird(
    cx: &mut CallCtx<'_>,
    args: &[Value],
    addl: Value,
    source: Value,
) -> Result<(), RtError> {
    let name = bytes(args.first());
    let now = cx.network_time();
    let (id, uid) = match args.get(1) {
        Some(Value::Record(c)) => (c.get(slots::connection::ID), c.get(slots::connection::UID)),
        _ => (Value::Unset, Value::Unset),
    };
    if matches!(find(cx, Some(&id))?, Found::No) {
        // What is gone has no counters any more: its addresses have to do.
        let addr = |field| match &id {
            Value::Record(r) => match r.get(field) {
                Value::Addr(a) => a,
                _ => Addr::default(),
            },
            _ => Addr::default(),
        };
        let pair = (addr(slots::conn_id::ORIG_H), addr(slots::conn_id::RESP_H));
        if of(cx)?.sampler.borrow_mut().flow(&name, pair, now) {
            cx.raise(
                events::EXPIRED_CONN_WEIRD,
                vec![Value::Str(name), id, uid, addl, source],
            );
        }
        return Ok(());
    }
    let mut counters = read(cx, Some(&id), |c| {
        c.ext.app.as_mut().map(|a| std::mem::take(&mut a.rare_mut().weirds))
    })?
    .flatten()
    .unwrap_or_default();
    let passes = of(cx)?.sampler.borrow_mut().scoped(&name, &mut counters, now);
    read(cx, Some(&id), |c| {
        if let Some(app) = &mut c.ext.app {
            app.rare_mut().weirds = counters;
        }
    })?;
    if passes {
        let c = args.get(1).cloned().unwrap_or_default();
        cx.raise(events::CONN_WEIRD, vec![Value::Str(name), c, addl, source]);
    }
    Ok(())
}

fn conn_weird(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    raise_conn_weird(cx, args, Value::Str(bytes(args.get(2))), Value::Str(bytes(args.get(3))))?;
    Ok(Value::Bool(true))
}

fn file_weird(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let now = cx.network_time();
    let name = bytes(args.first());
    if of(cx)?.sampler.borrow_mut().net(&name, now) {
        let f = args.get(1).cloned().unwrap_or_default();
        let rest = [bytes(args.get(2)), bytes(args.get(3))].map(Value::Str);
        let [addl, source] = rest;
        cx.raise(events::FILE_WEIRD, vec![Value::Str(name), f, addl, source]);
    }
    Ok(Value::Bool(true))
}

fn limit_reached_weird(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (limit, max) = (number(args.get(2)), number(args.get(3)));
    let addl = if max > 0 {
        format!("{limit} > {max}")
    } else {
        limit.to_string()
    };
    raise_conn_weird(
        cx,
        args,
        Value::Str(addl.into_bytes().into()),
        Value::Str(bytes(args.get(4))),
    )?;
    if let Some(Value::Record(c)) = args.get(1) {
        let id = c.get(slots::connection::ID);
        change(cx, Some(&id), |net, cid| {
            if let Some(c) = net.flow.conn_mut(cid) {
                c.note_limit();
            }
        })?;
    }
    Ok(Value::Bool(true))
}

fn as_set(cx: &CallCtx<'_>, names: &HashSet<Vec<u8>>) -> Value {
    let t = Table::new(cx.result_type);
    let mut sorted: Vec<_> = names.iter().collect();
    sorted.sort();
    for n in sorted {
        t.insert(&[Value::Str(n.as_slice().into())], Value::Unset, 0.0);
    }
    Value::Table(t)
}

fn from_set(v: Option<&Value>) -> HashSet<Vec<u8>> {
    match v {
        Some(Value::Table(t)) => t.keys().iter().map(|k| bytes(Some(k)).to_vec()).collect(),
        _ => HashSet::new(),
    }
}

fn get_whitelist(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let names = of(cx)?.sampler.borrow().whitelist.clone();
    Ok(as_set(cx, &names))
}

fn set_whitelist(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    of(cx)?.sampler.borrow_mut().whitelist = from_set(args.first());
    Ok(Value::Bool(true))
}

fn get_global_list(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let names = of(cx)?.sampler.borrow().global_list.clone();
    Ok(as_set(cx, &names))
}

fn set_global_list(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    of(cx)?.sampler.borrow_mut().global_list = from_set(args.first());
    Ok(Value::Bool(true))
}

fn get_threshold(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Count(of(cx)?.sampler.borrow().threshold))
}

fn set_threshold(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    of(cx)?.sampler.borrow_mut().threshold = number(args.first());
    Ok(Value::Bool(true))
}

fn get_rate(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Count(of(cx)?.sampler.borrow().rate))
}

fn set_rate(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    of(cx)?.sampler.borrow_mut().rate = number(args.first());
    Ok(Value::Bool(true))
}

fn get_duration(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Interval(of(cx)?.sampler.borrow().duration))
}

fn set_duration(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    of(cx)?.sampler.borrow_mut().duration = seconds(args.first());
    Ok(Value::Bool(true))
}

fn terminate(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let host = of(cx)?;
    if host.terminating || host.stop {
        return Ok(Value::Bool(false));
    }
    host.stop = true;
    Ok(Value::Bool(true))
}

fn zeek_is_terminating(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Bool(of(cx)?.terminating))
}

fn exit(_: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let code = match args.first() {
        Some(Value::Int(n)) => *n as i32,
        Some(Value::Count(n)) => *n as i32,
        _ => 0,
    };
    Err(RtError::Exit(code))
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Reporter::info", info),
        ("Reporter::warning", warning),
        ("Reporter::error", error),
        ("Reporter::fatal", fatal),
        ("Reporter::fatal_error_with_core", fatal),
        ("Reporter::net_weird", net_weird),
        ("Reporter::flow_weird", flow_weird),
        ("Reporter::conn_weird", conn_weird),
        ("Reporter::file_weird", file_weird),
        ("Reporter::limit_reached_weird", limit_reached_weird),
        ("Reporter::get_weird_sampling_whitelist", get_whitelist),
        ("Reporter::set_weird_sampling_whitelist", set_whitelist),
        ("Reporter::get_weird_sampling_global_list", get_global_list),
        ("Reporter::set_weird_sampling_global_list", set_global_list),
        ("Reporter::get_weird_sampling_threshold", get_threshold),
        ("Reporter::set_weird_sampling_threshold", set_threshold),
        ("Reporter::get_weird_sampling_rate", get_rate),
        ("Reporter::set_weird_sampling_rate", set_rate),
        ("Reporter::get_weird_sampling_duration", get_duration),
        ("Reporter::set_weird_sampling_duration", set_duration),
        ("terminate", terminate),
        ("zeek_is_terminating", zeek_is_terminating),
        ("exit", exit),
    ]);
}
