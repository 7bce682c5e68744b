//! linphone as an agent: sends a tone, keeps what it hears, and does what it is told.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use super::ports::Ports;
use super::rtp::tone_wav;
use super::{TempDir, wait_for};

const LIMIT: Duration = Duration::from_secs(30);

pub struct Linphone {
    child: Child,
    commands: ChildStdin,
    dir: TempDir,
}

impl Linphone {
    /// Registers the extension at `registrar`; answers when it is told to.
    pub fn start(
        hz: f64,
        registrar: SocketAddr,
        ports: &Ports,
        (extension, password): (&str, &str),
        transport: &str,
    ) -> Linphone {
        let dir = TempDir::new();
        let path = dir.path();
        std::fs::write(path.join("tone.wav"), tone_wav(hz, 120)).expect("it can be written");
        // Where it keeps its history.
        std::fs::create_dir_all(path.join(".local/share/linphone")).expect("it can be made");
        let account = (extension, password);
        std::fs::write(path.join("rc"), config(registrar, ports, account, transport))
            .expect("it can be written");
        let out = std::fs::File::create(path.join("out.txt")).expect("it can be written");
        let err = out.try_clone().expect("a file can be cloned");
        let mut child = Command::new("linphonec")
            .args(["-c", "rc", "-d", "6", "-l", "log.txt"])
            .current_dir(path)
            .env("HOME", path)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("linphone is installed");
        let commands = child.stdin.take().expect("stdin is piped");
        let mut phone = Linphone { child, commands, dir };
        for line in ["soundcard use files", "play tone.wav", "record heard.wav"] {
            phone.command(line);
        }
        phone
    }

    /// One line, as `help` of linphonec has it.
    pub fn command(&mut self, line: &str) {
        writeln!(self.commands, "{line}").expect("linphone runs");
    }

    /// Waits until it has said this since `from`, which is a length of `output`; gives the length then.
    pub fn wait_said(&self, from: usize, what: &str) -> usize {
        wait_for(&format!("linphone to say {what:?}"), LIMIT, || {
            let output = self.output();
            output.get(from..)?.contains(what).then_some(output.len())
        })
    }

    pub fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("out.txt")).unwrap_or_default()
    }

    /// 8 kHz samples of all that it heard so far.
    pub fn heard(&self) -> Vec<i16> {
        samples(&self.dir.path().join("heard.wav"))
    }
}

/// Of a WAV file that grows; its header is written when it is closed.
fn samples(path: &Path) -> Vec<i16> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let data = bytes.get(44..).unwrap_or_default();
    data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect()
}

impl Drop for Linphone {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("linphone said:\n{}", self.output());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(
    registrar: SocketAddr,
    ports: &Ports,
    (extension, password): (&str, &str),
    transport: &str,
) -> String {
    let (sip, rtp) = (ports.next(), ports.next());
    let port_of = |name: &str| if name == transport { sip } else { 0 };
    let (udp, tcp) = (port_of("udp"), port_of("tcp"));
    format!(
        "[sip]\nuse_ipv6=0\nbind_address=127.0.0.1\nsip_port={udp}\nsip_tcp_port={tcp}\nsip_tls_port=0\n\
         register_only_when_network_is_up=0\ndefault_proxy=0\n[rtp]\naudio_rtp_port={rtp}\n\
         [auth_info_0]\nusername={extension}\nuserid={extension}\npasswd={password}\n\
         [proxy_0]\nreg_proxy=<sip:{registrar};transport={transport}>\nreg_identity=sip:{extension}@{registrar}\n\
         reg_expires=60\nreg_sendregister=1\npublish=0\n"
    )
}
