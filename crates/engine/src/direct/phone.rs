//! Calls that agents dial at their phones, and the company's rule for them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{DirectKind, NewDirect, Step};
use crate::consult::Beside;
use crate::{AgentId, CallId, CallTags, Effect, Engine, PhoneNumber, Refusal};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// An INVITE that came in, as the driver numbers it; taken or refused once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LineId(pub u64);

/// What agents may dial at their phones. The default: nothing but each other.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct OutboundRule {
    /// How outside numbers may begin; an empty text is the beginning of every number.
    pub allow: Vec<String>,
    /// How they may not. The longer beginning decides; of two that are as long, this one.
    pub deny: Vec<String>,
    /// What customers see; empty: the company's automatic caller ids take turns.
    pub caller_id: String,
    /// Calls of one agent in a minute and in a day, those to other agents too; 0: no limit.
    pub per_minute_max: u32,
    pub per_day_max: u32,
}

impl OutboundRule {
    fn allows(&self, number: &PhoneNumber) -> bool {
        let longest = |beginnings: &[String]| {
            beginnings.iter().filter(|b| number.as_str().starts_with(b.as_str())).map(String::len).max()
        };
        longest(&self.allow) > longest(&self.deny)
    }
}

/// What a phone dialed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PhoneCall {
    pub line: LineId,
    pub agent: AgentId,
    pub number: PhoneNumber,
    /// The number is this agent's extension.
    pub to: Option<AgentId>,
}

/// How much an agent has dialed by hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dialed {
    minute_began: Duration,
    in_minute: u32,
    day_began: Duration,
    in_day: u32,
}

/// The guards of all agents.
pub(crate) type DialedByHand = BTreeMap<AgentId, Dialed>;

impl Dialed {
    /// Counts one more; false when it is one too many.
    fn count(&mut self, now: Duration, rule: &OutboundRule) -> bool {
        if now.saturating_sub(self.minute_began) >= MINUTE {
            (self.minute_began, self.in_minute) = (now, 0);
        }
        if now.saturating_sub(self.day_began) >= DAY {
            (self.day_began, self.in_day) = (now, 0);
        }
        let fits = |count: u32, max: u32| max == 0 || count < max;
        if !fits(self.in_minute, rule.per_minute_max) || !fits(self.in_day, rule.per_day_max) {
            return false;
        }
        self.in_minute += 1;
        self.in_day += 1;
        true
    }
}

impl Engine {
    pub(crate) fn phone_calls(&mut self, dialed: PhoneCall) {
        let line = dialed.line;
        if let Err(why) = self.take_line(dialed) {
            self.emit(Effect::RefuseLine { line, why });
        }
    }

    fn take_line(&mut self, dialed: PhoneCall) -> Result<(), Refusal> {
        let PhoneCall { line, agent, number, to } = dialed;
        let beside = match self.check_free(agent) {
            Err(Refusal::Busy) if self.may_consult(agent) => Some(Beside::Talk),
            free => free.map(|()| None)?,
        };
        self.check_room()?;
        match to {
            Some(to) if to == agent => return Err(Refusal::TargetBusy),
            Some(to) => self.check_free(to).map_err(|_| Refusal::TargetBusy)?,
            None => self.check_number(&number)?,
        }
        self.count_by_hand(agent)?;
        let (kind, caller_id) = match to {
            Some(_) => (DirectKind::Internal, String::new()),
            None => (DirectKind::Dialed, self.caller_id_of_phones()),
        };
        let (call, dialed_at, tags) = (self.new_call_id(), self.now.wall, CallTags::default());
        self.emit(Effect::TakeLine { line, call, agent });
        self.open_direct(
            agent,
            NewDirect { call, kind, agent: Some(agent), number, caller_id, tags, dialed_at },
            to,
            beside,
        );
        Ok(())
    }

    /// Whether the agent may have it dialed now; then it counts.
    pub(crate) fn check_outside(&mut self, agent: AgentId, number: &PhoneNumber) -> Result<(), Refusal> {
        self.check_number(number)?;
        self.count_by_hand(agent)
    }

    fn check_number(&self, number: &PhoneNumber) -> Result<(), Refusal> {
        if self.outbound.allows(number) { self.check_trunks() } else { Err(Refusal::NotAllowed) }
    }

    fn count_by_hand(&mut self, agent: AgentId) -> Result<(), Refusal> {
        let guard = self.dialed_by_hand.entry(agent).or_default();
        if guard.count(self.now.mono, &self.outbound) { Ok(()) } else { Err(Refusal::NotAllowed) }
    }

    /// What the other side of a call sees that an agent dials.
    pub(crate) fn caller_id_of_phones(&mut self) -> String {
        match self.outbound.caller_id.is_empty() {
            true => self.rotate(&self.caller_ids.clone()),
            false => self.outbound.caller_id.clone(),
        }
    }

    /// Rings the other agent, who is the other side of the call.
    pub(super) fn ring_far(&mut self, id: CallId) {
        let direct = self.directs.get(&id).expect("the caller looked it up");
        let (from, wanted) = (direct.own_agent(), direct.wanted);
        let free = wanted.filter(|to| self.check_free(*to).is_ok());
        let Some(to) = free else { return self.direct_dial_failed(id, crate::Cause::BUSY) };
        self.end_rest(to);
        self.set_step(id, Step::Dialing, Some(self.config.ring_agent));
        self.directs.get_mut(&id).expect("looked up above").far = Some(to);
        let show = self.agents.get(&from).map(|a| a.extension.clone()).unwrap_or_default();
        self.emit(Effect::DialAgent { call: id, agent: to, show });
        self.seat_offered(to, id);
    }
}
