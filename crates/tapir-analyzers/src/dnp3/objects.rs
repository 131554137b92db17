//! Object headers and objects of DNP3 application fragments.

use crate::core::Cx;
use crate::util::cursor::Cursor;
use crate::{raise, wants};

/// Reads all object headers of a fragment with their objects.
pub(super) fn all(cx: &mut Cx, is_orig: bool, fc: u8, response: bool, c: &mut Cursor) -> Option<()> {
    // Nobody asked for objects: the header events were all.
    if !wants!(
        cx,
        dnp3_object_header
            | dnp3_object_prefix
            | dnp3_response_data_object
            | dnp3_crob
            | dnp3_pcb
            | dnp3_attribute_common
            | dnp3_file_transport
            | dnp3_analog_input_32wflag
            | dnp3_analog_input_16wflag
            | dnp3_counter_32wflag
            | dnp3_counter_16wflag
            | dnp3_frozen_counter_32wflag
    ) {
        return Some(());
    }
    while !c.is_empty() {
        let obj = c.n16()?;
        let qua = c.u8()?;
        let (prefix, range) = (qua >> 4 & 7, qua & 15);
        let (number, low, high) = match range {
            0 | 3 => {
                let (a, b) = (c.n8()?, c.n8()?);
                (b.checked_sub(a)? + 1, a, b)
            }
            1 | 4 => {
                let (a, b) = (c.n16le()?, c.n16le()?);
                (b.checked_sub(a)? + 1, a, b)
            }
            2 | 5 => {
                let (a, b) = (c.n32le()?, c.n32le()?);
                (b.checked_sub(a)?.checked_add(1)?, a, b)
            }
            6 => (0, 0, 0),
            7 => (c.n8()?, 0, 0),
            8 => (c.n16le()?, 0, 0),
            9 => (c.n32le()?, 0, 0),
            11 => (c.n8()?, 0, 0),
            _ => return None,
        };
        raise!(cx, dnp3_object_header, is_orig, obj, qua as u64, number, low, high);
        // Requests that only name objects carry none.
        let has_data = response || matches!(fc, 2..=6);
        let packed = matches!(obj, 0x0101 | 0x0301 | 0x0a01) || (obj >> 8 == 80);
        if packed && has_data {
            for _ in 0..number.div_ceil(8) {
                let v = c.n8()?;
                raise!(cx, dnp3_response_data_object, is_orig, v);
            }
            continue;
        }
        for _ in 0..number {
            match prefix {
                0 => {}
                1 | 4 => {
                    let v = c.n8()?;
                    raise!(cx, dnp3_object_prefix, is_orig, v);
                }
                2 | 5 => {
                    let v = c.n16le()?;
                    raise!(cx, dnp3_object_prefix, is_orig, v);
                }
                3 | 6 => {
                    let v = c.n32le()?;
                    raise!(cx, dnp3_object_prefix, is_orig, v);
                }
                _ => return None,
            }
            if has_data {
                object(cx, is_orig, obj, c)?;
            } else if prefix == 0 {
                break;
            }
        }
    }
    Some(())
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
        0x0102 | 0x0a02 | 0x0302 => {
            let v = c.n8()?;
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
            let n = c.u16le().map(usize::from)?;
            let (h, b) = (c.n32le()?, c.n32le()?);
            let data = c.take(n.saturating_sub(8).min(c.left()))?;
            raise!(cx, dnp3_file_transport, o, h, b, data);
        }
        _ if obj >> 8 == 0 => {
            let ty = c.n8()?;
            let len = c.n8()?;
            let v = c.take(len as usize)?;
            raise!(cx, dnp3_attribute_common, o, ty, len, v);
        }
        // The size of other objects is not known here, so what follows cannot be found.
        _ => {
            raise!(cx, dnp3_debug_byte, o, c.take_rest());
        }
    }
    Some(())
}
