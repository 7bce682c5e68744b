//! One shift on a virtual clock: the engine that dials for real, with customers and agents who are drawn from a `Load`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use engine::{
    AgentId, AgentPool, AgentSettings, CallId, CallRecord, CampaignId, CampaignSettings, CampaignStatus,
    Cause, Effect, Engine, Failure, Input, LeadId, LeasedLead, LegEvent, Now, Outcome, PhoneNumber, Supply,
    Timestamp, TrunkId, TrunkSettings,
};

use super::load::Load;

const CAMPAIGN: CampaignId = CampaignId(1);
const TRUNK: TrunkId = TrunkId(1);
/// Nine o'clock of some day.
const START: Timestamp = Timestamp::from_unix_seconds(1_767_229_200);
const CANCELLED: Failure = Failure { outcome: Outcome::NoAnswer, cause: Cause::CANCELLED, sip_status: 487 };
/// 180 comes so long after the INVITE.
const RINGS_AFTER: Duration = Duration::from_millis(300);

/// A talk at the end of the shift may last so long.
const OVERTIME_MAX: Duration = Duration::from_secs(4 * 3600);

/// What came out of a shift.
#[derive(Clone, Debug, Default)]
pub struct Outlook {
    /// Until the list was used up (or the shift ended), seconds.
    pub dialing_s: f64,
    /// Until the last call ended.
    pub total_s: f64,
    pub calls: u64,
    pub connected: u64,
    pub abandoned: u64,
    /// (Talk and wrap-up) / signed in, while there were numbers.
    pub utilisation: f64,
    /// The same, and the abandoned per answered, for each full hour.
    pub hours: Vec<Hour>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Hour {
    pub utilisation: f64,
    pub connected: u64,
    pub abandoned: u64,
}

impl Outlook {
    /// Abandoned per answered.
    pub fn abandoned_share(&self) -> f64 {
        self.abandoned as f64 / ((self.connected + self.abandoned).max(1)) as f64
    }
}

struct Shift<'a> {
    load: &'a Load,
    rng: fastrand::Rng,
    engine: Engine,
    now: Duration,
    events: BinaryHeap<Reverse<(Duration, u64, Happening)>>,
    order: u64,
    /// Calls whose customer leg is up or on its way.
    legs: BTreeMap<CallId, ()>,
    numbers_used: u64,
    used_up_at: Option<Duration>,
    records: Vec<CallRecord>,
    is_over: bool,
}

/// Ordered only to have a place in the heap; the order among equals is that in which they were planned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Happening {
    Rings(CallId),
    Answers(CallId),
    Fails(CallId),
    HangsUp(CallId),
    MessageEnds(CallId),
}

/// Plays one shift. The same seed gives the same shift.
pub fn play(load: &Load, seed: u64) -> Outlook {
    let mut shift = Shift {
        load,
        rng: fastrand::Rng::with_seed(seed),
        engine: Engine::new(load.rules.clone(), seed),
        now: Duration::ZERO,
        events: BinaryHeap::new(),
        order: 0,
        legs: BTreeMap::new(),
        numbers_used: 0,
        used_up_at: None,
        records: Vec::new(),
        is_over: false,
    };
    shift.open();
    let end = Duration::from_secs_f64(load.hours * 3600.0);
    while shift.step(end) {}
    // Talks that the end of the shift found are finished, so that they count.
    shift.tell(Input::Drain);
    while !shift.engine.is_idle() && shift.step(end + OVERTIME_MAX) {}
    shift.outlook(end)
}

impl Shift<'_> {
    fn open(&mut self) {
        let pool = AgentPool::Extensions((1..=self.load.agents).map(|n| AgentId(i64::from(n))).collect());
        self.tell(Input::Trunk(TrunkSettings {
            trunk: TRUNK,
            enabled: true,
            channels_max: u32::MAX / 2,
            cps_max: 0,
        }));
        self.tell(Input::Campaign(CampaignSettings {
            campaign: CAMPAIGN,
            status: CampaignStatus::Running,
            pool,
            pacing: self.load.pacing,
            calls_max: u32::MAX / 2,
            not_before: None,
            run_until: None,
            caller_ids: Vec::new(),
            abandon_max: self.load.abandon_max,
            answered_before: 0,
            abandoned_before: 0,
            amd: false,
        }));
        self.tell(Input::LeadsAdded { campaign: CAMPAIGN });
        for n in 1..=self.load.agents {
            let agent = AgentId(i64::from(n));
            self.tell(Input::Agent(AgentSettings { agent, extension: n.to_string(), enabled: true }));
            self.tell(Input::Registered { agent });
            self.tell(Input::AgentLegUp { agent });
        }
    }

    /// The next thing that happens; false when the shift is over.
    fn step(&mut self, end: Duration) -> bool {
        let planned = self.events.peek().map(|Reverse((at, ..))| *at);
        let Some(next) = [planned, self.engine.deadline()].into_iter().flatten().min() else { return false };
        if self.is_over || next > end {
            return false;
        }
        self.now = self.now.max(next);
        match self.events.peek() {
            Some(Reverse((at, _, what))) if *at <= self.now => {
                let what = *what;
                self.events.pop();
                self.happen(what);
            }
            _ => self.tell(Input::Timeout),
        }
        true
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Rings(call) => {
                self.customer(call, LegEvent::Ringing { early_media: false });
            }
            Happening::Answers(call) => self.customer(call, LegEvent::Answered),
            Happening::Fails(call) => {
                let failure = Failure { outcome: Outcome::Busy, cause: Cause::BUSY, sip_status: 486 };
                self.customer(call, LegEvent::Failed(failure));
            }
            Happening::HangsUp(call) => self.customer(call, LegEvent::HungUp { cause: Cause::NORMAL }),
            Happening::MessageEnds(call) => self.tell(Input::MessagePlayed { call }),
        }
    }

    fn customer(&mut self, call: CallId, event: LegEvent) {
        if !self.legs.contains_key(&call) {
            return;
        }
        if matches!(event, LegEvent::Failed(_) | LegEvent::HungUp { .. }) {
            self.legs.remove(&call);
        }
        self.tell(Input::Customer { call, event });
    }

    fn tell(&mut self, input: Input) {
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = Now { mono: self.now, wall: START.plus(self.now) };
            self.engine.handle(now, input);
            while let Some(effect) = self.engine.poll() {
                inputs.extend(self.carry_out(effect));
            }
        }
    }

    fn plan(&mut self, after: Duration, what: Happening) {
        self.order += 1;
        self.events.push(Reverse((self.now + after, self.order, what)));
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::LeaseLeads { request, slots, .. } => {
                let leads = slots.iter().map_while(|slot| self.next_lead(slot.call)).collect();
                let next_due = if self.is_used_up() { Supply::Exhausted } else { Supply::Available };
                return Some(Input::LeadsLeased { request, leads, next_due });
            }
            Effect::Dial(dial) => self.dial(dial.call),
            Effect::Offer { call, agent } => {
                return Some(Input::AgentLeg { call, agent, event: LegEvent::Answered });
            }
            Effect::Bridge { call, .. } => {
                let talk = self.load.talk.draw(&mut self.rng);
                self.plan(talk, Happening::HangsUp(call));
            }
            Effect::PlayMessage { call } => self.plan(self.load.message, Happening::MessageEnds(call)),
            Effect::Cancel { call } => {
                self.legs.remove(&call);
                return Some(Input::Customer { call, event: LegEvent::Failed(CANCELLED) });
            }
            Effect::HangUp { call } => {
                self.legs.remove(&call);
            }
            Effect::SaveCall(record) => {
                let call = record.call;
                self.records.push(*record);
                return Some(Input::CallSaved { call, retry_at: None });
            }
            Effect::ReturnLeads { calls } => return Some(Input::ReturnDone { calls }),
            Effect::RaiseAgentLeg { agent } => return Some(Input::AgentLegUp { agent }),
            Effect::EndCampaign { .. } => self.is_over = true,
            Effect::CancelOffer { .. } | Effect::DropAgentLeg { .. } | Effect::CampaignStarted { .. } => {}
            // Nobody asks for calls in a plan.
            Effect::Answer { .. }
            | Effect::OpenDirect(_)
            | Effect::RingAgent { .. }
            | Effect::PlayRingback { .. }
            | Effect::TakeLine { .. }
            | Effect::Referred { .. }
            | Effect::TakeOver { .. }
            | Effect::TakePlace { .. }
            | Effect::TakeLegOf { .. }
            | Effect::ReferTold { .. }
            | Effect::TakeCustomer { .. }
            | Effect::PlayHold { .. }
            | Effect::RefuseLine { .. }
            | Effect::DialAgent { .. }
            | Effect::RingSupervisor { .. }
            | Effect::Watch { .. }
            | Effect::SaveDirect(_) => {}
        }
        None
    }

    fn is_used_up(&self) -> bool {
        self.load.numbers.is_some_and(|n| self.numbers_used >= n)
    }

    fn next_lead(&mut self, call: CallId) -> Option<LeasedLead> {
        if self.is_used_up() {
            return None;
        }
        self.numbers_used += 1;
        if self.is_used_up() {
            self.used_up_at = Some(self.now);
        }
        let number = PhoneNumber::parse(&format!("1{:010}", self.numbers_used % 10_000_000_000)).ok()?;
        let lead = LeadId(i64::try_from(self.numbers_used).ok()?);
        Some(LeasedLead { call, lead, number, attempt: 1 })
    }

    fn dial(&mut self, call: CallId) {
        self.legs.insert(call, ());
        let fate = self.rng.f64();
        if fate < self.load.answered {
            let ring = self.load.ring.draw(&mut self.rng);
            self.plan(RINGS_AFTER.min(ring), Happening::Rings(call));
            self.plan(ring, Happening::Answers(call));
        } else if fate < self.load.answered + self.load.failing {
            let after = self.load.fail_after.draw(&mut self.rng);
            self.plan(after, Happening::Fails(call));
        } else {
            self.plan(RINGS_AFTER, Happening::Rings(call));
        }
    }

    fn outlook(&self, end: Duration) -> Outlook {
        let dialing = self.used_up_at.unwrap_or(end).min(end);
        let mut outlook = Outlook {
            dialing_s: dialing.as_secs_f64(),
            total_s: self.now.as_secs_f64(),
            calls: self.records.len() as u64,
            hours: vec![Hour::default(); (dialing.as_secs() / 3600) as usize],
            ..Outlook::default()
        };
        let mut busy_s = 0.0;
        for record in &self.records {
            match record.outcome {
                Outcome::Connected => outlook.connected += 1,
                Outcome::Abandoned => outlook.abandoned += 1,
                _ => {}
            }
            busy_s += self.busy_within(record, 0.0, outlook.dialing_s);
            self.note_hours(record, &mut outlook.hours);
        }
        let agents = f64::from(self.load.agents);
        outlook.utilisation = busy_s / (agents * outlook.dialing_s).max(1.0);
        for hour in &mut outlook.hours {
            hour.utilisation /= agents * 3600.0;
        }
        outlook
    }

    fn note_hours(&self, record: &CallRecord, hours: &mut [Hour]) {
        let Some(answered) = record.answered_at.map(|t| t.since(START).as_secs() / 3600) else { return };
        if let Some(hour) = hours.get_mut(answered as usize) {
            hour.connected += u64::from(record.outcome == Outcome::Connected);
            hour.abandoned += u64::from(record.outcome == Outcome::Abandoned);
        }
        for (i, hour) in hours.iter_mut().enumerate() {
            let from = i as f64 * 3600.0;
            hour.utilisation += self.busy_within(record, from, from + 3600.0);
        }
    }

    /// Seconds of talk and wrap-up between two times of the shift.
    fn busy_within(&self, record: &CallRecord, from: f64, to: f64) -> f64 {
        let Some(bridged) = record.bridged_at else { return 0.0 };
        let begin = bridged.since(START).as_secs_f64();
        let end = record.ended_at.since(START).as_secs_f64() + self.load.rules.wrap_up.as_secs_f64();
        (end.min(to) - begin.max(from)).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::Length;
    use super::*;

    fn load(agents: u32, numbers: Option<u64>) -> Load {
        Load {
            agents,
            numbers,
            hours: 2.0,
            answered: 0.3,
            failing: 0.1,
            ring: Length::Normal { mean: 8.0, sd: 2.0 },
            fail_after: Length::Normal { mean: 2.0, sd: 0.5 },
            talk: Length::Lognormal { mean: 60.0, cv: 1.0 },
            pacing: engine::PacingMode::Progressive,
            abandon_max: 300,
            rules: engine::Config { wrap_up: Duration::from_secs(10), ..engine::Config::default() },
            message: Duration::from_secs(6),
        }
    }

    #[test]
    fn a_list_is_called_to_its_end() {
        let outlook = play(&load(5, Some(200)), 1);
        assert_eq!(outlook.calls, 200);
        assert!((35..=85).contains(&outlook.connected), "{outlook:?}");
        assert!(outlook.total_s >= outlook.dialing_s && outlook.total_s < 7200.0, "{outlook:?}");
    }

    #[test]
    fn one_call_per_idle_agent_abandons_nobody_and_the_same_seed_is_the_same_shift() {
        let (a, b) = (play(&load(10, None), 3), play(&load(10, None), 3));
        assert_eq!(a.abandoned, 0);
        assert!(a.utilisation > 0.5 && a.utilisation < 0.9, "{a:?}");
        assert_eq!(format!("{a:?}"), format!("{b:?}"));
        assert_eq!(a.hours.len(), 2);
    }

    #[test]
    fn more_calls_per_agent_mean_busier_agents() {
        let pushy = Load { pacing: engine::PacingMode::Ratio(2000), ..load(10, None) };
        assert!(play(&pushy, 3).utilisation > play(&load(10, None), 3).utilisation + 0.03);
    }
}
