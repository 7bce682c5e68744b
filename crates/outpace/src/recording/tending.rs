//! In the background: is there room on the disk, and which recordings have been kept long enough.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::{CompanyId, Timestamp};
use store::{Recording, Store, StoreError};

use super::{Archive, is_day};
use crate::handle::{Handle, wall_clock};

const LOOK_EVERY: Duration = Duration::from_secs(10);
/// In looks: once an hour, and at the start.
const SWEEP_EVERY: u32 = 360;
const PAGE: u32 = 500;
/// A file that no row tells of is deleted when its folder's day is so long past the time to keep it, whichever the zone.
const STRAY_DELAY: Duration = Duration::from_secs(3 * 86_400);
const DAY: Duration = Duration::from_secs(86_400);

/// Runs until it is aborted.
pub async fn tend(archive: Arc<Archive>, handle: Handle) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for look in 0u32.. {
        ticks.tick().await;
        let archive = archive.clone();
        let tended = handle.with_store(move |store| {
            archive.look_for_room();
            if look % SWEEP_EVERY == 0 {
                archive.sweep(store, wall_clock())?;
            }
            Ok(())
        });
        if let Err(error) = tended.await {
            tracing::error!(%error, "old recordings were not looked for");
        }
    }
}

impl Archive {
    pub(super) fn look_for_room(&self) {
        if !self.enabled {
            return;
        }
        let folder = self.folder.display();
        let has_room = match rustix::fs::statvfs(&self.folder) {
            Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize) >= self.free_min_bytes,
            Err(error) => {
                tracing::error!(%error, %folder, "the free space for recordings is not known");
                false
            }
        };
        if self.has_room.swap(has_room, Ordering::Relaxed) == has_room {
            return;
        }
        match has_room {
            true => tracing::info!(%folder, "there is room again: calls are recorded"),
            false => tracing::error!(
                %folder,
                free_min_mb = self.free_min_bytes >> 20,
                "the disk is nearly full: new calls are not recorded until there is room"
            ),
        }
    }

    /// Deletes what has been kept long enough: as the company says, or the configuration.
    fn sweep(&self, store: &dyn Store, now: Timestamp) -> store::Result<()> {
        let mut deleted = 0u64;
        // None: one keeps them for ever.
        let mut keeps = Vec::new();
        for company in store.companies()? {
            let days = store.compliance(company.id)?.keep_recordings_days;
            let keep = if days > 0 { Some(DAY.saturating_mul(days)) } else { self.keep };
            keeps.push(keep);
            if let Some(keep) = keep {
                deleted += self.delete_expired(store, company.id, before(now, keep))?;
            }
        }
        let keeps: Option<Vec<Duration>> = keeps.into_iter().collect();
        let longest = keeps.and_then(|keeps| keeps.into_iter().max());
        let strays = longest.map_or(0, |keep| self.delete_strays(before(now, keep + STRAY_DELAY)));
        if deleted + strays > 0 {
            tracing::info!(deleted, strays, "recordings past their time were deleted");
        }
        Ok(())
    }

    fn delete_expired(&self, store: &dyn Store, company: CompanyId, before: Timestamp) -> store::Result<u64> {
        let mut deleted = 0;
        loop {
            let expired = store.expired_recordings(company, before, PAGE)?;
            for recording in &expired {
                self.delete(store, recording)?;
                deleted += 1;
            }
            if expired.len() < PAGE as usize {
                return Ok(deleted);
            }
        }
    }

    /// The file first: a crash in between leaves a row, which is met again.
    fn delete(&self, store: &dyn Store, recording: &Recording) -> store::Result<()> {
        if let Some(path) = self.path(&recording.filename) {
            match fs::remove_file(&path) {
                Err(error) if !is_gone(&error) => {
                    return Err(StoreError::Failed(format!("{}: {error}", path.display())));
                }
                _ => {}
            }
            // Fails while there are others in it.
            let _ = path.parent().map(fs::remove_dir);
        }
        store.delete_recording(recording.call)
    }

    /// Files whose row was never written or is gone.
    fn delete_strays(&self, before: Timestamp) -> u64 {
        let stamp = jiff::Timestamp::from_microsecond(before.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let before = jiff::tz::TimeZone::UTC.to_datetime(stamp).strftime("%Y%m%d").to_string();
        let mut deleted = 0;
        for folder in names(&self.folder).into_iter().filter(|name| is_day(name) && *name < before) {
            let path = self.folder.join(&folder);
            for file in names(&path) {
                let stray = self.path(&format!("{folder}/{file}"));
                deleted += u64::from(stray.is_some_and(|stray| fs::remove_file(stray).is_ok()));
            }
            // Fails when there is something in it that is not ours.
            let _ = fs::remove_dir(path);
        }
        deleted
    }
}

fn before(now: Timestamp, time: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(time.as_micros()).unwrap_or(i64::MAX)))
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use engine::CallId;
    use engine::compliance::ComplianceSettings;
    use store::MemStore;

    use super::*;
    use crate::config::Recording as Settings;
    use crate::recording::tests::archive;

    #[test]
    fn what_was_kept_long_enough_is_deleted_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("outpace-sweep-{}", std::process::id()));
        let put = |name: &str| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "sound").unwrap();
        };
        let archive = archive(Settings { dir: Some(folder.clone()), keep_days: 10, ..Settings::default() });
        let store = MemStore::new();
        assert_eq!(company(&store, 0), CompanyId(1));
        let now = Timestamp::from_unix_seconds(1_767_225_600); // 2026-01-01
        for (n, age_days, filename) in
            [(1, 11, "20251221/1_a.wav"), (2, 11, "20251221/1_gone.wav"), (3, 9, "20251223/1_b.wav")]
        {
            let created_at = Timestamp(now.0 - age_days * 86_400_000_000);
            let row = Recording {
                call: CallId(n),
                company: CompanyId(1),
                filename: filename.into(),
                seconds: 1,
                bytes: 1,
                created_at,
            };
            store.put_recording(&row).unwrap();
        }
        let files = ["20251221/1_a.wav", "20251223/1_b.wav", "20251222/1_stray.wav", "20251201/1_stray.wav"];
        let others = ["20251201/notes.txt", "notes/1_a.wav", "1_a.wav"];
        files.iter().chain(&others).for_each(|name| put(name));

        archive.sweep(&store, now).unwrap();
        let is_there = |name: &&str| folder.join(name).exists();
        assert_eq!(files.map(|name| is_there(&name)), [false, true, true, false]);
        assert_eq!(others.map(|name| is_there(&name)), [true; 3]);
        assert!(!folder.join("20251221").exists());
        let left = store.expired_recordings(CompanyId(1), now, 9).unwrap();
        assert_eq!(left.iter().map(|r| r.call.0).collect::<Vec<_>>(), [3]);
        fs::remove_dir_all(folder).unwrap();
    }

    fn company(store: &MemStore, keep_recordings_days: u32) -> CompanyId {
        let settings = store::NewCompany {
            code: format!("c{}", store.companies().unwrap().len()),
            name: String::new(),
            time_zone: "UTC".into(),
            language: "en".into(),
            int_codes: false,
            licensed_until: None,
            allow_from: Vec::new(),
        };
        let id = store.put_company(&settings).unwrap().id;
        let rules = ComplianceSettings { keep_recordings_days, ..ComplianceSettings::default() };
        store.put_compliance(id, &rules).unwrap();
        id
    }

    #[test]
    fn a_company_may_keep_its_recordings_for_longer_or_shorter_than_the_others() {
        let folder = std::env::temp_dir().join(format!("outpace-sweep-own-{}", std::process::id()));
        let archive = archive(Settings { dir: Some(folder.clone()), keep_days: 10, ..Settings::default() });
        let store = MemStore::new();
        let now = Timestamp::from_unix_seconds(1_767_225_600);
        let companies = [company(&store, 0), company(&store, 5), company(&store, 30)];
        for (n, of) in companies.iter().enumerate() {
            for age_days in [7, 20] {
                let call = CallId((n * 100 + age_days) as u128);
                let row = Recording {
                    call,
                    company: *of,
                    filename: format!("20251201/{n}_{age_days}.wav"),
                    seconds: 1,
                    bytes: 1,
                    created_at: Timestamp(now.0 - age_days as i64 * 86_400_000_000),
                };
                store.put_recording(&row).unwrap();
            }
        }
        archive.sweep(&store, now).unwrap();
        let left = companies.map(|of| store.expired_recordings(of, now, 9).unwrap().len());
        assert_eq!(left, [1, 0, 2]);
        let _ = fs::remove_dir_all(folder);
    }
}
