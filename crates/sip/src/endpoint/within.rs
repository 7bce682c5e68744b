//! Requests of ours within calls that are up.

use super::{DialogId, Endpoint};
use crate::dialog::id_of_tag;
use crate::message::{Method, reason_phrase};
use std::time::Duration;

impl Endpoint {
    /// Sends INFO (RFC 6086) in a dialog that is up. Whether the far end takes it is not told.
    pub fn info(&mut self, now: Duration, dialog: DialogId, content_type: &str, body: &[u8]) {
        self.with_dialog(dialog, |dialog, core| {
            dialog.send_within(core, now, Method::Info, &[], (content_type, body));
        });
    }

    /// The dialog with this Call-ID and these two tags, whichever of them is ours.
    pub fn find_dialog(&self, call_id: &str, tags: &[String; 2]) -> Option<DialogId> {
        let is_it = |ours: &String, theirs: &String| {
            let id = id_of_tag(ours.as_bytes())?;
            let dialog = self.dialogs.get(&id.0)?;
            let same = dialog.call_id == call_id.as_bytes() && dialog.remote_tag == theirs.as_bytes();
            same.then_some(id)
        };
        is_it(&tags[0], &tags[1]).or_else(|| is_it(&tags[1], &tags[0]))
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
