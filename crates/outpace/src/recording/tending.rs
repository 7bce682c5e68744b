//! In the background: is there room on the disk, and which recordings have been kept long enough.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::Timestamp;
use store::{Recording, Store, StoreError};

use super::{Archive, is_day};
use crate::handle::{Handle, wall_clock};

const LOOK_EVERY: Duration = Duration::from_secs(10);
/// In looks: once an hour, and at the start.
const SWEEP_EVERY: u32 = 360;
const PAGE: u32 = 500;
/// A file that no row tells of is deleted when its folder's day is so long past the time to keep it, whichever the zone.
const STRAY_DELAY: Duration = Duration::from_secs(3 * 86_400);

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

    /// Deletes what has been kept long enough.
    fn sweep(&self, store: &dyn Store, now: Timestamp) -> store::Result<()> {
        let Some(keep) = self.keep else { return Ok(()) };
        let before = Timestamp(now.0.saturating_sub(i64::try_from(keep.as_micros()).unwrap_or(i64::MAX)));
        let mut deleted = 0u64;
        loop {
            let expired = store.expired_recordings(before, PAGE)?;
            for recording in &expired {
                self.delete(store, recording)?;
                deleted += 1;
            }
            if expired.len() < PAGE as usize {
                break;
            }
        }
        let strays = self.delete_strays(Timestamp(before.0.saturating_sub(STRAY_DELAY.as_micros() as i64)));
        if deleted + strays > 0 {
            tracing::info!(deleted, strays, "recordings past their time were deleted");
        }
        Ok(())
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

fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn names(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use engine::{CallId, CompanyId};
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
        let left = store.expired_recordings(now, 9).unwrap();
        assert_eq!(left.iter().map(|r| r.call.0).collect::<Vec<_>>(), [3]);
        fs::remove_dir_all(folder).unwrap();
    }
}
