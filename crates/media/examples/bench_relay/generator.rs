//! All parties of all calls, on one thread. To cost less than the relay, parties share sockets (the relay's ports tell
//! them apart), and it looks at what has come once a millisecond instead of being woken for every packet.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use media::FRAME;
use media::rtp::{self, HEADER_LEN, Header};
use rustix::io::Errno;
use rustix::net::{MMsgHdr, RecvFlags, SendFlags, SocketAddrAny};

use crate::Result;

/// The parties speak one after another within the 20 ms, in this many groups.
const GROUPS: usize = 20;
/// Those of one group share so many sockets; the two parties of a call never share one.
const SOCKETS_PER_GROUP: usize = 12;
const SOCKET_BUFFER: usize = 4 << 20;
const PACKET_LEN: usize = HEADER_LEN + 160;
/// Time of sending in nanoseconds, and the party's number.
const STAMP_LEN: usize = 8 + 4;
/// What is still on its way when a run ends.
const LAST: Duration = Duration::from_millis(500);

pub struct Generator {
    sockets: Vec<UdpSocket>,
    /// Parties by socket.
    members: Vec<Vec<usize>>,
    parties: Vec<Party>,
    base: Instant,
    pub sent: u64,
    pub misdelivered: u64,
    pub delays_us: Vec<u32>,
    /// How late this generator itself was with its slices of a millisecond.
    pub lateness_us: Vec<u32>,
}

pub struct Party {
    pub address: SocketAddr,
    socket: usize,
    next: Header,
}

impl Generator {
    /// Calls are the parties 0 and 1, 2 and 3, and so on.
    pub fn new(calls: usize) -> Result<Generator> {
        let count = GROUPS * SOCKETS_PER_GROUP;
        let sockets: Vec<UdpSocket> = (0..count).map(|_| bind()).collect::<Result<_>>()?;
        let mut members = vec![Vec::new(); count];
        let mut parties = Vec::new();
        for party in 0..2 * calls {
            // One group after the other; in a group, the even sockets are for customers.
            let (call, side) = (party / 2, party % 2);
            let (group, place) = (party % GROUPS, call / GROUPS % (SOCKETS_PER_GROUP / 2));
            let socket = group * SOCKETS_PER_GROUP + 2 * place + side;
            members[socket].push(party);
            let next =
                Header { marker: false, payload_type: 8, sequence: 0, timestamp: 0, ssrc: party as u32 };
            parties.push(Party { address: sockets[socket].local_addr()?, socket, next });
        }
        Ok(Generator {
            sockets,
            members,
            parties,
            base: Instant::now(),
            sent: 0,
            misdelivered: 0,
            delays_us: Vec::new(),
            lateness_us: Vec::new(),
        })
    }

    pub fn parties(&self) -> impl Iterator<Item = &Party> {
        self.parties.iter()
    }

    pub fn calls(&self) -> usize {
        self.parties.len() / 2
    }

    /// What was counted so far.
    pub fn forget(&mut self) {
        (self.sent, self.misdelivered) = (0, 0);
        self.delays_us.clear();
        self.lateness_us.clear();
    }

    /// Speaks and listens; `legs` are the relay's addresses for the parties.
    pub fn run(&mut self, legs: &[SocketAddr], duration: Duration) -> Result<()> {
        let legs: Vec<SocketAddrAny> = legs.iter().map(|leg| SocketAddrAny::from(*leg)).collect();
        let begun = Instant::now();
        let slice = FRAME / GROUPS as u32;
        let slices = (duration.as_micros() / slice.as_micros()) as u32;
        for n in 0..slices {
            let due = begun + slice * n;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.lateness_us.push(due.elapsed().as_micros() as u32);
            self.listen()?;
            self.speak(n as usize % GROUPS, &legs)?;
        }
        let end = Instant::now() + LAST;
        while Instant::now() < end {
            std::thread::sleep(slice);
            self.listen()?;
        }
        Ok(())
    }

    fn speak(&mut self, group: usize, legs: &[SocketAddrAny]) -> Result<()> {
        for socket in group * SOCKETS_PER_GROUP..(group + 1) * SOCKETS_PER_GROUP {
            let now = self.base.elapsed().as_nanos() as u64;
            let members = &self.members[socket];
            let mut packets: Vec<[u8; PACKET_LEN]> = Vec::with_capacity(members.len());
            for &party in members {
                packets.push(packet(&mut self.parties[party].next, now, party));
            }
            let slices: Vec<[IoSlice<'_>; 1]> = packets.iter().map(|packet| [IoSlice::new(packet)]).collect();
            let mut controls: Vec<_> = members.iter().map(|_| Default::default()).collect();
            let mut messages: Vec<MMsgHdr<'_>> = std::iter::zip(members, &slices)
                .zip(&mut controls)
                .map(|((party, slice), control)| MMsgHdr::new_with_addr(&legs[*party], slice, control))
                .collect();
            let mut rest = &mut messages[..];
            while !rest.is_empty() {
                let sent = rustix::net::sendmmsg(&self.sockets[socket], rest, SendFlags::empty())?;
                self.sent += sent as u64;
                rest = &mut rest[sent..];
            }
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<()> {
        let mut datagram = [0; 2048];
        for socket in 0..self.sockets.len() {
            loop {
                match rustix::net::recv(&self.sockets[socket], &mut datagram[..], RecvFlags::DONTWAIT) {
                    Ok((len, _)) => self.heard(socket, &datagram[..len]),
                    Err(Errno::AGAIN) => break,
                    Err(Errno::INTR | Errno::CONNREFUSED) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn heard(&mut self, socket: usize, datagram: &[u8]) {
        let Ok(parsed) = rtp::parse(datagram) else { return };
        let payload = &datagram[parsed.payload()];
        let Some(stamp) = payload.first_chunk::<STAMP_LEN>() else { return };
        let [time @ .., a, b, c, d] = *stamp;
        let from = u32::from_be_bytes([a, b, c, d]) as usize;
        if self.parties.get(from ^ 1).is_none_or(|party| party.socket != socket) {
            self.misdelivered += 1;
            return;
        }
        let delay = self.base.elapsed().saturating_sub(Duration::from_nanos(u64::from_be_bytes(time)));
        self.delays_us.push(delay.as_micros() as u32);
    }
}

fn bind() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket2::SockRef::from(&socket).set_recv_buffer_size(SOCKET_BUFFER)?;
    Ok(socket)
}

fn packet(next: &mut Header, now: u64, party: usize) -> [u8; PACKET_LEN] {
    let mut packet = [0xd5; PACKET_LEN];
    packet[..HEADER_LEN].copy_from_slice(&next.to_bytes());
    packet[HEADER_LEN..HEADER_LEN + 8].copy_from_slice(&now.to_be_bytes());
    packet[HEADER_LEN + 8..HEADER_LEN + STAMP_LEN].copy_from_slice(&(party as u32).to_be_bytes());
    next.sequence = next.sequence.wrapping_add(1);
    next.timestamp = next.timestamp.wrapping_add(160);
    packet
}
