//! The SIP peers that customer calls go through: their addresses, which of them takes the next call, and what becomes of
//! a call that one of them could not take.

pub mod settings;
mod view;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use engine::{CallId, CompanyId, Dial, Input, TrunkId, TrunkSettings};
use sip::{Credentials, DialogId, Elsewhere, Flow, Invite, Register, RegistrationId};
use store::{Trunk, TrunkAddress};

use super::circuit::{Circuit, Fault};
use super::names::{self, Found, HostName, Target};
use super::{Owner, Switch, sdp, secure};
pub use view::TrunkView;

/// Without another address to go to, silence is borne this long: one INVITE is sent six times in it.
const SILENCE_ALONE: Duration = Duration::from_secs(16);
/// Addresses of one trunk, DNS included.
const ROUTES_MAX: usize = 32;
/// A number goes back so often in a row before its call counts as failed.
const GIVE_BACKS: u8 = 2;
/// Numbers of which it is remembered.
const GIVEN_BACK_MAX: usize = 10_000;
const REGISTER_EXPIRES: Duration = Duration::from_secs(300);

pub(super) struct Peer {
    trunk: Trunk,
    routes: Vec<Route>,
    registration: Option<(RegistrationId, Flow)>,
    /// What the engine was told.
    told: Option<TrunkSettings>,
}

/// One address of a trunk.
struct Route {
    name: HostName,
    flow: Flow,
    /// Of the settings, then of DNS; lower ones first.
    priority: (u16, u16),
    weight: i64,
    /// Smooth weighted round robin: who has most is next.
    credit: i64,
    circuit: Circuit,
    /// As it stands in the log.
    state: &'static str,
    /// When a call or an OPTIONS was last answered there.
    heard_at: Duration,
    calls: u64,
    failures: u64,
}

/// A call on its way to a first sign of life.
pub(super) struct Attempt {
    dial: Dial,
    flow: Flow,
    placed_at: Duration,
    /// Places that had this call, this one included.
    tried: Vec<Flow>,
    redirects: u32,
}

impl Peer {
    fn target(&self, route: &Route, number: &str) -> String {
        let s = &self.trunk.settings;
        format!("sip:{}{}@{}{}", s.prefix, number, route.name.uri_host(), transport_param(route.flow))
    }

    fn caller_user(&self, caller_id: &str) -> String {
        let s = &self.trunk.settings;
        [caller_id, &s.username, "anonymous"]
            .into_iter()
            .find(|u| !u.is_empty())
            .unwrap_or_default()
            .to_owned()
    }

    fn credentials(&self) -> Option<Credentials> {
        let s = &self.trunk.settings;
        (!s.username.is_empty())
            .then(|| Credentials { username: s.username.clone(), password: s.password.clone() })
    }

    pub(super) fn company(&self) -> CompanyId {
        self.trunk.settings.company
    }

    pub(super) fn has_address(&self, ip: IpAddr) -> bool {
        self.trunk.settings.enabled && self.routes.iter().any(|r| r.flow.peer.ip().to_canonical() == ip)
    }

    fn is_usable(&self) -> bool {
        self.trunk.settings.enabled && self.routes.iter().any(|r| r.circuit.is_usable())
    }

    fn settings(&self) -> TrunkSettings {
        TrunkSettings {
            trunk: self.trunk.id,
            enabled: self.is_usable(),
            channels_max: self.trunk.settings.channels_max,
            cps_max: self.trunk.settings.cps_max,
        }
    }

    fn route(&mut self, flow: Flow) -> Option<&mut Route> {
        self.routes.iter_mut().find(|r| r.flow == flow)
    }

    /// The usable address of the lowest priority whose turn it is by weight (RFC 2782), but none that was tried.
    fn choose(&mut self, tried: &[Flow]) -> Option<usize> {
        let can = |r: &Route| r.circuit.is_usable() && !tried.contains(&r.flow);
        let priority = self.routes.iter().filter(|r| can(r)).map(|r| r.priority).min()?;
        let mut total = 0;
        for route in self.routes.iter_mut().filter(|r| can(r) && r.priority == priority) {
            route.credit += route.weight;
            total += route.weight;
        }
        let candidates = self.routes.iter().enumerate().filter(|(_, r)| can(r) && r.priority == priority);
        let best = candidates.max_by_key(|(i, r)| (r.credit, Reverse(*i))).map(|(i, _)| i)?;
        self.routes[best].credit -= total;
        Some(best)
    }

    fn has_another(&self, tried: &[Flow]) -> bool {
        self.routes.iter().any(|r| r.circuit.is_usable() && !tried.contains(&r.flow))
    }

    fn names(&self) -> Vec<(HostName, u16, u16)> {
        let s = &self.trunk.settings;
        let of = |text: &str| names::transport(text).unwrap_or(Some(sip::Transport::Udp));
        let (host, port) = names::split(&s.address);
        let first = (HostName { host, port, transport: of(&s.transport) }, 0, 1);
        let name = |a: &TrunkAddress| {
            let transport = if a.transport.is_empty() { of(&s.transport) } else { of(&a.transport) };
            (HostName { host: a.host.clone(), port: a.port, transport }, a.priority, a.weight)
        };
        let more = s.details.addresses.iter().map(name);
        Some(first).filter(|(name, _, _)| !name.host.is_empty()).into_iter().chain(more).collect()
    }

    /// The addresses that its names stand for now; those that were there keep what is known of them.
    fn renew_routes(&mut self, now: Duration, known: &HashMap<HostName, Vec<Target>>) {
        let every = self.trunk.settings.details.options_every_s;
        let every = (every > 0).then(|| Duration::from_secs(u64::from(every)));
        let mut old = std::mem::take(&mut self.routes);
        for (name, priority, weight) in self.names() {
            let literal = name.literal();
            let targets = literal.as_slice();
            let targets = if targets.is_empty() { known.get(&name).map_or(&[][..], |t| t) } else { targets };
            for target in targets {
                let flow = Flow { transport: target.transport, peer: target.address, connection: 0 };
                if self.routes.len() >= ROUTES_MAX || self.routes.iter().any(|r| r.flow == flow) {
                    continue;
                }
                let rank = (priority, target.priority);
                let weight = i64::from(weight.max(1)) * i64::from(target.weight.max(1));
                match old.iter().position(|r| r.flow == flow && r.name == name) {
                    Some(at) => {
                        self.routes.push(Route { priority: rank, weight, credit: 0, ..old.swap_remove(at) });
                    }
                    None => self.routes.push(Route {
                        name: name.clone(),
                        flow,
                        priority: rank,
                        weight,
                        credit: 0,
                        circuit: Circuit::new(every, first_probe(now, every)),
                        state: "up",
                        heard_at: now,
                        calls: 0,
                        failures: 0,
                    }),
                }
            }
        }
    }
}

/// Somewhere in the first interval, so that not all trunks are asked at once.
fn first_probe(now: Duration, every: Option<Duration>) -> Duration {
    let spread = every.map_or(0, |e| fastrand::u64(0..=e.as_millis() as u64));
    now + Duration::from_millis(spread)
}

fn transport_param(flow: Flow) -> &'static str {
    match flow.transport {
        sip::Transport::Tcp => ";transport=tcp",
        sip::Transport::Tls => ";transport=tls",
        _ => "",
    }
}

/// Trunks by id.
impl Switch {
    /// Adds or changes a trunk.
    pub fn put_trunk(&mut self, now: Duration, trunk: &Trunk) {
        if self.trunks.get(&trunk.id).is_some_and(|p| p.trunk == *trunk) {
            return;
        }
        let old = self.trunks.remove(&trunk.id);
        let mut peer = Peer { trunk: trunk.clone(), routes: Vec::new(), registration: None, told: None };
        if let Some(old) = old {
            if let Some((registration, _)) = old.registration {
                self.endpoint.unregister(now, registration);
            }
            // Other settings of the watching begin with nothing known.
            if old.trunk.settings.details == trunk.settings.details {
                peer.routes = old.routes;
            }
        }
        peer.renew_routes(now, &self.names_known);
        self.trunks.insert(trunk.id, peer);
        self.trunk_changed(now, trunk.id);
    }

    /// What has to be looked up.
    pub fn names_wanted(&self) -> BTreeSet<HostName> {
        let all = self.trunks.values().flat_map(Peer::names).map(|(name, _, _)| name);
        all.filter(|name| name.literal().is_none()).collect()
    }

    /// A name's addresses are known, or are others than before.
    pub fn name_found(&mut self, now: Duration, found: Found) {
        let Found { name, targets } = found;
        self.names_known.insert(name.clone(), targets);
        let ids: Vec<TrunkId> = self.trunks.keys().copied().collect();
        for id in ids {
            let Some(peer) = self.trunks.get_mut(&id) else { continue };
            if peer.names().iter().any(|(n, _, _)| *n == name) {
                peer.renew_routes(now, &self.names_known);
                self.trunk_changed(now, id);
            }
        }
        let wanted = self.names_wanted();
        self.names_known.retain(|name, _| wanted.contains(name));
    }

    pub fn trunk_views(&self, company: CompanyId) -> Vec<TrunkView> {
        let of = self.trunks.values().filter(|p| p.trunk.settings.company == company);
        let mut views: Vec<TrunkView> = of.map(Peer::view).collect();
        views.sort_by_key(|v| v.trunk);
        views
    }

    /// Something about its addresses is another than before: engine, registration and deadline follow.
    fn trunk_changed(&mut self, now: Duration, id: TrunkId) {
        let Some(peer) = self.trunks.get_mut(&id) else { return };
        for route in &mut peer.routes {
            let (from, to) =
                (std::mem::replace(&mut route.state, route.circuit.state()), route.circuit.state());
            if from != to {
                tracing::info!(address = %route.flow.peer, from, to, "a trunk's address changed its state");
            }
        }
        let settings = peer.settings();
        let company = peer.trunk.settings.company;
        let was_usable = peer.told.as_ref().is_none_or(|t| t.enabled);
        if peer.told.as_ref() != Some(&settings) {
            let name = &peer.trunk.settings.name;
            match (was_usable, settings.enabled) {
                (true, false) if peer.trunk.settings.enabled => {
                    tracing::warn!(trunk = %name, "no address of the trunk can be used: nothing is dialed through it");
                }
                (false, true) => tracing::info!(trunk = %name, "the trunk can be used again"),
                _ => {}
            }
            peer.told = Some(settings.clone());
            self.inputs.push_back((company, Input::Trunk(settings)));
        }
        self.keep_registered(now, id);
        self.admit_trunks();
        let due = self.trunks.values().flat_map(|p| &p.routes).filter_map(|r| r.circuit.due()).min();
        self.trunks_due = due;
    }

    /// With the first address that can be used; on another one when that is gone.
    fn keep_registered(&mut self, now: Duration, id: TrunkId) {
        let Some(peer) = self.trunks.get_mut(&id) else { return };
        let s = &peer.trunk.settings;
        let wanted = s.register && s.enabled;
        let usable = |r: &&Route| r.circuit.state() == "up";
        let best = peer.routes.iter().filter(usable).min_by_key(|r| r.priority).or(peer.routes.first());
        let best = best.filter(|_| wanted).map(|r| (r.flow, r.name.uri_host()));
        let current = peer.registration.map(|(_, flow)| flow);
        let still_good =
            current.is_some_and(|flow| peer.routes.iter().filter(usable).any(|r| r.flow == flow));
        if best.as_ref().map(|(flow, _)| *flow) == current || (wanted && still_good) {
            return;
        }
        if let Some((old, _)) = peer.registration.take() {
            self.endpoint.unregister(now, old);
        }
        if let (Some((flow, host)), Some(credentials)) = (best, peer.credentials()) {
            let register = Register {
                registrar: format!("sip:{host}"),
                flow,
                user: credentials.username.clone(),
                credentials,
                expires: REGISTER_EXPIRES,
            };
            peer.registration = Some((self.endpoint.register(now, register), flow));
        }
    }

    /// Asks addresses whether they are there, and lets those that rested try again.
    pub(super) fn tend_trunks(&mut self, now: Duration) {
        if self.trunks_due.is_none_or(|due| due > now) {
            return;
        }
        let mut changed = Vec::new();
        let mut asks = Vec::new();
        for (id, peer) in &mut self.trunks {
            for route in peer.routes.iter_mut().filter(|r| r.circuit.due().is_some_and(|due| due <= now)) {
                if route.circuit.tend(now) {
                    asks.push((
                        route.flow,
                        format!("sip:{}{}", route.name.uri_host(), transport_param(route.flow)),
                    ));
                }
                changed.push(*id);
            }
        }
        for (flow, target) in asks {
            self.endpoint.options(now, flow, &target);
        }
        changed.dedup();
        for id in changed {
            self.trunk_changed(now, id);
        }
    }

    pub(super) fn options_answered(&mut self, now: Duration, flow: Flow, status: u16) {
        let ids: Vec<TrunkId> = self.trunks.keys().copied().collect();
        for id in ids {
            let route = self.trunks.get_mut(&id).and_then(|p| p.route(flow));
            if let Some(route) = route {
                if status != 408 {
                    route.heard_at = now;
                }
                route.circuit.answered_options(now, status);
                self.trunk_changed(now, id);
            }
        }
    }

    /// Dials: the first INVITE of a call.
    pub(super) fn dial(&mut self, now: Duration, company: CompanyId, dial: Dial) {
        let call = dial.call;
        let Some((invite, flow)) = self.invite_by(&dial, &[]) else {
            return self.tell(company, Input::DialRefused { call });
        };
        let Some(leg) = self.place(now, invite, self.codecs.plain()) else {
            self.took(now, dial.trunk, flow, |circuit| circuit.leave());
            return self.tell(company, Input::DialRefused { call });
        };
        let dialog = leg.dialog;
        self.add_customer(company, &dial, leg);
        self.attempt(now, dialog, Attempt { dial, flow, placed_at: now, tried: vec![flow], redirects: 0 });
    }

    /// The INVITE for the next address that can be used and was not tried; its circuit knows of it.
    fn invite_by(&mut self, dial: &Dial, tried: &[Flow]) -> Option<(Invite, Flow)> {
        let peer = self.trunks.get_mut(&dial.trunk)?;
        let at = peer.choose(tried).filter(|_| peer.trunk.settings.enabled)?;
        let route = &mut peer.routes[at];
        route.circuit.take();
        route.calls += 1;
        let flow = route.flow;
        let target = peer.target(&peer.routes[at], dial.number.as_str());
        Some((peer.invite(dial, target, flow), flow))
    }

    fn attempt(&mut self, now: Duration, dialog: DialogId, attempt: Attempt) {
        let Some(peer) = self.trunks.get(&attempt.dial.trunk) else { return };
        let short = Duration::from_secs(u64::from(peer.trunk.settings.details.silence_max_s));
        let limit = if peer.has_another(&attempt.tried) { short } else { short.max(SILENCE_ALONE) };
        self.endpoint.limit_silence(now, dialog, limit);
        self.attempts.insert(attempt.dial.call, attempt);
    }

    /// Changes a circuit and tells what follows from it.
    fn took(&mut self, now: Duration, trunk: TrunkId, flow: Flow, change: impl FnOnce(&mut Circuit)) {
        let Some(route) = self.trunks.get_mut(&trunk).and_then(|p| p.route(flow)) else { return };
        let before = route.circuit.state();
        change(&mut route.circuit);
        let after = route.circuit.state();
        if before != "up" || after != "up" {
            self.trunk_changed(now, trunk);
        }
    }

    /// Somebody is rung or has answered: the call stays where it is.
    pub(super) fn attempt_arrived(&mut self, now: Duration, dialog: DialogId) {
        let Some(Owner::Customer(call)) = self.dialogs.get(&dialog).copied() else { return };
        if let Some(attempt) = self.attempts.remove(&call) {
            self.heard(now, attempt.dial.trunk, attempt.flow);
            self.took(now, attempt.dial.trunk, attempt.flow, Circuit::works);
        }
    }

    fn heard(&mut self, now: Duration, trunk: TrunkId, flow: Flow) {
        if let Some(route) = self.trunks.get_mut(&trunk).and_then(|p| p.route(flow)) {
            route.heard_at = now;
        }
    }

    /// Our side gave the call up before anybody was rung.
    pub(super) fn attempt_left(&mut self, now: Duration, call: CallId) {
        if let Some(attempt) = self.attempts.remove(&call) {
            self.took(now, attempt.dial.trunk, attempt.flow, Circuit::leave);
        }
    }

    /// A customer's leg failed. True: the call goes on at another address, or was given back; there is nothing to tell.
    pub(super) fn went_elsewhere(
        &mut self,
        now: Duration,
        dialog: DialogId,
        (status, local): (u16, bool),
        elsewhere: Option<Elsewhere>,
    ) -> bool {
        let Some(Owner::Customer(call)) = self.dialogs.get(&dialog).copied() else { return false };
        let Some(mut attempt) = self.attempts.remove(&call) else { return false };
        self.judge(now, &attempt, (status, local), elsewhere.as_ref());
        let Some(elsewhere) = elsewhere else { return false };
        let next = match status {
            300..=399 => self.redirected(&mut attempt, &elsewhere.contacts),
            _ => self.invite_by(&attempt.dial, &attempt.tried),
        };
        if let Some((invite, flow)) = next {
            tracing::info!(from = %attempt.flow.peer, to = %flow.peer, status, "a call is placed at another address");
            attempt.flow = flow;
            attempt.placed_at = now;
            attempt.tried.push(flow);
            self.place_again(now, call, dialog, invite, attempt);
            return true;
        }
        let is_down = self.trunks.get(&attempt.dial.trunk).is_none_or(|p| !p.is_usable());
        let gives_back = is_down && !(300..=399).contains(&status) && self.may_give_back(attempt.dial);
        if gives_back {
            self.give_back(call, dialog);
        }
        gives_back
    }

    /// Nobody was rung and the trunk is out of order: the lead must not pay for it. But when it is the number on which
    /// the trunk falls silent, this must have an end.
    fn may_give_back(&mut self, dial: Dial) -> bool {
        if self.given_back.len() >= GIVEN_BACK_MAX {
            self.given_back.clear();
        }
        let key = (dial.trunk, dial.number.as_str().to_owned());
        let times = self.given_back.entry(key.clone()).or_default();
        *times += 1;
        let may = *times <= GIVE_BACKS;
        if !may {
            self.given_back.remove(&key);
        }
        may
    }

    /// What the end of an attempt says about the address.
    fn judge(&mut self, now: Duration, attempt: &Attempt, outcome: (u16, bool), e: Option<&Elsewhere>) {
        let trunk = attempt.dial.trunk;
        let Some(route) = self.trunks.get_mut(&trunk).and_then(|p| p.route(attempt.flow)) else { return };
        let silence = if route.heard_at < attempt.placed_at { Fault::Gone } else { Fault::Silence };
        let fault = match (outcome, e) {
            ((503, false), Some(e)) => Some(e.retry_after.map_or(Fault::Refused, Fault::RefusedFor)),
            ((_, true), Some(_)) => Some(silence),
            _ => None,
        };
        if fault.is_some() {
            route.failures += 1;
        }
        if !outcome.1 {
            route.heard_at = now;
        }
        self.took(now, trunk, attempt.flow, |circuit| match (fault, outcome) {
            (Some(fault), _) => circuit.failed(now, fault),
            // Any answer of its own shows that it works.
            (None, (_, false)) => circuit.works(),
            (None, (_, true)) => circuit.leave(),
        });
    }

    /// The INVITE for the first Contact that can be followed: the number that it names, at the trunk. Where the Contact is
    /// one of the trunk's own addresses the call goes there; a redirect cannot send it to strangers.
    fn redirected(&mut self, attempt: &mut Attempt, contacts: &[String]) -> Option<(Invite, Flow)> {
        let peer = self.trunks.get_mut(&attempt.dial.trunk)?;
        if attempt.redirects >= peer.trunk.settings.details.redirects_max {
            return None;
        }
        attempt.redirects += 1;
        let contact = contacts.iter().find(|c| c.starts_with("sip:") && c.len() < 256)?;
        let host = contact.rsplit_once('@').map_or(&contact[4..], |(_, host)| host);
        let host = host.split([';', '?']).next().unwrap_or(host);
        let named = names::split(host);
        let address = |r: &&Route| {
            let port = named.1.unwrap_or(names::default_port(r.flow.transport));
            (r.name.host == named.0 && r.name.port.is_none_or(|p| p == port))
                || (r.flow.peer.ip().to_string() == named.0 && r.flow.peer.port() == port)
        };
        let flow = peer.routes.iter().find(address).map_or(attempt.flow, |r| r.flow);
        let target = contact.split('?').next().unwrap_or(contact).to_owned();
        Some((peer.invite(&attempt.dial, target, flow), flow))
    }

    /// The same leg, another INVITE.
    fn place_again(
        &mut self,
        now: Duration,
        call: CallId,
        old: DialogId,
        mut invite: Invite,
        attempt: Attempt,
    ) {
        let Some(leg) = self.calls.get_mut(&call).and_then(|c| c.customer.as_mut()) else { return };
        leg.protection = secure::protection(&self.relay, self.srtp, invite.flow.transport);
        invite.sdp = sdp::offer(leg.address, &leg.formats, leg.media.0, leg.protection.as_ref());
        let dialog = self.endpoint.invite(now, invite);
        leg.dialog = dialog;
        self.dialogs.remove(&old);
        self.dialogs.insert(dialog, Owner::Customer(call));
        self.attempt(now, dialog, attempt);
    }

    fn give_back(&mut self, call: CallId, dialog: DialogId) {
        let Some(state) = self.calls.get_mut(&call) else { return };
        let (company, leg) = (state.company, state.customer.take());
        self.dialogs.remove(&dialog);
        if let Some(leg) = leg {
            self.drop_leg(&leg);
        }
        // An agent may be there who waits for the customer.
        self.forget_if_over(call);
        self.tell(company, Input::DialRefused { call });
    }
}

impl Peer {
    fn invite(&self, dial: &Dial, target: String, flow: Flow) -> Invite {
        let d = &self.trunk.settings.details;
        let (from_user, from_display) = match (d.privacy, d.from_user.as_str()) {
            (true, _) => ("anonymous".to_owned(), "Anonymous".to_owned()),
            (false, "") => (self.caller_user(&dial.caller_id), String::new()),
            (false, user) => (user.to_owned(), String::new()),
        };
        Invite {
            target,
            flow,
            from_user,
            from_display,
            to: String::new(),
            sdp: Vec::new(),
            credentials: self.credentials(),
            headers: self.identity(&dial.caller_id),
        }
    }

    /// RFC 3325: what only the carrier is to know and to use.
    fn identity(&self, caller_id: &str) -> Vec<(String, String)> {
        let d = &self.trunk.settings.details;
        let number = match d.asserted_identity.as_str() {
            "caller_id" => caller_id,
            fixed => fixed,
        };
        let mut headers = Vec::new();
        if let (false, Some(route)) = (number.is_empty(), self.routes.first()) {
            headers.push((
                "P-Asserted-Identity".to_owned(),
                format!("<sip:{number}@{}>", route.name.uri_host()),
            ));
        }
        if d.privacy {
            headers.push(("Privacy".to_owned(), "id".to_owned()));
        }
        headers
    }
}
