//! Goal: GetBill hands out what finished calls came to, each new one once.

use engine::{CallRecord, Cause, HangupBy, LeaseSlot, Outcome, TrunkId};
use store::{NewLead, RetryRule};

use super::*;

const NEVER: RetryRule = RetryRule { busy: None, no_answer: None, failed: None, lost: None };
const T0: Timestamp = Timestamp::from_unix_seconds(1_581_496_504);
const DAY: [(&str, &str); 2] = [("starttime", "2020-02-12 00:00:00"), ("endtime", "2020-02-12 23:59:59")];
const FIELDS: [&str; 28] = [
    "id",
    "companycode",
    "direction",
    "type",
    "callmethod",
    "starttime",
    "answertime",
    "endtime",
    "duration",
    "billsec",
    "userid",
    "memberid",
    "chengshudu",
    "ext",
    "disnumber",
    "destnumber",
    "extnumber",
    "recordfilename",
    "downloadip",
    "hangupdirection",
    "hangupcause",
    "uuid",
    "userkey",
    "customuuid",
    "taskid",
    "round",
    "recordurl",
    "displaynumber",
];

/// A task of company 1 whose calls were placed second after second and have ended.
fn calls(desk: &Desk, taskid: &str, count: u32, outcome: Outcome) {
    let second = |s: u32| Timestamp(T0.0 + i64::from(s) * 1_000_000);
    let leads: Vec<NewLead> = (0..count)
        .map(|i| NewLead {
            number: engine::PhoneNumber::parse(&format!("1380000{i:04}")).expect("a number"),
            not_after: None,
            user_id: format!("u{i}"),
            member_id: "m".to_owned(),
            ext: "x".to_owned(),
            custom_uuid: format!("c{i}"),
            time_zone: String::new(),
        })
        .collect();
    let settings = store::NewCampaign {
        company: engine::CompanyId(1),
        taskid: taskid.to_owned(),
        name: String::new(),
        client_id: String::new(),
        assignment: store::Assignment::Extensions(Vec::new()),
        scale: "1:1".to_owned(),
        manual: true,
        calls_max: 1,
        not_before: None,
        run_until: None,
        caller_ids: Vec::new(),
        attempts_max: 1,
        abandon_max: 300,
        amd: None,
        status: engine::CampaignStatus::Running,
        call_windows: Vec::new(),
    };
    let campaign = desk.store().create_campaign(T0, &settings, &leads).expect("created").campaign.id;
    for i in 0..count {
        let call = CallId::from_parts(u64::from(i), taskid.len() as u128);
        let slot = LeaseSlot { call, trunk: TrunkId(1), caller_id: "4001".to_owned() };
        let leased = desk.store().lease_leads(second(i), campaign, &[slot]).expect("leased").0.remove(0);
        let talked = outcome == Outcome::Connected;
        let record = CallRecord {
            call,
            campaign,
            lead: leased.lead,
            attempt: 1,
            trunk: TrunkId(1),
            caller_id: "4001".to_owned(),
            dialed_at: second(i),
            ringing_at: None,
            answered_at: talked.then(|| second(i + 5)),
            bridged_at: talked.then(|| second(i + 6)),
            ended_at: second(i + 66),
            agent: talked.then(|| desk.agent("1001")),
            outcome,
            cause: Cause::NORMAL,
            notice: None,
            hangup_by: HangupBy::Agent,
            sip_status: 200,
            keys: String::new(),
        };
        desk.store().finish_call(second(i + 66), &record, &NEVER).expect("saved");
    }
}

async fn ask(desk: &Desk, more: &[(&str, &str)]) -> Value {
    let answer = desk.ask("Cdr.GetBill", &[&DAY[..], more].concat()).await;
    result(&answer).clone()
}

/// Seconds after the first call.
fn seconds(result: &Value) -> Vec<i64> {
    let bills = result["bills"].as_array().expect("a list");
    bills
        .iter()
        .map(|b| {
            let time = b["starttime"].as_str().expect("a string");
            let (_, minutes) = time.split_once(" 16:").expect("in this hour");
            let (minute, second) = minutes.split_once(':').expect("mm:ss");
            minute.parse::<i64>().expect("an int") * 60 + second.parse::<i64>().expect("an int") - 35 * 60 - 4
        })
        .collect()
}

#[tokio::test]
async fn a_bill_has_the_fields_of_the_contract_in_order() {
    let desk = Desk::open().await;
    calls(&desk, "20200212163504000001", 1, Outcome::Connected);
    let result = ask(&desk, &[]).await;
    assert_eq!(keys(&result), ["totalitems", "currentpage", "itemsperpage", "bills"]);
    let bill = &result["bills"][0];
    assert_eq!(keys(bill), FIELDS);
    assert_eq!(
        bill,
        &json!({
            "id": 1, "companycode": "1", "direction": "callout", "type": "callout", "callmethod": 5,
            "starttime": "2020-02-12 16:35:04", "answertime": "2020-02-12 16:35:09",
            "endtime": "2020-02-12 16:36:10", "duration": 5, "billsec": 60, "userid": "u0", "memberid": "m",
            "chengshudu": "x", "ext": "x", "disnumber": "4001", "destnumber": "13800000000", "extnumber": "1001",
            "recordfilename": "", "downloadip": "", "hangupdirection": 10040, "hangupcause": 10001,
            "uuid": bill["uuid"], "userkey": "", "customuuid": "c0", "taskid": "20200212163504000001", "round": 1,
            "recordurl": "", "displaynumber": "4001",
        })
    );
}

#[tokio::test]
async fn new_bills_are_handed_out_once() {
    let desk = Desk::open().await;
    calls(&desk, "1", 5, Outcome::Busy);
    assert_eq!(seconds(&ask(&desk, &[("syncflag", "2")]).await), [0; 0]);
    assert_eq!(seconds(&ask(&desk, &[("itemsperpage", "2")]).await), [0, 1]);
    assert_eq!(seconds(&ask(&desk, &[("syncflag", "2")]).await), [0, 1]);
    assert_eq!(seconds(&ask(&desk, &[("syncflag", "3")]).await), [0, 1, 2, 3, 4]);
    assert_eq!(seconds(&ask(&desk, &[("syncflag", "1")]).await), [2, 3, 4]);
    let empty = ask(&desk, &[]).await;
    assert_eq!((&empty["totalitems"], &empty["bills"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn a_client_that_goes_from_page_to_page_gets_all_new_bills() {
    let desk = Desk::open().await;
    calls(&desk, "1", 7, Outcome::Busy);
    let mut got = Vec::new();
    for page in 1.. {
        let result = ask(&desk, &[("currentpage", &page.to_string()), ("itemsperpage", "3")]).await;
        got.extend(seconds(&result));
        assert_eq!((&result["totalitems"], &result["currentpage"]), (&json!(7), &json!(page)));
        if page * 3 >= 7 {
            break;
        }
    }
    assert_eq!(got, [0, 1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn pages_of_bills_that_stay_are_pages() {
    let desk = Desk::open().await;
    calls(&desk, "1", 5, Outcome::Busy);
    let result = ask(&desk, &[("syncflag", "3"), ("currentpage", "2"), ("itemsperpage", "2")]).await;
    assert_eq!((seconds(&result), &result["totalitems"]), (vec![2, 3], &json!(5)));
}

#[tokio::test]
async fn bills_are_found_by_each_filter() {
    let desk = Desk::open().await;
    calls(&desk, "1", 3, Outcome::Busy);
    calls(&desk, "22", 2, Outcome::Connected);
    for (filter, expected) in [
        (("extnumber", "1002,1001"), vec![0, 1]),
        (("extnumber", "1002"), vec![]),
        (("destnumber", "13800000002"), vec![2]),
        (("userid", "u1"), vec![1, 1]),
        (("memberid", "n"), vec![]),
        (("chengshudu", "x"), vec![0, 0, 1, 1, 2]),
        (("ext", "y"), vec![]),
        (("customuuid", "c2"), vec![2]),
        (("taskid", "22"), vec![0, 1]),
        (("direction", "1"), vec![]),
        (("direction", "2"), vec![0, 0, 1, 1, 2]),
        (("callmethod", "5"), vec![0, 0, 1, 1, 2]),
        (("callmethod", "3"), vec![]),
        (("starttime", "2020-02-12 16:35:06"), vec![2]),
        (("endtime", "2020-02-12 16:35:04"), vec![0, 0]),
    ] {
        let mut fields = vec![("syncflag", "3")];
        fields.extend(DAY.into_iter().filter(|d| d.0 != filter.0));
        fields.push(filter);
        let answer = desk.ask("Cdr.GetBill", &fields).await;
        assert_eq!(seconds(result(&answer)), expected, "{filter:?}");
    }
}

#[tokio::test]
async fn bills_of_another_company_are_not_shown() {
    let desk = Desk::open().await;
    calls(&desk, "1", 2, Outcome::Busy);
    for syncflag in ["1", "3"] {
        let fields = [&DAY[..], &[("syncflag", syncflag), ("taskid", "1")]].concat();
        let answer = desk.ask_with(&desk.other_token, "Cdr.GetBill", &fields).await;
        assert_eq!(result(&answer)["totalitems"], json!(0));
    }
    assert_eq!(seconds(&ask(&desk, &[]).await).len(), 2, "and not taken");
}

#[tokio::test]
async fn wrong_parameters_of_get_bill_are_400() {
    let desk = Desk::open().await;
    for (fields, named) in [
        (vec![("endtime", "2020-02-12 00:00:00")], "starttime"),
        (vec![("starttime", "2020-02-12 00:00:00")], "endtime"),
        (vec![DAY[0], ("endtime", "soon")], "endtime"),
        (vec![DAY[0], DAY[1], ("syncflag", "4")], "syncflag"),
        (vec![DAY[0], DAY[1], ("direction", "4")], "direction"),
        (vec![DAY[0], DAY[1], ("callmethod", "7")], "callmethod"),
    ] {
        let answer = desk.ask("Cdr.GetBill", &fields).await;
        assert_eq!(answer["ret"], json!(400), "{named}");
        assert!(answer["msg"].as_str().expect("a string").contains(named), "{answer}");
    }
}
