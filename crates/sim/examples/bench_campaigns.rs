//! What open campaigns cost an engine when they share their agents: `cargo run --release -p sim --example bench_campaigns`,
//! or with numbers of campaigns as arguments. Twenty agents, three minutes of calls on a virtual clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant};

use engine::*;
use fastrand::Rng;

const AGENTS: i64 = 20;
const MINUTES: u64 = 3;

fn main() {
    let given: Vec<i64> = std::env::args().skip(1).filter_map(|n| n.parse().ok()).collect();
    let counts = if given.is_empty() { vec![1, 10, 100, 1000, 5000] } else { given };
    println!(
        "{:>9} {:>10} {:>8} {:>8} {:>10} {:>9} {:>9}",
        "campaigns", "opened in", "inputs", "talks", "time", "mean µs", "most ms"
    );
    for campaigns in counts {
        let mut floor = Floor::new();
        let begun = Instant::now();
        (1..=campaigns).for_each(|n| floor.open(n));
        let opened = begun.elapsed();
        floor.inputs.clear();
        floor.run(Duration::from_secs(MINUTES * 60));
        let total: Duration = floor.inputs.iter().sum();
        let most = floor.inputs.iter().max().copied().unwrap_or_default();
        let count = u32::try_from(floor.inputs.len()).unwrap_or(u32::MAX).max(1);
        println!(
            "{campaigns:>9} {opened:>10.1?} {count:>8} {:>8} {total:>10.1?} {:>9.1} {:>9.1}",
            floor.talks,
            (total / count).as_secs_f64() * 1e6,
            most.as_secs_f64() * 1e3
        );
    }
}

/// The world around the engine.
struct Floor {
    engine: Engine,
    mono: Duration,
    rng: Rng,
    /// What comes when, in order.
    coming: BinaryHeap<Reverse<(Duration, u64)>>,
    inputs_coming: BTreeMap<u64, Input>,
    sent: u64,
    leads: i64,
    talks: u32,
    /// What each input took.
    inputs: Vec<Duration>,
}

impl Floor {
    fn new() -> Floor {
        let mut floor = Floor {
            engine: Engine::new(Config::default(), 1),
            mono: Duration::from_secs(1000),
            rng: Rng::with_seed(7),
            coming: BinaryHeap::new(),
            inputs_coming: BTreeMap::new(),
            sent: 0,
            leads: 0,
            talks: 0,
            inputs: Vec::new(),
        };
        let (group, trunk) = (GroupId(1), TrunkId(1));
        floor.input(Input::Trunk(TrunkSettings { trunk, enabled: true, channels_max: 1000, cps_max: 0 }));
        let members = (1..=AGENTS).map(AgentId).collect();
        let strategy = Strategy::LongestIdle;
        let callers = CallerTimes::default();
        floor.input(Input::Group(GroupSettings { group, strategy, enabled: true, members, callers }));
        for agent in (1..=AGENTS).map(AgentId) {
            floor.input(Input::Agent(AgentSettings { agent, extension: agent.0.to_string(), enabled: true }));
            floor.input(Input::Registered { agent });
            floor.input(Input::SignedIn { agent, group });
        }
        floor
    }

    fn open(&mut self, campaign: i64) {
        self.input(Input::Campaign(CampaignSettings {
            campaign: CampaignId(campaign),
            status: CampaignStatus::Running,
            pool: AgentPool::Group(GroupId(1)),
            pacing: PacingMode::Predictive(1500),
            calls_max: 100,
            not_before: None,
            run_until: None,
            caller_ids: Vec::new(),
            abandon_max: 300,
            amd: false,
            answered_before: 0,
            abandoned_before: 0,
        }));
    }

    fn now(&self) -> Now {
        let since = u64::try_from(self.mono.as_micros()).unwrap_or(u64::MAX);
        Now { mono: self.mono, wall: Timestamp(1_700_000_000_000_000).plus(Duration::from_micros(since)) }
    }

    fn input(&mut self, input: Input) {
        let begun = Instant::now();
        self.engine.handle(self.now(), input);
        self.inputs.push(begun.elapsed());
        while let Some(effect) = self.engine.poll() {
            self.carry_out(effect);
        }
    }

    fn later(&mut self, ms: u64, input: Input) {
        self.sent += 1;
        self.coming.push(Reverse((self.mono + Duration::from_millis(ms), self.sent)));
        self.inputs_coming.insert(self.sent, input);
    }

    fn run(&mut self, length: Duration) {
        let end = self.mono + length;
        while self.mono < end {
            let next = self.coming.peek().map(|Reverse((at, _))| *at);
            let timer = self.engine.deadline();
            let at = next.into_iter().chain(timer).min().unwrap_or(end);
            self.mono = self.mono.max(at);
            if next.is_some_and(|next| next <= at) {
                let Reverse((_, n)) = self.coming.pop().expect("it was peeked");
                let input = self.inputs_coming.remove(&n).expect("it was sent");
                self.input(input);
            } else {
                self.input(Input::Timeout);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::LeaseLeads { request, slots, .. } => {
                let lead = |slot: LeaseSlot| {
                    self.leads += 1;
                    let number = PhoneNumber::parse(&format!("138{:08}", self.leads)).expect("eleven digits");
                    LeasedLead { call: slot.call, lead: LeadId(self.leads), number, attempt: 1 }
                };
                let leads = slots.into_iter().map(lead).collect();
                self.later(2, Input::LeadsLeased { request, leads, next_due: Supply::Available });
            }
            Effect::Dial(dial) => {
                self.later(
                    500,
                    Input::Customer { call: dial.call, event: LegEvent::Ringing { early_media: false } },
                );
                let (after, event) = match self.rng.u8(..10) {
                    0..3 => (self.rng.u64(3_000..15_000), LegEvent::Answered),
                    _ => (self.rng.u64(3_000..20_000), LegEvent::Failed(busy())),
                };
                self.later(after, Input::Customer { call: dial.call, event });
            }
            Effect::Offer { call, agent } => {
                self.later(200, Input::AgentLeg { call, agent, event: LegEvent::Answered });
            }
            Effect::Bridge { call, .. } => {
                self.talks += 1;
                let after = self.rng.u64(5_000..60_000);
                self.later(after, Input::Customer { call, event: LegEvent::HungUp { cause: Cause::NORMAL } });
            }
            Effect::PlayMessage { call } => self.later(2_000, Input::MessagePlayed { call }),
            Effect::Cancel { call } => {
                let event = LegEvent::Failed(Failure {
                    outcome: Outcome::NoAnswer,
                    cause: Cause::NO_ANSWER,
                    sip_status: 487,
                });
                self.later(20, Input::Customer { call, event });
            }
            Effect::SaveCall(record) => self.later(2, Input::CallSaved { call: record.call, retry_at: None }),
            _ => {}
        }
    }
}

fn busy() -> Failure {
    Failure { outcome: Outcome::Busy, cause: Cause::BUSY, sip_status: 486 }
}
