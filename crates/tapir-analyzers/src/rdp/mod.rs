//! RDP up to encryption (MS-RDPBCGR, T.123, T.124), and the handshake of its UDP transport (MS-RDPEUDP).

mod udp;

use tapir_data::value::Value;
use tapir_interface::{records, types};

pub use udp::RdpUdp;

use crate::core::Cx;
use crate::raise;
use crate::ssl::Ssl;
use crate::util::cursor::Cursor;
use crate::util::grammar;
use crate::util::text::{find, utf16le};
use crate::util::units::{AfterGap, Step, Stream, Units};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Mode {
    #[default]
    Plain,
    Tls,
    Native,
}

/// The analyzer.
pub type Rdp = Stream<Session>;

/// What is known of a session.
#[derive(Default)]
pub struct Session {
    mode: Mode,
    security: u64,
    certs: u64,
}

impl Session {
    /// One TPKT without its header; says what is wrong with it.
    fn tpdu(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Result<(), String> {
        self.cotp(cx, is_orig, b)
            .unwrap_or_else(|| Err("out_of_bound: COTP".into()))
    }

    /// As [`tpdu`](Self::tpdu); `None` when it ends too early.
    fn cotp(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Option<Result<(), String>> {
        let mut c = Cursor::new(b);
        let li = c.u8()?;
        let ty = c.u8()?;
        match ty & 0xf0 {
            0xe0 => {
                c.skip(5)?;
                self.connect_request(cx, c.rest());
            }
            0xd0 => {
                c.skip(5)?;
                return self.connect_confirm(cx, &mut c);
            }
            0xf0 => {
                c.skip((li as usize).saturating_sub(1))?;
                self.data(cx, is_orig, c.rest())?;
            }
            0x80 => {}
            n => return Some(Err(format!("invalid index for case: COTP_PDU: {n}"))),
        }
        Some(Ok(()))
    }

    fn connect_request(&mut self, cx: &mut Cx, rest: &[u8]) {
        let mut cookie: &[u8] = &[];
        let mut tail = rest;
        if let Some(n) = find(rest, b"\r\n") {
            cookie = &rest[..n];
            tail = &rest[n + 2..];
            if let Some(v) = cookie.strip_prefix(b"Cookie: mstshash=") {
                cookie = v;
            }
        }
        let mut c = Cursor::new(tail);
        let flags = match (c.u8(), c.n8()) {
            (Some(1), Some(f)) => f,
            _ => 0,
        };
        raise!(cx, rdp_connect_request, cookie, flags);
    }

    fn connect_confirm(&mut self, cx: &mut Cx, c: &mut Cursor) -> Option<Result<(), String>> {
        let Some(ty) = c.u8() else {
            return Some(Ok(()));
        };
        let name = match ty {
            2 => "RDP_Negotiation_Response",
            3 => "RDP_Negotiation_Failure",
            n => return Some(Err(format!("invalid index for case: Connect_Confirm_Record: {n}"))),
        };
        let flags = c.n8()?;
        if c.u16le()? != 8 {
            return Some(Err(format!("&enforce violation : {name}:length")));
        }
        let v = c.n32le()?;
        match ty {
            2 => {
                self.security = v;
                if v > 0 {
                    self.mode = Mode::Tls;
                    raise!(cx, rdp_begin_encryption, v);
                    Ssl::begin(cx);
                }
                raise!(cx, rdp_negotiation_response, v, flags);
            }
            _ => {
                raise!(cx, rdp_negotiation_failure, v, flags);
            }
        }
        Some(Ok(()))
    }

    /// Data of the MCS layer: only the connect PDUs are of interest.
    fn data(&mut self, cx: &mut Cx, is_orig: bool, b: &[u8]) -> Option<()> {
        if b.starts_with(&[0x7f, 0x65]) && is_orig {
            let at = find(b, b"Duca")?;
            cx.confirm();
            // A PER length stands before the blocks.
            let mut c = Cursor::new(&b[at + 4..]);
            if c.u8()? & 0x80 != 0 {
                c.u8()?;
            }
            self.blocks(cx, true, &mut c)?;
        } else if b.starts_with(&[0x7f, 0x66]) && !is_orig {
            let at = find(b, b"McDn")?;
            // The result stands at a fixed place of the BER header.
            let result = find(b, &[0x0a, 0x01]).and_then(|i| b.get(i + 2)).copied().unwrap_or(0);
            raise!(cx, rdp_gcc_server_create_response, result as u64);
            let mut c = Cursor::new(&b[at + 4..]);
            if c.u8()? & 0x80 != 0 {
                c.u8()?;
            }
            self.blocks(cx, false, &mut c)?;
        }
        Some(())
    }

    fn blocks(&mut self, cx: &mut Cx, client: bool, c: &mut Cursor) -> Option<()> {
        while c.left() >= 4 {
            let ty = c.u16le()?;
            let len = c.u16le()? as usize;
            let mut b = c.sub(len.checked_sub(4)?.min(c.left()))?;
            let _ = match (client, ty) {
                (true, 0xc001) => self.core_data(cx, &mut b),
                (true, 0xc002) => {
                    let r = records::RDPClientSecurityData {
                        encryption_methods: b.n32le()?,
                        ext_encryption_methods: b.n32le()?,
                    }
                    .build(cx.q.bindings());
                    raise!(cx, rdp_client_security_data, r);
                    Some(())
                }
                (true, 0xc003) => self.network_data(cx, &mut b),
                (true, 0xc004) => {
                    let flags = b.u32le()?;
                    let id = b.n32le()?;
                    let r = records::RDPClientClusterData {
                        flags: flags as u64,
                        redir_session_id: id,
                        redir_supported: flags & 1 != 0,
                        svr_session_redir_version_mask: (flags >> 2 & 15) as u64,
                        redir_sessionid_field_valid: flags & 2 != 0,
                        redir_smartcard: flags & 0x40 != 0,
                    }
                    .build(cx.q.bindings());
                    raise!(cx, rdp_client_cluster_data, r);
                    Some(())
                }
                (false, 0x0c02) => self.server_security(cx, &mut b),
                _ => Some(()),
            };
        }
        Some(())
    }

    fn core_data(&mut self, cx: &mut Cx, b: &mut Cursor) -> Option<()> {
        // A version of four bytes: minor, then major.
        let version_major = b.n16le()?;
        let version_minor = b.n16le()?;
        let mut r = records::RDPClientCoreData {
            version_major,
            version_minor,
            ..Default::default()
        };
        r.desktop_width = b.n16le()?;
        r.desktop_height = b.n16le()?;
        r.color_depth = b.n16le()?;
        r.sas_sequence = b.n16le()?;
        r.keyboard_layout = b.n32le()?;
        r.client_build = b.n32le()?;
        let name = b.take(32)?;
        r.client_name = fixed(name);
        r.keyboard_type = b.n32le()?;
        r.keyboard_sub = b.n32le()?;
        r.keyboard_function_key = b.n32le()?;
        r.ime_file_name = fixed(b.take(64)?);
        r.post_beta2_color_depth = b.n16le();
        r.client_product_id = b.n16le();
        r.serial_number = b.n32le();
        r.high_color_depth = b.n16le();
        r.supported_color_depths = b.n16le();
        if let Some(f) = b.u16le() {
            r.ec_flags = records::RDPEarlyCapabilityFlags {
                support_err_info_pdu: f & 1 != 0,
                want_32bpp_session: f & 2 != 0,
                support_statusinfo_pdu: f & 4 != 0,
                strong_asymmetric_keys: f & 8 != 0,
                support_monitor_layout_pdu: f & 0x40 != 0,
                support_netchar_autodetect: f & 0x80 != 0,
                support_dynvc_gfx_protocol: f & 0x100 != 0,
                support_dynamic_time_zone: f & 0x200 != 0,
                support_heartbeat_pdu: f & 0x400 != 0,
            }
            .build(cx.q.bindings());
        }
        if let Some(id) = b.take(64) {
            r.dig_product_id = Some(fixed(id));
        }
        let r = r.build(cx.q.bindings());
        raise!(cx, rdp_client_core_data, r);
        Some(())
    }

    fn network_data(&mut self, cx: &mut Cx, b: &mut Cursor) -> Option<()> {
        let n = b.u32le()?;
        let mut out: Vec<Value> = Vec::new();
        for _ in 0..n.min(1000) {
            let name = b.take(8)?;
            let o = b.u32le()?;
            out.push(
                records::RDPClientChannelDef {
                    name: name.into(),
                    options: o as u64,
                    initialized: o & 0x8000_0000 != 0,
                    encrypt_rdp: o & 0x4000_0000 != 0,
                    encrypt_sc: o & 0x2000_0000 != 0,
                    encrypt_cs: o & 0x1000_0000 != 0,
                    pri_high: o & 0x0800_0000 != 0,
                    pri_med: o & 0x0400_0000 != 0,
                    pri_low: o & 0x0200_0000 != 0,
                    compress_rdp: o & 0x0080_0000 != 0,
                    compress: o & 0x0040_0000 != 0,
                    show_protocol: o & 0x0020_0000 != 0,
                    persistent: o & 0x0010_0000 != 0,
                }
                .build(cx.q.bindings()),
            );
        }
        let v = cx.vector(types::RDP_CLIENTCHANNELLIST, out);
        raise!(cx, rdp_client_network_data, v);
        Some(())
    }

    fn server_security(&mut self, cx: &mut Cx, b: &mut Cursor) -> Option<()> {
        let method = b.n32le()?;
        let level = b.n32le()?;
        if method == 0 && level == 0 {
            raise!(cx, rdp_server_security, method, level);
            return Some(());
        }
        let random = b.u32le()? as usize;
        let cert_len = b.u32le()? as usize;
        b.skip(random)?;
        let mut c = Cursor::new(b.take(cert_len.min(b.left()))?);
        let ty = c.u32le()?;
        raise!(
            cx,
            rdp_server_certificate,
            (ty & 0x7fff_ffff) as u64,
            ty & 0x8000_0000 == 0
        );
        if ty & 0x7fff_ffff == 2 {
            let n = c.u32le()?;
            for _ in 0..n.min(100) {
                let len = c.u32le()? as usize;
                let cert = c.take(len)?;
                let k = &cx.conn;
                let handle = format!(
                    "Analyzer::ANALYZER_RDP{}{}:{} > {}:{}{}",
                    crate::util::text::time(k.start_time),
                    k.orig_h,
                    k.orig_p,
                    k.resp_h,
                    k.resp_p,
                    self.certs
                );
                self.certs += 1;
                cx.file_whole(false, handle.as_bytes(), b"application/x-x509-user-cert", cert);
            }
        }
        raise!(cx, rdp_begin_encryption, self.security);
        raise!(cx, rdp_server_security, method, level);
        self.mode = Mode::Native;
        Some(())
    }
}

/// A fixed field of UTF-16 text that ends at a NUL.
fn fixed(b: &[u8]) -> std::rc::Rc<[u8]> {
    let n = b.chunks_exact(2).position(|c| c == [0, 0]).map_or(b.len(), |i| i * 2);
    utf16le(&b[..n]).into_bytes().into()
}

impl Units for Session {
    const FROM_START: bool = true;

    fn unit(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) -> Step {
        if self.mode == Mode::Native {
            raise!(cx, rdp_native_encrypted_data, is_orig, data.len() as u64);
            return Step::Used(data.len());
        }
        let mut c = Cursor::new(data);
        // The version is not looked at: what is something else claims a length of its own.
        let Some([_, _, high, low]) = c.array() else {
            return Step::More;
        };
        let Some(n) = (usize::from(high) << 8 | usize::from(low)).checked_sub(4) else {
            return Step::let_go(cx, &grammar::exception("out_of_bound: TPKT"), data);
        };
        let Some(p) = c.take(n) else {
            return Step::More;
        };
        if let Err(why) = self.tpdu(cx, is_orig, p) {
            return Step::let_go(cx, &grammar::exception(why), data);
        }
        match self.mode {
            Mode::Plain => Step::Used(c.pos()),
            Mode::Tls => Step::HandOver(c.pos()),
            // What came with the last readable message is not told of.
            Mode::Native => Step::Used(data.len()),
        }
    }

    fn gap(&mut self, _is_orig: bool) -> AfterGap {
        match self.mode {
            Mode::Native => AfterGap::Resume,
            _ => AfterGap::Stop,
        }
    }
}
