//! The test phones themselves: what the other tests rely on, without the server.

mod harness;

use std::time::Duration;

use harness::baresip::{Baresip, TONE_HZ};
use harness::peer::{Behaviour, Peer, What};
use harness::ports::Ports;
use harness::rtp::{Rtp, Sound, decode_alaw, encode_alaw, pattern_frames, samples, tone_share};
use harness::server::PASSWORD;
use harness::sipp::Sipp;
use harness::{seconds, wait_for};

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn two_phones_hear_each_other_byte_by_byte() {
    let ports = Ports::reserve();
    let callee = Peer::start(ports.next(), Sound::Pattern(1), |_| Behaviour::answers(seconds(0.1)));
    let caller = Peer::start(ports.next(), Sound::Pattern(2), |_| Behaviour::is_dead());
    let call = caller.call(callee.address(), "100");
    wait_for("twenty frames each way", LIMIT, || {
        let heard = pattern_frames(&call.rtp.packets(), 1).len();
        let sent = pattern_frames(&callee.packets(&call.call_id), 2).len();
        (heard >= 20 && sent >= 20).then_some(())
    });
    caller.hang_up(&call);
    assert_eq!(callee.wait(What::Bye, 1, LIMIT)[0].number, "100");
    assert!(pattern_frames(&call.rtp.packets(), 3).is_empty(), "another pattern is not found");
}

#[test]
fn baresip_answers_sends_its_tone_and_keeps_what_it_hears() {
    let ports = Ports::reserve();
    let registrar = Peer::start(ports.next(), Sound::Nothing, |_| Behaviour::is_dead());
    let agent = Baresip::start(registrar.address(), &ports, "1001", PASSWORD, "udp");
    let port = agent.port;
    let caller = Peer::start(ports.next(), Sound::Tone(1000.0), |_| Behaviour::is_dead());
    wait_for("baresip's socket", LIMIT, || std::net::UdpSocket::bind(("127.0.0.1", port)).err());
    let call = caller.call(([127, 0, 0, 1], port).into(), "1001");
    wait_for("baresip's tone at the caller", LIMIT, || {
        (tone_share(&samples(&call.rtp.packets()), TONE_HZ) > 0.9).then_some(())
    });
    wait_for("the caller's tone at baresip", LIMIT, || {
        (tone_share(&agent.heard(), 1000.0) > 0.9).then_some(())
    });
    caller.hang_up(&call);
}

#[test]
fn sipp_and_our_phone_agree_on_digest() {
    let ports = Ports::reserve();
    let registrar = Peer::start(ports.next(), Sound::Nothing, |_| Behaviour::is_dead());
    registrar.demand("1001", PASSWORD);
    Sipp::register(registrar.address(), ports.next(), &["1001".to_owned()], PASSWORD);
    let phone = Peer::start(ports.next(), Sound::Nothing, |_| Behaviour::is_dead());
    phone.register(registrar.address(), "1001", PASSWORD, 300);
    assert_eq!((registrar.all(What::Challenged).len(), registrar.all(What::Register).len()), (2, 2));
}

#[test]
fn a_tone_is_told_from_another_and_from_silence() {
    let rtp = Rtp::open(0, Sound::Nothing);
    let sender = Rtp::open(0, Sound::Tone(700.0));
    sender.set_remote(([127, 0, 0, 1], rtp.port).into());
    let packets = wait_for("a second of tone", LIMIT, || {
        let packets = rtp.packets();
        (packets.len() >= 50).then_some(packets)
    });
    assert!(tone_share(&samples(&packets), 700.0) > 0.95);
    assert!(tone_share(&samples(&packets), 440.0) < 0.05);
    assert_eq!(tone_share(&[0; 8000], 700.0), 0.0);
}

#[test]
fn alaw_keeps_every_level_within_its_step() {
    for sample in (-32_000..32_000).step_by(37) {
        let back = decode_alaw(encode_alaw(sample));
        let step = (i32::from(sample).abs() / 16).max(32);
        assert!((i32::from(back) - i32::from(sample)).abs() <= step, "{sample} became {back}");
    }
}
