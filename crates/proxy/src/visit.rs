//! What an MCP server has to offer, asked by the gateway itself as a client of both eras: with a handshake (to 2025-11-25) and without
//! (2026-07-28).
//!
//! The server is a stranger: times, sizes, pages and tools are bounded, redirects are not followed, and what it says of itself is
//! handed on as it is.

mod exchange;

use std::time::Duration;

use config::Secret;
use http::StatusCode;
use http::header::HeaderValue;
use serde_json::{Value, json};

use exchange::Server;

/// For everything together.
const DEADLINE: Duration = Duration::from_mins(1);
/// For one answer, from its connection to its last byte.
const PATIENCE: Duration = Duration::from_secs(5);
/// For the end of a session, which is a courtesy.
const FAREWELL: Duration = Duration::from_secs(2);
/// Bytes of one answer.
const ANSWER: usize = 8 * 1024 * 1024;
const MOST_PAGES: usize = 100;
const MOST_TOOLS: usize = 1000;

/// The last version with a handshake; a server may answer with an older one.
const HANDSHAKE: &str = "2025-11-25";
/// The version without one.
const STATELESS: &str = "2026-07-28";

/// A tool, by what its server says of it: nothing of that is known to be true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    pub name: String,
    /// For people.
    pub title: Option<String>,
    pub description: Option<String>,
    /// `annotations.readOnlyHint`; `false` where nothing is said.
    pub read_only: bool,
    /// `annotations.destructiveHint`; `true` where nothing is said. It means something for tools that are not `read_only` alone.
    pub destructive: bool,
}

/// Why nothing is known of a server's tools. Follows the server's URL in a sentence.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    #[error("is no URL of a server: {0}")]
    Url(&'static str),
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    #[error("has not answered within {} s", .0.as_secs())]
    Late(Duration),
    #[error("answers {0}, a redirect, and redirects are not followed")]
    Redirect(StatusCode),
    #[error("asks for a credential ({0})")]
    Credential(StatusCode),
    #[error("answers {0}")]
    Status(StatusCode),
    #[error("does not speak MCP over HTTP: {0}")]
    NotMcp(&'static str),
    /// In its own words, cut and escaped.
    #[error("refuses {method}: {words}")]
    Refused { method: &'static str, words: String },
    #[error("answers with more than {0} bytes")]
    TooLarge(usize),
    #[error("has more than {0} tools, or pages of them without end")]
    TooMany(usize),
}

/// All tools of the server whose MCP endpoint this is, an `http` or `https` URL without a query. A session that it begins is ended.
///
/// `token` is sent as `Authorization: Bearer`, and in the clear to this machine alone.
///
/// # Errors
/// Whatever keeps the list from being complete.
pub async fn tools(url: &str, token: Option<&Secret>) -> Result<Vec<Tool>, VisitError> {
    let server = Server::new(url, token)?;
    let visit = async {
        match with_handshake(&server).await {
            Err(first) if is_no_handshake(&first) => match list(&server, &Era::Stateless).await {
                // both were said to the same server; that a login is missing is the more telling one
                Err(VisitError::Credential(status)) => Err(VisitError::Credential(status)),
                Err(_) => Err(first),
                Ok(tools) => Ok(tools),
            },
            tools => tools,
        }
    };
    let visited = tokio::time::timeout(DEADLINE, visit).await;
    visited.unwrap_or(Err(VisitError::Late(DEADLINE)))
}

/// How a server is spoken to.
enum Era {
    Handshake {
        version: HeaderValue,
        session: Option<HeaderValue>,
    },
    Stateless,
}

/// Whether a server may have refused `initialize` because it knows none.
fn is_no_handshake(error: &VisitError) -> bool {
    match error {
        VisitError::Refused { .. } => true,
        VisitError::Status(status) => status.is_client_error(),
        VisitError::Url(_)
        | VisitError::Unreachable(_)
        | VisitError::Late(_)
        | VisitError::Redirect(_)
        | VisitError::Credential(_)
        | VisitError::NotMcp(_)
        | VisitError::TooLarge(_)
        | VisitError::TooMany(_) => false,
    }
}

async fn with_handshake(server: &Server) -> Result<Vec<Tool>, VisitError> {
    let params = json!({
        "protocolVersion": HANDSHAKE,
        "capabilities": {},
        "clientInfo": client(),
    });
    let (hello, session) = server.ask("initialize", 0, &params, &[]).await?;
    let version = hello.get("protocolVersion").and_then(Value::as_str);
    let version = version.and_then(|version| HeaderValue::from_str(version).ok());
    let version = version.ok_or(VisitError::NotMcp("its handshake names no version"))?;
    let era = Era::Handshake { version, session };
    let listed = match server
        .tell("notifications/initialized", &era.headers())
        .await
    {
        Ok(()) if hello.pointer("/capabilities/tools").is_none() => Ok(Vec::new()),
        Ok(()) => list(server, &era).await,
        Err(error) => Err(error),
    };
    if let Era::Handshake {
        session: Some(_), ..
    } = &era
    {
        server.leave(&era.headers()).await;
    }
    listed
}

impl Era {
    /// What is said of it in every request.
    fn headers(&self) -> Vec<(&'static str, HeaderValue)> {
        match self {
            Self::Handshake { version, session } => {
                let session = session.iter().map(|id| ("mcp-session-id", id.clone()));
                let version = ("mcp-protocol-version", version.clone());
                session.chain([version]).collect()
            }
            Self::Stateless => vec![
                ("mcp-protocol-version", HeaderValue::from_static(STATELESS)),
                ("mcp-method", HeaderValue::from_static("tools/list")),
            ],
        }
    }

    fn params(&self, cursor: Option<&str>) -> Value {
        let mut params = match self {
            Self::Handshake { .. } => json!({}),
            Self::Stateless => json!({ "_meta": {
                "io.modelcontextprotocol/protocolVersion": STATELESS,
                "io.modelcontextprotocol/clientInfo": client(),
                "io.modelcontextprotocol/clientCapabilities": {},
            } }),
        };
        if let (Some(cursor), Some(params)) = (cursor, params.as_object_mut()) {
            params.insert("cursor".to_owned(), cursor.into());
        }
        params
    }
}

fn client() -> Value {
    json!({ "name": "portcullis", "version": env!("CARGO_PKG_VERSION") })
}

/// Every page of `tools/list`.
async fn list(server: &Server, era: &Era) -> Result<Vec<Tool>, VisitError> {
    let headers = era.headers();
    let mut tools = Vec::new();
    let mut cursor: Option<String> = None;
    for page in 1..=MOST_PAGES {
        let params = era.params(cursor.as_deref());
        let id = u64::try_from(page).unwrap_or(u64::MAX);
        let (mut result, _) = server.ask("tools/list", id, &params, &headers).await?;
        let listed = result.get_mut("tools").and_then(Value::as_array_mut);
        let listed = listed.ok_or(VisitError::NotMcp("its tools/list has no list of tools"))?;
        if tools.len() + listed.len() > MOST_TOOLS {
            return Err(VisitError::TooMany(MOST_TOOLS));
        }
        for entry in listed {
            tools.push(read(entry).ok_or(VisitError::NotMcp("a tool of its list has no name"))?);
        }
        cursor = match result.get("nextCursor").and_then(Value::as_str) {
            None => return Ok(tools),
            Some(next) => Some(next.to_owned()),
        };
    }
    Err(VisitError::TooMany(MOST_TOOLS))
}

fn read(entry: &Value) -> Option<Tool> {
    let text = |key: &str| {
        entry
            .pointer(key)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let hint = |key: &str| entry.pointer(key).and_then(Value::as_bool);
    Some(Tool {
        name: text("/name")?,
        title: text("/title").or_else(|| text("/annotations/title")),
        description: text("/description"),
        read_only: hint("/annotations/readOnlyHint").unwrap_or(false),
        destructive: hint("/annotations/destructiveHint").unwrap_or(true),
    })
}

#[cfg(test)]
mod tests;
