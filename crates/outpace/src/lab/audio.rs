//! The sound of all phones of a lab process: one thread, a slot of 5 ms, one packet of every phone each 20 ms.
//!
//! Plain sockets that are read when their turn comes are several times cheaper here than a wake-up per packet. A phone
//! that has not heard anybody yet is read in every slot, so that the first sound is timed to 5 ms.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use media::Codec;
use media::rtp::{self, HEADER_LEN, Header};

use super::tag::{Bits, FRAME_BYTES, Tag, wall_us};
use super::voice::{Frames, Voice, Voices};

const SLOT: Duration = Duration::from_millis(5);
const SLOTS_PER_FRAME: u64 = 4;
/// Further behind than this, slots are left out.
const LAG_MAX: Duration = Duration::from_millis(200);
const COMMANDS_MAX: usize = 4096;
/// Datagrams read from one phone in one slot.
const BATCH: usize = 8;
/// Different speakers that one phone remembers.
const HEARD_MAX: usize = 10_000;

/// The thread, and the way to open phones on it. It ends with the last of them.
#[derive(Clone)]
pub struct Audio {
    bind: IpAddr,
    commands: SyncSender<Command>,
    next: Arc<AtomicU64>,
}

/// One phone's sound: a socket of its own, closed when this is dropped.
pub struct Line {
    id: u64,
    addr: SocketAddr,
    ear: Arc<Ear>,
    commands: SyncSender<Command>,
}

/// What a phone has sent and heard so far.
#[derive(Default, Debug)]
pub struct Ear {
    packets_out: AtomicU64,
    packets_in: AtomicU64,
    sound_in: AtomicU64,
    heard: Mutex<Vec<Heard>>,
}

/// A lab phone at the other end was heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heard {
    pub tag: Tag,
    /// Wall clock of its first packet, microseconds since the Unix epoch.
    pub at_us: u64,
}

enum Command {
    Open(Box<Phone>, u64),
    Speak { id: u64, remote: SocketAddr, codec: Codec, voice: Voice, tag: Option<Tag> },
    Hush(u64),
    Close(u64),
}

struct Phone {
    socket: UdpSocket,
    ear: Arc<Ear>,
    speech: Option<Speech>,
    last_heard: Option<Bits>,
    /// Of the four slots in a frame, its own.
    phase: u64,
}

struct Speech {
    remote: SocketAddr,
    frames: Frames,
    at: usize,
    bits: Option<Bits>,
    header: Header,
}

impl Audio {
    /// Starts the thread. `bind`: the address of the phones' sockets.
    pub fn start(bind: IpAddr) -> io::Result<Audio> {
        let (commands, inbox) = sync_channel(COMMANDS_MAX);
        std::thread::Builder::new().name("lab-audio".into()).spawn(move || run(&inbox))?;
        Ok(Audio { bind, commands, next: Arc::default() })
    }

    /// Opens a phone's socket on a free port.
    pub fn open(&self) -> io::Result<Line> {
        let socket = UdpSocket::bind((self.bind, 0))?;
        socket.set_nonblocking(true)?;
        let addr = socket.local_addr()?;
        let ear = Arc::new(Ear::default());
        let id = self.next.fetch_add(1, Relaxed);
        let phone =
            Phone { socket, ear: ear.clone(), speech: None, last_heard: None, phase: id % SLOTS_PER_FRAME };
        self.commands
            .try_send(Command::Open(Box::new(phone), id))
            .map_err(|_| io::Error::other("the lab's audio thread is overloaded"))?;
        Ok(Line { id, addr, ear, commands: self.commands.clone() })
    }
}

impl Line {
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub fn ear(&self) -> &Arc<Ear> {
        &self.ear
    }

    /// Sends `voice` to `remote` from now on, instead of what it sent before.
    pub fn speak(&self, remote: SocketAddr, codec: Codec, voice: Voice, tag: Option<Tag>) {
        // A full queue loses the sound of this phone, which then shows as silence in the lab's own figures.
        let _ = self.commands.try_send(Command::Speak { id: self.id, remote, codec, voice, tag });
    }

    /// Sends nothing any more.
    pub fn hush(&self) {
        let _ = self.commands.try_send(Command::Hush(self.id));
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Blocks for a slot at most: the thread takes every command that waits in each slot.
        let _ = self.commands.send(Command::Close(self.id));
    }
}

impl Ear {
    pub fn packets_in(&self) -> u64 {
        self.packets_in.load(Relaxed)
    }

    pub fn packets_out(&self) -> u64 {
        self.packets_out.load(Relaxed)
    }

    /// Packets that were not silent.
    pub fn sound_in(&self) -> u64 {
        self.sound_in.load(Relaxed)
    }

    /// The lab phones that were heard, in the order in which they were first heard.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hear(&self, payload: &[u8], codec: Option<Codec>, last_heard: &mut Option<Bits>) {
        self.packets_in.fetch_add(1, Relaxed);
        let tagged = last_heard.as_ref().is_some_and(|bits| Tag::is_in(bits, payload));
        let fresh = if tagged { None } else { Tag::read(payload) };
        if tagged || fresh.is_some() || codec.is_some_and(|c| is_sound(payload, c)) {
            self.sound_in.fetch_add(1, Relaxed);
        }
        if let Some(tag) = fresh {
            *last_heard = Some(tag.bits());
            let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            if heard.len() < HEARD_MAX {
                heard.push(Heard { tag, at_us: wall_us() });
            }
        }
    }
}

/// At least a few samples that are louder than line noise (about -50 dBm0).
fn is_sound(payload: &[u8], codec: Codec) -> bool {
    let loud = payload.iter().filter(|byte| {
        let magnitude = match codec {
            Codec::Pcmu => !**byte & 0x7f,
            Codec::Pcma => (**byte ^ 0x55) & 0x7f,
        };
        magnitude > 0x10
    });
    loud.take(8).count() == 8
}

fn codec_of(payload_type: u8) -> Option<Codec> {
    [Codec::Pcmu, Codec::Pcma].into_iter().find(|codec| codec.payload_type() == payload_type)
}

fn run(inbox: &Receiver<Command>) {
    let voices = Voices::generate();
    let mut phones: BTreeMap<u64, Phone> = BTreeMap::new();
    let mut slot = 0u64;
    let mut next = Instant::now();
    loop {
        if phones.is_empty() {
            // Lines hold senders too: only without phones can the last sender be gone.
            let Ok(command) = inbox.recv() else { return };
            obey(command, &mut phones, &voices, slot);
            next = Instant::now();
        }
        for command in inbox.try_iter().take(COMMANDS_MAX) {
            obey(command, &mut phones, &voices, slot);
        }
        for phone in phones.values_mut() {
            phone.turn(slot);
        }
        slot += 1;
        next += SLOT;
        let now = Instant::now();
        match next.checked_duration_since(now) {
            Some(pause) => std::thread::sleep(pause),
            None if now - next > LAG_MAX => next = now,
            None => {}
        }
    }
}

fn obey(command: Command, phones: &mut BTreeMap<u64, Phone>, voices: &Voices, slot: u64) {
    match command {
        Command::Open(phone, id) => {
            phones.insert(id, *phone);
        }
        Command::Close(id) => {
            phones.remove(&id);
        }
        Command::Hush(id) => {
            if let Some(phone) = phones.get_mut(&id) {
                phone.speech = None;
            }
        }
        Command::Speak { id, remote, codec, voice, tag } => {
            let Some(phone) = phones.get_mut(&id) else { return };
            let before = phone.speech.take().map(|speech| speech.header);
            // One SSRC a phone; the marker says that a new piece of sound starts (RFC 3551 §4.1).
            let mut header = before.unwrap_or(Header {
                marker: true,
                payload_type: 0,
                sequence: id as u16,
                timestamp: (id as u32).wrapping_mul(7919),
                ssrc: super::fate::hash(&id.to_be_bytes()) as u32 | 1,
            });
            header.marker = true;
            header.payload_type = codec.payload_type();
            let bits = tag.map(|tag| tag.bits());
            phone.speech = Some(Speech { remote, frames: voices.frames(voice, codec), at: 0, bits, header });
            // Speaks in the coming slot, not up to 20 ms later.
            phone.phase = slot % SLOTS_PER_FRAME;
        }
    }
}

impl Phone {
    fn turn(&mut self, slot: u64) {
        let own = slot % SLOTS_PER_FRAME == self.phase;
        if own || self.last_heard.is_none() {
            self.receive();
        }
        if own && let Some(speech) = &mut self.speech {
            let packet = speech.packet();
            if self.socket.send_to(&packet, speech.remote).is_ok() {
                self.ear.packets_out.fetch_add(1, Relaxed);
            }
        }
    }

    fn receive(&mut self) {
        let mut buffer = [0u8; 2048];
        for _ in 0..BATCH {
            let Ok((length, _)) = self.socket.recv_from(&mut buffer) else { return };
            let Ok(parsed) = rtp::parse(&buffer[..length]) else { continue };
            let codec = codec_of(parsed.header.payload_type);
            self.ear.hear(&buffer[parsed.payload()], codec, &mut self.last_heard);
        }
    }
}

impl Speech {
    fn packet(&mut self) -> [u8; HEADER_LEN + FRAME_BYTES] {
        let mut packet = [0u8; HEADER_LEN + FRAME_BYTES];
        packet[..HEADER_LEN].copy_from_slice(&self.header.to_bytes());
        let payload = &mut packet[HEADER_LEN..];
        payload.copy_from_slice(&self.frames[self.at]);
        if let Some(bits) = &self.bits {
            for (byte, bit) in payload.iter_mut().zip(bits) {
                *byte = *byte & !1 | bit;
            }
        }
        self.at = (self.at + 1) % self.frames.len();
        self.header.marker = false;
        self.header.sequence = self.header.sequence.wrapping_add(1);
        self.header.timestamp = self.header.timestamp.wrapping_add(FRAME_BYTES as u32);
        packet
    }
}
