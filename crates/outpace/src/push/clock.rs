//! Time as pushes know it. In tests hours of it pass in seconds.

use std::time::{Duration, Instant};

use engine::Timestamp;

use crate::handle::wall_clock;

#[derive(Clone, Copy)]
pub struct Clock {
    begun: Instant,
    begun_at: Timestamp,
    /// Seconds of it in a real one.
    speed: u32,
}

impl Clock {
    pub fn real() -> Clock {
        Clock::with_speed(1)
    }

    pub fn with_speed(speed: u32) -> Clock {
        Clock { begun: Instant::now(), begun_at: wall_clock(), speed }
    }

    /// Since it was made.
    pub fn mono(self) -> Duration {
        self.begun.elapsed().saturating_mul(self.speed)
    }

    pub fn wall(self) -> Timestamp {
        // The system's clock may be set; one that is faster goes by itself.
        if self.speed == 1 { wall_clock() } else { self.begun_at.plus(self.mono()) }
    }

    pub async fn sleep(self, time: Duration) {
        tokio::time::sleep(time / self.speed).await;
    }
}
