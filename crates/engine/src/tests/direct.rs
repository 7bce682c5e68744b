//! Calls that agents ask for: who is rung when, what the seat is, and what is written down.

use super::*;

pub fn wish(agent: i64, first: FirstRung) -> MakeCall {
    MakeCall {
        agent: AgentId(agent),
        number: PhoneNumber::parse("13900000001").unwrap(),
        caller_ids: vec!["0211".into(), "0212".into()],
        first,
        tags: CallTags { user_id: "u".into(), custom_uuid: "c".into(), ..CallTags::default() },
    }
}

fn ask(desk: &mut Desk, wish: MakeCall) -> Vec<Effect> {
    desk.tell(Input::Command { request: RequestId(1), command: CallCommand::MakeCall(wish) })
}

fn answer(effects: &[Effect]) -> Result<(), Refusal> {
    let find = |e: &Effect| if let Effect::Answer { result, .. } = e { Some(*result) } else { None };
    effects.iter().find_map(find).expect("every command is answered")
}

fn opened(effects: &[Effect]) -> NewDirect {
    let find = |e: &Effect| if let Effect::OpenDirect(row) = e { Some((**row).clone()) } else { None };
    effects.iter().find_map(find).expect("a row is written first")
}

pub fn direct_record(effects: &[Effect]) -> DirectRecord {
    let find = |e: &Effect| if let Effect::SaveDirect(record) = e { Some((**record).clone()) } else { None };
    effects.iter().find_map(find).expect("the call has its result")
}

/// A desk with an agent, and a call whose row is written. What was wanted then.
fn begun(config: Config, first: FirstRung) -> (Desk, CallId, Vec<Effect>) {
    let mut desk = Desk::new(config);
    desk.agents_at_work(1);
    let asked = ask(&mut desk, wish(1, first));
    assert_eq!(answer(&asked), Ok(()));
    assert_eq!(asked.len(), 2, "nothing goes out before the row is written: {asked:?}");
    let call = opened(&asked).call;
    let effects = desk.tell(Input::DirectOpened { call });
    (desk, call, effects)
}

const AGENT: AgentId = AgentId(1);

#[test]
fn agent_first_rings_the_agent_then_dials_and_both_talk_when_the_customer_answers() {
    let (mut desk, call, effects) = begun(Config::default(), FirstRung::Agent);
    let show = "13900000001".to_owned();
    assert_eq!(effects, [Effect::RingAgent { call, agent: AGENT, show }]);
    assert_eq!(desk.state(1), AgentState::Offered);
    let awaits = |desk: &Desk| desk.engine.agent_view(AGENT).unwrap().call.unwrap().awaits_customer;
    assert!(!awaits(&desk));
    desk.wait(secs(2));
    let effects = desk.agent(call, 1, LegEvent::Answered);
    assert!(awaits(&desk));
    assert_eq!(dialed(&effects), [call]);
    assert!(effects.contains(&Effect::PlayRingback { call, to: Party::Agent(AGENT) }));
    desk.customer(call, RINGING);
    desk.wait(secs(3));
    let effects = desk.customer(call, LegEvent::Answered);
    assert_eq!(effects, [Effect::Bridge { call, agent: AGENT }]);
    assert!(!awaits(&desk));
    assert_eq!(desk.state(1), AgentState::Talking);
    desk.wait(secs(10));
    let effects = desk.customer(call, HUNG_UP);
    assert_eq!(effects[0], Effect::HangUp { call });
    let record = direct_record(&effects);
    assert_eq!((record.outcome, record.hangup_by), (Outcome::Connected, HangupBy::Customer));
    assert_eq!((record.talk_seconds(), record.trunk), (10, Some(TrunkId(1))));
    assert_eq!(desk.state(1), AgentState::WrapUp);
    assert!(!desk.engine.is_idle());
    desk.tell(Input::DirectSaved { call });
    assert!(desk.engine.is_idle());
}

#[test]
fn customer_first_dials_then_rings_the_agent_and_the_customer_hears_that_it_rings() {
    let (mut desk, call, effects) = begun(Config::default(), FirstRung::Customer);
    assert_eq!(dialed(&effects), [call]);
    desk.customer(call, RINGING);
    let effects = desk.customer(call, LegEvent::Answered);
    let ringback = Effect::PlayRingback { call, to: Party::Customer };
    assert_eq!(effects, [Effect::Offer { call, agent: AGENT }, ringback]);
    assert_eq!(desk.agent(call, 1, LegEvent::Answered), [Effect::Bridge { call, agent: AGENT }]);
    let effects = desk.agent(call, 1, HUNG_UP);
    assert_eq!(direct_record(&effects).hangup_by, HangupBy::Agent);
}

#[test]
fn an_agent_with_a_call_of_his_own_is_offered_none_of_a_campaign() {
    let mut desk = Desk::with(1, PacingMode::Progressive);
    let asked = ask(&mut desk, wish(1, FirstRung::Agent));
    assert_eq!(answer(&asked), Ok(()));
    assert_eq!(desk.view().agents_ready, 0);
    let call = opened(&asked).call;
    desk.tell(Input::DirectOpened { call });
    assert_eq!(slots(&desk.wait(secs(20))), 0, "no number is dialed for him");
    let effects = desk.agent(call, 1, failed(Outcome::Busy, Cause::BUSY, 486));
    assert_eq!(direct_record(&effects).outcome, Outcome::Busy);
    assert_eq!(desk.state(1), AgentState::Ready, "back at once: he did not talk");
}

#[test]
fn a_click_ends_the_wrap_up_and_a_pause_does_not_forbid_it() {
    let (mut desk, call, _) = begun(Config::default(), FirstRung::Agent);
    desk.agent(call, 1, LegEvent::Answered);
    desk.customer(call, LegEvent::Answered);
    desk.customer(call, HUNG_UP);
    assert_eq!(desk.state(1), AgentState::WrapUp);
    desk.tell(Input::Paused { agent: AGENT });
    let asked = ask(&mut desk, wish(1, FirstRung::Agent));
    assert_eq!(answer(&asked), Ok(()));
    let caller_ids = [opened(&asked).caller_id];
    assert_eq!(caller_ids, ["0212"], "the caller ids take turns");
}

#[test]
fn commands_are_refused_with_their_reason() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(1);
    let refused = |desk: &mut Desk, agent| answer(&ask(desk, wish(agent, FirstRung::Agent)));
    assert_eq!(refused(&mut desk, 9), Err(Refusal::UnknownAgent));
    assert_eq!(refused(&mut desk, 1), Ok(()));
    assert_eq!(refused(&mut desk, 1), Err(Refusal::Busy));
    desk.tell(Input::Agent(AgentSettings { agent: AgentId(2), extension: "2".into(), enabled: true }));
    assert_eq!(refused(&mut desk, 2), Err(Refusal::NotRegistered));
    desk.tell(Input::Agent(AgentSettings { agent: AgentId(2), extension: "2".into(), enabled: false }));
    assert_eq!(refused(&mut desk, 2), Err(Refusal::Disabled));
    desk.agent_at_work(AgentId(3));
    let full = TrunkSettings { trunk: TrunkId(1), enabled: true, channels_max: 0, cps_max: 0 };
    desk.tell(Input::Trunk(full));
    assert_eq!(refused(&mut desk, 3), Err(Refusal::NoTrunk));
    desk.tell(Input::Drain);
    assert_eq!(refused(&mut desk, 3), Err(Refusal::Unavailable));
}

#[test]
fn no_more_calls_are_dialed_a_second_than_the_trunk_may_start() {
    let mut desk = Desk::new(Config::default());
    desk.tell(Input::Trunk(TrunkSettings { trunk: TrunkId(1), enabled: true, channels_max: 9, cps_max: 1 }));
    desk.agents_at_work(3);
    let mut calls = Vec::new();
    for agent in 1..=3 {
        let call = opened(&ask(&mut desk, wish(agent, FirstRung::Agent))).call;
        desk.tell(Input::DirectOpened { call });
        calls.push(call);
    }
    let mut at_once = Vec::new();
    for (call, agent) in calls.iter().zip(1..) {
        at_once.extend(dialed(&desk.agent(*call, agent, LegEvent::Answered)));
    }
    assert_eq!(at_once.len(), 1);
    assert_eq!(dialed(&desk.wait(ms(1000))).len(), 1);
    assert_eq!(dialed(&desk.wait(ms(1000))).len(), 1);
}

#[test]
fn a_call_that_finds_no_trunk_in_time_fails() {
    let (mut desk, call, _) = begun(Config::default(), FirstRung::Agent);
    desk.tell(Input::Trunk(TrunkSettings { trunk: TrunkId(1), enabled: false, channels_max: 9, cps_max: 0 }));
    assert_eq!(desk.agent(call, 1, LegEvent::Answered), []);
    let effects = desk.wait(secs(5));
    assert!(effects.contains(&Effect::HangUp { call }));
    let record = direct_record(&effects);
    assert_eq!((record.outcome, record.cause, record.trunk), (Outcome::Failed, Cause::TRUNK_FAILED, None));
}

#[test]
fn who_hangs_up_early_ends_the_call_on_both_sides() {
    let (mut desk, call, _) = begun(Config::default(), FirstRung::Agent);
    desk.agent(call, 1, LegEvent::Answered);
    desk.customer(call, RINGING);
    let effects = desk.tell(Input::HangUp { agent: AGENT });
    assert_eq!(effects[0], Effect::HangUp { call });
    let record = direct_record(&effects);
    assert_eq!(
        (record.outcome, record.cause, record.hangup_by),
        (Outcome::NoAnswer, Cause::CANCELLED, HangupBy::Agent)
    );

    let (mut desk, call, _) = begun(Config::default(), FirstRung::Customer);
    desk.customer(call, LegEvent::Answered);
    let effects = desk.customer(call, HUNG_UP);
    assert_eq!(effects[0], Effect::HangUp { call }, "the agent stops ringing");
    assert_eq!(direct_record(&effects).outcome, Outcome::Abandoned);
    assert_eq!(desk.state(1), AgentState::Ready);
}

#[test]
fn each_step_has_its_time() {
    let cases: [(FirstRung, &[LegEvent], u64, Outcome, Cause); 4] = [
        (FirstRung::Agent, &[], 30, Outcome::NoAnswer, Cause::NOT_PICKED_UP),
        (FirstRung::Customer, &[], 32, Outcome::Failed, Cause::TIMER),
        (FirstRung::Customer, &[RINGING], 60, Outcome::NoAnswer, Cause::NO_ANSWER),
        (FirstRung::Customer, &[LegEvent::Answered], 30, Outcome::Abandoned, Cause::NOT_PICKED_UP),
    ];
    for (first, events, limit, outcome, cause) in cases {
        let (mut desk, call, _) = begun(Config::default(), first);
        for event in events {
            desk.customer(call, *event);
        }
        assert_eq!(desk.wait(secs(limit) - ms(1)), []);
        let effects = desk.wait(ms(1));
        assert!(effects.contains(&Effect::HangUp { call }));
        let record = direct_record(&effects);
        assert_eq!((record.outcome, record.cause, record.hangup_by), (outcome, cause, HangupBy::Platform));
        assert_eq!(desk.state(1), AgentState::Ready);
    }
}

#[test]
fn a_call_that_is_hung_up_while_its_row_is_written_has_its_result_after_it() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(1);
    let call = opened(&ask(&mut desk, wish(1, FirstRung::Agent))).call;
    assert_eq!(desk.tell(Input::HangUp { agent: AGENT }), []);
    let effects = desk.tell(Input::DirectOpened { call });
    assert_eq!(direct_record(&effects).outcome, Outcome::NoAnswer);
    assert!(!effects.contains(&Effect::HangUp { call }), "there is no leg");
}

#[test]
fn a_call_whose_row_is_not_written_is_none() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(1);
    let call = opened(&ask(&mut desk, wish(1, FirstRung::Agent))).call;
    assert_eq!(desk.tell(Input::DirectNotOpened { call }), []);
    assert_eq!(desk.state(1), AgentState::Ready);
    assert!(desk.engine.is_idle());
}

#[test]
fn a_result_that_is_not_saved_is_offered_again() {
    let (mut desk, call, _) = begun(Config::default(), FirstRung::Agent);
    let effects = desk.tell(Input::HangUp { agent: AGENT });
    let record = direct_record(&effects);
    desk.tell(Input::DirectSaveFailed { call });
    assert_eq!(desk.wait(secs(1)), [Effect::SaveDirect(Box::new(record))]);
}

#[test]
fn a_dial_that_was_not_begun_ends_the_call() {
    let (mut desk, call, _) = begun(Config::default(), FirstRung::Agent);
    desk.agent(call, 1, LegEvent::Answered);
    let effects = desk.tell(Input::DialRefused { call });
    assert!(effects.contains(&Effect::HangUp { call }), "the agent does not wait in vain");
    assert_eq!(direct_record(&effects).cause, Cause::TRUNK_FAILED);
}

#[test]
fn the_call_of_an_agent_whose_kept_up_leg_falls_ends() {
    let config = Config { agent_legs: AgentLegs::KeptUp, ..Config::default() };
    let mut desk = Desk::new(config);
    desk.agents_at_work(1);
    desk.tell(Input::AgentLegUp { agent: AGENT });
    let call = opened(&ask(&mut desk, wish(1, FirstRung::Agent))).call;
    desk.tell(Input::DirectOpened { call });
    desk.agent(call, 1, LegEvent::Answered);
    let effects = desk.tell(Input::AgentLegDown { agent: AGENT });
    assert_eq!(direct_record(&effects).outcome, Outcome::NoAnswer);
}
