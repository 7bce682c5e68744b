//! Text files as UTF-8: with a byte order mark what it says, else UTF-8 where all of it is, else GB18030 (of which GBK
//! is a part), which Chinese Excel writes.

use std::fs::File;
use std::io::{self, Read, Seek};

use encoding_rs::{CoderResult, Decoder, DecoderResult, Encoding, GB18030, UTF_8};

const CHUNK_BYTES: usize = 64 << 10;

/// Gives the file's text in pieces. Reads it from the beginning.
pub struct TextFile<'a> {
    file: &'a File,
    decoder: Decoder,
    raw: Vec<u8>,
    /// Part of `raw` that is not decoded yet.
    left: std::ops::Range<usize>,
    is_at_end: bool,
    is_done: bool,
}

impl TextFile<'_> {
    pub fn open(file: &mut File) -> io::Result<TextFile<'_>> {
        let encoding = detect(file)?;
        file.rewind()?;
        let file = &*file;
        // Takes the byte order mark away.
        let decoder = encoding.new_decoder_with_bom_removal();
        let (raw, left) = (vec![0; CHUNK_BYTES], 0..0);
        Ok(TextFile { file, decoder, raw, left, is_at_end: false, is_done: false })
    }

    /// Adds the next piece to `text`; false at the end.
    pub fn read(&mut self, text: &mut String) -> io::Result<bool> {
        text.reserve(2 * CHUNK_BYTES);
        while !self.is_done {
            if self.left.is_empty() && !self.is_at_end {
                let len = self.file.read(&mut self.raw)?;
                self.left = 0..len;
                self.is_at_end = len == 0;
            }
            let before = text.len();
            let (result, read, _) =
                self.decoder.decode_to_string(&self.raw[self.left.clone()], text, self.is_at_end);
            self.left.start += read;
            self.is_done = self.is_at_end && result == CoderResult::InputEmpty;
            if text.len() > before {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn detect(file: &mut File) -> io::Result<&'static Encoding> {
    let mut raw = vec![0; CHUNK_BYTES];
    let mut text = String::with_capacity(2 * CHUNK_BYTES);
    let mut decoder = UTF_8.new_decoder_without_bom_handling();
    file.rewind()?;
    for chunk in 0.. {
        let len = file.read(&mut raw)?;
        if chunk == 0
            && let Some((encoding, _)) = Encoding::for_bom(&raw[..len])
        {
            return Ok(encoding);
        }
        text.clear();
        let (result, ..) = decoder.decode_to_string_without_replacement(&raw[..len], &mut text, len == 0);
        match result {
            DecoderResult::Malformed(..) => return Ok(GB18030),
            _ if len == 0 => break,
            _ => {}
        }
    }
    Ok(UTF_8)
}
