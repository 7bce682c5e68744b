//! Where a SIP server is, by its host name (RFC 3263 §4): NAPTR says by which transport, SRV at which hosts and ports.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sip::Transport;
use tokio::task::JoinSet;

use super::dns::{Answer, Kind, NoAnswer, Record, Resolvers};
use super::{HostName, Target, default_port};

/// Servers of one name, the first ones by priority; and addresses of each.
const SERVERS_MAX: usize = 16;
const ADDRESSES_MAX: usize = 8;
/// Of names that the system looks up, which tells no time to live.
const KEEP_UNTOLD: Duration = Duration::from_secs(30);

/// What a name stands for, and for how long that holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Located {
    pub targets: Vec<Target>,
    pub ttl: Duration,
}

/// Looks names up in DNS alone when resolvers are configured, else addresses as the system does (`/etc/hosts` too).
#[derive(Clone, Debug)]
pub struct Locator {
    resolvers: Resolvers,
    by_system: bool,
}

impl Locator {
    pub fn new(configured: &[SocketAddr]) -> Locator {
        Locator { resolvers: Resolvers::new(configured), by_system: configured.is_empty() }
    }

    /// No target: the domain says that it does not offer the service, or knows no such host.
    pub async fn locate(&self, name: &HostName) -> Result<Located, NoAnswer> {
        // RFC 3263 §4.2: whoever names a port wants this host. And a name without a dot is no domain.
        if name.port.is_some() || !name.host.contains('.') {
            return self.at_host(name).await;
        }
        let places = match name.transport {
            Some(transport) => vec![(transport, service(transport, &name.host))],
            None => self.services(&name.host).await?,
        };
        for (transport, place) in places {
            let servers = self.resolvers.ask(&place, Kind::Srv).await;
            // Without an answer nobody can say that there are none; but not every resolver knows SRV.
            let servers = if self.by_system { servers.unwrap_or_default() } else { servers? };
            if !servers.records.is_empty() {
                return self.at_servers(transport, servers).await;
            }
        }
        self.at_host(name).await
    }

    /// Where SRV is asked for, the best first. RFC 3263 §4.1: the transport that the domain likes best, and no other, so
    /// that nobody who can make TLS fail gets the calls without it.
    async fn services(&self, host: &str) -> Result<Vec<(Transport, String)>, NoAnswer> {
        let answer = self.resolvers.ask(host, Kind::Naptr).await;
        let answer = if self.by_system { answer.unwrap_or_default() } else { answer? };
        let mut found: Vec<(u16, u16, Transport, String)> = Vec::new();
        for record in answer.records {
            let Record::Pointer { order, preference, flags, service, replacement } = record else { continue };
            let known = transport_of(&service).filter(|_| flags.eq_ignore_ascii_case("s"));
            if let Some(transport) = known.filter(|_| !replacement.is_empty()) {
                found.push((order, preference, transport, replacement));
            }
        }
        found.sort_by_key(|(order, preference, _, _)| (*order, *preference));
        let best = found.into_iter().next().map(|(_, _, transport, place)| vec![(transport, place)]);
        let every = [Transport::Udp, Transport::Tcp, Transport::Tls];
        Ok(best.unwrap_or_else(|| every.map(|t| (t, service(t, host))).into()))
    }

    async fn at_servers(&self, transport: Transport, answer: Answer) -> Result<Located, NoAnswer> {
        let mut servers: Vec<(u16, u16, u16, String)> = Vec::new();
        for record in answer.records {
            let Record::Server { priority, weight, port, host } = record else { continue };
            // RFC 2782: a target of "." says that the service is not to be had here.
            if !host.is_empty() && port != 0 {
                servers.push((priority, weight, port, host));
            }
        }
        servers.sort();
        servers.truncate(SERVERS_MAX);
        let is_offered = !servers.is_empty();
        let mut ttl = answer.ttl.unwrap_or(KEEP_UNTOLD);
        let mut targets = Vec::new();
        let mut lookups = JoinSet::new();
        for server in servers {
            let locator = self.clone();
            lookups.spawn(async move { (locator.addresses(&server.3).await, server) });
        }
        while let Some(found) = lookups.join_next().await {
            let Ok((Ok((addresses, kept)), (priority, weight, port, _))) = found else { continue };
            ttl = ttl.min(kept);
            for ip in addresses {
                let address = SocketAddr::new(ip, port);
                targets.push(Target { transport, address, priority, weight });
            }
        }
        // In a fixed order, so that what is the same looks the same.
        targets.sort_by_key(|t| (t.priority, t.address));
        if is_offered && targets.is_empty() { Err(NoAnswer) } else { Ok(Located { targets, ttl }) }
    }

    async fn at_host(&self, name: &HostName) -> Result<Located, NoAnswer> {
        let transport = name.transport.unwrap_or(Transport::Udp);
        let port = name.port.unwrap_or(default_port(transport));
        let (addresses, ttl) = self.addresses(&name.host).await?;
        let target = |ip| Target { transport, address: SocketAddr::new(ip, port), priority: 0, weight: 1 };
        Ok(Located { targets: addresses.into_iter().map(target).collect(), ttl })
    }

    async fn addresses(&self, host: &str) -> Result<(Vec<IpAddr>, Duration), NoAnswer> {
        let mut ttl = KEEP_UNTOLD;
        let mut addresses: Vec<IpAddr> = if self.by_system {
            let found = tokio::net::lookup_host((host, 0)).await.map_err(|_| NoAnswer)?;
            found.map(|address| address.ip()).collect()
        } else {
            let (four, six) =
                tokio::join!(self.resolvers.ask(host, Kind::A), self.resolvers.ask(host, Kind::Aaaa));
            let answers = [four?, six.unwrap_or_default()];
            ttl = answers.iter().filter_map(|answer| answer.ttl).min().unwrap_or(KEEP_UNTOLD);
            let records = answers.into_iter().flat_map(|answer| answer.records);
            records.filter_map(|r| if let Record::Address(ip) = r { Some(ip) } else { None }).collect()
        };
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        if addresses.is_empty() { Err(NoAnswer) } else { Ok((addresses, ttl)) }
    }
}

fn service(transport: Transport, host: &str) -> String {
    match transport {
        Transport::Tcp => format!("_sip._tcp.{host}"),
        Transport::Tls => format!("_sips._tcp.{host}"),
        Transport::Udp | Transport::Ws | Transport::Wss => format!("_sip._udp.{host}"),
    }
}

/// RFC 3263 §4.1.
fn transport_of(service: &str) -> Option<Transport> {
    match service.to_ascii_uppercase().as_str() {
        "SIP+D2U" => Some(Transport::Udp),
        "SIP+D2T" => Some(Transport::Tcp),
        "SIPS+D2T" => Some(Transport::Tls),
        _ => None,
    }
}
