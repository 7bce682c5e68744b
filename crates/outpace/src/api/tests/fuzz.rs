//! Goal: no body that a client sends, and no SDP that a peer sends, breaks what reads it.

#[path = "../../../../../fuzz/mutate.rs"]
mod mutate;

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Seek, Write};

use mutate::fuzz;

use crate::api::app_sip::request::{Encoding, Fields};
use crate::api::upload::table;
use crate::switch::sdp::{self, Format};

/// Stands for what was read: how many fields, or why none.
fn shape(fields: Result<Fields, crate::api::app_sip::request::Unreadable>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match fields {
        Ok(fields) => {
            for name in ["service", "token", "telphone", "a", "b"] {
                fields.get(name).is_some().hash(&mut hasher);
                fields.text(name).map_or(0, |t| t.len() / 4).hash(&mut hasher);
            }
        }
        Err(why) => why.detail.split(' ').next().unwrap_or("").len().hash(&mut hasher),
    }
    hasher.finish()
}

#[test]
fn no_form_or_json_body_breaks_the_reader() {
    let seeds: &[&[u8]] = &[
        b"service=App.Sip_Yccall.TaskCreat&token=abc&telphone=[{\"phone\":\"13800000001\",\"a\":\"x&y=z\"}]&a=%E4%BD%A0+b",
        b"{\"service\":\"App.Sip_Auth.Login\",\"a\":[1,2,{\"b\":null}],\"b\":\"\\ud83d\\ude00\"}",
        b"telphone=%5B%7B%22phone%22%3A%221%22%7D%5D&a=&=b&c",
    ];
    let words = &[
        "&", "=", "%", "%5B", "%7B", "%22", "%00", "+", "[", "{", "}", "]", "\\\"", "\\u", "null", "a=",
        "\u{feff}",
    ];
    fuzz("form", seeds, words, |input| {
        let encoding = Encoding::of(None, input);
        let query = std::str::from_utf8(input).ok();
        let of_query = shape(Fields::read(&Encoding::Form, query, b""));
        shape(Fields::read(&encoding, None, input)) ^ of_query.rotate_left(3)
    });
}

#[test]
fn no_multipart_body_breaks_the_reader() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let seed: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"service\"\r\n\r\nApp.Sip_Auth.Login\r\n--x\r\n\
        Content-Disposition: form-data; name=\"a\"; filename=\"n.csv\"\r\nContent-Type: text/csv\r\n\r\n1,2\r\n--x--\r\n";
    let words = &[
        "--x",
        "--x--",
        "\r\n\r\n",
        "\r\n",
        "Content-Disposition: form-data; name=",
        "filename*=UTF-8''",
        "\"",
        ";",
    ];
    fuzz("multipart", &[seed], words, |input| match Encoding::of(Some("multipart/form-data"), input) {
        Encoding::Multipart { boundary } => {
            shape(runtime.block_on(Fields::read_multipart(&boundary, None, input.to_vec())))
        }
        _ => shape(runtime.block_on(Fields::read_multipart("x", None, input.to_vec()))),
    });
}

#[test]
fn no_sdp_breaks_the_reader() {
    let seeds: &[&[u8]] = &[
        b"v=0\r\no=- 1 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8 101\r\n\
          a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendonly\r\n",
        b"v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\nm=audio 4000/2 RTP/AVP 96 8\r\nc=IN IP6 ::1\r\n\
          a=rtpmap:96 PCMU/8000/1\r\na=inactive\r\n",
    ];
    let words = &[
        "m=audio ",
        "c=IN IP4 ",
        "a=rtpmap:",
        "a=",
        "RTP/AVP ",
        "/8000",
        "RTP/SAVP",
        "UDP/TLS/RTP/SAVPF",
        "a=fingerprint:sha-256 00:11",
        "a=setup:active",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
        "|2^31",
        "|1:4",
        "\r\n",
        "\n",
        "0.0.0.0",
        "255.255.255.255",
        "::",
    ];
    let codecs = [Format::Pcma, Format::Pcmu, Format::G722, Format::Opus];
    fuzz("sdp", seeds, words, |input| match sdp::describe(input, &codecs) {
        Ok(sdp::Described { media, is_required, keys, browser }) => {
            let encryption =
                8 * u64::from(is_required) + 16 * keys.len() as u64 + 256 * u64::from(browser.is_some());
            10 + encryption
                + u64::from(media.send)
                + 2 * u64::from(media.receive)
                + 4 * u64::from(media.dtmf.is_some())
        }
        Err(sdp::SdpError::Unreadable) => 0,
        Err(sdp::SdpError::NoCommonCodec) => 1,
        Err(sdp::SdpError::NoCommonKey) => 2,
    });
}

/// A file without a name, in memory.
fn scratch() -> std::io::Result<File> {
    Ok(rustix::fs::memfd_create("table", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}

#[test]
fn no_file_of_numbers_breaks_the_reader() {
    let seeds: &[&[u8]] = &[b"phone,name\r\n13800000001,\"a,\"\"b\"\"\nc\"\r\n", b"\xff\xfep\0\t\0n\0\n\0"];
    let words = &[",", ";", "\t", "\"", "\r\n", "PK\u{3}\u{4}", "PK\u{5}\u{6}", "\u{feff}"];
    fuzz("table", seeds, words, |input| {
        let mut file = scratch().expect("a file in memory");
        file.write_all(input).and_then(|()| file.rewind()).expect("it takes all");
        let mut cells = 0;
        let read = table::read(&mut file, &scratch, &mut |row| {
            cells += row.cells().len() as u64;
            Ok(())
        });
        cells * 2 + u64::from(read.is_ok())
    });
}
