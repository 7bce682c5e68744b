//! How long a stage of an agent's work (a talk, a wrap-up) lasts, learned as a hazard by age. Stages that are not over
//! count up to their present age, so long ones are not forgotten because they are long.

use super::tail::Seconds;

/// Events after which the oldest ones have faded to a third.
const MEMORY: f64 = 1500.0;
/// The hazard of an age is drawn to the overall one with the weight of so many events.
const DRAW: f64 = 3.0;
/// Whole seconds of age that are told apart.
const AGES: usize = 900;

#[derive(Clone, Debug)]
pub(super) struct Stage {
    /// Upper edges of the age classes, in seconds.
    edges: Vec<f64>,
    events: Vec<f64>,
    exposure: Vec<f64>,
    /// Mean length that is assumed before anything is known, with the weight of `DRAW` events.
    mean_before: f64,
    /// Survival at whole seconds of age.
    survival: Vec<f64>,
    /// Hazard of the highest ages, per second.
    last_hazard: f64,
}

impl Stage {
    /// Classes of `fine` seconds up to `fine_until`, then each a quarter longer than the last.
    pub(super) fn new(fine: f64, fine_until: f64, mean_before: f64) -> Stage {
        let mut edges = Vec::new();
        let mut edge = 0.0;
        while edge < fine_until {
            edge += fine;
            edges.push(edge);
        }
        while edge < 7200.0 {
            edge *= 1.25;
            edges.push(edge);
        }
        let classes = edges.len();
        let mut stage = Stage {
            edges,
            events: vec![0.0; classes],
            exposure: vec![0.0; classes],
            mean_before,
            survival: Vec::new(),
            last_hazard: 0.0,
        };
        stage.rebuild(&[]);
        stage
    }

    /// One was over after `seconds`.
    pub(super) fn ended(&mut self, seconds: f64) {
        let fade = 1.0 - 1.0 / MEMORY;
        self.events.iter_mut().chain(&mut self.exposure).for_each(|x| *x *= fade);
        let class = self.edges.partition_point(|e| *e < seconds).min(self.edges.len() - 1);
        // At risk to the end of its class, so that a length that is always the same is learned as certain.
        expose(&self.edges, &mut self.exposure, self.edges[class]);
        self.events[class] += 1.0;
    }

    /// `under_way`: ages of those that are not over.
    pub(super) fn rebuild(&mut self, under_way: &[f64]) {
        let mut exposure = self.exposure.clone();
        expose_all(&self.edges, &mut exposure, under_way);
        let (events, seconds) = (self.events.iter().sum::<f64>(), exposure.iter().sum::<f64>());
        let overall = (events + DRAW) / (seconds + DRAW * self.mean_before);
        let hazard = |i: usize| {
            let width = self.edges[i] - if i == 0 { 0.0 } else { self.edges[i - 1] };
            let drawn_to = 1.0 - f64::exp(-overall * width);
            let ends = (self.events[i] + DRAW * drawn_to) / (exposure[i] / width + DRAW);
            -(1.0 - ends.min(0.9999)).ln() / width
        };
        self.survival.clear();
        let (mut total, mut class) = (0.0, 0);
        for second in 0..=AGES {
            self.survival.push(f64::exp(-total).max(1e-12));
            while class + 1 < self.edges.len() && self.edges[class] <= second as f64 {
                class += 1;
            }
            total += hazard(class);
        }
        self.last_hazard = hazard(class);
    }

    /// Probability that one lasts longer than `seconds`.
    pub(super) fn survival(&self, seconds: f64) -> f64 {
        let whole = seconds.max(0.0);
        let i = whole as usize;
        if i >= AGES {
            return self.survival[AGES] * f64::exp(-self.last_hazard * (whole - AGES as f64));
        }
        let part = whole - i as f64;
        self.survival[i] * (1.0 - part) + self.survival[i + 1] * part
    }
}

fn expose(edges: &[f64], exposure: &mut [f64], seconds: f64) {
    let mut from = 0.0;
    for (to, x) in edges.iter().zip(exposure) {
        if seconds <= from {
            return;
        }
        *x += seconds.min(*to) - from;
        from = *to;
    }
}

/// As `expose` for each of the ages, in one pass over the classes.
fn expose_all(edges: &[f64], exposure: &mut [f64], ages: &[f64]) {
    // In each class: how many are of its ages, and for how long they have been.
    let mut last = vec![(0.0, 0.0); edges.len()];
    for age in ages {
        let class = edges.partition_point(|e| *e < *age).min(edges.len() - 1);
        let from = if class == 0 { 0.0 } else { edges[class - 1] };
        last[class].0 += 1.0;
        last[class].1 += age.min(edges[class]) - from;
    }
    let mut older = 0.0;
    for class in (0..edges.len()).rev() {
        let from = if class == 0 { 0.0 } else { edges[class - 1] };
        exposure[class] += older * (edges[class] - from) + last[class].1;
        older += last[class].0;
    }
}

/// Ages that the tables tell apart; older ones count as the oldest.
const ROWS: usize = 240;
const TALK_STEP: f64 = 2.0;
const WRAP_STEP: f64 = 0.5;

/// Probability that a busy agent is free within some seconds more than 1, 2, …
#[derive(Clone, Debug)]
pub(super) struct Release {
    talk: Vec<Seconds>,
    wrap: Vec<Seconds>,
}

/// Tables under way: they replace the old ones when their last row is there.
#[derive(Clone, Debug)]
pub(super) struct NextRelease {
    talk: Stage,
    wrap: Stage,
    grace: f64,
    /// Probability that a wrap-up that begins in the middle of a second is over j seconds and the grace after it.
    wrapped: Seconds,
    done: Release,
}

impl NextRelease {
    /// `grace`: seconds that a customer waits after the answer.
    pub(super) fn new(talk: &Stage, wrap: &Stage, grace: f64) -> NextRelease {
        NextRelease {
            wrapped: std::array::from_fn(|j| 1.0 - wrap.survival(j as f64 - 0.5 + grace)),
            talk: talk.clone(),
            wrap: wrap.clone(),
            grace,
            done: Release { talk: Vec::with_capacity(ROWS), wrap: Vec::with_capacity(ROWS) },
        }
    }

    /// So many rows more; the tables when they are whole.
    pub(super) fn go_on(&mut self, rows: usize) -> Option<Release> {
        for _ in 0..rows {
            if self.done.talk.len() == ROWS {
                break;
            }
            self.add_row();
        }
        let Release { talk, wrap } = &mut self.done;
        (talk.len() == ROWS).then(|| Release { talk: std::mem::take(talk), wrap: std::mem::take(wrap) })
    }

    fn add_row(&mut self) {
        let row = self.done.talk.len() as f64 + 0.5;
        let (talk, wrap, grace) = (&self.talk, &self.wrap, self.grace);
        // What ends in the grace may be free in time when the wrap-up is short.
        let late = 1.0 - wrap.survival(grace / 2.0);
        let age = row * TALK_STEP;
        let now = talk.survival(age);
        let left: Seconds = std::array::from_fn(|j| talk.survival(age + j as f64) / now);
        let ends: Seconds = std::array::from_fn(|j| left[j] - left.get(j + 1).unwrap_or(&left[j]));
        let in_grace = |k: usize| left[k] - talk.survival(age + k as f64 + grace) / now;
        self.done.talk.push(std::array::from_fn(|k| {
            let free: f64 = (0..=k).map(|j| ends[j] * self.wrapped[k - j]).sum();
            (free + in_grace(k) * late).min(1.0)
        }));
        let age = row * WRAP_STEP;
        let now = wrap.survival(age);
        let over = |k: usize| 1.0 - wrap.survival(age + k as f64 + 1.0 + grace) / now;
        self.done.wrap.push(std::array::from_fn(over));
    }
}

impl Release {
    pub(super) fn new(talk: &Stage, wrap: &Stage, grace: f64) -> Release {
        NextRelease::new(talk, wrap, grace).go_on(ROWS).expect("every row was asked for")
    }

    /// The agents by what is known of them: when each is free within 1, 2, … seconds and the grace, and how many.
    pub(super) fn of_all(
        &self,
        talking: impl Iterator<Item = f64>,
        wrapping_up: impl Iterator<Item = f64>,
    ) -> impl Iterator<Item = (&Seconds, u32)> {
        let talks = self.talk.iter().zip(by_row(talking, TALK_STEP));
        let wraps = self.wrap.iter().zip(by_row(wrapping_up, WRAP_STEP));
        talks.chain(wraps).filter(|(_, count)| *count > 0)
    }
}

fn by_row(ages: impl Iterator<Item = f64>, step: f64) -> [u32; ROWS] {
    let mut counts = [0; ROWS];
    ages.for_each(|age| counts[((age.max(0.0) / step) as usize).min(ROWS - 1)] += 1);
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learned_stage_survives_as_the_one_that_it_was_learned_from() {
        let mut stage = Stage::new(5.0, 30.0, 60.0);
        for i in 0..3000 {
            // Even from 60 to 120 s.
            stage.ended(60.0 + f64::from(i % 60));
        }
        stage.rebuild(&[]);
        assert!(stage.survival(50.0) > 0.97);
        assert!((stage.survival(90.0) - 0.5).abs() < 0.07, "{}", stage.survival(90.0));
        assert!(stage.survival(150.0) < 0.05);
    }

    #[test]
    fn talks_under_way_count_the_same_one_by_one_and_all_at_once() {
        let stage = Stage::new(5.0, 30.0, 100.0);
        let ages = [0.0, 3.0, 5.0, 29.0, 31.0, 400.0, 9000.0];
        let (mut each, mut all) = (stage.exposure.clone(), stage.exposure.clone());
        ages.iter().for_each(|age| expose(&stage.edges, &mut each, *age));
        expose_all(&stage.edges, &mut all, &ages);
        assert!(each.iter().zip(&all).all(|(a, b)| (a - b).abs() < 1e-9), "{each:?} {all:?}");
    }

    #[test]
    fn talks_under_way_keep_the_mean_from_being_too_short() {
        let mut stage = Stage::new(5.0, 30.0, 100.0);
        (0..10).for_each(|_| stage.ended(10.0));
        stage.rebuild(&[]);
        let without = stage.survival(60.0);
        stage.rebuild(&[300.0; 10]);
        assert!(stage.survival(60.0) > without);
    }

    #[test]
    fn talk_and_wrap_up_are_two_stages() {
        let (mut talk, mut wrap) = (Stage::new(5.0, 30.0, 60.0), Stage::new(1.0, 60.0, 10.0));
        for _ in 0..1000 {
            talk.ended(60.0);
            wrap.ended(10.0);
        }
        talk.rebuild(&[]);
        wrap.rebuild(&[]);
        let release = Release::new(&talk, &wrap, 2.0);
        assert!(release.talk[27][4] < 0.05, "a talk that ends now is followed by ten seconds of wrap-up");
        assert!(release.wrap[18][2] > 0.9);
        let all: Vec<u32> =
            release.of_all([54.0, 54.5, 9e9].into_iter(), [9.0].into_iter()).map(|a| a.1).collect();
        assert_eq!(all, [2, 1, 1]);
    }
}
