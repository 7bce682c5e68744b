//! The SIP sockets: one UDP socket, listeners for TCP, TLS, WS and WSS, and a small task or two per connection.

mod stream;
mod tls;
mod websocket;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sip::{Flow, Transmit, Transport};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;

pub use tls::{TlsPeer, check_pem, is_pem};

const CONNECTIONS_MAX: usize = 4096;
/// Messages that wait for a slow peer before its connection is closed.
const WRITES_MAX: usize = 256;
const EVENTS_MAX: usize = 4096;
const UDP_BUFFER: usize = 4 << 20;

/// Where it listens, and with what.
#[derive(Clone, Debug, Default)]
pub struct EdgeConfig {
    pub tls_listen: Option<SocketAddr>,
    pub ws_listen: Option<SocketAddr>,
    pub wss_listen: Option<SocketAddr>,
    /// PEM files; needed for TLS and WSS.
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// Web pages (`https://host[:port]`) that may open a WebSocket; empty: any.
    pub ws_origins: Vec<String>,
}

/// Where it really listens.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// UDP and TCP.
    pub plain: SocketAddr,
    pub tls: Option<SocketAddr>,
    pub ws: Option<SocketAddr>,
    pub wss: Option<SocketAddr>,
}

pub struct Edge {
    pub udp: Arc<UdpSocket>,
    events: mpsc::Receiver<TcpEvent>,
    events_in: mpsc::Sender<TcpEvent>,
    connections: HashMap<u64, Connection>,
    by_peer: HashMap<(Transport, SocketAddr), u64>,
    connection_next: u64,
    /// For connections that come in; None: no certificate is set.
    acceptor: Option<tls::Acceptor>,
    /// Who must answer at an address that we connect to over TLS.
    tls_peers: HashMap<SocketAddr, TlsPeer>,
    ws_origins: Arc<[String]>,
}

struct Connection {
    transport: Transport,
    peer: SocketAddr,
    writes: mpsc::Sender<Vec<u8>>,
}

pub enum TcpEvent {
    Accepted {
        stream: TcpStream,
        peer: SocketAddr,
        transport: Transport,
    },
    Data {
        flow: Flow,
        bytes: Vec<u8>,
    },
    Closed {
        connection: u64,
    },
    /// A connection of ours did not come up.
    Failed {
        connection: u64,
        transport: Transport,
        peer: SocketAddr,
    },
}

/// A connection's task: what it tells the run loop, and what it is to write.
struct Line {
    flow: Flow,
    events: mpsc::Sender<TcpEvent>,
    writes: mpsc::Receiver<Vec<u8>>,
}

impl Line {
    /// False: the run loop is gone.
    async fn received(&self, bytes: Vec<u8>) -> bool {
        self.events.send(TcpEvent::Data { flow: self.flow, bytes }).await.is_ok()
    }
}

impl Edge {
    /// UDP and TCP on the same port; port 0 means any.
    pub async fn bind(listen: SocketAddr, config: &EdgeConfig) -> anyhow::Result<(Edge, Bound)> {
        use anyhow::Context;
        let acceptor = tls::Acceptor::open(config)?;
        let (udp, tcp) = bind_pair(listen).await.with_context(|| format!("cannot bind SIP to {listen}"))?;
        let plain = udp.local_addr()?;
        let (events_in, events) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(accept(tcp, Transport::Tcp, events_in.clone()));
        let more = [
            (config.tls_listen, Transport::Tls),
            (config.ws_listen, Transport::Ws),
            (config.wss_listen, Transport::Wss),
        ];
        let mut bound = [None; 3];
        for (place, (listen, transport)) in bound.iter_mut().zip(more) {
            let Some(listen) = listen else { continue };
            let needs_cert = transport != Transport::Ws;
            anyhow::ensure!(
                !needs_cert || acceptor.is_some(),
                "sip.tls_listen and sip.wss_listen need sip.tls_cert and sip.tls_key"
            );
            let listener =
                TcpListener::bind(listen).await.with_context(|| format!("cannot bind SIP to {listen}"))?;
            *place = Some(listener.local_addr()?);
            tokio::spawn(accept(listener, transport, events_in.clone()));
        }
        let edge = Edge {
            udp: Arc::new(udp),
            events,
            events_in,
            connections: HashMap::new(),
            by_peer: HashMap::new(),
            connection_next: 1,
            acceptor,
            tls_peers: HashMap::new(),
            ws_origins: config.ws_origins.iter().map(|o| o.trim_end_matches('/').to_owned()).collect(),
        };
        let [tls, ws, wss] = bound;
        Ok((edge, Bound { plain, tls, ws, wss }))
    }

    pub async fn tcp_event(&mut self) -> Option<TcpEvent> {
        self.events.recv().await
    }

    /// From now on these certificates are asked for where we connect over TLS.
    pub fn put_tls_peers(&mut self, peers: HashMap<SocketAddr, TlsPeer>) {
        self.tls_peers = peers;
    }

    /// Books a connection that was accepted; refuses it (by dropping) past the limit.
    pub fn accepted(&mut self, stream: TcpStream, peer: SocketAddr, transport: Transport) {
        if self.connections.len() >= CONNECTIONS_MAX {
            return;
        }
        let line = self.book(transport, peer);
        let acceptor = self.acceptor.clone().filter(|_| transport != Transport::Tcp);
        let origins = self.ws_origins.clone();
        tokio::spawn(serve_accepted(stream, line, acceptor, origins));
    }

    pub fn closed(&mut self, connection: u64) {
        if let Some(old) = self.connections.remove(&connection)
            && self.by_peer.get(&(old.transport, old.peer)) == Some(&connection)
        {
            self.by_peer.remove(&(old.transport, old.peer));
        }
    }

    /// Sends without waiting. A full UDP buffer drops the datagram (SIP repeats it); a peer that does not read loses its
    /// connection. False when the flow cannot be used.
    pub fn send(&mut self, transmit: Transmit) -> bool {
        let Flow { transport, peer, .. } = transmit.flow;
        if transport == Transport::Udp {
            let _ = self.udp.try_send_to(&transmit.bytes, peer);
            return true;
        }
        self.send_stream(transmit.flow, transmit.bytes)
    }

    fn send_stream(&mut self, flow: Flow, bytes: Vec<u8>) -> bool {
        let Flow { transport, peer, connection } = flow;
        let known = if self.connections.contains_key(&connection) {
            Some(connection)
        } else {
            self.by_peer.get(&(transport, peer)).copied()
        };
        let connection = match known {
            Some(connection) => connection,
            None if self.connections.len() >= CONNECTIONS_MAX => return false,
            // Only the far end can open a WebSocket.
            None if matches!(transport, Transport::Ws | Transport::Wss) => return false,
            None => {
                let line = self.book(transport, peer);
                let connection = line.flow.connection;
                let tls = (transport == Transport::Tls)
                    .then(|| self.tls_peers.get(&peer).cloned().unwrap_or_else(|| TlsPeer::at(peer)));
                tokio::spawn(connect(line, tls));
                connection
            }
        };
        let sent = self.connections.get(&connection).is_some_and(|c| c.writes.try_send(bytes).is_ok());
        if !sent {
            self.closed(connection);
        }
        sent
    }

    fn book(&mut self, transport: Transport, peer: SocketAddr) -> Line {
        let connection = self.connection_next;
        self.connection_next += 1;
        let (writes, queue) = mpsc::channel(WRITES_MAX);
        self.connections.insert(connection, Connection { transport, peer, writes });
        self.by_peer.insert((transport, peer), connection);
        let flow = Flow { transport, peer, connection };
        Line { flow, events: self.events_in.clone(), writes: queue }
    }
}

async fn bind_pair(listen: SocketAddr) -> io::Result<(UdpSocket, TcpListener)> {
    // With port 0 the UDP socket picks one that TCP may have given away: try a few.
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..16 {
        let udp = udp_socket(listen)?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) => last = error,
        }
        if listen.port() != 0 {
            break;
        }
    }
    Err(last)
}

fn udp_socket(listen: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(listen), socket2::Type::DGRAM, None)?;
    socket.set_nonblocking(true)?;
    // The kernel grants what net.core.*mem_max allows; less is no reason to fail.
    let _ = socket.set_recv_buffer_size(UDP_BUFFER);
    let _ = socket.set_send_buffer_size(UDP_BUFFER);
    socket.bind(&listen.into())?;
    UdpSocket::from_std(socket.into())
}

async fn accept(listener: TcpListener, transport: Transport, events: mpsc::Sender<TcpEvent>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if events.send(TcpEvent::Accepted { stream, peer, transport }).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a SIP connection failed");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve_accepted(
    stream: TcpStream,
    mut line: Line,
    acceptor: Option<tls::Acceptor>,
    origins: Arc<[String]>,
) {
    let _ = stream.set_nodelay(true);
    match (line.flow.transport, acceptor) {
        (Transport::Tls, Some(acceptor)) => {
            if let Some(stream) = acceptor.accept(stream).await {
                stream::serve(stream, &mut line).await;
            }
        }
        (Transport::Wss, Some(acceptor)) => {
            if let Some(stream) = acceptor.accept(stream).await {
                websocket::serve(stream, &mut line, &origins).await;
            }
        }
        (Transport::Ws, _) => websocket::serve(stream, &mut line, &origins).await,
        (Transport::Tcp, _) => stream::serve(stream, &mut line).await,
        // `bind` opens no such listener without a certificate.
        (Transport::Tls | Transport::Wss, None) | (Transport::Udp, _) => {}
    }
    let _ = line.events.send(TcpEvent::Closed { connection: line.flow.connection }).await;
}

async fn connect(mut line: Line, tls: Option<TlsPeer>) {
    let Flow { transport, peer, connection } = line.flow;
    let failed = TcpEvent::Failed { connection, transport, peer };
    let Some(stream) = stream::connect(peer).await else {
        let _ = line.events.send(failed).await;
        return;
    };
    match tls {
        None => stream::serve(stream, &mut line).await,
        Some(tls) => match tls.connect(stream).await {
            Ok(stream) => stream::serve(stream, &mut line).await,
            Err(error) => {
                tracing::warn!(%peer, %error, "no TLS with a trunk");
                let _ = line.events.send(failed).await;
                return;
            }
        },
    }
    let _ = line.events.send(TcpEvent::Closed { connection }).await;
}
