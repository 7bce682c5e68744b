//! Requests of ours within calls that are up.

use super::{DialogId, Endpoint};
use crate::dialog::{Phase, id_of_tag};
use crate::message::{Method, Replaces, reason_phrase};
use std::time::Duration;

impl Endpoint {
    /// Sends INFO (RFC 6086) in a dialog that is up. Whether the far end takes it is not told.
    pub fn info(&mut self, now: Duration, dialog: DialogId, content_type: &str, body: &[u8]) {
        self.with_dialog(dialog, |dialog, core| {
            dialog.send_within(core, now, Method::Info, &[], (content_type, body));
        });
    }

    /// The dialog with this Call-ID and these two tags, whichever of them is ours.
    pub fn find_dialog(&self, call_id: &str, tags: [&str; 2]) -> Option<DialogId> {
        let is_it = |ours: &str, theirs: &str| {
            let id = id_of_tag(ours.as_bytes())?;
            let dialog = self.dialogs.get(&id.0)?;
            let same = dialog.call_id == call_id.as_bytes() && dialog.remote_tag == theirs.as_bytes();
            same.then_some(id)
        };
        is_it(tags[0], tags[1]).or_else(|| is_it(tags[1], tags[0]))
    }

    /// The dialog whose place is wanted, else the status that says why not (RFC 3891 §3).
    pub fn replaced_dialog(&self, wanted: &Replaces) -> Result<DialogId, u16> {
        let id = id_of_tag(wanted.to_tag.as_bytes()).ok_or(481u16)?;
        let dialog =
            self.dialogs.get(&id.0).filter(|d| d.call_id == wanted.call_id.as_bytes()).ok_or(481u16)?;
        // Before the answer, branches of our INVITE have tags of their own.
        if dialog.phase != Phase::Calling && dialog.remote_tag != wanted.from_tag.as_bytes() {
            return Err(481);
        }
        match dialog.phase {
            // Only who called can let another one answer.
            Phase::Incoming => Err(481),
            Phase::Calling => Ok(id),
            Phase::Answered | Phase::Up if wanted.early_only => Err(486),
            Phase::Answered | Phase::Up => Ok(id),
            Phase::Ending | Phase::Over => Err(603),
        }
    }

    /// Tells by NOTIFY what came of a REFER (RFC 3515 §2.4.5): a provisional status, or a final one, with which it is over.
    pub fn refer_result(&mut self, now: Duration, dialog: DialogId, status: u16) {
        self.with_dialog(dialog, |dialog, core| {
            let state = if status < 200 { "active;expires=60" } else { "terminated;reason=noresource" };
            let body = format!("SIP/2.0 {status} {}\r\n", reason_phrase(status));
            let headers = [("Event", "refer"), ("Subscription-State", state)];
            let kind = "message/sipfrag;version=2.0";
            dialog.send_within(core, now, Method::Notify, &headers, (kind, body.as_bytes()));
        });
    }
}
