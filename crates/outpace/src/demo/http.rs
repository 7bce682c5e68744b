//! One HTTP POST at a time over TCP: all that a CRM needs.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const TIMEOUT: Duration = Duration::from_secs(30);
const ANSWER_MAX: u64 = 64 << 20;

/// Posts `body` as JSON to `/` and reads the JSON answer.
pub async fn post(server: SocketAddr, body: &Value) -> anyhow::Result<Value> {
    let answer = tokio::time::timeout(TIMEOUT, exchange(server, body.to_string()))
        .await
        .with_context(|| format!("no answer from http://{server} within {} s", TIMEOUT.as_secs()))?
        .with_context(|| format!("HTTP with {server} failed"))?;
    let body = body_of(&answer)?;
    serde_json::from_slice(body).context("the answer is not JSON")
}

async fn exchange(server: SocketAddr, body: String) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    // HTTP/1.0: the answer is neither chunked nor followed by another.
    let request = format!(
        "POST / HTTP/1.0\r\nHost: {server}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
    Ok(answer)
}

fn body_of(answer: &[u8]) -> anyhow::Result<&[u8]> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("the answer was cut off")?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split_whitespace().nth(1).unwrap_or("none");
    if status != "200" {
        bail!("HTTP status {status}");
    }
    Ok(&answer[end + 4..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tokio::net::TcpListener;

    async fn server_that_says(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n{\"a\":1}") {
                stream.read_buf(&mut request).await.unwrap();
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        addr
    }

    #[tokio::test]
    async fn a_json_answer_is_read() {
        let server =
            server_that_says("HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n{\"b\":2}").await;
        assert_eq!(post(server, &json!({"a": 1})).await.unwrap(), json!({"b": 2}));
    }

    #[tokio::test]
    async fn another_status_or_a_cut_answer_is_an_error() {
        let server = server_that_says("HTTP/1.0 500 Oops\r\n\r\n{}").await;
        assert!(post(server, &json!({"a": 1})).await.unwrap_err().to_string().contains("500"));
        let server = server_that_says("HTTP/1.0 200").await;
        assert!(post(server, &json!({"a": 1})).await.is_err());
    }
}
