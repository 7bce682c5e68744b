//! How well tones, announcements, answering machines and keys are recognised.
//!
//! `cargo run --release -p media --example detect_report -- [train] [misses] [tones] [amd] [known] [keys] [fit]`
//!
//! Needs espeak-ng and sox. Prints the figures of the held-out part; with `train` those of the part that settings are chosen
//! by, with `misses` also each sound that was taken for something else; only the parts that are named,
//! or all; with `fit` it chooses `AmdConfig`'s settings by the training part.

mod answering;
mod callees;
mod corpus;
mod degrade;
mod fit;
mod known;
mod networks;
mod pressed;
mod texts;

use std::time::Duration;

use media::FRAME_SAMPLES;
use media::detect::{HeardAt, Listener};

use corpus::{Failure, Studio};
use texts::Split;

/// What was asked for on the command line.
#[derive(Clone, Copy)]
pub struct Asked {
    pub split: Split,
    pub misses: bool,
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let asked = |word: &str| arguments.iter().any(|argument| argument == word);
    let split = if asked("train") { Split::Train } else { Split::HeldOut };
    let what = Asked { split, misses: asked("misses") };
    let studio = Studio::open()?;
    if asked("fit") {
        return fit::fit(&studio);
    }
    println!(
        "part: {split:?}. All speech is made by espeak-ng, all music by sox and by formulas; no real calls."
    );
    let only = |name: &str| {
        arguments.iter().any(|a| a == name) || !["tones", "amd", "known", "keys"].iter().any(|n| asked(n))
    };
    if only("tones") {
        networks::report(what, &mut Cost::default());
    }
    let mut cost = Cost::default();
    if only("amd") {
        answering::report(what, &studio, &mut cost)?;
        println!("  cost: {cost}");
    }
    let mut cost = Cost::default();
    if only("known") {
        known::report(what, &studio, &mut cost)?;
        println!("  cost, with the library: {cost}");
    }
    if only("keys") {
        pressed::report(what, &studio)?;
    }
    Ok(())
}

/// Time spent listening.
#[derive(Default)]
pub struct Cost {
    frames: u64,
    spent: Duration,
}

impl Cost {
    /// All that a listener hears in the frames.
    pub fn listen(
        &mut self,
        listener: &mut Listener,
        frames: &[Option<[i16; FRAME_SAMPLES]>],
    ) -> Vec<HeardAt> {
        let mut heard = Vec::new();
        let begun = cpu_time();
        for frame in frames {
            match frame {
                Some(frame) => listener.feed(frame),
                None => listener.lost(),
            }
            heard.extend(std::iter::from_fn(|| listener.poll()));
        }
        self.spent += cpu_time().saturating_sub(begun);
        self.frames += frames.len() as u64;
        heard
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let us = self.spent.as_secs_f64() * 1e6 / self.frames.max(1) as f64;
        write!(f, "{us:.1} µs a frame, {:.3} % of a core for a call", us / 200.0)
    }
}

/// `right of all (percent)`.
pub fn share(right: usize, all: usize) -> String {
    format!("{right} of {all} ({:.2} %)", 100.0 * right as f64 / all.max(1) as f64)
}

pub fn percentile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(((values.len() as f64 * part) as usize).min(values.len().saturating_sub(1)))
        .copied()
        .unwrap_or(f64::NAN)
}

/// What this thread has spent on a core so far: others on this machine do not count.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0))
}
