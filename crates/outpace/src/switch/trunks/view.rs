//! How the trunks stand, for people.

use std::net::{IpAddr, SocketAddr};

use engine::TrunkId;

use super::super::names;
use super::{Peer, Route};

/// A trunk as it stands, for people.
#[derive(Clone, Debug)]
pub struct TrunkView {
    pub trunk: TrunkId,
    pub name: String,
    /// Whether calls can be placed through it now.
    pub usable: bool,
    pub addresses: Vec<TrunkAddressView>,
}

#[derive(Clone, Debug)]
pub struct TrunkAddressView {
    /// As the settings name it.
    pub host: String,
    pub address: SocketAddr,
    pub transport: &'static str,
    /// `up`, `down` or `probing`.
    pub state: &'static str,
    /// Placed there since the start, and how many of them found nobody or were refused with 503.
    pub calls: u64,
    pub failures: u64,
}

impl Peer {
    /// From where its calls may come; none while it is disabled.
    pub(in crate::switch) fn addresses(&self) -> Vec<IpAddr> {
        let routes = self.routes.iter().filter(|_| self.trunk.settings.enabled);
        routes.map(|route| route.flow.peer.ip().to_canonical()).collect()
    }

    pub(super) fn view(&self) -> TrunkView {
        let address = |r: &Route| TrunkAddressView {
            host: r.name.uri_host(),
            address: r.flow.peer,
            transport: names::transport_name(r.flow.transport),
            state: r.circuit.state(),
            calls: r.calls,
            failures: r.failures,
        };
        TrunkView {
            trunk: self.trunk.id,
            name: self.trunk.settings.name.clone(),
            usable: self.is_usable(),
            addresses: self.routes.iter().map(address).collect(),
        }
    }
}
