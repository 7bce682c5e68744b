//! The real binary with a configuration of its own.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::TempDir;
use super::crm::Crm;
use super::ports::Ports;

/// Password of every extension.
pub const PASSWORD: &str = "secret-of-the-phones";
pub const CALLER_ID: &str = "02155550100";

/// One company of the configuration.
pub struct Company {
    pub code: &'static str,
    /// Ports of the carriers on 127.0.0.1.
    pub trunks: Vec<u16>,
    /// First extension and how many.
    pub extensions: (u32, u32),
    /// Name, members (extensions), signed in from the start.
    pub groups: Vec<(&'static str, Vec<u32>, bool)>,
    /// Further lines of each trunk.
    pub trunk_keys: &'static str,
    /// Whole tables `[[company.trunk]]`, after those above.
    pub trunk_tables: String,
    /// Of all groups, as in the API.
    pub strategy: u32,
    /// Lines of `[company.push]`.
    pub push_keys: String,
    /// Lines of `[company.inbound]`.
    pub inbound_keys: String,
    /// Lines of `[company.outbound]`.
    pub outbound_keys: String,
    /// Lines of `[company.compliance]`.
    pub compliance_keys: String,
}

impl Company {
    pub fn new(code: &'static str) -> Company {
        Company {
            code,
            trunks: Vec::new(),
            extensions: (1001, 0),
            groups: Vec::new(),
            trunk_keys: "",
            trunk_tables: String::new(),
            strategy: 1,
            push_keys: String::new(),
            inbound_keys: String::new(),
            outbound_keys: String::new(),
            compliance_keys: String::new(),
        }
    }

    pub fn trunk(mut self, port: u16) -> Company {
        self.trunks.push(port);
        self
    }

    /// `count` extensions from `first`, all of them signed in to the group `sales`.
    pub fn agents(mut self, first: u32, count: u32) -> Company {
        self.extensions = (first, count);
        self.groups.push(("sales", (first..first + count).collect(), true));
        self
    }

    pub fn trunk_keys(mut self, lines: &'static str) -> Company {
        self.trunk_keys = lines;
        self
    }

    /// One trunk with these lines, written out.
    pub fn trunk_table(mut self, lines: &str) -> Company {
        self.trunk_tables.push_str(&format!("[[company.trunk]]\n{lines}\n"));
        self
    }

    pub fn strategy(mut self, strategy: u32) -> Company {
        self.strategy = strategy;
        self
    }

    pub fn push(mut self, lines: &str) -> Company {
        self.push_keys = lines.to_owned();
        self
    }

    /// `count` extensions from `first`, in no group.
    pub fn extensions(mut self, first: u32, count: u32) -> Company {
        self.extensions = (first, count);
        self
    }

    pub fn group(mut self, name: &'static str, members: &[u32], sign_in: bool) -> Company {
        self.groups.push((name, members.to_vec(), sign_in));
        self
    }

    pub fn appid(&self) -> String {
        format!("app-{}", self.code)
    }

    pub fn accesskey(&self) -> String {
        format!("accesskey-of-{}-0123456789abcdef", self.code)
    }

    fn toml(&self) -> String {
        let mut t = format!(
            "[[company]]\ncode = \"{}\"\nname = \"Company {}\"\n[[company.app]]\nappid = \"{}\"\naccesskey = \"{}\"\n",
            self.code,
            self.code,
            self.appid(),
            self.accesskey()
        );
        let (first, count) = self.extensions;
        if count > 0 {
            let last = first + count - 1;
            let _ = writeln!(
                t,
                "[[company.extension]]\nnumber = \"{first}\"\nlast = \"{last}\"\npassword = \"{PASSWORD}\""
            );
        }
        for (name, members, sign_in) in &self.groups {
            let members: Vec<String> = members.iter().map(u32::to_string).collect();
            let _ = writeln!(
                t,
                "[[company.group]]\nname = \"{name}\"\nmembers = {members:?}\nsign_in = {sign_in}\nstrategy = {}",
                self.strategy
            );
        }
        for port in &self.trunks {
            let _ = writeln!(
                t,
                "[[company.trunk]]\nname = \"carrier-{port}\"\naddress = \"127.0.0.1:{port}\"\nchannels_max = 500\n{}",
                self.trunk_keys
            );
        }
        t.push_str(&self.trunk_tables);
        let _ = writeln!(t, "[[company.caller_id]]\nnumber = \"{CALLER_ID}\"");
        let _ = writeln!(t, "[company.push]\n{}", self.push_keys);
        if !self.inbound_keys.is_empty() {
            let _ = writeln!(t, "[company.inbound]\n{}", self.inbound_keys);
        }
        if !self.outbound_keys.is_empty() {
            let _ = writeln!(t, "[company.outbound]\n{}", self.outbound_keys);
        }
        if !self.compliance_keys.is_empty() {
            let _ = writeln!(t, "[company.compliance]\n{}", self.compliance_keys);
        }
        t
    }
}

/// What the server is started with.
pub struct Setup {
    pub dir: TempDir,
    /// Where everything listens, as in a URI.
    pub host: &'static str,
    pub api_port: u16,
    pub sip_port: u16,
    media: (u16, u16),
    /// Lines of the sections `[dialing]`, `[retry]`, `[media]`, `[recording]`, `[detection]`.
    pub dialing: String,
    pub retry: String,
    pub media_keys: String,
    /// Further lines of `[sip]`.
    pub sip_keys: String,
    pub recording: String,
    pub detection: String,
    drain_s: u32,
    /// Further lines of `[server]`.
    pub server_keys: String,
    /// What is logged where `OUTPACE_LOG` does not say.
    pub log: &'static str,
    pub companies: Vec<Company>,
}

impl Setup {
    /// Short times, so that a test ends soon: no answer after 2 s, wrap-up 0.1 s.
    pub fn new(ports: &Ports) -> Setup {
        Setup {
            dir: TempDir::new(),
            host: "127.0.0.1",
            api_port: ports.next(),
            sip_port: ports.next(),
            media: ports.media(),
            dialing: "no_answer_s = 2.0\nring_min_s = 1.0\nwrap_up_s = 0.1\nmiss_pause_s = 1.0\n".into(),
            retry: "busy_s = 1\nno_answer_s = 1\nfailed_s = 1\nlost_s = 1\n".into(),
            media_keys: String::new(),
            sip_keys: String::new(),
            recording: String::new(),
            detection: String::new(),
            drain_s: 20,
            server_keys: String::new(),
            log: "info",
            companies: Vec::new(),
        }
    }

    pub fn company(mut self, company: Company) -> Setup {
        self.companies.push(company);
        self
    }

    pub fn dialing(mut self, lines: &str) -> Setup {
        self.dialing = format!("{lines}\n");
        self
    }

    pub fn drain_s(mut self, s: u32) -> Setup {
        self.drain_s = s;
        self
    }

    pub fn recording(mut self, lines: &str) -> Setup {
        self.recording = format!("{lines}\n");
        self
    }

    pub fn detection(mut self, lines: &str) -> Setup {
        self.detection = format!("{lines}\n");
        self
    }

    pub fn start(self) -> Server {
        let text = self.toml();
        let config = self.dir.path().join("outpace.toml");
        std::fs::write(&config, text).expect("the temp directory can be written");
        let mut server = Server { setup: self, config, child: None, api: unset(), sip: unset() };
        server.spawn();
        server
    }

    fn toml(&self) -> String {
        let data = self.dir.path().join("data");
        let mut t = format!(
            "[server]\ndata = \"{}\"\nstore = \"sqlite\"\ndrain_s = {}\n{}\n[api]\nlisten = \"{host}:{}\"\n\
             [sip]
listen = \"{host}:{}\"
{}
[media]
bind = \"{bind}\"
port_first = {}
port_last = {}
{}
\
             [dialing]
{}[retry]
{}
[recording]
{}
[detection]
{}",
            data.display(),
            self.drain_s,
            self.server_keys,
            self.api_port,
            self.sip_port,
            self.sip_keys,
            self.media.0,
            self.media.1,
            self.media_keys,
            self.dialing,
            self.retry,
            self.recording,
            self.detection,
            host = self.host,
            bind = self.host.trim_matches(['[', ']']),
        );
        for company in &self.companies {
            t.push_str(&company.toml());
        }
        t
    }
}

fn unset() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

pub struct Server {
    pub setup: Setup,
    config: PathBuf,
    child: Option<Child>,
    pub api: SocketAddr,
    pub sip: SocketAddr,
}

impl Server {
    /// Starts the stopped server again: same ports, same data.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "the server runs already");
        let log = OpenOptions::new().create(true).append(true).open(self.log_path());
        let mut child = Command::new(env!("CARGO_BIN_EXE_outpace"))
            .args(["serve", "--config"])
            .arg(&self.config)
            .current_dir(self.setup.dir.path())
            .env("OUTPACE_LOG", std::env::var("OUTPACE_LOG").unwrap_or_else(|_| self.setup.log.into()))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.expect("the temp directory can be written"))
            .spawn()
            .expect("the binary can be started");
        let stdout = child.stdout.take().expect("stdout is piped");
        self.child = Some(child);
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        loop {
            let line = lines.recv_timeout(Duration::from_secs(30)).unwrap_or_else(|_| {
                panic!("the server did not become ready; its log:\n{}", self.log_tail());
            });
            if let Some(address) = line.strip_prefix("api listening on ") {
                self.api = address.parse().expect("an address");
            } else if let Some(address) = line.strip_prefix("sip listening on ") {
                self.sip = address.parse().expect("an address");
            } else if line == "ready" {
                return;
            }
        }
    }

    /// Logged in as the first company, or the one with this place in the setup.
    pub fn crm(&self, company: usize) -> Crm {
        let company = &self.setup.companies[company];
        Crm::login(self.api, &company.appid(), &company.accesskey())
    }

    /// SIGKILL, as a power cut.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("our own child");
            child.wait().expect("our own child");
        }
    }

    pub fn send_sigterm(&self) {
        let pid = self.child.as_ref().expect("it runs").id();
        let done = Command::new("kill").args(["-TERM", &pid.to_string()]).status();
        assert!(done.expect("kill is installed").success());
    }

    pub fn is_running(&mut self) -> bool {
        matches!(self.child.as_mut().map(Child::try_wait), Some(Ok(None)))
    }

    pub fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        super::wait_for("the end of the server", limit, || child.try_wait().expect("our own child"))
    }

    pub fn log_path(&self) -> PathBuf {
        self.setup.dir.path().join("server.log")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }

    /// The folder of all recordings.
    pub fn recordings(&self) -> PathBuf {
        self.setup.dir.path().join("data/recordings")
    }

    /// The database file.
    pub fn database(&self) -> PathBuf {
        let data = self.setup.dir.path().join("data");
        find_database(&data).unwrap_or_else(|| panic!("no database in {}", data.display()))
    }

    /// What `outpace admin …` prints.
    pub fn admin(&self, arguments: &[&str]) -> String {
        self.verb("admin", arguments)
    }

    /// What `outpace <verb> …` prints.
    pub fn verb(&self, verb: &str, arguments: &[&str]) -> String {
        let out = Command::new(env!("CARGO_BIN_EXE_outpace"))
            .args([verb, "--config"])
            .arg(&self.config)
            .args(arguments)
            .current_dir(self.setup.dir.path())
            .output()
            .expect("the binary can be started");
        assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).into_owned()
    }

    /// Rows of a query, by the `sqlite3` program; columns joined by `|`.
    pub fn sql(&self, query: &str) -> Vec<String> {
        let out = Command::new("sqlite3")
            .args(["-cmd", ".timeout 5000"])
            .arg(self.database())
            .arg(query)
            .output()
            .expect("sqlite3 is installed");
        assert!(out.status.success(), "{query}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect()
    }
}

fn find_database(data: &Path) -> Option<PathBuf> {
    std::fs::read_dir(data).ok()?.filter_map(|entry| Some(entry.ok()?.path())).find(|path| is_sqlite(path))
}

fn is_sqlite(path: &Path) -> bool {
    use std::io::Read;
    let mut start = [0u8; 15];
    File::open(path).and_then(|mut f| f.read_exact(&mut start)).is_ok() && &start == b"SQLite format 3"
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("end of the server's log:\n{}", self.log_tail());
        }
        self.kill();
    }
}
