//! Whether one address of a trunk takes calls: a circuit breaker with back-off. Pure; time is an argument.

use std::time::Duration;

/// Strikes in a row that open the circuit. A 503 counts 1: some carriers send it for one number that they cannot reach.
const STRIKES_MAX: u32 = 6;
const STRIKES_OF_SILENCE: u32 = 2;
/// The first pause of an open circuit; each further one is twice as long.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);
/// An OPTIONS has this long to be answered.
const PROBE_PATIENCE: Duration = Duration::from_secs(4);
/// After a missed OPTIONS the next one follows soon.
const PROBE_AGAIN: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Closed,
    /// No calls until then.
    Open(Duration),
    /// Asked with OPTIONS whether it is back.
    Probing,
    /// One call may try; `true`: it is under way.
    Trial(bool),
}

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// No response, or no connection.
    Silence,
    /// As silence, and nothing else was heard from there since the call was placed.
    Gone,
    /// 503.
    Refused,
    /// 503 that said when to come back.
    RefusedFor(Duration),
}

#[derive(Clone, Debug)]
pub(super) struct Circuit {
    state: State,
    strikes: u32,
    /// Times that it opened without a call that got through.
    opened: u32,
    /// It has answered an OPTIONS before. One that never did is not judged by them.
    answers_options: bool,
    options_every: Option<Duration>,
    /// When the OPTIONS that is under way was sent.
    asked_at: Option<Duration>,
    next_probe: Duration,
}

impl Circuit {
    /// `options_every`: None, no OPTIONS are sent. `first`: when the first one is due.
    pub fn new(options_every: Option<Duration>, first: Duration) -> Circuit {
        Circuit {
            state: State::Closed,
            strikes: 0,
            opened: 0,
            answers_options: false,
            options_every,
            asked_at: None,
            next_probe: first,
        }
    }

    /// Whether a call may be placed there now.
    pub fn is_usable(&self) -> bool {
        matches!(self.state, State::Closed | State::Trial(false))
    }

    /// One word, for people.
    pub fn state(&self) -> &'static str {
        match self.state {
            State::Closed => "up",
            State::Open(_) => "down",
            State::Probing | State::Trial(_) => "probing",
        }
    }

    /// A call is placed there.
    pub fn take(&mut self) {
        if self.state == State::Trial(false) {
            self.state = State::Trial(true);
        }
    }

    /// A call ended without telling anything of the address.
    pub fn leave(&mut self) {
        if self.state == State::Trial(true) {
            self.state = State::Trial(false);
        }
    }

    /// A call got through to somebody, or was refused for a reason of its own.
    pub fn works(&mut self) {
        self.strikes = 0;
        self.opened = 0;
        self.state = State::Closed;
    }

    /// A call failed there.
    pub fn failed(&mut self, now: Duration, fault: Fault) {
        if matches!(self.state, State::Open(_) | State::Probing) {
            // Calls from before the circuit opened.
            return;
        }
        match fault {
            Fault::RefusedFor(pause) => self.open(now, pause.clamp(PAUSE_MIN, PAUSE_MAX)),
            Fault::Silence => self.strike(now, STRIKES_OF_SILENCE),
            Fault::Gone => self.strike(now, STRIKES_MAX),
            Fault::Refused => self.strike(now, 1),
        }
    }

    fn strike(&mut self, now: Duration, strikes: u32) {
        self.strikes += strikes;
        if self.strikes >= STRIKES_MAX || self.state != State::Closed {
            let pause = (PAUSE_MIN * (1 << self.opened.min(6))).min(PAUSE_MAX);
            self.open(now, pause);
        }
    }

    fn open(&mut self, now: Duration, pause: Duration) {
        // Spread, so that not all that failed together come back together.
        let spread = fastrand::u64(0..=pause.as_millis() as u64 / 5);
        self.state = State::Open(now + pause + Duration::from_millis(spread));
        self.opened = self.opened.saturating_add(1);
        // The first failure after it has closed opens it again.
        self.strikes = STRIKES_MAX - 1;
        self.asked_at = None;
    }

    /// When `tend` has something to do.
    pub fn due(&self) -> Option<Duration> {
        match (self.state, self.asked_at) {
            (State::Open(until), _) => Some(until),
            (_, Some(at)) => Some(at + PROBE_PATIENCE),
            (State::Closed, None) => self.options_every.map(|_| self.next_probe),
            (State::Probing | State::Trial(_), None) => None,
        }
    }

    /// Does what is due; true: send an OPTIONS.
    pub fn tend(&mut self, now: Duration) -> bool {
        if self.due().is_none_or(|at| at > now) {
            return false;
        }
        if self.asked_at.take().is_some() {
            self.probe_missed(now);
            return false;
        }
        if matches!(self.state, State::Open(_)) {
            self.state = if self.options_every.is_some() { State::Probing } else { State::Trial(false) };
        }
        let ask = matches!(self.state, State::Closed | State::Probing);
        if ask {
            self.asked_at = Some(now);
        }
        ask
    }

    fn probe_missed(&mut self, now: Duration) {
        self.next_probe = now + PROBE_AGAIN;
        match self.state {
            State::Probing if self.answers_options => self.strike(now, STRIKES_OF_SILENCE),
            // It never answered one, so that only a call can tell.
            State::Probing => self.state = State::Trial(false),
            State::Closed if self.answers_options => self.strike(now, STRIKES_OF_SILENCE),
            _ => self.next_probe = now + self.options_every.unwrap_or(PAUSE_MAX),
        }
    }

    /// The answer to an OPTIONS: 408 stands for none. Any other but 503 shows that somebody is there.
    pub fn answered_options(&mut self, now: Duration, status: u16) {
        if status == 408 || status == 503 {
            if self.asked_at.take().is_some() {
                self.answers_options |= status == 503;
                self.probe_missed(now);
            }
            return;
        }
        self.answers_options = true;
        self.asked_at = None;
        self.next_probe = now + self.options_every.unwrap_or(PAUSE_MAX);
        match self.state {
            State::Probing | State::Trial(false) => self.state = State::Closed,
            // Calls keep their own count: a box may answer OPTIONS and refuse calls.
            State::Closed | State::Open(_) | State::Trial(true) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn opened(circuit: &mut Circuit, now: Duration) {
        for _ in 0..STRIKES_MAX {
            circuit.failed(now, Fault::Silence);
        }
        assert!(!circuit.is_usable());
    }

    #[test]
    fn some_503_among_good_calls_do_not_open_it_and_six_in_a_row_do() {
        let mut circuit = Circuit::new(None, s(0));
        for _ in 0..20 {
            circuit.failed(s(1), Fault::Refused);
            circuit.failed(s(1), Fault::Refused);
            circuit.works();
        }
        assert!(circuit.is_usable());
        (0..6).for_each(|_| circuit.failed(s(2), Fault::Refused));
        assert!(!circuit.is_usable());
    }

    #[test]
    fn retry_after_opens_it_at_once_and_is_kept_within_bounds() {
        for (asked, least, most) in [(1, 5, 6), (60, 60, 72), (86_400, 300, 360)] {
            let mut circuit = Circuit::new(None, s(0));
            circuit.failed(s(0), Fault::RefusedFor(s(asked)));
            let due = circuit.due().expect("it is open");
            assert!((s(least)..=s(most)).contains(&due), "{asked}: {due:?}");
        }
    }

    #[test]
    fn without_options_one_call_is_the_probe() {
        let mut circuit = Circuit::new(None, s(0));
        opened(&mut circuit, s(0));
        assert!(!circuit.tend(s(7)), "no OPTIONS");
        assert!(circuit.is_usable());
        circuit.take();
        assert!(!circuit.is_usable(), "one at a time");
        circuit.leave();
        assert!(circuit.is_usable(), "a call that told nothing gives its place back");
        circuit.take();
        circuit.failed(s(8), Fault::Refused);
        let due = circuit.due().expect("open");
        assert!(due >= s(18), "the pause has doubled: {due:?}");
        circuit.tend(due);
        circuit.take();
        circuit.works();
        assert!(circuit.is_usable() && circuit.state() == "up");
    }

    #[test]
    fn an_answered_options_closes_it() {
        let mut circuit = Circuit::new(Some(s(30)), s(3));
        assert!(circuit.tend(s(3)));
        circuit.answered_options(s(3), 200);
        assert_eq!(circuit.due(), Some(s(33)));
        opened(&mut circuit, s(10));
        let due = circuit.due().expect("open");
        assert!(circuit.tend(due) && !circuit.is_usable());
        circuit.answered_options(due, 404);
        assert!(circuit.is_usable(), "whatever it says, it is there");
        circuit.failed(due, Fault::Refused);
        assert!(!circuit.is_usable(), "but calls still fail");
    }

    #[test]
    fn three_missed_options_open_it_only_where_they_were_answered_before() {
        for answers in [true, false] {
            let mut circuit = Circuit::new(Some(s(30)), s(0));
            let mut now = s(0);
            for turn in 0..8 {
                let Some(due) = circuit.due() else { break };
                now = now.max(due);
                if circuit.tend(now) && answers && turn == 0 {
                    circuit.answered_options(now, 200);
                }
            }
            assert_eq!(circuit.is_usable(), !answers, "{circuit:?}");
        }
    }

    #[test]
    fn one_that_never_answers_options_gets_a_trial_call() {
        let mut circuit = Circuit::new(Some(s(30)), s(0));
        opened(&mut circuit, s(0));
        let due = circuit.due().expect("open");
        assert!(circuit.tend(due));
        let late = circuit.due().expect("an OPTIONS is under way");
        assert!(!circuit.tend(late));
        assert!(circuit.is_usable() && circuit.state() == "probing");
    }
}
