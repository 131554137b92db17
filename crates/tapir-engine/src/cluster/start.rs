//! Starting the backend that scripts chose.

use tapir_vm::{CallCtx, RtError, Severity};

use crate::host::of;

/// `Cluster::Backend::__init`: starts the node under an id. False after a report.
///
/// # Errors
/// When this runs without an engine.
pub fn start(cx: &mut CallCtx<'_>, node_id: &str) -> Result<bool, RtError> {
    if of(cx)?.cluster.is_running() {
        return Ok(true);
    }
    let backend = match of(cx)?.cluster.offered.take() {
        Some(b) => b,
        None => {
            let chosen = crate::globals::string(cx.vm, "Cluster::backend").unwrap_or_default();
            cx.report_plain(Severity::Fatal, format!("there is no cluster backend {chosen}"));
            return Ok(false);
        }
    };
    match of(cx)?.cluster.run(backend, node_id.to_string()) {
        Ok(()) => Ok(true),
        Err(why) => {
            cx.report_plain(Severity::Fatal, format!("cannot join the cluster: {why}"));
            Ok(false)
        }
    }
}
