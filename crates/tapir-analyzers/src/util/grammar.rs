//! Where errors are in the grammars of the reference.
//!
//! Some of the reference's analyzers are generated from grammars, and the texts of their errors end with the place in the
//! grammar where parsing failed. They are reported in `analyzer_violation_info` and in analyzer.log, where scripts and
//! people compare them, so they are told here as well: places and root are those of the recorded outputs of version 9.0.
//! Errors whose place has not been recorded are told without one.

use std::fmt::Display;

/// The folder of the grammars in the build that the recorded outputs come from.
const ROOT: &str = "/tmp/ref/zeek/src/analyzer/protocol";

/// The reason of a generated analyzer for giving up what it reads.
pub fn exception(what: impl Display) -> String {
    format!("Binpac exception: binpac exception: {what}")
}

/// A reason with its place, `FILE:LINE:COLUMN-LINE:COLUMN`.
pub fn at(reason: &str, place: &str) -> String {
    format!("{reason} ({ROOT}/{place})")
}

/// The reason that a line does not match the pattern of a field. `place` is `FILE:LINE`.
pub fn string_mismatch(place: &str, pattern: &str, actual: &str) -> String {
    exception(format_args!(
        "string mismatch at {ROOT}/{place}: \nexpected pattern: \"{pattern}\"\nactual data: \"{actual}\""
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_follow_the_reason() {
        let text = at("decryption failed", "quic/QUIC.spicy:612:21-619:21");
        assert!(text.starts_with("decryption failed (/"), "{text}");
        assert!(text.ends_with("/quic/QUIC.spicy:612:21-619:21)"), "{text}");
    }
}
