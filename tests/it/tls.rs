//! The gateway ends TLS itself: what is negotiated, who is let in, what the upstream learns of it.

use std::time::{Duration, Instant};

use rustls::HandshakeKind;
use testbed::Gateway;
use testbed::client::h2;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::admin::series;
use crate::commands::with_file;
use crate::https::{
    Authority, EXPIRED, GOOD, How, TLS12, TLS13, call, connect, send, shown, world,
};
use crate::setting::program;
use crate::support::{MCP, config};

const LOCAL: [&str; 2] = ["localhost", "127.0.0.1"];

/// An authority with the pair `main` for loopback names.
fn authority() -> Authority {
    let authority = Authority::new();
    authority.write("main", &LOCAL, GOOD);
    authority
}

#[tokio::test]
async fn s0_17_the_listener_answers_over_tls_in_http_1_and_2() {
    let authority = authority();
    let world = world(&authority.keys("main", ""), &[MCP]).await;
    for versions in [&TLS12, &TLS13] {
        let how = How {
            versions,
            ..How::default()
        };
        let stream = authority.connect(&world, "localhost", how).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        send(stream, &call(&world, "localhost")).await.is(200);
        assert_eq!(
            world.server.last().header("x-forwarded-proto"),
            Some("https")
        );
    }
    let how = How {
        alpn: &["h2", "http/1.1"],
        ..How::default()
    };
    let stream = authority.connect(&world, "localhost", how).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let connection = h2::Connection::over(stream).await;
    for _ in 0..2 {
        let answer = connection.send(call(&world, "localhost")).await.unwrap();
        answer.is(200);
    }
    assert_eq!(world.server.requests(), 4);
    // whoever says nothing of protocols speaks the oldest
    let how = How {
        alpn: &[],
        ..How::default()
    };
    let stream = authority.connect(&world, "127.0.0.1", how).await.unwrap();
    send(stream, &call(&world, "127.0.0.1")).await.is(200);
    let how = How {
        alpn: &["spdy/3"],
        ..How::default()
    };
    assert!(authority.connect(&world, "localhost", how).await.is_err());
}

#[tokio::test]
async fn s0_51_plain_http_gets_no_answer_and_loopback_names_are_https() {
    let authority = authority();
    let world = world(&authority.keys("main", ""), &[MCP]).await;
    let mut plain = world.client().connect().await;
    let request = call(&world, "localhost").to_bytes();
    plain.write(&request).await;
    assert_eq!(plain.status().await, None, "no HTTP comes back");
    world
        .gateway
        .wait_for_log("this is no TLS: plain HTTP")
        .await;
    let metrics = world.gateway.admin().get("/metrics").send().await.text();
    let counted = "portcullis_connections_refused_total{reason=\"tls\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    let stream = authority.open(&world, "localhost");
    let port = world.gateway.address().port();
    let request = world.client().post("/mcp").body("{}");
    let request = request.host(&format!("localhost:{port}"));
    let answer = send(stream.await, &request).await;
    answer.refused(401, None);
    assert_eq!(
        answer.challenge()["resource_metadata"],
        format!("https://localhost:{port}/.well-known/oauth-protected-resource/mcp")
    );
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn sec_38_a_proxy_that_says_http_is_believed_also_over_tls() {
    let authority = authority();
    let server = format!(
        "{}, trusted_proxies: [127.0.0.1]",
        authority.keys("main", "")
    );
    let world = world(&server, &[MCP]).await;
    for (said, proto) in [
        (None, "https"),
        (Some("https"), "https"),
        (Some("http"), "http"),
    ] {
        let stream = authority.open(&world, "localhost");
        let mut request = call(&world, "localhost");
        if let Some(said) = said {
            request = request.header("X-Forwarded-Proto", said);
        }
        send(stream.await, &request).await.is(200);
        let seen = world.server.last();
        assert_eq!(seen.header("x-forwarded-proto"), Some(proto), "{said:?}");
    }
}

#[tokio::test]
async fn tm_11_a_handshake_that_is_slow_is_cut() {
    let authority = authority();
    let server = format!(
        "timeouts: {{ request_head: 300ms }}, {}",
        authority.keys("main", "")
    );
    let world = world(&server, &[MCP]).await;
    // nothing, the beginning of a ClientHello, and a whole handshake with nothing after it
    for first in [&b""[..], &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]] {
        let begun = Instant::now();
        let mut connection = world.client().connect().await;
        connection.write(first).await;
        assert!(connection.closes_within(Duration::from_secs(4)).await);
        assert!(begun.elapsed() >= Duration::from_millis(299));
    }
    for alpn in [&["http/1.1"][..], &["h2"][..]] {
        let how = How {
            alpn,
            ..How::default()
        };
        let stream = authority.connect(&world, "localhost", how).await.unwrap();
        let mut connection = testbed::client::Connection::over(stream);
        assert!(
            connection.closes_within(Duration::from_secs(4)).await,
            "{alpn:?}"
        );
    }
    let stream = authority.open(&world, "localhost");
    send(stream.await, &call(&world, "localhost")).await.is(200);
}

#[tokio::test]
async fn handshakes_and_requests_share_the_cap_on_connections() {
    let authority = authority();
    let server = format!(
        "limits: {{ connections: 1 }}, {}",
        authority.keys("main", "")
    );
    let world = world(&server, &[MCP]).await;
    let first = authority.open(&world, "localhost");
    let first = first.await;
    let mut second = Box::pin(authority.open(&world, "localhost"));
    let early = tokio::time::timeout(Duration::from_millis(300), &mut second).await;
    assert!(early.is_err(), "there is no room");
    drop(first);
    send(second.await, &call(&world, "localhost")).await.is(200);
}

#[tokio::test]
async fn min_version_shuts_older_clients_out() {
    let authority = authority();
    let world = world(&authority.keys("main", ", min_version: \"1.3\""), &[MCP]).await;
    for (versions, good) in [(&TLS12, false), (&TLS13, true)] {
        let how = How {
            versions,
            ..How::default()
        };
        let stream = authority.connect(&world, "localhost", how).await;
        assert_eq!(stream.is_ok(), good);
    }
}

#[tokio::test]
async fn sessions_are_resumed() {
    let authority = authority();
    let world = world(&authority.keys("main", ""), &[MCP]).await;
    for versions in [&TLS12, &TLS13] {
        let connector = authority.connector(&How {
            versions,
            ..How::default()
        });
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut stream = connect(&connector, &world, "localhost").await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
            // tickets of TLS 1.3 come with the first bytes
            let request = call(&world, "localhost").to_bytes();
            tokio::io::AsyncWriteExt::write_all(&mut stream, &request)
                .await
                .unwrap();
            let read = tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 64]).await;
            assert!(read.unwrap() > 0);
        }
    }
}

const NAMED: &str =
    "public_url: \"https://a.example\", allowed_hosts: [b.example, \"*.c.example\"]";

#[tokio::test]
async fn sec_30_certificates_are_chosen_by_name_and_host_must_fit_the_one_shown() {
    let authority = Authority::new();
    authority.write("a", &["a.example"], GOOD);
    authority.write("b", &["B.example"], GOOD);
    authority.write("c", &["*.c.example"], GOOD);
    let further = format!(
        ", certificates: [{{ {} }}, {{ {} }}]",
        authority.pair("b"),
        authority.pair("c")
    );
    let server = format!("{NAMED}, {}", authority.keys("a", &further));
    let world = world(&server, &[MCP]).await;
    let hosts = ["a.example", "b.example", "x.c.example"];
    for sni in hosts {
        for host in hosts {
            let stream = authority.open(&world, sni).await;
            let request = world.client().get("/health").host(host);
            let status = if sni == host { 200 } else { 421 };
            send(stream, &request).await.is(status);
        }
    }
    // a wildcard stands for one label
    let two = authority.connect(&world, "y.x.c.example", How::default());
    assert!(two.await.is_err(), "the first certificate has no such name");
    // h2 connections are reused for other names only if the certificate is theirs
    let how = How {
        alpn: &["h2"],
        ..How::default()
    };
    let stream = authority.connect(&world, "x.c.example", how).await.unwrap();
    let connection = h2::Connection::over(stream).await;
    for (host, status) in [("y.c.example", 200), ("b.example", 421)] {
        let request = world.client().get("/health").host(host);
        connection.send(request).await.unwrap().is(status);
    }
}

#[tokio::test]
async fn a_name_that_is_nobodys_gets_the_first_certificate_and_421() {
    let authority = authority();
    let world = world(&authority.keys("main", ""), &[MCP]).await;
    let stream = authority.open(&world, "localhost");
    let request = call(&world, "localhost").host("evil.example");
    send(stream.await, &request).await.is(421);
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn client_certificates_are_asked_for_and_judged() {
    let authority = authority();
    authority.write_root("clients.pem");
    let stranger = Authority::new();
    for (auth, without) in [("required", false), ("optional", true)] {
        let more = format!(
            ", client_ca: \"{}\", client_auth: {auth}",
            authority.path("clients.pem").display()
        );
        let world = world(&authority.keys("main", &more), &[MCP]).await;
        let own = authority.own("robot 7");
        let thumbprint = own.thumbprint();
        for (own, good) in [
            (None, without),
            (Some(own), true),
            (Some(stranger.own("robot 7")), false),
        ] {
            let how = How {
                own,
                // here the handshake itself fails; in TLS 1.3 the client learns of it with its first read
                versions: &TLS12,
                ..How::default()
            };
            let stream = authority.connect(&world, "localhost", how).await;
            assert_eq!(stream.is_ok(), good, "{auth}");
            if let Ok(stream) = stream {
                send(stream, &call(&world, "localhost")).await.is(200);
            }
        }
        world.gateway.wait_for_log("\"certificate\":\"CN=").await;
        let known = world.gateway.wait_for_log("robot 7").await;
        assert!(known.contains("request ended"), "{known}");
        assert!(known.contains(&thumbprint), "{known}");
    }
}

/// Starts with these files, and checks them, and expects to be told what is wrong with them.
async fn fails(authority: &Authority, told: &str) {
    let yaml = config(&authority.keys("main", ""), &[MCP])
        .replace("{idp}", "https://login.example.com")
        .replace("{upstream}", "http://127.0.0.1:9");
    let (code, stderr) = Gateway::fails(program(), &yaml).await;
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains(told), "{told}: {stderr}");
    let checked = with_file(&["check"], &yaml).await;
    assert_eq!(checked.code, Some(2), "{}", checked.stdout);
    assert!(checked.stderr.contains(told), "{told}: {}", checked.stderr);
}

#[tokio::test]
async fn a_pair_that_cannot_be_used_is_told_at_the_start() {
    let authority = authority();
    authority.write("other", &["other.example"], GOOD);
    std::fs::copy(authority.path("other.key"), authority.path("main.key")).unwrap();
    fails(&authority, "server.tls.private_key: is not the key of").await;
    authority.write("main", &LOCAL, EXPIRED);
    fails(
        &authority,
        "server.tls.certificate: certificate 1 has expired",
    )
    .await;
    authority.write("main", &LOCAL, (1, 1000));
    fails(
        &authority,
        "server.tls.certificate: certificate 1 is not valid before",
    )
    .await;
    authority.write("main", &LOCAL, GOOD);
    let read = |file: &str| std::fs::read_to_string(authority.path(file)).unwrap();
    let chain = read("main.crt") + &read("other.crt");
    std::fs::write(authority.path("main.crt"), chain).unwrap();
    fails(
        &authority,
        "server.tls.certificate: certificate 1 is not signed by the one after it",
    )
    .await;
    std::fs::remove_file(authority.path("main.crt")).unwrap();
    fails(&authority, "does not exist").await;
}

#[tokio::test]
async fn a_chain_is_sent_as_a_whole() {
    let authority = authority();
    authority.write_root("root.pem");
    let read = |file: &str| std::fs::read_to_string(authority.path(file)).unwrap();
    std::fs::write(
        authority.path("main.crt"),
        read("main.crt") + &read("root.pem"),
    )
    .unwrap();
    let world = world(&authority.keys("main", ""), &[MCP]).await;
    let stream = authority.open(&world, "localhost");
    let stream = stream.await;
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap().len(), 2);
    assert!(!shown(&stream).is_empty());
}

#[tokio::test]
async fn tm_11_handshakes_over_the_cap_wait_for_a_place_and_silence_takes_none() {
    let authority = Authority::new();
    authority.write("main", &["localhost"], GOOD);
    let server = format!(
        "limits: {{ handshakes: 1 }}, {}",
        authority.keys("main", "")
    );
    let world = world(&server, &[MCP]).await;
    let silent = TcpStream::connect(world.gateway.address()).await.unwrap();
    send(
        authority.open(&world, "localhost").await,
        &call(&world, "localhost"),
    )
    .await
    .is(200);
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut begun = TcpStream::connect(world.gateway.address()).await.unwrap();
        begun.write_all(&[22, 3, 1, 1, 0]).await.unwrap(); // a record that does not go on
        slow.push(begun);
    }
    let place = loop {
        let place = series(&world).await["portcullis_connections{state=\"handshake\"}"];
        if place > 0.5 {
            break place;
        }
    };
    assert!(place < 1.5, "never more than the cap: {place}");
    let begun = Instant::now();
    let next = authority.open(&world, "localhost").await;
    let waited = begun.elapsed();
    assert!(waited > Duration::from_millis(300), "{waited:?}");
    send(next, &call(&world, "localhost")).await.is(200); // though all of the slow ones are still there
    drop((silent, slow));
}
