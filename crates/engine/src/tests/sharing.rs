//! Campaigns that share agents, and pacing that learns.

use std::collections::BTreeMap;

use super::*;

fn numbered(id: i64, pacing: PacingMode) -> CampaignSettings {
    CampaignSettings { campaign: CampaignId(id), ..campaign(pacing) }
}

fn slots_of(effects: &[Effect], id: i64) -> usize {
    let of = |e: &&Effect| matches!(e, Effect::LeaseLeads { campaign, .. } if *campaign == CampaignId(id));
    effects.iter().filter(of).map(|e| slots(std::slice::from_ref(e))).sum()
}

#[test]
fn idle_agents_are_shared_equally_by_campaigns_that_have_leads() {
    let mut desk = Desk::new(Config::default());
    for id in 1..=3 {
        desk.tell(Input::Campaign(numbered(id, PacingMode::Progressive)));
    }
    // All agents come at once.
    desk.tell(Input::Group(GroupSettings { enabled: false, ..group(Strategy::LongestIdle, &[]) }));
    desk.agents_at_work(6);
    let asked = desk.tell(Input::Group(group(Strategy::LongestIdle, &[])));
    assert_eq!([slots_of(&asked, 1), slots_of(&asked, 2), slots_of(&asked, 3)], [2, 2, 2]);
}

#[test]
fn one_agent_serves_three_campaigns_in_turn() {
    let mut desk = Desk::new(Config::default());
    for id in 1..=3 {
        desk.tell(Input::Campaign(numbered(id, PacingMode::Progressive)));
    }
    let mut asked = desk.agent_at_work(AgentId(1));
    let mut counts = [0; 3];
    for _ in 0..30 {
        assert_eq!(slots(&asked), 1, "one call for one agent, whoever's it is");
        let id = (1..=3).find(|id| slots_of(&asked, *id) == 1).unwrap();
        counts[usize::try_from(id).unwrap() - 1] += 1;
        let call = desk.dial(&asked)[0];
        asked = desk.customer(call, failed(Outcome::Busy, Cause::BUSY, 486));
    }
    assert_eq!(counts, [10, 10, 10]);
}

#[test]
fn a_campaign_without_leads_leaves_its_part_to_the_others() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(4);
    let first = desk.tell(Input::Campaign(numbered(1, PacingMode::Progressive)));
    assert_eq!(slots(&first), 4);
    let second = desk.tell(Input::Campaign(numbered(2, PacingMode::Progressive)));
    assert_eq!(slots(&second), 0, "all idle agents are spoken for");
    let effects = desk.lease(&first, 1, Supply::Exhausted);
    assert_eq!(slots_of(&effects, 2), 3);
}

#[test]
fn calls_ringing_for_a_paused_campaign_count_against_the_agents_that_it_shares() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(4);
    let first = desk.tell(Input::Campaign(numbered(1, PacingMode::Progressive)));
    desk.dial(&first);
    let paused = CampaignSettings { status: CampaignStatus::Paused, ..numbered(1, PacingMode::Progressive) };
    desk.tell(Input::Campaign(paused));
    assert_eq!(slots(&desk.tell(Input::Campaign(numbered(2, PacingMode::Progressive)))), 0);
}

#[test]
fn predictive_pacing_explains_itself_and_shows_calls_per_idle_agent() {
    let mut desk = Desk::with(0, PacingMode::Predictive(2000));
    assert_eq!(desk.view().ratio_now, Some(2000), "the start ratio, before anything was decided");
    let asked = desk.agent_at_work(AgentId(1));
    assert_eq!(slots(&asked), 1, "a second call would be too much risk while nothing is known");
    let decision = desk.view().decision.unwrap();
    assert_eq!((decision.wanted, decision.idle, decision.in_flight), (1, 1, 0));
    assert!(decision.risk > decision.alpha, "{decision:?}");
    assert_eq!(desk.view().ratio_now, Some(1000));
    let paused =
        CampaignSettings { status: CampaignStatus::Paused, ..campaign(PacingMode::Predictive(2000)) };
    desk.tell(Input::Campaign(paused));
    assert_eq!((desk.view().ratio_now, desk.view().decision), (None, None));
}

#[test]
fn two_predictive_campaigns_count_with_the_calls_of_each_other() {
    let mut desk = Desk::new(Config::default());
    desk.tell(Input::Campaign(numbered(1, PacingMode::Predictive(1500))));
    desk.tell(Input::Campaign(numbered(2, PacingMode::Predictive(1500))));
    desk.tell(Input::Group(GroupSettings { enabled: false, ..group(Strategy::LongestIdle, &[]) }));
    desk.agents_at_work(6);
    let asked = desk.tell(Input::Group(group(Strategy::LongestIdle, &[])));
    let (first, second) = (slots_of(&asked, 1), slots_of(&asked, 2));
    assert!((6..=9).contains(&(first + second)), "not twelve: {first} and {second}");
    assert!(first >= 3 && second >= 3, "both have a part: {first} and {second}");
}

#[test]
fn of_a_crowd_of_campaigns_each_has_its_turn() {
    const CAMPAIGNS: i64 = 50;
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(4);
    let mut coming: Vec<Effect> = Vec::new();
    for id in 1..=CAMPAIGNS {
        coming.extend(desk.tell(Input::Campaign(numbered(id, PacingMode::Predictive(1500)))));
    }
    let mut asked = BTreeMap::new();
    for _ in 0..100 {
        // What is asked for now is dialed, and everybody is busy.
        for effect in std::mem::take(&mut coming) {
            let Effect::LeaseLeads { campaign, .. } = &effect else { continue };
            *asked.entry(*campaign).or_insert(0) += 1;
            for call in desk.dial(std::slice::from_ref(&effect)) {
                coming.extend(desk.customer(call, failed(Outcome::Busy, Cause::BUSY, 486)));
            }
        }
        let looks = coming.iter().filter(|e| matches!(e, Effect::LeaseLeads { .. })).count();
        assert!(looks <= 33, "so many at a time: {looks}");
        coming.extend(desk.wait(ms(100)));
    }
    assert_eq!(asked.len(), 50, "each campaign had calls");
    let (least, most) = (asked.values().min().copied(), asked.values().max().copied());
    assert!(least.unwrap_or(0) * 4 >= most.unwrap_or(0), "about as many: {least:?} {most:?}");
}

#[test]
fn a_progressive_campaign_keeps_its_part_beside_a_predictive_one() {
    let mut desk = Desk::new(Config::default());
    desk.tell(Input::Campaign(numbered(1, PacingMode::Predictive(1500))));
    desk.tell(Input::Campaign(numbered(2, PacingMode::Progressive)));
    desk.tell(Input::Group(GroupSettings { enabled: false, ..group(Strategy::LongestIdle, &[]) }));
    desk.agents_at_work(6);
    let asked = desk.tell(Input::Group(group(Strategy::LongestIdle, &[])));
    assert_eq!(slots_of(&asked, 2), 3);
    assert!((3..=5).contains(&slots_of(&asked, 1)));
}

#[test]
fn what_happened_before_the_start_counts_for_the_day() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(1);
    let mut settings = campaign(PacingMode::Predictive(3000));
    (settings.answered_before, settings.abandoned_before) = (100, 3);
    assert_eq!(slots(&desk.tell(Input::Campaign(settings))), 1);
    assert_eq!((desk.view().answered, desk.view().abandoned), (100, 3));
}

#[test]
fn calls_that_ring_too_late_are_given_up_after_the_least_ringing_and_end_as_no_answer() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(8);
    let asked = desk.tell(Input::Campaign(campaign(PacingMode::Predictive(3000))));
    let calls = desk.dial(&asked);
    assert!(calls.len() >= 8, "{calls:?}");
    calls.iter().for_each(|call| drop(desk.customer(*call, RINGING)));
    // All agents but one leave: one customer may still be taken, the others would find nobody.
    for agent in 2..=8 {
        desk.tell(Input::SignedOut { agent: AgentId(agent), group: GROUP });
    }
    assert!(!desk.wait(ms(14_999)).iter().any(|e| matches!(e, Effect::Cancel { .. })), "all ring for 15 s");
    let effects = desk.wait(secs(3));
    let given_up = effects.iter().filter_map(|e| match e {
        Effect::Cancel { call } => Some(*call),
        _ => None,
    });
    let given_up: Vec<CallId> = given_up.collect();
    assert!(given_up.len() > 3 && given_up.len() < calls.len(), "{}", given_up.len());
    for call in given_up {
        let record = record(&desk.customer(call, CANCELLED));
        assert_eq!((record.outcome, record.hangup_by), (Outcome::NoAnswer, HangupBy::Platform));
    }
}

#[test]
fn without_leave_no_call_is_given_up_before_the_end_of_ringing() {
    let mut desk = Desk::new(Config { give_up_late: false, ..Config::default() });
    desk.agents_at_work(8);
    let asked = desk.tell(Input::Campaign(campaign(PacingMode::Predictive(3000))));
    let calls = desk.dial(&asked);
    calls.iter().for_each(|call| drop(desk.customer(*call, RINGING)));
    for agent in 2..=8 {
        desk.tell(Input::SignedOut { agent: AgentId(agent), group: GROUP });
    }
    assert_eq!(desk.wait(ms(24_900)).iter().filter(|e| matches!(e, Effect::Cancel { .. })).count(), 0);
}
