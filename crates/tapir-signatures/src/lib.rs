//! Regular expressions of the script language, and the signature language with its matchers.
//!
//! Owns the pattern dialect ([`pattern`]), the automata behind it ([`nfa`], [`dfa`], [`matcher`]), signature files
//! ([`rules`]) and rule matching ([`engine`]). Must not know values, connections or packets: bytes and plain facts come
//! in, matches go out.

#![forbid(unsafe_code)]

pub mod ast;
pub mod dfa;
pub mod engine;
mod groups;
pub mod header;
mod literals;
pub mod matcher;
pub mod nfa;
pub mod pattern;
mod prefilter;
pub mod rules;
mod rules_parser;

pub use engine::{ConnFacts, Fire, Host, PacketFacts, RuleSet, RuleState, Transport};
pub use pattern::Pattern;
pub use rules::{Action, Kind, LoadError, Names, Rule, ScriptValue};
