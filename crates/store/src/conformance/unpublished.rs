use super::*;
use CampaignStatus::{Draft, Ended, Paused, Running};

fn begun(scene: &Scene<'_>, taskid: &str) -> CampaignId {
    let settings = NewCampaign { client_id: format!("c-{taskid}"), ..scene.settings(taskid) };
    scene.store.begin_campaign(T0, &settings).unwrap()
}

/// Nothing that a company or an engine asks shows the campaign.
fn assert_hidden(scene: &Scene<'_>, id: CampaignId, taskid: &str) {
    let store = scene.store;
    assert_eq!(store.campaign(scene.company, taskid).unwrap(), None);
    let by_taskid = CampaignFilter { taskids: vec![taskid.to_owned()], ..CampaignFilter::default() };
    assert_eq!(store.list_campaigns(scene.company, &by_taskid, ALL).unwrap(), (0, Vec::new()));
    let (total, shown) = store.list_campaigns(scene.company, &CampaignFilter::default(), ALL).unwrap();
    assert_eq!(total, shown.len() as u64);
    assert!(shown.iter().all(|c| c.id != id));
    assert!(store.open_campaigns(scene.company).unwrap().iter().all(|c| c.id != id));
    assert_eq!(scene.lease(T0, id, 1), []);
}

pub(super) fn a_campaign_is_hidden_and_not_dialed_until_it_is_published(store: &dyn Store) {
    let scene = Scene::new(store);
    let shown = scene.running("1", 2);
    let id = begun(&scene, "2");
    assert_hidden(&scene, id, "2");
    assert_eq!(store.append_leads(at(1), id, &leads(3)).unwrap().stored, 3);
    let appended = store.append_leads(at(2), id, &[3, 4, 4, 5].map(lead)).unwrap();
    assert_eq!(appended, Appended { stored: 2, duplicates: vec![0, 2], on_dnc: Vec::new() });
    assert_hidden(&scene, id, "2");
    assert_eq!(store.unpublished_campaigns().unwrap(), [id]);

    let published = store.publish_campaign(at(3), id).unwrap();
    let settings = NewCampaign { client_id: "c-2".to_owned(), ..scene.settings("2") };
    let expected = Campaign {
        id,
        settings,
        created_at: at(3),
        started_at: Some(at(3)),
        ended_at: None,
        end_reason: None,
        counters: Counters { total: 5, ..Counters::default() },
    };
    assert_eq!(published, expected);
    assert_eq!(store.campaign(scene.company, "2").unwrap(), Some(expected.clone()));
    assert_eq!(store.unpublished_campaigns().unwrap(), []);
    let open: Vec<_> = store.open_campaigns(scene.company).unwrap().iter().map(|c| c.id).collect();
    assert_eq!(open, [shown, id]);
    assert_eq!(scene.lease(at(4), id, 9).len(), 5);
    assert_eq!(missing(store.publish_campaign(at(5), id)), "campaign");
    assert_eq!(missing(store.discard_campaign(id, 10)), "campaign");
}

pub(super) fn a_campaign_begun_as_draft_is_published_as_draft(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = store.begin_campaign(T0, &NewCampaign { status: Draft, ..scene.settings("1") }).unwrap();
    store.append_leads(T0, id, &leads(1)).unwrap();
    let published = store.publish_campaign(at(1), id).unwrap();
    assert_eq!((published.settings.status, published.started_at), (Draft, None));
    assert_eq!(store.set_campaign_status(at(2), id, Running).unwrap().started_at, Some(at(2)));
}

pub(super) fn what_is_begun_is_checked_as_what_is_created(store: &dyn Store) {
    let scene = Scene::new(store);
    for status in [Paused, Ended] {
        assert!(refused(store.begin_campaign(T0, &NewCampaign { status, ..scene.settings("1") })));
    }
    let id = begun(&scene, "1");
    assert!(refused(store.publish_campaign(T0, id)), "it has no lead");
    assert_eq!(taken(store.begin_campaign(T0, &scene.settings("1"))), "taskid");
    assert_eq!(taken(store.create_campaign(T0, &scene.settings("1"), &leads(1))), "taskid");
    let same_client_id = NewCampaign { client_id: "c-1".to_owned(), ..scene.settings("2") };
    assert_eq!(taken(store.begin_campaign(T0, &same_client_id)), "client_id");
    assert_eq!(taken(store.create_campaign(T0, &same_client_id, &leads(1))), "client_id");
    assert_eq!(missing(store.publish_campaign(T0, CampaignId(99))), "campaign");
    assert_eq!(missing(store.discard_campaign(CampaignId(99), 1)), "campaign");
}

pub(super) fn an_unpublished_campaign_is_discarded_bit_by_bit(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = scene.running("1", 3);
    let id = begun(&scene, "2");
    store.append_leads(T0, id, &leads(5)).unwrap();
    assert!(!store.discard_campaign(id, 2).unwrap());
    assert_hidden(&scene, id, "2");
    let same_client_id = NewCampaign { client_id: "c-2".to_owned(), ..scene.settings("3") };
    let next = store.create_campaign(T0, &same_client_id, &leads(1)).unwrap().campaign.id;
    assert!(!store.discard_campaign(id, 2).unwrap());
    assert_eq!(store.unpublished_campaigns().unwrap(), [id], "a crash here leaves it to be found");
    assert!(store.discard_campaign(id, 2).unwrap());
    assert_eq!(store.unpublished_campaigns().unwrap(), []);
    assert_eq!(missing(store.append_leads(T0, id, &leads(1))), "campaign");
    store.begin_campaign(T0, &scene.settings("2")).expect("its taskid is free");
    assert_eq!((scene.campaign(other).counters.total, scene.campaign(next).counters.total), (3, 1));
}

pub(super) fn a_campaign_without_leads_is_discarded_at_once(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = begun(&scene, "1");
    assert!(store.discard_campaign(id, 1).unwrap());
    assert_eq!(store.unpublished_campaigns().unwrap(), []);
}
