//! HTTP/1.1 as bytes on a wire, read without correcting anything.

use std::fmt;
use std::io::{self, ErrorKind};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest head that is read.
const HEAD_LIMIT: usize = 4 * 1024 * 1024;
/// Longest line between two chunks of a body.
const CHUNK_LINE_LIMIT: usize = 64 * 1024;
/// How much is asked for at once.
const READ: usize = 64 * 1024;

/// Header lines in their order, names as they were written.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// The value of the first line of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The values of all lines of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.iter()
            .filter(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
            .collect()
    }

    /// Whether there is a line of this name.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The names as they were written, in their order.
    pub fn names(&self) -> Vec<&str> {
        self.iter().map(|(name, _)| name).collect()
    }

    /// All lines in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn push(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    fn parse(lines: &str) -> Self {
        let lines = lines.split("\r\n").filter(|line| !line.is_empty());
        let split = |line: &str| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
        };
        Self(lines.map(split).collect())
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The first line and the header lines of a message.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// As it came, with the empty line that ends it.
    pub(crate) raw: Bytes,
    pub(crate) first_line: String,
    pub(crate) headers: Headers,
}

impl Head {
    fn parse(raw: Vec<u8>) -> Self {
        let text = String::from_utf8_lossy(&raw);
        let (first_line, lines) = text.split_once("\r\n").unwrap_or((&text, ""));
        let (first_line, headers) = (first_line.to_owned(), Headers::parse(lines));
        Self {
            first_line,
            headers,
            raw: raw.into(),
        }
    }

    /// How the body is told apart, for a message that may have one; a request without a length has none.
    pub(crate) fn framing(&self, is_request: bool) -> Framing {
        let chunked = self
            .headers
            .all("transfer-encoding")
            .iter()
            .any(|value| value.to_ascii_lowercase().ends_with("chunked"));
        let length = self
            .headers
            .get("content-length")
            .and_then(|value| value.parse().ok());
        match length {
            _ if chunked => Framing::Chunked(Chunk::Header),
            Some(length) => Framing::Length(length),
            None if is_request => Framing::End,
            None => Framing::UntilClose,
        }
    }
}

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked(Chunk),
    UntilClose,
    End,
}

/// Where in a chunked body the reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    Header,
    Data(u64),
    /// The line end after the data of a chunk.
    AfterData,
}

/// A reader of messages. What was read too far stays here for the next message.
pub(crate) struct Wire<R> {
    stream: R,
    buffer: Vec<u8>,
    /// The trailers of the last chunked body.
    pub(crate) trailers: Headers,
}

impl<R: AsyncRead + Unpin> Wire<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
            trailers: Headers::default(),
        }
    }

    /// The next head; `None` if the peer closed before its first byte.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        self.trailers = Headers::default();
        match self.until(b"\r\n\r\n", HEAD_LIMIT).await {
            Ok(head) => Ok(Some(Head::parse(head))),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && self.buffer.is_empty() => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The next piece of a body as soon as there is one; `None` at its end.
    pub(crate) async fn piece(&mut self, framing: &mut Framing) -> io::Result<Option<Bytes>> {
        loop {
            match *framing {
                Framing::End | Framing::Length(0) => return Ok(None),
                Framing::Length(rest) => {
                    let piece = self.some(rest).await?.ok_or(ErrorKind::UnexpectedEof)?;
                    *framing = Framing::Length(rest - piece.len() as u64);
                    return Ok(Some(piece));
                }
                Framing::UntilClose => {
                    let piece = self.some(u64::MAX).await?;
                    if piece.is_none() {
                        *framing = Framing::End;
                    }
                    return Ok(piece);
                }
                Framing::Chunked(Chunk::Data(rest)) => {
                    let piece = self.some(rest).await?.ok_or(ErrorKind::UnexpectedEof)?;
                    let left = rest - piece.len() as u64;
                    *framing = Framing::Chunked(if left > 0 {
                        Chunk::Data(left)
                    } else {
                        Chunk::AfterData
                    });
                    return Ok(Some(piece));
                }
                Framing::Chunked(Chunk::AfterData) => {
                    self.until(b"\r\n", 2).await?;
                    *framing = Framing::Chunked(Chunk::Header);
                }
                Framing::Chunked(Chunk::Header) => {
                    let line = self.until(b"\r\n", CHUNK_LINE_LIMIT).await?;
                    let line = String::from_utf8_lossy(&line);
                    let digits = line.split(';').next().unwrap_or_default().trim();
                    let length = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
                    if length > 0 {
                        *framing = Framing::Chunked(Chunk::Data(length));
                    } else {
                        self.read_trailers().await?;
                        *framing = Framing::End;
                    }
                }
            }
        }
    }

    /// Waits until the peer closes; what it says before that is thrown away.
    pub(crate) async fn end(&mut self) {
        self.buffer.clear();
        while let Ok(Some(_)) = self.some(u64::MAX).await {}
    }

    /// Waits until the peer closes; what it says before that stays to be read, up to a limit.
    pub(crate) async fn peer_left(&mut self) {
        while self.buffer.len() < HEAD_LIMIT {
            if !matches!(self.fill().await, Ok(true)) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    async fn read_trailers(&mut self) -> io::Result<()> {
        loop {
            let line = self.until(b"\r\n", CHUNK_LINE_LIMIT).await?;
            if line == b"\r\n" {
                return Ok(());
            }
            let line = String::from_utf8_lossy(&line).into_owned();
            for (name, value) in Headers::parse(&line).iter() {
                self.trailers.push(name, value);
            }
        }
    }

    /// At least one byte and at most `limit`; `None` at the end of the stream.
    async fn some(&mut self, limit: u64) -> io::Result<Option<Bytes>> {
        if self.buffer.is_empty() && !self.fill().await? {
            return Ok(None);
        }
        let count = usize::try_from(limit)
            .unwrap_or(usize::MAX)
            .min(self.buffer.len());
        let rest = self.buffer.split_off(count);
        Ok(Some(std::mem::replace(&mut self.buffer, rest).into()))
    }

    /// Everything up to and with `mark`.
    async fn until(&mut self, mark: &[u8], limit: usize) -> io::Result<Vec<u8>> {
        let mut searched = 0;
        loop {
            let unseen = self.buffer.get(searched..).unwrap_or_default();
            if let Some(at) = unseen.windows(mark.len()).position(|window| window == mark) {
                let rest = self.buffer.split_off(searched + at + mark.len());
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            // the mark may be cut in two
            searched = self.buffer.len().saturating_sub(mark.len() - 1);
            if self.buffer.len() >= limit {
                return Err(ErrorKind::InvalidData.into());
            }
            if !self.fill().await? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(READ);
        Ok(self.stream.read_buf(&mut self.buffer).await? > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn whole(wire: &mut Wire<&[u8]>, mut framing: Framing) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = wire.piece(&mut framing).await? {
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    #[tokio::test]
    async fn two_messages_on_one_wire() {
        let text = b"POST /a HTTP/1.1\r\nhOST: x\r\nContent-Length: 3\r\nA: 1\r\na:  2 \r\n\r\nabcHTTP/1.1 200 OK\r\n\r\nrest";
        let mut wire = Wire::new(&text[..]);
        let head = wire.head().await.unwrap().unwrap();
        assert_eq!(head.first_line, "POST /a HTTP/1.1");
        assert_eq!(head.headers.names(), ["hOST", "Content-Length", "A", "a"]);
        assert_eq!(head.headers.all("a"), ["1", "2"]);
        assert!(head.raw.ends_with(b"\r\n\r\n"));
        assert_eq!(whole(&mut wire, head.framing(true)).await.unwrap(), b"abc");
        let head = wire.head().await.unwrap().unwrap();
        assert_eq!(head.framing(true), Framing::End);
        assert_eq!(
            whole(&mut wire, head.framing(false)).await.unwrap(),
            b"rest"
        );
        assert!(wire.head().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn chunks_and_trailers() {
        let text = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nSum: 5\r\n\r\n";
        let mut wire = Wire::new(&text[..]);
        let head = wire.head().await.unwrap().unwrap();
        assert_eq!(
            whole(&mut wire, head.framing(false)).await.unwrap(),
            b"abcde"
        );
        assert_eq!(wire.trailers.get("sum"), Some("5"));
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error() {
        for text in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"[..],
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        ] {
            let mut wire = Wire::new(text);
            let head = wire.head().await.unwrap().unwrap();
            assert_eq!(
                whole(&mut wire, head.framing(false))
                    .await
                    .unwrap_err()
                    .kind(),
                ErrorKind::UnexpectedEof
            );
        }
        assert!(Wire::new(&b"HTTP/1.1 200"[..]).head().await.is_err());
    }
}
