//! Sound that is kept in memory: 8 kHz, mono, 16 bit.

use std::io::{self, Read};
use std::time::Duration;

use crate::resample::Resampler;
use crate::tone::samples_of;

/// Samples a second of everything that is spoken here.
pub const SAMPLE_RATE: u32 = 8000;
/// Samples in a frame of 20 ms.
pub const FRAME_SAMPLES: usize = 160;
/// What one frame lasts.
pub const FRAME: Duration = Duration::from_millis(20);

/// The longest file that is taken.
const DURATION_MAX: Duration = Duration::from_secs(600);
const RATES: std::ops::RangeInclusive<u32> = 4000..=192_000;

/// A piece of sound, 8 kHz mono 16 bit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sound {
    samples: Vec<i16>,
}

/// Why a file cannot be played. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    #[error(
        "not a WAV file that can be read ({0}); convert it, e.g. `sox in.mp3 -r 8000 -c 1 -b 16 out.wav`"
    )]
    NotWav(String),
    #[error("the WAV file has {0} channels; mono or stereo is needed, e.g. `sox in.wav -c 1 out.wav`")]
    Channels(u16),
    #[error("the WAV file has {0} samples a second; 4000 to 192000 are read, 8000 is best")]
    Rate(u32),
    #[error("the WAV file is longer than 10 minutes; cut it, e.g. `sox in.wav out.wav trim 0 600`")]
    Long,
    #[error("the WAV file has no sound in it; record it again")]
    Empty,
    #[error("the WAV file ends before its sound does; copy or record it again")]
    Cut,
    #[error("the file could not be read: {0}")]
    Io(io::Error),
}

impl Sound {
    /// Takes samples that are at 8 kHz already.
    pub fn from_samples(samples: Vec<i16>) -> Sound {
        Sound { samples }
    }

    /// Nothing to hear.
    pub fn silence(duration: Duration) -> Sound {
        Sound { samples: vec![0; samples_of(duration)] }
    }

    /// Reads a WAV file: 8, 16, 24 or 32 bit integers or 32 bit floats, mono or stereo (which is mixed down), 4 to 192 kHz
    /// (which is resampled), at most 10 minutes. Reads no further than it needs; a `BufReader` is worth it for files.
    pub fn from_wav(reader: impl Read) -> Result<Sound, SoundError> {
        let wav = hound::WavReader::new(reader).map_err(not_wav)?;
        let spec = wav.spec();
        if !(1..=2).contains(&spec.channels) {
            return Err(SoundError::Channels(spec.channels));
        }
        if !RATES.contains(&spec.sample_rate) {
            return Err(SoundError::Rate(spec.sample_rate));
        }
        // Told by the header, so that nothing is read in vain. The header is the limit of what is read, too.
        if u64::from(wav.duration()) > DURATION_MAX.as_secs() * u64::from(spec.sample_rate) {
            return Err(SoundError::Long);
        }
        let samples = match spec.sample_format {
            hound::SampleFormat::Float => read(wav.into_samples::<f32>(), spec, |sample| sample),
            hound::SampleFormat::Int => {
                let scale = 1.0 / (1u64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
                read(wav.into_samples::<i32>(), spec, move |sample| sample as f32 * scale)
            }
        }?;
        if samples.is_empty() { Err(SoundError::Empty) } else { Ok(Sound { samples }) }
    }

    /// The samples, 8000 a second.
    pub fn samples(&self) -> &[i16] {
        &self.samples
    }

    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.samples.len() as u64 * 1_000_000 / u64::from(SAMPLE_RATE))
    }

    /// The sound in frames of 20 ms; the last one is filled up with silence.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = [i16; FRAME_SAMPLES]> + '_ {
        (0..self.frame_count()).map(|n| self.frame(n).expect("n is below the count of frames"))
    }

    /// How many frames of 20 ms there are, the last one perhaps not full.
    pub fn frame_count(&self) -> usize {
        self.samples.len().div_ceil(FRAME_SAMPLES)
    }

    /// The frame that starts `n` · 20 ms from the start.
    pub fn frame(&self, n: usize) -> Option<[i16; FRAME_SAMPLES]> {
        let rest = self.samples.get(n.checked_mul(FRAME_SAMPLES)?..).filter(|rest| !rest.is_empty())?;
        let mut frame = [0; FRAME_SAMPLES];
        let filled = rest.len().min(FRAME_SAMPLES);
        frame[..filled].copy_from_slice(&rest[..filled]);
        Some(frame)
    }
}

fn read<S>(
    samples: impl Iterator<Item = hound::Result<S>>,
    spec: hound::WavSpec,
    unit: impl Fn(S) -> f32,
) -> Result<Vec<i16>, SoundError> {
    let channels = usize::from(spec.channels);
    let mut resampler = Resampler::new(spec.sample_rate);
    let mut out = Vec::new();
    let (mut sum, mut filled) = (0.0, 0);
    for sample in samples {
        let value = unit(sample.map_err(cut)?);
        // A float file may hold anything; what is not a number is silence.
        sum += if value.is_finite() { value.clamp(-1.0, 1.0) } else { 0.0 };
        filled += 1;
        if filled == channels {
            resampler.push(sum / channels as f32, &mut out);
            (sum, filled) = (0.0, 0);
        }
    }
    resampler.finish(&mut out);
    Ok(out)
}

fn not_wav(error: hound::Error) -> SoundError {
    match error {
        hound::Error::IoError(error) if error.kind() == io::ErrorKind::Other => {
            // How hound says that the file ends inside its header.
            SoundError::NotWav(error.to_string())
        }
        hound::Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            SoundError::NotWav("it ends inside its header".into())
        }
        hound::Error::IoError(error) => SoundError::Io(error),
        other => SoundError::NotWav(other.to_string()),
    }
}

fn cut(error: hound::Error) -> SoundError {
    match error {
        hound::Error::IoError(error)
            if !matches!(error.kind(), io::ErrorKind::Other | io::ErrorKind::UnexpectedEof) =>
        {
            SoundError::Io(error)
        }
        hound::Error::IoError(_) => SoundError::Cut,
        other => not_wav(other),
    }
}
