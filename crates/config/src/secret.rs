//! Values that must not be seen.

use std::fmt;

/// A secret. Leaking one needs the word `expose`, and that word can be searched for.
///
/// There is no `Display`, no `Serialize`, and no `PartialEq`, which would compare in a time that tells how far it got.
#[derive(Clone)]
pub struct Secret(Box<str>);

impl Secret {
    pub fn new(value: impl Into<Box<str>>) -> Self {
        Secret(value.into())
    }

    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// The URL of a forward proxy. It may carry a user name and a password.
#[derive(Clone)]
pub struct ProxyUrl {
    url: Secret,
    /// The same with `***` for user name and password.
    shown: Box<str>,
}

impl ProxyUrl {
    /// `scheme` and `rest` (host, port) must be sound already; `user` is what stands before the `@`.
    pub(crate) fn new(scheme: &str, user: Option<&str>, rest: &str) -> Self {
        let with = |user: &str| format!("{scheme}://{user}{rest}");
        ProxyUrl {
            url: Secret::new(with(
                &user.map(|user| format!("{user}@")).unwrap_or_default(),
            )),
            shown: with(if user.is_some() { "***@" } else { "" }).into(),
        }
    }

    /// The whole URL, for the client that connects through it.
    pub fn expose(&self) -> &str {
        self.url.expose()
    }

    /// The URL without what must not be seen.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ProxyUrl({})", self.shown)
    }
}

/// Two configurations are compared when one replaces the other. Nobody who presents a credential gets here, so time tells nothing.
impl PartialEq for ProxyUrl {
    fn eq(&self, other: &Self) -> bool {
        self.url.expose() == other.url.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_seen_by_printing() {
        let secret = Secret::new("hunter2");
        assert!(!format!("{secret:?} {:#?}", Some(&secret)).contains("hunter2"));
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn sec_81_a_proxy_is_shown_without_its_password() {
        let proxy = ProxyUrl::new("http", Some("gate:hunter2"), "proxy.internal:3128");
        assert_eq!(proxy.expose(), "http://gate:hunter2@proxy.internal:3128");
        assert_eq!(proxy.shown(), "http://***@proxy.internal:3128");
        assert_eq!(
            format!("{proxy:?}"),
            "ProxyUrl(http://***@proxy.internal:3128)"
        );
        assert_ne!(
            proxy,
            ProxyUrl::new("http", Some("gate:other"), "proxy.internal:3128")
        );
        assert_eq!(proxy, proxy.clone());
    }
}
