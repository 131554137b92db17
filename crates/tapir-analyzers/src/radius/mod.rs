//! RADIUS (RFC 2865).

use std::collections::BTreeMap;

use tapir_data::value::Value;
use tapir_interface::{records, types};

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;
use crate::util::grammar;

/// The analyzer.
#[derive(Default)]
pub struct Radius;

impl Radius {
    fn message(cx: &mut Cx, data: &[u8]) -> Option<()> {
        let mut c = Cursor::new(data);
        let code = c.n8()?;
        let trans_id = c.n8()?;
        let len = c.u16()? as usize;
        let authenticator = c.take(16)?;
        let mut attrs: Vec<(u64, &[u8])> = Vec::new();
        let mut body = Cursor::new(data.get(20..len.min(data.len()))?);
        while !body.is_empty() {
            let ty = body.n8()?;
            let n = body.u8()? as usize;
            let v = body.take(n.checked_sub(2)?)?;
            attrs.push((ty, v));
        }
        cx.confirm();
        let mut m = records::RADIUSMessage {
            code,
            trans_id,
            authenticator: authenticator.into(),
            ..Default::default()
        };
        if !attrs.is_empty() {
            let mut by: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
            for (t, v) in &attrs {
                by.entry(*t).or_default().push(Value::Str((*v).into()));
            }
            let t = cx.q.bindings().table(types::TABLE_COUNT_OF_VECTOR_OF_STRING);
            for (k, v) in by {
                let v = cx.vector(types::VECTOR_OF_STRING, v);
                t.insert(&[Value::Count(k)], v, cx.sh.now);
            }
            m.attributes = Value::Table(t);
        }
        let m = m.build(cx.q.bindings());
        raise!(cx, radius_message, m);
        for (t, v) in attrs {
            raise!(cx, radius_attribute, t, v);
        }
        Some(())
    }
}

impl Analyzer for Radius {
    fn deliver(&mut self, cx: &mut Cx, _is_orig: bool, data: &[u8]) {
        if Self::message(cx, data).is_none() {
            cx.violation(&grammar::exception("out_of_bound: RADIUS_PDU"));
        }
    }
}
