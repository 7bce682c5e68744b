//! Which addresses of the trunks take calls now.

use serde_json::{Value, json};

use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{boolean, count, field, list, object, text, word};
use super::visit::{Answer, Visit};
use crate::switch::TrunkView;

pub fn routes() -> Vec<Route> {
    let address = object(
        "TrunkAddressState",
        vec![
            field("host", text(1000), "As the settings name it."),
            field("address", text(1000), ""),
            field("transport", text(16), ""),
            field("state", word(&["up", "down", "probing"]), ""),
            field("calls", count(), "Placed there since the server started."),
            field("failures", count(), "Of them, how many found nobody or were refused with 503."),
        ],
    );
    let trunk = object(
        "TrunkState",
        vec![
            field("id", count(), ""),
            field("name", text(1000), ""),
            field("usable", boolean(), "Calls can be placed through it now."),
            field("addresses", list(address, 0, usize::MAX), ""),
        ],
    );
    let trunks = field("trunks", list(trunk, 0, usize::MAX), "");
    vec![
        Route::get("/v1/trunk-states", "getTrunkStates", run!(get))
            .about("Which addresses of the trunks take calls now.")
            .answers(200, object("TrunkStates", vec![trunks])),
    ]
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let company = visit.company();
    let known = visit.store(move |s| s.trunks(company)).await?;
    let mut trunks = visit.handle().trunks(company).await?;
    // The switch keeps one that was deleted for the calls that still go through it.
    trunks.retain(|trunk| known.iter().any(|k| k.id == trunk.trunk));
    let trunks: Vec<Value> = trunks.iter().map(shown).collect();
    Ok(Answer::ok(json!({ "trunks": trunks })))
}

fn shown(trunk: &TrunkView) -> Value {
    let addresses = trunk.addresses.iter().map(|a| {
        json!({
            "host": a.host,
            "address": a.address.to_string(),
            "transport": a.transport,
            "state": a.state,
            "calls": a.calls,
            "failures": a.failures,
        })
    });
    let addresses: Vec<Value> = addresses.collect();
    json!({"id": trunk.trunk.0, "name": trunk.name, "usable": trunk.usable, "addresses": addresses})
}
