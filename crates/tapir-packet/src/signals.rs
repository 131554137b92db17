//! Being asked to stop: SIGINT and SIGTERM set a flag that the capture loop looks at, so that a run ends in order.
//! A second signal ends the process at once.
//!
//! The flag belongs to the process, as signals do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on SIGINT and SIGTERM ask to stop instead of ending the process, and a file that reached its size limit is an
/// error of writing like any other. Only the first call does something.
pub fn install() {
    STOP.get_or_init(|| {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the second signal finds the flag set and takes its default course. Neither can fail for a
            // signal that may be caught; if it did, the default course would be what is left.
            let _ = flag::register_conditional_default(signal, stop.clone());
            let _ = flag::register(signal, stop.clone());
        }
        // Caught, so that writing fails instead; nobody reads this flag.
        let _ = flag::register(SIGXFSZ, Arc::default());
        stop
    });
}

/// Whether a signal asked to stop.
pub fn stop_requested() -> bool {
    STOP.get().is_some_and(|s| s.load(Ordering::Relaxed))
}
