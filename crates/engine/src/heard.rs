//! What is heard on a customer's line, and what follows from it.

use crate::call::{Ending, Legs, Stage};
use crate::timer::TimerKey;
use crate::{CallId, Cause, Engine, HangupBy, Outcome};

/// Something was recognised on the customer's leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Heard {
    /// The network's ring-back tone.
    Ringback,
    /// The network says why this call comes to nothing, by a tone or an announcement.
    Notice(Notice),
    /// Who answered; told once.
    Answerer(Answerer),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answerer {
    Human,
    Machine,
    /// Nobody can tell: treated as a person.
    Unknown,
}

/// What the network says of a number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Notice {
    /// 空号
    EmptyNumber,
    /// 停机
    OutOfService,
    /// 关机
    SwitchedOff,
    /// 不在服务区, 无法接通
    NotReachable,
    /// 占线
    LineBusy,
    /// 通话中
    InACall,
    /// 无人接听
    NoAnswer,
    /// 呼入限制
    Barred,
    /// 网络忙
    Congestion,
}

impl Notice {
    pub const ALL: [Notice; 9] = [
        Notice::EmptyNumber,
        Notice::OutOfService,
        Notice::SwitchedOff,
        Notice::NotReachable,
        Notice::LineBusy,
        Notice::InACall,
        Notice::NoAnswer,
        Notice::Barred,
        Notice::Congestion,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Notice::EmptyNumber => "empty_number",
            Notice::OutOfService => "out_of_service",
            Notice::SwitchedOff => "switched_off",
            Notice::NotReachable => "not_reachable",
            Notice::LineBusy => "line_busy",
            Notice::InACall => "in_a_call",
            Notice::NoAnswer => "no_answer",
            Notice::Barred => "barred",
            Notice::Congestion => "congestion",
        }
    }

    pub fn from_name(name: &str) -> Option<Notice> {
        Notice::ALL.into_iter().find(|n| n.name() == name)
    }

    /// What the call comes to. Whether it is tried again hangs on the outcome alone.
    pub const fn result(self) -> (Outcome, Cause) {
        match self {
            Notice::EmptyNumber => (Outcome::Invalid, Cause::NOT_FOUND),
            Notice::OutOfService => (Outcome::Invalid, Cause::UNREACHABLE),
            // As a carrier's 480 for a phone that is off or out of reach.
            Notice::SwitchedOff | Notice::NotReachable => (Outcome::NoAnswer, Cause::UNREACHABLE),
            Notice::LineBusy | Notice::InACall => (Outcome::Busy, Cause::BUSY),
            Notice::NoAnswer => (Outcome::NoAnswer, Cause::NO_ANSWER),
            Notice::Barred => (Outcome::Rejected, Cause::FORBIDDEN),
            Notice::Congestion => (Outcome::Failed, Cause::TRUNK_FAILED),
        }
    }
}

/// How far it is known who answered a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Judging {
    /// Nobody listens: whoever answers is a person.
    Off,
    /// The verdict is awaited, and with it whether this was a person, who was abandoned or not.
    On { abandoned: Option<bool> },
}

impl Engine {
    pub(crate) fn customer_heard(&mut self, id: CallId, heard: Heard) {
        match heard {
            Heard::Ringback => self.customer_rings(id),
            Heard::Notice(notice) => self.notice(id, notice),
            Heard::Answerer(answerer) => self.judged(id, answerer),
        }
    }

    /// The network speaks, not a person: nobody's telephone rings while it does, and nobody hears it stop. So the call ends
    /// at once, also before `ring_min`, which protects people whose telephone rings.
    fn notice(&mut self, id: CallId, notice: Notice) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let is_heard = match call.stage {
            Stage::Dialing | Stage::Ringing => true,
            // Some carriers answer and only then say it. Later on, people may play each other anything.
            _ => call.judging != Judging::Off,
        };
        if !is_heard {
            return;
        }
        call.judging = Judging::Off;
        call.notice = Some(notice);
        let (outcome, cause) = notice.result();
        self.end(id, Ending::new(outcome, cause, HangupBy::Platform, Legs::Left));
    }

    /// Listening to who answers begins: until the verdict, or until `judge_limit`.
    pub(crate) fn judge(&mut self, id: CallId) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        let is_judged = self.campaigns.get(&call.campaign).is_some_and(|c| c.settings.amd);
        if is_judged {
            call.judging = Judging::On { abandoned: None };
            self.timers.set(TimerKey::Judge(id), self.now.mono + self.config.judge_limit);
        }
    }

    fn judged(&mut self, id: CallId, answerer: Answerer) {
        let Some(call) = self.calls.get_mut(&id) else { return };
        if call.judging == Judging::Off {
            return;
        }
        match answerer {
            Answerer::Machine => {
                // No person answered: the law's share of abandoned calls does not know this call.
                call.judging = Judging::Off;
                self.end(id, Ending::new(Outcome::Machine, Cause::PLATFORM, HangupBy::Platform, Legs::Left));
            }
            Answerer::Human | Answerer::Unknown => self.judging_over(id),
        }
    }

    /// From here on it was a person, or may have been one.
    pub(crate) fn judging_over(&mut self, id: CallId) {
        self.timers.cancel(TimerKey::Judge(id));
        let Some(call) = self.calls.get_mut(&id) else { return };
        let judging = std::mem::replace(&mut call.judging, Judging::Off);
        if let Judging::On { abandoned: Some(abandoned) } = judging {
            self.count_answered(id, abandoned);
        }
    }

    /// A person answered, or what may be one, and it is known whether an agent came. While it is not known whether it was a
    /// person, it is not counted. Who has talked with an agent was counted then, whatever comes.
    pub(crate) fn note_answered(&mut self, id: CallId, abandoned: bool) {
        let call = self.calls.get_mut(&id).expect("the caller looked it up");
        if call.is_served() {
            return;
        }
        if let Judging::On { abandoned: noted } = &mut call.judging {
            *noted = Some(abandoned);
            return;
        }
        self.count_answered(id, abandoned);
    }

    fn count_answered(&mut self, id: CallId, abandoned: bool) {
        let call = self.calls.get(&id).expect("the caller looked it up");
        let campaign = self.campaigns.get_mut(&call.campaign).expect("a campaign outlives its calls");
        campaign.pacer.note(self.now.mono, abandoned);
    }
}
