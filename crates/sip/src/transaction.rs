//! The four transaction state machines (RFC 3261 §17, RFC 6026).
//!
//! Client transactions are found by the number in the branch that we made, server transactions by branch, sent-by and
//! method. A finished transaction keeps one byte buffer: what has to be repeated.

mod client;
mod server;

pub(crate) use client::{Clients, Owner, Reaction, Request};
pub(crate) use server::{Lapse, Servers, server_key};

/// Names a client transaction. A CANCEL shares the branch of its INVITE.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct ClientKey {
    pub branch: u64,
    pub cancel: bool,
}

/// What marks a branch as unique (RFC 3261 §8.1.1.7).
pub(crate) const COOKIE: &[u8] = b"z9hG4bK";
