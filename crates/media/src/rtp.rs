//! The RTP header (RFC 3550 §5.1), read and written.

use std::ops::Range;

/// Bytes of a header without CSRC list and extension.
pub const HEADER_LEN: usize = 12;
/// Longer datagrams are refused: nothing that a telephone sends comes near an Ethernet frame.
pub const PACKET_MAX: usize = 1500;
/// Payload type of comfort noise (RFC 3389).
pub const COMFORT_NOISE: u8 = 13;

/// The fields of a header, and where in the datagram the payload lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    pub sequence: u16,
    /// In samples; 8000 a second for everything here.
    pub timestamp: u32,
    pub ssrc: u32,
}

/// A datagram that was found to be RTP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parsed {
    pub header: Header,
    csrc_count: u8,
    extension: Option<(u16, u16)>,
    payload_start: u16,
    payload_end: u16,
}

/// Why a datagram is not RTP that we take.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RtpError {
    #[error("shorter than an RTP header")]
    Short,
    #[error("longer than {PACKET_MAX} bytes")]
    Long,
    #[error("not version 2 (RFC 3550 §5.1)")]
    Version,
    #[error("RTCP on the RTP port (RFC 5761 §4)")]
    Rtcp,
    #[error("CSRC list or header extension runs past the end (RFC 3550 §5.3.1)")]
    Header,
    #[error("padding is longer than the payload, or empty (RFC 3550 §5.1)")]
    Padding,
}

/// Whether a datagram is RTCP, if it is one of RTP or RTCP (RFC 5761 §4).
pub fn is_rtcp(bytes: &[u8]) -> bool {
    bytes.get(1).is_some_and(|second| (192..=223).contains(second))
}

/// Whether a datagram is RTP or RTCP and not STUN or DTLS (RFC 7983 §7).
pub fn is_rtp_or_rtcp(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|first| (128..192).contains(first))
}

/// Reads one datagram.
pub fn parse(bytes: &[u8]) -> Result<Parsed, RtpError> {
    if bytes.len() > PACKET_MAX {
        return Err(RtpError::Long);
    }
    let &[first, second, ..] = bytes else { return Err(RtpError::Short) };
    if first >> 6 != 2 {
        return Err(RtpError::Version);
    }
    // RFC 5761 §4: RTCP types 192 to 223 are what RTP types 64 to 95 with the marker would be, and RTP avoids those. Seen
    // first, because an empty report is shorter than an RTP header.
    if is_rtcp(bytes) {
        return Err(RtpError::Rtcp);
    }
    let [_, _, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3, ..] = *bytes else {
        return Err(RtpError::Short);
    };
    let csrc_count = first & 15;
    let mut start = HEADER_LEN + 4 * usize::from(csrc_count);
    let mut extension = None;
    if first & 0x10 != 0 {
        let Some(&[_, _, l0, l1]) = bytes.get(start..start + 4) else {
            return Err(RtpError::Header);
        };
        let length = 4 * usize::from(u16::from_be_bytes([l0, l1]));
        extension = Some((start as u16, length as u16));
        start += 4 + length;
    }
    if start > bytes.len() {
        return Err(RtpError::Header);
    }
    let mut end = bytes.len();
    if first & 0x20 != 0 {
        let padding = usize::from(bytes[end - 1]);
        if padding == 0 || padding > end - start {
            return Err(RtpError::Padding);
        }
        end -= padding;
    }
    let header = Header {
        marker: second & 0x80 != 0,
        payload_type: second & 0x7f,
        sequence: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
    };
    // All offsets fit: they are at most PACKET_MAX.
    Ok(Parsed { header, csrc_count, extension, payload_start: start as u16, payload_end: end as u16 })
}

impl Parsed {
    /// Where the payload lies, without padding. Starts at or after [`HEADER_LEN`].
    pub fn payload(&self) -> Range<usize> {
        usize::from(self.payload_start)..usize::from(self.payload_end)
    }

    /// The contributing sources, out of the datagram that was parsed.
    pub fn csrc<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = u32> + use<'a> {
        let end = HEADER_LEN + 4 * usize::from(self.csrc_count);
        let list = bytes.get(HEADER_LEN..end).unwrap_or_default();
        list.chunks_exact(4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    }

    /// The header extension: the profile's word and its data, out of the datagram that was parsed.
    pub fn extension<'a>(&self, bytes: &'a [u8]) -> Option<(u16, &'a [u8])> {
        let (start, length) = self.extension?;
        let start = usize::from(start);
        let &[p0, p1] = bytes.get(start..start + 2)? else { return None };
        let data = bytes.get(start + 4..start + 4 + usize::from(length))?;
        Some((u16::from_be_bytes([p0, p1]), data))
    }
}

impl Header {
    /// The twelve bytes of a header that is followed by its payload at once.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let [s0, s1] = self.sequence.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.to_be_bytes();
        let [c0, c1, c2, c3] = self.ssrc.to_be_bytes();
        let second = (u8::from(self.marker) << 7) | (self.payload_type & 0x7f);
        [0x80, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]
    }
}

/// A whole packet to be written, with everything that RFC 3550 allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'a> {
    pub header: Header,
    /// At most 15.
    pub csrc: &'a [u32],
    /// The profile's word and its data, whose length must be a multiple of 4.
    pub extension: Option<(u16, &'a [u8])>,
    pub payload: &'a [u8],
    /// Bytes of padding, its count byte included; 0: none.
    pub padding: u8,
}

impl Packet<'_> {
    /// Appends the packet to `out`; `None`, and `out` as it was, when a limit is broken.
    #[must_use]
    pub fn write(&self, out: &mut Vec<u8>) -> Option<()> {
        let extension_len = self.extension.map_or(0, |(_, data)| 4 + data.len());
        let len =
            HEADER_LEN + 4 * self.csrc.len() + extension_len + self.payload.len() + usize::from(self.padding);
        if self.csrc.len() > 15 || !extension_len.is_multiple_of(4) || len > PACKET_MAX {
            return None;
        }
        let start = out.len();
        out.extend_from_slice(&self.header.to_bytes());
        out[start] |= u8::from(self.padding > 0) << 5;
        out[start] |= u8::from(self.extension.is_some()) << 4;
        out[start] |= self.csrc.len() as u8;
        for source in self.csrc {
            out.extend_from_slice(&source.to_be_bytes());
        }
        if let Some((profile, data)) = self.extension {
            out.extend_from_slice(&profile.to_be_bytes());
            out.extend_from_slice(&((data.len() / 4) as u16).to_be_bytes());
            out.extend_from_slice(data);
        }
        out.extend_from_slice(self.payload);
        if self.padding > 0 {
            out.resize(out.len() + usize::from(self.padding) - 1, 0);
            out.push(self.padding);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        marker: true,
        payload_type: 101,
        sequence: 0xfffe,
        timestamp: 0xdead_beef,
        ssrc: 0x0102_0304,
    };

    fn full() -> Vec<u8> {
        let mut bytes = Vec::new();
        Packet {
            header: HEADER,
            csrc: &[7, 8],
            extension: Some((0xbede, &[1, 2, 3, 4, 5, 6, 7, 8])),
            payload: b"sound",
            padding: 3,
        }
        .write(&mut bytes)
        .expect("within the limits");
        bytes
    }

    #[test]
    fn a_packet_with_every_part_reads_as_it_was_written() {
        let bytes = full();
        let parsed = parse(&bytes).expect("valid");
        assert_eq!(parsed.header, HEADER);
        assert_eq!(&bytes[parsed.payload()], b"sound");
        assert_eq!(parsed.csrc(&bytes).collect::<Vec<_>>(), [7, 8]);
        assert_eq!(parsed.extension(&bytes), Some((0xbede, &[1, 2, 3, 4, 5, 6, 7, 8][..])));
    }

    #[test]
    fn a_plain_packet_is_the_header_and_its_payload() {
        let mut bytes = HEADER.to_bytes().to_vec();
        bytes.extend_from_slice(&[0xd5; 160]);
        let parsed = parse(&bytes).expect("valid");
        assert_eq!(parsed.header, HEADER);
        assert_eq!(parsed.payload(), 12..172);
        assert_eq!(parsed.extension(&bytes), None);
    }

    #[test]
    fn each_broken_packet_has_its_reason() {
        let plain = HEADER.to_bytes();
        assert_eq!(parse(&[]), Err(RtpError::Short));
        assert_eq!(parse(&plain[..11]), Err(RtpError::Short));
        assert_eq!(parse(&[0x80; PACKET_MAX + 1]), Err(RtpError::Long));
        let with = |at: usize, byte: u8| {
            let mut bytes = plain;
            bytes[at] = byte;
            parse(&bytes)
        };
        assert_eq!(with(0, 0x00), Err(RtpError::Version));
        assert_eq!(with(0, 0xc0), Err(RtpError::Version));
        assert_eq!(with(1, 200), Err(RtpError::Rtcp));
        assert_eq!(with(0, 0x81), Err(RtpError::Header));
        assert_eq!(with(0, 0x90), Err(RtpError::Header));
        assert_eq!(with(0, 0xa0), Err(RtpError::Padding));
        let mut padded = plain.to_vec();
        padded[0] = 0xa0;
        padded.push(0);
        assert_eq!(parse(&padded), Err(RtpError::Padding));
        padded[12] = 1;
        assert_eq!(parse(&padded).map(|parsed| parsed.payload()), Ok(12..12));
    }

    #[test]
    fn mutated_packets_never_panic_and_stay_inside_the_datagram() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..200_000 {
            let mut bytes = full();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes.truncate(random.usize(..=bytes.len()));
            if let Ok(parsed) = parse(&bytes) {
                let payload = parsed.payload();
                assert!(
                    payload.start >= HEADER_LEN && payload.start <= payload.end && payload.end <= bytes.len()
                );
                assert!(parsed.csrc(&bytes).count() <= 15);
                parsed.extension(&bytes);
            }
        }
    }

    #[test]
    fn a_packet_past_the_limits_is_not_written() {
        let mut out = Vec::new();
        let base = Packet { header: HEADER, csrc: &[], extension: None, payload: &[], padding: 0 };
        assert_eq!(Packet { csrc: &[0; 16], ..base }.write(&mut out), None);
        assert_eq!(Packet { extension: Some((0, &[0; 3])), ..base }.write(&mut out), None);
        assert_eq!(Packet { payload: &[0; PACKET_MAX], ..base }.write(&mut out), None);
        assert!(out.is_empty());
    }
}
