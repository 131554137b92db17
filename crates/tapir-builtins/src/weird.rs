//! Weird events that built-ins raise themselves.

use tapir_interface::events;
use tapir_vm::CallCtx;

/// Raises `net_weird`.
pub fn net(ctx: &mut CallCtx<'_>, name: &str, addl: &str, source: &str) {
    events::net_weird(ctx.queue(), name, addl, source);
}
