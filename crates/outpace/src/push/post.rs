//! One POST: resolve, connect, send, look at the status. Everything the far end can do is bounded in time and size.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Response, Uri};
use rustls::pki_types::ServerName;
use sha2::Sha256;
use store::{Event, PushKind, PushSettings};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use super::address::is_private;

/// From the beginning of an attempt to the status line.
const TIME_MAX: Duration = Duration::from_secs(10);
const CONNECT_MAX: Duration = Duration::from_secs(4);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 4;
const ADDRESSES_LIVE: Duration = Duration::from_secs(30);
/// A body is read only to use its connection again; not if it is longer than this, or takes longer.
const BODY_MAX: usize = 4096;
const BODY_TIME_MAX: Duration = Duration::from_millis(500);
/// A connection is used again within this time.
const IDLE_MAX: Duration = Duration::from_secs(20);
const IDLE_CONNECTIONS_MAX: usize = 8;

const JSON: &str = "application/json;charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";

/// Whether a push can go there.
pub fn check_url(url: &str) -> Result<(), String> {
    Place::parse(url).map(drop)
}

/// What an URL says.
struct Place {
    is_tls: bool,
    host: String,
    port: u16,
    /// Of the Host header.
    authority: String,
    path: String,
}

impl Place {
    fn parse(url: &str) -> Result<Place, String> {
        let wrong = || "a URL is needed such as https://crm.example/calls".to_owned();
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        let (is_tls, port) = match scheme {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return Err(wrong()),
        };
        if authority.as_str().contains('@') {
            return Err("user and password in a URL are not supported; put a token into its query".to_owned());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong());
        }
        Ok(Place {
            is_tls,
            host,
            port: authority.port_u16().unwrap_or(port),
            authority: authority.as_str().to_owned(),
            path: uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        })
    }
}

type Sender = http1::SendRequest<Full<Bytes>>;

/// An open connection; closed when dropped, whatever it is doing.
struct Connection {
    sender: Sender,
    driver: tokio::task::AbortHandle,
    used: Instant,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Posts to one URL.
pub struct Poster {
    place: Place,
    allow_private: bool,
    secret: String,
    is_form: bool,
    tls: Option<TlsConnector>,
    idle: Mutex<Vec<Connection>>,
    addresses: Mutex<Option<(Instant, Vec<SocketAddr>)>>,
    /// One lookup at a time, its thread included, however long the resolver takes.
    lookup: Arc<Semaphore>,
}

impl Poster {
    pub fn new(settings: &PushSettings, kind: PushKind) -> Result<Poster, String> {
        let place = Place::parse(settings.url(kind))?;
        let tls = if place.is_tls { Some(tls()?) } else { None };
        Ok(Poster {
            place,
            allow_private: settings.allow_private,
            secret: settings.secret.clone(),
            is_form: settings.detail_form && kind == PushKind::ExtensionState,
            tls,
            idle: Mutex::default(),
            addresses: Mutex::default(),
            lookup: Arc::new(Semaphore::new(1)),
        })
    }

    /// Ok: a 2xx came. Else why not, for the log and for who looks at what was given up.
    pub async fn post(&self, event: &Event) -> Result<(), String> {
        match tokio::time::timeout(TIME_MAX, self.attempt(event)).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {} s", TIME_MAX.as_secs())),
        }
    }

    async fn attempt(&self, event: &Event) -> Result<(), String> {
        let body = self.body(event);
        while let Some(connection) = self.take_idle() {
            // The far end may have closed it in this moment: then a new one is tried.
            if let Ok(result) = self.send(connection, event, body.clone()).await {
                return result;
            }
        }
        let connection = self.connect().await?;
        self.send(connection, event, body).await.unwrap_or_else(Err)
    }

    fn body(&self, event: &Event) -> Bytes {
        match self.is_form {
            false => event.body.clone().into_bytes().into(),
            true => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.append_pair("detail", &event.body).finish().into_bytes().into()
            }
        }
    }

    fn request(&self, event: &Event, body: Bytes) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::post(&self.place.path)
            .header(HOST, &self.place.authority)
            .header(USER_AGENT, concat!("outpace/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, if self.is_form { FORM } else { JSON })
            .header("X-Outpace-Event", event.public_id());
        if !self.secret.is_empty() {
            request = request.header("X-Outpace-Signature", signature(&self.secret, &body));
        }
        request.body(Full::new(body)).map_err(|e| e.to_string())
    }

    /// Outer error: the connection failed before anything was answered.
    async fn send(
        &self,
        mut connection: Connection,
        event: &Event,
        body: Bytes,
    ) -> Result<Result<(), String>, String> {
        let request = self.request(event, body)?;
        connection.sender.ready().await.map_err(|e| shown(&e))?;
        let response = connection.sender.send_request(request).await.map_err(|e| shown(&e))?;
        let status = response.status();
        let result = match status.is_success() {
            true => Ok(()),
            false => Err(format!("status {}", status.as_u16())),
        };
        if tokio::time::timeout(BODY_TIME_MAX, is_short(response)).await == Ok(true) {
            self.put_idle(connection);
        }
        Ok(result)
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|c| !c.sender.is_closed() && c.used.elapsed() < IDLE_MAX);
        idle.pop()
    }

    fn put_idle(&self, mut connection: Connection) {
        connection.used = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let mut why = "its name has no address".to_owned();
        for address in self.addresses().await?.into_iter().take(ADDRESSES_MAX) {
            // The address is looked at, not the name: a name may lead anywhere, and elsewhere the next time.
            if !self.allow_private && is_private(address.ip()) {
                why = "its address is private".to_owned();
                continue;
            }
            match tokio::time::timeout(CONNECT_MAX, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return self.greet(stream).await,
                Ok(Err(error)) => why = format!("cannot connect: {error}"),
                Err(_) => why = "cannot connect: timed out".to_owned(),
            }
        }
        Err(why)
    }

    async fn greet(&self, stream: TcpStream) -> Result<Connection, String> {
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return open(stream).await };
        let name = ServerName::try_from(self.place.host.clone()).map_err(|e| e.to_string())?;
        let stream = tls.connect(name, stream).await.map_err(|e| format!("TLS: {e}"))?;
        open(stream).await
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, String> {
        if let Ok(ip) = self.place.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.place.port)]);
        }
        let permit = self.lookup.clone().acquire_owned().await.map_err(|e| e.to_string())?;
        if let Some((at, known)) = &*self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < ADDRESSES_LIVE
        {
            return Ok(known.clone());
        }
        let (host, port) = (self.place.host.clone(), self.place.port);
        let (reply, answer) = tokio::sync::oneshot::channel();
        // A thread of its own: a resolver that does not answer must not keep one that calls need.
        let thread = std::thread::Builder::new().name("push-lookup".to_owned()).spawn(move || {
            let _permit = permit;
            let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
            let _ = reply.send(found);
        });
        thread.map_err(|e| e.to_string())?;
        let found = answer.await.map_err(|e| e.to_string())?;
        let found = found.map_err(|e| format!("its name cannot be resolved: {e}"))?;
        *self.addresses.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((Instant::now(), found.clone()));
        Ok(found)
    }
}

async fn open(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Connection, String> {
    let stream = hyper_util::rt::TokioIo::new(stream);
    let (sender, connection) =
        http1::Builder::new().max_buf_size(64 << 10).handshake(stream).await.map_err(|e| shown(&e))?;
    let driver = tokio::spawn(async move {
        // What goes wrong is told to whoever sends.
        let _ = connection.await;
    });
    Ok(Connection { sender, driver: driver.abort_handle(), used: Instant::now() })
}

/// Reads a short body to its end.
async fn is_short(response: Response<Incoming>) -> bool {
    let mut body = response.into_body();
    let mut read = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > BODY_MAX {
            return false;
        }
    }
    true
}

/// With its cause, where that says more.
fn shown(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// `sha256=<hex>`: HMAC-SHA256 (RFC 2104) of the body as it is sent.
fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    let hex: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

/// With the certificates that the system trusts; read once.
fn tls() -> Result<TlsConnector, String> {
    static CONFIG: OnceLock<Result<Arc<rustls::ClientConfig>, String>> = OnceLock::new();
    CONFIG.get_or_init(tls_config).clone().map(TlsConnector::from)
}

fn tls_config() -> Result<Arc<rustls::ClientConfig>, String> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::error!("the system has no certificates to trust (package ca-certificates): https fails");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = builder.map_err(|e| e.to_string())?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
