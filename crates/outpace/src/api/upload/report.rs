//! The list of refused rows: a CSV file that Excel opens by a click.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use crate::api::app_sip::code::{Language, Text};

pub struct Report {
    file: BufWriter<File>,
    language: Language,
    pub rows: u64,
    /// Line and reason of the first one.
    pub first: Option<(u64, Text)>,
}

impl Report {
    pub fn begin(file: File, language: Language) -> io::Result<Report> {
        let mut file = BufWriter::new(file);
        // Without the byte order mark Excel takes it for the local encoding.
        let header = Text::new("\u{feff}行号,号码,原因\r\n", "\u{feff}line,phone,reason\r\n");
        file.write_all(header.of(language).as_bytes())?;
        Ok(Report { file, language, rows: 0, first: None })
    }

    pub fn add(&mut self, line: u64, phone: &str, reason: Text) -> io::Result<()> {
        self.rows += 1;
        self.first.get_or_insert((line, reason));
        let reason = reason.of(self.language);
        write!(self.file, "{line},{},{}\r\n", cell(phone), cell(reason))
    }

    pub fn finish(mut self) -> io::Result<(u64, Option<(u64, Text)>)> {
        self.file.flush()?;
        Ok((self.rows, self.first))
    }
}

/// Quoted where it must be. What a spreadsheet would take for a formula is made a text.
fn cell(text: &str) -> String {
    const CHARS_MAX: usize = 64;
    let mut shown: String = text.chars().take(CHARS_MAX).collect();
    if shown.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        shown.insert(0, '\'');
    }
    if shown.contains(['"', ',', '\r', '\n', '\'']) {
        shown = format!("\"{}\"", shown.replace('"', "\"\""));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_formulas_are_not_run() {
        assert_eq!(cell("13812345678"), "13812345678");
        assert_eq!(cell("a\"b,c"), "\"a\"\"b,c\"");
        assert_eq!(cell("=1+1"), "\"'=1+1\"");
        assert_eq!(cell("@x\ny"), "\"'@x\ny\"");
        assert_eq!(cell(&"1".repeat(100)).len(), 64);
    }
}
