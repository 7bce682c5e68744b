//! The rows of a file, one after the other, whatever the file is. Memory stays the same however long the file is.

mod csv;
mod encoding;
mod meter;
mod package;
mod strings;
mod xlsx;

use std::fs::File;
use std::io::{self, Read, Seek};

use crate::api::app_sip::code::{Language, Text};

/// Later columns are not read.
pub const COLUMNS_MAX: usize = 64;
/// Of all cells of a row together.
pub const ROW_BYTES_MAX: usize = 64 << 10;

/// A row that has something in it.
#[derive(Default, Debug)]
pub struct Row {
    /// Where it is in the file, from 1.
    pub line: u64,
    /// Serial numbers of days count from 1904 instead of 1900.
    pub from_1904: bool,
    cells: Vec<String>,
    /// Cells of this row; those behind are kept for their memory.
    used: usize,
    bytes: usize,
}

impl Row {
    /// Without blanks around it; "" where there is none.
    pub fn cell(&self, column: usize) -> &str {
        self.cells().get(column).map_or("", |c| c.trim())
    }

    pub fn cells(&self) -> &[String] {
        &self.cells[..self.used]
    }

    fn clear(&mut self) {
        self.used = 0;
        self.bytes = 0;
    }

    fn is_blank(&self) -> bool {
        self.cells().iter().all(|c| c.trim().is_empty())
    }

    /// The cell to be written, with those before it empty; None when it lies behind the last that is read.
    fn cell_mut(&mut self, column: usize) -> Option<&mut String> {
        if column >= COLUMNS_MAX {
            return None;
        }
        while self.used <= column {
            match self.cells.get_mut(self.used) {
                Some(cell) => cell.clear(),
                None => self.cells.push(String::new()),
            }
            self.used += 1;
        }
        self.cells.get_mut(column)
    }

    /// Adds to the cell.
    fn put(&mut self, column: usize, text: &str) -> Result<(), Fault> {
        self.bytes += text.len();
        if self.bytes > ROW_BYTES_MAX {
            return Err(Fault::RowTooLong(self.line));
        }
        if let Some(cell) = self.cell_mut(column) {
            cell.push_str(text);
        }
        Ok(())
    }
}

/// What is done with each row that is not blank.
pub type Sink<'a> = dyn FnMut(&Row) -> Result<(), Fault> + 'a;

/// Why a file is not taken.
#[derive(Debug)]
pub enum Fault {
    Empty,
    /// Neither text nor xlsx.
    NotATable,
    /// A compound document: the old Excel format, or an xlsx with a password.
    OldExcel,
    /// Cut off or broken.
    Damaged,
    /// It holds more when unpacked than any list of numbers.
    Bomb,
    RowTooLong(u64),
    /// A quote that begins in this line is not closed.
    OpenQuote(u64),
    TooManyRows(u64),
    NoRoom,
    /// Somebody gave it up.
    Stopped,
    Disk(io::Error),
    Store(store::StoreError),
}

impl Fault {
    /// What the client is told; None: our fault.
    pub fn told(&self, language: Language) -> Option<String> {
        let text = match self {
            Fault::Empty => Text::new("文件中没有数据", "the file has no data"),
            Fault::NotATable => Text::new("不是.xlsx或.csv文件", "the file is neither .xlsx nor .csv"),
            Fault::OldExcel => Text::new(
                "不支持.xls或加密的文件，请另存为不带密码的.xlsx",
                "an .xls file or one with a password: save it as .xlsx without a password",
            ),
            Fault::Damaged => Text::new("文件不完整或已损坏", "the file is cut off or damaged"),
            Fault::Bomb => Text::new("文件解压后过大", "the file is too large when unpacked"),
            Fault::NoRoom => Text::new("服务器磁盘空间不足", "the server's disk is nearly full"),
            Fault::RowTooLong(line) => {
                return Some(match language {
                    Language::Chinese => format!("第{line}行过长"),
                    Language::English => format!("line {line} is too long"),
                });
            }
            Fault::OpenQuote(line) => {
                return Some(match language {
                    Language::Chinese => format!("第{line}行的引号没有结束"),
                    Language::English => format!("a quote that begins in line {line} is not closed"),
                });
            }
            Fault::TooManyRows(max) => {
                return Some(match language {
                    Language::Chinese => format!("超过{max}行"),
                    Language::English => format!("more than {max} rows"),
                });
            }
            Fault::Stopped | Fault::Disk(_) | Fault::Store(_) => return None,
        };
        Some(text.of(language).to_owned())
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        match error.kind() {
            io::ErrorKind::StorageFull => Fault::NoRoom,
            _ => Fault::Disk(error),
        }
    }
}

/// Gives each row that is not blank to `sink`. `spool`: a temporary file for what does not fit into memory.
pub fn read(file: &mut File, spool: &dyn Fn() -> io::Result<File>, sink: &mut Sink<'_>) -> Result<(), Fault> {
    let mut head = [0; 8];
    let len = read_up_to(file, &mut head)?;
    file.rewind()?;
    match &head[..len] {
        [] => Err(Fault::Empty),
        [b'P', b'K', 3 | 5, 4 | 6, ..] => xlsx::read(file, spool, sink),
        [0xd0, 0xcf, 0x11, 0xe0, ..] => Err(Fault::OldExcel),
        _ => csv::read(file, sink),
    }
}

/// As many bytes as there are, up to the length of `buffer`.
fn read_up_to(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match reader.read(&mut buffer[len..])? {
            0 => break,
            n => len += n,
        }
    }
    Ok(len)
}
