//! What the kernel alone takes for a packet: a receive and a send on connected sockets, one pair after the other, nothing
//! else. No relay in user space on such sockets can take less.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use media::rtp::HEADER_LEN;
use rustix::time::{ClockId, clock_gettime};

use crate::generator::Generator;
use crate::{Result, cpu};

/// The first ones warm up.
const ROUNDS: u32 = 20;
const COLD: u32 = 5;

/// Microseconds a packet, with as many sockets as the relay has for the generator's calls.
pub fn us_per_packet(generator: &Generator) -> Result<f64> {
    cpu::pin(std::process::id(), cpu::RELAY)?;
    let parties: Vec<_> = generator.parties().map(|party| party.address).collect();
    let legs: Vec<UdpSocket> =
        parties.iter().map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))).collect::<std::io::Result<_>>()?;
    let speakers: Vec<UdpSocket> =
        (0..64).map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))).collect::<std::io::Result<_>>()?;
    let mut packet = [0xd5; HEADER_LEN + 160];
    let mut took = Duration::ZERO;
    for round in 0..ROUNDS {
        for (n, leg) in legs.iter().enumerate() {
            let speaker = &speakers[n % speakers.len()];
            leg.connect(speaker.local_addr()?)?;
            speaker.send_to(&packet, leg.local_addr()?)?;
        }
        let begun = cpu_time();
        for leg in &legs {
            leg.recv(&mut packet)?;
            leg.send(&packet)?;
        }
        if round >= COLD {
            took += cpu_time() - begun;
        }
        for (n, _) in legs.iter().enumerate() {
            speakers[n % speakers.len()].recv(&mut packet)?;
        }
    }
    cpu::pin(std::process::id(), cpu::GENERATOR)?;
    Ok(took.as_secs_f64() * 1e6 / f64::from(ROUNDS - COLD) / legs.len().max(1) as f64)
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}
