//! One URL of one company: which events go there now, how many at once, and when to try again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use engine::{CompanyId, Timestamp};
use store::{Event, PushKind, PushSettings};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Outbox;
use super::post::Poster;

/// Attempts at once.
const AT_ONCE_MAX: usize = 8;
/// What came from another process or became due is seen within this time.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The pause after the first failure of an event; each one doubles it.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(600);
/// After so many failures without a success in between the receiver counts as down.
const FAILURES_MAX: u32 = 3;
/// A receiver that is down is tried again after this at the latest.
const REST_MAX: Duration = Duration::from_secs(60);

pub struct Target {
    outbox: Outbox,
    company: CompanyId,
    kind: PushKind,
    poster: Arc<Poster>,
    receiver: Receiver,
    /// Events under way.
    flying: BTreeSet<i64>,
}

impl Target {
    pub fn new(outbox: Outbox, settings: &PushSettings, kind: PushKind) -> Result<Target, String> {
        Ok(Target {
            outbox,
            company: settings.company,
            kind,
            poster: Arc::new(Poster::new(settings, kind)?),
            receiver: Receiver::default(),
            flying: BTreeSet::new(),
        })
    }

    /// Until it is aborted.
    pub async fn run(mut self, mut wake: watch::Receiver<()>) {
        let mut attempts = JoinSet::new();
        loop {
            let free = self.receiver.at_once(self.outbox.clock.mono()).saturating_sub(self.flying.len());
            if free > 0 {
                for event in self.due(free).await {
                    self.flying.insert(event.id);
                    attempts.spawn(attempt(self.outbox.clone(), self.poster.clone(), event));
                }
            }
            let has_room = self.receiver.at_once(self.outbox.clock.mono()) > self.flying.len();
            tokio::select! {
                Some(done) = attempts.join_next() => match done {
                    Ok((event, is_delivered)) => self.done(event, is_delivered),
                    // A panic: its event is not known, but is tried again when nothing is under way.
                    Err(_) if attempts.is_empty() => self.flying.clear(),
                    Err(_) => {}
                },
                _ = wake.changed(), if has_room => {}
                () = self.outbox.clock.sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// What is due and not under way.
    async fn due(&self, free: usize) -> Vec<Event> {
        let (company, kind) = (self.company, self.kind);
        let limit = u32::try_from(free + self.flying.len()).unwrap_or(u32::MAX);
        let now = self.outbox.clock.wall();
        match self.outbox.with(move |s| s.due_events(now, company, kind, limit)).await {
            Ok(due) => due.into_iter().filter(|e| !self.flying.contains(&e.id)).take(free).collect(),
            Err(error) => {
                tracing::warn!(%error, "the outbox could not be read");
                self.outbox.clock.sleep(LOOK_EVERY).await;
                Vec::new()
            }
        }
    }

    fn done(&mut self, event: i64, is_delivered: bool) {
        self.flying.remove(&event);
        let (company, kind) = (self.company, self.kind.name());
        match self.receiver.answered(self.outbox.clock.mono(), is_delivered) {
            Change::Down => tracing::warn!(%company, kind, "a receiver of pushes is down; events wait"),
            Change::Up => tracing::info!(%company, kind, "a receiver of pushes is up again"),
            Change::None => {}
        }
    }
}

/// One attempt and what comes of it. True: it was delivered.
async fn attempt(outbox: Outbox, poster: Arc<Poster>, event: Event) -> (i64, bool) {
    let id = event.id;
    let result = poster.post(&event).await;
    let is_delivered = result.is_ok();
    let written = match result {
        Ok(()) => outbox.with(move |s| s.event_delivered(id)).await,
        Err(error) => failed(&outbox, &event, error).await,
    };
    if let Err(error) = written {
        tracing::warn!(event = id, %error, "what became of an event was not stored; it is told again");
    }
    (id, is_delivered)
}

async fn failed(outbox: &Outbox, event: &Event, why: String) -> store::Result<()> {
    let (id, company, kind) = (event.id, event.company, event.kind);
    let now = outbox.clock.wall();
    let next = next_attempt(now, event);
    tracing::debug!(event = id, kind = kind.name(), why, ?next, "an event could not be told");
    outbox.with(move |s| s.event_failed(id, next, &why)).await?;
    if next.is_none() {
        // Whatever else is as old has no better chance: its receiver has just failed.
        let more = outbox.with(move |s| s.give_up_events(now, company, kind)).await?;
        tracing::warn!(event = id, more, kind = kind.name(), "events were given up: outpace admin push dead");
    }
    Ok(())
}

/// None: it has been tried for long enough.
fn next_attempt(now: Timestamp, event: &Event) -> Option<Timestamp> {
    if now >= event.expires_at {
        return None;
    }
    let pause = PAUSE_MIN.saturating_mul(1 << event.attempts.min(16)).min(PAUSE_MAX);
    Some(now.plus(pause).min(event.expires_at))
}

/// How the receiver has done of late. One that fails is asked less, so that a long list of events does not become a long
/// list of attempts.
#[derive(Default)]
struct Receiver {
    /// Since the last success.
    failures: u32,
    /// As the clock's `mono`.
    rests_until: Option<Duration>,
}

#[derive(PartialEq, Eq, Debug)]
enum Change {
    None,
    Down,
    Up,
}

impl Receiver {
    fn at_once(&self, now: Duration) -> usize {
        match self.rests_until {
            None => AT_ONCE_MAX,
            Some(until) if until <= now => 1,
            Some(_) => 0,
        }
    }

    fn answered(&mut self, now: Duration, is_delivered: bool) -> Change {
        if is_delivered {
            self.failures = 0;
            return if self.rests_until.take().is_some() { Change::Up } else { Change::None };
        }
        self.failures += 1;
        let Some(more) = self.failures.checked_sub(FAILURES_MAX) else { return Change::None };
        let was_up = self.rests_until.is_none();
        self.rests_until = Some(now + PAUSE_MIN.saturating_mul(1 << more.min(16)).min(REST_MAX));
        if was_up { Change::Down } else { Change::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(attempts: u32) -> Event {
        Event {
            id: 1,
            company: CompanyId(1),
            kind: PushKind::Bill,
            call: None,
            body: String::new(),
            created_at: Timestamp(0),
            expires_at: Timestamp::from_unix_seconds(86_400),
            attempts,
            error: String::new(),
        }
    }

    #[test]
    fn pauses_double_up_to_ten_minutes_until_the_event_expires() {
        let next = |now: i64, attempts| {
            next_attempt(Timestamp::from_unix_seconds(now), &event(attempts)).map(|t| t.unix_seconds() - now)
        };
        let pauses: Vec<_> = (0..12).map(|attempts| next(0, attempts)).collect();
        let expected = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600].map(Some);
        assert_eq!(pauses, expected);
        assert_eq!(next(0, u32::MAX), Some(600));
        assert_eq!(next(86_300, 20), Some(100), "one last attempt");
        assert_eq!(next(86_400, 20), None);
    }

    #[test]
    fn a_receiver_that_is_down_is_asked_by_one_event_at_a_time() {
        let mut receiver = Receiver::default();
        let now = Duration::from_secs(1000);
        let second = Duration::from_secs(1);
        assert_eq!(receiver.at_once(now), AT_ONCE_MAX);
        assert_eq!(receiver.answered(now, false), Change::None);
        assert_eq!(receiver.answered(now, false), Change::None);
        assert_eq!(receiver.at_once(now), AT_ONCE_MAX, "single failures slow nobody down");
        assert_eq!(receiver.answered(now, false), Change::Down);
        assert_eq!((receiver.at_once(now), receiver.at_once(now + second)), (0, 1));
        assert_eq!(receiver.answered(now, false), Change::None);
        assert_eq!((receiver.at_once(now + second), receiver.at_once(now + 2 * second)), (0, 1));
        for _ in 0..50 {
            receiver.answered(now, false);
        }
        assert_eq!(receiver.at_once(now + REST_MAX), 1);
        assert_eq!(receiver.answered(now, true), Change::Up);
        assert_eq!(receiver.at_once(now), AT_ONCE_MAX);
        assert_eq!(receiver.answered(now, true), Change::None);
    }
}
