//! Goal: whatever is sent to the API's port is refused cleanly, and those who behave do not notice.

mod harness;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use harness::crm::Crm;
use harness::ports::{Ports, turn};
use harness::server::{Company, Server, Setup};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(20);
const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
/// Bytes that mean something in one of the encodings.
const ODD: &[u8] = b"\0\"[{&=%,\r\n-:";

fn office() -> (Ports, Server) {
    let ports = Ports::reserve();
    let company = Company::new("1").trunk(ports.next()).agents(1001, 2);
    let server = Setup::new(&ports).company(company).start();
    (ports, server)
}

/// The server is well: it answers, and nothing panicked or was our fault.
fn assert_well(server: &Server) {
    let began = Instant::now();
    assert!(server.crm(0).task("TaskList", &[]).is_success());
    assert!(began.elapsed() < LIMIT, "it answers late");
    let log = server.log();
    assert!(!log.contains("panicked") && !log.contains(" ERROR "), "{log}");
}

/// `ret` of the answer, which is JSON whatever was sent.
fn ret_of(crm: &Crm, content_type: &str, body: &[u8]) -> i64 {
    let http = crm.post("", content_type, body);
    assert_eq!(http.status, 200, "{}", http.body);
    http.answer().ret()
}

#[test]
fn nested_huge_and_broken_json_is_refused_by_name() {
    let _turn = turn();
    let (_ports, server) = office();
    let crm = server.crm(0);
    let deep = |open: &str, n: usize| open.repeat(n);
    for body in [
        deep("[", 1_000_000),
        deep("{\"a\":", 1_000_000),
        format!("{{\"service\":{}", deep("[", 100_000)),
        format!(
            "{{\"service\":\"App.Sip_Yccall.TaskInfo\",\"taskid\":{}{}}}",
            deep("[", 5000),
            deep("]", 5000)
        ),
        format!("{{\"service\":\"{}\"}}", "x".repeat(1_000_000)),
        "{\"service\":1e999999999}".to_owned(),
        "{\"service\":\"\\ud800\"}".to_owned(),
        format!("{{{}\"a\":1}}", "\"a\":1,".repeat(100_000)),
        "\u{0}\u{1}\u{2}".to_owned(),
    ] {
        let ret = ret_of(&crm, JSON, body.as_bytes());
        assert!([400, 404, 600].contains(&ret), "{ret}: {}", &body[..body.len().min(60)]);
    }
    let nested = deep("[", 200_000);
    for telphone in [nested.clone(), format!("[{nested}"), format!("[{{\"phone\":{nested}")] {
        for (content_type, body) in [
            (
                FORM,
                format!(
                    "service=App.Sip_Yccall.TaskCreat&token={}&assigntype=2&assignagent=sales&taskscale=1:1&telphone={telphone}",
                    crm.token
                ),
            ),
            (
                JSON,
                format!(
                    "{{\"service\":\"App.Sip_Yccall.TaskCreat\",\"token\":\"{}\",\"telphone\":{telphone}",
                    crm.token
                ),
            ),
        ] {
            assert_eq!(ret_of(&crm, content_type, body.as_bytes()), 400);
        }
    }
    assert_well(&server);
}

#[test]
fn requests_with_bytes_changed_at_random_never_are_our_fault() {
    let _turn = turn();
    let (_ports, server) = office();
    let crm = server.crm(0);
    let seed = 7;
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let token = &crm.token;
    let requests = [
        (
            FORM,
            format!(
                "service=App.Sip_Yccall.TaskInfo&token={token}&taskid=20250110232019949748&currentpage=2&itemsperpage=7"
            ),
        ),
        (
            FORM,
            format!(
                "service=App.Sip_Yccall.TaskCreat&token={token}&assigntype=2&assignagent=sales&taskscale=1:1&telphone=[{{\"phone\":\"13800000001\",\"time\":1}}]"
            ),
        ),
        (
            JSON,
            format!(
                "{{\"service\":\"App.Sip_Cdr.GetBill\",\"token\":\"{token}\",\"starttime\":\"2025-01-01\",\"endtime\":\"2025-01-02 00:00:00\"}}"
            ),
        ),
        (
            "multipart/form-data; boundary=b",
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"service\"\r\n\r\nApp.Sip_Yccall.TaskList\r\n--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n{token}\r\n--b--\r\n"
            ),
        ),
    ];
    for round in 0..600 {
        let (content_type, body) = &requests[round % requests.len()];
        let mut body = body.as_bytes().to_vec();
        for _ in 0..random.usize(1..6) {
            if body.is_empty() {
                break;
            }
            let at = random.usize(0..body.len());
            match random.u8(0..4) {
                0 => body[at] = random.u8(..),
                1 => drop(body.remove(at)),
                2 => body.insert(at, ODD[random.usize(0..ODD.len())]),
                _ => body.truncate(at.max(1)),
            }
        }
        let ret = ret_of(&crm, content_type, &body);
        assert_ne!(ret, 500, "round {round}: {}", String::from_utf8_lossy(&body));
    }
    assert_well(&server);
}

/// Sends the bytes and gives what comes back until the server closes or has been silent for a while.
fn raw(api: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(api).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a socket");
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(n) = stream.read(&mut piece) {
        if n == 0 {
            break;
        }
        answer.extend_from_slice(&piece[..n]);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_is_no_http_gets_a_refusal_or_nothing() {
    let _turn = turn();
    let (_ports, server) = office();
    let long = "x".repeat(200_000);
    for request in [
        "\r\n\r\n\r\n".to_owned(),
        "GET\r\n\r\n".to_owned(),
        "\x16\x03\x01\x02\x00\x01\x00\x01\x7c".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(500)),
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999999999999999\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd".to_owned(),
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n".to_owned(),
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_owned(),
        "POST /api/predictiveCall/submitTask/file HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; boundary=\"\"\r\ncontent-length: 1\r\n\r\n-".to_owned(),
        "DELETE / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n".to_owned(),
    ] {
        let answer = raw(server.api, request.as_bytes());
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(!status.starts_with('5'), "{}: {answer}", &request[..request.len().min(60)]);
    }
    assert_well(&server);
}

#[test]
fn clients_that_send_slowly_do_not_keep_others_waiting() {
    let _turn = turn();
    let (_ports, server) = office();
    let begun = |bytes: &str| {
        let mut stream = TcpStream::connect(server.api).expect("it listens");
        stream.write_all(bytes.as_bytes()).expect("it reads");
        stream
    };
    let file = "POST /api/predictiveCall/submitTask/file HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\
        content-type: multipart/form-data; boundary=b\r\n\r\n--b\r\ncontent-disposition: form-data; name=\"telphone\"\r\n\r\n138";
    let mut slow = Vec::new();
    for n in 0..600 {
        slow.push(begun(match n % 3 {
            0 => "POST / HTTP/1.1\r\nhost: a\r\nx-",
            1 => "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5000000\r\n\r\nservice=",
            _ => file,
        }));
    }
    for _ in 0..5 {
        let began = Instant::now();
        assert_well(&server);
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
    drop(slow);
    assert_well(&server);
}

#[test]
fn many_at_once_are_all_answered() {
    let _turn = turn();
    let (_ports, server) = office();
    let rows: Vec<String> = (0..200).map(|n| format!("{{\"phone\":\"138{n:08}\"}}")).collect();
    let rows = format!("[{}]", rows.join(","));
    std::thread::scope(|scope| {
        for thread in 0..12 {
            let (server, rows) = (&server, &rows);
            scope.spawn(move || {
                let crm = server.crm(0);
                for n in 0..8 {
                    let answer = match (thread + n) % 4 {
                        0 => crm.task(
                            "TaskCreat",
                            &[
                                ("assigntype", "2"),
                                ("assignagent", "sales"),
                                ("taskscale", "1:1"),
                                ("telphone", rows),
                            ],
                        ),
                        1 => crm.task("TaskList", &[("itemsperpage", "1000")]),
                        2 => crm.call("App.Sip_Status.GetSipCallStatus", &[("extnumber", "1001,1002")]),
                        _ => crm.task("TaskInfo", &[("taskid", "20250110232019949748")]),
                    };
                    let is_answered = answer.is_success() || answer.code() == "1024";
                    assert!(is_answered || answer.ret() == 429, "{}", Value::clone(&answer.0));
                }
            });
        }
    });
    assert_well(&server);
}
