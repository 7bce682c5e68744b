//! A small call centre: server, one carrier, agents who are registered and signed in, and a CRM that is logged in.

use std::time::Duration;

use super::crm::Crm;
use super::hearing::{first, talk, wait_heard};
use super::peer::{Behaviour, Outgoing, Peer, What};
use super::ports::Ports;
use super::rtp::{Sound, tone_wav};
use super::seconds;
use super::server::{Company, PASSWORD, Server, Setup};

pub const FIRST_AGENT: u32 = 1001;
const LIMIT: Duration = Duration::from_secs(30);
/// What the sides of [`Floor::that_holds`] sound like, and the music of [`with_hold_music`].
pub const CUSTOMER_HZ: f64 = 1000.0;
pub const AGENT_HZ: f64 = 1700.0;
pub const HOLD_HZ: f64 = 600.0;

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

/// Who is held hears music; there are four extensions, and agents may call numbers that begin with 139.
pub fn with_hold_music(mut setup: Setup) -> Setup {
    let path = setup.dir.path().join("hold.wav");
    std::fs::write(&path, tone_wav(HOLD_HZ, 1)).expect("it can be written");
    setup.media_keys = format!("hold_music = {path:?}");
    setup.companies[0].extensions.1 = 4;
    setup.companies[0].outbound_keys = "allow = [\"139\"]".to_owned();
    setup
}

impl Floor {
    /// Two agents and customers who answer at once; each side sounds.
    pub fn that_holds(setup: fn(Setup) -> Setup) -> Floor {
        let (carrier_sound, agent_sound) = (Sound::Tone(CUSTOMER_HZ), Sound::Tone(AGENT_HZ));
        let plan = Plan { agents: 2, setup, carrier_sound, agent_sound };
        let answers = |_: &str| Behaviour::answers(seconds(0.05));
        Floor::open(&plan, answers, answers)
    }

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

    /// 1001 talks with the customer, called by command: the legs of the customer and of the agent.
    pub fn talk(&self, number: &str) -> (String, String) {
        talk(&self.crm, &self.carrier, &self.agents, number)
    }

    /// 1001 talks with the customer, whom he dialed: the customer's leg and the agent's.
    pub fn dialed_talk(&self, number: &str) -> (String, Outgoing) {
        let call = self.agents.dial(self.server.sip, "1001", PASSWORD, number).expect("answered");
        let customer = first(self.carrier.wait(What::Confirmed, 1, LIMIT)).call_id;
        wait_heard(&self.carrier, &customer, AGENT_HZ);
        (customer, call)
    }

    /// A phone of its own for this extension, which answers, with this tone.
    pub fn phone(&self, extension: &str, hz: f64) -> Peer {
        let phone = Peer::start(self.ports.next(), Sound::Tone(hz), |_| Behaviour::answers(seconds(0.1)));
        phone.register(self.server.sip, extension, PASSWORD, 300);
        phone
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
