//! Groups: agents who share campaigns.

use std::collections::BTreeMap;

use engine::{AgentId, Strategy};
use serde_json::{Value, json};
use store::{Group, NewGroup, Queueing, SignIn};

use super::agents::at_extension;
use super::problem::Problem;
use super::route::{Needs, Route, run};
use super::schema::{Schema, boolean, count, field, integer, line, list, object, optional, text, word};
use super::visit::{Answer, Fields, Visit};
use crate::handle::Command;

const STRATEGIES: &[&str] = &[
    "longest_idle",
    "least_talk_time",
    "ring_all",
    "round_robin",
    "in_order",
    "random",
    "fewest_calls",
    "priority",
];

const RING: &str =
    "A phone rings for so long when customers call. 0: as the company says, which is the default.";
const WAIT: &str = "Customers who call wait for so long. 0: as the company says, which is the default.";
const ABSENT_WAIT: &str = "Of it while nobody of the group is at work. 0: not at all, which is the default.";

pub fn routes() -> Vec<Route> {
    let items = field("items", list(schema(), 0, usize::MAX), "");
    let member = "/v1/groups/{group}/members/{extension}";
    vec![
        Route::get("/v1/groups", "listGroups", run!(list_all))
            .about("All groups with their members.")
            .answers(200, object("Groups", vec![items])),
        Route::post("/v1/groups", "createGroup", run!(create))
            .about("A new group, without members.")
            .body(object("NewGroup", settings(true)))
            .repeatable()
            .answers(201, schema()),
        at_id(Route::get("/v1/groups/{group}", "getGroup", run!(get)))
            .about("One group.")
            .answers(200, schema()),
        at_id(Route::patch("/v1/groups/{group}", "changeGroup", run!(change)))
            .about("Changes what is given.")
            .body(object("GroupPatch", settings(false)))
            .answers(200, schema()),
        at_id(Route::delete("/v1/groups/{group}", "deleteGroup", run!(delete)))
            .about("Deletes a group that no campaign uses which has not ended."),
        at_extension(at_id(Route::put(member, "putMember", run!(put_member))))
            .about("Makes the extension a member, and signs the agent in or out when that is given.")
            .needs(Needs::OwnExtension)
            .body(object(
                "Member",
                vec![optional(
                    "signed_in",
                    boolean(),
                    "One who signs in is not paused any more. Absent: as it was; a new member is signed out.",
                )],
            ))
            .answers(200, schema()),
        at_extension(at_id(Route::delete(member, "deleteMember", run!(delete_member))))
            .about("Takes the member out."),
    ]
}

fn at_id(route: Route) -> Route {
    let mut route = route.path_part("group", integer(1, i64::MAX), "The group's id.");
    route.refusals = if route.changes() { &[404, 409] } else { &[404] };
    route
}

fn settings(new: bool) -> Vec<super::schema::Field> {
    let name = line(1, 100);
    vec![
        if new { field("name", name, "Unique.") } else { optional("name", name, "Unique.") },
        optional("enabled", boolean(), "Default: true."),
        optional("strategy", word(STRATEGIES), "Who gets an answered call. Default: longest_idle."),
        optional("remark", text(500), ""),
        optional("ring_seconds", integer(0, 3600), RING),
        optional("wait_seconds", integer(0, 3600), WAIT),
        optional("absent_wait_seconds", integer(0, 3600), ABSENT_WAIT),
    ]
}

fn schema() -> Schema {
    let member =
        object("MemberOfGroup", vec![field("extension", text(64), ""), field("signed_in", boolean(), "")]);
    object(
        "Group",
        vec![
            field("id", count(), ""),
            field("name", text(100), ""),
            field("enabled", boolean(), ""),
            field("strategy", word(STRATEGIES), ""),
            field("remark", text(500), ""),
            field("ring_seconds", integer(0, 3600), RING),
            field("wait_seconds", integer(0, 3600), WAIT),
            field("absent_wait_seconds", integer(0, 3600), ABSENT_WAIT),
            field("members", list(member, 0, usize::MAX), "In the order in which they came."),
        ],
    )
}

fn strategy_of(name: &str) -> Option<Strategy> {
    let place = STRATEGIES.iter().position(|s| *s == name)?;
    Strategy::from_code(i64::try_from(place).ok()? + 1)
}

fn strategy_name(strategy: Strategy) -> &'static str {
    // Codes go from 1 to 8, as the names stand.
    usize::try_from(strategy.code() - 1)
        .ok()
        .and_then(|place| STRATEGIES.get(place))
        .unwrap_or(&"longest_idle")
}

fn shown(group: &Group, numbers: &BTreeMap<AgentId, String>) -> Value {
    let members = group.members.iter().filter_map(|m| {
        let number = numbers.get(&m.agent)?;
        Some(json!({"extension": number, "signed_in": m.signed_in == SignIn::In}))
    });
    json!({
        "id": group.id.0,
        "name": group.name,
        "enabled": group.enabled,
        "strategy": strategy_name(group.strategy),
        "remark": group.remark,
        "ring_seconds": group.queueing.ring_s,
        "wait_seconds": group.queueing.wait_s,
        "absent_wait_seconds": group.queueing.absent_wait_s,
        "members": members.collect::<Vec<_>>(),
    })
}

async fn numbers(visit: &Visit) -> Result<BTreeMap<AgentId, String>, Problem> {
    Ok(visit.extensions().await?.into_iter().map(|e| (e.id, e.number)).collect())
}

async fn list_all(visit: Visit) -> Result<Answer, Problem> {
    let company = visit.company();
    let groups = visit.store(move |s| s.groups(company)).await?;
    let numbers = numbers(&visit).await?;
    let items: Vec<Value> = groups.iter().map(|g| shown(g, &numbers)).collect();
    Ok(Answer::ok(json!({ "items": items })))
}

async fn get(visit: Visit) -> Result<Answer, Problem> {
    Ok(Answer::ok(now(&visit).await?))
}

/// The group of the path as it stands.
async fn now(visit: &Visit) -> Result<Value, Problem> {
    Ok(shown(&visit.group().await?, &numbers(visit).await?))
}

async fn create(visit: Visit) -> Result<Answer, Problem> {
    let b = &visit.body;
    let group = NewGroup {
        company: visit.company(),
        name: b.text_or_empty("name"),
        enabled: b.boolean("enabled").unwrap_or(true),
        strategy: b.text("strategy").and_then(strategy_of).unwrap_or_default(),
        remark: b.text_or_empty("remark"),
        automatic: true,
        queueing: queueing(b, Queueing::default()),
    };
    let added = visit.store(move |s| s.add_group(&group)).await?;
    changed(&visit, &added).await;
    Ok(Answer::created(shown(&added, &BTreeMap::new())))
}

async fn changed(visit: &Visit, group: &Group) {
    let (company, group) = (visit.company(), group.id);
    visit.announce(move || Command::GroupChanged { company, group }).await;
}

/// What the body gives, in place of what was before.
fn queueing(b: &Fields, before: Queueing) -> Queueing {
    let seconds =
        |name: &str, before: u32| b.integer(name).and_then(|s| u32::try_from(s).ok()).unwrap_or(before);
    Queueing {
        ring_s: seconds("ring_seconds", before.ring_s),
        wait_s: seconds("wait_seconds", before.wait_s),
        absent_wait_s: seconds("absent_wait_seconds", before.absent_wait_s),
        ..before
    }
}

async fn change(visit: Visit) -> Result<Answer, Problem> {
    let mut group = visit.group().await?;
    let b = &visit.body;
    group.name = b.text("name").map_or(group.name, str::to_owned);
    group.enabled = b.boolean("enabled").unwrap_or(group.enabled);
    group.strategy = b.text("strategy").and_then(strategy_of).unwrap_or(group.strategy);
    group.remark = b.text("remark").map_or(group.remark, str::to_owned);
    group.queueing = queueing(b, group.queueing);
    let edited = group.clone();
    visit.store(move |s| s.edit_group(&edited)).await?;
    changed(&visit, &group).await;
    Ok(Answer::ok(shown(&group, &numbers(&visit).await?)))
}

async fn delete(visit: Visit) -> Result<Answer, Problem> {
    let (company, group) = (visit.company(), visit.group().await?.id);
    visit.store(move |s| s.delete_group(company, group)).await?;
    visit.announce(move || Command::GroupRemoved { company, group }).await;
    Ok(Answer::nothing())
}

async fn put_member(visit: Visit) -> Result<Answer, Problem> {
    let (group, extension) = (visit.group().await?, visit.extension().await?);
    let signed_in = visit.body.boolean("signed_in");
    if signed_in == Some(true) && !(group.enabled && extension.enabled) {
        return Err(Problem::conflict("disabled", "the group or the extension is disabled"));
    }
    let sign_in = match signed_in {
        Some(true) => SignIn::In,
        Some(false) => SignIn::Out,
        None => SignIn::Keep,
    };
    let (id, agent) = (group.id, extension.id);
    let join = move |s: &dyn store::Store| {
        s.put_member(id, agent, sign_in)?;
        if sign_in == SignIn::In { s.set_paused(agent, false) } else { Ok(()) }
    };
    visit.store(join).await?;
    changed(&visit, &group).await;
    if sign_in == SignIn::In {
        let company = visit.company();
        visit.announce(move || Command::Paused { company, agent, paused: false }).await;
    }
    Ok(Answer::ok(now(&visit).await?))
}

async fn delete_member(visit: Visit) -> Result<Answer, Problem> {
    let (group, agent) = (visit.group().await?, visit.extension().await?.id);
    let id = group.id;
    visit.store(move |s| s.delete_member(id, agent)).await?;
    changed(&visit, &group).await;
    Ok(Answer::nothing())
}
