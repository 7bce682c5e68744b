//! How fast the abandoned calls of an hour are best spent, by how many of them are left.
//!
//! Each abandoned call of the hour is a token that comes back an hour later. What agents gain by a rate of abandoned calls
//! grows more and more slowly with it: measured, the idle time is about as 1/(1 + rate/`HALF`). Spending at a rate for each
//! number of tokens is then a birth and death process, and the rates with the most gain on the average follow from the price
//! of a token at each number: what is lost later because it is gone.

/// The rate that halves the idle time, by the cap of the hour.
const HALF: f64 = 0.15;
/// More tokens than these are told apart in steps.
const TOKENS_MAX: usize = 64;
const BISECTIONS: u32 = 40;

/// The best rate for each number of tokens spent, by the rate at which they come back when all are spent.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    tokens: f64,
    rates: Vec<f64>,
}

impl Rates {
    pub(super) fn new(tokens: f64) -> Rates {
        let steps = (tokens.round() as usize).clamp(1, TOKENS_MAX);
        // Tokens an hour at which the idle time is halved.
        let half = HALF * steps as f64;
        let (mut low, mut high) = (-1.0, 0.0);
        for _ in 0..BISECTIONS {
            let gain = f64::midpoint(low, high);
            if is_too_much(gain, steps, half) { high = gain } else { low = gain }
        }
        let mut price = 0.0;
        let mut rates: Vec<f64> = (0..steps)
            .map(|spent| {
                price = price_at(low - spent as f64 * price, half);
                ((half / price).sqrt() - half).max(0.0) / steps as f64
            })
            .collect();
        rates.push(0.0);
        Rates { tokens, rates }
    }

    pub(super) fn is_for(&self, tokens: f64) -> bool {
        (self.tokens - tokens).abs() < 0.5
    }

    /// The rate with this part of the tokens left: 1 is the rate at which all come back.
    pub(super) fn with_left(&self, part: f64) -> f64 {
        let steps = self.rates.len() - 1;
        let spent = (1.0 - part.clamp(0.0, 1.0)) * steps as f64;
        let whole = (spent as usize).min(steps - 1);
        let rest = spent - whole as f64;
        self.rates[whole] * (1.0 - rest) + self.rates[whole + 1] * rest
    }
}

/// Whether no rates gain so much on the average: with all tokens spent nothing is gained (−1), whatever comes back.
fn is_too_much(gain: f64, steps: usize, half: f64) -> bool {
    let mut price = 0.0;
    for spent in 0..steps {
        price = price_at(gain - spent as f64 * price, half);
        if price * half >= 1.0 {
            return false;
        }
    }
    gain - steps as f64 * price > -1.0
}

/// The price of a token at which the best rate gains `gain` above it: the gain of a rate is −1/(1 + rate/half).
fn price_at(gain: f64, half: f64) -> f64 {
    if gain <= -1.0 {
        return 1.0 / half;
    }
    if gain > -1e-9 {
        return 1e-18 / half;
    }
    let x = (1.0 + (1.0 + gain).sqrt()) / -gain;
    1.0 / (half * x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean rate and gain when this rate is spent with each number of tokens, tokens coming back after an hour.
    fn average(rates: &[f64], half: f64) -> (f64, f64) {
        let steps = rates.len() - 1;
        let (mut weight, mut all, mut rate, mut gain) = (1.0, 0.0, 0.0, 0.0);
        for (spent, r) in rates.iter().enumerate() {
            let hourly = r * steps as f64;
            all += weight;
            rate += weight * r;
            gain -= weight / (1.0 + hourly / half);
            weight *= hourly / (spent + 1) as f64;
        }
        (rate / all, gain / all)
    }

    #[test]
    fn the_fewer_are_left_the_more_slowly_they_are_spent() {
        for tokens in [1.0, 3.0, 14.0, 64.0, 400.0] {
            let rates = Rates::new(tokens);
            assert!(rates.rates.windows(2).all(|w| w[0] > w[1]), "{tokens}: {rates:?}");
            assert!(rates.with_left(0.0) == 0.0 && rates.with_left(1.0) < 2.0, "{rates:?}");
        }
    }

    #[test]
    fn no_other_rates_gain_more_on_the_average() {
        for tokens in [3.0, 6.0, 14.0] {
            let best = Rates::new(tokens).rates;
            let half = HALF * tokens;
            let gain = average(&best, half).1;
            for n in 0..best.len() - 1 {
                for factor in [0.8, 0.95, 1.05, 1.25] {
                    let mut other = best.clone();
                    other[n] *= factor;
                    assert!(
                        average(&other, half).1 <= gain + 1e-9,
                        "{tokens} tokens, rate {n} times {factor}"
                    );
                }
            }
        }
    }

    #[test]
    fn large_teams_spend_most_of_what_the_hour_allows() {
        let mean = |tokens: f64| average(&Rates::new(tokens).rates, HALF * tokens).0;
        assert!(mean(3.0) < 0.55 && mean(14.0) > 0.65 && mean(60.0) > 0.8, "{} {}", mean(14.0), mean(60.0));
    }
}
