//! Goal: what is not as documented is refused, and says where.

use super::*;

#[tokio::test]
async fn every_fault_of_a_body_is_named() {
    let desk = Desk::open().await;
    let body =
        json!({"agents": {"group": "sales"}, "calls_max": 0, "color": 1, "leads": [{"number": 5}, {}]});
    let told = desk.v1(Method::POST, "campaigns", body).await.is(400);
    let fields: Vec<_> = told["details"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|f| f["field"].as_str().expect("a text"))
        .collect();
    assert_eq!(fields, ["calls_max", "leads[0].number", "leads[1].number", "color"]);
    for agents in [json!({}), json!({"group": "a", "extensions": ["1"]}), json!("sales")] {
        let body = json!({ "agents": agents });
        let told = desk.v1(Method::POST, "campaigns", body).await.is(400);
        assert_eq!(told["details"][0]["field"], json!("agents"));
    }
}

#[tokio::test]
async fn parameters_are_checked() {
    let desk = Desk::open().await;
    for query in [
        "limit=0",
        "limit=501",
        "limit=x",
        "limit=1&limit=2",
        "limit=01",
        "colour=1",
        "status=open",
        "after=",
    ] {
        let told = desk.get(&format!("campaigns?{query}")).await.is(400);
        assert_eq!(told["details"].as_array().expect("a list").len(), 1, "{query}: {told}");
    }
    assert_eq!(desk.get("campaigns?after=123").await.problem(404), "not_found");
    assert_eq!(desk.get("campaigns/x").await.problem(404), "not_found");
    assert_eq!(desk.get("campaigns/%FF").await.problem(404), "not_found");
    assert_eq!(desk.get("nowhere").await.problem(404), "not_found");
}

#[tokio::test]
async fn bodies_that_are_no_json_or_too_large_are_refused() {
    let config = Api { body_max_bytes: 4000, requests_per_second_max: 0, ..Api::default() };
    let desk = Desk::open_with(&config).await;
    let send = async |content_type: &str, body: String| {
        let request = Request::post("/v1/groups")
            .header("authorization", format!("Bearer {}", desk.token))
            .header("content-type", content_type)
            .body(Body::from(body));
        let response = desk.send(request.expect("a request")).await;
        (response.status().as_u16(), json_body(response).await["code"].as_str().expect("a code").to_owned())
    };
    let (json, bad) = ("application/json", (400, "invalid_request".to_owned()));
    assert_eq!(send(json, "{\"name\":".to_owned()).await, bad);
    assert_eq!(send(json, String::new()).await, bad);
    assert_eq!(send(json, "[".repeat(3000)).await, bad, "nested too deeply");
    assert_eq!(send(json, "[]".to_owned()).await, bad);
    assert_eq!(send("text/plain", "{}".to_owned()).await, (415, "unsupported_media_type".to_owned()));
    assert_eq!(send(json, "x".repeat(5000)).await, (413, "too_large".to_owned()));
    let told = desk.v1(Method::DELETE, "groups/1", json!({})).await;
    assert_eq!(told.problem(400), "invalid_request", "no body is expected");
}

#[tokio::test]
async fn other_methods_are_refused_and_the_right_ones_named() {
    let desk = Desk::open().await;
    let told = desk.v1(Method::PUT, "campaigns", json!({})).await;
    assert_eq!(told.headers["allow"], "GET, POST");
    assert_eq!(told.problem(405), "method_not_allowed");
    assert_eq!(desk.v1(Method::OPTIONS, "company", Value::Null).await.problem(405), "method_not_allowed");
}

#[tokio::test]
async fn the_document_and_its_page_need_no_key() {
    let desk = Desk::open().await;
    let document = desk.v1_with(&[], Method::GET, "openapi.json", Value::Null).await.is(200);
    assert_eq!(document["openapi"], json!("3.1.0"));
    for (path, content_type) in [
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/docs.js", "text/javascript; charset=utf-8"),
        ("/docs/docs.css", "text/css; charset=utf-8"),
    ] {
        let response = desk.send(Request::get(path).body(Body::empty()).expect("a request")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], content_type);
        assert!(response.headers().contains_key("content-security-policy"));
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
        assert!(!text.contains("https://") && !text.contains("http://"), "{path} loads from elsewhere");
    }
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_so() {
    let desk = Desk::open_with(&Api { requests_per_second_max: 3, ..Api::default() }).await;
    for _ in 0..1000 {
        let told = desk.get("company").await;
        if told.status == 429 {
            assert_eq!(told.headers["retry-after"], "1");
            assert_eq!(told.problem(429), "too_many_requests");
            return;
        }
    }
    panic!("nothing was refused");
}
