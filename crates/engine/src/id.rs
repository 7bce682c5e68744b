//! Newtypes for every id. Rows get their ids from the store; calls get theirs from the engine.

use std::fmt;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident($int:ty);)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub $int);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    )*};
}

id! {
    /// The tenant: everything belongs to one.
    CompanyId(i64);
    /// A campaign (a task on the `App.Sip_*` wire).
    CampaignId(i64);
    /// One number to reach.
    LeadId(i64);
    /// An agent, by the extension at which the agent is reached.
    AgentId(i64);
    /// Agents who share campaigns.
    GroupId(i64);
    /// A SIP peer that calls are sent through.
    TrunkId(i64);
    /// One request for leads; answered once.
    LeaseId(u64);
}

/// One attempt to reach one lead: a UUIDv7 (RFC 9562 §5.7), so that ids sort by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub u128);

impl CallId {
    /// `unix_ms`: milliseconds since the Unix epoch (48 bits used). `random`: 74 bits used.
    pub fn from_parts(unix_ms: u64, random: u128) -> CallId {
        let time = u128::from(unix_ms & 0xffff_ffff_ffff) << 80;
        let rand_a = (random >> 64) & 0x0fff;
        let rand_b = random & 0x3fff_ffff_ffff_ffff;
        CallId(time | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b)
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<CallId> {
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        if hex.len() != 32 {
            return None;
        }
        u128::from_str_radix(&hex, 16).ok().map(CallId)
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let h = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_id_is_a_version_7_uuid_and_reads_back() {
        let id = CallId::from_parts(1_700_000_000_000, u128::MAX);
        let text = id.to_string();
        assert_eq!(&text[14..15], "7");
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"));
        assert_eq!(CallId::parse(&text), Some(id));
    }
}
