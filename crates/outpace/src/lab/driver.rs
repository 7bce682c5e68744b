//! Runs a SIP endpoint on one UDP socket: the owner waits, takes events, gives commands to the endpoint, and waits again.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use sip::{Endpoint, EndpointConfig, Event, Flow, Transport};
use tokio::net::UdpSocket;

/// Datagrams taken before the owner gets its turn.
const BATCH: usize = 64;
/// Where SIP ends by any account (RFC 3261 §18.1.1 speaks of 65 535).
const DATAGRAM_MAX: usize = 65_535;
const USER_AGENT: &str = concat!("outpace-lab/", env!("CARGO_PKG_VERSION"));

pub struct Driver {
    /// Commands go straight to it; `wait` sends what they caused.
    pub endpoint: Endpoint,
    socket: UdpSocket,
    addr: SocketAddr,
    epoch: Instant,
    buffer: Vec<u8>,
}

impl Driver {
    /// Binds the socket. With a listening address of 0.0.0.0, messages name the address that routes to the outside.
    pub async fn bind(listen: SocketAddr) -> io::Result<Driver> {
        let socket = UdpSocket::bind(listen).await?;
        let mut addr = socket.local_addr()?;
        if addr.ip().is_unspecified() {
            addr.set_ip(outside_address().await);
        }
        let config = EndpointConfig {
            udp: addr,
            tcp: addr,
            tls: addr,
            ws: addr,
            wss: addr,
            user_agent: USER_AGENT.into(),
            realm: "lab".into(),
            session_expires: None,
            register_expires_min: Duration::from_secs(30),
            register_expires_max: Duration::from_secs(3600),
            transactions_max: 100_000,
            dialogs_max: 50_000,
            invites_per_second_max: 0,
        };
        // Never the lab's own seed: a second run would send the branches and Call-IDs of the first, and a server that
        // has not forgotten those would take its requests for repetitions.
        let endpoint = Endpoint::new(config, fastrand::u64(..));
        Ok(Driver { endpoint, socket, addr, epoch: Instant::now(), buffer: vec![0; DATAGRAM_MAX] })
    }

    /// The address in Via and Contact.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The endpoint's clock: time since this driver was made.
    pub fn now(&self) -> Duration {
        self.epoch.elapsed()
    }

    pub fn flow_to(&self, peer: SocketAddr) -> Flow {
        Flow { transport: Transport::Udp, peer, connection: 0 }
    }

    /// Sends what waits, then waits for datagrams, the endpoint's deadline or `until`, whichever comes first.
    /// May be dropped at any time.
    pub async fn wait(&mut self, until: Option<Duration>) -> io::Result<()> {
        self.flush();
        let now = self.now();
        let deadline = [until, self.endpoint.deadline()].into_iter().flatten().min();
        // Without a deadline the socket alone wakes us.
        let pause = deadline.map_or(Duration::from_secs(3600), |at| at.saturating_sub(now));
        tokio::select! {
            ready = self.socket.readable() => {
                ready?;
                self.receive();
            }
            () = tokio::time::sleep(pause) => {}
        }
        let now = self.now();
        if self.endpoint.deadline().is_some_and(|at| at <= now) {
            self.endpoint.handle_timeout(now);
        }
        self.flush();
        Ok(())
    }

    pub fn event(&mut self) -> Option<Event> {
        self.endpoint.poll_event()
    }

    fn receive(&mut self) {
        for _ in 0..BATCH {
            // Besides "would block", an error is what an earlier datagram met (ICMP); SIP's timers deal with that.
            let Ok((length, peer)) = self.socket.try_recv_from(&mut self.buffer) else { return };
            let flow = Flow { transport: Transport::Udp, peer, connection: 0 };
            let now = self.epoch.elapsed();
            self.endpoint.receive(now, flow, &self.buffer[..length]);
        }
    }

    fn flush(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            // What does not fit into the socket is lost as on any network, and SIP sends it again.
            let _ = self.socket.try_send_to(&transmit.bytes, transmit.flow.peer);
        }
    }
}

/// The address of the interface that leads outside. Connecting a UDP socket sends nothing.
async fn outside_address() -> IpAddr {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await else { return loopback };
    match socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).await {
        Ok(()) => socket.local_addr().map_or(loopback, |addr| addr.ip()),
        Err(_) => loopback,
    }
}
