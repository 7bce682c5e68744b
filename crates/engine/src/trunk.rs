//! Trunk limits: channels in use and new calls per second.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use crate::{TrunkId, TrunkSettings};

/// One call's worth of a token bucket.
const TOKEN: u64 = 1_000_000;

#[derive(Debug)]
struct Trunk {
    settings: TrunkSettings,
    /// Reserved slots and calls that have not ended.
    in_use: u32,
    /// Millionths of a call.
    tokens: u64,
    filled_at: Duration,
}

impl Trunk {
    fn fill(&mut self, mono: Duration) {
        let elapsed_us = u64::try_from(mono.saturating_sub(self.filled_at).as_micros()).unwrap_or(u64::MAX);
        let gained = elapsed_us.saturating_mul(u64::from(self.settings.cps_max));
        self.tokens = self.tokens.saturating_add(gained).min(self.tokens_max());
        self.filled_at = mono;
    }

    /// A tenth of a second's calls may go out at once, so that no second sees many more than `cps_max`.
    fn tokens_max(&self) -> u64 {
        u64::from((self.settings.cps_max / 10).max(1)) * TOKEN
    }

    fn has_channel(&self) -> bool {
        self.settings.enabled && self.in_use < self.settings.channels_max
    }

    fn has_token(&self) -> bool {
        self.settings.cps_max == 0 || self.tokens >= TOKEN
    }
}

/// The company's trunks.
#[derive(Default, Debug)]
pub(crate) struct Trunks {
    trunks: BTreeMap<TrunkId, Trunk>,
    last: Option<TrunkId>,
    in_use_total: u32,
}

impl Trunks {
    pub(crate) fn put(&mut self, settings: TrunkSettings, mono: Duration) {
        match self.trunks.get_mut(&settings.trunk) {
            Some(trunk) => {
                trunk.fill(mono);
                trunk.settings = settings;
                trunk.tokens = trunk.tokens.min(trunk.tokens_max());
            }
            None => {
                let mut trunk = Trunk { settings, in_use: 0, tokens: 0, filled_at: mono };
                trunk.tokens = trunk.tokens_max();
                self.trunks.insert(trunk.settings.trunk, trunk);
            }
        }
    }

    /// Takes a channel and a token of the next trunk in turn that has both.
    pub(crate) fn take(&mut self, mono: Duration) -> Option<TrunkId> {
        let start = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let after = self.trunks.range_mut((start, Bound::Unbounded));
        let found = after.filter_map(|(id, trunk)| Self::try_take(*id, trunk, mono)).next();
        let found = match found {
            Some(id) => Some(id),
            None => self.trunks.iter_mut().filter_map(|(id, trunk)| Self::try_take(*id, trunk, mono)).next(),
        };
        if let Some(id) = found {
            self.last = Some(id);
            self.in_use_total += 1;
        }
        found
    }

    /// Takes a channel of this trunk for a call that came in through it. False: it has none left.
    pub(crate) fn take_channel(&mut self, id: TrunkId) -> bool {
        let Some(trunk) = self.trunks.get_mut(&id).filter(|t| t.in_use < t.settings.channels_max) else {
            return false;
        };
        trunk.in_use += 1;
        self.in_use_total += 1;
        true
    }

    fn try_take(id: TrunkId, trunk: &mut Trunk, mono: Duration) -> Option<TrunkId> {
        trunk.fill(mono);
        if !trunk.has_channel() || !trunk.has_token() {
            return None;
        }
        if trunk.settings.cps_max > 0 {
            trunk.tokens -= TOKEN;
        }
        trunk.in_use += 1;
        Some(id)
    }

    /// Whether some trunk has a channel, though perhaps no token at the moment.
    pub(crate) fn has_channel(&self) -> bool {
        self.trunks.values().any(Trunk::has_channel)
    }

    /// The call ended.
    pub(crate) fn free(&mut self, id: TrunkId) {
        let trunk = self.trunks.get_mut(&id).expect("a trunk is never forgotten");
        trunk.in_use = trunk.in_use.checked_sub(1).expect("a channel is freed once");
        self.in_use_total -= 1;
    }

    /// The slot was not used: its channel and its token are free again.
    pub(crate) fn give_back(&mut self, id: TrunkId) {
        self.free(id);
        let trunk = self.trunks.get_mut(&id).expect("a trunk is never forgotten");
        trunk.tokens = trunk.tokens.saturating_add(TOKEN).min(trunk.tokens_max());
    }

    /// When the next trunk that has a free channel has a token. None: channels are what lacks.
    pub(crate) fn next_token(&self) -> Option<Duration> {
        let waiting = self.trunks.values().filter(|t| t.has_channel() && t.settings.cps_max > 0);
        waiting
            .map(|t| {
                let lacking = TOKEN.saturating_sub(t.tokens);
                t.filled_at + Duration::from_micros(lacking.div_ceil(u64::from(t.settings.cps_max)))
            })
            .min()
    }

    /// Channels in use, reserved slots included.
    pub(crate) fn in_use(&self) -> u32 {
        self.in_use_total
    }

    pub(crate) fn in_use_of(&self, id: TrunkId) -> u32 {
        self.trunks.get(&id).map_or(0, |t| t.in_use)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = TrunkId> + '_ {
        self.trunks.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trunk(id: i64, channels_max: u32, cps_max: u32) -> TrunkSettings {
        TrunkSettings { trunk: TrunkId(id), enabled: true, channels_max, cps_max }
    }

    #[test]
    fn trunks_are_taken_in_turn_and_full_ones_are_passed_over() {
        let mut trunks = Trunks::default();
        trunks.put(trunk(1, 1, 0), Duration::ZERO);
        trunks.put(trunk(2, 5, 0), Duration::ZERO);
        let taken: Vec<i64> = (0..4).map(|_| trunks.take(Duration::ZERO).unwrap().0).collect();
        assert_eq!(taken, [1, 2, 2, 2]);
        trunks.free(TrunkId(1));
        assert_eq!(trunks.take(Duration::ZERO), Some(TrunkId(1)));
        assert_eq!(trunks.in_use(), 4, "one was freed and taken again");
    }

    #[test]
    fn no_second_sees_many_more_calls_than_the_trunk_may_start() {
        let mut trunks = Trunks::default();
        trunks.put(trunk(1, 100_000, 50), Duration::ZERO);
        let mut taken = Vec::new();
        for ms in 0..5_000 {
            while trunks.take(Duration::from_millis(ms)).is_some() {
                taken.push(ms);
            }
        }
        for start in 0..4_000 {
            let in_window = taken.iter().filter(|ms| (start..start + 1000).contains(*ms)).count();
            assert!(in_window <= 55, "{in_window} calls in the second from {start} ms");
        }
        assert!(taken.len() >= 249, "the rate is used: {}", taken.len());
    }

    #[test]
    fn the_next_token_is_named_to_the_microsecond() {
        let mut trunks = Trunks::default();
        trunks.put(trunk(1, 10, 4), Duration::ZERO);
        assert!(trunks.take(Duration::ZERO).is_some());
        assert!(trunks.take(Duration::ZERO).is_none());
        let next = trunks.next_token().unwrap();
        assert_eq!(next, Duration::from_millis(250));
        assert!(trunks.take(next - Duration::from_micros(1)).is_none());
        assert!(trunks.take(next).is_some());
    }

    #[test]
    fn a_full_trunk_names_no_time() {
        let mut trunks = Trunks::default();
        trunks.put(trunk(1, 1, 4), Duration::ZERO);
        trunks.take(Duration::ZERO);
        assert_eq!(trunks.next_token(), None);
        trunks.give_back(TrunkId(1));
        assert!(trunks.take(Duration::ZERO).is_some());
    }
}
