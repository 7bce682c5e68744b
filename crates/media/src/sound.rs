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
/// No WAV file with 10 minutes of sound is larger; what pretends to be is not read to its end.
const BYTES_MAX: u64 = 1 << 30;
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
        let wav = hound::WavReader::new(reader.take(BYTES_MAX)).map_err(not_wav)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goertzel;
    use std::f64::consts::PI;
    use std::io::Cursor;

    fn spec(channels: u16, sample_rate: u32, bits: u16, float: bool) -> hound::WavSpec {
        let sample_format = if float { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
        hound::WavSpec { channels, sample_rate, bits_per_sample: bits, sample_format }
    }

    /// A WAV file of half a second with a tone of half of full scale.
    fn wav(spec: hound::WavSpec, frequency_hz: f64) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a valid spec");
        for n in 0..spec.sample_rate / 2 {
            let value = 0.5 * (2.0 * PI * frequency_hz * f64::from(n) / f64::from(spec.sample_rate)).sin();
            for _ in 0..spec.channels {
                match spec.sample_format {
                    hound::SampleFormat::Float => writer.write_sample(value as f32),
                    hound::SampleFormat::Int => {
                        let full = 2f64.powi(i32::from(spec.bits_per_sample) - 1);
                        writer.write_sample((value * full).round() as i32)
                    }
                }
                .expect("memory takes it");
            }
        }
        writer.finalize().expect("memory takes it");
        bytes.into_inner()
    }

    fn read_wav(bytes: &[u8]) -> Result<Sound, SoundError> {
        Sound::from_wav(bytes)
    }

    #[test]
    fn every_sample_format_gives_the_same_sound() {
        for (bits, float) in [(8, false), (16, false), (24, false), (32, false), (32, true)] {
            for channels in [1, 2] {
                let sound = read_wav(&wav(spec(channels, 8000, bits, float), 1000.0)).expect("readable");
                assert_eq!(sound.samples().len(), 4000);
                let level = goertzel::level(sound.samples(), 1000.0);
                assert!((level - 16_384.0).abs() < 150.0, "{bits} bits, {channels} channels: {level}");
                assert!(goertzel::share(sound.samples(), 1000.0) > 0.98);
            }
        }
    }

    #[test]
    fn sixteen_bits_at_8_khz_come_out_bit_for_bit() {
        let samples = [0, 1, -1, i16::MAX, i16::MIN, 1234];
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec(1, 8000, 16, false)).expect("a valid spec");
        samples.iter().for_each(|sample| writer.write_sample(*sample).expect("memory takes it"));
        writer.finalize().expect("memory takes it");
        assert_eq!(read_wav(bytes.get_ref()).expect("readable").samples(), samples);
    }

    #[test]
    fn a_tone_keeps_its_frequency_and_its_level_at_every_rate() {
        for rate in [4000, 8012, 11_025, 12_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000] {
            for frequency_hz in [300.0, 1000.0, 1600.0] {
                let sound = read_wav(&wav(spec(1, rate, 16, false), frequency_hz)).expect("readable");
                assert!(sound.samples().len().abs_diff(4000) <= 1, "{rate}: {}", sound.samples().len());
                let middle = &sound.samples()[400..3600];
                let level = goertzel::level(middle, frequency_hz);
                assert!((level - 16_384.0).abs() < 200.0, "{rate} Hz, {frequency_hz} Hz: level {level}");
                let share = goertzel::share(middle, frequency_hz);
                assert!(share > 0.9999, "{rate} Hz, {frequency_hz} Hz: share {share}");
            }
        }
    }

    #[test]
    fn the_telephone_band_passes_up_to_3400_hz() {
        for rate in [16_000, 44_100, 48_000] {
            let sound = read_wav(&wav(spec(1, rate, 16, false), 3400.0)).expect("readable");
            let level = goertzel::level(&sound.samples()[400..3600], 3400.0);
            assert!(level > 16_384.0 * 0.89, "{rate} Hz: level {level}");
        }
    }

    #[test]
    fn what_8_khz_cannot_hold_is_60_db_down() {
        for rate in [11_025, 16_000, 44_100, 48_000, 96_000] {
            for frequency_hz in [4200.0, 5000.0, 7000.0, 15_000.0] {
                if frequency_hz > f64::from(rate) / 2.0 {
                    continue;
                }
                let sound = read_wav(&wav(spec(1, rate, 16, false), frequency_hz)).expect("readable");
                let middle = &sound.samples()[400..3600];
                let peak = middle.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
                assert!(peak < 17, "{frequency_hz} Hz at {rate} Hz left {peak} of 16384");
            }
        }
    }

    #[test]
    fn files_that_cannot_be_played_say_what_to_do() {
        let says = |bytes: &[u8], text: &str| {
            let error = read_wav(bytes).expect_err("not playable").to_string();
            assert!(error.contains(text), "{error}");
        };
        says(b"", "convert it");
        says(b"ID3 this is an MP3 file, or so it says", "convert it");
        says(&wav(spec(3, 8000, 16, false), 1000.0), "3 channels");
        says(&wav(spec(1, 2000, 16, false), 500.0), "2000 samples a second");
        says(&wav(spec(1, 384_000, 16, false), 500.0), "384000 samples a second");
        let mut alaw = wav(spec(1, 8000, 16, false), 1000.0);
        alaw[20] = 6;
        says(&alaw, "convert it");
        let whole = wav(spec(1, 8000, 16, false), 1000.0);
        says(&whole[..2001], "ends before");
        says(&whole[..30], "convert it");
        let mut empty = whole[..44].to_vec();
        empty[40..44].fill(0);
        says(&empty, "no sound");
        let mut long = whole;
        long[40..44].copy_from_slice(&(16_000u32 * 601).to_le_bytes());
        says(&long, "10 minutes");
    }

    #[test]
    fn mutated_files_never_panic() {
        let original = wav(spec(2, 8000, 16, false), 1000.0);
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..2000 {
            let mut bytes = original[..400].to_vec();
            for _ in 0..random.usize(1..5) {
                let at = random.usize(..60);
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()));
            drop(read_wav(&bytes));
        }
    }

    #[test]
    fn the_last_frame_is_filled_with_silence() {
        let sound = Sound::from_samples(vec![5; 161]);
        let frames: Vec<_> = sound.frames().collect();
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0], [5; 160]);
        assert_eq!((frames[1][0], &frames[1][1..]), (5, &[0; 159][..]));
        assert_eq!(sound.frame(2), None);
        assert_eq!(Sound::from_samples(Vec::new()).frame_count(), 0);
        assert_eq!(Sound::silence(Duration::from_millis(30)).duration(), Duration::from_millis(30));
    }
}
