//! `Pcap::*`: capture filters and interfaces; packet filters by address.

use tapir_data::value::{Table, Value};
use tapir_interface::enums;
use tapir_vm::{CallCtx, Registry, RtError};

use super::{number, text};
use crate::host::of;
use crate::node::DropEntry;

type Out = Result<Value, RtError>;

fn check(text: &str) -> Result<(), String> {
    tapir_packet::filter::Filter::compile(text)
        .map(drop)
        .map_err(|e| e.to_string())
}

/// Whether a filter can be used for packets of this link type.
fn fits(text: &str, link_type: Option<u32>) -> bool {
    link_type.is_none_or(|l| tapir_packet::filter::Filter::compile(text).is_ok_and(|f| f.fits(l)))
}

fn precompile(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let (id, filter) = (number(args.first()), text(args.get(1)));
    let outcome = check(&filter);
    let good = outcome.is_ok();
    of(cx)?.node.filters.insert(id, (filter, outcome));
    Ok(Value::Bool(good))
}

fn install(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let id = number(args.first());
    let node = &mut of(cx)?.node;
    match node.filters.get(&id) {
        Some((filter, Ok(()))) if !fits(filter, node.source_link_type) => {
            node.filter_error = "link-layer type filtering not implemented".into();
            Ok(Value::Bool(false))
        }
        Some((filter, Ok(()))) => {
            node.installed = Some(filter.clone());
            node.filter_changed = true;
            Ok(Value::Bool(true))
        }
        Some((_, Err(why))) => {
            node.filter_error = why.clone();
            Ok(Value::Bool(false))
        }
        None => {
            node.filter_error = format!("No precompiled pcap filter for index {id}");
            Ok(Value::Bool(false))
        }
    }
}

fn error(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let node = &of(cx)?.node;
    let text = if node.filter_error.is_empty() {
        "no error"
    } else {
        &node.filter_error
    };
    Ok(Value::Str(text.as_bytes().into()))
}

fn state(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    use enums::pcap_filter_state as s;
    let id = number(args.first());
    let n = match of(cx)?.node.filters.get(&id) {
        Some((_, Err(_))) => s::FATAL,
        _ => s::OK,
    };
    Ok(cx.queue().bindings().enum_value(s::ID, n))
}

fn state_string(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let id = number(args.first());
    let text = match of(cx)?.node.filters.get(&id) {
        Some((_, Err(why))) => why.clone(),
        Some((_, Ok(()))) => String::new(),
        None => "<unknown>".into(),
    };
    Ok(Value::Str(text.into_bytes().into()))
}

fn findalldevs(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    let t = Table::new(cx.result_type);
    let b = cx.queue().shared_bindings();
    let names = std::fs::read_dir("/sys/class/net").map(|d| {
        d.flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect::<Vec<_>>()
    });
    let mut names = names.unwrap_or_default();
    names.sort();
    for name in names {
        let up = std::fs::read_to_string(format!("/sys/class/net/{name}/operstate")).unwrap_or_default();
        let r = tapir_interface::records::PcapInterface {
            is_loopback: name == "lo",
            is_up: Some(up.trim() == "up" || name == "lo"),
            name: name.as_bytes().into(),
            ..Default::default()
        };
        t.insert(&[r.build(&b)], Value::Unset, 0.0);
    }
    Ok(Value::Table(t))
}

/// The network that an address or subnet argument names.
fn net(v: Option<&Value>) -> Option<([u8; 16], u8)> {
    match v {
        Some(Value::Addr(a)) => Some((a.0, 128)),
        Some(Value::Subnet(s)) => Some((s.addr.0, s.width)),
        _ => None,
    }
}

fn add_drop(cx: &mut CallCtx<'_>, args: &[Value], source: bool) -> Out {
    let Some(net) = net(args.first()) else {
        return Ok(Value::Bool(false));
    };
    let chance = match args.get(2) {
        Some(Value::Double(p)) => *p,
        _ => 1.0,
    };
    let entry = DropEntry {
        net,
        source,
        tcp_flags: number(args.get(1)),
        chance,
    };
    let drops = &mut of(cx)?.node.drops;
    drops.retain(|d| d.net != net || d.source != source);
    drops.push(entry);
    Ok(Value::Bool(true))
}

fn remove_drop(cx: &mut CallCtx<'_>, args: &[Value], source: bool) -> Out {
    let Some(net) = net(args.first()) else {
        return Ok(Value::Bool(false));
    };
    let drops = &mut of(cx)?.node.drops;
    let before = drops.len();
    drops.retain(|d| d.net != net || d.source != source);
    Ok(Value::Bool(drops.len() < before))
}

fn install_src(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    add_drop(cx, args, true)
}

fn install_dst(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    add_drop(cx, args, false)
}

fn uninstall_src(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    remove_drop(cx, args, true)
}

fn uninstall_dst(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    remove_drop(cx, args, false)
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("Pcap::precompile_pcap_filter", precompile),
        ("Pcap::install_pcap_filter", install),
        ("Pcap::error", error),
        ("Pcap::get_filter_state", state),
        ("Pcap::get_filter_state_string", state_string),
        ("Pcap::findalldevs", findalldevs),
        ("install_src_addr_filter", install_src),
        ("install_src_net_filter", install_src),
        ("install_dst_addr_filter", install_dst),
        ("install_dst_net_filter", install_dst),
        ("uninstall_src_addr_filter", uninstall_src),
        ("uninstall_src_net_filter", uninstall_src),
        ("uninstall_dst_addr_filter", uninstall_dst),
        ("uninstall_dst_net_filter", uninstall_dst),
    ]);
}
