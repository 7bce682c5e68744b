//! Trunks: SIP peers that calls to customers go through.

use serde_json::{Value, json};
use store::{NewTrunk, Scope, Trunk};

use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{Schema, boolean, count, field, integer, line, list, object, optional, text, word};
use super::visit::{Answer, Visit};
use crate::handle::Command;

const TRANSPORTS: &[&str] = &["udp", "tcp"];

pub fn routes() -> Vec<Route> {
    let items = field("items", list(schema(), 0, usize::MAX), "");
    let at_name = |route: Route| route.path_part("trunk", line(1, 100), "Its name.");
    vec![
        Route::get("/v1/trunks", "listTrunks", run!(list_all))
            .about("All trunks, without their passwords.")
            .answers(200, object("Trunks", vec![items])),
        at_name(Route::get("/v1/trunks/{trunk}", "getTrunk", run!(get)))
            .refused_with(&[404])
            .about("One trunk.")
            .answers(200, schema()),
        at_name(Route::put("/v1/trunks/{trunk}", "putTrunk", run!(put)))
            .about("Adds or changes a trunk. What is not given stays as it was, or is the default.")
            .needs_scope(Scope::Admin)
            .body(new_schema())
            .answers(200, schema()),
        at_name(Route::delete("/v1/trunks/{trunk}", "deleteTrunk", run!(delete)))
            .refused_with(&[404, 409])
            .about("Deletes a trunk. Refused (409) while it is enabled or a call goes through it.")
            .needs_scope(Scope::Admin),
    ]
}

fn new_schema() -> Schema {
    object(
        "NewTrunk",
        vec![
            field("address", line(1, 255), "host:port, or a host alone for port 5060."),
            optional("transport", word(TRANSPORTS), "Default: udp."),
            optional(
                "username",
                line(0, 255),
                "For the digest authentication. Empty: the carrier knows the address.",
            ),
            optional("password", line(0, 255), "").secret(),
            optional("register", boolean(), "Whether to register at the trunk. Default: false."),
            optional("prefix", line(0, 32), "Put before every number."),
            optional("channels_max", integer(1, 100_000), "Most calls at once. Default: 100."),
            optional("cps_max", integer(0, 100_000), "Most new calls a second; 0: no limit, the default."),
            optional("enabled", boolean(), "Default: true."),
        ],
    )
}

fn schema() -> Schema {
    object(
        "Trunk",
        vec![
            field("name", text(1000), ""),
            field("address", text(1000), ""),
            field("transport", text(16), ""),
            field("username", text(1000), ""),
            field("has_password", boolean(), ""),
            field("register", boolean(), ""),
            field("prefix", text(1000), ""),
            field("channels_max", count(), ""),
            field("cps_max", count(), ""),
            field("enabled", boolean(), ""),
        ],
    )
}

fn shown(trunk: &Trunk) -> Value {
    let s = &trunk.settings;
    json!({
        "name": s.name,
        "address": s.address,
        "transport": s.transport,
        "username": s.username,
        "has_password": !s.password.is_empty(),
        "register": s.register,
        "prefix": s.prefix,
        "channels_max": s.channels_max,
        "cps_max": s.cps_max,
        "enabled": s.enabled,
    })
}

async fn trunks(visit: &Visit) -> Result<Vec<Trunk>, Problem> {
    let company = visit.company();
    Ok(visit.store(move |s| s.trunks(company)).await?)
}

async fn list_all(visit: Visit) -> Result<Answer, Problem> {
    let items: Vec<Value> = trunks(&visit).await?.iter().map(shown).collect();
    Ok(Answer::ok(json!({ "items": items })))
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let name = visit.part("trunk");
    let found = trunks(&visit).await?.into_iter().find(|t| t.settings.name == name);
    Ok(Answer::ok(shown(&found.ok_or_else(|| Problem::not_found("trunk"))?)))
}

async fn delete(visit: Visit) -> Result<Answer, Problem> {
    let (company, name) = (visit.company(), visit.part("trunk").to_owned());
    visit.store(move |s| s.delete_trunk(company, &name)).await?;
    visit.announce(|| Command::Reload).await;
    Ok(Answer::nothing())
}

async fn put(visit: Visit) -> Result<Answer, Problem> {
    let name = visit.part("trunk").to_owned();
    let known = trunks(&visit).await?.into_iter().find(|t| t.settings.name == name).map(|t| t.settings);
    let known = known.unwrap_or_else(|| NewTrunk {
        company: visit.company(),
        name,
        address: String::new(),
        transport: "udp".to_owned(),
        username: String::new(),
        password: String::new(),
        register: false,
        prefix: String::new(),
        channels_max: 100,
        cps_max: 0,
        enabled: true,
        details: store::TrunkDetails::default(),
    });
    let b = &visit.body;
    let text = |name: &str, known: String| b.text(name).map_or(known, str::to_owned);
    let trunk = NewTrunk {
        address: text("address", known.address.clone()),
        transport: text("transport", known.transport.clone()),
        username: text("username", known.username.clone()),
        password: text("password", known.password.clone()),
        register: b.boolean("register").unwrap_or(known.register),
        prefix: text("prefix", known.prefix.clone()),
        channels_max: b.small("channels_max").unwrap_or(known.channels_max),
        cps_max: b.small("cps_max").unwrap_or(known.cps_max),
        enabled: b.boolean("enabled").unwrap_or(known.enabled),
        ..known
    };
    let trunk = visit.store(move |s| s.put_trunk(&trunk)).await?;
    visit.announce(|| Command::Reload).await;
    Ok(Answer::ok(shown(&trunk)))
}
