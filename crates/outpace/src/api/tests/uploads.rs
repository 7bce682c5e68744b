//! `POST /api/predictiveCall/submitTask/file`: who may, what goes wrong, what is told of it.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;

pub const BOUNDARY: &str = "edge-of-a-part";
/// A task for extension 1001.
pub const FIELDS: [(&str, &str); 4] =
    [("assigntype", "1"), ("assignagent", "1001"), ("taskscale", "1:2"), ("taskname", "spring")];

pub fn part(name: &str, filename: Option<&str>, content: &[u8]) -> Vec<u8> {
    let file = filename.map_or_else(String::new, |f| format!("; filename=\"{f}\""));
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

/// The fields, then the file.
pub fn form(fields: &[(&str, &str)], file: &[u8]) -> Vec<u8> {
    let mut body: Vec<u8> = fields.iter().flat_map(|(k, v)| part(k, None, v.as_bytes())).collect();
    body.extend(part("telphone", Some("../../etc/numbers.csv"), file));
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    body
}

impl Desk {
    pub async fn submit(&self, path: &str, body: impl Into<Body>) -> Value {
        let request = Request::post(format!("/api/predictiveCall/submitTask/file{path}"))
            .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
            .header("host", "crm.example:8080");
        api_answer(self.send(request.body(body.into()).expect("a request")).await).await
    }

    /// A file of company 1 with good fields.
    pub async fn upload(&self, more: &[(&str, &str)], file: &[u8]) -> Value {
        let mut fields = FIELDS.to_vec();
        fields.push(("token", &self.token));
        fields.extend_from_slice(more);
        self.submit("", form(&fields, file)).await
    }

    async fn fetch(&self, uri: &str) -> Response<Body> {
        self.send(
            Request::get(uri).header("host", "crm.example:8080").body(Body::empty()).expect("a request"),
        )
        .await
    }

    /// Below `/v1/uploads`, with a token.
    async fn shown(&self, token: &str, path: &str) -> Response<Body> {
        let request = Request::get(format!("/v1/uploads{path}"))
            .header("host", "crm.example:8080")
            .header("authorization", format!("Bearer {token}"));
        self.send(request.body(Body::empty()).expect("a request")).await
    }

    async fn progress(&self, token: &str, id: &str) -> Value {
        json_body(self.shown(token, &format!("/{id}")).await).await
    }

    /// Nothing is left of uploads that failed.
    fn assert_nothing_left(&self) {
        let all = store::Page { offset: 0, limit: 100 };
        let found = self.store().list_campaigns(engine::CompanyId(1), &store::CampaignFilter::default(), all);
        assert_eq!(found.expect("readable").0, 0);
        assert_eq!(self.store().unpublished_campaigns().expect("readable"), []);
    }
}

pub fn data(answer: &Value) -> &Value {
    assert_eq!((&answer["code"], &answer["msg"]), (&json!(0), &json!("Task Created")), "{answer}");
    &answer["data"]
}

/// Code and message of a failure.
pub fn failure(answer: &Value) -> (i64, &str) {
    assert_eq!(keys(answer), ["code", "msg", "data"]);
    assert_eq!(answer["data"], Value::Null, "{answer}");
    (answer["code"].as_i64().expect("an int"), answer["msg"].as_str().expect("a text"))
}

#[tokio::test]
async fn a_task_is_made_of_a_file_and_the_run_loop_is_told_once_all_is_in() {
    let desk = Desk::open().await;
    let answer = desk.upload(&[("status", "1")], b"13800000001\n13800000002\n").await;
    let data = data(&answer);
    assert_eq!(keys(data), ["task_id", "task_name", "success", "invalid", "report_url", "upload_id"]);
    assert_eq!(data["task_name"], json!("spring"));
    assert_eq!(
        (&data["success"], &data["invalid"], &data["report_url"]),
        (&json!(2), &json!(0), &Value::Null)
    );
    let taskid = data["task_id"].as_str().expect("a text");
    assert_eq!(taskid.len(), 20);
    let told = desk.told().await;
    assert!(
        told.len() == 1 && told[0].contains("CampaignChanged") && told[0].contains("leads: true"),
        "{told:?}"
    );
    let info = desk.ask("Yccall.TaskInfo", &[("taskid", taskid)]).await;
    let rows = result(&info)["result"].as_array().expect("a list");
    let numbers: Vec<&str> = rows.iter().map(|r| r["telphone"].as_str().expect("a text")).collect();
    assert_eq!(numbers, ["13800000001", "13800000002"]);
    let list = desk.ask("Yccall.TaskList", &[("taskid", taskid)]).await;
    assert_eq!(result(&list)["task"][0]["status"], json!(1026));
}

#[tokio::test]
async fn the_token_may_be_a_field_before_or_after_the_file_or_in_the_query_or_in_a_header() {
    let desk = Desk::open().await;
    let file = b"13800000001\n";
    data(&desk.submit(&format!("?token={}", desk.token), form(&FIELDS, file)).await);
    let mut body = part("telphone", Some("numbers.csv"), file);
    body.extend(FIELDS.iter().flat_map(|(k, v)| part(k, None, v.as_bytes())));
    body.extend(part("token", None, desk.token.as_bytes()));
    body.extend(format!("--{BOUNDARY}--").bytes());
    data(&desk.submit("", body).await);
    let request = Request::post("/api/predictiveCall/submitTask/file")
        .header("content-type", format!("Multipart/Form-Data; boundary=\"{BOUNDARY}\""))
        .header("authorization", format!("Bearer {}", desk.token))
        .body(Body::from(form(&FIELDS, file)));
    data(&api_answer(desk.send(request.expect("a request")).await).await);

    assert_eq!(failure(&desk.submit("", form(&FIELDS, file)).await).0, 600);
    assert_eq!(failure(&desk.submit("?token=0123", form(&FIELDS, file)).await).0, 600);
}

#[tokio::test]
async fn parameters_are_checked_as_those_of_taskcreat() {
    let desk = Desk::open().await;
    let token = desk.token.clone();
    let with = |more: &[(&str, &str)]| {
        let mut fields: Vec<(&str, &str)> = FIELDS.to_vec();
        fields.retain(|(name, _)| !more.iter().any(|(n, _)| n == name));
        fields.push(("token", &token));
        fields.extend(more.iter().filter(|(_, value)| !value.is_empty()));
        form(&fields, b"13800000001\n")
    };
    for (field, value, code) in [
        ("assigntype", "", 400),
        ("assigntype", "7", 400),
        ("taskscale", "2", 400),
        ("assignagent", "9999", 1012),
        ("assignagent", "1003", 1013),
        ("assignagent", "2001", 1011),
        ("disnumber", "4002", 1019),
    ] {
        assert_eq!(failure(&desk.submit("", with(&[(field, value)])).await).0, code, "{field}={value}");
    }
    let group = with(&[("assigntype", "2"), ("assignagent", "nobody"), ("lang", "en")]);
    assert_eq!(failure(&desk.submit("", group).await), (1043, "Extension group does not exist: nobody"));
    desk.assert_nothing_left();
}

#[tokio::test]
async fn a_file_that_is_missing_or_twice_there_is_a_bad_request() {
    let desk = Desk::open().await;
    let token = ("token", desk.token.as_str());
    let mut body = part(token.0, None, token.1.as_bytes());
    body.extend(format!("--{BOUNDARY}--").bytes());
    assert_eq!(failure(&desk.submit("", body).await), (400, "非法请求：缺少必要参数telphone"));
    let mut twice = part("telphone", Some("a.csv"), b"13800000001");
    twice.extend(form(&[token], b"13800000002"));
    assert_eq!(failure(&desk.submit("", twice).await), (400, "非法请求：只能上传一个文件"));
    let request = Request::post("/api/predictiveCall/submitTask/file?lang=en")
        .header("content-type", "text/csv")
        .body(Body::from("13800000001"));
    let answer = api_answer(desk.send(request.expect("a request")).await).await;
    assert_eq!(failure(&answer), (400, "Bad request: the body must be multipart/form-data"));
    desk.assert_nothing_left();
}

#[tokio::test]
async fn an_upload_that_is_cut_off_leaves_nothing() {
    let desk = Desk::open().await;
    let mut fields = FIELDS.to_vec();
    fields.push(("token", &desk.token));
    let whole = form(&fields, b"13800000001\n13800000002\n");
    for end in [0, 10, whole.len() / 2, whole.len() - 30, whole.len() - 5] {
        assert_eq!(failure(&desk.submit("", whole[..end].to_vec()).await).0, 400, "{end}");
    }
    desk.assert_nothing_left();
}

#[tokio::test]
async fn refused_rows_are_listed_by_line_in_a_report_that_only_its_link_opens() {
    let desk = Desk::open().await;
    let file = "phone,time\r\n13800000001,\r\n\r\n138x,\r\n13800000002,1000000000\r\n13800000001,\r\n13800000003,\r\n";
    let answer = desk.upload(&[("lang", "en"), ("uploadid", "mine-1")], file.as_bytes()).await;
    let data = data(&answer);
    assert_eq!(
        (&data["success"], &data["invalid"], &data["upload_id"]),
        (&json!(2), &json!(3), &json!("mine-1"))
    );
    let url = data["report_url"].as_str().expect("a link");
    let path = url.strip_prefix("http://crm.example:8080").expect("where the client reached us");
    let report = desk.fetch(path).await;
    assert_eq!(report.status(), StatusCode::OK);
    assert_eq!(report.headers()["content-type"], "text/csv;charset=utf-8");
    let text = axum::body::to_bytes(report.into_body(), usize::MAX).await.expect("a body");
    assert_eq!(
        String::from_utf8(text.to_vec()).expect("UTF-8"),
        "\u{feff}line,phone,reason\r\n\
         4,138x,the number has a character that is not a digit\r\n\
         5,13800000002,the deadline is in the past\r\n\
         6,13800000001,the number is in the task already\r\n"
    );
    let (bare, _) = path.split_once('?').expect("a query");
    assert_eq!(desk.fetch(bare).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(desk.fetch(&path.replace("signature=", "signature=0")).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(desk.fetch(&path.replace("mine", "yours")).await.status(), StatusCode::FORBIDDEN);

    let shown = desk.progress(&desk.token, "mine-1").await;
    assert_eq!((&shown["state"], &shown["task_id"]), (&json!("done"), &data["task_id"]), "{shown}");
    assert_eq!(
        (&shown["rows_read"], &shown["rows_stored"], &shown["rows_refused"]),
        (&json!(5), &json!(2), &json!(3))
    );
    assert!(shown["report_url"].as_str().expect("a link").contains("/uploads/"));
}

#[tokio::test]
async fn a_file_without_a_good_row_makes_no_task_and_its_own_id_stays_free() {
    let desk = Desk::open().await;
    let answer = desk.upload(&[("customtaskid", "c1"), ("uploadid", "u")], b"phone\nabc\n12\n").await;
    assert_eq!(failure(&answer), (1002, "操作异常(校验失败)：没有有效号码，第2行：号码含有非数字字符"));
    desk.assert_nothing_left();
    let shown = desk.progress(&desk.token, "u").await;
    assert_eq!((&shown["state"], &shown["rows_refused"]), (&json!("failed"), &json!(2)), "{shown}");
    assert!(shown["report_url"].is_string() && shown["error"].is_string());
    data(&desk.upload(&[("customtaskid", "c1"), ("uploadid", "u")], b"13800000001").await);
    let again = desk.upload(&[("customtaskid", "c1")], b"13800000001").await;
    assert_eq!(failure(&again), (1002, "操作异常(校验失败)：customtaskid已存在"));
    let same_upload = desk.upload(&[("uploadid", "u")], b"13800000001").await;
    assert_eq!(failure(&same_upload), (1002, "操作异常(校验失败)：uploadid已存在"));
    assert_eq!(failure(&desk.upload(&[("uploadid", "../u")], b"13800000001").await).0, 400);
}

/// A body whose pieces come when they are sent.
struct Trickle(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Trickle {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|p| Ok(hyper::body::Frame::data(p))))
    }
}

#[tokio::test]
async fn progress_is_shown_while_the_file_comes_in_and_to_its_company_only() {
    let desk = Desk::open().await;
    let mut fields = FIELDS.to_vec();
    fields.extend([("token", desk.token.as_str()), ("uploadid", "big")]);
    let whole = form(&fields, b"13800000001\n");
    let (first, last) = whole.split_at(whole.len() - 30);
    let (pieces, received) = mpsc::channel(1);
    pieces.send(Bytes::copy_from_slice(first)).await.expect("there is room");
    let watch = async {
        loop {
            let shown = desk.progress(&desk.token, "big").await;
            if shown["bytes_received"].as_u64().is_some_and(|n| n > 0) {
                break shown;
            }
            tokio::task::yield_now().await;
        }
    };
    let talk = async {
        let shown = watch.await;
        assert_eq!((&shown["state"], &shown["task_id"]), (&json!("receiving"), &Value::Null), "{shown}");
        let other = desk.shown(&desk.other_token, "/big").await;
        assert_eq!(other.status(), StatusCode::NOT_FOUND);
        assert_eq!(desk.fetch("/v1/uploads/big").await.status(), StatusCode::UNAUTHORIZED);
        let list = json_body(desk.shown(&desk.other_token, "").await).await;
        assert_eq!(list, json!({"uploads": []}));
        pieces.send(Bytes::copy_from_slice(last)).await.expect("there is room");
        drop(pieces);
    };
    let (answer, ()) = tokio::join!(desk.submit("", Body::new(Trickle(received))), talk);
    data(&answer);
    let list = json_body(desk.shown(&desk.token, "").await).await;
    assert_eq!(list["uploads"][0]["state"], json!("done"), "{list}");
}

#[tokio::test]
async fn a_client_that_is_too_slow_or_hangs_up_is_given_up() {
    let config = Api { requests_per_second_max: 0, upload_timeout_s: 1, ..Api::default() };
    let desk = Desk::open_with(&config).await;
    let mut fields = FIELDS.to_vec();
    fields.extend([("token", desk.token.as_str()), ("uploadid", "slow")]);
    let whole = form(&fields, b"13800000001\n");
    let most = Bytes::copy_from_slice(&whole[..whole.len() - 30]);
    let until = |key: &'static str, wanted: fn(&Value) -> bool| {
        let desk = &desk;
        async move {
            loop {
                let shown = desk.progress(&desk.token, "slow").await;
                if wanted(&shown[key]) {
                    break shown;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    let (pieces, received) = mpsc::channel(1);
    pieces.send(most.clone()).await.expect("there is room");
    let talk = async {
        let shown = until("state", |state| *state == json!("failed")).await;
        assert_eq!(shown["error"], json!("非法请求：上传超时"));
        drop(pieces);
    };
    let (answer, ()) = tokio::join!(desk.submit("", Body::new(Trickle(received))), talk);
    assert_eq!(failure(&answer), (400, "非法请求：上传超时"));

    // The same id again: the upload before failed, and shows its bytes until this one begins.
    let (pieces, received) = mpsc::channel(1);
    pieces.send(most).await.expect("there is room");
    tokio::select! {
        answer = desk.submit("", Body::new(Trickle(received))) => panic!("answered: {answer}"),
        _ = until("state", |state| *state == json!("receiving")) => {}
    }
    let shown = desk.progress(&desk.token, "slow").await;
    assert_eq!((&shown["state"], &shown["error"]), (&json!("failed"), &json!("interrupted")));
    desk.assert_nothing_left();
}

#[tokio::test]
async fn bodies_and_files_past_the_limits_are_refused() {
    let config =
        Api { requests_per_second_max: 0, upload_max_bytes: 4000, upload_rows_max: 10, ..Api::default() };
    let desk = Desk::open_with(&config).await;
    let rows = |n: u32| (0..n).map(|i| format!("1380000{i:04}\n")).collect::<String>();
    assert_eq!(failure(&desk.upload(&[], rows(1000).as_bytes()).await), (413, "请求内容过大"));
    let answer = desk.upload(&[], rows(16).as_bytes()).await;
    assert_eq!(failure(&answer), (1002, "操作异常(校验失败)：超过10行"));
    desk.assert_nothing_left();
    data(&desk.upload(&[], rows(10).as_bytes()).await);
    let long = "x".repeat(3000);
    assert_eq!(failure(&desk.upload(&[("a", &long), ("b", &long)], b"138").await).0, 413);
}
