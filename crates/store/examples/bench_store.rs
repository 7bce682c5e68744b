//! How fast the SQLite store is on this machine: `cargo run --release --example bench_store -p store [folder]`.
//! A second argument `rules` leaves all but the rules out, without and with telephone numbers sealed; `sealed` measures all
//! with them sealed. Makes databases in the folder (the temporary one when not given) and removes them in the end.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engine::compliance::{Cap, ComplianceSettings, DncEntry};
use engine::*;
use store::*;

const BIG: u64 = 1_000_000;
const BATCH: u64 = 10_000;
const T0: Timestamp = Timestamp(1_700_000_000_000_000);
const RETRY: RetryRule =
    RetryRule { busy: Some(Duration::from_secs(60)), no_answer: None, failed: None, lost: None };

fn main() {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = folder.join(format!("bench-store-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder can be made there");
    println!("| what | p50 | p99 |\n| --- | --- | --- |");
    match std::env::args().nth(2).as_deref() {
        Some("rules") => {
            compliance(&open(&folder, KeepNumbers::Clear), "");
            compliance(&open(&folder, KeepNumbers::Sealed), ", numbers sealed");
        }
        Some("sealed") => run(&open(&folder, KeepNumbers::Sealed), ", numbers sealed"),
        _ => run(&open(&folder, KeepNumbers::Clear), ""),
    }
    std::fs::remove_dir_all(&folder).expect("the folder was made by this program");
}

/// A new database.
fn open(folder: &Path, keep: KeepNumbers) -> SqliteStore {
    let key = folder.join("seal.key");
    std::fs::write(&key, "0f".repeat(32)).expect("the folder was made by this program");
    let key = SealKey::read(&key).expect("64 digits");
    SqliteStore::open_sealed(&folder.join(format!("{keep:?}.db")), Some(key), keep).expect("a new database")
}

fn run(store: &SqliteStore, how: &str) {
    let company = company(store, "1");
    create(store, company);
    let big = fill(store, company);
    pages(store, big);
    dial(store, big, 1, 400);
    dial(store, big, 8, 4_000);
    bills(store, company);
    campaigns(store, company);
    compliance(store, how);
    let begun = Instant::now();
    store.verify().expect("the counters are what counting gives");
    println!("| every counter counted again | {:?} | |", begun.elapsed());
}

/// What was dialed is fetched by eight clients at once: each bill by one of them.
fn bills(store: &SqliteStore, company: CompanyId) {
    let filter = BillFilter::any();
    let begun = Instant::now();
    let fetched: Vec<i64> = std::thread::scope(|scope| {
        let fetch = || {
            let mut all = Vec::new();
            loop {
                let (_, bills) = store.fetch_bills(company, &filter, 100).expect("fetched");
                if bills.is_empty() {
                    return all;
                }
                all.extend(bills.into_iter().map(|bill| bill.id));
            }
        };
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(fetch)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("it fetched")).collect()
    });
    let took = begun.elapsed();
    let each_once: std::collections::BTreeSet<i64> = fetched.iter().copied().collect();
    assert_eq!((fetched.len(), each_once.len()), (4_400, 4_400), "each bill once, and all of them");
    println!("| 4 400 bills fetched by 8 clients at once, 100 at a time, each once | {took:?} | |");
}

fn company(store: &SqliteStore, code: &str) -> CompanyId {
    let settings = NewCompany {
        code: code.to_owned(),
        name: "bench".to_owned(),
        time_zone: "Asia/Shanghai".to_owned(),
        language: "en".to_owned(),
        int_codes: false,
        licensed_until: None,
        allow_from: Vec::new(),
    };
    store.put_company(&settings).expect("stored").id
}

/// What the rules add to a lease: 100 000 listed numbers and 100 prefixes, hours, two caps, a lock-out. In a folder in
/// memory (`/dev/shm`) the disk's own time does not hide it.
fn compliance(store: &SqliteStore, how: &str) {
    const LISTED: u64 = 100_000;
    let (free, ruled) = (company(store, "free"), company(store, "ruled"));
    let caps = vec![Cap { calls: 3, hours: 24 }, Cap { calls: 10, hours: 720 }];
    let windows = vec!["mon-sat 00:00-12:00 12:00-24:00".to_owned(), "sun 00:00-24:00".to_owned()];
    let rules = ComplianceSettings { windows, caps, lockout_h: 72, ..ComplianceSettings::default() };
    store.put_compliance(ruled, &rules).expect("stored");
    let list = DncList { company: ruled, campaign: None };
    let numbers: Vec<DncEntry> =
        leads(BIG, LISTED).into_iter().map(|lead| DncEntry::Number(lead.number)).collect();
    let begun = Instant::now();
    for batch in numbers.chunks(5_000) {
        store.add_dnc(T0, list, batch).expect("stored");
    }
    println!("| put 100 000 numbers on a do-not-call list{how} | {:?} | |", begun.elapsed());
    let prefixes: Vec<DncEntry> = (0..100).map(|n| DncEntry::Prefix(format!("+99{n:02}"))).collect();
    store.add_dnc(T0, list, &prefixes).expect("stored");
    static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
    for (what, company) in [("without rules", free), ("with 100 000 listed, hours, caps, lock-out", ruled)] {
        let new = settings(company, format!("{what}{}", company.0), "1");
        let rows = leads(0, 3 * BATCH);
        let campaign = store.create_campaign(T0, &new, &rows).expect("stored").campaign.id;
        for count in [20, 100] {
            measured(&format!("lease of {count} leads, {what}{how}"), 200, |_| {
                let slot = |_| {
                    let call = CallId::from_parts(NEXT.fetch_add(1, Ordering::Relaxed), 0);
                    LeaseSlot { call, trunk: TrunkId(1), caller_id: "021".to_owned() }
                };
                let slots: Vec<LeaseSlot> = (0..count).map(slot).collect();
                let (leased, _) = store.lease_leads(T0, campaign, &slots).expect("leased");
                assert_eq!(leased.len(), count);
            });
        }
    }
}

fn settings(company: CompanyId, taskid: String, agent: &str) -> NewCampaign {
    NewCampaign {
        company,
        name: format!("Campaign {taskid}"),
        taskid,
        client_id: String::new(),
        assignment: Assignment::Extensions(vec![(AgentId(1), agent.to_owned())]),
        scale: "1:2".to_owned(),
        manual: false,
        calls_max: 100,
        not_before: None,
        run_until: None,
        caller_ids: Vec::new(),
        attempts_max: 3,
        abandon_max: 300,
        amd: None,
        status: CampaignStatus::Running,
        call_windows: Vec::new(),
    }
}

/// Different numbers in no order, as lists have them.
fn leads(from: u64, count: u64) -> Vec<NewLead> {
    let lead = |n: u64| NewLead {
        number: PhoneNumber::parse(&format!("1{:010}", n * 7_368_787 % 10_000_000_000))
            .expect("eleven digits"),
        not_after: None,
        user_id: format!("{n}"),
        member_id: String::new(),
        ext: String::new(),
        custom_uuid: format!("{n:032}"),
        time_zone: String::new(),
    };
    (from..from + count).map(lead).collect()
}

fn measured(what: &str, times: usize, mut verb: impl FnMut(usize)) {
    let mut took: Vec<Duration> = (0..times)
        .map(|n| {
            let begun = Instant::now();
            verb(n);
            begun.elapsed()
        })
        .collect();
    took.sort();
    println!("| {what} | {:?} | {:?} |", took[times / 2], took[times * 99 / 100]);
}

fn create(store: &SqliteStore, company: CompanyId) {
    let rows = leads(0, BATCH);
    measured("create a campaign of 10 000 leads", 15, |n| {
        store.create_campaign(T0, &settings(company, format!("c{n}"), "1"), &rows).expect("stored");
    });
}

fn fill(store: &SqliteStore, company: CompanyId) -> CampaignId {
    let new = settings(company, "big".to_owned(), "1");
    let big = store.create_campaign(T0, &new, &leads(0, BATCH)).expect("stored").campaign.id;
    measured("append 10 000 leads, up to 1 000 000", (BIG / BATCH - 1) as usize, |n| {
        store.append_leads(T0, big, &leads((n as u64 + 1) * BATCH, BATCH)).expect("stored");
    });
    big
}

fn pages(store: &SqliteStore, big: CampaignId) {
    for (what, offset) in [("page 1 of 20 leads", 0), ("page 50 000 of 20 leads", BIG - 20)] {
        measured(what, 500, |_| {
            let (total, page) = store.list_leads(big, Page { offset, limit: 20 }).expect("read");
            assert_eq!((total, page.len()), (BIG, 20));
        });
    }
    measured("page of 1 000 leads", 100, |n| {
        let page = Page { offset: n as u64 * 9_000, limit: 1_000 };
        assert_eq!(store.list_leads(big, page).expect("read").1.len(), 1_000);
    });
}

/// Leases one lead and finishes its call, again and again; half of the calls bring a retry.
fn dial(store: &SqliteStore, big: CampaignId, threads: u64, calls: u64) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for n in 0..calls / threads {
                    let call = CallId::from_parts(NEXT.fetch_add(1, Ordering::Relaxed), 0);
                    let slot = LeaseSlot { call, trunk: TrunkId(1), caller_id: "021".to_owned() };
                    let (leased, _) = store.lease_leads(T0, big, &[slot]).expect("leased");
                    let outcome = if n % 2 == 0 { Outcome::Busy } else { Outcome::Connected };
                    store.finish_call(T0, &record(big, &leased[0], outcome), &RETRY).expect("finished");
                }
            });
        }
    });
    let rate = calls as f64 / begun.elapsed().as_secs_f64();
    println!("| calls leased and finished a second, {threads} threads | {rate:.0} | |");
}

fn record(campaign: CampaignId, leased: &LeasedLead, outcome: Outcome) -> CallRecord {
    CallRecord {
        call: leased.call,
        campaign,
        lead: leased.lead,
        attempt: leased.attempt,
        trunk: TrunkId(1),
        caller_id: "021".to_owned(),
        dialed_at: T0,
        ringing_at: Some(T0),
        answered_at: outcome.is_answered().then_some(T0),
        bridged_at: None,
        ended_at: T0,
        agent: None,
        outcome,
        cause: Cause::NORMAL,
        notice: None,
        hangup_by: HangupBy::Customer,
        sip_status: 200,
        keys: String::new(),
    }
}

fn campaigns(store: &SqliteStore, company: CompanyId) {
    measured("create a campaign of 1 lead, up to 10 000 campaigns", 10_000, |n| {
        let new = settings(company, format!("small{n}"), &format!("{}", n % 500));
        store.create_campaign(Timestamp(T0.0 + n as i64), &new, &leads(n as u64, 1)).expect("stored");
    });
    let text = str::to_owned;
    let any = CampaignFilter::default();
    for (what, filter) in [
        ("all", any.clone()),
        ("by taskid", CampaignFilter { taskids: vec![text("small77")], ..any.clone() }),
        ("by part of the name", CampaignFilter { name_part: text("small77"), ..any.clone() }),
        ("by extension", CampaignFilter { assigned_to: text("77"), ..any.clone() }),
        ("by status", CampaignFilter { statuses: vec![CampaignStatus::Ended], ..any }),
    ] {
        measured(&format!("list 10 of 10 000 campaigns, {what}"), 100, |_| {
            store.list_campaigns(company, &filter, Page { offset: 0, limit: 10 }).expect("read");
        });
    }
    measured("page 500 of 20 of 10 000 campaigns", 100, |_| {
        let page = Page { offset: 9_980, limit: 20 };
        let any = CampaignFilter::default();
        assert_eq!(store.list_campaigns(company, &any, page).expect("read").1.len(), 20);
    });
}
