//! The machine that runs typed programs: register bytecode, its execution, events, timers, triggers and expiry.
//!
//! Owns: lowering of `tapir_script::hir` to bytecode, the frame stack, global variables, and the interface that
//! built-ins implement ([`host`]). Must not know: source text, packets, logs or files.

mod broker;
pub mod code;
mod dispatch;
mod errors;
mod exec;
mod funcs;
pub mod host;
mod limits;
mod lower;
mod ops;
mod origin;
mod outline;
mod seldom;
mod tables;
mod timers;
mod values;
pub mod vm;
pub mod watch;
mod when;

pub use errors::CallFrame;
pub use host::{
    AsyncToken, BuiltinFn, CallCtx, Failure, Host, Late, Location, Message, PatternJoin, Registry, RtError, Severity,
};
pub use values::plain_constant;
pub use vm::{CastHook, Limits, Vm};
