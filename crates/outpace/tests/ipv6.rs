//! Goal: everything works where there is nothing but IPv6: phones, carrier, sound and API.

mod harness;

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use harness::floor::{extensions, numbers};
use harness::ports::Ports;
use harness::server::{Company, PASSWORD, Setup};
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(40);

/// One half of the lab, which tells every second what it has seen.
struct Lab {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Lab {
    fn start(arguments: &[&str]) -> Lab {
        let mut child = Command::new(env!("CARGO_BIN_EXE_outpace"))
            .arg("lab")
            .args(arguments)
            .arg("--verbose")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary can be started");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Lab { child, lines }
    }

    /// Reads until a line has these words; ends with the lab at the latest.
    fn wait(&mut self, words: &[&str]) {
        let mut last = String::new();
        loop {
            let mut line = String::new();
            let read = self.lines.read_line(&mut line).expect("the lab tells in UTF-8");
            assert!(read > 0, "the lab ended without {words:?}; it said last: {last}");
            if words.iter().all(|words| line.contains(words)) {
                return;
            }
            last = line;
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_task_runs_over_ipv6_with_sound_both_ways() {
    let ports = Ports::reserve();
    let carrier = format!("[::1]:{}", ports.next());
    let company = Company::new("1")
        .trunk_table(&format!("name = \"carrier\"\naddress = \"{carrier}\""))
        .agents(1001, 2);
    let mut setup = Setup::new(&ports).company(company);
    setup.host = "[::1]";
    let server = setup.start();
    assert!(server.sip.is_ipv6() && server.api.is_ipv6());
    let sip = server.sip.to_string();
    let mut customers = Lab::start(&[
        "carrier",
        "--listen",
        &carrier,
        "--answer",
        "1",
        "--busy",
        "0",
        "--no-answer",
        "0",
        "--reject",
        "0",
        "--invalid",
        "0",
        "--failed",
        "0",
        "--early-media",
        "0",
        "--ring-mean",
        "0.3",
        "--ring-sd",
        "0.1",
        "--talk-mean",
        "2",
    ]);
    let mut agents = Lab::start(&[
        "agents",
        "--server",
        &sip,
        "--listen",
        "[::1]:0",
        "--count",
        "2",
        "--password",
        PASSWORD,
        "--talk-mean",
        "0",
    ]);
    let crm = server.crm(0);
    crm.wait_registered(&extensions(1001, 2));
    let rows = crm.wait_ended(&crm.create(&numbers(61, 3), &[]), LIMIT);
    assert!(rows.iter().all(|row| row["answered"] == json!(1)), "{rows:?}");
    customers.wait(&["answered 3,", "heard an agent 3,"]);
    agents.wait(&["answered 3,", "customers heard 3,"]);
}
