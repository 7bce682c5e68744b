//! REFER: an agent's phone hands its call to another extension (RFC 3515, RFC 5589 §6), or puts its two calls together.

use std::time::Duration;

use engine::{AgentId, Input, PhoneNumber, Refusal};
use sip::{DialogId, Replaces};

use super::{Owner, Switch};

/// What a phone wants.
enum Wish {
    /// The call handed to this agent.
    Hand(AgentId),
    /// The customer put through to this number.
    HandOutside(PhoneNumber),
    /// The call put together with its other one.
    Join,
}

impl Switch {
    pub(super) fn refer(&mut self, now: Duration, dialog: DialogId, target: &str) {
        match self.wish(dialog, target) {
            Ok((agent, wish)) => {
                self.endpoint.refer_result(now, dialog, 100);
                self.refers.insert(agent, dialog);
                if let Some(company) = self.company_of(agent) {
                    let input = match wish {
                        Wish::Hand(to) => Input::Referred { agent, to },
                        Wish::HandOutside(number) => Input::ReferredOutside { agent, number },
                        Wish::Join => Input::Joined { agent },
                    };
                    self.tell(company, input);
                }
            }
            Err(status) => self.endpoint.refer_result(now, dialog, status),
        }
    }

    /// Whose phone asks, and for what. Else the status that says why not.
    fn wish(&self, dialog: DialogId, target: &str) -> Result<(AgentId, Wish), u16> {
        let agent = match self.dialogs.get(&dialog) {
            Some(Owner::Offer(..) | Owner::Kept(_)) => self.phone_of(dialog).ok_or(481u16)?,
            // Customers' networks hand nothing over.
            Some(Owner::Customer(_)) => return Err(403),
            None => return Err(481),
        };
        let rest = target.strip_prefix("sip:").or_else(|| target.strip_prefix("sips:")).ok_or(416u16)?;
        if let Some(named) = rest.split_once('?').and_then(|(_, headers)| replaces(headers)) {
            // RFC 5589 §7: the other call of the same phone.
            let other =
                self.endpoint.find_dialog(&named.call_id, [&named.to_tag, &named.from_tag]).ok_or(481u16)?;
            let is_own = other != dialog && self.phone_of(other) == Some(agent);
            return if is_own { Ok((agent, Wish::Join)) } else { Err(481) };
        }
        let user = unescaped(rest.split(['@', ';', '?']).next().unwrap_or_default());
        let to = self.agent_by_extension.get(&user).copied();
        match to.filter(|to| self.company_of(*to) == self.company_of(agent)) {
            Some(to) => Ok((agent, Wish::Hand(to))),
            None => Ok((agent, Wish::HandOutside(PhoneNumber::parse(&user).map_err(|_| 404u16)?))),
        }
    }

    /// The agent whose phone has this dialog. A customer who has an agent's place is none.
    pub(super) fn phone_of(&self, dialog: DialogId) -> Option<AgentId> {
        match self.dialogs.get(&dialog)? {
            Owner::Offer(call, agent) if !self.calls.get(call)?.is_between_customers => Some(*agent),
            Owner::Kept(agent) => Some(*agent),
            Owner::Offer(..) | Owner::Customer(_) => None,
        }
    }

    /// How far the number is that the call is handed to.
    pub(super) fn refer_told(&mut self, now: Duration, agent: AgentId, status: u16) {
        let Some(dialog) = self.refers.get(&agent).copied() else { return };
        if status >= 200 {
            self.refers.remove(&agent);
        }
        self.endpoint.refer_result(now, dialog, status);
    }

    pub(super) fn referred(&mut self, now: Duration, agent: AgentId, result: Result<(), Refusal>) {
        let Some(dialog) = self.refers.remove(&agent) else { return };
        let status = match result {
            Ok(()) => 200,
            Err(Refusal::TargetBusy | Refusal::Busy) => 486,
            Err(Refusal::NotInCall) => 481,
            Err(Refusal::NotAllowed) => 403,
            Err(Refusal::NoTrunk | Refusal::Unavailable) => 503,
            Err(_) => 480,
        };
        self.endpoint.refer_result(now, dialog, status);
    }
}

/// A Replaces header among those of a URI.
fn replaces(headers: &str) -> Option<Replaces> {
    let named = headers.split('&').filter_map(|header| header.split_once('='));
    let (_, value) = named.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("replaces"))?;
    Replaces::parse(&unescaped(value))
}

/// RFC 3261 §19.1.2: `%` and two digits stand for a byte.
fn unescaped(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        let hex = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        out.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaces_header_is_found_in_a_uri() {
        for headers in [
            "Replaces=a%40b%3Bto-tag%3Dt1%3Bfrom-tag%3Df1",
            "Subject=x&replaces=a%40b%3bfrom-tag%3df1%3Bto-tag%3dt1%3Bearly-only",
        ] {
            let found = replaces(headers).expect("it is there");
            assert_eq!([found.call_id, found.to_tag, found.from_tag], ["a@b", "t1", "f1"], "{headers}");
        }
        for headers in [
            "",
            "Replaces=",
            "Replaces=a%3Bto-tag%3Dt1",
            "Replaces=%4",
            "Other=a%3Bto-tag%3Dt%3Bfrom-tag%3Df",
        ] {
            assert_eq!(replaces(headers), None, "{headers}");
        }
    }
}
