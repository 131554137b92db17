//! A descriptor that makes a polling thread look up.

use std::os::fd::OwnedFd;

use rustix::event::{EventfdFlags, eventfd};

/// A new one, not signalled.
///
/// # Errors
/// No descriptor is left.
pub fn new() -> std::io::Result<OwnedFd> {
    Ok(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?)
}

/// Makes it readable.
pub fn signal(fd: &OwnedFd) {
    // It fails only when it is readable already.
    let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
}

/// Makes it unreadable again.
pub fn clear(fd: &OwnedFd) {
    let _ = rustix::io::read(fd, &mut [0u8; 8]);
}
