//! Conversations of more than two over real sockets: who hears whom is checked by each party's own tone.

mod party;

use media::mix::{GAIN_FULL, Gain};
use media::{Codec, LegId, RelayEvent, goertzel};
use party::{Desk, Party};

const TONES: [f64; 3] = [1000.0, 1700.0, 2300.0];
/// Of 20 ms: what was on its way before a change, then what is looked at.
const SETTLED: usize = 15;
const LISTENED: usize = 40;

const ON: Gain = GAIN_FULL;

struct Room {
    desk: Desk,
    parties: [Party; 3],
}

impl Room {
    /// One of them with another codec.
    fn open() -> Room {
        let desk = Desk::new();
        let codecs = [Codec::Pcma, Codec::Pcma, Codec::Pcmu];
        let parties = [0, 1, 2].map(|n| desk.party(codecs[n], TONES[n]));
        Room { desk, parties }
    }

    fn legs(&self) -> [LegId; 3] {
        self.parties.each_ref().map(|p| p.leg)
    }

    fn mix(&self, gains: [[Gain; 3]; 3]) {
        self.desk.relay.mix(self.legs().to_vec(), gains.map(|row| row.to_vec()).to_vec());
    }

    /// All of them speak for a while. Which tones each hears.
    fn heard(&mut self) -> [[bool; 3]; 3] {
        let mut sounds: [Vec<i16>; 3] = Default::default();
        for n in 0..SETTLED + LISTENED {
            for party in &mut self.parties {
                party.say();
            }
            for (party, sound) in self.parties.iter_mut().zip(&mut sounds) {
                // The mixer's clock sets the pace.
                let samples = party.hear().samples();
                if n >= SETTLED {
                    sound.extend(samples);
                }
            }
        }
        sounds.map(|sound| TONES.map(|hz| goertzel::share(&sound, hz) > 0.01))
    }
}

#[test]
fn each_hears_whom_the_gains_say_and_never_himself() {
    let mut room = Room::open();
    let [listen, whisper, all] = [
        [[0, ON, 0], [ON, 0, 0], [ON, ON, 0]],
        [[0, ON, 0], [ON, 0, ON], [ON, ON, 0]],
        [[0, ON, ON], [ON, 0, ON], [ON, ON, 0]],
    ];
    for gains in [listen, whisper, all, listen] {
        room.mix(gains);
        assert_eq!(room.heard(), gains.map(|row| row.map(|gain| gain > 0)));
    }
}

#[test]
fn a_bridge_leads_back_from_a_mix() {
    let mut room = Room::open();
    room.mix([[0, ON, ON], [ON, 0, ON], [ON, ON, 0]]);
    room.heard();
    let [anna, bert, carl] = room.legs();
    room.desk.relay.bridge(anna, bert);
    assert!(matches!(room.desk.event(), RelayEvent::Bridged { .. }));
    room.desk.relay.close(carl);
    assert!(matches!(room.desk.event(), RelayEvent::Closed { leg, .. } if leg == carl));
    let Room { desk, parties: [mut anna, mut bert, _] } = room;
    anna.forget();
    bert.forget();
    for _ in 0..3 {
        assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0));
        assert_eq!(desk.heard(&mut bert, &mut anna), Some(1700.0));
    }
}

#[test]
fn who_closes_leaves_and_the_others_go_on() {
    let mut room = Room::open();
    room.mix([[0, ON, ON], [ON, 0, ON], [ON, ON, 0]]);
    room.heard();
    let [_, _, carl] = room.legs();
    room.desk.relay.close(carl);
    assert!(matches!(room.desk.event(), RelayEvent::Closed { .. }));
    let Room { desk: _desk, parties: [mut anna, mut bert, _] } = room;
    let mut sound = Vec::new();
    for n in 0..SETTLED + LISTENED {
        anna.say();
        bert.say();
        let samples = anna.hear().samples();
        if n >= SETTLED {
            sound.extend(samples);
        }
    }
    assert_eq!(TONES.map(|hz| goertzel::share(&sound, hz) > 0.01), [false, true, false]);
}

#[test]
fn a_mix_that_makes_no_sense_is_none() {
    let desk = Desk::new();
    let (mut anna, mut bert) = (desk.party(Codec::Pcma, 1000.0), desk.party(Codec::Pcma, 1700.0));
    desk.bridge(&anna, &bert);
    let legs = vec![anna.leg, bert.leg];
    desk.relay.mix(vec![anna.leg, LegId(99)], vec![vec![ON; 2]; 2]);
    desk.relay.mix(vec![anna.leg], vec![vec![ON]]);
    desk.relay.mix(legs.clone(), vec![vec![ON; 3]; 2]);
    desk.relay.mix(legs, vec![vec![ON; 2]]);
    assert_eq!(desk.heard(&mut anna, &mut bert), Some(1000.0), "the bridge goes on");
}
