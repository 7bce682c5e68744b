//! `multipart/form-data` (RFC 7578, RFC 2046 §5.1) as it comes in, part by part and piece by piece. What is held in
//! memory is bounded however fast or long the body is.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt;
use hyper::body::Buf;
use memchr::memmem;

/// Header lines of a part.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// A body of which nothing comes for so long is given up.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// Not as it should be, or cut off.
    Malformed,
    TooLarge,
    TooSlow,
}

/// Of one part.
#[derive(PartialEq, Eq, Debug)]
pub struct Head {
    pub name: String,
    pub is_file: bool,
}

pub struct Parts {
    body: Body,
    /// What comes before each part, and before the end: `\r\n--boundary`.
    delimiter: Vec<u8>,
    buffer: Vec<u8>,
    /// Where in `buffer` that begins which was not given out yet.
    start: usize,
    is_at_end: bool,
    received: u64,
    bytes_max: u64,
}

impl Parts {
    pub fn new(body: Body, boundary: &str, bytes_max: u64) -> Parts {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter stands at the very beginning.
        let buffer = b"\r\n".to_vec();
        Parts { body, delimiter, buffer, start: 0, is_at_end: false, received: 0, bytes_max }
    }

    /// Of the whole body so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The next part, after what is left of the one before; None after the last.
    pub async fn next(&mut self) -> Result<Option<Head>, Broken> {
        while self.skip().await? {}
        self.start += self.delimiter.len();
        while self.rest().len() < 2 {
            self.fill().await?;
        }
        if self.rest().starts_with(b"--") {
            return Ok(None);
        }
        let end = loop {
            match memmem::find(self.rest(), b"\r\n\r\n") {
                Some(end) => break end,
                None if self.rest().len() > HEAD_BYTES_MAX => return Err(Broken::Malformed),
                None => self.fill().await?,
            }
        };
        let head = String::from_utf8_lossy(&self.rest()[..end]).into_owned();
        self.start += end + 4;
        Ok(Some(read_head(&head)))
    }

    /// A piece of the current part is added to `piece`; false at its end.
    pub async fn read(&mut self, piece: &mut Vec<u8>) -> Result<bool, Broken> {
        let len = self.available().await?;
        piece.extend_from_slice(&self.rest()[..len]);
        self.start += len;
        Ok(len > 0)
    }

    async fn skip(&mut self) -> Result<bool, Broken> {
        let len = self.available().await?;
        self.start += len;
        Ok(len > 0)
    }

    /// How many bytes of the current part are in the buffer; 0 at its end.
    async fn available(&mut self) -> Result<usize, Broken> {
        loop {
            if let Some(end) = memmem::find(self.rest(), &self.delimiter) {
                return Ok(end);
            }
            // The end may be the beginning of a delimiter.
            let certain = (self.rest().len() + 1).saturating_sub(self.delimiter.len());
            if certain > 0 {
                return Ok(certain);
            }
            self.fill().await?;
        }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    async fn fill(&mut self) -> Result<(), Broken> {
        let data = self.frame().await?.ok_or(Broken::Malformed)?;
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(&data);
        Ok(())
    }

    /// None at the end of the body.
    async fn frame(&mut self) -> Result<Option<Bytes>, Broken> {
        while !self.is_at_end {
            let frame = tokio::time::timeout(STALL_TIMEOUT, self.body.frame());
            match frame.await.map_err(|_| Broken::TooSlow)? {
                None => self.is_at_end = true,
                Some(Err(_)) => return Err(Broken::Malformed),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    self.received = self.received.saturating_add(data.remaining() as u64);
                    if self.received > self.bytes_max {
                        return Err(Broken::TooLarge);
                    }
                    return Ok(Some(data));
                }
            }
        }
        Ok(None)
    }

    /// Reads and drops what still comes, for a while: a client that is still sending would not read the answer.
    pub async fn drain(mut self) {
        const DRAIN_TIME: Duration = Duration::from_secs(10);
        let all = async { while let Ok(Some(_)) = self.frame().await {} };
        let _ = tokio::time::timeout(DRAIN_TIME, all).await;
    }
}

fn read_head(head: &str) -> Head {
    let disposition = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then(|| value.trim())
    });
    let disposition = disposition.unwrap_or_default();
    let name = parameter(disposition, "name").unwrap_or_default();
    // The name of a file is of no use, and never a path.
    let is_file =
        parameter(disposition, "filename").is_some() || parameter(disposition, "filename*").is_some();
    Head { name, is_file }
}

/// The value of a parameter of a header field, quoted or not.
fn parameter(value: &str, wanted: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, next) = match after.trim_start().strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => match after.split_once(';') {
                Some((value, next)) => (value.trim().to_owned(), next),
                None => (after.trim().to_owned(), ""),
            },
        };
        if name.trim().trim_start_matches(';').trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = next;
    }
}

/// What is in the quotes, and what follows them.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;

    /// A body that comes in pieces of this length.
    struct Pieces(Vec<u8>, usize);

    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let len = self.1.min(self.0.len());
            let piece: Vec<u8> = self.0.drain(..len).collect();
            Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece.into()))))
        }
    }

    async fn all(body: &str, piece: usize) -> Result<Vec<(String, bool, String)>, Broken> {
        let mut parts = Parts::new(Body::new(Pieces(body.as_bytes().to_vec(), piece)), "b", 10_000);
        let mut found = Vec::new();
        while let Some(head) = parts.next().await? {
            let mut content = Vec::new();
            while parts.read(&mut content).await? {}
            found.push((head.name, head.is_file, String::from_utf8(content).expect("a text")));
        }
        Ok(found)
    }

    #[tokio::test]
    async fn parts_are_read_however_the_body_is_cut_into_pieces() {
        let body = "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--c\r\n-\r\n--b\r\n\
            content-type: text/csv\r\nCONTENT-DISPOSITION: form-data; filename=\"x;\\\"=y\"; name=t\r\n\r\n\r\n\r\n--b\r\n\
            Content-Disposition: form-data; name=\"e\"\r\n\r\n\r\n--b--\r\nepilogue";
        for piece in 1..body.len() + 1 {
            let found = all(body, piece).await.expect("well-formed");
            let expected = [("a", false, "1\r\n--c\r\n-"), ("t", true, "\r\n"), ("e", false, "")];
            let found: Vec<_> = found.iter().map(|(n, f, c)| (n.as_str(), *f, c.as_str())).collect();
            assert_eq!(found, expected, "pieces of {piece}");
        }
    }

    #[tokio::test]
    async fn what_is_cut_off_or_without_end_is_malformed() {
        let whole = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--";
        assert_eq!(all(whole, 9).await.map(|parts| parts.len()), Ok(1));
        for end in 0..whole.len() {
            assert_eq!(all(&whole[..end], 9).await, Err(Broken::Malformed), "{end}");
        }
        let endless_head = format!("--b\r\n{}", "x".repeat(9_000));
        assert_eq!(all(&endless_head, 100).await, Err(Broken::Malformed));
        assert_eq!(all(&"y".repeat(20_000), 100).await, Err(Broken::TooLarge));
    }
}
