//! NTP versions 1 to 4 with control and private messages (RFC 5905, 9327).

use tapir_data::value::{Addr, Value};
use tapir_interface::records;

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;
use crate::util::grammar;

/// Seconds between the NTP and the Unix epoch.
const EPOCH: f64 = 2_208_988_800.0;

/// The analyzer.
#[derive(Default)]
pub struct Ntp {
    flipped: bool,
}

fn timestamp(c: &mut Cursor) -> Option<f64> {
    let (s, f) = (c.u32()?, c.u32()?);
    if s == 0 {
        return Some(0.0);
    }
    Some(s as f64 - EPOCH + f as f64 / 4_294_967_296.0)
}

fn short(c: &mut Cursor) -> Option<f64> {
    Some(c.u16()? as f64 + c.u16()? as f64 / 65_536.0)
}

impl Ntp {
    fn standard(cx: &mut Cx, c: &mut Cursor) -> Result<Option<Value>, &'static str> {
        let r = (|| {
            let stratum = c.u8()?;
            let poll = c.u8()? as i8;
            let precision = c.u8()? as i8;
            let root_delay = short(c)?;
            let root_disp = short(c)?;
            let id = c.array::<4>()?;
            let times = [timestamp(c)?, timestamp(c)?, timestamp(c)?, timestamp(c)?];
            Some((stratum, poll, precision, root_delay, root_disp, id, times))
        })();
        let Some((stratum, poll, precision, root_delay, root_disp, id, t)) = r else {
            return Ok(None);
        };
        let mut m = records::NTPStandardMessage {
            stratum: stratum as u64,
            poll: (poll as f64).exp2(),
            precision: (precision as f64).exp2(),
            root_delay,
            root_disp,
            ref_time: t[0],
            org_time: t[1],
            rec_time: t[2],
            xmt_time: t[3],
            ..Default::default()
        };
        match stratum {
            0 => m.kiss_code = Some(id[..].into()),
            1 => m.ref_id = Some(id[..].into()),
            _ => m.ref_addr = Some(Addr::v4(id)),
        }
        let mut exts = 0;
        while c.left() > 24 {
            c.u16();
            let n = c.u16().unwrap_or(0) as usize;
            if n < 4 || c.skip(n - 4).is_none() {
                return Err("&enforce violation : Extension_Field:value_len");
            }
            exts += 1;
        }
        // A key and a digest of 16 or 20 bytes; what is of another length is none.
        if matches!(c.left(), 20 | 24) {
            m.key_id = c.n32();
            m.digest = Some(c.take_rest().into());
        }
        m.num_exts = Some(exts);
        Ok(Some(m.build(cx.q.bindings())))
    }

    fn control(cx: &mut Cx, c: &mut Cursor) -> Option<Value> {
        let b = c.u8()?;
        let (sequence, status, association_id) = (c.n16()?, c.n16()?, c.n16()?);
        c.u16()?;
        let count = c.u16()? as usize;
        let data = c.take(count)?;
        let pad = (4 - count % 4) % 4;
        let _ = c.skip(pad);
        let mut m = records::NTPControlMessage {
            op_code: (b & 0x1f) as u64,
            resp_bit: b & 0x80 != 0,
            err_bit: b & 0x40 != 0,
            more_bit: b & 0x20 != 0,
            sequence,
            status,
            association_id,
            data: (count > 0).then(|| data.into()),
            ..Default::default()
        };
        if c.left() >= 20 {
            m.key_id = c.n32();
            m.crypto_checksum = Some(c.take_rest().into());
        }
        Some(m.build(cx.q.bindings()))
    }

    fn private(cx: &mut Cx, c: &mut Cursor) -> Option<Value> {
        let auth = c.u8()?;
        let (implementation, req_code) = (c.n8()?, c.n8()?);
        let err_count = c.u16()?;
        let size = c.u16()?;
        let n = (err_count & 0xfff) as usize * (size & 0xfff) as usize;
        let data = c.take(n.min(c.left()))?;
        let m = records::NTPMode7Message {
            req_code,
            auth_bit: auth & 0x80 != 0,
            sequence: (auth & 0x7f) as u64,
            implementation,
            err: (err_count >> 12) as u64,
            data: (!data.is_empty()).then(|| data.into()),
        };
        Some(m.build(cx.q.bindings()))
    }
}

impl Analyzer for Ntp {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let mut c = Cursor::new(data);
        let Some(first) = c.u8() else { return };
        let (version, mode) = (first >> 3 & 7, first & 7);
        let mut msg = records::NTPMessage {
            version: version as u64,
            mode: mode as u64,
            ..Default::default()
        };
        let part = match mode {
            // Reserved: nothing is known of what follows.
            0 => Some(Value::Unset),
            1..=5 => match Self::standard(cx, &mut c) {
                Ok(v) => v,
                Err(why) => {
                    cx.violation(&grammar::exception(why));
                    return;
                }
            },
            6 => Self::control(cx, &mut c),
            _ => Self::private(cx, &mut c),
        };
        let Some(part) = part else {
            cx.violation(&grammar::exception("out_of_bound: NTP_Message"));
            return;
        };
        match mode {
            0 => {}
            6 => msg.control_msg = part,
            7 => msg.mode7_msg = part,
            _ => msg.std_msg = part,
        }
        cx.confirm();
        // This message is still told of with the direction that it was seen in.
        if !self.flipped && (mode == 4 && is_orig || mode == 3 && !is_orig) {
            self.flipped = true;
            cx.conn.asks.flip = true;
        }
        let m = msg.build(cx.q.bindings());
        raise!(cx, ntp_message, is_orig, m);
    }

    fn done(&mut self, cx: &mut Cx) {
        raise!(cx, udp_session_done);
    }
}
