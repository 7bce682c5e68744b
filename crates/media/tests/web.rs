//! A leg of a browser: ICE, DTLS and SRTP, with the other side of all three played here.

mod party;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::{Dtls, DtlsCertificate, Output, SrtpProfile};
use media::ice::{IceCredentials, is_stun};
use media::rtp::Header;
use media::srtp::{Srtp, SrtpKey, SrtpKeys, Suite, TAG_MAX};
use media::{Codec, DtlsPeer, LegId, LegMedia, RelayEvent, g711};
use party::{Desk, PATIENCE};
use ring::{digest, hmac};

/// As much of a browser as a call needs.
struct Browser {
    leg: LegId,
    relay: SocketAddr,
    socket: UdpSocket,
    certificate: DtlsCertificate,
    ours: IceCredentials,
}

impl Browser {
    fn new(desk: &Desk) -> Browser {
        let (leg, relay) = desk.relay.open().expect("a port");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("not zero");
        let made = rcgen::generate_simple_self_signed(["browser".to_owned()]).expect("a certificate");
        let certificate = DtlsCertificate {
            certificate: made.cert.der().to_vec(),
            private_key: made.signing_key.serialize_der(),
        };
        let ours = IceCredentials { ufrag: "abcd".into(), password: "a-password-of-22-bytes".into() };
        Browser { leg, relay, socket, certificate, ours }
    }

    fn fingerprint(&self) -> [u8; 32] {
        let digest = digest::digest(&digest::SHA256, &self.certificate.certificate);
        digest.as_ref().try_into().expect("32 bytes")
    }

    /// As the relay hears of it when the SDP is there.
    fn describe(&self, desk: &Desk, fingerprint: [u8; 32], is_active: bool) {
        desk.relay.web(self.leg, self.ours.clone(), DtlsPeer { fingerprint, is_active });
        // Browsers name addresses that nobody can reach (RFC 8828).
        let remote = "0.0.0.0:9".parse().expect("an address");
        let media = LegMedia {
            remote,
            codec: Codec::Pcma,
            wide: None,
            dtmf: None,
            rtcp: None,
            send: true,
            receive: true,
        };
        desk.relay.configure(self.leg, media);
    }

    fn send(&self, datagram: &[u8]) {
        self.socket.send_to(datagram, self.relay).expect("sent");
    }

    fn receive(&self) -> Option<Vec<u8>> {
        let mut buffer = [0; 2048];
        let len = self.socket.recv(&mut buffer).ok()?;
        Some(buffer[..len].to_vec())
    }

    /// RFC 8489: a nomination with the password of the relay's leg.
    fn check(&self, password: &str) -> Vec<u8> {
        let name = format!("{}:browser1", self.ours.ufrag);
        let mut body = Vec::new();
        body.extend([0, 6]);
        body.extend((name.len() as u16).to_be_bytes());
        body.extend(name.as_bytes());
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend([0, 0x25, 0, 0]);
        let mut message = vec![0, 1];
        message.extend((body.len() as u16 + 24).to_be_bytes());
        message.extend([0x21, 0x12, 0xa4, 0x42]);
        message.extend(std::array::from_fn::<u8, 12, _>(|_| fastrand::u8(..)));
        message.extend(body);
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let tag = hmac::sign(&key, &message);
        message.extend([0, 8, 0, 20]);
        message.extend(tag.as_ref());
        message
    }

    fn is_answered(&self) -> bool {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            self.send(&self.check(&self.ours.password));
            if self.receive().is_some_and(|datagram| is_stun(&datagram)) {
                return true;
            }
        }
        false
    }

    /// The handshake; None when nothing comes of it.
    fn keys(&self, is_active: bool) -> Option<Srtp> {
        let mut dtls = Dtls::new_auto(Arc::default(), self.certificate.clone(), Instant::now());
        dtls.set_active(is_active);
        let (end, mut due) = (Instant::now() + PATIENCE, Instant::now());
        let mut keys = None;
        while Instant::now() < end {
            if Instant::now() >= due {
                dtls.handle_timeout(Instant::now()).ok()?;
            }
            let mut buffer = [0; 2048];
            loop {
                match dtls.poll_output(&mut buffer) {
                    Output::Packet(datagram) => self.send(datagram),
                    Output::KeyingMaterial(material, profile) => {
                        keys = Some(split(&material, profile, is_active))
                    }
                    Output::Timeout(at) => {
                        due = at;
                        break;
                    }
                    _ => {}
                }
            }
            if let Some(keys) = &keys {
                return Some(Srtp::new(keys));
            }
            if let Some(datagram) = self.receive().filter(|datagram| !is_stun(datagram)) {
                dtls.handle_packet(&datagram).ok()?;
            }
        }
        None
    }
}

fn split(material: &[u8], profile: SrtpProfile, is_client: bool) -> SrtpKeys {
    assert_eq!(profile, SrtpProfile::AEAD_AES_256_GCM, "the best that both can do");
    let key = |n: usize| {
        let bytes = [&material[n * 32..(n + 1) * 32], &material[64 + n * 12..64 + (n + 1) * 12]].concat();
        SrtpKey::new(Suite::Gcm256, &bytes).expect("as long")
    };
    if is_client {
        SrtpKeys { ours: key(0), theirs: key(1) }
    } else {
        SrtpKeys { ours: key(1), theirs: key(0) }
    }
}

fn frame(srtp: &mut Srtp, sequence: u16) -> Vec<u8> {
    let header =
        Header { marker: false, payload_type: 8, sequence, timestamp: 160 * u32::from(sequence), ssrc: 5 };
    let mut datagram = header.to_bytes().to_vec();
    datagram.extend([g711::alaw_encode(sequence as i16 * 100); 160]);
    datagram.resize(172 + TAG_MAX, 0);
    let len = srtp.protect(&mut datagram, 172).expect("RTP");
    datagram.truncate(len);
    datagram
}

#[test]
fn a_browser_and_a_phone_hear_each_other_whoever_begins_the_handshake() {
    for browser_begins in [true, false] {
        let desk = Desk::new();
        let browser = Browser::new(&desk);
        let mut phone = desk.party(Codec::Pcma, 1000.0);
        browser.describe(&desk, browser.fingerprint(), !browser_begins);
        desk.bridge(&phone, &party_of(&desk, &browser));
        phone.say();
        assert!(browser.is_answered());
        let mut srtp = browser.keys(browser_begins).expect("keys");
        // Both ends have the keys once the relay's first packet can be opened.
        let end = Instant::now() + PATIENCE;
        let mut heard = None;
        while heard.is_none() && Instant::now() < end {
            phone.say();
            let datagram = browser.receive().filter(|datagram| (128..192).contains(&datagram[0]));
            heard = datagram.and_then(|mut datagram| {
                let len = srtp.unprotect(&mut datagram)?;
                Some(datagram[..len].to_vec())
            });
        }
        assert_eq!(heard.expect("the phone's sound").len(), 172);
        phone.forget();
        browser.send(&frame(&mut srtp, 7));
        assert_eq!(phone.hear().payload, [g711::alaw_encode(700); 160]);
    }
}

/// The phone's leg and this one are bridged by their numbers.
fn party_of(desk: &Desk, browser: &Browser) -> party::Party {
    let mut stand_in = desk.stranger(Codec::Pcma, 0.0);
    desk.relay.close(stand_in.leg);
    assert!(matches!(desk.event(), RelayEvent::Closed { .. }));
    stand_in.leg = browser.leg;
    stand_in
}

#[test]
fn another_certificate_than_the_sdp_names_gets_no_keys_and_the_leg_is_told_to_be_silent() {
    let desk = Desk::new();
    let browser = Browser::new(&desk);
    browser.describe(&desk, [7; 32], false);
    assert!(browser.is_answered());
    let _ = browser.keys(true);
    assert_eq!(desk.event(), RelayEvent::Silent { leg: browser.leg });
}

#[test]
fn without_the_password_of_the_leg_nothing_is_answered() {
    let desk = Desk::new();
    let browser = Browser::new(&desk);
    browser.describe(&desk, browser.fingerprint(), false);
    browser.send(&browser.check("another password than it"));
    browser.send(&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    browser.send(&[0x80; 172]);
    desk.settle();
    assert_eq!(browser.receive(), None);
    desk.relay.close(browser.leg);
    let RelayEvent::Closed { stats, .. } = desk.event() else { panic!("not closed") };
    assert_eq!((stats.packets_refused, stats.packets_in, stats.packets_out), (3, 0, 0));
}
