//! Upstreams over TLS and over Unix sockets: who is believed, what is shown, which name is asked for.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use testbed::client::Answer;
use testbed::{Gateway, Recorder, Reply, World};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::time::{Duration, Instant, sleep};
use tokio_rustls::TlsAcceptor;

use crate::https::{Authority, EXPIRED, GOOD};
use crate::setting::program;
use crate::support::{call, config, world};

/// What a handshake told a server.
#[derive(Clone, Debug, Default, PartialEq)]
struct Seen {
    name: Option<String>,
    alpn: Option<Vec<u8>>,
    client: Option<Vec<u8>>,
}

/// Ends TLS in front of a recorder.
struct Terminator {
    port: u16,
    recorder: Recorder,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Terminator {
    /// With the pair `name` of an authority; with `clients`, whoever comes must show a certificate of that authority.
    async fn start(authority: &Authority, name: &str, clients: Option<&Authority>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                clients.write_root("root.pem");
                let mut roots = RootCertStore::empty();
                let root = CertificateDer::from_pem_file(clients.path("root.pem")).unwrap();
                roots.add(root).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = CertificateDer::from_pem_file(authority.path(&format!("{name}.crt"))).unwrap();
        let key = PrivateKeyDer::from_pem_file(authority.path(&format!("{name}.key"))).unwrap();
        let mut config = builder.with_single_cert(vec![chain], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let recorder = Recorder::start().await;
        let (address, seen) = (recorder.address(), Arc::new(Mutex::new(Vec::new())));
        let notes = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, notes) = (acceptor.clone(), Arc::clone(&notes));
                tokio::spawn(async move {
                    let Ok(mut tls) = acceptor.accept(tcp).await else {
                        return;
                    };
                    let (_, session) = tls.get_ref();
                    notes.lock().unwrap().push(Seen {
                        name: session.server_name().map(str::to_owned),
                        alpn: session.alpn_protocol().map(<[u8]>::to_vec),
                        client: session.peer_certificates().map(|shown| shown[0].to_vec()),
                    });
                    let mut plain = TcpStream::connect(address).await.unwrap();
                    let _ended = copy_bidirectional(&mut tls, &mut plain).await;
                });
            }
        });
        Self {
            port,
            recorder,
            seen,
        }
    }

    fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().cloned().unwrap()
    }
}

/// A protected route with a block of these keys.
fn route(keys: &str) -> String {
    format!("{{ path: /mcp, upstream: {{ {keys} }} }}")
}

fn file(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// A call that fails at the handshake, for a reason that the log knows.
async fn fails(world: &World, cause: &str) {
    let answer: Answer = call(world).send().await;
    let reference = answer.is(502).json()["reference"].clone();
    let line = world
        .gateway
        .wait_for_log(reference.as_str().unwrap())
        .await;
    assert!(line.contains(cause), "{cause}: {line}");
}

#[tokio::test]
async fn an_upstream_is_believed_by_the_roots_that_are_named_and_no_others() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.write("main", &["localhost"], GOOD);
    authority.write_root("ca.pem");
    stranger.write_root("ca.pem");
    let server = Terminator::start(&authority, "main", None).await;
    let url = format!("https://localhost:{}/mcp", server.port);
    let believed = file(&authority.path("ca.pem"));
    let world_of = async |keys: &str| world("", &[&route(keys)]).await;
    let good = world_of(&format!("urls: \"{url}\", ca: {believed}")).await;
    for _ in 0..2 {
        call(&good).send().await.is(200);
    }
    let seen = server.recorder.last();
    assert_eq!(
        (seen.target.as_str(), seen.header("host")),
        ("/mcp", Some(&*format!("localhost:{}", server.port)))
    );
    let handshakes = server.seen.lock().unwrap().len();
    assert_eq!(handshakes, 1, "one connection for both");
    assert_eq!(
        server.last(),
        Seen {
            name: Some("localhost".to_owned()),
            alpn: Some(b"http/1.1".to_vec()),
            client: None
        }
    );
    let strange = file(&stranger.path("ca.pem"));
    for keys in [
        format!("urls: \"{url}\", ca: {strange}"),
        format!("urls: \"{url}\""),
    ] {
        fails(&world_of(&keys).await, "invalid peer certificate").await;
    }
    assert_eq!(server.recorder.requests(), 2);
}

#[tokio::test]
async fn the_name_that_is_asked_for_is_the_name_that_is_checked() {
    let authority = Authority::new();
    authority.write("main", &["tools.internal"], GOOD);
    authority.write("old", &["localhost"], EXPIRED);
    authority.write_root("ca.pem");
    let server = Terminator::start(&authority, "main", None).await;
    let ca = file(&authority.path("ca.pem"));
    let keys = |port: u16, more: &str| {
        route(&format!(
            "urls: \"https://localhost:{port}\", ca: {ca}{more}"
        ))
    };
    let named = keys(
        server.port,
        ", server_name: tools.internal, host: \"tools.example:8443\"",
    );
    let world_ = world("", &[&named]).await;
    call(&world_).send().await.is(200);
    assert_eq!(server.last().name.as_deref(), Some("tools.internal"));
    let host = server.recorder.last();
    assert_eq!(host.headers.all("host"), ["tools.example:8443"]);
    // by its own name it has another certificate than it should have
    let world_ = world("", &[&keys(server.port, "")]).await;
    fails(&world_, "certificate not valid for name").await;
    let expired = Terminator::start(&authority, "old", None).await;
    let world_ = world("", &[&keys(expired.port, "")]).await;
    fails(&world_, "certificate expired").await;
}

#[tokio::test]
async fn the_gateway_shows_its_certificate_and_a_new_one_when_the_file_is_new() {
    let authority = Authority::new();
    authority.write("main", &["localhost"], GOOD);
    authority.write("gateway", &["gateway"], GOOD);
    authority.write_root("ca.pem");
    let server = Terminator::start(&authority, "main", Some(&authority)).await;
    let keys = format!(
        "urls: \"https://localhost:{}\", ca: {}",
        server.port,
        file(&authority.path("ca.pem"))
    );
    let without = world("", &[&route(&keys)]).await;
    call(&without).send().await.is(502);
    assert_eq!(server.recorder.requests(), 0);

    let with = route(&format!("{keys}, {}", authority.pair("gateway")));
    let world = world("", &[&with]).await;
    // each answer ends its connection, so that each request makes one
    server
        .recorder
        .answer(Reply::json(&json!({})).header("Connection", "close"));
    call(&world).send().await.is(200);
    let first = server.last().client.unwrap();
    // half of a pair is no pair: the old one goes on, and that is said
    fs::write(authority.path("gateway.key"), "nonsense").unwrap();
    world
        .gateway
        .wait_for_log("configuration not reloaded")
        .await;
    call(&world).send().await.is(200);
    assert_eq!(server.last().client.as_ref(), Some(&first));
    authority.write("gateway", &["gateway"], GOOD);
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        call(&world).send().await.is(200);
        if server.last().client.unwrap() != first {
            break;
        }
        assert!(Instant::now() < deadline, "it is still the old one");
        sleep(Duration::from_millis(100)).await;
    }
    world
        .gateway
        .wait_for_log("upstream certificates replaced")
        .await;
}

#[tokio::test]
async fn a_configuration_that_is_refused_takes_no_certificate_along() {
    let authority = Authority::new();
    for name in ["main", "one", "two"] {
        authority.write(name, &["localhost"], GOOD);
    }
    authority.write_root("ca.pem");
    let server = Terminator::start(&authority, "main", Some(&authority)).await;
    let upstream = |path: &str, pair: &str| {
        format!(
            "{{ path: {path}, upstream: {{ urls: \"https://localhost:{}\", ca: {}, {} }} }}",
            server.port,
            file(&authority.path("ca.pem")),
            authority.pair(pair)
        )
    };
    let world = world("", &[&upstream("/mcp", "one"), &upstream("/two", "two")]).await;
    server
        .recorder
        .answer(Reply::json(&json!({})).header("Connection", "close"));
    call(&world).send().await.is(200);
    let first = server.last().client;
    // the second route cannot be had, first without anything new for the first one and then with it
    let wrong = "routes[1].upstream.private_key: is not the key of";
    fs::copy(authority.path("main.key"), authority.path("two.key")).unwrap();
    world.gateway.wait_for_log(wrong).await;
    authority.write("one", &["localhost"], GOOD);
    world.gateway.wait_for_nth_log(wrong, 2).await;
    call(&world).send().await.is(200);
    assert_eq!(server.last().client, first);
    authority.write("two", &["localhost"], GOOD);
    world.gateway.wait_for_log("configuration reloaded").await;
    call(&world).send().await.is(200);
    assert_ne!(server.last().client, first, "together or not at all");
}

#[tokio::test]
async fn files_that_cannot_be_used_end_the_start_with_their_key() {
    let authority = Authority::new();
    authority.write("a", &["a"], GOOD);
    authority.write("b", &["b"], GOOD);
    fs::write(
        authority.path("empty.pem"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let path = |name: &str| file(&authority.path(name));
    let idp = testbed::Idp::start().await;
    for (keys, said) in [
        (
            format!(
                "certificate: {}, private_key: {}",
                path("a.crt"),
                path("b.key")
            ),
            "routes[0].upstream.private_key: is not the key of",
        ),
        (
            format!("ca: {}", path("empty.pem")),
            "routes[0].upstream.ca: cannot be used",
        ),
    ] {
        let yaml = config(
            "",
            &[&route(&format!("urls: \"https://localhost:1\", {keys}"))],
        );
        let (code, said_all) =
            Gateway::fails(program(), &yaml.replace("{idp}", idp.issuer())).await;
        assert_eq!(code, Some(2), "{said_all}");
        assert!(said_all.contains(said), "{said}: {said_all}");
    }
}

/// A Unix socket in front of a recorder.
async fn socket(path: &Path) -> Recorder {
    let listener = UnixListener::bind(path).unwrap();
    let recorder = Recorder::start().await;
    let address = recorder.address();
    tokio::spawn(async move {
        while let Ok((mut unix, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut plain = TcpStream::connect(address).await.unwrap();
                let _ended = copy_bidirectional(&mut unix, &mut plain).await;
            });
        }
    });
    recorder
}

#[tokio::test]
async fn an_upstream_may_be_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcp.sock");
    let url = |path: &str| format!("unix:{}{path}", folder.path().join("mcp.sock").display());
    let routes = [
        format!("{{ path: /mcp, upstream: \"{}\" }}", url(":/inside")),
        format!(
            "{{ path: /web, transport: http, upstream: {{ urls: \"{}\", host: tools.internal }} }}",
            url("")
        ),
    ];
    let world = world("", &[&routes[0], &routes[1]]).await;
    // a server that is not there yet is no reason not to start
    fails(&world, "No such file").await;
    let server = socket(&path).await;
    for number in 1..=3 {
        call(&world).send().await.is(200);
        let seen = server.last();
        assert_eq!(seen.target, "/inside");
        assert_eq!(seen.headers.all("host"), ["localhost"]);
        assert_eq!(seen.connection, 0, "kept for request {number}");
    }
    let request = world
        .client()
        .get("/web/x?y")
        .bearer(world.token_for("/web"));
    request.send().await.is(200);
    let seen = server.last();
    assert_eq!(
        (seen.target.as_str(), seen.header("host")),
        ("/web/x?y", Some("tools.internal"))
    );
    let stream = {
        server.answer(Reply::events());
        world
            .client()
            .get("/mcp")
            .bearer(world.token())
            .open()
            .await
    };
    let events = server.stream().await;
    drop(stream);
    events.closed().await;
}
