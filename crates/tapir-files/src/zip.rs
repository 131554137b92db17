//! ZIP archives: members as events and as files of their own, inflated as they come.

use flate2::{Decompress, FlushDecompress, Status};
use tapir_data::value::Str;
use tapir_interface::enums::zip_compressionmethod as method;
use tapir_interface::{events, records};

use crate::analyzer::{Cx, FileAnalyzer};
use crate::der::days_from_civil;

/// Reads an archive from front to back.
#[derive(Default)]
pub struct Zip {
    data: Vec<u8>,
    member: Option<Member>,
    n_members: u64,
    done: bool,
}

struct Member {
    /// Compressed bytes still to come; `None` when a data descriptor ends the member.
    left: Option<u64>,
    inflate: Option<Box<Decompress>>,
    /// Sizes in the descriptor take eight bytes.
    wide: bool,
    ended: bool,
}

/// A name, extra field or comment cannot be longer; enough for one record's fixed part and all of them.
const RECORD_MAX: usize = 46 + 3 * 65536;
/// A member that inflates to more than this is cut off.
const MEMBER_MAX: u64 = 1 << 30;

impl FileAnalyzer for Zip {
    fn stream(&mut self, cx: &mut Cx, data: &[u8]) -> bool {
        self.data.extend_from_slice(data);
        while !self.done {
            let more = if self.member.is_some() {
                self.content(cx)
            } else {
                self.record(cx)
            };
            if !more {
                break;
            }
        }
        if self.done {
            self.data = Vec::new();
        } else if self.data.len() > RECORD_MAX + data.len() {
            cx.violation("record without end in archive");
            self.done = true;
        }
        !self.done
    }

    fn gap(&mut self, cx: &mut Cx, _: u64, _: u64) -> bool {
        self.finish_member(cx);
        false
    }

    fn end(&mut self, cx: &mut Cx) -> bool {
        self.finish_member(cx);
        true
    }
}

fn u16_at(d: &[u8], at: usize) -> u64 {
    d.get(at..at + 2)
        .map_or(0, |b| u64::from(u16::from_le_bytes([b[0], b[1]])))
}

fn u32_at(d: &[u8], at: usize) -> u64 {
    u16_at(d, at) | u16_at(d, at + 2) << 16
}

fn u64_at(d: &[u8], at: usize) -> u64 {
    u32_at(d, at) | u32_at(d, at + 4) << 32
}

impl Zip {
    fn take(&mut self, n: usize) -> Vec<u8> {
        let rest = self.data.split_off(n);
        std::mem::replace(&mut self.data, rest)
    }

    /// Reads the next record; false when more data is needed.
    fn record(&mut self, cx: &mut Cx) -> bool {
        let d = &self.data;
        if d.len() < 4 {
            return false;
        }
        match &d[..4] {
            b"PK\x03\x04" => self.local_header(cx),
            b"PK\x01\x02" => {
                let len = 46 + (u16_at(d, 28) + u16_at(d, 30) + u16_at(d, 32)) as usize;
                if d.len() < 46 || d.len() < len {
                    return false;
                }
                self.take(len);
                true
            }
            b"PK\x05\x06" => {
                let len = 22 + u16_at(d, 20) as usize;
                if d.len() < 22 || d.len() < len {
                    return false;
                }
                let record = self.take(len);
                let f = cx.file_value();
                events::zip_end_of_directory(cx.q, f, &record[22..]);
                self.done = true;
                true
            }
            b"PK\x06\x06" => {
                let len = u64_at(d, 4).saturating_add(12);
                if d.len() < 12 || (d.len() as u64) < len {
                    return false;
                }
                self.take(len as usize);
                true
            }
            b"PK\x06\x07" => {
                if d.len() < 20 {
                    return false;
                }
                self.take(20);
                true
            }
            _ => {
                cx.violation("unexpected data in archive");
                self.done = true;
                true
            }
        }
    }

    fn local_header(&mut self, cx: &mut Cx) -> bool {
        let d = &self.data;
        let len = 30 + (u16_at(d, 26) + u16_at(d, 28)) as usize;
        if d.len() < 30 || d.len() < len {
            return false;
        }
        let head = self.take(len);
        let name_len = u16_at(&head, 26) as usize;
        let name = &head[30..30 + name_len];
        let flags = u16_at(&head, 6);
        let compression = u16_at(&head, 8);
        let mut left = (flags & 8 == 0).then(|| u32_at(&head, 18));
        let mut wide = false;
        if let Some(size) = wide_size(&head[30 + name_len..], left == Some(0xffff_ffff)) {
            wide = true;
            left = left.map(|_| size);
        }
        self.n_members += 1;
        let inner = name.last() != Some(&b'/');
        let known = matches!(compression, 0 | 8);
        let fid = cx.host.nested(cx.q, cx.id, self.n_members, None, false);
        let record = records::ZIPFile {
            global_: false,
            fid: (inner && known).then(|| Str::from(fid.as_bytes())),
            filename: name.into(),
            time_: dos_time(u16_at(&head, 12), u16_at(&head, 10)),
            comment: Str::from(&b""[..]),
            compression: match compression {
                0 => method::COMPRESSIONMETHOD_UNCOMPRESSED,
                8 => method::COMPRESSIONMETHOD_DEFLATE,
                _ => method::COMPRESSIONMETHOD_UNDEF,
            },
            encrypted: flags & 1 != 0,
        };
        let record = record.build(cx.q.bindings());
        let f = cx.file_value();
        events::zip_file(cx.q, f, record);
        if left.is_none() && compression != 8 {
            cx.violation("member of unknown size in archive");
            self.done = true;
            return true;
        }
        let inflate = (compression == 8 && flags & 1 == 0).then(|| Box::new(Decompress::new(false)));
        self.member = Some(Member {
            left,
            inflate,
            wide,
            ended: false,
        });
        true
    }

    /// Feeds the current member; false when more data is needed.
    fn content(&mut self, cx: &mut Cx) -> bool {
        let Some(m) = &mut self.member else { return true };
        if !m.ended {
            let have = self.data.len() as u64;
            let n = m.left.map_or(have, |l| l.min(have)) as usize;
            if n == 0 && m.left != Some(0) {
                return false;
            }
            let mut used = n;
            match &mut m.inflate {
                None if n > 0 => {
                    cx.host
                        .nested(cx.q, cx.id, self.n_members, Some(&self.data[..n]), false);
                }
                None => {}
                Some(z) => match inflate(z, &self.data[..n], cx, self.n_members) {
                    Ok((taken, end)) => {
                        if m.left.is_none() {
                            used = taken;
                            m.ended = end;
                        }
                    }
                    Err(reason) => {
                        cx.violation(reason);
                        self.done = true;
                    }
                },
            }
            if let Some(l) = &mut m.left {
                *l -= used as u64;
                m.ended = *l == 0;
            }
            self.data.drain(..used);
            if !m.ended && !self.done {
                return false;
            }
        }
        if m.left.is_none() && !self.done {
            // A data descriptor follows, with or without a signature of its own.
            let signed = self.data.starts_with(b"PK\x07\x08");
            let len = 4 + if m.wide { 16 } else { 8 } + if signed { 4 } else { 0 };
            if self.data.len() < len {
                return false;
            }
            self.data.drain(..len);
        }
        self.finish_member(cx);
        true
    }

    fn finish_member(&mut self, cx: &mut Cx) {
        if self.member.take().is_some() {
            cx.host.nested(cx.q, cx.id, self.n_members, None, true);
        }
    }
}

/// Inflates input and hands the result on; gives how much was taken and whether the stream ended.
fn inflate(z: &mut Decompress, input: &[u8], cx: &mut Cx, index: u64) -> Result<(usize, bool), &'static str> {
    let mut out = vec![0u8; 64 << 10];
    let mut pos = 0;
    loop {
        let (taken, given) = (z.total_in(), z.total_out());
        let status = z.decompress(&input[pos..], &mut out, FlushDecompress::None);
        pos += (z.total_in() - taken) as usize;
        let produced = (z.total_out() - given) as usize;
        if produced > 0 {
            cx.host.nested(cx.q, cx.id, index, Some(&out[..produced]), false);
        }
        match status {
            Ok(Status::StreamEnd) => return Ok((pos, true)),
            Ok(_) if z.total_out() > MEMBER_MAX => return Err("member of archive inflates to too much"),
            Ok(_) if produced == 0 && (pos >= input.len() || z.total_in() == taken) => return Ok((pos, false)),
            Ok(_) => {}
            Err(_) => return Err("corrupt member of archive"),
        }
    }
}

/// The compressed size in a ZIP64 extra field.
fn wide_size(mut extra: &[u8], needed: bool) -> Option<u64> {
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0), u16_at(extra, 2) as usize);
        let body = extra.get(4..4 + len)?;
        if id == 1 {
            return Some(if needed && body.len() >= 16 { u64_at(body, 8) } else { 0 }).filter(|_| needed || len > 0);
        }
        extra = &extra[4 + len..];
    }
    None
}

/// MS-DOS date and time, taken as UTC.
fn dos_time(date: u64, time: u64) -> f64 {
    let (y, m, d) = (1980 + (date >> 9) as i64, (date >> 5 & 15) as i64, (date & 31) as i64);
    let secs = (time >> 11) * 3600 + (time >> 5 & 63) * 60 + (time & 31) * 2;
    (days_from_civil(y, m.clamp(1, 12), d.max(1)) * 86400) as f64 + secs as f64
}
