//! What trunks' host names stand for, looked up in the background: the run loop never waits for DNS.

mod dns;
mod locate;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sip::Transport;
use tokio::sync::{mpsc, watch};

use locate::{Located, Locator};

/// Answers on their way to the run loop.
const FOUND_MAX: usize = 256;
/// An answer is used as long as it says, within these bounds.
const KEEP_MIN: Duration = Duration::from_secs(5);
const KEEP_MAX: Duration = Duration::from_secs(300);
/// A name without an answer is asked for again after this.
const RETRY: Duration = Duration::from_secs(2);
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);

/// A host as the settings of a trunk name it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct HostName {
    pub host: String,
    pub port: Option<u16>,
    /// None: what its domain likes best.
    pub transport: Option<Transport>,
}

/// One address that a name stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    pub transport: Transport,
    pub address: SocketAddr,
    /// RFC 2782: lower ones first; share among those of one priority.
    pub priority: u16,
    pub weight: u16,
}

/// All that a name stands for now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    pub name: HostName,
    pub targets: Vec<Target>,
}

/// `udp`, `tcp`, `tls`, or `auto` for what the domain of the address says: how a trunk can be reached. None: no such word.
pub fn transport(name: &str) -> Option<Option<Transport>> {
    match name {
        "udp" => Some(Some(Transport::Udp)),
        "tcp" => Some(Some(Transport::Tcp)),
        "tls" => Some(Some(Transport::Tls)),
        "auto" => Some(None),
        _ => None,
    }
}

pub fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "tls",
        Transport::Ws => "ws",
        Transport::Wss => "wss",
    }
}

/// `host`, `host:port`, `1.2.3.4:5060`, `[::1]:5060` or `::1`.
pub fn split(address: &str) -> (String, Option<u16>) {
    if let Ok(ip) = address.parse::<IpAddr>() {
        return (ip.to_string(), None);
    }
    if let Ok(socket) = address.parse::<SocketAddr>() {
        return (socket.ip().to_string(), Some(socket.port()));
    }
    match address.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => (host.to_owned(), port.parse().ok()),
        _ => (address.trim_start_matches('[').trim_end_matches(']').to_owned(), None),
    }
}

/// The port that a transport has where none is named.
pub fn default_port(transport: Transport) -> u16 {
    if transport == Transport::Tls { 5061 } else { 5060 }
}

impl HostName {
    /// The address itself, when the name is one.
    pub fn literal(&self) -> Option<Target> {
        let ip: IpAddr = self.host.parse().ok()?;
        let transport = self.transport.unwrap_or(Transport::Udp);
        let address = SocketAddr::new(ip, self.port.unwrap_or(default_port(transport)));
        Some(Target { transport, address, priority: 0, weight: 1 })
    }

    /// As it stands in a URI.
    pub fn uri_host(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        self.port.map_or(host.clone(), |port| format!("{host}:{port}"))
    }
}

/// The lookups under way.
pub struct Names {
    wanted: watch::Sender<BTreeSet<HostName>>,
    found: mpsc::Receiver<Found>,
}

impl Names {
    /// `resolvers`: who is asked; empty: whom the system asks.
    pub fn start(resolvers: &[SocketAddr]) -> Names {
        let (wanted, wanted_out) = watch::channel(BTreeSet::new());
        let (found_in, found) = mpsc::channel(FOUND_MAX);
        tokio::spawn(look_up_all(Locator::new(resolvers), wanted_out, found_in));
        Names { wanted, found }
    }

    /// From now on these are looked up, again and again.
    pub fn want(&self, names: BTreeSet<HostName>) {
        self.wanted.send_if_modified(|known| {
            let differs = *known != names;
            *known = names;
            differs
        });
    }

    /// The next name whose addresses are known, or are others than before.
    pub async fn next(&mut self) -> Option<Found> {
        self.found.recv().await
    }
}

/// One task per name.
async fn look_up_all(
    locator: Locator,
    mut wanted: watch::Receiver<BTreeSet<HostName>>,
    found: mpsc::Sender<Found>,
) {
    let mut tasks: BTreeMap<HostName, tokio::task::JoinHandle<()>> = BTreeMap::new();
    loop {
        let names = wanted.borrow_and_update().clone();
        tasks.retain(|name, task| {
            let keep = names.contains(name);
            if !keep {
                task.abort();
            }
            keep
        });
        for name in names {
            let (locator, found) = (locator.clone(), found.clone());
            tasks.entry(name.clone()).or_insert_with(|| tokio::spawn(look_up(locator, name, found)));
        }
        if wanted.changed().await.is_err() {
            tasks.values().for_each(tokio::task::JoinHandle::abort);
            return;
        }
    }
}

async fn look_up(locator: Locator, name: HostName, found: mpsc::Sender<Found>) {
    let mut last: Option<Vec<Target>> = None;
    let mut warned = false;
    loop {
        let located = tokio::time::timeout(LOOKUP_TIMEOUT, locator.locate(&name)).await;
        let Ok(Ok(Located { targets, ttl })) = located else {
            // What was found before is used on: DNS that is down must not stop calls.
            if !warned {
                tracing::warn!(host = %name.host, "a trunk's host has no address; it is asked for again");
            }
            warned = true;
            tokio::time::sleep(RETRY).await;
            continue;
        };
        warned = false;
        if last.as_ref() != Some(&targets) {
            if targets.is_empty() {
                tracing::warn!(host = %name.host, "a trunk's domain says that it takes no calls");
            }
            last = Some(targets.clone());
            if found.send(Found { name: name.clone(), targets }).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(ttl.clamp(KEEP_MIN, KEEP_MAX)).await;
    }
}
