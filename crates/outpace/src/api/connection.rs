//! Accepting connections, in bounded number and with a time-out for idle and slow ones.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use super::limit::Client;
use super::patience::{CLIENT_PATIENCE, Patient};

const CONNECTIONS_MAX: usize = 1024;
/// Of them from one address: it alone must not shut all others out.
const CONNECTIONS_OF_CLIENT_MAX: usize = 768;
/// For a request's head, and for the pause between two requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Serves until the process ends.
pub async fn accept(listener: TcpListener, router: Router) {
    accept_at_most(CONNECTIONS_OF_CLIENT_MAX, listener, router).await;
}

async fn accept_at_most(of_client_max: usize, listener: TcpListener, router: Router) {
    let clients = Arc::new(Clients { connections: Mutex::default(), connections_max: of_client_max });
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                // One too many is closed without an answer: who opens so many does not read it.
                let Some(admitted) = Clients::admit(&clients, Client::of(peer.ip())) else { continue };
                tokio::spawn(serve(stream, peer, router.clone(), (place, admitted)));
            }
            Err(error) => {
                // Such as no file descriptor left: the next try fails at once too.
                tracing::warn!(%error, "cannot accept an API connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// How many connections each client has.
struct Clients {
    connections: Mutex<HashMap<Client, usize>>,
    connections_max: usize,
}

impl Clients {
    fn admit(clients: &Arc<Clients>, client: Client) -> Option<Admitted> {
        let mut connections = clients.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let count = connections.entry(client).or_default();
        if *count >= clients.connections_max {
            return None;
        }
        *count += 1;
        Some(Admitted { clients: clients.clone(), client })
    }
}

/// A client's connection, counted until this is dropped.
struct Admitted {
    clients: Arc<Clients>,
    client: Client,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut connections = self.clients.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut count) = connections.entry(self.client) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    _counted: (OwnedSemaphorePermit, Admitted),
) {
    // Answers are written whole, so there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| respond(router.clone(), peer, request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream, CLIENT_PATIENCE)), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "an API connection broke");
    }
}

async fn respond(
    router: Router,
    peer: SocketAddr,
    request: hyper::Request<Incoming>,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    router.oneshot(request).await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpSocket;

    use super::*;

    /// From the nth address of this machine.
    async fn connect(to: SocketAddr, n: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::from(([127, 0, 0, n], 0))).expect("it is free");
        socket.connect(to).await.expect("it listens")
    }

    /// The first bytes of the answer; none when the connection is closed.
    async fn answer(stream: &mut TcpStream) -> Vec<u8> {
        // It may be closed already.
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let mut bytes = vec![0; 12];
        let read = stream.read_exact(&mut bytes).await;
        read.map_or_else(|_| Vec::new(), |_| bytes)
    }

    #[tokio::test]
    async fn one_address_does_not_shut_the_others_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let router = Router::new().route("/", axum::routing::get(|| async { "well" }));
        tokio::spawn(accept_at_most(2, listener, router));
        let mut greedy = Vec::new();
        for _ in 0..2 {
            let mut stream = connect(address, 1).await;
            assert_eq!(answer(&mut stream).await, b"HTTP/1.1 200");
            greedy.push(stream);
        }
        assert_eq!(answer(&mut connect(address, 1).await).await, b"", "one too many");
        assert_eq!(answer(&mut connect(address, 2).await).await, b"HTTP/1.1 200", "another address");
        greedy.pop();
        // The server learns of the end in its own time.
        while answer(&mut connect(address, 1).await).await.is_empty() {}
    }
}
