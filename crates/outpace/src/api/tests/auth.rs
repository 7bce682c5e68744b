//! Goal: who may do what, and for how long.

use super::*;

#[tokio::test]
async fn a_login_gives_a_token_with_the_fields_of_the_contract() {
    let desk = Desk::open().await;
    let answer = desk.login_answer("app-1", " key-1 ").await;
    assert_eq!(answer["data"]["desc"], json!("授权成功"));
    let got = result(&answer);
    assert_eq!(keys(got), ["companycode", "companyname", "token", "authtime", "authmodel"]);
    assert_eq!((&got["companycode"], &got["companyname"]), (&json!("1"), &json!("company 1")));
    assert_eq!((&got["authtime"], &got["authmodel"]), (&json!("2099-12-31 00:00:00"), &json!("")));
    let token = got["token"].as_str().expect("a string");
    assert!(token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit()));
    let stored = desk.store().token(wall_clock(), &Sha256::digest(token).into()).expect("readable");
    let left = stored.expect("only the hash is stored").expires_at.since(wall_clock()).as_secs();
    assert!((12 * 3600 - 5..=12 * 3600).contains(&left));
    desk.change(&NewCompany {
        licensed_until: Some(Timestamp::from_unix_seconds(1_893_427_200)),
        ..company("1")
    });
    let answer = desk.login_answer("app-1", "key-1").await;
    assert_eq!(result(&answer)["authtime"], json!("2030-01-01 00:00:00"));
}

#[tokio::test]
async fn wrong_keys_are_601_and_absent_ones_400() {
    let desk = Desk::open().await;
    assert_eq!(refusal(&desk.login_answer("app-1", "key-2").await), (601, "appid未授权或密钥错误"));
    assert_eq!(refusal(&desk.login_answer("nobody", "key-1").await).0, 601);
    let login = ("service", "App.Sip_Auth.Login");
    assert_eq!(refusal(&desk.form(&[login, ("accesskey", "x")]).await), (400, "非法请求：缺少必要参数appid"));
    let answer = desk.form(&[login, ("appid", "x")]).await;
    assert_eq!(refusal(&answer), (400, "非法请求：缺少必要参数accesskey"));
}

#[tokio::test]
async fn failed_logins_are_limited_for_their_appid() {
    let desk = Desk::open_with(&Api { login_failures_per_minute_max: 3, ..Api::default() }).await;
    for _ in 0..3 {
        assert_eq!(refusal(&desk.login_answer("app-1", "guess").await).0, 601);
    }
    assert_eq!(refusal(&desk.login_answer("app-1", "guess").await).0, 429);
    assert_eq!(
        refusal(&desk.login_answer("app-1", "key-1").await).0,
        429,
        "the right key cannot be guessed on"
    );
    result(&desk.login_answer("app-2", "key-2").await);
}

#[tokio::test]
async fn several_tokens_are_valid_at_once_and_logout_ends_one() {
    let desk = Desk::open().await;
    let second = desk.login("1").await;
    result(&desk.ask("Yccall.TaskList", &[]).await);
    result(&desk.ask_with(&second, "Yccall.TaskList", &[]).await);
    let answer = desk.ask_with(&second, "Auth.Logout", &[]).await;
    assert_eq!(answer["data"]["desc"], json!("注销成功"));
    assert!(answer["data"].get("result").is_none());
    assert_eq!(refusal(&desk.ask_with(&second, "Yccall.TaskList", &[]).await).0, 600, "at once");
    result(&desk.ask("Yccall.TaskList", &[]).await);
    assert_eq!(refusal(&desk.ask_with(&second, "Auth.Logout", &[]).await).0, 600);
}

#[tokio::test]
async fn logout_with_the_key_ends_all_tokens_of_the_appid() {
    let desk = Desk::open().await;
    let second = desk.login("1").await;
    result(&desk.ask("Yccall.TaskList", &[]).await);
    let logout = ("service", "App.Sip_Auth.Logout");
    let wrong = desk.form(&[logout, ("appid", "app-1"), ("accesskey", "no")]).await;
    assert_eq!(refusal(&wrong).0, 601);
    let answer = desk.form(&[logout, ("appid", "app-1"), ("accesskey", "key-1")]).await;
    assert_eq!(answer["data"]["status"], json!(0), "{answer}");
    for token in [&desk.token, &second] {
        assert_eq!(refusal(&desk.ask_with(token, "Yccall.TaskList", &[]).await).0, 600);
    }
    result(&desk.ask_with(&desk.other_token, "Yccall.TaskList", &[]).await);
}

#[tokio::test]
async fn an_expired_token_is_600() {
    let desk = Desk::open().await;
    let now = wall_clock();
    for (name, expires_at, ret) in
        [("old", Timestamp(now.0 - 1), 600), ("young", Timestamp(now.0 + 60_000_000), 200)]
    {
        desk.store()
            .put_token(&store::Token {
                sha256: Sha256::digest(name).into(),
                appid: "app-1".to_owned(),
                company: engine::CompanyId(1),
                expires_at,
            })
            .expect("stored");
        assert_eq!(desk.ask_with(name, "Yccall.TaskList", &[]).await["ret"], json!(ret), "{name}");
    }
}

#[tokio::test]
async fn a_bearer_token_is_accepted_and_a_field_wins_over_it() {
    let desk = Desk::open().await;
    let send = async |header: String, body: &'static str| {
        let request = Request::post("/?service=App.Sip_Yccall.TaskList")
            .header("authorization", header)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body));
        api_answer(desk.send(request.expect("a request")).await).await["ret"].clone()
    };
    assert_eq!(send(format!("Bearer {}", desk.token), "").await, json!(200));
    assert_eq!(send(format!("bearer  {}", desk.token), "token=").await, json!(200));
    assert_eq!(send(format!("Bearer {}", desk.token), "token=x").await, json!(600));
    assert_eq!(send(format!("Basic {}", desk.token), "").await, json!(600));
}

#[tokio::test]
async fn a_licence_that_ended_is_602_and_a_foreign_address_604() {
    let desk = Desk::open().await;
    let ended = Some(Timestamp(wall_clock().0 - 1));
    desk.change(&NewCompany { licensed_until: ended, ..company("1") });
    assert_eq!(refusal(&desk.ask("Yccall.TaskList", &[]).await), (602, "授权已到期"));
    assert_eq!(refusal(&desk.login_answer("app-1", "key-1").await).0, 602);
    desk.change(&NewCompany { allow_from: vec!["10.0.0.0/8".into()], ..company("1") });
    assert_eq!(refusal(&desk.ask("Yccall.TaskList", &[]).await).0, 604);
    assert_eq!(refusal(&desk.login_answer("app-1", "key-1").await).0, 604);
    assert_eq!(refusal(&desk.login_answer("app-1", "bad").await).0, 601, "a wrong key learns nothing more");
    desk.change(&NewCompany { allow_from: vec!["10.0.0.0/8".into(), "127.0.0.1".into()], ..company("1") });
    result(&desk.ask("Yccall.TaskList", &[]).await);
}

#[tokio::test]
async fn a_disabled_appid_is_601() {
    let desk = Desk::open().await;
    let mut key = desk.store().app_key("app-1").expect("readable").expect("exists");
    key.enabled = false;
    desk.store().put_app_key(&key).expect("stored");
    assert_eq!(refusal(&desk.login_answer("app-1", "key-1").await).0, 601);
    assert_eq!(refusal(&desk.ask("Yccall.TaskList", &[]).await).0, 601, "its tokens too");
}
