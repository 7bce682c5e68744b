//! `App.Sip_Sipnum`: the company's extensions.

use std::collections::BTreeSet;

use serde::Serialize;
use store::Scope;

use super::Caller;
use super::code::Code;
use super::envelope::{Done, Reply};

#[derive(Serialize)]
struct ExtensionRow {
    extnumber: String,
    password: String,
    status: u16,
    register: &'static str,
}

/// `GetSipnumberInfo`
pub async fn list(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let enabled = match p.int("status", 1..=3)?.unwrap_or(1) {
        1 => Some(true),
        2 => Some(false),
        _ => None,
    };
    let numbers: BTreeSet<String> = p.list("extnumber").into_iter().collect();
    let company = caller.id();
    let extensions = caller.store(move |s| s.extensions(Some(company))).await?;
    // Clients that may not see them get an empty text, of the type they expect.
    let shows_password = caller.app.shows_passwords() && caller.scopes.has(Scope::Secrets);
    let rows: Vec<ExtensionRow> = extensions
        .into_iter()
        .filter(|e| enabled.is_none_or(|wanted| e.enabled == wanted))
        .filter(|e| numbers.is_empty() || numbers.contains(&e.number))
        .map(|e| ExtensionRow {
            status: if e.enabled { Code::EXTENSION_ENABLED } else { Code::EXTENSION_DISABLED }.0,
            register: if caller.registration(e.id).is_some() { "reg" } else { "nreg" },
            extnumber: e.number,
            password: if shows_password { e.password } else { String::new() },
        })
        .collect();
    Done::with(&rows)
}
