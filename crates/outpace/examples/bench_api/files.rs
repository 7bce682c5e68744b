//! Numbers, as lists and as files.

use std::fmt::Write;

/// Different ones, in no order.
fn number(n: u32) -> u64 {
    10_000_000_000 + u64::from(n) * 7_368_787 % 10_000_000_000
}

/// `telphone` of the API.
pub fn telphone(first: u32, count: u32) -> String {
    let row = |n| format!("{{\"phone\":\"{}\",\"userid\":\"{n}\",\"customuuid\":\"{n:032}\"}}", number(n));
    let rows: Vec<String> = (first..first + count).map(row).collect();
    format!("[{}]", rows.join(","))
}

pub fn csv(rows: u32) -> Vec<u8> {
    let mut text = "姓名,手机号,userid,customuuid\r\n".to_owned();
    for n in 0..rows {
        let _ = write!(text, "客户{n},{},{n},{n:032}\r\n", number(n));
    }
    text.into_bytes()
}

/// As Excel writes it: numbers as numbers, texts in the table of shared strings.
pub fn xlsx(rows: u32) -> anyhow::Result<Vec<u8>> {
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in (0..).zip(["姓名", "手机号", "userid", "customuuid"]) {
        sheet.write_string(0, column, name)?;
    }
    for n in 0..rows {
        sheet.write_string(n + 1, 0, format!("客户{n}"))?;
        sheet.write_number(n + 1, 1, number(n) as f64)?;
        sheet.write_number(n + 1, 2, n)?;
        sheet.write_string(n + 1, 3, format!("{n:032}"))?;
    }
    Ok(book.save_to_buffer()?)
}
