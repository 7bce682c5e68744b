//! Commands and accidents: what happens to a call centre on a bad day.

use std::time::Duration;

use engine::{AgentId, AgentPool, CampaignId, CampaignStatus, Engine, Input, PacingMode, Strategy};
use store::{Page, Recall, RecallWhich, Store};

use crate::scenario::{about, some_of};
use crate::world::{Event, World};

impl World {
    pub fn trouble(&mut self) {
        if self.is_calm {
            return;
        }
        if self.referee.tally.steps < 2 {
            self.start_of_shift();
        }
        match self.rng.u8(..20) {
            0..10 => self.trouble_with_an_agent(),
            10..16 => self.trouble_with_a_campaign(),
            16 => self.change_a_group(),
            17 if self.scenario.crashes => self.crash(),
            18 if self.scenario.wall_jumps => {
                self.wall_ahead += self.rng.i64(-3_600_000_000..3_600_000_000);
                self.tell(Input::Timeout);
            }
            _ => {
                let trunk = self.rng.choice(self.scenario.trunks.iter_mut()).expect("there is a trunk");
                trunk.enabled = !trunk.enabled;
                let trunk = trunk.clone();
                self.tell(Input::Trunk(trunk));
            }
        }
        let next = about(&mut self.rng, self.scenario.trouble_every);
        self.after(next, Event::Trouble);
    }

    fn start_of_shift(&mut self) {
        for agent in self.scenario.agents.clone() {
            if self.rng.u8(..5) > 0 {
                self.come_to_work(agent);
            }
        }
    }

    fn come_to_work(&mut self, agent: AgentId) {
        let phone = self.phones.get_mut(&agent).expect("an agent of the company");
        phone.is_enabled = true;
        phone.is_paused = false;
        phone.is_registered = true;
        self.tell(Input::Agent(self.agent_settings(agent)));
        self.tell(Input::Unpaused { agent });
        self.tell(Input::Registered { agent });
        for group in self.scenario.groups.clone() {
            let member = group.members.contains(&agent) || self.is_calm;
            if member && self.phones.get_mut(&agent).expect("looked up above").groups.insert(group.group) {
                self.tell(Input::SignedIn { agent, group: group.group });
            }
        }
    }

    fn trouble_with_an_agent(&mut self) {
        let agent = self.rng.choice(self.scenario.agents.iter().copied()).expect("there is an agent");
        let group = self.rng.choice(self.scenario.groups.iter()).expect("there is a group").group;
        let phone = self.phones.get_mut(&agent).expect("an agent of the company");
        let input = match self.rng.u8(..10) {
            0 | 1 => {
                phone.is_paused = !phone.is_paused;
                if phone.is_paused { Input::Paused { agent } } else { Input::Unpaused { agent } }
            }
            2 | 3 => {
                phone.is_registered = !phone.is_registered;
                if phone.is_registered { Input::Registered { agent } } else { Input::Unregistered { agent } }
            }
            4 | 5 if phone.groups.remove(&group) => Input::SignedOut { agent, group },
            4 | 5 => {
                phone.groups.insert(group);
                Input::SignedIn { agent, group }
            }
            6 => {
                phone.is_enabled = !phone.is_enabled;
                Input::Agent(self.agent_settings(agent))
            }
            7 => Input::HangUp { agent },
            _ => return self.come_to_work(agent),
        };
        self.tell(input);
    }

    fn trouble_with_a_campaign(&mut self) {
        let ids: Vec<CampaignId> = self.pacing.keys().copied().collect();
        let id = self.rng.choice(ids).expect("there is a campaign");
        match self.rng.u8(..16) {
            0..5 => self.command(id, CampaignStatus::Running),
            5..8 => self.command(id, CampaignStatus::Paused),
            8 => self.command(id, CampaignStatus::Ended),
            9..11 => self.add_leads(id),
            11 => self.delete_leads(id),
            12 => self.recall(id),
            13 => self.move_campaign(id),
            _ => {
                let ratio = self.rng.u32(1000..3000);
                let before = self.pacing[&id];
                if before != PacingMode::Progressive {
                    self.pacing.insert(id, PacingMode::Predictive(ratio));
                }
                self.tell_campaign(id, (0, 0));
            }
        }
    }

    fn command(&mut self, id: CampaignId, status: CampaignStatus) {
        if self.store.set_campaign_status(self.wall(), id, status).is_err() {
            return;
        }
        if status == CampaignStatus::Ended {
            self.cut_short.insert(id);
        }
        self.tell_campaign(id, (0, 0));
    }

    fn add_leads(&mut self, id: CampaignId) {
        let count = self.rng.u32(1..20);
        let leads = self.new_leads(count);
        if let Ok(appended) = self.store.append_leads(self.wall(), id, &leads) {
            self.leads += appended.stored;
            self.tell(Input::LeadsAdded { campaign: id });
        }
    }

    fn delete_leads(&mut self, id: CampaignId) {
        let page = Page { offset: self.rng.u64(..20), limit: 5 };
        let (_, leads) = self.store.list_leads(id, page).expect("a working store");
        let numbers: Vec<_> = leads.into_iter().map(|l| l.lead.number).collect();
        self.leads -= self.store.delete_leads(id, &numbers).expect("a working store");
    }

    fn recall(&mut self, id: CampaignId) {
        let recall = Recall {
            which: RecallWhich::All,
            status: CampaignStatus::Running,
            not_before: None,
            run_until: None,
        };
        if self.store.recall_leads(self.wall(), id, &recall).is_ok() {
            self.recalls += 1;
            self.cut_short.remove(&id);
            self.tell_campaign(id, (0, 0));
            self.tell(Input::LeadsAdded { campaign: id });
        }
    }

    /// Other agents take the campaign's calls from now on.
    fn move_campaign(&mut self, id: CampaignId) {
        let pool = match self.rng.bool() {
            true => AgentPool::Group(
                self.rng.choice(self.scenario.groups.iter()).expect("there is a group").group,
            ),
            false => AgentPool::Extensions(some_of(&mut self.rng, &self.scenario.agents)),
        };
        self.pools_changed = true;
        self.moved.insert(id, pool);
        self.tell_campaign(id, (0, 0));
    }

    fn change_a_group(&mut self) {
        let n = self.rng.usize(..self.scenario.groups.len());
        let group = &mut self.scenario.groups[n];
        group.enabled = self.rng.bool();
        group.strategy = Strategy::from_code(self.rng.i64(1..9)).expect("codes are 1 to 8");
        self.rng.shuffle(&mut group.members);
        let group = group.clone();
        self.tell(Input::Group(group));
    }

    /// The process dies and another starts. Sometimes it has drained first, or has begun to.
    fn crash(&mut self) {
        match self.rng.u8(..4) {
            0 => {
                self.is_draining = true;
                self.tell(Input::Drain);
            }
            _ => self.restart(),
        }
    }

    pub fn restart(&mut self) {
        self.life += 1;
        self.is_draining = false;
        self.referee.restart();
        for phone in self.phones.values_mut() {
            phone.leg_is_up = false;
            phone.leg_is_wanted = false;
        }
        self.engine = Engine::new(self.scenario.config.clone(), self.rng.u64(..));
        self.open();
    }

    /// From here on the day is a good one, so everything must come to its end.
    pub fn calm(&mut self) {
        if std::mem::replace(&mut self.is_calm, true) {
            for agent in self.scenario.agents.clone() {
                self.tell(Input::Unpaused { agent });
            }
            return;
        }
        self.restart_if_draining();
        for n in 0..self.scenario.trunks.len() {
            self.scenario.trunks[n].enabled = true;
            let trunk = self.scenario.trunks[n].clone();
            self.tell(Input::Trunk(trunk));
        }
        for n in 0..self.scenario.groups.len() {
            self.scenario.groups[n].enabled = true;
            let group = self.scenario.groups[n].clone();
            self.tell(Input::Group(group));
        }
        for agent in self.scenario.agents.clone() {
            self.come_to_work(agent);
        }
        for id in self.pacing.keys().copied().collect::<Vec<_>>() {
            self.command(id, CampaignStatus::Running);
        }
        // Whoever misses an offer of before may be paused for it, and comes back after a coffee.
        self.after(Duration::from_secs(60), Event::Calm);
    }

    fn restart_if_draining(&mut self) {
        if self.is_draining {
            self.restart();
        }
    }
}
