//! What the settings of a trunk may say, and whom they trust.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use store::{NewTrunk, TrunkAddress};

use super::Peer;

use crate::switch::edge::{self, TlsPeer};
use crate::switch::{Switch, names};

/// Of one trunk.
pub const ADDRESSES_MAX: usize = 16;
pub const TLS_CA_BYTES_MAX: usize = 64 * 1024;
const OPTIONS_EVERY_MAX_S: u32 = 86_400;

/// What is wrong with the settings of a trunk.
#[derive(PartialEq, Eq, Debug)]
pub struct Wrong {
    /// Such as `addresses[1].host`.
    pub key: String,
    pub why: String,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.key, self.why)
    }
}

/// Wherever they come from.
pub fn check(trunk: &NewTrunk) -> Result<(), Wrong> {
    let d = &trunk.details;
    let wrong = |key: &str, why: String| Err(Wrong { key: key.to_owned(), why });
    if trunk.address.is_empty() && d.addresses.is_empty() {
        return wrong("address", "is needed, or a list of addresses".to_owned());
    }
    if !trunk.address.is_empty() && !is_host(&names::split(&trunk.address).0) {
        return wrong("address", format!("must be host:port or a host, not {:?}", trunk.address));
    }
    check_transport("transport", &trunk.transport)?;
    if d.addresses.len() > ADDRESSES_MAX {
        return wrong("addresses", format!("must be at most {ADDRESSES_MAX}"));
    }
    for (i, address) in d.addresses.iter().enumerate() {
        check_address(&format!("addresses[{i}]"), address)?;
    }
    if d.options_every_s > OPTIONS_EVERY_MAX_S {
        return wrong("options_every_s", format!("must be at most {OPTIONS_EVERY_MAX_S}"));
    }
    if !(1..=30).contains(&d.silence_max_s) {
        return wrong("silence_max_s", "must be from 1 to 30".to_owned());
    }
    if d.redirects_max > 5 {
        return wrong("redirects_max", "must be at most 5".to_owned());
    }
    for (key, value) in [("from_user", &d.from_user), ("asserted_identity", &d.asserted_identity)] {
        if !value.is_empty() && !is_user(value) {
            return wrong(key, format!("must be a number or a name, not {value:?}"));
        }
    }
    if d.tls_ca.len() > TLS_CA_BYTES_MAX {
        return wrong("tls_ca", format!("must have at most {TLS_CA_BYTES_MAX} bytes"));
    }
    match edge::is_pem(&d.tls_ca) {
        true => edge::check_pem(&d.tls_ca).or_else(|why| wrong("tls_ca", why)),
        false => Ok(()),
    }
}

fn check_address(key: &str, address: &TrunkAddress) -> Result<(), Wrong> {
    if !is_host(&address.host) {
        let why = format!("must be a name or an IP address, not {:?}", address.host);
        return Err(Wrong { key: format!("{key}.host"), why });
    }
    if address.port == Some(0) {
        return Err(Wrong { key: format!("{key}.port"), why: "must be from 1 to 65535".to_owned() });
    }
    match address.transport.is_empty() {
        true => Ok(()),
        false => check_transport(&format!("{key}.transport"), &address.transport),
    }
}

fn check_transport(key: &str, transport: &str) -> Result<(), Wrong> {
    match names::transport(transport) {
        Some(_) => Ok(()),
        None => {
            let why = format!("must be udp, tcp, tls or auto, not {transport:?}");
            Err(Wrong { key: key.to_owned(), why })
        }
    }
}

/// RFC 3261 §25.1, and the `_` that some networks have.
fn is_host(host: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    host.parse::<IpAddr>().is_ok() || (!host.is_empty() && host.len() <= 253 && host.bytes().all(is_name))
}

fn is_user(text: &str) -> bool {
    text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+*#-._".contains(&b))
}

impl Peer {
    /// Who its calls are from is told to phones (RFC 8224).
    pub(in crate::switch) fn passes_identity(&self) -> bool {
        self.trunk.settings.details.pass_identity
    }
}

impl Switch {
    /// Who must answer where we connect over TLS. Whose trunk was there first says it: no later one changes whom the
    /// calls of others trust.
    pub fn tls_peers(&self) -> HashMap<SocketAddr, TlsPeer> {
        let mut peers: Vec<_> = self.trunks.iter().collect();
        peers.sort_by_key(|(id, _)| **id);
        let mut found = HashMap::new();
        for (_, peer) in peers {
            let ca = Some(&peer.trunk.settings.details.tls_ca).filter(|ca| !ca.is_empty());
            for route in peer.routes.iter().filter(|r| r.flow.transport == sip::Transport::Tls) {
                let of = || TlsPeer { name: route.name.host.clone(), ca: ca.cloned() };
                found.entry(route.flow.peer).or_insert_with(of);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk(change: impl FnOnce(&mut NewTrunk)) -> NewTrunk {
        let mut trunk = NewTrunk {
            company: engine::CompanyId(1),
            name: "carrier".to_owned(),
            address: "sip.example.com:5060".to_owned(),
            transport: "udp".to_owned(),
            username: String::new(),
            password: String::new(),
            register: false,
            prefix: String::new(),
            channels_max: 1,
            cps_max: 0,
            enabled: true,
            details: store::TrunkDetails::default(),
        };
        change(&mut trunk);
        trunk
    }

    fn place(host: &str, port: Option<u16>, transport: &str) -> TrunkAddress {
        let (host, transport) = (host.to_owned(), transport.to_owned());
        TrunkAddress { host, port, transport, priority: 0, weight: 1 }
    }

    #[test]
    fn what_trunks_may_be_is_taken() {
        for address in ["a.example", "1.2.3.4", "1.2.3.4:5061", "[::1]:5060", "::1", "host_1:1"] {
            assert_eq!(check(&trunk(|t| t.address = address.to_owned())), Ok(()), "{address}");
        }
        for transport in ["udp", "tcp", "tls", "auto"] {
            assert_eq!(check(&trunk(|t| t.transport = transport.to_owned())), Ok(()));
        }
        let more = trunk(|t| {
            t.address = String::new();
            t.details.addresses = vec![place("::1", None, ""), place("b.example", Some(1), "tls")];
        });
        assert_eq!(check(&more), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let many = vec![place("a", None, ""); ADDRESSES_MAX + 1];
        for (key, wrong) in [
            ("address", trunk(|t| t.address.clear())),
            ("address", trunk(|t| t.address = "a b".to_owned())),
            ("address", trunk(|t| t.address = "a@b;lr".to_owned())),
            ("transport", trunk(|t| t.transport = "ws".to_owned())),
            ("addresses", trunk(|t| t.details.addresses = many)),
            ("addresses[0].host", trunk(|t| t.details.addresses = vec![place("", None, "")])),
            ("addresses[0].port", trunk(|t| t.details.addresses = vec![place("a", Some(0), "")])),
            ("addresses[0].transport", trunk(|t| t.details.addresses = vec![place("a", None, "sctp")])),
            ("options_every_s", trunk(|t| t.details.options_every_s = 86_401)),
            ("silence_max_s", trunk(|t| t.details.silence_max_s = 0)),
            ("redirects_max", trunk(|t| t.details.redirects_max = 6)),
            ("from_user", trunk(|t| t.details.from_user = "a>b".to_owned())),
            ("asserted_identity", trunk(|t| t.details.asserted_identity = "a b".to_owned())),
            ("tls_ca", trunk(|t| t.details.tls_ca = "-----BEGIN CERTIFICATE-----\n!\n".to_owned())),
        ] {
            assert_eq!(check(&wrong).expect_err(key).key, key);
        }
    }
}
