//! The allocator of the command.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_long};

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

unsafe extern "C" {
    /// Sets an option, unless the environment (`MIMALLOC_…`) did.
    fn mi_option_set_default(option: c_int, value: c_long);
}

/// `mi_option_purge_delay` of the 2.x line.
const PURGE_DELAY: c_int = 15;

/// Gives freed memory back to the system after a second, as later versions of the allocator do by themselves. After its 10 ms
/// traffic has use for the memory again, and each page must be cleared and mapped anew.
pub fn set_up() {
    // SAFETY: the allocator linked in above exports this function, which takes two plain numbers and writes one of its own
    // settings; no other thread runs yet.
    unsafe { mi_option_set_default(PURGE_DELAY, 1000) };
}
