//! Calls that come in, and requests within calls, from a far end that does unusual things.

mod peer;

use peer::{OURS, Peer, THEIRS, call, has, header, headers, seconds, udp};
use sip::{EndedBy, EndpointConfig, Event, IncomingCall};
use std::time::Duration;

#[test]
fn responses_go_back_to_where_the_request_came_from() {
    let mut peer = Peer::new();
    peer.flow = udp("203.0.113.9:1024");
    let invite = peer.request("INVITE", "a", 1, "Via: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKx\r\n", "v=0");
    peer.feed(&invite);
    let (trying, flow) = peer.take_with_flow();
    assert!(trying.starts_with("SIP/2.0 100 "), "{trying}");
    assert_eq!(flow, udp("203.0.113.9:1024"));
    let vias = headers(&trying, "Via");
    assert!(vias[0].ends_with(";received=203.0.113.9;rport=1024"), "{trying}");
    assert_eq!(vias[1], "SIP/2.0/UDP 10.9.9.9;branch=z9hG4bKx");
}

#[test]
fn a_repeated_invite_gets_the_last_response_again() {
    let mut peer = Peer::new();
    let invite = peer.request("INVITE", "a", 1, "", "v=0");
    peer.feed(&invite);
    let Event::Incoming(IncomingCall { dialog, .. }) = peer.event() else { panic!() };
    peer.expect("SIP/2.0 100");
    peer.feed(&invite);
    peer.expect("SIP/2.0 100");
    peer.endpoint.ring(peer.now, dialog, 180, None);
    let ringing = peer.expect("SIP/2.0 180");
    peer.feed(&invite);
    assert_eq!(peer.take(), ringing);
    peer.endpoint.reject(peer.now, dialog, 603);
    let declined = peer.expect("SIP/2.0 603");
    assert_eq!(header(&declined, "To"), header(&ringing, "To"));
    assert_eq!(peer.events().len(), 1);
    peer.feed(&invite);
    assert_eq!(peer.take(), declined);
    peer.wait(seconds(1));
    assert_eq!(peer.take(), declined);
    let ack = invite.replace("INVITE", "ACK");
    peer.feed(&ack);
    peer.wait(seconds(40));
    peer.expect_silence();
    assert_eq!(peer.endpoint.counts().transactions, 0);
}

#[test]
fn an_answer_is_repeated_until_its_ack_comes() {
    let mut peer = Peer::new();
    let invite = peer.request("INVITE", "a", 1, "Record-Route: <sip:10.0.0.9;lr>\r\n", "v=0");
    peer.feed(&invite);
    let Event::Incoming(IncomingCall { dialog, .. }) = peer.event() else { panic!() };
    peer.expect("SIP/2.0 100");
    peer.endpoint.answer(peer.now, dialog, b"v=0 answer".to_vec());
    let answer = peer.expect("SIP/2.0 200");
    assert_eq!(header(&answer, "Record-Route"), "<sip:10.0.0.9;lr>");
    assert_eq!(header(&answer, "Contact"), format!("<sip:callee@{OURS}>"));
    // T1, 2*T1, 4*T1, then every T2.
    for pause in [500, 1000, 2000, 4000, 4000] {
        peer.wait(std::time::Duration::from_millis(pause));
        assert_eq!(peer.take(), answer);
        peer.expect_silence();
    }
    peer.feed(&invite);
    peer.expect_silence();
    let ack = peer.within(&answer, "ACK", 1, "", "");
    peer.feed(&ack);
    assert_eq!(peer.event(), Event::Answered { dialog, sdp: Vec::new() });
    peer.feed(&ack);
    peer.wait(seconds(60));
    peer.expect_silence();
    assert_eq!(peer.events(), []);
    peer.endpoint.hang_up(peer.now, dialog);
    let (bye, flow) = peer.take_with_flow();
    assert_eq!((header(&bye, "Route"), flow), ("<sip:10.0.0.9;lr>".to_owned(), udp("10.0.0.9:5060")));
}

#[test]
fn an_answer_without_ack_ends_the_call() {
    let mut peer = Peer::new();
    let invite = peer.request("INVITE", "a", 1, "", "v=0");
    peer.feed(&invite);
    let Event::Incoming(IncomingCall { dialog, .. }) = peer.event() else { panic!() };
    peer.endpoint.answer(peer.now, dialog, b"v=0 answer".to_vec());
    peer.wait(seconds(33));
    assert_eq!(peer.event(), Event::Ended { dialog, by: EndedBy::Timeout, q850: None });
    peer.wait(seconds(33));
    assert!(peer.sent.is_empty());
    peer.discard();
    peer.wait(seconds(33));
    assert_eq!((peer.endpoint.counts().dialogs, peer.endpoint.counts().transactions), (0, 0));
}

#[test]
fn hanging_up_before_the_ack_sends_bye_after_it() {
    let mut peer = Peer::new();
    let invite = peer.request("INVITE", "a", 1, "", "v=0");
    peer.feed(&invite);
    let Event::Incoming(IncomingCall { dialog, .. }) = peer.event() else { panic!() };
    peer.expect("SIP/2.0 100");
    peer.endpoint.answer(peer.now, dialog, b"v=0 answer".to_vec());
    let answer = peer.expect("SIP/2.0 200");
    peer.endpoint.hang_up(peer.now, dialog);
    assert_eq!(peer.event(), Event::Ended { dialog, by: EndedBy::Local, q850: None });
    peer.expect_silence();
    let ack = peer.within(&answer, "ACK", 1, "", "");
    peer.feed(&ack);
    let bye = peer.expect("BYE");
    peer.reply(&bye, "200 OK", "", "", "");
    assert_eq!(peer.events(), []);
    assert_eq!(peer.endpoint.counts().dialogs, 0);
}

#[test]
fn a_cancelled_call_gets_487() {
    let mut peer = Peer::new();
    let invite = peer.request("INVITE", "a", 1, "", "v=0");
    peer.feed(&invite);
    let Event::Incoming(IncomingCall { dialog, .. }) = peer.event() else { panic!() };
    peer.expect("SIP/2.0 100");
    let cancel = invite.replace("INVITE", "CANCEL").replace("Max-", "Reason: Q.850;cause=26\r\nMax-");
    peer.feed(&cancel);
    peer.expect("SIP/2.0 200");
    peer.expect("SIP/2.0 487");
    let reason = "Request Terminated".to_owned();
    assert_eq!(
        peer.event(),
        Event::Failed { dialog, status: 487, reason, q850: Some(26), local: false, elsewhere: None }
    );
    let other = peer.request("CANCEL", "b", 1, "", "");
    peer.feed(&other);
    peer.expect("SIP/2.0 481");
}

#[test]
fn a_call_without_offer_brings_the_answer_with_its_ack() {
    let mut peer = Peer::new();
    let invite = peer.request("INVITE", "a", 1, "", "");
    peer.feed(&invite);
    let Event::Incoming(IncomingCall { dialog, sdp, .. }) = peer.event() else { panic!() };
    assert_eq!(sdp, b"");
    peer.expect("SIP/2.0 100");
    peer.endpoint.answer(peer.now, dialog, b"v=0 ours".to_vec());
    let answer = peer.expect("SIP/2.0 200");
    let ack = peer.within(&answer, "ACK", 1, "", "v=0 theirs");
    peer.feed(&ack);
    assert_eq!(peer.event(), Event::Answered { dialog, sdp: b"v=0 theirs".to_vec() });
}

#[test]
fn bye_ends_the_call_and_is_answered_again_when_it_is_repeated() {
    let mut peer = Peer::new();
    let (dialog, answer) = peer.call_in("");
    let bye = peer.within(&answer, "BYE", 2, "Reason: Q.850;cause=16\r\n", "");
    peer.feed(&bye);
    peer.expect("SIP/2.0 200");
    assert_eq!(peer.event(), Event::Ended { dialog, by: EndedBy::Remote, q850: Some(16) });
    peer.feed(&bye);
    peer.expect("SIP/2.0 200");
    let late = peer.within(&answer, "BYE", 3, "", "");
    peer.feed(&late);
    peer.expect("SIP/2.0 481");
    peer.endpoint.hang_up(peer.now, dialog);
    peer.expect_silence();
    assert_eq!(peer.events(), []);
}

#[test]
fn requests_for_no_dialog_are_turned_away() {
    let mut peer = Peer::new();
    let (_, answer) = peer.call_in("");
    for method in ["BYE", "INFO", "UPDATE", "INVITE", "PRACK"] {
        // Another dialog, and the same one with a tag that is not its far end's.
        let stranger = peer.within(&answer, method, 9, "", "").replace("Call-ID: in", "Call-ID: other");
        peer.feed(&stranger);
        peer.expect("SIP/2.0 481");
        let stranger = peer.within(&answer, method, 9, "", "").replace("tag=theirs", "tag=others");
        peer.feed(&stranger);
        peer.expect("SIP/2.0 481");
    }
    for (method, status) in
        [("SUBSCRIBE", "405"), ("NOTIFY", "405"), ("REFER", "481"), ("BYE", "481"), ("FOO", "501")]
    {
        let request = peer.request(method, "none", 1, "", "");
        peer.feed(&request);
        peer.expect(&format!("SIP/2.0 {status}"));
    }
    let options = peer.request("OPTIONS", "none", 1, "", "");
    peer.feed(&options);
    assert!(header(&peer.expect("SIP/2.0 200"), "Allow").contains("INVITE"));
    assert_eq!(peer.events(), []);
}

#[test]
fn other_requests_within_a_call_get_a_polite_answer() {
    let mut peer = Peer::new();
    let (dialog, answer) = peer.call_in("");
    let table = [
        ("OPTIONS", "200"),
        ("REFER", "400"),
        ("NOTIFY", "489"),
        ("MESSAGE", "405"),
        ("PRACK", "481"),
        ("FOO", "501"),
    ];
    for (cseq, (method, status)) in (2..).zip(table) {
        let request = peer.within(&answer, method, cseq, "", "");
        peer.feed(&request);
        peer.expect(&format!("SIP/2.0 {status}"));
    }
    let info = peer
        .within(&answer, "INFO", 20, "", "Signal=5")
        .replace("application/sdp", "Application/DTMF-Relay; x=y");
    peer.feed(&info);
    peer.expect("SIP/2.0 200");
    let (content_type, body) = ("application/dtmf-relay".to_owned(), b"Signal=5".to_vec());
    assert_eq!(peer.event(), Event::Info { dialog, content_type, body });
    peer.feed(&info);
    peer.expect("SIP/2.0 200");
    assert_eq!(peer.events(), []);
    let old = peer.within(&answer, "INFO", 3, "", "");
    peer.feed(&old);
    peer.expect("SIP/2.0 500");
}

#[test]
fn an_offer_within_a_call_is_handed_over_and_answered() {
    let mut peer = Peer::new();
    let (dialog, answer) = peer.call_in("");
    let invite = peer.within(&answer, "INVITE", 2, "", "v=0 hold");
    peer.feed(&invite);
    peer.expect("SIP/2.0 100");
    assert_eq!(peer.event(), Event::Offer { dialog, sdp: b"v=0 hold".to_vec() });
    // A second one at the same time.
    let second = peer.within(&answer, "UPDATE", 3, "", "v=0 more");
    peer.feed(&second);
    assert!(has(&peer.expect("SIP/2.0 500"), "Retry-After"));
    let invite_again = peer.within(&answer, "INVITE", 4, "", "v=0 hold");
    peer.endpoint.answer_offer(peer.now, dialog, b"v=0 held".to_vec());
    assert!(peer.expect("SIP/2.0 200").ends_with("v=0 held"));
    // Not before the ACK.
    peer.feed(&invite_again);
    peer.expect("SIP/2.0 491");
    peer.feed(&invite_again.replace("INVITE", "ACK"));
    let ack = peer.within(&answer, "ACK", 2, "", "");
    // A late ACK still fits, although other requests came in between.
    peer.feed(&ack);
    let update = peer.within(&answer, "UPDATE", 5, "", "v=0 back");
    peer.feed(&update);
    assert_eq!(peer.event(), Event::Offer { dialog, sdp: b"v=0 back".to_vec() });
    peer.endpoint.answer_offer(peer.now, dialog, Vec::new());
    peer.expect("SIP/2.0 488");
    peer.wait(seconds(40));
    peer.expect_silence();
}

#[test]
fn an_offer_that_meets_ours_is_refused() {
    let mut peer = Peer::new();
    let (dialog, answer) = peer.call_in("");
    peer.endpoint.reoffer(peer.now, dialog, b"v=0 ours".to_vec());
    peer.expect("INVITE");
    for method in ["INVITE", "UPDATE"] {
        let offer = peer.within(&answer, method, 2, "", "v=0 theirs");
        peer.feed(&offer);
        peer.expect("SIP/2.0 491");
    }
    assert_eq!(peer.events(), []);
}

#[test]
fn an_invite_without_offer_within_a_call_is_answered_with_ours() {
    let mut peer = Peer::new();
    let (dialog, answer) = peer.call_in("");
    let invite = peer.within(&answer, "INVITE", 2, "", "");
    peer.feed(&invite);
    peer.expect("SIP/2.0 100");
    assert_eq!(peer.event(), Event::Offer { dialog, sdp: Vec::new() });
    peer.endpoint.answer_offer(peer.now, dialog, b"v=0 ours".to_vec());
    assert!(peer.expect("SIP/2.0 200").ends_with("v=0 ours"));
    let ack = peer.within(&answer, "ACK", 2, "", "v=0 theirs");
    peer.feed(&ack);
    assert_eq!(peer.event(), Event::OfferAnswered { dialog, sdp: Some(b"v=0 theirs".to_vec()) });
}

#[test]
fn an_offer_that_nobody_answers_or_that_is_taken_back_is_ended() {
    let mut peer = Peer::new();
    let (dialog, answer) = peer.call_in("");
    let update = peer.within(&answer, "UPDATE", 2, "", "v=0 hold");
    peer.feed(&update);
    peer.wait(seconds(31));
    peer.expect("SIP/2.0 500");
    let invite = peer.within(&answer, "INVITE", 3, "", "v=0 hold");
    peer.feed(&invite);
    peer.expect("SIP/2.0 100");
    peer.feed(&invite.replace("INVITE", "CANCEL"));
    peer.expect("SIP/2.0 200");
    peer.expect("SIP/2.0 487");
    let invite = peer.within(&answer, "INVITE", 4, "", "v=0 hold");
    peer.feed(&invite);
    peer.expect("SIP/2.0 100");
    peer.endpoint.hang_up(peer.now, dialog);
    peer.expect("SIP/2.0 487");
    peer.expect("BYE");
}

#[test]
fn a_session_timer_is_agreed_on_when_a_call_comes_in() {
    let table = [
        // No timer there: we refresh all the same and ask nothing of them.
        ("", "600;refresher=uas", false),
        ("Supported: timer\r\nSession-Expires: 1200\r\n", "1200;refresher=uac", true),
        ("Supported: timer\r\nSession-Expires: 1200;refresher=uas\r\n", "1200;refresher=uas", false),
        ("Supported: timer\r\nMin-SE: 900\r\n", "900;refresher=uas", false),
    ];
    for (extra, expected, required) in table {
        let mut peer = Peer::with(EndpointConfig { session_expires: Some(seconds(600)), ..peer::config() });
        let (_, answer) = peer.call_in(extra);
        assert_eq!(header(&answer, "Session-Expires"), expected);
        assert_eq!(headers(&answer, "Require"), if required { vec!["timer"] } else { vec![] });
    }
    let mut peer = Peer::new();
    let invite = peer.request("INVITE", "brief", 1, "Supported: timer\r\nSession-Expires: 60\r\n", "v=0");
    peer.feed(&invite);
    assert_eq!(header(&peer.expect("SIP/2.0 422"), "Min-SE"), "90");
    assert_eq!(peer.events(), []);
}

#[test]
fn a_far_end_without_session_timer_is_refreshed_and_may_refuse() {
    let mut peer = Peer::with(EndpointConfig { session_expires: Some(seconds(600)), ..peer::config() });
    let (_, _) = peer.call_in("Allow: INVITE, UPDATE\r\n");
    for _ in 0..4 {
        peer.wait(seconds(300));
        let update = peer.expect("UPDATE");
        peer.reply(&update, "500 Whatever", "", "", "");
    }
    assert_eq!(peer.events(), []);
    peer.wait(seconds(300));
    let update = peer.expect("UPDATE");
    peer.reply(&update, "501 Not Implemented", "", "", "");
    // Then by INVITE.
    let invite = peer.expect("INVITE");
    assert!(invite.ends_with("v=0 answer"));
    peer.reply(&invite, "200 OK", "", "", "v=0 offer");
    peer.expect("ACK");
    assert_eq!(peer.events(), []);
}

#[test]
fn calls_past_the_limits_are_shed_without_a_trace() {
    let limits = [
        EndpointConfig { dialogs_max: 2, ..peer::config() },
        EndpointConfig { transactions_max: 2, ..peer::config() },
        EndpointConfig { invites_per_second_max: 2, ..peer::config() },
    ];
    for config in limits {
        let mut peer = Peer::with(config);
        for n in 0..2 {
            let invite = peer.request("INVITE", &format!("c{n}"), 1, "", "v=0");
            peer.feed(&invite);
            peer.expect("SIP/2.0 100");
        }
        assert_eq!(peer.events().len(), 2);
        let before = peer.endpoint.counts();
        let invite = peer.request("INVITE", "c2", 1, "", "v=0");
        for n in 1..=3 {
            peer.feed(&invite);
            assert!(has(&peer.expect("SIP/2.0 503"), "Retry-After"));
            assert_eq!(peer.endpoint.counts(), sip::Counts { shed: n, ..before });
        }
        assert_eq!(peer.events(), []);
    }
    let mut peer = Peer::with(EndpointConfig { invites_per_second_max: 1, ..peer::config() });
    for n in 0..3 {
        let invite = peer.request("INVITE", &format!("s{n}"), 1, "", "v=0");
        peer.feed(&invite);
        peer.expect("SIP/2.0 100");
        peer.wait(seconds(1));
    }
}

#[test]
fn what_is_admitted_comes_evenly() {
    let mut peer =
        Peer::with(EndpointConfig { invites_per_second_max: 50, dialogs_max: 1000, ..peer::config() });
    let mut admitted = Vec::new();
    // Twice the rate, for two seconds.
    for n in 0..200 {
        let invite = peer.request("INVITE", &format!("e{n}"), 1, "", "v=0");
        let shed = peer.endpoint.counts().shed;
        peer.feed(&invite);
        if peer.endpoint.counts().shed == shed {
            admitted.push(n);
        }
        peer.discard();
        peer.wait(Duration::from_millis(10));
    }
    let in_any_tenth_of_a_second =
        |from: &u32| admitted.iter().filter(|n| (*from..from + 10).contains(n)).count();
    assert!((100..=105).contains(&admitted.len()), "{admitted:?}");
    assert!(admitted.iter().all(|n| in_any_tenth_of_a_second(n) <= 10), "{admitted:?}");
}

#[test]
fn who_is_behind_sheds_new_calls_and_goes_on_with_old_ones() {
    let mut peer = Peer::new();
    let invite = peer.request("INVITE", "old", 1, "", "v=0");
    peer.feed(&invite);
    peer.expect("SIP/2.0 100");
    peer.endpoint.set_behind(true);
    let late = peer.request("INVITE", "new", 1, "", "v=0");
    peer.feed(&late);
    peer.expect("SIP/2.0 503");
    peer.feed(&invite);
    peer.expect("SIP/2.0 100");
    peer.endpoint.set_behind(false);
    peer.feed(&late);
    peer.expect("SIP/2.0 100");
}

#[test]
fn datagrams_without_content_length_and_with_odd_forms_are_read() {
    let mut peer = Peer::new();
    let text = format!(
        "INVITE sip:1%30@{OURS} SIP/2.0\r\nv: SIP/2.0/UDP {THEIRS};branch=z9hG4bKq\r\nMAX-forwards: 70\r\n\
         f: \"A, B\" <sip:42@{THEIRS}>;\r\n tag=t\r\nt: sip:10@{OURS}\r\ni: x\r\ncseq: 1\t INVITE\r\n\
         m: <sip:42@{THEIRS}>\r\nc: multipart/mixed;boundary=\"b b\"\r\nSubject: \r\n\r\n--b b\r\n\
         Content-Type: application/isup\r\n\r\n\x01\r\n--b b\r\nContent-Type: application/sdp\r\n\r\nv=0 part\r\n--b b--\r\n"
    );
    let mut bytes = text.into_bytes();
    // Not UTF-8, in a header that nobody needs.
    let at = bytes.windows(9).position(|w| w == b"Subject: ").expect("it is there") + 9;
    bytes.splice(at..at, [0xff, 0xfe]);
    peer.endpoint.receive(peer.now, peer.flow, &bytes);
    peer.expect("SIP/2.0 100");
    match peer.event() {
        Event::Incoming(IncomingCall { target_user, from_user, sdp, .. }) => {
            assert_eq!((target_user.as_str(), from_user.as_str(), &sdp[..]), ("10", "42", &b"v=0 part"[..]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_call_that_nobody_takes_ends_by_itself() {
    let mut peer = Peer::new();
    let invite = peer.request("INVITE", "a", 1, "", "v=0");
    peer.feed(&invite);
    let Event::Incoming(IncomingCall { dialog, .. }) = peer.event() else { panic!() };
    peer.endpoint.ring(peer.now, dialog, 180, None);
    peer.discard();
    peer.wait(seconds(61));
    peer.expect("SIP/2.0 180");
    peer.wait(seconds(900));
    assert!(matches!(peer.event(), Event::Failed { status: 408, local: true, .. }));
    let ours = peer.endpoint.invite(peer.now, call());
    peer.discard();
    assert_eq!(peer.endpoint.peer_of(ours), Some(udp(THEIRS)));
    assert!(peer.endpoint.call_id_of(ours).is_some());
}

#[test]
fn an_invite_that_comes_a_second_way_is_refused_with_482() {
    let mut peer = Peer::new();
    let first = peer.request("INVITE", "forked", 1, "", "v=0");
    let second = peer.request("INVITE", "forked", 1, "", "v=0");
    assert_ne!(first, second, "another branch");
    peer.feed(&first);
    let Event::Incoming(IncomingCall { dialog, .. }) = peer.event() else { panic!() };
    peer.expect("SIP/2.0 100");
    peer.feed(&second);
    peer.expect("SIP/2.0 482");
    assert_eq!(peer.events(), [], "one call, one event");
    peer.endpoint.reject(peer.now, dialog, 486);
    peer.expect("SIP/2.0 486");
    peer.event();
    peer.wait(seconds(60));
    peer.discard();
    let later = peer.request("INVITE", "forked", 1, "", "v=0");
    peer.feed(&later);
    assert!(matches!(peer.event(), Event::Incoming(_)), "what is over is forgotten");
}
