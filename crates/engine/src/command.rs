//! Commands that are answered: taken, or refused with a reason.

use crate::{AgentId, CallTags, Effect, Engine, PhoneNumber, TransferTarget, WatchMode, WatchStart};

/// A command as the driver numbers it; it is answered once, by `Effect::Answer`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RequestId(pub u64);

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallCommand {
    /// Calls a number for an agent (click to call).
    MakeCall(MakeCall),
    /// A supervisor comes into the call that an agent talks in, or speaks to others in it from now on.
    Watch { supervisor: AgentId, agent: AgentId, mode: WatchMode, start: WatchStart },
    /// Hands the call that an agent talks in to another.
    Transfer { agent: AgentId, target: TransferTarget },
    /// Ends the call that an agent talks in.
    Release { agent: AgentId },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MakeCall {
    pub agent: AgentId,
    pub number: PhoneNumber,
    /// One of these is shown to the customer, in rotation; empty: none.
    pub caller_ids: Vec<String>,
    pub first: FirstRung,
    pub tags: CallTags,
}

/// Which side of a call that was asked for is rung first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirstRung {
    /// The agent's extension; the customer when the agent has answered.
    Agent,
    /// The customer; the agent's extension when the customer has answered.
    Customer,
}

/// Why a command was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No such agent.
    UnknownAgent,
    Disabled,
    NotRegistered,
    /// Rung or in a call already.
    Busy,
    /// The agent does not talk.
    NotInCall,
    /// The supervisor is not in the agent's call.
    NotWatching,
    /// Who is to take the call is rung or in a call.
    TargetBusy,
    /// Nobody of the group is ready.
    NobodyReady,
    /// The company's rule forbids it.
    NotAllowed,
    /// No trunk has a channel for it.
    NoTrunk,
    /// The server stops, or has too many results to save.
    Unavailable,
}

impl Engine {
    pub(crate) fn command(&mut self, request: RequestId, command: CallCommand) {
        let result = match command {
            CallCommand::MakeCall(wish) => self.make_call(wish),
            CallCommand::Watch { supervisor, agent, mode, start } => {
                self.watch(supervisor, agent, mode, start)
            }
            CallCommand::Transfer { agent, target } => self.transfer(agent, target),
            CallCommand::Release { agent } => self.release(agent),
        };
        self.emit(Effect::Answer { request, result });
    }
}
