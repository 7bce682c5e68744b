//! The torture test messages of RFC 4475, and what an endpoint without accounts says to each of them.

mod link;

use link::{config, flow_to};
use sip::{Endpoint, Event, IncomingCall};
use std::time::Duration;

/// What must come of a message.
enum Expected {
    /// The final response that goes out.
    Refused(u16),
    /// 100 goes out, and the call is told of; user parts of the Request-URI and of From.
    Call(&'static str, &'static str),
    /// Nothing goes out: it is a response that belongs to nothing.
    Silence,
}

use Expected::{Call, Refused, Silence};

/// Name, section, outcome. 401 means that a REGISTER was understood: nobody can register without credentials.
const TABLE: [(&str, &str, Expected); 49] = [
    // Valid, but in a dialog that does not exist.
    ("wsinv", "3.1.1.1", Refused(481)),
    ("intmeth", "3.1.1.2", Refused(501)),
    ("esc01", "3.1.1.3", Call("sips:user@example.com", "I have spaces")),
    ("escnull", "3.1.1.4", Refused(401)),
    // Not a REGISTER: percent is no escape in a method.
    ("esc02", "3.1.1.5", Refused(501)),
    ("lwsdisp", "3.1.1.6", Refused(200)),
    ("longreq", "3.1.1.7", Call("user", LONG_CALLER)),
    // The octets after the first request are none of its business.
    ("dblreq", "3.1.1.8", Refused(401)),
    ("semiuri", "3.1.1.9", Refused(200)),
    ("transports", "3.1.1.10", Refused(200)),
    ("mpart01", "3.1.1.11", Refused(405)),
    ("unreason", "3.1.1.12", Silence),
    ("noreason", "3.1.1.13", Silence),
    ("badinv01", "3.1.2.1", Refused(400)),
    ("clerr", "3.1.2.2", Refused(400)),
    ("ncl", "3.1.2.3", Refused(400)),
    ("scalar02", "3.1.2.4", Refused(400)),
    ("scalarlg", "3.1.2.5", Silence),
    ("quotbal", "3.1.2.6", Refused(400)),
    ("ltgtruri", "3.1.2.7", Refused(400)),
    ("lwsruri", "3.1.2.8", Refused(400)),
    ("lwsstart", "3.1.2.9", Refused(400)),
    ("trws", "3.1.2.10", Refused(400)),
    ("escruri", "3.1.2.11", Refused(400)),
    // The RFC leaves it open; a wrong Date is no reason not to take a call.
    ("baddate", "3.1.2.12", Call("user", "caller")),
    ("regbadct", "3.1.2.13", Refused(400)),
    // The RFC lets an element ignore the blanks.
    ("badaspec", "3.1.2.14", Refused(200)),
    // The RFC lets an element infer the quotes.
    ("baddn", "3.1.2.15", Refused(200)),
    ("badvers", "3.1.2.16", Refused(505)),
    ("mismatch01", "3.1.2.17", Refused(400)),
    ("mismatch02", "3.1.2.18", Refused(400)),
    ("bigcode", "3.1.2.19", Silence),
    ("badbranch", "3.2.1", Refused(200)),
    ("insuf", "3.3.1", Refused(400)),
    ("unkscm", "3.3.2", Refused(416)),
    ("novelsc", "3.3.3", Refused(416)),
    ("unksm2", "3.3.4", Refused(400)),
    ("bext01", "3.3.5", Refused(420)),
    ("invut", "3.3.6", Refused(415)),
    ("regaut01", "3.3.7", Refused(401)),
    ("multi01", "3.3.8", Refused(400)),
    ("mcl01", "3.3.9", Refused(400)),
    ("bcast", "3.3.10", Silence),
    // Max-Forwards is for proxies; the request has arrived.
    ("zeromf", "3.3.11", Refused(200)),
    ("cparam01", "3.3.12", Refused(401)),
    ("cparam02", "3.3.13", Refused(401)),
    ("regescrt", "3.3.14", Refused(401)),
    ("sdp01", "3.3.15", Refused(406)),
    ("inv2543", "3.3.16", Call("UserB", "+13035551111")),
];

const LONG_CALLER: &str = "amazinglylongcallernameamazinglylongcallernameamazinglylongcallernameamazinglylongcall\
                           ernameamazinglylongcallername";

fn message(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/rfc4475/{name}.dat", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).expect("the file is part of the repository")
}

/// All that goes out in answer to `bytes`, and all events.
fn answers(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Event>) {
    let mut endpoint = Endpoint::new(config(0), 7);
    endpoint.receive(Duration::from_secs(1), flow_to(1), bytes);
    let sent = std::iter::from_fn(|| endpoint.poll_transmit()).map(|transmit| transmit.bytes).collect();
    (sent, std::iter::from_fn(|| endpoint.poll_event()).collect())
}

fn status(bytes: &[u8]) -> u16 {
    let text = std::str::from_utf8(&bytes[8..11]).expect("a status line");
    text.parse().expect("a status code")
}

#[test]
fn every_torture_message_is_taken_as_rfc_4475_says() {
    for (name, section, expected) in &TABLE {
        let (sent, events) = answers(&message(name));
        let statuses: Vec<u16> = sent.iter().map(|bytes| status(bytes)).collect();
        let what = format!("{name} (RFC 4475 §{section}): {statuses:?} {events:?}");
        match expected {
            Refused(status) => assert!(statuses == [*status] && events.is_empty(), "{what}"),
            Silence => assert!(statuses.is_empty() && events.is_empty(), "{what}"),
            Call(target, caller) => {
                assert_eq!(statuses, [100], "{what}");
                let [Event::Incoming(IncomingCall { target_user, from_user, sdp, .. })] = &events[..] else {
                    panic!("{what}")
                };
                assert_eq!((target_user.as_str(), from_user.as_str()), (*target, *caller), "{what}");
                assert!(sdp.starts_with(b"v=0\r\n"), "{what}");
            }
        }
    }
}

#[test]
fn the_headers_of_a_torture_message_come_back_octet_by_octet() {
    let (sent, _) = answers(&message("intmeth"));
    let (bytes, answer) = (message("intmeth"), &sent[0]);
    for name in [&b"From: "[..], b"To: ", b"Call-ID: ", b"CSeq: "] {
        let start = bytes.windows(name.len()).position(|w| w == name).expect("the header is there");
        let length = bytes[start..].iter().position(|&b| b == b'\r').expect("the line ends");
        let line = &bytes[start..start + length];
        assert!(answer.windows(length).any(|w| w == line), "{}", String::from_utf8_lossy(line));
    }
}

#[test]
fn an_unknown_extension_is_named() {
    let (sent, _) = answers(&message("bext01"));
    let text = String::from_utf8_lossy(&sent[0]).into_owned();
    assert!(text.contains("\r\nUnsupported: nothingSupportsThis, nothingSupportsThisEither\r\n"), "{text}");
}

/// The seeds of the mutations: every message that reaches into another part of the endpoint.
fn seeds() -> Vec<Vec<u8>> {
    TABLE.iter().map(|(name, _, _)| message(name)).collect()
}

#[test]
fn no_mutation_of_a_message_does_any_harm() {
    let seeds = seeds();
    let mut rng = fastrand::Rng::with_seed(4475);
    let mut endpoint = Endpoint::new(config(0), 7);
    let tokens: [&[u8]; 12] =
        [b"\r\n", b"\r\n\r\n", b"\"", b"<", b">", b",", b";", b"=", b":", b"@", b"%", b"999999999999"];
    for round in 0..60_000u64 {
        let mut bytes = seeds[rng.usize(0..seeds.len())].clone();
        for _ in 0..rng.u32(1..6) {
            let at = rng.usize(0..bytes.len().max(1)).min(bytes.len().saturating_sub(1));
            match rng.u32(0..6) {
                0 if !bytes.is_empty() => bytes[at] = rng.u8(..),
                1 => bytes.truncate(at),
                2 if !bytes.is_empty() => drop(bytes.remove(at)),
                3 => {
                    let token = tokens[rng.usize(0..tokens.len())];
                    bytes.splice(at..at, token.iter().copied());
                }
                4 if !bytes.is_empty() => {
                    let end = (at + rng.usize(0..40)).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ => {
                    let other = &seeds[rng.usize(0..seeds.len())];
                    let from = rng.usize(0..other.len());
                    let end = (from + rng.usize(0..60)).min(other.len());
                    bytes.splice(at..at, other[from..end].iter().copied());
                }
            }
        }
        let now = Duration::from_millis(round * 20);
        endpoint.receive(now, flow_to(1), &bytes);
        endpoint.handle_timeout(now);
        while let Some(event) = endpoint.poll_event() {
            if let Event::Incoming(IncomingCall { dialog, .. }) = event {
                match rng.u32(0..3) {
                    0 => endpoint.answer(now, dialog, b"v=0".to_vec()),
                    1 => endpoint.reject(now, dialog, 486),
                    _ => endpoint.hang_up(now, dialog),
                }
            }
        }
        while endpoint.poll_transmit().is_some() {}
    }
    let counts = endpoint.counts();
    assert!(counts.dialogs < 5000 && counts.transactions < 20_000, "{counts:?}");
}
