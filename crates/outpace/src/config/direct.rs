//! What a company's extensions may dial, and which calls of customers are taken.

use serde::Deserialize;
use store::InboundSettings;

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
    pub fn settings(&self) -> InboundSettings {
        let ms = |s: f64| (s * 1000.0) as u32;
        InboundSettings {
            enabled: self.enabled,
            group: self.group.clone(),
            ring_ms: ms(self.ring_s),
            wait_ms: ms(self.wait_s),
        }
    }
}
