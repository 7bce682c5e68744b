//! Provisional responses of ours towards callers who insist on being sure of them (RFC 3262).

mod peer;

use peer::{Peer, has, header, seconds};
use sip::{DialogId, Event, IncomingCall};

/// An INVITE that requires 100rel.
fn called(peer: &mut Peer) -> DialogId {
    let invite = peer.request("INVITE", "a", 1, "Require: 100rel\r\nSupported: 100rel\r\n", "v=0");
    peer.feed(&invite);
    let Event::Incoming(IncomingCall { dialog, .. }) = peer.event() else { panic!("no call") };
    let trying = peer.expect("SIP/2.0 100");
    assert!(!has(&trying, "RSeq"), "{trying}");
    dialog
}

fn rseq(response: &str) -> u32 {
    assert_eq!(header(response, "Require"), "100rel");
    header(response, "RSeq").parse().expect("a number")
}

fn prack(peer: &mut Peer, response: &str, cseq: u32, rack: &str) -> String {
    let prack = peer.within(response, "PRACK", cseq, &format!("RAck: {rack}\r\n"), "");
    peer.feed(&prack);
    peer.take()
}

#[test]
fn a_response_is_repeated_until_its_prack_comes_and_the_next_one_waits() {
    let mut peer = Peer::new();
    let dialog = called(&mut peer);
    peer.endpoint.ring(peer.now, dialog, 180, None);
    let ringing = peer.expect("SIP/2.0 180");
    let first = rseq(&ringing);
    for pause in [500, 1000, 2000] {
        peer.wait(std::time::Duration::from_millis(pause));
        assert_eq!(peer.take(), ringing);
    }
    peer.endpoint.ring(peer.now, dialog, 183, Some(b"v=0 early".to_vec()));
    peer.expect_silence();
    // What belongs to no response of ours.
    for rack in
        [format!("{} 1 INVITE", first + 1), format!("{first} 2 INVITE"), format!("{first} 1 BYE"), "x".into()]
    {
        assert!(prack(&mut peer, &ringing, 2, &rack).starts_with("SIP/2.0 481"), "{rack}");
    }
    assert!(prack(&mut peer, &ringing, 3, &format!("{first} 1 INVITE")).starts_with("SIP/2.0 200"));
    let progress = peer.expect("SIP/2.0 183");
    assert_eq!((rseq(&progress), progress.ends_with("v=0 early")), (first + 1, true));
    // The first PRACK again, as another request.
    assert!(prack(&mut peer, &ringing, 4, &format!("{first} 1 INVITE")).starts_with("SIP/2.0 200"));
    assert_eq!(peer.events(), []);
}

#[test]
fn an_answer_waits_for_the_prack_of_a_response_with_sdp_and_has_none_itself() {
    let mut peer = Peer::new();
    let dialog = called(&mut peer);
    peer.endpoint.ring(peer.now, dialog, 183, Some(b"v=0 early".to_vec()));
    let progress = peer.expect("SIP/2.0 183");
    peer.endpoint.answer(peer.now, dialog, b"v=0 answer".to_vec());
    peer.expect_silence();
    let rack = format!("{} 1 INVITE", rseq(&progress));
    assert!(prack(&mut peer, &progress, 2, &rack).starts_with("SIP/2.0 200"));
    let answer = peer.expect("SIP/2.0 200");
    assert!(
        header(&answer, "CSeq").ends_with("INVITE") && header(&answer, "Content-Length") == "0",
        "{answer}"
    );
    let ack = peer.within(&answer, "ACK", 1, "", "");
    peer.feed(&ack);
    assert_eq!(peer.event(), Event::Answered { dialog, sdp: Vec::new() });
}

#[test]
fn an_answer_does_not_wait_for_a_response_without_sdp() {
    let mut peer = Peer::new();
    let dialog = called(&mut peer);
    peer.endpoint.ring(peer.now, dialog, 180, None);
    let ringing = peer.expect("SIP/2.0 180");
    peer.endpoint.answer(peer.now, dialog, b"v=0 answer".to_vec());
    let answer = peer.expect("SIP/2.0 200");
    assert!(answer.ends_with("v=0 answer"), "{answer}");
    let rack = format!("{} 1 INVITE", rseq(&ringing));
    assert!(prack(&mut peer, &ringing, 2, &rack).starts_with("SIP/2.0 200"), "a PRACK that was on its way");
    let ack = peer.within(&answer, "ACK", 1, "", "");
    peer.feed(&ack);
    assert_eq!(peer.event(), Event::Answered { dialog, sdp: Vec::new() });
    peer.wait(seconds(60));
    peer.expect_silence();
}

#[test]
fn a_caller_who_never_confirms_is_given_up() {
    let mut peer = Peer::new();
    let dialog = called(&mut peer);
    peer.endpoint.ring(peer.now, dialog, 180, None);
    peer.wait(seconds(33));
    let mut last = peer.expect("SIP/2.0 180");
    while last.starts_with("SIP/2.0 180") {
        last = peer.take();
    }
    assert!(last.starts_with("SIP/2.0 504"), "{last}");
    let Event::Failed { status: 408, local: true, .. } = peer.event() else { panic!("not given up") };
    assert_eq!(peer.endpoint.counts().dialogs, 0);
}

#[test]
fn who_only_supports_it_gets_the_plain_ones_and_offers_in_a_prack_are_refused() {
    let mut peer = Peer::new();
    let invite = peer.request("INVITE", "b", 1, "Supported: 100rel\r\n", "v=0");
    peer.feed(&invite);
    let Event::Incoming(IncomingCall { dialog, .. }) = peer.event() else { panic!("no call") };
    peer.expect("SIP/2.0 100");
    peer.endpoint.ring(peer.now, dialog, 180, None);
    assert!(!has(&peer.expect("SIP/2.0 180"), "RSeq"));
    let mut peer = Peer::new();
    let dialog = called(&mut peer);
    peer.endpoint.ring(peer.now, dialog, 180, None);
    let ringing = peer.expect("SIP/2.0 180");
    let rack = format!("RAck: {} 1 INVITE\r\n", rseq(&ringing));
    let prack = peer.within(&ringing, "PRACK", 2, &rack, "v=0 other");
    peer.feed(&prack);
    peer.expect("SIP/2.0 488");
    peer.wait(seconds(40));
    peer.expect_silence();
}
