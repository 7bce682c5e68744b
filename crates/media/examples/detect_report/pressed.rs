//! Keys that are pressed as tones, and sounds that must not be taken for them.

use std::f64::consts::PI;
use std::time::Duration;

use media::FRAME_SAMPLES;
use media::detect::Keypad;

use crate::corpus::{self, Failure, Studio};
use crate::degrade::{Codec, Line, Noise, loud_power, power_of, through};
use crate::texts::{self, Split};
use crate::{Asked, cpu_time, known, share};

const KEYS: &str = "123A456B789C*0#D";
const ROWS_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const COLUMNS_HZ: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// Numbers that are dialed for each kind of line, and keys of each.
const NUMBERS: usize = 100;
const KEYS_EACH: usize = 20;
/// What a line is given: noise below the keys in dB, packets lost, and whether that is seen.
const LINES: [(Option<f64>, f64, bool); 8] = [
    (None, 0.0, true),
    (Some(20.0), 0.0, true),
    (Some(15.0), 0.0, true),
    (Some(10.0), 0.0, true),
    (None, 0.01, true),
    (None, 0.03, true),
    (None, 0.03, false),
    (Some(15.0), 0.03, true),
];

pub fn report(asked: Asked, studio: &Studio) -> Result<(), Failure> {
    let mut random = fastrand::Rng::with_seed(if asked.split == Split::Train { 31 } else { 32 });
    println!(
        "\nkeys as tones (each −27 to −7 dBm0, twist −8 to 4 dB, frequencies ±1.5 %, A and µ law; pauses as long as keys):"
    );
    for on_ms in [40.0, 60.0, 100.0] {
        for (snr_db, loss, loss_seen) in LINES {
            let (mut found, mut more, mut all) = (0, 0, 0);
            for _ in 0..NUMBERS {
                let number: Vec<u8> =
                    (0..KEYS_EACH).map(|_| KEYS.as_bytes()[random.usize(..KEYS.len())]).collect();
                let codec = if random.bool() { Codec::Alaw } else { Codec::Ulaw };
                let noise = if random.bool() { Noise::White } else { Noise::Pink };
                let (samples, power) = dialed(&number, on_ms, &mut random);
                // Noise is told as below the loud frames, and frames have pauses in them.
                let snr_db = snr_db.map(|snr| snr + 10.0 * (loud_power(&samples) / power).log10());
                let line = Line { level_dbm0: None, snr_db, noise, codec, loss, loss_seen };
                let told = hear(&through(&samples, line, &mut random));
                let right = common(&number, &told);
                (found, more, all) = (found + right, more + told.len() - right, all + number.len());
                if asked.misses && (right < number.len() || told.len() > right) {
                    let text = |keys: &[u8]| String::from_utf8_lossy(keys).into_owned();
                    println!("miss {} told as {} {on_ms} ms {line:?}", text(&number), text(&told));
                }
            }
            let noise = snr_db.map_or("no noise".into(), |snr| format!("{snr:.0} dB noise"));
            let loss = format!("{:.0} % loss{}", 100.0 * loss, if loss_seen { "" } else { " unseen" });
            println!(
                "  {on_ms:>3} ms, {noise:<11} {loss:<14} {:<26} wrong or doubled {more}",
                share(found, all)
            );
        }
    }
    strangers(asked, studio, &mut random)
}

/// A number, and the power of its tones.
fn dialed(number: &[u8], on_ms: f64, random: &mut fastrand::Rng) -> (Vec<i16>, f64) {
    let row_dbm0 = -24.0 + 13.0 * random.f64();
    let twist_db = (-8.0 + 12.0 * random.f64()).max(-27.0 - row_dbm0);
    let row_dbm0 = row_dbm0 + if twist_db < -3.0 { 4.0 } else { 0.0 };
    let stretch = 0.985 + 0.03 * random.f64();
    let mut samples = corpus::silence(0.3 + 0.02 * random.f64());
    for key in number {
        let place = KEYS.bytes().position(|known| known == *key).unwrap_or_default();
        let tones = [(ROWS_HZ[place / 4], row_dbm0), (COLUMNS_HZ[place % 4], row_dbm0 + twist_db)];
        let phases = [random.f64(), random.f64()];
        for n in 0..(8.0 * on_ms) as usize {
            let wave = |((hz, dbm0), phase): (&(f64, f64), &f64)| {
                let cycles = hz * stretch * n as f64 / 8000.0 + phase;
                (2.0 * power_of(*dbm0)).sqrt() * (2.0 * PI * cycles).sin()
            };
            samples.push(tones.iter().zip(&phases).map(wave).sum::<f64>().round() as i16);
        }
        samples.extend(corpus::silence(on_ms / 1000.0));
    }
    samples.extend(corpus::silence(0.3));
    (samples, power_of(row_dbm0) + power_of(row_dbm0 + twist_db))
}

fn hear(frames: &[Option<[i16; FRAME_SAMPLES]>]) -> Vec<u8> {
    let mut keypad = Keypad::new();
    let pressed = frames.iter().filter_map(|frame| match frame {
        Some(frame) => keypad.feed(frame),
        None => keypad.lost(),
    });
    pressed.filter_map(|key| u8::try_from(key).ok()).collect()
}

/// Keys that both have, in the same order.
fn common(a: &[u8], b: &[u8]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut corner = 0;
        for (n, y) in b.iter().enumerate() {
            let above = row[n + 1];
            row[n + 1] = if x == y { corner + 1 } else { above.max(row[n]) };
            corner = above;
        }
    }
    row[b.len()]
}

/// Speech and music, each over four lines.
fn strangers(asked: Asked, studio: &Studio, random: &mut fastrand::Rng) -> Result<(), Failure> {
    let speech = known::speech(asked, studio, texts::voices(asked.split), random)?;
    let music = known::music(asked.split, studio)?;
    let (mut frames_all, mut spent) = (0, Duration::ZERO);
    for (name, sounds) in [("speech", speech), ("music", music)] {
        let (mut keys, mut frames_here) = (0, 0);
        for (what, samples) in std::iter::repeat_n(&sounds, 4).flatten() {
            let line = Line::any(random);
            let frames = through(samples, line, random);
            let begun = cpu_time();
            let told = hear(&frames);
            spent += cpu_time().saturating_sub(begun);
            (keys, frames_here) = (keys + told.len(), frames_here + frames.len());
            if asked.misses && !told.is_empty() {
                println!("false {}: {what} {line:?}", String::from_utf8_lossy(&told));
            }
        }
        frames_all += frames_here;
        println!("  {name}, {:.0} minutes: false keys {keys}", frames_here as f64 / 3000.0);
    }
    println!("  cost: {:.2} µs a frame", spent.as_secs_f64() * 1e6 / f64::from(frames_all.max(1) as u32));
    for (name, on_ms, off_ms) in [("without end", 1000, 0), ("of 45 ms, pauses of 15 ms", 45, 15)] {
        let samples = refused(on_ms, off_ms);
        let frames: Vec<_> = samples.as_chunks().0.iter().copied().map(Some).collect();
        let begun = cpu_time();
        let told = hear(&frames);
        let cost = cpu_time().saturating_sub(begun).as_secs_f64() * 1e6 / f64::from(frames.len() as u32);
        println!("  keys with a third tone, {name}: {cost:.2} µs a frame, false keys {}", told.len());
    }
    Ok(())
}

/// Five minutes of a key that is none because of a third tone: what costs most.
fn refused(on_ms: usize, off_ms: usize) -> Vec<i16> {
    let wave = |n: usize, hz: f64, peak: f64| peak * (2.0 * PI * hz * n as f64 / 8000.0).sin();
    let is_on = |n: usize| (n / 8) % (on_ms + off_ms) < on_ms;
    let sample = |n: usize| match is_on(n) {
        true => wave(n, 770.0, 6000.0) + wave(n, 1336.0, 6000.0) + wave(n, 2500.0, 2500.0),
        false => 0.0,
    };
    (0..300 * 8000).map(|n| sample(n) as i16).collect()
}
