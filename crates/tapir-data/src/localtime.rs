//! Local time by the rules of the C library: the `TZ` variable, `strftime`, `strptime`.

use std::ffi::CStr;

/// A broken-down time as C keeps it.
#[derive(Clone, Copy)]
pub struct LocalTime(libc::tm);

impl std::fmt::Debug for LocalTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let t = &self.0;
        write!(
            f,
            "{:04}-{:02}-{:02}-{:02}:{:02}:{:02}",
            t.tm_year as i64 + 1900,
            t.tm_mon + 1,
            t.tm_mday,
            t.tm_hour,
            t.tm_min,
            t.tm_sec
        )
    }
}

impl LocalTime {
    /// The local time of a number of seconds since the epoch; `None` beyond the years that C can name.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        // SAFETY: `tm` is plain data, for which all zeros is a valid value.
        let mut tm: libc::tm = unsafe { std::mem::zeroed() };
        let t = seconds as libc::time_t;
        // SAFETY: both pointers are to live values of the right type; `localtime_r` keeps neither.
        let done = unsafe { libc::localtime_r(&t, &mut tm) };
        (!done.is_null()).then_some(LocalTime(tm))
    }

    /// Year, month from 1, day, hour, minute, second.
    pub fn parts(&self) -> (i64, u32, u32, u32, u32, u32) {
        let t = &self.0;
        (
            t.tm_year as i64 + 1900,
            t.tm_mon as u32 + 1,
            t.tm_mday as u32,
            t.tm_hour as u32,
            t.tm_min as u32,
            t.tm_sec as u32,
        )
    }

    /// The seconds since the epoch; fields beyond their range run over into the next.
    pub fn to_unix(mut self) -> Option<i64> {
        // SAFETY: the pointer is to a live, initialised `tm`.
        let t = unsafe { libc::mktime(&mut self.0) };
        (t != -1).then_some(t)
    }

    /// What `strftime` makes of it; `None` when the result is empty or does not fit into `len_max` bytes.
    pub fn format(&self, format: &CStr, len_max: usize) -> Option<Vec<u8>> {
        let mut buffer = vec![0u8; len_max + 1];
        // SAFETY: the buffer's length is given along, the format ends in NUL, and the time is initialised by `libc`.
        let n = unsafe { libc::strftime(buffer.as_mut_ptr().cast(), buffer.len(), format.as_ptr(), &self.0) };
        if n == 0 {
            return None;
        }
        buffer.truncate(n);
        Some(buffer)
    }

    /// What `strptime` reads; what the format leaves open is the beginning of 1970.
    pub fn parse(format: &CStr, text: &CStr) -> Option<Self> {
        // SAFETY: as in `from_unix`.
        let mut tm: libc::tm = unsafe { std::mem::zeroed() };
        tm.tm_year = 70;
        tm.tm_mday = 1;
        // SAFETY: both strings end in NUL and the target is live; nothing is kept.
        let rest = unsafe { libc::strptime(text.as_ptr(), format.as_ptr(), &mut tm) };
        (!rest.is_null()).then_some(LocalTime(tm))
    }
}
