//! Writing packets to pcap files.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use tapir_packet::RawPacket;

/// A pcap file with microsecond stamps, opened at the first packet, whose link type it takes.
pub struct Dumper {
    path: std::path::PathBuf,
    file: Option<BufWriter<File>>,
}

impl Dumper {
    /// A file to come.
    pub fn new(path: &Path) -> Self {
        Dumper {
            path: path.to_path_buf(),
            file: None,
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
        let at = |e: io::Error, path: &Path| io::Error::new(e.kind(), format!("cannot write {}: {e}", path.display()));
        if self.file.is_none() {
            let mut f = BufWriter::new(File::create(&self.path).map_err(|e| at(e, &self.path))?);
            let mut head = Vec::new();
            head.extend_from_slice(&0xa1b2_c3d4u32.to_le_bytes());
            head.extend_from_slice(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            head.extend_from_slice(&262_144u32.to_le_bytes());
            head.extend_from_slice(&p.link_type.to_le_bytes());
            f.write_all(&head).map_err(|e| at(e, &self.path))?;
            self.file = Some(f);
        }
        let Some(f) = &mut self.file else { return Ok(()) };
        let mut head = [0; 16];
        for (i, v) in [p.ts_sec as u32, p.ts_usec, p.data.len() as u32, p.len]
            .into_iter()
            .enumerate()
        {
            head[i * 4..i * 4 + 4].copy_from_slice(&v.to_le_bytes());
        }
        f.write_all(&head)
            .and_then(|()| f.write_all(p.data))
            .map_err(|e| at(e, &self.path))
    }
}
