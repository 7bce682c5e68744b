//! A client of the server's API.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;
use crate::server::{ACCESSKEY, APPID};

/// Numbers that the API takes at once.
const ROWS_MAX: usize = 10_000;

pub struct Crm {
    url: String,
    http: ureq::Agent,
    token: String,
}

/// What the server says of a task, or of several together.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Counted {
    pub total: u64,
    pub called: u64,
    pub answered: u64,
    pub connected: u64,
    pub abandoned: u64,
}

/// What the API says once it says the same twice.
pub fn settled<T: PartialEq>(pause: Duration, ask: impl Fn() -> Result<T>) -> Result<T> {
    let mut told = ask()?;
    loop {
        std::thread::sleep(pause);
        let again = ask()?;
        if again == told {
            return Ok(told);
        }
        told = again;
    }
}

impl Crm {
    pub fn log_in(api: SocketAddr) -> Result<Crm> {
        let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(60))).build();
        let mut crm = Crm { url: format!("http://{api}/"), http: config.into(), token: String::new() };
        let result = crm.call("App.Sip_Auth.Login", json!({"appid": APPID, "accesskey": ACCESSKEY}))?;
        crm.token = result["token"].as_str().ok_or("no token")?.to_owned();
        Ok(crm)
    }

    /// A task of the group of all agents, not opened yet.
    pub fn create_task(&self, numbers: &[String], scale: &str, pacing: &str) -> Result<String> {
        let mut batches = numbers.chunks(ROWS_MAX);
        let first = batches.next().ok_or("a task needs a number")?;
        let result = self.call(
            "App.Sip_Yccall.TaskCreat",
            json!({
                "assigntype": 2, "assignagent": "all", "telphone": rows(first), "taskscale": scale,
                "isscale": pacing, "concurrent": 20_000, "taskname": "bench", "status": 0,
            }),
        )?;
        let taskid = result["taskid"].as_str().ok_or("no taskid")?.to_owned();
        for batch in batches {
            self.call("App.Sip_Yccall.TaskAdd", json!({"taskid": taskid, "telphone": rows(batch)}))?;
        }
        Ok(taskid)
    }

    pub fn set_task(&self, taskid: &str, status: u32) -> Result<()> {
        self.call("App.Sip_Yccall.TaskSet", json!({"taskid": taskid, "taskstatus": status})).map(drop)
    }

    pub fn counted(&self, taskids: &[String]) -> Result<Counted> {
        let mut sum = Counted::default();
        for taskid in taskids {
            let result = self.call("App.Sip_Yccall.TaskList", json!({"taskid": taskid}))?;
            let row = &result["task"][0];
            let count =
                |name: &str| row[name].as_u64().ok_or_else(|| format!("TaskList has no {name}: {row}"));
            sum.total += count("total")?;
            sum.called += count("called")?;
            sum.answered += count("answered")?;
            sum.connected += count("connected")?;
            sum.abandoned += count("abandoned")?;
        }
        Ok(sum)
    }

    pub fn agents_waiting(&self) -> Result<usize> {
        let rows = self.call("App.Sip_Queue.GetQueueSipStatus", json!({"queuename": "all", "state": 2}))?;
        rows.as_array().map(Vec::len).ok_or_else(|| "GetQueueSipStatus has no rows".into())
    }

    /// Bills of customers who called in.
    pub fn incoming_bills(&self) -> Result<u64> {
        let fields =
            json!({"starttime": "2000-01-01", "endtime": "2099-12-31", "syncflag": 3, "direction": 1});
        let result = self.call("App.Sip_Cdr.GetBill", fields)?;
        result["totalitems"].as_u64().ok_or_else(|| format!("GetBill has no totalitems: {result}").into())
    }

    fn call(&self, service: &str, mut fields: Value) -> Result<Value> {
        fields["service"] = service.into();
        fields["token"] = self.token.as_str().into();
        let mut response = self
            .http
            .post(&self.url)
            .header("content-type", "application/json")
            .send(fields.to_string().as_bytes())?;
        let mut answer: Value = serde_json::from_str(&response.body_mut().read_to_string()?)?;
        if answer["ret"] != 200 || answer["data"]["status"] != 0 {
            return Err(format!("{service} answered {answer}").into());
        }
        Ok(answer["data"]["result"].take())
    }
}

fn rows(numbers: &[String]) -> String {
    Value::Array(numbers.iter().map(|number| json!({"phone": number})).collect()).to_string()
}
