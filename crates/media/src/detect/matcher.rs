//! Finds out, frame by frame, which learned sound a stream plays. The work of a frame is bounded, however many sounds there
//! are.

use super::announcement::{Library, Place};
use super::fingerprint::{Print, WEAK_BITS};

/// Frames that are compared when a sound is looked for: 1.6 s.
const WINDOW: usize = 80;
/// Frames that are compared before it is told: 2.6 s. One voice says many sentences with the same words in them.
const WHOLE: usize = 130;
/// Of them must be no pauses, or nearly all of the sound's if it is shorter.
const WHOLE_COMPARED_MIN: u32 = 95;
const WHOLE_PART: f32 = 0.6;
/// The last 0.8 s must still fit: many announcements only begin alike.
const TAIL: usize = 40;
const TAIL_COMPARED_MIN: u32 = 24;
const TAIL_ERRORS_MAX: f32 = 0.36;
/// So much of a sound must be over.
const HEARD_PART: f32 = 0.5;
/// Of them must be no pauses, in the stream and in the sound.
const COMPARED_MIN: u32 = 48;
/// Wrong bits that a sound may have, as a share. Different sounds differ in about half.
const ERRORS_MAX: f32 = 0.31;
/// The same on a clean line, where only another sentence of the same voice has more.
const CLEAN_ERRORS_MAX: f32 = 0.26;
/// A candidate is dropped when it gets worse.
const ERRORS_KEPT: f32 = 0.36;
/// Another label must be worse by so much.
const MARGIN: f32 = 0.05;
/// Frames for which a sound must have been the best.
const CONFIRMATIONS: u32 = 6;
/// Candidates that are followed.
const TRACKED: usize = 8;
/// Places that are looked at in one frame.
const PLACES_MAX: usize = 256;
/// A place is given up when so many of its first compared frames are bad.
const PROBE: u32 = 14;
const PROBE_ERRORS_MAX: f32 = 0.40;

/// A sound of the library that was known again.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Match {
    pub(crate) sound: u16,
    /// Share of bits that agree, 0.5 to 1.
    pub(crate) agreement: f32,
}

/// Follows one stream.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    /// The last prints, a ring; `now % WHOLE` is where the next goes.
    bits: [u32; WHOLE],
    active: [bool; WHOLE],
    active_count: usize,
    now: u32,
    tracked: [Option<Track>; TRACKED],
    told: Option<u16>,
}

/// A sound that the stream seems to play.
#[derive(Clone, Copy, Debug)]
struct Track {
    sound: u16,
    phase: u8,
    /// The stream's frame number minus the sound's, wrapping.
    offset: u32,
    errors: f32,
    confirmed: u32,
}

impl Track {
    /// The sound's frame that goes with the stream's last; `now` is the number of the next.
    fn place(&self, now: u32) -> Option<Place> {
        let frame = u16::try_from(now.wrapping_sub(1).wrapping_sub(self.offset)).ok()?;
        Some(Place { sound: self.sound, phase: self.phase, frame })
    }
}

impl Matcher {
    pub(crate) fn new() -> Matcher {
        Matcher {
            bits: [0; WHOLE],
            active: [false; WHOLE],
            active_count: 0,
            now: 0,
            tracked: [None; TRACKED],
            told: None,
        }
    }

    /// Takes one frame's print. A sound is told once until another is heard.
    /// `clean`: the line has little noise.
    pub(crate) fn push(&mut self, library: &Library, print: Print, clean: bool) -> Option<Match> {
        let place = self.now as usize % WHOLE;
        self.active_count -= usize::from(self.active[place]);
        self.active_count += usize::from(print.active);
        (self.bits[place], self.active[place]) = (print.bits, print.active);
        self.now = self.now.wrapping_add(1);
        self.follow(library);
        if print.active && self.active_count >= COMPARED_MIN as usize {
            self.search(library, print);
        }
        self.tell(library, if clean { CLEAN_ERRORS_MAX } else { ERRORS_MAX })
    }

    /// The sounds that the stream seems to play, and the share of bits in which each differs from it.
    pub(crate) fn sounds(&self) -> impl Iterator<Item = (u16, f32)> + '_ {
        self.tracked.iter().flatten().map(|track| (track.sound, track.errors))
    }

    fn follow(&mut self, library: &Library) {
        for n in 0..TRACKED {
            let Some(mut track) = self.tracked[n] else { continue };
            let errors =
                track.place(self.now).and_then(|place| self.errors(library, place, WINDOW, COMPARED_MIN));
            self.tracked[n] = errors.filter(|errors| *errors <= ERRORS_KEPT).map(|errors| {
                track.errors = errors;
                track.confirmed = if errors <= ERRORS_MAX { track.confirmed + 1 } else { 0 };
                track
            });
        }
    }

    fn search(&mut self, library: &Library, print: Print) {
        let mut left = PLACES_MAX;
        let flips = WEAK_BITS / 2;
        for half in 0..2 {
            let weak = &print.weak[half * flips..(half + 1) * flips];
            for choice in 0..1u32 << flips {
                let flipped = weak.iter().enumerate().filter(|(n, _)| choice & 1 << n != 0);
                let bits = flipped.fold(print.bits, |bits, (_, bit)| bits ^ bit);
                for place in library.places(half, (bits >> (16 * half)) as u16) {
                    if left == 0 {
                        return;
                    }
                    left -= 1;
                    self.consider(library, *place);
                }
            }
        }
    }

    fn consider(&mut self, library: &Library, place: Place) {
        let offset = self.now.wrapping_sub(1).wrapping_sub(u32::from(place.frame));
        // The same place a phase or a frame away is the same finding.
        let same = |track: &Track| {
            track.sound == place.sound && track.offset.wrapping_sub(offset).wrapping_add(2) < 5
        };
        let known = self
            .tracked
            .iter()
            .flatten()
            .any(|track| same(track) && track.phase == place.phase && track.offset == offset);
        if known {
            return;
        }
        let Some(errors) = self.errors(library, place, WINDOW, COMPARED_MIN) else { return };
        if errors > ERRORS_MAX {
            return;
        }
        let found = Track { sound: place.sound, phase: place.phase, offset, errors, confirmed: 0 };
        let similar = self.tracked.iter_mut().flatten().find(|track| same(track));
        if let Some(similar) = similar {
            if errors < similar.errors {
                *similar = Track { confirmed: similar.confirmed, ..found };
            }
            return;
        }
        let worst = self.tracked.iter_mut().max_by(|a, b| {
            let errors = |track: &Option<Track>| track.map_or(f32::MAX, |track| track.errors);
            errors(a).total_cmp(&errors(b))
        });
        if let Some(worst) = worst
            && worst.is_none_or(|worst| errors < worst.errors)
        {
            *worst = Some(found);
        }
    }

    /// Share of wrong bits in the window that ends with the sound's frame; none when too little can be compared.
    fn errors(&self, library: &Library, place: Place, window: usize, compared_min: u32) -> Option<f32> {
        let learned = library.sound(place.sound);
        let frame = usize::from(place.frame);
        if frame >= learned.frames() {
            return None;
        }
        let (bits, active) = learned.phase(place.phase);
        let (mut compared, mut wrong) = (0, 0);
        for back in 0..window.min(frame + 1).min(self.now as usize) {
            let mine = (self.now as usize - 1 - back) % WHOLE;
            if !(self.active[mine] && active[frame - back]) {
                continue;
            }
            compared += 1;
            wrong += (self.bits[mine] ^ bits[frame - back]).count_ones();
            if compared == PROBE && wrong as f32 > PROBE_ERRORS_MAX * 32.0 * PROBE as f32 {
                return None;
            }
        }
        (compared >= compared_min).then(|| wrong as f32 / (32 * compared) as f32)
    }

    fn tell(&mut self, library: &Library, errors_max: f32) -> Option<Match> {
        let best = *self.tracked.iter().flatten().min_by(|a, b| a.errors.total_cmp(&b.errors))?;
        if best.confirmed < CONFIRMATIONS || self.told == Some(best.sound) {
            return None;
        }
        let place = best.place(self.now)?;
        if library.is_ambiguous(best.sound, usize::from(place.frame)) {
            return None;
        }
        let all = library.sound(best.sound).active_frames() as f32 * WHOLE_PART;
        let errors = self.errors(library, place, WHOLE, WHOLE_COMPARED_MIN.min(all as u32))?;
        let tail = self.errors(library, place, TAIL, TAIL_COMPARED_MIN)?;
        let heard = f32::from(place.frame) >= HEARD_PART * library.sound(best.sound).frames() as f32;
        if errors > errors_max || tail > TAIL_ERRORS_MAX || !heard {
            return None;
        }
        let label = library.label_of(best.sound);
        let rivals = self.tracked.iter().flatten().filter(|track| library.label_of(track.sound) != label);
        if rivals.map(|rival| rival.errors).any(|errors| errors < best.errors + MARGIN) {
            return None;
        }
        self.told = Some(best.sound);
        Some(Match { sound: best.sound, agreement: 1.0 - errors })
    }
}
