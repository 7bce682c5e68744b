//! Goal: numbers that come in a file are dialed as any others, all of them or none.

mod harness;

use std::fmt::Write as _;
use std::time::Duration;

use harness::crm::{Crm, row_of};
use harness::floor::{Floor, Plan, numbers};
use harness::peer::Behaviour;
use harness::ports::{Ports, turn};
use harness::server::{Company, Setup};
use harness::{seconds, wait_for};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);
const PATH: &str = "api/predictiveCall/submitTask/file";
const CONTENT_TYPE: &str = "multipart/form-data; boundary=edge-7f3";

fn body(crm: &Crm, more: &[(&str, &str)], filename: &str, file: &[u8]) -> Vec<u8> {
    let mut fields = vec![("token", crm.token.as_str()), ("assigntype", "2"), ("assignagent", "sales")];
    fields.extend([("taskscale", "1:1"), ("isscale", "manual"), ("status", "1")]);
    fields.extend_from_slice(more);
    let mut head = String::new();
    for (name, value) in fields {
        let _ =
            write!(head, "--edge-7f3\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    let _ = write!(
        head,
        "--edge-7f3\r\nContent-Disposition: form-data; name=\"telphone\"; filename=\"{filename}\"\r\n\r\n"
    );
    [head.as_bytes(), file, b"\r\n--edge-7f3--\r\n"].concat()
}

fn upload(crm: &Crm, more: &[(&str, &str)], filename: &str, file: &[u8]) -> Value {
    let http = crm.post(PATH, CONTENT_TYPE, &body(crm, more, filename, file));
    assert_eq!(http.status, 200, "{}", http.body);
    http.answer().0
}

fn workbook(numbers: &[String]) -> Vec<u8> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write_string(0, 0, "客户").expect("written");
    sheet.write_string(0, 1, "手机号").expect("written");
    sheet.write_string(0, 2, "userid").expect("written");
    for (row, number) in (1u32..).zip(numbers) {
        sheet.write_number(row, 1, number.parse::<f64>().expect("digits")).expect("written");
        sheet.write_string(row, 2, format!("u{row}")).expect("written");
    }
    book.save_to_buffer().expect("a workbook")
}

#[test]
fn the_numbers_of_a_workbook_are_dialed_and_its_bad_rows_listed() {
    let _turn = turn();
    let customer = |_: &str| Behaviour::answers(seconds(0.1)).and_hangs_up_after(seconds(0.4));
    let floor = Floor::open(&Plan::default(), customer, |_| Behaviour::answers(seconds(0.02)));
    let good = numbers(91, 8);
    let mut rows = good.clone();
    rows.extend([good[3].clone(), "12".to_owned()]);
    let answer = upload(&floor.crm, &[("lang", "en")], "客户.xlsx", &workbook(&rows));
    let data = &answer["data"];
    assert_eq!((&data["success"], &data["invalid"]), (&json!(8), &json!(2)), "{answer}");
    let url = data["report_url"].as_str().expect("a link");
    let (_, path) = url.split_once(&format!("{}/", floor.server.api)).expect("a link to this server");
    let report = floor.crm.get(path);
    let lines: Vec<&str> = report.body.lines().collect();
    assert_eq!(lines[1], format!("10,{},the number is in the task already", good[3]));
    assert_eq!(lines[2], "11,12,the number has fewer than 3 digits");
    let rows = floor.crm.wait_ended(data["task_id"].as_str().expect("a text"), LIMIT);
    assert_eq!(rows.len(), good.len());
    for (n, number) in (1..).zip(&good) {
        let row = row_of(&rows, number);
        assert_eq!((&row["answered"], &row["userid"]), (&json!(1), &json!(format!("u{n}"))), "{row}");
    }
}

/// Posts and does not care what becomes of it.
fn post_and_forget(url: String, body: Vec<u8>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let _ = ureq::post(url).header("content-type", CONTENT_TYPE).send(&body[..]);
    })
}

#[test]
fn a_power_cut_in_the_middle_of_a_file_leaves_no_task_and_nothing_in_its_way() {
    let _turn = turn();
    let ports = Ports::reserve();
    let company = Company::new("1").trunk(ports.next()).agents(1001, 1);
    let mut server = Setup::new(&ports).company(company).start();
    let crm = server.crm(0);
    let numbers: String = (0..80_000).map(|n| format!("139{n:08}\n")).collect();
    let more = [("customtaskid", "mine"), ("uploadid", "first")];
    let posting = post_and_forget(
        format!("http://{}/{PATH}", server.api),
        body(&crm, &more, "n.csv", numbers.as_bytes()),
    );
    wait_for("the first rows in the store", LIMIT, || {
        let shown: Value = serde_json::from_str(&crm.try_v1("uploads/first").body).ok()?;
        assert_ne!(shown["state"], json!("done"), "too late for a cut");
        (shown["rows_stored"].as_u64()? > 0).then_some(())
    });
    server.kill();
    posting.join().expect("it does not panic");
    server.spawn();
    let crm = server.crm(0);
    let list = crm.task("TaskList", &[]);
    assert_eq!(list.result()["totalitems"], json!(0));
    let answer = wait_for("what was left to be deleted", LIMIT, || {
        let answer = upload(&crm, &[("customtaskid", "mine")], "n.csv", b"13900000001\n13900000002\n");
        (answer["code"] == json!(0)).then_some(answer)
    });
    assert_eq!(answer["data"]["success"], json!(2));
    assert!(server.log().contains("an upload was cut off"), "{}", server.log());
    let uploads = server.setup.dir.path().join("data/uploads");
    let left: Vec<_> = std::fs::read_dir(uploads).expect("it is there").flatten().map(|e| e.path()).collect();
    assert!(left.iter().all(|p| p.extension().is_some_and(|e| e == "csv")), "{left:?}");
}
