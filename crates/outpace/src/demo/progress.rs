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
    Bars { numbers: ProgressBar, live: ProgressBar },
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
        let line = self.line(task, live);
        let lang = self.lang;
        match &mut self.shown {
            Shown::Bars { numbers, live } => {
                numbers.set_position(task.called);
                numbers.set_message(left);
                live.set_message(line);
            }
            Shown::Plain { last } => {
                if last.is_some_and(|at| now - at < PLAIN_EVERY) {
                    return;
                }
                *last = Some(now);
                let called = lang.say("called", "已呼叫");
                println!("{} {called} {}/{} | {line}", clock(now - self.started), task.called, task.total);
            }
        }
    }

    pub fn finish(self) {
        if let Shown::Bars { numbers, live } = self.shown {
            live.finish_and_clear();
            numbers.finish_with_message("");
        }
    }

    fn line(&self, task: &Task, live: &Live) -> String {
        let lang = self.lang;
        let ratio = live.ratio.map_or("-".into(), |milli| format!("1:{:.1}", f64::from(milli) / 1000.0));
        let (ringing, talking) = (live.ringing, live.talking);
        let (free, busy, wrap) = (live.agents_free, live.agents_talking, live.agents_wrap_up);
        let abandoned = percent(task.abandoned, task.answered);
        match lang {
            Lang::En => format!(
                "customers: {ringing:>3} ringing {talking:>3} talking | agents: {free:>2} free {busy:>3} talking {wrap:>2} \
                 wrapping up | abandoned {abandoned} | pacing {ratio}"
            ),
            Lang::Zh => format!(
                "客户：振铃 {ringing:>3} 通话 {talking:>3} | 坐席：空闲 {free:>2} 通话 {busy:>3} 整理 {wrap:>2} | \
                 呼损 {abandoned} | 外呼比 {ratio}"
            ),
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
    let both = MultiProgress::new();
    let numbers = both.add(ProgressBar::new(total));
    let live = both.add(ProgressBar::new_spinner());
    let template = match lang {
        Lang::En => "  {elapsed_precise} [{bar:40.cyan/blue}] {pos}/{len} numbers called  {msg}",
        Lang::Zh => "  {elapsed_precise} [{bar:40.cyan/blue}] 已呼叫 {pos}/{len} 个号码  {msg}",
    };
    let style = |template: &str| ProgressStyle::with_template(template).expect("the template is well-formed");
    numbers.set_style(style(template).progress_chars("━╸─"));
    live.set_style(style("  {msg}"));
    // So that the elapsed time runs on while nothing else happens.
    numbers.enable_steady_tick(Duration::from_millis(250));
    Shown::Bars { numbers, live }
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
