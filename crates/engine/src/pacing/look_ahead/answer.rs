//! Whether and when customers answer: the share who do now, and the curves of ring times.
//!
//! Calls in flight are censored data. Curves come from hazards by age (answered or failed, per calls at risk), those in
//! flight counted up to their present age. The share is a belief over a row of values that drifts, may jump, and is
//! weighed by what has ended and by what rings still.

use std::collections::VecDeque;

/// Ages are told apart by quarters of a second, up to a minute.
pub(super) const SLOTS_PER_SECOND: f64 = 4.0;
const AGES: usize = 240;
/// Calls after which the oldest have faded to a third, for the curves.
const MEMORY: f64 = 3000.0;
/// Weight of the curve that is assumed before anything is known, in calls.
const WEIGHT_BEFORE: f64 = 12.0;
/// At each age up to the last answer time so many answers are taken to have been seen beyond those that were: that none was
/// among hundreds does not mean that none will be, and the hour's limit asks for less than that.
const UNSEEN: f64 = 0.02;
const VALUES: usize = 40;
/// Probability that the share is higher than `share_high`.
const HARDLY: f64 = 0.001;
/// Ended calls from which on the curve of ring times is trusted.
const TRUST_FROM: f64 = 100.0;
/// Ended calls until which the share comes from hazards alone.
const COLD_UNTIL: f64 = 300.0;

/// Shares that are told apart, even in log odds from 1 % to 95 %.
fn value(i: usize) -> f64 {
    let (from, to) = (-4.6, 2.95);
    let odds = from + (to - from) * i as f64 / (VALUES - 1) as f64;
    1.0 / (1.0 + f64::exp(-odds))
}

/// Calls in flight by the quarter second in which they were placed.
#[derive(Clone, Default, Debug)]
pub(super) struct Flight {
    first: u64,
    counts: VecDeque<u32>,
    total: u32,
}

impl Flight {
    pub(super) fn add(&mut self, slot: u64) {
        if self.counts.is_empty() {
            self.first = slot;
        }
        // An earlier one than the first, which only a restart could bring, counts as the first.
        let at = usize::try_from(slot.saturating_sub(self.first)).unwrap_or(0);
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
        self.total += 1;
    }

    pub(super) fn remove(&mut self, slot: u64) {
        let at = usize::try_from(slot.saturating_sub(self.first)).unwrap_or(0);
        if let Some(count) = self.counts.get_mut(at).filter(|c| **c > 0) {
            *count -= 1;
            self.total -= 1;
        }
        while self.counts.front() == Some(&0) {
            self.counts.pop_front();
            self.first += 1;
        }
    }

    pub(super) fn total(&self) -> u32 {
        self.total
    }

    /// Age in quarter seconds and number, oldest first.
    pub(super) fn ages(&self, now: u64) -> impl Iterator<Item = (usize, u32)> + '_ {
        let age = move |i: usize| usize::try_from(now.saturating_sub(self.first + i as u64)).unwrap_or(0);
        let present = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        present.map(move |(i, count)| (age(i).min(AGES - 1), *count))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Answers {
    answered: Vec<f64>,
    failed: Vec<f64>,
    /// Ended calls that were still in flight at this age.
    at_risk: Vec<f64>,
    /// Answer times of calls that are answered, and end times of those that fail: cumulative, at the end of each age.
    pub(super) answer_by: Vec<f64>,
    fail_by: Vec<f64>,
    belief: Vec<f64>,
    /// At this age a ringing call is given up.
    last_age: usize,
    /// −ln of the probability to be in flight at an age, for each value of the share.
    silence: Vec<f64>,
    /// The same from newer curves, as far as it is done: it replaces the other when it is whole.
    next_silence: Vec<f64>,
    pub(super) share: f64,
    /// The share is hardly higher than this.
    pub(super) share_high: f64,
    /// Standard deviation of the share by its mean.
    pub(super) doubt: f64,
    /// Calls that have ended.
    pub(super) seen: f64,
    /// How much silence counts.
    trust: f64,
}

impl Answers {
    /// `no_answer`: seconds after which a ringing call is given up.
    pub(super) fn new(no_answer: f64, share: f64) -> Answers {
        let mut answers = Answers {
            answered: vec![0.0; AGES],
            failed: vec![0.0; AGES],
            at_risk: vec![0.0; AGES],
            answer_by: vec![0.0; AGES],
            fail_by: vec![0.0; AGES],
            belief: vec![0.0; VALUES],
            last_age: last_age(no_answer),
            silence: Vec::new(),
            next_silence: Vec::new(),
            share,
            share_high: share,
            doubt: 1.0,
            seen: 0.0,
            trust: 0.0,
        };
        answers.assume(no_answer, share);
        answers.forget();
        answers.rebuild(&Flight::default(), 0);
        answers.sum_up();
        answers
    }

    /// A broad curve: answers from 2 s until the end of ringing, failures early or at the end.
    fn assume(&mut self, no_answer: f64, share: f64) {
        let last = last_age(no_answer);
        let answers: Vec<f64> = (0..AGES)
            .map(|a| {
                let seconds = a as f64 / SLOTS_PER_SECOND;
                if a >= last { 0.0 } else { seconds * f64::exp(-seconds / 6.0) }
            })
            .collect();
        let sum: f64 = answers.iter().sum();
        for (a, weight) in answers.iter().enumerate() {
            self.answered[a] += WEIGHT_BEFORE * share * weight / sum;
        }
        for a in 2..14 {
            self.failed[a] += WEIGHT_BEFORE * (1.0 - share) * 0.15 / 12.0;
        }
        self.failed[last] += WEIGHT_BEFORE * (1.0 - share) * 0.85;
        let mut left = 0.0;
        for a in (0..AGES).rev() {
            left += self.answered[a] + self.failed[a];
            self.at_risk[a] += left;
        }
    }

    /// The share may be anything, most likely near a fifth.
    pub(super) fn forget(&mut self) {
        for (i, b) in self.belief.iter_mut().enumerate() {
            let odds = (value(i) / (1.0 - value(i))).ln();
            *b = f64::exp(-0.5 * ((odds + 1.2) / 1.2).powi(2));
        }
        normalize(&mut self.belief);
    }

    /// A call was given up at this age: had it rung on, nobody knows.
    pub(super) fn given_up(&mut self, age: usize) {
        self.fade();
        self.at_risk[..age.min(AGES)].iter_mut().for_each(|x| *x += 1.0);
    }

    /// A call never reached a customer: what its silence told is taken back.
    pub(super) fn not_made(&mut self, age: usize) {
        if !self.is_weighed() {
            return;
        }
        let age = age.min(AGES - 1);
        let silence = &self.silence[age * VALUES..(age + 1) * VALUES];
        self.belief.iter_mut().zip(silence).for_each(|(b, s)| *b *= (self.trust * s).exp());
        normalize(&mut self.belief);
        self.sum_up();
    }

    fn fade(&mut self) {
        let fade = 1.0 - 1.0 / MEMORY;
        for x in self.answered.iter_mut().chain(&mut self.failed).chain(&mut self.at_risk) {
            *x *= fade;
        }
    }

    pub(super) fn ended(&mut self, age: usize, is_answer: bool) {
        let age = age.min(AGES - 1);
        self.seen += 1.0;
        self.fade();
        self.at_risk[..=age].iter_mut().for_each(|x| *x += 1.0);
        let ends = if is_answer { &mut self.answered } else { &mut self.failed };
        ends[age] += 1.0;
        if !self.is_weighed() {
            return;
        }
        // What its silence told is replaced by what its end tells.
        let silence = &self.silence[age * VALUES..(age + 1) * VALUES];
        for (i, (b, s)) in self.belief.iter_mut().zip(silence).enumerate() {
            let end = if is_answer { value(i) } else { 1.0 - value(i) };
            *b *= end * (self.trust * s).exp();
        }
        normalize(&mut self.belief);
    }

    /// Time passes: what is believed of the share widens. `drift`: standard deviation of the log odds in this time;
    /// `jump`: probability that the share has jumped.
    pub(super) fn widen(&mut self, drift: f64, jump: f64) {
        let step = 7.55 / (VALUES - 1) as f64;
        let to_each_side = (0.5 * (drift / step).powi(2)).min(0.3);
        let old = self.belief.clone();
        for i in 0..VALUES {
            let (low, high) = (old[i.saturating_sub(1)], old[(i + 1).min(VALUES - 1)]);
            let drifted = old[i] + to_each_side * (low + high - 2.0 * old[i]);
            self.belief[i] = drifted * (1.0 - jump) + jump / VALUES as f64;
        }
        normalize(&mut self.belief);
    }

    /// Makes the curves anew from hazards.
    pub(super) fn rebuild(&mut self, flight: &Flight, now: u64) {
        let mut at_risk = self.at_risk.clone();
        for (age, count) in flight.ages(now) {
            at_risk[..age].iter_mut().for_each(|x| *x += f64::from(count));
        }
        let (mut alive, mut answered, mut failed) = (1.0, 0.0, 0.0);
        for (a, risk) in at_risk.iter().enumerate() {
            let risk = risk.max(1e-9);
            // The last quarter second is not over when a call has that age.
            let unseen = if a <= self.last_age { UNSEEN } else { 0.0 };
            let (h, g) = ((self.answered[a] + unseen) / (risk + unseen), self.failed[a] / (risk + unseen));
            answered += alive * h;
            failed += alive * g;
            alive *= (1.0 - h - g).max(0.0);
            self.answer_by[a] = answered;
            self.fail_by[a] = failed;
        }
        let share = answered / (answered + failed).max(1e-9);
        if !self.is_weighed() {
            // Too little is known to weigh silence: the share comes from the same hazards.
            self.believe(share);
        }
        self.answer_by.iter_mut().for_each(|x| *x /= answered.max(1e-9));
        self.fail_by.iter_mut().for_each(|x| *x /= failed.max(1e-9));
        if self.seen >= COLD_UNTIL {
            self.next_silence.clear();
            self.next_silence.reserve(AGES * VALUES);
            self.weigh_ages(if self.is_weighed() { 0 } else { AGES });
        }
    }

    /// Silence is weighed, once it is known what it means.
    fn is_weighed(&self) -> bool {
        !self.silence.is_empty()
    }

    /// Goes on with what silence means after the curves were made anew: so many ages more.
    pub(super) fn weigh_ages(&mut self, ages: usize) {
        let from = self.next_silence.len() / VALUES;
        if self.seen < COLD_UNTIL || from == AGES {
            return;
        }
        let to = (from + ages).min(AGES);
        for age in from..to {
            let silence: [f64; VALUES] = std::array::from_fn(|i| -self.in_flight(value(i), age).ln());
            self.next_silence.extend(silence);
        }
        if to == AGES {
            self.silence.clone_from(&self.next_silence);
        }
    }

    /// Probability to be in flight at an age.
    fn in_flight(&self, share: f64, age: usize) -> f64 {
        if age == 0 {
            return 1.0;
        }
        (1.0 - share * self.answer_by[age - 1] - (1.0 - share) * self.fail_by[age - 1]).max(1e-3)
    }

    /// Time passes from slot `from` to slot `to`: what rings on says something about the share.
    pub(super) fn listen(&mut self, flight: &Flight, from: u64, to: u64) {
        if !self.is_weighed() {
            return;
        }
        // While the curve of ring times is little known, silence says little.
        self.trust = self.seen / (self.seen + 10.0 * f64::from(flight.total()) + TRUST_FROM);
        let mut logs = [0.0; VALUES];
        let step = usize::try_from(to.saturating_sub(from)).unwrap_or(AGES);
        for (age, count) in flight.ages(to) {
            let before = age.saturating_sub(step);
            let count = f64::from(count) * self.trust;
            let now = &self.silence[age * VALUES..(age + 1) * VALUES];
            let then = &self.silence[before * VALUES..(before + 1) * VALUES];
            for ((log, now), then) in logs.iter_mut().zip(now).zip(then) {
                *log -= count * (now - then);
            }
        }
        let most = logs.iter().copied().fold(f64::MIN, f64::max);
        self.belief.iter_mut().zip(logs).for_each(|(b, log)| *b *= (log - most).exp());
        normalize(&mut self.belief);
        self.sum_up();
    }

    /// The share is about this, as well as it can be known from the calls seen.
    fn believe(&mut self, share: f64) {
        let share = share.clamp(0.02, 0.9);
        let calls = (WEIGHT_BEFORE + 0.5 * self.seen) * share * (1.0 - share);
        let odds = (share / (1.0 - share)).ln();
        for (i, b) in self.belief.iter_mut().enumerate() {
            let away = (value(i) / (1.0 - value(i))).ln() - odds;
            *b = f64::exp(-0.5 * away * away * calls);
        }
        normalize(&mut self.belief);
        self.sum_up();
    }

    fn sum_up(&mut self) {
        let (mut mean, mut square) = (0.0, 0.0);
        for (i, w) in self.belief.iter().enumerate() {
            mean += w * value(i);
            square += w * value(i) * value(i);
        }
        let mut above = 0.0;
        let high = (0..VALUES).rev().find(|i| {
            above += self.belief[*i];
            above > HARDLY
        });
        self.share_high = value(high.unwrap_or(0)).max(mean);
        self.share = mean;
        self.doubt = (square - mean * mean).max(0.0).sqrt() / mean;
    }

    /// Probability that a call of this age is answered, by a number of quarter seconds from now: `answer_by[age + n]` less
    /// `base`, times `scale`. `share`: of all calls, those that are answered.
    pub(super) fn chance(&self, age: usize, share: f64) -> (f64, f64) {
        let base = if age == 0 { 0.0 } else { self.answer_by[age - 1] };
        (base, share / self.in_flight(share, age))
    }

    pub(super) fn answer_by(&self, age: usize) -> f64 {
        self.answer_by[age.min(AGES - 1)]
    }
}

fn last_age(no_answer: f64) -> usize {
    ((no_answer * SLOTS_PER_SECOND) as usize).clamp(8, AGES - 2)
}

fn normalize(weights: &mut [f64]) {
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|w| *w = (*w / sum).max(1e-12));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call each second; each third is answered after 8 s, the others fail after 25 s.
    fn after(seconds: u64) -> (Answers, Flight) {
        let (mut answers, mut flight) = (Answers::new(25.0, 0.3), Flight::default());
        for now in 0..seconds {
            answers.listen(&flight, now.saturating_sub(1) * 4, now * 4);
            flight.add(now * 4);
            for ended in 0..now {
                let age = (now - ended) * 4;
                let is_answer = ended % 3 == 0;
                if age == if is_answer { 32 } else { 100 } {
                    flight.remove(ended * 4);
                    answers.ended(age as usize, is_answer);
                }
            }
        }
        answers.rebuild(&flight, seconds * 4);
        answers.listen(&flight, (seconds - 1) * 4, seconds * 4);
        (answers, flight)
    }

    #[test]
    fn ringing_calls_keep_the_first_answers_from_looking_like_all() {
        let (answers, _) = after(24);
        assert!(answers.share < 0.5, "six answers, no failure yet: {}", answers.share);
    }

    #[test]
    fn what_silence_means_is_known_as_soon_as_it_counts() {
        let (mut answers, mut flight) = (Answers::new(25.0, 0.3), Flight::default());
        for n in 0..COLD_UNTIL as u64 {
            answers.ended(if n % 3 == 0 { 32 } else { 100 }, n % 3 == 0);
            if n % 50 == 0 {
                answers.rebuild(&flight, 0);
            }
        }
        // The curves were made before the last calls ended. Now a hundred calls ring on past the time of answers.
        (0..100).for_each(|_| flight.add(0));
        let believed = answers.share;
        answers.listen(&flight, 0, 90);
        assert!((answers.share - believed).abs() < 1e-12, "nothing is known of silence yet");
        answers.rebuild(&flight, 90);
        assert!(answers.silence.len() == AGES * VALUES);
        answers.listen(&flight, 0, 90);
        assert!(answers.share < believed, "{} {believed}", answers.share);
    }

    #[test]
    fn what_silence_means_follows_newer_curves_bit_by_bit() {
        let (mut answers, _) = after(1000);
        let old = answers.silence.clone();
        (0..500).for_each(|_| answers.ended(40, true));
        answers.rebuild(&Flight::default(), 4000);
        answers.weigh_ages(AGES - 1);
        assert_eq!(answers.silence, old);
        answers.weigh_ages(1);
        assert_ne!(answers.silence, old);
    }

    #[test]
    fn calls_given_up_do_not_count_as_not_answered() {
        let (mut answers, flight) = (Answers::new(25.0, 0.3), Flight::default());
        for n in 0..2000 {
            // Half answer, at 8 s or at 20 s; those that still ring at 15 s are given up.
            match n % 4 {
                0 => answers.ended(32, true),
                1 | 2 => answers.given_up(60),
                _ if n % 8 == 3 => answers.ended(80, true),
                _ => answers.ended(100, false),
            }
        }
        answers.rebuild(&flight, 0);
        assert!(
            (answers.answer_by(70) - 0.25 / (0.25 + 0.75 * 0.5)).abs() < 0.03,
            "{}",
            answers.answer_by(70)
        );
    }

    #[test]
    fn an_age_at_which_nobody_has_answered_yet_is_not_without_risk() {
        let (answers, _) = after(2000);
        let chance = |age: usize| {
            let (base, scale) = answers.chance(age, answers.share);
            (answers.answer_by(age + 4) - base) * scale
        };
        assert!((1e-5..1e-3).contains(&chance(90)), "{}", chance(90));
        assert!(chance(100) > 1e-6, "a part of the last quarter second is left: {}", chance(100));
        assert!(chance(110) < 1e-9, "nothing rings on after the no-answer time: {}", chance(110));
    }

    #[test]
    fn share_and_curve_are_found() {
        let (answers, _) = after(2000);
        assert!((answers.share - 0.333).abs() < 0.03, "{}", answers.share);
        assert!(answers.answer_by(30) < 0.1 && answers.answer_by(33) > 0.95);
        let (base, scale) = answers.chance(60, answers.share);
        assert!((answers.answer_by(120) - base) * scale < 0.02, "one that rings for 15 s will not answer");
    }
}
