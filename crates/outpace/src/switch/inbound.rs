//! Calls that come in through a trunk, to one of the company's numbers: taken by the engine or refused, and answered when an
//! agent is there or something is to be heard.

use std::time::{Duration, Instant};

use engine::{CallId, CompanyId, CustomerCall, Input, LegEvent, LineId, PhoneNumber, TrunkId};
use sip::{Flow, IncomingCall};
use store::{CallerIdentity, Identified};

use super::phones::Line;
use super::{Call, Owner, Switch, cause, sdp};

/// A number that is written with other digits in front is the same when at least so many at its end are.
const SAME_DIGITS_MIN: usize = 7;

impl Switch {
    /// The company's numbers that customers may call.
    pub fn put_inbound_numbers(&mut self, company: CompanyId, numbers: Vec<String>) {
        self.inbound_numbers.insert(company, numbers);
    }

    /// Strangers are refused at once.
    pub(super) fn customer_calls(&mut self, now: Duration, call: IncomingCall) {
        let IncomingCall { dialog, flow, target_user, from_user, to_user, vouched, sdp, .. } = call;
        let trunks = self.trunks_at(flow);
        if trunks.is_empty() {
            return self.endpoint.reject(now, dialog, 403);
        }
        let found = [target_user, to_user].iter().find_map(|called| {
            trunks.iter().find_map(|(trunk, company)| {
                let number = called_number(self.inbound_numbers.get(company)?, called)?;
                Some((*trunk, *company, number.to_owned()))
            })
        });
        let Some((trunk, company, caller_id)) = found else { return self.endpoint.reject(now, dialog, 404) };
        // Some networks say who calls only there.
        let asserted = vouched.asserted.as_deref().filter(|_| !vouched.is_private);
        let number = [Some(from_user.as_str()), asserted]
            .into_iter()
            .flatten()
            .find_map(|n| PhoneNumber::parse(n).ok());
        let number = number.unwrap_or_else(PhoneNumber::withheld);
        if let Some(line) = self.open_line(now, dialog, company, &number, (&sdp, self.codecs.plain())) {
            let is_passed = self.trunks.get(&trunk).is_some_and(super::trunks::Peer::passes_identity);
            if let Some(line) = self.lines.get_mut(&line) {
                line.identities = if is_passed { vouched.identities.clone() } else { Vec::new() };
                line.said = CallerIdentity { identities: vouched.identities, asserted: vouched.asserted };
            }
            let call = CustomerCall { line, trunk, number, caller_id };
            self.tell(company, Input::CustomerCalls(call));
        }
    }

    /// Trunks with an address from which this may come: calls may leave a carrier from another port than they enter by.
    fn trunks_at(&self, flow: Flow) -> Vec<(TrunkId, CompanyId)> {
        let ip = flow.peer.ip().to_canonical();
        let found = self.trunks.iter().filter(|(_, peer)| peer.has_address(ip));
        let mut found: Vec<_> = found.map(|(trunk, peer)| (*trunk, peer.company())).collect();
        found.sort_unstable();
        found
    }

    /// Tells the endpoint from where such calls may come.
    pub(super) fn admit_trunks(&mut self) {
        let addresses = self.trunks.values().flat_map(super::trunks::Peer::addresses).collect();
        self.endpoint.take_calls_from(addresses);
    }

    pub(super) fn take_customer(&mut self, now: Duration, company: CompanyId, line: LineId, call: CallId) {
        let Some(Line { company, number, leg, media, identities, said }) = self.lines.remove(&line) else {
            let event = LegEvent::Failed(cause::customer_failure(487, None, false));
            return self.tell(company, Input::Customer { call, event });
        };
        self.endpoint.ring(now, leg.dialog, 180, None);
        self.own(&leg, Owner::Customer(call));
        let mut state = Call::new(company, number);
        state.customer = Some(leg);
        state.uncalled = Some(media);
        state.by_trunk = true;
        state.identities = identities;
        self.calls.insert(call, state);
        if said != CallerIdentity::default() {
            self.identified.push_back(Identified { company, call, identity: said });
        }
    }

    /// What is to be stored about who calls.
    pub fn poll_identified(&mut self) -> Option<Identified> {
        self.identified.pop_front()
    }

    /// An agent is there, or the customer is to hear something.
    pub(super) fn answer_customer(&mut self, now: Duration, call: CallId) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let (Some(media), Some(leg)) = (state.uncalled.take(), state.customer.as_ref()) else { return };
        state.answered_at = Some(Instant::now());
        self.relay.listen_for_keys(leg.media);
        let numbers = (leg.media.0, leg.version);
        let answer = sdp::answer(leg.address, &media, numbers, leg.protection.as_ref());
        self.endpoint.answer(now, leg.dialog, answer);
    }

    pub(super) fn play_hold(&mut self, now: Duration, call: CallId) {
        self.answer_customer(now, call);
        if let Some(leg) = self.calls.get(&call).and_then(|state| state.customer.as_ref()) {
            let leg = leg.media;
            self.play_on(leg, self.sounds.hold.clone());
        }
    }
}

/// Which of the company's numbers this is, however many digits of country and area are in front.
fn called_number<'a>(numbers: &'a [String], called: &str) -> Option<&'a str> {
    let digits = |text: &str| text.trim_start_matches('+').trim_start_matches('0').to_owned();
    let called = digits(called);
    let is_same = |number: &&String| {
        let own = digits(number);
        let (short, long) = if own.len() < called.len() { (&own, &called) } else { (&called, &own) };
        short.len() >= SAME_DIGITS_MIN && long.ends_with(short.as_str())
    };
    let exact = numbers.iter().find(|number| !called.is_empty() && digits(number) == called);
    exact.or_else(|| numbers.iter().find(is_same)).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_known_with_and_without_what_comes_before() {
        let numbers = ["02155550100".to_owned(), "4008".to_owned(), "+442071234567".to_owned()];
        let found = |called| called_number(&numbers, called);
        for called in ["02155550100", "2155550100", "+862155550100", "00862155550100", "55550100"] {
            assert_eq!(found(called), Some("02155550100"), "{called}");
        }
        assert_eq!(found("00442071234567"), Some("+442071234567"));
        assert_eq!((found("4008"), found("14008"), found("008")), (Some("4008"), None, None));
        assert_eq!((found(""), found("outpace")), (None, None));
    }
}
