//! Goal: who is neither phone nor trunk gets one small answer, fills no log, and disturbs nobody.

mod harness;

use std::net::UdpSocket;
use std::time::Duration;

use harness::floor::{Floor, Plan, numbers};
use harness::peer::Behaviour;
use harness::seconds;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(30);
const COUNT: usize = 2000;

/// What comes back to the socket until nothing does for a while.
fn answers(socket: &UdpSocket, calm: Duration) -> Vec<String> {
    socket.set_read_timeout(Some(calm)).expect("not zero");
    let mut buffer = [0; 4096];
    std::iter::from_fn(|| {
        socket.recv(&mut buffer).ok().map(|n| String::from_utf8_lossy(&buffer[..n]).into_owned())
    })
    .collect()
}

fn request(method: &str, number: usize, server: std::net::SocketAddr, user: &str) -> String {
    format!(
        "{method} sip:{user}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:9;branch=z9hG4bK{method}{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{user}@x>;tag=t\r\nTo: <sip:{user}@x>\r\nCall-ID: {method}{number}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:{user}@127.0.0.2:9>\r\nContent-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_flood_of_strangers_is_answered_once_each_and_leaves_no_trace() {
    let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(0.3));
    let floor = Floor::open(&Plan::default(), customer, |_| Behaviour::answers(seconds(0.02)));
    let server = floor.server.sip;
    // All trunks and phones are at 127.0.0.1.
    let socket = UdpSocket::bind("127.0.0.2:0").expect("all of 127.0.0.0/8 is this machine");
    socket.connect(server).expect("it is there");
    let before = floor.server.log().len();
    let mut count = 0;
    for number in 0..COUNT {
        for (method, user) in [("INVITE", "0044123456"), ("REGISTER", "1001"), ("OPTIONS", "x")] {
            socket.send(request(method, number, server, user).as_bytes()).expect("loopback");
        }
        socket.send(b"\x00\xffnoise\r\n\r\n").expect("loopback");
        if number % 50 == 0 {
            count += answers(&socket, Duration::from_millis(20)).len();
        }
    }
    // Longer than an answer would be repeated for the first times.
    count += answers(&socket, seconds(5.0)).len();
    assert!(count > 0 && count <= 3 * COUNT, "{count} answers to {} requests", 3 * COUNT);
    let rows = floor.crm.wait_ended(&floor.crm.create(&numbers(79, 2), &[]), LIMIT);
    assert!(rows.iter().all(|row| row["answered"] == json!(1)), "{rows:?}");
    let log = floor.server.log();
    let grown = &log[before..];
    assert!(grown.len() < 2000 && !grown.contains("127.0.0.2"), "{grown}");
}

#[test]
fn a_source_that_guesses_passwords_is_not_answered_for_a_while_and_phones_elsewhere_are() {
    let floor = Floor::open(&Plan::default(), |_| Behaviour::rings(), |_| Behaviour::answers(seconds(0.02)));
    let server = floor.server.sip;
    let socket = UdpSocket::bind("127.0.0.3:0").expect("all of 127.0.0.0/8 is this machine");
    socket.connect(server).expect("it is there");
    let mut refused = 0;
    for number in 0..100 {
        socket.send(request("REGISTER", number, server, "1001").as_bytes()).expect("loopback");
        let Some(challenge) = answers(&socket, Duration::from_millis(200)).pop() else { break };
        let nonce =
            challenge.split("nonce=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a nonce");
        let guess = format!(
            "Authorization: Digest username=\"1001\", realm=\"outpace\", nonce=\"{nonce}\", uri=\"sip:{server}\", \
             response=\"00000000000000000000000000000000\"\r\nContent-Length"
        );
        let text = request("REGISTER", 1000 + number, server, "1001").replace("Content-Length", &guess);
        socket.send(text.as_bytes()).expect("loopback");
        refused +=
            answers(&socket, Duration::from_millis(200)).iter().filter(|a| a.contains(" 403 ")).count();
    }
    assert!((1..100).contains(&refused), "{refused} guesses were answered");
    floor.register(1001, 1);
    assert!(floor.server.log().lines().count() < 100);
}
