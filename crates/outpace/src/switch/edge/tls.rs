//! TLS: our certificate for those who connect to us, and whom we trust where we connect.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, SystemTime};

use anyhow::Context;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::EdgeConfig;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(8);
/// How often the files are looked at for a new certificate.
const RELOAD_EVERY: Duration = Duration::from_secs(30);

/// Who must answer at an address.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsPeer {
    /// What its certificate must be for, and SNI: a name, or an IP address.
    pub name: String,
    /// The authorities to trust, in PEM, or the file that holds them; None: those of the system.
    pub ca: Option<String>,
}

impl TlsPeer {
    /// For an address of which nothing is known but itself.
    pub fn at(peer: SocketAddr) -> TlsPeer {
        TlsPeer { name: peer.ip().to_string(), ca: None }
    }

    /// Err: why not, for the log.
    pub(super) async fn connect(&self, stream: TcpStream) -> Result<client::TlsStream<TcpStream>, String> {
        let config = match &self.ca {
            Some(ca) => Arc::new(client_config(roots_of(ca).map_err(|e| format!("{e:#}"))?)?),
            None => system_config()?,
        };
        let name = ServerName::try_from(self.name.clone()).map_err(|e| e.to_string())?;
        let handshake = TlsConnector::from(config).connect(name, stream);
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(done) => done.map_err(|e| e.to_string()),
            Err(_) => Err("the handshake took too long".to_owned()),
        }
    }
}

/// PEM itself, and not the name of a file that holds it.
pub fn is_pem(ca: &str) -> bool {
    ca.trim_start().starts_with("-----BEGIN")
}

/// Err: why it cannot say whom to trust.
pub fn check_pem(ca: &str) -> Result<(), String> {
    roots_in(ca).map(|_| ()).map_err(|e| e.to_string())
}

fn roots_of(ca: &str) -> anyhow::Result<RootCertStore> {
    if is_pem(ca) {
        return roots_in(ca);
    }
    let pem = std::fs::read_to_string(ca).with_context(|| format!("cannot read {ca}"))?;
    roots_in(&pem).with_context(|| ca.to_owned())
}

fn roots_in(pem: &str) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
    roots.add_parsable_certificates(found);
    anyhow::ensure!(!roots.is_empty(), "holds no certificate");
    Ok(roots)
}

/// Read once: the system's trust changes rarely.
fn system_config() -> Result<Arc<ClientConfig>, String> {
    static CONFIG: OnceLock<Result<Arc<ClientConfig>, String>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        client_config(roots).map(Arc::new)
    };
    CONFIG.get_or_init(read).clone()
}

fn client_config(roots: RootCertStore) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(builder.map_err(|e| e.to_string())?.with_root_certificates(roots).with_no_client_auth())
}

/// Takes TLS connections with the certificate in the files, and with the new one when they change.
#[derive(Clone)]
pub(super) struct Acceptor(TlsAcceptor);

impl Acceptor {
    /// None when no certificate is set.
    pub fn open(config: &EdgeConfig) -> anyhow::Result<Option<Acceptor>> {
        let (Some(cert), Some(key)) = (&config.tls_cert, &config.tls_key) else {
            anyhow::ensure!(
                config.tls_cert.is_none() && config.tls_key.is_none(),
                "sip.tls_cert and sip.tls_key belong together"
            );
            return Ok(None);
        };
        let now = certificate(cert, key)?;
        let held = Arc::new(Held(RwLock::new(Arc::new(now))));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(held.clone());
        tokio::spawn(reload(held, cert.clone(), key.clone()));
        Ok(Some(Acceptor(TlsAcceptor::from(Arc::new(config)))))
    }

    pub async fn accept(&self, stream: TcpStream) -> Option<server::TlsStream<TcpStream>> {
        tokio::time::timeout(HANDSHAKE_TIMEOUT, self.0.accept(stream)).await.ok()?.ok()
    }
}

#[derive(Debug)]
struct Held(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Held {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().ok().map(|held| held.clone())
    }
}

fn certificate(cert: &Path, key: &Path) -> anyhow::Result<CertifiedKey> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(cert)
        .with_context(|| format!("sip.tls_cert: cannot read {}", cert.display()))?
        .collect();
    let chain = chain.with_context(|| format!("sip.tls_cert: {}", cert.display()))?;
    anyhow::ensure!(!chain.is_empty(), "sip.tls_cert: {} holds no certificate", cert.display());
    let private = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("sip.tls_key: cannot read {}", key.display()))?;
    let signer = rustls::crypto::ring::sign::any_supported_type(&private).context("sip.tls_key")?;
    let certified = CertifiedKey::new(chain, signer);
    certified.keys_match().context("sip.tls_cert and sip.tls_key do not belong together")?;
    Ok(certified)
}

async fn reload(held: Arc<Held>, cert: PathBuf, key: PathBuf) {
    let stamp = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    let both = |cert: &Path, key: &Path| -> [Option<SystemTime>; 2] { [stamp(cert), stamp(key)] };
    let mut known = both(&cert, &key);
    loop {
        tokio::time::sleep(RELOAD_EVERY).await;
        let now = both(&cert, &key);
        if now == known {
            continue;
        }
        match certificate(&cert, &key) {
            Ok(new) => {
                known = now;
                if let Ok(mut held) = held.0.write() {
                    *held = Arc::new(new);
                }
                tracing::info!("a new TLS certificate is in use for SIP");
            }
            // Perhaps only one of the two files is written yet: tried again.
            Err(error) => tracing::warn!(error = %format!("{error:#}"), "the TLS certificate is not renewed"),
        }
    }
}
