//! What waits to be told to a company's own URLs.

use std::time::Duration;

use super::*;

/// An event that could not be delivered for so long is given up.
pub const EVENT_LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Events that were given up are kept so long after that.
pub(crate) const DEAD_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// Events that one verb gives up at most, so that it stays short.
pub(crate) const GIVEN_UP_MAX: usize = 500;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PushKind {
    TaskStatus,
    ExtensionState,
    Bill,
}

impl PushKind {
    pub const ALL: [PushKind; 3] = [PushKind::TaskStatus, PushKind::ExtensionState, PushKind::Bill];

    pub const fn name(self) -> &'static str {
        match self {
            PushKind::TaskStatus => "task_status",
            PushKind::ExtensionState => "extension_state",
            PushKind::Bill => "bill",
        }
    }

    pub fn from_name(name: &str) -> Option<PushKind> {
        PushKind::ALL.into_iter().find(|k| k.name() == name)
    }
}

/// Where a company wants to be told what, and how. An empty URL: not at all.
#[derive(Clone, PartialEq, Eq)]
pub struct PushSettings {
    pub company: CompanyId,
    pub task_status_url: String,
    pub extension_state_url: String,
    pub bill_url: String,
    /// Extension states as a form field `detail` with the JSON text, instead of JSON.
    pub detail_form: bool,
    /// Key of the signature; empty: not signed.
    pub secret: String,
    /// The URLs may lead to private addresses.
    pub allow_private: bool,
}

impl std::fmt::Debug for PushSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the secret; and URLs carry secrets of their own at times.
        f.debug_struct("PushSettings").field("company", &self.company).finish_non_exhaustive()
    }
}

impl PushSettings {
    pub fn url(&self, kind: PushKind) -> &str {
        match kind {
            PushKind::TaskStatus => &self.task_status_url,
            PushKind::ExtensionState => &self.extension_state_url,
            PushKind::Bill => &self.bill_url,
        }
    }
}

/// One thing to tell. Those of one call are told in the order of their ids.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub id: i64,
    pub company: CompanyId,
    pub kind: PushKind,
    pub call: Option<CallId>,
    /// JSON text.
    pub body: String,
    pub created_at: Timestamp,
    /// Given up when it was not delivered until then.
    pub expires_at: Timestamp,
    /// Failed so often.
    pub attempts: u32,
    /// Why it failed last; empty: it did not.
    pub error: String,
}

impl Event {
    /// What receivers tell repetitions by: a UUID, the same at every attempt, and no other event's.
    pub fn public_id(&self) -> String {
        let ms = u64::try_from(self.created_at.unix_millis()).unwrap_or(0);
        CallId::from_parts(ms, u128::from(self.id.unsigned_abs())).to_string()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EventState {
    /// Told as soon as it is due.
    Pending,
    /// An earlier one of its call was not told yet.
    Waiting,
    /// Given up.
    Dead,
}

impl EventState {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            EventState::Pending => "pending",
            EventState::Waiting => "waiting",
            EventState::Dead => "dead",
        }
    }
}

/// Something that happened to one side of a call, to be told as an extension state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LegState {
    pub call: CallId,
    /// Who has the call, or is being rung for it.
    pub agent: Option<AgentId>,
    pub side: Side,
    pub status: LegStatus,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Customer,
    Agent,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LegStatus {
    Ring,
    Answer,
    Hangup,
}

impl LegStatus {
    pub const fn name(self) -> &'static str {
        match self {
            LegStatus::Ring => "ring",
            LegStatus::Answer => "answer",
            LegStatus::Hangup => "hangup",
        }
    }
}
