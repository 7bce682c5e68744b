//! The registrar, registrations that we keep, and streams.

mod peer;

use md5::{Digest, Md5};
use peer::{Peer, THEIRS, has, header, headers, param, seconds, udp};
use sip::{Credentials, DigestOffer, Event, Flow, IncomingCall, Register, Transport};
use std::time::Duration;

fn md5(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// Credentials in the way of a client that knows only RFC 2617 with MD5.
fn old_credentials(challenge: &str, user: &str, password: &str, method: &str) -> String {
    let (realm, nonce) = (param(challenge, "realm"), param(challenge, "nonce"));
    let uri = "sip:10.0.0.1:5060";
    let a1 = md5(&format!("{user}:{realm}:{password}"));
    let a2 = md5(&format!("{method}:{uri}"));
    let response = md5(&format!("{a1}:{nonce}:00000001:c0ffee:auth:{a2}"));
    format!(
        "Authorization: Digest username=\"{user}\",realm=\"{realm}\",cnonce=\"c0ffee\",nc=00000001,qop=auth,\
         uri=\"{uri}\",nonce=\"{nonce}\",response=\"{response}\",algorithm=MD5\r\n"
    )
}

struct Phone {
    peer: Peer,
    user: String,
    password: String,
    cseq: u32,
}

impl Phone {
    fn new() -> Phone {
        let mut peer = Peer::new();
        peer.endpoint.put_account("1001", "secret");
        Phone { peer, user: "1001".into(), password: "secret".into(), cseq: 100 }
    }

    fn register_text(&mut self, extra: &str) -> String {
        self.cseq += 1;
        let text = self.peer.request("REGISTER", "reg", self.cseq, extra, "");
        let own = format!("Contact: <sip:caller@{THEIRS}>\r\n");
        text.replace("<sip:callee@10.0.0.1:5060>", &format!("<sip:{}@10.0.0.1>", self.user)).replace(&own, "")
    }

    /// Sends a REGISTER, answers the challenge; the last response.
    fn register(&mut self, extra: &str) -> String {
        let first = self.register_text(extra);
        self.peer.feed(&first);
        let challenge = self.peer.expect("SIP/2.0 401");
        let md5 = headers(&challenge, "WWW-Authenticate")[0].to_owned();
        let credentials = old_credentials(&md5, &self.user, &self.password, "REGISTER");
        let second = self.register_text(&(extra.to_owned() + &credentials));
        self.peer.feed(&second);
        self.peer.take()
    }
}

const CONTACT: &str = "Contact: <sip:1001@192.168.0.5:5062;ob>\r\n";

#[test]
fn a_phone_registers_with_md5_and_is_found() {
    let mut phone = Phone::new();
    let first = phone.register_text(CONTACT);
    phone.peer.feed(&first);
    let challenge = phone.peer.expect("SIP/2.0 401");
    let challenges = headers(&challenge, "WWW-Authenticate");
    assert!(challenges.len() == 1 && challenges[0].contains("algorithm=MD5"), "{challenge}");
    assert_eq!(phone.peer.endpoint.counts().transactions, 0);
    phone.peer.endpoint.set_wall_clock(phone.peer.now, seconds(1_289_690_940));
    let done = phone.register(&format!("{CONTACT}Expires: 600\r\n"));
    assert!(done.starts_with("SIP/2.0 200"), "{done}");
    assert_eq!(header(&done, "Contact"), "<sip:1001@192.168.0.5:5062;ob>;expires=600");
    assert_eq!(header(&done, "Date"), "Sat, 13 Nov 2010 23:29:00 GMT");
    let contact = "sip:1001@192.168.0.5:5062;ob".to_owned();
    let (account, flow, expires) = ("1001".to_owned(), udp(THEIRS), seconds(600));
    let bound = Event::Bound { account: account.clone(), contact: contact.clone(), flow, expires };
    assert_eq!(phone.peer.event(), bound);
    assert_eq!(phone.peer.endpoint.bindings("1001"), [(contact.clone(), udp(THEIRS))]);
    assert_eq!(phone.peer.endpoint.counts().bindings, 1);
    phone.peer.wait(seconds(599));
    assert_eq!(phone.peer.events(), []);
    phone.peer.wait(seconds(2));
    assert_eq!(phone.peer.event(), Event::Unbound { account, contact });
    assert_eq!(phone.peer.endpoint.bindings("1001"), []);
}

#[test]
fn the_stronger_digest_is_offered_first_where_both_are() {
    let mut phone = Phone::new();
    phone.peer.endpoint.set_digest_offer(DigestOffer::Sha256AndMd5);
    let first = phone.register_text(CONTACT);
    phone.peer.feed(&first);
    let challenge = phone.peer.expect("SIP/2.0 401");
    let challenges = headers(&challenge, "WWW-Authenticate");
    assert!(
        challenges[0].contains("algorithm=SHA-256") && challenges[1].contains("algorithm=MD5"),
        "{challenge}"
    );
    // MD5 is good enough, unless it is not.
    assert!(phone.register(CONTACT).starts_with("SIP/2.0 200"));
    phone.peer.endpoint.set_digest_offer(DigestOffer::Sha256);
    assert!(phone.register(CONTACT).starts_with("SIP/2.0 403"));
}

#[test]
fn unknown_accounts_and_wrong_passwords_look_alike() {
    let mut answers = Vec::new();
    for (user, password) in [("1001", "wrong"), ("nobody", "secret")] {
        let mut phone = Phone::new();
        (phone.user, phone.password) = (user.into(), password.into());
        let first = phone.register_text(CONTACT);
        phone.peer.feed(&first);
        let challenge = phone.peer.expect("SIP/2.0 401");
        let names: Vec<String> =
            challenge.lines().map(|l| l.split(':').next().unwrap_or("").to_owned()).collect();
        let last = phone.register(CONTACT);
        answers.push((names, last.lines().next().unwrap_or("").to_owned()));
        assert_eq!(phone.peer.events(), []);
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].1, "SIP/2.0 403 Forbidden");
}

#[test]
fn bindings_are_added_removed_and_limited() {
    let mut phone = Phone::new();
    for n in 1..=6 {
        let done = phone.register(&format!("Contact: <sip:1001@10.1.1.{n}>;expires=100\r\n"));
        assert_eq!(headers(&done, "Contact").len(), n.min(5), "{done}");
    }
    let newest = phone.peer.endpoint.bindings("1001");
    assert_eq!(newest.len(), 5);
    assert_eq!(newest[0].0, "sip:1001@10.1.1.6");
    let events = phone.peer.events();
    let gone = Event::Unbound { account: "1001".into(), contact: "sip:1001@10.1.1.1".into() };
    assert_eq!((events.len(), events.contains(&gone)), (7, true));
    phone.register("Contact: <sip:1001@10.1.1.6>;expires=0\r\n");
    assert_eq!(
        phone.peer.event(),
        Event::Unbound { account: "1001".into(), contact: "sip:1001@10.1.1.6".into() }
    );
    // A query changes nothing.
    let done = phone.register("");
    assert_eq!(headers(&done, "Contact").len(), 4);
    let bad = phone.register("Contact: *\r\nExpires: 60\r\n");
    assert!(bad.starts_with("SIP/2.0 400"), "{bad}");
    let done = phone.register("Contact: *\r\nExpires: 0\r\n");
    assert!(done.starts_with("SIP/2.0 200") && !has(&done, "Contact"), "{done}");
    assert_eq!(phone.peer.events().len(), 4);
    assert_eq!(phone.peer.endpoint.counts().bindings, 0);
}

#[test]
fn the_expiry_is_kept_within_its_limits() {
    let mut phone = Phone::new();
    let done = phone.register("Contact: <sip:1001@10.1.1.1>;expires=100000\r\n");
    assert!(header(&done, "Contact").ends_with(";expires=3600"), "{done}");
    let done = phone.register("Contact: <sip:1001@10.1.1.1>;expires=5\r\n");
    assert!(done.starts_with("SIP/2.0 423"), "{done}");
    assert_eq!(header(&done, "Min-Expires"), "10");
}

#[test]
fn a_register_that_was_overtaken_is_refused() {
    let mut phone = Phone::new();
    phone.register(CONTACT);
    phone.cseq -= 2;
    let late = phone.register(CONTACT);
    assert!(late.starts_with("SIP/2.0 200"), "a repetition: {late}");
    phone.cseq -= 4;
    let late = phone.register(CONTACT);
    assert!(late.starts_with("SIP/2.0 500"), "{late}");
}

#[test]
fn a_nonce_grows_stale_and_is_bound_to_its_address() {
    let mut phone = Phone::new();
    let first = phone.register_text(CONTACT);
    phone.peer.feed(&first);
    let challenge = phone.peer.expect("SIP/2.0 401");
    assert!(!challenge.contains("stale"));
    let credentials =
        old_credentials(headers(&challenge, "WWW-Authenticate")[0], "1001", "secret", "REGISTER");
    let second = phone.register_text(&(CONTACT.to_owned() + &credentials));
    phone.peer.flow = udp("10.0.0.3:5060");
    phone.peer.feed(&second);
    assert!(phone.peer.expect("SIP/2.0 401").contains("stale=true"));
    phone.peer.flow = udp(THEIRS);
    phone.peer.wait(seconds(301));
    phone.peer.feed(&second);
    assert!(phone.peer.expect("SIP/2.0 401").contains("stale=true"));
    assert_eq!(phone.peer.events(), []);
}

#[test]
fn an_address_that_guesses_is_not_answered_for_a_minute() {
    let mut phone = Phone::new();
    phone.password = "wrong".into();
    for _ in 0..10 {
        assert!(phone.register(CONTACT).starts_with("SIP/2.0 403"));
    }
    let text = phone.register_text(CONTACT);
    phone.peer.feed(&text);
    phone.peer.expect_silence();
    // Others are.
    phone.peer.flow = udp("10.0.0.3:5060");
    phone.peer.feed(&text);
    phone.peer.expect("SIP/2.0 401");
    phone.peer.flow = udp(THEIRS);
    phone.peer.wait(seconds(61));
    phone.password = "secret".into();
    assert!(phone.register(CONTACT).starts_with("SIP/2.0 200"));
}

#[test]
fn an_account_may_place_calls_and_nobody_else_in_its_name() {
    let mut phone = Phone::new();
    let from = |text: String| text.replace("<sip:caller@10.0.0.2:5060>;tag", "<sip:1001@10.0.0.1>;tag");
    let invite = from(phone.peer.request("INVITE", "call", 1, "", "v=0"));
    phone.peer.feed(&invite);
    let challenge = phone.peer.expect("SIP/2.0 401");
    assert_eq!(phone.peer.endpoint.counts().transactions, 0);
    let ack = invite.replace("INVITE", "ACK");
    phone.peer.feed(&ack);
    phone.peer.expect_silence();
    let credentials = old_credentials(headers(&challenge, "WWW-Authenticate")[0], "1001", "secret", "INVITE");
    let invite = from(phone.peer.request("INVITE", "call", 2, &credentials, "v=0"));
    phone.peer.feed(&invite);
    phone.peer.expect("SIP/2.0 100");
    assert!(
        matches!(phone.peer.event(), Event::Incoming(IncomingCall { account: Some(name), .. }) if name == "1001")
    );
    // From a registered phone's flow under another name: challenged as well.
    phone.register(CONTACT);
    phone.peer.events();
    let invite = phone.peer.request("INVITE", "other", 1, "", "v=0");
    phone.peer.feed(&invite);
    phone.peer.expect("SIP/2.0 401");
    // A stranger is delivered without account.
    phone.peer.flow = udp("10.0.0.3:5060");
    let invite = phone.peer.request("INVITE", "stranger", 1, "", "v=0");
    phone.peer.feed(&invite);
    phone.peer.expect("SIP/2.0 100");
    assert!(matches!(phone.peer.event(), Event::Incoming(IncomingCall { account: None, .. })));
}

#[test]
fn accounts_and_their_bindings_can_be_removed_and_restored() {
    let mut phone = Phone::new();
    let contact = "sip:1001@10.1.1.1".to_owned();
    phone.peer.endpoint.restore_binding(phone.peer.now, "1001", &contact, udp(THEIRS), seconds(60));
    phone.peer.endpoint.restore_binding(phone.peer.now, "nobody", &contact, udp(THEIRS), seconds(60));
    assert_eq!(phone.peer.events(), []);
    assert_eq!(phone.peer.endpoint.counts().bindings, 1);
    phone.peer.endpoint.remove_account("1001");
    assert_eq!(phone.peer.event(), Event::Unbound { account: "1001".into(), contact });
    assert!(phone.register(CONTACT).starts_with("SIP/2.0 403"));
}

#[test]
fn a_closed_connection_takes_its_bindings_along() {
    let mut phone = Phone::new();
    phone.peer.flow = Flow { transport: Transport::Tcp, connection: 5, ..udp(THEIRS) };
    assert!(phone.register(CONTACT).starts_with("SIP/2.0 200"));
    phone.peer.events();
    phone.peer.endpoint.connection_closed(phone.peer.now, 4);
    assert_eq!(phone.peer.events(), []);
    phone.peer.endpoint.connection_closed(phone.peer.now, 5);
    assert!(matches!(phone.peer.event(), Event::Unbound { .. }));
}

fn registration() -> Register {
    Register {
        registrar: format!("sip:{THEIRS}"),
        flow: udp(THEIRS),
        user: "trunk".into(),
        credentials: Credentials { username: "login".into(), password: "secret".into() },
        expires: seconds(300),
    }
}

#[test]
fn a_registration_is_kept_fresh_and_taken_back() {
    let mut peer = Peer::new();
    let registration = peer.endpoint.register(peer.now, registration());
    let first = peer.expect(&format!("REGISTER sip:{THEIRS} "));
    assert_eq!(header(&first, "To"), format!("<sip:trunk@{THEIRS}>"));
    peer.reply(
        &first,
        "401 Unauthorized",
        "x",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n",
        "",
    );
    let second = peer.expect("REGISTER");
    assert!(header(&second, "Authorization").contains("username=\"login\""));
    let granted =
        format!("Contact: <sip:other@10.7.7.7>;expires=9, {};expires=100\r\n", header(&second, "Contact"));
    peer.reply(&second, "200 OK", "x", &granted, "");
    assert_eq!(peer.event(), Event::Registered { registration, expires: seconds(100) });
    peer.wait(seconds(79));
    peer.expect_silence();
    peer.wait(seconds(1));
    let third = peer.expect("REGISTER");
    assert_eq!(header(&third, "Call-ID"), header(&first, "Call-ID"));
    assert_eq!(param(&header(&third, "Authorization"), "nc"), "00000002");
    peer.reply(&third, "423 Interval Too Brief", "x", "Min-Expires: 900\r\n", "");
    let fourth = peer.expect("REGISTER");
    assert_eq!(header(&fourth, "Expires"), "900");
    // Taken back while a request is under way: when its answer is there.
    peer.endpoint.unregister(peer.now, registration);
    peer.expect_silence();
    peer.reply(&fourth, "200 OK", "x", "Expires: 900\r\n", "");
    let last = peer.expect("REGISTER");
    assert_eq!(header(&last, "Expires"), "0");
    peer.reply(&last, "200 OK", "x", "", "");
    peer.wait(seconds(2000));
    peer.expect_silence();
    assert_eq!(peer.events(), []);
}

#[test]
fn a_refused_registration_is_tried_again_with_growing_pauses() {
    let mut peer = Peer::new();
    let registration = peer.endpoint.register(peer.now, registration());
    let mut pauses = Vec::new();
    for _ in 0..10 {
        let request = peer.expect("REGISTER");
        peer.discard();
        peer.reply(&request, "403 Forbidden", "x", "", "");
        assert_eq!(peer.event(), Event::RegisterFailed { registration, status: 403 });
        let next = peer.endpoint.deadline().expect("it is tried again");
        pauses.push((next - peer.now).as_secs());
        peer.wait(next - peer.now);
    }
    assert!(pauses.is_sorted() || pauses[9] >= 300, "{pauses:?}");
    assert!((2..=3).contains(&pauses[0]) && (300..=375).contains(&pauses[9]), "{pauses:?}");
    peer.discard();
    peer.wait(seconds(33));
    assert_eq!(peer.event(), Event::RegisterFailed { registration, status: 408 });
}

#[test]
fn messages_are_cut_out_of_a_stream() {
    let mut peer = Peer::new();
    peer.flow = Flow { transport: Transport::Tcp, connection: 3, ..udp(THEIRS) };
    let mut stream = String::new();
    for n in 0..20 {
        let body = "v".repeat(n * 7);
        let request = peer.request("OPTIONS", &format!("o{n}"), 1, "", &body);
        stream.push_str(&request);
        if n % 3 == 0 {
            stream.push_str("\r\n\r\n");
        }
        if n % 5 == 0 {
            stream.push_str("\r\n");
        }
    }
    // In chunks of every size: what comes back does not depend on it.
    let mut expected = None;
    for size in [1, 2, 3, 7, 100, 1000, stream.len()] {
        let mut peer = Peer::new();
        peer.flow = Flow { transport: Transport::Tcp, connection: 3, ..udp(THEIRS) };
        for chunk in stream.as_bytes().chunks(size) {
            peer.endpoint.receive(peer.now, peer.flow, chunk);
        }
        let mut answers: Vec<_> = std::iter::from_fn(|| peer.endpoint.poll_transmit()).collect();
        assert!(answers.iter().all(|t| t.flow == peer.flow));
        let pings = answers.iter().filter(|t| t.bytes == b"\r\n").count();
        answers.retain(|t| t.bytes.starts_with(b"SIP/2.0 200"));
        assert_eq!((answers.len(), pings), (20, 7), "in chunks of {size}");
        assert_eq!(*expected.get_or_insert(answers.clone()), answers);
    }
}

#[test]
fn a_stream_that_makes_no_sense_is_closed() {
    let long = format!("OPTIONS sip:x SIP/2.0\r\nSubject: {}", "x".repeat(70_000));
    let huge = "OPTIONS sip:x SIP/2.0\r\nContent-Length: 70000\r\n\r\n".to_owned();
    let odd = "OPTIONS sip:x SIP/2.0\r\nl: many\r\n\r\n".to_owned();
    for text in [long, huge, odd] {
        let mut peer = Peer::new();
        peer.flow = Flow { transport: Transport::Tcp, connection: 3, ..udp(THEIRS) };
        for _ in 0..3 {
            peer.feed(&text);
        }
        assert_eq!(peer.endpoint.poll_close(), Some(3));
        assert_eq!(peer.endpoint.poll_close(), None);
        peer.endpoint.connection_closed(peer.now, 3);
    }
}

#[test]
fn keep_alives_and_noise_over_udp_are_nothing() {
    let mut peer = Peer::new();
    for bytes in [&b""[..], b"\r\n", b"\r\n\r\n", b"\0\0\0\0", b"jaK", b"\xff\xfe", b"GET / HTTP/1.1\r\n\r\n"]
    {
        peer.endpoint.receive(peer.now, peer.flow, bytes);
    }
    peer.expect_silence();
    assert_eq!(peer.events(), []);
    assert_eq!(peer.endpoint.deadline(), None);
    peer.wait(Duration::from_secs(1));
}

#[test]
fn a_device_that_comes_back_with_another_contact_takes_the_place_of_its_old_flow() {
    let mut phone = Phone::new();
    for name in ["a", "b"] {
        let contact = format!(
            "Contact: <sip:{name}@x.invalid;transport=ws>;reg-id=1;+sip.instance=\"<urn:uuid:7>\"\r\n"
        );
        let done = phone.register(&format!("Supported: outbound\r\n{contact}"));
        assert!(done.starts_with("SIP/2.0 200"), "{done}");
    }
    let contacts: Vec<String> = phone.peer.endpoint.bindings("1001").into_iter().map(|(c, _)| c).collect();
    assert_eq!(contacts, ["sip:b@x.invalid;transport=ws"]);
    let events = phone.peer.events();
    assert!(
        matches!(events[..], [Event::Bound { .. }, Event::Unbound { .. }, Event::Bound { .. }]),
        "{events:?}"
    );
}
