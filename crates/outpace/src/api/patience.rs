//! Connections whose client takes nothing are given up: otherwise one that never reads its answers keeps its place for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// How long a client may take nothing of what is sent to it.
pub const CLIENT_PATIENCE: Duration = Duration::from_secs(60);

/// A stream whose writes fail when none gets anywhere for so long.
pub struct Patient<S> {
    stream: S,
    patience: Duration,
    sleep: Pin<Box<Sleep>>,
    /// A write waits for the client, and `sleep` runs.
    is_waiting: bool,
}

impl<S> Patient<S> {
    pub fn new(stream: S, patience: Duration) -> Patient<S> {
        Patient { stream, patience, sleep: Box::pin(tokio::time::sleep(patience)), is_waiting: false }
    }
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    fn wait<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(done) = write(Pin::new(&mut self.stream), cx) {
            self.is_waiting = false;
            return Poll::Ready(done);
        }
        if !std::mem::replace(&mut self.is_waiting, true) {
            self.sleep.as_mut().reset(Instant::now() + self.patience);
        }
        ready!(self.sleep.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.wait(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wait(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wait(cx, |stream, cx| stream.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.wait(cx, |stream, cx| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const SHORT: Duration = Duration::from_millis(200);

    #[tokio::test]
    async fn who_takes_nothing_is_given_up() {
        let (near, mut far) = tokio::io::duplex(8);
        let mut near = Patient::new(near, SHORT);
        let failed = near.write_all(b"more than eight bytes").await.expect_err("nobody reads");
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        let mut taken = [0; 8];
        far.read_exact(&mut taken).await.expect("what went before");
        assert_eq!(&taken, b"more tha");
    }

    #[tokio::test]
    async fn who_takes_a_little_again_and_again_is_not() {
        let (near, mut far) = tokio::io::duplex(8);
        let mut near = Patient::new(near, SHORT);
        let sent = [7; 80];
        let reading = async {
            let mut taken = Vec::new();
            while taken.len() < sent.len() {
                // Longer in all than is waited for at once.
                tokio::time::sleep(SHORT / 4).await;
                let mut some = [0; 8];
                let n = far.read(&mut some).await.expect("it is open");
                taken.extend_from_slice(&some[..n]);
            }
            taken
        };
        let (written, taken) = tokio::join!(near.write_all(&sent), reading);
        written.expect("it went on");
        assert_eq!(taken, sent);
    }
}
