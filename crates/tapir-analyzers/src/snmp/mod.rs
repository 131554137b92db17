//! SNMP versions 1 to 3 (RFC 1157, 3416, 3412, 3414).

use tapir_data::value::{Addr, Value};
use tapir_interface::{records, types};

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::ber::{self, Tlv};
use crate::util::cursor::Cursor;
use crate::util::grammar;

/// The analyzer.
#[derive(Default)]
pub struct Snmp;

/// Why a message was not read.
enum Bad {
    Form,
}

fn text_oid(cx: &mut Cx, t: &Tlv) -> Box<[u8]> {
    match ber::oid(t.body) {
        Some(s) => s.into_bytes().into(),
        None => {
            // A component may take at most five bytes; the weird says how many it took.
            let longest = t.body.split(|b| b & 0x80 == 0).map(|r| r.len() + 1).max().unwrap_or(0);
            tapir_interface::events::net_weird(cx.q, "asn_oid_subidentifier_too_long", longest.to_string(), "");
            Box::default()
        }
    }
}

fn value(cx: &mut Cx, t: &Tlv) -> Result<Value, Bad> {
    let mut v = records::SNMPObjectValue {
        tag: t.id as u64,
        ..Default::default()
    };
    match t.id {
        ber::OID => v.oid = Some(text_oid(cx, t).into()),
        ber::INTEGER => v.signed = t.int(),
        0x41..=0x43 | 0x46 | 0x47 => v.unsigned = t.uint(),
        0x40 => v.address = t.body.try_into().ok().map(Addr::v4),
        ber::OCTETS | 0x44 => v.octets = Some(t.body.into()),
        _ => {}
    }
    Ok(v.build(cx.q.bindings()))
}

fn bindings(cx: &mut Cx, list: &Tlv) -> Result<Value, Bad> {
    let mut out = Vec::new();
    let mut c = list.cursor();
    while !c.is_empty() {
        let b = ber::expect(&mut c, ber::SEQUENCE).ok_or(Bad::Form)?;
        let mut b = b.cursor();
        let name = ber::expect(&mut b, ber::OID).ok_or(Bad::Form)?;
        let val = ber::read(&mut b).ok_or(Bad::Form)?;
        let rec = records::SNMPBinding {
            oid: text_oid(cx, &name).into(),
            value: value(cx, &val)?,
        };
        out.push(rec.build(cx.q.bindings()));
    }
    Ok(cx.vector(types::VECTOR_OF_SNMP_BINDING, out))
}

impl Snmp {
    fn message(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Result<(), Bad> {
        let mut c = Cursor::new(data);
        let msg = ber::expect(&mut c, ber::SEQUENCE).ok_or(Bad::Form)?;
        let mut c = msg.cursor();
        let version = ber::expect(&mut c, ber::INTEGER)
            .and_then(|t| t.uint())
            .ok_or(Bad::Form)?;
        match version {
            0 | 1 => {
                let community = ber::expect(&mut c, ber::OCTETS).ok_or(Bad::Form)?.body;
                let mut h = records::SNMPHeader {
                    version,
                    ..Default::default()
                };
                if version == 0 {
                    h.v1 = records::SNMPHeaderV1 {
                        community: community.into(),
                    }
                    .build(cx.q.bindings());
                } else {
                    h.v2 = records::SNMPHeaderV2 {
                        community: community.into(),
                    }
                    .build(cx.q.bindings());
                }
                let header = h.build(cx.q.bindings());
                let pdu = ber::read(&mut c).ok_or(Bad::Form)?;
                self.pdu(cx, is_orig, header, &pdu)
            }
            3 => self.v3(cx, is_orig, &mut c),
            v => {
                raise!(cx, snmp_unknown_header_version, is_orig, v);
                Ok(())
            }
        }
    }

    fn v3(&mut self, cx: &mut Cx, is_orig: bool, c: &mut Cursor) -> Result<(), Bad> {
        let global = ber::expect(c, ber::SEQUENCE).ok_or(Bad::Form)?;
        let mut g = global.cursor();
        let id = ber::read(&mut g).and_then(|t| t.uint()).ok_or(Bad::Form)?;
        let max_size = ber::read(&mut g).and_then(|t| t.uint()).ok_or(Bad::Form)?;
        let flags = ber::read(&mut g)
            .and_then(|t| t.body.first().copied())
            .ok_or(Bad::Form)?;
        let security_model = ber::read(&mut g).and_then(|t| t.uint()).ok_or(Bad::Form)?;
        let params = ber::expect(c, ber::OCTETS).ok_or(Bad::Form)?.body;
        let mut h = records::SNMPHeaderV3 {
            id,
            max_size,
            flags: flags as u64,
            auth_flag: flags & 1 != 0,
            priv_flag: flags & 2 != 0,
            reportable_flag: flags & 4 != 0,
            security_model,
            security_params: params.into(),
            ..Default::default()
        };
        let body = ber::read(c).ok_or(Bad::Form)?;
        // As recorded: told with what can be read, not with what is encrypted.
        if security_model == 3 && body.id != ber::OCTETS {
            if let Some(u) = user_security(params) {
                h.user_security_parameters = u.build(cx.q.bindings());
            }
        }
        let wrap = |cx: &Cx, h: records::SNMPHeaderV3| {
            let v3 = h.build(cx.q.bindings());
            records::SNMPHeader {
                version: 3,
                v3,
                ..Default::default()
            }
            .build(cx.q.bindings())
        };
        match body.id {
            ber::SEQUENCE => {
                let mut s = body.cursor();
                let engine = ber::expect(&mut s, ber::OCTETS).ok_or(Bad::Form)?.body;
                let name = ber::expect(&mut s, ber::OCTETS).ok_or(Bad::Form)?.body;
                h.pdu_context = records::SNMPScopedPDUContext {
                    engine_id: engine.into(),
                    name: name.into(),
                }
                .build(cx.q.bindings());
                let header = wrap(cx, h);
                let pdu = ber::read(&mut s).ok_or(Bad::Form)?;
                self.pdu(cx, is_orig, header, &pdu)
            }
            ber::OCTETS => {
                let header = wrap(cx, h);
                raise!(cx, snmp_encrypted_pdu, is_orig, header);
                self.note(cx, is_orig);
                Ok(())
            }
            tag => {
                let header = wrap(cx, h);
                raise!(cx, snmp_unknown_scoped_pdu, is_orig, header, tag as u64);
                Ok(())
            }
        }
    }

    /// The protocol is sure once an agent answers.
    fn note(&self, cx: &mut Cx, is_orig: bool) {
        if !is_orig {
            cx.confirm();
        }
    }

    fn pdu(&mut self, cx: &mut Cx, is_orig: bool, header: Value, pdu: &Tlv) -> Result<(), Bad> {
        let mut c = pdu.cursor();
        let int = |c: &mut Cursor| ber::expect(c, ber::INTEGER).and_then(|t| t.int()).ok_or(Bad::Form);
        self.note(cx, is_orig);
        match pdu.id {
            0xa4 => {
                let enterprise = ber::expect(&mut c, ber::OID).ok_or(Bad::Form)?;
                let agent = ber::read(&mut c).ok_or(Bad::Form)?;
                let generic_trap = int(&mut c)?;
                let specific_trap = int(&mut c)?;
                let stamp = ber::read(&mut c).and_then(|t| t.uint()).ok_or(Bad::Form)?;
                let list = ber::expect(&mut c, ber::SEQUENCE).ok_or(Bad::Form)?;
                let rec = records::SNMPTrapPDU {
                    enterprise: text_oid(cx, &enterprise).into(),
                    agent: agent.body.try_into().map(Addr::v4).map_err(|_| Bad::Form)?,
                    generic_trap,
                    specific_trap,
                    time_stamp: stamp,
                    bindings: bindings(cx, &list)?,
                }
                .build(cx.q.bindings());
                raise!(cx, snmp_trap, is_orig, header, rec);
            }
            0xa5 => {
                let request_id = int(&mut c)?;
                let non_repeaters = int(&mut c)? as u64;
                let max_repetitions = int(&mut c)? as u64;
                let list = ber::expect(&mut c, ber::SEQUENCE).ok_or(Bad::Form)?;
                let rec = records::SNMPBulkPDU {
                    request_id,
                    non_repeaters,
                    max_repetitions,
                    bindings: bindings(cx, &list)?,
                }
                .build(cx.q.bindings());
                raise!(cx, snmp_get_bulk_request, is_orig, header, rec);
            }
            0xa0..=0xa3 | 0xa6..=0xa8 => {
                let request_id = int(&mut c)?;
                let error_status = int(&mut c)?;
                let error_index = int(&mut c)?;
                let list = ber::expect(&mut c, ber::SEQUENCE).ok_or(Bad::Form)?;
                let rec = records::SNMPPDU {
                    request_id,
                    error_status,
                    error_index,
                    bindings: bindings(cx, &list)?,
                }
                .build(cx.q.bindings());
                match pdu.id {
                    0xa0 => {
                        raise!(cx, snmp_get_request, is_orig, header, rec);
                    }
                    0xa1 => {
                        raise!(cx, snmp_get_next_request, is_orig, header, rec);
                    }
                    0xa2 => {
                        raise!(cx, snmp_response, is_orig, header, rec);
                    }
                    0xa3 => {
                        raise!(cx, snmp_set_request, is_orig, header, rec);
                    }
                    0xa6 => {
                        raise!(cx, snmp_inform_request, is_orig, header, rec);
                    }
                    0xa7 => {
                        raise!(cx, snmp_trapv2, is_orig, header, rec);
                    }
                    _ => {
                        raise!(cx, snmp_report, is_orig, header, rec);
                    }
                }
            }
            tag => {
                raise!(cx, snmp_unknown_pdu, is_orig, header, tag as u64);
            }
        }
        Ok(())
    }
}

fn user_security(params: &[u8]) -> Option<records::SNMPUserSecurityParameters> {
    let seq = ber::expect(&mut Cursor::new(params), ber::SEQUENCE)?;
    let mut u = seq.cursor();
    Some(records::SNMPUserSecurityParameters {
        AuthoritativeEngineID: ber::read(&mut u)?.body.into(),
        AuthoritativeEngineBoots: ber::read(&mut u)?.uint()? as i64,
        AuthoritativeEngineTime: ber::read(&mut u)?.uint()? as i64,
        UserName: ber::read(&mut u)?.body.into(),
        AuthenticationParameters: ber::read(&mut u)?.body.into(),
        PrivacyParameters: ber::read(&mut u)?.body.into(),
    })
}

impl Analyzer for Snmp {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        match self.message(cx, is_orig, data) {
            Ok(()) => {}
            Err(Bad::Form) => {
                cx.violation(&grammar::exception("out_of_bound: ASN1Encoding"));
            }
        }
    }

    fn done(&mut self, cx: &mut Cx) {
        raise!(cx, udp_session_done);
    }
}
