//! REFER: an agent's phone hands its call to another extension (RFC 3515, RFC 5589 §6).

use std::time::Duration;

use engine::{AgentId, Input, Refusal};
use sip::DialogId;

use super::{Owner, Switch};

impl Switch {
    pub(super) fn refer(&mut self, now: Duration, dialog: DialogId, target: &str) {
        match self.whom(dialog, target) {
            Ok((agent, to)) => {
                self.endpoint.refer_result(now, dialog, 100);
                self.refers.insert(agent, dialog);
                if let Some(company) = self.company_of(agent) {
                    self.tell(company, Input::Referred { agent, to });
                }
            }
            Err(status) => self.endpoint.refer_result(now, dialog, status),
        }
    }

    /// Whose phone asks, and who is to have the call. Else the status that says why not.
    fn whom(&self, dialog: DialogId, target: &str) -> Result<(AgentId, AgentId), u16> {
        let agent = match self.dialogs.get(&dialog) {
            Some(Owner::Offer(_, agent) | Owner::Kept(agent)) => *agent,
            // Customers' networks hand nothing over.
            Some(Owner::Customer(_)) => return Err(403),
            None => return Err(481),
        };
        let rest = target.strip_prefix("sip:").or_else(|| target.strip_prefix("sips:")).ok_or(416u16)?;
        if rest.split_once('?').is_some_and(|(_, headers)| headers.to_ascii_lowercase().contains("replaces="))
        {
            return Err(501);
        }
        let user = rest.split(['@', ';', '?']).next().unwrap_or_default();
        let to = self.agent_by_extension.get(user).copied().ok_or(404u16)?;
        if self.company_of(to) != self.company_of(agent) {
            return Err(404);
        }
        Ok((agent, to))
    }

    pub(super) fn referred(&mut self, now: Duration, agent: AgentId, result: Result<(), Refusal>) {
        let Some(dialog) = self.refers.remove(&agent) else { return };
        let status = match result {
            Ok(()) => 200,
            Err(Refusal::TargetBusy | Refusal::Busy) => 486,
            Err(Refusal::NotInCall) => 481,
            Err(_) => 480,
        };
        self.endpoint.refer_result(now, dialog, status);
    }
}
