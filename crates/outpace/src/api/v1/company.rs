//! The company that the visitor belongs to.

use serde_json::json;

use super::moment;
use super::problem::Problem;
use super::route::{Needs, Route, run};
use super::schema::{Schema, field, object, text, time, word};
use super::visit::{Answer, Visit};

pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/v1/company", "getCompany", run!(get))
            .about("The company of this key or user.")
            .needs(Needs::Anyone)
            .answers(200, schema()),
    ]
}

fn schema() -> Schema {
    object(
        "Company",
        vec![
            field("code", text(1000), "`companycode` of the compatible API."),
            field("name", text(1000), ""),
            field("time_zone", text(100), "IANA name."),
            field("language", word(&["zh", "en"]), ""),
            field("licensed_until", time().nullable(), "Null: no end."),
        ],
    )
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let settings = &visit.who().company.settings;
    Ok(Answer::ok(json!({
        "code": settings.code,
        "name": settings.name,
        "time_zone": settings.time_zone,
        "language": settings.language,
        "licensed_until": moment::json_or_null(settings.licensed_until),
    })))
}
