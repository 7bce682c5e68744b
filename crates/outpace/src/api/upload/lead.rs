//! A row of the file as a lead.

use engine::{PhoneNumber, Timestamp};
use jiff::ToSpan;
use jiff::civil::{Date, date};
use store::NewLead;

use super::columns::Columns;
use super::table::Row;
use crate::api::app_sip::clock::Zone;
use crate::api::app_sip::code::Text;
use crate::api::app_sip::lead_rows::{FIELD_CHARS_MAX, FIELD_TOO_LONG, TIME_PAST, check_zone, parse_phone};

const PHONE_SCIENTIFIC: Text = Text::new(
    "号码是科学计数法，末尾数字已丢失，请把该列设为文本格式",
    "the number is in scientific notation and has lost its last digits: format the column as text",
);
const NO_TIME: Text = Text::new(
    "期限应为unix时间戳或yyyy-mm-dd hh:mm:ss",
    "the deadline is neither unix seconds nor yyyy-mm-dd hh:mm:ss",
);
/// Smaller numbers are days, as spreadsheets count them (to the year 2173), larger ones unix seconds.
const DAYS_MAX: f64 = 100_000.0;
const DAY_SECONDS: f64 = 86_400.0;

/// Why a row is no lead.
pub fn read(row: &Row, columns: &Columns, now: Timestamp, zone: &Zone) -> Result<NewLead, Text> {
    let field = |column: Option<usize>| {
        let text = column.map_or("", |c| row.cell(c));
        match text.chars().nth(FIELD_CHARS_MAX) {
            None => Ok(text.to_owned()),
            Some(_) => Err(FIELD_TOO_LONG),
        }
    };
    Ok(NewLead {
        number: phone(row.cell(columns.phone))?,
        not_after: match columns.time.map_or("", |c| row.cell(c)) {
            "" | "0" => None,
            text => Some(deadline(text, row.from_1904, now, zone)?),
        },
        user_id: field(columns.user_id)?,
        member_id: field(columns.member_id)?,
        ext: field(columns.ext)?,
        custom_uuid: field(columns.custom_uuid)?,
        time_zone: check_zone(field(columns.time_zone)?)?,
    })
}

fn phone(text: &str) -> Result<PhoneNumber, Text> {
    // What people do to keep a spreadsheet from reading it as a number: ="138…", '138…
    let text = text.strip_prefix("=\"").and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    let text = text.trim_start_matches('\'').trim();
    // What programs do that read it as a number: 13812345678.0
    let text = match text.split_once('.') {
        Some((whole, zeros)) if !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') => whole,
        _ => text,
    };
    parse_phone(text).map_err(|why| if is_scientific(text) { PHONE_SCIENTIFIC } else { why })
}

/// `1.38E+10`
fn is_scientific(text: &str) -> bool {
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else { return false };
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    digits(mantissa) && digits(exponent.trim_start_matches('+'))
}

fn deadline(text: &str, from_1904: bool, now: Timestamp, zone: &Zone) -> Result<Timestamp, Text> {
    let at = match text.parse::<f64>() {
        Ok(days) if (0.0..DAYS_MAX).contains(&days) => of_days(days, from_1904, zone),
        Ok(seconds) if seconds.is_finite() && seconds > 0.0 && seconds < 1e11 => {
            Some(Timestamp::from_unix_seconds(seconds as i64))
        }
        Ok(_) => None,
        Err(_) => of_text(text, zone),
    };
    match at.ok_or(NO_TIME)? {
        at if at.unix_seconds() < now.unix_seconds() => Err(TIME_PAST),
        at => Ok(at),
    }
}

/// A mere day counts to its end.
fn of_days(days: f64, from_1904: bool, zone: &Zone) -> Option<Timestamp> {
    // Day 60 of the system of 1900 is a 29 February that there was not.
    let first = if from_1904 { date(1904, 1, 1) } else { date(1899, 12, 30) };
    let day = first.checked_add((days.trunc() as i64).days()).ok()?;
    match (days.fract() * DAY_SECONDS).round() as i64 {
        0 => end_of(day, zone),
        seconds => zone.stamp(day.at(0, 0, 0, 0).checked_add(seconds.seconds()).ok()?),
    }
}

/// `2026-01-31`, `2026/1/31 8:30`, `2026-01-31T08:30:00`
fn of_text(text: &str, zone: &Zone) -> Option<Timestamp> {
    let (day, time) = match text.split_once([' ', 'T']) {
        Some((day, time)) => (day, Some(time.trim())),
        None => (text, None),
    };
    let mut parts = day.split(['-', '/', '.']).map(|part| part.parse::<i16>().ok());
    let (year, month, of_month) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || year < 1970 {
        return None;
    }
    let day = Date::new(year, i8::try_from(month).ok()?, i8::try_from(of_month).ok()?).ok()?;
    let Some(time) = time else { return end_of(day, zone) };
    let mut parts = time.split(':').map(|part| part.split('.').next().unwrap_or_default().parse::<i8>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let time = jiff::civil::Time::new(hour, minute, second, 0).ok()?;
    zone.stamp(day.to_datetime(time))
}

fn end_of(day: Date, zone: &Zone) -> Option<Timestamp> {
    zone.stamp(day.at(23, 59, 59, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_700_000_000);

    #[test]
    fn a_number_is_read_however_the_spreadsheet_was_outwitted() {
        for text in ["13812345678", "=\"13812345678\"", "'13812345678", "13812345678.0", "138-1234-5678"] {
            assert_eq!(
                phone(text).map(|p| p.as_str().to_owned()).ok().as_deref(),
                Some("13812345678"),
                "{text}"
            );
        }
        assert_eq!(phone("1.38123E+10"), Err(PHONE_SCIENTIFIC));
        assert!(phone("1381234567x").is_err() && phone("").is_err());
    }

    #[test]
    fn deadlines_are_seconds_days_or_texts() {
        let zone = Zone::named("Asia/Shanghai");
        let read = |text: &str| deadline(text, false, NOW, &zone).map(|at| zone.format(at));
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(read("1767225600"), ok("2026-01-01 08:00:00"));
        assert_eq!(read("46023"), ok("2026-01-01 23:59:59"));
        assert_eq!(read("46023.5"), ok("2026-01-01 12:00:00"));
        assert_eq!(
            deadline("44561.5", true, NOW, &zone).map(|at| zone.format(at)),
            ok("2026-01-01 12:00:00")
        );
        for text in ["2026-01-01", "2026/1/1", "2026.01.01"] {
            assert_eq!(read(text), ok("2026-01-01 23:59:59"), "{text}");
        }
        for text in ["2026-01-01 08:30:00", "2026/1/1 8:30", "2026-01-01T08:30:00.000"] {
            assert_eq!(read(text), ok("2026-01-01 08:30:00"), "{text}");
        }
        assert_eq!(read("1699999999"), Err(TIME_PAST));
        for text in ["soon", "2026-13-01", "2026-01", "-1", "NaN", "1e300", "2026-01-01 25:00"] {
            assert_eq!(read(text), Err(NO_TIME), "{text}");
        }
    }
}
