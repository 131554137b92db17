//! LDAP over TCP and UDP (RFC 4511), with SASL protection and StartTLS.

mod filter;

use tapir_data::value::Value;
use tapir_interface::{enums, types};

use crate::core::Cx;
use crate::ssl::Ssl;
use crate::util::ber::{self, Tlv};
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::util::units::{Step, Stream, Units};
use crate::{raise, wants};

const STARTTLS: &[u8] = b"1.3.6.1.4.1.1466.20037";

/// A message or protected buffer is at most this long.
const MAX_MESSAGE: usize = 16 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Mode {
    #[default]
    Plain,
    /// A SASL mechanism with a security layer is being negotiated.
    Sasl,
    Tls,
    /// A limit was reached.
    Dead,
}

/// The analyzer.
pub type Ldap = Stream<Session>;

/// What is known of a session.
#[derive(Default)]
pub struct Session {
    mode: Mode,
    /// A bind by a mechanism that may protect what follows has succeeded.
    wrapped: bool,
    mech: Vec<u8>,
    starttls: Option<i64>,
    /// How much of the content of an unfinished SASL buffer is handled.
    told: [usize; 2],
    /// How far into an unfinished message is known not to be nested too deeply.
    walks: [ber::Walk; 2],
}

/// The enumerators have the numbers that stand in messages (RFC 4511, 2891, 3909, 3928, 4370, 4528).
fn result_code(n: u64) -> i64 {
    match n {
        0..=14 | 16..=21 | 32..=34 | 36 | 48..=54 | 60 | 61 | 64..=71 | 76 | 80..=97 | 100 | 101 | 112..=123 => {
            n as i64
        }
        _ => enums::ldap_resultcode::RESULTCODE_UNDEF,
    }
}

/// What `LDAP::message` tells of a message.
struct Told {
    result: i64,
    matched: Vec<u8>,
    diagnostic: Vec<u8>,
    object: Vec<u8>,
    argument: Vec<u8>,
}

impl Session {
    fn message(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Option<()> {
        let msg = ber::expect(&mut Cursor::new(data), ber::SEQUENCE)?;
        let mut c = msg.cursor();
        let id = ber::expect(&mut c, ber::INTEGER)?.int()?;
        let op = ber::read(&mut c)?;
        if op.id & 0xc0 != 0x40 {
            return None;
        }
        let mut t = Told {
            result: enums::ldap_resultcode::RESULTCODE_UNDEF,
            matched: Vec::new(),
            diagnostic: Vec::new(),
            object: Vec::new(),
            argument: Vec::new(),
        };
        self.operation(cx, is_orig, id, &op, &mut t)?;
        if self.mode == Mode::Dead {
            return Some(());
        }
        cx.confirm();
        raise!(
            cx,
            ldap_message,
            id,
            op.tag as i64,
            t.result,
            t.matched,
            t.diagnostic,
            t.object,
            t.argument
        );
        Some(())
    }

    fn operation(&mut self, cx: &mut Cx, is_orig: bool, id: i64, op: &Tlv, t: &mut Told) -> Option<()> {
        let mut c = op.cursor();
        match op.tag {
            0 => self.bind_request(cx, is_orig, id, &mut c, t)?,
            1 => {
                result(&mut c, t)?;
                for f in std::iter::from_fn(|| ber::read(&mut c)) {
                    if f.context() == Some(7) {
                        self.security_token(cx, is_orig, f.body);
                    }
                }
                if t.result == enums::ldap_resultcode::RESULTCODE_SUCCESS {
                    if self.mode == Mode::Sasl {
                        self.mode = Mode::Plain;
                        self.wrapped = true;
                    }
                } else if t.result != enums::ldap_resultcode::RESULTCODE_SASL_BIND_IN_PROGRESS {
                    self.mode = Mode::Plain;
                }
            }
            3 => self.search_request(cx, id, &mut c, t)?,
            4 => {
                t.object = ber::expect(&mut c, ber::OCTETS)?.body.to_vec();
                raise!(cx, ldap_search_result_entry, id, &t.object);
            }
            5 | 7 | 9 | 11 | 13 | 15 => result(&mut c, t)?,
            6 => {
                t.object = ber::expect(&mut c, ber::OCTETS)?.body.to_vec();
                t.argument = modifications(&mut c)?;
            }
            10 => t.object = op.body.to_vec(),
            12 => t.object = ber::expect(&mut c, ber::OCTETS)?.body.to_vec(),
            14 => t.object = ber::expect(&mut c, ber::OCTETS)?.body.to_vec(),
            23 => {
                let mut value: &[u8] = &[];
                for f in std::iter::from_fn(|| ber::read(&mut c)) {
                    match f.context() {
                        Some(0) => t.object = f.body.to_vec(),
                        Some(1) => value = f.body,
                        _ => {}
                    }
                }
                raise!(cx, ldap_extended_request, id, &t.object, value);
                if t.object == STARTTLS {
                    self.starttls = Some(id);
                }
            }
            24 => {
                result(&mut c, t)?;
                let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
                for f in std::iter::from_fn(|| ber::read(&mut c)) {
                    match f.context() {
                        Some(10) => name = f.body,
                        Some(11) => value = f.body,
                        _ => {}
                    }
                }
                raise!(cx, ldap_extended_response, id, t.result, name, value);
                if self.starttls == Some(id) && t.result == enums::ldap_resultcode::RESULTCODE_SUCCESS {
                    self.mode = Mode::Tls;
                    Ssl::begin(cx);
                    raise!(cx, ldap_starttls);
                }
            }
            _ => {}
        }
        Some(())
    }

    fn bind_request(&mut self, cx: &mut Cx, is_orig: bool, id: i64, c: &mut Cursor, t: &mut Told) -> Option<()> {
        let version = ber::expect(c, ber::INTEGER)?.int()?;
        let name = ber::expect(c, ber::OCTETS)?.body;
        let auth = ber::read(c)?;
        t.object = name.to_vec();
        let kind = auth.context()? as i64;
        match kind {
            3 => {
                let mut a = auth.cursor();
                self.mech = ber::expect(&mut a, ber::OCTETS)?.body.to_vec();
                t.argument = self.mech.clone();
                self.mode = Mode::Sasl;
                if self.mech.starts_with(b"GSS") || self.mech == b"NTLM" {
                    if let Some(cred) = ber::expect(&mut a, ber::OCTETS) {
                        self.security_token(cx, is_orig, cred.body);
                    }
                }
            }
            9..=11 => {
                t.argument = if kind == 9 { Vec::new() } else { b"NTLMSSP".to_vec() };
                self.security_token(cx, is_orig, auth.body);
            }
            _ => t.argument = auth.body.to_vec(),
        }
        raise!(cx, ldap_bind_request, id, version, name, kind, &t.argument);
        Some(())
    }

    fn security_token(&mut self, cx: &mut Cx, is_orig: bool, token: &[u8]) {
        let name = if token.starts_with(b"NTLMSSP\0") {
            "NTLM"
        } else {
            "GSSAPI"
        };
        if name == "GSSAPI" && !(self.mech.starts_with(b"GSS")) {
            return;
        }
        let ix = match cx.child(name) {
            Some(ix) => Some(ix),
            None => cx.add_child(name),
        };
        if let Some(ix) = ix {
            cx.packet_to(ix, is_orig, token);
        }
    }

    fn search_request(&mut self, cx: &mut Cx, id: i64, c: &mut Cursor, t: &mut Told) -> Option<()> {
        let base = ber::expect(c, ber::OCTETS)?.body;
        let scope = ber::read(c)?.int()?;
        let deref = ber::read(c)?.int()?;
        let size = ber::read(c)?.int()?;
        let time = ber::read(c)?.int()?;
        let types_only = ber::read(c)?.body.first().is_some_and(|b| *b != 0);
        let f = ber::read(c)?;
        t.object = base.to_vec();
        t.argument = match scope {
            0 => b"SearchScope::SEARCH_BASE".to_vec(),
            1 => b"SearchScope::SEARCH_SINGLE".to_vec(),
            2 => b"SearchScope::SEARCH_TREE".to_vec(),
            n => format!("SearchScope::<unknown-{n}>").into_bytes(),
        };
        let max = cx.sh.opts.ldap_max_filter_depth as usize;
        let text = match filter::text(&f, max) {
            Ok(s) => s,
            Err(filter::Bad::Depth) => {
                cx.violation(&grammar::at(
                    "LDAP exceeded max filter recursion depth",
                    "ldap/ldap.spicy:953:13-953:61",
                ));
                self.mode = Mode::Dead;
                return Some(());
            }
            Err(filter::Bad::Form) if nesting(&f) > MAX_NESTING => {
                too_deep(cx);
                self.mode = Mode::Dead;
                return Some(());
            }
            Err(filter::Bad::Form) => return None,
        };
        if wants!(cx, ldap_search_request) {
            let attrs: Vec<Value> = ber::read(c)
                .map(|l| l.children().map(|a| Value::Str(a.body.into())).collect())
                .unwrap_or_default();
            let v = cx.vector(types::VECTOR_OF_STRING, attrs);
            raise!(
                cx,
                ldap_search_request,
                id,
                base,
                scope,
                deref,
                size,
                time,
                types_only,
                text,
                v
            );
        }
        Some(())
    }

    /// A SASL buffer: length, then a GSS or NTLM token, sealed or signed.
    fn protected(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Step {
        let mut c = Cursor::new(b);
        let Some(n) = c.u32().map(|n| n as usize) else {
            return Step::More;
        };
        if n > MAX_MESSAGE {
            return Step::refuse(cx, "LDAP SASL buffer too long");
        }
        if !(self.mech.starts_with(b"GSS") || self.mech == b"NTLM") {
            // What other mechanisms protect cannot be read.
            return Step::Used(b.len());
        }
        let token = c.rest();
        self.sealed(cx, is_orig, &token[..token.len().min(n)], n);
        if token.len() < n {
            return Step::More;
        }
        self.told[is_orig as usize] = 0;
        Step::Used(4 + n)
    }

    /// What is there of a token of `len` bytes of a security layer: what is only signed can be read.
    fn sealed(&mut self, cx: &mut Cx, is_orig: bool, token: &[u8], len: usize) {
        // Kerberos wrap token (RFC 4121): flags bit 1 says sealed; the checksum follows the data when not rotated.
        if token.len() >= 16 && token[..2] == [5, 4] && token[2] & 2 == 0 {
            let ec = u16::from_be_bytes([token[4], token[5]]) as usize;
            let rrc = u16::from_be_bytes([token[6], token[7]]) as usize;
            let body = &token[16..];
            let plain = if rrc > 0 {
                body.get(ec.min(body.len())..).unwrap_or(&[])
            } else {
                &body[..body.len().min((len - 16).saturating_sub(ec))]
            };
            self.signed(cx, is_orig, plain);
        } else if token.len() > 16 && token[..4] == [1, 0, 0, 0] {
            // NTLM signature; sealed content does not look like a message.
            self.signed(cx, is_orig, &token[16..]);
        }
    }

    fn signed(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) {
        let mut b = b.get(self.told[is_orig as usize]..).unwrap_or(&[]);
        while b.first() == Some(&0x30) {
            let Ok(Some(n)) = ber::frame(b) else { return };
            let Some(m) = b.get(..n) else { return };
            if self.message(cx, is_orig, m).is_none() {
                return;
            }
            self.told[is_orig as usize] += n;
            b = &b[n..];
        }
    }
}

/// Elements within elements beyond this are nothing that anybody means.
const MAX_NESTING: usize = 100;

/// The elements that a message itself and its operation are.
const MESSAGE_LEVELS: usize = 2;

fn too_deep(cx: &mut Cx) {
    cx.violation(&grammar::at(
        "ASN.1 exceeded max recursion depth",
        "ldap/asn1.spicy:267:13-267:55",
    ));
}

/// How many elements stand within each other, going by the first of each.
fn nesting(t: &Tlv) -> usize {
    std::iter::successors(Some(*t), |t| t.constructed().then(|| t.inner()).flatten())
        .take(MAX_NESTING + 2)
        .count()
}

/// Text with what is not printable replaced.
fn printable(s: &[u8]) -> Vec<u8> {
    s.iter()
        .map(|b| if matches!(b, 0x20..=0x7e) { *b } else { b'?' })
        .collect()
}

fn result(c: &mut Cursor, t: &mut Told) -> Option<()> {
    t.result = result_code(ber::read(c)?.uint()?);
    t.matched = printable(ber::expect(c, ber::OCTETS)?.body);
    t.diagnostic = printable(ber::expect(c, ber::OCTETS)?.body);
    Some(())
}

/// The changes of a modify request as text.
fn modifications(c: &mut Cursor) -> Option<Vec<u8>> {
    let list = ber::expect(c, ber::SEQUENCE)?;
    let mut out: Vec<u8> = Vec::new();
    for ch in list.children() {
        let mut i = ch.cursor();
        let op = ber::read(&mut i)?.uint()?;
        let attr = ber::expect(&mut i, ber::SEQUENCE)?;
        let mut a = attr.cursor();
        let name = ber::read(&mut a)?.body;
        if !out.is_empty() {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(match op {
            0 => b"add",
            1 => b"delete",
            _ => b"replace",
        });
        out.push(b'(');
        out.extend_from_slice(name);
        if let Some(vals) = ber::read(&mut a) {
            for (i, v) in vals.children().enumerate() {
                out.extend_from_slice(if i == 0 { &b"="[..] } else { b", " });
                out.extend_from_slice(v.body);
            }
        }
        out.push(b')');
    }
    Some(out)
}

impl Units for Session {
    fn unit(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Step {
        if self.wrapped && b[0] != 0x30 {
            return self.protected(cx, is_orig, b);
        }
        let n = match ber::frame(b) {
            Ok(Some(n)) if b[0] == 0x30 && n <= MAX_MESSAGE => n,
            Ok(None) if b[0] == 0x30 => return Step::More,
            _ => return Step::refuse(cx, "LDAP message expected"),
        };
        let walk = &mut self.walks[is_orig as usize];
        let Some(m) = b.get(..n) else {
            // Nobody waits for the end of what cannot be read.
            if walk.go_on(b, MESSAGE_LEVELS + MAX_NESTING) {
                return Step::More;
            }
            too_deep(cx);
            return Step::Stop;
        };
        *walk = ber::Walk::default();
        if self.message(cx, is_orig, m).is_none() {
            return Step::refuse(cx, "LDAP message does not parse");
        }
        match self.mode {
            Mode::Tls => Step::HandOver(n),
            Mode::Dead => Step::Stop,
            _ => Step::Used(n),
        }
    }

    fn flip(&mut self) {
        self.told.swap(0, 1);
        self.walks.swap(0, 1);
    }

    fn datagram(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Option<Step> {
        // An answer to a search comes with the end of the search in one datagram.
        let mut at = 0;
        while at < data.len() {
            match self.unit(cx, is_orig, &data[at..]) {
                Step::Used(n) => at += n,
                Step::More => return Some(Step::refuse(cx, "LDAP message does not parse")),
                step => return Some(step),
            }
        }
        Some(Step::Used(at))
    }
}
