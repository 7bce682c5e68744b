//! What the whole-path tests stand on: the real server, a CRM, carriers and agents, all on the loopback interface.

// Every test file takes its own part of this.
#![allow(dead_code, unused_imports)]

pub mod baresip;
pub mod certificate;
pub mod crm;
pub mod dnsmasq;
pub mod floor;
pub mod hearing;
pub mod impairment;
pub mod kamailio;
pub mod linphone;
pub mod peer;
pub mod ports;
pub mod receiver;
pub mod rest;
pub mod rtp;
pub mod server;
pub mod sipp;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Polls until `ready` gives a value; panics with `what` when `limit` passes first.
pub fn wait_for<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit;
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(Instant::now() < end, "waited {limit:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

/// A directory of one test. Goes with its owner, but stays for inspection when the test fails.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> TempDir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("outpace-test-{}-{n}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the temp directory can be written");
        TempDir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("files of the failed test: {}", self.0.display());
        } else {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
