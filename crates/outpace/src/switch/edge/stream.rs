//! Octets in and out of a TCP or TLS connection; messages are cut out of them by the endpoint.

use std::net::SocketAddr;
use std::time::Duration;

use sip::Flow;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{Line, TcpEvent};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection without a byte for this long is closed; phones keep theirs alive (RFC 5626 §3.5.1).
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

pub(super) async fn connect(peer: SocketAddr) -> Option<TcpStream> {
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(peer)).await.ok()?.ok()?;
    let _ = stream.set_nodelay(true);
    Some(stream)
}

/// Ends when either side has gone, or the connection was forgotten.
pub(super) async fn serve(stream: impl AsyncRead + AsyncWrite, line: &mut Line) {
    let (read, write) = tokio::io::split(stream);
    let Line { flow, events, writes } = line;
    tokio::select! {
        () = read_all(read, *flow, events) => {}
        () = write_all(write, writes) => {}
    }
}

async fn read_all(mut read: impl AsyncRead + Unpin, flow: Flow, events: &mpsc::Sender<TcpEvent>) {
    let mut buffer = vec![0; 8192];
    while let Ok(Ok(n)) = tokio::time::timeout(IDLE_TIMEOUT, read.read(&mut buffer)).await {
        let bytes = buffer[..n].to_vec();
        if n == 0 || events.send(TcpEvent::Data { flow, bytes }).await.is_err() {
            return;
        }
    }
}

/// Ends when the connection is forgotten (its sender dropped), the peer is gone, or does not read.
async fn write_all(mut write: impl AsyncWrite + Unpin, writes: &mut mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = writes.recv().await {
        let written = async {
            write.write_all(&bytes).await?;
            // TLS keeps what is not flushed.
            write.flush().await
        };
        if !matches!(tokio::time::timeout(WRITE_TIMEOUT, written).await, Ok(Ok(()))) {
            return;
        }
    }
}
