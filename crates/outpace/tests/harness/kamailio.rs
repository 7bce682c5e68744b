//! Kamailio as a carrier's edge: a proxy that asks for credentials, stays in the path of every call (Record-Route), and
//! passes what it takes on to a port behind it. Trunks may register with it.

use std::net::SocketAddr;
use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::certificate::Certificate;
use super::ports::Ports;
use super::{TempDir, wait_for};

use super::server::CALLER_ID;

pub const USER: &str = "line-7";
pub const PASSWORD: &str = "open sesame";

pub struct Kamailio {
    child: Child,
    pub udp: SocketAddr,
    pub tls: SocketAddr,
    dir: TempDir,
}

impl Kamailio {
    /// `behind`: the port that calls of the trunk go to. Calls to `CALLER_ID` go to where `USER` registered.
    pub fn start(ports: &Ports, behind: u16, certificate: &Certificate) -> Kamailio {
        let dir = TempDir::new();
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let (udp, tls) = (at(ports.next()), at(ports.next()));
        let file = dir.path().join("kamailio.cfg");
        std::fs::write(&file, config(udp, tls, behind, certificate)).expect("it can be written");
        let out = std::fs::File::create(dir.path().join("out.txt")).expect("it can be written");
        let err = out.try_clone().expect("a file can be cloned");
        let child = Command::new(program())
            .args(["-DD", "-E", "-e", "-m", "32", "-M", "4", "-Y"])
            .arg(dir.path())
            .arg("-f")
            .arg(&file)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .expect("Kamailio is installed");
        let mut kamailio = Kamailio { child, udp, tls, dir };
        wait_for("Kamailio's sockets", Duration::from_secs(20), || {
            let ended = kamailio.child.try_wait().expect("our own child");
            assert!(ended.is_none(), "Kamailio ended: {ended:?}");
            let taken = UdpSocket::bind(udp).is_err() && TcpStream::connect(tls).is_ok();
            taken.then_some(())
        });
        kamailio
    }

    pub fn output(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("out.txt")).unwrap_or_default()
    }
}

/// Debian keeps it where only root looks.
fn program() -> &'static str {
    let known = "/usr/sbin/kamailio";
    if std::path::Path::new(known).exists() { known } else { "kamailio" }
}

impl Drop for Kamailio {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("Kamailio said:\n{}", self.output());
        }
        // It takes its processes with it.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

fn modules() -> String {
    let modules = [
        "tls",
        "tm",
        "sl",
        "rr",
        "maxfwd",
        "pv",
        "siputils",
        "textops",
        "auth",
        "usrloc",
        "registrar",
        "nathelper",
    ];
    modules.iter().map(|m| format!("loadmodule \"{m}.so\"\n")).collect()
}

fn config(udp: SocketAddr, tls: SocketAddr, behind: u16, certificate: &Certificate) -> String {
    let load = modules();
    let (cert, key) = (certificate.cert.display(), certificate.key.display());
    format!(
        r#"#!KAMAILIO
debug=2
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
enable_tls=yes
listen=udp:{udp}
listen=tls:{tls}
{load}
modparam("tls", "certificate", "{cert}")
modparam("tls", "private_key", "{key}")
modparam("tls", "tls_method", "TLSv1.2+")
modparam("rr", "enable_double_rr", 1)
modparam("nathelper|registrar", "received_avp", "$avp(RECEIVED)")

request_route {{
    # As its stock configuration does: who comes from another port than he names is answered where he is.
    force_rport();
    if (nat_uac_test("19")) {{
        if (is_method("REGISTER")) fix_nated_register(); else set_contact_alias();
    }}
    if (!mf_process_maxfwd_header("10")) {{ sl_send_reply("483", "Too Many Hops"); exit; }}
    if (is_method("OPTIONS") && uri == myself && !has_totag()) {{ sl_send_reply("200", "OK"); exit; }}
    if (is_method("CANCEL")) {{ if (t_check_trans()) t_relay(); exit; }}
    if (has_totag()) {{
        if (loose_route()) {{ if ($du == $null) handle_ruri_alias(); t_relay(); exit; }}
        if (is_method("ACK") && t_check_trans()) {{ t_relay(); exit; }}
        sl_send_reply("404", "Not here");
        exit;
    }}
    t_check_trans();
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("carrier.example", "{PASSWORD}", "0")) {{ www_challenge("carrier.example", "0"); exit; }}
        save("location");
        exit;
    }}
    if (!is_method("INVITE")) {{ sl_send_reply("405", "Method Not Allowed"); exit; }}
    record_route();
    if ($rU == "{CALLER_ID}") {{
        $rU = "{USER}";
        if (!lookup("location")) {{ sl_send_reply("480", "Not registered"); exit; }}
        t_relay();
        exit;
    }}
    if (!pv_proxy_authenticate("carrier.example", "{PASSWORD}", "0")) {{ proxy_challenge("carrier.example", "0"); exit; }}
    consume_credentials();
    $du = "sip:127.0.0.1:{behind}";
    t_relay();
}}

onreply_route {{
    if ($proto == "tls" && is_present_hf("Contact")) set_contact_alias();
}}
"#
    )
}
