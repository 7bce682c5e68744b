//! What the test carrier has seen.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use media::Codec;

use super::carrier::End;
use super::fate::Fate;

const CALLS_MAX: usize = 200_000;

/// One call that ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CallNote {
    /// The carrier's number of the call; agents hear it as the customer's tag.
    pub id: u64,
    pub number: String,
    /// 1 for the first call to this number.
    pub attempt: u32,
    pub fate: Fate,
    pub codec: Codec,
    pub answered: bool,
    pub end: End,
    /// The extension of the lab agent who was heard.
    pub agent_heard: Option<u64>,
    /// From the customer's 200 OK to the first packet of that agent.
    pub audio_after: Option<Duration>,
    /// Any sound was heard, an agent's or a message.
    pub sound_heard: bool,
    pub packets_in: u64,
    pub packets_out: u64,
}

/// Sums since the start. Of the answered calls only those that ended are counted by what they heard.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CarrierStats {
    pub calls: u64,
    pub calls_active: u64,
    pub calls_active_max: u64,
    pub answered: u64,
    pub busy: u64,
    pub rejected: u64,
    pub invalid: u64,
    pub failed: u64,
    /// Rang until the caller gave up.
    pub cancelled: u64,
    /// INVITEs without an offer that a phone can use.
    pub refused: u64,
    pub agent_heard: u64,
    /// Heard sound, but no lab agent's: a message, or another phone.
    pub other_heard: u64,
    pub silent: u64,
    pub impatient: u64,
    pub lost: u64,
    pub packets_in: u64,
    pub packets_out: u64,
    /// From the 200 OK to the first packet of the agent, the median and the 99th percentile.
    pub audio_after_p50: Option<Duration>,
    pub audio_after_p99: Option<Duration>,
}

#[derive(Default)]
pub(super) struct Ledger {
    pub(super) refused: u64,
    sums: CarrierStats,
    calls: VecDeque<CallNote>,
}

impl Ledger {
    pub(super) fn begin(&mut self) {
        self.sums.calls += 1;
        self.sums.calls_active += 1;
        self.sums.calls_active_max = self.sums.calls_active_max.max(self.sums.calls_active);
    }

    pub(super) fn answered(&mut self) {
        self.sums.answered += 1;
    }

    pub(super) fn end(&mut self, call: CallNote) {
        let sums = &mut self.sums;
        sums.calls_active = sums.calls_active.saturating_sub(1);
        match call.end {
            End::Refused(486) => sums.busy += 1,
            End::Refused(603) => sums.rejected += 1,
            End::Refused(404) => sums.invalid += 1,
            End::Refused(_) => sums.failed += 1,
            End::Cancelled => sums.cancelled += 1,
            End::Impatient => sums.impatient += 1,
            End::Lost => sums.lost += 1,
            End::CallerHungUp | End::CustomerHungUp => {}
        }
        match (call.answered, call.agent_heard, call.sound_heard) {
            (false, ..) => {}
            (true, Some(_), _) => sums.agent_heard += 1,
            (true, None, true) => sums.other_heard += 1,
            (true, None, false) => sums.silent += 1,
        }
        sums.packets_in += call.packets_in;
        sums.packets_out += call.packets_out;
        if self.calls.len() == CALLS_MAX {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    pub(super) fn calls(&self) -> Vec<CallNote> {
        self.calls.iter().cloned().collect()
    }

    pub(super) fn stats(&self) -> CarrierStats {
        let mut waits: Vec<Duration> = self.calls.iter().filter_map(|call| call.audio_after).collect();
        waits.sort_unstable();
        CarrierStats {
            refused: self.refused,
            audio_after_p50: percentile(&waits, 0.5),
            audio_after_p99: percentile(&waits, 0.99),
            ..self.sums.clone()
        }
    }
}

/// The value below which the share `p` of the sorted values lies (nearest rank).
pub fn percentile<T: Copy>(sorted: &[T], p: f64) -> Option<T> {
    let rank = (p * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

impl fmt::Display for CarrierStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |d: Option<Duration>| d.map_or("-".into(), |d| format!("{} ms", d.as_millis()));
        write!(
            f,
            "calls {} ({} now, {} at most): answered {}, cancelled {}, busy {}, declined {}, invalid {}, failed {}; \
             heard an agent {}, other sound {}, nothing {}; agent heard after p50 {} p99 {}; RTP in {} out {}",
            self.calls,
            self.calls_active,
            self.calls_active_max,
            self.answered,
            self.cancelled,
            self.busy,
            self.rejected,
            self.invalid,
            self.failed,
            self.agent_heard,
            self.other_heard,
            self.silent,
            ms(self.audio_after_p50),
            ms(self.audio_after_p99),
            self.packets_in,
            self.packets_out,
        )?;
        if self.refused + self.lost > 0 {
            write!(f, "; refused {}, lost {}", self.refused, self.lost)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        assert_eq!(percentile::<u32>(&[], 0.5), None);
        assert_eq!(percentile(&[3], 0.99), Some(3));
        let hundred: Vec<u32> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 0.5), Some(50));
        assert_eq!(percentile(&hundred, 0.99), Some(99));
        assert_eq!(percentile(&hundred, 1.0), Some(100));
    }
}
