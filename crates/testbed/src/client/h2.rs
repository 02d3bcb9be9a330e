//! HTTP/2 in clear text with prior knowledge.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{Answer, Request, patiently};
use crate::wire::Headers;

/// One connection; any number of requests at once through its clones.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    task: JoinHandle<()>,
}

impl Connection {
    /// Connects and says the preface.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = patiently("a connection", TcpStream::connect(address)).await;
        let stream = stream.unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
        Self::over(stream).await
    }

    /// Says the preface on a stream that is there already, one with TLS for example.
    pub async fn over(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = patiently("a handshake", handshake)
            .await
            .expect("the preface can be sent");
        // how it ends shows in the answers
        let task = tokio::spawn(async move { drop(connection.await) });
        Self { sender, task }
    }

    /// Sends the request and reads the whole answer; an error is a stream that was reset or a connection that ended.
    pub async fn send(&self, request: Request) -> hyper::Result<Answer> {
        let (head, mut body) = self.open_stream(request).await?.into_parts();
        let mut headers = Headers::default();
        for (name, value) in &head.headers {
            headers.push(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
        }
        let mut whole = Vec::new();
        let mut trailers = Headers::default();
        let mut complete = true;
        while let Some(frame) = patiently("the rest of a body", body.frame()).await {
            let Ok(frame) = frame else {
                complete = false;
                break;
            };
            match frame.into_data() {
                Ok(data) => whole.extend_from_slice(&data),
                Err(frame) => {
                    for (name, value) in frame.trailers_ref().into_iter().flatten() {
                        trailers.push(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
                    }
                }
            }
        }
        Ok(Answer {
            status: head.status.as_u16(),
            headers,
            body: whole,
            trailers,
            complete,
            closed: false,
        })
    }

    /// Sends the request and reads the head of the answer. Dropping the body resets the stream.
    pub async fn open_stream(&self, request: Request) -> hyper::Result<Response<Incoming>> {
        let host = request.host.as_deref().unwrap_or_default();
        let uri: Uri = format!("http://{host}{}", request.target)
            .parse()
            .expect("a target that HTTP/2 can carry");
        let mut message = hyper::Request::builder()
            .method(request.method.as_str())
            .uri(uri);
        for (name, value) in &request.headers {
            message = message.header(name, value);
        }
        let message = message
            .body(Full::from(request.body))
            .expect("headers that HTTP/2 can carry");
        let mut sender = self.sender.clone();
        patiently("room for a stream", sender.ready()).await?;
        patiently("the head of an answer", sender.send_request(message)).await
    }

    /// Whether the server has ended the connection.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::server::conn::http2 as server;
    use hyper::service::service_fn;

    use super::*;
    use crate::client::Client;
    use crate::http_server;

    /// Says back what it was asked, on one connection.
    async fn mirror() -> (SocketAddr, JoinHandle<()>) {
        let (listener, address) = http_server::bind().await.unwrap();
        let service = service_fn(|request: hyper::Request<Incoming>| async move {
            let line = format!(
                "{} {} {:?}",
                request.method(),
                request.uri(),
                request.headers()
            );
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let answer = format!("{line} {}", String::from_utf8_lossy(&body));
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(answer)))
        });
        let task = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let serving = server::Builder::new(TokioExecutor::new());
            drop(
                serving
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
        (address, task)
    }

    #[tokio::test]
    async fn requests_share_a_connection_until_it_ends() {
        let (address, task) = mirror().await;
        let client = Client::new(address).with_host("mcp.example");
        let connection = Connection::open(address).await;
        let first = connection.send(client.get("/a?b").header("X-A", "1"));
        let second = connection.send(client.post("/c").body("text"));
        let (first, second) = tokio::join!(first, second);
        assert_eq!(
            first.unwrap().is(200).text(),
            "GET http://mcp.example/a?b {\"x-a\": \"1\"} "
        );
        assert!(second.unwrap().is(200).text().ends_with(" text"));
        task.abort();
        assert!(connection.send(client.get("/")).await.is_err());
    }
}
