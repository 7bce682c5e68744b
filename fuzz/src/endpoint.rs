//! SIP: the endpoint takes the input, does what it does, and forgets it.

use sip::{Credentials, Endpoint, Event, Flow, Invite, Transport};

use peer::{Peer, THEIRS, address, call, config, seconds};

#[path = "../../crates/sip/tests/peer/mod.rs"]
mod peer;

fn flow(transport: Transport) -> Flow {
    Flow { transport, peer: address(THEIRS), connection: u64::from(transport != Transport::Udp) }
}

fn drain(endpoint: &mut Endpoint) {
    while endpoint.poll_transmit().is_some() {}
    while let Some(event) = endpoint.poll_event() {
        if let Event::Incoming { dialog, .. } = event {
            endpoint.ring(seconds(101), dialog, 183, Some(b"v=0".to_vec()));
            endpoint.answer(seconds(101), dialog, b"v=0".to_vec());
        }
    }
    while endpoint.poll_close().is_some() {}
}

/// Everything that is left ends by itself.
fn assert_forgets(mut endpoint: Endpoint) {
    for _ in 0..10_000 {
        let Some(at) = endpoint.deadline() else { break };
        endpoint.handle_timeout(at);
        drain(&mut endpoint);
    }
    let counts = endpoint.counts();
    assert_eq!((counts.dialogs, counts.transactions), (0, 0));
}

pub fn sip_datagram(input: &[u8]) {
    let mut endpoint = Endpoint::new(config(), 1);
    endpoint.put_account("1001", "secret");
    endpoint.receive(seconds(100), flow(Transport::Udp), input);
    drain(&mut endpoint);
    endpoint.receive(seconds(101), flow(Transport::Udp), input);
    drain(&mut endpoint);
    assert_forgets(endpoint);
}

pub fn sip_stream(input: &[u8]) {
    let mut endpoint = Endpoint::new(config(), 1);
    for piece in input.chunks(input.len() / 3 + 1) {
        endpoint.receive(seconds(100), flow(Transport::Tcp), piece);
        drain(&mut endpoint);
    }
    endpoint.connection_closed(seconds(102), 1);
    drain(&mut endpoint);
    assert_forgets(endpoint);
}

pub fn sip_response(input: &[u8]) {
    let mut peer = Peer::new();
    let credentials = Some(Credentials { username: "u".into(), password: "p".into() });
    let dialog = peer.endpoint.invite(peer.now, Invite { credentials, ..call() });
    peer.endpoint.limit_silence(peer.now, dialog, seconds(4));
    peer.take();
    peer.endpoint.receive(seconds(101), flow(Transport::Udp), input);
    drain(&mut peer.endpoint);
    peer.endpoint.hang_up(seconds(102), dialog);
    drain(&mut peer.endpoint);
    assert_forgets(peer.endpoint);
}

pub fn digest(input: &[u8]) {
    let mut peer = Peer::new();
    peer.endpoint.put_account("1001", "secret");
    let text = peer.request("REGISTER", "b", 2, "Authorization: @@\r\n", "");
    let (before, after) = text.split_once("@@").expect("it stands there");
    let bytes = [before.as_bytes(), input, after.as_bytes()].concat();
    peer.endpoint.receive(seconds(100), flow(Transport::Udp), &bytes);
    drain(&mut peer.endpoint);
    assert_eq!(peer.endpoint.counts().bindings, 0, "nobody gets in without the password");
}
