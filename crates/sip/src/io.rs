//! What every part of the endpoint works with: configuration, timers, randomness, and what goes out.

use crate::endpoint::{EndpointConfig, Event, Flow, Transmit, Transport};
use crate::timer::Timers;
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};
use std::net::{IpAddr, SocketAddr};

/// A number for one purpose, from which the seed cannot be found.
fn derive(seed: u64, purpose: &[u8]) -> u64 {
    let bytes: [u8; 32] = secret(seed, purpose);
    u64::from_be_bytes(*bytes.first_chunk().expect("a hash is longer than a number"))
}

/// A key for one purpose.
pub(crate) fn secret(seed: u64, purpose: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(seed.to_be_bytes()).chain_update(purpose).finalize().into()
}

pub(crate) struct Io {
    pub config: EndpointConfig,
    pub timers: Timers,
    pub transmits: VecDeque<Transmit>,
    pub events: VecDeque<Event>,
    pub rng: fastrand::Rng,
    /// Makes tags of stateless answers that nobody can guess and that repeat with the request.
    tag_seed: u64,
}

impl Io {
    pub fn new(config: EndpointConfig, seed: u64) -> Io {
        // Far ends see what the generator gives. Nobody may get from there to the seed and to the nonces' key.
        let rng = fastrand::Rng::with_seed(derive(seed, b"ids"));
        let tag_seed = derive(seed, b"tags");
        Io {
            config,
            timers: Timers::default(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            rng,
            tag_seed,
        }
    }

    pub fn send(&mut self, flow: Flow, bytes: Vec<u8>) {
        self.transmits.push_back(Transmit { flow, bytes });
    }

    pub fn event(&mut self, event: Event) {
        self.events.push_back(event);
    }

    /// Our host as it stands in URIs.
    pub fn host(&self) -> String {
        match self.config.udp.ip() {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("[{v6}]"),
        }
    }

    /// The Via of a new request. RFC 3581: we always ask for rport.
    pub fn via(&self, transport: Transport, branch: u64) -> String {
        let (name, sent_by) = (transport.via_name(), self.address(transport));
        format!("SIP/2.0/{name} {sent_by};rport;branch=z9hG4bK{branch:016x}")
    }

    /// Our Contact for this user over this transport.
    pub fn contact(&self, transport: Transport, user: &str) -> String {
        let at = if user.is_empty() { "" } else { "@" };
        let address = self.address(transport);
        match transport {
            Transport::Udp => format!("<sip:{user}{at}{address}>"),
            other => {
                let name = other.via_name().to_ascii_lowercase();
                // RFC 7118 §5.2 knows no other name than ws in a URI, secure or not.
                let name = if other == Transport::Wss { "ws" } else { &name };
                format!("<sip:{user}{at}{address};transport={name}>")
            }
        }
    }

    fn address(&self, transport: Transport) -> SocketAddr {
        let config = &self.config;
        match transport {
            Transport::Udp => config.udp,
            Transport::Tcp => config.tcp,
            Transport::Tls => config.tls,
            Transport::Ws => config.ws,
            Transport::Wss => config.wss,
        }
    }

    /// A To tag that depends on the request alone (RFC 3261 §8.2.7).
    pub fn stateless_tag(&self, call_id: &[u8], branch: &[u8]) -> String {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.tag_seed);
        hasher.write(call_id);
        hasher.write_u8(0);
        hasher.write(branch);
        format!("{:016x}", hasher.finish())
    }
}
