use crate::check::route::tests::{field, read};
use crate::{Auth, ChallengeAt};

/// When the route with these fields challenges, and at which second path always.
#[track_caller]
pub(in crate::check::route) fn challenge(fields: &str) -> (ChallengeAt, Option<Box<str>>) {
    match read(fields).auth {
        Auth::Required(requirement) => (requirement.challenge, requirement.challenge_path),
        Auth::Anonymous => panic!("open to everyone"),
    }
}

#[test]
fn i_12_challenge_is_call_where_something_is_public() {
    use ChallengeAt::{Call, Connect};
    assert_eq!(challenge("").0, Connect);
    assert_eq!(challenge("access: { tools: [ { match: a } ] }").0, Connect);
    for public in ["discovery: handshake", "calls: public", "public_tools: [a]"] {
        let fields = format!("access: {{ {public} }}");
        assert_eq!(challenge(&fields).0, Call, "{public}");
        let connect = format!("{fields}, auth: {{ challenge: connect }}");
        assert_eq!(challenge(&connect).0, Connect, "{public}");
    }
    for nothing in ["", "access: { public_tools: [] },", "transport: http,"] {
        field(
            &format!("{nothing} auth: {{ challenge: call }}"),
            "auth.challenge",
            "has no effect: nothing can be done here without a credential",
        );
    }
    field(
        "auth: { challenge: never }",
        "auth.challenge",
        "`never` is not one of connect, call",
    );
}

#[test]
fn i_12_a_path_that_always_challenges() {
    let public = "access: { discovery: public }";
    let fields = |path: &str| format!("{public}, auth: {{ challenge_path: {path} }}");
    assert_eq!(
        challenge(&fields("/mcp/login/")),
        (ChallengeAt::Call, Some("/mcp/login".into()))
    );
    for (path, reason) in [
        ("/mcp/", "is the route's own path"),
        (
            "/oauth/mcp",
            "belongs to the gateway, which answers /oauth and all below it itself",
        ),
        ("login", "`login` does not start with `/`"),
    ] {
        field(&fields(path), "auth.challenge_path", reason);
    }
    // One thing is wrong with it, also where nothing is public.
    field(
        "auth: { challenge_path: /mcp }",
        "auth.challenge_path",
        "is the route's own path",
    );
    let useless = "has no effect: clients are sent to log in at the route's own path already";
    field(
        "auth: { challenge_path: /mcp/login }",
        "auth.challenge_path",
        useless,
    );
    field(
        &format!("{public}, auth: {{ challenge: connect, challenge_path: /mcp/login }}"),
        "auth.challenge_path",
        useless,
    );
    field(
        &format!(
            "{}, host: '*.example.com', resource: 'https://mcp.example.com/mcp'",
            fields("/mcp/login")
        ),
        "auth.challenge_path",
        "has no one URL that tokens could be made for, under a wildcard host",
    );
}
