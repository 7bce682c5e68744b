//! Bills: what the company is told of a finished call, in the words of the compatible API.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::*;

/// `callmethod` and `method`: predictive.
pub const PREDICTIVE: u16 = 5;
const CALL_OUT: &str = "callout";
const CALL_IN: &str = "callin";

/// On the wire.
const fn direction(is_inbound: bool) -> &'static str {
    if is_inbound { CALL_IN } else { CALL_OUT }
}

/// One finished call with what its lead, campaign and agent were called when it ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bill {
    /// Grows from bill to bill of the whole store.
    pub id: i64,
    pub company: CompanyId,
    pub call: CallId,
    /// `callmethod` of the compatible API: 5 is predictive. 0: the customer called.
    pub method: u16,
    /// Empty: of no campaign.
    pub taskid: String,
    /// The how-manieth call to this lead, earlier rounds included.
    pub round: u32,
    pub number: PhoneNumber,
    pub caller_id: String,
    /// To which the call was offered last; empty: to none.
    pub extension: String,
    pub user_id: String,
    pub member_id: String,
    pub ext: String,
    pub custom_uuid: String,
    pub dialed_at: Timestamp,
    /// When the customer answered.
    pub answered_at: Option<Timestamp>,
    pub ended_at: Timestamp,
    pub waiting_seconds: u32,
    pub talk_seconds: u32,
    pub cause: Cause,
    pub hangup_by: HangupBy,
    /// A client has got it with `fetch_bills`.
    pub fetched: bool,
    /// `filename` of its recording; empty: there is none, or no longer.
    pub recording: String,
    /// That the customer pressed.
    pub keys: String,
    pub quality: CallQuality,
}

impl Bill {
    pub const fn is_inbound(&self) -> bool {
        self.method == DirectKind::Inbound.method()
    }
}

/// Empty: any.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BillFilter {
    /// Of `dialed_at`, both inclusive.
    pub from: Timestamp,
    pub to: Timestamp,
    pub fetched: Option<bool>,
    pub method: Option<u16>,
    /// Calls of customers, or all the others.
    pub is_inbound: Option<bool>,
    pub extensions: Vec<String>,
    pub number: String,
    pub user_id: String,
    pub member_id: String,
    pub ext: String,
    pub custom_uuid: String,
    pub taskid: String,
}

impl BillFilter {
    pub const fn any() -> BillFilter {
        BillFilter {
            from: Timestamp(0),
            to: Timestamp(i64::MAX),
            fetched: None,
            method: None,
            is_inbound: None,
            extensions: Vec::new(),
            number: String::new(),
            user_id: String::new(),
            member_id: String::new(),
            ext: String::new(),
            custom_uuid: String::new(),
            taskid: String::new(),
        }
    }
}

/// A bill as the wire has it, keys in their order.
#[derive(Clone, Serialize, Debug)]
pub struct BillBody<'a> {
    id: i64,
    companycode: &'a str,
    direction: &'static str,
    r#type: &'static str,
    callmethod: u16,
    starttime: String,
    answertime: String,
    endtime: String,
    duration: u32,
    billsec: u32,
    userid: &'a str,
    memberid: &'a str,
    chengshudu: &'a str,
    ext: &'a str,
    disnumber: &'a str,
    destnumber: &'a str,
    extnumber: &'a str,
    recordfilename: &'a str,
    downloadip: &'static str,
    hangupdirection: u16,
    hangupcause: u16,
    uuid: String,
    userkey: &'a str,
    customuuid: &'a str,
    taskid: &'a str,
    round: u32,
    recordurl: &'static str,
}

/// Times are in the company's zone. A link to the recording is asked for by its name: here there is none.
pub fn bill_body<'a>(bill: &'a Bill, company: &'a NewCompany) -> BillBody<'a> {
    let zone = zone(&company.time_zone);
    BillBody {
        id: bill.id,
        companycode: &company.code,
        direction: direction(bill.is_inbound()),
        r#type: direction(bill.is_inbound()),
        callmethod: bill.method,
        starttime: civil(&zone, bill.dialed_at),
        answertime: bill.answered_at.map_or_else(String::new, |t| civil(&zone, t)),
        endtime: civil(&zone, bill.ended_at),
        duration: bill.waiting_seconds,
        billsec: bill.talk_seconds,
        userid: &bill.user_id,
        memberid: &bill.member_id,
        chengshudu: &bill.ext,
        ext: &bill.ext,
        disnumber: &bill.caller_id,
        destnumber: bill.number.as_str(),
        extnumber: &bill.extension,
        recordfilename: &bill.recording,
        downloadip: "",
        hangupdirection: hangup_direction(bill.hangup_by, bill.is_inbound()),
        hangupcause: bill.cause.0,
        uuid: bill.call.to_string(),
        userkey: &bill.keys,
        customuuid: &bill.custom_uuid,
        taskid: &bill.taskid,
        round: bill.round,
        recordurl: "",
    }
}

/// Of a call that is no campaign's. Its id is the driver's to give.
pub(crate) fn direct_bill(
    company: CompanyId,
    call: &NewDirect,
    record: &DirectRecord,
    extension: String,
    recording: String,
) -> Bill {
    Bill {
        id: 0,
        company,
        call: call.call,
        method: call.kind.method(),
        taskid: String::new(),
        round: 1,
        number: call.number.clone(),
        caller_id: call.caller_id.clone(),
        extension,
        user_id: call.tags.user_id.clone(),
        member_id: call.tags.member_id.clone(),
        ext: call.tags.ext.clone(),
        custom_uuid: call.tags.custom_uuid.clone(),
        dialed_at: call.dialed_at,
        answered_at: record.answered_at,
        ended_at: record.ended_at,
        waiting_seconds: record.waiting_seconds(call.dialed_at),
        talk_seconds: record.talk_seconds(),
        cause: record.cause,
        hangup_by: record.hangup_by,
        fetched: false,
        recording,
        keys: record.keys.clone(),
        quality: CallQuality::default(),
    }
}

/// 10040 is the caller, 10041 who was called.
const fn hangup_direction(by: HangupBy, is_inbound: bool) -> u16 {
    match (by, is_inbound) {
        (HangupBy::Agent, false) | (HangupBy::Customer, true) => 10040,
        (HangupBy::Customer, false) | (HangupBy::Agent, true) => 10041,
        (HangupBy::Platform, _) => 10007,
        (HangupBy::Unknown, _) => 10031,
    }
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).or_else(|_| TimeZone::get("Asia/Shanghai")).unwrap_or(TimeZone::UTC)
}

fn civil(zone: &TimeZone, at: Timestamp) -> String {
    let stamp = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    zone.to_datetime(stamp).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// JSON text of what has only texts and numbers in it.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("texts and numbers always are JSON")
}

/// `{"taskid","companycode","status","endtype"}`: the campaign ended.
pub(crate) fn task_status_body(campaign: &Campaign, company: &NewCompany) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        taskid: &'a str,
        companycode: &'a str,
        status: u8,
        endtype: &'static str,
    }
    let endtype = match campaign.end_reason {
        Some(EndReason::Deadline) => "timeout",
        Some(EndReason::Over) | None => "over",
    };
    json(&Body { taskid: &campaign.settings.taskid, companycode: &company.code, status: 3, endtype })
}

/// What the body of an extension state says of its call.
pub(crate) struct CallFacts<'a> {
    pub is_inbound: bool,
    pub method: u16,
    pub number: &'a PhoneNumber,
    pub caller_id: &'a str,
    pub custom_uuid: &'a str,
    pub dialed_at: Timestamp,
    /// Empty when no agent is known yet.
    pub extension: &'a str,
}

/// Its agent is known from the start.
pub(crate) fn direct_facts<'a>(call: &'a NewDirect, extension: &'a str) -> CallFacts<'a> {
    CallFacts {
        is_inbound: call.kind == DirectKind::Inbound,
        method: call.kind.method(),
        number: &call.number,
        caller_id: &call.caller_id,
        custom_uuid: &call.tags.custom_uuid,
        dialed_at: call.dialed_at,
        extension,
    }
}

/// All texts. Both sides carry the id of the call, so that any of them leads to the bill.
pub(crate) fn leg_state_body(state: &LegState, call: &CallFacts<'_>, company: &NewCompany) -> String {
    #[derive(Serialize)]
    struct Body<'a> {
        buuid: &'a str,
        callee: &'a str,
        caller: &'a str,
        companycode: &'a str,
        customuuid: &'a str,
        direction: &'static str,
        disnumber: &'a str,
        extnumber: &'a str,
        isbleg: &'static str,
        method: String,
        starttime: String,
        status: &'static str,
        r#type: &'static str,
        uuid: &'a str,
    }
    let uuid = state.call.to_string();
    let ours = if call.extension.is_empty() { call.caller_id } else { call.extension };
    let (caller, callee) =
        if call.is_inbound { (call.number.as_str(), ours) } else { (ours, call.number.as_str()) };
    json(&Body {
        buuid: &uuid,
        callee,
        caller,
        companycode: &company.code,
        customuuid: call.custom_uuid,
        direction: direction(call.is_inbound),
        disnumber: call.caller_id,
        extnumber: call.extension,
        isbleg: match state.side {
            Side::Customer => "true",
            Side::Agent => "false",
        },
        method: call.method.to_string(),
        starttime: call.dialed_at.unix_seconds().to_string(),
        status: state.status.name(),
        r#type: "call",
        uuid: &uuid,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(crate) fn company() -> NewCompany {
        NewCompany {
            code: "9027".into(),
            name: "one".into(),
            time_zone: "Asia/Shanghai".into(),
            language: "zh".into(),
            int_codes: false,
            licensed_until: None,
            allow_from: Vec::new(),
        }
    }

    fn bill() -> Bill {
        Bill {
            id: 7,
            company: CompanyId(1),
            call: CallId::from_parts(1_581_496_504_000, 1),
            method: PREDICTIVE,
            taskid: "20200212163504000001".into(),
            round: 2,
            number: PhoneNumber::parse("13800000001").expect("a number"),
            caller_id: "02188888888".into(),
            extension: "100001".into(),
            user_id: "u".into(),
            member_id: "m".into(),
            ext: "e".into(),
            custom_uuid: "c".into(),
            dialed_at: Timestamp::from_unix_seconds(1_581_496_504),
            answered_at: Some(Timestamp::from_unix_seconds(1_581_496_509)),
            ended_at: Timestamp::from_unix_seconds(1_581_496_539),
            waiting_seconds: 5,
            talk_seconds: 29,
            cause: Cause::NORMAL,
            hangup_by: HangupBy::Customer,
            fetched: false,
            recording: "20200212/9027_1.wav".into(),
            keys: String::new(),
            quality: CallQuality::default(),
        }
    }

    #[test]
    fn a_bill_has_the_keys_and_types_of_the_contract() {
        assert_eq!(
            json(&bill_body(&bill(), &company())),
            concat!(
                r#"{"id":7,"companycode":"9027","direction":"callout","type":"callout","callmethod":5,"#,
                r#""starttime":"2020-02-12 16:35:04","answertime":"2020-02-12 16:35:09","#,
                r#""endtime":"2020-02-12 16:35:39","duration":5,"billsec":29,"userid":"u","memberid":"m","#,
                r#""chengshudu":"e","ext":"e","disnumber":"02188888888","destnumber":"13800000001","#,
                r#""extnumber":"100001","recordfilename":"20200212/9027_1.wav","downloadip":"","hangupdirection":10041,"#,
                r#""hangupcause":10001,"uuid":"01703889-8ec0-7000-8000-000000000001","userkey":"","#,
                r#""customuuid":"c","taskid":"20200212163504000001","round":2,"recordurl":""}"#
            )
        );
    }

    #[test]
    fn an_unanswered_bill_has_an_empty_answer_time() {
        let bill = Bill { answered_at: None, ..bill() };
        assert!(json(&bill_body(&bill, &company())).contains(r#""answertime":"","#));
    }

    #[test]
    fn the_direction_of_a_hang_up_says_who_did_it() {
        let direction = |by| hangup_direction(by, false);
        assert_eq!(direction(HangupBy::Agent), 10040);
        assert_eq!(direction(HangupBy::Customer), 10041);
        assert_eq!(direction(HangupBy::Platform), 10007);
        assert_eq!(direction(HangupBy::Unknown), 10031);
    }

    #[test]
    fn an_extension_state_is_all_texts() {
        let bill = bill();
        let call = |extension| CallFacts {
            is_inbound: false,
            method: PREDICTIVE,
            number: &bill.number,
            caller_id: &bill.caller_id,
            custom_uuid: "c",
            dialed_at: bill.dialed_at,
            extension,
        };
        let state = |side, status| LegState { call: bill.call, agent: None, side, status };
        let ring = leg_state_body(&state(Side::Agent, LegStatus::Ring), &call("100001"), &company());
        assert_eq!(
            ring,
            concat!(
                r#"{"buuid":"01703889-8ec0-7000-8000-000000000001","callee":"13800000001","caller":"100001","#,
                r#""companycode":"9027","customuuid":"c","direction":"callout","disnumber":"02188888888","#,
                r#""extnumber":"100001","isbleg":"false","method":"5","starttime":"1581496504","#,
                r#""status":"ring","type":"call","uuid":"01703889-8ec0-7000-8000-000000000001"}"#
            )
        );
        let answer = leg_state_body(&state(Side::Customer, LegStatus::Answer), &call(""), &company());
        assert!(answer.contains(r#""isbleg":"true""#) && answer.contains(r#""status":"answer""#));
        assert!(answer.contains(r#""caller":"02188888888""#) && answer.contains(r#""extnumber":"""#));
    }
}
