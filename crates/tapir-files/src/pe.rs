//! Portable executables: DOS, file, optional and section headers as events.

use tapir_data::value::{Str, Value};
use tapir_interface::bindings::Bindings;
use tapir_interface::{events, records, types};

use crate::analyzer::{Cx, FileAnalyzer};

/// Collects the headers; everything behind them is ignored.
#[derive(Debug, Default)]
pub struct Pe {
    data: Vec<u8>,
    stage: Stage,
    /// Where the next header begins.
    at: usize,
    optional_size: usize,
    sections: usize,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Dos,
    DosCode,
    File,
    Optional,
    Sections,
    Done,
}

/// Headers lie near the start; a file that claims otherwise is not followed.
const HEADERS_MAX: usize = 1 << 20;
const SECTIONS_MAX: usize = 2048;

impl FileAnalyzer for Pe {
    fn stream(&mut self, cx: &mut Cx, data: &[u8]) -> bool {
        if self.data.len() + data.len() > HEADERS_MAX {
            return false;
        }
        self.data.extend_from_slice(data);
        while self.stage != Stage::Done {
            match self.step(cx) {
                Some(true) => {}
                Some(false) => break,
                None => {
                    self.stage = Stage::Done;
                    cx.violation("malformed executable header");
                }
            }
        }
        self.stage != Stage::Done
    }

    fn gap(&mut self, _: &mut Cx, _: u64, _: u64) -> bool {
        false
    }
}

impl Pe {
    /// Takes one header: false when more data is needed, `None` when the data makes no sense.
    fn step(&mut self, cx: &mut Cx) -> Option<bool> {
        let d = Fields(&self.data);
        let b = cx.q.shared_bindings();
        let f = cx.file_value();
        match self.stage {
            Stage::Dos => {
                if self.data.len() < 64 {
                    return Some(false);
                }
                if !matches!(&self.data[..2], b"MZ" | b"ZM") {
                    return None;
                }
                let next = d.u32(60);
                events::pe_dos_header(cx.q, f, dos_header(&d, &b));
                if (next as usize) < 64 {
                    return None;
                }
                if next as usize > HEADERS_MAX {
                    // A program of before Windows, or one whose headers are further than anybody looks.
                    self.stage = Stage::Done;
                    return Some(true);
                }
                self.at = next as usize;
                self.stage = Stage::DosCode;
            }
            Stage::DosCode => {
                if self.data.len() < self.at {
                    return Some(false);
                }
                events::pe_dos_code(cx.q, f, &self.data[64..self.at]);
                self.stage = Stage::File;
            }
            Stage::File => {
                if self.data.len() < self.at + 24 {
                    return Some(false);
                }
                let at = self.at + 4;
                self.sections = usize::from(d.u16(at + 2));
                self.optional_size = usize::from(d.u16(at + 16));
                let record = records::PEFileHeader {
                    machine: u64::from(d.u16(at)),
                    ts: f64::from(d.u32(at + 4)),
                    sym_table_ptr: u64::from(d.u32(at + 8)),
                    num_syms: u64::from(d.u32(at + 12)),
                    optional_header_size: self.optional_size as u64,
                    characteristics: flags(u32::from(d.u16(at + 18)), 16, &b),
                };
                events::pe_file_header(cx.q, f, record.build(&b));
                self.at += 24;
                self.stage = Stage::Optional;
            }
            Stage::Optional => {
                if self.data.len() < self.at + self.optional_size {
                    return Some(false);
                }
                let header = &self.data[self.at..self.at + self.optional_size];
                // Without an optional header it is no program: older formats share the first header only.
                let Some(record) = optional_header(header, &b) else {
                    self.stage = Stage::Done;
                    return Some(true);
                };
                events::pe_optional_header(cx.q, f, record);
                self.at += self.optional_size;
                self.stage = Stage::Sections;
            }
            Stage::Sections => {
                if self.sections == 0 || self.sections > SECTIONS_MAX {
                    self.stage = Stage::Done;
                    return Some(true);
                }
                if self.data.len() < self.at + 40 {
                    return Some(false);
                }
                let at = self.at;
                let name = &self.data[at..at + 8];
                let name = &name[..name.iter().position(|c| *c == 0).unwrap_or(8)];
                let record = records::PESectionHeader {
                    name: Str::from(name),
                    virtual_size: u64::from(d.u32(at + 8)),
                    virtual_addr: u64::from(d.u32(at + 12)),
                    size_of_raw_data: u64::from(d.u32(at + 16)),
                    ptr_to_raw_data: u64::from(d.u32(at + 20)),
                    ptr_to_relocs: u64::from(d.u32(at + 24)),
                    ptr_to_line_nums: u64::from(d.u32(at + 28)),
                    num_of_relocs: u64::from(d.u16(at + 32)),
                    num_of_line_nums: u64::from(d.u16(at + 34)),
                    characteristics: flags(d.u32(at + 36), 32, &b),
                };
                events::pe_section_header(cx.q, f, record.build(&b));
                self.at += 40;
                self.sections -= 1;
            }
            Stage::Done => return Some(false),
        }
        Some(true)
    }
}

/// Little-endian fields; zero beyond the end.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn get<const N: usize>(&self, at: usize) -> [u8; N] {
        self.0.get(at..at + N).and_then(|b| b.try_into().ok()).unwrap_or([0; N])
    }

    fn u8(&self, at: usize) -> u8 {
        self.get::<1>(at)[0]
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.get(at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.get(at))
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.get(at))
    }
}

/// The set of bits that are on, as their values.
fn flags(v: u32, n: u32, b: &Bindings) -> Value {
    let set = b.table(types::SET_COUNT);
    for i in 0..n {
        if v & (1 << i) != 0 {
            set.insert(&[Value::Count(1 << i)], Value::Unset, 0.0);
        }
    }
    Value::Table(set)
}

fn dos_header(d: &Fields, b: &Bindings) -> Value {
    let w = |at| u64::from(d.u16(at));
    records::PEDOSHeader {
        signature: Str::from(&d.get::<2>(0)[..]),
        used_bytes_in_last_page: w(2),
        file_in_pages: w(4),
        num_reloc_items: w(6),
        header_in_paragraphs: w(8),
        min_extra_paragraphs: w(10),
        max_extra_paragraphs: w(12),
        init_relative_ss: w(14),
        init_sp: w(16),
        checksum: w(18),
        init_ip: w(20),
        init_relative_cs: w(22),
        addr_of_reloc_table: w(24),
        overlay_num: w(26),
        oem_id: w(36),
        oem_info: w(38),
        addr_of_new_exe_header: u64::from(d.u32(60)),
    }
    .build(b)
}

fn optional_header(header: &[u8], b: &Bindings) -> Option<Value> {
    let d = Fields(header);
    let magic = d.u16(0);
    let wide = match magic {
        0x10b => false,
        0x20b => true,
        _ => return None,
    };
    let dword = |at| u64::from(d.u32(at));
    let word = |at| u64::from(d.u16(at));
    // Behind the fixed part come four sizes, loader flags and the number of directories.
    let tables_at = if wide { 108 } else { 92 };
    let n = (d.u32(tables_at) as usize).min(header.len().saturating_sub(tables_at + 4) / 8);
    let sizes = (0..n).map(|i| Value::Count(dword(tables_at + 4 + i * 8 + 4))).collect();
    let record = records::PEOptionalHeader {
        magic: u64::from(magic),
        major_linker_version: u64::from(d.u8(2)),
        minor_linker_version: u64::from(d.u8(3)),
        size_of_code: dword(4),
        size_of_init_data: dword(8),
        size_of_uninit_data: dword(12),
        addr_of_entry_point: dword(16),
        base_of_code: dword(20),
        base_of_data: (!wide).then(|| dword(24)),
        image_base: if wide { d.u64(24) } else { dword(28) },
        section_alignment: dword(32),
        file_alignment: dword(36),
        os_version_major: word(40),
        os_version_minor: word(42),
        major_image_version: word(44),
        minor_image_version: word(46),
        major_subsys_version: word(48),
        minor_subsys_version: word(50),
        size_of_image: dword(56),
        size_of_headers: dword(60),
        checksum: dword(64),
        subsystem: word(68),
        dll_characteristics: flags(u32::from(d.u16(70)), 16, b),
        table_sizes: b.vector(types::VECTOR_OF_COUNT, sizes),
    };
    Some(record.build(b))
}
