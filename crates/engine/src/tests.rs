//! The rules of the engine on a virtual clock.
