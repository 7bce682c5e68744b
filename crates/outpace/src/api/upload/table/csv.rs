//! Comma-separated values, as RFC 4180 §2 has them and as they are in the wild: other delimiters, any line ends, quotes
//! in cells that are not quoted.

use std::fs::File;

use super::encoding::TextFile;
use super::{COLUMNS_MAX, Fault, Row, Sink};

const DELIMITERS: [char; 3] = [',', ';', '\t'];
/// For the delimiter.
const LINES_LOOKED_AT: usize = 10;

pub fn read(file: &mut File, sink: &mut Sink<'_>) -> Result<(), Fault> {
    let mut input = TextFile::open(file)?;
    let mut text = String::new();
    let mut reader: Option<Reader> = None;
    while input.read(&mut text)? {
        if text.contains('\0') {
            return Err(Fault::NotATable);
        }
        let (reader, begin) = match &mut reader {
            Some(reader) => (reader, 0),
            None => {
                let (delimiter, begin) = delimiter(&text);
                (reader.insert(Reader::new(delimiter, u64::from(begin > 0))), begin)
            }
        };
        reader.push(&text[begin..], sink)?;
        text.clear();
    }
    reader.map_or(Ok(()), |reader| reader.finish(sink))
}

/// The delimiter, and where the rows begin: Excel writes and reads a first line `sep=;`.
fn delimiter(text: &str) -> (char, usize) {
    let begin = text.find(|c| !matches!(c, '\r' | '\n')).unwrap_or(0);
    let mut lines = text[begin..].split(['\r', '\n']).filter(|line| !line.is_empty());
    let line = lines.next().unwrap_or_default();
    if let Some(named) = line.strip_prefix("sep=").and_then(|rest| rest.chars().next())
        && DELIMITERS.contains(&named)
    {
        let end = begin + line.len();
        let line_end = text[end..].find(|c| !matches!(c, '\r' | '\n')).unwrap_or(text.len() - end);
        return (named, end + line_end);
    }
    let mut counts = [0usize; DELIMITERS.len()];
    let mut is_quoted = false;
    // A title may come before the header.
    for c in std::iter::once(line).chain(lines.take(LINES_LOOKED_AT - 1)).flat_map(str::chars) {
        is_quoted ^= c == '"';
        if let Some(i) = DELIMITERS.iter().position(|d| *d == c && !is_quoted) {
            counts[i] += 1;
        }
    }
    let most = (0..counts.len()).rev().max_by_key(|i| counts[*i]).unwrap_or(0);
    (DELIMITERS[most], 0)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a cell.
    Begin,
    Plain,
    Quoted,
    /// After a quote in a quoted cell: its end, or the first half of a quote.
    Quote,
}

struct Reader {
    delimiter: u8,
    state: State,
    row: Row,
    column: usize,
    /// From 1.
    line: u64,
    quote_line: u64,
    was_return: bool,
}

impl Reader {
    fn new(delimiter: char, lines_before: u64) -> Reader {
        let line = 1 + lines_before;
        let row = Row { line, ..Row::default() };
        let state = State::Begin;
        // All delimiters are ASCII.
        let delimiter = delimiter as u8;
        Reader { delimiter, state, row, column: 0, line, quote_line: 0, was_return: false }
    }

    fn push(&mut self, text: &str, sink: &mut Sink<'_>) -> Result<(), Fault> {
        let mut at = 0;
        let bytes = text.as_bytes();
        while at < bytes.len() {
            // Only ASCII ends a run, so its ends are ends of characters.
            let end = bytes[at..].iter().position(|b| self.is_special(*b)).map_or(bytes.len(), |i| at + i);
            if end > at {
                self.was_return = false;
                if matches!(self.state, State::Begin | State::Quote) {
                    self.state = State::Plain;
                }
                self.put(&text[at..end])?;
            }
            if let Some(special) = bytes.get(end) {
                self.special(*special, sink)?;
            }
            at = end + 1;
        }
        Ok(())
    }

    fn is_special(&self, byte: u8) -> bool {
        byte == b'"' || byte == b'\n' || byte == b'\r' || byte == self.delimiter
    }

    fn special(&mut self, byte: u8, sink: &mut Sink<'_>) -> Result<(), Fault> {
        let follows_return = std::mem::replace(&mut self.was_return, byte == b'\r');
        let ends_line = byte == b'\r' || (byte == b'\n' && !follows_return);
        self.line += u64::from(ends_line);
        match (self.state, byte) {
            (State::Begin, b'"') => {
                self.state = State::Quoted;
                self.quote_line = self.line;
                Ok(())
            }
            (State::Quoted, b'"') => {
                self.state = State::Quote;
                Ok(())
            }
            (State::Quote, b'"') => {
                self.state = State::Quoted;
                self.put("\"")
            }
            (State::Quoted, b'\r') => self.put("\n"),
            (State::Quoted, b'\n') if follows_return => Ok(()),
            (State::Plain, b'"') => self.put("\""),
            (State::Quoted, other) => self.put(char::from(other).encode_utf8(&mut [0; 4])),
            (_, b'\r' | b'\n') if ends_line => self.end_row(sink),
            (_, b'\r' | b'\n') => Ok(()),
            _ => {
                self.state = State::Begin;
                self.column = (self.column + 1).min(COLUMNS_MAX);
                Ok(())
            }
        }
    }

    fn put(&mut self, text: &str) -> Result<(), Fault> {
        match self.row.put(self.column, text) {
            // It is more likely that a quote is missing than that a row is so long.
            Err(Fault::RowTooLong(_)) if self.state == State::Quoted => {
                Err(Fault::OpenQuote(self.quote_line))
            }
            other => other,
        }
    }

    fn end_row(&mut self, sink: &mut Sink<'_>) -> Result<(), Fault> {
        if !self.row.is_blank() {
            sink(&self.row)?;
        }
        self.row.clear();
        self.row.line = self.line;
        self.column = 0;
        self.state = State::Begin;
        Ok(())
    }

    fn finish(mut self, sink: &mut Sink<'_>) -> Result<(), Fault> {
        match self.state {
            State::Quoted => Err(Fault::OpenQuote(self.quote_line)),
            _ => self.end_row(sink),
        }
    }
}
