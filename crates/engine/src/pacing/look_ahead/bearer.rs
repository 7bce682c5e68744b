//! Campaigns that share agents: when one call more leaves a customer without an agent, nobody knows whose it will be.

use super::outlook::{Load, Outlook};
use super::tail::Seconds;

/// Of the campaigns that share agents, so many others are looked at whose hour has the least left.
const OTHERS_MAX: usize = 3;
/// So many customers more than a campaign can bear are told apart, when those of others are among them.
const BUNCH_MAX: usize = 40;

/// A campaign whose customers may find nobody.
pub(super) struct Bearer {
    /// Calls that it may lose without breaking the cap of a window.
    pub(super) left: i64,
    /// Of those who answer, the part that are its customers.
    pub(super) part: f64,
}

/// What a late call may do.
pub(super) struct Limits {
    /// Idle agents, less customers who wait.
    pub(super) room: i64,
    pub(super) bearers: Vec<Bearer>,
    pub(super) risk_max: f64,
}

/// The campaign itself, and those with the least left of the others that have calls in flight. `answers`: to expect from its own
/// calls.
pub(super) fn all(left: i64, answers: f64, others: &[Load]) -> Vec<Bearer> {
    let sum: f64 = answers + others.iter().map(Load::answers).sum::<f64>();
    let part = |answers: f64| if sum > 0.0 { answers / sum } else { 1.0 };
    let of_other = |o: &Load| Bearer { left: o.left.max(0), part: part(o.answers()) };
    let mut bearers: Vec<Bearer> = others.iter().filter(|o| !o.is_empty()).map(of_other).collect();
    bearers.sort_by_key(|b| b.left);
    bearers.truncate(OTHERS_MAX);
    bearers.push(Bearer { left: left.max(0), part: part(answers) });
    bearers
}

/// Probability that a window of one of these passes its cap because of a call that is answered as in `arrival`.
pub(super) fn overrun(
    outlook: &Outlook,
    arrival: &Seconds,
    room: i64,
    bearers: &[Bearer],
    spread: f64,
) -> f64 {
    let harm = |lost: i64| outlook.ahead.harm(arrival, room + lost, &outlook.answers, spread);
    let of_one = |bearer: &Bearer| {
        if bearer.part > 0.999 {
            return harm(bearer.left);
        }
        // Of the customers who find nobody each is this campaign's with probability `part`: the last one that it can bear is
        // the (left + 1)th of its own.
        let left = bearer.left as f64;
        let (mut lost, mut sum) = (bearer.left, 0.0);
        let mut is_that_one = bearer.part.powf(left + 1.0);
        for _ in 0..BUNCH_MAX {
            let harm = harm(lost);
            sum += harm * is_that_one;
            if harm < 1e-10 {
                break;
            }
            lost += 1;
            is_that_one *= (1.0 - bearer.part) * lost as f64 / (lost as f64 - left);
        }
        sum
    };
    bearers.iter().map(of_one).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::super::tail::{Ahead, HORIZON};
    use super::*;

    /// Ten calls of which each is answered at once with probability one half, and no agent.
    fn outlook() -> Outlook {
        let mut ahead = Ahead::new(10, HORIZON);
        ahead.add_calls(&[0.5; HORIZON], 10);
        Outlook { ahead, answers: [5.0; HORIZON], expected_free: 0.0, calls_of_others: 0 }
    }

    fn of(left: i64, part: f64) -> f64 {
        let mut at_once = [0.0; HORIZON];
        at_once[0] = 1.0;
        overrun(&outlook(), &at_once, 0, &[Bearer { left, part }], 0.0)
    }

    #[test]
    fn a_campaign_alone_bears_all_that_is_lost() {
        // Of ten at least four more than the one: 1 - (1 + 10 + 45 + 120) / 1024.
        assert!((of(4, 1.0) - 848.0 / 1024.0).abs() < 1e-9, "{}", of(4, 1.0));
    }

    #[test]
    fn the_fewer_of_those_who_answer_are_its_customers_the_less_a_campaign_bears() {
        let parts = [1.0, 0.9, 0.5, 0.2, 0.05].map(|part| of(2, part));
        assert!(parts.windows(2).all(|w| w[0] > w[1]), "{parts:?}");
        // With nothing left any one of its own is one too many: of n + 1 who are lost none is with (1 - part)^(n + 1).
        let none_is = |n: i32| 0.5_f64.powi(n + 1);
        let weights = [1, 10, 45, 120, 210, 252, 210, 120, 45, 10, 1].map(f64::from);
        let expected: f64 = (0..).zip(weights).map(|(n, w)| w / 1024.0 * (1.0 - none_is(n))).sum();
        assert!((of(0, 0.5) - expected).abs() < 1e-9, "{} {expected}", of(0, 0.5));
    }

    #[test]
    fn whose_hour_has_the_least_left_counts() {
        let load = |left: i64| Load { count: 1, left, calls: vec![([0.5; HORIZON], 1)] };
        let bearers = all(7, 0.5, &[load(5), load(-1), load(9), load(3)]);
        assert_eq!(bearers.iter().map(|b| b.left).collect::<Vec<_>>(), [0, 3, 5, 7]);
        assert!(bearers.iter().all(|b| (b.part - 0.2).abs() < 1e-9));
    }
}
