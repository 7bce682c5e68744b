//! One endpoint, and a far end that a test plays by hand, message by message, on a virtual clock.
#![allow(dead_code, reason = "every test file uses another part")]

use sip::{Endpoint, EndpointConfig, Event, Flow, IncomingCall, Invite, Transmit, Transport};
use std::net::SocketAddr;
use std::time::Duration;

pub const OURS: &str = "10.0.0.1:5060";
pub const THEIRS: &str = "10.0.0.2:5060";

pub struct Peer {
    pub endpoint: Endpoint,
    pub now: Duration,
    /// Where messages of the far end come from.
    pub flow: Flow,
    pub sent: Vec<Transmit>,
    count: u32,
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub fn udp(text: &str) -> Flow {
    Flow { transport: Transport::Udp, peer: address(text), connection: 0 }
}

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub fn config() -> EndpointConfig {
    EndpointConfig {
        udp: address(OURS),
        tcp: address(OURS),
        tls: address(OURS),
        ws: address(OURS),
        wss: address(OURS),
        user_agent: "test".to_owned(),
        realm: "outpace".to_owned(),
        session_expires: None,
        register_expires_min: seconds(10),
        register_expires_max: seconds(3600),
        transactions_max: 1000,
        dialogs_max: 100,
        invites_per_second_max: 0,
    }
}

pub fn call() -> Invite {
    Invite {
        target: format!("sip:callee@{THEIRS}"),
        flow: udp(THEIRS),
        from_user: "caller".to_owned(),
        from_display: String::new(),
        to: String::new(),
        sdp: b"v=0 offer".to_vec(),
        credentials: None,
        headers: Vec::new(),
    }
}

impl Peer {
    pub fn new() -> Peer {
        Peer::with(config())
    }

    pub fn with(config: EndpointConfig) -> Peer {
        let endpoint = Endpoint::new(config, 1);
        Peer { endpoint, now: seconds(100), flow: udp(THEIRS), sent: Vec::new(), count: 0 }
    }

    fn gather(&mut self) {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            self.sent.push(transmit);
        }
    }

    /// The next message that was sent.
    pub fn take(&mut self) -> String {
        self.take_with_flow().0
    }

    pub fn take_with_flow(&mut self) -> (String, Flow) {
        self.gather();
        assert!(!self.sent.is_empty(), "nothing was sent");
        let transmit = self.sent.remove(0);
        (String::from_utf8(transmit.bytes).expect("text"), transmit.flow)
    }

    /// The next message, which must start so.
    pub fn expect(&mut self, start: &str) -> String {
        let text = self.take();
        assert!(text.starts_with(start), "{start} was expected:\n{text}");
        text
    }

    pub fn expect_silence(&mut self) {
        self.gather();
        let texts: Vec<_> = self.sent.iter().map(|t| String::from_utf8_lossy(&t.bytes)).collect();
        assert!(texts.is_empty(), "{texts:#?}");
    }

    /// Forgets what was sent.
    pub fn discard(&mut self) {
        self.gather();
        self.sent.clear();
    }

    pub fn feed(&mut self, text: &str) {
        self.endpoint.receive(self.now, self.flow, text.as_bytes());
    }

    pub fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.endpoint.poll_event()).collect()
    }

    pub fn event(&mut self) -> Event {
        let mut events = self.events();
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0)
    }

    /// Lets time pass, deadline by deadline.
    pub fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.endpoint.deadline().filter(|&at| at <= until) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
        }
        self.now = until;
    }

    /// Answers a request of the endpoint; `extra`: header lines, each with its line end.
    pub fn reply(&mut self, request: &str, status: &str, tag: &str, extra: &str, body: &str) {
        let text = response(request, status, tag, extra, body);
        self.feed(&text);
    }

    /// A request of the far end outside any dialog.
    pub fn request(&mut self, method: &str, call_id: &str, cseq: u32, extra: &str, body: &str) -> String {
        self.count += 1;
        let branch = self.count;
        format!(
            "{method} sip:callee@{OURS} SIP/2.0\r\nVia: SIP/2.0/UDP {THEIRS};rport;branch=z9hG4bKp{branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:caller@{THEIRS}>;tag=theirs\r\nTo: <sip:callee@{OURS}>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:caller@{THEIRS}>\r\n{extra}{}",
            tail(body)
        )
    }

    /// A request of the far end in the dialog that `message` (of the endpoint) belongs to.
    pub fn within(&mut self, message: &str, method: &str, cseq: u32, extra: &str, body: &str) -> String {
        self.count += 1;
        let branch = self.count;
        let response = message.starts_with("SIP/2.0");
        let (from, to) = (header(message, "From"), header(message, "To"));
        let (theirs, ours) = if response { (from, to) } else { (to, from) };
        format!(
            "{method} sip:ours@{OURS} SIP/2.0\r\nVia: SIP/2.0/UDP {THEIRS};rport;branch=z9hG4bKp{branch}\r\n\
             Max-Forwards: 70\r\nFrom: {theirs}\r\nTo: {ours}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:theirs@{THEIRS}>\r\n{extra}{}",
            header(message, "Call-ID"),
            tail(body)
        )
    }

    /// A call that we place and that is answered; the ACK that went out.
    pub fn call_up(&mut self, invite: Invite, extra: &str) -> (sip::DialogId, String) {
        let dialog = self.endpoint.invite(self.now, invite);
        let invite = self.expect("INVITE");
        let extra = format!("Contact: <sip:callee@{THEIRS}>\r\n{extra}");
        self.reply(&invite, "200 OK", "theirs", &extra, "v=0 answer");
        assert_eq!(self.event(), Event::Answered { dialog, sdp: b"v=0 answer".to_vec() });
        let ack = self.expect("ACK");
        (dialog, ack)
    }

    /// A call that comes in and is answered; the 200 that went out.
    pub fn call_in(&mut self, extra: &str) -> (sip::DialogId, String) {
        let invite = self.request("INVITE", "in", 1, extra, "v=0 offer");
        self.feed(&invite);
        let Event::Incoming(IncomingCall { dialog, .. }) = self.event() else { panic!("no call") };
        self.expect("SIP/2.0 100");
        self.endpoint.answer(self.now, dialog, b"v=0 answer".to_vec());
        let answer = self.expect("SIP/2.0 200");
        let ack = self.within(&answer, "ACK", 1, "", "");
        self.feed(&ack);
        assert_eq!(self.event(), Event::Answered { dialog, sdp: Vec::new() });
        (dialog, answer)
    }
}

fn tail(body: &str) -> String {
    if body.is_empty() {
        return "Content-Length: 0\r\n\r\n".to_owned();
    }
    format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// The response to a request; `tag` is put on To where there is none and it is not empty.
pub fn response(request: &str, status: &str, tag: &str, extra: &str, body: &str) -> String {
    let mut out = format!("SIP/2.0 {status}\r\n");
    for line in request.lines().take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or("");
        match name {
            "Via" | "From" | "Call-ID" | "CSeq" => out.push_str(&format!("{line}\r\n")),
            "To" if line.contains("tag=") || tag.is_empty() => out.push_str(&format!("{line}\r\n")),
            "To" => out.push_str(&format!("{line};tag={tag}\r\n")),
            _ => {}
        }
    }
    out + extra + &tail(body)
}

/// The value of the first header line of this name.
pub fn header(text: &str, name: &str) -> String {
    let start = format!("{name}: ");
    let line = text.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("no {name} in\n{text}")).to_owned()
}

pub fn headers<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("{name}: ");
    text.lines().filter_map(|line| line.strip_prefix(&start)).collect()
}

pub fn has(text: &str, name: &str) -> bool {
    !headers(text, name).is_empty()
}

/// A parameter like `branch=…` up to the next semicolon, comma or blank, quotes taken off.
pub fn param(value: &str, name: &str) -> String {
    let start = format!("{name}=");
    let at = value.find(&start).unwrap_or_else(|| panic!("no {name} in {value}")) + start.len();
    let rest = &value[at..];
    match rest.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or("").to_owned(),
        None => rest.split([';', ',', ' ']).next().unwrap_or("").to_owned(),
    }
}
