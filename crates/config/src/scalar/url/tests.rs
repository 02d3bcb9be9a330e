use super::*;
use proptest::prelude::*;

#[track_caller]
fn check<T: Scalar + std::fmt::Debug>(text: &str, expected: Result<(), &str>) {
    let read = T::read(text).map(drop).map_err(|flaw| flaw.reason);
    assert_eq!(read, expected.map_err(str::to_owned), "{text}");
}

#[test]
fn trap_1_an_issuer_is_kept_byte_for_byte() {
    for text in [
        "https://login.example.com",
        "https://login.example.com/",
        "https://Login.Example.com:443/realms/x",
        "http://127.0.0.1:9400",
    ] {
        assert_eq!(&*Issuer::read(text).unwrap().0.text, text);
    }
}

#[test]
fn t_p4_an_issuer_is_a_url() {
    check::<Issuer>("not-a-url", Err("is not an absolute http or https URL"));
    check::<Issuer>("ftp://x", Err("is not an http or https URL"));
    check::<Issuer>("https://x/?a", Err("has a query"));
    check::<Issuer>("https://x/#a", Err("has a fragment"));
    check::<Issuer>(
        "https://x/.well-known/openid-configuration",
        Err("is the address of a document, not an issuer"),
    );
    check::<Issuer>(
        "https://x/{tenantid}/v2.0",
        Err("has characters that a URL cannot hold"),
    );
    check::<Issuer>("https://x/ y", Err("has characters that a URL cannot hold"));
    check::<Issuer>(
        "https://u:p@x/",
        Err("must not contain a user name or password"),
    );
    check::<Issuer>(
        "http://login.example.com",
        Err("is neither https nor on loopback"),
    );
}

#[test]
fn t_p5_an_issuer_is_not_empty() {
    check::<Issuer>("", Err("is empty"));
}

#[test]
fn sec_19_keys_come_over_https_or_loopback() {
    check::<KeysUrl>("https://login.example.com/keys?app=1", Ok(()));
    check::<KeysUrl>("http://localhost:9400/jwks", Ok(()));
    check::<KeysUrl>(
        "http://login.example.com/keys",
        Err("is neither https nor on loopback"),
    );
}

#[test]
fn x19_a_resource_is_a_web_url() {
    check::<Resource>("https://mcp.example.com/mcp?x=1", Ok(()));
    check::<Resource>("https://mcp.example.com/mcp#x", Err("has a fragment"));
    check::<Resource>("api://mcp-server", Err("is not an http or https URL"));
    let hint = Resource::read("api://mcp-server")
        .unwrap_err()
        .hint
        .unwrap();
    assert!(hint.contains("auth.audiences"));
    assert_eq!(Resource::read("https://é").unwrap_err().hint, None);
}

#[test]
fn t_p2_a_resource_is_not_empty() {
    check::<Resource>("", Err("is empty"));
}

#[test]
fn usual_slips_have_a_hint() {
    let hint = |flaw: Flaw| flaw.hint.unwrap();
    let scheme = "it begins with https:// or http://";
    assert_eq!(hint(Issuer::read("login.example.com").unwrap_err()), scheme);
    assert_eq!(hint(Origin::read("mcp.example.com").unwrap_err()), scheme);
    let path = Origin::read("https://mcp.example.com/mcp").unwrap_err();
    assert_eq!(hint(path), "the path is a matter of each route");
}

#[test]
fn origins_for_browsers() {
    check::<AllowedOrigin>("*", Ok(()));
    check::<AllowedOrigin>("https://a.example", Ok(()));
    check::<AllowedOrigin>(
        "null",
        Err("is what any sandboxed page sends, so it names nobody"),
    );
    check::<AllowedOrigin>(
        "https://a.example/x",
        Err("must end after host and port; a path, query or fragment has no place here"),
    );
}

#[test]
fn proxies() {
    let proxy = ProxyUrl::read("http://gate:p%40ss@proxy.internal:3128/").unwrap();
    assert_eq!(proxy.expose(), "http://gate:p%40ss@proxy.internal:3128");
    check::<ProxyUrl>(
        "http://a b@proxy",
        Err("has a user name or password with characters that a URL cannot hold"),
    );
    check::<ProxyUrl>("socks5://proxy", Err("is not an http or https URL"));
    check::<ProxyUrl>("proxy:3128", Err("is not an absolute http or https URL"));
    check::<ProxyUrl>(
        "http://proxy/path",
        Err("must end after host and port; a path, query or fragment has no place here"),
    );
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in ".*", tail in ".*") {
        for text in [text, format!("https://a{tail}"), format!("http://a/{tail}")] {
            let _ = (Issuer::read(&text), KeysUrl::read(&text), Resource::read(&text));
            let _ = (ProxyUrl::read(&text), AllowedOrigin::read(&text));
        }
    }
}
