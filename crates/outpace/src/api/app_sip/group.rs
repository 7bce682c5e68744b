//! `App.Sip_Extgroup`: groups and their members.

use engine::{AgentId, GroupId, Strategy};
use serde::Serialize;
use store::{Group, NewGroup, Queueing, SignIn, StoreError};

use super::Caller;
use super::code::{Code, Text};
use super::envelope::{Done, Failure, Reply};
use crate::handle::{Command, HandleError};

pub(super) const NAME_CHARS_MAX: usize = 100;
const MEMBERS_MAX: usize = 5000;

#[derive(Serialize)]
struct GroupRow {
    id: i64,
    name: String,
    status: u16,
}

/// `AddExtgroup`
pub async fn add(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let group = NewGroup {
        company: caller.id(),
        name: p.required_name("name", NAME_CHARS_MAX)?.to_owned(),
        enabled: p.int("status", 0..=1)? != Some(0),
        strategy: Strategy::default(),
        remark: String::new(),
        automatic: true,
        queueing: Queueing::default(),
    };
    create(caller, group).await
}

/// Stores a new group and tells of it.
pub(super) async fn create(caller: &Caller, group: NewGroup) -> Reply {
    let stored = caller.store(move |s| s.add_group(&group)).await.map_err(|e| match e {
        HandleError::Store(StoreError::Taken(_)) => {
            let taken = Text::new("名称已存在", "the name exists already");
            Failure::about(Code::CHECK_FAILED, taken.of(caller.language))
        }
        other => other.into(),
    })?;
    let (company, group) = (caller.id(), stored.id);
    caller.announce(move || Command::GroupChanged { company, group }).await;
    Done::empty()
}

/// `GetExtgroupInfo`
pub async fn list(caller: &Caller) -> Reply {
    let p = caller.parameters();
    let enabled = match p.int("status", 0..=2)? {
        Some(0) => Some(false),
        Some(1) => Some(true),
        _ => None,
    };
    let name = p.text("name");
    let rows: Vec<GroupRow> = groups(caller)
        .await?
        .into_iter()
        .filter(|g| name.is_none_or(|n| g.name == n) && enabled.is_none_or(|wanted| g.enabled == wanted))
        .map(|g| GroupRow {
            id: g.id.0,
            name: g.name,
            status: if g.enabled { Code::GROUP_ENABLED } else { Code::GROUP_DISABLED }.0,
        })
        .collect();
    Done::with(&rows)
}

pub(super) async fn groups(caller: &Caller) -> Result<Vec<Group>, Failure> {
    let company = caller.id();
    Ok(caller.store(move |s| s.groups(company)).await?)
}

/// `DelExtgroup`
pub async fn delete(caller: &Caller) -> Reply {
    let name = caller.parameters().required("name")?;
    let (company, group) = (caller.id(), caller.group(name).await?.id);
    caller.store(move |s| s.delete_group(company, group)).await?;
    caller.announce(move || Command::GroupRemoved { company, group }).await;
    Done::empty()
}

/// `AddExtnumber`
pub async fn add_members(caller: &Caller) -> Reply {
    let (group, agents) = named(caller).await?;
    let id = group.id;
    let put = move |s: &dyn store::Store| {
        agents.iter().try_for_each(|agent| s.put_member(id, *agent, SignIn::Keep))
    };
    caller.store(put).await?;
    changed(caller, id).await
}

/// `DelExtnumber`
pub async fn delete_members(caller: &Caller) -> Reply {
    let (group, mut agents) = named(caller).await?;
    let id = group.id;
    // One that is no member is removed already.
    agents.retain(|agent| group.members.iter().any(|m| m.agent == *agent));
    let delete = move |s: &dyn store::Store| {
        agents.iter().try_for_each(|agent| match s.delete_member(id, *agent) {
            Err(StoreError::NotFound(_)) => Ok(()),
            other => other,
        })
    };
    caller.store(delete).await?;
    changed(caller, id).await
}

async fn changed(caller: &Caller, group: GroupId) -> Reply {
    caller.tell(Command::GroupChanged { company: caller.id(), group }).await?;
    Done::empty()
}

/// The group and the agents that the parameters name.
async fn named(caller: &Caller) -> Result<(Group, Vec<AgentId>), Failure> {
    let p = caller.parameters();
    let name = p.required("name")?;
    let numbers = p.required_list("extnumber", MEMBERS_MAX)?;
    let group = caller.group(name).await?;
    let extensions = caller.extensions(numbers).await?;
    Ok((group, extensions.into_iter().map(|e| e.id).collect()))
}
