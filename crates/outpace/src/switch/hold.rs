//! One side of a call holds the other: that one hears music until it is taken back.

use std::sync::Arc;

use media::LegMedia;

use super::{Owner, Switch};

impl Switch {
    /// `media`: what the side of this leg wants from now on.
    pub(super) fn held_or_resumed(&mut self, owner: Owner, media: &LegMedia) {
        let Some((_, other, _)) = self.other_side(owner) else { return };
        // The customer's network may have music of its own.
        let has_own = matches!(owner, Owner::Customer(_)) && media.receive;
        let wants_music = !media.send && !has_own;
        let sound = self.loops.get(&other);
        let has_music = sound.is_some_and(|sound| Arc::ptr_eq(sound, &self.sounds.hold));
        match (wants_music, has_music) {
            // Not in place of a ring-back.
            (true, false) if sound.is_none() => self.play_on(other, self.sounds.hold.clone()),
            (false, true) => self.stop_playing(other),
            _ => {}
        }
    }
}
