//! HTTP: `POST /` is the compatible API.

use std::net::SocketAddr;

use crate::config::Api;
use crate::handle::Handle;

/// Binds the API port and serves it in the background; returns the bound address.
pub async fn serve(_config: &Api, _handle: Handle) -> anyhow::Result<SocketAddr> {
    anyhow::bail!("not yet")
}
