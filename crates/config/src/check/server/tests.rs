use std::time::Duration;

use crate::testing::{good, problems, warnings, wrong};
use crate::{Cors, HostPattern};

#[test]
fn x6_s0_24_trust_proxy_means_loopback_and_private_networks() {
    let open = |more: &str| {
        format!("server: {{ listen: '0.0.0.0:80', public_url: 'https://a.example'{more} }}")
    };
    let trusted = |written: &str| -> Vec<String> {
        let config = good(&open(&format!(", trusted_proxies: {written}")));
        let networks = config.server.trusted_proxies.iter();
        networks.map(ToString::to_string).collect()
    };
    let private = [
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    ];
    for written in ["private", "[private]", "true", "'true'", "['true']"] {
        assert_eq!(trusted(written), private, "{written}");
    }
    assert_eq!(trusted("10.1.0.0/16"), ["10.1.0.0/16"]);
    assert_eq!(trusted("[private, 192.0.2.7]").len(), 7);
    // nobody is trusted, and then nobody may bring plain HTTP from elsewhere
    for written in ["false", "[false]", "[]"] {
        wrong(
            &open(&format!(", trusted_proxies: {written}")),
            &["server.listen: serves plain HTTP beyond this machine"],
        );
    }
    wrong(
        &open(", trusted_proxies: yes"),
        &["server.trusted_proxies[0]: `yes` is not a network"],
    );
}

#[test]
fn listeners() {
    let listen = |text: &str| {
        good(text)
            .server
            .listen
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(listen("server: { listen: '127.0.0.1:1' }"), ["127.0.0.1:1"]);
    assert_eq!(
        listen("server: { listen: ['127.0.0.1:0', '127.0.0.1:0', '[::1]:8080'] }"),
        ["127.0.0.1:0", "127.0.0.1:0", "[::1]:8080"]
    );
    wrong(
        "server: { listen: [] }",
        &["server.listen: names no address"],
    );
    wrong("server: { listen: }", &["server.listen: has no value"]);
    wrong(
        "server: { listen: 8080 }",
        &["server.listen[0]: `8080` is not an address and port"],
    );
    wrong(
        "server: { listen: ['127.0.0.1:80', '127.0.0.1:80'] }",
        &["server.listen[1]: is listened on already"],
    );
    wrong(
        "server: { listen: ['0.0.0.0:80', '127.0.0.1:80'], public_url: 'https://a.example', trusted_proxies: [10.0.0.0/8] }",
        &["server.listen[1]: is listened on already"],
    );
    wrong(
        "server: { listen: '127.0.0.1:9090' }",
        &["admin.listen: is an address of server.listen too"],
    );
}

#[test]
fn public_url_is_required_off_loopback() {
    wrong(
        "server: { listen: ['127.0.0.1:80', '0.0.0.0:81'], trusted_proxies: [10.0.0.0/8] }",
        &["server.public_url: is missing"],
    );
    good("server: { listen: ['127.0.0.1:80', '[::1]:80'] }");
    wrong(
        "server: { public_url: 'https://a.example/mcp' }",
        &[
            "server.public_url: `https://a.example/mcp` must end after host and port; a path, query or fragment has no place here",
        ],
    );
    wrong(
        "server: { public_url: '' }",
        &["server.public_url: `` is empty"],
    );
}

#[test]
fn s0_44_public_url_is_https_unless_loopback_or_said_aloud() {
    wrong(
        "server: { public_url: 'http://mcp.example.com' }",
        &["server.public_url: is http and not on loopback"],
    );
    for url in [
        "http://localhost:8080",
        "http://127.0.0.1",
        "http://[::1]:1",
        "https://mcp.example.com",
    ] {
        good(&format!("server: {{ public_url: '{url}' }}"));
    }
    good("server: { public_url: 'http://mcp.example.com', dangerous: [plain_http] }");
}

#[test]
fn sec_38_plain_http_off_loopback_needs_a_terminator_or_a_word() {
    let server = |rest: &str| {
        format!("server: {{ listen: '0.0.0.0:8080', public_url: 'https://mcp.example.com'{rest} }}")
    };
    wrong(
        &server(""),
        &["server.listen: serves plain HTTP beyond this machine"],
    );
    wrong(
        &server(", trusted_proxies: []"),
        &["server.listen: serves plain HTTP beyond this machine"],
    );
    good(&server(", trusted_proxies: [10.0.0.0/8]"));
    assert!(good(&server(", dangerous: [plain_http]")).server.plain_http);
    assert_eq!(
        warnings(&server(", dangerous: [plain_http]")),
        ["server.dangerous: plain_http: tokens can be read by anyone on the way"]
    );
    assert_eq!(
        warnings(&server(", trusted_proxies: [10.0.0.0/8]")),
        [""; 0]
    );
    wrong(
        &server(", trusted_proxies: ['0.0.0.0/0']"),
        &["server.trusted_proxies[0]: `0.0.0.0/0` would believe everybody"],
    );
}

#[test]
fn dangerous_names() {
    wrong(
        "server: { dangerous: [anonymous_access, plain-http, shared_origin] }",
        &[
            "server.dangerous[0]: is not a dangerous thing of this place",
            "server.dangerous[1]: is not a dangerous thing of this place",
            "server.dangerous[2]: is not supported yet",
        ],
    );
    wrong(
        "server: { dangerous: plain_http }",
        &["server.dangerous: is a single value where a list belongs"],
    );
}

#[test]
fn sec_30_allowed_hosts() {
    let config = good("server: { allowed_hosts: ['*.ngrok-free.app', 'Mcp.Example.com:8443'] }");
    let hosts: Vec<&str> = config
        .server
        .allowed_hosts
        .iter()
        .map(HostPattern::as_str)
        .collect();
    assert_eq!(hosts, ["*.ngrok-free.app", "mcp.example.com:8443"]);
    wrong(
        "server: { allowed_hosts: ['*', 'https://a.example', 'a.*.example'] }",
        &[
            "server.allowed_hosts[0]: `*` may have a `*` only as its whole first label, like *.example.com",
            "server.allowed_hosts[1]: `https://a.example` must be a host name, without scheme and path",
            "server.allowed_hosts[2]: `a.*.example` may have a `*` only as its whole first label, like *.example.com",
        ],
    );
}

#[test]
fn sec_30_cors() {
    let cors = |list: &str| {
        good(&format!(
            "server: {{ cors: {{ allowed_origins: {list} }} }}"
        ))
        .server
        .cors
    };
    assert_eq!(cors("['*']"), Cors::Any);
    assert_eq!(cors("[]"), Cors::Origins(Vec::new()));
    let Cors::Origins(origins) = cors("['https://A.example:443']") else {
        panic!("any")
    };
    assert_eq!(origins[0].to_string(), "https://a.example");
    let place = "server.cors.allowed_origins";
    assert_eq!(
        problems("server: { cors: { allowed_origins: ['*', 'https://a.example'] } }"),
        [format!("{place}: has origins beside \"*\"")]
    );
    wrong(
        "server: { cors: { allowed_origins: ['null'] } }",
        &[
            "server.cors.allowed_origins[0]: `null` is what any sandboxed page sends, so it names nobody",
        ],
    );
    wrong(
        "server: { cors: { allowed_origins: [null] } }",
        &["server.cors.allowed_origins[0]: has no value"],
    );
}

#[test]
fn limits_have_bounds() {
    wrong(
        "server: { limits: { connections: 0, header_bytes: 8191, body_bytes: 0, streams_per_connection: 99999999999 } }",
        &[
            "server.limits.connections: must be at least 1",
            "server.limits.header_bytes: must be at least 8KiB",
            "server.limits.body_bytes: must be at least 1",
            "server.limits.streams_per_connection: must be at most 10000",
        ],
    );
    wrong(
        "server: { limits: { header_bytes: 2MiB, connections: -1 } }",
        &[
            "server.limits.connections: `-1` is not a whole number",
            "server.limits.header_bytes: must be at most 1MiB",
        ],
    );
    wrong(
        "server: { limits: { inspect_memory: 1023KiB, list_bytes: 2GiB } }",
        &[
            "server.limits.inspect_memory: must be at least 1MiB",
            "server.limits.list_bytes: must be at most 1GiB",
        ],
    );
    good("server: { limits: { header_bytes: 8KiB } }");
    wrong(
        "credential_cache: 1KiB",
        &["credential_cache: must be at least 64KiB"],
    );
}

#[test]
fn timeouts_are_never_endless() {
    wrong(
        "server: { timeouts: { idle: 0s, connect: 25h, drain: 30 } }",
        &[
            "server.timeouts.idle: must be at least 1ms",
            "server.timeouts.connect: must be at most 1d",
            "server.timeouts.drain: `30` has no unit",
        ],
    );
    assert_eq!(
        good("server: { timeouts: { drain: 0s } }")
            .server
            .timeouts
            .drain,
        Duration::ZERO
    );
}

#[test]
fn keepalive_can_be_switched_off() {
    for off in ["0", "0s", "'0'"] {
        assert_eq!(
            good(&format!("server: {{ sse_keepalive: {off} }}"))
                .server
                .sse_keepalive,
            None
        );
    }
    assert_eq!(
        good("server: { sse_keepalive: 5s }").server.sse_keepalive,
        Some(Duration::from_secs(5))
    );
}
