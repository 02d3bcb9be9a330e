//! The PROXY protocol, versions 1 and 2: how a proxy that passes bytes on says whose they are
//! (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).
//!
//! Only peers that the operator names are asked for a header, and they must send one: whether there is a header is never guessed from
//! the bytes, or every client could announce an address. What follows the header belongs to TLS or HTTP, so no byte of it is taken.
//! The extensions of version 2 are skipped unread, its CRC-32C too: TCP has a checksum of its own, and against anything but accidents
//! neither helps.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

const TEXT: &[u8] = b"PROXY ";
/// A text header with its line end (section 2.1).
const LONGEST_TEXT: usize = 107;
const BINARY: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length (section 2.2).
const BINARY_START: usize = 16;
/// A binary header with its extensions. What is sent in practice has a few hundred bytes.
const LONGEST: usize = 4096;
/// What is looked at in one go; enough for nearly every header.
const WINDOW: usize = 512;

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The proxy's own (a health check), or it does not know.
    Peer,
    Client(SocketAddr),
}

/// What the first bytes of a connection are.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// The beginning of a header: all of it, and more has to come.
    Part,
    Whole {
        length: usize,
        source: Source,
    },
}

/// Why the first bytes are no header.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    #[error("no PROXY protocol header, which server.proxy_protocol asks of this peer")]
    Absent,
    #[error("the PROXY protocol header is too long")]
    TooLong,
    #[error("the PROXY protocol header has an unknown {0}")]
    Unknown(&'static str),
    #[error("the PROXY protocol header is not as its version has it")]
    Malformed,
}

/// Takes the header off a connection. The caller bounds the time.
pub(super) async fn read(tcp: &mut TcpStream) -> io::Result<Source> {
    let mut head = Vec::new();
    loop {
        let known = head.len();
        head.resize(LONGEST.min(known + WINDOW), 0);
        let seen = tcp.peek(head.get_mut(known..).unwrap_or_default()).await?;
        if seen == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.truncate(known + seen);
        let found = find(&head).map_err(io::Error::other)?;
        if let Found::Whole { length, .. } = found {
            head.truncate(length);
        }
        // All of this is header, so it may be taken; it is there, so this does not wait.
        tcp.read_exact(head.get_mut(known..).unwrap_or_default())
            .await?;
        if let Found::Whole { source, .. } = found {
            return Ok(source);
        }
    }
}

fn find(bytes: &[u8]) -> Result<Found, Flaw> {
    if begins(bytes, TEXT) {
        text(bytes)
    } else if begins(bytes, BINARY) {
        binary(bytes)
    } else {
        Err(Flaw::Absent)
    }
}

/// Whether these bytes and `signature` are equal as far as both go.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(one, other)| one == other)
}

fn text(bytes: &[u8]) -> Result<Found, Flaw> {
    let mut window = bytes.iter().take(LONGEST_TEXT);
    let Some(end) = window.position(|byte| *byte == b'\n') else {
        return if bytes.len() < LONGEST_TEXT {
            Ok(Found::Part)
        } else {
            Err(Flaw::TooLong)
        };
    };
    let line = bytes
        .get(TEXT.len()..end)
        .and_then(|line| line.strip_suffix(b"\r"))
        .ok_or(Flaw::Malformed)?;
    let source = if line == b"UNKNOWN" || line.starts_with(b"UNKNOWN ") {
        Source::Peer // whatever else the line says (section 2.1)
    } else {
        Source::Client(addresses(line)?)
    };
    Ok(Found::Whole {
        length: end + 1,
        source,
    })
}

/// `TCP4 SOURCE DESTINATION SOURCE-PORT DESTINATION-PORT`, one space each.
fn addresses(line: &[u8]) -> Result<SocketAddr, Flaw> {
    let line = std::str::from_utf8(line).map_err(|_| Flaw::Malformed)?;
    let mut words = line.split(' ');
    let mut word = || words.next().ok_or(Flaw::Malformed);
    let (family, source, destination) = (word()?, word()?, word()?);
    let (source_port, destination_port) = (word()?, word()?);
    if words.next().is_some() {
        return Err(Flaw::Malformed);
    }
    let source: IpAddr = match family {
        "TCP4" => pair::<Ipv4Addr>(source, destination)?.into(),
        "TCP6" => pair::<Ipv6Addr>(source, destination)?.into(),
        _ => return Err(Flaw::Unknown("family")),
    };
    port(destination_port)?;
    Ok(client(source, port(source_port)?))
}

/// Both must be of the family; the destination is not needed.
fn pair<A: FromStr>(source: &str, destination: &str) -> Result<A, Flaw> {
    let (source, destination) = (source.parse(), destination.parse::<A>());
    destination.and(source).map_err(|_| Flaw::Malformed)
}

/// Decimal, without leading zeros or sign.
fn port(text: &str) -> Result<u16, Flaw> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_plain || (text.len() > 1 && text.starts_with('0')) {
        return Err(Flaw::Malformed);
    }
    text.parse().map_err(|_| Flaw::Malformed)
}

/// An IPv4 client of a dual-stack proxy is still that client.
fn client(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

fn binary(bytes: &[u8]) -> Result<Found, Flaw> {
    let Some((start, rest)) = bytes.split_first_chunk::<BINARY_START>() else {
        return Ok(Found::Part);
    };
    let [.., version_and_command, family, high, low] = *start;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if BINARY_START + length > LONGEST {
        return Err(Flaw::TooLong);
    }
    let read: fn(&[u8]) -> Option<Source> = match (version_and_command, family) {
        (0x20, _) | (0x21, 0x00) => |_| Some(Source::Peer), // LOCAL and UNSPEC, whatever else is in it
        (0x21, 0x11) => inet,
        (0x21, 0x21) => inet6,
        (0x21, _) => return Err(Flaw::Unknown("family")), // datagrams and Unix sockets do not lead here
        _ => return Err(Flaw::Unknown("version or command")),
    };
    let Some(block) = rest.get(..length) else {
        return Ok(Found::Part);
    };
    Ok(Found::Whole {
        length: BINARY_START + length,
        source: read(block).ok_or(Flaw::Malformed)?,
    })
}

/// Source, destination, source port, destination port; then extensions.
fn inet(block: &[u8]) -> Option<Source> {
    let (&[a, b, c, d, _, _, _, _, high, low, _, _], _) = block.split_first_chunk::<12>()?;
    let port = u16::from_be_bytes([high, low]);
    Some(Source::Client(client([a, b, c, d].into(), port)))
}

fn inet6(block: &[u8]) -> Option<Source> {
    let (source, rest) = block.split_first_chunk::<16>()?;
    let (_destination, rest) = rest.split_first_chunk::<16>()?;
    let (&[high, low, _, _], _) = rest.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([high, low]);
    Some(Source::Client(client((*source).into(), port)))
}

#[cfg(test)]
mod tests;
