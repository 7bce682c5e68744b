//! Bounds on what is unpacked: altogether, in relation to what was sent, and at once.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

/// Of all parts together; a list of two million numbers with all fields has half of it.
const TOTAL_MAX: u64 = 1 << 30;
/// Bytes made of one; XML of numbers gives 10 to 30.
const RATIO_MAX: u64 = 200;
/// Up to here any ratio is fine.
const SMALL: u64 = 16 << 20;
/// Between two resets: one element or one text.
const PIECE_MAX: u64 = 256 << 10;

/// What was unpacked so far, of all parts.
#[derive(Clone, Default)]
pub struct Total(Rc<Cell<u64>>);

/// Fails with this when a bound is passed.
#[derive(Debug, thiserror::Error)]
#[error("more is unpacked than allowed")]
pub struct PastBound;

pub struct Meter<R> {
    inner: R,
    /// Of this part.
    packed: u64,
    unpacked: u64,
    piece: u64,
    total: Total,
}

impl<R> Meter<R> {
    /// `packed`: the part's size as it was sent.
    pub fn new(inner: R, packed: u64, total: Total) -> Meter<R> {
        Meter { inner, packed, unpacked: 0, piece: 0, total }
    }

    /// A new piece begins.
    pub fn reset(&mut self) {
        self.piece = 0;
    }

    fn count(&mut self, bytes: usize) {
        self.unpacked += bytes as u64;
        self.piece += bytes as u64;
        self.total.0.set(self.total.0.get() + bytes as u64);
    }

    fn check(&self) -> io::Result<()> {
        let is_bomb = self.total.0.get() > TOTAL_MAX
            || self.piece > PIECE_MAX
            || (self.unpacked > SMALL && self.unpacked / RATIO_MAX > self.packed);
        if is_bomb { Err(io::Error::other(PastBound)) } else { Ok(()) }
    }
}

impl<R: BufRead> BufRead for Meter<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check()?;
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count(amount);
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        let read = self.inner.read(buffer)?;
        self.count(read);
        Ok(read)
    }
}
