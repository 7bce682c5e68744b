//! What is heard on the customer's line ends calls early, and only those.

use super::*;

const MACHINE: LegEvent = LegEvent::Heard(Heard::Answerer(Answerer::Machine));
const HUMAN: LegEvent = LegEvent::Heard(Heard::Answerer(Answerer::Human));

fn notice(notice: Notice) -> LegEvent {
    LegEvent::Heard(Heard::Notice(notice))
}

/// One agent, and a customer who has just answered in a campaign that judges who that is.
fn judged_call(config: Config) -> (Desk, CallId) {
    let mut desk = Desk::new(config);
    desk.agents_at_work(1);
    let settings = CampaignSettings { calls_max: 1, amd: true, ..campaign(PacingMode::Progressive) };
    let asked = desk.tell(Input::Campaign(settings));
    let leased = desk.lease(&asked, 1, Supply::Available);
    let wants_verdict = |e: &Effect| matches!(e, Effect::Dial(dial) if dial.amd);
    assert!(leased.iter().any(wants_verdict), "{leased:?}");
    let call = dialed(&leased)[0];
    desk.customer(call, RINGING);
    let effects = desk.customer(call, LegEvent::Answered);
    assert!(offered(&effects).is_some(), "the agent does not wait for the verdict");
    (desk, call)
}

#[test]
fn a_notice_ends_the_call_at_once_and_frees_its_channel() {
    for said in Notice::ALL {
        for event in [None, Some(RINGING)] {
            let mut desk = Desk::with(0, PacingMode::Progressive);
            let asked = desk.agent_at_work(AgentId(1));
            let call = desk.dial(&asked)[0];
            if let Some(event) = event {
                desk.customer(call, event);
            }
            desk.wait(secs(2));
            let effects = desk.customer(call, notice(said));
            assert!(effects.contains(&Effect::HangUp { call }), "long before `ring_min`");
            let record = record(&effects);
            assert_eq!((record.outcome, record.cause), said.result());
            assert_eq!((record.notice, record.hangup_by), (Some(said), HangupBy::Platform));
            assert_eq!(slots(&effects), 1, "the channel and the agent get the next call");
        }
    }
}

#[test]
fn a_number_that_does_not_exist_is_invalid_and_a_busy_one_busy() {
    assert_eq!(Notice::EmptyNumber.result(), (Outcome::Invalid, Cause(10014)));
    assert_eq!(Notice::OutOfService.result(), (Outcome::Invalid, Cause(10009)));
    assert_eq!(Notice::SwitchedOff.result(), (Outcome::NoAnswer, Cause(10009)));
    assert_eq!(Notice::LineBusy.result(), (Outcome::Busy, Cause(10006)));
    assert!(Notice::ALL.iter().all(|n| Notice::from_name(n.name()) == Some(*n)));
}

#[test]
fn ring_back_tone_is_ringing_and_is_never_cut_short() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let call = desk.dial(&asked)[0];
    desk.customer(call, LegEvent::Heard(Heard::Ringback));
    assert_eq!(desk.wait(ms(24_999)), []);
    assert!(desk.wait(ms(1)).contains(&Effect::Cancel { call }));
    let record = record(&desk.customer(call, CANCELLED));
    assert!(record.ringing_at.is_some());
    assert_eq!(record.outcome, Outcome::NoAnswer);
}

#[test]
fn a_machine_ends_the_call_and_the_agent_is_free_at_once() {
    let (mut desk, call) = judged_call(Config::default());
    desk.agent(call, 1, LegEvent::Answered);
    assert_eq!(desk.state(1), AgentState::Talking);
    desk.wait(ms(2500));
    let effects = desk.customer(call, MACHINE);
    assert!(effects.contains(&Effect::HangUp { call }));
    let record = record(&effects);
    assert_eq!(
        (record.outcome, record.hangup_by, record.talk_seconds()),
        (Outcome::Machine, HangupBy::Platform, 0)
    );
    assert_eq!(desk.state(1), AgentState::Ready, "no wrap-up after a machine");
    assert_eq!(slots(&effects), 1);
    assert_eq!((desk.view().answered, desk.view().abandoned), (0, 0), "nobody answered");
}

#[test]
fn a_machine_is_no_abandoned_call_whenever_it_is_known() {
    // While the agent is being rung.
    let (mut desk, call) = judged_call(Config::default());
    let effects = desk.customer(call, MACHINE);
    assert_eq!(effects[0], Effect::CancelOffer { call, agent: AgentId(1) });
    assert_eq!((desk.state(1), record(&effects).outcome), (AgentState::Ready, Outcome::Machine));
    // While the message plays.
    let (mut desk, call) = judged_call(Config::default());
    assert!(desk.wait(ms(2100)).contains(&Effect::PlayMessage { call }));
    assert_eq!(desk.view().abandoned, 0, "not known yet");
    let effects = desk.customer(call, MACHINE);
    assert_eq!(record(&effects).outcome, Outcome::Machine);
    assert_eq!((desk.view().answered, desk.view().abandoned), (0, 0));
}

#[test]
fn people_are_counted_when_the_verdict_or_its_limit_comes() {
    let (mut desk, call) = judged_call(Config::default());
    desk.agent(call, 1, LegEvent::Answered);
    assert_eq!(desk.view().answered, 0);
    assert_eq!(desk.customer(call, HUMAN), []);
    assert_eq!(desk.view().answered, 1);
    assert_eq!(desk.customer(call, MACHINE), [], "one verdict is all");

    let (mut desk, call) = judged_call(Config::default());
    desk.agent(call, 1, LegEvent::Answered);
    desk.wait(ms(4499));
    assert_eq!(desk.view().answered, 0);
    desk.wait(ms(1));
    assert_eq!(desk.view().answered, 1);
    assert_eq!(desk.customer(call, MACHINE), [], "the agent talks");

    let (mut desk, call) = judged_call(Config::default());
    desk.wait(ms(2000));
    let unknown = LegEvent::Heard(Heard::Answerer(Answerer::Unknown));
    desk.customer(call, unknown);
    assert_eq!((desk.view().answered, desk.view().abandoned), (1, 1));
}

#[test]
fn who_leaves_before_the_verdict_was_a_person() {
    let (mut desk, call) = judged_call(Config::default());
    assert_eq!(record(&desk.customer(call, HUNG_UP)).outcome, Outcome::Abandoned);
    assert_eq!((desk.view().answered, desk.view().abandoned), (1, 1));
}

#[test]
fn a_notice_after_the_answer_counts_while_the_answer_is_judged_only() {
    let (mut desk, call) = judged_call(Config::default());
    desk.agent(call, 1, LegEvent::Answered);
    desk.wait(ms(1500));
    let effects = desk.customer(call, notice(Notice::EmptyNumber));
    assert_eq!(record(&effects).outcome, Outcome::Invalid);
    assert_eq!((desk.state(1), desk.view().answered), (AgentState::Ready, 0));

    let (mut desk, call) = judged_call(Config::default());
    desk.agent(call, 1, LegEvent::Answered);
    desk.customer(call, HUMAN);
    assert_eq!(desk.customer(call, notice(Notice::EmptyNumber)), []);

    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    assert_eq!(desk.customer(call, notice(Notice::EmptyNumber)), []);
    assert_eq!(desk.customer(call, MACHINE), [], "a campaign that does not ask who answers");
}
