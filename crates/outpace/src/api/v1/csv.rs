//! Lists as CSV (RFC 4180).

use serde_json::Value;

use super::export::find;

pub struct Csv {
    columns: &'static [&'static str],
    has_names: bool,
}

impl Csv {
    pub fn begin(columns: &'static [&'static str]) -> Csv {
        Csv { columns, has_names: false }
    }

    pub fn rows(&mut self, rows: &[Value]) -> Vec<u8> {
        let names = if self.has_names { String::new() } else { format!("{}\r\n", self.columns.join(",")) };
        self.has_names = true;
        (names + &text(rows, self.columns)).into_bytes()
    }

    pub fn end(mut self) -> Vec<u8> {
        self.rows(&[])
    }
}

fn text(rows: &[Value], columns: &[&str]) -> String {
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = columns.iter().map(|column| cell(find(row, column))).collect();
        text += &cells.join(",");
        text += "\r\n";
    }
    text
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// A text that a spreadsheet would take for a formula gets an apostrophe before it.
fn quoted(text: &str) -> String {
    let is_number = text.strip_prefix('+').is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number;
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    match text.contains([',', '"', '\r', '\n']) || is_formula {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let row =
            json!({"a": "x", "b": {"c": 5, "d": null}, "e": "1,\"2\"\n", "f": "+8613800138000", "g": "=1+1"});
        let line = text(&[row], &["a", "b.c", "b.d", "e", "f", "g", "none.at.all"]);
        assert_eq!(line, "x,5,,\"1,\"\"2\"\"\n\",+8613800138000,\"'=1+1\",\r\n");
    }
}
