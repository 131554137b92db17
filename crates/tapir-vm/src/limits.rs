//! Memory: what scripts may take, and noticing in time that they take too much.
//!
//! The resident memory is asked for every so many steps and every so many bytes of large values. A script that
//! allocates without end gets an error at the limit, or before it when the machine has next to nothing left.

use std::sync::OnceLock;

use crate::host::{RtError, Severity};
use crate::vm::Vm;

/// Between two looks at the process' memory.
const CHARGE_MAX: usize = 64 << 20;

impl Vm {
    /// Room for a vector whose index `idx` is about to be written.
    #[cold]
    pub(crate) fn vector_room(&mut self, idx: u64) -> Result<(), RtError> {
        if idx >= self.limits.vector_len_max {
            let text = format!(
                "vector index {idx} is beyond the limit of {}",
                self.limits.vector_len_max
            );
            return Err(self.detailed_here(&text));
        }
        self.charge(idx as usize * 24)
    }

    /// Notes an allocation; every so often the process' memory is looked at.
    #[inline]
    pub(crate) fn charge(&mut self, bytes: usize) -> Result<(), RtError> {
        self.alloc_debt += bytes;
        if self.alloc_debt > CHARGE_MAX {
            return self.charge_now(bytes);
        }
        Ok(())
    }

    #[cold]
    fn charge_now(&mut self, bytes: usize) -> Result<(), RtError> {
        self.alloc_debt = 0;
        if bytes as u64 > self.limits.memory_max / 4 && bytes > 1 << 28 {
            return Err(self.memory_error());
        }
        self.check_memory()
    }

    pub(crate) fn check_memory(&mut self) -> Result<(), RtError> {
        let Some(used) = resident_bytes() else {
            return Ok(());
        };
        let max = self.limits.memory_max;
        if used > max {
            return Err(self.memory_error());
        }
        // A large share is ours and the machine is about to run out: better an error than a process killed.
        if used > max / 4
            && let (Some(total), Some(left)) = (meminfo("MemTotal:"), meminfo("MemAvailable:"))
            && left < (total / 50).max(64 << 20)
        {
            let text = format!("memory is used up: {} MiB of the machine's are left", left >> 20);
            return Err(self.located(Severity::RuntimeError, text));
        }
        Ok(())
    }

    fn memory_error(&mut self) -> RtError {
        let text = format!("memory limit of {} MiB exceeded", self.limits.memory_max >> 20);
        self.located(Severity::RuntimeError, text)
    }
}

/// The process' resident memory.
fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

/// A line of the system's memory statistics, in bytes.
fn meminfo(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with(name))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

/// What the control groups of this process grant it, in either version: the least along the path to the root.
fn group_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut least: Option<u64> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, file) = match kinds {
            "" => ("/sys/fs/cgroup", "memory.max"),
            k if k.split(',').any(|k| k == "memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        for at in std::path::Path::new(path).ancestors() {
            let at = at.to_string_lossy();
            let text = std::fs::read_to_string(format!("{root}{at}/{file}")).unwrap_or_default();
            if let Ok(n) = text.trim().parse::<u64>() {
                least = Some(least.map_or(n, |l| l.min(n)));
            }
        }
    }
    least
}

/// The address space that the process may have at most, where there is a limit.
fn address_limit() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|l| l.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Three quarters of the memory of the machine, or of what this process may use of it when the first machine is made.
pub(crate) fn default_memory_max() -> u64 {
    static MAX: OnceLock<u64> = OnceLock::new();
    *MAX.get_or_init(|| {
        let total = meminfo("MemTotal:").unwrap_or(12 << 30);
        let limits = [group_limit(), address_limit()];
        limits.into_iter().flatten().fold(total, u64::min) / 4 * 3
    })
}
