//! Goal: what is asked for is looked at before it is looked for. A parameter that is absent or impossible is a 400 also
//! when nothing of what the others name exists, and changes nothing.

use std::collections::BTreeSet;

use super::super::app_sip::service_names;
use super::*;

type Fields = &'static [(&'static str, &'static str)];

/// What a service cannot do without, of a good form and naming nothing that exists; and impossible values.
const SERVICES: &[(&str, Fields, Fields)] = &[
    (
        "Yccall.TaskCreat",
        &[("assigntype", "1"), ("assignagent", "9999"), ("telphone", "[138001]"), ("taskscale", "1:1")],
        &[
            ("assigntype", "4"),
            ("telphone", "[138001"),
            ("telphone", "[]"),
            ("taskscale", "2"),
            ("taskscale", "1:0"),
            ("isscale", "fast"),
            ("concurrent", "0"),
            ("scheduledtime", "soon"),
            ("pausedtime", "2026-02-30 00:00:00"),
            ("status", "2"),
            ("calltimes", "4"),
            ("maxabandon", "-1"),
        ],
    ),
    ("Yccall.TaskAdd", &[("taskid", "1"), ("telphone", "[138001]")], &[("telphone", "138001")]),
    (
        "Yccall.TaskSet",
        &[("taskid", "1"), ("taskstatus", "1")],
        &[("taskstatus", "0"), ("taskstatus", "end")],
    ),
    (
        "Yccall.TaskList",
        &[],
        &[
            ("createtime", "x"),
            ("endtime", "x"),
            ("status", "4"),
            ("tasktype", "queue"),
            ("currentpage", "x"),
            ("itemsperpage", "x"),
        ],
    ),
    ("Yccall.TaskInfo", &[("taskid", "1")], &[("currentpage", "x"), ("itemsperpage", "x")]),
    (
        "Yccall.taskCall",
        &[("taskid", "1")],
        &[("answertype", "none"), ("status", "2"), ("scheduledtime", "x"), ("pausedtime", "x")],
    ),
    ("Yccall.taskDelPhone", &[("taskid", "1"), ("telphone", "138001")], &[("telphone", ",")]),
    ("Sipnum.GetSipnumberInfo", &[], &[("status", "4")]),
    ("Status.GetSipCallStatus", &[("extnumber", "9999")], &[("extnumber", ",")]),
    ("Status.GetSipRegisterStatus", &[("extnumber", "9999")], &[]),
    ("Status.GetSipValidStatus", &[("extnumber", "9999")], &[]),
    ("Extgroup.AddExtgroup", &[("name", "new")], &[("status", "2")]),
    ("Extgroup.GetExtgroupInfo", &[], &[("status", "3")]),
    ("Extgroup.DelExtgroup", &[("name", "none")], &[]),
    ("Extgroup.AddExtnumber", &[("name", "none"), ("extnumber", "9999")], &[]),
    ("Extgroup.DelExtnumber", &[("name", "none"), ("extnumber", "9999")], &[]),
    (
        "Queue.AddQueue",
        &[("queuename", "newer")],
        &[("strategy", "9"), ("autocall", "maybe"), ("ringdelay", "x")],
    ),
    (
        "Queue.EditQueue",
        &[("queuename", "none")],
        &[("strategy", "0"), ("autocall", "2"), ("maxwaittime", "-1")],
    ),
    ("Queue.GetQueueList", &[], &[]),
    ("Queue.SipSignIn", &[("queuename", "none"), ("extnumber", "9999")], &[]),
    ("Queue.SipSignOut", &[("queuename", "none"), ("extnumber", "9999")], &[]),
    ("Queue.SetSeatsStatus", &[("settype", "1"), ("extnumber", "9999")], &[("settype", "3")]),
    ("Queue.GetQueueSipStatus", &[], &[("state", "5")]),
    ("Disnum.GetDisnumberInfo", &[], &[("autocall", "x")]),
    ("Cdr.GetRecodeFile", &[("filename", "none.wav")], &[]),
    (
        "Cdr.GetBill",
        &[("starttime", "2026-01-01"), ("endtime", "2026-01-01")],
        &[
            ("starttime", "x"),
            ("syncflag", "4"),
            ("direction", "0"),
            ("callmethod", "7"),
            ("currentpage", "x"),
        ],
    ),
    (
        "Call.MakeCall",
        &[("extnumber", "9999"), ("destnumber", "138001"), ("disnumber", "4999")],
        &[("callmethod", "both")],
    ),
    ("Call.MakePloyCall", &[("extnumber", "9999"), ("destnumber", "138001")], &[("callmethod", "both")]),
    ("Call.HangupCall", &[("extnumber", "9999")], &[]),
    (
        "Call.SpyCall",
        &[("extnumber", "9999"), ("destnumber", "9998"), ("monitortype", "1")],
        &[("monitortype", "5")],
    ),
    (
        "Call.ForceCall",
        &[("extnumber", "9999"), ("destnumber", "9998"), ("forcetype", "2")],
        &[("forcetype", "0")],
    ),
    (
        "Call.TransferCall",
        &[("anumber", "9999"), ("destnumber", "9998"), ("transfertype", "1")],
        &[("transfertype", "3")],
    ),
];

/// May be left out.
const OPTIONAL: &[(&str, &str)] = &[("Call.MakeCall", "disnumber")];

/// `fields` with this one in its place.
fn with(fields: Fields, field: (&'static str, &'static str)) -> Vec<(&'static str, &'static str)> {
    fields.iter().filter(|f| f.0 != field.0).chain([&field]).copied().collect()
}

#[tokio::test]
async fn what_is_absent_or_impossible_is_refused_before_anything_is_looked_for() {
    let desk = Desk::open().await;
    for (service, required, impossible) in SERVICES {
        for (name, _) in required.iter().filter(|(name, _)| !OPTIONAL.contains(&(service, name))) {
            let without: Vec<_> = required.iter().filter(|f| f.0 != *name).copied().collect();
            let answer = desk.ask(service, &without).await;
            let message = format!("非法请求：缺少必要参数{name}");
            assert_eq!(refusal(&answer), (400, message.as_str()), "{service}");
            let answer = desk.ask(service, &with(required, (name, " "))).await;
            assert_eq!(refusal(&answer).0, 400, "{service} with an empty {name}");
        }
        for wrong in *impossible {
            let answer = desk.ask(service, &with(required, *wrong)).await;
            let (ret, message) = refusal(&answer);
            assert!(ret == 400 && message.contains(wrong.0), "{service} {wrong:?}: {answer}");
        }
    }
    assert!(desk.told().await.is_empty(), "nothing was changed");
}

#[test]
fn each_service_is_tried() {
    let tried: BTreeSet<String> = SERVICES.iter().map(|(name, ..)| format!("App.Sip_{name}")).collect();
    let known: BTreeSet<String> =
        service_names().filter(|name| !name.starts_with("App.Sip_Auth.")).map(str::to_owned).collect();
    assert_eq!(tried, known);
}

#[tokio::test]
async fn whose_an_extension_is_comes_before_whether_it_is_registered() {
    let desk = Desk::open().await;
    for (service, kind) in [("Call.SpyCall", "monitortype"), ("Call.ForceCall", "forcetype")] {
        let fields = [("extnumber", "1002"), ("destnumber", "2001"), (kind, "1")];
        assert_eq!(code(&desk.ask(service, &fields).await), "1011", "{service}");
    }
}
