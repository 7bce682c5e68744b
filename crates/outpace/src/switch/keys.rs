//! Key presses, from one side of a call to the other: as events of RTP (RFC 4733), which the relay passes on by itself where
//! both sides agreed on them, and as INFO where one side did not.

use std::time::Duration;

use engine::{Input, LegEvent};
use media::{LegId, PressedBy};
use sip::DialogId;

use super::{AgentSide, Owner, Switch};

/// In milliseconds, as INFO says it.
const PRESS_MS: u32 = 120;

impl Switch {
    /// A key came as an event of RTP, or as tones; the other side hears those.
    pub(super) fn key_pressed(&mut self, now: Duration, leg: LegId, key: char, by: PressedBy) {
        let Some(owner) = self.legs.get(&leg).copied() else { return };
        self.note_key(owner, key);
        if by == PressedBy::Event
            && let Some((dialog, _, false)) = self.other_side(owner)
        {
            self.send_key(now, dialog, key);
        }
    }

    /// INFO with a key, in one of the two forms that phones use.
    pub(super) fn key_told(&mut self, now: Duration, dialog: DialogId, content_type: &str, body: &[u8]) {
        let Some(key) = key_in(content_type, body) else { return };
        let Some(owner) = self.dialogs.get(&dialog).copied() else { return };
        self.note_key(owner, key);
        match self.other_side(owner) {
            Some((_, leg, true)) => self.relay.press(leg, key),
            Some((other, _, false)) => self.send_key(now, other, key),
            None => {}
        }
    }

    /// The engine writes down what customers press.
    fn note_key(&mut self, owner: Owner, key: char) {
        if let Owner::Customer(call) = owner
            && let Some(company) = self.calls.get(&call).map(|state| state.company)
        {
            self.tell(company, Input::Customer { call, event: LegEvent::Pressed(key) });
        }
    }

    fn send_key(&mut self, now: Duration, dialog: DialogId, key: char) {
        let body = format!("Signal={key}\r\nDuration={PRESS_MS}\r\n");
        self.endpoint.info(now, dialog, "application/dtmf-relay", body.as_bytes());
    }

    /// The other side of the call that this leg is in, and whether it takes events of RTP.
    pub(super) fn other_side(&self, owner: Owner) -> Option<(DialogId, LegId, bool)> {
        let call = match owner {
            Owner::Customer(call) | Owner::Offer(call, _) => call,
            Owner::Kept(agent) => self.kept.get(&agent)?.call?,
        };
        let state = self.calls.get(&call)?;
        let other = match owner {
            Owner::Customer(_) => match state.offer.as_ref()? {
                (_, AgentSide::Rung(leg)) => leg,
                (agent, AgentSide::KeptUp) => &self.kept.get(agent)?.leg,
            },
            Owner::Offer(..) | Owner::Kept(_) => state.customer.as_ref()?,
        };
        Some((other.dialog, other.media, other.takes_events))
    }
}

/// `application/dtmf-relay`: lines, one of them `Signal=5`. `application/dtmf`: the key alone.
fn key_in(content_type: &str, body: &[u8]) -> Option<char> {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let text = std::str::from_utf8(body).ok()?;
    let value = match kind.as_str() {
        "application/dtmf-relay" => text.lines().find_map(|line| {
            let (name, value) = line.split_once('=')?;
            name.trim().eq_ignore_ascii_case("signal").then_some(value)
        })?,
        "application/dtmf" => text.lines().next()?,
        _ => return None,
    };
    match value.trim() {
        // Some phones write the number of the event.
        "10" => Some('*'),
        "11" => Some('#'),
        value => {
            let key = value.chars().next().filter(|_| value.len() == 1)?.to_ascii_uppercase();
            (key.is_ascii_digit() || matches!(key, '*' | '#' | 'A'..='D')).then_some(key)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_in_both_forms_and_nothing_else_is_taken_for_one() {
        let relay = |body: &str| key_in("application/dtmf-relay", body.as_bytes());
        assert_eq!(relay("Signal=5\r\nDuration=160\r\n"), Some('5'));
        assert_eq!(relay("Duration= 160\r\nSignal= #\r\n"), Some('#'));
        assert_eq!(
            (relay("signal=d"), relay("Signal=10"), relay("Signal=11")),
            (Some('D'), Some('*'), Some('#'))
        );
        assert_eq!(key_in("Application/DTMF; charset=utf-8", b" 7\r\n"), Some('7'));
        for body in ["", "Signal=", "Signal=55", "Signal=E", "5"] {
            assert_eq!(relay(body), None, "{body:?}");
        }
        assert_eq!(key_in("application/dtmf", b"\xff"), None);
        assert_eq!(key_in("text/plain", b"5"), None);
    }
}
