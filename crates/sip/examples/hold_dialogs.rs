//! What a dialog costs: two endpoints in memory hold 10 000 answered calls with each other, and the memory that the process
//! took for it is divided by the dialogs, of which each call has two. ARGS: how many calls.

use std::net::SocketAddr;
use std::time::Duration;

use sip::{Endpoint, EndpointConfig, Event, Flow, IncomingCall, Invite, Transport};

fn config(end: u8, calls: usize) -> EndpointConfig {
    let at = address(end);
    EndpointConfig {
        udp: at,
        tcp: at,
        tls: at,
        ws: at,
        wss: at,
        user_agent: "hold".to_owned(),
        realm: "hold".to_owned(),
        session_expires: Some(Duration::from_secs(600)),
        register_expires_min: Duration::from_secs(30),
        register_expires_max: Duration::from_secs(3600),
        transactions_max: calls * 4,
        dialogs_max: calls,
        invites_per_second_max: 0,
    }
}

fn address(end: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + end], 5060))
}

/// Carries what both want to send until nobody has anything to say; the called side answers.
fn exchange(ends: &mut [Endpoint; 2], now: Duration, sdp: &[u8]) {
    loop {
        let mut quiet = true;
        for end in 0..2 {
            while let Some(transmit) = ends[end].poll_transmit() {
                quiet = false;
                let flow = Flow { transport: Transport::Udp, peer: address(end as u8), connection: 0 };
                ends[1 - end].receive(now, flow, &transmit.bytes);
            }
            while let Some(event) = ends[end].poll_event() {
                if let Event::Incoming(IncomingCall { dialog, .. }) = event {
                    ends[end].answer(now, dialog, sdp.to_vec());
                }
            }
        }
        if quiet {
            return;
        }
    }
}

/// Resident octets of this process.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn main() {
    let calls: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let sdp = b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\n\
        a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n";
    let mut ends = [Endpoint::new(config(0, calls), 1), Endpoint::new(config(1, calls), 2)];
    let before = resident();
    let mut now = Duration::from_secs(1);
    for n in 0..calls {
        let invite = Invite {
            target: format!("sip:138{n:08}@10.0.0.2"),
            flow: Flow { transport: Transport::Udp, peer: address(1), connection: 0 },
            from_user: "02155550100".to_owned(),
            from_display: String::new(),
            to: String::new(),
            sdp: sdp.to_vec(),
            credentials: None,
            headers: Vec::new(),
        };
        ends[0].invite(now, invite);
        exchange(&mut ends, now, sdp);
        now += Duration::from_millis(5);
    }
    let fresh = resident();
    for end in &ends {
        assert_eq!(end.counts().dialogs, calls, "every call is up");
    }
    // The transactions of the first INVITEs end; the calls go on.
    let until = now + Duration::from_secs(120);
    while let Some(at) = ends.iter().filter_map(Endpoint::deadline).min().filter(|&at| at < until) {
        ends.iter_mut().for_each(|end| end.handle_timeout(at));
        exchange(&mut ends, at, sdp);
    }
    let held: usize = ends.iter().map(|end| end.counts().dialogs).sum();
    println!("{held} dialogs held");
    println!("{} octets a dialog just after the answer, transactions included", (fresh - before) / held);
    println!(
        "{} octets a dialog two minutes later, at the most (what was freed may not be given back)",
        (resident() - before) / held
    );
}
