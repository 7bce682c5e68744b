//! What becomes of a call at the test carrier, drawn from the seed, the number and the attempt: the same three give
//! the same fate, whatever else goes on.

use std::f64::consts::TAU;
use std::time::Duration;

use super::voice::Voice;

/// Talk times spread like this (standard deviation by mean) …
pub const TALK_SPREAD: f64 = 0.6;
/// … and are cut off at this many means, so that the last call of a task does not keep everybody waiting.
const TALK_MAX_MEANS: f64 = 4.0;
/// Numbers that begin so have a fixed fate: the two digits that follow tell which.
pub const FIXED_PREFIX: &str = "990";

/// How a call ends up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Fate {
    Answer,
    /// 486
    Busy,
    /// Rings until it is cancelled.
    NoAnswer,
    /// 603
    Reject,
    /// 404
    Invalid,
    /// 503
    Failed,
}

/// Share of each fate; taken relative to their sum.
#[derive(clap::Args, Clone, Debug, PartialEq)]
pub struct Shares {
    /// Share of calls that are answered
    #[arg(long, default_value_t = 0.45, value_name = "SHARE")]
    pub answer: f64,
    /// Share that is busy (486)
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    pub busy: f64,
    /// Share that rings until the caller gives up
    #[arg(long, default_value_t = 0.3, value_name = "SHARE")]
    pub no_answer: f64,
    /// Share that is declined (603)
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    pub reject: f64,
    /// Share of numbers that do not exist (404)
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    pub invalid: f64,
    /// Share that fails in the network (503)
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    pub failed: f64,
    /// Share of the answered and the unanswered that hear ring-back sound first (183 with SDP)
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    pub early_media: f64,
    /// Share of the answered that are answering machines
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub machine: f64,
}

/// How long things take, in seconds.
#[derive(clap::Args, Clone, Debug, PartialEq)]
pub struct Times {
    /// Mean time from ringing to the answer, in seconds
    #[arg(long, default_value_t = 8.0, value_name = "S")]
    pub ring_mean: f64,
    /// Its standard deviation
    #[arg(long, default_value_t = 2.0, value_name = "S")]
    pub ring_sd: f64,
    /// The customer hangs up after this long on average (lognormal); 0: never
    #[arg(long, default_value_t = 30.0, value_name = "S")]
    pub talk_mean: f64,
    /// Divides all times
    #[arg(long, default_value_t = 1.0)]
    pub speed: f64,
}

/// What will happen to one call, counted from its INVITE.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    pub fate: Fate,
    /// Sound of the network instead of a bare 180.
    pub early_media: Option<Voice>,
    /// When it starts to ring; None: it never does.
    pub ring_after: Option<Duration>,
    /// When the fate comes true. Means nothing for `NoAnswer`.
    pub decided_after: Duration,
    /// From the answer to the customer's BYE; None: never.
    pub talk: Option<Duration>,
    /// The customer makes a sound.
    pub speaks: bool,
    /// What answers is a machine.
    pub is_machine: bool,
}

/// The fate of the call number `attempt` to `number`.
pub fn plan(shares: &Shares, times: &Times, seed: u64, number: &str, attempt: u32) -> Plan {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    if let Some(plan) = fixed(&digits, times) {
        return plan;
    }
    let mixed = hash(digits.as_bytes()) ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(attempt) << 48;
    let mut random = fastrand::Rng::with_seed(mixed);
    // One draw each, always in this order, so that a changed share changes no other number's times.
    let (fate, early) = (random.f64(), random.f64());
    let ring_s = (times.ring_mean + times.ring_sd * normal(&mut random)).max(0.4);
    let talk_s = talk_seconds(&mut random, times.talk_mean);
    let quick_s = 0.2 + 0.8 * random.f64();
    let machine = random.f64();
    let fate = draw(shares, fate);
    let (ring_s, decided_s) = match fate {
        Fate::Answer | Fate::NoAnswer => (Some(0.1), 0.1 + ring_s),
        Fate::Reject => (Some(0.1), 0.1 + ring_s / 2.0),
        Fate::Busy | Fate::Invalid | Fate::Failed => (None, quick_s),
    };
    Plan {
        fate,
        early_media: (ring_s.is_some() && fate != Fate::Reject && early < shares.early_media)
            .then_some(Voice::RingBack),
        ring_after: ring_s.map(|s| scaled(times, s)),
        decided_after: scaled(times, decided_s),
        talk: talk_s.map(|s| scaled(times, s)),
        speaks: true,
        is_machine: fate == Fate::Answer && machine < shares.machine,
    }
}

/// Fates for people who try things by hand.
fn fixed(digits: &str, times: &Times) -> Option<Plan> {
    let code = digits.strip_prefix(FIXED_PREFIX)?.get(..2)?;
    let answered = Plan {
        fate: Fate::Answer,
        early_media: None,
        ring_after: Some(Duration::ZERO),
        decided_after: scaled(times, 2.0),
        talk: None,
        speaks: true,
        is_machine: false,
    };
    let refused =
        |fate| Plan { fate, ring_after: None, decided_after: scaled(times, 0.5), ..answered.clone() };
    Some(match code {
        "01" => answered,
        "02" => refused(Fate::Busy),
        "03" => Plan { fate: Fate::NoAnswer, ..answered },
        "04" => Plan { ring_after: Some(Duration::ZERO), ..refused(Fate::Reject) },
        "05" => refused(Fate::Invalid),
        "06" => refused(Fate::Failed),
        "07" => Plan { early_media: Some(Voice::RingBack), ..answered },
        "08" => Plan { fate: Fate::NoAnswer, early_media: Some(Voice::RingBack), ..answered },
        "09" => Plan { speaks: false, ..answered },
        "10" => Plan { ring_after: None, decided_after: Duration::ZERO, ..answered },
        "11" => Plan { talk: Some(scaled(times, 1.0)), ..answered },
        "12" => Plan { talk: Some(scaled(times, 10.0)), ..answered },
        "13" => Plan { fate: Fate::NoAnswer, early_media: Some(Voice::Busy), ..answered },
        "14" => Plan { is_machine: true, ..answered },
        _ => return None,
    })
}

fn draw(shares: &Shares, at: f64) -> Fate {
    let table = [
        (Fate::Answer, shares.answer),
        (Fate::Busy, shares.busy),
        (Fate::NoAnswer, shares.no_answer),
        (Fate::Reject, shares.reject),
        (Fate::Invalid, shares.invalid),
        (Fate::Failed, shares.failed),
    ];
    let mut left = at * table.iter().map(|(_, share)| share.max(0.0)).sum::<f64>();
    for (fate, share) in table {
        left -= share.max(0.0);
        if left < 0.0 {
            return fate;
        }
    }
    Fate::NoAnswer
}

impl Shares {
    /// Share of the answered in the sum of all, 0 to 1.
    pub fn answered(&self) -> f64 {
        let all = [self.answer, self.busy, self.no_answer, self.reject, self.invalid, self.failed];
        let sum: f64 = all.iter().map(|share| share.max(0.0)).sum();
        if sum > 0.0 { self.answer.max(0.0) / sum } else { 0.0 }
    }
}

/// Lognormal with the given mean; None when the mean is 0.
pub fn talk_seconds(random: &mut fastrand::Rng, mean: f64) -> Option<f64> {
    let deviate = normal(random);
    if mean <= 0.0 {
        return None;
    }
    let variance = (1.0 + TALK_SPREAD * TALK_SPREAD).ln();
    let seconds = mean * (variance.sqrt() * deviate - variance / 2.0).exp();
    Some(seconds.clamp(0.1 * mean, TALK_MAX_MEANS * mean))
}

/// `seconds` of the lab's own time as a length of ours.
pub fn scaled(times: &Times, seconds: f64) -> Duration {
    at_speed(seconds, times.speed)
}

/// `seconds` divided by the speed; nonsense becomes nothing.
pub fn at_speed(seconds: f64, speed: f64) -> Duration {
    Duration::try_from_secs_f64(seconds / speed.max(0.001)).unwrap_or_default()
}

/// One deviate of the standard normal distribution (Box and Muller).
fn normal(random: &mut fastrand::Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (TAU * random.f64()).cos()
}

/// FNV-1a, 64 bits.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, b| (sum ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaults() -> (Shares, Times) {
        let options = crate::lab::carrier::CarrierOptions::default();
        (options.shares, options.times)
    }

    #[test]
    fn the_same_seed_number_and_attempt_have_the_same_fate() {
        let (shares, times) = defaults();
        for n in 0..200 {
            let number = format!("138{n:08}");
            assert_eq!(plan(&shares, &times, 7, &number, 1), plan(&shares, &times, 7, &number, 1));
        }
        let fates = |seed, attempt| {
            (0..200)
                .map(|n| plan(&shares, &times, seed, &format!("138{n:08}"), attempt).fate)
                .collect::<Vec<_>>()
        };
        assert_ne!(fates(7, 1), fates(8, 1));
        assert_ne!(fates(7, 1), fates(7, 2));
    }

    #[test]
    fn shares_and_means_come_out_as_given() {
        let (shares, times) = defaults();
        let plans: Vec<Plan> =
            (0..20_000).map(|n| plan(&shares, &times, 1, &format!("139{n:08}"), 1)).collect();
        let share = |fate| plans.iter().filter(|p| p.fate == fate).count() as f64 / plans.len() as f64;
        assert!((share(Fate::Answer) - 0.45).abs() < 0.02);
        assert!((share(Fate::NoAnswer) - 0.30).abs() < 0.02);
        assert!((share(Fate::Busy) - 0.10).abs() < 0.01);
        let answered: Vec<&Plan> = plans.iter().filter(|p| p.fate == Fate::Answer).collect();
        let mean = |sum: f64| sum / answered.len() as f64;
        let ring = mean(answered.iter().map(|p| p.decided_after.as_secs_f64()).sum());
        let talk = mean(answered.iter().filter_map(|p| p.talk).map(|t| t.as_secs_f64()).sum());
        assert!((ring - 8.1).abs() < 0.2, "{ring}");
        assert!((talk - 30.0).abs() < 1.5, "{talk}");
        let early = plans.iter().filter(|p| p.early_media.is_some()).count() as f64 / plans.len() as f64;
        assert!((early - 0.075).abs() < 0.01, "{early}");
    }

    #[test]
    fn fixed_numbers_do_what_the_help_says() {
        let (shares, times) = defaults();
        let of = |number: &str| plan(&shares, &times, 1, number, 1);
        assert_eq!(of("99002").fate, Fate::Busy);
        assert_eq!(of("+990031234567").fate, Fate::NoAnswer);
        assert_eq!(of("99004").fate, Fate::Reject);
        assert_eq!(of("99005").fate, Fate::Invalid);
        assert_eq!(of("99006").fate, Fate::Failed);
        assert_eq!(of("99007").early_media, Some(Voice::RingBack));
        assert!(!of("99009").speaks);
        assert_eq!(of("99010").decided_after, Duration::ZERO);
        assert_eq!(of("99013").early_media, Some(Voice::Busy));
        assert!(of("99014").is_machine);
        assert_eq!(of("99011").talk, Some(Duration::from_secs(1)));
    }

    #[test]
    fn speed_divides_every_time() {
        let (shares, times) = defaults();
        let fast = Times { speed: 4.0, ..times.clone() };
        let (slow, fast) =
            (plan(&shares, &times, 3, "13800138000", 1), plan(&shares, &fast, 3, "13800138000", 1));
        assert!((slow.decided_after.as_secs_f64() / fast.decided_after.as_secs_f64() - 4.0).abs() < 1e-6);
    }
}
