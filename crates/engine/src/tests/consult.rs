//! A second call beside a talk, and the two put together.

use super::direct::direct_record;
use super::*;

/// Agent 1 talks with a customer whom he dialed; 2 is free.
pub fn desk() -> (Desk, CallId) {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(2);
    let allow = vec!["139".into()];
    desk.tell(Input::Outbound(OutboundRule { allow, ..OutboundRule::default() }));
    let talk = dial(&mut desk, "13900000001", None).expect("taken");
    desk.tell(Input::DirectOpened { call: talk });
    desk.customer(talk, LegEvent::Answered);
    assert_eq!(desk.state(1), AgentState::Talking);
    desk.wait(secs(5));
    (desk, talk)
}

fn dial(desk: &mut Desk, number: &str, to: Option<i64>) -> Result<CallId, Refusal> {
    let number = PhoneNumber::parse(number).unwrap();
    let call = PhoneCall { line: LineId(5), agent: AgentId(1), number, to: to.map(AgentId) };
    match desk.tell(Input::PhoneCalls(call)).remove(0) {
        Effect::TakeLine { call, .. } => Ok(call),
        Effect::RefuseLine { why, .. } => Err(why),
        other => panic!("{other:?}"),
    }
}

/// The second call, answered.
fn consult(desk: &mut Desk, number: &str, to: Option<i64>) -> CallId {
    let call = dial(desk, number, to).expect("taken");
    desk.tell(Input::DirectOpened { call });
    desk.customer(call, LegEvent::Answered);
    call
}

fn join(desk: &mut Desk) -> Vec<Effect> {
    desk.tell(Input::Joined { agent: AgentId(1) })
}

#[test]
fn who_was_asked_has_the_customer_and_the_first_agent_is_free() {
    let (mut desk, talk) = desk();
    let asked = consult(&mut desk, "1002", Some(2));
    assert_eq!((desk.state(1), desk.state(2)), (AgentState::Talking, AgentState::Talking));
    assert_eq!(dial(&mut desk, "13900000002", None), Err(Refusal::Busy), "one at a time");
    let effects = join(&mut desk);
    let (one, two) = (AgentId(1), AgentId(2));
    assert_eq!(effects[0], Effect::Referred { agent: one, result: Ok(()) });
    assert_eq!(effects[1], Effect::CancelOffer { call: talk, agent: one });
    assert_eq!(effects[2], Effect::TakeOver { call: talk, consult: asked, agent: two });
    assert_eq!(direct_record(&effects).agent, Some(one), "the row of the question");
    assert!(effects.contains(&Effect::Bridge { call: talk, agent: two }), "{effects:?}");
    assert_eq!((desk.state(1), desk.state(2)), (AgentState::WrapUp, AgentState::Talking));
    let effects = desk.agent(talk, 2, HUNG_UP);
    assert_eq!(
        (direct_record(&effects).agent, direct_record(&effects).outcome),
        (Some(two), Outcome::Connected)
    );
    assert_eq!(desk.state(2), AgentState::WrapUp);
}

#[test]
fn who_still_rings_is_rung_again_for_the_customer() {
    let (mut desk, talk) = desk();
    let asked = dial(&mut desk, "1002", Some(2)).expect("taken");
    assert_eq!(join(&mut desk)[0], Effect::Referred { agent: AgentId(1), result: Err(Refusal::Unavailable) });
    desk.tell(Input::DirectOpened { call: asked });
    let effects = join(&mut desk);
    assert!(effects.contains(&Effect::HangUp { call: asked }), "{effects:?}");
    assert!(effects.contains(&Effect::Offer { call: talk, agent: AgentId(2) }), "{effects:?}");
    assert_eq!((desk.state(1), desk.state(2)), (AgentState::WrapUp, AgentState::Offered));
}

#[test]
fn a_number_outside_and_the_customer_go_on_alone_and_keep_their_lines() {
    for answered in [true, false] {
        let (mut desk, talk) = desk();
        let asked = match answered {
            true => consult(&mut desk, "13900000002", None),
            false => {
                let call = dial(&mut desk, "13900000002", None).expect("taken");
                desk.tell(Input::DirectOpened { call });
                call
            }
        };
        let effects = join(&mut desk);
        let agent = AgentId(1);
        assert_eq!(effects[1], Effect::TakePlace { call: asked, held: talk, agent });
        assert_eq!(direct_record(&effects).call, talk, "the talk with the agent is over");
        let last = effects.last().expect("some");
        let waits = Effect::PlayRingback { call: asked, to: Party::Agent(agent) };
        assert_eq!(*last, if answered { Effect::Bridge { call: asked, agent } } else { waits });
        assert_eq!((desk.state(1), desk.engine.trunks.in_use()), (AgentState::WrapUp, 2));
        if !answered {
            desk.customer(asked, LegEvent::Answered);
        }
        let effects = desk.agent(asked, 1, HUNG_UP);
        let record = direct_record(&effects);
        assert_eq!((record.hangup_by, record.outcome), (HangupBy::Customer, Outcome::Connected));
        assert!(effects.contains(&Effect::HangUp { call: asked }));
        assert_eq!(desk.engine.trunks.in_use(), 0);
    }
}

#[test]
fn when_the_customer_goes_the_agent_is_in_the_other_call() {
    let (mut desk, talk) = desk();
    let asked = consult(&mut desk, "13900000002", None);
    desk.customer(talk, HUNG_UP);
    assert_eq!(desk.state(1), AgentState::Talking);
    assert_eq!(join(&mut desk), [Effect::Referred { agent: AgentId(1), result: Err(Refusal::NotInCall) }]);
    desk.agent(asked, 1, HUNG_UP);
    assert_eq!(desk.state(1), AgentState::WrapUp);
}

#[test]
fn when_the_other_one_goes_the_agent_is_still_with_the_customer() {
    let (mut desk, _) = desk();
    let asked = consult(&mut desk, "13900000002", None);
    desk.customer(asked, HUNG_UP);
    assert_eq!(desk.state(1), AgentState::Talking);
    assert!(dial(&mut desk, "13900000003", None).is_ok(), "another one may be asked");
}
