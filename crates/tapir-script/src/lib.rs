//! Source text to typed program: loader, lexer, parser, names, type checker and diagnostics.
//!
//! Must not know: packets, events' native side, or how programs run. What `@if` needs to evaluate comes in through
//! a trait that the VM implements. Directories in order of execution: `load`, `lex`, `parse`, `check`, then [`hir`].
#![forbid(unsafe_code)]

pub mod ast;
mod check;
pub mod diag;
pub mod hir;
pub mod lex;
pub mod load;
pub mod parse;
pub mod quote;
pub mod render;
pub mod symbol;
