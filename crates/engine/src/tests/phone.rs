//! Calls that agents dial at their phones.

use super::direct::direct_record;
use super::*;

fn rule() -> OutboundRule {
    let deny = vec!["1390000".into(), "1391".into()];
    let allow = vec!["139".into(), "13900000".into()];
    OutboundRule { allow, deny, per_minute_max: 3, per_day_max: 5, ..OutboundRule::default() }
}

fn desk() -> Desk {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(2);
    desk.tell(Input::Outbound(rule()));
    desk.tell(Input::CallerIds(vec!["021".into()]));
    desk
}

fn dials(desk: &mut Desk, number: &str, to: Option<i64>) -> Vec<Effect> {
    let number = PhoneNumber::parse(number).unwrap();
    let (line, agent, to) = (LineId(5), AgentId(1), to.map(AgentId));
    desk.tell(Input::PhoneCalls(PhoneCall { line, agent, number, to }))
}

fn taken(effects: &[Effect]) -> CallId {
    let [Effect::TakeLine { line: LineId(5), call, .. }, Effect::OpenDirect(row)] = effects else {
        panic!("{effects:?}")
    };
    assert_eq!(row.call, *call);
    *call
}

fn refused(effects: &[Effect]) -> Refusal {
    let [Effect::RefuseLine { line: LineId(5), why }] = effects else { panic!("{effects:?}") };
    *why
}

#[test]
fn an_allowed_number_is_dialed_and_the_phone_is_answered_when_the_customer_is() {
    let mut desk = desk();
    let call = taken(&dials(&mut desk, "13900000001", None));
    assert_eq!(desk.state(1), AgentState::Offered);
    let effects = desk.tell(Input::DirectOpened { call });
    let [Effect::Dial(dial)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((dial.call, dial.caller_id.as_str()), (call, "021"));
    desk.customer(call, RINGING);
    let bridged = Effect::Bridge { call, agent: AgentId(1) };
    assert_eq!(desk.customer(call, LegEvent::Answered), [bridged]);
    let effects = desk.agent(call, 1, HUNG_UP);
    assert_eq!(direct_record(&effects).hangup_by, HangupBy::Agent);
    assert_eq!(desk.state(1), AgentState::WrapUp);
}

#[test]
fn an_agent_is_rung_by_another_and_both_are_busy() {
    let mut desk = desk();
    let call = taken(&dials(&mut desk, "1002", Some(2)));
    let effects = desk.tell(Input::DirectOpened { call });
    assert_eq!(effects, [Effect::DialAgent { call, agent: AgentId(2), show: "1".into() }]);
    assert_eq!((desk.state(1), desk.state(2)), (AgentState::Offered, AgentState::Offered));
    desk.customer(call, LegEvent::Answered);
    assert_eq!((desk.state(1), desk.state(2)), (AgentState::Talking, AgentState::Talking));
    let release = CallCommand::Release { agent: AgentId(2) };
    let effects = desk.tell(Input::Command { request: RequestId(1), command: release });
    assert_eq!(effects, [Effect::Answer { request: RequestId(1), result: Err(Refusal::NotInCall) }]);
    let effects = desk.customer(call, HUNG_UP);
    let record = direct_record(&effects);
    assert_eq!((record.outcome, record.trunk), (Outcome::Connected, None));
    assert_eq!((desk.state(1), desk.state(2)), (AgentState::WrapUp, AgentState::WrapUp));
}

#[test]
fn who_does_not_pick_up_for_another_agent_is_free_again() {
    let mut desk = desk();
    let call = taken(&dials(&mut desk, "1002", Some(2)));
    desk.tell(Input::DirectOpened { call });
    desk.customer(call, RINGING);
    let effects = desk.wait(secs(30));
    assert!(effects.contains(&Effect::HangUp { call }));
    assert_eq!(direct_record(&effects).outcome, Outcome::NoAnswer);
    assert_eq!((desk.state(1), desk.state(2)), (AgentState::Ready, AgentState::Ready));
}

#[test]
fn an_agent_who_is_taken_while_the_row_is_written_is_busy() {
    let mut desk = desk();
    let call = taken(&dials(&mut desk, "1002", Some(2)));
    let wish = super::direct::wish(2, FirstRung::Agent);
    desk.tell(Input::Command { request: RequestId(1), command: CallCommand::MakeCall(wish) });
    let effects = desk.tell(Input::DirectOpened { call });
    assert_eq!(effects[0], Effect::HangUp { call });
    assert_eq!(direct_record(&effects).cause, Cause::BUSY);
}

#[test]
fn the_companys_rule_holds_for_each_agent() {
    let mut desk = desk();
    assert_eq!(refused(&dials(&mut desk, "0044200000", None)), Refusal::NotAllowed);
    let mut allowed = 0;
    for minute in 0..4 {
        for _ in 0..4 {
            let effects = dials(&mut desk, "13900000001", None);
            if effects.len() == 2 {
                let call = taken(&effects);
                desk.tell(Input::DirectNotOpened { call });
                allowed += 1;
            } else {
                assert_eq!(refused(&effects), Refusal::NotAllowed);
            }
        }
        assert_eq!(allowed, [3, 5, 5, 5][minute], "in minute {minute}");
        desk.wait(secs(60));
    }
    desk.wait(secs(86_400));
    taken(&dials(&mut desk, "13900000001", None));
}

#[test]
fn the_longer_beginning_of_a_number_decides() {
    let mut desk = desk();
    for (number, allowed) in
        [("13900001111", false), ("13911111111", false), ("13800000000", false), ("13900000000", true)]
    {
        let effects = dials(&mut desk, number, None);
        assert_eq!(matches!(effects[0], Effect::TakeLine { .. }), allowed, "{number}");
    }
}

#[test]
fn customers_see_the_caller_id_that_the_rule_names() {
    let mut desk = desk();
    desk.tell(Input::Outbound(OutboundRule { caller_id: "0218888".into(), ..rule() }));
    let call = taken(&dials(&mut desk, "13900000001", None));
    let effects = desk.tell(Input::DirectOpened { call });
    let [Effect::Dial(dial)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!(dial.caller_id, "0218888");
}

#[test]
fn by_default_no_outside_number_may_be_dialed() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(2);
    assert_eq!(refused(&dials(&mut desk, "13900000001", None)), Refusal::NotAllowed);
    assert_eq!(refused(&dials(&mut desk, "1001", Some(1))), Refusal::TargetBusy, "himself");
    taken(&dials(&mut desk, "1002", Some(2)));
    assert_eq!(refused(&dials(&mut desk, "1002", Some(2))), Refusal::Busy);
}

#[test]
fn a_phone_whose_row_is_not_written_is_hung_up() {
    let mut desk = desk();
    let call = taken(&dials(&mut desk, "13900000001", None));
    assert_eq!(desk.tell(Input::DirectNotOpened { call }), [Effect::HangUp { call }]);
    let call = taken(&dials(&mut desk, "13900000001", None));
    desk.agent(call, 1, failed(Outcome::Failed, Cause::CANCELLED, 487));
    let effects = desk.tell(Input::DirectOpened { call });
    assert_eq!(direct_record(&effects).hangup_by, HangupBy::Agent);
    assert!(dialed(&effects).is_empty(), "the agent gave up before");
}
