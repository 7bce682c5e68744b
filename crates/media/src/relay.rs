//! The relay's whole surface. One media thread owns every socket and leg; the handle sends it commands.

mod analyst;
mod dtls;
mod incoming;
mod keys;
mod latch;
mod leg;
mod listening;
mod ogg_file;
mod outgoing;
mod piece;
mod playback;
mod ports;
mod recorder;
mod recording;
mod reports;
mod thread;
mod timeline;
mod timers;
mod transcoding;
mod watch;
mod wav_file;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::detect::{Heard, Label, ListenerConfig};
use crate::ice::IceCredentials;
use crate::mix::Gain;
use crate::srtp::SrtpKeys;
use crate::{Quality, Sound};
use dtls::{Handshakes, Identity};
use listening::{EarsMax, Listening};
use ports::PortPool;
use recording::Recordings;
use thread::{Command, MediaThread, Shared};
use watch::Watch;

pub use dtls::DtlsPeer;

/// Of the media thread.
const NICE: i32 = -10;

/// One side of a call, from `open` to `Closed`. Never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LegId(pub u64);

/// G.711, in one of its laws.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Codec {
    Pcmu,
    Pcma,
}

impl Codec {
    /// RTP payload type (RFC 3551).
    pub const fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        }
    }
}

/// What a telephone speaks that is not G.711, and the relay turns into it and back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Wide {
    pub codec: WideCodec,
    pub payload_type: u8,
    /// Events (RFC 4733) have the clock of the sound, 48 kHz, and not 8.
    pub has_fast_events: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum WideCodec {
    G722,
    Opus,
}

#[derive(Clone, Debug)]
pub struct RelayConfig {
    /// Address of the RTP sockets.
    pub bind: IpAddr,
    /// Even ports of it are used.
    pub ports: RangeInclusive<u16>,
    /// RTP that flowed and then stopped for this long is reported as `Silent`.
    pub rtp_timeout: Duration,
    /// A closed port at which RTP came is not used again before this.
    pub port_rest: Duration,
    pub legs_max: usize,
    /// Frames of 20 ms that may wait for the thread that writes recordings, 200 bytes each; what comes above is missing in
    /// the recording. 0: nothing can be recorded.
    pub recording_frames_max: usize,
    /// Legs that may be listened to at once, with 1.6 kB for each; whoever comes above hears nothing. 0: none.
    pub listeners_max: usize,
    /// Legs in whose sound keys may be looked for at once, with 1.6 kB for each. 0: none.
    pub key_tones_max: usize,
}

/// What a leg sends and gets, from its SDP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LegMedia {
    /// Where RTP goes, from the SDP; the source of the first packets may correct it (symmetric RTP).
    pub remote: SocketAddr,
    pub codec: Codec,
    /// The far end speaks this; for everybody else in the relay it is `codec`.
    pub wide: Option<Wide>,
    /// Payload type of telephone-event (RFC 4733), when agreed.
    pub dtmf: Option<u8>,
    /// Where RTCP goes, from the SDP; it comes to the port after the leg's own then. None: it is on the ports of RTP
    /// (RFC 5761).
    pub rtcp: Option<SocketAddr>,
    /// The far end wants to hear / sends (a=sendrecv, sendonly, recvonly, inactive).
    pub send: bool,
    pub receive: bool,
}

impl LegMedia {
    /// RTP is expected: who holds the call may stop sending, whatever the SDP says.
    pub(crate) const fn is_expected(&self) -> bool {
        self.send && self.receive
    }
}

#[derive(Clone, PartialEq, Debug)]
pub enum RelayEvent {
    /// Both directions are open.
    Bridged {
        a: LegId,
        b: LegId,
        at: Instant,
    },
    /// The sound was sent to its end. Which one it was: when another is played in its place at that moment, the news is
    /// still on its way.
    Played {
        leg: LegId,
        sound: Arc<Sound>,
    },
    /// A key was pressed at the far end: one of 0 to 9, star, hash, A to D. Told once, when it begins.
    Pressed {
        leg: LegId,
        key: char,
        by: PressedBy,
    },
    /// RTP flowed from this leg and has stopped for `rtp_timeout`.
    Silent {
        leg: LegId,
    },
    /// What `measure` asked for.
    Measured {
        leg: LegId,
        about: u64,
        quality: Quality,
    },
    Closed {
        leg: LegId,
        stats: LegStats,
    },
    /// A leg that is listened to sounds of something; activities are not told.
    Heard {
        leg: LegId,
        what: Heard,
        /// What an announcement says.
        label: Option<Label>,
    },
    /// The recording of this customer is written to its end.
    Recorded {
        customer: LegId,
        path: Arc<Path>,
        duration: Duration,
        /// Of the file; 0: there is none.
        bytes: u64,
        /// Frames of 20 ms that are missing because the writer did not keep up.
        frames_dropped: u64,
        /// Not given up because of an error of the disk.
        whole: bool,
    },
}

/// How a key was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PressedBy {
    /// As an event of RTP (RFC 4733).
    Event,
    /// As tones in the sound, which whoever hears the leg hears too.
    Tones,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LegStats {
    pub packets_in: u64,
    pub packets_out: u64,
    /// Dropped: not RTP, unknown payload type, wrong source. Once the source is pinned, the kernel drops what others send,
    /// uncounted.
    pub packets_refused: u64,
    /// By sequence number.
    pub packets_lost: u64,
    /// Of 20 ms, missing in the recording because its writer did not keep up.
    pub frames_unrecorded: u64,
    /// Of 20 ms, that the analyst took for lost because it did not keep up.
    pub frames_unheard: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("no RTP port is free in the configured range")]
    NoPort,
    #[error("the relay's limit of legs is reached")]
    Full,
    #[error("socket: {0}")]
    Socket(#[from] std::io::Error),
}

/// The handle to the media thread. Clones are cheap and serve any thread; no call waits for the media thread. Calls for a
/// leg that is closed, or was never there, do nothing.
///
/// The thread ends, and every socket with it, when the last handle is dropped. There are no `Closed` events for that.
#[derive(Clone)]
pub struct Relay {
    handle: Arc<Handle>,
}

struct Handle {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
    bind: IpAddr,
    legs_max: usize,
    next_leg: AtomicU64,
    /// Of the certificate that DTLS shows.
    fingerprint: String,
}

impl Relay {
    /// Starts the media thread.
    ///
    /// `on_event` is called on that thread, between two packets: it must hand the event over and return at once (a send into
    /// a channel), never wait. It may call the relay, but must not own a handle, or the thread never ends.
    pub fn start(
        config: RelayConfig,
        on_event: impl Fn(RelayEvent) + Send + 'static,
    ) -> Result<Relay, RelayError> {
        let watch = Watch::new()?;
        let alarm = watch.alarm();
        // Not bounded by itself, because a caller must never wait here; every turn of the thread empties it.
        let (commands, received) = mpsc::channel();
        let ports = Mutex::new(PortPool::new(config.ports, config.port_rest));
        let shared =
            Arc::new(Shared { alarm, ports, legs: AtomicUsize::new(0), transcoded: AtomicUsize::new(0) });
        let recordings = match config.recording_frames_max {
            0 => None,
            frames_max => Some(Handle::recordings(frames_max, commands.clone(), shared.clone())?),
        };
        let ears = EarsMax { listeners: config.listeners_max, keypads: config.key_tones_max };
        let listening = match ears {
            EarsMax { listeners: 0, keypads: 0 } => None,
            ears => Some(Handle::listening(ears, commands.clone(), shared.clone())?),
        };
        let identity = Identity::new()?;
        let handshakes = Handle::handshakes(&identity, commands.clone(), shared.clone())?;
        let side_work = thread::SideWork { recordings, listening, handshakes };
        let media =
            MediaThread::new(watch, received, shared.clone(), config.rtp_timeout, side_work, on_event);
        std::thread::Builder::new().name("media".into()).spawn(move || {
            prefer_this_thread();
            media.run();
        })?;
        let (bind, legs_max) = (config.bind, config.legs_max);
        let fingerprint = identity.fingerprint;
        let handle = Handle { commands, shared, bind, legs_max, next_leg: AtomicU64::new(1), fingerprint };
        Ok(Relay { handle: Arc::new(handle) })
    }

    /// Binds a port and opens a leg on it. The address is the local one, with `RelayConfig::bind` as its host.
    ///
    /// Until it is configured, a leg takes and sends nothing.
    pub fn open(&self) -> Result<(LegId, SocketAddr), RelayError> {
        let handle = &self.handle;
        let room = |legs: usize| (legs < handle.legs_max).then_some(legs + 1);
        if handle.shared.legs.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            return Err(RelayError::Full);
        }
        let opened = handle.open();
        if opened.is_err() {
            handle.shared.legs.fetch_sub(1, Ordering::Relaxed);
        }
        opened
    }

    /// Tells where the far end is and what it speaks; again when a re-INVITE changes it.
    pub fn configure(&self, leg: LegId, media: LegMedia) {
        self.handle.command(Command::Configure { leg, media });
    }

    /// From now on the leg sends and takes SRTP with these keys and nothing else; before `configure`, not one plain packet
    /// passes. The same keys again change nothing. Without keys it is plain again.
    pub fn secure(&self, leg: LegId, keys: Option<SrtpKeys>) {
        self.handle.command(Command::Secure { leg, keys: keys.map(Box::new) });
    }

    /// The leg is a browser's (RFC 8827): its address is found by ICE, in which ours is the passive side, and its keys by
    /// DTLS. Before that, not one packet passes. `Silent` tells that no keys could be agreed. The same again changes nothing.
    pub fn web(&self, leg: LegId, ours: IceCredentials, peer: DtlsPeer) {
        self.handle.command(Command::Web { leg, ours, peer });
    }

    /// SHA-256 of the certificate that is shown to browsers, as `a=fingerprint` has it.
    pub fn fingerprint(&self) -> &str {
        &self.handle.fingerprint
    }

    /// Each leg hears the other from now on, and nobody else. `Bridged` follows once both are configured.
    pub fn bridge(&self, a: LegId, b: LegId) {
        self.handle.command(Command::Bridge { a, b });
    }

    /// The leg and its partner hear each other no more.
    pub fn unbridge(&self, leg: LegId) {
        self.handle.command(Command::Unbridge { leg });
    }

    /// From now on each of these legs hears the others of them, mixed every 20 ms: `gains[listener][speaker]`, in their
    /// order. What they were in before, bridges or mixes, ends for them; `bridge` leads back from it. The same legs again
    /// in the same order: only the gains change. Keys that one presses are pressed on the legs of those who
    /// hear that one. A mix of legs that are not there, of
    /// more than `MIX_MEMBERS_MAX`, or whose gains are not as many, is none.
    pub fn mix(&self, legs: Vec<LegId>, gains: Vec<Vec<Gain>>) {
        self.handle.command(Command::Mix { legs, gains });
    }

    /// Plays a sound to the leg, from its start, in place of a bridge's sound and of what plays already (for which no
    /// `Played` comes). A leg that is not configured yet hears it once it is.
    pub fn play(&self, leg: LegId, sound: Arc<Sound>) {
        self.handle.command(Command::Play { leg, sound });
    }

    /// Ends what plays; no `Played` comes.
    pub fn stop(&self, leg: LegId) {
        self.handle.command(Command::Stop { leg });
    }

    /// Presses a key on the leg, in place of its sound (RFC 4733); one after the other, when there are several. Nothing
    /// happens where events were not agreed on.
    pub fn press(&self, leg: LegId, key: char) {
        self.handle.command(Command::Press { leg, key });
    }

    /// Records both legs into a WAV file of 8 kHz, 16 bit, stereo, or where the path ends in `.ogg` as Opus in Ogg: what the customer says is left, what the agent says right.
    /// Sound only: key presses and comfort noise are silence. The file can be played while it grows. `Recorded` follows
    /// after the end, which is `stop_record` or the end of the customer's leg.
    ///
    /// Again with the same path, the recording goes on with another agent's leg; with another path, a new one begins.
    /// `Recorded` follows as well, at once and without a file, when there is no such leg or
    /// `RelayConfig::recording_frames_max` is 0.
    pub fn record(&self, customer: LegId, agent: LegId, path: Arc<Path>) {
        self.handle.command(Command::Record { customer, agent, path });
    }

    /// Ends the recording of this customer; `Recorded` follows once it is written.
    pub fn stop_record(&self, customer: LegId) {
        self.handle.command(Command::StopRecord { customer });
    }

    /// Listens to what comes from the leg; `Heard` follows for whatever is recognised. Again: everything that was heard is
    /// forgotten. Nothing is heard while `RelayConfig::listeners_max` others are listened to.
    pub fn listen(&self, leg: LegId, config: ListenerConfig) {
        self.handle.command(Command::Listen { leg, config: Box::new(config) });
    }

    /// A leg that sounded before its answer has answered: its RTP may come from elsewhere from now on. If it is listened to, it
    /// is judged from here on who speaks.
    pub fn answered(&self, leg: LegId) {
        self.handle.command(Command::Answered { leg });
    }

    /// Ends what `listen` began; what was recognised before may still be told.
    pub fn stop_listening(&self, leg: LegId) {
        self.handle.command(Command::StopListening { leg });
    }

    /// Keys that come as tones in the leg's sound are told as `Pressed` from now on, until one comes as an event: who sends
    /// events is taken at its word. Again: nothing changes. Nothing is told while `RelayConfig::key_tones_max` other legs are
    /// listened to like this.
    pub fn listen_for_keys(&self, leg: LegId) {
        self.handle.command(Command::ListenForKeys { leg });
    }

    /// Tells by `Measured`, with `about`, how the leg was since this was asked last, or since it was opened. Of a leg that is
    /// not there nothing is known.
    pub fn measure(&self, leg: LegId, about: u64) {
        self.handle.command(Command::Measure { leg, about });
    }

    /// Ends the leg; `Closed` follows. Its port rests for `RelayConfig::port_rest`, if RTP came there.
    pub fn close(&self, leg: LegId) {
        self.handle.command(Command::Close { leg });
    }

    /// Legs that are turned from another codec into G.711 and back now.
    pub fn transcoded(&self) -> usize {
        self.handle.shared.transcoded.load(Ordering::Relaxed)
    }

    /// Legs that are open now; a closing one counts until its `Closed`.
    pub fn legs(&self) -> usize {
        self.handle.shared.legs.load(Ordering::Relaxed)
    }
}

/// Sound before everything else that this process does, where the system allows it (CAP_SYS_NICE or a limit of niceness).
fn prefer_this_thread() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE) {
        tracing::debug!(%error, "the media thread has no priority over others");
    }
}

impl Handle {
    /// What the writer says goes through the media thread, so that all events come from there.
    fn recordings(
        frames_max: usize,
        commands: mpsc::Sender<Command>,
        shared: Arc<Shared>,
    ) -> io::Result<Recordings> {
        Recordings::start(frames_max, move |finished| {
            // The media thread takes it even when it is about to end.
            let _ = commands.send(Command::Recorded(finished));
            let _ = shared.alarm.ring();
        })
    }

    /// What becomes of handshakes, too.
    fn handshakes(
        identity: &Identity,
        commands: mpsc::Sender<Command>,
        shared: Arc<Shared>,
    ) -> io::Result<Handshakes> {
        Handshakes::start(identity, move |told| {
            let _ = commands.send(Command::Handshake(told));
            let _ = shared.alarm.ring();
        })
    }

    /// What the analyst says goes through the media thread as well.
    fn listening(
        ears_max: EarsMax,
        commands: mpsc::Sender<Command>,
        shared: Arc<Shared>,
    ) -> io::Result<Listening> {
        Listening::start(ears_max, move |event| {
            let _ = commands.send(Command::Tell(Box::new(event)));
            let _ = shared.alarm.ring();
        })
    }

    fn open(&self) -> Result<(LegId, SocketAddr), RelayError> {
        let tries = self.shared.with_ports(|ports| ports.len());
        for _ in 0..tries {
            let now = Instant::now();
            let port = self.shared.with_ports(|ports| ports.take(now)).ok_or(RelayError::NoPort)?;
            match ports::bind(self.bind, port) {
                Ok(socket) => return self.opened(socket, port),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                    self.shared.with_ports(|ports| ports.rest(port, now));
                }
                Err(error) => {
                    self.shared.with_ports(|ports| ports.give_back(port));
                    return Err(error.into());
                }
            }
        }
        Err(RelayError::NoPort)
    }

    fn opened(&self, socket: std::net::UdpSocket, port: u16) -> Result<(LegId, SocketAddr), RelayError> {
        let address = SocketAddr::new(self.bind, port);
        let leg = LegId(self.next_leg.fetch_add(1, Ordering::Relaxed));
        if !self.command(Command::Open { leg, socket, port }) {
            return Err(io::Error::other("the media thread has ended").into());
        }
        Ok((leg, address))
    }

    /// Whether the thread is there to take it.
    fn command(&self, command: Command) -> bool {
        if self.commands.send(command).is_err() {
            tracing::error!("the media thread has ended");
            return false;
        }
        if let Err(error) = self.shared.alarm.ring() {
            // It takes the command with the next packet or timer.
            tracing::warn!(%error, "the media thread was not woken");
        }
        true
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A thread that has ended already needs no telling.
        let _ = self.commands.send(Command::End);
        let _ = self.shared.alarm.ring();
    }
}
