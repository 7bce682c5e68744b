//! How much risk may be taken: what the windows of the law have left, and the risk level that is steered by it.

use std::collections::VecDeque;

use super::price::Rates;

const BUCKET: f64 = 15.0;
/// Buckets of the rolling hour.
const HOUR: u64 = 240;
/// Part of what an hour can bear that is never planned with: the tails of many people's sums are not exact.
const RESERVE: f64 = 0.03;
/// Below so many answered calls an hour has no share yet.
const COUNTED_FROM: f64 = 100.0;
/// The aim lies this far below the cap: 2.4 % for a cap of 3 %.
const AIM_OF_CAP: f64 = 0.80;
/// Part of what a large hour can bear that is not planned to be spent: whole calls, so that small hours lose none.
const UNPLANNED: f64 = 0.04;
/// Answers that the next hour will bring at least: this part of those of the last twenty minutes, less a standard
/// deviation. With nothing left calls are placed for idle agents only, and a sixth fewer customers answer.
const COMING: f64 = 0.8;
/// Answered calls after which the level has forgotten, at least and at most.
const GAIN_CALLS: (f64, f64) = (1500.0, 2500.0);
/// With nothing left to lose calls are held back by what they could break, not by their price.
const ALPHA_FLOOR: f64 = 0.001;
const ALPHA_MIN: f64 = 0.001;
const ALPHA_MAX: f64 = 0.6;

/// Abandoned per answered that pacing may come to, when of all persons who answer `missed` are taken for machines and hung up on:
/// with `n` who are not there are `n·missed/(1 − missed)` who are, and each of them is an answered call and an abandoned one.
pub fn cap_left(cap: f64, missed: f64) -> f64 {
    ((cap - missed) / (1.0 - missed).max(1e-4)).max(0.0)
}

#[derive(Clone, Copy, Default, Debug)]
struct Bucket {
    index: u64,
    answered: f64,
    abandoned: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Budget {
    cap: f64,
    /// The budget, not the level, kept calls from being placed when last looked at.
    pub(super) is_bound: bool,
    /// The least risk of the campaigns that share the agents, if there are others, when last looked at.
    pub(super) alpha_max: Option<f64>,
    /// The risk level at which the aim was met so far.
    level: f64,
    hour: VecDeque<Bucket>,
    hour_sum: (f64, f64),
    /// Hours of the day.
    day: VecDeque<Bucket>,
    day_sum: (f64, f64),
    /// The share of answered calls that may be lost now, and the bucket for which it was found.
    pub(super) allowed: f64,
    planned_at: u64,
    /// Calls that may be abandoned without breaking the cap of an hour.
    hour_left: f64,
    /// `hour_left` is of now.
    is_counted: bool,
    /// Answered calls per second.
    rate: f64,
    /// Calls that an hour may lose, and the part of them that may be planned to be lost: of each hour that ends in the next.
    tokens: f64,
    part_left: f64,
    rates: Rates,
}

impl Budget {
    pub(super) fn new(cap: f64, alpha: f64, before: (u32, u32), now: f64) -> Budget {
        let before = (f64::from(before.0), f64::from(before.1));
        let first = Bucket { index: (now / 3600.0) as u64, answered: before.0, abandoned: before.1 };
        Budget {
            cap,
            is_bound: false,
            alpha_max: None,
            level: alpha,
            hour: VecDeque::new(),
            hour_sum: (0.0, 0.0),
            day: VecDeque::from([first]),
            day_sum: before,
            allowed: cap * AIM_OF_CAP,
            planned_at: 0,
            hour_left: 0.0,
            is_counted: false,
            rate: 0.0,
            tokens: 0.0,
            part_left: 0.0,
            rates: Rates::new(1.0),
        }
    }

    pub(super) fn set_cap(&mut self, cap: f64) {
        self.cap = cap;
    }

    /// A person answered and got an agent or not.
    pub(super) fn note(&mut self, now: f64, is_abandoned: bool) {
        self.forget(now);
        let lost = f64::from(u8::from(is_abandoned));
        count(&mut self.hour, (now / BUCKET) as u64, lost);
        count(&mut self.day, (now / 3600.0) as u64, lost);
        self.is_counted = false;
        self.hour_sum.0 += 1.0;
        self.hour_sum.1 += lost;
        self.day_sum.0 += 1.0;
        self.day_sum.1 += lost;
        let aim = self.cap * AIM_OF_CAP;
        if aim > 0.0 {
            let gain = 1.0 / (self.rate * 3600.0).clamp(GAIN_CALLS.0, GAIN_CALLS.1);
            // Held to the risk of another campaign, so much would have been lost at the level that is believed.
            let held_to = self.alpha_max.map_or(1.0, |alpha| alpha * aim / self.level);
            let allowed = if self.is_bound { 0.0 } else { self.allowed.min(held_to) };
            let step = gain * (allowed - lost) / aim;
            self.level = (self.level * step.exp()).clamp(ALPHA_MIN, ALPHA_MAX);
        }
    }

    fn forget(&mut self, now: f64) {
        let index = (now / BUCKET) as u64;
        while let Some(first) = self.hour.front().filter(|b| b.index + HOUR < index) {
            self.hour_sum.0 -= first.answered;
            self.hour_sum.1 -= first.abandoned;
            self.hour.pop_front();
        }
        let index = (now / 3600.0) as u64;
        while let Some(first) = self.day.front().filter(|b| b.index + 24 <= index) {
            self.day_sum.0 -= first.answered;
            self.day_sum.1 -= first.abandoned;
            self.day.pop_front();
        }
    }

    /// Brings everything up to date that follows from time alone.
    pub(super) fn advance(&mut self, now: f64) {
        let index = (now / BUCKET) as u64;
        if index == self.planned_at && self.is_counted {
            return;
        }
        if index == self.planned_at {
            self.count_hour_left();
            return;
        }
        self.planned_at = index;
        self.forget(now);
        let recent = |b: &&Bucket| b.index + 80 > index;
        let answered: f64 = self.hour.iter().rev().take_while(recent).map(|b| b.answered).sum();
        let first = self.hour.front().map_or(index, |b| b.index);
        let spanned = (index.saturating_sub(first).min(80) as f64 * BUCKET).max(60.0);
        self.rate = answered / spanned;
        self.count_hour_left();
    }

    /// The share that may be lost from now on: what brings most in the long run, without passing the cap of an hour or of
    /// the day. `hour_left` is up to date.
    fn plan(&mut self) {
        if !self.rates.is_for(self.tokens) {
            self.rates = Rates::new(self.tokens);
        }
        let of_hour = if self.hour_left < 1.0 { 0.0 } else { self.rates.with_left(self.part_left) };
        // Those who are abandoned are so in bunches, and with few tokens left it is not the price that binds but the hour's
        // limit: the fewer are left the less is spent of them, so that few moments come in which it binds.
        let spent = (1.0 + 1.0 / self.tokens.max(2.0)) * self.part_left;
        let hourly = self.hourly_answers();
        let day_left = self.cap * self.day_sum.0 - self.day_sum.1;
        let of_day = self.cap * f64::midpoint(1.0, day_left.max(0.0));
        self.allowed = f64::min(spent * of_hour * self.tokens / hourly, of_day);
    }

    /// Answered calls per second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Answers of an hour at the present rate.
    pub(super) fn hourly_answers(&self) -> f64 {
        (self.rate * 3600.0).max(COUNTED_FROM)
    }

    /// Calls that may be abandoned now without breaking the cap of a window.
    pub(super) fn left(&self) -> i64 {
        self.hour_left.min(self.day_left()) as i64
    }

    /// What every hour that ends now or within the next one can bear. An answer leaves an hour with its whole bucket, an
    /// abandoned call only after it, so that the true hour is never worse than the one counted here.
    fn count_hour_left(&mut self) {
        let (mut answered, mut abandoned) = self.hour_sum;
        let mut oldest_answers = self.hour.iter().peekable();
        let mut oldest_lost = self.hour.iter().peekable();
        let mut left = f64::MAX;
        let (mut tokens, mut planned) = (0.0, 0.0);
        for step in 0..=HOUR {
            let end = self.planned_at + step;
            while let Some(b) = oldest_answers.next_if(|b| b.index + HOUR <= end) {
                answered -= b.answered;
            }
            while let Some(b) = oldest_lost.next_if(|b| b.index + HOUR < end) {
                abandoned -= b.abandoned;
            }
            let expected = self.rate * step as f64 * BUCKET;
            let spread = (expected * (1.0 + 3.0 * step as f64 / HOUR as f64)).sqrt();
            let coming = f64::min(COMING * expected, (expected - spread).max(0.0));
            let most = (answered + coming).max(COUNTED_FROM);
            let may_be_lost = (self.cap * most + 1e-9).floor();
            let kept = may_be_lost - (RESERVE * may_be_lost).floor();
            left = left.min(kept - abandoned);
            // What is planned to be lost in the hours to come is as little as `left` now.
            let most = (answered + expected).max(COUNTED_FROM);
            let may_be_planned = (self.cap * most + 1e-9).floor();
            tokens +=
                may_be_planned - (UNPLANNED * may_be_planned).floor() - (RESERVE * may_be_planned).floor();
            planned += abandoned;
        }
        let steps = (HOUR + 1) as f64;
        self.tokens = (tokens / steps).max(1.0);
        // Tokens that come back soon count as half back; on the average each is half an hour away.
        let left_soon = self.tokens - 2.0 * planned / steps;
        self.part_left = (f64::midpoint(left.min(self.tokens), left_soon) / self.tokens).clamp(0.0, 1.0);
        self.hour_left = left;
        self.is_counted = true;
        self.plan();
    }

    /// One call of the day may always be lost: the first customers could not be called otherwise.
    fn day_left(&self) -> f64 {
        (self.cap * self.day_sum.0).max(1.0).floor() - self.day_sum.1
    }

    pub(super) fn is_day_tightest(&self) -> bool {
        self.day_left() < self.hour_left
    }

    /// The risk that one more call may have now.
    pub(super) fn alpha(&self) -> f64 {
        let aim = self.cap * AIM_OF_CAP;
        if aim > 0.0 { (self.level * self.allowed / aim).clamp(ALPHA_FLOOR, ALPHA_MAX) } else { 0.0 }
    }
}

fn count(buckets: &mut VecDeque<Bucket>, index: u64, lost: f64) {
    match buckets.back_mut() {
        Some(last) if last.index >= index => {
            last.answered += 1.0;
            last.abandoned += lost;
        }
        _ => buckets.push_back(Bucket { index, answered: 1.0, abandoned: lost }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every `pause` seconds for some hours; whenever a call may be abandoned, it is. After two hours answers
    /// come `slower` times more rarely. Times of all answers, and whether each was abandoned.
    fn spend_all(pause: f64, slower: f64) -> Vec<(f64, bool)> {
        let mut budget = Budget::new(0.03, 0.02, (0, 0), 0.0);
        let (mut now, mut answers) = (0.0, Vec::new());
        while now < 5.0 * 3600.0 {
            now += if now < 7200.0 { pause } else { pause * slower };
            budget.advance(now);
            let is_abandoned = budget.left() > 0;
            budget.note(now, is_abandoned);
            answers.push((now, is_abandoned));
        }
        answers
    }

    fn worst_hour(answers: &[(f64, bool)]) -> f64 {
        let mut worst = 0.0;
        for (n, (end, _)) in answers.iter().enumerate() {
            let first = answers.partition_point(|a| a.0 <= end - 3600.0);
            let hour = &answers[first..=n];
            if hour.len() >= 100 {
                worst = f64::max(worst, hour.iter().filter(|a| a.1).count() as f64 / hour.len() as f64);
            }
        }
        worst
    }

    #[test]
    fn whoever_spends_all_that_is_left_passes_the_cap_in_no_hour() {
        for pause in [3.0, 7.3, 17.0, 34.0] {
            let answers = spend_all(pause, 1.0);
            let worst = worst_hour(&answers);
            assert!(worst <= 0.03, "{pause}: {worst}");
            assert!(worst > 0.02, "it is not kept by spending nothing: {pause}: {worst}");
        }
    }

    #[test]
    fn the_hour_holds_when_a_fifth_of_the_answers_stay_away() {
        for pause in [3.0, 7.3, 17.0] {
            let worst = worst_hour(&spend_all(pause, 1.25));
            assert!(worst <= 0.03, "{pause}: {worst}");
        }
    }

    #[test]
    fn an_abandoned_call_comes_back_an_hour_later_and_no_sooner() {
        let mut budget = Budget::new(0.03, 0.02, (1000, 0), 0.0);
        (0..3).for_each(|n| budget.note(f64::from(n), true));
        budget.advance(3600.0);
        assert_eq!(budget.left(), 0);
        budget.advance(3600.0 + 2.0 * BUCKET);
        assert_eq!(budget.left(), 3);
    }
}
