//! Extensions: the SIP accounts at which agents are reached.

use serde_json::{Value, json};
use store::{Extension, NewExtension, Scope};

use super::agents::at_extension;
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{Schema, boolean, field, line, list, object, optional, text};
use super::visit::{Answer, Visit};
use super::visitor::hex;
use crate::handle::Command;

pub fn routes() -> Vec<Route> {
    let items = field("items", list(schema(), 0, usize::MAX), "");
    vec![
        Route::get("/v1/extensions", "listExtensions", run!(list_all))
            .about("All extensions, by number.")
            .answers(200, object("Extensions", vec![items])),
        at_extension(Route::get("/v1/extensions/{extension}", "getExtension", run!(get)))
            .about("One extension.")
            .answers(200, schema()),
        at_extension(Route::put("/v1/extensions/{extension}", "putExtension", run!(put)))
            .about("Adds or changes an extension. Its number is no other's, whatever the company.")
            .needs_scope(Scope::Admin)
            .body(object(
                "NewExtension",
                vec![
                    optional(
                        "password",
                        line(8, 128),
                        "Absent: as it was; a new extension gets one made up.",
                    )
                    .secret(),
                    optional("enabled", boolean(), "Default: true."),
                ],
            ))
            .answers(200, schema()),
        at_extension(Route::delete("/v1/extensions/{extension}", "deleteExtension", run!(delete)))
            .about(
                "Deletes an extension, with its memberships; its calls keep its number. Refused (409) while it is \
                 enabled or in a call, or a user or a campaign that has not ended names it.",
            )
            .needs_scope(Scope::Admin),
        at_extension(Route::get("/v1/extensions/{extension}/password", "getPassword", run!(password)))
            .about("What the phone logs in with. 403 where `api.show_extension_passwords` is false.")
            .needs_scope(Scope::Secrets)
            .answers(200, object("Password", vec![field("password", text(1000), "")])),
    ]
}

fn schema() -> Schema {
    object(
        "Extension",
        vec![
            field("number", text(64), ""),
            field("enabled", boolean(), ""),
            field("registered", boolean(), "The phone is there."),
        ],
    )
}

fn shown(visit: &Visit, extension: &Extension) -> Value {
    json!({
        "number": extension.number,
        "enabled": extension.enabled,
        "registered": visit.handle().registration(extension.id).is_some(),
    })
}

async fn list_all(visit: Visit) -> Result<Answer, Problem> {
    let items: Vec<Value> = visit.extensions().await?.iter().map(|e| shown(&visit, e)).collect();
    Ok(Answer::ok(json!({ "items": items })))
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    Ok(Answer::ok(shown(&visit, &visit.extension().await?)))
}

async fn put(visit: Visit) -> Result<Answer, Problem> {
    let number = visit.part("extension").to_owned();
    let known = visit.extension_numbered(number.clone()).await?;
    let password = match (visit.body.text("password"), known) {
        (Some(password), _) => password.to_owned(),
        (None, Some(known)) => known.password,
        (None, None) => made_up()?,
    };
    let enabled = visit.body.boolean("enabled").unwrap_or(true);
    let new = NewExtension { company: visit.company(), number, password, enabled };
    let extension = visit.store(move |s| s.put_extension(&new)).await?;
    visit.announce(|| Command::Reload).await;
    Ok(Answer::ok(shown(&visit, &extension)))
}

async fn delete(visit: Visit) -> Result<Answer, Problem> {
    let extension = visit.extension().await?;
    if visit.agents().await?.get(&extension.id).is_some_and(|view| view.call.is_some()) {
        return Err(Problem::conflict("refused", "the extension is in a call"));
    }
    let company = visit.company();
    visit.store(move |s| s.delete_extension(company, &extension.number)).await?;
    visit.announce(|| Command::Reload).await;
    Ok(Answer::nothing())
}

fn made_up() -> Result<String, Problem> {
    let mut random = [0u8; 12];
    getrandom::fill(&mut random).map_err(|e| Problem::internal(&e))?;
    Ok(hex(&random))
}

async fn password(visit: Visit) -> Result<Answer, Problem> {
    if !visit.server.app_sip.shows_passwords() {
        return Err(Problem::new(403, "forbidden", "passwords of extensions are not shown by this server"));
    }
    let extension = visit.extension().await?;
    Ok(Answer::ok(json!({ "password": extension.password })))
}
