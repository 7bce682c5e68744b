//! Times as `/v1` writes them: RFC 3339, in UTC.

use engine::Timestamp;
use serde_json::Value;

const YEAR_0: Timestamp = Timestamp::from_unix_seconds(-62_167_219_200);

/// `2026-01-10T08:00:00.123456Z`
pub fn format(at: Timestamp) -> String {
    let stamp = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{stamp:.6}")
}

pub fn json(at: Timestamp) -> Value {
    Value::from(format(at))
}

pub fn json_or_null(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, json)
}

/// RFC 3339 §5.6, any offset.
pub fn parse(text: &str) -> Option<Timestamp> {
    let stamp: jiff::Timestamp = if has_shape(text) { text.parse().ok()? } else { return None };
    // An offset may lead to a year before 0, which RFC 3339 cannot write.
    Some(Timestamp(stamp.as_microsecond())).filter(|at| *at >= YEAR_0)
}

/// The parser takes more than RFC 3339 allows.
fn has_shape(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_digit);
    let head = "0000-00-00T00:00:00";
    let has_head = bytes.len() > head.len()
        && head.bytes().enumerate().all(|(i, b)| match b {
            b'0' => is_digit(i),
            b'T' => matches!(bytes[i], b'T' | b't'),
            b => bytes[i] == b,
        });
    if !has_head {
        return false;
    }
    let mut at = head.len();
    if bytes[at] == b'.' {
        let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 || digits > 9 {
            return false;
        }
        at += 1 + digits;
    }
    match &bytes[at..] {
        b"Z" | b"z" => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_back_as_written() {
        let at = Timestamp(1_767_286_800_123_456);
        assert_eq!(format(at), "2026-01-01T17:00:00.123456Z");
        assert_eq!(parse(&format(at)), Some(at));
        assert_eq!(parse("2026-01-02T01:00:00.123456+08:00"), Some(at));
        assert_eq!(parse("2026-01-01t17:00:00z"), Some(Timestamp::from_unix_seconds(1_767_286_800)));
    }

    #[test]
    fn what_is_no_rfc_3339_time_is_none() {
        for text in [
            "",
            "2026-01-01",
            "2026-01-01T17:00Z",
            "2026-01-01T17:00:00",
            "2026-01-01 17:00:00Z",
            "2026-01-01T17:00:00.Z",
            "2026-01-01T17:00:00+0800",
            "2026-13-01T17:00:00Z",
            "2026-02-30T17:00:00Z",
            "2026-01-01T25:00:00Z",
            "20260101T170000Z",
            "2026-01-01T17:00:00Z[UTC]",
            "2026-01-01T17:00:00é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
