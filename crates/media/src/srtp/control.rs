//! RTCP, encrypted and authenticated (RFC 3711 §3.4, RFC 7714 §9).

use ring::aead::Aad;

use super::{Cipher, HMAC_TAG_MAX, Srtp, SrtpKey, Stream, TAG_MAX, counter_iv, counter_mode, gcm_nonce};
use crate::rtp::PACKET_MAX;

/// Bytes by which RTCP grows, at most.
pub const CONTROL_OVERHEAD_MAX: usize = TAG_MAX + INDEX_LEN;
const INDEX_LEN: usize = 4;
/// The part of a packet that stays clear: the first header and the sender's SSRC.
const CLEAR_LEN: usize = 8;
/// The bit beside the index: what comes before is encrypted.
const ENCRYPTED: u32 = 1 << 31;

/// One direction.
pub(super) struct Control {
    cipher: Cipher,
    /// Of the last packet that was sent.
    index: u32,
    /// What came: one number for each source, of which a far end has one or very few at a time.
    heard: Option<Stream>,
}

impl Control {
    pub(super) fn new(key: &SrtpKey) -> Control {
        Control { cipher: Cipher::new(key, 3), index: 0, heard: None }
    }
}

impl Srtp {
    /// Protects the RTCP of `len` bytes at the start of `datagram`, which must have `CONTROL_OVERHEAD_MAX` bytes more. The new
    /// length.
    pub fn protect_control(&mut self, datagram: &mut [u8], len: usize) -> Option<usize> {
        let control = &mut self.ours.control;
        let ssrc = ssrc(datagram.get(..len)?)?;
        // RFC 3711 §9.2: never the same twice; at one report in 2.5 s this is after 170 years.
        control.index = control.index.checked_add(1).filter(|index| *index < ENCRYPTED)?;
        let index = control.index;
        let word = (index | ENCRYPTED).to_be_bytes();
        let whole = datagram.get_mut(..len + control.cipher.control_tag_len() + INDEX_LEN)?;
        let whole_len = whole.len();
        match &control.cipher {
            Cipher::Counter { cipher, salt, auth } => {
                counter_mode(cipher, counter_iv(salt, ssrc, index.into()), &mut whole[CLEAR_LEN..len]);
                whole[len..len + INDEX_LEN].copy_from_slice(&word);
                let tag = tag(auth, &whole[..len + INDEX_LEN]);
                whole[len + INDEX_LEN..].copy_from_slice(&tag);
            }
            Cipher::Gcm { key, salt } => {
                let aad = associated(whole, word);
                let nonce = gcm_nonce(salt, ssrc, index.into());
                let tag =
                    key.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut whole[CLEAR_LEN..len]).ok()?;
                whole[len..len + TAG_MAX].copy_from_slice(tag.as_ref());
                whole[len + TAG_MAX..].copy_from_slice(&word);
            }
        }
        Some(whole_len)
    }

    /// Checks and decrypts RTCP in place. The length of the packet; `None`: it is not from who has the key, is not encrypted,
    /// or came before.
    pub fn unprotect_control(&mut self, datagram: &mut [u8]) -> Option<usize> {
        if datagram.len() > PACKET_MAX {
            return None;
        }
        let control = &mut self.theirs.control;
        let ssrc = ssrc(datagram)?;
        let len = datagram.len().checked_sub(control.cipher.control_tag_len() + INDEX_LEN)?;
        if len < CLEAR_LEN {
            return None;
        }
        let at = match control.cipher {
            Cipher::Counter { .. } => len,
            Cipher::Gcm { .. } => datagram.len() - INDEX_LEN,
        };
        let word: [u8; INDEX_LEN] = datagram.get(at..at + INDEX_LEN)?.try_into().ok()?;
        let index = u32::from_be_bytes(word);
        // RFC 3711 §3.4 lets a sender do without encryption, which nobody does who has the keys for it.
        let index = (index & ENCRYPTED != 0).then_some(index & !ENCRYPTED)?;
        let known = control.heard.filter(|stream| stream.ssrc == ssrc);
        if known.is_some_and(|stream| stream.has_seen(index.into())) {
            return None;
        }
        match &control.cipher {
            Cipher::Counter { cipher, salt, auth } => {
                let (packet, theirs) = datagram.split_at_mut(len + INDEX_LEN);
                // Every byte is looked at, whatever the first ones are.
                let differs = tag(auth, packet).iter().zip(&*theirs).fold(0, |all, (a, b)| all | (a ^ b));
                if differs != 0 {
                    return None;
                }
                counter_mode(cipher, counter_iv(salt, ssrc, index.into()), &mut packet[CLEAR_LEN..len]);
            }
            Cipher::Gcm { key, salt } => {
                let aad = associated(datagram, word);
                let nonce = gcm_nonce(salt, ssrc, index.into());
                key.open_in_place(nonce, Aad::from(aad), &mut datagram[CLEAR_LEN..at]).ok()?;
            }
        }
        let mut stream = known.unwrap_or(Stream { ssrc, highest: index.into(), seen: 0 });
        stream.note(index.into());
        control.heard = Some(stream);
        Some(len)
    }
}

impl Cipher {
    /// RFC 4568 §6.2: with the short tag for RTP, RTCP has the long one all the same.
    fn control_tag_len(&self) -> usize {
        match self {
            Cipher::Counter { .. } => HMAC_TAG_MAX,
            Cipher::Gcm { .. } => TAG_MAX,
        }
    }
}

fn ssrc(packet: &[u8]) -> Option<u32> {
    let &[_, _, _, _, s0, s1, s2, s3, ..] = packet else { return None };
    Some(u32::from_be_bytes([s0, s1, s2, s3]))
}

/// RFC 7714 §9.2: the clear part and the word with the index.
fn associated(packet: &[u8], word: [u8; INDEX_LEN]) -> [u8; CLEAR_LEN + INDEX_LEN] {
    let mut aad = [0; CLEAR_LEN + INDEX_LEN];
    aad[..CLEAR_LEN].copy_from_slice(&packet[..CLEAR_LEN]);
    aad[CLEAR_LEN..].copy_from_slice(&word);
    aad
}

fn tag(auth: &ring::hmac::Key, authenticated: &[u8]) -> [u8; HMAC_TAG_MAX] {
    let mut tag = [0; HMAC_TAG_MAX];
    tag.copy_from_slice(&ring::hmac::sign(auth, authenticated).as_ref()[..HMAC_TAG_MAX]);
    tag
}

#[cfg(test)]
mod tests {
    use super::super::{SrtpKeys, Suite};
    use super::*;

    fn ends(suite: Suite) -> (Srtp, Srtp) {
        let key = |n: u8| {
            let len = suite.key_len() + suite.salt_len();
            SrtpKey::new(suite, &(0..len as u8).map(|at| at.wrapping_mul(n)).collect::<Vec<_>>())
                .expect("as long")
        };
        let (a, b) = (key(3), key(5));
        (Srtp::new(&SrtpKeys { ours: a, theirs: b }), Srtp::new(&SrtpKeys { ours: b, theirs: a }))
    }

    const PACKET: &[u8] = b"\x81\xc9\0\x07\0\0\0\x05abcdefghijklmnopqrstuvwx";

    fn protected(srtp: &mut Srtp) -> Vec<u8> {
        let mut datagram = PACKET.to_vec();
        datagram.resize(PACKET.len() + CONTROL_OVERHEAD_MAX, 0);
        let len = srtp.protect_control(&mut datagram, PACKET.len()).expect("RTCP");
        datagram.truncate(len);
        datagram
    }

    #[test]
    fn what_one_end_protects_the_other_reads_once() {
        for suite in Suite::ALL {
            let (mut a, mut b) = ends(suite);
            for _ in 0..3 {
                let datagram = protected(&mut a);
                assert_eq!(datagram[..CLEAR_LEN], PACKET[..CLEAR_LEN]);
                assert_ne!(datagram[CLEAR_LEN..PACKET.len()], PACKET[CLEAR_LEN..]);
                let mut opened = datagram.clone();
                assert_eq!(b.unprotect_control(&mut opened), Some(PACKET.len()), "{suite:?}");
                assert_eq!(opened[..PACKET.len()], *PACKET);
                assert_eq!(b.unprotect_control(&mut datagram.clone()), None, "a second time");
            }
        }
    }

    #[test]
    fn a_changed_bit_or_a_cut_is_seen() {
        for suite in Suite::ALL {
            let (mut a, mut b) = ends(suite);
            let datagram = protected(&mut a);
            for at in 0..datagram.len() {
                let mut changed = datagram.clone();
                changed[at] ^= 1;
                assert_eq!(b.unprotect_control(&mut changed), None, "{suite:?} {at}");
                assert_eq!(b.unprotect_control(&mut datagram[..at].to_vec()), None, "{suite:?} {at}");
            }
            assert!(b.unprotect_control(&mut datagram.clone()).is_some());
        }
    }

    #[test]
    fn rtcp_and_rtp_have_keys_of_their_own() {
        let (mut a, mut b) = ends(Suite::Gcm128);
        assert_eq!(b.unprotect(&mut protected(&mut a)), None);
    }
}
