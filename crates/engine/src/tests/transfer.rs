//! Talks that are handed over.

use super::direct::{direct_record, wish};
use super::*;

fn transfer(desk: &mut Desk, target: TransferTarget) -> (Result<(), Refusal>, Vec<Effect>) {
    let command = CallCommand::Transfer { agent: AgentId(1), target };
    let mut effects = desk.tell(Input::Command { request: RequestId(1), command });
    let place = effects.iter().position(|e| matches!(e, Effect::Answer { .. })).expect("it is answered");
    let Effect::Answer { result, .. } = effects.remove(place) else { unreachable!() };
    (result, effects)
}

fn to_agent(desk: &mut Desk, to: i64) -> (Result<(), Refusal>, Vec<Effect>) {
    transfer(desk, TransferTarget::Agent(AgentId(to)))
}

/// Agent 1 talks, in a call of the campaign or of his own; 2 and 3 are at work and free.
fn desk(own: bool) -> (Desk, CallId) {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let call = match own {
        false => desk.talk(&asked).0,
        true => {
            let command = CallCommand::MakeCall(wish(1, FirstRung::Agent));
            let effects = desk.tell(Input::Command { request: RequestId(1), command });
            let Some(Effect::OpenDirect(row)) = effects.first() else { panic!("{effects:?}") };
            let call = row.call;
            desk.tell(Input::DirectOpened { call });
            desk.agent(call, 1, LegEvent::Answered);
            desk.customer(call, LegEvent::Answered);
            call
        }
    };
    desk.tell(Input::Campaign(CampaignSettings {
        status: CampaignStatus::Paused,
        ..campaign(PacingMode::Progressive)
    }));
    desk.agent_at_work(AgentId(2));
    desk.agent_at_work(AgentId(3));
    desk.wait(secs(5));
    (desk, call)
}

fn rung(call: CallId, agent: i64) -> [Effect; 2] {
    let agent = AgentId(agent);
    [Effect::Offer { call, agent }, Effect::PlayRingback { call, to: Party::Customer }]
}

#[test]
fn the_first_agent_leaves_at_once_and_the_next_one_goes_on() {
    for own in [false, true] {
        let (mut desk, call) = desk(own);
        let (result, effects) = to_agent(&mut desk, 2);
        assert_eq!(result, Ok(()));
        assert_eq!(effects[0], Effect::CancelOffer { call, agent: AgentId(1) });
        assert_eq!(effects[1..], rung(call, 2));
        assert_eq!((desk.state(1), desk.state(2)), (AgentState::WrapUp, AgentState::Offered));
        desk.wait(secs(4));
        let bridged = Effect::Bridge { call, agent: AgentId(2) };
        assert_eq!(desk.agent(call, 2, LegEvent::Answered), [bridged]);
        assert_eq!((desk.state(1), desk.state(2)), (AgentState::Ready, AgentState::Talking));
        desk.wait(secs(10));
        let effects = desk.customer(call, HUNG_UP);
        let (agent, talked) = match own {
            false => (record(&effects).agent, record(&effects).talk_seconds()),
            true => (direct_record(&effects).agent, direct_record(&effects).talk_seconds()),
        };
        assert_eq!((agent, talked), (Some(AgentId(2)), 19), "the talk counts from its start");
        assert_eq!(desk.state(2), AgentState::WrapUp);
    }
}

#[test]
fn a_talk_that_is_not_taken_goes_back_and_then_ends() {
    for own in [false, true] {
        let (mut desk, call) = desk(own);
        assert_eq!(to_agent(&mut desk, 2).0, Ok(()));
        let effects = desk.agent(call, 2, failed(Outcome::Busy, Cause::BUSY, 486));
        assert_eq!(effects[1..], rung(call, 1), "{effects:?}");
        assert_eq!((desk.state(1), desk.state(2)), (AgentState::Offered, AgentState::Ready));
        let effects = desk.wait(secs(30));
        assert!(effects.contains(&Effect::HangUp { call }), "{effects:?}");
        let (outcome, by) = match own {
            false => (record(&effects).outcome, record(&effects).hangup_by),
            true => (direct_record(&effects).outcome, direct_record(&effects).hangup_by),
        };
        assert_eq!((outcome, by), (Outcome::Connected, HangupBy::Platform));
        assert_eq!(desk.state(1), AgentState::Ready);
    }
}

#[test]
fn a_customer_who_does_not_wait_frees_who_is_rung() {
    for own in [false, true] {
        let (mut desk, call) = desk(own);
        assert_eq!(to_agent(&mut desk, 2).0, Ok(()));
        let effects = desk.customer(call, HUNG_UP);
        assert!(effects.contains(&Effect::HangUp { call }));
        assert_eq!(desk.state(2), AgentState::Ready);
    }
}

#[test]
fn a_group_gives_it_to_whoever_is_next() {
    let (mut desk, call) = desk(false);
    let group = TransferTarget::Group(GROUP);
    let (result, effects) = transfer(&mut desk, group);
    assert_eq!((result, &effects[1..]), (Ok(()), &rung(call, 2)[..]));
    let effects = desk.tell(Input::HangUp { agent: AgentId(2) });
    assert_eq!(effects[1..], rung(call, 1), "who does not want it");
}

#[test]
fn what_cannot_be_handed_over_stays() {
    let (mut desk, call) = desk(false);
    assert_eq!(to_agent(&mut desk, 1).0, Err(Refusal::TargetBusy));
    assert_eq!(to_agent(&mut desk, 9).0, Err(Refusal::UnknownAgent));
    desk.tell(Input::Unregistered { agent: AgentId(2) });
    assert_eq!(to_agent(&mut desk, 2).0, Err(Refusal::NotRegistered));
    desk.tell(Input::Unregistered { agent: AgentId(3) });
    assert_eq!(transfer(&mut desk, TransferTarget::Group(GROUP)).0, Err(Refusal::NobodyReady));
    assert_eq!(desk.state(1), AgentState::Talking);
    desk.customer(call, HUNG_UP);
    assert_eq!(to_agent(&mut desk, 3).0, Err(Refusal::NotInCall));
}
