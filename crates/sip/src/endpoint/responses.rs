//! Responses, and their absence, to whoever waits for them.

use super::{Endpoint, Event, Flow};
use crate::dialog::end_fork;
use crate::message::{Message, check_response};
use crate::transaction::{ClientKey, Owner, Reaction};
use std::time::Duration;

impl Endpoint {
    pub(super) fn on_response(&mut self, now: Duration, _flow: Flow, response: &Message) {
        if check_response(response).is_err() {
            return;
        }
        match self.core.clients.receive(&mut self.core.io, now, response) {
            Reaction::Absorbed => {}
            Reaction::Provisional(Owner::Invite(id)) => {
                self.with_dialog(id, |dialog, core| dialog.on_provisional(core, now, response));
            }
            Reaction::Provisional(_) => {}
            Reaction::Answer { owner, key, first, flow } => {
                self.on_answer(now, owner, (key, first, flow), response);
            }
            Reaction::Final { owner, flow, request } => self.on_final(now, owner, flow, &request, response),
        }
    }

    /// A 2xx to an INVITE.
    fn on_answer(
        &mut self,
        now: Duration,
        owner: Owner,
        (key, first, flow): (ClientKey, bool, Flow),
        response: &Message,
    ) {
        match owner {
            Owner::Invite(id) if first && self.dialogs.contains_key(&id.0) => {
                self.with_dialog(id, |dialog, core| dialog.on_answer(core, now, key, flow, response));
            }
            // A re-INVITE does not fork: only the dialog's own far end can answer it.
            Owner::Reinvite(id) if self.dialogs.contains_key(&id.0) => {
                self.with_dialog(id, |dialog, core| {
                    if first && response.to_tag() == Some(&dialog.remote_tag) {
                        dialog.on_reinvite_answer(core, now, key, response);
                    }
                });
            }
            _ => {
                let pinned = self.registrar.is_bound_flow(flow);
                end_fork(&mut self.core, now, key, flow, pinned, response);
            }
        }
    }

    fn on_final(&mut self, now: Duration, owner: Owner, flow: Flow, request: &[u8], response: &Message) {
        let accepted = response.status() < 300;
        let sent = (flow, request);
        match owner {
            Owner::Nobody => {}
            Owner::Invite(id) => {
                self.with_dialog(id, |dialog, core| dialog.on_refusal(core, now, flow, request, response));
            }
            Owner::Update(id) if accepted => {
                self.with_dialog(id, |dialog, core| dialog.on_change_accepted(core, now, response));
            }
            Owner::Update(id) | Owner::Reinvite(id) => {
                self.with_dialog(id, |dialog, core| {
                    dialog.on_change_refused(core, now, owner, sent, response)
                });
            }
            Owner::Bye(id) => {
                self.with_dialog(id, |dialog, core| dialog.on_bye_answered(core, now, sent, response));
            }
            Owner::Registration(id) => self.on_register_answered(now, id, request, response),
            Owner::Options => {
                self.core.io.event(Event::OptionsResult { flow, status: response.status() });
            }
        }
    }

    /// No final response came: 408 in time, 503 when the transport failed.
    pub(super) fn on_silence(&mut self, now: Duration, owner: Owner, flow: Flow, status: u16) {
        match owner {
            Owner::Nobody => {}
            Owner::Invite(id) => self.with_dialog(id, |dialog, core| dialog.on_silence(core, status)),
            Owner::Reinvite(id) | Owner::Update(id) => {
                self.with_dialog(id, |dialog, core| dialog.on_change_silence(core, now));
            }
            Owner::Bye(id) => self.with_dialog(id, |dialog, _| dialog.on_bye_silence()),
            Owner::Registration(id) => self.on_register_failed(now, id, status),
            Owner::Options => self.core.io.event(Event::OptionsResult { flow, status }),
        }
    }
}
