//! How far files of numbers are.

use serde_json::json;

use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{Schema, count, field, line, list, object, text, time, word};
use super::visit::{Answer, Visit};
use crate::api::upload;

fn schema() -> Schema {
    object(
        "Upload",
        vec![
            field("upload_id", text(64), "As the request named it, or made up."),
            field("state", word(&["receiving", "importing", "done", "failed"]), ""),
            field("begun_at", time(), ""),
            field("bytes_total", count().nullable(), "Null when the client did not say."),
            field("bytes_received", count(), ""),
            field("rows_read", count(), ""),
            field("rows_stored", count(), ""),
            field("rows_refused", count(), ""),
            field("task_id", text(32).nullable(), "Id of the campaign, once it is there."),
            field(
                "report_url",
                text(2000).nullable(),
                "Where the refused rows are listed, when there are any.",
            ),
            field("error", text(2000).nullable(), ""),
        ],
    )
}

pub fn routes() -> Vec<Route> {
    let uploads = field("uploads", list(schema(), 0, usize::MAX), "The newest first.");
    let one = Route::get("/v1/uploads/{upload}", "getUpload", run!(get));
    vec![
        Route::get("/v1/uploads", "listUploads", run!(all))
            .about("Files of numbers that came in since the server started, at most 100.")
            .answers(200, object("Uploads", vec![uploads])),
        one.path_part("upload", line(1, 64), "The upload's id.")
            .about("How far a file of numbers is.")
            .answers(200, schema())
            .refused_with(&[404]),
    ]
}

async fn all(visit: Visit) -> Result<Answer, Problem> {
    let uploads = upload::list(visit.handle(), visit.company(), &visit.base_url, visit.now);
    Ok(Answer::ok(json!({ "uploads": uploads })))
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let id = visit.path.get("upload").map_or("", String::as_str);
    let found = upload::one(visit.handle(), visit.company(), id, &visit.base_url, visit.now);
    found.map(Answer::ok).ok_or_else(|| Problem::not_found("upload"))
}
