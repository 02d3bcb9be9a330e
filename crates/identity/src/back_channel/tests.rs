use tokio::net::TcpListener;
use tokio::time::Instant;

use super::*;

fn channel() -> BackChannel {
    BackChannel::new(None, None)
}

#[tokio::test]
async fn sec_20_a_name_that_leads_into_this_machine_is_not_public() {
    let Err(error) = PublicOnly.resolve("localhost".parse().unwrap()).await else {
        panic!("localhost is not public")
    };
    assert!(
        error.to_string().contains("not a public address"),
        "{error}"
    );
    // through the client, too: it is this resolver that the connection asks
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = Url::parse(&format!("http://localhost:{port}/")).unwrap();
    let error = channel().get(&url, Reach::Public, 10).await.unwrap_err();
    assert!(
        error.to_string().contains("not a public address"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_is_given_up_after_5_s() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("http://{}/", silent.local_addr().unwrap())).unwrap();
    let begun = Instant::now();
    let error = channel().get(&url, Reach::Anywhere, 10).await.unwrap_err();
    assert!(matches!(error, FetchError::Late), "{error}");
    assert!(begun.elapsed() <= DEADLINE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_ca_file_that_is_none_is_told() {
    let url = Url::parse("https://127.0.0.1:1/").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    let told = async |why: &str| {
        let channel = BackChannel::new(Some(file.clone()), None);
        let error = channel
            .get(&url, Reach::Anywhere, 10)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("ca.pem") && error.contains(why), "{error}");
    };
    told("").await;
    std::fs::write(&file, "nothing").unwrap();
    told("no certificate in it").await;
    std::fs::write(
        &file,
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    told("").await;
}

#[test]
fn sec_19_only_https_or_loopback_is_fetched() {
    for good in [
        "https://issuer.example/keys",
        "https://10.0.0.1/keys",
        "http://127.0.0.1:9000/keys",
        "http://127.8.9.1/keys",
        "http://localhost/keys",
        "http://LOCALHOST/keys",
        "http://[::1]:80/keys",
    ] {
        assert!(url(good).is_ok(), "{good}");
    }
    for bad in [
        "http://issuer.example/keys",
        "http://10.0.0.1/keys",
        "http://localhost.evil.example/keys",
        "http://127.0.0.1.evil.example/keys",
        "http://[::ffff:127.0.0.1]/keys",
        "ftp://127.0.0.1/keys",
        "file:///etc/passwd",
        "data:application/json,{}",
        "https://user@issuer.example/keys",
        "https://:password@issuer.example/keys",
        "/keys",
        "",
    ] {
        assert!(url(bad).is_err(), "{bad}");
    }
}

/// An https server on loopback, answering every request with `{}`, and the PEM of the authority that vouches for it.
async fn https() -> (Url, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let signer = Issuer::new(authority, authority_key);
    let names = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &signer).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // a client that does not believe the certificate ends the handshake
            if let Ok(mut stream) = acceptor.accept(socket).await {
                let _ = stream.read(&mut [0; 1024]).await;
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (
        Url::parse(&format!("https://localhost:{port}/")).unwrap(),
        pem,
    )
}

#[tokio::test]
async fn sec_20_a_configured_authority_is_believed_and_without_it_nobody_is() {
    let (url, pem) = https().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let ours = BackChannel::new(Some(file.clone()), None);
    assert_eq!(ours.get(&url, Reach::Anywhere, 10).await.unwrap(), b"{}");
    // the system's authorities do not know this one
    let error = channel().get(&url, Reach::Anywhere, 10).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    // and a file names the only authorities that count
    let (_, foreign) = https().await;
    std::fs::write(&file, foreign).unwrap();
    let error = ours.get(&url, Reach::Anywhere, 10).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn sec_20_a_ca_file_that_breaks_does_not_stop_a_client_that_works() {
    let (url, root) = https().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    std::fs::write(&file, root).unwrap();
    let pool = Pool::new(BackChannel::new(Some(file.clone()), None), url);
    let ask = async || pool.post(http::HeaderMap::new(), String::new(), 100).await;
    ask().await.unwrap();
    std::fs::remove_file(&file).unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(11)).await;
    tokio::time::resume();
    ask().await.unwrap();
}

#[test]
fn trap_10_there_are_roots_in_an_image_that_has_none() {
    assert!(!system().is_empty());
    assert!(!webpki_roots::TLS_SERVER_ROOTS.is_empty());
}

/// Answers every request on a free port of loopback with this body.
async fn answering(body: &'static str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 1024]).await;
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

const ASKED: &str = "IDENTITY_TEST_URL";

#[tokio::test]
async fn sec_20_a_proxy_of_the_environment_is_not_used() {
    let (target, proxy) = (answering("direct").await, answering("proxied").await);
    // the environment is that of a process, so this test runs itself once more
    if let Ok(target) = std::env::var(ASKED) {
        let url = Url::parse(&target).unwrap();
        let body = channel().get(&url, Reach::Anywhere, 100).await.unwrap();
        assert_eq!(body, b"direct");
        return;
    }
    let name = "back_channel::tests::sec_20_a_proxy_of_the_environment_is_not_used";
    let mut again = tokio::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", name]).env(ASKED, target);
    for variable in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "all_proxy",
        "ALL_PROXY",
    ] {
        again.env(variable, &proxy);
    }
    let output = again.output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

#[tokio::test]
async fn sec_20_a_configured_proxy_is_used() {
    let (target, proxy) = (answering("direct").await, answering("proxied").await);
    let url = Url::parse(&target).unwrap();
    let configured = BackChannel::new(None, Some(proxy_url(&proxy)));
    let body = configured.get(&url, Reach::Anywhere, 100).await.unwrap();
    assert_eq!(body, b"proxied");
}

/// As the configuration reads it; there is no other maker.
fn proxy_url(url: &str) -> ProxyUrl {
    struct Nothing;
    impl config::Sources for Nothing {
        fn var(&self, _: &str) -> Option<String> {
            None
        }
        fn file(&self, _: &std::path::Path) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }
        fn has_folder(&self, _: &std::path::Path) -> bool {
            false
        }
    }
    let text = format!(
        "authenticators: {{ a: {{ oidc: {{ issuer: 'https://a.example', proxy: '{url}' }} }} }}\n\
         routes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:1/mcp', auth: {{ accept: [a] }} }} ]"
    );
    let loaded = config::load(&text, &Nothing).unwrap();
    match &loaded.config.authenticators[0].kind {
        config::AuthenticatorKind::Oidc { fetch, .. } => fetch.proxy.clone().unwrap(),
        _ => panic!("an oidc one was written"),
    }
}
