//! Odds and ends: analyzer settings of one connection, components of the program, what is not built in.

use tapir_analyzers::core::{Command, WebSocketConfig};
use tapir_analyzers::registry;
use tapir_data::text::enum_text;
use tapir_data::value::Value;
use tapir_files::Kind;
use tapir_interface::{records, slots, types};
use tapir_vm::{CallCtx, Registry, RtError, Vm};

use super::connections::{read, tuple};
use super::{bytes, number, text, truth};
use crate::host::of;
use crate::logs::field;

type Out = Result<Value, RtError>;

fn configure_websocket(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let Some(Value::Record(c)) = args.first() else {
        return Ok(Value::Bool(false));
    };
    let id = c.get(slots::connection::ID);
    let aid = number(args.get(1));
    let config = args.get(2).cloned().unwrap_or_default();
    let analyzer = match field(cx, &config, "analyzer")? {
        Value::Enum(ty, n) => {
            let name = enum_text(cx.types(), ty, n);
            registry::tag(name.rsplit("ANALYZER_").next().unwrap_or(name))
        }
        _ => None,
    };
    let extensions = match field(cx, &config, "server_extensions")? {
        Value::Vector(v) => v.to_vec().iter().map(|s| bytes(Some(s)).to_vec()).collect(),
        _ => Vec::new(),
    };
    let subprotocol = match field(cx, &config, "subprotocol")? {
        Value::Str(s) => Some(s.to_vec()),
        _ => None,
    };
    let settings = WebSocketConfig {
        analyzer,
        use_dpd: truth(Some(&field(cx, &config, "use_dpd")?)),
        subprotocol,
        server_extensions: extensions,
    };
    let known = read(cx, Some(&id), |c| {
        c.ext.app.as_ref().is_some_and(|app| app.tree.find_id(aid).is_some())
    })?;
    if known == Some(false) {
        return Ok(Value::Bool(false));
    }
    let Some(tuple) = tuple(Some(&id)) else {
        return Ok(Value::Bool(false));
    };
    let command = Command::WebSocket(Box::new(settings));
    let change = move |net: &mut crate::net::Net, q: &mut tapir_interface::queue::EventQueue| {
        let crate::net::Net { flow, shared } = net;
        let Some(conn) = flow.find(&tuple) else { return };
        flow.with_conn(conn, |_, c| {
            let Some(app) = &mut c.ext.app else { return };
            if let Some(tag) = registry::tag("WEBSOCKET") {
                app.tree.command(q, &mut app.info, shared, tag, Some(aid), &command);
            }
        });
    };
    match of(cx)?.net.take() {
        None => of(cx)?.deferred.push(Box::new(change)),
        Some(mut net) => {
            change(&mut net, cx.queue());
            of(cx)?.net = Some(net);
        }
    }
    Ok(Value::Bool(true))
}

const WRITERS: [&str; 3] = ["Ascii", "None", "SQLite"];
const READERS: [&str; 6] = ["Ascii", "Benchmark", "Binary", "Config", "Raw", "SQLite"];

/// The list of what the program is made of, a line per part; with `detailed`, what each provides.
pub fn plugins(vm: &Vm, detailed: bool) -> String {
    let mut parts: Vec<(String, String, String)> = Vec::new();
    let mut part = |name: &str, what: &str, kind: &str, tag: String| {
        let what = format!("Zeek::{name} - {name} {what} (built-in)");
        parts.push((what, kind.to_string(), tag));
    };
    for p in registry::PROTOCOLS {
        let state = if p.enabled { "enabled" } else { "disabled" };
        let tag = format!("{} (ANALYZER_{}, {state})", p.name, p.name.to_uppercase());
        part(p.name, "analyzer", "Analyzer", tag);
    }
    for k in Kind::ALL {
        let name = k.name();
        part(
            name,
            "file analyzer",
            "File Analyzer",
            format!("{name} (ANALYZER_{name}, enabled)"),
        );
    }
    for name in crate::tags::packet_values(vm).into_keys() {
        part(
            &name,
            "packet analyzer",
            "Packet Analyzer",
            format!("{name} (ANALYZER_{name})"),
        );
    }
    for name in WRITERS {
        let tag = format!("{name} (WRITER_{})", name.to_uppercase());
        part(&format!("{name}Writer"), "log writer", "Writer", tag);
    }
    for name in READERS {
        let tag = format!("{name} (READER_{})", name.to_uppercase());
        part(&format!("{name}Reader"), "input reader", "Reader", tag);
    }
    part(
        "SQLite",
        "storage backend",
        "Storage Backend",
        "SQLITE (STORAGE_BACKEND_SQLITE)".into(),
    );
    parts.sort();
    let mut out = String::new();
    for (what, kind, tag) in parts {
        out += &format!("{what}\n");
        if detailed {
            out += &format!("    [{kind}] {tag}\n\n");
        }
    }
    out
}

/// Names of components by category, as the program has them.
fn components(cx: &mut CallCtx<'_>, category: &str) -> Result<Vec<(String, bool)>, RtError> {
    let fixed = |names: &[&str]| names.iter().map(|n| (n.to_string(), true)).collect();
    let host = of(cx)?;
    Ok(match category {
        "WRITER" => fixed(&WRITERS),
        "READER" => fixed(&READERS),
        "ANALYZER" => match &host.net {
            Some(net) => registry::PROTOCOLS
                .iter()
                .enumerate()
                .map(|(i, p)| {
                    (
                        p.name.to_string(),
                        net.shared.is_enabled(tapir_analyzers::core::Tag(i as u16)),
                    )
                })
                .collect(),
            None => registry::PROTOCOLS
                .iter()
                .map(|p| (p.name.to_string(), p.enabled))
                .collect(),
        },
        "FILE_ANALYZER" => Kind::ALL
            .iter()
            .map(|k| (k.name().to_string(), host.files.manager.enabled(*k)))
            .collect(),
        "PACKET_ANALYZER" => {
            let mut names: Vec<_> = crate::tags::packet_values(cx.vm)
                .into_keys()
                .map(|n| (n, true))
                .collect();
            names.sort();
            names
        }
        "STORAGE_BACKEND" => fixed(&["SQLITE"]),
        "CLUSTER_BACKEND" | "EVENT_SERIALIZER" | "LOG_SERIALIZER" | "IOSOURCE" => Vec::new(),
        _ => return Err(RtError::new(format!("unknown component category '{category}'"))),
    })
}

fn get_plugin_components(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let category = text(args.first());
    let found = match components(cx, &category) {
        Ok(f) => f,
        Err(e) => {
            cx.error(e.to_string());
            return Ok(Value::Unset);
        }
    };
    let prefix = match category.as_str() {
        "WRITER" => "WRITER_",
        "READER" => "READER_",
        "STORAGE_BACKEND" => "STORAGE_BACKEND_",
        _ => "ANALYZER_",
    };
    let b = cx.queue().shared_bindings();
    let items = found
        .into_iter()
        .map(|(name, enabled)| {
            let canonical = name.to_uppercase();
            records::PluginComponent {
                name: name.as_bytes().into(),
                tag: format!("{prefix}{canonical}").as_bytes().into(),
                canonical_name: canonical.as_bytes().into(),
                enabled,
            }
            .build(&b)
        })
        .collect();
    Ok(b.vector(types::PLUGIN_COMPONENT_VEC, items))
}

fn no_spicy(cx: &mut CallCtx<'_>, _: &[Value]) -> Out {
    cx.error("Spicy analyzers are not built in");
    Ok(Value::Bool(false))
}

fn no_spicy_usage(_: &mut CallCtx<'_>, _: &[Value]) -> Out {
    Err(RtError::new("Spicy analyzers are not built in"))
}

fn set_ignore_checksums_nets(cx: &mut CallCtx<'_>, args: &[Value]) -> Out {
    let nets: Vec<_> = match args.first() {
        Some(Value::Table(t)) => t
            .keys()
            .into_iter()
            .filter_map(|k| match k {
                Value::Subnet(s) => Some((tapir_flow::Ip(s.addr.0), s.width)),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    of(cx)?.with_net_now(move |net| net.flow.options.ignore_checksums_nets = nets);
    Ok(Value::Bool(true))
}

/// Adds the built-ins.
pub fn register(r: &mut Registry) {
    r.add_all(&[
        ("WebSocket::__configure_analyzer", configure_websocket),
        ("get_plugin_components", get_plugin_components),
        ("Spicy::__toggle_analyzer", no_spicy),
        ("Spicy::__resource_usage", no_spicy_usage),
        ("PacketAnalyzer::__set_ignore_checksums_nets", set_ignore_checksums_nets),
    ]);
}
