//! How long customers waited for an agent, and whether they had to: worked out from the call records.

use std::collections::HashSet;
use std::time::Duration;

use engine::{CallRecord, Timestamp};

/// Answer to bridge, of every connected call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Waits {
    /// Of calls that were answered while an agent was free.
    pub agent_free: Vec<Duration>,
    /// Of calls that were answered while all agents were talking or wrapping up.
    pub queued: Vec<Duration>,
    /// The numbers of the latter.
    pub queued_numbers: HashSet<String>,
}

impl Waits {
    /// `agents` were there all the time; each is busy from the bridge to `wrap_up` after the end of a call.
    pub fn of(calls: &[(String, CallRecord)], agents: usize, wrap_up: Duration) -> Waits {
        // Every bridge makes one more agent busy, every end of a wrap-up one fewer.
        let mut turns: Vec<(Timestamp, i64)> = Vec::with_capacity(2 * calls.len());
        for (_, record) in calls {
            if let Some(bridged_at) = record.bridged_at {
                turns.push((bridged_at, 1));
                turns.push((record.ended_at.plus(wrap_up), -1));
            }
        }
        turns.sort_unstable();
        let mut answers: Vec<_> =
            calls.iter().filter_map(|(n, r)| Some((r.answered_at?, r.bridged_at?, n))).collect();
        answers.sort_unstable();
        let (mut waits, mut busy, mut next) = (Waits::default(), 0i64, 0);
        for (answered_at, bridged_at, number) in answers {
            while let Some((_, change)) = turns.get(next).filter(|(at, _)| *at < answered_at) {
                busy += change;
                next += 1;
            }
            let wait = bridged_at.since(answered_at);
            if busy < agents as i64 {
                waits.agent_free.push(wait);
            } else {
                waits.queued.push(wait);
                waits.queued_numbers.insert(number.clone());
            }
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engine::{CallId, CampaignId, Cause, HangupBy, LeadId, Outcome, TrunkId};

    fn call(number: &str, answered_s: i64, bridged_s: i64, ended_s: i64) -> (String, CallRecord) {
        let record = CallRecord {
            call: CallId(1),
            campaign: CampaignId(1),
            lead: LeadId(1),
            attempt: 1,
            trunk: TrunkId(1),
            caller_id: String::new(),
            dialed_at: Timestamp(0),
            ringing_at: None,
            answered_at: Some(Timestamp::from_unix_seconds(answered_s)),
            bridged_at: Some(Timestamp::from_unix_seconds(bridged_s)),
            ended_at: Timestamp::from_unix_seconds(ended_s),
            agent: None,
            outcome: Outcome::Connected,
            cause: Cause::NORMAL,
            notice: None,
            hangup_by: HangupBy::Customer,
            sip_status: 200,
            keys: String::new(),
        };
        (number.into(), record)
    }

    #[test]
    fn a_customer_waits_only_while_all_agents_talk_or_wrap_up() {
        let calls =
            [call("a", 10, 10, 20), call("b", 11, 11, 40), call("c", 21, 23, 30), call("d", 60, 60, 61)];
        let waits = Waits::of(&calls, 2, Duration::from_secs(3));
        assert_eq!(waits.agent_free, [Duration::ZERO; 3]);
        assert_eq!(waits.queued, [Duration::from_secs(2)]);
        assert!(waits.queued_numbers.contains("c"));
    }
}
