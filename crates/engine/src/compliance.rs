//! May this number be called now? Call windows in the customer's time zone, holidays, frequency caps, lock-outs, and the
//! form in which numbers are compared. The store asks, in the transaction that leases a lead; what cannot be decided is
//! refused.

mod dnc;
mod hours;
mod key;
mod profile;
mod zone;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZoneDatabase;

use crate::{PhoneNumber, Timestamp};
use hours::Hours;

pub use dnc::{DncEntry, DncError};
pub use profile::Profile;

/// Periods of caps and lock-outs in hours at most: 31 days.
pub const PERIOD_MAX_H: u32 = 744;
/// Caps of a company at most.
const CAPS_MAX: usize = 8;
/// How far ahead a moment is looked for at which every zone is open.
const OPENING_WITHIN: Duration = Duration::from_secs(60 * 86_400);

/// Why a number is not called, or not yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rule {
    /// On the company's do-not-call list.
    DncCompany,
    /// On the campaign's do-not-call list.
    DncCampaign,
    /// Outside the hours in which it may be called.
    Window,
    /// Called too often lately.
    Frequency,
    /// Was called and got no agent lately.
    Lockout,
    /// There are hours to be kept, but nobody knows where the number is.
    Zone,
}

impl Rule {
    pub const ALL: [Rule; 6] =
        [Rule::DncCompany, Rule::DncCampaign, Rule::Window, Rule::Frequency, Rule::Lockout, Rule::Zone];

    pub const fn name(self) -> &'static str {
        match self {
            Rule::DncCompany => "dnc_company",
            Rule::DncCampaign => "dnc_campaign",
            Rule::Window => "window",
            Rule::Frequency => "frequency",
            Rule::Lockout => "lockout",
            Rule::Zone => "zone",
        }
    }

    pub fn from_name(name: &str) -> Option<Rule> {
        Rule::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

/// What the rules say about one number at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permit {
    Allowed,
    /// Not before `until`.
    Wait {
        rule: Rule,
        until: Timestamp,
    },
    /// Not at all.
    Refused(Rule),
}

/// Calls to one number in a rolling period at most, over all campaigns of the company.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cap {
    pub calls: u32,
    pub hours: u32,
}

impl Cap {
    pub fn period(self) -> Duration {
        Duration::from_secs(u64::from(self.hours) * 3600)
    }

    /// When the next call is within the cap again; None: it is now. `dials`: earlier calls, latest first.
    fn free_at(self, now: Timestamp, dials: &[Timestamp]) -> Option<Timestamp> {
        // The call that must have left the period before there is room for one more.
        let last = dials.get(usize::try_from(self.calls).unwrap_or(usize::MAX).checked_sub(1)?)?;
        let free = last.plus(self.period());
        (free > now).then_some(free)
    }
}

/// What holidays are like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Holidays {
    /// Nobody is called.
    #[default]
    Closed,
    /// The hours of a Sunday are kept.
    Sunday,
}

/// Stretches of time over which the share of abandoned calls is capped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AbandonWindow {
    Hour,
    /// Since midnight in the company's zone.
    Day,
    Hours24,
    Days30,
}

impl AbandonWindow {
    pub const ALL: [AbandonWindow; 4] =
        [AbandonWindow::Hour, AbandonWindow::Day, AbandonWindow::Hours24, AbandonWindow::Days30];

    pub const fn name(self) -> &'static str {
        match self {
            AbandonWindow::Hour => "hour",
            AbandonWindow::Day => "day",
            AbandonWindow::Hours24 => "24h",
            AbandonWindow::Days30 => "30d",
        }
    }

    pub fn from_name(name: &str) -> Option<AbandonWindow> {
        AbandonWindow::ALL.into_iter().find(|w| w.name() == name)
    }
}

/// What a company has to keep, as it was written. `Default` restricts nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ComplianceSettings {
    pub profile: Profile,
    /// Calling code of numbers written without one; empty: that of the country in which the company's zone lies.
    pub country: String,
    /// Such as `mon-fri 09:00-12:00 14:00-21:00`; none: at any time.
    pub windows: Vec<String>,
    /// Days, yyyy-mm-dd, by the customer's calendar.
    pub holidays: Vec<String>,
    pub holidays_are: Holidays,
    pub caps: Vec<Cap>,
    /// After an abandoned call the number is not dialed automatically for so long; 0: no lock-out.
    pub lockout_h: u32,
    /// A ringing customer is not given up before, whatever the server's own setting.
    pub ring_min_s: u32,
    /// Abandoned per answered at most, whatever a campaign asks for, in hundredths of a percent; 10 000: no limit.
    pub abandon_max: u32,
    pub abandon_windows: Vec<AbandonWindow>,
    /// Personal data of leads, calls and bills is deleted after so many days; 0: never.
    pub keep_personal_days: u32,
    /// Recordings are deleted after so many days; 0: as the server says.
    pub keep_recordings_days: u32,
}

/// Settings that cannot be kept because they cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ComplianceError {
    #[error("call window {0:?}: write days and hours, such as \"mon-fri 09:00-12:00 14:00-21:00\"")]
    Window(String),
    #[error("holiday {0:?} is not a day such as 2026-10-01")]
    Holiday(String),
    #[error("cap {0:?}: at most {CAPS_MAX} caps, of 1 or more calls in 1 to {PERIOD_MAX_H} hours")]
    Cap(String),
    #[error("a lock-out of {0} hours: at most {PERIOD_MAX_H}")]
    Lockout(u32),
    #[error("country {0:?} is not a calling code such as 86")]
    Country(String),
    #[error("abandon_max {0}: at most 10000, hundredths of a percent")]
    Abandoned(u32),
    #[error("time zone {0:?} is not an IANA name such as Asia/Shanghai")]
    Zone(String),
}

/// The settings of a company and a campaign, ready to be asked.
#[derive(Clone, Debug)]
pub struct Rules {
    country: Cow<'static, str>,
    zone: String,
    /// All must be open: the company's and the campaign's.
    hours: Vec<Hours>,
    holidays: BTreeSet<Date>,
    holidays_are: Holidays,
    caps: Vec<Cap>,
    lockout: Duration,
}

impl Rules {
    /// `zone`: the company's. `windows`: the campaign's own; they only narrow the company's.
    pub fn new(
        settings: &ComplianceSettings,
        zone: &str,
        windows: &[String],
    ) -> Result<Rules, ComplianceError> {
        let mut holidays = BTreeSet::new();
        for day in &settings.holidays {
            holidays.insert(day.parse().map_err(|_| ComplianceError::Holiday(day.clone()))?);
        }
        check_zone(zone)?;
        check(settings)?;
        let mut hours = Vec::new();
        for lines in [&settings.windows[..], windows] {
            if !lines.is_empty() {
                hours.push(Hours::parse(lines)?);
            }
        }
        if hours.is_empty() && !holidays.is_empty() {
            hours.push(Hours::always());
        }
        let country = match settings.country.as_str() {
            "" => zone::country_of(zone).unwrap_or("").into(),
            country => country.to_owned().into(),
        };
        Ok(Rules {
            country,
            zone: zone.to_owned(),
            hours,
            holidays,
            holidays_are: settings.holidays_are,
            caps: settings.caps.clone(),
            lockout: Duration::from_secs(u64::from(settings.lockout_h) * 3600),
        })
    }

    /// The calling code of numbers written without one; empty: unknown.
    pub fn country(&self) -> &str {
        &self.country
    }

    /// The one form in which numbers are compared, digits only.
    pub fn key(&self, number: &PhoneNumber) -> String {
        key::key_of(number.as_str(), &self.country).0
    }

    /// What the keys of all numbers that begin so begin with. `start`: digits, perhaps after a `+`.
    pub fn key_prefix(&self, start: &str) -> String {
        key::prefix_of(start, &self.country)
    }

    /// Whether there are hours in which nobody may be called.
    pub fn has_hours(&self) -> bool {
        !self.hours.is_empty()
    }

    /// The zones, comma-separated, in which a customer may be: the one given, else those of the number's prefix, else the
    /// company's (empty). None: a number of no country.
    pub fn zones<'a>(&self, number: &PhoneNumber, given: &'a str) -> Option<Cow<'a, str>> {
        if !given.is_empty() {
            return Some(given.into());
        }
        match key::key_of(number.as_str(), &self.country) {
            (_, false) => Some("".into()),
            (key, true) => zone::zones_of(&key).map(Cow::Borrowed),
        }
    }

    /// The first moment at or after `now` at which the hours are open in all of these zones. None: never.
    pub fn opening(&self, now: Timestamp, zones: &str) -> Option<Timestamp> {
        if self.hours.is_empty() {
            return Some(now);
        }
        let db = TimeZoneDatabase::bundled();
        let zones = if zones.is_empty() { self.zone.as_str() } else { zones };
        let zones: Vec<_> = zones.split(',').map(|zone| db.get(zone).ok()).collect::<Option<_>>()?;
        let begun = jiff::Timestamp::from_microsecond(now.0).ok()?;
        let mut at = begun;
        while at <= begun + OPENING_WITHIN {
            let mut latest = at;
            for zone in &zones {
                for hours in &self.hours {
                    latest = latest.max(hours.next_open(at, zone, |date| self.day_of(date))?);
                }
            }
            if latest == at {
                return Some(Timestamp(at.as_microsecond()));
            }
            at = latest;
        }
        None
    }

    fn day_of(&self, date: Date) -> Option<Weekday> {
        match (self.holidays.contains(&date), self.holidays_are) {
            (false, _) => Some(date.weekday()),
            (true, Holidays::Sunday) => Some(Weekday::Sunday),
            (true, Holidays::Closed) => None,
        }
    }

    /// Whether the hours let the number be called.
    pub fn in_hours(&self, now: Timestamp, number: &PhoneNumber, given: &str) -> Permit {
        if self.hours.is_empty() {
            return Permit::Allowed;
        }
        let Some(zones) = self.zones(number, given) else { return Permit::Refused(Rule::Zone) };
        self.in_hours_of(now, &zones)
    }

    /// As `in_hours`, for zones that are known.
    pub fn in_hours_of(&self, now: Timestamp, zones: &str) -> Permit {
        match self.opening(now, zones) {
            Some(at) if at <= now => Permit::Allowed,
            Some(until) => Permit::Wait { rule: Rule::Window, until },
            None => Permit::Refused(Rule::Window),
        }
    }

    /// How many of the latest calls `within_caps` wants to see; 0: there is no cap.
    pub fn dials_wanted(&self) -> usize {
        self.caps.iter().map(|cap| usize::try_from(cap.calls).unwrap_or(usize::MAX)).max().unwrap_or(0)
    }

    /// Whether one more call is within every cap. `dials`: the times of earlier calls to the number, latest first.
    pub fn within_caps(&self, now: Timestamp, dials: &[Timestamp]) -> Permit {
        match self.caps.iter().filter_map(|cap| cap.free_at(now, dials)).max() {
            None => Permit::Allowed,
            Some(until) => Permit::Wait { rule: Rule::Frequency, until },
        }
    }

    /// Whether `after_abandoned` has anything to say.
    pub fn has_lockout(&self) -> bool {
        !self.lockout.is_zero()
    }

    /// Whether an automatic call may follow an abandoned one.
    pub fn after_abandoned(&self, now: Timestamp, abandoned: Option<Timestamp>) -> Permit {
        match abandoned.map(|at| at.plus(self.lockout)) {
            Some(until) if until > now => Permit::Wait { rule: Rule::Lockout, until },
            _ => Permit::Allowed,
        }
    }
}

/// An IANA name that this build knows.
pub fn check_zone(zone: &str) -> Result<(), ComplianceError> {
    match TimeZoneDatabase::bundled().get(zone) {
        Ok(_) if !zone.contains(',') => Ok(()),
        _ => Err(ComplianceError::Zone(zone.to_owned())),
    }
}

fn check(settings: &ComplianceSettings) -> Result<(), ComplianceError> {
    let is_good = |cap: &Cap| cap.calls > 0 && (1..=PERIOD_MAX_H).contains(&cap.hours);
    if let Some(cap) = settings.caps.iter().find(|cap| !is_good(cap)).or(settings.caps.get(CAPS_MAX)) {
        return Err(ComplianceError::Cap(format!("{}/{}", cap.calls, cap.hours)));
    }
    if settings.lockout_h > PERIOD_MAX_H {
        return Err(ComplianceError::Lockout(settings.lockout_h));
    }
    let country = &settings.country;
    if country.len() > 3 || !country.bytes().all(|b| b.is_ascii_digit()) || country.starts_with('0') {
        return Err(ComplianceError::Country(country.clone()));
    }
    if settings.abandon_max > 10_000 {
        return Err(ComplianceError::Abandoned(settings.abandon_max));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    fn number(text: &str) -> PhoneNumber {
        PhoneNumber::parse(text).unwrap()
    }

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|l| (*l).to_owned()).collect()
    }

    fn rules(settings: &ComplianceSettings, zone: &str) -> Rules {
        Rules::new(settings, zone, &[]).unwrap()
    }

    fn waits(until: &str) -> Permit {
        Permit::Wait { rule: Rule::Window, until: at(until) }
    }

    #[test]
    fn nothing_is_restricted_by_default() {
        let rules = rules(&ComplianceSettings::default(), "Asia/Shanghai");
        assert!(!rules.has_hours() && !rules.has_lockout() && rules.dials_wanted() == 0);
        for number in [number("13800138000"), number("+80012345678")] {
            assert_eq!(rules.in_hours(at("2026-11-20T19:00:00Z"), &number, ""), Permit::Allowed);
        }
    }

    #[test]
    fn the_zone_is_the_leads_else_the_prefixs_else_the_companys() {
        let nine = ComplianceSettings { windows: lines(&["09:00-17:00"]), ..ComplianceSettings::default() };
        let rules = rules(&nine, "UTC");
        let now = at("2026-11-20T00:00:00Z");
        let until = |n: &str, zone: &str| rules.in_hours(now, &number(n), zone);
        assert_eq!(until("5550100", ""), waits("2026-11-20T09:00:00Z"), "the company's");
        assert_eq!(until("+8613800138000", ""), waits("2026-11-20T01:00:00Z"), "the prefix's");
        assert_eq!(until("+8613800138000", "Asia/Tokyo"), Permit::Allowed, "the lead's");
        assert_eq!(until("+80012345678", ""), Permit::Refused(Rule::Zone), "no country has it");
        assert_eq!(until("5550100", "Mars/Olympus"), Permit::Refused(Rule::Window), "no zone at all");
    }

    #[test]
    fn a_number_that_may_be_in_several_zones_is_called_when_all_are_open() {
        let rules = rules(&Profile::Us.settings(), "America/New_York");
        let now = at("2026-11-20T14:00:00Z");
        let until = |n: &str| rules.in_hours(now, &number(n), "");
        assert_eq!(until("2125550100"), Permit::Allowed);
        assert_eq!(until("5415550100"), waits("2026-11-20T16:00:00Z"), "mountain and pacific");
        assert_eq!(until("8085550100"), waits("2026-11-20T18:00:00Z"));
        let short = ComplianceSettings { windows: lines(&["12:00-13:00"]), ..Profile::Us.settings() };
        let rules = Rules::new(&short, "America/New_York", &[]).unwrap();
        assert_eq!(rules.in_hours(now, &number("5415550100"), ""), Permit::Refused(Rule::Window));
    }

    #[test]
    fn holidays_are_closed_or_as_sundays() {
        let mut settings = ComplianceSettings {
            windows: lines(&["mon-sat 09:00-21:00", "sun 10:00-18:00"]),
            holidays: lines(&["2026-10-01", "2026-10-02"]),
            ..ComplianceSettings::default()
        };
        let thursday = at("2026-10-01T00:00:00Z");
        let opening = |s: &ComplianceSettings| rules(s, "UTC").opening(thursday, "");
        assert_eq!(opening(&settings), Some(at("2026-10-03T09:00:00Z")));
        settings.holidays_are = Holidays::Sunday;
        assert_eq!(opening(&settings), Some(at("2026-10-01T10:00:00Z")));
        (settings.windows, settings.holidays_are) = (Vec::new(), Holidays::Closed);
        assert_eq!(opening(&settings), Some(at("2026-10-03T00:00:00Z")), "holidays alone");
    }

    #[test]
    fn a_campaigns_windows_only_narrow_the_companys() {
        let settings = ComplianceSettings { windows: lines(&["09:00-21:00"]), ..Default::default() };
        let rules = Rules::new(&settings, "UTC", &lines(&["06:00-10:00", "20:00-23:00"])).unwrap();
        let opening = |now: &str| rules.opening(at(now), "").unwrap();
        assert_eq!(opening("2026-11-20T05:00:00Z"), at("2026-11-20T09:00:00Z"));
        assert_eq!(opening("2026-11-20T10:00:00Z"), at("2026-11-20T20:00:00Z"));
        assert_eq!(opening("2026-11-20T21:00:00Z"), at("2026-11-21T09:00:00Z"));
    }

    #[test]
    fn a_cap_waits_until_the_oldest_call_it_counts_has_left_the_period() {
        let caps = vec![Cap { calls: 1, hours: 1 }, Cap { calls: 3, hours: 24 }];
        let rules = rules(&ComplianceSettings { caps, ..Default::default() }, "UTC");
        assert_eq!(rules.dials_wanted(), 3);
        let now = at("2026-11-20T12:00:00Z");
        let within =
            |dials: &[&str]| rules.within_caps(now, &dials.iter().map(|d| at(d)).collect::<Vec<_>>());
        let wait = |until: &str| Permit::Wait { rule: Rule::Frequency, until: at(until) };
        assert_eq!(within(&[]), Permit::Allowed);
        assert_eq!(within(&["2026-11-20T11:00:00Z"]), Permit::Allowed);
        assert_eq!(within(&["2026-11-20T11:30:00Z"]), wait("2026-11-20T12:30:00Z"));
        let three = ["2026-11-20T10:00:00Z", "2026-11-20T09:00:00Z", "2026-11-19T20:00:00Z"];
        assert_eq!(within(&three), wait("2026-11-20T20:00:00Z"));
        assert_eq!(within(&three[..2]), Permit::Allowed);
    }

    #[test]
    fn a_lockout_follows_an_abandoned_call() {
        let rules = rules(&Profile::Uk.settings(), "Europe/London");
        let now = at("2026-11-20T12:00:00Z");
        let locked = Permit::Wait { rule: Rule::Lockout, until: at("2026-11-22T12:00:01Z") };
        assert_eq!(rules.after_abandoned(now, Some(at("2026-11-19T12:00:01Z"))), locked);
        assert_eq!(rules.after_abandoned(now, Some(at("2026-11-17T12:00:00Z"))), Permit::Allowed);
        assert_eq!(rules.after_abandoned(now, None), Permit::Allowed);
    }

    #[test]
    fn settings_that_cannot_be_read_are_errors() {
        let good = ComplianceSettings::default();
        let cap = |calls, hours| vec![Cap { calls, hours }];
        for bad in [
            ComplianceSettings { windows: lines(&["9 to 5"]), ..good.clone() },
            ComplianceSettings { holidays: lines(&["2026-02-30"]), ..good.clone() },
            ComplianceSettings { caps: cap(0, 24), ..good.clone() },
            ComplianceSettings { caps: cap(1, PERIOD_MAX_H + 1), ..good.clone() },
            ComplianceSettings { caps: cap(1, 1).repeat(CAPS_MAX + 1), ..good.clone() },
            ComplianceSettings { lockout_h: 9999, ..good.clone() },
            ComplianceSettings { country: "+86".into(), ..good.clone() },
            ComplianceSettings { abandon_max: 10_001, ..good.clone() },
        ] {
            assert!(Rules::new(&bad, "UTC", &[]).is_err(), "{bad:?}");
        }
        assert!(Rules::new(&good, "Mars/Olympus", &[]).is_err());
        assert!(Rules::new(&good, "UTC", &lines(&["never"])).is_err());
        for profile in Profile::ALL {
            assert!(Rules::new(&profile.settings(), "UTC", &[]).is_ok(), "{profile:?}");
            assert_eq!(Profile::from_name(profile.name()), Some(profile));
        }
    }
}
