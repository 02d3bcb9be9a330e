//! Connections on which anything may be said.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Answer, patiently};
use crate::wire::{Framing, Head, Headers, Wire};

/// A connection of one's own.
pub struct Connection {
    wire: Wire<Box<dyn AsyncRead + Send + Unpin>>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
}

/// An answer of which the head is known and the body may still be coming. Dropping it is a client that leaves.
pub struct Stream {
    pub status: u16,
    /// In their order, names as they came.
    pub headers: Headers,
    connection: Connection,
    framing: Framing,
    /// What came and was not asked for yet.
    unread: Vec<u8>,
}

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub id: Option<String>,
    pub event: Option<String>,
    /// The `data` lines, joined by line feeds.
    pub data: String,
    pub retry: Option<String>,
}

/// Sends these bytes on a new connection and reads one answer; `None` if the peer closed without one.
pub async fn send_raw(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    let mut connection = Connection::open(address).await;
    connection.write(bytes).await;
    connection.answer().await
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = patiently("a connection", TcpStream::connect(address)).await;
        let stream = stream.unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        stream
            .set_nodelay(true)
            .expect("a connected socket takes options");
        Self::over(stream)
    }

    /// Speaks over a stream that is there already, one with TLS for example.
    pub fn over(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            wire: Wire::new(Box::new(reader)),
            writer: Box::new(writer),
        }
    }

    /// Sends bytes. A peer that has closed is no failure here: its answer, or the lack of one, tells.
    pub async fn write(&mut self, bytes: &[u8]) {
        let _ = patiently("the peer to read", self.writer.write_all(bytes)).await;
    }

    /// Says that nothing more will come, and goes on reading.
    pub async fn shut_down(&mut self) {
        let _ = patiently("the end to be sent", self.writer.shutdown()).await;
    }

    /// The next answer, interim ones skipped; `None` if the peer closed without one. The connection can be used again.
    pub async fn answer(&mut self) -> Option<Answer> {
        let (head, status) = self.final_head().await?;
        let mut framing = framing(&head, status, false);
        let mut body = Vec::new();
        let complete = patiently("the rest of a body", self.collect(&mut framing, &mut body)).await;
        let says_close = head
            .headers
            .all("connection")
            .iter()
            .any(|value| value.eq_ignore_ascii_case("close"));
        let closed = says_close || head.first_line.starts_with("HTTP/1.0") || !complete;
        if closed {
            patiently("the announced end of the connection", self.wire.end()).await;
        }
        Some(Answer {
            status,
            headers: head.headers,
            body,
            trailers: self.wire.trailers.clone(),
            complete,
            closed,
        })
    }

    /// The status of the next head, interim ones included.
    pub async fn status(&mut self) -> Option<u16> {
        let head = patiently("a head", self.wire.head()).await.ok().flatten()?;
        Some(status(&head))
    }

    /// Whether the peer closes within this time.
    pub async fn closes_within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.wire.end()).await.is_ok()
    }

    /// Reads the head of the next answer and leaves its body to be read bit by bit; `None` if the peer closed without one.
    pub async fn into_stream(mut self, to_head: bool) -> Option<Stream> {
        let (head, status) = self.final_head().await?;
        let framing = framing(&head, status, to_head);
        Some(Stream {
            status,
            headers: head.headers,
            connection: self,
            framing,
            unread: Vec::new(),
        })
    }

    async fn final_head(&mut self) -> Option<(Head, u16)> {
        loop {
            let head = patiently("the head of an answer", self.wire.head())
                .await
                .ok()
                .flatten()?;
            let status = status(&head);
            if status == 101 || !(100..200).contains(&status) {
                return Some((head, status));
            }
        }
    }

    async fn collect(&mut self, framing: &mut Framing, body: &mut Vec<u8>) -> bool {
        loop {
            match self.wire.piece(framing).await {
                Ok(Some(piece)) => body.extend_from_slice(&piece),
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }
}

impl Stream {
    /// The next bytes of the body; `None` at its end, also when it broke off.
    pub async fn chunk(&mut self) -> Option<Bytes> {
        if self.unread.is_empty() {
            self.read().await
        } else {
            Some(std::mem::take(&mut self.unread).into())
        }
    }

    /// The next event, comments skipped; `None` at the end of the stream.
    pub async fn event(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            if let Some(event) = Event::parse(&block) {
                return Some(event);
            }
        }
    }

    /// The next lines up to and with a blank one, comments included, line ends as they came.
    pub async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = end_of_block(&self.unread) {
                let rest = self.unread.split_off(end);
                let block = std::mem::replace(&mut self.unread, rest);
                return Some(String::from_utf8_lossy(&block).into_owned());
            }
            let chunk = self.read().await?;
            self.unread.extend_from_slice(&chunk);
        }
    }

    /// Whether nothing comes for this time.
    pub async fn is_silent_for(&mut self, time: Duration) -> bool {
        let piece = self.connection.wire.piece(&mut self.framing);
        match tokio::time::timeout(time, piece).await {
            Ok(Ok(Some(chunk))) => {
                self.unread.extend_from_slice(&chunk);
                false
            }
            Ok(_) => false,
            Err(_) => true,
        }
    }

    async fn read(&mut self) -> Option<Bytes> {
        let piece = self.connection.wire.piece(&mut self.framing);
        patiently("more of a body", piece).await.ok().flatten()
    }

    /// Everything else, as a whole answer.
    pub async fn finish(mut self) -> Answer {
        let mut body = std::mem::take(&mut self.unread);
        let rest = self.connection.collect(&mut self.framing, &mut body);
        let complete = patiently("the rest of a body", rest).await;
        Answer {
            status: self.status,
            headers: self.headers,
            body,
            trailers: self.connection.wire.trailers.clone(),
            complete,
            closed: false,
        }
    }
}

impl Event {
    /// `None` for a block without fields.
    fn parse(block: &str) -> Option<Self> {
        let mut event = Self::default();
        let mut data = Vec::new();
        let mut fields = 0;
        for line in block
            .split(['\r', '\n'])
            .filter(|line| !line.is_empty() && !line.starts_with(':'))
        {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            fields += 1;
            match name {
                "data" => data.push(value),
                "id" => event.id = Some(value.to_owned()),
                "event" => event.event = Some(value.to_owned()),
                "retry" => event.retry = Some(value.to_owned()),
                _ => {}
            }
        }
        event.data = data.join("\n");
        (fields > 0).then_some(event)
    }
}

fn end_of_block(text: &[u8]) -> Option<usize> {
    let ends = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"];
    let found = ends.iter().filter_map(|end| {
        let at = text.windows(end.len()).position(|window| window == *end)?;
        Some(at + end.len())
    });
    found.min()
}

fn status(head: &Head) -> u16 {
    let code = head
        .first_line
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok());
    code.unwrap_or_else(|| panic!("no answer: {}", head.first_line))
}

fn framing(head: &Head, status: u16, to_head: bool) -> Framing {
    if to_head || matches!(status, 204 | 304) {
        Framing::End
    } else {
        head.framing(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read() {
        let event =
            Event::parse(": hello\nid: 7\nevent: message\ndata: a\ndata:b\nretry: 5\n\n").unwrap();
        assert_eq!(event.id.as_deref(), Some("7"));
        assert_eq!(event.event.as_deref(), Some("message"));
        assert_eq!(event.data, "a\nb");
        assert_eq!(event.retry.as_deref(), Some("5"));
        assert_eq!(Event::parse(": only a comment\r\n\r\n"), None);
        assert_eq!(Event::parse("data:\r\n\r\n"), Some(Event::default()));
    }
}
