//! A small call centre: server, one carrier, agents who are registered and signed in, and a CRM that is logged in.

use super::crm::Crm;
use super::peer::{Behaviour, Peer};
use super::ports::Ports;
use super::rtp::Sound;
use super::server::{Company, PASSWORD, Server, Setup};

pub const FIRST_AGENT: u32 = 1001;

pub struct Floor {
    pub server: Server,
    pub crm: Crm,
    pub carrier: Peer,
    pub agents: Peer,
    pub ports: Ports,
}

/// What differs from floor to floor.
pub struct Plan {
    pub agents: u32,
    pub setup: fn(Setup) -> Setup,
    pub carrier_sound: Sound,
    pub agent_sound: Sound,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { agents: 2, setup: |s| s, carrier_sound: Sound::Nothing, agent_sound: Sound::Nothing }
    }
}

impl Floor {
    pub fn open(
        plan: &Plan,
        customer: impl Fn(&str) -> Behaviour + Send + Sync + 'static,
        agent: impl Fn(&str) -> Behaviour + Send + Sync + 'static,
    ) -> Floor {
        let ports = Ports::reserve();
        let carrier = Peer::start(ports.next(), plan.carrier_sound, customer);
        let agents = Peer::start(ports.next(), plan.agent_sound, agent);
        let company = Company::new("1").trunk(carrier.port).agents(FIRST_AGENT, plan.agents);
        let server = (plan.setup)(Setup::new(&ports).company(company)).start();
        let crm = server.crm(0);
        let floor = Floor { server, crm, carrier, agents, ports };
        if plan.agents > 0 {
            floor.register(FIRST_AGENT, plan.agents);
        }
        floor
    }

    /// Registers extensions at the agents' phone.
    pub fn register(&self, first: u32, count: u32) {
        let extensions = extensions(first, count);
        for extension in &extensions {
            self.agents.register(self.server.sip, extension, PASSWORD, 300);
        }
        self.crm.wait_registered(&extensions);
    }
}

pub fn extensions(first: u32, count: u32) -> Vec<String> {
    (first..first + count).map(|e| e.to_string()).collect()
}

/// `count` numbers from `13` + `series` on; all of one test differ.
pub fn numbers(series: u32, count: u32) -> Vec<String> {
    (0..count).map(|i| format!("13{series:04}{i:05}")).collect()
}
