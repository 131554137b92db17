//! DTLS over UDP: record layer and handshake reassembly (RFC 6347, 9147).

use std::collections::BTreeMap;

use super::handshake::{Handshake, is_13};
use super::{ALERT, CCS, DATA, HANDSHAKE, HEARTBEAT, alerts, heartbeat};
use crate::core::{Analyzer, Cx};
use crate::raise;
use crate::util::cursor::Cursor;

const HEADER: usize = 13;

/// Messages this far ahead of the next expected one are refused.
const WINDOW: u16 = 32;

/// Fragments of a message come within this many records.
const RECORD_WINDOW: u64 = 64;

const MAX_MESSAGE: usize = 1 << 18;

#[derive(Default)]
struct Partial {
    ty: u8,
    /// The number of the record that brought the first fragment.
    first_record: u64,
    body: Vec<u8>,
    have: Vec<(usize, usize)>,
}

impl Partial {
    fn add(&mut self, at: usize, data: &[u8]) {
        let end = at + data.len();
        if let Some(dst) = self.body.get_mut(at..end) {
            dst.copy_from_slice(data);
            if self.have.len() < 1000 {
                self.have.push((at, end));
            }
        }
    }

    fn complete(&mut self) -> bool {
        self.have.sort_unstable();
        let mut to = 0;
        for &(a, b) in &self.have {
            if a > to {
                return false;
            }
            to = to.max(b);
        }
        to >= self.body.len()
    }
}

/// The analyzer.
pub struct Dtls {
    hs: Handshake,
    next: [u16; 2],
    partial: [BTreeMap<u16, Partial>; 2],
    bad_versions: u64,
    seen: bool,
    stopped: bool,
}

impl Default for Dtls {
    fn default() -> Self {
        Dtls {
            hs: Handshake::new(true),
            next: [0; 2],
            partial: [BTreeMap::new(), BTreeMap::new()],
            bad_versions: 0,
            seen: false,
            stopped: false,
        }
    }
}

impl Dtls {
    fn record(&mut self, cx: &mut Cx, is_orig: bool, c: &mut Cursor) -> Option<()> {
        let first = c.peek()?;
        let d = is_orig as usize;
        if first & 0xe0 == 0x20 && self.seen {
            // The unified header of DTLS 1.3: always ciphertext.
            self.hs.encrypted[d] = true;
            self.hs.ciphertext(cx);
            let client = self.hs.is_client(is_orig);
            raise!(cx, ssl_encrypted_data, client, 0xfefc, DATA as u64, c.left() as u64);
            c.take_rest();
            return Some(());
        }
        if c.left() < HEADER {
            return None;
        }
        let ty = c.u8()?;
        let version = c.u16()?;
        let epoch = c.u16()?;
        let number = (c.u16()? as u64) << 32 | c.u32()? as u64;
        let len = c.u16()? as usize;
        if !matches!(version, 0xfeff | 0xfefd | 0xfefc | 0x0100) {
            self.bad_versions += 1;
            let o = &cx.sh.opts;
            if self.bad_versions <= o.dtls_max_reported_version_errors {
                cx.violation(&format!(
                    "Invalid version in DTLS connection. Packet reported version: {version}"
                ));
            }
            if self.bad_versions > cx.sh.opts.dtls_max_version_errors {
                self.stopped = true;
            }
            return None;
        }
        self.seen = true;
        let body = c.take(len)?;
        let mut client = self.hs.is_client(is_orig);
        let cipher = epoch > 0 || ty == DATA || (self.hs.encrypted[d] && !is_13(self.hs.version));
        if cipher {
            self.hs.encrypted[d] = true;
            self.hs.ciphertext(cx);
            raise!(cx, ssl_encrypted_data, client, version as u64, ty as u64, len as u64);
            return Some(());
        }
        match ty {
            CCS => {
                self.hs.encrypted[d] = true;
                raise!(cx, ssl_change_cipher_spec, client);
            }
            ALERT => {
                alerts(cx, client, body);
            }
            HANDSHAKE => {
                let mut h = Cursor::new(body);
                while !h.is_empty() && !self.stopped {
                    self.fragment(cx, is_orig, version, number, &mut h)?;
                }
                client = self.hs.is_client(is_orig);
            }
            HEARTBEAT => heartbeat(cx, client, body),
            _ => return None,
        }
        raise!(cx, ssl_plaintext_data, client, version as u64, ty as u64, len as u64);
        Some(())
    }

    fn fragment(&mut self, cx: &mut Cx, is_orig: bool, version: u16, number: u64, c: &mut Cursor) -> Option<()> {
        let ty = c.u8()?;
        let len = c.u24()? as usize;
        let seq = c.u16()?;
        let at = c.u24()? as usize;
        let n = c.u24()? as usize;
        let data = c.take(n)?;
        if len > MAX_MESSAGE || at + n > len {
            cx.violation("DTLS handshake message fragment bigger than message");
            return None;
        }
        let d = is_orig as usize;
        if seq.saturating_sub(self.next[d]) > WINDOW {
            cx.violation("DTLS handshake fragment sequence number outside reassembly window.");
            return Some(());
        }
        if at == 0 && n == len {
            // Whole messages need no reassembly; a repeated one is told again.
            if seq >= self.next[d] {
                self.next[d] = seq.saturating_add(1);
            }
            self.done(cx, is_orig, version, ty, data);
            return Some(());
        }
        if seq < self.next[d] {
            return Some(());
        }
        let p = self.partial[d].entry(seq).or_insert_with(|| Partial {
            ty,
            first_record: number,
            body: vec![0; len],
            have: Vec::new(),
        });
        if p.body.len() != len || p.ty != ty {
            cx.violation("DTLS handshake message changed between fragments");
            return None;
        }
        if number.abs_diff(p.first_record) >= RECORD_WINDOW {
            cx.violation("DTLS handshake fragment sequence number outside reassembly window.");
            return Some(());
        }
        p.add(at, data);
        if p.complete() {
            if let Some(p) = self.partial[d].remove(&seq) {
                self.next[d] = seq.saturating_add(1);
                self.done(cx, is_orig, version, p.ty, &p.body);
            }
            let next = self.next[d];
            self.partial[d].retain(|s, _| *s >= next);
        }
        Some(())
    }

    fn done(&mut self, cx: &mut Cx, is_orig: bool, version: u16, ty: u8, body: &[u8]) {
        if let Err(why) = self.hs.message(cx, is_orig, version, ty, body) {
            cx.violation(&why);
            self.stopped = true;
        }
    }
}

impl Analyzer for Dtls {
    fn packet(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        // STUN and media share ports with DTLS (RFC 7983): only 20 to 63 is ours.
        if self.stopped || data.is_empty() || !(20..64).contains(&data[0]) {
            return;
        }
        let mut c = Cursor::new(data);
        while !c.is_empty() && !self.stopped {
            if self.record(cx, is_orig, &mut c).is_none() {
                break;
            }
        }
    }

    fn flip(&mut self) {
        self.next.swap(0, 1);
        self.partial.swap(0, 1);
        self.hs.encrypted.swap(0, 1);
    }
}
