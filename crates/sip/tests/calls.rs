//! Calls between two endpoints over a network that does nothing bad, one behaviour at a time.

mod link;

use link::{FAIR, Link, call_to, flow_to};
use sip::{Credentials, DialogId, DigestOffer, EndedBy, Event, IncomingCall, Register};
use std::time::Duration;

/// A call from end 0 that end 1 has been told of.
fn incoming(link: &mut Link) -> (DialogId, DialogId) {
    let now = link.now;
    let ours = link.ends[0].invite(now, call_to(1));
    match link.event() {
        (1, Event::Incoming(IncomingCall { dialog, target_user, from_user, account: None, sdp, .. })) => {
            assert_eq!((target_user.as_str(), from_user.as_str()), ("callee", "caller"));
            assert_eq!(sdp, b"v=0 offer");
            (ours, dialog)
        }
        other => panic!("{other:?}"),
    }
}

fn answered(link: &mut Link) -> (DialogId, DialogId) {
    let (ours, theirs) = incoming(link);
    let now = link.now;
    link.ends[1].answer(now, theirs, b"v=0 answer".to_vec());
    assert_eq!(link.event(), (0, Event::Answered { dialog: ours, sdp: b"v=0 answer".to_vec() }));
    assert_eq!(link.event(), (1, Event::Answered { dialog: theirs, sdp: Vec::new() }));
    (ours, theirs)
}

fn drained(link: &mut Link) {
    link.run_for(Duration::from_secs(70));
    assert_eq!(link.events, []);
    link.assert_empty();
}

#[test]
fn a_call_rings_is_answered_and_ended_by_the_caller() {
    let mut link = Link::new(1, FAIR);
    let (ours, theirs) = incoming(&mut link);
    let now = link.now;
    link.ends[1].ring(now, theirs, 180, None);
    assert_eq!(link.event(), (0, Event::Progress { dialog: ours, status: 180, sdp: Vec::new() }));
    let now = link.now;
    link.ends[1].ring(now, theirs, 183, Some(b"v=0 early".to_vec()));
    assert_eq!(link.event(), (0, Event::Progress { dialog: ours, status: 183, sdp: b"v=0 early".to_vec() }));
    let now = link.now;
    link.ends[1].answer(now, theirs, b"v=0 answer".to_vec());
    assert_eq!(link.event(), (0, Event::Answered { dialog: ours, sdp: b"v=0 answer".to_vec() }));
    assert_eq!(link.event(), (1, Event::Answered { dialog: theirs, sdp: Vec::new() }));
    let now = link.now;
    link.ends[0].hang_up(now, ours);
    assert_eq!(link.event(), (0, Event::Ended { dialog: ours, by: EndedBy::Local, q850: None }));
    assert_eq!(link.event(), (1, Event::Ended { dialog: theirs, by: EndedBy::Remote, q850: None }));
    drained(&mut link);
}

#[test]
fn the_called_side_can_end_a_call() {
    let mut link = Link::new(2, FAIR);
    let (ours, theirs) = answered(&mut link);
    let now = link.now;
    link.ends[1].hang_up(now, theirs);
    assert_eq!(link.event(), (1, Event::Ended { dialog: theirs, by: EndedBy::Local, q850: None }));
    assert_eq!(link.event(), (0, Event::Ended { dialog: ours, by: EndedBy::Remote, q850: None }));
    drained(&mut link);
}

#[test]
fn a_rejected_call_fails_with_the_status() {
    let mut link = Link::new(3, FAIR);
    let (ours, theirs) = incoming(&mut link);
    let now = link.now;
    link.ends[1].reject(now, theirs, 486);
    let failed = |dialog, local| Event::Failed {
        dialog,
        status: 486,
        reason: "Busy Here".into(),
        q850: None,
        local,
        elsewhere: None,
    };
    assert_eq!(link.event(), (1, failed(theirs, true)));
    assert_eq!(link.event(), (0, failed(ours, false)));
    drained(&mut link);
}

#[test]
fn a_call_hung_up_while_it_rings_is_cancelled() {
    let mut link = Link::new(4, FAIR);
    let (ours, theirs) = incoming(&mut link);
    let now = link.now;
    link.ends[1].ring(now, theirs, 180, None);
    link.event();
    let now = link.now;
    link.ends[0].hang_up(now, ours);
    let failed = |dialog, local| Event::Failed {
        dialog,
        status: 487,
        reason: "Request Terminated".into(),
        q850: None,
        local,
        elsewhere: None,
    };
    assert_eq!(link.event(), (1, failed(theirs, false)));
    assert_eq!(link.event(), (0, failed(ours, true)));
    drained(&mut link);
}

#[test]
fn our_own_registrar_takes_our_own_registration_and_calls() {
    for offer in [DigestOffer::Md5, DigestOffer::Sha256AndMd5, DigestOffer::Sha256] {
        let mut link = Link::new(5, FAIR);
        link.ends[1].set_digest_offer(offer);
        link.ends[1].put_account("1001", "secret");
        let credentials = Credentials { username: "1001".into(), password: "secret".into() };
        let register = Register {
            registrar: "sip:10.0.0.2".into(),
            flow: flow_to(1),
            user: "1001".into(),
            credentials: credentials.clone(),
            expires: Duration::from_secs(60),
        };
        let now = link.now;
        let registration = link.ends[0].register(now, register);
        let (contact, expires) = ("sip:1001@10.0.0.1:5060".to_owned(), Duration::from_secs(60));
        let bound = Event::Bound { account: "1001".into(), contact, flow: flow_to(0), expires };
        assert_eq!(link.event(), (1, bound));
        assert_eq!(link.event(), (0, Event::Registered { registration, expires }));
        let now = link.now;
        let call = sip::Invite { credentials: Some(credentials), from_user: "1001".into(), ..call_to(1) };
        link.ends[0].invite(now, call);
        assert!(
            matches!(link.event(), (1, Event::Incoming(IncomingCall { account: Some(name), .. })) if name == "1001")
        );
        // It stays registered, with one binding, until it is taken back.
        link.run_for(Duration::from_secs(1000));
        assert_eq!(link.ends[1].counts().bindings, 1);
        assert!(link.events.iter().all(|(_, event)| !matches!(event, Event::Unbound { .. })));
        let now = link.now;
        link.ends[0].unregister(now, registration);
        link.run_for(Duration::from_secs(5));
        assert_eq!(link.ends[1].counts().bindings, 0);
    }
}
