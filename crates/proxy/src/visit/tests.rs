use config::Secret;

use super::exchange::Server;
use super::*;

#[test]
fn only_urls_of_servers_are_visited() {
    for url in [
        "",
        "mcp",
        "/mcp",
        "ftp://127.0.0.1/mcp",
        "http://127.0.0.1/mcp?a=b",
        "http://127.0.0.1/mcp#a",
        "http://user:hunter2@127.0.0.1/mcp",
    ] {
        let refused = Server::new(url, None).err().map(|error| error.to_string());
        let refused = refused.unwrap_or_else(|| panic!("{url} was taken"));
        assert!(
            refused.starts_with("is no URL of a server"),
            "{url}: {refused}"
        );
        assert!(!refused.contains("hunter2"));
    }
    assert!(Server::new("https://mcp.example.com/mcp", None).is_ok());
}

#[test]
fn sec_81_a_token_goes_by_https_or_to_this_machine() {
    let token = Secret::new("hunter2");
    let with = |url: &str| Server::new(url, Some(&token)).is_ok();
    assert!(with("https://mcp.example.com/mcp"));
    assert!(with("http://127.0.0.1:3000/mcp"));
    assert!(!with("http://mcp.example.com/mcp"));
    let odd = Secret::new("hunter\n2");
    let refused = Server::new("https://mcp.example.com/mcp", Some(&odd)).err();
    let refused = refused.map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("characters") && !refused.contains("hunter"));
}

#[test]
fn what_a_tool_does_not_say_is_as_the_protocol_has_it() {
    let hints = |annotations: Value| {
        let tool = read(&json!({ "name": "x", "annotations": annotations })).unwrap();
        (tool.read_only, tool.destructive)
    };
    assert_eq!(hints(Value::Null), (false, true));
    assert_eq!(hints(json!({ "readOnlyHint": true })), (true, true));
    assert_eq!(hints(json!({ "destructiveHint": false })), (false, false));
    assert_eq!(hints(json!({ "readOnlyHint": "true" })), (false, true));
    assert_eq!(read(&json!({ "title": "x" })), None);
    assert_eq!(read(&json!("x")), None);
}
