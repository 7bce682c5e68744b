//! What a customer's network says of who calls: recorded as it came, and verified by nobody.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use engine::Timestamp;
use serde_json::{Value, json};
use store::{CallerIdentity, Scope};

use super::calls;
use super::moment;
use super::problem::Problem;
use super::route::{Route, run};
use super::schema::{Schema, field, list, object, text, time};
use super::visit::{Answer, Visit};

/// The year 2100.
const ISSUED_MAX_S: i64 = 4_102_444_800;

pub fn routes() -> Vec<Route> {
    vec![
        calls::at_id(Route::get("/v1/calls/{call}/identity", "getCallIdentity", run!(get)))
            .about(
                "What the network of a customer who called said of who that is. Nothing of it was verified here. 404: it \
                 said nothing.",
            )
            .needs_scope(Scope::Personal)
            .answers(200, schema()),
    ]
}

fn schema() -> Schema {
    let passport = object(
        "Passport",
        vec![
            field("header", text(8192), "The Identity header as it came."),
            field(
                "attest",
                text(8192).nullable(),
                "A: full, B: partial, C: of the gateway alone (RFC 8588).",
            ),
            field("orig", text(8192).nullable(), "Who calls: a number or a URI."),
            field("dest", list(text(8192), 0, 8192), "Who is called."),
            field("issued_at", time().nullable(), ""),
            field("origid", text(8192).nullable(), "The origin, for traces back to it."),
        ],
    );
    object(
        "CallIdentity",
        vec![
            field("asserted", text(8192).nullable(), "User part of P-Asserted-Identity."),
            field(
                "passports",
                list(passport, 0, 16),
                "Identity headers (RFC 8224), and what of each can be read; the rest of it is null.",
            ),
        ],
    )
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    let (company, call) = (visit.company(), calls::id(&visit)?);
    let found = visit.store(move |s| s.identity(company, call)).await?;
    Ok(Answer::ok(shown(&found.ok_or_else(|| Problem::not_found("identity"))?)))
}

fn shown(identity: &CallerIdentity) -> Value {
    let passports: Vec<Value> = identity.identities.iter().map(|header| passport(header)).collect();
    json!({ "asserted": identity.asserted, "passports": passports })
}

/// RFC 8225: three parts in base64url, of which the second holds the claims. In the compact form it is not there.
fn passport(header: &str) -> Value {
    let token = header.split(';').next().unwrap_or_default().trim();
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value = claims.and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or(Value::Null);
    let word = |value: &Value| value.as_str().map(str::to_owned);
    let orig = ["tn", "uri"].iter().find_map(|kind| word(&claims["orig"][kind]));
    let named = |kind: &str| claims["dest"][kind].as_array().into_iter().flatten().filter_map(word);
    let dest: Vec<String> = named("tn").chain(named("uri")).collect();
    let issued = claims["iat"].as_i64().filter(|s| (0..=ISSUED_MAX_S).contains(s));
    json!({
        "header": header,
        "attest": word(&claims["attest"]),
        "orig": orig,
        "dest": dest,
        "issued_at": issued.map_or(Value::Null, |s| moment::json(Timestamp(s * 1_000_000))),
        "origid": word(&claims["origid"]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(claims: &str) -> Value {
        passport(&format!("e30.{}.c2ln;info=<https://x>", URL_SAFE_NO_PAD.encode(claims)))
    }

    #[test]
    fn what_a_passport_claims_is_read_and_what_is_none_is_null() {
        let said = of(
            r#"{"attest":"A","dest":{"tn":["1","2"],"uri":["sip:a"]},"iat":1,"orig":{"tn":"3"},"origid":"x"}"#,
        );
        assert_eq!(said["dest"], json!(["1", "2", "sip:a"]));
        assert_eq!(
            (&said["orig"], &said["attest"], &said["origid"]),
            (&json!("3"), &json!("A"), &json!("x"))
        );
        assert_eq!(said["issued_at"], json!("1970-01-01T00:00:01.000000Z"));
        let deep = "[".repeat(3000);
        let odd = r#"{"attest":7,"dest":[1],"iat":99999999999999,"orig":"x"}"#;
        for said in [passport(""), passport("..sig"), passport("a.!!!.c"), of(&deep), of(odd), of("\u{0}")] {
            let nothing = (&said["attest"], &said["orig"], &said["dest"], &said["issued_at"]);
            assert_eq!(nothing, (&Value::Null, &Value::Null, &json!([]), &Value::Null));
        }
    }
}
