use super::*;

pub(super) fn all() -> BillFilter {
    BillFilter { from: T0, to: at(1_000_000), ..BillFilter::any() }
}

fn ids(bills: &[Bill]) -> Vec<i64> {
    bills.iter().map(|b| b.id).collect()
}

pub(super) fn a_bill_tells_all_of_its_call(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 1);
    scene.call(at(1), id, Outcome::Busy);
    let leased = scene.lease(at(100), id, 1).pop().unwrap();
    let record = CallRecord {
        agent: Some(scene.agent.id),
        hangup_by: HangupBy::Agent,
        caller_id: "021".to_owned(),
        ..record(id, &leased, at(100), Outcome::Connected)
    };
    store
        .put_recording(&Recording {
            call: leased.call,
            company: scene.company,
            filename: "20231115/9027_1.wav".to_owned(),
            seconds: 0,
            bytes: 0,
            created_at: at(105),
        })
        .unwrap();
    store.finish_call(at(120), &record, &RETRY).unwrap();
    let (total, bills) = store.list_bills(scene.company, &all(), ALL).unwrap();
    assert_eq!(total, 2);
    assert!(bills[0].id < bills[1].id);
    let expected = Bill {
        id: bills[1].id,
        company: scene.company,
        call: leased.call,
        method: 5,
        taskid: "1".to_owned(),
        round: 2,
        number: number(1),
        caller_id: "021".to_owned(),
        extension: "100001".to_owned(),
        user_id: "user1".to_owned(),
        member_id: String::new(),
        ext: "ext1".to_owned(),
        custom_uuid: "uuid1".to_owned(),
        dialed_at: at(100),
        answered_at: Some(at(105)),
        ended_at: at(120),
        waiting_seconds: 5,
        talk_seconds: 15,
        cause: Cause::NORMAL,
        hangup_by: HangupBy::Agent,
        fetched: false,
        recording: "20231115/9027_1.wav".to_owned(),
        keys: String::new(),
        quality: CallQuality::default(),
    };
    assert_eq!(bills[1], expected);
    store.delete_recording(leased.call).unwrap();
    assert_eq!(store.list_bills(scene.company, &all(), ALL).unwrap().1[1].recording, "");
    let busy = &bills[0];
    assert_eq!(
        (busy.round, busy.extension.as_str(), busy.answered_at, busy.waiting_seconds),
        (1, "", None, 20)
    );
}

pub(super) fn bills_are_found_by_each_filter(store: &dyn Store) {
    let scene = Scene::new(store);
    let (one, two) = (scene.running("1", 2), scene.running("2", 1));
    scene.call(at(10), one, Outcome::Busy);
    let leased = scene.lease(at(20), one, 1).pop().unwrap();
    let with_agent =
        CallRecord { agent: Some(scene.agent.id), ..record(one, &leased, at(20), Outcome::Connected) };
    store.finish_call(at(40), &with_agent, &RETRY).unwrap();
    scene.call(at(30), two, Outcome::Abandoned);
    let found = |filter: BillFilter| {
        let (total, bills) = store.list_bills(scene.company, &filter, ALL).unwrap();
        assert_eq!(total, bills.len() as u64);
        bills.into_iter().map(|b| b.dialed_at.since(T0).as_secs()).collect::<Vec<_>>()
    };
    assert_eq!(found(all()), [10, 20, 30]);
    assert_eq!(found(BillFilter { from: at(20), to: at(20), ..all() }), [20]);
    assert_eq!(found(BillFilter { from: at(21), ..all() }), [30]);
    assert_eq!(found(BillFilter { fetched: Some(true), ..all() }), [0; 0]);
    assert_eq!(found(BillFilter { fetched: Some(false), ..all() }), [10, 20, 30]);
    assert_eq!(found(BillFilter { extensions: vec!["9".into(), "100001".into()], ..all() }), [20]);
    assert_eq!(found(BillFilter { number: number(1).as_str().into(), ..all() }), [10, 30]);
    assert_eq!(found(BillFilter { user_id: "user2".into(), ..all() }), [20]);
    assert_eq!(found(BillFilter { member_id: "none".into(), ..all() }), [0; 0]);
    assert_eq!(found(BillFilter { ext: "ext1".into(), ..all() }), [10, 30]);
    assert_eq!(found(BillFilter { custom_uuid: "uuid2".into(), ..all() }), [20]);
    assert_eq!(found(BillFilter { taskid: "2".into(), ..all() }), [30]);
    assert_eq!(store.list_bills(CompanyId(99), &all(), ALL).unwrap().0, 0);
}

pub(super) fn each_page_of_bills_begins_where_the_one_before_ended(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 6);
    // Two at each of three seconds.
    for n in 0..6 {
        scene.call(at(n / 2), id, Outcome::Busy);
    }
    let in_one = store.list_bills(scene.company, &all(), ALL).unwrap().1;
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = store.bills_after(scene.company, &all(), after, 2).unwrap();
        let Some(last) = page.last() else { break };
        after = Some((last.dialed_at, last.id));
        found.extend(page);
    }
    assert_eq!((found.len(), found), (6, in_one));
    assert_eq!(store.bills_after(CompanyId(99), &all(), None, 9).unwrap(), []);
}

pub(super) fn bills_come_oldest_first_by_page(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 5);
    for second in [50, 10, 30, 40, 20] {
        scene.call(at(second), id, Outcome::Connected);
    }
    let (total, bills) = store.list_bills(scene.company, &all(), page(1, 3)).unwrap();
    let times: Vec<_> = bills.iter().map(|b| b.dialed_at).collect();
    assert_eq!((total, times), (5, vec![at(20), at(30), at(40)]));
    assert_eq!(store.list_bills(scene.company, &all(), page(9, 3)).unwrap(), (5, Vec::new()));
}

pub(super) fn a_fetched_bill_is_not_fetched_again(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 5);
    for second in 1..=5 {
        scene.call(at(second), id, Outcome::Connected);
    }
    let (total, first) = store.fetch_bills(scene.company, &all(), 2).unwrap();
    assert_eq!((total, first.len()), (5, 2));
    assert!(first.iter().all(|b| b.fetched));
    let late = BillFilter { from: at(5), ..all() };
    let (total, last) = store.fetch_bills(scene.company, &late, 9).unwrap();
    assert_eq!((total, last.len()), (1, 1));
    let (total, rest) = store.fetch_bills(scene.company, &all(), 9).unwrap();
    assert_eq!((total, rest.len()), (2, 2));
    assert_eq!(store.fetch_bills(scene.company, &all(), 9).unwrap(), (0, Vec::new()));
    let fetched = BillFilter { fetched: Some(true), ..all() };
    let (_, listed) = store.list_bills(scene.company, &fetched, ALL).unwrap();
    assert_eq!(ids(&listed), [ids(&first), ids(&rest), ids(&last)].concat());
    assert_eq!(store.fetch_bills(CompanyId(99), &all(), 9).unwrap().0, 0);
}

pub(super) fn eight_clients_at_once_get_each_bill_once(store: &dyn Store) {
    const BILLS: usize = 400;
    let scene = Scene::new(store);
    let id = scene.running("1", BILLS as u64);
    for leased in scene.lease(T0, id, BILLS as u64) {
        scene.finish(at(1), id, &leased, Outcome::Connected);
    }
    let company = scene.company;
    let got: Vec<Vec<i64>> = std::thread::scope(|threads| {
        let client = || {
            let mut got = Vec::new();
            loop {
                let (_, bills) = store.fetch_bills(company, &all(), 7).unwrap();
                if bills.is_empty() {
                    return got;
                }
                got.extend(bills.iter().map(|b| b.id));
            }
        };
        let clients: Vec<_> = (0..8).map(|_| threads.spawn(client)).collect();
        clients.into_iter().map(|c| c.join().expect("a client does not panic")).collect()
    });
    let mut ids: Vec<i64> = got.concat();
    assert_eq!(ids.len(), BILLS, "none twice");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), BILLS, "none missing");
}
