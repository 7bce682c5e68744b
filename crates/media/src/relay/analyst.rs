//! The thread that listens to calls: takes their sound out of the ring, puts it in order, and tells what is heard.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::listening::{Kind, Order, Slice};
use super::timeline::Timeline;
use super::{Codec, LegId, PressedBy, RelayEvent};
use crate::detect::{Heard, Keypad, Label, Listener};
use crate::{FRAME_SAMPLES, SAMPLE_RATE, g711};

/// How often the ring is looked at.
const TICK: Duration = Duration::from_millis(20);
/// Sound that is still missing after this (200 ms) is lost, or the far end sends none while it is quiet.
const HOLD: i64 = 1600;
/// Sound that is missing while this much after it is there (60 ms) is lost: so late no packet is overtaken.
const OVERTAKEN: i64 = 480;
const FRAME: i64 = FRAME_SAMPLES as i64;
/// Frames in memory for each leg (0.64 s).
const WINDOW: usize = 32;
/// So many frames in a row that did not come are no loss: nothing is sent.
const LOST_MAX: u32 = 5;

pub(super) struct Analyst<F> {
    slices: Receiver<Slice>,
    /// Of the ring.
    slices_max: usize,
    orders: Receiver<Order>,
    ears: HashMap<LegId, Ear>,
    /// Legs that are only listened to for keys and have sent nothing yet, and since when: many never do, and an ear is
    /// twenty kilobytes.
    silent: HashMap<LegId, Instant>,
    on_heard: F,
}

impl<F: Fn(RelayEvent)> Analyst<F> {
    pub(super) fn new(
        slices: Receiver<Slice>,
        slices_max: usize,
        orders: Receiver<Order>,
        on_heard: F,
    ) -> Analyst<F> {
        Analyst { slices, slices_max, orders, ears: HashMap::new(), silent: HashMap::new(), on_heard }
    }

    /// Until the media thread has nothing to listen to any more.
    pub(super) fn run(mut self) {
        loop {
            let order = match self.ears.is_empty() && self.silent.is_empty() {
                true => self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => self.orders.recv_timeout(TICK),
            };
            match order {
                Ok(order) => self.obey(order),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.obey_all();
            self.turn();
        }
    }

    fn turn(&mut self) {
        let mut now = Instant::now();
        for n in 0..self.slices_max {
            let Ok(slice) = self.slices.try_recv() else { break };
            if n + 1 == self.slices_max {
                // There may be more: nothing later than this was seen.
                now = slice.piece.at;
            }
            self.slice(&slice);
        }
        for (leg, ear) in &mut self.ears {
            ear.listen(now, |event| (self.on_heard)(event.of(*leg)));
        }
    }

    fn slice(&mut self, slice: &Slice) {
        if !self.ears.contains_key(&slice.leg) {
            // Begun since the orders were read.
            self.obey_all();
        }
        if let Some(begun) = self.silent.remove(&slice.leg) {
            self.ears.insert(slice.leg, Ear { keypad: Some(Keypad::new()), ..Ear::new(begun) });
        }
        if let Some(ear) = self.ears.get_mut(&slice.leg) {
            ear.put(slice, |event| (self.on_heard)(event.of(slice.leg)));
        }
    }

    fn obey_all(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            self.obey(order);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Begin { leg, config, at } => {
                let before = self.ears.remove(&leg);
                let was_silent = self.silent.remove(&leg).map(|_| Keypad::new());
                let keypad = before.and_then(|ear| ear.keypad).or(was_silent);
                self.ears.insert(leg, Ear { listener: Some(Listener::new(config)), keypad, ..Ear::new(at) });
            }
            Order::BeginKeys { leg, at } => match self.ears.get_mut(&leg) {
                Some(ear) => ear.keypad = Some(Keypad::new()),
                None => drop(self.silent.insert(leg, at)),
            },
            Order::Answered { leg, at } => {
                if let Some(ear) = self.ears.get_mut(&leg) {
                    ear.answered(at);
                }
            }
            Order::End { leg } => {
                self.keep(leg, |ear| ear.listener = None);
            }
            Order::EndKeys { leg } => {
                self.silent.remove(&leg);
                self.keep(leg, |ear| ear.keypad = None);
            }
        }
    }
}

impl<F> Analyst<F> {
    /// The leg is listened to as long as there is anything to listen for.
    fn keep(&mut self, leg: LegId, change: impl FnOnce(&mut Ear)) {
        let Some(ear) = self.ears.get_mut(&leg) else { return };
        change(ear);
        if ear.listener.is_none() && ear.keypad.is_none() {
            self.ears.remove(&leg);
        }
    }
}

/// What was heard, before its leg is named.
enum Told {
    Heard { what: Heard, label: Option<Label> },
    Pressed(char),
}

impl Told {
    fn of(self, leg: LegId) -> RelayEvent {
        match self {
            Told::Heard { what, label } => RelayEvent::Heard { leg, what, label },
            Told::Pressed(key) => RelayEvent::Pressed { leg, key, by: PressedBy::Tones },
        }
    }
}

/// 20 ms of the window.
#[derive(Clone, Copy)]
struct Place {
    sound: [i16; FRAME_SAMPLES],
    /// Samples that came; a packet that comes twice counts twice.
    filled: u16,
}

impl Place {
    const EMPTY: Place = Place { sound: [0; FRAME_SAMPLES], filled: 0 };
}

/// One leg that is listened to. Positions are samples since the listening began.
struct Ear {
    /// Listens for everything but keys.
    listener: Option<Listener>,
    keypad: Option<Keypad>,
    begun: Instant,
    timeline: Timeline,
    /// Where the window begins; none before the first sound, as long as nobody has answered.
    next: Option<i64>,
    /// The end of what came last.
    end: i64,
    window: Box<[Place; WINDOW]>,
    /// Which place of the window is its first one.
    first: usize,
    /// The far end said that it sends nothing while nobody speaks.
    is_quiet: bool,
    /// Frames in a row that did not come.
    missing: u32,
}

impl Ear {
    fn new(begun: Instant) -> Ear {
        Ear {
            listener: None,
            keypad: None,
            begun,
            timeline: Timeline::default(),
            next: None,
            end: 0,
            window: Box::new([Place::EMPTY; WINDOW]),
            first: 0,
            is_quiet: false,
            missing: 0,
        }
    }

    /// Silence counts from here on, also when the far end sends nothing at all.
    fn answered(&mut self, at: Instant) {
        let Some(listener) = &mut self.listener else { return };
        listener.answered();
        let position = self.position(at);
        self.next.get_or_insert(position);
    }

    fn position(&self, at: Instant) -> i64 {
        let samples =
            at.saturating_duration_since(self.begun).as_micros() * u128::from(SAMPLE_RATE) / 1_000_000;
        i64::try_from(samples).unwrap_or(i64::MAX)
    }

    fn put(&mut self, slice: &Slice, mut tell: impl FnMut(Told)) {
        let decode = match slice.kind {
            Kind::Quiet => {
                self.is_quiet = true;
                return;
            }
            Kind::Sound(Codec::Pcma) => g711::alaw_decode,
            Kind::Sound(Codec::Pcmu) => g711::ulaw_decode,
        };
        self.is_quiet = false;
        let piece = &slice.piece;
        let came = self.position(piece.at);
        let place = self.timeline.place(piece.ssrc, piece.timestamp, came - i64::from(piece.to_end));
        let end = place + piece.payload().len() as i64;
        let mut next = *self.next.get_or_insert(place);
        if end > next + WINDOW as i64 * FRAME {
            // The analyst was held up, or nothing came for a while.
            while next + (WINDOW as i64 - 1) * FRAME < end {
                self.hear_one(&mut tell);
                next += FRAME;
            }
        }
        for (n, code) in piece.payload().iter().enumerate() {
            // What comes too late is left out: something was heard in its place.
            let Ok(offset) = usize::try_from(place + n as i64 - next) else { continue };
            if offset < WINDOW * FRAME_SAMPLES {
                let place = &mut self.window[(self.first + offset / FRAME_SAMPLES) % WINDOW];
                place.sound[offset % FRAME_SAMPLES] = decode(*code);
                place.filled = place.filled.saturating_add(1);
            }
        }
        self.end = self.end.max(end);
        self.hear_ready(&mut tell);
    }

    /// Hears what is there, and what will not come any more.
    fn listen(&mut self, now: Instant, mut tell: impl FnMut(Told)) {
        let due = self.position(now) - HOLD;
        while self.next.is_some_and(|next| next + FRAME <= due) {
            self.hear_one(&mut tell);
        }
        self.hear_ready(&mut tell);
    }

    fn hear_ready(&mut self, tell: &mut impl FnMut(Told)) {
        while let Some(next) = self.next {
            let is_whole = usize::from(self.window[self.first].filled) >= FRAME_SAMPLES;
            if !is_whole && self.end < next + FRAME + OVERTAKEN {
                return;
            }
            self.hear_one(tell);
        }
    }

    /// The window's first frame.
    fn hear_one(&mut self, tell: &mut impl FnMut(Told)) {
        let place = std::mem::replace(&mut self.window[self.first], Place::EMPTY);
        self.first = (self.first + 1) % WINDOW;
        // A stream that moved a little leaves a hole in one frame or two.
        let is_there = usize::from(place.filled) >= FRAME_SAMPLES / 2;
        self.missing = if is_there { 0 } else { self.missing.saturating_add(1) };
        let frame = match () {
            () if is_there => Some(&place.sound),
            () if self.is_quiet || self.missing > LOST_MAX => Some(&[0; FRAME_SAMPLES]),
            () => None,
        };
        self.next = self.next.map(|next| next + FRAME);
        if let Some(keypad) = &mut self.keypad {
            let pressed = match frame {
                Some(frame) => keypad.feed(frame),
                None => keypad.lost(),
            };
            pressed.into_iter().for_each(|key| tell(Told::Pressed(key)));
        }
        if let Some(listener) = &mut self.listener {
            match frame {
                Some(frame) => listener.feed(frame),
                None => listener.lost(),
            }
            tell_heard(listener, tell);
        }
    }
}

fn tell_heard(listener: &mut Listener, tell: &mut impl FnMut(Told)) {
    while let Some(heard) = listener.poll() {
        let label = match heard.what {
            Heard::Activity(_) => continue,
            Heard::Announcement { sound, .. } => listener.label(sound).cloned(),
            Heard::Tone(_) | Heard::Verdict(_) => None,
        };
        tell(Told::Heard { what: heard.what, label });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{AmdConfig, Answerer, ListenerConfig, ToneKind};
    use crate::relay::leg::Content;
    use crate::relay::listening::slices;
    use crate::rtp::Header;
    use crate::speech_like::SpeechLike;

    /// China's busy tone.
    fn busy(sample: usize) -> f64 {
        if sample % 5600 >= 2800 {
            return 0.0;
        }
        6000.0 * (std::f64::consts::TAU * 450.0 * sample as f64 / 8000.0).sin()
    }

    struct Far {
        ear: Ear,
        begun: Instant,
        told: Vec<Heard>,
    }

    impl Far {
        fn new() -> Far {
            let begun = Instant::now();
            let config = ListenerConfig { amd: Some(AmdConfig::default()), ..ListenerConfig::default() };
            let ear = Ear { listener: Some(Listener::new(config)), ..Ear::new(begun) };
            Far { ear, begun, told: Vec::new() }
        }

        /// A packet of `samples` that begins with sample `from` of its stream and comes `late` after its time.
        fn send(&mut self, from: usize, samples: &[i16], late: Duration) {
            let payload: Vec<u8> = samples.iter().map(|s| g711::alaw_encode(*s)).collect();
            let header = Header {
                marker: false,
                payload_type: 8,
                sequence: 0,
                timestamp: (u32::MAX - 9000).wrapping_add(from as u32),
                ssrc: 7,
            };
            let at = self.begun + Duration::from_micros((from + samples.len()) as u64 * 125) + late;
            for slice in slices(LegId(1), Content::Sound(Codec::Pcma), &header, &payload, at) {
                self.ear.put(&slice, |told| self.told.extend(heard(told)));
            }
        }

        fn wait_until(&mut self, after: Duration) {
            self.ear.listen(self.begun + after, |told| self.told.extend(heard(told)));
        }

        fn tones(&self) -> Vec<ToneKind> {
            let tone = |heard: &Heard| if let Heard::Tone(tone) = heard { Some(tone.kind) } else { None };
            self.told.iter().filter_map(tone).collect()
        }

        fn verdicts(&self) -> Vec<Answerer> {
            let verdict = |heard: &Heard| if let Heard::Verdict(v) = heard { Some(v.answerer) } else { None };
            self.told.iter().filter_map(verdict).collect()
        }
    }

    fn heard(told: Told) -> Option<Heard> {
        if let Told::Heard { what, .. } = told { Some(what) } else { None }
    }

    /// Packets of the busy tone in the order of `order`.
    fn hear_busy(packet: usize, order: impl Iterator<Item = usize>) -> Vec<ToneKind> {
        let mut far = Far::new();
        for n in order {
            let samples: Vec<i16> = (n * packet..(n + 1) * packet).map(|s| busy(s) as i16).collect();
            far.send(n * packet, &samples, Duration::from_millis(n as u64 % 3 * 7));
        }
        far.tones()
    }

    #[test]
    fn a_tone_is_known_whatever_the_network_does_to_its_packets() {
        let busy = [ToneKind::Busy];
        assert_eq!(hear_busy(160, 0..200), busy);
        assert_eq!(hear_busy(480, 0..70), busy, "packets of 60 ms");
        assert_eq!(hear_busy(160, (0..200).flat_map(|n| [n, n])), busy, "each packet twice");
        assert_eq!(hear_busy(160, (0..200).map(|n| n ^ 1)), busy, "each pair in the wrong order");
        assert_eq!(hear_busy(160, (0..200).filter(|n| n % 25 != 7)), busy, "4 % lost");
    }

    #[test]
    fn a_packet_that_was_overtaken_is_still_heard_in_its_place() {
        let (mut straight, mut crossed) = (Far::new(), Far::new());
        let sound = SpeechLike::new(3).sound(Duration::from_secs(2));
        let frames: Vec<_> = sound.frames().collect();
        for n in 0..frames.len() {
            straight.send(n * 160, &frames[n], Duration::ZERO);
            // The stream begins with its first packet.
            let m = if n < 2 { n } else { n ^ 1 };
            if let Some(frame) = frames.get(m) {
                crossed.send(m * 160, frame, Duration::ZERO);
            }
        }
        assert_eq!(straight.ear.missing, 0);
        assert_eq!(straight.ear.next, crossed.ear.next);
        let noise = |far: &Far| far.ear.listener.as_ref().map(Listener::noise_dbm0);
        assert_eq!(noise(&straight), noise(&crossed));
    }

    #[test]
    fn who_sends_nothing_while_quiet_is_judged_by_the_clock() {
        let mut far = Far::new();
        far.ear.answered(far.begun);
        far.wait_until(Duration::from_secs(3));
        assert_eq!(far.verdicts(), []);
        far.wait_until(Duration::from_secs(5));
        assert_eq!(far.verdicts(), [Answerer::Unknown], "no packet at all");

        let mut far = Far::new();
        far.ear.answered(far.begun);
        let word = SpeechLike::new(1).sound(Duration::from_millis(500));
        let hiss = (0..15).map(|n| std::array::from_fn(|s| if (s * 7 + n) % 3 == 0 { 12 } else { -12 }));
        for (n, frame) in hiss.chain(word.frames()).enumerate() {
            far.send(n * 160, &frame, Duration::ZERO);
        }
        for step in 50..160 {
            far.wait_until(Duration::from_millis(20 * step));
        }
        assert_eq!(far.verdicts(), [Answerer::Human], "a word, and then no packets");
    }

    #[test]
    fn nothing_is_reckoned_before_there_is_any_sound() {
        let mut far = Far::new();
        far.wait_until(Duration::from_secs(60));
        assert_eq!(far.ear.next, None);
    }

    #[test]
    fn a_leg_that_sends_nothing_has_no_ear_for_keys() {
        let (order, orders) = std::sync::mpsc::channel();
        let (_ring, none) = std::sync::mpsc::channel();
        let mut analyst = Analyst::new(none, 10, orders, |_| {});
        let (leg, at) = (LegId(1), Instant::now());
        order.send(Order::BeginKeys { leg, at }).expect("it listens");
        analyst.obey_all();
        assert!(analyst.ears.is_empty() && analyst.silent.contains_key(&leg));
        let header = Header { marker: false, payload_type: 8, sequence: 0, timestamp: 0, ssrc: 7 };
        let mut sound = slices(leg, Content::Sound(Codec::Pcma), &header, &[0xd5; 160], at);
        let mut with_sound =
            Analyst::new(std::sync::mpsc::channel().1, 10, std::sync::mpsc::channel().1, |_| {});
        with_sound.obey(Order::BeginKeys { leg, at });
        with_sound.slice(&sound.next().expect("a slice"));
        assert!(with_sound.ears[&leg].keypad.is_some() && with_sound.silent.is_empty());
        analyst.obey(Order::Begin { leg, config: ListenerConfig::default(), at });
        analyst.obey(Order::End { leg });
        assert!(
            analyst.ears[&leg].keypad.is_some() && analyst.silent.is_empty(),
            "the keys are listened to still"
        );
        analyst.obey(Order::EndKeys { leg });
        assert!(analyst.ears.is_empty());
    }
}
