//! A company with something in every table that has telephone numbers, and all that can be read of it.

use super::*;

/// Leads, calls in each state, direct calls, refusals, listed numbers, events, requests, entries of the audit trail.
pub(crate) fn fill(store: &dyn Store) -> CompanyId {
    let scene = pushes::told(store);
    let campaign = scene.running("1", 40);
    let list = DncList { company: scene.company, campaign: None };
    let entries =
        ["13800000009", "+8613800000010", "1399*"].map(|text| DncEntry::parse(text).expect("an entry"));
    store.add_dnc(T0, list, &entries).expect("stored");
    let outcomes = [Outcome::Connected, Outcome::Busy, Outcome::Abandoned, Outcome::NoAnswer];
    for (n, outcome) in (0..).zip(outcomes.into_iter().cycle().take(16)) {
        scene.call(at(n), campaign, outcome);
    }
    scene.lease(at(20), campaign, 2);
    for n in [100, 101] {
        store.open_direct(scene.company, &directs::new_direct(&scene, n)).expect("stored");
    }
    store.finish_direct(at(130), &directs::talked(&scene, 100)).expect("stored");
    store.may_call(at(140), scene.company, &number(9)).expect("asked");
    let audit = NewAudit {
        company: scene.company,
        at: at(150),
        who: "user:ann".to_owned(),
        address: "::1".to_owned(),
        action: "POST /v1/dnc".to_owned(),
        target: number(9).as_str().to_owned(),
        status: 200,
        details: format!("{{\"number\":\"{}\"}}", number(9).as_str()),
    };
    store.put_audit(&audit).expect("stored");
    store.claim_request(at(160), &request(scene.company)).expect("claimed");
    store.settle_request(&request(scene.company), 200, number(9).as_str()).expect("settled");
    scene.company
}

fn request(company: CompanyId) -> Repeatable {
    Repeatable { company, who: "key:1".to_owned(), key: "k".to_owned(), request_sha256: [7; 32] }
}

/// In one form for every driver.
pub(crate) fn told(store: &dyn Store, company: CompanyId) -> Vec<String> {
    let campaign = store.campaign(company, "1").expect("read").expect("it is there").id;
    let list = DncList { company, campaign: None };
    let mut listed: Vec<String> =
        store.list_dnc(list, "", 9).expect("read").iter().map(|row| row.entry.to_string()).collect();
    listed.sort();
    let digits = |n: &PhoneNumber| n.as_str().to_owned();
    let mut told = listed;
    told.extend(store.list_leads(campaign, ALL).expect("read").1.iter().map(|l| digits(&l.lead.number)));
    told.extend(store.list_calls(campaign, None, 99).expect("read").iter().map(|c| digits(&c.number)));
    told.extend(
        store.list_bills(company, &bills::all(), ALL).expect("read").1.iter().map(|b| digits(&b.number)),
    );
    told.extend(
        store
            .list_refusals(company, &RefusalFilter::default(), 0, 99)
            .expect("read")
            .iter()
            .map(|r| digits(&r.number)),
    );
    let of_number = CallFilter { number: Some(number(100)), ..CallFilter::default() };
    for filter in [CallFilter::default(), of_number] {
        let calls = store.calls_before(company, &filter, None, 99).expect("read");
        told.extend(calls.iter().map(|cdr| format!("{} {}", cdr.call.id, digits(&cdr.call.number))));
    }
    for kind in [PushKind::Bill, PushKind::ExtensionState] {
        told.extend(store.due_events(at(999), company, kind, 99).expect("read").into_iter().map(|e| e.body));
    }
    let audit = store.audit_before(company, &AuditFilter::default(), None, 9).expect("read");
    told.extend(audit.into_iter().flat_map(|a| [a.entry.target, a.entry.details]));
    for n in 1..=20 {
        let permit = store.lead_of_number(campaign, &number(n)).expect("read").map(|l| l.mark);
        told.push(format!("{n} {permit:?} {:?}", store.last_call(company, &number(n)).expect("read")));
    }
    told.push(format!("{:?}", store.claim_request(at(170), &request(company)).expect("claimed")));
    told
}
