//! `Broker::*`: messages travel through the cluster's backend, whatever it is. Peerings of their own are there where that is
//! Broker's, or where there is none; stores are in `stores.rs`.

use std::time::Duration;

use tapir_builtins::util::{field_type, record};
use tapir_data::broker::convert;
use tapir_data::broker::event::EventMessage;
use tapir_data::types::Kind;
use tapir_data::value::{Port, Proto, Value, Vector};
use tapir_vm::{CallCtx, Registry, RtError, Severity};

use super::{Out, alone, bytes, send, subscribe, text, truth, unsubscribe};
use crate::cluster;
use crate::host::of;

/// `Broker::publish`: an event with its arguments, or a record whose arguments are data already.
fn publish(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let topic = bytes(args.first());
    let rest = args.get(1..).unwrap_or_default();
    let [record @ Value::Record(_)] = rest else {
        return truth(send(cx, &topic, "Broker::publish", rest)?);
    };
    if !of(cx)?.in_cluster() {
        return truth(alone(cx, rest)?);
    }
    let name = match crate::logs::field(cx, record, "name")? {
        Value::Str(s) => String::from_utf8_lossy(&s).into_owned(),
        _ => return truth(send(cx, &topic, "Broker::publish", rest)?),
    };
    let Value::Vector(values) = crate::logs::field(cx, record, "args")? else {
        return truth(false);
    };
    let values = values.to_vec();
    let data = values.iter().map(|v| convert::wrapped(cx.types(), v)).collect();
    match data {
        Some(data) => truth(cluster::publish(cx, &topic, EventMessage::new(name, data))?),
        None => {
            cx.error("Broker::publish: the record's arguments are no data");
            truth(false)
        }
    }
}

fn yes(_: &mut CallCtx<'_>, _: &[Value]) -> Out {
    truth(true)
}

/// Whether an identifier exists; its value cannot be sent, as nodes do not take identifiers over.
fn publish_id(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    if of(cx)?.in_cluster() {
        let name = text(args.get(1));
        cx.error(format!(
            "the value of {name} cannot be published by name; use &publish_on_change or an event"
        ));
        return truth(false);
    }
    truth(true)
}

/// Address and port of a peer, as the first arguments say.
fn place(args: &[Value]) -> (String, u16) {
    let port = match args.get(1) {
        Some(Value::Port(p)) => p.num,
        _ => 0,
    };
    (text(args.first()), port)
}

fn peer_at(cx: &mut CallCtx<'_>, args: &[Value], retry: Option<Duration>) -> Out {
    let (address, port) = place(args);
    let begun = match cluster::peers(cx)? {
        Ok(peers) => peers.peer(&address, port, retry),
        Err(why) => Err(why),
    };
    if let Err(why) = &begun {
        cx.error(format!("cannot peer with {address}:{port}: {why}"));
    }
    // Who asks for the same again has what is wanted.
    truth(begun.is_ok())
}

fn peer(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let retry = match args.get(2) {
        Some(Value::Interval(s)) => Duration::try_from_secs_f64(*s).unwrap_or(Duration::from_secs(1)),
        _ => Duration::from_secs(1),
    };
    peer_at(cx, args, Some(retry))
}

fn peer_no_retry(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    peer_at(cx, args, None)
}

fn unpeer(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (address, port) = place(args);
    let peers = of(cx)?.cluster.peers.clone();
    truth(peers.is_some_and(|p| p.unpeer(&address, port)))
}

fn is_outbound(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (address, port) = place(args);
    let peers = of(cx)?.cluster.peers.clone();
    truth(peers.is_some_and(|p| p.is_outbound(&address, port)))
}

fn node_id(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    // In a cluster of Broker's the id is there before the first peer is.
    let id = of(cx)?.cluster.node_id().to_string();
    if id.is_empty() && of(cx)?.node.in_cluster {
        let _ = cluster::peers(cx)?;
    }
    let id = of(cx)?.cluster.node_id();
    let id = if id.is_empty() { "standalone" } else { id };
    Ok(Value::Str(id.as_bytes().into()))
}

fn peers(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let all = of(cx)?.cluster.peers.as_ref().map(|p| p.all()).unwrap_or_default();
    let list = cx.result_type;
    let one = match cx.types().kind(list) {
        Kind::Vector(one) => *one,
        _ => return Err(RtError::new("Broker::__peers does not give a vector")),
    };
    let info = field_type(cx.types(), one, "peer");
    let mut out = Vec::with_capacity(all.len());
    for p in all {
        let status = if p.up { "Broker::PEERED" } else { "Broker::CONNECTING" };
        let Some(status) = crate::script::enumerator(cx.vm, status) else {
            return Err(RtError::new("Broker::PeerStatus is not declared"));
        };
        let peer = cluster::endpoint(cx, info, &p.id, &p.address, p.port);
        let fields = [
            ("peer", peer),
            ("status", status),
            ("is_outbound", Value::Bool(p.outbound)),
        ];
        out.push(record(cx.types(), one, &fields));
    }
    Ok(Value::Vector(Vector::new(list, out)))
}

fn peering_stats(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let buffers = of(cx)?.cluster.peers.as_ref().map(|p| p.buffers());
    let table = tapir_data::value::Table::new(cx.result_type);
    for (id, b) in buffers.unwrap_or_default() {
        let stats = tapir_interface::records::BrokerPeeringStats {
            num_queued: b.waiting,
            max_queued_recently: b.most_recently,
            num_overflows: b.overflows,
        };
        let stats = stats.build(cx.queue().bindings());
        table.insert(&[Value::Str(id.into_bytes().into())], stats, 0.0);
    }
    Ok(Value::Table(table))
}

fn flush_logs(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let h = of(cx)?;
    h.logs.flush_all();
    crate::logs::send_rows(h, None);
    Ok(Value::Count(0))
}

/// Waits for peers. Where the cluster does without peerings the given port comes back: there is nobody to wait for.
fn listen(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (address, port) = place(args);
    let given = args.get(1).cloned().unwrap_or_default();
    let peers = match cluster::peers(cx)? {
        Ok(peers) => peers,
        Err(why) => {
            cx.report_plain(Severity::Warning, format!("no peers are waited for: {why}"));
            return Ok(given);
        }
    };
    let (num, proto) = match peers.listen(&address, port) {
        Ok(bound) => (bound, Proto::Tcp),
        Err(why) => {
            // Scripts try again, and again.
            let told = &mut of(cx)?.cluster.told_listen;
            if *told != why {
                told.clone_from(&why);
                cx.report_plain(Severity::Warning, why);
            }
            (0, Proto::Tcp)
        }
    };
    Ok(Value::Port(Port { proto, num }))
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Broker::publish", publish),
        ("Broker::__publish_id", publish_id),
        ("Broker::__subscribe", subscribe),
        ("Broker::__unsubscribe", unsubscribe),
        ("Broker::__forward", yes),
        ("Broker::__listen", listen),
        ("Broker::__peer", peer),
        ("Broker::__peer_no_retry", peer_no_retry),
        ("Broker::__unpeer", unpeer),
        ("Broker::__is_outbound_peering", is_outbound),
        ("Broker::__peers", peers),
        ("Broker::__peering_stats", peering_stats),
        ("Broker::__node_id", node_id),
        ("Broker::__flush_logs", flush_logs),
    ]);
}
