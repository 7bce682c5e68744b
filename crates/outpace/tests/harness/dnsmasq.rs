//! dnsmasq as the DNS of a carrier's domain.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::ports::Ports;
use super::wait_for;

pub struct Dnsmasq {
    child: Child,
    pub address: SocketAddr,
}

impl Dnsmasq {
    /// `records`: options of dnsmasq, such as `srv-host=_sip._udp.carrier.example,a.carrier.example,5060,0,1`.
    pub fn start(ports: &Ports, records: &[String]) -> Dnsmasq {
        Dnsmasq::at(SocketAddr::from(([127, 0, 0, 1], ports.next())), records)
    }

    fn at(address: SocketAddr, records: &[String]) -> Dnsmasq {
        let child = Command::new("/usr/sbin/dnsmasq")
            .args([
                "--keep-in-foreground",
                "--no-resolv",
                "--no-hosts",
                "--conf-file=/dev/null",
                "--pid-file=",
            ])
            .args(["--bind-interfaces", "--listen-address=127.0.0.1", "--local=/example/", "--local-ttl=1"])
            .args(["--user=", "--group=", "--log-facility=-"])
            .arg(format!("--port={}", address.port()))
            .args(records.iter().map(|record| format!("--{record}")))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("dnsmasq is installed");
        let dnsmasq = Dnsmasq { child, address };
        wait_for("dnsmasq's socket", Duration::from_secs(10), || TcpListener::bind(address).err());
        dnsmasq
    }

    /// At the same address with other records.
    pub fn replace(self, records: &[String]) -> Dnsmasq {
        let address = self.address;
        drop(self);
        Dnsmasq::at(address, records)
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
