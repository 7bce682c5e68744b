//! Goal: sound that strangers send into a call is heard by nobody, and hostile SDP ends in a refusal and nothing else.

mod harness;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use harness::floor::{AGENT_HZ, CUSTOMER_HZ, Floor};
use harness::hearing::{heard, status_of, wait_heard};
use harness::peer::Peer;
use harness::rtp::{FRAME, Packet, Sound, samples, tone_share};
use harness::server::{CALLER_ID, Setup};
use harness::wait_for;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);
const NUMBER: &str = "13900000001";
const STRANGER_HZ: f64 = 2600.0;
/// Into each leg.
const INJECTED: u16 = 1500;
/// Payload type of events on both sides.
const KEYS: u8 = 101;

fn recorded(mut setup: Setup) -> Setup {
    setup.companies[0].inbound_keys = "enabled = true\ngroup = \"sales\"".to_owned();
    setup.recording("enabled = true\ndisk_min_free_mb = 1")
}

/// 1001 talks with a customer: the legs of the customer and of the agent.
fn talk() -> (Floor, String, String) {
    let floor = Floor::that_holds(recorded);
    floor.carrier.take_keys(KEYS);
    floor.agents.take_keys(KEYS);
    let (customer, agent) = floor.talk(NUMBER);
    (floor, customer, agent)
}

/// Where the server takes the sound of a leg, and a packet of it.
fn leg(peer: &Peer, call_id: &str) -> (SocketAddr, Packet) {
    let packet = peer.packets(call_id).pop().expect("it was heard");
    (packet.from, packet)
}

/// Sound, presses of the key 9, and noise, as if it were the stream of the leg.
fn inject(stranger: &UdpSocket, leg: SocketAddr, number: u16) {
    let header = |payload_type: u8| {
        let mut bytes = vec![0x80, payload_type];
        bytes.extend(number.to_be_bytes());
        bytes.extend((u32::from(number) * FRAME as u32).to_be_bytes());
        bytes.extend([1, 2, 3, 4]);
        bytes
    };
    let sound = [header(8), Sound::Tone(STRANGER_HZ).frame(u32::from(number)).to_vec()].concat();
    let key = [header(KEYS), vec![9, 0x80 | 10, 4, 0]].concat();
    for packet in [&sound[..], &key, b"\x80", &[0xff; 1400]] {
        // Full buffers lose packets; there are more.
        let _ = stranger.send_to(packet, leg);
    }
}

/// The only bill, once it says how both legs sounded.
fn measured(floor: &Floor) -> Value {
    wait_for("the bill", LIMIT, || {
        let bill = floor.crm.v1("bills")["items"].as_array()?.first()?.clone();
        let quality = &bill["quality"];
        (quality["customer"].is_object() && quality["agent"].is_object()).then_some(bill)
    })
}

#[test]
fn what_strangers_send_to_the_legs_of_a_call_is_neither_heard_nor_recorded_nor_counted() {
    let (floor, customer, agent) = talk();
    let begin = Instant::now();
    let (to_customer, _) = leg(&floor.carrier, &customer);
    let (to_agent, _) = leg(&floor.agents, &agent);
    // Another host, and the host of the legs with another port.
    for address in ["127.0.0.9:0", "127.0.0.1:0"] {
        let stranger = UdpSocket::bind(address).expect("all of 127.0.0.0/8 is this machine");
        for number in 0..INJECTED {
            inject(&stranger, to_customer, number);
            inject(&stranger, to_agent, number);
            if number % 100 == 0 {
                // The tones of the call are heard all the while.
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        wait_heard(&floor.carrier, &customer, AGENT_HZ);
        wait_heard(&floor.agents, &agent, CUSTOMER_HZ);
    }
    for (peer, call, hz) in [(&floor.carrier, &customer, AGENT_HZ), (&floor.agents, &agent, CUSTOMER_HZ)] {
        let packets = peer.packets(call);
        assert!(heard(&packets, hz, |_| true) > 0.9 && tone_share(&samples(&packets), STRANGER_HZ) < 0.01);
        assert!(packets.iter().all(|p| p.payload_type == 8), "no key and nothing else was relayed");
        let limit = begin.elapsed().as_millis() / 20 + 200;
        assert!(packets.len() as u128 <= limit, "{} packets, at most {limit}", packets.len());
    }
    assert!(floor.crm.call("App.Sip_Call.HangupCall", &[("extnumber", "1001")]).is_success());
    let bill = measured(&floor);
    for side in ["customer", "agent"] {
        let leg = &bill["quality"][side];
        let (came, lost) = (leg["packets_in"].as_u64(), leg["lost_in"].as_u64());
        let limit = begin.elapsed().as_millis() as u64 / 20 + 200;
        assert!(came.is_some_and(|came| came <= limit) && lost.is_some_and(|lost| lost <= limit), "{leg}");
    }
    assert_eq!(bill["keys"], json!(""), "{bill}");
    let name = wait_for("the recording", LIMIT, || {
        floor.server.sql("SELECT filename FROM recordings WHERE seconds > 0").pop()
    });
    let wav = std::fs::read(floor.server.recordings().join(name)).expect("it is there");
    let both: Vec<i16> = wav[44..].chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    for (side, hz) in [(0, CUSTOMER_HZ), (1, AGENT_HZ)] {
        let samples: Vec<i16> = both.iter().skip(side).step_by(2).copied().collect();
        assert!(tone_share(&samples, hz) > 0.9 && tone_share(&samples, STRANGER_HZ) < 0.01, "side {side}");
    }
}

/// Session part and one audio stream, and lines behind it.
fn sdp_with(more: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n{more}"
    )
}

/// What each is, and the body.
fn hostile_bodies() -> Vec<(&'static str, String)> {
    let huge = "x".repeat(15_000);
    let good = sdp_with("");
    let audio = "m=audio 4000 RTP/AVP 8";
    vec![
        ("nothing but noise", "\u{1}\u{2}\u{0}\u{ff}".repeat(100)),
        ("no SDP", "hello".to_owned()),
        ("only a version", "v=0\r\n".to_owned()),
        ("cut off", good[..good.len() / 2].to_owned()),
        ("too large", sdp_with(&"a=x\r\n".repeat(4_000))),
        ("too large, in one line", sdp_with(&format!("a={huge}{huge}\r\n"))),
        ("no address", good.replace("c=IN IP4 127.0.0.1\r\n", "")),
        ("an address that is none", good.replace("c=IN IP4 127.0.0.1", "c=IN IP4 999.1.1.1")),
        ("a long address", good.replace("c=IN IP4 127.0.0.1", &format!("c=IN IP4 {huge}"))),
        ("a port that is none", good.replace("audio 4000", "audio 99999")),
        ("a negative port", good.replace("audio 4000", "audio -1")),
        ("streams without sound", good.replace(audio, &"m=video 4000 RTP/AVP 31\r\n".repeat(500))),
        ("unknown formats", good.replace(audio, &format!("m=audio 4000 RTP/AVP{}", " 99".repeat(4_000)))),
        ("formats that are none", good.replace(audio, "m=audio 4000 RTP/AVP 8888888888888 -8 x")),
    ]
}

fn invite(server: SocketAddr, socket: &UdpSocket, number: usize, body: &str) -> String {
    let here = socket.local_addr().expect("it is bound");
    format!(
        "INVITE sip:{CALLER_ID}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bKsdp{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{NUMBER}@x>;tag=t{number}\r\nTo: <sip:{CALLER_ID}@{server}>\r\n\
         Call-ID: sdp{number}\r\nCSeq: 1 INVITE\r\nContact: <sip:{NUMBER}@{here}>\r\n\
         Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Status of the final response.
fn final_status(socket: &UdpSocket) -> u16 {
    let mut buffer = vec![0; 65_536];
    loop {
        let n = socket.recv(&mut buffer).expect("a response");
        let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
        let status: u16 = text.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a response");
        if status >= 200 {
            return status;
        }
    }
}

#[test]
fn hostile_sdp_is_refused_and_calls_go_on() {
    let (floor, customer, agent) = talk();
    let server = floor.server.sip;
    for (number, (what, body)) in hostile_bodies().iter().enumerate() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(LIMIT)).expect("not zero");
        socket.connect(server).expect("it is there");
        socket.send(invite(server, &socket, number, body).as_bytes()).expect("loopback");
        let status = final_status(&socket);
        assert!(matches!(status, 400 | 413 | 415 | 488), "{what}: {status}");
        let answer = floor.carrier.ask(&customer, "INVITE", "", ("application/sdp", body));
        assert!(matches!(answer.status(), 400 | 413 | 415 | 488), "{what}, in a call: {}", answer.start);
    }
    // More than a message may have, over a connection: no call, and no more of that connection.
    let mut stream = TcpStream::connect(server).expect("it listens");
    stream.set_read_timeout(Some(LIMIT)).expect("not zero");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    // It may be closed while this is written.
    let _ = stream.write_all(invite(server, &socket, 99, &sdp_with(&"a=x\r\n".repeat(100_000))).as_bytes());
    let mut told = Vec::new();
    let _ = stream.read_to_end(&mut told);
    let told = String::from_utf8_lossy(&told);
    assert!(told.is_empty() || told.starts_with("SIP/2.0 400 "), "{told}");
    // The call has what it had, and another one can be made.
    assert_eq!(status_of(&floor.crm, "1001"), json!(1204));
    wait_heard(&floor.carrier, &customer, AGENT_HZ);
    wait_heard(&floor.agents, &agent, CUSTOMER_HZ);
    let many = sdp_with(&"a=x:y\r\n".repeat(500)).replace("m=audio", "m=video 0 RTP/AVP 31\r\nm=audio");
    assert_eq!(floor.carrier.ask(&customer, "INVITE", "", ("application/sdp", &many)).status(), 200);
    let call = floor.carrier.bring(server, "13900000002", CALLER_ID).expect("it is answered");
    floor.carrier.hang_up(&call);
}
