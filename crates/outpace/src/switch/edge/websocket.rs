//! SIP over WebSocket (RFC 7118): one SIP message per WebSocket message, sub-protocol `sip`.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

use super::Line;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(8);
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that does not even answer pings for this long is gone.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
const PING_EVERY: Duration = Duration::from_secs(30);
const MESSAGE_MAX: usize = 64 * 1024;
/// Messages of one client in one second; who sends more is cut off.
const MESSAGES_PER_SECOND_MAX: u32 = 200;

/// Ends when either side has gone, or the connection was forgotten.
pub(super) async fn serve<S>(stream: S, line: &mut Line, origins: &[String])
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX))
        .max_write_buffer_size(16 * MESSAGE_MAX);
    let handshake = accept_hdr_async_with_config(stream, Door { origins }, Some(config));
    let Ok(Ok(mut socket)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await else { return };
    let mut ping = tokio::time::interval(PING_EVERY);
    let mut heard = Instant::now();
    let mut rate = Rate { second: heard, messages: 0 };
    loop {
        let message = tokio::select! {
            message = socket.next() => match message {
                Some(Ok(message)) => message,
                _ => return,
            },
            bytes = line.writes.recv() => {
                let Some(bytes) = bytes else { break };
                if !write(&mut socket, text_or_binary(bytes)).await {
                    return;
                }
                continue;
            }
            _ = ping.tick() => {
                if heard.elapsed() > IDLE_TIMEOUT || !write(&mut socket, Message::Ping(Default::default())).await {
                    return;
                }
                continue;
            }
        };
        heard = Instant::now();
        if !rate.admits(heard) {
            tracing::warn!(peer = %line.flow.peer, "a WebSocket client sends too much and is cut off");
            return;
        }
        let bytes = match message {
            Message::Text(text) => text.as_bytes().to_vec(),
            Message::Binary(bytes) => bytes.to_vec(),
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
        };
        if !line.received(bytes).await {
            return;
        }
    }
    let _ = tokio::time::timeout(WRITE_TIMEOUT, socket.close(None)).await;
}

struct Rate {
    second: Instant,
    messages: u32,
}

impl Rate {
    fn admits(&mut self, now: Instant) -> bool {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            *self = Rate { second: now, messages: 0 };
        }
        self.messages += 1;
        self.messages <= MESSAGES_PER_SECOND_MAX
    }
}

async fn write<S>(socket: &mut WebSocketStream<S>, message: Message) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    matches!(tokio::time::timeout(WRITE_TIMEOUT, socket.send(message)).await, Ok(Ok(())))
}

/// RFC 7118 §5: clients must take both; those in browsers like text.
fn text_or_binary(bytes: Vec<u8>) -> Message {
    match String::from_utf8(bytes) {
        Ok(text) => Message::text(text),
        Err(not_text) => Message::binary(not_text.into_bytes()),
    }
}

/// Who may come in.
struct Door<'a> {
    origins: &'a [String],
}

impl Callback for Door<'_> {
    fn on_request(self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let headers = request.headers();
        if !speaks_sip(headers) {
            return Err(refusal(StatusCode::BAD_REQUEST, "the sub-protocol must be sip"));
        }
        if !is_welcome(headers, self.origins) {
            return Err(refusal(StatusCode::FORBIDDEN, "this origin is not in sip.ws_origins"));
        }
        response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("sip"));
        Ok(response)
    }
}

fn speaks_sip(headers: &HeaderMap) -> bool {
    let named = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let names = named.iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    names.into_iter().any(|name| name.trim().eq_ignore_ascii_case("sip"))
}

/// Browsers always name the page that asks. With a list, who names none is no browser and has no say.
fn is_welcome(headers: &HeaderMap, origins: &[String]) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|v| v.to_str().ok());
    origins.is_empty() || origin.is_some_and(|o| origins.iter().any(|known| known.eq_ignore_ascii_case(o)))
}

fn refusal(status: StatusCode, why: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(why.to_owned()));
    *response.status_mut() = status;
    response
}
