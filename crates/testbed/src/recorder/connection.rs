//! One connection of the recorder: requests in, answers out, and an eye on whether the peer is still there.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, watch};

use super::reply::{Reply, Shape, chunk};
use super::{EventStream, Recorded, Shared, Write};
use crate::wire::{Framing, Head, Headers, Wire};

/// Writes that a test may be ahead of the peer.
const WRITES: usize = 1024;

pub(super) async fn serve(stream: TcpStream, number: usize, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (over, closed) = watch::channel(false);
    let mut connection = Connection {
        wire: Wire::new(reader),
        writer,
        number,
        closed,
        shared,
    };
    // a peer that leaves in the middle is something tests do on purpose
    let _ = connection.run().await;
    drop(connection);
    over.send_replace(true);
}

struct Connection {
    wire: Wire<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    number: usize,
    closed: watch::Receiver<bool>,
    shared: Arc<Shared>,
}

impl Connection {
    async fn run(&mut self) -> io::Result<()> {
        while let Some(head) = self.wire.head().await? {
            let mut framing = head.framing(true);
            let Some(index) = self
                .shared
                .arrived(recorded(&head, self.number), self.closed.clone())
            else {
                return Ok(());
            };
            if head
                .headers
                .get("expect")
                .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
            {
                self.writer
                    .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                    .await?;
            }
            let early = self.shared.early_reply();
            let reply = if let Some(reply) = early {
                reply
            } else {
                self.read_body(index, &mut framing).await?;
                self.shared.reply(index)
            };
            let to_head = head.first_line.starts_with("HEAD ");
            if !self.respond(index, &reply, to_head).await? {
                return Ok(());
            }
            self.read_body(index, &mut framing).await?;
        }
        Ok(())
    }

    async fn read_body(&mut self, index: usize, framing: &mut Framing) -> io::Result<()> {
        while let Some(piece) = self.wire.piece(framing).await? {
            self.shared
                .update(index, |request| request.body.extend_from_slice(&piece));
        }
        let trailers = std::mem::take(&mut self.wire.trailers);
        self.shared.update(index, |request| {
            request.complete = true;
            if trailers != Headers::default() {
                request.trailers = trailers;
            }
        });
        Ok(())
    }

    /// Answers, unless the peer leaves before; tells whether the connection goes on.
    async fn respond(&mut self, index: usize, reply: &Reply, to_head: bool) -> io::Result<bool> {
        let (writer, shared, closed) = (&mut self.writer, &self.shared, &self.closed);
        let answering = async {
            tokio::time::sleep(reply.delay).await;
            match reply.shape {
                Shape::Silence => std::future::pending().await,
                Shape::Close => return Ok(false),
                _ => writer.write_all(&reply.to_bytes(to_head)).await?,
            }
            if reply.shape == Shape::Events && !to_head {
                let (script, mut commands) = mpsc::channel(WRITES);
                shared.opened(EventStream {
                    index,
                    shared: shared.clone(),
                    script,
                    closed: closed.clone(),
                });
                while let Some(write) = commands.recv().await {
                    match write {
                        Write::Bytes(bytes) => writer.write_all(&chunk(&bytes)).await?,
                        Write::End => {
                            writer.write_all(b"0\r\n\r\n").await?;
                            return Ok(true);
                        }
                    }
                }
                // the test dropped the handle: the stream breaks off
                return Ok(false);
            }
            Ok(!reply.then_close && !matches!(reply.shape, Shape::Announced(_)))
        };
        tokio::select! {
            goes_on = answering => goes_on,
            () = self.wire.peer_left() => Ok(false),
        }
    }
}

fn recorded(head: &Head, connection: usize) -> Recorded {
    let mut words = head.first_line.split(' ').map(str::to_owned);
    Recorded {
        method: words.next().unwrap_or_default(),
        target: words.next().unwrap_or_default(),
        headers: head.headers.clone(),
        raw_head: head.raw.clone(),
        body: Vec::new(),
        trailers: Headers::default(),
        complete: false,
        connection,
    }
}
