//! The engine and a store on a virtual clock, with customers, agents and everything that can go wrong. A seed stands for
//! one world and its whole history, so a failure can be looked at again and again.

mod audit;
mod desk;
mod lines;
mod referee;
mod scenario;
mod trouble;
mod world;

pub use referee::Tally;
pub use scenario::Scenario;
pub use world::World;

/// Lives through the world of this seed. Panics when something happened that must not.
pub fn run(seed: u64) -> Tally {
    World::new(seed).run().0
}
