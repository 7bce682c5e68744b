//! Digest answers (RFC 7616) with MD5 or SHA-256, `qop=auth`.

use sha2::Digest as _;

use super::message::Message;

/// The Authorization line for the first challenge that we can answer.
pub fn authorization(challenged: &Message, method: &str, uri: &str, user: &str, password: &str) -> String {
    let challenge = challenged
        .all("www-authenticate")
        .find(|c| matches!(parameter(c, "algorithm").as_str(), "" | "MD5" | "SHA-256"))
        .unwrap_or_else(|| panic!("no challenge that we know in {challenged:?}"));
    let (realm, nonce) = (parameter(challenge, "realm"), parameter(challenge, "nonce"));
    let algorithm = parameter(challenge, "algorithm");
    let cnonce = format!("{:016x}", fastrand::u64(..));
    let middle = format!("{nonce}:00000001:{cnonce}:auth");
    let response =
        response(&algorithm, &format!("{user}:{realm}:{password}"), &middle, &format!("{method}:{uri}"));
    let algorithm = if algorithm.is_empty() { String::new() } else { format!(", algorithm={algorithm}") };
    format!(
        "Authorization: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", cnonce=\"{cnonce}\", nc=00000001, qop=auth{algorithm}\r\n"
    )
}

/// A challenge of ours, as the value of WWW-Authenticate or Proxy-Authenticate.
pub fn challenge() -> String {
    format!("Digest realm=\"carrier\", nonce=\"{:016x}\", algorithm=MD5, qop=\"auth\"", fastrand::u64(..))
}

/// Do these credentials (the value of an Authorization header) prove user and password?
pub fn proves(credentials: &str, method: &str, user: &str, password: &str) -> bool {
    let p = |name: &str| parameter(credentials, name);
    let middle = format!("{}:{}:{}:{}", p("nonce"), p("nc"), p("cnonce"), p("qop"));
    let expected =
        response("MD5", &format!("{user}:carrier:{password}"), &middle, &format!("{method}:{}", p("uri")));
    p("username") == user && p("response") == expected
}

fn response(algorithm: &str, a1: &str, middle: &str, a2: &str) -> String {
    let hash = |text: &str| if algorithm == "SHA-256" { sha256(text) } else { md5(text.as_bytes()) };
    hash(&format!("{}:{middle}:{}", hash(a1), hash(a2)))
}

fn parameter(challenge: &str, name: &str) -> String {
    let list = challenge.split_once(' ').map_or("", |c| c.1);
    list.split(',')
        .filter_map(|p| p.split_once('='))
        .find(|(n, _)| n.trim().eq_ignore_ascii_case(name))
        .map_or(String::new(), |(_, value)| value.trim().trim_matches('"').to_owned())
}

fn sha256(text: &str) -> String {
    hex(&sha2::Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// RFC 1321.
fn md5(input: &[u8]) -> String {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut padded = input.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(input.len() as u64 * 8).to_le_bytes());
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let word = |i: usize| u32::from_le_bytes(block[i * 4..i * 4 + 4].try_into().expect("four bytes"));
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64 {
            let (mix, w) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
                2 => (b ^ c ^ d, (3 * i + 5) % 16),
                _ => (c ^ (b | !d), (7 * i) % 16),
            };
            let k = (((i + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a.wrapping_add(mix).wrapping_add(k).wrapping_add(word(w));
            (a, d, c) = (d, c, b);
            b = b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4]));
        }
        for (s, x) in state.iter_mut().zip([a, b, c, d]) {
            *s = s.wrapping_add(x);
        }
    }
    hex(&state.iter().flat_map(|s| s.to_le_bytes()).collect::<Vec<_>>())
}
