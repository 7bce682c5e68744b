//! Mixing: what each listener of a conversation hears of the others, 20 ms at a time.

use crate::FRAME_SAMPLES;
use crate::comfort::Comfort;

/// Who can be in one mixed conversation.
pub const MIX_MEMBERS_MAX: usize = 8;

/// How loud a speaker is to a listener, in 256ths: 256 is as it is, 0 is not at all.
pub type Gain = u16;

/// As it is.
pub const GAIN_FULL: Gain = 256;

pub type Frame = [i16; FRAME_SAMPLES];

/// The speakers' frames added, each with its gain; what is too loud is clipped, never wrapped.
pub fn mix<'a>(heard: impl IntoIterator<Item = (&'a Frame, Gain)>) -> Frame {
    let mut sums = [0i64; FRAME_SAMPLES];
    for (frame, gain) in heard {
        if gain == 0 {
            continue;
        }
        for (sum, sample) in sums.iter_mut().zip(frame) {
            *sum += i64::from(*sample) * i64::from(gain);
        }
    }
    let full = i64::from(GAIN_FULL);
    let clip = |sum: i64| (sum / full).clamp(i64::from(i16::MIN), i64::from(i16::MAX));
    // Clamped, so the cast cannot wrap.
    sums.map(|sum| clip(sum) as i16)
}

/// Samples in memory for each speaker (160 ms).
const WINDOW: usize = 8 * FRAME_SAMPLES;
/// So far what comes is ahead of what is heard at first (40 ms), and at most (100 ms), so that a packet may be late.
const AHEAD_MIN: u32 = 2 * FRAME_SAMPLES as u32;
const AHEAD_MAX: u32 = 5 * FRAME_SAMPLES as u32;
/// Packets in a row that come too late before their clock is believed.
const LATE_MAX: u32 = 3;
/// After so many packets (5 s) of which none needed the last 20 ms, they are taken back.
const EARLY_MIN: u32 = 250;

/// One speaker's sound, put in order by its RTP timestamps and taken out by the mixer's own clock.
#[derive(Debug)]
pub struct Arriving {
    window: [i16; WINDOW],
    /// Where in the window the next sample to hear lies.
    first: usize,
    /// Of the stream that is heard: its SSRC, and the timestamp of that sample.
    stream: Option<(u32, u32)>,
    late: u32,
    /// How far it is ahead: as far as the network makes it necessary.
    ahead: u32,
    /// Packets that came too late, and since when none was late or nearly.
    hurried: u32,
    early: u32,
    /// What stands for a far end that sends nothing.
    noise: Option<Comfort>,
}

impl Default for Arriving {
    fn default() -> Arriving {
        Arriving {
            window: [0; WINDOW],
            first: 0,
            stream: None,
            late: 0,
            ahead: AHEAD_MIN,
            hurried: 0,
            early: 0,
            noise: None,
        }
    }
}

impl Arriving {
    /// A packet's samples. What is too late is dropped; a stream whose clock does not agree is followed anew.
    pub fn put(&mut self, ssrc: u32, timestamp: u32, samples: impl ExactSizeIterator<Item = i16>) {
        let offset = match self.stream {
            Some((known, next)) if known == ssrc => self.offset(timestamp.wrapping_sub(next), samples.len()),
            _ => None,
        };
        let offset = match offset {
            Some(offset) => offset,
            None if self.is_merely_late(ssrc, timestamp) => return,
            None => {
                if self.stream.is_some_and(|(known, _)| known != ssrc) {
                    (self.ahead, self.hurried) = (AHEAD_MIN, 0);
                }
                self.stream = Some((ssrc, timestamp.wrapping_sub(self.ahead)));
                (self.late, self.early) = (0, 0);
                self.ahead as usize
            }
        };
        self.noise = None;
        for (n, sample) in samples.enumerate().take(WINDOW - offset) {
            self.window[(self.first + offset + n) % WINDOW] = sample;
        }
    }

    /// Where in the window it goes; none when it is not of there.
    fn offset(&mut self, ahead: u32, len: usize) -> Option<usize> {
        let offset = usize::try_from(ahead).ok().filter(|offset| offset + len <= WINDOW)?;
        self.late = 0;
        // Nearer to its turn than 20 ms: those are needed.
        self.early = if offset < FRAME_SAMPLES { 0 } else { self.early + 1 };
        Some(offset)
    }

    fn is_merely_late(&mut self, ssrc: u32, timestamp: u32) -> bool {
        let Some((known, next)) = self.stream else { return false };
        // In the second half of the circle of timestamps it lies before what is heard next.
        let is_before = timestamp.wrapping_sub(next) >= 1 << 31;
        if known != ssrc || !is_before {
            return false;
        }
        self.late += 1;
        self.hurried += 1;
        self.early = 0;
        if self.hurried >= LATE_MAX && self.ahead < AHEAD_MAX {
            self.wait_longer();
        }
        self.late <= LATE_MAX
    }

    /// Nothing comes any more, because nobody speaks.
    pub fn quiet(&mut self, noise: Comfort) {
        self.noise = Some(noise);
    }

    /// 20 ms of nothing come before what is there.
    fn wait_longer(&mut self) {
        self.hurried = 0;
        self.ahead += FRAME_SAMPLES as u32;
        for _ in 0..FRAME_SAMPLES {
            self.first = (self.first + WINDOW - 1) % WINDOW;
            self.window[self.first] = 0;
        }
        if let Some((_, next)) = &mut self.stream {
            *next = next.wrapping_sub(FRAME_SAMPLES as u32);
        }
    }

    /// Takes 20 ms back that have not been needed for a while: they are left out.
    fn catch_up(&mut self) {
        if self.early < EARLY_MIN {
            return;
        }
        (self.early, self.hurried) = (0, 0);
        if self.ahead > AHEAD_MIN {
            self.ahead -= FRAME_SAMPLES as u32;
            self.step();
        }
    }

    /// The next 20 ms; silence or noise where nothing came.
    pub fn take(&mut self) -> Frame {
        self.catch_up();
        let mut frame = self.step();
        if let Some(noise) = self.noise.as_mut().filter(|_| frame.iter().all(|sample| *sample == 0)) {
            frame.fill_with(|| noise.sample());
        }
        frame
    }

    fn step(&mut self) -> Frame {
        let mut frame = [0; FRAME_SAMPLES];
        for sample in &mut frame {
            *sample = std::mem::take(&mut self.window[self.first]);
            self.first = (self.first + 1) % WINDOW;
        }
        if let Some((_, next)) = &mut self.stream {
            *next = next.wrapping_add(FRAME_SAMPLES as u32);
        }
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{goertzel, tone};
    use std::time::Duration;

    fn frame_of(sample: i16) -> Frame {
        [sample; FRAME_SAMPLES]
    }

    #[test]
    fn speakers_are_added_with_their_gains_and_clipped_at_full_scale() {
        let (a, b) = (frame_of(1000), frame_of(-300));
        assert_eq!(mix([(&a, GAIN_FULL), (&b, GAIN_FULL)]), frame_of(700));
        assert_eq!(mix([(&a, GAIN_FULL / 2), (&b, 0)]), frame_of(500));
        assert_eq!(mix([]), frame_of(0));
        let loud = frame_of(30_000);
        assert_eq!(mix([(&loud, GAIN_FULL), (&loud, u16::MAX)]), frame_of(i16::MAX));
        let low = frame_of(-30_000);
        assert_eq!(mix([(&low, GAIN_FULL), (&low, GAIN_FULL)]), frame_of(i16::MIN));
    }

    #[test]
    fn two_tones_are_both_there_in_the_mix() {
        let sounds = [700.0, 1900.0].map(|hz| tone::sine(hz, 8000, Duration::from_millis(200)));
        let mut heard = Vec::new();
        for n in 0..10 {
            let frames = sounds.each_ref().map(|s| s.frame(n).expect("200 ms"));
            heard.extend(mix(frames.iter().map(|f| (f, GAIN_FULL))));
        }
        for hz in [700.0, 1900.0] {
            assert!((goertzel::share(&heard, hz) - 0.5).abs() < 0.05, "{hz}");
        }
    }

    fn put(arriving: &mut Arriving, timestamp: u32, sample: i16) {
        arriving.put(7, timestamp, frame_of(sample).into_iter());
    }

    #[test]
    fn packets_are_heard_in_order_40_ms_after_the_first_one_came() {
        let mut arriving = Arriving::default();
        let start = u32::MAX - 200;
        for (n, sample) in [(0u32, 1), (2, 3), (1, 2)] {
            put(&mut arriving, start.wrapping_add(n * 160), sample);
        }
        let heard: Vec<i16> = (0..6).map(|_| arriving.take()[0]).collect();
        assert_eq!(heard, [0, 0, 1, 2, 3, 0]);
    }

    #[test]
    fn a_packet_that_comes_too_late_is_left_out() {
        let mut arriving = Arriving::default();
        put(&mut arriving, 0, 1);
        for _ in 0..3 {
            arriving.take();
        }
        put(&mut arriving, 0, 9);
        put(&mut arriving, 160, 2);
        assert_eq!([arriving.take()[0], arriving.take()[0]], [2, 0]);
    }

    #[test]
    fn a_network_that_delays_gets_more_time_and_loses_it_when_it_delays_no_more() {
        let mut arriving = Arriving::default();
        let mut heard = |range: std::ops::Range<u32>, delay: fn(u32) -> u32| {
            let mut count = 0;
            for n in range {
                // What was sent at `m` comes at `m + delay(m)`.
                for m in n.saturating_sub(5)..=n {
                    if m + delay(m) == n {
                        put(&mut arriving, m * 160, 5);
                    }
                }
                count += usize::from(arriving.take()[0] == 5);
            }
            (count, arriving.ahead)
        };
        // Bursts: packets wait for up to 80 ms.
        let bursts: fn(u32) -> u32 = |m| if m == 0 { 0 } else { 4 - m % 5 };
        heard(0..100, bursts);
        let (count, ahead) = heard(100..600, bursts);
        assert!(count >= 495 && ahead > AHEAD_MIN, "{count} of 500, {ahead} ahead");
        heard(600..2000, |_| 0);
        let (count, ahead) = heard(2000..2500, |_| 0);
        assert!(count >= 498 && ahead == AHEAD_MIN, "{count} of 500, {ahead} ahead");
    }

    #[test]
    fn comfort_noise_is_heard_until_somebody_speaks_again() {
        let mut arriving = Arriving::default();
        put(&mut arriving, 0, 5);
        arriving.quiet(Comfort::told(&[30]));
        let frames: Vec<Frame> = (0..6).map(|_| arriving.take()).collect();
        assert_eq!(frames[2], frame_of(5), "what was said is heard to its end");
        assert!(frames[3..].iter().all(|frame| frame.iter().any(|sample| sample.unsigned_abs() > 100)));
        put(&mut arriving, 960, 7);
        for _ in 0..2 {
            arriving.take();
        }
        assert_eq!(arriving.noise, None);
    }

    #[test]
    fn a_stream_whose_clock_is_slow_or_jumps_is_heard_again_soon() {
        let mut arriving = Arriving::default();
        let mut heard = 0;
        // It sends 19 packets where 20 should be.
        for n in 0..400u32 {
            if n % 20 != 19 {
                put(&mut arriving, (n - n / 20) * 160, 5);
            }
            heard += usize::from(arriving.take()[0] == 5);
        }
        assert!(heard >= 300, "{heard} of 380");
        for n in 0..20 {
            put(&mut arriving, 1_000_000 + n * 160, 6);
            arriving.take();
        }
        assert_eq!(arriving.take()[0], 6, "another place in the stream");
        arriving.put(8, 3, frame_of(4).into_iter());
        assert_eq!([arriving.take()[0], arriving.take()[0], arriving.take()[0]][2], 4, "another stream");
    }
}
