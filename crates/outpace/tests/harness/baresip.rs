//! baresip as an agent: answers by itself, sends a tone, keeps what it hears, and does what it is told.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::TempDir;
use super::ports::Ports;
use super::rtp::tone_wav_of;

/// Frequency of the tone that it sends.
pub const TONE_HZ: f64 = 440.0;

/// What it speaks, and the sound card that fits it.
#[derive(Clone, Copy)]
pub struct Speech {
    codec: &'static str,
    module: &'static str,
    rate: u32,
    channels: u16,
}

pub const PCMA: Speech = Speech { codec: "pcma/8000/1", module: "g711", rate: 8000, channels: 1 };
pub const G722: Speech = Speech { codec: "g722/16000/1", module: "g722", rate: 16_000, channels: 1 };
pub const OPUS: Speech = Speech { codec: "opus/48000/2", module: "opus", rate: 48_000, channels: 2 };

pub struct Baresip {
    child: Child,
    /// Of SIP.
    pub port: u16,
    /// Takes commands.
    control: u16,
    dir: TempDir,
    speech: Speech,
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
        account: (&str, &str),
        transport: &str,
        parameters: &str,
    ) -> Baresip {
        Baresip::speaking(PCMA, hz, registrar, ports, account, (transport, parameters))
    }

    /// It knows no other codec.
    pub fn speaking(
        speech: Speech,
        hz: f64,
        registrar: SocketAddr,
        ports: &Ports,
        (extension, password): (&str, &str),
        (transport, parameters): (&str, &str),
    ) -> Baresip {
        let (dir, port, control) = (TempDir::new(), ports.next(), ports.next());
        let tone = tone_wav_of(hz, 60, speech.rate, speech.channels);
        std::fs::write(dir.path().join("tone.wav"), tone).expect("it can be written");
        let codec = speech.codec;
        let account = format!(
            "<sip:{extension}@{registrar};transport={transport}>;auth_user={extension};auth_pass={password};\
             regint=60;answermode=auto;audio_codecs={codec}{parameters}\n"
        );
        std::fs::write(dir.path().join("accounts"), account).expect("it can be written");
        std::fs::write(dir.path().join("config"), config(&dir, port, control, speech))
            .expect("it can be written");
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
        Baresip { child, port, control, dir, speech }
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
            // Its tones lie below 4 kHz, so that leaving samples out is enough.
            let step = 2 * usize::from(self.speech.channels) * (self.speech.rate / 8000) as usize;
            samples.extend(data.chunks_exact(step).map(|b| i16::from_le_bytes([b[0], b[1]])));
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

fn config(dir: &TempDir, port: u16, control: u16, speech: Speech) -> String {
    let Speech { rate, channels, module: codec, .. } = speech;
    let path = dir.path().display();
    let mut t = String::new();
    let _ = writeln!(t, "sip_listen 127.0.0.1:{port}\nmodule_path /usr/lib/baresip/modules");
    let _ = writeln!(t, "audio_source aufile,{path}/tone.wav\naudio_player aubridge,nowhere");
    let _ = writeln!(t, "audio_srate {rate}-{rate}\naudio_channels {channels}-{channels}\nsnd_path {path}");
    for module in [codec, "aufile", "aubridge", "sndfile", "srtp"] {
        let _ = writeln!(t, "module {module}.so");
    }
    let _ = writeln!(t, "module_app account.so\nmodule_app menu.so\nmodule_app ctrl_tcp.so");
    let _ = writeln!(t, "ctrl_tcp_listen 127.0.0.1:{control}");
    t
}
