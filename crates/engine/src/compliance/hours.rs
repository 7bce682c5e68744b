//! Weekly hours in which calls are allowed, and when they open next in one time zone.

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::ComplianceError;

const DAY_MINUTES: u16 = 24 * 60;
/// How far ahead an opening is looked for.
const DAYS_AHEAD: u32 = 62;
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Minutes of a day: from the first, to before the second.
type Span = (u16, u16);

/// Spans of each day of the week, Monday first, in order and apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Hours {
    week: [Vec<Span>; 7],
}

impl Hours {
    pub(super) fn always() -> Hours {
        Hours { week: std::array::from_fn(|_| vec![(0, DAY_MINUTES)]) }
    }

    /// Each line: days (none: every day), then spans: `mon-fri 09:00-12:00 14:00-21:00`. A span that ends before it
    /// begins lasts into the next day.
    pub(super) fn parse(lines: &[String]) -> Result<Hours, ComplianceError> {
        let mut hours = Hours { week: Default::default() };
        for line in lines {
            hours.add(line).ok_or_else(|| ComplianceError::Window(line.clone()))?;
        }
        for spans in &mut hours.week {
            *spans = merged(std::mem::take(spans));
        }
        Ok(hours)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let mut words = line.split_whitespace().peekable();
        let names_days = words.peek()?.starts_with(|c: char| c.is_ascii_alphabetic());
        let days = if names_days { parse_days(words.next()?)? } else { [true; 7] };
        words.peek()?;
        for word in words {
            let (from, to) = word.split_once('-')?;
            let (from, to) = (parse_minute(from)?, parse_minute(to)?);
            if from == to || from == DAY_MINUTES {
                return None;
            }
            for day in (0..7).filter(|day| days[*day]) {
                if from < to {
                    self.week[day].push((from, to));
                } else {
                    self.week[day].push((from, DAY_MINUTES));
                    self.week[(day + 1) % 7].push((0, to));
                }
            }
        }
        Some(())
    }

    /// The first moment at or after `now` at which the hours are open in the zone; None: none is in sight. `day_of`: the
    /// day of the week whose hours a date has; None: it is closed.
    pub(super) fn next_open(
        &self,
        now: Timestamp,
        zone: &TimeZone,
        day_of: impl Fn(Date) -> Option<Weekday>,
    ) -> Option<Timestamp> {
        let mut date = zone.to_datetime(now).date();
        for _ in 0..DAYS_AHEAD {
            let day = day_of(date).map(|day| usize::try_from(day.to_monday_zero_offset()).unwrap_or(0));
            for (from, to) in day.map_or(&[][..], |day| &self.week[day]) {
                // Where clocks are set back or forward, the hours are rather too short than too long.
                let opens = zone.to_ambiguous_timestamp(at(date, *from)?).later().ok()?;
                let closes = zone.to_ambiguous_timestamp(at(date, *to)?).earlier().ok()?;
                if now < closes && opens < closes {
                    return Some(opens.max(now));
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }
}

fn at(date: Date, minute: u16) -> Option<DateTime> {
    date.at(0, 0, 0, 0).checked_add(i64::from(minute).minutes()).ok()
}

fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut apart: Vec<Span> = Vec::new();
    for (from, to) in spans {
        match apart.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => apart.push((from, to)),
        }
    }
    apart
}

/// `mon-fri`, `sat`, `mon,wed,fri-sun`.
fn parse_days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let place = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
        let (first, last) = (place(first)?, place(last)?);
        for step in 0..=(last + 7 - first) % 7 {
            days[(first + step) % 7] = true;
        }
    }
    Some(days)
}

/// `hh:mm`, up to 24:00.
fn parse_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| {
        let is_number = (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let minutes = hour * 60 + minute;
    (minute < 60 && minutes <= DAY_MINUTES).then_some(minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(lines: &[&str]) -> Hours {
        Hours::parse(&lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn next(hours: &Hours, now: &str, zone: &str) -> Option<String> {
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(zone).unwrap();
        let now: Timestamp = now.parse().unwrap();
        hours.next_open(now, &zone, |date| Some(date.weekday())).map(|t| t.to_string())
    }

    fn opens(lines: &[&str], now: &str, zone: &str) -> String {
        next(&hours(lines), now, zone).expect("it opens")
    }

    #[test]
    fn several_windows_of_a_day_and_weekdays_are_kept() {
        let week = ["mon-fri 09:00-12:00 14:00-21:00", "sat 10:00-12:00"];
        // 2026-11-20 is a Friday. Shanghai is 8 hours ahead.
        for (now, next) in [
            ("2026-11-20T00:59:59Z", "2026-11-20T01:00:00Z"),
            ("2026-11-20T01:00:00Z", "2026-11-20T01:00:00Z"),
            ("2026-11-20T03:59:59Z", "2026-11-20T03:59:59Z"),
            ("2026-11-20T04:00:00Z", "2026-11-20T06:00:00Z"),
            ("2026-11-20T13:00:00Z", "2026-11-21T02:00:00Z"),
            ("2026-11-21T04:00:00Z", "2026-11-23T01:00:00Z"),
        ] {
            assert_eq!(opens(&week, now, "Asia/Shanghai"), next, "at {now}");
        }
    }

    #[test]
    fn a_window_may_last_into_the_next_day() {
        let night = ["fri 22:00-02:00"];
        assert_eq!(opens(&night, "2026-11-20T23:30:00Z", "UTC"), "2026-11-20T23:30:00Z");
        assert_eq!(opens(&night, "2026-11-21T01:59:00Z", "UTC"), "2026-11-21T01:59:00Z");
        assert_eq!(opens(&night, "2026-11-21T02:00:00Z", "UTC"), "2026-11-27T22:00:00Z");
        assert_eq!(opens(&["sun 23:00-01:00"], "2026-11-23T00:30:00Z", "UTC"), "2026-11-23T00:30:00Z");
    }

    #[test]
    fn the_local_clock_counts_when_clocks_are_changed() {
        let day = ["08:00-21:00"];
        let zone = "America/New_York";
        // Summer time begins on 2026-03-08 and ends on 2026-11-01.
        assert_eq!(opens(&day, "2026-03-07T05:00:00Z", zone), "2026-03-07T13:00:00Z");
        assert_eq!(opens(&day, "2026-03-08T05:00:00Z", zone), "2026-03-08T12:00:00Z");
        assert_eq!(opens(&day, "2026-11-01T04:00:00Z", zone), "2026-11-01T13:00:00Z");
        // From 02:00 on there is no local time until 03:00, and 01:00 to 02:00 comes twice in autumn.
        assert_eq!(opens(&["02:15-02:45"], "2026-03-08T05:00:00Z", zone), "2026-03-09T06:15:00Z");
        assert_eq!(opens(&["01:30-04:00"], "2026-11-01T05:00:00Z", zone), "2026-11-01T06:30:00Z");
        assert_eq!(opens(&["00:30-01:30"], "2026-11-01T05:30:00Z", zone), "2026-11-02T05:30:00Z");
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        for line in [
            "",
            "mon",
            "9-12",
            "09:00",
            "09:00-25:00",
            "09:60-10:00",
            "24:00-24:00",
            "xyz 09:00-12:00",
            "mon- 09:00-12:00",
            "09:00-12:00,14:00-15:00",
            "09:00-09:00",
            "+9:00-10:00",
            "009:00-10:00",
        ] {
            assert!(Hours::parse(&[line.to_owned()]).is_err(), "{line:?}");
        }
        assert_eq!(hours(&["fri-mon 00:00-24:00", "tue,wed,thu 00:00-24:00"]), Hours::always());
        assert_eq!(hours(&["10:00-12:00 9:00-11:00"]), hours(&["09:00-12:00"]));
    }
}
