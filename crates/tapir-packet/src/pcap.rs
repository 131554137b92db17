//! The pcap file format (draft-ietf-opsawg-pcap), both byte orders, microsecond and nanosecond stamps, the modified
//! and Kuznetzov variants, and captures that break off.

use crate::bytes::{be32, le32};
use crate::source::{Buffered, PacketBuffer, RawPacket, Source, SourceError, Take};
use crate::types::Weirds;

/// Larger records mean that the file is broken; the same bound as libpcap's for ordinary link types.
const RECORD_LEN_MAX: u32 = 262_144;

/// Reads a pcap file.
pub struct PcapReader {
    input: PacketBuffer,
    name: String,
    swapped: bool,
    nanos: bool,
    /// Bytes per record header: 16, or 24 in files of Kuznetzov's patched tcpdump.
    header_len: usize,
    link_type: u32,
    snaplen: u32,
    done: bool,
}

/// What to say of a compressed capture.
fn packed(format: &str, command: &str, name: &str) -> String {
    format!("the file is compressed with {format}: unpack it, or read it from a pipe: {command} {name} | tapir -r - …")
}

impl PcapReader {
    pub(crate) fn new(magic: [u8; 4], mut input: PacketBuffer, name: String) -> Result<Self, SourceError> {
        let (swapped, nanos, header_len) = match u32::from_be_bytes(magic) {
            0xa1b2_c3d4 => (false, false, 16),
            0xd4c3_b2a1 => (true, false, 16),
            0xa1b2_3c4d => (false, true, 16),
            0x4d3c_b2a1 => (true, true, 16),
            0xa1b2_cd34 => (false, false, 24),
            0x34cd_b2a1 => (true, false, 24),
            other => {
                // What captures are usually packed with; a reader on a pipe costs less than unpacking here.
                let detail = match other {
                    0x1f8b_0000..=0x1f8b_ffff => packed("gzip", "zcat", &name),
                    0x28b5_2ffd => packed("zstd", "zstdcat", &name),
                    0xfd37_7a58 => packed("xz", "xzcat", &name),
                    0x425a_6830..=0x425a_6839 => packed("bzip2", "bzcat", &name),
                    _ => format!(
                        "unknown file format: the first four bytes are {other:08x}, not those of pcap or pcapng"
                    ),
                };
                return Err(SourceError::Format { what: name, detail });
            }
        };
        let head = match input.take(20, &name)? {
            Take::Bytes(b) => b,
            _ => {
                return Err(SourceError::Format {
                    what: name,
                    detail: "the file ends within the pcap file header".into(),
                });
            }
        };
        let u32_at = |i| u32_at(head, i, swapped).unwrap_or(0);
        let snaplen = u32_at(12);
        // The upper bits tell about a frame check sequence.
        let link_type = u32_at(16) & 0x03ff_ffff;
        Ok(PcapReader {
            input,
            name,
            swapped,
            nanos,
            header_len,
            link_type: link_type_of_dlt(link_type),
            snaplen,
            done: false,
        })
    }
}

#[inline]
fn u32_at(b: &[u8], at: usize, swapped: bool) -> Option<u32> {
    if swapped { le32(b, at) } else { be32(b, at) }
}

/// Some systems write their own DLT numbers where the portable ones are meant.
fn link_type_of_dlt(dlt: u32) -> u32 {
    match dlt {
        // DLT_RAW of BSD systems and of Linux.
        12 | 14 => 101,
        other => other,
    }
}

impl Buffered for PcapReader {
    fn buffer(&mut self) -> &mut PacketBuffer {
        &mut self.input
    }
}

impl PcapReader {
    /// A packet with nothing odd about it that is at hand as a whole, as most are: its length, and what it is but for its
    /// bytes.
    #[inline]
    fn plain(&self) -> Option<(usize, RawPacket<'static>)> {
        let (head, rest) = self.input.at_hand().split_first_chunk::<16>()?;
        let (words, _) = head.as_chunks::<4>();
        let word = |i: usize| match self.swapped {
            true => u32::from_le_bytes(words[i]),
            false => u32::from_be_bytes(words[i]),
        };
        let (sec, frac, caplen, len) = (word(0), word(1), word(2), word(3));
        let is_plain = (1..=RECORD_LEN_MAX).contains(&caplen) && len > 0 && (sec as i32) >= 0;
        if !is_plain || rest.len() < caplen as usize || self.header_len != 16 || self.done {
            return None;
        }
        let raw = RawPacket {
            ts_sec: i64::from(sec),
            ts_usec: if self.nanos { frac / 1000 } else { frac },
            len,
            data: &[],
            link_type: self.link_type,
        };
        Some((caplen as usize, raw))
    }

    fn next_of_all(&mut self, weirds: &mut Weirds) -> Result<Option<RawPacket<'_>>, SourceError> {
        loop {
            if self.done {
                return Ok(None);
            }
            let swapped = self.swapped;
            let (sec, frac, caplen, len) = match self.input.take(self.header_len, &self.name)? {
                Take::Bytes(h) => {
                    let u32_at = |i| u32_at(h, i, swapped).unwrap_or(0);
                    (u32_at(0), u32_at(4), u32_at(8), u32_at(12))
                }
                Take::End => {
                    self.done = true;
                    return Ok(None);
                }
                Take::Short(n) => {
                    self.done = true;
                    let detail = format!("{n} of {} bytes of a packet header are there", self.header_len);
                    return Err(SourceError::Truncated {
                        what: self.name.clone(),
                        detail,
                    });
                }
            };
            if caplen > RECORD_LEN_MAX.max(self.snaplen.min(1 << 27)) {
                self.done = true;
                let detail = format!("a packet claims {caplen} captured bytes, more than any packet can have");
                return Err(SourceError::Format {
                    what: self.name.clone(),
                    detail,
                });
            }
            match self.input.take(caplen as usize, &self.name)? {
                Take::Bytes(_) => {}
                Take::End | Take::Short(_) => {
                    self.done = true;
                    let detail = format!("the last packet has fewer than its {caplen} bytes");
                    return Err(SourceError::Truncated {
                        what: self.name.clone(),
                        detail,
                    });
                }
            }
            if caplen == 0 || len == 0 {
                weirds.push("empty_pcap_header", "");
                continue;
            }
            let ts_usec = if self.nanos { frac / 1000 } else { frac };
            // Signed: stamps before 1970 are dropped, not taken for ones after 2038.
            let ts_sec = i64::from(sec as i32);
            if ts_sec < 0 {
                weirds.push("negative_packet_timestamp", "");
                continue;
            }
            let data = self.input.last(caplen as usize);
            return Ok(Some(RawPacket {
                ts_sec,
                ts_usec,
                len,
                data,
                link_type: self.link_type,
            }));
        }
    }
}

impl Source for PcapReader {
    #[inline]
    fn next_packet(&mut self, weirds: &mut Weirds) -> Result<Option<RawPacket<'_>>, SourceError> {
        match self.plain() {
            Some((n, raw)) => {
                let data = self.input.take_behind(self.header_len, n);
                Ok(Some(RawPacket { data, ..raw }))
            }
            None => self.next_of_all(weirds),
        }
    }

    #[inline]
    fn would_wait(&self) -> bool {
        let there = self.input.at_hand();
        let len = u32_at(there, 8, self.swapped).map(|caplen| self.header_len + caplen as usize);
        !self.done && len.is_none_or(|len| there.len() < len)
    }

    fn link_type(&self) -> Option<u32> {
        Some(self.link_type)
    }

    fn name(&self) -> &str {
        &self.name
    }
}
