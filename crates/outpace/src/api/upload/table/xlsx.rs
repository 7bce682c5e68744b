//! Workbooks of Excel 2007 and later (ECMA-376 part 1, §18): the rows of the first visible sheet that has any.

use std::fs::File;
use std::io;

use quick_xml::events::{BytesStart, Event};

use super::package::{Package, Relation, add_text, attribute};
use super::strings::{Strings, Writer};
use super::{Fault, ROW_BYTES_MAX, Row, Sink};

const WORKBOOK: &str = "xl/workbook.xml";
const SHARED_STRINGS: &str = "xl/sharedStrings.xml";
/// Whole numbers up to here are exact in a float (2^53 is a little more).
const EXACT_MAX: f64 = 9e15;

pub fn read(file: &File, spool: &dyn Fn() -> io::Result<File>, sink: &mut Sink<'_>) -> Result<(), Fault> {
    let mut package = Package::open(file)?;
    let of_kind = |relations: &[Relation], kind: &str| {
        relations.iter().find(|r| r.kind == kind).map(|r| r.target.clone())
    };
    let workbook = of_kind(&package.relations("")?, "officeDocument").unwrap_or_else(|| WORKBOOK.to_owned());
    let relations = package.relations(&workbook)?;
    let (sheets, from_1904) = sheets(&mut package, &workbook, &relations)?;
    let shared = of_kind(&relations, "sharedStrings").unwrap_or_else(|| SHARED_STRINGS.to_owned());
    let mut strings = match package.has(&shared) {
        true => shared_strings(&mut package, &shared, spool()?)?,
        false => Strings::default(),
    };
    for sheet in sheets {
        if read_sheet(&mut package, &sheet, &mut strings, from_1904, sink)? {
            break;
        }
    }
    Ok(())
}

/// The parts of the visible sheets in their order, and whether days count from 1904.
fn sheets(
    package: &mut Package<'_>,
    workbook: &str,
    relations: &[Relation],
) -> Result<(Vec<String>, bool), Fault> {
    let (mut sheets, mut from_1904) = (Vec::new(), false);
    let mut xml = package.part(workbook)?;
    while let Some(event) = xml.next()? {
        let (Event::Start(element) | Event::Empty(element)) = event else { continue };
        match element.local_name().as_ref() {
            "workbookPr" => {
                from_1904 = matches!(attribute(&element, "date1904").as_deref(), Some("1" | "true"));
            }
            "sheet" if attribute(&element, "state").is_none_or(|state| state == "visible") => {
                let id = attribute(&element, "id");
                let relation = relations.iter().find(|r| r.kind == "worksheet" && Some(&r.id) == id.as_ref());
                sheets.extend(relation.map(|r| r.target.clone()));
            }
            _ => {}
        }
    }
    Ok((sheets, from_1904))
}

/// §18.4.9. Texts in several formats are put together, how they are read aloud (§18.4.6) is left out.
fn shared_strings(package: &mut Package<'_>, part: &str, spool: File) -> Result<Strings, Fault> {
    let mut strings = Writer::new(spool);
    let mut text = String::new();
    let mut within = Within::default();
    let mut is_whole = false;
    let mut xml = package.part(part)?;
    while let Some(event) = xml.next()? {
        match &event {
            Event::Empty(element) if element.local_name().as_ref() == "si" => strings.push("")?,
            Event::Empty(element) => is_whole |= element.local_name().as_ref() == "sst",
            Event::Start(element) => within.open(element.local_name().as_ref()),
            Event::End(element) => match element.local_name().as_ref() {
                "si" => {
                    strings.push(&text)?;
                    text.clear();
                }
                "sst" => is_whole = true,
                name => within.close(name),
            },
            event if within.is_text() => {
                // No cell may hold so much.
                add_bounded(&mut text, event, 0).map_err(|_| Fault::Damaged)?;
            }
            _ => {}
        }
    }
    if is_whole { strings.finish() } else { Err(Fault::Damaged) }
}

fn add_bounded(text: &mut String, event: &Event<'_>, line: u64) -> Result<(), Fault> {
    add_text(text, event);
    if text.len() > ROW_BYTES_MAX { Err(Fault::RowTooLong(line)) } else { Ok(()) }
}

/// In which elements of a text the reader is.
#[derive(Default)]
struct Within {
    text: bool,
    phonetic: bool,
}

impl Within {
    fn open(&mut self, name: &str) {
        self.text |= name == "t";
        self.phonetic |= name == "rPh";
    }

    fn close(&mut self, name: &str) {
        self.text &= name != "t";
        self.phonetic &= name != "rPh";
    }

    fn is_text(&self) -> bool {
        self.text && !self.phonetic
    }
}

/// §18.18.11
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Shared,
    Inline,
    /// As it stands there: formula's text, error, boolean, ISO date.
    Plain,
}

/// Reads one sheet; false when it has no row with something in it.
fn read_sheet(
    package: &mut Package<'_>,
    part: &str,
    strings: &mut Strings,
    from_1904: bool,
    sink: &mut Sink<'_>,
) -> Result<bool, Fault> {
    let mut xml = package.part(part)?;
    let row = Row { from_1904, ..Row::default() };
    let mut sheet = Sheet {
        row,
        column: 0,
        next_column: 0,
        kind: Kind::Number,
        is_value: false,
        within: Within::default(),
        text: String::new(),
        has_rows: false,
    };
    while let Some(event) = xml.next()? {
        let is_over = match &event {
            Event::Start(element) => {
                sheet.open(element);
                false
            }
            Event::Empty(element) => {
                sheet.open(element);
                sheet.close(element.local_name().as_ref(), strings, sink)?
            }
            Event::End(element) => sheet.close(element.local_name().as_ref(), strings, sink)?,
            event if sheet.is_value || sheet.within.is_text() => {
                add_bounded(&mut sheet.text, event, sheet.row.line)?;
                false
            }
            _ => false,
        };
        if is_over {
            return Ok(sheet.has_rows);
        }
    }
    // The data never ended.
    Err(Fault::Damaged)
}

struct Sheet {
    row: Row,
    column: usize,
    next_column: usize,
    kind: Kind,
    /// In `<v>`.
    is_value: bool,
    within: Within,
    text: String,
    has_rows: bool,
}

impl Sheet {
    fn open(&mut self, element: &BytesStart<'_>) {
        match element.local_name().as_ref() {
            "row" => {
                let numbered = attribute(element, "r").and_then(|r| r.parse().ok());
                let line = numbered.unwrap_or(self.row.line + 1);
                self.row.clear();
                self.row.line = line;
                self.next_column = 0;
            }
            "c" => self.open_cell(element),
            "v" => self.is_value = true,
            name => self.within.open(name),
        }
    }

    fn open_cell(&mut self, element: &BytesStart<'_>) {
        self.text.clear();
        self.kind = Kind::Number;
        self.column = self.next_column;
        for attribute in element.attributes().with_checks(false).flatten() {
            match attribute.key.as_ref() {
                "r" => self.column = column_of(&attribute.value).unwrap_or(self.column),
                "t" => {
                    self.kind = match &*attribute.value {
                        "s" => Kind::Shared,
                        "inlineStr" => Kind::Inline,
                        "n" => Kind::Number,
                        _ => Kind::Plain,
                    }
                }
                _ => {}
            }
        }
        self.next_column = self.column.saturating_add(1);
    }

    /// True at the end of the data.
    fn close(&mut self, name: &str, strings: &mut Strings, sink: &mut Sink<'_>) -> Result<bool, Fault> {
        match name {
            "v" => self.is_value = false,
            "c" => self.close_cell(strings)?,
            "row" if !self.row.is_blank() => {
                self.has_rows = true;
                sink(&self.row)?;
            }
            "sheetData" => return Ok(true),
            name => self.within.close(name),
        }
        Ok(false)
    }

    fn close_cell(&mut self, strings: &mut Strings) -> Result<(), Fault> {
        match self.kind {
            _ if self.text.is_empty() => Ok(()),
            Kind::Shared => {
                let index = self.text.trim().parse().map_err(|_| Fault::Damaged)?;
                let text = strings.text(index)?.ok_or(Fault::Damaged)?;
                self.row.put(self.column, text)
            }
            Kind::Number => self.row.put(self.column, &written_out(self.text.trim())),
            Kind::Inline | Kind::Plain => self.row.put(self.column, &self.text),
        }
    }
}

/// The column of a reference such as `AB12`, from 0.
fn column_of(reference: &str) -> Option<usize> {
    let letters = reference.bytes().take_while(u8::is_ascii_alphabetic);
    let column = letters.fold(0usize, |column, letter| {
        column.saturating_mul(26).saturating_add(usize::from(letter.to_ascii_uppercase() - b'A') + 1)
    });
    column.checked_sub(1)
}

/// A number as it is stored, `1.3812345678E10`, as people write it: `13812345678`.
fn written_out(number: &str) -> std::borrow::Cow<'_, str> {
    if number.bytes().all(|b| b.is_ascii_digit()) {
        return number.into();
    }
    match number.parse::<f64>() {
        Ok(value) if value.fract() == 0.0 && value.abs() <= EXACT_MAX => format!("{value:.0}").into(),
        _ => number.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_read_from_references() {
        let of = |text: &str| column_of(text);
        assert_eq!(
            (of("A1"), of("Z9"), of("AA10"), of("XFD1048576")),
            (Some(0), Some(25), Some(26), Some(16383))
        );
        assert_eq!((of("12"), of("")), (None, None));
    }

    #[test]
    fn whole_numbers_are_written_out() {
        assert_eq!(written_out("1.3812345678E10"), "13812345678");
        assert_eq!(written_out("13812345678"), "13812345678");
        assert_eq!(written_out("13812345678.0"), "13812345678");
        assert_eq!(written_out("01012345678901234567890"), "01012345678901234567890");
        assert_eq!(written_out("45000.5"), "45000.5");
        assert_eq!(written_out("-0"), "-0");
        assert_eq!(written_out("1e99"), "1e99");
    }
}
