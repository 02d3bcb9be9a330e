use std::net::SocketAddr;

use serde_json::json;

use super::*;
use crate::client::{Answer, Client, Connection};

fn address(idp: &Idp) -> SocketAddr {
    let base = idp.shared.base.trim_start_matches("http://");
    base.parse().unwrap()
}

async fn post(idp: &Idp, path: &str, authorization: Option<&str>, form: &str) -> Answer {
    let mut request = Client::new(address(idp)).post(path);
    if let Some(authorization) = authorization {
        request = request.header("Authorization", authorization);
    }
    request.body(form).send().await
}

const SVC: Option<&str> = Some("Basic c3ZjOnN2Yy1zZWNyZXQ=");

#[tokio::test]
async fn a_token_is_told_of_until_it_is_revoked() {
    let idp = Idp::start().await;
    let tokens = [idp.token().opaque(), idp.token().sign()];
    for token in &tokens {
        let form = format!("token={token}");
        let told = post(&idp, PATH, SVC, &form).await.is(200).json();
        assert_eq!(told["active"], json!(true), "{told}");
        assert_eq!(told["sub"], json!("alice"));
        assert_eq!(told["iss"], json!(idp.issuer()));
        post(&idp, "/revoke", SVC, &form).await.is(200);
        let told = post(&idp, PATH, SVC, &form).await.is(200).json();
        assert_eq!(told, json!({"active": false}));
    }
    for unknown in [
        "guessed".into(),
        idp.token().tampered(),
        idp.token().expires_in(-1).opaque(),
    ] {
        let told = post(&idp, PATH, SVC, &format!("token={unknown}")).await;
        assert_eq!(told.json(), json!({"active": false}));
    }
    assert_eq!(idp.fetches(PATH), 7);
    assert_eq!(idp.introspected().len(), 7);
}

#[tokio::test]
async fn only_a_client_with_its_secret_may_ask() {
    let idp = Idp::start().await;
    idp.add_client("a:b", "p+ q%");
    let form = format!("token={}", idp.token().opaque());
    for wrong in [None, Some("Basic c3ZjOmd1ZXNz"), Some("Basic cHViOg==")] {
        post(&idp, PATH, wrong, &form).await.is(401);
        post(&idp, "/revoke", wrong, &form).await.is(401);
    }
    // a%3Ab:p%2B+q%25
    let told = post(&idp, PATH, Some("Basic YSUzQWI6cCUyQitxJTI1"), &form).await;
    assert_eq!(told.json()["active"], json!(true));
    let told = format!("{form}&client_id=svc&client_secret=svc-secret");
    assert_eq!(post(&idp, PATH, None, &told).await.is(200).status, 200);
    post(&idp, PATH, SVC, "token_type_hint=access_token")
        .await
        .is(400);
    let asked = idp.introspected().pop().unwrap();
    assert_eq!(asked.method, "POST");
    assert_eq!(asked.header("authorization"), SVC);
    assert_eq!(
        asked.form(),
        [("token_type_hint".into(), "access_token".into())]
    );
}

#[tokio::test]
async fn it_can_be_told_to_answer_late_wrongly_or_not_at_all() {
    let idp = Idp::start().await;
    idp.break_off_at(PATH, true);
    let mut connection = Connection::open(address(&idp)).await;
    let request = Client::new(address(&idp)).post(PATH).body("token=x");
    connection.write(&request.to_bytes()).await;
    assert!(connection.into_stream(false).await.is_none(), "no answer");
    assert_eq!(idp.fetches(PATH), 1, "it came all the same");
    idp.break_off_at(PATH, false);
    idp.answer(PATH, 200, &[], "{");
    assert_eq!(post(&idp, PATH, None, "").await.is(200).text(), "{");
}
