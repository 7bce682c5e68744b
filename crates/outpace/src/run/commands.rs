//! Commands for calls: handed to the engine, answered by it; and the rows of calls that are no campaign's.

use engine::{CallCommand, CallId, CompanyId, Input, Refusal, RequestId};
use store::StoreError;
use tokio::sync::oneshot;

use super::turn::Dialer;

/// Who waits for the answer to a command.
pub type Answer = oneshot::Sender<Result<(), Refusal>>;

impl Dialer {
    /// The engine answers in the same turn; a company that is not there answers by dropping `reply`.
    pub(super) fn call_command(&mut self, company: CompanyId, command: CallCommand, reply: Answer) {
        let request = RequestId(self.request_next);
        self.request_next += 1;
        self.answers.insert(request, reply);
        self.input(company, Input::Command { request, command });
        if !self.has_company(company) {
            self.answers.remove(&request);
        }
    }

    pub(super) fn answer(&mut self, request: RequestId, result: Result<(), Refusal>) {
        if let Some(reply) = self.answers.remove(&request) {
            // Whoever asked may have gone; the command is carried out all the same.
            let _ = reply.send(result);
        }
    }

    pub(super) fn direct_opened(&mut self, company: CompanyId, call: CallId, result: store::Result<()>) {
        let input = match result {
            Ok(()) => Input::DirectOpened { call },
            Err(StoreError::Refused(_)) => {
                self.switch.forbid(call);
                Input::DirectNotOpened { call }
            }
            Err(error) => {
                tracing::error!(%error, %call, "the row of a call could not be written; it is not placed");
                Input::DirectNotOpened { call }
            }
        };
        self.input(company, input);
    }

    pub(super) fn direct_saved(&mut self, company: CompanyId, call: CallId, result: store::Result<()>) {
        let input = match result {
            Ok(()) => Input::DirectSaved { call },
            Err(StoreError::NotFound(_)) => {
                tracing::error!(%call, "a result has no call row in the store; it is dropped");
                Input::DirectSaved { call }
            }
            Err(error) => {
                tracing::error!(%error, %call, "a result could not be saved; it is kept and tried again");
                Input::DirectSaveFailed { call }
            }
        };
        self.input(company, input);
    }
}
