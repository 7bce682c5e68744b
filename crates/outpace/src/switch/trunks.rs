//! The SIP peers that customer calls go through.

use std::net::SocketAddr;
use std::time::Duration;

use engine::TrunkId;
use sip::{Credentials, Flow, Register, RegistrationId, Transport};
use store::Trunk;

use super::Switch;

pub(super) struct Peer {
    trunk: Trunk,
    /// None while its name cannot be resolved.
    pub flow: Option<Flow>,
    registration: Option<RegistrationId>,
}

impl Peer {
    pub fn target(&self, number: &str) -> String {
        let s = &self.trunk.settings;
        let transport = if s.transport == "tcp" { ";transport=tcp" } else { "" };
        format!("sip:{}{}@{}{transport}", s.prefix, number, s.address)
    }

    pub fn caller_user(&self, caller_id: &str) -> String {
        let s = &self.trunk.settings;
        [caller_id, &s.username, "anonymous"]
            .into_iter()
            .find(|u| !u.is_empty())
            .unwrap_or_default()
            .to_owned()
    }

    pub fn credentials(&self) -> Option<Credentials> {
        let s = &self.trunk.settings;
        (!s.username.is_empty())
            .then(|| Credentials { username: s.username.clone(), password: s.password.clone() })
    }
}

impl Switch {
    /// Adds or changes a trunk. `address`: what its host resolves to now.
    pub fn put_trunk(&mut self, now: Duration, trunk: &Trunk, address: Option<SocketAddr>) {
        let transport = if trunk.settings.transport == "tcp" { Transport::Tcp } else { Transport::Udp };
        let flow = address.map(|peer| Flow { transport, peer, connection: 0 });
        if self.trunks.get(&trunk.id).is_some_and(|p| p.trunk == *trunk && p.flow == flow) {
            return;
        }
        self.remove_trunk(now, trunk.id);
        let mut peer = Peer { trunk: trunk.clone(), flow, registration: None };
        if trunk.settings.register
            && trunk.settings.enabled
            && let (Some(flow), Some(credentials)) = (flow, peer.credentials())
        {
            let registration = self.endpoint.register(
                now,
                Register {
                    registrar: format!("sip:{}", trunk.settings.address),
                    flow,
                    user: credentials.username.clone(),
                    credentials,
                    expires: Duration::from_secs(300),
                },
            );
            peer.registration = Some(registration);
        }
        self.trunks.insert(trunk.id, peer);
    }

    pub fn remove_trunk(&mut self, now: Duration, trunk: TrunkId) {
        if let Some(old) = self.trunks.remove(&trunk)
            && let Some(registration) = old.registration
        {
            self.endpoint.unregister(now, registration);
        }
    }
}
