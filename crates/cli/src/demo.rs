//! `demo`: the main job on loopback, with nothing to install.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use config::{Level, Sources};
use proxy::Gateway;
use testbed::Idp;
use testbed::mcp_server::McpServer;

use crate::{End, logging, report, run};

/// What a token of the demo may do.
const SCOPE: &str = "mcp";

/// Starts everything, says what to try, and serves until it is told to stop.
pub(crate) fn demo(upstream: Option<&str>, port: u16) -> End {
    let runtime = match run::runtime() {
        Ok(runtime) => runtime,
        Err(error) => return report::failure(&error),
    };
    match runtime.block_on(world(upstream, port)) {
        Ok(()) => End::Good,
        Err(end) => end,
    }
}

async fn world(upstream: Option<&str>, port: u16) -> Result<(), End> {
    let idp = Idp::builder()
        .start()
        .await
        .map_err(|error| report::failure(&error))?;
    let server = match upstream {
        Some(_) => None,
        None => Some(
            McpServer::start()
                .await
                .map_err(|error| report::failure(&error))?,
        ),
    };
    let upstream = upstream.map_or_else(
        || {
            server
                .as_ref()
                .map(McpServer::url)
                .unwrap_or_default()
                .to_owned()
        },
        str::to_owned,
    );
    let port = free_port(port).map_err(|error| report::failure(&error))?;
    let yaml = yaml(port, idp.issuer(), &upstream);
    let loaded = config::load(&yaml, &Nothing)
        .map_err(|problems| report::problems(&problems.about("the demo's configuration")))?;
    let mut config = loaded.config;
    config.server.timeouts.drain = Duration::from_secs(1); // nobody else waits for its streams
    config.logging.level = Level::Warn; // what goes wrong is shown, beside what is printed here
    let (_logs, _dial) = logging::init(&config.logging).map_err(|error| report::failure(&error))?;

    let gateway = Gateway::start(config, run::clock(), run::since_1970, None)
        .await
        .map_err(|error| run::refuse(&error))?;
    let url = format!("http://127.0.0.1:{port}/mcp");
    let token = idp
        .token()
        .audience(&url)
        .scope(SCOPE)
        .claim("email", "alice@example.com")
        .claim("email_verified", true)
        .sign();
    introduce(&url, idp.issuer(), &upstream, &token, server.is_some());
    run::serve_until_told(gateway).await;
    Ok(())
}

/// The configuration a person would write, but for the ports.
fn yaml(port: u16, issuer: &str, upstream: &str) -> String {
    format!(
        "server: {{ listen: \"127.0.0.1:{port}\", public_url: \"http://127.0.0.1:{port}\" }}\n\
         admin: {{ listen: \"127.0.0.1:0\" }}\n\
         authenticators:\n  demo: {{ oidc: {{ issuer: \"{issuer}\" }} }}\n\
         routes:\n  - {{ path: /mcp, upstream: \"{upstream}\", auth: {{ accept: [demo], required_scopes: [{SCOPE}] }} }}\n"
    )
}

/// The wished-for port if nobody has it, else one that the system chooses.
fn free_port(wished: u16) -> std::io::Result<u16> {
    let try_port = |port| {
        TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            .and_then(|listener| listener.local_addr())
            .map(|address| address.port())
    };
    try_port(wished).or_else(|_| try_port(0))
}

#[expect(clippy::print_stdout, reason = "the demo's output is what it is for")]
fn introduce(url: &str, issuer: &str, upstream: &str, token: &str, own_server: bool) {
    let origin = url.trim_end_matches("/mcp");
    let json =
        "-H 'Content-Type: application/json' -H 'Accept: application/json, text/event-stream'";
    let post = format!("curl -s -X POST {url} -H \"Authorization: Bearer $TOKEN\" {json}");
    let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    let begin = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}"#;
    let session = "-H \"Mcp-Session-Id: $SESSION\"";
    println!(
        "portcullis demo

  protected MCP server   {url}
  identity provider      {issuer}   (logs everybody in as alice)
  upstream               {upstream}

Connect a client: it finds the login by itself. For example
  claude mcp add --transport http demo {url}

Or paste these into another terminal.

1. without a token: 401, and where to log in
  curl -i -X POST {url} {json} -d '{list}'

2. what a client reads next
  curl -s {origin}/.well-known/oauth-protected-resource/mcp

3. with a token (good for an hour): a session, then its tools
  TOKEN={token}
  SESSION=$({post} -D - -o /dev/null -d '{begin}' | tr -d '\\r' | awk 'tolower($1) == \"mcp-session-id:\" {{ print $2 }}')
  {post} {session} -d '{list}'"
    );
    if own_server {
        println!(
            "
4. whom the server sees: the identity, and no token
  {post} {session} -d '{{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/call\",\"params\":{{\"name\":\"whoami\",\"arguments\":{{}}}}}}'"
        );
    }
    println!("\nCtrl-C ends it.");
}

/// The demo's configuration names no variable and no file.
struct Nothing;

impl Sources for Nothing {
    fn var(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn has_folder(&self, _: &Path) -> bool {
        false
    }
}
