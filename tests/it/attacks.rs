//! Attempts to get past the gateway, each of which once worked.

use crate::setting::refused;
use crate::support::{WEB, world};

/// A web application whose administration asks for more than the rest.
const SHOP: &str = r#"{ path: /shop, upstream: "{upstream}", transport: http, auth: { audiences: [shop] } }"#;
const ADMIN: &str = r#"{ path: /shop/admin, upstream: "{upstream}", transport: http, auth: { audiences: [shop], required_scopes: [admin] } }"#;
const COMMA: &str = r#"{ path: "/shop/a%2Cb", upstream: "{upstream}", transport: http, auth: { audiences: [shop], required_scopes: [admin] } }"#;

#[tokio::test]
async fn sec_31_a_stricter_route_is_not_left_by_another_spelling_of_its_path() {
    let world = world("", &[SHOP, ADMIN, COMMA, WEB]).await;
    let token = world.token().audience("shop").sign();
    for path in [
        "/shop/%61dmin",
        "/shop/%61dmin/users",
        "/shop/admi%6E",
        "/shop/admin;v=1",
        "/shop/admin;/users",
        "/shop/admin%3Bv=1",
        "/shop;v=1/%61dmin",
        "/shop;v=1",
        "/%73hop",
        "/shop/a,b",
        "/shop/a%2cb/x",
        "/shop/;x/admin",
        "/%6Fauth/callback",
        "/.well-known;v=1/oauth-protected-resource/shop",
    ] {
        let request = world.client().get(path).bearer(&token);
        refused(&world, request, 400, "ambiguous_request").await;
    }
    // other spellings of what has no stricter route go on as they came
    for path in ["/shop/%61rticles", "/shop/a%20b;v=1", "/shop/caf%C3%A9", "/%7Ebob;v=1"] {
        world.client().get(path).bearer(&token).send().await.is(200);
        assert_eq!(world.server.last().target, path);
    }
    let request = world.client().get("/shop/admin").bearer(&token);
    refused(&world, request, 403, "insufficient_scope").await;
}
