//! Customers who call.

use super::direct::direct_record;
use super::*;

const NUMBER: &str = "13900000001";

fn rule() -> InboundRule {
    let numbers = [("021".to_owned(), InboundNumber { group: Some(GroupId(1)) })];
    InboundRule { numbers: numbers.into(), ring: secs(10), wait: secs(60) }
}

/// Two agents of group 1.
fn desk() -> Desk {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(2);
    desk.tell(Input::Inbound(rule()));
    desk
}

fn calls(desk: &mut Desk) -> Vec<Effect> {
    let number = PhoneNumber::parse(NUMBER).unwrap();
    let call = CustomerCall { line: LineId(7), trunk: TrunkId(1), number, caller_id: "021".into() };
    desk.tell(Input::CustomerCalls(call))
}

fn taken(effects: &[Effect]) -> CallId {
    let [Effect::TakeCustomer { line: LineId(7), call }, Effect::OpenDirect(row)] = effects else {
        panic!("{effects:?}")
    };
    assert_eq!((row.call, row.kind, row.agent), (*call, DirectKind::Inbound, None));
    *call
}

fn opened(desk: &mut Desk, call: CallId, agent: Option<i64>) -> Vec<Effect> {
    let last = LastCall { campaign: None, agent: agent.map(AgentId) };
    desk.tell(Input::InboundOpened { call, last })
}

fn offered(effects: &[Effect]) -> Option<AgentId> {
    effects.iter().find_map(|effect| match effect {
        Effect::Offer { agent, .. } => Some(*agent),
        _ => None,
    })
}

#[test]
fn who_talked_with_the_customer_last_is_rung_and_the_bridge_answers_the_customer() {
    let mut desk = desk();
    let call = taken(&calls(&mut desk));
    assert_eq!(offered(&opened(&mut desk, call, Some(2))), Some(AgentId(2)));
    assert_eq!(desk.agent(call, 2, LegEvent::Answered), [Effect::Bridge { call, agent: AgentId(2) }]);
    assert_eq!(desk.state(2), AgentState::Talking);
    let view = desk.engine.agent_views().into_iter().find(|v| v.agent == AgentId(2)).unwrap();
    assert!(view.call.unwrap().is_inbound);
    let record = direct_record(&desk.customer(call, HUNG_UP));
    assert_eq!((record.agent, record.hangup_by), (Some(AgentId(2)), HangupBy::Customer));
    assert!(record.answered_at.is_some() && record.trunk == Some(TrunkId(1)));
    assert_eq!(desk.state(2), AgentState::WrapUp);
}

#[test]
fn else_the_longest_idle_of_the_group_and_the_next_one_when_that_one_does_not_pick_up() {
    let mut desk = desk();
    desk.tell(Input::Paused { agent: AgentId(2) });
    desk.tell(Input::Unpaused { agent: AgentId(2) });
    let call = taken(&calls(&mut desk));
    assert_eq!(offered(&opened(&mut desk, call, None)), Some(AgentId(1)));
    let effects = desk.wait(secs(10));
    assert!(effects.contains(&Effect::CancelOffer { call, agent: AgentId(1) }), "{effects:?}");
    assert_eq!(offered(&effects), Some(AgentId(2)));
    assert_eq!(desk.state(1), AgentState::WrapUp, "he missed it");
    let effects = desk.agent(call, 2, failed(Outcome::Rejected, Cause::DECLINED, 603));
    assert_eq!(effects, [Effect::PlayHold { call }], "both rest");
    assert!(offered(&desk.wait(secs(4))).is_some());
}

#[test]
fn a_customer_waits_for_an_agent_and_is_served_when_one_is_free() {
    let mut desk = desk();
    let calls_of_both = [taken(&calls(&mut desk)), taken(&calls(&mut desk))];
    for (call, agent) in calls_of_both.into_iter().zip(1..) {
        assert_eq!(offered(&opened(&mut desk, call, Some(agent))), Some(AgentId(agent)));
        desk.agent(call, agent, LegEvent::Answered);
    }
    let third = taken(&calls(&mut desk));
    assert_eq!(opened(&mut desk, third, Some(1)), [Effect::PlayHold { call: third }]);
    desk.agent(calls_of_both[1], 2, HUNG_UP);
    let effects = desk.wait(secs(10));
    assert_eq!(offered(&effects), Some(AgentId(2)), "after the wrap-up");
    desk.agent(third, 2, LegEvent::Answered);
    assert_eq!(desk.state(2), AgentState::Talking);
}

#[test]
fn who_waited_long_enough_hears_a_message_and_the_call_ends() {
    let mut desk = desk();
    for agent in 1..=2 {
        let call = taken(&calls(&mut desk));
        opened(&mut desk, call, Some(agent));
        desk.agent(call, agent, LegEvent::Answered);
    }
    let call = taken(&calls(&mut desk));
    opened(&mut desk, call, None);
    assert_eq!(desk.wait(secs(60)), [Effect::PlayMessage { call }]);
    let effects = desk.tell(Input::MessagePlayed { call });
    assert_eq!(effects[0], Effect::HangUp { call });
    let record = direct_record(&effects);
    assert_eq!((record.outcome, record.agent, record.answered_at), (Outcome::Abandoned, None, None));
}

#[test]
fn where_nobody_is_at_work_the_message_comes_at_once() {
    let mut desk = desk();
    for agent in 1..=2 {
        desk.tell(Input::Paused { agent: AgentId(agent) });
    }
    let call = taken(&calls(&mut desk));
    assert_eq!(opened(&mut desk, call, Some(1)), [Effect::PlayMessage { call }]);
}

fn group_says(desk: &mut Desk, callers: CallerTimes) {
    desk.tell(Input::Group(GroupSettings { callers, ..group(Strategy::LongestIdle, &[1, 2]) }));
}

#[test]
fn a_group_says_how_long_its_phones_ring_and_its_customers_wait() {
    let mut desk = desk();
    group_says(&mut desk, CallerTimes { ring: secs(3), wait: secs(5), absent_wait: Duration::ZERO });
    let call = taken(&calls(&mut desk));
    assert_eq!(offered(&opened(&mut desk, call, None)), Some(AgentId(1)));
    assert_eq!(offered(&desk.wait(secs(3))), Some(AgentId(2)));
    assert!(desk.wait(secs(3)).contains(&Effect::PlayMessage { call }), "the five seconds are over");
}

#[test]
fn while_nobody_is_at_work_a_customer_waits_as_long_as_the_group_says() {
    let mut desk = desk();
    group_says(&mut desk, CallerTimes { absent_wait: secs(5), ..CallerTimes::default() });
    for agent in 1..=2 {
        desk.tell(Input::Paused { agent: AgentId(agent) });
    }
    let call = taken(&calls(&mut desk));
    assert_eq!(opened(&mut desk, call, None), [Effect::PlayHold { call }]);
    assert_eq!(desk.wait(secs(5)), [Effect::PlayMessage { call }]);
    desk.tell(Input::MessagePlayed { call });

    let served = taken(&calls(&mut desk));
    opened(&mut desk, served, None);
    desk.wait(secs(4));
    assert_eq!(offered(&desk.tell(Input::Unpaused { agent: AgentId(1) })), Some(AgentId(1)), "just in time");
    desk.agent(served, 1, LegEvent::Answered);

    // Somebody is at work now, though in a call.
    let waits = taken(&calls(&mut desk));
    assert_eq!(opened(&mut desk, waits, None), [Effect::PlayHold { call: waits }]);
    assert_eq!(desk.wait(secs(30)), []);
    desk.customer(served, HUNG_UP);
    assert_eq!(offered(&desk.wait(secs(10))), Some(AgentId(1)));
}

#[test]
fn a_customer_may_give_up_at_any_time() {
    let mut desk = desk();
    let gone = failed(Outcome::Failed, Cause::CANCELLED, 487);
    let call = taken(&calls(&mut desk));
    desk.customer(call, gone);
    let effects = opened(&mut desk, call, Some(1));
    assert_eq!(direct_record(&effects).hangup_by, HangupBy::Customer);
    assert_eq!(desk.state(1), AgentState::Ready, "nobody was rung");
    let call = taken(&calls(&mut desk));
    opened(&mut desk, call, Some(1));
    let effects = desk.customer(call, gone);
    assert_eq!(effects[0], Effect::HangUp { call });
    let record = direct_record(&effects);
    assert_eq!((record.agent, record.outcome), (Some(AgentId(1)), Outcome::Abandoned));
    assert_eq!(desk.state(1), AgentState::Ready);
}

#[test]
fn numbers_that_take_no_calls_and_full_trunks_refuse() {
    let mut desk = desk();
    desk.tell(Input::Inbound(InboundRule::default()));
    let refused = |effects: &[Effect]| match effects {
        [Effect::RefuseLine { line: LineId(7), why }] => *why,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&calls(&mut desk)), Refusal::NotAllowed);
    desk.tell(Input::Inbound(rule()));
    let trunk = TrunkSettings { trunk: TrunkId(1), enabled: true, channels_max: 1, cps_max: 0 };
    desk.tell(Input::Trunk(trunk));
    let call = taken(&calls(&mut desk));
    assert_eq!(refused(&calls(&mut desk)), Refusal::NoTrunk);
    assert_eq!(desk.tell(Input::DirectNotOpened { call }), [Effect::HangUp { call }]);
    taken(&calls(&mut desk));
}

#[test]
fn who_is_left_to_a_number_that_does_not_answer_waits_for_another_agent() {
    let mut desk = desk();
    let allow = vec!["139".into()];
    desk.tell(Input::Outbound(OutboundRule { allow, ..OutboundRule::default() }));
    let call = taken(&calls(&mut desk));
    opened(&mut desk, call, Some(2));
    desk.agent(call, 2, LegEvent::Answered);
    let busy_after_leaving = |desk: &mut Desk, agent: i64| {
        let number = PhoneNumber::parse("13900000002").unwrap();
        let effects = desk.tell(Input::ReferredOutside { agent: AgentId(agent), number });
        let [Effect::OpenDirect(row)] = &effects[..] else { panic!("{effects:?}") };
        let dialed = row.call;
        desk.tell(Input::DirectOpened { call: dialed });
        let effects = desk.agent(call, agent, HUNG_UP);
        assert!(effects.contains(&Effect::PlayRingback { call, to: Party::Customer }), "{effects:?}");
        desk.customer(dialed, failed(Outcome::Busy, Cause::BUSY, 486))
    };
    let effects = busy_after_leaving(&mut desk, 2);
    assert_eq!(offered(&effects), Some(AgentId(1)));
    desk.agent(call, 1, LegEvent::Answered);
    let effects = busy_after_leaving(&mut desk, 1);
    assert_eq!((offered(&effects), effects.contains(&Effect::PlayHold { call })), (None, true), "both rest");
    let effects = desk.wait(secs(4));
    let agent = offered(&effects).expect("one of them is ready");
    desk.agent(call, agent.0, LegEvent::Answered);
    for agent in [1, 2] {
        desk.tell(Input::Paused { agent: AgentId(agent) });
    }
    let effects = busy_after_leaving(&mut desk, agent.0);
    assert!(effects.contains(&Effect::PlayMessage { call }), "nobody is at work: {effects:?}");
    let effects = desk.tell(Input::MessagePlayed { call });
    let record = direct_record(&effects);
    assert_eq!((record.agent, record.outcome), (Some(agent), Outcome::Connected));
    assert_eq!(record.hangup_by, HangupBy::Platform);
}
