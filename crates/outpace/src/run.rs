//! Owns the engines; the only place where inputs, effects and the clock meet.

use std::net::SocketAddr;

use crate::config::Config;
use crate::handle::Handle;

/// A started server. Dropping it does not stop it.
pub struct Running {
    pub handle: Handle,
    /// Where it really listens (port 0 in the config means any).
    pub api: SocketAddr,
    pub sip: SocketAddr,
    pub done: tokio::task::JoinHandle<()>,
}

/// Opens the store, provisions what the config names, starts SIP, media, engines and the API.
pub async fn start(_config: Config) -> anyhow::Result<Running> {
    anyhow::bail!("not yet")
}
