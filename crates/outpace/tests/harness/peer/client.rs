//! What a peer starts itself: registrations and calls.

use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::message::{Message, finish, sdp};
use super::{Dialog, Peer, digest, lock, route_lines};
use crate::harness::rtp::{PCMA, Rtp};

/// A call that the peer placed and that was answered.
pub struct Outgoing {
    pub call_id: String,
    pub rtp: Arc<Rtp>,
    bye: String,
    target: SocketAddr,
}

impl Peer {
    /// Registers the extension for `expires` seconds (0: takes the registration back).
    pub fn register(&self, registrar: SocketAddr, user: &str, password: &str, expires: u32) {
        let call_id = format!("register-{:016x}", fastrand::u64(..));
        let tag = fastrand::u32(..);
        let mut credentials = String::new();
        for cseq in 1..=3 {
            let text = format!(
                "REGISTER sip:{registrar} SIP/2.0\r\nVia: SIP/2.0/UDP {0};branch=z9hG4bK{1:016x};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{user}@{registrar}>;tag={tag:08x}\r\nTo: <sip:{user}@{registrar}>\r\n\
                 Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{0}>\r\n\
                 Expires: {expires}\r\n{credentials}",
                self.address(),
                fastrand::u64(..),
            );
            let answer = self.transact(registrar, &call_id, &finish(text, ""));
            match answer.status() {
                200 => return,
                401 => {
                    let uri = format!("sip:{registrar}");
                    credentials = digest::authorization(&answer, "REGISTER", &uri, user, password);
                }
                status => panic!("REGISTER of {user} got {status}"),
            }
        }
        panic!("REGISTER of {user} is challenged again and again");
    }

    /// Calls `user` at `target`; panics when it is not answered.
    pub fn call(&self, target: SocketAddr, user: &str) -> Outgoing {
        let call_id = format!("call-{:016x}", fastrand::u64(..));
        let rtp = self.shared.rtp(&call_id);
        let (branch, tag) = (fastrand::u64(..), fastrand::u32(..));
        let from = format!("<sip:test@{}>;tag={tag:08x}", self.address());
        let line = |method: &str, uri: &str, to: &str, cseq: u32, branch: u64| {
            format!(
                "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {0};branch=z9hG4bK{branch:016x};rport\r\n\
                 Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
                 Contact: <sip:test@{0}>\r\n",
                self.address()
            )
        };
        let uri = format!("sip:{user}@{target}");
        let invite = finish(
            line("INVITE", &uri, &format!("<{uri}>"), 1, branch),
            &sdp(rtp.port, PCMA, self.shared.keys()),
        );
        let answer = self.transact(target, &call_id, &invite);
        assert_eq!(answer.status(), 200, "{}", answer.start);
        if let Some(remote) = answer.rtp_address() {
            rtp.set_remote(remote);
        }
        let (uri, to) = (answer.contact(), answer.header("to").to_owned());
        let ack = finish(line("ACK", &uri, &to, 1, fastrand::u64(..)), "");
        self.socket.send_to(ack.as_bytes(), target).expect("127.0.0.1 can be reached");
        let bye = finish(line("BYE", &uri, &to, 2, fastrand::u64(..)), "");
        Outgoing { call_id, rtp, bye, target }
    }

    /// Calls with the account of an extension. The call when it was answered, else the status.
    pub fn dial(
        &self,
        server: SocketAddr,
        user: &str,
        password: &str,
        number: &str,
    ) -> Result<Outgoing, u16> {
        self.invite(server, (user, Some(password)), number, "")
    }

    /// The same with further header lines.
    pub fn dial_with(
        &self,
        server: SocketAddr,
        (user, password): (&str, &str),
        number: &str,
        more: &str,
    ) -> Result<Outgoing, u16> {
        self.invite(server, (user, Some(password)), number, more)
    }

    /// Calls as a carrier does, for this caller.
    pub fn bring(&self, server: SocketAddr, from: &str, number: &str) -> Result<Outgoing, u16> {
        self.invite(server, (from, None), number, "")
    }

    /// The same with further header lines.
    pub fn bring_with(
        &self,
        server: SocketAddr,
        from: &str,
        number: &str,
        more: &str,
    ) -> Result<Outgoing, u16> {
        self.invite(server, (from, None), number, more)
    }

    fn invite(
        &self,
        server: SocketAddr,
        (user, password): (&str, Option<&str>),
        number: &str,
        more: &str,
    ) -> Result<Outgoing, u16> {
        let call_id = format!("dial-{:016x}", fastrand::u64(..));
        let rtp = self.shared.rtp(&call_id);
        let tag = fastrand::u32(..);
        let line = |method: &str, uri: &str, to: &str, cseq: u32| {
            format!(
                "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {0};branch=z9hG4bK{1:016x};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:{user}@{server}>;tag={tag:08x}\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
                 Contact: <sip:{user}@{0}>\r\n",
                self.address(),
                fastrand::u64(..)
            )
        };
        let uri = format!("sip:{number}@{server}");
        let mut credentials = String::new();
        for cseq in 1..=3 {
            let head = line("INVITE", &uri, &format!("<{uri}>"), cseq) + &credentials + more;
            let answer =
                self.transact(server, &call_id, &finish(head, &sdp(rtp.port, PCMA, self.shared.keys())));
            let to = answer.header("to").to_owned();
            match answer.status() {
                200 => {
                    if let Some(remote) = answer.rtp_address() {
                        rtp.set_remote(remote);
                    }
                    let uri = answer.contact();
                    // RFC 3261 §12.1.2: in reverse order.
                    let routes: Vec<&str> = answer.all("record-route").collect();
                    let routes = route_lines(routes.into_iter().rev());
                    let ack = finish(line("ACK", &uri, &to, cseq) + &routes, "");
                    self.socket.send_to(ack.as_bytes(), server).expect("127.0.0.1 can be reached");
                    let local = format!("<sip:{user}@{server}>;tag={tag:08x}");
                    let (remote, target) = (to.clone(), uri.clone());
                    let dialog = Dialog { local, remote, target, to: server, cseq, routes: routes.clone() };
                    lock(&self.shared.dialogs).insert(call_id.clone(), dialog);
                    // Others come in between.
                    let bye = finish(line("BYE", &uri, &to, cseq + 50) + &routes, "");
                    return Ok(Outgoing { call_id, rtp, bye, target: server });
                }
                status => {
                    let ack = finish(line("ACK", &uri, &to, cseq), "");
                    self.socket.send_to(ack.as_bytes(), server).expect("127.0.0.1 can be reached");
                    let Some(password) = password.filter(|_| status == 401) else { return Err(status) };
                    credentials = digest::authorization(&answer, "INVITE", &uri, user, password);
                }
            }
        }
        panic!("INVITE of {user} is challenged again and again");
    }

    pub fn hang_up(&self, call: &Outgoing) {
        let answer = self.transact(call.target, &call.call_id, &call.bye);
        assert_eq!(answer.status(), 200, "{}", answer.start);
    }

    /// A request within an answered call of either direction; gives the final response. `more`: header lines.
    pub fn ask(&self, call_id: &str, method: &str, more: &str, (kind, body): (&str, &str)) -> Message {
        let dialog = {
            let mut dialogs = lock(&self.shared.dialogs);
            let dialog = dialogs.get_mut(call_id).expect("the call was answered");
            dialog.cseq += 1;
            dialog.clone()
        };
        let Dialog { local, remote, target, to, cseq, routes } = dialog;
        let head = |method: &str| {
            format!(
                "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {0};branch=z9hG4bK{1:016x};rport\r\nMax-Forwards: 70\r\n\
                 From: {local}\r\nTo: {remote}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: <sip:phone@{0}>\r\n{routes}",
                self.address(),
                fastrand::u64(..)
            )
        };
        let length = body.len();
        let kind = if body.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        let text = format!("{}{more}{kind}Content-Length: {length}\r\n\r\n{body}", head(method));
        let answer = self.transact(to, call_id, &text);
        if method == "INVITE" {
            let ack = finish(head("ACK"), "");
            self.socket.send_to(ack.as_bytes(), to).expect("127.0.0.1 can be reached");
        }
        answer
    }

    /// There is a dialog of this call.
    pub fn knows(&self, call_id: &str) -> bool {
        lock(&self.shared.dialogs).contains_key(call_id)
    }

    /// Our tag and theirs in an answered call.
    pub fn tags(&self, call_id: &str) -> (String, String) {
        let dialogs = lock(&self.shared.dialogs);
        let dialog = dialogs.get(call_id).expect("the call was answered");
        let tag = |value: &str| value.rsplit(";tag=").next().unwrap_or("").to_owned();
        (tag(&dialog.local), tag(&dialog.remote))
    }

    /// Offers other media within the call: `direction` as the SDP has it.
    pub fn offer(&self, call_id: &str, direction: &str) -> Message {
        let port = self.shared.rtp(call_id).port;
        let body = sdp(port, PCMA, self.shared.keys()).replace("sendrecv", direction);
        self.ask(call_id, "INVITE", "", ("application/sdp", &body))
    }

    /// Sends the request, again every 500 ms until something comes back; gives the final response.
    fn transact(&self, target: SocketAddr, call_id: &str, request: &str) -> Message {
        let method = request.split(' ').next().unwrap_or("").to_owned();
        let (sender, responses) = mpsc::channel();
        lock(&self.shared.waiting).insert(call_id.to_owned(), sender);
        let end = Instant::now() + Duration::from_secs(40);
        let mut heard = false;
        loop {
            assert!(Instant::now() < end, "no final response to {method} from {target}");
            if !heard {
                self.socket.send_to(request.as_bytes(), target).expect("127.0.0.1 can be reached");
            }
            let Ok(response) = responses.recv_timeout(Duration::from_millis(500)) else { continue };
            heard = true;
            if response.status() >= 200 && response.cseq().1 == method {
                return response;
            }
        }
    }
}
