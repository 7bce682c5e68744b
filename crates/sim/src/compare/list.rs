//! The numbers of a campaign: those that nobody has called, and those that are to be called again.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::shift::Micros;
use super::weather::{ListSize, micros};

pub struct List {
    size: ListSize,
    fresh: u32,
    /// When each may be called again, and how often it was.
    again: BinaryHeap<Reverse<(Micros, u32)>>,
    /// How often those were called that may be called again now.
    due: VecDeque<u32>,
}

impl List {
    pub fn new(size: ListSize) -> List {
        List { size, fresh: size.numbers, again: BinaryHeap::new(), due: VecDeque::new() }
    }

    /// Numbers that may be called now.
    pub fn ready(&mut self, now: Micros) -> u32 {
        while self.again.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            self.due.extend(self.again.pop().map(|Reverse((_, attempts))| attempts));
        }
        self.fresh.saturating_add(u32::try_from(self.due.len()).unwrap_or(u32::MAX))
    }

    /// Takes one that may be called now: how often it was called, this time included.
    pub fn take(&mut self, now: Micros) -> Option<u32> {
        self.ready(now);
        if let Some(attempts) = self.due.pop_front() {
            return Some(attempts + 1);
        }
        // An endless list stays endless.
        if self.fresh != u32::MAX {
            self.fresh = self.fresh.checked_sub(1)?;
        }
        Some(1)
    }

    /// A number that was called so often was not reached.
    pub fn put_back(&mut self, now: Micros, attempts: u32) {
        if attempts < self.size.attempts {
            self.again.push(Reverse((now + micros(self.size.pause), attempts)));
        }
    }

    /// It was wished for, but not called.
    pub fn is_used_up(&self) -> bool {
        self.fresh == 0 && self.again.is_empty() && self.due.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_called_again_after_a_pause_and_no_more_often_than_allowed() {
        let mut list = List::new(ListSize { numbers: 2, attempts: 2, pause: 10.0 });
        assert_eq!((list.take(0), list.take(0), list.take(0)), (Some(1), Some(1), None));
        list.put_back(0, 1);
        assert_eq!((list.ready(9_999_999), list.take(9_999_999)), (0, None));
        assert!(!list.is_used_up());
        assert_eq!((list.ready(10_000_000), list.take(10_000_000)), (1, Some(2)));
        list.put_back(10_000_000, 2);
        assert!(list.is_used_up());
    }
}
