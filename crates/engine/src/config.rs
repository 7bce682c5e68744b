//! The company's dialing rules. Times are lengths; every one has a default that the engine's tests use too.

use std::time::Duration;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Config {
    /// Customer's answer to agent bridged, at most; then the message.
    pub answer_wait: Duration,
    /// Another ready agent is tried after this long without the agent's answer.
    pub offer_timeout: Duration,
    /// A customer leg rings this long, then the call is a no-answer. Never below `ring_min`.
    pub no_answer: Duration,
    /// A ringing customer leg is never cancelled before this.
    pub ring_min: Duration,
    /// Predictive campaigns may give up a call that has rung for `ring_min` when its customer would likely find nobody.
    pub give_up_late: bool,
    /// A leg that shows no sign of ringing is given up after this.
    pub setup_timeout: Duration,
    /// The abandon message is cut off after this.
    pub message_max: Duration,
    /// Who answered is no longer asked this long after the answer: the time limit of the listening, and a little for its
    /// word to come.
    pub judge_limit: Duration,
    /// Of the persons who answer, so many are taken for machines and hung up on, in hundredths of a percent: an estimate. They
    /// count against the cap of abandoned calls where it is judged who answers.
    pub amd_false_positives: u32,
    /// After a talk the agent is not offered a call for this long.
    pub wrap_up: Duration,
    /// After a missed offer the agent is not offered a call for this long.
    pub miss_pause: Duration,
    /// Missed offers in a row after which the agent is paused; 0: never.
    pub misses_max: u32,
    /// How long an agent is rung for a call of the agent's own.
    pub ring_agent: Duration,
    /// How long a number that an agent asked for rings.
    pub ring_outside: Duration,
    /// How agents are reached.
    pub agent_legs: AgentLegs,
    /// A finished call that is not saved is offered to the store again after this.
    pub save_retry: Duration,
    /// After a failed lease the next is tried no sooner than this.
    pub lease_retry: Duration,
    /// With so many finished calls unsaved, nothing new is dialed.
    pub unsaved_max: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AgentLegs {
    /// The extension is rung for each call.
    RungPerCall,
    /// The leg is brought up once and stays up.
    KeptUp,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            answer_wait: Duration::from_millis(2000),
            offer_timeout: Duration::from_millis(1000),
            no_answer: Duration::from_secs(25),
            ring_min: Duration::from_secs(15),
            give_up_late: true,
            setup_timeout: Duration::from_secs(32),
            message_max: Duration::from_secs(30),
            judge_limit: Duration::from_millis(4500),
            amd_false_positives: 50,
            wrap_up: Duration::from_secs(3),
            miss_pause: Duration::from_secs(3),
            misses_max: 3,
            ring_agent: Duration::from_secs(30),
            ring_outside: Duration::from_secs(60),
            agent_legs: AgentLegs::RungPerCall,
            save_retry: Duration::from_secs(1),
            lease_retry: Duration::from_secs(1),
            unsaved_max: 1000,
        }
    }
}
