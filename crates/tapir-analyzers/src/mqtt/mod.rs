//! MQTT 3.1 and 3.1.1.

use tapir_data::value::Value;
use tapir_interface::{records, types};

use crate::core::Cx;
use crate::raise;
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::util::units::{AfterGap, Step, Stream, Units};

const MAX_MESSAGE: usize = 16 << 20;

/// The analyzer.
pub type Mqtt = Stream<Packets>;

/// Control packets, of which none depends on another.
#[derive(Default)]
pub struct Packets;

fn message(cx: &mut Cx, is_orig: bool, first: u8, body: &[u8]) -> Option<()> {
    let mut c = Cursor::new(body);
    match first >> 4 {
        1 => {
            let name = c.vec16()?;
            let version = c.n8()?;
            let flags = c.u8()?;
            let keep_alive = c.u16()? as f64;
            let client_id = c.vec16()?;
            let mut m = records::MQTTConnectMsg {
                protocol_name: name.into(),
                protocol_version: version,
                client_id: client_id.into(),
                keep_alive,
                clean_session: flags & 2 != 0,
                will_retain: flags & 0x20 != 0,
                will_qos: (flags >> 3 & 3) as u64,
                ..Default::default()
            };
            if flags & 4 != 0 {
                m.will_topic = Some(c.vec16()?.into());
                m.will_msg = Some(c.vec16()?.into());
            }
            if flags & 0x80 != 0 {
                m.username = Some(c.vec16()?.into());
            }
            if flags & 0x40 != 0 {
                m.password = Some(c.vec16()?.into());
            }
            cx.confirm();
            let m = m.build(cx.q.bindings());
            raise!(cx, mqtt_connect, m);
        }
        2 => {
            let flags = c.u8()?;
            let code = c.n8()?;
            let m = records::MQTTConnectAckMsg {
                return_code: code,
                session_present: flags & 1 != 0,
            }
            .build(cx.q.bindings());
            raise!(cx, mqtt_connack, m);
        }
        3 => {
            let qos = first >> 1 & 3;
            let topic = c.vec16()?;
            let id = if qos > 0 { c.n16()? } else { 0 };
            let payload = c.take_rest();
            let max = cx.sh.opts.mqtt_max_payload_size as usize;
            let m = records::MQTTPublishMsg {
                dup: first & 8 != 0,
                qos: qos as u64,
                retain: first & 1 != 0,
                topic: topic.into(),
                payload: payload[..payload.len().min(max)].into(),
                payload_len: payload.len() as u64,
            }
            .build(cx.q.bindings());
            raise!(cx, mqtt_publish, is_orig, id, m);
        }
        4 => {
            let id = c.n16()?;
            raise!(cx, mqtt_puback, is_orig, id);
        }
        5 => {
            let id = c.n16()?;
            raise!(cx, mqtt_pubrec, is_orig, id);
        }
        6 => {
            let id = c.n16()?;
            raise!(cx, mqtt_pubrel, is_orig, id);
        }
        7 => {
            let id = c.n16()?;
            raise!(cx, mqtt_pubcomp, is_orig, id);
        }
        8 => {
            let id = c.n16()?;
            let (mut topics, mut qos) = (Vec::new(), Vec::new());
            while !c.is_empty() {
                topics.push(c.vec16()?);
                qos.push(Value::Count(c.n8()?));
            }
            let t = cx.strings(&topics);
            let q = cx.vector(types::INDEX_VEC, qos);
            raise!(cx, mqtt_subscribe, id, t, q);
        }
        9 => {
            let (id, qos) = (c.n16()?, c.n8()?);
            raise!(cx, mqtt_suback, id, qos);
        }
        10 => {
            let id = c.n16()?;
            let mut topics = Vec::new();
            while !c.is_empty() {
                topics.push(c.vec16()?);
            }
            let t = cx.strings(&topics);
            raise!(cx, mqtt_unsubscribe, id, t);
        }
        11 => {
            let id = c.n16()?;
            raise!(cx, mqtt_unsuback, id);
        }
        12 => {
            raise!(cx, mqtt_pingreq);
        }
        13 => {
            raise!(cx, mqtt_pingresp);
        }
        14 => {
            raise!(cx, mqtt_disconnect);
        }
        _ => return None,
    }
    Some(())
}

/// The header's length and the body's; `Err` when it is malformed.
fn frame(b: &[u8]) -> Result<Option<(usize, usize)>, ()> {
    let mut n = 0usize;
    for i in 0..4 {
        let Some(&x) = b.get(1 + i) else { return Ok(None) };
        n |= ((x & 0x7f) as usize) << (7 * i);
        if x & 0x80 == 0 {
            return Ok(Some((2 + i, n)));
        }
    }
    Err(())
}

impl Units for Packets {
    fn unit(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Step {
        let good = match frame(data) {
            Ok(None) => return Step::More,
            Ok(Some((h, n))) if n <= MAX_MESSAGE => {
                let Some(body) = data.get(h..h + n) else {
                    return Step::More;
                };
                message(cx, is_orig, data[0], body).map(|()| h + n)
            }
            _ => None,
        };
        match good {
            Some(n) => Step::Used(n),
            None => {
                let why = &grammar::exception("out_of_bound: MQTT_message");
                Step::let_go(cx, why, data)
            }
        }
    }

    fn gap(&mut self, _is_orig: bool) -> AfterGap {
        AfterGap::Ignore
    }
}
