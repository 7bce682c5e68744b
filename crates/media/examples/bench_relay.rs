//! How many calls one media thread carries on this machine.
//!
//! `cargo run --release -p media --example bench_relay -- [calls] [seconds] [folder]`
//!
//! Both parties of every call send 50 packets a second; one thread plays all of them. Each packet carries the time at which
//! it was sent. Needs four files a call: `ulimit -n` must allow that. With a folder, every call is recorded into
//! it (a fifth file a call, 32 kB a second).

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use media::rtp::{self, HEADER_LEN, Header};
use media::{Codec, FRAME, LegId, LegMedia, Relay, RelayConfig, RelayEvent};
use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

/// The parties speak one after another within the 20 ms, in this many groups.
const GROUPS: usize = 20;
const PATIENCE: Duration = Duration::from_secs(10);

struct Party {
    socket: UdpSocket,
    relay: SocketAddr,
    next: Header,
}

struct Bench {
    relay: Relay,
    events: mpsc::Receiver<RelayEvent>,
    /// Customers whose calls are recorded.
    recorded: Vec<LegId>,
    poll: Poll,
    parties: Vec<Party>,
    base: Instant,
    sent: u64,
    delays_us: Vec<u32>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let calls: usize = arguments.next().map_or(Ok(500), |text| text.parse())?;
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let record = arguments.next().map(PathBuf::from);
    let mut bench = Bench::new(calls, record.as_deref())?;
    bench.run(Duration::from_secs(1))?;
    (bench.sent, bench.delays_us) = (0, Vec::with_capacity(calls * 100 * seconds as usize));
    let cpu_before = ["media", "recorder"].map(thread_cpu);
    let took = Duration::from_secs(seconds);
    bench.run(took)?;
    let mut cpu = ["media", "recorder"].map(thread_cpu);
    cpu.iter_mut().zip(cpu_before).for_each(|(after, before)| *after -= before);
    bench.report(calls, took, cpu);
    bench.report_recordings()
}

impl Bench {
    fn new(calls: usize, record: Option<&Path>) -> Result<Bench, Box<dyn Error>> {
        let config = RelayConfig {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: 10_000..=32_700,
            rtp_timeout: Duration::from_secs(60),
            port_rest: Duration::ZERO,
            legs_max: 2 * calls,
            recording_frames_max: if record.is_some() { 32_768 } else { 0 },
            listeners_max: 0,
        };
        let (sender, events) = mpsc::channel();
        let relay = Relay::start(config, move |event| sender.send(event).unwrap_or_default())?;
        let base = Instant::now();
        let (poll, parties) = (Poll::new()?, Vec::new());
        let mut bench = Bench {
            relay,
            events,
            recorded: Vec::new(),
            poll,
            parties,
            base,
            sent: 0,
            delays_us: Vec::new(),
        };
        for n in 0..calls {
            let (a, b) = (bench.party()?, bench.party()?);
            bench.relay.bridge(a, b);
            if let Some(folder) = record {
                bench.relay.record(a, b, folder.join(format!("{n}.wav")).into());
                bench.recorded.push(a);
            }
        }
        for _ in 0..calls {
            let RelayEvent::Bridged { .. } = bench.events.recv_timeout(PATIENCE)? else {
                return Err("a leg was closed".into());
            };
        }
        Ok(bench)
    }

    /// Ends the recordings and says what they came to.
    fn report_recordings(&self) -> Result<(), Box<dyn Error>> {
        self.recorded.iter().for_each(|customer| self.relay.stop_record(*customer));
        let (mut dropped, mut shortest) = (0, Duration::MAX);
        for _ in &self.recorded {
            let RelayEvent::Recorded { frames_dropped, duration, whole: true, .. } =
                self.events.recv_timeout(PATIENCE)?
            else {
                return Err("a recording is not whole".into());
            };
            dropped += frames_dropped;
            shortest = shortest.min(duration);
        }
        if !self.recorded.is_empty() {
            println!(
                "recordings        {dropped} frames dropped, the shortest has {:.1} s",
                shortest.as_secs_f64()
            );
        }
        Ok(())
    }

    fn party(&mut self) -> Result<media::LegId, Box<dyn Error>> {
        let mut socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        self.poll.registry().register(&mut socket, Token(self.parties.len()), Interest::READABLE)?;
        let (leg, relay) = self.relay.open()?;
        let remote = socket.local_addr()?;
        let media = LegMedia { remote, codec: Codec::Pcma, dtmf: None, send: true, receive: true };
        self.relay.configure(leg, media);
        let ssrc = self.parties.len() as u32;
        let next = Header { marker: false, payload_type: 8, sequence: 0, timestamp: 0, ssrc };
        self.parties.push(Party { socket, relay, next });
        Ok(leg)
    }

    /// Speaks and listens, then listens a little longer for what is still on its way.
    fn run(&mut self, duration: Duration) -> io::Result<()> {
        let begun = Instant::now();
        let slice = FRAME / GROUPS as u32;
        let slices = (duration.as_micros() / slice.as_micros()) as u32;
        let mut events = Events::with_capacity(4096);
        for n in 0..slices {
            self.speak(n as usize % GROUPS)?;
            self.listen(&mut events, begun + slice * (n + 1))?;
        }
        self.listen(&mut events, Instant::now() + Duration::from_millis(500))
    }

    fn speak(&mut self, group: usize) -> io::Result<()> {
        for party in self.parties.iter_mut().skip(group).step_by(GROUPS) {
            let mut datagram = [0xd5; HEADER_LEN + 160];
            datagram[..HEADER_LEN].copy_from_slice(&party.next.to_bytes());
            let now = self.base.elapsed().as_nanos() as u64;
            datagram[HEADER_LEN..HEADER_LEN + 8].copy_from_slice(&now.to_be_bytes());
            party.socket.send_to(&datagram, party.relay)?;
            party.next.sequence = party.next.sequence.wrapping_add(1);
            party.next.timestamp = party.next.timestamp.wrapping_add(160);
            self.sent += 1;
        }
        Ok(())
    }

    fn listen(&mut self, events: &mut Events, until: Instant) -> io::Result<()> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            self.poll.poll(events, Some(left))?;
            for event in events.iter() {
                let Token(party) = event.token();
                let mut datagram = [0; 2048];
                while let Ok((len, _)) = self.parties[party].socket.recv_from(&mut datagram) {
                    let Ok(parsed) = rtp::parse(&datagram[..len]) else { continue };
                    let Some(stamp) = datagram[parsed.payload()].first_chunk() else { continue };
                    let delay = self.base.elapsed() - Duration::from_nanos(u64::from_be_bytes(*stamp));
                    self.delays_us.push(delay.as_micros() as u32);
                }
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }

    fn report(&mut self, calls: usize, took: Duration, [cpu, recorder]: [Duration; 2]) {
        self.delays_us.sort_unstable();
        let received = self.delays_us.len();
        let delay_ms = |percent: usize| {
            self.delays_us.get(received * percent / 100).map_or(f64::NAN, |delay| f64::from(*delay) / 1000.0)
        };
        let lost = self.sent as i64 - received as i64;
        println!("calls             {calls}");
        println!("packets           {} sent, {received} received, {lost} lost", self.sent);
        println!("packets/s         {:.0}", received as f64 / took.as_secs_f64());
        println!("delay             p50 {:.2} ms, p99 {:.2} ms", delay_ms(50), delay_ms(99));
        println!("media thread      {:.1} % of a core", 100.0 * cpu.as_secs_f64() / took.as_secs_f64());
        println!("recorder thread   {:.1} % of a core", 100.0 * recorder.as_secs_f64() / took.as_secs_f64());
        println!("CPU per packet    {:.2} µs", cpu.as_secs_f64() * 1e6 / received.max(1) as f64);
    }
}

/// What the thread of this name has used so far (Linux); nothing when there is none.
fn thread_cpu(name: &str) -> Duration {
    let read = |task: &Path, file: &str| std::fs::read_to_string(task.join(file)).unwrap_or_default();
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of_name = tasks.map(|task| task.path()).find(|task| read(task, "comm").trim() == name);
    let nanos = of_name.and_then(|task| read(&task, "schedstat").split_whitespace().next()?.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}
