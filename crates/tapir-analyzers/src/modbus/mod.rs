//! Modbus over TCP (Modbus Application Protocol V1.1b3).

use tapir_data::value::Value;
use tapir_interface::bindings::TypeIdx;
use tapir_interface::{records, types};

use crate::core::Cx;
use crate::raise;
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::util::units::{AfterGap, Step, Stream, Units};

/// The analyzer.
pub type Modbus = Stream<Messages>;

/// What was told of messages.
#[derive(Default)]
pub struct Messages {
    /// The header of the message that is incomplete was told of.
    told: [bool; 2],
}

fn coils(cx: &Cx, bytes: &[u8], quantity: usize) -> Value {
    let v = (0..quantity.min(bytes.len() * 8))
        .map(|i| Value::Bool(bytes[i / 8] >> (i % 8) & 1 != 0))
        .collect();
    cx.vector(types::MODBUSCOILS, v)
}

fn registers(cx: &Cx, bytes: &[u8]) -> Value {
    let v = bytes
        .chunks_exact(2)
        .map(|c| Value::Count(u16::from_be_bytes([c[0], c[1]]) as u64))
        .collect();
    cx.vector(types::MODBUSREGISTERS, v)
}

impl Messages {
    /// The header with the function, told of as soon as it is there.
    fn header(&mut self, cx: &mut Cx, is_orig: bool, c: &mut Cursor) -> Option<(Value, u8)> {
        let (tid, pid, len, uid, fc) = (c.n16()?, c.n16()?, c.n16()?, c.n8()?, c.u8()?);
        let h = records::ModbusHeaders {
            tid,
            pid,
            uid,
            function_code: fc as u64,
            len,
        }
        .build(cx.q.bindings());
        if !std::mem::replace(&mut self.told[is_orig as usize], true) {
            raise!(cx, modbus_message, h.clone(), is_orig);
        }
        Some((h, fc))
    }

    fn adu(&mut self, cx: &mut Cx, is_orig: bool, adu: &[u8]) -> Option<()> {
        let mut c = Cursor::new(adu);
        let (h, fc) = self.header(cx, is_orig, &mut c)?;
        self.told[is_orig as usize] = false;
        if fc & 0x80 != 0 && !is_orig {
            if let Some(code) = c.n8() {
                raise!(cx, modbus_exception, h, code);
            }
        } else if is_orig {
            request(cx, h, fc, &mut c)?;
        } else {
            response(cx, h, fc, &mut c)?;
        }
        cx.confirm();
        Some(())
    }
}

fn refs(cx: &Cx, ty: TypeIdx, items: Vec<Value>) -> Value {
    cx.vector(ty, items)
}

fn file_references(cx: &mut Cx, c: &mut Cursor) -> Option<(u64, Value)> {
    let count = c.n8()?;
    let mut body = c.sub(count as usize)?;
    let mut out = Vec::new();
    while !body.is_empty() {
        let (ref_type, file_num, record_num, record_len) = (body.n8()?, body.n16()?, body.n16()?, body.n16()?);
        let data = body.take(record_len as usize * 2)?;
        out.push(
            records::ModbusFileReference {
                ref_type,
                file_num,
                record_num,
                record_len,
                record_data: data.into(),
            }
            .build(cx.q.bindings()),
        );
    }
    Some((count, refs(cx, types::MODBUSFILEREFERENCES, out)))
}

fn request(cx: &mut Cx, h: Value, fc: u8, c: &mut Cursor) -> Option<()> {
    match fc {
        1..=4 => {
            let (start, n) = (c.n16()?, c.n16()?);
            match fc {
                1 => {
                    raise!(cx, modbus_read_coils_request, h, start, n);
                }
                2 => {
                    raise!(cx, modbus_read_discrete_inputs_request, h, start, n);
                }
                3 => {
                    raise!(cx, modbus_read_holding_registers_request, h, start, n);
                }
                _ => {
                    raise!(cx, modbus_read_input_registers_request, h, start, n);
                }
            }
        }
        5 => {
            let (a, v) = (c.n16()?, c.n16()?);
            raise!(cx, modbus_write_single_coil_request, h, a, v == 0xff00);
        }
        6 => {
            let (a, v) = (c.n16()?, c.n16()?);
            raise!(cx, modbus_write_single_register_request, h, a, v);
        }
        8 => {
            let sub = c.n16()?;
            raise!(cx, modbus_diagnostics_request, h, sub, c.take_rest());
        }
        15 => {
            let (start, n) = (c.n16()?, c.u16()?);
            let bytes = c.vec8()?;
            let v = coils(cx, bytes, n as usize);
            raise!(cx, modbus_write_multiple_coils_request, h, start, v);
        }
        16 => {
            let start = c.n16()?;
            c.u16()?;
            let bytes = c.vec8()?;
            let v = registers(cx, bytes);
            raise!(cx, modbus_write_multiple_registers_request, h, start, v);
        }
        20 => {
            let count = c.n8()?;
            let mut body = c.sub(count as usize)?;
            let mut out = Vec::new();
            while !body.is_empty() {
                out.push(
                    records::ModbusFileRecordRequest {
                        ref_type: body.n8()?,
                        file_num: body.n16()?,
                        record_num: body.n16()?,
                        record_len: body.n16()?,
                    }
                    .build(cx.q.bindings()),
                );
            }
            let v = refs(cx, types::MODBUSFILERECORDREQUESTS, out);
            raise!(cx, modbus_read_file_record_request, h, count, v);
        }
        21 => {
            let (count, v) = file_references(cx, c)?;
            raise!(cx, modbus_write_file_record_request, h, count, v);
        }
        22 => {
            let (a, and, or) = (c.n16()?, c.n16()?, c.n16()?);
            raise!(cx, modbus_mask_write_register_request, h, a, and, or);
        }
        23 => {
            let (rs, rq, ws) = (c.n16()?, c.n16()?, c.n16()?);
            let quantity = c.u16()? as usize;
            c.u8()?;
            let bytes = c.take(2 * quantity)?;
            let v = registers(cx, bytes);
            raise!(cx, modbus_read_write_multiple_registers_request, h, rs, rq, ws, v);
        }
        24 => {
            let start = c.n16()?;
            raise!(cx, modbus_read_fifo_queue_request, h, start);
        }
        43 => {
            let mei = c.n8()?;
            raise!(cx, modbus_encap_interface_transport_request, h, mei, c.take_rest());
        }
        _ => {}
    }
    Some(())
}

fn response(cx: &mut Cx, h: Value, fc: u8, c: &mut Cursor) -> Option<()> {
    match fc {
        1 | 2 => {
            let bytes = c.vec8()?;
            let v = coils(cx, bytes, bytes.len() * 8);
            if fc == 1 {
                raise!(cx, modbus_read_coils_response, h, v);
            } else {
                raise!(cx, modbus_read_discrete_inputs_response, h, v);
            }
        }
        3 | 4 => {
            let bytes = c.vec8()?;
            let v = registers(cx, bytes);
            if fc == 3 {
                raise!(cx, modbus_read_holding_registers_response, h, v);
            } else {
                raise!(cx, modbus_read_input_registers_response, h, v);
            }
        }
        5 => {
            let (a, v) = (c.n16()?, c.n16()?);
            raise!(cx, modbus_write_single_coil_response, h, a, v == 0xff00);
        }
        6 => {
            let (a, v) = (c.n16()?, c.n16()?);
            raise!(cx, modbus_write_single_register_response, h, a, v);
        }
        8 => {
            let sub = c.n16()?;
            raise!(cx, modbus_diagnostics_response, h, sub, c.take_rest());
        }
        15 => {
            let (a, n) = (c.n16()?, c.n16()?);
            raise!(cx, modbus_write_multiple_coils_response, h, a, n);
        }
        16 => {
            let (a, n) = (c.n16()?, c.n16()?);
            raise!(cx, modbus_write_multiple_registers_response, h, a, n);
        }
        20 => {
            let count = c.n8()?;
            let mut body = c.sub(count as usize)?;
            let mut out = Vec::new();
            while !body.is_empty() {
                let file_len = body.n8()?;
                let ref_type = body.n8()?;
                let data = body.take((file_len as usize).saturating_sub(1))?;
                out.push(
                    records::ModbusFileRecordResponse {
                        file_len,
                        ref_type,
                        record_data: data.into(),
                    }
                    .build(cx.q.bindings()),
                );
            }
            let v = refs(cx, types::MODBUSFILERECORDRESPONSES, out);
            raise!(cx, modbus_read_file_record_response, h, count, v);
        }
        21 => {
            let (count, v) = file_references(cx, c)?;
            raise!(cx, modbus_write_file_record_response, h, count, v);
        }
        22 => {
            let (a, and, or) = (c.n16()?, c.n16()?, c.n16()?);
            raise!(cx, modbus_mask_write_register_response, h, a, and, or);
        }
        23 => {
            let bytes = c.vec8()?;
            let v = registers(cx, bytes);
            raise!(cx, modbus_read_write_multiple_registers_response, h, v);
        }
        24 => {
            c.u16()?;
            let n = c.u16()? as usize;
            let bytes = c.take(n * 2)?;
            let v = registers(cx, bytes);
            raise!(cx, modbus_read_fifo_queue_response, h, v);
        }
        43 => {
            let mei = c.n8()?;
            raise!(cx, modbus_encap_interface_transport_response, h, mei, c.take_rest());
        }
        _ => {}
    }
    Some(())
}

impl Units for Messages {
    fn unit(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Step {
        let &[_, _, p0, p1, high, low, _, _, ..] = data else {
            return Step::More;
        };
        // What does not parse is let go with all that came with it; the next data may begin with a message.
        let refuse = |cx: &mut Cx, what: &str| Step::let_go(cx, &grammar::exception(what), data);
        let len = usize::from(high) << 8 | usize::from(low);
        if (p0, p1) != (0, 0) {
            return refuse(cx, "&enforce violation : ModbusTCP_TransportHeader:pid");
        }
        if len < 2 {
            return refuse(cx, "out_of_bound: ModbusTCP_TransportHeader:len");
        }
        let Some(adu) = data.get(..6 + len) else {
            self.header(cx, is_orig, &mut Cursor::new(data));
            return Step::More;
        };
        match self.adu(cx, is_orig, adu) {
            Some(()) => Step::Used(adu.len()),
            None => refuse(cx, "out_of_bound: ModbusTCP_PDU"),
        }
    }

    fn gap(&mut self, _is_orig: bool) -> AfterGap {
        AfterGap::Ignore
    }

    fn flip(&mut self) {
        self.told.swap(0, 1);
    }
}
