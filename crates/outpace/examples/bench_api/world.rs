//! The server, a carrier and agents, each a process of its own.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;

pub const APPID: &str = "bench";
pub const ACCESSKEY: &str = "accesskey-of-the-bench-0123456789";
const CARRIER: &str = "127.0.0.1:45090";
const SIP: &str = "127.0.0.1:45060";
pub const AGENTS: u32 = 30;

pub struct World {
    pub api: SocketAddr,
    server: Child,
    lab: Vec<Child>,
    folder: PathBuf,
}

impl World {
    pub async fn start(binary: &Path) -> anyhow::Result<World> {
        let folder = std::env::temp_dir().join(format!("bench-api-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let config = folder.join("outpace.toml");
        fs::write(&config, settings(&folder))?;
        let log = fs::File::create(folder.join("server.log"))?;
        let mut server = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&config)
            .env("OUTPACE_LOG", "warn")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("the server does not start")?;
        let mut lines = BufReader::new(server.stdout.take().context("its output")?).lines();
        let mut world = World { api: ([127, 0, 0, 1], 0).into(), server, lab: Vec::new(), folder };
        loop {
            let line = lines.next().context("the server ended")??;
            if let Some(address) = line.strip_prefix("api listening on ") {
                world.api = address.parse()?;
            } else if line == "ready" {
                break;
            }
        }
        // One in twenty answers and talks for two seconds; the others are busy, so that many calls need few agents.
        let shares =
            "--answer 0.05 --busy 0.95 --no-answer 0 --reject 0 --invalid 0 --failed 0 --early-media 0";
        world.lab(
            binary,
            &format!("carrier --listen {CARRIER} --ring-mean 1 --ring-sd 0.2 --talk-mean 2 {shares}"),
        )?;
        world.lab(
            binary,
            &format!("agents --server {SIP} --first 1001 --count {AGENTS} --password bench-password"),
        )?;
        Ok(world)
    }

    fn lab(&mut self, binary: &Path, arguments: &str) -> anyhow::Result<()> {
        let log = fs::File::create(self.folder.join(format!("lab-{}.log", self.lab.len())))?;
        let lab = Command::new(binary)
            .arg("lab")
            .args(arguments.split(' '))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.lab.push(lab);
        Ok(())
    }

    /// The most memory that the server has used since `forget_peak`.
    pub fn peak_mb(&self) -> anyhow::Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.server.id()))?;
        let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).context("VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
    }

    pub fn forget_peak(&self) -> anyhow::Result<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.server.id()), "5")?)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in self.lab.iter_mut().chain([&mut self.server]) {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn load() -> anyhow::Result<String> {
    let load = fs::read_to_string("/proc/loadavg")?;
    Ok(load.split(' ').take(3).collect::<Vec<_>>().join(", "))
}

fn settings(folder: &Path) -> String {
    let members: Vec<String> = (0..AGENTS).map(|n| format!("\"{}\"", 1001 + n)).collect();
    format!(
        "[server]\ndata = \"{}\"\n[api]\nlisten = \"127.0.0.1:0\"\nrequests_per_second_max = 0\n\
         [sip]\nlisten = \"{SIP}\"\n[media]\nbind = \"127.0.0.1\"\nport_first = 46000\nport_last = 49999\n\
         [dialing]\nwrap_up_s = 0.1\n\
         [[company]]\ncode = \"1\"\nname = \"Bench\"\n\
         [[company.app]]\nappid = \"{APPID}\"\naccesskey = \"{ACCESSKEY}\"\n\
         [[company.extension]]\nnumber = \"1001\"\nlast = \"{}\"\npassword = \"bench-password\"\n\
         [[company.group]]\nname = \"sales\"\nmembers = [{}]\nsign_in = true\n\
         [[company.trunk]]\nname = \"lab\"\naddress = \"{CARRIER}\"\nchannels_max = 1000\ncps_max = 100\n\
         [[company.caller_id]]\nnumber = \"02154321000\"\n",
        folder.join("data").display(),
        1000 + AGENTS,
        members.join(", ")
    )
}
