//! Goal: an agent works from a web page: Chromium with a usual SIP library, sound both ways.

mod harness;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use harness::floor::numbers;
use harness::peer::{Behaviour, Peer};
use harness::ports::Ports;
use harness::rtp::{Sound, samples, tone_share, tone_wav};
use harness::server::{Company, PASSWORD, Server, Setup};
use harness::{TempDir, seconds, wait_for};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
const CUSTOMER_HZ: f64 = 1000.0;
const AGENT_HZ: f64 = 440.0;

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the page told:\n{}", self.told().join("\n"));
        }
    }
}

/// Serves one page, and keeps what it tells.
struct Site {
    address: SocketAddr,
    told: Arc<Mutex<Vec<String>>>,
}

impl Site {
    fn open(script: Vec<u8>) -> Site {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let told = Arc::<Mutex<Vec<String>>>::default();
        let (script, kept) = (Arc::new(script), told.clone());
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, kept) = (script.clone(), kept.clone());
                std::thread::spawn(move || serve(stream, &script, &kept));
            }
        });
        Site { address, told }
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().expect("nobody panics with it").clone()
    }

    /// Whether the page said a thing that begins so.
    fn has_told(&self, start: &str) -> bool {
        self.told().iter().any(|line| line.starts_with(start))
    }

    /// The last frequencies that it heard.
    fn heard(&self) -> Vec<f64> {
        let told = self.told();
        let values =
            told.iter().rev().filter_map(|line| line.strip_prefix("hears=")?.split('&').next()?.parse().ok());
        values.take(3).collect()
    }
}

fn serve(stream: TcpStream, script: &[u8], told: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().expect("a stream can be cloned")).take(16_384).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
    let path = first.split(' ').nth(1).unwrap_or_default();
    let (kind, body) = match path.split_once('?') {
        Some(("/told", what)) => {
            told.lock().expect("nobody panics with it").push(what.to_owned());
            ("text/plain", &b""[..])
        }
        _ if path == "/phone.js" => ("text/javascript", script),
        _ => ("text/html", &b"<!doctype html><script type=module src=/phone.js></script>"[..]),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let mut stream = stream;
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

/// The page's script with its library in it. npm brings them when they are not there.
fn script(folder: &Path) -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    let work = folder.join("page");
    std::fs::create_dir(&work).expect("it can be made");
    for name in ["package.json", "package-lock.json", "phone.js"] {
        std::fs::copy(source.join(name), work.join(name)).expect("it can be copied");
    }
    let modules = source.join("node_modules");
    assert!(
        modules.exists(),
        "scripts/install-test-tools has not been run: {} is missing",
        modules.display()
    );
    std::os::unix::fs::symlink(&modules, work.join("node_modules")).expect("it can be linked");
    let out = work.join("bundle.js");
    let done = Command::new(modules.join(".bin/esbuild"))
        .args(["phone.js", "--bundle", "--log-level=warning", "--preserve-symlinks"])
        .arg(format!("--outfile={}", out.display()))
        .current_dir(&work)
        .output()
        .expect("esbuild runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    std::fs::read(out).expect("esbuild wrote it")
}

struct Chromium {
    child: Child,
    log: PathBuf,
}

impl Chromium {
    fn open(url: &str, microphone: &Path, folder: &Path) -> Chromium {
        let log = folder.join("chromium.log");
        let out = std::fs::File::create(&log).expect("it can be written");
        let child = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-background-networking", "--mute-audio"])
            .args(["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"])
            .arg(format!("--use-file-for-fake-audio-capture={}", microphone.display()))
            .arg("--autoplay-policy=no-user-gesture-required")
            .arg(format!("--user-data-dir={}", folder.join("chromium").display()))
            .arg(url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(out)
            .spawn()
            .expect("chromium is installed");
        Chromium { child, log }
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = log.lines().filter(|line| !line.contains("dbus/")).collect();
            eprintln!("chromium said:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Office {
    server: Server,
    carrier: Peer,
    site: Site,
    _chromium: Chromium,
    _folder: TempDir,
    _ports: Ports,
}

/// A page at which extension 1001 works, and that dials when it is told to.
fn office(dial: &str, media_keys: &str) -> Office {
    let (ports, folder) = (Ports::reserve(), TempDir::new());
    let customer = |_: &str| Behaviour::answers(seconds(0.2)).and_hangs_up_after(seconds(8.0));
    let carrier = Peer::start(ports.next(), Sound::Tone(CUSTOMER_HZ), customer);
    let site = Site::open(script(folder.path()));
    let ws = SocketAddr::from(([127, 0, 0, 1], ports.next()));
    let mut setup = Setup::new(&ports).company(Company::new("1").trunk(carrier.port).agents(1001, 1));
    setup.companies[0].outbound_keys = "allow = [\"1\"]".to_owned();
    setup.sip_keys = format!("ws_listen = \"{ws}\"\nws_origins = [\"http://{}\"]", site.address);
    setup.media_keys = media_keys.to_owned();
    let server = setup.start();
    let microphone = folder.path().join("microphone.wav");
    std::fs::write(&microphone, tone_wav(AGENT_HZ, 30)).expect("it can be written");
    let url = format!(
        "http://{}/?extension=1001&password={PASSWORD}&server=ws://{ws}&domain={}&dial={dial}",
        site.address, server.sip
    );
    let chromium = Chromium::open(&url, &microphone, folder.path());
    wait_for("the page to register", LIMIT, || site.has_told("registered=1001").then_some(()));
    Office { server, carrier, site, _chromium: chromium, _folder: folder, _ports: ports }
}

fn wait_both_hear(office: &Office, number: &str) {
    wait_for("the page and the customer to hear each other", LIMIT, || {
        let heard = office.site.heard();
        let page = heard.len() == 3 && heard.iter().all(|hz| (hz - CUSTOMER_HZ).abs() < 50.0);
        let customer = tone_share(&samples(&office.carrier.packets_of(number)), AGENT_HZ) > 0.8;
        (page && customer).then_some(())
    });
}

#[test]
fn an_agent_in_a_browser_is_rung_and_talks_with_the_customer() {
    let office = office("", "");
    let crm = office.server.crm(0);
    crm.wait_registered(&["1001".to_owned()]);
    let numbers = numbers(75, 1);
    let task = crm.create(&numbers, &[]);
    wait_both_hear(&office, &numbers[0]);
    assert!(office.site.has_told("speaks=PCMA"), "as the customer");
    let rows = crm.wait_ended(&task, LIMIT);
    assert_eq!(rows[0]["answertype"], json!("connected"), "{rows:?}");
    wait_for("the page to hear of the end", LIMIT, || office.site.has_told("ended=").then_some(()));
}

#[test]
fn an_agent_in_a_browser_dials() {
    let office = office("13900000001", "codecs = [\"opus\", \"pcma\"]");
    wait_both_hear(&office, "13900000001");
    assert!(office.site.has_told("speaks=opus"), "as both like");
    wait_for("the page to hear of the end", LIMIT, || office.site.has_told("ended=").then_some(()));
}
