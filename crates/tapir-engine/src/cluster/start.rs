//! Starting the backend that scripts chose, with the options that they set.

use std::ops::RangeInclusive;
use std::time::Duration;

use tapir_cluster::ident;
use tapir_cluster::peering::{self, Peering, Peers};
use tapir_cluster::zeromq::{Config, Curve, Forwarder, ForwarderConfig, Lib, ZeroMq};
use tapir_cluster::{Backend, EventSerializer, Overflow};
use tapir_data::value::Value;
use tapir_vm::{CallCtx, RtError, Severity, Vm};

use crate::globals;
use crate::host::of;

/// Module of the options.
const ZEROMQ: &str = "Cluster::Backend::ZeroMQ::";

/// Why a node cannot start, and the option to mend if it is one.
pub(super) struct Fault {
    text: String,
    option: Option<String>,
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        // The library knows the options by the same names.
        let word = text.split_whitespace().next().filter(|w| w.starts_with(ZEROMQ));
        Fault {
            option: word.map(Into::into),
            text,
        }
    }
}

/// What is wrong with an option.
fn bad(name: &str, what: impl std::fmt::Display) -> Fault {
    let option = format!("{ZEROMQ}{name}");
    Fault {
        text: format!("{option} {what}"),
        option: Some(option),
    }
}

fn text(vm: &Vm, name: &str, default: &str) -> String {
    globals::string(vm, &format!("{ZEROMQ}{name}")).unwrap_or_else(|| default.into())
}

/// A number that the library will take.
fn int(vm: &Vm, name: &str, default: i32, least: i32) -> Result<i32, Fault> {
    let Some(v) = globals::int(vm, &format!("{ZEROMQ}{name}")) else {
        return Ok(default);
    };
    let fits = i32::try_from(v).ok().filter(|v| *v >= least);
    fits.ok_or_else(|| bad(name, format_args!("is {v}, but must be from {least} to {}", i32::MAX)))
}

fn size(vm: &Vm, name: &str, default: usize, range: RangeInclusive<usize>) -> Result<usize, Fault> {
    let Some(v) = globals::count(vm, &format!("{ZEROMQ}{name}")) else {
        return Ok(default);
    };
    let fits = usize::try_from(v).ok().filter(|v| range.contains(v));
    fits.ok_or_else(|| {
        let (least, most) = (range.start(), range.end());
        bad(name, format_args!("is {v}, but must be from {least} to {most}"))
    })
}

/// An address that the library will understand; where to listen may be with `*`.
fn endpoint(vm: &Vm, name: &str, default: &str) -> Result<String, Fault> {
    let v = text(vm, name, default);
    check_endpoint(name, &v)?;
    Ok(v)
}

fn check_endpoint(name: &str, v: &str) -> Result<(), Fault> {
    let good = match v.split_once("://") {
        Some(("tcp", rest)) => rest.rsplit_once(':').is_some_and(|(host, port)| {
            // `tcp://LOCAL;REMOTE` names the address to connect from as well; ports to listen on may be any.
            !host.is_empty() && (port.parse::<u16>().is_ok() || port == "*")
        }),
        Some(("ipc" | "inproc", rest)) => !rest.is_empty(),
        _ => false,
    };
    if good {
        return Ok(());
    }
    Err(bad(
        name,
        format_args!("is \"{v}\", but must be an address such as tcp://127.0.0.1:5555"),
    ))
}

fn flag(vm: &Vm, name: &str, default: bool) -> bool {
    globals::flag(vm, &format!("{ZEROMQ}{name}")).unwrap_or(default)
}

fn texts(vm: &Vm, name: &str) -> Vec<String> {
    match vm.global_value(&format!("{ZEROMQ}{name}")) {
        Some(Value::Vector(v)) => {
            let all = v.to_vec();
            let texts = all.iter().filter_map(|v| match v {
                Value::Str(s) => Some(String::from_utf8_lossy(s).into_owned()),
                _ => None,
            });
            texts.collect()
        }
        _ => Vec::new(),
    }
}

fn curve(vm: &Vm) -> Result<Curve, Fault> {
    let keys = Curve {
        server_publickey: text(vm, "curve_server_publickey", ""),
        server_secretkey: text(vm, "curve_server_secretkey", ""),
        client_publickey: text(vm, "curve_client_publickey", ""),
        client_secretkey: text(vm, "curve_client_secretkey", ""),
    };
    Ok(keys.with_environment(|name| std::env::var(name).ok())?)
}

fn serializer(vm: &Vm) -> EventSerializer {
    match globals::string(vm, "Cluster::event_serializer").as_deref() {
        Some("Cluster::EVENT_SERIALIZER_BROKER_JSON_V1") => EventSerializer::BrokerJsonV1,
        _ => EventSerializer::BrokerBinV1,
    }
}

fn node(vm: &Vm, node_id: &str) -> Result<Config, Fault> {
    let d = Config::default();
    let connect_log_endpoints = texts(vm, "connect_log_endpoints");
    for endpoint in &connect_log_endpoints {
        check_endpoint("connect_log_endpoints", endpoint)?;
    }
    let listen_log_endpoint = text(vm, "listen_log_endpoint", "");
    if !listen_log_endpoint.is_empty() {
        check_endpoint("listen_log_endpoint", &listen_log_endpoint)?;
    }
    Ok(Config {
        node_id: node_id.to_string(),
        connect_xpub_endpoint: endpoint(vm, "connect_xpub_endpoint", &d.connect_xpub_endpoint)?,
        connect_xsub_endpoint: endpoint(vm, "connect_xsub_endpoint", &d.connect_xsub_endpoint)?,
        connect_xpub_nodrop: flag(vm, "connect_xpub_nodrop", d.connect_xpub_nodrop),
        connect_log_endpoints,
        listen_log_endpoint,
        ipv6: flag(vm, "ipv6", d.ipv6),
        linger_ms: int(vm, "linger_ms", d.linger_ms, -1)?,
        xpub_sndhwm: int(vm, "xpub_sndhwm", d.xpub_sndhwm, 0)?,
        xpub_sndbuf: int(vm, "xpub_sndbuf", d.xpub_sndbuf, -1)?,
        xsub_rcvhwm: int(vm, "xsub_rcvhwm", d.xsub_rcvhwm, 0)?,
        xsub_rcvbuf: int(vm, "xsub_rcvbuf", d.xsub_rcvbuf, -1)?,
        log_sndhwm: int(vm, "log_sndhwm", d.log_sndhwm, 0)?,
        log_sndbuf: int(vm, "log_sndbuf", d.log_sndbuf, -1)?,
        log_immediate: flag(vm, "log_immediate", d.log_immediate),
        log_rcvhwm: int(vm, "log_rcvhwm", d.log_rcvhwm, 0)?,
        log_rcvbuf: int(vm, "log_rcvbuf", d.log_rcvbuf, -1)?,
        poll_max_messages: size(vm, "poll_max_messages", d.poll_max_messages, 1..=usize::MAX)?,
        onloop_queue_hwm: size(vm, "onloop_queue_hwm", d.onloop_queue_hwm, 0..=usize::MAX)?,
        internal_topic_prefix: text(vm, "internal_topic_prefix", &d.internal_topic_prefix),
        event_serializer: serializer(vm),
        debug_flags: globals::count(vm, &format!("{ZEROMQ}debug_flags")).unwrap_or(0),
        curve: curve(vm)?,
        ..d
    })
}

fn forwarder(vm: &Vm) -> Result<ForwarderConfig, Fault> {
    let d = ForwarderConfig::default();
    Ok(ForwarderConfig {
        listen_xpub_endpoint: endpoint(vm, "listen_xpub_endpoint", &d.listen_xpub_endpoint)?,
        listen_xsub_endpoint: endpoint(vm, "listen_xsub_endpoint", &d.listen_xsub_endpoint)?,
        listen_xpub_nodrop: flag(vm, "listen_xpub_nodrop", d.listen_xpub_nodrop),
        proxy_io_threads: size(vm, "proxy_io_threads", 2, 1..=64)? as i32,
        ipv6: flag(vm, "ipv6", d.ipv6),
        linger_ms: int(vm, "linger_ms", d.linger_ms, -1)?,
        curve: curve(vm)?,
        ..d
    })
}

const BROKER: &str = "Cluster::CLUSTER_BACKEND_BROKER";
const NONE: &str = "Cluster::CLUSTER_BACKEND_NONE";

fn chosen(vm: &Vm) -> String {
    globals::string(vm, "Cluster::backend").unwrap_or_else(|| NONE.into())
}

fn make(vm: &Vm, node_id: &str) -> Result<Box<dyn Backend>, Fault> {
    match &*chosen(vm) {
        "Cluster::CLUSTER_BACKEND_ZEROMQ" => Ok(Box::new(ZeroMq::new(node(vm, node_id)?)?)),
        NONE => Err(String::from("no backend is chosen; load frameworks/cluster/backend/zeromq").into()),
        other => Err(format!("{other} is not supported; load frameworks/cluster/backend/zeromq instead").into()),
    }
}

/// What is set of Broker's encryption, which there is none of here.
fn encryption(vm: &Vm) -> Option<&'static str> {
    const OPTIONS: [&str; 5] = [
        "Broker::ssl_cafile",
        "Broker::ssl_capath",
        "Broker::ssl_certificate",
        "Broker::ssl_keyfile",
        "Broker::ssl_passphrase",
    ];
    let set = |name: &&&str| globals::string(vm, name).is_some_and(|v| !v.is_empty());
    OPTIONS.iter().find(set).copied()
}

/// The peerings of this node: those of Broker where scripts chose it or nothing, which begin with the first use. `Err` says
/// why there are none.
///
/// # Errors
/// When this runs without an engine.
pub fn peers(cx: &mut CallCtx<'_>) -> Result<Result<Peers, String>, RtError> {
    if let Some(peers) = &of(cx)?.cluster.peers {
        return Ok(Ok(peers.clone()));
    }
    let (in_cluster, taken) = {
        let h = of(cx)?;
        (h.node.in_cluster, h.cluster.is_running() || h.cluster.offered.is_some())
    };
    let backend = chosen(cx.vm);
    if taken || in_cluster && backend != BROKER {
        return Ok(Err(
            "this node's cluster does without peerings; those of Broker need frameworks/cluster/backend/broker".into(),
        ));
    }
    if let Some(option) = encryption(cx.vm) {
        return Ok(Err(format!("peerings cannot be encrypted, but {option} is set")));
    }
    if globals::flag(cx.vm, "Broker::forward_messages") == Some(true) {
        let why = "peers do not pass messages on, but Broker::forward_messages is set";
        return Ok(Err(why.into()));
    }
    let name = globals::string(cx.vm, "Cluster::node").unwrap_or_default();
    let id = ident::node_id("broker", &name);
    let overflow = match globals::string(cx.vm, "Broker::peer_overflow_policy").as_deref() {
        None | Some("drop_oldest") => Overflow::DropOldest,
        Some("drop_newest") => Overflow::DropNewest,
        Some("disconnect") => Overflow::Close,
        Some(other) => {
            return Ok(Err(format!(
                "Broker::peer_overflow_policy is drop_oldest, drop_newest or disconnect, not {other}"
            )));
        }
    };
    let recently = globals::seconds(cx.vm, "Broker::buffer_stats_reset_interval").unwrap_or(60.0);
    let peering = Peering::new(peering::Config {
        node_id: id.clone(),
        overflow,
        recently: Duration::try_from_secs_f64(recently).unwrap_or_default(),
        peer_buffer: globals::count(cx.vm, "Broker::peer_buffer_size").map_or(8192, |n| n as usize),
        logger_topic: globals::string(cx.vm, "Cluster::logger_topic").unwrap_or_default(),
        log_prefix: globals::string(cx.vm, "Broker::default_log_topic_prefix").unwrap_or_default(),
        expects_loggers: in_cluster,
    });
    let peers = peering.peers();
    let batch = globals::count(cx.vm, "Broker::log_batch_size");
    let interval = globals::seconds(cx.vm, "Broker::log_batch_interval");
    let host = of(cx)?;
    let outgoing = &mut host.logs.outgoing;
    outgoing.rows_max = batch.unwrap_or(outgoing.rows_max);
    outgoing.interval = interval.unwrap_or(outgoing.interval);
    host.cluster.run(Box::new(peering), id).map_err(RtError::new)?;
    host.cluster.peers = Some(peers.clone());
    // Peers may want rows, whether this is a cluster or not.
    host.ships_logs = true;
    Ok(Ok(peers))
}

/// Reports a fault, at the place where the option was set if it is one of an option.
fn complain(cx: &mut CallCtx<'_>, what: &str, why: &Fault) {
    let place = why.option.as_deref().and_then(|o| cx.vm.origin_of(o));
    let text = format!("{what}: {}", why.text);
    cx.vm.report(cx.host, Severity::Error, text, place);
}

/// `Cluster::Backend::__init`: starts the node under an id. False after a report.
///
/// # Errors
/// When this runs without an engine.
pub fn start(cx: &mut CallCtx<'_>, node_id: &str) -> Result<bool, RtError> {
    if of(cx)?.cluster.is_running() {
        return Ok(true);
    }
    if of(cx)?.cluster.offered.is_none() && chosen(cx.vm) == BROKER {
        let started = peers(cx)?;
        if let Err(why) = &started {
            cx.report_plain(Severity::Error, format!("cannot join the cluster: {why}"));
        }
        return Ok(started.is_ok());
    }
    let backend = match of(cx)?.cluster.offered.take() {
        Some(b) => Ok(b),
        None => make(cx.vm, node_id),
    };
    let started = match backend {
        Ok(b) => of(cx)?.cluster.run(b, node_id.to_string()).map_err(Fault::from),
        Err(why) => Err(why),
    };
    if let Err(why) = started {
        complain(cx, "cannot join the cluster", &why);
        return Ok(false);
    }
    Ok(true)
}

/// Starts the central forwarder in this process. False after a report.
///
/// # Errors
/// When this runs without an engine.
pub fn start_forwarder(cx: &mut CallCtx<'_>) -> Result<bool, RtError> {
    // Nodes that were handed a backend need none: theirs reaches everybody.
    if of(cx)?.cluster.from_outside || of(cx)?.cluster.forwarder.is_some() {
        return Ok(true);
    }
    let started = forwarder(cx.vm).and_then(|config| {
        let lib = Lib::load()?;
        config.curve.check(&lib)?;
        Ok(Forwarder::start(&lib, &config)?)
    });
    match started {
        Ok(f) => {
            of(cx)?.cluster.forwarder = Some(f);
            Ok(true)
        }
        Err(why) => {
            complain(cx, "cannot start the forwarder of the cluster's events", &why);
            Ok(false)
        }
    }
}

/// A new pair of CURVE keys, the public one first.
///
/// # Errors
/// Why there is none.
pub fn keypair() -> Result<(String, String), String> {
    let lib = Lib::load()?;
    if !lib.has_curve() {
        return Err("this libzmq was built without encryption".into());
    }
    lib.keypair().map_err(|e| e.to_string())
}
