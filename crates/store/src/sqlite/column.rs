//! Columns to values and back, and what a broken constraint means.

use rusqlite::types::Type;
use rusqlite::{Error, ErrorCode, Row, ffi};

use super::*;

impl From<Error> for StoreError {
    fn from(error: Error) -> StoreError {
        told(&error)
    }
}

pub(super) fn told(error: &Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        _ => StoreError::Failed(error.to_string()),
    }
}

/// What a write says when its unique key is `taken`, or its foreign key leads to something `missing`.
pub(super) fn broken(error: Error, taken: &'static str, missing: &'static str) -> StoreError {
    match error.sqlite_error().map(|e| e.extended_code) {
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => StoreError::Taken(taken),
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => StoreError::NotFound(missing),
        _ => error.into(),
    }
}

/// A list as one text: each item ends with a line feed, so that an empty list and one empty item differ.
pub(super) fn list_text(items: &[String]) -> String {
    items.iter().map(|item| item.replace('\\', "\\\\").replace('\n', "\\n") + "\n").collect()
}

pub(super) fn text_list(text: &str) -> Vec<String> {
    text.split_terminator('\n').map(unescaped).collect()
}

fn unescaped(item: &str) -> String {
    let mut chars = item.chars();
    let mut out = String::with_capacity(item.len());
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.next() == Some('n') => out.push('\n'),
            c => out.push(c),
        }
    }
    out
}

pub(super) fn call_blob(call: CallId) -> [u8; 16] {
    call.0.to_be_bytes()
}

pub(super) fn call_at(row: &Row<'_>, column: &str) -> rusqlite::Result<CallId> {
    row.get::<_, [u8; 16]>(column).map(|bytes| CallId(u128::from_be_bytes(bytes)))
}

pub(super) fn time_at(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp)
}

pub(super) fn time_or_none(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column).map(|t| t.map(Timestamp))
}

/// A text column that `parse` reads.
pub(super) fn parsed<T>(
    row: &Row<'_>,
    column: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let index = row.as_ref().column_index(column)?;
    parse(row.get_ref(index)?.as_str()?).ok_or_else(|| unreadable(index, Type::Text))
}

/// What the network said; None: nothing.
pub(super) fn notice_at(row: &Row<'_>) -> rusqlite::Result<Option<Notice>> {
    let index = row.as_ref().column_index("notice")?;
    let name = row.get_ref(index)?.as_str_or_null()?;
    name.map(|name| Notice::from_name(name).ok_or_else(|| unreadable(index, Type::Text))).transpose()
}

pub(super) fn unreadable(index: usize, kind: Type) -> Error {
    Error::FromSqlConversionFailure(index, kind, "no such value".into())
}

pub(super) const fn status_name(status: CampaignStatus) -> &'static str {
    match status {
        CampaignStatus::Draft => "draft",
        CampaignStatus::Running => "running",
        CampaignStatus::Paused => "paused",
        CampaignStatus::Ended => "ended",
    }
}

pub(super) fn status_from_name(name: &str) -> Option<CampaignStatus> {
    use CampaignStatus::{Draft, Ended, Paused, Running};
    [Draft, Running, Paused, Ended].into_iter().find(|s| status_name(*s) == name)
}

pub(super) const fn reason_name(why: EndReason) -> &'static str {
    match why {
        EndReason::Over => "over",
        EndReason::Deadline => "deadline",
    }
}

pub(super) fn reason_from_name(name: &str) -> Option<EndReason> {
    [EndReason::Over, EndReason::Deadline].into_iter().find(|r| reason_name(*r) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_whatever_its_items_hold() {
        for list in [&[][..], &[""], &["", ""], &["a", "b"], &["\n", "\\n", "\\", "a\\\nb", "中文"]] {
            let list: Vec<String> = list.iter().map(|s| (*s).to_owned()).collect();
            assert_eq!(text_list(&list_text(&list)), list);
        }
    }
}
