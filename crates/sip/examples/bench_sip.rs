//! What a call costs in this crate alone: two endpoints in memory, no sockets.
//!
//! `cargo run --release --package sip --example bench_sip -- [calls] [calls a second]`
//!
//! Each call: INVITE, 180, 200, ACK, BYE, 200. The clock is made up: calls come at an even rate, each lasts for 10 s, and
//! finished transactions linger as the RFC says. CPU time and memory are those of both endpoints, halved.

use std::collections::VecDeque;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use sip::{DialogId, Endpoint, EndpointConfig, Event, Flow, IncomingCall, Invite, Transport};

const SDP: &[u8] = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 20000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
const TALK: Duration = Duration::from_secs(10);

struct Pair {
    ends: [Endpoint; 2],
    flows: [Flow; 2],
    now: Duration,
    talking: VecDeque<(Duration, DialogId)>,
    ended: usize,
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u32>().expect("a number"));
    let calls = arguments.next().unwrap_or(50_000);
    let rate = arguments.next().unwrap_or(1000);
    let mut pair = Pair::new();
    let before = (cpu(), resident_kb());
    let mut most = (0, 0);
    for _ in 0..calls {
        pair.call();
        pair.pass(Duration::from_secs(1) / rate);
        let dialogs = pair.ends[0].counts().dialogs;
        if dialogs > most.0 {
            most = (dialogs, resident_kb());
        }
    }
    while pair.ended < calls as usize {
        pair.pass(Duration::from_millis(100));
    }
    let spent = cpu() - before.0;
    println!("calls    {calls}, {rate} a second, all ended");
    println!("CPU      {:.4} ms a call and endpoint", spent.as_secs_f64() * 500.0 / f64::from(calls));
    let each = most.1.saturating_sub(before.1) as f64 / 2.0 / most.0.max(1) as f64;
    println!(
        "memory   {each:.1} kB a dialog and endpoint, {} dialogs held at the most, what lingers counted in",
        most.0
    );
}

impl Pair {
    fn new() -> Pair {
        let addresses: [SocketAddr; 2] = [5060, 5070].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let flow = |peer| Flow { transport: Transport::Udp, peer, connection: 0 };
        Pair {
            ends: [Endpoint::new(config(addresses[0]), 1), Endpoint::new(config(addresses[1]), 2)],
            flows: addresses.map(flow),
            now: Duration::ZERO,
            talking: VecDeque::new(),
            ended: 0,
        }
    }

    fn call(&mut self) {
        let invite = Invite {
            target: "sip:13800138000@127.0.0.1:5070".to_owned(),
            flow: self.flows[1],
            from_user: "02155550100".to_owned(),
            from_display: String::new(),
            to: String::new(),
            sdp: SDP.to_vec(),
            credentials: None,
            headers: Vec::new(),
        };
        let dialog = self.ends[0].invite(self.now, invite);
        self.talking.push_back((self.now + TALK, dialog));
        self.exchange();
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        while self.talking.front().is_some_and(|(at, _)| *at <= self.now) {
            if let Some((_, dialog)) = self.talking.pop_front() {
                self.ends[0].hang_up(self.now, dialog);
            }
        }
        for end in &mut self.ends {
            if end.deadline().is_some_and(|at| at <= self.now) {
                end.handle_timeout(self.now);
            }
        }
        self.exchange();
    }

    /// Until neither has anything to say.
    fn exchange(&mut self) {
        loop {
            let mut quiet = true;
            for n in 0..2 {
                while let Some(transmit) = self.ends[n].poll_transmit() {
                    quiet = false;
                    self.ends[1 - n].receive(self.now, self.flows[n], &transmit.bytes);
                }
                while let Some(event) = self.ends[n].poll_event() {
                    quiet = false;
                    self.event(n, event);
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn event(&mut self, end: usize, event: Event) {
        match event {
            Event::Incoming(IncomingCall { dialog, .. }) => {
                self.ends[end].ring(self.now, dialog, 180, None);
                self.ends[end].answer(self.now, dialog, SDP.to_vec());
            }
            Event::Ended { .. } if end == 1 => self.ended += 1,
            Event::Failed { status, .. } => panic!("a call failed: {status}"),
            _ => {}
        }
    }
}

fn config(address: SocketAddr) -> EndpointConfig {
    EndpointConfig {
        udp: address,
        tcp: address,
        tls: address,
        ws: address,
        wss: address,
        user_agent: "bench".to_owned(),
        realm: "bench".to_owned(),
        session_expires: Some(Duration::from_secs(600)),
        register_expires_min: Duration::from_secs(30),
        register_expires_max: Duration::from_secs(3600),
        transactions_max: 1_000_000,
        dialogs_max: 1_000_000,
        invites_per_second_max: 0,
    }
}

/// Of this process, in ticks of 10 ms (Linux).
fn cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("Linux has /proc");
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

fn resident_kb() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux has /proc");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4
}
