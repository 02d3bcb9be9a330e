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
