//! Outpace: a predictive dialer in one binary.

mod api;
mod config;
mod handle;
mod run;

fn main() {}
