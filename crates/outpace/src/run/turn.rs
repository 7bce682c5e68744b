//! The run loop: inputs in, effects out, one turn at a time, on one task. Nothing else touches the engines or the
//! switch, so neither has a lock, and a turn never waits.

mod ending;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Context;
use engine::{
    AgentId, AgentState, CallId, CampaignId, CampaignStatus, CompanyId, Effect, Engine, GroupId, Input, Now,
    RequestId, Timestamp,
};
use media::RelayEvent;
use sip::{Flow, Transport};
use store::{Campaign, Group, Registration, StoreError};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use super::commands::Answer;
use super::directory::{self, CompanyDirectory, Directory};
use super::store_work::{Done, Loaded, StoreWork};
use crate::config::{CompanyConfig, Config};
use crate::handle::{Command, Handle, Stats, wall_clock};
use crate::live::Reporter;
use crate::push::{States, Wake};
use crate::switch::Switch;
use crate::switch::edge::Edge;
use crate::switch::names::Names;

/// How often what was provisioned is looked at again.
const DIRECTORY_EVERY: Duration = Duration::from_secs(5);
/// Agents' states are sampled this often for the statistics.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);
/// Datagrams taken in one turn before the others have theirs.
const DATAGRAMS_PER_TURN: usize = 128;
/// As for datagrams: what relay and store tell comes in groups.
const EVENTS_PER_TURN: usize = 64;
const DATAGRAM_MAX: usize = 65_535;
/// When the socket was not empty for so long, new calls are shed until it is.
const BEHIND: Duration = Duration::from_millis(100);

pub struct Dialer {
    pub(super) started: Instant,
    engine_config: engine::Config,
    seed: u64,
    drain_limit: Duration,
    drain_until: Option<Duration>,
    /// For campaigns that do not say whether it is judged who answers.
    amd: bool,
    pub(super) handle: Handle,
    companies: BTreeMap<CompanyId, CompanyRun>,
    pub(super) switch: Switch,
    pub(super) edge: Edge,
    /// Since when datagrams wait that no turn has come to.
    full_since: Option<Duration>,
    pub(super) store: StoreWork,
    /// What happens to the legs, for who wants to be told.
    states: States,
    /// The same, and agents and campaigns, for who watches.
    reporter: Reporter,
    done: UnboundedReceiver<Done>,
    /// What the file says of each company, by code. One that it does not name has the defaults.
    configured: BTreeMap<String, CompanyConfig>,
    directory: Directory,
    pub(super) names: Names,
    load_next: u64,
    /// Commands that the engines have not answered yet: each is in the turn that it came in.
    pub(super) answers: BTreeMap<RequestId, Answer>,
    pub(super) request_next: u64,
}

struct CompanyRun {
    engine: Engine,
    time_zone: String,
    /// The latest load asked for; older answers are stale.
    campaign_loads: BTreeMap<CampaignId, u64>,
    group_loads: BTreeMap<GroupId, u64>,
    signed_in: BTreeMap<GroupId, BTreeSet<AgentId>>,
    stats: Stats,
}

impl Dialer {
    /// Loads everything, rescues what was in flight when the server stopped.
    pub async fn open(
        config: &Config,
        handle: Handle,
        switch: Switch,
        edge: Edge,
        (states, wake): (States, Wake),
        seed: u64,
    ) -> anyhow::Result<Dialer> {
        let (done_in, done) = mpsc::unbounded_channel();
        let retry = config.retry_rule();
        let mut dialer = Dialer {
            started: Instant::now(),
            engine_config: config.engine(),
            seed,
            drain_limit: Duration::from_secs(config.server.drain_s),
            drain_until: None,
            amd: config.detection.amd,
            store: StoreWork::new(handle.store().clone(), done_in, retry, wake)
                .context("cannot start a thread")?,
            states,
            reporter: Reporter::new(handle.live().clone()),
            handle,
            companies: BTreeMap::new(),
            switch,
            edge,
            full_since: None,
            done,
            configured: config.company.iter().map(|c| (c.code.clone(), c.clone())).collect(),
            directory: Directory { companies: Vec::new() },
            names: Names::start(&config.sip.dns),
            load_next: 1,
            answers: BTreeMap::new(),
            request_next: 1,
        };
        let now = wall_clock();
        let (directory, registrations, rescued) = dialer
            .handle
            .with_store(move |store| {
                let directory = Directory::load(store)?;
                let mut rescued = 0;
                for c in &directory.companies {
                    rescued += store.rescue_calls(now, c.company.id, &retry)?.len();
                }
                Ok((directory, store.registrations(now)?, rescued))
            })
            .await
            .context("cannot load from the store")?;
        if rescued > 0 {
            tracing::warn!(
                calls = rescued,
                "calls were in flight when the server stopped: they ended as lost"
            );
        }
        dialer.adopt(directory);
        dialer.restore(&registrations, now);
        dialer.load_open_campaigns().await?;
        Ok(dialer)
    }

    async fn load_open_campaigns(&mut self) -> anyhow::Result<()> {
        for company in self.companies.keys().copied().collect::<Vec<_>>() {
            let open = self.handle.with_store(move |store| store.open_campaigns(company)).await?;
            let opened = open.into_iter().filter(|c| c.settings.status != CampaignStatus::Draft);
            for campaign in opened {
                self.load_campaign(company, campaign.id, true);
            }
        }
        Ok(())
    }

    fn restore(&mut self, registrations: &[Registration], now: Timestamp) {
        let mono = self.started.elapsed();
        for r in registrations {
            self.switch.restore_registration(mono, r, r.expires_at.since(now));
            self.handle.put_registration(r.agent, r.source.parse().ok());
        }
    }

    fn now(&self) -> Now {
        Now { mono: self.started.elapsed(), wall: wall_clock() }
    }

    /// Runs until a drain is over.
    pub async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut relay: UnboundedReceiver<RelayEvent>,
    ) {
        let udp = self.edge.udp.clone();
        let mut buffer = vec![0; DATAGRAM_MAX];
        let mut directory_tick = tokio::time::interval(DIRECTORY_EVERY);
        let mut budget_tick = tokio::time::interval(rules::BUDGET_EVERY);
        let mut sample_tick = tokio::time::interval(SAMPLE_EVERY);
        sample_tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            self.settle();
            if self.drained() {
                break;
            }
            let deadline = tokio::time::Instant::from_std(self.started + self.next_deadline());
            tokio::select! {
                _ = udp.readable() => self.read_datagrams(&udp, &mut buffer),
                Some(event) = self.edge.tcp_event() => self.stream(event),
                Some(found) = self.names.next() => self.name_found(found),
                Some(event) = relay.recv() => self.relay_events(event, &mut relay),
                Some(done) = self.done.recv() => self.store_answers(done),
                Some(command) = commands.recv() => self.command(command),
                _ = directory_tick.tick() => self.store.load_directory(),
                _ = sample_tick.tick() => self.sample(),
                _ = budget_tick.tick() => self.count_budgets(),
                () = tokio::time::sleep_until(deadline) => self.timeout(),
            }
        }
        self.say_goodbye();
        self.end_recordings(&mut relay).await;
    }

    fn next_deadline(&self) -> Duration {
        let engines = self.companies.values().filter_map(|c| c.engine.deadline()).min();
        [engines, self.switch.deadline(), self.drain_until]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(self.started.elapsed() + Duration::from_secs(60))
    }

    fn timeout(&mut self) {
        let now = self.now();
        self.switch.handle_timeout(now.mono);
        for run in self.companies.values_mut() {
            if run.engine.deadline().is_some_and(|d| d <= now.mono) {
                run.engine.handle(now, Input::Timeout);
            }
        }
    }

    fn read_datagrams(&mut self, udp: &tokio::net::UdpSocket, buffer: &mut [u8]) {
        for _ in 0..DATAGRAMS_PER_TURN {
            let Ok((n, peer)) = udp.try_recv_from(buffer) else {
                self.full_since = None;
                return self.switch.set_behind(false);
            };
            let flow = Flow { transport: Transport::Udp, peer, connection: 0 };
            self.switch.receive(self.started.elapsed(), flow, &buffer[..n]);
        }
        let now = self.started.elapsed();
        self.switch.set_behind(now - *self.full_since.get_or_insert(now) > BEHIND);
    }

    fn relay_events(&mut self, first: RelayEvent, more: &mut UnboundedReceiver<RelayEvent>) {
        let now = self.started.elapsed();
        self.switch.relay_event(now, first);
        for _ in 1..EVENTS_PER_TURN {
            let Ok(event) = more.try_recv() else { return };
            self.switch.relay_event(now, event);
        }
    }

    fn store_answers(&mut self, first: Done) {
        self.store_answered(first);
        for _ in 1..EVENTS_PER_TURN {
            let Ok(done) = self.done.try_recv() else { return };
            self.store_answered(done);
        }
    }

    /// Until nobody has anything to say: inputs to engines, effects to the switch and the store, messages to the wire.
    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            while let Some((company, input)) = self.switch.poll_input() {
                quiet = false;
                self.input(company, input);
            }
            for company in self.companies.keys().copied().collect::<Vec<_>>() {
                while let Some(effect) = self.companies.get_mut(&company).and_then(|c| c.engine.poll()) {
                    quiet = false;
                    self.effect(company, effect);
                }
            }
            if quiet {
                break;
            }
        }
        while let Some(transmit) = self.switch.poll_transmit() {
            let flow = transmit.flow;
            if !self.edge.send(transmit) {
                self.switch.transport_failed(self.started.elapsed(), flow);
            }
        }
        while let Some(connection) = self.switch.poll_close() {
            self.edge.closed(connection);
            self.switch.connection_closed(self.started.elapsed(), connection);
        }
        while let Some(change) = self.switch.poll_registration() {
            self.registration(change);
        }
        while let Some(recording) = self.switch.poll_recording() {
            self.store.put_recording(recording);
        }
        while let Some(said) = self.switch.poll_identified() {
            self.store.put_identity(said);
        }
        self.store.put_qualities(self.switch.measured_calls());
    }

    pub(super) fn has_company(&self, company: CompanyId) -> bool {
        self.companies.contains_key(&company)
    }

    pub(super) fn input(&mut self, company: CompanyId, input: Input) {
        self.states.saw_input(&input);
        self.reporter.saw_input(company, &input);
        let now = self.now();
        if let Some(run) = self.companies.get_mut(&company) {
            run.engine.handle(now, input);
        }
    }

    fn effect(&mut self, company: CompanyId, effect: Effect) {
        self.states.saw_effect(company, &effect);
        self.reporter.saw_effect(company, &effect);
        let mono = self.started.elapsed();
        let bridged = match &effect {
            Effect::Bridge { call, .. } => Some(*call),
            _ => None,
        };
        let left = self.switch.apply(mono, company, effect);
        if let Some(call) = bridged {
            self.record(company, call);
        }
        let Some(effect) = left else { return };
        match effect {
            Effect::LeaseLeads { request, campaign, slots } => {
                self.store.lease(company, request, campaign, slots)
            }
            Effect::ReturnLeads { calls } => self.store.give_back(company, calls),
            Effect::SaveCall(record) => self.store.save(company, record, self.states.written()),
            Effect::OpenDirect(row) => self.store.open_direct(company, row),
            Effect::SaveDirect(record) => self.store.save_direct(company, record, self.states.written()),
            Effect::Answer { request, result } => self.answer(request, result),
            Effect::EndCampaign { campaign, why } => self.store.end(company, campaign, why),
            Effect::CampaignStarted { campaign } => tracing::info!(%campaign, "dialing"),
            // The switch takes all the others.
            _ => {}
        }
    }

    /// When its company's calls are recorded and there is room.
    fn record(&mut self, company: CompanyId, call: CallId) {
        let Some(archive) = self.handle.archive() else { return };
        let Some(company) = self.handle.company(company) else { return };
        if let Some((row, path)) = archive.begin(&company, call, wall_clock()) {
            self.switch.record(row, path);
        }
    }

    fn store_answered(&mut self, done: Done) {
        match done {
            Done::Leased { company, request, result: Ok((leads, next_due)) } => {
                self.input(company, Input::LeadsLeased { request, leads, next_due });
            }
            Done::Leased { company, request, result: Err(error) } => {
                tracing::error!(%error, "leads could not be leased");
                self.input(company, Input::LeaseFailed { request });
            }
            Done::Returned { company, calls, result: Ok(()) } => {
                self.input(company, Input::ReturnDone { calls })
            }
            Done::Returned { company, calls, result: Err(error) } => {
                tracing::error!(%error, "leads could not be given back");
                self.input(company, Input::ReturnFailed { calls });
            }
            Done::Saved { company, call, result: Ok(retry_at) } => {
                self.input(company, Input::CallSaved { call, retry_at });
            }
            Done::Saved { company, call, result: Err(StoreError::NotFound(_)) } => {
                // Trying again would not help: the row was never there or was given back.
                tracing::error!(%call, "a result has no call row in the store; it is dropped");
                self.input(company, Input::CallSaved { call, retry_at: None });
            }
            Done::Saved { company, call, result: Err(error) } => {
                tracing::error!(%error, %call, "a result could not be saved; it is kept and tried again");
                self.input(company, Input::SaveFailed { call });
            }
            Done::InboundOpened { company, call, last } => {
                self.input(company, Input::InboundOpened { call, last });
            }
            Done::DirectOpened { company, call, result } => self.direct_opened(company, call, result),
            Done::DirectSaved { company, call, result } => self.direct_saved(company, call, result),
            Done::Ended { company, campaign, why, result } => {
                self.campaign_ended(company, campaign, why, result)
            }
            Done::CampaignLoaded { company, load, leads, result: Ok(Some(loaded)) } => {
                self.campaign_loaded(company, load, leads, loaded);
            }
            Done::GroupLoaded { company, load, result: Ok(Some(group)) } => {
                if self.companies.get(&company).and_then(|c| c.group_loads.get(&group.id)) == Some(&load) {
                    self.put_group(company, &group);
                }
            }
            Done::DirectoryLoaded { result: Ok(directory) } => self.adopt(directory),
            Done::CampaignLoaded { result: Ok(None), .. } | Done::GroupLoaded { result: Ok(None), .. } => {}
            Done::CampaignLoaded { result: Err(error), .. }
            | Done::GroupLoaded { result: Err(error), .. }
            | Done::DirectoryLoaded { result: Err(error) } => {
                tracing::error!(%error, "the store could not be read");
            }
        }
    }

    fn campaign_ended(
        &mut self,
        company: CompanyId,
        campaign: CampaignId,
        why: engine::EndReason,
        result: store::Result<Option<Campaign>>,
    ) {
        match result {
            Ok(Some(_)) => {
                tracing::info!(%campaign, ?why, "campaign ended");
                self.load_campaign(company, campaign, false);
            }
            Ok(None) => self.input(company, Input::EndRefused { campaign }),
            Err(error) => {
                tracing::error!(%error, %campaign, "a campaign could not be ended; it is tried again");
                self.input(company, Input::EndRefused { campaign });
            }
        }
    }

    fn load_campaign(&mut self, company: CompanyId, campaign: CampaignId, leads: bool) {
        let load = self.load_next;
        self.load_next += 1;
        let Some(run) = self.companies.get_mut(&company) else { return };
        run.campaign_loads.insert(campaign, load);
        self.store.load_campaign(company, campaign, run.time_zone.clone(), load, leads);
    }

    fn campaign_loaded(&mut self, company: CompanyId, load: u64, leads: bool, loaded: Loaded) {
        let campaign = loaded.campaign.id;
        self.reporter.saw_campaign(company, campaign, loaded.campaign.settings.status);
        let Some(run) = self.companies.get_mut(&company) else { return };
        let mut is_new = false;
        if run.campaign_loads.get(&campaign) == Some(&load) {
            let status = loaded.campaign.settings.status;
            // What was never opened is none of the engine's business, and there may be thousands of it.
            is_new = !run.engine.has_campaign(campaign);
            let is_new_draft = status == CampaignStatus::Draft && is_new;
            if status == CampaignStatus::Ended || is_new_draft {
                run.campaign_loads.remove(&campaign);
            }
            if is_new_draft {
                return;
            }
            let settings =
                directory::campaign_settings(&loaded.campaign, loaded.today, loaded.budget, self.amd);
            self.input(company, Input::Campaign(settings));
        }
        if leads || is_new {
            self.input(company, Input::LeadsAdded { campaign });
        }
    }

    fn load_group(&mut self, company: CompanyId, group: GroupId) {
        let load = self.load_next;
        self.load_next += 1;
        if let Some(run) = self.companies.get_mut(&company) {
            run.group_loads.insert(group, load);
            self.store.load_group(company, group, load);
        }
    }

    fn put_group(&mut self, company: CompanyId, group: &Group) {
        let Some(run) = self.companies.get_mut(&company) else { return };
        let now_in: BTreeSet<AgentId> =
            group.members.iter().filter(|m| m.signed_in == store::SignIn::In).map(|m| m.agent).collect();
        let was_in = run.signed_in.insert(group.id, now_in.clone()).unwrap_or_default();
        self.input(company, Input::Group(directory::group_settings(group)));
        for agent in was_in.difference(&now_in).copied() {
            self.input(company, Input::SignedOut { agent, group: group.id });
        }
        for agent in now_in.difference(&was_in).copied() {
            self.input(company, Input::SignedIn { agent, group: group.id });
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::CampaignChanged { company, campaign, leads } => {
                self.load_campaign(company, campaign, leads)
            }
            Command::GroupChanged { company, group } => self.load_group(company, group),
            Command::GroupRemoved { company, group } => {
                if let Some(run) = self.companies.get_mut(&company) {
                    run.signed_in.remove(&group);
                    run.group_loads.remove(&group);
                }
                self.input(company, Input::GroupRemoved(group));
            }
            Command::Paused { company, agent, paused: true } => self.input(company, Input::Paused { agent }),
            Command::Paused { company, agent, paused: false } => {
                self.input(company, Input::Unpaused { agent })
            }
            Command::HangUp { company, agent } => self.input(company, Input::HangUp { agent }),
            Command::Call { company, command, reply } => self.call_command(company, command, reply),
            Command::Agents { company, reply } => {
                let views = self.companies.get(&company).map(|c| c.engine.agent_views()).unwrap_or_default();
                let _ = reply.send(views);
            }
            Command::Campaigns { company, reply } => {
                let views =
                    self.companies.get(&company).map(|c| c.engine.campaign_views()).unwrap_or_default();
                let _ = reply.send(views);
            }
            Command::Trunks { company, reply } => {
                let _ = reply.send(self.switch.trunk_views(company));
            }
            Command::Stats { company, reply } => {
                let mut stats = self.companies.get(&company).map(|c| c.stats.clone()).unwrap_or_default();
                stats.answer_to_audio_us = self.switch.answer_to_audio_us();
                stats.calls_placed = self.switch.calls_placed();
                let _ = reply.send(stats);
            }
            Command::Announcements(library) => self.switch.set_library(library),
            Command::Reload => self.store.load_directory(),
            Command::Drain => self.drain(),
        }
    }

    fn sample(&mut self) {
        let s = SAMPLE_EVERY.as_secs_f64();
        for (company, run) in &mut self.companies {
            for agent in run.engine.agent_views() {
                self.reporter.saw_agent(*company, &agent);
                let stats = &mut run.stats;
                match agent.state {
                    AgentState::SignedOut | AgentState::Paused => continue,
                    AgentState::Talking => stats.talking_s += s,
                    AgentState::WrapUp => stats.wrap_up_s += s,
                    AgentState::Ready | AgentState::Offered => {}
                }
                stats.signed_in_s += s;
            }
        }
    }

    /// Tells engines and switch what differs from what they know.
    fn adopt(&mut self, directory: Directory) {
        let old = std::mem::replace(&mut self.directory, directory.clone());
        for c in &directory.companies {
            let before = old.company(c.company.id);
            if before == Some(c) {
                continue;
            }
            self.adopt_company(c, before);
        }
        self.trunks_changed();
    }

    fn adopt_company(&mut self, c: &CompanyDirectory, before: Option<&CompanyDirectory>) {
        let company = c.company.id;
        let mono = self.started.elapsed();
        self.handle.put_company(c.company.clone());
        let run = self.companies.entry(company).or_insert_with(|| CompanyRun {
            engine: Engine::new(
                rules::engine_config(&self.engine_config, &c.compliance),
                self.seed ^ company.0.unsigned_abs(),
            ),
            time_zone: String::new(),
            campaign_loads: BTreeMap::new(),
            group_loads: BTreeMap::new(),
            signed_in: BTreeMap::new(),
            stats: Stats::default(),
        });
        run.time_zone.clone_from(&c.company.settings.time_zone);
        for extension in &c.extensions_and_gone(before) {
            let known = before.and_then(|b| b.extensions.iter().find(|e| e.id == extension.id));
            if known == Some(extension) {
                continue;
            }
            self.switch.put_extension(extension);
            self.input(company, Input::Agent(directory::agent_settings(extension)));
            if known.is_none() && extension.paused {
                self.input(company, Input::Paused { agent: extension.id });
            }
        }
        for trunk in &c.trunks_and_gone(before) {
            self.switch.put_trunk(mono, trunk);
        }
        self.put_direct_rules(c);
        self.input(company, Input::CallerIds(directory::automatic_caller_ids(&c.caller_ids)));
        for group in &c.groups {
            if before.and_then(|b| b.groups.iter().find(|g| g.id == group.id)) != Some(group) {
                self.load_or_put_group(company, group, before.is_none());
            }
        }
        if before.is_some_and(|b| b.compliance != c.compliance) {
            self.rules_changed(company);
        }
    }

    /// At start the group is taken as it is; later it is read again, since this copy may be older than a command.
    fn load_or_put_group(&mut self, company: CompanyId, group: &Group, first: bool) {
        if first {
            self.put_group(company, group);
        } else {
            self.load_group(company, group.id);
        }
    }
}
