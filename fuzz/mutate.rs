//! Hostile input on a stable compiler: known inputs, changed in many ways, and those that made something new happen
//! changed further. Every crate's `fuzz` test takes this file in.
//!
//! Without a setting each target replays its saved inputs and a fixed number of changed ones, always the same. With
//! `OUTPACE_FUZZ_S` it runs so many seconds with another seed each time. An input that panics or takes longer than a
//! second is saved in `fuzz/corpus/<target>` and from then on replayed by every test run.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Changed inputs where no time is given.
const ROUNDS: u64 = 3_000;
/// But no longer than this.
const BRIEF: Duration = Duration::from_secs(4);
const POOL_MAX: usize = 4_000;
const INPUT_MAX: usize = 20_000;
const SLOW: Duration = Duration::from_secs(1);
/// Numbers at which counters and lengths break.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "127",
    "128",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "4294967295",
    "4294967296",
    "18446744073709551616",
    "99999999999999999999999999",
    "007",
    "1e9",
    "0x10",
    "",
];

/// Runs `act` on inputs made from `seeds` and the saved ones. What `act` returns stands for what happened: an input that
/// makes something new happen is a seed from then on. `words`: what the format is made of.
pub fn fuzz(target: &str, seeds: &[&[u8]], words: &[&str], mut act: impl FnMut(&[u8]) -> u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    let mut pool: Vec<Vec<u8>> = seeds.iter().map(|s| s.to_vec()).collect();
    pool.extend(saved(&folder));
    let mut seen = HashSet::new();
    for input in &pool {
        seen.insert(one(&folder, input, &mut act));
    }
    let time = std::env::var("OUTPACE_FUZZ_S").ok().and_then(|s| s.parse::<u64>().ok());
    let mut rng = fastrand::Rng::with_seed(if time.is_some() { fastrand::u64(..) } else { 7 });
    let end = time.map(|s| Instant::now() + Duration::from_secs(s));
    let mut rounds = 0u64;
    let brief = Instant::now() + BRIEF;
    while end.map_or(rounds < ROUNDS && Instant::now() < brief, |end| Instant::now() < end) {
        rounds += 1;
        let mut input = pool[rng.usize(..pool.len())].clone();
        for _ in 0..=rng.u32(0..6) {
            change(&mut rng, &mut input, &pool, words);
        }
        input.truncate(INPUT_MAX);
        if seen.insert(one(&folder, &input, &mut act)) && pool.len() < POOL_MAX {
            pool.push(input);
        }
    }
    if time.is_some() {
        println!("{target}: {rounds} inputs, {} that made something new happen", pool.len());
    }
}

fn saved(folder: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    files.sort();
    files.iter().filter_map(|f| std::fs::read(f).ok()).collect()
}

fn one(folder: &Path, input: &[u8], act: &mut impl FnMut(&[u8]) -> u64) -> u64 {
    let began = Instant::now();
    let result = catch_unwind(AssertUnwindSafe(|| act(input)));
    let slow = began.elapsed() > SLOW;
    if result.is_ok() && !slow {
        return result.unwrap_or_default();
    }
    let mut hasher = DefaultHasher::new();
    input.hash(&mut hasher);
    let path = folder.join(format!("{:016x}", hasher.finish()));
    let _ = std::fs::create_dir_all(folder);
    let _ = std::fs::write(&path, input);
    eprintln!("the input that broke it is saved as {}", path.display());
    match result {
        Err(panic) => resume_unwind(panic),
        // On a busy machine one slow run means nothing; twice does.
        Ok(done) => {
            let again = Instant::now();
            act(input);
            assert!(again.elapsed() < SLOW, "{} octets take {:?}", input.len(), again.elapsed());
            let _ = std::fs::remove_file(&path);
            done
        }
    }
}

fn change(rng: &mut fastrand::Rng, input: &mut Vec<u8>, pool: &[Vec<u8>], words: &[&str]) {
    let length = input.len();
    let at = rng.usize(0..=length);
    let piece = |rng: &mut fastrand::Rng| {
        let from = rng.usize(0..=length);
        from..(from + rng.usize(0..=40)).min(length)
    };
    match rng.u32(0..12) {
        0 if at < length => input[at] ^= 1 << rng.u32(0..8),
        1 if at < length => input[at] = rng.u8(..),
        2 if at < length => input[at] = b"\r\n\t \0;,:=<>\"@%&?/\\-+.*"[rng.usize(..22)],
        3 => drop(input.drain(piece(rng))),
        4 => {
            let copy = input[piece(rng)].to_vec();
            input.splice(at..at, copy);
        }
        5 => {
            let copy = input[piece(rng)].repeat(rng.usize(1..60));
            input.splice(at..at, copy);
        }
        6 if !words.is_empty() => {
            input.splice(at..at, words[rng.usize(..words.len())].bytes());
        }
        7 if !words.is_empty() => {
            input.splice(piece(rng), words[rng.usize(..words.len())].bytes());
        }
        8 => change_number(rng, input),
        9 => {
            let other = &pool[rng.usize(..pool.len())];
            let from = rng.usize(0..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        10 => input.truncate(at),
        _ => {
            let random: Vec<u8> = (0..rng.usize(1..8)).map(|_| rng.u8(..)).collect();
            input.splice(at..at, random);
        }
    }
}

/// Another number in the place of one that stands there.
fn change_number(rng: &mut fastrand::Rng, input: &mut Vec<u8>) {
    let starts: Vec<usize> = (0..input.len())
        .filter(|&i| input[i].is_ascii_digit() && (i == 0 || !input[i - 1].is_ascii_digit()))
        .collect();
    if starts.is_empty() {
        return;
    }
    let start = starts[rng.usize(..starts.len())];
    let end = (start..input.len()).find(|&i| !input[i].is_ascii_digit()).unwrap_or(input.len());
    input.splice(start..end, NUMBERS[rng.usize(..NUMBERS.len())].bytes());
}
