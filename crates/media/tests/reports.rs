//! Goal: each leg reports by RTCP and believes its own far end alone; what was learned is told.

mod party;

use std::net::UdpSocket;

use media::rtcp::{Block, Item, NAME_LEN, Report, Sender};
use media::srtp::Suite;
use media::{Codec, LegId, LegMedia, Quality, RelayEvent};
use party::{Desk, PATIENCE, Party};

fn quality(desk: &Desk, leg: LegId) -> Quality {
    desk.settle();
    desk.relay.measure(leg, 42);
    match desk.event() {
        RelayEvent::Measured { leg: of, about: 42, quality } if of == leg => quality,
        event => panic!("not measured: {event:?}"),
    }
}

/// A bridge over which the first one has spoken, and the SSRC under which the other one hears it.
fn spoken(desk: &Desk, anna: &mut Party, bert: &mut Party) -> u32 {
    desk.bridge(anna, bert);
    bert.say();
    anna.hear();
    let mut ssrc = 0;
    for _ in 0..8 {
        anna.say();
        ssrc = bert.hear().header.ssrc;
    }
    anna.lose(2);
    anna.say();
    assert_eq!(bert.hear().header.ssrc, ssrc);
    ssrc
}

fn sender(items: &[Item]) -> (u32, Sender) {
    let found = items.iter().find_map(|item| match item {
        Item::Sender { ssrc, sender } => Some((*ssrc, *sender)),
        Item::Block(_) => None,
    });
    found.unwrap_or_else(|| panic!("no sender's report: {items:?}"))
}

fn report(block: Block) -> Report {
    Report { ssrc: 5, sender: None, block: Some(block), name: [b'b'; NAME_LEN] }
}

fn both_are_told(desk: &Desk, anna: &mut Party, bert: &mut Party) {
    let ssrc = spoken(desk, anna, bert);
    let blocks = anna.hear_control();
    let lost = blocks.iter().find_map(|item| match item {
        Item::Block(block) => Some((block.lost, block.fraction_lost)),
        Item::Sender { .. } => None,
    });
    assert_eq!(lost, Some((2, 46)), "what anna sent and did not come: {blocks:?}");
    let (of, sender) = sender(&bert.hear_control());
    assert_eq!((of, sender.packets, sender.octets), (ssrc, 9, 9 * 160));
    bert.say_control(&report(Block {
        ssrc,
        fraction_lost: 0,
        lost: 1,
        highest: 0,
        jitter: 16,
        last: sender.mark(),
        since_last: 0,
    }));
    let heard = quality(desk, bert.leg);
    let told = heard.reported.expect("bert's report");
    assert_eq!((told.lost, told.jitter.as_millis()), (1, 2));
    assert!(heard.round_trip.is_some_and(|time| time < PATIENCE), "{heard:?}");
    assert_eq!((heard.packets_in, heard.packets_out), (1, 9));
    let spoke = quality(desk, anna.leg);
    assert_eq!((spoke.packets_in, spoke.received.lost, spoke.reported), (9, 2, None));
    assert!(spoke.mos_in().is_some_and(|score| score < 400), "two of eleven are lost: {spoke:?}");
    assert_eq!(quality(desk, anna.leg), Quality::default(), "it begins anew");
}

#[test]
fn both_ends_of_a_bridge_report_and_are_told() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(Codec::Pcma, 1000.0), desk.party(Codec::Pcmu, 1700.0));
    both_are_told(&desk, &mut anna, &mut bert);
}

#[test]
fn reports_of_a_secure_leg_are_secure() {
    for suite in [Suite::Tag32, Suite::Gcm128] {
        let desk = Desk::new();
        let mut anna = desk.party(Codec::Pcma, 1000.0);
        let mut bert = desk.stranger(Codec::Pcma, 1700.0);
        let keys = bert.secure(suite);
        desk.relay.secure(bert.leg, Some(keys));
        desk.configure(&bert);
        both_are_told(&desk, &mut anna, &mut bert);
    }
}

#[test]
fn rtcp_with_a_port_of_its_own_goes_from_and_to_the_port_after_that_of_rtp() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(Codec::Pcma, 1000.0), desk.stranger(Codec::Pcma, 1700.0));
    let control = UdpSocket::bind("127.0.0.1:0").expect("a port");
    control.set_read_timeout(Some(PATIENCE)).expect("set");
    let rtcp = Some(control.local_addr().expect("bound"));
    desk.relay.configure(bert.leg, LegMedia { rtcp, ..bert.media() });
    let ssrc = spoken(&desk, &mut anna, &mut bert);
    let mut datagram = [0; 1500];
    let (len, from) = control.recv_from(&mut datagram).expect("a report");
    let mut items = Vec::new();
    media::rtcp::read(&datagram[..len], |item| items.push(item)).expect("RTCP");
    assert_eq!(sender(&items).0, ssrc);
    assert_eq!(from.port(), bert.relay_address().port() + 1);
    let mut out = [0; media::rtcp::REPORT_MAX];
    let len = report(Block { ssrc, lost: 4, ..Block::default() }).write(&mut out);
    control.send_to(&out[..len], from).expect("sent");
    assert_eq!(quality(&desk, bert.leg).reported.map(|reported| reported.lost), Some(4));
}

#[test]
fn what_strangers_report_is_not_believed() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(Codec::Pcma, 1000.0), desk.party(Codec::Pcma, 1700.0));
    let ssrc = spoken(&desk, &mut anna, &mut bert);
    let mut intruder = desk.intruder(&bert, 2300.0);
    intruder.say_control(&report(Block { ssrc, lost: 9, ..Block::default() }));
    bert.say_control(&report(Block { ssrc: ssrc ^ 1, lost: 9, ..Block::default() }));
    bert.send_raw(&[0x80, 200, 0, 1, 0, 0, 0, 0]);
    assert_eq!(quality(&desk, bert.leg).reported, None);
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0), "and the sound goes on");
}
