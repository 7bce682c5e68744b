//! Goal: whatever is sent to any route of `/v1`, good or bad, the answer is one that the document names, and never our
//! fault. The requests are made from the document; in tests the server holds its own answers against it.

use fastrand::Rng;

use super::*;

const DOCUMENT: &str = include_str!("../../../../../../docs/openapi.json");
/// Requests for each operation; `OUTPACE_SEED` gives others.
const ROUNDS: usize = 40;
/// Texts that mean something somewhere, or nothing anywhere.
const ODD: &[&str] = &[
    "",
    " ",
    "0",
    "-1",
    "null",
    "true",
    "../..",
    "%00",
    "'; DROP TABLE leads",
    "\u{0}",
    "\u{feff}",
    "😀",
    "1e999",
    "13800138000",
    "+8613800138000",
    "138*",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
    "9223372036854775807",
    "\r\nx: y",
];

struct Writer<'a> {
    document: &'a Value,
    random: Rng,
}

impl Writer<'_> {
    fn odd(&mut self) -> String {
        match self.random.u8(0..10) {
            0 => "x".repeat(self.random.usize(1..3000)),
            _ => ODD[self.random.usize(..ODD.len())].to_owned(),
        }
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.random.u8(0..100) < percent
    }

    /// A value as the schema wants it; one in a while, another one.
    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if self.chance(4) {
            return self.anything(depth);
        }
        if let Some(name) = schema["$ref"].as_str() {
            let name = name.rsplit('/').next().expect("a name");
            return self.value(&self.document["components"]["schemas"][name], depth);
        }
        for either in ["oneOf", "anyOf"] {
            if let Some(list) = schema[either].as_array() {
                let pick = self.random.usize(..list.len());
                return self.value(&list[pick], depth);
            }
        }
        if let Some(list) = schema["enum"].as_array() {
            return list[self.random.usize(..list.len())].clone();
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) if self.chance(20) => kinds.last().and_then(Value::as_str),
            Value::Array(kinds) => kinds.first().and_then(Value::as_str),
            kind => kind.as_str(),
        };
        match kind {
            Some("object") => self.object(schema, depth),
            Some("array") => {
                let most = schema["maxItems"].as_u64().unwrap_or(3).min(3);
                let least = schema["minItems"].as_u64().unwrap_or(0).min(most);
                let count = self.random.u64(least..=most);
                (0..count).map(|_| self.value(&schema["items"], depth + 1)).collect()
            }
            Some("integer") => {
                let bound = |name: &str, other: i64| schema[name].as_i64().unwrap_or(other);
                let (least, most) = (bound("minimum", -5), bound("maximum", 50));
                let near = self.random.i64(least..=most.min(least.saturating_add(20)));
                json!([least, most, near][self.random.usize(..3)])
            }
            Some("number") => {
                let most = schema["maximum"].as_f64().unwrap_or(10.0);
                json!(self.random.f64() * most)
            }
            Some("boolean") => json!(self.random.bool()),
            Some("null") => Value::Null,
            _ => json!(self.text(schema)),
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut object = serde_json::Map::new();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            let wanted = if required.contains(&name.as_str()) { 97 } else { 50 };
            if self.chance(wanted) {
                object.insert(name.clone(), self.value(schema, depth + 1));
            }
        }
        if self.chance(2) {
            object.insert(self.odd(), Value::Null);
        }
        Value::Object(object)
    }

    fn text(&mut self, schema: &Value) -> String {
        let (pattern, format) =
            (schema["pattern"].as_str().unwrap_or(""), schema["format"].as_str().unwrap_or(""));
        let known: &[&str] = match (format, pattern) {
            ("date-time", _) => &["2026-01-01T00:00:00Z", "2030-06-01T12:00:00.5+08:00"],
            ("uuid", _) => &["00000000-0000-7000-8000-000000000000"],
            (_, p) if p.contains("http") => &["https://crm.example/x", "http://127.0.0.1:9/"],
            (_, p) if p.contains("\\+") => &["13800138000", "+8613800138001", "4001", "95588"],
            (_, p) if p.contains("A-Za-z0-9") => &["1001", "1002", "1003", "2001", "new1"],
            (_, p) if p.contains("0-9]*$") => &["1", "86", "20260101000000000000"],
            _ => &["sales", "1001", "1002", "Asia/Tokyo", "mon-fri 09:00-17:00", "13800138000", "x"],
        };
        let text = known[self.random.usize(..known.len())];
        let least = schema["minLength"].as_u64().unwrap_or(0) as usize;
        let mut text = text.to_owned();
        while text.chars().count() < least {
            text.push('0');
        }
        text
    }

    fn anything(&mut self, depth: usize) -> Value {
        match self.random.u8(0..8) {
            0 => Value::Null,
            1 => json!(self.random.bool()),
            2 => json!([i64::MIN, i64::MAX, 0, -1][self.random.usize(..4)]),
            3 => json!([f64::MAX, f64::MIN_POSITIVE, -0.0][self.random.usize(..3)]),
            4 if depth < 50 => json!([self.anything(depth + 1)]),
            5 if depth < 50 => {
                let name = self.odd();
                json!({ name: self.anything(depth + 1) })
            }
            _ => json!(self.odd()),
        }
    }
}

/// Things that are there, by the names of the parts of paths.
struct There {
    campaign: String,
    call: String,
}

impl There {
    fn part(&self, name: &str) -> &str {
        match name {
            "campaign" => &self.campaign,
            "call" => &self.call,
            "lead" | "event" | "api_key" | "group" => "1",
            "extension" => "1001",
            "trunk" => "t",
            "caller_id" => "4001",
            "user" => "ann",
            _ => "x",
        }
    }
}

async fn desk_with_things() -> (Desk, There) {
    let desk = Desk::open().await;
    ["1001", "1002"].iter().for_each(|n| desk.register(n));
    let view = desk.view("1001", AgentState::Talking);
    desk.show_agents(vec![view, desk.view("1002", AgentState::Ready)]);
    let campaign = desk.draft(&["13800000001", "13800000002"]).await;
    let call = desk.finish_a_call(&campaign, engine::Outcome::Connected).to_string();
    desk.v1(Method::PUT, "trunks/t", json!({"address": "carrier.example"})).await.is(200);
    desk.user("ann", Role::Supervisor, "");
    (desk, There { campaign, call })
}

/// The path with its parts and its query.
fn path_of(writer: &mut Writer<'_>, there: &There, path: &str, operation: &Value) -> String {
    let mut made = path.trim_start_matches("/v1/").to_owned();
    let mut query = Vec::new();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let name = parameter["name"].as_str().expect("a name");
        let text = |value: Value| value.as_str().map_or(value.to_string(), str::to_owned);
        match parameter["in"].as_str() {
            Some("path") => {
                let part = match writer.random.u8(0..10) {
                    0 => writer.odd(),
                    1 => text(writer.value(&parameter["schema"], 0)),
                    _ => there.part(name).to_owned(),
                };
                made = made.replace(&format!("{{{name}}}"), &escaped(&part));
            }
            Some("query") if writer.chance(25) => {
                let value = if writer.chance(15) {
                    writer.odd()
                } else {
                    text(writer.value(&parameter["schema"], 0))
                };
                query.push(format!("{name}={}", escaped(&value)));
            }
            _ => {}
        }
    }
    if query.is_empty() { made } else { format!("{made}?{}", query.join("&")) }
}

#[tokio::test]
async fn every_answer_to_anything_is_one_that_the_document_names() {
    let document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
    let seed = std::env::var("OUTPACE_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    println!("seed {seed}");
    let mut writer = Writer { document: &document, random: Rng::with_seed(seed) };
    let mut seen = std::collections::BTreeMap::<u16, usize>::new();
    for _ in 0..ROUNDS {
        let (desk, there) = desk_with_things().await;
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("operations") {
                let name = operation["operationId"].as_str().expect("a name");
                // An answer without an end; and a hash of a password takes its time without telling anything.
                if ["watchEvents", "logIn", "createUser", "changeUser"].contains(&name) {
                    continue;
                }
                let sent = path_of(&mut writer, &there, path, operation);
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                let body = if schema.is_null() { Value::Null } else { writer.value(schema, 0) };
                let method = Method::from_bytes(method.to_ascii_uppercase().as_bytes()).expect("a method");
                let told = desk.v1(method, &sent, body.clone()).await;
                *seen.entry(told.status).or_default() += 1;
                let about = || format!("{name} {sent} {body}: {} {}", told.status, told.body);
                assert!(told.status < 500, "{}", about());
                let is_named = !operation["responses"][told.status.to_string()].is_null();
                // A part of the path that is no part of it is another path.
                assert!(is_named || told.status == 404 || told.status == 405, "{}", about());
                if told.status >= 400 {
                    assert_eq!(keys(&told.body), ["code", "message", "details"], "{}", about());
                }
            }
        }
    }
    println!("{seen:?}");
    for status in [200, 201, 204, 400, 404, 409] {
        assert!(seen.contains_key(&status), "nothing came to {status}: {seen:?}");
    }
}

#[tokio::test]
async fn bodies_that_are_nested_deeply_or_huge_are_refused_by_every_route() {
    let document: Value = serde_json::from_str(DOCUMENT).expect("JSON");
    let (desk, there) = desk_with_things().await;
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("operations") {
            if operation["requestBody"].is_null() {
                continue;
            }
            let mut sent = path.clone();
            for part in [
                "campaign",
                "call",
                "lead",
                "event",
                "api_key",
                "group",
                "extension",
                "trunk",
                "caller_id",
                "user",
            ] {
                sent = sent.replace(&format!("{{{part}}}"), there.part(part));
            }
            for body in [
                "[".repeat(100_000),
                "{\"a\":".repeat(100_000),
                format!("{{\"name\":{}{}}}", "[".repeat(120), "]".repeat(120)),
                format!("{{\"name\":\"{}\"}}", "x".repeat(300_000)),
                format!("{{{}\"a\":1}}", "\"a\":1,".repeat(50_000)),
                "{\"name\":1e999999}".to_owned(),
                "{\"name\":\"\\ud800\"}".to_owned(),
            ] {
                let request = Request::builder()
                    .method(method.to_ascii_uppercase().as_str())
                    .uri(&sent)
                    .header("authorization", format!("Bearer {}", desk.token))
                    .header("content-type", "application/json")
                    .body(Body::from(body.clone()));
                let response = desk.send(request.expect("a request")).await;
                let status = response.status().as_u16();
                assert!(
                    matches!(status, 400 | 404 | 409 | 413),
                    "{method} {sent}: {status} to {}",
                    &body[..20.min(body.len())]
                );
                assert_eq!(keys(&json_body(response).await), ["code", "message", "details"]);
            }
        }
    }
}
