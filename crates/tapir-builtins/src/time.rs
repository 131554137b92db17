//! Clocks and dates.

use std::ffi::CString;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tapir_data::localtime::LocalTime;
use tapir_data::value::Value;
use tapir_vm::CallCtx;

use crate::util::*;

pub const FAMILY: Family = &[
    ("current_time", |_, _| Ok(Value::Time(wall_clock()))),
    ("network_time", |ctx, _| Ok(Value::Time(ctx.network_time()))),
    ("strftime", strftime),
    ("strptime", strptime),
    ("sleep", sleep),
    ("calc_next_rotate", calc_next_rotate),
];

/// Seconds since the epoch.
pub fn wall_clock() -> f64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(d) => d.as_secs_f64(),
        Err(e) => -e.duration().as_secs_f64(),
    }
}

fn strftime(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (format, t) = (a.str(0)?.clone(), a.double(1)?);
    let format = c_string(ctx, &format);
    let done = CString::new(format)
        .ok()
        .and_then(|f| LocalTime::from_unix(t.trunc() as i64)?.format(&f, 127));
    Ok(match done {
        Some(s) => string(s),
        None => string("<strftime error>"),
    })
}

fn strptime(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (format, text) = (a.str(0)?.clone(), a.str(1)?.clone());
    let (format, text) = (c_string(ctx, &format), c_string(ctx, &text));
    let parsed = match (CString::new(format), CString::new(text)) {
        (Ok(f), Ok(t)) => LocalTime::parse(&f, &t),
        _ => None,
    };
    match parsed {
        Some(tm) => Ok(Value::Time(tm.to_unix().unwrap_or(0) as f64)),
        None => {
            ctx.warning("strptime conversion failed: fmt:%s d:%s");
            Ok(Value::Time(0.0))
        }
    }
}

fn sleep(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let start = wall_clock();
    let d = a.double(0)?;
    if d > 0.0 {
        std::thread::sleep(Duration::try_from_secs_f64(d).unwrap_or(Duration::ZERO));
    }
    Ok(Value::Interval(wall_clock() - start))
}

/// The time until the next multiple of an interval, counted from the base time of day.
pub fn until_rotation(now: f64, interval: f64, base: f64) -> f64 {
    if interval <= 0.0 || interval.is_nan() {
        return 0.0;
    }
    let midnight = LocalTime::from_unix(now.floor() as i64).map_or(0.0, |l| {
        let (_, _, _, h, m, s) = l.parts();
        now.floor() - (h * 3600 + m * 60 + s) as f64
    });
    let startup = midnight + base;
    let passed = (now - startup).rem_euclid(interval);
    interval - passed
}

fn calc_next_rotate(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let interval = a.double(0)?;
    let base = match ctx.vm.global_value("log_rotate_base_time") {
        Some(Value::Str(s)) => lossy(&s)
            .split_once(':')
            .and_then(|(h, m)| Some(h.parse::<f64>().ok()? * 3600.0 + m.parse::<f64>().ok()? * 60.0))
            .unwrap_or(0.0),
        _ => 0.0,
    };
    let now = ctx.network_time();
    Ok(Value::Interval(until_rotation(now, interval, base)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotation() {
        assert_eq!(until_rotation(1000.0, 3600.0, 0.0) + 1000.0, 3600.0);
        assert_eq!(until_rotation(1000.0, 0.0, 0.0), 0.0);
    }
}
