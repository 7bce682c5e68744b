use super::*;

fn new_user(company: CompanyId, name: &str) -> NewUser {
    NewUser {
        company,
        name: name.to_owned(),
        role: Role::Supervisor,
        extension: String::new(),
        password_hash: "$argon2id$1".to_owned(),
        enabled: true,
    }
}

fn companies(store: &dyn Store) -> (CompanyId, CompanyId) {
    (
        store.put_company(&company_settings("1")).unwrap().id,
        store.put_company(&company_settings("2")).unwrap().id,
    )
}

pub(super) fn a_user_has_the_name_alone_in_the_company(store: &dyn Store) {
    let (one, two) = companies(store);
    let ann = store.add_user(at(1), &new_user(one, "ann")).unwrap();
    assert_eq!((&ann.settings, ann.created_at), (&new_user(one, "ann"), at(1)));
    assert_eq!(taken(store.add_user(at(1), &new_user(one, "ann"))), "user");
    let other = store.add_user(at(2), &new_user(two, "ann")).unwrap();
    assert_eq!(missing(store.add_user(T0, &new_user(CompanyId(99), "x"))), "company");
    let edited = NewUser {
        // Not changed.
        company: two,
        name: "bob".to_owned(),
        role: Role::Agent,
        extension: "1001".to_owned(),
        password_hash: "$argon2id$2".to_owned(),
        enabled: false,
    };
    store.edit_user(&User { settings: edited.clone(), ..ann.clone() }).unwrap();
    let expected =
        User { settings: NewUser { company: one, name: "ann".to_owned(), ..edited }, ..ann.clone() };
    assert_eq!(store.user(one, "ann").unwrap(), Some(expected.clone()));
    assert_eq!(store.users(one).unwrap(), [expected]);
    assert_eq!(store.users(two).unwrap(), [other]);
    assert_eq!(store.user(one, "bob").unwrap(), None);
    assert_eq!(missing(store.edit_user(&User { id: 99, ..ann })), "user");
}

pub(super) fn sessions_end_with_time_with_logout_and_with_the_user(store: &dyn Store) {
    let (one, _) = companies(store);
    let ann = store.add_user(T0, &new_user(one, "ann")).unwrap();
    let bob = store.add_user(T0, &new_user(one, "bob")).unwrap();
    let session = |n: u8, user: &User| Session {
        sha256: [n; 32],
        user: user.id,
        created_at: at(1),
        expires_at: at(10 + u64::from(n)),
    };
    for (n, user) in [(1, &ann), (2, &ann), (3, &ann), (4, &bob)] {
        store.put_session(&session(n, user)).unwrap();
    }
    assert_eq!(store.session(at(5), &[1; 32]).unwrap(), Some((session(1, &ann), ann.clone())));
    assert_eq!(store.session(at(11), &[1; 32]).unwrap(), None, "its time is over");
    assert_eq!(store.session(at(5), &[9; 32]).unwrap(), None);
    store.delete_session(at(11), &[2; 32]).unwrap();
    let there = |n: u8| store.session(at(5), &[n; 32]).unwrap().is_some();
    assert_eq!([1, 2, 3, 4].map(there), [false, false, true, true], "1 had expired, 2 was ended");
    let elsewhere = NewUser { extension: "1001".to_owned(), ..ann.settings.clone() };
    store.edit_user(&User { settings: elsewhere, ..ann.clone() }).unwrap();
    assert!(there(3), "nothing that matters to a session changed");
    for changed in [
        NewUser { password_hash: "new".to_owned(), ..ann.settings.clone() },
        NewUser { role: Role::Owner, ..ann.settings.clone() },
        NewUser { enabled: false, ..ann.settings.clone() },
    ] {
        store.edit_user(&ann).unwrap();
        store.put_session(&session(3, &ann)).unwrap();
        store.edit_user(&User { settings: changed, ..ann.clone() }).unwrap();
        assert_eq!([3, 4].map(there), [false, true]);
    }
    store.put_session(&session(3, &ann)).unwrap();
    assert!(!there(3), "a disabled user has none");
    assert_eq!(missing(store.put_session(&Session { user: 99, ..session(5, &ann) })), "user");
}

pub(super) fn a_key_is_found_until_it_is_revoked(store: &dyn Store) {
    let (one, two) = companies(store);
    let new = |n: u8, company| NewApiKey {
        company,
        name: format!("key {n}"),
        sha256: [n; 32],
        start: "opk_1234".to_owned(),
        scopes: Role::Agent.scopes(),
        expires_at: (n == 2).then(|| at(9)),
    };
    let first = store.add_api_key(at(1), &new(1, one)).unwrap();
    let second = store.add_api_key(at(2), &new(2, one)).unwrap();
    assert_eq!((&first.settings, first.created_at, first.revoked_at), (&new(1, one), at(1), None));
    assert_eq!(taken(store.add_api_key(at(1), &new(1, two))), "key");
    assert_eq!(missing(store.add_api_key(at(1), &new(3, CompanyId(99)))), "company");
    assert_eq!(store.api_key(&[2; 32]).unwrap(), Some(second.clone()));
    assert_eq!(store.api_key(&[3; 32]).unwrap(), None);
    assert!(second.is_good(at(8)) && !second.is_good(at(9)));
    assert_eq!(missing(store.revoke_api_key(at(3), two, first.id)), "key");
    store.revoke_api_key(at(3), one, first.id).unwrap();
    store.revoke_api_key(at(4), one, first.id).unwrap();
    let revoked = ApiKey { revoked_at: Some(at(3)), ..first };
    assert!(!revoked.is_good(at(3)));
    assert_eq!(store.api_keys(one).unwrap(), [revoked, second]);
    assert_eq!(store.api_keys(two).unwrap(), []);
}

fn entry(company: CompanyId, n: u64) -> NewAudit {
    NewAudit {
        company,
        at: at(n),
        who: format!("user:{}", n % 2),
        address: "192.0.2.1".to_owned(),
        action: format!("action{}", n % 3),
        target: "/v1/campaigns".to_owned(),
        status: 201,
        details: "{\"a\":1}".to_owned(),
    }
}

pub(super) fn the_audit_trail_reads_from_the_newest_by_page(store: &dyn Store) {
    let (one, two) = companies(store);
    for n in 0..6 {
        store.put_audit(&entry(one, n)).unwrap();
    }
    store.put_audit(&entry(two, 9)).unwrap();
    assert_eq!(missing(store.put_audit(&entry(CompanyId(99), 1))), "company");
    let any = AuditFilter::default();
    let page = |filter: &AuditFilter, before| store.audit_before(one, filter, before, 2).unwrap();
    let first = page(&any, None);
    assert_eq!(first.iter().map(|a| a.entry.clone()).collect::<Vec<_>>(), [entry(one, 5), entry(one, 4)]);
    let next = page(&any, Some(first[1].id));
    assert_eq!(next.iter().map(|a| a.entry.clone()).collect::<Vec<_>>(), [entry(one, 3), entry(one, 2)]);
    let of = AuditFilter { who: "user:1".to_owned(), action: "action0".to_owned() };
    assert_eq!(page(&of, None).iter().map(|a| a.entry.clone()).collect::<Vec<_>>(), [entry(one, 3)]);
    assert_eq!(store.audit_before(two, &any, None, 9).unwrap().len(), 1);
}

pub(super) fn old_entries_of_the_audit_trail_are_deleted(store: &dyn Store) {
    let (one, _) = companies(store);
    for n in 0..6 {
        store.put_audit(&entry(one, n)).unwrap();
    }
    assert_eq!(store.delete_audit(at(4)).unwrap(), 4);
    assert_eq!(store.delete_audit(at(4)).unwrap(), 0);
    let left = store.audit_before(one, &AuditFilter::default(), None, 9).unwrap();
    assert_eq!(left.into_iter().map(|a| a.entry).collect::<Vec<_>>(), [entry(one, 5), entry(one, 4)]);
}

fn request(company: CompanyId, key: &str, n: u8) -> Repeatable {
    Repeatable { company, who: "key:1".to_owned(), key: key.to_owned(), request_sha256: [n; 32] }
}

pub(super) fn a_request_is_claimed_once(store: &dyn Store) {
    let (one, two) = companies(store);
    let claim = |now, r: &Repeatable| store.claim_request(now, r).unwrap();
    let first = request(one, "k", 1);
    assert_eq!(claim(at(0), &first), Claim::New);
    assert_eq!(claim(at(1), &first), Claim::UnderWay);
    assert_eq!(claim(at(1), &request(one, "k", 2)), Claim::Other);
    assert_eq!(claim(at(1), &request(two, "k", 1)), Claim::New, "another company's");
    assert_eq!(claim(at(1), &Repeatable { who: "key:2".to_owned(), ..first.clone() }), Claim::New);
    store.settle_request(&first, 201, "{}").unwrap();
    assert_eq!(claim(at(2), &first), Claim::Done(201, "{}".to_owned()));
    assert_eq!(claim(at(2), &request(one, "k", 2)), Claim::Other);
    let failed = request(one, "f", 1);
    assert_eq!(claim(at(2), &failed), Claim::New);
    store.settle_request(&failed, 0, "").unwrap();
    assert_eq!(claim(at(2), &failed), Claim::New, "it may be done again");
    assert_eq!(claim(at(24 * 3600), &first), Claim::New, "forgotten after a day");
}

pub(super) fn a_request_cut_off_may_be_done_again(store: &dyn Store) {
    let (one, _) = companies(store);
    let first = request(one, "k", 1);
    assert_eq!(store.claim_request(at(0), &first).unwrap(), Claim::New);
    assert_eq!(store.claim_request(at(119), &first).unwrap(), Claim::UnderWay);
    assert_eq!(store.claim_request(at(120), &first).unwrap(), Claim::New);
    assert_eq!(store.claim_request(at(121), &first).unwrap(), Claim::UnderWay);
}

pub(super) fn eight_claims_at_once_give_one_new_request(store: &dyn Store) {
    let (one, _) = companies(store);
    let claims: Vec<Claim> = std::thread::scope(|threads| {
        let claim = || store.claim_request(T0, &request(one, "k", 1)).unwrap();
        let running: Vec<_> = (0..8).map(|_| threads.spawn(claim)).collect();
        running.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(claims.iter().filter(|c| **c == Claim::New).count(), 1, "{claims:?}");
    assert_eq!(claims.iter().filter(|c| **c == Claim::UnderWay).count(), 7, "{claims:?}");
}
