//! HTTP/2 spelled out frame by frame, for peers that no client library would be.

use std::net::SocketAddr;
use std::time::Duration;

use testbed::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What comes in the end comes within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![size[1], size[2], size[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A header block of literals that are not remembered (RFC 7541 section 6.2.2): any bytes, in any order.
pub(crate) fn block(fields: &[(impl AsRef<[u8]>, impl AsRef<[u8]>)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            block.extend(length(text.len()));
            block.extend(text);
        }
    }
    block
}

/// A length as HPACK writes it, in seven bits and then in as many as it takes.
fn length(of: usize) -> Vec<u8> {
    let Some(mut rest) = of.checked_sub(127) else {
        return vec![u8::try_from(of).unwrap()];
    };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A request's fields in their order.
pub(crate) type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A good request for `/mcp`, to be spoilt.
pub(crate) fn good(world: &World) -> Fields {
    let host = world.gateway.address().to_string();
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/mcp"),
        (":authority", &host),
    ];
    fields.map(field).into()
}

pub(crate) fn field((name, value): (&str, &str)) -> (Vec<u8>, Vec<u8>) {
    (name.into(), value.into())
}

/// A frame that came.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// What becomes of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// 200.
    Good,
    /// Another status.
    Refused,
    /// `RST_STREAM` with this code.
    Reset(u32),
    /// The connection ends.
    Gone,
}

/// The other end of a connection, in full control of what it says.
pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    /// Says the preface, with these settings.
    pub(crate) async fn open(address: SocketAddr, settings: &[u8]) -> Self {
        let tcp = TcpStream::connect(address).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut peer = Self(tcp);
        let begin = [PREFACE, &frame(SETTINGS, 0, 0, settings)].concat();
        peer.0.write_all(&begin).await.unwrap();
        peer
    }

    /// Sends these frames; false if the gateway has had enough.
    pub(crate) async fn send(&mut self, frames: &[u8]) -> bool {
        let sent = timeout(PATIENCE, self.0.write_all(frames)).await;
        sent.is_ok_and(|sent| sent.is_ok())
    }

    /// The next frame; pings and settings are acknowledged on the way. `None`: the connection is closed.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let read = async {
            loop {
                let mut head = [0; 9];
                self.0.read_exact(&mut head).await.ok()?;
                let size = u32::from_be_bytes([0, head[0], head[1], head[2]]);
                let mut payload = vec![0; usize::try_from(size).unwrap()];
                self.0.read_exact(&mut payload).await.ok()?;
                let (kind, flags) = (head[3], head[4]);
                let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
                let acknowledged = match (kind, flags & ACK) {
                    (SETTINGS, 0) => frame(SETTINGS, ACK, 0, &[]),
                    (PING, 0) => frame(PING, ACK, 0, &payload),
                    _ => {
                        return Some(Frame {
                            kind,
                            stream,
                            payload,
                        });
                    }
                };
                self.0.write_all(&acknowledged).await.ok()?;
            }
        };
        timeout(PATIENCE, read).await.expect("a frame, or the end")
    }

    /// What becomes of this stream.
    pub(crate) async fn fate(&mut self, stream: u32) -> Fate {
        while let Some(frame) = self.next().await {
            match frame.kind {
                // the first field is the status, and 200 has an entry of its own in the static table
                HEADERS if frame.stream == stream && frame.payload.first() == Some(&0x88) => {
                    return Fate::Good;
                }
                HEADERS if frame.stream == stream => return Fate::Refused,
                RST_STREAM if frame.stream == stream => {
                    let code = frame.payload.try_into().unwrap();
                    return Fate::Reset(u32::from_be_bytes(code));
                }
                GOAWAY => return Fate::Gone,
                _ => {}
            }
        }
        Fate::Gone
    }

    /// Whether the connection ends within this time, while everything is acknowledged.
    pub(crate) async fn ends_within(mut self, time: Duration) -> bool {
        let end = async { while self.next().await.is_some_and(|frame| frame.kind != GOAWAY) {} };
        timeout(time, end).await.is_ok()
    }
}
