use super::*;

pub(super) fn a_company_is_put_and_put_again(store: &dyn Store) {
    let first = store.put_company(&company_settings("1")).unwrap();
    let second = store.put_company(&company_settings("2")).unwrap();
    assert_ne!(first.id, second.id);
    let changed = NewCompany {
        name: "Renamed".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        language: "en".to_owned(),
        int_codes: true,
        licensed_until: Some(T0),
        allow_from: vec!["10.0.0.0/8".to_owned(), "::1".to_owned()],
        ..first.settings
    };
    let again = store.put_company(&changed).unwrap();
    assert_eq!(again, Company { id: first.id, settings: changed });
    assert_eq!(store.companies().unwrap(), [again, second]);
}

fn app_key(company: CompanyId, appid: &str) -> AppKey {
    AppKey { appid: appid.to_owned(), company, accesskey_sha256: [7; 32], enabled: true, scopes: Scopes::ALL }
}

pub(super) fn an_app_key_belongs_to_one_company(store: &dyn Store) {
    let one = store.put_company(&company_settings("1")).unwrap().id;
    let two = store.put_company(&company_settings("2")).unwrap().id;
    store.put_app_key(&app_key(one, "b")).unwrap();
    store.put_app_key(&app_key(one, "a")).unwrap();
    let changed = AppKey {
        accesskey_sha256: [9; 32],
        enabled: false,
        scopes: Role::Agent.scopes(),
        ..app_key(one, "b")
    };
    store.put_app_key(&changed).unwrap();
    assert_eq!(taken(store.put_app_key(&app_key(two, "b"))), "appid");
    assert_eq!(store.app_key("b").unwrap(), Some(changed.clone()));
    assert_eq!(store.app_key("c").unwrap(), None);
    assert_eq!(store.app_keys(one).unwrap(), [app_key(one, "a"), changed]);
    assert_eq!(store.app_keys(two).unwrap(), []);
}

pub(super) fn an_extension_number_belongs_to_one_company(store: &dyn Store) {
    let one = store.put_company(&company_settings("1")).unwrap().id;
    let two = store.put_company(&company_settings("2")).unwrap().id;
    let second = store.put_extension(&extension(one, "1002")).unwrap();
    let first = store.put_extension(&extension(one, "1001")).unwrap();
    let third = store.put_extension(&extension(two, "1003")).unwrap();
    assert_eq!(taken(store.put_extension(&extension(two, "1001"))), "extension");
    assert_eq!(store.extension("1001").unwrap(), Some(first.clone()));
    assert_eq!(store.extension("9").unwrap(), None);
    assert_eq!(store.extensions(Some(one)).unwrap(), [first.clone(), second.clone()]);
    assert_eq!(store.extensions(None).unwrap(), [first, second, third]);
}

pub(super) fn an_extension_keeps_its_pause_when_put_again(store: &dyn Store) {
    let scene = Scene::new(store);
    store.set_paused(scene.agent.id, true).unwrap();
    let new =
        NewExtension { password: "other".to_owned(), enabled: false, ..extension(scene.company, "100001") };
    let again = store.put_extension(&new).unwrap();
    assert_eq!(again.id, scene.agent.id);
    assert!(again.paused && !again.enabled);
    assert_eq!(again.password, "other");
    assert_eq!(store.extension("100001").unwrap(), Some(again));
    store.set_paused(scene.agent.id, false).unwrap();
    assert!(!store.extension("100001").unwrap().unwrap().paused);
    assert_eq!(missing(store.set_paused(AgentId(99), true)), "extension");
}

fn trunk(company: CompanyId, name: &str) -> NewTrunk {
    NewTrunk {
        company,
        name: name.to_owned(),
        address: "192.0.2.1:5060".to_owned(),
        transport: "udp".to_owned(),
        username: "u".to_owned(),
        password: "p".to_owned(),
        register: true,
        prefix: "0".to_owned(),
        channels_max: 30,
        cps_max: 5,
        enabled: true,
        details: TrunkDetails::default(),
    }
}

pub(super) fn trunks_and_caller_ids_keep_their_place(store: &dyn Store) {
    let company = store.put_company(&company_settings("1")).unwrap().id;
    let other = store.put_company(&company_settings("2")).unwrap().id;
    let first = store.put_trunk(&trunk(company, "z")).unwrap();
    let second = store.put_trunk(&trunk(company, "a")).unwrap();
    let foreign = store.put_trunk(&trunk(other, "z")).unwrap();
    let address = TrunkAddress {
        host: "sip.example.com".to_owned(),
        port: None,
        transport: "tcp".to_owned(),
        priority: 2,
        weight: 7,
    };
    let details = TrunkDetails { addresses: vec![address], options_every_s: 0, ..TrunkDetails::default() };
    let changed = NewTrunk { channels_max: 60, enabled: false, details, ..trunk(company, "z") };
    assert_eq!(store.put_trunk(&changed).unwrap(), Trunk { id: first.id, settings: changed.clone() });
    assert_eq!(store.trunks(company).unwrap(), [Trunk { id: first.id, settings: changed }, second]);
    assert_eq!(store.trunks(other).unwrap(), [foreign]);

    let caller_id = |number: &str, enabled| CallerId {
        company,
        number: number.to_owned(),
        enabled,
        automatic: true,
        inbound: Some(false),
        inbound_group: "sales".to_owned(),
    };
    store.put_caller_id(&caller_id("2", true)).unwrap();
    store.put_caller_id(&caller_id("1", true)).unwrap();
    store.put_caller_id(&caller_id("2", false)).unwrap();
    assert_eq!(store.caller_ids(company).unwrap(), [caller_id("2", false), caller_id("1", true)]);
    assert_eq!(store.caller_ids(other).unwrap(), []);
}

pub(super) fn nothing_belongs_to_a_company_that_is_not_there(store: &dyn Store) {
    let nobody = CompanyId(99);
    let caller_id = CallerId {
        company: nobody,
        number: "1".to_owned(),
        enabled: true,
        automatic: true,
        inbound: None,
        inbound_group: String::new(),
    };
    assert_eq!(missing(store.put_app_key(&app_key(nobody, "a"))), "company");
    assert_eq!(missing(store.put_extension(&extension(nobody, "1"))), "company");
    assert_eq!(missing(store.put_trunk(&trunk(nobody, "t"))), "company");
    assert_eq!(missing(store.put_caller_id(&caller_id)), "company");
    assert_eq!(missing(store.put_token(&token(nobody, 1, T0))), "company");
    assert_eq!(missing(store.add_group(&new_group(nobody, "g"))), "company");
    let scene = Scene::new(store);
    let campaign = NewCampaign { company: nobody, ..scene.settings("1") };
    assert_eq!(missing(store.create_campaign(T0, &campaign, &leads(1))), "company");
    assert_eq!(missing(store.put_extension(&extension(nobody, "100001"))), "company");
}

fn token(company: CompanyId, n: u8, expires_at: Timestamp) -> Token {
    Token { sha256: [n; 32], appid: format!("app{}", n / 10), company, expires_at }
}

pub(super) fn a_token_lives_until_it_expires(store: &dyn Store) {
    let company = store.put_company(&company_settings("1")).unwrap().id;
    let token = token(company, 1, at(10));
    store.put_token(&token).unwrap();
    assert_eq!(store.token(at(9), &[1; 32]).unwrap(), Some(token.clone()));
    assert_eq!(store.token(at(10), &[1; 32]).unwrap(), None);
    assert_eq!(store.token(at(9), &[2; 32]).unwrap(), None);
    let longer = Token { expires_at: at(20), ..token };
    store.put_token(&longer).unwrap();
    assert_eq!(store.token(at(19), &[1; 32]).unwrap(), Some(longer));
}

pub(super) fn tokens_end_by_hash_and_by_appid(store: &dyn Store) {
    let company = store.put_company(&company_settings("1")).unwrap().id;
    for n in [1, 2, 11, 12] {
        store.put_token(&token(company, n, at(10))).unwrap();
    }
    store.put_token(&token(company, 3, at(5))).unwrap();
    store.delete_token(at(5), &[1; 32]).unwrap();
    store.delete_token(at(5), &[99; 32]).unwrap();
    let there = |n| store.token(T0, &[n; 32]).unwrap().is_some();
    assert_eq!([1, 2, 3, 11, 12].map(there), [false, true, false, true, true], "3 had expired");
    store.delete_tokens_of("app1").unwrap();
    assert_eq!([2, 11, 12].map(there), [true, false, false]);
}

pub(super) fn a_group_has_its_name_alone(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    assert_eq!(taken(store.add_group(&new_group(scene.company, "sales"))), "group");
    store.add_group(&new_group(other, "sales")).unwrap();
    let second = store.add_group(&new_group(scene.company, "support")).unwrap();
    let renamed = Group { name: "sales".to_owned(), ..second.clone() };
    assert_eq!(taken(store.edit_group(&renamed)), "group");
    let edited = Group {
        name: "help".to_owned(),
        enabled: false,
        strategy: Strategy::Random,
        remark: "r".to_owned(),
        automatic: false,
        queueing: Queueing {
            ring_s: 1,
            wait_s: 2,
            absent_wait_s: 3,
            announce: "a".to_owned(),
            announce_every_s: 4,
            rejoin_s: 5,
            discard_s: u32::MAX,
        },
        // Not read.
        company: other,
        members: vec![Member { agent: scene.agent.id, signed_in: SignIn::In }],
        ..second.clone()
    };
    store.edit_group(&edited).unwrap();
    let expected = Group { company: scene.company, members: Vec::new(), ..edited };
    assert_eq!(store.groups(scene.company).unwrap()[1], expected);
    assert_eq!(missing(store.edit_group(&Group { id: GroupId(99), ..expected })), "group");
}

pub(super) fn a_group_in_use_is_not_deleted(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    let campaign = scene.running("1", 1);
    assert!(refused(store.delete_group(scene.company, scene.group.id)));
    assert_eq!(store.groups(scene.company).unwrap()[0].members.len(), 1, "nothing changed");
    store.set_campaign_status(T0, campaign, CampaignStatus::Ended).unwrap();
    assert_eq!(missing(store.delete_group(other, scene.group.id)), "group");
    store.delete_group(scene.company, scene.group.id).unwrap();
    assert_eq!(missing(store.delete_group(scene.company, scene.group.id)), "group");
    assert_eq!(store.groups(scene.company).unwrap(), []);
    let again = store.add_group(&new_group(scene.company, "sales")).unwrap();
    assert_ne!(again.id, scene.group.id, "the ended campaign still names the old id");
    assert_eq!(again.members, []);
}

pub(super) fn members_come_in_order_and_keep_their_sign_in(store: &dyn Store) {
    let scene = Scene::new(store);
    let group = store.add_group(&new_group(scene.company, "support")).unwrap().id;
    let [a, b, c] = ["3", "1", "2"].map(|n| store.put_extension(&extension(scene.company, n)).unwrap().id);
    let members = || store.groups(scene.company).unwrap()[1].members.clone();
    store.put_member(group, b, SignIn::Keep).unwrap();
    store.put_member(group, a, SignIn::In).unwrap();
    store.put_member(group, c, SignIn::Out).unwrap();
    let member = |agent, signed_in| Member { agent, signed_in };
    assert_eq!(members(), [member(b, SignIn::Out), member(a, SignIn::In), member(c, SignIn::Out)]);
    store.put_member(group, a, SignIn::Keep).unwrap();
    store.put_member(group, b, SignIn::In).unwrap();
    store.put_member(group, c, SignIn::Keep).unwrap();
    assert_eq!(members(), [member(b, SignIn::In), member(a, SignIn::In), member(c, SignIn::Out)]);
    store.put_member(group, a, SignIn::Out).unwrap();
    store.delete_member(group, b).unwrap();
    store.put_member(group, b, SignIn::In).unwrap();
    assert_eq!(members(), [member(a, SignIn::Out), member(c, SignIn::Out), member(b, SignIn::In)]);
}

pub(super) fn a_member_is_of_the_groups_company(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    let stranger = store.put_extension(&extension(other, "5")).unwrap().id;
    let group = scene.group.id;
    assert_eq!(missing(store.put_member(group, stranger, SignIn::In)), "extension");
    assert_eq!(missing(store.put_member(group, AgentId(99), SignIn::In)), "extension");
    assert_eq!(missing(store.put_member(GroupId(99), scene.agent.id, SignIn::In)), "group");
    assert_eq!(missing(store.delete_member(group, stranger)), "member");
    assert_eq!(missing(store.delete_member(GroupId(99), stranger)), "group");
}

fn registration(agent: AgentId, contact: &str, expires_at: Timestamp) -> Registration {
    Registration {
        agent,
        contact: contact.to_owned(),
        transport: "udp".to_owned(),
        source: "192.0.2.7:5060".to_owned(),
        expires_at,
    }
}

pub(super) fn registrations_are_kept_until_they_expire(store: &dyn Store) {
    let scene = Scene::new(store);
    let agent = scene.agent.id;
    let first = registration(agent, "sip:b@192.0.2.7", at(60));
    let second = registration(agent, "sip:a@192.0.2.7", at(30));
    store.put_registration(&first).unwrap();
    store.put_registration(&second).unwrap();
    assert_eq!(store.registrations(T0).unwrap(), [second.clone(), first.clone()]);
    assert_eq!(store.registrations(at(30)).unwrap(), std::slice::from_ref(&first));
    let renewed = Registration { expires_at: at(90), transport: "tcp".to_owned(), ..second };
    store.put_registration(&renewed).unwrap();
    assert_eq!(store.registrations(at(30)).unwrap(), [renewed, first.clone()]);
    store.delete_registration(agent, "sip:a@192.0.2.7").unwrap();
    store.delete_registration(agent, "sip:none@192.0.2.7").unwrap();
    assert_eq!(store.registrations(T0).unwrap(), [first]);
    let stranger = registration(AgentId(99), "sip:c@192.0.2.7", at(60));
    assert_eq!(missing(store.put_registration(&stranger)), "extension");
}

pub(super) fn registrations_of_one_extension_are_bounded(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = store.put_extension(&extension(scene.company, "100002")).unwrap().id;
    store.put_registration(&registration(other, "sip:x@192.0.2.8", at(1))).unwrap();
    for n in 0..40_u64 {
        let contact = format!("sip:{n:02}@192.0.2.7");
        store.put_registration(&registration(scene.agent.id, &contact, at(100 + n))).unwrap();
    }
    let kept = store.registrations(T0).unwrap();
    assert_eq!(kept.len(), rule::REGISTRATIONS_MAX + 1);
    assert_eq!(kept[0].contact, "sip:24@192.0.2.7", "those that live longest stay");
    assert_eq!(kept[rule::REGISTRATIONS_MAX].agent, other);
}

pub(super) fn a_deleted_extension_leaves_its_number_in_its_calls_and_its_id_to_nobody(store: &dyn Store) {
    let scene = Scene::new(store);
    let campaign = scene.running("1", 1);
    let leased = scene.lease(T0, campaign, 1).pop().unwrap();
    let record =
        CallRecord { agent: Some(scene.agent.id), ..record(campaign, &leased, T0, Outcome::Connected) };
    store.finish_call(at(30), &record, &RETRY).unwrap();
    let off = NewExtension { enabled: false, ..extension(scene.company, "100001") };
    store.put_extension(&off).unwrap();
    assert_eq!(missing(store.delete_extension(CompanyId(99), "100001")), "extension");
    store.delete_extension(scene.company, "100001").unwrap();
    assert_eq!(missing(store.delete_extension(scene.company, "100001")), "extension");
    assert_eq!(store.extension("100001").unwrap(), None);
    assert!(store.groups(scene.company).unwrap()[0].members.is_empty());
    let again = store.put_extension(&extension(scene.company, "100001")).unwrap();
    assert_ne!(again.id, scene.agent.id);
    let other = store.put_extension(&extension(scene.company, "100002")).unwrap();
    assert!(![again.id, scene.agent.id].contains(&other.id));
    let call = store.call(scene.company, leased.call).unwrap().unwrap();
    assert_eq!(call.extension, "100001");
}

pub(super) fn an_extension_in_use_is_not_deleted(store: &dyn Store) {
    let scene = Scene::new(store);
    let delete = || store.delete_extension(scene.company, "100001");
    assert!(refused(delete()), "it is enabled");
    store.put_extension(&NewExtension { enabled: false, ..extension(scene.company, "100001") }).unwrap();
    let named = Assignment::Extensions(vec![(scene.agent.id, "100001".to_owned())]);
    let settings = NewCampaign { assignment: named, ..scene.settings("1") };
    let campaign = store.create_campaign(T0, &settings, &leads(1)).unwrap().campaign.id;
    assert!(refused(delete()), "a campaign names it");
    store.set_campaign_status(T0, campaign, CampaignStatus::Ended).unwrap();
    let user = NewUser {
        company: scene.company,
        name: "ann".to_owned(),
        role: Role::Agent,
        extension: "100001".to_owned(),
        password_hash: String::new(),
        enabled: true,
    };
    let mut user = store.add_user(T0, &user).unwrap();
    assert!(refused(delete()), "a user is its agent");
    user.settings.extension = String::new();
    store.edit_user(&user).unwrap();
    delete().unwrap();
}

pub(super) fn trunks_and_caller_ids_in_use_are_not_deleted(store: &dyn Store) {
    let scene = Scene::new(store);
    let trunk = |enabled| NewTrunk { enabled, ..trunk(scene.company, "t") };
    let first = store.put_trunk(&trunk(true)).unwrap().id;
    let delete = || store.delete_trunk(scene.company, "t");
    assert!(refused(delete()), "it is enabled");
    store.put_trunk(&trunk(false)).unwrap();
    let caller_id = CallerId {
        company: scene.company,
        number: "4001".to_owned(),
        enabled: true,
        automatic: true,
        inbound: None,
        inbound_group: String::new(),
    };
    store.put_caller_id(&caller_id).unwrap();
    let settings = NewCampaign { caller_ids: vec!["4001".to_owned()], ..scene.settings("1") };
    let campaign = store.create_campaign(T0, &settings, &leads(1)).unwrap().campaign.id;
    let slot = LeaseSlot { trunk: first, ..slot(1) };
    let leased = store.lease_leads(T0, campaign, &[slot]).unwrap().0.pop().unwrap();
    assert!(refused(delete()), "a call goes through it");
    assert!(refused(store.delete_caller_id(scene.company, "4001")), "a campaign names it");
    assert_eq!(store.caller_ids(scene.company).unwrap().len(), 1);
    store.finish_call(at(9), &record(campaign, &leased, T0, Outcome::Busy), &RETRY).unwrap();
    store.set_campaign_status(at(9), campaign, CampaignStatus::Ended).unwrap();
    delete().unwrap();
    assert_eq!(missing(delete()), "trunk");
    assert_ne!(store.put_trunk(&trunk(true)).unwrap().id, first);
    store.delete_caller_id(scene.company, "4001").unwrap();
    assert_eq!(missing(store.delete_caller_id(scene.company, "4001")), "caller id");
}

pub(super) fn extensions_and_members_are_put_together_or_not_at_all(store: &dyn Store) {
    let scene = Scene::new(store);
    let other = store.put_company(&company_settings("2")).unwrap().id;
    store.put_extension(&extension(other, "2000")).unwrap();
    let new = |numbers: &[&str]| -> Vec<NewExtension> {
        numbers.iter().map(|n| extension(scene.company, n)).collect()
    };
    assert_eq!(taken(store.put_extensions(&new(&["3001", "3002", "2000"]))), "extension");
    assert_eq!(store.extension("3001").unwrap(), None);
    store.put_extensions(&new(&["3001", "3002", "3001"])).unwrap();
    let agents = ["3001", "3002"].map(|n| store.extension(n).unwrap().unwrap().id);
    let members = || store.groups(scene.company).unwrap()[0].members.len();
    assert_eq!(members(), 1);
    let stranger = store.extension("2000").unwrap().unwrap().id;
    assert_eq!(missing(store.put_members(scene.group.id, &[agents[0], stranger], SignIn::In)), "extension");
    assert_eq!(members(), 1);
    store.put_members(scene.group.id, &agents, SignIn::In).unwrap();
    assert_eq!(members(), 3);
}

pub(super) fn which_calls_of_customers_are_taken_reads_back_as_put(store: &dyn Store) {
    let company = store.put_company(&company_settings("1")).unwrap().id;
    assert_eq!(store.inbound(company).unwrap(), InboundSettings::default());
    for (enabled, ring_ms) in [(true, 1), (false, 20_000)] {
        let settings = InboundSettings { enabled, group: "sales".to_owned(), ring_ms, wait_ms: 1 };
        store.put_inbound(company, &settings).unwrap();
        assert_eq!(store.inbound(company).unwrap(), settings);
    }
    assert_eq!(missing(store.put_inbound(CompanyId(99), &InboundSettings::default())), "company");
}
