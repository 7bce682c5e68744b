//! Customers who call in, twice as many as are admitted.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::Result;
use crate::crm::{Crm, settled};
use crate::field::Seen;
use crate::message::{self, Message};
use crate::report::{percentile_ms, print_threads, since};
use crate::server::{CALLER_ID, Server};

/// What is not over so long after the last call was placed is counted as it is then.
const LAST: Duration = Duration::from_secs(10);
/// From the answer to the customer's BYE.
const TALK: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_micros(500);
const SOCKET_BUFFER: usize = 4 << 20;

/// Customers of one trunk, on one socket.
pub struct Callers<'a> {
    server: &'a Server,
    socket: UdpSocket,
    address: SocketAddr,
    calls: HashMap<String, Call>,
    due: BinaryHeap<Reverse<(Instant, String)>>,
    counted: Counted,
}

struct Call {
    placed: Instant,
    /// From the answer on.
    contact: Option<String>,
    to: String,
}

#[derive(Default)]
struct Counted {
    placed: u64,
    shed: u64,
    /// By any other final response but 200.
    refused: u64,
    answered: u64,
    /// Their BYE was answered.
    complete: u64,
    /// From the INVITE to its 200, and to its 503.
    answer_us: Vec<u32>,
    shed_us: Vec<u32>,
}

impl<'a> Callers<'a> {
    pub fn bind(server: &'a Server) -> Result<Callers<'a>> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(SOCKET_BUFFER)?;
        let address = socket.local_addr()?;
        let (calls, due) = (HashMap::new(), BinaryHeap::new());
        Ok(Callers { server, socket, address, calls, due, counted: Counted::default() })
    }

    /// `2 * admitted` calls a second for so long; then until all are over.
    pub fn run(&mut self, admitted: u32, seconds: u32) -> Result<()> {
        let (count, pause) = (2 * admitted * seconds, Duration::from_secs(1) / (2 * admitted));
        let begun = Instant::now();
        let mut sent = 0;
        while sent < count || (!self.calls.is_empty() && begun.elapsed() < pause * count + LAST) {
            while sent < count && begun.elapsed() >= pause * sent {
                self.call(sent)?;
                sent += 1;
            }
            self.listen()?;
            self.hang_up()?;
            std::thread::sleep(TICK);
        }
        Ok(())
    }

    fn head(&self, method: &str, target: &str, n: &str, cseq: u32, to: &str) -> String {
        let address = self.address;
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{method}{n}\r\nMax-Forwards: 70\r\n\
             From: <sip:139{n:0>8}@{address}>;tag=f{n}\r\nTo: {to}\r\nCall-ID: {n}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:caller@{address}>\r\n"
        )
    }

    fn call(&mut self, n: u32) -> Result<()> {
        let (n, target) = (n.to_string(), format!("sip:{CALLER_ID}@{}", self.server.sip));
        let to = format!("<{target}>");
        let invite = message::end(self.head("INVITE", &target, &n, 1, &to), &message::sdp(message::SILENT));
        self.socket.send_to(&invite, self.server.sip)?;
        self.counted.placed += 1;
        self.calls.insert(n, Call { placed: Instant::now(), contact: None, to });
        Ok(())
    }

    fn listen(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        loop {
            let len = match self.socket.recv_from(&mut buffer) {
                Ok((len, _)) => len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let Some(message) = Message::parse(&buffer[..len]) else { continue };
            if !message.is_response() {
                // The server ends a call itself when nobody is free.
                let response = message.response(200, "x", self.address, "");
                self.socket.send_to(&response, self.server.sip)?;
                self.calls.remove(&message.call_id);
            } else if !message.start.starts_with('1') {
                self.answered(&message)?;
            }
        }
    }

    fn answered(&mut self, response: &Message) -> Result<()> {
        let id = &response.call_id;
        if response.method() == "BYE" {
            self.counted.complete += u64::from(self.calls.remove(id).is_some());
            return Ok(());
        }
        if response.start != "200" {
            self.socket.send_to(&response.ack(self.server.sip), self.server.sip)?;
            let Some(call) = self.calls.remove(id) else { return Ok(()) };
            match response.start.as_str() {
                "503" => {
                    self.counted.shed += 1;
                    self.counted.shed_us.push(call.placed.elapsed().as_micros() as u32);
                }
                _ => self.counted.refused += 1,
            }
            return Ok(());
        }
        let Some(call) = self.calls.get_mut(id) else { return Ok(()) };
        let contact = response.contact.trim_start_matches('<').split('>').next().unwrap_or_default();
        call.to.clone_from(&response.to);
        if call.contact.replace(contact.to_owned()).is_none() {
            self.counted.answered += 1;
            self.counted.answer_us.push(call.placed.elapsed().as_micros() as u32);
            self.due.push(Reverse((Instant::now() + TALK, id.clone())));
        }
        // Also when it comes again: the first ACK may have been lost.
        let ack = message::end(self.head("ACK", contact, id, 1, &response.to), "");
        self.socket.send_to(&ack, self.server.sip)?;
        Ok(())
    }

    fn hang_up(&mut self) -> Result<()> {
        let now = Instant::now();
        while self.due.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((_, id))) = self.due.pop() else { break };
            let Some(Call { contact: Some(contact), to, .. }) = self.calls.get(&id) else { continue };
            let bye = message::end(self.head("BYE", contact, &id, 2, to), "");
            self.socket.send_to(&bye, self.server.sip)?;
        }
        Ok(())
    }
}

/// Each admitted call should reach an agent and end with a bill.
pub fn run(server: &Server, crm: &Crm, admitted: u32, seconds: u32, seen: impl Fn() -> Seen) -> Result<()> {
    let cpu = server.cpu()?;
    let mut callers = Callers::bind(server)?;
    callers.run(admitted, seconds)?;
    let cpu = since(&server.cpu()?, &cpu);
    let bills = settled(Duration::from_secs(1), || crm.incoming_bills())?;
    let Counted { placed, shed, refused, answered, complete, answer_us, shed_us } = &mut callers.counted;
    let (taken, unheard) = (*placed - *shed, callers.calls.len());
    println!("  calls           {placed} in {seconds} s; {admitted} a second are admitted");
    println!("  shed with 503   {shed}; refused otherwise {refused}; not over or not answered {unheard}");
    println!("  admitted        {taken}: {answered} answered, {complete} hung up by the customer");
    println!("  complete        {:.2} % of the admitted", 100.0 * *complete as f64 / taken.max(1) as f64);
    println!("  phones          {} rung, {} legs over", seen().offered, seen().over);
    println!("  bills           {bills}, {} of the answered lost", *answered as i64 - bills as i64);
    answer_us.sort_unstable();
    shed_us.sort_unstable();
    for (what, times) in [("INVITE to 200  ", answer_us), ("INVITE to 503  ", shed_us)] {
        println!("  {what} p50 {:.1} ms, p99 {:.1} ms", percentile_ms(times, 50), percentile_ms(times, 99));
    }
    print_threads(&cpu, *placed);
    Ok(())
}
