//! Where requests of a dialog go (RFC 3261 §12.2.1.1, §16.12).
//!
//! 1. With a route set: to its first entry when that is an IP literal, else to the flow of the dialog.
//! 2. A dialog with a registered phone is pinned: it stays on the flow of the registration, whatever the phone behind its
//!    NAT writes into Contact.
//! 3. Else to the Contact of the far end when that is an IP literal that can be reached, else to the flow.

use super::Dialog;
use crate::core::Core;
use crate::endpoint::{Flow, Transport};
use crate::message::{Address, Message, Name, Uri};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

/// Most entries of a route set.
const ROUTES_MAX: usize = 16;

impl Dialog {
    pub fn next_hop(&self, core: &Core) -> Flow {
        next_hop(core, self.flow, self.pinned, &self.target, &self.routes)
    }
}

pub(super) fn next_hop(core: &Core, flow: Flow, pinned: bool, target: &[u8], routes: &[Vec<u8>]) -> Flow {
    let alive = core.is_alive(flow);
    let fallback = if alive { flow } else { Flow { connection: 0, ..flow } };
    if let Some(first) = routes.first() {
        let uri = Address::parse(first).map_or(&b""[..], |address| address.uri);
        return literal(uri, flow, alive).unwrap_or(fallback);
    }
    if pinned && alive {
        return flow;
    }
    literal(target, flow, alive).unwrap_or(fallback)
}

/// The flow to a URI whose host is an IP literal. `base`: the flow on which the far end was talked to so far.
fn literal(uri: &[u8], base: Flow, alive: bool) -> Option<Flow> {
    let uri = Uri::parse(uri)?;
    let ip = uri.ip()?;
    let hidden = is_private(ip) && !is_private(base.peer.ip());
    if !uri.is_sip() || ip.is_unspecified() || hidden {
        return None;
    }
    let secure = uri.scheme.eq_ignore_ascii_case(b"sips");
    let transport = match uri.param("transport").map(Transport::of_param) {
        Some(None) => return None,
        Some(Some(_)) | None if secure => Transport::Tls,
        Some(Some(named)) => named,
        None if ip == base.peer.ip() => base.transport,
        None => Transport::Udp,
    };
    // A call that came or went encrypted stays so, and nobody can be reached by WebSocket who has none open.
    let private = matches!(base.transport, Transport::Tls | Transport::Ws | Transport::Wss);
    let unreachable = matches!(transport, Transport::Ws | Transport::Wss);
    if transport != base.transport && (private || unreachable) {
        return None;
    }
    let default_port = if transport == Transport::Tls { 5061 } else { 5060 };
    let peer = SocketAddr::new(ip, uri.port.unwrap_or(default_port));
    let same_host = transport == base.transport && ip == base.peer.ip();
    // Over TCP the far end's port is an ephemeral one: the connection that exists is the way back.
    if same_host && alive && (peer == base.peer || base.connection != 0) {
        return Some(base);
    }
    Some(Flow { transport, peer, connection: 0 })
}

/// Addresses that mean something only inside the network that uses them.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Request-URI and Route values. A first route without `lr` is a strict router and becomes the Request-URI.
pub(super) fn request_line<'a>(
    target: &'a [u8],
    routes: &'a [Vec<u8>],
) -> (Cow<'a, [u8]>, Vec<Cow<'a, [u8]>>) {
    let strict = routes.first().and_then(|first| {
        let uri = Address::parse(first)?.uri;
        Uri::parse(uri)?.param("lr").is_none().then_some(uri)
    });
    let Some(uri) = strict else {
        return (Cow::Borrowed(target), routes.iter().map(|r| Cow::Borrowed(&r[..])).collect());
    };
    let mut rest: Vec<Cow<'a, [u8]>> = routes[1..].iter().map(|r| Cow::Borrowed(&r[..])).collect();
    rest.push(Cow::Owned([b"<", target, b">"].concat()));
    (Cow::Borrowed(uri), rest)
}

/// The route set that a message's Record-Route makes, in the order of the message.
pub(super) fn recorded(message: &Message) -> Vec<Vec<u8>> {
    message.list(Name::RecordRoute).take(ROUTES_MAX).map(<[u8]>::to_vec).collect()
}
