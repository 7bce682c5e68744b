//! What a telephone network does to a sound: band, level, noise, codec, lost packets.

use media::{FRAME_SAMPLES, Sound, g711};

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Codec {
    Alaw,
    Ulaw,
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Noise {
    White,
    Pink,
}

/// One line.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Line {
    /// Of the loud parts of the sound; none keeps it as it is.
    pub level_dbm0: Option<f64>,
    /// Below the loud parts; none leaves the noise away.
    pub snr_db: Option<f64>,
    pub noise: Noise,
    pub codec: Codec,
    /// Share of packets lost.
    pub loss: f64,
    /// The receiver sees which packets are lost. Otherwise silence comes in their place.
    pub loss_seen: bool,
}

impl Line {
    /// A line as a carrier may have it.
    pub fn any(random: &mut fastrand::Rng) -> Line {
        Line {
            level_dbm0: Some(-30.0 + 20.0 * random.f64()),
            snr_db: [None, Some(30.0), Some(20.0), Some(10.0)][random.usize(..4)],
            noise: if random.bool() { Noise::White } else { Noise::Pink },
            codec: if random.bool() { Codec::Alaw } else { Codec::Ulaw },
            loss: [0.0, 0.01, 0.03][random.usize(..3)],
            loss_seen: random.u8(..4) > 0,
        }
    }

    /// The hard line of the measures: 10 dB of noise and 3 % loss.
    pub fn hard(random: &mut fastrand::Rng) -> Line {
        Line { snr_db: Some(10.0), loss: 0.03, ..Line::any(random) }
    }
}

/// The frames that arrive; none for a packet that is seen to be lost.
pub fn through(samples: &[i16], line: Line, random: &mut fastrand::Rng) -> Vec<Option<[i16; FRAME_SAMPLES]>> {
    let loud = loud_power(samples);
    let wanted = line.level_dbm0.map_or(loud, power_of);
    let gain = if loud > 0.0 { (wanted / loud).sqrt() } else { 0.0 };
    let noise_rms = line.snr_db.map_or(0.0, |snr| (wanted / 10f64.powf(snr / 10.0)).sqrt());
    let mut noise = NoiseSource::new(line.noise);
    let noisy = samples.iter().map(|sample| f64::from(*sample) * gain + noise_rms * noise.next(random));
    let coded = noisy.map(|value| {
        let sample = value.round() as i16;
        match line.codec {
            Codec::Alaw => g711::alaw_decode(g711::alaw_encode(sample)),
            Codec::Ulaw => g711::ulaw_decode(g711::ulaw_encode(sample)),
        }
    });
    let sound = Sound::from_samples(coded.collect());
    let silence = match line.codec {
        Codec::Alaw => 8,
        Codec::Ulaw => 0,
    };
    let arrived = sound.frames().map(|frame| {
        if random.f64() >= line.loss {
            return Some(frame);
        }
        (!line.loss_seen).then_some([silence; FRAME_SAMPLES])
    });
    arrived.collect()
}

/// Mean square at a level.
pub fn power_of(level_dbm0: f64) -> f64 {
    10f64.powf((level_dbm0 - 3.17) / 10.0) * 32_768f64.powi(2) / 2.0
}

/// Mean square of the frames that are no pauses.
pub fn loud_power(samples: &[i16]) -> f64 {
    let power = |frame: &[i16]| frame.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / frame.len() as f64;
    let powers: Vec<f64> = samples.chunks(FRAME_SAMPLES).map(power).collect();
    let peak = powers.iter().copied().fold(0.0, f64::max);
    let loud: Vec<f64> = powers.into_iter().filter(|power| *power > 0.02 * peak && *power > 0.0).collect();
    if loud.is_empty() { 0.0 } else { loud.iter().sum::<f64>() / loud.len() as f64 }
}

/// Noise with a mean square of 1.
struct NoiseSource {
    noise: Noise,
    poles: [f64; 3],
}

impl NoiseSource {
    fn new(noise: Noise) -> NoiseSource {
        NoiseSource { noise, poles: [0.0; 3] }
    }

    fn next(&mut self, random: &mut fastrand::Rng) -> f64 {
        // Twelve uniform numbers are nearly a normal one; four are near enough for noise.
        let white = ((0..4).map(|_| random.f64()).sum::<f64>() - 2.0) * 3f64.sqrt();
        if self.noise == Noise::White {
            return white;
        }
        let [a, b, c] = &mut self.poles;
        *a = 0.99765 * *a + white * 0.099_046;
        *b = 0.963 * *b + white * 0.296_516_4;
        *c = 0.57 * *c + white * 1.052_691_3;
        (*a + *b + *c + white * 0.1848) / 2.4
    }
}

/// 300 to 3400 Hz, as a telephone has it: two sections of second order.
pub fn telephone_band(samples: &[i16]) -> Vec<i16> {
    let mut low_cut = Section::high_pass(300.0);
    let mut high_cut = Section::low_pass(3400.0);
    samples.iter().map(|sample| high_cut.next(low_cut.next(f64::from(*sample))).round() as i16).collect()
}

struct Section {
    b: [f64; 3],
    a: [f64; 2],
    x: [f64; 2],
    y: [f64; 2],
}

impl Section {
    fn new(hz: f64, numerator: impl Fn(f64) -> [f64; 3]) -> Section {
        let w = 2.0 * std::f64::consts::PI * hz / 8000.0;
        let alpha = w.sin() / 2f64.sqrt();
        let scale = 1.0 / (1.0 + alpha);
        let b = numerator(w.cos()).map(|value| value * scale);
        Section { b, a: [-2.0 * w.cos() * scale, (1.0 - alpha) * scale], x: [0.0; 2], y: [0.0; 2] }
    }

    fn high_pass(hz: f64) -> Section {
        Section::new(hz, |c| [(1.0 + c) / 2.0, -(1.0 + c), (1.0 + c) / 2.0])
    }

    fn low_pass(hz: f64) -> Section {
        Section::new(hz, |c| [(1.0 - c) / 2.0, 1.0 - c, (1.0 - c) / 2.0])
    }

    fn next(&mut self, value: f64) -> f64 {
        let out = self.b[0] * value + self.b[1] * self.x[0] + self.b[2] * self.x[1]
            - self.a[0] * self.y[0]
            - self.a[1] * self.y[1];
        self.x = [value, self.x[0]];
        self.y = [out, self.y[0]];
        out
    }
}
