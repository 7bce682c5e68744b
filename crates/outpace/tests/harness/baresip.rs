//! baresip as an agent: answers by itself, sends a tone, keeps what it hears, and does what it is told.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::TempDir;
use super::ports::Ports;
use super::rtp::tone_wav;

/// Frequency of the tone that it sends.
pub const TONE_HZ: f64 = 440.0;

pub struct Baresip {
    child: Child,
    /// Of SIP.
    pub port: u16,
    /// Takes commands.
    control: u16,
    dir: TempDir,
}

impl Baresip {
    /// Registers the extension at `registrar`.
    pub fn start(
        registrar: SocketAddr,
        ports: &Ports,
        extension: &str,
        password: &str,
        transport: &str,
    ) -> Baresip {
        Baresip::with_tone(TONE_HZ, registrar, ports, (extension, password), transport)
    }

    pub fn with_tone(
        hz: f64,
        registrar: SocketAddr,
        ports: &Ports,
        (extension, password): (&str, &str),
        transport: &str,
    ) -> Baresip {
        Baresip::with_account(hz, registrar, ports, (extension, password), transport, "")
    }

    /// `parameters`: more of its account, such as `;mediaenc=srtp`.
    pub fn with_account(
        hz: f64,
        registrar: SocketAddr,
        ports: &Ports,
        (extension, password): (&str, &str),
        transport: &str,
        parameters: &str,
    ) -> Baresip {
        let (dir, port, control) = (TempDir::new(), ports.next(), ports.next());
        std::fs::write(dir.path().join("tone.wav"), tone_wav(hz, 60)).expect("it can be written");
        let account = format!(
            "<sip:{extension}@{registrar};transport={transport}>;auth_user={extension};auth_pass={password};\
             regint=60;answermode=auto;audio_codecs=pcma/8000/1{parameters}\n"
        );
        std::fs::write(dir.path().join("accounts"), account).expect("it can be written");
        std::fs::write(dir.path().join("config"), config(&dir, port, control)).expect("it can be written");
        let out = std::fs::File::create(dir.path().join("out.txt")).expect("it can be written");
        let err = out.try_clone().expect("a file can be cloned");
        let child = Command::new("baresip")
            .args(["-4", "-f"])
            .arg(dir.path())
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("baresip is installed");
        Baresip { child, port, control, dir }
    }

    /// One of baresip's own commands, such as `dial`, as its menu has it.
    pub fn command(&self, command: &str, parameters: &str) {
        let mut stream = super::wait_for("baresip's control socket", Duration::from_secs(10), || {
            TcpStream::connect(("127.0.0.1", self.control)).ok()
        });
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
        let json = serde_json::json!({"command": command, "params": parameters, "token": "1"}).to_string();
        write!(stream, "{}:{json},", json.len()).expect("baresip listens");
        // Events come on the same stream.
        let (mut text, mut buffer) = (String::new(), [0; 4096]);
        while !text.contains("\"response\"") {
            let count = stream.read(&mut buffer).expect("baresip answers");
            assert!(count > 0, "baresip closed its control socket: {text}");
            text.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        assert!(text.contains("\"ok\":true"), "{command} {parameters}: {text}");
    }

    pub fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("out.txt")).unwrap_or_default()
    }

    /// 8 kHz samples of all that it heard so far.
    pub fn heard(&self) -> Vec<i16> {
        let mut samples = Vec::new();
        for path in self.recordings() {
            let bytes = std::fs::read(path).unwrap_or_default();
            // The header of a WAV file that sndfile writes, format and data chunk.
            let data = bytes.get(44..).unwrap_or_default();
            samples.extend(data.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])));
        }
        samples
    }

    fn recordings(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir.path()).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries
            .map(|e| e.path())
            .filter(|p| p.file_name().is_some_and(|n| n.to_string_lossy().ends_with("-dec.wav")))
            .collect();
        paths.sort();
        paths
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("baresip said:\n{}", self.output());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(dir: &TempDir, port: u16, control: u16) -> String {
    let path = dir.path().display();
    let mut t = String::new();
    let _ = writeln!(t, "sip_listen 127.0.0.1:{port}\nmodule_path /usr/lib/baresip/modules");
    let _ = writeln!(t, "audio_source aufile,{path}/tone.wav\naudio_player aubridge,nowhere");
    let _ = writeln!(t, "audio_srate 8000-8000\naudio_channels 1-1\nsnd_path {path}");
    for module in ["g711", "aufile", "aubridge", "sndfile", "srtp"] {
        let _ = writeln!(t, "module {module}.so");
    }
    let _ = writeln!(t, "module_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so");
    let _ = writeln!(t, "ctrl_tcp_listen 127.0.0.1:{control}");
    t
}
