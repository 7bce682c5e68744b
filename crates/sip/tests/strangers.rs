//! Requests from addresses that nobody knows, which may be forged: one small answer each, and nothing is kept of them.

mod peer;

use std::collections::HashSet;

use peer::{OURS, Peer, THEIRS, config, seconds, udp};
use sip::{EndpointConfig, Event};

const STRANGER: &str = "203.0.113.9:5060";

/// Takes calls from the usual peer only.
fn guarded(config: EndpointConfig) -> Peer {
    let mut peer = Peer::with(config);
    peer.endpoint.take_calls_from(HashSet::from([peer::address(THEIRS).ip()]));
    peer.endpoint.put_account("1001", "secret");
    peer
}

fn nothing_is_kept(peer: &mut Peer) {
    peer.wait(seconds(120));
    peer.expect_silence();
    assert_eq!(peer.events(), []);
    let counts = peer.endpoint.counts();
    assert_eq!((counts.transactions, counts.dialogs), (0, 0));
}

#[test]
fn a_call_from_a_stranger_gets_one_refusal_that_is_never_repeated() {
    let mut peer = guarded(config());
    peer.flow = udp(STRANGER);
    let invite = peer.request("INVITE", "a", 1, "", "v=0");
    peer.feed(&invite);
    let (refusal, flow) = peer.take_with_flow();
    assert!(refusal.starts_with("SIP/2.0 403 "), "{refusal}");
    assert_eq!(flow, udp(STRANGER));
    assert!(refusal.len() < invite.len() + 100, "{} for {}", refusal.len(), invite.len());
    nothing_is_kept(&mut peer);
    // Credentials for another place make nobody a friend.
    let foreign = "Authorization: Digest username=\"x\", realm=\"elsewhere\", nonce=\"1\", uri=\"sip:x\", response=\"0\"\r\n";
    let invite = peer.request("INVITE", "b", 1, foreign, "v=0");
    peer.feed(&invite);
    peer.expect("SIP/2.0 403 ");
    nothing_is_kept(&mut peer);
}

#[test]
fn every_other_request_of_a_stranger_gets_one_answer_at_most_and_no_long_one() {
    let mut peer = guarded(config());
    peer.flow = udp(STRANGER);
    let methods =
        ["OPTIONS", "REGISTER", "BYE", "CANCEL", "ACK", "UPDATE", "PRACK", "INFO", "REFER", "NOTIFY", "FOO"];
    for method in methods {
        let request = peer.request(method, method, 1, "", "");
        peer.feed(&request);
        let answers: Vec<String> = std::iter::from_fn(|| peer.endpoint.poll_transmit())
            .map(|t| String::from_utf8_lossy(&t.bytes).into_owned())
            .collect();
        assert!(answers.len() <= 1, "{method}: {answers:?}");
        let longest = request.len() + 300;
        assert!(answers.iter().all(|answer| answer.len() <= longest), "{method}: {answers:?}");
        nothing_is_kept(&mut peer);
    }
    // The name of an account: a challenge, as for anybody.
    let invite = peer.request("INVITE", "c", 1, "", "").replace("sip:caller@", "sip:1001@");
    peer.feed(&invite);
    peer.expect("SIP/2.0 401 ");
    for noise in [
        "",
        "\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bKq\r\n\r\n",
    ] {
        peer.feed(noise);
    }
    nothing_is_kept(&mut peer);
}

#[test]
fn strangers_take_nothing_from_the_calls_of_friends() {
    let mut peer = guarded(EndpointConfig { invites_per_second_max: 5, dialogs_max: 5, ..config() });
    peer.flow = udp(STRANGER);
    for number in 0..1000 {
        let invite = peer.request("INVITE", &format!("s{number}"), 1, "", "v=0");
        peer.feed(&invite);
        peer.expect("SIP/2.0 403 ");
    }
    peer.flow = udp(THEIRS);
    let invite = peer.request("INVITE", "friend", 1, "", "v=0");
    peer.feed(&invite);
    assert!(matches!(peer.event(), Event::Incoming(_)), "at {OURS}");
    assert_eq!(peer.endpoint.counts().shed, 0);
}
