//! Tones of networks, fax tones and beeps.

use std::collections::BTreeMap;

use media::detect::{Heard, HeardAt, Listener, ListenerConfig, Tone, ToneKind};

use crate::corpus::{self, SITS, TONES};
use crate::degrade::{Codec, Line, Noise, through};
use crate::texts::Split;
use crate::{Asked, Cost, share};

/// Right, all, and what else was told.
#[derive(Default)]
struct Score {
    right: usize,
    all: usize,
    wrong: BTreeMap<String, usize>,
}

pub fn report(asked: Asked, cost: &mut Cost) {
    let mut random = fastrand::Rng::with_seed(if asked.split == Split::Train { 1 } else { 2 });
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    for spec in TONES {
        let name = format!("{:?} {:?}", spec.plan, spec.kind);
        for (level, stretch, line) in lines(&mut random) {
            let samples = corpus::tone(spec, level, stretch, 1000.0 * random.f64(), 13.0);
            let tones = tones(&hear(&samples, line, &mut random, cost));
            let right = matches!(&tones[..], [tone] if tone.kind == spec.kind && tone.plan == spec.plan);
            note(
                asked,
                &mut scores,
                &name,
                right,
                &tones,
                &format!("{level:.0} dBm0 × {stretch:.3} {line:?}"),
            );
        }
    }
    for (sit, parts) in SITS {
        for (level, stretch, line) in lines(&mut random) {
            let samples = corpus::sit(parts, level, stretch, 1000.0 * random.f64());
            let tones = tones(&hear(&samples, line, &mut random, cost));
            let right = matches!(&tones[..], [tone] if tone.kind == ToneKind::Sit(*sit));
            note(
                asked,
                &mut scores,
                &format!("Sit {sit:?}"),
                right,
                &tones,
                &format!("{level:.0} × {stretch:.3} {line:?}"),
            );
        }
    }
    for hz in [520.0, 620.0, 800.0, 1000.0, 1400.0, 2000.0] {
        for (level, stretch, line) in lines(&mut random) {
            let mut samples = corpus::silence(0.5 + random.f64());
            samples.extend(corpus::beep(hz * stretch, level, 200.0 + 800.0 * random.f64()));
            samples.extend(corpus::silence(6.0));
            let tones = tones(&hear(&samples, line, &mut random, cost));
            let right = matches!(&tones[..], [Tone { kind: ToneKind::Beep { frequency_hz }, .. }]
                if (f64::from(*frequency_hz) / hz - stretch).abs() < 0.01);
            note(asked, &mut scores, "Beep", right, &tones, &format!("{hz} Hz {level:.0} {line:?}"));
        }
    }
    print(&scores);
}

fn print(scores: &BTreeMap<String, Score>) {
    println!(
        "\ntones (level −3 to −35 dBm0, frequency ±1.5 %, clean or 10 dB noise, 0 or 3 % loss, A and µ law):"
    );
    let (mut right, mut all) = (0, 0);
    for (name, score) in scores {
        right += score.right;
        all += score.all;
        let wrong: Vec<String> =
            score.wrong.iter().map(|(what, count)| format!("{what} × {count}")).collect();
        println!("  {name:<28} {:<22} {}", share(score.right, score.all), wrong.join(", "));
    }
    println!("  all {}", share(right, all));
}

fn note(
    asked: Asked,
    scores: &mut BTreeMap<String, Score>,
    name: &str,
    right: bool,
    tones: &[Tone],
    how: &str,
) {
    let score = scores.entry(name.to_owned()).or_default();
    score.all += 1;
    score.right += usize::from(right);
    if !right {
        let told: Vec<String> = tones.iter().map(|tone| format!("{:?}", tone.kind)).collect();
        *score.wrong.entry(format!("[{}]", told.join(" "))).or_default() += 1;
        if asked.misses {
            println!("miss {name}: {tones:?} at {how}");
        }
    }
}

/// Levels, errors of frequency, and lines; each case once with a level and error by chance, and at the extremes.
fn lines(random: &mut fastrand::Rng) -> Vec<(f64, f64, Line)> {
    let mut out = Vec::new();
    for level in [-3.0, -12.0, -24.0, -35.0] {
        for stretch in [0.985, 1.0, 1.015] {
            for snr_db in [None, Some(10.0)] {
                for (loss, loss_seen) in [(0.0, true), (0.03, true), (0.03, false)] {
                    let codec = if random.bool() { Codec::Alaw } else { Codec::Ulaw };
                    let noise = if random.bool() { Noise::White } else { Noise::Pink };
                    let line = Line { level_dbm0: None, snr_db, noise, codec, loss, loss_seen };
                    out.push((level, stretch, line));
                }
            }
        }
    }
    out
}

fn hear(samples: &[i16], line: Line, random: &mut fastrand::Rng, cost: &mut Cost) -> Vec<HeardAt> {
    let level = crate::degrade::loud_power(samples);
    debug_assert!(level > 0.0);
    let mut listener = Listener::new(ListenerConfig::default());
    let line = Line { level_dbm0: Some(dbm0(level)), ..line };
    cost.listen(&mut listener, &through(samples, line, random))
}

fn dbm0(power: f64) -> f64 {
    10.0 * (power / (32_768f64.powi(2) / 2.0)).log10() + 3.17
}

pub fn tones(heard: &[HeardAt]) -> Vec<Tone> {
    let tone = |heard: &HeardAt| match heard.what {
        Heard::Tone(tone) => Some(tone),
        _ => None,
    };
    heard.iter().filter_map(tone).collect()
}
