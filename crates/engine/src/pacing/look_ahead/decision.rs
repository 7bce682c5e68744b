//! What was decided and why.

/// What kept the number of new calls from being higher.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum BoundBy {
    /// One more call would be abandoned too likely.
    #[default]
    Risk,
    /// The rolling hour has no abandoned call left.
    HourBudget,
    /// The day has none left.
    DayBudget,
    /// Too little is known yet: calls are added slowly.
    ColdStart,
    /// The campaign's own limit of calls.
    Concurrency,
    /// No free channel on any trunk.
    Trunk,
    /// The trunks' calls per second.
    CallsPerSecond,
    /// No lead may be called now.
    Leads,
    /// Nobody is at work.
    NoAgents,
}

/// One look at the campaign: how many calls were wanted, and what that was based on.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct PacingDecision {
    /// Calls to place beyond those in flight.
    pub wanted: u32,
    /// Agents idle now.
    pub idle: u32,
    /// Agents who will be free within `horizon_seconds`, those idle now not counted.
    pub expected_free: f64,
    pub horizon_seconds: u32,
    /// Calls dialing or ringing, those wanted now not counted.
    pub in_flight: u32,
    /// Those of them that a person is expected to answer.
    pub expected_answers: f64,
    /// Answered calls that wait for an agent.
    pub waiting: u32,
    /// The risk of being abandoned that one more call may have.
    pub alpha: f64,
    /// The risk that the last call wanted has, or that the next would have had.
    pub risk: f64,
    /// Share of calls that a person answers now, as far as is known.
    pub answer_share: f64,
    pub bound_by: BoundBy,
}
