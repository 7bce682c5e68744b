//! Lists as CSV (RFC 4180), written page by page while the client reads, so that memory stays bounded.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use serde_json::Value;
use store::Store;

use super::stream;
use super::visit::{Answer, Visit};

/// Rows read from the store at once.
pub const ROWS_AT_ONCE: u32 = 1_000;

/// `next`: the rows after this key, and the key of the last one. `columns`: fields, with a dot between outer and inner.
pub fn answer<K: Clone + Send + 'static>(
    visit: &Visit,
    name: &str,
    columns: &'static [&'static str],
    first: Option<K>,
    next: impl Fn(&dyn Store, Option<K>) -> store::Result<(Vec<Value>, Option<K>)> + Clone + Send + 'static,
) -> Answer {
    let (parts, body) = stream::open();
    let handle = visit.handle().clone();
    tokio::spawn(async move {
        let mut after = first;
        let mut written = parts.write(format!("{}\r\n", columns.join(","))).await;
        while written.is_ok() {
            let (next, from) = (next.clone(), after.clone());
            match handle.with_store(move |s| next(s, from)).await {
                Ok((_, None)) => return parts.end().await,
                Ok((rows, last)) => {
                    after = last;
                    written = parts.write(text(&rows, columns)).await;
                }
                Err(error) => {
                    tracing::error!(%error, "a list that is sent as CSV was cut off");
                    return;
                }
            }
        }
    });
    let headers = [
        (CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")),
    ];
    Answer::stream((headers, body).into_response())
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

fn find<'a>(row: &'a Value, column: &str) -> &'a Value {
    column.split('.').fold(row, |value, name| &value[name])
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
