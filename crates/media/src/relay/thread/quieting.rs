//! Comfort noise (RFC 3389) for legs whose codec has none: it is made here, 20 ms at a time, until sound comes again.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::MediaThread;
use crate::comfort::Comfort;
use crate::relay::RelayEvent;
use crate::relay::leg::Content;
use crate::relay::timers::{Due, Timer};
use crate::rtp::Header;
use crate::{FRAME, FRAME_SAMPLES};

/// Further behind than this (the machine slept), the clock is shifted.
const LATE_MAX: Duration = Duration::from_millis(200);
/// No noise so long after a packet of a key press: the packets of one press have one timestamp, with nothing in between.
const KEY_MAX: Duration = Duration::from_millis(100);

/// What a leg hears while the other sends nothing.
pub(in crate::relay) struct Quiet {
    noise: Comfort,
    /// The packet that told of it.
    since: Header,
    next: Instant,
    /// Not before, because a key is pressed.
    key_until: Option<Instant>,
    /// Of the timer that drives it.
    serial: u64,
}

impl<F: Fn(RelayEvent)> MediaThread<F> {
    /// Looks at a packet for the leg in this slot. Whether it is all about noise that is made here, and does not go on.
    pub(super) fn is_of_quiet(
        &mut self,
        slot: usize,
        content: Content,
        header: &Header,
        payload: Range<usize>,
        now: Instant,
    ) -> bool {
        let Some(leg) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return false };
        match (content, &mut leg.quiet) {
            (Content::ComfortNoise, quiet) if leg.transcoder.is_some() => {
                let noise = Comfort::told(&self.datagram[payload]);
                match quiet {
                    Some(quiet) => (quiet.noise, quiet.since) = (noise, *header),
                    None => {
                        let serial = self.timers.serial();
                        *quiet = Some(Quiet { noise, since: *header, next: now, key_until: None, serial });
                        self.timers.set(Timer { at: now, serial, slot, due: Due::Noise });
                    }
                }
                true
            }
            (Content::Sound(_), Some(quiet)) if !payload.is_empty() => {
                let is_late = quiet.is_after(header);
                if !is_late {
                    leg.quiet = None;
                }
                is_late
            }
            (Content::Dtmf, Some(quiet)) => {
                quiet.key_until = Some(now + KEY_MAX);
                false
            }
            _ => false,
        }
    }

    pub(super) fn noise_on(&mut self, timer: Timer, now: Instant) {
        let Some(leg) = self.slots.get_mut(timer.slot).and_then(Option::as_mut) else { return };
        let destination = leg.destination().filter(|_| !leg.is_taken());
        let Some(quiet) = leg.quiet.as_mut().filter(|quiet| quiet.serial == timer.serial) else { return };
        // Counted from the time that was due, so that it does not drift.
        quiet.next += FRAME;
        if now.saturating_duration_since(quiet.next) > LATE_MAX {
            quiet.next = now;
        }
        let at = quiet.next;
        let is_pressed = quiet.key_until.is_some_and(|until| now < until);
        if let Some(destination) = destination.filter(|_| !is_pressed) {
            let mut frame = [0; FRAME_SAMPLES];
            frame.fill_with(|| quiet.noise.sample());
            leg.send_frame(timer.serial, &frame, destination, now);
        }
        self.timers.set(Timer { at, ..timer });
    }
}

impl Quiet {
    /// Whether a packet was sent before the one that told of the noise.
    fn is_after(&self, header: &Header) -> bool {
        let behind = self.since.sequence.wrapping_sub(header.sequence);
        self.since.ssrc == header.ssrc && (1..0x8000).contains(&behind)
    }
}
