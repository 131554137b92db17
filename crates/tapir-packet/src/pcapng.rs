//! The pcapng file format (draft-ietf-opsawg-pcapng): section headers, interface descriptions, enhanced and simple
//! packet blocks; other blocks are skipped.

use crate::source::{Buffered, PacketBuffer, RawPacket, Source, SourceError, Take};
use crate::types::Weirds;

const BLOCK_LEN_MAX: usize = 16 << 20;
/// Interfaces of one section; a file with more is hostile.
const INTERFACES_MAX: usize = 65_536;

struct Interface {
    link_type: u32,
    /// Units per second of time stamps.
    units: u64,
    offset: i64,
}

/// What stands before the packet in an enhanced packet block, the only one that carries packets here.
const ENHANCED_HEAD: usize = 20;

/// Reads a pcapng file.
pub struct PcapngReader {
    input: PacketBuffer,
    name: String,
    swapped: bool,
    interfaces: Vec<Interface>,
    done: bool,
}

impl PcapngReader {
    /// Continues after the four magic bytes.
    pub(crate) fn new(input: PacketBuffer, name: String) -> Result<Self, SourceError> {
        let mut r = PcapngReader {
            input,
            name,
            swapped: false,
            interfaces: Vec::new(),
            done: false,
        };
        r.section_header()?;
        Ok(r)
    }

    fn broken(&mut self, detail: &str) -> SourceError {
        self.done = true;
        SourceError::Format {
            what: self.name.clone(),
            detail: detail.to_owned(),
        }
    }

    fn truncated(&mut self) -> SourceError {
        self.done = true;
        SourceError::Truncated {
            what: self.name.clone(),
            detail: "the file ends within a block".to_owned(),
        }
    }

    /// Takes `n` bytes or fails; they are read back with `input.last`.
    fn need(&mut self, n: usize) -> Result<(), SourceError> {
        match self.input.take(n, &self.name)? {
            Take::Bytes(_) => Ok(()),
            _ => Err(self.truncated()),
        }
    }

    fn u32_at(&self, b: &[u8], at: usize) -> Option<u32> {
        if self.swapped {
            crate::bytes::le32(b, at)
        } else {
            crate::bytes::be32(b, at)
        }
    }

    fn u16_at(&self, b: &[u8], at: usize) -> Option<u16> {
        if self.swapped {
            crate::bytes::le16(b, at)
        } else {
            crate::bytes::be16(b, at)
        }
    }

    fn section_header(&mut self) -> Result<(), SourceError> {
        self.need(8)?;
        let b = self.input.last(8);
        let len = [b[0], b[1], b[2], b[3]];
        self.swapped = match [b[4], b[5], b[6], b[7]] {
            [0x1a, 0x2b, 0x3c, 0x4d] => false,
            [0x4d, 0x3c, 0x2b, 0x1a] => true,
            _ => return Err(self.broken("the section header has no valid byte-order magic")),
        };
        let len = if self.swapped {
            u32::from_le_bytes(len)
        } else {
            u32::from_be_bytes(len)
        } as usize;
        if !(28..=BLOCK_LEN_MAX).contains(&len) || !len.is_multiple_of(4) {
            return Err(self.broken("the section header has an impossible length"));
        }
        self.need(len - 12)?;
        self.interfaces.clear();
        Ok(())
    }

    fn interface(&mut self, len: usize, weirds: &mut Weirds) {
        let body = self.input.last(len).to_vec();
        let link_type = u32::from(self.u16_at(&body, 0).unwrap_or(0));
        let mut interface = Interface {
            link_type,
            units: 1_000_000,
            offset: 0,
        };
        let mut at = 8;
        while let (Some(code), Some(opt_len)) = (self.u16_at(&body, at), self.u16_at(&body, at + 2)) {
            if code == 0 {
                break;
            }
            let Some(value) = body.get(at + 4..at + 4 + usize::from(opt_len)) else {
                weirds.push("pcapng_invalid_option_length", "");
                break;
            };
            match (code, value) {
                (9, [r, ..]) => {
                    let exp = u32::from(r & 0x7f);
                    let units = if r & 0x80 != 0 {
                        2u64.checked_pow(exp)
                    } else {
                        10u64.checked_pow(exp)
                    };
                    interface.units = units.unwrap_or(u64::MAX).max(1);
                }
                (14, v) if v.len() == 8 => {
                    let b = [v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]];
                    interface.offset = if self.swapped {
                        i64::from_le_bytes(b)
                    } else {
                        i64::from_be_bytes(b)
                    };
                }
                _ => {}
            }
            at += 4 + usize::from(opt_len).next_multiple_of(4);
        }
        if self.interfaces.len() < INTERFACES_MAX {
            self.interfaces.push(interface);
        }
    }
}

impl Buffered for PcapngReader {
    fn buffer(&mut self) -> &mut PacketBuffer {
        &mut self.input
    }
}

impl Source for PcapngReader {
    fn next_packet(&mut self, weirds: &mut Weirds) -> Result<Option<RawPacket<'_>>, SourceError> {
        loop {
            if self.done {
                return Ok(None);
            }
            match self.input.take(4, &self.name)? {
                Take::Bytes(_) => {}
                Take::End => {
                    self.done = true;
                    return Ok(None);
                }
                Take::Short(_) => return Err(self.truncated()),
            }
            let b = self.input.last(4);
            let kind_bytes = [b[0], b[1], b[2], b[3]];
            if kind_bytes == [0x0a, 0x0d, 0x0d, 0x0a] {
                self.section_header()?;
                continue;
            }
            let kind = if self.swapped {
                u32::from_le_bytes(kind_bytes)
            } else {
                u32::from_be_bytes(kind_bytes)
            };
            self.need(4)?;
            let len = self.u32_at(self.input.last(4), 0).unwrap_or(0) as usize;
            if !(12..=BLOCK_LEN_MAX).contains(&len) {
                return Err(self.broken("a block has an impossible length"));
            }
            // Some writers forget to count the padding.
            let body_len = len.next_multiple_of(4) - 12;
            self.need(body_len + 4)?;
            match kind {
                1 => self.interface(body_len, weirds),
                6 => {
                    let body = self.input.last(body_len);
                    let (Some(id), Some(hi), Some(lo), Some(caplen), Some(wire)) = (
                        self.u32_at(body, 0),
                        self.u32_at(body, 4),
                        self.u32_at(body, 8),
                        self.u32_at(body, 12),
                        self.u32_at(body, 16),
                    ) else {
                        return Err(self.broken("an enhanced packet block is too short"));
                    };
                    let Some(interface) = self.interfaces.get(id as usize) else {
                        weirds.push("pcapng_invalid_interface_number", "");
                        continue;
                    };
                    if caplen == 0 || wire == 0 {
                        weirds.push("empty_pcapng_header", "");
                        continue;
                    }
                    if caplen as usize > body_len - ENHANCED_HEAD {
                        return Err(self.broken("a packet is longer than its block"));
                    }
                    let stamp = u64::from(hi) << 32 | u64::from(lo);
                    let (sec, frac) = (stamp / interface.units, stamp % interface.units);
                    let usec = (u128::from(frac) * 1_000_000 / u128::from(interface.units)) as u32;
                    let ts_sec = (sec as i64).wrapping_add(interface.offset);
                    if ts_sec < 0 {
                        weirds.push("negative_packet_timestamp", "");
                        continue;
                    }
                    let link_type = interface.link_type;
                    let data = &self.input.last(body_len)[ENHANCED_HEAD..ENHANCED_HEAD + caplen as usize];
                    return Ok(Some(RawPacket {
                        ts_sec,
                        ts_usec: usec,
                        len: wire,
                        data,
                        link_type,
                    }));
                }
                _ => {}
            }
        }
    }

    fn would_wait(&self) -> bool {
        let there = self.input.at_hand();
        !self.done && self.u32_at(there, 4).is_none_or(|len| there.len() < len as usize)
    }

    fn name(&self) -> &str {
        &self.name
    }
}
