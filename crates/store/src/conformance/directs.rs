//! Calls that are no campaign's.

use super::*;

pub(super) fn new_direct(scene: &Scene<'_>, n: u64) -> NewDirect {
    NewDirect {
        call: call_id(n),
        kind: DirectKind::Click,
        agent: Some(scene.agent.id),
        number: number(n),
        caller_id: "021".to_owned(),
        tags: CallTags {
            user_id: "u".to_owned(),
            member_id: "m".to_owned(),
            ext: "e".to_owned(),
            custom_uuid: "c".to_owned(),
        },
        dialed_at: at(n),
    }
}

pub(super) fn talked(scene: &Scene<'_>, n: u64) -> DirectRecord {
    DirectRecord {
        call: call_id(n),
        agent: Some(scene.agent.id),
        trunk: Some(TrunkId(1)),
        ringing_at: Some(at(n + 2)),
        answered_at: Some(at(n + 5)),
        bridged_at: Some(at(n + 5)),
        ended_at: at(n + 20),
        outcome: Outcome::Connected,
        cause: Cause::NORMAL,
        hangup_by: HangupBy::Agent,
        sip_status: 200,
        keys: String::new(),
    }
}

fn bills(scene: &Scene<'_>, method: Option<u16>) -> Vec<Bill> {
    let filter = BillFilter { method, ..super::bills::all() };
    scene.store.list_bills(scene.company, &filter, ALL).unwrap().1
}

pub(super) fn a_direct_call_has_its_bill_once(store: &dyn Store) {
    let scene = Scene::new(store);
    store.open_direct(scene.company, &new_direct(&scene, 100)).unwrap();
    let taken = store.open_direct(scene.company, &new_direct(&scene, 100));
    assert!(matches!(taken, Err(StoreError::Taken("call"))), "{taken:?}");
    assert_eq!(bills(&scene, None), []);
    for _ in 0..2 {
        store.finish_direct(at(120), &talked(&scene, 100)).unwrap();
    }
    let found = bills(&scene, None);
    let expected = Bill {
        id: found[0].id,
        company: scene.company,
        call: call_id(100),
        method: 3,
        taskid: String::new(),
        round: 1,
        number: number(100),
        caller_id: "021".to_owned(),
        extension: "100001".to_owned(),
        user_id: "u".to_owned(),
        member_id: "m".to_owned(),
        ext: "e".to_owned(),
        custom_uuid: "c".to_owned(),
        dialed_at: at(100),
        answered_at: Some(at(105)),
        ended_at: at(120),
        waiting_seconds: 5,
        talk_seconds: 15,
        cause: Cause::NORMAL,
        hangup_by: HangupBy::Agent,
        fetched: false,
        recording: String::new(),
        keys: String::new(),
        quality: CallQuality::default(),
    };
    assert_eq!(found, [expected]);
    let unknown = store.finish_direct(at(120), &talked(&scene, 101));
    assert!(matches!(unknown, Err(StoreError::NotFound("call"))), "{unknown:?}");
}

pub(super) fn bills_are_found_by_their_method(store: &dyn Store) {
    let scene = Scene::new(store);
    let campaign = scene.running("1", 1);
    scene.call(at(1), campaign, Outcome::Connected);
    store.open_direct(scene.company, &new_direct(&scene, 100)).unwrap();
    store.finish_direct(at(120), &talked(&scene, 100)).unwrap();
    let methods = |method| bills(&scene, method).iter().map(|b| b.method).collect::<Vec<_>>();
    assert_eq!(methods(None), [5, 3]);
    assert_eq!((methods(Some(3)), methods(Some(5)), methods(Some(4))), (vec![3], vec![5], vec![]));
}

pub(super) fn who_had_to_do_with_a_number_last_is_known_however_it_is_written(store: &dyn Store) {
    let scene = Scene::new(store);
    let last = |number: &PhoneNumber| store.last_call(scene.company, number).unwrap();
    assert_eq!(last(&number(100)), LastCall::default());
    store.open_direct(scene.company, &new_direct(&scene, 100)).unwrap();
    store.finish_direct(at(120), &talked(&scene, 100)).unwrap();
    let agent = Some(scene.agent.id);
    assert_eq!(last(&number(100)), LastCall { campaign: None, agent });
    let written = PhoneNumber::parse(&format!("+86{}", number(100).as_str())).unwrap();
    assert_eq!(last(&written), LastCall { campaign: None, agent });
    // One that nobody answered changes nothing about who talked.
    let unanswered =
        DirectRecord { call: call_id(101), outcome: Outcome::NoAnswer, agent: None, ..talked(&scene, 101) };
    store.open_direct(scene.company, &NewDirect { number: number(100), ..new_direct(&scene, 101) }).unwrap();
    store.finish_direct(at(130), &unanswered).unwrap();
    assert_eq!(last(&number(100)).agent, agent);
    let campaign = scene.running("1", 1);
    let called = scene.call(at(1), campaign, Outcome::NoAnswer);
    assert_eq!(last(&called.number), LastCall { campaign: Some(campaign), agent: None });
}

pub(super) fn calls_of_customers_have_a_direction_of_their_own(store: &dyn Store) {
    let scene = Scene::new(store);
    for (n, kind) in [(100, DirectKind::Click), (101, DirectKind::Inbound)] {
        let agent = Some(scene.agent.id).filter(|_| kind == DirectKind::Click);
        store.open_direct(scene.company, &NewDirect { kind, agent, ..new_direct(&scene, n) }).unwrap();
        store.finish_direct(at(n + 20), &talked(&scene, n)).unwrap();
    }
    let calls = |is_inbound| {
        let filter = BillFilter { is_inbound, ..super::bills::all() };
        let found = store.list_bills(scene.company, &filter, ALL).unwrap().1;
        found.iter().map(|b| b.call).collect::<Vec<_>>()
    };
    assert_eq!(calls(None), [call_id(100), call_id(101)]);
    assert_eq!((calls(Some(true)), calls(Some(false))), (vec![call_id(101)], vec![call_id(100)]));
}

pub(super) fn a_direct_call_that_a_crash_cut_off_ends_as_lost(store: &dyn Store) {
    let scene = Scene::new(store);
    for n in [100, 200] {
        store.open_direct(scene.company, &new_direct(&scene, n)).unwrap();
    }
    store.finish_direct(at(120), &talked(&scene, 100)).unwrap();
    assert_eq!(store.rescue_calls(at(300), scene.company, &RETRY).unwrap(), [call_id(200)]);
    assert_eq!(store.rescue_calls(at(301), scene.company, &RETRY).unwrap(), []);
    let lost = &bills(&scene, None)[1];
    assert_eq!((lost.call, lost.cause, lost.talk_seconds), (call_id(200), Cause::UNKNOWN, 0));
    assert_eq!(lost.extension, "100001");
}

pub(super) fn a_direct_call_is_told(store: &dyn Store) {
    let scene = super::pushes::told(store);
    store.open_direct(scene.company, &new_direct(&scene, 100)).unwrap();
    let ring = LegState { call: call_id(100), agent: None, side: Side::Customer, status: LegStatus::Ring };
    store.put_leg_states(at(101), &[ring]).unwrap();
    let state = store.due_events(at(101), scene.company, PushKind::ExtensionState, 9).unwrap();
    assert!(state[0].body.contains(r#""method":"3""#), "{}", state[0].body);
    assert!(state[0].body.contains(r#""extnumber":"100001""#), "{}", state[0].body);
    store.finish_direct(at(120), &talked(&scene, 100)).unwrap();
    store.event_delivered(state[0].id).unwrap();
    let bill = store.due_events(at(121), scene.company, PushKind::Bill, 9).unwrap();
    assert!(bill[0].body.contains(r#""callmethod":3"#), "{}", bill[0].body);
}
