//! `App.Sip_Disnum`: the numbers that customers see.

use serde::Serialize;

use super::Caller;
use super::code::Code;
use super::envelope::{Done, Reply};

#[derive(Serialize)]
struct CallerIdRow {
    disnumber: String,
    status: u16,
}

/// `GetDisnumberInfo`
pub async fn list(caller: &Caller) -> Reply {
    let only_automatic = caller.parameters().int("autocall", 0..=3)? == Some(2);
    let company = caller.id();
    let caller_ids = caller.store(move |s| s.caller_ids(company)).await?;
    let rows: Vec<CallerIdRow> = caller_ids
        .into_iter()
        .filter(|c| !only_automatic || (c.automatic && c.enabled))
        .map(|c| CallerIdRow {
            disnumber: c.number,
            status: if c.enabled { Code::NUMBER_ENABLED } else { Code::NUMBER_DISABLED }.0,
        })
        .collect();
    Done::with(&rows)
}
