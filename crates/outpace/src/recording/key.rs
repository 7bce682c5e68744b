//! The server's key for download links: made at the first start, kept beside the database.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

use crate::config::{Config, StoreKind};

const FILE: &str = "recordings.key";

pub fn open(config: &Config) -> anyhow::Result<[u8; 32]> {
    if config.server.store == StoreKind::Memory {
        return random();
    }
    fs::create_dir_all(&config.server.data)
        .with_context(|| format!("cannot create the data directory {}", config.server.data.display()))?;
    let path = config.server.data.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) => parse(text.trim())
            .with_context(|| format!("{} is damaged; delete it, then old links are void", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn make(path: &Path) -> anyhow::Result<[u8; 32]> {
    let key = random()?;
    let text: String = key.iter().map(|b| format!("{b:02x}")).collect();
    // Whole or not at all.
    let new = path.with_extension("new");
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(key)
}

fn random() -> anyhow::Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))?;
    Ok(key)
}

fn parse(text: &str) -> Option<[u8; 32]> {
    super::link::bytes_of_hex(text)
}
