//! States of agents.

use super::*;

#[test]
fn a_pause_during_a_talk_takes_effect_after_it() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    desk.agent(call, 1, LegEvent::Answered);
    desk.tell(Input::Paused { agent: AgentId(1) });
    assert_eq!(desk.state(1), AgentState::Talking);
    desk.customer(call, HUNG_UP);
    assert_eq!(desk.state(1), AgentState::Paused);
    assert_eq!(slots(&desk.wait(secs(60))), 0);
    assert_eq!(slots(&desk.tell(Input::Unpaused { agent: AgentId(1) })), 1);
}

#[test]
fn a_pause_during_an_offer_takes_effect_after_it() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    assert_eq!(desk.tell(Input::Paused { agent: AgentId(1) }), []);
    assert_eq!(desk.agent(call, 1, LegEvent::Answered), [Effect::Bridge { call, agent: AgentId(1) }]);
}

#[test]
fn losing_the_registration_does_not_end_a_talk() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    desk.agent(call, 1, LegEvent::Answered);
    assert_eq!(desk.tell(Input::Unregistered { agent: AgentId(1) }), []);
    assert_eq!(desk.state(1), AgentState::Talking);
    desk.customer(call, HUNG_UP);
    assert_eq!(desk.state(1), AgentState::SignedOut);
}

#[test]
fn an_agent_whose_offer_was_withdrawn_keeps_the_place_in_the_queue() {
    let (mut desk, call, effects) = Desk::with_answered_call(2, Config::default());
    assert_eq!(offered(&effects), Some((call, AgentId(1))));
    let asked = desk.customer(call, HUNG_UP);
    let call = desk.dial(&asked)[0];
    assert_eq!(offered(&desk.customer(call, LegEvent::Answered)), Some((call, AgentId(1))));
}

#[test]
fn views_show_what_agents_do() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    desk.wait(ms(400));
    desk.agent(call, 1, LegEvent::Answered);
    let view = desk.engine.agent_view(AgentId(1)).unwrap();
    assert_eq!((view.state, view.since, view.calls), (AgentState::Talking, desk.now.wall, 1));
    let shown = view.call.unwrap();
    assert_eq!((shown.call, shown.number.as_str()), (call, "13800000001"));
    assert_eq!(shown.bridged_at, Some(desk.now.wall));
    desk.wait(secs(7));
    desk.agent(call, 1, HUNG_UP);
    let view = desk.engine.agent_view(AgentId(1)).unwrap();
    assert_eq!((view.call, view.talk_seconds), (None, 7));
    assert_eq!(desk.engine.agent_view(AgentId(2)), None);
    assert_eq!(desk.engine.agent_views().len(), 1);
}

#[test]
fn a_named_agent_is_signed_out_while_the_campaign_rests() {
    let mut desk = Desk::new(Config::default());
    desk.tell(Input::Agent(AgentSettings { agent: AgentId(1), extension: "1".into(), enabled: true }));
    desk.tell(Input::Registered { agent: AgentId(1) });
    assert_eq!(desk.state(1), AgentState::SignedOut);
    let pool = AgentPool::Extensions(vec![AgentId(1)]);
    let running = CampaignSettings { pool, ..campaign(PacingMode::Progressive) };
    let asked = desk.tell(Input::Campaign(running.clone()));
    assert_eq!(desk.state(1), AgentState::Ready);
    desk.tell(Input::Campaign(CampaignSettings { status: CampaignStatus::Paused, ..running }));
    assert_eq!(desk.state(1), AgentState::Ready, "a lease is under way");
    desk.lease(&asked, 1, Supply::Available);
    assert_eq!(desk.state(1), AgentState::SignedOut);
}

#[test]
fn a_campaign_that_gets_other_agents_offers_its_waiting_calls_to_them() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let call = desk.dial(&asked)[0];
    desk.customer(call, LegEvent::Answered);
    desk.tell(Input::Agent(AgentSettings { agent: AgentId(2), extension: "2".into(), enabled: true }));
    desk.tell(Input::Registered { agent: AgentId(2) });
    let pool = AgentPool::Extensions(vec![AgentId(2)]);
    let effects = desk.tell(Input::Campaign(CampaignSettings { pool, ..campaign(PacingMode::Progressive) }));
    assert_eq!(
        effects[..2],
        [Effect::CancelOffer { call, agent: AgentId(1) }, Effect::Offer { call, agent: AgentId(2) }]
    );
}

#[test]
fn a_campaign_that_moves_to_a_group_with_a_ready_agent_is_served_at_once() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let call = desk.dial(&asked)[0];
    desk.tell(Input::Paused { agent: AgentId(1) });
    let (agent, other) = (AgentId(2), GroupId(2));
    desk.tell(Input::Group(GroupSettings { group: other, ..group(Strategy::LongestIdle, &[2]) }));
    desk.tell(Input::Agent(AgentSettings { agent, extension: "2".into(), enabled: true }));
    desk.tell(Input::Registered { agent });
    desk.tell(Input::SignedIn { agent, group: other });
    assert_eq!(desk.customer(call, LegEvent::Answered), []);
    let pool = AgentPool::Group(other);
    let effects = desk.tell(Input::Campaign(CampaignSettings { pool, ..campaign(PacingMode::Progressive) }));
    assert_eq!(offered(&effects), Some((call, agent)));
}
