//! Which ports are free, and which rest.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

/// A telephone sends 172 bytes 50 times a second: this is seconds of it, and thousands of legs stay within the memory of a
/// small machine.
const SOCKET_BUFFER: usize = 64 * 1024;
/// Expedited forwarding (RFC 3246), as the upper six bits of the byte.
const DSCP_EF: u32 = 46 << 2;

/// Even ports of a range. Taking one and giving one back cost the same however many there are.
pub(super) struct PortPool {
    free: VecDeque<u16>,
    /// In the order in which their rest ends.
    resting: VecDeque<(Instant, u16)>,
    rest: Duration,
}

impl PortPool {
    pub(super) fn new(ports: RangeInclusive<u16>, rest: Duration) -> PortPool {
        let mut free: VecDeque<u16> = ports.filter(|port| *port != 0 && port % 2 == 0).collect();
        if !free.is_empty() {
            // After a restart, late packets of the calls before must not find a new call on their port.
            free.rotate_left(fastrand::usize(..free.len()));
        }
        PortPool { free, resting: VecDeque::new(), rest }
    }

    /// All ports, whatever their state.
    pub(super) fn len(&self) -> usize {
        self.free.len() + self.resting.len()
    }

    /// The port that has been free for longest.
    pub(super) fn take(&mut self, now: Instant) -> Option<u16> {
        while self.resting.front().is_some_and(|(until, _)| *until <= now) {
            self.free.extend(self.resting.pop_front().map(|(_, port)| port));
        }
        self.free.pop_front()
    }

    /// A port at which nothing was heard: it is the last one to be given again.
    pub(super) fn give_back(&mut self, port: u16) {
        self.free.push_back(port);
    }

    /// A port that was used, by us or by somebody else, and must not be used again at once.
    pub(super) fn rest(&mut self, port: u16, now: Instant) {
        self.resting.push_back((now + self.rest, port));
    }
}

/// A non-blocking socket on exactly this port.
pub(super) fn bind(ip: IpAddr, port: u16) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(ip, port);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    let marked = if ip.is_ipv4() { socket.set_tos_v4(DSCP_EF) } else { socket.set_tclass_v6(DSCP_EF) };
    if let Err(error) = marked {
        // Sound is heard without it, too; it only loses its priority in the network.
        tracing::debug!(%error, "no DSCP mark on the RTP socket");
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(5);

    #[test]
    fn only_even_ports_are_given_and_each_once() {
        let now = Instant::now();
        let mut pool = PortPool::new(10_001..=10_010, REST);
        let mut taken: Vec<u16> = std::iter::from_fn(|| pool.take(now)).collect();
        taken.sort_unstable();
        assert_eq!(taken, [10_002, 10_004, 10_006, 10_008, 10_010]);
    }

    #[test]
    fn a_port_rests_before_it_is_given_again() {
        let now = Instant::now();
        let mut pool = PortPool::new(10_000..=10_001, REST);
        let port = pool.take(now).expect("one port");
        pool.rest(port, now);
        assert_eq!(pool.take(now + REST - Duration::from_millis(1)), None);
        assert_eq!(pool.take(now + REST), Some(port));
    }

    #[test]
    fn the_highest_port_and_an_empty_range_are_no_trouble() {
        assert_eq!(PortPool::new(65_535..=65_535, REST).take(Instant::now()), None);
        assert_eq!(PortPool::new(65_534..=65_535, REST).take(Instant::now()), Some(65_534));
        #[expect(clippy::reversed_empty_ranges)]
        let mut reversed = PortPool::new(200..=100, REST);
        assert_eq!(reversed.take(Instant::now()), None);
    }
}
