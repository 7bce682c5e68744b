use super::*;

fn numbers(leased: &[LeasedLead]) -> Vec<PhoneNumber> {
    leased.iter().map(|l| l.number.clone()).collect()
}

fn expected(of: impl IntoIterator<Item = u64>) -> Vec<PhoneNumber> {
    of.into_iter().map(number).collect()
}

pub(super) fn a_lease_takes_the_first_and_writes_their_calls(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 3);
    let slots = [
        LeaseSlot { call: call_id(8), trunk: TrunkId(4), caller_id: "021".to_owned() },
        LeaseSlot { call: call_id(7), trunk: TrunkId(5), caller_id: String::new() },
    ];
    let (leased, supply) = store.lease_leads(at(1), id, &slots).unwrap();
    let listed = scene.leads(id);
    let one = LeasedLead { call: call_id(8), lead: listed[0].id, number: number(1), attempt: 1 };
    let two = LeasedLead { call: call_id(7), lead: listed[1].id, number: number(2), attempt: 1 };
    assert_eq!((leased, supply), (vec![one, two], Supply::Available));
    let call = |lead: &Lead, slot: &LeaseSlot| Call {
        id: slot.call,
        campaign: id,
        lead: lead.id,
        number: lead.lead.number.clone(),
        attempt: 1,
        trunk: slot.trunk,
        caller_id: slot.caller_id.clone(),
        dialed_at: at(1),
        record: None,
    };
    let calls = store.list_calls(id, None, 9).unwrap();
    assert_eq!(calls, [call(&listed[1], &slots[1]), call(&listed[0], &slots[0])], "by id");
    assert_eq!(listed.iter().map(|l| l.round).collect::<Vec<_>>(), [1, 1, 0]);
    assert!(listed.iter().all(|l| l.result.is_none()), "a call in flight is no result");
    assert_eq!(scene.campaign(id).counters.called, 0);
}

pub(super) fn a_lease_is_bounded_by_slots_and_leads(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", LEASE_MAX as u64 + 3);
    let (none, supply) = store.lease_leads(T0, id, &[]).unwrap();
    assert_eq!((none, supply), (Vec::new(), Supply::Available));
    assert_eq!(scene.lease(T0, id, LEASE_MAX as u64 + 1).len(), LEASE_MAX);
    assert_eq!(scene.lease(T0, id, 2).len(), 2);
    assert_eq!(scene.lease(T0, id, 2).len(), 1);
    assert_eq!(scene.lease(T0, id, 2).len(), 0);
    assert_eq!(store.list_calls(id, None, u32::MAX).unwrap().len(), LEASE_MAX + 3);
}

pub(super) fn a_due_retry_goes_before_new_leads(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 6);
    let leased = scene.lease(at(0), id, 3);
    scene.finish(at(9), id, &leased[0], Outcome::Busy); // due at 69
    scene.finish(at(2), id, &leased[1], Outcome::Busy); // due at 62
    scene.finish(at(9), id, &leased[2], Outcome::Busy); // due at 69
    assert_eq!(numbers(&scene.lease(at(61), id, 1)), expected([4]));
    let leased = scene.lease(at(69), id, 9);
    assert_eq!(numbers(&leased), expected([2, 1, 3, 5, 6]), "by due time, then as submitted");
    assert_eq!(leased.iter().map(|l| l.attempt).collect::<Vec<_>>(), [2, 2, 2, 1, 1]);
}

pub(super) fn a_campaign_that_does_not_run_leases_nothing(store: &dyn Store) {
    let scene = Scene::new(store);
    let settings = NewCampaign { status: CampaignStatus::Draft, ..scene.settings("1") };
    let id = store.create_campaign(T0, &settings, &leads(2)).unwrap().campaign.id;
    assert_eq!(scene.lease(T0, id, 1), []);
    store.set_campaign_status(T0, id, CampaignStatus::Running).unwrap();
    assert_eq!(scene.lease(T0, id, 1).len(), 1);
    store.set_campaign_status(T0, id, CampaignStatus::Paused).unwrap();
    assert_eq!(scene.lease(T0, id, 1), []);
    assert_eq!(scene.supply(T0, id), Supply::Available, "for when it runs again");
    store.set_campaign_status(T0, id, CampaignStatus::Ended).unwrap();
    assert_eq!(scene.lease(T0, id, 1), []);
    assert_eq!(scene.supply(T0, id), Supply::Exhausted);
    assert_eq!(store.list_calls(id, None, 9).unwrap().len(), 1);
}

pub(super) fn calls_that_finish_together_have_each_its_own_answer(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 3);
    let leased = scene.lease(at(0), id, 3);
    let unknown = LeasedLead { call: call_id(999), ..leased[2].clone() };
    let records = [
        record(id, &leased[0], at(3), Outcome::Busy),
        record(id, &unknown, at(3), Outcome::Busy),
        record(id, &leased[1], at(3), Outcome::Connected),
        record(id, &leased[0], at(3), Outcome::Busy),
    ];
    let answers = store.finish_calls(at(5), &records.each_ref(), &RETRY);
    let told = |answer: &Result<Option<Timestamp>>| match answer {
        Ok(due) => Some(*due),
        Err(StoreError::NotFound("call")) => None,
        Err(error) => panic!("{error}"),
    };
    let due = Some(at(65));
    assert_eq!(answers.iter().map(told).collect::<Vec<_>>(), [Some(due), None, Some(None), Some(due)]);
    assert_eq!(scene.campaign(id).counters.called, 2);
    assert!(store.finish_calls(at(5), &[], &RETRY).is_empty());
}

pub(super) fn supply_tells_what_is_left(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 3);
    let leased = scene.lease(at(0), id, 2);
    assert_eq!(scene.supply(at(0), id), Supply::Available);
    let third = scene.lease(at(0), id, 1).pop().unwrap();
    assert_eq!(scene.supply(at(0), id), Supply::Exhausted, "all are in flight");
    scene.finish(at(5), id, &leased[0], Outcome::NoAnswer);
    assert_eq!(scene.supply(at(5), id), Supply::Due(at(125)));
    scene.finish(at(5), id, &leased[1], Outcome::Busy);
    assert_eq!(scene.supply(at(64), id), Supply::Due(at(65)), "the earliest");
    assert_eq!(scene.supply(at(65), id), Supply::Available);
    scene.finish(at(70), id, &third, Outcome::Connected);
    let retry = store.lease_leads(at(70), id, &slots(90, 5)).unwrap();
    assert_eq!((numbers(&retry.0), retry.1), (expected([2]), Supply::Due(at(125))));
}

pub(super) fn leads_past_their_deadline_are_given_up(store: &dyn Store) {
    let scene = Scene::new(store);
    let mut rows = leads(5);
    rows[0].not_after = Some(at(9));
    rows[1].not_after = Some(at(10));
    rows[3].not_after = Some(at(9));
    let id = store.create_campaign(T0, &scene.settings("1"), &rows).unwrap().campaign.id;
    assert_eq!(numbers(&scene.lease(at(10), id, 2)), expected([2, 3]), "the second is in its last moment");
    let marks = || scene.leads(id).into_iter().map(|l| l.mark).collect::<Vec<_>>();
    assert_eq!(marks(), ["expired", "", "", "", ""], "the fourth was not met");
    assert_eq!(numbers(&scene.lease(at(10), id, 2)), expected([5]));
    assert_eq!(marks(), ["expired", "", "", "expired", ""]);
    assert_eq!(scene.supply(at(10), id), Supply::Exhausted);
    assert_eq!(scene.leads(id)[0].round, 0);
    assert_eq!(scene.outcomes(id), [None; 5]);

    // A lead that waits for a retry keeps its result.
    let mut rows = leads(1);
    rows[0].not_after = Some(at(100));
    let id = store.create_campaign(T0, &scene.settings("2"), &rows).unwrap().campaign.id;
    scene.call(at(1), id, Outcome::Busy);
    assert_eq!(scene.lease(at(101), id, 1), []);
    assert_eq!(scene.supply(at(101), id), Supply::Exhausted);
    assert_eq!(scene.outcomes(id), [Some(Outcome::Busy)]);
    assert_eq!(scene.leads(id)[0].mark, "");
}

pub(super) fn a_lease_gives_up_a_bounded_number(store: &dyn Store) {
    let scene = Scene::new(store);
    let count = rule::ASIDE_PER_LEASE_MAX as u64 + 5;
    let mut rows = leads(count);
    rows.iter_mut().take(count as usize - 1).for_each(|l| l.not_after = Some(T0));
    let id = store.create_campaign(T0, &scene.settings("1"), &rows).unwrap().campaign.id;
    let (leased, supply) = store.lease_leads(at(1), id, &slots(1, 2)).unwrap();
    assert_eq!((leased, supply), (Vec::new(), Supply::Available), "the next lease goes on");
    let (leased, supply) = store.lease_leads(at(1), id, &slots(1, 2)).unwrap();
    assert_eq!((numbers(&leased), supply), (expected([count]), Supply::Exhausted));
}

pub(super) fn a_returned_lead_gets_its_place_back(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 4);
    scene.call(at(0), id, Outcome::Busy);
    let leased = scene.lease(at(60), id, 3);
    assert_eq!(numbers(&leased), expected([1, 2, 3]));
    let before = scene.leads(id)[1].round;
    store.return_leads(&[leased[0].call, leased[1].call, call_id(999)]).unwrap();
    store.return_leads(&[leased[0].call]).unwrap();
    let listed = scene.leads(id);
    assert_eq!((before, listed[0].round, listed[1].round), (1, 1, 0));
    assert_eq!(listed[0].result.as_ref().unwrap().outcome, Outcome::Busy, "the earlier result stands");
    assert_eq!(store.list_calls(id, None, 9).unwrap().len(), 2, "the busy one and the one in flight");
    let again = scene.lease(at(61), id, 9);
    assert_eq!(numbers(&again), expected([1, 2, 4]));
    assert_eq!(again.iter().map(|l| l.attempt).collect::<Vec<_>>(), [2, 1, 1]);
    // A finished call is not undone.
    scene.finish(at(62), id, &leased[2], Outcome::Connected);
    store.return_leads(&[leased[2].call]).unwrap();
    assert_eq!(scene.outcomes(id)[2], Some(Outcome::Connected));
}

pub(super) fn a_call_id_is_used_once(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 4);
    store.lease_leads(T0, id, &[slot(1)]).unwrap();
    assert_eq!(taken(store.lease_leads(T0, id, &[slot(2), slot(1)])), "call");
    assert_eq!(taken(store.lease_leads(T0, id, &[slot(2), slot(2)])), "call");
    assert_eq!(store.list_calls(id, None, 9).unwrap().len(), 1, "nothing was leased");
    assert_eq!(numbers(&store.lease_leads(T0, id, &[slot(2)]).unwrap().0), expected([2]));
}

pub(super) fn a_finished_call_reads_back_as_recorded(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 1);
    let leased = scene.lease(at(1), id, 1).pop().unwrap();
    let record = CallRecord {
        trunk: TrunkId(9),
        caller_id: "0213".to_owned(),
        dialed_at: at(2),
        ringing_at: Some(at(3)),
        answered_at: Some(at(4)),
        bridged_at: Some(at(5)),
        ended_at: at(25),
        agent: Some(scene.agent.id),
        notice: Some(Notice::InACall),
        hangup_by: HangupBy::Agent,
        ..record(id, &leased, at(2), Outcome::Connected)
    };
    assert_eq!(store.finish_call(at(25), &record, &RETRY).unwrap(), None);
    let call = store.list_calls(id, None, 9).unwrap().pop().unwrap();
    assert_eq!((call.id, call.lead, call.attempt), (leased.call, leased.lead, 1));
    assert_eq!((call.trunk, call.caller_id.as_str(), call.dialed_at), (TrunkId(9), "0213", at(2)));
    assert_eq!(call.record, Some(record));
}

pub(super) fn a_lead_shows_its_last_result(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 1);
    let first = scene.call(at(0), id, Outcome::Busy);
    let result = scene.leads(id)[0].result.clone().unwrap();
    let expected = LeadResult {
        call: Some(first.call),
        outcome: Outcome::Busy,
        cause: Cause::NORMAL,
        notice: None,
        extension: None,
        dialed_at: Some(at(0)),
        waiting_seconds: 20,
        talk_seconds: 0,
        sip_status: 200,
    };
    assert_eq!(result, expected, "shown while the retry waits");
    let second = scene.lease(at(60), id, 1).pop().unwrap();
    assert_eq!(scene.leads(id)[0].result, Some(expected), "and while it is in flight");
    let with_agent = CallRecord {
        agent: Some(scene.agent.id),
        cause: Cause::DECLINED,
        notice: Some(Notice::EmptyNumber),
        sip_status: 603,
        keys: String::new(),
        ..record(id, &second, at(60), Outcome::Connected)
    };
    store.finish_call(at(80), &with_agent, &RETRY).unwrap();
    let expected = LeadResult {
        call: Some(second.call),
        outcome: Outcome::Connected,
        cause: Cause::DECLINED,
        notice: Some(Notice::EmptyNumber),
        extension: Some("100001".to_owned()),
        dialed_at: Some(at(60)),
        waiting_seconds: 5,
        talk_seconds: 15,
        sip_status: 603,
    };
    let lead = scene.leads(id).pop().unwrap();
    assert_eq!((lead.round, lead.result), (2, Some(expected)));
}

pub(super) fn each_outcome_follows_the_retry_rule(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", Outcome::ALL.len() as u64);
    for outcome in Outcome::ALL {
        let leased = scene.lease(T0, id, 1).pop().unwrap();
        let due = scene.finish(at(7), id, &leased, outcome);
        let expected = match outcome {
            Outcome::Busy => Some(at(67)),
            Outcome::NoAnswer => Some(at(127)),
            Outcome::Failed => Some(at(37)),
            Outcome::Lost => Some(at(17)),
            _ => None,
        };
        assert_eq!(due, expected, "{outcome:?}");
    }
    let never = RetryRule { busy: None, no_answer: None, failed: None, lost: None };
    let id = scene.running("2", 1);
    let leased = scene.lease(T0, id, 1).pop().unwrap();
    let record = record(id, &leased, T0, Outcome::Busy);
    assert_eq!(store.finish_call(T0, &record, &never).unwrap(), None);
}

pub(super) fn attempts_end(store: &dyn Store) {
    let scene = Scene::new(store);
    for (taskid, attempts_max) in [("1", 1), ("2", 2), ("3", 3)] {
        let settings = NewCampaign { attempts_max, ..scene.settings(taskid) };
        let id = store.create_campaign(T0, &settings, &leads(1)).unwrap().campaign.id;
        for attempt in 1..=attempts_max {
            let now = at(u64::from(attempt) * 1000);
            let leased = scene.lease(now, id, 1).pop().unwrap();
            assert_eq!(leased.attempt, attempt);
            let due = scene.finish(now, id, &leased, Outcome::Busy);
            assert_eq!(due.is_some(), attempt < attempts_max);
        }
        assert_eq!(scene.lease(at(9000), id, 1), []);
        assert_eq!(scene.supply(at(9000), id), Supply::Exhausted);
    }
}

pub(super) fn a_retry_after_the_leads_deadline_is_none(store: &dyn Store) {
    let scene = Scene::new(store);
    let mut rows = leads(2);
    rows[0].not_after = Some(at(60));
    rows[1].not_after = Some(at(59));
    let id = store.create_campaign(T0, &scene.settings("1"), &rows).unwrap().campaign.id;
    let leased = scene.lease(T0, id, 2);
    assert_eq!(scene.finish(T0, id, &leased[0], Outcome::Busy), Some(at(60)));
    assert_eq!(scene.finish(T0, id, &leased[1], Outcome::Busy), None);
    assert_eq!(numbers(&scene.lease(at(60), id, 2)), expected([1]));
}

pub(super) fn a_call_finishes_once(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 1);
    let leased = scene.lease(T0, id, 1).pop().unwrap();
    assert_eq!(scene.finish(at(1), id, &leased, Outcome::Busy), Some(at(61)));
    let counters = scene.campaign(id).counters;
    let calls = store.list_calls(id, None, 9).unwrap();
    assert_eq!(scene.finish(at(50), id, &leased, Outcome::Connected), Some(at(61)), "the lead's time");
    assert_eq!(scene.campaign(id).counters, counters);
    assert_eq!(store.list_calls(id, None, 9).unwrap(), calls, "the first result stands");
    let second = scene.lease(at(61), id, 1).pop().unwrap();
    assert_eq!(scene.finish(at(62), id, &leased, Outcome::Busy), None, "it is in flight again");
    scene.finish(at(63), id, &second, Outcome::Connected);
    assert_eq!(scene.finish(at(64), id, &leased, Outcome::Busy), None);
    assert_eq!(scene.outcomes(id), [Some(Outcome::Connected)]);
}

pub(super) fn an_unknown_call_does_not_finish(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 1);
    let leased = scene.lease(T0, id, 1).pop().unwrap();
    store.return_leads(&[leased.call]).unwrap();
    let record = record(id, &leased, T0, Outcome::Busy);
    assert_eq!(missing(store.finish_call(T0, &record, &RETRY)), "call");
}

pub(super) fn a_call_finishes_after_its_campaign_ended(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 3);
    let leased = scene.lease(T0, id, 3);
    store.end_campaign(at(1), id, EndReason::Deadline).unwrap();
    assert_eq!(scene.finish(at(2), id, &leased[0], Outcome::Busy), None, "nothing is called again");
    assert_eq!(scene.finish(at(2), id, &leased[1], Outcome::Connected), None);
    store.return_leads(&[leased[2].call]).unwrap();
    assert_eq!(scene.outcomes(id), [Some(Outcome::Busy), Some(Outcome::Connected), None]);
    let campaign = scene.campaign(id);
    assert_eq!((campaign.counters.called, campaign.ended_at), (2, Some(at(1))));
    assert_eq!(scene.lease(at(100), id, 3), []);
}

pub(super) fn counters_follow_the_last_result(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 4);
    let counters = |called, connected, abandoned| Counters {
        total: 4,
        called,
        answered: connected + abandoned,
        connected,
        abandoned,
    };
    scene.call(at(0), id, Outcome::Busy);
    assert_eq!(scene.campaign(id).counters, counters(1, 0, 0));
    scene.call(at(0), id, Outcome::Abandoned);
    assert_eq!(scene.campaign(id).counters, counters(2, 0, 1));
    scene.call(at(60), id, Outcome::Connected);
    assert_eq!(scene.campaign(id).counters, counters(2, 1, 1), "the busy one was called again");
    let leased = scene.lease(at(60), id, 1).pop().unwrap();
    assert_eq!(scene.campaign(id).counters, counters(2, 1, 1), "in flight is not called");
    store.return_leads(&[leased.call]).unwrap();
    assert_eq!(scene.campaign(id).counters, counters(2, 1, 1));
    scene.call(at(60), id, Outcome::Machine);
    assert_eq!(scene.campaign(id).counters, counters(3, 1, 1));
}

pub(super) fn a_rescue_ends_open_calls_as_lost(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    let (first, last) = (scene.running("1", 3), NewCampaign { attempts_max: 1, ..scene.settings("2") });
    let last = store.create_campaign(T0, &last, &leads(1)).unwrap().campaign.id;
    let foreign = NewCampaign { company: other, ..scene.settings("3") };
    let foreign = store.create_campaign(T0, &foreign, &leads(1)).unwrap().campaign.id;
    scene.call(at(1), first, Outcome::Connected);
    let mut open = scene.lease(at(2), first, 1);
    open.extend(scene.lease(at(2), last, 1));
    scene.lease(at(2), foreign, 1);

    let rescued = store.rescue_calls(at(30), scene.company, &RETRY).unwrap();
    assert_eq!(rescued, [open[0].call, open[1].call]);
    assert_eq!(store.rescue_calls(at(31), scene.company, &RETRY).unwrap(), [], "once");
    let call = store.list_calls(first, None, 9).unwrap().pop().unwrap();
    let record = call.record.unwrap();
    assert_eq!((record.outcome, record.cause), (Outcome::Lost, Cause::UNKNOWN));
    assert_eq!((record.dialed_at, record.ended_at, record.hangup_by), (at(2), at(30), HangupBy::Unknown));
    assert_eq!((record.answered_at, record.agent, record.sip_status), (None, None, 0));
    let result = scene.leads(first)[1].result.clone().unwrap();
    assert_eq!((result.outcome, result.extension, result.waiting_seconds), (Outcome::Lost, None, 28));
    assert_eq!(scene.campaign(first).counters.called, 2);

    let again = scene.lease(at(40), first, 1).pop().unwrap();
    assert_eq!((again.number, again.attempt), (number(2), 2), "its retry is due");
    assert_eq!(scene.lease(at(40), last, 1), [], "its only attempt counted");
    assert_eq!(store.list_calls(foreign, None, 9).unwrap()[0].record, None, "another company's goes on");
}

pub(super) fn answered_calls_are_counted_from_a_time(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 6);
    use Outcome::{Abandoned, Busy, Connected};
    for (now, outcome) in [(0, Connected), (10, Abandoned), (10, Connected), (20, Busy), (20, Connected)] {
        let leased = scene.lease(T0, id, 1).pop().unwrap();
        scene.finish(at(now), id, &leased, outcome);
    }
    scene.lease(T0, id, 1);
    let since = |seconds| store.answered_since(id, at(seconds)).unwrap();
    // Each ended 20 seconds after its time.
    assert_eq!(
        [since(0), since(20), since(30), since(31), since(41)],
        [(4, 1), (4, 1), (3, 1), (1, 0), (0, 0)]
    );
}

pub(super) fn calls_are_listed_by_id(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 5);
    let other = scene.running("2", 5);
    let leased = scene.lease(T0, id, 2);
    scene.lease(T0, other, 1);
    scene.finish(at(1), id, &leased[0], Outcome::Connected);
    scene.lease(at(2), id, 2);
    let ids = |after, limit| -> Vec<CallId> {
        store.list_calls(id, after, limit).unwrap().iter().map(|c| c.id).collect()
    };
    let all = ids(None, 10);
    assert_eq!(all, [1, 2, 4, 5].map(call_id));
    assert_eq!(ids(None, 3), all[..3]);
    assert_eq!(ids(Some(all[1]), 10), all[2..]);
    assert_eq!(ids(Some(all[3]), 10), []);
    assert_eq!(ids(None, 0), []);
}
