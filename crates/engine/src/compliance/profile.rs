//! Sets of defaults. They are a start, not legal advice.

use super::{AbandonWindow, Cap, ComplianceSettings, Holidays};

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Profile {
    /// Nothing but what is set.
    #[default]
    Custom,
    /// China: what carriers ask of automatic calls.
    Cn,
    /// United States: 16 CFR 310.4, 47 CFR 64.1200.
    Us,
    /// United Kingdom: Ofcom's statement on persistent misuse.
    Uk,
}

/// Three percent.
const CAP_OF_LAW: u32 = 300;
const NO_CAP: u32 = 10_000;

impl Profile {
    pub const ALL: [Profile; 4] = [Profile::Custom, Profile::Cn, Profile::Us, Profile::Uk];

    pub const fn name(self) -> &'static str {
        match self {
            Profile::Custom => "custom",
            Profile::Cn => "cn",
            Profile::Us => "us",
            Profile::Uk => "uk",
        }
    }

    pub fn from_name(name: &str) -> Option<Profile> {
        Profile::ALL.into_iter().find(|p| p.name() == name)
    }

    pub fn settings(self) -> ComplianceSettings {
        let lines = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
        let custom = ComplianceSettings {
            profile: self,
            country: String::new(),
            windows: Vec::new(),
            holidays: Vec::new(),
            holidays_are: Holidays::Closed,
            caps: Vec::new(),
            lockout_h: 0,
            ring_min_s: 0,
            abandon_max: NO_CAP,
            abandon_windows: vec![AbandonWindow::Hour, AbandonWindow::Hours24],
            keep_personal_days: 0,
            keep_recordings_days: 0,
        };
        match self {
            Profile::Custom => custom,
            Profile::Cn => ComplianceSettings {
                country: "86".to_owned(),
                windows: lines(&["09:00-12:00 14:00-21:00"]),
                caps: vec![Cap { calls: 3, hours: 24 }],
                ..custom
            },
            Profile::Us => ComplianceSettings {
                country: "1".to_owned(),
                windows: lines(&["08:00-21:00"]),
                lockout_h: 72,
                ring_min_s: 15,
                abandon_max: CAP_OF_LAW,
                abandon_windows: vec![AbandonWindow::Hour, AbandonWindow::Hours24, AbandonWindow::Days30],
                ..custom
            },
            Profile::Uk => ComplianceSettings {
                country: "44".to_owned(),
                lockout_h: 72,
                ring_min_s: 15,
                abandon_max: CAP_OF_LAW,
                ..custom
            },
        }
    }
}

impl ComplianceSettings {
    /// The profile's, but for how long things are kept.
    pub fn with_profile(&self, profile: Profile) -> ComplianceSettings {
        ComplianceSettings {
            keep_personal_days: self.keep_personal_days,
            keep_recordings_days: self.keep_recordings_days,
            ..profile.settings()
        }
    }
}

impl Default for ComplianceSettings {
    fn default() -> ComplianceSettings {
        Profile::Custom.settings()
    }
}
