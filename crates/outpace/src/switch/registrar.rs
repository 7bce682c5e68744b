//! Accounts of the extensions and where their phones are.

use std::net::SocketAddr;
use std::time::Duration;

use engine::{AgentId, CompanyId, Input};
use sip::{Flow, Transport};
use store::{Extension, Registration};

use super::{Account, Switch};

/// To be stored, so that a restarted server reaches its phones at once.
#[derive(Clone, Debug)]
pub enum RegistrationChange {
    /// `expires`: from now.
    Bound { agent: AgentId, contact: String, flow: Flow, expires: Duration },
    /// `address`: where the extension is still registered, if it is.
    Unbound { agent: AgentId, contact: String, address: Option<SocketAddr> },
}

impl Switch {
    /// Adds or changes the account of an extension; a disabled one loses it.
    pub fn put_extension(&mut self, extension: &Extension) {
        if !extension.enabled {
            self.endpoint.remove_account(&extension.number);
            if let Some(agent) = self.agent_by_extension.remove(&extension.number) {
                self.agents.remove(&agent);
                self.tell(extension.company, Input::Unregistered { agent });
            }
            return;
        }
        let known = self.agents.get(&extension.id).is_some_and(|a| a.password == extension.password);
        if known {
            return;
        }
        self.endpoint.put_account(&extension.number, &extension.password);
        self.agent_by_extension.insert(extension.number.clone(), extension.id);
        self.agents.insert(
            extension.id,
            Account {
                company: extension.company,
                extension: extension.number.clone(),
                password: extension.password.clone(),
            },
        );
    }

    /// A registration from before the restart. Those over TCP died with their connection.
    pub fn restore_registration(&mut self, now: Duration, registration: &Registration, expires: Duration) {
        let Some(account) = self.agents.get(&registration.agent) else { return };
        if registration.transport != "udp" {
            return;
        }
        let Ok(peer) = registration.source.parse() else { return };
        let flow = Flow { transport: Transport::Udp, peer, connection: 0 };
        let (extension, company) = (account.extension.clone(), account.company);
        self.endpoint.restore_binding(now, &extension, &registration.contact, flow, expires);
        self.tell(company, Input::Registered { agent: registration.agent });
    }

    pub fn company_of(&self, agent: AgentId) -> Option<CompanyId> {
        self.agents.get(&agent).map(|a| a.company)
    }

    pub(super) fn bound(
        &mut self,
        _now: Duration,
        account: &str,
        contact: String,
        flow: Flow,
        expires: Duration,
    ) {
        let Some(&agent) = self.agent_by_extension.get(account) else { return };
        let Some(company) = self.company_of(agent) else { return };
        self.registrations.push_back(RegistrationChange::Bound { agent, contact, flow, expires });
        self.tell(company, Input::Registered { agent });
    }

    pub(super) fn unbound(&mut self, account: &str, contact: String) {
        let Some(&agent) = self.agent_by_extension.get(account) else { return };
        let address = self.endpoint.bindings(account).first().map(|(_, flow)| flow.peer);
        self.registrations.push_back(RegistrationChange::Unbound { agent, contact, address });
        if address.is_none()
            && let Some(company) = self.company_of(agent)
        {
            self.tell(company, Input::Unregistered { agent });
        }
    }
}
