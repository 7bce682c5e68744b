//! What a call sounds like: network tones, announcements, and who answered.
//!
//! A [`Listener`] takes one stream in frames of 20 ms and gives events. It has no clock and does no IO, and nothing is
//! allocated while it listens.

mod activity;
mod amd;
mod announcement;
mod cadence;
mod fingerprint;
mod keypad;
mod matcher;
mod plans;
mod spectrum;
mod tones;

use std::sync::Arc;
use std::time::Duration;

use crate::{FRAME, FRAME_SAMPLES};

pub use activity::Activity;
pub use amd::{AmdConfig, AnswerJudge, Answerer, Verdict};
pub use announcement::{Label, LearnError, Library, LibraryError};
pub use cadence::Tone;
pub use keypad::Keypad;
pub use plans::{Plan, Plans, Sit, ToneKind};

use activity::ActivityDetector;
use amd::Loudness;
use cadence::ToneDetector;
use fingerprint::Printer;
use matcher::Matcher;
use spectrum::Spectra;

/// Lost frames in a row that the last one stands for; then silence does.
const CONCEALED_MAX: u32 = 2;
/// Somebody who spoke so lately may be an answering machine whose beep comes now.
const SPOKEN_FRAMES: u32 = 150;
/// Shorter sounds may be the beginning of a tone.
const SPEECH_FRAMES: u32 = 20;
/// Noise so far below what is loud does not change fingerprints.
const CLEAN_SNR_DB: f32 = 22.0;
/// A new activity must last so long to be told.
const ACTIVITY_FRAMES: u32 = 10;

/// What to listen for.
#[derive(Clone, Debug)]
pub struct ListenerConfig {
    /// Whose tones; those that are the same everywhere are always listened for.
    pub plans: Plans,
    /// Announcements to be known again, if any.
    pub library: Option<Arc<Library>>,
    /// How to judge who answered, after [`Listener::answered`].
    pub amd: Option<AmdConfig>,
}

impl Default for ListenerConfig {
    fn default() -> ListenerConfig {
        ListenerConfig { plans: Plans::ALL, library: None, amd: None }
    }
}

/// Something was heard.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Heard {
    /// A tone; told once, not at each of its bursts.
    Tone(Tone),
    /// An announcement of the library; its label is [`Library::label`] of `sound`.
    Announcement { sound: u16, agreement: f32 },
    /// Who answered; told once.
    Verdict(Verdict),
    /// Another activity than before has lasted for 200 ms.
    Activity(Activity),
}

/// An event, and how long after the listener's first frame it was clear.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct HeardAt {
    pub at: Duration,
    pub what: Heard,
}

/// Listens to one stream.
#[derive(Clone, Debug)]
pub struct Listener {
    library: Option<Arc<Library>>,
    amd_config: Option<AmdConfig>,
    now: u32,
    spectra: Spectra,
    tones: ToneDetector,
    activity: ActivityDetector,
    printer: Printer,
    matcher: Matcher,
    amd: Option<AnswerJudge>,
    last_frame: [i16; FRAME_SAMPLES],
    lost: u32,
    unspoken_frames: u32,
    loudness: Loudness,
    /// There was a voice in the newest frame.
    is_voice: bool,
    /// Frames of speech in a row, without anything tonal in it.
    spoken_frames: u32,
    /// The activity that was told, the one that sounds now, and for how many frames.
    told: Activity,
    current: Activity,
    current_frames: u32,
    /// At most one event of each kind comes of a frame.
    pending: [Option<Heard>; 4],
}

impl Listener {
    pub fn new(config: ListenerConfig) -> Listener {
        Listener {
            library: config.library.filter(|library| !library.is_empty()),
            amd_config: config.amd,
            now: 0,
            spectra: Spectra::new(),
            tones: ToneDetector::new(config.plans),
            activity: ActivityDetector::new(),
            printer: Printer::new(),
            matcher: Matcher::new(),
            amd: None,
            last_frame: [0; FRAME_SAMPLES],
            lost: 0,
            unspoken_frames: SPOKEN_FRAMES,
            loudness: Loudness::new(),
            is_voice: false,
            spoken_frames: 0,
            told: Activity::Silence,
            current: Activity::Silence,
            current_frames: 0,
            pending: [None; 4],
        }
    }

    /// The call was answered: from here on it is judged who speaks.
    pub fn answered(&mut self) {
        self.amd = self.amd_config.map(AnswerJudge::new);
    }

    /// The next 20 ms. [`Listener::poll`] gives what is new.
    pub fn feed(&mut self, frame: &[i16; FRAME_SAMPLES]) {
        self.lost = 0;
        self.last_frame = *frame;
        self.push(frame, false);
    }

    /// The next 20 ms did not arrive.
    pub fn lost(&mut self) {
        self.lost = self.lost.saturating_add(1);
        let frame = if self.lost <= CONCEALED_MAX { self.last_frame } else { [0; FRAME_SAMPLES] };
        self.push(&frame, true);
    }

    /// What was heard in the last frame; ask until there is no more.
    pub fn poll(&mut self) -> Option<HeardAt> {
        let what = self.pending.iter_mut().find_map(Option::take)?;
        Some(HeardAt { at: FRAME * self.now, what })
    }

    /// What an announcement that was heard says.
    pub fn label(&self, sound: u16) -> Option<&Label> {
        self.library.as_ref().map(|library| library.label(sound))
    }

    /// What has sounded for the last 200 ms.
    pub fn activity(&self) -> Activity {
        self.told
    }

    /// Whether there was a voice in the last frame, as [`AnswerJudge`] is told; false before the answer.
    pub fn is_voice(&self) -> bool {
        self.is_voice
    }

    /// Level of the noise between the words, in dBm0.
    pub fn noise_dbm0(&self) -> f32 {
        self.activity.noise_dbm0()
    }

    fn push(&mut self, frame: &[i16; FRAME_SAMPLES], lost: bool) {
        self.pending = [None; 4];
        self.spectra.push(frame);
        let spoken = self.unspoken_frames < SPOKEN_FRAMES;
        let tone = self.tones.push(self.now, &self.spectra, lost, spoken);
        let activity = self.activity.push(&self.spectra, self.tones.tonal_frames());
        self.now += 1;
        self.note_speech(activity);
        self.pending[0] = tone.map(Heard::Tone);
        self.pending[1] = self.announcement();
        self.pending[2] = self.verdict(tone, activity);
        self.pending[3] = self.change(activity);
    }

    fn note_speech(&mut self, activity: Activity) {
        let speech = activity == Activity::Speech && self.tones.tonal_frames() < 3;
        self.spoken_frames = if speech { self.spoken_frames.saturating_add(1) } else { 0 };
        self.unspoken_frames =
            if self.spoken_frames >= SPEECH_FRAMES { 0 } else { self.unspoken_frames.saturating_add(1) };
    }

    fn announcement(&mut self) -> Option<Heard> {
        let library = self.library.as_ref()?;
        let print = self.printer.push(&self.spectra);
        let clean = self.printer.peak_dbm0() - self.activity.noise_dbm0() > CLEAN_SNR_DB;
        let found = self.matcher.push(library, print, clean)?;
        Some(Heard::Announcement { sound: found.sound, agreement: found.agreement })
    }

    fn verdict(&mut self, tone: Option<Tone>, activity: Activity) -> Option<Heard> {
        let amd = self.amd.as_mut()?;
        let by_machine = tone.is_some_and(|tone| match tone.kind {
            ToneKind::FaxAnswer | ToneKind::FaxCalling => true,
            ToneKind::Beep { .. } => amd.has_begun(),
            _ => false,
        });
        self.is_voice =
            self.loudness.is_voice(activity, self.activity.is_active(), self.spectra.level_dbm0());
        let verdict = if by_machine { amd.machine() } else { amd.push(self.is_voice) };
        verdict.map(Heard::Verdict)
    }

    fn change(&mut self, activity: Activity) -> Option<Heard> {
        if activity != self.current {
            (self.current, self.current_frames) = (activity, 0);
        }
        self.current_frames = self.current_frames.saturating_add(1);
        if self.current == self.told || self.current_frames < ACTIVITY_FRAMES {
            return None;
        }
        self.told = self.current;
        Some(Heard::Activity(self.told))
    }
}

#[cfg(test)]
mod tests;
