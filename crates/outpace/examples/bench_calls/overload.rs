//! Strangers who call in, twice as many as are admitted.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use crate::Result;
use crate::message::{self, Message};
use crate::report::percentile_ms;
use crate::server::Server;

/// What the server still has to say at the end.
const LAST: Duration = Duration::from_secs(3);

#[derive(Default)]
struct Answers {
    shed: u64,
    /// By what the server decided: any final response but 503.
    completed_us: Vec<u32>,
}

pub fn run(server: &Server, admitted: u32, seconds: u32) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let (count, pause) = (2 * admitted * seconds, Duration::from_secs(1) / (2 * admitted));
    let cpu = server.cpu()?;
    let (begun, mut waiting, mut answers) = (Instant::now(), HashMap::new(), Answers::default());
    let mut sent = 0;
    while sent < count || begun.elapsed() < pause * count + LAST {
        while sent < count && begun.elapsed() >= pause * sent {
            let invite = format!(
                "INVITE sip:0215555{sent:04}@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bKo{sent}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:stranger@{address}>;tag=f{sent}\r\nTo: <sip:0215555{sent:04}@{sip}>\r\n\
                 Call-ID: overload-{sent}\r\nCSeq: 1 INVITE\r\nContact: <sip:stranger@{address}>\r\n",
                sip = server.sip
            );
            socket.send_to(&message::end(invite, message::sdp()), server.sip)?;
            waiting.insert(format!("overload-{sent}"), Instant::now());
            sent += 1;
        }
        listen(&socket, server, &mut waiting, &mut answers)?;
        std::thread::sleep(Duration::from_micros(500));
    }
    let cpu: Duration = crate::report::since(&server.cpu()?, &cpu).values().sum();
    answers.completed_us.sort_unstable();
    let completed = answers.completed_us.len();
    println!("  INVITEs         {sent} in {seconds} s, {} a second admitted", admitted);
    println!(
        "  answered        {completed} with a decision, {} shed with 503, {} not at all",
        answers.shed,
        waiting.len()
    );
    let admitted_calls = u64::from(sent) - answers.shed;
    println!("  of the admitted {:.2} % complete", 100.0 * completed as f64 / admitted_calls.max(1) as f64);
    println!(
        "  time to decide  p50 {:.1} ms, p99 {:.1} ms",
        percentile_ms(&answers.completed_us, 50),
        percentile_ms(&answers.completed_us, 99)
    );
    println!("  server's CPU    {:.3} ms an INVITE", cpu.as_secs_f64() * 1000.0 / f64::from(sent.max(1)));
    Ok(())
}

fn listen(
    socket: &UdpSocket,
    server: &Server,
    waiting: &mut HashMap<String, Instant>,
    answers: &mut Answers,
) -> Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let len = match socket.recv_from(&mut buffer) {
            Ok((len, _)) => len,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let Some(message) = Message::parse(&buffer[..len]) else { continue };
        if !message.is_response() || message.start.starts_with('1') {
            continue;
        }
        socket.send_to(&message.ack(server.sip), server.sip)?;
        if let Some(asked) = waiting.remove(&message.call_id) {
            match message.start.as_str() {
                "503" => answers.shed += 1,
                _ => answers.completed_us.push(asked.elapsed().as_micros() as u32),
            }
        }
    }
}
