//! `outpace prompts …`: the announcements of carriers that are known again. They are fingerprints in one file of the data
//! folder; a running server sees a change within a few seconds.

use std::fs;
use std::io::{BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use clap::Subcommand;
use engine::Notice;
use media::Sound;
use media::detect::{Label, Library};

use crate::config::Config;
use crate::handle::{Command, Handle};

const FILE: &str = "announcements.opan";
/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Subcommand)]
pub enum Prompts {
    /// Learn an announcement from a WAV file, so that calls that play it end at once
    Learn {
        file: PathBuf,
        /// What it says: empty_number, out_of_service, switched_off, not_reachable, line_busy, in_a_call, no_answer, barred
        /// or congestion; another label only keeps the sound from being taken for one of these
        #[arg(long = "as", value_name = "LABEL")]
        label: String,
    },
    /// What was learned, with numbers
    List,
    /// Forget one, by its number
    Remove { number: u16 },
}

pub fn run(command: Prompts, config: &Config) -> anyhow::Result<()> {
    let path = path(config);
    let mut library = load(&path)?;
    match command {
        Prompts::Learn { file, label } => {
            let wav = fs::File::open(&file).with_context(|| format!("cannot open {}", file.display()))?;
            let sound = Sound::from_wav(BufReader::new(wav))
                .with_context(|| format!("{} is no WAV file that can be used", file.display()))?;
            library.learn([(Label::new(&label)?, &sound)])?;
            save(&path, &library)?;
            println!("learned {label}, number {}", library.len());
            if Notice::from_name(&label).is_none() {
                println!("no call is ended by the label {label}: see outpace prompts learn --help");
            }
        }
        Prompts::List => {
            for n in 0..library.len() as u16 {
                let seconds = library.duration(n).as_secs_f64();
                println!("{:>5}  {:<16}  {seconds:.1} s", n + 1, library.label(n).as_str());
            }
        }
        Prompts::Remove { number } => {
            ensure!((1..=library.len()).contains(&usize::from(number)), "there is no number {number}");
            library.remove(number - 1);
            save(&path, &library)?;
        }
    }
    Ok(())
}

pub fn path(config: &Config) -> PathBuf {
    config.server.data.join(FILE)
}

/// No file: nothing was learned.
fn load(path: &Path) -> anyhow::Result<Library> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Library::default()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    Library::from_bytes(&bytes).with_context(|| path.display().to_string())
}

/// Whole or not at all, so that a server that reads at the same time sees the old one or the new one.
fn save(path: &Path, library: &Library) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let new = path.with_extension("new");
    fs::write(&new, library.to_bytes())
        .and_then(|()| fs::File::open(&new)?.sync_all())
        .and_then(|()| fs::rename(&new, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// For a server: a file that cannot be used costs the announcements and nothing else.
pub fn load_or_none(path: &Path) -> Library {
    load(path).unwrap_or_else(|error| {
        tracing::error!(
            error = format!("{error:#}"),
            "the learned announcements cannot be used: none is known again"
        );
        Library::default()
    })
}

/// When it was written, and how long it is.
type Stamp = Option<(SystemTime, u64)>;

pub fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

/// Reads the file again whenever it has changed. `seen`: as it was when it was read before.
pub async fn tend(path: PathBuf, mut seen: Stamp, handle: Handle) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let file = path.clone();
        let looked = tokio::task::spawn_blocking(move || {
            let now = stamp(&file);
            (now, (now != seen).then(|| load_or_none(&file)))
        });
        let Ok((now, changed)) = looked.await else { return };
        let Some(library) = changed else { continue };
        tracing::info!(announcements = library.len(), "the learned announcements were read");
        if handle.tell(Command::Announcements(Arc::new(library))).await.is_ok() {
            seen = now;
        }
    }
}
