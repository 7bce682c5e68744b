//! Goal: a client sees what its extensions are and do, and can end a call.

use super::*;

#[tokio::test]
async fn extensions_are_listed_with_password_status_and_registration() {
    let desk = Desk::open().await;
    desk.register("1001");
    let numbers = async |fields: &[(&str, &str)]| {
        let answer = desk.ask("Sipnum.GetSipnumberInfo", fields).await;
        let rows = result(&answer).as_array().expect("a list").clone();
        rows.iter().map(|r| r["extnumber"].as_str().expect("a string").to_owned()).collect::<Vec<_>>()
    };
    let answer = desk.ask("Sipnum.GetSipnumberInfo", &[("extnumber", "1001")]).await;
    assert_eq!(
        result(&answer),
        &json!([{"extnumber": "1001", "password": "secret-1001", "status": 1016, "register": "reg"}])
    );
    assert_eq!(numbers(&[]).await, ["1001", "1002"]);
    assert_eq!(numbers(&[("status", "2")]).await, ["1003"]);
    assert_eq!(numbers(&[("status", "3")]).await, ["1001", "1002", "1003"]);
    assert_eq!(numbers(&[("extnumber", "1002,2001,9999")]).await, ["1002"]);
    assert_eq!(refusal(&desk.ask("Sipnum.GetSipnumberInfo", &[("status", "4")]).await).0, 400);
    let answer = desk.ask("Sipnum.GetSipnumberInfo", &[("status", "2")]).await;
    assert_eq!(
        (&result(&answer)[0]["status"], &result(&answer)[0]["register"]),
        (&json!(1013), &json!("nreg"))
    );
}

#[tokio::test]
async fn call_status_has_a_row_for_every_extension_asked() {
    let desk = Desk::open().await;
    let answer = desk.ask("Status.GetSipCallStatus", &[("extnumber", "1001,1003,2001,9999")]).await;
    let codes: Vec<Value> =
        result(&answer).as_array().expect("a list").iter().map(|r| r["status"].clone()).collect();
    assert_eq!(codes, [1014, 1013, 1012, 1012].map(|c| json!(c)));
    assert_eq!(
        result(&answer)[0],
        json!({
            "extnumber": "1001", "status": 1014, "caller": null, "callee": null, "disnumber": null,
            "direction": null, "channel": null, "idleduration": null, "callduration": null,
        })
    );
    assert_eq!(refusal(&desk.ask("Status.GetSipCallStatus", &[]).await).0, 400);
}

#[tokio::test]
async fn call_status_follows_the_agent() {
    let desk = Desk::open().await;
    desk.register("1001");
    let status = async |state: Option<AgentState>| {
        desk.show_agents(state.map(|s| desk.view("1001", s)).into_iter().collect());
        let answer = desk.ask("Status.GetSipCallStatus", &[("extnumber", "1001")]).await;
        result(&answer)[0].clone()
    };
    for (state, code) in [
        (None, 1201),
        (Some(AgentState::SignedOut), 1201),
        (Some(AgentState::Ready), 1201),
        (Some(AgentState::Offered), 1202),
        (Some(AgentState::Talking), 1204),
        (Some(AgentState::Paused), 1208),
        (Some(AgentState::WrapUp), 1208),
    ] {
        assert_eq!(status(state).await["status"], json!(code), "{state:?}");
    }
    let ready = status(Some(AgentState::Ready)).await;
    assert!((20..23).contains(&ready["idleduration"].as_u64().expect("an int")));
    assert_eq!((&ready["callee"], &ready["callduration"]), (&Value::Null, &Value::Null));
    let talking = status(Some(AgentState::Talking)).await;
    assert!((20..23).contains(&talking["callduration"].as_u64().expect("an int")));
    assert_eq!(
        ["caller", "callee", "disnumber", "direction", "idleduration"].map(|k| talking[k].clone()),
        [json!("1001"), json!("13800138000"), json!("4001"), json!("callout"), Value::Null]
    );
    assert_eq!(talking["channel"], json!(CallId(7).to_string()));
    desk.handle.put_registration(desk.agent("1001"), None);
    assert_eq!(status(Some(AgentState::Talking)).await["status"], json!(1204), "the call is still there");
    assert_eq!(status(Some(AgentState::Ready)).await["status"], json!(1014));
}

#[tokio::test]
async fn registration_and_validity_are_told() {
    let desk = Desk::open().await;
    desk.register("1001");
    let asked = [("extnumber", "1001,1002,1003,2001")];
    let answer = desk.ask("Status.GetSipRegisterStatus", &asked).await;
    assert_eq!(
        result(&answer),
        &json!([
            {"extnumber": "1001", "code": 1017, "clientip": "10.0.0.9", "serverip": null},
            {"extnumber": "1002", "code": 1014, "clientip": null, "serverip": null},
            {"extnumber": "1003", "code": 1014, "clientip": null, "serverip": null},
            {"extnumber": "2001", "code": 1014, "clientip": null, "serverip": null},
        ])
    );
    let answer = desk.ask("Status.GetSipValidStatus", &asked).await;
    assert_eq!(
        result(&answer),
        &json!([
            {"extnumber": "1001", "code": 1016}, {"extnumber": "1002", "code": 1016},
            {"extnumber": "1003", "code": 1013}, {"extnumber": "2001", "code": 1012},
        ])
    );
}

#[tokio::test]
async fn caller_ids_are_listed() {
    let desk = Desk::open().await;
    let answer = desk.ask("Disnum.GetDisnumberInfo", &[]).await;
    assert_eq!(result(&answer).as_array().map(Vec::len), Some(4));
    let answer = desk.ask("Disnum.GetDisnumberInfo", &[("autocall", "2")]).await;
    assert_eq!(
        result(&answer),
        &json!([{"disnumber": "4001", "status": 1018}, {"disnumber": "4004", "status": 1018}])
    );
}

#[tokio::test]
async fn a_call_is_hung_up_and_none_is_1015() {
    let desk = Desk::open().await;
    let hang_up = async |number: &str| desk.ask("Call.HangupCall", &[("extnumber", number)]).await;
    desk.show_agents(vec![desk.view("1001", AgentState::Talking), desk.view("1002", AgentState::Ready)]);
    let answer = hang_up("1001").await;
    assert_eq!(answer["data"]["desc"], json!("请求成功"));
    assert!(desk.told().await[0].starts_with("HangUp"));
    assert_eq!(code(&hang_up("1002").await), "1015");
    assert_eq!(code(&hang_up("1003").await), "1015");
    assert_eq!(code(&hang_up("2001").await), "1011");
    assert_eq!(code(&hang_up("9999").await), "1012");
    assert!(desk.told().await.is_empty());
}
