//! Calls that we place, against a far end that does unusual things.

mod peer;

use peer::{OURS, Peer, THEIRS, call, has, header, headers, param, response, seconds, udp};
use sip::{Credentials, DialogId, EndedBy, Event, Flow, IncomingCall, Invite, Transport};
use std::time::Duration;

fn login() -> Option<Credentials> {
    Some(Credentials { username: "user".into(), password: "secret".into() })
}

fn failed(dialog: sip::DialogId, status: u16, reason: &str, local: bool) -> Event {
    let elsewhere = (local && matches!(status, 408 | 503)).then(sip::Elsewhere::default);
    Event::Failed { dialog, status, reason: reason.into(), q850: None, local, elsewhere }
}

#[test]
fn an_invite_carries_what_it_should() {
    let mut peer = Peer::new();
    let invite = Invite {
        from_display: "Anna \"A\" B\r\nEvil: yes".into(),
        from_user: "a b".into(),
        headers: vec![
            ("X-Campaign".into(), "7\r\nEvil: yes".into()),
            ("Via".into(), "SIP/2.0/UDP 1.2.3.4".into()),
            ("Bad Name".into(), "x".into()),
        ],
        ..call()
    };
    peer.endpoint.invite(peer.now, invite);
    let text = peer.take();
    assert!(text.starts_with(&format!("INVITE sip:callee@{THEIRS} SIP/2.0\r\n")), "{text}");
    assert!(!has(&text, "Evil"), "{text}");
    assert!(!has(&text, "Bad Name"), "{text}");
    assert_eq!(headers(&text, "Via").len(), 1);
    assert!(header(&text, "Via").starts_with(&format!("SIP/2.0/UDP {OURS};rport;branch=z9hG4bK")));
    assert!(header(&text, "From").starts_with("\"Anna \\\"A\\\" BEvil: yes\" <sip:a%20b@10.0.0.1>;tag="));
    assert_eq!(header(&text, "To"), format!("<sip:callee@{THEIRS}>"));
    assert_eq!(header(&text, "Contact"), format!("<sip:a%20b@{OURS}>"));
    assert_eq!(header(&text, "X-Campaign"), "7  Evil: yes");
    assert!(text.ends_with("Content-Type: application/sdp\r\nContent-Length: 9\r\n\r\nv=0 offer"), "{text}");
}

#[test]
fn an_invite_without_any_answer_fails_with_408() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, call());
    peer.wait(seconds(33));
    assert_eq!(peer.event(), failed(dialog, 408, "Request Timeout", true));
    for _ in 0..7 {
        peer.expect("INVITE");
    }
    peer.expect_silence();
    peer.wait(seconds(40));
    assert_eq!(peer.endpoint.counts().transactions, 0);
}

#[test]
fn an_unreachable_far_end_fails_the_call_at_once() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, call());
    peer.endpoint.transport_failed(peer.now, udp("10.9.9.9:5060"));
    assert_eq!(peer.events(), []);
    peer.endpoint.transport_failed(peer.now, udp(THEIRS));
    assert_eq!(peer.event(), failed(dialog, 503, "Service Unavailable", true));
}

#[test]
fn a_refusal_is_told_with_its_cause_and_acknowledged_with_each_repetition() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    let refusal = response(
        &invite,
        "404 Nobody There",
        "x",
        "Reason: SIP;cause=404, Q.850;cause=1;text=\"a;b\"\r\n",
        "",
    );
    peer.feed(&refusal);
    let reason = "Nobody There".to_owned();
    assert_eq!(
        peer.event(),
        Event::Failed { dialog, status: 404, reason, q850: Some(1), local: false, elsewhere: None }
    );
    let ack = peer.expect("ACK");
    assert_eq!(header(&ack, "Via"), header(&invite, "Via"));
    assert!(header(&ack, "To").ends_with(";tag=x"));
    peer.feed(&refusal);
    assert_eq!(peer.take(), ack);
    assert_eq!(peer.events(), []);
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    peer.endpoint.hang_up(peer.now, dialog);
    peer.expect_silence();
    peer.reply(&invite, "100 Trying", "", "", "");
    let cancel = peer.expect("CANCEL");
    assert_eq!(header(&cancel, "Via"), header(&invite, "Via"));
    assert_eq!(header(&cancel, "CSeq").replace("CANCEL", "INVITE"), header(&invite, "CSeq"));
    peer.reply(&cancel, "200 OK", "x", "", "");
    assert_eq!(peer.events(), []);
    peer.reply(&invite, "487 Request Terminated", "x", "", "");
    assert_eq!(peer.event(), failed(dialog, 487, "Request Terminated", true));
    peer.expect("ACK");
}

#[test]
fn a_final_response_that_comes_before_any_cancel_is_taken() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    peer.endpoint.hang_up(peer.now, dialog);
    peer.reply(&invite, "486 Busy Here", "x", "", "");
    assert_eq!(peer.event(), failed(dialog, 486, "Busy Here", false));
    peer.expect("ACK");
    peer.expect_silence();
}

#[test]
fn an_answer_that_crosses_a_cancel_is_acknowledged_and_ended() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    peer.reply(&invite, "180 Ringing", "x", "", "");
    peer.events();
    peer.endpoint.hang_up(peer.now, dialog);
    peer.expect("CANCEL");
    peer.reply(&invite, "200 OK", "x", &format!("Contact: <sip:callee@{THEIRS}>\r\n"), "v=0 answer");
    peer.expect("ACK");
    let bye = peer.expect("BYE");
    assert_eq!(peer.event(), failed(dialog, 487, "Request Terminated", true));
    assert_eq!(peer.endpoint.counts().dialogs, 1);
    peer.reply(&bye, "200 OK", "x", "", "");
    assert_eq!(peer.endpoint.counts().dialogs, 0);
}

/// A call that rang, and whose CANCEL has its answer. With its INVITE.
fn cancelled_while_ringing(peer: &mut Peer) -> (DialogId, String) {
    let dialog = peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    peer.reply(&invite, "180 Ringing", "x", "", "");
    peer.events();
    peer.endpoint.cancel(peer.now, dialog);
    let cancel = peer.expect("CANCEL");
    peer.reply(&cancel, "200 OK", "x", "", "");
    (dialog, invite)
}

#[test]
fn an_answer_that_is_faster_than_the_cancel_is_as_good_as_any_unless_the_call_was_to_end_all_the_same() {
    for ends_all_the_same in [false, true] {
        let mut peer = Peer::new();
        let (dialog, invite) = cancelled_while_ringing(&mut peer);
        if ends_all_the_same {
            peer.endpoint.hang_up(peer.now, dialog);
        }
        peer.reply(&invite, "200 OK", "x", &format!("Contact: <sip:callee@{THEIRS}>\r\n"), "v=0 answer");
        peer.expect("ACK");
        if ends_all_the_same {
            peer.expect("BYE");
            assert_eq!(peer.event(), failed(dialog, 487, "Request Terminated", true));
            continue;
        }
        assert_eq!(peer.event(), Event::Answered { dialog, sdp: b"v=0 answer".to_vec() });
        // Longer than the cancelled INVITE would be waited for.
        peer.wait(Duration::from_secs(60));
        peer.expect_silence();
        assert_eq!(peer.events(), []);
        peer.endpoint.hang_up(peer.now, dialog);
        peer.expect("BYE");
    }
}

#[test]
fn a_call_that_is_cancelled_and_refused_is_over() {
    let mut peer = Peer::new();
    let (dialog, invite) = cancelled_while_ringing(&mut peer);
    peer.reply(&invite, "487 Request Terminated", "x", "", "");
    assert_eq!(peer.event(), failed(dialog, 487, "Request Terminated", true));
    peer.expect("ACK");
}

#[test]
fn a_cancelled_call_without_final_response_is_given_up() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    peer.reply(&invite, "180 Ringing", "x", "", "");
    peer.events();
    peer.wait(seconds(100));
    peer.endpoint.hang_up(peer.now, dialog);
    let cancel = peer.expect("CANCEL");
    peer.reply(&cancel, "200 OK", "x", "", "");
    peer.wait(seconds(31));
    assert_eq!(peer.events(), []);
    peer.wait(seconds(2));
    assert_eq!(peer.event(), failed(dialog, 487, "Request Terminated", true));
    peer.expect_silence();
    // Even now an answer is not left alone.
    peer.reply(&invite, "200 OK", "x", &format!("Contact: <sip:callee@{THEIRS}>\r\n"), "v=0 answer");
    peer.expect("ACK");
    peer.expect("BYE");
    assert_eq!(peer.events(), []);
}

#[test]
fn every_repetition_of_an_answer_gets_its_ack() {
    let mut peer = Peer::new();
    peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    let answer =
        response(&invite, "200 OK", "x", &format!("Contact: <sip:callee@{THEIRS}>\r\n"), "v=0 answer");
    peer.feed(&answer);
    let ack = peer.expect("ACK");
    assert_ne!(header(&ack, "Via"), header(&invite, "Via"));
    peer.feed(&answer);
    assert_eq!(peer.take(), ack);
    assert_eq!(peer.events().len(), 1);
}

#[test]
fn a_second_far_end_that_answers_is_acknowledged_and_ended() {
    let mut peer = Peer::new();
    peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    peer.reply(&invite, "180 Ringing", "one", "", "");
    peer.reply(&invite, "180 Ringing", "two", "", "");
    peer.reply(&invite, "200 OK", "one", &format!("Contact: <sip:one@{THEIRS}>\r\n"), "v=0 one");
    peer.expect("ACK sip:one@");
    peer.events();
    let second = response(&invite, "200 OK", "two", "Contact: <sip:two@10.0.0.3:5070>\r\n", "v=0 two");
    peer.feed(&second);
    let (ack, flow) = peer.take_with_flow();
    assert!(ack.starts_with("ACK sip:two@10.0.0.3:5070 "), "{ack}");
    assert_eq!(flow, udp("10.0.0.3:5070"));
    let bye = peer.expect("BYE sip:two@10.0.0.3:5070 ");
    assert!(header(&bye, "To").ends_with("tag=two"));
    peer.feed(&second);
    peer.expect("ACK");
    peer.expect_silence();
    assert_eq!(peer.events(), []);
    assert_eq!(peer.endpoint.counts().dialogs, 1);
}

#[test]
fn requests_of_a_dialog_follow_its_route_set() {
    let mut peer = Peer::new();
    let routes =
        "Record-Route: <sip:10.0.0.8;lr>\r\nRecord-Route: <sip:10.0.0.9:5080;lr>, <sip:p@10.0.0.7;lr>\r\n";
    let dialog = peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    let extra = format!("Contact: <sip:far@192.0.2.1>\r\n{routes}");
    peer.reply(&invite, "200 OK", "x", &extra, "v=0 answer");
    let (ack, flow) = peer.take_with_flow();
    assert!(ack.starts_with("ACK sip:far@192.0.2.1 SIP/2.0\r\n"), "{ack}");
    let expected = ["<sip:p@10.0.0.7;lr>", "<sip:10.0.0.9:5080;lr>", "<sip:10.0.0.8;lr>"];
    assert_eq!(headers(&ack, "Route"), expected);
    assert_eq!(flow, udp("10.0.0.7:5060"));
    peer.endpoint.hang_up(peer.now, dialog);
    let (bye, flow) = peer.take_with_flow();
    assert_eq!((headers(&bye, "Route").len(), flow), (3, udp("10.0.0.7:5060")));
}

#[test]
fn a_strict_router_becomes_the_request_uri() {
    let mut peer = Peer::new();
    peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    let extra = "Contact: <sip:far@192.0.2.1>\r\nRecord-Route: <sip:10.0.0.9>\r\n";
    peer.reply(&invite, "200 OK", "x", extra, "v=0 answer");
    let ack = peer.expect("ACK sip:10.0.0.9 SIP/2.0");
    assert_eq!(headers(&ack, "Route"), ["<sip:far@192.0.2.1>"]);
}

#[test]
fn a_contact_that_nobody_can_reach_does_not_move_the_dialog() {
    // A name, an unusable literal, and a private address behind a public one.
    for contact in ["sip:far@sbc.example.com", "sip:far@0.0.0.0:5060", "sip:far@192.168.1.2:5060"] {
        let mut peer = Peer::new();
        let flow = udp("203.0.113.5:5060");
        peer.endpoint.invite(peer.now, Invite { flow, ..call() });
        let invite = peer.take();
        peer.reply(&invite, "200 OK", "x", &format!("Contact: <{contact}>\r\n"), "v=0 answer");
        assert_eq!(peer.take_with_flow().1, flow, "{contact}");
    }
}

#[test]
fn a_dialog_with_a_registered_phone_stays_on_its_flow() {
    let mut peer = Peer::new();
    let flow = udp("203.0.113.5:40000");
    peer.endpoint.put_account("1001", "secret");
    peer.endpoint.restore_binding(peer.now, "1001", "sip:1001@198.51.100.7:5060", flow, seconds(600));
    peer.endpoint.invite(peer.now, Invite { flow, ..call() });
    let invite = peer.take();
    peer.reply(&invite, "200 OK", "x", "Contact: <sip:1001@198.51.100.7:5060>\r\n", "v=0 answer");
    let (ack, to) = peer.take_with_flow();
    assert!(ack.starts_with("ACK sip:1001@198.51.100.7:5060 "), "{ack}");
    assert_eq!(to, flow);
}

#[test]
fn over_tcp_a_dialog_stays_on_its_connection() {
    let mut peer = Peer::new();
    let flow = Flow { transport: Transport::Tcp, peer: peer::address("10.0.0.2:40000"), connection: 9 };
    peer.flow = flow;
    let invite = peer.request("INVITE", "tcp", 1, "", "v=0 offer");
    peer.feed(&invite);
    let Event::Incoming(IncomingCall { dialog, .. }) = peer.event() else { panic!() };
    peer.endpoint.answer(peer.now, dialog, b"v=0".to_vec());
    peer.expect("SIP/2.0 100");
    let (answer, to) = peer.take_with_flow();
    assert_eq!(to, flow);
    let ack = peer.within(&answer, "ACK", 1, "", "");
    peer.feed(&ack);
    peer.endpoint.hang_up(peer.now, dialog);
    assert_eq!(peer.take_with_flow().1, flow);
}

#[test]
fn a_challenge_is_answered_once_and_later_requests_carry_credentials() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, Invite { credentials: login(), ..call() });
    let first = peer.take();
    let challenge = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n1\", algorithm=MD5, qop=\"auth,auth-int\", opaque=\"o\"\r\n";
    peer.reply(&first, "407 Proxy Authentication Required", "x", challenge, "");
    peer.expect("ACK");
    let second = peer.expect("INVITE");
    assert_ne!(header(&first, "Via"), header(&second, "Via"));
    assert_ne!(header(&first, "CSeq"), header(&second, "CSeq"));
    assert_eq!(header(&first, "Call-ID"), header(&second, "Call-ID"));
    assert_eq!(header(&first, "From"), header(&second, "From"));
    let credentials = header(&second, "Proxy-Authorization");
    assert_eq!(param(&credentials, "nonce"), "n1");
    assert_eq!(param(&credentials, "opaque"), "o");
    assert_eq!(param(&credentials, "nc"), "00000001");
    assert!(second.ends_with("v=0 offer"));
    peer.reply(&second, "200 OK", "x", &format!("Contact: <sip:callee@{THEIRS}>\r\n"), "v=0 answer");
    peer.events();
    assert_eq!(header(&peer.expect("ACK"), "Proxy-Authorization"), credentials);
    peer.endpoint.hang_up(peer.now, dialog);
    let bye = peer.expect("BYE");
    assert_eq!(param(&header(&bye, "Proxy-Authorization"), "nc"), "00000002");
    // The nonce has grown old meanwhile.
    let challenge = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n2\", stale=true\r\n";
    peer.reply(&bye, "407 Proxy Authentication Required", "x", challenge, "");
    let bye = peer.expect("BYE");
    assert_eq!(param(&header(&bye, "Proxy-Authorization"), "nonce"), "n2");
    peer.reply(&bye, "200 OK", "x", "", "");
    assert_eq!(peer.endpoint.counts().dialogs, 0);
}

#[test]
fn wrong_credentials_are_not_tried_twice() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, Invite { credentials: login(), ..call() });
    let first = peer.take();
    peer.reply(&first, "401 Unauthorized", "x", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\"\r\n", "");
    peer.expect("ACK");
    let second = peer.expect("INVITE");
    peer.reply(
        &second,
        "401 Unauthorized",
        "x",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n2\"\r\n",
        "",
    );
    peer.expect("ACK");
    peer.expect_silence();
    assert_eq!(peer.event(), failed(dialog, 401, "Unauthorized", false));
}

#[test]
fn a_stale_nonce_is_replaced() {
    let mut peer = Peer::new();
    peer.endpoint.invite(peer.now, Invite { credentials: login(), ..call() });
    let mut request = peer.take();
    for n in 1..=3 {
        let challenge = format!("WWW-Authenticate: Digest realm=\"r\", nonce=\"n{n}\", stale=TRUE\r\n");
        peer.reply(&request, "401 Unauthorized", "x", &challenge, "");
        peer.expect("ACK");
        request = peer.expect("INVITE");
        assert_eq!(param(&header(&request, "Authorization"), "nonce"), format!("n{n}"));
    }
}

#[test]
fn of_several_challenges_the_first_that_we_know_is_answered() {
    let mut peer = Peer::new();
    peer.endpoint.invite(peer.now, Invite { credentials: login(), ..call() });
    let first = peer.take();
    let challenges = "WWW-Authenticate: Digest realm=\"r\", nonce=\"a\", algorithm=SHA-3, qop=\"auth\"\r\n\
                      WWW-Authenticate: Digest realm=\"r\", nonce=\"b\", algorithm=SHA-512-256, qop=\"auth\"\r\n\
                      WWW-Authenticate: Digest realm=\"r\", nonce=\"c\", algorithm=MD5, qop=\"auth\"\r\n\
                      WWW-Authenticate: Basic realm=\"r\"\r\n\
                      WWW-Authenticate: Digest realm=\"s\", nonce=\"d\", algorithm=MD5-sess, qop=\"auth-int\"\r\n";
    peer.reply(&first, "401 Unauthorized", "x", challenges, "");
    peer.expect("ACK");
    let second = peer.expect("INVITE");
    let answers = headers(&second, "Authorization");
    assert_eq!(answers.len(), 2, "{second}");
    assert_eq!(
        (param(answers[0], "nonce"), param(answers[0], "algorithm")),
        ("b".into(), "SHA-512-256".into())
    );
    assert_eq!((param(answers[1], "nonce"), param(answers[1], "qop")), ("d".into(), "auth-int".into()));
}

#[test]
fn a_challenge_without_credentials_is_a_failure() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, call());
    let first = peer.take();
    peer.reply(&first, "401 Unauthorized", "x", "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\"\r\n", "");
    assert_eq!(peer.event(), failed(dialog, 401, "Unauthorized", false));
}

#[test]
fn a_reliable_provisional_response_is_confirmed_once() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    let reliable = |rseq: u32| {
        let extra = format!("Require: 100rel\r\nRSeq: {rseq}\r\nContact: <sip:far@{THEIRS}>\r\n");
        response(&invite, "183 Session Progress", "x", &extra, "v=0 early")
    };
    peer.feed(&reliable(41));
    let prack = peer.expect(&format!("PRACK sip:far@{THEIRS} "));
    let cseq = header(&invite, "CSeq");
    assert_eq!(header(&prack, "RAck"), format!("41 {cseq}"));
    assert_eq!(peer.event(), Event::Progress { dialog, status: 183, sdp: b"v=0 early".to_vec() });
    peer.reply(&prack, "200 OK", "x", "", "");
    peer.feed(&reliable(41));
    peer.feed(&reliable(43));
    peer.expect_silence();
    assert_eq!(peer.events(), []);
    peer.feed(&reliable(42));
    assert!(header(&peer.expect("PRACK"), "RAck").starts_with("42 "));
}

#[test]
fn a_far_end_that_is_gone_ends_the_call_when_the_session_is_refreshed() {
    let mut peer = Peer::with(sip::EndpointConfig { session_expires: Some(seconds(600)), ..peer::config() });
    let (dialog, _) = peer.call_up(call(), "");
    peer.wait(seconds(299));
    peer.expect_silence();
    peer.wait(seconds(2));
    let refresh = peer.expect("INVITE");
    assert!(refresh.ends_with("v=0 offer"));
    assert_eq!(header(&refresh, "Session-Expires"), "600;refresher=uac");
    peer.wait(seconds(40));
    assert_eq!(peer.event(), Event::Ended { dialog, by: EndedBy::Timeout, q850: None });
    assert!(peer.sent.iter().all(|t| t.bytes.starts_with(b"INVITE")));
}

#[test]
fn a_session_is_refreshed_by_update_where_the_far_end_takes_it() {
    let mut peer = Peer::with(sip::EndpointConfig { session_expires: Some(seconds(600)), ..peer::config() });
    let extra = "Allow: INVITE, ACK, BYE, UPDATE\r\nSession-Expires: 200;refresher=uac\r\nRequire: timer\r\n";
    let (dialog, _) = peer.call_up(call(), extra);
    for _ in 0..5 {
        peer.wait(seconds(100));
        let update = peer.expect("UPDATE");
        assert!(update.ends_with("Content-Length: 0\r\n\r\n"), "{update}");
        assert_eq!(header(&update, "Session-Expires"), "200;refresher=uac");
        peer.reply(&update, "200 OK", "", "Session-Expires: 200;refresher=uac\r\n", "");
    }
    peer.wait(seconds(100));
    let update = peer.expect("UPDATE");
    peer.reply(&update, "481 Call/Transaction Does Not Exist", "", "", "");
    assert_eq!(peer.event(), Event::Ended { dialog, by: EndedBy::Timeout, q850: None });
    peer.expect("BYE");
}

#[test]
fn a_far_end_that_should_refresh_and_does_not_is_hung_up_on() {
    let mut peer = Peer::with(sip::EndpointConfig { session_expires: Some(seconds(600)), ..peer::config() });
    let (dialog, ack) = peer.call_up(call(), "Session-Expires: 300;refresher=uas\r\nRequire: timer\r\n");
    peer.wait(seconds(200));
    let update =
        peer.within(&ack, "UPDATE", 5, "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n", "");
    peer.feed(&update);
    assert_eq!(header(&peer.expect("SIP/2.0 200"), "Session-Expires"), "300;refresher=uac");
    peer.wait(seconds(260));
    assert_eq!(peer.events(), []);
    peer.expect_silence();
    peer.wait(seconds(10));
    assert_eq!(peer.event(), Event::Ended { dialog, by: EndedBy::Timeout, q850: None });
    peer.expect("BYE");
}

#[test]
fn a_session_interval_that_is_too_small_is_raised() {
    let mut peer = Peer::with(sip::EndpointConfig { session_expires: Some(seconds(600)), ..peer::config() });
    peer.endpoint.invite(peer.now, call());
    let first = peer.take();
    peer.reply(&first, "422 Session Interval Too Small", "x", "Min-SE: 1800\r\n", "");
    peer.expect("ACK");
    let second = peer.expect("INVITE");
    assert_eq!(header(&second, "Session-Expires"), "1800;refresher=uac");
    assert_eq!(header(&second, "Min-SE"), "1800");
    assert_eq!(headers(&second, "Session-Expires").len(), 1);
}

#[test]
fn an_offer_refused_for_glare_is_made_again() {
    let mut peer = Peer::new();
    let (dialog, _) = peer.call_up(call(), "");
    peer.endpoint.reoffer(peer.now, dialog, b"v=0 again".to_vec());
    let first = peer.expect("INVITE");
    assert!(header(&first, "To").ends_with(";tag=theirs"));
    peer.reply(&first, "491 Request Pending", "", "", "");
    peer.expect("ACK");
    peer.wait(seconds(2));
    peer.expect_silence();
    peer.wait(seconds(2));
    let second = peer.expect("INVITE");
    peer.discard();
    peer.reply(&second, "200 OK", "", "", "v=0 fine");
    assert_eq!(peer.event(), Event::OfferAnswered { dialog, sdp: Some(b"v=0 fine".to_vec()) });
    let ack = peer.expect("ACK");
    assert_eq!(header(&ack, "CSeq").replace("ACK", "INVITE"), header(&second, "CSeq"));
    // Refused for another reason: the call goes on as it was.
    peer.endpoint.reoffer(peer.now, dialog, b"v=0 worse".to_vec());
    let third = peer.expect("INVITE");
    peer.reply(&third, "488 Not Acceptable Here", "", "", "");
    assert_eq!(peer.event(), Event::OfferAnswered { dialog, sdp: None });
}

#[test]
fn offers_wait_for_each_other() {
    let mut peer = Peer::new();
    let (dialog, _) = peer.call_up(call(), "");
    for n in 1..=3 {
        peer.endpoint.reoffer(peer.now, dialog, format!("v=0 {n}").into_bytes());
    }
    let first = peer.expect("INVITE");
    peer.expect_silence();
    peer.reply(&first, "200 OK", "", "", "v=0 fine");
    peer.expect("ACK");
    // The last one counts.
    assert!(peer.expect("INVITE").ends_with("v=0 3"));
}

#[test]
fn a_call_past_the_limit_fails_at_once() {
    let mut peer = Peer::with(sip::EndpointConfig { dialogs_max: 0, ..peer::config() });
    let dialog = peer.endpoint.invite(peer.now, call());
    let Event::Failed { dialog: of, status: 503, local: true, elsewhere: None, .. } = peer.event() else {
        panic!()
    };
    assert_eq!(of, dialog);
    peer.expect_silence();
}

#[test]
fn a_stray_response_is_ignored() {
    let mut peer = Peer::new();
    peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    let answer = response(&invite, "200 OK", "x", "", "");
    peer.feed(&answer.replace("z9hG4bK", "z9hG4bK7"));
    peer.feed(&answer.replace(" INVITE", " BYE"));
    peer.expect_silence();
    assert_eq!(peer.events(), []);
    peer.wait(Duration::from_millis(600));
    peer.expect("INVITE");
}

#[test]
fn options_tell_whether_a_peer_is_there() {
    let mut peer = Peer::new();
    peer.endpoint.options(peer.now, udp(THEIRS), "sip:10.0.0.2");
    let request = peer.expect("OPTIONS sip:10.0.0.2 ");
    peer.reply(&request, "405 Method Not Allowed", "x", "", "");
    assert_eq!(peer.event(), Event::OptionsResult { flow: udp(THEIRS), status: 405 });
    peer.endpoint.options(peer.now, udp(THEIRS), "sip:10.0.0.2");
    peer.wait(seconds(33));
    assert_eq!(peer.event(), Event::OptionsResult { flow: udp(THEIRS), status: 408 });
}

#[test]
fn an_answer_without_sdp_brings_the_early_one() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    peer.reply(&invite, "183 Session Progress", "x", "", "v=0 early");
    peer.events();
    peer.reply(&invite, "200 OK", "x", &format!("Contact: <sip:far@{THEIRS}>\r\n"), "");
    assert_eq!(peer.event(), Event::Answered { dialog, sdp: b"v=0 early".to_vec() });
}

#[test]
fn a_sloppy_answer_is_taken_all_the_same() {
    let mut peer = Peer::new();
    let dialog = peer.endpoint.invite(peer.now, call());
    let invite = peer.take();
    let extra = format!("Contact: <sip:far@{THEIRS}>\r\nno header at all\r\nX Y: z\r\nServer: \u{e9}(\r\n");
    peer.reply(&invite, "200 OK", "a:b@c/d", &extra, "v=0 answer");
    assert_eq!(peer.event(), Event::Answered { dialog, sdp: b"v=0 answer".to_vec() });
    assert!(header(&peer.expect("ACK"), "To").ends_with(";tag=a:b@c/d"));
}
