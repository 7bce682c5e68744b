//! The media thread: waits for sockets, timers and commands, and does what they ask. No allocation and no lock a packet.

mod load;
mod mixing;
mod passing;
mod pressing;
mod quieting;
mod reporting;
mod taps;
mod web;

use std::collections::HashMap;
use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::dtls::{DtlsPeer, Handshakes, Told};
use super::leg::Leg;
use super::listening::Listening;
use super::playback::{Next, Playback};
use super::ports::PortPool;
use super::recorder::Finished;
use super::recording::{Recordings, Side};
use super::timers::{Due, Timer, Timers};
use super::watch::{Alarm, READY_MAX, Ready, Watch};
use super::{LegId, LegMedia, RelayEvent};
use crate::Sound;
use crate::detect::ListenerConfig;
use crate::ice::IceCredentials;
use crate::mix::Gain;
use crate::rtp::PACKET_MAX;
use crate::srtp::SrtpKeys;
use load::Load;
pub(super) use mixing::MixSeat;
use mixing::Rooms;
pub(super) use quieting::Quiet;
use reporting::APART;

/// Under much load, the thread sleeps so long between two looks at the sockets.
const NAP: Duration = Duration::from_millis(1);

pub(super) enum Command {
    Open {
        leg: LegId,
        socket: UdpSocket,
        port: u16,
    },
    Configure {
        leg: LegId,
        media: LegMedia,
    },
    Secure {
        leg: LegId,
        keys: Option<Box<SrtpKeys>>,
    },
    Web {
        leg: LegId,
        ours: IceCredentials,
        peer: DtlsPeer,
    },
    /// From the thread that does them.
    Handshake(Told),
    Bridge {
        a: LegId,
        b: LegId,
    },
    Unbridge {
        leg: LegId,
    },
    Mix {
        legs: Vec<LegId>,
        gains: Vec<Vec<Gain>>,
    },
    Play {
        leg: LegId,
        sound: Arc<Sound>,
    },
    Stop {
        leg: LegId,
    },
    Press {
        leg: LegId,
        key: char,
    },
    Measure {
        leg: LegId,
        about: u64,
    },
    Close {
        leg: LegId,
    },
    Record {
        customer: LegId,
        agent: LegId,
        path: Arc<Path>,
    },
    StopRecord {
        customer: LegId,
    },
    Recorded(Finished),
    Listen {
        leg: LegId,
        config: Box<ListenerConfig>,
    },
    Answered {
        leg: LegId,
    },
    StopListening {
        leg: LegId,
    },
    ListenForKeys {
        leg: LegId,
    },
    /// From the analyst.
    Tell(Box<RelayEvent>),
    End,
}

/// What the thread shares with the handles; touched at open and close only.
pub(super) struct Shared {
    pub(super) alarm: Alarm,
    pub(super) ports: Mutex<PortPool>,
    pub(super) legs: AtomicUsize,
    /// Legs that are transcoded.
    pub(super) transcoded: AtomicUsize,
}

impl Shared {
    /// The pool is whole after a panic elsewhere: each of its calls is one step.
    pub(super) fn with_ports<T>(&self, act: impl FnOnce(&mut PortPool) -> T) -> T {
        act(&mut self.ports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The leg's socket must be closed before. `heard`: packets came, and some may come still.
    fn released(&self, port: u16, heard: bool) {
        self.with_ports(|ports| match heard {
            true => ports.rest(port, Instant::now()),
            false => ports.give_back(port),
        });
        self.legs.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What other threads do with copies of the sound.
pub(super) struct SideWork {
    pub(super) recordings: Option<Recordings>,
    pub(super) listening: Option<Listening>,
    pub(super) handshakes: Handshakes,
}

pub(super) struct MediaThread<F> {
    watch: Watch,
    commands: Receiver<Command>,
    rtp_timeout: Duration,
    slots: Vec<Option<Leg>>,
    free: Vec<usize>,
    ids: HashMap<LegId, usize>,
    load: Load,
    timers: Timers,
    rooms: Rooms,
    /// One byte more than is taken, so that a longer datagram is seen to be longer.
    datagram: [u8; PACKET_MAX + 1],
    recordings: Option<Recordings>,
    listening: Option<Listening>,
    handshakes: Handshakes,
    shared: Arc<Shared>,
    /// Last, so that it is dropped last: who sees its channel end knows that the sockets are closed.
    on_event: F,
}

impl<F: Fn(RelayEvent)> MediaThread<F> {
    pub(super) fn new(
        watch: Watch,
        commands: Receiver<Command>,
        shared: Arc<Shared>,
        rtp_timeout: Duration,
        side_work: SideWork,
        on_event: F,
    ) -> MediaThread<F> {
        MediaThread {
            watch,
            commands,
            rtp_timeout,
            slots: Vec::new(),
            free: Vec::new(),
            ids: HashMap::new(),
            load: Load::new(Instant::now()),
            timers: Timers::default(),
            rooms: Rooms::default(),
            datagram: [0; PACKET_MAX + 1],
            recordings: side_work.recordings,
            listening: side_work.listening,
            handshakes: side_work.handshakes,
            shared,
            on_event,
        }
    }

    /// Until the last handle is gone. Recordings are written to their end.
    pub(super) fn run(mut self) {
        self.turn_until_the_end();
        if let Some(recordings) = self.recordings.take() {
            recordings.finish(Instant::now());
        }
        if let Some(listening) = self.listening.take() {
            listening.finish();
        }
        while let Ok(command) = self.commands.try_recv() {
            if let Command::Recorded(finished) = command {
                self.recorded(finished);
            }
        }
        self.handshakes.finish();
    }

    fn turn_until_the_end(&mut self) {
        let mut ready = Ready::new();
        loop {
            let patience = if ready.slots.is_empty() { self.patience() } else { Some(Duration::ZERO) };
            if let Err(error) = self.watch.wait(&mut ready, patience) {
                tracing::error!(%error, "the media thread cannot wait for its sockets and ends");
                return;
            }
            if !self.obey() {
                return;
            }
            let now = Instant::now();
            // Playback first: it is little work, and its time is heard.
            while let Some(timer) = self.timers.pop(now) {
                match timer.due {
                    Due::Playback => self.play_on(timer, now),
                    Due::Silence => self.check_silence(timer, now),
                    Due::Mix => self.mix_on(timer, now),
                    Due::Key => self.press_further(timer, now),
                    Due::Noise => self.noise_on(timer, now),
                    Due::Report => self.report(timer, now),
                }
            }
            let count = ready.slots.len();
            self.read_all(&mut ready.slots, now);
            if self.load.is_high(count, now) && count < READY_MAX {
                std::thread::sleep(NAP);
            }
        }
    }

    /// One packet of each. Those sockets stay that may have more.
    fn read_all(&mut self, ready: &mut Vec<usize>, now: Instant) {
        ready.retain(|slot| match slot & APART {
            0 => self.read(*slot, now),
            _ => self.read_apart(slot & !APART, now),
        });
    }

    fn patience(&self) -> Option<Duration> {
        self.timers.next().map(|at| at.saturating_duration_since(Instant::now()))
    }

    fn leg(&mut self, slot: usize) -> Option<&mut Leg> {
        self.slots.get_mut(slot)?.as_mut()
    }

    fn slot(&self, leg: LegId) -> Option<usize> {
        self.ids.get(&leg).copied()
    }

    fn emit(&self, event: RelayEvent) {
        (self.on_event)(event);
    }
}

/// Commands.
impl<F: Fn(RelayEvent)> MediaThread<F> {
    /// Whether to go on.
    fn obey(&mut self) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(Command::End) | Err(TryRecvError::Disconnected) => return false,
                Ok(command) => self.command(command, Instant::now()),
                Err(TryRecvError::Empty) => return true,
            }
        }
    }

    fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Open { leg, socket, port } => self.open(leg, socket, port, now),
            Command::Configure { leg, media } => self.configure(leg, media, now),
            Command::Secure { leg, keys } => {
                if let Some(leg) = self.slot(leg).and_then(|slot| self.leg(slot)) {
                    leg.secure(keys.as_deref());
                }
            }
            Command::Web { leg, ours, peer } => self.web(leg, ours, peer),
            Command::Handshake(told) => self.handshake(told),
            Command::Bridge { a, b } => self.bridge(a, b, now),
            Command::Unbridge { leg } => {
                if let Some(slot) = self.slot(leg) {
                    self.unbridge(slot);
                }
            }
            Command::Mix { legs, gains } => self.mix(&legs, gains, now),
            Command::Play { leg, sound } => self.play(leg, sound, now),
            Command::Stop { leg } => {
                if let Some(leg) = self.slot(leg).and_then(|slot| self.leg(slot)) {
                    leg.playing = None;
                }
            }
            Command::Press { leg, key } => self.press(leg, key, now),
            Command::Measure { leg, about } => self.measure(leg, about),
            Command::Close { leg } => self.close(leg, now),
            Command::Record { customer, agent, path } => self.record(customer, agent, &path, now),
            Command::StopRecord { customer } => self.stop_record(customer, now),
            Command::Recorded(finished) => self.recorded(finished),
            Command::Listen { leg, config } => self.listen(leg, *config, now),
            Command::Answered { leg } => self.answered(leg, now),
            Command::StopListening { leg } => self.stop_listening(leg),
            Command::ListenForKeys { leg } => self.listen_for_keys(leg, now),
            Command::Tell(event) => self.tell(*event, now),
            Command::End => unreachable!("taken by `obey`"),
        }
    }

    fn open(&mut self, id: LegId, socket: UdpSocket, port: u16, now: Instant) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        if let Err(error) = self.watch.add(&socket, slot) {
            tracing::error!(leg = id.0, %error, "the RTP socket cannot be watched");
            drop(socket);
            self.free.push(slot);
            self.shared.released(port, false);
            self.emit(RelayEvent::Closed { leg: id, stats: Default::default() });
            return;
        }
        self.slots[slot] = Some(Leg::new(id, socket, port, now));
        self.ids.insert(id, slot);
    }

    fn configure(&mut self, id: LegId, media: LegMedia, now: Instant) {
        let Some(slot) = self.slot(id) else { return };
        let Some(leg) = self.leg(slot) else { return };
        let (first, expected_before) = match &leg.far {
            Some(far) => (false, far.media.is_expected()),
            None => (true, false),
        };
        let was_transcoded = leg.transcoder.is_some();
        leg.configure(media);
        match (was_transcoded, media.wide.is_some()) {
            (false, true) => self.shared.transcoded.fetch_add(1, Ordering::Relaxed),
            (true, false) => self.shared.transcoded.fetch_sub(1, Ordering::Relaxed),
            _ => 0,
        };
        let Some(leg) = self.leg(slot) else { return };
        // After a hold, RTP gets the whole time to come back.
        let resumes = media.is_expected() && !expected_before && leg.silence.heard_at.is_some();
        if let Some(playback) = leg.playing.as_mut().filter(|_| first) {
            playback.start_at(now);
            let timer = Timer { at: now, serial: playback.serial, slot, due: Due::Playback };
            self.timers.set(timer);
        }
        if resumes {
            self.heard(slot, now);
        }
        self.set_up_reports(slot, &media, first, now);
        if first {
            self.announce_bridge(slot, now);
        }
    }

    fn bridge(&mut self, a: LegId, b: LegId, now: Instant) {
        let (Some(slot_a), Some(slot_b)) = (self.slot(a), self.slot(b)) else { return };
        if slot_a == slot_b {
            return;
        }
        self.unbridge(slot_a);
        self.unbridge(slot_b);
        for (slot, peer) in [(slot_a, slot_b), (slot_b, slot_a)] {
            if let Some(leg) = self.leg(slot) {
                leg.peer = Some(peer);
            }
        }
        self.announce_bridge(slot_a, now);
    }

    fn unbridge(&mut self, slot: usize) {
        self.leave_mix(slot);
        let Some(leg) = self.leg(slot) else { return };
        leg.quiet = None;
        let peer = leg.peer.take();
        if let Some(other) = peer.and_then(|peer| self.leg(peer)) {
            (other.peer, other.quiet) = (None, None);
        }
    }

    /// Once both legs of a bridge know where to send.
    fn announce_bridge(&mut self, slot: usize, at: Instant) {
        let Some(Leg { id: a, peer: Some(peer), far: Some(_), .. }) = self.leg(slot) else { return };
        let (a, peer) = (*a, *peer);
        let Some(Leg { id: b, far: Some(_), .. }) = self.leg(peer) else { return };
        let b = *b;
        self.emit(RelayEvent::Bridged { a, b, at });
    }

    fn play(&mut self, id: LegId, sound: Arc<Sound>, now: Instant) {
        let Some(slot) = self.slot(id) else { return };
        let serial = self.timers.serial();
        let Some(leg) = self.leg(slot) else { return };
        leg.playing = Some(Playback::new(sound, serial, now));
        if leg.far.is_some() {
            self.timers.set(Timer { at: now, serial, slot, due: Due::Playback });
        }
    }

    fn close(&mut self, id: LegId, now: Instant) {
        if self.slot(id).and_then(|slot| self.leg(slot)?.tap).is_some_and(|tap| tap.side == Side::Customer) {
            self.stop_record(id, now);
        }
        self.stop_listening(id);
        self.stop_listening_for_keys(id);
        let Some(slot) = self.ids.remove(&id) else { return };
        self.unbridge(slot);
        let Some(leg) = self.slots[slot].take() else { return };
        self.free.push(slot);
        if leg.web.is_some() {
            self.handshakes.end(id);
        }
        if leg.transcoder.is_some() {
            self.shared.transcoded.fetch_sub(1, Ordering::Relaxed);
        }
        let (port, stats) = (leg.port, leg.final_stats());
        // Its socket closes, and is watched no more by that.
        drop(leg);
        self.shared.released(port, stats.packets_in + stats.packets_refused > 0);
        self.emit(RelayEvent::Closed { leg: id, stats });
    }
}

/// Timers.
impl<F: Fn(RelayEvent)> MediaThread<F> {
    fn play_on(&mut self, timer: Timer, now: Instant) {
        let Some(leg) = self.slots.get_mut(timer.slot).and_then(Option::as_mut) else { return };
        let destination = leg.destination();
        let Some(playback) = leg.playing.as_mut().filter(|playback| playback.serial == timer.serial) else {
            return;
        };
        let frame = match playback.next_frame(now) {
            Next::Frame(frame) => frame,
            Next::Later => {
                let at = playback.due();
                self.timers.set(Timer { at, ..timer });
                return;
            }
            Next::Over => {
                let (leg, playback) = (leg.id, leg.playing.take());
                if let Some(playback) = playback {
                    self.emit(RelayEvent::Played { leg, sound: playback.into_sound() });
                }
                return;
            }
        };
        let at = playback.due();
        if let Some(destination) = destination.filter(|_| !leg.presses.is_active()) {
            leg.send_frame(timer.serial, &frame, destination, now);
        }
        self.timers.set(Timer { at, ..timer });
    }

    fn check_silence(&mut self, timer: Timer, now: Instant) {
        let rtp_timeout = self.rtp_timeout;
        let Some(leg) = self.leg(timer.slot).filter(|leg| leg.silence.watch == Some(timer.serial)) else {
            return;
        };
        let expected = leg.far.as_ref().is_some_and(|far| far.media.is_expected());
        let at = leg.silence.heard_at.map_or(now, |heard_at| heard_at + rtp_timeout);
        if expected && at > now {
            self.timers.set(Timer { at, ..timer });
            return;
        }
        leg.silence.watch = None;
        let leg = leg.id;
        if expected {
            self.emit(RelayEvent::Silent { leg });
        }
    }

    /// RTP flows from this leg.
    fn heard(&mut self, slot: usize, now: Instant) {
        let Some(leg) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        leg.silence.heard_at = Some(now);
        if leg.silence.watch.is_none() && leg.far.as_ref().is_some_and(|far| far.media.is_expected()) {
            let serial = self.timers.serial();
            leg.silence.watch = Some(serial);
            self.timers.set(Timer { at: now + self.rtp_timeout, serial, slot, due: Due::Silence });
        }
    }
}
