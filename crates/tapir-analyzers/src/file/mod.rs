//! Connections that carry nothing but a file in each direction: FTP data, IRC DCC.

use std::rc::Rc;

use crate::core::{Analyzer, Cx};
use crate::raise;

/// How much of the beginning `file_transferred` tells.
const PREFIX: usize = 1024;

/// The analyzer.
#[derive(Default)]
pub struct FileData {
    ids: [Option<Rc<str>>; 2],
    offset: [u64; 2],
    prefix: Vec<u8>,
    told: bool,
    /// Who connects only receives, and acknowledges what came.
    one_way: bool,
    /// The begin of an acknowledgement.
    ack: Vec<u8>,
}

impl FileData {
    /// For transfers in which whoever waited for the connection sends.
    pub fn one_way() -> Self {
        FileData {
            one_way: true,
            ..FileData::default()
        }
    }

    /// The number of bytes received so far, in four bytes each time.
    fn acknowledged(&mut self, cx: &mut Cx, data: &[u8]) {
        for &b in data {
            self.ack.push(b);
            if let [a, b, c, d] = self.ack[..] {
                self.ack.clear();
                let n = u32::from_be_bytes([a, b, c, d]);
                raise!(cx, irc_dcc_send_ack, u64::from(n));
            }
        }
    }

    fn identify(&mut self, cx: &mut Cx) {
        if self.told || self.prefix.is_empty() {
            return;
        }
        self.told = true;
        let mime = cx.mime_of(&self.prefix).unwrap_or_else(|| b"<unknown>".to_vec());
        let prefix = std::mem::take(&mut self.prefix);
        raise!(cx, file_transferred, prefix, "<unknown>", mime);
    }
}

impl Analyzer for FileData {
    fn deliver(&mut self, cx: &mut Cx, is_orig: bool, data: &[u8]) {
        let d = is_orig as usize;
        if is_orig && self.one_way {
            self.acknowledged(cx, data);
            return;
        }
        if !self.told {
            let n = data.len().min(PREFIX - self.prefix.len());
            self.prefix.extend_from_slice(&data[..n]);
            if self.prefix.len() == PREFIX {
                self.identify(cx);
            }
        }
        let id = self.ids[d].take();
        self.ids[d] = cx.file_data(is_orig, data, None, id.as_ref(), None);
        self.offset[d] += data.len() as u64;
    }

    fn gap(&mut self, cx: &mut Cx, is_orig: bool, seq: u64, len: u64) {
        let d = is_orig as usize;
        if is_orig && self.one_way {
            self.ack.clear();
        }
        let id = self.ids[d].take();
        self.ids[d] = cx.file_gap(is_orig, seq.saturating_sub(1), len, id.as_ref());
        self.offset[d] += len;
    }

    fn done(&mut self, cx: &mut Cx) {
        self.identify(cx);
        let [resp, orig] = std::mem::take(&mut self.ids);
        cx.file_end(true, orig.as_ref());
        cx.file_end(false, resp.as_ref());
    }

    fn flip(&mut self) {
        self.ids.swap(0, 1);
        self.offset.swap(0, 1);
    }
}
