//! Starting the backend that scripts chose, with the options that they set.

use tapir_cluster::zeromq::{Config, Curve, Forwarder, ForwarderConfig, Lib, ZeroMq};
use tapir_cluster::{Backend, EventSerializer};
use tapir_data::value::Value;
use tapir_vm::{CallCtx, RtError, Severity, Vm};

use crate::globals;
use crate::host::of;

/// Module of the options.
const ZEROMQ: &str = "Cluster::Backend::ZeroMQ::";

fn text(vm: &Vm, name: &str, default: &str) -> String {
    globals::string(vm, &format!("{ZEROMQ}{name}")).unwrap_or_else(|| default.into())
}

fn int(vm: &Vm, name: &str, default: i32) -> i32 {
    let v = globals::int(vm, &format!("{ZEROMQ}{name}"));
    v.and_then(|v| i32::try_from(v).ok()).unwrap_or(default)
}

fn size(vm: &Vm, name: &str, default: usize) -> usize {
    let v = globals::count(vm, &format!("{ZEROMQ}{name}"));
    v.and_then(|v| usize::try_from(v).ok()).unwrap_or(default)
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

fn curve(vm: &Vm) -> Result<Curve, String> {
    let keys = Curve {
        server_publickey: text(vm, "curve_server_publickey", ""),
        server_secretkey: text(vm, "curve_server_secretkey", ""),
        client_publickey: text(vm, "curve_client_publickey", ""),
        client_secretkey: text(vm, "curve_client_secretkey", ""),
    };
    keys.with_environment(|name| std::env::var(name).ok())
}

fn serializer(vm: &Vm) -> EventSerializer {
    match globals::string(vm, "Cluster::event_serializer").as_deref() {
        Some("Cluster::EVENT_SERIALIZER_BROKER_JSON_V1") => EventSerializer::BrokerJsonV1,
        _ => EventSerializer::BrokerBinV1,
    }
}

fn node(vm: &Vm, node_id: &str) -> Result<Config, String> {
    let d = Config::default();
    Ok(Config {
        node_id: node_id.to_string(),
        connect_xpub_endpoint: text(vm, "connect_xpub_endpoint", &d.connect_xpub_endpoint),
        connect_xsub_endpoint: text(vm, "connect_xsub_endpoint", &d.connect_xsub_endpoint),
        connect_xpub_nodrop: flag(vm, "connect_xpub_nodrop", d.connect_xpub_nodrop),
        connect_log_endpoints: texts(vm, "connect_log_endpoints"),
        listen_log_endpoint: text(vm, "listen_log_endpoint", ""),
        ipv6: flag(vm, "ipv6", d.ipv6),
        linger_ms: int(vm, "linger_ms", d.linger_ms),
        xpub_sndhwm: int(vm, "xpub_sndhwm", d.xpub_sndhwm),
        xpub_sndbuf: int(vm, "xpub_sndbuf", d.xpub_sndbuf),
        xsub_rcvhwm: int(vm, "xsub_rcvhwm", d.xsub_rcvhwm),
        xsub_rcvbuf: int(vm, "xsub_rcvbuf", d.xsub_rcvbuf),
        log_sndhwm: int(vm, "log_sndhwm", d.log_sndhwm),
        log_sndbuf: int(vm, "log_sndbuf", d.log_sndbuf),
        log_immediate: flag(vm, "log_immediate", d.log_immediate),
        log_rcvhwm: int(vm, "log_rcvhwm", d.log_rcvhwm),
        log_rcvbuf: int(vm, "log_rcvbuf", d.log_rcvbuf),
        poll_max_messages: size(vm, "poll_max_messages", d.poll_max_messages),
        onloop_queue_hwm: size(vm, "onloop_queue_hwm", d.onloop_queue_hwm),
        internal_topic_prefix: text(vm, "internal_topic_prefix", &d.internal_topic_prefix),
        event_serializer: serializer(vm),
        curve: curve(vm)?,
        ..d
    })
}

fn forwarder(vm: &Vm) -> Result<ForwarderConfig, String> {
    let d = ForwarderConfig::default();
    Ok(ForwarderConfig {
        listen_xpub_endpoint: text(vm, "listen_xpub_endpoint", &d.listen_xpub_endpoint),
        listen_xsub_endpoint: text(vm, "listen_xsub_endpoint", &d.listen_xsub_endpoint),
        listen_xpub_nodrop: flag(vm, "listen_xpub_nodrop", d.listen_xpub_nodrop),
        proxy_io_threads: size(vm, "proxy_io_threads", 2).clamp(1, 64) as i32,
        ipv6: flag(vm, "ipv6", d.ipv6),
        linger_ms: int(vm, "linger_ms", d.linger_ms),
        curve: curve(vm)?,
        ..d
    })
}

fn make(vm: &Vm, node_id: &str) -> Result<Box<dyn Backend>, String> {
    match globals::string(vm, "Cluster::backend").as_deref() {
        Some("Cluster::CLUSTER_BACKEND_ZEROMQ") => Ok(Box::new(ZeroMq::new(node(vm, node_id)?)?)),
        Some("Cluster::CLUSTER_BACKEND_NONE") | None => {
            Err("no backend is chosen; load frameworks/cluster/backend/zeromq".into())
        }
        Some(other) => Err(format!(
            "{other} is not supported; load frameworks/cluster/backend/zeromq instead"
        )),
    }
}

/// `Cluster::Backend::__init`: starts the node under an id. False after a report.
///
/// # Errors
/// When this runs without an engine.
pub fn start(cx: &mut CallCtx<'_>, node_id: &str) -> Result<bool, RtError> {
    if of(cx)?.cluster.is_running() {
        return Ok(true);
    }
    let backend = match of(cx)?.cluster.offered.take() {
        Some(b) => Ok(b),
        None => make(cx.vm, node_id),
    };
    let started = match backend {
        Ok(b) => of(cx)?.cluster.run(b, node_id.to_string()),
        Err(why) => Err(why),
    };
    if let Err(why) = started {
        cx.report_plain(Severity::Error, format!("cannot join the cluster: {why}"));
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
    if of(cx)?.cluster.offered.is_some() || of(cx)?.cluster.forwarder.is_some() {
        return Ok(true);
    }
    let started = forwarder(cx.vm).and_then(|config| {
        let lib = Lib::load()?;
        config.curve.check(&lib)?;
        Forwarder::start(&lib, &config)
    });
    match started {
        Ok(f) => {
            of(cx)?.cluster.forwarder = Some(f);
            Ok(true)
        }
        Err(why) => {
            let text = format!("cannot start the forwarder of the cluster's events: {why}");
            cx.report_plain(Severity::Error, text);
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
