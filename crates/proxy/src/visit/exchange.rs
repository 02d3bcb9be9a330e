//! One message to a server, and what comes back.

use bytes::Bytes;
use config::{Origin, Scheme, Secret};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use http::response::Parts;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use mcp::sse::Splitter;
use serde_json::{Value, json};

use super::{ANSWER, FAREWELL, PATIENCE, VisitError};
use crate::outward::{self, Post};
use crate::stage::forward::{Kind, media_type};

/// So much of a server's words is repeated.
const WORDS: usize = 200;

/// A server that is asked.
pub(super) struct Server {
    post: Post,
    endpoint: Uri,
    token: Option<HeaderValue>,
}

type Headers = [(&'static str, HeaderValue)];

impl Server {
    pub(super) fn new(url: &str, token: Option<&Secret>) -> Result<Self, VisitError> {
        let endpoint: Uri = url
            .parse()
            .map_err(|_| VisitError::Url("it cannot be read"))?;
        let (Some(scheme), Some(authority)) = (endpoint.scheme_str(), endpoint.authority()) else {
            return Err(VisitError::Url("it is written http://host:port/mcp"));
        };
        if endpoint.query().is_some() || url.contains('#') {
            return Err(VisitError::Url("it has a query or a fragment"));
        }
        let origin = Origin::parse(&format!("{scheme}://{authority}"))
            .map_err(|_| VisitError::Url("it is written http://host:port/mcp"))?;
        if token.is_some() && origin.scheme() == Scheme::Http && !origin.is_loopback() {
            return Err(VisitError::Url(
                "a token goes by https, or to this machine alone",
            ));
        }
        let token = token.map(|token| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
                .map_err(|_| VisitError::Url("the token has characters that none can have"))?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Self {
            post: outward::post(origin.scheme(), PATIENCE),
            endpoint,
            token: token.transpose()?,
        })
    }

    /// The result of a request, and the session that it begins.
    pub(super) async fn ask(
        &self,
        method: &'static str,
        id: u64,
        params: &Value,
        headers: &Headers,
    ) -> Result<(Value, Option<HeaderValue>), VisitError> {
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let exchange = async {
            let (head, body) = self.send(Method::POST, &message, headers).await?;
            let answer = answer(&head, body, id).await?;
            Ok((head, answer))
        };
        let exchange = tokio::time::timeout(PATIENCE, exchange).await;
        let (head, answer) = exchange.unwrap_or(Err(VisitError::Late(PATIENCE)))?;
        let Some(mut answer) = answer else {
            return Err(not_told(head.status));
        };
        if let Some(error) = answer.get("error") {
            let words = error.get("message").and_then(Value::as_str);
            let words = words.unwrap_or("it does not say why");
            return Err(VisitError::Refused {
                method,
                words: words
                    .chars()
                    .take(WORDS)
                    .flat_map(char::escape_debug)
                    .collect(),
            });
        }
        match answer.get_mut("result").map(Value::take) {
            Some(result) if head.status.is_success() => {
                Ok((result, head.headers.get("mcp-session-id").cloned()))
            }
            Some(_) | None => Err(not_told(head.status)),
        }
    }

    /// A notification. What a server has to say to that is of no interest.
    pub(super) async fn tell(
        &self,
        method: &'static str,
        headers: &Headers,
    ) -> Result<(), VisitError> {
        let message = json!({ "jsonrpc": "2.0", "method": method });
        let sent = tokio::time::timeout(PATIENCE, self.send(Method::POST, &message, headers)).await;
        sent.unwrap_or(Err(VisitError::Late(PATIENCE))).map(|_| ())
    }

    /// Ends the session. A server may keep it all the same.
    pub(super) async fn leave(&self, headers: &Headers) {
        let left = self.send(Method::DELETE, &Value::Null, headers);
        let _gone_or_not = tokio::time::timeout(FAREWELL, left).await;
    }

    async fn send(
        &self,
        method: Method,
        message: &Value,
        headers: &Headers,
    ) -> Result<(Parts, Incoming), VisitError> {
        let mut request = Request::builder()
            .method(method)
            .uri(self.endpoint.clone())
            .header(
                USER_AGENT,
                concat!("portcullis/", env!("CARGO_PKG_VERSION")),
            )
            .header(ACCEPT, "application/json, text/event-stream");
        for (name, value) in headers {
            request = request.header(HeaderName::from_static(name), value);
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let body = if message.is_null() {
            Bytes::new()
        } else {
            request = request.header(CONTENT_TYPE, "application/json");
            message.to_string().into()
        };
        let request = request
            .body(Full::new(body))
            .map_err(|error| VisitError::Unreachable(error.to_string()))?;
        match (self.post)(request).await {
            Ok(response) => Ok(response.into_parts()),
            Err(error) => Err(VisitError::Unreachable(outward::causes(&error))),
        }
    }
}

/// What an answer without a message says.
fn not_told(status: StatusCode) -> VisitError {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => VisitError::Credential(status),
        status if status.is_redirection() => VisitError::Redirect(status),
        status if status.is_success() => {
            VisitError::NotMcp("its answer is no answer to a message of JSON-RPC")
        }
        status => VisitError::Status(status),
    }
}

/// The message in it that answers the request; `None` where there is none.
async fn answer(head: &Parts, body: Incoming, id: u64) -> Result<Option<Value>, VisitError> {
    match head.status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => return Ok(None),
        status if status.is_redirection() => return Ok(None),
        _ => {}
    }
    match media_type(&head.headers) {
        Kind::EventStream => of_stream(body, id).await,
        Kind::Json => {
            let whole = whole(body).await?;
            let message = serde_json::from_slice::<Value>(&whole).ok();
            // an error may have no id, where the request was not understood
            Ok(message.filter(|message| is_answer(message, id) || message.get("error").is_some()))
        }
        Kind::Other if head.status == StatusCode::OK => Err(VisitError::NotMcp(
            "its answer is neither JSON nor an event stream",
        )),
        Kind::Other => Ok(None),
    }
}

fn is_answer(message: &Value, id: u64) -> bool {
    message.get("id").and_then(Value::as_u64) == Some(id) && message.get("method").is_none()
}

async fn whole(mut body: Incoming) -> Result<Vec<u8>, VisitError> {
    let mut whole = Vec::new();
    while let Some(chunk) = next(&mut body).await? {
        if whole.len() + chunk.len() > ANSWER {
            return Err(VisitError::TooLarge(ANSWER));
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

/// Other messages may come before the answer; the stream need not end after it.
async fn of_stream(mut body: Incoming, id: u64) -> Result<Option<Value>, VisitError> {
    let mut splitter = Splitter::new(ANSWER);
    let mut seen = 0;
    while let Some(chunk) = next(&mut body).await? {
        seen += chunk.len();
        if seen > ANSWER {
            return Err(VisitError::TooLarge(ANSWER));
        }
        splitter.push(&chunk);
        while let Some(event) = splitter.event().map_err(|_| VisitError::TooLarge(ANSWER))? {
            let message = event.data().map(serde_json::from_slice::<Value>);
            if let Some(Ok(message)) = message
                && is_answer(&message, id)
            {
                return Ok(Some(message));
            }
        }
    }
    Ok(None)
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, VisitError> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(error)) => return Err(VisitError::Unreachable(outward::causes(&error))),
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
