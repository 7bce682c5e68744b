//! Announcements of carriers that are known again: a library of fingerprints with labels.

use std::fmt;
use std::time::Duration;

use crate::{FRAME, FRAME_SAMPLES, Sound};

use super::fingerprint::{Print, Printer};
use super::matcher::Matcher;
use super::spectrum::Spectra;

/// Fingerprints of a sound are made at offsets of 5 ms: nobody knows where a stream's frames begin.
pub(crate) const PHASES: usize = 4;
/// The longest sound that is learned; of longer ones the beginning.
const FRAMES_MAX: usize = 60 * 50;
/// Fewer active frames are not enough to be known again.
const ACTIVE_MIN: usize = 60;
const SOUNDS_MAX: usize = 2048;
/// Entries of the index that one key may lead to.
const BUCKET_MAX: usize = 48;
const KEYS: usize = 1 << 16;
const MAGIC: &[u8; 4] = b"OPAN";
const VERSION: u16 = 1;

/// What an announcement says: lower case letters, digits and `_`, at most 32.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Box<str>);

impl Label {
    /// There is no such number (空号).
    pub const EMPTY_NUMBER: &str = "empty_number";
    /// The telephone is switched off (关机).
    pub const SWITCHED_OFF: &str = "switched_off";
    /// The line was suspended (停机).
    pub const OUT_OF_SERVICE: &str = "out_of_service";
    /// No coverage, or no answer from the telephone (无法接通).
    pub const NOT_REACHABLE: &str = "not_reachable";
    /// Busy (正忙).
    pub const LINE_BUSY: &str = "line_busy";
    /// Talking to somebody else (正在通话中).
    pub const IN_A_CALL: &str = "in_a_call";
    /// Nobody answers (无人接听).
    pub const NO_ANSWER: &str = "no_answer";
    /// Calls to this number are not let through (呼入限制).
    pub const BARRED: &str = "barred";

    pub fn new(text: &str) -> Result<Label, LearnError> {
        let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let fits = (1..=32).contains(&text.len()) && text.chars().all(letter);
        if fits { Ok(Label(text.into())) } else { Err(LearnError::Label) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a sound cannot be learned.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LearnError {
    #[error("a label has 1 to 32 letters a-z, digits and _, for example empty_number")]
    Label,
    #[error("the sound is too short: at least 1.5 s of it must be speech or music")]
    Short,
    #[error("all of this sound is also in one that is labelled {0}; remove one of the two")]
    Known(String),
    #[error("all of a sound labelled {0} is also in this one; remove one of the two")]
    Holds(String),
    #[error("the library is full: {SOUNDS_MAX} sounds")]
    Full,
}

/// Why bytes are no library.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LibraryError {
    #[error("this is no announcement library")]
    NotLibrary,
    #[error("the library has format {0}, this version reads {VERSION}; learn its sounds again")]
    Version(u16),
    #[error("the library is damaged; learn its sounds again")]
    Damaged,
}

/// One learned sound.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Learned {
    label: u16,
    /// Frames of one phase.
    frames: usize,
    /// `PHASES` times `frames` prints.
    bits: Vec<u32>,
    active: Vec<bool>,
    active_frames: usize,
}

/// Sounds to be known again, shared by all listeners.
#[derive(Clone, Debug, Default)]
pub struct Library {
    labels: Vec<Label>,
    sounds: Vec<Learned>,
    /// By frame of each sound: what was heard up to here is also in a sound with another label.
    ambiguous: Vec<Vec<bool>>,
    index: Index,
}

/// Where each half of a print occurs.
#[derive(Clone, Debug, Default)]
struct Index {
    /// For each half, where the places of a key begin; `2 * (KEYS + 1)` numbers, or none.
    starts: Vec<u32>,
    places: Vec<Place>,
}

/// A frame of a learned sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub(crate) sound: u16,
    pub(crate) phase: u8,
    pub(crate) frame: u16,
}

/// Sounds that differ in a smaller share of their bits cannot be told apart over a noisy line.
const ALIKE: f32 = 0.15;

impl Library {
    /// Adds sounds and makes the index anew; either all are added or none.
    pub fn learn<'a>(
        &mut self,
        sounds: impl IntoIterator<Item = (Label, &'a Sound)>,
    ) -> Result<(), LearnError> {
        let mut next = self.clone();
        for (label, sound) in sounds {
            let label = next.label_number(label);
            next.sounds.push(Learned::new(label, sound)?);
        }
        if next.sounds.len() > SOUNDS_MAX {
            return Err(LearnError::Full);
        }
        next.prepare();
        if let Some(n) = (self.sounds.len()..next.sounds.len()).find(|n| next.is_all_ambiguous(*n)) {
            let own = next.sounds[n].label;
            let other = next.rival(n).unwrap_or(own);
            return Err(LearnError::Known(next.labels[usize::from(other)].as_str().to_owned()));
        }
        if let Some(n) =
            (0..self.sounds.len()).find(|n| next.is_all_ambiguous(*n) && !self.is_all_ambiguous(*n))
        {
            return Err(LearnError::Holds(self.label(n as u16).as_str().to_owned()));
        }
        *self = next;
        Ok(())
    }

    /// Forgets a sound; the ones after it move up.
    pub fn remove(&mut self, sound: u16) {
        if usize::from(sound) < self.sounds.len() {
            self.sounds.remove(usize::from(sound));
            self.prepare();
        }
    }

    /// How much of a sound is known.
    pub fn duration(&self, sound: u16) -> Duration {
        FRAME * self.sounds[usize::from(sound)].frames as u32
    }

    /// How many sounds there are.
    pub fn len(&self) -> usize {
        self.sounds.len()
    }

    pub fn is_empty(&self) -> bool {
        self.sounds.is_empty()
    }

    /// The label of a sound that was recognised.
    pub fn label(&self, sound: u16) -> &Label {
        &self.labels[usize::from(self.sounds[usize::from(sound)].label)]
    }

    /// Fingerprints and labels; the sounds themselves cannot be made from them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&(self.sounds.len() as u16).to_le_bytes());
        for (n, sound) in self.sounds.iter().enumerate() {
            let label = self.label(n as u16).as_str();
            out.push(label.len() as u8);
            out.extend_from_slice(label.as_bytes());
            out.extend_from_slice(&(sound.frames as u16).to_le_bytes());
            for (bits, active) in sound.bits.iter().zip(&sound.active) {
                out.extend_from_slice(&bits.to_le_bytes());
                out.push(u8::from(*active));
            }
        }
        out
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Library, LibraryError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(LibraryError::NotLibrary)?;
        let version = take_u16(&mut rest)?;
        if version != VERSION {
            return Err(LibraryError::Version(version));
        }
        let mut library = Library::default();
        let count = usize::from(take_u16(&mut rest)?);
        if count > SOUNDS_MAX {
            return Err(LibraryError::Damaged);
        }
        for _ in 0..count {
            let sound = library.take_sound(&mut rest)?;
            library.sounds.push(sound);
        }
        if !rest.is_empty() {
            return Err(LibraryError::Damaged);
        }
        library.prepare();
        Ok(library)
    }

    fn take_sound(&mut self, rest: &mut &[u8]) -> Result<Learned, LibraryError> {
        let len = usize::from(take(rest, 1)?[0]);
        let text = std::str::from_utf8(take(rest, len)?).map_err(|_| LibraryError::Damaged)?;
        let label = self.label_number(Label::new(text).map_err(|_| LibraryError::Damaged)?);
        let frames = usize::from(take_u16(rest)?);
        if !(1..=FRAMES_MAX).contains(&frames) {
            return Err(LibraryError::Damaged);
        }
        let prints = take(rest, 5 * PHASES * frames)?.chunks_exact(5);
        let (mut bits, mut active) = (Vec::new(), Vec::new());
        for print in prints {
            bits.push(u32::from_le_bytes([print[0], print[1], print[2], print[3]]));
            active.push(print[4] != 0);
        }
        let active_frames = active.iter().take(frames).filter(|active| **active).count();
        Ok(Learned { label, frames, bits, active, active_frames })
    }

    fn label_number(&mut self, label: Label) -> u16 {
        let known = self.labels.iter().position(|known| *known == label);
        known.unwrap_or_else(|| {
            self.labels.push(label);
            self.labels.len() - 1
        }) as u16
    }

    pub(crate) fn label_of(&self, sound: u16) -> u16 {
        self.sounds[usize::from(sound)].label
    }

    pub(crate) fn sound(&self, sound: u16) -> &Learned {
        &self.sounds[usize::from(sound)]
    }

    pub(crate) fn is_ambiguous(&self, sound: u16, frame: usize) -> bool {
        let frames = &self.ambiguous[usize::from(sound)];
        frames.get(frame).copied().unwrap_or(true)
    }

    /// Where this half (0 or 1) of a print occurs.
    pub(crate) fn places(&self, half: usize, key: u16) -> &[Place] {
        let at = half * (KEYS + 1) + usize::from(key);
        match (self.index.starts.get(at), self.index.starts.get(at + 1)) {
            (Some(start), Some(end)) => &self.index.places[*start as usize..*end as usize],
            _ => &[],
        }
    }

    fn prepare(&mut self) {
        self.index = Index::new(&self.sounds);
        self.ambiguous = self.sounds.iter().map(|sound| vec![false; sound.frames]).collect();
        for n in 0..self.sounds.len() {
            self.ambiguous[n] = self.ambiguous_frames(n);
        }
    }

    fn ambiguous_frames(&self, n: usize) -> Vec<bool> {
        let sound = &self.sounds[n];
        let mut matcher = Matcher::new();
        (0..sound.frames)
            .map(|frame| {
                matcher.push(self, sound.print(0, frame), false);
                // Where the sound does not even know itself, in its pauses, nothing can be told.
                let itself = matcher.sounds().any(|(other, _)| usize::from(other) == n);
                let alike = |(other, errors)| errors < ALIKE && self.label_of(other) != sound.label;
                !itself || matcher.sounds().any(alike)
            })
            .collect()
    }

    /// Nothing in it is its own.
    fn is_all_ambiguous(&self, n: usize) -> bool {
        let sound = &self.sounds[n];
        let active = (0..sound.frames).filter(|frame| sound.active[*frame]);
        // The first second of any sound is too little to be known by.
        active.skip(ACTIVE_MIN).all(|frame| self.ambiguous[n][frame]) && self.rival(n).is_some()
    }

    /// A label of another sound that holds this one.
    fn rival(&self, n: usize) -> Option<u16> {
        let sound = &self.sounds[n];
        let mut matcher = Matcher::new();
        for frame in 0..sound.frames {
            matcher.push(self, sound.print(0, frame), false);
            let other =
                matcher.sounds().map(|(other, _)| self.label_of(other)).find(|label| *label != sound.label);
            if other.is_some() {
                return other;
            }
        }
        None
    }
}

impl Learned {
    fn new(label: u16, sound: &Sound) -> Result<Learned, LearnError> {
        let shift = FRAME_SAMPLES / PHASES;
        let frames = sound.samples().len().saturating_sub(FRAME_SAMPLES) / FRAME_SAMPLES;
        let frames = frames.min(FRAMES_MAX);
        let (mut bits, mut active) = (Vec::new(), Vec::new());
        for phase in 0..PHASES {
            let (mut spectra, mut printer) = (Spectra::new(), Printer::new());
            let samples = &sound.samples()[(phase * shift).min(sound.samples().len())..];
            for chunk in samples.chunks_exact(FRAME_SAMPLES).take(frames) {
                spectra.push(chunk.try_into().expect("chunks have the length of a frame"));
                let print = printer.push(&spectra);
                bits.push(print.bits);
                active.push(print.active);
            }
        }
        let active_frames = active.iter().take(frames).filter(|active| **active).count();
        if active_frames < ACTIVE_MIN {
            return Err(LearnError::Short);
        }
        Ok(Learned { label, frames, bits, active, active_frames })
    }

    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// Those of the sound that are no pauses.
    pub(crate) fn active_frames(&self) -> usize {
        self.active_frames
    }

    /// The prints of one phase, and which are no pauses.
    pub(crate) fn phase(&self, phase: u8) -> (&[u32], &[bool]) {
        let range = usize::from(phase) * self.frames..(usize::from(phase) + 1) * self.frames;
        (&self.bits[range.clone()], &self.active[range])
    }

    fn print(&self, phase: u8, frame: usize) -> Print {
        let (bits, active) = self.phase(phase);
        // Compared with itself: no bit needs to be doubted but the usual few.
        Print { bits: bits[frame], weak: [1, 2, 4, 1 << 16, 1 << 17, 1 << 18], active: active[frame] }
    }
}

impl Index {
    fn new(sounds: &[Learned]) -> Index {
        let (mut starts, mut places) = (Vec::with_capacity(2 * (KEYS + 1)), Vec::new());
        for half in 0..2 {
            let mut keyed = Vec::new();
            for (n, sound) in sounds.iter().enumerate() {
                for (m, bits) in sound.bits.iter().enumerate().filter(|(m, _)| sound.active[*m]) {
                    let place = Place {
                        sound: n as u16,
                        phase: (m / sound.frames) as u8,
                        frame: (m % sound.frames) as u16,
                    };
                    keyed.push(((bits >> (16 * half)) as u16, place));
                }
            }
            keyed.sort_by_key(|(key, place)| (*key, place.phase, place.frame));
            let mut keyed = keyed.into_iter().peekable();
            for key in 0..KEYS {
                starts.push(places.len() as u32);
                let begun = places.len();
                while let Some((_, place)) = keyed.next_if(|(next, _)| usize::from(*next) == key) {
                    // A key that is so common tells nothing.
                    if places.len() < begun + BUCKET_MAX {
                        places.push(place);
                    }
                }
            }
            starts.push(places.len() as u32);
        }
        Index { starts, places }
    }
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Result<&'a [u8], LibraryError> {
    let (taken, left) = rest.split_at_checked(len).ok_or(LibraryError::Damaged)?;
    *rest = left;
    Ok(taken)
}

fn take_u16(rest: &mut &[u8]) -> Result<u16, LibraryError> {
    let bytes = take(rest, 2)?;
    Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
}
