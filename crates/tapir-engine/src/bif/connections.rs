//! Connections: look-up, timeouts, thresholds, sequence numbers, contents files.

use std::rc::Rc;

use tapir_data::value::{Addr, File, Port, Value};
use tapir_flow::{Conn, ConnId, ConnTuple, Ip, Thresholds, Transport};
use tapir_interface::queue::EventQueue;
use tapir_interface::{records, slots};
use tapir_packet::tunnel::UdpTunnel;
use tapir_vm::{CallCtx, Registry, RtError};

use super::{number, seconds, truth};
use crate::host::of;
use crate::net::{ConnExt, Net, attach, wake};

type Out = Result<Value, RtError>;
type C = Conn<ConnExt>;

/// The flow that a `conn_id` names.
pub fn tuple(v: Option<&Value>) -> Option<ConnTuple> {
    let Some(Value::Record(r)) = v else { return None };
    let (Value::Addr(src), Value::Port(sp)) = (r.get(slots::conn_id::ORIG_H), r.get(slots::conn_id::ORIG_P)) else {
        return None;
    };
    let (Value::Addr(dst), Value::Port(dp)) = (r.get(slots::conn_id::RESP_H), r.get(slots::conn_id::RESP_P)) else {
        return None;
    };
    use tapir_data::value::Proto;
    let (transport, proto) = match sp.proto {
        Proto::Tcp => (Transport::Tcp, 6),
        Proto::Udp => (Transport::Udp, 17),
        Proto::Icmp => (Transport::Icmp, if src.is_v4() { 1 } else { 58 }),
        Proto::Unknown => (Transport::Unknown, 0),
    };
    let proto = match r.get(slots::conn_id::PROTO) {
        Value::Count(n) if n < 256 => n as u8,
        _ => proto,
    };
    Some(ConnTuple::lookup(
        Ip(src.0),
        sp.num,
        Ip(dst.0),
        dp.num,
        transport,
        proto,
    ))
}

/// Whether the record of the connection being processed has this identification.
fn is_current(current: &Option<Value>, id: Option<&Value>) -> bool {
    let Some(Value::Record(c)) = current else { return false };
    let now = c.get(slots::connection::ID);
    match (tuple(Some(&now)), tuple(id)) {
        (Some(a), Some(b)) => a.key() == b.key(),
        _ => false,
    }
}

pub enum Found {
    Here(ConnId),
    /// Its packet is being processed right now.
    Busy,
    No,
}

/// The VLANs in the context of a connection's id, where they are part of what tells connections apart.
fn vlans(cx: &CallCtx<'_>, id: Option<&Value>) -> (u16, u16) {
    let Some(Value::Record(id)) = id else { return (0, 0) };
    let Value::Record(ctx) = id.get(slots::conn_id::CTX) else {
        return (0, 0);
    };
    let layout = cx.types().record(ctx.ty);
    let number = |name: &str| match layout.and_then(|l| l.slot(name)).map(|at| ctx.get(at as usize)) {
        Some(Value::Int(n)) => n as u16,
        Some(Value::Count(n)) => n as u16,
        _ => 0,
    };
    (number("vlan"), number("inner_vlan"))
}

pub fn find(cx: &mut CallCtx<'_>, id: Option<&Value>) -> Result<Found, RtError> {
    let Some(mut tuple) = tuple(id) else {
        return Ok(Found::No);
    };
    if of(cx)?.net.as_ref().is_some_and(|n| n.flow.options.key_with_vlan) {
        tuple.vlans = Some(vlans(cx, id));
    }
    let host = of(cx)?;
    if let Some(net) = &host.net {
        return Ok(net.flow.find(&tuple).map_or(Found::No, Found::Here));
    }
    Ok(if is_current(&host.current, id) {
        Found::Busy
    } else {
        Found::No
    })
}

/// Changes a connection now, or when its packet is done. False when it is unknown.
pub fn change(
    cx: &mut CallCtx<'_>,
    id: Option<&Value>,
    f: impl FnOnce(&mut Net, ConnId) + 'static,
) -> Result<bool, RtError> {
    let found = find(cx, id)?;
    let Some(tuple) = tuple(id) else { return Ok(false) };
    let host = of(cx)?;
    match found {
        Found::Here(conn) => {
            if let Some(net) = &mut host.net {
                f(net, conn);
            }
            Ok(true)
        }
        _ if host.net.is_some() => Ok(false),
        _ => {
            // The table is busy; what is there will be found when the packet is done.
            host.deferred.push(Box::new(move |net, _| {
                if let Some(conn) = net.flow.find(&tuple) {
                    f(net, conn);
                }
            }));
            Ok(true)
        }
    }
}

/// Changes a connection, with the event queue at hand: now, or when its packet is done.
pub fn change_with_queue(
    cx: &mut CallCtx<'_>,
    id: Option<&Value>,
    f: impl FnOnce(&mut Net, ConnId, &mut EventQueue) + 'static,
) -> Result<(), RtError> {
    let Some(tuple) = tuple(id) else { return Ok(()) };
    let change = move |net: &mut Net, q: &mut EventQueue| {
        if let Some(conn) = net.flow.find(&tuple) {
            f(net, conn, q);
        }
    };
    match of(cx)?.net.take() {
        Some(mut net) => {
            change(&mut net, cx.queue());
            of(cx)?.net = Some(net);
        }
        None => of(cx)?.deferred.push(Box::new(change)),
    }
    Ok(())
}

/// Reads something of a connection; `None` when it is unknown or busy.
pub fn read<R>(cx: &mut CallCtx<'_>, id: Option<&Value>, f: impl FnOnce(&mut C) -> R) -> Result<Option<R>, RtError> {
    let Some(tuple) = tuple(id) else { return Ok(None) };
    let Some(net) = &mut of(cx)?.net else { return Ok(None) };
    let Some(conn) = net.flow.find(&tuple) else {
        return Ok(None);
    };
    let Net { flow, shared } = &mut **net;
    Ok(flow.conn_mut(conn).map(|c| {
        wake(c, shared);
        f(c)
    }))
}

fn connection_exists(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    Ok(Value::Bool(!matches!(find(cx, args.first())?, Found::No)))
}

fn lookup_connection(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    match find(cx, args.first())? {
        Found::Busy => Ok(of(cx)?.current.clone().unwrap_or_default()),
        Found::Here(id) => {
            let Some(mut net) = of(cx)?.net.take() else {
                return Ok(Value::Unset);
            };
            let q = cx.queue();
            let Net { flow, shared } = &mut *net;
            let v = flow.with_conn(id, |flow, c| {
                let uid = flow.uid(c);
                let app = attach(c, shared);
                app.info.uid = uid.as_str().into();
                app.info.value_now(q, shared)
            });
            of(cx)?.net = Some(net);
            Ok(v.unwrap_or_default())
        }
        Found::No => {
            cx.error("connection ID not a known connection");
            let b = cx.queue().shared_bindings();
            let port = Port {
                num: 0,
                proto: tapir_data::value::Proto::Udp,
            };
            let zero = Addr::v4([0; 4]);
            let id = records::ConnId {
                orig_h: zero,
                orig_p: port,
                resp_h: zero,
                resp_p: port,
                proto: None,
                ctx: records::ConnIdCtx {}.build(&b),
            };
            let end = || records::Endpoint::default().build(&b);
            let c = records::Connection {
                id: id.build(&b),
                orig: end(),
                resp: end(),
                ..Default::default()
            };
            Ok(c.build(&b))
        }
    }
}

/// There is nothing to say when no state is kept: it is gone either way.
fn forget_tunnel(cx: &mut CallCtx<'_>, args: &[Value], kind: UdpTunnel) -> Out {
    change(cx, args.first(), move |net, id| {
        if let Some(c) = net.flow.conn_mut(id) {
            c.forget_tunnel(kind);
        }
    })?;
    Ok(Value::Bool(true))
}

fn remove_gtpv1_connection(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    forget_tunnel(cx, args, UdpTunnel::Gtpv1)
}

fn remove_teredo_connection(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    forget_tunnel(cx, args, UdpTunnel::Teredo)
}

fn get_conn_transport_proto(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    use tapir_interface::enums::transport_proto as e;
    let n = match (find(cx, args.first())?, tuple(args.first())) {
        (Found::No, _) | (_, None) => {
            cx.error("unknown connection id in get_conn_transport_proto()");
            e::UNKNOWN_TRANSPORT
        }
        (_, Some(t)) => match t.transport {
            Transport::Tcp => e::TCP,
            Transport::Udp => e::UDP,
            Transport::Icmp => e::ICMP,
            Transport::Unknown => e::UNKNOWN_TRANSPORT,
        },
    };
    Ok(cx.queue().bindings().enum_value(e::ID, n))
}

fn get_orig_seq(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    Ok(Value::Count(read(cx, args.first(), |c| c.sequence(true))?.unwrap_or(0)))
}

fn get_resp_seq(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    Ok(Value::Count(
        read(cx, args.first(), |c| c.sequence(false))?.unwrap_or(0),
    ))
}

fn set_inactivity_timeout(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let t = seconds(args.get(1));
    let old = read(cx, args.first(), |c| c.inactivity_timeout())?.unwrap_or(0.0);
    change(cx, args.first(), move |net, id| {
        net.flow.with_conn(id, |flow, c| flow.set_inactivity_timeout(c, t));
    })?;
    Ok(Value::Interval(old))
}

fn skip_further_processing(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let known = change(cx, args.first(), |net, id| {
        if let Some(c) = net.flow.conn_mut(id) {
            c.skip = true;
        }
    })?;
    Ok(Value::Bool(known))
}

fn set_record_packets(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let on = truth(args.get(1));
    let known = change(cx, args.first(), move |net, id| {
        if let Some(c) = net.flow.conn_mut(id) {
            c.unrecorded = !on;
        }
    })?;
    Ok(Value::Bool(known))
}

fn thresholds(net: &mut Net, id: ConnId, set: impl FnOnce(&mut Thresholds)) {
    if let Some(c) = net.flow.conn_mut(id) {
        set(c.thresholds.get_or_insert_default());
    }
}

fn set_bytes(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (n, is_orig) = (number(args.get(1)), truth(args.get(2)));
    change(cx, args.first(), move |net, id| {
        thresholds(net, id, |t| {
            *(if is_orig { &mut t.orig_bytes } else { &mut t.resp_bytes }) = n
        });
    })
    .map(Value::Bool)
}

fn set_packets(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (n, is_orig) = (number(args.get(1)), truth(args.get(2)));
    change(cx, args.first(), move |net, id| {
        thresholds(net, id, |t| {
            *(if is_orig {
                &mut t.orig_packets
            } else {
                &mut t.resp_packets
            }) = n
        });
    })
    .map(Value::Bool)
}

fn set_duration(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let t = seconds(args.get(1));
    change(cx, args.first(), move |net, id| {
        thresholds(net, id, |th| th.duration = t);
    })
    .map(Value::Bool)
}

fn get_bytes(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let is_orig = truth(args.get(1));
    let n = read(cx, args.first(), |c| {
        c.thresholds
            .as_ref()
            .map_or(0, |t| if is_orig { t.orig_bytes } else { t.resp_bytes })
    })?;
    Ok(Value::Count(n.unwrap_or(0)))
}

fn get_packets(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let is_orig = truth(args.get(1));
    let n = read(cx, args.first(), |c| {
        c.thresholds
            .as_ref()
            .map_or(0, |t| if is_orig { t.orig_packets } else { t.resp_packets })
    })?;
    Ok(Value::Count(n.unwrap_or(0)))
}

fn get_duration(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let t = read(cx, args.first(), |c| c.thresholds.as_ref().map_or(0.0, |t| t.duration))?;
    Ok(Value::Interval(t.unwrap_or(0.0)))
}

/// Directions of contents files as `set_contents_file` counts them.
const CONTENTS_NONE: u64 = 0;
const CONTENTS_ORIG: u64 = 1;
const CONTENTS_RESP: u64 = 2;
const CONTENTS_BOTH: u64 = 3;

fn set_contents_file(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let direction = number(args.get(1));
    let file: Option<Rc<File>> = match args.get(2) {
        Some(Value::File(f)) => Some(f.clone()),
        _ => None,
    };
    if direction > CONTENTS_BOTH {
        cx.error(format!("unknown direction {direction} in set_contents_file"));
        return Ok(Value::Bool(false));
    }
    change(cx, args.first(), move |net, id| {
        let Net { flow, shared } = net;
        let Some(c) = flow.conn_mut(id) else { return };
        let app = attach(c, shared).rare_mut();
        match direction {
            CONTENTS_NONE => app.contents = [None, None],
            _ => {
                if direction & CONTENTS_ORIG != 0 {
                    app.contents[0] = file.clone();
                }
                if direction & CONTENTS_RESP != 0 {
                    app.contents[1] = file;
                }
            }
        }
    })
    .map(Value::Bool)
}

fn get_contents_file(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let i = usize::from(number(args.get(1)) == CONTENTS_RESP);
    let f = read(cx, args.first(), |c| {
        c.ext.app.as_ref().and_then(|app| app.rare()?.contents[i].clone())
    })?
    .flatten();
    match f {
        Some(f) => Ok(Value::File(f)),
        None => {
            // What the reference hands out instead is the standard error stream.
            cx.error("connection has no contents file");
            Ok(Value::File(tapir_builtins::files::standard_error(cx.vm)))
        }
    }
}

/// Decodes base64 from a connection: what is wrong with it is a weird of the connection.
fn decode_base64_conn(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let empty = || Value::Str((*b"").into());
    let (Some(Value::Str(s)), Some(Value::Str(alphabet))) = (args.get(1), args.get(2)) else {
        return Err(RtError::new("decode_base64_conn: string expected"));
    };
    if let Found::No = find(cx, args.first())? {
        cx.error("connection ID not a known connection");
        return Ok(empty());
    }
    let Some((out, problem)) = tapir_builtins::base64::decode_with(s, alphabet) else {
        cx.error(format!(
            "base64 decoding alphabet is not 64 characters: {}",
            String::from_utf8_lossy(alphabet)
        ));
        return Ok(empty());
    };
    use tapir_builtins::base64::Problem;
    if let Some(Problem::Tolerable(text) | Problem::Fatal(text)) = problem {
        let c = lookup_connection(cx, args)?;
        let str = |t: &str| Value::Str(t.as_bytes().into());
        let what = [str("base64_illegal_encoding"), c];
        super::reporter::raise_conn_weird(cx, &what, str(&text), str(""))?;
    }
    Ok(Value::Str(out.into()))
}

fn saw_only_control(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let only = of(cx)?.net.as_ref().is_some_and(|net| {
        let s = &net.flow.stats;
        s.tcp_conns > 0 && s.udp_conns + s.icmp_conns + s.other_conns == 0 && !s.tcp_had_data
    });
    Ok(Value::Bool(only))
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("FilteredTraceDetection::__saw_only_control", saw_only_control),
        ("decode_base64_conn", decode_base64_conn),
        ("connection_exists", connection_exists),
        ("lookup_connection", lookup_connection),
        (
            "PacketAnalyzer::GTPV1::remove_gtpv1_connection",
            remove_gtpv1_connection,
        ),
        (
            "PacketAnalyzer::TEREDO::remove_teredo_connection",
            remove_teredo_connection,
        ),
        ("get_conn_transport_proto", get_conn_transport_proto),
        ("get_orig_seq", get_orig_seq),
        ("get_resp_seq", get_resp_seq),
        ("set_inactivity_timeout", set_inactivity_timeout),
        ("skip_further_processing", skip_further_processing),
        ("set_record_packets", set_record_packets),
        ("set_current_conn_bytes_threshold", set_bytes),
        ("set_current_conn_packets_threshold", set_packets),
        ("set_current_conn_duration_threshold", set_duration),
        ("get_current_conn_bytes_threshold", get_bytes),
        ("get_current_conn_packets_threshold", get_packets),
        ("get_current_conn_duration_threshold", get_duration),
        ("set_contents_file", set_contents_file),
        ("get_contents_file", get_contents_file),
    ]);
}
