//! RTCP (RFC 3550 §6): what is read of the far end's packets, and the reports that we write.

use crate::rtp::PACKET_MAX;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
/// The name of a source, among the items of a description (RFC 3550 §6.5.1).
const CNAME: u8 = 1;
const BLOCK_LEN: usize = 24;
const SENDER_LEN: usize = 20;

/// Bytes of a source's name (RFC 7022).
pub const NAME_LEN: usize = 10;
/// Bytes of the longest report that we write: header, sender, one block, and a description of one name.
pub const REPORT_MAX: usize = 8 + SENDER_LEN + BLOCK_LEN + DESCRIPTION_LEN;
/// Header, source, item, and the zeros after it: a multiple of four.
const DESCRIPTION_LEN: usize = 8 + 2 + NAME_LEN + 4;

/// What a sender says of its stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sender {
    /// Seconds since 1900, in 32 bits and 32 bits of fraction.
    pub ntp: u64,
    /// The RTP timestamp of the same moment.
    pub timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

impl Sender {
    /// The part of the time by which a receiver refers to this report.
    pub const fn mark(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

/// What a receiver says of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Block {
    /// Of the stream.
    pub ssrc: u32,
    /// Since the report before, in 256ths.
    pub fraction_lost: u8,
    /// Since the stream began; negative when packets came twice. Of its 32 bits, 24 are sent.
    pub lost: i32,
    /// Highest sequence number, with the times that it began anew above.
    pub highest: u32,
    /// In units of the timestamp.
    pub jitter: u32,
    /// Mark of the last report that the stream's sender sent; 0: none came.
    pub last: u32,
    /// Since then, in 65536ths of a second.
    pub since_last: u32,
}

/// One thing that was read. What we have no use for is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Item {
    Sender { ssrc: u32, sender: Sender },
    Block(Block),
}

/// Why a datagram is not RTCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RtcpError {
    #[error("longer than {PACKET_MAX} bytes")]
    Long,
    #[error("not version 2 (RFC 3550 §6.4.1)")]
    Version,
    #[error("a packet ends before its end")]
    Short,
}

/// Reads a datagram of one packet or several. What is told before an error is right.
pub fn read(datagram: &[u8], mut tell: impl FnMut(Item)) -> Result<(), RtcpError> {
    if datagram.len() > PACKET_MAX {
        return Err(RtcpError::Long);
    }
    let mut rest = datagram;
    while !rest.is_empty() {
        let &[first, kind, l0, l1, ..] = rest else { return Err(RtcpError::Short) };
        if first >> 6 != 2 {
            return Err(RtcpError::Version);
        }
        let len = 4 * (usize::from(u16::from_be_bytes([l0, l1])) + 1);
        let (packet, after) = rest.split_at_checked(len).ok_or(RtcpError::Short)?;
        rest = after;
        let blocks = match kind {
            SENDER_REPORT => {
                let (ssrc, sender) = sender(packet).ok_or(RtcpError::Short)?;
                tell(Item::Sender { ssrc, sender });
                &packet[8 + SENDER_LEN..]
            }
            RECEIVER_REPORT => packet.get(8..).ok_or(RtcpError::Short)?,
            _ => continue,
        };
        // Whatever a profile adds comes after the blocks.
        let count = usize::from(first & 31);
        if blocks.len() < count * BLOCK_LEN {
            return Err(RtcpError::Short);
        }
        blocks
            .chunks_exact(BLOCK_LEN)
            .take(count)
            .filter_map(block)
            .for_each(|block| tell(Item::Block(block)));
    }
    Ok(())
}

fn sender(packet: &[u8]) -> Option<(u32, Sender)> {
    let words = words::<6>(packet.get(4..)?)?;
    let [ssrc, high, low, timestamp, packets, octets] = words;
    Some((ssrc, Sender { ntp: u64::from(high) << 32 | u64::from(low), timestamp, packets, octets }))
}

fn block(bytes: &[u8]) -> Option<Block> {
    let [ssrc, losses, highest, jitter, last, since_last] = words::<6>(bytes)?;
    // 24 bits with a sign.
    let lost = (losses << 8).cast_signed() >> 8;
    Some(Block { ssrc, fraction_lost: (losses >> 24) as u8, lost, highest, jitter, last, since_last })
}

fn words<const N: usize>(bytes: &[u8]) -> Option<[u32; N]> {
    let mut words = [0; N];
    for (word, four) in words.iter_mut().zip(bytes.get(..4 * N)?.chunks_exact(4)) {
        *word = u32::from_be_bytes([four[0], four[1], four[2], four[3]]);
    }
    Some(words)
}

/// A report of ours: of a sender when it has one, else of a receiver, and the name of its source (RFC 3550 §6.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    pub ssrc: u32,
    pub sender: Option<Sender>,
    pub block: Option<Block>,
    pub name: [u8; NAME_LEN],
}

impl Report {
    /// The length of what was written.
    pub fn write(&self, out: &mut [u8; REPORT_MAX]) -> usize {
        let mut len = 0;
        let mut put = |bytes: &[u8]| {
            out[len..len + bytes.len()].copy_from_slice(bytes);
            len += bytes.len();
        };
        let kind = if self.sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
        let sender_len = self.sender.map_or(0, |_| SENDER_LEN);
        let block_len = self.block.map_or(0, |_| BLOCK_LEN);
        put(&head(u8::from(self.block.is_some()), kind, 8 + sender_len + block_len));
        put(&self.ssrc.to_be_bytes());
        if let Some(Sender { ntp, timestamp, packets, octets }) = self.sender {
            put(&ntp.to_be_bytes());
            [timestamp, packets, octets].iter().for_each(|word| put(&word.to_be_bytes()));
        }
        if let Some(block) = self.block {
            let lost = block.lost.clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
            let losses = u32::from(block.fraction_lost) << 24 | lost;
            let Block { ssrc, highest, jitter, last, since_last, .. } = block;
            [ssrc, losses, highest, jitter, last, since_last]
                .iter()
                .for_each(|word| put(&word.to_be_bytes()));
        }
        put(&head(1, DESCRIPTION, DESCRIPTION_LEN));
        put(&self.ssrc.to_be_bytes());
        put(&[CNAME, NAME_LEN as u8]);
        put(&self.name);
        put(&[0; 4]);
        len
    }
}

fn head(count: u8, kind: u8, len: usize) -> [u8; 4] {
    let [l0, l1] = ((len / 4 - 1) as u16).to_be_bytes();
    [0x80 | count, kind, l0, l1]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: Sender =
        Sender { ntp: 0x0123_4567_89ab_cdef, timestamp: 77, packets: 1000, octets: 160_000 };
    const BLOCK: Block = Block {
        ssrc: 9,
        fraction_lost: 13,
        lost: -5,
        highest: 0x0001_fffe,
        jitter: 40,
        last: 0x4567_89ab,
        since_last: 65_536,
    };

    fn report() -> Report {
        Report { ssrc: 7, sender: Some(SENDER), block: Some(BLOCK), name: *b"a23456789z" }
    }

    fn items(bytes: &[u8]) -> (Result<(), RtcpError>, Vec<Item>) {
        let mut items = Vec::new();
        let read = read(bytes, |item| items.push(item));
        (read, items)
    }

    #[test]
    fn a_report_of_ours_reads_as_it_was_written() {
        let mut out = [0; REPORT_MAX];
        let len = report().write(&mut out);
        assert_eq!(len, REPORT_MAX);
        let expected = [Item::Sender { ssrc: 7, sender: SENDER }, Item::Block(BLOCK)];
        assert_eq!(items(&out[..len]), (Ok(()), expected.to_vec()));
        assert_eq!(SENDER.mark(), BLOCK.last);
        let bare = Report { sender: None, block: None, ..report() };
        let len = bare.write(&mut out);
        assert_eq!((len, items(&out[..len])), (8 + DESCRIPTION_LEN, (Ok(()), vec![])));
    }

    /// Laid out by hand after the figure of RFC 3550 §6.4.2, with an extension of a profile behind the block.
    #[test]
    fn a_strangers_receiver_report_is_read() {
        let mut bytes = vec![0x81, 201, 0, 8, 0, 0, 0, 5];
        bytes.extend([0, 0, 0, 9, 64, 0, 0, 3, 0, 0, 1, 0, 0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 9, 9, 9, 9]);
        bytes.extend([0x80, 204, 0, 0, 0x80, 203, 0, 0]);
        let block =
            Block { ssrc: 9, fraction_lost: 64, lost: 3, highest: 256, jitter: 80, last: 1, since_last: 2 };
        assert_eq!(items(&bytes), (Ok(()), vec![Item::Block(block)]));
    }

    #[test]
    fn what_is_cut_or_lies_about_its_length_is_an_error() {
        let mut out = [0; REPORT_MAX];
        let len = report().write(&mut out);
        let ends = [0, 52, len];
        for cut in (0..len).filter(|cut| !ends.contains(cut)) {
            assert_eq!(items(&out[..cut]).0, Err(RtcpError::Short), "{cut}");
        }
        let mut more = out;
        more[0] |= 31;
        assert_eq!(items(&more[..52]).0, Err(RtcpError::Short), "more blocks than there is room for");
        let mut other = out;
        other[0] = 0x41;
        assert_eq!(items(&other).0, Err(RtcpError::Version));
        assert_eq!(items(&[0x80; PACKET_MAX + 1]).0, Err(RtcpError::Long));
    }

    #[test]
    fn mutated_reports_never_panic() {
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..200_000 {
            let mut out = [0; REPORT_MAX];
            let mut len = report().write(&mut out);
            for _ in 0..random.usize(1..5) {
                out[random.usize(..len)] = random.u8(..);
            }
            len = random.usize(..=len);
            let mut count = 0;
            let _ = read(&out[..len], |_| count += 1);
            assert!(count <= 1 + 2 * 31);
        }
    }
}
