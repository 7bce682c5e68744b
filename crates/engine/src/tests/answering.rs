//! From the customer's answer to the talk, or to the message.

use super::*;

#[test]
fn an_answered_call_is_offered_to_a_ready_agent_and_bridged_when_the_agent_answers() {
    let (mut desk, call, effects) = Desk::with_answered_call(1, Config::default());
    let agent = AgentId(1);
    assert_eq!(effects, [Effect::Offer { call, agent }]);
    assert_eq!(desk.state(1), AgentState::Offered);
    desk.wait(ms(300));
    assert_eq!(desk.agent(call, 1, LegEvent::Answered), [Effect::Bridge { call, agent }]);
    assert_eq!(desk.state(1), AgentState::Talking);
    assert_eq!(desk.view().talking, 1);
    desk.wait(secs(61));
    let effects = desk.customer(call, HUNG_UP);
    assert!(effects.contains(&Effect::HangUp { call }), "the agent's leg is left");
    let record = record(&effects);
    assert_eq!(
        (record.outcome, record.cause, record.hangup_by),
        (Outcome::Connected, Cause::NORMAL, HangupBy::Customer)
    );
    assert_eq!((record.talk_seconds(), record.agent, record.sip_status), (61, Some(agent), 200));
}

#[test]
fn a_talk_that_the_agent_ends_is_connected() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    desk.agent(call, 1, LegEvent::Answered);
    desk.wait(secs(5));
    let effects = desk.agent(call, 1, HUNG_UP);
    assert!(effects.contains(&Effect::HangUp { call }));
    assert_eq!((record(&effects).outcome, record(&effects).hangup_by), (Outcome::Connected, HangupBy::Agent));
    assert_eq!(desk.state(1), AgentState::WrapUp);
    desk.wait(ms(2999));
    assert_eq!(desk.state(1), AgentState::WrapUp);
    let effects = desk.wait(ms(1));
    assert_eq!(desk.state(1), AgentState::Ready);
    assert_eq!(slots(&effects), 1, "the next call");
}

#[test]
fn nobody_within_the_answer_wait_means_message_and_abandoned() {
    let (mut desk, call, effects) = Desk::with_answered_call(1, Config::default());
    assert!(offered(&effects).is_some());
    assert_eq!(desk.wait(ms(1999)), []);
    let effects = desk.wait(ms(1));
    assert_eq!(effects[..2], [Effect::CancelOffer { call, agent: AgentId(1) }, Effect::PlayMessage { call }]);
    assert_eq!(desk.view().abandoned, 1);
    desk.wait(secs(4));
    let effects = desk.tell(Input::MessagePlayed { call });
    assert!(effects.contains(&Effect::HangUp { call }));
    let record = record(&effects);
    assert_eq!(
        (record.outcome, record.cause, record.hangup_by),
        (Outcome::Abandoned, Cause::PLATFORM, HangupBy::Platform)
    );
    assert!(record.answered_at.is_some() && record.bridged_at.is_none());
}

#[test]
fn a_message_that_never_ends_is_cut_off() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    desk.wait(secs(2));
    let effects = desk.wait(secs(30));
    assert!(effects.contains(&Effect::HangUp { call }));
    assert_eq!(records(&effects)[0].outcome, Outcome::Abandoned);
}

#[test]
fn while_the_message_plays_no_agent_is_wanted() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    desk.wait(secs(2));
    assert_eq!(desk.state(1), AgentState::WrapUp, "the pause after a miss");
    desk.wait(secs(10));
    assert_eq!(desk.state(1), AgentState::Ready);
    assert_eq!(offered(&desk.agent_at_work(AgentId(2))), None);
    assert_eq!(
        desk.agent(call, 1, LegEvent::Answered),
        [],
        "an answer that crossed with the cancelled offer"
    );
}

#[test]
fn a_customer_who_leaves_before_an_agent_came_is_abandoned() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    desk.wait(ms(500));
    let effects = desk.customer(call, HUNG_UP);
    assert_eq!(effects[0], Effect::CancelOffer { call, agent: AgentId(1) });
    assert!(!effects.contains(&Effect::HangUp { call }));
    let record = record(&effects);
    assert_eq!(
        (record.outcome, record.cause, record.hangup_by),
        (Outcome::Abandoned, Cause::NORMAL, HangupBy::Customer)
    );
    assert_eq!(desk.state(1), AgentState::Ready, "it was not the agent's fault");
    assert_eq!(desk.engine.agent_view(AgentId(1)).unwrap().missed, 0);
}

#[test]
fn a_customer_who_leaves_during_the_message_is_abandoned_once() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    desk.wait(secs(2));
    let effects = desk.customer(call, HUNG_UP);
    assert_eq!(
        (record(&effects).outcome, record(&effects).hangup_by),
        (Outcome::Abandoned, HangupBy::Customer)
    );
    assert_eq!((desk.view().answered, desk.view().abandoned), (1, 1));
}

#[test]
fn an_agent_who_becomes_ready_in_time_gets_the_call_that_waits_longest() {
    let mut desk = Desk::with(0, PacingMode::Ratio(3000));
    let asked = desk.agent_at_work(AgentId(1));
    let calls = desk.dial(&asked);
    desk.customer(calls[0], LegEvent::Answered);
    desk.wait(ms(100));
    assert_eq!(offered(&desk.customer(calls[2], LegEvent::Answered)), None);
    desk.wait(ms(100));
    desk.customer(calls[1], LegEvent::Answered);
    assert_eq!(desk.view().waiting, 3);
    assert_eq!(offered(&desk.agent_at_work(AgentId(2))), Some((calls[2], AgentId(2))));
    assert_eq!(offered(&desk.agent_at_work(AgentId(3))), Some((calls[1], AgentId(3))));
}

#[test]
fn pause_and_end_let_calls_in_progress_finish() {
    for status in [CampaignStatus::Paused, CampaignStatus::Ended] {
        let mut desk = Desk::with(0, PacingMode::Progressive);
        let asked = desk.agent_at_work(AgentId(1));
        let call = desk.dial(&asked)[0];
        let settings = CampaignSettings { status, ..campaign(PacingMode::Progressive) };
        assert_eq!(desk.tell(Input::Campaign(settings)), []);
        assert_eq!(offered(&desk.customer(call, LegEvent::Answered)), Some((call, AgentId(1))));
        desk.agent(call, 1, LegEvent::Answered);
        let effects = desk.customer(call, HUNG_UP);
        assert_eq!(record(&effects).outcome, Outcome::Connected);
        desk.saved(&effects);
        assert!(desk.engine.is_idle());
    }
}

#[test]
fn a_customer_who_answers_after_all_agents_left_hears_the_message() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let call = desk.dial(&asked)[0];
    desk.tell(Input::SignedOut { agent: AgentId(1), group: GROUP });
    assert_eq!(desk.customer(call, LegEvent::Answered), []);
    assert_eq!(desk.wait(secs(2)), [Effect::PlayMessage { call }]);
}
