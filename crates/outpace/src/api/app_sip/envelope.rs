//! The answer's outer form: success, business failure, platform failure.

use serde::Serialize;
use serde_json::value::RawValue;
use store::StoreError;

use super::code::{Code, Language, Ret, Text};
use crate::handle::HandleError;

/// What a service gives back.
pub type Reply = Result<Done, Failure>;

/// Success, with or without `data.result`.
#[derive(Debug)]
pub struct Done {
    pub result: Option<Box<RawValue>>,
}

impl Done {
    pub const fn empty() -> Reply {
        Ok(Done { result: None })
    }

    pub fn with(result: &impl Serialize) -> Reply {
        match serde_json::value::to_raw_value(result) {
            Ok(raw) => Ok(Done { result: Some(raw) }),
            Err(error) => Err(Failure::internal(&error)),
        }
    }
}

#[derive(Debug)]
pub enum Failure {
    /// `ret` is not 200. `message`: instead of the text of `ret`.
    Platform { ret: Ret, message: Option<String> },
    /// `data.status` 1. `detail`: which value or why, may be empty; in the caller's language.
    Business { code: Code, detail: String },
}

impl Failure {
    /// Our fault: the cause goes to the log, never to the client.
    pub fn internal(cause: &dyn std::fmt::Display) -> Failure {
        tracing::error!(%cause, "request failed");
        Failure::from(Ret::Internal)
    }

    pub fn missing(language: Language, name: &str) -> Failure {
        Failure::bad_request(match language {
            Language::Chinese => format!("非法请求：缺少必要参数{name}"),
            Language::English => format!("Bad request: missing required parameter {name}"),
        })
    }

    pub fn wrong(language: Language, name: &str, why: &str) -> Failure {
        Failure::bad_request(match language {
            Language::Chinese => format!("非法请求：参数{name}错误，{why}"),
            Language::English => format!("Bad request: parameter {name}: {why}"),
        })
    }

    pub fn bad_request(message: String) -> Failure {
        Failure::Platform { ret: Ret::BadRequest, message: Some(message) }
    }

    pub fn about(code: Code, what: impl Into<String>) -> Failure {
        Failure::Business { code, detail: what.into() }
    }
}

impl From<Code> for Failure {
    fn from(code: Code) -> Failure {
        Failure::Business { code, detail: String::new() }
    }
}

impl From<Ret> for Failure {
    fn from(ret: Ret) -> Failure {
        Failure::Platform { ret, message: None }
    }
}

impl From<HandleError> for Failure {
    fn from(error: HandleError) -> Failure {
        match error {
            HandleError::Store(StoreError::Busy) => Failure::from(Ret::TooMany),
            HandleError::Store(StoreError::Taken(_) | StoreError::NotFound(_)) => {
                Failure::from(Code::CHECK_FAILED)
            }
            HandleError::Store(StoreError::Refused(_)) => Failure::from(Code::WRONG_STATE),
            HandleError::Unavailable | HandleError::Store(StoreError::Failed(_)) => Failure::internal(&error),
        }
    }
}

/// `desc` of a service, when it worked and when not.
#[derive(Clone, Copy, Debug)]
pub struct Descriptions {
    pub done: Text,
    pub failed: Text,
}

/// How one request is answered.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    pub language: Language,
    /// `errors.code` as a JSON int.
    pub int_codes: bool,
    pub descriptions: Descriptions,
    /// Unix seconds.
    pub requested_at: i64,
    pub answered_at: i64,
}

/// The whole answer as JSON text, keys in the contract's order.
pub fn write(reply: &Reply, form: &Form) -> String {
    let text = match reply {
        Ok(done) => success(done, form),
        Err(Failure::Business { code, detail }) => business_failure(*code, detail, form),
        Err(Failure::Platform { ret, message }) => {
            return platform_failure(*ret, message.as_deref(), form.language);
        }
    };
    text.unwrap_or_else(|_| platform_failure(Ret::Internal, None, form.language))
}

/// `{"ret":…,"data":[],"msg":"…"}`
pub fn platform_failure(ret: Ret, message: Option<&str>, language: Language) -> String {
    let msg = message.unwrap_or_else(|| ret.text().of(language));
    serde_json::json!({"ret": ret.number(), "data": [], "msg": msg}).to_string()
}

#[derive(Serialize)]
struct Envelope<'a> {
    ret: u16,
    data: Data<'a>,
    msg: &'static str,
}

#[derive(Serialize)]
struct Data<'a> {
    status: u8,
    desc: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Errors>,
    reqtime: i64,
    rsptime: i64,
}

#[derive(Serialize)]
struct Errors {
    code: ErrorCode,
    codemsg: &'static str,
}

/// A strict client exists for each form.
#[derive(Serialize)]
#[serde(untagged)]
enum ErrorCode {
    Text(String),
    Int(u16),
}

fn success(done: &Done, form: &Form) -> serde_json::Result<String> {
    serde_json::to_string(&Envelope {
        ret: 200,
        data: Data {
            status: 0,
            desc: form.descriptions.done.of(form.language),
            result: done.result.as_deref(),
            errors: None,
            reqtime: form.requested_at,
            rsptime: form.answered_at,
        },
        msg: "",
    })
}

fn business_failure(code: Code, detail: &str, form: &Form) -> serde_json::Result<String> {
    let failed = form.descriptions.failed.of(form.language);
    let desc = match (detail, form.language) {
        ("", _) => failed.to_owned(),
        (_, Language::Chinese) => format!("{failed}：{detail}"),
        (_, Language::English) => format!("{failed}: {detail}"),
    };
    let number = match form.int_codes {
        true => ErrorCode::Int(code.0),
        false => ErrorCode::Text(code.0.to_string()),
    };
    serde_json::to_string(&Envelope {
        ret: 200,
        data: Data {
            status: 1,
            desc: &desc,
            result: None,
            errors: Some(Errors { code: number, codemsg: code.text().of(form.language) }),
            reqtime: form.requested_at,
            rsptime: form.answered_at,
        },
        msg: "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: Form = Form {
        language: Language::Chinese,
        int_codes: false,
        descriptions: Descriptions {
            done: Text::new("获取成功", "Fetched"),
            failed: Text::new("获取失败", "Fetch failed"),
        },
        requested_at: 1581496504,
        answered_at: 1581496505,
    };

    #[test]
    fn a_success_has_the_keys_of_the_contract_in_order() {
        let reply = Done::with(&serde_json::json!({}));
        assert_eq!(
            write(&reply, &FORM),
            r#"{"ret":200,"data":{"status":0,"desc":"获取成功","result":{},"reqtime":1581496504,"rsptime":1581496505},"msg":""}"#
        );
    }

    #[test]
    fn a_success_without_a_result_has_no_such_key() {
        assert!(!write(&Done::empty(), &FORM).contains("result"));
    }

    #[test]
    fn a_business_failure_carries_its_code_as_string_or_int() {
        let reply = Err(Failure::from(Code::NO_TASK));
        assert_eq!(
            write(&reply, &FORM),
            r#"{"ret":200,"data":{"status":1,"desc":"获取失败","errors":{"code":"1024","codemsg":"任务不存在"},"reqtime":1581496504,"rsptime":1581496505},"msg":""}"#
        );
        assert!(write(&reply, &Form { int_codes: true, ..FORM }).contains(r#""code":1024,"#));
    }

    #[test]
    fn a_platform_failure_has_an_empty_array_as_data() {
        let reply = Err(Failure::missing(Language::Chinese, "taskid"));
        assert_eq!(write(&reply, &FORM), r#"{"ret":400,"data":[],"msg":"非法请求：缺少必要参数taskid"}"#);
    }
}
