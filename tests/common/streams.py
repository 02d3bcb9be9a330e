"""Hundreds of event streams held open at once: an origin that holds them, and the clients at the other end."""

import asyncio
import ssl
from dataclasses import dataclass

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"


def event(data: str) -> bytes:
    """One event in a chunk of its own."""
    text = f"data: {data}\n\n".encode()
    return f"{len(text):x}\r\n".encode() + text + b"\r\n"


class Origin:
    """Answers every request with an event stream that says `open` and then waits to be told."""

    def __init__(self) -> None:
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> "Origin":
        self.server = await asyncio.start_server(self.hold, "127.0.0.1", 0, backlog=4096)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for writer in self.writers:
            writer.close()

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        writer.write(HEAD + event("open"))
        self.writers.append(writer)

    def tell(self, data: str) -> None:
        for writer in self.writers:
            writer.write(event(data))


@dataclass
class Stream:
    """One client's end. The writer is kept, since one that nobody holds is closed."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def hears(self, data: str) -> bool:
        """Whether this event arrives."""
        try:
            await asyncio.wait_for(self.reader.readuntil(f"data: {data}\n\n".encode()), 10)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            return False
        return True


async def open_stream(port: int, token: str, tls: ssl.SSLContext | None, path: str) -> Stream:
    """Asks for the stream and waits for its first event."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    lines = (f"GET {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Accept: text/event-stream", f"Authorization: Bearer {token}")
    writer.write("\r\n".join((*lines, "", "")).encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"a stream was refused: {head!r}")
    stream = Stream(reader, writer)
    if not await stream.hears("open"):
        raise RuntimeError("a stream brought no event")
    return stream


async def open_streams(
    port: int, tokens: list[str], tls: ssl.SSLContext | None = None, path: str = "/mcp"
) -> list[Stream]:
    """One for each token. A hundred at a time, as no listener takes a thousand connections in one instant."""
    streams: list[Stream] = []
    while len(streams) < len(tokens):
        some = tokens[len(streams) : len(streams) + 100]
        streams += await asyncio.gather(*(open_stream(port, token, tls, path) for token in some))
    return streams
