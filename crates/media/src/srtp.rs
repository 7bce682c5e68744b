//! RTP that is encrypted and authenticated: SRTP (RFC 3711) with AES-CM-128 and HMAC-SHA1, keys by RFC 4568.

use std::fmt;

use aes::Aes128;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockEncrypt, KeyInit};
use ring::hmac;

use crate::rtp::HEADER_LEN;

/// Bytes of the longest authentication tag.
pub const TAG_MAX: usize = 10;
const KEY_LEN: usize = 16;
const SALT_LEN: usize = 14;
/// Bytes of a master key with its salt, as RFC 4568 §6.1 puts them into SDP.
pub const MASTER_LEN: usize = KEY_LEN + SALT_LEN;
const BLOCK: usize = 16;
/// Streams of one far end whose numbers are remembered; it may begin a new one when it likes.
const STREAMS_MAX: usize = 4;
/// Packets behind the newest within which a repeated one is known (RFC 3711 §3.3.2).
const WINDOW: u64 = 64;

/// How a stream is protected (RFC 4568 §6.2). The cipher is AES-CM-128 in both, the tag HMAC-SHA1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suite {
    /// `AES_CM_128_HMAC_SHA1_80`
    Tag80,
    /// `AES_CM_128_HMAC_SHA1_32`
    Tag32,
}

impl Suite {
    pub const fn name(self) -> &'static str {
        match self {
            Suite::Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    pub fn from_name(name: &str) -> Option<Suite> {
        [Suite::Tag80, Suite::Tag32].into_iter().find(|suite| suite.name() == name)
    }

    const fn tag_len(self) -> usize {
        match self {
            Suite::Tag80 => TAG_MAX,
            Suite::Tag32 => 4,
        }
    }
}

/// The master key and salt of one direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SrtpKey {
    pub suite: Suite,
    pub master: [u8; MASTER_LEN],
}

/// Without the key.
impl fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpKey").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// Both directions of a leg.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SrtpKeys {
    /// What we send is protected with it.
    pub ours: SrtpKey,
    /// What comes is.
    pub theirs: SrtpKey,
}

/// One direction.
struct Direction {
    key: SrtpKey,
    cipher: Aes128,
    salt: [u8; SALT_LEN],
    auth: hmac::Key,
    streams: [Option<Stream>; STREAMS_MAX],
    /// Of the stream that is forgotten for the next one.
    oldest: usize,
}

/// The place in one stream (RFC 3711 §3.3.1).
#[derive(Clone, Copy)]
struct Stream {
    ssrc: u32,
    /// Of the newest packet: times that the sequence number began anew, and the number.
    highest: u64,
    /// Bit n: the packet n before the newest has come.
    seen: u64,
}

/// What protects a leg.
pub struct Srtp {
    ours: Direction,
    theirs: Direction,
}

impl Srtp {
    pub fn new(keys: &SrtpKeys) -> Srtp {
        Srtp { ours: Direction::new(keys.ours), theirs: Direction::new(keys.theirs) }
    }

    /// Other keys begin anew, the same ones go on: a re-INVITE repeats them (RFC 4568 §7.1.4).
    pub fn set(&mut self, keys: &SrtpKeys) {
        if self.ours.key != keys.ours {
            self.ours = Direction::new(keys.ours);
        }
        if self.theirs.key != keys.theirs {
            self.theirs = Direction::new(keys.theirs);
        }
    }

    /// Protects the packet of `len` bytes at the start of `datagram`, which must have `TAG_MAX` bytes more. The new length.
    pub fn protect(&mut self, datagram: &mut [u8], len: usize) -> Option<usize> {
        let direction = &mut self.ours;
        let at = Place::of(datagram.get(..len)?)?;
        let index = direction.stream(at.ssrc).map_or(u64::from(at.sequence), |s| s.index(at.sequence));
        let tag_len = direction.key.suite.tag_len();
        if datagram.len() < len + tag_len {
            return None;
        }
        direction.crypt(&mut datagram[at.payload..len], at.ssrc, index);
        let tag = direction.tag(&datagram[..len], index);
        datagram[len..len + tag_len].copy_from_slice(&tag[..tag_len]);
        direction.note(at.ssrc, index);
        Some(len + tag_len)
    }

    /// Checks and decrypts a whole datagram in place. The length of the packet; `None`: it is not from who has the key, or
    /// came before.
    pub fn unprotect(&mut self, datagram: &mut [u8]) -> Option<usize> {
        let direction = &mut self.theirs;
        let tag_len = direction.key.suite.tag_len();
        let len = datagram.len().checked_sub(tag_len)?;
        let at = Place::of(&datagram[..len])?;
        let stream = direction.stream(at.ssrc);
        let index = stream.map_or(u64::from(at.sequence), |s| s.index(at.sequence));
        if stream.is_some_and(|s| s.has_seen(index)) {
            return None;
        }
        let tag = direction.tag(&datagram[..len], index);
        // Every byte is looked at, whatever the first ones are.
        let differs = tag.iter().zip(&datagram[len..]).fold(0, |all, (a, b)| all | (a ^ b));
        if differs != 0 {
            return None;
        }
        direction.crypt(&mut datagram[at.payload..len], at.ssrc, index);
        direction.note(at.ssrc, index);
        Some(len)
    }
}

/// What the protection needs of a header (RFC 3550 §5.1).
struct Place {
    ssrc: u32,
    sequence: u16,
    payload: usize,
}

impl Place {
    fn of(packet: &[u8]) -> Option<Place> {
        let &[first, _, s0, s1, _, _, _, _, c0, c1, c2, c3, ..] = packet else { return None };
        let mut payload = HEADER_LEN + 4 * usize::from(first & 15);
        if first & 0x10 != 0 {
            let &[_, _, l0, l1] = packet.get(payload..payload + 4)? else { return None };
            payload += 4 + 4 * usize::from(u16::from_be_bytes([l0, l1]));
        }
        let is_rtp = first >> 6 == 2 && payload <= packet.len();
        is_rtp.then_some(Place {
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            sequence: u16::from_be_bytes([s0, s1]),
            payload,
        })
    }
}

impl Stream {
    /// The index of a packet by its sequence number: the one that is nearest to the newest.
    fn index(&self, sequence: u16) -> u64 {
        let ahead = sequence.wrapping_sub(self.highest as u16).cast_signed();
        // Before the first packet there is none: then it is of the next turn.
        self.highest
            .checked_add_signed(ahead.into())
            .unwrap_or(self.highest + u64::from(ahead.cast_unsigned()))
    }

    fn has_seen(&self, index: u64) -> bool {
        let behind = self.highest.saturating_sub(index);
        index <= self.highest && (behind >= WINDOW || self.seen & (1 << behind) != 0)
    }

    fn note(&mut self, index: u64) {
        if index > self.highest {
            let step = index - self.highest;
            self.seen = if step >= WINDOW { 0 } else { self.seen << step };
            self.highest = index;
        }
        let behind = self.highest - index;
        if behind < WINDOW {
            self.seen |= 1 << behind;
        }
    }
}

impl Direction {
    /// RFC 3711 §4.3, with a key derivation rate of 0.
    fn new(key: SrtpKey) -> Direction {
        let master = Aes128::new(GenericArray::from_slice(&key.master[..KEY_LEN]));
        let derive = |label: u8, out: &mut [u8]| {
            let mut iv = [0; BLOCK];
            iv[..SALT_LEN].copy_from_slice(&key.master[KEY_LEN..]);
            iv[7] ^= label;
            counter_mode(&master, iv, out);
        };
        let (mut cipher, mut auth, mut salt) = ([0; KEY_LEN], [0; 20], [0; SALT_LEN]);
        derive(0, &mut cipher);
        derive(1, &mut auth);
        derive(2, &mut salt);
        Direction {
            key,
            cipher: Aes128::new(GenericArray::from_slice(&cipher)),
            salt,
            auth: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth),
            streams: [None; STREAMS_MAX],
            oldest: 0,
        }
    }

    fn stream(&self, ssrc: u32) -> Option<Stream> {
        self.streams.iter().flatten().find(|stream| stream.ssrc == ssrc).copied()
    }

    fn note(&mut self, ssrc: u32, index: u64) {
        if let Some(stream) = self.streams.iter_mut().flatten().find(|stream| stream.ssrc == ssrc) {
            return stream.note(index);
        }
        self.streams[self.oldest] = Some(Stream { ssrc, highest: index, seen: 1 });
        self.oldest = (self.oldest + 1) % STREAMS_MAX;
    }

    /// RFC 3711 §4.1.1: encrypts or decrypts.
    fn crypt(&self, payload: &mut [u8], ssrc: u32, index: u64) {
        let mut iv = [0; BLOCK];
        iv[..SALT_LEN].copy_from_slice(&self.salt);
        iv[4..8].iter_mut().zip(ssrc.to_be_bytes()).for_each(|(a, b)| *a ^= b);
        iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]).for_each(|(a, b)| *a ^= b);
        counter_mode(&self.cipher, iv, payload);
    }

    /// RFC 3711 §4.2: over the packet and the turns of its sequence number.
    fn tag(&self, packet: &[u8], index: u64) -> [u8; TAG_MAX] {
        let mut context = hmac::Context::with_key(&self.auth);
        context.update(packet);
        context.update(&((index >> 16) as u32).to_be_bytes());
        let mut tag = [0; TAG_MAX];
        tag.copy_from_slice(&context.sign().as_ref()[..TAG_MAX]);
        tag
    }
}

/// XORs `bytes` with what `cipher` makes of `iv`, `iv` + 1, …
fn counter_mode(cipher: &Aes128, iv: [u8; BLOCK], bytes: &mut [u8]) {
    const AT_ONCE: usize = 8;
    let mut counter: u16 = 0;
    for chunk in bytes.chunks_mut(AT_ONCE * BLOCK) {
        let mut blocks = [GenericArray::from(iv); AT_ONCE];
        for block in &mut blocks {
            block[BLOCK - 2..].copy_from_slice(&counter.to_be_bytes());
            counter = counter.wrapping_add(1);
        }
        cipher.encrypt_blocks(&mut blocks);
        chunk.iter_mut().zip(blocks.iter().flatten()).for_each(|(a, b)| *a ^= b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Header;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
        digits.chunks(2).map(byte).collect::<Vec<u8>>().try_into().expect("as long")
    }

    fn key(n: u8) -> SrtpKey {
        SrtpKey {
            suite: Suite::Tag80,
            master: std::array::from_fn(|at| n.wrapping_mul(31).wrapping_add(at as u8)),
        }
    }

    /// Two ends of one leg.
    fn ends() -> (Srtp, Srtp) {
        let (a, b) = (key(1), key(2));
        (Srtp::new(&SrtpKeys { ours: a, theirs: b }), Srtp::new(&SrtpKeys { ours: b, theirs: a }))
    }

    fn packet(ssrc: u32, sequence: u16) -> Vec<u8> {
        let header = Header { marker: false, payload_type: 8, sequence, timestamp: 7, ssrc };
        let mut packet = header.to_bytes().to_vec();
        packet.extend((0..160).map(|n: u8| n ^ sequence as u8));
        packet
    }

    fn protected(srtp: &mut Srtp, packet: &[u8]) -> Vec<u8> {
        let mut datagram = packet.to_vec();
        datagram.resize(packet.len() + TAG_MAX, 0);
        let len = srtp.protect(&mut datagram, packet.len()).expect("RTP");
        datagram.truncate(len);
        datagram
    }

    fn opened(srtp: &mut Srtp, datagram: &[u8]) -> Option<Vec<u8>> {
        let mut datagram = datagram.to_vec();
        let len = srtp.unprotect(&mut datagram)?;
        datagram.truncate(len);
        Some(datagram)
    }

    /// RFC 3711, appendix B.2.
    #[test]
    fn the_key_stream_is_that_of_the_rfc() {
        let cipher = Aes128::new(GenericArray::from_slice(&hex::<16>("2B7E151628AED2A6ABF7158809CF4F3C")));
        let mut bytes = [0; 0xff02 * 16];
        counter_mode(&cipher, hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"), &mut bytes);
        assert_eq!(bytes[..16], hex::<16>("E03EAD0935C95E80E166B16DD92B4EB4"));
        assert_eq!(bytes[16..32], hex::<16>("D23513162B02D0F72A43A2FE4A5F97AB"));
        assert_eq!(bytes[0xff00 * 16..][..16], hex::<16>("362B7C3C6773516318A077D7FC5073AE"));
    }

    /// RFC 3711, appendix B.3.
    #[test]
    fn keys_are_derived_as_in_the_rfc() {
        let master = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        let direction = Direction::new(SrtpKey { suite: Suite::Tag80, master });
        assert_eq!(direction.salt, hex::<14>("30CBBC08863D8C85D49DB34A9AE1"));
        let mut block = GenericArray::from([0; 16]);
        direction.cipher.encrypt_block(&mut block);
        let mut same = GenericArray::from([0; 16]);
        let cipher = hex::<16>("C61E7A93744F39EE10734AFE3FF7A087");
        Aes128::new(GenericArray::from_slice(&cipher)).encrypt_block(&mut same);
        assert_eq!(block, same);
        let auth = hex::<20>("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
        let by_rfc = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth), b"x\0\0\0\x05");
        assert_eq!(direction.tag(b"x", 5 << 16), by_rfc.as_ref()[..TAG_MAX]);
    }

    #[test]
    fn what_one_end_protects_the_other_opens_and_nobody_else() {
        let (mut a, mut b) = ends();
        let plain = packet(9, 500);
        let sent = protected(&mut a, &plain);
        assert_eq!(sent.len(), plain.len() + 10);
        assert_eq!(sent[..12], plain[..12], "the header can be read by all");
        assert_ne!(sent[12..172], plain[12..]);
        let mut stranger = Srtp::new(&SrtpKeys { ours: key(3), theirs: key(4) });
        assert_eq!(opened(&mut stranger, &sent), None);
        assert_eq!(opened(&mut b, &sent), Some(plain));
        assert_eq!(opened(&mut b, &sent), None, "it came before");
    }

    #[test]
    fn a_packet_with_any_bit_changed_is_refused() {
        let (mut a, mut b) = ends();
        let sent = protected(&mut a, &packet(9, 500));
        for at in 0..sent.len() * 8 {
            let mut changed = sent.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert_eq!(opened(&mut b, &changed), None, "bit {at}");
        }
        for len in 0..sent.len() {
            assert_eq!(opened(&mut b, &sent[..len]), None);
        }
        assert!(opened(&mut b, &sent).is_some());
    }

    #[test]
    fn the_sequence_number_may_begin_anew_and_packets_may_be_lost_or_overtake_each_other() {
        let (mut a, mut b) = ends();
        let order = (0..200_000u32).filter(|n| n % 7 != 3).map(|n| n ^ 1);
        // Both ends count the turns, also when a pair changes places at the very wrap.
        for n in order {
            let plain = packet(9, (60_000 + n) as u16);
            let sent = protected(&mut a, &plain);
            assert_eq!(opened(&mut b, &sent), Some(plain), "packet {n}");
        }
    }

    #[test]
    fn a_new_stream_of_the_same_end_is_taken_and_the_old_one_goes_on() {
        let (mut a, mut b) = ends();
        for (sequence, ssrc) in (100..).zip([1, 2, 1, 3, 4, 5, 6]) {
            let plain = packet(ssrc, sequence);
            let sent = protected(&mut a, &plain);
            assert!(opened(&mut b, &sent).is_some());
        }
    }

    #[test]
    fn the_same_keys_again_go_on_and_others_begin_anew() {
        let (mut a, mut b) = ends();
        let sent = protected(&mut a, &packet(9, 1));
        assert!(opened(&mut b, &sent).is_some());
        b.set(&SrtpKeys { ours: key(2), theirs: key(1) });
        assert_eq!(opened(&mut b, &sent), None, "it is still known");
        b.set(&SrtpKeys { ours: key(2), theirs: key(7) });
        let mut c = Srtp::new(&SrtpKeys { ours: key(7), theirs: key(2) });
        assert!(opened(&mut b, &protected(&mut c, &packet(9, 1))).is_some());
    }

    #[test]
    fn the_short_tag_is_four_bytes() {
        let short = |n| SrtpKey { suite: Suite::Tag32, ..key(n) };
        let mut a = Srtp::new(&SrtpKeys { ours: short(1), theirs: short(2) });
        let mut b = Srtp::new(&SrtpKeys { ours: short(2), theirs: short(1) });
        let plain = packet(9, 1);
        let sent = protected(&mut a, &plain);
        assert_eq!(sent.len(), plain.len() + 4);
        assert_eq!(opened(&mut b, &sent), Some(plain));
    }

    #[test]
    fn extensions_and_sources_stay_readable() {
        let (mut a, mut b) = ends();
        let mut plain = vec![0x91, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 9, 0xbe, 0xde, 0, 1, 1, 2, 3, 4];
        plain.extend([5; 40]);
        let sent = protected(&mut a, &plain);
        assert_eq!(sent[..24], plain[..24]);
        assert_ne!(sent[24..64], plain[24..]);
        assert_eq!(opened(&mut b, &sent), Some(plain));
    }

    #[test]
    fn keys_are_not_shown() {
        let text = format!("{:?}", SrtpKeys { ours: key(1), theirs: key(2) });
        assert!(!text.contains("31") && text.contains("Tag80"), "{text}");
    }
}
