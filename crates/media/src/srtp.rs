//! RTP that is encrypted and authenticated: SRTP (RFC 3711) with AES-CM-128 and HMAC-SHA1, or with AES-GCM (RFC 7714).

use std::fmt;

use aes::cipher::{BlockCipherEncrypt, BlockSizeUser, KeyInit};
use aes::{Aes128, Aes256, Block};
use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;

use crate::rtp::HEADER_LEN;

mod control;

pub use control::CONTROL_OVERHEAD_MAX;
use control::Control;

/// Bytes of the longest authentication tag.
pub const TAG_MAX: usize = 16;
/// Bytes of the longest master key with its salt.
pub const MASTER_MAX: usize = 44;
const BLOCK: usize = 16;
/// Of the tag that HMAC-SHA1 is cut to, at most.
const HMAC_TAG_MAX: usize = 10;
/// Streams of one far end whose numbers are remembered; it may begin a new one when it likes.
const STREAMS_MAX: usize = 4;
/// Packets behind the newest within which a repeated one is known (RFC 3711 §3.3.2).
const WINDOW: u64 = 64;

/// How a stream is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suite {
    /// AES-CM-128, a tag of 80 bits of HMAC-SHA1 (RFC 4568 §6.2).
    Tag80,
    /// The same with 32 bits.
    Tag32,
    /// AES-GCM (RFC 7714).
    Gcm128,
    Gcm256,
}

impl Suite {
    pub const ALL: [Suite; 4] = [Suite::Tag80, Suite::Tag32, Suite::Gcm128, Suite::Gcm256];

    /// As SDP names it.
    pub const fn name(self) -> &'static str {
        match self {
            Suite::Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::Tag32 => "AES_CM_128_HMAC_SHA1_32",
            Suite::Gcm128 => "AEAD_AES_128_GCM",
            Suite::Gcm256 => "AEAD_AES_256_GCM",
        }
    }

    pub fn from_name(name: &str) -> Option<Suite> {
        Suite::ALL.into_iter().find(|suite| suite.name() == name)
    }

    pub const fn key_len(self) -> usize {
        match self {
            Suite::Tag80 | Suite::Tag32 | Suite::Gcm128 => 16,
            Suite::Gcm256 => 32,
        }
    }

    pub const fn salt_len(self) -> usize {
        match self {
            Suite::Tag80 | Suite::Tag32 => 14,
            Suite::Gcm128 | Suite::Gcm256 => 12,
        }
    }

    const fn tag_len(self) -> usize {
        match self {
            Suite::Tag80 => HMAC_TAG_MAX,
            Suite::Tag32 => 4,
            Suite::Gcm128 | Suite::Gcm256 => 16,
        }
    }
}

/// The master key of one direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SrtpKey {
    suite: Suite,
    master: [u8; MASTER_MAX],
}

/// Without the key.
impl fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpKey").field("suite", &self.suite).finish_non_exhaustive()
    }
}

impl SrtpKey {
    /// The key and then the salt; none when there are more or fewer bytes than the suite wants.
    pub fn new(suite: Suite, master: &[u8]) -> Option<SrtpKey> {
        let mut bytes = [0; MASTER_MAX];
        let len = suite.key_len() + suite.salt_len();
        (master.len() == len).then(|| bytes[..len].copy_from_slice(master))?;
        Some(SrtpKey { suite, master: bytes })
    }

    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The key and then the salt.
    pub fn master(&self) -> &[u8] {
        &self.master[..self.suite.key_len() + self.suite.salt_len()]
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
    cipher: Cipher,
    /// For RTCP.
    control: Control,
    streams: [Option<Stream>; STREAMS_MAX],
    /// Of the stream that is forgotten for the next one.
    oldest: usize,
}

enum Cipher {
    /// RFC 3711 §4.
    Counter { cipher: Aes128, salt: [u8; 14], auth: hmac::Key },
    /// RFC 7714.
    Gcm { key: LessSafeKey, salt: [u8; 12] },
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
        let index = direction.index(&at);
        let whole = datagram.get_mut(..len + direction.key.suite.tag_len())?;
        direction.cipher.seal(whole, len, &at, index)?;
        let whole = whole.len();
        direction.note(at.ssrc, index);
        Some(whole)
    }

    /// Checks and decrypts a whole datagram in place. The length of the packet; `None`: it is not from who has the key, or
    /// came before.
    pub fn unprotect(&mut self, datagram: &mut [u8]) -> Option<usize> {
        let direction = &mut self.theirs;
        let len = datagram.len().checked_sub(direction.key.suite.tag_len())?;
        let at = Place::of(&datagram[..len])?;
        let index = direction.index(&at);
        if direction.stream(at.ssrc).is_some_and(|stream| stream.has_seen(index)) {
            return None;
        }
        direction.cipher.open(datagram, len, &at, index)?;
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
    fn new(key: SrtpKey) -> Direction {
        let (cipher, control) = (Cipher::new(&key, 0), Control::new(&key));
        Direction { key, cipher, control, streams: [None; STREAMS_MAX], oldest: 0 }
    }

    fn index(&self, at: &Place) -> u64 {
        self.stream(at.ssrc).map_or(u64::from(at.sequence), |stream| stream.index(at.sequence))
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
}

impl Cipher {
    /// RFC 3711 §4.3, with a key derivation rate of 0. `first`: of the three labels, 0 for RTP and 3 for RTCP.
    fn new(key: &SrtpKey, first: u8) -> Cipher {
        let (master, salt) = key.master().split_at(key.suite.key_len());
        let mut iv = [0; BLOCK];
        iv[..salt.len()].copy_from_slice(salt);
        let derive = |label: u8, out: &mut [u8]| {
            let mut iv = iv;
            iv[7] ^= first + label;
            // RFC 6188: a longer master key, and all else the same.
            match master.len() {
                32 => counter_mode(&aes::<Aes256>(master), iv, out),
                _ => counter_mode(&aes::<Aes128>(master), iv, out),
            }
        };
        let mut session = [0; 32];
        let session = &mut session[..master.len()];
        derive(0, session);
        let gcm = |algorithm, session: &[u8]| {
            let key = UnboundKey::new(algorithm, session).expect("the suite says how long it is");
            let mut salt = [0; 12];
            derive(2, &mut salt);
            Cipher::Gcm { key: LessSafeKey::new(key), salt }
        };
        match key.suite {
            Suite::Gcm128 => gcm(&aead::AES_128_GCM, session),
            Suite::Gcm256 => gcm(&aead::AES_256_GCM, session),
            Suite::Tag80 | Suite::Tag32 => {
                let (mut auth, mut salt) = ([0; 20], [0; 14]);
                derive(1, &mut auth);
                derive(2, &mut salt);
                let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &auth);
                Cipher::Counter { cipher: aes(session), salt, auth }
            }
        }
    }

    /// Encrypts the packet of `len` bytes and puts the tag after it, to the end of `whole`.
    fn seal(&self, whole: &mut [u8], len: usize, at: &Place, index: u64) -> Option<()> {
        let (packet, tag_place) = whole.split_at_mut(len);
        match self {
            Cipher::Counter { cipher, salt, auth } => {
                counter_mode(cipher, counter_iv(salt, at.ssrc, index), &mut packet[at.payload..]);
                tag_place.copy_from_slice(&hmac_tag(auth, packet, index)[..tag_place.len()]);
            }
            Cipher::Gcm { key, salt } => {
                let (header, payload) = packet.split_at_mut(at.payload);
                let nonce = gcm_nonce(salt, at.ssrc, index);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(header), payload).ok()?;
                tag_place.copy_from_slice(tag.as_ref());
            }
        }
        Some(())
    }

    /// Decrypts the packet of `len` bytes, if the tag after it is right.
    fn open(&self, whole: &mut [u8], len: usize, at: &Place, index: u64) -> Option<()> {
        match self {
            Cipher::Counter { cipher, salt, auth } => {
                let (packet, tag) = whole.split_at_mut(len);
                // Every byte is looked at, whatever the first ones are.
                let right = hmac_tag(auth, packet, index);
                let differs = right.iter().zip(&*tag).fold(0, |all, (a, b)| all | (a ^ b));
                (differs == 0).then(|| {
                    counter_mode(cipher, counter_iv(salt, at.ssrc, index), &mut packet[at.payload..]);
                })
            }
            Cipher::Gcm { key, salt } => {
                let (header, sealed) = whole.split_at_mut(at.payload);
                let nonce = gcm_nonce(salt, at.ssrc, index);
                key.open_in_place(nonce, Aad::from(header), sealed).ok().map(drop)
            }
        }
    }
}

fn aes<C: KeyInit>(key: &[u8]) -> C {
    C::new_from_slice(key).expect("the suite says how long it is")
}

/// RFC 3711 §4.1.1.
fn counter_iv(salt: &[u8; 14], ssrc: u32, index: u64) -> [u8; BLOCK] {
    let mut iv = [0; BLOCK];
    iv[..14].copy_from_slice(salt);
    iv[4..8].iter_mut().zip(ssrc.to_be_bytes()).for_each(|(a, b)| *a ^= b);
    iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]).for_each(|(a, b)| *a ^= b);
    iv
}

/// RFC 7714 §8.1.
fn gcm_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut iv = *salt;
    iv[2..6].iter_mut().zip(ssrc.to_be_bytes()).for_each(|(a, b)| *a ^= b);
    iv[6..].iter_mut().zip(&index.to_be_bytes()[2..]).for_each(|(a, b)| *a ^= b);
    Nonce::assume_unique_for_key(iv)
}

/// RFC 3711 §4.2: over the packet and the turns of its sequence number.
fn hmac_tag(auth: &hmac::Key, packet: &[u8], index: u64) -> [u8; HMAC_TAG_MAX] {
    let mut context = hmac::Context::with_key(auth);
    context.update(packet);
    context.update(&((index >> 16) as u32).to_be_bytes());
    let mut tag = [0; HMAC_TAG_MAX];
    tag.copy_from_slice(&context.sign().as_ref()[..HMAC_TAG_MAX]);
    tag
}

/// XORs `bytes` with what `cipher` makes of `iv`, `iv` + 1, …
fn counter_mode<C>(cipher: &C, iv: [u8; BLOCK], bytes: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = <Aes128 as BlockSizeUser>::BlockSize>,
{
    const AT_ONCE: usize = 8;
    let mut counter: u16 = 0;
    for chunk in bytes.chunks_mut(AT_ONCE * BLOCK) {
        let mut blocks = [Block::from(iv); AT_ONCE];
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

    fn key_of(suite: Suite, n: u8) -> SrtpKey {
        let bytes: Vec<u8> = (0..(suite.key_len() + suite.salt_len()) as u8)
            .map(|at| n.wrapping_mul(31).wrapping_add(at))
            .collect();
        SrtpKey::new(suite, &bytes).expect("as long")
    }

    fn key(n: u8) -> SrtpKey {
        key_of(Suite::Tag80, n)
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
        let cipher: Aes128 = aes(&hex::<16>("2B7E151628AED2A6ABF7158809CF4F3C"));
        let mut bytes = [0; 0xff02 * 16];
        counter_mode(&cipher, hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"), &mut bytes);
        assert_eq!(bytes[..16], hex::<16>("E03EAD0935C95E80E166B16DD92B4EB4"));
        assert_eq!(bytes[16..32], hex::<16>("D23513162B02D0F72A43A2FE4A5F97AB"));
        assert_eq!(bytes[0xff00 * 16..][..16], hex::<16>("362B7C3C6773516318A077D7FC5073AE"));
    }

    /// RFC 3711, appendix B.3.
    #[test]
    fn keys_are_derived_as_in_the_rfc() {
        let master: [u8; 30] = hex("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6");
        let key = SrtpKey::new(Suite::Tag80, &master).expect("as long");
        let Cipher::Counter { cipher, salt, auth } = Cipher::new(&key, 0) else { panic!("another cipher") };
        assert_eq!(salt, hex::<14>("30CBBC08863D8C85D49DB34A9AE1"));
        let (mut ours, mut theirs) = (Block::from([0; 16]), Block::from([0; 16]));
        cipher.encrypt_block(&mut ours);
        aes::<Aes128>(&hex::<16>("C61E7A93744F39EE10734AFE3FF7A087")).encrypt_block(&mut theirs);
        assert_eq!(ours, theirs);
        let by_rfc = hex::<20>("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
        let by_rfc = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &by_rfc);
        assert_eq!(hmac_tag(&auth, b"x", 5 << 16), hmac_tag(&by_rfc, b"x", 5 << 16));
    }

    /// RFC 7714 §16.1.1 and §16.2.1: session keys are given there, so no key is derived here.
    #[test]
    fn packets_are_sealed_with_gcm_as_in_the_rfc() {
        let plain = hex::<50>(
            "8040f17b 8041f8d3 5501a0b2 47616c6c 6961206573 74206f6d6e69732064 697669736120696e207061727465732074726573",
        );
        let cases: [(&aead::Algorithm, &[u8], [u8; 66]); 2] = [
            (
                &aead::AES_128_GCM,
                &hex::<16>("000102030405060708090a0b0c0d0e0f"),
                hex(
                    "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b \
                     36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
                ),
            ),
            (
                &aead::AES_256_GCM,
                &hex::<32>("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
                hex(
                    "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f \
                     1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
                ),
            ),
        ];
        for (algorithm, key, sealed) in cases {
            let key = LessSafeKey::new(UnboundKey::new(algorithm, key).expect("as long"));
            let cipher = Cipher::Gcm { key, salt: hex("517569642070726f2071756f") };
            let mut whole = [0; 66];
            whole[..50].copy_from_slice(&plain);
            let at = Place::of(&plain).expect("RTP");
            cipher.seal(&mut whole, 50, &at, u64::from(at.sequence)).expect("sealed");
            assert_eq!(whole, sealed);
            cipher.open(&mut whole, 50, &at, u64::from(at.sequence)).expect("opened");
            assert_eq!(whole[..50], plain);
        }
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
    fn each_suite_has_its_tag() {
        for (suite, tag) in Suite::ALL.into_iter().zip([10, 4, 16, 16]) {
            let (ours, theirs) = (key_of(suite, 1), key_of(suite, 2));
            let mut a = Srtp::new(&SrtpKeys { ours, theirs });
            let mut b = Srtp::new(&SrtpKeys { ours: theirs, theirs: ours });
            let plain = packet(9, 1);
            let sent = protected(&mut a, &plain);
            assert_eq!(sent.len(), plain.len() + tag);
            let mut changed = sent.clone();
            changed[3] ^= 1;
            assert_eq!(opened(&mut b, &changed), None, "{suite:?}");
            assert_eq!(opened(&mut b, &sent), Some(plain), "{suite:?}");
            assert_eq!(opened(&mut b, &sent), None, "{suite:?}");
            assert_eq!(Suite::from_name(suite.name()), Some(suite));
            assert!(SrtpKey::new(suite, &[0; 29]).is_none());
        }
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
