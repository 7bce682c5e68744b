//! What the demo shows while the task runs: a bar and a line on a terminal, else a plain line every 5 s.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use engine::{AgentState, AgentView, CampaignView};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::crm::Task;
use super::lang::Lang;

const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// The remaining time is guessed from this much of the past.
const MEMORY: Duration = Duration::from_secs(30);

pub struct Progress {
    lang: Lang,
    started: Instant,
    /// Time and numbers called, for the guess.
    past: Vec<(Instant, u64)>,
    shown: Shown,
}

enum Shown {
    Bars { numbers: ProgressBar, customers: ProgressBar, agents: ProgressBar },
    Plain { last: Option<Instant> },
}

/// One look at the running dialer.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Live {
    pub ringing: u32,
    pub waiting: u32,
    pub talking: u32,
    pub agents_free: usize,
    pub agents_talking: usize,
    pub agents_wrap_up: usize,
    /// Calls per idle agent, in thousandths.
    pub ratio: Option<u32>,
}

impl Live {
    pub fn of(campaigns: &[CampaignView], agents: &[AgentView]) -> Live {
        let in_state = |states: &[AgentState]| agents.iter().filter(|a| states.contains(&a.state)).count();
        let sum = |count: fn(&CampaignView) -> u32| campaigns.iter().map(count).sum();
        Live {
            ringing: sum(|c| c.ringing),
            waiting: sum(|c| c.waiting),
            talking: sum(|c| c.talking),
            agents_free: in_state(&[AgentState::Ready]),
            agents_talking: in_state(&[AgentState::Offered, AgentState::Talking]),
            agents_wrap_up: in_state(&[AgentState::WrapUp]),
            ratio: campaigns.iter().find_map(|c| c.ratio_now),
        }
    }

    /// Customers in the middle of a call.
    pub fn in_progress(&self) -> u64 {
        u64::from(self.ringing) + u64::from(self.waiting) + u64::from(self.talking)
    }
}

impl Progress {
    pub fn start(total: u64, lang: Lang) -> Progress {
        let shown =
            if std::io::stdout().is_terminal() { bars(total, lang) } else { Shown::Plain { last: None } };
        Progress { lang, started: Instant::now(), past: Vec::new(), shown }
    }

    pub fn show(&mut self, task: &Task, live: &Live) {
        let now = Instant::now();
        self.past.retain(|(at, _)| now - *at < MEMORY);
        self.past.push((now, task.called));
        let left = self.left(task, now);
        let (customer_line, agent_line) = (self.customers(task, live), self.agents(live));
        let lang = self.lang;
        match &mut self.shown {
            Shown::Bars { numbers, customers, agents } => {
                numbers.set_position(task.called);
                numbers.set_message(left);
                customers.set_message(customer_line);
                agents.set_message(agent_line);
            }
            Shown::Plain { last } => {
                if last.is_some_and(|at| now - at < PLAIN_EVERY) {
                    return;
                }
                *last = Some(now);
                let (time, called) = (clock(now - self.started), lang.say("called", "已呼叫"));
                println!("{time} {called} {}/{} | {customer_line} | {agent_line}", task.called, task.total);
            }
        }
    }

    pub fn finish(self) {
        if let Shown::Bars { numbers, customers, agents } = self.shown {
            customers.finish_and_clear();
            agents.finish_and_clear();
            numbers.finish_with_message("");
            println!();
        }
    }

    fn customers(&self, task: &Task, live: &Live) -> String {
        let abandoned = percent(task.abandoned, task.answered);
        let (ringing, waiting, talking) = (live.ringing, live.waiting, live.talking);
        match self.lang {
            Lang::En => format!(
                "customers: ringing {ringing:>2}, waiting {waiting}, talking {talking:>2}, abandoned {abandoned}"
            ),
            Lang::Zh => {
                format!("客户：振铃 {ringing:>2}，等待 {waiting}，通话 {talking:>2}，呼损 {abandoned}")
            }
        }
    }

    fn agents(&self, live: &Live) -> String {
        let ratio = live.ratio.map_or("-".into(), |milli| format!("1:{:.1}", f64::from(milli) / 1000.0));
        let (free, talking, wrap_up) = (live.agents_free, live.agents_talking, live.agents_wrap_up);
        match self.lang {
            Lang::En => format!(
                "agents: free {free:>2}, talking {talking:>2}, wrapping up {wrap_up:>2}; calls per free agent {ratio}"
            ),
            Lang::Zh => {
                format!("坐席：空闲 {free:>2}，通话 {talking:>2}，整理 {wrap_up:>2}；空闲坐席外呼比 {ratio}")
            }
        }
    }

    /// How long the rest will take, by the pace of the last half minute.
    fn left(&self, task: &Task, now: Instant) -> String {
        let Some((first, called)) = self.past.first() else { return String::new() };
        let (passed, done) = (now - *first, task.called.saturating_sub(*called));
        if passed < Duration::from_secs(5) || done == 0 {
            return String::new();
        }
        let rest = task.total.saturating_sub(task.called) as f64;
        let left = passed.mul_f64((rest / done as f64).min(1e6));
        match self.lang {
            Lang::En => format!("about {} left", clock(left)),
            Lang::Zh => format!("约剩 {}", clock(left)),
        }
    }
}

fn bars(total: u64, lang: Lang) -> Shown {
    let all = MultiProgress::new();
    let numbers = all.add(ProgressBar::new(total));
    let customers = all.add(ProgressBar::new_spinner());
    let agents = all.add(ProgressBar::new_spinner());
    let template = match lang {
        Lang::En => "  {bar:32.cyan/blue} {pos}/{len} called in {elapsed}  {msg}",
        Lang::Zh => "  {bar:32.cyan/blue} 已呼叫 {pos}/{len}，用时 {elapsed}  {msg}",
    };
    let style = |template: &str| ProgressStyle::with_template(template).expect("the template is well-formed");
    numbers.set_style(style(template).progress_chars("━╸─"));
    customers.set_style(style("  {msg}"));
    agents.set_style(style("  {msg}"));
    // So that the elapsed time runs on while nothing else happens.
    numbers.enable_steady_tick(Duration::from_millis(250));
    Shown::Bars { numbers, customers, agents }
}

/// Minutes and seconds.
pub fn clock(duration: Duration) -> String {
    let seconds = duration.as_secs();
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// "-" where there is nothing to take a part of.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".into() } else { format!("{:.1} %", 100.0 * part as f64 / whole as f64) }
}
