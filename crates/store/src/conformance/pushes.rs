use super::*;

const URL: &str = "http://crm.example/push";
const KINDS: [PushKind; 3] = [PushKind::TaskStatus, PushKind::ExtensionState, PushKind::Bill];

fn pushes(company: CompanyId) -> PushSettings {
    PushSettings {
        company,
        task_status_url: URL.to_owned(),
        extension_state_url: URL.to_owned(),
        bill_url: URL.to_owned(),
        detail_form: false,
        secret: "secret".to_owned(),
        allow_private: true,
    }
}

/// A scene whose company wants to be told everything.
pub(super) fn told(store: &dyn Store) -> Scene<'_> {
    let scene = Scene::new(store);
    store.put_pushes(&pushes(scene.company)).unwrap();
    scene
}

impl Scene<'_> {
    fn due(&self, now: Timestamp, kind: PushKind) -> Vec<Event> {
        self.store.due_events(now, self.company, kind, 100).unwrap()
    }

    fn states(&self, now: Timestamp, call: CallId, of: &[(Side, LegStatus)]) {
        let state = |&(side, status): &(Side, LegStatus)| {
            let agent = (side == Side::Agent).then_some(self.agent.id);
            LegState { call, agent, side, status }
        };
        let states: Vec<LegState> = of.iter().map(state).collect();
        self.store.put_leg_states(now, &states).unwrap();
    }

    fn dead(&self) -> Vec<i64> {
        self.store.dead_events(self.company, 100).unwrap().into_iter().map(|e| e.id).collect()
    }
}

fn ids(events: &[Event]) -> Vec<i64> {
    events.iter().map(|e| e.id).collect()
}

pub(super) fn pushes_are_put_and_put_again(store: &dyn Store) {
    let scene = Scene::new(store);
    assert_eq!(store.pushes().unwrap(), []);
    store.put_pushes(&pushes(scene.company)).unwrap();
    let other = PushSettings { bill_url: String::new(), detail_form: true, ..pushes(scene.company) };
    store.put_pushes(&other).unwrap();
    assert_eq!(store.pushes().unwrap(), [other]);
    assert_eq!(missing(store.put_pushes(&pushes(CompanyId(99)))), "company");
}

pub(super) fn a_company_without_urls_is_told_nothing(store: &dyn Store) {
    let scene = Scene::new(store);
    let nothing = PushSettings {
        task_status_url: String::new(),
        extension_state_url: String::new(),
        bill_url: String::new(),
        ..pushes(scene.company)
    };
    for settings in [None, Some(nothing)] {
        if let Some(settings) = settings {
            store.put_pushes(&settings).unwrap();
        }
        let id = scene.running(&format!("{}", store.pushes().unwrap().len()), 1);
        let leased = scene.lease(T0, id, 1).pop().unwrap();
        scene.states(T0, leased.call, &[(Side::Customer, LegStatus::Ring)]);
        scene.finish(at(9), id, &leased, Outcome::Connected);
        store.set_campaign_status(at(9), id, CampaignStatus::Ended).unwrap();
        assert!(KINDS.iter().all(|kind| scene.due(at(99), *kind).is_empty()));
    }
}

pub(super) fn a_finished_call_is_told_once(store: &dyn Store) {
    let scene = told(store);
    let id = scene.running("1", 1);
    let leased = scene.lease(T0, id, 1).pop().unwrap();
    assert_eq!(scene.due(at(9), PushKind::Bill), []);
    for _ in 0..2 {
        scene.finish(at(9), id, &leased, Outcome::Connected);
    }
    let events = scene.due(at(9), PushKind::Bill);
    assert_eq!((events.len(), events[0].call, events[0].attempts), (1, Some(leased.call), 0));
    assert_eq!((events[0].created_at, events[0].expires_at), (at(9), at(9 + 24 * 3600)));
    for part in [
        r#""companycode":"9027","direction":"callout","#,
        r#""userid":"user1","memberid":"","chengshudu":"ext1","ext":"ext1","#,
        r#""customuuid":"uuid1","taskid":"1","round":1,"#,
    ] {
        assert!(events[0].body.contains(part), "{part}: {}", events[0].body);
    }
    assert!(scene.due(at(8), PushKind::Bill).is_empty(), "not before it happened");
    assert!(scene.due(at(9), PushKind::TaskStatus).is_empty());
}

pub(super) fn a_call_that_a_crash_cut_off_is_told(store: &dyn Store) {
    let scene = told(store);
    let id = scene.running("1", 2);
    scene.lease(T0, id, 2);
    store.rescue_calls(at(9), scene.company, &RETRY).unwrap();
    let events = scene.due(at(9), PushKind::Bill);
    assert_eq!(events.len(), 2);
    assert!(events[0].body.contains(r#""hangupdirection":10031,"hangupcause":10031"#), "{}", events[0].body);
}

pub(super) fn the_end_of_a_campaign_is_told_once_and_with_its_reason(store: &dyn Store) {
    let scene = told(store);
    let (over, deadline, command) = (scene.running("1", 1), scene.running("2", 1), scene.running("3", 1));
    assert_eq!(store.end_campaign(at(1), over, EndReason::Over).unwrap(), None, "a lead is left");
    assert!(scene.due(at(1), PushKind::TaskStatus).is_empty());
    scene.call(at(2), over, Outcome::Connected);
    for _ in 0..2 {
        store.end_campaign(at(2), over, EndReason::Over).unwrap();
        store.end_campaign(at(3), deadline, EndReason::Deadline).unwrap();
        store.set_campaign_status(at(4), command, CampaignStatus::Ended).unwrap();
        store.set_campaign_status(at(4), over, CampaignStatus::Ended).unwrap();
    }
    let bodies: Vec<String> = scene.due(at(9), PushKind::TaskStatus).into_iter().map(|e| e.body).collect();
    let body = |taskid: &str, endtype: &str| {
        format!(r#"{{"taskid":"{taskid}","companycode":"9027","status":3,"endtype":"{endtype}"}}"#)
    };
    assert_eq!(bodies, [body("1", "over"), body("2", "timeout"), body("3", "over")]);
}

pub(super) fn extension_states_are_told_of_calls_that_are_there(store: &dyn Store) {
    let scene = told(store);
    let id = scene.running("1", 1);
    let leased = scene.lease(T0, id, 1).pop().unwrap();
    scene.states(at(1), call_id(77), &[(Side::Customer, LegStatus::Ring)]);
    scene.states(at(1), leased.call, &[(Side::Agent, LegStatus::Answer)]);
    let events = scene.due(at(1), PushKind::ExtensionState);
    assert_eq!(events.len(), 1);
    for part in [
        r#""callee":"13800000001","caller":"100001","companycode":"9027","customuuid":"uuid1""#,
        r#""disnumber":"02188888888","extnumber":"100001","isbleg":"false""#,
        r#""status":"answer""#,
    ] {
        assert!(events[0].body.contains(part), "{part}: {}", events[0].body);
    }
}

pub(super) fn events_of_one_call_come_one_after_the_other(store: &dyn Store) {
    let scene = told(store);
    let id = scene.running("1", 2);
    let leased = scene.lease(T0, id, 2);
    let (one, two) = (&leased[0], &leased[1]);
    scene.states(at(1), one.call, &[(Side::Customer, LegStatus::Ring), (Side::Customer, LegStatus::Answer)]);
    scene.states(at(1), two.call, &[(Side::Customer, LegStatus::Ring)]);
    scene.finish(at(2), id, one, Outcome::Connected);
    let first = scene.due(at(2), PushKind::ExtensionState);
    assert_eq!(
        first.iter().map(|e| e.call).collect::<Vec<_>>(),
        [Some(one.call), Some(two.call)],
        "the answer waits for the ring"
    );
    assert!(scene.due(at(2), PushKind::Bill).is_empty(), "the bill waits for the states");
    store.event_failed(first[0].id, Some(at(60)), "503").unwrap();
    assert_eq!(ids(&scene.due(at(59), PushKind::ExtensionState)), [first[1].id]);
    let again = scene.due(at(60), PushKind::ExtensionState);
    assert_eq!((again[1].id, again[1].attempts, again[1].error.as_str()), (first[0].id, 1, "503"));
    store.event_delivered(first[0].id).unwrap();
    let answer = scene.due(at(60), PushKind::ExtensionState);
    assert!(
        answer[0].body.contains(r#""status":"answer""#) || answer[1].body.contains(r#""status":"answer""#)
    );
    for event in answer {
        store.event_delivered(event.id).unwrap();
        store.event_delivered(event.id).unwrap();
    }
    assert_eq!(scene.due(at(60), PushKind::Bill).len(), 1);
    assert!(scene.due(at(60), PushKind::ExtensionState).is_empty());
}

pub(super) fn an_event_that_is_given_up_lets_the_next_pass(store: &dyn Store) {
    let scene = told(store);
    let id = scene.running("1", 1);
    let leased = scene.lease(T0, id, 1).pop().unwrap();
    scene.states(at(1), leased.call, &[(Side::Customer, LegStatus::Ring)]);
    scene.finish(at(2), id, &leased, Outcome::Busy);
    let ring = scene.due(at(2), PushKind::ExtensionState).pop().unwrap();
    store.event_failed(ring.id, None, "404").unwrap();
    assert_eq!(scene.dead(), [ring.id]);
    assert_eq!(store.dead_events(CompanyId(99), 9).unwrap(), []);
    assert!(scene.due(at(9), PushKind::ExtensionState).is_empty());
    assert_eq!(scene.due(at(9), PushKind::Bill).len(), 1);
    store.event_failed(ring.id, Some(at(3)), "late").unwrap();
    assert_eq!(scene.dead(), [ring.id], "the dead stay dead");
}

pub(super) fn a_dead_event_can_be_sent_again(store: &dyn Store) {
    let scene = told(store);
    let id = scene.running("1", 1);
    let leased = scene.lease(T0, id, 1).pop().unwrap();
    scene.states(at(1), leased.call, &[(Side::Customer, LegStatus::Ring)]);
    store.set_campaign_status(at(4), id, CampaignStatus::Ended).unwrap();
    for kind in [PushKind::ExtensionState, PushKind::TaskStatus] {
        let event = scene.due(at(5), kind).pop().unwrap();
        assert_eq!(missing(store.resend_event(at(5), scene.company, event.id)), "event", "it is not dead");
        store.event_failed(event.id, None, "404").unwrap();
        assert_eq!(missing(store.resend_event(at(5), CompanyId(99), event.id)), "event");
        store.resend_event(at(7), scene.company, event.id).unwrap();
        assert!(scene.due(at(6), kind).is_empty());
        let again = scene.due(at(7), kind).pop().unwrap();
        assert_eq!(again.public_id(), event.public_id(), "receivers know it again");
        assert_eq!(again, Event { expires_at: at(7 + 24 * 3600), ..event });
        assert_eq!(scene.dead(), [0; 0]);
    }
}

pub(super) fn expired_events_are_given_up_and_later_forgotten(store: &dyn Store) {
    let scene = told(store);
    let id = scene.running("1", 2);
    let leased = scene.lease(T0, id, 2);
    scene.states(at(0), leased[0].call, &[(Side::Customer, LegStatus::Ring); 3]);
    scene.states(at(9), leased[1].call, &[(Side::Customer, LegStatus::Ring)]);
    let day = 24 * 3600;
    let give_up = |s| store.give_up_events(at(s), scene.company, PushKind::ExtensionState).unwrap();
    assert_eq!(give_up(day - 1), 0);
    assert_eq!(store.give_up_events(at(day), scene.company, PushKind::Bill).unwrap(), 0);
    assert_eq!(give_up(day), 3, "those that waited for the first one too");
    assert_eq!((give_up(day), scene.dead().len()), (0, 3));
    assert_eq!(scene.due(at(day), PushKind::ExtensionState).len(), 1);
    assert_eq!((give_up(31 * day), scene.dead().len()), (1, 1), "a month later");
}

pub(super) fn event_ids_are_not_used_again(store: &dyn Store) {
    let scene = told(store);
    let id = scene.running("1", 1);
    let leased = scene.lease(T0, id, 1).pop().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        scene.states(at(1), leased.call, &[(Side::Customer, LegStatus::Ring)]);
        let event = scene.due(at(1), PushKind::ExtensionState).pop().unwrap();
        assert!(seen.insert(event.public_id()));
        store.event_delivered(event.id).unwrap();
    }
}
