//! The real server: its configuration, its process, its CPU time and memory.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::scenario::Scenario;

pub const APPID: &str = "bench";
pub const ACCESSKEY: &str = "bench-accesskey-0123";
pub const PASSWORD: &str = "bench-password";
pub const FIRST_EXTENSION: u32 = 10_001;
pub const CALLER_ID: &str = "02155550100";
/// Thousands of extensions are written into the database before.
const START: Duration = Duration::from_secs(180);
const END: Duration = Duration::from_secs(20);

pub struct Server {
    process: Child,
    folder: PathBuf,
    pub api: SocketAddr,
    pub sip: SocketAddr,
}

/// `--server program`, or the one that was built beside this.
pub fn program(arguments: &mut Vec<String>) -> Result<PathBuf> {
    if let Some(at) = arguments.iter().position(|argument| argument == "--server") {
        let program = arguments.get(at + 1).ok_or("--server needs a program")?.into();
        arguments.drain(at..at + 2);
        return Ok(program);
    }
    let program = std::env::current_exe()?.with_file_name("../outpace");
    if !program.exists() {
        return Err("the server is not built: cargo build --release --package outpace".into());
    }
    Ok(program)
}

fn free_port() -> Result<u16> {
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = tcp.local_addr()?.port();
    UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
    Ok(port)
}

impl Server {
    pub fn start(program: &Path, scenario: &Scenario, carrier: SocketAddr) -> Result<Server> {
        let folder = std::env::temp_dir().join(format!("bench-calls-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let (api, sip) = (local(free_port()?), local(free_port()?));
        let config = folder.join("outpace.toml");
        fs::write(&config, configuration(scenario, &folder, api, sip, carrier))?;
        let log = fs::File::create(folder.join("server.log"))?;
        let process = Command::new(program)
            .args(["serve", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let server = Server { process, folder, api, sip };
        let end = Instant::now() + START;
        while TcpStream::connect(api).is_err() {
            if Instant::now() > end {
                return Err(format!("the server did not start; see {}", server.folder.display()).into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    /// CPU time by name of thread so far; numbers at the end of names are left out.
    pub fn cpu(&self) -> Result<BTreeMap<String, Duration>> {
        let mut threads = BTreeMap::<String, Duration>::new();
        for task in fs::read_dir(format!("/proc/{}/task", self.process.id()))? {
            let task = task?.path();
            // A thread may end in between.
            let Ok(name) = fs::read_to_string(task.join("comm")) else { continue };
            let Ok(nanos) = fs::read_to_string(task.join("schedstat")) else { continue };
            let nanos = nanos.split_whitespace().next().ok_or("no schedstat")?.parse()?;
            *threads.entry(name.trim().to_owned()).or_default() += Duration::from_nanos(nanos);
        }
        Ok(threads)
    }

    /// Resident memory in kilobytes, and open files.
    pub fn memory_kb(&self) -> Result<(u64, usize)> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
        let kb = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
        let files = fs::read_dir(format!("/proc/{}/fd", self.process.id()))?.count();
        Ok((kb, files))
    }

    pub fn sockets(&self) -> Result<usize> {
        let files = fs::read_dir(format!("/proc/{}/fd", self.process.id()))?.flatten();
        let is_socket = |file: &fs::DirEntry| {
            fs::read_link(file.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
        };
        Ok(files.filter(is_socket).count())
    }

    pub fn threads(&self) -> Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/task", self.process.id()))?.count())
    }

    /// Lines of its log that tell of something wrong, and how many there are.
    pub fn complaints(&self) -> Result<(Vec<String>, usize)> {
        let log = fs::read_to_string(self.folder.join("server.log"))?;
        let wrong: Vec<&str> =
            log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).collect();
        Ok((wrong.iter().take(3).map(|line| (*line).to_owned()).collect(), wrong.len()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let end = Instant::now() + END;
        while Instant::now() < end && matches!(self.process.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::env::var_os("BENCH_KEEP").is_none() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

fn configuration(
    s: &Scenario,
    folder: &Path,
    api: SocketAddr,
    sip: SocketAddr,
    carrier: SocketAddr,
) -> String {
    let last = FIRST_EXTENSION + s.agents - 1;
    let members: Vec<String> = (FIRST_EXTENSION..=last).map(|n| n.to_string()).collect();
    format!(
        "[server]\ndata = {data:?}\ndrain_s = 1\n[api]\nlisten = \"{api}\"\nrequests_per_second_max = 0\n\
         [sip]\nlisten = \"{sip}\"\ninvites_per_second_max = {admitted}\n\
         [media]\nport_first = 2000\nport_last = 32700\n\
         [dialing]\nno_answer_s = {no_answer:.1}\nring_min_s = {no_answer:.1}\nwrap_up_s = 0.1\nmisses_max = 0\nagent_legs = \"{legs}\"\n\
         [[company]]\ncode = \"1\"\n[[company.app]]\nappid = \"{APPID}\"\naccesskey = \"{ACCESSKEY}\"\n\
         [[company.extension]]\nnumber = \"{FIRST_EXTENSION}\"\nlast = \"{last}\"\npassword = \"{PASSWORD}\"\n\
         [[company.group]]\nname = \"all\"\nmembers = {members:?}\nsign_in = true\n\
         [[company.trunk]]\nname = \"carrier\"\naddress = \"{carrier}\"\nchannels_max = 11000\ncps_max = {rate}\n\
         [company.inbound]\nenabled = true\ngroup = \"all\"\n\
         [[company.caller_id]]\nnumber = \"{CALLER_ID}\"\n",
        data = folder.join("data"),
        admitted = s.admitted,
        legs = if s.kept_up { "kept_up" } else { "rung_per_call" },
        no_answer = s.no_answer.as_secs_f64(),
        rate = s.rate,
    )
}
