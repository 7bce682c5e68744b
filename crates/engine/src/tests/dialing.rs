//! When new calls are wanted, and when not.

use super::*;

#[test]
fn a_progressive_campaign_dials_one_call_for_each_idle_agent() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(3);
    let asked = desk.tell(Input::Campaign(campaign(PacingMode::Progressive)));
    assert_eq!(slots(&asked), 3);
    let effects = desk.lease(&asked, 3, Supply::Available);
    assert_eq!(dialed(&effects).len(), 3);
    assert!(effects.contains(&Effect::CampaignStarted { campaign: CAMPAIGN }));
    assert_eq!(slots(&effects), 0);
    assert_eq!(desk.view().ringing, 3);
}

#[test]
fn a_failed_call_is_followed_by_another_at_once() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(2);
    let asked = desk.tell(Input::Campaign(campaign(PacingMode::Progressive)));
    let calls = desk.dial(&asked);
    let effects = desk.customer(calls[0], failed(Outcome::Busy, Cause::BUSY, 486));
    assert_eq!(slots(&effects), 1);
    let record = record(&effects);
    assert_eq!((record.outcome, record.cause, record.sip_status), (Outcome::Busy, Cause::BUSY, 486));
    assert!(!effects.contains(&Effect::HangUp { call: calls[0] }), "no leg is left");
}

#[test]
fn a_fixed_ratio_dials_more_calls_than_agents() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(3);
    let asked = desk.tell(Input::Campaign(campaign(PacingMode::Ratio(2500))));
    assert_eq!(slots(&asked), 7);
}

#[test]
fn nothing_is_dialed_without_an_agent() {
    let mut desk = Desk::new(Config::default());
    assert_eq!(desk.tell(Input::Campaign(campaign(PacingMode::Ratio(4000)))), []);
    assert_eq!(slots(&desk.wait(secs(600))), 0);
    assert_eq!(slots(&desk.agent_at_work(AgentId(1))), 4);
}

#[test]
fn a_member_who_is_not_signed_in_or_not_registered_or_paused_or_disabled_is_no_agent() {
    let mut desk = Desk::new(Config::default());
    desk.tell(Input::Campaign(campaign(PacingMode::Progressive)));
    desk.tell(Input::Group(group(Strategy::LongestIdle, &[1])));
    let agent = AgentId(1);
    let settings = |enabled| AgentSettings { agent, extension: "1".into(), enabled };
    desk.tell(Input::Agent(settings(true)));
    assert_eq!(slots(&desk.tell(Input::Registered { agent })), 0, "a mere member");
    desk.tell(Input::Paused { agent });
    assert_eq!(slots(&desk.tell(Input::SignedIn { agent, group: GROUP })), 0, "paused");
    desk.tell(Input::Agent(settings(false)));
    assert_eq!(slots(&desk.tell(Input::Unpaused { agent })), 0, "disabled");
    desk.tell(Input::Unregistered { agent });
    assert_eq!(slots(&desk.tell(Input::Agent(settings(true)))), 0, "not registered");
    desk.tell(Input::Group(GroupSettings { enabled: false, ..group(Strategy::LongestIdle, &[1]) }));
    assert_eq!(slots(&desk.tell(Input::Registered { agent })), 0, "the group is off");
    assert_eq!(slots(&desk.tell(Input::Group(group(Strategy::LongestIdle, &[1])))), 1);
}

#[test]
fn named_extensions_need_no_sign_in() {
    let mut desk = Desk::new(Config::default());
    let settings = CampaignSettings {
        pool: AgentPool::Extensions(vec![AgentId(1)]),
        ..campaign(PacingMode::Progressive)
    };
    desk.tell(Input::Campaign(settings));
    desk.tell(Input::Agent(AgentSettings { agent: AgentId(1), extension: "1".into(), enabled: true }));
    assert_eq!(slots(&desk.tell(Input::Registered { agent: AgentId(1) })), 1);
    assert_eq!(desk.state(1), AgentState::Ready);
}

#[test]
fn drafts_and_paused_campaigns_do_not_dial() {
    for status in [CampaignStatus::Draft, CampaignStatus::Paused, CampaignStatus::Ended] {
        let mut desk = Desk::new(Config::default());
        desk.agents_at_work(1);
        let settings = CampaignSettings { status, ..campaign(PacingMode::Progressive) };
        assert_eq!(desk.tell(Input::Campaign(settings.clone())), []);
        assert_eq!(slots(&desk.wait(secs(120))), 0);
        let opened = CampaignSettings { status: CampaignStatus::Running, ..settings };
        assert_eq!(slots(&desk.tell(Input::Campaign(opened))), 1);
    }
}

#[test]
fn a_campaign_waits_for_its_time() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(1);
    let mut settings = campaign(PacingMode::Progressive);
    settings.not_before = Some(desk.now.wall.plus(secs(90)));
    assert_eq!(slots(&desk.tell(Input::Campaign(settings))), 0);
    assert_eq!(slots(&desk.wait(ms(89_999))), 0);
    assert_eq!(slots(&desk.wait(ms(1))), 1);
}

#[test]
fn a_jump_of_the_wall_clock_is_noticed_within_a_minute() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(1);
    let mut settings = campaign(PacingMode::Progressive);
    settings.not_before = Some(desk.now.wall.plus(secs(36_000)));
    desk.tell(Input::Campaign(settings));
    assert!(desk.engine.deadline().unwrap() <= desk.now.mono + secs(60));
    desk.now.wall = desk.now.wall.plus(secs(40_000));
    let left = desk.engine.deadline().unwrap() - desk.now.mono;
    assert_eq!(slots(&desk.wait(left)), 1);
}

#[test]
fn a_jump_of_the_wall_clock_is_noticed_at_once_when_something_else_happens() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(1);
    let mut settings = campaign(PacingMode::Progressive);
    settings.not_before = Some(desk.now.wall.plus(secs(36_000)));
    desk.tell(Input::Campaign(settings));
    desk.now.wall = desk.now.wall.plus(secs(40_000));
    assert_eq!(slots(&desk.tell(Input::CallerIds(Vec::new()))), 1);
}

#[test]
fn campaigns_that_compete_for_channels_get_them_in_turn() {
    let mut desk = Desk::new(Config::default());
    desk.tell(Input::Trunk(TrunkSettings { trunk: TrunkId(1), enabled: true, channels_max: 1, cps_max: 0 }));
    let mut asked = Vec::new();
    for id in 1..=3 {
        let agent = AgentId(id);
        desk.tell(Input::Agent(AgentSettings { agent, extension: id.to_string(), enabled: true }));
        desk.tell(Input::Registered { agent });
        let pool = AgentPool::Extensions(vec![agent]);
        let settings =
            CampaignSettings { campaign: CampaignId(id), pool, ..campaign(PacingMode::Progressive) };
        asked.extend(desk.tell(Input::Campaign(settings)));
    }
    let mut turns = Vec::new();
    for _ in 0..6 {
        let [Effect::LeaseLeads { campaign, .. }] = &asked[..] else { panic!("{asked:?}") };
        turns.push(campaign.0);
        let call = desk.dial(&asked)[0];
        let effects = desk.customer(call, failed(Outcome::Busy, Cause::BUSY, 486));
        asked = effects.into_iter().filter(|e| matches!(e, Effect::LeaseLeads { .. })).collect();
    }
    assert_eq!(turns, [1, 2, 3, 1, 2, 3]);
}

#[test]
fn no_more_calls_than_the_campaign_may_have_are_in_progress() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(5);
    let mut settings = campaign(PacingMode::Ratio(3000));
    settings.calls_max = 4;
    let asked = desk.tell(Input::Campaign(settings));
    assert_eq!(slots(&asked), 4);
    let calls = desk.dial(&asked);
    let effects = desk.customer(calls[0], LegEvent::Answered);
    assert_eq!(slots(&effects), 0, "a call that talks or waits counts too");
    let effects = desk.customer(calls[1], failed(Outcome::Busy, Cause::BUSY, 486));
    assert_eq!(slots(&effects), 1);
}

#[test]
fn channels_and_calls_per_second_of_the_trunks_limit_new_calls() {
    let mut desk = Desk::new(Config::default());
    desk.tell(Input::Trunk(TrunkSettings { trunk: TrunkId(1), enabled: true, channels_max: 2, cps_max: 0 }));
    desk.tell(Input::Trunk(TrunkSettings { trunk: TrunkId(2), enabled: true, channels_max: 10, cps_max: 1 }));
    desk.tell(Input::Trunk(TrunkSettings {
        trunk: TrunkId(3),
        enabled: false,
        channels_max: 10,
        cps_max: 0,
    }));
    desk.agents_at_work(8);
    let asked = desk.tell(Input::Campaign(campaign(PacingMode::Progressive)));
    assert_eq!(slots(&asked), 3, "two channels of the first, one token of the second");
    let calls = desk.dial(&asked);
    let later = desk.wait(ms(999));
    assert_eq!(slots(&later), 0);
    let later = desk.wait(ms(1));
    assert_eq!(slots(&later), 1, "the next token");
    desk.dial(&later);
    let effects = desk.customer(calls[0], failed(Outcome::Busy, Cause::BUSY, 486));
    assert_eq!(slots(&effects), 1, "a channel of the first is free");
}

#[test]
fn caller_ids_rotate_over_the_campaigns_own_or_else_the_companys() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(3);
    let numbers = |effects: &[Effect]| -> Vec<String> {
        let Effect::LeaseLeads { slots, .. } = &effects[0] else { panic!("{effects:?}") };
        slots.iter().map(|s| s.caller_id.clone()).collect()
    };
    let mut settings = campaign(PacingMode::Progressive);
    settings.caller_ids = vec!["a".into(), "b".into()];
    assert_eq!(numbers(&desk.tell(Input::Campaign(settings))), ["a", "b", "a"]);
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(3);
    desk.tell(Input::CallerIds(vec!["x".into(), "y".into()]));
    assert_eq!(numbers(&desk.tell(Input::Campaign(campaign(PacingMode::Progressive)))), ["x", "y", "x"]);
    let mut desk = Desk::with(0, PacingMode::Progressive);
    assert_eq!(numbers(&desk.agent_at_work(AgentId(1))), [""]);
}

#[test]
fn a_campaign_has_one_lease_request_at_a_time() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    assert_eq!(slots(&asked), 1);
    assert_eq!(slots(&desk.agent_at_work(AgentId(2))), 0);
    let effects = desk.lease(&asked, 1, Supply::Available);
    assert_eq!(slots(&effects), 1, "the second agent's call is asked for next");
}

#[test]
fn leads_that_arrive_after_a_pause_or_the_last_agents_leave_or_a_drain_are_returned() {
    let paused = CampaignSettings { status: CampaignStatus::Paused, ..campaign(PacingMode::Progressive) };
    let ended = CampaignSettings { status: CampaignStatus::Ended, ..campaign(PacingMode::Progressive) };
    let agent = AgentId(1);
    let reasons = [
        Input::Campaign(paused),
        Input::Campaign(ended),
        Input::SignedOut { agent, group: GROUP },
        Input::Unregistered { agent },
        Input::Paused { agent },
        Input::Drain,
    ];
    for reason in reasons {
        let mut desk = Desk::with(0, PacingMode::Progressive);
        let asked = desk.agent_at_work(agent);
        desk.tell(reason.clone());
        let effects = desk.lease(&asked, 1, Supply::Exhausted);
        let [Effect::ReturnLeads { calls }] = &effects[..] else { panic!("{reason:?}: {effects:?}") };
        assert!(!desk.engine.is_idle());
        desk.tell(Input::ReturnDone { calls: calls.clone() });
        assert!(desk.engine.is_idle());
        assert_eq!(desk.engine.counts(), Counts::default());
    }
}

#[test]
fn drain_lets_calls_finish_and_starts_none() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    desk.agent(call, 1, LegEvent::Answered);
    assert_eq!(desk.tell(Input::Drain), []);
    let effects = desk.customer(call, HUNG_UP);
    assert!(!desk.engine.is_idle(), "the result is not saved yet");
    desk.saved(&effects);
    assert!(desk.engine.is_idle());
    assert_eq!(slots(&desk.wait(secs(300))), 0);
}

#[test]
fn the_same_seed_and_inputs_give_the_same_effects() {
    let live = || {
        let mut desk = Desk::with(0, PacingMode::Ratio(2000));
        let asked = desk.agent_at_work(AgentId(1));
        format!("{asked:?} {:?}", desk.dial(&asked))
    };
    assert_eq!(live(), live());
}
