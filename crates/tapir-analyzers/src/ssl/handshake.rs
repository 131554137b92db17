//! TLS handshake messages (RFC 5246, 8446 and extensions), shared by TLS, DTLS and QUIC.

use tapir_data::value::Value;
use tapir_interface::{records, types};

use super::ciphers::{KeyExchange, key_exchange};
use crate::core::Cx;
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::{raise, wants};

const HELLO_REQUEST: u8 = 0;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const HELLO_VERIFY: u8 = 3;
const SESSION_TICKET: u8 = 4;
const CERTIFICATE: u8 = 11;
const SERVER_KEY_EXCHANGE: u8 = 12;
const CERTIFICATE_REQUEST: u8 = 13;
const CLIENT_KEY_EXCHANGE: u8 = 16;
const CERTIFICATE_STATUS: u8 = 22;

/// What both record layers need to know of the handshake.
pub(crate) struct Handshake {
    pub dtls: bool,
    /// The client is the responder of the connection.
    pub flipped: bool,
    /// The negotiated version; 0 before the server's hello.
    pub version: u16,
    pub cipher: u16,
    pub established: bool,
    /// Records of a direction are encrypted (responder, originator).
    pub encrypted: [bool; 2],
    pub client_random: [u8; 32],
    pub server_random: [u8; 32],
    seen_hello: bool,
    seen_client_hello: bool,
}

/// Whether a version is TLS 1.3 or one of its drafts.
pub(crate) fn is_13(v: u16) -> bool {
    v == 0x0304 || v >> 8 == 0x7f || v == 0xfb17 || v == 0xfb1a || v == 0xfefc
}

impl Handshake {
    pub fn new(dtls: bool) -> Self {
        Handshake {
            dtls,
            flipped: false,
            version: 0,
            cipher: 0,
            established: false,
            encrypted: [false; 2],
            client_random: [0; 32],
            server_random: [0; 32],
            seen_hello: false,
            seen_client_hello: false,
        }
    }

    /// Whether data of a direction comes from the client.
    pub fn is_client(&self, is_orig: bool) -> bool {
        is_orig != self.flipped
    }

    /// A ciphertext record was seen.
    pub fn ciphertext(&mut self, cx: &mut Cx) {
        if !self.established && self.encrypted[0] && self.encrypted[1] {
            self.established = true;
            raise!(cx, ssl_established);
        }
    }

    /// One complete message. The error is the reason of a violation.
    pub fn message(
        &mut self,
        cx: &mut Cx,
        is_orig: bool,
        record_version: u16,
        ty: u8,
        body: &[u8],
    ) -> Result<(), String> {
        if ty == CLIENT_HELLO && !is_orig && !self.flipped && !self.seen_hello {
            self.flipped = true;
            raise!(cx, ssl_connection_flipped);
        }
        let client = self.is_client(is_orig);
        let r = match ty {
            CLIENT_HELLO => self.client_hello(cx, client, record_version, body),
            SERVER_HELLO => self.server_hello(cx, client, record_version, body),
            CERTIFICATE if !is_13(self.version) => self.certificates(cx, is_orig, body)?,
            SERVER_KEY_EXCHANGE => self.server_key_exchange(cx, body),
            CLIENT_KEY_EXCHANGE => self.client_key_exchange(cx, body),
            CERTIFICATE_REQUEST if !is_13(self.version) => self.certificate_request(cx, client, body),
            CERTIFICATE_STATUS => self.certificate_status(cx, is_orig, body),
            SESSION_TICKET if !is_13(self.version) => {
                let mut c = Cursor::new(body);
                match (c.n32(), c.vec16()) {
                    (Some(life), Some(ticket)) => {
                        raise!(cx, ssl_session_ticket_handshake, life, ticket);
                        Some(())
                    }
                    _ => None,
                }
            }
            HELLO_REQUEST | HELLO_VERIFY => Some(()),
            _ => Some(()),
        };
        if r.is_none() {
            return Err(grammar::exception(format_args!(
                "out_of_bound: {}: {} > {}",
                name(ty),
                body.len() + 1,
                body.len()
            )));
        }
        raise!(cx, ssl_handshake_message, client, ty as u64, body.len() as u64);
        Ok(())
    }

    fn client_hello(&mut self, cx: &mut Cx, client: bool, rv: u16, body: &[u8]) -> Option<()> {
        let mut c = Cursor::new(body);
        let version = c.n16()?;
        let ts = c.u32()?;
        let random = c.take(28)?;
        self.client_random[..4].copy_from_slice(&ts.to_be_bytes());
        self.client_random[4..].copy_from_slice(random);
        let session = session_id(c.vec8()?);
        if self.dtls {
            c.vec8()?;
        }
        let ciphers = c.vec16()?;
        let comp = c.vec8()?;
        self.seen_client_hello = true;
        self.seen_hello = true;
        if !c.is_empty() {
            let ext = c.vec16()?;
            self.extensions(cx, client, true, false, ext)?;
        }
        cx.confirm();
        if wants!(cx, ssl_client_hello) {
            let ciphers = cx.counts(u16s(ciphers));
            let comp = cx.counts(comp.iter().map(|&b| b as u64));
            raise!(
                cx,
                ssl_client_hello,
                version,
                rv as u64,
                ts as f64,
                random,
                session,
                ciphers,
                comp
            );
        }
        Some(())
    }

    fn server_hello(&mut self, cx: &mut Cx, client: bool, rv: u16, body: &[u8]) -> Option<()> {
        let mut c = Cursor::new(body);
        let version = c.u16()?;
        let random = c.take(32)?;
        self.server_random.copy_from_slice(random);
        let ts = u32::from_be_bytes([random[0], random[1], random[2], random[3]]);
        let draft = version >> 8 == 0x7f || version == 0x0304;
        let session = session_id(if draft { &[] } else { c.vec8()? });
        let cipher = c.u16()?;
        let comp = if draft { 0 } else { c.n8()? };
        self.version = version;
        self.cipher = cipher;
        self.seen_hello = true;
        if !c.is_empty() {
            let ext = c.vec16()?;
            self.extensions(cx, client, false, true, ext)?;
        }
        // As recorded: an answer to a hello that nobody saw is not taken for certain.
        if self.seen_client_hello {
            cx.confirm();
        }
        raise!(
            cx,
            ssl_server_hello,
            version as u64,
            rv as u64,
            ts as f64,
            random,
            session,
            cipher as u64,
            comp
        );
        Some(())
    }

    fn extensions(
        &mut self,
        cx: &mut Cx,
        client: bool,
        from_client_hello: bool,
        server_hello: bool,
        ext: &[u8],
    ) -> Option<()> {
        let mut c = Cursor::new(ext);
        while !c.is_empty() {
            let code = c.u16()?;
            let val = c.vec16()?;
            if self
                .extension(cx, client, from_client_hello, server_hello, code, val)
                .is_none()
            {
                cx.violation(&grammar::exception(format_args!("out_of_bound: SSLExtension {code}")));
            }
            raise!(cx, ssl_extension, client, code as u64, val);
        }
        Some(())
    }

    fn extension(
        &mut self,
        cx: &mut Cx,
        client: bool,
        hello: bool,
        server_hello: bool,
        code: u16,
        val: &[u8],
    ) -> Option<()> {
        let mut c = Cursor::new(val);
        match code {
            0 if !val.is_empty() => {
                if wants!(cx, ssl_extension_server_name) {
                    let mut list = Cursor::new(c.vec16()?);
                    let mut names = Vec::new();
                    while !list.is_empty() {
                        let ty = list.u8()?;
                        let n = list.vec16()?;
                        if ty == 0 {
                            names.push(n);
                        }
                    }
                    let v = cx.strings(&names);
                    raise!(cx, ssl_extension_server_name, client, v);
                }
            }
            10 if wants!(cx, ssl_extension_elliptic_curves) => {
                let v = cx.counts(u16s(c.vec16()?));
                raise!(cx, ssl_extension_elliptic_curves, client, v);
            }
            11 if wants!(cx, ssl_extension_ec_point_formats) => {
                let v = cx.counts(c.vec8()?.iter().map(|&b| b as u64));
                raise!(cx, ssl_extension_ec_point_formats, client, v);
            }
            13 if wants!(cx, ssl_extension_signature_algorithm) => {
                let v = sig_algs(cx, c.vec16()?);
                raise!(cx, ssl_extension_signature_algorithm, client, v);
            }
            50 if wants!(cx, ssl_extension_signature_algorithms_cert) => {
                let v = cx.counts(u16s(c.vec16()?));
                raise!(cx, ssl_extension_signature_algorithms_cert, client, v);
            }
            16 if wants!(cx, ssl_extension_application_layer_protocol_negotiation) => {
                let mut list = Cursor::new(c.vec16()?);
                let mut names = Vec::new();
                while !list.is_empty() {
                    names.push(list.vec8()?);
                }
                let v = cx.strings(&names);
                raise!(cx, ssl_extension_application_layer_protocol_negotiation, client, v);
            }
            18 if !val.is_empty() && wants!(cx, ssl_extension_signed_certificate_timestamp) => {
                let mut list = Cursor::new(c.vec16()?);
                while !list.is_empty() {
                    let mut s = Cursor::new(list.vec16()?);
                    let version = s.n8()?;
                    let log = s.take(32)?;
                    let ts = s.u64()?;
                    s.vec16()?;
                    let alg = [s.u8()?, s.u8()?];
                    let sig = s.vec16()?;
                    let rec = sig_alg(cx, alg);
                    raise!(
                        cx,
                        ssl_extension_signed_certificate_timestamp,
                        client,
                        version,
                        log,
                        ts,
                        rec,
                        sig
                    );
                }
            }
            41 if hello => {
                if wants!(cx, ssl_extension_pre_shared_key_client_hello) {
                    let mut ids = Cursor::new(c.vec16()?);
                    let mut out = Vec::new();
                    while !ids.is_empty() {
                        let identity = ids.vec16()?;
                        let age = ids.n32()?;
                        out.push(
                            records::SSLPSKIdentity {
                                identity: identity.into(),
                                obfuscated_ticket_age: age,
                            }
                            .build(cx.q.bindings()),
                        );
                    }
                    let mut b = Cursor::new(c.vec16()?);
                    let mut binders = Vec::new();
                    while !b.is_empty() {
                        binders.push(b.vec8()?);
                    }
                    let ids = cx.vector(types::PSK_IDENTITY_VEC, out);
                    let binders = cx.strings(&binders);
                    raise!(cx, ssl_extension_pre_shared_key_client_hello, client, ids, binders);
                }
            }
            41 => {
                let n = c.n16()?;
                raise!(cx, ssl_extension_pre_shared_key_server_hello, client, n);
            }
            43 => {
                let list = if hello { c.vec8()? } else { val };
                if server_hello {
                    if let [a, b] = val {
                        self.version = u16::from_be_bytes([*a, *b]);
                    }
                }
                if wants!(cx, ssl_extension_supported_versions) {
                    let v = cx.counts(u16s(list));
                    raise!(cx, ssl_extension_supported_versions, client, v);
                }
            }
            45 if wants!(cx, ssl_extension_psk_key_exchange_modes) => {
                let v = cx.counts(c.vec8()?.iter().map(|&b| b as u64));
                raise!(cx, ssl_extension_psk_key_exchange_modes, client, v);
            }
            51 | 40 if wants!(cx, ssl_extension_key_share) => {
                let mut groups = Vec::new();
                if hello {
                    let mut list = Cursor::new(c.vec16()?);
                    while !list.is_empty() {
                        groups.push(list.n16()?);
                        list.vec16()?;
                    }
                } else {
                    groups.push(c.n16()?);
                }
                let v = cx.counts(groups);
                raise!(cx, ssl_extension_key_share, client, v);
            }
            54 => {
                let cid = c.vec8()?;
                raise!(cx, ssl_extension_connection_id, client, cid);
            }
            0xfe0d if hello && wants!(cx, ssl_extension_encrypted_client_hello) => {
                if c.u8()? == 0 {
                    let (kdf, aead, config) = (c.n16()?, c.n16()?, c.n8()?);
                    let enc = c.vec16()?;
                    let payload = c.vec16()?.len() as u64;
                    raise!(
                        cx,
                        ssl_extension_encrypted_client_hello,
                        client,
                        kdf,
                        aead,
                        config,
                        enc,
                        payload
                    );
                }
            }
            _ => {}
        }
        Some(())
    }

    /// The handle under which the scripts know a certificate or staple.
    fn handle(&self, cx: &Cx, is_orig: bool) -> String {
        let c = &cx.conn;
        format!(
            "Analyzer::ANALYZER_{}{}{}{}:{} > {}:{}",
            cx.name(),
            crate::util::text::time(c.start_time),
            if is_orig { "T" } else { "F" },
            c.orig_h,
            c.orig_p,
            c.resp_h,
            c.resp_p
        )
    }

    fn certificates(&mut self, cx: &mut Cx, is_orig: bool, body: &[u8]) -> Result<Option<()>, String> {
        // A file is its client's when the client sent it, whoever opened the connection.
        let is_orig = self.is_client(is_orig);
        let mut c = Cursor::new(body);
        let Some(total) = c.u24() else { return Ok(None) };
        if total as usize > c.left() {
            return Err(grammar::exception(format_args!(
                "out_of_bound: Certificate: {} > {}",
                total as usize + 3,
                body.len()
            )));
        }
        let Some(list) = c.sub(total as usize) else {
            return Ok(None);
        };
        let mut c = list;
        let base = self.handle(cx, is_orig);
        let mut i = 0;
        while !c.is_empty() {
            let Some(n) = c.u24() else { return Ok(None) };
            let Some(cert) = c.take(n as usize) else {
                return Err(grammar::exception(format_args!(
                    "out_of_bound: X509Certificate: {} > {}",
                    n,
                    c.left()
                )));
            };
            if cert.is_empty() {
                continue;
            }
            let mime: &[u8] = if i == 0 {
                b"application/x-x509-user-cert"
            } else {
                b"application/x-x509-ca-cert"
            };
            let handle = format!("{base}{i}");
            cx.file_whole(is_orig, handle.as_bytes(), mime, cert);
            i += 1;
        }
        Ok(Some(()))
    }

    /// A certificate that came by another way than a handshake message (SSLv2).
    pub fn lone_certificate(&mut self, cx: &mut Cx, is_orig: bool, cert: &[u8]) {
        let handle = format!("{}0", self.handle(cx, is_orig));
        cx.file_whole(is_orig, handle.as_bytes(), b"application/x-x509-user-cert", cert);
    }

    fn certificate_status(&mut self, cx: &mut Cx, is_orig: bool, body: &[u8]) -> Option<()> {
        let mut c = Cursor::new(body);
        let ty = c.u8()?;
        let n = c.u24()?;
        let resp = c.take(n as usize)?;
        if ty == 1 {
            let client = self.is_client(is_orig);
            raise!(cx, ssl_stapled_ocsp, client, resp);
            let handle = format!("{}ocsp", self.handle(cx, false));
            cx.file_whole(client, handle.as_bytes(), b"application/ocsp-response", resp);
        }
        Some(())
    }

    fn certificate_request(&mut self, cx: &mut Cx, client: bool, body: &[u8]) -> Option<()> {
        let mut c = Cursor::new(body);
        let kinds = c.vec8()?;
        let algs = if matches!(self.version, 0x0303 | 0xfefd) {
            c.vec16()?
        } else {
            &[]
        };
        let mut cas = Cursor::new(c.vec16()?);
        if wants!(cx, ssl_certificate_request) {
            let mut names = Vec::new();
            while !cas.is_empty() {
                names.push(cas.vec16()?);
            }
            let k = cx.counts(kinds.iter().map(|&b| b as u64));
            let a = sig_algs(cx, algs);
            let n = cx.strings(&names);
            raise!(cx, ssl_certificate_request, client, k, a, n);
        }
        Some(())
    }

    fn server_key_exchange(&mut self, cx: &mut Cx, body: &[u8]) -> Option<()> {
        let mut c = Cursor::new(body);
        let anon = match key_exchange(self.cipher) {
            KeyExchange::Ecdhe => {
                if c.u8()? != 3 {
                    return Some(());
                }
                let curve = c.n16()?;
                let point = c.vec8()?;
                raise!(cx, ssl_ecdh_server_params, curve, point);
                matches!(self.cipher, 0xc015..=0xc019)
            }
            k @ (KeyExchange::Dhe | KeyExchange::DhAnon) => {
                let (p, g, y) = (c.vec16()?, c.vec16()?, c.vec16()?);
                raise!(cx, ssl_dh_server_params, p, g, y);
                k == KeyExchange::DhAnon
            }
            _ => true,
        };
        if !anon && wants!(cx, ssl_server_signature) {
            let alg = if matches!(self.version, 0x0303 | 0xfefd) {
                [c.u8()?, c.u8()?]
            } else {
                [255, 255]
            };
            let sig = c.vec16()?;
            let rec = sig_alg(cx, alg);
            raise!(cx, ssl_server_signature, rec, sig);
        }
        Some(())
    }

    fn client_key_exchange(&mut self, cx: &mut Cx, body: &[u8]) -> Option<()> {
        let mut c = Cursor::new(body);
        match key_exchange(self.cipher) {
            KeyExchange::Ecdhe => {
                let point = c.vec8()?;
                raise!(cx, ssl_ecdh_client_params, point);
            }
            KeyExchange::Dhe | KeyExchange::DhAnon => {
                let y = c.vec16()?;
                raise!(cx, ssl_dh_client_params, y);
            }
            KeyExchange::Rsa => {
                let pms = if self.version == 0x0300 { body } else { c.vec16()? };
                raise!(cx, ssl_rsa_client_pms, pms);
            }
            KeyExchange::Other => {}
        }
        Some(())
    }
}

fn name(ty: u8) -> &'static str {
    match ty {
        CLIENT_HELLO => "ClientHello",
        SERVER_HELLO => "ServerHello",
        CERTIFICATE => "Certificate",
        SERVER_KEY_EXCHANGE => "ServerKeyExchange",
        CLIENT_KEY_EXCHANGE => "ClientKeyExchange",
        CERTIFICATE_REQUEST => "CertificateRequest",
        CERTIFICATE_STATUS => "CertificateStatus",
        _ => "Handshake",
    }
}

fn u16s(b: &[u8]) -> impl Iterator<Item = u64> + '_ {
    b.chunks_exact(2).map(|c| u16::from_be_bytes([c[0], c[1]]) as u64)
}

fn sig_alg(cx: &Cx, a: [u8; 2]) -> Value {
    records::SSLSignatureAndHashAlgorithm {
        HashAlgorithm: if a == [255, 255] { 256 } else { a[0] as u64 },
        SignatureAlgorithm: if a == [255, 255] { 256 } else { a[1] as u64 },
    }
    .build(cx.q.bindings())
}

fn sig_algs(cx: &Cx, b: &[u8]) -> Value {
    let v = b.chunks_exact(2).map(|c| sig_alg(cx, [c[0], c[1]])).collect();
    cx.vector(types::SIGNATURE_AND_HASHALGORITHM_VEC, v)
}

/// A session id as events show it: an absent one is all zeros.
fn session_id(id: &[u8]) -> &[u8] {
    if id.is_empty() { &[0; 32] } else { id }
}
