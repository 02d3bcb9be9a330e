//! The operator's listener (SEC-79).

use std::net::SocketAddr;

use super::server::collide;
use crate::checked::{Admin, AdminListen, Server};
use crate::notes::Notes;
use crate::place::Place;
use crate::problem::Flaw;
use crate::raw;
use crate::scalar::admin::AdminToken;
use crate::written::Block;

pub(super) fn check(raw: Option<Block<raw::Admin>>, server: &Server, notes: &mut Notes) -> Admin {
    let admin = Place::root().key("admin");
    let raw = notes.block(&admin, raw);
    let place = admin.key("listen");
    let usual = AdminListen::Tcp(SocketAddr::from(([127, 0, 0, 1], 9090)));
    let listen = notes.text_or(&place, raw.listen.as_ref(), usual);
    let token = notes.text(&admin.key("token"), raw.token.as_ref());
    if let AdminListen::Tcp(listen) = &listen {
        let mut public = server.listen.iter();
        if server
            .redirect_http
            .is_some_and(|other| collide(other, *listen))
        {
            notes.wrong(&place, "is the address of server.redirect_http too");
        } else if public.any(|other| collide(*other, *listen)) {
            notes.wrong(
                &place,
                Flaw::new("is an address of server.listen too")
                    .hint("health and metrics are not for the public listener"),
            );
        }
        if token.is_some() && !listen.ip().is_loopback() {
            notes.warn(
                &admin.key("token"),
                Flaw::new("is sent in the clear beyond this machine")
                    .hint("listen on 127.0.0.1, or on unix:/path, which needs no token"),
            );
        }
    }
    Admin {
        listen,
        token: token.map(|AdminToken(token)| token),
    }
}

#[cfg(test)]
mod tests {
    use crate::checked::AdminListen;
    use crate::load;
    use crate::testing::{Fixed, good, with, wrong};

    #[test]
    fn sec_79_the_operators_listener_is_an_address_or_a_socket() {
        let listen = |text: &str| good(&format!("admin: {{ listen: '{text}' }}")).admin.listen;
        assert_eq!(listen("[::1]:1").to_string(), "[::1]:1");
        assert_eq!(
            listen("unix:/run/portcullis/admin.sock"),
            AdminListen::Unix("/run/portcullis/admin.sock".into())
        );
        for (text, told) in [
            ("unix:admin.sock", "is not an absolute path"),
            ("unix:", "is not an absolute path"),
            ("unix:/run/", "is not the path of a file"),
            ("9090", "is not an address and port"),
        ] {
            let problem = format!("admin.listen: `{text}` {told}");
            wrong(&format!("admin: {{ listen: '{text}' }}"), &[&problem]);
        }
        let long = format!("unix:/{}", "x".repeat(107));
        let told = "is longer than 107 bytes, which no socket's path can be";
        let problem = format!("admin.listen: `{}…` {told}", &long[..60]);
        wrong(&format!("admin: {{ listen: '{long}' }}"), &[&problem]);
    }

    #[test]
    fn sec_79_a_token_is_long_and_of_characters_that_a_header_holds() {
        let token = "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E";
        let config = good(&format!("admin: {{ token: {token} }}"));
        assert_eq!(config.admin.token.unwrap().expose(), token);
        for (text, told) in [
            (
                "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1",
                "has fewer than 32 characters",
            ),
            (
                "qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1 v",
                "has characters that a bearer token cannot hold",
            ),
            (
                "abababababababababababababababababab",
                "repeats a short pattern",
            ),
            (
                "================================",
                "has characters that a bearer token cannot hold",
            ),
        ] {
            let problem = format!("admin.token: `***` {told}");
            wrong(&format!("admin: {{ token: '{text}' }}"), &[&problem]);
        }
    }

    #[test]
    fn sec_79_a_token_that_others_may_see_on_its_way_is_warned_of() {
        let warned = |listen: &str| {
            let admin =
                format!("admin: {{ listen: '{listen}', token: qN7pXc2Vb9sLr4TzKj8mWd3HfGy6Ua1E }}");
            let loaded = load(&with(&admin), &Fixed::default()).unwrap();
            loaded
                .warnings
                .iter()
                .any(|warning| warning.path == "admin.token")
        };
        assert!(warned("0.0.0.0:9090"));
        assert!(!warned("127.0.0.1:9090") && !warned("unix:/run/admin.sock"));
    }
}
