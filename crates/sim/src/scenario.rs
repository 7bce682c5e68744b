//! What a seed stands for: the company, its people, its lines, and how badly everything behaves.

use std::time::Duration;

use engine::{
    AgentId, AgentLegs, CallerTimes, Config, GroupId, GroupSettings, PacingMode, Strategy, TrunkId,
    TrunkSettings,
};
use fastrand::Rng;

#[derive(Clone, Debug)]
pub struct Scenario {
    pub config: Config,
    pub agents: Vec<AgentId>,
    pub groups: Vec<GroupSettings>,
    pub trunks: Vec<TrunkSettings>,
    pub campaigns: Vec<CampaignPlan>,
    /// Commands and accidents stop after this.
    pub trouble: Duration,
    /// Mean time between them.
    pub trouble_every: Duration,
    pub store: StoreManners,
    /// Of 100 customers.
    pub answering: u32,
    pub talk_mean: Duration,
    /// A process restarts without warning.
    pub crashes: bool,
    pub wall_jumps: bool,
}

#[derive(Clone, Debug)]
pub struct CampaignPlan {
    pub leads: u32,
    /// A group, or else these extensions.
    pub group: Option<GroupId>,
    pub extensions: Vec<AgentId>,
    pub pacing: PacingMode,
    pub calls_max: u32,
    pub attempts_max: u32,
    pub starts_running: bool,
    /// After the start of the world.
    pub not_before: Option<Duration>,
    pub run_until: Option<Duration>,
    pub caller_ids: u32,
}

#[derive(Clone, Debug)]
pub struct StoreManners {
    /// Mean time until a verb is done, and again until its answer is there.
    pub delay: Duration,
    /// Of 1000 verbs: not done.
    pub failing: u32,
    /// Of 1000 verbs: done, but the answer says they are not.
    pub lost_answers: u32,
}

impl Scenario {
    pub fn new(rng: &mut Rng) -> Scenario {
        let agents: Vec<AgentId> = (1..=rng.i64(1..9)).map(AgentId).collect();
        let groups = (1..=rng.i64(1..4)).map(|id| group(rng, GroupId(id), &agents)).collect::<Vec<_>>();
        let campaigns = (0..rng.usize(1..4)).map(|_| CampaignPlan::new(rng, &agents, &groups)).collect();
        let trunks = (1..=rng.i64(1..4)).map(|id| trunk(rng, TrunkId(id))).collect();
        let is_calm_world = rng.u32(..8) == 0;
        Scenario {
            config: config(rng),
            agents,
            groups,
            trunks,
            campaigns,
            trouble: seconds(rng, 60, 900),
            trouble_every: if is_calm_world { Duration::from_secs(100_000) } else { seconds(rng, 2, 40) },
            store: StoreManners {
                delay: Duration::from_millis(rng.choice([1, 10, 45, 200, 1500]).unwrap_or(10)),
                failing: rng.choice([0, 0, 5, 100, 300]).unwrap_or(0),
                lost_answers: rng.choice([0, 0, 5, 100]).unwrap_or(0),
            },
            answering: rng.u32(5..90),
            talk_mean: seconds(rng, 3, 90),
            crashes: rng.bool(),
            wall_jumps: rng.u8(..4) == 0,
        }
    }
}

impl CampaignPlan {
    fn new(rng: &mut Rng, agents: &[AgentId], groups: &[GroupSettings]) -> CampaignPlan {
        let by_group = rng.bool();
        let pacing = match rng.u8(..4) {
            0 | 1 => PacingMode::Progressive,
            2 => PacingMode::Ratio(rng.u32(500..4000)),
            _ => PacingMode::Predictive(rng.u32(500..4000)),
        };
        let not_before = (rng.u8(..5) == 0).then(|| seconds(rng, 1, 600));
        let run_until = (rng.u8(..6) == 0).then(|| seconds(rng, 30, 3000));
        CampaignPlan {
            leads: rng.u32(1..60),
            group: by_group.then(|| rng.choice(groups).expect("there is a group").group),
            extensions: some_of(rng, agents),
            pacing,
            calls_max: rng.choice([1, 2, 5, 100]).unwrap_or(1),
            attempts_max: rng.u32(1..4),
            starts_running: rng.u8(..4) > 0,
            not_before,
            run_until,
            caller_ids: rng.u32(..3),
        }
    }
}

fn config(rng: &mut Rng) -> Config {
    let legs = if rng.u8(..3) == 0 { AgentLegs::KeptUp } else { AgentLegs::RungPerCall };
    Config {
        answer_wait: Duration::from_millis(rng.choice([500, 2000, 10_000]).unwrap_or(2000)),
        wrap_up: Duration::from_secs(rng.choice([0, 3, 20]).unwrap_or(3)),
        miss_pause: Duration::from_secs(rng.choice([0, 3]).unwrap_or(3)),
        misses_max: rng.choice([0, 1, 3]).unwrap_or(3),
        unsaved_max: rng.choice([1, 3, 1000]).unwrap_or(1000),
        message_max: Duration::from_secs(10),
        agent_legs: legs,
        // Of a copy, so that the worlds of old seeds stay what they were.
        give_up_late: rng.clone().bool(),
        ..Config::default()
    }
}

fn group(rng: &mut Rng, group: GroupId, agents: &[AgentId]) -> GroupSettings {
    let strategy = Strategy::from_code(rng.i64(1..9)).expect("codes are 1 to 8");
    let members = some_of(rng, agents);
    GroupSettings { group, strategy, enabled: true, members, callers: CallerTimes::default() }
}

fn trunk(rng: &mut Rng, trunk: TrunkId) -> TrunkSettings {
    let channels_max = rng.choice([1, 3, 30]).unwrap_or(1);
    let cps_max = rng.choice([0, 1, 10]).unwrap_or(0);
    TrunkSettings { trunk, enabled: true, channels_max, cps_max }
}

/// At least one, in any order.
pub fn some_of(rng: &mut Rng, agents: &[AgentId]) -> Vec<AgentId> {
    let mut some = agents.to_vec();
    rng.shuffle(&mut some);
    some.truncate(rng.usize(1..=agents.len()));
    some
}

pub fn seconds(rng: &mut Rng, from: u64, to: u64) -> Duration {
    Duration::from_millis(rng.u64(from * 1000..to * 1000))
}

/// Exponentially distributed, at most 20 times the mean.
pub fn about(rng: &mut Rng, mean: Duration) -> Duration {
    mean.mul_f64((-(1.0 - rng.f64()).ln()).min(20.0))
}
