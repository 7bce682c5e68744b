//! The demo's CRM: speaks the `App.Sip_*` API as any other would.

use std::collections::HashSet;
use std::net::SocketAddr;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use super::http;

/// Numbers that the API takes at once.
const ROWS_MAX: usize = 10_000;
const PAGE: usize = 1000;
const ENDED: i64 = 1028;
const CALLED: i64 = 1036;

pub struct Crm {
    api: SocketAddr,
    token: String,
}

/// A row of TaskList.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Task {
    pub total: u64,
    pub called: u64,
    pub answered: u64,
    pub connected: u64,
    pub abandoned: u64,
    pub ended: bool,
}

/// What became of one number, by its row of TaskInfo.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ending {
    Connected,
    Abandoned,
    NoAnswer,
    Busy,
    Rejected,
    Invalid,
    Failed,
    /// The number was not called.
    Missing,
}

impl Crm {
    pub async fn log_in(api: SocketAddr, appid: &str, accesskey: &str) -> anyhow::Result<Crm> {
        let mut crm = Crm { api, token: String::new() };
        let result = crm.call("App.Sip_Auth.Login", json!({"appid": appid, "accesskey": accesskey})).await?;
        crm.token = text(&result, "token")?;
        Ok(crm)
    }

    pub async fn sign_in(&self, group: &str, extension: &str) -> anyhow::Result<()> {
        let fields = json!({"queuename": group, "extnumber": extension, "crmid": extension});
        self.call("App.Sip_Queue.SipSignIn", fields).await.map(drop)
    }

    /// Creates a task that is not opened yet; gives its id.
    pub async fn create_task(&self, group: &str, numbers: &[String]) -> anyhow::Result<String> {
        let mut batches = numbers.chunks(ROWS_MAX);
        let first = batches.next().context("a task needs a number")?;
        let fields = json!({
            "assigntype": 2,
            "assignagent": group,
            "telphone": rows(first),
            "taskscale": "1:1.8",
            "isscale": "auto",
            "concurrent": 1000,
            "taskname": "demo",
            "status": 0,
        });
        let result = self.call("App.Sip_Yccall.TaskCreat", fields).await?;
        accepted(&result, first.len())?;
        let taskid = text(&result, "taskid")?;
        for batch in batches {
            let fields = json!({"taskid": taskid, "telphone": rows(batch)});
            accepted(&self.call("App.Sip_Yccall.TaskAdd", fields).await?, batch.len())?;
        }
        Ok(taskid)
    }

    pub async fn open_task(&self, taskid: &str) -> anyhow::Result<()> {
        let fields = json!({"taskid": taskid, "taskstatus": 1});
        self.call("App.Sip_Yccall.TaskSet", fields).await.map(drop)
    }

    pub async fn task(&self, taskid: &str) -> anyhow::Result<Task> {
        let result = self.call("App.Sip_Yccall.TaskList", json!({"taskid": taskid})).await?;
        let row = &result["task"][0];
        let count = |name: &str| row[name].as_u64().with_context(|| format!("TaskList has no {name}"));
        Ok(Task {
            total: count("total")?,
            called: count("called")?,
            answered: count("answered")?,
            connected: count("connected")?,
            abandoned: count("abandoned")?,
            ended: row["status"] == ENDED,
        })
    }

    /// The result of every number: all pages of TaskInfo.
    pub async fn results(&self, taskid: &str) -> anyhow::Result<Vec<Ending>> {
        let mut seen = HashSet::new();
        let mut results = Vec::new();
        for page in 1.. {
            let fields = json!({"taskid": taskid, "currentpage": page, "itemsperpage": PAGE});
            let result = self.call("App.Sip_Yccall.TaskInfo", fields).await?;
            let rows = result["result"].as_array().context("TaskInfo has no rows")?;
            for row in rows {
                let number = text(row, "telphone")?;
                ensure!(seen.insert(number), "TaskInfo shows a number twice");
                results.push(result_of(row));
            }
            if rows.len() < PAGE {
                break;
            }
        }
        Ok(results)
    }

    /// Calls a service and gives its result.
    async fn call(&self, service: &str, mut fields: Value) -> anyhow::Result<Value> {
        fields["service"] = service.into();
        fields["token"] = self.token.as_str().into();
        let mut answer = http::post(self.api, &fields).await.with_context(|| service.to_owned())?;
        let failure = || format!("{service} answered {} {}", answer["data"]["errors"], answer["msg"]);
        ensure!(answer["ret"] == 200 && answer["data"]["status"] == 0, failure());
        Ok(answer["data"]["result"].take())
    }
}

fn rows(numbers: &[String]) -> String {
    let rows =
        numbers.iter().enumerate().map(|(n, number)| json!({"phone": number, "userid": n.to_string()}));
    Value::Array(rows.collect()).to_string()
}

fn accepted(result: &Value, sent: usize) -> anyhow::Result<()> {
    ensure!(result["success"] == sent, "of {sent} numbers only {} were accepted", result["success"]);
    Ok(())
}

fn text(value: &Value, name: &str) -> anyhow::Result<String> {
    Ok(value[name].as_str().with_context(|| format!("the answer has no {name}"))?.to_owned())
}

fn result_of(row: &Value) -> Ending {
    if row["status"] != CALLED {
        return Ending::Missing;
    }
    match (row["answertype"].as_str(), row["hangupcause"].as_i64()) {
        (Some("connected"), _) => Ending::Connected,
        (Some("caller"), _) => Ending::Abandoned,
        (_, Some(10002 | 10005 | 10016)) => Ending::NoAnswer,
        (_, Some(10006)) => Ending::Busy,
        (_, Some(10003)) => Ending::Rejected,
        (_, Some(10013 | 10014 | 10027)) => Ending::Invalid,
        _ => Ending::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_the_result() {
        let row = |answertype: Value, cause: i64| {
            result_of(&json!({"status": 1036, "answertype": answertype, "hangupcause": cause}))
        };
        assert_eq!(row("connected".into(), 10001), Ending::Connected);
        assert_eq!(row("caller".into(), 10001), Ending::Abandoned);
        assert_eq!(row("callee".into(), 10016), Ending::NoAnswer);
        assert_eq!(row("callee".into(), 10006), Ending::Busy);
        assert_eq!(row("callee".into(), 10003), Ending::Rejected);
        assert_eq!(row("callee".into(), 10014), Ending::Invalid);
        assert_eq!(row("callee".into(), 10004), Ending::Failed);
        assert_eq!(result_of(&json!({"status": 1035, "answertype": null})), Ending::Missing);
    }
}
