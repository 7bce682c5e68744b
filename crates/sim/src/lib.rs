//! The engine and a store on a virtual clock, with customers, agents and everything that can go wrong. A seed stands for
//! one world and its whole history, so a failure can be looked at again and again.

mod audit;
mod compare;
mod desk;
mod lines;
mod referee;
mod scenario;
mod trouble;
mod world;

pub use compare::compare;
pub use referee::Tally;
pub use scenario::Scenario;
pub use world::World;

/// Lives through the world of this seed. Panics when something happened that must not.
pub fn run(seed: u64) -> Tally {
    World::new(seed).run().0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_all(seeds: impl Iterator<Item = u64>) -> Tally {
        let mut sum = Tally::default();
        for seed in seeds {
            // The seed is seen when the run panics.
            println!("seed {seed}");
            sum.add(&run(seed));
        }
        sum
    }

    #[test]
    fn worlds_that_failed_once_do_not_fail_again() {
        let lines = include_str!("../seeds.txt").lines().map(|l| l.split('#').next().unwrap_or("").trim());
        run_all(lines.filter(|l| !l.is_empty()).map(|l| l.parse().expect("a seed a line")));
    }

    #[test]
    fn in_many_worlds_nothing_happens_that_must_not() {
        let sum = run_all(1..=120);
        assert!(sum.connected > 100 && sum.abandoned > 100 && sum.no_answer > 100, "{sum:?}");
        assert!(sum.missed_offers > 100 && sum.returned > 20 && sum.restarts > 20, "{sum:?}");
    }

    #[test]
    fn in_many_other_worlds_nothing_happens_that_must_not_either() {
        run_all(1001..=1120);
    }

    #[test]
    fn a_seed_is_one_history() {
        for seed in 1..=10 {
            assert_eq!(World::new(seed).run(), World::new(seed).run());
        }
    }
}
