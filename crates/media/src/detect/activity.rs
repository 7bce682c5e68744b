//! Speech, music or silence, by the frame, above a noise floor that adapts.

use super::spectrum::{COARSE, COARSE_HZ, Spectra, dbm0};

/// Edges of the bands, in Hz.
const EDGES_HZ: [f32; BANDS + 1] = [250.0, 400.0, 550.0, 750.0, 1000.0, 1350.0, 1800.0, 2500.0, 3400.0];
const BANDS: usize = 8;
/// How far the two loudest bands are above their floors when a voice begins, and when it still lasts.
const ON_DB: f32 = 9.0;
const OFF_DB: f32 = 6.0;
/// What is below is no voice.
const LEVEL_MIN_DBM0: f32 = -50.0;
/// The floor of a band is never taken for lower, nor for higher in the first moments.
const FLOOR_MIN_DB: f32 = -66.0;
const FLOOR_FIRST_DB: f32 = -45.0;
/// Until then nobody knows what is noise; nothing is taken for a voice.
const FIRST_FRAMES: u32 = 8;
/// The floor is the minimum of the last two seconds, kept in blocks.
const BLOCK_FRAMES: u32 = 25;
const BLOCKS: usize = 4;
/// Shorter sounds are clicks.
const ONSET_FRAMES: u32 = 3;
/// Frames that look back over a hole made by a lost packet.
const HOLE_FRAMES: u32 = 4;
/// Three seconds, by which speech and music are told apart.
const MUSIC_FRAMES: usize = 150;
/// Speech is below a third of its mean power nearly half of the time; music seldom is.
const MUSIC_WEAK_SHARE: f32 = 0.22;
const WEAK: f32 = 0.3;
/// A frame of speech or music lasts a little longer than its power: for those who ask whether somebody speaks.
const HANGOVER_FRAMES: u32 = 4;

/// What sounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Activity {
    Silence,
    Speech,
    /// Sound without the pauses of speech, for three seconds at least.
    Music,
    /// A steady tone, or two.
    Tone,
}

/// Follows one stream.
#[derive(Clone, Debug)]
pub(crate) struct ActivityDetector {
    smooth_db: [f32; BANDS],
    blocks: [[f32; BANDS]; BLOCKS],
    frames: u32,
    /// The same, with the frames of digital silence, which tell nothing of the noise.
    heard_frames: u32,
    /// Frames pushed since the block began, and blocks that are filled.
    in_block: u32,
    active: bool,
    active_frames: u32,
    hangover: u32,
    hole: u32,
    powers: Box<[f32; MUSIC_FRAMES]>,
    filled: usize,
}

impl ActivityDetector {
    pub(crate) fn new() -> ActivityDetector {
        ActivityDetector {
            smooth_db: [FLOOR_MIN_DB; BANDS],
            blocks: [[f32::MAX; BANDS]; BLOCKS],
            frames: 0,
            heard_frames: 0,
            in_block: 0,
            active: false,
            active_frames: 0,
            hangover: 0,
            // There is nothing before the first frame.
            hole: 0,
            powers: Box::new([0.0; MUSIC_FRAMES]),
            filled: 0,
        }
    }

    /// `tonal_frames`: how long a steady tone has been sounding.
    pub(crate) fn push(&mut self, spectra: &Spectra, tonal_frames: u32) -> Activity {
        let levels = band_levels(spectra);
        self.hole = if spectra.is_digital_silence() { 0 } else { self.hole.saturating_add(1) };
        if self.hole == 0 || self.hole > HOLE_FRAMES {
            self.heard_frames = self.heard_frames.saturating_add(1);
        }
        if self.hole > HOLE_FRAMES {
            self.learn(&levels);
        }
        self.decide(&levels, spectra);
        self.remember(spectra);
        if !self.active && self.hangover == 0 {
            Activity::Silence
        } else if tonal_frames >= 8 {
            Activity::Tone
        } else if self.is_music() {
            Activity::Music
        } else {
            Activity::Speech
        }
    }

    /// Power above the floor in this very frame, without the hangover.
    pub(crate) fn is_active(&self) -> bool {
        self.active
    }

    /// Level of the noise, in dBm0.
    pub(crate) fn noise_dbm0(&self) -> f32 {
        let power: f32 = (0..BANDS).map(|band| 10f32.powf(self.floor(band) / 10.0)).sum();
        10.0 * power.log10()
    }

    fn learn(&mut self, levels: &[f32; BANDS]) {
        self.frames = self.frames.saturating_add(1);
        if self.in_block == BLOCK_FRAMES {
            self.blocks.rotate_right(1);
            self.blocks[0] = [f32::MAX; BANDS];
            self.in_block = 0;
        }
        self.in_block += 1;
        for (band, level) in levels.iter().enumerate() {
            let smooth = &mut self.smooth_db[band];
            *smooth = if self.frames == 1 { *level } else { 0.6 * *smooth + 0.4 * level };
            self.blocks[0][band] = self.blocks[0][band].min(*smooth);
        }
    }

    fn floor(&self, band: usize) -> f32 {
        let least = self.blocks.iter().map(|block| block[band]).fold(f32::MAX, f32::min);
        let least = if self.frames < FIRST_FRAMES { least.min(FLOOR_FIRST_DB) } else { least };
        least.max(FLOOR_MIN_DB)
    }

    fn decide(&mut self, levels: &[f32; BANDS], spectra: &Spectra) {
        if self.hole == 0 {
            // One lost packet is no pause.
            self.hangover = self.hangover.saturating_sub(1);
            if self.hangover == 0 {
                (self.active, self.active_frames) = (false, 0);
            }
            return;
        }
        let (mut first, mut second) = (f32::MIN, f32::MIN);
        for (band, level) in levels.iter().enumerate() {
            let above = level - self.floor(band);
            if above > first {
                (first, second) = (above, first);
            } else if above > second {
                second = above;
            }
        }
        let above = 0.5 * (first + second);
        let loud = spectra.level_dbm0() > LEVEL_MIN_DBM0 && self.heard_frames >= FIRST_FRAMES;
        if loud && above > if self.active { OFF_DB } else { ON_DB } {
            self.active_frames += 1;
            self.active = self.active_frames >= ONSET_FRAMES || self.hangover > 0;
        } else {
            (self.active, self.active_frames) = (false, 0);
        }
        self.hangover = if self.active { HANGOVER_FRAMES } else { self.hangover.saturating_sub(1) };
    }

    fn remember(&mut self, spectra: &Spectra) {
        let power: f32 = spectra.newest().iter().map(|sample| sample * sample).sum();
        self.powers.rotate_left(1);
        self.powers[MUSIC_FRAMES - 1] = power;
        self.filled = if self.active || self.hangover > 0 { (self.filled + 1).min(MUSIC_FRAMES) } else { 0 };
    }

    fn is_music(&self) -> bool {
        if self.filled < MUSIC_FRAMES {
            return false;
        }
        let mean = self.powers.iter().sum::<f32>() / MUSIC_FRAMES as f32;
        let weak = self.powers.iter().filter(|power| **power < WEAK * mean).count();
        (weak as f32) < MUSIC_WEAK_SHARE * MUSIC_FRAMES as f32
    }
}

fn band_levels(spectra: &Spectra) -> [f32; BANDS] {
    let bin = |hz: f32| (hz / COARSE_HZ) as usize;
    std::array::from_fn(|band| {
        let range = bin(EDGES_HZ[band])..bin(EDGES_HZ[band + 1]).min(COARSE / 2);
        dbm0(spectra.coarse()[range].iter().sum())
    })
}
