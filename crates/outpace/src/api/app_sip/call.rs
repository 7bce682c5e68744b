//! `App.Sip_Call`: commands for a live call.

use super::Caller;
use super::code::Code;
use super::envelope::{Done, Failure, Reply};
use crate::handle::Command;

/// `HangupCall`
pub async fn hang_up(caller: &Caller) -> Reply {
    let number = caller.parameters().required("extnumber")?;
    let extension = caller.extension(number).await?;
    let agents = caller.agents().await?;
    if agents.get(&extension.id).is_none_or(|a| a.call.is_none()) {
        return Err(Failure::about(Code::NOT_IN_CALL, number));
    }
    caller.tell(Command::HangUp { company: caller.id(), agent: extension.id }).await?;
    Done::empty()
}
