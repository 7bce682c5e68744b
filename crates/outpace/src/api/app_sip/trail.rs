//! The audit trail of services that change something.

use serde_json::{Map, Value};
use store::NewAudit;

use super::Caller;
use super::code::Ret;
use super::envelope::{Failure, Reply};
use super::service::Service;
use crate::api::v1::note_audit;

/// Parameters that say what a change was about. Numbers of customers are not among them.
const NAMING: &[&str] = &[
    "taskid",
    "taskname",
    "customtaskid",
    "taskstatus",
    "answertype",
    "name",
    "queuename",
    "strategy",
    "extnumber",
    "settype",
    "status",
    "assigntype",
    "assignagent",
];
const CHARS_MAX: usize = 200;

pub async fn note(caller: &Caller, service: Service, reply: &Reply) {
    if !service.changes() {
        return;
    }
    let status = match reply {
        Ok(_) => 200,
        Err(Failure::Business { code, .. }) => code.0,
        Err(Failure::Platform { ret, .. }) => ret.number(),
    };
    // Parameters that could not be read are no attempt to change anything.
    if status == Ret::BadRequest.number() {
        return;
    }
    let fields = &caller.request.fields;
    let named = NAMING.iter().filter_map(|name| {
        let text: String = fields.text(name)?.chars().take(CHARS_MAX).collect();
        Some(((*name).to_owned(), Value::from(text)))
    });
    let entry = NewAudit {
        company: caller.id(),
        at: caller.now(),
        who: format!("app:{}", caller.appid),
        address: caller.request.peer.to_canonical().to_string(),
        action: service.name().to_owned(),
        target: "/".to_owned(),
        status,
        details: Value::Object(named.collect::<Map<_, _>>()).to_string(),
    };
    note_audit(&caller.app.handle, entry).await;
}
