//! Goal: users log in, and guessing does not pay.

use super::*;
use crate::api::v1::Needs;
use store::Scope;

/// Cookie and CSRF token.
struct LoggedIn {
    cookie: String,
    csrf: String,
}

impl Desk {
    async fn try_login(&self, name: &str, password: &str) -> Told {
        let body = json!({"company": "1", "name": name, "password": password});
        self.v1_with(&[], Method::POST, "session", body).await
    }

    async fn log_in(&self, name: &str) -> LoggedIn {
        let told = self.try_login(name, "a good password").await;
        let header = told.headers["set-cookie"].to_str().expect("ASCII").to_owned();
        assert!(header.contains("; HttpOnly; SameSite=Strict"), "{header}");
        let cookie = header.split(';').next().expect("a cookie").to_owned();
        let csrf = told.is(200)["csrf_token"].as_str().expect("a text").to_owned();
        LoggedIn { cookie, csrf }
    }

    async fn as_user(&self, user: &LoggedIn, method: Method, path: &str, body: Value) -> Told {
        let headers = [("cookie", user.cookie.as_str()), ("x-csrf-token", user.csrf.as_str())];
        self.v1_with(&headers, method, path, body).await
    }
}

#[tokio::test]
async fn a_user_logs_in_works_and_logs_out() {
    let desk = Desk::open().await;
    desk.user("ann", Role::Supervisor, "");
    let ann = desk.log_in("ann").await;
    let session = desk.as_user(&ann, Method::GET, "session", Value::Null).await.is(200);
    assert_eq!((&session["who"], &session["role"]), (&json!("user:ann"), &json!("supervisor")));
    assert_eq!(session["csrf_token"], json!(ann.csrf));
    desk.as_user(&ann, Method::POST, "groups", json!({"name": "new"})).await.is(201);
    assert_eq!(desk.as_user(&ann, Method::GET, "users", Value::Null).await.problem(403), "forbidden");
    desk.as_user(&ann, Method::DELETE, "session", Value::Null).await.is(204);
    assert_eq!(desk.as_user(&ann, Method::GET, "session", Value::Null).await.problem(401), "unauthorized");
    let trail = desk.get("audit").await.is(200);
    let actions: Vec<_> =
        trail["items"].as_array().expect("a list").iter().map(|e| e["action"].clone()).collect();
    assert_eq!(actions, ["logOut", "createGroup", "logIn"]);
}

#[tokio::test]
async fn a_change_by_cookie_needs_the_token_of_the_page() {
    let desk = Desk::open().await;
    desk.user("ann", Role::Owner, "");
    let ann = desk.log_in("ann").await;
    for csrf in ["", "nonsense"] {
        let forged = LoggedIn { cookie: ann.cookie.clone(), csrf: csrf.to_owned() };
        let told = desk.as_user(&forged, Method::POST, "groups", json!({"name": "new"})).await;
        assert_eq!(told.problem(403), "csrf");
        desk.as_user(&forged, Method::GET, "groups", Value::Null).await.is(200);
    }
}

#[tokio::test]
async fn wrong_logins_are_alike_and_lock_out() {
    let config = Api { login_failures_per_minute_max: 0, requests_per_second_max: 0, ..Api::default() };
    let desk = Desk::open_with(&config).await;
    desk.user("ann", Role::Owner, "");
    let nobody = desk.try_login("nobody", "a good password").await.is(401);
    assert_eq!(desk.try_login("ann", "a bad password").await.is(401), nobody);
    for _ in 0..9 {
        assert_eq!(desk.try_login("ann", "a bad password").await.problem(401), "wrong_login");
    }
    assert_eq!(desk.try_login("ann", "a good password").await.problem(429), "locked_out");
    assert_eq!(desk.try_login("nobody", "a good password").await.problem(401), "wrong_login");
}

#[tokio::test]
async fn an_address_that_guesses_is_locked_out_whatever_the_user() {
    let config = Api { login_failures_per_minute_max: 3, requests_per_second_max: 0, ..Api::default() };
    let desk = Desk::open_with(&config).await;
    desk.user("ann", Role::Owner, "");
    for name in ["a", "b", "c"] {
        assert_eq!(desk.try_login(name, "a bad password").await.problem(401), "wrong_login");
    }
    assert_eq!(desk.try_login("ann", "a good password").await.problem(429), "locked_out");
}

#[tokio::test]
async fn logins_do_not_take_the_machine() {
    let config = Api { login_failures_per_minute_max: 0, requests_per_second_max: 0, ..Api::default() };
    let desk = Arc::new(Desk::open_with(&config).await);
    let guesses: Vec<_> = (0..40)
        .map(|n| {
            let desk = desk.clone();
            tokio::spawn(async move { desk.try_login(&format!("user{n}"), "a bad password").await.status })
        })
        .collect();
    // Others are served meanwhile.
    desk.get("company").await.is(200);
    let mut answers = Vec::new();
    for guess in guesses {
        answers.push(guess.await.expect("no panic"));
    }
    assert!(answers.iter().all(|status| matches!(status, 401 | 429)), "{answers:?}");
}

#[tokio::test]
async fn an_agent_commands_the_own_extension_only_and_sees_masked_numbers() {
    let desk = Desk::open().await;
    desk.user("bob", Role::Agent, "1001");
    let bob = desk.log_in("bob").await;
    let pause = json!({"paused": true});
    desk.as_user(&bob, Method::PATCH, "agents/1001", pause.clone()).await.is(200);
    assert_eq!(desk.as_user(&bob, Method::PATCH, "agents/1002", pause).await.problem(403), "forbidden");
    let group = desk.get("groups").await.is(200)["items"][0]["id"].clone();
    let sign_in = json!({"signed_in": true});
    desk.as_user(&bob, Method::PUT, &format!("groups/{group}/members/1001"), sign_in.clone()).await.is(200);
    let other = desk.as_user(&bob, Method::PUT, &format!("groups/{group}/members/1002"), sign_in).await;
    assert_eq!(other.problem(403), "forbidden");
    let id = desk.draft(&["13812345678"]).await;
    let leads = desk.as_user(&bob, Method::GET, &format!("campaigns/{id}/leads"), Value::Null).await.is(200);
    assert_eq!(leads["items"][0]["number"], json!("138****5678"));
    let new = json!({"agents": {"group": "sales"}});
    assert_eq!(desk.as_user(&bob, Method::POST, "campaigns", new).await.problem(403), "forbidden");
    desk.user("eve", Role::Agent, "");
    let eve = desk.log_in("eve").await;
    let told = desk.as_user(&eve, Method::PATCH, "agents/1001", json!({"paused": false})).await;
    assert_eq!(told.problem(403), "forbidden", "an agent without an extension");
}

#[tokio::test]
async fn users_are_managed_and_their_sessions_end_with_them() {
    let desk = Desk::open().await;
    let new = json!({"name": "ann", "role": "owner", "password": "a good password"});
    let created = desk.v1(Method::POST, "users", new.clone()).await.is(201);
    assert_eq!((&created["role"], &created["enabled"]), (&json!("owner"), &json!(true)));
    assert_eq!(desk.v1(Method::POST, "users", new).await.problem(409), "taken");
    let short = json!({"name": "x", "role": "agent", "password": "short"});
    assert_eq!(desk.v1(Method::POST, "users", short).await.problem(400), "invalid_request");
    let stranger = json!({"name": "x", "role": "agent", "password": "long enough", "extension": "2001"});
    assert_eq!(desk.v1(Method::POST, "users", stranger).await.problem(409), "no_such_extension");
    let patch = async |body: Value| desk.v1(Method::PATCH, "users/ann", body).await;
    assert_eq!(patch(json!({"enabled": false})).await.problem(409), "last_owner");
    assert_eq!(patch(json!({"role": "agent"})).await.problem(409), "last_owner");
    desk.user("boss", Role::Owner, "");
    let ann = desk.log_in("ann").await;
    patch(json!({"password": "another password"})).await.is(200);
    assert_eq!(desk.as_user(&ann, Method::GET, "session", Value::Null).await.problem(401), "unauthorized");
    assert_eq!(desk.try_login("ann", "a good password").await.problem(401), "wrong_login");
    desk.try_login("ann", "another password").await.is(200);
    patch(json!({"enabled": false})).await.is(200);
    assert_eq!(desk.try_login("ann", "another password").await.problem(401), "wrong_login");
    let listed = desk.get("users").await.is(200);
    assert_eq!(listed["items"][0]["enabled"], json!(false));
    assert!(!listed.to_string().contains("argon2"));
}

/// What the role may do, by docs/access.md.
fn may(role: Role, needs: Needs) -> bool {
    let scope = match needs {
        Needs::Nobody | Needs::Anyone => return true,
        Needs::OwnExtension => Scope::Calls,
        Needs::Scope(scope) => scope,
    };
    match role {
        Role::Owner => true,
        Role::Supervisor => matches!(scope, Scope::Read | Scope::Write | Scope::Calls | Scope::Personal),
        Role::Agent => scope == Scope::Read || needs == Needs::OwnExtension,
        Role::ReadOnly => scope == Scope::Read,
    }
}

#[tokio::test]
async fn every_route_lets_in_the_roles_that_it_is_for_and_no_other() {
    let desk = Desk::open().await;
    desk.user("boss", Role::Owner, "");
    let mut tried = 0;
    for (name, role, extension) in [
        ("reader", Role::ReadOnly, ""),
        ("agent", Role::Agent, "1001"),
        ("supervisor", Role::Supervisor, ""),
        ("owner", Role::Owner, ""),
    ] {
        desk.user(name, role, extension);
        let user = desk.log_in(name).await;
        // What ends the session or reads for ever is tried elsewhere.
        let routes = crate::api::v1::routes().into_iter();
        for route in routes.filter(|r| !["logIn", "logOut", "watchEvents"].contains(&r.name)) {
            let mut path = route.path.trim_start_matches("/v1/").to_owned();
            for part in crate::api::v1::part_names(&route) {
                // The own extension; of all else there is nothing.
                let value = match part {
                    "extension" => "1001",
                    "call" => "00000000-0000-7000-8000-000000000000",
                    "trunk" | "user" | "upload" => "none",
                    _ => "987654321",
                };
                path = path.replace(&format!("{{{part}}}"), value);
            }
            // A body that no route takes: whoever may come in is told so.
            let body = if route.body.is_some() { json!({"no such field": 1}) } else { Value::Null };
            let told = desk.as_user(&user, route.method.clone(), &path, body).await;
            let is_refused = told.status == 403;
            assert_eq!(
                is_refused,
                !may(role, route.needs),
                "{role:?} {}: {} {}",
                route.name,
                told.status,
                told.body
            );
            assert_ne!(told.status, 401, "{role:?} {}", route.name);
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried} requests");
}
