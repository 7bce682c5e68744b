//! What networks said of who calls.

use super::*;

fn said(identity: &str) -> CallerIdentity {
    CallerIdentity { identities: vec![identity.to_owned()], asserted: Some("13900000001".to_owned()) }
}

pub(super) fn it_is_found_by_its_company_alone_and_the_last_word_counts(store: &dyn Store) {
    let scene = Scene::new(store);
    let (company, call) = (scene.company, CallId::from_parts(86_400_000, 1));
    assert_eq!(store.identity(company, call).unwrap(), None);
    for identity in ["a.b.c", "d.e.f"] {
        store.put_identity(&Identified { company, call, identity: said(identity) }).unwrap();
    }
    assert_eq!(store.identity(company, call).unwrap(), Some(said("d.e.f")));
    assert_eq!(store.identity(CompanyId(99), call).unwrap(), None);
}

pub(super) fn it_is_forgotten_when_it_is_old(store: &dyn Store) {
    let scene = Scene::new(store);
    let company = scene.company;
    let [old, new] = [1, 400].map(|day: u64| CallId::from_parts(day * 86_400_000, 1));
    for call in [old, new] {
        store.put_identity(&Identified { company, call, identity: said("a.b.c") }).unwrap();
    }
    assert_eq!(store.forget_personal(company, Timestamp(30 * 86_400_000_000), 10).unwrap(), 1);
    assert_eq!(store.identity(company, old).unwrap(), None);
    assert_eq!(store.identity(company, new).unwrap(), Some(said("a.b.c")));
}
