//! Agent legs that stay up all shift.

use super::*;

const AGENT: AgentId = AgentId(1);
const RAISE: Effect = Effect::RaiseAgentLeg { agent: AGENT };
const DROP: Effect = Effect::DropAgentLeg { agent: AGENT };

fn desk() -> Desk {
    let mut desk = Desk::new(Config { agent_legs: AgentLegs::KeptUp, ..Config::default() });
    desk.tell(Input::Campaign(campaign(PacingMode::Progressive)));
    desk
}

#[test]
fn the_leg_is_raised_once_and_the_agent_is_ready_when_it_is_up() {
    let mut desk = desk();
    assert_eq!(desk.agent_at_work(AGENT), [RAISE]);
    assert_eq!(desk.state(1), AgentState::SignedOut);
    assert_eq!(desk.tell(Input::Registered { agent: AGENT }), []);
    assert_eq!(slots(&desk.tell(Input::AgentLegUp { agent: AGENT })), 1);
    assert_eq!(desk.state(1), AgentState::Ready);
}

#[test]
fn a_leg_that_falls_is_raised_again_with_growing_pauses() {
    let mut desk = desk();
    desk.agent_at_work(AGENT);
    for pause in [1, 2, 4, 8, 16, 30, 30] {
        assert_eq!(desk.tell(Input::AgentLegDown { agent: AGENT }), []);
        assert!(!desk.wait(secs(pause) - ms(1)).contains(&RAISE));
        assert_eq!(desk.wait(ms(1)), [RAISE]);
    }
    desk.tell(Input::AgentLegUp { agent: AGENT });
    desk.wait(secs(31));
    desk.tell(Input::AgentLegDown { agent: AGENT });
    assert!(desk.wait(secs(1)).contains(&RAISE), "it held, so the pause is short again");
}

#[test]
fn the_leg_stays_up_during_a_pause_and_is_dropped_on_sign_out() {
    let mut desk = desk();
    desk.agent_at_work(AGENT);
    desk.tell(Input::AgentLegUp { agent: AGENT });
    assert_eq!(desk.tell(Input::Paused { agent: AGENT }), []);
    assert_eq!(desk.state(1), AgentState::Paused);
    assert_eq!(desk.tell(Input::SignedOut { agent: AGENT, group: GROUP }), [DROP]);
    assert_eq!(desk.tell(Input::SignedIn { agent: AGENT, group: GROUP }), [], "not raised for who is paused");
    assert_eq!(desk.tell(Input::Unpaused { agent: AGENT }), [RAISE]);
    assert_eq!(desk.tell(Input::Unregistered { agent: AGENT }), [DROP]);
    assert_eq!(desk.tell(Input::AgentLegUp { agent: AGENT }), [DROP], "it came up too late");
    assert_eq!(desk.wait(secs(100)), []);
}

#[test]
fn a_leg_that_falls_during_a_talk_ends_the_call() {
    let mut desk = desk();
    desk.agent_at_work(AGENT);
    let asked = desk.tell(Input::AgentLegUp { agent: AGENT });
    let (call, _) = desk.talk(&asked);
    let effects = desk.tell(Input::AgentLegDown { agent: AGENT });
    assert_eq!(effects[0], Effect::HangUp { call });
    assert_eq!((record(&effects).outcome, record(&effects).hangup_by), (Outcome::Connected, HangupBy::Agent));
    assert!(desk.wait(secs(1)).contains(&RAISE));
}

#[test]
fn a_sign_out_during_a_talk_drops_the_leg_after_it() {
    let mut desk = desk();
    desk.agent_at_work(AGENT);
    let asked = desk.tell(Input::AgentLegUp { agent: AGENT });
    let (call, _) = desk.talk(&asked);
    assert_eq!(desk.tell(Input::SignedOut { agent: AGENT, group: GROUP }), []);
    let effects = desk.customer(call, HUNG_UP);
    assert!(effects.contains(&DROP));
}

#[test]
fn named_agents_legs_are_up_only_while_their_campaign_runs_or_has_calls() {
    let mut desk = Desk::new(Config { agent_legs: AgentLegs::KeptUp, ..Config::default() });
    desk.tell(Input::Agent(AgentSettings { agent: AGENT, extension: "1".into(), enabled: true }));
    assert_eq!(desk.tell(Input::Registered { agent: AGENT }), []);
    let pool = AgentPool::Extensions(vec![AGENT]);
    let running = CampaignSettings { pool, ..campaign(PacingMode::Progressive) };
    assert_eq!(desk.tell(Input::Campaign(running.clone())), [RAISE]);
    let asked = desk.tell(Input::AgentLegUp { agent: AGENT });
    let (call, _) = desk.talk(&asked);
    assert_eq!(
        desk.tell(Input::Campaign(CampaignSettings { status: CampaignStatus::Paused, ..running })),
        []
    );
    assert!(desk.customer(call, HUNG_UP).contains(&DROP));
}
