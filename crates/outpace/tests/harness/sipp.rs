//! sipp as carrier and as agents; the scenarios are in `tests/sipp`.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::{TempDir, wait_for};

pub const UDP: &[&str] = &["-t", "u1"];
pub const TCP: &[&str] = &["-t", "t1"];

pub struct Sipp {
    child: Child,
    dir: TempDir,
    name: String,
}

impl Sipp {
    /// Answers calls at the port by the scenario; ready when this returns.
    pub fn serve(scenario: &str, port: u16, more: &[&str]) -> Sipp {
        let sipp = Sipp::run(scenario, port, more);
        wait_for("sipp to take its port", Duration::from_secs(10), || {
            let taken = if more.contains(&"t1") {
                TcpListener::bind(("127.0.0.1", port)).is_err()
            } else {
                UdpSocket::bind(("127.0.0.1", port)).is_err()
            };
            taken.then_some(())
        });
        sipp
    }

    fn run(scenario: &str, port: u16, more: &[&str]) -> Sipp {
        let dir = TempDir::new();
        let out = std::fs::File::create(dir.path().join("screen.txt")).expect("it can be written");
        let child = Command::new("sipp")
            .arg("-sf")
            .arg(scenario_path(scenario))
            .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-nostdin", "-trace_err", "-error_file"])
            .arg(dir.path().join("errors.txt"))
            .args(["-trace_msg", "-message_file"])
            .arg(dir.path().join("messages.txt"))
            .args(more)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp is installed");
        Sipp { child, dir, name: scenario.to_owned() }
    }

    /// Registers the extensions from the port, one after the other.
    pub fn register(registrar: SocketAddr, port: u16, extensions: &[String], password: &str) {
        let dir = TempDir::new();
        let csv = dir.path().join("extensions.csv");
        let mut text = String::from("SEQUENTIAL\n");
        for e in extensions {
            text.push_str(&format!("{e};[authentication username={e} password={password}]\n"));
        }
        std::fs::write(&csv, text).expect("it can be written");
        let count = extensions.len().to_string();
        let (csv, registrar) = (csv.display().to_string(), registrar.to_string());
        let more = ["-inf", &csv, "-m", &count, "-r", "50", &registrar];
        let mut sipp = Sipp::run("register", port, &more);
        sipp.wait_success(Duration::from_secs(15));
    }

    /// Waits for the end that `-m` brings and demands that every call went by the scenario.
    pub fn wait_success(&mut self, limit: Duration) {
        let status = self.wait_exit(limit);
        assert!(status.success(), "sipp {}: {status}\n{}", self.name, self.errors());
    }

    /// Lets the calls that it has come to their end, then as `wait_success`.
    pub fn finish(&mut self, limit: Duration) {
        // sipp: USR1 is "no new calls, then exit".
        let done = Command::new("kill").args(["-USR1", &self.child.id().to_string()]).status();
        assert!(done.expect("kill is installed").success(), "sipp {} is gone:\n{}", self.name, self.errors());
        self.wait_success(limit);
    }

    pub fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        let what = format!("the end of sipp {}", self.name);
        let child = &mut self.child;
        wait_for(&what, limit, || child.try_wait().expect("our own child"))
    }

    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("errors.txt")).unwrap_or_default()
    }

    /// Every message that it sent and received.
    pub fn messages(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("messages.txt")).unwrap_or_default()
    }

    /// How often a line of the messages starts so, for messages that it received.
    pub fn received(&self, start: &str) -> usize {
        self.messages()
            .split("\n----")
            .filter(|m| m.contains(" received "))
            .filter(|m| m.lines().any(|l| l.starts_with(start)))
            .count()
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn scenario_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp").join(format!("{name}.xml"))
}
