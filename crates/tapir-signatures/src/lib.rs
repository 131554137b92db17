//! Regular expressions of the script language, and the signature language with its matchers.
//!
//! Owns the pattern dialect ([`pattern`]), the automata behind it ([`nfa`], [`dfa`]), signature files and rule
//! matching. Must not know values, connections or packets: bytes and plain facts come in, matches go out.

#![forbid(unsafe_code)]

pub mod ast;
pub mod dfa;
pub mod nfa;
pub mod pattern;

pub use pattern::Pattern;
