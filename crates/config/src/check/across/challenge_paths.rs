//! Second paths of routes are nobody else's.

use super::{resource, url_of};
use crate::check::route::Entry;
use crate::checked::{Auth, Route, Server};
use crate::notes::Notes;
use crate::problem::Flaw;

pub(super) fn check(server: &Server, routes: &[Entry], notes: &mut Notes) {
    for (index, entry) in routes.iter().enumerate() {
        let Some(path) = challenge_path(&entry.route) else {
            continue;
        };
        let host = &entry.route.host;
        let url = url_of(host.as_ref(), path, server);
        let others = routes.iter().enumerate();
        let taken = others
            .filter(|(other, _)| *other != index)
            .find_map(|(at, other)| {
                let here = other.route.host == *host;
                let second = at < index && challenge_path(&other.route) == Some(path);
                if here && (*other.route.path == *path || second) {
                    Some((other, "is served by", "choose a path of its own"))
                } else if url.is_some() && resource(&other.route, server) == url {
                    let hint = "a token for one of them would be good for the other";
                    Some((other, "is the resource of", hint))
                } else {
                    None
                }
            });
        if let Some((other, how, hint)) = taken {
            notes.wrong(
                &entry.place.key("auth").key("challenge_path"),
                Flaw::new(format!("{how} {} already", other.place)).hint(hint),
            );
        }
    }
}

pub(super) fn challenge_path(route: &Route) -> Option<&str> {
    match &route.auth {
        Auth::Required(requirement) => requirement.challenge_path.as_deref(),
        Auth::Anonymous => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{good, wrong};

    fn routes(first: &str, second: &str) -> String {
        let route = |fields: &str| {
            format!(
                "{{ upstream: 'http://127.0.0.1:3000/mcp', access: {{ discovery: public }}, {fields} }}"
            )
        };
        format!(
            "routes: [ {}, {} ]\nserver: {{ public_url: 'https://mcp.example.com' }}",
            route(first),
            route(second)
        )
    }

    #[test]
    fn a_challenge_path_is_nobody_elses() {
        let first = "path: /a, auth: { challenge_path: /a/login }";
        good(&routes(first, "path: /b"));
        good(&routes(
            first,
            "path: /b, auth: { challenge_path: /b/login }",
        ));
        good(&routes(first, "path: /a/login, host: b.example.com"));
        wrong(
            &routes(first, "path: /a/login"),
            &["routes[0].auth.challenge_path: is served by routes[1] already"],
        );
        wrong(
            &routes(first, "path: /b, auth: { challenge_path: /a/login }"),
            &["routes[1].auth.challenge_path: is served by routes[0] already"],
        );
        wrong(
            &routes(
                first,
                "path: /b, resource: 'https://mcp.example.com/a/login'",
            ),
            &["routes[0].auth.challenge_path: is the resource of routes[1] already"],
        );
    }
}
