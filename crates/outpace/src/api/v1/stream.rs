//! Answers that are written while the client reads.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use tokio::sync::mpsc;

use super::super::patience::CLIENT_PATIENCE;

/// Parts that wait for a slow client.
const PARTS_MAX: usize = 2;

/// Where the parts go.
pub struct Parts(mpsc::Sender<Part>);

enum Part {
    Bytes(Bytes),
    End,
}

/// Takes no more.
pub struct Gone;

pub fn open() -> (Parts, Body) {
    let (parts, received) = mpsc::channel(PARTS_MAX);
    (Parts(parts), Body::new(Stream { received, ended: false }))
}

impl Parts {
    /// Waits for a slow client, but not for ever.
    pub async fn write(&self, bytes: impl Into<Bytes>) -> Result<(), Gone> {
        self.0.send_timeout(Part::Bytes(bytes.into()), CLIENT_PATIENCE).await.map_err(|_| Gone)
    }

    /// All is written. Dropped without it, the client sees that the answer was cut off.
    pub async fn end(self) {
        let _ = self.0.send_timeout(Part::End, CLIENT_PATIENCE).await;
    }

    /// When the client hangs up.
    pub async fn gone(&self) {
        self.0.closed().await;
    }
}

struct Stream {
    received: mpsc::Receiver<Part>,
    ended: bool,
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        self.received.poll_recv(context).map(|part| match part {
            Some(Part::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Part::End) => {
                self.ended = true;
                None
            }
            None => {
                self.ended = true;
                Some(Err(io::ErrorKind::UnexpectedEof.into()))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }
}
