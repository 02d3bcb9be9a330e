use crate::check::route::tests::{field, read, route};
use crate::testing::wrong;
use crate::{ClaimPath, IdentityHeaders};

#[test]
fn sec_34_identity_headers_and_what_is_stripped() {
    assert_eq!(
        read("identity: { headers: oauth2-proxy }").identity.headers,
        IdentityHeaders::Oauth2Proxy
    );
    let identity = read("identity: { headers: { X-User: sub, x-roles: realm_access.roles }, strip: [X-Secret, x_odd] }").identity;
    let claim = |path: &str| ClaimPath::parse(path).unwrap();
    assert_eq!(
        identity.headers,
        IdentityHeaders::Map(vec![
            ("x-roles".into(), claim("realm_access.roles")),
            ("x-user".into(), claim("sub"))
        ])
    );
    assert_eq!(identity.strip, ["x-secret".into(), "x_odd".into()]);
    field(
        "identity: { headers: {} }",
        "identity.headers",
        "maps nothing",
    );
    field(
        "identity: { headers: header }",
        "identity.headers",
        "`header` is not one of default, oauth2-proxy, authelia, none",
    );
    wrong(
        &route(
            "identity: { headers: { Authorization: sub, Host: sub, 'a b': sub, x_user: sub, X-User: sub, x-user: sub, X-A: '' } }",
        ),
        &[
            "routes[0].identity.headers.Authorization: is a header with a meaning of its own",
            "routes[0].identity.headers.Host: is a header with a meaning of its own",
            "routes[0].identity.headers.X-A: `` is empty",
            "routes[0].identity.headers.\"a b\": is not the name of a header",
            "routes[0].identity.headers.x-user: is there already in another letter case",
            "routes[0].identity.headers.x_user: has a `_`, which servers cannot tell from `-`",
        ],
    );
    wrong(
        &route("identity: { strip: [Host, 'a b', X-A, x-a] }"),
        &[
            "routes[0].identity.strip[1]: `a b` is not the name of a header",
            "routes[0].identity.strip[3]: is in the list already",
            "routes[0].identity.strip[0]: is a header that no request can do without",
        ],
    );
}
