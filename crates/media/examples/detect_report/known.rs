//! Announcements that were learned, and sounds that must not be taken for one.

use std::sync::Arc;

use media::detect::{Activity, Heard, HeardAt, Label, Library, Listener, ListenerConfig};
use media::{FRAME_SAMPLES, Sound};

use crate::answering::activities;
use crate::corpus::{self, Failure, Studio};
use crate::degrade::{Line, through};
use crate::networks::tones;
use crate::texts::{self, Split, Voice};
use crate::{Asked, Cost, percentile, share};

/// Times that each announcement is played over another line.
const REPEATS: usize = 25;

/// Voices that say announcements, by their place in the list of voices.
const LEARNED_VOICES: [usize; 8] = [0, 1, 3, 4, 5, 6, 7, 9];

struct Learned {
    label: &'static str,
    samples: Vec<i16>,
}

pub fn report(asked: Asked, studio: &Studio, cost: &mut Cost) -> Result<(), Failure> {
    let learned = learned(studio)?;
    let library = library(&learned)?;
    let bytes = library.to_bytes();
    let library = Arc::new(Library::from_bytes(&bytes)?);
    println!("\nannouncements: {} sounds learned, {} kB", library.len(), bytes.len() / 1000);
    let mut random = fastrand::Rng::with_seed(if asked.split == Split::Train { 21 } else { 22 });
    recognise(asked, &library, &learned, &mut random, cost);
    strangers(asked, studio, &library, &mut random, cost)
}

/// Three voices a language say all of them: the beginnings of one voice's sounds are the same for every label.
fn learned(studio: &Studio) -> Result<Vec<Learned>, Failure> {
    let mut out = Vec::new();
    for voice in LEARNED_VOICES.iter().map(|n| &texts::voices(Split::Train)[*n]) {
        for (label, text) in texts::announcements(voice.chinese) {
            out.push(Learned { label, samples: studio.speak(*voice, 165, text)? });
        }
    }
    Ok(out)
}

fn library(learned: &[Learned]) -> Result<Library, Failure> {
    let sounds: Vec<Sound> = learned.iter().map(|one| Sound::from_samples(one.samples.clone())).collect();
    let labels: Result<Vec<Label>, _> = learned.iter().map(|one| Label::new(one.label)).collect();
    let mut library = Library::default();
    let begun = std::time::Instant::now();
    library.learn(labels?.into_iter().zip(&sounds))?;
    println!("\nlearned in {:.2} s", begun.elapsed().as_secs_f64());
    Ok(library)
}

fn recognise(
    asked: Asked,
    library: &Arc<Library>,
    learned: &[Learned],
    random: &mut fastrand::Rng,
    cost: &mut Cost,
) {
    for (name, hard) in [("any line", false), ("10 dB noise and 3 % loss", true)] {
        let (mut right, mut wrong, mut all, mut agreements, mut times) = (0, 0, 0, Vec::new(), Vec::new());
        for one in learned {
            for _ in 0..REPEATS {
                let line = if hard { Line::hard(random) } else { Line::any(random) };
                // Some calls are heard from the middle of the announcement's first second.
                let from = random.usize(..8000);
                let mut samples =
                    if random.bool() { one.samples.clone() } else { one.samples[from..].to_vec() };
                samples.splice(0..0, corpus::silence(0.2 + random.f64()));
                let heard = hear(&through(&samples, line, random), library, cost);
                let told = announcements(&heard, library);
                all += 1;
                right += usize::from(!told.is_empty() && told.iter().all(|(label, ..)| *label == one.label));
                wrong += usize::from(told.iter().any(|(label, ..)| *label != one.label));
                if asked.misses && (told.is_empty() || told.iter().any(|(label, ..)| *label != one.label)) {
                    println!("miss {} {:?}: {told:?}", one.label, line);
                }
                agreements.extend(told.iter().map(|(_, agreement, _)| f64::from(*agreement)));
                times.extend(told.first().map(|(.., at)| *at / (samples.len() as f64 / 8000.0)));
            }
        }
        println!(
            "  {name}: right {}, with a wrong label {}; agreement p5 {:.2}, p50 {:.2}; told after p50 {:.0} %, p95 {:.0} % of the sound",
            share(right, all),
            share(wrong, all),
            percentile(&mut agreements, 0.05),
            percentile(&mut agreements, 0.5),
            100.0 * percentile(&mut times, 0.5),
            100.0 * percentile(&mut times, 0.95),
        );
    }
}

/// Sounds that were not learned: by voices that were not, by voices that were (which say some of the same words), music.
fn strangers(
    asked: Asked,
    studio: &Studio,
    library: &Arc<Library>,
    random: &mut fastrand::Rng,
    cost: &mut Cost,
) -> Result<(), Failure> {
    let mut voices = [Vec::new(), Vec::new()];
    for (n, voice) in texts::voices(Split::Train).iter().enumerate() {
        voices[usize::from(LEARNED_VOICES.contains(&n))].push(*voice);
    }
    if asked.split == Split::HeldOut {
        voices[0] = texts::voices(Split::HeldOut).to_vec();
    }
    let [strange, known] = voices;
    ignored(
        asked,
        "speech of other voices",
        &speech(asked, studio, &strange, random)?,
        library,
        random,
        cost,
    );
    ignored(
        asked,
        "speech of learned voices",
        &speech(asked, studio, &known, random)?,
        library,
        random,
        cost,
    );
    ignored(asked, "music", &music(asked.split, studio)?, library, random, cost);
    Ok(())
}

pub fn music(split: Split, studio: &Studio) -> Result<Vec<(String, Vec<i16>)>, Failure> {
    let first = if split == Split::Train { 0 } else { 1000 };
    let mut music: Vec<(String, Vec<i16>)> =
        (first..first + 400).map(|n| (format!("music {n}"), corpus::music(n))).collect();
    for n in first..first + 30 {
        music.push((format!("plucked {n}"), studio.plucked(n)?));
    }
    Ok(music)
}

pub fn speech(
    asked: Asked,
    studio: &Studio,
    voices: &[Voice],
    random: &mut fastrand::Rng,
) -> Result<Vec<(String, Vec<i16>)>, Failure> {
    let mut out = Vec::new();
    for voice in voices {
        for text in texts::machine(asked.split, voice.chinese) {
            out.push((format!("{text} {}", voice.name), studio.speak(*voice, 165, text)?));
        }
        for few in texts::human(asked.split, voice.chinese).chunks(5) {
            let mut samples = Vec::new();
            for text in few {
                samples.extend(studio.speak(*voice, 165, text)?);
                samples.extend(corpus::silence(0.2 + 0.8 * random.f64()));
            }
            out.push((format!("{few:?} {}", voice.name), samples));
        }
    }
    Ok(out)
}

/// Each sound over four lines: how often something is told that is not there.
fn ignored(
    asked: Asked,
    name: &str,
    sounds: &[(String, Vec<i16>)],
    library: &Arc<Library>,
    random: &mut fastrand::Rng,
    cost: &mut Cost,
) {
    let (mut announced, mut toned, mut as_music, mut all, mut minutes) = (0, 0, 0, 0, 0.0);
    for (what, samples) in std::iter::repeat_n(sounds, 4).flatten() {
        let line = Line::any(random);
        let heard = hear(&through(samples, line, random), library, cost);
        let (told, tones) = (announcements(&heard, library), tones(&heard));
        announced += usize::from(!told.is_empty());
        toned += usize::from(!tones.is_empty());
        as_music += usize::from(activities(&heard).contains(&Activity::Music));
        (all, minutes) = (all + 1, minutes + samples.len() as f64 / 8000.0 / 60.0);
        if asked.misses && (!told.is_empty() || !tones.is_empty()) {
            println!("false {told:?} {tones:?}: {what} {line:?}");
        }
    }
    println!(
        "  {name}, {minutes:.0} minutes: false announcement {}, false tone {}; told as music {}",
        share(announced, all),
        share(toned, all),
        share(as_music, all)
    );
}

fn hear(frames: &[Option<[i16; FRAME_SAMPLES]>], library: &Arc<Library>, cost: &mut Cost) -> Vec<HeardAt> {
    let config = ListenerConfig { library: Some(library.clone()), ..ListenerConfig::default() };
    cost.listen(&mut Listener::new(config), frames)
}

fn announcements<'a>(heard: &[HeardAt], library: &'a Library) -> Vec<(&'a str, f32, f64)> {
    let told = |heard: &HeardAt| match heard.what {
        Heard::Announcement { sound, agreement } => {
            Some((library.label(sound).as_str(), agreement, heard.at.as_secs_f64()))
        }
        _ => None,
    };
    heard.iter().filter_map(told).collect()
}
