//! Whole lists as files, written page by page while the client reads, so that memory stays bounded.

use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::IntoResponse;
use serde_json::Value;
use store::{Store, StoreError};

use super::csv::Csv;
use super::stream;
use super::visit::{Answer, Visit};
use super::xlsx::Xlsx;

/// Rows read from the store at once.
pub const ROWS_AT_ONCE: u32 = 1_000;

/// A file in the making: what it gives is sent, in this order.
enum File {
    Csv(Csv),
    Xlsx(Box<Xlsx>),
}

impl File {
    fn begin(columns: &'static [&'static str], is_xlsx: bool) -> std::io::Result<File> {
        Ok(match is_xlsx {
            true => File::Xlsx(Box::new(Xlsx::begin(columns)?)),
            false => File::Csv(Csv::begin(columns)),
        })
    }

    fn rows(&mut self, rows: &[Value]) -> std::io::Result<Vec<u8>> {
        match self {
            File::Csv(csv) => Ok(csv.rows(rows)),
            File::Xlsx(xlsx) => xlsx.rows(rows),
        }
    }

    fn end(self) -> std::io::Result<Vec<u8>> {
        match self {
            File::Csv(csv) => Ok(csv.end()),
            File::Xlsx(xlsx) => xlsx.end(),
        }
    }
}

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
    let is_xlsx = visit.query.text("format") == Some("xlsx");
    tokio::spawn(async move {
        let mut after = first;
        let mut file = None;
        loop {
            let (next, from, begun) = (next.clone(), after.clone(), file.take());
            // The file is written where blocking is allowed: packing it takes a while.
            let written = handle.with_store(move |s| {
                let failed = |e: std::io::Error| StoreError::Failed(e.to_string());
                let (rows, last) = next(s, from)?;
                let begun: Option<File> = begun;
                let mut file = match begun {
                    Some(file) => file,
                    None => File::begin(columns, is_xlsx).map_err(failed)?,
                };
                match last {
                    None => Ok((file.end().map_err(failed)?, None)),
                    Some(last) => Ok((file.rows(&rows).map_err(failed)?, Some((file, last)))),
                }
            });
            match written.await {
                Ok((bytes, None)) => {
                    if parts.write(bytes).await.is_ok() {
                        parts.end().await;
                    }
                    return;
                }
                Ok((bytes, Some((begun, last)))) => {
                    (file, after) = (Some(begun), Some(last));
                    if !bytes.is_empty() && parts.write(bytes).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a list that is sent as a file was cut off");
                    return;
                }
            }
        }
    });
    let (ending, content_type) = match is_xlsx {
        true => ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        false => ("csv", "text/csv; charset=utf-8"),
    };
    let headers = [
        (CONTENT_TYPE, content_type.to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{ending}\"")),
    ];
    Answer::stream((headers, body).into_response())
}

/// What a row has in a column.
pub fn find<'a>(row: &'a Value, column: &str) -> &'a Value {
    column.split('.').fold(row, |value, name| &value[name])
}
