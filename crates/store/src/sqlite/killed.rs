//! A process that writes is killed at any moment: what it was told is stored, is stored.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::conformance::Folder;

const ROUNDS: u64 = 12;
const THREADS: u64 = 3;
/// Says to the test below that it is the process to be killed; the value is `<round> <path>`.
const VARIABLE: &str = "STORE_TEST_WORKS_UNTIL_KILLED";
const RETRY: RetryRule = RetryRule { busy: Some(Duration::ZERO), no_answer: None, failed: None, lost: None };

/// What the process was told, by call and by number.
#[derive(Default)]
struct Told {
    submitted: Vec<PhoneNumber>,
    leased: BTreeMap<CallId, PhoneNumber>,
    returned: Vec<CallId>,
    finished: BTreeMap<CallId, Outcome>,
}

impl Told {
    fn hear(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let call = |text| CallId::parse(text).unwrap();
        let number = |text| PhoneNumber::parse(text).unwrap();
        match words[..] {
            ["submitted", n] => self.submitted.push(number(n)),
            ["leased", c, n] => drop(self.leased.insert(call(c), number(n))),
            ["returned", c] => self.returned.push(call(c)),
            ["finished", c, o] => drop(self.finished.insert(call(c), Outcome::from_name(o).unwrap())),
            // The words of the test harness.
            _ => {}
        }
    }

    fn check(&self, store: &SqliteStore, campaign: CampaignId) {
        let mut numbers = std::collections::BTreeSet::new();
        let mut offset = 0;
        loop {
            let (total, page) = store.list_leads(campaign, Page { offset, limit: PAGE_MAX }).unwrap();
            offset += page.len() as u64;
            numbers.extend(page.into_iter().map(|l| l.lead.number));
            if offset == total {
                break;
            }
        }
        assert!(self.submitted.iter().all(|n| numbers.contains(n)));
        let mut calls = BTreeMap::new();
        let mut after = None;
        loop {
            let page = store.list_calls(campaign, after, PAGE_MAX).unwrap();
            after = page.last().map(|c| c.id);
            if page.is_empty() {
                break;
            }
            calls.extend(page.into_iter().map(|c| (c.id, c)));
        }
        for (call, number) in &self.leased {
            match calls.get(call) {
                Some(call) => assert_eq!(&call.number, number),
                None => assert!(self.returned.contains(call) || self.is_last_of_its_thread(*call)),
            }
        }
        assert!(self.returned.iter().all(|c| !calls.contains_key(c)));
        for (call, outcome) in &self.finished {
            assert_eq!(calls[call].record.as_ref().map(|r| r.outcome), Some(*outcome));
        }
    }

    /// It may have been returned without the answer being heard.
    fn is_last_of_its_thread(&self, call: CallId) -> bool {
        let thread = |c: CallId| c.0 >> 80;
        !self.leased.keys().any(|c| thread(*c) == thread(call) && *c > call)
    }
}

fn campaign(company: CompanyId) -> NewCampaign {
    NewCampaign {
        company,
        taskid: "1".to_owned(),
        name: String::new(),
        client_id: String::new(),
        assignment: Assignment::Extensions(Vec::new()),
        scale: String::new(),
        manual: false,
        calls_max: 1,
        not_before: None,
        run_until: None,
        caller_ids: Vec::new(),
        attempts_max: 2,
        abandon_max: 0,
        amd: None,
        status: CampaignStatus::Running,
        call_windows: Vec::new(),
    }
}

fn lead(number: &str) -> NewLead {
    NewLead {
        number: PhoneNumber::parse(number).unwrap(),
        not_after: None,
        user_id: String::new(),
        member_id: String::new(),
        ext: String::new(),
        custom_uuid: String::new(),
        time_zone: String::new(),
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_was_told_is_stored() {
    let folder = Folder::new();
    let (company, campaign) = begin(&folder.database());
    let mut random = fastrand::Rng::with_seed(7);
    let mut told = Told::default();
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["sqlite::killed::works_until_it_is_killed", "--exact", "--nocapture", "--test-threads=1"])
            .env(VARIABLE, format!("{round} {}", folder.database().display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The last of these lines was written at any moment of the other threads' work.
        for _ in 0..random.u32(3..300) {
            told.hear(&lines.next().expect("it works until it is killed").unwrap());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        lines.map_while(std::result::Result::ok).for_each(|line| told.hear(&line));

        let store = SqliteStore::open(&folder.database()).unwrap();
        store.verify().unwrap();
        told.check(&store, campaign);
        let rescued = store.rescue_calls(Timestamp(2), company, &RETRY).unwrap();
        assert!(rescued.len() <= THREADS as usize, "each thread has one call in flight at most");
        store.verify().unwrap();
        told.check(&store, campaign);
    }
    assert!(told.submitted.len() > 50 && told.finished.len() > 50 && told.returned.len() > 5);
}

fn begin(path: &Path) -> (CompanyId, CampaignId) {
    let store = SqliteStore::open(path).unwrap();
    let settings = NewCompany {
        code: "1".to_owned(),
        name: String::new(),
        time_zone: "UTC".to_owned(),
        language: "en".to_owned(),
        int_codes: false,
        licensed_until: None,
        allow_from: Vec::new(),
    };
    let company = store.put_company(&settings).unwrap().id;
    let created = store.create_campaign(Timestamp(1), &campaign(company), &[lead("100")]).unwrap();
    (company, created.campaign.id)
}

/// The process that the test above kills. Does nothing where nobody asks it to.
#[test]
fn works_until_it_is_killed() {
    let Ok(asked) = std::env::var(VARIABLE) else { return };
    let (round, path) = asked.split_once(' ').unwrap();
    let round: u64 = round.parse().unwrap();
    let store = SqliteStore::open(Path::new(path)).unwrap();
    let campaign = store.open_campaigns(CompanyId(1)).unwrap()[0].id;
    let out = Mutex::new(std::io::stdout());
    let say = |line: String| {
        let mut out = out.lock().unwrap();
        // The pipe ends with the test that reads it: then nobody will kill this process.
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            std::process::exit(1);
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, say) = (&store, &say);
            scope.spawn(move || {
                for n in 0_u64.. {
                    work(store, campaign, round * THREADS + thread, n, say);
                }
            });
        }
    });
}

fn work(store: &SqliteStore, campaign: CampaignId, thread: u64, n: u64, say: &dyn Fn(String)) {
    let number = format!("13{thread:03}{n:06}");
    store.append_leads(Timestamp(1), campaign, &[lead(&number)]).unwrap();
    say(format!("submitted {number}"));
    let call = CallId::from_parts(thread, u128::from(n));
    let slot = LeaseSlot { call, trunk: TrunkId(1), caller_id: String::new() };
    let leased = store.lease_leads(Timestamp(1), campaign, &[slot]).unwrap().0.pop().unwrap();
    say(format!("leased {call} {}", leased.number.as_str()));
    if n % 7 == 3 {
        store.return_leads(&[call]).unwrap();
        return say(format!("returned {call}"));
    }
    let outcome = Outcome::ALL[n as usize % Outcome::ALL.len()];
    let record = CallRecord {
        call,
        campaign,
        lead: leased.lead,
        attempt: leased.attempt,
        trunk: TrunkId(1),
        caller_id: String::new(),
        dialed_at: Timestamp(1),
        ringing_at: None,
        answered_at: None,
        bridged_at: None,
        ended_at: Timestamp(1),
        agent: None,
        outcome,
        cause: Cause::NORMAL,
        notice: None,
        hangup_by: HangupBy::Customer,
        sip_status: 200,
        keys: String::new(),
    };
    store.finish_call(Timestamp(1), &record, &RETRY).unwrap();
    say(format!("finished {call} {}", outcome.name()));
}
