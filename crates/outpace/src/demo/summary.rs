//! The tables at the end of the demo.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use comfy_table::modifiers::UTF8_ROUND_CORNERS;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::handle::Stats;
use crate::lab::agents::HeardCustomer;
use crate::lab::ledger::CallNote;
use crate::lab::percentile;

use super::crm::Ending;
use super::lang::Lang;
use super::progress::{clock, percent};

/// Everything that the tables are made of.
pub struct Summary {
    pub results: Vec<Ending>,
    /// From opening the task to its end.
    pub took: Duration,
    /// When the task was opened, when its last number had been dialed, and at its end.
    pub stats: [Stats; 3],
    /// Customer's answer to agent bridged, of every connected call.
    pub answer_waits: Vec<Duration>,
    /// Calls as the carrier saw them.
    pub calls: Vec<CallNote>,
    /// Customers as the agents heard them.
    pub heard: Vec<HeardCustomer>,
}

impl Summary {
    pub fn outcomes(&self, lang: Lang) -> Table {
        let mut counts: BTreeMap<Ending, u64> = BTreeMap::new();
        for result in &self.results {
            *counts.entry(*result).or_default() += 1;
        }
        let total = self.results.len() as u64;
        let heads =
            [lang.say("Outcome", "呼叫结果"), lang.say("Numbers", "号码数"), lang.say("Share", "占比")];
        let mut table = table(&heads);
        for (result, name) in names(lang) {
            let count = counts.get(&result).copied().unwrap_or(0);
            if count > 0 || result != Ending::Missing {
                table.add_row([name.to_owned(), count.to_string(), percent(count, total)]);
            }
        }
        table.add_row([lang.say("Total", "合计").to_owned(), total.to_string(), percent(total, total)]);
        table
    }

    pub fn measures(&self, lang: Lang) -> Table {
        let mut table = table(&[lang.say("Measured", "指标"), lang.say("Value", "数值")]);
        let connected = self.count(Ending::Connected);
        let answered = connected + self.count(Ending::Abandoned);
        let minutes = self.took.as_secs_f64() / 60.0;
        let (heard_both, heard_agent, heard_customer) = self.sound();
        let [opened, dialed, ended] = &self.stats;
        let mut audio = ended.answer_to_audio_us.clone();
        audio.sort_unstable();
        let mut waits = self.answer_waits.clone();
        waits.sort_unstable();
        let us = |us: Option<u32>| us.map(|us| Duration::from_micros(us.into()));
        let of = |part: u64| format!("{} ({part}/{connected})", percent(part, connected));
        let rows = [
            (lang.say("Time taken", "用时"), clock(self.took)),
            (
                lang.say("Calls per minute", "每分钟呼叫数"),
                format!("{:.0}", self.results.len() as f64 / minutes.max(1e-3)),
            ),
            (
                lang.say("Agents busy while there were numbers to dial", "有号可拨期间坐席利用率"),
                utilisation(opened, dialed),
            ),
            (lang.say("Agents busy over the whole task", "任务全程坐席利用率"), utilisation(opened, ended)),
            (
                lang.say("Abandoned, of the answered", "呼损率（占客户接听）"),
                percent(self.count(Ending::Abandoned), answered),
            ),
            (
                lang.say("Answer to agent, p50 / p99", "客户接听到坐席接入 p50 / p99"),
                both(percentile(&waits, 0.5), percentile(&waits, 0.99)),
            ),
            (
                lang.say("Answer to audio path open, p50 / p99", "客户接听到语音通路打开 p50 / p99"),
                both(us(percentile(&audio, 0.5)), us(percentile(&audio, 0.99))),
            ),
            (
                lang.say("First sound at the customer, p50 / p99", "客户听到首个语音包 p50 / p99"),
                self.first_sound(),
            ),
            (
                lang.say("Calls in which the agent heard the customer", "坐席听到客户的通话"),
                of(heard_customer),
            ),
            (lang.say("Calls in which the customer heard the agent", "客户听到坐席的通话"), of(heard_agent)),
            (lang.say("Calls with sound in both directions", "双向都有声音的通话"), of(heard_both)),
        ];
        for (name, value) in rows {
            table.add_row([name.to_owned(), value]);
        }
        table
    }

    pub fn count(&self, result: Ending) -> u64 {
        self.results.iter().filter(|r| **r == result).count() as u64
    }

    /// Calls with sound in both directions, at the customer, and at the agent.
    fn sound(&self) -> (u64, u64, u64) {
        let heard: HashSet<u64> = self.heard.iter().map(|heard| heard.customer).collect();
        let count = |so: &dyn Fn(&CallNote) -> bool| self.calls.iter().filter(|call| so(call)).count() as u64;
        (
            count(&|call| call.agent_heard.is_some() && heard.contains(&call.id)),
            count(&|call| call.agent_heard.is_some()),
            count(&|call| heard.contains(&call.id)),
        )
    }

    /// From the customer's 200 OK to the first packet of the agent at the customer.
    fn first_sound(&self) -> String {
        let mut waits: Vec<Duration> = self.calls.iter().filter_map(|call| call.audio_after).collect();
        waits.sort_unstable();
        both(percentile(&waits, 0.5), percentile(&waits, 0.99))
    }
}

fn names(lang: Lang) -> [(Ending, &'static str); 8] {
    [
        (Ending::Connected, lang.say("connected with an agent", "已接通坐席")),
        (Ending::Abandoned, lang.say("answered, no agent free (abandoned)", "客户接听但无坐席（呼损）")),
        (Ending::NoAnswer, lang.say("no answer", "无人接听")),
        (Ending::Busy, lang.say("busy", "用户忙")),
        (Ending::Rejected, lang.say("rejected", "拒接")),
        (Ending::Invalid, lang.say("no such number", "空号")),
        (Ending::Failed, lang.say("network failure", "线路失败")),
        (Ending::Missing, lang.say("not called", "未呼叫")),
    ]
}

fn table(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED).apply_modifier(UTF8_ROUND_CORNERS).set_header(heads.iter());
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn utilisation(from: &Stats, to: &Stats) -> String {
    let signed_in = to.signed_in_s - from.signed_in_s;
    let busy = to.talking_s + to.wrap_up_s - from.talking_s - from.wrap_up_s;
    if signed_in > 0.0 { format!("{:.1} %", 100.0 * busy / signed_in) } else { "-".into() }
}

fn both(p50: Option<Duration>, p99: Option<Duration>) -> String {
    match (p50, p99) {
        (Some(p50), Some(p99)) => format!("{} / {}", milliseconds(p50), milliseconds(p99)),
        _ => "-".into(),
    }
}

fn milliseconds(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 10.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_add_up_in_both_languages() {
        let results = vec![Ending::Connected, Ending::Connected, Ending::Busy, Ending::Abandoned];
        let at = |signed_in_s, talking_s| Stats { signed_in_s, talking_s, ..Stats::default() };
        let summary = Summary {
            results,
            took: Duration::from_secs(120),
            stats: [at(0.0, 0.0), at(100.0, 80.0), at(200.0, 100.0)],
            answer_waits: vec![Duration::from_millis(3)],
            calls: Vec::new(),
            heard: Vec::new(),
        };
        let english = format!("{}\n{}", summary.outcomes(Lang::En), summary.measures(Lang::En));
        for part in ["50.0 %", "25.0 %", "80.0 %", "33.3 %", "3.0 ms / 3.0 ms", "0.0 % (0/2)"] {
            assert!(english.contains(part), "{part} in\n{english}");
        }
        let chinese = format!("{}\n{}", summary.outcomes(Lang::Zh), summary.measures(Lang::Zh));
        assert!(chinese.contains("无人接听") && chinese.contains("双向"));
    }
}
