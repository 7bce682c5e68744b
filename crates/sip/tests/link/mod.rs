//! Two endpoints and a network between them, on a virtual clock: loss, duplication, delay and with it reordering.
#![allow(dead_code, reason = "every test file uses another part")]

use sip::{Endpoint, EndpointConfig, Event, Flow, Invite, Transport};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// What the network does to a datagram.
#[derive(Clone, Copy)]
pub struct Weather {
    /// Percent lost, percent doubled.
    pub loss: u32,
    pub doubled: u32,
    /// Percent of which some octets are changed.
    pub garbled: u32,
    /// Delay in milliseconds, evenly spread.
    pub delay: (u64, u64),
}

pub const FAIR: Weather = Weather { loss: 0, doubled: 0, garbled: 0, delay: (5, 5) };

pub type Filter = Box<dyn FnMut(usize, &str) -> bool>;

pub struct Link {
    pub now: Duration,
    pub ends: [Endpoint; 2],
    pub weather: Weather,
    pub events: VecDeque<(usize, Event)>,
    /// Every datagram that was sent: time, sender, text.
    pub trace: Vec<(Duration, usize, String)>,
    /// Datagrams for which this is true are lost: sender, text.
    pub filter: Option<Filter>,
    queue: BTreeMap<(Duration, u64), (usize, Vec<u8>)>,
    count: u64,
    rng: fastrand::Rng,
}

pub fn address(end: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + end as u8], 5060))
}

pub fn flow_to(end: usize) -> Flow {
    Flow { transport: Transport::Udp, peer: address(end), connection: 0 }
}

pub fn config(end: usize) -> EndpointConfig {
    EndpointConfig {
        udp: address(end),
        tcp: address(end),
        tls: address(end),
        ws: address(end),
        wss: address(end),
        user_agent: "test".to_owned(),
        realm: "outpace".to_owned(),
        session_expires: Some(Duration::from_secs(1800)),
        register_expires_min: Duration::from_secs(10),
        register_expires_max: Duration::from_secs(3600),
        transactions_max: 10_000,
        dialogs_max: 1_000,
        invites_per_second_max: 0,
    }
}

pub fn call_to(end: usize) -> Invite {
    Invite {
        target: format!("sip:callee@{}", address(end)),
        flow: flow_to(end),
        from_user: "caller".to_owned(),
        from_display: String::new(),
        to: String::new(),
        sdp: b"v=0 offer".to_vec(),
        credentials: None,
        headers: Vec::new(),
    }
}

impl Link {
    pub fn new(seed: u64, weather: Weather) -> Link {
        Link::with(seed, weather, config(0), config(1))
    }

    pub fn with(seed: u64, weather: Weather, a: EndpointConfig, b: EndpointConfig) -> Link {
        Link {
            now: Duration::from_secs(1000),
            ends: [Endpoint::new(a, seed), Endpoint::new(b, seed ^ 0xffff)],
            weather,
            events: VecDeque::new(),
            trace: Vec::new(),
            filter: None,
            queue: BTreeMap::new(),
            count: 0,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// Puts what the endpoints want to send on the way, and gathers their events.
    pub fn pump(&mut self) {
        for end in 0..2 {
            while let Some(transmit) = self.ends[end].poll_transmit() {
                let to = usize::from(transmit.flow.peer.ip() == address(1).ip());
                let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
                let dropped = self.filter.as_mut().is_some_and(|filter| filter(end, &text));
                self.trace.push((self.now, end, text));
                if !dropped && to != end {
                    self.carry(to, transmit.bytes);
                }
            }
            while let Some(event) = self.ends[end].poll_event() {
                self.events.push_back((end, event));
            }
        }
    }

    fn carry(&mut self, to: usize, bytes: Vec<u8>) {
        let copies = 1 + u32::from(self.rng.u32(0..100) < self.weather.doubled);
        for _ in 0..copies {
            if self.rng.u32(0..100) < self.weather.loss {
                continue;
            }
            let (low, high) = self.weather.delay;
            let at = self.now + Duration::from_millis(self.rng.u64(low..=high));
            self.count += 1;
            let mut bytes = bytes.clone();
            if self.rng.u32(0..100) < self.weather.garbled {
                self.garble(&mut bytes);
            }
            self.queue.insert((at, self.count), (to, bytes));
        }
    }

    fn garble(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.rng.u32(1..4) {
            let at = self.rng.usize(0..bytes.len());
            match self.rng.u32(0..4) {
                0 => bytes[at] = self.rng.u8(..),
                1 => bytes[at] = b"0123456789,;<>\" \r\n"[self.rng.usize(0..18)],
                2 if bytes.len() > 1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, bytes[at]),
            }
        }
    }

    /// When something happens next.
    fn next_moment(&self) -> Option<Duration> {
        let arrival = self.queue.first_key_value().map(|(&(at, _), _)| at);
        let deadlines = self.ends.iter().filter_map(Endpoint::deadline);
        arrival.into_iter().chain(deadlines).min()
    }

    /// Goes on to the next moment that is not after `limit`; false when there is none.
    pub fn step(&mut self, limit: Duration) -> bool {
        self.pump();
        let Some(at) = self.next_moment().filter(|&at| at <= limit) else { return false };
        self.now = self.now.max(at);
        if self.queue.first_key_value().is_some_and(|(&(at, _), _)| at <= self.now) {
            let (_, (to, bytes)) = self.queue.pop_first().expect("it was just looked at");
            self.ends[to].receive(self.now, flow_to(1 - to), &bytes);
        }
        for end in &mut self.ends {
            end.handle_timeout(self.now);
        }
        self.pump();
        true
    }

    /// Lets time pass; events stay in the queue.
    pub fn run_for(&mut self, time: Duration) {
        let limit = self.now + time;
        while self.step(limit) {}
        self.now = limit;
    }

    /// The next event within 200 s.
    pub fn event(&mut self) -> (usize, Event) {
        let limit = self.now + Duration::from_secs(200);
        self.pump();
        while self.events.is_empty() {
            assert!(self.step(limit), "no event came\n{}", self.story());
        }
        self.events.pop_front().expect("it is not empty")
    }

    /// First lines of all that was sent.
    pub fn story(&self) -> String {
        let mut out = String::new();
        for (at, end, text) in &self.trace {
            out.push_str(&format!(
                "{:>10.3} {end} {}\n",
                at.as_secs_f64(),
                text.lines().next().unwrap_or("")
            ));
        }
        out
    }

    /// How often `end` sent something that starts with `start`.
    pub fn sent(&self, end: usize, start: &str) -> usize {
        self.trace.iter().filter(|(_, from, text)| *from == end && text.starts_with(start)).count()
    }

    /// Nothing is left of any call or transaction.
    pub fn assert_empty(&self) {
        for end in &self.ends {
            let counts = end.counts();
            assert_eq!((counts.dialogs, counts.transactions), (0, 0), "{}", self.story());
        }
    }
}
