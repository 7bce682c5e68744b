//! What a network said of who calls.

use engine::{CallId, CompanyId};
use serde::{Deserialize, Serialize};

/// As it came, verified by nobody.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CallerIdentity {
    /// Identity header fields (RFC 8224).
    pub identities: Vec<String>,
    /// User part of P-Asserted-Identity (RFC 3325).
    pub asserted: Option<String>,
}

/// Of a call that came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identified {
    pub company: CompanyId,
    pub call: CallId,
    pub identity: CallerIdentity,
}
