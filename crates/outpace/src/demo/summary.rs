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
use crate::plan::{Outlook, Row};

use super::crm::Ending;
use super::lang::Lang;
use super::progress::{clock, percent};
use super::waits::Waits;

/// Everything that the tables are made of.
pub struct Summary {
    pub results: Vec<Ending>,
    /// From opening the task to its end.
    pub took: Duration,
    /// When the task was opened, when its last number had been dialed, and at its end.
    pub stats: [Stats; 3],
    pub waits: Waits,
    /// Calls as the carrier saw them.
    pub calls: Vec<CallNote>,
    /// Customers as the agents heard them.
    pub heard: Vec<HeardCustomer>,
    /// What `outpace plan` makes of the same load.
    pub planned: Row,
}

/// One line of the second table: the name, what was measured, and what was planned where that can be said.
type Measure = (&'static str, String, String);

fn measure(name: &'static str, value: String) -> Measure {
    (name, value, String::new())
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
        let mut table =
            table(&[lang.say("Measured", "指标"), lang.say("Value", "数值"), lang.say("Planned", "预测")]);
        for (name, value, planned) in
            self.work(lang).into_iter().chain(self.delays(lang)).chain(self.sound(lang))
        {
            table.add_row([name.to_owned(), value, planned]);
        }
        table
    }

    fn work(&self, lang: Lang) -> Vec<Measure> {
        let minutes = (self.took.as_secs_f64() / 60.0).max(1e-3);
        let abandoned = self.count(Ending::Abandoned);
        let answered = self.count(Ending::Connected) + abandoned;
        let [opened, dialed, ended] = &self.stats;
        let plan = &self.planned;
        let share = |share: f64| format!("{:.1} %", 100.0 * share);
        vec![
            (
                lang.say("Time taken", "用时"),
                clock(self.took),
                clock(Duration::from_secs_f64(plan.mean(|o| o.total_s))),
            ),
            (
                lang.say("Calls per minute", "每分钟呼叫数"),
                format!("{:.0}", self.results.len() as f64 / minutes),
                format!("{:.0}", plan.mean(|o| o.calls as f64 * 60.0 / o.total_s.max(1e-3))),
            ),
            (
                lang.say(
                    "Agents busy (talk and wrap-up) while there were numbers",
                    "有号可拨期间坐席利用率（通话加整理）",
                ),
                utilisation(opened, dialed),
                share(plan.mean(|o| o.utilisation)),
            ),
            measure(
                lang.say("Agents busy to the last call's end", "任务全程坐席利用率"),
                utilisation(opened, ended),
            ),
            (
                lang.say("Abandoned, of the answered", "呼损率（占客户接听）"),
                percent(abandoned, answered),
                share(plan.mean(Outlook::abandoned_share)),
            ),
        ]
    }

    fn delays(&self, lang: Lang) -> Vec<Measure> {
        let Waits { agent_free, queued, queued_numbers } = &self.waits;
        let waited = percent(queued.len() as u64, (agent_free.len() + queued.len()) as u64);
        let longest = queued.iter().max().map_or(String::new(), |wait| format!(", {}", milliseconds(*wait)));
        let audio = self.stats[2].answer_to_audio_us.iter().map(|us| Duration::from_micros((*us).into()));
        let at_once = self.calls.iter().filter(|call| !queued_numbers.contains(&call.number));
        vec![
            measure(
                lang.say("Customers who waited for an agent, longest wait", "需等待坐席的客户、最长等待"),
                format!("{waited}{longest}"),
            ),
            measure(lang.say("With an agent free, p50 / p99:", "有空闲坐席时 p50 / p99："), String::new()),
            measure(
                lang.say("  answer to agent assigned", "  客户接听到分配坐席"),
                both(agent_free.iter().copied()),
            ),
            measure(lang.say("  answer to audio path open", "  客户接听到语音通路打开"), both(audio)),
            measure(
                lang.say(
                    "  answer to the agent's first packet at the customer",
                    "  客户接听到收到坐席首个语音包",
                ),
                both(at_once.filter_map(|call| call.audio_after)),
            ),
        ]
    }

    fn sound(&self, lang: Lang) -> Vec<Measure> {
        let connected = self.count(Ending::Connected);
        let heard: HashSet<u64> = self.heard.iter().map(|heard| heard.customer).collect();
        let share = |so: &dyn Fn(&CallNote) -> bool| {
            let count = self.calls.iter().filter(|call| so(call)).count() as u64;
            format!("{} ({count}/{connected})", percent(count, connected))
        };
        vec![
            measure(
                lang.say("Connected calls in which the agent heard the customer", "坐席听到客户的接通通话"),
                share(&|call| heard.contains(&call.id)),
            ),
            measure(
                lang.say("Connected calls in which the customer heard the agent", "客户听到坐席的接通通话"),
                share(&|call| call.agent_heard.is_some()),
            ),
        ]
    }

    pub fn count(&self, result: Ending) -> u64 {
        self.results.iter().filter(|r| **r == result).count() as u64
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

/// The median and the 99th percentile.
fn both(times: impl Iterator<Item = Duration>) -> String {
    let mut times: Vec<Duration> = times.collect();
    times.sort_unstable();
    match (percentile(&times, 0.5), percentile(&times, 0.99)) {
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
            waits: Waits { agent_free: vec![Duration::from_millis(3)], ..Waits::default() },
            calls: Vec::new(),
            heard: Vec::new(),
            planned: Row { agents: 1, outlooks: Vec::new() },
        };
        let english = format!("{}\n{}", summary.outcomes(Lang::En), summary.measures(Lang::En));
        for part in ["50.0 %", "25.0 %", "80.0 %", "33.3 %", "3.0 ms / 3.0 ms", "0.0 % (0/2)"] {
            assert!(english.contains(part), "{part} in\n{english}");
        }
        let chinese = format!("{}\n{}", summary.outcomes(Lang::Zh), summary.measures(Lang::Zh));
        assert!(chinese.contains("无人接听") && chinese.contains("坐席利用率"));
    }
}
