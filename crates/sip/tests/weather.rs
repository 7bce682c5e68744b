//! Calls over a network that loses, doubles, delays and reorders: whatever happens, both sides hear of exactly one end,
//! and nothing is left behind. A seed makes the network and what the two sides do.

mod link;

use link::{Link, Weather, call_to, flow_to};
use sip::{Credentials, DialogId, EndedBy, Event, IncomingCall, Invite, Register};
use std::time::Duration;

/// How one side's call went so far.
#[derive(Default, Debug)]
struct Leg {
    dialog: Option<DialogId>,
    /// `answer` was called, or Answered came.
    answered: bool,
    heard_answer: bool,
    end: Option<Event>,
    hung_up: bool,
    offers_open: u32,
}

/// Something that one side does at some time.
#[derive(Clone, Copy, Debug)]
enum Act {
    HangUp,
    Ring,
    Answer,
    Reject,
    Reoffer,
}

struct Run {
    link: Link,
    legs: [Leg; 2],
    plan: Vec<(Duration, usize, Act)>,
    seed: u64,
}

impl Run {
    fn new(seed: u64, weather: Weather) -> Run {
        Run::with(seed, weather, call_to(1))
    }

    fn with(seed: u64, weather: Weather, call: Invite) -> Run {
        let mut run =
            Run { link: Link::new(seed, weather), legs: Default::default(), plan: Vec::new(), seed };
        let now = run.link.now;
        run.link.ends[1].put_account("1001", "secret");
        run.legs[0].dialog = Some(run.link.ends[0].invite(now, call));
        run
    }

    /// Adds to the plan; `after` in milliseconds from now.
    fn plan(&mut self, after: u64, side: usize, act: Act) {
        let at = self.link.now + Duration::from_millis(after);
        let place = self.plan.partition_point(|(other, _, _)| *other <= at);
        self.plan.insert(place, (at, side, act));
    }

    fn story(&self) -> String {
        format!("seed {}\n{:?}\n{}", self.seed, self.legs, self.link.story())
    }

    /// Runs until nothing is left to do, `on_incoming` planning for the called side.
    fn run(&mut self, mut on_incoming: impl FnMut(&mut Run)) {
        let limit = self.link.now + Duration::from_secs(2000);
        loop {
            let next = self.plan.first().map_or(limit, |(at, _, _)| *at);
            let moved = self.link.step(next);
            while let Some((side, event)) = self.link.events.pop_front() {
                let incoming = matches!(event, Event::Incoming(_));
                self.hear(side, event);
                if incoming {
                    on_incoming(self);
                }
            }
            if moved {
                continue;
            }
            if self.plan.is_empty() {
                break;
            }
            let (at, side, act) = self.plan.remove(0);
            self.link.now = at;
            self.act(side, act);
        }
    }

    fn act(&mut self, side: usize, act: Act) {
        let leg = &mut self.legs[side];
        let Some(dialog) = leg.dialog else { return };
        let (now, end) = (self.link.now, &mut self.link.ends[side]);
        match act {
            Act::HangUp => {
                leg.hung_up = true;
                end.hang_up(now, dialog);
            }
            Act::Ring => end.ring(now, dialog, 180, None),
            Act::Answer if leg.end.is_none() => {
                leg.answered = true;
                end.answer(now, dialog, b"v=0 answer".to_vec());
            }
            Act::Answer => {}
            Act::Reject => end.reject(now, dialog, 486),
            Act::Reoffer if leg.end.is_none() && leg.heard_answer => {
                leg.offers_open += 1;
                end.reoffer(now, dialog, b"v=0 again".to_vec());
            }
            Act::Reoffer => {}
        }
        self.link.pump();
    }

    fn hear(&mut self, side: usize, event: Event) {
        let story = self.story();
        let leg = &mut self.legs[side];
        let (now, end) = (self.link.now, &mut self.link.ends[side]);
        assert!(leg.end.is_none(), "{event:?} after the end\n{story}");
        match event {
            Event::Incoming(IncomingCall { dialog, .. }) => {
                assert!(leg.dialog.is_none(), "a second incoming call\n{story}");
                leg.dialog = Some(dialog);
            }
            Event::Progress { .. } => assert!(!leg.answered, "{story}"),
            Event::Answered { .. } => {
                assert!(!leg.heard_answer, "{story}");
                leg.heard_answer = true;
                leg.answered = true;
            }
            Event::Failed { .. } => {
                assert!(!leg.answered, "{event:?}\n{story}");
                leg.end = Some(event);
            }
            Event::Ended { by, .. } => {
                assert!(leg.answered, "{event:?}\n{story}");
                assert!(by != EndedBy::Local || leg.hung_up, "{story}");
                leg.end = Some(event);
            }
            Event::Offer { dialog, ref sdp } => {
                assert_eq!(sdp, b"v=0 again", "{story}");
                end.answer_offer(now, dialog, b"v=0 fine".to_vec());
            }
            Event::OfferAnswered { ref sdp, .. } => {
                assert!(leg.offers_open > 0, "{story}");
                leg.offers_open -= 1;
                assert!(sdp.is_none() || sdp.as_deref() == Some(&b"v=0 fine"[..]), "{story}");
            }
            other => panic!("{other:?}\n{story}"),
        }
        self.link.pump();
    }

    /// Both sides heard of the end, and agree on whether there was an answer.
    fn check(&self) {
        let story = self.story();
        for leg in self.legs.iter().filter(|leg| leg.dialog.is_some()) {
            assert!(leg.end.is_some(), "a call without an end\n{story}");
        }
        assert!(!self.legs[0].answered || self.legs[1].answered, "only the caller is up\n{story}");
        self.link.assert_empty();
    }
}

fn with_login() -> Invite {
    let credentials = Some(Credentials { username: "1001".into(), password: "secret".into() });
    Invite { credentials, ..call_to(1) }
}

fn random_weather(rng: &mut fastrand::Rng) -> Weather {
    let slow = rng.u64(1..800);
    Weather { loss: rng.u32(0..30), doubled: rng.u32(0..20), garbled: 0, delay: (0, slow) }
}

#[test]
fn every_call_ends_once_on_both_sides() {
    for seed in 0..1500 {
        let mut rng = fastrand::Rng::with_seed(seed);
        // Every second call is challenged.
        let call = if rng.bool() { call_to(1) } else { Invite { from_user: "1001".into(), ..with_login() } };
        let mut run = Run::with(seed, random_weather(&mut rng), call);
        run.plan(rng.u64(0..40_000), 0, Act::HangUp);
        for _ in 0..rng.u32(0..4) {
            run.plan(rng.u64(0..30_000), rng.usize(0..2), Act::Reoffer);
        }
        run.run(|run| {
            if rng.bool() {
                run.plan(rng.u64(0..500), 1, Act::Ring);
            }
            match rng.u32(0..10) {
                0 => run.plan(rng.u64(0..5000), 1, Act::Reject),
                1 => {}
                2 => run.plan(rng.u64(0..5000), 1, Act::HangUp),
                _ => run.plan(rng.u64(0..10_000), 1, Act::Answer),
            }
            if rng.bool() {
                run.plan(rng.u64(0..40_000), 1, Act::HangUp);
            }
        });
        run.check();
    }
}

#[test]
fn calls_over_a_poor_but_usable_network_come_through() {
    // A tenth is lost: retransmission must bring every call up and down without a time-out.
    for seed in 0..500 {
        let mut run = Run::new(seed, Weather { loss: 10, doubled: 5, garbled: 0, delay: (1, 300) });
        let mut rng = fastrand::Rng::with_seed(seed);
        run.run(|run| {
            run.plan(rng.u64(0..3000), 1, Act::Answer);
            run.plan(rng.u64(40_000..60_000), rng.usize(0..2), Act::HangUp);
        });
        run.check();
        for leg in &run.legs {
            let ended = matches!(leg.end, Some(Event::Ended { by: EndedBy::Local | EndedBy::Remote, .. }));
            assert!(ended, "{}", run.story());
        }
    }
}

#[test]
fn a_cancel_and_an_answer_may_meet() {
    let mut outcomes = [0u32; 2];
    for seed in 0..500 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut run = Run::new(seed, Weather { loss: 5, doubled: 5, garbled: 0, delay: (10, 60) });
        let at = rng.u64(80..200);
        run.plan(at, 0, Act::HangUp);
        run.run(|run| run.plan((at + rng.u64(0..60)).saturating_sub(60), 1, Act::Answer));
        run.check();
        match &run.legs[0].end {
            Some(Event::Failed { status: 487, local: true, .. }) => outcomes[0] += 1,
            Some(Event::Ended { by: EndedBy::Local, .. }) => outcomes[1] += 1,
            other => panic!("{other:?}\n{}", run.story()),
        }
    }
    assert!(outcomes.iter().all(|&count| count > 20), "{outcomes:?}");
}

#[test]
fn two_byes_may_meet() {
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut run = Run::new(seed, Weather { loss: 5, doubled: 10, garbled: 0, delay: (10, 60) });
        let at = 30_000 + rng.u64(0..100);
        run.plan(30_050, 0, Act::HangUp);
        run.plan(at, 1, Act::HangUp);
        run.run(|run| run.plan(50, 1, Act::Answer));
        run.check();
    }
}

#[test]
fn offers_that_meet_are_both_answered_in_the_end() {
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut run = Run::new(seed, Weather { loss: 2, doubled: 5, garbled: 0, delay: (10, 60) });
        run.plan(20_000, 0, Act::Reoffer);
        run.plan(20_000 + rng.u64(0..100), 1, Act::Reoffer);
        run.plan(90_000, 0, Act::HangUp);
        run.run(|run| run.plan(50, 1, Act::Answer));
        run.check();
        assert_eq!((run.legs[0].offers_open, run.legs[1].offers_open), (0, 0), "{}", run.story());
    }
}

#[test]
fn the_same_seed_gives_the_same_messages() {
    let run = |seed| {
        let mut run = Run::new(seed, random_weather(&mut fastrand::Rng::with_seed(seed)));
        run.plan(20_000, 0, Act::Reoffer);
        run.plan(30_000, 0, Act::HangUp);
        run.run(|run| run.plan(500, 1, Act::Answer));
        run.link.trace
    };
    for seed in 0..50 {
        assert_eq!(run(seed), run(seed));
    }
}

#[test]
fn a_network_that_garbles_does_no_lasting_harm() {
    // What the two sides hear may be anything; but nothing panics, and all of it is over some time.
    for seed in 0..1000 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let weather = Weather { garbled: 30, ..random_weather(&mut rng) };
        let mut link = Link::new(seed, weather);
        let now = link.now;
        let ours = link.ends[0].invite(now, call_to(1));
        let mut calls = vec![(0, ours)];
        for _ in 0..40 {
            link.run_for(Duration::from_millis(rng.u64(1..3000)));
            while let Some((side, event)) = link.events.pop_front() {
                match event {
                    Event::Incoming(IncomingCall { dialog, .. }) => calls.push((side, dialog)),
                    Event::Offer { dialog, .. } => {
                        let now = link.now;
                        link.ends[side].answer_offer(now, dialog, b"v=0 fine".to_vec());
                    }
                    _ => {}
                }
            }
            let (side, dialog) = calls[rng.usize(0..calls.len())];
            let (now, end) = (link.now, &mut link.ends[side]);
            match rng.u32(0..6) {
                0 => end.ring(now, dialog, 183, Some(b"v=0 early".to_vec())),
                1 | 2 => end.answer(now, dialog, b"v=0 answer".to_vec()),
                3 | 4 => end.reoffer(now, dialog, b"v=0 again".to_vec()),
                _ => {}
            }
        }
        for (side, dialog) in calls {
            let now = link.now;
            link.ends[side].hang_up(now, dialog);
        }
        link.run_for(Duration::from_secs(2000));
        link.assert_empty();
    }
}

#[test]
fn a_registration_lives_on_over_a_bad_network() {
    for seed in 0..200 {
        let mut link = Link::new(seed, Weather { loss: 20, doubled: 10, garbled: 0, delay: (0, 700) });
        link.ends[1].put_account("1001", "secret");
        let register = Register {
            registrar: "sip:10.0.0.2".into(),
            flow: flow_to(1),
            user: "1001".into(),
            credentials: Credentials { username: "1001".into(), password: "secret".into() },
            expires: Duration::from_secs(120),
        };
        let now = link.now;
        let registration = link.ends[0].register(now, register);
        link.run_for(Duration::from_secs(60));
        for _ in 0..50 {
            link.run_for(Duration::from_secs(20));
            assert_eq!(link.ends[1].counts().bindings, 1, "seed {seed}\n{}", link.story());
        }
        let lost = link.events.iter().any(|(_, event)| matches!(event, Event::RegisterFailed { .. }));
        assert!(!lost, "seed {seed}: {:?}", link.events);
        let now = link.now;
        link.ends[0].unregister(now, registration);
        link.run_for(Duration::from_secs(130));
        assert_eq!(link.ends[1].counts().bindings, 0, "seed {seed}");
    }
}
