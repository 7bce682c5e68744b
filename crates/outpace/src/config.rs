//! One struct, one TOML file. Every key is documented in `outpace.toml`, which a test parses.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

use crate::switch::{Format, SrtpPolicy};

mod compliance;
mod defaults;
mod direct;

pub use compliance::{CapConfig, ComplianceConfig, check as check_compliance};
pub use direct::{InboundConfig, OutboundConfig};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub server: Server,
    pub api: Api,
    pub sip: Sip,
    pub media: Media,
    pub dialing: Dialing,
    pub retry: Retry,
    pub recording: Recording,
    pub detection: Detection,
    pub company: Vec<CompanyConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    pub data: PathBuf,
    /// `sqlite` (in `data`) or `memory` (nothing survives; for trying things).
    pub store: StoreKind,
    pub drain_s: u64,
    /// File of the key with which passwords in the database are sealed; none: they are there in clear.
    pub seal_key: Option<PathBuf>,
    /// Whether telephone numbers are sealed with it as well.
    pub seal_numbers: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    Sqlite,
    Memory,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    pub listen: SocketAddr,
    pub body_max_bytes: usize,
    pub request_timeout_s: u64,
    pub requests_per_second_max: u32,
    pub login_failures_per_minute_max: u32,
    pub upload_max_bytes: u64,
    pub upload_rows_max: u64,
    pub upload_timeout_s: u64,
    pub upload_report_keep_days: u32,
    pub show_extension_passwords: bool,
    pub audit_keep_days: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sip {
    pub listen: SocketAddr,
    /// Address that phones and trunks see; needed when `listen` is 0.0.0.0 and the machine has several addresses.
    pub advertise: Option<IpAddr>,
    pub realm: String,
    pub digest: DigestAlgorithms,
    pub session_expires_s: u64,
    pub register_expires_min_s: u64,
    pub register_expires_max_s: u64,
    pub invites_per_second_max: u32,
    /// User-Agent and Server of what we send; None: `outpace/` and the version.
    pub user_agent: Option<String>,
    pub tls_listen: Option<SocketAddr>,
    pub ws_listen: Option<SocketAddr>,
    pub wss_listen: Option<SocketAddr>,
    /// PEM files with our certificate chain and its key.
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// Pages that may open a WebSocket; empty: any.
    pub ws_origins: Vec<String>,
    /// Who is asked for the hosts of trunks; empty: whom the system asks.
    pub dns: Vec<SocketAddr>,
}

/// What phones are challenged with (RFC 8760).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub enum DigestAlgorithms {
    #[serde(rename = "md5")]
    Md5,
    #[serde(rename = "sha256")]
    Sha256,
    #[serde(rename = "sha256+md5")]
    Sha256AndMd5,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Media {
    pub bind: Option<IpAddr>,
    pub port_first: u16,
    pub port_last: u16,
    pub rtp_timeout_s: u64,
    /// WAV file for customers whom no agent can take; none: the built-in message.
    pub abandon_message: Option<PathBuf>,
    /// WAV file; None: a built-in one.
    pub hold_music: Option<PathBuf>,
    /// WAV file; None: that for abandoned calls.
    pub busy_message: Option<PathBuf>,
    pub srtp: SrtpPolicy,
    /// What phones are offered, in this order, and may offer; at least one of `pcma` and `pcmu`, which is what trunks are
    /// offered.
    pub codecs: Vec<Format>,
    /// Legs that may speak something else than G.711 at once.
    pub transcoded_max: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dialing {
    pub answer_wait_ms: u64,
    pub offer_timeout_ms: u64,
    pub no_answer_s: f64,
    pub ring_min_s: f64,
    pub give_up_late: bool,
    pub setup_timeout_s: f64,
    pub message_max_s: u64,
    pub wrap_up_s: f64,
    pub miss_pause_s: f64,
    pub ring_agent_s: f64,
    pub ring_outside_s: f64,
    pub misses_max: u32,
    pub agent_legs: AgentLegs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentLegs {
    RungPerCall,
    KeptUp,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    pub busy_s: u64,
    pub no_answer_s: u64,
    pub failed_s: u64,
    pub lost_s: u64,
}

/// What recordings are written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordingFormat {
    #[default]
    Wav,
    /// Opus.
    Ogg,
}

impl RecordingFormat {
    /// Of the file's name.
    pub const fn ending(self) -> &'static str {
        match self {
            RecordingFormat::Wav => "wav",
            RecordingFormat::Ogg => "ogg",
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recording {
    pub enabled: bool,
    pub format: RecordingFormat,
    /// None: `recordings` in the data folder.
    pub dir: Option<PathBuf>,
    /// 0: for ever.
    pub keep_days: u32,
    pub disk_min_free_mb: u64,
    /// None: as the client wrote the API's address.
    pub download_url: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Detection {
    pub early_media: bool,
    /// Whose tones.
    pub plans: Vec<TonePlan>,
    /// For tasks that do not say.
    pub amd: bool,
    pub amd_limit_s: f64,
    /// Of the persons who answer, those who are taken for machines: an estimate.
    pub amd_false_positive_percent: f64,
    /// Legs that may be listened to at once; 0: none.
    pub listeners_max: usize,
    /// Customers in whose sound keys may be looked for at once; 0: none.
    pub key_tones_max: usize,
}

/// The tones of a country's network.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TonePlan {
    Cn,
    Us,
    Uk,
    Eu,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompanyConfig {
    pub code: String,
    #[serde(default)]
    pub name: String,
    #[serde(default = "default_time_zone")]
    pub time_zone: String,
    #[serde(default = "default_language")]
    pub language: String,
    #[serde(default)]
    pub int_codes: bool,
    /// `yyyy-mm-dd`
    #[serde(default)]
    pub licensed_until: Option<String>,
    #[serde(default)]
    pub allow_from: Vec<String>,
    #[serde(default)]
    pub app: Vec<AppConfig>,
    #[serde(default)]
    pub extension: Vec<ExtensionConfig>,
    #[serde(default)]
    pub group: Vec<GroupConfig>,
    #[serde(default)]
    pub trunk: Vec<TrunkConfig>,
    #[serde(default)]
    pub caller_id: Vec<CallerIdConfig>,
    #[serde(default)]
    pub push: PushConfig,
    #[serde(default)]
    pub outbound: OutboundConfig,
    /// None: what is in the store stays.
    #[serde(default)]
    pub inbound: Option<InboundConfig>,
    /// None: what is in the store stays.
    #[serde(default)]
    pub compliance: Option<ComplianceConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppConfig {
    pub appid: String,
    pub accesskey: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtensionConfig {
    /// One number, or the first of a range when `last` is given.
    pub number: String,
    #[serde(default)]
    pub last: Option<String>,
    pub password: String,
    #[serde(default = "yes")]
    pub enabled: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    pub name: String,
    /// 1 longest idle … 8 priority, as in the API.
    #[serde(default = "one")]
    pub strategy: i64,
    #[serde(default)]
    pub members: Vec<String>,
    /// Members are signed in when they are first put here.
    #[serde(default)]
    pub sign_in: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkConfig {
    pub name: String,
    /// `host:port`; may be empty when there are `addresses`.
    #[serde(default)]
    pub address: String,
    #[serde(default)]
    pub addresses: Vec<store::TrunkAddress>,
    #[serde(default = "udp")]
    pub transport: String,
    #[serde(default)]
    pub username: String,
    #[serde(default)]
    pub password: String,
    #[serde(default)]
    pub register: bool,
    #[serde(default)]
    pub prefix: String,
    #[serde(default = "channels")]
    pub channels_max: u32,
    #[serde(default)]
    pub cps_max: u32,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default = "options_every")]
    pub options_every_s: u32,
    #[serde(default = "silence_max")]
    pub silence_max_s: u32,
    #[serde(default)]
    pub redirects_max: u32,
    #[serde(default)]
    pub tls_ca: String,
    #[serde(default)]
    pub from_user: String,
    #[serde(default)]
    pub asserted_identity: String,
    #[serde(default)]
    pub privacy: bool,
    #[serde(default = "yes")]
    pub pass_identity: bool,
}

impl TrunkConfig {
    /// A trunk with one address, everything else by default.
    pub fn new(name: &str, address: &str) -> TrunkConfig {
        let details = store::TrunkDetails::default();
        TrunkConfig {
            name: name.to_owned(),
            address: address.to_owned(),
            addresses: Vec::new(),
            transport: udp(),
            username: String::new(),
            password: String::new(),
            register: false,
            prefix: String::new(),
            channels_max: channels(),
            cps_max: 0,
            enabled: true,
            options_every_s: details.options_every_s,
            silence_max_s: details.silence_max_s,
            redirects_max: details.redirects_max,
            tls_ca: details.tls_ca,
            from_user: details.from_user,
            asserted_identity: details.asserted_identity,
            privacy: details.privacy,
            pass_identity: details.pass_identity,
        }
    }

    /// What goes beyond one address.
    pub fn details(&self) -> store::TrunkDetails {
        store::TrunkDetails {
            addresses: self.addresses.clone(),
            options_every_s: self.options_every_s,
            silence_max_s: self.silence_max_s,
            redirects_max: self.redirects_max,
            tls_ca: self.tls_ca.clone(),
            from_user: self.from_user.clone(),
            asserted_identity: self.asserted_identity.clone(),
            privacy: self.privacy,
            pass_identity: self.pass_identity,
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallerIdConfig {
    pub number: String,
    #[serde(default = "yes")]
    pub automatic: bool,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Calls to it are taken. None: as `company.inbound.enabled` says.
    #[serde(default)]
    pub inbound: Option<bool>,
    /// Empty: `company.inbound.group`.
    #[serde(default)]
    pub inbound_group: String,
}

/// URLs of the company that are told what happens; empty: not told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PushConfig {
    pub task_status_url: String,
    pub extension_state_url: String,
    pub bill_url: String,
    pub detail_form: bool,
    pub secret: String,
    pub allow_private: bool,
}

impl PushConfig {
    pub fn urls(&self) -> [(&'static str, &str); 3] {
        [
            ("task_status_url", &self.task_status_url),
            ("extension_state_url", &self.extension_state_url),
            ("bill_url", &self.bill_url),
        ]
    }
}

impl Default for PushConfig {
    fn default() -> PushConfig {
        PushConfig {
            task_status_url: String::new(),
            extension_state_url: String::new(),
            bill_url: String::new(),
            detail_form: false,
            secret: String::new(),
            allow_private: true,
        }
    }
}

fn default_time_zone() -> String {
    "Asia/Shanghai".into()
}
fn default_language() -> String {
    "zh".into()
}
fn yes() -> bool {
    true
}
fn one() -> i64 {
    1
}
fn udp() -> String {
    "udp".into()
}
fn channels() -> u32 {
    100
}
fn options_every() -> u32 {
    store::TrunkDetails::default().options_every_s
}
fn silence_max() -> u32 {
    store::TrunkDetails::default().silence_max_s
}

impl Config {
    /// Reads the file, then applies `OUTPACE_<SECTION>_<KEY>` from the environment.
    pub fn load(path: &Path) -> anyhow::Result<Config> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Config::parse(&text, std::env::vars()).with_context(|| format!("in {}", path.display()))
    }

    /// `vars`: the environment, or a test's stand-in.
    pub fn parse(text: &str, vars: impl Iterator<Item = (String, String)>) -> anyhow::Result<Config> {
        let mut table: toml::Table = text.parse().context("not valid TOML")?;
        for (name, value) in vars {
            override_key(&mut table, &name, &value);
        }
        let config: Config = table.try_into()?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        let d = &self.dialing;
        for (name, s) in [
            ("no_answer_s", d.no_answer_s),
            ("ring_min_s", d.ring_min_s),
            ("setup_timeout_s", d.setup_timeout_s),
            ("wrap_up_s", d.wrap_up_s),
            ("miss_pause_s", d.miss_pause_s),
            ("ring_agent_s", d.ring_agent_s),
            ("ring_outside_s", d.ring_outside_s),
        ] {
            anyhow::ensure!(
                (0.0..=86_400.0).contains(&s),
                "dialing.{name} must be between 0 and 86400, not {s}"
            );
        }
        anyhow::ensure!(
            self.server.seal_key.is_some() || !self.server.seal_numbers,
            "server.seal_numbers needs server.seal_key"
        );
        anyhow::ensure!(
            self.media.port_first < self.media.port_last,
            "media.port_first must be below media.port_last"
        );
        anyhow::ensure!(
            self.media.codecs.iter().any(|codec| !codec.is_wide()),
            "media.codecs needs \"pcma\" or \"pcmu\": trunks speak nothing else"
        );
        anyhow::ensure!(
            (1.0..=30.0).contains(&self.detection.amd_limit_s),
            "detection.amd_limit_s must be between 1 and 30, not {}",
            self.detection.amd_limit_s
        );
        anyhow::ensure!(
            (0.0..=50.0).contains(&self.detection.amd_false_positive_percent),
            "detection.amd_false_positive_percent must be between 0 and 50, not {}",
            self.detection.amd_false_positive_percent
        );
        for c in &self.company {
            let times = c.inbound.iter().flat_map(|i| [i.ring_s, i.wait_s]);
            anyhow::ensure!(
                times.into_iter().all(|s| (0.0..=3600.0).contains(&s)),
                "company {}: inbound.ring_s and inbound.wait_s must be between 0 and 3600",
                c.code
            );
            anyhow::ensure!(!c.code.is_empty(), "a [[company]] needs a code");
            anyhow::ensure!(
                jiff::tz::TimeZone::get(&c.time_zone).is_ok(),
                "company {}: time_zone {:?} is not an IANA name such as Asia/Shanghai",
                c.code,
                c.time_zone
            );
            anyhow::ensure!(
                matches!(c.language.as_str(), "zh" | "en"),
                "company {}: language must be zh or en",
                c.code
            );
            if let Some(compliance) = &c.compliance {
                let settings = compliance.settings(&c.time_zone);
                settings.with_context(|| format!("company {}: compliance", c.code))?;
            }
            for (key, url) in c.push.urls().into_iter().filter(|(_, url)| !url.is_empty()) {
                crate::push::check_url(url)
                    .map_err(|why| anyhow::anyhow!("company {}: push.{key} {url:?}: {why}", c.code))?;
            }
        }
        Ok(())
    }

    pub fn engine(&self) -> engine::Config {
        use std::time::Duration;
        let d = &self.dialing;
        engine::Config {
            answer_wait: Duration::from_millis(d.answer_wait_ms),
            offer_timeout: Duration::from_millis(d.offer_timeout_ms),
            no_answer: Duration::from_secs_f64(d.no_answer_s),
            ring_min: Duration::from_secs_f64(d.ring_min_s),
            give_up_late: d.give_up_late,
            setup_timeout: Duration::from_secs_f64(d.setup_timeout_s),
            message_max: Duration::from_secs(d.message_max_s),
            // The verdict comes at the limit; half a second more for packets that are late and threads that are busy.
            judge_limit: Duration::from_secs_f64(self.detection.amd_limit_s + 0.5),
            amd_false_positives: (self.detection.amd_false_positive_percent * 100.0).round() as u32,
            wrap_up: Duration::from_secs_f64(d.wrap_up_s),
            miss_pause: Duration::from_secs_f64(d.miss_pause_s),
            misses_max: d.misses_max,
            ring_agent: Duration::from_secs_f64(d.ring_agent_s),
            ring_outside: Duration::from_secs_f64(d.ring_outside_s),
            agent_legs: match d.agent_legs {
                AgentLegs::RungPerCall => engine::AgentLegs::RungPerCall,
                AgentLegs::KeptUp => engine::AgentLegs::KeptUp,
            },
            ..engine::Config::default()
        }
    }

    pub fn retry_rule(&self) -> store::RetryRule {
        let delay = |s: u64| Some(std::time::Duration::from_secs(s));
        store::RetryRule {
            busy: delay(self.retry.busy_s),
            no_answer: delay(self.retry.no_answer_s),
            failed: delay(self.retry.failed_s),
            lost: delay(self.retry.lost_s),
        }
    }
}

/// `OUTPACE_SIP_LISTEN=…` sets `sip.listen`. The value is taken as TOML when it reads as such, else as a string.
fn override_key(table: &mut toml::Table, name: &str, value: &str) {
    let Some(rest) = name.strip_prefix("OUTPACE_") else { return };
    let rest = rest.to_ascii_lowercase();
    let Some((section, key)) = rest.split_once('_') else { return };
    if !["server", "api", "sip", "media", "dialing", "retry", "recording", "detection"].contains(&section) {
        return;
    }
    let value = format!("v = {value}")
        .parse::<toml::Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.to_owned()));
    let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let Some(section) = section.as_table_mut() {
        section.insert(key.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../outpace.toml");

    fn parse(text: &str) -> anyhow::Result<Config> {
        Config::parse(text, std::iter::empty())
    }

    #[test]
    fn the_example_file_holds_the_defaults() {
        let example = parse(EXAMPLE).unwrap();
        assert_eq!(format!("{example:#?}"), format!("{:#?}", Config::default()));
    }

    #[test]
    fn the_examples_company_can_be_used_as_it_is() {
        let open: String = EXAMPLE
            .lines()
            .skip_while(|l| !l.starts_with("# [[company]]"))
            .map(|l| format!("{}\n", l.strip_prefix("# ").or(l.strip_prefix('#')).unwrap_or(l)))
            .collect();
        let config = parse(&open).unwrap_or_else(|e| panic!("{e:#}\n{open}"));
        let company = &config.company[0];
        assert!(!company.app.is_empty() && !company.extension.is_empty() && !company.trunk.is_empty());
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let vars = [
            ("OUTPACE_SIP_LISTEN", "127.0.0.1:5070"),
            ("OUTPACE_DIALING_NO_ANSWER_S", "7.5"),
            ("OUTPACE_SERVER_STORE", "memory"),
            ("OUTPACE_LOG", "debug"),
            ("HOME", "/root"),
        ];
        let vars = vars.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned()));
        let config = Config::parse("[sip]\nlisten = \"0.0.0.0:5060\"", vars).unwrap();
        assert_eq!(config.sip.listen, "127.0.0.1:5070".parse().unwrap());
        assert_eq!((config.dialing.no_answer_s, config.server.store), (7.5, StoreKind::Memory));
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| format!("{:#}", parse(text).unwrap_err());
        assert!(error("[sip]\nport = 5060").contains("port"));
        assert!(error("[dialing]\nno_answer_s = -1").contains("dialing.no_answer_s"));
        assert!(error("[[company]]\ncode = \"1\"\ntime_zone = \"Mars\"").contains("Mars"));
        assert!(error("[sip").contains("TOML"));
        let window = error("[[company]]\ncode = \"7\"\n[company.compliance]\nwindows = [\"9 to 5\"]");
        assert!(window.contains("company 7") && window.contains("9 to 5"), "{window}");
        let push =
            |url: &str| error(&format!("[[company]]\ncode = \"1\"\n[company.push]\nbill_url = {url:?}"));
        for url in ["crm.example", "ftp://crm.example/", "https://", "http://user:word@crm.example/"] {
            assert!(push(url).contains("push.bill_url"), "{url}");
        }
    }
}
