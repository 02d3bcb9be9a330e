//! What an answer has to say.

use serde_json::{Value, json};

use super::{Asked, PATH};
use crate::Kind;
use crate::testing::NOW;

#[tokio::test]
async fn t_i1_b_6_r7662_an_active_token_is_its_bearers() {
    let world = Asked::new().await;
    let caller = world.ask(&world.token().opaque()).await.unwrap();
    assert_eq!(caller.subject(), "alice");
    assert_eq!(caller.issuer(), world.idp.issuer());
    assert_eq!(caller.kind(), Kind::User);
    assert_eq!(caller.client_id(), Some("pub"));
    assert_eq!(caller.scopes().to_string(), "mcp:tools");
    assert_eq!(caller.expires().0, NOW.0 + 3600);
    assert_eq!(caller.method(), "introspection");
    assert_eq!(caller.authenticator(), "central");
}

#[tokio::test]
async fn t_i2_t_i3_t_o8_s3_18_an_inactive_or_unknown_token_is_refused() {
    let world = Asked::new().await;
    let token = world.token().opaque();
    world.idp.revoke(&token);
    assert_eq!(world.reason(&token).await, "inactive");
    assert_eq!(world.reason("guessed").await, "inactive");
}

/// The reason for which an answer is refused, or `ok`.
async fn reason(world: &Asked, answer: &Value) -> &'static str {
    match world.told(answer).await {
        Ok(_) => "ok",
        Err(failure) => failure.reason(),
    }
}

#[tokio::test]
async fn t_i4_t_i5_t_i6_t_i7_b_6_what_is_missing_is_told_by_name() {
    let world = Asked::new().await;
    assert_eq!(reason(&world, &world.good()).await, "ok");
    for (missing, expected) in [
        (
            "iss",
            format!(
                "issuer mismatch: expected {:?}, got none",
                world.idp.issuer()
            ),
        ),
        (
            "aud",
            "token audience invalid: expected one, got none".into(),
        ),
        ("exp", "token has no expiry".into()),
        ("active", "malformed token: active is missing".into()),
    ] {
        let failure = world
            .told(&world.but(json!({ missing: null })))
            .await
            .unwrap_err();
        assert_eq!(failure.to_string(), expected);
    }
    let nobody = world.but(json!({"sub": null, "client_id": null}));
    let failure = world.told(&nobody).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "token names neither a subject nor a client"
    );
}

#[tokio::test]
async fn t_i4_b_6_a_client_stands_for_a_missing_subject_and_is_no_user() {
    let world = Asked::new().await;
    let caller = world.told(&world.but(json!({"sub": null}))).await.unwrap();
    assert_eq!((caller.kind(), caller.subject()), (Kind::Client, "app"));
}

#[tokio::test]
async fn s3_15_b_6_issuer_and_audience_are_compared() {
    let world = Asked::new().await;
    let issuer = world.idp.issuer().to_owned();
    for (changes, expected) in [
        (json!({"iss": format!("{issuer}/")}), "issuer_mismatch"),
        (json!({"iss": "https://other.example"}), "issuer_mismatch"),
        (json!({"aud": "https://other.example"}), "audience_mismatch"),
        (json!({"aud": []}), "audience_mismatch"),
        (json!({"aud": ["x", crate::testing::RESOURCE]}), "ok"),
    ] {
        assert_eq!(
            reason(&world, &world.but(changes.clone())).await,
            expected,
            "{changes}"
        );
    }
}

#[tokio::test]
async fn t_i8_t_i9_t_i10_b_6_times_are_judged_whatever_active_says() {
    let world = Asked::new().await;
    let now = NOW.0;
    for (changes, expected) in [
        (json!({"exp": now - 31}), "expired"),
        (json!({"exp": now - 30}), "expired"),
        (json!({"exp": now - 29}), "ok"),
        (json!({"exp": now + 1}), "ok"),
        (json!({"nbf": now + 31}), "not_yet_valid"),
        (json!({"nbf": now + 30}), "ok"),
        (json!({"iat": now + 31}), "not_yet_valid"),
    ] {
        assert_eq!(
            reason(&world, &world.but(changes.clone())).await,
            expected,
            "{changes}"
        );
    }
}

#[tokio::test]
async fn b_6_r7662_odd_numbers_are_read_to_the_side_that_takes_less_or_not_at_all() {
    let world = Asked::new().await;
    let early = f64::from(u32::try_from(NOW.0).unwrap());
    for (exp, expected) in [
        (json!(early + 600.5), "ok"),
        (json!(early - 29.5), "expired"), // 30 s ago, rounded down
        (json!(early - 28.5), "ok"),
        (json!(1e300), "malformed_token"),
        (json!(u64::MAX), "malformed_token"),
        (json!(253_402_300_800_u64), "malformed_token"),
        (json!(-1), "malformed_token"),
        (json!(0), "expired"),
        (json!(NOW.0.to_string()), "malformed_token"),
        (json!(true), "malformed_token"),
        (json!([NOW.0 + 600]), "malformed_token"),
    ] {
        let answer = world.but(json!({ "exp": exp }));
        assert_eq!(reason(&world, &answer).await, expected, "{exp}");
    }
    for (nbf, expected) in [
        (json!(early + 30.5), "not_yet_valid"),
        (json!("0"), "malformed_token"),
    ] {
        let answer = world.but(json!({ "nbf": nbf }));
        assert_eq!(reason(&world, &answer).await, expected, "{nbf}");
    }
}

#[tokio::test]
async fn r7662_b_6_active_is_true_and_nothing_like_it() {
    let world = Asked::new().await;
    for active in [json!("true"), json!(1), json!([true]), json!({})] {
        let answer = world.but(json!({ "active": active }));
        assert_eq!(reason(&world, &answer).await, "malformed_token", "{active}");
    }
    let no = json!({"active": false, "iss": world.idp.issuer(), "sub": "ada"});
    assert_eq!(reason(&world, &no).await, "inactive");
}

#[tokio::test]
async fn fields_of_other_types_are_no_fields() {
    let world = Asked::new().await;
    for changes in [
        json!({"iss": 1}),
        json!({"sub": 1}),
        json!({"aud": 1}),
        json!({"aud": ["x", 1]}),
        json!({"scope": 1}),
        json!({"scope": ["a b"]}),
        json!({"client_id": true}),
        json!({"token_type": 1}),
        json!({"token_use": ["access"]}),
    ] {
        let found = reason(&world, &world.but(changes.clone())).await;
        assert_eq!(found, "malformed_token", "{changes}");
    }
    for array in ["[]", "\"active\"", "true"] {
        world.idp.answer(PATH, 200, &[], array);
        assert_eq!(
            world
                .reason(&format!("array-{array}").replace(['[', ']', '"'], "_"))
                .await,
            "malformed_token"
        );
    }
}

#[tokio::test]
async fn a_member_that_is_named_twice_is_refused() {
    let world = Asked::new().await;
    let text = world.good().to_string();
    for more in [
        r#","active":true}"#,
        r#","sub":"eve"}"#,
        r#","x":{"a":1,"a":2}}"#,
    ] {
        let twice = text.trim_end_matches('}').to_owned() + more;
        world.idp.answer(PATH, 200, &[], twice);
        let token = format!("twice-{}", more.len());
        assert_eq!(world.reason(&token).await, "malformed_token", "{more}");
    }
}

#[tokio::test]
async fn sec_17_other_tokens_than_access_tokens_are_refused() {
    let world = Asked::new().await;
    for (changes, expected) in [
        (
            json!({"token_type": "Bearer", "typ": "Bearer", "token_use": "access"}),
            "ok",
        ),
        (json!({"token_type": "access_token"}), "ok"),
        (
            json!({"token_type": "refresh_token"}),
            "token_type_not_allowed",
        ),
        (
            json!({"token_type": "urn:ietf:params:oauth:token-type:id_token"}),
            "token_type_not_allowed",
        ),
        (json!({"token_use": "refresh"}), "token_type_not_allowed"),
        (json!({"token_use": "id"}), "token_type_not_allowed"),
        (json!({"typ": "Refresh"}), "token_type_not_allowed"),
        (json!({"typ": "Offline"}), "token_type_not_allowed"),
        (json!({"typ": "ID"}), "token_type_not_allowed"),
        (json!({"at_hash": "x"}), "token_type_not_allowed"),
        (
            json!({"scope": null, "client_id": null}),
            "token_type_not_allowed",
        ),
        (json!({"scope": null}), "ok"),
        (json!({"client_id": null}), "ok"),
        (json!({"cnf": {"jkt": "A".repeat(43)}}), "proof_required"),
        (json!({"token_type": "DPoP"}), "proof_required"),
    ] {
        assert_eq!(
            reason(&world, &world.but(changes.clone())).await,
            expected,
            "{changes}"
        );
    }
}

#[tokio::test]
async fn t_i13_further_fields_and_arrays_come_through() {
    let world = Asked::with(|settings| {
        settings.rules.claims.groups = config::ClaimPath::parse("realm.roles").unwrap();
        settings.rules.scope_map = vec![("mcp".into(), vec!["mcp:read".into()])];
    })
    .await;
    let answer = world.but(json!({
        "realm": {"roles": ["a", "b"]},
        "email": "ada@example.com",
        "email_verified": true,
        "name": "Ada",
        "scope": ["mcp"],
    }));
    let caller = world.told(&answer).await.unwrap();
    let values = caller.values();
    let shown = |value: &Option<http::HeaderValue>| {
        value
            .as_ref()
            .map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(shown(&values.groups).as_deref(), Some("a,b"));
    assert_eq!(shown(&values.email).as_deref(), Some("ada@example.com"));
    assert_eq!(shown(&values.name).as_deref(), Some("Ada"));
    assert_eq!(caller.scopes().to_string(), "mcp mcp:read");
}
