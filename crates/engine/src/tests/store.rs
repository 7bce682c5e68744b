//! A store that is slow, or fails.

use super::*;

#[test]
fn a_result_is_offered_to_the_store_until_it_takes_it() {
    let (mut desk, call, _) = Desk::with_answered_call(1, Config::default());
    let effects = desk.customer(call, HUNG_UP);
    let first = record(&effects);
    for _ in 0..3 {
        assert_eq!(desk.tell(Input::SaveFailed { call }), []);
        assert_eq!(records(&desk.wait(ms(999))), []);
        assert_eq!(records(&desk.wait(ms(1))), std::slice::from_ref(&first));
    }
    assert_eq!(desk.engine.counts().unsaved, 1);
    desk.tell(Input::CallSaved { call, retry_at: None });
    assert_eq!(desk.engine.counts().unsaved, 0);
    assert_eq!(records(&desk.wait(secs(10))), []);
}

#[test]
fn with_too_many_results_unsaved_nothing_new_is_dialed_but_talks_go_on() {
    let mut desk = Desk::new(Config { unsaved_max: 2, ..Config::default() });
    desk.agents_at_work(3);
    let asked = desk.tell(Input::Campaign(campaign(PacingMode::Progressive)));
    let calls = desk.dial(&asked);
    let effects = desk.customer(calls[0], failed(Outcome::Busy, Cause::BUSY, 486));
    assert_eq!(slots(&effects), 1);
    assert_eq!(desk.lease(&effects, 0, Supply::Exhausted), []);
    let busy = desk.customer(calls[1], failed(Outcome::Busy, Cause::BUSY, 486));
    desk.tell(Input::LeadsAdded { campaign: CAMPAIGN });
    assert_eq!(slots(&desk.wait(secs(20))), 0);
    assert_eq!(slots(&desk.saved(&busy)), 2);
}

#[test]
fn a_failed_lease_frees_its_slots_is_undone_and_tried_again_later() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let Effect::LeaseLeads { slots: reserved, .. } = &asked[0] else { panic!("{asked:?}") };
    let effects = desk.tell(Input::LeaseFailed { request: request(&asked) });
    let calls = vec![reserved[0].call];
    assert_eq!(
        effects,
        [Effect::ReturnLeads { calls: calls.clone() }],
        "the store may have done it nevertheless"
    );
    assert_eq!(desk.engine.counts().reserved, 0);
    assert_eq!(slots(&desk.wait(ms(999))), 0);
    assert_eq!(desk.tell(Input::ReturnDone { calls }), []);
    assert_eq!(slots(&desk.wait(ms(1))), 1);
}

#[test]
fn a_call_that_could_not_be_placed_is_given_back_and_tried_again_later() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(1);
    let asked = desk.tell(Input::Campaign(campaign(PacingMode::Progressive)));
    let call = desk.dial(&asked)[0];
    let effects = desk.tell(Input::DialRefused { call });
    assert_eq!(effects, [Effect::ReturnLeads { calls: vec![call] }], "no result, no attempt");
    assert_eq!(desk.engine.counts().calls, 0);
    assert_eq!(desk.tell(Input::DialRefused { call }), [], "once");
    assert_eq!(slots(&desk.wait(secs(2))), 0, "not before the lead is back");
    assert_eq!(slots(&desk.tell(Input::ReturnDone { calls: vec![call] })), 1);
}

#[test]
fn returns_are_repeated_until_they_are_done_and_nothing_is_leased_before() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let effects = desk.tell(Input::LeaseFailed { request: request(&asked) });
    let Effect::ReturnLeads { calls } = &effects[0] else { panic!("{effects:?}") };
    for _ in 0..3 {
        desk.tell(Input::ReturnFailed { calls: calls.clone() });
        assert_eq!(desk.wait(secs(1)), [Effect::ReturnLeads { calls: calls.clone() }]);
    }
    assert_eq!(slots(&desk.tell(Input::ReturnDone { calls: calls.clone() })), 1);
}

#[test]
fn a_store_that_promises_leads_but_gives_none_is_not_asked_in_a_circle() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let mut asked = desk.agent_at_work(AgentId(1));
    for next_due in [Supply::Available, Supply::Due(desk.now.wall)] {
        assert_eq!(desk.lease(&asked, 0, next_due), []);
        assert_eq!(slots(&desk.wait(ms(999))), 0);
        asked = desk.wait(ms(1));
        assert_eq!(slots(&asked), 1);
    }
}

#[test]
fn slots_without_a_lead_are_free_again() {
    let mut desk = Desk::new(Config::default());
    desk.agents_at_work(5);
    let asked = desk.tell(Input::Campaign(campaign(PacingMode::Progressive)));
    let effects = desk.lease(&asked, 2, Supply::Exhausted);
    assert_eq!(dialed(&effects).len(), 2);
    assert_eq!((desk.view().leases_pending, desk.view().ringing), (0, 2));
}

#[test]
fn the_same_answer_twice_changes_nothing() {
    let mut desk = Desk::with(0, PacingMode::Progressive);
    let asked = desk.agent_at_work(AgentId(1));
    let Effect::LeaseLeads { slots: reserved, .. } = &asked[0] else { panic!("{asked:?}") };
    let lead = desk.lead(reserved[0].call);
    let answer = |leads| Input::LeadsLeased { request: request(&asked), leads, next_due: Supply::Available };
    let twice = vec![lead.clone(), lead];
    assert_eq!(dialed(&desk.tell(answer(twice.clone()))).len(), 1);
    assert_eq!(desk.tell(answer(twice)), []);
}
