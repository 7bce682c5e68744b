//! Ports of 127.0.0.1 that no other test has at the same time, and turns for the heavy tests.

use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

// Below the ephemeral range, so that no outgoing connection takes one between reservation and use.
const FIRST: u16 = 10_000;
const SIZE: u16 = 1_600;
const BLOCKS: u16 = 12;

/// A block of ports; a file lock keeps other test processes out and goes with the process.
pub struct Ports {
    base: u16,
    used: AtomicU16,
    _lock: File,
}

impl Ports {
    pub fn reserve() -> Ports {
        let start = fastrand::u16(..BLOCKS);
        let (base, lock) = super::wait_for("a free block of ports", Duration::from_secs(120), || {
            (0..BLOCKS).find_map(|i| {
                let block = (start + i) % BLOCKS;
                let lock = File::create(lock_dir().join(format!("ports-{block}"))).ok()?;
                lock.try_lock().ok()?;
                Some((FIRST + block * SIZE, lock))
            })
        });
        Ports { base, used: AtomicU16::new(0), _lock: lock }
    }

    /// The next even port that is free for UDP and TCP, with the odd one after it.
    pub fn next(&self) -> u16 {
        loop {
            let used = self.used.fetch_add(2, Ordering::Relaxed);
            assert!(used < 100, "a test uses more than 50 ports");
            let port = self.base + used;
            let free = UdpSocket::bind(("127.0.0.1", port)).is_ok()
                && TcpListener::bind(("127.0.0.1", port)).is_ok();
            if free {
                return port;
            }
        }
    }

    /// First and last port for the server's RTP.
    pub fn media(&self) -> (u16, u16) {
        (self.base + 100, self.base + SIZE - 1)
    }
}

/// Held by a test whose times suffer beside another heavy test.
pub fn turn() -> File {
    let lock = File::create(lock_dir().join("turn")).expect("the temp directory can be written");
    lock.lock().expect("file locks work on the temp directory");
    lock
}

fn lock_dir() -> PathBuf {
    let dir = std::env::temp_dir().join("outpace-test-locks");
    std::fs::create_dir_all(&dir).expect("the temp directory can be written");
    dir
}
