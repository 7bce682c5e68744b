//! Goal: each service answers with each code that is documented for it, in both languages. `docs/api.md` says which codes
//! those are: a code that is there and not here, or here and not there, fails.

use std::collections::{BTreeMap, BTreeSet};

use engine::compliance::DncEntry;
use engine::{CompanyId, Miss, PhoneNumber, Refusal};
use store::DncList;

use super::super::app_sip::service_names;
use super::*;

const NUMBER: &str = "13800138000";
const LISTED: &str = "13900139000";
const ROWS: &str = r#"[{"phone":"13800138000"}]"#;

/// Texts of the contract.
const CODES: &[(&str, &str)] = &[
    ("1001", "服务器连接失败"),
    ("1002", "操作异常(校验失败)"),
    ("1003", "操作失败"),
    ("1010", "分机异常"),
    ("1011", "非法分机"),
    ("1012", "分机不存在"),
    ("1013", "分机已停用"),
    ("1014", "分机未注册"),
    ("1015", "分机不在通话中"),
    ("1019", "号码已禁用"),
    ("1020", "号码不存在"),
    ("1021", "非法号码"),
    ("1024", "任务不存在"),
    ("1029", "文件不存在"),
    ("1031", "策略设置异常"),
    ("1032", "违反策略规则"),
    ("1033", "无策略资源"),
    ("1041", "分机组已停用"),
    ("1043", "分机组不存在"),
    ("1044", "任务状态不允许此操作"),
    ("1045", "号码超过10000个"),
];

/// `desc` of each service: when it worked, when not.
const DESCRIPTIONS: &[(&str, &str, &[&str])] = &[
    ("创建成功", "创建失败", &["Yccall.TaskCreat"]),
    ("追加成功", "追加失败", &["Yccall.TaskAdd"]),
    ("设置成功", "设置失败", &["Yccall.TaskSet", "Yccall.taskCall", "Queue.SetSeatsStatus"]),
    ("删除成功", "删除失败", &["Yccall.taskDelPhone", "Extgroup.DelExtgroup", "Extgroup.DelExtnumber"]),
    ("添加成功", "添加失败", &["Extgroup.AddExtgroup", "Extgroup.AddExtnumber", "Queue.AddQueue"]),
    ("修改成功", "修改失败", &["Queue.EditQueue"]),
    ("签入成功", "签入失败", &["Queue.SipSignIn"]),
    ("签出成功", "签出失败", &["Queue.SipSignOut"]),
    (
        "请求成功",
        "请求失败",
        &[
            "Call.MakeCall",
            "Call.MakePloyCall",
            "Call.HangupCall",
            "Call.SpyCall",
            "Call.ForceCall",
            "Call.TransferCall",
        ],
    ),
    (
        "获取成功",
        "获取失败",
        &[
            "Yccall.TaskList",
            "Yccall.TaskInfo",
            "Sipnum.GetSipnumberInfo",
            "Status.GetSipCallStatus",
            "Status.GetSipRegisterStatus",
            "Status.GetSipValidStatus",
            "Extgroup.GetExtgroupInfo",
            "Queue.GetQueueList",
            "Queue.GetQueueSipStatus",
            "Disnum.GetDisnumberInfo",
            "Cdr.GetRecodeFile",
            "Cdr.GetBill",
        ],
    ),
];

type Fields = Vec<(&'static str, &'static str)>;
/// Of good fields, each with the code that comes of it.
type Changes = [(&'static [(&'static str, &'static str)], &'static str)];

/// What is sent, and what else is so meanwhile.
#[derive(Default)]
struct Case {
    service: &'static str,
    fields: Fields,
    expected: &'static str,
    refusal: Option<Refusal>,
    is_stopping: bool,
    /// By company 2.
    of_other: bool,
}

/// `fields` with those of `changes` in their place; an empty value takes one away.
fn with(fields: &[(&'static str, &'static str)], changes: &[(&'static str, &'static str)]) -> Fields {
    let kept = fields.iter().filter(|f| changes.iter().all(|c| c.0 != f.0));
    kept.chain(changes).filter(|f| !f.1.is_empty()).copied().collect()
}

struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, service: &'static str, fields: Fields, expected: &'static str) {
        self.0.push(Case { service, fields, expected, ..Case::default() });
    }

    /// One for each change to good fields.
    fn each(&mut self, service: &'static str, good: &[(&'static str, &'static str)], changes: &Changes) {
        for (changes, expected) in changes {
            self.add(service, with(good, changes), expected);
        }
    }

    fn refused(&mut self, service: &'static str, fields: &Fields, refusals: &[(Refusal, &'static str)]) {
        for (refusal, expected) in refusals {
            let refusal = Some(*refusal);
            let fields = fields.clone();
            self.0.push(Case { service, fields, expected, refusal, ..Case::default() });
        }
        let fields = fields.clone();
        self.0.push(Case { service, fields, expected: "1001", is_stopping: true, ..Case::default() });
    }
}

/// What the fields name besides what every desk has: tasks `draft`, `ended`, the group `closed`.
fn cases(draft: &'static str, ended: &'static str) -> Cases {
    let mut cases = Cases(Vec::new());
    tasks(&mut cases, draft, ended);
    groups(&mut cases);
    calls(&mut cases);
    cases.each("Cdr.GetRecodeFile", &[("filename", "20260110/1_gone.wav")], &[(&[], "1029")]);
    cases
}

fn tasks(cases: &mut Cases, draft: &'static str, ended: &'static str) {
    let numbers: Vec<String> = (0..10_001).map(|n| format!("1380{n:07}")).collect();
    let too_many_to_delete = leaked(numbers.join(","));
    let rows: Vec<String> = numbers.iter().map(|n| format!(r#"{{"phone":"{n}"}}"#)).collect();
    let too_many = leaked(format!("[{}]", rows.join(",")));
    let create = [("assigntype", "1"), ("assignagent", "1001"), ("telphone", ROWS), ("taskscale", "1:2")];
    cases.each(
        "Yccall.TaskCreat",
        &create,
        &[
            (&[("telphone", r#"[{"phone":"12x"}]"#)], "1002"),
            (&[("assignagent", "2001")], "1011"),
            (&[("assignagent", "7777")], "1012"),
            (&[("assignagent", "1003")], "1013"),
            (&[("disnumber", "4002")], "1019"),
            (&[("disnumber", "4009")], "1020"),
            (&[("assigntype", "2"), ("assignagent", "closed")], "1041"),
            (&[("assigntype", "3"), ("assignagent", "nobody")], "1043"),
        ],
    );
    cases.add("Yccall.TaskCreat", with(&create, &[("telphone", too_many)]), "1045");
    // Company 2 has no caller ids, so it may name any number, if it is one.
    let fields = with(&create, &[("assignagent", "2001"), ("disnumber", "4x")]);
    cases.add("Yccall.TaskCreat", fields, "1021");
    cases.0.last_mut().expect("just added").of_other = true;
    let append = [("taskid", draft), ("telphone", ROWS)];
    let unknown: &Changes = &[(&[("taskid", "1")], "1024")];
    cases.each("Yccall.TaskAdd", &append, unknown);
    cases.add("Yccall.TaskAdd", with(&append, &[("taskid", ended)]), "1044");
    cases.add("Yccall.TaskAdd", with(&append, &[("telphone", too_many)]), "1045");
    let open = [("taskid", ended), ("taskstatus", "1")];
    cases.each("Yccall.TaskSet", &open, unknown);
    cases.each("Yccall.TaskSet", &open, &[(&[], "1044")]);
    cases.each("Yccall.TaskInfo", &[], unknown);
    let again = [("taskid", ended)];
    cases.each("Yccall.taskCall", &again, unknown);
    cases.each("Yccall.taskCall", &again, &[(&[], "1002"), (&[("taskid", "running")], "1044")]);
    let delete = [("taskid", draft), ("telphone", LISTED)];
    cases.each("Yccall.taskDelPhone", &delete, &[(&[], "1020")]);
    cases.each("Yccall.taskDelPhone", &delete, unknown);
    cases.add("Yccall.taskDelPhone", with(&delete, &[("telphone", too_many_to_delete)]), "1045");
}

fn groups(cases: &mut Cases) {
    cases.each("Extgroup.AddExtgroup", &[("name", "sales")], &[(&[], "1002")]);
    cases.each(
        "Extgroup.DelExtgroup",
        &[("name", "sales")],
        &[(&[("name", "nobody")], "1043"), (&[], "1044")],
    );
    for service in ["Extgroup.AddExtnumber", "Extgroup.DelExtnumber"] {
        cases.each(
            service,
            &[("name", "sales"), ("extnumber", "1001")],
            &[
                (&[("extnumber", "2001")], "1011"),
                (&[("extnumber", "7777")], "1012"),
                (&[("name", "nobody")], "1043"),
            ],
        );
    }
    cases.each("Queue.AddQueue", &[("queuename", "sales")], &[(&[], "1002")]);
    cases.each("Queue.EditQueue", &[("queuename", "nobody")], &[(&[], "1043")]);
    let seat = [("queuename", "sales"), ("extnumber", "1001"), ("settype", "1"), ("crmid", "7")];
    for service in ["Queue.SipSignIn", "Queue.SipSignOut", "Queue.SetSeatsStatus"] {
        cases.each(
            service,
            &seat,
            &[
                (&[("extnumber", "2001")], "1011"),
                (&[("extnumber", "7777")], "1012"),
                (&[("queuename", "nobody")], "1043"),
            ],
        );
    }
    cases.each(
        "Queue.SipSignIn",
        &seat,
        &[(&[("extnumber", "1003")], "1013"), (&[("queuename", "closed")], "1041")],
    );
}

fn calls(cases: &mut Cases) {
    use Refusal::*;
    let make = vec![("extnumber", "1001"), ("destnumber", NUMBER)];
    let refused: &Changes = &[(&[("extnumber", "2001")], "1011"), (&[("extnumber", "7777")], "1012")];
    let unreachable: &Changes = &[(&[("extnumber", "1003")], "1013"), (&[("extnumber", "1004")], "1014")];
    for service in ["Call.MakeCall", "Call.MakePloyCall"] {
        cases.refused(service, &make, &[(Busy, "1010"), (NoTrunk, "1033"), (Unavailable, "1003")]);
        cases.each(service, &make, refused);
        cases.each(service, &make, unreachable);
        cases.each(
            service,
            &make,
            &[(&[("destnumber", "12x")], "1021"), (&[("destnumber", LISTED)], "1032")],
        );
    }
    cases.each(
        "Call.MakeCall",
        &make,
        &[(&[("disnumber", "4002")], "1019"), (&[("disnumber", "4009")], "1020")],
    );
    let fields = with(&make, &[("extnumber", "2001")]);
    cases.add("Call.MakePloyCall", fields, "1031");
    cases.0.last_mut().expect("just added").of_other = true;
    let hang_up = vec![("extnumber", "1002")];
    cases.refused("Call.HangupCall", &hang_up, &[]);
    cases.each("Call.HangupCall", &hang_up, refused);
    cases.each("Call.HangupCall", &hang_up, &[(&[], "1015")]);
    let watch = vec![("extnumber", "1001"), ("destnumber", "1002"), ("monitortype", "1"), ("forcetype", "1")];
    for service in ["Call.SpyCall", "Call.ForceCall"] {
        cases.refused(service, &watch, &[(Busy, "1010"), (NotInCall, "1015")]);
        cases.each(service, &watch, refused);
        cases.each(service, &watch, unreachable);
    }
    let transfer = vec![("anumber", "1001"), ("destnumber", "1002"), ("transfertype", "1")];
    let answers = [(TargetBusy, "1010"), (NotInCall, "1015"), (NobodyReady, "1033")];
    cases.refused("Call.TransferCall", &transfer, &answers);
    cases.each(
        "Call.TransferCall",
        &transfer,
        &[
            (&[("anumber", "2001")], "1011"),
            (&[("anumber", "7777")], "1012"),
            (&[("destnumber", "1003")], "1013"),
            (&[("destnumber", "1004")], "1014"),
            (&[("transfertype", "2"), ("destnumber", "nobody")], "1043"),
        ],
    );
}

fn leaked(text: String) -> &'static str {
    text.leak()
}

async fn task(desk: &Desk, client_id: &str, status: &str) -> &'static str {
    let fields = [
        ("assigntype", "2"),
        ("assignagent", "sales"),
        ("telphone", ROWS),
        ("taskscale", "1:2"),
        ("customtaskid", client_id),
    ];
    let answer = desk.ask("Yccall.TaskCreat", &fields).await;
    let id = result(&answer)["taskid"].as_str().expect("a string").to_owned();
    if !status.is_empty() {
        result(&desk.ask("Yccall.TaskSet", &[("taskid", &id), ("taskstatus", status)]).await);
    }
    leaked(id)
}

/// A desk on which all of the cases come true.
async fn desk_of_all() -> Desk {
    let desk = Desk::open().await;
    for number in ["1001", "1002", "2001"] {
        desk.register(number);
    }
    let unregistered = NewExtension {
        company: CompanyId(1),
        number: "1004".to_owned(),
        password: "secret-1004".to_owned(),
        enabled: true,
    };
    desk.store().put_extension(&unregistered).expect("stored");
    let entry = DncEntry::Number(PhoneNumber::parse(LISTED).expect("a number"));
    let list = DncList { company: CompanyId(1), campaign: None };
    desk.store().add_dnc(wall_clock(), list, &[entry]).expect("stored");
    result(&desk.ask("Extgroup.AddExtgroup", &[("name", "closed"), ("status", "0")]).await);
    desk
}

async fn try_case(desk: &Desk, case: &Case, lang: &'static str) -> Value {
    {
        let mut world = desk.world.lock().expect("no panic");
        (world.refusal, world.is_stopping) = (case.refusal, case.is_stopping);
    }
    let token = if case.of_other { &desk.other_token } else { &desk.token };
    desk.ask_with(token, case.service, &with(&case.fields, &[("lang", lang)])).await
}

/// Of the table of codes by service.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let text = include_str!("../../../../../docs/api.md");
    let (_, table) = text.split_once("| failure of | codes |").expect("the table of codes by service");
    let lines = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let mut codes = BTreeMap::<String, BTreeSet<String>>::new();
    for line in lines {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (services, numbers) = (cells.next().expect("services"), cells.next().expect("codes"));
        for service in services.split(',') {
            let service = service.trim().trim_matches('`').to_owned();
            codes.entry(service).or_default().extend(numbers.split(", ").map(str::to_owned));
        }
    }
    codes
}

fn descriptions(service: &str) -> (&'static str, &'static str) {
    let found = DESCRIPTIONS.iter().find(|(.., services)| services.contains(&service));
    let (done, failed, _) = found.expect("every service has its texts");
    (done, failed)
}

#[tokio::test]
async fn every_service_gives_every_code_that_is_documented_for_it_in_both_languages() {
    let desk = desk_of_all().await;
    let (draft, ended) = (task(&desk, "d", "").await, task(&desk, "e", "3").await);
    let running = task(&desk, "r", "1").await;
    let mut cases = cases(draft, ended);
    let mut seen = BTreeMap::<String, BTreeSet<String>>::new();
    for case in &mut cases.0 {
        for field in case.fields.iter_mut().filter(|f| f.1 == "running") {
            field.1 = running;
        }
        let chinese = try_case(&desk, case, "zh").await;
        let about = format!("{} {:?}: {chinese}", case.service, case.expected);
        assert_eq!(code(&chinese), case.expected, "{about}");
        let text = CODES.iter().find(|(code, _)| *code == case.expected).expect("a code of the contract").1;
        assert_eq!(chinese["data"]["errors"]["codemsg"], json!(text), "{about}");
        let desc = chinese["data"]["desc"].as_str().expect("a text");
        assert!(desc.starts_with(descriptions(case.service).1), "{about}");
        let english = try_case(&desk, case, "en").await;
        assert_eq!(code(&english), case.expected, "{english}");
        for text in [&english["data"]["errors"]["codemsg"], &english["data"]["desc"]] {
            let text = text.as_str().expect("a text");
            assert!(!text.is_empty() && text.is_ascii(), "{text} of {}", case.service);
        }
        seen.entry(case.service.to_owned()).or_default().insert(case.expected.to_owned());
    }
    assert_eq!(seen, documented(), "left: what was seen; right: what docs/api.md says");
    let all: BTreeSet<&str> = seen.values().flatten().map(String::as_str).collect();
    assert_eq!(all, CODES.iter().map(|(code, _)| *code).collect(), "every code has a service that gives it");
}

#[tokio::test]
async fn a_policy_whose_caller_ids_are_all_disabled_has_no_resource() {
    let desk = desk_of_all().await;
    let company = desk.store().extension("2001").expect("readable").expect("exists").company;
    let off = CallerId {
        company,
        number: "4008".to_owned(),
        enabled: false,
        automatic: true,
        inbound: None,
        inbound_group: String::new(),
    };
    desk.store().put_caller_id(&off).expect("stored");
    let fields = [("extnumber", "2001"), ("destnumber", NUMBER)];
    assert_eq!(code(&desk.ask_with(&desk.other_token, "Call.MakePloyCall", &fields).await), "1033");
}

#[tokio::test]
async fn every_service_says_that_it_worked_in_both_languages() {
    let desk = desk_of_all().await;
    let taskid = task(&desk, "t", "").await;
    let talking = vec![desk.view("1001", AgentState::Talking), desk.view("1002", AgentState::Talking)];
    desk.show_agents(talking);
    let mut tried = BTreeSet::new();
    for service in service_names().filter(|s| !s.starts_with("App.Sip_Auth.")) {
        let short = service.trim_start_matches("App.Sip_");
        for lang in ["zh", "en"] {
            let fresh = short.contains(".Add") && !short.ends_with("number");
            let name = if fresh { format!("{lang} {short}") } else { "sales".to_owned() };
            let mut fields = vec![
                ("lang", lang),
                ("taskid", taskid),
                ("taskstatus", "2"),
                ("telphone", if short.ends_with("taskDelPhone") { NUMBER } else { ROWS }),
                ("assigntype", "2"),
                ("assignagent", "sales"),
                ("taskscale", "1:2"),
                ("extnumber", "1001"),
                ("anumber", "1001"),
                (
                    "destnumber",
                    if short.contains("MakeP") || short.contains("MakeC") { NUMBER } else { "1002" },
                ),
                ("monitortype", "1"),
                ("forcetype", "1"),
                ("transfertype", "1"),
                ("settype", "2"),
                ("name", &name),
                ("queuename", &name),
                ("starttime", "2020-01-01"),
                ("endtime", "2099-01-01"),
            ];
            // These have their own tests: what they work on is gone after the first time, or needs a call that ended.
            if ["Yccall.taskDelPhone", "Yccall.taskCall", "Extgroup.DelExtgroup", "Cdr.GetRecodeFile"]
                .contains(&short)
            {
                continue;
            }
            if short.ends_with("Info") || short.ends_with("Status") || short.starts_with("Queue.Get") {
                fields.retain(|f| f.0 != "status");
            }
            let answer = desk.ask(short, &fields).await;
            result(&answer);
            let desc = answer["data"]["desc"].as_str().expect("a text");
            match lang {
                "zh" => assert_eq!(desc, descriptions(short).0, "{short}"),
                _ => assert!(!desc.is_empty() && desc.is_ascii(), "{short}: {desc}"),
            }
            tried.insert(short);
        }
    }
    assert_eq!(tried.len() + 4, service_names().count() - 2);
}

#[tokio::test]
async fn what_is_deleted_or_called_again_is_told_in_both_languages() {
    let desk = desk_of_all().await;
    for (lang, deleted, set) in [("zh", "删除成功", "设置成功"), ("en", "Deleted", "Set")] {
        let taskid = task(&desk, "", "").await;
        let fields = [("taskid", taskid), ("telphone", NUMBER), ("lang", lang)];
        assert_eq!(desk.ask("Yccall.taskDelPhone", &fields).await["data"]["desc"], json!(deleted));
        result(&desk.ask("Extgroup.AddExtgroup", &[("name", "short")]).await);
        let fields = [("name", "short"), ("lang", lang)];
        assert_eq!(desk.ask("Extgroup.DelExtgroup", &fields).await["data"]["desc"], json!(deleted));
        let fields = [("taskid", taskid), ("taskstatus", "3"), ("lang", lang)];
        assert_eq!(desk.ask("Yccall.TaskSet", &fields).await["data"]["desc"], json!(set));
    }
}

#[tokio::test]
async fn failures_of_the_platform_are_told_in_both_languages() {
    let desk = Desk::open().await;
    let allowed = NewCompany { allow_from: vec!["10.0.0.0/8".to_owned()], ..company("1") };
    let ended = NewCompany { licensed_until: Some(Timestamp(1)), ..company("2") };
    let (token, other) = (desk.token.as_str(), desk.other_token.as_str());
    let info = ("service", "App.Sip_Yccall.TaskInfo");
    let login = ("service", "App.Sip_Auth.Login");
    let mut cases: Vec<(i64, Vec<(&str, &str)>)> = vec![
        (400, vec![info, ("token", token)]),
        (404, vec![("service", "App.X.Y")]),
        (600, vec![info, ("token", "0123456789abcdef")]),
        (601, vec![login, ("appid", "app-1"), ("accesskey", "wrong")]),
    ];
    for (number, fields) in &cases {
        in_both_languages(&desk, *number, fields).await;
    }
    desk.world.lock().expect("no panic").is_deaf = true;
    let status = ("service", "App.Sip_Status.GetSipCallStatus");
    in_both_languages(&desk, 500, &[status, ("token", token), ("extnumber", "1001")]).await;
    desk.change(&allowed);
    desk.change(&ended);
    cases = vec![
        (602, vec![info, ("token", other), ("taskid", "1")]),
        (604, vec![info, ("token", token), ("taskid", "1")]),
        (602, vec![login, ("appid", "app-2"), ("accesskey", "key-2")]),
        (604, vec![login, ("appid", "app-1"), ("accesskey", "key-1")]),
    ];
    for (number, fields) in &cases {
        in_both_languages(&desk, *number, fields).await;
    }
}

async fn in_both_languages(desk: &Desk, number: i64, fields: &[(&str, &str)]) {
    for lang in ["zh", "en"] {
        let mut fields = fields.to_vec();
        fields.push(("lang", lang));
        let answer = desk.form(&fields).await;
        let (ret, msg) = refusal(&answer);
        assert_eq!(ret, number, "{fields:?}");
        assert_eq!(msg.is_ascii(), lang == "en", "{msg}");
        assert!(!msg.is_empty());
    }
}

#[tokio::test]
async fn a_seat_that_let_its_offer_ring_and_one_that_declined_it_are_told_apart() {
    let desk = Desk::open().await;
    let member = [("queuename", "sales"), ("extnumber", "1001")];
    result(&desk.ask("Queue.SipSignIn", &member).await);
    for (missed, expected) in [(None, 1217), (Some(Miss::NotPickedUp), 1212), (Some(Miss::Declined), 1216)] {
        desk.show_agents(vec![AgentView { missed_now: missed, ..desk.view("1001", AgentState::WrapUp) }]);
        let answer = desk.ask("Queue.GetQueueSipStatus", &[]).await;
        assert_eq!(result(&answer)[0]["state"], json!(expected));
    }
}

#[tokio::test]
async fn an_agent_whose_customer_is_being_reached_is_off_hook() {
    let desk = Desk::open().await;
    desk.register("1001");
    let mut view = desk.view("1001", AgentState::Offered);
    view.call.as_mut().expect("an offered call").awaits_customer = true;
    desk.show_agents(vec![view]);
    let answer = desk.ask("Status.GetSipCallStatus", &[("extnumber", "1001")]).await;
    assert_eq!(result(&answer)[0]["status"], json!(1203));
}

#[tokio::test]
async fn a_disabled_caller_id_is_shown_as_such() {
    let desk = Desk::open().await;
    let answer = desk.ask("Disnum.GetDisnumberInfo", &[]).await;
    let codes: Vec<_> = result(&answer).as_array().expect("a list").iter().map(|r| &r["status"]).collect();
    assert_eq!(codes, [&json!(1018), &json!(1019), &json!(1018), &json!(1018)]);
}
