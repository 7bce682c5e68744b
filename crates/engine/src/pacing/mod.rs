//! How many to dial now: a pure function over a small view of the world. Floating point stays in here.
//!
//! I: idle agents. R: slots reserved, dialing and ringing. W: answered calls without an agent. An agent that is being
//! offered a call is not idle, and its call is not in W.

pub mod look_ahead;
mod progressive;
mod ratio;

use std::time::Duration;

use crate::{CampaignSettings, Config, PacingMode, RatioMilli};
use look_ahead::{LookAhead, PacingDecision, Rules, cap_left};

/// One idle agent. Divides evenly by every number of campaigns up to 16 that may share the agent.
pub(crate) const UNIT: i64 = 720_720;
/// Of the time that a customer waits, what an agent's phone needs to be answered.
const RUNG_SECONDS: f64 = 0.7;

/// What a campaign has learned of its calls. It learns in every mode, for the day on which it is made predictive.
#[derive(Debug)]
pub(crate) struct Pacer {
    mode: PacingMode,
    pub(crate) look: LookAhead,
    /// The last decision, once there was one.
    decision: Option<PacingDecision>,
    pub(crate) looked_at: Option<Duration>,
    pub(crate) answered: u32,
    pub(crate) abandoned: u32,
}

fn start_ratio(mode: PacingMode) -> f64 {
    match mode {
        PacingMode::Predictive(start) => f64::from(start) / 1000.0,
        PacingMode::Progressive | PacingMode::Ratio(_) => 1.0,
    }
}

fn cap(settings: &CampaignSettings, config: &Config) -> f64 {
    let cap = f64::from(settings.abandon_max) / 10_000.0;
    let missed = if settings.amd { f64::from(config.amd_false_positives) / 10_000.0 } else { 0.0 };
    cap_left(cap, missed)
}

impl Pacer {
    pub(crate) fn new(settings: &CampaignSettings, config: &Config, mono: Duration) -> Pacer {
        let before = (settings.answered_before, settings.abandoned_before);
        let rung = match config.agent_legs {
            crate::AgentLegs::RungPerCall => RUNG_SECONDS,
            crate::AgentLegs::KeptUp => 0.0,
        };
        let rules = Rules {
            abandon_max: cap(settings, config),
            grace: (config.answer_wait.as_secs_f64() - rung).clamp(0.0, 20.0),
            no_answer: config.no_answer.as_secs_f64(),
            start_ratio: start_ratio(settings.pacing),
            give_up_from: config.give_up_late.then_some(config.ring_min.as_secs_f64()),
            before,
        };
        Pacer {
            mode: settings.pacing,
            look: LookAhead::new(rules, mono),
            decision: None,
            looked_at: None,
            answered: before.0,
            abandoned: before.1,
        }
    }

    /// What was learned stays.
    pub(crate) fn change(&mut self, settings: &CampaignSettings, config: &Config) {
        self.mode = settings.pacing;
        self.look.change(cap(settings, config), start_ratio(settings.pacing));
    }

    pub(crate) fn is_predictive(&self) -> bool {
        matches!(self.mode, PacingMode::Predictive(_))
    }

    /// A call was answered by a person and either got an agent or did not.
    pub(crate) fn note(&mut self, mono: Duration, abandoned: bool) {
        self.answered = self.answered.saturating_add(1);
        self.abandoned = self.abandoned.saturating_add(u32::from(abandoned));
        self.look.served(mono, abandoned);
    }

    /// The last decision of a predictive campaign.
    pub(crate) fn decision(&self) -> Option<PacingDecision> {
        self.decision.filter(|_| self.is_predictive())
    }

    pub(crate) fn decided(&mut self, mono: Duration, decision: PacingDecision) {
        self.decision = Some(decision);
        self.looked_at = Some(mono);
    }

    pub(crate) fn bound_by(&mut self, bound_by: look_ahead::BoundBy) {
        if let Some(decision) = &mut self.decision {
            decision.bound_by = bound_by;
        }
    }

    /// Calls per idle agent: the rule, or what the last decision came to.
    pub(crate) fn ratio(&self) -> RatioMilli {
        match (self.mode, self.decision) {
            (PacingMode::Progressive, _) => progressive::RATIO,
            (PacingMode::Ratio(ratio), _) | (PacingMode::Predictive(ratio), None) => ratio,
            (PacingMode::Predictive(_), Some(d)) => {
                let calls = u64::from(d.in_flight) + u64::from(d.waiting) + u64::from(d.wanted);
                u32::try_from(calls * 1000 / u64::from(d.idle.max(1))).unwrap_or(u32::MAX)
            }
        }
    }
}

/// What one campaign brings into a round of sharing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) ratio: RatioMilli,
    /// The campaign's part of the idle agents, in `UNIT`s.
    pub(crate) idle: i64,
    /// Idle agents that could take its calls, shared or not.
    pub(crate) idle_agents: i64,
    /// R + W.
    pub(crate) in_flight: i64,
    /// Calls that its own limit leaves.
    pub(crate) room: i64,
}

impl Demand {
    /// Calls that this many idle agents (in units) are worth, those in flight included.
    fn target(&self, idle: i64) -> i64 {
        ratio::target(idle, self.ratio) / UNIT
    }

    /// Agents (in units) that this many calls keep.
    fn kept_by(&self, calls: i64) -> i64 {
        let ratio = i64::from(self.ratio.max(1000));
        (calls * UNIT * 1000 + ratio - 1) / ratio
    }

    /// What its own part alone is worth, beyond the calls in flight.
    pub(crate) fn own_calls(&self) -> i64 {
        self.target(self.idle) - self.in_flight
    }

    fn cap(&self) -> i64 {
        (self.target(self.idle_agents * UNIT) - self.in_flight).min(self.room).max(0)
    }
}

/// New calls for each of the campaigns that share agents. Parts of an agent are passed on to the next campaign, so the
/// last ones get what is indivisible: put those first that got it last.
pub(crate) fn allot(demands: &[Demand]) -> Vec<i64> {
    let mut given = vec![0; demands.len()];
    // Campaigns with more calls in flight than their part is worth take from everybody.
    let mut carry: i64 = demands.iter().map(|d| (d.idle - d.kept_by(d.in_flight)).min(0)).sum();
    for (calls, d) in given.iter_mut().zip(demands) {
        if d.idle < d.kept_by(d.in_flight) {
            continue;
        }
        let mine = d.idle + carry;
        *calls = (d.target(mine.max(0)) - d.in_flight).clamp(0, d.cap());
        carry = mine - d.kept_by(d.in_flight + *calls);
    }
    // What a campaign may not use because of its own limit goes to the others.
    for (calls, d) in given.iter_mut().zip(demands) {
        while carry >= d.kept_by(1) && *calls < d.cap() {
            *calls += 1;
            carry -= d.kept_by(1);
        }
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_be_taken_for_a_machine_is_taken_off_the_cap() {
        let settings = |amd| crate::CampaignSettings {
            amd,
            abandon_max: 300,
            ..crate::tests::campaign(PacingMode::Predictive(1500))
        };
        let config = Config { amd_false_positives: 100, ..Config::default() };
        assert_eq!(cap(&settings(false), &config), 0.03);
        // Of 990 who are told apart 20 may find nobody: with the ten who are hung up on, 30 of 1000.
        assert!((cap(&settings(true), &config) - 20.0 / 990.0).abs() < 1e-12);
        assert_eq!(cap(&settings(true), &Config { amd_false_positives: 301, ..config }), 0.0);
    }

    fn demand(ratio: RatioMilli, idle: i64, idle_agents: i64, in_flight: i64) -> Demand {
        Demand { ratio, idle, idle_agents, in_flight, room: 100 }
    }

    #[test]
    fn progressive_dials_one_call_for_each_idle_agent_less_those_in_flight() {
        assert_eq!(allot(&[demand(1000, 5 * UNIT, 5, 2)]), [3]);
        assert_eq!(allot(&[demand(1000, UNIT, 1, 4)]), [0]);
        assert_eq!(allot(&[demand(1000, 0, 0, 0)]), [0]);
    }

    #[test]
    fn a_ratio_is_multiplied_and_rounded_down() {
        assert_eq!(allot(&[demand(1500, 3 * UNIT, 3, 0)]), [4]);
        assert_eq!(allot(&[demand(2500, 2 * UNIT, 2, 1)]), [4]);
    }

    #[test]
    fn a_ratio_below_one_still_dials_one_call_for_the_only_agent() {
        assert_eq!(allot(&[demand(500, UNIT, 1, 0)]), [1]);
        assert_eq!(allot(&[demand(500, 6 * UNIT, 6, 0)]), [3]);
    }

    #[test]
    fn shared_agents_are_never_counted_twice() {
        for campaigns in 1..=16 {
            for agents in 0..20 {
                let each = demand(1000, agents * UNIT / campaigns, agents, 0);
                let given = allot(&vec![each; usize::try_from(campaigns).unwrap()]);
                assert_eq!(given.iter().sum::<i64>(), agents, "{campaigns} campaigns");
                assert!(given.iter().max().unwrap() - given.iter().min().unwrap() <= 1);
            }
        }
    }

    #[test]
    fn the_last_campaign_gets_the_indivisible_agent() {
        let third = demand(1000, UNIT / 3, 1, 0);
        assert_eq!(allot(&[third, third, third]), [0, 0, 1]);
        let busy = demand(1000, UNIT / 3, 1, 1);
        assert_eq!(allot(&[busy, third, third]), [0, 0, 0]);
        assert_eq!(allot(&[third, third, busy]), [0, 0, 0]);
    }

    #[test]
    fn a_campaign_at_its_limit_leaves_its_part_to_the_others() {
        let mut full = demand(1000, 5 * UNIT, 10, 0);
        full.room = 1;
        let open = demand(1000, 5 * UNIT, 10, 0);
        assert_eq!(allot(&[open, full]), [9, 1]);
        assert_eq!(allot(&[full, open]), [1, 9]);
    }
}
