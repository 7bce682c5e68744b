//! Goal: a task can be made, grown, opened, paused, ended and listed by the API alone.

use std::time::{Duration, Instant};

use super::*;

const ROWS: &str = r#"[{"phone":"13800138000","userid":"u"},{"phone":13800138001,"ext":"e"}]"#;

/// The parameters of TaskCreat, with changes; an empty list of rows drops the parameter.
async fn create_answer(desk: &Desk, changes: &[(&str, &str)]) -> Value {
    let mut fields =
        vec![("assigntype", "2"), ("assignagent", "sales"), ("telphone", ROWS), ("taskscale", "1:2")];
    fields.retain(|f| !changes.iter().any(|c| c.0 == f.0));
    fields.extend(changes.iter().filter(|c| c.1 != "(absent)"));
    desk.ask("Yccall.TaskCreat", &fields).await
}

async fn create(desk: &Desk, changes: &[(&str, &str)]) -> String {
    let answer = create_answer(desk, changes).await;
    result(&answer)["taskid"].as_str().expect("a string").to_owned()
}

async fn task(desk: &Desk, taskid: &str) -> Value {
    let answer = desk.ask("Yccall.TaskList", &[("taskid", taskid)]).await;
    assert_eq!(result(&answer)["totalitems"], json!(1));
    result(&answer)["task"][0].clone()
}

fn many_rows(count: usize) -> String {
    let rows: Vec<String> =
        (0..count).map(|i| format!(r#"{{"phone":"139{i:08}","userid":"u{i}"}}"#)).collect();
    format!("[{}]", rows.join(","))
}

#[tokio::test]
async fn the_life_of_a_task_as_a_crm_lives_it() {
    let desk = Desk::open().await;
    let answer = create_answer(&desk, &[]).await;
    assert_eq!(answer["data"]["desc"], json!("创建成功"));
    assert_eq!(keys(result(&answer)), ["taskid", "success", "invaliddata"]);
    assert_eq!(result(&answer)["success"], json!(2));
    assert_eq!(result(&answer)["invaliddata"], json!([]));
    let taskid = result(&answer)["taskid"].as_str().expect("a string");
    let today = jiff::Timestamp::now().in_tz("Asia/Shanghai").expect("a zone").strftime("%Y%m%d").to_string();
    assert!(taskid.len() == 20 && taskid.bytes().all(|b| b.is_ascii_digit()), "{taskid}");
    assert!(taskid.starts_with(&today), "{taskid} in the company's time");
    assert!(desk.told().await[0].starts_with("CampaignChanged { company: CompanyId(1)"));

    let row = task(&desk, taskid).await;
    assert_eq!((&row["status"], &row["taskname"]), (&json!(1025), &json!(taskid)));
    for (status, answer_status, desc) in
        [("1", 1026, "设置成功"), ("1", 1026, "设置成功"), ("2", 1027, "设置成功")]
    {
        let answer = desk.ask("Yccall.TaskSet", &[("taskid", taskid), ("taskstatus", status)]).await;
        assert_eq!((&answer["data"]["status"], &answer["data"]["desc"]), (&json!(0), &json!(desc)));
        assert!(answer["data"].get("result").is_none());
        assert_eq!(task(&desk, taskid).await["status"], json!(answer_status));
    }
    let added = desk.ask("Yccall.TaskAdd", &[("taskid", taskid), ("telphone", r#"[{"phone":"138"}]"#)]).await;
    assert_eq!(added["data"]["desc"], json!("追加成功"));
    assert_eq!(result(&added), &json!({"success": 1, "invaliddata": []}));
    for _ in 0..2 {
        result(&desk.ask("Yccall.TaskSet", &[("taskid", taskid), ("taskstatus", "3")]).await);
    }
    assert_eq!(task(&desk, taskid).await["status"], json!(1028));
    let reopened = desk.ask("Yccall.TaskSet", &[("taskid", taskid), ("taskstatus", "1")]).await;
    assert_eq!(code(&reopened), "1044");
    let added = desk.ask("Yccall.TaskAdd", &[("taskid", taskid), ("telphone", ROWS)]).await;
    assert_eq!(code(&added), "1044");
}

#[tokio::test]
async fn a_row_of_the_list_has_exactly_the_fields_and_types_of_the_contract() {
    let desk = Desk::open().await;
    let taskid = create(
        &desk,
        &[
            ("assigntype", "1"),
            ("assignagent", "1002, 1001,1002"),
            ("taskscale", "1:1.5"),
            ("isscale", "manual"),
            ("concurrent", "7"),
            ("scheduledtime", "2030-01-01 08:00:00"),
            ("pausedtime", "2030-01-02 08:00:00"),
            ("disnumber", "4001,4004"),
            ("taskname", "春节"),
            ("customtaskid", "c-1"),
            ("status", "1"),
        ],
    )
    .await;
    let row = task(&desk, &taskid).await;
    let wanted = json!({
        "taskid": taskid, "taskname": "春节", "customtaskid": "c-1", "tasktype": "transfer",
        "taskassign": "1002,1001", "starttime": row["createtime"], "endtime": null, "taskscale": "1:1.5",
        "nowscale": "", "isscale": "manual", "concurrent": 7, "disnumber": "4001,4004",
        "scheduledtime": "2030-01-01 08:00:00", "pausedtime": "2030-01-02 08:00:00", "status": 1026,
        "createtime": row["createtime"], "total": 2, "called": 0, "answered": 0, "connected": 0,
        "abandoned": 0, "abandonrate": 0.0,
    });
    assert_eq!(row, wanted);
    assert_eq!(keys(&row), keys(&wanted));

    let plain = task(&desk, &create(&desk, &[]).await).await;
    assert_eq!((&plain["tasktype"], &plain["taskassign"]), (&json!("groups"), &json!("sales")));
    assert_eq!((&plain["starttime"], &plain["endtime"]), (&Value::Null, &Value::Null));
    assert_eq!((&plain["scheduledtime"], &plain["pausedtime"]), (&json!(""), &json!("")));
    assert_eq!((&plain["isscale"], &plain["concurrent"]), (&json!("auto"), &json!(100)));
}

#[tokio::test]
async fn the_ratio_of_now_is_shown_while_running_and_only_if_the_run_loop_answers() {
    let desk = Desk::open().await;
    let taskid = create(&desk, &[("status", "1")]).await;
    let id = desk.store().campaign(engine::CompanyId(1), &taskid).expect("readable").expect("exists").id;
    let view = CampaignView {
        campaign: id,
        ratio_now: Some(2340),
        decision: None,
        leases_pending: 0,
        ringing: 0,
        waiting: 0,
        talking: 0,
        agents_signed_in: 0,
        agents_ready: 0,
        answered: 0,
        abandoned: 0,
    };
    desk.world.lock().expect("no panic").campaigns = vec![view];
    assert_eq!(task(&desk, &taskid).await["nowscale"], json!("1:2.3"));
    desk.world.lock().expect("no panic").is_deaf = true;
    assert_eq!(task(&desk, &taskid).await["nowscale"], json!(""));
}

#[tokio::test]
async fn the_required_parameters_of_task_creat_are_named_when_absent() {
    let desk = Desk::open().await;
    for name in ["assigntype", "assignagent", "telphone", "taskscale"] {
        let answer = create_answer(&desk, &[(name, "(absent)")]).await;
        assert_eq!(refusal(&answer), (400, format!("非法请求：缺少必要参数{name}").as_str()));
        assert_eq!(refusal(&create_answer(&desk, &[(name, "")]).await).0, 400, "{name} empty");
    }
    assert_eq!(result(&desk.ask("Yccall.TaskList", &[]).await)["totalitems"], json!(0));
}

#[tokio::test]
async fn impossible_values_are_bad_requests() {
    let desk = Desk::open().await;
    for wrong in [
        ("assigntype", "4"),
        ("assigntype", "x"),
        ("taskscale", "2"),
        ("taskscale", "2:1"),
        ("taskscale", "1:0"),
        ("taskscale", "1:20.001"),
        ("taskscale", "1:x"),
        ("isscale", "maybe"),
        ("concurrent", "0"),
        ("concurrent", "-1"),
        ("scheduledtime", "2030-13-01 00:00:00"),
        ("pausedtime", "tomorrow"),
        ("status", "2"),
        ("calltimes", "0"),
        ("calltimes", "4"),
        ("maxabandon", "101"),
        ("maxabandon", "x"),
        ("telphone", "[]"),
        ("telphone", r#"[{"phone":"138"#),
        ("telphone", "13800138000"),
    ] {
        let answer = create_answer(&desk, &[wrong]).await;
        let (ret, message) = refusal(&answer);
        assert_eq!(ret, 400, "{wrong:?}: {answer}");
        assert!(message.contains(wrong.0), "{message}");
    }
    assert_eq!(result(&desk.ask("Yccall.TaskList", &[]).await)["totalitems"], json!(0));
    for fine in [
        ("concurrent", ""),
        ("calltimes", "3"),
        ("maxabandon", "2.5"),
        ("taskscale", "1:20"),
        ("isscale", ""),
    ] {
        create(&desk, &[fine]).await;
    }
}

#[tokio::test]
async fn numbers_may_come_as_json_numbers_and_telphone_as_an_array() {
    let desk = Desk::open().await;
    let body = json!({
        "service": "App.Sip_Yccall.TaskCreat", "token": desk.token, "assigntype": 1,
        "assignagent": [1001, "1002"], "telphone": [{"phone": 13800138000_u64}, "13800138001", 13800138002_u64],
        "taskscale": "1:1", "concurrent": 5, "maxabandon": 1.25, "calltimes": 2, "taskname": null,
    });
    let answer = desk.post("application/json", body.to_string()).await;
    assert_eq!(result(&answer)["success"], json!(3));
    let taskid = result(&answer)["taskid"].as_str().expect("a string");
    let stored = desk.store().campaign(engine::CompanyId(1), taskid).expect("readable").expect("exists");
    assert_eq!((stored.settings.calls_max, stored.settings.abandon_max), (5, 125));
    assert_eq!(stored.settings.attempts_max, 2);
    assert_eq!(task(&desk, taskid).await["taskassign"], json!("1001,1002"));
}

#[tokio::test]
async fn agents_and_caller_ids_must_be_the_companys_own_and_enabled() {
    let desk = Desk::open().await;
    for (changes, wanted) in [
        ([("assigntype", "1"), ("assignagent", "1001,9999")], "1012"),
        ([("assigntype", "1"), ("assignagent", "9999")], "1012"),
        ([("assigntype", "1"), ("assignagent", "1001,2001")], "1011"),
        ([("assigntype", "1"), ("assignagent", "2001")], "1011"),
        ([("assigntype", "1"), ("assignagent", "1003")], "1013"),
        ([("assigntype", "2"), ("assignagent", "nobody")], "1043"),
        ([("assigntype", "3"), ("assignagent", "closed")], "1041"),
        ([("assigntype", "2"), ("disnumber", "4001,4999")], "1020"),
        ([("assigntype", "2"), ("disnumber", "4002")], "1019"),
        ([("assigntype", "2"), ("disnumber", "4003")], "1019"),
    ] {
        if changes[1].1 == "closed" {
            result(&desk.ask("Extgroup.AddExtgroup", &[("name", "closed"), ("status", "0")]).await);
        }
        assert_eq!(code(&create_answer(&desk, &changes).await), wanted, "{changes:?}");
    }
    assert_eq!(result(&desk.ask("Yccall.TaskList", &[]).await)["totalitems"], json!(0));
    // A company without caller ids may name any number.
    let fields = [
        ("assigntype", "2"),
        ("assignagent", "sales"),
        ("telphone", ROWS),
        ("taskscale", "1:1"),
        ("disnumber", "x"),
    ];
    assert_eq!(code(&desk.ask_with(&desk.other_token, "Yccall.TaskCreat", &fields).await), "1021");
    let fields = [&fields[..4], &[("disnumber", "02112345678")]].concat();
    result(&desk.ask_with(&desk.other_token, "Yccall.TaskCreat", &fields).await);
}

#[tokio::test]
async fn refused_rows_come_back_with_reasons_and_the_rest_is_stored() {
    let desk = Desk::open().await;
    let rows = r#"[{"phone":"138001","userid":"1"},{"phone":"13a"},{"phone":"138001","userid":"2"},{"phone":"139","time":5},{"phone":"140"}]"#;
    let answer = create_answer(&desk, &[("telphone", rows)]).await;
    assert_eq!(result(&answer)["success"], json!(2));
    assert_eq!(
        result(&answer)["invaliddata"],
        json!([
            {"phone": "13a", "reason": "号码含有非数字字符"},
            {"phone": "138001", "userid": "2", "reason": "号码重复"},
            {"phone": "139", "time": 5, "reason": "拨打期限已过"},
        ])
    );
    let taskid = result(&answer)["taskid"].as_str().expect("a string");
    let more = desk.ask("Yccall.TaskAdd", &[("taskid", taskid), ("telphone", rows), ("lang", "en")]).await;
    assert_eq!(result(&more)["success"], json!(0), "all of them are in the task already or bad");
    let reasons: Vec<&str> = result(&more)["invaliddata"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|r| r["reason"].as_str().expect("a string"))
        .collect();
    assert_eq!(reasons[0], "the number is in the task already");
    assert_eq!(reasons.len(), 5);
}

#[tokio::test]
async fn a_task_without_a_valid_row_or_with_a_taken_id_is_refused_whole() {
    let desk = Desk::open().await;
    let none = create_answer(&desk, &[("telphone", r#"[{"phone":"x"},{}]"#)]).await;
    assert_eq!(code(&none), "1002");
    create(&desk, &[("customtaskid", "mine")]).await;
    assert_eq!(code(&create_answer(&desk, &[("customtaskid", "mine")]).await), "1002");
    assert_eq!(result(&desk.ask("Yccall.TaskList", &[]).await)["totalitems"], json!(1));
    desk.told().await;
    assert_eq!(code(&create_answer(&desk, &[("assignagent", "nobody")]).await), "1043");
    assert!(desk.told().await.is_empty(), "what is refused is told to nobody");
}

#[tokio::test]
async fn ten_thousand_rows_are_taken_quickly_and_one_more_stores_nothing() {
    let desk = Desk::open().await;
    let began = Instant::now();
    let answer = create_answer(&desk, &[("telphone", &many_rows(10_000))]).await;
    let took = began.elapsed();
    println!("TaskCreat with 10 000 rows: {took:?}");
    assert_eq!(result(&answer)["success"], json!(10_000));
    // The goal is half a second; this build is not optimised and shares its machine.
    assert!(took < Duration::from_secs(3), "{took:?}");
    let taskid = result(&answer)["taskid"].as_str().expect("a string");
    let over = many_rows(10_001);
    assert_eq!(code(&create_answer(&desk, &[("telphone", &over)]).await), "1045");
    assert_eq!(code(&desk.ask("Yccall.TaskAdd", &[("taskid", taskid), ("telphone", &over)]).await), "1045");
    assert_eq!(result(&desk.ask("Yccall.TaskList", &[]).await)["totalitems"], json!(1));
    assert_eq!(task(&desk, taskid).await["total"], json!(10_000));
}

#[tokio::test]
async fn tasks_are_filtered_and_paged_newest_first() {
    let desk = Desk::open().await;
    let first = create(&desk, &[("taskname", "甲 one"), ("customtaskid", "c1")]).await;
    let second = create(
        &desk,
        &[("taskname", "乙 two"), ("status", "1"), ("assigntype", "1"), ("assignagent", "1001")],
    )
    .await;
    let third = create(&desk, &[("taskname", "丙 one")]).await;
    let ids = async |filter: &[(&str, &str)]| {
        let answer = desk.ask("Yccall.TaskList", filter).await;
        let rows = result(&answer)["task"].as_array().expect("a list").clone();
        rows.iter().map(|r| r["taskid"].as_str().expect("a string").to_owned()).collect::<Vec<_>>()
    };
    let all = ids(&[]).await;
    assert_eq!(all, [third.clone(), second.clone(), first.clone()]);
    assert_eq!(ids(&[("taskname", "one")]).await, [third.clone(), first.clone()]);
    assert_eq!(ids(&[("status", "1")]).await, std::slice::from_ref(&second));
    assert_eq!(ids(&[("status", "0,1")]).await.len(), 3);
    assert_eq!(ids(&[("tasktype", "transfer")]).await, std::slice::from_ref(&second));
    assert_eq!(ids(&[("tasktype", "groups"), ("taskobject", "sales")]).await.len(), 2);
    assert_eq!(ids(&[("taskobject", "1001")]).await, std::slice::from_ref(&second));
    assert_eq!(ids(&[("customtaskid", "c1")]).await, std::slice::from_ref(&first));
    assert_eq!(ids(&[("taskid", &format!("{first},{third}"))]).await, [third.clone(), first.clone()]);
    assert_eq!(ids(&[("createtime", "2020-01-01 00:00:00"), ("endtime", "2020-01-02")]).await, [""; 0]);
    assert_eq!(ids(&[("createtime", "2020-01-01"), ("endtime", "2999-01-01 00:00:00")]).await.len(), 3);
    assert_eq!(ids(&[("itemsperpage", "2"), ("currentpage", "2")]).await, [first]);
    assert_eq!(ids(&[("currentpage", "9")]).await, [""; 0]);
    let clamped = desk.ask("Yccall.TaskList", &[("itemsperpage", "5000"), ("currentpage", "-1")]).await;
    assert_eq!(keys(result(&clamped)), ["totalitems", "currentpage", "itemsperpage", "task"]);
    assert_eq!(result(&clamped)["itemsperpage"], json!(1000));
    assert_eq!(result(&clamped)["currentpage"], json!(1));
    for wrong in [("status", "4"), ("tasktype", "x"), ("createtime", "x")] {
        assert_eq!(refusal(&desk.ask("Yccall.TaskList", &[wrong]).await).0, 400);
    }
}

#[tokio::test]
async fn another_companys_task_does_not_exist() {
    let desk = Desk::open().await;
    let taskid = create(&desk, &[]).await;
    for (action, more) in [
        ("TaskInfo", ("x", "")),
        ("TaskSet", ("taskstatus", "3")),
        ("TaskAdd", ("telphone", ROWS)),
        ("taskCall", ("x", "")),
        ("taskDelPhone", ("telphone", "13800138000")),
    ] {
        let service = format!("Yccall.{action}");
        let answer = desk.ask_with(&desk.other_token, &service, &[("taskid", &taskid), more]).await;
        assert_eq!(code(&answer), "1024", "{action}");
        assert_eq!(code(&desk.ask(&service, &[("taskid", "1"), more]).await), "1024", "{action}");
        assert_eq!(refusal(&desk.ask(&service, &[more]).await), (400, "非法请求：缺少必要参数taskid"));
    }
    let listed = desk.ask_with(&desk.other_token, "Yccall.TaskList", &[("taskid", &taskid)]).await;
    assert_eq!(result(&listed)["task"], json!([]));
    assert_eq!(task(&desk, &taskid).await["total"], json!(2));
}

#[tokio::test]
async fn a_change_that_the_run_loop_does_not_take_fails_only_where_it_may_be_repeated() {
    let (sender, commands) = mpsc::channel(1);
    drop(commands);
    let handle = Handle::new(Arc::new(MemStore::new()), sender);
    provision(&handle, &company("1"), &[("1001", true)]);
    let router = super::super::router(&Api::default(), handle.clone());
    let mut desk =
        Desk { router, handle, world: Arc::default(), token: String::new(), other_token: String::new() };
    desk.token = desk.login("1").await;
    let taskid = create(&desk, &[]).await;
    let answer = desk.ask("Yccall.TaskSet", &[("taskid", &taskid), ("taskstatus", "1")]).await;
    assert_eq!(refusal(&answer).0, 500);
}
