//! Writing packets to pcap files.
//!
//! Several workers of one process write parts of one file, in which each packet stands behind its number among those of all
//! workers; when they have ended, the parts become the file ([`join`]).

use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use tapir_packet::RawPacket;

/// Sizes of the file's header, and of what stands before each packet.
const FILE_HEAD: usize = 24;
const PACKET_HEAD: usize = 16;
/// Packets are never longer; a part that says so is broken.
const PACKET_MAX: usize = 64 << 20;

/// A pcap file with microsecond stamps, opened at the first packet, whose link type it takes.
pub struct Dumper {
    path: PathBuf,
    file: Option<BufWriter<File>>,
    /// Whether this is one of several parts.
    is_part: bool,
    /// The number of the packet at hand among those of all parts.
    pub number: u64,
}

/// The part of a file that a node writes.
pub fn part(path: &Path, node: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{node}.part"));
    name.into()
}

fn at(e: &io::Error, path: &Path) -> io::Error {
    io::Error::new(e.kind(), format!("cannot write {}: {e}", path.display()))
}

impl Dumper {
    /// A file to come.
    pub fn new(path: &Path) -> Self {
        Dumper {
            path: path.to_path_buf(),
            file: None,
            is_part: false,
            number: 0,
        }
    }

    /// The same for what [`join`] will read.
    pub fn of_part(path: &Path) -> Self {
        Dumper {
            is_part: true,
            ..Dumper::new(path)
        }
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |f| f.flush())
    }

    /// Appends a packet.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn write(&mut self, p: &RawPacket<'_>) -> io::Result<()> {
        if self.file.is_none() {
            let mut f = BufWriter::new(File::create(&self.path).map_err(|e| at(&e, &self.path))?);
            let mut head = Vec::with_capacity(FILE_HEAD);
            head.extend_from_slice(&0xa1b2_c3d4u32.to_le_bytes());
            head.extend_from_slice(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            head.extend_from_slice(&262_144u32.to_le_bytes());
            head.extend_from_slice(&p.link_type.to_le_bytes());
            f.write_all(&head).map_err(|e| at(&e, &self.path))?;
            self.file = Some(f);
        }
        let Some(f) = &mut self.file else { return Ok(()) };
        let mut head = [0; PACKET_HEAD];
        for (i, v) in [p.ts_sec as u32, p.ts_usec, p.data.len() as u32, p.len]
            .into_iter()
            .enumerate()
        {
            head[i * 4..i * 4 + 4].copy_from_slice(&v.to_le_bytes());
        }
        if self.is_part {
            f.write_all(&self.number.to_le_bytes())
                .map_err(|e| at(&e, &self.path))?;
        }
        f.write_all(&head)
            .and_then(|()| f.write_all(p.data))
            .map_err(|e| at(&e, &self.path))
    }
}

/// Reads a part: gives its next packet, with what stands before it.
struct Part {
    from: BufReader<File>,
    packet: Vec<u8>,
}

impl Part {
    fn open(path: &Path) -> io::Result<(Self, [u8; FILE_HEAD])> {
        let mut from = BufReader::new(File::open(path)?);
        let mut head = [0; FILE_HEAD];
        from.read_exact(&mut head)?;
        let packet = Vec::new();
        Ok((Part { from, packet }, head))
    }

    /// The number of the packet that it has read; `None` at the end.
    fn next(&mut self) -> io::Result<Option<u64>> {
        let mut number = [0; 8];
        match self.from.read_exact(&mut number) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        self.packet.resize(PACKET_HEAD, 0);
        self.from.read_exact(&mut self.packet)?;
        let len = self.packet[8..12].iter().rev().fold(0, |n, b| n << 8 | usize::from(*b));
        if len > PACKET_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.packet.resize(PACKET_HEAD + len, 0);
        self.from.read_exact(&mut self.packet[PACKET_HEAD..])?;
        Ok(Some(u64::from_le_bytes(number)))
    }
}

/// Makes one file of the parts that nodes have written, with the packets in the order of their numbers, and removes the
/// parts. Nodes without packets have written none.
///
/// # Errors
/// When a file cannot be read or written; parts stay where they are then.
pub fn join(into: &Path, parts: &[PathBuf]) -> io::Result<()> {
    let mut open = Vec::new();
    let mut first = None;
    let mut order = BinaryHeap::new();
    for path in parts.iter().filter(|p| p.exists()) {
        let (mut part, head) = Part::open(path)?;
        if let Some(number) = part.next()? {
            // The file is of the kind of its first packet.
            if first.is_none_or(|(n, _)| number < n) {
                first = Some((number, head));
            }
            order.push(std::cmp::Reverse((number, open.len())));
            open.push(part);
        }
    }
    if let Some((_, head)) = first {
        let mut out = BufWriter::new(File::create(into).map_err(|e| at(&e, into))?);
        out.write_all(&head).map_err(|e| at(&e, into))?;
        while let Some(std::cmp::Reverse((_, i))) = order.pop() {
            out.write_all(&open[i].packet).map_err(|e| at(&e, into))?;
            if let Some(number) = open[i].next()? {
                order.push(std::cmp::Reverse((number, i)));
            }
        }
        out.flush().map_err(|e| at(&e, into))?;
    }
    for path in parts.iter().filter(|p| p.exists()) {
        std::fs::remove_file(path)?;
    }
    Ok(())
}
