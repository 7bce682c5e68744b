use super::*;

pub(super) fn campaigns_go_by_id_from_the_newest(store: &dyn Store) {
    let scene = Scene::new(store);
    let ids: Vec<CampaignId> = (1..=5).map(|n| scene.running(&n.to_string(), 1)).collect();
    store.set_campaign_status(T0, ids[3], CampaignStatus::Paused).unwrap();
    let page = |filter: &CampaignFilter, before, limit| -> Vec<CampaignId> {
        let found = store.campaigns_before(scene.company, filter, before, limit).unwrap();
        found.into_iter().map(|c| c.id).collect()
    };
    let any = CampaignFilter::default();
    assert_eq!(page(&any, None, 2), [ids[4], ids[3]]);
    assert_eq!(page(&any, Some(ids[3]), 2), [ids[2], ids[1]]);
    assert_eq!(page(&any, Some(ids[1]), 2), [ids[0]]);
    assert_eq!(page(&any, Some(ids[0]), 2), []);
    let running = CampaignFilter { statuses: vec![CampaignStatus::Running], ..any.clone() };
    assert_eq!(page(&running, None, 2), [ids[4], ids[2]]);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    assert_eq!(store.campaigns_before(other, &any, None, 9).unwrap(), []);
}

pub(super) fn leads_go_by_their_place(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 6);
    store.delete_leads(id, &[2, 3].map(number)).unwrap();
    let page = |after, limit| -> Vec<u64> {
        store.leads_after(id, after, limit).unwrap().into_iter().map(|l| seq_of(l.id)).collect()
    };
    assert_eq!(page(0, 3), [1, 4, 5]);
    assert_eq!(page(5, 3), [6]);
    assert!(page(6, 3).is_empty());
    assert!(page(u64::MAX, 3).is_empty());
    assert_eq!(missing(store.leads_after(CampaignId(99), 0, 3)), "campaign");
    let found = store.lead_of_number(id, &number(5)).unwrap().unwrap();
    assert_eq!((found.id, found.lead), (lead_id(id, 5), lead(5)));
    assert_eq!(store.lead_of_number(id, &number(2)).unwrap(), None);
}

pub(super) fn calls_go_by_id_from_the_newest_and_belong_to_their_company(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    let id = scene.running("1", 4);
    let mut calls: Vec<CallId> = (1..=3).map(|n| scene.call(at(n), id, Outcome::Connected).call).collect();
    calls.push(scene.lease(at(4), id, 1)[0].call);
    let page = |company, before, limit| -> Vec<CallId> {
        let found = store.calls_before(company, &CallFilter::default(), before, limit).unwrap();
        found.into_iter().map(|c| c.call.id).collect()
    };
    assert_eq!(page(scene.company, None, 2), [calls[3], calls[2]]);
    assert_eq!(page(scene.company, Some(calls[2]), 9), [calls[1], calls[0]]);
    assert_eq!(page(other, None, 9), []);
    assert_eq!(store.call(other, calls[0]).unwrap(), None);
    assert_eq!(store.call(scene.company, call_id(999)).unwrap(), None);
    let open = store.call(scene.company, calls[3]).unwrap().unwrap();
    assert_eq!(open.call.record, None, "still open");
}

pub(super) fn calls_are_found_by_each_filter(store: &dyn Store) {
    let scene = Scene::new(store);
    let (one, two) = (scene.running("1", 3), scene.running("2", 3));
    let connected = scene.call(at(1), one, Outcome::Connected);
    let leased = scene.lease(at(5), two, 1).pop().unwrap();
    let busy = CallRecord { agent: Some(scene.agent.id), ..record(two, &leased, at(5), Outcome::Busy) };
    store.finish_call(at(5), &busy, &RETRY).unwrap();
    let found = |filter: CallFilter| -> Vec<CallId> {
        let found = store.calls_before(scene.company, &filter, None, 9).unwrap();
        found.into_iter().map(|c| c.call.id).collect()
    };
    let any = CallFilter::default;
    assert_eq!(found(any()), [leased.call, connected.call]);
    assert_eq!(found(CallFilter { campaign: Some(one), ..any() }), [connected.call]);
    assert_eq!(found(CallFilter { agent: Some(scene.agent.id), ..any() }), [leased.call]);
    assert_eq!(found(CallFilter { outcome: Some(Outcome::Busy), ..any() }), [leased.call]);
    assert_eq!(found(CallFilter { number: Some(number(1)), ..any() }), [leased.call, connected.call]);
    assert_eq!(found(CallFilter { number: Some(number(2)), ..any() }), []);
    assert_eq!(found(CallFilter { from: Some(at(5)), ..any() }), [leased.call]);
    assert_eq!(found(CallFilter { to: Some(at(5)), ..any() }), [connected.call]);
}

pub(super) fn a_call_shows_the_names_of_what_it_was_about(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("7", 1);
    let leased = scene.lease(at(1), id, 1).pop().unwrap();
    let done = CallRecord { agent: Some(scene.agent.id), ..record(id, &leased, at(1), Outcome::Connected) };
    store.finish_call(at(21), &done, &RETRY).unwrap();
    let recording = Recording {
        call: leased.call,
        company: scene.company,
        filename: "20250110/a.wav".to_owned(),
        seconds: 9,
        bytes: 1000,
        created_at: at(6),
    };
    store.put_recording(&recording).unwrap();
    let shown = store.call(scene.company, leased.call).unwrap().unwrap();
    assert_eq!((shown.taskid.as_str(), shown.extension.as_str()), ("7", "100001"));
    assert_eq!(shown.call.record, Some(done));
    assert_eq!(shown.recording, Some(recording));
}

pub(super) fn calls_of_no_campaign_are_listed_among_the_others(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    let id = scene.running("1", 2);
    let of_campaign = scene.call(at(1), id, Outcome::Connected).call;
    let kinds = [DirectKind::Click, DirectKind::Inbound, DirectKind::Dialed];
    for (n, kind) in (100..).zip(kinds) {
        store.open_direct(scene.company, &NewDirect { kind, ..directs::new_direct(&scene, n) }).unwrap();
    }
    store.finish_direct(at(120), &directs::talked(&scene, 100)).unwrap();
    let found = |company, filter: CallFilter, before, limit| -> Vec<CallId> {
        let found = store.calls_before(company, &filter, before, limit).unwrap();
        found.into_iter().map(|c| c.call.id).collect()
    };
    let any = CallFilter::default;
    let all = [call_id(102), call_id(101), call_id(100), of_campaign];
    assert_eq!(found(scene.company, any(), None, 9), all);
    assert_eq!(found(scene.company, any(), None, 3), all[..3]);
    assert_eq!(found(scene.company, any(), Some(all[1]), 9), all[2..]);
    assert_eq!(found(other, any(), None, 9), []);
    for (kinds, expected) in [
        (CallKinds::OfCampaigns, &all[3..]),
        (CallKinds::Direct(vec![DirectKind::Inbound]), &all[1..2]),
        (CallKinds::Direct(vec![DirectKind::Click, DirectKind::Dialed]), &[all[0], all[2]]),
    ] {
        assert_eq!(found(scene.company, CallFilter { kinds, ..any() }, None, 9), expected);
    }
    assert_eq!(found(scene.company, CallFilter { campaign: Some(id), ..any() }, None, 9), all[3..]);
    assert_eq!(found(scene.company, CallFilter { agent: Some(scene.agent.id), ..any() }, None, 9).len(), 3);
    assert_eq!(found(scene.company, CallFilter { number: Some(number(101)), ..any() }, None, 9), all[1..2]);
    let talked = store.call(scene.company, all[2]).unwrap().unwrap();
    let record = talked.call.record.unwrap();
    assert_eq!((talked.direct, talked.extension.as_str()), (Some(DirectKind::Click), "100001"));
    assert_eq!((record.outcome, record.talk_seconds()), (Outcome::Connected, 15));
    let open = store.call(scene.company, all[1]).unwrap().unwrap();
    assert_eq!((open.call.record, open.taskid.as_str()), (None, ""));
    assert_eq!(store.call(other, all[1]).unwrap(), None);
}
