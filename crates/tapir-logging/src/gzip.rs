//! A gzip file (RFC 1952) that is written in pieces and of which nothing is lost but the piece that could not be written.
//!
//! Each piece ends at a byte (a sync flush, RFC 1951, 3.2.4), so all that is in the file can be read. When one cannot be
//! written, the file is cut to the end of the one before and its member is ended there: the next piece begins another member,
//! which readers put behind the first. Fed by the ASCII writer.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};

use flate2::{Compress, Compression, Crc, FlushCompress};

use crate::counted::CountedFile;

/// Magic number, method deflate, no flags, no time, no extra flags, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// A last block without anything in it: final, fixed codes, end of block.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// A file of gzip members.
pub struct GzipFile {
    file: CountedFile,
    deflate: Compress,
    /// Of what is in the open member.
    crc: Crc,
    /// Whether a member was begun and has not ended.
    open: bool,
    /// A piece was written in part and cannot be taken back, as in a pipe.
    broken: bool,
    out: Vec<u8>,
}

impl GzipFile {
    /// Writes behind what is in the file, with a level from 1 (fast) to 9 (small).
    ///
    /// # Errors
    /// When the length of the file is not known.
    pub fn new(mut file: File, level: u32) -> io::Result<Self> {
        let meta = file.metadata()?;
        let len = if meta.is_file() {
            file.seek(SeekFrom::End(0))?
        } else {
            0
        };
        Ok(GzipFile {
            file: CountedFile { file, len },
            deflate: Compress::new(Compression::new(level), false),
            crc: Crc::new(),
            open: false,
            broken: false,
            out: Vec::new(),
        })
    }

    /// Whether another piece can be written after one that could not.
    pub fn can_go_on(&self) -> bool {
        !self.broken
    }

    /// Compresses and writes a piece: all of it or nothing.
    ///
    /// # Errors
    /// When the file does not take it. What was written before can be read.
    pub fn write_piece(&mut self, data: &[u8]) -> io::Result<()> {
        if data.is_empty() {
            return Ok(());
        }
        let mut out = std::mem::take(&mut self.out);
        out.clear();
        if !self.open {
            out.extend_from_slice(&HEADER);
        }
        let written = self.compress(data, &mut out).and_then(|()| self.append(&out));
        self.out = out;
        match written {
            Ok(()) => {
                self.crc.update(data);
                self.open = true;
                Ok(())
            }
            Err(e) => {
                // The compressor refers to the piece that is not there.
                self.deflate.reset();
                // If there is no room for the end either, it is tried with the next piece.
                if self.open {
                    let _ = self.end();
                }
                Err(e)
            }
        }
    }

    fn compress(&mut self, data: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        // A member that could not be ended is not gone on with.
        if self.open && self.deflate.total_in() == 0 {
            self.end()?;
            out.extend_from_slice(&HEADER);
        }
        let begun = self.deflate.total_in();
        loop {
            out.reserve(data.len() / 4 + 64);
            let done = (self.deflate.total_in() - begun) as usize;
            self.deflate.compress_vec(&data[done..], out, FlushCompress::Sync)?;
            // Room that is left means that all is out.
            if out.len() < out.capacity() && (self.deflate.total_in() - begun) as usize == data.len() {
                return Ok(());
            }
        }
    }

    /// Writes all of these bytes, or takes back those that were written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let before = self.file.len;
        let written = self.file.write_all(bytes);
        if written.is_err() && self.file.len > before && self.file.cut(before).is_err() {
            self.broken = true;
        }
        written
    }

    fn end(&mut self) -> io::Result<()> {
        let mut out = Vec::with_capacity(10);
        out.extend_from_slice(&LAST_BLOCK);
        out.extend_from_slice(&self.crc.sum().to_le_bytes());
        out.extend_from_slice(&self.crc.amount().to_le_bytes());
        self.append(&out)?;
        self.open = false;
        self.crc.reset();
        self.deflate.reset();
        Ok(())
    }

    /// Ends the open member.
    ///
    /// # Errors
    /// When there is no room for that. What was written can be read, but readers say that the end is missing.
    pub fn finish(&mut self) -> io::Result<()> {
        match self.open && !self.broken {
            true => self.end(),
            false => Ok(()),
        }
    }

    /// Waits until everything is on the disk.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync(&self) -> io::Result<()> {
        self.file.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::MultiGzDecoder;

    use super::*;

    fn pieces(n: u32) -> impl Iterator<Item = Vec<u8>> {
        (0..n).map(|k| {
            (0..20_000)
                .flat_map(|i: u32| (i.wrapping_mul(2_654_435_761) ^ k).to_le_bytes())
                .collect()
        })
    }

    fn unpacked(path: &std::path::Path) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        MultiGzDecoder::new(File::open(path)?)
            .read_to_end(&mut out)
            .map(|_| out)
    }

    #[test]
    fn a_piece_that_was_cut_is_taken_back_and_another_member_follows() {
        let path = std::env::temp_dir().join(format!("tapir-gzip-{}", std::process::id()));
        let open = |read: bool| {
            File::options()
                .create(!read)
                .read(true)
                .write(!read)
                .open(&path)
                .unwrap()
        };
        let mut gzip = GzipFile::new(open(false), 6).unwrap();
        let all: Vec<_> = pieces(5).collect();
        gzip.write_piece(&all[0]).unwrap();
        gzip.write_piece(&all[1]).unwrap();
        // What was written so far can be read, although it has no end.
        let mut out = vec![0; all[0].len() + all[1].len()];
        MultiGzDecoder::new(open(true)).read_exact(&mut out).unwrap();
        assert_eq!(out, [&all[0][..], &all[1]].concat());
        // A file that cannot be written stands for a disk that is full: neither the piece nor an end has room.
        let whole = std::mem::replace(&mut gzip.file.file, open(true));
        gzip.write_piece(&all[2]).unwrap_err();
        gzip.write_piece(&all[2]).unwrap_err();
        assert!(gzip.can_go_on() && gzip.open);
        gzip.file.file = whole;
        gzip.write_piece(&all[3]).unwrap();
        gzip.write_piece(&all[4]).unwrap();
        gzip.finish().unwrap();
        gzip.finish().unwrap();
        assert!(unpacked(&path).unwrap() == [&all[0][..], &all[1], &all[3], &all[4]].concat());
        // What follows a file that has ended is another member.
        let mut more = GzipFile::new(open(false), 1).unwrap();
        more.write_piece(b"more").unwrap();
        more.finish().unwrap();
        assert!(unpacked(&path).unwrap().ends_with(b"more"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_pipe_cannot_be_gone_on_with() {
        let (reader, writer) = io::pipe().unwrap();
        let mut gzip = GzipFile::new(File::from(std::os::fd::OwnedFd::from(writer)), 6).unwrap();
        // More than a pipe holds, whose reader goes after a part.
        let reads = std::thread::spawn(move || {
            let mut reader = reader;
            reader.read_exact(&mut [0; 100]).unwrap();
        });
        let all = pieces(1).next().unwrap().repeat(8);
        gzip.write_piece(&all).unwrap_err();
        assert!(!gzip.can_go_on());
        gzip.finish().unwrap();
        reads.join().unwrap();
    }
}
