//! Phones that take the place of a leg.

use super::*;

const LINE: LineId = LineId(7);

fn replace(desk: &mut Desk, agent: i64, of: i64, call: CallId) -> Vec<Effect> {
    desk.tell(Input::Replaces(Replace { line: LINE, agent: AgentId(agent), of: AgentId(of), call }))
}

fn leg(call: CallId, agent: i64) -> Effect {
    Effect::TakeLegOf { line: LINE, call, agent: AgentId(agent) }
}

fn refused(why: Refusal) -> [Effect; 1] {
    [Effect::RefuseLine { line: LINE, why }]
}

/// A call that is offered to one of two agents: him, and the other.
fn offered() -> (Desk, CallId, i64, i64) {
    let (desk, call, _) = Desk::with_answered_call(2, Config::default());
    let views = desk.engine.agent_views();
    let of = views.iter().find(|v| v.state == AgentState::Offered).expect("it is offered").agent.0;
    (desk, call, of, 3 - of)
}

#[test]
fn another_agent_goes_on_with_the_talk() {
    let (mut desk, call, of, other) = offered();
    desk.agent(call, of, LegEvent::Answered);
    assert_eq!(replace(&mut desk, other, other, call), refused(Refusal::NotInCall));
    assert_eq!(replace(&mut desk, of, other, call), refused(Refusal::NotInCall));
    assert_eq!(replace(&mut desk, 77, of, call), refused(Refusal::UnknownAgent));
    let effects = replace(&mut desk, other, of, call);
    let (left, bridged) =
        (Effect::CancelOffer { call, agent: AgentId(of) }, Effect::Bridge { call, agent: AgentId(other) });
    assert_eq!(effects, [left, leg(call, other), bridged]);
    assert_eq!((desk.state(of), desk.state(other)), (AgentState::WrapUp, AgentState::Talking));
    let effects = desk.agent(call, other, HUNG_UP);
    let record = record(&effects);
    assert_eq!((record.agent, record.outcome), (Some(AgentId(other)), Outcome::Connected));
}

#[test]
fn an_agent_goes_on_at_another_phone() {
    let (mut desk, call, of, _) = offered();
    assert_eq!(replace(&mut desk, of, of, call), refused(Refusal::NotInCall), "nobody talks yet");
    desk.agent(call, of, LegEvent::Answered);
    let bridged = Effect::Bridge { call, agent: AgentId(of) };
    assert_eq!(replace(&mut desk, of, of, call), [leg(call, of), bridged]);
    assert_eq!(desk.state(of), AgentState::Talking);
}

#[test]
fn a_call_that_rings_is_picked_up_by_another_agent() {
    let (mut desk, call, of, other) = offered();
    let effects = replace(&mut desk, other, of, call);
    let bridged = Effect::Bridge { call, agent: AgentId(other) };
    assert_eq!(effects[..2], [Effect::CancelOffer { call, agent: AgentId(of) }, leg(call, other)]);
    assert!(effects.contains(&bridged), "{effects:?}");
    assert_eq!((desk.state(of), desk.state(other)), (AgentState::Ready, AgentState::Talking));
    assert_eq!(record(&desk.customer(call, HUNG_UP)).agent, Some(AgentId(other)));
}

#[test]
fn a_talk_that_is_handed_over_is_picked_up_while_it_rings() {
    let (mut desk, call, of, other) = offered();
    desk.agent(call, of, LegEvent::Answered);
    desk.agents_at_work(3);
    desk.tell(Input::Referred { agent: AgentId(of), to: AgentId(other) });
    assert_eq!(desk.state(other), AgentState::Offered);
    let effects = replace(&mut desk, 3, other, call);
    assert_eq!(effects[..2], [Effect::CancelOffer { call, agent: AgentId(other) }, leg(call, 3)]);
    assert_eq!((desk.state(other), desk.state(3)), (AgentState::Ready, AgentState::Talking));
}
