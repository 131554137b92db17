//! SSH versions 1 and 2 up to encryption, and the outcome of authentication from packet sizes (RFC 4253, 4419, 5656).

use tapir_data::value::Value;
use tapir_interface::records;

use crate::core::{Analyzer, Cx};
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::util::text::find;
use crate::{raise, wants};

const KEXINIT: u8 = 20;
const NEWKEYS: u8 = 21;

/// What is longer than the acceptance of the service by more than this shows a banner (RFC 4252, section 5.4).
const BANNER: usize = 256;

/// A version line may be this long (RFC 4253, section 4.2), with some tolerance.
const MAX_VERSION_LINE: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Version,
    Packets,
    Encrypted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kex {
    Unknown,
    Dh,
    Gex,
    Ecc,
    Rsa,
    Gss,
    Hybrid,
}

struct Side {
    buf: Vec<u8>,
    phase: Phase,
    version: Option<Vec<u8>>,
    kex: Vec<Vec<u8>>,
}

impl Default for Side {
    fn default() -> Self {
        Side {
            buf: Vec::new(),
            phase: Phase::Version,
            version: None,
            kex: Vec::new(),
        }
    }
}

/// The analyzer.
#[derive(Default)]
pub struct Ssh {
    sides: [Side; 2],
    kex: Option<Kex>,
    dead: bool,
    decided: bool,
    client_encrypted: bool,
    service_accept: usize,
    failure: usize,
    gap: bool,
}

fn supports_v2(v: &[u8]) -> bool {
    v.starts_with(b"SSH-2") || v.starts_with(b"SSH-1.99")
}

impl Ssh {
    fn version(&self) -> Option<Version> {
        let (a, b) = (self.sides[0].version.as_ref()?, self.sides[1].version.as_ref()?);
        Some(if supports_v2(a) && supports_v2(b) {
            Version::V2
        } else {
            Version::V1
        })
    }

    fn version_line(&mut self, cx: &mut Cx, is_orig: bool) -> bool {
        let s = &mut self.sides[is_orig as usize];
        let Some(n) = s.buf.iter().position(|&b| b == b'\n') else {
            let foreign = is_orig && s.buf.len() >= 4 && !s.buf.starts_with(b"SSH-");
            if foreign || s.buf.len() > MAX_VERSION_LINE {
                self.bad_version(cx, is_orig);
            }
            return false;
        };
        let mut line: Vec<u8> = s.buf.drain(..=n).collect();
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if !line.starts_with(b"SSH-") {
            if is_orig || find(&line, b"HTTP/").is_some() {
                // The rest does not belong to what is shown of it.
                s.buf = line;
                self.bad_version(cx, is_orig);
                return false;
            }
            raise!(cx, ssh_server_pre_banner_data, line);
            return true;
        }
        s.phase = Phase::Packets;
        s.version = Some(line.clone());
        if is_orig {
            raise!(cx, ssh_client_version, line);
        } else {
            raise!(cx, ssh_server_version, line);
        }
        true
    }

    fn bad_version(&mut self, cx: &mut Cx, is_orig: bool) {
        let data = self.sides[is_orig as usize].buf.clone();
        let line = data.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
        let shown: String = line.iter().take(40).map(|b| *b as char).collect();
        cx.violation(&grammar::string_mismatch("ssh/ssh-protocol.pac:45", "SSH-.*", &shown));
        self.dead = true;
    }

    /// Handles one packet; false when more bytes are needed or there are no more plain packets.
    fn packet(&mut self, cx: &mut Cx, is_orig: bool) -> bool {
        let d = is_orig as usize;
        if self.sides[d].buf.len() < 6 {
            return false;
        }
        let Some(version) = self.version() else {
            // The peer's version tells how packets look. If that side is never seen, the first packet cannot be read.
            if self.sides[!is_orig as usize].version.is_none() && self.sides[d].buf.len() > 256 {
                cx.violation(&grammar::exception("invalid index for case: SSH_Key_Exchange: 3"));
                self.dead = true;
            }
            return false;
        };
        let buf = &self.sides[d].buf;
        let len = u32::from_be_bytes([buf[0], buf[1], buf[2], buf[3]]) as u64;
        if len > cx.sh.opts.ssh_max_packet_length {
            let addl = format!("{len} > {}", cx.sh.opts.ssh_max_packet_length);
            cx.limit_weird("SSH_max_packet_length_exceeded", &addl);
            self.dead = true;
            return false;
        }
        if version == Version::V1 {
            return self.packet_v1(cx, is_orig, len as usize);
        }
        let total = 4 + len as usize;
        if buf.len() < total {
            return false;
        }
        let packet: Vec<u8> = self.sides[d].buf.drain(..total).collect();
        if len < 2 {
            return true;
        }
        let pad = packet[4] as usize;
        let ty = packet[5];
        let body = packet.get(6..total.saturating_sub(pad)).unwrap_or(&[]);
        match ty {
            KEXINIT => self.kexinit(cx, is_orig, body),
            NEWKEYS => {
                self.sides[d].phase = Phase::Encrypted;
                cx.confirm();
            }
            30..=49 => self.exchange(cx, is_orig, ty, body),
            _ => {}
        }
        true
    }

    fn packet_v1(&mut self, cx: &mut Cx, is_orig: bool, len: usize) -> bool {
        let d = is_orig as usize;
        let total = 4 + len + (8 - len % 8);
        if self.sides[d].buf.len() < total {
            return false;
        }
        let packet: Vec<u8> = self.sides[d].buf.drain(..total).collect();
        let pad = 8 - len % 8;
        let Some(&ty) = packet.get(4 + pad) else {
            return true;
        };
        match ty {
            2 => {
                // SSH_SMSG_PUBLIC_KEY: cookie, server key, host key.
                let mut c = Cursor::new(packet.get(5 + pad..).unwrap_or(&[]));
                let _ = self.public_key_v1(cx, &mut c);
                self.sides[0].phase = Phase::Encrypted;
            }
            3 => {
                // SSH_CMSG_SESSION_KEY: both sides agree.
                cx.confirm();
                self.sides[0].phase = Phase::Encrypted;
                self.sides[1].phase = Phase::Encrypted;
            }
            _ => {}
        }
        true
    }

    fn public_key_v1(&mut self, cx: &mut Cx, c: &mut Cursor) -> Option<()> {
        fn mpint<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
            let bits = c.u16()? as usize;
            c.take(bits.div_ceil(8))
        }
        c.skip(8)?;
        c.u32()?;
        mpint(c)?;
        mpint(c)?;
        c.u32()?;
        let e = mpint(c)?;
        let p = mpint(c)?;
        raise!(cx, ssh1_server_host_key, p, e);
        let blob = [p, e].concat();
        self.fingerprints(cx, &blob);
        Some(())
    }

    fn fingerprints(&self, cx: &mut Cx, blob: &[u8]) {
        if wants!(cx, ssh_server_host_key) {
            use md5::{Digest, Md5};
            let h = Md5::digest(blob);
            let t: Vec<String> = h.iter().map(|b| format!("{b:02x}")).collect();
            raise!(cx, ssh_server_host_key, t.join(":"));
        }
        // As recorded: there is none for the first version of the protocol.
        if wants!(cx, ssh_server_host_key_fingerprint) && self.version() == Some(Version::V2) {
            use base64::Engine as _;
            use sha2::{Digest, Sha256};
            // As recorded: only the first 24 bytes of the digest are shown.
            let h = Sha256::digest(blob);
            let t = base64::engine::general_purpose::STANDARD_NO_PAD.encode(&h[..24]);
            raise!(cx, ssh_server_host_key_fingerprint, format!("SHA256:{t}"));
        }
    }

    fn kexinit(&mut self, cx: &mut Cx, is_orig: bool, body: &[u8]) {
        let mut c = Cursor::new(body);
        let Some(cookie) = c.take(16) else { return };
        let mut lists: Vec<Vec<Vec<u8>>> = Vec::with_capacity(10);
        for max in cx.sh.opts.ssh_max_kexinit.lists() {
            let Some(n) = c.u32() else { return };
            if n as u64 > cx.sh.opts.ssh_max_string_length {
                let addl = format!("{n} > {}", cx.sh.opts.ssh_max_string_length);
                cx.limit_weird("SSH_max_string_length_exceeded", &addl);
                self.dead = true;
                return;
            }
            let Some(s) = c.take(n as usize) else { return };
            let names = if s.is_empty() {
                Vec::new()
            } else {
                s.split(|&b| b == b',').take(max as usize).map(<[u8]>::to_vec).collect()
            };
            lists.push(names);
        }
        self.sides[is_orig as usize].kex = lists[0].clone();
        if wants!(cx, ssh_capabilities) {
            let both = |cx: &Cx, i: usize| -> Value {
                let a = cx.strings(&lists[i]);
                let b = cx.strings(&lists[i + 1]);
                records::SSHAlgorithmPrefs {
                    client_to_server: a,
                    server_to_client: b,
                }
                .build(cx.q.bindings())
            };
            let caps = records::SSHCapabilities {
                kex_algorithms: cx.strings(&lists[0]),
                server_host_key_algorithms: cx.strings(&lists[1]),
                encryption_algorithms: both(cx, 2),
                mac_algorithms: both(cx, 4),
                compression_algorithms: both(cx, 6),
                languages: if lists[8].is_empty() && lists[9].is_empty() {
                    Value::Unset
                } else {
                    both(cx, 8)
                },
                is_server: !is_orig,
            }
            .build(cx.q.bindings());
            raise!(cx, ssh_capabilities, cookie, caps);
        }
        let (server, client) = (&self.sides[0].kex, &self.sides[1].kex);
        if !server.is_empty() && !client.is_empty() {
            let chosen = client.iter().find(|k| server.contains(k));
            self.kex = Some(chosen.map_or(Kex::Unknown, |k| kex_kind(k)));
        }
    }

    fn exchange(&mut self, cx: &mut Cx, is_orig: bool, ty: u8, body: &[u8]) {
        let mut c = Cursor::new(body);
        match (self.kex.unwrap_or(Kex::Unknown), ty) {
            (Kex::Dh, 31) | (Kex::Gex | Kex::Gss, 33) => {
                if let Some(key) = string(&mut c) {
                    self.host_key(cx, key);
                }
            }
            (Kex::Gex, 31) => {
                if let (Some(p), Some(q)) = (string(&mut c), string(&mut c)) {
                    raise!(cx, ssh2_dh_server_params, p, q);
                }
            }
            (Kex::Gex, 32) => {
                raise!(cx, ssh2_dh_gex_init, is_orig);
            }
            (Kex::Ecc, 30) => {
                if let Some(q) = string(&mut c) {
                    raise!(cx, ssh2_ecc_key, is_orig, q);
                }
                raise!(cx, ssh2_ecc_init, is_orig);
            }
            (Kex::Ecc | Kex::Hybrid, 31) => {
                if let Some(key) = string(&mut c) {
                    self.host_key(cx, key);
                }
                if self.kex == Some(Kex::Ecc) {
                    if let Some(q) = string(&mut c) {
                        raise!(cx, ssh2_ecc_key, is_orig, q);
                    }
                }
            }
            (Kex::Rsa, 30) => {
                if let Some(key) = string(&mut c) {
                    self.host_key(cx, key);
                }
            }
            (Kex::Rsa, 31) => {
                raise!(cx, ssh2_rsa_secret, is_orig);
            }
            (Kex::Gss, 30) => {
                raise!(cx, ssh2_gss_init, is_orig);
            }
            (Kex::Gss, 34) => {
                if let (Some(major), Some(minor)) = (c.n32(), c.n32())
                    && let Some(text) = string(&mut c)
                {
                    raise!(cx, ssh2_gss_error, major, minor, text);
                }
            }
            _ => {}
        }
    }

    fn host_key(&self, cx: &mut Cx, key: &[u8]) {
        raise!(cx, ssh2_server_host_key, key);
        self.fingerprints(cx, key);
    }

    /// Guesses from the size of encrypted segments how authentication went.
    fn encrypted(&mut self, cx: &mut Cx, is_orig: bool, len: usize) {
        raise!(cx, ssh_encrypted_packet, is_orig, len as u64);
        if self.decided || self.version() != Some(Version::V2) {
            return;
        }
        if is_orig {
            self.client_encrypted = true;
            return;
        }
        // What a server sends unasked after the keys is extension information.
        if !self.client_encrypted {
            return;
        }
        if self.service_accept == 0 {
            self.service_accept = len;
            return;
        }
        let success = len + 16 == self.service_accept;
        if self.failure == 0 {
            if len > self.service_accept + BANNER {
                return;
            }
            if success {
                self.decided = true;
                raise!(cx, ssh_auth_attempted, true);
                raise!(cx, ssh_auth_successful, true);
            } else {
                // The answer to the method "none", which a client tries to learn what there is.
                self.failure = len;
            }
        } else if len == self.failure {
            raise!(cx, ssh_auth_attempted, false);
        } else if success {
            self.decided = true;
            raise!(cx, ssh_auth_attempted, true);
            raise!(cx, ssh_auth_successful, false);
        }
    }
}

/// A string with a length of four bytes.
fn string<'a>(c: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let n = c.u32()?;
    c.take(n as usize)
}

fn kex_kind(k: &[u8]) -> Kex {
    if k.starts_with(b"diffie-hellman-group-exchange-") {
        Kex::Gex
    } else if k.starts_with(b"diffie-hellman-group") {
        Kex::Dh
    } else if k.starts_with(b"ecdh-sha2-") || k.starts_with(b"curve25519-sha256") || k == b"ecmqv-sha2" {
        Kex::Ecc
    } else if k.starts_with(b"rsa") {
        Kex::Rsa
    } else if k.starts_with(b"gss-") {
        Kex::Gss
    } else if k.starts_with(b"sntrup") || k.starts_with(b"mlkem") {
        Kex::Hybrid
    } else {
        Kex::Unknown
    }
}

impl Analyzer for Ssh {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        if self.dead || self.gap || cx.conn.partial {
            return;
        }
        let d = is_orig as usize;
        if self.sides[d].phase == Phase::Encrypted {
            self.encrypted(cx, is_orig, data.len());
            return;
        }
        self.sides[d].buf.extend_from_slice(data);
        loop {
            let more = match self.sides[d].phase {
                Phase::Version => self.version_line(cx, is_orig),
                Phase::Packets => self.packet(cx, is_orig),
                Phase::Encrypted => false,
            };
            if !more || self.dead {
                break;
            }
        }
        if self.sides[d].phase == Phase::Encrypted {
            let n = std::mem::take(&mut self.sides[d].buf).len();
            if n > 0 {
                self.encrypted(cx, is_orig, n);
            }
        } else if self.sides[d].version.is_some() && self.sides[!is_orig as usize].phase == Phase::Packets {
            // The peer may have waited for this side's version.
            while !self.dead && self.packet(cx, !is_orig) {}
        }
        if self.dead {
            self.sides = Default::default();
        }
    }

    fn gap(&mut self, _cx: &mut Cx, _is_orig: bool, _seq: u64, _len: u64) {
        self.gap = true;
        self.sides = Default::default();
    }

    fn flip(&mut self) {
        self.sides.swap(0, 1);
    }
}
