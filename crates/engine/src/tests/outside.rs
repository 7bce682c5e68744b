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

/// The agent has hung up, and the customer waits for the number.
fn left(desk: &mut Desk, talk: CallId, opened: bool) -> CallId {
    let effects = hand(desk, "13900000002");
    let [Effect::OpenDirect(row)] = &effects[..] else { panic!("{effects:?}") };
    let call = row.call;
    if opened {
        desk.tell(Input::DirectOpened { call });
    }
    let effects = desk.agent(talk, 1, HUNG_UP);
    assert_eq!(effects[0], Effect::Referred { agent: ONE, result: Ok(()) });
    assert!(effects.contains(&Effect::PlayRingback { call: talk, to: Party::Customer }), "{effects:?}");
    assert!(!effects.contains(&Effect::HangUp { call: talk }), "{effects:?}");
    assert_eq!(desk.state(1), AgentState::WrapUp);
    assert_eq!(desk.agent(talk, 1, HUNG_UP), [], "told twice");
    if !opened {
        desk.tell(Input::DirectOpened { call });
    }
    call
}

#[test]
fn an_agent_who_hangs_up_leaves_the_customer_waiting_for_the_answer() {
    for opened in [false, true] {
        let (mut desk, talk) = desk();
        let call = left(&mut desk, talk, opened);
        desk.customer(call, LegEvent::Ringing { early_media: false });
        let effects = desk.customer(call, LegEvent::Answered);
        assert_eq!(effects[0], Effect::TakePlace { call, held: talk, agent: ONE });
        assert_eq!(
            (direct_record(&effects).call, direct_record(&effects).outcome),
            (talk, Outcome::Connected)
        );
        assert!(effects.contains(&Effect::Bridge { call, agent: ONE }), "{effects:?}");
        let effects = desk.customer(call, HUNG_UP);
        assert_eq!(
            (direct_record(&effects).call, direct_record(&effects).outcome),
            (call, Outcome::Connected)
        );
    }
}

#[test]
fn a_customer_who_does_not_wait_for_the_answer_ends_both_calls() {
    for opened in [false, true] {
        let (mut desk, talk) = desk();
        let effects = hand(&mut desk, "13900000002");
        let [Effect::OpenDirect(row)] = &effects[..] else { panic!("{effects:?}") };
        let call = row.call;
        if opened {
            desk.tell(Input::DirectOpened { call });
        }
        desk.agent(talk, 1, HUNG_UP);
        let effects = desk.customer(talk, HUNG_UP);
        let of_talk = effects.iter().find_map(|effect| match effect {
            Effect::SaveDirect(record) if record.call == talk => Some((record.outcome, record.hangup_by)),
            _ => None,
        });
        assert_eq!(of_talk, Some((Outcome::Connected, HangupBy::Customer)), "{effects:?}");
        let effects = if opened { effects } else { desk.tell(Input::DirectOpened { call }) };
        assert!(effects.contains(&Effect::HangUp { call }), "{effects:?}");
    }
}

#[test]
fn an_agents_own_customer_goes_back_to_the_agent_when_the_number_does_not_answer() {
    let (mut desk, talk) = desk();
    let call = left(&mut desk, talk, true);
    let effects = desk.customer(call, failed(Outcome::Busy, Cause::BUSY, 486));
    assert!(effects.contains(&Effect::Offer { call: talk, agent: ONE }), "{effects:?}");
    assert_eq!(desk.agent(talk, 1, LegEvent::Answered), [Effect::Bridge { call: talk, agent: ONE }]);
    // Once more, and the phone is not there any more.
    let call = left(&mut desk, talk, true);
    desk.customer(call, failed(Outcome::Busy, Cause::BUSY, 486));
    let effects = desk.agent(talk, 1, failed(Outcome::Failed, Cause::NOT_REGISTERED, 0));
    let record = direct_record(&effects);
    assert_eq!(
        (record.call, record.outcome, record.hangup_by),
        (talk, Outcome::Connected, HangupBy::Platform)
    );
}

/// Agent 1 has left the customer of a campaign to a number that is busy.
fn back_of_campaign(wait: Duration) -> (Desk, CallId, Vec<Effect>) {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let allow = vec!["139".into()];
    desk.tell(Input::Outbound(OutboundRule { allow, ..OutboundRule::default() }));
    desk.tell(Input::Inbound(InboundRule { numbers: Default::default(), ring: secs(5), wait }));
    let asked = desk.agent_at_work(ONE);
    let talk = desk.talk(&asked).0;
    let paused = CampaignSettings { status: CampaignStatus::Paused, ..campaign(PacingMode::Progressive) };
    desk.tell(Input::Campaign(paused));
    desk.wait(secs(60));
    let call = left(&mut desk, talk, true);
    let effects = desk.customer(call, failed(Outcome::Busy, Cause::BUSY, 486));
    assert_eq!((direct_record(&effects).call, direct_record(&effects).outcome), (call, Outcome::Busy));
    assert!(effects.contains(&Effect::PlayHold { call: talk }), "{effects:?}");
    (desk, talk, effects)
}

#[test]
fn a_campaigns_customer_is_served_again_when_the_number_does_not_answer() {
    let (mut desk, talk, _) = back_of_campaign(secs(20));
    // Their wrap-up is over.
    let effects = desk.wait(secs(4));
    assert!(effects.contains(&Effect::Offer { call: talk, agent: ONE }), "{effects:?}");
    desk.agent(talk, 1, LegEvent::Answered);
    assert_eq!(desk.state(1), AgentState::Talking);
    desk.wait(secs(10));
    let effects = desk.agent(talk, 1, HUNG_UP);
    let record = record(&effects);
    assert_eq!((record.agent, record.outcome, record.talk_seconds()), (Some(ONE), Outcome::Connected, 74));
}

#[test]
fn a_campaigns_customer_whom_nobody_takes_again_hears_the_message_and_was_not_abandoned() {
    let (mut desk, talk, _) = back_of_campaign(secs(20));
    desk.tell(Input::Paused { agent: ONE });
    let effects = desk.wait(secs(19));
    assert_eq!(effects, [], "the customer hears music");
    let effects = desk.wait(secs(1));
    assert_eq!(effects, [Effect::PlayMessage { call: talk }]);
    let effects = desk.tell(Input::MessagePlayed { call: talk });
    let ended = record(&effects);
    assert_eq!((ended.outcome, ended.hangup_by), (Outcome::Connected, HangupBy::Platform));
    let campaign = desk.engine.campaign_views().remove(0);
    assert_eq!((campaign.answered, campaign.abandoned), (1, 0));
    // Nobody is at work: no longer than anybody else.
    let (mut desk, talk, _) = back_of_campaign(Duration::ZERO);
    let effects = desk.wait(secs(2));
    assert_eq!(effects, [Effect::PlayMessage { call: talk }]);
    assert_eq!(record(&desk.customer(talk, HUNG_UP)).outcome, Outcome::Connected);
}

#[test]
fn a_number_is_not_called_any_more_when_the_customer_is_gone() {
    let (mut desk, talk) = desk();
    let call = dialed(&mut desk);
    let effects = desk.customer(talk, HUNG_UP);
    assert!(effects.contains(&Effect::HangUp { call }), "{effects:?}");
    assert_eq!(desk.state(1), AgentState::WrapUp);
}
