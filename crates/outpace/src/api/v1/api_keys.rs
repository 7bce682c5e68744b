//! API keys: what programs log in with.

use serde_json::{Value, json};
use store::{ApiKey, NewApiKey, Scope, Scopes};

use super::moment;
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{Schema, count, field, integer, line, list, object, optional, text, time, word};
use super::visit::{Answer, Visit};
use super::visitor::{KEY_START, hex, sha256};

const SCOPES: &[&str] = &["read", "write", "calls", "admin", "personal", "secrets"];
const SHOWN_CHARS: usize = 12;

pub fn routes() -> Vec<Route> {
    let items = field("items", list(schema(), 0, usize::MAX), "");
    let body = object(
        "NewApiKey",
        vec![
            field("name", line(1, 100), "What it is for."),
            field("scopes", list(word(SCOPES), 1, SCOPES.len()), "Nobody gives what they do not have."),
            optional("expires_at", time().nullable(), "Default: never."),
        ],
    );
    vec![
        Route::get("/v1/api_keys", "listApiKeys", run!(list_all))
            .about("All keys, those that were revoked too. The keys themselves are not kept.")
            .needs_scope(Scope::Admin)
            .answers(200, object("ApiKeys", vec![items])),
        Route::post("/v1/api_keys", "createApiKey", run!(create))
            .about("A new key, which is shown in this answer and never again.")
            .needs_scope(Scope::Admin)
            .body(body)
            .answers(
                201,
                object("CreatedApiKey", vec![field("key", text(200), ""), field("api_key", schema(), "")]),
            ),
        Route::delete("/v1/api_keys/{api_key}", "revokeApiKey", run!(revoke))
            .about("Revokes a key, at once.")
            .path_part("api_key", integer(1, i64::MAX), "Its id.")
            .needs_scope(Scope::Admin)
            .refused_with(&[404, 409]),
    ]
}

fn schema() -> Schema {
    object(
        "ApiKey",
        vec![
            field("id", count(), ""),
            field("name", text(200), ""),
            field("start", text(64), "The first characters of the key."),
            field("scopes", list(text(64), 0, 100), ""),
            field("created_at", time(), ""),
            field("expires_at", time().nullable(), ""),
            field("revoked_at", time().nullable(), ""),
        ],
    )
}

fn shown(key: &ApiKey) -> Value {
    let k = &key.settings;
    json!({
        "id": key.id,
        "name": k.name,
        "start": k.start,
        "scopes": k.scopes.iter().map(Scope::name).collect::<Vec<_>>(),
        "created_at": moment::json(key.created_at),
        "expires_at": moment::json_or_null(k.expires_at),
        "revoked_at": moment::json_or_null(key.revoked_at),
    })
}

/// A new key, and what is kept of it: hash and first characters.
pub fn made_up() -> anyhow::Result<(String, [u8; 32], String)> {
    let mut random = [0u8; 24];
    getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("the system has no randomness: {e}"))?;
    let key = format!("{KEY_START}{}", hex(&random));
    let (hash, start) = (sha256(&key), key.chars().take(SHOWN_CHARS).collect());
    Ok((key, hash, start))
}

async fn list_all(visit: Visit) -> Result<Answer, Problem> {
    let company = visit.company();
    let keys = visit.store(move |s| s.api_keys(company)).await?;
    let items: Vec<Value> = keys.iter().map(shown).collect();
    Ok(Answer::ok(json!({ "items": items })))
}

async fn create(visit: Visit) -> Result<Answer, Problem> {
    let names = visit.body.texts("scopes").unwrap_or_default();
    let scopes: Vec<Scope> = names.iter().filter_map(|n| Scope::from_name(n)).collect();
    let scopes = Scopes::of(&scopes);
    if !visit.who().scopes.contains(scopes) {
        return Err(Problem::new(403, "forbidden", "a key may not do more than who makes it"));
    }
    let (key, sha256, start) = made_up().map_err(|e| Problem::internal(&e))?;
    let new = NewApiKey {
        company: visit.company(),
        name: visit.body.text_or_empty("name"),
        sha256,
        start,
        scopes,
        expires_at: visit.body.time("expires_at"),
    };
    let now = visit.now;
    let added = visit.store(move |s| s.add_api_key(now, &new)).await?;
    Ok(Answer::created(json!({"key": key, "api_key": shown(&added)})))
}

async fn revoke(visit: Visit) -> Result<Answer, Problem> {
    let (now, company, id) = (visit.now, visit.company(), visit.part("api_key").parse().unwrap_or(0));
    visit.store(move |s| s.revoke_api_key(now, company, id)).await?;
    Ok(Answer::nothing())
}
