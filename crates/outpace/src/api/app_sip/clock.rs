//! Times as the wire writes them: `yyyy-mm-dd hh:mm:ss` in the company's zone.

use engine::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

const FORMAT: &str = "%Y-%m-%d %H:%M:%S";

#[derive(Clone, Debug)]
pub struct Zone(TimeZone);

impl Zone {
    /// `name`: IANA. An unknown one falls back to the default of the contract.
    pub fn named(name: &str) -> Zone {
        Zone(TimeZone::get(name).or_else(|_| TimeZone::get("Asia/Shanghai")).unwrap_or(TimeZone::UTC))
    }

    /// `2025-01-10 23:20:19`
    pub fn format(&self, at: Timestamp) -> String {
        self.civil(at).strftime(FORMAT).to_string()
    }

    /// `20250110232019`
    pub fn format_compact(&self, at: Timestamp) -> String {
        self.civil(at).strftime("%Y%m%d%H%M%S").to_string()
    }

    /// Reads `yyyy-mm-dd hh:mm:ss`. In a gap or fold of summer time, the reading that RFC 5545 §3.3.5 prescribes.
    pub fn parse(&self, text: &str) -> Option<Timestamp> {
        if text.len() != 19 {
            return None;
        }
        self.stamp(DateTime::strptime(FORMAT, text).ok()?)
    }

    /// As `parse`; a mere date is its first second.
    pub fn parse_from(&self, text: &str) -> Option<Timestamp> {
        self.parse(text).or_else(|| self.stamp(date(text)?.at(0, 0, 0, 0)))
    }

    /// As `parse`, to the end of that second (rows are shown to the second); a mere date is its whole day.
    pub fn parse_to(&self, text: &str) -> Option<Timestamp> {
        let second = self.parse(text).or_else(|| self.stamp(date(text)?.at(23, 59, 59, 0)))?;
        Some(Timestamp(second.0.saturating_add(999_999)))
    }

    /// In a gap or fold of summer time as `parse`.
    pub fn stamp(&self, civil: DateTime) -> Option<Timestamp> {
        let zoned = civil.to_zoned(self.0.clone()).ok()?;
        Some(Timestamp(zoned.timestamp().as_microsecond()))
    }

    fn civil(&self, at: Timestamp) -> DateTime {
        let stamp = jiff::Timestamp::from_microsecond(at.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        self.0.to_datetime(stamp)
    }
}

fn date(text: &str) -> Option<Date> {
    match text.len() {
        10 => Date::strptime("%Y-%m-%d", text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read_in_the_zone_of_the_company() {
        let zone = Zone::named("Asia/Shanghai");
        let at = Timestamp::from_unix_seconds(1_581_496_504);
        assert_eq!(zone.format(at), "2020-02-12 16:35:04");
        assert_eq!(zone.format_compact(at), "20200212163504");
        assert_eq!(zone.parse("2020-02-12 16:35:04"), Some(at));
        assert_eq!(Zone::named("Europe/Berlin").format(at), "2020-02-12 09:35:04");
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let zone = Zone::named("Asia/Shanghai");
        for text in ["", "2020-02-30 00:00:00", "2020-02-12", "2020-02-12T16:35:04", "2020-2-12 16:35:4", "x"]
        {
            assert_eq!(zone.parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_range_includes_its_last_second_and_its_last_day() {
        let zone = Zone::named("Asia/Shanghai");
        let from = zone.parse_from("2020-02-12").expect("a date");
        let to = zone.parse_to("2020-02-12").expect("a date");
        assert_eq!(to.0 - from.0, 86_400_000_000 - 1);
    }

    #[test]
    fn an_unknown_zone_is_shanghai() {
        assert_eq!(Zone::named("Mars/Olympus").format(Timestamp(0)), "1970-01-01 08:00:00");
    }
}
