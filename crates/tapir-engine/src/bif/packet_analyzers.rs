//! `PacketAnalyzer::*` and `TCP::raw_options`: which layer takes what another one carries, and what is known of the packet at hand.

use tapir_data::value::Value;
use tapir_interface::{records, types};
use tapir_packet::Layer;
use tapir_vm::{CallCtx, Registry, RtError};

use super::analyzers::name_of;
use super::{number, text, truth};
use crate::host::of;

type Out = Result<Value, RtError>;

fn layer(cx: &CallCtx<'_>, v: Option<&Value>) -> Option<Layer> {
    Layer::named(&name_of(cx, v))
}

fn put(cx: &mut CallCtx<'_>, parent: Option<Layer>, id: u64, child: Option<Layer>) -> Out {
    let (Some(parent), Some(child), Ok(id)) = (parent, child, u32::try_from(id)) else {
        return Ok(Value::Bool(false));
    };
    of(cx)?.with_net_now(move |net| net.flow.options.dispatch.register(parent, id, child));
    Ok(Value::Bool(true))
}

fn register_child(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (parent, child) = (layer(cx, args.first()), layer(cx, args.get(2)));
    put(cx, parent, number(args.get(1)), child)
}

fn register_by_name(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let parent = Layer::named(&text(args.first()).to_ascii_uppercase());
    let child = Layer::named(&text(args.get(2)).to_ascii_uppercase());
    put(cx, parent, number(args.get(1)), child)
}

fn register_detection(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (Some(parent), Some(child)) = (layer(cx, args.first()), layer(cx, args.get(1))) else {
        return Ok(Value::Bool(false));
    };
    of(cx)?.with_net_now(move |net| net.flow.options.dispatch.register_detection(parent, child));
    Ok(Value::Bool(true))
}

fn set_enabled(cx: &mut CallCtx<'_>, args: &[Value], on: bool) -> Out {
    let Some(layer) = layer(cx, args.first()) else {
        return Ok(Value::Bool(false));
    };
    of(cx)?.with_net_now(move |net| net.flow.options.dispatch.set_enabled(layer, on));
    Ok(Value::Bool(true))
}

fn enable(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    set_enabled(cx, args, true)
}

fn disable(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    set_enabled(cx, args, false)
}

/// The number that stands for a packet without PPPoE.
const NO_SESSION: u64 = u32::MAX as u64;

fn session_id(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let session = of(cx)?
        .net
        .as_ref()
        .and_then(|net| net.flow.packet_notes().pppoe_session);
    Ok(Value::Count(session.map_or(NO_SESSION, u64::from)))
}

/// One vector per GENEVE header of the packet at hand, outermost first.
fn geneve_options(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let headers = match &of(cx)?.net {
        Some(net) => net.flow.packet_notes().geneve_options.clone(),
        None => Vec::new(),
    };
    let b = cx.queue().shared_bindings();
    let option = |o: tapir_packet::tunnel::GeneveOption<'_>| {
        records::PacketAnalyzerGeneveOption {
            class: o.class.into(),
            critical: o.critical,
            typ: o.kind.into(),
            data: o.data.into(),
        }
        .build(&b)
    };
    let lists = headers
        .iter()
        .map(|raw| {
            let items = tapir_packet::tunnel::geneve_options(raw).map(option).collect();
            b.vector(types::GENEVE_OPTIONS_VEC, items)
        })
        .collect();
    Ok(b.vector(types::GENEVE_OPTIONS_VEC_VEC, lists))
}

/// The options of the TCP segment at hand; a broken one ends the list.
fn raw_options(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let stop_at_eol = args.is_empty() || truth(args.first());
    let raw = match &of(cx)?.net {
        Some(net) => net.flow.packet_notes().tcp_options.clone(),
        None => Vec::new(),
    };
    let b = cx.queue().shared_bindings();
    let mut items = Vec::new();
    let mut rest = raw.as_slice();
    while let Some((&kind, after)) = rest.split_first() {
        let value = if kind <= 1 {
            rest = after;
            &after[..0]
        } else {
            let len = after.first().map_or(0, |n| usize::from(*n));
            let Some(value) = rest.get(2..len) else { break };
            rest = &rest[len..];
            value
        };
        let option = records::TCPRawOption {
            kind: kind.into(),
            data: value.into(),
        };
        items.push(option.build(&b));
        if kind == 0 && stop_at_eol {
            break;
        }
    }
    Ok(b.vector(types::TCP_RAWOPTIONLIST, items))
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("TCP::raw_options", raw_options),
        ("PacketAnalyzer::register_packet_analyzer", register_child),
        ("PacketAnalyzer::try_register_packet_analyzer_by_name", register_by_name),
        ("PacketAnalyzer::register_protocol_detection", register_detection),
        ("PacketAnalyzer::__enable_analyzer", enable),
        ("PacketAnalyzer::__disable_analyzer", disable),
        ("PacketAnalyzer::PPPoE::session_id", session_id),
        ("PacketAnalyzer::Geneve::get_options", geneve_options),
    ]);
}
