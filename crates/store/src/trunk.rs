//! How a trunk is reached and watched, beyond its first address.

use serde::{Deserialize, Serialize};

/// Stored as JSON: a key that is missing has its default.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct TrunkDetails {
    /// More places than the one address of the trunk, which may be empty.
    pub addresses: Vec<TrunkAddress>,
    /// Seconds between two OPTIONS that ask an address whether it is there; 0: it is not asked.
    pub options_every_s: u32,
    /// Seconds without any response to an INVITE after which the next address is tried.
    pub silence_max_s: u32,
    /// Redirects (3xx) that one call follows; 0: a redirect is a refusal.
    pub redirects_max: u32,
    /// The authorities that may vouch for the trunk's TLS certificate: PEM, or a file of it; empty: those of the system.
    pub tls_ca: String,
    /// User part of From and Contact in place of the caller id; empty: the caller id.
    pub from_user: String,
    /// Number in P-Asserted-Identity (RFC 3325); empty: none; `caller_id`: that of the call.
    pub asserted_identity: String,
    /// The customer is not to see who calls: From is anonymous, and `Privacy: id`.
    pub privacy: bool,
    /// Identity headers (RFC 8224) of calls that come from it go on to the phones that ring for them.
    pub pass_identity: bool,
}

/// One place at which a trunk takes calls.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkAddress {
    /// Name or IP address.
    pub host: String,
    /// None: what DNS says, else the transport's own.
    #[serde(default)]
    pub port: Option<u16>,
    /// Empty: that of the trunk.
    #[serde(default)]
    pub transport: String,
    /// Lower ones are used first; higher ones when no lower one can be.
    #[serde(default)]
    pub priority: u16,
    /// Share of the calls among those of one priority.
    #[serde(default = "one")]
    pub weight: u16,
}

fn one() -> u16 {
    1
}

impl Default for TrunkDetails {
    fn default() -> TrunkDetails {
        TrunkDetails {
            addresses: Vec::new(),
            options_every_s: 30,
            silence_max_s: 5,
            redirects_max: 0,
            tls_ca: String::new(),
            from_user: String::new(),
            asserted_identity: String::new(),
            privacy: false,
            pass_identity: true,
        }
    }
}
