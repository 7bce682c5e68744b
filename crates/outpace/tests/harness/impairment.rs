//! A bad network between the server and a carrier: loses, doubles, delays and so reorders SIP over UDP, by a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

const LOST_PERCENT: u32 = 5;
const DOUBLED_PERCENT: u32 = 5;
const DELAYED_PERCENT: u32 = 10;
const DELAY_MAX_MS: u64 = 80;

#[derive(Default, Debug)]
pub struct Counts {
    pub passed: AtomicU32,
    pub lost: AtomicU32,
    pub doubled: AtomicU32,
    pub delayed: AtomicU32,
}

pub struct Impairment {
    pub counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
}

impl Impairment {
    /// What comes to `outside` goes to `inside` and back; each side sees only the address of the other side's port here.
    pub fn start(outside: u16, inside: u16, seed: u64) -> Impairment {
        let socket = UdpSocket::bind(("127.0.0.1", outside)).expect("the port is free");
        socket.set_read_timeout(Some(Duration::from_millis(2))).expect("not zero");
        let (counts, stop) = (Arc::new(Counts::default()), Arc::new(AtomicBool::new(false)));
        let (of_thread, stopped) = (counts.clone(), stop.clone());
        std::thread::spawn(move || run(&socket, (outside, inside), seed, &of_thread, &stopped));
        Impairment { counts, stop }
    }
}

impl Drop for Impairment {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// When it is due, its number, where it goes, and the datagram.
type Late = (Instant, u64, SocketAddr, Vec<u8>);

fn run(socket: &UdpSocket, (outside, inside): (u16, u16), seed: u64, counts: &Counts, stop: &AtomicBool) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let inner: SocketAddr = ([127, 0, 0, 1], inside).into();
    let (from, to) = (format!("127.0.0.1:{inside}"), format!("127.0.0.1:{outside}"));
    let mut server = None;
    let mut late: BinaryHeap<Reverse<Late>> = BinaryHeap::new();
    let mut number = 0u64;
    let mut buffer = vec![0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        while late.peek().is_some_and(|Reverse(l)| l.0 <= Instant::now()) {
            if let Some(Reverse((_, _, to, bytes))) = late.pop() {
                let _ = socket.send_to(&bytes, to);
            }
        }
        let Ok((len, source)) = socket.recv_from(&mut buffer) else { continue };
        let text = String::from_utf8_lossy(&buffer[..len]);
        let (target, text) = if source == inner {
            (server, text.replace(&from, &to))
        } else {
            server = Some(source);
            (Some(inner), text.replace(&to, &from))
        };
        let Some(target) = target else { continue };
        let chance = |rng: &mut fastrand::Rng, percent: u32, count: &AtomicU32| {
            let is_so = rng.u32(..100) < percent;
            count.fetch_add(u32::from(is_so), Ordering::Relaxed);
            is_so
        };
        if chance(&mut rng, LOST_PERCENT, &counts.lost) {
            continue;
        }
        counts.passed.fetch_add(1, Ordering::Relaxed);
        let copies = if chance(&mut rng, DOUBLED_PERCENT, &counts.doubled) { 2 } else { 1 };
        for _ in 0..copies {
            number += 1;
            let wait =
                if chance(&mut rng, DELAYED_PERCENT, &counts.delayed) { rng.u64(1..DELAY_MAX_MS) } else { 0 };
            let at = Instant::now() + Duration::from_millis(wait);
            late.push(Reverse((at, number, target, text.clone().into_bytes())));
        }
    }
}
