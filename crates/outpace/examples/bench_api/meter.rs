//! How many calls a second the campaign places while something is measured.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::client::Crm;

/// Calls a second in each measurement at least: of the trunk's 100.
const LEAST: f64 = 90.0;
/// The agents are there and the campaign dials at its full speed within this.
const START_MAX: Duration = Duration::from_secs(60);
/// A shorter measurement says little about calls a second: the meter waits until so much has passed.
const SPAN_MIN: Duration = Duration::from_secs(3);

pub struct Meter {
    campaign: String,
    called: u64,
    since: Instant,
    /// Measurements during which too few calls were placed.
    slow: Vec<String>,
}

impl Meter {
    /// Opens the campaign, and waits until it dials.
    pub async fn start(crm: &Crm, campaign: &str, agents: u32) -> anyhow::Result<Meter> {
        let end = Instant::now() + START_MAX;
        loop {
            let waiting = crm.call("App.Sip_Queue.GetQueueSipStatus", &[("state", "2")]).await?;
            let waiting = waiting.as_array().context("rows")?.len();
            if waiting >= agents as usize {
                break;
            }
            ensure!(Instant::now() < end, "only {waiting} of {agents} agents are there");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        crm.call("App.Sip_Yccall.TaskSet", &[("taskid", campaign), ("taskstatus", "1")]).await?;
        let mut meter =
            Meter { campaign: campaign.to_owned(), called: 0, since: Instant::now(), slow: Vec::new() };
        loop {
            let rate = meter.rate(crm).await?;
            if rate >= LEAST {
                return Ok(meter);
            }
            ensure!(Instant::now() < end, "the campaign places {rate:.0} calls/s, not {LEAST}");
        }
    }

    /// Since the last time.
    async fn rate(&mut self, crm: &Crm) -> anyhow::Result<f64> {
        tokio::time::sleep(SPAN_MIN.saturating_sub(self.since.elapsed())).await;
        let called = crm.called(&self.campaign).await?;
        let rate = (called - self.called) as f64 / self.since.elapsed().as_secs_f64();
        (self.called, self.since) = (called, Instant::now());
        Ok(rate)
    }

    /// A line of the table.
    pub async fn print(&mut self, crm: &Crm, what: &str, measured: &str, wanted: &str) -> anyhow::Result<()> {
        let rate = self.rate(crm).await?;
        println!("| {what} | {measured} | {rate:.0} | {wanted} |");
        if rate < LEAST {
            self.slow.push(format!("{what}: {rate:.0} calls/s"));
        }
        Ok(())
    }

    pub fn verdict(self) -> anyhow::Result<()> {
        ensure!(
            self.slow.is_empty(),
            "fewer than {LEAST} calls/s were placed during {}",
            self.slow.join("; ")
        );
        Ok(())
    }
}
