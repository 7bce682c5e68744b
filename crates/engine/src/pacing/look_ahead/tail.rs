//! P(answers − free agents ≥ room) for each of the next seconds: exact for few people, a normal tail with skewness above.

/// Seconds that are looked ahead.
pub(super) const HORIZON: usize = 28;

/// One number for each of the next seconds.
pub(super) type Seconds = [f64; HORIZON];

/// Up to this many people the sums are convolved exactly.
pub(super) const EXACT_MAX: usize = 64;
/// A probability that changes nothing.
const NEXT_TO_NOTHING: f64 = 1e-14;

/// Answers less free agents, by the end of each of the next seconds.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    sums: Sums,
    /// So many seconds are looked at.
    until: usize,
}

#[derive(Clone, Debug)]
enum Sums {
    /// `mass[i][k]`: probability that answers + agents still busy = i, next to nothing below `low`. `busy`: busy agents
    /// counted.
    Exact { mass: Vec<Seconds>, low: usize, busy: usize },
    /// Sums of means, variances and third central moments of calls and of agents.
    Moments(Box<[Seconds; 4]>),
}

impl Ahead {
    /// `until`: whole seconds that matter, `HORIZON` at most.
    pub(super) fn new(people: usize, until: usize) -> Ahead {
        let until = until.min(HORIZON);
        if people > EXACT_MAX {
            return Ahead { sums: Sums::Moments(Box::new([[0.0; HORIZON]; 4])), until };
        }
        let mut mass = Vec::with_capacity(people + 16);
        mass.push([1.0; HORIZON]);
        Ahead { sums: Sums::Exact { mass, low: 0, busy: 0 }, until }
    }

    pub(super) fn until(&self) -> usize {
        self.until
    }

    /// Customers who answer by then with probability `q`.
    pub(super) fn add_calls(&mut self, q: &Seconds, count: u32) {
        let q = &q[..self.until];
        match &mut self.sums {
            Sums::Exact { mass, low, .. } => (0..count).for_each(|_| convolve(mass, *low, q)),
            Sums::Moments(sums) => add_moments(sums, q, f64::from(count), 1.0),
        }
    }

    /// Agents who are free by then with probability `g`.
    pub(super) fn add_agents(&mut self, g: &Seconds, count: u32) {
        match &mut self.sums {
            Sums::Exact { mass, low, busy } => {
                let still_busy = g.map(|g| 1.0 - g);
                for _ in 0..count {
                    convolve(mass, *low, &still_busy[..self.until]);
                    *low += usize::from(mass[*low][..self.until].iter().all(|p| *p < NEXT_TO_NOTHING));
                }
                *busy += count as usize;
            }
            Sums::Moments(sums) => add_moments(sums, &g[..self.until], f64::from(count), -1.0),
        }
    }

    /// Probability that there are at least `room` more answers than free agents, at the end of each second.
    /// `spread`: standard deviation of the answers, relative to `answers`, from not knowing how many customers answer.
    fn lacking(&self, room: i64, answers: &Seconds, spread: f64) -> Seconds {
        let mut lacking = [0.0; HORIZON];
        match &self.sums {
            Sums::Exact { mass, busy, .. } => {
                let from = room.saturating_add(i64::try_from(*busy).unwrap_or(i64::MAX));
                for row in mass.iter().skip(usize::try_from(from).unwrap_or(0)) {
                    lacking.iter_mut().zip(&row[..self.until]).for_each(|(l, p)| *l += p);
                }
            }
            Sums::Moments(sums) => {
                for (k, lacking) in lacking.iter_mut().enumerate().take(self.until) {
                    let variance = sums[1][k] + (answers[k] * spread).powi(2);
                    *lacking = tail(sums[0][k], variance, [sums[2][k], sums[3][k]], room);
                }
            }
        }
        lacking
    }

    /// Probability that who answers as in `arrival` (sums to one) finds at least `room` more answers than free agents.
    pub(super) fn risk(&self, arrival: &Seconds, room: i64, answers: &Seconds, spread: f64) -> f64 {
        let lacking = self.lacking(room, answers, spread);
        lacking.iter().zip(arrival).map(|(lacking, f)| lacking * f).sum()
    }

    /// Who answers as in `arrival` takes an agent from those who answer later too: probability that from then on there are at
    /// any time at least `room` more answers than free agents.
    pub(super) fn harm(&self, arrival: &Seconds, room: i64, answers: &Seconds, spread: f64) -> f64 {
        let lacking = self.lacking(room, answers, spread);
        let (mut most, mut harm) = (0.0, 0.0);
        for (lacking, f) in lacking.iter().zip(arrival).rev() {
            most = f64::max(most, *lacking);
            harm += most * f;
        }
        harm
    }
}

fn convolve(mass: &mut Vec<Seconds>, low: usize, q: &[f64]) {
    mass.push([0.0; HORIZON]);
    for i in (low + 1..mass.len()).rev() {
        let (low, high) = mass.split_at_mut(i);
        for ((to, from), q) in high[0].iter_mut().zip(&low[i - 1]).zip(q) {
            *to += (from - *to) * q;
        }
    }
    mass[low].iter_mut().zip(q).for_each(|(m, q)| *m *= 1.0 - q);
}

fn add_moments(sums: &mut [Seconds; 4], q: &[f64], count: f64, sign: f64) {
    let [means, variances, of_calls, of_agents] = sums;
    let thirds = if sign > 0.0 { of_calls } else { of_agents };
    for (((mean, variance), third), q) in means.iter_mut().zip(variances).zip(thirds).zip(q) {
        let v = count * q * (1.0 - q);
        *mean += sign * count * q;
        *variance += v;
        *third += sign * v * (1.0 - 2.0 * q);
    }
}

/// `thirds`: of calls and of agents. Far out, where the hour's limit is decided, those of the agents are left out: with them
/// the tail would be too low by the fourth moments, without them it is up to three times too high, on the safe side.
fn tail(mean: f64, variance: f64, thirds: [f64; 2], room: i64) -> f64 {
    if variance < 1e-9 {
        return if mean >= room as f64 { 1.0 } else { 0.0 };
    }
    let sigma = variance.sqrt();
    let z = (room as f64 - 0.5 - mean) / sigma;
    let near = ((3.0 - z) / 1.5).clamp(0.0, 1.0);
    above(unskewed(z, (thirds[0] + near * thirds[1]) / (variance * sigma)))
}

/// The point of the normal distribution beyond which lies as much as beyond `z` of a gamma distribution with this skewness
/// (Wilson and Hilferty): a series in the skewness would be several times too low far out.
fn unskewed(z: f64, skew: f64) -> f64 {
    if skew.abs() < 1e-3 || skew * z <= -1.9 {
        return z;
    }
    6.0 / skew * ((skew * z / 2.0 + 1.0).cbrt() - 1.0) + skew / 6.0
}

fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() * 0.398_942_280_401_432_7
}

/// Upper tail of the standard normal distribution, within 1e-7 (Abramowitz and Stegun 26.2.17).
fn above(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = density(z) * poly;
    if z >= 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Seconds = {
        let mut f = [0.0; HORIZON];
        f[0] = 1.0;
        f
    };
    const NONE: Seconds = [0.0; HORIZON];

    fn risk(ahead: &Ahead, room: i64) -> f64 {
        ahead.risk(&AT_ONCE, room, &NONE, 0.0)
    }

    #[test]
    fn the_normal_tail_agrees_with_the_table() {
        for (z, p) in [(0.0, 0.5), (1.0, 0.158_655), (1.96, 0.024_998), (-1.0, 0.841_345)] {
            assert!((above(z) - p).abs() < 1e-5, "{z}");
        }
    }

    #[test]
    fn the_exact_sum_counts_answers_less_free_agents() {
        let mut ahead = Ahead::new(3, HORIZON);
        ahead.add_calls(&[0.5; HORIZON], 2);
        ahead.add_agents(&[0.5; HORIZON], 1);
        // Answers 0, 1, 2 with 1/4, 1/2, 1/4; the agent is free with 1/2.
        assert!((risk(&ahead, 2) - 0.125).abs() < 1e-12);
        assert!((risk(&ahead, 1) - 0.5).abs() < 1e-12);
        assert!((risk(&ahead, -1) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn far_out_the_tail_of_moments_is_never_too_low_nor_ten_times_too_high() {
        for (calls, q, agents, g) in [(180, 0.06, 18, 0.2), (70, 0.2, 20, 0.5), (150, 0.02, 40, 0.1)] {
            let (mut exact, mut moments) = (Ahead::new(0, HORIZON), Ahead::new(EXACT_MAX + 1, HORIZON));
            for ahead in [&mut exact, &mut moments] {
                ahead.add_calls(&[q; HORIZON], calls);
                ahead.add_agents(&[g; HORIZON], agents);
            }
            for room in 0..40 {
                let (a, b) = (risk(&exact, room), risk(&moments, room));
                assert!(!(1e-6..1e-2).contains(&a) || (0.99..10.0).contains(&(b / a)), "{room}: {a} {b}");
            }
        }
    }

    #[test]
    fn a_late_answer_harms_those_who_answer_after_it() {
        let mut ahead = Ahead::new(1, HORIZON);
        let mut q = NONE;
        q[20..].fill(0.5);
        ahead.add_calls(&q, 1);
        assert!((risk(&ahead, 1)).abs() < 1e-12, "nobody is there before");
        assert!((ahead.harm(&AT_ONCE, 1, &NONE, 0.0) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn the_tail_of_moments_is_close_to_the_exact_one() {
        let (mut exact, mut moments) = (Ahead::new(0, HORIZON), Ahead::new(EXACT_MAX + 1, HORIZON));
        for ahead in [&mut exact, &mut moments] {
            ahead.add_calls(&[0.2; HORIZON], 40);
            ahead.add_agents(&[0.1; HORIZON], 30);
        }
        for room in 4..14 {
            let (a, b) = (risk(&exact, room), risk(&moments, room));
            assert!((a - b).abs() < 0.004, "{room}: {a} {b}");
        }
    }
}
