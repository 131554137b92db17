//! WebSocket clients of this node: starting servers, telling scripts of clients, checking what they publish.

use std::time::Duration;

use tapir_builtins::util::{field_type, record, string};
use tapir_cluster::websocket::{ClientEvent, ClientInfo, ServerOptions, Servers, TlsOptions};
use tapir_cluster::{Hub, Refused};
use tapir_data::types::TypeId;
use tapir_data::value::{Port, Proto, Value, Vector};
use tapir_vm::{CallCtx, RtError, Severity};

use super::{metrics, receive};
use crate::bif::node::ZEEK_VERSION;
use crate::host::of;

fn field(cx: &mut CallCtx<'_>, r: &Value, name: &str) -> Result<Value, RtError> {
    crate::logs::field(cx, r, name)
}

fn text(v: &Value) -> String {
    match v {
        Value::Str(s) => String::from_utf8_lossy(s).into_owned(),
        _ => String::new(),
    }
}

/// Starts a server as a record of `Cluster::WebSocketServerOptions` says. False after a report.
///
/// # Errors
/// When this runs without an engine.
pub fn listen(cx: &mut CallCtx<'_>, options: &Value) -> Result<bool, RtError> {
    let options = options_of(cx, options)?;
    if !of(cx)?.cluster.is_running() {
        let chosen = crate::globals::string(cx.vm, "Cluster::backend").unwrap_or_default();
        let alone = chosen.is_empty() || chosen.ends_with("CLUSTER_BACKEND_NONE") || !of(cx)?.node.in_cluster;
        if alone || chosen.ends_with("CLUSTER_BACKEND_BROKER") {
            // Without a cluster, the node and its clients are one of their own; peers may come later.
            if super::peers(cx)?.is_err() {
                let backend = Hub::new().node("");
                let id = backend.node_id().to_string();
                of(cx)?.cluster.run(backend, id).map_err(RtError::new)?;
            }
        } else {
            let why = "cannot listen for WebSocket clients before Cluster::init() has started the cluster's backend";
            cx.report_plain(Severity::Error, why);
            return Ok(false);
        }
    }
    let meter = metrics::of_clients(cx)?;
    let cluster = &mut of(cx)?.cluster;
    let (Some(backend), servers) = (&cluster.backend, &mut cluster.servers) else {
        return Ok(false);
    };
    let servers = servers.get_or_insert_with(|| Servers::new(&**backend, ZEEK_VERSION));
    if let Some(meter) = meter {
        servers.set_meter(meter);
    }
    match servers.listen(&options) {
        Ok(_) => Ok(true),
        Err(why) => {
            cx.report_plain(Severity::Error, why);
            Ok(false)
        }
    }
}

fn options_of(cx: &mut CallCtx<'_>, r: &Value) -> Result<ServerOptions, RtError> {
    let mut options = ServerOptions::default();
    if let Value::Addr(a) = field(cx, r, "listen_addr")? {
        options.listen_addr = a.to_ip();
    }
    if let Value::Port(p) = field(cx, r, "listen_port")? {
        options.listen_port = p.num;
    }
    if let Value::Count(n) = field(cx, r, "max_event_queue_size")? {
        options.max_event_queue_size = usize::try_from(n).unwrap_or(usize::MAX);
    }
    if let Value::Interval(s) = field(cx, r, "ping_interval")? {
        // Whole seconds; none or less is no ping.
        let whole = s.trunc().clamp(-1.0, 1e9);
        options.ping_interval = (whole > 0.0).then(|| Duration::from_secs(whole as u64));
    }
    let tls = field(cx, r, "tls_options")?;
    options.tls = TlsOptions {
        cert_file: text(&field(cx, &tls, "cert_file")?),
        key_file: text(&field(cx, &tls, "key_file")?),
        enable_peer_verification: matches!(field(cx, &tls, "enable_peer_verification")?, Value::Bool(true)),
        ca_file: text(&field(cx, &tls, "ca_file")?),
        ciphers: text(&field(cx, &tls, "ciphers")?),
    };
    Ok(options)
}

/// The types of an event's parameters, if it is declared.
pub(super) fn params(cx: &CallCtx<'_>, event: &str) -> Vec<TypeId> {
    let Some(func) = cx.vm.func_id(event) else {
        return Vec::new();
    };
    let sig = &cx.program().functions[func.0 as usize].sig;
    sig.params.iter().map(|p| p.ty).collect()
}

/// A record of `Cluster::EndpointInfo`.
fn endpoint(cx: &CallCtx<'_>, ty: TypeId, client: &ClientInfo) -> Value {
    let types = cx.types();
    let port = Port {
        proto: Proto::Tcp,
        num: client.address.port(),
    };
    let network = record(
        types,
        field_type(types, ty, "network"),
        &[
            ("address", string(client.address.ip().to_string())),
            ("bound_port", Value::Port(port)),
        ],
    );
    let mut fields = vec![("id", string(&client.id)), ("network", network)];
    fields.extend(client.application.as_ref().map(|a| ("application_name", string(a))));
    record(types, ty, &fields)
}

/// A client takes part.
pub(super) fn added(cx: &mut CallCtx<'_>, client: &ClientInfo, subscriptions: &[String]) {
    const EVENT: &str = "Cluster::websocket_client_added";
    if let [info, topics] = params(cx, EVENT)[..] {
        let topics = Value::Vector(Vector::new(topics, subscriptions.iter().map(string).collect()));
        let info = endpoint(cx, info, client);
        cx.vm.raise_named(EVENT, vec![info, topics]);
    }
}

/// A client is gone.
pub(super) fn lost(cx: &mut CallCtx<'_>, client: &ClientInfo, code: u16, reason: &str) {
    const EVENT: &str = "Cluster::websocket_client_lost";
    if let [info, ..] = params(cx, EVENT)[..] {
        let info = endpoint(cx, info, client);
        cx.vm
            .raise_named(EVENT, vec![info, Value::Count(code.into()), string(reason)]);
    }
}

/// Publishes what a client has sent, if it is an event of this program.
pub(super) fn publish(cx: &mut CallCtx<'_>, e: &ClientEvent) -> Result<(), RtError> {
    if !receive::fits(cx, &e.event)? {
        e.reject();
        return Ok(());
    }
    match e.accept(&e.event) {
        Ok(()) | Err(Refused::Nobody | Refused::Closed) => {}
        Err(Refused::Full) => {
            let cluster = &mut of(cx)?.cluster;
            if !std::mem::replace(&mut cluster.told_full, true) {
                cx.report_plain(
                    Severity::Warning,
                    "the cluster does not take events as fast as WebSocket clients publish them; some are dropped",
                );
            }
        }
    }
    Ok(())
}
