//! When a campaign is over.

use super::*;

/// One agent, one lead, and the store has nothing more. The call is ringing.
fn last_call() -> (Desk, CallId) {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let effects = desk.lease(&asked, 1, Supply::Exhausted);
    (desk, dialed(&effects)[0])
}

#[test]
fn a_campaign_ends_once_its_last_result_is_saved() {
    let (mut desk, call) = last_call();
    let effects = desk.customer(call, failed(Outcome::Invalid, Cause::NOT_FOUND, 404));
    assert_eq!(ends(&effects), []);
    let effects = desk.saved(&effects);
    assert_eq!(ends(&effects), [EndReason::Over]);
    assert_eq!(ends(&desk.wait(secs(30))), []);
    let ended = CampaignSettings { status: CampaignStatus::Ended, ..campaign(PacingMode::Progressive) };
    assert_eq!(desk.tell(Input::Campaign(ended)), []);
    assert_eq!(desk.wait(secs(600)), []);
    assert_eq!(desk.engine.campaign_views(), []);
}

#[test]
fn it_ends_though_the_agents_have_left() {
    let (mut desk, call) = last_call();
    desk.tell(Input::Unregistered { agent: AgentId(1) });
    let effects = desk.customer(call, failed(Outcome::Invalid, Cause::NOT_FOUND, 404));
    desk.wait(secs(45));
    assert_eq!(ends(&desk.saved(&effects)), [EndReason::Over]);
}

#[test]
fn a_retry_keeps_the_campaign_open_and_is_asked_for_in_time() {
    let (mut desk, call) = last_call();
    desk.customer(call, failed(Outcome::Busy, Cause::BUSY, 486));
    let due = desk.now.wall.plus(secs(20));
    assert_eq!(desk.tell(Input::CallSaved { call, retry_at: Some(due) }), []);
    assert_eq!(slots(&desk.wait(ms(19_999))), 0);
    assert_eq!(slots(&desk.wait(ms(1))), 1);
}

#[test]
fn an_exhausted_campaign_asks_the_store_again_now_and_then() {
    let (mut desk, call) = last_call();
    desk.agent_at_work(AgentId(2));
    desk.customer(call, RINGING);
    assert_eq!(slots(&desk.wait(ms(24_999))), 0);
    desk.customer(call, LegEvent::Answered);
    desk.agent(call, 1, LegEvent::Answered);
    let asked = desk.wait(secs(30));
    assert_eq!(slots(&asked), 1);
    assert_eq!(desk.lease(&asked, 0, Supply::Exhausted), []);
    assert_eq!(slots(&desk.wait(secs(29))), 0);
}

#[test]
fn added_leads_are_called_at_once_and_a_refused_end_is_the_same() {
    let (mut desk, call) = last_call();
    let effects = desk.customer(call, failed(Outcome::Invalid, Cause::NOT_FOUND, 404));
    desk.saved(&effects);
    let asked = desk.tell(Input::EndRefused { campaign: CAMPAIGN });
    assert_eq!(slots(&asked), 1);
    let effects = desk.lease(&asked, 0, Supply::Exhausted);
    assert_eq!(ends(&effects), [], "a refused end is not asked for in a circle");
    assert_eq!(ends(&desk.wait(secs(1))), [EndReason::Over]);
    assert_eq!(slots(&desk.tell(Input::LeadsAdded { campaign: CAMPAIGN })), 1);
}

#[test]
fn leads_added_while_the_store_looks_are_not_forgotten() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    desk.tell(Input::LeadsAdded { campaign: CAMPAIGN });
    let effects = desk.lease(&asked, 0, Supply::Exhausted);
    assert_eq!(ends(&effects), []);
    assert_eq!(slots(&desk.wait(secs(1))), 1);
}

#[test]
fn a_campaign_ends_at_its_deadline_in_any_state_but_calls_go_on() {
    for status in [CampaignStatus::Draft, CampaignStatus::Paused, CampaignStatus::Running] {
        let mut desk = Desk::new(Config::default());
        desk.agents_at_work(1);
        let run_until = Some(desk.now.wall.plus(secs(20)));
        let settings = CampaignSettings { status, run_until, ..campaign(PacingMode::Progressive) };
        let asked = desk.tell(Input::Campaign(settings));
        let calls = desk.dial(&asked);
        for call in &calls {
            desk.customer(*call, RINGING);
        }
        assert_eq!(desk.wait(ms(19_999)), []);
        assert_eq!(desk.wait(ms(1)), [Effect::EndCampaign { campaign: CAMPAIGN, why: EndReason::Deadline }]);
        assert_eq!(slots(&desk.agent_at_work(AgentId(2))), 0, "nothing more is dialed");
        for call in calls {
            assert!(offered(&desk.customer(call, LegEvent::Answered)).is_some());
        }
    }
}

#[test]
fn an_end_that_nobody_confirms_is_asked_for_again() {
    let (mut desk, call) = last_call();
    let effects = desk.customer(call, failed(Outcome::Invalid, Cause::NOT_FOUND, 404));
    desk.saved(&effects);
    assert_eq!(ends(&desk.wait(secs(60))), [EndReason::Over]);
}

#[test]
fn a_later_deadline_takes_the_end_back() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(1);
    let mut settings = campaign(PacingMode::Progressive);
    settings.run_until = Some(desk.now.wall);
    assert_eq!(ends(&desk.tell(Input::Campaign(settings.clone()))), [EndReason::Deadline]);
    settings.run_until = Some(desk.now.wall.plus(secs(60)));
    assert_eq!(slots(&desk.tell(Input::Campaign(settings))), 1);
}

#[test]
fn an_ended_campaign_that_is_called_again_remembers_its_day() {
    let (mut desk, call) = last_call();
    desk.customer(call, LegEvent::Answered);
    desk.agent(call, 1, LegEvent::Answered);
    let effects = desk.customer(call, HUNG_UP);
    desk.saved(&effects);
    let ended = CampaignSettings { status: CampaignStatus::Ended, ..campaign(PacingMode::Progressive) };
    desk.tell(Input::Campaign(ended));
    desk.wait(secs(10));
    let asked = desk.tell(Input::Campaign(campaign(PacingMode::Progressive)));
    assert_eq!((slots(&asked), desk.view().answered), (1, 1));
}

#[test]
fn many_ended_campaigns_are_not_kept_for_ever() {
    let mut desk = Desk::new(Config::default());
    for id in 0..1000 {
        let ended = CampaignSettings {
            campaign: CampaignId(id),
            status: CampaignStatus::Ended,
            ..campaign(PacingMode::Progressive)
        };
        desk.engine.handle(desk.now, Input::Campaign(ended));
    }
    assert!(desk.engine.campaigns.len() <= 200);
    desk.engine.check();
}
