//! `GET /recordings/…` and `/uploads/…`: a file to whoever has a link that this server signed.

use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::Server;
use super::limit::Client;
use super::patience::CLIENT_PATIENCE;

/// Read from the disk at once.
const CHUNK_BYTES: u64 = 64 << 10;
/// Chunks that wait for a slow client.
const CHUNKS_MAX: usize = 2;

#[derive(Deserialize)]
pub struct Signed {
    /// Unix seconds.
    expires: i64,
    signature: String,
}

pub async fn recording(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((day, file)): Path<(String, String)>,
    signed: Result<Query<Signed>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let client = Client::of(peer.ip());
    if !server.requests.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now(), client) {
        return (StatusCode::TOO_MANY_REQUESTS, "too many requests").into_response();
    }
    let filename = format!("{day}/{file}");
    let Some(archive) = server.app_sip.archive() else { return not_found() };
    let now = server.app_sip.now();
    let is_good =
        signed.is_ok_and(|Query(link)| archive.admits(&filename, link.expires, &link.signature, now));
    if !is_good {
        return (StatusCode::FORBIDDEN, "the link is not valid, or no longer").into_response();
    }
    let Some(path) = archive.path(&filename) else { return not_found() };
    let range = headers.get(RANGE).filter(|_| !headers.contains_key(IF_RANGE));
    let range = range.and_then(|value| value.to_str().ok());
    let kind = if file.ends_with(".ogg") { "audio/ogg" } else { "audio/wav" };
    send_file(&server, path, range, (kind, &file)).await
}

/// `GET /uploads/{name}`: the refused rows of an upload.
pub async fn report(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(name): Path<String>,
    signed: Result<Query<Signed>, QueryRejection>,
) -> Response {
    if server.admit(peer).is_err() {
        return (StatusCode::TOO_MANY_REQUESTS, "too many requests").into_response();
    }
    let Some(uploads) = server.app_sip.handle().uploads() else { return not_found() };
    let now = server.app_sip.now();
    let is_good =
        signed.is_ok_and(|Query(link)| uploads.folder.admits(&name, link.expires, &link.signature, now));
    if !is_good {
        return (StatusCode::FORBIDDEN, "the link is not valid, or no longer").into_response();
    }
    let Some(path) = uploads.folder.report(&name) else { return not_found() };
    send_file(&server, path, None, ("text/csv;charset=utf-8", &name)).await
}

async fn send_file(server: &Server, path: PathBuf, range: Option<&str>, shown: (&str, &str)) -> Response {
    let Ok(permit) = server.downloads.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many downloads, try again later").into_response();
    };
    match open(path).await {
        Ok(file) => send(file, range, shown, permit),
        Err(error) if error.kind() == io::ErrorKind::NotFound => not_found(),
        Err(error) => {
            tracing::error!(%error, "a file cannot be read");
            (StatusCode::INTERNAL_SERVER_ERROR, "the file cannot be read").into_response()
        }
    }
}

fn not_found() -> Response {
    (StatusCode::NOT_FOUND, "no such file").into_response()
}

async fn open(path: PathBuf) -> io::Result<(File, u64)> {
    blocking(move || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok((file, metadata.len()))
    })
    .await
}

/// `file`: with its length. `shown`: its content type and name.
fn send(
    (file, len): (File, u64),
    range: Option<&str>,
    (content_type, name): (&str, &str),
    permit: OwnedSemaphorePermit,
) -> Response {
    let (status, part) = match range.map(|text| part_of(text, len)) {
        Some(Part::Unsatisfiable) => {
            let whole = [(CONTENT_RANGE, format!("bytes */{len}"))];
            return (StatusCode::RANGE_NOT_SATISFIABLE, whole).into_response();
        }
        Some(Part::From(first, last)) => (StatusCode::PARTIAL_CONTENT, (first, last + 1)),
        Some(Part::Whole) | None => (StatusCode::OK, (0, len)),
    };
    let headers = [
        (CONTENT_TYPE, content_type.to_owned()),
        (ACCEPT_RANGES, "bytes".to_owned()),
        (CACHE_CONTROL, "private".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    let (chunks, received) = mpsc::channel(CHUNKS_MAX);
    tokio::spawn(read(file, part, chunks, permit));
    let body = Body::new(FileBody { chunks: received, left: part.1 - part.0 });
    let mut response = (status, headers, body).into_response();
    if status == StatusCode::PARTIAL_CONTENT
        && let Ok(value) = format!("bytes {}-{}/{len}", part.0, part.1 - 1).parse()
    {
        response.headers_mut().insert(CONTENT_RANGE, value);
    }
    response
}

/// No thread that may block waits for a client: each reads one chunk and is free again.
async fn read(
    file: File,
    (mut at, end): (u64, u64),
    chunks: mpsc::Sender<io::Result<Bytes>>,
    _permit: OwnedSemaphorePermit,
) {
    let file = Arc::new(file);
    while at < end {
        let (part, len) = (file.clone(), (end - at).min(CHUNK_BYTES) as usize);
        let chunk = blocking(move || {
            let mut bytes = vec![0; len];
            part.read_exact_at(&mut bytes, at)?;
            Ok(Bytes::from(bytes))
        })
        .await;
        let failed = chunk.is_err();
        // Fails when the client is gone.
        if failed | chunks.send_timeout(chunk, CLIENT_PATIENCE).await.is_err() {
            return;
        }
        at += len as u64;
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

struct FileBody {
    chunks: mpsc::Receiver<io::Result<Bytes>>,
    left: u64,
}

impl HttpBody for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.chunks.poll_recv(context).map(|chunk| match chunk {
            Some(Ok(bytes)) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(error)) => Some(Err(error)),
            // Given up in the middle: the client must not take it for whole.
            None if self.left > 0 => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[derive(PartialEq, Eq, Debug)]
enum Part {
    Whole,
    /// First and last byte.
    From(u64, u64),
    Unsatisfiable,
}

/// RFC 9110 §14.1.2, one range. What is no range of bytes, and several ranges, are ignored, as §14.2 allows.
fn part_of(text: &str, len: u64) -> Part {
    let Some((first, last)) = text.trim().strip_prefix("bytes=").and_then(|range| range.split_once('-'))
    else {
        return Part::Whole;
    };
    let last_of_all = len.saturating_sub(1);
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first > last => Part::Whole,
        (Ok(first), last) if last.is_ok() || text.trim().ends_with('-') => match first < len {
            true => Part::From(first, last.unwrap_or(last_of_all).min(last_of_all)),
            false => Part::Unsatisfiable,
        },
        (Err(_), Ok(count)) if first.trim().is_empty() => match count.min(len) {
            0 => Part::Unsatisfiable,
            count => Part::From(len - count, last_of_all),
        },
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        for (text, part) in [
            ("bytes=0-43", Part::From(0, 43)),
            ("bytes=10-", Part::From(10, 99)),
            ("bytes=90-200", Part::From(90, 99)),
            ("bytes=-10", Part::From(90, 99)),
            ("bytes=-1000", Part::From(0, 99)),
            ("bytes=100-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=5-4", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=x-", Part::Whole),
            ("bytes=-", Part::Whole),
            ("rows=0-1", Part::Whole),
        ] {
            assert_eq!(part_of(text, 100), part, "{text}");
        }
        assert_eq!(part_of("bytes=0-", 0), Part::Unsatisfiable);
    }
}
