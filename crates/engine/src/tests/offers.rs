//! Offers that are not answered, and who is offered a call.

use super::*;

#[test]
fn an_offer_that_is_not_answered_goes_to_the_next_ready_agent() {
    let (mut desk, call, effects) = Desk::with_answered_call(2, Config::default());
    assert_eq!(offered(&effects), Some((call, AgentId(1))));
    assert_eq!(desk.wait(ms(999)), []);
    let effects = desk.wait(ms(1));
    assert_eq!(
        effects,
        [Effect::CancelOffer { call, agent: AgentId(1) }, Effect::Offer { call, agent: AgentId(2) }]
    );
    assert_eq!(desk.state(1), AgentState::WrapUp);
    let view = desk.engine.agent_view(AgentId(1)).unwrap();
    assert_eq!((view.missed, view.missed_now), (1, Some(Miss::NotPickedUp)));
    assert_eq!(
        desk.agent(call, 1, LegEvent::Answered),
        [],
        "an answer that crossed with the cancelled offer"
    );
    assert_eq!(desk.agent(call, 2, LegEvent::Answered), [Effect::Bridge { call, agent: AgentId(2) }]);
}

#[test]
fn an_offer_that_is_declined_is_told_from_one_that_is_let_ring_until_the_rest_is_over() {
    let (mut desk, call, _) =
        Desk::with_answered_call(1, Config { answer_wait: secs(60), ..Config::default() });
    let missed = |desk: &Desk| desk.engine.agent_view(AgentId(1)).unwrap().missed_now;
    assert_eq!(missed(&desk), None);
    desk.agent(call, 1, failed(Outcome::Busy, Cause::BUSY, 486));
    assert_eq!(missed(&desk), Some(Miss::Declined));
    let effects = desk.wait(Config::default().miss_pause);
    assert_eq!(offered(&effects), Some((call, AgentId(1))));
    assert_eq!(missed(&desk), None, "the next offer");
    desk.agent(call, 1, failed(Outcome::Failed, Cause::NOT_PICKED_UP, 480));
    assert_eq!(missed(&desk), Some(Miss::NotPickedUp));
}

#[test]
fn with_nobody_else_ready_the_first_agent_rings_on() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    assert_eq!(desk.wait(ms(1900)), []);
    assert_eq!(desk.agent(call, 1, LegEvent::Answered), [Effect::Bridge { call, agent: AgentId(1) }]);
}

#[test]
fn an_agent_who_comes_while_the_first_lets_it_ring_too_long_gets_the_call() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    desk.wait(ms(1200));
    let effects = desk.agent_at_work(AgentId(2));
    assert_eq!(
        effects[..2],
        [Effect::CancelOffer { call, agent: AgentId(1) }, Effect::Offer { call, agent: AgentId(2) }]
    );
}

#[test]
fn an_agent_whose_leg_fails_is_passed_over_at_once() {
    let (mut desk, call, _) = Desk::with_answered_call(2, Config::default());
    let effects = desk.agent(call, 1, failed(Outcome::Rejected, Cause::DECLINED, 603));
    assert_eq!(effects, [Effect::Offer { call, agent: AgentId(2) }]);
    let effects = desk.agent(call, 2, failed(Outcome::Failed, Cause::NOT_REGISTERED, 480));
    assert_eq!(effects, []);
    assert_eq!(desk.view().waiting, 1, "until somebody comes or the answer wait is over");
    assert_eq!(desk.wait(secs(2))[0], Effect::PlayMessage { call });
}

#[test]
fn an_agent_who_loses_the_registration_or_signs_out_while_ringing_is_passed_over_at_once() {
    let gone = [
        Input::Unregistered { agent: AgentId(1) },
        Input::SignedOut { agent: AgentId(1), group: GROUP },
        Input::Agent(AgentSettings { agent: AgentId(1), extension: "1".into(), enabled: false }),
    ];
    for input in gone {
        let (mut desk, call, _) = Desk::with_answered_call(2, Config::default());
        let effects = desk.tell(input);
        assert_eq!(
            effects[..2],
            [Effect::CancelOffer { call, agent: AgentId(1) }, Effect::Offer { call, agent: AgentId(2) }]
        );
        assert_eq!(desk.engine.agent_view(AgentId(1)).unwrap().missed, 0);
    }
}

#[test]
fn hanging_up_an_offered_call_is_a_rejection() {
    let (mut desk, call, _) = Desk::with_answered_call(2, Config::default());
    let effects = desk.tell(Input::HangUp { agent: AgentId(1) });
    assert_eq!(
        effects,
        [Effect::CancelOffer { call, agent: AgentId(1) }, Effect::Offer { call, agent: AgentId(2) }]
    );
    desk.agent(call, 2, LegEvent::Answered);
    let effects = desk.tell(Input::HangUp { agent: AgentId(2) });
    assert_eq!((record(&effects).outcome, record(&effects).hangup_by), (Outcome::Connected, HangupBy::Agent));
}

#[test]
fn too_many_misses_in_a_row_pause_the_agent() {
    let config = Config { misses_max: 2, answer_wait: secs(60), miss_pause: secs(1), ..Config::default() };
    let (mut desk, call, _) = Desk::with_answered_call(1, config);
    desk.agent(call, 1, failed(Outcome::Rejected, Cause::DECLINED, 603));
    assert_eq!(desk.state(1), AgentState::WrapUp);
    assert_eq!(offered(&desk.wait(secs(1))), Some((call, AgentId(1))), "offered again after the pause");
    desk.agent(call, 1, failed(Outcome::Rejected, Cause::DECLINED, 603));
    assert_eq!(desk.state(1), AgentState::Paused);
    assert_eq!(offered(&desk.wait(secs(10))), None);
    assert_eq!(offered(&desk.tell(Input::Unpaused { agent: AgentId(1) })), Some((call, AgentId(1))));
}

/// Four agents take one call after another; gives their order.
fn order_of(strategy: Strategy, members: &[i64], talks: &[u64]) -> Vec<i64> {
    let mut desk = Desk::new(Config { wrap_up: Duration::ZERO, ..Config::default() });
    desk.tell(Input::Group(group(strategy, members)));
    desk.agents_at_work(i64::try_from(members.len()).unwrap());
    let mut settings = campaign(PacingMode::Progressive);
    settings.calls_max = 1;
    let mut asked = desk.tell(Input::Campaign(settings));
    let mut order = Vec::new();
    for talk in talks {
        let (call, agent) = desk.talk(&asked);
        order.push(agent.0);
        desk.wait(secs(*talk));
        asked = desk.customer(call, HUNG_UP);
    }
    order
}

#[test]
fn each_strategy_picks_as_it_says() {
    let members = [3, 1, 2];
    assert_eq!(order_of(Strategy::LongestIdle, &members, &[1; 6]), [1, 2, 3, 1, 2, 3]);
    assert_eq!(order_of(Strategy::RingAll, &members, &[1; 4]), [1, 2, 3, 1]);
    assert_eq!(order_of(Strategy::InOrder, &members, &[1; 3]), [3, 3, 3]);
    assert_eq!(order_of(Strategy::Priority, &members, &[1; 3]), [3, 3, 3]);
    assert_eq!(order_of(Strategy::RoundRobin, &members, &[1; 6]), [3, 1, 2, 3, 1, 2]);
    assert_eq!(order_of(Strategy::LeastTalkTime, &members, &[9, 5, 20, 1, 1, 1]), [1, 2, 3, 2, 2, 2]);
    assert_eq!(order_of(Strategy::FewestCalls, &members, &[9, 5, 20, 1]), [1, 2, 3, 1]);
    let mut random = order_of(Strategy::Random, &members, &[1; 60]);
    random.sort_unstable();
    random.dedup();
    assert_eq!(random, [1, 2, 3]);
}
