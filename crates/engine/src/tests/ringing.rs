//! The customer's leg before the answer.

use super::*;

#[test]
fn a_customer_who_does_not_answer_is_given_up_after_the_no_answer_time_from_the_first_ringing() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let call = desk.dial(&asked)[0];
    desk.wait(secs(10));
    desk.customer(call, RINGING);
    desk.wait(secs(5));
    desk.customer(call, LegEvent::Ringing { early_media: true });
    assert_eq!(desk.wait(ms(19_999)), []);
    assert!(desk.wait(ms(1)).contains(&Effect::Cancel { call }));
    let effects = desk.customer(call, CANCELLED);
    assert!(!effects.contains(&Effect::HangUp { call }), "no leg is left");
    let record = record(&effects);
    assert_eq!(
        (record.outcome, record.cause, record.hangup_by),
        (Outcome::NoAnswer, Cause::NO_ANSWER, HangupBy::Platform)
    );
    assert_eq!(record.waiting_seconds(), 35);
}

#[test]
fn a_ringing_customer_is_never_cancelled_before_the_minimum_ring_time() {
    let config = Config { no_answer: secs(5), ..Config::default() };
    let mut desk = Desk::new(config);
    desk.agents_at_work(1);
    let asked = desk.tell(Input::Campaign(campaign(PacingMode::Progressive)));
    let call = desk.dial(&asked)[0];
    desk.customer(call, RINGING);
    let ended = CampaignSettings { status: CampaignStatus::Ended, ..campaign(PacingMode::Progressive) };
    assert_eq!(desk.tell(Input::Campaign(ended)), []);
    assert_eq!(desk.tell(Input::Unregistered { agent: AgentId(1) }), []);
    assert_eq!(desk.tell(Input::GroupRemoved(GROUP)), []);
    assert_eq!(desk.tell(Input::Drain), []);
    assert_eq!(desk.wait(ms(14_999)), []);
    assert!(desk.wait(ms(1)).contains(&Effect::Cancel { call }));
    assert_eq!(record(&desk.customer(call, CANCELLED)).outcome, Outcome::NoAnswer);
}

#[test]
fn a_customer_who_answers_while_being_cancelled_is_offered_to_an_agent() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let call = desk.dial(&asked)[0];
    desk.customer(call, RINGING);
    assert!(desk.wait(secs(25)).contains(&Effect::Cancel { call }));
    assert_eq!(offered(&desk.customer(call, LegEvent::Answered)), Some((call, AgentId(1))));
    let effects = desk.agent(call, 1, LegEvent::Answered);
    assert!(effects.contains(&Effect::Bridge { call, agent: AgentId(1) }));
    assert_eq!(record(&desk.customer(call, HUNG_UP)).outcome, Outcome::Connected);
}

#[test]
fn a_customer_who_answers_while_being_cancelled_and_finds_nobody_is_abandoned_and_counted() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let call = desk.dial(&asked)[0];
    desk.customer(call, RINGING);
    desk.tell(Input::SignedOut { agent: AgentId(1), group: GROUP });
    assert!(desk.wait(secs(25)).contains(&Effect::Cancel { call }));
    desk.customer(call, LegEvent::Answered);
    assert!(desk.wait(secs(2)).contains(&Effect::PlayMessage { call }));
    let record = record(&desk.tell(Input::MessagePlayed { call }));
    assert_eq!(record.outcome, Outcome::Abandoned);
    assert_eq!((desk.view().answered, desk.view().abandoned), (1, 1));
}

#[test]
fn a_cancelled_leg_of_which_nothing_is_heard_is_hung_up_and_the_call_is_over() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let call = desk.dial(&asked)[0];
    desk.customer(call, RINGING);
    assert!(desk.wait(secs(25)).contains(&Effect::Cancel { call }));
    assert!(records(&desk.wait(ms(39_999))).is_empty());
    let effects = desk.wait(ms(1));
    assert!(effects.contains(&Effect::HangUp { call }));
    assert_eq!(record(&effects).outcome, Outcome::NoAnswer);
}

#[test]
fn a_customer_who_answers_before_a_late_timer_is_heard_is_not_given_up() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let call = desk.dial(&asked)[0];
    desk.customer(call, RINGING);
    desk.now.mono += secs(26);
    desk.now.wall = desk.now.wall.plus(secs(26));
    assert_eq!(offered(&desk.customer(call, LegEvent::Answered)), Some((call, AgentId(1))));
}

#[test]
fn a_leg_without_a_sign_of_ringing_is_given_up_after_the_set_up_time() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let call = desk.dial(&asked)[0];
    assert_eq!(desk.wait(ms(31_999)), []);
    assert!(desk.wait(ms(1)).contains(&Effect::Cancel { call }));
    let record = record(&desk.customer(call, CANCELLED));
    assert_eq!((record.outcome, record.cause), (Outcome::Failed, Cause::TIMER));
}

#[test]
fn events_of_calls_that_are_over_change_nothing() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let call = desk.dial(&asked)[0];
    desk.customer(call, failed(Outcome::Invalid, Cause::NOT_FOUND, 404));
    for event in [RINGING, LegEvent::Answered, HUNG_UP, failed(Outcome::Busy, Cause::BUSY, 486)] {
        assert_eq!(desk.customer(call, event), []);
        assert_eq!(desk.agent(call, 1, event), []);
    }
    assert_eq!(desk.tell(Input::MessagePlayed { call }), []);
    assert_eq!(desk.tell(Input::HangUp { agent: AgentId(1) }), []);
}

#[test]
fn unknown_ids_are_ignored() {
    let mut desk = Desk::new(Config::default());
    let (agent, call, campaign) = (AgentId(99), CallId(99), CampaignId(99));
    let inputs = [
        Input::LeadsAdded { campaign },
        Input::EndRefused { campaign },
        Input::GroupRemoved(GroupId(99)),
        Input::Registered { agent },
        Input::Unregistered { agent },
        Input::SignedOut { agent, group: GroupId(99) },
        Input::SignedIn { agent, group: GroupId(98) },
        Input::Paused { agent },
        Input::Unpaused { agent },
        Input::AgentLegUp { agent },
        Input::AgentLegDown { agent },
        Input::LeadsLeased { request: LeaseId(99), leads: Vec::new(), next_due: Supply::Available },
        Input::LeaseFailed { request: LeaseId(99) },
        Input::CallSaved { call, retry_at: None },
        Input::SaveFailed { call },
        Input::ReturnDone { calls: vec![call] },
        Input::ReturnFailed { calls: vec![call] },
        Input::Customer { call, event: LegEvent::Answered },
        Input::AgentLeg { call, agent, event: LegEvent::Answered },
        Input::MessagePlayed { call },
        Input::HangUp { agent },
        Input::Timeout,
    ];
    for input in inputs {
        assert_eq!(desk.tell(input), []);
    }
    assert!(desk.engine.is_idle());
    assert_eq!(desk.engine.deadline(), None);
}
