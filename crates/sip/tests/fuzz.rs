#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the fuzzer itself may look at the clock"
)]
//! Goal: whatever comes in from the network, the endpoint neither panics nor hangs, and forgets it again.

#[path = "../../../fuzz/mutate.rs"]
mod mutate;
mod peer;

use mutate::fuzz;
use peer::{Peer, THEIRS, address, call, config, response, seconds};
use sip::{Endpoint, Event, Flow, IncomingCall, Transport};
use std::hash::{DefaultHasher, Hash, Hasher};

const WORDS: &[&str] = &[
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "REGISTER",
    "OPTIONS",
    "PRACK",
    "UPDATE",
    "INFO",
    "SIP/2.0",
    " 200 OK",
    "100 T",
    "Via: ",
    "v:",
    "From: ",
    "To: ",
    "Call-ID: ",
    "CSeq: ",
    "Contact: ",
    "m:",
    "Max-Forwards: ",
    "Content-Length: ",
    "l: ",
    "Content-Type: ",
    "application/sdp",
    "multipart/mixed;boundary=x",
    "--x\r\n",
    "Route: ",
    "Record-Route: ",
    "Require: ",
    "100rel",
    "Supported: timer",
    "Session-Expires: 90",
    "Min-SE: ",
    "RSeq: ",
    "RAck: ",
    "Expires: ",
    "Authorization: Digest ",
    "username=\"1001\"",
    "nonce=",
    "response=",
    "algorithm=MD5",
    "qop=auth",
    "nc=00000001",
    "Retry-After: ",
    "Reason: Q.850;cause=",
    "z9hG4bK",
    ";branch=",
    ";rport",
    ";received=",
    ";tag=",
    ";lr",
    ";transport=tcp",
    "sip:",
    "sips:",
    "tel:",
    "<",
    ">",
    "\"",
    "\r\n",
    "\r\n\r\n",
    "\r\n ",
    "*",
    "@10.0.0.2:5060",
    "[::1]",
    "%00",
    "%41",
];

fn flow(transport: Transport) -> Flow {
    Flow { transport, peer: address(THEIRS), connection: u64::from(transport != Transport::Udp) }
}

/// Stands for what the endpoint did: which messages it sent, which events it gave.
fn deeds(endpoint: &mut Endpoint) -> u64 {
    let mut hasher = DefaultHasher::new();
    while let Some(transmit) = endpoint.poll_transmit() {
        let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
        text.split([' ', '\r']).take(2).collect::<Vec<_>>().hash(&mut hasher);
        text.lines().count().hash(&mut hasher);
    }
    while let Some(event) = endpoint.poll_event() {
        std::mem::discriminant(&event).hash(&mut hasher);
        if let Event::Incoming(IncomingCall { dialog, .. }) = event {
            endpoint.ring(seconds(101), dialog, 183, Some(b"v=0".to_vec()));
            endpoint.answer(seconds(101), dialog, b"v=0".to_vec());
        }
    }
    while let Some(connection) = endpoint.poll_close() {
        connection.hash(&mut hasher);
    }
    hasher.finish()
}

/// Everything that is left ends by itself.
fn assert_forgets(mut endpoint: Endpoint) {
    for _ in 0..10_000 {
        let Some(at) = endpoint.deadline() else { break };
        endpoint.handle_timeout(at);
        deeds(&mut endpoint);
    }
    let counts = endpoint.counts();
    assert_eq!((counts.dialogs, counts.transactions), (0, 0));
}

fn requests() -> Vec<String> {
    let mut peer = Peer::new();
    let extra = "Supported: timer, 100rel\r\nRecord-Route: <sip:10.0.0.3;lr>\r\nSession-Expires: 90;refresher=uac\r\n";
    let register = "Expires: 60\r\nAuthorization: Digest username=\"1001\", realm=\"outpace\", nonce=\"abc\", \
                    uri=\"sip:10.0.0.1\", response=\"00112233445566778899aabbccddeeff\", algorithm=MD5, qop=auth, \
                    nc=00000001, cnonce=\"x\"\r\n";
    let mut list = vec![
        peer.request("INVITE", "a", 1, extra, "v=0"),
        peer.request("REGISTER", "b", 2, register, ""),
        peer.request("OPTIONS", "c", 3, "", ""),
        peer.request("INVITE", "d", 4, "Require: 100rel\r\n", ""),
    ];
    for method in ["ACK", "BYE", "CANCEL", "PRACK", "UPDATE", "INFO", "SUBSCRIBE", "MESSAGE"] {
        list.push(peer.request(method, "a", 5, "RAck: 1 1 INVITE\r\n", "v=0"));
    }
    let invite = list[0].clone();
    list.push(invite.replace("INVITE", "ACK"));
    list.push(invite.replace("INVITE", "CANCEL"));
    list
}

#[test]
fn no_datagram_breaks_the_endpoint() {
    let requests = requests();
    let seeds: Vec<&[u8]> = requests.iter().map(String::as_bytes).collect();
    fuzz("sip-datagram", &seeds, WORDS, |input| {
        let mut endpoint = Endpoint::new(config(), 1);
        endpoint.put_account("1001", "secret");
        endpoint.receive(seconds(100), flow(Transport::Udp), input);
        let first = deeds(&mut endpoint);
        endpoint.receive(seconds(101), flow(Transport::Udp), input);
        let second = deeds(&mut endpoint);
        assert_forgets(endpoint);
        first ^ second.rotate_left(1)
    });
}

#[test]
fn no_stream_breaks_the_endpoint() {
    let whole = requests().concat();
    let requests = requests();
    let mut seeds: Vec<&[u8]> = requests.iter().map(String::as_bytes).collect();
    seeds.push(whole.as_bytes());
    seeds.push(b"\r\n\r\n");
    fuzz("sip-stream", &seeds, WORDS, |input| {
        let mut endpoint = Endpoint::new(config(), 1);
        let mut done = 0;
        for piece in input.chunks(input.len() / 3 + 1) {
            endpoint.receive(seconds(100), flow(Transport::Tcp), piece);
            done ^= deeds(&mut endpoint);
        }
        endpoint.connection_closed(seconds(102), 1);
        deeds(&mut endpoint);
        assert_forgets(endpoint);
        done
    });
}

#[test]
fn no_response_breaks_a_call() {
    let mut peer = Peer::new();
    peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    let contact = "Contact: <sip:callee@10.0.0.2>\r\nRecord-Route: <sip:10.0.0.3;lr>\r\n";
    let challenge =
        "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\", algorithm=SHA-256, qop=\"auth,auth-int\"\r\n";
    let texts = [
        response(&invite, "200 OK", "x", contact, "v=0"),
        response(&invite, "183 Progress", "x", "Require: 100rel\r\nRSeq: 7\r\n", "v=0"),
        response(&invite, "401 Who", "x", challenge, ""),
        response(&invite, "422 Brief", "x", "Min-SE: 900\r\n", ""),
        response(&invite, "302 Moved", "x", "Contact: <sip:a@b>, <sip:c@d>;q=0.1\r\n", ""),
        response(&invite, "503 Full", "x", "Retry-After: 5\r\nReason: Q.850;cause=34\r\n", ""),
    ];
    let seeds: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
    fuzz("sip-response", &seeds, WORDS, |input| {
        let mut peer = Peer::new();
        let credentials = Some(sip::Credentials { username: "u".into(), password: "p".into() });
        let dialog = peer.endpoint.invite(peer.now, sip::Invite { credentials, ..call() });
        peer.endpoint.limit_silence(peer.now, dialog, seconds(4));
        peer.take();
        peer.endpoint.receive(seconds(101), flow(Transport::Udp), input);
        let done = deeds(&mut peer.endpoint);
        peer.endpoint.hang_up(seconds(102), dialog);
        deeds(&mut peer.endpoint);
        assert_forgets(peer.endpoint);
        done
    });
}

#[test]
fn no_digest_header_breaks_the_registrar() {
    let good = "Digest username=\"1001\", realm=\"outpace\", nonce=\"abc\", uri=\"sip:10.0.0.1\", \
                response=\"00112233445566778899aabbccddeeff\", algorithm=MD5, qop=auth, nc=00000001, cnonce=\"x\"";
    fuzz("digest", &[good.as_bytes(), b"Digest"], WORDS, |input| {
        let mut peer = Peer::new();
        peer.endpoint.put_account("1001", "secret");
        let text = peer.request("REGISTER", "b", 2, "Authorization: @@\r\n", "");
        let (before, after) = text.split_once("@@").expect("it stands there");
        let bytes = [before.as_bytes(), input, after.as_bytes()].concat();
        peer.endpoint.receive(seconds(100), flow(Transport::Udp), &bytes);
        let done = deeds(&mut peer.endpoint);
        assert_eq!(peer.endpoint.counts().bindings, 0, "nobody gets in without the password");
        done
    });
}
