//! Setting up for stories about the server side: any keys of `server`, any routes.

use serde_json::Value;
use testbed::World;
use testbed::client::Request;

use crate::setting::program;

/// The protected route of most stories.
pub(crate) const MCP: &str = r#"{ path: /mcp, upstream: "{upstream}/mcp" }"#;
/// The same for everybody.
pub(crate) const OPEN: &str = r#"{ path: /mcp, upstream: "{upstream}/mcp", auth: { type: none }, dangerous: [anonymous_access] }"#;
/// A web application for everybody, in all paths that nobody else has.
pub(crate) const WEB: &str = r#"{ path: /, name: web, upstream: "{upstream}", transport: http, auth: { type: none }, dangerous: [anonymous_access] }"#;

/// A configuration with these further keys of `server`, like `"timeouts: { idle: 1s }"`, and these routes.
pub(crate) fn config(server: &str, routes: &[&str]) -> String {
    let routes: Vec<_> = routes
        .iter()
        .map(|route| format!("  - {route}\n"))
        .collect();
    format!(
        "server: {{ listen: \"127.0.0.1:0\", {server} }}\n\
         admin: {{ listen: \"127.0.0.1:0\" }}\n\
         logging: {{ format: json, level: debug }}\n\
         authenticators: {{ corp: {{ oidc: {{ issuer: \"{{idp}}\", leeway: 0s }} }} }}\n\
         routes:\n{}",
        routes.concat()
    )
}

/// A world with that configuration.
pub(crate) async fn world(server: &str, routes: &[&str]) -> World {
    World::start(program(), &config(server, routes)).await
}

/// A tool call with a good token.
pub(crate) fn call(world: &World) -> Request {
    let call = world.client().post("/mcp").call("echo", &Value::Null);
    call.bearer(world.token())
}

/// The line about the `nth` event stream that the gateway has ended. Nothing is told of more than these.
pub(crate) async fn told_of_end(world: &World, nth: usize) -> Value {
    const ENDED: &str = "event stream ended by the gateway";
    let line = world.gateway.wait_for_nth_log(ENDED, nth).await;
    let all = world.gateway.log();
    let all = all.iter().filter(|line| line.contains(ENDED)).count();
    assert_eq!(all, nth, "{line}");
    let entry: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(entry["level"], "INFO", "{line}");
    entry
}

/// That line with this reason, of the only stream that has ended; its cause.
pub(crate) async fn ended_for(world: &World, reason: &str) -> String {
    let entry = told_of_end(world, 1).await;
    assert_eq!(entry["reason"], reason, "{entry}");
    entry["cause"].as_str().unwrap().to_owned()
}
