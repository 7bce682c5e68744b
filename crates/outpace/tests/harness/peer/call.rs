//! One incoming call of a peer: the transactions and the dialog of a UAS.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::message::{Message, finish, sdp};
use super::{Behaviour, Dialog, Shared, Then, What, lock, route_lines};
use crate::harness::rtp::{PCMA, Rtp};

const T1: Duration = Duration::from_millis(500);
// Retransmissions of a finished call are still answered for this long.
const MEMORY: Duration = Duration::from_secs(40);

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Ringing,
    /// 2xx sent, ACK awaited.
    Answered,
    Confirmed,
    /// Final failure sent, or BYE sent or received.
    Over,
}

pub struct Call {
    invite: Message,
    from: SocketAddr,
    tag: String,
    behaviour: Behaviour,
    began: Instant,
    state: State,
    rang: bool,
    answered_at: Option<Instant>,
    over_at: Option<Instant>,
    /// Last response to the INVITE.
    response: String,
    /// What is sent again until it is acknowledged, when, and the pause after that.
    again: Option<(String, Instant, Duration)>,
    rtp: Option<Arc<Rtp>>,
    payload_type: u8,
}

impl Call {
    pub fn new(from: SocketAddr, invite: Message, behaviour: Behaviour) -> Call {
        Call {
            invite,
            from,
            tag: format!("{:08x}", fastrand::u32(..)),
            behaviour,
            began: Instant::now(),
            state: State::Ringing,
            rang: false,
            answered_at: None,
            over_at: None,
            response: String::new(),
            again: None,
            rtp: None,
            payload_type: PCMA,
        }
    }

    pub fn is_forgotten(&self, now: Instant) -> bool {
        self.over_at.is_some_and(|at| now > at + MEMORY)
    }

    /// Does what is due.
    pub fn act(&mut self, now: Instant, socket: &UdpSocket, shared: &Shared) {
        let age = now - self.began;
        if self.state == State::Ringing {
            if !self.rang && self.behaviour.rings_after.is_some_and(|after| age >= after) {
                self.ring(socket, shared);
            }
            if age >= self.behaviour.then_after {
                match self.behaviour.then {
                    Then::Answer => self.answer(now, socket, shared),
                    Then::Reject(status) => self.refuse(&format!("{status} Refused"), now, socket),
                    Then::Nothing => {}
                }
            }
        }
        if self.state == State::Confirmed
            && let (Some(talks), Some(at)) = (self.behaviour.talks, self.answered_at)
            && now >= at + talks
        {
            self.hang_up(now, socket);
        }
        if let Some((text, at, pause)) = &mut self.again
            && now >= *at
        {
            let _ = socket.send_to(text.as_bytes(), self.from);
            *pause = (*pause * 2).min(Duration::from_secs(4));
            *at = now + *pause;
            // RFC 3261 §17: 64·T1 and no longer.
            if age > talk_limit(self.answered_at, self.began) {
                self.again = None;
            }
        }
    }

    fn ring(&mut self, socket: &UdpSocket, shared: &Shared) {
        self.rang = true;
        self.open_dialog(shared);
        let text = if self.behaviour.early_media {
            let body = self.open_media(shared);
            self.invite.response("183 Session Progress", &self.tag, &self.contact(socket), &body)
        } else {
            self.invite.response("180 Ringing", &self.tag, &self.contact(socket), "")
        };
        self.respond(text, socket);
    }

    fn answer(&mut self, now: Instant, socket: &UdpSocket, shared: &Shared) {
        let body = self.open_media(shared);
        let text = self.invite.response("200 OK", &self.tag, &self.contact(socket), &body);
        self.again = Some((text.clone(), now + T1, T1));
        self.respond(text, socket);
        self.state = State::Answered;
        self.answered_at = Some(now);
        self.open_dialog(shared);
    }

    fn open_dialog(&self, shared: &Shared) {
        let dialog = Dialog {
            local: format!("{};tag={}", self.invite.header("to"), self.tag),
            remote: self.invite.header("from").to_owned(),
            target: self.invite.contact(),
            to: self.from,
            cseq: 100,
            routes: route_lines(self.invite.all("record-route")),
        };
        lock(&shared.dialogs).insert(self.invite.call_id().to_owned(), dialog);
    }

    fn refuse(&mut self, status: &str, now: Instant, socket: &UdpSocket) {
        let text = self.invite.response(status, &self.tag, "", "");
        self.again = Some((text.clone(), now + T1, T1));
        self.respond(text, socket);
        self.end(now);
    }

    fn hang_up(&mut self, now: Instant, socket: &UdpSocket) {
        let text = self.request("BYE", socket);
        let _ = socket.send_to(text.as_bytes(), self.from);
        self.again = Some((text, now + T1, T1));
        self.end(now);
    }

    fn end(&mut self, now: Instant) {
        self.state = State::Over;
        self.over_at = Some(now);
        if let Some(rtp) = self.rtp.take() {
            rtp.close();
        }
    }

    fn respond(&mut self, text: String, socket: &UdpSocket) {
        let _ = socket.send_to(text.as_bytes(), self.from);
        self.response = text;
    }

    pub fn take_request(&mut self, from: SocketAddr, message: Message, socket: &UdpSocket, shared: &Shared) {
        let now = Instant::now();
        let number = self.invite.user().to_owned();
        self.from = from;
        match message.method() {
            "INVITE" if message.cseq().0 == self.invite.cseq().0 => {
                let _ = socket.send_to(self.response.as_bytes(), from);
            }
            "INVITE" | "UPDATE" => {
                self.follow_media(&message);
                let body = self
                    .rtp
                    .as_ref()
                    .map_or(String::new(), |rtp| sdp(rtp.port, self.payload_type, shared.keys()));
                let body = if message.body.is_empty() && message.method() == "UPDATE" { "" } else { &body };
                let text = message.response("200 OK", "", &self.contact(socket), body);
                let _ = socket.send_to(text.as_bytes(), from);
            }
            "ACK" => self.take_ack(&message, &number, shared),
            "CANCEL" => {
                let _ = socket.send_to(message.response("200 OK", &self.tag, "", "").as_bytes(), from);
                if self.state == State::Ringing {
                    shared.saw(&number, message.call_id(), What::Cancel);
                    if self.behaviour.answers_cancel {
                        self.answer(now, socket, shared);
                    } else {
                        self.refuse("487 Request Terminated", now, socket);
                    }
                }
            }
            "BYE" => {
                let _ = socket.send_to(message.response("200 OK", "", "", "").as_bytes(), from);
                if self.state != State::Over {
                    shared.saw(&number, message.call_id(), What::Bye);
                    self.again = None;
                    self.end(now);
                }
            }
            _ => {
                let _ = socket.send_to(message.response("200 OK", "", "", "").as_bytes(), from);
            }
        }
    }

    fn take_ack(&mut self, message: &Message, number: &str, shared: &Shared) {
        match self.state {
            State::Answered => {
                self.again = None;
                self.state = State::Confirmed;
                self.follow_media(message);
                shared.saw(number, message.call_id(), What::Confirmed);
            }
            State::Over if self.answered_at.is_none() => self.again = None,
            _ => {}
        }
    }

    /// To our BYE.
    pub fn take_response(&mut self, message: &Message, shared: &Shared) {
        if message.cseq().1 == "BYE" && message.status() >= 200 && self.again.take().is_some() {
            shared.saw(self.invite.user(), message.call_id(), What::HungUp(message.status()));
        }
    }

    /// Gives our SDP.
    fn open_media(&mut self, shared: &Shared) -> String {
        let rtp = shared.rtp(self.invite.call_id());
        self.rtp = Some(rtp.clone());
        let offered = self.invite.payload_types();
        let wanted = shared.payload_type.load(Ordering::Relaxed);
        self.payload_type =
            if offered.contains(&wanted) { wanted } else { *offered.first().unwrap_or(&wanted) };
        rtp.set_payload_type(self.payload_type);
        let invite = self.invite.clone();
        self.follow_media(&invite);
        sdp(rtp.port, self.payload_type, shared.keys())
    }

    fn follow_media(&mut self, message: &Message) {
        if let (Some(rtp), Some(remote)) = (&self.rtp, message.rtp_address()) {
            rtp.set_remote(remote);
        }
    }

    fn contact(&self, socket: &UdpSocket) -> String {
        let local = socket.local_addr().expect("it is bound");
        format!("Contact: <sip:{}@{local}>\r\n", self.invite.user())
    }

    /// A request of ours in the dialog (RFC 3261 §12.2.1.1).
    fn request(&self, method: &str, socket: &UdpSocket) -> String {
        let local = socket.local_addr().expect("it is bound");
        let branch = fastrand::u64(..);
        let mut text = format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bK{branch:016x};rport\r\n\
             Max-Forwards: 70\r\nFrom: {};tag={}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 {method}\r\n",
            self.invite.contact(),
            self.invite.header("to"),
            self.tag,
            self.invite.header("from"),
            self.invite.call_id(),
        );
        text.push_str(&route_lines(self.invite.all("record-route")));
        finish(text, "")
    }
}

fn talk_limit(answered_at: Option<Instant>, began: Instant) -> Duration {
    // Long talks end with a BYE that wants its retransmissions, too.
    answered_at.map_or(Duration::ZERO, |at| at - began) + Duration::from_secs(90)
}
