//! Opus in Ogg (RFC 7845) that can be played at any moment while it grows: each block of sound is a page of its own.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use opus_rs::{Application, OpusEncoder};

use super::wav_file::{MOMENT_LEN, create_file};
use crate::{FRAME_SAMPLES, SAMPLE_RATE};

const CHANNELS: usize = 2;
/// Bits a second of each side.
const BITRATE: i32 = 16_000;
/// Positions are counted at 48 kHz, whatever is sampled (RFC 7845 §4).
const CLOCK: u64 = 48_000 / SAMPLE_RATE as u64;
/// What a decoder leaves out at the beginning: how much later the encoder gives what it gets.
const PRE_SKIP: u16 = 312;
const FIRST: u8 = 2;
const LAST: u8 = 4;
/// Of the longest packet of a frame (RFC 6716 §3.4).
const PACKET_MAX: usize = 1275;
/// Length bytes that a page has at most.
const LACES_MAX: usize = 255;
const HEADER_LEN: usize = 27;
/// Of a packet's first byte: 0 stands for one frame (RFC 6716 §3.1).
const FRAMES_CODE: u8 = 3;

pub(super) struct OggFile {
    file: File,
    len: u64,
    /// One for each side: an encoder of stereo lets a little of each be heard on the other.
    encoders: [Box<OpusEncoder>; CHANNELS],
    /// Moments that wait for a whole frame.
    waiting: Vec<i16>,
    /// Moments that were given, and frames that were made of them.
    given: u64,
    frames: u64,
    serial: u32,
    pages: u32,
    /// The page in the making: length bytes, and what they are the lengths of.
    laces: Vec<u8>,
    body: Vec<u8>,
}

impl OggFile {
    /// An empty recording that only its owner may read, in a folder that is made where there is none.
    pub(super) fn create(path: &Path) -> io::Result<OggFile> {
        let mut ogg = OggFile {
            file: create_file(path)?,
            len: 0,
            encoders: [encoder()?, encoder()?],
            waiting: Vec::new(),
            given: 0,
            frames: 0,
            serial: fastrand::u32(..),
            pages: 0,
            laces: Vec::new(),
            body: Vec::new(),
        };
        let mut head = b"OpusHead\x01".to_vec();
        head.push(CHANNELS as u8);
        head.extend(PRE_SKIP.to_le_bytes());
        head.extend(SAMPLE_RATE.to_le_bytes());
        // No gain; the channels left and right (family 1), which are two streams, none of them stereo (RFC 7845 §5.1.1).
        head.extend([0, 0, 1, 2, 0, 0, 1]);
        ogg.add(&head);
        ogg.write_page(FIRST, 0)?;
        ogg.add(b"OpusTags\x07\0\0\0outpace\0\0\0\0");
        ogg.write_page(0, 0)?;
        Ok(ogg)
    }

    /// Whole moments, left sample first, little endian.
    pub(super) fn append(&mut self, moments: &[u8]) -> io::Result<()> {
        self.given += (moments.len() / MOMENT_LEN) as u64;
        self.waiting.extend(moments.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])));
        self.encode()?;
        match self.laces.is_empty() {
            true => Ok(()),
            false => self.write_page(0, self.frames * FRAME_SAMPLES as u64 * CLOCK),
        }
    }

    /// What waits for more is written, and the end is marked.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        let end = self.given * CLOCK + u64::from(PRE_SKIP);
        let frames = end.div_ceil(FRAME_SAMPLES as u64 * CLOCK);
        let missing = frames * FRAME_SAMPLES as u64 - self.given;
        self.waiting.extend(std::iter::repeat_n(0, missing as usize * CHANNELS));
        self.encode()?;
        self.write_page(LAST, end)
    }

    /// Bytes that count.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    fn encode(&mut self) -> io::Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let mut frames = waiting.chunks_exact(FRAME_SAMPLES * CHANNELS);
        for frame in frames.by_ref() {
            let packet = self.packet(frame)?;
            if self.laces.len() + packet.len() / 255 + 1 > LACES_MAX {
                self.write_page(0, self.frames * FRAME_SAMPLES as u64 * CLOCK)?;
            }
            self.add(&packet);
            self.frames += 1;
        }
        self.waiting = frames.remainder().to_vec();
        Ok(())
    }

    /// Both sides of a frame, one after the other; the first one tells its length (RFC 7845 §3, RFC 6716 appendix B).
    fn packet(&mut self, frame: &[i16]) -> io::Result<Vec<u8>> {
        let mut packet = Vec::with_capacity(PACKET_MAX);
        for (side, encoder) in self.encoders.iter_mut().enumerate() {
            let samples: [i16; FRAME_SAMPLES] = std::array::from_fn(|at| frame[at * CHANNELS + side]);
            let mut bytes = [0; PACKET_MAX];
            // The other recordings go on.
            let encoded =
                catch_unwind(AssertUnwindSafe(|| encoder.encode_i16(&samples, FRAME_SAMPLES, &mut bytes)));
            let len = encoded.map_err(|_| io::Error::other("the encoder of Opus has failed"))?;
            let len = len.map_err(io::Error::other)?;
            let Some((contents, sound)) = bytes.get(..len).and_then(<[u8]>::split_first) else {
                return Err(io::Error::other("the encoder of Opus gave nothing"));
            };
            if contents & FRAMES_CODE != 0 {
                return Err(io::Error::other("the encoder of Opus gave more than a frame"));
            }
            packet.push(*contents);
            if side + 1 < CHANNELS {
                packet.extend(length(sound.len()));
            }
            packet.extend(sound);
        }
        Ok(packet)
    }

    /// One packet more on the page.
    fn add(&mut self, packet: &[u8]) {
        self.laces.extend(std::iter::repeat_n(255, packet.len() / 255));
        self.laces.push((packet.len() % 255) as u8);
        self.body.extend(packet);
    }

    /// RFC 3533 §6. `position`: at the end of the page.
    fn write_page(&mut self, flags: u8, position: u64) -> io::Result<()> {
        let mut page = Vec::with_capacity(HEADER_LEN + self.laces.len() + self.body.len());
        page.extend(b"OggS\0");
        page.push(flags);
        page.extend(position.to_le_bytes());
        page.extend(self.serial.to_le_bytes());
        page.extend(self.pages.to_le_bytes());
        page.extend([0; 4]);
        page.push(self.laces.len() as u8);
        page.append(&mut self.laces);
        page.append(&mut self.body);
        let crc = crc(&page);
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        self.file.write_all_at(&page, self.len)?;
        self.pages += 1;
        self.len += page.len() as u64;
        Ok(())
    }
}

/// RFC 6716 §3.2.1.
fn length(len: usize) -> impl Iterator<Item = u8> {
    let first = if len < 252 { len } else { 252 + len % 4 };
    let second = (len >= 252).then(|| ((len - first) / 4) as u8);
    std::iter::once(first as u8).chain(second)
}

fn encoder() -> io::Result<Box<OpusEncoder>> {
    let encoder = OpusEncoder::new(SAMPLE_RATE.cast_signed(), 1, Application::Voip);
    let mut encoder = encoder.map_err(io::Error::other)?;
    encoder.bitrate_bps = BITRATE;
    encoder.complexity = 0;
    Ok(Box::new(encoder))
}

/// With the polynomial of Ethernet, the highest bit first, and nothing inverted.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0u32, |crc, byte| {
        (0..8).fold(crc ^ (u32::from(*byte) << 24), |crc, _| {
            (crc << 1) ^ (0x04c1_1db7 & (crc >> 31).wrapping_neg())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goertzel;
    use opus_rs::OpusDecoder;

    struct Page {
        flags: u8,
        position: u64,
        number: u32,
        packets: Vec<Vec<u8>>,
    }

    /// Whole pages of a file, whose checks are right.
    fn pages(bytes: &[u8]) -> Vec<Page> {
        let (mut pages, mut rest) = (Vec::new(), bytes);
        while rest.len() >= HEADER_LEN {
            assert_eq!(rest[..5], *b"OggS\0");
            let count = usize::from(rest[26]);
            let laces = &rest[HEADER_LEN..HEADER_LEN + count];
            let len = HEADER_LEN + count + laces.iter().map(|lace| usize::from(*lace)).sum::<usize>();
            let Some((page, after)) = rest.split_at_checked(len) else { break };
            let mut checked = page.to_vec();
            checked[22..26].fill(0);
            assert_eq!(crc(&checked).to_le_bytes(), page[22..26]);
            let (mut packets, mut packet, mut at) = (Vec::new(), Vec::new(), HEADER_LEN + count);
            for lace in laces {
                packet.extend(&page[at..at + usize::from(*lace)]);
                at += usize::from(*lace);
                if *lace < 255 {
                    packets.push(std::mem::take(&mut packet));
                }
            }
            let position = u64::from_le_bytes(page[6..14].try_into().unwrap());
            let number = u32::from_le_bytes(page[18..22].try_into().unwrap());
            pages.push(Page { flags: page[5], position, number, packets });
            rest = after;
        }
        pages
    }

    /// The packets of both sides.
    fn split(packet: &[u8]) -> [Vec<u8>; 2] {
        let (len, from) = match packet[1] {
            len @ 0..252 => (usize::from(len), 2),
            first => (4 * usize::from(packet[2]) + usize::from(first), 3),
        };
        let (left, right) = packet[from..].split_at(len);
        [[&packet[..1], left].concat(), right.to_vec()]
    }

    fn moments(range: std::ops::Range<usize>) -> Vec<u8> {
        let sine =
            |at: usize, hz: f64| (8000.0 * (at as f64 * hz * std::f64::consts::TAU / 8000.0).sin()) as i16;
        range.flat_map(|at| [sine(at, 1000.0), sine(at, 1700.0)]).flat_map(i16::to_le_bytes).collect()
    }

    #[test]
    fn left_and_right_are_heard_and_every_page_is_playable_at_once() {
        let path = std::env::temp_dir().join(format!("media-ogg-{}", std::process::id())).join("call.ogg");
        let mut file = OggFile::create(&path).unwrap();
        for n in 0..10 {
            file.append(&moments(n * 3000..(n + 1) * 3000)).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(file.len(), bytes.len() as u64);
            assert_eq!(pages(&bytes).len(), 3 + n);
        }
        file.finish().unwrap();
        let all = pages(&std::fs::read(&path).unwrap());
        assert!(all.iter().enumerate().all(|(n, page)| page.number as usize == n));
        assert_eq!((all[0].flags, all.last().unwrap().flags), (FIRST, LAST));
        assert_eq!(all.last().unwrap().position, 30_000 * CLOCK + u64::from(PRE_SKIP));
        assert_eq!(&all[0].packets[0][..8], b"OpusHead");
        let mut decoders = [(); 2].map(|()| OpusDecoder::new(8000, 1).unwrap());
        let mut sides = [Vec::new(), Vec::new()];
        for packet in all[2..].iter().flat_map(|page| &page.packets) {
            for ((decoder, packet), side) in decoders.iter_mut().zip(split(packet)).zip(&mut sides) {
                let mut samples = [0.0; FRAME_SAMPLES];
                assert_eq!(decoder.decode(&packet, FRAME_SAMPLES, &mut samples), Ok(FRAME_SAMPLES));
                side.extend(samples.map(|sample| (sample * 32_768.0) as i16));
            }
        }
        for (side, [own, other]) in sides.iter().zip([[1000.0, 1700.0], [1700.0, 1000.0]]) {
            assert!(goertzel::share(&side[8000..24_000], own) > 0.8, "{own}");
            assert!(goertzel::share(&side[8000..24_000], other) < 0.01, "{other}");
        }
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
