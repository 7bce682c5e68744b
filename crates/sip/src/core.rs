//! What dialogs and registrations stand on: transactions, timers and the way out.

use crate::endpoint::{EndpointConfig, Flow};
use crate::io::Io;
use crate::message::{Method, Writer};
use crate::transaction::{ClientKey, Clients, Owner, Request, Servers};
use std::collections::BTreeSet;
use std::time::Duration;

pub(crate) struct Core {
    pub io: Io,
    pub clients: Clients,
    pub servers: Servers,
    /// TCP connections that brought something and are still open.
    pub connections: BTreeSet<u64>,
}

impl Core {
    pub fn new(config: EndpointConfig, seed: u64) -> Core {
        Core {
            io: Io::new(config, seed),
            clients: Clients::default(),
            servers: Servers::default(),
            connections: BTreeSet::new(),
        }
    }

    pub fn transactions(&self) -> usize {
        self.clients.len() + self.servers.len()
    }

    /// Whether something sent to this flow can arrive.
    pub fn is_alive(&self, flow: Flow) -> bool {
        !flow.transport.is_reliable() || flow.connection == 0 || self.connections.contains(&flow.connection)
    }

    pub fn new_key(&mut self) -> ClientKey {
        ClientKey { branch: self.io.rng.u64(..), cancel: false }
    }

    pub fn start(
        &mut self,
        now: Duration,
        key: ClientKey,
        owner: Owner,
        method: Method,
        to: (Flow, Vec<u8>),
    ) {
        let (flow, bytes) = to;
        self.clients.start(&mut self.io, now, key, Request { owner, method, flow, bytes });
    }

    /// A response to an open server transaction; `fill` adds headers, the body comes last.
    pub fn respond(
        &mut self,
        now: Duration,
        server: u64,
        status: u16,
        tag: &str,
        fill: impl FnOnce(&mut Writer, &Io) -> Vec<u8>,
    ) {
        let Some((request, flow)) = self.servers.request(server) else { return };
        let mut writer = Writer::response(request, flow.peer, status, tag);
        let body = fill(&mut writer, &self.io);
        let bytes = writer.body("application/sdp", &body);
        self.servers.respond(&mut self.io, now, server, status, bytes);
    }
}
