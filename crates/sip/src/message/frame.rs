//! Messages out of a TCP stream (RFC 3261 §18.3), and the keep-alives between them (RFC 5626 §3.5.1).

use super::{Name, SIZE_MAX, find, leading_number};

/// What stands next in the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Frame {
    Message(Vec<u8>),
    /// A double CRLF that wants a CRLF back.
    Ping,
    /// The stream cannot be followed any more. Holds what was read of the message, to refuse it.
    Broken(Vec<u8>),
}

/// The bytes of one connection that are not a whole message yet; at most one message long.
#[derive(Default, Debug)]
pub(crate) struct Stream {
    bytes: Vec<u8>,
    /// Where the next message starts.
    start: usize,
    /// No end of headers before this.
    scanned: usize,
    broken: bool,
}

impl Stream {
    pub fn push(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.scanned = self.scanned.saturating_sub(self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    pub fn next(&mut self) -> Option<Frame> {
        if self.broken {
            return None;
        }
        if let Some(ping) = self.skip_blank_lines() {
            return Some(ping);
        }
        let from = self.scanned.max(self.start);
        let Some(found) = find(&self.bytes[from..], b"\r\n\r\n") else {
            self.scanned = self.bytes.len().saturating_sub(3).max(self.start);
            return (self.bytes.len() - self.start > SIZE_MAX).then(|| self.break_off());
        };
        let head_end = from + found + 4;
        self.scanned = from + found;
        let Some(length) = content_length(&self.bytes[self.start..head_end]) else {
            return Some(self.break_off());
        };
        let end = head_end.saturating_add(length);
        if end - self.start > SIZE_MAX {
            return Some(self.break_off());
        }
        if end > self.bytes.len() {
            return None;
        }
        let message = self.bytes[self.start..end].to_vec();
        self.start = end;
        self.scanned = end;
        Some(Frame::Message(message))
    }

    fn skip_blank_lines(&mut self) -> Option<Frame> {
        loop {
            let rest = &self.bytes[self.start..];
            if rest.starts_with(b"\r\n\r\n") {
                self.start += 4;
                return Some(Frame::Ping);
            }
            let pending = rest == b"\r\n" || rest == b"\r\n\r";
            if pending || !rest.starts_with(b"\r\n") {
                return None;
            }
            self.start += 2;
        }
    }

    fn break_off(&mut self) -> Frame {
        self.broken = true;
        let mut bytes = std::mem::take(&mut self.bytes).split_off(self.start);
        bytes.truncate(SIZE_MAX);
        self.start = 0;
        Frame::Broken(bytes)
    }
}

/// Content-Length of a header section; 0 when absent, None when it is no number.
fn content_length(head: &[u8]) -> Option<usize> {
    for line in head.split(|&b| b == b'\n') {
        let Some(colon) = line.iter().position(|&b| b == b':') else { continue };
        // A folded line belongs to the header before it.
        if matches!(line[0], b' ' | b'\t') {
            continue;
        }
        if Name::parse(line[..colon].trim_ascii_end()) != Name::ContentLength {
            continue;
        }
        let value = line[colon + 1..].trim_ascii();
        let digits = value.iter().all(u8::is_ascii_digit);
        return leading_number(value).filter(|_| digits).map(|n| n as usize);
    }
    Some(0)
}
