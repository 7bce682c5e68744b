//! A packet's sound on its way to a thread that may take its time: in pieces of a fixed size, so that a ring holds them.

use std::time::Instant;

use crate::FRAME_SAMPLES;
use crate::rtp::Header;

/// At most 20 ms of a packet; longer packets make several of them.
pub(super) struct Piece {
    pub(super) ssrc: u32,
    pub(super) timestamp: u32,
    /// When its packet came.
    pub(super) at: Instant,
    /// Samples from its first one to the end of its packet.
    pub(super) to_end: u16,
    len: u8,
    payload: [u8; FRAME_SAMPLES],
}

impl Piece {
    pub(super) fn payload(&self) -> &[u8] {
        &self.payload[..usize::from(self.len)]
    }
}

/// The pieces of a packet that came at `at`.
pub(super) fn pieces<'a>(
    header: &Header,
    payload: &'a [u8],
    at: Instant,
) -> impl Iterator<Item = Piece> + use<'a> {
    let (ssrc, begins) = (header.ssrc, header.timestamp);
    payload.chunks(FRAME_SAMPLES).enumerate().map(move |(n, chunk)| {
        let skipped = n * FRAME_SAMPLES;
        let mut piece = Piece {
            ssrc,
            timestamp: begins.wrapping_add(skipped as u32),
            at,
            // A packet is at most 1500 bytes, a chunk 160.
            to_end: (payload.len() - skipped) as u16,
            len: chunk.len() as u8,
            payload: [0; FRAME_SAMPLES],
        };
        piece.payload[..chunk.len()].copy_from_slice(chunk);
        piece
    })
}
