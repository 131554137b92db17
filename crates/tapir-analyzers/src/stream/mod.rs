//! No protocol: the bytes of a stream as events, for scripts that look at them themselves.

use crate::core::{Analyzer, Cx};
use crate::raise;

/// The analyzer.
#[derive(Default)]
pub struct StreamEvent;

impl Analyzer for StreamEvent {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        raise!(cx, stream_deliver, is_orig, data);
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, seq: u64, len: u64) {
        raise!(cx, stream_undelivered, is_orig, seq, len);
    }
}
