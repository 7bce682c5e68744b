//! Workbooks (ECMA-376), written without going back: the bytes of each part are given away as soon as they are packed.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, StreamWriter, ZipWriter};

use super::export::find;

/// Of a sheet, with its line of names: a sheet has 1 048 576 lines at most. What is more goes into another sheet.
const ROWS_MAX: usize = 1_000_000;
/// Of a text in a cell.
const CHARS_MAX: usize = 32_767;
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const RELATIONS: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const TYPES: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml";

/// What was packed and not yet given away.
#[derive(Clone, Default)]
struct Packed(Arc<Mutex<Vec<u8>>>);

impl Packed {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Packed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct Xlsx {
    zip: ZipWriter<StreamWriter<Packed>>,
    packed: Packed,
    columns: &'static [&'static str],
    rows_max: usize,
    sheets: usize,
    /// In the sheet that is being written.
    rows: usize,
}

impl Xlsx {
    pub fn begin(columns: &'static [&'static str]) -> io::Result<Xlsx> {
        Xlsx::with_sheets_of(columns, ROWS_MAX)
    }

    fn with_sheets_of(columns: &'static [&'static str], rows_max: usize) -> io::Result<Xlsx> {
        let packed = Packed::default();
        let zip = ZipWriter::new_stream(packed.clone());
        let mut book = Xlsx { zip, packed, columns, rows_max, sheets: 0, rows: 0 };
        book.begin_sheet()?;
        Ok(book)
    }

    pub fn rows(&mut self, rows: &[Value]) -> io::Result<Vec<u8>> {
        for row in rows {
            if self.rows > self.rows_max {
                self.end_sheet()?;
                self.begin_sheet()?;
            }
            let columns = self.columns;
            self.line(columns.iter().map(|column| find(row, column)))?;
        }
        Ok(self.packed.take())
    }

    /// The last bytes.
    pub fn end(mut self) -> io::Result<Vec<u8>> {
        self.end_sheet()?;
        let (mut sheets, mut relations, mut types) = (String::new(), String::new(), String::new());
        for n in 1..=self.sheets {
            let _ = write!(sheets, "<sheet name=\"{n}\" sheetId=\"{n}\" r:id=\"rId{n}\"/>");
            let _ = write!(
                relations,
                "<Relationship Id=\"rId{n}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{n}.xml\"/>"
            );
            let _ = write!(
                types,
                "<Override PartName=\"/xl/worksheets/sheet{n}.xml\" ContentType=\"{TYPES}.worksheet+xml\"/>"
            );
        }
        let book =
            format!("<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets>{sheets}</sheets></workbook>");
        self.part("xl/workbook.xml", &book)?;
        let relations = format!("<Relationships xmlns=\"{RELATIONS}\">{relations}</Relationships>");
        self.part("xl/_rels/workbook.xml.rels", &relations)?;
        let root = format!(
            "<Relationships xmlns=\"{RELATIONS}\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" \
             Target=\"xl/workbook.xml\"/></Relationships>"
        );
        self.part("_rels/.rels", &root)?;
        let types = format!(
            "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
             <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
             <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
             <Override PartName=\"/xl/workbook.xml\" ContentType=\"{TYPES}.sheet.main+xml\"/>{types}</Types>"
        );
        self.part("[Content_Types].xml", &types)?;
        self.zip.finish()?;
        Ok(self.packed.take())
    }

    fn begin_sheet(&mut self) -> io::Result<()> {
        (self.sheets, self.rows) = (self.sheets + 1, 0);
        let name = format!("xl/worksheets/sheet{}.xml", self.sheets);
        self.zip.start_file(name, options())?;
        self.zip.write_all(format!("{HEAD}<worksheet xmlns=\"{MAIN}\"><sheetData>").as_bytes())?;
        let names: Vec<Value> = self.columns.iter().map(|name| Value::from(*name)).collect();
        self.line(names.iter())
    }

    fn end_sheet(&mut self) -> io::Result<()> {
        self.zip.write_all(b"</sheetData></worksheet>")
    }

    fn part(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.zip.start_file(name, options())?;
        self.zip.write_all(HEAD.as_bytes())?;
        self.zip.write_all(text.as_bytes())
    }

    fn line<'a>(&mut self, cells: impl Iterator<Item = &'a Value>) -> io::Result<()> {
        self.rows += 1;
        let mut text = "<row>".to_owned();
        for value in cells {
            cell(&mut text, value);
        }
        text += "</row>";
        self.zip.write_all(text.as_bytes())
    }
}

fn options() -> SimpleFileOptions {
    // A sheet of a million lines may have more than 4 GB before it is packed.
    SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true)
}

/// Texts stay texts: a telephone number is not rounded, and nothing is taken for a formula.
fn cell(text: &mut String, value: &Value) {
    match value {
        Value::Null => *text += "<c/>",
        Value::Number(number) => {
            let _ = write!(text, "<c><v>{number}</v></c>");
        }
        Value::Bool(is) => {
            let _ = write!(text, "<c t=\"b\"><v>{}</v></c>", u8::from(*is));
        }
        Value::String(string) => inline(text, string),
        other => inline(text, &other.to_string()),
    }
}

fn inline(text: &mut String, string: &str) {
    *text += "<c t=\"inlineStr\"><is><t xml:space=\"preserve\">";
    for c in string.chars().take(CHARS_MAX) {
        match c {
            '&' => *text += "&amp;",
            '<' => *text += "&lt;",
            '>' => *text += "&gt;",
            // As it is, XML would read a line feed.
            '\r' => *text += "&#13;",
            '\t' | '\n' => text.push(c),
            // XML 1.0 has no way to write these (§2.2).
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => text.push(' '),
            c => text.push(c),
        }
    }
    *text += "</t></is></c>";
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use serde_json::json;

    use super::*;

    const COLUMNS: &[&str] = &["a", "b.c"];

    fn part(book: &[u8], name: &str) -> String {
        let mut archive = zip::ZipArchive::new(Cursor::new(book)).expect("an archive");
        let mut text = String::new();
        archive.by_name(name).expect("this part").read_to_string(&mut text).expect("UTF-8");
        text
    }

    #[test]
    fn cells_keep_their_types_and_texts_what_xml_would_change() {
        let mut xlsx = Xlsx::begin(COLUMNS).expect("begun");
        let rows = [
            json!({"a": "13800138000", "b": {"c": 5}}),
            json!({"a": "=1+1 <&> \u{1}\r\n", "b": null}),
            json!({"a": true, "b": {"c": "中文"}}),
        ];
        let mut book = xlsx.rows(&rows).expect("written");
        book.extend(xlsx.end().expect("ended"));
        let sheet = part(&book, "xl/worksheets/sheet1.xml");
        for expected in [
            ">a</t></is></c>",
            "<c t=\"inlineStr\"><is><t xml:space=\"preserve\">13800138000</t></is></c><c><v>5</v></c>",
            ">=1+1 &lt;&amp;&gt;  &#13;\n</t></is></c><c/></row>",
            "<c t=\"b\"><v>1</v></c>",
            ">中文<",
        ] {
            assert!(sheet.contains(expected), "{expected} in {sheet}");
        }
    }

    #[test]
    fn what_does_not_fit_into_a_sheet_goes_into_the_next() {
        let mut xlsx = Xlsx::with_sheets_of(COLUMNS, 10).expect("begun");
        let rows: Vec<Value> = (0..25).map(|n| json!({ "a": n })).collect();
        let mut book = xlsx.rows(&rows).expect("written");
        book.extend(xlsx.end().expect("ended"));
        let lines =
            [1, 2, 3].map(|n| part(&book, &format!("xl/worksheets/sheet{n}.xml")).matches("<row>").count());
        assert_eq!(lines, [11, 11, 6], "each with its line of names");
        assert_eq!(part(&book, "xl/workbook.xml").matches("<sheet ").count(), 3);
    }

    #[test]
    fn what_is_packed_is_given_away_while_the_rest_is_written() {
        let mut xlsx = Xlsx::begin(COLUMNS).expect("begun");
        let row = |n: u64| json!({"a": (n * 7_368_787 % 10_000_019).to_string(), "b": {"c": n}});
        let rows: Vec<Value> = (0..1000).map(row).collect();
        let given: usize = (0..20).map(|_| xlsx.rows(&rows).expect("written").len()).sum();
        let rest = xlsx.end().expect("ended").len();
        assert!(given > 20 * rest / 10, "{given} bytes before the end, {rest} at the end");
    }
}
