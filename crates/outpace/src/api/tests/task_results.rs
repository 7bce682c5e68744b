//! Goal: TaskInfo tells how every number fared, and numbers can be called again or removed.

use engine::{CallRecord, CampaignId, CampaignStatus, Cause, HangupBy, LeaseSlot, Outcome, TrunkId};
use store::RetryRule;

use super::*;

const NEVER: RetryRule = RetryRule { busy: None, no_answer: None, failed: None, lost: None };
const FIELDS: [&str; 19] = [
    "taskid",
    "telphone",
    "userid",
    "memberid",
    "chengshudu",
    "customuuid",
    "status",
    "extnumber",
    "answered",
    "answertype",
    "calltime",
    "duration",
    "billsec",
    "createtime",
    "mark",
    "ext",
    "round",
    "hangupcause",
    "uuid",
];

struct Task {
    taskid: String,
    id: CampaignId,
}

async fn running(desk: &Desk, count: usize) -> Task {
    let rows: Vec<Value> =
        (0..count).map(|i| json!({"phone": format!("1380000{i:04}"), "ext": "x"})).collect();
    let rows = Value::from(rows).to_string();
    let fields = [
        ("assigntype", "2"),
        ("assignagent", "sales"),
        ("telphone", rows.as_str()),
        ("taskscale", "1:2"),
        ("status", "1"),
    ];
    let answer = desk.ask("Yccall.TaskCreat", &fields).await;
    let taskid = result(&answer)["taskid"].as_str().expect("a string").to_owned();
    let id = desk.store().campaign(engine::CompanyId(1), &taskid).expect("readable").expect("exists").id;
    Task { taskid, id }
}

/// Places a call to the next lead and ends it so.
fn call(desk: &Desk, task: &Task, number: u128, outcome: Outcome, cause: Cause) {
    let now = wall_clock();
    let later = |s: i64| Timestamp(now.0 + s * 1_000_000);
    let trunk = desk
        .store()
        .put_trunk(&store::NewTrunk {
            company: engine::CompanyId(1),
            name: "t".to_owned(),
            address: "127.0.0.1:5060".to_owned(),
            transport: "udp".to_owned(),
            username: String::new(),
            password: String::new(),
            register: false,
            prefix: String::new(),
            channels_max: 10,
            cps_max: 0,
            enabled: true,
            details: store::TrunkDetails::default(),
        })
        .map_or(TrunkId(1), |t| t.id);
    let slot = LeaseSlot { call: CallId(number), trunk, caller_id: "4001".to_owned() };
    let (leads, _) = desk.store().lease_leads(now, task.id, &[slot]).expect("leased");
    let lead = leads.first().expect("a lead is due");
    let talked = outcome == Outcome::Connected;
    let record = CallRecord {
        call: CallId(number),
        campaign: task.id,
        lead: lead.lead,
        attempt: lead.attempt,
        trunk,
        caller_id: "4001".to_owned(),
        dialed_at: now,
        ringing_at: Some(now),
        answered_at: outcome.is_answered().then(|| later(5)),
        bridged_at: talked.then(|| later(6)),
        ended_at: later(66),
        agent: talked.then(|| desk.agent("1001")),
        outcome,
        cause,
        notice: None,
        hangup_by: HangupBy::Customer,
        sip_status: 200,
        keys: String::new(),
    };
    desk.store().finish_call(later(66), &record, &NEVER).expect("saved");
}

async fn rows(desk: &Desk, task: &Task) -> Vec<Value> {
    let fields = [("taskid", task.taskid.as_str()), ("itemsperpage", "1000")];
    let answer = desk.ask("Yccall.TaskInfo", &fields).await;
    result(&answer)["result"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn before_its_call_a_number_has_nulls_where_the_contract_has_them() {
    let desk = Desk::open().await;
    let task = running(&desk, 3).await;
    let answer = desk.ask("Yccall.TaskInfo", &[("taskid", &task.taskid)]).await;
    assert_eq!(keys(result(&answer)), ["totalitems", "currentpage", "itemsperpage", "result"]);
    let head = result(&answer);
    assert_eq!(
        (&head["totalitems"], &head["currentpage"], &head["itemsperpage"]),
        (&json!(3), &json!(1), &json!(10))
    );
    let row = &head["result"][0];
    assert_eq!(keys(row), FIELDS);
    assert_eq!(
        row,
        &json!({
            "taskid": task.taskid, "telphone": "13800000000", "userid": "", "memberid": "", "chengshudu": "x",
            "customuuid": "", "status": 1035, "extnumber": null, "answered": null, "answertype": null,
            "calltime": null, "duration": 0, "billsec": 0, "createtime": row["createtime"], "mark": "",
            "ext": "x", "round": 0, "hangupcause": null, "uuid": null,
        })
    );
}

#[tokio::test]
async fn after_its_call_a_number_tells_how_it_went() {
    let desk = Desk::open().await;
    let task = running(&desk, 6).await;
    for (i, (outcome, cause)) in [
        (Outcome::Connected, Cause::NORMAL),
        (Outcome::Abandoned, Cause::PLATFORM),
        (Outcome::NoAnswer, Cause::NO_ANSWER),
        (Outcome::Busy, Cause::BUSY),
        (Outcome::Lost, Cause::UNKNOWN),
    ]
    .into_iter()
    .enumerate()
    {
        call(&desk, &task, i as u128 + 1, outcome, cause);
    }
    let rows = rows(&desk, &task).await;
    let told: Vec<Value> = rows
        .iter()
        .map(|r| {
            json!([r["status"], r["answered"], r["answertype"], r["extnumber"], r["hangupcause"], r["mark"]])
        })
        .collect();
    assert_eq!(
        Value::from(told),
        json!([
            [1036, 1, "connected", "1001", 10001, ""],
            [1036, 0, "caller", null, 10007, "客户已接听，无空闲坐席"],
            [1036, 0, "callee", null, 10016, "无人接听"],
            [1036, 0, "callee", null, 10006, "用户忙"],
            [1036, 0, "callee", null, 10031, "服务器重启中断"],
            [1035, null, null, null, null, ""],
        ])
    );
    assert_eq!((&rows[0]["duration"], &rows[0]["billsec"]), (&json!(5), &json!(60)));
    assert_eq!((&rows[2]["duration"], &rows[2]["billsec"]), (&json!(66), &json!(0)));
    assert_eq!((&rows[0]["round"], &rows[0]["uuid"]), (&json!(1), &json!(CallId(1).to_string())));
    assert_eq!(rows[0]["calltime"].as_str().map(str::len), Some(19));
    let list = desk.ask("Yccall.TaskList", &[("taskid", &task.taskid)]).await;
    let row = &result(&list)["task"][0];
    let counts = ["total", "called", "answered", "connected", "abandoned"].map(|k| row[k].as_u64());
    assert_eq!(counts, [6, 5, 2, 1, 1].map(Some));
    assert_eq!(row["abandonrate"], json!(50.0));
    let english = desk.ask("Yccall.TaskInfo", &[("taskid", &task.taskid), ("lang", "en")]).await;
    assert_eq!(result(&english)["result"][3]["mark"], json!("busy"));
}

#[tokio::test]
async fn called_numbers_are_called_again_by_how_they_fared() {
    let desk = Desk::open().await;
    let task = running(&desk, 3).await;
    let id = ("taskid", task.taskid.as_str());
    for (i, outcome) in [Outcome::Connected, Outcome::Busy, Outcome::NoAnswer].into_iter().enumerate() {
        call(&desk, &task, i as u128 + 1, outcome, Cause::NORMAL);
    }
    assert_eq!(code(&desk.ask("Yccall.taskCall", &[id]).await), "1044", "it is running");
    desk.store().set_campaign_status(wall_clock(), task.id, CampaignStatus::Ended).expect("ended");
    assert_eq!(code(&desk.ask("Yccall.taskCall", &[id, ("answertype", "caller")]).await), "1002");
    assert_eq!(refusal(&desk.ask("Yccall.taskCall", &[id, ("answertype", "x")]).await).0, 400);
    let later = ("scheduledtime", "2030-01-01 00:00:00");
    desk.told().await;
    let fields = [id, ("answertype", "callee"), ("status", "0"), later];
    let answer = desk.ask("Yccall.taskCall", &fields).await;
    assert_eq!(answer["data"]["desc"], json!("设置成功"));
    assert!(desk.told().await[0].contains("leads: true"));
    let statuses: Vec<Value> = rows(&desk, &task).await.iter().map(|r| r["status"].clone()).collect();
    assert_eq!(statuses, [json!(1036), json!(1035), json!(1035)]);
    let again = &rows(&desk, &task).await[1];
    assert_eq!((&again["answered"], &again["round"]), (&Value::Null, &json!(1)));
    let list = desk.ask("Yccall.TaskList", &[id]).await;
    let row = &result(&list)["task"][0];
    assert_eq!((&row["status"], &row["scheduledtime"]), (&json!(1025), &json!("2030-01-01 00:00:00")));
    result(&desk.ask("Yccall.taskCall", &[id]).await);
    let list = desk.ask("Yccall.TaskList", &[id]).await;
    assert_eq!(result(&list)["task"][0]["status"], json!(1026), "opened at once unless told otherwise");
}

#[tokio::test]
async fn only_numbers_that_were_not_called_are_removed() {
    let desk = Desk::open().await;
    let task = running(&desk, 4).await;
    let id = ("taskid", task.taskid.as_str());
    call(&desk, &task, 1, Outcome::Busy, Cause::BUSY);
    let list = "13800000000, 138-0000-0002,x,13999999999";
    let answer = desk.ask("Yccall.taskDelPhone", &[id, ("telphone", list)]).await;
    assert_eq!(answer["data"]["desc"], json!("删除成功"));
    assert_eq!(code(&desk.ask("Yccall.taskDelPhone", &[id, ("telphone", list)]).await), "1020");
    assert_eq!(code(&desk.ask("Yccall.taskDelPhone", &[id, ("telphone", "x")]).await), "1020");
    let left: Vec<Value> = rows(&desk, &task).await.iter().map(|r| r["telphone"].clone()).collect();
    assert_eq!(left, ["13800000000", "13800000001", "13800000003"].map(|n| json!(n)));
    let too_many = vec!["138"; 10_001].join(",");
    assert_eq!(code(&desk.ask("Yccall.taskDelPhone", &[id, ("telphone", &too_many)]).await), "1045");
}

#[tokio::test]
async fn pages_are_clamped_and_keep_the_order_of_submission() {
    let desk = Desk::open().await;
    let task = running(&desk, 25).await;
    let page = async |currentpage: &str, itemsperpage: &str| {
        let fields =
            [("taskid", task.taskid.as_str()), ("currentpage", currentpage), ("itemsperpage", itemsperpage)];
        let answer = desk.ask("Yccall.TaskInfo", &fields).await;
        let got = result(&answer).clone();
        assert_eq!(got["totalitems"], json!(25));
        let numbers = got["result"].as_array().expect("a list").iter().map(|r| r["telphone"].clone());
        (got["currentpage"].as_u64(), got["itemsperpage"].as_u64(), numbers.collect::<Vec<_>>())
    };
    let (_, _, third) = page("3", "10").await;
    assert_eq!(third.first(), Some(&json!("13800000020")));
    assert_eq!(third.len(), 5);
    assert_eq!(page("0", "-3").await, (Some(1), Some(1), vec![json!("13800000000")]));
    assert_eq!(page("1", "99999").await.1, Some(1000));
    assert_eq!(page("99999999999999999999", "1000").await.2, Vec::<Value>::new());
}

#[tokio::test]
async fn a_number_past_its_deadline_is_marked() {
    let desk = Desk::open().await;
    let soon = wall_clock().unix_seconds() + 60;
    let rows_json = format!(r#"[{{"phone":"13800138000","time":{soon}}}]"#);
    let fields = [
        ("assigntype", "2"),
        ("assignagent", "sales"),
        ("telphone", rows_json.as_str()),
        ("taskscale", "1:2"),
        ("status", "1"),
    ];
    let answer = desk.ask("Yccall.TaskCreat", &fields).await;
    let taskid = result(&answer)["taskid"].as_str().expect("a string").to_owned();
    let id = desk.store().campaign(engine::CompanyId(1), &taskid).expect("readable").expect("exists").id;
    let slot = LeaseSlot { call: CallId(1), trunk: TrunkId(1), caller_id: String::new() };
    let (leads, _) =
        desk.store().lease_leads(Timestamp::from_unix_seconds(soon + 1), id, &[slot]).expect("nothing due");
    assert!(leads.is_empty());
    let row = &rows(&desk, &Task { taskid, id }).await[0];
    assert_eq!((&row["status"], &row["mark"]), (&json!(1035), &json!("已过期")));
}
