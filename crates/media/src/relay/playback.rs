//! A sound on its way to a leg, 20 ms at a time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Codec;
use crate::{FRAME, FRAME_SAMPLES, Sound, g711};

/// Further behind than this (the machine slept), the rest is shifted: a burst would only overflow the far end's buffer.
const LATE_MAX: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Playback {
    sound: Arc<Sound>,
    next: usize,
    start: Instant,
    /// Of the timer that drives it; also tells playbacks apart.
    pub(super) serial: u64,
}

impl Playback {
    pub(super) fn new(sound: Arc<Sound>, serial: u64, start: Instant) -> Playback {
        Playback { sound, next: 0, start, serial }
    }

    pub(super) fn into_sound(self) -> Arc<Sound> {
        self.sound
    }

    /// The clock starts later, because the leg was not configured yet.
    pub(super) fn start_at(&mut self, start: Instant) {
        if self.next == 0 {
            self.start = start;
        }
    }

    /// When the next frame is due, or the sound is over: always counted from the start, so that it does not drift.
    pub(super) fn due(&self) -> Instant {
        self.start + FRAME * u32::try_from(self.next).unwrap_or(u32::MAX)
    }

    /// The next frame, when it is due.
    pub(super) fn next_frame(&mut self, now: Instant) -> Next {
        let late = now.saturating_duration_since(self.due());
        if self.due() > now {
            return Next::Later;
        }
        if late > LATE_MAX {
            self.start += late;
        }
        match self.sound.frame(self.next) {
            Some(frame) => {
                self.next += 1;
                Next::Frame(frame)
            }
            None => Next::Over,
        }
    }
}

#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack for a moment, and nothing is allocated a frame"
)]
pub(super) enum Next {
    Later,
    Frame([i16; FRAME_SAMPLES]),
    Over,
}

pub(super) fn encode(codec: Codec, frame: &[i16; FRAME_SAMPLES], out: &mut [u8]) {
    let law = match codec {
        Codec::Pcma => g711::alaw_encode,
        Codec::Pcmu => g711::ulaw_encode,
    };
    for (code, sample) in out.iter_mut().zip(frame) {
        *code = law(*sample);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playback(frames: usize) -> (Playback, Instant) {
        let now = Instant::now();
        (Playback::new(Arc::new(Sound::from_samples(vec![1; frames * FRAME_SAMPLES])), 1, now), now)
    }

    #[test]
    fn frames_are_due_every_20_ms_from_the_start_however_late_each_was() {
        let (mut playback, start) = playback(3);
        for n in 0..3u32 {
            assert_eq!(playback.due(), start + n * FRAME);
            assert!(matches!(playback.next_frame(start + n * FRAME + FRAME / 2), Next::Frame(_)));
        }
        assert!(matches!(playback.next_frame(start + 2 * FRAME), Next::Later));
        assert!(matches!(playback.next_frame(start + 3 * FRAME), Next::Over));
    }

    #[test]
    fn after_a_long_sleep_the_rest_is_shifted_and_not_sent_in_a_burst() {
        let (mut playback, start) = playback(1000);
        let late = start + Duration::from_secs(5);
        assert!(matches!(playback.next_frame(late), Next::Frame(_)));
        assert!(matches!(playback.next_frame(late), Next::Later));
        assert_eq!(playback.due(), late + FRAME);
    }
}
