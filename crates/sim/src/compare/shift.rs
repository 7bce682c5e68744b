//! One campaign for one shift: agents, customers and a pacer, nothing else. Times are microseconds since the shift began.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use fastrand::Rng;

use super::pacers::{Pacer, View};
use super::weather::{Fate, Setting};

pub type Micros = u64;

pub const SECOND: Micros = 1_000_000;
/// Seconds that a call rings at least before it may be given up.
pub const RING_MIN: f64 = 15.0;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Tick,
    Answer(u32),
    Fail(u32),
    TrunkFails(u32),
    GiveUp(u32),
    TalkEnds(u32),
    WrapUpEnds(u32),
    Presence(u32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seat {
    Idle,
    Talking,
    WrapUp,
    Away,
}

struct Agent {
    seat: Seat,
    since: Micros,
    /// Length of the wrap-up after the present talk.
    wrap_up: Micros,
    /// Leaves when the present work is over.
    is_leaving: bool,
}

/// What a shift came to.
#[derive(Clone, Copy, Default, Debug)]
pub struct Outcome {
    /// Talk and wrap-up by time signed in, first half hour not counted.
    pub utilisation: f64,
    /// Abandoned by answered, first half hour not counted.
    pub abandoned: f64,
    /// Of the rolling hours with at least 100 answered calls that lie in the counted time.
    pub worst_hour: f64,
    /// The whole shift, its first half hour too, passed the cap.
    pub is_over_cap: bool,
    /// Idle agent seconds per connected call.
    pub idle_per_call: f64,
    pub dialed: u64,
    /// In the whole shift.
    pub connected: u64,
}

pub struct Shift<'a> {
    setting: &'a Setting,
    calls_rng: Rng,
    agents_rng: Rng,
    now: Micros,
    queue: BinaryHeap<Reverse<(Micros, u64, Event)>>,
    next: u64,
    agents: Vec<Agent>,
    /// When each call was placed.
    placed: Vec<Micros>,
    in_flight: u32,
    ringing: BTreeSet<u32>,
    waiting: VecDeque<u32>,
    talking: Vec<Micros>,
    wrapping_up: Vec<Micros>,
    books: Books,
}

#[derive(Default)]
struct Books {
    /// When each person's answer was served or lost, and whether it was lost.
    answers: Vec<(Micros, bool)>,
    busy: f64,
    signed_in: f64,
    counted_at: Micros,
    connected: u64,
}

const COUNTED_FROM: Micros = 1800 * SECOND;
const TICK: Micros = SECOND / 2;

impl<'a> Shift<'a> {
    pub fn new(setting: &'a Setting, seed: u64) -> Shift<'a> {
        let mut rng = Rng::with_seed(seed);
        let mut shift = Shift {
            calls_rng: Rng::with_seed(rng.u64(..)),
            agents_rng: Rng::with_seed(rng.u64(..)),
            setting,
            now: 0,
            queue: BinaryHeap::new(),
            next: 0,
            agents: Vec::new(),
            placed: Vec::new(),
            in_flight: 0,
            ringing: BTreeSet::new(),
            waiting: VecDeque::new(),
            talking: Vec::new(),
            wrapping_up: Vec::new(),
            books: Books::default(),
        };
        let agent = |_| Agent { seat: Seat::Idle, since: 0, wrap_up: 0, is_leaving: false };
        shift.agents = (0..setting.agents).map(agent).collect();
        for (n, (at, _)) in (0..).zip(&setting.presence) {
            shift.after((at * 1e6) as Micros, Event::Presence(n));
        }
        shift
    }

    fn after(&mut self, delay: Micros, event: Event) {
        self.next += 1;
        self.queue.push(Reverse((self.now + delay, self.next, event)));
    }

    pub fn run(mut self, pacer: &mut dyn Pacer) -> Outcome {
        let end = (self.setting.hours * 3600.0 * 1e6) as Micros;
        self.after(0, Event::Tick);
        if pacer.foresees() {
            (0..self.agents.len()).for_each(|_| self.place_foreseen(0, pacer));
        }
        while let Some(Reverse((at, _, event))) = self.queue.pop() {
            if at >= end {
                break;
            }
            self.now = at;
            self.happen(event, pacer);
            if event == Event::Tick {
                self.after(TICK, Event::Tick);
            }
            let view = self.view(event == Event::Tick);
            let too_late = pacer.too_late(&view);
            self.give_up(&too_late, pacer);
            let view = self.view(event == Event::Tick);
            let wanted = pacer.wanted(&view);
            let room = self.setting.calls_max.saturating_sub(self.in_flight);
            for _ in 0..wanted.min(room) {
                self.place(pacer);
            }
        }
        self.now = end;
        self.count_time();
        self.outcome()
    }

    fn view(&mut self, is_tick: bool) -> View<'_> {
        self.talking.clear();
        self.wrapping_up.clear();
        let mut idle = 0;
        for agent in &self.agents {
            match agent.seat {
                Seat::Idle => idle += 1,
                Seat::Talking if !agent.is_leaving => self.talking.push(agent.since),
                Seat::WrapUp if !agent.is_leaving => self.wrapping_up.push(agent.since),
                _ => {}
            }
        }
        View {
            now: self.now,
            is_tick,
            idle,
            waiting: u32::try_from(self.waiting.len()).unwrap_or(u32::MAX),
            in_flight: self.in_flight,
            talking: &self.talking,
            wrapping_up: &self.wrapping_up,
        }
    }

    fn happen(&mut self, event: Event, pacer: &mut dyn Pacer) {
        match event {
            Event::Tick => self.count_time(),
            // It was given up before.
            Event::Answer(call) | Event::Fail(call) | Event::TrunkFails(call)
                if !self.ringing.remove(&call) => {}
            Event::Answer(call) => {
                self.in_flight -= 1;
                pacer.answered(self.now, self.placed[call as usize]);
                self.waiting.push_back(call);
                self.after((self.setting.patience * 1e6) as Micros, Event::GiveUp(call));
                self.join(pacer);
            }
            Event::Fail(call) => {
                self.in_flight -= 1;
                pacer.failed(self.now, self.placed[call as usize]);
            }
            Event::TrunkFails(call) => {
                self.in_flight -= 1;
                pacer.not_made(self.now, self.placed[call as usize]);
            }
            Event::GiveUp(call) => {
                if let Some(at) = self.waiting.iter().position(|c| *c == call) {
                    self.waiting.remove(at);
                    self.books.answers.push((self.now, true));
                    pacer.served(self.now, true);
                }
            }
            Event::TalkEnds(agent) => {
                self.count_time();
                let seat = &mut self.agents[agent as usize];
                pacer.talk_ended(self.now, self.now - seat.since);
                (seat.seat, seat.since) = (Seat::WrapUp, self.now);
                let length = seat.wrap_up;
                self.after(length, Event::WrapUpEnds(agent));
            }
            Event::WrapUpEnds(agent) => {
                self.count_time();
                let seat = &mut self.agents[agent as usize];
                pacer.wrap_up_ended(self.now, self.now - seat.since);
                let next = if std::mem::take(&mut seat.is_leaving) { Seat::Away } else { Seat::Idle };
                (seat.seat, seat.since) = (next, self.now);
                self.join(pacer);
            }
            Event::Presence(n) => self.set_presence(self.setting.presence[n as usize].1, pacer),
        }
    }

    /// One call of each of these quarter seconds.
    fn give_up(&mut self, slots: &[u64], pacer: &mut dyn Pacer) {
        for slot in slots {
            let mut ringing = self.ringing.iter().copied();
            let Some(call) = ringing.find(|c| self.placed[*c as usize] / (SECOND / 4) == *slot) else {
                continue;
            };
            let placed = self.placed[call as usize];
            assert!((self.now - placed) as f64 >= RING_MIN * 1e6, "no call is given up before its time");
            self.ringing.remove(&call);
            self.in_flight -= 1;
            pacer.given_up(self.now, placed);
        }
    }

    /// This share of the agents is at work from now on; busy ones leave after their work.
    fn set_presence(&mut self, share: f64, pacer: &mut dyn Pacer) {
        self.count_time();
        let present = (share * self.agents.len() as f64).round() as usize;
        for (n, agent) in self.agents.iter_mut().enumerate() {
            match agent.seat {
                Seat::Away if n < present => (agent.seat, agent.since) = (Seat::Idle, self.now),
                Seat::Idle if n >= present => agent.seat = Seat::Away,
                Seat::Talking | Seat::WrapUp => agent.is_leaving = n >= present,
                _ => {}
            }
        }
        self.join(pacer);
    }

    /// Waiting customers meet idle agents, the longest idle first.
    fn join(&mut self, pacer: &mut dyn Pacer) {
        while !self.waiting.is_empty() {
            let idle = self.agents.iter().enumerate().filter(|(_, a)| a.seat == Seat::Idle);
            let Some((n, _)) = idle.min_by_key(|(_, a)| a.since) else { return };
            self.count_time();
            self.waiting.pop_front();
            self.books.answers.push((self.now, false));
            self.books.connected += u64::from(self.now >= COUNTED_FROM);
            pacer.served(self.now, false);
            let talk = self.setting.talk(&mut self.agents_rng);
            let wrap_up = self.setting.wrap_up(&mut self.agents_rng);
            let agent = &mut self.agents[n];
            (agent.seat, agent.since, agent.wrap_up) = (Seat::Talking, self.now, wrap_up);
            let ends = Event::TalkEnds(u32::try_from(n).unwrap_or(0));
            self.after(talk, ends);
            if pacer.foresees() {
                self.place_foreseen(self.now + talk + wrap_up, pacer);
            }
        }
    }

    fn place(&mut self, pacer: &mut dyn Pacer) {
        let call = u32::try_from(self.placed.len()).unwrap_or(u32::MAX);
        self.placed.push(self.now);
        self.in_flight += 1;
        self.ringing.insert(call);
        pacer.placed(self.now);
        let (fate, delay) = self.setting.fate(&mut self.calls_rng, self.now);
        let event = match fate {
            Fate::Answer => Event::Answer(call),
            Fate::Fail => Event::Fail(call),
            Fate::TrunkFails => Event::TrunkFails(call),
        };
        self.after(delay, event);
    }

    /// A pacer that knows everything places a call that is answered at the right moment.
    fn place_foreseen(&mut self, answer_at: Micros, pacer: &mut dyn Pacer) {
        let ring = self.setting.answer_time(&mut self.calls_rng);
        let call = u32::try_from(self.placed.len()).unwrap_or(u32::MAX);
        self.placed.push(self.now);
        self.in_flight += 1;
        self.ringing.insert(call);
        pacer.placed(self.now);
        let delay = answer_at.max(self.now + ring) - self.now;
        self.after(delay, Event::Answer(call));
    }

    fn count_time(&mut self) {
        let from = self.books.counted_at.max(COUNTED_FROM);
        if self.now > from {
            let seconds = (self.now - from) as f64 / 1e6;
            let busy = self.agents.iter().filter(|a| matches!(a.seat, Seat::Talking | Seat::WrapUp)).count();
            let present = self.agents.iter().filter(|a| a.seat != Seat::Away).count();
            self.books.busy += busy as f64 * seconds;
            self.books.signed_in += present as f64 * seconds;
        }
        self.books.counted_at = self.now;
    }

    fn outcome(&self) -> Outcome {
        let books = &self.books;
        let all = books.answers.len();
        let lost = books.answers.iter().filter(|a| a.1).count();
        let counted = books.answers.partition_point(|a| a.0 < COUNTED_FROM);
        let counted_lost = books.answers[counted..].iter().filter(|a| a.1).count();
        Outcome {
            utilisation: books.busy / books.signed_in,
            abandoned: counted_lost as f64 / (all - counted).max(1) as f64,
            worst_hour: worst_hour(&books.answers[counted..]),
            is_over_cap: lost as f64 > self.setting.cap * all as f64,
            idle_per_call: (books.signed_in - books.busy) / books.connected.max(1) as f64,
            dialed: self.placed.len() as u64,
            connected: (all - lost) as u64,
        }
    }
}

fn worst_hour(answers: &[(Micros, bool)]) -> f64 {
    let (mut first, mut lost, mut worst) = (0, 0_u32, 0.0);
    for (n, (at, is_lost)) in answers.iter().enumerate() {
        lost += u32::from(*is_lost);
        while answers[first].0 + 3600 * SECOND <= *at {
            lost -= u32::from(answers[first].1);
            first += 1;
        }
        let count = n + 1 - first;
        if count >= 100 && *at >= COUNTED_FROM + 3600 * SECOND {
            worst = f64::max(worst, f64::from(lost) / count as f64);
        }
    }
    worst
}
