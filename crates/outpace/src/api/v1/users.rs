//! Users: people who log in, with a role.

use serde_json::{Value, json};
use store::{NewUser, Role, Scope, User};

use super::moment;
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{Form, Schema, boolean, field, formed, line, list, object, optional, text, time, word};
use super::visit::{Answer, Visit};
use crate::password;

pub const ROLES: &[&str] = &["owner", "supervisor", "agent", "read_only"];

pub fn routes() -> Vec<Route> {
    let items = field("items", list(schema(), 0, usize::MAX), "");
    vec![
        Route::get("/v1/users", "listUsers", run!(list_all))
            .about("All users.")
            .needs_scope(Scope::Admin)
            .answers(200, object("Users", vec![items])),
        Route::post("/v1/users", "createUser", run!(create))
            .about("A new user. Nobody gives a role that may do more than they may themselves.")
            .needs_scope(Scope::Admin)
            .body(object("NewUser", settings(true)))
            .answers(201, schema()),
        Route::patch("/v1/users/{user}", "changeUser", run!(change))
            .about(
                "Changes what is given. A new password or role, or being disabled, ends the user's sessions.",
            )
            .path_part("user", line(1, 100), "The name.")
            .needs_scope(Scope::Admin)
            .body(object("UserPatch", settings(false)))
            .answers(200, schema())
            .refused_with(&[404, 409]),
    ]
}

fn settings(new: bool) -> Vec<super::schema::Field> {
    let password = line(password::CHARS_MIN, password::CHARS_MAX);
    let extension = formed(0, 32, Form::Alphanumeric);
    let extension = optional("extension", extension, "Of the agent who this is: the role agent commands it.");
    match new {
        true => vec![
            field("name", line(1, 100), "Unique in the company."),
            field("role", word(ROLES), ""),
            field("password", password, "").secret(),
            extension,
        ],
        false => vec![
            optional("role", word(ROLES), ""),
            optional("password", password, "").secret(),
            extension,
            optional("enabled", boolean(), ""),
        ],
    }
}

fn schema() -> Schema {
    object(
        "User",
        vec![
            field("name", text(200), ""),
            field("role", word(ROLES), ""),
            field("extension", text(64).nullable(), ""),
            field("enabled", boolean(), ""),
            field("created_at", time(), ""),
        ],
    )
}

fn shown(user: &User) -> Value {
    let u = &user.settings;
    json!({
        "name": u.name,
        "role": u.role.name(),
        "extension": Some(&u.extension).filter(|e| !e.is_empty()),
        "enabled": u.enabled,
        "created_at": moment::json(user.created_at),
    })
}

async fn users(visit: &Visit) -> Result<Vec<User>, Problem> {
    let company = visit.company();
    Ok(visit.store(move |s| s.users(company)).await?)
}

async fn list_all(visit: Visit) -> Result<Answer, Problem> {
    let items: Vec<Value> = users(&visit).await?.iter().map(shown).collect();
    Ok(Answer::ok(json!({ "items": items })))
}

/// Nobody raises someone, or takes over someone, who may do more than they may themselves.
fn may_make(visit: &Visit, role: Role) -> Result<(), Problem> {
    match visit.who().scopes.contains(role.scopes()) {
        true => Ok(()),
        false => {
            let message = format!("the role {} may do more than this key or user", role.name());
            Err(Problem::new(403, "forbidden", message))
        }
    }
}

async fn check_extension(visit: &Visit, number: &str) -> Result<(), Problem> {
    if number.is_empty() || visit.extension_numbered(number.to_owned()).await?.is_some() {
        return Ok(());
    }
    Err(Problem::conflict("no_such_extension", format!("there is no extension {number}")))
}

async fn hashed(visit: &Visit, given: &str) -> Result<String, Problem> {
    let given = given.to_owned();
    let hash = visit.server.gate.work(move || password::hash(&given)).await?;
    hash.map_err(|e| Problem::internal(&e))
}

fn role_of(visit: &Visit) -> Option<Role> {
    visit.body.text("role").and_then(Role::from_name)
}

async fn create(visit: Visit) -> Result<Answer, Problem> {
    let role = role_of(&visit).unwrap_or(Role::ReadOnly);
    may_make(&visit, role)?;
    let (name, extension) = (visit.body.text_or_empty("name"), visit.body.text_or_empty("extension"));
    check_extension(&visit, &extension).await?;
    let password_hash = hashed(&visit, visit.body.text("password").unwrap_or_default()).await?;
    let new = NewUser { company: visit.company(), name, role, extension, password_hash, enabled: true };
    let now = visit.now;
    let user = visit.store(move |s| s.add_user(now, &new)).await?;
    Ok(Answer::created(shown(&user)))
}

async fn change(visit: Visit) -> Result<Answer, Problem> {
    let all = users(&visit).await?;
    let name = visit.part("user");
    let known = all.iter().find(|u| u.settings.name == name);
    let mut user = known.cloned().ok_or_else(|| Problem::not_found("user"))?;
    may_make(&visit, user.settings.role)?;
    let b = &visit.body;
    let role = role_of(&visit).unwrap_or(user.settings.role);
    may_make(&visit, role)?;
    let enabled = b.boolean("enabled").unwrap_or(user.settings.enabled);
    let is_owner = |u: &User| u.settings.role == Role::Owner && u.settings.enabled;
    let others = all.iter().any(|u| u.id != user.id && is_owner(u));
    if is_owner(&user) && !others && (role != Role::Owner || !enabled) {
        return Err(Problem::conflict("last_owner", "the company needs an owner who is enabled"));
    }
    let extension = b.text("extension").map_or(user.settings.extension, str::to_owned);
    check_extension(&visit, &extension).await?;
    let password_hash = match b.text("password") {
        Some(given) => hashed(&visit, given).await?,
        None => user.settings.password_hash,
    };
    user.settings = NewUser { role, extension, password_hash, enabled, ..user.settings };
    let edited = user.clone();
    visit.store(move |s| s.edit_user(&edited)).await?;
    Ok(Answer::ok(shown(&user)))
}
