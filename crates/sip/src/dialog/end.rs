//! The end of a call (RFC 3261 §9, §15).

use super::{Cancel, Dialog, Phase};
use crate::core::Core;
use crate::endpoint::{EndedBy, Flow};
use crate::message::{Message, Method, cancel_for};
use crate::transaction::{ClientKey, Owner};
use std::time::Duration;

impl Dialog {
    /// Ends the call in the way that its state asks for.
    pub fn hang_up(&mut self, core: &mut Core, now: Duration) {
        match self.phase {
            Phase::Calling => {
                self.keep_answer = false;
                self.stop_calling(core, now);
            }
            Phase::Incoming => self.withdraw(core, now, 480, (487, true), None),
            Phase::Answered => {
                // RFC 3261 §15: no BYE before the ACK, or before there was none for 64*T1.
                self.ended(core, EndedBy::Local, None);
                self.phase = Phase::Ending;
            }
            Phase::Up => {
                self.ended(core, EndedBy::Local, None);
                self.bye(core, now);
            }
            Phase::Ending | Phase::Over => {}
        }
    }

    /// Ends the call unless it is answered before the far end hears of that.
    pub fn cancel(&mut self, core: &mut Core, now: Duration) {
        if self.phase == Phase::Calling && self.cancel == Cancel::NotWanted {
            self.keep_answer = true;
            self.stop_calling(core, now);
        }
    }

    fn stop_calling(&mut self, core: &mut Core, now: Duration) {
        let Some(key) = self.invite.filter(|_| self.cancel == Cancel::NotWanted) else { return };
        self.cancel = Cancel::Wanted;
        if core.clients.is_proceeding(key) {
            self.send_cancel(core, now);
        }
    }

    /// RFC 3261 §9.1.
    pub fn send_cancel(&mut self, core: &mut Core, now: Duration) {
        let Some(invite) = self.invite else { return };
        let (Some(request), Some(flow)) = (core.clients.request_of(invite), core.clients.flow_of(invite))
        else {
            return;
        };
        self.cancel = Cancel::Sent;
        let key = ClientKey { cancel: true, ..invite };
        core.start(now, key, Owner::Nobody, Method::Cancel, (flow, cancel_for(&request)));
        core.clients.give_up_later(&mut core.io, now, invite);
    }

    /// Sends BYE; our side has heard of the end, or hears of it by the caller.
    pub fn bye(&mut self, core: &mut Core, now: Duration) {
        self.phase = Phase::Ending;
        core.io.timers.cancel_dialog(self.id.0);
        self.drop_incoming(core, now);
        self.stop_repeating(core);
        self.queued_offer = None;
        self.outgoing = None;
        let hop = self.next_hop(core);
        let key = core.new_key();
        self.local_cseq += 1;
        let uri = super::route::request_line(&self.target, &self.routes).0.into_owned();
        let auth = self.authenticate(core, Method::Bye, &uri, b"");
        let mut writer = self.request(core, Method::Bye, self.local_cseq, key, hop);
        for (_, label, value) in auth {
            writer.field(label, value);
        }
        core.start(now, key, Owner::Bye(self.id), Method::Bye, (hop, writer.finish()));
    }

    /// The far end is gone: tells our side, and tries a BYE all the same.
    pub fn lose(&mut self, core: &mut Core, now: Duration) {
        if self.is_live() {
            self.ended(core, EndedBy::Timeout, None);
            self.bye(core, now);
        }
    }

    /// Final response to our BYE.
    pub fn on_bye_answered(
        &mut self,
        core: &mut Core,
        now: Duration,
        sent: (Flow, &[u8]),
        response: &Message,
    ) {
        if self.phase == Phase::Ending && !self.try_again(core, now, Owner::Bye(self.id), sent, response) {
            self.phase = Phase::Over;
        }
    }

    /// No answer to our BYE.
    pub fn on_bye_silence(&mut self) {
        if self.phase == Phase::Ending {
            self.phase = Phase::Over;
        }
    }

    /// BYE from the far end; its answer has been sent.
    pub fn on_bye(&mut self, core: &mut Core, now: Duration, bye: &Message) {
        match self.phase {
            Phase::Calling => {
                // The far end gave up on an answer that never reached us. A 2xx that still comes is ended as a fork.
                if self.cancel != Cancel::Sent {
                    self.send_cancel(core, now);
                }
                self.failed(core, 487, false, Some(bye));
            }
            Phase::Incoming => self.withdraw(core, now, 487, (487, false), Some(bye)),
            Phase::Answered | Phase::Up => self.ended(core, EndedBy::Remote, bye.q850()),
            Phase::Ending | Phase::Over => {}
        }
        self.stop_repeating(core);
        self.drop_incoming(core, now);
        self.phase = Phase::Over;
    }

    /// No ACK is waited for any more.
    fn stop_repeating(&mut self, core: &mut Core) {
        if let Some(waiting) = self.unacknowledged.take() {
            core.servers.acknowledge_answer(&mut core.io, waiting.server);
        }
    }
}
