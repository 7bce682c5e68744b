//! The switch, the customers and the agents' phones.

use std::time::Duration;

use engine::{AgentId, AgentLegs, CallId, Cause, Dial, Failure, Input, LegEvent, Outcome};

use crate::scenario::{about, seconds};
use crate::world::{Event, World};

/// 487 for the INVITE.
const CANCELLED: LegEvent =
    LegEvent::Failed(Failure { outcome: Outcome::NoAnswer, cause: Cause::CANCELLED, sip_status: 487 });
const RINGING: LegEvent = LegEvent::Ringing { early_media: false };

fn failed(outcome: Outcome, cause: Cause, sip_status: u16) -> LegEvent {
    LegEvent::Failed(Failure { outcome, cause, sip_status })
}

impl World {
    pub fn dial(&mut self, dial: Dial) {
        let campaign = self.referee.leased.get(&dial.call).and_then(|lead| self.campaign_of(*lead));
        let campaign = campaign.expect("nothing is dialed without a lease");
        self.referee.dial(dial.call, campaign, dial.trunk);
        assert!(self.somebody_is_there(campaign), "nothing is dialed while no agent is signed in");
        assert!(self.referee.calls_of(campaign) <= self.calls_max(campaign), "the campaign's limit holds");
        let trunk =
            self.scenario.trunks.iter().find(|t| t.trunk == dial.trunk).expect("a trunk of the company");
        assert!(
            self.referee.calls_on(dial.trunk) <= trunk.channels_max as usize,
            "the trunk's channels suffice"
        );
        self.plan_customer(dial.call);
    }

    /// Everything that the customer will do, if the call lasts so long.
    fn plan_customer(&mut self, call: CallId) {
        let ring = seconds(&mut self.rng, 0, 3);
        let rings = self.rng.u8(..10) > 0;
        if self.rng.u32(..100) < self.scenario.answering {
            let answer = ring + seconds(&mut self.rng, 1, 30);
            let impatient = self.rng.u8(..10) == 0;
            let mean = if impatient { Duration::from_secs(1) } else { self.scenario.talk_mean };
            let left = answer + about(&mut self.rng, mean);
            if rings {
                self.after(ring, Event::Customer(call, RINGING));
            }
            self.after(answer, Event::Customer(call, LegEvent::Answered));
            self.after(left, Event::Customer(call, LegEvent::HungUp { cause: Cause::NORMAL }));
            return;
        }
        let fate = match self.rng.u8(..8) {
            0 | 1 => None,
            2 | 3 => Some(failed(Outcome::Busy, Cause::BUSY, 486)),
            4 => Some(failed(Outcome::Invalid, Cause::NOT_FOUND, 404)),
            5 => Some(failed(Outcome::Failed, Cause::TRUNK_FAILED, 503)),
            6 => Some(failed(Outcome::Rejected, Cause::DECLINED, 603)),
            _ => return,
        };
        if rings {
            self.after(ring, Event::Customer(call, RINGING));
        }
        if let Some(event) = fate {
            let end = ring + seconds(&mut self.rng, 0, 8);
            self.after(end, Event::Customer(call, event));
        }
    }

    /// The customer does something, if still there. What crossed with a hang-up is told now and then.
    pub fn customer(&mut self, call: CallId, event: LegEvent) {
        let crossed = self.rng.u8(..10) == 0;
        let (mono, line) = (self.mono, self.referee.lines.get_mut(&call));
        // Whoever answers while being cancelled goes on: there is no 487.
        if event == CANCELLED && line.as_ref().is_some_and(|l| l.answered.is_some()) {
            return;
        }
        match line.filter(|l| l.is_customer_there && !l.is_hung_up) {
            Some(line) => match event {
                LegEvent::Ringing { .. } => line.ringing_since = Some(mono),
                LegEvent::Answered => line.answered = Some(mono),
                LegEvent::Failed(_) | LegEvent::HungUp { .. } => line.is_customer_there = false,
                LegEvent::Heard(_) | LegEvent::Pressed(_) => {}
            },
            None if crossed => {}
            None => return,
        }
        self.tell(Input::Customer { call, event });
    }

    /// The network tells of the end a moment later, or not at all; until then the customer may answer.
    pub fn cancel(&mut self, call: CallId) {
        self.referee.cancel(call, self.mono, &self.scenario.config);
        let delay = match self.rng.u8(..20) {
            0 => return,
            1 => seconds(&mut self.rng, 0, 5),
            _ => Duration::from_millis(self.rng.u64(0..300)),
        };
        self.after(delay, Event::Customer(call, CANCELLED));
    }

    pub fn offer(&mut self, call: CallId, agent: AgentId) {
        let campaign = self.referee.lines.get(&call).expect("only calls in progress are offered").campaign;
        let offer = self.referee.offer(call, agent);
        let phone = &self.phones[&agent];
        assert!(
            phone.is_registered && phone.is_enabled && !phone.is_paused,
            "only agents at work are offered calls"
        );
        assert!(self.is_in(agent, &self.pool_of(campaign)), "agents are offered calls of their campaigns");
        let event = |event| Event::Phone { call, agent, offer, event };
        if self.scenario.config.agent_legs == AgentLegs::KeptUp {
            assert!(self.phones[&agent].leg_is_up, "only agents whose leg is up are offered calls");
            self.after(Duration::from_millis(2), event(LegEvent::Answered));
            return;
        }
        let delay = Duration::from_millis(self.rng.u64(50..900));
        match self.rng.u8(..20) {
            _ if self.is_calm => self.after(delay, event(LegEvent::Answered)),
            0 | 1 => {}
            2 => self.after(delay, event(failed(Outcome::Rejected, Cause::DECLINED, 603))),
            3 => self.after(delay, event(failed(Outcome::Failed, Cause::REQUEST_TIMEOUT, 408))),
            4 | 5 => self.after(delay * 3, event(LegEvent::Answered)),
            _ => self.after(delay, event(LegEvent::Answered)),
        }
    }

    pub fn phone(&mut self, call: CallId, agent: AgentId, offer: u32, event: LegEvent) {
        // An answer that crossed with the end of this offer must not be taken for one of a later offer.
        let is_offered_again = self.referee.lines.get(&call).is_some_and(|l| l.agent == Some(agent));
        let crossed = self.rng.u8(..10) == 0 && !is_offered_again;
        let line = self.referee.lines.get_mut(&call);
        match line.filter(|l| l.agent == Some(agent) && l.offers == offer && !l.is_hung_up) {
            Some(line) => match event {
                LegEvent::Answered => line.is_agent_there = true,
                LegEvent::Failed(_) | LegEvent::HungUp { .. } => {
                    // The seat is empty for the switch; the call may go on.
                    if !line.is_bridged {
                        self.referee.leave_seat(call, agent);
                    }
                }
                LegEvent::Ringing { .. } | LegEvent::Heard(_) | LegEvent::Pressed(_) => {}
            },
            None if crossed => {}
            None => return,
        }
        self.tell(Input::AgentLeg { call, agent, event });
    }

    pub fn bridge(&mut self, call: CallId, agent: AgentId) {
        self.referee.bridge(call, agent, self.mono, &self.scenario.config);
        let talk = about(&mut self.rng, self.scenario.talk_mean);
        let offer = self.referee.lines[&call].offers;
        let event = LegEvent::HungUp { cause: Cause::NORMAL };
        self.after(talk, Event::Phone { call, agent, offer, event });
    }

    pub fn play_message(&mut self, call: CallId) {
        self.referee.play_message(call, self.mono, &self.scenario.config);
        if self.rng.u8(..5) > 0 {
            self.after(Duration::from_secs(2), Event::MessageEnds(call));
        }
    }

    pub fn raise_leg(&mut self, agent: AgentId) {
        let phone = self.phones.get_mut(&agent).expect("an agent of the company");
        assert!(!phone.leg_is_wanted && !phone.leg_is_up, "a leg is raised once");
        phone.leg_is_wanted = true;
        let is_up = self.is_calm || self.rng.u8(..4) > 0;
        let delay = Duration::from_millis(self.rng.u64(50..3000));
        self.after(delay, Event::KeptUpLeg { agent, is_up });
    }

    pub fn drop_leg(&mut self, agent: AgentId) {
        let call = self.referee.seated.get(&agent).and_then(|call| self.referee.lines.get(call));
        assert!(call.is_none_or(|line| line.is_hung_up), "no leg is dropped under a call");
        let phone = self.phones.get_mut(&agent).expect("an agent of the company");
        assert!(phone.leg_is_wanted, "only a raised leg is dropped");
        phone.leg_is_wanted = false;
        phone.leg_is_up = false;
    }

    pub fn kept_up_leg(&mut self, agent: AgentId, is_up: bool) {
        let phone = self.phones.get_mut(&agent).expect("an agent of the company");
        if !phone.leg_is_wanted || phone.leg_is_up == is_up && is_up {
            return;
        }
        phone.leg_is_up = is_up;
        phone.leg_is_wanted = is_up;
        if !is_up {
            self.tell(Input::AgentLegDown { agent });
            assert!(!self.referee.seated.contains_key(&agent), "no call goes on without the agent's leg");
            return;
        }
        self.tell(Input::AgentLegUp { agent });
        if !self.is_calm && self.rng.bool() {
            let lasts = seconds(&mut self.rng, 1, 300);
            self.after(lasts, Event::KeptUpLeg { agent, is_up: false });
        }
    }
}
