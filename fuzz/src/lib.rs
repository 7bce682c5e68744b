//! What is done with one hostile input: for libFuzzer, which finds inputs by the branches that they take. What it found is in
//! `corpus`, and every test run replays it.

mod endpoint;
mod server;

use std::net::SocketAddr;

use media::ice::{self, IceCredentials};
use media::{Sound, rtcp, rtp};

pub use endpoint::{digest, sip_datagram, sip_response, sip_stream};
pub use server::{form, multipart, sdp, table};

pub fn rtp(input: &[u8]) {
    let Ok(parsed) = rtp::parse(input) else { return };
    let payload = parsed.payload();
    assert!(payload.start <= payload.end && payload.end <= input.len());
    let sources = parsed.csrc(input).count();
    let extension = parsed.extension(input).map_or(0, |(_, bytes)| bytes.len());
    assert!(4 * sources + extension <= input.len());
}

pub fn rtcp(input: &[u8]) {
    let mut items = 0;
    let _ = rtcp::read(input, |_| items += 1);
    assert!(items <= input.len() / 20, "each takes its bytes");
}

/// The check of integrity holds back whoever has not the password; the corpus has inputs that pass it.
pub fn stun(input: &[u8]) {
    let ours = IceCredentials { ufrag: "ours".to_owned(), password: "0123456789012345678901".to_owned() };
    let source = SocketAddr::from(([10, 0, 0, 2], 4000));
    if !ice::is_stun(input) {
        return;
    }
    assert!(ice::answer(input, &ours, source).is_none_or(|check| check.response.len() < 200));
}

pub fn wav(input: &[u8]) {
    if let Ok(sound) = Sound::from_wav(input) {
        assert!(sound.samples().len() < 100_000_000);
    }
}

/// As in the binary, so that what they name of each other is found.
#[allow(dead_code, reason = "what a parser has beside its entrance")]
#[path = "."]
mod switch {
    #[path = "../../crates/outpace/src/switch/sdp.rs"]
    pub mod sdp;
}

#[allow(dead_code, reason = "what a parser has beside its entrance")]
#[path = "."]
mod api {
    #[path = "."]
    pub mod app_sip {
        #[path = "../../crates/outpace/src/api/app_sip/code.rs"]
        pub mod code;
        #[path = "../../crates/outpace/src/api/app_sip/form.rs"]
        pub mod form;
        #[path = "../../crates/outpace/src/api/app_sip/request.rs"]
        pub mod request;
    }
    #[path = "."]
    pub mod upload {
        #[path = "../../crates/outpace/src/api/upload/table/mod.rs"]
        pub mod table;
    }
}
