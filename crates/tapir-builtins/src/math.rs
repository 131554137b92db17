//! Mathematics.

use tapir_data::value::Value;
use tapir_vm::CallCtx;

use crate::util::*;

pub const FAMILY: Family = &[
    ("floor", |_, a| Ok(Value::Double(a.double(0)?.floor()))),
    ("ceil", |_, a| Ok(Value::Double(a.double(0)?.ceil()))),
    ("exp", |_, a| Ok(Value::Double(a.double(0)?.exp()))),
    ("ln", |_, a| Ok(Value::Double(a.double(0)?.ln()))),
    ("log2", |_, a| Ok(Value::Double(a.double(0)?.log2()))),
    ("log10", |_, a| Ok(Value::Double(a.double(0)?.log10()))),
    ("pow", |_, a| Ok(Value::Double(a.double(0)?.powf(a.double(1)?)))),
    ("sqrt", sqrt),
    ("modulo", modulo),
    ("haversine_distance", haversine_distance),
];

fn sqrt(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let x = a.double(0)?;
    if x < 0.0 {
        plain_error(ctx, "negative sqrt argument");
        return Ok(Value::Double(-1.0));
    }
    Ok(Value::Double(x.sqrt()))
}

/// The remainder with the sign of the divisor.
fn modulo(ctx: &mut CallCtx<'_>, a: &[Value]) -> Res {
    let (n, d) = (a.int(0)?, a.int(1)?);
    if d == 0 {
        plain_error(ctx, "modulo by zero");
        return Ok(Value::Int(0));
    }
    let r = n.wrapping_rem(d);
    Ok(Value::Int(if r != 0 && (r < 0) != (d < 0) { r + d } else { r }))
}

/// Great-circle distance in miles.
fn haversine_distance(_: &mut CallCtx<'_>, a: &[Value]) -> Res {
    const RADIUS_MILES: f64 = 3958.8;
    let (lat1, long1) = (a.double(0)?.to_radians(), a.double(1)?.to_radians());
    let (lat2, long2) = (a.double(2)?.to_radians(), a.double(3)?.to_radians());
    let s1 = ((lat2 - lat1) / 2.0).sin();
    let s2 = ((long2 - long1) / 2.0).sin();
    let h = s1 * s1 + lat1.cos() * lat2.cos() * s2 * s2;
    Ok(Value::Double(2.0 * RADIUS_MILES * h.sqrt().min(1.0).asin()))
}
