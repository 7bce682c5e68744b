//! Requests on several connections, and how long their answers took.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::client::Client;

#[derive(Clone, Copy)]
pub struct Load {
    pub connections: u64,
    /// None: each connection sends its next request as soon as it has its answer.
    pub per_second: Option<u64>,
    pub time: Duration,
}

#[derive(Default)]
pub struct Measured(Vec<Duration>);

impl Measured {
    pub fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub fn answers(&self) -> usize {
        self.0.len()
    }

    pub fn shown(&self) -> String {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let took = sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied();
            took.unwrap_or_default().as_secs_f64() * 1000.0
        };
        format!(
            "p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms ({} answers)",
            at(50),
            at(99),
            at(100),
            sorted.len()
        )
    }
}

/// Sends requests for a while; `fields` of the n-th. With a rate, the time counts from when a request was due: one that
/// waits for its connection is not forgotten.
pub async fn measure(
    api: SocketAddr,
    token: &str,
    service: &'static str,
    load: Load,
    fields: impl Fn(u64) -> Vec<(&'static str, String)> + Send + Sync + 'static,
) -> anyhow::Result<Measured> {
    let (next, fields) = (Arc::new(AtomicU64::new(0)), Arc::new(fields));
    let begun = Instant::now();
    let mut connections = Vec::new();
    for _ in 0..load.connections {
        let (next, fields, token) = (next.clone(), fields.clone(), token.to_owned());
        connections.push(tokio::spawn(async move {
            let mut client = Client::connect(api).await?;
            let mut took = Vec::new();
            while begun.elapsed() < load.time {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let mut due = Instant::now();
                if let Some(per_second) = load.per_second {
                    due = begun + Duration::from_secs(n) / u32::try_from(per_second)?;
                    tokio::time::sleep_until(due.into()).await;
                }
                let answer = client.call(service, &token, &fields(n)).await?;
                took.push(due.elapsed());
                ensure!(answer.starts_with(b"{\"ret\":200,\"data\":{\"status\":0"), "{service} failed");
            }
            anyhow::Ok(took)
        }));
    }
    let mut all = Measured::default();
    for connection in connections {
        all.0.extend(connection.await??);
    }
    Ok(all)
}
