//! The relay over real sockets on loopback. What is heard is checked by content: each party's sound carries a tone of its
//! own.

mod party;

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use media::rtp::Header;
use media::srtp::Suite;
use media::{Codec, FRAME, LegId, PressedBy, RelayError, RelayEvent, Sound, tone};
use party::{Desk, PATIENCE, port_range};

const PCMA: Codec = Codec::Pcma;
const PCMU: Codec = Codec::Pcmu;

#[test]
fn two_parties_hear_each_other_and_not_themselves() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&anna, &bert);
    for _ in 0..5 {
        assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
        assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
    }
    let stats = desk.close(&anna);
    assert_eq!((stats.packets_refused, stats.packets_lost), (0, 0));
    assert_eq!((stats.packets_in, stats.packets_out), (50, 50));
}

#[test]
fn different_codecs_are_transcoded_both_ways() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMU, 1700.0));
    desk.bridge(&anna, &bert);
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
    anna.say();
    assert_eq!(bert.hear().header.payload_type, 0);
    bert.say();
    assert_eq!(anna.hear().header.payload_type, 8);
}

#[test]
fn a_bridge_is_announced_once_both_legs_are_configured() {
    let desk = Desk::new();
    let (anna, bert) = (desk.stranger(PCMA, 1000.0), desk.stranger(PCMA, 1700.0));
    desk.relay.bridge(anna.leg, bert.leg);
    desk.relay.configure(anna.leg, anna.media());
    let asked = Instant::now();
    desk.relay.configure(bert.leg, bert.media());
    let RelayEvent::Bridged { a, b, at } = desk.event() else { panic!("not bridged") };
    assert_eq!([a.min(b), a.max(b)], [anna.leg, bert.leg]);
    assert!(at >= asked);
}

#[test]
fn closing_or_bridging_anew_ends_the_old_bridge() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    let mut carl = desk.party(PCMA, 2300.0);
    desk.bridge(&anna, &bert);
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    desk.bridge(&carl, &bert);
    anna.say();
    assert_eq!(
        desk.heard(&mut carl, &mut bert),
        Some(2300.0),
        "anna's packet came first and was not relayed"
    );
    desk.close(&bert);
    carl.say();
    assert_eq!(desk.close(&carl).packets_in, 11);
    assert_eq!(desk.close(&anna).packets_in, 11);
}

#[test]
fn a_party_behind_nat_is_answered_where_it_sends_from() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.stranger(PCMA, 1700.0));
    // SDP names a port at which nobody is.
    let nowhere = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let named = nowhere.local_addr().expect("bound");
    desk.relay.configure(bert.leg, media::LegMedia { remote: named, ..bert.media() });
    desk.bridge(&anna, &bert);
    assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
}

#[test]
fn packets_of_a_third_party_are_refused() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&anna, &bert);
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    let mut mallory = desk.intruder(&anna, 2300.0);
    for _ in 0..10 {
        mallory.say();
        assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
        assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
    }
    assert!(mallory.hears_nothing());
    // Nor do they get as far as to be counted: the socket takes packets from anna only.
    assert_eq!(desk.close(&anna).packets_refused, 0);
}

#[test]
fn a_party_that_moves_is_followed_and_nobody_is_heard_at_its_old_address() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&anna, &bert);
    for _ in 0..3 {
        assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
        // Her next telephone, as a re-INVITE tells.
        let mut moved = desk.intruder(&anna, 2300.0);
        desk.configure(&moved);
        desk.settle();
        assert_eq!(desk.heard(&mut moved, &mut bert), Some(2300.0));
        assert_eq!(desk.heard(&mut bert, &mut moved), Some(1700.0));
        anna.say();
        desk.settle();
        assert!(bert.hears_nothing());
        desk.configure(&anna);
        desk.settle();
    }
}

#[test]
fn an_intruder_who_comes_first_loses_to_the_named_address() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&anna, &bert);
    let mut mallory = desk.intruder(&anna, 2300.0);
    assert_eq!(desk.heard(&mut mallory, &mut bert), Some(2300.0), "until the named address speaks");
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    mallory.say();
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
    assert!(mallory.hears_nothing());
}

#[test]
fn junk_is_refused_and_hurts_nobody() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&anna, &bert);
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    let mut random = fastrand::Rng::with_seed(11);
    let mut sent = 0;
    for _ in 0..50 {
        for _ in 0..20 {
            let mut junk: Vec<u8> = (0..random.usize(..1600)).map(|_| random.u8(..)).collect();
            // Neither RTP nor RTCP.
            if let Some(first) = junk.first_mut() {
                *first &= 0x3f;
            }
            anna.send_raw(&junk);
            sent += 1;
        }
        assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    }
    anna.send_raw(&[0x80, 200, 0, 1, 0, 0, 0, 0]);
    anna.say_as(55);
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    assert_eq!(
        desk.close(&anna).packets_refused,
        sent + 1,
        "RTCP is not counted, an unknown payload type is"
    );
}

#[test]
fn telephone_events_keep_their_content_and_get_the_other_sides_number() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.stranger(PCMA, 1000.0), desk.stranger(PCMU, 1700.0));
    anna.dtmf = Some(101);
    bert.dtmf = Some(96);
    let mut carl = desk.party(PCMA, 2300.0);
    desk.configure(&anna);
    desk.configure(&bert);
    desk.bridge(&anna, &bert);
    anna.send_payload(101, &[5, 0x80, 0, 160]);
    let event = bert.hear();
    assert_eq!((event.header.payload_type, &event.payload[..]), (96, &[5, 0x80, 0, 160][..]));
    anna.send_payload(13, &[70]);
    assert_eq!(bert.hear().header.payload_type, 13, "comfort noise passes");
    assert_eq!(desk.event(), RelayEvent::Pressed { leg: anna.leg, key: '5', by: PressedBy::Event });

    desk.bridge(&anna, &carl);
    anna.say();
    let before = carl.hear().header;
    anna.send_payload(101, &[5, 0x80, 0, 160]);
    anna.say();
    let after = carl.hear().header;
    assert_eq!(after.payload_type, 8, "carl agreed to no telephone-event");
    assert_eq!(after.sequence, before.sequence.wrapping_add(1), "and does not see a loss");
}

/// The next that is told is that this sound was played.
fn assert_played(desk: &Desk, leg: LegId, sound: &Arc<Sound>) {
    match desk.event() {
        RelayEvent::Played { leg: of, sound: played } if of == leg => assert!(Arc::ptr_eq(&played, sound)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_stream_goes_on_over_every_change_of_its_source() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    let mut carl = desk.party(PCMU, 2300.0);
    let mut heard: Vec<Header> = Vec::new();
    desk.bridge(&anna, &bert);
    for _ in 0..5 {
        bert.say();
        heard.push(anna.hear().header);
    }
    let silence = Arc::new(Sound::silence(3 * FRAME));
    desk.relay.play(anna.leg, silence.clone());
    (0..3).for_each(|_| heard.push(anna.hear().header));
    assert_played(&desk, anna.leg, &silence);
    bert.say();
    heard.push(anna.hear().header);
    desk.bridge(&carl, &anna);
    for _ in 0..5 {
        carl.say();
        heard.push(anna.hear().header);
    }
    let markers: Vec<usize> = (0..heard.len()).filter(|n| heard[*n].marker).collect();
    assert_eq!(markers, [0, 5, 8, 9], "at each change and nowhere else");
    for pair in heard.windows(2) {
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!((160..8000 * 10).contains(&step), "timestamp moved by {step}");
    }
}

#[test]
fn a_sound_is_played_to_its_end_in_time() {
    const FRAMES: usize = 50;
    let desk = Desk::new();
    let mut anna = desk.party(PCMU, 1000.0);
    let sound = Arc::new(tone::sine(1300.0, 9000, FRAME * FRAMES as u32));
    let begun = Instant::now();
    desk.relay.play(anna.leg, sound.clone());
    let mut arrivals = Vec::new();
    for _ in 0..FRAMES {
        let packet = anna.hear();
        arrivals.push(begun.elapsed());
        assert_eq!(packet.header.payload_type, 0);
        assert_eq!(packet.tone(&[1000.0, 1300.0, 1700.0]), Some(1300.0));
    }
    assert_played(&desk, anna.leg, &sound);
    let took = begun.elapsed();
    assert!(anna.hears_nothing(), "exactly {FRAMES} frames");
    assert!(took >= FRAME * FRAMES as u32, "took {took:?}");
    // The machine may be busy, but lateness must not add up: most frames are in time, up to the end.
    let late = |n: usize| arrivals[n].saturating_sub(FRAME * n as u32);
    for half in [0..FRAMES / 2, FRAMES / 2..FRAMES] {
        let in_time = half.filter(|n| late(*n) < Duration::from_millis(8)).count();
        assert!(in_time > FRAMES / 4, "{in_time} of {} in time: {arrivals:?}", FRAMES / 2);
    }
    let early = (0..FRAMES).any(|n| arrivals[n] < FRAME * n as u32);
    assert!(!early, "{arrivals:?}");
    assert_eq!(desk.close(&anna).packets_out, FRAMES as u64);
}

#[test]
fn what_plays_is_heard_in_place_of_the_bridge_until_it_is_stopped() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&anna, &bert);
    assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
    desk.relay.play(anna.leg, Arc::new(tone::sine(2900.0, 9000, 10 * PATIENCE)));
    for _ in 0..5 {
        bert.say();
        assert_eq!(anna.hear().tone(&[1000.0, 1700.0, 2900.0]), Some(2900.0));
    }
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0), "the other way stays open");
    // Another sound replaces it, and only that one is announced.
    let silence = Arc::new(Sound::silence(2 * FRAME));
    desk.relay.play(anna.leg, silence.clone());
    assert_played(&desk, anna.leg, &silence);
    desk.relay.play(anna.leg, Arc::new(tone::sine(2900.0, 9000, 10 * PATIENCE)));
    desk.relay.stop(anna.leg);
    desk.bridge(&anna, &bert);
    anna.forget();
    assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
}

#[test]
fn a_sound_waits_for_a_leg_that_is_not_configured() {
    let desk = Desk::new();
    let mut anna = desk.stranger(PCMA, 1000.0);
    let sound = Arc::new(tone::sine(2900.0, 9000, 3 * FRAME));
    desk.relay.play(anna.leg, sound.clone());
    desk.configure(&anna);
    for _ in 0..3 {
        assert_eq!(anna.hear().tone(&[1000.0, 2900.0]), Some(2900.0));
    }
    assert_played(&desk, anna.leg, &sound);
    let nothing = Arc::new(Sound::from_samples(Vec::new()));
    desk.relay.play(anna.leg, nothing.clone());
    assert_played(&desk, anna.leg, &nothing);
}

#[test]
fn a_leg_on_hold_gets_nothing_and_gives_nothing() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&anna, &bert);
    bert.say();
    let before = anna.hear().header;
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    // bert holds: he wants to hear nothing and sends nothing.
    desk.relay.configure(bert.leg, media::LegMedia { send: false, receive: false, ..bert.media() });
    desk.settle();
    for _ in 0..5 {
        anna.say();
        bert.say();
    }
    desk.settle();
    assert!(anna.hears_nothing() && bert.hears_nothing());
    desk.configure(&bert);
    desk.settle();
    bert.say();
    let after = anna.hear().header;
    assert_eq!(after.sequence, before.sequence.wrapping_add(1), "a hold is no loss");
    assert!(after.marker);
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
}

#[test]
fn silence_is_told_once_and_again_after_rtp_came_back_but_not_on_hold() {
    let desk = Desk::with(|config| config.rtp_timeout = Duration::from_millis(150));
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    let spoke = Instant::now();
    anna.say();
    assert_eq!(desk.event(), RelayEvent::Silent { leg: anna.leg });
    assert!(spoke.elapsed() >= Duration::from_millis(150));
    // anna first, then bert: were anna's silence told twice, it would come before his.
    bert.say();
    assert_eq!(desk.event(), RelayEvent::Silent { leg: bert.leg });
    anna.say();
    assert_eq!(desk.event(), RelayEvent::Silent { leg: anna.leg });

    anna.say();
    desk.relay.configure(anna.leg, media::LegMedia { receive: false, ..anna.media() });
    bert.say();
    assert_eq!(desk.event(), RelayEvent::Silent { leg: bert.leg }, "anna spoke before him and is on hold");
    let resumed = Instant::now();
    desk.configure(&anna);
    assert_eq!(desk.event(), RelayEvent::Silent { leg: anna.leg }, "RTP did not come back after the hold");
    assert!(resumed.elapsed() >= Duration::from_millis(150));
}

#[test]
fn a_far_end_that_vanishes_ends_nothing() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.bridge(&anna, &bert);
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    let address = bert.vanish();
    (0..20).for_each(|_| anna.say());
    desk.settle();
    bert.appear(address);
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
}

#[test]
fn lost_packets_are_counted_by_their_numbers() {
    let desk = Desk::new();
    let mut anna = desk.party(PCMA, 1000.0);
    anna.say();
    anna.lose(3);
    anna.say();
    anna.lose(4);
    anna.say();
    desk.settle();
    let stats = desk.close(&anna);
    assert_eq!((stats.packets_in, stats.packets_lost, stats.packets_out), (3, 7, 0));
}

#[test]
fn a_closed_port_at_which_rtp_came_rests_before_it_is_used_again() {
    const REST: Duration = Duration::from_secs(2);
    let start = *port_range().start();
    let desk = Desk::with(|config| {
        // One for the party, two to settle, at one of which nobody speaks.
        config.ports = start..=start + 5;
        config.port_rest = REST;
    });
    let mut anna = desk.party(PCMA, 1000.0);
    let begun = Instant::now();
    anna.say();
    assert_eq!(desk.close(&anna).packets_in, 1);
    desk.relay.open().expect("the port at which nobody spoke");
    let early = desk.relay.open();
    assert!(begun.elapsed() >= REST || matches!(early, Err(RelayError::NoPort)));
    party::eventually(|| desk.relay.open().ok());
    assert!(begun.elapsed() >= REST);
}

#[test]
fn a_closed_port_at_which_nothing_came_is_free_at_once() {
    let port = party::free_even_port();
    let desk = Desk::with(|config| {
        config.ports = port..=port;
        config.port_rest = 10 * party::PATIENCE;
    });
    let (leg, address) = desk.relay.open().expect("the one port");
    assert_eq!(address.port(), port);
    assert!(matches!(desk.relay.open(), Err(RelayError::NoPort)));
    desk.relay.close(leg);
    assert!(matches!(desk.event(), RelayEvent::Closed { .. }));
    let again = desk.relay.open().expect("free again");
    assert_eq!(again.1.port(), port);
    assert_ne!(again.0, leg);
}

#[test]
fn ports_of_others_are_passed_over_and_the_limit_of_legs_holds() {
    let ports = port_range();
    let others: Vec<UdpSocket> = ports
        .clone()
        .filter(|port| port % 4 == 0)
        .filter_map(|port| UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).ok())
        .collect();
    let desk = Desk::with(|config| {
        config.ports = ports;
        config.legs_max = 10;
    });
    let legs: Vec<_> = (0..10).map(|_| desk.relay.open().expect("a free port")).collect();
    let taken: Vec<u16> = others.iter().filter_map(|socket| Some(socket.local_addr().ok()?.port())).collect();
    assert!(legs.iter().all(|(_, address)| !taken.contains(&address.port())));
    assert!(matches!(desk.relay.open(), Err(RelayError::Full)));
    desk.relay.close(legs[0].0);
    assert!(matches!(desk.event(), RelayEvent::Closed { .. }));
    assert_eq!(desk.relay.legs(), 9);
    desk.relay.open().expect("room again");
}

#[test]
fn an_address_that_is_not_ours_is_a_socket_error() {
    // TEST-NET-1 (RFC 5737): no machine has it.
    let desk = Desk::with(|config| config.bind = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    assert!(matches!(desk.relay.open(), Err(RelayError::Socket(_))));
    assert_eq!(desk.relay.legs(), 0);
}

#[test]
fn calls_for_a_leg_that_is_gone_do_nothing() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    let gone = desk.party(PCMA, 2300.0);
    desk.close(&gone);
    desk.relay.close(gone.leg);
    desk.relay.configure(gone.leg, gone.media());
    desk.relay.bridge(gone.leg, anna.leg);
    desk.relay.play(gone.leg, Arc::new(Sound::silence(FRAME)));
    desk.relay.stop(gone.leg);
    desk.relay.unbridge(gone.leg);
    desk.relay.bridge(anna.leg, anna.leg);
    desk.bridge(&anna, &bert);
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
    assert_eq!(desk.relay.legs(), 2);
}

#[test]
fn an_encrypted_leg_and_a_plain_one_hear_each_other() {
    for suite in Suite::ALL {
        let desk = Desk::new();
        let (mut anna, mut bert) = (desk.stranger(PCMA, 1000.0), desk.party(PCMU, 1700.0));
        let keys = anna.secure(suite);
        desk.relay.secure(anna.leg, Some(keys));
        desk.configure(&anna);
        desk.bridge(&anna, &bert);
        for _ in 0..5 {
            assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
            assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
        }
        // As a re-INVITE says it again.
        desk.relay.secure(anna.leg, Some(keys));
        assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
        desk.relay.play(anna.leg, Arc::new(tone::sine(2300.0, 8000, FRAME * 5)));
        assert_eq!(anna.hear().tone(&[1000.0, 2300.0]), Some(2300.0));
        assert_eq!(desk.close(&anna).packets_refused, 0);
    }
}

#[test]
fn what_is_not_encrypted_with_the_key_of_the_leg_is_refused_and_does_not_move_it() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.stranger(PCMA, 1000.0), desk.party(PCMA, 1700.0));
    desk.relay.secure(anna.leg, Some(anna.secure(Suite::Tag80)));
    desk.configure(&anna);
    desk.bridge(&anna, &bert);
    let mut intruder = desk.intruder(&anna, 2300.0);
    intruder.say();
    intruder.secure(Suite::Tag80);
    intruder.say();
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
    assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
    assert!(intruder.hears_nothing());
    assert_eq!(desk.close(&anna).packets_refused, 2);
}
