use super::*;

const DAY: u64 = 86_400;

fn all_bills() -> BillFilter {
    BillFilter::any()
}

/// A campaign of one lead that was called and ended on that day.
fn ended_on(scene: &Scene<'_>, day: u64) -> (CampaignId, CallId) {
    let now = at(day * DAY);
    let settings = scene.settings(&format!("day {day}"));
    let id = scene.store.create_campaign(now, &settings, &leads(1)).unwrap().campaign.id;
    let call = CallId::from_parts(now.unix_millis().unsigned_abs(), 1);
    let slot = LeaseSlot { call, ..slot(1) };
    let leased = scene.store.lease_leads(now, id, &[slot]).unwrap().0.pop().unwrap();
    scene.finish(now, id, &leased, Outcome::Connected);
    scene.store.set_campaign_status(now, id, CampaignStatus::Ended).unwrap();
    (id, call)
}

fn forget(scene: &Scene<'_>, company: CompanyId, day: u64) {
    for _ in 0..100 {
        if scene.store.forget_personal(company, at(day * DAY), 2).unwrap() == 0 {
            return;
        }
    }
    panic!("there is always more to delete");
}

pub(super) fn what_is_old_is_deleted_and_what_is_not_stays(store: &dyn Store) {
    let scene = Scene::new(store);
    store.put_compliance(scene.company, &ComplianceSettings { lockout_h: 1, ..Default::default() }).unwrap();
    let ((old, old_call), (new, new_call)) = (ended_on(&scene, 1), ended_on(&scene, 40));
    let list = DncList { company: scene.company, campaign: None };
    let listed = number(77);
    store.add_dnc(T0, list, &[DncEntry::Number(listed.clone())]).unwrap();
    for day in [1, 40] {
        store.may_call(at(day * DAY), scene.company, &listed).unwrap();
    }
    forget(&scene, scene.company, 30);
    assert_eq!(store.list_leads(old, ALL).unwrap(), (0, Vec::new()));
    assert_eq!(scene.campaign(old).counters.connected, 1, "how it went is still known");
    assert_eq!(store.call(scene.company, old_call).unwrap(), None);
    assert_eq!(store.list_leads(new, ALL).unwrap().0, 1);
    assert!(store.call(scene.company, new_call).unwrap().is_some());
    let (total, bills) = store.list_bills(scene.company, &all_bills(), ALL).unwrap();
    assert_eq!((total, bills[0].call), (1, new_call));
    let refusals = store.list_refusals(scene.company, &RefusalFilter::default(), 0, 9).unwrap();
    assert_eq!(refusals.iter().map(|r| r.at).collect::<Vec<_>>(), [at(40 * DAY)]);
    assert_eq!(store.list_dnc(list, "", 9).unwrap().len(), 1, "whom nobody may call is not forgotten");
    let called = leads(1).remove(0).number;
    assert_eq!(store.last_call(scene.company, &called).unwrap().campaign, Some(new));
    // Ids go on.
    let (_, third) = ended_on(&scene, 41);
    let bills = store.list_bills(scene.company, &all_bills(), ALL).unwrap().1;
    assert_eq!(bills.iter().map(|b| b.call).collect::<Vec<_>>(), [new_call, third]);
    assert_ne!(bills[0].id, bills[1].id);
    forget(&scene, scene.company, 42);
    assert_eq!(store.last_call(scene.company, &called).unwrap(), LastCall::default());
}

pub(super) fn another_companys_old_data_stays(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    let (old, old_call) = ended_on(&scene, 1);
    forget(&scene, other, 30);
    assert_eq!(store.list_leads(old, ALL).unwrap().0, 1);
    assert!(store.call(scene.company, old_call).unwrap().is_some());
    // A call that has not ended stays, however old.
    let id = scene.running("2", 1);
    let leased = scene.lease(T0, id, 1).pop().unwrap();
    forget(&scene, scene.company, 30);
    assert!(store.call(scene.company, leased.call).unwrap().is_some());
    assert!(scene.finish(at(9), id, &leased, Outcome::Connected).is_none());
}
