//! Goal: whatever a company asks with what belongs to another one, it is refused or sees nothing of it, and nothing of the
//! other's changes. Every service is tried.

use std::collections::BTreeSet;

use store::{CampaignFilter, Page};

use super::super::app_sip::service_names;
use super::*;

const OWNER: engine::CompanyId = engine::CompanyId(1);
const ROWS: &str = r#"[{"phone":"13800138000"}]"#;

enum Told {
    Code(&'static str),
    /// As an extension that does not exist.
    Unknown,
    /// An empty list, or a page without items.
    Nothing,
    /// What was made is the asker's own.
    Done,
}

use Told::{Code, Done, Nothing, Unknown};

type Fields<'a> = Vec<(&'static str, &'a str)>;

/// What company 2 asks with what is company 1's: the task, its group `sales`, its extensions.
fn cases(taskid: &str) -> Vec<(&'static str, Fields<'_>, Told)> {
    let create = [("telphone", ROWS), ("taskscale", "1:1")];
    let create_for = |kind, agent| [&create[..], &[("assigntype", kind), ("assignagent", agent)]].concat();
    let whole_time = [("starttime", "2000-01-01"), ("endtime", "2099-01-01"), ("syncflag", "3")];
    let two =
        |by: &'static str, kind: &'static str| vec![("extnumber", by), ("destnumber", "1001"), (kind, "2")];
    vec![
        ("Yccall.TaskCreat", create_for("1", "2001,1001"), Code("1011")),
        ("Yccall.TaskCreat", create_for("2", "owned"), Code("1043")),
        ("Yccall.TaskAdd", vec![("taskid", taskid), ("telphone", ROWS)], Code("1024")),
        ("Yccall.TaskSet", vec![("taskid", taskid), ("taskstatus", "3")], Code("1024")),
        ("Yccall.TaskList", vec![], Nothing),
        ("Yccall.TaskList", vec![("taskid", taskid)], Nothing),
        ("Yccall.TaskList", vec![("customtaskid", "mine")], Nothing),
        ("Yccall.TaskList", vec![("taskobject", "owned")], Nothing),
        ("Yccall.TaskInfo", vec![("taskid", taskid)], Code("1024")),
        ("Yccall.taskCall", vec![("taskid", taskid)], Code("1024")),
        ("Yccall.taskDelPhone", vec![("taskid", taskid), ("telphone", "13800138000")], Code("1024")),
        ("Sipnum.GetSipnumberInfo", vec![("status", "3"), ("extnumber", "1001")], Nothing),
        ("Status.GetSipCallStatus", vec![("extnumber", "1001")], Unknown),
        ("Status.GetSipRegisterStatus", vec![("extnumber", "1001")], Unknown),
        ("Status.GetSipValidStatus", vec![("extnumber", "1001")], Unknown),
        ("Extgroup.AddExtgroup", vec![("name", "owned")], Done),
        ("Extgroup.DelExtgroup", vec![("name", "owned")], Done),
        ("Extgroup.GetExtgroupInfo", vec![("name", "owned")], Nothing),
        ("Extgroup.DelExtgroup", vec![("name", "owned")], Code("1043")),
        ("Extgroup.AddExtnumber", vec![("name", "owned"), ("extnumber", "2001")], Code("1043")),
        ("Extgroup.AddExtnumber", vec![("name", "sales"), ("extnumber", "1001")], Code("1011")),
        ("Extgroup.DelExtnumber", vec![("name", "sales"), ("extnumber", "1001")], Code("1011")),
        ("Queue.AddQueue", vec![("queuename", "owned"), ("strategy", "5")], Done),
        ("Extgroup.DelExtgroup", vec![("name", "owned")], Done),
        ("Queue.EditQueue", vec![("queuename", "owned"), ("strategy", "5")], Code("1043")),
        ("Queue.GetQueueList", vec![("queuename", "owned")], Nothing),
        ("Queue.SipSignIn", vec![("queuename", "owned"), ("extnumber", "2001")], Code("1043")),
        ("Queue.SipSignIn", vec![("queuename", "sales"), ("extnumber", "1001")], Code("1011")),
        ("Queue.SipSignOut", vec![("queuename", "sales"), ("extnumber", "1001")], Code("1011")),
        ("Queue.SetSeatsStatus", vec![("settype", "1"), ("extnumber", "1001")], Code("1011")),
        ("Queue.GetQueueSipStatus", vec![], Nothing),
        ("Queue.GetQueueSipStatus", vec![("queuename", "owned"), ("extnumber", "1001")], Nothing),
        ("Disnum.GetDisnumberInfo", vec![], Nothing),
        ("Cdr.GetRecodeFile", vec![("filename", "20260110/1_gone.wav")], Code("1029")),
        ("Cdr.GetBill", [&whole_time[..], &[("taskid", taskid)]].concat(), Nothing),
        ("Call.MakeCall", vec![("extnumber", "1001"), ("destnumber", "13800138000")], Code("1011")),
        ("Call.MakePloyCall", vec![("extnumber", "1001"), ("destnumber", "13800138000")], Code("1031")),
        ("Call.HangupCall", vec![("extnumber", "1001")], Code("1011")),
        ("Call.SpyCall", two("2001", "monitortype"), Code("1011")),
        ("Call.SpyCall", two("1001", "monitortype"), Code("1011")),
        ("Call.ForceCall", two("2001", "forcetype"), Code("1011")),
        (
            "Call.TransferCall",
            vec![("anumber", "1001"), ("destnumber", "2001"), ("transfertype", "1")],
            Code("1011"),
        ),
        (
            "Call.TransferCall",
            vec![("anumber", "2001"), ("destnumber", "1001"), ("transfertype", "1")],
            Code("1011"),
        ),
        (
            "Call.TransferCall",
            vec![("anumber", "2001"), ("destnumber", "owned"), ("transfertype", "2")],
            Code("1043"),
        ),
    ]
}

/// All that company 1 has and could lose.
fn belongings(desk: &Desk) -> String {
    let store = desk.store();
    let page = Page { offset: 0, limit: 1000 };
    let (_, campaigns) = store.list_campaigns(OWNER, &CampaignFilter::default(), page).expect("readable");
    let leads: Vec<_> = campaigns.iter().map(|c| store.list_leads(c.id, page).expect("readable")).collect();
    let groups = store.groups(OWNER).expect("readable");
    let extensions = store.extensions(Some(OWNER)).expect("readable");
    format!("{campaigns:?} {leads:?} {groups:?} {extensions:?}")
}

async fn task_of_the_owner(desk: &Desk) -> String {
    result(&desk.ask("Queue.AddQueue", &[("queuename", "owned")]).await);
    for queue in ["owned", "sales"] {
        result(&desk.ask("Queue.SipSignIn", &[("queuename", queue), ("extnumber", "1001")]).await);
    }
    let fields = [
        ("assigntype", "2"),
        ("assignagent", "owned"),
        ("telphone", ROWS),
        ("taskscale", "1:1"),
        ("customtaskid", "mine"),
    ];
    let answer = desk.ask("Yccall.TaskCreat", &fields).await;
    result(&answer)["taskid"].as_str().expect("a string").to_owned()
}

/// Whether there is nothing in it.
fn is_empty(result: &Value) -> bool {
    let rows = match result.as_object() {
        Some(page) => page.values().find(|v| v.is_array()).expect("items"),
        None => result,
    };
    rows.as_array().is_some_and(Vec::is_empty)
}

#[tokio::test]
async fn no_service_shows_or_changes_what_is_another_company_s() {
    let desk = Desk::open().await;
    desk.show_agents(vec![desk.view("1001", AgentState::Talking)]);
    let taskid = task_of_the_owner(&desk).await;
    let before = belongings(&desk);
    desk.told().await;
    for (service, fields, expected) in cases(&taskid) {
        let answer = desk.ask_with(&desk.other_token, service, &fields).await;
        match expected {
            Code(wanted) => assert_eq!(code(&answer), wanted, "{service} {fields:?}"),
            Done => drop(result(&answer)),
            Nothing => assert!(is_empty(result(&answer)), "{service} {fields:?}: {answer}"),
            Unknown => {
                let unknown = desk.ask_with(&desk.other_token, service, &[("extnumber", "9999")]).await;
                let unknown = unknown["data"]["result"].to_string().replace("9999", "1001");
                assert_eq!(result(&answer).to_string(), unknown, "{service}");
            }
        }
    }
    assert_eq!(belongings(&desk), before);
    let told = desk.told().await;
    assert!(told.iter().all(|t| t.contains("CompanyId(2)")), "{told:?}");
}

#[test]
fn each_service_is_tried() {
    let tried: BTreeSet<String> = cases("1").iter().map(|(name, ..)| format!("App.Sip_{name}")).collect();
    let known: BTreeSet<String> =
        service_names().filter(|name| !name.starts_with("App.Sip_Auth.")).map(str::to_owned).collect();
    assert_eq!(tried, known);
}
