//! rtpengine, told what to relay by its ng protocol: bencoded dictionaries over UDP.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::generator::{Generator, Party};
use crate::{Result, cpu};

const PATIENCE: Duration = Duration::from_secs(10);
const INSTALL: &str = "rtpengine is not installed: apt-get install --no-install-recommends rtpengine-daemon";

pub struct RtpEngine {
    pub process: Child,
    /// Its addresses for the parties.
    pub legs: Vec<SocketAddr>,
}

/// In user space, with one thread for packets, as ours has.
pub fn start(generator: &Generator) -> Result<RtpEngine> {
    let control = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let ng = free_port()?;
    let arguments = [
        "--foreground",
        "--table=-1",
        "--interface=127.0.0.1",
        "--port-min=10000",
        "--port-max=32700",
        "--num-threads=1",
        "--log-stderr",
        "--log-level=2",
        "--no-log-timestamps",
        "--tos=184",
    ];
    let process = Command::new("rtpengine")
        .arg("--config-file=none")
        .args(arguments)
        .arg(format!("--listen-ng=127.0.0.1:{ng}"))
        .stdout(Stdio::null())
        .spawn()
        .map_err(|_| INSTALL)?;
    let mut relay = RtpEngine { process, legs: Vec::new() };
    control.connect((Ipv4Addr::LOCALHOST, ng))?;
    let result = relay.set_up(&control, generator);
    match result {
        Ok(()) => Ok(relay),
        Err(error) => {
            relay.end();
            Err(error)
        }
    }
}

fn free_port() -> Result<u16> {
    Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

impl RtpEngine {
    fn set_up(&mut self, control: &UdpSocket, generator: &Generator) -> Result<()> {
        wait_until_it_answers(control)?;
        let parties: Vec<&Party> = generator.parties().collect();
        for (n, call) in parties.chunks_exact(2).enumerate() {
            let id = format!("call-{n}");
            let tags = [("call-id", id.as_str()), ("from-tag", "customer")];
            let offer = request(control, "offer", &tags, Some(call[0].address))?;
            let both = [tags[0], tags[1], ("to-tag", "agent")];
            let answer = request(control, "answer", &both, Some(call[1].address))?;
            // The answer tells the customer where to send, the offer the agent.
            self.legs.extend([port(&answer)?, port(&offer)?]);
        }
        cpu::pin(self.process.id(), cpu::RELAY)
    }

    pub fn end(mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn wait_until_it_answers(control: &UdpSocket) -> Result<()> {
    control.set_read_timeout(Some(Duration::from_millis(200)))?;
    let end = Instant::now() + PATIENCE;
    while request(control, "ping", &[], None).is_err() {
        if Instant::now() > end {
            return Err("rtpengine does not answer".into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    control.set_read_timeout(Some(PATIENCE))?;
    Ok(())
}

fn request(
    control: &UdpSocket,
    command: &str,
    tags: &[(&str, &str)],
    media: Option<SocketAddr>,
) -> Result<String> {
    let mut fields: BTreeMap<&str, String> = tags.iter().map(|(key, value)| (*key, string(value))).collect();
    fields.insert("command", string(command));
    if let Some(address) = media {
        fields.insert("sdp", string(&sdp(address)));
        fields.insert("ICE", string("remove"));
        fields.insert("replace", format!("l{}e", string("origin")));
    }
    let dictionary: String = fields.iter().map(|(key, value)| string(key) + value).collect();
    control.send(format!("{} d{dictionary}e", fastrand::u64(..)).as_bytes())?;
    let mut reply = vec![0; 65_536];
    let len = control.recv(&mut reply)?;
    let reply = String::from_utf8_lossy(&reply[..len]).into_owned();
    if reply.contains("5:error") {
        return Err(format!("rtpengine refuses: {reply}").into());
    }
    Ok(reply)
}

fn string(text: &str) -> String {
    format!("{}:{text}", text.len())
}

fn sdp(address: SocketAddr) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n\
         a=rtpmap:8 PCMA/8000\r\na=ptime:20\r\na=sendrecv\r\n",
        ip = address.ip(),
        port = address.port()
    )
}

/// Of the audio stream in the SDP of a reply.
fn port(reply: &str) -> Result<SocketAddr> {
    let line = reply.split("m=audio ").nth(1).ok_or_else(|| format!("no audio in {reply}"))?;
    let port = line.split(' ').next().unwrap_or_default().parse()?;
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}
