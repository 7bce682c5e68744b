//! `[company.compliance]`: a profile, and what is set beside it.

use anyhow::{Context, ensure};
use engine::compliance::{AbandonWindow, Cap, ComplianceSettings, Holidays, Profile, Rules};
use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ComplianceConfig {
    pub profile: Option<String>,
    pub country: Option<String>,
    pub windows: Option<Vec<String>>,
    /// yyyy-mm-dd
    pub holidays: Option<Vec<String>>,
    /// `closed` or `sunday`
    pub holidays_are: Option<String>,
    pub caps: Option<Vec<CapConfig>>,
    pub lockout_h: Option<u32>,
    pub ring_min_s: Option<u32>,
    pub abandon_max_percent: Option<f64>,
    pub abandon_windows: Option<Vec<String>>,
    pub keep_personal_days: Option<u32>,
    pub keep_recordings_days: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapConfig {
    pub calls: u32,
    pub hours: u32,
}

/// A ringing customer may be kept so long at most.
const RING_MIN_MAX_S: u32 = 120;
const KEEP_PERSONAL_MIN_DAYS: u32 = 31;

impl ComplianceConfig {
    /// The profile's defaults, with what is set. An error names what cannot be read. `time_zone`: the company's.
    pub fn settings(&self, time_zone: &str) -> anyhow::Result<ComplianceSettings> {
        let name = self.profile.as_deref().unwrap_or("custom");
        let profile = Profile::from_name(name)
            .with_context(|| format!("profile {name:?}: it is one of custom, cn, us and uk"))?;
        let settings = self.laid_over(profile.settings())?;
        check(&settings, time_zone)?;
        Ok(settings)
    }

    /// What is set takes the place of what `known` says.
    pub fn laid_over(&self, known: ComplianceSettings) -> anyhow::Result<ComplianceSettings> {
        let holidays_are = match self.holidays_are.as_deref() {
            None => known.holidays_are,
            Some("closed") => Holidays::Closed,
            Some("sunday") => Holidays::Sunday,
            Some(other) => anyhow::bail!("holidays_are {other:?}: closed or sunday"),
        };
        let caps = self.caps.as_ref().map(|caps| {
            caps.iter().map(|cap| Cap { calls: cap.calls, hours: cap.hours }).collect::<Vec<_>>()
        });
        let abandon_max = match self.abandon_max_percent {
            None => known.abandon_max,
            Some(percent) => {
                ensure!(
                    (0.0..=100.0).contains(&percent),
                    "abandon_max_percent must be between 0 and 100, not {percent}"
                );
                // Bounded, so the cast cannot be wrong.
                (percent * 100.0).round() as u32
            }
        };
        let window = |name: &String| {
            AbandonWindow::from_name(name)
                .with_context(|| format!("abandon window {name:?}: hour, day, 24h or 30d"))
        };
        let abandon_windows = match &self.abandon_windows {
            None => known.abandon_windows,
            Some(names) => names.iter().map(window).collect::<anyhow::Result<_>>()?,
        };
        Ok(ComplianceSettings {
            profile: known.profile,
            country: self.country.clone().unwrap_or(known.country),
            windows: self.windows.clone().unwrap_or(known.windows),
            holidays: self.holidays.clone().unwrap_or(known.holidays),
            holidays_are,
            caps: caps.unwrap_or(known.caps),
            lockout_h: self.lockout_h.unwrap_or(known.lockout_h),
            ring_min_s: self.ring_min_s.unwrap_or(known.ring_min_s),
            abandon_max,
            abandon_windows,
            keep_personal_days: self.keep_personal_days.unwrap_or(known.keep_personal_days),
            keep_recordings_days: self.keep_recordings_days.unwrap_or(known.keep_recordings_days),
        })
    }
}

/// An error names what cannot be read or kept.
pub fn check(settings: &ComplianceSettings, time_zone: &str) -> anyhow::Result<()> {
    ensure!(
        settings.ring_min_s <= RING_MIN_MAX_S,
        "ring_min_s must be at most {RING_MIN_MAX_S}, not {}",
        settings.ring_min_s
    );
    let days = settings.keep_personal_days;
    ensure!(
        days == 0 || days >= KEEP_PERSONAL_MIN_DAYS,
        "keep_personal_days must be 0 or at least {KEEP_PERSONAL_MIN_DAYS}, not {days}: caps, lock-outs and the share of \
         abandoned calls are counted over as many days"
    );
    Rules::new(settings, time_zone, &[])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(toml: &str) -> anyhow::Result<ComplianceSettings> {
        toml::from_str::<ComplianceConfig>(toml)?.settings("Asia/Shanghai")
    }

    #[test]
    fn a_profile_is_a_set_of_defaults() {
        assert_eq!(settings("").unwrap(), ComplianceSettings::default());
        let cn = settings("profile = \"cn\"\nlockout_h = 24\nabandon_max_percent = 2.5").unwrap();
        let expected = ComplianceSettings { lockout_h: 24, abandon_max: 250, ..Profile::Cn.settings() };
        assert_eq!(cn, expected);
        let none = settings("profile = \"us\"\nwindows = []\ncaps = [{ calls = 7, hours = 168 }]").unwrap();
        assert_eq!((none.windows.len(), none.caps), (0, vec![Cap { calls: 7, hours: 168 }]));
    }

    #[test]
    fn mistakes_are_named() {
        for (toml, named) in [
            ("profile = \"fr\"", "fr"),
            ("windows = [\"9 to 5\"]", "9 to 5"),
            ("holidays = [\"soon\"]", "soon"),
            ("holidays_are = \"open\"", "open"),
            ("caps = [{ calls = 0, hours = 1 }]", "0/1"),
            ("lockout_h = 9999", "9999"),
            ("ring_min_s = 999", "999"),
            ("abandon_max_percent = 101", "101"),
            ("abandon_windows = [\"week\"]", "week"),
            ("country = \"+86\"", "+86"),
            ("keep_personal_days = 7", "7"),
            ("window = []", "window"),
        ] {
            let error = format!("{:#}", settings(toml).unwrap_err());
            assert!(error.contains(named), "{toml}: {error}");
        }
    }
}
