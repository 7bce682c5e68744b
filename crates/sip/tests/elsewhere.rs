//! When a call that failed may be placed elsewhere: only when nobody can have been rung.

mod peer;

use peer::{Peer, call, response, seconds, udp};
use sip::{Elsewhere, Event};
use std::time::Duration;

fn placed(peer: &mut Peer) -> String {
    let dialog = peer.endpoint.invite(peer.now, call());
    peer.endpoint.limit_silence(peer.now, dialog, seconds(4));
    peer.take()
}

fn elsewhere(event: Event) -> Option<Elsewhere> {
    let Event::Failed { elsewhere, .. } = event else { panic!("{event:?}") };
    elsewhere
}

#[test]
fn a_503_before_any_ringing_names_when_to_come_back() {
    let mut peer = Peer::new();
    let invite = placed(&mut peer);
    peer.feed(&response(&invite, "100 Trying", "", "", ""));
    peer.feed(&response(&invite, "503 Full", "x", "Retry-After: 17 (maintenance)\r\n", ""));
    let wait = elsewhere(peer.event()).expect("it may go elsewhere").retry_after;
    assert_eq!(wait, Some(Duration::from_secs(17)));
}

#[test]
fn a_503_after_ringing_goes_nowhere_else() {
    let mut peer = Peer::new();
    let invite = placed(&mut peer);
    peer.feed(&response(&invite, "180 Ringing", "x", "", ""));
    peer.event();
    peer.feed(&response(&invite, "503 Full", "x", "", ""));
    assert_eq!(elsewhere(peer.event()), None);
}

#[test]
fn a_redirect_names_its_contacts_and_a_busy_customer_none() {
    let mut peer = Peer::new();
    let invite = placed(&mut peer);
    let contacts = "Contact: <sip:1@10.0.0.7>;q=1, \"B\" <sip:2@10.0.0.8:5070>\r\n";
    peer.feed(&response(&invite, "302 Moved", "x", contacts, ""));
    let found = elsewhere(peer.event()).expect("a redirect");
    assert_eq!(found.contacts, ["sip:1@10.0.0.7", "sip:2@10.0.0.8:5070"]);
    peer.expect("ACK");
    let invite = placed(&mut peer);
    peer.feed(&response(&invite, "486 Busy", "x", "", ""));
    assert_eq!(elsewhere(peer.event()), None);
}

#[test]
fn a_silent_far_end_is_given_up_and_not_asked_again() {
    let mut peer = Peer::new();
    placed(&mut peer);
    peer.wait(seconds(4));
    let Event::Failed { status: 408, local: true, elsewhere: Some(_), .. } = peer.event() else { panic!() };
    peer.discard();
    peer.wait(seconds(120));
    // An INVITE after the call went elsewhere would ring the customer twice.
    peer.expect_silence();
    assert_eq!(peer.events(), []);
    assert_eq!(peer.endpoint.counts().dialogs, 0);
}

#[test]
fn a_far_end_that_wakes_up_late_is_cancelled() {
    let mut peer = Peer::new();
    let invite = placed(&mut peer);
    peer.wait(seconds(5));
    peer.event();
    peer.discard();
    peer.feed(&response(&invite, "180 Ringing", "x", "", ""));
    peer.expect("CANCEL");
    peer.feed(&response(&invite, "487 Gone", "x", "", ""));
    peer.expect("ACK");
    assert_eq!(peer.events(), []);
}

#[test]
fn a_late_answer_is_acknowledged_and_ended() {
    let mut peer = Peer::new();
    let invite = placed(&mut peer);
    peer.wait(seconds(5));
    peer.event();
    peer.discard();
    peer.feed(&response(&invite, "200 OK", "x", "Contact: <sip:callee@10.0.0.2>\r\n", "v=0 answer"));
    peer.expect("ACK");
    peer.expect("BYE");
    assert_eq!(peer.events(), []);
}

#[test]
fn one_100_is_enough_to_wait_for_the_rest() {
    let mut peer = Peer::new();
    let invite = placed(&mut peer);
    peer.feed(&response(&invite, "100 Trying", "", "", ""));
    peer.wait(seconds(60));
    assert_eq!(peer.events(), []);
    peer.endpoint.transport_failed(peer.now, udp(peer::THEIRS));
    assert_eq!(elsewhere(peer.event()), None, "the far end had the INVITE");
}
