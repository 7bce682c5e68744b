//! A CRM that speaks the `App.Sip_*` interface.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use super::wait_for;

pub struct Crm {
    url: String,
    http: ureq::Agent,
    pub token: String,
}

/// The answer's envelope.
#[derive(Debug, Clone)]
pub struct Answer(pub Value);

impl Answer {
    pub fn ret(&self) -> i64 {
        self.0["ret"].as_i64().unwrap_or_else(|| panic!("ret is no int: {}", self.0))
    }

    /// `errors.code` of a business failure, "" else.
    pub fn code(&self) -> &str {
        self.0["data"]["errors"]["code"].as_str().unwrap_or("")
    }

    pub fn is_success(&self) -> bool {
        self.ret() == 200 && self.0["data"]["status"] == json!(0)
    }

    pub fn result(&self) -> &Value {
        assert!(self.is_success(), "not a success: {}", self.0);
        &self.0["data"]["result"]
    }
}

/// What the HTTP layer gave.
pub struct Http {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

impl Http {
    pub fn answer(&self) -> Answer {
        Answer(serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body)))
    }
}

impl Crm {
    pub fn login(api: SocketAddr, appid: &str, accesskey: &str) -> Crm {
        let mut crm = Crm::without_token(api);
        let answer = crm.call("App.Sip_Auth.Login", &[("appid", appid), ("accesskey", accesskey)]);
        let token = answer.result()["token"].as_str().expect("a token").to_owned();
        crm.token = token;
        crm
    }

    pub fn without_token(api: SocketAddr) -> Crm {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            // A server that was killed leaves dead connections behind.
            .max_idle_connections(0)
            .build();
        Crm { url: format!("http://{api}/"), http: config.into(), token: String::new() }
    }

    /// Sends a body as it is; `path` is put after the `/`.
    pub fn post(&self, path: &str, content_type: &str, body: &[u8]) -> Http {
        let request = self.http.post(format!("{}{path}", self.url)).header("content-type", content_type);
        read(request.send(body).unwrap_or_else(|e| panic!("POST {}{path}: {e}", self.url)))
    }

    pub fn get(&self, path: &str) -> Http {
        let url = format!("{}{path}", self.url);
        read(self.http.get(&url).call().unwrap_or_else(|e| panic!("GET {url}: {e}")))
    }

    /// GET of `/v1` with the token.
    pub fn try_v1(&self, path: &str) -> Http {
        let url = format!("{}v1/{path}", self.url);
        let request = self.http.get(&url).header("authorization", format!("Bearer {}", self.token));
        read(request.call().unwrap_or_else(|e| panic!("GET {url}: {e}")))
    }

    /// GET of `/v1` with the token; its JSON.
    pub fn v1(&self, path: &str) -> Value {
        let http = self.try_v1(path);
        assert_eq!(http.status, 200, "GET {path}: {}", http.body);
        serde_json::from_str(&http.body).unwrap_or_else(|e| panic!("{e}: {}", http.body))
    }

    /// Calls a service with an escaped urlencoded body; the token is added when there is one.
    pub fn call(&self, service: &str, parameters: &[(&str, &str)]) -> Answer {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.append_pair("service", service);
        if !self.token.is_empty() && !parameters.iter().any(|p| p.0 == "token") {
            body.append_pair("token", &self.token);
        }
        body.extend_pairs(parameters);
        let http = self.post("", "application/x-www-form-urlencoded", body.finish().as_bytes());
        assert_eq!(http.status, 200, "{service}: {}", http.body);
        http.answer()
    }

    /// As `call`, for services of `App.Sip_Yccall`.
    pub fn task(&self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        self.call(&format!("App.Sip_Yccall.{action}"), parameters)
    }

    /// Creates a task for the group `sales`, opened at once, one call per idle agent. `more` overrides.
    pub fn create(&self, numbers: &[String], more: &[(&str, &str)]) -> String {
        let rows: Vec<Value> = numbers.iter().map(|n| json!({"phone": n})).collect();
        let telphone = Value::Array(rows).to_string();
        let mut parameters = vec![
            ("assigntype", "2"),
            ("assignagent", "sales"),
            ("telphone", &telphone),
            ("taskscale", "1:1"),
            ("isscale", "manual"),
            ("status", "1"),
        ];
        parameters.retain(|p| !more.iter().any(|m| m.0 == p.0));
        parameters.extend_from_slice(more);
        let answer = self.task("TaskCreat", &parameters);
        assert_eq!(answer.result()["success"], json!(numbers.len()), "{:?}", answer);
        answer.result()["taskid"].as_str().expect("taskid is a string").to_owned()
    }

    /// All rows of TaskInfo, over all pages.
    pub fn task_info(&self, taskid: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        for page in 1.. {
            let page = page.to_string();
            let parameters = [("taskid", taskid), ("currentpage", &page), ("itemsperpage", "1000")];
            let answer = self.task("TaskInfo", &parameters);
            let result = answer.result();
            let got = result["result"].as_array().expect("result.result is a list");
            rows.extend(got.iter().cloned());
            if got.is_empty() || rows.len() as u64 >= result["totalitems"].as_u64().expect("an int") {
                break;
            }
        }
        rows
    }

    /// The task's row of TaskList.
    pub fn task_row(&self, taskid: &str) -> Value {
        let answer = self.task("TaskList", &[("taskid", taskid)]);
        answer.result()["task"][0].clone()
    }

    /// Waits until the task is over (1028) and gives the rows of TaskInfo.
    pub fn wait_ended(&self, taskid: &str, limit: Duration) -> Vec<Value> {
        let end = std::time::Instant::now() + limit;
        loop {
            let row = self.task_row(taskid);
            if row["status"] == json!(1028) {
                return self.task_info(taskid);
            }
            if std::time::Instant::now() > end {
                let rows = self.task_info(taskid);
                let open: Vec<&Value> = rows.iter().filter(|r| r["status"] != json!(1036)).take(5).collect();
                panic!("task {taskid} did not end in {limit:?}: {row}; some that were not called: {open:?}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until this many of the task's numbers have their result.
    pub fn wait_called(&self, taskid: &str, count: u64, limit: Duration) {
        wait_for("results of the task", limit, || {
            (self.task_row(taskid)["called"].as_u64()? >= count).then_some(())
        });
    }

    /// Waits until every one of these extensions is registered.
    pub fn wait_registered(&self, extensions: &[String]) {
        let list = extensions.join(",");
        wait_for("registrations", Duration::from_secs(10), || {
            let answer = self.call("App.Sip_Status.GetSipRegisterStatus", &[("extnumber", &list)]);
            let rows = answer.result().as_array()?.clone();
            rows.iter().all(|r| r["code"] == json!(1017)).then_some(())
        });
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Http {
    let content_type = response.headers().get("content-type");
    let content_type = content_type.and_then(|v| v.to_str().ok()).unwrap_or("").to_owned();
    let status = response.status().as_u16();
    let body = response.body_mut().read_to_string().expect("a body in UTF-8");
    Http { status, content_type, body }
}

/// The row of one number.
pub fn row_of<'a>(rows: &'a [Value], number: &str) -> &'a Value {
    rows.iter()
        .find(|r| r["telphone"] == json!(number))
        .unwrap_or_else(|| panic!("no row for {number} in {rows:?}"))
}
