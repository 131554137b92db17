//! SSL and TLS over TCP: record layer (RFC 5246, 8446; SSLv2 hellos).

mod ciphers;
mod decrypt;
mod dtls;
pub(crate) mod handshake;

pub use decrypt::{MASTER_LEN, Secret};
pub use dtls::Dtls;
use handshake::{Handshake, is_13};

use crate::core::pia::Pia;
use crate::core::{Analyzer, Command, Cx};
use crate::util::cursor::Cursor;
use crate::{raise, wants};

const CCS: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;
const HEARTBEAT: u8 = 24;

/// A handshake message may span records; larger ones than this are given up.
const MAX_HANDSHAKE: usize = 1 << 18;

/// A record is at most this long; more is malformed but tolerated up to 65535.
const HEADER: usize = 5;

/// The analyzer.
pub struct Ssl {
    hs: Handshake,
    buf: [Vec<u8>; 2],
    messages: [Vec<u8>; 2],
    /// The record layer's version; 0 before the first record.
    layer: u16,
    v2: bool,
    stopped: bool,
    /// What scripts know of the session's keys, and the keys that follow from it.
    secret: Option<Secret>,
    keys: Option<Box<decrypt::Keys>>,
    /// Protected records of either direction so far.
    protected: [u64; 2],
}

impl Default for Ssl {
    fn default() -> Self {
        Ssl {
            hs: Handshake::new(false),
            buf: [Vec::new(), Vec::new()],
            messages: [Vec::new(), Vec::new()],
            layer: 0,
            v2: false,
            stopped: false,
            secret: None,
            keys: None,
            protected: [0; 2],
        }
    }
}

fn known_version(v: u16) -> bool {
    matches!(v, 0x0300..=0x0304)
}

impl Ssl {
    /// Attaches the analyzer to the running one, which goes on with TLS; says whether it is there now.
    pub fn begin(cx: &mut Cx) -> bool {
        cx.add_child_boxed("SSL", Box::new(Ssl::default())).is_some()
    }

    fn fail(&mut self, cx: &mut Cx, why: &str) {
        cx.violation(why);
        self.stopped = true;
    }

    /// Handles one record at the start of `b`; gives its length, `None` when more bytes are needed.
    fn record(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Option<usize> {
        let version = u16::from_be_bytes([*b.get(1)?, *b.get(2)?]);
        let _ = b.get(4)?;
        if self.v2 {
            return self.v2_record(cx, is_orig, b);
        }
        if self.layer != 0 {
            if !known_version(version) {
                self.fail(
                    cx,
                    &format!("Invalid version late in TLS connection. Packet reported version: {version}"),
                );
                return None;
            }
        } else if b[0] & 0x80 != 0 && (b[2] == 1 || b[2] == 4) {
            let v = u16::from_be_bytes([b[3], b[4]]);
            if b[2] == 1 && (known_version(v) || v == 2) || b[2] == 4 && b[4] < 2 {
                return self.v2_record(cx, is_orig, b);
            }
            self.fail(cx, &format!("Invalid version in SSL client hello. Version: {v}"));
            return None;
        } else if !known_version(version) {
            self.fail(cx, &format!("Invalid version in TLS connection. Version: {version}"));
            return None;
        } else {
            self.layer = version;
        }
        let len = u16::from_be_bytes([b[3], b[4]]) as usize;
        let body = b.get(HEADER..HEADER + len)?;
        let ty = b[0];
        let client = self.hs.is_client(is_orig);
        let d = is_orig as usize;
        let mut cipher = self.hs.encrypted[d];
        if is_13(self.hs.version) && matches!(ty, CCS | HANDSHAKE | ALERT) {
            cipher = false;
        }
        if ty == DATA && !cipher {
            self.hs.encrypted[d] = true;
            cipher = true;
        }
        if cipher {
            self.hs.ciphertext(cx);
            raise!(cx, ssl_encrypted_data, client, version as u64, ty as u64, len as u64);
            if ty == HANDSHAKE {
                raise!(cx, ssl_probable_encrypted_handshake_message, client, len as u64);
            }
            let head = decrypt::Head {
                from_client: client,
                number: self.protected[d],
                ty,
                version,
            };
            self.protected[d] += 1;
            if ty == DATA && (self.secret.is_some() || self.keys.is_some()) {
                self.decrypt(cx, is_orig, &head, body);
            }
            return Some(HEADER + len);
        }
        match ty {
            CCS => {
                if !is_13(self.hs.version) {
                    self.hs.encrypted[d] = true;
                }
                raise!(cx, ssl_change_cipher_spec, client);
            }
            ALERT => {
                alerts(cx, client, body);
            }
            HANDSHAKE => self.handshake(cx, is_orig, version, body),
            HEARTBEAT => heartbeat(cx, client, body),
            _ => {
                self.fail(
                    cx,
                    &format!("unexpected ssl record type {ty} from {} in state", side(is_orig)),
                );
                return None;
            }
        }
        if self.stopped {
            return None;
        }
        // A client hello may just have told who the client is.
        let client = self.hs.is_client(is_orig);
        // As recorded: an empty record is not told of.
        if len > 0 {
            raise!(cx, ssl_plaintext_data, client, version as u64, ty as u64, len as u64);
        }
        Some(HEADER + len)
    }

    /// Hands what a record holds to whatever protocol it may be.
    fn decrypt(&mut self, cx: &mut Cx, is_orig: bool, head: &decrypt::Head, body: &[u8]) {
        if let Some(secret) = self.secret.take() {
            let (client, server) = (&self.hs.client_random, &self.hs.server_random);
            self.keys = match self.hs.version {
                0x0303 => decrypt::Keys::new(self.hs.cipher, &secret, client, server).map(Box::new),
                _ => None,
            };
            if self.keys.is_none() {
                cx.weird("SSL_secret_of_no_use", "");
            }
        }
        let Some(keys) = &self.keys else {
            return;
        };
        let Some(plain) = keys.open(head, body) else {
            cx.weird("SSL_decryption_failed", "");
            self.keys = None;
            return;
        };
        if !cx.has_children() {
            cx.add_child_boxed("PIA_TCP", Box::new(Pia::inner()));
        }
        cx.forward(is_orig, &plain);
    }

    fn handshake(&mut self, cx: &mut Cx, is_orig: bool, version: u16, body: &[u8]) {
        let d = is_orig as usize;
        let mut m = std::mem::take(&mut self.messages[d]);
        m.extend_from_slice(body);
        let mut at = 0;
        while m.len() - at >= 4 {
            let n = u32::from_be_bytes([0, m[at + 1], m[at + 2], m[at + 3]]) as usize;
            if n > MAX_HANDSHAKE {
                self.fail(cx, "SSL handshake message too long");
                return;
            }
            let Some(msg) = m.get(at + 4..at + 4 + n) else {
                break;
            };
            if let Err(why) = self.hs.message(cx, is_orig, version, m[at], msg) {
                // The rest of the record goes with the message; the record layer itself is sound.
                cx.violation(&why);
                return;
            }
            at += 4 + n;
        }
        m.drain(..at);
        self.messages[d] = m;
    }

    fn v2_record(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Option<usize> {
        let head = if b[0] & 0x80 != 0 { 2 } else { 3 };
        let len = if head == 2 {
            (b[0] as usize & 0x7f) << 8 | b[1] as usize
        } else {
            (b[0] as usize & 0x3f) << 8 | b[1] as usize
        };
        let body = b.get(head..head + len)?;
        let client = self.hs.is_client(is_orig);
        let d = is_orig as usize;
        if self.hs.encrypted[d] {
            self.hs.ciphertext(cx);
            raise!(cx, ssl_encrypted_data, client, 0, 0, len as u64);
            return Some(head + len);
        }
        let kind = match body.first() {
            Some(1) => {
                self.v2_client_hello(cx, body);
                301
            }
            Some(2) => {
                self.hs.encrypted[d] = true;
                302
            }
            Some(4) => {
                self.v2_server_hello(cx, is_orig, body);
                304
            }
            _ => 300,
        };
        // The type and the version of a hello are not counted.
        raise!(cx, ssl_plaintext_data, client, 0, kind, len.saturating_sub(3) as u64);
        if kind == 304 {
            self.hs.encrypted[d] = true;
        }
        if kind == 302 && self.hs.encrypted == [true, true] && !self.hs.established {
            self.hs.ciphertext(cx);
        }
        Some(head + len)
    }

    fn v2_client_hello(&mut self, cx: &mut Cx, body: &[u8]) -> Option<()> {
        let mut c = Cursor::new(body);
        c.u8()?;
        let version = c.n16()?;
        let (nc, ns, nr) = (c.u16()?, c.u16()?, c.u16()?);
        let ciphers = c.take(nc as usize)?;
        let _session = c.take(ns as usize)?;
        let challenge = c.take(nr as usize)?;
        self.v2 = version == 2;
        cx.confirm();
        if wants!(cx, ssl_client_hello) {
            let list = cx.counts(
                ciphers
                    .chunks_exact(3)
                    .map(|b| u32::from_be_bytes([0, b[0], b[1], b[2]]) as u64),
            );
            let comp = cx.counts([]);
            raise!(cx, ssl_client_hello, version, 0, 0.0, challenge, &[0u8; 32], list, comp);
        }
        Some(())
    }

    fn v2_server_hello(&mut self, cx: &mut Cx, is_orig: bool, body: &[u8]) -> Option<()> {
        let mut c = Cursor::new(body);
        c.u8()?;
        c.u8()?;
        c.u8()?;
        let version = c.n16()?;
        let (ncert, nciph, nid) = (c.u16()?, c.u16()?, c.u16()?);
        let cert = c.take(ncert as usize)?;
        let ciphers = c.take(nciph as usize)?;
        let id = c.take(nid as usize)?;
        self.v2 = true;
        cx.confirm();
        let cipher = ciphers
            .get(..3)
            .map_or(0, |b| u32::from_be_bytes([0, b[0], b[1], b[2]]) as u64);
        raise!(cx, ssl_server_hello, version, 0, 0.0, id, &[0u8; 32], cipher, 0);
        if !cert.is_empty() {
            self.hs.lone_certificate(cx, is_orig, cert);
        }
        Some(())
    }
}

fn side(is_orig: bool) -> &'static str {
    if is_orig { "originator" } else { "responder" }
}

/// The alerts of one record in the clear; there are seldom several.
pub(crate) fn alerts(cx: &mut Cx, client: bool, body: &[u8]) {
    if !body.len().is_multiple_of(2) {
        return;
    }
    let max = cx.sh.opts.ssl_max_alerts_per_record as usize;
    for alert in body.chunks_exact(2).take(max) {
        raise!(cx, ssl_alert, client, alert[0] as u64, alert[1] as u64);
    }
    if body.len() / 2 > max {
        cx.weird("SSL_too_many_alerts_in_record", "");
    }
}

/// A heartbeat message in the clear (RFC 6520).
pub(crate) fn heartbeat(cx: &mut Cx, client: bool, body: &[u8]) {
    let mut c = Cursor::new(body);
    if let (Some(ty), Some(n)) = (c.n8(), c.n16()) {
        raise!(cx, ssl_heartbeat, client, body.len() as u64, ty, n, c.take_rest());
    }
}

impl Analyzer for Ssl {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        // Without the beginning of the connection nobody knows what is encrypted.
        if self.stopped || cx.conn.partial {
            return;
        }
        let d = is_orig as usize;
        let mut buf = std::mem::take(&mut self.buf[d]);
        let mut at = 0;
        if buf.is_empty() {
            while !self.stopped && at < data.len() {
                match self.record(cx, is_orig, &data[at..]) {
                    Some(n) => at += n,
                    None => break,
                }
            }
            buf.extend_from_slice(&data[at..]);
        } else {
            buf.extend_from_slice(data);
            while !self.stopped && at < buf.len() {
                match self.record(cx, is_orig, &buf[at..]) {
                    Some(n) => at += n,
                    None => break,
                }
            }
            buf.drain(..at);
        }
        if self.stopped {
            buf = Vec::new();
        }
        self.buf[d] = buf;
    }

    fn gap(&mut self, _cx: &mut Cx, _is_orig: bool, _seq: u64, _len: u64) {
        // Record boundaries are lost.
        self.stopped = true;
        self.buf = [Vec::new(), Vec::new()];
        self.messages = [Vec::new(), Vec::new()];
    }

    fn command(&mut self, _cx: &mut Cx, cmd: &Command) {
        match cmd {
            Command::SslEstablished => self.hs.established = true,
            Command::TlsSecret(secret) => self.secret = Some(secret.clone()),
            _ => {}
        }
    }

    fn eof(&mut self, cx: &mut Cx, is_orig: bool) {
        cx.forward_eof(is_orig);
    }

    fn flip(&mut self) {
        self.buf.swap(0, 1);
        self.messages.swap(0, 1);
        self.hs.encrypted.swap(0, 1);
        self.protected.swap(0, 1);
    }
}
