//! Goal: the commands for calls check what they are given, and hand the rest to the run loop.

use engine::compliance::DncEntry;
use engine::{CompanyId, PhoneNumber};

use store::DncList;

use super::*;

const NUMBER: &str = "13800138000";

async fn make(desk: &Desk, more: &[(&str, &str)]) -> Value {
    let mut fields = vec![("extnumber", "1001"), ("destnumber", NUMBER)];
    fields.retain(|f| !more.iter().any(|m| m.0 == f.0));
    fields.extend_from_slice(more);
    desk.ask("Call.MakeCall", &fields).await
}

#[tokio::test]
async fn make_call_carries_all_it_was_given_and_enabled_caller_ids_only() {
    let desk = Desk::open().await;
    desk.register("1001");
    let tags =
        [("userid", "u"), ("memberid", "m"), ("ext", "e"), ("customuuid", "c"), ("callmethod", "reverse")];
    let answer = make(&desk, &tags).await;
    assert_eq!(answer["data"]["desc"], json!("请求成功"), "{answer}");
    assert!(answer["data"].get("result").is_none());
    let told = desk.told().await.join("\n");
    for part in [
        "MakeCall",
        "first: Customer",
        r#"caller_ids: ["4001", "4003", "4004"]"#,
        r#"user_id: "u", member_id: "m", ext: "e", custom_uuid: "c""#,
    ] {
        assert!(told.contains(part), "{part} in {told}");
    }
    make(&desk, &[("disnumber", "4003")]).await;
    let told = desk.told().await.join("\n");
    assert!(told.contains(r#"caller_ids: ["4003"]"#) && told.contains("first: Agent"), "{told}");
}

#[tokio::test]
async fn what_cannot_be_called_is_refused_before_anything_is_told() {
    let desk = Desk::open().await;
    desk.register("1001");
    for (more, expected) in [
        (("extnumber", "2001"), "1011"),
        (("extnumber", "7777"), "1012"),
        (("extnumber", "1003"), "1013"),
        (("extnumber", "1002"), "1014"),
        (("destnumber", "12x"), "1021"),
        (("disnumber", "4002"), "1019"),
        (("disnumber", "4009"), "1020"),
    ] {
        let answer = make(&desk, &[more]).await;
        assert_eq!(code(&answer), expected, "{more:?}");
    }
    assert_eq!(make(&desk, &[("callmethod", "sideways")]).await["ret"], json!(400));
    assert!(desk.told().await.is_empty());
}

#[tokio::test]
async fn a_number_that_the_companys_rules_forbid_is_not_called() {
    let desk = Desk::open().await;
    desk.register("1001");
    let entry = DncEntry::Number(PhoneNumber::parse(NUMBER).expect("a number"));
    desk.store()
        .add_dnc(wall_clock(), DncList { company: CompanyId(1), campaign: None }, &[entry])
        .expect("stored");
    assert_eq!(code(&make(&desk, &[]).await), "1032");
    assert!(desk.told().await.is_empty());
}

#[tokio::test]
async fn a_policy_needs_caller_ids() {
    let desk = Desk::open().await;
    desk.register("1001");
    desk.register("2001");
    let fields = [("extnumber", "2001"), ("destnumber", NUMBER)];
    let other = |desk: &Desk| desk.other_token.clone();
    let answer = desk.ask_with(&other(&desk), "Call.MakePloyCall", &fields).await;
    assert_eq!(code(&answer), "1031");
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
    let answer = desk.ask_with(&other(&desk), "Call.MakePloyCall", &fields).await;
    assert_eq!(code(&answer), "1033");
    let answer = desk.ask("Call.MakePloyCall", &[("extnumber", "1001"), ("destnumber", NUMBER)]).await;
    assert_eq!(answer["data"]["status"], json!(0), "{answer}");
}

#[tokio::test]
async fn a_refusal_of_the_run_loop_has_its_code() {
    use engine::Refusal::*;
    let desk = Desk::open().await;
    desk.register("1001");
    desk.register("1002");
    let spy = [("extnumber", "1001"), ("destnumber", "1002"), ("monitortype", "1")];
    let transfer = [("anumber", "1001"), ("destnumber", "1002"), ("transfertype", "1")];
    for (refusal, service, fields, expected) in [
        (Busy, "Call.SpyCall", &spy, "1010"),
        (NotInCall, "Call.SpyCall", &spy, "1015"),
        (NotWatching, "Call.SpyCall", &spy, "1015"),
        (TargetBusy, "Call.TransferCall", &transfer, "1010"),
        (NobodyReady, "Call.TransferCall", &transfer, "1033"),
        (NotInCall, "Call.TransferCall", &transfer, "1015"),
    ] {
        desk.world.lock().expect("no panic").refusal = Some(refusal);
        assert_eq!(code(&desk.ask(service, fields).await), expected, "{refusal:?}");
    }
    for (monitortype, mode) in [("1", "Listen"), ("2", "Whisper"), ("3", "Listen"), ("4", "ThreeWay")] {
        desk.told().await;
        desk.world.lock().expect("no panic").refusal = None;
        let fields = [("extnumber", "1001"), ("destnumber", "1002"), ("monitortype", monitortype)];
        assert_eq!(desk.ask("Call.SpyCall", &fields).await["data"]["status"], json!(0));
        let told = desk.told().await.join("");
        assert!(told.contains(mode), "{told}");
        assert_eq!(told.contains("InCallOnly"), monitortype == "3", "{told}");
    }
}
