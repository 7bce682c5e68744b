//! How a call ended: the system's words for it and the hang-up codes.

/// What the system saw.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// Customer and agent talked.
    Connected,
    /// A person answered and no agent came.
    Abandoned,
    Machine,
    NoAnswer,
    Busy,
    Rejected,
    /// The number does not exist.
    Invalid,
    /// The network or the trunk failed.
    Failed,
    /// A rule forbade the call.
    Blocked,
    /// The server died while the call was in flight.
    Lost,
}

impl Outcome {
    pub const ALL: [Outcome; 10] = [
        Outcome::Connected,
        Outcome::Abandoned,
        Outcome::Machine,
        Outcome::NoAnswer,
        Outcome::Busy,
        Outcome::Rejected,
        Outcome::Invalid,
        Outcome::Failed,
        Outcome::Blocked,
        Outcome::Lost,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Connected => "connected",
            Outcome::Abandoned => "abandoned",
            Outcome::Machine => "machine",
            Outcome::NoAnswer => "no_answer",
            Outcome::Busy => "busy",
            Outcome::Rejected => "rejected",
            Outcome::Invalid => "invalid",
            Outcome::Failed => "failed",
            Outcome::Blocked => "blocked",
            Outcome::Lost => "lost",
        }
    }

    pub fn from_name(name: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|o| o.name() == name)
    }

    /// A person picked up.
    pub const fn is_answered(self) -> bool {
        matches!(self, Outcome::Connected | Outcome::Abandoned)
    }
}

/// Hang-up cause, in the numbers of the compatible API.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Cause(pub u16);

impl Cause {
    pub const NORMAL: Cause = Cause(10001);
    pub const CANCELLED: Cause = Cause(10002);
    pub const DECLINED: Cause = Cause(10003);
    pub const TRUNK_FAILED: Cause = Cause(10004);
    pub const NOT_PICKED_UP: Cause = Cause(10005);
    pub const BUSY: Cause = Cause(10006);
    pub const PLATFORM: Cause = Cause(10007);
    pub const NOT_REGISTERED: Cause = Cause(10008);
    pub const UNREACHABLE: Cause = Cause(10009);
    pub const TIMER: Cause = Cause(10011);
    pub const NO_SUCH_EXTENSION: Cause = Cause(10013);
    pub const NOT_FOUND: Cause = Cause(10014);
    pub const REQUEST_TIMEOUT: Cause = Cause(10015);
    pub const NO_ANSWER: Cause = Cause(10016);
    pub const GONE: Cause = Cause(10017);
    pub const OTHER: Cause = Cause(10020);
    pub const BAD_REQUEST: Cause = Cause(10024);
    pub const FORBIDDEN: Cause = Cause(10025);
    pub const NUMBER_CHANGED: Cause = Cause(10027);
    pub const BLOCKED: Cause = Cause(10028);
    pub const UNKNOWN: Cause = Cause(10031);
}

/// Who ended the call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum HangupBy {
    Customer,
    Agent,
    Platform,
    Unknown,
}

impl HangupBy {
    pub const fn name(self) -> &'static str {
        match self {
            HangupBy::Customer => "customer",
            HangupBy::Agent => "agent",
            HangupBy::Platform => "platform",
            HangupBy::Unknown => "unknown",
        }
    }

    pub fn from_name(name: &str) -> HangupBy {
        match name {
            "customer" => HangupBy::Customer,
            "agent" => HangupBy::Agent,
            "platform" => HangupBy::Platform,
            _ => HangupBy::Unknown,
        }
    }
}

/// Why a leg was not answered. The switch maps SIP and Q.850 to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure {
    pub outcome: Outcome,
    pub cause: Cause,
    /// SIP status of the final response; 0 when none came.
    pub sip_status: u16,
}
