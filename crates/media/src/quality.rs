//! How a leg sounded: what was counted, and what a listener would have thought of it (ITU-T G.107).

use std::time::Duration;

/// One direction of a leg, as its receiver saw it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Reception {
    pub lost: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1), the mean over all packets.
    pub jitter: Duration,
}

/// A leg, or the part of its life that belonged to one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quality {
    pub packets_in: u64,
    /// Came more than once.
    pub duplicates_in: u64,
    /// Of what came from the far end.
    pub received: Reception,
    pub packets_out: u64,
    /// Of what we sent, as the far end said by RTCP; None: it said nothing.
    pub reported: Option<Reception>,
    /// Mean; None: the far end never referred to a report of ours.
    pub round_trip: Option<Duration>,
}

impl Quality {
    /// How what came from the far end sounded, in hundredths of a mean opinion score; None: nothing came.
    pub fn mos_in(&self) -> Option<u16> {
        (self.packets_in > 0).then(|| self.mos(self.packets_in + self.received.lost, &self.received))
    }

    /// How what we sent sounded at the far end.
    pub fn mos_out(&self) -> Option<u16> {
        let reported = self.reported.filter(|_| self.packets_out > 0)?;
        Some(self.mos(self.packets_out, &reported))
    }

    fn mos(&self, expected: u64, reception: &Reception) -> u16 {
        let lost_percent = 100.0 * reception.lost as f64 / expected.max(1) as f64;
        // Packets of 20 ms, and a receiver that waits for twice the jitter.
        let ahead = Duration::from_millis(20) + 2 * reception.jitter;
        let delay = self.round_trip.unwrap_or_default() / 2 + ahead;
        mos(lost_percent, delay)
    }
}

/// G.113 appendix I: of G.711 with loss concealment, as telephones have it.
const LOSS_ROBUSTNESS: f64 = 25.1;
/// G.107 §7.7: everything else as it is by default, with the loudness of a telephone.
const RATING_MAX: f64 = 93.2;

/// The E-model for a codec without impairment of its own, packets lost at random and a one-way delay, in hundredths.
fn mos(lost_percent: f64, delay: Duration) -> u16 {
    let delay_ms = delay.as_secs_f64() * 1000.0;
    let delayed = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
    let lost = 95.0 * lost_percent / (lost_percent + LOSS_ROBUSTNESS);
    let rating = (RATING_MAX - delayed - lost).clamp(0.0, 100.0);
    // G.107 Annex B.
    let mos = 1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6;
    // Below a rating of 6.5 the formula falls under 1.
    (mos.clamp(1.0, 4.5) * 100.0).round() as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quality(lost: u64, jitter_ms: u64, round_trip_ms: u64) -> Quality {
        let received = Reception { lost, jitter: Duration::from_millis(jitter_ms) };
        Quality {
            packets_in: 1000 - lost,
            received,
            packets_out: 1000,
            reported: None,
            duplicates_in: 0,
            round_trip: Some(Duration::from_millis(round_trip_ms)),
        }
    }

    /// G.107 table B.1 has 4.4 for a rating of 93 and 3.6 for 70; loss and delay as in appendix I of G.113.
    #[test]
    fn the_score_is_what_the_model_gives() {
        assert_eq!(quality(0, 0, 0).mos_in(), Some(440));
        assert_eq!(quality(10, 0, 20).mos_in(), Some(431));
        assert_eq!(quality(50, 5, 100).mos_in(), Some(384));
        assert_eq!(quality(300, 0, 0).mos_in(), Some(211));
        assert_eq!(quality(1000, 0, 0).mos_in(), None, "nothing came");
        assert_eq!(mos(100.0, Duration::from_secs(60)), 100);
    }

    #[test]
    fn more_loss_and_more_delay_are_never_better() {
        let scores: Vec<_> = (0..1000).map(|n| quality(n, n / 2, 2 * n).mos_in()).collect();
        assert!(scores.windows(2).all(|pair| pair[1] <= pair[0]));
    }

    #[test]
    fn the_other_direction_is_known_by_reports_only() {
        assert_eq!(quality(0, 0, 0).mos_out(), None);
        let told = Quality { reported: Some(Reception::default()), ..quality(500, 0, 0) };
        assert_eq!(told.mos_out(), Some(440));
    }
}
