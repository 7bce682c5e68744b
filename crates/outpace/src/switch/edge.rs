//! The SIP sockets: one UDP socket, one TCP listener, and a pair of small tasks per TCP connection.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sip::{Flow, Transmit, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;

const CONNECTIONS_MAX: usize = 4096;
/// Messages that wait for a slow TCP peer before its connection is closed.
const WRITES_MAX: usize = 256;
const EVENTS_MAX: usize = 4096;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection without a byte for this long is closed; phones keep theirs alive (RFC 5626 §3.5.1).
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
const UDP_BUFFER: usize = 4 << 20;

pub struct Edge {
    pub udp: Arc<UdpSocket>,
    events: mpsc::Receiver<TcpEvent>,
    events_in: mpsc::Sender<TcpEvent>,
    connections: HashMap<u64, Connection>,
    by_peer: HashMap<SocketAddr, u64>,
    connection_next: u64,
}

struct Connection {
    peer: SocketAddr,
    writes: mpsc::Sender<Vec<u8>>,
}

pub enum TcpEvent {
    Accepted {
        stream: TcpStream,
        peer: SocketAddr,
    },
    Data {
        connection: u64,
        peer: SocketAddr,
        bytes: Vec<u8>,
    },
    Closed {
        connection: u64,
    },
    /// A connection of ours did not come up.
    Failed {
        connection: u64,
        peer: SocketAddr,
    },
}

impl Edge {
    /// UDP and TCP on the same port; port 0 means any.
    pub async fn bind(listen: SocketAddr) -> io::Result<(Edge, SocketAddr)> {
        let (udp, tcp) = bind_pair(listen).await?;
        let address = udp.local_addr()?;
        let (events_in, events) = mpsc::channel(EVENTS_MAX);
        tokio::spawn(accept(tcp, events_in.clone()));
        let edge = Edge {
            udp: Arc::new(udp),
            events,
            events_in,
            connections: HashMap::new(),
            by_peer: HashMap::new(),
            connection_next: 1,
        };
        Ok((edge, address))
    }

    pub async fn tcp_event(&mut self) -> Option<TcpEvent> {
        self.events.recv().await
    }

    /// Books a connection that was accepted; refuses it (by dropping) past the limit.
    pub fn accepted(&mut self, stream: TcpStream, peer: SocketAddr) {
        if self.connections.len() >= CONNECTIONS_MAX {
            return;
        }
        let (connection, writes) = self.book(peer);
        tokio::spawn(serve(stream, connection, peer, self.events_in.clone(), writes));
    }

    pub fn closed(&mut self, connection: u64) {
        if let Some(old) = self.connections.remove(&connection)
            && self.by_peer.get(&old.peer) == Some(&connection)
        {
            self.by_peer.remove(&old.peer);
        }
    }

    /// Sends without waiting. A full UDP buffer drops the datagram (SIP repeats it); a TCP peer that does not read
    /// loses its connection. False when the flow cannot be used.
    pub fn send(&mut self, transmit: Transmit) -> bool {
        let Flow { transport, peer, connection } = transmit.flow;
        match transport {
            Transport::Udp => {
                let _ = self.udp.try_send_to(&transmit.bytes, peer);
                true
            }
            Transport::Tcp => self.send_tcp(peer, connection, transmit.bytes),
        }
    }

    fn send_tcp(&mut self, peer: SocketAddr, connection: u64, bytes: Vec<u8>) -> bool {
        let known = if self.connections.contains_key(&connection) {
            Some(connection)
        } else {
            self.by_peer.get(&peer).copied()
        };
        let connection = match known {
            Some(connection) => connection,
            None if self.connections.len() >= CONNECTIONS_MAX => return false,
            None => {
                let (connection, writes) = self.book(peer);
                tokio::spawn(connect(connection, peer, self.events_in.clone(), writes));
                connection
            }
        };
        let sent = self.connections.get(&connection).is_some_and(|c| c.writes.try_send(bytes).is_ok());
        if !sent {
            self.closed(connection);
        }
        sent
    }

    fn book(&mut self, peer: SocketAddr) -> (u64, mpsc::Receiver<Vec<u8>>) {
        let connection = self.connection_next;
        self.connection_next += 1;
        let (writes, queue) = mpsc::channel(WRITES_MAX);
        self.connections.insert(connection, Connection { peer, writes });
        self.by_peer.insert(peer, connection);
        (connection, queue)
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

async fn accept(listener: TcpListener, events: mpsc::Sender<TcpEvent>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if events.send(TcpEvent::Accepted { stream, peer }).await.is_err() {
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

async fn connect(
    connection: u64,
    peer: SocketAddr,
    events: mpsc::Sender<TcpEvent>,
    writes: mpsc::Receiver<Vec<u8>>,
) {
    match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(peer)).await {
        Ok(Ok(stream)) => serve(stream, connection, peer, events, writes).await,
        _ => {
            let _ = events.send(TcpEvent::Failed { connection, peer }).await;
        }
    }
}

async fn serve(
    stream: TcpStream,
    connection: u64,
    peer: SocketAddr,
    events: mpsc::Sender<TcpEvent>,
    writes: mpsc::Receiver<Vec<u8>>,
) {
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    tokio::select! {
        () = read_all(read, connection, peer, &events) => {}
        () = write_all(write, writes) => {}
    }
    let _ = events.send(TcpEvent::Closed { connection }).await;
}

async fn read_all(
    mut read: OwnedReadHalf,
    connection: u64,
    peer: SocketAddr,
    events: &mpsc::Sender<TcpEvent>,
) {
    let mut buffer = vec![0; 8192];
    while let Ok(Ok(n)) = tokio::time::timeout(IDLE_TIMEOUT, read.read(&mut buffer)).await {
        let bytes = buffer[..n].to_vec();
        if n == 0 || events.send(TcpEvent::Data { connection, peer, bytes }).await.is_err() {
            return;
        }
    }
}

/// Ends when the connection is forgotten (its sender dropped), the peer is gone, or does not read.
async fn write_all(mut write: OwnedWriteHalf, mut writes: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = writes.recv().await {
        if !matches!(tokio::time::timeout(WRITE_TIMEOUT, write.write_all(&bytes)).await, Ok(Ok(()))) {
            return;
        }
    }
}
