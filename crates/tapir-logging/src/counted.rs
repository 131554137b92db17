//! A file of which it is known how much was written, so that what was written in part can be taken back.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

/// A file and the number of bytes in it.
pub struct CountedFile {
    pub file: File,
    pub len: u64,
}

impl CountedFile {
    /// Writes all of these bytes. After an error the length tells how many were taken.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let n = match self.file.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
                Err(e) => return Err(e),
            };
            self.len += n as u64;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// Takes back what is behind a length; what comes next follows what is left.
    ///
    /// # Errors
    /// What the system says, as of a pipe, which takes nothing back.
    pub fn cut(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.len = len;
        self.file.seek(SeekFrom::Start(len)).map(drop)
    }
}
