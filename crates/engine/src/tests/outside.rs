//! Talks that are handed to a number outside without asking there.

use super::consult::desk;
use super::direct::direct_record;
use super::*;

const ONE: AgentId = AgentId(1);
const REFUSED_403: [Effect; 1] = [Effect::Referred { agent: ONE, result: Err(Refusal::NotAllowed) }];

fn hand(desk: &mut Desk, number: &str) -> Vec<Effect> {
    desk.tell(Input::ReferredOutside { agent: ONE, number: PhoneNumber::parse(number).unwrap() })
}

/// Its call is opened and dialed.
fn dialed(desk: &mut Desk) -> CallId {
    let effects = hand(desk, "13900000002");
    let [Effect::OpenDirect(row)] = &effects[..] else { panic!("{effects:?}") };
    assert_eq!((row.kind, row.agent), (DirectKind::Dialed, Some(ONE)));
    let call = row.call;
    let effects = desk.tell(Input::DirectOpened { call });
    assert!(matches!(&effects[..], [Effect::Dial(dial)] if dial.call == call), "{effects:?}");
    call
}

#[test]
fn the_customer_goes_there_when_the_number_answers() {
    let (mut desk, talk) = desk();
    assert_eq!(hand(&mut desk, "0044123456"), REFUSED_403);
    let call = dialed(&mut desk);
    let busy = [Effect::Referred { agent: ONE, result: Err(Refusal::Busy) }];
    assert_eq!(hand(&mut desk, "13900000003"), busy, "one at a time");
    let rings = desk.customer(call, LegEvent::Ringing { early_media: false });
    assert_eq!(rings, [Effect::ReferTold { agent: ONE, status: 180 }]);
    assert_eq!(desk.state(1), AgentState::Talking, "until then the customer is with the agent");
    let effects = desk.customer(call, LegEvent::Answered);
    assert_eq!(
        effects[..2],
        [Effect::Referred { agent: ONE, result: Ok(()) }, Effect::TakePlace { call, held: talk, agent: ONE }]
    );
    assert_eq!(direct_record(&effects).call, talk);
    assert!(effects.contains(&Effect::Bridge { call, agent: ONE }), "{effects:?}");
    assert_eq!(desk.state(1), AgentState::WrapUp);
    let effects = desk.agent(call, 1, HUNG_UP);
    assert_eq!((direct_record(&effects).call, direct_record(&effects).outcome), (call, Outcome::Connected));
}

#[test]
fn the_customer_stays_with_the_agent_when_the_number_does_not_answer() {
    let (mut desk, talk) = desk();
    let call = dialed(&mut desk);
    let effects = desk.customer(call, failed(Outcome::Busy, Cause::BUSY, 486));
    assert!(effects.contains(&Effect::ReferTold { agent: ONE, status: 486 }), "{effects:?}");
    assert_eq!((direct_record(&effects).call, direct_record(&effects).outcome), (call, Outcome::Busy));
    assert_eq!(desk.state(1), AgentState::Talking);
    // Forbidden by what the store knows.
    let effects = hand(&mut desk, "13900000002");
    let [Effect::OpenDirect(row)] = &effects[..] else { panic!("{effects:?}") };
    let call = row.call;
    let effects = desk.tell(Input::DirectNotOpened { call });
    assert!(effects.contains(&REFUSED_403[0]), "{effects:?}");
    assert_eq!(desk.state(1), AgentState::Talking);
    assert_eq!(direct_record(&desk.agent(talk, 1, HUNG_UP)).call, talk);
}

#[test]
fn an_agent_who_hangs_up_leaves_the_customer_waiting_for_the_answer() {
    for opened in [false, true] {
        let (mut desk, talk) = desk();
        let effects = hand(&mut desk, "13900000002");
        let [Effect::OpenDirect(row)] = &effects[..] else { panic!("{effects:?}") };
        let call = row.call;
        if opened {
            desk.tell(Input::DirectOpened { call });
        }
        let effects = desk.agent(talk, 1, HUNG_UP);
        assert!(effects.contains(&Effect::TakePlace { call, held: talk, agent: ONE }), "{effects:?}");
        assert!(effects.contains(&Effect::PlayRingback { call, to: Party::Agent(ONE) }), "{effects:?}");
        assert_eq!(desk.state(1), AgentState::WrapUp);
        if !opened {
            desk.tell(Input::DirectOpened { call });
        }
        let effects = desk.customer(call, LegEvent::Answered);
        assert!(effects.contains(&Effect::Bridge { call, agent: ONE }), "{effects:?}");
        let effects = desk.customer(call, HUNG_UP);
        assert_eq!(direct_record(&effects).outcome, Outcome::Connected);
    }
}

#[test]
fn a_number_is_not_called_any_more_when_the_customer_is_gone() {
    let (mut desk, talk) = desk();
    let call = dialed(&mut desk);
    let effects = desk.customer(talk, HUNG_UP);
    assert!(effects.contains(&Effect::HangUp { call }), "{effects:?}");
    assert_eq!(desk.state(1), AgentState::WrapUp);
}
