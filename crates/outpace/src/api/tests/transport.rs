//! Goal: however a client writes its request, it is understood, and whatever is wrong is said in the contract's form.

use std::time::Duration;

use axum::http::Method;

use super::*;

const LIST: &str = "App.Sip_Yccall.TaskList";

#[tokio::test]
async fn every_encoding_is_understood() {
    let desk = Desk::open().await;
    let token = &desk.token;
    let form = format!("service={LIST}&token={token}&currentpage=2");
    let multipart = format!(
        "--b\r\nContent-Disposition: form-data; name=\"service\"\r\n\r\n{LIST}\r\n\
        --b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{token}\r\n\
        --b\r\nContent-Disposition: form-data; name=\"currentpage\"\r\n\r\n2\r\n--b--\r\n"
    );
    let object = json!({"service": LIST, "token": token, "currentpage": 2}).to_string();
    for (content_type, body) in [
        ("application/x-www-form-urlencoded", &form),
        ("application/x-www-form-urlencoded; charset=UTF-8", &form),
        ("application/json", &object),
        ("application/json;charset=utf-8", &object),
        ("application/x-www-form-urlencoded", &object),
        ("text/plain", &object),
        ("text/plain", &form),
        ("multipart/form-data; boundary=b", &multipart),
        ("multipart/form-data; boundary=\"b\"", &multipart),
    ] {
        let answer = desk.post(content_type, body.clone()).await;
        assert_eq!(result(&answer)["currentpage"], json!(2), "{content_type}: {body}");
    }
    for body in [form, object, multipart] {
        let request = Request::post("/").body(Body::from(body)).expect("a request");
        let answer = api_answer(desk.send(request).await).await;
        assert_eq!(result(&answer)["currentpage"], json!(2), "without a content type");
    }
}

#[tokio::test]
async fn a_query_string_works_alone_and_the_body_wins_over_it() {
    let desk = Desk::open().await;
    let uri = format!("/?s={LIST}&token={}&currentpage=3&_=1", desk.token);
    let request = Request::get(&uri).body(Body::empty()).expect("a request");
    assert_eq!(result(&api_answer(desk.send(request).await).await)["currentpage"], json!(3));
    let request = Request::post(&uri)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from("currentpage=4"))
        .expect("a request");
    assert_eq!(result(&api_answer(desk.send(request).await).await)["currentpage"], json!(4));
}

#[tokio::test]
async fn raw_json_in_a_form_value_survives() {
    let desk = Desk::open().await;
    let rows =
        r#"[{"phone":"+8613800138000","userid":"a&b=c&status=1","ext":"50% + 甲=乙"},{"phone":13800138001}]"#;
    let body = format!(
        "service=App.Sip_Yccall.TaskCreat&token={}&assigntype=2&assignagent=sales&telphone={rows}&taskscale=1:1.5",
        desk.token
    );
    let answer = desk.post("application/x-www-form-urlencoded", body).await;
    assert_eq!(result(&answer)["success"], json!(2));
    let taskid = result(&answer)["taskid"].as_str().expect("a string").to_owned();
    let info = desk.ask("Yccall.TaskInfo", &[("taskid", &taskid)]).await;
    let row = &result(&info)["result"][0];
    assert_eq!(row["telphone"], json!("+8613800138000"));
    assert_eq!(row["userid"], json!("a&b=c&status=1"));
    assert_eq!(row["ext"], json!("50% + 甲=乙"));
    let task = desk.ask("Yccall.TaskList", &[("taskid", &taskid)]).await;
    assert_eq!(result(&task)["task"][0]["status"], json!(1025), "the status inside of the JSON is no field");
}

#[tokio::test]
async fn the_service_is_trimmed_its_action_in_any_case_and_unknown_ones_are_named() {
    let desk = Desk::open().await;
    for name in [" App.Sip_Yccall.tasklist ", "App.Sip_Yccall.TASKLIST"] {
        result(&desk.form(&[("service", name), ("token", &desk.token)]).await);
    }
    let answer = desk.form(&[("service", "App.X.Y")]).await;
    assert_eq!(
        refusal(&answer),
        (404, "非法请求：接口服务App.X.Y不存在"),
        "the service is checked before the token"
    );
    let answer = desk.form(&[("s", "App.X.Y"), ("lang", "en")]).await;
    assert_eq!(refusal(&answer), (404, "Bad request: service App.X.Y does not exist"));
    assert_eq!(refusal(&desk.form(&[("x", "y")]).await), (400, "非法请求：缺少必要参数service"));
}

#[tokio::test]
async fn checks_come_in_the_order_service_token_parameters_business() {
    let desk = Desk::open().await;
    let service = ("service", "App.Sip_Yccall.TaskInfo");
    assert_eq!(refusal(&desk.form(&[service]).await).0, 600);
    assert_eq!(refusal(&desk.form(&[service, ("token", "x"), ("taskid", "1")]).await).0, 600);
    assert_eq!(refusal(&desk.ask("Yccall.TaskInfo", &[]).await), (400, "非法请求：缺少必要参数taskid"));
    assert_eq!(refusal(&desk.ask("Yccall.TaskInfo", &[("taskid", " ")]).await).0, 400);
    let wrong = [("taskid", "1"), ("currentpage", "x")];
    assert_eq!(refusal(&desk.ask("Yccall.TaskInfo", &wrong).await).0, 400, "before the task is looked up");
    assert_eq!(code(&desk.ask("Yccall.TaskInfo", &[("taskid", "1")]).await), "1024");
}

#[tokio::test]
async fn the_envelope_has_its_keys_in_order_and_its_types() {
    let desk = Desk::open().await;
    let good = desk.ask("Yccall.TaskList", &[]).await;
    assert_eq!(keys(&good), ["ret", "data", "msg"]);
    assert_eq!(keys(&good["data"]), ["status", "desc", "result", "reqtime", "rsptime"]);
    assert_eq!(good["data"]["desc"], json!("获取成功"));
    let (asked, answered) = (&good["data"]["reqtime"], &good["data"]["rsptime"]);
    let now = wall_clock().unix_seconds();
    assert!((now - 5..=now).contains(&asked.as_i64().expect("an int")));
    assert!(answered.as_i64() >= asked.as_i64());
    let bad = desk.ask("Yccall.TaskInfo", &[("taskid", "1")]).await;
    assert_eq!(keys(&bad["data"]), ["status", "desc", "errors", "reqtime", "rsptime"]);
    assert_eq!(bad["data"]["errors"], json!({"code": "1024", "codemsg": "任务不存在"}));
    assert_eq!(bad["data"]["desc"], json!("获取失败"));
}

#[tokio::test]
async fn texts_are_english_and_codes_ints_where_the_company_or_the_request_says_so() {
    let desk = Desk::open().await;
    let wanted = [("taskid", "1"), ("lang", "en")];
    let answer = desk.ask("Yccall.TaskInfo", &wanted).await;
    assert_eq!(answer["data"]["errors"], json!({"code": "1024", "codemsg": "Task does not exist"}));
    desk.change(&NewCompany { language: "en".into(), int_codes: true, ..company("1") });
    let answer = desk.ask("Yccall.TaskInfo", &[("taskid", "1")]).await;
    assert_eq!(answer["data"]["errors"], json!({"code": 1024, "codemsg": "Task does not exist"}));
    assert_eq!(answer["data"]["desc"], json!("Fetch failed"));
    let answer = desk.ask("Yccall.TaskInfo", &[("taskid", "1"), ("lang", "zh")]).await;
    assert_eq!(answer["data"]["desc"], json!("获取失败"), "the request has the last word");
    let answer = desk.ask("Yccall.TaskInfo", &[]).await;
    assert_eq!(refusal(&answer), (400, "Bad request: missing required parameter taskid"));
}

#[tokio::test]
async fn what_cannot_be_read_is_a_bad_request() {
    let desk = Desk::open().await;
    for (content_type, body) in [
        ("application/json", "{\"service\":"),
        ("application/json", "[1,2]"),
        ("application/json", "nonsense"),
        ("multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1"),
    ] {
        assert_eq!(refusal(&desk.post(content_type, body).await).0, 400, "{body}");
    }
    let many: Vec<String> = (0..1000).map(|i| format!("f{i}=1")).collect();
    assert_eq!(refusal(&desk.post("application/x-www-form-urlencoded", many.join("&")).await).0, 400);
    let text = "%E4%BD%ZZ%00\u{0}=&=&;;%";
    assert_eq!(refusal(&desk.post("application/x-www-form-urlencoded", text).await).0, 400);
}

#[tokio::test]
async fn other_paths_and_methods_are_refused_in_json() {
    let desk = Desk::open().await;
    let request = Request::get("/nowhere?service=App.Sip_Auth.Login").body(Body::empty()).expect("a request");
    let response = desk.send(request).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(refusal(&json_body(response).await).0, 404);
    for method in [Method::PUT, Method::DELETE, Method::OPTIONS] {
        let request = Request::builder().method(method).uri("/").body(Body::empty()).expect("a request");
        let response = desk.send(request).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "GET, POST");
        assert_eq!(refusal(&json_body(response).await).0, 405);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_however_it_is_sent() {
    let desk = Desk::open_with(&Api { body_max_bytes: 1000, ..Api::default() }).await;
    assert_eq!(refusal(&desk.post("text/plain", "x".repeat(1001)).await).0, 413);
    assert_eq!(refusal(&desk.post("text/plain", "x".repeat(9000)).await).0, 413);
    let request = Request::post("/").header("content-length", "1001").header("expect", "100-continue");
    let response = desk.send(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(refusal(&api_answer(response).await).0, 413);
    assert_eq!(refusal(&desk.post("text/plain", "x".repeat(1000)).await).0, 400, "at the limit it is read");
}

#[tokio::test]
async fn more_requests_than_the_rate_are_refused() {
    let desk = Desk::open_with(&Api { requests_per_second_max: 5, ..Api::default() }).await;
    let mut rets = Vec::new();
    for _ in 0..10 {
        rets.push(desk.form(&[("service", "App.X.Y")]).await["ret"].as_i64().expect("an int"));
    }
    assert_eq!(rets[0], 404);
    assert!(rets.contains(&429), "{rets:?}");
}

#[tokio::test]
async fn a_panic_in_a_service_is_ret_500_without_detail() {
    let failed = super::super::guarded(async { panic!("secret detail") }).await;
    assert!(matches!(failed, Err(super::super::Ret::Internal)));
}

#[tokio::test]
async fn a_run_loop_that_does_not_answer_is_our_fault_and_said_in_time() {
    let desk = Desk::open().await;
    desk.world.lock().expect("no panic").is_deaf = true;
    let began = std::time::Instant::now();
    let answer = desk.ask("Status.GetSipCallStatus", &[("extnumber", "1001")]).await;
    assert_eq!(refusal(&answer), (500, "服务器内部错误"));
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn it_is_served_over_http_and_survives_what_is_no_http() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let desk = Desk::open().await;
    let config = Api { listen: SocketAddr::from(([127, 0, 0, 1], 0)), ..Api::default() };
    let address = super::super::serve(&config, desk.handle.clone()).await.expect("a free port");
    let exchange = async |bytes: &[u8]| {
        let mut stream = tokio::net::TcpStream::connect(address).await.expect("accepted");
        stream.write_all(bytes).await.expect("written");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    };
    let nonsense = exchange(b"\x16\x03\x01 nonsense\r\n\r\n").await;
    assert!(nonsense.is_empty() || nonsense.starts_with("HTTP/1.1 400"), "{nonsense}");
    let body = "service=App.Sip_Auth.Login&appid=app-1&accesskey=key-1";
    let head =
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded";
    let answer = exchange(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\"companycode\":\"1\""), "{answer}");
    let chunked =
        format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    assert!(exchange(chunked.as_bytes()).await.contains("\"companycode\":\"1\""));
}

#[tokio::test]
async fn a_body_that_does_not_come_in_is_given_up_and_is_not_our_fault() {
    let desk = Desk::open_with(&Api { request_timeout_s: 1, ..Api::default() }).await;
    let never = |path: &str| {
        let body = futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
        let request = Request::post(path).header("content-type", "application/json");
        desk.send(request.body(Body::from_stream(body)).expect("a request"))
    };
    let answer = api_answer(never("/").await).await;
    assert_eq!(refusal(&answer), (400, "非法请求：请求内容未在时限内收完"));
    let response = never("/v1/session").await;
    assert_eq!(response.status(), 408);
    assert_eq!(json_body(response).await["code"], json!("too_slow"));
}
