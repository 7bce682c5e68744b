//! Who speaks, hidden in the sound: every 20 ms frame of a lab phone carries the speaker in the lowest bit of its 160
//! bytes. So the far end knows whom it hears from one packet, without a sound that a person would mind; and since it
//! only survives when the payload was relayed untouched, hearing it proves that too.

use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes of a 20 ms frame of G.711.
pub const FRAME_BYTES: usize = 160;
const MAGIC: [u8; 3] = [0x5a, 0xc3, 0x96];

/// Who speaks in a frame.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tag {
    pub speaker: Speaker,
    /// Of the customer: the carrier's number of the call. Of the agent: the extension. 40 bits.
    pub id: u64,
    /// When the speaker answered, microseconds since the Unix epoch. 56 bits.
    pub since_us: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Speaker {
    Customer,
    Agent,
}

/// The tag as the lowest bits of a frame.
pub type Bits = [u8; FRAME_BYTES];

impl Tag {
    pub fn bits(&self) -> Bits {
        let mut bytes = [0u8; 20];
        bytes[..3].copy_from_slice(&MAGIC);
        bytes[3] = match self.speaker {
            Speaker::Customer => 1,
            Speaker::Agent => 2,
        };
        bytes[4..9].copy_from_slice(&self.id.to_be_bytes()[3..]);
        bytes[9..16].copy_from_slice(&self.since_us.to_be_bytes()[1..]);
        let sum = checksum(&bytes[..16]);
        bytes[16..].copy_from_slice(&sum.to_be_bytes());
        std::array::from_fn(|n| bytes[n / 8] >> (7 - n % 8) & 1)
    }

    /// The tag of a received payload, if it has one.
    pub fn read(payload: &[u8]) -> Option<Tag> {
        let payload: &[u8; FRAME_BYTES] = payload.try_into().ok()?;
        let mut bytes = [0u8; 20];
        for (byte, eight) in bytes.iter_mut().zip(payload.chunks_exact(8)) {
            *byte = eight.iter().fold(0, |sum, b| sum << 1 | b & 1);
        }
        let sum = u32::from_be_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]);
        if bytes[..3] != MAGIC || sum != checksum(&bytes[..16]) {
            return None;
        }
        let speaker = match bytes[3] {
            1 => Speaker::Customer,
            2 => Speaker::Agent,
            _ => return None,
        };
        let number = |range: &[u8]| range.iter().fold(0u64, |sum, b| sum << 8 | u64::from(*b));
        Some(Tag { speaker, id: number(&bytes[4..9]), since_us: number(&bytes[9..16]) })
    }

    /// Whether the payload carries these very bits.
    pub fn is_in(bits: &Bits, payload: &[u8]) -> bool {
        payload.len() == FRAME_BYTES && payload.iter().zip(bits).all(|(byte, bit)| byte & 1 == *bit)
    }
}

/// A number below 2^40 for an extension: itself when it is digits, else a hash.
pub fn id_of(extension: &str) -> u64 {
    match extension.parse::<u64>() {
        Ok(number) if number < 1 << 40 => number,
        _ => super::fate::hash(extension.as_bytes()) & 0xff_ffff_ffff,
    }
}

/// Wall clock, microseconds since the Unix epoch: two processes on one machine agree on it.
pub fn wall_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// FNV-1a, 32 bits.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, b| (sum ^ u32::from(*b)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read_back_from_any_sound() {
        let tag = Tag { speaker: Speaker::Agent, id: 1001, since_us: wall_us() };
        let bits = tag.bits();
        let payload: Vec<u8> = (0..FRAME_BYTES).map(|n| (n * 37) as u8 & !1 | bits[n]).collect();
        assert_eq!(Tag::read(&payload), Some(tag));
        assert!(Tag::is_in(&bits, &payload));
    }

    #[test]
    fn one_changed_bit_hides_the_tag() {
        let bits = Tag { speaker: Speaker::Customer, id: 5, since_us: 9 }.bits();
        for n in 0..FRAME_BYTES {
            let mut payload = bits;
            payload[n] ^= 1;
            assert_eq!(Tag::read(&payload), None, "bit {n}");
            assert!(!Tag::is_in(&bits, &payload));
        }
        assert_eq!(Tag::read(&[0; FRAME_BYTES]), None);
        assert_eq!(Tag::read(&[0xff; FRAME_BYTES]), None);
        assert_eq!(Tag::read(&[]), None);
    }
}
