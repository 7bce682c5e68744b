//! Recordings as files: where they lie, whether one may be begun, who may fetch one, and how long they stay.

pub mod key;
pub mod link;
mod tending;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use engine::{CallId, Timestamp};
use jiff::tz::TimeZone;
use store::{Company, Recording};

use crate::config::{Config, RecordingFormat};

pub use tending::tend;

/// Longest name of a company in a file name.
const CODE_CHARS_MAX: usize = 64;

/// The folder of all recordings.
pub struct Archive {
    folder: PathBuf,
    /// New calls are recorded.
    enabled: bool,
    format: RecordingFormat,
    /// None: for ever.
    keep: Option<Duration>,
    free_min_bytes: u64,
    /// There is room on the disk.
    has_room: AtomicBool,
    /// What download links are signed with.
    key: [u8; 32],
    /// Where clients reach the API, when it is not where they sent their request.
    pub base_url: Option<String>,
}

impl Archive {
    /// Makes the folder and the key where they are not there yet.
    pub fn open(config: &Config) -> anyhow::Result<Archive> {
        let c = &config.recording;
        let folder = c.dir.clone().unwrap_or_else(|| config.server.data.join("recordings"));
        if c.enabled {
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("recording.dir: cannot create {}", folder.display()))?;
        }
        let archive = Archive {
            folder,
            enabled: c.enabled,
            format: c.format,
            keep: (c.keep_days > 0).then(|| Duration::from_secs(u64::from(c.keep_days) * 86_400)),
            free_min_bytes: c.disk_min_free_mb.saturating_mul(1 << 20),
            has_room: AtomicBool::new(true),
            key: key::open(config)?,
            base_url: c.download_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
        };
        archive.look_for_room();
        Ok(archive)
    }

    /// The row and the file of a recording that begins now; None when the call is not to be recorded.
    pub fn begin(&self, company: &Company, call: CallId, now: Timestamp) -> Option<(Recording, Arc<Path>)> {
        if !self.enabled || !self.has_room.load(Ordering::Relaxed) {
            return None;
        }
        let (day, code) = (day(company, now), file_part(&company.settings.code));
        let filename = format!("{day}/{code}_{call}.{}", self.format.ending());
        let path = self.path(&filename)?.into();
        let (company, seconds, bytes) = (company.id, 0, 0);
        Some((Recording { call, company, filename, seconds, bytes, created_at: now }, path))
    }

    /// None for anything but `<8 digits>/<letters, digits, - and _>.wav` or `.ogg`, so a name never leads out of the folder.
    pub fn path(&self, filename: &str) -> Option<PathBuf> {
        let (day, file) = filename.split_once('/')?;
        let name = file.strip_suffix(".wav").or_else(|| file.strip_suffix(".ogg"))?;
        let is_good = is_day(day)
            && !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        is_good.then(|| self.folder.join(day).join(file))
    }
}

fn is_day(name: &str) -> bool {
    name.len() == 8 && name.bytes().all(|b| b.is_ascii_digit())
}

/// `20250110`, in the company's zone.
fn day(company: &Company, now: Timestamp) -> String {
    let zone = TimeZone::get(&company.settings.time_zone).unwrap_or(TimeZone::UTC);
    let stamp = jiff::Timestamp::from_microsecond(now.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    zone.to_datetime(stamp).strftime("%Y%m%d").to_string()
}

fn file_part(code: &str) -> String {
    let keep = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    code.chars().take(CODE_CHARS_MAX).map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Recording as Settings, Server, StoreKind};

    pub(super) fn archive(settings: Settings) -> Archive {
        let server = Server { store: StoreKind::Memory, ..Server::default() };
        Archive::open(&Config { server, recording: settings, ..Config::default() }).unwrap()
    }

    fn company(code: &str) -> Company {
        let settings = store::NewCompany {
            code: code.into(),
            name: String::new(),
            time_zone: "Asia/Shanghai".into(),
            language: "zh".into(),
            int_codes: false,
            licensed_until: None,
            allow_from: Vec::new(),
        };
        Company { id: engine::CompanyId(3), settings }
    }

    #[test]
    fn a_recording_lies_in_the_folder_of_the_companys_day() {
        let dir = Some(std::env::temp_dir());
        let archive = archive(Settings { enabled: true, dir, disk_min_free_mb: 0, ..Settings::default() });
        // 2026-01-01 17:00 UTC is 2026-01-02 01:00 in Shanghai.
        let now = Timestamp::from_unix_seconds(1_767_286_800);
        let (row, path) = archive.begin(&company("a/../b 中"), CallId(7), now).unwrap();
        assert_eq!(row.filename, "20260102/a____b___00000000-0000-0000-0000-000000000007.wav");
        assert_eq!(*path, *archive.folder.join(&row.filename));
        assert_eq!((row.call, row.company, row.created_at), (CallId(7), engine::CompanyId(3), now));
    }

    #[test]
    fn nothing_is_recorded_when_switched_off_or_without_room() {
        let dir = Some(std::env::temp_dir());
        let off = archive(Settings::default());
        let full =
            archive(Settings { enabled: true, dir, disk_min_free_mb: u64::MAX, ..Settings::default() });
        for archive in [off, full] {
            assert!(archive.begin(&company("1"), CallId(7), Timestamp(0)).is_none());
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let archive = archive(Settings::default());
        assert!(archive.path("20260102/1_a-b.wav").is_some());
        assert!(archive.path("20260102/1_a-b.ogg").is_some());
        for name in [
            "",
            "a.wav",
            "/20260102/a.wav",
            "../20260102/a.wav",
            "20260102/../a.wav",
            "20260102/..wav",
            "20260102/.wav",
            "20260102/a/b.wav",
            "20260102/a\\b.wav",
            "2026010/a.wav",
            "20260102/a.wav\0",
            "20260102/a.key",
            "......../a.wav",
        ] {
            assert_eq!(archive.path(name), None, "{name:?}");
        }
    }
}
