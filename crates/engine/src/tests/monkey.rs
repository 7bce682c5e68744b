//! Any inputs in any order: nothing panics, every invariant holds.

use super::*;
use crate::consult::Beside;
use fastrand::Rng;

/// What the engine has spoken of so far.
#[derive(Default)]
struct Seen {
    /// Dialed.
    calls: Vec<CallId>,
    leases: Vec<(LeaseId, Vec<CallId>)>,
    leads: i64,
    /// What a well-behaved world would answer.
    answers: Vec<Input>,
}

impl Seen {
    fn note(&mut self, effect: &Effect, rng: &mut Rng) {
        let event = leg_event(rng);
        match effect {
            Effect::SaveCall(record) => {
                self.answers.push(Input::CallSaved { call: record.call, retry_at: None })
            }
            Effect::OpenDirect(row) => {
                self.calls.push(row.call);
                let failed = rng.u8(..10) == 0;
                let call = row.call;
                self.answers.push(match failed {
                    true => Input::DirectNotOpened { call },
                    false => Input::DirectOpened { call },
                });
            }
            Effect::SaveDirect(record) => self.answers.push(Input::DirectSaved { call: record.call }),
            Effect::RingAgent { call, agent, .. } => {
                self.answers.push(Input::AgentLeg { call: *call, agent: *agent, event });
            }
            Effect::DialAgent { call, .. } => self.answers.push(Input::Customer { call: *call, event }),
            Effect::RingSupervisor { watch, supervisor, .. } => {
                self.calls.push(*watch);
                self.answers.push(Input::AgentLeg { call: *watch, agent: *supervisor, event });
            }
            Effect::ReturnLeads { calls } => self.answers.push(Input::ReturnDone { calls: calls.clone() }),
            Effect::EndCampaign { campaign, .. } => {
                self.answers.push(Input::EndRefused { campaign: *campaign })
            }
            Effect::RaiseAgentLeg { agent } => self.answers.push(Input::AgentLegUp { agent: *agent }),
            Effect::PlayMessage { call } => self.answers.push(Input::MessagePlayed { call: *call }),
            Effect::Offer { call, agent } => {
                self.answers.push(Input::AgentLeg { call: *call, agent: *agent, event });
            }
            Effect::LeaseLeads { request, slots, .. } => {
                self.leases.push((*request, slots.iter().map(|s| s.call).collect()));
                let leased = self.leased(rng);
                self.answers.push(leased);
            }
            Effect::Dial(dial) => {
                self.calls.push(dial.call);
                self.answers.push(Input::Customer { call: dial.call, event });
            }
            _ => {}
        }
    }

    fn call(&self, rng: &mut Rng) -> CallId {
        // Mostly late ones: those may still be alive.
        let late = self.calls.len().saturating_sub(6);
        rng.choice(&self.calls[late..]).copied().unwrap_or(CallId(7))
    }

    fn leased(&mut self, rng: &mut Rng) -> Input {
        let late = self.leases.len().saturating_sub(3);
        let Some((request, slots)) = rng.choice(&self.leases[late..]).cloned() else { return Input::Timeout };
        let mut leads = Vec::new();
        for call in slots.into_iter().take(rng.usize(..5)) {
            self.leads += 1;
            let call = if rng.u8(..20) == 0 { self.call(rng) } else { call };
            let number = PhoneNumber::parse("13800000000").unwrap();
            leads.push(LeasedLead { call, lead: LeadId(self.leads), number, attempt: 1 });
        }
        Input::LeadsLeased { request, leads, next_due: supply(rng) }
    }
}

fn supply(rng: &mut Rng) -> Supply {
    match rng.u8(..3) {
        0 => Supply::Available,
        1 => Supply::Due(Timestamp::from_unix_seconds(rng.i64(..200))),
        _ => Supply::Exhausted,
    }
}

fn leg_event(rng: &mut Rng) -> LegEvent {
    match rng.u8(..7) {
        0 => RINGING,
        1..4 => LegEvent::Answered,
        4 => failed(Outcome::Busy, Cause::BUSY, 486),
        5 => LegEvent::Heard(heard(rng)),
        _ => HUNG_UP,
    }
}

fn heard(rng: &mut Rng) -> Heard {
    match rng.u8(..5) {
        0 => Heard::Ringback,
        1 => Heard::Notice(rng.choice(Notice::ALL).unwrap()),
        2 => Heard::Answerer(Answerer::Unknown),
        3 => Heard::Answerer(Answerer::Human),
        _ => Heard::Answerer(Answerer::Machine),
    }
}

fn some_campaign(rng: &mut Rng) -> CampaignSettings {
    let statuses = [CampaignStatus::Draft, CampaignStatus::Paused, CampaignStatus::Ended];
    let running = rng.u8(..3) > 0;
    let pool = match rng.bool() {
        true => AgentPool::Group(GroupId(rng.i64(1..3))),
        false => AgentPool::Extensions((0..rng.i64(..4)).map(|_| AgentId(rng.i64(1..5))).collect()),
    };
    let modes =
        [PacingMode::Progressive, PacingMode::Ratio(rng.u32(..)), PacingMode::Predictive(rng.u32(..))];
    let time = |rng: &mut Rng| (rng.u8(..20) == 0).then(|| Timestamp::from_unix_seconds(rng.i64(..300)));
    CampaignSettings {
        campaign: CampaignId(rng.i64(1..4)),
        status: if running { CampaignStatus::Running } else { rng.choice(statuses).unwrap() },
        pool,
        pacing: rng.choice(modes).unwrap(),
        calls_max: rng.choice([0, 1, 7, u32::MAX]).unwrap(),
        not_before: time(rng),
        run_until: time(rng),
        caller_ids: Vec::new(),
        abandon_max: rng.choice([0, 300, u32::MAX]).unwrap(),
        answered_before: rng.choice([0, u32::MAX]).unwrap(),
        abandoned_before: 0,
        amd: rng.bool(),
    }
}

fn some_settings(rng: &mut Rng) -> Input {
    let agent = AgentId(rng.i64(1..5));
    match rng.u8(..4) {
        0 => Input::Agent(AgentSettings { agent, extension: String::new(), enabled: rng.u8(..4) > 0 }),
        1 => Input::Group(GroupSettings {
            group: GroupId(rng.i64(1..3)),
            strategy: Strategy::from_code(rng.i64(1..9)).unwrap(),
            enabled: rng.u8(..4) > 0,
            members: vec![agent],
            callers: CallerTimes {
                ring: secs(rng.u64(..3)),
                wait: secs(rng.u64(..60)),
                absent_wait: secs(rng.u64(..20)),
            },
        }),
        2 => Input::Trunk(TrunkSettings {
            trunk: TrunkId(rng.i64(1..3)),
            enabled: rng.u8(..4) > 0,
            channels_max: rng.choice([0, 2, u32::MAX]).unwrap(),
            cps_max: rng.choice([0, 2, u32::MAX]).unwrap(),
        }),
        _ => Input::Campaign(some_campaign(rng)),
    }
}

fn some_input(rng: &mut Rng, seen: &mut Seen) -> Input {
    if rng.bool() && !seen.answers.is_empty() {
        return seen.answers.swap_remove(rng.usize(..seen.answers.len()));
    }
    let agent = AgentId(rng.i64(1..6));
    let group = GroupId(rng.i64(1..3));
    let campaign = CampaignId(rng.i64(1..5));
    let call = seen.call(rng);
    let due = Timestamp::from_unix_seconds(rng.i64(..200));
    match rng.u8(..60) {
        0 => Input::LeadsAdded { campaign },
        1 => Input::EndRefused { campaign },
        2 => Input::GroupRemoved(group),
        3..6 => Input::Registered { agent },
        6 => Input::Unregistered { agent },
        7..10 => Input::SignedIn { agent, group },
        10 => Input::SignedOut { agent, group },
        11 => Input::Paused { agent },
        12 | 13 => Input::Unpaused { agent },
        14 => Input::AgentLegUp { agent },
        15 => Input::AgentLegDown { agent },
        16..20 => seen.leased(rng),
        20 => Input::LeaseFailed { request: LeaseId(rng.u64(..20)) },
        21 => Input::CallSaved { call, retry_at: rng.bool().then_some(due) },
        22 => Input::SaveFailed { call },
        23 => Input::ReturnDone { calls: vec![call, call] },
        24 => Input::ReturnFailed { calls: seen.leases.iter().flat_map(|l| l.1.clone()).collect() },
        25 => Input::ReturnDone { calls: seen.leases.iter().flat_map(|l| l.1.clone()).collect() },
        26..30 => Input::Customer { call, event: leg_event(rng) },
        30..34 => Input::AgentLeg { call, agent, event: leg_event(rng) },
        34 => Input::MessagePlayed { call },
        35 => Input::HangUp { agent },
        36 if rng.u8(..100) == 0 => Input::Drain,
        44 => rng.choice([Input::DirectOpened { call }, Input::DirectSaveFailed { call }]).unwrap(),
        45 => Input::DialRefused { call },
        46..49 => some_command(rng, agent),
        50 => Input::CustomerCalls(CustomerCall {
            line: LineId(1),
            trunk: TrunkId(1),
            number: PhoneNumber::parse("13900000000").unwrap(),
            caller_id: "021".into(),
        }),
        51 => Input::InboundOpened {
            call,
            last: LastCall {
                campaign: rng.bool().then_some(CampaignId(1)),
                agent: rng.bool().then_some(agent),
            },
        },
        52 => match rng.u8(..4) {
            2 => Input::ReferredOutside { agent, number: PhoneNumber::parse("13900000000").unwrap() },
            0 => Input::Joined { agent },
            1 => Input::Replaces(Replace { line: LineId(1), agent, of: AgentId(rng.i64(1..6)), call }),
            _ => Input::Referred { agent, to: AgentId(rng.i64(1..6)) },
        },
        49 => Input::PhoneCalls(PhoneCall {
            line: LineId(1),
            agent,
            number: PhoneNumber::parse("13900000000").unwrap(),
            to: rng.bool().then(|| AgentId(rng.i64(1..6))),
        }),
        36..38 => Input::Timeout,
        38..44 => some_settings(rng),
        _ => rng.choice(beginning()).unwrap(),
    }
}

/// An agent who talks hands the customer to a number outside, or does so no more but hangs up.
fn leaving(engine: &Engine, rng: &mut Rng) -> Option<Input> {
    if rng.u8(..12) > 0 {
        return None;
    }
    let agent =
        rng.choice((1..5).map(AgentId).filter(|agent| engine.talk_of(*agent).is_some()).collect::<Vec<_>>())?;
    let call = engine.talk_of(agent)?;
    Some(match engine.consults.contains_key(&agent) {
        false => Input::ReferredOutside { agent, number: PhoneNumber::parse("13900000000").unwrap() },
        true => Input::AgentLeg { call, agent, event: HUNG_UP },
    })
}

fn some_command(rng: &mut Rng, agent: AgentId) -> Input {
    let first = if rng.bool() { FirstRung::Agent } else { FirstRung::Customer };
    let modes = [WatchMode::Listen, WatchMode::Whisper, WatchMode::ThreeWay];
    let other = AgentId(rng.i64(1..6));
    let command = match rng.u8(..8) {
        0..3 => CallCommand::MakeCall(direct::wish(agent.0, first)),
        3 | 4 => CallCommand::Watch {
            supervisor: other,
            agent,
            mode: rng.choice(modes).unwrap(),
            start: WatchStart::RingIfNeeded,
        },
        5 => CallCommand::Transfer { agent, target: TransferTarget::Agent(other) },
        6 => CallCommand::Transfer { agent, target: TransferTarget::Group(GroupId(rng.i64(1..3))) },
        _ => CallCommand::Release { agent },
    };
    Input::Command { request: RequestId(1), command }
}

/// A company that could work.
fn beginning() -> Vec<Input> {
    let mut inputs = vec![
        Input::Trunk(TrunkSettings { trunk: TrunkId(1), enabled: true, channels_max: 9, cps_max: 0 }),
        Input::Inbound(InboundRule {
            numbers: [("021".to_owned(), InboundNumber { group: Some(GroupId(1)) })].into(),
            ring: secs(5),
            wait: secs(20),
        }),
        Input::Outbound(OutboundRule { allow: vec![String::new()], ..OutboundRule::default() }),
        Input::Group(group(Strategy::LongestIdle, &[1, 2])),
        Input::Campaign(campaign(PacingMode::Ratio(2000))),
    ];
    for agent in (1..5).map(AgentId) {
        inputs.push(Input::Agent(AgentSettings { agent, extension: String::new(), enabled: true }));
        inputs.push(Input::Registered { agent });
        inputs.push(Input::SignedIn { agent, group: GROUP });
        inputs.push(Input::AgentLegUp { agent });
    }
    inputs
}

#[test]
fn any_inputs_in_any_order_break_no_invariant() {
    let (mut dialed, mut awaited) = (0, 0);
    for seed in 0..60 {
        let mut rng = Rng::with_seed(seed);
        let agent_legs = if rng.bool() { AgentLegs::KeptUp } else { AgentLegs::RungPerCall };
        let zero = if rng.bool() { Duration::ZERO } else { secs(1) };
        let config =
            Config { agent_legs, wrap_up: zero, miss_pause: zero, answer_wait: zero, ..Config::default() };
        let mut engine = Engine::new(config, seed);
        let mut now = Now::default();
        let mut seen = Seen::default();
        let mut first = beginning().into_iter();
        for _ in 0..400 {
            let input = first.next().or_else(|| leaving(&engine, &mut rng));
            let input = input.unwrap_or_else(|| some_input(&mut rng, &mut seen));
            engine.handle(now, input);
            engine.check();
            let is_awaited =
                |direct: &crate::direct::Direct| matches!(direct.beside, Some(Beside::Awaited(_)));
            awaited += usize::from(engine.directs.values().any(is_awaited));
            while let Some(effect) = engine.poll() {
                seen.note(&effect, &mut rng);
            }
            now.mono += ms(rng.u64(..800));
            now.wall = Timestamp(now.wall.0 + rng.i64(-100_000..800_000));
        }
        dialed += seen.calls.len();
    }
    assert!(dialed > 300, "it got as far as calls: {dialed}");
    assert!(awaited > 100, "and to numbers outside that customers wait for: {awaited}");
}
