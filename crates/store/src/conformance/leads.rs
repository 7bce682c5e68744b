use super::*;

fn numbers(scene: &Scene<'_>, campaign: CampaignId, page: Page) -> (u64, Vec<PhoneNumber>) {
    let (total, leads) = scene.store.list_leads(campaign, page).unwrap();
    (total, leads.into_iter().map(|l| l.lead.number).collect())
}

fn expected(of: impl IntoIterator<Item = u64>) -> Vec<PhoneNumber> {
    of.into_iter().map(number).collect()
}

pub(super) fn leads_are_listed_as_submitted_by_page(store: &dyn Store) {
    let scene = Scene::new(store);
    let mut rows: Vec<NewLead> = [5, 3, 9, 1].map(lead).to_vec();
    rows[1].not_after = Some(at(9));
    rows[2].user_id = "用户".to_owned();
    let id = store.create_campaign(at(1), &scene.settings("1"), &rows).unwrap().campaign.id;
    scene.running("2", 3);
    let listed = scene.leads(id);
    assert_eq!(listed.iter().map(|l| l.lead.clone()).collect::<Vec<_>>(), rows);
    for lead in &listed {
        assert_eq!((lead.created_at, lead.round, lead.mark.as_str()), (at(1), 0, ""));
        assert_eq!(lead.result, None);
    }
    assert_eq!(numbers(&scene, id, page(0, 2)), (4, expected([5, 3])));
    assert_eq!(numbers(&scene, id, page(2, 2)), (4, expected([9, 1])));
    assert_eq!(numbers(&scene, id, page(3, 2)), (4, expected([1])));
    assert_eq!(numbers(&scene, id, page(4, 2)), (4, Vec::new()));
    assert_eq!(numbers(&scene, id, page(u64::MAX, u32::MAX)), (4, Vec::new()));
    assert_eq!(numbers(&scene, id, page(0, 0)), (4, Vec::new()));
}

pub(super) fn an_added_lead_comes_last(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 3);
    scene.call(at(1), id, Outcome::Busy);
    store.append_leads(at(5), id, &[lead(7)]).unwrap();
    let listed = scene.leads(id);
    assert_eq!(listed[3].lead, lead(7));
    assert_eq!(listed[3].created_at, at(5));
    let leased = scene.lease(at(5), id, 9);
    assert_eq!(leased.into_iter().map(|l| l.number).collect::<Vec<_>>(), expected([2, 3, 7]));
}

pub(super) fn nothing_is_added_to_an_ended_campaign(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 1);
    assert_eq!(
        store.append_leads(at(1), id, &[]).unwrap(),
        Appended { stored: 0, duplicates: Vec::new(), on_dnc: Vec::new() }
    );
    store.set_campaign_status(at(1), id, CampaignStatus::Paused).unwrap();
    assert_eq!(store.append_leads(at(1), id, &[lead(2)]).unwrap().stored, 1);
    store.set_campaign_status(at(1), id, CampaignStatus::Ended).unwrap();
    assert!(refused(store.append_leads(at(1), id, &[lead(3)])));
    assert_eq!(scene.campaign(id).counters.total, 2);
}

pub(super) fn deleted_leads_leave_no_gap_in_a_page(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 10);
    let deleted = store.delete_leads(id, &expected([1, 4, 5, 10, 99, 4])).unwrap();
    assert_eq!(deleted, 4);
    let left = [2, 3, 6, 7, 8, 9];
    assert_eq!(scene.campaign(id).counters.total, 6);
    assert_eq!(numbers(&scene, id, ALL), (6, expected(left)));
    for offset in 0..6 {
        let rest = left[offset as usize..].iter().copied().take(2);
        assert_eq!(numbers(&scene, id, page(offset, 2)), (6, expected(rest)), "from {offset}");
    }
    let leased = scene.lease(at(1), id, 20);
    assert_eq!(leased.into_iter().map(|l| l.number).collect::<Vec<_>>(), expected(left));
}

pub(super) fn a_deleted_number_can_be_added_again(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 3);
    let before = scene.leads(id)[2].id;
    assert_eq!(store.delete_leads(id, &expected([3])).unwrap(), 1);
    let appended = store.append_leads(at(1), id, &[1, 3].map(lead)).unwrap();
    assert_eq!(appended, Appended { stored: 1, duplicates: vec![0], on_dnc: Vec::new() });
    let listed = scene.leads(id);
    assert_eq!(listed[2].lead, lead(3));
    assert_ne!(listed[2].id, before, "an id is not used again");
    assert_eq!(scene.campaign(id).counters.total, 3);
}

pub(super) fn leads_that_were_called_are_not_deleted(store: &dyn Store) {
    let scene = Scene::new(store);
    let settings = NewCampaign { attempts_max: 2, ..scene.settings("1") };
    let mut rows = leads(6);
    rows[4].not_after = Some(T0);
    let id = store.create_campaign(T0, &settings, &rows).unwrap().campaign.id;
    scene.call(at(1), id, Outcome::Connected);
    scene.call(at(1), id, Outcome::Busy);
    let in_flight = scene.lease(at(1), id, 1).pop().unwrap();
    let returned = scene.lease(at(1), id, 1).pop().unwrap();
    store.return_leads(&[returned.call]).unwrap();
    assert_eq!(store.delete_leads(id, &expected(1..=6)).unwrap(), 3, "the last three");
    assert_eq!(numbers(&scene, id, ALL), (3, expected([1, 2, 3])));
    scene.finish(at(2), id, &in_flight, Outcome::NoAnswer);
    assert_eq!(store.delete_leads(id, &expected(1..=6)).unwrap(), 0);

    // Recalled, they are not called yet, and their calls stay.
    store.set_campaign_status(at(3), id, CampaignStatus::Paused).unwrap();
    let recall = Recall {
        which: RecallWhich::NotReached,
        status: CampaignStatus::Running,
        not_before: None,
        run_until: None,
    };
    store.recall_leads(at(3), id, &recall).unwrap();
    assert_eq!(store.delete_leads(id, &expected(1..=6)).unwrap(), 2);
    assert_eq!(store.list_calls(id, None, 9).unwrap().len(), 3);
    assert_eq!(numbers(&scene, id, ALL), (1, expected([1])));
}

pub(super) fn a_page_is_bounded(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", u64::from(PAGE_MAX) + 1);
    let (total, found) = store.list_leads(id, page(0, u32::MAX)).unwrap();
    assert_eq!((total, found.len()), (u64::from(PAGE_MAX) + 1, PAGE_MAX as usize));
}
