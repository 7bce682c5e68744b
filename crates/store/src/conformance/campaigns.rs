use super::*;
use CampaignStatus::{Draft, Ended, Paused, Running};

pub(super) fn a_campaign_reads_back_as_created(store: &dyn Store) {
    let scene = Scene::new(store);
    let by_group = NewCampaign {
        name: "Spring 春".to_owned(),
        client_id: "c-1".to_owned(),
        manual: true,
        amd: Some(true),
        not_before: Some(at(1)),
        run_until: Some(at(2)),
        caller_ids: vec!["021".to_owned(), "010".to_owned()],
        status: Draft,
        ..scene.settings("20250110232019949748")
    };
    let created = store.create_campaign(T0, &by_group, &leads(3)).unwrap();
    let expected = Campaign {
        id: created.campaign.id,
        settings: by_group,
        created_at: T0,
        started_at: None,
        ended_at: None,
        end_reason: None,
        counters: Counters { total: 3, ..Counters::default() },
    };
    assert_eq!(created, Created { campaign: expected.clone(), duplicates: Vec::new(), on_dnc: Vec::new() });
    assert_eq!(store.campaign_by_id(expected.id).unwrap(), Some(expected.clone()));
    assert_eq!(store.campaign(scene.company, "20250110232019949748").unwrap(), Some(expected));
    assert_eq!(store.campaign(scene.company, "1").unwrap(), None);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    assert_eq!(store.campaign(other, "20250110232019949748").unwrap(), None);

    let list = vec![(AgentId(7), "9".to_owned()), (scene.agent.id, "100001".to_owned())];
    let by_extensions =
        NewCampaign { assignment: Assignment::Extensions(list), amd: Some(false), ..scene.settings("2") };
    let created = store.create_campaign(at(5), &by_extensions, &leads(1)).unwrap().campaign;
    assert_eq!(created.settings, by_extensions);
    assert_eq!(created.started_at, Some(at(5)), "it runs from the start");
    assert_eq!(store.campaign_by_id(created.id).unwrap(), Some(created));
}

pub(super) fn a_campaign_begins_as_draft_or_running_with_leads(store: &dyn Store) {
    let scene = Scene::new(store);
    for status in [Paused, Ended] {
        let settings = NewCampaign { status, ..scene.settings("1") };
        assert!(refused(store.create_campaign(T0, &settings, &leads(1))));
    }
    assert!(refused(store.create_campaign(T0, &scene.settings("1"), &[])));
    assert_eq!(store.campaign(scene.company, "1").unwrap(), None);
    let draft = NewCampaign { status: CampaignStatus::Draft, ..scene.settings("1") };
    let draft = store.create_campaign(T0, &draft, &[]).unwrap().campaign;
    assert_eq!(draft.counters.total, 0, "it may get its leads later");
    assert_eq!(store.append_leads(T0, draft.id, &leads(2)).unwrap().stored, 2);
}

pub(super) fn repeated_numbers_are_listed_and_not_stored(store: &dyn Store) {
    let scene = Scene::new(store);
    let rows = [1, 2, 1, 3, 2, 2, 4].map(lead);
    let created = store.create_campaign(T0, &scene.settings("1"), &rows).unwrap();
    assert_eq!(created.duplicates, [2, 4, 5]);
    assert_eq!(created.campaign.counters.total, 4);
    let id = created.campaign.id;
    let appended = store.append_leads(at(1), id, &[4, 5, 5, 1, 6].map(lead)).unwrap();
    assert_eq!(appended, Appended { stored: 2, duplicates: vec![0, 2, 3], on_dnc: Vec::new() });
    let appended = store.append_leads(at(1), id, &[4, 5].map(lead)).unwrap();
    assert_eq!(appended, Appended { stored: 0, duplicates: vec![0, 1], on_dnc: Vec::new() });
    let numbers: Vec<PhoneNumber> = scene.leads(id).into_iter().map(|l| l.lead.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6].map(number));
    assert_eq!(scene.campaign(id).counters.total, 6);
    assert_eq!(scene.running("2", 4), CampaignId(id.0 + 1), "another campaign has the same numbers");
}

pub(super) fn a_taskid_and_a_client_id_are_taken_once(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    let first = NewCampaign { client_id: "c".to_owned(), ..scene.settings("1") };
    store.create_campaign(T0, &first, &leads(2)).unwrap();
    assert_eq!(taken(store.create_campaign(T0, &scene.settings("1"), &leads(1))), "taskid");
    let second = NewCampaign { taskid: "2".to_owned(), ..first.clone() };
    assert_eq!(taken(store.create_campaign(T0, &second, &leads(1))), "client_id");
    assert_eq!(store.campaign(scene.company, "2").unwrap(), None, "nothing was stored");
    let foreign = NewCampaign { company: other, ..second };
    store.create_campaign(T0, &foreign, &leads(1)).unwrap();
    store.create_campaign(T0, &scene.settings("3"), &leads(1)).unwrap();
    store.create_campaign(T0, &scene.settings("4"), &leads(1)).unwrap();
}

pub(super) fn commands_open_pause_and_end(store: &dyn Store) {
    let scene = Scene::new(store);
    let settings = NewCampaign { status: Draft, ..scene.settings("1") };
    let id = store.create_campaign(T0, &settings, &leads(1)).unwrap().campaign.id;
    let set = |now, status| store.set_campaign_status(now, id, status);
    assert_eq!(set(at(1), Draft).unwrap().settings.status, Draft);
    assert_eq!(set(at(1), Paused).unwrap().started_at, None);
    let opened = set(at(2), Running).unwrap();
    assert_eq!((opened.settings.status, opened.started_at), (Running, Some(at(2))));
    assert!(refused(set(at(3), Draft)));
    assert_eq!(set(at(3), Paused).unwrap().settings.status, Paused);
    assert_eq!(set(at(4), Paused).unwrap().settings.status, Paused);
    let again = set(at(5), Running).unwrap();
    assert_eq!(again.started_at, Some(at(2)), "the first time");
    assert_eq!(again.ended_at, None);
    let ended = set(at(6), Ended).unwrap();
    assert_eq!((ended.ended_at, ended.end_reason), (Some(at(6)), Some(EndReason::Over)));
    assert_eq!(set(at(7), Ended).unwrap(), ended);
    for status in [Draft, Running, Paused] {
        assert!(refused(set(at(8), status)));
    }
    assert_eq!(scene.campaign(id), ended);
}

pub(super) fn an_unknown_campaign_is_not_found(store: &dyn Store) {
    let nothing = CampaignId(99);
    assert_eq!(missing(store.append_leads(T0, nothing, &leads(1))), "campaign");
    assert_eq!(missing(store.set_campaign_status(T0, nothing, Running)), "campaign");
    assert_eq!(missing(store.end_campaign(T0, nothing, EndReason::Over)), "campaign");
    assert_eq!(store.campaign_by_id(nothing).unwrap(), None);
    assert_eq!(missing(store.list_leads(nothing, ALL)), "campaign");
    assert_eq!(missing(store.recall_leads(T0, nothing, &recall(RecallWhich::All))), "campaign");
    assert_eq!(missing(store.delete_leads(nothing, &[])), "campaign");
    assert_eq!(missing(store.lease_leads(T0, nothing, &slots(1, 1))), "campaign");
    assert_eq!(missing(store.answered_since(nothing, T0)), "campaign");
    assert_eq!(missing(store.list_calls(nothing, None, 1)), "campaign");
}

pub(super) fn a_campaign_is_over_when_nothing_is_left(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 2);
    let over = |now| store.end_campaign(now, id, EndReason::Over).unwrap();
    assert_eq!(over(at(1)), None, "both are to be called");
    let leased = scene.lease(at(1), id, 2);
    assert_eq!(over(at(1)), None, "both are in flight");
    scene.finish(at(2), id, &leased[0], Outcome::Connected);
    let due = scene.finish(at(2), id, &leased[1], Outcome::Busy);
    assert_eq!(due, Some(at(62)));
    assert_eq!(over(at(2)), None, "one waits for a retry");
    scene.call(at(62), id, Outcome::Invalid);
    let ended = over(at(63)).unwrap();
    assert_eq!((ended.settings.status, ended.ended_at), (Ended, Some(at(63))));
    assert_eq!(ended.end_reason, Some(EndReason::Over));
    assert_eq!(over(at(64)), Some(ended.clone()), "it has ended already");
    assert_eq!(store.end_campaign(at(65), id, EndReason::Deadline).unwrap(), Some(ended));
}

pub(super) fn a_deadline_ends_whatever_is_left(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 3);
    scene.lease(at(1), id, 1);
    let ended = store.end_campaign(at(2), id, EndReason::Deadline).unwrap().unwrap();
    assert_eq!((ended.settings.status, ended.end_reason), (Ended, Some(EndReason::Deadline)));
    assert_eq!(scene.campaign(id), ended);
    assert_eq!(scene.lease(at(3), id, 1), []);
    assert_eq!(scene.supply(at(3), id), Supply::Exhausted);
}

pub(super) fn leads_past_their_deadline_do_not_keep_a_campaign(store: &dyn Store) {
    let scene = Scene::new(store);
    let mut rows = leads(3);
    rows[1].not_after = Some(at(10));
    rows[2].not_after = Some(at(100));
    let id = store.create_campaign(T0, &scene.settings("1"), &rows).unwrap().campaign.id;
    scene.call(at(1), id, Outcome::Connected);
    assert_eq!(store.end_campaign(at(50), id, EndReason::Over).unwrap(), None, "the third is left");
    let marks = || scene.leads(id).into_iter().map(|l| l.mark).collect::<Vec<_>>();
    assert_eq!(marks(), ["", "", ""]);
    assert_eq!(store.end_campaign(at(100), id, EndReason::Over).unwrap(), None, "until its deadline");
    let ended = store.end_campaign(at(101), id, EndReason::Over).unwrap().unwrap();
    assert_eq!(ended.counters, Counters { total: 3, called: 1, answered: 1, connected: 1, abandoned: 0 });
    assert_eq!(marks(), ["", "expired", "expired"]);
    assert_eq!(scene.outcomes(id), [Some(Outcome::Connected), None, None]);
}

fn recall(which: RecallWhich) -> Recall {
    Recall { which, status: Running, not_before: None, run_until: None }
}

/// A campaign that has ended, its four leads connected, abandoned, busy without a retry left, and never called.
fn ended(scene: &Scene<'_>, taskid: &str) -> CampaignId {
    let settings = NewCampaign { attempts_max: 1, ..scene.settings(taskid) };
    let id = scene.store.create_campaign(T0, &settings, &leads(4)).unwrap().campaign.id;
    for outcome in [Outcome::Connected, Outcome::Abandoned, Outcome::Busy] {
        scene.call(at(1), id, outcome);
    }
    scene.store.set_campaign_status(at(2), id, Ended).unwrap();
    id
}

pub(super) fn recalled_leads_are_called_again(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = ended(&scene, "1");
    let asked = Recall {
        status: Draft,
        not_before: Some(at(9)),
        run_until: Some(at(99)),
        ..recall(RecallWhich::All)
    };
    let recalled = store.recall_leads(at(3), id, &asked).unwrap();
    assert_eq!(recalled.settings.status, Draft);
    assert_eq!((recalled.settings.not_before, recalled.settings.run_until), (Some(at(9)), Some(at(99))));
    assert_eq!((recalled.started_at, recalled.ended_at, recalled.end_reason), (Some(T0), None, None));
    assert_eq!(recalled.counters, Counters { total: 4, ..Counters::default() });
    assert_eq!(scene.campaign(id), recalled);
    assert_eq!(scene.outcomes(id), [None; 4]);
    let rounds: Vec<u32> = scene.leads(id).iter().map(|l| l.round).collect();
    assert_eq!(rounds, [1, 1, 1, 0], "the calls of the earlier round count");
    assert_eq!(store.list_calls(id, None, 10).unwrap().len(), 3, "and stay");

    store.set_campaign_status(at(10), id, Running).unwrap();
    let leased = scene.lease(at(10), id, 9);
    let numbers: Vec<_> = leased.iter().map(|l| l.number.clone()).collect();
    assert_eq!(numbers, [1, 2, 3, 4].map(number), "in their order again");
    assert!(leased.iter().all(|l| l.attempt == 1));
    assert_eq!(scene.leads(id)[0].round, 2);
}

pub(super) fn recall_takes_those_that_match(store: &dyn Store) {
    let scene = Scene::new(store);
    let (connected, abandoned, busy) =
        (Some(Outcome::Connected), Some(Outcome::Abandoned), Some(Outcome::Busy));
    for (taskid, which, left) in [
        ("1", RecallWhich::Connected, [None, abandoned, busy, None]),
        ("2", RecallWhich::Abandoned, [connected, None, busy, None]),
        ("3", RecallWhich::NotReached, [connected, abandoned, None, None]),
    ] {
        let id = ended(&scene, taskid);
        let recalled = store.recall_leads(at(3), id, &recall(which)).unwrap();
        assert_eq!(recalled.settings.status, Running);
        assert_eq!(recalled.counters.called, 2);
        assert_eq!(scene.outcomes(id), left);
        assert_eq!(scene.lease(at(3), id, 9).len(), 2, "the one that matched, the one never called");
    }
}

pub(super) fn recall_leaves_leads_in_flight(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 3);
    scene.call(at(1), id, Outcome::Busy);
    scene.call(at(1), id, Outcome::Busy);
    let retry = scene.lease(at(61), id, 1).pop().unwrap();
    store.set_campaign_status(at(62), id, Paused).unwrap();
    let recalled = store.recall_leads(at(62), id, &recall(RecallWhich::NotReached)).unwrap();
    assert_eq!(recalled.counters.called, 1, "the one that waits was recalled, the one in flight not");
    assert_eq!(scene.outcomes(id), [Some(Outcome::Busy), None, None]);
    scene.finish(at(63), id, &retry, Outcome::Connected);
    assert_eq!(scene.outcomes(id), [Some(Outcome::Connected), None, None]);
    let leased = scene.lease(at(63), id, 9);
    assert_eq!(leased.iter().map(|l| l.attempt).collect::<Vec<_>>(), [1, 1]);
}

pub(super) fn recall_needs_a_match_and_a_campaign_that_rests(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 2);
    scene.call(at(1), id, Outcome::Connected);
    assert!(refused(store.recall_leads(at(2), id, &recall(RecallWhich::All))), "it runs");
    let before = store.set_campaign_status(at(2), id, Paused).unwrap();
    assert_eq!(missing(store.recall_leads(at(2), id, &recall(RecallWhich::Abandoned))), "lead");
    for status in [Paused, Ended] {
        assert!(refused(store.recall_leads(at(2), id, &Recall { status, ..recall(RecallWhich::All) })));
    }
    assert_eq!(scene.campaign(id), before);

    let draft = NewCampaign { status: Draft, ..scene.settings("2") };
    let draft = store.create_campaign(T0, &draft, &leads(1)).unwrap().campaign.id;
    assert_eq!(missing(store.recall_leads(at(2), draft, &recall(RecallWhich::All))), "lead");
}

pub(super) fn open_campaigns_come_oldest_first(store: &dyn Store) {
    let scene = Scene::new(store);
    let make = |taskid: &str, now, status| {
        let settings = NewCampaign { status, ..scene.settings(taskid) };
        store.create_campaign(now, &settings, &leads(1)).unwrap().campaign.id
    };
    let (young, old, same) = (make("1", at(9), Draft), make("2", at(1), Running), make("3", at(1), Running));
    let gone = make("4", at(2), Running);
    store.set_campaign_status(at(9), same, Paused).unwrap();
    store.set_campaign_status(at(9), gone, Ended).unwrap();
    let open: Vec<CampaignId> = store.open_campaigns(scene.company).unwrap().iter().map(|c| c.id).collect();
    assert_eq!(open, [old, same, young]);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    assert_eq!(store.open_campaigns(other).unwrap(), []);
}

fn listed(scene: &Scene<'_>, filter: &CampaignFilter, page: Page) -> (u64, Vec<String>) {
    let (total, found) = scene.store.list_campaigns(scene.company, filter, page).unwrap();
    (total, found.into_iter().map(|c| c.settings.taskid).collect())
}

pub(super) fn campaigns_are_listed_newest_first_by_page(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    for (taskid, now) in [("1", at(1)), ("2", at(9)), ("3", at(5)), ("4", at(5))] {
        store.create_campaign(now, &scene.settings(taskid), &leads(1)).unwrap();
    }
    let foreign = NewCampaign { company: other, ..scene.settings("5") };
    store.create_campaign(at(5), &foreign, &leads(1)).unwrap();
    let any = CampaignFilter::default();
    assert_eq!(listed(&scene, &any, ALL), (4, ["2", "4", "3", "1"].map(str::to_owned).to_vec()));
    assert_eq!(listed(&scene, &any, page(1, 2)), (4, ["4", "3"].map(str::to_owned).to_vec()));
    assert_eq!(listed(&scene, &any, page(4, 2)), (4, Vec::new()));
    assert_eq!(listed(&scene, &any, page(u64::MAX, u32::MAX)), (4, Vec::new()));
    assert_eq!(listed(&scene, &any, page(0, 0)), (4, Vec::new()));
}

pub(super) fn campaigns_are_found_by_each_filter(store: &dyn Store) {
    let scene = Scene::new(store);
    let list = |numbers: &[&str]| {
        Assignment::Extensions(numbers.iter().map(|n| (AgentId(1), (*n).to_owned())).collect())
    };
    let make = |taskid: &str, now, change: &dyn Fn(&mut NewCampaign)| {
        let mut settings = scene.settings(taskid);
        change(&mut settings);
        store.create_campaign(now, &settings, &leads(1)).unwrap().campaign.id
    };
    make("1", at(1), &|s| s.name = "100% Spring_sale".to_owned());
    make("2", at(2), &|s| s.client_id = "c2".to_owned());
    make("3", at(3), &|s| s.assignment = list(&["8001", "8002"]));
    make("4", at(4), &|s| s.assignment = list(&["8002"]));
    let paused = make("5", at(5), &|s| s.assignment = Assignment::Group(GroupId(7), "8002".to_owned()));
    store.set_campaign_status(at(5), paused, Paused).unwrap();
    make("6", at(6), &|s| s.status = Draft);

    let any = CampaignFilter::default;
    let text = str::to_owned;
    let cases = [
        (CampaignFilter { created_from: Some(at(5)), ..any() }, "6 5"),
        (CampaignFilter { created_to: Some(at(2)), ..any() }, "2 1"),
        (CampaignFilter { created_from: Some(at(2)), created_to: Some(at(3)), ..any() }, "3 2"),
        (CampaignFilter { taskids: vec![text("4"), text("1"), text("nothing")], ..any() }, "4 1"),
        (CampaignFilter { name_part: text("spring_"), ..any() }, "1"),
        (CampaignFilter { name_part: text("0%"), ..any() }, "1"),
        (CampaignFilter { name_part: text("%"), ..any() }, "1"),
        (CampaignFilter { statuses: vec![Paused, Draft], ..any() }, "6 5"),
        (CampaignFilter { statuses: vec![Ended], ..any() }, ""),
        (CampaignFilter { by_group: Some(true), ..any() }, "6 5 2 1"),
        (CampaignFilter { by_group: Some(false), ..any() }, "4 3"),
        (CampaignFilter { assigned_to: text("8002"), ..any() }, "5 4 3"),
        (CampaignFilter { assigned_to: text("8002"), by_group: Some(false), ..any() }, "4 3"),
        (CampaignFilter { assigned_to: text("sales"), ..any() }, "6 2 1"),
        (CampaignFilter { client_id: text("c2"), ..any() }, "2"),
        (CampaignFilter { client_id: text("c"), ..any() }, ""),
        (
            CampaignFilter {
                statuses: vec![Running],
                name_part: text("campaign"),
                taskids: vec![text("2")],
                ..any()
            },
            "2",
        ),
    ];
    for (filter, expected) in cases {
        let expected: Vec<String> = expected.split_whitespace().map(str::to_owned).collect();
        assert_eq!(listed(&scene, &filter, ALL), (expected.len() as u64, expected), "{filter:?}");
    }
}
