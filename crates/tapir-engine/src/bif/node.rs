//! What the node is: command line, input, supervision; and a cluster of one.

use tapir_data::value::{Str, Value};
use tapir_interface::{enums, records, types};
use tapir_vm::{CallCtx, Registry, RtError};

use super::{bytes, text};
use crate::host::of;
use crate::sink::link_encap;

type Out = Result<Value, RtError>;

/// The version of the script environment that is reproduced.
pub(crate) const ZEEK_VERSION: &str = "9.0.0";

fn string(s: &str) -> Value {
    Value::Str(s.as_bytes().into())
}

fn zeek_version(_: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(string(ZEEK_VERSION))
}

fn bare_mode(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Bool(of(cx)?.node.bare))
}

fn zeek_args(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let items = of(cx)?.node.args.iter().map(|a| string(a)).collect();
    Ok(cx.queue().bindings().vector(types::STRING_VEC, items))
}

fn reading_live_traffic(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Bool(of(cx)?.live))
}

fn reading_traces(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Bool(of(cx)?.node.trace.is_some()))
}

fn packet_source(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let host = of(cx)?;
    if !host.live && host.node.trace.is_none() {
        return Ok(tapir_builtins::util::record(cx.types(), cx.result_type, &[]));
    }
    let path = host
        .node
        .interface
        .clone()
        .or_else(|| host.node.trace.clone())
        .unwrap_or_default();
    let r = records::PacketSource {
        live: host.live,
        path: path.as_bytes().into(),
        link_type: i64::from(host.node.link_type),
        netmask: 0xffff_ffff,
    };
    Ok(r.build(cx.queue().bindings()))
}

fn no(_: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Bool(false))
}

fn zero(_: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Count(0))
}

fn current_analyzer(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let host = of(cx)?;
    // Outside the middle of a packet no analyzer runs.
    let id = if host.net.is_none() {
        host.nodes.borrow().running
    } else {
        0
    };
    Ok(Value::Count(id))
}

fn suspend(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    of(cx)?.node.suspended = true;
    Ok(Value::Unset)
}

fn resume(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    of(cx)?.node.suspended = false;
    Ok(Value::Unset)
}

fn is_suspended(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Ok(Value::Bool(of(cx)?.node.suspended))
}

/// The file that a name stands for under a directory of the search path: with the suffix, as it is, or as a package.
fn script_under(dir: &str, name: &str) -> Option<String> {
    [
        format!("{name}.zeek"),
        name.to_string(),
        format!("{name}/__load__.zeek"),
    ]
    .into_iter()
    .find_map(|name| {
        let path = format!("{dir}/{name}");
        let there = match dir.strip_prefix(crate::load::ROOT) {
            Some(inner) => {
                let inner = format!("{inner}/{name}");
                crate::embedded::get(inner.trim_start_matches('/')).is_some()
            }
            None => std::path::Path::new(&path).is_file(),
        };
        there.then_some(path)
    })
}

fn find_in_zeekpath(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let name = text(args.first());
    if name.starts_with(['.', '/']) {
        cx.report_plain(
            tapir_vm::Severity::Error,
            format!("find_in_zeekpath: {name} is not a relative name below the search path"),
        );
        return Ok(string(""));
    }
    let found = crate::load::search_path()
        .iter()
        .find_map(|dir| script_under(dir, &name));
    Ok(string(&found.unwrap_or_default()))
}

fn get_current_packet(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let kept = of(cx)?.node.packet.clone();
    let Some(p) = kept else {
        let empty: Str = b""[..].into();
        let r = records::PcapPacket {
            data: empty,
            link_type: link_encap(0),
            ..Default::default()
        };
        return Ok(r.build(cx.queue().bindings()));
    };
    let r = records::PcapPacket {
        ts_sec: p.ts_sec as u64,
        ts_usec: p.ts_usec.into(),
        caplen: p.data.len() as u64,
        len: p.len.into(),
        data: p.data,
        // The reference gives this value whatever the link type is.
        link_type: enums::link_encap::LINK_UNKNOWN,
    };
    Ok(r.build(cx.queue().bindings()))
}

fn get_current_packet_header(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let Some(p) = of(cx)?.node.packet.clone() else {
        return Ok(records::RawPktHdr::default().build(cx.queue().bindings()));
    };
    let raw = tapir_packet::RawPacket {
        ts_sec: p.ts_sec,
        ts_usec: p.ts_usec,
        len: p.len,
        data: &p.data,
        link_type: p.link_type,
    };
    let header = crate::sink::raw_pkt_hdr(cx.queue(), &raw);
    Ok(header.build(cx.queue().bindings()))
}

fn get_current_packet_ts(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let ts = of(cx)?
        .node
        .packet
        .as_ref()
        .map_or(0.0, |p| p.ts_sec as f64 + f64::from(p.ts_usec) / 1e6);
    Ok(Value::Time(ts))
}

fn dump(cx: &mut CallCtx<'_>, name: &str, p: &crate::node::KeptPacket) -> Out {
    let raw = tapir_packet::RawPacket {
        ts_sec: p.ts_sec,
        ts_usec: p.ts_usec,
        len: p.len,
        data: &p.data,
        link_type: p.link_type,
    };
    let path = std::path::PathBuf::from(name);
    let dumpers = &mut of(cx)?.dumpers;
    let dumper = dumpers
        .entry(path.clone())
        .or_insert_with(|| crate::dump::Dumper::new(&path));
    match dumper.write(&raw) {
        Ok(()) => Ok(Value::Bool(true)),
        Err(e) => {
            cx.error(e.to_string());
            Ok(Value::Bool(false))
        }
    }
}

fn flush_all(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    tapir_builtins::files::flush_all(cx.vm);
    let mut good = true;
    for d in of(cx)?.dumpers.values_mut() {
        good &= d.flush().is_ok();
    }
    Ok(Value::Bool(good))
}

fn dump_current_packet(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    match of(cx)?.node.packet.clone() {
        Some(p) => dump(cx, &text(args.first()), &p),
        None => Ok(Value::Bool(false)),
    }
}

fn dump_packet(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    use tapir_interface::slots::pcap_packet as slot;
    let Some(Value::Record(r)) = args.first() else {
        return Ok(Value::Bool(false));
    };
    let n = |i: usize| super::number(Some(&r.get(i)));
    let p = crate::node::KeptPacket {
        ts_sec: n(slot::TS_SEC) as i64,
        ts_usec: n(slot::TS_USEC) as u32,
        len: n(slot::LEN) as u32,
        link_type: of(cx)?.node.link_type,
        data: bytes(Some(&r.get(slot::DATA))),
    };
    dump(cx, &text(args.get(1)), &p)
}

/// No PPPoE session is known: all bits set.
/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("zeek_version", zeek_version),
        ("bare_mode", bare_mode),
        ("zeek_args", zeek_args),
        ("reading_live_traffic", reading_live_traffic),
        ("reading_traces", reading_traces),
        ("packet_source", packet_source),
        ("have_spicy", no),
        ("have_spicy_analyzers", no),
        ("current_analyzer", current_analyzer),
        ("suspend_processing", suspend),
        ("continue_processing", resume),
        ("is_processing_suspended", is_suspended),
        ("find_in_zeekpath", find_in_zeekpath),
        ("get_current_packet", get_current_packet),
        ("get_current_packet_header", get_current_packet_header),
        ("get_current_packet_ts", get_current_packet_ts),
        ("dump_current_packet", dump_current_packet),
        ("dump_packet", dump_packet),
        ("flush_all", flush_all),
        ("get_login_state", zero),
        ("set_login_state", no),
        ("load_CPP", no),
    ]);
}
