//! What comes in over connections and from DNS, and where phones are, on their way to the switch and the store.

use sip::Flow;
use store::Registration;

use super::turn::Dialer;
use crate::handle::wall_clock;
use crate::switch::RegistrationChange;
use crate::switch::edge::TcpEvent;
use crate::switch::names::{self, Found};

impl Dialer {
    pub(super) fn stream(&mut self, event: TcpEvent) {
        let now = self.started.elapsed();
        match event {
            TcpEvent::Accepted { stream, peer, transport } => self.edge.accepted(stream, peer, transport),
            TcpEvent::Data { flow, bytes } => self.switch.receive(now, flow, &bytes),
            TcpEvent::Closed { connection } => {
                self.edge.closed(connection);
                self.switch.connection_closed(now, connection);
            }
            TcpEvent::Failed { connection, transport, peer } => {
                self.edge.closed(connection);
                self.switch.transport_failed(now, Flow { transport, peer, connection: 0 });
            }
        }
    }

    pub(super) fn name_found(&mut self, found: Found) {
        self.switch.name_found(self.started.elapsed(), found);
        self.edge.put_tls_peers(self.switch.tls_peers());
    }

    /// Other trunks, or other settings of them.
    pub(super) fn trunks_changed(&mut self) {
        self.names.want(self.switch.names_wanted());
        self.edge.put_tls_peers(self.switch.tls_peers());
    }

    pub(super) fn registration(&mut self, change: RegistrationChange) {
        match change {
            RegistrationChange::Bound { agent, contact, flow, expires } => {
                self.handle.put_registration(agent, Some(flow.peer));
                self.store.put_registration(Registration {
                    agent,
                    contact,
                    transport: names::transport_name(flow.transport).into(),
                    source: flow.peer.to_string(),
                    expires_at: wall_clock().plus(expires),
                });
            }
            RegistrationChange::Unbound { agent, contact, address } => {
                self.handle.put_registration(agent, address);
                self.store.delete_registration(agent, contact);
            }
        }
    }
}
