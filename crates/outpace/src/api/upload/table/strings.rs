//! The shared strings of a workbook, in a temporary file: a list may have millions of them.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use super::Fault;

const COUNT_MAX: usize = 16 << 20;
const BLOCK_BYTES: usize = 16 << 10;

pub struct Writer {
    file: BufWriter<File>,
    /// Where each ends.
    ends: Vec<u32>,
    len: u32,
}

impl Writer {
    pub fn new(file: File) -> Writer {
        Writer { file: BufWriter::with_capacity(BLOCK_BYTES * 4, file), ends: Vec::new(), len: 0 }
    }

    pub fn push(&mut self, text: &str) -> Result<(), Fault> {
        // What is unpacked stays below 4 GB.
        self.len += u32::try_from(text.len()).map_err(|_| Fault::Bomb)?;
        if self.ends.len() >= COUNT_MAX {
            return Err(Fault::Bomb);
        }
        self.file.write_all(text.as_bytes())?;
        self.ends.push(self.len);
        Ok(())
    }

    pub fn finish(self) -> Result<Strings, Fault> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok(Strings { file: Some(file), ends: self.ends, block: Vec::new(), block_start: 0 })
    }
}

/// Most sheets name their strings in the order in which they were written, so one block is kept.
#[derive(Default)]
pub struct Strings {
    file: Option<File>,
    ends: Vec<u32>,
    block: Vec<u8>,
    block_start: usize,
}

impl Strings {
    /// None: there is no such string.
    pub fn text(&mut self, index: usize) -> Result<Option<&str>, Fault> {
        let Some(&end) = self.ends.get(index) else { return Ok(None) };
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]) as usize;
        let end = end as usize;
        if start < self.block_start || end > self.block_start + self.block.len() {
            self.load(start, end)?;
        }
        let bytes = &self.block[start - self.block_start..end - self.block_start];
        Ok(std::str::from_utf8(bytes).ok())
    }

    fn load(&mut self, start: usize, end: usize) -> Result<(), Fault> {
        let Some(file) = &self.file else { return Err(Fault::Damaged) };
        let last = self.ends.last().map_or(0, |e| *e as usize);
        let block_end = end.max((start + BLOCK_BYTES).min(last));
        self.block.resize(block_end - start, 0);
        file.read_exact_at(&mut self.block, start as u64)?;
        self.block_start = start;
        Ok(())
    }
}
