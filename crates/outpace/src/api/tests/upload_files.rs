//! Files as people and programs write them, and files that mean harm.

use std::io::Write;

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use store::{Lead, Page};

use super::uploads::{data, failure};
use super::*;

impl Desk {
    /// The leads of a task that is made of the file.
    async fn leads_of(&self, file: &[u8]) -> Vec<Lead> {
        let answer = self.upload(&[], file).await;
        let taskid = data(&answer)["task_id"].as_str().expect("a text").to_owned();
        let found =
            self.store().campaign(engine::CompanyId(1), &taskid).expect("readable").expect("it exists");
        self.store().list_leads(found.id, Page { offset: 0, limit: 10_000 }).expect("readable").1
    }

    pub async fn numbers_of(&self, file: &[u8]) -> Vec<String> {
        self.leads_of(file).await.iter().map(|l| l.lead.number.as_str().to_owned()).collect()
    }

    async fn refusal_of(&self, file: &[u8]) -> String {
        let answer = self.upload(&[("lang", "en")], file).await;
        let (code, message) = failure(&answer);
        assert_eq!(code, 1002, "{message}");
        message.strip_prefix("Check failed: ").expect("says why").to_owned()
    }
}

fn fields(lead: &Lead) -> [&str; 5] {
    let lead = &lead.lead;
    [lead.number.as_str(), &lead.user_id, &lead.member_id, &lead.ext, &lead.custom_uuid]
}

#[tokio::test]
async fn csv_files_with_a_header_in_chinese_or_english_are_read() {
    let desk = Desk::open().await;
    let chinese = "\u{feff}姓名,手机号码,截止时间,用户ID,会员ID,成熟度,自定义UUID\r\n\
        \"张, \"\"三\"\"\",\"138 0000 0001\",2099-01-31,u1,m1,\"高\n温\",c1\r\n李四,13800000002,,,,,\r\n";
    let leads = desk.leads_of(chinese.as_bytes()).await;
    assert_eq!(fields(&leads[0]), ["13800000001", "u1", "m1", "高\n温", "c1"]);
    assert_eq!(fields(&leads[1]), ["13800000002", "", "", "", ""]);
    // 2099-01-31 23:59:59 in Shanghai.
    assert_eq!(leads[0].lead.not_after, Some(Timestamp::from_unix_seconds(4_073_558_399)));

    let english = "Custom_UUID;Phone Number;ext\nc2;13800000003;e2\n";
    assert_eq!(fields(&desk.leads_of(english.as_bytes()).await[0]), ["13800000003", "", "", "e2", "c2"]);
    let titled = "Customers of May\n\nTelphone\tUserID\n13800000004\tu4\n";
    assert_eq!(fields(&desk.leads_of(titled.as_bytes()).await[0])[..2], ["13800000004", "u4"]);
}

#[tokio::test]
async fn gbk_and_utf_16_files_are_read() {
    let desk = Desk::open().await;
    let text = "客户姓名,联系电话,成熟度\n张三,13800000001,很高\n";
    let (gbk, _, _) = encoding_rs::GBK.encode(text);
    assert_eq!(fields(&desk.leads_of(&gbk).await[0]), ["13800000001", "", "", "很高", ""]);
    let utf16: Vec<u8> =
        "\u{feff}号码\tuserid\r\n13800000002\t甲\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(fields(&desk.leads_of(&utf16).await[0])[..2], ["13800000002", "甲"]);
}

#[tokio::test]
async fn without_a_header_the_first_column_is_the_number() {
    let desk = Desk::open().await;
    assert_eq!(desk.numbers_of(b"13800000001\r13800000002\r").await, ["13800000001", "13800000002"]);
    assert_eq!(desk.numbers_of(b"sep=;\r\n13800000001;x\n=\"13800000002\";y").await.len(), 2);
    assert_eq!(desk.numbers_of(b"\n\n13800000001,phone\n").await, ["13800000001"]);
}

#[tokio::test]
async fn lines_are_counted_as_an_editor_shows_them() {
    let desk = Desk::open().await;
    for (file, line) in [
        ("phone\r\n\r\n\"x\r\ny\"\r\n", 3),
        ("phone,ext\n13800000001,\"a\nb\"\nx\n", 4),
        ("phone\rx\r", 2),
        ("sep=,\nphone\n\"\nx\"", 3),
    ] {
        let answer = desk.upload(&[("lang", "en")], file.as_bytes()).await;
        let url = match answer["data"]["report_url"].as_str() {
            Some(url) => url.to_owned(),
            None => {
                assert!(failure(&answer).1.contains(&format!("line {line}:")), "{file:?}: {answer}");
                continue;
            }
        };
        let path = url.split_once("8080").expect("the port").1.to_owned();
        let report = desk.send(Request::get(path).body(Body::empty()).expect("a request")).await;
        let text = axum::body::to_bytes(report.into_body(), usize::MAX).await.expect("a body");
        assert!(String::from_utf8_lossy(&text).contains(&format!("\n{line},")), "{file:?}");
    }
}

#[tokio::test]
async fn text_that_is_no_list_is_refused() {
    let desk = Desk::open().await;
    assert_eq!(desk.refusal_of(b"").await, "the file has no data");
    assert_eq!(desk.refusal_of(b"\r\n , \r\n").await, "the file has no data");
    assert_eq!(desk.refusal_of(b"138\0\0\x01").await, "the file is neither .xlsx nor .csv");
    assert_eq!(desk.refusal_of(b"phone\n1,\"open\n2\n").await, "a quote that begins in line 2 is not closed");
    let endless = format!("13800000001,\"{}", "x".repeat(200_000));
    assert_eq!(desk.refusal_of(endless.as_bytes()).await, "a quote that begins in line 1 is not closed");
    assert_eq!(desk.refusal_of("x".repeat(200_000).as_bytes()).await, "line 1 is too long");
    let old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and more";
    assert!(desk.refusal_of(old).await.contains("save it as .xlsx"));
    assert!(desk.refusal_of(b"1.38E+10\n").await.contains("scientific notation"));
    assert_eq!(desk.store().unpublished_campaigns().expect("readable"), []);
}

fn workbook() -> Vec<u8> {
    let mut book = Workbook::new();
    book.add_worksheet().set_name("empty").expect("a name");
    let hidden = book.add_worksheet();
    hidden.set_hidden(true).write_string(0, 0, "13999999999").expect("written");
    let sheet = book.add_worksheet();
    for (column, name) in ["姓名", "电话", "期限", "userid", "ext"].iter().enumerate() {
        sheet.write_string(1, column as u16, *name).expect("written");
    }
    let day = Format::new().set_num_format("yyyy-mm-dd hh:mm");
    let date = ExcelDateTime::from_ymd(2099, 1, 31).and_then(|d| d.and_hms(12, 0, 0)).expect("a time");
    sheet.write_string(2, 0, "张三 & <李四>").expect("written");
    sheet.write_number(2, 1, 13_812_345_678.0).expect("written");
    sheet.write_datetime_with_format(2, 2, &date, &day).expect("written");
    sheet.write_number(2, 3, 42.0).expect("written");
    sheet.write_string(2, 4, "A & <B>").expect("written");
    sheet.write_string(4, 1, "+86 13812345679").expect("written");
    sheet.write_number(4, 2, 4_073_558_399.0).expect("written");
    sheet.write_number(5, 1, 1.5).expect("written");
    book.save_to_buffer().expect("a workbook")
}

#[tokio::test]
async fn the_first_visible_sheet_with_data_of_a_workbook_is_read() {
    let desk = Desk::open().await;
    let answer = desk.upload(&[], &workbook()).await;
    assert_eq!((&data(&answer)["success"], &data(&answer)["invalid"]), (&json!(2), &json!(1)), "{answer}");
    let desk = Desk::open().await;
    let leads = desk.leads_of(&workbook()).await;
    assert_eq!(fields(&leads[0]), ["13812345678", "42", "", "A & <B>", ""]);
    assert_eq!(leads[0].lead.not_after, Some(Timestamp::from_unix_seconds(4_073_515_200)));
    assert_eq!(fields(&leads[1])[0], "+8613812345679");
    assert_eq!(leads[1].lead.not_after, Some(Timestamp::from_unix_seconds(4_073_558_399)));
}

#[tokio::test]
async fn a_workbook_that_is_cut_off_is_refused_wherever_it_is_cut() {
    let desk = Desk::open().await;
    let whole = workbook();
    for eighth in 1..8 {
        let cut = &whole[..whole.len() * eighth / 8];
        assert_eq!(desk.refusal_of(cut).await, "the file is cut off or damaged");
    }
    for at in (30..whole.len()).step_by(97) {
        let mut broken = whole.clone();
        broken[at] ^= 0x55;
        let answer = desk.upload(&[], &broken).await;
        assert!(matches!(answer["code"].as_i64(), Some(0 | 1002)), "byte {at}: {answer}");
    }
    assert_eq!(desk.store().unpublished_campaigns().expect("readable"), []);
}

/// A package with this sheet, as other writers make them: nothing but what must be there.
fn package(sheet: &[u8], strings: Option<&[u8]>) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let mut add = |name: &str, content: &[u8]| {
        zip.start_file(name, options).expect("begun");
        zip.write_all(content).expect("written");
    };
    add(
        "xl/workbook.xml",
        b"<x:workbook xmlns:x='m' xmlns:r='r'><x:sheets><x:sheet name='s' r:id='a'/></x:sheets></x:workbook>",
    );
    add("xl/_rels/workbook.xml.rels", b"<Relationships><Relationship Id='a' Type='o/worksheet' Target='worksheets/Sheet1.xml'/></Relationships>");
    add("xl\\worksheets\\sheet1.xml", sheet);
    if let Some(strings) = strings {
        add("xl/sharedStrings.xml", strings);
    }
    zip.finish().expect("a zip file").into_inner()
}

#[tokio::test]
async fn workbooks_of_other_writers_are_read() {
    let desk = Desk::open().await;
    let sheet = "<x:worksheet xmlns:x='m'><x:sheetData>\
        <x:row><x:c t='inlineStr'><x:is><x:r><x:t>phone</x:t></x:r></x:is></x:c><x:c t='inlineStr'><x:is><x:t>ext</x:t></x:is></x:c></x:row>\
        <x:row><x:c><x:v>1.3812345678E10</x:v></x:c><x:c t='s'><x:v>1</x:v></x:c></x:row>\
        <x:row><x:c t='str'><x:f>A1</x:f><x:v>13812345679</x:v></x:c><x:c t='s'><x:v/></x:c></x:row>\
        <x:row r='9'><x:c r='B9'><x:v>1</x:v></x:c><x:c r='A9'><x:v>13812345670</x:v></x:c></x:row>\
        </x:sheetData></x:worksheet>";
    let strings = "<sst><si/><si><r><t>a&amp;</t></r><r><t xml:space='preserve'> b&#x4e2d;</t></r><rPh><t>no</t></rPh></si></sst>";
    let leads = desk.leads_of(&package(sheet.as_bytes(), Some(strings.as_bytes()))).await;
    let found: Vec<_> = leads.iter().map(|l| (l.lead.number.as_str(), l.lead.ext.as_str())).collect();
    assert_eq!(found, [("13812345678", "a& b中"), ("13812345679", ""), ("13812345670", "1")]);
}

#[tokio::test]
async fn workbooks_that_mean_harm_are_refused() {
    let desk = Desk::open().await;
    let bomb = "the file is too large when unpacked";
    let row = format!("<row x='{}'/>", "a".repeat(100_000));
    let rows = format!("<worksheet><sheetData>{}", row.repeat(180));
    assert_eq!(desk.refusal_of(&package(rows.as_bytes(), None)).await, bomb);
    let cell = format!("<worksheet><sheetData><row><c t='str'><v>{}", "9".repeat(1 << 20));
    assert_eq!(desk.refusal_of(&package(cell.as_bytes(), None)).await, bomb);
    let cell =
        format!("<worksheet><sheetData><row><c t='str'><v>{}</v></c></row></sheetData>", "9".repeat(100_000));
    assert_eq!(desk.refusal_of(&package(cell.as_bytes(), None)).await, "line 1 is too long");
    let pieces = format!("<sst><si>{}", "<t>0123456789</t>".repeat(10_000));
    let damaged = "the file is cut off or damaged";
    let sheet = |cell: &str| format!("<worksheet><sheetData><row>{cell}</row></sheetData></worksheet>");
    let one = sheet("<c><v>13812345678</v></c>");
    assert_eq!(desk.refusal_of(&package(one.as_bytes(), Some(pieces.as_bytes()))).await, damaged);
    for cell in ["<c t='s'><v>99</v></c>", "<c t='s'><v>-1</v></c>", "<c t='s'><v>x</v></c>"] {
        assert_eq!(desk.refusal_of(&package(sheet(cell).as_bytes(), None)).await, damaged, "{cell}");
    }
    let entities =
        format!("<!DOCTYPE x [<!ENTITY a 'b'>]>{}", sheet("<c t='str'><v>&a;&a;13812345678</v></c>"));
    assert_eq!(desk.numbers_of(&package(entities.as_bytes(), None)).await, ["13812345678"]);
    let far = sheet("<c r='ZZZZZZZZZZZZZZ1'><v>1</v></c><c r='A99999999999'><v>13812345678</v></c>");
    assert_eq!(desk.numbers_of(&package(far.as_bytes(), None)).await, ["13812345678"]);
    assert_eq!(desk.refusal_of(b"PK\x05\x06 nothing").await, damaged);
    let parts = [&package(one.as_bytes(), None)[..], &b"PK\x01\x02".repeat(20_000)].concat();
    assert_eq!(desk.refusal_of(&parts).await, bomb);
    assert_eq!(desk.store().unpublished_campaigns().expect("readable"), []);
}
