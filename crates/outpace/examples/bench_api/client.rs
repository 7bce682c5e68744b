//! As little of HTTP as keeps one connection open.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{files, world};

const BOUNDARY: &str = "edge-of-a-part";

pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub async fn connect(api: SocketAddr) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(api).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, buffer: Vec::new() })
    }

    pub async fn call(
        &mut self,
        service: &str,
        token: &str,
        fields: &[(&str, String)],
    ) -> anyhow::Result<Vec<u8>> {
        let body = {
            let mut form = form_urlencoded::Serializer::new(String::new());
            form.append_pair("service", service).append_pair("token", token);
            form.extend_pairs(fields);
            form.finish()
        };
        self.post("/", "application/x-www-form-urlencoded", body.as_bytes()).await
    }

    /// The body of the answer.
    async fn post(&mut self, path: &str, content_type: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        let len = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: {content_type}\r\ncontent-length: {len}\r\n\r\n"
        );
        self.stream.write_all(&[head.as_bytes(), &body[..len.min(64 << 10)]].concat()).await?;
        self.stream.write_all(&body[len.min(64 << 10)..]).await?;
        self.buffer.clear();
        let (start, len) = loop {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the server closed the connection");
            if let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") {
                let head = std::str::from_utf8(&self.buffer[..end])?.to_ascii_lowercase();
                let len = head.split("content-length: ").nth(1).context("the length of the answer")?;
                break (end + 4, len.split("\r\n").next().unwrap_or_default().parse::<usize>()?);
            }
        };
        while self.buffer.len() < start + len {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            ensure!(read > 0, "the server closed the connection");
        }
        Ok(self.buffer[start..start + len].to_vec())
    }
}

/// One that is logged in.
pub struct Crm {
    pub api: SocketAddr,
    pub token: String,
}

impl Crm {
    pub async fn log_in(api: SocketAddr) -> anyhow::Result<Crm> {
        let crm = Crm { api, token: String::new() };
        let keys = [("appid", world::APPID), ("accesskey", world::ACCESSKEY)];
        let answer = crm.call("App.Sip_Auth.Login", &keys).await?;
        Ok(Crm { token: answer["token"].as_str().context("a token")?.to_owned(), ..crm })
    }

    /// The result of a service.
    pub async fn call(&self, service: &str, fields: &[(&str, &str)]) -> anyhow::Result<Value> {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let answer = Client::connect(self.api).await?.call(service, &self.token, &fields).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        ensure!(answer["data"]["status"] == 0, "{service}: {answer}");
        Ok(answer["data"]["result"].clone())
    }

    /// A task for the group, of rows that begin with the `first`th.
    pub async fn create(&self, first: u32, rows: u32, name: &str) -> anyhow::Result<String> {
        let telphone = files::telphone(first, rows);
        let fields = [
            ("telphone", telphone.as_str()),
            ("taskname", name),
            ("assigntype", "2"),
            ("assignagent", "sales"),
            ("taskscale", "1:20"),
            ("isscale", "manual"),
            ("concurrent", "1000"),
        ];
        let result = self.call("App.Sip_Yccall.TaskCreat", &fields).await?;
        ensure!(result["success"] == rows, "{result}");
        Ok(result["taskid"].as_str().context("a taskid")?.to_owned())
    }

    pub async fn called(&self, taskid: &str) -> anyhow::Result<u64> {
        let result = self.call("App.Sip_Yccall.TaskList", &[("taskid", taskid)]).await?;
        result["task"][0]["called"].as_u64().context("a number")
    }

    pub async fn upload(&self, filename: &str, file: &[u8]) -> anyhow::Result<Value> {
        let mut body = String::new();
        let fields = [("token", self.token.as_str()), ("assigntype", "1"), ("assignagent", "1001")];
        for (name, value) in fields.into_iter().chain([("taskscale", "1:2")]) {
            body += &format!(
                "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
        }
        let disposition = format!("form-data; name=\"telphone\"; filename=\"{filename}\"");
        body += &format!("--{BOUNDARY}\r\ncontent-disposition: {disposition}\r\n\r\n");
        let body = [body.as_bytes(), file, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let path = "/api/predictiveCall/submitTask/file";
        let answer = Client::connect(self.api).await?.post(path, &content_type, &body).await?;
        Ok(serde_json::from_slice(&answer)?)
    }
}
