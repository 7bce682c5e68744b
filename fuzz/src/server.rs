//! The parsers of the binary: their files are taken in as they are, since a binary is no library.

use std::fs::File;
use std::io::{Seek, Write};

use crate::api::app_sip::request::{Encoding, Fields};
use crate::api::upload::table;
use crate::switch::sdp::{self, Format};

pub fn sdp(input: &[u8]) {
    if let Ok(described) = sdp::describe(input, &[Format::Pcma, Format::Pcmu, Format::G722, Format::Opus]) {
        assert!(described.keys.len() < 100);
    }
}

pub fn form(input: &[u8]) {
    let encoding = Encoding::of(None, input);
    let query = std::str::from_utf8(input).ok();
    look(Fields::read(&Encoding::Form, query, b"").ok());
    look(Fields::read(&encoding, None, input).ok());
}

pub fn multipart(input: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    look(runtime.block_on(Fields::read_multipart("x", None, input.to_vec())).ok());
}

/// A file of numbers, csv or xlsx.
pub fn table(input: &[u8]) {
    let mut file = scratch().expect("a temporary file");
    file.write_all(input).and_then(|()| file.rewind()).expect("a temporary file takes it");
    let mut rows = 0u64;
    let _ = table::read(&mut file, &scratch, &mut |row| {
        rows += 1;
        assert!(row.cells().len() <= table::COLUMNS_MAX);
        if rows > 100_000 { Err(table::Fault::Stopped) } else { Ok(()) }
    });
}

/// A file without a name, in memory.
fn scratch() -> std::io::Result<File> {
    Ok(rustix::fs::memfd_create("table", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}

fn look(fields: Option<Fields>) {
    let Some(fields) = fields else { return };
    for name in ["service", "token", "telphone", "a", "b"] {
        assert_eq!(fields.get(name).is_some(), fields.text(name).is_some());
    }
}
