//! Where uploads lie while they are taken in, and the reports of refused rows, for some days.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use engine::Timestamp;

use super::table::Fault;
use crate::recording::link;

const KIND: &str = "upload";
/// Kept free on the disk, for the database and the recordings.
const FREE_MIN_BYTES: u64 = 512 << 20;

pub struct Folder {
    path: PathBuf,
    /// Removed when dropped.
    is_temporary: bool,
    keep: Duration,
    /// What links are signed with.
    key: [u8; 32],
}

impl Folder {
    pub fn open(path: PathBuf, is_temporary: bool, keep: Duration, key: [u8; 32]) -> io::Result<Folder> {
        fs::create_dir_all(&path)?;
        Ok(Folder { path, is_temporary, keep, key })
    }

    /// A file without a name: it is gone when it is closed, whatever becomes of the server.
    pub fn temporary_file(&self) -> io::Result<File> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
        let name: String = random.iter().map(|b| format!("{b:02x}")).collect();
        let path = self.path.join(name).with_extension("part");
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        fs::remove_file(&path)?;
        Ok(file)
    }

    /// `NoRoom` when the disk has not so many bytes to spare.
    pub fn check_room(&self, bytes: u64) -> Result<(), Fault> {
        let disk = rustix::fs::statvfs(&self.path).map_err(io::Error::from)?;
        match disk.f_bavail.saturating_mul(disk.f_frsize) >= FREE_MIN_BYTES.saturating_add(bytes) {
            true => Ok(()),
            false => Err(Fault::NoRoom),
        }
    }

    /// The file of a new report; only its owner may read it, for it holds telephone numbers.
    pub fn new_report(&self, name: &str) -> io::Result<File> {
        let path = self.report(name).ok_or(io::ErrorKind::InvalidInput)?;
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    }

    pub fn delete_report(&self, name: &str) {
        if let Some(Err(error)) = self.report(name).map(fs::remove_file) {
            tracing::warn!(%error, "a report of refused rows was not deleted");
        }
    }

    /// None for anything but `<letters, digits, - and _>.csv`, so a name never leads out of the folder.
    pub fn report(&self, name: &str) -> Option<PathBuf> {
        let stem = name.strip_suffix(".csv")?;
        let is_good =
            !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        is_good.then(|| self.path.join(name))
    }

    /// `/uploads/…`, with the query; good for as long as the report is kept.
    pub fn link(&self, name: &str, now: Timestamp) -> String {
        let expires = now.plus(self.keep).unix_seconds();
        let signature = link::signature(&self.key, KIND, name, expires);
        format!("/uploads/{name}?expires={expires}&signature={signature}")
    }

    pub fn admits(&self, name: &str, expires: i64, signature: &str, now: Timestamp) -> bool {
        link::is_good(&self.key, (KIND, name), expires, signature, now)
    }

    /// Deletes reports that were kept long enough, and what a crash has left.
    pub fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.path) else { return };
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_ours = path.extension().is_some_and(|e| e == "csv" || e == "part");
            if is_ours
                && age(&path).is_some_and(|age| age > self.keep)
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::warn!(%error, "an old report of refused rows was not deleted");
            }
        }
    }
}

fn age(path: &Path) -> Option<Duration> {
    let changed = fs::metadata(path).ok()?.modified().ok()?;
    SystemTime::now().duration_since(changed).ok()
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_temporary {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
