//! Tokens in the shapes that real providers give them.

use config::{AudienceClaim, ClaimPath};
use serde_json::json;

use crate::Kind;
use crate::testing::{NOW, RESOURCE, TestKey, World};

#[tokio::test]
async fn s3_27_auth0() {
    let issuer = "https://tenant.eu.auth0.example/";
    let world = World::with(TestKey::rsa(), |jwt| jwt.rules.issuer = issuer.into()).await;
    let user = json!({
        "iss": issuer, "sub": "auth0|42", "aud": [RESOURCE, "https://tenant.eu.auth0.example/userinfo"],
        "azp": "spa", "scope": "openid mcp", "iat": NOW.0, "exp": NOW.0 + 86400,
    });
    let token = world.token().header("typ", "JWT").only(user).sign();
    let caller = world.ask(&token).await.unwrap();
    assert_eq!(
        (caller.kind(), caller.subject(), caller.client_id()),
        (Kind::User, "auth0|42", Some("spa"))
    );
    let machine = json!({
        "iss": issuer, "sub": "m2m@clients", "aud": RESOURCE, "azp": "m2m", "gty": "client-credentials",
        "scope": "mcp", "iat": NOW.0, "exp": NOW.0 + 86400,
    });
    let token = world.token().header("typ", "JWT").only(machine).sign();
    assert_eq!(world.ask(&token).await.unwrap().kind(), Kind::Client);
}

#[tokio::test]
async fn s3_28_okta() {
    let issuer = "https://dev.okta.example/oauth2/default";
    let world = World::with(TestKey::rsa(), |jwt| {
        jwt.rules.issuer = issuer.into();
        jwt.rules.audiences = vec!["api://mcp-server".into()];
    })
    .await;
    let claims = json!({
        "ver": 1, "jti": "AT.1", "iss": issuer, "aud": "api://mcp-server", "sub": "ada@acme.example",
        "iat": NOW.0, "exp": NOW.0 + 3600, "cid": "0oa1", "uid": "00u1", "scp": ["openid", "mcp:tools"],
    });
    let token = world.token().no_header("typ").only(claims).sign();
    let caller = world.ask(&token).await.unwrap();
    assert_eq!(caller.scopes().to_string(), "mcp:tools openid");
    assert_eq!(
        (caller.kind(), caller.client_id()),
        (Kind::User, Some("0oa1"))
    );
}

#[tokio::test]
async fn s3_29_cognito() {
    let issuer = "https://cognito-idp.eu-west-1.amazonaws.example/eu-west-1_x";
    let world = World::with(TestKey::rsa(), |jwt| {
        jwt.rules.issuer = issuer.into();
        jwt.audience_claim = AudienceClaim::ClientId;
        jwt.rules.audiences = vec!["client-1".into()];
        jwt.rules.claims.groups = ClaimPath::parse("cognito:groups").unwrap();
    })
    .await;
    let claims = json!({
        "iss": issuer, "sub": "u-1", "client_id": "client-1", "token_use": "access", "scope": "mcp/tools",
        "cognito:groups": ["admins"], "username": "ada", "iat": NOW.0, "exp": NOW.0 + 3600,
    });
    let token = || world.token().no_header("typ").only(claims.clone());
    let caller = world.ask(&token().sign()).await.unwrap();
    assert_eq!(caller.values().groups.as_ref().unwrap(), "admins");
    for (claim, value, expected) in [
        ("client_id", json!("client-2"), "audience_mismatch"),
        ("client_id", json!(["client-1"]), "malformed_token"),
        ("token_use", json!("id"), "token_type_not_allowed"),
        ("token_use", json!("other"), "token_type_not_allowed"),
        ("token_use", json!(true), "token_type_not_allowed"),
        // an audience that is there all the same must be ours (RFC 7519)
        ("aud", json!("client-1"), "ok"),
        ("aud", json!("https://other.example"), "audience_mismatch"),
    ] {
        let changed = token().claim(claim, value.clone()).sign();
        assert_eq!(world.reason(&changed).await, expected, "{claim} = {value}");
    }
    assert_eq!(
        world.reason(&token().no_claim("client_id").sign()).await,
        "audience_mismatch"
    );
    assert_eq!(
        world.reason(&token().no_claim("token_use").sign()).await,
        "token_type_not_allowed"
    );
    // the pool's ID token has the client as its audience
    let id_token = json!({
        "iss": issuer, "sub": "u-1", "aud": "client-1", "token_use": "id", "email": "a@b", "exp": NOW.0 + 3600,
    });
    let id_token = world.token().no_header("typ").only(id_token).sign();
    assert_eq!(world.reason(&id_token).await, "token_type_not_allowed");
}

#[tokio::test]
async fn s3_30_entra_both_versions() {
    let v2 = "https://login.microsoftonline.example/tid/v2.0";
    let v1 = "https://sts.windows.example/tid/";
    let guid = "11111111-2222-3333-4444-555555555555";
    let world = World::with(TestKey::rsa(), |jwt| {
        jwt.rules.issuer = v2.into();
        jwt.issuers = vec![v1.into()];
        jwt.rules.audiences = vec![guid.into(), format!("api://{guid}").into()];
    })
    .await;
    let common = |token: crate::testing::Token<'_>| {
        token
            .claim("sub", "pairwise")
            .claim("oid", "o")
            .claim("tid", "tid")
            .claim("scp", "mcp.read")
            .sign()
    };
    let base = || {
        world
            .token()
            .header("typ", "JWT")
            .no_claim("scope")
            .no_claim("client_id")
    };
    let second = common(
        base()
            .claim("iss", v2)
            .claim("aud", guid)
            .claim("azp", "client")
            .claim("ver", "2.0"),
    );
    let caller = world.ask(&second).await.unwrap();
    assert_eq!((caller.issuer(), caller.client_id()), (v2, Some("client")));
    assert_eq!(caller.scopes().to_string(), "mcp.read");
    let first = format!("api://{guid}");
    let first = common(
        base()
            .claim("iss", v1)
            .claim("aud", first)
            .claim("appid", "client")
            .claim("ver", "1.0"),
    );
    let caller = world.ask(&first).await.unwrap();
    assert_eq!((caller.issuer(), caller.client_id()), (v1, Some("client")));
    assert_eq!(caller.values().issuer, v1);
    let unslashed = common(
        base()
            .claim("iss", "https://sts.windows.example/tid")
            .claim("aud", guid),
    );
    assert_eq!(world.reason(&unslashed).await, "issuer_mismatch");
    let other_tenant = common(
        base()
            .claim("iss", "https://sts.windows.example/other/")
            .claim("aud", guid),
    );
    assert_eq!(world.reason(&other_tenant).await, "issuer_mismatch");
    // clients are told the one that has metadata
    assert_eq!(world.route.issuers(), [Box::from(v2)]);
}

#[tokio::test]
async fn s3_26_keycloak_has_roles_below_realm_access() {
    let issuer = "https://id.example/realms/acme";
    let world = World::with(TestKey::rsa(), |jwt| {
        jwt.rules.issuer = issuer.into();
        jwt.rules.claims.groups = ClaimPath::parse("realm_access.roles").unwrap();
    })
    .await;
    let claims = json!({
        "iss": issuer, "sub": "f:1:ada", "aud": [RESOURCE, "account"], "typ": "Bearer", "azp": "cli", "sid": "s",
        "scope": "openid mcp", "realm_access": { "roles": ["admin", "offline_access"] },
        "resource_access": { "account": { "roles": ["view-profile"] } },
        "email": "ada@acme.example", "email_verified": true, "name": "Ada Lovelace",
        "iat": NOW.0, "exp": NOW.0 + 300,
    });
    let token = || world.token().header("typ", "JWT").only(claims.clone());
    let caller = world.ask(&token().sign()).await.unwrap();
    let values = caller.values();
    assert_eq!(values.groups.as_ref().unwrap(), "admin,offline_access");
    assert_eq!(values.email.as_ref().unwrap(), "ada@acme.example");
    assert_eq!(values.name.as_ref().unwrap(), "Ada Lovelace");
    for typ in ["ID", "Refresh", "Offline", "Logout"] {
        let other = token().claim("typ", typ).sign();
        assert_eq!(
            world.reason(&other).await,
            "token_type_not_allowed",
            "{typ}"
        );
    }
    // without a mapper Keycloak names no audience of ours
    let unmapped = token().claim("aud", "account").sign();
    assert_eq!(world.reason(&unmapped).await, "audience_mismatch");
}

#[tokio::test]
async fn s3_26_groups_as_one_text_are_one_group() {
    let world = World::new().await;
    let caller = world
        .ask(&world.token().claim("groups", "a b").sign())
        .await
        .unwrap();
    assert_eq!(caller.values().groups.as_ref().unwrap(), "a b");
    for odd in [json!(null), json!({ "a": 1 })] {
        let caller = world
            .ask(&world.token().claim("groups", odd).sign())
            .await
            .unwrap();
        assert_eq!(caller.values().groups, None);
    }
}

#[tokio::test]
async fn t_j11_everything_a_token_says_of_itself_is_there() {
    let world = World::new().await;
    let token = world.token().claim("nbf", NOW.0 - 60).sign();
    let caller = world.ask(&token).await.unwrap();
    assert_eq!(caller.subject(), "ada");
    assert_eq!(caller.issuer(), "https://issuer.example");
    assert_eq!(caller.scopes().to_string(), "mcp");
    assert_eq!(caller.expires().0, NOW.0 + 600);
}
