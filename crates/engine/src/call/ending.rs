//! How calls end, and why.

use crate::{Cause, Failure, HangupBy, Outcome};

/// How and why a call ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) cause: Cause,
    pub(crate) by: HangupBy,
    pub(crate) sip_status: u16,
    pub(crate) legs: Legs,
}

impl Ending {
    pub(crate) const fn new(outcome: Outcome, cause: Cause, by: HangupBy, legs: Legs) -> Ending {
        Ending { outcome, cause, by, sip_status: 0, legs }
    }

    /// Both talked, and one of them hung up.
    pub(crate) const fn connected(cause: Cause, by: HangupBy) -> Ending {
        Ending::new(Outcome::Connected, cause, by, Legs::Left)
    }

    /// The customer waited for an agent, and heard the message. `is_served`: not for the first one.
    pub(crate) const fn nobody_came(is_served: bool) -> Ending {
        let outcome = if is_served { Outcome::Connected } else { Outcome::Abandoned };
        Ending::new(outcome, Cause::PLATFORM, HangupBy::Platform, Legs::Left)
    }

    /// The agent did not want the call any more before it was one.
    pub(crate) const fn given_up(customer_is_there: bool) -> Ending {
        let outcome = if customer_is_there { Outcome::Abandoned } else { Outcome::NoAnswer };
        Ending::new(outcome, Cause::CANCELLED, HangupBy::Agent, Legs::Left)
    }

    /// The customer's leg failed before it was answered.
    pub(crate) const fn failed(failure: Failure) -> Ending {
        let Failure { outcome, cause, sip_status } = failure;
        let by = match outcome {
            Outcome::Busy | Outcome::Rejected | Outcome::NoAnswer => HangupBy::Customer,
            _ => HangupBy::Unknown,
        };
        Ending { outcome, cause, by, sip_status, legs: Legs::Gone }
    }
}

/// Whether the switch may still hold a leg of the call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Legs {
    Gone,
    Left,
}
