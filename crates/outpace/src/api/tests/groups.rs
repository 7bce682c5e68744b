//! Goal: groups and queues are one thing, and agents sign in to it by the API alone.

use super::*;

const MEMBER: [(&str, &str); 2] = [("queuename", "sales"), ("extnumber", "1001")];

async fn is_done(desk: &Desk, service: &str, fields: &[(&str, &str)]) {
    result(&desk.ask(service, fields).await);
}

#[tokio::test]
async fn groups_are_added_listed_and_deleted() {
    let desk = Desk::open().await;
    let answer = desk.ask("Extgroup.AddExtgroup", &[("name", "支持"), ("status", "0")]).await;
    assert_eq!(answer["data"]["desc"], json!("添加成功"));
    assert!(desk.told().await[0].starts_with("GroupChanged"));
    assert_eq!(code(&desk.ask("Extgroup.AddExtgroup", &[("name", "支持")]).await), "1002");
    assert_eq!(refusal(&desk.ask("Extgroup.AddExtgroup", &[]).await), (400, "非法请求：缺少必要参数name"));
    let all = desk.ask("Extgroup.GetExtgroupInfo", &[]).await;
    let rows = result(&all);
    assert_eq!(keys(&rows[0]), ["id", "name", "status"]);
    assert_eq!((&rows[0]["name"], &rows[0]["status"]), (&json!("sales"), &json!(1042)));
    assert_eq!((&rows[1]["name"], &rows[1]["status"]), (&json!("支持"), &json!(1041)));
    assert!(rows[1]["id"].is_i64());
    for (fields, count) in [
        (("status", "1"), 1),
        (("status", "0"), 1),
        (("status", "2"), 2),
        (("name", "sales"), 1),
        (("name", "x"), 0),
    ] {
        let answer = desk.ask("Extgroup.GetExtgroupInfo", &[fields]).await;
        assert_eq!(result(&answer).as_array().map(Vec::len), Some(count), "{fields:?}");
    }
    desk.told().await;
    is_done(&desk, "Extgroup.DelExtgroup", &[("name", "支持")]).await;
    assert!(desk.told().await[0].starts_with("GroupRemoved"));
    assert_eq!(code(&desk.ask("Extgroup.DelExtgroup", &[("name", "支持")]).await), "1043");
}

#[tokio::test]
async fn a_group_that_an_unfinished_task_uses_stays() {
    let desk = Desk::open().await;
    let task = [
        ("assigntype", "3"),
        ("assignagent", "sales"),
        ("telphone", r#"[{"phone":"13800138000"}]"#),
        ("taskscale", "1:1"),
    ];
    let answer = desk.ask("Yccall.TaskCreat", &task).await;
    let taskid = result(&answer)["taskid"].as_str().expect("a string").to_owned();
    assert_eq!(code(&desk.ask("Extgroup.DelExtgroup", &[("name", "sales")]).await), "1044");
    is_done(&desk, "Yccall.TaskSet", &[("taskid", &taskid), ("taskstatus", "3")]).await;
    is_done(&desk, "Extgroup.DelExtgroup", &[("name", "sales")]).await;
}

#[tokio::test]
async fn members_are_added_and_removed() {
    let desk = Desk::open().await;
    let members =
        || -> usize { desk.store().groups(engine::CompanyId(1)).expect("readable")[0].members.len() };
    let two = [("name", "sales"), ("extnumber", "1001,1002")];
    is_done(&desk, "Extgroup.AddExtnumber", &two).await;
    is_done(&desk, "Extgroup.AddExtnumber", &two).await;
    assert_eq!(members(), 2);
    assert!(desk.told().await[0].starts_with("GroupChanged"));
    for (number, wanted) in [("2001", "1011"), ("9999", "1012"), ("1001,9999", "1012")] {
        let fields = [("name", "sales"), ("extnumber", number)];
        assert_eq!(code(&desk.ask("Extgroup.AddExtnumber", &fields).await), wanted);
        assert_eq!(code(&desk.ask("Extgroup.DelExtnumber", &fields).await), wanted);
    }
    let elsewhere = [("name", "nobody"), ("extnumber", "1001")];
    assert_eq!(code(&desk.ask("Extgroup.AddExtnumber", &elsewhere).await), "1043");
    is_done(&desk, "Extgroup.DelExtnumber", &[("name", "sales"), ("extnumber", "1001")]).await;
    is_done(&desk, "Extgroup.DelExtnumber", &[("name", "sales"), ("extnumber", "1001")]).await;
    assert_eq!(members(), 1);
}

#[tokio::test]
async fn a_queue_is_a_group_with_a_strategy() {
    let desk = Desk::open().await;
    let queue = [("queuename", "q"), ("autocall", "no"), ("remark", "r"), ("strategy", "4")];
    is_done(&desk, "Queue.AddQueue", &queue).await;
    assert_eq!(code(&desk.ask("Queue.AddQueue", &queue).await), "1002");
    let list = desk.ask("Queue.GetQueueList", &[("queuename", "q")]).await;
    let wanted = json!({
        "queuename": "q", "remark": "r", "strategy": 4, "announce": "", "announcefreq": 0, "ringdelay": 0,
        "maxwaittime": 0, "withnoagenttime": 0, "noagentrejoiningtime": 0, "discardtime": 0, "autocall": "no",
    });
    assert_eq!(result(&list), &json!([wanted]));
    assert_eq!(keys(&result(&list)[0]), keys(&wanted));
    is_done(&desk, "Queue.EditQueue", &[("queuename", "q"), ("strategy", "2"), ("ringdelay", "3")]).await;
    let list = desk.ask("Queue.GetQueueList", &[]).await;
    assert_eq!(result(&list)[1]["strategy"], json!(2));
    assert_eq!((&result(&list)[1]["remark"], &result(&list)[1]["autocall"]), (&json!("r"), &json!("no")));
    assert_eq!(code(&desk.ask("Queue.EditQueue", &[("queuename", "x")]).await), "1043");
    assert_eq!(refusal(&desk.ask("Queue.AddQueue", &[("queuename", "y"), ("strategy", "9")]).await).0, 400);
    let groups = desk.ask("Extgroup.GetExtgroupInfo", &[("name", "q")]).await;
    assert_eq!(result(&groups).as_array().map(Vec::len), Some(1));
}

/// What GetQueueList shows of the queue's times.
async fn times_of(desk: &Desk, name: &str) -> Value {
    let list = desk.ask("Queue.GetQueueList", &[("queuename", name)]).await;
    let row = &result(&list)[0];
    let names = [
        "announce",
        "announcefreq",
        "ringdelay",
        "maxwaittime",
        "withnoagenttime",
        "noagentrejoiningtime",
        "discardtime",
    ];
    names.iter().map(|name| row[*name].clone()).collect()
}

#[tokio::test]
async fn the_times_of_a_queue_are_kept() {
    let desk = Desk::open().await;
    is_done(&desk, "Queue.AddQueue", &[("queuename", "q"), ("maxwaittime", "40")]).await;
    assert_eq!(times_of(&desk, "q").await, json!(["", 0, 0, 40, 0, 0, 0]));
    let all = [
        ("queuename", "q"),
        ("announce", "welcome.wav"),
        ("announcefreq", "30"),
        ("ringdelay", "10"),
        ("maxwaittime", "3600"),
        ("withnoagenttime", "20"),
        ("noagentrejoiningtime", "5"),
        ("discardtime", "60"),
    ];
    desk.told().await;
    is_done(&desk, "Queue.EditQueue", &all).await;
    assert!(desk.told().await[0].starts_with("GroupChanged"));
    assert_eq!(times_of(&desk, "q").await, json!(["welcome.wav", 30, 10, 3600, 20, 5, 60]));
    is_done(&desk, "Queue.EditQueue", &[("queuename", "q"), ("announce", ""), ("ringdelay", "0")]).await;
    assert_eq!(times_of(&desk, "q").await, json!(["", 30, 0, 3600, 20, 5, 60]), "the rest stays");
    for wrong in [("ringdelay", "3601"), ("discardtime", "-1"), ("announcefreq", "soon")] {
        for queue in ["q", "x"] {
            let answer = desk.ask("Queue.EditQueue", &[("queuename", queue), wrong]).await;
            assert_eq!(refusal(&answer).0, 400, "{wrong:?}");
        }
    }
}

#[tokio::test]
async fn signing_in_makes_a_member_and_tells_the_run_loop_in_order() {
    let desk = Desk::open().await;
    desk.store().set_paused(desk.agent("1001"), true).expect("stored");
    let answer = desk.ask("Queue.SipSignIn", &[MEMBER[0], MEMBER[1], ("crmid", "7")]).await;
    assert_eq!(answer["data"]["status"], json!(0));
    let told: Vec<String> =
        desk.told().await.iter().map(|t| t.split(' ').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(told, ["GroupChanged", "Paused"]);
    assert!(!desk.store().extension("1001").expect("readable").expect("exists").paused);
    is_done(&desk, "Queue.SipSignOut", &MEMBER).await;
    assert!(desk.told().await[0].starts_with("GroupChanged"));
    is_done(&desk, "Queue.SipSignOut", &MEMBER).await;
    for (fields, wanted) in [
        ([("queuename", "x"), ("extnumber", "1001")], "1043"),
        ([("queuename", "sales"), ("extnumber", "9999")], "1012"),
        ([("queuename", "sales"), ("extnumber", "2001")], "1011"),
        ([("queuename", "sales"), ("extnumber", "1003")], "1013"),
    ] {
        assert_eq!(code(&desk.ask("Queue.SipSignIn", &fields).await), wanted);
    }
    is_done(&desk, "Extgroup.AddExtgroup", &[("name", "closed"), ("status", "0")]).await;
    let closed = [("queuename", "closed"), ("extnumber", "1001")];
    assert_eq!(code(&desk.ask("Queue.SipSignIn", &closed).await), "1041");
    assert_eq!(refusal(&desk.ask("Queue.SipSignIn", &MEMBER[..1]).await).0, 400);
}

#[tokio::test]
async fn a_seat_is_paused_and_made_ready() {
    let desk = Desk::open().await;
    let set = async |settype: &str, more: (&str, &str)| {
        let fields = [("settype", settype), ("extnumber", "1001"), ("crmid", ""), more];
        desk.ask("Queue.SetSeatsStatus", &fields).await
    };
    result(&set("1", ("queuename", "sales")).await);
    assert!(desk.store().extension("1001").expect("readable").expect("exists").paused);
    assert!(desk.told().await[0].contains("paused: true"));
    result(&set("2", ("queuename", "")).await);
    assert!(desk.told().await[0].contains("paused: false"));
    assert_eq!(code(&set("1", ("queuename", "x")).await), "1043");
    assert_eq!(refusal(&set("3", ("x", "")).await).0, 400);
    let absent = desk.ask("Queue.SetSeatsStatus", &[("extnumber", "1001")]).await;
    assert_eq!(refusal(&absent), (400, "非法请求：缺少必要参数settype"));
}

#[tokio::test]
async fn seats_are_shown_only_while_signed_in() {
    let desk = Desk::open().await;
    let seats = async |fields: &[(&str, &str)]| {
        let answer = desk.ask("Queue.GetQueueSipStatus", fields).await;
        result(&answer).as_array().expect("a list").clone()
    };
    is_done(&desk, "Extgroup.AddExtnumber", &[("name", "sales"), ("extnumber", "1001,1002")]).await;
    assert!(seats(&[]).await.is_empty());
    is_done(&desk, "Queue.SipSignIn", &MEMBER).await;
    desk.show_agents(vec![desk.view("1001", AgentState::Ready)]);
    let rows = seats(&[("queuename", "sales")]).await;
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!(
        keys(row),
        [
            "queuename",
            "seatsname",
            "extnumber",
            "status",
            "state",
            "lastanswertime",
            "lastassigntime",
            "seatschangetime",
            "noanswercount",
            "callsanswered",
            "externalcallscount",
            "wrapuptime",
            "maxnoanswer"
        ]
    );
    assert!(row["seatsname"].as_str().is_some_and(|s| s.starts_with("1001_")), "{row}");
    assert_eq!((&row["status"], &row["state"]), (&json!(1213), &json!(1213)));
    assert_eq!((&row["callsanswered"], &row["noanswercount"]), (&json!(3), &json!(1)));
    assert_eq!(row["lastanswertime"], json!(""));
    assert_eq!(row["lastassigntime"].as_str().map(str::len), Some(19));
    assert!(seats(&[("queuename", "x")]).await.is_empty());
    assert!(seats(&[("extnumber", "1002")]).await.is_empty());
    is_done(&desk, "Queue.SipSignOut", &MEMBER).await;
    assert!(seats(&[]).await.is_empty());
}

#[tokio::test]
async fn seats_are_filtered_by_what_they_do() {
    let desk = Desk::open().await;
    is_done(&desk, "Queue.SipSignIn", &MEMBER).await;
    for (state, code, shown_for) in [
        (AgentState::SignedOut, 1212, [true, false, false, false, false]),
        (AgentState::Ready, 1213, [true, true, true, false, false]),
        (AgentState::Offered, 1214, [true, false, false, true, false]),
        (AgentState::Talking, 1215, [true, false, false, false, true]),
        (AgentState::WrapUp, 1217, [true, true, false, false, false]),
        (AgentState::Paused, 1217, [true, false, false, false, false]),
    ] {
        desk.show_agents(vec![desk.view("1001", state)]);
        for (wanted, is_shown) in shown_for.into_iter().enumerate() {
            let wanted = wanted.to_string();
            let answer = desk.ask("Queue.GetQueueSipStatus", &[("state", &wanted)]).await;
            assert_eq!(
                !result(&answer).as_array().expect("a list").is_empty(),
                is_shown,
                "{state:?} {wanted}"
            );
            if is_shown {
                assert_eq!(result(&answer)[0]["state"], json!(code), "{state:?}");
            }
        }
    }
}
