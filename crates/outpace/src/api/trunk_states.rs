//! `GET /v1/trunk-states`: which addresses of the trunks take calls now.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::app_sip::code::Ret;
use super::app_sip::envelope::Failure;
use super::app_sip::request::Fields;
use super::app_sip::{self, Caller};
use super::v1::refused;
use super::{Server, bearer_token, json as json_body, text_header};
use crate::switch::TrunkView;

pub async fn trunk_states(
    State(server): State<Arc<Server>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    match tokio::time::timeout(server.request_timeout, states(&server, peer, &headers)).await {
        Ok(Ok(value)) => json_body(value.to_string()).into_response(),
        Ok(Err(failure)) => refused(&failure),
        Err(_) => refused(&Failure::from(Ret::Internal)),
    }
}

async fn states(server: &Server, peer: SocketAddr, headers: &HeaderMap) -> Result<Value, Failure> {
    server.admit(peer)?;
    let request = app_sip::Request {
        base_url: String::new(),
        fields: Fields::default(),
        peer: peer.ip(),
        bearer: text_header(headers, AUTHORIZATION.as_str()).and_then(bearer_token),
        received: server.app_sip.now(),
    };
    let caller = Caller::of(&server.app_sip, request).await?;
    let trunks: Vec<Value> = caller.trunk_views().await?.iter().map(as_json).collect();
    Ok(json!({ "trunks": trunks }))
}

fn as_json(trunk: &TrunkView) -> Value {
    let addresses: Vec<Value> = trunk
        .addresses
        .iter()
        .map(|a| {
            json!({
                "host": a.host,
                "address": a.address.to_string(),
                "transport": a.transport,
                "state": a.state,
                "calls": a.calls,
                "failures": a.failures,
            })
        })
        .collect();
    json!({"id": trunk.trunk.0, "name": trunk.name, "usable": trunk.usable, "addresses": addresses})
}
