//! How many to dial now: a pure function over a small view of the world. Floating point stays in here.
//!
//! I: idle agents. R: slots reserved, dialing and ringing. W: answered calls without an agent. An agent that is being
//! offered a call is not idle, and its call is not in W.

mod adaptive;
mod progressive;
mod ratio;
mod window;

pub(crate) use adaptive::Adaptive;
pub(crate) use window::Window;

use std::time::Duration;

use crate::{PacingMode, RatioMilli};

/// One idle agent. Divides evenly by every number of campaigns up to 16 that may share the agent.
pub(crate) const UNIT: i64 = 720_720;

/// What a campaign has learned of its calls.
#[derive(Debug)]
pub(crate) struct Pacer {
    mode: PacingMode,
    adaptive: Adaptive,
    /// Answered and abandoned calls of the last 30 minutes.
    recent: Window,
    /// Answered and abandoned calls of the last 24 hours, with what came before the engine started.
    day: Window,
    abandon_max: u32,
    pub(crate) answered: u32,
    pub(crate) abandoned: u32,
}

impl Pacer {
    /// `abandon_max`: hundredths of a percent. `before`: answered and abandoned today before the engine started.
    pub(crate) fn new(mode: PacingMode, abandon_max: u32, before: (u32, u32), mono: Duration) -> Pacer {
        let mut day = Window::new(Duration::from_secs(3600), 24);
        day.add(mono, before.0, before.1);
        Pacer {
            mode,
            adaptive: Adaptive::new(mode),
            recent: Window::new(Duration::from_secs(60), 30),
            day,
            abandon_max,
            answered: before.0,
            abandoned: before.1,
        }
    }

    /// What was learned stays, unless the mode or its ratio changed.
    pub(crate) fn change(&mut self, mode: PacingMode, abandon_max: u32) {
        self.abandon_max = abandon_max;
        if self.mode != mode {
            self.mode = mode;
            self.adaptive = Adaptive::new(mode);
        }
    }

    pub(crate) fn learns(&self) -> bool {
        matches!(self.mode, PacingMode::Predictive(_))
    }

    /// A call was answered by a person and either got an agent or did not.
    pub(crate) fn note(&mut self, mono: Duration, abandoned: bool) {
        let lost = u32::from(abandoned);
        self.answered = self.answered.saturating_add(1);
        self.abandoned = self.abandoned.saturating_add(lost);
        self.recent.add(mono, 1, lost);
        self.day.add(mono, 1, lost);
    }

    pub(crate) fn note_dialed(&mut self) {
        self.adaptive.note_dialed();
    }

    /// Once a minute.
    pub(crate) fn learn(&mut self, mono: Duration) {
        let recent = self.recent.share(mono);
        let day = self.day.share(mono);
        self.adaptive.learn(f64::midpoint(recent, day), self.abandon_max);
    }

    /// Calls per idle agent to use now.
    pub(crate) fn ratio(&self, mono: Duration) -> RatioMilli {
        match self.mode {
            PacingMode::Progressive => progressive::RATIO,
            PacingMode::Ratio(ratio) => ratio,
            PacingMode::Predictive(_) if self.is_guarded(mono) => progressive::RATIO,
            PacingMode::Predictive(_) => self.adaptive.ratio(),
        }
    }

    /// One more abandoned call would break the cap: no risk is taken until it is far again.
    fn is_guarded(&self, mono: Duration) -> bool {
        let (answered, abandoned) = self.day.sum(mono);
        let would_be = (u64::from(abandoned) + 1) * 10_000;
        abandoned > 0 && would_be > u64::from(self.abandon_max) * (u64::from(answered) + 1)
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

    #[test]
    fn near_the_abandon_cap_predictive_pacing_is_progressive() {
        let mode = PacingMode::Predictive(2000);
        let mut pacer = Pacer::new(mode, 300, (0, 0), Duration::ZERO);
        assert_eq!(pacer.ratio(Duration::ZERO), 2000);
        pacer.note(Duration::ZERO, true);
        assert_eq!(pacer.ratio(Duration::ZERO), 1000);
        for _ in 0..64 {
            pacer.note(Duration::ZERO, false);
        }
        assert_eq!(pacer.ratio(Duration::ZERO), 1000, "2 of 66 is above 3 %");
        pacer.note(Duration::ZERO, false);
        assert_eq!(pacer.ratio(Duration::ZERO), 2000, "2 of 67 is below");
        let tomorrow = Duration::from_secs(26 * 3600);
        assert_eq!(Pacer::new(mode, 300, (10, 1), Duration::ZERO).ratio(Duration::ZERO), 1000);
        assert_eq!(Pacer::new(mode, 300, (10, 1), Duration::ZERO).ratio(tomorrow), 2000);
    }

    #[test]
    fn changed_settings_keep_what_was_learned_unless_the_mode_changed() {
        let mut pacer = Pacer::new(PacingMode::Predictive(1500), 300, (0, 0), Duration::ZERO);
        pacer.note_dialed();
        pacer.learn(Duration::from_secs(60));
        let learned = pacer.ratio(Duration::ZERO);
        assert!(learned > 1500);
        pacer.change(PacingMode::Predictive(1500), 500);
        assert_eq!(pacer.ratio(Duration::ZERO), learned);
        pacer.change(PacingMode::Predictive(1200), 500);
        assert_eq!(pacer.ratio(Duration::ZERO), 1200);
    }
}
