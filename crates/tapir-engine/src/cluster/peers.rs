//! What scripts hear of peerings.

use tapir_builtins::util::{field_type, record, string};
use tapir_cluster::{PeerChange, PeerNews};
use tapir_data::types::TypeId;
use tapir_data::value::{Port, Proto, Value};
use tapir_vm::CallCtx;

use super::websocket::params;

/// A record of `Broker::EndpointInfo`.
pub fn endpoint(cx: &CallCtx<'_>, ty: TypeId, id: &str, address: &str, port: u16) -> Value {
    let types = cx.types();
    let port = Port {
        proto: Proto::Tcp,
        num: port,
    };
    let network = record(
        types,
        field_type(types, ty, "network"),
        &[("address", string(address)), ("bound_port", Value::Port(port))],
    );
    record(types, ty, &[("id", string(id)), ("network", network)])
}

/// Raises the events of a peering.
pub(super) fn tell(cx: &mut CallCtx<'_>, news: &PeerNews) {
    let event = match news.change {
        PeerChange::Added => "Broker::peer_added",
        PeerChange::Removed => "Broker::peer_removed",
        PeerChange::Lost => "Broker::peer_lost",
        PeerChange::Unavailable => return fault(cx, "PEER_UNAVAILABLE", &news.message),
        PeerChange::Incompatible => return fault(cx, "PEER_INCOMPATIBLE", &news.message),
    };
    if let [info, ..] = params(cx, event)[..] {
        let info = endpoint(cx, info, &news.id, &news.address, news.port);
        cx.vm.raise_named(event, vec![info, string(&news.message)]);
    }
}

fn fault(cx: &mut CallCtx<'_>, code: &str, message: &str) {
    const EVENT: &str = "Broker::error";
    let code = format!("Broker::{code}");
    let code = crate::script::enumerator(cx.vm, &code);
    if let Some(code) = code {
        cx.vm.raise_named(EVENT, vec![code, string(message)]);
    }
}
