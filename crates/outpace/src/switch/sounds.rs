//! What the server itself lets be heard.

use std::sync::Arc;

use media::Sound;
use media::tone::{RINGBACK_CN, ringback};

/// Level of our own ring-back tone, in samples' units.
const RINGBACK_LEVEL: i16 = 3000;

#[derive(Clone)]
pub struct Sounds {
    /// For customers of whom no agent took the call.
    pub abandon: Arc<Sound>,
    /// For customers who called, and whom no agent could take.
    pub busy: Arc<Sound>,
    /// For who waits; played again and again.
    pub hold: Arc<Sound>,
    /// One ring and its pause; played again and again.
    pub ringback: Arc<Sound>,
}

impl Sounds {
    pub fn new(abandon: Sound, busy: Option<Sound>, hold: Sound) -> Sounds {
        let abandon = Arc::new(abandon);
        let ringback = ringback(RINGBACK_CN, RINGBACK_LEVEL, RINGBACK_CN.on + RINGBACK_CN.off);
        Sounds {
            busy: busy.map_or_else(|| abandon.clone(), Arc::new),
            abandon,
            hold: Arc::new(hold),
            ringback: Arc::new(ringback),
        }
    }
}
