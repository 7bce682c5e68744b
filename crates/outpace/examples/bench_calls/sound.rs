//! Sound of customers and agents, to see when a call is open in both directions: a packet of G.711 every 10 ms from
//! everybody, on one socket for all customers and one for all agents. The server's ports tell its legs apart.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Result;
use crate::server::local;

const EVERY: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_millis(1);
const HEADER: usize = 12;
const PAYLOAD: usize = 80;
/// What an agent's payload begins with; a customer's begins with the port of the server's leg.
const AGENT: [u8; 2] = [0, 0];

/// A customer from the answer on.
struct Customer {
    answered: Instant,
    heard_agent: Option<Duration>,
    heard_by_agent: Option<Duration>,
}

#[derive(Default)]
struct Parties {
    /// By the port of the server's leg.
    customers: HashMap<u16, Customer>,
    agents: HashSet<u16>,
    opened_us: Vec<u32>,
    never: u64,
}

/// Where the legs' sound is; the thread sends and hears it.
pub struct Sounds {
    parties: Arc<Mutex<Parties>>,
    /// Ports at which customers and agents hear.
    pub ports: [u16; 2],
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sounds {
    pub fn start() -> Result<Sounds> {
        let sockets = [bind()?, bind()?];
        let ports = [sockets[0].local_addr()?.port(), sockets[1].local_addr()?.port()];
        let (parties, stop) = (Arc::<Mutex<Parties>>::default(), Arc::<AtomicBool>::default());
        let (theirs, ends) = (parties.clone(), stop.clone());
        let thread = std::thread::Builder::new().name("sound".into()).spawn(move || {
            if let Err(error) = run(&sockets, &theirs, &ends) {
                eprintln!("the sound failed: {error}");
            }
        })?;
        Ok(Sounds { parties, ports, stop, thread: Some(thread) })
    }

    pub fn customer_answers(&self, port: u16) {
        let customer = Customer { answered: Instant::now(), heard_agent: None, heard_by_agent: None };
        lock(&self.parties).customers.insert(port, customer);
    }

    pub fn agent_answers(&self, port: u16) {
        lock(&self.parties).agents.insert(port);
    }

    pub fn over(&self, port: u16) {
        let mut parties = lock(&self.parties);
        parties.agents.remove(&port);
        let Some(customer) = parties.customers.remove(&port) else { return };
        match customer.heard_agent.zip(customer.heard_by_agent) {
            Some((a, b)) => parties.opened_us.push(a.max(b).as_micros() as u32),
            None => parties.never += 1,
        }
    }

    /// From each customer's answer until he had heard the agent and the agent had heard him, sorted; and how many never did.
    pub fn opened_us(&self) -> (Vec<u32>, u64) {
        let parties = lock(&self.parties);
        let mut opened = parties.opened_us.clone();
        opened.sort_unstable();
        (opened, parties.never)
    }
}

impl Drop for Sounds {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(parties: &Mutex<Parties>) -> std::sync::MutexGuard<'_, Parties> {
    parties.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bind() -> Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20)?;
    Ok(socket)
}

fn run(sockets: &[UdpSocket; 2], parties: &Mutex<Parties>, stop: &AtomicBool) -> Result<()> {
    let (mut due, mut sequence) = (Instant::now(), 0_u16);
    while !stop.load(Ordering::Relaxed) {
        hear(sockets, &mut lock(parties))?;
        if due.elapsed() >= EVERY {
            due += EVERY;
            sequence = sequence.wrapping_add(1);
            let to: [Vec<u16>; 2] = {
                let parties = lock(parties);
                [parties.customers.keys().copied().collect(), parties.agents.iter().copied().collect()]
            };
            for port in &to[0] {
                send(&sockets[0], *port, sequence, port.to_be_bytes())?;
            }
            for port in &to[1] {
                send(&sockets[1], *port, sequence, AGENT)?;
            }
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

fn send(socket: &UdpSocket, port: u16, sequence: u16, mark: [u8; 2]) -> Result<()> {
    let mut packet = [0xd5; HEADER + PAYLOAD];
    packet[..2].copy_from_slice(&[0x80, 8]);
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[4..8].copy_from_slice(&(u32::from(sequence) * PAYLOAD as u32).to_be_bytes());
    packet[8..12].copy_from_slice(&u32::from(port).to_be_bytes());
    packet[HEADER..HEADER + 2].copy_from_slice(&mark);
    match socket.send_to(&packet, local(port)) {
        // The leg is closed already, and the system tells so.
        Err(error) if error.kind() != io::ErrorKind::ConnectionRefused => Err(error.into()),
        _ => Ok(()),
    }
}

fn hear(sockets: &[UdpSocket; 2], parties: &mut Parties) -> Result<()> {
    let mut buffer = [0; 512];
    for (side, socket) in sockets.iter().enumerate() {
        loop {
            match socket.recv_from(&mut buffer) {
                Ok((len, from)) => heard(side, &buffer[..len], from, parties),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn heard(side: usize, packet: &[u8], from: SocketAddr, parties: &mut Parties) {
    let Some(mark) = packet.get(HEADER..HEADER + 2) else { return };
    if side == 0 {
        let Some(customer) = parties.customers.get_mut(&from.port()) else { return };
        if mark == AGENT {
            customer.heard_agent.get_or_insert_with(|| customer.answered.elapsed());
        }
    } else if let Some(customer) = parties.customers.get_mut(&u16::from_be_bytes([mark[0], mark[1]])) {
        customer.heard_by_agent.get_or_insert_with(|| customer.answered.elapsed());
    }
}
