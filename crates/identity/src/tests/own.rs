//! Tokens that the operator's own services sign.

use config::AuthenticatorKind;

/// An authenticator as the configuration reads it.
pub(super) fn written(kind: &str) -> AuthenticatorKind {
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
        "authenticators: {{ a: {{ {kind} }} }}\n\
         routes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:1/mcp', auth: {{ type: both, accept: [a] }} }} ]"
    );
    let loaded = config::load(&text, &Nothing).unwrap_or_else(|problems| panic!("{problems}"));
    loaded.config.authenticators[0].kind.clone()
}
