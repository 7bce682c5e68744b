//! The `telphone` parameter: rows of numbers, good ones as leads, refused ones as sent with a `reason`.

use std::fmt;

use engine::{NumberError, PhoneNumber, Timestamp};
use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use store::NewLead;

use super::code::{Code, Language, Text};
use super::envelope::Failure;
use super::parameter::Parameters;
use super::request::{Field, scalar_text};

/// Rows of one request at most.
pub const ROWS_MAX: usize = 10_000;
/// Characters of the client's own fields at most.
pub const FIELD_CHARS_MAX: usize = 255;

const NOT_AN_OBJECT: Text = Text::new("不是号码对象", "not an object with a phone");
const NO_PHONE: Text = Text::new("缺少phone", "phone is missing");
pub const PHONE_EMPTY: Text = Text::new("号码为空", "the number is empty");
const PHONE_NOT_DIGITS: Text =
    Text::new("号码含有非数字字符", "the number has a character that is not a digit");
const PHONE_TOO_SHORT: Text = Text::new("号码过短", "the number has fewer than 3 digits");
const PHONE_TOO_LONG: Text = Text::new("号码过长", "the number has more than 20 digits");
const TIME_NOT_SECONDS: Text = Text::new("time不是unix时间戳", "time is not in unix seconds");
pub const TIME_PAST: Text = Text::new("拨打期限已过", "the deadline is in the past");
const FIELD_NOT_TEXT: Text = Text::new("字段应为字符串或数字", "a field is neither text nor number");
pub const FIELD_TOO_LONG: Text = Text::new("字段超过255个字符", "a field has more than 255 characters");
const NO_ZONE: Text =
    Text::new("timezone不是IANA时区名", "timezone is not an IANA name such as Asia/Shanghai");
pub const ON_DNC: Text = Text::new("号码在免打扰名单中", "the number is on a do-not-call list");
pub const DUPLICATE: Text = Text::new("号码重复", "the number is in the task already");

/// What a request submits.
#[derive(Debug)]
pub struct Submission {
    pub leads: Vec<NewLead>,
    /// For each lead the index of its row.
    lead_rows: Vec<usize>,
    rows: Vec<Box<RawValue>>,
    refused: Vec<(usize, Text)>,
    language: Language,
}

impl Submission {
    /// Reads `name`. 400 when it is no JSON array with rows, 1045 when it has more than `ROWS_MAX`.
    pub fn read(parameters: Parameters<'_>, name: &str, now: Timestamp) -> Result<Submission, Failure> {
        parameters.required(name)?;
        let text = match parameters.fields.get(name) {
            Some(Field::Json(raw)) => raw.get(),
            Some(Field::Text(text)) => text.trim(),
            None => return Err(Failure::missing(parameters.language, name)),
        };
        let rows = serde_json::from_str(text).map_err(|e| {
            let chinese = format!("应为号码的JSON数组 ({e})");
            parameters.wrong_as(name, chinese, format!("must be a JSON array of numbers ({e})"))
        })?;
        match rows {
            Rows::TooMany => Err(Failure::from(Code::TOO_MANY_NUMBERS)),
            Rows::All(rows) if rows.is_empty() => {
                Err(parameters.wrong(name, Text::new("没有号码", "has no number")))
            }
            Rows::All(rows) => Ok(Submission::sort(rows, now, parameters.language)),
        }
    }

    fn sort(rows: Vec<Box<RawValue>>, now: Timestamp, language: Language) -> Submission {
        let mut leads = Vec::with_capacity(rows.len());
        let mut lead_rows = Vec::with_capacity(rows.len());
        let mut refused = Vec::new();
        for (i, row) in rows.iter().enumerate() {
            match read_lead(row, now) {
                Ok(lead) => {
                    leads.push(lead);
                    lead_rows.push(i);
                }
                Err(reason) => refused.push((i, reason)),
            }
        }
        Submission { leads, lead_rows, rows, refused, language }
    }

    /// `invaliddata`: the refused rows in the order of the request. `duplicates`, `on_dnc`: indices into `leads`.
    pub fn refused(&self, duplicates: &[usize], on_dnc: &[usize]) -> Vec<Box<RawValue>> {
        let rows = |leads: &[usize], why: Text| -> Vec<(usize, Text)> {
            leads.iter().filter_map(|i| self.lead_rows.get(*i)).map(|row| (*row, why)).collect()
        };
        let mut refused = self.refused.clone();
        refused.extend(rows(duplicates, DUPLICATE));
        refused.extend(rows(on_dnc, ON_DNC));
        refused.sort_by_key(|(row, _)| *row);
        let with_reason =
            |(row, reason): (usize, Text)| with_reason(&self.rows[row], reason.of(self.language));
        refused.into_iter().filter_map(with_reason).collect()
    }

    /// Why the first refused row was refused.
    pub fn first_reason(&self) -> String {
        self.refused.first().map_or_else(String::new, |(row, reason)| {
            let reason = reason.of(self.language);
            match self.language {
                Language::Chinese => format!("没有有效号码，第{}个：{reason}", row + 1),
                Language::English => format!("no valid number; number {}: {reason}", row + 1),
            }
        })
    }
}

enum Rows {
    All(Vec<Box<RawValue>>),
    TooMany,
}

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rows, D::Error> {
        deserializer.deserialize_seq(RowsVisitor)
    }
}

struct RowsVisitor;

impl<'de> Visitor<'de> for RowsVisitor {
    type Value = Rows;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a JSON array")
    }

    /// Keeps no more than `ROWS_MAX` rows, but reads to the end: broken JSON is broken however long it is.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Rows, A::Error> {
        let mut rows = Vec::new();
        while rows.len() < ROWS_MAX {
            match seq.next_element()? {
                Some(row) => rows.push(row),
                None => return Ok(Rows::All(rows)),
            }
        }
        let mut more = false;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            more = true;
        }
        Ok(if more { Rows::TooMany } else { Rows::All(rows) })
    }
}

#[derive(serde::Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    phone: Option<&'a RawValue>,
    #[serde(borrow)]
    time: Option<&'a RawValue>,
    #[serde(borrow)]
    userid: Option<&'a RawValue>,
    #[serde(borrow)]
    memberid: Option<&'a RawValue>,
    #[serde(borrow)]
    chengshudu: Option<&'a RawValue>,
    #[serde(borrow)]
    ext: Option<&'a RawValue>,
    #[serde(borrow)]
    customuuid: Option<&'a RawValue>,
    #[serde(borrow)]
    timezone: Option<&'a RawValue>,
}

fn read_lead(raw: &RawValue, now: Timestamp) -> Result<NewLead, Text> {
    if !is_object(raw) {
        // A mere number is a row with nothing else.
        let number = read_phone(raw).map_err(|reason| if is_scalar(raw) { reason } else { NOT_AN_OBJECT })?;
        return Ok(NewLead {
            number,
            not_after: None,
            user_id: String::new(),
            member_id: String::new(),
            ext: String::new(),
            custom_uuid: String::new(),
            time_zone: String::new(),
        });
    }
    let row: Row<'_> = serde_json::from_str(raw.get()).map_err(|_| NOT_AN_OBJECT)?;
    let ext = read_field(row.ext)?;
    Ok(NewLead {
        number: read_phone(row.phone.ok_or(NO_PHONE)?)?,
        not_after: read_deadline(row.time, now)?,
        user_id: read_field(row.userid)?,
        member_id: read_field(row.memberid)?,
        ext: if ext.is_empty() { read_field(row.chengshudu)? } else { ext },
        custom_uuid: read_field(row.customuuid)?,
        time_zone: read_zone(row.timezone)?,
    })
}

fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// A text or a number.
fn is_scalar(raw: &RawValue) -> bool {
    raw.get().starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit())
}

fn read_phone(raw: &RawValue) -> Result<PhoneNumber, Text> {
    let text = scalar_text(raw).filter(|_| is_scalar(raw)).ok_or(FIELD_NOT_TEXT)?;
    // 1.38e10 and 138.0 are numbers, but no telephone numbers.
    if !raw.get().starts_with('"') && !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(PHONE_NOT_DIGITS);
    }
    parse_phone(&text)
}

pub fn parse_phone(text: &str) -> Result<PhoneNumber, Text> {
    PhoneNumber::parse(text).map_err(|e| match e {
        NumberError::Empty => PHONE_EMPTY,
        NumberError::NotDigits => PHONE_NOT_DIGITS,
        NumberError::TooShort => PHONE_TOO_SHORT,
        NumberError::TooLong => PHONE_TOO_LONG,
    })
}

/// Absent, 0 and "" mean no deadline.
fn read_deadline(raw: Option<&RawValue>, now: Timestamp) -> Result<Option<Timestamp>, Text> {
    let Some(raw) = raw else { return Ok(None) };
    let text = scalar_text(raw).ok_or(TIME_NOT_SECONDS)?;
    let text = text.trim();
    let seconds = match text.split_once('.').map_or(text, |(whole, _)| whole) {
        "" if text.is_empty() => 0,
        whole => whole.parse::<i64>().map_err(|_| TIME_NOT_SECONDS)?,
    };
    match Timestamp::from_unix_seconds(seconds) {
        Timestamp(0) => Ok(None),
        at if at.unix_seconds() < now.unix_seconds() => Err(TIME_PAST),
        at => Ok(Some(at)),
    }
}

/// Empty when absent.
fn read_field(raw: Option<&RawValue>) -> Result<String, Text> {
    let Some(raw) = raw else { return Ok(String::new()) };
    let text = scalar_text(raw).ok_or(FIELD_NOT_TEXT)?;
    match text.chars().nth(FIELD_CHARS_MAX) {
        None => Ok(text),
        Some(_) => Err(FIELD_TOO_LONG),
    }
}

/// Where the customer is: an IANA name, empty when not given.
fn read_zone(raw: Option<&RawValue>) -> Result<String, Text> {
    check_zone(read_field(raw)?)
}

/// An IANA name, or empty.
pub fn check_zone(zone: String) -> Result<String, Text> {
    match zone.is_empty() || engine::compliance::check_zone(&zone).is_ok() {
        true => Ok(zone),
        false => Err(NO_ZONE),
    }
}

/// The row as sent, with `reason` as its last key. A row that is no object becomes the `phone` of one.
fn with_reason(row: &RawValue, reason: &str) -> Option<Box<RawValue>> {
    let reason = serde_json::to_string(reason).ok()?;
    let members = row.get().strip_prefix('{').and_then(|r| r.strip_suffix('}')).map(str::trim);
    let text = match members {
        Some("") => format!("{{\"reason\":{reason}}}"),
        Some(members) => format!("{{{members},\"reason\":{reason}}}"),
        None => format!("{{\"phone\":{},\"reason\":{reason}}}", row.get()),
    };
    RawValue::from_string(text).ok()
}

#[cfg(test)]
mod tests {
    use super::super::request::{Encoding, Fields};
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    fn read_as(json: &str, language: Language) -> Result<Submission, Failure> {
        let body = serde_json::json!({ "telphone": json }).to_string();
        let fields = Fields::read(&Encoding::Json, None, body.as_bytes()).expect("readable");
        Submission::read(Parameters { fields: &fields, language }, "telphone", NOW)
    }

    fn read(json: &str) -> Submission {
        read_as(json, Language::English).expect("rows")
    }

    fn reasons(submission: &Submission) -> Vec<String> {
        let reason = |row: Box<RawValue>| {
            let row: serde_json::Value = serde_json::from_str(row.get()).expect("JSON");
            row["reason"].as_str().expect("a text").to_owned()
        };
        submission.refused(&[], &[]).into_iter().map(reason).collect()
    }

    #[test]
    fn a_row_becomes_a_lead_with_its_fields() {
        let got = read(
            r#"[{"phone":"138-0013 8000","time":1700000001,"userid":7,"memberid":"m","chengshudu":"old","customuuid":"u"}]"#,
        );
        let lead = &got.leads[0];
        assert_eq!(lead.number.as_str(), "13800138000");
        assert_eq!(lead.not_after, Some(Timestamp::from_unix_seconds(1_700_000_001)));
        assert_eq!(
            (&*lead.user_id, &*lead.member_id, &*lead.ext, &*lead.custom_uuid),
            ("7", "m", "old", "u")
        );
        assert!(got.refused(&[], &[]).is_empty());
    }

    #[test]
    fn the_phone_is_a_text_or_a_number_and_rows_may_be_mere_numbers() {
        let got = read(r#"[{"phone":13800138000},{"phone":"13800138001"},13800138002,"+8613800138003"]"#);
        let numbers: Vec<_> = got.leads.iter().map(|l| l.number.as_str()).collect();
        assert_eq!(numbers, ["13800138000", "13800138001", "13800138002", "+8613800138003"]);
    }

    #[test]
    fn no_deadline_is_absent_zero_or_empty() {
        let got = read(
            r#"[{"phone":"111"},{"phone":"112","time":0},{"phone":"113","time":""},{"phone":"114","time":"0"},{"phone":"115","time":null}]"#,
        );
        assert_eq!(got.leads.len(), 5);
        assert!(got.leads.iter().all(|l| l.not_after.is_none()));
    }

    #[test]
    fn refused_rows_come_back_as_sent_with_a_reason() {
        let got = read_as(
            r#"[{"phone":"13a","userid":1.50, "x":{"y":1}},{"phone":"13800138000"},{},{"phone":"111","timezone":"Mars"},
            {"phone":"112","timezone":"Asia/Tokyo"}]"#,
            Language::Chinese,
        )
        .expect("rows");
        let refused: Vec<String> = got.refused(&[0], &[1]).iter().map(|r| r.get().to_owned()).collect();
        assert_eq!(
            refused,
            [
                r#"{"phone":"13a","userid":1.50, "x":{"y":1},"reason":"号码含有非数字字符"}"#,
                r#"{"phone":"13800138000","reason":"号码重复"}"#,
                r#"{"reason":"缺少phone"}"#,
                r#"{"phone":"111","timezone":"Mars","reason":"timezone不是IANA时区名"}"#,
                r#"{"phone":"112","timezone":"Asia/Tokyo","reason":"号码在免打扰名单中"}"#,
            ]
        );
    }

    #[test]
    fn every_kind_of_bad_row_has_its_reason() {
        let long = "1".repeat(40);
        let got = read(&format!(
            r#"[{{"phone":""}},{{"phone":"12"}},{{"phone":"{long}"}},{{"phone":{long}}},{{"phone":1.38e10}},
            {{"phone":"x"}},{{"phone":null}},{{"phone":["1"]}},{{"phone":true}},{{"phone":"111","time":1699999999}},
            {{"phone":"111","time":"soon"}},{{"phone":"111","userid":{{}}}},null,[1],true]"#
        ));
        assert_eq!(
            reasons(&got),
            [
                "the number is empty",
                "the number has fewer than 3 digits",
                "the number has more than 20 digits",
                "the number has more than 20 digits",
                "the number has a character that is not a digit",
                "the number has a character that is not a digit",
                "phone is missing",
                "a field is neither text nor number",
                "a field is neither text nor number",
                "the deadline is in the past",
                "time is not in unix seconds",
                "a field is neither text nor number",
                "not an object with a phone",
                "not an object with a phone",
                "not an object with a phone",
            ]
        );
        assert!(got.leads.is_empty());
        assert_eq!(got.first_reason(), "no valid number; number 1: the number is empty");
    }

    #[test]
    fn broken_json_and_an_empty_array_are_bad_requests() {
        for json in [r#"[{"phone":"1""#, "nonsense", "138,139", "13800138000", "[]", "{}", "", "\"[]\""] {
            let failure = read_as(json, Language::Chinese).expect_err(json);
            assert!(matches!(failure, Failure::Platform { .. }), "{json}: {failure:?}");
        }
    }

    #[test]
    fn ten_thousand_rows_are_taken_and_one_more_is_not() {
        let rows = |n: usize| {
            let rows: Vec<String> = (0..n).map(|i| format!("{{\"phone\":\"1380000{i:05}\"}}")).collect();
            format!("[{}]", rows.join(","))
        };
        assert_eq!(read(&rows(ROWS_MAX)).leads.len(), ROWS_MAX);
        let failure = read_as(&rows(ROWS_MAX + 1), Language::Chinese).expect_err("too many");
        assert!(matches!(failure, Failure::Business { code: Code::TOO_MANY_NUMBERS, .. }));
    }
}
