use engine::compliance::{Cap, ComplianceSettings, Profile};

use super::*;

const HOUR: u64 = 3600;

fn entries(texts: &[&str]) -> Vec<DncEntry> {
    texts.iter().map(|text| DncEntry::parse(text).unwrap()).collect()
}

fn phone(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).unwrap()
}

fn company_list(scene: &Scene<'_>) -> DncList {
    DncList { company: scene.company, campaign: None }
}

fn put(scene: &Scene<'_>, settings: ComplianceSettings) {
    scene.store.put_compliance(scene.company, &settings).unwrap();
}

/// Hours of every day. `T0` is 06:13:20 in the company's Shanghai.
fn windows(lines: &[&str]) -> ComplianceSettings {
    let windows = lines.iter().map(|line| (*line).to_owned()).collect();
    ComplianceSettings { windows, ..ComplianceSettings::default() }
}

/// Seconds after `T0` at which a minute of that day begins in Shanghai.
fn clock(hour: u64, minute: u64) -> u64 {
    hour * HOUR + minute * 60 - (6 * HOUR + 13 * 60 + 20)
}

fn marks(scene: &Scene<'_>, campaign: CampaignId) -> Vec<String> {
    scene.leads(campaign).into_iter().map(|l| l.mark).collect()
}

fn refusals(scene: &Scene<'_>, campaign: Option<CampaignId>) -> Vec<(PhoneNumber, Rule, Timestamp)> {
    let refusals =
        scene.store.list_refusals(scene.company, &RefusalFilter { campaign, number: None }, 0, 100).unwrap();
    refusals.into_iter().map(|r| (r.number, r.rule, r.at)).collect()
}

pub(super) fn settings_read_back_as_put(store: &dyn Store) {
    let scene = Scene::new(store);
    assert_eq!(store.compliance(scene.company).unwrap(), ComplianceSettings::default());
    let settings = ComplianceSettings {
        windows: vec!["mon-fri 09:00-12:00 14:00-21:00".to_owned(), "sat 10:00-12:00".to_owned()],
        holidays: vec!["2026-10-01".to_owned()],
        holidays_are: engine::compliance::Holidays::Sunday,
        caps: vec![Cap { calls: 3, hours: 24 }, Cap { calls: 1, hours: 1 }],
        lockout_h: 72,
        ..Profile::Us.settings()
    };
    put(&scene, settings.clone());
    assert_eq!(store.compliance(scene.company).unwrap(), settings);
    let bad = windows(&["9 to 5"]);
    assert!(matches!(store.put_compliance(scene.company, &bad), Err(StoreError::Failed(_))));
    assert_eq!(store.compliance(scene.company).unwrap(), settings, "nothing changed");
    assert_eq!(missing(store.put_compliance(CompanyId(99), &settings)), "company");
}

pub(super) fn a_list_holds_each_entry_once(store: &dyn Store) {
    let scene = Scene::new(store);
    let list = company_list(&scene);
    let id = scene.running("1", 1);
    let given = entries(&["13800000001", "+86 138 0000 0001", "138*", "021*", "13700000000"]);
    assert_eq!(store.add_dnc(T0, list, &given).unwrap(), 4);
    assert_eq!(store.add_dnc(at(1), list, &entries(&["138*", "139*"])).unwrap(), 1);
    let page = |after: &str, limit| -> Vec<String> {
        store.list_dnc(list, after, limit).unwrap().iter().map(|row| row.entry.to_string()).collect()
    };
    // Numbers come before beginnings, in an order of the driver's own.
    let shown = |after: &str, limit| {
        let mut shown = page(after, limit);
        let numbers = shown.iter().take_while(|entry| !entry.ends_with('*')).count();
        shown[..numbers].sort();
        shown
    };
    assert_ne!(page("", 1), page(&store.list_dnc(list, "", 1).unwrap()[0].place, 1), "a page follows");
    assert_eq!(shown("", 100), ["13700000000", "13800000001", "138*", "139*", "021*"]);
    let second = store.list_dnc(list, "", 2).unwrap().pop().unwrap();
    assert_eq!((second.added_at, shown(&second.place, 2)), (T0, vec!["138*".to_owned(), "139*".to_owned()]));
    assert_eq!(store.remove_dnc(list, &entries(&["8613800000001", "0139*", "137*"])).unwrap(), 2);
    assert_eq!(shown("", 100), ["13700000000", "138*", "021*"]);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    assert_eq!(
        missing(store.add_dnc(T0, DncList { company: other, campaign: Some(id) }, &given)),
        "campaign"
    );
    assert_eq!(missing(store.list_dnc(DncList { company: other, campaign: Some(id) }, "", 1)), "campaign");
    assert_eq!(store.list_dnc(DncList { company: other, campaign: None }, "", 9).unwrap(), []);
}

pub(super) fn a_prefix_covers_what_begins_so_even_beside_others(store: &dyn Store) {
    let scene = Scene::new(store);
    let list = company_list(&scene);
    store.add_dnc(T0, list, &entries(&["13*", "1385*", "1380000*", "02154321*"])).unwrap();
    let may = |number: &str| store.may_call(T0, scene.company, &phone(number)).unwrap();
    for number in ["13900000000", "13851111111", "13800001234", "+8613100000000", "02154321000"] {
        assert_eq!(may(number), Permit::Refused(Rule::DncCompany), "{number}");
    }
    store.remove_dnc(list, &entries(&["13*"])).unwrap();
    assert_eq!(may("13851111111"), Permit::Refused(Rule::DncCompany));
    for number in ["13861111111", "13840000000", "13900000000", "02154320999", "+13851111111"] {
        assert_eq!(may(number), Permit::Allowed, "{number}");
    }
    assert_eq!(refusals(&scene, None).len(), 6, "each refusal is noted");
    let of_number = |number: &str, campaign| -> Vec<PhoneNumber> {
        let filter = RefusalFilter { campaign, number: Some(phone(number)) };
        let found = store.list_refusals(scene.company, &filter, 0, 9).unwrap();
        found.into_iter().map(|r| r.number).collect()
    };
    assert_eq!(of_number("13851111111", None), [phone("13851111111"), phone("13851111111")]);
    assert_eq!(of_number("13851111112", None), []);
    assert_eq!(of_number("13851111111", Some(CampaignId(1))), [], "by hand");
}

pub(super) fn listed_numbers_are_not_stored(store: &dyn Store) {
    let scene = Scene::new(store);
    store.add_dnc(T0, company_list(&scene), &entries(&["13800000002"])).unwrap();
    let created = store.create_campaign(T0, &scene.settings("1"), &leads(3)).unwrap();
    assert_eq!((created.on_dnc, created.campaign.counters.total), (vec![1], 2));
    let id = created.campaign.id;
    let own = DncList { company: scene.company, campaign: Some(id) };
    store.add_dnc(T0, own, &entries(&["13800000005", "1380000001*"])).unwrap();
    let appended = store.append_leads(T0, id, &[1, 2, 4, 5, 10].map(lead)).unwrap();
    assert_eq!(appended, Appended { stored: 1, duplicates: vec![0], on_dnc: vec![1, 3, 4] });
    let other = scene.running("2", 10);
    assert_eq!(scene.campaign(other).counters.total, 9, "the list of a campaign is its own");
    assert!(refused(store.create_campaign(T0, &scene.settings("3"), &[lead(2)])));
    assert_eq!(store.campaign(scene.company, "3").unwrap(), None);
}

pub(super) fn a_number_listed_later_ends_as_blocked(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 4);
    let first = scene.call(at(1), id, Outcome::Busy);
    store.add_dnc(at(2), company_list(&scene), &entries(&["+86 138 0000 0002"])).unwrap();
    let own = DncList { company: scene.company, campaign: Some(id) };
    store.add_dnc(at(2), own, &entries(&["13800000001"])).unwrap();
    let leased = scene.lease(at(100), id, 9);
    assert_eq!(leased.iter().map(|l| l.number.clone()).collect::<Vec<_>>(), [3, 4].map(number));
    let blocked = |call, dialed_at| LeadResult {
        notice: None,
        call,
        outcome: Outcome::Blocked,
        cause: Cause::BLOCKED,
        extension: None,
        dialed_at,
        waiting_seconds: 0,
        talk_seconds: 0,
        sip_status: 0,
    };
    let listed = scene.leads(id);
    assert_eq!(listed[0].result, Some(blocked(Some(first.call), Some(at(1)))), "it was called before");
    assert_eq!(listed[1].result, Some(blocked(None, None)));
    assert_eq!(marks(&scene, id), ["dnc_campaign", "dnc_company", "", ""]);
    assert_eq!((listed[0].round, listed[1].round), (1, 0));
    let counters = scene.campaign(id).counters;
    assert_eq!((counters.called, counters.answered), (2, 0));
    let noted = [(number(1), Rule::DncCampaign, at(100)), (number(2), Rule::DncCompany, at(100))];
    assert_eq!(refusals(&scene, Some(id)), noted);
    for lead in &leased {
        scene.finish(at(101), id, lead, Outcome::Connected);
    }
    assert_eq!(scene.supply(at(101), id), Supply::Exhausted);
    assert!(store.end_campaign(at(102), id, EndReason::Over).unwrap().is_some());
    let recall = Recall {
        which: RecallWhich::NotReached,
        status: CampaignStatus::Running,
        not_before: None,
        run_until: None,
    };
    store.recall_leads(at(103), id, &recall).unwrap();
    assert_eq!(marks(&scene, id), ["", "", "", ""]);
    assert_eq!(scene.lease(at(104), id, 9), [], "they are still listed");
}

pub(super) fn nothing_is_leased_while_the_window_is_closed(store: &dyn Store) {
    let scene = Scene::new(store);
    let id = scene.running("1", 3);
    put(&scene, windows(&["09:00-12:00 14:00-21:00"]));
    let nine = at(clock(9, 0));
    assert_eq!(store.lease_leads(T0, id, &slots(900, 2)).unwrap(), (Vec::new(), Supply::Due(nine)));
    assert_eq!(store.end_campaign(T0, id, EndReason::Over).unwrap(), None, "its leads only wait");
    assert_eq!(scene.lease(Timestamp(nine.0 - 1), id, 1), []);
    assert_eq!(scene.lease(nine, id, 1).len(), 1);
    assert_eq!(scene.supply(nine, id), Supply::Available);
    assert_eq!(scene.supply(at(clock(12, 0)), id), Supply::Due(at(clock(14, 0))));
    let tomorrow = at(clock(9, 0) + 24 * HOUR);
    assert_eq!(scene.supply(at(clock(21, 0)), id), Supply::Due(tomorrow));
    put(&scene, windows(&[]));
    assert_eq!(scene.lease(T0, id, 1).len(), 1, "the window is gone");
}

pub(super) fn a_retry_falls_into_the_window(store: &dyn Store) {
    let scene = Scene::new(store);
    put(&scene, windows(&["09:00-12:00 14:00-21:00"]));
    let id = scene.running("1", 1);
    let late = at(clock(11, 59) + 30);
    let leased = scene.lease(late, id, 1);
    let due = scene.finish(late, id, &leased[0], Outcome::Busy).unwrap();
    assert!(due > at(clock(12, 0)));
    assert_eq!(scene.supply(late, id), Supply::Due(at(clock(14, 0))));
    assert_eq!(scene.lease(due, id, 1), []);
    assert_eq!(scene.lease(at(clock(14, 0)), id, 1).len(), 1);
}

pub(super) fn leads_in_other_zones_wait_for_their_own_window(store: &dyn Store) {
    let scene = Scene::new(store);
    put(&scene, windows(&["09:00-21:00"]));
    let mut rows = [1, 2, 3].map(lead);
    rows[0].time_zone = "Europe/London".to_owned();
    rows[1].number = phone("+442071234567");
    let id = store.create_campaign(T0, &scene.settings("1"), &rows).unwrap().campaign.id;
    let (now, london) = (at(clock(10, 0)), at(clock(17, 0)));
    let leased = scene.lease(now, id, 9);
    assert_eq!(leased.iter().map(|l| l.number.clone()).collect::<Vec<_>>(), [number(3)]);
    assert_eq!(marks(&scene, id), ["wait_window", "wait_window", ""]);
    assert_eq!(scene.supply(now, id), Supply::Due(london));
    assert_eq!(scene.lease(london, id, 9).len(), 2);
    assert_eq!(marks(&scene, id), ["", "", ""]);
}

pub(super) fn a_lead_whose_deadline_is_before_its_window_is_refused(store: &dyn Store) {
    let scene = Scene::new(store);
    put(&scene, windows(&["09:00-21:00"]));
    let mut rows = [1, 2].map(lead);
    rows[0].time_zone = "Europe/London".to_owned();
    rows[0].not_after = Some(at(clock(16, 0)));
    let id = store.create_campaign(T0, &scene.settings("1"), &rows).unwrap().campaign.id;
    let now = at(clock(10, 0));
    assert_eq!(scene.lease(now, id, 9).len(), 1);
    assert_eq!(scene.outcomes(id), [Some(Outcome::Blocked), None]);
    assert_eq!(refusals(&scene, Some(id)), [(number(1), Rule::Window, now)]);
}

pub(super) fn a_number_of_no_country_is_refused_when_there_are_hours(store: &dyn Store) {
    let scene = Scene::new(store);
    let rows = [NewLead { number: phone("+80012345678"), ..lead(1) }, lead(2)];
    let id = store.create_campaign(T0, &scene.settings("1"), &rows).unwrap().campaign.id;
    put(&scene, windows(&["00:00-24:00"]));
    assert_eq!(scene.lease(T0, id, 9).len(), 1);
    assert_eq!(marks(&scene, id), ["zone", ""]);
}

pub(super) fn a_campaigns_own_windows_narrow_the_companys(store: &dyn Store) {
    let scene = Scene::new(store);
    put(&scene, windows(&["09:00-21:00"]));
    let settings = NewCampaign { call_windows: vec!["20:00-23:00".to_owned()], ..scene.settings("1") };
    let id = store.create_campaign(T0, &settings, &leads(1)).unwrap().campaign.id;
    assert_eq!(scene.campaign(id).settings.call_windows, settings.call_windows);
    assert_eq!(scene.supply(T0, id), Supply::Due(at(clock(20, 0))));
    assert_eq!(scene.supply(at(clock(21, 0)), id), Supply::Due(at(clock(20, 0) + 24 * HOUR)));
    let unreadable = NewCampaign { call_windows: vec!["late".to_owned()], ..scene.settings("2") };
    assert!(refused(store.create_campaign(T0, &unreadable, &leads(1))));
}

pub(super) fn a_cap_counts_calls_of_every_campaign(store: &dyn Store) {
    let scene = Scene::new(store);
    let caps = vec![Cap { calls: 2, hours: 24 }];
    put(&scene, ComplianceSettings { caps, ..ComplianceSettings::default() });
    let (first, second) = (scene.running("1", 1), scene.running("2", 1));
    scene.call(at(0), first, Outcome::NoAnswer);
    scene.call(at(HOUR), second, Outcome::NoAnswer);
    let free = at(24 * HOUR);
    assert_eq!(scene.lease(at(2 * HOUR), first, 1), []);
    assert_eq!(marks(&scene, first), ["wait_frequency"]);
    assert_eq!(scene.supply(at(2 * HOUR), first), Supply::Due(free));
    assert_eq!(scene.lease(Timestamp(free.0 - 1), first, 1), []);
    assert_eq!(scene.lease(free, first, 1).len(), 1);
    let permit = store.may_call(free, scene.company, &phone("+8613800000001")).unwrap();
    assert_eq!(permit, Permit::Wait { rule: Rule::Frequency, until: at(25 * HOUR) });
}

pub(super) fn a_returned_lease_gives_its_dial_back(store: &dyn Store) {
    let scene = Scene::new(store);
    let caps = vec![Cap { calls: 1, hours: 24 }];
    put(&scene, ComplianceSettings { caps, ..ComplianceSettings::default() });
    let id = scene.running("1", 1);
    let leased = scene.lease(at(0), id, 1);
    store.return_leads(&[leased[0].call]).unwrap();
    let leased = scene.lease(at(1), id, 1);
    assert_eq!(leased.len(), 1, "it was not called");
    scene.finish(at(2), id, &leased[0], Outcome::Busy);
    assert_eq!(scene.lease(at(200), id, 1), []);
    store.return_leads(&[leased[0].call]).unwrap();
    assert_eq!(scene.lease(at(300), id, 1), [], "a finished call is not given back");
}

pub(super) fn a_capped_lead_with_an_early_deadline_is_refused(store: &dyn Store) {
    let scene = Scene::new(store);
    let caps = vec![Cap { calls: 1, hours: 24 }];
    put(&scene, ComplianceSettings { caps, ..ComplianceSettings::default() });
    store.count_dial(T0, scene.company, &number(1)).unwrap();
    let row = NewLead { not_after: Some(at(HOUR)), ..lead(1) };
    let id = store.create_campaign(T0, &scene.settings("1"), &[row]).unwrap().campaign.id;
    assert_eq!(scene.lease(at(5), id, 1), []);
    assert_eq!(refusals(&scene, Some(id)), [(number(1), Rule::Frequency, at(5))]);
    assert_eq!(marks(&scene, id), ["frequency"]);
    assert_eq!(scene.supply(at(5), id), Supply::Exhausted);
}

pub(super) fn an_abandoned_call_locks_its_number_out(store: &dyn Store) {
    let scene = Scene::new(store);
    put(&scene, ComplianceSettings { lockout_h: 72, ..ComplianceSettings::default() });
    let (first, second) = (scene.running("1", 1), scene.running("2", 2));
    scene.call(at(0), first, Outcome::Abandoned);
    let free = at(20 + 72 * HOUR);
    assert_eq!(scene.lease(at(60), second, 9).len(), 1, "only the other number");
    assert_eq!(marks(&scene, second)[0], "wait_lockout");
    assert_eq!(scene.supply(at(60), second), Supply::Due(free));
    let by_hand = store.may_call(at(60), scene.company, &number(1)).unwrap();
    assert_eq!(by_hand, Permit::Allowed, "an agent is there");
    assert_eq!(scene.lease(free, second, 9).len(), 1);
}

pub(super) fn new_settings_wake_what_waits(store: &dyn Store) {
    let scene = Scene::new(store);
    let caps = vec![Cap { calls: 1, hours: 24 }];
    put(&scene, ComplianceSettings { caps, ..ComplianceSettings::default() });
    let id = scene.running("1", 2);
    scene.call(at(0), id, Outcome::Busy);
    store.count_dial(T0, scene.company, &number(2)).unwrap();
    assert_eq!(scene.lease(at(60), id, 9), []);
    assert_eq!(marks(&scene, id), ["wait_frequency", "wait_frequency"]);
    put(&scene, ComplianceSettings::default());
    assert_eq!(marks(&scene, id), ["", ""]);
    assert_eq!(scene.lease(at(61), id, 9).len(), 2);
}

pub(super) fn a_list_keeps_its_meaning_in_another_country(store: &dyn Store) {
    let scene = Scene::new(store);
    store.add_dnc(T0, company_list(&scene), &entries(&["2125550100", "212556*"])).unwrap();
    let us = NewCompany { time_zone: "America/New_York".to_owned(), ..company_settings("9027") };
    store.put_company(&us).unwrap();
    let may = |number: &str| store.may_call(T0, scene.company, &phone(number)).unwrap();
    for number in ["+12125550100", "12125550100", "2125560100"] {
        assert_eq!(may(number), Permit::Refused(Rule::DncCompany), "{number}");
    }
    assert_eq!(may("+862125550100"), Permit::Allowed);
    assert_eq!(store.remove_dnc(company_list(&scene), &entries(&["+12125550100"])).unwrap(), 1);
}
