//! Goal: one POST says what it must, and whatever the far end does is bounded.

use std::process::Command;

use engine::{CompanyId, Timestamp};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn settings(url: String) -> PushSettings {
    PushSettings {
        company: CompanyId(1),
        task_status_url: String::new(),
        extension_state_url: url.clone(),
        bill_url: url,
        detail_form: false,
        secret: "secret".to_owned(),
        allow_private: true,
    }
}

fn event(kind: PushKind) -> Event {
    Event {
        id: 1,
        company: CompanyId(1),
        kind,
        call: None,
        body: r#"{"a":"b c"}"#.to_owned(),
        created_at: Timestamp::from_unix_seconds(1_581_496_504),
        expires_at: Timestamp(i64::MAX),
        attempts: 0,
        error: String::new(),
    }
}

/// Answers every request with these bytes and reports it; `keep`: takes more requests on the connection.
async fn receiver(answer: &'static [u8], keep: bool) -> (String, mpsc::UnboundedReceiver<(usize, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/calls?key=1", listener.local_addr().expect("bound"));
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for connection in 0.. {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            let sender = sender.clone();
            tokio::spawn(async move {
                while let Some(request) = read_request(&mut stream).await {
                    let _ = sender.send((connection, request));
                    if stream.write_all(answer).await.is_err() || !keep {
                        return;
                    }
                }
            });
        }
    });
    (url, requests)
}

/// One that has a body with a length.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| l.strip_prefix("content-length: "));
            if body.len() >= length.and_then(|l| l.parse().ok()).unwrap_or(0) {
                return Some(text);
            }
        }
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => read.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
}

fn poster(url: &str, kind: PushKind) -> Poster {
    Poster::new(&settings(url.to_owned()), kind).expect("a good URL")
}

#[tokio::test]
async fn a_push_carries_its_id_and_the_signature_of_its_body() {
    let (url, mut requests) = receiver(OK, true).await;
    poster(&url, PushKind::Bill).post(&event(PushKind::Bill)).await.expect("delivered");
    let (_, request) = requests.recv().await.expect("a request");
    let (head, body) = request.split_once("\r\n\r\n").expect("head and body");
    assert!(head.starts_with("POST /calls?key=1 HTTP/1.1\r\n"), "{head}");
    for line in [
        "content-type: application/json;charset=utf-8",
        "x-outpace-event: 01703889-8ec0-7000-8000-000000000001",
        // By openssl: printf '{"a":"b c"}' | openssl dgst -sha256 -hmac secret
        "x-outpace-signature: sha256=a8ae2c016888f4cd1cc128093f05015945ec4d30395b490d9100115425576e0a",
    ] {
        assert!(head.lines().any(|l| l == line), "{line}: {head}");
    }
    assert_eq!(body, r#"{"a":"b c"}"#);
}

#[tokio::test]
async fn an_extension_state_is_a_form_field_where_the_company_wants_it() {
    let (url, mut requests) = receiver(OK, true).await;
    let settings = PushSettings { detail_form: true, secret: String::new(), ..settings(url) };
    for (kind, content_type, body) in [
        (PushKind::ExtensionState, FORM, "detail=%7B%22a%22%3A%22b+c%22%7D"),
        (PushKind::Bill, JSON, r#"{"a":"b c"}"#),
    ] {
        let poster = Poster::new(&settings, kind).expect("a good URL");
        poster.post(&event(kind)).await.expect("delivered");
        let (_, request) = requests.recv().await.expect("a request");
        assert!(request.contains(&format!("content-type: {content_type}\r\n")), "{request}");
        assert!(request.ends_with(&format!("\r\n\r\n{body}")), "{request}");
        assert!(!request.contains("signature"), "there is no secret: {request}");
    }
}

#[tokio::test]
async fn a_connection_is_used_again_while_it_is_good() {
    let (url, mut requests) = receiver(OK, true).await;
    let poster = poster(&url, PushKind::Bill);
    for _ in 0..3 {
        poster.post(&event(PushKind::Bill)).await.expect("delivered");
        assert_eq!(requests.recv().await.expect("a request").0, 0);
    }
    // This one closes after each answer without saying so.
    let (url, mut requests) = receiver(OK, false).await;
    let poster = self::poster(&url, PushKind::Bill);
    for _ in 0..3 {
        poster.post(&event(PushKind::Bill)).await.expect("delivered");
        requests.recv().await.expect("a request");
    }
}

#[tokio::test]
async fn only_a_2xx_is_a_success_and_no_redirect_is_followed() {
    let (elsewhere, mut there) = receiver(OK, true).await;
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: {elsewhere}\r\ncontent-length: 0\r\n\r\n");
    for (answer, expected) in [
        (&b"HTTP/1.1 204 No Content\r\n\r\n"[..], Ok(())),
        (b"HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", Err("status 500")),
        (moved.leak().as_bytes(), Err("status 302")),
    ] {
        let (url, _requests) = receiver(answer, true).await;
        let result = poster(&url, PushKind::Bill).post(&event(PushKind::Bill)).await;
        assert_eq!(result, expected.map_err(str::to_owned));
    }
    assert!(there.try_recv().is_err());
}

#[tokio::test]
async fn whatever_is_answered_is_not_read_for_long() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else { return };
            read_request(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await;
            while stream.write_all(&[b'x'; 1024]).await.is_ok() {}
        }
    });
    let begun = Instant::now();
    let poster = poster(&url, PushKind::Bill);
    for _ in 0..2 {
        poster.post(&event(PushKind::Bill)).await.expect("a 2xx is a 2xx");
    }
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(poster.idle.lock().expect("no panic").is_empty(), "such a connection is not used again");

    let (url, _requests) = receiver(b"SSH-2.0-OpenSSH\r\n", true).await;
    assert!(self::poster(&url, PushKind::Bill).post(&event(PushKind::Bill)).await.is_err());
}

#[tokio::test]
async fn a_private_address_is_refused_where_it_is_forbidden_whatever_its_name_is() {
    let (url, mut requests) = receiver(OK, true).await;
    for url in
        [url.clone(), url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "[::ffff:127.0.0.1]")]
    {
        let settings = PushSettings { allow_private: false, ..settings(url) };
        let poster = Poster::new(&settings, PushKind::Bill).expect("a good URL");
        let result = poster.post(&event(PushKind::Bill)).await;
        assert_eq!(result, Err("its address is private".to_owned()));
    }
    assert!(requests.try_recv().is_err());
    let url = url.replace("127.0.0.1", "localhost");
    poster(&url, PushKind::Bill).post(&event(PushKind::Bill)).await.expect("names work");
}

#[tokio::test]
async fn an_https_url_is_reached_when_its_certificate_is_trusted() {
    let folder = std::env::temp_dir().join(format!("outpace-push-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("the temp directory can be written");
    let (key, certificate) = (folder.join("key.pem"), folder.join("certificate.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=test",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=CA:FALSE",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let chain = vec![CertificateDer::from_pem_file(&certificate).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(&key).expect("a key");
    std::fs::remove_dir_all(&folder).expect("our own folder");

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain.clone(), key)
        .expect("certificate and key");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("https://{}/", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            if read_request(&mut stream).await.is_some() {
                let _ = stream.write_all(OK).await;
            }
        }
    });

    let mut poster = poster(&url, PushKind::Bill);
    let error = poster.post(&event(PushKind::Bill)).await.expect_err("nobody signed it");
    assert!(error.starts_with("TLS: "), "{error}");
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(chain);
    let client = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    poster.tls = Some(TlsConnector::from(Arc::new(client)));
    poster.post(&event(PushKind::Bill)).await.expect("delivered");
}

#[test]
fn urls_that_lead_nowhere_are_refused() {
    for url in [
        "",
        "crm.example",
        "/calls",
        "ftp://crm.example/",
        "http://",
        "http://a:b@crm.example/",
        "http://a b/",
    ] {
        assert!(check_url(url).is_err(), "{url}");
    }
    for url in
        ["http://crm.example", "https://crm.example:8443/a/b?c=d", "http://[::1]:80/", "http://10.0.0.1"]
    {
        assert_eq!(check_url(url), Ok(()), "{url}");
    }
}
