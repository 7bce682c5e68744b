//! Starts everything, and owns the engines: the only place where inputs, effects and the clock meet.

mod commands;
mod directory;
mod lines;
mod saving;
mod store_work;
mod turn;

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use media::detect::{Library, Plan, Plans};
use media::{Relay, RelayConfig, Sound};
use sip::{DigestOffer, Endpoint, EndpointConfig};
use store::{KeepNumbers, SealKey, SqliteStore, Store, mem::MemStore};
use tokio::sync::mpsc;

use crate::api::upload::{self, Uploads};
use crate::config::{Config, DigestAlgorithms, Media, StoreKind, TonePlan};
use crate::handle::Handle;
use crate::prompts;
use crate::provision;
use crate::push;
use crate::recording::{self, Archive};
use crate::retention;
use crate::switch::edge::{Bound, Edge, EdgeConfig};
use crate::switch::{Codecs, Ears, Sounds, Switch};

/// Commands from the API that may wait for the run loop.
const COMMANDS_MAX: usize = 4096;
/// "Sorry, all our agents are busy", in Chinese and English, for companies without a message of their own.
const ABANDON_MESSAGE: &[u8] = include_bytes!("../../assets/abandon.wav");
/// Frames of 20 ms on their way to the recordings: 6.5 MB, a third of a second of a thousand calls.
const RECORDING_FRAMES_MAX: usize = 32_768;
/// Legs of the relay: two per call.
const LEGS_MAX: usize = 20_000;

/// A started server. Dropping it does not stop it: `Command::Drain` does.
pub struct Running {
    pub handle: Handle,
    /// Where it really listens (port 0 in the config means any).
    pub api: SocketAddr,
    pub bound: Bound,
    /// Ends when a drain is over.
    pub done: tokio::task::JoinHandle<()>,
    /// What a first start made up, to be shown once.
    pub generated: Option<provision::Generated>,
}

/// Opens the store, provisions what the config names, starts SIP, media, engines and the API.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let lock = lock_data(&config)?;
    let keep = if config.server.seal_numbers { KeepNumbers::Sealed } else { KeepNumbers::Clear };
    let store = open_store(&config, keep)?;
    let generated = provision::apply(&*store, &config.company).context("provisioning")?;
    let (commands, commands_out) = mpsc::channel(COMMANDS_MAX);
    let archive = Arc::new(Archive::open(&config)?);
    let uploads = Arc::new(Uploads::open(&config)?);
    let leftover = store.unpublished_campaigns().context("uploads that were cut off")?;
    let handle =
        Handle::new(store.clone(), commands).with_archive(archive.clone()).with_uploads(uploads.clone());

    let (edge, bound) = Edge::bind(config.sip.listen, &edge_config(&config))
        .await
        .context("SIP cannot listen; is another server running?")?;
    let sip = bound.plain;
    let host = advertised(&config, sip.ip())?;
    let (relay_in, relay_events) = mpsc::unbounded_channel();
    let relay = Relay::start(relay_config(&config, host), move |event| {
        // Bounded by the relay's legs: each has at most a few events under way. Fails only when the loop has ended.
        let _ = relay_in.send(event);
    })
    .context("cannot start the media relay")?;
    let mut endpoint = Endpoint::new(endpoint_config(&config, host, &bound), random_seed()?);
    endpoint.set_digest_offer(match config.sip.digest {
        DigestAlgorithms::Md5 => DigestOffer::Md5,
        DigestAlgorithms::Sha256 => DigestOffer::Sha256,
        DigestAlgorithms::Sha256AndMd5 => DigestOffer::Sha256AndMd5,
    });
    let sounds = sounds(&config.media)?;
    let announcements = prompts::path(&config);
    let learned = prompts::stamp(&announcements);
    let ears = ears(&config, prompts::load_or_none(&announcements));
    let codecs = Codecs { formats: config.media.codecs.clone(), transcoded_max: config.media.transcoded_max };
    let switch = Switch::new(endpoint, relay, sounds, ears, (config.media.srtp, codecs));

    let (pushes, states, wake) = push::start(store).await.context("cannot start the pushes")?;
    let dialer =
        turn::Dialer::open(&config, handle.clone(), switch, edge, (states, wake), random_seed()?).await?;
    let tending = tokio::spawn(recording::tend(archive, handle.clone()));
    let uploads = tokio::spawn(upload::tend(uploads, handle.clone(), leftover));
    let retention = tokio::spawn(retention::tend(handle.clone()));
    let learning = tokio::spawn(prompts::tend(announcements, learned, handle.clone()));
    let done = tokio::spawn(async move {
        dialer.run(commands_out, relay_events).await;
        tending.abort();
        learning.abort();
        retention.abort();
        uploads.abort();
        drop((pushes, lock));
    });
    let api = crate::api::serve(&config.api, handle.clone()).await?;
    Ok(Running { handle, api, bound, done, generated })
}

/// One server per data directory: a second one would take the first one's calls for lost.
fn lock_data(config: &Config) -> anyhow::Result<Option<File>> {
    if config.server.store == StoreKind::Memory {
        return Ok(None);
    }
    let data = &config.server.data;
    std::fs::create_dir_all(data)
        .with_context(|| format!("cannot create the data directory {}", data.display()))?;
    let path = data.join("outpace.lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    file.try_lock().with_context(|| format!("another server runs on {}; stop it first", data.display()))?;
    Ok(Some(file))
}

/// Beside a server that may run, telephone numbers are kept as they are.
pub fn open_store(config: &Config, keep: KeepNumbers) -> anyhow::Result<Arc<dyn Store>> {
    match config.server.store {
        StoreKind::Memory => Ok(Arc::new(MemStore::new())),
        StoreKind::Sqlite => {
            let data = &config.server.data;
            std::fs::create_dir_all(data)
                .with_context(|| format!("cannot create the data directory {}", data.display()))?;
            let path = data.join("outpace.sqlite");
            let key = config.server.seal_key.as_deref().map(SealKey::read).transpose();
            let key = key.context("server.seal_key")?;
            let store = SqliteStore::open_sealed(&path, key, keep)
                .with_context(|| format!("cannot open the database {}", path.display()))?;
            Ok(Arc::new(store))
        }
    }
}

/// The address that Via, Contact and SDP carry.
fn advertised(config: &Config, bound: IpAddr) -> anyhow::Result<IpAddr> {
    if let Some(address) = config.sip.advertise {
        return Ok(address);
    }
    if !bound.is_unspecified() {
        return Ok(bound);
    }
    // The source address of the default route, found without sending anything.
    let probe = std::net::UdpSocket::bind((bound, 0)).context("cannot open a socket")?;
    let target: SocketAddr =
        if bound.is_ipv6() { "[2001:db8::1]:9".parse()? } else { "192.0.2.1:9".parse()? };
    match probe.connect(target).and_then(|()| probe.local_addr()) {
        Ok(address) => Ok(address.ip()),
        Err(_) => {
            tracing::warn!(
                "no route to anywhere: announcing 127.0.0.1; set sip.advertise for phones on other machines"
            );
            Ok(if bound.is_ipv6() {
                IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])
            } else {
                IpAddr::from([127, 0, 0, 1])
            })
        }
    }
}

fn relay_config(config: &Config, host: IpAddr) -> RelayConfig {
    let m = &config.media;
    RelayConfig {
        bind: m.bind.unwrap_or(host),
        ports: m.port_first..=m.port_last,
        rtp_timeout: Duration::from_secs(m.rtp_timeout_s),
        port_rest: Duration::from_secs(5),
        legs_max: LEGS_MAX,
        recording_frames_max: if config.recording.enabled { RECORDING_FRAMES_MAX } else { 0 },
        listeners_max: config.detection.listeners_max,
        key_tones_max: config.detection.key_tones_max,
    }
}

fn ears(config: &Config, library: Library) -> Ears {
    let d = &config.detection;
    let plan = |plan: &TonePlan| match plan {
        TonePlan::Cn => Plan::Cn,
        TonePlan::Us => Plan::Us,
        TonePlan::Uk => Plan::Uk,
        TonePlan::Eu => Plan::Eu,
    };
    Ears {
        early_media: d.early_media,
        plans: d.plans.iter().map(plan).fold(Plans::NONE, Plans::with),
        library: Arc::new(library),
        amd_limit: Duration::from_secs_f64(d.amd_limit_s),
    }
}

fn edge_config(config: &Config) -> EdgeConfig {
    let s = &config.sip;
    EdgeConfig {
        tls_listen: s.tls_listen,
        ws_listen: s.ws_listen,
        wss_listen: s.wss_listen,
        tls_cert: s.tls_cert.clone(),
        tls_key: s.tls_key.clone(),
        ws_origins: s.ws_origins.clone(),
    }
}

fn endpoint_config(config: &Config, host: IpAddr, bound: &Bound) -> EndpointConfig {
    let s = &config.sip;
    let at =
        |address: Option<SocketAddr>, port: u16| SocketAddr::new(host, address.map_or(port, |a| a.port()));
    let rate = if s.invites_per_second_max == 0 { 2000 } else { s.invites_per_second_max.clamp(500, 20_000) };
    let agent = || concat!("outpace/", env!("CARGO_PKG_VERSION")).to_owned();
    EndpointConfig {
        udp: at(None, bound.plain.port()),
        tcp: at(None, bound.plain.port()),
        tls: at(bound.tls, 5061),
        ws: at(bound.ws, 80),
        wss: at(bound.wss, 443),
        user_agent: s.user_agent.clone().unwrap_or_else(agent),
        realm: s.realm.clone(),
        session_expires: (s.session_expires_s > 0).then(|| Duration::from_secs(s.session_expires_s)),
        register_expires_min: Duration::from_secs(s.register_expires_min_s),
        register_expires_max: Duration::from_secs(s.register_expires_max_s),
        // A transaction lives for half a minute after its end: at the full rate this many are there.
        transactions_max: 100 * usize::try_from(rate).unwrap_or(usize::MAX / 100),
        dialogs_max: 25_000,
        invites_per_second_max: s.invites_per_second_max,
    }
}

fn sounds(config: &Media) -> anyhow::Result<Sounds> {
    let abandon = match sound_file("abandon_message", config.abandon_message.as_deref())? {
        Some(sound) => sound,
        None => Sound::from_wav(ABANDON_MESSAGE).context("the built-in abandon message")?,
    };
    let busy = sound_file("busy_message", config.busy_message.as_deref())?;
    let hold = sound_file("hold_music", config.hold_music.as_deref())?;
    Ok(Sounds::new(abandon, busy, hold.unwrap_or_else(media::tone::hold_music)))
}

fn sound_file(key: &str, path: Option<&Path>) -> anyhow::Result<Option<Sound>> {
    let Some(path) = path else { return Ok(None) };
    let file =
        std::fs::File::open(path).with_context(|| format!("media.{key}: cannot open {}", path.display()))?;
    let sound = Sound::from_wav(std::io::BufReader::new(file))
        .with_context(|| format!("media.{key}: {} is no WAV file that can be used", path.display()))?;
    anyhow::ensure!(!sound.samples().is_empty(), "media.{key}: {} is empty", path.display());
    Ok(Some(sound))
}

fn random_seed() -> anyhow::Result<u64> {
    getrandom::u64().map_err(|error| anyhow::anyhow!("the system has no randomness: {error}"))
}
