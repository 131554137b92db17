//! NTLM messages (MS-NLMP), as carried by GSSAPI, SMB, LDAP and DCE/RPC.

use tapir_data::value::Value;
use tapir_interface::records;

use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::util::text::utf16le;

/// The analyzer: each delivery is one message.
#[derive(Default)]
pub struct Ntlm;

/// Seconds since 1970 of a Windows file time.
pub(crate) fn filetime(t: u64) -> f64 {
    t as f64 / 1e7 - 11_644_473_600.0
}

fn flags(cx: &Cx, f: u32) -> Value {
    let b = |m: u32| f & m != 0;
    records::NTLMNegotiateFlags {
        negotiate_56: b(0x8000_0000),
        negotiate_key_exch: b(0x4000_0000),
        negotiate_128: b(0x2000_0000),
        negotiate_version: b(0x0200_0000),
        negotiate_target_info: b(0x0080_0000),
        request_non_nt_session_key: b(0x0040_0000),
        negotiate_identify: b(0x0010_0000),
        negotiate_extended_sessionsecurity: b(0x0008_0000),
        target_type_server: b(0x0002_0000),
        target_type_domain: b(0x0001_0000),
        negotiate_always_sign: b(0x0000_8000),
        negotiate_oem_workstation_supplied: b(0x0000_2000),
        negotiate_oem_domain_supplied: b(0x0000_1000),
        negotiate_anonymous_connection: b(0x0000_0800),
        negotiate_ntlm: b(0x0000_0200),
        negotiate_lm_key: b(0x0000_0080),
        negotiate_datagram: b(0x0000_0040),
        negotiate_seal: b(0x0000_0020),
        negotiate_sign: b(0x0000_0010),
        request_target: b(0x0000_0004),
        negotiate_oem: b(0x0000_0002),
        negotiate_unicode: b(0x0000_0001),
    }
    .build(cx.q.bindings())
}

/// A field descriptor: length, allocated length, offset.
fn field<'a>(c: &mut Cursor<'a>) -> Option<Option<&'a [u8]>> {
    let len = c.u16le()? as usize;
    c.u16le()?;
    let at = c.u32le()? as usize;
    if len == 0 {
        return Some(None);
    }
    Some(Some(c.whole().get(at..at.checked_add(len)?)?))
}

/// As [`field`], of which so much is taken as is there.
fn pairs<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let len = c.u16le()? as usize;
    c.u16le()?;
    let at = c.u32le()? as usize;
    let rest = c.whole().get(at..).unwrap_or(&[]);
    Some(&rest[..len.min(rest.len())])
}

fn version(cx: &Cx, c: &mut Cursor) -> Option<Value> {
    let (major, minor, build) = (c.n8()?, c.n8()?, c.n16le()?);
    c.skip(3)?;
    let ntlmssp = c.n8()?;
    Some(
        records::NTLMVersion {
            major,
            minor,
            build,
            ntlmssp,
        }
        .build(cx.q.bindings()),
    )
}

fn text(b: Option<&[u8]>) -> Option<std::rc::Rc<[u8]>> {
    b.map(|b| utf16le(b).into_bytes().into())
}

const VERSION: u32 = 0x0200_0000;

impl Ntlm {
    fn message(cx: &mut Cx, data: &[u8]) -> Option<()> {
        let mut c = Cursor::new(data);
        if c.take(8)? != b"NTLMSSP\0" {
            return None;
        }
        match c.u32le()? {
            1 => {
                let f = c.u32le()?;
                let domain_at = c.clone().take(8)?[4..]
                    .iter()
                    .rev()
                    .fold(0u32, |n, b| n << 8 | *b as u32);
                let domain = field(&mut c)?.filter(|_| f & 0x1000 != 0);
                let workstation_at = c.clone().take(8)?[4..]
                    .iter()
                    .rev()
                    .fold(0u32, |n, b| n << 8 | *b as u32);
                let workstation = field(&mut c)?.filter(|_| f & 0x2000 != 0);
                let mut m = records::NTLMNegotiate {
                    flags: flags(cx, f),
                    domain_name: text(domain),
                    workstation: text(workstation),
                    ..Default::default()
                };
                // The version is there when the first string lies behind it.
                if f & VERSION != 0 && domain_at.min(workstation_at) >= 40 {
                    m.version = version(cx, &mut c)?;
                }
                let m = m.build(cx.q.bindings());
                raise!(cx, ntlm_negotiate, m);
            }
            2 => {
                let target = field(&mut c)?;
                let f = c.u32le()?;
                let challenge = c.u64le()?;
                c.skip(8)?;
                let info = pairs(&mut c)?;
                let mut m = records::NTLMChallenge {
                    flags: flags(cx, f),
                    challenge,
                    target_name: text(target.filter(|_| f & 4 != 0)),
                    ..Default::default()
                };
                if f & VERSION != 0 {
                    m.version = version(cx, &mut c)?;
                }
                if f & 0x0080_0000 != 0 {
                    let mut avs = records::NTLMAVs::default();
                    if read_avs(&mut avs, info).is_none() {
                        cx.violation("NTLM AV Pair loop underflow");
                    }
                    m.target_info = avs.build(cx.q.bindings());
                }
                let m = m.build(cx.q.bindings());
                raise!(cx, ntlm_challenge, m);
            }
            3 => {
                let _lm = field(&mut c)?;
                let response = field(&mut c)?;
                let domain = field(&mut c)?;
                let user = field(&mut c)?;
                let workstation = field(&mut c)?;
                let key = field(&mut c)?;
                let f = c.u32le()?;
                let mut m = records::NTLMAuthenticate {
                    flags: flags(cx, f),
                    domain_name: text(domain),
                    user_name: text(user),
                    workstation: text(workstation),
                    session_key: key.filter(|_| f & 0x4000_0000 != 0).map(Into::into),
                    response: response.map(Into::into),
                    ..Default::default()
                };
                if f & VERSION != 0 {
                    m.version = version(cx, &mut c)?;
                }
                let m = m.build(cx.q.bindings());
                raise!(cx, ntlm_authenticate, m);
            }
            _ => return None,
        }
        cx.confirm();
        Some(())
    }
}

/// Fills in what the pairs say; `None` when they end without an end mark.
fn read_avs(a: &mut records::NTLMAVs, info: &[u8]) -> Option<()> {
    let mut c = Cursor::new(info);
    loop {
        let id = c.u16le()?;
        let len = c.u16le()? as usize;
        let v = c.take(len)?;
        let t = || -> std::rc::Rc<[u8]> { utf16le(v).into_bytes().into() };
        match id {
            0 => break,
            1 => a.nb_computer_name = Some(t()),
            2 => a.nb_domain_name = Some(t()),
            3 => a.dns_computer_name = Some(t()),
            4 => a.dns_domain_name = Some(t()),
            5 => a.dns_tree_name = Some(t()),
            6 => a.constrained_auth = Cursor::new(v).u32le().map(|x| x & 1 != 0),
            7 => a.timestamp = Cursor::new(v).u64le().map(filetime),
            8 => a.single_host_id = Cursor::new(v.get(8..).unwrap_or(&[])).u64le(),
            9 => a.target_name = Some(t()),
            _ => {}
        }
    }
    Some(())
}

impl Analyzer for Ntlm {
    fn deliver(&mut self, cx: &mut Cx, _is_orig: bool, data: &[u8]) {
        if Self::message(cx, data).is_none() {
            cx.violation(&grammar::exception("out_of_bound: NTLM_SSP_Token"));
        }
    }
}
