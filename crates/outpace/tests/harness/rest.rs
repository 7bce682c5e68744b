//! A client of `/v1`, with a key of its own.

use std::io::{BufRead, BufReader};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

use super::server::Server;

/// A client of `/v1`.
pub struct Rest {
    url: String,
    pub http: ureq::Agent,
    headers: Vec<(&'static str, String)>,
}

pub struct Told {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: Value,
}

impl Rest {
    pub fn new(server: &Server, headers: Vec<(&'static str, String)>) -> Rest {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .max_idle_connections(0)
            .build();
        Rest { url: format!("http://{}/v1", server.api), http: config.into(), headers }
    }

    /// With a key that `outpace admin key add` prints.
    pub fn with_key(server: &Server, scopes: &str) -> Rest {
        let printed = server.admin(&["key", "add", "test", "--scopes", scopes]);
        let key = printed.split_whitespace().find(|word| word.starts_with("opk_")).expect("a key is printed");
        Rest::new(server, vec![("authorization", format!("Bearer {key}"))])
    }

    pub fn send(&self, method: &str, path: &str, body: Option<Value>) -> Told {
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}/{path}", self.url));
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let sent = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json").body(body.to_string());
                self.http.run(request.expect("a request"))
            }
            None => self.http.run(request.body(()).expect("a request")),
        };
        let mut response = sent.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let text = response.body_mut().read_to_string().expect("a text");
        let body = match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text)),
        };
        Told { status: response.status().as_u16(), headers: response.headers().clone(), body }
    }

    pub fn get(&self, path: &str) -> Value {
        self.send("GET", path, None).is(200)
    }

    /// The events of the stream, as `name data`, from another thread.
    pub fn watch(&self) -> mpsc::Receiver<(String, Value)> {
        let mut request = self.http.get(format!("{}/events", self.url)).config().timeout_global(None).build();
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let response = request.call().expect("a stream");
        assert_eq!(response.status().as_u16(), 200);
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || {
            let mut name = String::new();
            for line in BufReader::new(response.into_body().into_reader()).lines().map_while(Result::ok) {
                if let Some(text) = line.strip_prefix("event: ") {
                    text.clone_into(&mut name);
                } else if let Some(text) = line.strip_prefix("data: ") {
                    let data = serde_json::from_str(text).expect("JSON");
                    if sender.send((name.clone(), data)).is_err() {
                        return;
                    }
                }
            }
        });
        events
    }
}

impl Told {
    #[track_caller]
    pub fn is(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}
