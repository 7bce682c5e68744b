//! What a company's extensions may dial, and which calls of customers are taken.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::{GroupId, InboundNumber, InboundRule};
use serde::Deserialize;

use super::CallerIdConfig;

/// What extensions may dial at their phones.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundConfig {
    pub allow: Vec<String>,
    pub deny: Vec<String>,
    /// Empty: the automatic ones in turns.
    pub caller_id: String,
    pub calls_per_minute_max: u32,
    pub calls_per_day_max: u32,
}

impl Default for OutboundConfig {
    fn default() -> OutboundConfig {
        OutboundConfig {
            allow: Vec::new(),
            deny: Vec::new(),
            caller_id: String::new(),
            calls_per_minute_max: 10,
            calls_per_day_max: 500,
        }
    }
}

impl OutboundConfig {
    pub fn rule(&self) -> engine::OutboundRule {
        engine::OutboundRule {
            allow: self.allow.clone(),
            deny: self.deny.clone(),
            caller_id: self.caller_id.clone(),
            per_minute_max: self.calls_per_minute_max,
            per_day_max: self.calls_per_day_max,
        }
    }
}

/// Calls of customers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InboundConfig {
    pub enabled: bool,
    /// Name of the group that takes calls of customers whom nobody called before; empty: none.
    pub group: String,
    pub ring_s: f64,
    pub wait_s: f64,
}

impl Default for InboundConfig {
    fn default() -> InboundConfig {
        InboundConfig { enabled: false, group: String::new(), ring_s: 15.0, wait_s: 60.0 }
    }
}

impl InboundConfig {
    /// `caller_ids`: those that are enabled. `configured`: what the file says of some of them. `groups`: the company's.
    pub fn rule<'a>(
        &self,
        caller_ids: impl Iterator<Item = &'a str>,
        configured: &[CallerIdConfig],
        groups: &BTreeMap<&str, GroupId>,
    ) -> InboundRule {
        let mut numbers = BTreeMap::new();
        for number in caller_ids {
            let own = configured.iter().find(|c| c.number == number);
            if !own.and_then(|c| c.inbound).unwrap_or(self.enabled) {
                continue;
            }
            let name = own.map(|c| c.inbound_group.as_str()).filter(|name| !name.is_empty());
            let group = groups.get(name.unwrap_or(&self.group)).copied();
            numbers.insert(number.to_owned(), InboundNumber { group });
        }
        let time = |s: f64| Duration::try_from_secs_f64(s).unwrap_or_default();
        InboundRule { numbers, ring: time(self.ring_s), wait: time(self.wait_s) }
    }
}
