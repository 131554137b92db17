//! Object headers and objects of DNP3 application fragments (IEEE 1815, section 4.2 and annex A).

use crate::core::Cx;
use crate::raise;
use crate::util::cursor::Cursor;

/// What stands for the ends of a range that a header does not have.
const NO_RANGE: u64 = 0xffff;

/// Reads all object headers of a fragment with their objects.
pub(super) fn all(cx: &mut Cx, is_orig: bool, fc: u8, response: bool, c: &mut Cursor) -> Option<()> {
    while !c.is_empty() {
        let obj = c.n16()?;
        let qua = c.u8()?;
        let (prefix, range) = (qua >> 4 & 7, qua & 15);
        let (number, low, high) = match range {
            0 | 3 => ranged(c.n8()?, c.n8()?)?,
            1 | 4 => ranged(c.n16le()?, c.n16le()?)?,
            2 | 5 => ranged(c.n32le()?, c.n32le()?)?,
            6 => (0, NO_RANGE, NO_RANGE),
            7 | 11 => (c.n8()?, NO_RANGE, NO_RANGE),
            8 => (c.n16le()?, NO_RANGE, NO_RANGE),
            9 => (c.n32le()?, NO_RANGE, NO_RANGE),
            _ => return None,
        };
        raise!(cx, dnp3_object_header, is_orig, obj, qua as u64, number, low, high);
        // Requests that only name objects carry none, but for the time at which to freeze.
        let has_data = response || matches!(fc, 2..=6) || (matches!(fc, 11 | 12) && obj >> 8 == 50);
        if let (Some(bits), true) = (packed(obj), has_data) {
            for _ in 0..number.checked_mul(bits)?.div_ceil(8) {
                let v = c.n8()?;
                raise!(cx, dnp3_response_data_object, is_orig, v);
            }
            continue;
        }
        for _ in 0..number {
            let told = match prefix {
                0 => None,
                1 | 4 => Some(c.n8()?),
                2 | 5 => Some(c.n16le()?),
                3 | 6 => Some(c.n32le()?),
                _ => return None,
            };
            if let Some(v) = told {
                raise!(cx, dnp3_object_prefix, is_orig, v);
            }
            let before = c.left();
            match told {
                // The prefix is the object's size: there is one, whatever the function, and the next stands behind it.
                Some(size) if prefix >= 4 => {
                    let mut body = c.sub(usize::try_from(size).ok()?)?;
                    // What an object of another form holds is of no consequence for those behind it.
                    let _ = object(cx, is_orig, obj, &mut body);
                }
                _ if has_data => object(cx, is_orig, obj, c)?,
                _ => {}
            }
            // Without prefixes and data there is nothing behind the header.
            if told.is_none() && c.left() == before {
                break;
            }
        }
    }
    Some(())
}

/// How many objects there are from one index to another.
fn ranged(low: u64, high: u64) -> Option<(u64, u64, u64)> {
    Some((high.checked_sub(low)? + 1, low, high))
}

/// The bits that an object has, if objects stand side by side in bytes.
fn packed(obj: u64) -> Option<u64> {
    match obj {
        0x0101 | 0x0a01 | 0x0c03 => Some(1),
        0x0301 => Some(2),
        _ if obj >> 8 == 80 => Some(1),
        _ => None,
    }
}

/// The size of objects that nothing is told of but their headers.
fn size(obj: u64) -> Option<usize> {
    let variation = (obj & 0xff) as usize;
    let sizes: &[usize] = match obj >> 8 {
        // Counter events.
        22 | 23 => &[5, 3, 5, 3, 11, 9, 11, 9],
        // Deadbands of analog inputs.
        34 => &[2, 4, 4],
        // Analog outputs: status, commands, events of both.
        40 | 41 => &[5, 3, 5, 9],
        42 | 43 => &[5, 3, 11, 9, 5, 9, 11, 15],
        // Times and delays.
        50 => &[6, 10, 6, 11],
        51 => &[6, 6],
        52 => &[2, 2],
        // Octet strings and virtual terminals are as long as their variation says.
        110..=113 => return Some(variation),
        102 => &[1],
        _ => return None,
    };
    sizes.get(variation.checked_sub(1)?).copied()
}

fn time48(c: &mut Cursor) -> Option<u64> {
    let b = c.array::<6>()?;
    Some(b.iter().rev().fold(0, |n, x| n << 8 | *x as u64))
}

/// One object by group and variation.
fn object(cx: &mut Cx, o: bool, obj: u64, c: &mut Cursor) -> Option<()> {
    macro_rules! flag_value {
        ($ev:ident, $rd:ident) => {{
            let f = c.n8()?;
            let v = c.$rd()?;
            raise!(cx, $ev, o, f, v);
        }};
    }
    macro_rules! flag_value_time {
        ($ev:ident, $rd:ident) => {{
            let f = c.n8()?;
            let v = c.$rd()?;
            let t = time48(c)?;
            raise!(cx, $ev, o, f, v, t);
        }};
    }
    macro_rules! value {
        ($ev:ident, $rd:ident) => {{
            let v = c.$rd()?;
            raise!(cx, $ev, o, v);
        }};
    }
    macro_rules! flag_double {
        ($ev:ident) => {{
            let f = c.n8()?;
            let (a, b) = (c.n32le()?, c.n32le()?);
            raise!(cx, $ev, o, f, a, b);
        }};
    }
    macro_rules! flag_double_time {
        ($ev:ident) => {{
            let f = c.n8()?;
            let (a, b) = (c.n32le()?, c.n32le()?);
            let t = time48(c)?;
            raise!(cx, $ev, o, f, a, b, t);
        }};
    }
    match obj {
        // Points of one bit or two with their flags, and events of such with the time, whole or since another.
        0x0102 | 0x0201 | 0x0302 | 0x0401 | 0x0a02 | 0x0b01 | 0x0d01 => value!(dnp3_response_data_object, n8),
        0x0202 | 0x0402 | 0x0b02 | 0x0d02 => {
            let v = c.n8()?;
            c.skip(6)?;
            raise!(cx, dnp3_response_data_object, o, v);
        }
        0x0203 | 0x0403 => {
            let v = c.n8()?;
            c.skip(2)?;
            raise!(cx, dnp3_response_data_object, o, v);
        }
        0x0c01 => {
            let (code, count) = (c.n8()?, c.n8()?);
            let (on, off, status) = (c.n32le()?, c.n32le()?, c.n8()?);
            raise!(cx, dnp3_crob, o, code, count, on, off, status);
        }
        0x0c02 => {
            let (code, count) = (c.n8()?, c.n8()?);
            let (on, off, status) = (c.n32le()?, c.n32le()?, c.n8()?);
            raise!(cx, dnp3_pcb, o, code, count, on, off, status);
        }
        0x1401 | 0x1403 => flag_value!(dnp3_counter_32wflag, n32le),
        0x1402 | 0x1404 => flag_value!(dnp3_counter_16wflag, n16le),
        0x1405 | 0x1407 => value!(dnp3_counter_32woflag, n32le),
        0x1406 | 0x1408 => value!(dnp3_counter_16woflag, n16le),
        0x1501 | 0x1503 => flag_value!(dnp3_frozen_counter_32wflag, n32le),
        0x1502 | 0x1504 => flag_value!(dnp3_frozen_counter_16wflag, n16le),
        0x1505 | 0x1507 => flag_value_time!(dnp3_frozen_counter_32wflagtime, n32le),
        0x1506 | 0x1508 => flag_value_time!(dnp3_frozen_counter_16wflagtime, n16le),
        0x1509 | 0x150b => value!(dnp3_frozen_counter_32woflag, n32le),
        0x150a | 0x150c => value!(dnp3_frozen_counter_16woflag, n16le),
        0x1e01 => flag_value!(dnp3_analog_input_32wflag, n32le),
        0x1e02 => flag_value!(dnp3_analog_input_16wflag, n16le),
        0x1e03 => value!(dnp3_analog_input_32woflag, n32le),
        0x1e04 => value!(dnp3_analog_input_16woflag, n16le),
        0x1e05 => flag_value!(dnp3_analog_input_spwflag, n32le),
        0x1e06 => flag_double!(dnp3_analog_input_dpwflag),
        0x1f01 => flag_value!(dnp3_frozen_analog_input_32wflag, n32le),
        0x1f02 => flag_value!(dnp3_frozen_analog_input_16wflag, n16le),
        0x1f03 => flag_value_time!(dnp3_frozen_analog_input_32wtime, n32le),
        0x1f04 => flag_value_time!(dnp3_frozen_analog_input_16wtime, n16le),
        0x1f05 => value!(dnp3_frozen_analog_input_32woflag, n32le),
        0x1f06 => value!(dnp3_frozen_analog_input_16woflag, n16le),
        0x1f07 => flag_value!(dnp3_frozen_analog_input_spwflag, n32le),
        0x1f08 => flag_double!(dnp3_frozen_analog_input_dpwflag),
        0x2001 => flag_value!(dnp3_analog_input_event_32wotime, n32le),
        0x2002 => flag_value!(dnp3_analog_input_event_16wotime, n16le),
        0x2003 => flag_value_time!(dnp3_analog_input_event_32wtime, n32le),
        0x2004 => flag_value_time!(dnp3_analog_input_event_16wtime, n16le),
        0x2005 => flag_value!(dnp3_analog_input_event_spwotime, n32le),
        0x2006 => flag_double!(dnp3_analog_input_event_dpwotime),
        0x2007 => flag_value_time!(dnp3_analog_input_event_spwtime, n32le),
        0x2008 => flag_double_time!(dnp3_analog_input_event_dpwtime),
        0x2101 => flag_value!(dnp3_frozen_analog_input_event_32wotime, n32le),
        0x2102 => flag_value!(dnp3_frozen_analog_input_event_16wotime, n16le),
        0x2103 => flag_value_time!(dnp3_frozen_analog_input_event_32wtime, n32le),
        0x2104 => flag_value_time!(dnp3_frozen_analog_input_event_16wtime, n16le),
        0x2105 => flag_value!(dnp3_frozen_analog_input_event_spwotime, n32le),
        0x2106 => flag_double!(dnp3_frozen_analog_input_event_dpwotime),
        0x2107 => flag_value_time!(dnp3_frozen_analog_input_event_spwtime, n32le),
        0x2108 => flag_double_time!(dnp3_frozen_analog_input_event_dpwtime),
        0x4605 => {
            let (h, b) = (c.n32le()?, c.n32le()?);
            raise!(cx, dnp3_file_transport, o, h, b, c.take_rest());
        }
        _ if obj >> 8 == 0 => {
            let ty = c.n8()?;
            let len = c.n8()?;
            let v = c.take(len as usize)?;
            raise!(cx, dnp3_attribute_common, o, ty, len, v);
        }
        _ => match size(obj) {
            Some(n) => c.skip(n)?,
            // The size of other objects is not known here, so what follows cannot be found.
            None => {
                raise!(cx, dnp3_debug_byte, o, c.take_rest());
            }
        },
    }
    Some(())
}
