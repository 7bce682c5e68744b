//! One campaign for one shift: agents, customers and a pacer, nothing else. Times are microseconds since the shift began.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use fastrand::Rng;

use super::list::List;
use super::pacers::{Pacer, View};
use super::weather::{Fate, Setting, happens, micros};

pub type Micros = u64;

pub const SECOND: Micros = 1_000_000;
/// Seconds that a call rings at least before it may be given up.
pub const RING_MIN: f64 = 15.0;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Tick,
    Place(u32),
    Rings(u32),
    Answer(u32),
    Fail(u32),
    TrunkFails(u32),
    GiveUp(u32),
    OfferEnds(u32),
    ComesBack(u32),
    TalkEnds(u32),
    WrapUpEnds(u32),
    Presence(u32),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seat {
    Idle,
    /// Is offered a call, and will not take it.
    Offered,
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
    /// Back at work only after a missed offer's time away.
    is_away: bool,
}

struct Call {
    placed: Micros,
    rings_at: Micros,
    campaign: usize,
    /// How often the number was called.
    attempts: u32,
    fate: Fate,
}

struct Campaign {
    in_flight: u32,
    /// Calls that are wished for, but not placed.
    reserved: u32,
    waiting: u32,
    list: List,
    /// When each who answered was served or lost, and which.
    answers: Vec<(Micros, Fare)>,
}

/// What became of somebody who answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fare {
    Served,
    Lost,
    /// Taken for a machine: lost, and nobody knows.
    HungUpOn,
}

/// What a shift came to.
#[derive(Clone, Copy, Default, Debug)]
pub struct Outcome {
    /// Talk and wrap-up by time signed in, first half hour not counted.
    pub utilisation: f64,
    /// Abandoned by answered, first half hour not counted.
    pub abandoned: f64,
    /// Of the rolling hours with at least 100 answered calls that lie in the counted time. Persons who are taken for machines
    /// count by their share: the estimate by which the law counts them.
    pub worst_hour: f64,
    /// The same with each of those persons where it happened: a pacer cannot know.
    pub worst_true_hour: f64,
    /// The whole shift, its first half hour too, passed the cap.
    pub is_over_cap: bool,
    /// Idle agent seconds per connected call.
    pub idle_per_call: f64,
    pub dialed: u64,
    /// In the whole shift.
    pub connected: u64,
    /// Answers of the campaign that had the fewest, by those that each had on the average.
    pub least_served: f64,
    /// Persons taken for machines, by all persons who answered.
    pub hung_up_on: f64,
}

pub struct Shift<'a> {
    setting: &'a Setting,
    calls_rng: Rng,
    agents_rng: Rng,
    now: Micros,
    queue: BinaryHeap<Reverse<(Micros, u64, Event)>>,
    next: u64,
    agents: Vec<Agent>,
    calls: Vec<Call>,
    campaigns: Vec<Campaign>,
    ringing: BTreeSet<u32>,
    waiting: VecDeque<u32>,
    talking: Vec<Micros>,
    wrapping_up: Vec<Micros>,
    books: Books,
}

#[derive(Default)]
struct Books {
    busy: f64,
    signed_in: f64,
    counted_at: Micros,
    connected: u64,
}

const COUNTED_FROM: Micros = 1800 * SECOND;
const TICK: Micros = SECOND / 2;
/// An agent hears that it is a machine after so long.
const MACHINE_TALK: Micros = 8 * SECOND;

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
            calls: Vec::new(),
            campaigns: Vec::new(),
            ringing: BTreeSet::new(),
            waiting: VecDeque::new(),
            talking: Vec::new(),
            wrapping_up: Vec::new(),
            books: Books::default(),
        };
        let agent = |_| Agent { seat: Seat::Idle, since: 0, wrap_up: 0, is_leaving: false, is_away: false };
        shift.agents = (0..setting.agents).map(agent).collect();
        let campaign = |_: &f64| Campaign {
            in_flight: 0,
            reserved: 0,
            waiting: 0,
            list: List::new(setting.list),
            answers: Vec::new(),
        };
        shift.campaigns = setting.campaigns.iter().map(campaign).collect();
        for (n, (at, _)) in (0..).zip(&setting.presence) {
            shift.after(micros(*at), Event::Presence(n));
        }
        shift
    }

    fn after(&mut self, delay: Micros, event: Event) {
        self.next += 1;
        self.queue.push(Reverse((self.now + delay, self.next, event)));
    }

    /// `pacers`: one for each campaign.
    pub fn run(mut self, pacers: &mut [Box<dyn Pacer>]) -> Outcome {
        let end = micros(self.setting.hours * 3600.0);
        self.after(0, Event::Tick);
        if pacers[0].foresees() {
            (0..self.agents.len()).for_each(|_| self.place_foreseen(0, &mut *pacers[0]));
        }
        while let Some(Reverse((at, _, event))) = self.queue.pop() {
            if at >= end || self.is_through() {
                break;
            }
            self.now = at;
            self.happen(event, pacers);
            if event == Event::Tick {
                self.after(TICK, Event::Tick);
            }
            for (turn, campaign) in self.turns(pacers).into_iter().enumerate() {
                self.pace(campaign, pacers.len() - turn, event == Event::Tick, pacers);
            }
        }
        self.count_time();
        self.outcome()
    }

    /// Whoever has the fewest answers is first. Of those who do not tell, the first changes, so that nobody is always last.
    fn turns(&self, pacers: &[Box<dyn Pacer>]) -> Vec<usize> {
        let mut turns: Vec<usize> = (0..pacers.len()).collect();
        turns.rotate_left(self.next as usize % pacers.len());
        turns.sort_by(|a, b| pacers[*a].answer_rate().total_cmp(&pacers[*b].answer_rate()));
        turns
    }

    /// The least risk that a campaign with numbers left takes, if there are several.
    fn alpha_max(&mut self, pacers: &[Box<dyn Pacer>]) -> Option<f64> {
        let now = self.now;
        let campaigns = self.campaigns.iter_mut().zip(pacers);
        let alphas = campaigns.filter_map(|(c, p)| p.own_alpha().filter(|_| c.list.ready(now) > 0));
        (pacers.len() > 1).then(|| alphas.fold(1.0, f64::min))
    }

    /// No campaign has numbers left. Until then the time counts.
    fn is_through(&self) -> bool {
        self.campaigns.iter().all(|c| c.list.is_used_up() && c.in_flight + c.reserved + c.waiting == 0)
    }

    /// `still`: campaigns that have not had their turn, this one included.
    fn pace(&mut self, campaign: usize, still: usize, is_tick: bool, pacers: &mut [Box<dyn Pacer>]) {
        let now = self.now;
        let others = pacers.iter().enumerate().filter(|(n, _)| *n != campaign);
        let others: Vec<_> = others.filter_map(|(n, p)| p.load(now, self.campaigns[n].reserved)).collect();
        let alpha_max = self.alpha_max(pacers);
        let pacer = &mut *pacers[campaign];
        let mut view = self.view(is_tick, campaign);
        (view.others, view.alpha_max) = (&others, alpha_max);
        let too_late = pacer.too_late(&view);
        self.give_up(&too_late, campaign, pacer);
        let mut view = self.view(is_tick, campaign);
        (view.others, view.alpha_max) = (&others, alpha_max);
        let mut wanted = pacer.wanted(&view);
        if !others.is_empty() {
            wanted = wanted.div_ceil(u32::try_from(still).unwrap_or(1));
        }
        let in_flight: u32 = self.campaigns.iter().map(|c| c.in_flight + c.reserved).sum();
        let room = self.setting.calls_max.saturating_sub(in_flight);
        let ready = self.campaigns[campaign].list.ready(now);
        for _ in 0..wanted.min(room).min(ready) {
            if self.setting.store > 0.0 {
                self.campaigns[campaign].reserved += 1;
                self.after(micros(self.setting.store), Event::Place(u32::try_from(campaign).unwrap_or(0)));
            } else {
                self.place(campaign, pacer);
            }
        }
    }

    fn view(&mut self, is_tick: bool, campaign: usize) -> View<'_> {
        self.talking.clear();
        self.wrapping_up.clear();
        let mut idle = 0;
        for agent in &self.agents {
            match agent.seat {
                Seat::Idle => idle += 1,
                Seat::Talking if !agent.is_leaving => self.talking.push(agent.since),
                // Somebody who is offered a call counts as talking, as in the engine.
                Seat::Offered => self.talking.push(agent.since),
                Seat::WrapUp if !agent.is_leaving => self.wrapping_up.push(agent.since),
                _ => {}
            }
        }
        let own = &mut self.campaigns[campaign];
        View {
            now: self.now,
            is_tick,
            idle,
            campaigns: u32::try_from(self.setting.campaigns.len()).unwrap_or(1),
            waiting: u32::try_from(self.waiting.len()).unwrap_or(u32::MAX),
            own_waiting: own.waiting,
            in_flight: own.in_flight + own.reserved,
            reserved: own.reserved,
            room: own.list.ready(self.now).saturating_sub(own.reserved),
            talking: &self.talking,
            wrapping_up: &self.wrapping_up,
            others: &[],
            alpha_max: None,
        }
    }

    fn happen(&mut self, event: Event, pacers: &mut [Box<dyn Pacer>]) {
        match event {
            Event::Tick => self.count_time(),
            Event::Place(campaign) => {
                let campaign = campaign as usize;
                self.campaigns[campaign].reserved -= 1;
                self.place(campaign, &mut *pacers[campaign]);
            }
            Event::Rings(call) => {
                if self.ringing.contains(&call) {
                    let call = &self.calls[call as usize];
                    pacers[call.campaign].rings(self.now, call.placed);
                }
            }
            // It was given up before.
            Event::Answer(call) | Event::Fail(call) | Event::TrunkFails(call)
                if !self.ringing.remove(&call) => {}
            Event::Answer(call) => self.answer(call, pacers),
            Event::Fail(call) | Event::TrunkFails(call) => {
                let Call { placed, campaign, attempts, fate, .. } = self.calls[call as usize];
                self.campaigns[campaign].in_flight -= 1;
                if fate == Fate::Mistaken {
                    self.campaigns[campaign].answers.push((self.now, Fare::HungUpOn));
                }
                if fate == Fate::TrunkFails {
                    pacers[campaign].not_made(self.now, placed);
                } else {
                    pacers[campaign].failed(self.now, placed);
                }
                self.campaigns[campaign].list.put_back(self.now, attempts);
            }
            Event::GiveUp(call) => {
                if let Some(at) = self.waiting.iter().position(|c| *c == call) {
                    self.waiting.remove(at);
                    self.served(call, true, pacers);
                }
            }
            Event::OfferEnds(agent) => self.offer_ends(agent as usize, pacers),
            Event::ComesBack(agent) => {
                self.count_time();
                let seat = &mut self.agents[agent as usize];
                if std::mem::take(&mut seat.is_away) && !std::mem::take(&mut seat.is_leaving) {
                    (seat.seat, seat.since) = (Seat::Idle, self.now);
                }
                self.join(pacers);
            }
            Event::TalkEnds(agent) => {
                self.count_time();
                let seat = &mut self.agents[agent as usize];
                pacers.iter_mut().for_each(|p| p.talk_ended(self.now, self.now - seat.since));
                (seat.seat, seat.since) = (Seat::WrapUp, self.now);
                let length = seat.wrap_up;
                self.after(length, Event::WrapUpEnds(agent));
            }
            Event::WrapUpEnds(agent) => {
                self.count_time();
                let seat = &mut self.agents[agent as usize];
                pacers.iter_mut().for_each(|p| p.wrap_up_ended(self.now, self.now - seat.since));
                let next = if std::mem::take(&mut seat.is_leaving) { Seat::Away } else { Seat::Idle };
                (seat.seat, seat.since) = (next, self.now);
                self.join(pacers);
            }
            Event::Presence(n) => self.set_presence(self.setting.presence[n as usize].1, pacers),
        }
    }

    fn answer(&mut self, call: u32, pacers: &mut [Box<dyn Pacer>]) {
        let Call { placed, campaign, .. } = self.calls[call as usize];
        self.campaigns[campaign].in_flight -= 1;
        self.campaigns[campaign].waiting += 1;
        pacers[campaign].answered(self.now, placed);
        self.waiting.push_back(call);
        self.after(micros(self.setting.patience), Event::GiveUp(call));
        self.join(pacers);
    }

    /// The customer got an agent, or did not.
    fn served(&mut self, call: u32, is_lost: bool, pacers: &mut [Box<dyn Pacer>]) {
        let campaign = self.calls[call as usize].campaign;
        self.campaigns[campaign].waiting -= 1;
        let fare = if is_lost { Fare::Lost } else { Fare::Served };
        self.campaigns[campaign].answers.push((self.now, fare));
        pacers[campaign].served(self.now, is_lost);
    }

    /// The customer who was offered, if still there, is the first again; the agent is away for a while.
    fn offer_ends(&mut self, n: usize, pacers: &mut [Box<dyn Pacer>]) {
        self.count_time();
        (self.agents[n].seat, self.agents[n].since, self.agents[n].is_away) = (Seat::Away, self.now, true);
        let agent = u32::try_from(n).unwrap_or(0);
        self.after(micros(self.setting.missed.away), Event::ComesBack(agent));
        self.join(pacers);
    }

    /// One call of each of these quarter seconds.
    fn give_up(&mut self, slots: &[u64], campaign: usize, pacer: &mut dyn Pacer) {
        for slot in slots {
            let is_meant = |call: &u32| {
                let call = &self.calls[*call as usize];
                call.campaign == campaign && call.placed / (SECOND / 4) == *slot
            };
            let Some(number) = self.ringing.iter().copied().find(is_meant) else { continue };
            let Call { placed, rings_at, attempts, .. } = self.calls[number as usize];
            assert!((self.now - rings_at) as f64 >= RING_MIN * 1e6, "no call is given up before its time");
            self.ringing.remove(&number);
            self.campaigns[campaign].in_flight -= 1;
            self.campaigns[campaign].list.put_back(self.now, attempts);
            pacer.given_up(self.now, placed);
        }
    }

    /// This share of the agents is at work from now on; busy ones leave after their work.
    fn set_presence(&mut self, share: f64, pacers: &mut [Box<dyn Pacer>]) {
        self.count_time();
        let present = (share * self.agents.len() as f64).round() as usize;
        for (n, agent) in self.agents.iter_mut().enumerate() {
            match agent.seat {
                Seat::Away if agent.is_away => agent.is_leaving = n >= present,
                Seat::Away if n < present => (agent.seat, agent.since) = (Seat::Idle, self.now),
                Seat::Idle if n >= present => agent.seat = Seat::Away,
                Seat::Talking | Seat::WrapUp => agent.is_leaving = n >= present,
                _ => {}
            }
        }
        self.join(pacers);
    }

    /// Waiting customers meet idle agents, the longest idle first.
    fn join(&mut self, pacers: &mut [Box<dyn Pacer>]) {
        let offered = self.agents.iter().filter(|a| a.seat == Seat::Offered).count();
        let mut offered = offered.min(self.waiting.len());
        while self.waiting.len() > offered {
            let idle = self.agents.iter().enumerate().filter(|(_, a)| a.seat == Seat::Idle);
            let Some((n, _)) = idle.min_by_key(|(_, a)| a.since) else { return };
            self.count_time();
            let agent = u32::try_from(n).unwrap_or(0);
            let Setting { missed, .. } = *self.setting;
            if happens(&mut self.agents_rng, missed.share) {
                (self.agents[n].seat, self.agents[n].since) = (Seat::Offered, self.now);
                self.after(micros(missed.seconds), Event::OfferEnds(agent));
                offered += 1;
                continue;
            }
            let Some(call) = self.waiting.remove(offered) else { return };
            self.books.connected += u64::from(self.now >= COUNTED_FROM);
            self.served(call, false, pacers);
            let is_machine = self.calls[call as usize].fate == Fate::Machine;
            let talk = self.setting.talk(&mut self.agents_rng);
            let talk = if is_machine { MACHINE_TALK } else { talk };
            let wrap_up = self.setting.wrap_up(&mut self.agents_rng);
            let seat = &mut self.agents[n];
            (seat.seat, seat.since, seat.wrap_up) = (Seat::Talking, self.now, wrap_up);
            self.after(talk, Event::TalkEnds(agent));
            if pacers[0].foresees() {
                self.place_foreseen(self.now + talk + wrap_up, &mut *pacers[0]);
            }
        }
    }

    fn place(&mut self, campaign: usize, pacer: &mut dyn Pacer) {
        // A number that was there when it was wished for may be gone.
        let Some(attempts) = self.campaigns[campaign].list.take(self.now) else { return };
        let (fate, delay) = self.setting.fate(&mut self.calls_rng, self.now, campaign);
        let call = self.add_call(campaign, attempts, fate, pacer);
        if self.setting.set_up > 0.0 && fate != Fate::TrunkFails {
            self.after(micros(self.setting.set_up), Event::Rings(call));
        }
        let event = match fate {
            Fate::Answer | Fate::Machine => Event::Answer(call),
            Fate::Fail | Fate::Mistaken => Event::Fail(call),
            Fate::TrunkFails => Event::TrunkFails(call),
        };
        self.after(delay, event);
    }

    fn add_call(&mut self, campaign: usize, attempts: u32, fate: Fate, pacer: &mut dyn Pacer) -> u32 {
        let number = u32::try_from(self.calls.len()).unwrap_or(u32::MAX);
        let rings_at = self.now + micros(self.setting.set_up);
        self.calls.push(Call { placed: self.now, rings_at, campaign, attempts, fate });
        self.campaigns[campaign].in_flight += 1;
        self.ringing.insert(number);
        pacer.placed(self.now);
        number
    }

    /// A pacer that knows everything places a call that is answered at the right moment.
    fn place_foreseen(&mut self, answer_at: Micros, pacer: &mut dyn Pacer) {
        let Some(attempts) = self.campaigns[0].list.take(self.now) else { return };
        let ring = self.setting.answer_time(&mut self.calls_rng);
        let call = self.add_call(0, attempts, Fate::Answer, pacer);
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
        let (mut all, mut lost, mut counted, mut counted_lost) = (0, 0, 0, 0);
        let (mut worst, mut worst_true, mut is_over_cap, mut hung_up_on) = (0.0, 0.0, false, 0);
        for Campaign { answers, .. } in &self.campaigns {
            let own_lost = answers.iter().filter(|a| a.1 != Fare::Served).count();
            hung_up_on += answers.iter().filter(|a| a.1 == Fare::HungUpOn).count();
            let late = &answers[answers.partition_point(|a| a.0 < COUNTED_FROM)..];
            (all, lost) = (all + answers.len(), lost + own_lost);
            counted += late.len();
            counted_lost += late.iter().filter(|a| a.1 != Fare::Served).count();
            worst_true = f64::max(worst_true, worst_hour(late, 0.0));
            let told: Vec<_> = late.iter().filter(|a| a.1 != Fare::HungUpOn).copied().collect();
            worst = f64::max(worst, worst_hour(&told, self.setting.mistaken.persons));
            is_over_cap |= own_lost as f64 > self.setting.cap * answers.len() as f64;
        }
        let fewest = self.campaigns.iter().map(|c| c.answers.len()).min().unwrap_or(0);
        Outcome {
            utilisation: books.busy / books.signed_in.max(1.0),
            abandoned: counted_lost as f64 / counted.max(1) as f64,
            worst_hour: worst,
            worst_true_hour: worst_true,
            is_over_cap,
            idle_per_call: (books.signed_in - books.busy) / books.connected.max(1) as f64,
            dialed: self.calls.len() as u64,
            connected: (all - lost) as u64,
            least_served: (fewest * self.campaigns.len()) as f64 / all.max(1) as f64,
            hung_up_on: hung_up_on as f64 / all.max(1) as f64,
        }
    }
}

/// `missed`: of all who answer, the part that is lost and not among these.
fn worst_hour(answers: &[(Micros, Fare)], missed: f64) -> f64 {
    let (mut first, mut lost, mut worst) = (0, 0_u32, 0.0);
    for (n, (at, fare)) in answers.iter().enumerate() {
        lost += u32::from(*fare != Fare::Served);
        while answers[first].0 + 3600 * SECOND <= *at {
            lost -= u32::from(answers[first].1 != Fare::Served);
            first += 1;
        }
        let count = n + 1 - first;
        if count >= 100 && *at >= COUNTED_FROM + 3600 * SECOND {
            worst = f64::max(worst, missed + (1.0 - missed) * f64::from(lost) / count as f64);
        }
    }
    worst
}
