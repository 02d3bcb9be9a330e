//! Resources that clients cannot have typed.

use super::{AuthenticatorEntry, RouteEntry};
use crate::checked::{Auth, Server};
use crate::host::HostPattern;
use crate::notes::Notes;
use crate::origin::Origin;
use crate::problem::Flaw;

/// A client compares the resource with the URL that it was given (RFC 9728 section 3.3), and under a name that is not ours it gets 421,
/// or, where somebody on the way writes another `Host`, a challenge that leads elsewhere. So the name of a resource is one of ours.
///
/// Not asked of routes under a wildcard host, which have to say a resource: it may stand for all that is below the wildcard.
pub(super) fn check(
    server: &Server,
    authenticators: &[AuthenticatorEntry],
    routes: &[RouteEntry],
    notes: &mut Notes,
) {
    let holds_keys = |index: &usize| {
        let checked = authenticators
            .get(*index)
            .and_then(|one| one.checked.as_ref());
        checked.is_some_and(|one| one.kind.api_keys().is_some())
    };
    for RouteEntry { place, route } in routes {
        let Some(resource) = &route.resource else {
            continue;
        };
        match &route.auth {
            // There is no document to compare where only keys are taken.
            Auth::Required(requirement) if requirement.accept.iter().all(holds_keys) => continue,
            Auth::Required(_) => {}
            Auth::Anonymous => continue,
        }
        if route
            .host
            .as_ref()
            .is_some_and(|host| host.exact().is_none())
        {
            continue;
        }
        let Ok((origin, _)) = Origin::split(resource) else {
            continue;
        };
        if !is_served(&origin, server, routes) {
            notes.warn(
                &place.key("resource"),
                Flaw::new("is a URL under a name that the gateway does not answer to: clients that compare it with what they were given refuse it")
                    .hint("name the host under server.public_url or server.allowed_hosts, or as the route's host; what only `aud` is compared with belongs in auth.audiences"),
            );
        }
    }
}

fn is_served(origin: &Origin, server: &Server, routes: &[RouteEntry]) -> bool {
    let authority = origin.authority();
    let public = server.public_url.as_ref();
    let hosts = routes.iter().filter_map(|entry| entry.route.host.as_ref());
    let mut patterns = server.allowed_hosts.iter().chain(hosts);
    let local = || {
        // Port 0 is any.
        let mut ports = server.listen.iter().filter(|at| at.ip().is_loopback());
        ports.any(|at| [0, origin.port()].contains(&at.port()))
    };
    public.is_some_and(|public| public.authority().eq_ignore_ascii_case(authority))
        || patterns.any(|pattern: &HostPattern| pattern.matches(authority))
        || origin.is_loopback() && local()
}

#[cfg(test)]
mod tests {
    use crate::testing::warnings;

    const UNKNOWN: &str = "routes[0].resource: is a URL under a name that the gateway does not answer to: clients that compare it with what they were given refuse it";

    #[track_caller]
    fn said(server: &str, fields: &str) -> Vec<String> {
        warnings(&format!(
            "server: {{ {server} }}\nroutes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:3000/mcp', {fields} }} ]"
        ))
    }

    #[test]
    fn prm_5_a_resource_under_a_strange_name_is_warned_of() {
        let public = "public_url: 'https://mcp.example.com'";
        for (server, resource) in [
            (public, "https://mcp.example.org/mcp"),
            (public, "https://mcp.example.com:8443/mcp"),
            (public, "https://example.com/mcp"),
            (
                "public_url: 'https://example.com', allowed_hosts: ['*.example.com']",
                "https://a.b.example.com/mcp",
            ),
            // nginx writes its own Host unless it is told not to: challenges would lead to 127.0.0.1.
            ("", "https://mcp.example.com/mcp"),
            ("", "http://127.0.0.1:9000/mcp"),
        ] {
            let fields = format!("resource: '{resource}'");
            assert_eq!(said(server, &fields), [UNKNOWN], "{server} {resource}");
        }
    }

    #[test]
    fn prm_5_a_resource_under_a_name_of_ours_is_not_spoken_of() {
        let public = "public_url: 'https://mcp.example.com'";
        for (server, fields) in [
            (public, "resource: 'https://mcp.example.com/team/mcp'"),
            (public, "resource: 'https://MCP.example.com:443/mcp'"),
            (
                "allowed_hosts: [mcp.example.org]",
                "resource: 'https://mcp.example.org/mcp'",
            ),
            (
                "allowed_hosts: ['mcp.example.org:8443']",
                "resource: 'https://mcp.example.org:8443/mcp'",
            ),
            (
                "allowed_hosts: ['*.example.com']",
                "resource: 'https://a.example.com/mcp'",
            ),
            (
                "",
                "host: a.example.com, resource: 'https://a.example.com/mcp'",
            ),
            ("", "resource: 'http://localhost:8080/mcp'"),
            (
                "listen: '127.0.0.1:0'",
                "resource: 'http://127.0.0.1:4711/mcp'",
            ),
            // One resource for all names below; it has to be said there.
            (
                "",
                "host: '*.example.com', resource: 'https://example.com/mcp'",
            ),
            // Nobody is told.
            (
                "",
                "resource: 'https://a.example/mcp', auth: { type: none }, dangerous: [anonymous_access]",
            ),
        ] {
            let said = said(server, fields);
            assert!(
                !said.iter().any(|one| one.contains("resource")),
                "{server} {fields}: {said:?}"
            );
        }
    }

    #[test]
    fn prm_5_where_only_keys_are_taken_nobody_compares_a_resource() {
        let hash = "0".repeat(64);
        let keys = format!(
            "authenticators: {{ corp: {{ oidc: {{ issuer: 'https://login.example.com/' }} }}, machines: {{ api_keys: {{ keys: [ {{ id: ci, hash: 'sha256:{hash}' }} ] }} }} }}"
        );
        let of = |kind: &str| {
            warnings(&format!(
                "{keys}\nroutes: [ {{ path: /mcp, upstream: 'http://127.0.0.1:3000', resource: 'https://x.example/mcp', auth: {{ type: {kind} }} }} ]"
            ))
        };
        assert_eq!(of("jwt"), ["authenticators.corp: is accepted by no route"]);
        assert_eq!(of("both"), [UNKNOWN]);
    }
}
