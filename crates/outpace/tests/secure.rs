//! Goal: carriers and phones are reached over TLS, and phones over WebSocket, each over the one connection that it opened.

mod harness;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use harness::TempDir;
use harness::baresip::{Baresip, TONE_HZ};
use harness::certificate::Certificate;
use harness::floor::{extensions, numbers};
use harness::peer::message::{Message, finish, sdp};
use harness::peer::{Behaviour, Peer, What, digest};
use harness::ports::Ports;
use harness::rest::Rest;
use harness::rtp::{Sound, samples, tone_share};
use harness::seconds;
use harness::server::{Company, PASSWORD, Server, Setup};
use harness::sipp::{Sipp, TCP};
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::Message as Frame;
use tokio_tungstenite::{WebSocketStream, client_async};

const LIMIT: Duration = Duration::from_secs(60);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Takes TLS at the port and hands what is inside to a TCP port.
fn tls_front(runtime: &tokio::runtime::Runtime, certificate: &Certificate, port: u16, inside: u16) {
    let acceptor = certificate.acceptor();
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", port))).expect("the port is free");
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut outer) = acceptor.accept(stream).await else { return };
                let Ok(mut inner) = TcpStream::connect(("127.0.0.1", inside)).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut outer, &mut inner).await;
            });
        }
    });
}

struct TlsCarrier {
    carrier: Sipp,
    certificate: Certificate,
    port: u16,
    _runtime: tokio::runtime::Runtime,
    _folder: TempDir,
}

/// Answers, and hangs up.
fn tls_carrier(ports: &Ports) -> TlsCarrier {
    let (runtime, folder) = (runtime(), TempDir::new());
    let certificate = Certificate::make(folder.path());
    let (port, inside) = (ports.next(), ports.next());
    let rtp_port = ports.next().to_string();
    let carrier =
        Sipp::serve("carrier_answer_hangs_up", inside, &[TCP, &["-key", "rtp_port", &rtp_port]].concat());
    tls_front(&runtime, &certificate, port, inside);
    TlsCarrier { carrier, certificate, port, _runtime: runtime, _folder: folder }
}

fn trunk_office(ports: &Ports, table: &str) -> (Server, Peer) {
    let agents = Peer::start(ports.next(), Sound::Nothing, |_| Behaviour::answers(seconds(0.02)));
    let company = Company::new("1").trunk_table(table).agents(1001, 2);
    let server = Setup::new(ports).company(company).start();
    for extension in extensions(1001, 2) {
        agents.register(server.sip, &extension, PASSWORD, 300);
    }
    (server, agents)
}

#[test]
fn a_carrier_is_reached_over_tls_when_its_certificate_is_trusted_and_not_otherwise() {
    for trusted in [true, false] {
        let ports = Ports::reserve();
        let TlsCarrier { carrier, certificate, port, .. } = &tls_carrier(&ports);
        let ca = if trusted { format!("tls_ca = \"{}\"", certificate.cert.display()) } else { String::new() };
        let table = format!(
            "name = \"carrier\"\naddress = \"127.0.0.1:{port}\"\ntransport = \"tls\"\noptions_every_s = 0\n{ca}"
        );
        let (server, _agents) = trunk_office(&ports, &table);
        let crm = server.crm(0);
        let task = crm.create(&numbers(70, 2), &[]);
        if trusted {
            let rows = crm.wait_ended(&task, LIMIT);
            assert!(rows.iter().all(|r| r["answered"] == json!(1)), "{rows:?}");
        } else {
            harness::wait_for("the trunk to be down", LIMIT, || {
                let states = crm.v1("trunk-states");
                (states["trunks"][0]["addresses"][0]["state"] != json!("up")).then_some(())
            });
            assert_eq!(
                carrier.received("INVITE"),
                0,
                "nothing was said to a carrier who cannot prove who it is"
            );
        }
    }
}

#[test]
fn a_trunk_over_tls_with_several_addresses_is_set_up_through_the_rest_api() {
    let ports = Ports::reserve();
    let TlsCarrier { carrier, certificate, port, .. } = &tls_carrier(&ports);
    let (server, _agents) =
        trunk_office(&ports, "name = \"old\"\naddress = \"127.0.0.1:9\"\nenabled = false");
    let rest = Rest::with_key(&server, "read,admin");
    let pem = std::fs::read_to_string(&certificate.cert).expect("it was made");
    let nobody = ports.next();
    let trunk = json!({"transport": "tls", "tls_ca": pem, "options_every_s": 0, "addresses": [
        {"host": "127.0.0.1", "port": nobody}, {"host": "127.0.0.1", "port": port, "priority": 1}]});
    let put = rest.send("PUT", "trunks/carrier", Some(trunk)).is(200);
    assert_eq!(put["addresses"][1]["priority"], json!(1), "{put}");
    // A file of the server is not a client's to name.
    let path = json!({"address": "127.0.0.1", "tls_ca": certificate.cert});
    assert_eq!(rest.send("PUT", "trunks/other", Some(path)).is(400)["details"][0]["field"], json!("tls_ca"));
    let crm = server.crm(0);
    let rows = crm.wait_ended(&crm.create(&numbers(71, 2), &[]), LIMIT);
    assert!(rows.iter().all(|r| r["answered"] == json!(1)), "{rows:?}");
    assert_eq!(carrier.received("INVITE"), 2);
}

/// A phone's connection: whole SIP messages out and in.
enum Wire {
    Stream(Box<dyn Pipe>, Vec<u8>),
    Socket(Box<WebSocketStream<Box<dyn Pipe>>>),
}

trait Pipe: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Pipe for T {}

impl Wire {
    async fn tls(server: SocketAddr, certificate: &Certificate) -> Box<dyn Pipe> {
        let stream = TcpStream::connect(server).await.expect("the server listens");
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        Box::new(certificate.connector().connect(name, stream).await.expect("its certificate is good"))
    }

    /// Err: the status of the refusal.
    async fn socket(pipe: Box<dyn Pipe>, protocol: &str, origin: &str) -> Result<Wire, u16> {
        let mut request = "ws://127.0.0.1/".into_client_request().expect("a URL");
        let headers = request.headers_mut();
        if !protocol.is_empty() {
            headers.insert("sec-websocket-protocol", protocol.parse().expect("a value"));
        }
        headers.insert("origin", origin.parse().expect("a value"));
        match client_async(request, pipe).await {
            Ok((socket, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], "sip");
                Ok(Wire::Socket(Box::new(socket)))
            }
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    async fn send(&mut self, text: &str) {
        match self {
            Wire::Stream(pipe, _) => {
                pipe.write_all(text.as_bytes()).await.expect("it is open");
                pipe.flush().await.expect("it is open");
            }
            Wire::Socket(socket) => socket.send(Frame::text(text)).await.expect("it is open"),
        }
    }

    async fn receive(&mut self) -> Message {
        loop {
            match self {
                Wire::Socket(socket) => match socket.next().await.expect("it is open").expect("it is open") {
                    Frame::Text(text) => return Message::parse(text.as_bytes()).expect("a message"),
                    _ => continue,
                },
                Wire::Stream(pipe, rest) => {
                    if let Some(end) = rest.windows(4).position(|w| w == b"\r\n\r\n") {
                        let head = Message::parse(&rest[..end + 4]).expect("a message");
                        let whole = end + 4 + head.header("content-length").parse::<usize>().unwrap_or(0);
                        if rest.len() >= whole {
                            let bytes: Vec<u8> = rest.drain(..whole).collect();
                            return Message::parse(&bytes).expect("a message");
                        }
                    }
                    let mut buffer = [0; 4096];
                    let n = pipe.read(&mut buffer).await.expect("it is open");
                    assert!(n > 0, "the server closed the connection");
                    rest.extend_from_slice(&buffer[..n]);
                }
            }
        }
    }

    /// Registers with a Contact that nobody can reach but over this connection; gives the last answer.
    async fn register(&mut self, via: &str, extension: &str) -> Message {
        let mut credentials = String::new();
        for cseq in 1..=2 {
            let text = format!(
                "REGISTER sip:outpace SIP/2.0\r\nVia: SIP/2.0/{via} df7jal23ls0d.invalid;branch=z9hG4bK{:016x}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{extension}@outpace>;tag=a{extension}\r\nTo: <sip:{extension}@outpace>\r\n\
                 Call-ID: r{extension}\r\nCSeq: {cseq} REGISTER\r\nSupported: path, outbound\r\n\
                 Contact: <sip:{extension}@df7jal23ls0d.invalid;transport=ws>;reg-id=1;\
                 +sip.instance=\"<urn:uuid:{extension}>\"\r\nExpires: 300\r\n{credentials}",
                fastrand::u64(..)
            );
            self.send(&finish(text, "")).await;
            let answer = self.receive().await;
            match answer.status() {
                401 => {
                    credentials =
                        digest::authorization(&answer, "REGISTER", "sip:outpace", extension, PASSWORD)
                }
                _ => return answer,
            }
        }
        panic!("{extension} is challenged again and again")
    }

    /// Takes every call, for ever.
    async fn answer_calls(&mut self) {
        loop {
            let message = self.receive().await;
            match message.method() {
                "INVITE" => {
                    let contact = "Contact: <sip:me@df7jal23ls0d.invalid;transport=ws>\r\n";
                    self.send(&message.response("180 Ringing", "phone", contact, "")).await;
                    self.send(&message.response("200 OK", "phone", contact, &sdp(9, 8, 0))).await;
                }
                "BYE" => self.send(&message.response("200 OK", "", "", "")).await,
                _ => {}
            }
        }
    }
}

struct Lab {
    server: Server,
    carrier: Peer,
    certificate: Certificate,
    tls: SocketAddr,
    ws: SocketAddr,
    wss: SocketAddr,
    _folder: TempDir,
    ports: Ports,
}

fn lab(agents: u32) -> Lab {
    lab_with(
        agents,
        "srtp = \"off\"",
        Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(0.5)),
        Sound::Nothing,
    )
}

fn lab_with(agents: u32, media_keys: &str, behaviour: Behaviour, sound: Sound) -> Lab {
    let (ports, folder) = (Ports::reserve(), TempDir::new());
    let certificate = Certificate::make(folder.path());
    let carrier = Peer::start(ports.next(), sound, move |_| behaviour);
    let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let (tls, ws, wss) = (at(ports.next()), at(ports.next()), at(ports.next()));
    let mut setup = Setup::new(&ports).company(Company::new("1").trunk(carrier.port).agents(1001, agents));
    setup.media_keys = media_keys.to_owned();
    setup.companies[0].outbound_keys = "allow = [\"1\"]".to_owned();
    setup.sip_keys = format!(
        "tls_listen = \"{tls}\"\nws_listen = \"{ws}\"\nwss_listen = \"{wss}\"\ntls_cert = \"{}\"\ntls_key = \"{}\"\n\
         ws_origins = [\"https://crm.example\"]",
        certificate.cert.display(),
        certificate.key.display()
    );
    let server = setup.start();
    Lab { server, carrier, certificate, tls, ws, wss, _folder: folder, ports }
}

const ORIGIN: &str = "https://crm.example";

#[test]
fn phones_register_and_take_calls_over_tls_ws_and_wss() {
    let lab = lab(3);
    let crm = lab.server.crm(0);
    let runtime = runtime();
    let phones = runtime.block_on(async {
        let tls = Wire::Stream(Wire::tls(lab.tls, &lab.certificate).await, Vec::new());
        let plain = Box::new(TcpStream::connect(lab.ws).await.expect("the server listens"));
        let ws = Wire::socket(plain, "sip", ORIGIN).await.expect("welcome");
        let pipe = Wire::tls(lab.wss, &lab.certificate).await;
        let wss = Wire::socket(pipe, "sip", ORIGIN).await.expect("welcome");
        let mut phones = Vec::new();
        for (via, extension, mut wire) in [("TLS", "1001", tls), ("WS", "1002", ws), ("WSS", "1003", wss)] {
            let answer = wire.register(via, extension).await;
            assert_eq!(answer.status(), 200, "{answer:?}");
            assert_eq!(answer.header("require"), "outbound");
            phones.push(wire);
        }
        phones
    });
    crm.wait_registered(&extensions(1001, 3));
    for mut wire in phones {
        runtime.spawn(async move { wire.answer_calls().await });
    }
    let rows = crm.wait_ended(&crm.create(&numbers(71, 12), &[]), LIMIT);
    assert!(rows.iter().all(|r| r["answertype"] == json!("connected")), "{rows:?}");
    for extension in extensions(1001, 3) {
        assert!(rows.iter().any(|r| r["extnumber"] == json!(extension)), "{extension} had no call: {rows:?}");
    }
    assert_eq!(lab.carrier.all(What::Invite).len(), 12);
}

#[test]
fn many_extensions_share_one_connection_and_leave_with_it() {
    let lab = lab(20);
    let crm = lab.server.crm(0);
    let runtime = runtime();
    let wire = runtime.block_on(async {
        let plain = Box::new(TcpStream::connect(lab.ws).await.expect("the server listens"));
        let mut wire = Wire::socket(plain, "sip", ORIGIN).await.expect("welcome");
        for extension in extensions(1001, 20) {
            assert_eq!(wire.register("WS", &extension).await.status(), 200);
        }
        wire
    });
    crm.wait_registered(&extensions(1001, 20));
    drop(wire);
    harness::wait_for("the extensions to be gone", LIMIT, || {
        let answer = crm.call("App.Sip_Status.GetSipRegisterStatus", &[("extnumber", "1001")]);
        (answer.result()[0]["code"] != json!(1017)).then_some(())
    });
}

#[test]
fn a_strange_web_page_and_another_sub_protocol_are_refused() {
    let lab = lab(1);
    runtime().block_on(async {
        for (protocol, origin, status) in
            [("sip", "https://evil.example", 403), ("chat", ORIGIN, 400), ("", ORIGIN, 400)]
        {
            let plain = Box::new(TcpStream::connect(lab.ws).await.expect("the server listens"));
            let refused = Wire::socket(plain, protocol, origin).await.err();
            assert_eq!(refused, Some(status), "{protocol} from {origin}");
        }
    });
}

const CUSTOMER_HZ: f64 = 1000.0;

/// baresip over TLS, with its sound as it is told.
fn encrypting_phone(lab: &Lab, extension: &str, hz: f64, mediaenc: &str) -> Baresip {
    let parameters = format!(";mediaenc={mediaenc}");
    let phone = Baresip::with_account(hz, lab.tls, &lab.ports, (extension, PASSWORD), "tls", &parameters);
    lab.server.crm(0).wait_registered(&[extension.to_owned()]);
    phone
}

#[test]
fn an_agent_whose_sound_is_encrypted_talks_with_a_customer_whose_sound_is_not() {
    for (policy, mediaenc) in [("optional", "srtp"), ("required", "srtp-mand")] {
        let customer = Behaviour::answers(seconds(0.2)).and_hangs_up_after(seconds(3.0));
        let lab = lab_with(1, &format!("srtp = \"{policy}\""), customer, Sound::Tone(CUSTOMER_HZ));
        let crm = lab.server.crm(0);
        let phone = encrypting_phone(&lab, "1001", TONE_HZ, mediaenc);
        let numbers = numbers(72, 1);
        let rows = crm.wait_ended(&crm.create(&numbers, &[]), LIMIT);
        assert_eq!(rows[0]["answertype"], json!("connected"), "{policy}: {rows:?}");
        let heard = samples(&lab.carrier.packets_of(&numbers[0]));
        assert!(tone_share(&heard, TONE_HZ) > 0.9, "{policy}: the customer heard the agent");
        harness::wait_for("the customer's tone in baresip's recording", LIMIT, || {
            (tone_share(&phone.heard(), CUSTOMER_HZ) > 0.9).then_some(())
        });
        let said = phone.output();
        assert!(said.contains("SRTP is Enabled"), "{policy}: {said}");
    }
}

#[test]
fn a_phone_that_wants_nothing_but_srtp_is_refused_where_it_is_off() {
    let customer = Behaviour::answers(seconds(0.2));
    let lab = lab_with(1, "srtp = \"off\"", customer, Sound::Tone(CUSTOMER_HZ));
    let phone = encrypting_phone(&lab, "1001", TONE_HZ, "srtp-mand");
    phone.command("dial", "13900000001");
    harness::wait_for("the refusal", LIMIT, || phone.output().contains("488").then_some(()));
    assert_eq!(lab.carrier.all(What::Invite).len(), 0);
}

#[test]
fn a_call_dialed_at_an_encrypting_phone_is_encrypted() {
    let customer = Behaviour::answers(seconds(0.2));
    let lab = lab_with(1, "", customer, Sound::Tone(CUSTOMER_HZ));
    let phone = encrypting_phone(&lab, "1001", TONE_HZ, "srtp-mand");
    phone.command("dial", "13900000001");
    harness::wait_for("the two to hear each other", LIMIT, || {
        let heard = samples(&lab.carrier.packets_of("13900000001"));
        let both = tone_share(&phone.heard(), CUSTOMER_HZ) > 0.9 && tone_share(&heard, TONE_HZ) > 0.9;
        both.then_some(())
    });
    phone.command("hangup", "");
    lab.carrier.wait(What::Bye, 1, LIMIT);
}
