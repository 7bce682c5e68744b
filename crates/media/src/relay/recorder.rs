//! The thread that writes recordings: takes frames out of the ring, puts both sides on one time line, and writes blocks.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::ogg_file::OggFile;
use super::recording::{Frame, Kind, Order, Side};
use super::timeline::Timeline;
use super::wav_file::{MOMENT_LEN, WavFile};
use super::{Codec, LegId};
use crate::comfort::Comfort;
use crate::{SAMPLE_RATE, g711};

/// How often the ring is looked at.
const TICK: Duration = Duration::from_millis(20);
/// Sound may come this late (200 ms) and still find its place.
const HOLD: i64 = 1600;
/// What is written at once (0.375 s). With `HOLD` and `TICK`, a file is no more than 0.6 s behind.
const BLOCK: i64 = 3000;
/// Ticks in that.
const BLOCK_TURNS: u64 = 19;
/// Sound in memory for each recording, one second: what is held and not written, and what a late anchor puts ahead.
const WINDOW: usize = 8000;

/// What became of a recording.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Finished {
    pub(super) customer: LegId,
    pub(super) path: Arc<Path>,
    pub(super) duration: Duration,
    /// 0: there is no file.
    pub(super) bytes: u64,
    pub(super) frames_dropped: u64,
    pub(super) whole: bool,
}

impl Finished {
    /// It never began.
    pub(super) fn nothing(customer: LegId, path: Arc<Path>) -> Finished {
        Finished { customer, path, duration: Duration::ZERO, bytes: 0, frames_dropped: 0, whole: false }
    }
}

pub(super) struct Recorder<F> {
    frames: Receiver<Frame>,
    /// Of the ring.
    frames_max: usize,
    orders: Receiver<Order>,
    recordings: HashMap<u64, Recording>,
    on_finished: F,
    scratch: Vec<u8>,
}

/// An end that was ordered.
type End = (u64, Instant, u64);

impl<F: Fn(Finished)> Recorder<F> {
    pub(super) fn new(
        frames: Receiver<Frame>,
        frames_max: usize,
        orders: Receiver<Order>,
        on_finished: F,
    ) -> Recorder<F> {
        let scratch = Vec::with_capacity(WINDOW * MOMENT_LEN);
        Recorder { frames, frames_max, orders, recordings: HashMap::new(), on_finished, scratch }
    }

    /// Until the media thread has nothing to record any more.
    pub(super) fn run(mut self) {
        let mut ends = Vec::new();
        loop {
            let order = match self.recordings.is_empty() {
                true => self.orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => self.orders.recv_timeout(TICK),
            };
            let is_over = matches!(order, Err(RecvTimeoutError::Disconnected));
            if let Ok(order) = order {
                self.obey(order, &mut ends);
            }
            self.obey_all(&mut ends);
            self.turn(&mut ends);
            if is_over {
                // Whatever was ordered has been read: a channel is disconnected only when it is empty.
                return;
            }
        }
    }

    fn turn(&mut self, ends: &mut Vec<End>) {
        let mut now = Instant::now();
        // An end was ordered after the last frame of its recording was put into the ring; so one ring's length is enough.
        let ended = ends.len();
        for n in 0..self.frames_max {
            let Ok(frame) = self.frames.try_recv() else { break };
            if n + 1 == self.frames_max {
                // There may be more: nothing later than this was seen.
                now = frame.piece.at;
            }
            self.frame(&frame, ends);
        }
        for (recording, at, frames_dropped) in ends.drain(..ended) {
            if let Some(recording) = self.recordings.remove(&recording) {
                (self.on_finished)(recording.finish(at, frames_dropped, &mut self.scratch));
            }
        }
        for recording in self.recordings.values_mut() {
            recording.write_due(now, &mut self.scratch);
        }
    }

    fn obey_all(&mut self, ends: &mut Vec<End>) {
        while let Ok(order) = self.orders.try_recv() {
            self.obey(order, ends);
        }
    }

    fn obey(&mut self, order: Order, ends: &mut Vec<End>) {
        match order {
            Order::Begin { recording, customer, path, at } => {
                self.recordings.insert(recording, Recording::begin(recording, customer, path, at));
            }
            Order::End { recording, at, frames_dropped } => ends.push((recording, at, frames_dropped)),
        }
    }

    fn frame(&mut self, frame: &Frame, ends: &mut Vec<End>) {
        if let Some(recording) = self.recordings.get_mut(&frame.recording) {
            return recording.put(frame, &mut self.scratch);
        }
        // Begun since the orders were read.
        self.obey_all(ends);
        if let Some(recording) = self.recordings.get_mut(&frame.recording) {
            recording.put(frame, &mut self.scratch);
        }
    }
}

/// The file of a recording.
enum Writing {
    Wav(WavFile),
    Ogg(Box<OggFile>),
}

impl Writing {
    /// As the end of its name says.
    fn create(path: &Path) -> std::io::Result<Writing> {
        match path.extension().is_some_and(|end| end == "ogg") {
            true => Ok(Writing::Ogg(Box::new(OggFile::create(path)?))),
            false => Ok(Writing::Wav(WavFile::create(path)?)),
        }
    }

    fn append(&mut self, moments: &[u8]) -> std::io::Result<()> {
        match self {
            Writing::Wav(file) => file.append(moments),
            Writing::Ogg(file) => file.append(moments),
        }
    }

    fn finish(&mut self) -> std::io::Result<()> {
        match self {
            Writing::Wav(_) => Ok(()),
            Writing::Ogg(file) => file.finish(),
        }
    }

    fn len(&self) -> u64 {
        match self {
            Writing::Wav(file) => file.len(),
            Writing::Ogg(file) => file.len(),
        }
    }
}

struct Recording {
    customer: LegId,
    path: Arc<Path>,
    begun: Instant,
    /// None: given up, or never there.
    file: Option<Writing>,
    /// Bytes of the file, also when it was given up.
    bytes: u64,
    whole: bool,
    sides: [Timeline; 2],
    /// From where on a side is noise, because it sends nothing.
    noises: [Option<(i64, Comfort)>; 2],
    /// Samples that were written; where the window begins.
    written: i64,
    /// What is written next.
    block: i64,
    /// Of each side; silence where nothing was put.
    windows: [Box<[i16]>; 2],
    /// From here on the windows are silence.
    filled: usize,
}

impl Recording {
    fn begin(recording: u64, customer: LegId, path: Arc<Path>, begun: Instant) -> Recording {
        // Those that begin at once are not written at once: the thread would need the CPU for long at a time.
        let turn = (recording % BLOCK_TURNS) as i64;
        let mut recording = Recording {
            customer,
            begun,
            file: None,
            bytes: 0,
            whole: true,
            sides: Default::default(),
            noises: [None; 2],
            written: 0,
            block: BLOCK - turn * BLOCK / BLOCK_TURNS as i64,
            windows: std::array::from_fn(|_| vec![0; WINDOW].into_boxed_slice()),
            filled: 0,
            path,
        };
        match Writing::create(&recording.path) {
            Ok(file) => {
                recording.bytes = file.len();
                recording.file = Some(file);
            }
            Err(error) => recording.give_up(&error),
        }
        recording
    }

    /// The call goes on without it. What was written stays and can be played.
    fn give_up(&mut self, error: &std::io::Error) {
        let path = self.path.display();
        tracing::error!(%error, %path, "a recording is given up; is the disk full?");
        self.file = None;
        self.whole = false;
    }

    fn position(&self, at: Instant) -> i64 {
        let samples =
            at.saturating_duration_since(self.begun).as_micros() * u128::from(SAMPLE_RATE) / 1_000_000;
        i64::try_from(samples).unwrap_or(i64::MAX)
    }

    fn put(&mut self, frame: &Frame, scratch: &mut Vec<u8>) {
        if self.file.is_none() {
            return;
        }
        let piece = &frame.piece;
        let came = self.position(piece.at);
        let channel = match frame.side {
            Side::Customer => 0,
            Side::Agent => 1,
        };
        let spoken = came - i64::from(piece.to_end);
        let position = self.sides[channel].place(piece.ssrc, piece.timestamp, spoken);
        self.fill(channel, position);
        let linear = match frame.kind {
            Kind::Noise(noise) => {
                self.noises[channel] = Some((position, noise));
                return;
            }
            Kind::Sound(Codec::Pcma) => &g711::ALAW_LINEAR,
            Kind::Sound(Codec::Pcmu) => &g711::ULAW_LINEAR,
        };
        self.noises[channel] = None;
        if position + piece.payload().len() as i64 > self.written + WINDOW as i64 {
            // The writer was held up.
            self.write_to(came - HOLD, scratch);
        }
        let place = position - self.written;
        // What comes too late is left out: its place was written as silence.
        let late = usize::try_from(place.min(0).unsigned_abs()).unwrap_or(usize::MAX);
        let codes = piece.payload().get(late..).unwrap_or_default();
        let place = usize::try_from(place.max(0)).unwrap_or(usize::MAX);
        let samples = self.windows[channel].get_mut(place..).unwrap_or_default();
        for (sample, code) in samples.iter_mut().zip(codes) {
            *sample = linear[usize::from(*code)];
        }
        self.filled = self.filled.max((place.saturating_add(codes.len())).min(WINDOW));
    }

    /// A side that is noise has it up to here.
    fn fill(&mut self, channel: usize, end: i64) {
        let Some((from, noise)) = &mut self.noises[channel] else { return };
        let begin = (*from).max(self.written);
        for position in begin..end.min(self.written + WINDOW as i64) {
            // In the window by what it runs over.
            let place = (position - self.written) as usize;
            self.windows[channel][place] = noise.sample();
            self.filled = self.filled.max(place + 1);
        }
        *from = begin.max(end);
    }

    fn write_due(&mut self, now: Instant, scratch: &mut Vec<u8>) {
        let end = self.position(now) - HOLD;
        if end - self.written >= self.block {
            self.write_to(end, scratch);
            self.block = BLOCK;
        }
    }

    fn write_to(&mut self, end: i64, scratch: &mut Vec<u8>) {
        while self.written < end {
            let count = usize::try_from(end - self.written).unwrap_or(WINDOW).min(WINDOW);
            for channel in 0..2 {
                self.fill(channel, self.written + count as i64);
            }
            let Some(file) = &mut self.file else { return };
            scratch.resize(count * MOMENT_LEN, 0);
            let [left, right] = &self.windows;
            let moments = scratch.as_chunks_mut().0.iter_mut();
            for (bytes, (left, right)) in moments.zip(left.iter().zip(right)) {
                let ([l0, l1], [r0, r1]) = (left.to_le_bytes(), right.to_le_bytes());
                *bytes = [l0, l1, r0, r1];
            }
            match file.append(scratch) {
                Ok(()) => self.bytes = file.len(),
                Err(error) => return self.give_up(&error),
            }
            let left = self.filled.saturating_sub(count);
            for window in &mut self.windows {
                window.copy_within(count..count + left, 0);
                window[left..self.filled].fill(0);
            }
            self.filled = left;
            self.written += count as i64;
        }
    }

    fn finish(mut self, at: Instant, frames_dropped: u64, scratch: &mut Vec<u8>) -> Finished {
        self.write_to(self.position(at), scratch);
        if let Some(file) = &mut self.file {
            let ended = file.finish();
            self.bytes = file.len();
            if let Err(error) = ended {
                self.give_up(&error);
            }
        }
        let samples = u64::try_from(self.written).unwrap_or(0);
        Finished {
            customer: self.customer,
            path: self.path,
            duration: Duration::from_micros(samples * 1_000_000 / u64::from(SAMPLE_RATE)),
            bytes: self.bytes,
            frames_dropped,
            whole: self.whole,
        }
    }
}
